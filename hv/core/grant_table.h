/*
 * What the files of grant tables share.
 *
 * A granting domain's table holds, beside the entries it shares with the guest, one active entry for each of them: who uses
 * it now and how often ("pins"). A mapping domain's table holds one maptrack entry for each mapping it made. An operation
 * takes the granter's lock and the mapper's maptrack lock one after the other, never two grant locks at once.
 *
 * The guest chooses the form of its entries (grant_version.c). Version 1 marks an entry as in use in the entry's own flags, so a check and its mark are
 * one compare-and-exchange. Version 2 has the marks in frames of their own, which the guest only reads: mark, then check. A guest that ends
 * a grant clears the entry and then looks at the mark; one of the two sees the other.
 */
#ifndef HV_CORE_GRANT_TABLE_H
#define HV_CORE_GRANT_TABLE_H

#include "abi/grant_table.h"
#include "hv/domain.h"
#include "hv/lock.h"
#include "hv/mm.h"

#define V1_PER_FRAME (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define V2_PER_FRAME (PAGE_SIZE / sizeof(union grant_entry_v2))
#define STATUS_PER_FRAME (PAGE_SIZE / sizeof(grant_status_t))
#define TABLE_FRAMES_PER_STATUS (STATUS_PER_FRAME / V2_PER_FRAME) /* table frames whose marks are in one status frame */
#define ACTIVE_PER_CHUNK V1_PER_FRAME /* a chunk for each table frame; version 2 uses half */
#define MAPTRACK_PER_FRAME 256u
#define NO_HANDLE (~0u)

enum active_kind {
	ACTIVE_WHOLE,	   /* a page: may be mapped and copied */
	ACTIVE_PART,	   /* bytes of a page: may be copied */
	ACTIVE_TRANSITIVE, /* stands for another domain's grant: may be copied */
};

/* Uses of one entry of the shared table. What the entry meant when the first of them began it means until the last ends. Guarded by the table's lock. */
struct active_entry {
	uint16_t readers, writers; /* pins; both 0 = not in use and nothing else is valid */
	domid_t domid;		   /* the user all pins belong to */
	uint8_t kind;		   /* enum active_kind */
	domid_t notify_domid;	   /* who wants to know of the end of the last use, ... */
	evtchn_port_t notify_port; /* ... and by which port; 0 = nobody */
	stime_t since;		   /* the first pin */
	union {
		struct {
			uint64_t gfn;
			struct frame *frame;	/* each pin holds a reference on it */
			uint16_t start, length; /* the bytes that are granted */
		} page;
		struct {
			domid_t domid;
			grant_ref_t ref;
		} other; /* ACTIVE_TRANSITIVE */
	} of;
};

enum maptrack_state { MAPTRACK_FREE, MAPTRACK_BUSY, MAPTRACK_MAPPED, MAPTRACK_REVOKING };

/* One mapping by this domain of a page of @granter. */
struct maptrack {
	struct domain *granter; /* reference held; NULL: the grant was revoked, and this maps a page of zeroes */
	struct frame *frame;	/* reference held, through the pin */
	gfn_t gfn;		/* where it is mapped, INVALID_GFN for a device's use only */
	grant_ref_t ref;
	uint32_t next; /* handle, while free */
	uint8_t state; /* enum maptrack_state; BUSY belongs to one operation that is under way, REVOKING to one that is waited for */
	bool readonly;
};

struct grant_table {
	spinlock_t lock;      /* RANK_GRANT: version, frames, active entries */
	unsigned version;     /* 1 or 2 */
	unsigned max_version; /* that the domain may choose */
	unsigned max_frames;
	unsigned nr_frames;
	unsigned nr_pinned;	      /* entries in use, the reserved ones not counted */
	struct frame **frame;	      /* [max_frames]: shared table, one reference each besides the allocation's */
	struct active_entry **active; /* [max_frames]: ACTIVE_PER_CHUNK each; kept until the end */
	/*
	 * Frames of status words, allocated when version 2 needs them and kept until the end: one that somebody is about to map must not be freed by
	 * a change of version.
	 */
	struct frame **status; /* [grant_status_frames(max_frames)], one reference each besides the allocation's */
	unsigned nr_status;

	spinlock_t maptrack_lock; /* RANK_MAPTRACK: all below */
	unsigned max_maptrack_frames;
	unsigned nr_maptrack_frames;
	struct maptrack **maptrack; /* [max_maptrack_frames], allocated with the first mapping */
	uint32_t free_handle;	    /* first of the chain, NO_HANDLE = none */
	uint32_t next_release;	    /* progress of grant_release_mappings() */
	struct frame *
		dummy; /* the domain's own page of zeroes, mapped where grants were revoked; one reference besides the allocation's */
};

/* An entry as the guest sees it. */
struct shared_entry {
	struct grant_entry_v1 *v1; /* NULL in version 2 */
	union grant_entry_v2 *v2;  /* NULL in version 1 */
	uint32_t *head;		   /* flags in 15:0, domid in 31:16, in both versions */
	uint16_t *marks;	   /* where GTF_reading and GTF_writing are */
};

/* Status frames that go with @table_frames frames of entries. */
static inline unsigned grant_status_frames(unsigned table_frames)
{
	return (unsigned)((table_frames + TABLE_FRAMES_PER_STATUS - 1) / TABLE_FRAMES_PER_STATUS);
}

static inline unsigned grant_entries_per_frame(const struct grant_table *gt)
{
	return gt->version == 1 ? V1_PER_FRAME : V2_PER_FRAME;
}

static inline bool active_in_use(const struct active_entry *act)
{
	return act->readers || act->writers;
}

/* Table of @d grown to hold frame @idx, and in version 2 the status words of its entries. -EINVAL beyond the limit or dying, -ENOMEM. Lock held. */
int grant_grow(struct domain *d, unsigned idx) must_check;
/* Status frames for @table_frames frames of entries. -ENOMEM. Lock held. */
int grant_grow_status(struct domain *d, unsigned table_frames) must_check;
/* Shared and active entry @ref of @d, false if the table is not that large. Lock held. */
bool grant_entry(struct grant_table *gt, grant_ref_t ref, struct shared_entry *e, struct active_entry **act);
/* The active entry alone: there is one as long as there are pins, even when the shared table is gone. Lock held. */
struct active_entry *grant_active(struct grant_table *gt, grant_ref_t ref);

/*
 * Let @user map what @granter grants with @ref: the page with a reference, and a pin. Both go with grant_unpin().
 * GNTST_okay or why not. Takes the granter's lock.
 */
int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, bool readonly, struct frame **page);
void grant_unpin(struct domain *granter, grant_ref_t ref, bool readonly, struct frame *page);

/* Raise @port of domain @who, which asked for it (grant_account.c). No lock held. */
void grant_tell(domid_t who, evtchn_port_t port);

/* What one side of a copy may touch, while it is held. */
struct grant_window {
	struct frame *page; /* reference held */
	uint32_t start, length;
	struct domain *granter; /* of the page: the one asked, or with a reference whom a transitive grant named */
	grant_ref_t ref;
	bool transitive;
};

/* The same for a copy: parts of pages and other domains' grants count too. grant_unpin_copy() with the same arguments. */
int grant_pin_copy(struct domain *granter, grant_ref_t ref, struct domain *user, bool readonly, struct grant_window *w);
void grant_unpin_copy(struct domain *granter, grant_ref_t ref, bool readonly, struct grant_window *w);

/* A page of @d that Hospes holds a reference on and shares with it; and its end. NULL without memory or when @d is dying. */
struct frame *grant_shared_frame_alloc(struct domain *d);
void grant_shared_frame_free(struct domain *d, struct frame *f);
/* Mapping @handle of @gt, NULL if there never was one. Maptrack lock held. */
struct maptrack *grant_maptrack(struct grant_table *gt, grant_handle_t handle);

/* Batches of the hypercall: do elements of the guest's array @uop, counting in *@done, until @count or time is up. 0 or -EFAULT. */
int grant_map_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done) must_check;
int grant_unmap_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done) must_check;
int grant_copy_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done) must_check;

/* GNTTABOP_set_version and get_version. */
long grant_op_set_version(struct vcpu *v, uint64_t uop);
long grant_op_get_version(struct vcpu *v, uint64_t uop);

#endif
