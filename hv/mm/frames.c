/*
 * The frame table and the page allocator: a buddy system of naturally aligned blocks of 4K to 1G.
 *
 * Frame entries exist for sections of 128 MiB that hold RAM; holes of the memory map cost nothing. The table is one
 * array of the present sections in ascending order, so blocks, which are all RAM, are contiguous in it.
 *
 * A free block is known by its head (state FREE, order); the other frames of it are FREE with order INTERIOR. Scrubbing is lazy:
 * every naturally aligned group of 2^SCRUB_ORDER frames, or smaller block, has a dirty flag on its first frame. Freeing only sets
 * flags; memory is zeroed when it is allocated, or before that by an idle CPU. A bit for each group leads that CPU to it: set when
 * something of the group is freed, cleared when nothing dirty is found free in it.
 */
#include "hv/mm.h"

#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "mm_internal.h"

#define SECTION_SHIFT 15u /* frames */
#define SECTION_FRAMES (1UL << SECTION_SHIFT)
#define NO_SECTION UINT32_MAX
#define SCRUB_ORDER 6u
/* Words of bits a slice of the idle scrub looks at for a dirty block, and for how many of them one group counts. */
#define SCRUB_WORDS 1024u
#define GROUP_LOOKS 32u
#define INTERIOR 0xffu
/* How often to look again for a block perhaps missing only because a part is being scrubbed: some slices, not all memory. */
#define SCRUB_LOOKS 10000u
#define ANYWHERE (~0UL)
#define FRAMES_4G (1UL << (32 - PAGE_SHIFT))
/* Beyond this many references a page takes no more: far from wrapping with every CPU racing. */
#define MAX_REFS 0x7fffffffu

enum zone { ZONE_LOW, ZONE_HIGH, NR_ZONES }; /* below and above 4 GiB */

static struct {
	spinlock_t lock; /* guards everything below, free entries, page lists and page counts of domains */
	struct frame *table;
	uint32_t *section_of;			     /* machine section -> section of the table, or NO_SECTION */
	uint32_t *section_back;			     /* and back */
	uint64_t nr_sections;			     /* of the machine */
	uint32_t free_list[NR_ZONES][MAX_ORDER + 1]; /* index of the first block's head, 0 = none */
	uint64_t total, free, claimed;
	uint64_t *dirty;    /* a bit for each group of the table */
	uint64_t nr_dirty;  /* bits set */
	uint64_t scrubbing; /* frames an idle CPU has taken out for a moment */
	bool scrubber;	    /* atomic: an idle CPU is scrubbing */
	bool scrub_stopped; /* atomic: none may begin */
	uint64_t cursor;    /* where the next idle scrub looks, in words of @dirty */
	uint64_t table_frames;
	struct domain **owners[64]; /* [id / 512][id % 512]: who to account a page to */
} mm = { .lock = SPINLOCK_INIT(RANK_FRAMES) };

union frame_head { /* the first eight bytes of struct frame */
	uint64_t word;
	struct {
		uint32_t refs;
		uint16_t owner;
		uint8_t state, order;
	};
};
_Static_assert(offsetof(struct frame, refs) == 0 && offsetof(struct frame, owner) == 4 &&
		       offsetof(struct frame, state) == 6 && offsetof(struct frame, order) == 7,
	       "struct frame begins with union frame_head");
_Static_assert(sizeof(struct frame) % 8 == 0, "the head word stays aligned");

typedef uint64_t __attribute__((may_alias)) head_word;

/* Entry of a frame inside the table. Callers know that @m is covered; guests' numbers go through mfn_is_ram() first. */
struct frame *mfn_to_frame(mfn_t m)
{
	uint64_t section = m.v >> SECTION_SHIFT;

	ASSERT(section < mm.nr_sections && mm.section_of[section] != NO_SECTION);
	return mm.table + ((uint64_t)mm.section_of[section] << SECTION_SHIFT) + (m.v & (SECTION_FRAMES - 1));
}

/* The frame number an entry describes. */
mfn_t frame_to_mfn(const struct frame *f)
{
	uint64_t i = (uint64_t)(f - mm.table);

	return mfn(((uint64_t)mm.section_back[i >> SECTION_SHIFT] << SECTION_SHIFT) + (i & (SECTION_FRAMES - 1)));
}

/* Does @m have an entry that says RAM? Any number may be asked about. */
bool mfn_is_ram(mfn_t m)
{
	uint64_t section = m.v >> SECTION_SHIFT;

	return section < mm.nr_sections && mm.section_of[section] != NO_SECTION &&
	       read_once(mfn_to_frame(m)->state) != FRAME_RESERVED;
}

static bool frame_covered(uint64_t index)
{
	uint64_t section = index >> SECTION_SHIFT;

	return section < mm.nr_sections && mm.section_of[section] != NO_SECTION;
}

static struct frame *frame_at(uint32_t index)
{
	return mfn_to_frame(mfn(index));
}

static uint32_t frame_index(const struct frame *f)
{
	return (uint32_t)frame_to_mfn(f).v;
}

/* Free lists ------------------------------------------------------------------------------ */

static uint32_t *list_of(uint32_t index, unsigned order)
{
	return &mm.free_list[index < FRAMES_4G ? ZONE_LOW : ZONE_HIGH][order];
}

static void list_push(uint32_t *first, struct frame *f)
{
	uint32_t index = frame_index(f);

	f->prev = 0;
	f->next = *first;
	if (f->next)
		frame_at(f->next)->prev = index;
	*first = index;
}

static void list_unlink(uint32_t *first, struct frame *f)
{
	if (f->prev)
		frame_at(f->prev)->next = f->next;
	else
		*first = f->next;
	if (f->next)
		frame_at(f->next)->prev = f->prev;
	f->next = f->prev = 0;
}

static void block_insert(struct frame *f, unsigned order)
{
	f->order = (uint8_t)order;
	list_push(list_of(frame_index(f), order), f);
}

static void block_remove(struct frame *f)
{
	list_unlink(list_of(frame_index(f), f->order), f);
	f->order = INTERIOR;
}

/*
 * Does a free block of @order begin at @f? One load tells: a block that was just taken is still free, of no order, until its new owner's
 * CPU publishes both at once, without the lock.
 */
static bool heads_free(const struct frame *f, unsigned order)
{
	union frame_head head = { .word = __atomic_load_n((const head_word *)f, __ATOMIC_RELAXED) };

	return head.state == FRAME_FREE && head.order == order;
}

/* Insert a free block, joining it with its buddy as long as that is free too. */
static void block_free(struct frame *f, unsigned order)
{
	uint32_t index = frame_index(f);

	for (; order < MAX_ORDER; order++) {
		uint32_t buddy = index ^ (1u << order);
		struct frame *b;

		if (buddy == 0 || !frame_covered(buddy))
			break;
		b = frame_at(buddy);
		if (!heads_free(b, order))
			break;
		block_remove(b);
		if (buddy < index) {
			struct frame *t = f;

			f = b;
			b = t;
			index = buddy;
		}
		b->order = INTERIOR;
		if (order < SCRUB_ORDER && (b->flags & FRAME_F_DIRTY)) {
			b->flags &= (uint8_t)~FRAME_F_DIRTY;
			f->flags |= FRAME_F_DIRTY;
		}
	}
	block_insert(f, order);
}

/* Cut the block @f, off the lists, of @order down to the block of order @want that holds @target; free the rest. */
static struct frame *block_cut(struct frame *f, unsigned order, unsigned want, const struct frame *target)
{
	while (order > want) {
		struct frame *upper;

		order--;
		upper = f + (1UL << order);
		if (order < SCRUB_ORDER)
			upper->flags = f->flags;
		if (target >= upper) {
			block_insert(f, order);
			f = upper;
		} else {
			block_insert(upper, order);
		}
	}
	f->order = INTERIOR;
	return f;
}

static struct frame *block_take(unsigned order, bool low)
{
	for (int zone = low ? ZONE_LOW : ZONE_HIGH; zone >= ZONE_LOW; zone--)
		for (unsigned o = order; o <= MAX_ORDER; o++) {
			uint32_t index = mm.free_list[zone][o];
			struct frame *f;

			if (!index)
				continue;
			f = frame_at(index);
			block_remove(f);
			return block_cut(f, o, order, f);
		}
	return NULL;
}

static struct frame *free_head(struct frame *f);

/* The block of @order at frame @index, which must be free as a whole, or NULL. */
static struct frame *block_take_at(uint64_t index, unsigned order)
{
	struct frame *f, *h;
	unsigned whole;

	if (!index || (index & ((1UL << order) - 1)) || !frame_covered(index))
		return NULL;
	f = frame_at((uint32_t)index);
	h = f->state == FRAME_FREE ? free_head(f) : NULL;
	if (!h || h->order < order)
		return NULL;
	whole = h->order;
	block_remove(h);
	return block_cut(h, whole, order, f);
}

/* Scrubbing --------------------------------------------------------------------------------- */

static void zero_frames(const struct frame *f, uint64_t nr)
{
	memset(mfn_to_virt(frame_to_mfn(f)), 0, nr << PAGE_SHIFT);
}

/* Zero what is dirty of a block that no list holds. */
static void block_scrub(struct frame *f, unsigned order)
{
	unsigned step = order < SCRUB_ORDER ? order : SCRUB_ORDER;

	for (uint64_t i = 0; i < 1UL << order; i += 1UL << step)
		if (f[i].flags & FRAME_F_DIRTY)
			zero_frames(f + i, 1UL << step);
}

/* The head of the free block that @f lies in; @f is FREE and a multiple of a scrub group or smaller. */
static struct frame *free_head(struct frame *f)
{
	uint32_t index = frame_index(f);

	for (unsigned o = 0; o <= MAX_ORDER; o++) {
		uint32_t head = index & ~((1u << o) - 1);
		struct frame *h;

		if (!frame_covered(head))
			return NULL;
		h = frame_at(head);
		if (heads_free(h, o))
			return h;
	}
	return NULL;
}

static uint64_t group_of(const struct frame *f)
{
	return (uint64_t)(f - mm.table) >> SCRUB_ORDER;
}

/* Something of the 2^@order frames from @f on is dirty. Lock held. */
static void note_dirty(const struct frame *f, unsigned order)
{
	uint64_t nr = order > SCRUB_ORDER ? 1UL << (order - SCRUB_ORDER) : 1;

	for (uint64_t g = group_of(f); nr--; g++) {
		uint64_t bit = 1UL << g % 64;

		mm.nr_dirty += !(mm.dirty[g / 64] & bit);
		mm.dirty[g / 64] |= bit;
	}
}

/* Take a dirty free block of the group whose first frame is @f off the lists; NULL if there is none. */
static struct frame *take_from_group(struct frame *f, unsigned *order)
{
	for (const struct frame *end = f + (1UL << SCRUB_ORDER); f < end; f++) {
		struct frame *h;
		unsigned whole;

		if (f->state != FRAME_FREE || !(f->flags & FRAME_F_DIRTY))
			continue;
		h = free_head(f);
		if (!h)
			continue;
		whole = h->order;
		*order = whole < SCRUB_ORDER ? whole : SCRUB_ORDER;
		block_remove(h);
		return block_cut(h, whole, *order, f);
	}
	return NULL;
}

/* Find a dirty free block of at most a scrub group, looking at a bounded number of groups; takes it off the lists. */
static struct frame *take_dirty(unsigned *order)
{
	uint64_t words = mm.table_frames >> SCRUB_ORDER >> 6;

	for (unsigned looks = 0; mm.nr_dirty && looks < SCRUB_WORDS; looks++) {
		struct frame *f;
		uint64_t g;

		if (!mm.dirty[mm.cursor]) {
			mm.cursor = mm.cursor + 1 < words ? mm.cursor + 1 : 0;
			continue;
		}
		looks += GROUP_LOOKS;
		g = mm.cursor * 64 + (unsigned)__builtin_ctzl(mm.dirty[mm.cursor]);
		f = take_from_group(mm.table + (g << SCRUB_ORDER), order);
		if (f)
			return f;
		mm.dirty[g / 64] &= ~(1UL << g % 64);
		mm.nr_dirty--;
	}
	return NULL;
}

/* The block is out of the allocator's sight while it is zeroed; alloc_frames() knows and waits for it. */
static bool scrub_slice(void)
{
	unsigned order = 0;
	struct frame *f = NULL;
	bool more;

	spin_lock(&mm.lock);
	f = take_dirty(&order);
	more = mm.nr_dirty != 0;
	if (f) {
		mm.scrubbing += 1UL << order;
		for (uint64_t i = 0; i < 1UL << order; i++)
			f[i].state = FRAME_INUSE;
	}
	spin_unlock(&mm.lock);
	if (!f)
		return more;

	zero_frames(f, 1UL << order);

	spin_lock(&mm.lock);
	f->flags &= (uint8_t)~FRAME_F_DIRTY;
	for (uint64_t i = 0; i < 1UL << order; i++)
		f[i].state = FRAME_FREE;
	mm.scrubbing -= 1UL << order;
	block_free(f, order);
	spin_unlock(&mm.lock);
	return true;
}

/* See mm.h. One CPU at a time: more would queue for the lock, in front of those who want memory. */
bool mm_scrub_slice(void)
{
	bool more = false;

	if (__atomic_exchange_n(&mm.scrubber, true, __ATOMIC_SEQ_CST))
		return false;
	if (!__atomic_load_n(&mm.scrub_stopped, __ATOMIC_SEQ_CST))
		more = scrub_slice();
	__atomic_store_n(&mm.scrubber, false, __ATOMIC_RELEASE);
	return more;
}

/* See mm.h. Nobody begins once it is said, so the wait is for one slice, however many CPUs are idle. */
void mm_scrub_stop(void)
{
	__atomic_store_n(&mm.scrub_stopped, true, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&mm.scrubber, __ATOMIC_SEQ_CST))
		arch_cpu_relax();
}

/* See mm.h. */
void mm_scrub_go(void)
{
	__atomic_store_n(&mm.scrub_stopped, false, __ATOMIC_RELEASE);
}

/* Accounting ------------------------------------------------------------------------------ */

/* Make room to remember the owner of id @id. false without memory. Called before the lock is taken. */
static bool owner_prepare(domid_t id)
{
	struct domain ***chunk = &mm.owners[id / 512u];
	void *page;

	if (__atomic_load_n(chunk, __ATOMIC_ACQUIRE))
		return true;
	page = alloc_page();
	if (!page)
		return false;
	spin_lock(&mm.lock);
	if (!*chunk) {
		__atomic_store_n(chunk, page, __ATOMIC_RELEASE);
		page = NULL;
	}
	spin_unlock(&mm.lock);
	if (page)
		free_page(page);
	return true;
}

static struct domain *owner_domain(domid_t id)
{
	return mm.owners[id / 512u][id % 512u];
}

/* May @d (NULL: Hospes) have @nr more frames? Lock held. */
static bool charge_check(const struct domain *d, uint64_t nr, unsigned flags)
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

/* Book @nr frames taken from the free ones for @d. Lock held, charge_check() said yes. */
static void charge_apply(struct domain *d, uint64_t nr, unsigned flags)
{
	mm.free -= nr;
	if (!d)
		return;
	d->nr_frames += nr;
	mm.owners[d->id / 512u][d->id % 512u] = d;
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

/*
 * Opposite of charge_apply(), but for the claim: a page that a domain still owes to places it has not touched yet stays promised to it. Lock held. true: the caller drops the domain reference after unlocking.
 */
static bool uncharge(struct domain *d, uint64_t nr, bool charged)
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
	return d->nr_frames == 0;
}

/* Allocation --------------------------------------------------------------------------------- */

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
			f = at == ANYWHERE ? block_take(order, flags & ALLOC_BELOW_4G) : block_take_at(at, order);
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

static void block_release(struct domain *d, struct frame *f, unsigned order, bool charged)
{
	bool last;

	spin_lock(&mm.lock);
	block_unpublish(f, order);
	last = uncharge(d, 1UL << order, charged);
	block_free(f, order);
	spin_unlock(&mm.lock);
	if (last)
		domain_put(d);
}

static struct frame *alloc(struct domain *owner, uint64_t at, unsigned order, unsigned flags)
{
	bool charge = !(flags & ALLOC_NO_CHARGE), first = false;
	struct frame *f;

	if (order > MAX_ORDER)
		return NULL;
	if (owner && (!owner_prepare(owner->id) || !domain_get(owner)))
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
		block_release(owner, f, order, true);
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
	block_release(NULL, f, order, false);
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
	struct domain *d = f->owner == DOMID_INVALID ? NULL : owner_domain(f->owner);
	bool last;

	spin_lock(&mm.lock);
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
		d = owner_domain(f->owner);
		list_unlink(&d->page_list, f);
	}
	spin_unlock(&mm.lock);
	if (!(old & FRAME_F_ALLOCATED))
		return false;
	frame_put(f);
	return true;
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

/* Figures and claims ------------------------------------------------------------------------------ */

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

/* Bytes of the bits for the groups of @used sections. */
static uint64_t dirty_size(uint64_t used)
{
	return used << SECTION_SHIFT >> SCRUB_ORDER >> 3;
}

/* Lay out the table: @present tells which of @nr sections hold RAM, @memory (boot allocated) takes all of frames_table_size(). */
void frames_open(const uint8_t *present, uint64_t nr, void *memory)
{
	uint32_t used = 0;

	mm.nr_sections = nr;
	mm.section_of = memory;
	mm.section_back = mm.section_of + nr;
	for (uint64_t i = 0; i < nr; i++) {
		mm.section_of[i] = NO_SECTION;
		if (!present[i])
			continue;
		mm.section_back[used] = (uint32_t)i;
		mm.section_of[i] = used++;
	}
	mm.table = (struct frame *)((uint8_t *)memory + ROUND_UP(2 * nr * sizeof(uint32_t), 64UL));
	mm.table_frames = (uint64_t)used << SECTION_SHIFT;
	memset(mm.table, 0, mm.table_frames * sizeof(struct frame));
	mm.dirty = (uint64_t *)(mm.table + mm.table_frames);
	memset(mm.dirty, 0, dirty_size(used));
}

/* Bytes frames_open() needs for @nr sections of which @used hold RAM. */
uint64_t frames_table_size(uint64_t nr, uint64_t used)
{
	return ROUND_UP(2 * nr * sizeof(uint32_t), 64UL) + (used << SECTION_SHIFT) * sizeof(struct frame) +
	       dirty_size(used);
}

/* Forget all: see mm_boot_begin(). */
void frames_reset(void)
{
	memset(&mm, 0, sizeof(mm));
	spin_lock_init(&mm.lock, RANK_FRAMES);
}
