/* Control: pools of CPUs and what their scheduler can be told. */
#include "control.h"
#include "hv/cpupool.h"
#include "hv/errno.h"
#include "hv/numa.h"
#include "hv/printk.h"
#include "hv/sched.h"

static int pool_create(struct sysctl *c)
{
	struct xen_sysctl_cpupool_op *op = &c->op.u.cpupool_op;
	unsigned id = op->cpupool_id;
	int rc = cpupool_create(&id, (int)op->sched_id);

	if (rc == 0) {
		op->cpupool_id = id;
		c->copyback = true;
	}
	return rc;
}

static int pool_info(struct sysctl *c)
{
	struct xen_sysctl_cpupool_op *op = &c->op.u.cpupool_op;
	struct cpupool_info info;
	int rc = cpupool_info(op->cpupool_id, &info);

	if (rc)
		return rc;
	op->cpupool_id = info.id;
	op->sched_id = (uint32_t)info.sched_id;
	op->n_dom = info.nr_domains;
	c->copyback = true;
	return control_put_bitmap(c->v, &op->cpumap, &info.cpus);
}

/* The caller's own domain stays where it is: -EPERM. */
static int pool_move(struct sysctl *c)
{
	const struct xen_sysctl_cpupool_op *op = &c->op.u.cpupool_op;
	struct domain *d;
	int rc;

	if (op->domid == c->v->domain->id || op->domid == DOMID_SELF)
		return err(-EPERM);
	d = op->domid < DOMID_FIRST_RESERVED ? domain_get_by_id((domid_t)op->domid) : NULL;
	if (!d)
		return err(-ESRCH);
	rc = cpupool_move_domain(op->cpupool_id, d);
	numa_follow_cpus(d);
	domain_put(d);
	return rc;
}

/* -ENOSYS for an operation that does not exist, else what hv/cpupool.h says. */
long sysctl_cpupool(struct sysctl *c)
{
	const struct xen_sysctl_cpupool_op *op = &c->op.u.cpupool_op;
	cpumask_t free;

	switch (op->op) {
	case XEN_SYSCTL_CPUPOOL_OP_CREATE:
		return pool_create(c);
	case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
		return cpupool_destroy(op->cpupool_id);
	case XEN_SYSCTL_CPUPOOL_OP_INFO:
		return pool_info(c);
	case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
		return cpupool_add_cpu(op->cpupool_id, op->cpu);
	case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
		return cpupool_remove_cpu(op->cpupool_id, op->cpu);
	case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
		return pool_move(c);
	case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
		free = cpupool_free_cpus();
		return control_put_bitmap(c->v, &op->cpumap, &free);
	default:
		return err(-ENOSYS);
	}
}

/* The rate limit of a pool: microseconds, 0 for none. -ESRCH; -EINVAL: another scheduler; -EOPNOTSUPP: its scheduler has none. */
long sysctl_scheduler(struct sysctl *c)
{
	struct xen_sysctl_scheduler_op *op = &c->op.u.scheduler_op;
	uint32_t *us = &op->u.sched_credit2.ratelimit_us, now_us;
	int rc = cpupool_ratelimit(op->cpupool_id, false, &now_us);
	struct cpupool_info info;

	if (rc)
		return rc;
	if (cpupool_info(op->cpupool_id, &info) || op->sched_id != (uint32_t)info.sched_id)
		return err(-EINVAL);
	if (info.sched_id != XEN_SCHEDULER_CREDIT2)
		return err(-EOPNOTSUPP);
	switch (op->cmd) {
	case XEN_SYSCTL_SCHEDOP_getinfo:
		*us = now_us;
		c->copyback = true;
		return 0;
	case XEN_SYSCTL_SCHEDOP_putinfo:
		if (*us && (*us < XEN_SYSCTL_SCHED_RATELIMIT_MIN || *us > XEN_SYSCTL_SCHED_RATELIMIT_MAX))
			return err(-EINVAL);
		return cpupool_ratelimit(op->cpupool_id, true, us);
	default:
		return err(-EINVAL);
	}
}
