/* guest: oracle=no compare=no */
/*
 * XCR0 and the vector registers are this vCPU's own. Domains with odd and even numbers choose different ones and take turns on the CPU:
 * after each turn XCR0, the size CPUID tells for it, and the upper half of a YMM register are as they were left.
 */
#include "lib/ops.h"

#define CR4_OSFXSR (1ul << 9)
#define CR4_OSXSAVE (1ul << 18)
#define LEAF1_XSAVE (1u << 26)
#define LEAF1_AVX (1u << 28)
#define ROUNDS 300

static uint32_t xgetbv(void)
{
	uint32_t lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo;
}

static void xsetbv(uint32_t val)
{
	asm volatile("xsetbv" : : "c"(0), "a"(val), "d"(0));
}

static void enable(void)
{
	unsigned long cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR | CR4_OSXSAVE));
}

static void pause_a_while(void)
{
	for (unsigned i = 0; i < 20000; i++)
		asm volatile("pause");
	hypercall2(HC_sched_op, 0, 0); /* yield */
}

void guest_main(void)
{
	bool avx = my_domid() & 1;
	uint8_t in[32], out[32];
	unsigned wrong = 0;

	if ((cpuid(1, 0).c & (LEAF1_XSAVE | LEAF1_AVX)) != (LEAF1_XSAVE | LEAF1_AVX)) {
		say("no XSAVE or no AVX here\n");
		return;
	}
	enable();
	xsetbv(avx ? 7 : 3);
	check_eq("OSXSAVE shows", cpuid(1, 0).c >> 27 & 1, 1);
	check_eq("size for XCR0", cpuid(0xd, 0).b, avx ? 832 : 576);
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 + my_domid());
	if (avx)
		asm volatile("vmovdqu %0, %%ymm5" : : "m"(in));
	else
		asm volatile("movdqu %0, %%xmm5" : : "m"(in));
	for (unsigned i = 0; i < ROUNDS; i++) {
		pause_a_while();
		wrong += xgetbv() != (avx ? 7u : 3u) || cpuid(0xd, 0).b != (avx ? 832u : 576u);
		if (avx)
			asm volatile("vmovdqu %%ymm5, %0" : "=m"(out));
		else
			asm volatile("movdqu %%xmm5, %0" : "=m"(out));
		for (unsigned j = 0; j < (avx ? 32u : 16u); j++)
			wrong += out[j] != in[j];
	}
	check_eq("turns that spoilt the state", wrong, 0);
	say("xstate done\n");
}
