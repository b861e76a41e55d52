/*
 * Where Hospes lives in the address space: only top-level slots 256..271, as Xen's ABI reserves for it.
 *
 *   slot 256  ffff800000000000  machine-to-physical table, read-only to PV guests (mapped when PV is first used)
 *   slot 257  ffff808000000000  compat machine-to-physical window and room for PV bookkeeping
 *   slot 260  ffff820000000000  per-domain slot: GDT/LDT windows of PV vCPUs
 *   slot 261  ffff828000000000  Hospes: device mappings and per-CPU areas at ffff82c000000000, image at
 *                               ffff82d040000000, frame table at ffff82e000000000
 *   slot 262  ffff830000000000  direct map of all RAM, up to slot 271's end (5 TiB)
 */
#ifndef ASM_MM_H
#define ASM_MM_H

#include "hv/types.h"

#define M2P_START 0xffff800000000000UL
#define PERDOMAIN_START 0xffff820000000000UL
#define IOMAP_START 0xffff82c000000000UL
#define PERCPU_START 0xffff82c800000000UL
#define IMAGE_START 0xffff82d040000000UL
#define FRAMETABLE_START 0xffff82e000000000UL
#define DIRECTMAP_START 0xffff830000000000UL
#define DIRECTMAP_SIZE (5UL << 40)

#define IMAGE_PHYS 0x200000UL /* where the loader puts the image */

static inline void *paddr_to_virt(paddr_t p)
{
	return (void *)(DIRECTMAP_START + p);
}

static inline void *mfn_to_virt(mfn_t m)
{
	return paddr_to_virt(mfn_to_paddr(m));
}

/* Only for direct-map addresses. */
static inline paddr_t virt_to_paddr(const void *va)
{
	return (uint64_t)va - DIRECTMAP_START;
}

static inline mfn_t virt_to_mfn(const void *va)
{
	return paddr_to_mfn(virt_to_paddr(va));
}

#endif
