/* The live tree, its version, and the clock: shared by the parts of the store proper. */
#ifndef XENSTORED_LIVE_H
#define XENSTORED_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "tree.h"

struct conn;
struct view;

/* The live root, not to be kept across requests without tree_get(). */
struct node *live_root(void);
/* The view plain requests of @c work in, directly on the live tree; emit or clear it before the next request. NULL: the daemon's own. */
struct view *live_view(const struct conn *c);
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
