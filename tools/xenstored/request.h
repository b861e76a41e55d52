/* One request to its answer: the table of operations. */
#ifndef XENSTORED_REQUEST_H
#define XENSTORED_REQUEST_H

#include "conn.h"

struct view;

/*
 * Serve one message; @body has @h->len <= 4096 bytes. Replies and events are queued, the journal holds all it changed when
 * this returns: changing requests are one journal group, from journal_begin(c) to journal_commit(), with their reply and events inside.
 * Reads make no group. @c may be closed by it (conn_close()) but must stay allocated until it returns.
 */
void request_handle(struct conn *c, const struct xsd_sockmsg *h, const char *body);
/* @c is going away or its ring was reset: drop its transactions and watches. Twice is harmless; safe inside its own request. */
void request_drop_state(struct conn *c);
/* True: that would take long. A chore does most of it; call again when no chore waits. */
bool request_drop_in_parts(const struct conn *c);

/* One request on a tree, as operations see it. */
struct request {
	struct conn *c;
	uint32_t type;
	uint32_t tx;
	const char *body;
	size_t len;
	struct view *v;
	/* The answer of an operation that returns 0; @out may point into the tree or to @buf. */
	const char *out;
	size_t out_len;
	size_t out_skip;  /* bytes at its front that are not compared at a commit: a generation */
	const char *path; /* set once the path is known, for finding who changed it */
	char *buf;	  /* 4096 bytes */
};
/* Run a request of one of the types that work on a tree, in r->v. 0 or an errno value; ENOSYS: another type. */
int request_run(struct request *r);

#endif
