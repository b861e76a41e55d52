/*
 * Event channels (hypercall 32, 2-level ABI): every operation with good and bad arguments, the bit sequence the guest sees in
 * both widths, the rules of peers, and that closing and dying leaves nothing behind.
 */
#include <pthread.h>

#include "abi/event_channel.h"
#include "abi/xen.h"
#include "guest_test.h"
#include "hv/core/evtchn_port.h"

static struct domain *a, *b, *ctl;

static int setup(void **state)
{
	host_machine(RAM, 2);
	ctl = host_domain(0, 1, 16, ROLE_ALL);
	a = host_domain(1, 4, 16, 0);
	b = host_domain(2, 2, 16, 0);
	return 0;
}

static long op(struct vcpu *v, unsigned cmd, void *arg, size_t size)
{
	return call_arg(v, HC_event_channel_op, cmd, arg, size);
}

#define OP(v, cmd, arg) op((v), EVTCHNOP_##cmd, &(arg), sizeof(arg))

static evtchn_port_t unbound(struct domain *d, domid_t remote)
{
	struct evtchn_alloc_unbound u = { DOMID_SELF, remote, 0 };

	assert_int_equal(OP(d->vcpu[0], alloc_unbound, u), 0);
	return u.port;
}

static long bind(struct domain *d, domid_t remote, evtchn_port_t port, evtchn_port_t *local)
{
	struct evtchn_bind_interdomain i = { remote, port, 0 };
	long rc = OP(d->vcpu[0], bind_interdomain, i);

	*local = i.local_port;
	return rc;
}

static long do_close(struct domain *d, evtchn_port_t port)
{
	struct evtchn_close c = { port };

	return OP(d->vcpu[0], close, c);
}

static long do_send(struct domain *d, evtchn_port_t port)
{
	struct evtchn_send s = { port };

	return OP(d->vcpu[0], send, s);
}

static struct evtchn_status status_of(struct domain *d, evtchn_port_t port)
{
	struct evtchn_status s = { .dom = DOMID_SELF, .port = port };

	assert_int_equal(OP(d->vcpu[0], status, s), 0);
	return s;
}

static struct shared_info *si(struct domain *d)
{
	return d->shared_info;
}

/* Forget all events of @d, as a guest that handled them. */
static void quiet(struct domain *d)
{
	memset(si(d)->evtchn_pending, 0, sizeof(si(d)->evtchn_pending));
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu_info *info = d->vcpu[i]->vcpu_info;

		info->evtchn_pending_sel = 0;
		info->evtchn_upcall_pending = 0;
		d->vcpu[i]->arch.upcalls = 0;
	}
}

static void test_alloc_unbound(void **state)
{
	struct evtchn_alloc_unbound u = { 1, 0, 0 };

	/* The store's and the console's ports of a new domain are 1 and 2: toolstacks and guests count on it. */
	assert_int_equal(OP(ctl->vcpu[0], alloc_unbound, u), 0);
	assert_int_equal(u.port, 1);
	assert_int_equal(OP(ctl->vcpu[0], alloc_unbound, u), 0);
	assert_int_equal(u.port, 2);
	assert_int_equal(status_of(a, 1).status, EVTCHNSTAT_unbound);
	assert_int_equal(status_of(a, 1).u.unbound.dom, 0);
	u.remote_dom = DOMID_SELF;
	assert_int_equal(OP(ctl->vcpu[0], alloc_unbound, u), 0);
	assert_int_equal(status_of(a, 3).u.unbound.dom, 0);
	assert_int_equal(unbound(a, 4000), 4); /* the remote need not exist */
	u.dom = 2;
	assert_int_equal(OP(a->vcpu[0], alloc_unbound, u), -EPERM);
	u.dom = 99;
	assert_int_equal(OP(ctl->vcpu[0], alloc_unbound, u), -ESRCH);
	assert_int_equal(host_hypercall(a->vcpu[0], HC_event_channel_op, EVTCHNOP_alloc_unbound, 1UL << 40, 0, 0, 0),
			 -EFAULT);
}

static void test_interdomain(void **state)
{
	evtchn_port_t pa = unbound(a, 2), pb, other;
	struct evtchn_status s;

	assert_int_equal(bind(ctl, 1, pa, &pb), -EINVAL); /* not open to it */
	assert_int_equal(bind(b, 1, 77, &pb), -EINVAL);
	assert_int_equal(bind(b, 1, 0, &pb), -EINVAL);
	assert_int_equal(bind(b, 1, 100000, &pb), -EINVAL);
	assert_int_equal(bind(b, 99, pa, &pb), -ESRCH);
	assert_int_equal(do_send(a, pa), 0); /* lost ... */
	assert_int_equal(evtchn_port_pending(b, 1), 0);
	assert_int_equal(bind(b, 1, pa, &pb), 0);
	assert_int_equal(evtchn_port_pending(b, pb), 1); /* ... and made up for */
	assert_int_equal(bind(b, 1, pa, &other), -EINVAL);
	s = status_of(a, pa);
	assert_int_equal(s.status, EVTCHNSTAT_interdomain);
	assert_int_equal(s.u.interdomain.dom, 2);
	assert_int_equal(s.u.interdomain.port, pb);
	quiet(a);
	quiet(b);
	assert_int_equal(do_send(b, pb), 0);
	assert_true(si(a)->evtchn_pending[0] == 1UL << pa);
	assert_true(si(a)->vcpu_info[0].evtchn_pending_sel == 1);
	assert_int_equal(si(a)->vcpu_info[0].evtchn_upcall_pending, 1);
	assert_int_equal(a->vcpu[0]->arch.upcalls, 1);
	assert_int_equal(do_send(b, pb), 0);
	assert_int_equal(a->vcpu[0]->arch.upcalls, 1); /* still pending: no second edge */
	/* Closing one end leaves the other open to the same domain; what was pending on the closed one is gone. */
	assert_int_equal(do_send(a, pa), 0);
	assert_int_equal(do_close(b, pb), 0);
	assert_int_equal(evtchn_port_pending(b, pb), 0);
	s = status_of(a, pa);
	assert_int_equal(s.status, EVTCHNSTAT_unbound);
	assert_int_equal(s.u.unbound.dom, 2);
	assert_int_equal(bind(b, 1, pa, &pb), 0);
	assert_int_equal(do_close(a, pa), 0);
	assert_int_equal(status_of(b, pb).status, EVTCHNSTAT_unbound);
	assert_int_equal(status_of(b, pb).u.unbound.dom, 1);
	assert_int_equal(do_close(a, pa), -EINVAL);
	assert_int_equal(do_send(a, pa), -EINVAL);
	assert_int_equal(do_close(a, 0), -EINVAL);
	assert_int_equal(do_send(a, 0), -EINVAL);
	assert_int_equal(do_send(a, ~0u), -EINVAL);
}

static void test_self_loop(void **state)
{
	evtchn_port_t p = unbound(a, DOMID_SELF), q;

	assert_int_equal(bind(a, DOMID_SELF, p, &q), 0);
	assert_int_equal(status_of(a, p).u.interdomain.port, q);
	quiet(a);
	assert_int_equal(do_send(a, p), 0);
	assert_int_equal(evtchn_port_pending(a, q), 1);
	assert_int_equal(do_close(a, q), 0);
	assert_int_equal(status_of(a, p).status, EVTCHNSTAT_unbound);
	assert_int_equal(do_close(a, p), 0);
}

static void test_virq(void **state)
{
	struct evtchn_bind_virq t = { VIRQ_TIMER, 3, 0 }, g = { VIRQ_DOM_EXC, 0, 0 }, bad = { NR_VIRQS, 0, 0 };
	struct evtchn_bind_vcpu move;

	assert_int_equal(OP(a->vcpu[0], bind_virq, t), 0);
	assert_int_equal(OP(a->vcpu[0], bind_virq, t), -EEXIST);
	assert_int_equal(OP(a->vcpu[0], bind_virq, g), 0);
	assert_int_equal(OP(a->vcpu[0], bind_virq, g), -EEXIST);
	assert_int_equal(OP(a->vcpu[0], bind_virq, bad), -EINVAL);
	bad = (struct evtchn_bind_virq){ VIRQ_CONSOLE, 1, 0 };
	assert_int_equal(OP(a->vcpu[0], bind_virq, bad), -EINVAL);
	bad = (struct evtchn_bind_virq){ VIRQ_TIMER, 4, 0 };
	assert_int_equal(OP(a->vcpu[0], bind_virq, bad), -ENOENT);
	send_guest_vcpu_virq(a->vcpu[3], VIRQ_TIMER);
	assert_int_equal(evtchn_port_pending(a, t.port), 1);
	assert_int_equal(si(a)->vcpu_info[3].evtchn_upcall_pending, 1);
	assert_int_equal(si(a)->vcpu_info[0].evtchn_upcall_pending, 0);
	send_guest_vcpu_virq(a->vcpu[2], VIRQ_TIMER); /* not bound there */
	/* A global one may move, a vCPU's may not, and is not sent on by the guest. */
	move = (struct evtchn_bind_vcpu){ g.port, 2 };
	assert_int_equal(OP(a->vcpu[0], bind_vcpu, move), 0);
	send_guest_global_virq(a, VIRQ_DOM_EXC);
	assert_int_equal(si(a)->vcpu_info[2].evtchn_upcall_pending, 1);
	move.port = t.port;
	assert_int_equal(OP(a->vcpu[0], bind_vcpu, move), -EINVAL);
	assert_int_equal(do_send(a, g.port), -EINVAL);
	assert_int_equal(status_of(a, t.port).status, EVTCHNSTAT_virq);
	assert_int_equal(status_of(a, t.port).u.virq, VIRQ_TIMER);
	assert_int_equal(status_of(a, t.port).vcpu, 3);
	send_guest_global_virq(NULL, VIRQ_DOM_EXC);
	send_guest_global_virq(b, VIRQ_DOM_EXC);
	assert_int_equal(do_close(a, t.port), 0);
	send_guest_vcpu_virq(a->vcpu[3], VIRQ_TIMER);
	assert_int_equal(OP(a->vcpu[0], bind_virq, t), 0);
}

static void test_ipi(void **state)
{
	struct evtchn_bind_ipi i = { 2, 0 };
	struct evtchn_bind_vcpu move = { 0, 1 };

	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), 0);
	assert_int_equal(do_send(a, i.port), 0);
	assert_int_equal(si(a)->vcpu_info[2].evtchn_upcall_pending, 1);
	move.port = i.port;
	assert_int_equal(OP(a->vcpu[0], bind_vcpu, move), -EINVAL);
	move.vcpu = 4;
	assert_int_equal(OP(a->vcpu[0], bind_vcpu, move), -ENOENT);
	i.vcpu = ~0u;
	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), -ENOENT);
	assert_int_equal(status_of(a, 1).status, EVTCHNSTAT_ipi);
}

static void test_mask(void **state)
{
	struct evtchn_bind_ipi i = { 1, 0 };
	struct evtchn_unmask u;
	struct vcpu_info *info = &si(a)->vcpu_info[1];

	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), 0);
	u.port = i.port;
	si(a)->evtchn_mask[0] |= 1UL << i.port;
	assert_int_equal(do_send(a, i.port), 0);
	assert_int_equal(evtchn_port_pending(a, i.port), 1);
	assert_int_equal(info->evtchn_upcall_pending, 0);
	assert_true(info->evtchn_pending_sel == 0);
	assert_int_equal(OP(a->vcpu[0], unmask, u), 0);
	assert_int_equal(info->evtchn_upcall_pending, 1);
	assert_true(info->evtchn_pending_sel == 1);
	assert_true((si(a)->evtchn_mask[0] & 1UL << i.port) == 0);
	/* Unmasking what is not masked is no event. */
	quiet(a);
	si(a)->evtchn_pending[0] = 1UL << i.port;
	assert_int_equal(OP(a->vcpu[0], unmask, u), 0);
	assert_int_equal(info->evtchn_upcall_pending, 0);
	u.port = 5000;
	assert_int_equal(OP(a->vcpu[0], unmask, u), -EINVAL);
	u.port = 100; /* exists, but closed */
	assert_int_equal(OP(a->vcpu[0], unmask, u), 0);
}

static void test_width32(void **state)
{
	struct shared_info_compat32 *s = a->shared_info;
	struct evtchn_bind_ipi i = { 1, 0 };
	unsigned n = 0;

	a->guest32 = true;
	for (unsigned k = 0; k < 4; k++)
		a->vcpu[k]->arch.guest32 = true;
	/* 1023 ports and no more. */
	while (OP(a->vcpu[0], bind_ipi, i) == 0)
		n++;
	assert_int_equal(n, 1023);
	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), -ENOSPC);
	assert_int_equal(do_send(a, 1023), 0);
	assert_true(s->evtchn_pending[31] == 1u << 31);
	assert_true(s->vcpu_info[1].evtchn_pending_sel == 1u << 31);
	assert_int_equal(s->vcpu_info[1].evtchn_upcall_pending, 1);
	assert_int_equal(do_send(a, 33), 0);
	assert_true(s->vcpu_info[1].evtchn_pending_sel == (1u << 31 | 1u << 1));
}

static void test_limit64(void **state)
{
	struct evtchn_bind_ipi i = { 1, 0 };
	unsigned n = 0;

	while (OP(a->vcpu[0], bind_ipi, i) == 0)
		n++;
	assert_int_equal(n, 4095);
	assert_int_equal(do_send(a, 4095), 0);
	assert_true(si(a)->evtchn_pending[63] == 1UL << 63);
	assert_true(si(a)->vcpu_info[1].evtchn_pending_sel == 1UL << 63);
	/* A guest that turns narrow cannot reach beyond its bitmap. */
	a->guest32 = true;
	assert_int_equal(do_send(a, 4095), 0);
	assert_int_equal(evtchn_port_pending(a, 4095), 0);
	a->guest32 = false;
	/* The lowest closed port is the next one opened. */
	assert_int_equal(do_close(a, 700), 0);
	assert_int_equal(do_close(a, 300), 0);
	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), 0);
	assert_int_equal(i.port, 300);
	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), 0);
	assert_int_equal(i.port, 700);
	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), -ENOSPC);
}

static void test_configured_limit(void **state)
{
	struct domain_config cfg = { .domid = 9, .max_vcpus = 1, .max_pages = 16, .max_evtchn_port = 3 };
	struct domain *d;
	evtchn_port_t p;

	assert_int_equal(domain_create(&cfg, &d), 0);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(evtchn_alloc_unbound(d, 1, &p), 0);
		assert_int_equal(p, i);
	}
	assert_int_equal(evtchn_alloc_unbound(d, 1, &p), -ENOSPC);
	kill_domain(d);
}

static void test_status_of_others(void **state)
{
	struct evtchn_status s = { .dom = 1, .port = 1 };

	assert_int_equal(OP(ctl->vcpu[0], status, s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_closed);
	assert_int_equal(OP(b->vcpu[0], status, s), -EPERM);
	s.port = 4096;
	assert_int_equal(OP(ctl->vcpu[0], status, s), -EINVAL);
	s.dom = 50;
	assert_int_equal(OP(ctl->vcpu[0], status, s), -ESRCH);
}

static unsigned notified;
static void on_notify(struct domain *d, evtchn_port_t port)
{
	assert_ptr_equal(d, a);
	assert_int_equal(port, 1);
	notified++;
}

static void test_hospes_end(void **state)
{
	evtchn_port_t p = unbound(a, 2), q;

	notified = 0;
	assert_int_equal(evtchn_attach_hv(a, p, on_notify), 0);
	assert_int_equal(evtchn_attach_hv(a, p, on_notify), -EINVAL);
	assert_int_equal(evtchn_attach_hv(a, 60, on_notify), -EINVAL);
	assert_int_equal(do_send(a, p), 0);
	assert_int_equal(notified, 1);
	evtchn_notify_from_hv(a, p);
	assert_int_equal(evtchn_port_pending(a, p), 1);
	assert_int_equal(do_close(a, p), -EINVAL);
	assert_int_equal(bind(b, 1, p, &q), -EINVAL);
	assert_int_equal(status_of(a, p).u.unbound.dom, 2);
	evtchn_detach_hv(a, p);
	assert_int_equal(do_send(a, p), 0);
	assert_int_equal(notified, 1);
	assert_int_equal(bind(b, 1, p, &q), 0);
	evtchn_notify_from_hv(a, p);
	evtchn_detach_hv(a, p);
	assert_int_equal(status_of(a, p).status, EVTCHNSTAT_interdomain);
}

static void test_link(void **state)
{
	evtchn_port_t pa = 20, pb = 0;

	assert_int_equal(evtchn_link(a, &pa, b, &pb), 0);
	assert_int_equal(pa, 20);
	assert_int_equal(pb, 1);
	assert_int_equal(do_send(b, pb), 0);
	assert_int_equal(evtchn_port_pending(a, 20), 1);
	pb = 0;
	assert_int_equal(evtchn_link(a, &pa, b, &pb), -EBUSY);
	pa = 300; /* in a bucket that does not exist yet */
	pb = 1;
	assert_int_equal(evtchn_link(a, &pa, b, &pb), -EBUSY);
	assert_int_equal(status_of(a, 300).status, EVTCHNSTAT_closed);
	pa = 4096;
	pb = 0;
	assert_int_equal(evtchn_link(a, &pa, b, &pb), -ENOSPC);
	pa = pb = 0;
	assert_int_equal(evtchn_link(a, &pa, a, &pb), 0);
	assert_int_not_equal(pa, pb);
	pa = pb = 50;
	assert_int_equal(evtchn_link(a, &pa, a, &pb), -EBUSY);
	assert_int_equal(status_of(a, 50).status, EVTCHNSTAT_closed);
}

static void test_reset(void **state)
{
	struct evtchn_reset r = { DOMID_SELF };
	evtchn_port_t hv = unbound(a, 0), p = unbound(a, 2), q;

	assert_int_equal(bind(b, 1, p, &q), 0);
	assert_int_equal(evtchn_attach_hv(a, hv, on_notify), 0);
	for (unsigned i = 0; i < 300; i++)
		(void)unbound(a, 0);
	softirq_raise(0, SOFTIRQ_TASK);
	assert_int_equal(OP(a->vcpu[0], reset, r), 0);
	assert_true(host_slices() > 300); /* one for each open port */
	assert_int_equal(status_of(b, q).status, EVTCHNSTAT_unbound);
	assert_int_equal(status_of(a, p).status, EVTCHNSTAT_closed);
	assert_int_equal(status_of(a, 299).status, EVTCHNSTAT_closed);
	assert_int_equal(status_of(a, hv).status, EVTCHNSTAT_unbound); /* Hospes' own stays */
	r.dom = 2;
	b->controller_pause_count = 0;
	assert_int_equal(OP(a->vcpu[0], reset, r), -EPERM);
	assert_int_equal(OP(ctl->vcpu[0], reset, r), -EINVAL); /* not paused by its controller */
	b->controller_pause_count = 1;
	assert_int_equal(OP(ctl->vcpu[0], reset, r), 0);
	assert_int_equal(status_of(b, q).status, EVTCHNSTAT_closed);
	b->controller_pause_count = 0;
	host_run_softirqs(0);
}

/* The ports that are open are counted, whatever comes and goes: the work of a change of the ABI ends with the last of them. */
static void test_count(void **state)
{
	evtchn_port_t p[40], q;
	struct evtchn_reset r = { DOMID_SELF };

	for (unsigned i = 0; i < 40; i++)
		p[i] = unbound(a, i % 2 ? 1 : 2);
	for (unsigned i = 0; i < 40; i += 3)
		assert_int_equal(i % 2 ? bind(a, 1, p[i], &q) : bind(b, 1, p[i], &q), 0);
	assert_int_equal(evtchn_attach_hv(a, p[1], on_notify), 0);
	assert_int_equal(a->evtchn->nr_open, evtchn_ports_in_use(a));
	assert_int_equal(b->evtchn->nr_open, evtchn_ports_in_use(b));
	for (unsigned i = 0; i < 40; i += 2) {
		struct evtchn_close c = { p[i] };

		assert_int_equal(OP(a->vcpu[0], close, c), 0);
		assert_int_equal(a->evtchn->nr_open, evtchn_ports_in_use(a));
	}
	q = 0;
	assert_int_equal(evtchn_link(a, &q, a, &(evtchn_port_t){ 0 }), 0);
	assert_int_equal(evtchn_link(a, &q, a, &(evtchn_port_t){ 99 }), -EBUSY); /* taken: undone */
	assert_int_equal(a->evtchn->nr_open, evtchn_ports_in_use(a));
	assert_int_equal(OP(a->vcpu[0], reset, r), 0);
	assert_int_equal(a->evtchn->nr_open, 1); /* Hospes' */
	kill_domain(b);
	kill_domain(a);
}

static void *resets(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;
	struct evtchn_reset *r = (void *)((char *)gpa_ptr(a, ARG) + cpu * 64);

	host_set_cpu(cpu);
	r->dom = DOMID_SELF;
	for (unsigned i = 0; i < 20000; i++)
		if (host_hypercall(a->vcpu[cpu], HC_event_channel_op, EVTCHNOP_reset, ARG + cpu * 64, 0, 0, 0))
			return arg;
	return NULL;
}

/* Two vCPUs of one domain reset it at once: they share the progress, which must not lead beyond the last port. */
static void test_reset_race(void **state)
{
	pthread_t t[2];
	void *bad;

	for (unsigned i = 0; i < 20; i++)
		(void)unbound(a, b->id);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, resets, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
	assert_int_equal(status_of(a, 1).status, EVTCHNSTAT_closed);
}

static void test_not_there(void **state)
{
	struct evtchn_set_priority pr = { 1, 3 };
	uint64_t any[4] = { 0 };

	assert_int_equal(op(a->vcpu[0], EVTCHNOP_bind_pirq, any, 12), -ENOSYS);
	assert_int_equal(op(a->vcpu[0], 14, any, 12), -ENOSYS);
	assert_int_equal(op(a->vcpu[0], 0xffffffff, any, 12), -ENOSYS);
	assert_int_equal(OP(a->vcpu[0], set_priority, pr), -ENOSYS);
	pr.port = 9999;
	assert_int_equal(OP(a->vcpu[0], set_priority, pr), -EINVAL);
	for (unsigned cmd = 0; cmd < 14; cmd++)
		assert_true(host_hypercall(a->vcpu[0], HC_event_channel_op, cmd, ~0UL - 3, 0, 0, 0) < 0);
}

static void test_poll_wakes(void **state)
{
	struct evtchn_bind_ipi i = { 1, 0 }, j = { 1, 0 };
	struct vcpu *v = a->vcpu[2];

	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), 0);
	assert_int_equal(OP(a->vcpu[0], bind_ipi, j), 0);
	si(a)->evtchn_mask[0] = ~0UL; /* pollers see masked ports too */
	v->pause_flags |= VPF_BLOCKED | VPF_POLLING;
	v->poll_evtchn = (int)i.port;
	assert_int_equal(do_send(a, j.port), 0);
	assert_int_equal(v->pause_flags, VPF_BLOCKED | VPF_POLLING);
	assert_int_equal(do_send(a, i.port), 0);
	assert_int_equal(v->pause_flags, 0);
	quiet(a);
	v->pause_flags |= VPF_BLOCKED | VPF_POLLING;
	v->poll_evtchn = -1;
	assert_int_equal(do_send(a, j.port), 0);
	assert_int_equal(v->pause_flags, 0);
}

static void test_vcpu_info_moves(void **state)
{
	static struct vcpu_info elsewhere;
	struct evtchn_bind_ipi i = { 1, 0 };
	struct vcpu *v = a->vcpu[1];
	void *before = v->vcpu_info;

	v->vcpu_info = NULL; /* as a vCPU beyond 32 */
	assert_int_equal(OP(a->vcpu[0], bind_ipi, i), 0);
	assert_int_equal(do_send(a, i.port), 0);
	assert_false(evtchn_upcall_pending(v));
	evtchn_vcpu_info_moved(v);
	memset(&elsewhere, 0, sizeof(elsewhere));
	v->vcpu_info = &elsewhere;
	evtchn_vcpu_info_moved(v);
	assert_true(evtchn_upcall_pending(v));
	assert_true(elsewhere.evtchn_pending_sel == ~0UL);
	v->vcpu_info = before;
}

static void test_death(void **state)
{
	evtchn_port_t p = unbound(a, 2), q, r;
	uint64_t heap;
	struct domain *d;

	assert_int_equal(bind(b, 1, p, &q), 0);
	kill_domain(a);
	assert_int_equal(status_of(b, q).status, EVTCHNSTAT_unbound);
	assert_int_equal(do_send(b, q), 0);
	assert_int_equal(bind(b, 1, p, &r), -ESRCH);
	/* A whole life costs nothing in the end. */
	heap = heap_bytes_used();
	for (unsigned i = 0; i < 3; i++) {
		d = host_domain(5, 1, 16, 0);
		for (unsigned k = 0; k < 500; k++)
			(void)unbound(d, 2);
		kill_domain(d);
	}
	assert_true(heap_bytes_used() == heap);
	/* Nothing opens in a domain that dies. */
	b->dying = true;
	assert_int_equal(evtchn_alloc_unbound(b, 1, &r), -EINVAL);
	assert_int_equal(bind(ctl, 2, q, &r), -EINVAL);
	b->dying = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup(test_alloc_unbound, setup),
					    cmocka_unit_test_setup(test_interdomain, setup),
					    cmocka_unit_test_setup(test_self_loop, setup),
					    cmocka_unit_test_setup(test_virq, setup),
					    cmocka_unit_test_setup(test_ipi, setup),
					    cmocka_unit_test_setup(test_mask, setup),
					    cmocka_unit_test_setup(test_width32, setup),
					    cmocka_unit_test_setup(test_limit64, setup),
					    cmocka_unit_test_setup(test_configured_limit, setup),
					    cmocka_unit_test_setup(test_status_of_others, setup),
					    cmocka_unit_test_setup(test_hospes_end, setup),
					    cmocka_unit_test_setup(test_link, setup),
					    cmocka_unit_test_setup(test_reset, setup),
					    cmocka_unit_test_setup(test_count, setup),
					    cmocka_unit_test_setup(test_reset_race, setup),
					    cmocka_unit_test_setup(test_not_there, setup),
					    cmocka_unit_test_setup(test_poll_wakes, setup),
					    cmocka_unit_test_setup(test_vcpu_info_moves, setup),
					    cmocka_unit_test_setup(test_death, setup) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
