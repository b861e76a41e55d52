/*
 * Hypercall 35: what a toolstack asks about the machine, its log, its CPUs and their pools. Error numbers are those real Xen 4.17 gave to the
 * same calls.
 */
#include <stdlib.h>

#include "control_test.h"

#include "hv/console.h"
#include "hv/cpupool.h"
#include "hv/keyhandler.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "policy.h"

static long plainly(uint32_t cmd)
{
	struct xen_sysctl op = sysctl_of(cmd);

	return sysctl(&op);
}

static void test_nobody_else(void **state)
{
	for (uint32_t cmd = 0; cmd < 40; cmd++) {
		struct xen_sysctl op = sysctl_of(cmd);

		op.interface_version++;
		assert_int_equal(control_as(plain, HC_sysctl, &op, sizeof(op)), -EACCES);
		op.interface_version--;
		assert_int_equal(control_as(plain, HC_sysctl, &op, sizeof(op)), -EPERM);
	}
	assert_int_equal(host_hypercall(plain->vcpu[0], HC_sysctl, 0x100000, 0, 0, 0, 0), -EFAULT);
}

static void test_absent(void **state)
{
	static const struct {
		uint32_t cmd;
		int rc;
	} answers[] = { { 0, -ENOSYS },	 { 5, -ENOSYS },  { 10, -ENODEV }, { 11, -EOPNOTSUPP },
			{ 12, -ENOSYS }, { 13, -ENOSYS }, { 15, -ENOSYS }, { 20, -EOPNOTSUPP },
			{ 21, -ENODEV }, { 22, -EINVAL }, { 23, -ENODEV }, { 24, -ENOSYS },
			{ 28, -ENOSYS }, { 30, -ENOSYS }, { 31, -ENOSYS }, { ~0u, -ENOSYS } };

	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++)
		assert_int_equal(plainly(answers[i].cmd), answers[i].rc);
}

static void test_physinfo(void **state)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_physinfo);
	struct xen_sysctl_physinfo *p = &op.u.physinfo;

	assert_int_equal(mm_claim(plain, 10), 0);
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(p->nr_cpus, 4);
	assert_int_equal(p->max_cpu_id, 3);
	assert_int_equal(p->nr_nodes, 1);
	assert_int_equal(p->cpu_khz, 2000000);
	assert_int_equal(p->capabilities, XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap |
						  XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2);
	assert_int_equal(p->outstanding_pages, 10);
	assert_int_equal(p->free_pages, mm_free_frames() + 10);
	assert_int_equal(p->total_pages, mm_total_frames());
	assert_int_equal(p->max_mfn, RAM / PAGE_SIZE - 1);
	assert_int_equal(mm_claim(plain, 0), 0);
}

static void test_topology(void **state)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_cputopoinfo);
	struct xen_sysctl_cputopo *t = gpa_ptr(tools, BUF);
	uint64_t *cpu = gpa_ptr(tools, BUF);

	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.cputopoinfo.num_cpus, 4);
	op.u.cputopoinfo.cputopo = BUF;
	op.u.cputopoinfo.num_cpus = 100;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.cputopoinfo.num_cpus, 4);
	assert_int_equal(t[3].core, 3);
	assert_int_equal(t[3].socket | t[3].node, 0);
	op.u.cputopoinfo.num_cpus = 0;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.cputopoinfo.num_cpus, 0);
	op.u.cputopoinfo.num_cpus = 1;
	op.u.cputopoinfo.cputopo = 0x100000;
	assert_int_equal(sysctl(&op), -EFAULT);

	host_advance(MILLISECS(5));
	op = sysctl_of(XEN_SYSCTL_getcpuinfo);
	op.u.getcpuinfo.max_cpus = 9;
	op.u.getcpuinfo.info = BUF;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.getcpuinfo.nr_cpus, 4);
	assert_int_equal(cpu[2], MILLISECS(6)); /* since it came up */
	op.u.getcpuinfo.info = 0x100000;
	assert_int_equal(sysctl(&op), -EFAULT);
}

static void test_numa(void **state)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_numainfo);
	struct xen_sysctl_meminfo *info = gpa_ptr(tools, BUF);
	uint32_t *distance = gpa_ptr(tools, BUF2);

	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.numainfo.num_nodes, 1);
	op.u.numainfo.num_nodes = 8;
	op.u.numainfo.meminfo = BUF;
	op.u.numainfo.distance = BUF2;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.numainfo.num_nodes, 1);
	assert_int_equal(info->memsize, RAM);
	assert_int_equal(info->memfree, mm_free_frames() << PAGE_SHIFT);
	assert_int_equal(*distance, 10);
	op.u.numainfo.distance = 0x100000;
	assert_int_equal(sysctl(&op), -EFAULT);

	op = sysctl_of(XEN_SYSCTL_pcitopoinfo);
	op.u.pcitopoinfo.num_devs = 100;
	op.u.pcitopoinfo.devs = BUF;
	op.u.pcitopoinfo.nodes = BUF2;
	no_softirqs();
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.pcitopoinfo.num_devs, 100);
	assert_int_equal(distance[99], XEN_INVALID_DEV);
	/* A hypercall with one argument leaves the other registers as they were: they say nothing. */
	distance[0] = 0;
	memcpy(gpa_ptr(tools, ARG), &op, sizeof(op));
	assert_int_equal(host_hypercall(tools->vcpu[0], HC_sysctl, ARG, 99, 0, 0, 0), 0);
	assert_int_equal(distance[0], XEN_INVALID_DEV);
	/* When others wait only some are done, and the caller is told how many. */
	softirq_raise(0, SOFTIRQ_SCHED);
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.pcitopoinfo.num_devs, 64);
}

static uint64_t avail(int32_t node, uint32_t min, uint32_t max)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_availheap);

	op.u.availheap.node = node;
	op.u.availheap.min_bitwidth = min;
	op.u.availheap.max_bitwidth = max;
	assert_int_equal(sysctl(&op), 0);
	return op.u.availheap.avail_bytes;
}

static void test_avail_heap(void **state)
{
	assert_int_equal(avail(-1, 0, 0), mm_free_frames() << PAGE_SHIFT);
	assert_int_equal(avail(0, 0, 0), mm_free_frames() << PAGE_SHIFT);
	assert_int_equal(avail(5, 0, 0), 0);
	assert_int_equal(avail(-1, 0, 20), 1 << 20);
	assert_int_equal(avail(-1, 0, 5), 0);
	assert_int_equal(avail(-1, 33, 0), 0);
	assert_int_equal(avail(-1, ~0u, ~0u), 0);
}

/* Each line for the ring is told to the toolstack that copies it; what guests print is not in the ring. */
static void test_console_news(void **state)
{
	evtchn_port_t port = bind_virq(tools, VIRQ_CON_RING);
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_readconsole);

	host_run_softirqs(0);
	(void)take_event(tools, port);
	printk(LOG_WARN, "a line\n");
	host_run_softirqs(0);
	assert_true(take_event(tools, port));
	host_run_softirqs(0);
	assert_false(take_event(tools, port));
	console_guest_write(plain, "text\n", 5);
	host_run_softirqs(0);
	assert_false(take_event(tools, port));
	/* To read it is not news. */
	op.u.readconsole.buffer = BUF;
	op.u.readconsole.count = 4096;
	assert_int_equal(sysctl(&op), 0);
	host_run_softirqs(0);
	assert_false(take_event(tools, port));
}

/* Text since the last look, then all of it, then nothing after it was cleared. */
static void test_console(void **state)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_readconsole);
	struct xen_sysctl_readconsole *r = &op.u.readconsole;
	char *text = gpa_ptr(tools, BUF);

	r->buffer = BUF;
	r->count = 4096;
	r->clear = 1;
	assert_int_equal(sysctl(&op), 0); /* what earlier tests said */
	printk(LOG_WARN, "first\n");
	r->clear = 0;
	r->count = 4096;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(r->count, strlen("(XEN) first\n"));
	assert_memory_equal(text, "(XEN) first\n", r->count);
	printk(LOG_WARN, "second\n");
	r->incremental = 1;
	r->count = 4096;
	assert_int_equal(sysctl(&op), 0);
	assert_memory_equal(text, "(XEN) second\n", r->count);
	r->count = 4096;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(r->count, 0);
	/* Cut into pieces of the caller's size; clearing forgets only what was read. */
	r->incremental = 0;
	r->clear = 1;
	r->count = 5;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(r->count, 5);
	assert_memory_equal(text, "(XEN)", 5);
	r->count = 4096;
	assert_int_equal(sysctl(&op), 0);
	assert_memory_equal(text, " first\n", 7);
	r->count = 4096;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(r->count, 0);
	printk(LOG_WARN, "third\n");
	r->count = 100;
	r->buffer = 0x100000;
	assert_int_equal(sysctl(&op), -EFAULT);
}

static unsigned pressed;

static void press(void)
{
	pressed++;
}

static void test_debug_keys(void **state)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_debug_keys);

	keyhandler_register('~', press, "count");
	memcpy(gpa_ptr(tools, BUF), "~~x", 3);
	op.u.debug_keys.keys = BUF;
	op.u.debug_keys.nr_keys = 3;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(pressed, 2);
	op.u.debug_keys.nr_keys = 0;
	assert_int_equal(sysctl(&op), 0);
	op.u.debug_keys.nr_keys = ~0u;
	assert_int_equal(sysctl(&op), -EINVAL);
	op.u.debug_keys.nr_keys = 1;
	op.u.debug_keys.keys = 0x100000;
	assert_int_equal(sysctl(&op), -EFAULT);
}

static void test_domain_list(void **state)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_getdomaininfolist);
	struct xen_domctl_getdomaininfo *info = gpa_ptr(tools, BUF);
	struct domain *d = host_domain(600, 1, 4, 0);

	op.u.getdomaininfolist.max_domains = 10;
	op.u.getdomaininfolist.buffer = BUF;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.getdomaininfolist.num_domains, 3);
	assert_int_equal(info[0].domain, 0);
	assert_int_equal(info[1].domain, 1);
	assert_int_equal(info[2].domain, 600);
	assert_int_equal(info[1].tot_pages, 32);
	assert_int_equal(info[1].nr_online_vcpus, 2);
	op.u.getdomaininfolist.first_domain = 2;
	op.u.getdomaininfolist.max_domains = 1;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.getdomaininfolist.num_domains, 1);
	assert_int_equal(info[0].domain, 600);
	op.u.getdomaininfolist.first_domain = 0xffff;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.getdomaininfolist.num_domains, 0);
	op.u.getdomaininfolist.first_domain = 0;
	op.u.getdomaininfolist.buffer = 0x100000;
	assert_int_equal(sysctl(&op), -EFAULT);
	kill_domain(d);
}

/* Policies: sizes first, then content; none of PV guests. */
static void test_policies(void **state)
{
	static const int answers[] = { 0, 0, -EOPNOTSUPP, 0, -EOPNOTSUPP, 0, -EINVAL };
	struct xen_sysctl op;
	struct xen_sysctl_cpu_policy *p = &op.u.cpu_policy;

	for (uint32_t i = 0; i < ARRAY_SIZE(answers); i++) {
		op = sysctl_of(XEN_SYSCTL_get_cpu_policy);
		p->index = i;
		assert_int_equal(sysctl(&op), answers[i]);
		if (answers[i])
			continue;
		assert_int_equal(p->nr_leaves, POLICY_MAX_LEAVES);
		assert_int_equal(p->nr_msrs, POLICY_MAX_MSRS);
		p->leaves = BUF;
		p->msrs = BUF2;
		assert_int_equal(sysctl(&op), 0);
		assert_in_range(p->nr_leaves, 40, POLICY_MAX_LEAVES - 1);
		p->nr_leaves = 1;
		assert_int_equal(sysctl(&op), -ENOBUFS);
		p->nr_leaves = POLICY_MAX_LEAVES;
		p->msrs = 0x100000;
		assert_int_equal(sysctl(&op), -EFAULT);
		p->_rsvd = 1;
		assert_int_equal(sysctl(&op), -EINVAL);
	}
}

static void test_featuresets(void **state)
{
	static const int answers[] = { 0, 0, -EOPNOTSUPP, 0, -EOPNOTSUPP, 0, -EINVAL, -EINVAL };
	uint32_t *words = gpa_ptr(tools, BUF);
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_get_cpu_featureset);
	struct xen_sysctl_cpu_featureset *f = &op.u.cpu_featureset;

	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(f->nr_features, 19);
	for (uint32_t i = 0; i < ARRAY_SIZE(answers); i++) {
		f->index = i;
		f->nr_features = 40;
		f->features = BUF;
		words[19] = 0x5a5a5a5a;
		assert_int_equal(sysctl(&op), answers[i]);
		assert_int_equal(words[19], 0x5a5a5a5a);
		if (answers[i] == 0)
			assert_int_equal(f->nr_features, 19);
	}
	f->index = 5;
	f->nr_features = 3;
	words[3] = 1;
	assert_int_equal(sysctl(&op), -ENOBUFS);
	assert_int_equal(f->nr_features, 3);
	assert_int_equal(words[3], 1);
	f->features = 0x100000;
	assert_int_equal(sysctl(&op), -EFAULT);
	assert_int_equal(plainly(XEN_SYSCTL_get_cpu_levelling_caps), 0);
}

/* Pools ------------------------------------------------------------------------------------------ */

static uint64_t *pool_map(void)
{
	return gpa_ptr(tools, BUF);
}

static struct xen_sysctl_cpupool_op last;

static long pool(uint32_t what, uint32_t id, uint32_t cpu, uint32_t domid)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_cpupool_op);
	long rc;

	op.u.cpupool_op = (struct xen_sysctl_cpupool_op){ .op = what,
							  .cpupool_id = id,
							  .sched_id = XEN_SCHEDULER_CREDIT2,
							  .domid = domid,
							  .cpu = cpu,
							  .cpumap = { BUF, 64 } };
	rc = sysctl(&op);
	last = op.u.cpupool_op;
	return rc;
}

static void test_pool_zero(void **state)
{
	struct xen_sysctl op;

	assert_int_equal(plainly(XEN_SYSCTL_sched_id), 0);
	assert_int_equal(pool(0, 0, 0, 0), -ENOSYS);
	assert_int_equal(pool(8, 0, 0, 0), -ENOSYS);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 0, 0, 0), 0);
	assert_int_equal(*pool_map(), 0xf);
	assert_int_equal(last.n_dom, 2);
	assert_int_equal(last.sched_id, XEN_SCHEDULER_CREDIT2);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 1, 0, 0), -ENOENT);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 0, 0, 0), -EEXIST);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 0, 0, 0), -EBUSY);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 5, 0, 0), -ENOENT);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 77, 0), -EINVAL);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 1, 0), -EBUSY);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, 77, 0), -ENOENT);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 77, 0), -EINVAL);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 0, 0), -ENOENT);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 0, 99), -ESRCH);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 0, 70000), -ESRCH);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 0, 0), -EPERM);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 5, 0, 1), -ENOENT);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0, 0, 0), 0);
	assert_int_equal(*pool_map(), 0);
	op = sysctl_of(XEN_SYSCTL_cpupool_op);
	op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_CREATE;
	op.u.cpupool_op.cpupool_id = 3;
	op.u.cpupool_op.sched_id = XEN_SCHEDULER_ARINC653;
	assert_int_equal(sysctl(&op), -ENOENT);
}

/* A second pool: CPUs move there, then a domain, and back. */
static void test_second_pool(void **state)
{
	struct vcpu *v = plain->vcpu[0];
	cpumask_t hard, soft, one;

	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, CPUPOOL_ANY, 0, 0), 0);
	assert_int_equal(last.cpupool_id, 1);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 1, 0, 0), -EEXIST);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 9, 0, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 2, 0, 0), 0);
	assert_int_equal(last.cpupool_id, 9);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 9, 0, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1, 0, 1), -ENOENT); /* no CPU there */
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, CPUPOOL_ANY, 0), -EINVAL);

	/* The vCPU may run on CPU 3 only: that goes, and with it the affinity. */
	cpumask_clear(&one);
	cpumask_set(&one, 3);
	assert_int_equal(sched_set_affinity(v, &one, NULL), 0);
	assert_int_equal(v->processor, 3);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, CPUPOOL_ANY, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0, 0, 0), 0);
	assert_int_equal(*pool_map(), 8);
	assert_int_not_equal(v->processor, 3);
	sched_get_affinity(v, &hard, &soft);
	assert_true(cpumask_test(&hard, 0));
	assert_int_equal(sched_set_affinity(v, &one, NULL), -EINVAL);

	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, CPUPOOL_ANY, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 1, 0, 0), -EBUSY);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1, 0, 1), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1, 0, 1), 0);
	assert_int_equal(info_of(1).cpupool, 1);
	assert_int_equal(v->processor, 3);
	assert_int_equal(plain->vcpu[1]->processor, 3);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 1, 0, 0), 0);
	assert_int_equal(last.n_dom, 1);
	assert_int_equal(*pool_map(), 8);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 3, 0), -EBUSY); /* its last one */
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 0, 1), 0);
	assert_int_not_equal(v->processor, 3);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 3, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 1, 0, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 3, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 0, 0, 0), 0);
	assert_int_equal(*pool_map(), 0xf);
	assert_int_equal(last.n_dom, 2);
}

/* Domains run on the CPUs of their pool and on no other, whoever is idle. */
static void test_pools_share_nothing(void **state)
{
	struct domain *d;
	struct xen_domctl op = create_op(4);

	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 1, 0, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 2, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, 2, 0), 0);
	op.u.createdomain.cpupool_id = 1;
	assert_int_equal(domctl(&op), 0);
	d = domain_get_by_id(op.domain);
	op = domctl_of(XEN_DOMCTL_max_vcpus, d->id);
	op.u.max_vcpus.max = 4;
	assert_int_equal(domctl(&op), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(d->vcpu[i]->processor, 2);
		d->vcpu[i]->initialised = true;
		__atomic_fetch_and(&d->vcpu[i]->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST);
	}
	domain_unpause(d);
	for (unsigned round = 0; round < 50; round++) {
		host_advance(MILLISECS(3));
		for (unsigned cpu = 0; cpu < 4; cpu++) {
			host_set_cpu(cpu);
			host_run_softirqs(cpu);
			schedule();
			if (this_pcpu()->current)
				assert_int_equal(this_pcpu()->current->domain == d, cpu == 2);
		}
		host_set_cpu(0);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(d->vcpu[i]->runstate_time[RUNSTATE_RUNNING] > (uint64_t)MILLISECS(10));
	domain_pause_nosync(d);
	host_set_cpu(2);
	schedule();
	host_set_cpu(0);
	domain_put(d);
	kill_domain(d);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 2, 0), 0);
	assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 1, 0, 0), 0);
}

static void test_rate_limit(void **state)
{
	static const struct {
		uint32_t us;
		int rc;
	} puts[] = { { 0, 0 }, { 50, -EINVAL }, { 2000, 0 }, { 600000, -EINVAL } };
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_scheduler_op);
	struct xen_sysctl_scheduler_op *s = &op.u.scheduler_op;

	s->sched_id = XEN_SCHEDULER_CREDIT2;
	s->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(s->u.sched_credit2.ratelimit_us, 1000);
	s->cmd = XEN_SYSCTL_SCHEDOP_putinfo;
	for (unsigned i = 0; i < ARRAY_SIZE(puts); i++) {
		s->u.sched_credit2.ratelimit_us = puts[i].us;
		assert_int_equal(sysctl(&op), puts[i].rc);
	}
	s->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(s->u.sched_credit2.ratelimit_us, 2000);
	s->cmd = 9;
	assert_int_equal(sysctl(&op), -EINVAL);
	s->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
	s->sched_id = XEN_SCHEDULER_CREDIT;
	assert_int_equal(sysctl(&op), -EINVAL);
	s->cpupool_id = 9;
	assert_int_equal(sysctl(&op), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nobody_else, control_setup),
		cmocka_unit_test_setup(test_absent, control_setup),
		cmocka_unit_test_setup(test_physinfo, control_setup),
		cmocka_unit_test_setup(test_topology, control_setup),
		cmocka_unit_test_setup(test_numa, control_setup),
		cmocka_unit_test_setup(test_avail_heap, control_setup),
		cmocka_unit_test_setup(test_console, control_setup),
		cmocka_unit_test_setup(test_console_news, control_setup),
		cmocka_unit_test_setup(test_debug_keys, control_setup),
		cmocka_unit_test_setup(test_domain_list, control_setup),
		cmocka_unit_test_setup(test_policies, control_setup),
		cmocka_unit_test_setup(test_featuresets, control_setup),
		cmocka_unit_test_setup(test_pool_zero, control_setup),
		cmocka_unit_test_setup(test_second_pool, control_setup),
		cmocka_unit_test_setup(test_pools_share_nothing, control_setup),
		cmocka_unit_test_setup(test_rate_limit, control_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
