/* A run of the daemon against the model: who is connected, what each has under way, and what may come of it. */
#ifndef STORE_RUN_H
#define STORE_RUN_H

#include "model.h"
#include "world.h"

#define SOCKETS 8
#define LINKS (SOCKETS + MAX_DOMAINS - 1)
#define MAX_TX 4
#define MAX_LOG 12
#define MAX_WATCHES 24
#define NODE_LIMIT 40

struct logged {
	struct op op;
	struct answer answer;
};

struct tx {
	uint32_t id;	    /* 0: free */
	bool old;	    /* lived through a death of the daemon or of a domain: may fail for no other reason */
	bool doubt;	    /* an answer did not hold for a while */
	unsigned long born; /* t.changes when it began */
	unsigned nr;
	/* What it may see: as the tree was at its beginning, or at one of its requests, each with what it did since. */
	unsigned nr_views;
	struct view {
		struct mtree tree;
		int owned; /* nodes of its domain in the live tree then */
	} views[MAX_LOG + 1];
	struct logged log[MAX_LOG];
};

struct watch {
	bool set, relative;
	char path[96]; /* absolute */
	char token[32];
};

struct client {
	struct link link;
	bool open;
	struct tx tx[MAX_TX];
	struct watch watches[MAX_WATCHES];
};

extern struct run {
	struct model m;
	struct client c[LINKS];
	uint64_t random;
	unsigned long done, kills, commits, conflicts, spurious, reserved, events, deaths, refusals;
	unsigned long changes;
	unsigned token;
} t;

/* requests.c: by chance, but the same for the same seed. Below @n; true in so many of a hundred. */
unsigned pick(unsigned n);
bool chance(unsigned percent);
void random_path(struct op *op);
void random_op(struct op *op, unsigned domid);
uint32_t wire_type(enum op_type type);
/* The body of the request; its length. */
size_t op_body(const struct op *op, char *out);
/* A daemon's answer as the model gives it: names sorted. */
void to_answer(const struct op *op, uint32_t type, const char *body, size_t len, struct answer *a);
void show(const char *what, const struct op *op, const struct answer *a);
/* Die if the daemon's answer is not that of the model. */
void check_answer(const struct op *op, const struct mtree *tree, const struct answer *want, const struct answer *got);

/* events.c. Take the event (@path absolute, @w) from the client's list; waits for it. */
bool take_event(struct client *c, const struct watch *w, const char *path);
void no_more_events(const char *when);
/* @path changed between the two trees (@removed: with its subtree): each watch that must fire, has. */
void expect_events(const struct mtree *before, const struct mtree *after, const char *path, bool removed);
/* After a commit: every node that differs has been told; more events for nodes it touched are fine. */
void expect_commit_events(const struct mtree *before, const struct mtree *after, const struct tx *x);

/* transactions.c. One step of one of the client's. */
void transactions(struct client *c);
void tx_clear(struct tx *x);

#endif
