/*
 * A client of the store for programs with an event loop: requests are queued and answered by callback, any number may be
 * under way. Nothing here blocks except store_async_open() while it connects.
 */
#ifndef STORE_ASYNC_H
#define STORE_ASYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/wire.h"

struct store_async;

/* The answer to a request. @err 0 with the body (a NUL follows it), or an errno value; EIO also when the connection ended. */
typedef void store_done(void *arg, int err, const char *body, size_t len);
/* A watch fired. */
typedef void store_fired(void *arg, const char *path, const char *token);

/* Take over a connected descriptor, which is made non-blocking. NULL: no memory. */
struct store_async *store_async_open(int fd, store_fired *fired, void *arg);
/* Callbacks of what is unanswered come with EIO before this returns. Not from inside a callback. */
void store_async_close(struct store_async *a);

int store_async_fd(const struct store_async *a);
/* True while there is something to write: wait for that too. */
bool store_async_wants_write(const struct store_async *a);
/* Read and write what is possible; call when the descriptor is ready. 0, or an errno value after which only close is left. */
int store_async_ready(struct store_async *a);

/* Queue a request. @done may be NULL. 0 or an errno value (E2BIG: over 4096 bytes). May be called from callbacks. */
int store_async_send(struct store_async *a, uint32_t type, uint32_t tx, const struct wire_piece *pieces, unsigned nr,
		     store_done *done, void *arg);
/*
 * Watch the special name @name with events that tell which domain, "@introduceDomain/7"; from a daemon that knows no depth of watches (before
 * 4.22) with the bare name, as the first event always is. @token: at most 31 bytes. 0 or an errno value.
 */
int store_async_watch_domains(struct store_async *a, const char *name, const char *token);
/* The number of requests without an answer yet. */
unsigned store_async_pending(const struct store_async *a);

/*
 * A transaction retried until it commits. @step is called with its id and queues requests by store_async_send(); when all
 * of them have been answered (or @step queued none) it is called again, with @round one higher, until it returns 0 (commit), or an errno value
 * (abort). STORE_MORE says that requests were queued and another round follows. @round 0 begins afresh after a conflict.
 */
#define STORE_MORE (-1)
typedef int store_step(void *arg, uint32_t tx, unsigned round);
int store_async_transact(struct store_async *a, store_step *step, store_done *done, void *arg);

#endif
