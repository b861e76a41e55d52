/*
 * The narrow interface to a hardware virtualisation back end: SVM now, VMX later. Everything above (exit handlers,
 * CPUID and MSR policy, vLAPIC, decode) is shared and reaches guest state through these calls. Called with @v loaded on
 * this CPU, or @v not running anywhere, unless said otherwise.
 */
#ifndef ASM_VIRT_H
#define ASM_VIRT_H

#include "asm/regs.h"
#include "hv/types.h"

struct domain;
struct vcpu;

#define NO_ERROR_CODE (-1)

struct virt_ops {
	const char *name;
	/* Boot CPU: can this machine do it? NULL, or one sentence saying what is missing. */
	const char *(*probe)(void);
	int (*cpu_up)(void); /* each CPU, before it runs guests */
	int (*vcpu_init)(struct vcpu *v);
	void (*vcpu_free)(struct vcpu *v);
	void (*load)(struct vcpu *v);
	void (*save)(struct vcpu *v);
	/* Enter the guest once and dispatch the exit through the shared handlers. */
	void (*run)(struct vcpu *v);

	struct segment (*get_segment)(struct vcpu *v, enum seg_name s);
	void (*set_segment)(struct vcpu *v, enum seg_name s, struct segment seg);
	uint64_t (*get_cr)(struct vcpu *v, unsigned cr); /* 0, 2, 3, 4 as the guest sees them */
	void (*set_cr)(struct vcpu *v, unsigned cr, uint64_t val);
	uint64_t (*get_efer)(struct vcpu *v);
	void (*set_efer)(struct vcpu *v, uint64_t val);
	unsigned (*get_cpl)(struct vcpu *v);
	/* Queue an exception / NMI / external interrupt for the next entry. */
	void (*inject_exception)(struct vcpu *v, unsigned vector, int error_code);
	/* Set the TSC offset so the guest's TSC is monotonic when moving between CPUs. */
	void (*set_tsc_offset)(struct vcpu *v, int64_t offset);
	/* MSRs that live in the control block (STAR, LSTAR, SYSENTER_*, KERNEL_GS_BASE, FS/GS base, PAT ...). false: not one of them. */
	bool (*get_msr)(struct vcpu *v, uint32_t msr, uint64_t *val);
	bool (*set_msr)(struct vcpu *v, uint32_t msr, uint64_t val);
};

extern const struct virt_ops *virt;
extern const struct virt_ops svm_ops;

#endif
