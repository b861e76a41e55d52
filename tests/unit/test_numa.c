/* Nodes of memory: blocks stay within them, domains get theirs from the right ones, and control operations tell and set that. */
#include "abi/memory.h"
#include "control_test.h"

#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/cpupool.h"
#include "hv/numa.h"
#include "hv/sched.h"
#include "mm_test.h"

#define MIB_FRAMES (1UL << 8)
#define NODES 4u

static struct acpi_info firmware;

/* The machine of control_setup(), 64 MiB, of four nodes: 8, 16 and 24 MiB, and one that has 12 MiB amid and 4 MiB at the end; CPU n is of node n. */
static int setup(void **state)
{
	static const struct acpi_srat_mem memory[] = {
		{ 0, 8UL << 20, 0 },	       { 8UL << 20, 16UL << 20, 1 }, { 24UL << 20, 12UL << 20, 3 },
		{ 36UL << 20, 24UL << 20, 2 }, { 60UL << 20, 4UL << 20, 3 },
	};
	/* The nearest of node 2 is 0, then 3, then 1. */
	static const uint8_t distance[NODES][NODES] = {
		{ 10, 20, 15, 30 }, { 20, 10, 40, 20 }, { 15, 40, 10, 30 }, { 30, 20, 30, 10 }
	};

	control_setup(NULL);
	memset(&firmware, 0, sizeof(firmware));
	firmware.nr_nodes = NODES;
	firmware.slit = true;
	for (unsigned i = 0; i < ARRAY_SIZE(memory); i++)
		firmware.srat_mem[firmware.nr_srat_mem++] = memory[i];
	for (unsigned i = 0; i < NODES; i++) {
		memcpy(firmware.distance[i], distance[i], NODES);
		firmware.cpus[firmware.nr_cpus++] =
			(struct acpi_cpu){ .apic_id = 2 * i, .enabled = true, .node = (uint8_t)i };
	}
	numa_init(&firmware);
	return 0;
}

static unsigned node_at(mfn_t m)
{
	for (unsigned i = 0; i < firmware.nr_srat_mem; i++) {
		const struct acpi_srat_mem *s = &firmware.srat_mem[i];

		if (mfn_to_paddr(m) >= s->start && mfn_to_paddr(m) < s->start + s->size)
			return s->node;
	}
	return 0;
}

static uint64_t free_of_nodes(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < NODES; i++)
		n += mm_node_free_frames(i);
	return n;
}

static void set_nodes(struct domain *d, nodemask_t nodes, long want)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_setnodeaffinity, d->id);

	*(nodemask_t *)gpa_ptr(tools, BUF) = nodes;
	op.u.nodeaffinity.nodemap = (struct xenctl_bitmap){ BUF, 64 };
	assert_int_equal(domctl(&op), want);
}

static nodemask_t get_nodes(struct domain *d)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_getnodeaffinity, d->id);

	op.u.nodeaffinity.nodemap = (struct xenctl_bitmap){ BUF, 64 };
	assert_int_equal(domctl(&op), 0);
	return *(nodemask_t *)gpa_ptr(tools, BUF);
}

/* Whatever comes and goes, no block lies in two nodes, and the nodes' free memory adds up. */
static void test_blocks(void **state)
{
	static struct {
		struct frame *f;
		unsigned order;
	} have[300];
	uint64_t free_before = mm_free_frames(), of_node[NODES];

	rng_seed("blocks");
	assert_int_equal(numa_nodes(), NODES);
	assert_int_equal(free_of_nodes(), free_before);
	for (unsigned i = 0; i < NODES; i++)
		of_node[i] = mm_node_free_frames(i);
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = (unsigned)rng(ARRAY_SIZE(have)), order = (unsigned)rng(100) ? (unsigned)rng(4) : 9;

		if (have[i].f) {
			free_frames(have[i].f, have[i].order);
			have[i].f = NULL;
			continue;
		}
		have[i].order = order;
		have[i].f = alloc_frames(NULL, order, rng(2) ? ALLOC_NODE((unsigned)rng(NODES)) : 0);
		for (uint64_t k = 0; have[i].f && k < 1UL << order; k++)
			assert_int_equal(have[i].f[k].node, node_at(frame_to_mfn(have[i].f + k)));
		if (n % 1000 == 0)
			assert_int_equal(free_of_nodes(), mm_free_frames());
	}
	for (unsigned i = 0; i < ARRAY_SIZE(have); i++)
		if (have[i].f)
			free_frames(have[i].f, have[i].order);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(mm_node_free_frames(i), of_node[i]);
}

/* A domain's memory comes from its nodes in turn, and when they have no more from the nearest. */
static void test_affinity(void **state)
{
	unsigned from[NODES] = { 0 }, last = 2, seen = 0;
	static const unsigned order[] = { 2, 0, 3, 1 };
	struct frame *f;

	domain_set_max_pages(plain, 1 << 20);
	set_nodes(plain, 1UL << 1 | 1UL << 3, 0);
	for (unsigned i = 0; i < 64; i++) {
		f = alloc_frames(plain, 0, 0);
		from[f->node]++;
	}
	assert_int_equal(from[1], 32);
	assert_int_equal(from[3], 32);
	set_nodes(plain, 1UL << 2, 0);
	while ((f = alloc_frames(plain, 0, 0))) {
		assert_int_equal(f->node, node_at(frame_to_mfn(f)));
		if (f->node != last)
			assert_int_equal(f->node, order[++seen]);
		last = f->node;
		if (last == 1 && mm_node_free_frames(1) < MIB_FRAMES)
			break;
	}
	assert_int_equal(seen, 3);
}

/* A call may name a node, as a wish or as a condition. */
static void test_flags(void **state)
{
	uint64_t *list = gpa_ptr(tools, BUF);
	struct xen_memory_reservation r = { .extent_start = BUF, .nr_extents = 1, .domid = plain->id };
	uint64_t g = 0x2000;
	enum p2m_type t;

	domain_set_max_pages(plain, 1 << 20);
	for (unsigned i = 0; i < NODES; i++, g++) {
		*list = g;
		r.mem_flags = (i + 1) << 8;
		assert_int_equal(call_arg(tools->vcpu[0], HC_memory_op, XENMEM_populate_physmap, &r, sizeof(r)), 1);
		assert_int_equal(node_at(p2m_lookup(plain, gfn(g), &t, NULL)), i);
	}
	/* All there is of node 0, then no more of it; but of others, when it was but a wish. */
	r.mem_flags = 1u << 8 | XENMEMF_exact_node_request;
	for (;; g++) {
		*list = g;
		if (call_arg(tools->vcpu[0], HC_memory_op, XENMEM_populate_physmap, &r, sizeof(r)) != 1)
			break;
		assert_int_equal(node_at(p2m_lookup(plain, gfn(g), &t, NULL)), 0);
	}
	assert_int_equal(mm_node_free_frames(0), 0);
	r.mem_flags = 1u << 8;
	assert_int_equal(call_arg(tools->vcpu[0], HC_memory_op, XENMEM_populate_physmap, &r, sizeof(r)), 1);
	assert_int_equal(node_at(p2m_lookup(plain, gfn(g), &t, NULL)), 2);
	/* A node that is not there. */
	*list = ++g;
	r.mem_flags = 10u << 8 | XENMEMF_exact_node_request;
	assert_int_equal(call_arg(tools->vcpu[0], HC_memory_op, XENMEM_populate_physmap, &r, sizeof(r)), 0);
	r.mem_flags = 10u << 8;
	assert_int_equal(call_arg(tools->vcpu[0], HC_memory_op, XENMEM_populate_physmap, &r, sizeof(r)), 1);
}

static void set_cpus(struct domain *d, uint64_t hard, uint64_t soft)
{
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct xen_domctl op = domctl_of(XEN_DOMCTL_setvcpuaffinity, d->id);
		uint64_t *maps = gpa_ptr(tools, BUF);

		maps[0] = hard;
		maps[1] = soft;
		op.u.vcpuaffinity.vcpu = i;
		op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
		op.u.vcpuaffinity.cpumap_hard = (struct xenctl_bitmap){ BUF, 64 };
		op.u.vcpuaffinity.cpumap_soft = (struct xenctl_bitmap){ BUF + 8, 64 };
		assert_int_equal(domctl(&op), 0);
	}
}

/* Memory follows the CPUs until somebody chooses nodes, and again when all are chosen. */
static void test_follows_cpus(void **state)
{
	assert_int_equal(get_nodes(plain), 0xf);
	set_cpus(plain, 1 << 1, ~0UL);
	assert_int_equal(get_nodes(plain), 1 << 1);
	assert_int_equal(alloc_frames(plain, 0, 0)->node, 1);
	set_cpus(plain, ~0UL, 1 << 2 | 1 << 3);
	assert_int_equal(get_nodes(plain), 1 << 2 | 1 << 3);
	set_nodes(plain, 1 << 0, 0);
	set_cpus(plain, 1 << 1, ~0UL);
	assert_int_equal(get_nodes(plain), 1 << 0);
	set_nodes(plain, ~0UL, 0); /* those there are not do not count */
	assert_int_equal(get_nodes(plain), 1 << 1);
	set_nodes(plain, 1UL << 9, -EINVAL);
	set_nodes(plain, 0, -EINVAL);
	assert_int_equal(get_nodes(plain), 1 << 1);
}

static void test_sysctls(void **state)
{
	struct xen_sysctl op = sysctl_of(XEN_SYSCTL_numainfo);
	struct xen_sysctl_meminfo *info = gpa_ptr(tools, BUF);
	uint32_t *distance = gpa_ptr(tools, BUF2);
	struct xen_sysctl_cputopo *topo = gpa_ptr(tools, BUF);

	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.numainfo.num_nodes, NODES);
	op.u.numainfo.num_nodes = 16;
	op.u.numainfo.meminfo = BUF;
	op.u.numainfo.distance = BUF2;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.numainfo.num_nodes, NODES);
	assert_int_equal(info[0].memsize, 8 << 20);
	assert_int_equal(info[1].memsize, 16 << 20);
	assert_int_equal(info[3].memsize, 40 << 20); /* what it spreads over */
	for (unsigned i = 0; i < NODES; i++) {
		assert_int_equal(info[i].memfree, mm_node_free_frames(i) << PAGE_SHIFT);
		for (unsigned k = 0; k < NODES; k++)
			assert_int_equal(distance[i * NODES + k], firmware.distance[i][k]);
	}
	/* Who has less room gets fewer, in rows as long as that. */
	op.u.numainfo.num_nodes = 2;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.numainfo.num_nodes, 2);
	assert_int_equal(distance[2], firmware.distance[1][0]);

	op = sysctl_of(XEN_SYSCTL_cputopoinfo);
	op.u.cputopoinfo.num_cpus = 8;
	op.u.cputopoinfo.cputopo = BUF;
	assert_int_equal(sysctl(&op), 0);
	for (unsigned i = 0; i < op.u.cputopoinfo.num_cpus; i++)
		assert_int_equal(topo[i].node, i);

	op = sysctl_of(XEN_SYSCTL_availheap);
	op.u.availheap.node = 2;
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.availheap.avail_bytes, mm_node_free_frames(2) << PAGE_SHIFT);
	op = sysctl_of(XEN_SYSCTL_physinfo);
	assert_int_equal(sysctl(&op), 0);
	assert_int_equal(op.u.physinfo.nr_nodes, NODES);
}

/* The command line may have it that there is one node. */
static void test_off(void **state)
{
	control_setup(NULL);
	param_parse("numa=off");
	numa_init(&firmware);
	param_parse("");
	assert_int_equal(numa_nodes(), 1);
	assert_int_equal(mm_node_free_frames(0), mm_free_frames());
}

/* Tables that cannot be: one node, as before. */
static void test_nonsense(void **state)
{
	control_setup(NULL);
	firmware.srat_mem[1].start -= 4096;
	numa_init(&firmware);
	assert_int_equal(numa_nodes(), 1);
	assert_non_null(strstr(host_log(), "claim the same memory"));
	firmware.srat_mem[1].start += 4096;
	firmware.distance[1][1] = 11;
	numa_init(&firmware);
	assert_int_equal(numa_nodes(), NODES);
	assert_int_equal(numa_distance(1, 1), NUMA_LOCAL);
	assert_int_equal(numa_distance(1, 2), NUMA_REMOTE);
	assert_non_null(strstr(host_log(), "distances that cannot be"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_blocks, setup),   cmocka_unit_test_setup(test_affinity, setup),
		cmocka_unit_test_setup(test_flags, setup),    cmocka_unit_test_setup(test_follows_cpus, setup),
		cmocka_unit_test_setup(test_sysctls, setup),  cmocka_unit_test_setup(test_off, setup),
		cmocka_unit_test_setup(test_nonsense, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
