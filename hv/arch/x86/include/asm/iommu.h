/* What the IOMMU drivers need of the processor: registers, caches, and a store of 16 bytes at once. */
#ifndef ASM_IOMMU_H
#define ASM_IOMMU_H

#include "asm/apic.h"
#include "asm/io.h"
#include "asm/irq.h"
#include "asm/paging.h"
#include "hv/types.h"

/*
 * Write the lines of [@p, @p + @len) back to memory, for a unit that does not snoop. Ordered before what follows.
 * hv/arch/x86/cache.c.
 */
void arch_cache_flush(const void *p, size_t len);
/* All lines of all CPUs, which takes milliseconds. Interrupts on. */
void arch_cache_flush_all(void);

/*
 * Replace the 16 bytes at @p, which only the caller writes, so that a device sees the old or the new value (SDM vol.
 * 2, CMPXCHG16B).
 */
static inline void arch_write16b(uint64_t p[2], uint64_t lo, uint64_t hi)
{
	uint64_t old_lo = p[0], old_hi = p[1];
	bool done;

	do {
		asm volatile("lock cmpxchg16b %1"
			     : "=@ccz"(done), "+m"(*(uint64_t(*)[2])p), "+a"(old_lo), "+d"(old_hi)
			     : "b"(lo), "c"(hi)
			     : "memory");
	} while (!done);
}

#endif
