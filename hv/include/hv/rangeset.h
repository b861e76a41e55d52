/* Sets of numbers kept as ranges: interrupts, ports and frames of the machine that a domain may be given. hv/core/rangeset.c */
#ifndef HV_RANGESET_H
#define HV_RANGESET_H

#include "hv/types.h"

struct range;

/* Empty when all zero. The caller's lock guards it. */
struct rangeset {
	struct range *first; /* ascending, never adjacent */
	unsigned nr;
};

#define RANGESET_MAX 256u /* ranges: what a toolstack adds one by one stays bounded */

/* Add [@s, @e]. -EINVAL: @s > @e; -ENOMEM, also beyond RANGESET_MAX ranges: nothing changed. */
int rangeset_add(struct rangeset *r, uint64_t s, uint64_t e) must_check;
/* Take [@s, @e] out. The same errors. */
int rangeset_remove(struct rangeset *r, uint64_t s, uint64_t e) must_check;
/* Is all of [@s, @e] in it? */
bool rangeset_contains(const struct rangeset *r, uint64_t s, uint64_t e);
void rangeset_clear(struct rangeset *r);

#endif
