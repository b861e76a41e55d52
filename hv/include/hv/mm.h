/*
 * Machine frames: the frame table, the page allocator, the small-object heap.
 *
 * Life of a domain's page: alloc_frames(d, ...) gives it owner d and one reference ("allocated"). Every
 * other user (a mapping by another domain, a grant, the hypervisor writing to it) takes its own by frame_get().
 * The last frame_put() frees it. A frame with owner NULL belongs to Hospes.
 */
#ifndef HV_MM_H
#define HV_MM_H

#include "asm/mm.h" /* direct map: void *mfn_to_virt(mfn_t), mfn_t virt_to_mfn(const void *) */
#include "hv/lock.h"
#include "hv/types.h"

struct domain;

enum frame_state {
	FRAME_RESERVED, /* not RAM, firmware's, or Hospes' image */
	FRAME_FREE,
	FRAME_INUSE,
	FRAME_BROKEN,
};

/*
 * 24 bytes; indices are frame numbers (32 bits reach 16 TiB). The first eight bytes are also read and changed as one
 * atomic word: frame_get() checks the owner and counts in a single compare-and-exchange.
 */
struct frame {
	_Alignas(8) uint32_t refs; /* atomic; 0 = free */
	uint16_t owner;		   /* domid of the owner, DOMID_INVALID = Hospes; stable while refs > 0 */
	uint8_t state;		   /* enum frame_state */
	uint8_t order;		   /* of the free or allocated block this frame heads */
	uint32_t next, prev;	   /* list links: free list, or the owner's page list; 0 = end */
	uint32_t type_count;	   /* typed references (PV page types later) */
	uint16_t type;
	uint8_t flags; /* FRAME_* below */
	uint8_t node;  /* NUMA node */
};
_Static_assert(sizeof(struct frame) == 24, "one frame entry is 24 bytes");

#define FRAME_F_DIRTY 0x01     /* free but not yet scrubbed */
#define FRAME_F_ALLOCATED 0x02 /* holds the owner's own reference */
#define FRAME_F_LISTED 0x08    /* on its owner's page list */
#define FRAME_F_CHARGED 0x10   /* counted in its owner's tot_pages */
#define FRAME_F_XEN \
	0x04 /* owned by a domain but shared with Hospes (shared info, grant frames): guest may not free it */

/* alloc_frames flags */
#define ALLOC_ZERO 0x1u /* contents zeroed (also implied for pages given to a domain) */
#define ALLOC_BELOW_4G 0x2u
#define ALLOC_NO_CHARGE \
	0x4u /* owned but neither counted against max_pages nor on the page list (grant frames, shared
				info): whoever allocated it gives it back */

#define ALLOC_ON_DEMAND 0x8u /* from what mm_promise_on_demand() keeps for the domain */

/* From node @n if it has any, and with EXACT from no other. */
#define ALLOC_NODE(n) (((n) + 1u) << 8)
#define ALLOC_ASKED_NODE(flags) (((flags) >> 8 & 0xffu) - 1u) /* UINT32_MAX: none */
#define ALLOC_EXACT_NODE 0x10u

#define MAX_ORDER ORDER_1G

struct frame *mfn_to_frame(mfn_t m);
mfn_t frame_to_mfn(const struct frame *f);
/* Is @m within the frame table and real RAM? */
bool mfn_is_ram(mfn_t m);

/*
 * Allocate 2^@order contiguous, naturally aligned frames for @owner (NULL: Hospes). Each frame of the block is its own
 * page afterwards (refs 1), for domains. NULL when there is no memory, the domain is dying, or the block would exceed its max_pages.
 */
struct frame *alloc_frames(struct domain *owner, unsigned order, unsigned flags) must_check;
/* The same for the block that begins at @m, a multiple of its size; NULL also when a part of it is not free. */
struct frame *alloc_frames_at(struct domain *owner, mfn_t m, unsigned order, unsigned flags) must_check;
/* Is that block free as a whole, at this moment? */
bool mm_block_free(mfn_t m, unsigned order);
/* Free a block of Hospes (owner NULL). Domain pages go by frame_put(). */
void free_frames(struct frame *f, unsigned order);

/* One zeroed page of Hospes by its virtual address, or NULL. */
void *alloc_page(void) must_check;
void free_page(void *va);

/* Take a reference if @f is a live page of @owner; false otherwise. Lock free. */
bool frame_get(struct frame *f, const struct domain *owner) must_check;
/* The same for a live page of whatever domain; false for free pages and for Hospes' own. */
bool frame_get_any(struct frame *f) must_check;
/*
 * Drop a reference; the last one frees the page. A domain that owns pages is kept by one domain reference, which goes with
 * its last page: domain_put() must therefore be callable under any lock of rank below RANK_FRAMES.
 */
void frame_put(struct frame *f);
/* Drop the owner's own reference once (balloon-out, destroy). false if it was already dropped. */
bool frame_release_allocation(struct frame *f);
/*
 * The same for what alloc_frames(@d, @order) gave and nothing leads to yet. If @d, to which the caller has a reference, died meanwhile it has lost it already,
 * and the frames may be somebody else's.
 */
void frames_return(struct domain *d, struct frame *f, unsigned order);
/*
 * Drop the owner's reference of up to @max pages of @d, for preemptible teardown; how many, 0: none is left. Pages of ALLOC_NO_CHARGE
 * are not among them. Takes RANK_FRAMES inside.
 */
unsigned domain_release_frames(struct domain *d, unsigned max);
/* A page of @d whose own reference is not yet dropped, or NULL; for tests of the allocator. */
struct frame *domain_first_frame(struct domain *d);

/* Scrub a little of the free memory (256 KiB at most). For idle CPUs, no lock held. false: nothing is dirty, or another CPU scrubs. */
bool mm_scrub_slice(void);
/*
 * Scrub a part (256 KiB at most) of what alloc_frames() would take for @d, so that it has no more to do than that. For those who can stop in between. false: nothing of it
 * is dirty, it is no larger than a part, or there is no such memory for @d. No lock held.
 */
bool mm_scrub_ahead(struct domain *d, unsigned order, unsigned flags);
/* How many such parts a block has, each of which may have to be scrubbed; 0 if it is one. */
uint64_t mm_scrub_parts(unsigned order);
/* Between these two no CPU scrubs while idle, so that free blocks stay whole. */
void mm_scrub_stop(void);
void mm_scrub_go(void);

uint64_t mm_total_frames(void);		     /* RAM frames Hospes manages */
uint64_t mm_free_frames(void);		     /* free and not promised by a claim */
uint64_t mm_node_free_frames(unsigned node); /* of one node, promised or not */
uint64_t mm_claimed_frames(void);	     /* promised to all domains together */
/* Promise @nr frames to @d from the free pool. -ENOMEM if RAM does not hold all promises. 0 cancels. */
int mm_claim(struct domain *d, uint64_t nr) must_check;
/* Keep @nr frames in all for pages @d touches for the first time (hv/mm/pod.c). -ENOMEM also beyond max_pages. 0 gives all back. */
int mm_promise_on_demand(struct domain *d, uint64_t nr) must_check;
/* Keep no more than there are entries to be touched. */
void mm_trim_on_demand(struct domain *d);

/* From now on tell of it when memory runs low (hv/mm/low_memory.c); boot, when the first domains have theirs. */
void low_memory_watch(void);
/* Of the allocator: so many frames are free and not promised. Under its lock. */
void low_memory_look(uint64_t free);

/* Forget everything: a new machine boots. Needed only where one process runs several (the host). */
void mm_boot_begin(void);
/*
 * Hand the allocator a range of usable RAM not used by anything. Also after mm_boot_finish(), for memory that boot has
 * finished with (modules); frames without an entry in the frame table are then left out: see mm_boot_ram().
 */
void mm_boot_add(paddr_t start, paddr_t end);
/* Boot: the range is RAM, though in use now: its frames get entries, so it can be added later. Before mm_boot_finish(). */
void mm_boot_ram(paddr_t start, paddr_t end);
/* Boot: as mm_boot_add(), but nobody gets any of it before mm_boot_release(), so that it can stay in one piece until then. */
void mm_boot_hold(paddr_t start, paddr_t end);
uint64_t mm_boot_held(void); /* bytes */
void mm_boot_release(void);
/* Boot: allocate contiguous memory before the allocator is up, below 4 GiB if possible; contents undefined. Panics without memory. */
paddr_t mm_boot_alloc(uint64_t bytes, uint64_t align);
/* Build the frame table for RAM below @max_mfn and open the allocator; the direct map must reach all RAM. */
void mm_boot_finish(mfn_t max_mfn);
/* The frame number just above the highest RAM, as given to mm_boot_finish(). */
mfn_t mm_max_mfn(void);

/* Small objects of Hospes, 16-byte aligned, zeroed. NULL without memory. What they are, a literal, is for the account of heap_account(). */
void *heap_alloc(size_t size, const char *what) must_check;
void *heap_alloc_array(size_t size, size_t n, const char *what) must_check; /* NULL on overflow too */
void xfree(void *p);
#define xzalloc(type) ((type *)heap_alloc(sizeof(type), #type))
#define xzalloc_array(type, n) ((type *)heap_alloc_array(sizeof(type), (n), #type "[]"))
#define xzalloc_bytes(size) heap_alloc((size), "bytes")
size_t heap_rounded(size_t size);   /* what an object of @size takes */
size_t heap_size_of(const void *p); /* what @p takes */
uint64_t heap_bytes_used(void);
uint64_t heap_slab_pages(void);
/* Calls @fn for each kind of object there is, in the same order each time: leaks have a name. */
void heap_account(void (*fn)(const char *what, uint64_t objects, uint64_t bytes));

#endif
