/*
 * The journal: a shared mapping of a file that survives the daemon, so that after kill -9 the next one has every
 * acknowledged write. Records are written before a reply can leave; a record is valid only with its sequence number and checksum, so a
 * half-written tail is ignored. When dead records outweigh live ones the journal is rewritten in slices.
 *
 * One request's effects are one group: journal_begin() .. journal_commit(); recovery sees all of it or nothing. With a ring, the group also
 * carries how far input was consumed and the bytes of the reply, so a request is neither lost nor done twice.
 */
#ifndef XENSTORED_JOURNAL_H
#define XENSTORED_JOURNAL_H

#include "conn.h"

struct perm; /* perms.h: struct perm { uint32_t id; uint8_t access; bool ignore; } */

void journal_begin(struct conn *c);
void journal_commit(void);
/* Effects on the tree, already applied. */
void journal_node(const char *path, const void *value, size_t len, const struct perm *perms, unsigned nr_perms);
void journal_rm(const char *path); /* with its subtree */
/*
 * A large group in several: each part begins with journal_part(), and counts only once journal_parts() of the same number is in another group.
 * Parts do not survive that the journal is rewritten: journal_life() is another then.
 */
void journal_part(uint64_t number);
void journal_parts(uint64_t number);
uint64_t journal_life(void);
/* What is in the group that is open is not to be written. */
void journal_abandon(void);
/* Effects on a connection that survives (kernel, guests). Sockets are not recorded. */
void journal_watch(const struct conn *c, const char *path, const char *token, int depth, bool add);
void journal_transaction(const struct conn *c, uint32_t id, bool open);
void journal_domain(const struct domain *d); /* its whole state */
void journal_quota(const char *name, uint32_t domid_or_all, uint32_t value, bool soft);

#endif
