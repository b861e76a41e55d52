/* Control: the machine and its log, as tools see them. */
#include "control.h"
#include "hv/arch.h"
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/keyhandler.h"
#include "hv/mm.h"
#include "hv/numa.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"

#define KEYS_MAX 1024u
#define LIST_BATCH 8u /* domains described at a time: about a kilobyte of the stack */

/* Copy text of the console ring out, from the oldest or from where the caller was. What was read can be forgotten. */
long sysctl_read_console(struct sysctl *c)
{
	struct xen_sysctl_readconsole *r = &c->op.u.readconsole;
	uint32_t index = r->index, done = 0;
	bool follow = r->incremental;
	char buf[512];

	while (done < r->count) {
		size_t n = console_ring_read(buf, min_u64(sizeof(buf), r->count - done), &index, follow, false);

		if (n && copy_to_guest(c->v, r->buffer + done, buf, n))
			return err(-EFAULT);
		follow = true;
		done += (uint32_t)n;
		if (!n)
			break;
	}
	if (r->clear && done)
		console_ring_read(buf, 0, &index, true, true);
	r->count = done;
	r->index = index;
	c->copyback = true;
	return 0;
}

/* As if the keys had been typed on Hospes' console. */
long sysctl_debug_keys(struct sysctl *c)
{
	const struct xen_sysctl_debug_keys *k = &c->op.u.debug_keys;

	if (k->nr_keys > KEYS_MAX)
		return err(-EINVAL);
	for (uint32_t i = 0; i < k->nr_keys; i++) {
		char key;

		if (copy_from_guest(c->v, &key, k->keys + i, 1))
			return err(-EFAULT);
		keyhandler_run(key);
	}
	return 0;
}

/* Idle time of each CPU. */
long sysctl_cpu_info(struct sysctl *c)
{
	struct xen_sysctl_getcpuinfo *g = &c->op.u.getcpuinfo;
	uint32_t nr = (uint32_t)min_u64(g->max_cpus, control_nr_cpu_ids());

	for (uint32_t cpu = 0; cpu < nr; cpu++) {
		struct xen_sysctl_cpuinfo info = { .idletime = sched_idle_time(cpu) };

		if (copy_to_guest(c->v, g->info + cpu * sizeof(info), &info, sizeof(info)))
			return err(-EFAULT);
	}
	g->nr_cpus = nr;
	c->copyback = true;
	return 0;
}

/* Free memory within widths of addresses, of one node or all. */
long sysctl_avail_heap(struct sysctl *c)
{
	struct xen_sysctl_availheap *a = &c->op.u.availheap;
	uint64_t pages = a->node == -1					  ? mm_free_frames() + mm_claimed_frames() :
			 a->node >= 0 && (uint32_t)a->node < numa_nodes() ? mm_node_free_frames((unsigned)a->node) :
									    0;

	if (a->max_bitwidth && a->max_bitwidth < 64)
		pages = min_u64(pages, a->max_bitwidth > PAGE_SHIFT ? 1UL << (a->max_bitwidth - PAGE_SHIFT) : 0);
	if (a->min_bitwidth > PAGE_SHIFT &&
	    (a->min_bitwidth >= 64 || mm_max_mfn().v >> (a->min_bitwidth - PAGE_SHIFT) == 0))
		pages = 0;
	a->avail_bytes = pages << PAGE_SHIFT;
	c->copyback = true;
	return 0;
}

/* Counts, speed and abilities of the machine. */
long sysctl_physinfo(struct sysctl *c)
{
	struct xen_sysctl_physinfo *p = &c->op.u.physinfo;

	memset(p, 0, sizeof(*p));
	p->nr_cpus = nr_cpus_online();
	p->max_cpu_id = control_nr_cpu_ids() - 1;
	p->nr_nodes = numa_nodes();
	p->max_node_id = 63; /* as large as Xen's tools expect its bitmaps */
	p->capabilities =
		XEN_SYSCTL_PHYSCAP_gnttab_v1 | (grant_max_version_allowed() > 1 ? XEN_SYSCTL_PHYSCAP_gnttab_v2 : 0);
	p->total_pages = mm_total_frames();
	p->outstanding_pages = mm_claimed_frames();
	p->free_pages = mm_free_frames() + p->outstanding_pages;
	p->max_mfn = mm_max_mfn().v - 1;
	arch_physinfo(p);
	c->copyback = true;
	return 0;
}

/* Where each CPU sits. A null buffer asks how many there are. */
long sysctl_topology(struct sysctl *c)
{
	struct xen_sysctl_cputopoinfo *t = &c->op.u.cputopoinfo;
	uint32_t nr = control_nr_cpu_ids();

	if (t->cputopo) {
		nr = (uint32_t)min_u64(nr, t->num_cpus);
		for (uint32_t cpu = 0; cpu < nr; cpu++) {
			struct xen_sysctl_cputopo topo = { XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID,
							   XEN_INVALID_NODE_ID };

			if (cpumask_test(cpu_online(), cpu)) {
				arch_cpu_topology(cpu, &topo.core, &topo.socket);
				topo.node = numa_node_of_cpu(cpu);
			}
			if (copy_to_guest(c->v, t->cputopo + cpu * sizeof(topo), &topo, sizeof(topo)))
				return err(-EFAULT);
		}
	}
	t->num_cpus = nr;
	c->copyback = true;
	return 0;
}

/* Distances from @node to the first @nr, which are a row of the caller's table. */
static int put_distances(struct vcpu *v, uint64_t table, unsigned node, uint32_t nr)
{
	uint32_t row[NUMA_MAX_NODES];

	for (unsigned i = 0; i < nr; i++)
		row[i] = numa_distance(node, i);
	return copy_to_guest(v, table + (uint64_t)node * nr * sizeof(*row), row, nr * sizeof(*row));
}

/* Memory of each node, and how far they are apart. Null buffers ask for the number of nodes. */
long sysctl_numa(struct sysctl *c)
{
	struct xen_sysctl_numainfo *n = &c->op.u.numainfo;
	uint32_t nr = numa_nodes();

	if (n->meminfo || n->distance)
		nr = (uint32_t)min_u64(nr, n->num_nodes);
	for (uint32_t i = 0; i < nr; i++) {
		struct xen_sysctl_meminfo info = { numa_span(i), mm_node_free_frames(i) << PAGE_SHIFT };

		if (n->meminfo && copy_to_guest(c->v, n->meminfo + i * sizeof(info), &info, sizeof(info)))
			return err(-EFAULT);
		if (n->distance && put_distances(c->v, n->distance, i, nr))
			return err(-EFAULT);
	}
	n->num_nodes = nr;
	c->copyback = true;
	return 0;
}

/* Nodes of devices: none is known to have one. When others want this CPU only some are looked at: how many, the caller is told. */
long sysctl_pci_topology(struct sysctl *c)
{
	struct xen_sysctl_pcitopoinfo *p = &c->op.u.pcitopoinfo;
	uint32_t node = XEN_INVALID_DEV, done = 0;

	if (!p->devs || !p->nodes || !p->num_devs)
		return err(-EINVAL);
	do
		if (copy_to_guest(c->v, p->nodes + (uint64_t)done * sizeof(node), &node, sizeof(node)))
			return err(-EFAULT);
	while (++done < p->num_devs && (done % 64 || !hypercall_preempt_check()));
	p->num_devs = done;
	c->copyback = true;
	return 0;
}

/* Up to @max domains from id *@from on, each as getdomaininfo shows it; *@from is where the next ones are. How many. */
static uint32_t fill_infos(struct xen_domctl_getdomaininfo *info, uint32_t max, domid_t *from)
{
	struct domain *d;
	uint32_t nr = 0;

	for (; nr < max && (d = domain_next(*from)); nr++) {
		*from = (domid_t)(d->id + 1);
		domctl_fill_info(d, &info[nr]);
		domain_put(d);
	}
	return nr;
}

/* Domains from an id on. Daemons ask for all at each creation: to reach the caller's memory for each one costs more than the rest. */
long sysctl_domain_list(struct sysctl *c)
{
	struct xen_sysctl_getdomaininfolist *l = &c->op.u.getdomaininfolist;
	struct xen_domctl_getdomaininfo info[LIST_BATCH];
	domid_t from = l->first_domain;
	uint32_t nr = 0, now;

	do {
		uint32_t want = (uint32_t)min_u64(l->max_domains - nr, LIST_BATCH);

		now = fill_infos(info, want, &from);
		if (now && copy_to_guest(c->v, l->buffer + (uint64_t)nr * sizeof(*info), info, now * sizeof(*info)))
			return err(-EFAULT);
		nr += now;
	} while (now == LIST_BATCH);
	l->num_domains = nr;
	c->copyback = true;
	return 0;
}

/* The scheduler of new pools. */
long sysctl_sched_id(struct sysctl *c)
{
	c->op.u.sched_id.sched_id = (uint32_t)sched_policy()->id;
	c->copyback = true;
	return 0;
}
