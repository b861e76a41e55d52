/* guest: vcpus=4 memory=8 timeout=60 oracle=no compare=no */
/*
 * RDTSC on vCPUs that outnumber the CPUs and are moved between them all the time: no vCPU ever sees its counter go
 * back, and the counter is not trapped so slowly that a burst of reads would show it.
 */
#include "lib/ops.h"

#define NR_VCPUS 4
#define ROUNDS 3000

static volatile unsigned finished, backwards;

/* Read in bursts; give way between them, so that the scheduler has reasons to move us. */
static void watch(void)
{
	uint64_t last = rdtsc();

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < 100; i++) {
			uint64_t t = rdtsc();

			if (t < last)
				__atomic_fetch_add(&backwards, 1, __ATOMIC_SEQ_CST);
			last = t;
		}
		sched_op(0, 0); /* yield */
	}
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

static void other(void)
{
	watch();
	for (;;)
		asm volatile("cli; hlt");
}

void guest_main(void)
{
	apic_enable();
	for (unsigned id = 1; id < NR_VCPUS; id++)
		smp_start(id, other);
	watch();
	while (finished != NR_VCPUS)
		sched_op(0, 0);
	check_eq("TSC never ran backwards", backwards, 0);
}
