/* The virtual machine control block: AMD APM vol. 2, appendix B. */
#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include "asm/regs.h"
#include "hv/types.h"

/* Intercepts, word 3 (offset 0ch) and word 4 (offset 10h). */
#define INTERCEPT_INTR (1u << 0)
#define INTERCEPT_NMI (1u << 1)
#define INTERCEPT_SMI (1u << 2)
#define INTERCEPT_INIT (1u << 3)
#define INTERCEPT_VINTR (1u << 4)
#define INTERCEPT_RDPMC (1u << 15)
#define INTERCEPT_CPUID (1u << 18)
#define INTERCEPT_IRET (1u << 20)
#define INTERCEPT_INVD (1u << 22)
#define INTERCEPT_HLT (1u << 24)
#define INTERCEPT_INVLPGA (1u << 26)
#define INTERCEPT_IOIO (1u << 27)
#define INTERCEPT_MSR (1u << 28)
#define INTERCEPT_TASK_SWITCH (1u << 29)
#define INTERCEPT_FERR (1u << 30)
#define INTERCEPT_SHUTDOWN (1u << 31)

#define INTERCEPT2_VMRUN (1u << 0)
#define INTERCEPT2_VMMCALL (1u << 1)
#define INTERCEPT2_VMLOAD (1u << 2)
#define INTERCEPT2_VMSAVE (1u << 3)
#define INTERCEPT2_STGI (1u << 4)
#define INTERCEPT2_CLGI (1u << 5)
#define INTERCEPT2_SKINIT (1u << 6)
#define INTERCEPT2_WBINVD (1u << 9)
#define INTERCEPT2_MONITOR (1u << 10)
#define INTERCEPT2_MWAIT (1u << 11)
#define INTERCEPT2_MWAIT_ARMED (1u << 12)
#define INTERCEPT2_XSETBV (1u << 13)
#define INTERCEPT2_RDPRU (1u << 14)

/* Exit codes (appendix C). */
#define EXIT_EXCEPTION 0x40u /* + vector */
#define EXIT_INTR 0x60u
#define EXIT_NMI 0x61u
#define EXIT_SMI 0x62u
#define EXIT_INIT 0x63u
#define EXIT_VINTR 0x64u
#define EXIT_RDPMC 0x6fu
#define EXIT_CPUID 0x72u
#define EXIT_IRET 0x74u
#define EXIT_INVD 0x76u
#define EXIT_HLT 0x78u
#define EXIT_INVLPGA 0x7au
#define EXIT_IOIO 0x7bu
#define EXIT_MSR 0x7cu
#define EXIT_TASK_SWITCH 0x7du
#define EXIT_FERR 0x7eu
#define EXIT_SHUTDOWN 0x7fu
#define EXIT_VMRUN 0x80u
#define EXIT_VMMCALL 0x81u
#define EXIT_VMLOAD 0x82u
#define EXIT_VMSAVE 0x83u
#define EXIT_STGI 0x84u
#define EXIT_CLGI 0x85u
#define EXIT_SKINIT 0x86u
#define EXIT_WBINVD 0x89u
#define EXIT_MONITOR 0x8au
#define EXIT_MWAIT 0x8bu
#define EXIT_MWAIT_ARMED 0x8cu
#define EXIT_XSETBV 0x8du
#define EXIT_RDPRU 0x8eu
#define NR_LOW_EXITS 0x90u
#define EXIT_NPF 0x400u
#define EXIT_INVALID (~0UL)

/* TLB_CONTROL */
#define TLB_KEEP 0
#define TLB_FLUSH_ALL 1
#define TLB_FLUSH_ASID 3

/* Virtual interrupt control, offset 60h. */
#define VINTR_TPR_MASK 0xfUL
#define VINTR_IRQ (1UL << 8)
#define VINTR_PRIO_SHIFT 16
#define VINTR_PRIO_MASK (0xfUL << 16)
#define VINTR_IGN_TPR (1UL << 20)
#define VINTR_MASKING (1UL << 24)
#define VINTR_VECTOR_SHIFT 32
#define VINTR_VECTOR_MASK (0xffUL << 32)

/* EVENTINJ and EXITINTINFO. */
#define EVENT_VECTOR 0xffUL
#define EVENT_TYPE (7UL << 8)
#define EVENT_INTR (0UL << 8)
#define EVENT_NMI (2UL << 8)
#define EVENT_EXCEPTION (3UL << 8)
#define EVENT_SOFT (4UL << 8)
#define EVENT_HAS_ERROR (1UL << 11)
#define EVENT_VALID (1UL << 31)

/* EXITINFO1 of an IOIO exit (15.10.2). */
#define IOIO_IN (1u << 0)
#define IOIO_STRING (1u << 2)
#define IOIO_REP (1u << 3)
#define IOIO_SIZE(x) (((x) >> 4) & 7)
#define IOIO_PORT(x) ((uint16_t)((x) >> 16))

/* EXITINFO2 of a task switch (15.14.1): an IRET asked for it. */
#define TASK_SWITCH_IRET (1UL << 36)

struct vmcb {
	/* Control area */
	uint32_t intercept_cr, intercept_dr, intercept_exceptions, intercept1, intercept2, intercept3;
	uint8_t reserved_018[0x03c - 0x018];
	uint16_t pause_threshold, pause_count;
	uint64_t iopm_pa, msrpm_pa;
	uint64_t tsc_offset;
	uint32_t asid;
	uint8_t tlb_control, reserved_05d[3];
	uint64_t vintr;
	uint64_t shadow; /* bit 0: interrupt shadow */
	uint64_t exitcode, exitinfo1, exitinfo2, exitintinfo;
	uint64_t np_enable;
	uint64_t avic_bar, ghcb_pa;
	uint64_t eventinj;
	uint64_t n_cr3;
	uint64_t virt_ext; /* bit 0 LBR virtualisation, bit 1 virtual VMSAVE and VMLOAD */
	uint32_t clean, reserved_0c4;
	uint64_t nrip;
	uint8_t insn_len, insn[15];
	uint8_t reserved_0e0[0x400 - 0x0e0];
	/* State save area */
	struct segment seg[NR_SEGS];
	uint8_t reserved_4a0[0x4cb - 0x4a0];
	uint8_t cpl;
	uint32_t reserved_4cc;
	uint64_t efer;
	uint8_t reserved_4d8[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t reserved_580[0x5d8 - 0x580];
	uint64_t rsp, s_cet, ssp, isst_addr, rax;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	uint8_t reserved_648[0x668 - 0x648];
	uint64_t pat, dbgctl, br_from, br_to, last_excp_from, last_excp_to;
	uint8_t reserved_698[0x1000 - 0x698];
};
_Static_assert(offsetof(struct vmcb, pause_threshold) == 0x03c, "APM B");
_Static_assert(offsetof(struct vmcb, iopm_pa) == 0x040, "APM B");
_Static_assert(offsetof(struct vmcb, tsc_offset) == 0x050, "APM B");
_Static_assert(offsetof(struct vmcb, asid) == 0x058, "APM B");
_Static_assert(offsetof(struct vmcb, vintr) == 0x060, "APM B");
_Static_assert(offsetof(struct vmcb, exitcode) == 0x070, "APM B");
_Static_assert(offsetof(struct vmcb, exitintinfo) == 0x088, "APM B");
_Static_assert(offsetof(struct vmcb, eventinj) == 0x0a8, "APM B");
_Static_assert(offsetof(struct vmcb, n_cr3) == 0x0b0, "APM B");
_Static_assert(offsetof(struct vmcb, clean) == 0x0c0, "APM B");
_Static_assert(offsetof(struct vmcb, nrip) == 0x0c8, "APM B");
_Static_assert(offsetof(struct vmcb, seg) == 0x400 && sizeof(struct segment) == 16, "APM B");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "APM B");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "APM B");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "APM B");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "APM B");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "APM B");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "APM B");
_Static_assert(offsetof(struct vmcb, kernel_gs_base) == 0x620, "APM B");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "APM B");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "APM B");
_Static_assert(sizeof(struct vmcb) == PAGE_SIZE, "APM B");

#endif
