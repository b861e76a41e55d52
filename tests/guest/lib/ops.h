/*
 * Arguments of the hypercalls the micro-guests make, in the guest's own width (the hypervisor's abi/ headers know 64 bits only), and one
 * short function per call.
 */
#ifndef OPS_H
#define OPS_H

#include "guest.h"

#define SELF 0x7ff0u
#define PAGE 4096ul

/* An address no page of these guests lies at: inside the hole below 4 GiB, mapped (one to one) but unpopulated. */
#define NOWHERE ((void *)0xd0000000ul)
#ifdef __x86_64__
/* Not in the page tables. */
#define UNMAPPED ((void *)0x100000000000ul)
#else
#define UNMAPPED NOWHERE
#endif

static inline unsigned long gfn_of(const volatile void *p)
{
	return (unsigned long)p >> 12;
}

/* This domain's number, for calls that do not understand SELF. */
static inline uint16_t my_domid(void)
{
	return (uint16_t)cpuid(0x40000004, 0).c;
}

/* event_channel_op */
enum {
	EV_bind_interdomain,
	EV_bind_virq,
	EV_bind_pirq,
	EV_close,
	EV_send,
	EV_status,
	EV_alloc_unbound,
	EV_bind_ipi,
	EV_bind_vcpu,
	EV_unmask,
	EV_reset,
	EV_init_control,
	EV_expand_array,
	EV_set_priority
};

struct ev_alloc_unbound {
	uint16_t dom, remote;
	uint32_t port;
};
struct ev_bind_interdomain {
	uint16_t remote, pad;
	uint32_t remote_port, local_port;
};
struct ev_bind_virq {
	uint32_t virq, vcpu, port;
};
struct ev_bind_ipi {
	uint32_t vcpu, port;
};
struct ev_bind_vcpu {
	uint32_t port, vcpu;
};
struct ev_status {
	uint16_t dom, pad;
	uint32_t port, status, vcpu;
	uint32_t detail[2];
};

static inline long ev_op(unsigned op, void *arg)
{
	return hypercall2(HC_event_channel_op, op, arg);
}

static inline long ev_port_op(unsigned op, uint32_t port)
{
	return ev_op(op, &port);
}

/* A new port bound to an IPI of @vcpu; negative on error. */
static inline long ev_ipi(uint32_t vcpu)
{
	struct ev_bind_ipi a = { vcpu, 0 };
	long rc = ev_op(EV_bind_ipi, &a);

	return rc ? rc : (long)a.port;
}

static inline long ev_virq(uint32_t virq, uint32_t vcpu)
{
	struct ev_bind_virq a = { virq, vcpu, 0 };
	long rc = ev_op(EV_bind_virq, &a);

	return rc ? rc : (long)a.port;
}

static inline long ev_unbound(uint16_t dom, uint16_t remote)
{
	struct ev_alloc_unbound a = { dom, remote, 0 };
	long rc = ev_op(EV_alloc_unbound, &a);

	return rc ? rc : (long)a.port;
}

static inline long ev_interdomain(uint16_t remote, uint32_t remote_port)
{
	struct ev_bind_interdomain a = { remote, 0, remote_port, 0 };
	long rc = ev_op(EV_bind_interdomain, &a);

	return rc ? rc : (long)a.local_port;
}

/* sched_op */
struct sched_poll {
	uint32_t *ports;
	uint32_t nr;
	uint64_t timeout;
};

static inline long sched_op(unsigned op, void *arg)
{
	return hypercall2(HC_sched_op, op, arg);
}

/* vcpu_op */
struct vcpu_singleshot {
	uint64_t timeout;
	uint32_t flags;
};
struct vcpu_register_info {
	uint64_t mfn;
	uint32_t offset, rsvd;
};
struct vcpu_runstate {
	uint32_t state;
	uint64_t entry, time[4];
};

static inline long vcpu_op(unsigned op, unsigned vcpu, void *arg)
{
	return hypercall3(HC_vcpu_op, op, vcpu, arg);
}

/* memory_op */
struct mem_reservation {
	unsigned long *extents;
	unsigned long nr;
	uint32_t order, flags;
	uint16_t dom;
};
struct mem_add {
	uint16_t dom, size;
	uint32_t space;
	unsigned long idx, gpfn;
};
struct mem_remove {
	uint16_t dom;
	unsigned long gpfn;
};

static inline long mem_op(unsigned long cmd, void *arg)
{
	return hypercall2(HC_memory_op, cmd, arg);
}

static inline long mem_add(uint16_t dom, uint32_t space, unsigned long idx, unsigned long gpfn)
{
	struct mem_add a = { dom, 0, space, idx, gpfn };

	return mem_op(7, &a);
}

static inline long mem_remove(uint16_t dom, unsigned long gpfn)
{
	struct mem_remove a = { dom, gpfn };

	return mem_op(15, &a);
}

static inline long mem_extent(unsigned op, unsigned long gfn, unsigned order, uint16_t dom)
{
	struct mem_reservation r = { &gfn, 1, order, 0, dom };

	return mem_op(op, &r);
}

/* hvm_op */
struct hvm_param {
	uint16_t dom, pad;
	uint32_t index;
	uint64_t value;
};

static inline long hvm_op(unsigned op, void *arg)
{
	return hypercall2(HC_hvm_op, op, arg);
}

/* multicall */
struct multicall {
	unsigned long op;
	long result;
	unsigned long args[6];
};

/* Time since the hypervisor started in ns, from the pvclock of vCPU @vcpu in the shared info page. */
struct pvclock {
	uint32_t version, pad0;
	uint64_t tsc, ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad1[2];
} __attribute__((packed));

static inline volatile struct pvclock *pvclock(unsigned vcpu)
{
	return (volatile struct pvclock *)(vcpu_info(vcpu) + 32);
}

/* (delta * mul) >> 32 without a library's 128 bits. */
static inline uint64_t mul_frac(uint64_t delta, uint32_t mul)
{
	return (delta >> 32) * mul + ((delta & 0xffffffffu) * mul >> 32);
}

static inline uint64_t now(unsigned vcpu)
{
	volatile struct pvclock *t = pvclock(vcpu);
	uint32_t v;
	uint64_t ns;

	do {
		uint64_t delta;

		v = t->version;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		delta = rdtsc() - t->tsc;
		delta = t->shift >= 0 ? delta << t->shift : delta >> -t->shift;
		ns = t->ns + mul_frac(delta, t->mul);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} while ((v & 1) || v != t->version);
	return ns;
}

/* Sleep until system time @t, VIRQ_TIMER being @port of the first vCPU. How many nanoseconds late it then is. */
static inline uint32_t sleep_until(uint32_t port, uint64_t t)
{
	struct vcpu_singleshot timer = { t, 0 };
	struct sched_poll p = { &port, 1, 0 };

	vcpu_op(8, 0, &timer);
	while (!event_pending(port))
		sched_op(3, &p);
	event_clear(port);
	return (uint32_t)(now(0) - t);
}

/* Put @n in its place among the @nr sorted ones of @list. */
static inline void sort_in(uint32_t *list, unsigned nr, uint32_t n)
{
	for (; nr > 0 && list[nr - 1] > n; nr--)
		list[nr] = list[nr - 1];
	list[nr] = n;
}

#endif
