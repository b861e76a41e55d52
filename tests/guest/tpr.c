/* guest: oracle=no */
/*
 * The task priority holds back and lets go. Not run on real Xen under QEMU: QEMU delivers a virtual interrupt whose priority equals the
 * task priority (it should be above it, AMD APM volume 2, 15.21.2), and Xen then spins on the interrupt window.
 */
#include "lib/ops.h"

static volatile unsigned hits;

static void count(struct frame *f)
{
	(void)f;
	hits++;
	apic_eoi();
}

static void window(void)
{
	irq_on();
	for (unsigned i = 0; i < 1000; i++)
		asm volatile("pause");
	irq_off();
}

void guest_main(void)
{
	apic_enable();
	set_vector(0x75, count);
	set_vector(0x82, count);
	wrmsr(0x808, 0x70);
	wrmsr(0x83f, 0x75);
	window();
	check_eq("equal class is held back", hits, 0);
	wrmsr(0x83f, 0x82);
	window();
	check_eq("a higher class is not", hits, 1);
	say("ppr %x\n", (unsigned)rdmsr(0x80a));
	wrmsr(0x808, 0x60);
	window();
	check_eq("delivered when TPR falls", hits, 2);
	wrmsr(0x808, 0xf0);
	wrmsr(0x83f, 0x82);
	window();
	check_eq("the highest holds everything", hits, 2);
#ifdef __x86_64__
	{
		unsigned long cr8;

		asm volatile("mov %%cr8, %0" : "=r"(cr8));
		say("cr8 %lx\n", cr8);
		asm volatile("mov %0, %%cr8" : : "r"(0ul));
	}
	say("tpr %x\n", (unsigned)rdmsr(0x808));
#else
	wrmsr(0x808, 0);
#endif
	window();
	check_eq("nothing is lost", hits, 3);
	say("done\n");
}
