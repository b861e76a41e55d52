/* Ports of event channels: their table, and the states that opening, binding and closing lead from one to the other. */
#include "abi/event_channel.h"
#include "abi/xen.h"
#include "evtchn_port.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define LOCK_TRIES 8u /* times a peer may change under us before the guest is told to try again */

/* The table ------------------------------------------------------------------------------------ */

/* Add the next bucket of free ports. -ENOMEM. Domain lock held. */
static int bucket_add(struct domain *d, struct evtchn_domain *e)
{
	unsigned first = e->nr_ports, g = first / PORTS_PER_GROUP;
	struct port *bucket;

	if (!e->group[g]) {
		e->group[g] = overhead_new_array(&d->overhead, OVERHEAD_EVENTS, struct port *, BUCKETS_PER_GROUP);
		if (!e->group[g])
			return err(-ENOMEM);
	}
	bucket = overhead_new_array(&d->overhead, OVERHEAD_EVENTS, struct port, PORTS_PER_BUCKET);
	if (!bucket)
		return err(-ENOMEM);
	for (unsigned i = 0; i < PORTS_PER_BUCKET; i++) {
		spin_lock_init(&bucket[i].lock, RANK_EVTCHN_PORT);
		bucket[i].number = (first + i) & EVTCHN_FIFO_LINK_MASK;
	}
	e->group[g][first / PORTS_PER_BUCKET % BUCKETS_PER_GROUP] = bucket;
	__atomic_store_n(&e->nr_ports, first + PORTS_PER_BUCKET, __ATOMIC_RELEASE);
	return 0;
}

/*
 * Find a free port of @d: the lowest, or @wanted if not 0. It stays free until the caller gives it a state under the same lock.
 * -EINVAL dying, -ENOSPC no port left, -EBUSY @wanted is taken, -ENOMEM.
 */
static int port_find(struct domain *d, evtchn_port_t wanted, struct port **out)
{
	struct evtchn_domain *e = d->evtchn;
	unsigned number, limit;
	struct port *p;
	int rc;

	ASSERT(spin_is_mine(&e->lock));
	if (read_once(d->dying))
		return err(-EINVAL);
	limit = (unsigned)min_u64(abi_of(d)->nr_ports(d), (uint64_t)e->max_port + 1);
	for (number = wanted ? wanted : e->first_free; number < limit; number++) {
		while (number >= e->nr_ports) {
			rc = bucket_add(d, e);
			if (rc)
				return rc;
		}
		p = port_get(d, number);
		if (p->state == PORT_FREE) {
			*out = p;
			return 0;
		}
		if (wanted)
			return err(-EBUSY);
		e->first_free = number + 1;
	}
	return err(-ENOSPC);
}

/* Begin a new state of @p: what was pending before is not its business. Domain and port lock held. */
static void port_set(struct domain *d, struct port *p, enum port_state state)
{
	d->evtchn->nr_open += (state > PORT_RESERVED) - (p->state > PORT_RESERVED);
	p->state = state;
	p->vcpu = 0;
	evtchn_fifo_port_init(p);
	abi_of(d)->clear_pending(d, p);
}

/* The port is free again. Domain and port lock held. */
static void port_release(struct domain *d, struct port *p)
{
	port_set(d, p, PORT_FREE);
	if (p->number < d->evtchn->first_free)
		d->evtchn->first_free = p->number;
}

/* The locks of two domains, which may be one, in ascending address order. */
static void domains_lock_both(struct domain *a, struct domain *b)
{
	spinlock_t *first = &a->evtchn->lock, *second = &b->evtchn->lock;

	if (first > second) {
		first = &b->evtchn->lock;
		second = &a->evtchn->lock;
	}
	spin_lock(first);
	if (first != second)
		spin_lock_nested(second);
}

static void domains_unlock_both(struct domain *a, struct domain *b)
{
	spin_unlock(&a->evtchn->lock);
	if (a != b)
		spin_unlock(&b->evtchn->lock);
}

/* Opening --------------------------------------------------------------------------------------- */

/* A port of @d that domain @remote may bind to. Errors of port_find(). */
int evtchn_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port)
{
	struct port *p;
	int rc;

	spin_lock(&d->evtchn->lock);
	rc = port_find(d, 0, &p);
	if (rc == 0) {
		spin_lock(&p->lock);
		port_set(d, p, PORT_UNBOUND);
		p->u.unbound = remote;
		spin_unlock(&p->lock);
		*port = p->number;
	}
	spin_unlock(&d->evtchn->lock);
	return rc;
}

/* Make @a of @da and @b of @db, both locked with their domains, the two ends of one channel. */
static void ports_join(struct domain *da, struct port *a, struct domain *db, struct port *b)
{
	a->state = b->state = PORT_INTERDOMAIN;
	a->u.peer.dom = db;
	a->u.peer.port = b;
	b->u.peer.dom = da;
	b->u.peer.port = a;
}

/* See evtchn_port.h. */
int evtchn_bind_interdomain(struct domain *ld, struct domain *rd, evtchn_port_t rport, evtchn_port_t *lport)
{
	struct port *l, *r;
	int rc;

	domains_lock_both(ld, rd);
	rc = port_find(ld, 0, &l);
	if (rc)
		goto unlock;
	r = port_get(rd, rport);
	rc = -EINVAL;
	if (!r || r->state != PORT_UNBOUND || r->u.unbound != ld->id || read_once(rd->dying)) {
		rc = err(rc);
		goto unlock;
	}
	ports_lock_both(l, r);
	port_set(ld, l, PORT_UNBOUND);
	ports_join(ld, l, rd, r);
	/* Sends of the other end while it was unbound are lost: one event makes up for them. */
	abi_of(ld)->set_pending(ld, l);
	ports_unlock_both(l, r);
	*lport = l->number;
	rc = 0;
unlock:
	domains_unlock_both(ld, rd);
	return rc;
}

/* Join a port of @a and one of @b, numbers wanted or 0 for any. Errors of port_find(), -EINVAL for a port joined with itself. */
int evtchn_link(struct domain *a, evtchn_port_t *pa, struct domain *b, evtchn_port_t *pb)
{
	struct port *x, *y;
	int rc;

	domains_lock_both(a, b);
	rc = port_find(a, *pa, &x);
	if (rc)
		goto unlock;
	/* Taken at once: in a link of a domain with itself the second search must not find the same port. */
	x->state = PORT_RESERVED;
	rc = port_find(b, *pb, &y);
	if (rc) {
		port_release(a, x);
		goto unlock;
	}
	ports_lock_both(x, y);
	port_set(a, x, PORT_UNBOUND);
	port_set(b, y, PORT_UNBOUND);
	ports_join(a, x, b, y);
	ports_unlock_both(x, y);
	*pa = x->number;
	*pb = y->number;
unlock:
	domains_unlock_both(a, b);
	return rc;
}

static struct vcpu *domain_vcpu(struct domain *d, uint32_t id)
{
	return id < d->max_vcpus ? d->vcpu[index_nospec(id, d->max_vcpus)] : NULL;
}

/* See evtchn_port.h. */
int evtchn_bind_virq(struct domain *d, uint32_t virq, uint32_t id, evtchn_port_t *port)
{
	struct vcpu *v;
	struct port *p;
	int rc;

	if (virq >= NR_VIRQS || (virq_is_global(virq) && id != 0))
		return err(-EINVAL);
	v = domain_vcpu(d, id);
	if (!v)
		return err(-ENOENT);
	spin_lock(&d->evtchn->lock);
	rc = v->virq_port[virq] ? err(-EEXIST) : port_find(d, 0, &p);
	if (rc == 0) {
		spin_lock(&p->lock);
		port_set(d, p, PORT_VIRQ);
		p->virq = (uint8_t)virq;
		p->vcpu = (uint8_t)id;
		spin_unlock(&p->lock);
		*port = p->number;
		write_once(v->virq_port[virq], p->number);
	}
	spin_unlock(&d->evtchn->lock);
	return rc;
}

/* See evtchn_port.h. */
int evtchn_bind_ipi(struct domain *d, uint32_t id, evtchn_port_t *port)
{
	struct port *p;
	int rc;

	if (!domain_vcpu(d, id))
		return err(-ENOENT);
	spin_lock(&d->evtchn->lock);
	rc = port_find(d, 0, &p);
	if (rc == 0) {
		spin_lock(&p->lock);
		port_set(d, p, PORT_IPI);
		p->vcpu = (uint8_t)id;
		spin_unlock(&p->lock);
		*port = p->number;
	}
	spin_unlock(&d->evtchn->lock);
	return rc;
}

/* See evtchn_port.h. */
int evtchn_bind_vcpu(struct domain *d, evtchn_port_t port, uint32_t id)
{
	struct port *p = port_get(d, port);
	bool movable;

	if (!domain_vcpu(d, id))
		return err(-ENOENT);
	if (!p)
		return err(-EINVAL);
	spin_lock(&d->evtchn->lock);
	spin_lock(&p->lock);
	movable = p->state == PORT_UNBOUND || p->state == PORT_INTERDOMAIN || p->state == PORT_HV ||
		  (p->state == PORT_VIRQ && virq_is_global(p->virq));
	if (movable)
		p->vcpu = (uint8_t)id;
	spin_unlock(&p->lock);
	spin_unlock(&d->evtchn->lock);
	return movable ? 0 : err(-EINVAL);
}

/* Closing --------------------------------------------------------------------------------------- */

static void virq_unbind(struct domain *d, struct port *p)
{
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i] && d->vcpu[i]->virq_port[p->virq] == p->number)
			write_once(d->vcpu[i]->virq_port[p->virq], 0);
}

/* Close @p of @d which has no peer. Domain lock held. -EINVAL for ports that are not open or, unless @force, are Hospes'. */
static int close_single(struct domain *d, struct port *p, bool force)
{
	if (p->state == PORT_FREE || p->state == PORT_RESERVED || (p->state == PORT_HV && !force))
		return -EINVAL;
	spin_lock(&p->lock);
	if (p->state == PORT_VIRQ)
		virq_unbind(d, p);
	port_release(d, p);
	spin_unlock(&p->lock);
	return 0;
}

/* Close @p of @d and leave its peer unbound. Both domains locked. */
static void close_joined(struct domain *d, struct port *p)
{
	struct port *peer = p->u.peer.port;

	ports_lock_both(p, peer);
	peer->state = PORT_UNBOUND;
	peer->u.unbound = d->id;
	port_release(d, p);
	ports_unlock_both(p, peer);
}

/* See evtchn_port.h. */
int evtchn_port_close(struct domain *d, struct port *p, bool force)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		struct domain *rd;
		int rc = 0;

		spin_lock(&d->evtchn->lock);
		if (p->state != PORT_INTERDOMAIN || p->u.peer.dom == d) {
			if (p->state == PORT_INTERDOMAIN)
				close_joined(d, p);
			else
				rc = close_single(d, p, force);
			spin_unlock(&d->evtchn->lock);
			return rc;
		}
		/* The other lock may come first in order: let go, take both, look again. */
		rd = p->u.peer.dom;
		if (!domain_get(rd))
			rd = NULL;
		spin_unlock(&d->evtchn->lock);
		if (!rd)
			continue;
		domains_lock_both(d, rd);
		rc = p->state == PORT_INTERDOMAIN && p->u.peer.dom == rd;
		if (rc)
			close_joined(d, p);
		domains_unlock_both(d, rd);
		domain_put(rd);
		if (rc)
			return 0;
	}
	return err(-EAGAIN);
}

/* See evtchn_port.h. */
int evtchn_close_all(struct domain *d, unsigned *next, bool force)
{
	/* Several vCPUs may reset at once: each number is looked at once, whatever the others do to it. */
	for (unsigned done = 1;; done++) {
		unsigned at = read_once(*next);
		struct port *p = port_get(d, at);
		bool open = p && read_once(p->state) > PORT_RESERVED;

		if (!p)
			break;
		/* Only a guest that opens ports while it resets them sees -EAGAIN: those stay. */
		if (open)
			(void)!evtchn_port_close(d, p, force);
		write_once(*next, at + 1);
		if ((open || done % 64 == 0) && hypercall_preempt_check())
			return -ERESTART;
	}
	write_once(*next, 0);
	return 0;
}

/* Set-up and end of a domain ----------------------------------------------------------------------- */

/* Event channels for @d, port numbers up to @max_port (0: the ABI's limit, or EVTCHN_NO_PORTS). -ENOMEM. */
int evtchn_init(struct domain *d, unsigned max_port)
{
	struct evtchn_domain *e = overhead_new(&d->overhead, OVERHEAD_EVENTS, struct evtchn_domain);
	int rc;

	if (!e)
		return err(-ENOMEM);
	spin_lock_init(&e->lock, RANK_EVTCHN);
	e->abi = &evtchn_2l;
	e->max_port = max_port == EVTCHN_NO_PORTS ? 0 : max_port ? max_port : EVTCHN_FIFO_NR_CHANNELS - 1;
	rc = bucket_add(d, e);
	if (rc) {
		overhead_free(&d->overhead, OVERHEAD_EVENTS, e->group[0]);
		overhead_free(&d->overhead, OVERHEAD_EVENTS, e);
		return rc;
	}
	e->group[0][0][0].state = PORT_RESERVED;
	e->first_free = 1;
	d->evtchn = e;
	return 0;
}

/* Close every port of @d, which is dying or was never seen by anyone. -ERESTART until done; then once more is harmless. */
int evtchn_destroy(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;

	if (!e)
		return 0;
	/* Whoever did not yet see that @d is dying is inside this lock: after it no port opens. */
	spin_lock(&e->lock);
	spin_unlock(&e->lock);
	if (evtchn_close_all(d, &e->next_destroy, true))
		return -ERESTART;
	return evtchn_fifo_end(d);
}

/* See hv/evtchn.h. */
unsigned evtchn_ports_in_use(struct domain *d)
{
	unsigned n = 0;

	for (evtchn_port_t port = 1; port < read_once(d->evtchn->nr_ports); port++) {
		struct port *p = port_get(d, port);

		n += p && read_once(p->state) != PORT_FREE;
	}
	return n;
}

/* Give the memory back; no port is open and nobody can look @d up. */
void evtchn_free(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;

	if (!e)
		return;
	d->evtchn = NULL;
	for (unsigned g = 0; g < NR_PORT_GROUPS && e->group[g]; g++) {
		for (unsigned b = 0; b < BUCKETS_PER_GROUP; b++)
			overhead_free(&d->overhead, OVERHEAD_EVENTS, e->group[g][b]);
		overhead_free(&d->overhead, OVERHEAD_EVENTS, e->group[g]);
	}
	overhead_free(&d->overhead, OVERHEAD_EVENTS, e);
}

/* Hospes as the other end ----------------------------------------------------------------------------- */

/* Take the far end of unbound @port of @d: @notify runs on each send, possibly once more just after detach. -EINVAL if it is not unbound. */
int evtchn_attach_hv(struct domain *d, evtchn_port_t port, void (*notify)(struct domain *d, evtchn_port_t port))
{
	struct port *p = port_get(d, port);
	int rc = -EINVAL;

	if (!p)
		return err(rc);
	spin_lock(&d->evtchn->lock);
	spin_lock(&p->lock);
	if (p->state == PORT_UNBOUND) {
		domid_t remote = p->u.unbound;

		p->state = PORT_HV;
		p->u.hv.notify = notify;
		p->u.hv.remote = remote;
		rc = 0;
	}
	spin_unlock(&p->lock);
	spin_unlock(&d->evtchn->lock);
	return rc ? err(rc) : 0;
}

/* Let go of the far end: the port is unbound towards its remote again. */
void evtchn_detach_hv(struct domain *d, evtchn_port_t port)
{
	struct port *p = port_get(d, port);

	if (!p)
		return;
	spin_lock(&d->evtchn->lock);
	spin_lock(&p->lock);
	if (p->state == PORT_HV) {
		domid_t remote = p->u.hv.remote;

		p->state = PORT_UNBOUND;
		p->u.unbound = remote;
	}
	spin_unlock(&p->lock);
	spin_unlock(&d->evtchn->lock);
}
