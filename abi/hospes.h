/*
 * What Hospes has and Xen has not: hypercall 63, which no Xen uses, so that one answers -ENOSYS. To negotiate, ask HOSPES_features: a positive set of
 * bits names what there is for the caller. HOSPES_grant_notify is for everybody, the others for domains that hold the role control; they are -ENOSYS to all others.
 */
#ifndef ABI_HOSPES_H
#define ABI_HOSPES_H

#include "xen.h"

#define __HYPERVISOR_hospes_op 63

/* 1 to 15 are between the hypervisor and its own loader. */
#define HOSPES_features 16 /* no argument; HOSPES_FEATURE_* */
#define HOSPES_copy 17	   /* struct hospes_copy */

#define HOSPES_grant_holders 18 /* struct hospes_grant_holders */
#define HOSPES_grant_notify 19	/* struct hospes_grant_notify */
#define HOSPES_grant_revoke 20	/* struct hospes_grant_revoke */
#define HOSPES_overhead 21	/* struct hospes_overhead */
#define HOSPES_latency 22	/* struct hospes_latency */

#define HOSPES_FEATURE_copy (1U << 0)
#define HOSPES_FEATURE_zeroed (1U << 1) /* memory a domain is given holds zeroes */
#define HOSPES_FEATURE_grant_notify (1U << 2)
#define HOSPES_FEATURE_grant_holders (1U << 3)
#define HOSPES_FEATURE_grant_revoke (1U << 4)
#define HOSPES_FEATURE_overhead (1U << 5)
#define HOSPES_FEATURE_latency (1U << 6)

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

/* One entry of a domain's grant table that is in use. */
struct hospes_grant_holder {
	uint32_t ref;
	domid_t holder;		   /* by whom */
	uint16_t readers, writers; /* uses, a copy under way among them */
	uint16_t pad[3];
	uint64_t gfn;	/* what was granted; ~0: another domain's grant */
	uint64_t since; /* system time in nanoseconds when the first of these uses began */
};
ABI_SIZE(struct hospes_grant_holder, 32);
ABI_OFFSET(struct hospes_grant_holder, gfn, 16);

/*
 * Who uses what @domid grants, dead ones included: fills at most @nr elements at @buffer, from reference @ref on. Sets @nr to how many there are, and @ref to where the
 * next call goes on, ~0 at the end. -EFAULT, -EINVAL, -ESRCH, -EPERM. The same bytes for callers of both widths.
 */
struct hospes_grant_holders {
	domid_t domid;
	uint16_t pad;
	uint32_t ref; /* in, out */
	uint32_t nr;  /* in, out */
	uint32_t pad2;
	uint64_t buffer;
};
ABI_SIZE(struct hospes_grant_holders, 24);
ABI_OFFSET(struct hospes_grant_holders, buffer, 16);

/*
 * Tell me when entry @ref of @domid's table is used no more: event channel @port of the caller, which it has made with EVTCHNOP_bind_ipi, becomes pending once. DOMID_SELF is allowed to
 * everybody, another domain to the role control. The last who asks is told; port 0 takes a wish back. -ENOENT: it is not used. -EINVAL: no such port, -ESRCH, -EPERM, -EFAULT.
 */
struct hospes_grant_notify {
	domid_t domid;
	uint16_t pad;
	uint32_t ref;
	uint32_t port;
};
ABI_SIZE(struct hospes_grant_notify, 12);

/*
 * Take the pages of a domain that is being destroyed, or is dead, away from those that have mapped them by grants: each finds a page of zeroes of its own in their place, with the same
 * rights, until it unmaps it. What only a device has (no address in its map), and foreign mappings, stay: @kept says how many of the former. The structure
 * is its progress, all zeroes but domid at first. -EBUSY: the domain lives. -ENOMEM, -ESRCH, -EPERM, -EFAULT, -EINVAL.
 */
struct hospes_grant_revoke {
	domid_t domid;
	domid_t holder; /* progress */
	uint32_t handle;
	uint32_t revoked, kept; /* out */
};
ABI_SIZE(struct hospes_grant_revoke, 16);

/*
 * Memory that the hypervisor uses for a domain beside the domain's pages, in bytes. Tells, and with HOSPES_OVERHEAD_set first makes @max the bound: what would exceed it is
 * -ENOMEM to whoever asked. A bound below what is in use takes nothing away. -EINVAL: unknown flags, -ESRCH, -EPERM, -EFAULT. The same bytes for callers of both widths.
 */
#define HOSPES_OVERHEAD_set (1U << 0)
#define HOSPES_OVERHEAD_DEFAULT (~(uint64_t)0) /* for @max: what it would be without this call */

/* What for: indices of @kind. */
#define HOSPES_OVERHEAD_state 0	   /* the domain, its vCPUs and their emulated devices */
#define HOSPES_OVERHEAD_map 1	   /* tables of its memory */
#define HOSPES_OVERHEAD_devices 2  /* the same for its devices, emulated PCI configuration */
#define HOSPES_OVERHEAD_dirty 3	   /* the log of dirty pages */
#define HOSPES_OVERHEAD_events 4   /* ports */
#define HOSPES_OVERHEAD_grants 5   /* its grant table, and who uses it */
#define HOSPES_OVERHEAD_mappings 6 /* handles of what it has mapped by grants */
#define HOSPES_OVERHEAD_KINDS 12   /* the rest is 0 */

struct hospes_overhead {
	domid_t domid;
	uint16_t flags;	  /* HOSPES_OVERHEAD_set */
	uint32_t pad;	  /* 0 */
	uint64_t max;	  /* in, out; 0: no bound */
	uint64_t used;	  /* out, as all below: of all kinds */
	uint64_t refused; /* how often the bound was in the way */
	uint64_t kind[HOSPES_OVERHEAD_KINDS];
};
ABI_SIZE(struct hospes_overhead, 128);
ABI_OFFSET(struct hospes_overhead, kind, 32);

/*
 * How soon a domain's vCPUs run after they wake up: its class, and how it fared. Tells, and with HOSPES_LATENCY_set first gives it @class, which counts from the next decision
 * on; only the scheduler that shares fairly (credit2) heeds it. -EINVAL: unknown flags or class, -ESRCH, -EPERM, -EFAULT. The same bytes for callers of both widths.
 */
#define HOSPES_LATENCY_set (1U << 0)

/* Values of @class. */
#define HOSPES_LATENCY_normal 0
#define HOSPES_LATENCY_interactive 1
#define HOSPES_LATENCY_batch 2

#define HOSPES_LATENCY_WAITS 16

struct hospes_latency {
	domid_t domid;
	uint16_t flags; /* HOSPES_LATENCY_set */
	uint32_t class; /* in, out */
	/* Out: how often one of its vCPUs that woke up waited for a CPU for up to 2^i us; in the last, longer. Counted since the domain was made. */
	uint64_t waits[HOSPES_LATENCY_WAITS];
};
ABI_SIZE(struct hospes_latency, 136);
ABI_OFFSET(struct hospes_latency, waits, 8);

#endif
