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

/* What decides how an address is translated, as of now. */
struct guest_paging {
	uint64_t cr0, cr3, cr4, efer;
	uint64_t rflags;
	unsigned cpl;
};

/* Why no event can be injected into the next entry (virt_ops.blocked); RFLAGS.IF is in the registers. */
#define BLOCK_EVENT 0x1u  /* one is queued already */
#define BLOCK_SHADOW 0x2u /* after STI or MOV SS */
#define BLOCK_NMI 0x4u	  /* an NMI handler runs: NMIs only */

/* virt_ops.priority: any interrupt, whatever the task priority. */
#define WINDOW_NONE (-1)
#define WINDOW_ANY 16

struct virt_ops {
	const char *name;
	/* Boot CPU: can this machine do it? NULL, or one sentence saying what is missing. */
	const char *(*probe)(void);
	int (*cpu_up)(void); /* each CPU, before it runs guests */
	int (*vcpu_init)(struct vcpu *v);
	void (*vcpu_free)(struct vcpu *v);
	void (*load)(struct vcpu *v);
	void (*save)(struct vcpu *v);
	/* Enter the guest once, its TSC offset corrected for this CPU, and dispatch the exit through the shared handlers. */
	void (*run)(struct vcpu *v);

	struct segment (*get_segment)(struct vcpu *v, enum seg_name s);
	void (*set_segment)(struct vcpu *v, enum seg_name s, struct segment seg);
	uint64_t (*get_cr)(struct vcpu *v, unsigned cr); /* 0, 2, 3, 4 as the guest sees them */
	void (*set_cr)(struct vcpu *v, unsigned cr, uint64_t val);
	uint64_t (*get_dr)(struct vcpu *v, unsigned dr); /* 6, 7 */
	void (*set_dr)(struct vcpu *v, unsigned dr, uint64_t val);
	/* The event that waits for the next entry, or for its turn after it: error code 63:32, valid 31, has error 11, type 10:8, vector 7:0; 0 none. */
	uint64_t (*get_event)(struct vcpu *v);
	void (*set_event)(struct vcpu *v, uint64_t event);
	uint64_t (*get_efer)(struct vcpu *v);
	void (*set_efer)(struct vcpu *v, uint64_t val);
	unsigned (*get_cpl)(struct vcpu *v);
	/* Queue an exception for the next entry; one queued before turns it into #DF or a triple fault where the manuals say so. */
	void (*inject_exception)(struct vcpu *v, unsigned vector, int error_code);
	/* Queue an external interrupt / an NMI for the next entry. Nothing may block it (see blocked). */
	void (*inject_interrupt)(struct vcpu *v, uint8_t vector);
	void (*inject_nmi)(struct vcpu *v);
	unsigned (*blocked)(struct vcpu *v); /* BLOCK_* */
	/*
	 * The task priority for the next entry, and a window: exit as soon as an interrupt of priority class @window could be taken; WINDOW_ANY
	 * ignores the priority.
	 */
	void (*priority)(struct vcpu *v, uint8_t cr8, int window);
	/* Task priority (CR8) the guest sees and changes without exits. */
	uint8_t (*get_tpr)(struct vcpu *v);
	void (*set_tpr)(struct vcpu *v, uint8_t cr8);
	/* The instruction that exited is done: the interrupt shadow ends, a single-step trap is queued if due. */
	void (*end_insn)(struct vcpu *v);
	/* Address after the instruction that exited, 0 when the hardware does not say. */
	uint64_t (*next_rip)(struct vcpu *v);
	void (*get_paging)(struct vcpu *v, struct guest_paging *p);
	/* Drop all cached translations of @v before its next entry. */
	void (*flush_tlb)(struct vcpu *v);
	/* Power-up state of everything in the control block (segments, control registers, queued events). */
	void (*reset)(struct vcpu *v);
	/* MSRs that live in the control block (STAR, LSTAR, SYSENTER_*, KERNEL_GS_BASE, FS/GS base, PAT ...). false: not one of them. */
	bool (*get_msr)(struct vcpu *v, uint32_t msr, uint64_t *val);
	bool (*set_msr)(struct vcpu *v, uint32_t msr, uint64_t val);
};

extern const struct virt_ops *virt; /* set by virt_init() */
extern const struct virt_ops svm_ops;

/* Boot CPU: choose the back end this machine can do; then each CPU calls virt->cpu_up(). NULL, or why there is none. hvm/virt.c. */
const char *virt_init(void);

#endif
