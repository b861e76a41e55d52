/*
 * Pages: giving them to owners, counting their uses, and taking them back with the last one. How free ones are kept is buddy.c's.
 */
#include "frame_state.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#define ANYWHERE (~0UL)
/* Beyond this many references a page takes no more: far from wrapping with every CPU racing. */
#define MAX_REFS 0x7fffffffu

/* Allocation --------------------------------------------------------------------------------- */

/* See frame_state.h. */
struct frame *block_choose(struct domain *d, unsigned order, unsigned flags)
{
	return likely(one_node()) ? block_take(0, order, flags & ALLOC_BELOW_4G) : numa_take(d, order, flags);
}

/*
 * Take a block, any or the one at frame @at, and book it. *hold: it is the domain's first, whose reference the caller must already
 * have.
 */
static struct frame *take_and_charge(struct domain *d, uint64_t at, unsigned order, unsigned flags, bool *first)
{
	uint64_t nr = 1UL << order;
	struct frame *f = NULL;
	unsigned looks = 0;
	bool wait;

	do {
		wait = false;
		spin_lock(&mm.lock);
		if (charge_check(d, nr, flags)) {
			f = at != ANYWHERE ? block_take_at(at, order) : block_choose(d, order, flags);
			if (f) {
				*first = d && d->nr_frames == 0;
				charge_apply(d, nr, flags);
				low_memory_look(mm.free - mm.claimed);
			} else {
				wait = mm.scrubbing != 0 && ++looks < SCRUB_LOOKS;
			}
		}
		spin_unlock(&mm.lock);
		if (wait)
			arch_cpu_relax();
	} while (wait);
	return f;
}

/* Turn the entries of a fresh block into live pages of @d; references last, as they make a page visible to frame_get(). */
static void block_publish(struct frame *f, unsigned order, const struct domain *d, unsigned flags)
{
	uint32_t index = frame_index(f);
	uint64_t nr = 1UL << order;
	bool listed = d && !(flags & ALLOC_NO_CHARGE);
	uint8_t frame_flags = !d     ? 0 :
			      listed ? FRAME_F_ALLOCATED | FRAME_F_LISTED | FRAME_F_CHARGED :
				       FRAME_F_ALLOCATED;

	for (uint64_t i = 0; i < nr; i++) {
		union frame_head head = { .refs = 1, .owner = d ? d->id : DOMID_INVALID, .state = FRAME_INUSE };

		head.order = (uint8_t)(d ? 0 : order);
		f[i].next = listed && i + 1 < nr ? index + (uint32_t)i + 1 : 0;
		f[i].prev = listed && i > 0 ? index + (uint32_t)i - 1 : 0;
		f[i].type_count = 0;
		f[i].type = 0;
		f[i].flags = frame_flags;
		__atomic_store_n((head_word *)&f[i], head.word, __ATOMIC_RELEASE);
	}
}

static void block_unpublish(struct frame *f, unsigned order)
{
	unsigned step = order < SCRUB_ORDER ? order : SCRUB_ORDER;

	note_dirty(f, order);
	for (uint64_t i = 0; i < 1UL << order; i++) {
		union frame_head head = { .owner = DOMID_INVALID, .state = FRAME_FREE, .order = INTERIOR };

		f[i].flags = i % (1UL << step) == 0 ? FRAME_F_DIRTY : 0;
		f[i].next = f[i].prev = 0;
		__atomic_store_n((head_word *)&f[i], head.word, __ATOMIC_RELEASE);
	}
}

/* Put the published block on @d's page list, unless @d began to die meanwhile. Takes the lock. */
static bool list_block(struct domain *d, struct frame *f, unsigned order)
{
	uint32_t index = frame_index(f);
	uint64_t last = (1UL << order) - 1;
	bool alive;

	spin_lock(&mm.lock);
	alive = !d->dying;
	if (alive) {
		f[last].next = d->page_list;
		if (d->page_list)
			frame_at(d->page_list)->prev = index + (uint32_t)last;
		d->page_list = index;
	}
	spin_unlock(&mm.lock);
	return alive;
}

/*
 * The published block is not on its owner's list: drop the owner's references. Somebody who looks up a translation that is just going away may hold
 * one of his own for a moment, and frees the page when he lets go.
 */
static void block_disown(struct frame *f, unsigned order)
{
	spin_lock(&mm.lock);
	for (uint64_t i = 0; i < 1UL << order; i++)
		f[i].flags &= (uint8_t) ~(FRAME_F_ALLOCATED | FRAME_F_LISTED);
	spin_unlock(&mm.lock);
	for (uint64_t i = 0; i < 1UL << order; i++)
		frame_put(f + i);
}

static struct frame *alloc(struct domain *owner, uint64_t at, unsigned order, unsigned flags)
{
	bool charge = !(flags & ALLOC_NO_CHARGE), first = false;
	struct frame *f;

	if (order > MAX_ORDER)
		return NULL;
	if (owner && !domain_get(owner))
		return NULL;
	f = take_and_charge(owner, at, order, flags, &first);
	/* The reference taken above stays with the first page; other allocations give theirs back. */
	if (owner && !first)
		domain_put(owner);
	if (!f)
		return NULL;
	if (owner || (flags & ALLOC_ZERO))
		block_scrub(f, order);
	block_publish(f, order, owner, flags);
	if (owner && charge && !list_block(owner, f, order)) {
		block_disown(f, order);
		return NULL;
	}
	return f;
}

/* See mm.h. Any context but interrupts; RANK_FRAMES inside. The memory is zeroed here if no idle CPU got to it before. */
struct frame *alloc_frames(struct domain *owner, unsigned order, unsigned flags)
{
	return alloc(owner, ANYWHERE, order, flags);
}

/* See mm.h. As alloc_frames(). */
struct frame *alloc_frames_at(struct domain *owner, mfn_t m, unsigned order, unsigned flags)
{
	return alloc(owner, m.v, order, flags);
}

/* See mm.h. RANK_FRAMES inside. */
bool mm_block_free(mfn_t m, unsigned order)
{
	bool is_free, wait;
	unsigned looks = 0;

	do {
		struct frame *f = NULL;

		spin_lock(&mm.lock);
		if (m.v && frame_covered(m.v) && frame_at((uint32_t)m.v)->state == FRAME_FREE)
			f = free_head(frame_at((uint32_t)m.v));
		is_free = f && f->order >= order;
		wait = !is_free && mm.scrubbing && ++looks < SCRUB_LOOKS;
		spin_unlock(&mm.lock);
		if (wait)
			arch_cpu_relax();
	} while (wait);
	return is_free;
}

/* Free a block of Hospes that alloc_frames(NULL, @order) gave and nobody refers to. */
void free_frames(struct frame *f, unsigned order)
{
	for (uint64_t i = 0; i < 1UL << order; i++)
		ASSERT(f[i].refs == 1 && f[i].owner == DOMID_INVALID && f[i].order == order);
	spin_lock(&mm.lock);
	block_unpublish(f, order);
	mm.free += 1UL << order;
	block_free(f, order);
	spin_unlock(&mm.lock);
}

/* One zeroed page of Hospes, or NULL. */
void *alloc_page(void)
{
	struct frame *f = alloc_frames(NULL, 0, ALLOC_ZERO);

	return f ? mfn_to_virt(frame_to_mfn(f)) : NULL;
}

/* Free what alloc_page() gave; NULL is ignored. */
void free_page(void *va)
{
	if (va)
		free_frames(mfn_to_frame(virt_to_mfn(va)), 0);
}

/* References ------------------------------------------------------------------------------------ */

/* Count one more reference if the page is live and its owner is @id, or any domain for DOMID_INVALID. */
static bool get_if(struct frame *f, domid_t id, bool any)
{
	union frame_head old, new;

	old.word = __atomic_load_n((head_word *)f, __ATOMIC_RELAXED);
	do {
		if (old.refs == 0 || old.refs >= MAX_REFS || old.state != FRAME_INUSE)
			return false;
		if (any ? old.owner == DOMID_INVALID : old.owner != id)
			return false;
		new = old;
		new.refs++;
	} while (!__atomic_compare_exchange_n((head_word *)f, &old.word, new.word, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

/* Take a reference if @f is a live page of @owner (NULL: Hospes). Lock free; never revives a page whose count reached 0. */
bool frame_get(struct frame *f, const struct domain *owner)
{
	return get_if(f, owner ? owner->id : DOMID_INVALID, false);
}

/* Take a reference on a live page of any domain. Lock free. */
bool frame_get_any(struct frame *f)
{
	return get_if(f, DOMID_INVALID, true);
}

/* The last reference of a page of a domain went: take it from its owner and free it. */
static void frame_free(struct frame *f)
{
	struct domain *d;
	bool last;

	spin_lock(&mm.lock);
	d = f->owner == DOMID_INVALID ? NULL : frames_owner(f->owner);
	if (f->flags & FRAME_F_LISTED)
		list_unlink(&d->page_list, f);
	last = uncharge(d, 1, f->flags & FRAME_F_CHARGED);
	block_unpublish(f, 0);
	block_free(f, 0);
	spin_unlock(&mm.lock);
	if (last)
		domain_put(d);
}

/* Drop a reference. The last one frees the page: RANK_FRAMES inside. */
void frame_put(struct frame *f)
{
	uint32_t before = __atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL);

	ASSERT(before != 0);
	if (before == 1)
		frame_free(f);
}

/*
 * Drop the owner's own reference; false if that happened before. The page must not vanish meanwhile: the caller holds a reference
 * of its own, or is the only one who could release this one.
 */
bool frame_release_allocation(struct frame *f)
{
	struct domain *d;
	uint8_t old;

	spin_lock(&mm.lock);
	old = f->flags;
	f->flags = old & (uint8_t) ~(FRAME_F_ALLOCATED | FRAME_F_LISTED);
	if (old & FRAME_F_LISTED) {
		d = frames_owner(f->owner);
		list_unlink(&d->page_list, f);
	}
	spin_unlock(&mm.lock);
	if (!(old & FRAME_F_ALLOCATED))
		return false;
	frame_put(f);
	return true;
}

/* See mm.h. */
void frames_return(struct domain *d, struct frame *f, unsigned order)
{
	for (uint64_t i = 0; i < 1UL << order; i++)
		if (frame_get(f + i, d)) {
			(void)frame_release_allocation(f + i);
			frame_put(f + i);
		}
}

/* See mm.h. */
struct frame *domain_first_frame(struct domain *d)
{
	struct frame *f;

	spin_lock(&mm.lock);
	f = d->page_list ? frame_at(d->page_list) : NULL;
	spin_unlock(&mm.lock);
	return f;
}

/* Free @nr pages from @index on, whose last references went, in the largest blocks they make: joining each page to its buddies costs far more. Under the lock. */
static void run_free(uint32_t index, uint32_t nr)
{
	while (nr) {
		unsigned order = MAX_ORDER;
		struct frame *f = frame_at(index);

		while ((index & ((1u << order) - 1)) || nr >> order == 0)
			order--;
		block_unpublish(f, order);
		block_free(f, order);
		index += 1u << order;
		nr -= 1u << order;
	}
}

/* See mm.h. One hold of the lock for many pages: a domain may have millions. Those of a block follow each other in the list. */
unsigned domain_release_frames(struct domain *d, unsigned max)
{
	uint32_t run = 0, nr = 0; /* pages to be freed together */
	bool last = false;
	unsigned n = 0;

	spin_lock(&mm.lock);
	for (; n < max && d->page_list; n++) {
		uint32_t index = d->page_list;
		struct frame *f = frame_at(index);

		f->flags &= (uint8_t) ~(FRAME_F_ALLOCATED | FRAME_F_LISTED);
		list_unlink(&d->page_list, f);
		if (__atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL) != 1)
			continue; /* others still use it: the last of them frees it */
		last = uncharge(d, 1, f->flags & FRAME_F_CHARGED);
		if (index != run + nr) {
			run_free(run, nr);
			run = index;
			nr = 0;
		}
		nr++;
	}
	run_free(run, nr);
	spin_unlock(&mm.lock);
	if (last)
		domain_put(d);
	return n;
}

/* Boot ---------------------------------------------------------------------------------------------- */

static bool block_covered(uint64_t index, unsigned order)
{
	for (uint64_t i = index; i < index + (1UL << order); i += SECTION_FRAMES)
		if (!frame_covered(i))
			return false;
	return true;
}

/* Give the open allocator the frames [start, end) as large blocks. Lock held. */
static void add_frames(uint64_t start, uint64_t end)
{
	while (start < end) {
		unsigned order = MAX_ORDER;
		struct frame *f;

		if (!frame_covered(start)) {
			start = (start | (SECTION_FRAMES - 1)) + 1;
			continue;
		}
		/* Nodes begin at multiples of 2 MiB; what lies in one of them grows together. */
		if (!one_node())
			order = ORDER_2M;
		while ((start & ((1UL << order) - 1)) || start + (1UL << order) > end || !block_covered(start, order))
			order--;
		f = mfn_to_frame(mfn(start));
		block_unpublish(f, order);
		block_free(f, order);
		mm.total += 1UL << order;
		mm.free += 1UL << order;
		start += 1UL << order;
	}
}

/* Add a range to an allocator that is open already: boot modules no longer needed. Partial pages are left out. */
void frames_add(paddr_t start, paddr_t end)
{
	uint64_t first = max_u64(ROUND_UP(start, PAGE_SIZE) >> PAGE_SHIFT, 1); /* frame 0 stands for "none" in lists */

	spin_lock(&mm.lock);
	add_frames(first, end >> PAGE_SHIFT);
	spin_unlock(&mm.lock);
}

/* Forget all: see mm_boot_begin(). */
void frames_reset(void)
{
	memset(&mm, 0, sizeof(mm));
	scrub_reset();
	numa_reset();
	spin_lock_init(&mm.lock, RANK_FRAMES);
}
