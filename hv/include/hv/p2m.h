/*
 * The guest-physical map of one domain: gfn -> (mfn, type). Generic half (hv/mm/p2m.c) over an architecture's
 * table format (NPT: hv/arch/x86/npt.c; the host's fake one: hv/arch/host).
 *
 * Rules: readers take no lock (they see a PTE before or after a change, and frame_get() decides whether the page is
 * still there). Writers hold p2m->lock. A change that narrows or replaces a present translation is followed by one ranged flush before the
 * lock is dropped and before the old page can be freed.
 */
#ifndef HV_P2M_H
#define HV_P2M_H

#include "hv/cpumask.h"
#include "hv/list.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/types.h"

struct domain;
struct vcpu;

enum p2m_type {
	P2M_INVALID = 0, /* nothing there: reads all ones, writes dropped */
	P2M_RAM_RW,
	P2M_RAM_LOGDIRTY, /* RAM_RW whose first write is still to be logged: only in tables, lookups say RAM_RW */
	P2M_RAM_RO,
	P2M_MMIO_DM,	 /* trapped, emulated */
	P2M_MMIO_DIRECT, /* device memory, uncached */
	P2M_GRANT_MAP_RW,
	P2M_GRANT_MAP_RO,
	P2M_FOREIGN, /* another domain's page, reference held */
	P2M_RAM_BROKEN,
	P2M_IOREQ_SERVER,
	P2M_POD, /* RAM once somebody touches it */
	P2M_NR_TYPES,
};

/*
 * Someone who must follow a map: an IOMMU context, a device model's view. Called with p2m->lock held, after the entries were written:
 * when p2m_end() returns, every listener has made its own stale translations unusable.
 */
struct p2m_listener {
	struct list list; /* in p2m->listeners */
	/* [@g, @g + 2^@order) now maps @m as @type (P2M_INVALID: nothing). A listener that cannot follow must refuse that range. */
	void (*changed)(struct p2m_listener *l, gfn_t g, mfn_t m, unsigned order, enum p2m_type type);
	/* The batch ends. @narrowed: some translation was removed, replaced or lost a right. */
	void (*flush)(struct p2m_listener *l, bool narrowed);
	uint64_t tables; /* pages that its own tables take; it writes this in flush() */
};

/*
 * Pages of the guest-physical space, a bit each, in a tree that grows where bits are set: leaves of 32768 bits, 512 under a
 * node, 512 nodes under a top.
 */
#define DIRTY_TOPS 8u
struct dirty_tree {
	void *top[DIRTY_TOPS];
	uint64_t count; /* bits set */
	bool all;	/* there was no memory for a leaf: everything counts as set */
};

struct log_dirty_stats {
	uint32_t faults, dirty; /* since the last clean; saturating */
};

struct log_dirty {
	spinlock_t lock; /* RANK_LOG_DIRTY: guards the trees and counters */
	bool on;	 /* written under p2m->lock as well; readers that see it too late or too early are harmless */
	bool ever;	 /* was on once: entries may be write-protected still */
	struct dirty_tree live;	     /* written since the last clean */
	struct dirty_tree taken;     /* what a clean is handing out */
	uint64_t pages;		     /* of both trees, capped */
	uint32_t faults;	     /* marks since the last clean */
	struct log_dirty_stats told; /* when it was taken */
};

struct p2m {
	spinlock_t lock;    /* RANK_P2M: guards the table and the counters below */
	mfn_t root;	    /* top table */
	uint64_t epoch;	    /* atomic; bumped by each flush, a vCPU entering with an older one drops its TLB entries */
	cpumask_t running;  /* CPUs now inside a vCPU of this domain (atomic ops) */
	uint64_t nr_tables; /* table pages, charged to the domain */
	gfn_t max_gfn;	    /* highest gfn ever set */
	uint64_t
		retired; /* atomic; bumped before a table page is freed: lock-free walks that saw an older value start over */
	struct list listeners; /* struct p2m_listener */
	struct log_dirty log;
	struct domain *domain;
};

int p2m_init(struct domain *d) must_check;
/* Drop all translations and their references, a slice at a time: -ERESTART until done, then 0. */
int p2m_teardown(struct domain *d) must_check;

/* Translation of @g, INVALID_MFN if none. @type and @order may be NULL. Lock free. */
mfn_t p2m_lookup(struct domain *d, gfn_t g, enum p2m_type *type, unsigned *order);

/*
 * The page behind @g with a reference held, or NULL: @write demands a writable type, and marks the frame dirty when logging. Works for RAM, and for
 * foreign and grant-mapped pages (whose reference is on the real owner). Drop with frame_put().
 */
struct frame *p2m_get_frame(struct domain *d, gfn_t g, bool write) must_check;

/*
 * Set 2^@order gfns from @g to frames from @m with @type. The previous translations are replaced; references held by
 * replaced FOREIGN/GRANT entries are NOT dropped here (callers of those types own them).
 * -ENOMEM for want of a table page (nothing changed). Takes the lock, flushes.
 */
int p2m_set(struct domain *d, gfn_t g, mfn_t m, unsigned order, enum p2m_type type) must_check;
/* Remove if @g still maps @m (order 0); -EINVAL otherwise. */
int p2m_remove(struct domain *d, gfn_t g, mfn_t m) must_check;

/*
 * Several changes under one hold of the lock and one flush. p2m_begin() takes the lock, p2m_end() flushes if anything narrowed,
 * drops the lock and frees tables that fell out of use. Pages unmapped in between may be released only after p2m_end().
 */
struct p2m_batch {
	struct p2m *p2m;
	bool flush;
	bool changed, narrowed; /* what listeners shall hear */
	uint32_t tables;	/* chain of table pages to free, by frame number */
};
struct p2m_batch p2m_begin(struct domain *d);
void p2m_end(struct p2m_batch *b);
int p2m_set_locked(struct p2m_batch *b, gfn_t g, mfn_t m, unsigned order, enum p2m_type type) must_check;
int p2m_remove_locked(struct p2m_batch *b, gfn_t g, mfn_t m) must_check;
/* Is nothing mapped in [@g, @g + @nr)? Inside a batch. */
bool p2m_range_empty(struct domain *d, gfn_t g, uint64_t nr);

/*
 * Logging of dirty pages (hv/mm/log_dirty.c). Switching it and cleaning walk nothing: the top table's entries lose the right to write, and that
 * sinks down the tree by the write faults that follow. A page is logged when its guest first writes it, when Hospes writes it, and when
 * something is mapped or unmapped there.
 */
/* -EINVAL: on already, the domain is dying, or somebody follows the map whose writes nobody sees (a device). */
int p2m_log_dirty_enable(struct domain *d) must_check;
/* Off, then free the bitmap: -ERESTART until done. Harmless when it is off. */
int p2m_log_dirty_disable(struct domain *d) must_check;
bool p2m_log_dirty_enabled(const struct domain *d);

/* Take @len (at most a page) bytes of the bitmap from byte @at on. 0 or an error that ends the operation. */
typedef int log_dirty_out(void *ctx, uint64_t at, const void *bytes, size_t len);
/*
 * The bitmap of the first @pages gfns goes through @out (NULL: nowhere). *@pos is 0 at first; -ERESTART: call again with it as it was left. peek leaves
 * everything as it is; clean forgets the pages it told and arms write protection again, as of its first call. @stats (may be NULL) are
 * those before. -EINVAL when logging is off, else what @out says; what was not handed out is then still logged.
 */
int p2m_log_dirty_peek(struct domain *d, uint64_t *pos, uint64_t pages, log_dirty_out *out, void *ctx,
		       struct log_dirty_stats *stats) must_check;
int p2m_log_dirty_clean(struct domain *d, uint64_t *pos, uint64_t pages, log_dirty_out *out, void *ctx,
			struct log_dirty_stats *stats) must_check;

/* log_dirty.c: set the bits of [@g, @g + @nr). Locks below RANK_LOG_DIRTY may be held. */
void log_dirty_set(struct domain *d, gfn_t g, uint64_t nr);
/* p2m_protect.c: write-protect everything at once. The lock is held; the caller flushes before letting go of it. */
void p2m_write_protect(struct p2m *p);
/*
 * Hospes wrote, or will write, to @g. p2m_get_frame(write) calls it; whoever writes later calls it once more after
 * frame_put(), whose locked instruction orders the write before the look.
 */
void p2m_mark_dirty(struct domain *d, gfn_t g);
/* The guest's write to @g was refused. true: the map allows it (now), try again. */
bool p2m_write_fault(struct domain *d, gfn_t g) must_check;

/* May a guest, or Hospes on its behalf, write / read what is mapped as @type? */
static inline bool p2m_type_writable(enum p2m_type t)
{
	return t == P2M_RAM_RW || t == P2M_RAM_LOGDIRTY || t == P2M_GRANT_MAP_RW || t == P2M_FOREIGN;
}

static inline bool p2m_type_readable(enum p2m_type t)
{
	return p2m_type_writable(t) || t == P2M_RAM_RO || t == P2M_GRANT_MAP_RO || t == P2M_IOREQ_SERVER;
}

/* A page that belongs to the domain itself. */
static inline bool p2m_type_own_ram(enum p2m_type t)
{
	return t == P2M_RAM_RW || t == P2M_RAM_LOGDIRTY || t == P2M_RAM_RO || t == P2M_IOREQ_SERVER;
}

/*
 * Allocate 2^@order frames for @d (ALLOC_* flags) and map them as RAM at @g, which must be a multiple of that. What was mapped
 * there must be nothing: -EEXIST. -EINVAL, -ENOMEM (also beyond max_pages); nothing changed then.
 */
int p2m_populate(struct domain *d, gfn_t g, unsigned order, unsigned alloc_flags) must_check;
/* Balloon out: unmap the domain's own page at @g, flush, drop its allocation. -EINVAL if it is not plain RAM of its own. */
int p2m_depopulate(struct domain *d, gfn_t g) must_check;

/*
 * Populate on demand (hv/mm/pod.c): RAM that costs nothing until it is touched, for a guest that is started with less memory than it may have one day
 * and gives pages back before it needs more.
 */
/* Make [@g, @g + 2^@order), holes so far, such RAM. -EINVAL, -EBUSY something is there, -ENOMEM for tables. */
int p2m_mark_pod(struct domain *d, gfn_t g, unsigned order) must_check;
/*
 * Somebody uses @g. 0: there is RAM now, or something else than such a page. -ENOMEM: what the domain may have is used up, and no page of zeroes
 * can be taken back; or a table lacks memory. -EAGAIN: the search for pages of zeroes took long, and goes on with the next touch.
 */
int p2m_populate_pod(struct domain *d, gfn_t g) must_check;
/* The same for the touch of a vCPU of @d, which tries again after -EAGAIN: it searches longer, but not while anything waits for this processor. */
int p2m_touch_pod(struct domain *d, gfn_t g) must_check;
/*
 * What becomes of a domain whose vCPU touched memory it may not have (-ENOMEM above): it crashes, or with pod=pause on the command line it is held as if a toolstack had
 * paused it, and the control domains are told.
 */
void p2m_pod_exhausted(struct vcpu *v);
/* The domain shall have @pages in all, what it has not touched included. -ENOMEM. */
int p2m_pod_target(struct domain *d, uint64_t pages) must_check;
/* Pages were taken from the map: no more is kept than can still be touched. */
void p2m_pod_trim(struct domain *d);

/* Follow the map from now on; called for everything it maps already, in order. The domain is paused or not yet started. */
void p2m_listen(struct domain *d, struct p2m_listener *l);
void p2m_unlisten(struct domain *d, struct p2m_listener *l);
/* Pages of tables: the map's own and those of who follows. Takes the lock. */
uint64_t p2m_table_pages(struct domain *d);
/* Does anybody follow? No lock. */
bool p2m_is_followed(const struct domain *d);

/* Architecture: TLB. After a change: bump epoch, make every CPU in p2m->running leave the guest. */
void p2m_flush(struct p2m *p);

/* Copy between Hospes and guest-physical memory, page by page. -EFAULT at the first gfn that is not (writable) RAM. */
int copy_from_gpa(struct domain *d, void *dst, uint64_t gpa, size_t len) must_check;
int copy_to_gpa(struct domain *d, uint64_t gpa, const void *src, size_t len) must_check;

#endif
