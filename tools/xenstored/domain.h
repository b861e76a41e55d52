/* Domains known to the store: by id, never by a walk. */
#ifndef XENSTORED_DOMAIN_H
#define XENSTORED_DOMAIN_H

#include "conn.h"
#include "quota.h"

struct domain {
	uint32_t id;
	uint64_t unique;    /* generation of the id in the life of this store: tells a reborn id */
	bool introduced;    /* has a connection */
	bool shutdown_seen; /* @releaseDomain was sent for its shutdown; RESUME clears */
	bool dead;	    /* gone from the hypervisor */
	uint32_t target;    /* this domain may act as that one (SET_TARGET), ~0u none */
	struct conn *conn;  /* its ring, NULL without */
	uint32_t port;	    /* event channel given by INTRODUCE */
	uint64_t gfn;
	struct quota quota;  /* limits and use: quota.h */
	struct owned *owned; /* set of paths it owns, unprivileged domains only: owned.h */
	uint32_t features;   /* XENSTORE_SERVER_FEATURE_* its ring is told; fixed once introduced */
	/* domain.c: how the hypervisor tells one life from the next, and where it is on the list of known domains. */
	uint64_t hyper_unique;
	uint8_t handle[16];
	unsigned round;
	struct domain *next, **prev;
};

/* What a ring is told unless SET_FEATURE said otherwise, and what it may be told at all. */
#define DOMAIN_FEATURES \
	(XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR | WIRE_FEATURE_WATCH_DEPTH | \
	 WIRE_FEATURE_ANY_DOMAIN)

/* NULL if never heard of. O(1). */
struct domain *domain_find(uint32_t id);
/* Known to the hypervisor (asked through hyper.h), created here on demand; NULL: no such domain. */
struct domain *domain_get(uint32_t id);
bool domain_privileged(const struct domain *d);

/* Operations of request.c; each returns 0 or an errno value. */
int domain_introduce(uint32_t id, uint64_t gfn, uint32_t port); /* again: re-bind, reset ring, watches, transactions */
int domain_release(uint32_t id);
int domain_resume(uint32_t id);
int domain_set_target(uint32_t id, uint32_t target);
bool domain_is_introduced(uint32_t id);

/* All known domains, by next; an order without meaning. */
struct domain *domain_first(void);

/*
 * At the start and with each VIRQ_DOM_EXC: ask which domains ended or went; calls store_domain_gone() for the latter, then fires
 * @releaseDomain. Domains the hypervisor launched by itself wait for a store, their rings in the reconnecting state, and may come to
 * do so later: introduces each, with the nodes a guest expects to find.
 */
void domain_check_all(void);

/* The domain we run in, and the hypervisor's events. 0 or an errno value. */
int domain_init(void);
/* The ring of the kernel above us, unless it was taken over already, and VIRQ_DOM_EXC. 0 or an errno value. */
int domain_start(void);
/*
 * The event channel's descriptor goes to another daemon, which binds VIRQ_DOM_EXC itself: it can be bound but once. True: give it up;
 * false: that did not come to pass, take it again.
 */
void domain_hand_over(bool yes);
/* Free what died during this turn. */
void domain_reap(void);

/* Restart and update: a domain as it was recorded; NULL: out of memory, or a bad id. */
struct domain *domain_restore(uint32_t id, uint64_t unique);
/* A permission was made for a domain of that life: no later domain may get it again, even if nothing else is left of it. */
void domain_unique_used(uint64_t unique);
/* A later record says that it went, or that its ring was reset. */
void domain_unrestore(uint32_t id);
void domain_restore_reset(struct domain *d);
/*
 * Map the ring of a restored domain that was introduced, without touching what is in it. @local_port: still bound over an
 * update, ~0u: to be bound to d->port. @conn_id 0: a new one. 0 or an errno value: it cannot be reached.
 */
int domain_attach(struct domain *d, uint32_t local_port, uint32_t conn_id);

#endif
