/* A transaction inside: its snapshot and its log. Private to transaction.c and transaction_move.c. */
#ifndef XENSTORED_TRANSACTION_LOG_H
#define XENSTORED_TRANSACTION_LOG_H

#include "transaction.h"

/* One request as it came, and what it got. */
struct record {
	struct record *next;
	uint64_t answer; /* a hash of it */
	uint32_t type;
	uint32_t len;
	char body[];
};

struct transaction {
	struct transaction *next; /* of the connection */
	struct conn *c;
	uint32_t id;
	bool has_view;
	bool doomed; /* an answer has changed for good, or the log is not known: its end is EAGAIN */
	bool failed; /* no memory or quota for one of its requests: its end is ENOMEM */
	bool writes;
	uint8_t refreshes;
	struct view view;
	uint64_t began;			    /* ms */
	uint64_t base;			    /* version of the live tree its view began with */
	struct transaction *newer, **older; /* all with a view, by age */
	struct record *first, **last;
	unsigned nr;
	int64_t charged; /* bytes of log and own pages */
	int64_t pages;	 /* of that, pages of the view */
};

/* Begin a view on @root, taking over one reference to it, that has seen the live tree as it was @age changes ago. */
void transaction_view_begin(struct transaction *t, struct node *root, uint64_t age);
void transaction_view_end(struct transaction *t);
/* One request again, in @v: 0, EAGAIN if its answer differs now (whose fault that is has been noted), ENOMEM. *path: what it was about, or NULL. */
int transaction_replay(struct transaction *t, const struct record *rec, struct view *v, const char **path);
/* Pages of its own in the view; what it shares is nobody's. */
void transaction_charge_pages(struct transaction *t, int64_t bytes);
/* One more request in the log. ENOMEM. */
int transaction_record(struct transaction *t, uint32_t type, const void *body, size_t len, uint64_t answer);

#endif
