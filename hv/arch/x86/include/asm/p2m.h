/* The format of guest-physical maps: AMD's nested page tables. Inline, for each step of each walk asks. */
#ifndef ASM_P2M_H
#define ASM_P2M_H

#include "npt_format.h"

/* An entry mapping @m as @type at @level. */
static inline uint64_t arch_p2m_leaf(mfn_t m, enum p2m_type type, unsigned level)
{
	return npt_leaf(m, type, level);
}

/* An entry leading to the table @next; @protect: nothing below it can be written (rights are combined over levels, APM vol. 2, 5.6). */
static inline uint64_t arch_p2m_table(mfn_t next, bool protect)
{
	return npt_table(next, protect);
}

/* What @pte of @level means. */
static inline struct arch_p2m_entry arch_p2m_decode(uint64_t pte, unsigned level)
{
	return npt_decode(pte, level);
}

#endif
