/* Control: trace buffers. */
#include "control.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/trace.h"

static int set_cpus(struct sysctl *c)
{
	cpumask_t cpus;

	if (control_get_bitmap(c->v, &cpus, &c->op.u.tbuf_op.cpu_mask))
		return -EFAULT;
	trace_set_cpus(&cpus);
	return 0;
}

static int get_info(struct sysctl *c)
{
	struct trace_info info = trace_info();

	c->op.u.tbuf_op.evt_mask = info.events;
	c->op.u.tbuf_op.buffer_mfn = info.info.v;
	c->op.u.tbuf_op.size = info.size;
	c->copyback = true;
	return 0;
}

/* -EINVAL for an operation that does not exist, else what hv/trace.h says. */
long sysctl_trace(struct sysctl *c)
{
	const struct xen_sysctl_tbuf_op *op = &c->op.u.tbuf_op;

	switch (op->cmd) {
	case XEN_SYSCTL_TBUFOP_get_info:
		return get_info(c);
	case XEN_SYSCTL_TBUFOP_set_cpu_mask:
		return set_cpus(c);
	case XEN_SYSCTL_TBUFOP_set_evt_mask:
		trace_set_events(op->evt_mask);
		return 0;
	case XEN_SYSCTL_TBUFOP_set_size:
		return trace_set_size(op->size);
	case XEN_SYSCTL_TBUFOP_enable:
	case XEN_SYSCTL_TBUFOP_disable:
		return trace_enable(op->cmd == XEN_SYSCTL_TBUFOP_enable);
	default:
		return err(-EINVAL);
	}
}
