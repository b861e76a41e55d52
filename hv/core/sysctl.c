/*
 * Hypercall 35: a toolstack asks about the machine and controls it. SY-* of docs/compatibility.md. Refusals come in the order of
 * domctl.c: -EFAULT, -EACCES, -EPERM.
 */
#include "control.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/printk.h"

/* What is not there answers as a Xen built, or running on hardware, without it. */
static const struct sysctl_entry table[NR_SYSCTLS] = {
	[XEN_SYSCTL_readconsole] = { sysctl_read_console, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_tbuf_op] = { sysctl_trace, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_physinfo] = { sysctl_physinfo, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_sched_id] = { sysctl_sched_id, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_perfc_op] = { NULL, ROLE_CONTROL, -ENOSYS },
	[XEN_SYSCTL_getdomaininfolist] = { sysctl_domain_list, ROLE_CONTROL | ROLE_XENSTORE, 0 },
	[XEN_SYSCTL_debug_keys] = { sysctl_debug_keys, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_getcpuinfo] = { sysctl_cpu_info, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_availheap] = { sysctl_avail_heap, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_get_pmstat] = { NULL, ROLE_CONTROL, -ENODEV },
	[XEN_SYSCTL_cpu_hotplug] = { NULL, ROLE_CONTROL, -EOPNOTSUPP },
	[XEN_SYSCTL_pm_op] = { NULL, ROLE_CONTROL, -ENOSYS },
	[XEN_SYSCTL_page_offline_op] = { NULL, ROLE_CONTROL, -EOPNOTSUPP },
	[XEN_SYSCTL_lockprof_op] = { NULL, ROLE_CONTROL, -ENOSYS },
	[XEN_SYSCTL_cputopoinfo] = { sysctl_topology, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_numainfo] = { sysctl_numa, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_cpupool_op] = { sysctl_cpupool, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_scheduler_op] = { sysctl_scheduler, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_coverage_op] = { NULL, ROLE_CONTROL, -EOPNOTSUPP },
	[XEN_SYSCTL_psr_cmt_op] = { NULL, ROLE_CONTROL, -ENODEV },
	[XEN_SYSCTL_pcitopoinfo] = { sysctl_pci_topology, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_psr_alloc] = { NULL, ROLE_CONTROL, -ENODEV },
	[XEN_SYSCTL_livepatch_op] = { NULL, ROLE_CONTROL, -ENOSYS },
};

static struct sysctl_entry entry_of(uint32_t cmd)
{
	struct sysctl_entry e = { 0 };

	if (cmd < NR_SYSCTLS)
		e = table[cmd].fn || table[cmd].error ? table[cmd] : arch_sysctls[cmd];
	if (!e.fn && !e.error)
		e = (struct sysctl_entry){ NULL, ROLE_CONTROL, -ENOSYS };
	return e;
}

/* Hypercall 35; @args[0] is the address of a struct xen_sysctl, the same in both guest widths. */
long do_sysctl(struct vcpu *v, const uint64_t *args)
{
	struct sysctl c = { .v = v };
	uint64_t arg = args[0];
	struct sysctl_entry e;
	long rc;

	if (copy_from_guest(v, &c.op, arg, sizeof(c.op)))
		return err(-EFAULT);
	if (c.op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return err(-EACCES);
	e = entry_of(c.op.cmd);
	if (!(v->domain->roles & e.roles))
		return err(-EPERM);
	if (!e.fn)
		return err(e.error);
	rc = e.fn(&c);
	if (c.copyback && copy_to_guest(v, arg, &c.op, sizeof(c.op)))
		rc = err(-EFAULT);
	return rc;
}
