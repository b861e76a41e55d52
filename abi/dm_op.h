/* What a device model does for a domain: hypercall 41. */
#ifndef ABI_DM_OP_H
#define ABI_DM_OP_H

#include "layout.h"

#define XEN_DMOP_nr_vcpus 20

struct xen_dm_op_nr_vcpus {
	uint32_t vcpus;
};

struct xen_dm_op_buf {
	uint64_t h; /* handle */
	uint64_t size;
};
ABI_SIZE(struct xen_dm_op_buf, 16);

#endif
