/* Could a processor be in this state? Pure checks of register state from outside, tested on the host. hv/arch/x86/hvm/vcpu_check.c */
#ifndef HVM_VCPU_CHECK_H
#define HVM_VCPU_CHECK_H

#include "hv/types.h"

struct cpu_policy;
struct hvm_hw_cpu;
struct hvm_hw_cpu_xsave;
struct hvm_hw_mtrr;
struct hvm_msr;
struct vcpu_hvm_context;

/* EFER bits a guest with @p may set. */
uint64_t efer_allowed(const struct cpu_policy *p);
/* CR4 bits likewise. */
uint64_t cr4_allowed(const struct cpu_policy *p);
/* -EINVAL: combinations of control registers that no processor takes (APM vol. 2, 15.5.1 and 14.1.3). */
int control_registers_check(const struct cpu_policy *p, uint64_t cr0, uint64_t cr4, uint64_t efer) must_check;
/* Memory types of a page attribute table. */
bool pat_valid(uint64_t pat);

/* Records of a saved state. -EINVAL. */
int hvm_cpu_check(const struct cpu_policy *p, const struct hvm_hw_cpu *c) must_check;
int hvm_mtrr_check(const struct cpu_policy *p, const struct hvm_hw_mtrr *m) must_check;
/* @rec of @len bytes, not aligned; @mask: components this machine switches. */
int hvm_xsave_check(const struct cpu_policy *p, uint64_t mask, const void *rec, size_t len) must_check;
/* Bytes of a record that holds @components. */
size_t hvm_xsave_len(const struct cpu_policy *p, uint64_t components);

/* What VCPUOP_initialise gives. -EINVAL. */
int vcpu_context_check(const struct cpu_policy *p, const struct vcpu_hvm_context *ctx) must_check;

#endif
