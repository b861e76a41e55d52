/*
 * The log of a guest's transaction replayed in pieces, so that nobody privileged has to wait for all of it: to commit it, or to bring its view
 * up to date. One at a time, for guests are served one after the other; what privileged clients change meanwhile is taken over into the
 * scratch view. If that concerns what was replayed already, it begins again.
 */
#ifndef XENSTORED_COMMIT_H
#define XENSTORED_COMMIT_H

#include "transaction.h"

enum commit_kind { COMMIT, REFRESH };

/* False: it takes a while; ask again when commit_waits() says no. True: commit_take() has the result, if there is one. */
bool commit_ready(struct transaction *t, enum commit_kind kind);
/*
 * What came out for @t: 0, EAGAIN (an answer differs, or what it needs changes all the time), or ENOMEM; and the view, with its effects if it
 * is to be committed, and *m to emit them and *part, the number of their groups in the journal. False: do it all now.
 */
bool commit_take(struct transaction *t, enum commit_kind kind, int *err, struct view *v, struct emission **m,
		 uint64_t *part);
/* Is there something to be done? One piece of it. */
bool commit_waits(void);
void commit_step(void);

/* The live tree is about to be changed by the effects of @v; it was changed otherwise. */
void commit_note(const struct view *v);
void commit_touched(void);
/* @t is no more. */
void commit_forget(const struct transaction *t);

#endif
