/*
 * Permissions of a node: a list whose first entry names the owner and what everybody not listed may do; the first later
 * entry that matches decides. Lists are interned: equal lists are one object, so a node holds a pointer and a
 * hundred thousand nodes of a dozen lists cost a dozen lists.
 *
 * Domain ids are reused. An entry carries the life (domain.h: unique) of the domain it was made for and matches no other,
 * so what was granted to a dead domain is never inherited by the next one with its number.
 */
#ifndef XENSTORED_PERMS_H
#define XENSTORED_PERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/wire.h" /* WIRE_PERM_READ, WIRE_PERM_WRITE, WIRE_DOMID_ANY */

struct conn;
struct domain;

struct perm {
	uint32_t id;
	uint8_t access;	 /* WIRE_PERM_* */
	bool ignore;	 /* the domain did not exist when the entry was made: shown, never matches */
	uint64_t unique; /* the life of domain @id it is meant for; 0 for privileged domains and WIRE_DOMID_ANY */
};

struct perms {
	uint32_t refs;
	uint32_t hash;
	struct perms *next; /* in its bucket */
	unsigned nr;	    /* >= 1 */
	struct perm p[];
};

/* At most this many entries fit a message. */
#define PERMS_MAX 1024

/* The interned list equal to @p, with a reference for the caller; NULL: out of memory. */
struct perms *perms_intern(const struct perm *p, unsigned nr);
struct perms *perms_get(struct perms *ps);
void perms_put(struct perms *ps);
/* Lists alive and their bytes, for the memory report. */
void perms_stats(unsigned *nr, size_t *bytes);

/* What @c may do with a node of these permissions: WIRE_PERM_* bits. Owner and privileged clients may do both. */
unsigned perms_access(const struct perms *ps, const struct conn *c);
/* Does @c own it (itself, through its target, or by privilege)? */
bool perms_owned_by(const struct perms *ps, const struct conn *c);
/* The owner if it is an unprivileged domain that counts the node against its quota, else NULL. */
struct domain *perms_owner(const struct perms *ps);

/*
 * The list of a node that @c creates below a parent with list @parent: entries of dead domains left out, an unprivileged
 * creator becomes the owner. NULL: out of memory.
 */
struct perms *perms_inherit(const struct perms *parent, const struct conn *c);
/*
 * Read @nr strings "b12" into @out, resolving each id to the domain alive now. EINVAL: malformed, or no entry;
 * ENOENT: the owner does not exist.
 */
int perms_parse(const char *const *strings, unsigned nr, struct perm *out);
/* NUL-terminated strings of all entries but those of domains that died, to @buf of 4096 bytes; E2BIG if they do not fit. */
int perms_format(const struct perms *ps, char *buf, size_t *len);

#endif
