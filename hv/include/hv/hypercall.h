/*
 * Hypercalls. One constant table in hv/core/hypercall.c: number -> handler, arguments, guest kinds, role.
 *
 * A handler gets the calling vCPU and its arguments, already truncated to 32 bits for a 32-bit caller, and returns the
 * guest's result. A long operation saves its progress in args[] (v->hc.args) and returns hypercall_again(v): the guest's
 * instruction pointer stays on the call, registers are rewritten from v->hc.args, and softirqs and other vCPUs get their turn. Inside a
 * multicall the same works: the batch's progress is kept and the entry resumes.
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv/domain.h"
#include "hv/types.h"

#define HC_memory_op 12
#define HC_multicall 13
#define HC_set_timer_op 15
#define HC_xen_version 17
#define HC_console_io 18
#define HC_grant_table_op 20
#define HC_vm_assist 21
#define HC_vcpu_op 24
#define HC_mmuext_op 26
#define HC_xsm_op 27
#define HC_sched_op 29
#define HC_event_channel_op 32
#define HC_physdev_op 33
#define HC_hvm_op 34
#define HC_sysctl 35
#define HC_domctl 36
#define HC_platform_op 7
#define HC_xenpmu_op 40
#define HC_dm_op 41
#define HC_hypfs_op 42
#define NR_HYPERCALLS 64

/*
 * Called by the architecture on VMMCALL/VMCALL with v->hc.{nr,args,guest32} set, the arguments cut to the width of the call, and CPL 0 checked.
 * *again: leave rip on the call and write back nr/args.
 */
long hypercall_dispatch(struct vcpu *v, bool *again);
/* Handler: I saved my progress in v->hc.args, run me again. */
long hypercall_again(struct vcpu *v);
/* Long loops ask this between items: a softirq waits for this CPU, or the slice is over. */
bool hypercall_preempt_check(void);

/* May @subject do an operation of @kind on @object? One place for events, grants and mappings between domains. */
enum relation {
	RELATION_EVENT,	  /* bind an event channel */
	RELATION_GRANT,	  /* map or copy a grant */
	RELATION_FOREIGN, /* map memory without a grant: control, or target */
	RELATION_CONTROL, /* manage */
};
int relation_check(const struct domain *subject, const struct domain *object, enum relation kind) must_check;

/* Find the domain an operation names: DOMID_SELF or an id; others need @kind. -ESRCH, -EPERM. Reference held on success. */
int domain_from_guest(struct vcpu *v, domid_t id, enum relation kind, struct domain **out) must_check;

long do_sched_op(struct vcpu *v, const uint64_t *args);
long do_vcpu_op(struct vcpu *v, const uint64_t *args);
long do_set_timer_op(struct vcpu *v, const uint64_t *args);
long do_memory_op(struct vcpu *v, const uint64_t *args);
long do_hvm_op(struct vcpu *v, const uint64_t *args);
long do_physdev_op(struct vcpu *v, const uint64_t *args);
long do_platform_op(struct vcpu *v, const uint64_t *args);
long do_sysctl(struct vcpu *v, const uint64_t *args);
long do_domctl(struct vcpu *v, const uint64_t *args);
long do_dm_op(struct vcpu *v, const uint64_t *args);
long do_hypfs_op(struct vcpu *v, const uint64_t *args);
long do_xen_version(struct vcpu *v, const uint64_t *args);
long do_console_io(struct vcpu *v, const uint64_t *args);
long do_vm_assist(struct vcpu *v, const uint64_t *args);
long do_hospes_op(struct vcpu *v, const uint64_t *args);
/* The part of it that is the in-guest loader's (hv/loader_abi.h); hv/launch/handoff.c. */
long launch_loader_op(struct vcpu *v, const uint64_t *args);
long do_multicall(struct vcpu *v, const uint64_t *args);

#endif
