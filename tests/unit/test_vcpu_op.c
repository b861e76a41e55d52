/* Hypercall 24: bringing vCPUs up and down, their timers, and the areas they share with Hospes, in both widths. */
#include "guest_test.h"

#include "abi/vcpu.h"
#include "abi/xen.h"
#include "hv/sched.h"

static struct domain *d;
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
	d = host_domain(1, 40, 16, 0);
	v = d->vcpu[0];
	for (unsigned i = 1; i < 40; i++) {
		__atomic_fetch_or(&d->vcpu[i]->pause_flags, VPF_DOWN, __ATOMIC_SEQ_CST);
		vcpu_sleep_nosync(d->vcpu[i]);
	}
	react();
	assert_true(v->running);
	return 0;
}

static int teardown(void **state)
{
	int rc;

	while ((rc = domain_kill(d)) == -ERESTART)
		react();
	return rc;
}

static long op(unsigned cmd, unsigned vcpu, void *arg, size_t size)
{
	long rc;

	memcpy(gpa_ptr(d, ARG), arg, size);
	rc = host_hypercall(v, HC_vcpu_op, cmd, vcpu, ARG, 0, 0);
	memcpy(arg, gpa_ptr(d, ARG), size);
	return rc;
}

static long plain(unsigned cmd, unsigned vcpu)
{
	return host_hypercall(v, HC_vcpu_op, cmd, vcpu, 0, 0, 0);
}

static long with_bad_address(unsigned cmd)
{
	return host_hypercall(v, HC_vcpu_op, cmd, 0, 0x100000, 0, 0);
}

static void test_unknown(void **state)
{
	assert_int_equal(plain(99, 0), -ENOSYS);
	assert_int_equal(plain(VCPUOP_is_up, 40), -ENOENT);
	assert_int_equal(plain(VCPUOP_is_up, ~0u), -ENOENT);
	assert_int_equal(plain(VCPUOP_get_physid, 0), -EINVAL);
	assert_int_equal(plain(VCPUOP_initialise, 0), -EEXIST);
	assert_int_equal(with_bad_address(VCPUOP_get_runstate_info), -EFAULT);
	assert_int_equal(with_bad_address(VCPUOP_register_runstate_memory_area), -EFAULT);
	assert_int_equal(with_bad_address(VCPUOP_set_periodic_timer), -EFAULT);
	assert_int_equal(with_bad_address(VCPUOP_set_singleshot_timer), -EFAULT);
	assert_int_equal(with_bad_address(VCPUOP_register_vcpu_info), -EFAULT);
	assert_int_equal(with_bad_address(VCPUOP_register_vcpu_time_memory_area), -EFAULT);
}

static void test_up_and_down(void **state)
{
	d->vcpu[2]->initialised = false;
	assert_int_equal(plain(VCPUOP_up, 2), -EINVAL);
	assert_int_equal(plain(VCPUOP_is_up, 1), 0);
	assert_int_equal(plain(VCPUOP_up, 1), 0);
	assert_int_equal(plain(VCPUOP_up, 1), 0);
	assert_int_equal(plain(VCPUOP_is_up, 1), 1);
	react();
	assert_true(d->vcpu[1]->running);
	assert_int_equal(plain(VCPUOP_down, 1), 0);
	react();
	assert_false(d->vcpu[1]->running);
	assert_int_equal(plain(VCPUOP_is_up, 1), 0);
	/* The last one going down is a power-off. */
	assert_int_equal(plain(VCPUOP_down, 0), 0);
	react();
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, SHUTDOWN_POWEROFF);
}

static void test_runstate_info(void **state)
{
	struct vcpu_runstate_info info = { 0 };

	host_advance(5000);
	assert_int_equal(op(VCPUOP_get_runstate_info, 0, &info, sizeof(info)), 0);
	assert_int_equal(info.state, RUNSTATE_running);
	assert_int_equal(info.time[RUNSTATE_running], 5000);
	assert_int_equal(info.state_entry_time, v->runstate_entry);
	assert_int_equal(op(VCPUOP_get_runstate_info, 1, &info, sizeof(info)), 0);
	assert_int_equal(info.state, RUNSTATE_offline);
}

static void test_runstate_info_32bit(void **state)
{
	uint32_t raw[11];
	uint64_t running;

	host_advance(5000);
	v->arch.guest32 = true;
	assert_int_equal(op(VCPUOP_get_runstate_info, 0, raw, sizeof(raw)), 0);
	memcpy(&running, &raw[3], 8);
	assert_int_equal(raw[0], RUNSTATE_running);
	assert_int_equal(running, 5000);
}

/* The area is filled at once, also for another vCPU, and its width is the registering call's. */
static void test_runstate_area(void **state)
{
	struct vcpu_register_runstate_memory_area a = { 0x4010 };
	int32_t got = -1;

	memset(gpa_ptr(d, 0x4000), 0xee, 0x100);
	assert_int_equal(op(VCPUOP_register_runstate_memory_area, 0, &a, sizeof(a)), 0);
	memcpy(&got, gpa_ptr(d, 0x4010), 4);
	assert_int_equal(got, RUNSTATE_running);
	assert_false(v->runstate_guest32);
	assert_int_equal(*(uint8_t *)gpa_ptr(d, 0x4010 + 48), 0xee);
	v->arch.guest32 = true;
	a.addr = 0xffffffff00004080; /* a 32-bit guest fills half of it */
	assert_int_equal(op(VCPUOP_register_runstate_memory_area, 1, &a, sizeof(a)), 0);
	memcpy(&got, gpa_ptr(d, 0x4080), 4);
	assert_int_equal(got, RUNSTATE_offline);
	assert_int_equal(d->vcpu[1]->runstate_gva, 0x4080);
	assert_true(d->vcpu[1]->runstate_guest32);
	assert_int_equal(*(uint8_t *)gpa_ptr(d, 0x4080 + 44), 0xee);
	a.addr = 0;
	assert_int_equal(op(VCPUOP_register_runstate_memory_area, 1, &a, sizeof(a)), 0);
	assert_int_equal(d->vcpu[1]->runstate_gva, 0);
}

static evtchn_port_t bind_timer_virq(void)
{
	uint32_t bind[3] = { VIRQ_TIMER, 0, 0 };

	assert_int_equal(call_arg(v, HC_event_channel_op, 1, bind, sizeof(bind)), 0);
	return bind[2];
}

static bool take_pending(evtchn_port_t port)
{
	uint64_t *word = &((struct shared_info *)d->shared_info)->evtchn_pending[port / 64], bit = 1UL << port % 64;
	bool was = *word & bit;

	*word &= ~bit;
	((struct vcpu_info *)v->vcpu_info)->evtchn_upcall_pending = 0;
	((struct vcpu_info *)v->vcpu_info)->evtchn_pending_sel = 0;
	return was;
}

static void test_periodic(void **state)
{
	struct vcpu_set_periodic_timer p = { 999999 };
	evtchn_port_t port = bind_timer_virq();

	assert_int_equal(op(VCPUOP_set_periodic_timer, 0, &p, sizeof(p)), -EINVAL);
	p.period_ns = 1UL << 63;
	assert_int_equal(op(VCPUOP_set_periodic_timer, 0, &p, sizeof(p)), -EINVAL);
	p.period_ns = 2000000;
	assert_int_equal(op(VCPUOP_set_periodic_timer, 0, &p, sizeof(p)), 0);
	for (unsigned i = 0; i < 5; i++) {
		host_advance(1000000);
		react();
		assert_false(take_pending(port));
		host_advance(1000000);
		react();
		assert_true(take_pending(port));
	}
	/* Missed ticks are not made up for. */
	host_advance(21 * 1000000);
	react();
	assert_true(take_pending(port));
	react();
	assert_false(take_pending(port));
	assert_int_equal(plain(VCPUOP_stop_periodic_timer, 0), 0);
	assert_int_equal(plain(VCPUOP_stop_periodic_timer, 0), 0);
	host_advance(MILLISECS(50));
	react();
	assert_false(take_pending(port));
}

static void test_singleshot(void **state)
{
	struct vcpu_set_singleshot_timer s = { .timeout_abs_ns = (uint64_t)now() + 1000 };
	evtchn_port_t port = bind_timer_virq();

	assert_int_equal(op(VCPUOP_set_singleshot_timer, 1, &s, sizeof(s)), -EINVAL);
	assert_int_equal(plain(VCPUOP_stop_singleshot_timer, 1), -EINVAL);
	assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, &s, sizeof(s)), 0);
	host_advance(1000);
	react();
	assert_true(take_pending(port));
	assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, &s, sizeof(s)), 0); /* past: at once */
	react();
	assert_true(take_pending(port));
	s.timeout_abs_ns = (uint64_t)now() + 1000;
	assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, &s, sizeof(s)), 0);
	assert_int_equal(plain(VCPUOP_stop_singleshot_timer, 0), 0);
	host_advance(5000);
	react();
	assert_false(take_pending(port));
}

static long register_info(unsigned vcpu, uint64_t gfn_, uint32_t offset)
{
	struct vcpu_register_vcpu_info r = { .mfn = gfn_, .offset = offset };

	return op(VCPUOP_register_vcpu_info, vcpu, &r, sizeof(r));
}

static void test_register_vcpu_info(void **state)
{
	struct vcpu_info *info;
	struct frame *f = mfn_to_frame(p2m_lookup(d, gfn(5), NULL, NULL));
	uint32_t refs = f->refs;

	assert_int_equal(register_info(0, 5, PAGE_SIZE - 63), -ENXIO);
	assert_int_equal(register_info(0, 5, ~0u), -ENXIO);
	assert_int_equal(register_info(0, 5, 4), -ENXIO);
	assert_int_equal(register_info(0, 5000, 0), -EINVAL);
	assert_int_equal(register_info(0, ~0UL, 0), -EINVAL);
	((struct vcpu_info *)v->vcpu_info)->time.version = 42;
	((struct vcpu_info *)v->vcpu_info)->evtchn_upcall_mask = 1;
	assert_int_equal(register_info(0, 5, PAGE_SIZE - 64), 0);
	info = gpa_ptr(d, 0x5000 + PAGE_SIZE - 64);
	assert_ptr_equal(v->vcpu_info, info);
	assert_int_equal(info->time.version, 42);
	assert_int_equal(info->evtchn_upcall_mask, 1);
	assert_int_equal(info->evtchn_upcall_pending, 1);
	assert_int_equal(info->evtchn_pending_sel, ~0UL);
	assert_int_equal(f->refs, refs + 1);
	assert_int_equal(register_info(0, 6, 0), -EINVAL); /* once */
	/* For others: only while they are down. Number 39 had none before. */
	assert_int_equal(register_info(39, 5, 0), 0);
	info = gpa_ptr(d, 0x5000);
	assert_int_equal(info->evtchn_upcall_mask, 1);
	assert_int_equal(plain(VCPUOP_up, 3), 0);
	assert_int_equal(register_info(3, 6, 0), -EINVAL);
	assert_int_equal(f->refs, refs + 2);
}

static void test_time_area(void **state)
{
	struct vcpu_register_time_memory_area a = { 0x4000 };

	assert_int_equal(op(VCPUOP_register_vcpu_time_memory_area, 0, &a, sizeof(a)), 0);
	assert_int_equal(v->time_info_gva, 0x4000);
	a.addr = 0;
	assert_int_equal(op(VCPUOP_register_vcpu_time_memory_area, 0, &a, sizeof(a)), 0);
	assert_int_equal(v->time_info_gva, 0);
}

static void test_nmi(void **state)
{
	assert_int_equal(plain(VCPUOP_send_nmi, 1), 0);
	assert_int_equal(d->vcpu[1]->arch.nmis, 1);
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_send_nmi, 1, ARG, 0, 0), -EINVAL);
	assert_int_equal(d->vcpu[1]->arch.nmis, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_up_and_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runstate_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runstate_info_32bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runstate_area, setup, teardown),
		cmocka_unit_test_setup_teardown(test_periodic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_singleshot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_register_vcpu_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_area, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nmi, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
