/* The control operations of event channels: all of hypercall 32 that opens, binds, closes and sets up. What changes ports is evtchn_ports.c's. */
#include "abi/event_channel.h"
#include "abi/xen.h"
#include "evtchn_port.h"
#include "hv/consring.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/printk.h"

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
		rc = consring_close(rd);
	if (rc == 0)
		rc = evtchn_bind_interdomain(d, rd, op.remote_port, &op.local_port);
	if (rc == 0)
		rc = copy_to_guest(v, arg, &op, sizeof(op));
	domain_put(rd);
	return rc == -ERESTART ? hypercall_again(v) : rc;
}

static long op_bind_virq(struct vcpu *v, uint64_t arg)
{
	struct evtchn_bind_virq op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc == 0)
		rc = evtchn_bind_virq(v->domain, op.virq, op.vcpu, &op.port);
	return rc ? rc : copy_to_guest(v, arg, &op, sizeof(op));
}

static long op_bind_ipi(struct vcpu *v, uint64_t arg)
{
	struct evtchn_bind_ipi op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc == 0)
		rc = evtchn_bind_ipi(v->domain, op.vcpu, &op.port);
	return rc ? rc : copy_to_guest(v, arg, &op, sizeof(op));
}

static long op_bind_vcpu(struct vcpu *v, uint64_t arg)
{
	struct evtchn_bind_vcpu op;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	return rc ? rc : evtchn_bind_vcpu(v->domain, op.port, op.vcpu);
}

static long op_close(struct vcpu *v, uint64_t arg)
{
	struct evtchn_close op;
	struct port *p;
	int rc = copy_from_guest(v, &op, arg, sizeof(op));

	if (rc)
		return rc;
	p = port_get(v->domain, op.port);
	return p ? evtchn_port_close(v->domain, p, false) : err(-EINVAL);
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
		rc = evtchn_close_all(d, &d->evtchn->next_reset, false);
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

/* See evtchn_port.h. -ENOSYS for operations that do not exist here: physical interrupts. */
long evtchn_control_op(struct vcpu *v, uint32_t cmd, uint64_t arg)
{
	switch (cmd) {
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
	case EVTCHNOP_status:
		return op_status(v, arg);
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
