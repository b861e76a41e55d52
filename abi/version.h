/* Version and features: hypercall 17. */
#ifndef ABI_VERSION_H
#define ABI_VERSION_H

#include "features.h"
#include "xen.h"

#define XENVER_version 0
#define XENVER_extraversion 1
#define XENVER_compile_info 2
#define XENVER_capabilities 3
#define XENVER_changeset 4
#define XENVER_platform_parameters 5
#define XENVER_get_features 6
#define XENVER_pagesize 7
#define XENVER_guest_handle 8
#define XENVER_commandline 9
#define XENVER_build_id 10

typedef char xen_extraversion_t[16];
typedef char xen_capabilities_info_t[1024];
typedef char xen_changeset_info_t[64];
typedef char xen_commandline_t[1024];

struct xen_compile_info {
	char compiler[64];
	char compile_by[16];
	char compile_domain[32];
	char compile_date[32];
};
ABI_SIZE(struct xen_compile_info, 144);
ABI_OFFSET(struct xen_compile_info, compile_date, 112);

struct xen_platform_parameters {
	uint64_t virt_start;
};
ABI_SIZE(struct xen_platform_parameters, 8);

struct xen_feature_info {
	uint32_t submap_idx;
	uint32_t submap; /* out */
};
ABI_SIZE(struct xen_feature_info, 8);

struct xen_build_id {
	uint32_t len;
	uint8_t buf[];
};
ABI_SIZE(struct xen_build_id, 4);

#endif
