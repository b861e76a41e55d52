/* Grant tables of both versions. hv/core/grant*.c. */
#ifndef HV_GRANT_H
#define HV_GRANT_H

#include "hv/domain.h"
#include "hv/types.h"

/* Of the command line: gnttab=max-ver:, gnttab_max_frames, gnttab_max_maptrack_frames. */
unsigned grant_max_version_allowed(void);
unsigned grant_default_frames(void);
unsigned grant_default_maptrack_frames(void);
/* From now on, for domains made later: at least 1. */
void grant_set_default_frames(unsigned n);
void grant_set_default_maptrack_frames(unsigned n);

int grant_init(struct domain *d, const struct grant_limits *l) must_check;
/* Undo this domain's own maps of others, a slice at a time: -ERESTART until done. */
int grant_release_mappings(struct domain *d) must_check;
/* Its tables go, which others may have mapped; part of the above. */
void grant_release_tables(struct domain *d);
void grant_free(struct domain *d);

/* Hypercall 20. */
long do_grant_table_op(struct vcpu *v, const uint64_t *args);

enum grant_frame_kind { GRANT_FRAME_SHARED, GRANT_FRAME_STATUS };
/* Frame @idx of @d's table, or of the status words of version 2, made if need be up to the limit, with a reference. */
int grant_table_frame_get(struct domain *d, enum grant_frame_kind kind, uint64_t idx, struct frame **out) must_check;
/* The same by an index of XENMAPSPACE_grant_table, in which a bit says which of them it is. */
int grant_map_space_frame(struct domain *d, uint64_t idx, struct frame **out) must_check;
/* Hypercall 63 about grants. @arg: its structure in the caller's memory. */
long grant_op_holders(struct vcpu *v, uint64_t arg);
long grant_op_notify(struct vcpu *v, uint64_t arg);
long grant_op_revoke(struct vcpu *v, uint64_t arg);

/* How many grants of others @d has mapped, for those who look for leaks. */
unsigned grant_mappings(struct domain *d);
/* Frames @d may have of a kind. */
unsigned grant_max_frames(const struct domain *d, enum grant_frame_kind kind);
/* Fill entry @ref of @d: access for @to on @g. Used by launch for references 0, 1 and static grants. */
int grant_seed(struct domain *d, grant_ref_t ref, domid_t to, gfn_t g, bool readonly) must_check;

#endif
