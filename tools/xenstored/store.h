/*
 * What I/O, persistence and live update ask of the store proper (tree, watches, transactions, quotas), and nothing else.
 * Implemented beside the tree; called from domain.c, journal.c, recover.c, update.c and main.c.
 */
#ifndef XENSTORED_STORE_H
#define XENSTORED_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn.h"
#include "perms.h"

struct domain;

/* The empty store: root and the nodes a fresh daemon makes. Nothing is journalled. 0 or an errno value. */
int store_init(void);
/* Limits for a domain that was just heard of. */
void store_domain_new(struct domain *d);
/* It is gone from the hypervisor: its nodes with their subtrees, its entries in permission lists, its quota; their events. */
void store_domain_gone(struct domain *d);
/* Nobody can learn of it any more: what is kept for events about domain @domid goes, unless there is a new one. */
void store_domain_forgotten(uint32_t domid);
/* A watch on @introduceDomain or @releaseDomain fires; @domid is the domain it is about. */
void store_fire_special(const char *name, uint32_t domid);

/* One node as it is kept. */
struct store_node {
	const char *path;
	const void *value;
	size_t len;
	const struct perm *perms;
	unsigned nr_perms;
};

/* A frozen picture of the committed tree, taken in O(1); parents before children. Pointers hold until the next call. */
struct store_walk;
struct store_walk *store_walk_open(void); /* NULL: no memory */
bool store_walk_next(struct store_walk *w, struct store_node *out);
void store_walk_close(struct store_walk *w);

/* An open transaction as it goes to another daemon: this, its requests and the nodes that it sees otherwise than they are. */
struct store_tx {
	uint32_t id;
	bool doomed, failed;
	bool snapshot; /* it has one: what it sees is the live tree but for those nodes */
	uint8_t refreshes;
	uint64_t age, took;   /* of the snapshot, in changes; of the transaction, in ms */
	int64_t nodes, bytes; /* what its client has gained in it */
};
struct store_tx_request {
	uint32_t type;
	const void *body;
	size_t len;
	uint64_t answer; /* hash_answer() of what it got */
};

/* State out. */
void store_each_watch(const struct conn *c, void (*fn)(void *arg, const char *path, const char *token, int depth),
		      void *arg);
void store_each_transaction(const struct conn *c, void (*fn)(void *arg, const struct store_tx *tx), void *arg);
void store_each_tx_request(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_tx_request *r),
			   void *arg);
/* @n->nr_perms 0: absent. ENOMEM: not all were found. */
int store_each_tx_node(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_node *n), void *arg);
void store_each_quota(void (*fn)(void *arg, const char *name, uint32_t domid_or_all, uint32_t value, bool soft),
		      void *arg);
#define STORE_QUOTA_ALL UINT32_MAX /* @domid_or_all: the global value */

/*
 * State in: no events, no permission or quota checks (use is counted), nothing is journalled. Input was decoded but not
 * judged: a bad path, an unknown parent, too many entries are refused. 0 or an errno value.
 */
int store_restore_node(const struct store_node *n); /* creates or replaces; its parent is there */
int store_restore_chain(
	const struct store_node *n);	/* the parents that are missing have its permissions and no value */
int store_restore_rm(const char *path); /* with its subtree; a missing one is fine */
int store_restore_watch(struct conn *c, const char *path, const char *token, int depth); /* a double is fine */
int store_restore_unwatch(struct conn *c, const char *path, const char *token);
/* @doomed: operations work on a fresh snapshot, its end with T gives EAGAIN. */
int store_restore_transaction(struct conn *c, uint32_t id, bool doomed);
/* The tree is there already, as it is outside of transactions. */
int store_restore_tx(struct conn *c, const struct store_tx *tx);
int store_restore_tx_request(struct conn *c, uint32_t id, const struct store_tx_request *r);
int store_restore_tx_node(struct conn *c, uint32_t id, const struct store_node *n);
int store_restore_tx_end(struct conn *c, uint32_t id);
int store_restore_quota(const char *name, uint32_t domid_or_all, uint32_t value, bool soft);
/* Each watch of @c fires once, with its own path. */
void store_fire_all_watches(struct conn *c);

#endif
