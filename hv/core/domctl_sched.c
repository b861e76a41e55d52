/* Control: where vCPUs may run, and how much of the machine a domain gets. */
#include "control.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/numa.h"
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
	numa_follow_cpus(c->d);
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

/* Weight and cap; there are no parameters of single vCPUs. */
static int fair_op(struct domctl *c)
{
	struct xen_domctl_scheduler_op *op = &c->op.u.scheduler_op;
	int rc;

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

/* Promises of vCPUs: microseconds outside, ns inside. */
static struct sched_reservation from_abi(const struct xen_domctl_sched_rtds *p)
{
	return (struct sched_reservation){ .period = MICROSECS(p->period),
					   .budget = MICROSECS(p->budget),
					   .extra = p->flags & XEN_DOMCTL_SCHEDRT_extra };
}

static struct xen_domctl_sched_rtds to_abi(const struct sched_reservation *p)
{
	return (struct xen_domctl_sched_rtds){ .period = (uint32_t)(p->period / MICROSECS(1)),
					       .budget = (uint32_t)(p->budget / MICROSECS(1)),
					       .flags = p->extra ? XEN_DOMCTL_SCHEDRT_extra : 0 };
}

/* The same promise to each vCPU there is. */
static int put_promises(struct domain *d, const struct xen_domctl_sched_rtds *params)
{
	struct sched_reservation p = from_abi(params);
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < d->max_vcpus; i++) {
		struct vcpu *v = __atomic_load_n(&d->vcpu[i], __ATOMIC_ACQUIRE);

		if (v)
			rc = sched_reservation(v, true, &p);
	}
	return rc;
}

/*
 * The promises of the vCPUs a list names; how many of it are done is told, and callers come again for the rest. -EFAULT; -EINVAL: no such
 * vCPU, or a promise out of range.
 */
static long promises_of_vcpus(struct domctl *c, bool set)
{
	struct xen_domctl_scheduler_op *op = &c->op.u.scheduler_op;
	uint32_t i;

	for (i = 0; i < op->u.v.nr_vcpus && (i == 0 || i % 64 || !hypercall_preempt_check()); i++) {
		struct xen_domctl_schedparam_vcpu e;
		uint64_t at = op->u.v.vcpus + (uint64_t)i * sizeof(e);
		struct sched_reservation p;
		struct vcpu *v;

		if (copy_from_guest(c->v, &e, at, sizeof(e)))
			return err(-EFAULT);
		if (find_vcpu(c->d, e.vcpuid, &v))
			return err(-EINVAL);
		p = from_abi(&e.u.rtds);
		if (sched_reservation(v, set, &p))
			return err(-EINVAL);
		e.u.rtds = to_abi(&p);
		if (!set && copy_to_guest(c->v, at, &e, sizeof(e)))
			return err(-EFAULT);
	}
	op->u.v.nr_vcpus = i;
	c->copyback = true;
	return 0;
}

static long realtime_op(struct domctl *c)
{
	struct xen_domctl_scheduler_op *op = &c->op.u.scheduler_op;
	struct sched_reservation p = sched_reservation_default();

	switch (op->cmd) {
	case XEN_DOMCTL_SCHEDOP_getinfo:
		op->u.rtds = to_abi(&p);
		c->copyback = true;
		return 0;
	case XEN_DOMCTL_SCHEDOP_putinfo:
		return put_promises(c->d, &op->u.rtds);
	case XEN_DOMCTL_SCHEDOP_getvcpuinfo:
	case XEN_DOMCTL_SCHEDOP_putvcpuinfo:
		return promises_of_vcpus(c, op->cmd == XEN_DOMCTL_SCHEDOP_putvcpuinfo);
	default:
		return err(-EINVAL);
	}
}

/* What the scheduler of the domain's pool can be told. -EINVAL also for another scheduler; -EOPNOTSUPP: that one has nothing to tell. */
long domctl_scheduler(struct domctl *c)
{
	const struct sched_policy *policy = sched_domain_policy(c->d);

	if (c->op.u.scheduler_op.sched_id != (uint32_t)policy->id)
		return err(-EINVAL);
	switch (policy->index) {
	case SCHED_FAIR:
		return fair_op(c);
	case SCHED_REALTIME:
		return realtime_op(c);
	default:
		return err(-EOPNOTSUPP);
	}
}

/* Where memory of the domain is to come from from now on. -EINVAL without a node that exists; others are left out. */
long domctl_set_nodes(struct domctl *c)
{
	cpumask_t nodes;

	if (control_get_bitmap(c->v, &nodes, &c->op.u.nodeaffinity.nodemap))
		return -EFAULT;
	nodes.bits[0] &= numa_all();
	return nodes.bits[0] ? numa_set_affinity(c->d, nodes.bits[0]) : err(-EINVAL);
}

long domctl_get_nodes(struct domctl *c)
{
	cpumask_t nodes;

	cpumask_clear(&nodes);
	nodes.bits[0] = numa_affinity(c->d);
	return control_put_bitmap(c->v, &c->op.u.nodeaffinity.nodemap, &nodes);
}
