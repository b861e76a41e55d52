/*
 * Progress of transactions. The generation of the node on which a commit failed tells who changed it. An unprivileged client that
 * keeps making others fail runs out of credit and its input waits; a privileged one waits a little, and only when somebody has
 * failed several times in a row. While the culprit waits, its victim's next try is alone.
 */
#ifndef XENSTORED_CONFLICT_H
#define XENSTORED_CONFLICT_H

#include "conn.h"

/* The client whose request is being served: changes from here on are its own. NULL: the daemon's. */
void conflict_author(struct conn *c);
/* A change of generation @g was made by the author. */
void conflict_note(uint64_t g);
/* Transaction of @victim failed because of the change with generation @g. */
void conflict_charge(struct conn *victim, uint64_t g);
/* It was committed. */
void conflict_success(struct conn *victim);
/* @c vanishes. */
void conflict_forget(struct conn *c);
void conflict_exit(void);

#endif
