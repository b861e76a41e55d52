/*
 * Translations a guest's CPUs cached. A vCPU sets its bit in p2m->running, then compares the epoch with the one its
 * CPU last entered with, and flushes if it moved; here the epoch moves first, then the bits are read. So either side sees the other, and
 * whoever is inside is interrupted: an interrupt is taken outside the guest, and the way back in passes the comparison again.
 */
#include "hv/arch.h"
#include "hv/p2m.h"
#include "hv/pcpu.h"

static void leave_guest(void *unused)
{
}

/* See p2m.h. On return no CPU uses a translation older than the call. Interrupts on. */
void p2m_flush(struct p2m *p)
{
	cpumask_t inside;

	__atomic_fetch_add(&p->epoch, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < ARRAY_SIZE(inside.bits); i++)
		inside.bits[i] = __atomic_load_n(&p->running.bits[i], __ATOMIC_SEQ_CST);
	cpumask_unset(&inside, this_cpu());
	if (!cpumask_empty(&inside))
		smp_call(&inside, leave_guest, NULL);
}
