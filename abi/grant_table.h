/* Grant tables: hypercall 20 and the shared entries. */
#ifndef ABI_GRANT_TABLE_H
#define ABI_GRANT_TABLE_H

#include "xen.h"

typedef uint32_t grant_ref_t;
typedef uint32_t grant_handle_t;
typedef uint16_t grant_status_t;

/* An entry of version 1. Bits of flags belong to the guest but for GTF_reading and GTF_writing. */
struct grant_entry_v1 {
	uint16_t flags; /* GTF_* */
	domid_t domid;
	uint32_t frame; /* gfn */
};
ABI_SIZE(struct grant_entry_v1, 8);
ABI_OFFSET(struct grant_entry_v1, domid, 2);
ABI_OFFSET(struct grant_entry_v1, frame, 4);

#define GNTTAB_NR_RESERVED_ENTRIES 8
#define GNTTAB_RESERVED_CONSOLE 0
#define GNTTAB_RESERVED_XENSTORE 1

#define GTF_invalid (0U << 0)
#define GTF_permit_access (1U << 0)
#define GTF_accept_transfer (2U << 0)
#define GTF_transitive (3U << 0)
#define GTF_type_mask (3U << 0)
#define GTF_readonly (1U << 2)
#define GTF_reading (1U << 3)
#define GTF_writing (1U << 4)
#define GTF_PWT (1U << 5)
#define GTF_PCD (1U << 6)
#define GTF_PAT (1U << 7)
#define GTF_sub_page (1U << 8)
#define GTF_transfer_committed (1U << 2)
#define GTF_transfer_completed (1U << 3)

struct grant_entry_header {
	uint16_t flags;
	domid_t domid;
};

union grant_entry_v2 {
	struct grant_entry_header hdr;
	struct {
		struct grant_entry_header hdr;
		uint32_t pad0;
		uint64_t frame;
	} full_page;
	struct {
		struct grant_entry_header hdr;
		uint16_t page_off;
		uint16_t length;
		uint64_t frame;
	} sub_page;
	struct {
		struct grant_entry_header hdr;
		domid_t trans_domid;
		uint16_t pad0;
		grant_ref_t gref;
	} transitive;
	uint32_t __spacer[4];
};
ABI_SIZE(union grant_entry_v2, 16);
ABI_OFFSET(union grant_entry_v2, full_page.frame, 8);
ABI_OFFSET(union grant_entry_v2, sub_page.length, 6);
ABI_OFFSET(union grant_entry_v2, transitive.gref, 8);

#define GNTTABOP_map_grant_ref 0
#define GNTTABOP_unmap_grant_ref 1
#define GNTTABOP_setup_table 2
#define GNTTABOP_dump_table 3
#define GNTTABOP_transfer 4
#define GNTTABOP_copy 5
#define GNTTABOP_query_size 6
#define GNTTABOP_unmap_and_replace 7
#define GNTTABOP_set_version 8
#define GNTTABOP_get_status_frames 9
#define GNTTABOP_get_version 10
#define GNTTABOP_swap_grant_ref 11
#define GNTTABOP_cache_flush 12

struct gnttab_map_grant_ref {
	uint64_t host_addr; /* a translated guest's: guest-physical */
	uint32_t flags;	    /* GNTMAP_* */
	grant_ref_t ref;
	domid_t dom;
	int16_t status;	       /* out, GNTST_* */
	grant_handle_t handle; /* out */
	uint64_t dev_bus_addr; /* out */
};
ABI_SIZE(struct gnttab_map_grant_ref, 32);
ABI_OFFSET(struct gnttab_map_grant_ref, dom, 16);
ABI_OFFSET(struct gnttab_map_grant_ref, status, 18);
ABI_OFFSET(struct gnttab_map_grant_ref, handle, 20);
ABI_OFFSET(struct gnttab_map_grant_ref, dev_bus_addr, 24);

struct gnttab_unmap_grant_ref {
	uint64_t host_addr;
	uint64_t dev_bus_addr;
	grant_handle_t handle;
	int16_t status; /* out */
};
ABI_SIZE(struct gnttab_unmap_grant_ref, 24);
ABI_OFFSET(struct gnttab_unmap_grant_ref, handle, 16);
ABI_OFFSET(struct gnttab_unmap_grant_ref, status, 20);

struct gnttab_setup_table {
	domid_t dom;
	uint32_t nr_frames;
	int16_t status; /* out */
	uint64_t frame_list;
};
ABI_SIZE(struct gnttab_setup_table, 24);
ABI_OFFSET(struct gnttab_setup_table, status, 8);
ABI_OFFSET(struct gnttab_setup_table, frame_list, 16);

struct gnttab_dump_table {
	domid_t dom;
	int16_t status; /* out */
};
ABI_SIZE(struct gnttab_dump_table, 4);

struct gnttab_transfer {
	uint64_t mfn;
	domid_t domid;
	grant_ref_t ref;
	int16_t status; /* out */
};
ABI_SIZE(struct gnttab_transfer, 24);
ABI_OFFSET(struct gnttab_transfer, status, 16);

#define GNTCOPY_source_gref (1 << 0)
#define GNTCOPY_dest_gref (1 << 1)

struct gnttab_copy_ptr {
	union {
		grant_ref_t ref;
		uint64_t gmfn;
	} u;
	domid_t domid;
	uint16_t offset;
};

struct gnttab_copy {
	struct gnttab_copy_ptr source, dest;
	uint16_t len;
	uint16_t flags; /* GNTCOPY_* */
	int16_t status; /* out */
};
ABI_SIZE(struct gnttab_copy, 40);
ABI_OFFSET(struct gnttab_copy, source.offset, 10);
ABI_OFFSET(struct gnttab_copy, dest, 16);
ABI_OFFSET(struct gnttab_copy, len, 32);
ABI_OFFSET(struct gnttab_copy, status, 36);

struct gnttab_query_size {
	domid_t dom;
	uint32_t nr_frames;	/* out */
	uint32_t max_nr_frames; /* out */
	int16_t status;		/* out */
};
ABI_SIZE(struct gnttab_query_size, 16);
ABI_OFFSET(struct gnttab_query_size, status, 12);

struct gnttab_unmap_and_replace {
	uint64_t host_addr;
	uint64_t new_addr;
	grant_handle_t handle;
	int16_t status; /* out */
};
ABI_SIZE(struct gnttab_unmap_and_replace, 24);

struct gnttab_set_version {
	uint32_t version; /* in: wanted, out: in force */
};
ABI_SIZE(struct gnttab_set_version, 4);

struct gnttab_get_status_frames {
	uint32_t nr_frames;
	domid_t dom;
	int16_t status; /* out */
	uint64_t frame_list;
};
ABI_SIZE(struct gnttab_get_status_frames, 16);
ABI_OFFSET(struct gnttab_get_status_frames, frame_list, 8);

struct gnttab_get_version {
	domid_t dom;
	uint16_t pad;
	uint32_t version; /* out */
};
ABI_SIZE(struct gnttab_get_version, 8);

struct gnttab_swap_grant_ref {
	grant_ref_t ref_a;
	grant_ref_t ref_b;
	int16_t status; /* out */
};
ABI_SIZE(struct gnttab_swap_grant_ref, 12);

struct gnttab_cache_flush {
	union {
		uint64_t dev_bus_addr;
		grant_ref_t ref;
	} a;
	uint16_t offset;
	uint16_t length;
	uint32_t op; /* GNTTAB_CACHE_* */
};
#define GNTTAB_CACHE_CLEAN (1u << 0)
#define GNTTAB_CACHE_INVAL (1u << 1)
#define GNTTAB_CACHE_SOURCE_GREF (1u << 31)
ABI_SIZE(struct gnttab_cache_flush, 16);

#define GNTMAP_device_map (1 << 0)
#define GNTMAP_host_map (1 << 1)
#define GNTMAP_readonly (1 << 2)
#define GNTMAP_application_map (1 << 3)
#define GNTMAP_contains_pte (1 << 4)
#define GNTMAP_guest_avail_mask (~0u << 16)

#define GNTST_okay (0)
#define GNTST_general_error (-1)
#define GNTST_bad_domain (-2)
#define GNTST_bad_gntref (-3)
#define GNTST_bad_handle (-4)
#define GNTST_bad_virt_addr (-5)
#define GNTST_bad_dev_addr (-6)
#define GNTST_no_device_space (-7)
#define GNTST_permission_denied (-8)
#define GNTST_bad_page (-9)
#define GNTST_bad_copy_arg (-10)
#define GNTST_address_too_big (-11)
#define GNTST_eagain (-12)
#define GNTST_no_space (-13)

#endif
