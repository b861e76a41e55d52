/* guest: vcpus=2 memory=16 oracle=no compare=no timeout=60 */
/*
 * What things cost, in ticks of the TSC: under the deterministic clock of tests/bench/bench.py one tick is one instruction. Prints
 * "BENCH name ticks" for each; the same program runs on Hospes and on real Xen.
 */
#include "lib/ops.h"

#define LOOPS 1000

static void result(const char *name, uint64_t ticks, unsigned n)
{
	say("BENCH %s %lu\n", name, (unsigned long)((uint32_t)ticks / n));
}

/* Cost of one run of the code, less that of the empty loop. */
#define MEASURE(name, n, ...) \
	do { \
		uint64_t begin_, loop_; \
		__VA_ARGS__; \
		begin_ = rdtsc(); \
		for (volatile unsigned i_ = 0; i_ < n; i_++) \
			; \
		loop_ = rdtsc() - begin_; \
		begin_ = rdtsc(); \
		for (volatile unsigned i_ = 0; i_ < n; i_++) \
			__VA_ARGS__; \
		result(name, rdtsc() - begin_ - loop_, n); \
	} while (0)

static volatile unsigned upcalls;
static volatile uint64_t upcall_at;
static uint32_t ping, pong;

static void on_upcall(void)
{
	unsigned cpu = apic_id() / 2;

	upcall_at = rdtsc();
	upcalls++;
	vcpu_info(cpu)[0] = 0;
	*(volatile unsigned long *)(vcpu_info(cpu) + sizeof(long)) = 0;
}

/* Give an idle hypervisor time to clean what was freed. */
static void sleep_ms(unsigned ms)
{
	uint32_t port = (uint32_t)ev_virq(0, 0);
	struct vcpu_singleshot s = { now(0) + ms * 1000000ull, 0 };

	vcpu_op(8, 0, &s);
	while (!event_pending(port))
		halt();
	event_clear(port);
	ev_port_op(EV_close, port);
}

static void event_to_self(void)
{
	uint32_t port = (uint32_t)ev_ipi(0);

	irq_on();
	MEASURE("event_self", LOOPS, {
		ev_port_op(EV_send, port);
		while (!event_pending(port))
			;
		event_clear(port);
	});
	irq_off();
	check_eq("one upcall for each", upcalls >= LOOPS, 1);
}

static void timer_latency(void)
{
	uint32_t port = (uint32_t)ev_virq(0, 0);
	uint64_t sum = 0;

	for (unsigned i = 0; i < 20; i++) {
		volatile struct pvclock *t = pvclock(0);
		struct vcpu_singleshot s = { now(0) + 2000000, 0 };
		uint64_t late, tsc = upcall_at;

		vcpu_op(8, 0, &s);
		while (upcall_at == tsc)
			halt();
		late = upcall_at - t->tsc;
		late = t->shift >= 0 ? late << t->shift : late >> -t->shift;
		late = t->ns + mul_frac(late, t->mul);
		sum += late - s.timeout;
		event_clear(port);
	}
	result("timer_latency", sum, 20);
	ev_port_op(EV_close, port);
}

static void memory(void)
{
	unsigned long big = 0x800;
	uint64_t begin, sum = 0;

	for (unsigned i = 0; i < 200; i++)
		check_eq("decrease", mem_extent(1, 0x300 + i, 0, SELF), 1);
	check_eq("decrease 2M", mem_extent(1, big, 9, SELF), 1);
	sleep_ms(500);
	for (unsigned long g = 0x300; g < 0x300 + 200; g++) {
		begin = rdtsc();
		mem_extent(6, g, 0, SELF);
		*(volatile long *)(g << 12) = 1;
		sum += rdtsc() - begin;
	}
	result("populate_4k", sum, 200);
	begin = rdtsc();
	mem_extent(6, big, 9, SELF);
	*(volatile long *)(big << 12) = 1;
	result("populate_2m", rdtsc() - begin, 1);
	/* What the domain was built with: the first access finds its translation missing or not. Then superpages. */
	begin = rdtsc();
	for (unsigned i = 0; i < 200; i++)
		*(volatile long *)((0xa00ul + i) << 12) = 1;
	result("first_touch_4k", rdtsc() - begin, 200);
	begin = rdtsc();
	for (unsigned i = 0; i < 2; i++)
		*(volatile long *)((0xc00ul + i * 512) << 12) = 1;
	result("first_touch_2m", rdtsc() - begin, 2);
}

struct copy {
	struct {
		unsigned long ref;
		uint16_t dom, offset;
	} from, to;
	uint16_t len, flags;
	int16_t status;
};

static void grant_copy(void)
{
	static uint8_t from[4096] __attribute__((aligned(4096))), to[4096] __attribute__((aligned(4096)));
	struct copy c;

	MEASURE("grant_copy_64", LOOPS, {
		c = (struct copy){ { gfn_of(from), SELF, 0 }, { gfn_of(to), SELF, 0 }, 64, 0, 77 };
		hypercall3(HC_grant_table_op, 5, &c, 1);
	});
	show("copy status", c.status);
	MEASURE("grant_copy_4096", LOOPS, {
		c = (struct copy){ { gfn_of(from), SELF, 0 }, { gfn_of(to), SELF, 0 }, 4096, 0, 77 };
		hypercall3(HC_grant_table_op, 5, &c, 1);
	});
}

struct map {
	uint64_t host_addr;
	uint32_t flags, ref;
	uint16_t dom;
	int16_t status;
	uint32_t handle;
	uint64_t dev_bus_addr;
};
struct unmap {
	uint64_t host_addr, dev_bus_addr;
	uint32_t handle;
	int16_t status;
};

/* A page of the companion domain (granter.c): in, touched, and out again. */
static void grant_map(void)
{
	uint16_t self = my_domid();
	volatile char *at = page_alloc(1);
	struct map m = { 0 };
	struct unmap u;

	mem_extent(1, gfn_of((void *)at), 0, SELF);
	MEASURE("grant_map_unmap", LOOPS, {
		m = (struct map){ gfn_of((void *)at) * 4096, 2, 8u + self, other_domain(), 77, 0, 0 };
		hypercall3(HC_grant_table_op, 0, &m, 1);
		*at;
		u = (struct unmap){ gfn_of((void *)at) * 4096, 0, m.handle, 77 };
		hypercall3(HC_grant_table_op, 1, &u, 1);
	});
	check_eq("mapped", m.status, 0);
	check_eq("unmapped", u.status, 0);
}

static volatile bool stop;
static volatile unsigned other_yields;

static void second(void)
{
	/* First the answers of the ping-pong, then the partner of the yields. */
	for (unsigned i = 0; i < 200; i++) {
		while (!event_pending(ping))
			halt();
		event_clear(ping);
		ev_port_op(EV_send, pong);
	}
	while (!stop) {
		sched_op(0, 0);
		other_yields++;
	}
	asm volatile("cli; hlt");
}

static void two(void)
{
	uint64_t begin;
	unsigned before;

	ping = (uint32_t)ev_ipi(1);
	pong = (uint32_t)ev_ipi(0);
	smp_start(1, second);
	begin = rdtsc();
	for (unsigned i = 0; i < 200; i++) {
		ev_port_op(EV_send, ping);
		while (!event_pending(pong))
			halt();
		event_clear(pong);
	}
	result("event_ping_pong", rdtsc() - begin, 200);
	sched_op(0, 0);
	sched_op(0, 0);
	before = other_yields;
	begin = rdtsc();
	for (unsigned i = 0; i < LOOPS; i++)
		sched_op(0, 0);
	begin = rdtsc() - begin;
	before = other_yields - before;
	say("yields of both %u %u\n", LOOPS, before);
	result("world_switch", begin, LOOPS + (before ? before : 1));
	stop = true;
}

void guest_main(void)
{
	apic_enable();
	upcall_enable(0, 0x50, on_upcall);
	upcall_enable(1, 0x50, on_upcall);
	shared_info();
	/* After power-on an idle hypervisor still cleans all memory. */
	sleep_ms(4000);
	MEASURE("hypercall", LOOPS, hypercall2(HC_xen_version, 0, 0));
	MEASURE("cpuid", LOOPS, cpuid(0x40000001, 0));
	MEASURE("msr", LOOPS, rdmsr(0x1b));
	MEASURE("port", LOOPS, inb(0x60));
	event_to_self();
	timer_latency();
	grant_copy();
	grant_map();
	memory();
	two();
	say("BENCH end 0\n");
}
