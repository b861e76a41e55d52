/* Memory operations: hypercall 12. */
#ifndef ABI_MEMORY_H
#define ABI_MEMORY_H

#include "xen.h"

#define XENMEM_increase_reservation 0
#define XENMEM_decrease_reservation 1
#define XENMEM_maximum_ram_page 2
#define XENMEM_current_reservation 3
#define XENMEM_maximum_reservation 4
#define XENMEM_machphys_mfn_list 5
#define XENMEM_populate_physmap 6
#define XENMEM_add_to_physmap 7
#define XENMEM_memory_map 9
#define XENMEM_machine_memory_map 10
#define XENMEM_exchange 11
#define XENMEM_machphys_mapping 12
#define XENMEM_set_memory_map 13
#define XENMEM_maximum_gpfn 14
#define XENMEM_remove_from_physmap 15
#define XENMEM_set_pod_target 16
#define XENMEM_get_pod_target 17
#define XENMEM_get_sharing_freed_pages 18
#define XENMEM_get_sharing_shared_pages 19
#define XENMEM_paging_op 20
#define XENMEM_access_op 21
#define XENMEM_sharing_op 22
#define XENMEM_add_to_physmap_batch 23
#define XENMEM_claim_pages 24
#define XENMEM_machphys_compat_mfn_list 25
#define XENMEM_get_vnumainfo 26
#define XENMEM_reserved_device_memory_map 27
#define XENMEM_acquire_resource 28

#define XENMEMF_get_address_bits(x) ((x)&0xffu)
#define XENMEMF_get_node(x) ((((x) >> 8) - 1) & 0xffu)
#define XENMEMF_populate_on_demand (1 << 16)
#define XENMEMF_exact_node_request (1 << 17)
#define XENMEMF_vnode (1 << 18)

struct xen_memory_reservation {
	uint64_t extent_start; /* handle: xen_pfn_t[] */
	uint64_t nr_extents;
	uint32_t extent_order;
	uint32_t mem_flags; /* XENMEMF_* */
	domid_t domid;
};
ABI_SIZE(struct xen_memory_reservation, 32);
ABI_OFFSET(struct xen_memory_reservation, extent_order, 16);
ABI_OFFSET(struct xen_memory_reservation, domid, 24);

struct xen_memory_exchange {
	struct xen_memory_reservation in, out;
	uint64_t nr_exchanged;
};
ABI_SIZE(struct xen_memory_exchange, 72);
ABI_OFFSET(struct xen_memory_exchange, out, 32);
ABI_OFFSET(struct xen_memory_exchange, nr_exchanged, 64);

struct xen_memory_domain {
	domid_t domid;
};
ABI_SIZE(struct xen_memory_domain, 2);

struct xen_machphys_mfn_list {
	uint32_t max_extents;
	uint64_t extent_start; /* handle: xen_pfn_t[] */
	uint32_t nr_extents;   /* out */
};
ABI_SIZE(struct xen_machphys_mfn_list, 24);

struct xen_machphys_mapping {
	uint64_t v_start, v_end;
	uint64_t max_mfn;
};
ABI_SIZE(struct xen_machphys_mapping, 24);

#define XENMAPSPACE_shared_info 0
#define XENMAPSPACE_grant_table 1
#define XENMAPSPACE_gmfn 2
#define XENMAPSPACE_gmfn_range 3
#define XENMAPSPACE_gmfn_foreign 4
#define XENMAPSPACE_dev_mmio 5
#define XENMAPIDX_grant_table_status 0x80000000

struct xen_add_to_physmap {
	domid_t domid;
	uint16_t size;	/* gmfn_range only */
	uint32_t space; /* XENMAPSPACE_* */
	uint64_t idx;
	uint64_t gpfn;
};
ABI_SIZE(struct xen_add_to_physmap, 24);
ABI_OFFSET(struct xen_add_to_physmap, space, 4);
ABI_OFFSET(struct xen_add_to_physmap, idx, 8);

struct xen_add_to_physmap_batch {
	domid_t domid;
	uint16_t space; /* XENMAPSPACE_* */
	uint16_t size;
	union {
		domid_t foreign_domid;
		uint16_t res0;
	} u;
	uint64_t idxs;	/* handle: xen_ulong_t[] */
	uint64_t gpfns; /* handle: xen_pfn_t[] */
	uint64_t errs;	/* handle: int[] */
};
ABI_SIZE(struct xen_add_to_physmap_batch, 32);
ABI_OFFSET(struct xen_add_to_physmap_batch, u, 6);
ABI_OFFSET(struct xen_add_to_physmap_batch, idxs, 8);

struct xen_remove_from_physmap {
	domid_t domid;
	uint64_t gpfn;
};
ABI_SIZE(struct xen_remove_from_physmap, 16);
ABI_OFFSET(struct xen_remove_from_physmap, gpfn, 8);

struct xen_memory_map {
	uint32_t nr_entries; /* in: room, out: used */
	uint64_t buffer;     /* handle: struct e820entry[] */
};
ABI_SIZE(struct xen_memory_map, 16);

struct xen_foreign_memory_map {
	domid_t domid;
	struct xen_memory_map map;
};
ABI_SIZE(struct xen_foreign_memory_map, 24);

struct xen_pod_target {
	uint64_t target_pages;
	uint64_t tot_pages;
	uint64_t pod_cache_pages;
	uint64_t pod_entries;
	domid_t domid;
};
ABI_SIZE(struct xen_pod_target, 40);

struct xen_reserved_device_memory {
	uint64_t start_pfn;
	uint64_t nr_pages;
};

struct xen_reserved_device_memory_map {
	uint32_t flags; /* XENMEM_RDM_ALL */
	uint32_t nr_entries;
	uint64_t buffer; /* handle: struct xen_reserved_device_memory[] */
	struct {
		uint16_t seg;
		uint8_t bus;
		uint8_t devfn;
	} pci;
};
#define XENMEM_RDM_ALL 1
ABI_SIZE(struct xen_reserved_device_memory_map, 24);

#define XENMEM_resource_ioreq_server 0
#define XENMEM_resource_grant_table 1
#define XENMEM_resource_vmtrace_buf 2
#define XENMEM_resource_grant_table_id_shared 0
#define XENMEM_resource_grant_table_id_status 1

struct xen_mem_acquire_resource {
	domid_t domid;
	uint16_t type; /* XENMEM_resource_* */
	uint32_t id;
	uint32_t nr_frames;
	uint32_t pad;
	uint64_t frame;
	uint64_t frame_list; /* handle: xen_pfn_t[] */
};
ABI_SIZE(struct xen_mem_acquire_resource, 32);
ABI_OFFSET(struct xen_mem_acquire_resource, frame, 16);
ABI_OFFSET(struct xen_mem_acquire_resource, frame_list, 24);

struct xen_vmemrange {
	uint64_t start, end;
	uint32_t flags;
	uint32_t nid;
};
ABI_SIZE(struct xen_vmemrange, 24);

struct xen_vnuma_topology_info {
	domid_t domid;
	uint16_t pad;
	uint32_t nr_vnodes;
	uint32_t nr_vcpus;
	uint32_t nr_vmemranges;
	uint64_t vdistance;	/* handle: unsigned int[] */
	uint64_t vcpu_to_vnode; /* handle: unsigned int[] */
	uint64_t vmemrange;	/* handle: struct xen_vmemrange[] */
};
ABI_SIZE(struct xen_vnuma_topology_info, 40);

/* An entry of XENMEM_memory_map's buffer: E820, 20 bytes, in no header of Xen's. */
struct xen_e820_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
} __attribute__((packed));
ABI_SIZE(struct xen_e820_entry, 20);

#endif
