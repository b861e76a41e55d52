/* Classes of latency, and what they are judged by: how long who woke up waited for a CPU. The fair policy heeds them. */
#include "hv/sched.h"

#include "hv/string.h"

/* See hv/sched.h. */
enum sched_class sched_class(const struct domain *d)
{
	return (enum sched_class)read_once(d->sched->class);
}

/* See hv/sched.h. Whoever waits or runs just now is judged by it from the next decision on. */
void sched_set_class(struct domain *d, enum sched_class class)
{
	write_once(d->sched->class, (uint8_t) class);
}

/* See hv/sched.h. */
void sched_waits(const struct domain *d, uint64_t waits[SCHED_WAITS])
{
	memset(waits, 0, SCHED_WAITS * sizeof(waits[0]));
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		const struct vcpu *v = __atomic_load_n(&d->vcpu[i], __ATOMIC_ACQUIRE);

		for (unsigned w = 0; v && w < SCHED_WAITS; w++)
			waits[w] += read_once(v->sched->waits[w]);
	}
}
