/* One request to its answer: the table of operations. */
#ifndef XENSTORED_REQUEST_H
#define XENSTORED_REQUEST_H

#include "conn.h"

/* Serve one message; @body has @h->len <= 4096 bytes. Replies and events are queued, the journal holds all it changed when this returns. */
void request_handle(struct conn *c, const struct xsd_sockmsg *h, const char *body);
/* @c is going away or its ring was reset: drop its transactions and watches. */
void request_drop_state(struct conn *c);

#endif
