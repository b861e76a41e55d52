/*
 * The tree of nodes: persistent and copied on write. A root is an immutable snapshot as long as anybody else holds a
 * reference to it; what only one root reaches is changed in place. So a snapshot costs one reference, a change costs the
 * path from the root, and two versions share all the rest.
 *
 * A leaf is one allocation of header, name and value. Children are kept sorted by name in chunks of at most 64 pointers,
 * and chunks are shared too: to add a child to a directory of 10,000 copies one chunk and some 200 chunk pointers at
 * worst, and nothing at all if the directory is unshared. No function recurses: depth is the guests' to choose.
 *
 * Each function that changes either does all of it or, on ENOMEM, leaves contents as they were.
 */
#ifndef XENSTORED_TREE_H
#define XENSTORED_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perms.h"

struct dir;

struct node {
	uint32_t refs;
	uint16_t name_len;
	uint16_t value_len;
	uint64_t generation; /* new with each change of value, permissions or list of children; never repeats */
	struct perms *perms; /* one reference */
	struct dir *dir;     /* children, NULL: none */
	char data[];	     /* name, NUL, value */
};

static inline const char *node_name(const struct node *n)
{
	return n->data;
}
static inline const char *node_value(const struct node *n)
{
	return n->data + n->name_len + 1;
}
struct node *node_child(const struct node *n, const char *name); /* NULL: it has none of that name */
/* One after the other; begin with both 0. NULL: that was all. */
const struct node *node_next_child(const struct node *n, unsigned *chunk, unsigned *pos);
/* Number of children; the bytes of their names with a NUL each. */
uint32_t node_nr_children(const struct node *n);
size_t node_names_len(const struct node *n);
/* All names of the children, each with its NUL, to @buf of at least node_names_len() bytes. */
void node_names(const struct node *n, char *buf);
/*
 * Whole names from byte @offset of that list on, as many as fit @room; returns their bytes. @offset inside a name begins
 * with the rest of it. *end: nothing is left after them.
 */
size_t node_names_part(const struct node *n, size_t offset, char *buf, size_t room, bool *end);

/* Are the children in order and counted right? */
bool node_check(const struct node *n);

/* What node-size quotas count: a fixed header, the permissions, the value and the names of the children. */
size_t node_size(const struct node *n);
size_t node_size_of(unsigned nr_perms, size_t value_len, size_t names_len);

/* A new root "/" owned by domain 0 (n0); NULL: out of memory. */
struct node *tree_new(void);
struct node *tree_get(struct node *root);
/* What nobody has any more is freed, much of it as a chore (chores.h). */
void tree_put(struct node *root);

/* Paths are absolute and valid. NULL: no such node. */
struct node *tree_find(struct node *root, const char *path);
/* The nearest existing node at or above @path; *len is how many bytes of @path name it. */
struct node *tree_find_nearest(struct node *root, const char *path, size_t *len);
/* The same with that node's parent in *parent (NULL: it is "/"). */
struct node *tree_find_family(struct node *root, const char *path, size_t *len, struct node **parent);

/*
 * Set the value of @path in *root; permissions stay. Missing nodes down to it are created with empty values and
 * permissions @perms (a reference is taken for each). @known is what tree_find_nearest() said of *root. ENOMEM.
 */
int tree_write(struct node **root, const char *path, size_t known, const void *value, size_t len, struct perms *perms);
/*
 * The same in two steps: the slot of the existing node that the first @len bytes of @path name, with all on the way there copied that was shared;
 * and the change at that of the nearest node, where @rest of the path is missing. NULL: out of memory; else the node that has the value.
 */
struct node **tree_own(struct node **root, const char *path, size_t len);
struct node *tree_write_at(struct node **slot, const char *rest, const void *value, size_t len, struct perms *perms);
/*
 * The missing nodes themselves can be made in steps, from the lowest up, before they have a place. All is dropped when there is no memory.
 */
struct chain {
	struct node *top, *last; /* as far as they are made; the one with the value */
	size_t left;		 /* bytes of the rest of the path that have no nodes yet */
};
void chain_begin(struct chain *ch, const char *rest);
bool chain_add(struct chain *ch, const char *rest, const void *value, size_t len, struct perms *perms, unsigned most);
void chain_drop(struct chain *ch);
/* Their place is in the node at @slot. What tree_write_at() returns; the chain is empty then. */
struct node *tree_hang(struct node **slot, struct chain *ch);
/* New permissions for an existing node. ENOENT, ENOMEM. */
int tree_set_perms(struct node **root, const char *path, struct perms *perms);
/* Remove an existing node other than "/" with its subtree. ENOENT, ENOMEM. */
int tree_remove(struct node **root, const char *path);
/* The same, but the subtree lives on as *taken, a reference of the caller's. */
int tree_detach(struct node **root, const char *path, struct node **taken);

/* Make @n, of another version of the tree, with all below it the node at @path. ENOENT: its parent is not there; ENOMEM. */
int tree_graft(struct node **root, const char *path, struct node *n);

/*
 * A walk over a subtree without recursion, in pre- and post-order: TREE_ENTER comes before a node's children, TREE_LEAVE
 * after them. The tree must not change meanwhile; the caller holds a reference to @top or its root.
 */
enum tree_step { TREE_ENTER, TREE_LEAVE };
struct tree_cursor;
struct tree_cursor *tree_cursor_open(struct node *top, const char *path);     /* @path: of @top; NULL: out of memory */
struct node *tree_cursor_next(struct tree_cursor *cur, enum tree_step *step); /* NULL: the walk is over */
const char *tree_cursor_path(const struct tree_cursor *cur);		      /* of the node just returned */
unsigned tree_cursor_depth(const struct tree_cursor *cur);		      /* of that node below @top */
const struct node *tree_cursor_parent(const struct tree_cursor *cur);	      /* of that node, which is not @top */
bool tree_cursor_more(const struct tree_cursor *cur);			      /* is there more to come? */
void tree_cursor_reopen(struct tree_cursor *cur, struct node *top, const char *path); /* another walk */
void tree_cursor_skip(struct tree_cursor *cur); /* after TREE_ENTER: leave the children out */
void tree_cursor_close(struct tree_cursor *cur);

/* Has it more than @most nodes below it? @most is less than TREE_EXCEEDS_MAX. */
#define TREE_EXCEEDS_MAX 32
bool tree_exceeds(const struct node *top, unsigned most);

/* The generation the next change will get; restored after an update so that none is given twice. */
uint64_t tree_generation(void);
void tree_set_generation(uint64_t next);
/* Bytes allocated for all versions of all trees, for accounting the cost of a snapshot's own pages. */
size_t tree_bytes(void);

#endif
