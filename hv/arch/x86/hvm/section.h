/*
 * Reading guest memory without references. While a CPU is in a p2m's running set with interrupts off, no page that is
 * mapped can be freed: p2m_flush() waits until that CPU has answered, and every change flushes before it lets the page go.
 */
#ifndef HVM_SECTION_H
#define HVM_SECTION_H

#include "asm/cpu.h"
#include "hv/domain.h"
#include "hv/mm.h"
#include "hv/pcpu.h"

/* Begin: keep it short, take no lock. Not nested. Returns what p2m_section_end() wants. */
static inline bool p2m_section_begin(struct domain *d)
{
	bool on = irq_save();

	cpumask_set_atomic(&d->p2m.running, this_cpu());
	return on;
}

static inline void p2m_section_end(struct domain *d, bool on)
{
	cpumask_unset_atomic(&d->p2m.running, this_cpu());
	irq_restore(on);
}

/* The memory behind @gpa up to the end of its page, for reading inside a section; NULL when it is not RAM. */
static inline const void *p2m_section_map(struct domain *d, uint64_t gpa)
{
	enum p2m_type type;
	mfn_t m = p2m_lookup(d, gfn(gpa >> PAGE_SHIFT), &type, NULL);

	switch (type) {
	case P2M_RAM_RW:
	case P2M_RAM_LOGDIRTY:
	case P2M_RAM_RO:
	case P2M_GRANT_MAP_RW:
	case P2M_GRANT_MAP_RO:
	case P2M_FOREIGN:
		return (const char *)mfn_to_virt(m) + (gpa & ~PAGE_MASK);
	default:
		return NULL;
	}
}

#endif
