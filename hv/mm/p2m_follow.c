/* Walks of a whole guest-physical map: for who begins to follow it, and its end. */
#include "hv/domain.h"
#include "hv/errno.h"
#include "p2m_table.h"

/* Entries a slice of teardown looks at. */
#define TEARDOWN_SLICE 4096u
/* Foreign pages it lets go. */
#define TEARDOWN_PUTS 64u

/* Listeners ---------------------------------------------------------------------------------------------- */

static void tell_table(struct p2m_batch *b, struct p2m_listener *l, mfn_t table, gfn_t g, unsigned level)
{
	for (unsigned i = 0; i < P2M_ENTRIES; i++) {
		struct arch_p2m_entry e = arch_p2m_decode(table_va(table)[i], level);
		gfn_t at = gfn_add(g, i * level_span(level));

		if (e.is_table)
			tell_table(b, l, e.mfn, at, level - 1);
		else if (e.type != P2M_INVALID)
			l->changed(l, at, e.mfn, level * LEVEL_BITS, plain_type(e.type));
	}
}

/* See p2m.h. */
void p2m_listen(struct domain *d, struct p2m_listener *l)
{
	struct p2m_batch b = p2m_begin(d);

	list_add_tail(&d->p2m.listeners, &l->list);
	if (mfn_valid_value(d->p2m.root))
		tell_table(&b, l, d->p2m.root, gfn(0), TOP_LEVEL);
	l->flush(l, false);
	p2m_end(&b);
}

/* See p2m.h. @l hears nothing any more; undoing what it holds is its own affair. */
void p2m_unlisten(struct domain *d, struct p2m_listener *l)
{
	struct p2m_batch b = p2m_begin(d);

	list_del(&l->list);
	p2m_end(&b);
}

/* See p2m.h. */
uint64_t p2m_table_pages(struct domain *d)
{
	struct list *pos;
	uint64_t n;

	spin_lock(&d->p2m.lock);
	n = d->p2m.nr_tables;
	list_for_each(pos, &d->p2m.listeners) {
		n += container_of(pos, struct p2m_listener, list)->tables;
	}
	spin_unlock(&d->p2m.lock);
	return n;
}

/* See p2m.h. */
bool p2m_is_followed(const struct domain *d)
{
	return read_once(d->p2m.listeners.next) != &d->p2m.listeners;
}

/* Teardown ----------------------------------------------------------------------------------------------- */

/* What one slice of teardown may do, and the references it drops when listeners have let go of the pages. */
struct teardown {
	unsigned budget, nr_puts;
	struct frame *put[TEARDOWN_PUTS];
};

/* Empty a table of entries of @level as far as the budget reaches; true when nothing is left in it. */
static bool table_empty(struct p2m_batch *b, mfn_t table, gfn_t g, unsigned level, struct teardown *td)
{
	pte_t *t = table_va(table);

	for (unsigned i = 0; i < P2M_ENTRIES; i++) {
		gfn_t at = gfn_add(g, i * level_span(level));
		struct arch_p2m_entry e;

		if (t[i] == 0)
			continue;
		if (td->budget == 0 || td->nr_puts == TEARDOWN_PUTS)
			return false;
		td->budget--;
		e = arch_p2m_decode(t[i], level);
		if (e.is_table && !table_empty(b, e.mfn, at, level - 1, td))
			return false;
		pte_write(&t[i], 0);
		if (e.is_table) {
			p2m_table_retire(b, e.mfn, 0); /* its own entries are gone */
			continue;
		}
		b->narrowed = true;
		listeners_changed(b, at, INVALID_MFN, level * LEVEL_BITS, P2M_INVALID);
		if (e.type == P2M_FOREIGN)
			td->put[td->nr_puts++] = mfn_to_frame(e.mfn);
	}
	return true;
}

/*
 * See p2m.h. The domain is dying and none of its vCPUs runs again, so no CPU can use a translation between its removal and
 * the flush. The domain's own pages are dropped through its page list afterwards.
 */
int p2m_teardown(struct domain *d)
{
	struct teardown td = { .budget = TEARDOWN_SLICE };
	struct p2m_batch b;
	mfn_t root;
	bool done = true;
	int rc = p2m_log_dirty_disable(d);

	if (rc)
		return rc;
	b = p2m_begin(d);
	root = b.p2m->root;
	if (mfn_valid_value(root)) {
		b.flush = true;
		done = table_empty(&b, root, gfn(0), TOP_LEVEL, &td);
		if (done) {
			__atomic_store_n(&b.p2m->root.v, INVALID_MFN.v, __ATOMIC_RELEASE);
			p2m_table_retire(&b, root, 0);
		}
	}
	p2m_end(&b);
	while (td.nr_puts)
		frame_put(td.put[--td.nr_puts]);
	return done ? 0 : -ERESTART;
}
