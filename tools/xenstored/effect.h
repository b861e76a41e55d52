/* The effects of a view, one by one. Private to view.c and view_emit.c. */
#ifndef XENSTORED_EFFECT_H
#define XENSTORED_EFFECT_H

#include "owned.h"
#include "view.h"

/* What one changed path will have to do to the world. */
struct effect {
	struct effect *next, **prev; /* in order */
	struct effect *same_bucket;
	uint32_t hash;
	uint32_t bytes_before; /* charged to the owner before */
	bool event, exact;     /* watches fire; only those set at this very path */
	bool removed;	       /* at least once: the journal must forget what was below */
	uint32_t made,
		made_bytes; /* nodes made with one operation on the live tree, this is the lowest; what their owner pays */
	uint32_t top_len;	 /* bytes of the path that name the highest of them */
	struct perms *before;	 /* of the node when the view began; NULL: it was not there */
	struct perms *parent;	 /* of its parent then; NULL: not there, or not worth knowing */
	struct node *now;	 /* while emitting; NULL: not there */
	struct node *above;	 /* its parent, if that came just before it */
	struct owned_entry *own; /* in case an unprivileged owner gains it */
	char path[];
};

/* The parent of an existing node; NULL for "/". */
struct node *view_parent(const struct view *v, const char *path);

#endif
