/*
 * RAM that is populated when it is first touched. A domain started with less memory than its map shows has entries of type P2M_POD for all of it and
 * a promise of frames (d->pod_cache, part of its claim) for some of it. A touch turns a promised frame into a page. The guest's balloon driver
 * soon gives back as many gfns as were never promised; what it gives back touched returns to the promise as long as entries wait for it.
 */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/printk.h"

/* See p2m.h. */
int p2m_mark_pod(struct domain *d, gfn_t g, unsigned order)
{
	struct p2m_batch b;
	int rc;

	if (order > MAX_ORDER || (g.v & ((1UL << order) - 1)))
		return err(-EINVAL);
	b = p2m_begin(d);
	rc = p2m_range_empty(d, g, 1UL << order) ? p2m_set_locked(&b, g, INVALID_MFN, order, P2M_POD) : err(-EBUSY);
	p2m_end(&b);
	return rc;
}

static bool is_pod(struct domain *d, gfn_t g, unsigned *order)
{
	enum p2m_type type;

	(void)p2m_lookup(d, g, &type, order);
	return type == P2M_POD;
}

/* Back the naturally aligned block of @order around @g, all of one large entry or a page. -ENOMEM; -EAGAIN: it is not that any more. */
static int back(struct domain *d, gfn_t g, unsigned order)
{
	gfn_t first = gfn(g.v & ~((1UL << order) - 1));
	struct frame *f = alloc_frames(d, order, ALLOC_ON_DEMAND);
	struct p2m_batch b;
	unsigned now;
	int rc;

	if (!f)
		return -ENOMEM;
	b = p2m_begin(d);
	rc = is_pod(d, g, &now) && now >= order ? p2m_set_locked(&b, first, frame_to_mfn(f), order, P2M_RAM_RW) :
						  -EAGAIN;
	p2m_end(&b);
	for (uint64_t i = 0; rc && i < 1UL << order; i++)
		(void)frame_release_allocation(f + i); /* back to the promise */
	return rc;
}

/*
 * Two megabytes at once, as a guest that touches one page soon touches its neighbours? Not for one that has much less than it shows: touches here and
 * there would use up what it has before its balloon works.
 */
static bool plenty(const struct domain *d)
{
	return 2 * read_once(d->pod_cache) >= read_once(d->pod_entries);
}

/* See p2m.h. */
bool p2m_populate_pod(struct domain *d, gfn_t g)
{
	unsigned order;

	while (is_pod(d, g, &order)) {
		int rc = -ENOMEM;

		if (order >= ORDER_2M && plenty(d))
			rc = back(d, g, ORDER_2M);
		if (rc == -ENOMEM)
			rc = back(d, g, ORDER_4K);
		if (rc == -ENOMEM && is_pod(d, g, &order))
			return false;
	}
	return true;
}

/* See p2m.h. */
void p2m_pod_trim(struct domain *d)
{
	if (unlikely(read_once(d->pod_cache) > read_once(d->pod_entries)))
		mm_trim_on_demand(d);
}

/* See p2m.h. A smaller target is the balloon driver's to reach. */
int p2m_pod_target(struct domain *d, uint64_t pages)
{
	uint64_t populated = read_once(d->tot_pages), cache = read_once(d->pod_cache);
	uint64_t entries = read_once(d->pod_entries), want;

	if ((populated && !entries) || pages < populated + cache)
		return 0;
	want = pages - populated;
	return mm_promise_on_demand(d, populated ? min_u64(want, entries) : want);
}
