/* x86 part of domains and vCPUs (HVM container: PVH now, HVM with the same core later). */
#ifndef ASM_DOMAIN_H
#define ASM_DOMAIN_H

#include "asm/regs.h"
#include "hv/types.h"
#include "policy.h" /* struct msr_state */

struct cpu_policy; /* policy.h: CPUID leaves and MSRs the domain sees */
struct vlapic;	   /* hvm/vlapic.h */
struct svm_vcpu;   /* svm/svm.h */

struct arch_domain {
	struct cpu_policy *policy;
	int64_t tsc_offset; /* guest TSC = boot CPU's TSC + this, on every CPU */
	uint64_t hypercall_gfn_msr;
	uint32_t cf8;	    /* config address latch, decoded although no PCI exists (EM-09) */
};

struct arch_vcpu {
	struct guest_regs regs;
	struct vlapic *vlapic;
	struct svm_vcpu *svm;
	void *fpu;		/* XSAVE/FXSAVE area of this vCPU */
	uint64_t xcr0;
	uint64_t dr[4], dr6, dr7; /* breakpoint registers while not loaded */
	struct msr_state msrs;	/* MTRRs and others served from memory */
	uint64_t pat;		/* lives in the control block when loaded */
	bool nmi_pending;
	bool upcall_asserted;	/* vector of the event upcall already given to the vLAPIC */
	bool init_pending;
	int sipi_vector;	/* -1 none */
	uint32_t time_version;
};

#endif
