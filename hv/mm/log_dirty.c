/*
 * Which pages of a domain were written: the bitmaps behind logging, and reading them. How writes are noticed is p2m_protect.c's affair.
 *
 * A clean takes the whole bitmap away at once and arms write protection, both under the map's lock, so that a write is either in what was taken or
 * faults again. It then hands out what it took, in slices. Whatever was not handed out goes back in the end.
 */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hv/string.h"

#define LEAF_BITS (PAGE_SIZE * 8)
#define NODE_SLOTS (PAGE_SIZE / sizeof(void *))
#define NODE_BITS 9u
#define DEPTH 2u /* nodes between a top slot and a leaf */
#define NR_LEAVES ((uint64_t)DIRTY_TOPS << (DEPTH * NODE_BITS))
/* Pages of bitmap beside those the domain's own memory explains. */
#define FREE_PAGES 64u
/* Pages freed or leaves handed out between two looks at what else waits. */
#define SLICE 8u
/* Set in a position that is not the very beginning; positions are multiples of LEAF_BITS. */
#define POS_BEGUN 1UL

/* The tree ---------------------------------------------------------------------------------------------- */

static void *page_new(struct domain *d)
{
	struct log_dirty *l = &d->p2m.log;
	void *page;

	if (l->pages >= 2 * (read_once(d->max_pages) / LEAF_BITS) + FREE_PAGES)
		return NULL;
	page = overhead_page(&d->overhead, OVERHEAD_DIRTY);
	l->pages += page != NULL;
	return page;
}

static void page_drop(struct domain *d, void *page)
{
	d->p2m.log.pages--;
	overhead_page_free(&d->overhead, OVERHEAD_DIRTY, page);
}

/* Leaf @n, made on the way if @make; NULL: all clear, or no memory. Lock held. */
static uint64_t *leaf_of(struct domain *d, struct dirty_tree *t, uint64_t n, bool make)
{
	void **slot = &t->top[n >> (DEPTH * NODE_BITS)];

	for (unsigned depth = DEPTH;; depth--) {
		if (!*slot && make)
			*slot = page_new(d);
		if (!*slot || depth == 0)
			return *slot;
		slot = (void **)*slot + (n >> ((depth - 1) * NODE_BITS)) % NODE_SLOTS;
	}
}

/* Set bits [first, first + nr) of one leaf, by words. How many were clear. */
static uint64_t leaf_set(uint64_t *leaf, uint64_t first, uint64_t nr)
{
	uint64_t fresh = 0;

	while (nr) {
		uint64_t bit = first % 64, n = min_u64(64 - bit, nr);
		uint64_t mask = (n == 64 ? ~0UL : (1UL << n) - 1) << bit;

		for (uint64_t new = mask & ~leaf[first / 64]; new; new &= new - 1)
			fresh++;
		leaf[first / 64] |= mask;
		first += n;
		nr -= n;
	}
	return fresh;
}

/* Set the bits of [at, at + nr). Without memory the whole tree counts as set. Lock held. */
static void tree_set(struct domain *d, struct dirty_tree *t, uint64_t at, uint64_t nr)
{
	while (nr && !t->all) {
		uint64_t n = min_u64(LEAF_BITS - at % LEAF_BITS, nr);
		uint64_t *leaf = leaf_of(d, t, at / LEAF_BITS, true);

		if (leaf)
			t->count += leaf_set(leaf, at % LEAF_BITS, n);
		else
			t->all = true;
		at += n;
		nr -= n;
	}
}

/* Move the bits of leaf @n, whose words are @from, to the live tree. */
static void leaf_merge(struct domain *d, uint64_t n, const uint64_t *from)
{
	struct dirty_tree *t = &d->p2m.log.live;

	for (unsigned i = 0; i < LEAF_BITS / 64; i++)
		for (uint64_t word = from[i]; word; word &= word - 1)
			tree_set(d, t, n * LEAF_BITS + i * 64 + (unsigned)__builtin_ctzl(word), 1);
}

/* Free the node or leaf in @slot and all below, up to *@budget pages; @merge: their bits become live first. @n: its first leaf. true when it is gone. */
static bool slot_free(struct domain *d, void **slot, unsigned depth, uint64_t n, bool merge, unsigned *budget)
{
	void **node = *slot;

	if (!node)
		return true;
	for (unsigned i = 0; depth > 0 && i < NODE_SLOTS; i++)
		if (!slot_free(d, &node[i], depth - 1, n + ((uint64_t)i << ((depth - 1) * NODE_BITS)), merge, budget))
			return false;
	if (*budget == 0)
		return false;
	--*budget;
	if (depth == 0 && merge)
		leaf_merge(d, n, *slot);
	page_drop(d, *slot);
	*slot = NULL;
	return true;
}

/* Empty @t, a slice of it at each call. -ERESTART until done. Takes the lock. */
static int tree_empty(struct domain *d, struct dirty_tree *t, bool merge)
{
	struct log_dirty *l = &d->p2m.log;
	unsigned budget = SLICE;
	bool done = true;

	spin_lock(&l->lock);
	if (merge && t->all)
		l->live.all = true;
	for (unsigned i = 0; done && i < DIRTY_TOPS; i++)
		done = slot_free(d, &t->top[i], DEPTH, (uint64_t)i << (DEPTH * NODE_BITS), merge, &budget);
	if (done) {
		t->count = 0;
		t->all = false;
	}
	spin_unlock(&l->lock);
	return done ? 0 : -ERESTART;
}

/* tree_empty() until it is done or others wait. */
static int tree_empty_slices(struct domain *d, struct dirty_tree *t, bool merge)
{
	int rc;

	do
		rc = tree_empty(d, t, merge);
	while (rc && !hypercall_preempt_check());
	return rc;
}

/* Switching --------------------------------------------------------------------------------------------- */

/* See p2m.h. */
void log_dirty_set(struct domain *d, gfn_t g, uint64_t nr)
{
	struct log_dirty *l = &d->p2m.log;
	uint64_t end = g.v + nr;

	if (end < g.v || end > NR_LEAVES * LEAF_BITS)
		return; /* no such place: nothing is mapped there */
	spin_lock(&l->lock);
	if (l->on) {
		tree_set(d, &l->live, g.v, nr);
		if (l->faults != UINT32_MAX)
			l->faults++;
	}
	spin_unlock(&l->lock);
}

/* Change the switch under both locks; arms write protection when it goes on. */
static void switch_to(struct domain *d, struct p2m_batch *b, bool on)
{
	struct log_dirty *l = &d->p2m.log;

	spin_lock(&l->lock);
	__atomic_store_n(&l->on, on, __ATOMIC_SEQ_CST);
	l->faults = 0;
	spin_unlock(&l->lock);
	if (!on)
		return;
	l->ever = true;
	p2m_write_protect(b->p2m);
	b->flush = true;
}

/* See p2m.h. */
int p2m_log_dirty_enable(struct domain *d)
{
	struct p2m_batch b = p2m_begin(d);
	int rc = 0;

	/* A bitmap that is still being freed belongs to the time before. */
	if (d->p2m.log.on || d->p2m.log.pages || read_once(d->dying) || !list_empty(&d->p2m.listeners))
		rc = err(-EINVAL);
	else
		switch_to(d, &b, true);
	p2m_end(&b);
	return rc;
}

/* See p2m.h. Entries get the right to write back as they fault. */
int p2m_log_dirty_disable(struct domain *d)
{
	struct p2m_batch b = p2m_begin(d);
	int rc;

	if (d->p2m.log.on)
		switch_to(d, &b, false);
	p2m_end(&b);
	rc = tree_empty_slices(d, &d->p2m.log.live, false);
	return rc ? rc : tree_empty_slices(d, &d->p2m.log.taken, false);
}

/* See p2m.h. */
bool p2m_log_dirty_enabled(const struct domain *d)
{
	return read_once(d->p2m.log.on);
}

/* Reading ------------------------------------------------------------------------------------------------ */

/* The bits of leaf @n into @page; those of the first @nr are forgotten if @clean. */
static void leaf_read(struct domain *d, struct dirty_tree *t, uint64_t n, void *page)
{
	const uint64_t *leaf;

	spin_lock(&d->p2m.log.lock);
	leaf = leaf_of(d, t, n, false);
	if (t->all)
		memset(page, 0xff, PAGE_SIZE);
	else if (leaf)
		memcpy(page, leaf, PAGE_SIZE);
	else
		memset(page, 0, PAGE_SIZE);
	spin_unlock(&d->p2m.log.lock);
}

/* The first @nr bits of leaf @n were told. */
static void leaf_told(struct domain *d, struct dirty_tree *t, uint64_t n, uint64_t nr)
{
	uint64_t *leaf;

	spin_lock(&d->p2m.log.lock);
	leaf = leaf_of(d, t, n, false);
	if (leaf)
		for (uint64_t i = 0; i < nr; i += 64)
			leaf[i / 64] &= nr - i >= 64 ? 0 : ~0UL << (nr - i);
	spin_unlock(&d->p2m.log.lock);
}

/* Hand out bits of @t from *@pos to @pages. */
static int read_out(struct domain *d, struct dirty_tree *t, bool clean, uint64_t *pos, uint64_t pages,
		    log_dirty_out *out, void *ctx)
{
	void *buf = alloc_page();
	int rc = 0;

	if (!buf)
		return err(-ENOMEM);
	for (unsigned i = 0; rc == 0 && (*pos & ~POS_BEGUN) < pages; i++) {
		uint64_t at = *pos & ~POS_BEGUN, n = min_u64(LEAF_BITS, pages - at);

		if (i >= SLICE && hypercall_preempt_check()) {
			rc = -ERESTART;
			break;
		}
		leaf_read(d, t, at / LEAF_BITS, buf);
		rc = out ? out(ctx, at / 8, buf, (n + 7) / 8) : 0;
		if (rc == 0 && clean)
			leaf_told(d, t, at / LEAF_BITS, n);
		if (rc == 0)
			*pos = (at + LEAF_BITS) | POS_BEGUN;
	}
	free_page(buf);
	return rc;
}

static uint32_t saturate(uint64_t n)
{
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static struct log_dirty_stats stats_now(struct domain *d)
{
	struct log_dirty *l = &d->p2m.log;
	uint64_t dirty = l->live.all ? max_u64(read_once(d->tot_pages), l->live.count) : l->live.count;

	return (struct log_dirty_stats){ l->faults, saturate(dirty) };
}

/* See p2m.h. */
int p2m_log_dirty_peek(struct domain *d, uint64_t *pos, uint64_t pages, log_dirty_out *out, void *ctx,
		       struct log_dirty_stats *stats)
{
	if (!p2m_log_dirty_enabled(d) || pages > NR_LEAVES * LEAF_BITS)
		return err(-EINVAL);
	if (stats)
		*stats = stats_now(d);
	return read_out(d, &d->p2m.log.live, false, pos, pages, out, ctx);
}

/* Take the bitmap and arm write protection, in one. -EINVAL: logging is off. */
static int clean_begin(struct domain *d)
{
	struct log_dirty *l = &d->p2m.log;
	struct p2m_batch b = p2m_begin(d);
	bool on = l->on;

	if (on) {
		p2m_write_protect(b.p2m);
		b.flush = true;
		spin_lock(&l->lock);
		l->told = stats_now(d);
		l->taken = l->live;
		memset(&l->live, 0, sizeof(l->live));
		l->faults = 0;
		spin_unlock(&l->lock);
	}
	p2m_end(&b);
	return on ? 0 : err(-EINVAL);
}

/* See p2m.h. */
int p2m_log_dirty_clean(struct domain *d, uint64_t *pos, uint64_t pages, log_dirty_out *out, void *ctx,
			struct log_dirty_stats *stats)
{
	struct log_dirty *l = &d->p2m.log;
	bool everything;
	int rc = 0;

	if (!p2m_log_dirty_enabled(d) || pages > NR_LEAVES * LEAF_BITS)
		return err(-EINVAL);
	if (*pos == 0) {
		/* What an earlier clean took and did not hand out. */
		rc = tree_empty_slices(d, &l->taken, true);
		if (rc == 0)
			rc = clean_begin(d);
		if (rc)
			return rc;
		*pos = POS_BEGUN;
	}
	if ((*pos & ~POS_BEGUN) < pages)
		rc = read_out(d, &l->taken, true, pos, pages, out, ctx);
	if (rc == 0) {
		everything = pages > read_once(d->p2m.max_gfn.v);
		rc = tree_empty_slices(d, &l->taken, !everything);
	}
	if (stats)
		*stats = l->told;
	return rc;
}
