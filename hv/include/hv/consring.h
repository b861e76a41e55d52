/* Hospes as back end of the PV console ring of a domain, until a console daemon takes over. hv/launch/consring.c. */
#ifndef HV_CONSRING_H
#define HV_CONSRING_H

#include "hv/domain.h"

#define CONSRING_INPUT 1024u  /* bytes typed that the guest has no room for yet */
#define CONSRING_OUTPUT 2048u /* bytes of output in the ring */

struct consring {
	spinlock_t lock;     /* RANK_HVM: guards everything below and Hospes' indices in the ring */
	struct frame *frame; /* the ring's page, reference held; NULL: closed */
	evtchn_port_t port;
	char input[CONSRING_INPUT];
	unsigned in_head, in_len; /* queue in input[] */
	uint32_t last_words;	  /* bytes that are still printed at most when it is closed */
	struct timer rest;	  /* output that was put off */
};

/*
 * Serve the ring in the page @g of @d through its event channel @port (unbound, towards anybody). The storage @c, with its lock
 * initialised, lives as long as @d. -EINVAL: no such page or port. Before @d runs.
 */
int consring_open(struct domain *d, struct consring *c, gfn_t g, evtchn_port_t port) must_check;
/*
 * Print what is in the ring and stop serving: let go of page, port and input. Nothing if Hospes does not serve @d. -ERESTART: others want this CPU, come again.
 * Any context but interrupts, no lock held.
 */
int consring_close(struct domain *d) must_check;

#endif
