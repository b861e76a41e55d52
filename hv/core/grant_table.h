/*
 * What the files of grant tables share.
 *
 * A granting domain's table holds, beside the entries it shares with the guest, one active entry for each of them: who uses
 * it now and how often ("pins"). A mapping domain's table holds one maptrack entry for each mapping it made. An operation
 * takes the granter's lock and the mapper's maptrack lock one after the other, never two grant locks at once.
 */
#ifndef HV_CORE_GRANT_TABLE_H
#define HV_CORE_GRANT_TABLE_H

#include "abi/grant_table.h"
#include "hv/domain.h"
#include "hv/lock.h"
#include "hv/mm.h"

#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define MAPTRACK_PER_FRAME 256u
#define NO_HANDLE (~0u)

/* Uses of one entry of the shared table. Guarded by the table's lock. */
struct active_entry {
	uint16_t readers, writers; /* pins; both 0 = not in use and nothing else is valid */
	domid_t domid;		   /* the user all pins belong to */
	uint32_t gfn;
	struct frame *frame; /* each pin holds a reference on it */
};

enum maptrack_state { MAPTRACK_FREE, MAPTRACK_BUSY, MAPTRACK_MAPPED };

/* One mapping by this domain of a page of @granter. */
struct maptrack {
	struct domain *granter; /* reference held */
	struct frame *frame;	/* reference held, through the pin */
	gfn_t gfn;		/* where it is mapped, INVALID_GFN for a device's use only */
	grant_ref_t ref;
	uint32_t next; /* handle, while free */
	uint8_t state; /* enum maptrack_state; BUSY belongs to one operation that is under way */
	bool readonly;
};

struct grant_table {
	spinlock_t lock; /* RANK_GRANT: frames, active entries */
	unsigned max_frames;
	unsigned nr_frames;
	struct frame **frame;	      /* [max_frames]: shared table, one reference each besides the allocation's */
	struct active_entry **active; /* [max_frames]: ENTRIES_PER_FRAME each; kept until the end */

	spinlock_t maptrack_lock; /* RANK_MAPTRACK: all below */
	unsigned max_maptrack_frames;
	unsigned nr_maptrack_frames;
	struct maptrack **maptrack; /* [max_maptrack_frames], allocated with the first mapping */
	uint32_t free_handle;	    /* first of the chain, NO_HANDLE = none */
	uint32_t next_release;	    /* progress of grant_release_mappings() */
};

/* Table of @d grown to hold frame @idx. -EINVAL beyond the limit or dying, -ENOMEM. Lock held. */
int grant_grow(struct domain *d, unsigned idx) must_check;
/* Shared and active entry @ref of @d, false if the table is not that large. Lock held. */
bool grant_entry(struct grant_table *gt, grant_ref_t ref, struct grant_entry_v1 **shared, struct active_entry **act);

/*
 * Let @user use what @granter grants with @ref: the page with a reference, and a pin. Both go with grant_unpin().
 * GNTST_okay or why not. Takes the granter's lock.
 */
int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, bool readonly, struct frame **page);
void grant_unpin(struct domain *granter, grant_ref_t ref, bool readonly, struct frame *page);

/* Batches of the hypercall: do elements of the guest's array @uop, counting in *@done, until @count or time is up. 0 or -EFAULT. */
int grant_map_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done) must_check;
int grant_unmap_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done) must_check;
int grant_copy_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done) must_check;

#endif
