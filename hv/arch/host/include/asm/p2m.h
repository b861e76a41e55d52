/*
 * The fake machine's guest-physical entry format, unlike any hardware's so that generic code cannot lean on one:
 * bit 0 table, for tables bit 1 protected, bits 1-4 type, bits 5-7 level (checked), bits 16-63 frame number.
 */
#ifndef ASM_P2M_H
#define ASM_P2M_H

#include "hv/p2m_entry.h"
#include "hv/printk.h"

#define ENTRY_TABLE 1u
#define ENTRY_PROTECTED 2u

/* An entry that maps @m as @type at @level; P2M_INVALID gives the empty entry. */
static inline uint64_t arch_p2m_leaf(mfn_t m, enum p2m_type type, unsigned level)
{
	if (type == P2M_INVALID) /* empty entries exist at every level, leaves do not */
		return 0;
	ASSERT(level <= arch_p2m_max_level());
	return (m.v << 16) | ((uint64_t)level << 5) | ((uint64_t)type << 1);
}

/* An entry that leads to the table @next, below which nothing is writable if @protect. */
static inline uint64_t arch_p2m_table(mfn_t next, bool protect)
{
	return (next.v << 16) | ENTRY_TABLE | (protect ? ENTRY_PROTECTED : 0);
}

/* What @pte, found at @level, means. */
static inline struct arch_p2m_entry arch_p2m_decode(uint64_t pte, unsigned level)
{
	struct arch_p2m_entry e = { .mfn = mfn(pte >> 16), .is_table = pte & ENTRY_TABLE };

	if (e.is_table) {
		e.protected = pte & ENTRY_PROTECTED;
	} else {
		e.type = (enum p2m_type)((pte >> 1) & 15);
		ASSERT(pte == 0 || ((pte >> 5) & 7) == level);
		if (e.type == P2M_INVALID)
			e.mfn = INVALID_MFN;
	}
	return e;
}

#endif
