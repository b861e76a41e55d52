/* guest: vcpus=2 timeout=30 */
/* vcpu_op and set_timer_op: registration rules, runstate, timers, liveness, bad ids. */
#include "lib/ops.h"

static volatile unsigned upcalls;

static void on_upcall(void)
{
	upcalls++;
	vcpu_info(0)[0] = 0;
	*(volatile unsigned long *)(vcpu_info(0) + sizeof(long)) = 0;
}

/* Wait at most @ms for the event; says whether it came. */
static bool came(uint32_t port, unsigned ms)
{
	uint64_t end = now(0) + ms * 1000000ull;

	irq_on();
	while (!event_pending(port) && now(0) < end)
		asm volatile("pause");
	irq_off();
	if (!event_pending(port))
		return false;
	event_clear(port);
	return true;
}

static void timers(void)
{
	uint32_t port = (uint32_t)ev_virq(0, 0);
	struct vcpu_singleshot s = { now(0) + 5000000, 0 };
	uint64_t period, begin;
	unsigned n = 0;

	show("singleshot", vcpu_op(8, 0, &s));
	check_eq("it came", came(port, 1000), 1);
	check_eq("not before its time", now(0) >= s.timeout, 1);
	check_eq("only once", came(port, 20), 0);
	s.timeout = 1;
	show("singleshot in the past", vcpu_op(8, 0, &s));
	check_eq("comes at once", came(port, 1000), 1);
	s.flags = 1;
	show("singleshot in the past, future flag", vcpu_op(8, 0, &s));
	check_eq("comes all the same", came(port, 1000), 1);
	s.timeout = now(0) + 5000000;
	show("singleshot in the future, future flag", vcpu_op(8, 0, &s));
	check_eq("comes", came(port, 1000), 1);
	s.flags = 2;
	s.timeout = now(0) + 5000000;
	show("singleshot unknown flag", vcpu_op(8, 0, &s));
	check_eq("comes", came(port, 1000), 1);
	s.flags = 0;
	s.timeout = now(0) + 30000000;
	vcpu_op(8, 0, &s);
	show("stop_singleshot", vcpu_op(9, 0, 0));
	check_eq("stopped", came(port, 60), 0);
	show("stop_singleshot again", vcpu_op(9, 0, 0));
	show("singleshot for vCPU 1", vcpu_op(8, 1, &s));
	show("stop_singleshot for vCPU 1", vcpu_op(9, 1, 0));
	show("singleshot nowhere", vcpu_op(8, 0, NOWHERE));
	s.timeout = ~0ull;
	show("singleshot at the end of time", vcpu_op(8, 0, &s));
	vcpu_op(9, 0, 0);

	period = 5000000;
	show("set_periodic", vcpu_op(6, 0, &period));
	begin = now(0);
	while (n < 5 && now(0) < begin + 2000000000ull)
		n += came(port, 100);
	check_eq("periodic came five times", n, 5);
	check_eq("not faster than its period", now(0) - begin >= 15000000, 1);
	show("stop_periodic", vcpu_op(7, 0, 0));
	came(port, 1);
	check_eq("stopped too", came(port, 30), 0);
	show("stop_periodic again", vcpu_op(7, 0, 0));
	show("set_periodic for vCPU 1", vcpu_op(6, 1, &period));
	show("stop_periodic for vCPU 1", vcpu_op(7, 1, 0));
	period = 999999;
	show("set_periodic below 1 ms", vcpu_op(6, 0, &period));
	period = 0;
	show("set_periodic 0", vcpu_op(6, 0, &period));
	period = ~0ull;
	show("set_periodic -1", vcpu_op(6, 0, &period));
	show("set_periodic nowhere", vcpu_op(6, 0, NOWHERE));
	vcpu_op(7, 0, 0);
	event_clear(port);

	s.timeout = now(0) + 5000000;
#ifdef __x86_64__
	show("set_timer_op", hypercall1(HC_set_timer_op, s.timeout));
#else
	show("set_timer_op", hypercall2(HC_set_timer_op, (uint32_t)s.timeout, (uint32_t)(s.timeout >> 32)));
#endif
	check_eq("set_timer_op came", came(port, 1000), 1);
	show("set_timer_op 1", hypercall2(HC_set_timer_op, 1, 0));
	check_eq("set_timer_op 1 came", came(port, 1000), 1);
	show("set_timer_op 0", hypercall2(HC_set_timer_op, 0, 0));
	check_eq("set_timer_op 0 cancels", came(port, 10), 0);
}

static void info(void)
{
	static uint8_t area[2][4096] __attribute__((aligned(4096)));
	struct vcpu_register_info r = { gfn_of(area[0]), 0, 0 };
	uint32_t port = (uint32_t)ev_ipi(0);

	r.offset = 4096 - 32;
	show("register_vcpu_info over the page's end", vcpu_op(10, 0, &r));
	r.offset = 3;
	show("register_vcpu_info unaligned", vcpu_op(10, 0, &r));
	r.offset = 4096;
	show("register_vcpu_info offset of a page", vcpu_op(10, 0, &r));
	r.offset = 0;
	r.mfn = 0xd0000;
	show("register_vcpu_info nowhere", vcpu_op(10, 0, &r));
	r.mfn = ~0ull;
	show("register_vcpu_info mfn -1", vcpu_op(10, 0, &r));
	r.mfn = gfn_of(area[0]);
	show("register_vcpu_info of vCPU 2", vcpu_op(10, 2, &r));
	show("register_vcpu_info from nowhere", vcpu_op(10, 0, NOWHERE));
	r.offset = 64;
	show("register_vcpu_info of vCPU 1 that is down", vcpu_op(10, 1, &r));
	r.offset = 128;
	show("register_vcpu_info again", vcpu_op(10, 1, &r));
	show("register_vcpu_info", vcpu_op(10, 0, &r));
	say("copied: upcall %d sel all %d version even %d\n", area[0][128],
	    *(unsigned long *)(area[0] + 128 + sizeof(long)) == ~0ul,
	    !(*(volatile uint32_t *)(area[0] + 128 + 32) & 1));
	area[0][128] = 0;
	*(volatile unsigned long *)(area[0] + 128 + sizeof(long)) = 0;
	ev_port_op(EV_send, port);
	say("new place: upcall %d; old place: %d\n", area[0][128], vcpu_info(0)[0]);
	show("register_vcpu_info twice", vcpu_op(10, 0, &r));
	area[0][128] = 0;
	event_clear(port);
}

static void runstate(void)
{
	static volatile struct vcpu_runstate rs;
	struct vcpu_runstate copy;
	void *at = (void *)&rs;
	struct {
		unsigned long addr;
		uint64_t pad;
	} reg = { (unsigned long)at, 0 };
	struct {
		uint32_t domid_vcpu[2];
		uint64_t id;
	} phys = { { 0, 0 }, 0 };

	show("get_runstate_info", vcpu_op(4, 0, &copy));
	say("state %u\n", copy.state);
	check_eq("it has run", copy.time[0] > 0, 1);
	show("get_runstate_info of vCPU 1", vcpu_op(4, 1, &copy));
	say("state %u\n", copy.state);
	show("get_runstate_info of vCPU 2", vcpu_op(4, 2, &copy));
	show("get_runstate_info nowhere", vcpu_op(4, 0, NOWHERE));
	show("register_runstate", vcpu_op(5, 0, &reg));
	say("state %u\n", rs.state);
	check_eq("filled in", rs.entry > 0, 1);
	show("register_runstate from nowhere", vcpu_op(5, 0, NOWHERE));
	show("vm_assist runstate_update_flag", hypercall2(HC_vm_assist, 0, 5));
	sched_op(0, 0);
	check_eq("update flag is not left set", (long)(rs.entry >> 63), 0);
	reg.addr = (unsigned long)NOWHERE;
	show("register_runstate of a bad area", vcpu_op(5, 0, &reg));
	show("get_physid", vcpu_op(12, 0, &phys));
	reg.addr = 0;
	show("register_runstate NULL", vcpu_op(5, 0, &reg));
}

static void other_cpu(void)
{
	for (;;)
		halt();
}

void guest_main(void)
{
	apic_enable();
	upcall_enable(0, 0x50, on_upcall);
	show("is_up 0", vcpu_op(3, 0, 0));
	show("is_up 1", vcpu_op(3, 1, 0));
	show("is_up 2", vcpu_op(3, 2, 0));
	show("is_up -1", vcpu_op(3, ~0u, 0));
	show("is_up 128", vcpu_op(3, 128, 0));
	show("up 1 that has no context", vcpu_op(1, 1, 0));
	show("up 0", vcpu_op(1, 0, 0));
	show("down 1 that is down", vcpu_op(2, 1, 0));
	show("down 2", vcpu_op(2, 2, 0));
	show("initialise nowhere", vcpu_op(0, 1, NOWHERE));
	show("initialise 2", vcpu_op(0, 2, NOWHERE));
	show("send_nmi 2", vcpu_op(11, 2, 0));
	for (unsigned i = 12; i < 20; i++)
		showf(vcpu_op(i, 0, NOWHERE), "op %u nowhere", i);
	show("op -1", vcpu_op(~0u, 0, NOWHERE));
	{
		struct {
			uint64_t v;
		} t = { (unsigned long)NOWHERE };
		static volatile struct pvclock area;

		show("register time area nowhere", vcpu_op(13, 0, &t));
		t.v = (unsigned long)&area;
		show("register time area", vcpu_op(13, 0, &t));
		say("filled: %d\n", area.mul != 0);
	}
	smp_start(1, other_cpu);
	timers();
	runstate();
	show("is_up 1 after start", vcpu_op(3, 1, 0));
	show("up 1 that is up", vcpu_op(1, 1, 0));
	show("down 1", vcpu_op(2, 1, 0));
	show("is_up 1 after down", vcpu_op(3, 1, 0));
	show("up 1", vcpu_op(1, 1, 0));
	show("is_up 1 after up", vcpu_op(3, 1, 0));
	info();
}
