/*
 * Where watches are: a tree of path components, at each a group of watches per connection that has some there. Private to
 * watch.c and watch_place.c.
 */
#ifndef XENSTORED_WATCH_PLACE_H
#define XENSTORED_WATCH_PLACE_H

#include "watch.h"

/* One component of a watched path; exists while a group, a child or permissions need it. */
struct watch_node {
	struct watch_node *parent; /* NULL: a first component, or a special name */
	struct watch_node *child, *sibling, **prev_sibling;
	struct watch_node *next;	    /* in its bucket */
	struct watch_group *groups, **last; /* of privileged clients first, */
	struct watch_group *guests;	    /* then of others: the first of those */
	struct perms *perms;		    /* of a special name; NULL: the default */
	uint64_t hash;

	uint32_t children;
	uint32_t privileged; /* groups of privileged clients here and below */
	uint32_t name_len;
	char name[];
};

/* All watches of one connection at one node: what concerns a change and a connection is asked once for all of them. */
struct watch_group {
	struct watch_group *next_at_node, **prev_at_node;
	struct watch_group *next; /* in its bucket */
	struct watch_node *node;
	struct conn *c;
	struct watch *watches, **last; /* in the order they were set */
	uint64_t hash;
	unsigned nr, nr_plain; /* without those removed while events are being sent; those that have no depth */
	int max_depth;	       /* the largest of the others, -1 */
};

struct watch_node *component_find(const struct watch_node *parent, const char *name, size_t len);
/* The next component of a path from *at on, which is moved past it and its '/'. */
const char *component_next(const char **at, size_t *len);
/* Drop @n and those above it as far as nothing needs them. */
void component_drop(struct watch_node *n);

/*
 * The node of an absolute path ("/" has the empty component) or of a special name ("@releaseDomain/7" has two), made on
 * demand (NULL: out of memory). Special names cannot be mistaken for a path: those all hang below the empty component.
 */
struct watch_node *place_make(const char *path);
struct watch_node *place_find(const char *path);

struct watch_group *group_find(const struct watch_node *n, const struct conn *c);
/* Found or made; NULL: out of memory. */
struct watch_group *group_make(struct watch_node *n, struct conn *c);
/* It has no watch any more. */
void group_drop(struct watch_group *g);

/* Any node with permissions after @n (NULL: the first); NULL: there is none. Places must not change between two calls. */
struct watch_node *place_with_perms(const struct watch_node *n);
size_t place_bytes(void);

/*
 * watch.c, for watch_fire.c: between the two watches that are removed stay where they are, for what is called meanwhile may close
 * connections.
 */
void watch_fire_begin(void);
void watch_fire_end(void);
bool watch_any(void);
/* As watch_fire(), of "<special name>/<id>". */
void watch_fire_special_change(const char *path, const struct watch_perms *ps);

#endif
