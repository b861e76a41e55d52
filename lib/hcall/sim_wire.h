/*
 * What is said between a process and the simulated hypervisor (tests/sim) over its SOCK_SEQPACKET socket: one request, one
 * answer. Numbers as the machine has them; both ends run on it.
 */
#ifndef HCALL_SIM_WIRE_H
#define HCALL_SIM_WIRE_H

#include <stdint.h>

#define SIM_ENV "HOSPES_SIM"
#define SIM_MAX_PAGES 4096u /* in one request or answer */
#define SIM_MAX_PAYLOAD (SIM_MAX_PAGES * 8)
#define SIM_BAD_PAGE 0x8000000000000000ull /* in an answer's list of pages: an error, negated, in the low bits */

enum sim_op {
	SIM_HELLO = 1, /* v: bytes of RAM; descriptor: the machine's RAM */
	SIM_ALLOC,     /* pages -> v: gpa in domain 0; payload: frame numbers */
	SIM_FREE,      /* gpa, pages */
	SIM_CALL,      /* domid, vcpu, hypercall, 5 arguments -> result */
	/* Maps: v: id of the mapping; payload: frame numbers or SIM_BAD_PAGE | errno. */
	SIM_MAP_FOREIGN,  /* domid, pages, 1: to write; payload: gfns */
	SIM_MAP_RESOURCE, /* domid, type, id, frame, pages */
	SIM_MAP_GRANTS,	  /* domid, pages, 1: to write; payload: references, 32 bits each */
	SIM_UNMAP,	  /* id */
	SIM_EVTCHN_OPEN,  /* domid -> v: id; descriptor: a pipe that tells pending ports, 32 bits each */
	SIM_EVTCHN_ADOPT, /* device, inode of such a pipe -> v: id */
	SIM_EVTCHN,	  /* id, enum sim_evtchn_op, two arguments -> result */

	/* For those who play the rest of the world. */
	SIM_GUEST =
		64, /* domid (0: any), pages, vCPUs, 1: Hospes serves its console -> v: domid; made as a toolstack makes a PVH domain */
	SIM_SHUTDOWN,	 /* domid, code */
	SIM_PAGE,	 /* domid, gfn, 1: to write -> v: frame number */
	SIM_STATE,	 /* -> payload: struct sim_state */
	SIM_ADVANCE,	 /* nanoseconds */
	SIM_LOG,	 /* -> payload: what the hypervisor said since */
	SIM_FAIL,	 /* @skip, error, hypercall (or ~0), command (or ~0): one of domain 0's calls fails */
	SIM_TAKE_MEMORY, /* leave so many frames free; ~0: give all back */
	SIM_GRANT,	 /* domid, reference, to, gfn, 1: read-only */
};

enum sim_evtchn_op {
	SIM_BIND_INTERDOMAIN, /* domid, port */
	SIM_BIND_VIRQ,
	SIM_ALLOC_UNBOUND,
	SIM_UNBIND,
	SIM_NOTIFY,
	SIM_UNMASK,
};

struct sim_request {
	uint32_t op, len; /* enum sim_op; bytes of payload */
	uint64_t a[9];
};

struct sim_answer {
	int64_t result; /* or -errno */
	uint64_t v;
	uint32_t len, pad;
};

struct sim_state {
	uint64_t free_frames; /* tables of domain 0's map count as free: they only grow */
	uint64_t domains;
	uint64_t ports;	   /* domain 0's, open */
	uint64_t mappings; /* pages domain 0 has mapped */
	uint64_t buffers;  /* pages allocated for hypercalls */
	uint64_t clients;  /* connections */
	uint64_t told;	   /* domains in the lists that domain 0 got so far */
	uint64_t calls;	   /* hypercalls of domain 0 so far */
};

#endif
