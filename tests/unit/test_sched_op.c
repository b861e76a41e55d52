/* Hypercalls 29 and 15: yield, block, poll, the ways to end a domain, watchdogs, pinning, the oldest timer call. */
#include "guest_test.h"

#include "abi/event_channel.h"
#include "abi/sched.h"
#include "abi/xen.h"
#include "hv/sched.h"

#define LIST 0x2000UL

static struct domain *ctl, *d;
static struct vcpu *v;

static void react(void)
{
	for (unsigned round = 0; round < 3; round++)
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			host_set_cpu(cpu);
			host_run_softirqs(cpu);
			if (this_pcpu()->softirqs & (1u << SOFTIRQ_SCHED))
				schedule();
		}
	host_set_cpu(v->processor);
}

static int setup(void **state)
{
	host_machine(RAM, 2);
	host_set_time(MILLISECS(1));
	ctl = host_domain(0, 1, 8, ROLE_ALL);
	vcpu_pause_sync(ctl->vcpu[0]);
	d = host_domain(1, 2, 8, 0);
	v = d->vcpu[0];
	react();
	assert_true(v->running);
	return 0;
}

static int teardown(void **state)
{
	int rc;

	domain_pause_nosync(d);
	react();
	while ((rc = domain_kill(d)) == -ERESTART)
		react();
	assert_int_equal(rc, 0);
	while ((rc = domain_kill(ctl)) == -ERESTART)
		react();
	return rc;
}

static long op(struct vcpu *caller, unsigned cmd, void *arg, size_t size)
{
	return call_arg(caller, HC_sched_op, cmd, arg, size);
}

#define OP(caller, cmd, arg) op((caller), SCHEDOP_##cmd, &(arg), sizeof(arg))

static void unmask_upcalls(struct vcpu *w, bool on)
{
	((struct vcpu_info *)w->vcpu_info)->evtchn_upcall_mask = !on;
}

static void test_unknown(void **state)
{
	assert_int_equal(host_hypercall(v, HC_sched_op, 8, ARG, 0, 0, 0), -ENOSYS);
	assert_int_equal(host_hypercall(v, HC_sched_op, SCHEDOP_shutdown, 0x100000, 0, 0, 0), -EFAULT);
	assert_int_equal(host_hypercall(v, HC_sched_op, SCHEDOP_poll, 0x100000, 0, 0, 0), -EFAULT);
	assert_int_equal(host_hypercall(v, HC_sched_op, SCHEDOP_watchdog, 0x100000, 0, 0, 0), -EFAULT);
	assert_int_equal(host_hypercall(v, HC_sched_op, SCHEDOP_yield, 0, 0, 0, 0), 0);
}

static void test_block(void **state)
{
	unmask_upcalls(v, false);
	assert_int_equal(host_hypercall(v, HC_sched_op, SCHEDOP_block, 0, 0, 0, 0), 0);
	assert_int_equal(((struct vcpu_info *)v->vcpu_info)->evtchn_upcall_mask, 0);
	assert_false(vcpu_runnable(v));
	react();
	vcpu_kick(v);
	assert_true(vcpu_runnable(v));
	/* With an upcall pending there is nothing to wait for. */
	((struct vcpu_info *)v->vcpu_info)->evtchn_upcall_pending = 1;
	assert_int_equal(host_hypercall(v, HC_sched_op, SCHEDOP_block, 0, 0, 0, 0), 0);
	assert_true(vcpu_runnable(v));
}

static long poll(const uint32_t *ports, uint32_t nr, uint64_t timeout)
{
	struct sched_poll p = { .ports = LIST, .nr_ports = nr, .timeout = timeout };

	memcpy(gpa_ptr(d, LIST), ports, nr > 128 ? 0 : nr * 4);
	return OP(v, poll, p);
}

static evtchn_port_t ipi(unsigned vcpu)
{
	struct evtchn_bind_ipi b = { .vcpu = vcpu };

	assert_int_equal(call_arg(v, HC_event_channel_op, EVTCHNOP_bind_ipi, &b, sizeof(b)), 0);
	return b.port;
}

static void send(evtchn_port_t port)
{
	struct evtchn_send s = { .port = port };

	assert_int_equal(call_arg(d->vcpu[1], HC_event_channel_op, EVTCHNOP_send, &s, sizeof(s)), 0);
}

static void mask(evtchn_port_t port)
{
	((struct shared_info *)d->shared_info)->evtchn_mask[port / 64] |= 1UL << port % 64;
}

static void unpend(evtchn_port_t port)
{
	((struct shared_info *)d->shared_info)->evtchn_pending[port / 64] &= ~(1UL << port % 64);
}

static void test_poll_arguments(void **state)
{
	uint32_t many[128], bad[] = { 4000 };
	struct sched_poll p = { .ports = 0x100000, .nr_ports = 1 };

	assert_int_equal(poll(bad, 129, 0), -EINVAL);
	assert_int_equal(poll(bad, 1, 0), -EINVAL);
	assert_int_equal(OP(v, poll, p), -EFAULT);
	assert_true(vcpu_runnable(v));
	for (unsigned i = 0; i < 128; i++)
		many[i] = ipi(0);
	assert_int_equal(poll(many, 128, 0), 0);
	assert_int_equal(v->pause_flags, VPF_BLOCKED | VPF_POLLING);
	send(many[127]);
	assert_true(vcpu_runnable(v));
}

/* A masked port wakes its poller, whether it comes before or after the poll began; another masked port does not. */
static void test_poll_wakes_on_masked(void **state)
{
	uint32_t port = ipi(0), other = ipi(0);

	mask(port);
	mask(other);
	assert_int_equal(poll(&port, 1, 0), 0);
	react();
	assert_false(vcpu_runnable(v));
	send(other);
	assert_false(vcpu_runnable(v));
	send(port);
	assert_true(vcpu_runnable(v));
	assert_int_equal(v->poll_evtchn, port); /* a late waker must not touch what a later poll may have written */
	/* Still pending: does not sleep at all. */
	assert_int_equal(poll(&port, 1, 0), 0);
	assert_true(vcpu_runnable(v));
	unpend(port);
	assert_int_equal(poll(&port, 1, 0), 0);
	assert_false(vcpu_runnable(v));
	vcpu_unblock(v);
}

static void test_poll_timeout(void **state)
{
	uint32_t port = ipi(0);

	mask(port);
	assert_int_equal(poll(&port, 1, (uint64_t)now() + 5000), 0);
	react();
	host_advance(4999);
	react();
	assert_false(vcpu_runnable(v));
	host_advance(1);
	react();
	assert_true(vcpu_runnable(v));
	assert_int_equal(v->pause_flags, 0);
	/* A time in the past is over at once. */
	assert_int_equal(poll(&port, 1, 1), 0);
	react();
	assert_true(vcpu_runnable(v));
	/* No ports: just sleep. */
	assert_int_equal(poll(&port, 0, (uint64_t)now() + 100), 0);
	react();
	assert_false(vcpu_runnable(v));
	host_advance(100);
	react();
	assert_true(vcpu_runnable(v));
	/* The timer of an earlier poll does not end a later one. */
	assert_int_equal(poll(&port, 1, (uint64_t)now() + 100), 0);
	send(port);
	unpend(port);
	assert_int_equal(poll(&port, 1, 0), 0);
	host_advance(1000);
	react();
	assert_false(vcpu_runnable(v));
	vcpu_unblock(v);
}

static void test_poll_32bit(void **state)
{
	uint32_t port = ipi(0);
	struct {
		uint32_t ports, nr, timeout[2];
	} p = { (uint32_t)LIST, 1, { 0 } };

	mask(port);
	v->arch.guest32 = true;
	memcpy(gpa_ptr(d, LIST), &port, 4);
	assert_int_equal(op(v, SCHEDOP_poll, &p, sizeof(p)), 0);
	assert_int_equal(v->poll_evtchn, port);
	vcpu_unblock(v);
}

static void test_shutdown(void **state)
{
	struct sched_shutdown s = { .reason = SHUTDOWN_reboot };

	assert_int_equal(OP(v, shutdown, s), 0);
	assert_false(vcpu_runnable(v));
	assert_false(d->is_shut_down);
	react();
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, SHUTDOWN_REBOOT);
}

static void test_shutdown_code(void **state)
{
	struct sched_shutdown s = { .reason = SHUTDOWN_crash };

	assert_int_equal(OP(v, shutdown_code, s), 0);
	assert_true(vcpu_runnable(v));
	s.reason = SHUTDOWN_suspend;
	assert_int_equal(OP(v, shutdown_code, s), 0);
	s.reason = SHUTDOWN_poweroff;
	assert_int_equal(OP(v, shutdown, s), 0);
	react();
	assert_int_equal(d->shutdown_code, SHUTDOWN_CRASH);
}

static void test_remote_shutdown(void **state)
{
	struct sched_remote_shutdown r = { .domain_id = 0, .reason = SHUTDOWN_crash };

	assert_int_equal(OP(v, remote_shutdown, r), -EPERM);
	assert_false(ctl->shutting_down);
	r.domain_id = 77;
	assert_int_equal(OP(ctl->vcpu[0], remote_shutdown, r), -ESRCH);
	r.domain_id = DOMID_SELF;
	assert_int_equal(OP(ctl->vcpu[0], remote_shutdown, r), -ESRCH);
	r.domain_id = 1;
	assert_int_equal(OP(ctl->vcpu[0], remote_shutdown, r), 0);
	react();
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, SHUTDOWN_CRASH);
}

static long watchdog(uint32_t id, uint32_t timeout)
{
	struct sched_watchdog w = { .id = id, .timeout = timeout };

	return OP(v, watchdog, w);
}

static void test_watchdog(void **state)
{
	assert_int_equal(watchdog(1, 5), -EINVAL);
	assert_int_equal(watchdog(0, 10), 1);
	assert_int_equal(watchdog(0, 30), 2);
	assert_int_equal(watchdog(0, 10), -ENOSPC);
	assert_int_equal(watchdog(3, 10), -EINVAL);
	host_advance(9 * NSEC_PER_SEC);
	react();
	assert_int_equal(watchdog(1, 10), 0); /* poked */
	host_advance(9 * NSEC_PER_SEC);
	react();
	assert_false(d->shutting_down);
	assert_int_equal(watchdog(1, 0), 0); /* off */
	assert_int_equal(watchdog(1, 0), -EINVAL);
	host_advance(9 * NSEC_PER_SEC);
	react();
	assert_false(d->shutting_down);
	host_advance(5 * NSEC_PER_SEC); /* the second one */
	react();
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, SHUTDOWN_WATCHDOG);
	assert_false(ctl->shutting_down);
}

static void test_pin_override(void **state)
{
	struct sched_pin_override p = { .pcpu = 1 };
	struct vcpu *c = ctl->vcpu[0];

	assert_int_equal(OP(v, pin_override, p), -EPERM);
	assert_int_equal(OP(c, pin_override, p), 0);
	assert_int_equal(c->processor, 1);
	assert_int_equal(OP(c, pin_override, p), -EBUSY);
	p.pcpu = -1;
	assert_int_equal(OP(c, pin_override, p), 0);
	assert_int_equal(OP(c, pin_override, p), -EINVAL);
	p.pcpu = 99;
	assert_int_equal(OP(c, pin_override, p), -EINVAL);
}

static long set_timer(uint64_t a0, uint64_t a1)
{
	return host_hypercall(v, HC_set_timer_op, a0, a1, 0, 0, 0);
}

static void test_set_timer(void **state)
{
	struct timer *t = &v->singleshot_timer;

	assert_int_equal(set_timer((uint64_t)now() + 500, 0), 0);
	assert_true(timer_active(t));
	assert_int_equal(t->expires, now() + 500);
	assert_int_equal(set_timer(0, 0), 0);
	assert_false(timer_active(t));
	assert_int_equal(set_timer(5, 0), 0);
	react();
	assert_false(timer_active(t));
	/* Nonsense fires soon rather than never. */
	assert_int_equal(set_timer(~0UL, 0), 0);
	assert_int_equal(t->expires, now() + MILLISECS(100));
	assert_int_equal(set_timer(1UL << 60, 0), 0);
	assert_int_equal(t->expires, now() + MILLISECS(100));
	v->arch.guest32 = true;
	assert_int_equal(set_timer(7, 3), 0);
	assert_int_equal(t->expires, 7 + (3L << 32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poll_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poll_wakes_on_masked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poll_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poll_32bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shutdown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shutdown_code, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remote_shutdown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin_override, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_timer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
