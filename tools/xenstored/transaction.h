/*
 * Transactions. Each has a view on a snapshot, taken at its first request, and a log of its requests with a hash of each
 * answer. The commit replays the log on the live tree as it is then: if every answer is the same, refusals included, the
 * result is installed; else EAGAIN. So only changed answers abort: siblings created in one directory, disjoint
 * and blind writes commute.
 *
 * Whoever's change made an answer differ is charged, and held back for a moment if it goes on (conflict.h), so a client
 * that retries for ever gets through.
 */
#ifndef XENSTORED_TRANSACTION_H
#define XENSTORED_TRANSACTION_H

#include "request.h"
#include "view.h"

struct transaction;

int transaction_start(struct conn *c, uint32_t *id); /* ENOSPC: quota; ENOMEM */
/* May it be committed now? False: that is being prepared; ask again. */
bool transaction_ready(struct transaction *t);
/* EAGAIN: an answer would differ; ENOMEM: a request in it failed for lack of memory or quota. It is closed in every case. */
uint32_t transaction_any(const struct conn *c);		       /* one it has open; 0: none */
int transaction_end(struct conn *c, uint32_t id, bool commit); /* ENOENT: no such */
struct transaction *transaction_find(struct conn *c, uint32_t id);
/* Serve one request inside it: @r's answer is set as by an operation outside. EINPROGRESS: that is being prepared; the same request again. */
int transaction_serve(struct transaction *t, struct request *r);
void transaction_drop_all(struct conn *c);

/* Called whenever the live tree has changed: give up snapshots that have grown old. */
void transactions_trim(void);

/*
 * After a restart or an update: open transaction @id. @doomed: no more than its id is known; its requests are answered
 * from the live tree and its end is EAGAIN. EINVAL: id 0; ENOMEM.
 */
int transaction_restore(struct conn *c, uint32_t id, bool doomed);

/*
 * transaction_move.c: out of this daemon and into the next, as store.h has it. Nodes are those in which its snapshot, with what it did
 * itself, differs from the live tree: first what is absent from it, then the others, parents before children.
 */
struct store_node;
struct store_tx;
struct store_tx_request;
void transaction_each(const struct conn *c, void (*fn)(void *arg, const struct store_tx *tx), void *arg);
void transaction_each_request(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_tx_request *r),
			      void *arg);
int transaction_each_node(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_node *n),
			  void *arg); /* ENOMEM */
/* EINVAL: there is none, or it has a state already; ENOENT: no parent; ENOMEM. */
int transaction_restore_state(struct conn *c, const struct store_tx *tx);
int transaction_restore_request(struct conn *c, uint32_t id, const struct store_tx_request *r);
int transaction_restore_node(struct conn *c, uint32_t id, const struct store_node *n,
			     struct perms *ps); /* NULL: absent */

#endif
