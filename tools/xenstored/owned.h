/*
 * Of the paths one unprivileged domain owns those whose parents it does not, so that its death costs what it owns and not a walk of the tree.
 * Privileged domains have none: they do not die.
 */
#ifndef XENSTORED_OWNED_H
#define XENSTORED_OWNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct owned_entry {
	struct owned_entry *next;
	uint32_t hash;
	uint32_t len;
	char path[];
};

struct owned {
	struct owned_entry **buckets;
	unsigned nr_buckets, nr;
};

/* An entry for later: whoever notes an effect allocates, so that inserting cannot fail. NULL: out of memory. */
struct owned_entry *owned_entry_new(const char *path);
struct owned *owned_new(void); /* NULL: out of memory */
void owned_free(struct owned *o);
/* Takes the entry over. A path that is in the set already stays once. */
void owned_insert(struct owned *o, struct owned_entry *e);
void owned_remove(struct owned *o, const char *path);
bool owned_has(const struct owned *o, const char *path);
/* All entries, taken out of the set, sorted so that a node comes before what is below it. */
struct owned_entry *owned_take_all(struct owned *o);

#endif
