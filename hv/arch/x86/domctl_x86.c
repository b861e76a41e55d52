/* Control operations only this architecture has. DC-* of docs/compatibility.md. */
#include "control.h"
#include "control_policy.h"
#include "hv/arch.h"
#include "hv/core/control.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/timescale.h"

/* CPU policy ------------------------------------------------------------------------------------ */

/* As in the guest's memory. */
_Static_assert(sizeof(struct policy_leaf) == 24 && sizeof(struct policy_msr) == 16, "ABI");

struct policy_buffer {
	struct policy_leaf leaves[POLICY_MAX_LEAVES];
	struct policy_msr msrs[POLICY_MAX_MSRS];
};

/* See control_policy.h. The arrays are of one size with those of the interface. */
int control_put_policy(struct vcpu *v, const struct cpu_policy *p, uint64_t leaves, uint32_t *nr_leaves, uint64_t msrs,
		       uint32_t *nr_msrs)
{
	struct policy_buffer *b = xzalloc(struct policy_buffer);
	unsigned nl = POLICY_MAX_LEAVES, nm = POLICY_MAX_MSRS;
	int rc;

	if (!b)
		return err(-ENOMEM);
	rc = policy_to_leaves(p, b->leaves, &nl);
	if (rc == 0)
		rc = policy_to_msrs(p, b->msrs, &nm);
	if (rc == 0 && ((leaves && nl > *nr_leaves) || (msrs && nm > *nr_msrs)))
		rc = err(-ENOBUFS);
	if (rc == 0 && ((leaves && copy_to_guest(v, leaves, b->leaves, nl * sizeof(b->leaves[0]))) ||
			(msrs && copy_to_guest(v, msrs, b->msrs, nm * sizeof(b->msrs[0])))))
		rc = err(-EFAULT);
	xfree(b);
	if (rc)
		return rc;
	*nr_leaves = leaves ? nl : POLICY_MAX_LEAVES;
	*nr_msrs = msrs ? nm : POLICY_MAX_MSRS;
	return 0;
}

/* A null buffer asks for the most there can be. -ENOBUFS. */
static long get_policy(struct domctl *c)
{
	struct xen_domctl_cpu_policy *p = &c->op.u.cpu_policy;
	int rc = control_put_policy(c->v, c->d->arch.policy, p->leaves, &p->nr_leaves, p->msrs, &p->nr_msrs);

	c->copyback = rc == 0;
	return rc;
}

/* Only a domain that never ran may change: its kernel looks once. -EEXIST, -E2BIG, -EFAULT, -EINVAL with the first offender. */
static long set_policy(struct domctl *c)
{
	struct xen_domctl_cpu_policy *p = &c->op.u.cpu_policy;
	struct policy_error bad = { ~0u, ~0u, ~0u };
	struct policy_buffer *b;
	long rc = 0;

	if (c->d->creation_finished)
		return err(-EEXIST);
	b = xzalloc(struct policy_buffer);
	if (!b)
		return err(-ENOMEM);
	if (p->nr_leaves > POLICY_MAX_LEAVES || p->nr_msrs > POLICY_MAX_MSRS)
		rc = err(-E2BIG);
	else if (copy_from_guest(c->v, b->leaves, p->leaves, p->nr_leaves * sizeof(b->leaves[0])) ||
		 copy_from_guest(c->v, b->msrs, p->msrs, p->nr_msrs * sizeof(b->msrs[0])))
		rc = err(-EFAULT);
	else
		rc = policy_update(c->d->arch.policy, machine_policy(MACHINE_HVM_MAX), b->leaves, p->nr_leaves, b->msrs,
				   p->nr_msrs, &bad);
	xfree(b);
	p->err_leaf = bad.leaf;
	p->err_subleaf = bad.sub;
	p->err_msr = bad.msr;
	c->copyback = rc != 0;
	return rc;
}

/* Time-stamp counter ------------------------------------------------------------------------------ */

#define TSC_MODE_NEVER_EMULATE 2u

/* A counter that is never emulated has no history. */
static long get_tsc(struct domctl *c)
{
	struct xen_domctl_tsc_info *t = &c->op.u.tsc_info;
	uint32_t khz = machine_tsc_khz();

	*t = (struct xen_domctl_tsc_info){ .tsc_mode = c->d->arch.tsc_mode, .incarnation = c->d->arch.tsc_incarnation };
	if (t->tsc_mode != TSC_MODE_NEVER_EMULATE) {
		t->gtsc_khz = khz;
		t->elapsed_nsec = khz ? muldiv64(domain_tsc(c->d), 1000000, khz) : 0;
	}
	c->copyback = true;
	return 0;
}

/* RDTSC is native whatever the mode; a domain that comes from elsewhere goes on with the time it had. -EINVAL. */
static long set_tsc(struct domctl *c)
{
	const struct xen_domctl_tsc_info *t = &c->op.u.tsc_info;

	if (t->tsc_mode > TSC_MODE_NEVER_EMULATE)
		return err(-EINVAL);
	c->d->arch.tsc_mode = t->tsc_mode;
	c->d->arch.tsc_incarnation = t->incarnation + 1;
	if (t->elapsed_nsec)
		domain_set_tsc(c->d, muldiv64(t->elapsed_nsec, machine_tsc_khz(), 1000000));
	return 0;
}

/* The rest --------------------------------------------------------------------------------------- */

/* There is no power button on a PVH domain: pressing it does nothing. -ESRCH no such vCPU, -ENOSYS. */
static long send_trigger(struct domctl *c)
{
	const struct xen_domctl_sendtrigger *t = &c->op.u.sendtrigger;
	struct vcpu *v = t->vcpu < c->d->max_vcpus ? c->d->vcpu[t->vcpu] : NULL;

	if (!v)
		return err(-ESRCH);
	switch (t->trigger) {
	case XEN_DOMCTL_SENDTRIGGER_NMI:
		arch_vcpu_send_nmi(v);
		return 0;
	case XEN_DOMCTL_SENDTRIGGER_POWER:
	case XEN_DOMCTL_SENDTRIGGER_SLEEP:
		return 0;
	default:
		return err(-ENOSYS);
	}
}

const struct domctl_entry arch_domctls[NR_DOMCTLS] = {
	[XEN_DOMCTL_ioport_permission] = { domctl_ioport_permission, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_sendtrigger] = { send_trigger, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_set_address_size] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_get_address_size] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_bind_pt_irq] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_unbind_pt_irq] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_ioport_mapping] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_set_ext_vcpucontext] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_get_ext_vcpucontext] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_vm_event_op] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_mem_sharing_op] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_gettscinfo] = { get_tsc, ROLE_CONTROL, DOMCTL_NOT_SELF, 0 },
	[XEN_DOMCTL_settscinfo] = { set_tsc, ROLE_CONTROL, DOMCTL_NOT_SELF | DOMCTL_LOCKED | DOMCTL_PAUSED, 0 },
	[XEN_DOMCTL_setvcpuextstate] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_getvcpuextstate] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_audit_p2m] = { NULL, ROLE_CONTROL, 0, -ENOSYS },
	[XEN_DOMCTL_set_broken_page_p2m] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_get_vcpu_msrs] = { NULL, ROLE_CONTROL, 0, -EINVAL },
	[XEN_DOMCTL_set_vcpu_msrs] = { NULL, ROLE_CONTROL, 0, -EINVAL },
	[XEN_DOMCTL_psr_cmt_op] = { NULL, ROLE_CONTROL, 0, -ENODEV },
	[XEN_DOMCTL_psr_alloc] = { NULL, ROLE_CONTROL, 0, -ENODEV },
	[XEN_DOMCTL_get_cpu_policy] = { get_policy, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_set_cpu_policy] = { set_policy, ROLE_CONTROL, DOMCTL_NOT_SELF | DOMCTL_LOCKED | DOMCTL_PAUSED, 0 },
};
