/* guest: oracle=no compare=no */
/*
 * `waker` sleeps about ten milliseconds, works for one, and so on; it prints how late it woke up each time: what others leave it of the CPU that all
 * are on. Its work is counted in instructions, of which by the clock of instructions a million is a millisecond. `spinner` always runs.
 */
#include "lib/ops.h"

#define ROUNDS 150u
#define WARM_UP 10u
#define WORK 500000u /* turns of a loop of two instructions */

static void work(void)
{
	unsigned long n = WORK;

	asm volatile("1: dec %0; jnz 1b" : "+r"(n));
}

static void wake_up(void)
{
	static uint32_t late[ROUNDS];
	uint32_t port = (uint32_t)ev_virq(0, 0), random = 1;

	for (unsigned i = 0; i < WARM_UP + ROUNDS; i++) {
		uint32_t l;

		random = random * 1664525u + 1013904223u;
		l = sleep_until(port, now(0) + 8000000 + (random >> 8) % 4000000);
		work();
		if (i >= WARM_UP)
			sort_in(late, i - WARM_UP, l);
	}
	say("LATENCY half %u p90 %u p99 %u most %u ns\n", late[ROUNDS / 2], late[ROUNDS * 90 / 100],
	    late[ROUNDS * 99 / 100], late[ROUNDS - 1]);
}

void guest_main(void)
{
	shared_info();
	if (cmdline()[0] == 'w')
		wake_up();
	else
		for (;;)
			work();
}
