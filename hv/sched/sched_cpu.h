/* Scheduling state of one CPU, shared between sched.c and the policies. */
#ifndef SCHED_CPU_H
#define SCHED_CPU_H

#include "hv/domain.h"
#include "hv/lock.h"
#include "hv/pcpu.h"
#include "hv/time.h"

struct sched_cpu {
	spinlock_t lock;     /* RANK_SCHED: guards the run queue and its units */
	struct vcpu *curr;   /* chosen to run, NULL = idle */
	struct vcpu *loaded; /* whose state is loaded; differs from curr only while idle (lazy save). This CPU only */
	stime_t until;	     /* end of the slice, STIME_MAX = none */
	struct timer slice;
	void *priv; /* the policy's run queue */
};

/* State of CPU @cpu, NULL if it does not schedule. */
static inline struct sched_cpu *sched_cpu(unsigned cpu)
{
	struct pcpu *p = pcpu_get(cpu);

	return p ? __atomic_load_n(&p->sched, __ATOMIC_ACQUIRE) : NULL;
}

/* CPUs that schedule. sched.c. */
const cpumask_t *sched_cpus(void);

#endif
