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
/* EAGAIN: an answer would differ; ENOMEM: a request in it failed for lack of memory or quota. It is closed in every case. */
int transaction_end(struct conn *c, uint32_t id, bool commit); /* ENOENT: no such */
struct transaction *transaction_find(struct conn *c, uint32_t id);
/* Serve one request inside it: @r's answer is set as by an operation outside. */
int transaction_serve(struct transaction *t, struct request *r);
void transaction_drop_all(struct conn *c);

/* Called whenever the live tree has changed: give up snapshots that have grown old. */
void transactions_trim(void);

/*
 * After a restart or an update: open transaction @id. @doomed: no more than its id is known; its requests are answered
 * from the live tree and its end is EAGAIN. EINVAL: id 0; ENOMEM.
 */
int transaction_restore(struct conn *c, uint32_t id, bool doomed);
void transaction_each(const struct conn *c, void (*fn)(void *arg, uint32_t id), void *arg);

#endif
