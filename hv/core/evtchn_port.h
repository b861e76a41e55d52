/*
 * What the files of event channels share: a port, and the two ABIs that carry its pending and mask bits.
 *
 * Every change of a port's state happens under its domain's lock (both domains' for interdomain ports)
 * and its own lock. So a sender needs its own port's lock alone: the peer cannot go away while it is held.
 */
#ifndef HV_CORE_EVTCHN_PORT_H
#define HV_CORE_EVTCHN_PORT_H

#include "hv/domain.h"
#include "hv/evtchn.h"
#include "hv/lock.h"

#define PORTS_PER_BUCKET 128u
#define BUCKETS_PER_GROUP 32u
#define PORTS_PER_GROUP (PORTS_PER_BUCKET * BUCKETS_PER_GROUP)
#define NR_PORT_GROUPS 32u /* 131072 ports: all a FIFO link can name */

enum port_state {
	PORT_FREE,
	PORT_RESERVED, /* port 0 */
	PORT_UNBOUND,  /* open to domain u.unbound */
	PORT_INTERDOMAIN,
	PORT_VIRQ,
	PORT_IPI,
	PORT_HV, /* the other end is Hospes; u.hv.remote keeps whom it was open to */
};

struct port {
	spinlock_t lock; /* RANK_EVTCHN_PORT: all below */
	uint8_t state;	 /* enum port_state */
	uint8_t virq;	 /* PORT_VIRQ */
	uint16_t vcpu;	 /* who is notified */
	evtchn_port_t number;
	union {
		domid_t unbound;
		struct {
			struct domain *dom; /* alive as long as the link: its destroy closes its ports */
			struct port *port;
		} peer;
		struct {
			void (*notify)(struct domain *d, evtchn_port_t port);
			domid_t remote;
		} hv;
	} u;
};
_Static_assert(sizeof(struct port) == 32, "a bucket of ports is one page");

/* How pending and mask bits are kept with the guest. All calls under the port's lock. */
struct evtchn_abi {
	/* Ports the guest can see in its present width. */
	unsigned (*nr_ports)(const struct domain *d);
	void (*set_pending)(struct domain *d, struct port *p);
	void (*clear_pending)(struct domain *d, struct port *p);
	void (*unmask)(struct domain *d, struct port *p);
	bool (*is_pending)(struct domain *d, evtchn_port_t port);
	int (*set_priority)(struct domain *d, struct port *p, unsigned priority); /* NULL: -ENOSYS */
};

extern const struct evtchn_abi evtchn_2l;

struct evtchn_domain {
	spinlock_t lock;       /* RANK_EVTCHN: port states, the table of ports, vcpu->virq_port */
	unsigned max_port;     /* largest port number this domain may open */
	unsigned nr_ports;     /* ports in buckets; grows only. Read without the lock */
	unsigned first_free;   /* no free port is below this one */
	unsigned next_destroy; /* progress of evtchn_destroy() */
	unsigned next_reset;   /* progress of EVTCHNOP_reset */
	const struct evtchn_abi *abi;
	struct port **group[NR_PORT_GROUPS];
};

/* The upcall flag of @v goes up; tell the vCPU if it was down. */
void evtchn_mark_upcall(struct vcpu *v);
/* Wake vCPUs of @d that poll @port. */
void evtchn_wake_pollers(struct domain *d, evtchn_port_t port);

#endif
