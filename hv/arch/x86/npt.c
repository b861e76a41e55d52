/* The hooks of the guest-physical map for AMD nested paging. */
#include "hv/p2m_entry.h"

#define CPUID_EXT_MAX 0x80000000u
#define CPUID_EXT_FEATURES 0x80000001u
#define CPUID_EDX_PAGE1GB (1u << 26) /* APM vol. 3, E.4.2 */

static struct {
	unsigned max_level; /* 0: not asked yet */
} npt;

static unsigned ask_cpu(void)
{
	uint32_t a, b, c, d;

	asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(CPUID_EXT_MAX), "c"(0));
	if (a < CPUID_EXT_FEATURES)
		return 1;
	asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(CPUID_EXT_FEATURES), "c"(0));
	return d & CPUID_EDX_PAGE1GB ? 2 : 1;
}

/* 1 GiB entries where the processor has them; 2 MiB always. */
unsigned arch_p2m_max_level(void)
{
	if (unlikely(!npt.max_level))
		npt.max_level = ask_cpu();
	return npt.max_level;
}
