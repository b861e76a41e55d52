/*
 * The public interface, common part: hypercall numbers, special domains, virtual interrupts, shared memory.
 *
 * Names and bytes are Xen 4.17's. Structures are the 64-bit guest's form, handles are uint64_t;
 * shared memory, which the guest reads in place, also has the 32-bit form under the suffix _compat32.
 */
#ifndef ABI_XEN_H
#define ABI_XEN_H

#include "layout.h"

#define __HYPERVISOR_set_trap_table 0
#define __HYPERVISOR_mmu_update 1
#define __HYPERVISOR_set_gdt 2
#define __HYPERVISOR_stack_switch 3
#define __HYPERVISOR_set_callbacks 4
#define __HYPERVISOR_fpu_taskswitch 5
#define __HYPERVISOR_sched_op_compat 6
#define __HYPERVISOR_platform_op 7
#define __HYPERVISOR_set_debugreg 8
#define __HYPERVISOR_get_debugreg 9
#define __HYPERVISOR_update_descriptor 10
#define __HYPERVISOR_memory_op 12
#define __HYPERVISOR_multicall 13
#define __HYPERVISOR_update_va_mapping 14
#define __HYPERVISOR_set_timer_op 15
#define __HYPERVISOR_event_channel_op_compat 16
#define __HYPERVISOR_xen_version 17
#define __HYPERVISOR_console_io 18
#define __HYPERVISOR_physdev_op_compat 19
#define __HYPERVISOR_grant_table_op 20
#define __HYPERVISOR_vm_assist 21
#define __HYPERVISOR_update_va_mapping_otherdomain 22
#define __HYPERVISOR_iret 23
#define __HYPERVISOR_vcpu_op 24
#define __HYPERVISOR_set_segment_base 25
#define __HYPERVISOR_mmuext_op 26
#define __HYPERVISOR_xsm_op 27
#define __HYPERVISOR_nmi_op 28
#define __HYPERVISOR_sched_op 29
#define __HYPERVISOR_callback_op 30
#define __HYPERVISOR_xenoprof_op 31
#define __HYPERVISOR_event_channel_op 32
#define __HYPERVISOR_physdev_op 33
#define __HYPERVISOR_hvm_op 34
#define __HYPERVISOR_sysctl 35
#define __HYPERVISOR_domctl 36
#define __HYPERVISOR_kexec_op 37
#define __HYPERVISOR_tmem_op 38
#define __HYPERVISOR_argo_op 39
#define __HYPERVISOR_xenpmu_op 40
#define __HYPERVISOR_dm_op 41
#define __HYPERVISOR_hypfs_op 42
#define __HYPERVISOR_arch_0 48
#define __HYPERVISOR_arch_1 49
#define __HYPERVISOR_arch_2 50
#define __HYPERVISOR_arch_3 51
#define __HYPERVISOR_arch_4 52
#define __HYPERVISOR_arch_5 53
#define __HYPERVISOR_arch_6 54
#define __HYPERVISOR_arch_7 55

/* Virtual interrupts: "V" one port per vCPU, "G" one port per domain, bound on vCPU 0. */
#define VIRQ_TIMER 0	  /* V */
#define VIRQ_DEBUG 1	  /* V */
#define VIRQ_CONSOLE 2	  /* G */
#define VIRQ_DOM_EXC 3	  /* G */
#define VIRQ_TBUF 4	  /* G */
#define VIRQ_DEBUGGER 6	  /* G */
#define VIRQ_XENOPROF 7	  /* V */
#define VIRQ_CON_RING 8	  /* G */
#define VIRQ_PCPU_STATE 9 /* G */
#define VIRQ_MEM_EVENT 10 /* G */
#define VIRQ_ARGO 11	  /* G */
#define VIRQ_ENOMEM 12	  /* G */
#define VIRQ_XENPMU 13	  /* V */
#define VIRQ_ARCH_0 16
#define VIRQ_ARCH_1 17
#define VIRQ_ARCH_2 18
#define VIRQ_ARCH_3 19
#define VIRQ_ARCH_4 20
#define VIRQ_ARCH_5 21
#define VIRQ_ARCH_6 22
#define VIRQ_ARCH_7 23
#define NR_VIRQS 24

#define CONSOLEIO_write 0
#define CONSOLEIO_read 1

#define VMASST_CMD_enable 0
#define VMASST_CMD_disable 1
#define VMASST_TYPE_4gb_segments 0
#define VMASST_TYPE_4gb_segments_notify 1
#define VMASST_TYPE_writable_pagetables 2
#define VMASST_TYPE_pae_extended_cr3 3
#define VMASST_TYPE_architectural_iopl 4
#define VMASST_TYPE_runstate_update_flag 5
#define VMASST_TYPE_m2p_strict 32

/* Domain ids from here on name no ordinary domain. */
#define DOMID_FIRST_RESERVED 0x7FF0u
#define DOMID_SELF 0x7FF0u
#define DOMID_IO 0x7FF1u
#define DOMID_XEN 0x7FF2u
#define DOMID_COW 0x7FF3u
#define DOMID_INVALID 0x7FF4u
#define DOMID_IDLE 0x7FFFu
#define DOMID_MASK 0x7FFFu

typedef uint16_t domid_t;
typedef uint8_t xen_domain_handle_t[16];

/* Flags of struct start_info and of struct hvm_start_info. */
#define SIF_PRIVILEGED (1 << 0)
#define SIF_INITDOMAIN (1 << 1)
#define SIF_MULTIBOOT_MOD (1 << 2)
#define SIF_MOD_START_PFN (1 << 3)
#define SIF_VIRT_P2M_4TOOLS (1 << 4)
#define SIF_PM_MASK (0xFF << 8)

#define XEN_LEGACY_MAX_VCPUS 32
#define XEN_HVM_DEBUGCONS_IOPORT 0xe9

struct multicall_entry {
	uint64_t op, result;
	uint64_t args[6];
};
ABI_SIZE(struct multicall_entry, 64);
ABI_OFFSET(struct multicall_entry, args, 16);

/* Time of a vCPU: ns = system_time + ((((tsc - tsc_timestamp) << tsc_shift) * tsc_to_system_mul) >> 32). */
struct vcpu_time_info {
	uint32_t version; /* odd while being changed */
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags; /* XEN_PVCLOCK_* */
	uint8_t pad1[2];
};
#define XEN_PVCLOCK_TSC_STABLE_BIT (1 << 0)
#define XEN_PVCLOCK_GUEST_STOPPED (1 << 1)
ABI_SIZE(struct vcpu_time_info, 32);
ABI_OFFSET(struct vcpu_time_info, tsc_timestamp, 8);
ABI_OFFSET(struct vcpu_time_info, system_time, 16);
ABI_OFFSET(struct vcpu_time_info, tsc_to_system_mul, 24);
ABI_OFFSET(struct vcpu_time_info, tsc_shift, 28);
ABI_OFFSET(struct vcpu_time_info, flags, 29);

struct arch_vcpu_info {
	uint64_t cr2;
	uint64_t pad;
};

struct arch_vcpu_info_compat32 {
	uint32_t cr2;
	uint32_t pad[5];
};

struct vcpu_info {
	uint8_t evtchn_upcall_pending;
	uint8_t evtchn_upcall_mask;
	uint64_t evtchn_pending_sel;
	struct arch_vcpu_info arch;
	struct vcpu_time_info time;
};
ABI_SIZE(struct vcpu_info, 64);
ABI_OFFSET(struct vcpu_info, evtchn_upcall_mask, 1);
ABI_OFFSET(struct vcpu_info, evtchn_pending_sel, 8);
ABI_OFFSET(struct vcpu_info, arch, 16);
ABI_OFFSET(struct vcpu_info, time, 32);

struct vcpu_info_compat32 {
	uint8_t evtchn_upcall_pending;
	uint8_t evtchn_upcall_mask;
	uint32_t evtchn_pending_sel;
	struct arch_vcpu_info_compat32 arch;
	struct vcpu_time_info time;
};
ABI_SIZE(struct vcpu_info_compat32, 64);
ABI_OFFSET(struct vcpu_info_compat32, evtchn_upcall_mask, 1);
ABI_OFFSET(struct vcpu_info_compat32, evtchn_pending_sel, 4);
ABI_OFFSET(struct vcpu_info_compat32, arch, 8);
ABI_OFFSET(struct vcpu_info_compat32, time, 32);

struct arch_shared_info {
	uint64_t max_pfn;
	uint64_t pfn_to_mfn_frame_list_list;
	uint64_t nmi_reason;
	uint64_t p2m_cr3;
	uint64_t p2m_vaddr;
	uint64_t p2m_generation;
};

struct arch_shared_info_compat32 {
	uint32_t max_pfn;
	uint32_t pfn_to_mfn_frame_list_list;
	uint32_t nmi_reason;
	uint32_t p2m_cr3;
	uint32_t p2m_vaddr;
	uint32_t p2m_generation;
	uint32_t wc_sec_hi;
};

struct shared_info {
	struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
	uint64_t evtchn_pending[64];
	uint64_t evtchn_mask[64];
	uint32_t wc_version;
	uint32_t wc_sec;
	uint32_t wc_nsec;
	uint32_t wc_sec_hi;
	struct arch_shared_info arch;
};
ABI_SIZE(struct shared_info, 3136);
ABI_OFFSET(struct shared_info, evtchn_pending, 2048);
ABI_OFFSET(struct shared_info, evtchn_mask, 2560);
ABI_OFFSET(struct shared_info, wc_version, 3072);
ABI_OFFSET(struct shared_info, wc_sec_hi, 3084);
ABI_OFFSET(struct shared_info, arch, 3088);

struct shared_info_compat32 {
	struct vcpu_info_compat32 vcpu_info[XEN_LEGACY_MAX_VCPUS];
	uint32_t evtchn_pending[32];
	uint32_t evtchn_mask[32];
	uint32_t wc_version;
	uint32_t wc_sec;
	uint32_t wc_nsec;
	struct arch_shared_info_compat32 arch; /* has wc_sec_hi as its last word */
};

ABI_SIZE(struct shared_info_compat32, 2344);
ABI_OFFSET(struct shared_info_compat32, evtchn_pending, 2048);
ABI_OFFSET(struct shared_info_compat32, evtchn_mask, 2176);
ABI_OFFSET(struct shared_info_compat32, wc_version, 2304);
ABI_OFFSET(struct shared_info_compat32, arch, 2316);
ABI_OFFSET(struct shared_info_compat32, arch.wc_sec_hi, 2340);

/* What a PV guest finds in its first page. */
#define MAX_GUEST_CMDLINE 1024
struct start_info {
	char magic[32];
	uint64_t nr_pages;
	uint64_t shared_info;
	uint32_t flags; /* SIF_* */
	uint64_t store_mfn;
	uint32_t store_evtchn;
	union {
		struct {
			uint64_t mfn;
			uint32_t evtchn;
		} domU;
		struct {
			uint32_t info_off;
			uint32_t info_size;
		} dom0;
	} console;
	uint64_t pt_base;
	uint64_t nr_pt_frames;
	uint64_t mfn_list;
	uint64_t mod_start;
	uint64_t mod_len;
	int8_t cmd_line[MAX_GUEST_CMDLINE];
	uint64_t first_p2m_pfn;
	uint64_t nr_p2m_frames;
};
ABI_SIZE(struct start_info, 1168);
ABI_OFFSET(struct start_info, nr_pages, 32);
ABI_OFFSET(struct start_info, flags, 48);
ABI_OFFSET(struct start_info, store_mfn, 56);
ABI_OFFSET(struct start_info, console, 72);
ABI_OFFSET(struct start_info, pt_base, 88);
ABI_OFFSET(struct start_info, cmd_line, 128);
ABI_OFFSET(struct start_info, first_p2m_pfn, 1152);

#endif
