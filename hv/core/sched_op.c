/* Hypercall 29: what a guest asks of the scheduler, and the end of a domain. */
#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "sched.h"
#include "xen.h"

#define POLL_MAX_PORTS 128u

/* Sleep until an event; upcalls are switched on first, so no event between the guest's last look and the block is lost. */
static long op_block(struct vcpu *v)
{
	struct vcpu_info *info = v->vcpu_info;

	if (info)
		__atomic_store_n(&info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
	vcpu_block(v);
	return 0;
}

/* End a poll that need not or must not sleep. What it polled stays written: it means nothing without the flag. */
static void poll_cancel(struct vcpu *v)
{
	__atomic_fetch_and(&v->pause_flags, ~(VPF_BLOCKED | VPF_POLLING), __ATOMIC_SEQ_CST);
}

/* 1: something is pending for the polling @v, 0: nothing yet. -EINVAL for a bad port. */
static int poll_ready(struct vcpu *v, const uint32_t *ports, unsigned nr)
{
	/* A sender that saw the flags before we look has cleared them again. */
	if (!(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & VPF_POLLING) || arch_vcpu_event_pending(v))
		return 1;
	for (unsigned i = 0; i < nr; i++) {
		int rc = ports[i] ? evtchn_port_pending(v->domain, ports[i]) : err(-EINVAL);

		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Sleep until one of the ports is pending, even if masked, or the time has come, or an upcall is due. The flags are raised before the
 * ports are looked at, and senders mark the port before they look at the flags: one of the two sees the other.
 */
static long op_poll(struct vcpu *v, uint64_t arg)
{
	uint32_t ports[POLL_MAX_PORTS];
	struct sched_poll poll;
	int rc;

	if (get_struct(v, &poll, arg, LAYOUT_sched_poll))
		return -EFAULT;
	if (poll.nr_ports > POLL_MAX_PORTS)
		return err(-EINVAL);
	if (copy_from_guest(v, ports, poll.ports, poll.nr_ports * sizeof(ports[0])))
		return -EFAULT;
	timer_stop(&v->poll_timer);
	write_once(v->poll_evtchn, poll.nr_ports == 1 && ports[0] <= INT32_MAX ? (int)ports[0] : -1);
	__atomic_fetch_or(&v->pause_flags, VPF_BLOCKED | VPF_POLLING, __ATOMIC_SEQ_CST);
	rc = poll_ready(v, ports, poll.nr_ports);
	if (rc) {
		poll_cancel(v);
		return rc > 0 ? 0 : rc;
	}
	if (poll.timeout)
		timer_set(&v->poll_timer, poll.timeout > INT64_MAX ? STIME_MAX : (stime_t)poll.timeout);
	softirq_raise(this_cpu(), SOFTIRQ_SCHED);
	return 0;
}

/* The calling domain ends. The call returns when a controller resumes the domain, if ever. */
static long op_shutdown(struct vcpu *v, uint64_t arg)
{
	struct sched_shutdown s;

	if (copy_from_guest(v, &s, arg, sizeof(s)))
		return -EFAULT;
	domain_shutdown(v->domain, (enum shutdown_code)(s.reason & 0xff));
	return 0;
}

/* Latch the code of the coming shutdown; the first one stays. */
static long op_shutdown_code(struct vcpu *v, uint64_t arg)
{
	struct domain *d = v->domain;
	struct sched_shutdown s;

	if (copy_from_guest(v, &s, arg, sizeof(s)))
		return -EFAULT;
	spin_lock(&d->lock);
	if (!d->shutdown_code_latched && !d->shutting_down) {
		d->shutdown_code = (enum shutdown_code)(s.reason & 0xff);
		d->shutdown_code_latched = true;
	}
	spin_unlock(&d->lock);
	return 0;
}

/* A controller ends another domain. -ESRCH, -EPERM. */
static long op_remote_shutdown(struct vcpu *v, uint64_t arg)
{
	struct sched_remote_shutdown s;
	struct domain *d;
	int rc;

	if (copy_from_guest(v, &s, arg, sizeof(s)))
		return -EFAULT;
	if (s.domain_id == DOMID_SELF)
		return err(-ESRCH);
	rc = domain_from_guest(v, s.domain_id, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	domain_shutdown(d, (enum shutdown_code)(s.reason & 0xff));
	domain_put(d);
	return 0;
}

/* A new watchdog for @d: its number, 1 or 2. -ENOSPC when both are in use. d->lock held. */
static long watchdog_new(struct domain *d, uint32_t timeout)
{
	for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog); i++) {
		if (d->watchdog[i].in_use)
			continue;
		d->watchdog[i].in_use = true;
		d->watchdog[i].timeout_s = timeout;
		timer_set_here(&d->watchdog[i].timer, now() + timeout * NSEC_PER_SEC);
		return (long)i + 1;
	}
	return err(-ENOSPC);
}

/* Watchdog @id of @d is poked, or put away with @timeout 0. -EINVAL if it is not in use. d->lock held. */
static long watchdog_poke(struct domain *d, uint32_t id, uint32_t timeout)
{
	if (id > ARRAY_SIZE(d->watchdog) || !d->watchdog[id - 1].in_use)
		return err(-EINVAL);
	d->watchdog[id - 1].in_use = timeout != 0;
	d->watchdog[id - 1].timeout_s = timeout;
	if (timeout)
		timer_set_here(&d->watchdog[id - 1].timer, now() + timeout * NSEC_PER_SEC);
	else
		timer_stop(&d->watchdog[id - 1].timer);
	return 0;
}

/* Create (id 0), poke or put away a watchdog, which shuts the domain down unless poked in time. -EINVAL, -ENOSPC. */
static long op_watchdog(struct vcpu *v, uint64_t arg)
{
	struct domain *d = v->domain;
	struct sched_watchdog w;
	long rc;

	if (copy_from_guest(v, &w, arg, sizeof(w)))
		return -EFAULT;
	if (w.id == 0 && w.timeout == 0)
		return err(-EINVAL);
	spin_lock(&d->lock);
	rc = w.id ? watchdog_poke(d, w.id, w.timeout) : watchdog_new(d, w.timeout);
	spin_unlock(&d->lock);
	return rc;
}

/* The hardware domain pins the calling vCPU to a CPU, or undoes it with a negative one. -EPERM, -EINVAL, -EBUSY. */
static long op_pin_override(struct vcpu *v, uint64_t arg)
{
	struct sched_pin_override p;

	if (!domain_has_role(v->domain, ROLE_HARDWARE))
		return err(-EPERM);
	if (copy_from_guest(v, &p, arg, sizeof(p)))
		return -EFAULT;
	return sched_pin_override(v, p.pcpu < 0 ? -1 : p.pcpu);
}

/* args[0]: SCHEDOP_*, args[1]: guest address of its argument. -ENOSYS for unknown ones, -EFAULT. */
long do_sched_op(struct vcpu *v, const uint64_t *args)
{
	switch (args[0]) {
	case SCHEDOP_yield:
		vcpu_yield(v);
		return 0;
	case SCHEDOP_block:
		return op_block(v);
	case SCHEDOP_shutdown:
		return op_shutdown(v, args[1]);
	case SCHEDOP_poll:
		return op_poll(v, args[1]);
	case SCHEDOP_remote_shutdown:
		return op_remote_shutdown(v, args[1]);
	case SCHEDOP_shutdown_code:
		return op_shutdown_code(v, args[1]);
	case SCHEDOP_watchdog:
		return op_watchdog(v, args[1]);
	case SCHEDOP_pin_override:
		return op_pin_override(v, args[1]);
	default:
		return err(-ENOSYS);
	}
}
