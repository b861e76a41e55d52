/* Placing and removing single pages of a domain's guest-physical map. hv/core/memory.c and reservation.c. */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include "hv/domain.h"

/*
 * Make gfn @g a hole: an ordinary page goes back to Hospes, a page Hospes shares with the guest (shared info, grant frame) only leaves the map.
 * -ENOENT: nothing there. -EINVAL: a mapping that is not the domain's own memory.
 */
int physmap_release(struct domain *d, gfn_t g) must_check;

/* XENMEM_add_to_physmap of one page: @space XENMAPSPACE_{shared_info,grant_table,gmfn}. -EINVAL, -ENOMEM. */
int physmap_add(struct domain *d, unsigned space, uint64_t idx, gfn_t g) must_check;

/* A page that Hospes shares with @d leaves the map, wherever it is. */
void memory_unplace(struct domain *d, const struct frame *f);
/* Where such a page is mapped; INVALID_GFN: nowhere. */
gfn_t memory_place_of(struct domain *d, const struct frame *f);

#endif
