/* guest: vcpus=2 */
/* event_channel_op, 2-level: every operation with good and bad arguments, pending and mask bits, upcalls through the local APIC. */
#include "lib/ops.h"

static volatile unsigned upcalls;

static void on_upcall(void)
{
	upcalls++;
}

static void status(const char *what, uint32_t port)
{
	struct ev_status s = { .dom = SELF, .port = port };
	long rc = ev_op(EV_status, &s);

	showf(rc, "status %s", what);
	if (!rc)
		say("status %s: kind %u vcpu %u\n", what, s.status, s.vcpu);
}

static void pending(const char *what, uint32_t port)
{
	say("%s: pending %d sel %d upcall %d\n", what, event_pending(port),
	    *(volatile unsigned long *)(vcpu_info(0) + sizeof(long)) != 0, vcpu_info(0)[0] != 0);
	event_clear(port);
	*(volatile unsigned long *)(vcpu_info(0) + sizeof(long)) = 0;
	vcpu_info(0)[0] = 0;
}

/* Let interrupts in for a moment; says how many upcalls came. */
static void take(const char *what)
{
	upcalls = 0;
	irq_on();
	for (int i = 0; i < 100; i++)
		asm volatile("pause");
	irq_off();
	say("%s: %u upcalls\n", what, upcalls);
}

static void bad_ports(void)
{
	static const uint32_t ports[] = { 0, 900, 1023, 1024, 4095, 4096, 131071, 131072, ~0u };
	static const unsigned ops[] = { EV_close, EV_send, EV_unmask, EV_set_priority };

	for (unsigned o = 0; o < 4; o++)
		for (unsigned p = 0; p < sizeof(ports) / sizeof(ports[0]); p++) {
			uint32_t arg[2] = { ports[p], 3 };

			showf(ev_op(ops[o], arg), "op %u port %u", ops[o], ports[p]);
		}
	for (unsigned p = 0; p < sizeof(ports) / sizeof(ports[0]); p++) {
		struct ev_bind_vcpu b = { ports[p], 0 };

		showf(ev_op(EV_bind_vcpu, &b), "bind_vcpu port %u", ports[p]);
		status("of a bad port", ports[p]);
	}
}

static void virqs(void)
{
	long port = ev_virq(0, 0);

	check_eq("bind timer", port > 0, 1);
	status("timer", (uint32_t)port);
	show("bind timer twice", ev_virq(0, 0) > 0 ? 0 : ev_virq(0, 0));
	check_eq("bind timer of vCPU 1", ev_virq(0, 1) > 0, 1);
	show("bind timer of vCPU 2", ev_virq(0, 2));
	for (unsigned v = 1; v < 26; v++) {
		long p = ev_virq(v, 0);

		showf(p > 0 ? 0 : p, "bind virq %u", v);
		if (p > 0)
			ev_port_op(EV_close, (uint32_t)p);
	}
	show("global virq on vCPU 1", ev_virq(2, 1));
	show("virq -1", ev_virq(~0u, 0));
	{
		struct ev_bind_vcpu b = { (uint32_t)port, 1 };

		show("bind_vcpu of a timer virq", ev_op(EV_bind_vcpu, &b));
	}
	show("send to a virq", ev_port_op(EV_send, (uint32_t)port));
	show("close timer", ev_port_op(EV_close, (uint32_t)port));
	status("closed", (uint32_t)port);
	show("close it again", ev_port_op(EV_close, (uint32_t)port));
}

static void unbound(void)
{
	long port = ev_unbound(SELF, SELF), port2, bound;
	struct ev_bind_vcpu b = { 0, 1 };

	check_eq("alloc_unbound self", port > 0, 1);
	status("unbound", (uint32_t)port);
	show("send to unbound", ev_port_op(EV_send, (uint32_t)port));
	b.port = (uint32_t)port;
	show("bind_vcpu unbound", ev_op(EV_bind_vcpu, &b));
	status("unbound, moved", (uint32_t)port);
	b.vcpu = 2;
	show("bind_vcpu to vCPU 2", ev_op(EV_bind_vcpu, &b));
	b.vcpu = 0;
	ev_op(EV_bind_vcpu, &b);
	bound = ev_interdomain(SELF, (uint32_t)port);
	check_eq("bind_interdomain self", bound > 0 && bound != port, 1);
	status("near end", (uint32_t)bound);
	status("far end", (uint32_t)port);
	pending("after binding, near", (uint32_t)bound);
	pending("after binding, far", (uint32_t)port);
	show("bind_interdomain twice", ev_interdomain(SELF, (uint32_t)port));
	show("send", ev_port_op(EV_send, (uint32_t)bound));
	say("near pending %d\n", event_pending((uint32_t)bound));
	pending("far", (uint32_t)port);
	show("close near", ev_port_op(EV_close, (uint32_t)bound));
	status("far end after close", (uint32_t)port);
	show("send to the closed peer", ev_port_op(EV_send, (uint32_t)port));
	show("close far", ev_port_op(EV_close, (uint32_t)port));
	show("bind_interdomain to free", ev_interdomain(SELF, (uint32_t)port));
	show("bind_interdomain to port 0", ev_interdomain(SELF, 0));
	show("bind_interdomain to a huge port", ev_interdomain(SELF, ~0u));
	show("bind_interdomain to no domain", ev_interdomain(0x1234, 1));
	show("bind_interdomain to IO", ev_interdomain(0x7ff1, 1));
	port2 = ev_unbound(SELF, 0x1234);
	show("alloc_unbound for no domain", port2 > 0 ? 0 : port2);
	if (port2 > 0)
		ev_port_op(EV_close, (uint32_t)port2);
	show("alloc_unbound in another domain", ev_unbound(0x1234, SELF));
	show("alloc_unbound in Xen", ev_unbound(0x7ff2, SELF));
}

static void ipis(void)
{
	long port = ev_ipi(0), far = ev_ipi(1);
	struct ev_bind_vcpu b = { 0, 1 };

	check_eq("bind_ipi", port > 0 && far > 0, 1);
	status("ipi", (uint32_t)port);
	status("ipi of vCPU 1", (uint32_t)far);
	show("bind_ipi of vCPU 2", ev_ipi(2));
	show("bind_ipi of vCPU -1", ev_ipi(~0u));
	b.port = (uint32_t)port;
	show("bind_vcpu of an ipi", ev_op(EV_bind_vcpu, &b));
	show("send ipi", ev_port_op(EV_send, (uint32_t)port));
	pending("ipi", (uint32_t)port);
	/* Masked: pending, but no upcall until unmask. */
	event_mask((uint32_t)port);
	show("send masked", ev_port_op(EV_send, (uint32_t)port));
	say("masked: pending %d upcall %d\n", event_pending((uint32_t)port), vcpu_info(0)[0] != 0);
	show("unmask", ev_port_op(EV_unmask, (uint32_t)port));
	pending("unmasked", (uint32_t)port);
	show("unmask again", ev_port_op(EV_unmask, (uint32_t)port));
	pending("nothing pending", (uint32_t)port);
	/* Sending twice sets one bit. */
	ev_port_op(EV_send, (uint32_t)port);
	ev_port_op(EV_send, (uint32_t)port);
	pending("twice", (uint32_t)port);
	take("left over");
	ev_port_op(EV_send, (uint32_t)port);
	take("one event");
	ev_port_op(EV_send, (uint32_t)port);
	take("pending bit left set");
	pending("cleared now", (uint32_t)port);
	/* The selector already set keeps Xen from raising the upcall again. */
	*(volatile unsigned long *)(vcpu_info(0) + sizeof(long)) = 1;
	ev_port_op(EV_send, (uint32_t)port);
	take("selector already set");
	pending("selector", (uint32_t)port);
	vcpu_info(0)[0] = 1;
	ev_port_op(EV_send, (uint32_t)port);
	take("upcall already pending");
	pending("upcall", (uint32_t)port);
	ev_port_op(EV_send, (uint32_t)far);
	say("far: pending %d, on vCPU 0: upcall %d\n", event_pending((uint32_t)far), vcpu_info(0)[0] != 0);
	say("far: vCPU 1 upcall %d\n", vcpu_info(1)[0] != 0);
	event_clear((uint32_t)far);
	/* A closed port's pending bit. */
	event_mask((uint32_t)port);
	ev_port_op(EV_send, (uint32_t)port);
	ev_port_op(EV_close, (uint32_t)port);
	say("closed: pending %d\n", event_pending((uint32_t)port));
	check_eq("lowest free port is reused", ev_ipi(0) == port, 1);
	say("reused: pending %d\n", event_pending((uint32_t)port));
}

static void fill(void)
{
	unsigned n = 0;
	long p;

	while ((p = ev_ipi(0)) > 0)
		n++;
	showf(p, "the port after the last");
	check_eq("number of ports is plausible", n > 900, 1);
	/* Ports 1 and 2 are the toolstack's store and console. */
	for (n = 3; !ev_port_op(EV_close, n); n++)
		;
	say("ports end at %u\n", n);
}

static void others(void)
{
	struct {
		uint32_t pirq, flags, port;
	} pirq = { 9, 0, 0 };
	uint16_t dom = SELF;
	struct ev_status s = { .dom = other_domain(), .port = 1 };
	struct {
		uint64_t gfn;
		uint32_t offset, vcpu;
		uint8_t link_bits, pad[7];
	} control = { 0, 0, 0, 0, { 0 } };
	uint64_t array = 0;

	show("bind_pirq", ev_op(EV_bind_pirq, &pirq));
	show("status of dom0", ev_op(EV_status, &s));
	s.dom = 0x1234;
	show("status of no domain", ev_op(EV_status, &s));
	dom = 0x1234;
	show("reset no domain", ev_op(EV_reset, &dom));
	show("expand_array without control", ev_op(EV_expand_array, &array));
	control.vcpu = 2;
	show("init_control vCPU 2", ev_op(EV_init_control, &control));
	control.vcpu = 0;
	control.offset = 4092;
	show("init_control offset", ev_op(EV_init_control, &control));
	control.offset = 1;
	show("init_control unaligned", ev_op(EV_init_control, &control));
	control.offset = 0;
	control.gfn = 0xd0000;
	show("init_control nowhere", ev_op(EV_init_control, &control));
	for (unsigned i = 14; i < 20; i++)
		showf(ev_op(i, &control), "op %u", i);
	show("op -1", ev_op(~0u, &control));
	for (unsigned i = 0; i < 14; i++) {
		showf(ev_op(i, NOWHERE), "op %u nowhere", i);
		showf(ev_op(i, UNMAPPED), "op %u unmapped", i);
	}
}

void guest_main(void)
{
	apic_enable();
	upcall_enable(0, 0x50, on_upcall);
	bad_ports();
	virqs();
	unbound();
	ipis();
	others();
	fill();
	{
		uint16_t dom = SELF;

		show("reset self", ev_op(EV_reset, &dom));
		status("port 1 after reset", 1);
	}
}
