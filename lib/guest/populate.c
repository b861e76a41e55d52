/*
 * RAM in the largest pieces there are; each call asks for many. Pieces of a size that cannot be had are taken in the next smaller one from then on.
 *
 * Memory that is not clean yet is cleaned as it is given out, by the processor that asks; so the RAM of large domains is asked for by several threads, a
 * gigabyte at a time each. They have handles of their own; only the calling thread tells of progress.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "guest/domain.h"

#define LIST_ENTRIES 4096u
#define ORDER_1G 18u
#define ORDER_2M 9u
/* Pages of a thread's share; also the most asked for in one call: progress is told between calls. */
#define SHARE (1ULL << ORDER_1G)
#define HELPERS_MAX 3u
#define SHARES_EACH 2u /* a helper for less does not pay */

struct crew {
	const struct builder *g;
	unsigned flags;	    /* XENMEMF_* */
	uint64_t low, high; /* pages of RAM below and from 4 GiB on */
	uint64_t shares;
	atomic_uint_least64_t next; /* share to be taken */
	atomic_uint_least64_t done; /* pages */
	atomic_uint limit;	    /* larger extents are not to be had */
	atomic_long error;	    /* the first one; all stop */
};

/* One that works: its handle and list. */
struct worker {
	struct crew *crew;
	struct hcall *h;
	uint64_t *list;
	pthread_t thread;
};

static void fail(struct crew *c, long error)
{
	long none = 0;

	atomic_compare_exchange_strong(&c->error, &none, error);
}

/* Extents of one size from @at on, as far as they go. How many pages came, or -errno. */
static long ask(struct worker *w, uint64_t at, uint64_t end, unsigned order)
{
	struct xen_memory_reservation r = {
		.extent_order = order,
		.domid = (domid_t)w->crew->g->domid,
		.mem_flags = w->crew->flags,
		.extent_start = hcall_address(w->h, w->list),
	};
	uint64_t nr = (end - at) >> order;
	long rc;

	if (nr > LIST_ENTRIES)
		nr = LIST_ENTRIES;
	for (uint64_t i = 0; i < nr; i++)
		w->list[i] = at + (i << order);
	r.nr_extents = nr;
	rc = hcall_memory(w->h, XENMEM_populate_physmap, &r, sizeof(r));
	if (rc < 0)
		return rc;
	return (long)((rc > (long)nr ? nr : (uint64_t)rc) << order);
}

/* The largest order, up to @limit, with which an extent may begin at @at; *@end is where its run ends. */
static unsigned order_at(uint64_t at, uint64_t to, unsigned limit, uint64_t *end)
{
	static const unsigned orders[] = { ORDER_1G, ORDER_2M, 0 };

	*end = to;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t size = 1ULL << orders[i];

		if (orders[i] > limit)
			continue;
		if (!(at & (size - 1)) && to - at >= size) {
			if ((to & ~(size - 1)) < *end)
				*end = to & ~(size - 1);
			return orders[i];
		}
		/* Small ones only up to where a larger one can begin. */
		if (at & (size - 1) && ((at + size) & ~(size - 1)) < *end)
			*end = (at + size) & ~(size - 1);
	}
	return 0;
}

/* RAM for gfns [@from, @to). @tell: the thread that may tell of progress. */
static void populate(struct worker *w, struct builder *tell, uint64_t from, uint64_t to)
{
	struct crew *c = w->crew;

	while (from < to && !atomic_load(&c->error)) {
		uint64_t end;
		unsigned order = order_at(from, to, atomic_load(&c->limit), &end);
		long got = ask(w, from, end, order);

		if (got < 0 || (got == 0 && order == 0)) {
			fail(c, got < 0 ? got : -ENOMEM);
			return;
		}
		/* None: others of this size will not come either. */
		if (got == 0 && atomic_load(&c->limit) >= order)
			atomic_store(&c->limit, order == ORDER_1G ? ORDER_2M : 0);
		from += (uint64_t)got;
		atomic_fetch_add(&c->done, (uint64_t)got);
		if (tell && builder_progress(tell, atomic_load(&c->done), c->low + c->high))
			fail(c, -ECANCELED);
	}
}

/* Shares below 4 GiB come first, the last of them may be small. */
static void work(struct worker *w, struct builder *tell)
{
	struct crew *c = w->crew;
	uint64_t low_shares = (c->low + SHARE - 1) / SHARE, i;

	while (!atomic_load(&c->error) && (i = atomic_fetch_add(&c->next, 1)) < c->shares) {
		uint64_t base = i < low_shares ? 0 : HIGH_RAM_START / GUEST_PAGE;
		uint64_t pages = i < low_shares ? c->low : c->high, at = (i < low_shares ? i : i - low_shares) * SHARE;

		populate(w, tell, base + at, base + (at + SHARE < pages ? at + SHARE : pages));
	}
}

static void *help(void *arg)
{
	work(arg, NULL);
	return NULL;
}

static bool equip(struct worker *w, struct crew *c, struct hcall *h)
{
	w->crew = c;
	w->h = h;
	w->list = h ? hcall_alloc(h, LIST_ENTRIES * sizeof(*w->list)) : NULL;
	return w->list;
}

static void strip(struct worker *w)
{
	if (w->h)
		hcall_free(w->h, w->list, LIST_ENTRIES * sizeof(*w->list));
}

/* Helpers that could be had: with fewer it takes longer. */
static unsigned hire(struct worker *helpers, struct crew *c)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned nr = 0;

	while (nr < HELPERS_MAX && nr + 1 < (cpus > 0 ? cpus : 1) && c->shares >= (nr + 2) * SHARES_EACH) {
		struct worker *w = &helpers[nr];

		if (!equip(w, c, hcall_open()) || pthread_create(&w->thread, NULL, help, w)) {
			strip(w);
			hcall_close(w->h);
			break;
		}
		nr++;
	}
	return nr;
}

long populate_ram(struct builder *g, bool on_demand)
{
	struct crew c = {
		.g = g,
		.flags = on_demand ? XENMEMF_populate_on_demand : 0,
		.low = g->low_end / GUEST_PAGE,
		.high = g->high_end ? (g->high_end - HIGH_RAM_START) / GUEST_PAGE : 0,
		.limit = on_demand ? ORDER_2M : ORDER_1G,
	};
	struct worker self = { 0 }, helpers[HELPERS_MAX] = { 0 };
	unsigned nr;

	c.shares = (c.low + SHARE - 1) / SHARE + (c.high + SHARE - 1) / SHARE;
	if (!equip(&self, &c, g->h))
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	nr = hire(helpers, &c);
	work(&self, g);
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(helpers[i].thread, NULL);
		strip(&helpers[i]);
		hcall_close(helpers[i].h);
	}
	strip(&self);
	return atomic_load(&c.error);
}
