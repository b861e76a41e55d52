/* Operations of hardware containers: hypercall 34. */
#ifndef ABI_HVM_OP_H
#define ABI_HVM_OP_H

#include "xen.h"

#define HVMOP_set_param 0
#define HVMOP_get_param 1
#define HVMOP_set_pci_intx_level 2
#define HVMOP_set_isa_irq_level 3
#define HVMOP_set_pci_link_route 4
#define HVMOP_flush_tlbs 5
#define HVMOP_pagetable_dying 9
#define HVMOP_get_time 10
#define HVMOP_xentrace 11
#define HVMOP_set_mem_access 12
#define HVMOP_get_mem_access 13
#define HVMOP_get_mem_type 15
#define HVMOP_set_evtchn_upcall_vector 23
#define HVMOP_guest_request_vm_event 24
#define HVMOP_altp2m 25

struct xen_hvm_param {
	domid_t domid;
	uint16_t pad;
	uint32_t index; /* HVM_PARAM_* */
	uint64_t value;
};
ABI_SIZE(struct xen_hvm_param, 16);
ABI_OFFSET(struct xen_hvm_param, index, 4);
ABI_OFFSET(struct xen_hvm_param, value, 8);

struct xen_hvm_pagetable_dying {
	domid_t domid;
	uint16_t pad[3];
	uint64_t gpa;
};
ABI_SIZE(struct xen_hvm_pagetable_dying, 16);

struct xen_hvm_get_time {
	uint64_t now; /* out */
};
ABI_SIZE(struct xen_hvm_get_time, 8);

/* Types of guest memory as guests name them. */
#define HVMMEM_ram_rw 0
#define HVMMEM_ram_ro 1
#define HVMMEM_mmio_dm 2
#define HVMMEM_unused 3
#define HVMMEM_ioreq_server 4

struct xen_hvm_get_mem_type {
	domid_t domid;
	uint16_t mem_type; /* out, HVMMEM_* */
	uint16_t pad[2];
	uint64_t pfn;
};
ABI_SIZE(struct xen_hvm_get_mem_type, 16);
ABI_OFFSET(struct xen_hvm_get_mem_type, pfn, 8);

struct xen_hvm_evtchn_upcall_vector {
	uint32_t vcpu;
	uint8_t vector;
};
ABI_SIZE(struct xen_hvm_evtchn_upcall_vector, 8);
ABI_OFFSET(struct xen_hvm_evtchn_upcall_vector, vector, 4);

#endif
