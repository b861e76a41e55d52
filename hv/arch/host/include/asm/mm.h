/* The fake machine's RAM: one anonymous mapping; machine address 0 is its first byte. */
#ifndef ASM_MM_H
#define ASM_MM_H

#include "hv/types.h"

extern uint8_t *host_ram;

static inline void *paddr_to_virt(paddr_t p)
{
	return host_ram + p;
}

static inline void *mfn_to_virt(mfn_t m)
{
	return paddr_to_virt(mfn_to_paddr(m));
}

static inline paddr_t virt_to_paddr(const void *va)
{
	return (paddr_t)((const uint8_t *)va - host_ram);
}

static inline mfn_t virt_to_mfn(const void *va)
{
	return paddr_to_mfn(virt_to_paddr(va));
}

#endif
