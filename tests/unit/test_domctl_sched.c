/* Affinities, scheduling parameters and nodes of domains by domctl, on the fake machine. */
#include "control_test.h"

#include "hv/cpupool.h"
#include "hv/sched.h"

static void test_affinity(void **state)
{
	static const struct {
		uint32_t vcpu, flags, nr_bits;
		uint8_t hard, soft;
		int rc;
		uint8_t hard_after, soft_after; /* as asked for next */
	} cases[] = {
		{ 0, 1, 8, 1, 0, 0, 1, 0xf },
		{ 0, 2, 8, 0, 1, 0, 1, 1 },
		{ 0, 3, 8, 0xff, 0xff, 0, 0xf, 0xf },
		{ 0, 0, 8, 1, 1, -EINVAL, 0xf, 0xf },
		{ 0, 4, 8, 1, 1, 0, 0xf, 0xf },
		{ 0, 1, 8, 0, 0, -EINVAL, 0xf, 0xf },
		{ 0, 1, 8, 0xf0, 0, -EINVAL, 0xf, 0xf },
		{ 0, 2, 8, 0, 0xf0, 0, 0xf, 0 },
		{ 0, 2, 8, 0, 0, 0, 0xf, 0 },
		{ 5, 1, 8, 1, 0, -EINVAL, 0xf, 0 },
		{ 0, 8, 8, 1, 0, 0, 0xf, 0 },
		{ 0, 1, 0, 1, 0, -EINVAL, 0xf, 0 },
		{ 0, 3, 2, 0xff, 0xff, 0, 3, 3 },
	};
	uint8_t *hard = gpa_ptr(tools, BUF), *soft = gpa_ptr(tools, BUF2);

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct xen_domctl op = domctl_of(XEN_DOMCTL_setvcpuaffinity, 1);
		struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;

		a->vcpu = cases[i].vcpu;
		a->flags = cases[i].flags;
		a->cpumap_hard = (struct xenctl_bitmap){ BUF, cases[i].nr_bits };
		a->cpumap_soft = (struct xenctl_bitmap){ BUF2, cases[i].nr_bits };
		*hard = cases[i].hard;
		*soft = cases[i].soft;
		assert_int_equal(domctl(&op), cases[i].rc);
		if (cases[i].rc == 0 && cases[i].flags & 1)
			assert_int_equal(*hard, cases[i].hard_after);
		op = domctl_of(XEN_DOMCTL_getvcpuaffinity, 1);
		a->flags = 3;
		a->cpumap_hard = (struct xenctl_bitmap){ BUF, 40 };
		a->cpumap_soft = (struct xenctl_bitmap){ BUF2, 8 };
		memset(hard, 0xaa, 8);
		assert_int_equal(domctl(&op), 0);
		assert_int_equal(hard[0], cases[i].hard_after);
		assert_int_equal(soft[0], cases[i].soft_after);
		assert_int_equal(hard[1] | hard[4], 0);
		assert_int_equal(hard[5], 0xaa);
	}
}

static void test_affinity_bad_memory(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_setvcpuaffinity, 1);
	struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;

	a->flags = 1;
	assert_int_equal(domctl(&op), -EINVAL); /* no bitmap at all */
	a->cpumap_hard = (struct xenctl_bitmap){ 0x100000, 8 };
	assert_int_equal(domctl(&op), -EFAULT);
	op.cmd = XEN_DOMCTL_getvcpuaffinity;
	assert_int_equal(domctl(&op), -EFAULT);
	a->cpumap_hard = (struct xenctl_bitmap){ BUF, ~0u };
	assert_int_equal(domctl(&op), -EFAULT);
	a->flags = 0;
	assert_int_equal(domctl(&op), -EINVAL);
	a->flags = 4;
	assert_int_equal(domctl(&op), 0);
}

static void test_vcpu_info(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_getvcpuinfo, 1);
	struct domain *d;

	assert_int_equal(domctl(&op), 0);
	assert_int_equal(op.u.getvcpuinfo.online, 1);
	assert_int_equal(op.u.getvcpuinfo.blocked | op.u.getvcpuinfo.running, 0);
	op.u.getvcpuinfo.vcpu = 2;
	assert_int_equal(domctl(&op), -EINVAL);
	op = create_op(2);
	assert_int_equal(domctl(&op), 0);
	d = domain_get_by_id(op.domain);
	op = domctl_of(XEN_DOMCTL_getvcpuinfo, d->id);
	op.u.getvcpuinfo.vcpu = 1;
	assert_int_equal(domctl(&op), -ESRCH);
	domain_put(d);
	kill_domain(d);
}

static void test_scheduler(void **state)
{
	static const struct {
		uint16_t weight, cap;
		int rc;
		uint16_t weight_after, cap_after;
	} puts[] = { { 512, 50, 0, 512, 50 },		{ 0, 20, 0, 512, 20 },	   { 65535, 0, 0, 65535, 0 },
		     { 512, 65535, -EINVAL, 65535, 0 }, { 256, 200, 0, 256, 200 }, { 1, 201, -EINVAL, 256, 200 } };
	struct xen_domctl op;

	for (unsigned i = 0; i < ARRAY_SIZE(puts); i++) {
		op = domctl_of(XEN_DOMCTL_scheduler_op, 1);
		op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
		op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
		op.u.scheduler_op.u.credit2.weight = puts[i].weight;
		op.u.scheduler_op.u.credit2.cap = puts[i].cap;
		assert_int_equal(domctl(&op), puts[i].rc);
		op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
		assert_int_equal(domctl(&op), 0);
		assert_int_equal(op.u.scheduler_op.u.credit2.weight, puts[i].weight_after);
		assert_int_equal(op.u.scheduler_op.u.credit2.cap, puts[i].cap_after);
	}
	for (uint32_t cmd = 2; cmd < 5; cmd++) {
		op.u.scheduler_op.cmd = cmd;
		assert_int_equal(domctl(&op), -EINVAL);
	}
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
	assert_int_equal(domctl(&op), -EINVAL);
}

/* A domain in a pool of reservations: the same for all its vCPUs, or by a list of some. */
static void test_reservations(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_scheduler_op, 1);
	struct xen_domctl_schedparam_vcpu *list = gpa_ptr(tools, BUF);
	struct xen_domctl_scheduler_op *s = &op.u.scheduler_op;
	struct domain *d = domain_get_by_id(1);
	unsigned pool = 1;

	assert_int_equal(cpupool_create(&pool, XEN_SCHEDULER_RTDS), 0);
	assert_int_equal(cpupool_remove_cpu(0, 3), 0);
	assert_int_equal(cpupool_add_cpu(1, 3), 0);
	assert_int_equal(cpupool_move_domain(1, d), 0);
	domain_put(d);
	s->sched_id = XEN_SCHEDULER_CREDIT2;
	s->cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	assert_int_equal(domctl(&op), -EINVAL);
	s->sched_id = XEN_SCHEDULER_RTDS;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(s->u.rtds.period, 10000);
	assert_int_equal(s->u.rtds.budget, 4000);
	assert_int_equal(s->u.rtds.flags, XEN_DOMCTL_SCHEDRT_extra);
	s->cmd = XEN_DOMCTL_SCHEDOP_putinfo;
	s->u.rtds = (struct xen_domctl_sched_rtds){ 5000, 6000, 0 };
	assert_int_equal(domctl(&op), -EINVAL);
	s->u.rtds.budget = 1000;
	assert_int_equal(domctl(&op), 0);

	memset(list, 0, 2 * sizeof(*list));
	s->cmd = XEN_DOMCTL_SCHEDOP_getvcpuinfo;
	s->u.v.vcpus = BUF;
	s->u.v.nr_vcpus = 1;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(s->u.v.nr_vcpus, 1);
	assert_int_equal(list->u.rtds.period, 5000);
	assert_int_equal(list->u.rtds.budget, 1000);
	assert_int_equal(list->u.rtds.flags, 0);
	list->u.rtds = (struct xen_domctl_sched_rtds){ 20000, 7000, 1 };
	s->cmd = XEN_DOMCTL_SCHEDOP_putvcpuinfo;
	assert_int_equal(domctl(&op), 0);
	list[1] = list[0];
	list[1].vcpuid = 2;
	s->u.v.nr_vcpus = 2;
	assert_int_equal(domctl(&op), -EINVAL);
	list[0].u.rtds.period = 0;
	s->cmd = XEN_DOMCTL_SCHEDOP_getvcpuinfo;
	s->u.v.nr_vcpus = 1;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(list[0].u.rtds.period, 20000);
	s->u.v.vcpus = 1UL << 40;
	assert_int_equal(domctl(&op), -EFAULT);
	s->cmd = 4;
	assert_int_equal(domctl(&op), -EINVAL);
}

static void test_nodes(void **state)
{
	static const struct {
		uint8_t bits;
		uint32_t nr;
		int rc;
	} cases[] = { { 1, 1, 0 }, { 0, 1, -EINVAL }, { 2, 2, -EINVAL }, { 0xff, 64, 0 }, { 1, 0, -EINVAL } };
	uint8_t *map = gpa_ptr(tools, BUF);
	struct xen_domctl op;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		op = domctl_of(XEN_DOMCTL_setnodeaffinity, 1);
		op.u.nodeaffinity.nodemap = (struct xenctl_bitmap){ BUF, cases[i].nr };
		*map = cases[i].bits;
		assert_int_equal(domctl(&op), cases[i].rc);
	}
	op = domctl_of(XEN_DOMCTL_getnodeaffinity, 1);
	op.u.nodeaffinity.nodemap = (struct xenctl_bitmap){ BUF, 8 };
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(*map, 1);
	op.u.nodeaffinity.nodemap.bitmap = 0x100000;
	assert_int_equal(domctl(&op), -EFAULT);
}

/* Where vCPUs have CPUs of their own there is nothing to tell. */
static void test_scheduler_without_parameters(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_scheduler_op, 1);
	struct domain *d = domain_get_by_id(1);
	unsigned pool = 1;

	assert_int_equal(cpupool_create(&pool, XEN_SCHEDULER_NULL), 0);
	assert_int_equal(cpupool_move_domain(1, d), -ENOENT);
	assert_int_equal(cpupool_remove_cpu(0, 3), 0);
	assert_int_equal(cpupool_add_cpu(1, 3), 0);
	assert_int_equal(cpupool_move_domain(1, d), 0);
	domain_put(d);
	op.u.scheduler_op.sched_id = XEN_SCHEDULER_NULL;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	assert_int_equal(domctl(&op), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_affinity, control_setup),
		cmocka_unit_test_setup(test_affinity_bad_memory, control_setup),
		cmocka_unit_test_setup(test_vcpu_info, control_setup),
		cmocka_unit_test_setup(test_scheduler, control_setup),
		cmocka_unit_test_setup(test_reservations, control_setup),
		cmocka_unit_test_setup(test_nodes, control_setup),
		cmocka_unit_test_setup(test_scheduler_without_parameters, control_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
