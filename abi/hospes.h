/*
 * What Hospes has and Xen has not: hypercall 63, which no Xen uses, so that one answers -ENOSYS. To negotiate, ask HOSPES_features: a positive set of
 * bits names what there is. The call exists for domains that hold the role control; to all others it is -ENOSYS, as on Xen.
 */
#ifndef ABI_HOSPES_H
#define ABI_HOSPES_H

#include "xen.h"

#define __HYPERVISOR_hospes_op 63

/* 1 to 15 are between the hypervisor and its own loader. */
#define HOSPES_features 16 /* no argument; HOSPES_FEATURE_* */
#define HOSPES_copy 17	   /* struct hospes_copy */

#define HOSPES_FEATURE_copy (1U << 0)
#define HOSPES_FEATURE_zeroed (1U << 1) /* memory a domain is given holds zeroes */

/*
 * Copy between the caller's memory and that of a domain it controls, both by page where they lie. The structure tells how far it came: after an error, gpa, buffer and len
 * are what is left. -EFAULT: no memory of the domain's own (or none it may write) at gpa, or none of the caller's at buffer. -EINVAL: unknown flags, addresses that
 * cannot be, the caller itself. -ESRCH, -EPERM. The same bytes for callers of both widths.
 */
#define HOSPES_COPY_to_domain (1U << 0) /* else from it */
#define HOSPES_COPY_zero (1U << 1)	/* with to_domain: zeroes, buffer is not looked at */
struct hospes_copy {
	domid_t domid;
	uint16_t flags; /* HOSPES_COPY_* */
	uint32_t pad;	/* 0 */
	uint64_t gpa;
	uint64_t buffer; /* the caller's address */
	uint64_t len;
};
ABI_SIZE(struct hospes_copy, 32);
ABI_OFFSET(struct hospes_copy, gpa, 8);

#endif
