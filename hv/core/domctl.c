/*
 * Hypercall 36: a toolstack controls domains. DC-* of docs/compatibility.md.
 *
 * Order of refusals: -EFAULT, -EACCES for another interface version, -EINVAL or -ESRCH for the object, -EPERM without the role, then the
 * operation's own; as Xen has it. Everything a handler needs was copied before the first look at it.
 */
#include "control.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/printk.h"

#define ONE_DOMAIN (DOMCTL_NOT_SELF | DOMCTL_LOCKED)

/* Operations that are known but not there answer what a Xen without that part answers. */
static const struct domctl_entry table[NR_DOMCTLS] = {
	[XEN_DOMCTL_createdomain] = { domctl_create, ROLE_CONTROL, DOMCTL_NO_OBJECT, 0 },
	[XEN_DOMCTL_destroydomain] = { domctl_destroy, ROLE_CONTROL, DOMCTL_NOT_SELF, 0 },
	[XEN_DOMCTL_pausedomain] = { domctl_pause, ROLE_CONTROL, DOMCTL_NOT_SELF, 0 },
	[XEN_DOMCTL_unpausedomain] = { domctl_unpause, ROLE_CONTROL, DOMCTL_NOT_SELF, 0 },
	[XEN_DOMCTL_getdomaininfo] = { domctl_info, ROLE_CONTROL | ROLE_XENSTORE, DOMCTL_OR_NEXT, 0 },
	[XEN_DOMCTL_setvcpuaffinity] = { domctl_set_affinity, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_shadow_op] = { domctl_shadow, ROLE_CONTROL, ONE_DOMAIN, 0 },
	[XEN_DOMCTL_max_mem] = { domctl_max_mem, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_setvcpucontext] = { NULL, ROLE_CONTROL, DOMCTL_NOT_SELF, -EOPNOTSUPP },
	[XEN_DOMCTL_getvcpucontext] = { NULL, ROLE_CONTROL, DOMCTL_NOT_SELF, -EOPNOTSUPP },
	[XEN_DOMCTL_getvcpuinfo] = { domctl_vcpu_info, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_max_vcpus] = { domctl_max_vcpus, ROLE_CONTROL, ONE_DOMAIN, 0 },
	[XEN_DOMCTL_scheduler_op] = { domctl_scheduler, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_setdomainhandle] = { domctl_set_handle, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_setdebugging] = { NULL, ROLE_CONTROL, DOMCTL_NOT_SELF, -EOPNOTSUPP },
	[XEN_DOMCTL_irq_permission] = { domctl_irq_permission, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_iomem_permission] = { domctl_iomem_permission, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_hypercall_init] = { domctl_hypercall_init, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_settimeoffset] = { domctl_time_offset, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_getvcpuaffinity] = { domctl_get_affinity, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_resumedomain] = { domctl_resume, ROLE_CONTROL, ONE_DOMAIN, 0 },
	[XEN_DOMCTL_subscribe] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_gethvmcontext] = { domctl_get_context, ROLE_CONTROL, ONE_DOMAIN | DOMCTL_PAUSED, 0 },
	[XEN_DOMCTL_sethvmcontext] = { domctl_set_context, ROLE_CONTROL, ONE_DOMAIN | DOMCTL_PAUSED, 0 },
	[XEN_DOMCTL_gethvmcontext_partial] = { domctl_get_context_partial, ROLE_CONTROL, ONE_DOMAIN | DOMCTL_PAUSED,
					       0 },
	[XEN_DOMCTL_assign_device] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_test_assign_device] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_deassign_device] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_get_device_group] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_memory_mapping] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_set_target] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_debug_op] = { NULL, ROLE_CONTROL, 0, -EOPNOTSUPP },
	[XEN_DOMCTL_getpageframeinfo3] = { domctl_page_info, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_set_access_required] = { NULL, ROLE_CONTROL, DOMCTL_NOT_SELF, -EOPNOTSUPP },
	[XEN_DOMCTL_set_virq_handler] = { domctl_set_virq_handler, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_setnodeaffinity] = { domctl_set_nodes, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
	[XEN_DOMCTL_getnodeaffinity] = { domctl_get_nodes, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_setvnumainfo] = { NULL, ROLE_CONTROL, 0, -EINVAL },
	[XEN_DOMCTL_monitor_op] = { NULL, ROLE_CONTROL, DOMCTL_NOT_SELF, -EOPNOTSUPP },
	[XEN_DOMCTL_soft_reset] = { NULL, ROLE_CONTROL, DOMCTL_NOT_SELF, -EOPNOTSUPP },
	[XEN_DOMCTL_vmtrace_op] = { NULL, ROLE_CONTROL, DOMCTL_NOT_SELF, -EOPNOTSUPP },
	[XEN_DOMCTL_get_paging_mempool_size] = { domctl_get_mempool, ROLE_CONTROL, 0, 0 },
	[XEN_DOMCTL_set_paging_mempool_size] = { domctl_set_mempool, ROLE_CONTROL, DOMCTL_LOCKED, 0 },
};

/* The entry of operation @cmd; numbers nobody knows answer -ENOSYS. */
static struct domctl_entry entry_of(uint32_t cmd)
{
	struct domctl_entry e = { 0 };

	if (cmd < NR_DOMCTLS)
		e = table[cmd].fn || table[cmd].error ? table[cmd] : arch_domctls[cmd];
	if (!e.fn && !e.error)
		e = (struct domctl_entry){ NULL, ROLE_CONTROL, 0, -ENOSYS };
	return e;
}

/*
 * Find the object of @c. getdomaininfo takes the first domain from the id on, so that tools can list all of them. -EINVAL for ids that
 * can never be one, -ESRCH.
 */
static int find_object(struct domctl *c, const struct domctl_entry *e)
{
	if (e->flags & DOMCTL_NO_OBJECT)
		return 0;
	if (c->op.domain >= DOMID_FIRST_RESERVED)
		return e->flags & DOMCTL_OR_NEXT ? err(-EINVAL) : err(-ESRCH);
	c->d = e->flags & DOMCTL_OR_NEXT ? domain_next(c->op.domain) : domain_get_by_id(c->op.domain);
	return c->d ? 0 : err(-ESRCH);
}

/* Run @e with the object locked and paused as it wants. */
static long run(struct domctl *c, const struct domctl_entry *e)
{
	long rc;

	if (c->d == c->v->domain && e->flags & DOMCTL_NOT_SELF)
		return err(-EINVAL);
	if (!e->fn)
		return err(e->error);
	if (e->flags & DOMCTL_LOCKED && __atomic_exchange_n(&c->d->control.busy, true, __ATOMIC_ACQUIRE))
		return hypercall_again(c->v);
	rc = e->flags & DOMCTL_PAUSED ? domain_pause_for(c->d, c->v) : 0;
	if (rc == 0) {
		rc = e->fn(c);
		if (e->flags & DOMCTL_PAUSED)
			domain_unpause(c->d);
	} else {
		rc = hypercall_again(c->v);
	}
	if (e->flags & DOMCTL_LOCKED)
		__atomic_store_n(&c->d->control.busy, false, __ATOMIC_RELEASE);
	return rc;
}

/* Hypercall 36; @args[0] is the address of a struct xen_domctl, the same in both guest widths. */
long do_domctl(struct vcpu *v, const uint64_t *args)
{
	uint64_t arg = args[0];
	struct domctl_entry e;
	struct domctl c;
	long rc;

	c.v = v;
	c.d = NULL;
	c.copyback = false;
	if (copy_from_guest(v, &c.op, arg, sizeof(c.op)))
		return err(-EFAULT);
	if (c.op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return err(-EACCES);
	e = entry_of(c.op.cmd);
	rc = find_object(&c, &e);
	if (rc)
		return rc;
	rc = v->domain->roles & e.roles ? run(&c, &e) : err(-EPERM);
	if (c.copyback && copy_to_guest(v, arg, &c.op, sizeof(c.op)))
		rc = err(-EFAULT);
	if (c.d)
		domain_put(c.d);
	return rc;
}
