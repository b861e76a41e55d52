/*
 * Scrubbing is lazy: every naturally aligned group of 2^SCRUB_ORDER frames, or smaller block, has a dirty flag on its first frame. Freeing only sets
 * flags; memory is zeroed when it is allocated, or before that by an idle CPU. A bit for each group leads that CPU to it: set when
 * something of the group is freed, cleared when nothing dirty is found free in it.
 */
#include "frame_state.h"
#include "hv/arch.h"
#include "hv/string.h"

/* Words of bits a slice of the idle scrub looks at for a dirty block, and for how many of them one group counts. */
#define SCRUB_WORDS 1024u
#define GROUP_LOOKS 32u

static struct {
	bool scrubber; /* atomic: an idle CPU is scrubbing */
	bool stopped;  /* atomic: none may begin */
} scrub;

/* A new machine boots. */
void scrub_reset(void)
{
	scrub.scrubber = scrub.stopped = false;
}

static void zero_frames(const struct frame *f, uint64_t nr)
{
	memset(mfn_to_virt(frame_to_mfn(f)), 0, nr << PAGE_SHIFT);
}

/* See frame_state.h. */
void block_scrub(struct frame *f, unsigned order)
{
	unsigned step = order < SCRUB_ORDER ? order : SCRUB_ORDER;

	for (uint64_t i = 0; i < 1UL << order; i += 1UL << step)
		if (f[i].flags & FRAME_F_DIRTY)
			zero_frames(f + i, 1UL << step);
}

static uint64_t group_of(const struct frame *f)
{
	return (uint64_t)(f - mm.table) >> SCRUB_ORDER;
}

/* See frame_state.h. */
void note_dirty(const struct frame *f, unsigned order)
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

		if (f->state != FRAME_FREE || !(f->flags & FRAME_F_DIRTY))
			continue;
		h = free_head(f);
		if (!h)
			continue;
		*order = h->order < SCRUB_ORDER ? h->order : SCRUB_ORDER;
		return block_take_part(h, *order, f);
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

/* A block that was taken off the lists goes out of the allocator's sight while it is zeroed; alloc_frames() knows and waits for it. Under the lock. */
static void hide(struct frame *f, unsigned order)
{
	mm.scrubbing += 1UL << order;
	for (uint64_t i = 0; i < 1UL << order; i++)
		f[i].state = FRAME_INUSE;
}

/* Zero what was hidden, and give it back. */
static void clean(struct frame *f, unsigned order)
{
	zero_frames(f, 1UL << order);

	spin_lock(&mm.lock);
	f->flags &= (uint8_t)~FRAME_F_DIRTY;
	for (uint64_t i = 0; i < 1UL << order; i++)
		f[i].state = FRAME_FREE;
	mm.scrubbing -= 1UL << order;
	block_free(f, order);
	spin_unlock(&mm.lock);
}

static bool scrub_slice(void)
{
	unsigned order = 0;
	struct frame *f;
	bool more;

	spin_lock(&mm.lock);
	f = take_dirty(&order);
	more = mm.nr_dirty != 0;
	if (f)
		hide(f, order);
	spin_unlock(&mm.lock);
	if (f)
		clean(f, order);
	return f || more;
}

/* See mm.h. */
uint64_t mm_scrub_parts(unsigned order)
{
	return order > SCRUB_ORDER ? 1UL << (order - SCRUB_ORDER) : 0;
}

/* See mm.h. The block goes back as it came but for one dirty part; which is of @d's turn of nodes does not change by looking. */
bool mm_scrub_ahead(struct domain *d, unsigned order, unsigned flags)
{
	struct frame *f = NULL, *block;
	unsigned last;

	if (!mm_scrub_parts(order) || order > MAX_ORDER)
		return false;
	spin_lock(&mm.lock);
	last = d->numa.last;
	block = charge_check(d, 1UL << order, flags) ? block_choose(d, order, flags) : NULL;
	d->numa.last = last;
	for (uint64_t i = 0; block && !f && i < 1UL << order; i += 1UL << SCRUB_ORDER)
		if (block[i].flags & FRAME_F_DIRTY)
			f = block + i;
	if (block)
		block_free(block, order);
	if (f) {
		f = block_take_part(free_head(f), SCRUB_ORDER, f);
		hide(f, SCRUB_ORDER);
	}
	spin_unlock(&mm.lock);
	if (f)
		clean(f, SCRUB_ORDER);
	return f;
}

/* See mm.h. One CPU at a time: more would queue for the lock, in front of those who want memory. */
bool mm_scrub_slice(void)
{
	bool more = false;

	if (__atomic_exchange_n(&scrub.scrubber, true, __ATOMIC_SEQ_CST))
		return false;
	if (!__atomic_load_n(&scrub.stopped, __ATOMIC_SEQ_CST))
		more = scrub_slice();
	__atomic_store_n(&scrub.scrubber, false, __ATOMIC_RELEASE);
	return more;
}

/* See mm.h. Nobody begins once it is said, so the wait is for one slice, however many CPUs are idle. */
void mm_scrub_stop(void)
{
	__atomic_store_n(&scrub.stopped, true, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&scrub.scrubber, __ATOMIC_SEQ_CST))
		arch_cpu_relax();
}

/* See mm.h. */
void mm_scrub_go(void)
{
	__atomic_store_n(&scrub.stopped, false, __ATOMIC_RELEASE);
}
