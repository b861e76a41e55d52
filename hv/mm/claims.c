/*
 * The ledger: frames that are free, promised to domains, and charged to them. The sum of what is promised never exceeds what is free, and what is promised
 * to one is not given to another.
 */
#include "frame_state.h"
#include "hv/errno.h"
#include "hv/printk.h"

/* See frame_state.h. */
bool charge_check(const struct domain *d, uint64_t nr, unsigned flags)
{
	uint64_t promised = 0;

	if (d && d->dying)
		return false;
	if (d && (flags & ALLOC_ON_DEMAND)) {
		if (nr > d->pod_cache)
			return false;
		promised = nr;
	} else if (d && !(flags & ALLOC_NO_CHARGE)) {
		uint64_t have = d->tot_pages + d->pod_cache;

		if (have > d->max_pages || nr > d->max_pages - have)
			return false;
		promised = min_u64(d->claim - d->pod_cache, nr);
	}
	return mm.free - mm.claimed + promised >= nr;
}

static struct domain **chain_of(domid_t id)
{
	return &mm.owners[id % NR_OWNER_CHAINS];
}

/* See frame_state.h. */
struct domain *frames_owner(domid_t id)
{
	struct domain *d = *chain_of(id);

	while (d->id != id)
		d = d->owner_next;
	return d;
}

/* @d owns its first page. Lock held. */
static void owner_link(struct domain *d)
{
	struct domain **chain = chain_of(d->id);

	d->owner_next = *chain;
	*chain = d;
}

/* It owns none any more. Lock held. */
static void owner_unlink(const struct domain *d)
{
	struct domain **link = chain_of(d->id);

	while (*link != d)
		link = &(*link)->owner_next;
	*link = d->owner_next;
}

/* See frame_state.h. */
void charge_apply(struct domain *d, uint64_t nr, unsigned flags)
{
	mm.free -= nr;
	if (!d)
		return;
	if (d->nr_frames == 0)
		owner_link(d);
	d->nr_frames += nr;
	if (!(flags & ALLOC_NO_CHARGE)) {
		bool on_demand = flags & ALLOC_ON_DEMAND;
		uint64_t promised = on_demand ? nr : min_u64(d->claim - d->pod_cache, nr);

		if (on_demand)
			d->pod_cache -= nr;
		d->claim -= promised;
		mm.claimed -= promised;
		d->tot_pages += nr;
	}
}

/* See frame_state.h. */
bool uncharge(struct domain *d, uint64_t nr, bool charged)
{
	mm.free += nr;
	if (!d)
		return false;
	if (charged) {
		d->tot_pages -= nr;
		if (unlikely(d->pod_entries > d->pod_cache) && !d->dying) {
			uint64_t more = min_u64(nr, d->pod_entries - d->pod_cache);

			d->pod_cache += more;
			d->claim += more;
			mm.claimed += more;
		}
	}
	d->nr_frames -= nr;
	if (d->nr_frames)
		return false;
	owner_unlink(d);
	return true;
}

/* RAM frames the allocator manages, free or not. */
uint64_t mm_total_frames(void)
{
	return read_once(mm.total);
}

/* Frames free and not promised. */
uint64_t mm_free_frames(void)
{
	uint64_t nr;

	spin_lock(&mm.lock);
	nr = mm.free - mm.claimed;
	spin_unlock(&mm.lock);
	return nr;
}

/* See mm.h. */
uint64_t mm_node_free_frames(unsigned node)
{
	return node < NUMA_MAX_NODES ? read_once(mm.node_free[node]) : 0;
}

/* See mm.h. */
uint64_t mm_claimed_frames(void)
{
	return read_once(mm.claimed);
}

/* See mm.h. What is promised to be populated on demand is not part of it. -EINVAL for a dying domain. */
int mm_claim(struct domain *d, uint64_t nr)
{
	int rc = 0;

	spin_lock(&mm.lock);
	if (nr && d->dying)
		rc = -EINVAL;
	else if (nr > mm.free - mm.claimed + d->claim - d->pod_cache)
		rc = -ENOMEM;
	if (rc == 0) {
		mm.claimed = mm.claimed - d->claim + d->pod_cache + nr;
		d->claim = d->pod_cache + nr;
	}
	spin_unlock(&mm.lock);
	return rc ? err(rc) : 0;
}

/* See mm.h. An ordinary claim is used up first. -EINVAL for a dying domain. */
int mm_promise_on_demand(struct domain *d, uint64_t nr)
{
	uint64_t claim, others;
	int rc = 0;

	spin_lock(&mm.lock);
	others = d->claim - d->pod_cache;
	claim = nr > d->pod_cache ? nr + others - min_u64(others, nr - d->pod_cache) : nr + others;
	if (nr && d->dying)
		rc = -EINVAL;
	else if (nr > d->pod_cache && (d->tot_pages > d->max_pages || nr > d->max_pages - d->tot_pages ||
				       claim > mm.free - mm.claimed + d->claim))
		rc = -ENOMEM;
	if (rc == 0) {
		mm.claimed = mm.claimed - d->claim + claim;
		d->claim = claim;
		d->pod_cache = nr;
	}
	spin_unlock(&mm.lock);
	return rc ? err(rc) : 0;
}

/* See mm.h. */
void mm_trim_on_demand(struct domain *d)
{
	uint64_t entries, more;

	spin_lock(&mm.lock);
	entries = read_once(d->pod_entries);
	more = d->pod_cache > entries ? d->pod_cache - entries : 0;
	d->pod_cache -= more;
	d->claim -= more;
	mm.claimed -= more;
	spin_unlock(&mm.lock);
}
