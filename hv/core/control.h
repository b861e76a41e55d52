/*
 * Control operations (hypercalls 35 and 36): what dispatch hands to a handler. The structure was copied once from the guest and is the
 * handler's own; it is written back when the handler sets ->copyback, also together with an error.
 *
 * Who may do what is data: each entry names the roles of which the caller needs one. Operations of the architecture have their
 * own tables, linked beside these.
 */
#ifndef CORE_CONTROL_H
#define CORE_CONTROL_H

#include "abi/sysctl.h"
#include "hv/domain.h"

struct domctl {
	struct vcpu *v;	  /* the caller */
	struct domain *d; /* the object with a reference; NULL where the table says so */
	struct xen_domctl op;
	bool copyback;
};
typedef long domctl_fn(struct domctl *c);

#define DOMCTL_NO_OBJECT 0x1u /* makes its own domain */
#define DOMCTL_NOT_SELF 0x2u  /* -EINVAL on the caller's own domain */
#define DOMCTL_LOCKED 0x4u    /* one such operation at a time on one domain: others come back later */
#define DOMCTL_OR_NEXT 0x10u  /* the object is the first domain with that id or a greater one */
#define DOMCTL_PAUSED 0x8u    /* no vCPU of the object runs meanwhile */

struct domctl_entry {
	domctl_fn *fn; /* NULL: answers ->error */
	uint8_t roles; /* any one of these */
	uint8_t flags; /* DOMCTL_* */
	int16_t error;
};
#define NR_DOMCTLS 92u /* numbers from here on are unknown, but for the debugger's */

/* The architecture's operations; an entry without function and error is none of them. */
extern const struct domctl_entry arch_domctls[NR_DOMCTLS];

struct sysctl {
	struct vcpu *v;
	struct xen_sysctl op;
	bool copyback;
};
typedef long sysctl_fn(struct sysctl *c);

struct sysctl_entry {
	sysctl_fn *fn;
	uint8_t roles;
	int16_t error;
};
#define NR_SYSCTLS 32u
extern const struct sysctl_entry arch_sysctls[NR_SYSCTLS];

/* What getdomaininfo says of @d. */
void domctl_fill_info(struct domain *d, struct xen_domctl_getdomaininfo *info);
/* Copies between a set of CPUs or nodes and the caller's bitmap. -EFAULT. hv/core/control_bitmap.c */
int control_get_bitmap(struct vcpu *v, cpumask_t *mask, const struct xenctl_bitmap *from) must_check;
int control_put_bitmap(struct vcpu *v, const struct xenctl_bitmap *to, const cpumask_t *mask) must_check;
/* One more than the highest CPU that runs. */
unsigned control_nr_cpu_ids(void);

/* domctl_life.c */
domctl_fn domctl_create, domctl_destroy, domctl_pause, domctl_unpause, domctl_info, domctl_max_vcpus, domctl_resume,
	domctl_set_handle, domctl_time_offset, domctl_set_virq_handler;
/* domctl_sched.c */
domctl_fn domctl_set_affinity, domctl_get_affinity, domctl_vcpu_info, domctl_scheduler, domctl_set_nodes,
	domctl_get_nodes;
/* domctl_memory.c */
domctl_fn domctl_max_mem, domctl_page_info, domctl_shadow, domctl_get_mempool, domctl_set_mempool,
	domctl_hypercall_init;
/* domctl_permission.c */
domctl_fn domctl_irq_permission, domctl_iomem_permission, domctl_ioport_permission;
/* domctl_context.c */
domctl_fn domctl_get_context, domctl_set_context, domctl_get_context_partial;
/* sysctl_host.c */
sysctl_fn sysctl_read_console, sysctl_debug_keys, sysctl_cpu_info, sysctl_avail_heap, sysctl_topology, sysctl_numa,
	sysctl_pci_topology, sysctl_physinfo, sysctl_domain_list, sysctl_sched_id;
/* sysctl_pool.c */
sysctl_fn sysctl_cpupool, sysctl_trace, sysctl_scheduler;

#endif
