/*
 * The children of a node: sorted by name, in chunks of at most 64 pointers. Both chunks and the list of them are shared
 * between versions of a tree, and copied before they are changed where they are. Private to tree.c and dir.c.
 *
 * Beside each pointer is a key: four bytes of the name after what all names of the chunk begin with. So a search reads
 * a few words in a row and then one node, where comparing names would fetch a node from memory at each step.
 */
#ifndef XENSTORED_DIR_H
#define XENSTORED_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tree.h"

#define CHUNK_MAX 64

/* Never empty. After n[cap] come the keys, uint32_t each. */
struct chunk {
	uint32_t refs;
	uint16_t nr, cap;
	uint16_t skip;	    /* bytes all names here begin with, in common: may be less than they have */
	uint32_t names_len; /* with their NULs */
	struct node *n[];   /* a reference each */
};

/*
 * Never empty. After chunks[cap] come keys too: key i > 0 is not above that of the first name of chunk i nor below any of
 * chunk i - 1. It need not be the first name's: that may have gone.
 */
struct dir {
	uint32_t refs;
	uint32_t nr;	    /* children */
	uint32_t names_len; /* of their names with NULs */
	uint32_t nr_chunks, cap;
	uint16_t skip;
	struct chunk *chunks[]; /* a reference each */
};

/* A directory with one child, whose reference is taken over. NULL: out of memory. */
struct dir *dir_of_one(struct node *child);
/*
 * Drop a reference; of a directory that nobody has any more one chunk goes, and its nodes that nobody has to the list @doomed (tree.c).
 * False: some are left, call again.
 */
bool dir_put_part(struct dir *d, struct node **doomed);
/* Make the object in *slot ours alone; what it refers to is shared with the original then. NULL: out of memory. */
struct dir *dir_own(struct dir **slot);
struct chunk *chunk_own(struct chunk **slot);

/* The place of @s, or where it would have to go; true if it is there. */
bool dir_find(const struct dir *d, const char *s, size_t len, unsigned *chunk, unsigned *pos);
/* @child becomes a child of @n, which is ours alone; its reference is taken over on success. ENOMEM. */
int dir_insert(struct node *n, struct node *child);
/* Take a child out of @n, whose directory and chunk @at are ours alone. Its reference is the caller's. Cannot fail. */
struct node *dir_take(struct node *n, unsigned at, unsigned pos);

/* tree.c: memory that is counted, and the end of a node. */
void *tree_alloc(size_t size);
void *tree_realloc(void *p, size_t old, size_t size); /* the old object stays as it is if there is no memory */
void tree_free(void *p, size_t size);
void node_doom(struct node **doomed, struct node *n);

#endif
