/* Writing caches back for devices that read memory behind them. */
#include "asm/iommu.h"

#include "asm/cpu.h"
#include "asm/cpuid.h"
#include "hv/pcpu.h"

#define CPUID_1_EDX_CLFSH (1u << 19)

static struct {
	size_t line; /* 0: not asked yet, 1: no CLFLUSH */
} cache;

/* See asm/iommu.h. CPUID 1: EBX bits 15:8 are the size of a line in eight bytes. */
void arch_cache_flush(const void *p, size_t len)
{
	uint64_t at, end = (uint64_t)p + len;

	if (unlikely(!cache.line)) {
		struct cpuid_regs r = cpuid(1);

		cache.line = r.d & CPUID_1_EDX_CLFSH ? (r.b >> 8 & 0xff) * 8 : 1;
		if (!cache.line)
			cache.line = 1;
	}
	if (cache.line == 1) {
		wbinvd();
		return;
	}
	asm volatile("mfence" : : : "memory");
	for (at = (uint64_t)p & ~(uint64_t)(cache.line - 1); at < end; at += cache.line)
		asm volatile("clflush (%0)" : : "r"(at) : "memory");
	asm volatile("mfence" : : : "memory");
}

static void write_back(void *unused)
{
	wbinvd();
}

/* See asm/iommu.h. */
void arch_cache_flush_all(void)
{
	smp_call(cpu_online(), write_back, NULL);
	wbinvd();
}
