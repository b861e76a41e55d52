/* Memory lacks while a toolstack makes a domain, drives it through everything that needs memory, and destroys it. See no_memory.h. */
#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/memory.h"
#include "control_test.h"
#include "hv/console.h"
#include "hv/memory.h"
#include "hv/trace.h"
#include "no_memory.h"

static const struct no_memory_excuse excused[] = {
	{ "hv/arch/host/host.c", "host_take_memory", "the fake machine's" },
	/* What they are made of fails, and all who call them. */
	{ "hv/mm/frames.c", "alloc_page", "passes an answer on" },
	{ "hv/mm/heap.c", "heap_alloc_array", "passes an answer on" },
	{ "hv/mm/overhead.c", "overhead_alloc_array", "passes an answer on" },
	{ "hv/core/lock.c", "lock_waits_init", "when a CPU starts, which then counts nothing" },
	{ "hv/core/console.c", "console_init_ring", "at boot, which goes on with the small ring" },
	/* -ENOMEM, at which cpu_join() stops the machine with a line that names the CPU. */
	{ "hv/core/timer.c", "timer_cpu_init", "when a CPU starts" },
	{ "hv/core/task.c", "task_cpu_init", "when a CPU starts" },
	{ "hv/sched/sched.c", "sched_cpu_init", "when a CPU starts" },
	{ "hv/sched/fair.c", "fair_queue_alloc", "when a CPU starts" },
	{ "hv/sched/null.c", "null_queue_alloc", "when a CPU starts" },
	{ "hv/sched/realtime.c", "rt_queue_alloc", "when a CPU starts" },
	/* Only the real machine makes these: tree/too_little_for_hospes lets domains lack them. */
	{ "hv/arch/x86/hvm/context.c", NULL, "a domain's, a vCPU's" },
	{ "hv/arch/x86/hvm/fpu.c", "hvm_fpu_init", "a vCPU's" },
	{ "hv/arch/x86/svm/svm.c", "svm_vcpu_init", "a vCPU's" },
	/* The machine's boot. Each way ends in a line that says what is short, and in a stop or in less. */
	{ "hv/arch/x86/ioapic.c", "ioapic_init", "panic(): no memory for an I/O APIC" },
	{ "hv/arch/x86/paging.c", "table_alloc",
	  "what is mapped later: NULL of arch_iomap_try(), panic() of arch_iomap(), no stacks" },
	{ "hv/arch/x86/paging.c", "map_stack", "panic() for the boot CPU, another is left out" },
	{ "hv/arch/x86/smp.c", "pcpu_make", "this CPU and those behind it are left out" },
	{ "hv/arch/x86/traps.c", "traps_cpu_alloc", "as pcpu_make()" },
	{ "hv/arch/x86/svm/svm.c", "permission_maps_init", "step_virt() says so and halts; another CPU is left out" },
	{ "hv/arch/x86/svm/svm.c", "svm_cpu_up", "step_virt() says so and halts; another CPU is left out" },
};

static struct domain *d; /* the domain under construction */

struct reservation {
	uint64_t extents, nr;
	uint32_t order, flags;
	uint16_t domid;
};

/* @nr pages of memory by one call for each: 0, or -ENOMEM when there were fewer, which a reservation says by its count. */
static long memory(unsigned op, uint64_t first, unsigned nr, unsigned order, uint32_t flags)
{
	uint64_t *list = gpa_ptr(tools, BUF);
	struct reservation r = { BUF, nr, order, flags, d->id };

	for (unsigned i = 0; i < nr; i++)
		list[i] = first + ((uint64_t)i << order);
	return call_arg(tools->vcpu[0], HC_memory_op, op, &r, sizeof(r)) == (long)nr ? 0 : -ENOMEM;
}

static long create_domain(domid_t *id)
{
	struct xen_domctl op = create_op(2);
	long rc;

	op.domain = 3000; /* in a part of the table of domains that is not there yet */
	op.u.createdomain.grant_opts = 2;
	op.u.createdomain.max_maptrack_frames = 2;
	rc = domctl(&op);
	*id = op.domain;
	return rc;
}

static long make_vcpus(domid_t id)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_max_vcpus, id);

	op.u.max_vcpus.max = 2;
	return domctl(&op);
}

static long set_max_mem(void)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_max_mem, d->id);

	op.u.max_mem.max_memkb = 64 << 10;
	return domctl(&op);
}

static long set_map(void)
{
	struct {
		uint64_t domid;
		uint64_t nr;
		uint64_t entries;
	} op = { d->id, 1, BUF };
	static const struct xen_e820_entry entry = { 0, 64 << 20, 1 };

	memcpy(gpa_ptr(tools, BUF), &entry, sizeof(entry));
	return call_arg(tools->vcpu[0], HC_memory_op, XENMEM_set_memory_map, &op, sizeof(op));
}

static long context(uint32_t cmd, uint64_t buffer, uint32_t *size)
{
	struct xen_domctl op = domctl_of(cmd, d->id);
	long rc;

	op.u.hvmcontext.size = *size;
	op.u.hvmcontext.buffer = buffer;
	rc = domctl(&op);
	*size = op.u.hvmcontext.size;
	return rc;
}

static long partial_context(void)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_gethvmcontext_partial, d->id);

	op.u.hvmcontext_partial = (struct xen_domctl_hvmcontext_partial){ HVM_SAVE_CODE_CPU, 0, PAGE_SIZE, BUF };
	return domctl(&op);
}

static long policy(uint32_t cmd)
{
	static uint32_t leaves, msrs;
	struct xen_domctl op = domctl_of(cmd, d->id);
	long rc;

	op.u.cpu_policy.leaves = BUF;
	op.u.cpu_policy.msrs = BUF2;
	op.u.cpu_policy.nr_leaves = cmd == XEN_DOMCTL_get_cpu_policy ? 100 : leaves;
	op.u.cpu_policy.nr_msrs = cmd == XEN_DOMCTL_get_cpu_policy ? 100 : msrs;
	rc = domctl(&op);
	leaves = op.u.cpu_policy.nr_leaves;
	msrs = op.u.cpu_policy.nr_msrs;
	return rc;
}

static long ports(uint32_t first, uint32_t nr, bool allow)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_ioport_permission, d->id);

	op.u.ioport_permission = (struct xen_domctl_ioport_permission){ first, nr, allow };
	return domctl(&op);
}

static long shadow(uint32_t what)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_shadow_op, d->id);

	op.u.shadow_op.op = what;
	op.u.shadow_op.dirty_bitmap = BUF;
	op.u.shadow_op.pages = 32;
	return domctl(&op);
}

static long pool(uint32_t what, uint32_t id, uint32_t cpu, uint32_t sched)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_cpupool_op);

	op.u.cpupool_op = (struct xen_sysctl_cpupool_op){
		.op = what, .cpupool_id = id, .sched_id = sched, .cpu = cpu, .cpumap = { BUF, 64 }
	};
	return sysctl(&op);
}

static long trace_size(uint32_t pages)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_tbuf_op);

	op.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_set_size;
	op.u.tbuf_op.size = pages;
	return sysctl(&op);
}

static long event(unsigned op, void *arg, size_t size)
{
	return call_arg(d->vcpu[0], HC_event_channel_op, op, arg, size);
}

static long open_ports(unsigned n)
{
	struct evtchn_alloc_unbound u = { DOMID_SELF, 0, 0 };
	long rc = 0;

	while (n-- && rc == 0)
		rc = event(EVTCHNOP_alloc_unbound, &u, sizeof(u));
	return rc;
}

static long fifo_control(void)
{
	struct evtchn_init_control c = { .control_gfn = 6 };

	return event(EVTCHNOP_init_control, &c, sizeof(c));
}

static long table_frame(uint64_t idx, uint64_t at)
{
	struct {
		uint16_t domid, size;
		uint32_t space;
		uint64_t idx, gpfn;
	} x = { DOMID_SELF, 0, XENMAPSPACE_grant_table, idx, at };

	return call_arg(d->vcpu[0], HC_memory_op, XENMEM_add_to_physmap, &x, sizeof(x));
}

static long grant_version(uint32_t version)
{
	struct gnttab_set_version s = { version };

	return call_arg(d->vcpu[0], HC_grant_table_op, GNTTABOP_set_version, &s, sizeof(s));
}

/* Map a grant of the plain domain. What it lacks it says by its status: handles, or tables of the map. */
static long map_grant(uint64_t at)
{
	struct gnttab_map_grant_ref m = { at << PAGE_SHIFT, GNTMAP_host_map, 20, plain->id, 99, 0, 0 };
	long rc = call_arg(d->vcpu[0], HC_grant_table_op, GNTTABOP_map_grant_ref, &m, sizeof(m));

	if (rc || m.status == GNTST_okay)
		return rc;
	return m.status == GNTST_no_space || m.status == GNTST_general_error ? -ENOMEM : m.status;
}

static bool with_pools(void)
{
	static const uint32_t scheds[] = { XEN_SCHEDULER_CREDIT2, XEN_SCHEDULER_NULL, XEN_SCHEDULER_RTDS };
	bool go_on = true;

	for (unsigned i = 0; i < ARRAY_SIZE(scheds) && go_on; i++) {
		if (!NEEDS(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 3, 0)))
			return false;
		go_on = NEEDS(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 1, 0, scheds[i]));
		if (go_on) {
			go_on = NEEDS(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, 3, 0));
			if (go_on)
				assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 3, 0), 0);
			assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 1, 0, 0), 0);
		}
		/* The CPU goes home, at the second try if the first lacks memory. */
		if (!NEEDS(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 3, 0)))
			assert_int_equal(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 3, 0), 0);
	}
	return go_on;
}

static bool with_memory(void)
{
	return NEEDS(set_max_mem()) && NEEDS(memory(XENMEM_populate_physmap, 0, 16, 0, 0)) &&
	       LIKES(memory(XENMEM_populate_physmap, 512, 1, 9, 0)) &&
	       NEEDS(memory(XENMEM_increase_reservation, 0, 1, 0, 0)) && NEEDS(set_map()) &&
	       NEEDS(p2m_pod_target(d, read_once(d->tot_pages) + 8)) && NEEDS(p2m_mark_pod(d, gfn(1024), 9)) &&
	       LIKES(p2m_populate_pod(d, gfn(1024)));
}

static bool with_control(void)
{
	uint32_t size = 0;

	if (!NEEDS(context(XEN_DOMCTL_gethvmcontext, 0, &size)) ||
	    !NEEDS(context(XEN_DOMCTL_gethvmcontext, BUF, &size)) ||
	    !NEEDS(context(XEN_DOMCTL_sethvmcontext, BUF, &size)))
		return false;
	if (!good("partial", partial_context() == -ENOMEM ? -ENOMEM : 0, -ENOMEM, MUST_SAY))
		return false;
	if (!NEEDS(policy(XEN_DOMCTL_get_cpu_policy)) || !NEEDS(policy(XEN_DOMCTL_set_cpu_policy)))
		return false;
	return NEEDS(ports(0x100, 0x100, true)) && NEEDS(ports(0x140, 0x10, false));
}

static bool with_logging(void)
{
	uint64_t word = 1;
	bool go_on;

	if (!LIKES(shadow(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY)))
		return false;
	go_on = LIKES(copy_to_gpa(d, 5 * PAGE_SIZE, &word, sizeof(word))) && LIKES(shadow(XEN_DOMCTL_SHADOW_OP_PEEK)) &&
		LIKES(shadow(XEN_DOMCTL_SHADOW_OP_CLEAN));
	assert_int_equal(shadow(XEN_DOMCTL_SHADOW_OP_OFF), 0);
	return go_on;
}

static bool with_guest(void)
{
	if (!NEEDS(open_ports(1)) || !NEEDS(open_ports(200)) || !NEEDS(fifo_control()))
		return false;
	if (!NEEDS(table_frame(0, 20)) || !NEEDS(table_frame(1, 21)) || !NEEDS(grant_version(2)) ||
	    !NEEDS(table_frame(XENMAPIDX_grant_table_status, 22)))
		return false;
	if (!NEEDS(map_grant(40)) || !NEEDS(map_grant(1UL << 20)))
		return false;
	console_guest_write(d, "x\n", 2); /* has no answer: lost for want of memory */
	(void)good("console", 0, 0, MAY_DO_WITHOUT);
	if (!NEEDS(console_io_attach(d)))
		return false;
	console_io_detach(d);
	return true;
}

static void work(void)
{
	domid_t id;

	if (!NEEDS(trace_size(2)) || !with_pools() || !NEEDS(create_domain(&id)))
		return;
	d = domain_get_by_id(id);
	domain_put(d);
	if (NEEDS(make_vcpus(id)) && with_memory() && with_control() && with_logging())
		(void)with_guest();
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, id), 0);
	host_run_softirqs(0);
	assert_null(domain_get_by_id(id));
}

/* A machine on which the plain domain has granted a page. */
static void begin(void)
{
	struct grant_entry_v1 *e;

	trace_forget();
	control_setup(NULL);
	assert_int_equal(physmap_add(plain, XENMAPSPACE_grant_table, 0, gfn(40)), 0);
	e = gpa_ptr(plain, 40 << PAGE_SHIFT);
	e[20] = (struct grant_entry_v1){ GTF_permit_access, 3000, 5 };
}

static void each_place(void **state)
{
	static const struct no_memory_work toolstack = { "toolstack", begin, work, NULL, false };

	each_place_fails(&toolstack, 1);
}

static void all_places(void **state)
{
	all_places_failed(PART_REST, excused, ARRAY_SIZE(excused));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_place), cmocka_unit_test(all_places) };

	no_memory_init(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
