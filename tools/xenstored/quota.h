/*
 * Quotas: what one unprivileged domain may hold, hard limits (a refusal) and soft ones (a line in the log), all settable
 * at run time, for all domains or for one. 0 is no limit. Privileged domains have none.
 */
#ifndef XENSTORED_QUOTA_H
#define XENSTORED_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct domain;

enum quota_type {
	QUOTA_NODES, /* owned */
	QUOTA_WATCHES,
	QUOTA_TRANSACTIONS, /* open at once */
	QUOTA_OUTSTANDING,  /* requests, replies and events not taken by the client: input stops (queue.c) */
	QUOTA_MEMORY,	    /* bytes for its nodes, watches, transactions and queues */
	QUOTA_NODE_SIZE,
	QUOTA_NODE_PERMISSIONS,
	QUOTA_PATH_MAX,
	QUOTA_TRANSACTION_NODES, /* requests recorded in one transaction */
	QUOTA_TYPES,
};

/* One domain's use and own limits. Zeroed: nothing used, the common limits hold. */
struct quota {
	int64_t use[QUOTA_TYPES]; /* of the first five; the others limit single objects */
	uint32_t limit[QUOTA_TYPES], soft[QUOTA_TYPES];
	uint16_t own_limit, own_soft; /* bit set: limit[], soft[] hold instead of the common ones */
	uint64_t logged[QUOTA_TYPES]; /* when a refusal was last logged (ms), to keep the log short */
	uint32_t refused[QUOTA_TYPES];
};

/* "nodes", "watches", "outstanding", "memory", "transactions", "transaction-nodes", "node-permissions", "path-max", "node-size". */
const char *quota_name(enum quota_type type);
/* All names with blanks between, as GET_QUOTA answers; returns the length. */
size_t quota_names(char *buf, size_t size);
/* -1: no such name. "soft-memory" and other "soft-" names set *soft. */
int quota_find(const char *name, bool *soft);

/* The limit that holds for @d (0: none), or the common one with NULL. Privileged domains have no limits. */
uint32_t quota_limit(const struct domain *d, enum quota_type type);
uint32_t quota_soft_limit(const struct domain *d, enum quota_type type);
/* For one domain, or the common limit with NULL. */
void quota_set(struct domain *d, enum quota_type type, bool soft, uint32_t value);
/* Was it ever set, for this domain or (NULL) for all? */
bool quota_is_own(const struct domain *d, enum quota_type type, bool soft);

/* Is there room for @more beyond the present use? */
bool quota_fits(const struct domain *d, enum quota_type type, int64_t more);
/* Is there none? Then the refusal is counted and logged, at most one line a second. */
bool quota_exceeded(struct domain *d, enum quota_type type, int64_t more);
/* The same for the limit of a single object of size @value. */
bool quota_too_big(struct domain *d, enum quota_type type, uint64_t value);
/* Change the use; over a soft limit a line is logged. Never refuses. */
void quota_charge(struct domain *d, enum quota_type type, int64_t delta);
/* Text for CONTROL quota: common limits, or one domain's use and limits. Returns the length, as snprintf. */
int quota_format_max(char *buf, size_t size); /* the most any domain has used since quota_reset_max() */
void quota_reset_max(void);
int quota_format(char *buf, size_t size, const struct domain *d, bool soft);

#endif
