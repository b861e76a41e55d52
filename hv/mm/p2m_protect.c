/*
 * Write protection of a guest-physical map, by which logging notices writes (log_dirty.c).
 *
 * Logging of dirty pages is switched, and cleaned, in O(1): the entries of the top table lose the right to write. A write fault gives it
 * back to the one entry in its way after taking it from the 512 entries below, down to the page, which alone is logged and
 * becomes writable. A leaf that waits for its first write is of type P2M_RAM_LOGDIRTY; whatever lies below a protected entry
 * waits too, whatever it says. Nobody else needs to know: lookups answer P2M_RAM_RW.
 */
#include "hv/domain.h"
#include "hv/printk.h"
#include "p2m_table.h"

/* Take the right to write from all entries of @table, which hold what @level says. */
static void protect_table(mfn_t table, unsigned level)
{
	pte_t *t = table_va(table);

	for (unsigned i = 0; i < P2M_ENTRIES; i++) {
		struct arch_p2m_entry e = arch_p2m_decode(t[i], level);

		if (e.is_table && !e.protected)
			pte_write(&t[i], arch_p2m_table(e.mfn, true));
		else if (!e.is_table && e.type == P2M_RAM_RW)
			pte_write(&t[i], arch_p2m_leaf(e.mfn, P2M_RAM_LOGDIRTY, level));
	}
}

/* See p2m.h. */
void p2m_write_protect(struct p2m *p)
{
	ASSERT(spin_is_mine(&p->lock));
	if (mfn_valid_value(p->root))
		protect_table(p->root, TOP_LEVEL);
}

/* Nothing is logged any more: give the leaves of a whole table back what they waited for, and fold it if that makes it uniform. */
static void unprotect_leaves(struct p2m_batch *b, mfn_t table, gfn_t g, unsigned level)
{
	pte_t *t = table_va(table);

	for (unsigned i = 0; i < P2M_ENTRIES; i++) {
		struct arch_p2m_entry e = arch_p2m_decode(t[i], level);

		if (!e.is_table && e.type == P2M_RAM_LOGDIRTY)
			pte_write(&t[i], arch_p2m_leaf(e.mfn, P2M_RAM_RW, level));
	}
	p2m_combine(b, g, level, false);
}

/* The leaf at @pte waits for a write, which is here: log it and let it through. false: it became a table, look there. */
static bool first_write(struct p2m_batch *b, pte_t *pte, gfn_t g, unsigned level)
{
	struct arch_p2m_entry e = arch_p2m_decode(*pte, level);
	uint64_t span = level_span(level);

	/* A large page is logged in small ones, or as a whole where there is no memory to split it. */
	if (level > 0 && p2m_split(b->p2m, pte, level) == 0) {
		b->flush = true;
		return false;
	}
	log_dirty_set(b->p2m->domain, gfn(g.v & ~(span - 1)), span);
	pte_write(pte, arch_p2m_leaf(e.mfn, P2M_RAM_RW, level));
	return true;
}

/*
 * See p2m.h. Giving a right needs no flush: a processor that still holds the old entry faults once more, which drops it, and
 * finds everything done.
 */
bool p2m_write_fault(struct domain *d, gfn_t g)
{
	struct p2m *p = &d->p2m;
	struct p2m_batch b;
	mfn_t table;
	bool writable = false;

	if (!gfn_in_range(g))
		return false;
	b = p2m_begin(d);
	table = p->root;
	for (unsigned l = TOP_LEVEL; mfn_valid_value(table); l--) {
		pte_t *pte = &table_va(table)[table_index(g, l)];
		struct arch_p2m_entry e = arch_p2m_decode(*pte, l);

		if (!e.is_table && e.type == P2M_RAM_LOGDIRTY) {
			if (!p->log.on) {
				unprotect_leaves(&b, table, g, l);
				writable = true;
				break;
			}
			writable = first_write(&b, pte, g, l);
			if (writable)
				break;
			e = arch_p2m_decode(*pte, l);
		}
		if (!e.is_table) {
			writable = p2m_type_writable(e.type) || e.type == P2M_MMIO_DIRECT;
			break;
		}
		if (e.protected) {
			if (p->log.on)
				protect_table(e.mfn, l - 1);
			pte_write(pte, arch_p2m_table(e.mfn, false));
		}
		table = e.mfn;
	}
	p2m_end(&b);
	return writable;
}
