/* Control: where vCPUs may run, and how much of the machine a domain gets. */
#include "control.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/sched.h"

#define AFFINITY_BOTH (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)

/* vCPU @id of @d. -EINVAL beyond the limit, -ESRCH not made yet. */
static int find_vcpu(struct domain *d, uint32_t id, struct vcpu **v)
{
	if (id >= d->max_vcpus)
		return err(-EINVAL);
	*v = __atomic_load_n(&d->vcpu[id], __ATOMIC_ACQUIRE);
	return *v ? 0 : err(-ESRCH);
}

static int affinity_check(struct domctl *c, struct vcpu **v)
{
	const struct xen_domctl_vcpuaffinity *a = &c->op.u.vcpuaffinity;
	int rc = find_vcpu(c->d, a->vcpu, v);

	if (rc)
		return rc;
	if (a->flags == 0 || (a->flags & XEN_VCPUAFFINITY_HARD && !a->cpumap_hard.bitmap) ||
	    (a->flags & XEN_VCPUAFFINITY_SOFT && !a->cpumap_soft.bitmap))
		return err(-EINVAL);
	return 0;
}

/*
 * Set what is flagged, both or nothing, and report what is effective: within the CPUs of the domain's pool, and for the soft set
 * within the hard one. FORCE also ends a pin the guest holds. -EINVAL, -ESRCH, -EFAULT.
 */
long domctl_set_affinity(struct domctl *c)
{
	const struct xen_domctl_vcpuaffinity *a = &c->op.u.vcpuaffinity;
	cpumask_t hard, soft, online, now_hard, now_soft;
	struct vcpu *v;
	int rc = affinity_check(c, &v);

	if (rc)
		return rc;
	if (a->flags & XEN_VCPUAFFINITY_HARD && control_get_bitmap(c->v, &hard, &a->cpumap_hard))
		return -EFAULT;
	if (a->flags & XEN_VCPUAFFINITY_SOFT && control_get_bitmap(c->v, &soft, &a->cpumap_soft))
		return -EFAULT;
	if (a->flags & XEN_VCPUAFFINITY_FORCE && sched_pin_override(v, -1))
		rc = 0; /* nothing was pinned */
	if (a->flags & AFFINITY_BOTH)
		rc = sched_set_affinity(v, a->flags & XEN_VCPUAFFINITY_HARD ? &hard : NULL,
					a->flags & XEN_VCPUAFFINITY_SOFT ? &soft : NULL);
	if (rc)
		return rc;
	online = sched_domain_cpus(c->d);
	sched_get_affinity(v, &now_hard, &now_soft);
	hard = cpumask_and(&now_hard, &online);
	soft = cpumask_and(&now_soft, &hard);
	if (a->flags & XEN_VCPUAFFINITY_HARD && control_put_bitmap(c->v, &a->cpumap_hard, &hard))
		return -EFAULT;
	if (a->flags & XEN_VCPUAFFINITY_SOFT && control_put_bitmap(c->v, &a->cpumap_soft, &soft))
		return -EFAULT;
	return 0;
}

/* The sets as they were chosen, not cut to what is online; CPUs the machine cannot have are left out. */
long domctl_get_affinity(struct domctl *c)
{
	const struct xen_domctl_vcpuaffinity *a = &c->op.u.vcpuaffinity;
	cpumask_t hard, soft, possible;
	struct vcpu *v;
	int rc = affinity_check(c, &v);

	if (rc)
		return rc;
	cpumask_clear(&possible);
	for (unsigned cpu = 0; cpu < control_nr_cpu_ids(); cpu++)
		cpumask_set(&possible, cpu);
	sched_get_affinity(v, &hard, &soft);
	hard = cpumask_and(&hard, &possible);
	soft = cpumask_and(&soft, &possible);
	if (a->flags & XEN_VCPUAFFINITY_HARD && control_put_bitmap(c->v, &a->cpumap_hard, &hard))
		return -EFAULT;
	if (a->flags & XEN_VCPUAFFINITY_SOFT && control_put_bitmap(c->v, &a->cpumap_soft, &soft))
		return -EFAULT;
	return 0;
}

/* What one vCPU does and where. */
long domctl_vcpu_info(struct domctl *c)
{
	struct xen_domctl_getvcpuinfo *info = &c->op.u.getvcpuinfo;
	enum runstate state;
	uint64_t times[4];
	stime_t entry;
	struct vcpu *v;
	unsigned why;
	int rc = find_vcpu(c->d, info->vcpu, &v);

	if (rc)
		return rc;
	vcpu_runstate_get(v, &state, &entry, times);
	why = __atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE);
	info->online = !(why & VPF_DOWN);
	info->blocked = why & VPF_BLOCKED ? 1 : 0;
	info->running = state == RUNSTATE_RUNNING;
	info->cpu_time = times[RUNSTATE_RUNNING];
	info->cpu = read_once(v->processor);
	c->copyback = true;
	return 0;
}

/* Set the share: a weight of 0 keeps the old one, a cap of 0 means none. Caps beyond all vCPUs together are -EINVAL. */
static int put_share(struct domain *d, const struct xen_domctl_sched_credit2 *s)
{
	uint16_t weight = 0, cap = 0;
	int rc = sched_adjust(d, false, &weight, &cap);

	if (rc)
		return rc;
	if (s->cap > 100u * d->max_vcpus)
		return err(-EINVAL);
	cap = s->cap;
	if (s->weight)
		weight = s->weight;
	return sched_adjust(d, true, &weight, &cap);
}

/* Weight and cap; there are no parameters of single vCPUs. -EINVAL also for another scheduler than the pool's. */
long domctl_scheduler(struct domctl *c)
{
	struct xen_domctl_scheduler_op *op = &c->op.u.scheduler_op;
	int rc;

	if (op->sched_id != (uint32_t)sched_policy()->id)
		return err(-EINVAL);
	switch (op->cmd) {
	case XEN_DOMCTL_SCHEDOP_getinfo:
		rc = sched_adjust(c->d, false, &op->u.credit2.weight, &op->u.credit2.cap);
		break;
	case XEN_DOMCTL_SCHEDOP_putinfo:
		rc = put_share(c->d, &op->u.credit2);
		break;
	default:
		return err(-EINVAL);
	}
	c->copyback = rc == 0;
	return rc;
}

/* Memory comes from wherever it is: the wish is checked, and there is nothing to keep. -EINVAL without a node that exists. */
long domctl_set_nodes(struct domctl *c)
{
	const struct xenctl_bitmap *map = &c->op.u.nodeaffinity.nodemap;
	cpumask_t nodes;

	if (control_get_bitmap(c->v, &nodes, map))
		return -EFAULT;
	return cpumask_test(&nodes, 0) ? 0 : err(-EINVAL);
}

/* All nodes, of which there is one. */
long domctl_get_nodes(struct domctl *c)
{
	cpumask_t nodes;

	cpumask_clear(&nodes);
	cpumask_set(&nodes, 0);
	return control_put_bitmap(c->v, &c->op.u.nodeaffinity.nodemap, &nodes);
}
