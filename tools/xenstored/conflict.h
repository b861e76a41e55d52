/*
 * Progress of transactions. The generation of the node on which a commit failed tells who changed it. An unprivileged client that
 * keeps making others fail runs out of credit and its input waits. Whoever makes somebody fail who has failed several times in a
 * row waits as long as that one's tries take, and longer with each failure. And the node on which it fails is reserved for the one that
 * has been failing for longest: meanwhile commits of others that touch it are the ones to fail.
 */
#ifndef XENSTORED_CONFLICT_H
#define XENSTORED_CONFLICT_H

#include "conn.h"

struct view;

/* The client whose request is being served: changes from here on are its own. NULL: the daemon's. */
void conflict_author(struct conn *c);
struct conn *conflict_maker(void);
/* A change of generation @g was made by the author. */
void conflict_note(uint64_t g);
/*
 * A transaction of @victim that took @ms failed because of the change with generation @g at @path. A change is charged once.
 * Who has failed several times may get @path reserved for a try or two.
 */
void conflict_charge(struct conn *victim, uint64_t g, uint64_t ms, const char *path);
/* Would the commit @v of @c touch what is reserved for somebody else? */
bool conflict_reserved(const struct conn *c, const struct view *v);
/* It was committed. */
void conflict_success(struct conn *victim);
/* @c vanishes. */
void conflict_forget(struct conn *c);
void conflict_exit(void);

#endif
