/* The live tree, its version, and the clock: shared by the parts of the store proper. */
#ifndef XENSTORED_LIVE_H
#define XENSTORED_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "tree.h"

/* The live root, not to be kept across requests without tree_get(). */
struct node *live_root(void);
/* The place of the live root, for a view that changes it in place. */
struct node **live_root_place(void);
/* Make @root the live one; one reference is taken over, the old root's is dropped. */
void live_install(struct node *root);
/* Changes whenever an answer may: with the tree, a domain, permissions of a special name, a quota. */
uint64_t live_version(void);
void live_touch(void);
/* Free everything (tests, end of the daemon). */
void store_exit(void);

/* Milliseconds of a monotonic clock; tests replace it. */
extern uint64_t (*store_clock)(void);

#endif
