/* What the files of memory_op share. */
#ifndef HV_CORE_MEMORY_OP_H
#define HV_CORE_MEMORY_OP_H

#include "hv/domain.h"
#include "hv/mm.h"
#include "hv/p2m.h"

#define MEMOP_CMD_MASK 0x3fu
#define MEMOP_EXTENT_SHIFT 6
/* Progress of a command, from its first argument. */
static inline uint64_t memory_op_start(const uint64_t *args)
{
	return (args[0] & UINT32_MAX) >> MEMOP_EXTENT_SHIFT;
}

/* Highest gfn an entry may name: the guest-physical width the CPUID policy promises is checked below it. */
#define MAX_GFN ((1UL << (48 - PAGE_SHIFT)) - 1)

/* The slice is over: come back with @extent as the progress of @op. */
long memory_op_again(struct vcpu *v, uint32_t op, uint64_t extent);

/* reservation.c: XENMEM_{increase,decrease}_reservation and populate_physmap. */
long memory_reservation(struct vcpu *v, uint32_t op, const uint64_t *args);
/*
 * Prepare to take what is at @g out of the map: only the domain's own memory may go. *@gone is the page to give back after
 * the flush, with a reference, or NULL for one that Hospes keeps (shared info, grant frames) or that was never touched. -ENOENT: nothing there. -EINVAL: a mapping
 * of another kind. Lock of the map held, so the page cannot change its place before the caller acts on it.
 */
int occupant(struct domain *d, gfn_t g, mfn_t *m, struct frame **gone) must_check;
/* Give back a page that left the map, after the flush; @keep: it did not leave after all. NULL is ignored. */
void give_back(struct frame *gone, bool keep);
/*
 * A domain whose devices see machine addresses, its memory being mapped one to one, keeps what it balloons out: nobody else may get a frame such a device
 * may still write, and nothing but that frame can ever take its place again.
 */
bool stays_reserved(const struct domain *d, const struct frame *f, gfn_t g);

/*
 * Map @f, another domain's page with a reference that is the mapping's from now on, at @g of @d in place of nothing or of RAM, which is given
 * back. -EINVAL when something else is there, -ENOMEM; the reference stays the caller's then.
 */
int physmap_insert_foreign(struct domain *d, gfn_t g, struct frame *f) must_check;
/* Map page @fgfn of @owner's own RAM at @g of @d. -EINVAL, -ENOMEM. */
int physmap_add_foreign(struct domain *d, struct domain *owner, gfn_t fgfn, gfn_t g) must_check;

/* Operations of control domains: memory_control.c. @start is the progress of the command. */
long memory_set_map(struct vcpu *v, uint64_t arg);
long memory_claim(struct vcpu *v, uint64_t start, uint64_t arg);
long memory_pod_target(struct vcpu *v, uint32_t op, uint64_t arg);
long memory_exchange(struct vcpu *v, uint64_t arg);
long memory_vnuma(struct vcpu *v, uint64_t arg);
long memory_reserved_map(struct vcpu *v, uint64_t arg);
long memory_acquire_resource(struct vcpu *v, uint64_t start, uint64_t arg);

#endif
