/*
 * Event channels: sending, and what a send does to a vCPU. All that is often used is here; ports are opened and closed in evtchn_ports.c, for the operations
 * of evtchn_control.c. Pending and mask bits are evtchn_2l.c's and evtchn_fifo.c's.
 */
#include "hv/evtchn.h"

#include "abi/event_channel.h"
#include "abi/xen.h"
#include "evtchn_port.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/printk.h"

static void set_pending(struct domain *d, struct port *p)
{
	abi_of(d)->set_pending(d, p);
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

/* Sending ----------------------------------------------------------------------------------------- */

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

/* Hypercall 32. */
long do_event_channel_op(struct vcpu *v, const uint64_t *args)
{
	uint32_t cmd = (uint32_t)args[0];
	uint64_t arg = args[1];

	if (likely(cmd == EVTCHNOP_send))
		return op_send(v, arg);
	if (cmd == EVTCHNOP_unmask)
		return op_unmask(v, arg);
	return evtchn_control_op(v, cmd, arg);
}
