/* What becomes of a domain that ends, and what was under way when an earlier daemon died. */
#ifndef HOSPESD_LIFE_H
#define HOSPESD_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/config.h"

struct dom;
struct xen_domctl_getdomaininfo;

/* The hypervisor knows @d; called for each domain whenever one came, shut down or went. */
void life_seen(struct dom *d, const struct xen_domctl_getdomaininfo *info);
/* It knows @d no longer, or another domain has its id. */
void life_vanished(struct dom *d);
/*
 * Finish or undo what an earlier daemon left; @done when all that is known and going on. To be called again if the store went away before that.
 */
void life_recover(void (*done)(void));

/* What is done with a domain that shut down for @reason (SHUTDOWN_*); destroy without a configuration. */
enum domain_action life_action(const struct domain_config *c, unsigned reason);
const char *life_reason_name(unsigned reason);
const char *life_action_name(enum domain_action a);

#endif
