/* Records of a saved hardware container, as far as they exist here. Each follows a descriptor; a stream starts with HEADER and stops with END. */
#ifndef ABI_HVM_SAVE_H
#define ABI_HVM_SAVE_H

#include "layout.h"

struct hvm_save_descriptor {
	uint16_t typecode; /* HVM_SAVE_CODE_* */
	uint16_t instance; /* vCPU */
	uint32_t length;   /* without this descriptor */
};
ABI_SIZE(struct hvm_save_descriptor, 8);

#define HVM_SAVE_CODE_END 0
#define HVM_SAVE_CODE_HEADER 1
#define HVM_SAVE_CODE_CPU 2
#define HVM_SAVE_CODE_IOAPIC 4
#define HVM_SAVE_CODE_LAPIC 5
#define HVM_SAVE_CODE_LAPIC_REGS 6
#define HVM_SAVE_CODE_MTRR 14
#define CPU_XSAVE_CODE 16
#define HVM_SAVE_CODE_TSC_ADJUST 19
#define CPU_MSR_CODE 20
#define HVM_SAVE_CODE_MAX 20

#define HVM_FILE_MAGIC 0x54381286
#define HVM_FILE_VERSION 0x00000001

struct hvm_save_header {
	uint32_t magic;
	uint32_t version;
	uint64_t changeset;
	uint32_t cpuid; /* CPUID[1].EAX of the machine that saved */
	uint32_t gtsc_khz;
};
ABI_SIZE(struct hvm_save_header, 24);
ABI_OFFSET(struct hvm_save_header, cpuid, 16);

struct hvm_hw_cpu {
	uint8_t fpu_regs[512];
	uint64_t rax, rbx, rcx, rdx;
	uint64_t rbp, rsi, rdi, rsp;
	uint64_t r8, r9, r10, r11;
	uint64_t r12, r13, r14, r15;
	uint64_t rip, rflags, cr0, cr2;
	uint64_t cr3, cr4, dr0, dr1;
	uint64_t dr2, dr3, dr6, dr7;
	uint32_t cs_sel, ds_sel, es_sel, fs_sel, gs_sel, ss_sel, tr_sel, ldtr_sel;
	uint32_t cs_limit, ds_limit, es_limit, fs_limit, gs_limit, ss_limit, tr_limit, ldtr_limit;
	uint32_t idtr_limit, gdtr_limit;
	uint64_t cs_base, ds_base, es_base, fs_base, gs_base, ss_base, tr_base, ldtr_base;
	uint64_t idtr_base, gdtr_base;
	uint32_t cs_arbytes, ds_arbytes, es_arbytes, fs_arbytes;
	uint32_t gs_arbytes, ss_arbytes, tr_arbytes, ldtr_arbytes;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t shadow_gs;
	uint64_t msr_flags; /* ignored */
	uint64_t msr_lstar, msr_star, msr_cstar, msr_syscall_mask, msr_efer, msr_tsc_aux;
	uint64_t tsc;		/* what the guest's RDTSC would say */
	uint32_t pending_event; /* vector 7:0, type 10:8, error code valid 11, valid 31 */
	uint32_t error_code;
	uint32_t flags; /* XEN_X86_FPU_INITIALISED */
	uint32_t pad0;
};
#define XEN_X86_FPU_INITIALISED (1U << 0)
ABI_SIZE(struct hvm_hw_cpu, 1032);
ABI_OFFSET(struct hvm_hw_cpu, rax, 512);
ABI_OFFSET(struct hvm_hw_cpu, cr0, 656);
ABI_OFFSET(struct hvm_hw_cpu, cs_sel, 736);
ABI_OFFSET(struct hvm_hw_cpu, cs_base, 808);
ABI_OFFSET(struct hvm_hw_cpu, sysenter_cs, 920);
ABI_OFFSET(struct hvm_hw_cpu, tsc, 1008);
ABI_OFFSET(struct hvm_hw_cpu, flags, 1024);

#define VIOAPIC_NUM_PINS 48
struct hvm_hw_vioapic {
	uint64_t base_address;
	uint32_t ioregsel;
	uint32_t id;
	uint64_t redirtbl[VIOAPIC_NUM_PINS];
};
ABI_SIZE(struct hvm_hw_vioapic, 400);

struct hvm_hw_lapic {
	uint64_t apic_base_msr;
	uint32_t disabled;
	uint32_t timer_divisor;
	uint64_t tdt_msr;
};
ABI_SIZE(struct hvm_hw_lapic, 24);
ABI_OFFSET(struct hvm_hw_lapic, tdt_msr, 16);

struct hvm_hw_lapic_regs {
	uint8_t data[1024];
};
ABI_SIZE(struct hvm_hw_lapic_regs, 1024);

#define MTRR_VCNT 8
#define NUM_FIXED_MSR 11
struct hvm_hw_mtrr {
	uint64_t msr_pat_cr;
	uint64_t msr_mtrr_var[MTRR_VCNT * 2]; /* base and mask pairs */
	uint64_t msr_mtrr_fixed[NUM_FIXED_MSR];
	uint64_t msr_mtrr_cap;
	uint64_t msr_mtrr_def_type;
};
ABI_SIZE(struct hvm_hw_mtrr, 240);
ABI_OFFSET(struct hvm_hw_mtrr, msr_mtrr_fixed, 136);
ABI_OFFSET(struct hvm_hw_mtrr, msr_mtrr_cap, 224);

/* As long as the components of @xcr0_accum need; the area is what XSAVE writes (APM vol. 2, 11.5.3). */
struct hvm_hw_cpu_xsave {
	uint64_t xfeature_mask; /* ignored */
	uint64_t xcr0;
	uint64_t xcr0_accum; /* all components the vCPU ever enabled */
	uint8_t save_area[576];
};
ABI_SIZE(struct hvm_hw_cpu_xsave, 600);
ABI_OFFSET(struct hvm_hw_cpu_xsave, save_area, 24);

struct hvm_tsc_adjust {
	uint64_t tsc_adjust;
};
ABI_SIZE(struct hvm_tsc_adjust, 8);

struct hvm_one_msr {
	uint32_t index;
	uint32_t _rsvd;
	uint64_t val;
};
struct hvm_msr {
	uint32_t count;
	struct hvm_one_msr msr[];
};
ABI_SIZE(struct hvm_one_msr, 16);
ABI_SIZE(struct hvm_msr, 8);

#endif
