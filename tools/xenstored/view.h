/*
 * A view: a root and the effects collected on it. A plain request is a view of the live tree that is emitted at once;
 * a transaction has a view on its own snapshot; its commit replays on a scratch view and emits that.
 *
 * Effects are: one watch event per changed node, counts and sets of owned nodes, records of the journal. All memory an
 * effect can need is allocated when it is noted, so view_emit() cannot fail.
 */
#ifndef XENSTORED_VIEW_H
#define XENSTORED_VIEW_H

#include "conn.h"
#include "tree.h"

struct effect;
struct emission;
struct removal;

struct view {
	struct node *root; /* one reference */
	const struct conn *c;
	bool collect;		 /* effects are wanted; a transaction's own view does not collect */
	bool live;		 /* of the live tree, and emitted right after one operation */
	struct removal *removal; /* of a large subtree, what is left to do of it; live views only */
	/* What the unprivileged client has gained in this view beyond its domain's live use. Never asserted on: may be < 0. */
	int64_t nodes, bytes;
	/* Effects in the order they happen, one per path. */
	struct effect *first, **last;
	struct effect **table; /* by path once there are many */
	unsigned nr, nr_buckets;
};

/* Begin on @root, taking over one reference to it. */
void view_init(struct view *v, struct node *root, const struct conn *c, bool collect);
/* Drop root and effects: nothing happened. */
void view_drop(struct view *v);
/* Forget effects, keep the root. */
void view_clear(struct view *v);

/*
 * The operations on nodes: permissions, quotas, then the change and its effects. @path is absolute and valid. Each
 * returns 0 or an errno value, and then nothing has changed.
 */
int view_read(struct view *v, const char *path, struct node **n); /* ENOENT or EACCES as far as the client may know */
int view_write(struct view *v, const char *path, const void *value, size_t len);
int view_mkdir(struct view *v, const char *path);
int view_rm(struct view *v, const char *path);
int view_set_perms(struct view *v, const char *path, const struct perm *p, unsigned nr);

/* Do its effects reach @path: the node, its list of children, or what is above it? */
bool view_touches(const struct view *v, const char *path);

/* Drop what was made for a request that has not come again. */
void view_forget_making(void);

/* Bytes the owner of a node is charged for it. */
uint32_t view_charge(const struct node *n, size_t path_len);

/* Remove @path with its subtree, whoever owns it. ENOENT (or it is "/"), ENOMEM. */
int view_remove(struct view *v, const char *path);

/* A node as it was recorded, settled at once. ENOMEM. Its parent is there. */
int view_restore(struct view *v, const char *path, const void *value, size_t len, struct perms *ps);

/*
 * Only the owners' counts and sets, for state that is restored: nobody is told, nothing is recorded. The view has no
 * effects afterwards.
 */
void view_settle(struct view *v);
/* Make the effects happen: owners, journal, events, in this order; @root is now the live one. The view is empty then. */
void view_emit(struct view *v);

/*
 * The same in pieces. The journal comes before the view is installed, in groups that count only once all are there (journal.h); the rest is a
 * chore.
 */
struct view_walk {
	struct effect *at;
	unsigned pass;
};
void view_each_changed(const struct view *v, void (*fn)(const char *path)); /* parents before children */
bool view_journal(struct view *v, struct view_walk *w);			    /* a few more; true: that was all */
struct emission *emission_new(void);					    /* NULL: no memory */
void emission_free(struct emission *m);
void emission_begin(struct emission *m, struct view *v); /* takes over what the view has */

#endif
