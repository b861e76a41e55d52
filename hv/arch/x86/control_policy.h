/* CPU policies on their way to a toolstack. hv/arch/x86/domctl_x86.c */
#ifndef X86_CONTROL_POLICY_H
#define X86_CONTROL_POLICY_H

#include "policy.h"

struct vcpu;

/*
 * Write @p to the caller's arrays of *@nr_leaves and *@nr_msrs entries, which become the numbers written; those of a null array become the most there
 * can be. -ENOBUFS: too few, nothing written; -EFAULT, -ENOMEM.
 */
int control_put_policy(struct vcpu *v, const struct cpu_policy *p, uint64_t leaves, uint32_t *nr_leaves, uint64_t msrs,
		       uint32_t *nr_msrs) must_check;

#endif
