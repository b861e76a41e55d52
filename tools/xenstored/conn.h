/*
 * One connection: a socket client, the kernel of the domain we run in, or a guest's ring.
 *
 * I/O (socket.c, ring.c) cuts the input into messages and calls request_handle() for each complete one; request.c answers with
 * conn_reply() and conn_event(), which queue and never block. Nothing here walks all connections.
 */
#ifndef XENSTORED_CONN_H
#define XENSTORED_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/wire.h" /* struct xsd_sockmsg, types, error names */

struct author;
struct change;
struct domain;
struct transaction;
struct watch;

enum conn_kind { CONN_SOCKET, CONN_KERNEL, CONN_GUEST };

struct conn {
	uint32_t id; /* unique while it lives, also in journal and update stream */
	enum conn_kind kind;
	struct domain *domain; /* of the client; sockets: the domain the daemon serves as (0) */
	/* request.c, transaction.c, watch.c */
	struct transaction *transactions; /* list */
	uint32_t next_tx;
	unsigned nr_transactions;
	struct watch *watches; /* list, the newest first */
	unsigned nr_watches;
	bool again;	/* the request just served was not: it takes a while, and is to come again */
	uint8_t passes; /* times that it was not */
	uint64_t fired; /* the last change it was told of, or not told, as a watcher */
	/* conflict.c. The I/O half zeroes all of these at birth and serves no message of @c before conn_stalled() is 0. */
	uint64_t stalled_until; /* ms of store_clock() */
	uint64_t credit_at;	/* when credit was last counted */
	unsigned conflicts;	/* commits that failed since the last that went through */
	int credit_used;
	uint64_t failing_since; /* ms; while conflicts is not 0 */
	struct author *author;
	/* socket.c, ring.c, queue.c: private */
	struct conn_io *io;
	unsigned outstanding; /* requests, replies and events not yet taken by the client */
};

/*
 * How many ms input of @c must wait because its changes keep aborting transactions of others; 0: serve it. The I/O half asks before each
 * message and sets a timer. conflict.c
 */
uint64_t conn_stalled(const struct conn *c);

/* The request being served, or the output being made, costs as much as @units ordinary requests. conn.c */
void conn_work(unsigned units);

/* Is the client privileged (domain 0's sockets, its kernel, and the store's own domain)? domain.c */
bool conn_privileged(const struct conn *c);

/* Queue a reply to request @req. A body over 4096 bytes becomes E2BIG. Out of memory closes the connection. queue.c */
void conn_reply(struct conn *c, uint32_t type, uint32_t req, uint32_t tx, const void *data, size_t len);
/* Reply with error name of @err (an errno value; unknown ones as EINVAL). */
void conn_error(struct conn *c, uint32_t req, uint32_t tx, int err);
/*
 * Queue a watch event. Dropped if path and token exceed the payload, if the same event is still queued (except names
 * that begin with '@'), or if the client's quota of unread events says so (then it stalls, bounded: see quota.h).
 */
void conn_event(struct conn *c, const char *path, const char *token);
/* Would an event be queued at all? Not if so much is unread that it would be dropped. */
bool conn_takes_events(const struct conn *c);
/* The events of @ch for all watches that @c has now, made when there is room for them in its ring. Equal changes still queued absorb it. */
void conn_owe(struct conn *c, struct change *ch);
/* Close it for good: watches, transactions, queues go; a guest's ring is marked with @ring_error (XENSTORE_ERROR_*). Safe inside request_handle(). */
void conn_close(struct conn *c, uint32_t ring_error);

#endif
