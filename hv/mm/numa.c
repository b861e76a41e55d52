/* Nodes: what firmware says of them, and which one a page is taken from. */
#include "hv/numa.h"

#include "frame_state.h"
#include "hv/acpi.h"
#include "hv/arch.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"

_Static_assert(NUMA_MAX_NODES == ACPI_MAX_NODES, "each node of the tables has a number here");

struct node {
	uint64_t first, end; /* frames, what lies between them may be another's; 0, 0: it has none */
	uint8_t distance[NUMA_MAX_NODES];
	uint8_t near[NUMA_MAX_NODES]; /* by distance, itself first */
};

static struct {
	unsigned nr; /* 0: not asked yet, which is one */
	struct node node[NUMA_MAX_NODES];
	const struct acpi_info *acpi;
	uint8_t of_cpu[NR_CPUS]; /* node + 1; 0: not looked up yet */
} numa;

/* See hv/numa.h. */
void numa_reset(void)
{
	memset(&numa, 0, sizeof(numa));
}

unsigned numa_nodes(void)
{
	return numa.nr ? numa.nr : 1;
}

nodemask_t numa_all(void)
{
	return ~0UL >> (NUMA_MAX_NODES - numa_nodes());
}

unsigned numa_distance(unsigned from, unsigned to)
{
	return numa.nr ? numa.node[from].distance[to] : NUMA_LOCAL;
}

const uint8_t *numa_near(unsigned node)
{
	return numa.node[node].near; /* {0} for the only one */
}

uint64_t numa_span(unsigned node)
{
	return numa.nr ? (numa.node[node].end - numa.node[node].first) << PAGE_SHIFT : mm_max_mfn().v << PAGE_SHIFT;
}

/* Boot ---------------------------------------------------------------------------------------------------- */

/* The node of frame @index; memory that no entry names is the first one's. */
static unsigned node_of_frame(uint64_t index)
{
	for (unsigned i = 0; i < numa.acpi->nr_srat_mem; i++) {
		const struct acpi_srat_mem *m = &numa.acpi->srat_mem[i];

		if (index << PAGE_SHIFT >= m->start && index << PAGE_SHIFT < m->start + m->size)
			return m->node;
	}
	return 0;
}

/* Do two nodes claim the same memory? */
static bool overlapping(const struct acpi_info *ai)
{
	for (unsigned i = 0; i < ai->nr_srat_mem; i++)
		for (unsigned k = 0; k < i; k++) {
			const struct acpi_srat_mem *a = &ai->srat_mem[i], *b = &ai->srat_mem[k];

			if (a->node != b->node && a->start < b->start + b->size && b->start < a->start + a->size)
				return true;
		}
	return false;
}

static void find_spans(const struct acpi_info *ai)
{
	for (unsigned i = 0; i < ai->nr_srat_mem; i++) {
		const struct acpi_srat_mem *m = &ai->srat_mem[i];
		struct node *n = &numa.node[m->node];

		if (!n->end || m->start >> PAGE_SHIFT < n->first)
			n->first = m->start >> PAGE_SHIFT;
		n->end = max_u64(n->end, (m->start + m->size) >> PAGE_SHIFT);
	}
}

/* Does the SLIT make sense: 10 to oneself, more to others? */
static bool distances_ok(const struct acpi_info *ai)
{
	for (unsigned i = 0; i < ai->nr_nodes; i++)
		for (unsigned k = 0; k < ai->nr_nodes; k++)
			if (i == k ? ai->distance[i][k] != NUMA_LOCAL : ai->distance[i][k] <= NUMA_LOCAL)
				return false;
	return true;
}

static void find_distances(const struct acpi_info *ai)
{
	bool ok = ai->slit && distances_ok(ai);

	if (ai->slit && !ok)
		printk(LOG_WARN, "NUMA: distances that cannot be are not used\n");
	for (unsigned i = 0; i < ai->nr_nodes; i++)
		for (unsigned k = 0; k < ai->nr_nodes; k++)
			numa.node[i].distance[k] = ok ? ai->distance[i][k] : i == k ? NUMA_LOCAL : NUMA_REMOTE;
}

/* Insertion sort: there are few, and of equals the lower number comes first. */
static void sort_by_distance(unsigned node)
{
	struct node *n = &numa.node[node];

	for (unsigned i = 0; i < numa.nr; i++) {
		unsigned at = i;

		while (at && n->distance[n->near[at - 1]] > n->distance[i]) {
			n->near[at] = n->near[at - 1];
			at--;
		}
		n->near[at] = (uint8_t)i;
	}
}

/* See hv/numa.h. Boot CPU. */
void numa_init(const struct acpi_info *ai)
{
	if (ai->nr_nodes < 2 || !param_bool("numa", true))
		return;
	if (overlapping(ai)) {
		printk(LOG_WARN, "NUMA: nodes claim the same memory: taken for one\n");
		return;
	}
	numa.acpi = ai;
	numa.nr = ai->nr_nodes;
	find_spans(ai);
	find_distances(ai);
	for (unsigned i = 0; i < numa.nr; i++)
		sort_by_distance(i);
	frames_sort(numa.nr, node_of_frame);
	for (unsigned i = 0; i < numa.nr; i++)
		printk(LOG_INFO, "NUMA: node %u: memory %#lx to %#lx\n", i, numa.node[i].first << PAGE_SHIFT,
		       numa.node[i].end << PAGE_SHIFT);
}

/* CPUs ---------------------------------------------------------------------------------------------------- */

unsigned numa_node_of_cpu(unsigned cpu)
{
	uint32_t apic_id, acpi_id;
	unsigned node = 0;

	/* Early in the boot there are no CPUs to be asked about. */
	if (!numa.nr || !pcpu_get(cpu))
		return 0;
	if (numa.of_cpu[cpu])
		return numa.of_cpu[cpu] - 1u;
	arch_cpu_ids(cpu, &apic_id, &acpi_id);
	for (unsigned i = 0; i < numa.acpi->nr_cpus; i++)
		if (numa.acpi->cpus[i].apic_id == apic_id)
			node = numa.acpi->cpus[i].node;
	write_once(numa.of_cpu[cpu], (uint8_t)(node + 1));
	return node;
}

nodemask_t numa_nodes_of(const cpumask_t *cpus)
{
	cpumask_t running = cpumask_and(cpus, cpu_online());
	nodemask_t nodes = 0;
	unsigned cpu;

	for_each_cpu(cpu, &running)
		nodes |= 1UL << numa_node_of_cpu(cpu);
	return nodes;
}

/* Domains ------------------------------------------------------------------------------------------------- */

/* See hv/numa.h. */
nodemask_t numa_affinity(const struct domain *d)
{
	nodemask_t nodes = read_once(d->numa.nodes);

	return nodes ? nodes : numa_all();
}

/* Where @v may run, and of that what it likes if there is any. */
static cpumask_t cpus_of(struct vcpu *v, const cpumask_t *pool)
{
	cpumask_t hard, soft;

	sched_get_affinity(v, &hard, &soft);
	hard = cpumask_and(&hard, pool);
	soft = cpumask_and(&soft, &hard);
	return cpumask_empty(&soft) ? hard : soft;
}

/* See hv/numa.h. */
void numa_follow_cpus(struct domain *d)
{
	cpumask_t pool;
	nodemask_t nodes = 0;

	if (!numa.nr || read_once(d->numa.chosen))
		return;
	pool = sched_domain_cpus(d);
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = __atomic_load_n(&d->vcpu[i], __ATOMIC_ACQUIRE);
		cpumask_t cpus;

		if (!v)
			continue;
		cpus = cpus_of(v, &pool);
		nodes |= numa_nodes_of(&cpus);
	}
	write_once(d->numa.nodes, nodes);
}

/* See hv/numa.h. All nodes is no choice, as in Xen. */
int numa_set_affinity(struct domain *d, nodemask_t nodes)
{
	if (nodes & ~numa_all())
		return err(-EINVAL);
	write_once(d->numa.chosen, nodes && nodes != numa_all());
	write_once(d->numa.nodes, nodes);
	if (!d->numa.chosen)
		numa_follow_cpus(d);
	return 0;
}

/* Allocation ---------------------------------------------------------------------------------------------- */

/* The first of @nodes behind @last, going round. */
static unsigned next_node(nodemask_t nodes, unsigned last)
{
	nodemask_t behind = last + 1 < NUMA_MAX_NODES ? nodes & ~0UL << (last + 1) : 0;

	return (unsigned)__builtin_ctzl(behind ? behind : nodes);
}

/* From one of @nodes, beginning with @first, and going on in the order of distance from it. */
static struct frame *take_from(nodemask_t nodes, unsigned first, unsigned order, bool low)
{
	for (unsigned i = 0; i < numa.nr; i++) {
		unsigned node = numa.node[first].near[i];
		struct frame *f = nodes >> node & 1 ? block_take(node, order, low) : NULL;

		if (f)
			return f;
	}
	return NULL;
}

/* See frame_state.h. A domain's blocks come from its nodes in turn; what they have not comes from the nearest that has. */
struct frame *numa_take(struct domain *d, unsigned order, unsigned flags)
{
	unsigned asked = ALLOC_ASKED_NODE(flags), first;
	bool low = flags & ALLOC_BELOW_4G;
	nodemask_t mine = d ? numa_affinity(d) : numa_all();
	struct frame *f;

	if (asked < numa.nr) {
		f = block_take(asked, order, low);
		return f || (flags & ALLOC_EXACT_NODE) ? f : take_from(numa_all(), asked, order, low);
	}
	first = d ? next_node(mine, d->numa.last) : numa_node_of_cpu(this_cpu());
	f = take_from(mine, first, order, low);
	if (!f && mine != numa_all())
		f = take_from(~mine, first, order, low);
	if (f && d)
		d->numa.last = f->node;
	return f;
}

/* See hv/numa.h. */
void numa_show(void)
{
	for (unsigned i = 0; i < numa_nodes(); i++) {
		printk(LOG_WARN, "node %u: %lu MiB free of what spans %lu MiB, distances", i,
		       (unsigned long)mm_node_free_frames(i) >> 8, (unsigned long)numa_span(i) >> 20);
		for (unsigned k = 0; k < numa_nodes(); k++)
			printk(LOG_WARN, " %u", numa_distance(i, k));
		printk(LOG_WARN, "\n");
	}
}
