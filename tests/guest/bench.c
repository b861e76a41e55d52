/* guest: vcpus=2 memory=104 oracle=no compare=no timeout=60 */
/*
 * What things cost; the same program runs on Hospes and on real Xen. By the TSC: under the deterministic clock of tests/bench/bench.py one tick is
 * one instruction; prints "BENCH name ticks". Or between markers for the plugin that tells the hypervisor's instructions from ours; only the
 * 64-bit build has those, or there would be two windows of one number. tests/bench/calls.py knows both.
 */
#include "../bench/mark.h"
#include "lib/grants.h"

#define LOOPS 1000

/* What is between markers N and N + 1. */
enum {
	MARK_TIMER = 0x100,
	MARK_PING_PONG = 0x102,
	MARK_COPY_64 = 0x104,
	MARK_COPY_4096 = 0x106,
	MARK_COPY_BATCH = 0x108,
	MARK_MAP_1 = 0x10a,
	MARK_MAP_BATCH = 0x10c,
	MARK_POPULATE_4K = 0x10e,
	MARK_POPULATE_2M = 0x110,
	MARK_BALLOON_OUT = 0x112,
	MARK_BALLOON_IN = 0x114,
};

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

/* Run the code between markers @first and the next number. */
#ifdef __x86_64__
#define WINDOW(first, ...) \
	do { \
		MARK(first); \
		__VA_ARGS__; \
		MARK((first) + 1); \
	} while (0)
#else
#define WINDOW(first, ...) \
	do { \
		__VA_ARGS__; \
	} while (0)
#endif

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

/* 2 MiB that were given back and cleaned, 200 single pages of which each is touched, and what the domain was built with. */
static void memory(void)
{
	unsigned long big = 0x800;
	uint64_t begin;

	for (unsigned i = 0; i < 200; i++)
		check_eq("decrease", mem_extent(1, 0x300 + i, 0, SELF), 1);
	check_eq("decrease 2M", mem_extent(1, big, 9, SELF), 1);
	sleep_ms(500);
	WINDOW(
		MARK_POPULATE_4K, for (unsigned long g = 0x300; g < 0x300 + 200; g++) {
			mem_extent(6, g, 0, SELF);
			*(volatile long *)(g << 12) = 1;
		});
	WINDOW(MARK_POPULATE_2M, mem_extent(6, big, 9, SELF); *(volatile long *)(big << 12) = 1);
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

#define BALLOON_GFN 0x2000ul
#define BALLOON_PAGES 0x4000ul /* 64 MiB */
#define AT_ONCE 512u	       /* as many as Linux puts into one call */

/* memory_op @op on all of the balloon, page by page. */
static void balloon(unsigned op)
{
	static unsigned long gfns[AT_ONCE];
	unsigned long done = 0;

	for (unsigned long g = 0; g < BALLOON_PAGES; g += AT_ONCE) {
		struct mem_reservation r = { gfns, AT_ONCE, 0, 0, SELF };

		for (unsigned i = 0; i < AT_ONCE; i++)
			gfns[i] = BALLOON_GFN + g + i;
		done += (unsigned long)mem_op(op, &r);
	}
	check_eq("ballooned", (long)done, BALLOON_PAGES);
}

static void balloons(void)
{
	WINDOW(MARK_BALLOON_OUT, balloon(1));
	sleep_ms(2000);
	WINDOW(MARK_BALLOON_IN, balloon(6));
}

#define BATCH 32u

/* @nr copies of @len bytes in one call. */
static void copies(unsigned nr, uint16_t len)
{
	static uint8_t from[4096] __attribute__((aligned(4096))), to[4096] __attribute__((aligned(4096)));
	static struct copy c[BATCH];

	for (unsigned i = 0; i < nr; i++)
		c[i] = (struct copy){ { gfn_of(from), SELF, 0 }, { gfn_of(to), SELF, 0 }, len, 0, 77 };
	hypercall3(HC_grant_table_op, 5, c, nr);
	for (unsigned i = 0; i < nr; i++)
		if (c[i].status)
			check_eq("copied", c[i].status, 0);
}

static void grant_copy(void)
{
	WINDOW(MARK_COPY_64, for (unsigned i = 0; i < LOOPS; i++) copies(1, 64));
	WINDOW(MARK_COPY_4096, for (unsigned i = 0; i < LOOPS; i++) copies(1, 4096));
	WINDOW(MARK_COPY_BATCH, for (unsigned i = 0; i < LOOPS / BATCH; i++) copies(BATCH, 4096));
}

/* A page of the companion domain (granter.c), @nr times: in by one call, touched, and out again by another. */
static void maps(unsigned long gfn, uint32_t ref, unsigned nr)
{
	static struct map m[BATCH];
	static struct unmap u[BATCH];

	for (unsigned i = 0; i < nr; i++)
		m[i] = (struct map){ (gfn + i) * 4096, 2, ref, other_domain(), 77, 0, 0 };
	hypercall3(HC_grant_table_op, 0, m, nr);
	for (unsigned i = 0; i < nr; i++) {
		if (m[i].status)
			check_eq("mapped", m[i].status, 0);
		*(volatile char *)((gfn + i) << 12);
		u[i] = (struct unmap){ (gfn + i) * 4096, 0, m[i].handle, 77 };
	}
	hypercall3(HC_grant_table_op, 1, u, nr);
	for (unsigned i = 0; i < nr; i++)
		if (u[i].status)
			check_eq("unmapped", u[i].status, 0);
}

static void grant_map(void)
{
	unsigned long gfn = gfn_of(page_alloc(BATCH));
	uint32_t ref = 8u + my_domid();

	for (unsigned i = 0; i < BATCH; i++)
		mem_extent(1, gfn + i, 0, SELF);
	WINDOW(MARK_MAP_1, for (unsigned i = 0; i < LOOPS; i++) maps(gfn, ref, 1));
	WINDOW(MARK_MAP_BATCH, for (unsigned i = 0; i < LOOPS / BATCH; i++) maps(gfn, ref, BATCH));
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
	WINDOW(
		MARK_PING_PONG, for (unsigned i = 0; i < 200; i++) {
			ev_port_op(EV_send, ping);
			while (!event_pending(pong))
				halt();
			event_clear(pong);
		});
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
	WINDOW(MARK_TIMER, timer_latency());
	grant_copy();
	grant_map();
	memory();
	balloons();
	two();
	say("BENCH end 0\n");
}
