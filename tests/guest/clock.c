/* guest: vcpus=2 timeout=30 */
/* Time: pvclock of both vCPUs, monotonic between them, the wall clock. */
#include "lib/ops.h"

static volatile uint64_t latest;
static volatile unsigned turn, backwards;

static void other(void)
{
	for (;;) {
		while (turn != 1)
			sched_op(0, 0);
		{
			uint64_t t = now(1);

			if (t + 1000 < latest)
				backwards++;
			latest = t;
		}
		turn = 0;
	}
}

void guest_main(void)
{
	volatile struct pvclock *t;
	uint64_t a, b;
	uint32_t sec;

	apic_enable();
	shared_info();
	t = pvclock(0);
	check_eq("version even and not zero", t->version && !(t->version & 1), 1);
	check_eq("scale", t->mul >> 31 || t->mul, 1);
	a = now(0);
	b = now(0);
	check_eq("time goes on", b >= a && a > 0, 1);
	{
		/* The layout follows the width latched when the callback is set; real Xen writes the wall clock then. */
		struct hvm_param p = { SELF, 0, 0, 0 };

		hvm_op(0, &p);
	}
#ifdef __x86_64__
	sec = *(volatile uint32_t *)(shared_info() + 3072 + 4);
	check_eq("wall clock version even", *(volatile uint32_t *)(shared_info() + 3072) & 1, 0);
	check_eq("wall clock after 2020", sec > 1577836800u, 1);
	check_eq("wall clock nanoseconds", *(volatile uint32_t *)(shared_info() + 3072 + 8) < 1000000000, 1);
#else
	sec = *(volatile uint32_t *)(shared_info() + 2304 + 4);
	check_eq("wall clock version even", *(volatile uint32_t *)(shared_info() + 2304) & 1, 0);
	check_eq("wall clock after 2020", sec > 1577836800u, 1);
	check_eq("wall clock nanoseconds", *(volatile uint32_t *)(shared_info() + 2304 + 8) < 1000000000, 1);
#endif
	smp_start(1, other);
	check_eq("vCPU 1 has a clock", pvclock(1)->version && !(pvclock(1)->version & 1) && pvclock(1)->mul, 1);
	latest = now(0);
	for (unsigned i = 0; i < 2000; i++) {
		turn = 1;
		while (turn)
			sched_op(0, 0);
		a = now(0);
		if (a + 1000 < latest)
			backwards++;
		latest = a;
	}
	check_eq("never backwards between vCPUs", backwards != 0, 0);
	/* The TSC and the pvclock agree over 20 ms. */
	a = now(0);
	while (now(0) < a + 20000000)
		asm volatile("pause");
	b = now(0);
	check_eq("20 ms", b - a < 2000000000ull, 1);
}
