/* guest: oracle=no compare=no */
/*
 * The other end of tests/bench/work.c: grants dom0 sixteen pages from gfn 0x300 on by references 8 to 23, makes a port for it, whose number is the first
 * word of the first page, and answers every event.
 */
#include "lib/grants.h"

#define FIRST_REF 8u
#define PAGES 16u
#define GFN 0x300u
#define PERMIT_ACCESS 1u

static void on_upcall(void)
{
	vcpu_info(0)[0] = 0;
	*(volatile unsigned long *)(vcpu_info(0) + sizeof(long)) = 0;
}

void guest_main(void)
{
	volatile struct entry *table = page_alloc(1);
	uint32_t version = 1, port = (uint32_t)ev_unbound(SELF, 0);

	*(volatile uint32_t *)(GFN * PAGE) = port;
	check_eq("set_version", hypercall3(HC_grant_table_op, 8, &version, 1), 0);
	check_eq("map the table", mem_add(SELF, 1, 0, gfn_of((void *)table)), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		table[FIRST_REF + i].dom = 0;
		table[FIRST_REF + i].frame = GFN + i;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		table[FIRST_REF + i].flags = PERMIT_ACCESS;
	}
	apic_enable();
	upcall_enable(0, 0x50, on_upcall);
	say("answering\n");
	for (;;) {
		while (!event_pending(port))
			halt();
		event_clear(port);
		ev_port_op(EV_send, port);
	}
}
