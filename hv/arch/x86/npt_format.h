/*
 * Entries of AMD's nested page tables (APM vol. 2, 15.25: the long-mode format; guest accesses count as user accesses, so US is
 * always set). The type of a page is kept in bits ignored by hardware: 9-11 its low three bits, 52 the fourth. Pure functions.
 */
#ifndef NPT_FORMAT_H
#define NPT_FORMAT_H

#include "hv/p2m_entry.h"

#define NPT_P (1UL << 0)
#define NPT_RW (1UL << 1)
#define NPT_US (1UL << 2)
#define NPT_PWT (1UL << 3)
#define NPT_PCD (1UL << 4)
#define NPT_A (1UL << 5)
#define NPT_D (1UL << 6)
#define NPT_PS (1UL << 7)
#define NPT_NX (1UL << 63)
#define NPT_TYPE_LOW_SHIFT 9u
#define NPT_TYPE_HIGH_SHIFT 52u
#define NPT_ADDR_MASK 0x000ffffffffff000UL
#define NPT_UC (NPT_PWT | NPT_PCD) /* PAT entry 3, which is UC both after reset and in Hospes' PAT */

/* What the processor lets the guest do with a page of @type. Accessed and dirty are set at once: nobody reads them. */
static inline uint64_t npt_access(enum p2m_type type)
{
	const uint64_t present = NPT_P | NPT_US | NPT_A | NPT_D;

	switch (type) {
	case P2M_RAM_RW:
		return present | NPT_RW;
	case P2M_RAM_LOGDIRTY:
	case P2M_RAM_RO:
	case P2M_IOREQ_SERVER:
		return present;
	case P2M_MMIO_DIRECT:
		return present | NPT_RW | NPT_UC | NPT_NX;
	case P2M_GRANT_MAP_RW:
	case P2M_FOREIGN:
		return present | NPT_RW | NPT_NX;
	case P2M_GRANT_MAP_RO:
		return present | NPT_NX;
	default:
		return 0;
	}
}

static inline uint64_t npt_leaf(mfn_t m, enum p2m_type type, unsigned level)
{
	uint64_t access;

	if (type == P2M_INVALID)
		return 0;
	access = npt_access(type);
	return (mfn_to_paddr(m) & NPT_ADDR_MASK) | access | ((access & NPT_P) && level > 0 ? NPT_PS : 0) |
	       (((uint64_t)type & 7) << NPT_TYPE_LOW_SHIFT) | ((uint64_t)type >> 3 << NPT_TYPE_HIGH_SHIFT);
}

static inline uint64_t npt_table(mfn_t next, bool protect)
{
	return mfn_to_paddr(next) | NPT_P | NPT_US | NPT_A | (protect ? 0 : NPT_RW);
}

static inline struct arch_p2m_entry npt_decode(uint64_t pte, unsigned level)
{
	struct arch_p2m_entry e = { .mfn = paddr_to_mfn(pte & NPT_ADDR_MASK) };

	if (level > 0 && (pte & NPT_P) && !(pte & NPT_PS)) {
		e.is_table = true;
		e.protected = !(pte & NPT_RW);
		return e;
	}
	e.type = (enum p2m_type)(((pte >> NPT_TYPE_LOW_SHIFT) & 7) | (((pte >> NPT_TYPE_HIGH_SHIFT) & 1) << 3));
	if (e.type == P2M_INVALID)
		e.mfn = INVALID_MFN;
	return e;
}

#endif
