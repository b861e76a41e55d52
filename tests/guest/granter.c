/* guest: oracle=no compare=no */
/* Grants its gfn 0x300 to each of the first domains, domain N by reference 8 + N, and sleeps: the other end of what bench.c maps. */
#include "lib/grants.h"

#define FIRST_REF 8u
#define DOMAINS 64u
#define GFN 0x300u
#define PERMIT_ACCESS 1u

void guest_main(void)
{
	volatile struct entry *table = page_alloc(1);
	uint32_t version = 1;

	check_eq("set_version", hypercall3(HC_grant_table_op, 8, &version, 1), 0);
	check_eq("map the table", mem_add(SELF, 1, 0, gfn_of((void *)table)), 0);
	for (unsigned i = 0; i < DOMAINS; i++) {
		table[FIRST_REF + i].dom = (uint16_t)i;
		table[FIRST_REF + i].frame = GFN;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		table[FIRST_REF + i].flags = PERMIT_ACCESS;
	}
	say("granted\n");
	for (;;)
		halt();
}
