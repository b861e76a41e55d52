/* vCPU operations: hypercall 24. */
#ifndef ABI_VCPU_H
#define ABI_VCPU_H

#include "xen.h"

#define VCPUOP_initialise 0
#define VCPUOP_up 1
#define VCPUOP_down 2
#define VCPUOP_is_up 3
#define VCPUOP_get_runstate_info 4
#define VCPUOP_register_runstate_memory_area 5
#define VCPUOP_set_periodic_timer 6
#define VCPUOP_stop_periodic_timer 7
#define VCPUOP_set_singleshot_timer 8
#define VCPUOP_stop_singleshot_timer 9
#define VCPUOP_register_vcpu_info 10
#define VCPUOP_send_nmi 11
#define VCPUOP_get_physid 12
#define VCPUOP_register_vcpu_time_memory_area 13

#define RUNSTATE_running 0
#define RUNSTATE_runnable 1
#define RUNSTATE_blocked 2
#define RUNSTATE_offline 3

struct vcpu_runstate_info {
	int32_t state; /* RUNSTATE_* */
	uint64_t state_entry_time;
	uint64_t time[4];
};
#define XEN_RUNSTATE_UPDATE (1ULL << 63)
ABI_SIZE(struct vcpu_runstate_info, 48);
ABI_OFFSET(struct vcpu_runstate_info, state_entry_time, 8);
ABI_OFFSET(struct vcpu_runstate_info, time, 16);

struct vcpu_register_runstate_memory_area {
	uint64_t addr; /* guest-virtual */
};
ABI_SIZE(struct vcpu_register_runstate_memory_area, 8);

struct vcpu_set_periodic_timer {
	uint64_t period_ns;
};
ABI_SIZE(struct vcpu_set_periodic_timer, 8);

struct vcpu_set_singleshot_timer {
	uint64_t timeout_abs_ns;
	uint32_t flags; /* VCPU_SSHOTTMR_* */
};
#define VCPU_SSHOTTMR_future (1U << 0)
ABI_SIZE(struct vcpu_set_singleshot_timer, 16);
ABI_OFFSET(struct vcpu_set_singleshot_timer, flags, 8);

struct vcpu_register_vcpu_info {
	uint64_t mfn; /* a translated guest's: gfn */
	uint32_t offset;
	uint32_t rsvd;
};
ABI_SIZE(struct vcpu_register_vcpu_info, 16);
ABI_OFFSET(struct vcpu_register_vcpu_info, offset, 8);

struct vcpu_get_physid {
	uint64_t phys_id; /* APIC id in bits 31:0, ACPI id in 63:32 */
};
ABI_SIZE(struct vcpu_get_physid, 8);

struct vcpu_register_time_memory_area {
	uint64_t addr; /* guest-virtual */
};
ABI_SIZE(struct vcpu_register_time_memory_area, 8);

#endif
