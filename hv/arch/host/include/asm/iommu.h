/* The fake machine's side of the IOMMU drivers: a test provides the registers. */
#ifndef ASM_IOMMU_H
#define ASM_IOMMU_H

#include "asm/irq.h"
#include "hv/types.h"

/* Registers of devices: a test defines these. Addresses are machine addresses as arch_iomap() was given them. */
uint32_t mmio_read32(const volatile void *p);
uint64_t mmio_read64(const volatile void *p);
void mmio_write32(volatile void *p, uint32_t v);
void mmio_write64(volatile void *p, uint64_t v);
bool apic_is_x2(void);

static inline void *arch_iomap(paddr_t p, size_t size)
{
	(void)size;
	return (void *)p;
}

/* What a unit that does not snoop would have missed without this; a test defines it. */
void arch_cache_flush(const void *p, size_t len);

static inline void arch_write16b(uint64_t p[2], uint64_t lo, uint64_t hi)
{
	p[0] = lo;
	p[1] = hi;
}

#endif
