/* Event channels: ports, their states, and hypercall 32. Pending and mask bits are evtchn_2l.c's. */
#include "hv/evtchn.h"

#include "abi/event_channel.h"
#include "abi/xen.h"
#include "evtchn_port.h"
#include "hv/arch.h"
#include "hv/consring.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define LOCK_TRIES 8u /* times a peer may change under us before the guest is told to try again */

/* Ports ------------------------------------------------------------------------------------ */

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
 * -ENODEV dying, -ENOSPC no port left, -EBUSY @wanted is taken, -ENOMEM.
 */
static int port_find(struct domain *d, evtchn_port_t wanted, struct port **out)
{
	struct evtchn_domain *e = d->evtchn;
	unsigned number, limit;
	struct port *p;
	int rc;

	ASSERT(spin_is_mine(&e->lock));
	if (read_once(d->dying))
		return err(-ENODEV);
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

static void set_pending(struct domain *d, struct port *p)
{
	abi_of(d)->set_pending(d, p);
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

/* Upcalls and pollers ------------------------------------------------------------------------ */

/* The upcall flag of @v goes up; if it was down the vCPU is told. Any lock below RANK_SCHED may be held. */
void evtchn_mark_upcall(struct vcpu *v)
{
	struct vcpu_info *info = read_once(v->vcpu_info);

	if (!info || __atomic_exchange_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
		return;
	arch_event_upcall(v);
}

/* Wake vCPUs of @d that poll @port, or many ports. A poller sets its flag, then looks at the pending bits: we go the other way round. */
void evtchn_wake_pollers(struct domain *d, evtchn_port_t port)
{
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpu[i];
		int polled;

		if (!v || !(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & VPF_POLLING))
			continue;
		polled = read_once(v->poll_evtchn);
		if (polled == -1 || polled == (int)port)
			vcpu_unblock(v);
	}
}

/* True when the upcall flag in @v's vcpu_info is up. */
bool evtchn_upcall_pending(const struct vcpu *v)
{
	const struct vcpu_info *info = read_once(v->vcpu_info);

	return info && __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST);
}

/* @v has a new vcpu_info: whatever was noted in the old one, or nowhere, counts as pending. */
void evtchn_vcpu_info_moved(struct vcpu *v)
{
	void *info = read_once(v->vcpu_info);

	if (!info)
		return;
	if (v->domain->guest32)
		__atomic_store_n(&((struct vcpu_info_compat32 *)info)->evtchn_pending_sel, ~0u, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(&((struct vcpu_info *)info)->evtchn_pending_sel, ~0UL, __ATOMIC_SEQ_CST);
	evtchn_mark_upcall(v);
}

/* 1 if @port of @d is pending, 0 if not, -EINVAL if there is no such port. */
int evtchn_port_pending(struct domain *d, evtchn_port_t port)
{
	struct port *p = port_get(d, port);
	bool pending;

	if (!p)
		return err(-EINVAL);
	/* The lock keeps the ABI in force. A closed port has nothing pending that an ABI must be asked for. */
	spin_lock(&p->lock);
	pending = p->state > PORT_RESERVED && abi_of(d)->is_pending(d, port);
	spin_unlock(&p->lock);
	return pending;
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

/* Bind a new port of @ld to unbound port @rport of @rd. -EINVAL if it is not open to @ld, errors of port_find(). */
static int bind_interdomain(struct domain *ld, struct domain *rd, evtchn_port_t rport, evtchn_port_t *lport)
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
	set_pending(ld, l);
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

/* Is @virq one for a domain, not one for each vCPU? */
bool virq_is_global(unsigned virq)
{
	switch (virq) {
	case VIRQ_TIMER:
	case VIRQ_DEBUG:
	case VIRQ_XENOPROF:
	case VIRQ_XENPMU:
		return false;
	default:
		return true;
	}
}

static struct vcpu *domain_vcpu(struct domain *d, uint32_t id)
{
	return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

/* Bind a port of @d to @virq on vCPU @id. -EINVAL bad VIRQ or a global one not on vCPU 0, -ENOENT no such vCPU, -EEXIST bound already. */
static int bind_virq(struct domain *d, uint32_t virq, uint32_t id, evtchn_port_t *port)
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

/* A port of @d that interrupts its own vCPU @id. -ENOENT no such vCPU, errors of port_find(). */
static int bind_ipi(struct domain *d, uint32_t id, evtchn_port_t *port)
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

/* Notify vCPU @id for @port of @d from now on. -ENOENT no such vCPU; -EINVAL for a port whose vCPU is part of what it is. */
static int bind_vcpu(struct domain *d, evtchn_port_t port, uint32_t id)
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

/*
 * Close @p of @d. @force closes Hospes' own ends too. -EINVAL if it is not open, -EAGAIN if the guest keeps
 * changing it meanwhile.
 */
static int port_close(struct domain *d, struct port *p, bool force)
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

/* Close ports of @d from *@next on, keeping the progress there. -ERESTART when it is time for others. */
static int close_all(struct domain *d, unsigned *next, bool force)
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
			(void)port_close(d, p, force);
		write_once(*next, at + 1);
		if ((open || done % 64 == 0) && hypercall_preempt_check())
			return -ERESTART;
	}
	write_once(*next, 0);
	return 0;
}

/* Set-up and end of a domain ----------------------------------------------------------------------- */

/* Event channels for @d, port numbers up to @max_port (0: the ABI's limit). -ENOMEM. */
int evtchn_init(struct domain *d, unsigned max_port)
{
	struct evtchn_domain *e = overhead_new(&d->overhead, OVERHEAD_EVENTS, struct evtchn_domain);
	int rc;

	if (!e)
		return err(-ENOMEM);
	spin_lock_init(&e->lock, RANK_EVTCHN);
	e->abi = &evtchn_2l;
	e->max_port = max_port ? max_port : EVTCHN_FIFO_NR_CHANNELS - 1;
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
	if (close_all(d, &e->next_destroy, true))
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

/* Sending ----------------------------------------------------------------------------------------- */

/* Send on @port of @d. -EINVAL if nothing can be sent on it. */
static int port_send(struct domain *d, evtchn_port_t port)
{
	struct port *p = port_get(d, port);
	void (*notify)(struct domain *, evtchn_port_t) = NULL;
	int rc = 0;

	if (!p)
		return err(-EINVAL);
	spin_lock(&p->lock);
	switch (p->state) {
	case PORT_INTERDOMAIN:
		set_pending(p->u.peer.dom, p->u.peer.port);
		break;
	case PORT_IPI:
		set_pending(d, p);
		break;
	case PORT_UNBOUND:
		break; /* nobody listens yet: lost, and made up for at bind */
	case PORT_HV:
		notify = p->u.hv.notify;
		break;
	default:
		rc = err(-EINVAL);
	}
	spin_unlock(&p->lock);
	if (notify)
		notify(d, port);
	return rc;
}

/* @virq bound on @v becomes pending, if it is bound. */
static void virq_raise(struct vcpu *v, unsigned virq)
{
	evtchn_port_t number = read_once(v->virq_port[virq]);
	struct port *p = number ? port_get(v->domain, number) : NULL;

	if (!p)
		return;
	spin_lock(&p->lock);
	if (p->state == PORT_VIRQ && p->virq == virq)
		set_pending(v->domain, p);
	spin_unlock(&p->lock);
}

/* Raise per-vCPU @virq on @v. Any context but interrupts. */
void send_guest_vcpu_virq(struct vcpu *v, unsigned virq)
{
	ASSERT(virq < NR_VIRQS && !virq_is_global(virq));
	virq_raise(v, virq);
}

/* Raise global @virq in @d, which may be NULL. Any context but interrupts. */
void send_guest_global_virq(struct domain *d, unsigned virq)
{
	ASSERT(virq < NR_VIRQS && virq_is_global(virq));
	if (d && d->evtchn && d->max_vcpus && d->vcpu[0])
		virq_raise(d->vcpu[0], virq);
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

/* Hospes sends from its end of @port of @d; nothing happens if it holds none. */
void evtchn_notify_from_hv(struct domain *d, evtchn_port_t port)
{
	struct port *p = port_get(d, port);

	if (!p)
		return;
	spin_lock(&p->lock);
	if (p->state == PORT_HV)
		set_pending(d, p);
	spin_unlock(&p->lock);
}

/* See hv/evtchn.h. */
void evtchn_raise_ipi(struct domain *d, evtchn_port_t port)
{
	struct port *p = port_get(d, port);

	if (!p)
		return;
	spin_lock(&p->lock);
	if (p->state == PORT_IPI)
		set_pending(d, p);
	spin_unlock(&p->lock);
}

/* See hv/evtchn.h. For a caller who may close the port at any time: a hint. */
bool evtchn_is_ipi(struct domain *d, evtchn_port_t port)
{
	struct port *p = port_get(d, port);

	return p && read_once(p->state) == PORT_IPI;
}

/* The hypercall ------------------------------------------------------------------------------------- */

static long op_alloc_unbound(struct vcpu *v, uint64_t arg)
{
	struct evtchn_alloc_unbound op;
	struct domain *d;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	rc = domain_from_guest(v, op.dom, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	rc = evtchn_alloc_unbound(d, op.remote_dom == DOMID_SELF ? v->domain->id : op.remote_dom, &op.port);
	if (rc == 0)
		rc = copy_to_guest(v, arg, &op, sizeof(op));
	domain_put(d);
	return rc;
}

/* Does Hospes hold @port of @rd until @ld comes for it? */
static bool held_for(const struct domain *ld, struct domain *rd, evtchn_port_t port)
{
	struct port *p = port_get(rd, port);
	bool held = false;

	if (p) {
		spin_lock(&p->lock);
		held = p->state == PORT_HV && p->u.hv.remote == ld->id;
		spin_unlock(&p->lock);
	}
	return held;
}

static long op_bind_interdomain(struct vcpu *v, uint64_t arg)
{
	struct evtchn_bind_interdomain op;
	struct domain *d = v->domain, *rd;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	rd = domain_get_by_id(op.remote_dom == DOMID_SELF ? d->id : op.remote_dom);
	if (!rd)
		return err(-ESRCH);
	rc = relation_check(d, rd, RELATION_EVENT);
	/* A console daemon takes over what Hospes served in its place; what was said so far is printed. */
	if (rc == 0 && held_for(d, rd, op.remote_port))
		consring_close(rd);
	if (rc == 0)
		rc = bind_interdomain(d, rd, op.remote_port, &op.local_port);
	if (rc == 0)
		rc = copy_to_guest(v, arg, &op, sizeof(op));
	domain_put(rd);
	return rc;
}

static long op_bind_virq(struct vcpu *v, uint64_t arg)
{
	struct evtchn_bind_virq op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc == 0)
		rc = bind_virq(v->domain, op.virq, op.vcpu, &op.port);
	return rc ? rc : copy_to_guest(v, arg, &op, sizeof(op));
}

static long op_bind_ipi(struct vcpu *v, uint64_t arg)
{
	struct evtchn_bind_ipi op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc == 0)
		rc = bind_ipi(v->domain, op.vcpu, &op.port);
	return rc ? rc : copy_to_guest(v, arg, &op, sizeof(op));
}

static long op_bind_vcpu(struct vcpu *v, uint64_t arg)
{
	struct evtchn_bind_vcpu op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	return rc ? rc : bind_vcpu(v->domain, op.port, op.vcpu);
}

static long op_close(struct vcpu *v, uint64_t arg)
{
	struct evtchn_close op;
	struct port *p;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	p = port_get(v->domain, op.port);
	return p ? port_close(v->domain, p, false) : err(-EINVAL);
}

static long op_send(struct vcpu *v, uint64_t arg)
{
	struct evtchn_send op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	return rc ? rc : port_send(v->domain, op.port);
}

static long op_unmask(struct vcpu *v, uint64_t arg)
{
	struct evtchn_unmask op;
	struct port *p;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	p = port_get(v->domain, op.port);
	if (!p)
		return err(-EINVAL);
	spin_lock(&p->lock);
	if (p->state > PORT_RESERVED)
		abi_of(v->domain)->unmask(v->domain, p);
	spin_unlock(&p->lock);
	return 0;
}

/* Fill the out half of @op from @p, locked. A port Hospes serves looks as it will when Hospes lets go. */
static void port_status(const struct port *p, struct evtchn_status *op)
{
	op->vcpu = p->vcpu;
	op->u.interdomain.dom = 0;
	op->u.interdomain.port = 0;
	switch (p->state) {
	case PORT_UNBOUND:
		op->status = EVTCHNSTAT_unbound;
		op->u.unbound.dom = p->u.unbound;
		break;
	case PORT_HV:
		op->status = EVTCHNSTAT_unbound;
		op->u.unbound.dom = p->u.hv.remote;
		break;
	case PORT_INTERDOMAIN:
		op->status = EVTCHNSTAT_interdomain;
		op->u.interdomain.dom = p->u.peer.dom->id;
		op->u.interdomain.port = p->u.peer.port->number;
		break;
	case PORT_VIRQ:
		op->status = EVTCHNSTAT_virq;
		op->u.virq = p->virq;
		break;
	case PORT_IPI:
		op->status = EVTCHNSTAT_ipi;
		break;
	default:
		op->status = EVTCHNSTAT_closed;
	}
}

static long op_status(struct vcpu *v, uint64_t arg)
{
	struct evtchn_status op;
	struct domain *d;
	struct port *p;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	rc = domain_from_guest(v, op.dom, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	p = port_get(d, op.port);
	if (p) {
		spin_lock(&p->lock);
		port_status(p, &op);
		spin_unlock(&p->lock);
		rc = copy_to_guest(v, arg, &op, sizeof(op));
	} else {
		rc = err(-EINVAL);
	}
	domain_put(d);
	return rc;
}

static long op_reset(struct vcpu *v, uint64_t arg)
{
	struct evtchn_reset op;
	struct domain *d;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	rc = domain_from_guest(v, op.dom, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	/* Another domain must not run meanwhile. */
	if (d != v->domain && !read_once(d->controller_pause_count))
		rc = err(-EINVAL);
	else
		rc = close_all(d, &d->evtchn->next_reset, false);
	if (rc == 0)
		rc = evtchn_fifo_end(d);
	domain_put(d);
	return rc == -ERESTART ? hypercall_again(v) : rc;
}

static long op_init_control(struct vcpu *v, uint64_t arg)
{
	struct evtchn_init_control op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	op.link_bits = EVTCHN_FIFO_LINK_BITS;
	rc = evtchn_fifo_init_control(v->domain, &op);
	return rc ? rc : copy_to_guest(v, arg, &op, sizeof(op));
}

static long op_expand_array(struct vcpu *v, uint64_t arg)
{
	struct evtchn_expand_array op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	return rc ? rc : evtchn_fifo_expand(v->domain, op.array_gfn);
}

static long op_set_priority(struct vcpu *v, uint64_t arg)
{
	const struct evtchn_abi *abi = abi_of(v->domain);
	struct evtchn_set_priority op;
	struct port *p;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	p = port_get(v->domain, op.port);
	if (!p)
		return err(-EINVAL);
	if (!abi->set_priority)
		return err(-ENOSYS);
	spin_lock(&p->lock);
	rc = p->state > PORT_RESERVED ? abi->set_priority(v->domain, p, op.priority) : err(-EACCES);
	spin_unlock(&p->lock);
	return rc;
}

/* Hypercall 32. -ENOSYS for operations that do not exist here: physical interrupts. */
long do_event_channel_op(struct vcpu *v, const uint64_t *args)
{
	uint64_t arg = args[1];

	switch ((uint32_t)args[0]) {
	case EVTCHNOP_alloc_unbound:
		return op_alloc_unbound(v, arg);
	case EVTCHNOP_bind_interdomain:
		return op_bind_interdomain(v, arg);
	case EVTCHNOP_bind_virq:
		return op_bind_virq(v, arg);
	case EVTCHNOP_bind_ipi:
		return op_bind_ipi(v, arg);
	case EVTCHNOP_bind_vcpu:
		return op_bind_vcpu(v, arg);
	case EVTCHNOP_close:
		return op_close(v, arg);
	case EVTCHNOP_send:
		return op_send(v, arg);
	case EVTCHNOP_status:
		return op_status(v, arg);
	case EVTCHNOP_unmask:
		return op_unmask(v, arg);
	case EVTCHNOP_reset:
		return op_reset(v, arg);
	case EVTCHNOP_init_control:
		return op_init_control(v, arg);
	case EVTCHNOP_expand_array:
		return op_expand_array(v, arg);
	case EVTCHNOP_set_priority:
		return op_set_priority(v, arg);
	default:
		return err(-ENOSYS);
	}
}
