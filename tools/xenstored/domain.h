/* Domains known to the store: by id, never by a walk. */
#ifndef XENSTORED_DOMAIN_H
#define XENSTORED_DOMAIN_H

#include "conn.h"
#include "quota.h"

struct domain {
	uint32_t id;
	uint64_t unique;     /* generation of the id in the life of this store: tells a reborn id */
	bool introduced;     /* has a connection */
	bool shutdown_seen;  /* @releaseDomain was sent for its shutdown; RESUME clears */
	bool dead;	     /* gone from the hypervisor */
	uint32_t target;     /* this domain may act as that one (SET_TARGET), ~0u none */
	struct conn *conn;   /* its ring, NULL without */
	uint32_t port;	     /* event channel given by INTRODUCE */
	uint64_t gfn;
	struct quota quota;  /* limits and use: quota.h */
	struct owned *owned; /* set of paths it owns, unprivileged domains only: owned.h */
};

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

/* VIRQ_DOM_EXC: ask which domains ended or went; calls store_domain_gone() for the latter, then fires @releaseDomain. */
void domain_check_all(void);

#endif
