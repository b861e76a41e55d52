/* Registers of vCPUs in the form of core files. */
#ifndef GUEST_DUMP_VCPU_H
#define GUEST_DUMP_VCPU_H

#include <stdint.h>

struct hcall;

/* Xen's struct vcpu_guest_context of x86-64. */
struct dump_vcpu {
	uint8_t fpu[512];
	uint64_t flags; /* DUMP_VCPU_* */
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint32_t error_code, entry_vector;
	uint64_t rip;
	uint16_t cs, pad0[1];
	uint8_t saved_upcall_mask, pad1[3];
	uint64_t rflags, rsp;
	uint64_t ss, es, ds, fs, gs; /* 16 bits each, and padding */
	uint8_t traps[4096];	     /* of PV domains, as all that is not filled in */
	uint64_t ldt_base, ldt_ents, gdt_frames[16], gdt_ents, kernel_ss, kernel_sp;
	uint64_t cr[8], dr[8];
	uint64_t event_callback, failsafe_callback, syscall_callback, vm_assist;
	uint64_t fs_base, gs_base_kernel, gs_base_user;
};
_Static_assert(sizeof(struct dump_vcpu) == 5168, "Xen's layout");
#define DUMP_VCPU_FPU (1u << 0)
#define DUMP_VCPU_KERNEL (1u << 2)
#define DUMP_VCPU_ONLINE (1u << 5)

/*
 * The registers of all vCPUs of a domain with hardware's help, read at one moment: an array of @nr entries, to be freed; one that is not online is zero
 * but for its flags. NULL and @rc (-errno).
 */
struct dump_vcpu *dump_vcpus(struct hcall *h, uint32_t domid, unsigned nr, int *rc);

#endif
