/*
 * Hypercalls from a process: the real ones through the kernel's privcmd device, or those of a hypervisor that is a process itself
 * (tests/sim: hv/core on the fake machine behind a Unix socket), so that every tool runs natively in tests.
 *
 * All functions give 0 or a non-negative result, or -errno. A handle is for one thread at a time; several may be open. It does not outlive fork().
 */
#ifndef HCALL_HCALL_H
#define HCALL_HCALL_H

#include <stddef.h>
#include <stdint.h>

struct hcall;
struct xen_domctl;
struct xen_sysctl;
struct xen_platform_op;

/* The machine's hypervisor, or the one behind the socket HOSPES_SIM names. NULL and errno: ENOENT: not under a hypervisor; EACCES. */
struct hcall *hcall_open(void);
void hcall_close(struct hcall *h);
/* True if HOSPES_SIM is in use. */
int hcall_is_sim(const struct hcall *h);

/* Zeroed, page-aligned memory a hypercall may name by its address (hcall_address()). NULL: no memory. Kept in a small cache. */
void *hcall_alloc(struct hcall *h, size_t size);
void hcall_free(struct hcall *h, void *p, size_t size);
/* What to put into a guest handle for @p, which points into hcall_alloc() memory. */
uint64_t hcall_address(const struct hcall *h, const void *p);

/* Hypercall @nr (HC_*). Pointers among the arguments are hcall_address() values. */
long hcall(struct hcall *h, unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

/* An operation with its structure: copied in, called, copied back. The interface version is filled in. */
int hcall_domctl(struct hcall *h, struct xen_domctl *op);
int hcall_sysctl(struct hcall *h, struct xen_sysctl *op);
int hcall_platform(struct hcall *h, struct xen_platform_op *op);
/* XENMEM_*, EVTCHNOP_*, GNTTABOP_* (with @count), HVMOP_*, XENVER_*: @arg of @size bytes is copied in and back. */
long hcall_memory(struct hcall *h, unsigned cmd, void *arg, size_t size);
int hcall_evtchn(struct hcall *h, unsigned cmd, void *arg, size_t size);
int hcall_gnttab(struct hcall *h, unsigned cmd, void *arg, size_t size, unsigned count);
int hcall_hvm(struct hcall *h, unsigned cmd, void *arg, size_t size);
long hcall_version(struct hcall *h, unsigned cmd, void *arg, size_t size);

/*
 * What a device model does for domain @domid: operation @op (XEN_DMOP_*). Up to HCALL_AREAS areas, the first one the operation's own structure and
 * the others what it names, are copied in and back. -EOPNOTSUPP: the hypervisor has not that operation, or emulates nothing for that domain;
 * -EPERM: one's own domain.
 */
#define HCALL_AREAS 3u
struct hcall_area {
	void *p;
	size_t size;
};
int hcall_dm(struct hcall *h, uint32_t domid, uint32_t op, const struct hcall_area *areas, unsigned nr);

/*
 * Several hypercalls with one entry into the kernel and the hypervisor. results[i] gets each one's result.
 */
struct hcall_call {
	unsigned nr;
	uint64_t a[5];
	long result;
};
int hcall_multi(struct hcall *h, struct hcall_call *calls, unsigned nr);

/* What the hypervisor has beyond Xen: HOSPES_FEATURE_* of abi/hospes.h, asked for once a handle; 0 on Xen. */
uint32_t hcall_features(struct hcall *h);

/*
 * Hypercall 63, operation @op (HOSPES_* of abi/hospes.h), whose argument is @arg, of @size bytes, in and out. 0 or -errno; -ENOSYS: Xen, or a Hospes
 * that is older; -ENOMEM.
 */
int hcall_hospes(struct hcall *h, unsigned op, void *arg, size_t size);

/* Number of hypercalls made on this handle so far, for `--timings`. */
uint64_t hcall_count(const struct hcall *h);

#endif
