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
#include "hv/nospec.h"

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
	spinlock_t lock;    /* RANK_EVTCHN_PORT: all below */
	uint8_t state;	    /* enum port_state */
	uint8_t virq;	    /* PORT_VIRQ */
	uint8_t vcpu;	    /* who is notified */
	uint8_t fifo_flags; /* atomic: FIFO_* */
	/* One word. The number never changes, so it is read without a lock; the others are the FIFO ABI's, under the link bit. */
	uint32_t number : 17;
	uint32_t priority : 4;
	uint32_t last_vcpu : 7, last_priority : 4; /* the queue it was last on */
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
_Static_assert(DOMAIN_MAX_VCPUS <= 128, "vcpu and last_vcpu hold any");

#define FIFO_LINKING 0x01u /* somebody links it: a lock of its own, as senders do not hold the port's */
#define FIFO_EARLY 0x02u   /* raised before its event word existed */

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

extern const struct evtchn_abi evtchn_2l, evtchn_fifo;

struct evtchn_fifo;
struct evtchn_init_control;
/* evtchn_fifo.c. A port begins a new life: default priority. */
void evtchn_fifo_port_init(struct port *p);
/* @p is pending, but has no word to say so. */
void evtchn_fifo_set_early(struct port *p);
void evtchn_fifo_raise_early(struct domain *d, struct port *p);
/* Map the control block of a vCPU that exists, with offset checked; makes d->evtchn->fifo if there is none. Domain lock held. -EINVAL, -ENOMEM. */
int evtchn_fifo_control(struct domain *d, const struct evtchn_init_control *op) must_check;
/* Add frame @g as the next page of words, for ports [*@first, *@end). Domain lock held. -EOPNOTSUPP, -ENOSPC, -EINVAL. */
int evtchn_fifo_add_page(struct domain *d, uint64_t g, evtchn_port_t *first, evtchn_port_t *end) must_check;
/* Let go of the guest's pages; nobody uses @s any more. NULL is ignored. */
void evtchn_fifo_release(struct domain *d, struct evtchn_fifo *s);

/* evtchn_switch.c: EVTCHNOP_init_control and expand_array, and the way back. */
int evtchn_fifo_init_control(struct domain *d, const struct evtchn_init_control *op) must_check;
int evtchn_fifo_expand(struct domain *d, uint64_t g) must_check;
/* After all ports were closed. -ERESTART: the guest has opened too many meanwhile, close them again. */
int evtchn_fifo_end(struct domain *d) must_check;

struct evtchn_domain {
	spinlock_t lock;	      /* RANK_EVTCHN: port states, the table of ports, vcpu->virq_port */
	unsigned max_port;	      /* largest port number this domain may open */
	unsigned nr_ports;	      /* ports in buckets; grows only. Read without the lock */
	unsigned nr_open;	      /* ports above PORT_RESERVED */
	unsigned first_free;	      /* no free port is below this one */
	unsigned next_destroy;	      /* progress of evtchn_destroy() */
	unsigned next_reset;	      /* progress of EVTCHNOP_reset */
	const struct evtchn_abi *abi; /* atomic, see abi_of() */
	struct evtchn_fifo *fifo;     /* set before abi is evtchn_fifo, cleared after it is not */
	struct port **group[NR_PORT_GROUPS];
};

/* Changes while the domain lock is held; who holds a port's lock, or its sender's, sees one that evtchn_switch.c will wait for. */
static inline const struct evtchn_abi *abi_of(const struct domain *d)
{
	return __atomic_load_n(&d->evtchn->abi, __ATOMIC_SEQ_CST);
}

/* Port @number of @d, NULL if it never existed. No lock: the table only grows. */
static inline struct port *port_get(const struct domain *d, evtchn_port_t number)
{
	struct evtchn_domain *e = d->evtchn;
	struct port **group, *bucket;
	unsigned nr;

	if (!e)
		return NULL;
	nr = __atomic_load_n(&e->nr_ports, __ATOMIC_ACQUIRE);
	if (number >= nr)
		return NULL;
	number = (evtchn_port_t)index_nospec(number, nr);
	group = e->group[number / PORTS_PER_GROUP];
	bucket = group[number / PORTS_PER_BUCKET % BUCKETS_PER_GROUP];
	return &bucket[number % PORTS_PER_BUCKET];
}

/* The locks of two different ports, in ascending address order. */
static inline void ports_lock_both(struct port *a, struct port *b)
{
	spin_lock(a < b ? &a->lock : &b->lock);
	spin_lock_nested(a < b ? &b->lock : &a->lock);
}

static inline void ports_unlock_both(struct port *a, struct port *b)
{
	spin_unlock(&a->lock);
	spin_unlock(&b->lock);
}

/* evtchn_ports.c. Errors of opening: -ENODEV @d is dying, -ENOSPC no port is left, -ENOMEM. */
/* Bind a new port of @ld to unbound port @rport of @rd. Also -EINVAL: it is not open to @ld. */
int evtchn_bind_interdomain(struct domain *ld, struct domain *rd, evtchn_port_t rport, evtchn_port_t *lport) must_check;
/* Bind a port of @d to @virq on vCPU @id. Also -EINVAL bad VIRQ or a global one not on vCPU 0, -ENOENT no such vCPU, -EEXIST bound already. */
int evtchn_bind_virq(struct domain *d, uint32_t virq, uint32_t id, evtchn_port_t *port) must_check;
/* A port of @d that interrupts its own vCPU @id. Also -ENOENT no such vCPU. */
int evtchn_bind_ipi(struct domain *d, uint32_t id, evtchn_port_t *port) must_check;
/* Notify vCPU @id for @port of @d from now on. -ENOENT no such vCPU; -EINVAL for a port whose vCPU is part of what it is. */
int evtchn_bind_vcpu(struct domain *d, evtchn_port_t port, uint32_t id) must_check;
/* Close @p of @d. @force: Hospes' own ends too. -EINVAL if it is not open, -EAGAIN if the guest keeps changing it meanwhile. */
int evtchn_port_close(struct domain *d, struct port *p, bool force) must_check;
/* Close ports of @d from *@next on, keeping the progress there. -ERESTART when it is time for others. */
int evtchn_close_all(struct domain *d, unsigned *next, bool force) must_check;

/* evtchn_control.c: an operation of hypercall 32 that is neither send nor unmask. */
long evtchn_control_op(struct vcpu *v, uint32_t cmd, uint64_t arg);

/* The upcall flag of @v goes up; tell the vCPU if it was down. */
void evtchn_mark_upcall(struct vcpu *v);
/* Wake vCPUs of @d that poll @port. */
void evtchn_wake_pollers(struct domain *d, evtchn_port_t port);

#endif
