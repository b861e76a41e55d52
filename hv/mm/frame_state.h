/*
 * What the files of the page allocator share: its state, and the buddy system's ways in.
 *
 * frames.c gives pages to owners and counts their uses, buddy.c keeps the free ones, scrub.c cleans them, claims.c keeps the ledger of what was promised,
 * frame_table.c knows which entry describes which page. One lock guards all of it.
 */
#ifndef FRAME_STATE_H
#define FRAME_STATE_H

#include "hv/domain.h"
#include "hv/numa.h"
#include "mm_internal.h"

#define SECTION_SHIFT 15u /* frames */
#define SECTION_FRAMES (1UL << SECTION_SHIFT)
#define NO_SECTION UINT32_MAX
#define SCRUB_ORDER 6u
#define INTERIOR 0xffu
/* How often to look again for a block perhaps missing only because a part is being scrubbed: some slices, not all memory. */
#define SCRUB_LOOKS 10000u
#define FRAMES_4G (1UL << (32 - PAGE_SHIFT))

enum zone { ZONE_LOW, ZONE_HIGH, NR_ZONES }; /* below and above 4 GiB */

#define NR_OWNER_CHAINS 512u

struct frames {
	spinlock_t lock; /* guards everything below, free entries, page lists and page counts of domains */
	struct frame *table;
	uint32_t *section_of;	/* machine section -> section of the table, or NO_SECTION */
	uint32_t *section_back; /* and back */
	uint64_t nr_sections;	/* of the machine */
	uint32_t free_list[NUMA_MAX_NODES][NR_ZONES][MAX_ORDER + 1]; /* index of the first block's head, 0 = none */
	unsigned free_list_nodes;				     /* in use; 0: one */
	uint64_t node_free[NUMA_MAX_NODES];			     /* frames */
	uint64_t total, free, claimed;
	uint64_t *dirty;    /* a bit for each group of the table */
	uint64_t nr_dirty;  /* bits set */
	uint64_t scrubbing; /* frames an idle CPU has taken out for a moment */
	uint64_t cursor;    /* where the next idle scrub looks, in words of @dirty */
	uint64_t table_frames;
	struct domain *owners[NR_OWNER_CHAINS]; /* by id: who owns pages, linked by owner_next */
};
extern struct frames mm;

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

static inline bool frame_covered(uint64_t index)
{
	uint64_t section = index >> SECTION_SHIFT;

	return section < mm.nr_sections && mm.section_of[section] != NO_SECTION;
}

/* The entry of a frame that is covered. */
static inline struct frame *frame_at(uint32_t index)
{
	return mm.table + ((uint64_t)mm.section_of[index >> SECTION_SHIFT] << SECTION_SHIFT) +
	       (index & (SECTION_FRAMES - 1));
}

static inline uint32_t frame_index(const struct frame *f)
{
	uint64_t i = (uint64_t)(f - mm.table);

	return (uint32_t)((mm.section_back[i >> SECTION_SHIFT] << SECTION_SHIFT) + (i & (SECTION_FRAMES - 1)));
}

/*
 * Does a free block of @order begin at @f? One load tells: a block that was just taken is still free, of no order, until its new owner's
 * CPU publishes both at once, without the lock.
 */
static inline bool heads_free(const struct frame *f, unsigned order)
{
	union frame_head head = { .word = __atomic_load_n((const head_word *)f, __ATOMIC_RELAXED) };

	return head.state == FRAME_FREE && head.order == order;
}

/* Take an entry off the list that begins at @first. */
static inline void list_unlink(uint32_t *first, struct frame *f)
{
	if (f->prev)
		frame_at(f->prev)->next = f->next;
	else
		*first = f->next;
	if (f->next)
		frame_at(f->next)->prev = f->prev;
	f->next = f->prev = 0;
}

/* buddy.c, all under the lock. */
/* Insert a free block, joining it with its buddy as long as that is free too and of the same node. */
void block_free(struct frame *f, unsigned order);
/* A block off the lists: of @node, below 4 GiB if @low. NULL: there is none. */
struct frame *block_take(unsigned node, unsigned order, bool low);
/* The one of @order at frame @index, which must be free as a whole, or NULL. */
struct frame *block_take_at(uint64_t index, unsigned order);
/* The part of the free block @h that is of @order and holds @target. */
struct frame *block_take_part(struct frame *h, unsigned order, const struct frame *target);
/* The head of the free block that @f lies in; @f is FREE and a multiple of a scrub group or smaller. */
struct frame *free_head(struct frame *f);

/* frames.c, under the lock. The block that alloc_frames() takes for @d, off the lists. NULL: there is none. */
struct frame *block_choose(struct domain *d, unsigned order, unsigned flags);

/* numa.c. The same where there are several nodes: which of them is for @d (NULL: Hospes), or in @flags. */
struct frame *numa_take(struct domain *d, unsigned order, unsigned flags);

/* Nothing else is asked on machines of one node. */
static inline bool one_node(void)
{
	return mm.free_list_nodes < 2;
}

/* scrub.c, under the lock. Something of the 2^@order frames from @f on is dirty. */
void note_dirty(const struct frame *f, unsigned order);
/* Zero what is dirty of a block that no list holds. No lock. */
void block_scrub(struct frame *f, unsigned order);

void scrub_reset(void);

/* claims.c, under the lock. The domain @id, which owns pages. */
struct domain *frames_owner(domid_t id);
/* May @d (NULL: Hospes) have @nr more frames? */
bool charge_check(const struct domain *d, uint64_t nr, unsigned flags);
/* Book @nr frames taken from the free ones for @d; charge_check() said yes. */
void charge_apply(struct domain *d, uint64_t nr, unsigned flags);
/* Opposite of charge_apply(), but for what @d still owes to places it has not touched yet. true: the caller drops the domain reference after unlocking. */
bool uncharge(struct domain *d, uint64_t nr, bool charged);

#endif
