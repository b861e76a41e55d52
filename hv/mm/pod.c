/*
 * RAM that is populated when it is first touched. A domain started with less memory than its map shows has entries of type P2M_POD for all of it and
 * a promise of frames (d->pod_cache, part of its claim) for some of it. A touch turns a promised frame into a page. The guest's balloon driver
 * soon gives back as many gfns as were never promised; what it gives back touched returns to the promise as long as entries wait for it.
 *
 * A kernel that clears all its memory before its balloon works would use up the promise with pages of zeroes. So when nothing is left, pages that contain
 * nothing else, and that nobody but the domain's map refers to, become entries again.
 */
#include "hv/boot.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hv/string.h"

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

/* Back the naturally aligned block of @order around @g, all of one large entry or a page. -ENOSPC nothing is left, -ENOMEM; -EAGAIN: it is not that any more. */
static int back(struct domain *d, gfn_t g, unsigned order)
{
	gfn_t first = gfn(g.v & ~((1UL << order) - 1));
	struct frame *f = alloc_frames(d, order, ALLOC_ON_DEMAND);
	struct p2m_batch b;
	unsigned now;
	int rc;

	if (!f)
		return -ENOSPC;
	b = p2m_begin(d);
	rc = is_pod(d, g, &now) && now >= order ? p2m_set_locked(&b, first, frame_to_mfn(f), order, P2M_RAM_RW) :
						  -EAGAIN;
	p2m_end(&b);
	if (rc)
		frames_return(d, f, order); /* back to the promise */
	return rc;
}

static bool is_zero(mfn_t m)
{
	const uint64_t *p = mfn_to_virt(m);

	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*p); i++)
		if (p[i])
			return false;
	return true;
}

/* Could the page behind @m go and come back unnoticed? What has a reference (a mapping by others, vcpu_info, a copy under way) could not. */
static bool reclaimable(mfn_t m)
{
	struct frame *f = mfn_to_frame(m);

	return (read_once(f->flags) & (FRAME_F_ALLOCATED | FRAME_F_XEN)) == FRAME_F_ALLOCATED &&
	       __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 1 && is_zero(m);
}

/* Gfns that share one hold of the map's lock and one flush; how many one touch may pass. */
#define SWEEP_BATCH 64u
#define SWEEP_MAX 16384u
#define SWEEP_MAX_FOR_OTHERS 1024u

struct swept {
	gfn_t g;
	mfn_t m;
};

/*
 * Candidates out of the next gfns, downwards from where the last sweep ended; their entries wait for a touch again. One page of each 2 MiB stays, so
 * that no table becomes one large entry, which would have to be split to put a page back. Lock held.
 */
static unsigned sweep_take(struct p2m_batch *b, struct domain *d, struct swept *s)
{
	uint64_t end = d->p2m.max_gfn.v + 1, at = d->pod_sweep && d->pod_sweep <= end ? d->pod_sweep : end;
	unsigned n = 0;

	for (unsigned i = 0; i < SWEEP_BATCH && at; i++) {
		enum p2m_type type;
		unsigned order;
		mfn_t m;

		m = p2m_lookup(d, gfn(--at), &type, &order);
		if (type == P2M_RAM_RW && mfn_is_ram(m)) {
			if (at % (1UL << ORDER_2M) && reclaimable(m) &&
			    p2m_set_locked(b, gfn(at), INVALID_MFN, ORDER_4K, P2M_POD) == 0)
				s[n++] = (struct swept){ gfn(at), m };
		} else if (order) {
			at &= ~((1UL << order) - 1); /* a large hole, or all of it untouched */
		}
	}
	d->pod_swept += (d->pod_sweep && d->pod_sweep <= end ? d->pod_sweep : end) - at;
	d->pod_sweep = at;
	return n;
}

/*
 * No processor has the translations any more: what is still all zeroes goes back to the promise. The lock is held all the time, so whoever touches
 * one of these pages meanwhile waits for the outcome. How many went.
 */
static unsigned sweep_settle(struct p2m_batch *b, struct domain *d, const struct swept *s, unsigned n)
{
	unsigned won = 0;

	for (unsigned i = 0; i < n; i++) {
		if (reclaimable(s[i].m)) {
			(void)frame_release_allocation(mfn_to_frame(s[i].m));
			won++;
		} else {
			int rc = p2m_set_locked(b, s[i].g, s[i].m, ORDER_4K, P2M_RAM_RW);

			ASSERT(rc == 0); /* the entry is there: nothing to allocate */
		}
	}
	return won;
}

/*
 * Look for pages of zeroes. -ENOMEM: there is none; -EAGAIN: none so far. A vCPU that touches a page comes again, so @patient gives way to what waits for this
 * processor. Others, who use the page for the domain, do not wait long: they may hold locks, or be a back end that pays for its front end's tricks.
 */
static int sweep(struct domain *d, bool patient)
{
	unsigned max = patient ? SWEEP_MAX : SWEEP_MAX_FOR_OTHERS;
	struct swept s[SWEEP_BATCH];

	/* A device would not wait for a page to come back. */
	if (p2m_is_followed(d))
		return -ENOMEM;
	for (unsigned passed = 0; passed < max; passed += SWEEP_BATCH) {
		struct p2m_batch b = p2m_begin(d);
		unsigned won = read_once(d->pod_cache) != 0; /* somebody else has found some */
		unsigned n = won ? 0 : sweep_take(&b, d, s);
		bool all = d->pod_swept > d->p2m.max_gfn.v;

		if (n) {
			p2m_flush(b.p2m);
			won = sweep_settle(&b, d, s, n);
		}
		if (won || all)
			d->pod_swept = 0;
		p2m_end(&b);
		if (won || all)
			return won ? 0 : -ENOMEM;
		if (patient && hypercall_preempt_check())
			break;
	}
	return -EAGAIN;
}

/*
 * Two megabytes at once, as a guest that touches one page soon touches its neighbours? Not for one that has much less than it shows: touches here and
 * there would use up what it has before its balloon works.
 */
static bool plenty(const struct domain *d)
{
	return 2 * read_once(d->pod_cache) >= read_once(d->pod_entries);
}

static int populate(struct domain *d, gfn_t g, bool patient)
{
	unsigned order;

	while (is_pod(d, g, &order)) {
		int rc = -ENOSPC;

		if (order >= ORDER_2M && plenty(d))
			rc = back(d, g, ORDER_2M);
		if (rc == -ENOSPC || rc == -ENOMEM)
			rc = back(d, g, ORDER_4K);
		if (rc == -ENOSPC)
			rc = sweep(d, patient);
		else if (rc == -EAGAIN)
			rc = 0;
		if (rc && is_pod(d, g, &order))
			return rc;
	}
	return 0;
}

/* See p2m.h. */
int p2m_touch_pod(struct domain *d, gfn_t g)
{
	return populate(d, g, true);
}

/* See p2m.h. */
int p2m_populate_pod(struct domain *d, gfn_t g)
{
	return populate(d, g, false);
}

/* See p2m.h. */
void p2m_pod_exhausted(struct vcpu *v)
{
	struct domain *d = v->domain;
	bool first;

	if (strcmp(param_string("pod", ""), "pause")) {
		domain_crash(d, "vCPU %u: touches more memory than the domain has now; is its balloon working?", v->id);
		return;
	}
	/* Paused before a controller can see it and unpause. */
	domain_pause_nosync(d);
	spin_lock(&d->lock);
	first = d->controller_pause_count == 0;
	if (first)
		d->controller_pause_count = 1;
	spin_unlock(&d->lock);
	if (!first) {
		domain_unpause(d); /* held already: the touch comes again when it runs again */
		return;
	}
	printk(LOG_GUEST_WARN,
	       "d%u: vCPU %u touches more memory than the domain has now: paused until it is given more and unpaused\n",
	       d->id, v->id);
	domain_notify_controllers(d);
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
