/* Grant tables, version 1 (2 later). hv/core/grant.c. */
#ifndef HV_GRANT_H
#define HV_GRANT_H

#include "hv/domain.h"
#include "hv/types.h"

int grant_init(struct domain *d, unsigned max_frames, unsigned max_maptrack_frames) must_check;
/* Undo this domain's own maps of others, a slice at a time: -ERESTART until done. */
int grant_release_mappings(struct domain *d) must_check;
void grant_free(struct domain *d);

/* Hypercall 20. */
long do_grant_table_op(struct vcpu *v, const uint64_t *args);

/* Frame @idx of @d's shared table, growing it up to its limit; for XENMAPSPACE_grant_table. */
int grant_table_frame(struct domain *d, unsigned idx, mfn_t *out) must_check;
/* The same with a reference on the frame, for who maps it elsewhere. */
int grant_table_frame_get(struct domain *d, unsigned idx, struct frame **out) must_check;
/* How many grants of others @d has mapped, for those who look for leaks. */
unsigned grant_mappings(struct domain *d);
/* Frames @d's shared table may have. */
unsigned grant_max_frames(const struct domain *d);
/* Fill entry @ref of @d: access for @to on @g. Used by launch for references 0, 1 and static grants. */
int grant_seed(struct domain *d, grant_ref_t ref, domid_t to, gfn_t g, bool readonly) must_check;

#endif
