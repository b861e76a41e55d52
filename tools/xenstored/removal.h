/*
 * The removal of a large subtree from the live tree. It is gone at once, by one change in its parent, and so for all who ask; what it leaves
 * to be done, to its nodes' owners and to guests that watch them, is a chore.
 */
#ifndef XENSTORED_REMOVAL_H
#define XENSTORED_REMOVAL_H

#include "tree.h"

struct removal;

/* Is it so large that it is worth the trouble? */
bool removal_large(const struct node *n);
/* All memory that it will need; NULL: there is none. */
struct removal *removal_new(const char *path);
/* That is what was taken out of the tree; the reference is taken over. */
void removal_of(struct removal *r, struct node *taken);
/* It did not come to pass. */
void removal_drop(struct removal *r);
/* Its effects but those of its root: privileged clients are told now, the rest is a chore. */
void removal_begin(struct removal *r);
/* Only what concerns owners, now. */
void removal_settle(struct removal *r);

#endif
