/*
 * Guest memory without references. While a CPU is in a p2m's running set with interrupts off, no page that is
 * mapped can be freed: p2m_flush() waits until that CPU has answered, and every change flushes before it lets the page go.
 */
#ifndef HVM_SECTION_H
#define HVM_SECTION_H

#include "asm/cpu.h"
#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "npt_format.h"

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

/*
 * The memory behind @gpa up to the end of its page, inside a section; NULL when it is not RAM. Every present leaf but
 * device memory is some domain's RAM. Tables, too, are freed only after a flush. *@writable: every level lets the guest write, so what a
 * log of dirty pages must know of the page it knows already.
 */
static inline char *p2m_section_walk(struct domain *d, uint64_t gpa, bool *writable)
{
	mfn_t table = d->p2m.root;
	uint64_t all = NPT_RW;

	if (gpa >> 48)
		return NULL;
	for (unsigned level = P2M_LEVELS; level--;) {
		unsigned shift = PAGE_SHIFT + 9 * level;
		const uint64_t *ptes = mfn_to_virt(table);
		uint64_t pte = read_once(ptes[gpa >> shift & (P2M_ENTRIES - 1)]);

		if (!(pte & NPT_P))
			return NULL;
		all &= pte;
		if (level == 0 || (pte & NPT_PS)) {
			uint64_t offset = gpa & ((1UL << shift) - 1);

			if (npt_decode(pte, level).type == P2M_MMIO_DIRECT)
				return NULL;
			*writable = all;
			return (char *)paddr_to_virt(pte & NPT_ADDR_MASK) + offset;
		}
		table = paddr_to_mfn(pte & NPT_ADDR_MASK);
	}
	return NULL;
}

static inline unsigned p2m_section_slot(uint64_t gpa)
{
	return (unsigned)((gpa >> PAGE_SHIFT) * 0x9e3779b97f4a7c15UL >> (64 - GPA_CACHE_BITS));
}

/*
 * The same for the few pages a vCPU's exits need again and again: its tables and its code. What was found under the present epoch
 * still holds, as every change that takes a translation away moves the epoch before the page can be freed.
 */
static inline const void *p2m_section_map(struct vcpu *v, uint64_t gpa)
{
	uint64_t g = gpa >> PAGE_SHIFT, epoch = __atomic_load_n(&v->domain->p2m.epoch, __ATOMIC_ACQUIRE);
	struct gpa_cache *c = &v->arch.gpa_cache[p2m_section_slot(gpa)];

	if (unlikely(c->gfn != g || c->epoch != epoch || !c->page)) {
		c->page = p2m_section_walk(v->domain, gpa & PAGE_MASK, &v->arch.gpa_writable[c - v->arch.gpa_cache]);
		c->gfn = g;
		c->epoch = epoch;
		if (!c->page)
			return NULL;
	}
	return c->page + (gpa & ~PAGE_MASK);
}

/* For writing, too; NULL also when a write would have to be prepared: by p2m_get_frame(). */
static inline void *p2m_section_map_writable(struct vcpu *v, uint64_t gpa)
{
	const void *mem = p2m_section_map(v, gpa);
	unsigned slot = p2m_section_slot(gpa);

	if (likely(mem && v->arch.gpa_writable[slot]))
		return (void *)(uintptr_t)mem;
	v->arch.gpa_cache[slot].page = NULL; /* rights may be gained without a new epoch: look again the next time */
	return NULL;
}

#endif
