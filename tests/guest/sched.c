/* guest: timeout=30 */
/* sched_op: yield, poll in all its outcomes, codes that must be refused, watchdog. */
#include "lib/ops.h"

static uint64_t stamp(void)
{
	return now(0);
}

static void on_upcall(void)
{
}

static void poll(const char *what, uint32_t *ports, unsigned nr, uint64_t timeout)
{
	struct sched_poll p = { ports, nr, timeout };

	show(what, sched_op(3, &p));
}

void guest_main(void)
{
	uint32_t port, port2;
	uint64_t begin;

	apic_enable();
	upcall_enable(0, 0x50, on_upcall);
	show("yield", sched_op(0, 0));
	port = (uint32_t)ev_ipi(0);
	port2 = (uint32_t)ev_ipi(0);

	event_mask(port);
	ev_port_op(EV_send, port);
	poll("poll pending masked port", &port, 1, 0);
	event_clear(port);
	ev_port_op(EV_send, port2);
	poll("poll pending unmasked port", &port2, 1, 0);
	vcpu_info(0)[0] = 0;
	event_clear(port2);
	begin = stamp();
	poll("poll with timeout", &port, 1, begin + 20000000);
	check_eq("timeout was waited for", stamp() >= begin + 20000000, 1);
	begin = stamp();
	poll("poll two with timeout", (uint32_t[]){ port, port2 }, 2, begin + 10000000);
	check_eq("timeout of two was waited for", stamp() >= begin + 10000000, 1);
	begin = stamp();
	poll("poll none with timeout", &port, 0, begin + 10000000);
	check_eq("timeout of none was waited for", stamp() >= begin + 10000000, 1);
	poll("poll with timeout in the past", &port, 1, 1);
	poll("poll port 1023", (uint32_t[]){ 1023 }, 1, 1);
	poll("poll port 0", (uint32_t[]){ 0 }, 1, 1);
	poll("poll port 4096", (uint32_t[]){ 4096 }, 1, 1);
	poll("poll port -1", (uint32_t[]){ ~0u }, 1, 1);
	poll("poll bad second port", (uint32_t[]){ port, ~0u }, 2, 1);
	poll("poll 129 ports", &port, 129, 1);
	poll("poll -1 ports", &port, ~0u, 1);
	poll("poll ports nowhere", NOWHERE, 1, 1);
	/* An event waits in another port: poll does not return for it, but does for a pending upcall. */
	ev_port_op(EV_send, port2);
	poll("poll with upcall pending", &port, 1, stamp() + 10000000);
	vcpu_info(0)[0] = 0;
	event_clear(port2);

	for (unsigned i = 5; i < 15; i++)
		if (i != 6)
			showf(sched_op(i, NOWHERE), "op %u nowhere", i);
	show("op -1", sched_op(~0u, NOWHERE));
	show("poll nowhere", sched_op(3, NOWHERE));
	show("poll unmapped", sched_op(3, UNMAPPED));
	show("shutdown nowhere", sched_op(2, NOWHERE));
	show("shutdown unmapped", sched_op(2, UNMAPPED));
	{
		struct {
			uint16_t dom;
			uint32_t reason;
		} r = { SELF, 3 };
		struct {
			uint32_t id, timeout;
		} w = { 0, 0 };

		show("remote_shutdown self", sched_op(4, &r));
		r.dom = other_domain();
		show("remote_shutdown 0", sched_op(4, &r));
		r.dom = 0x1234;
		show("remote_shutdown nobody", sched_op(4, &r));
		show("remote_shutdown nowhere", sched_op(4, NOWHERE));
		show("shutdown_code", sched_op(5, (uint32_t[]){ 0 }));
		show("watchdog nowhere", sched_op(6, NOWHERE));
		/* A new one of no time would end this domain at once on Xen. */
		w.timeout = 30;
		show("watchdog first", sched_op(6, &w));
		show("watchdog second", sched_op(6, &w));
		show("watchdog third", sched_op(6, &w));
		w.id = 1;
		show("watchdog poke 1", sched_op(6, &w));
		w.timeout = 0;
		show("watchdog stop 1", sched_op(6, &w));
		show("watchdog stop 1 again", sched_op(6, &w));
		w.timeout = 30;
		show("watchdog poke stopped 1", sched_op(6, &w));
		w.id = 3;
		show("watchdog 3", sched_op(6, &w));
		w.id = ~0u;
		show("watchdog -1", sched_op(6, &w));
		w.id = 2;
		w.timeout = 0;
		show("watchdog stop 2", sched_op(6, &w));
	}
	show("pin_override", sched_op(7, (int[]){ 0 }));
	/* A code out of range ends the domain all the same: the last thing this guest does. */
	say("shutting down with code 77\n");
	shut_down(77);
}
