/* Scheduling state of one CPU, shared between sched.c and the policies. */
#ifndef SCHED_CPU_H
#define SCHED_CPU_H

#include "hv/domain.h"
#include "hv/list.h"
#include "hv/lock.h"
#include "hv/pcpu.h"
#include "hv/sched.h"
#include "hv/time.h"

struct sched_cpu {
	spinlock_t lock;     /* RANK_SCHED: guards the run queue and its units */
	struct vcpu *curr;   /* chosen to run, NULL = idle */
	struct vcpu *loaded; /* whose state is loaded; differs from curr only while idle (lazy save). This CPU only */
	unsigned nr_queued;  /* units on the run queue, curr too */
	stime_t until;	     /* end of the slice, STIME_MAX = none */
	struct timer slice;
	stime_t changed; /* when it was last decided who runs */
	stime_t idle;	 /* ns without anybody, up to then */
	/* The pool, NULL: none, and its policy, or that of the last one. Change under the lock; may be read without. */
	struct cpupool *pool;
	const struct sched_policy *policy;
	void *queue[NR_SCHEDS]; /* of each policy; but the one in use all are empty */
};

/* Guarded by the lock of pools; others read the mask. pool.c. */
struct cpupool {
	struct list link;
	unsigned id;
	cpumask_t cpus; /* atomic bits */
	const struct sched_policy *policy;
	unsigned nr_domains; /* atomic */
	uint32_t ratelimit;  /* us */
};

/* State of CPU @cpu, NULL if it does not schedule. */
static inline struct sched_cpu *sched_cpu(unsigned cpu)
{
	struct pcpu *p = pcpu_get(cpu);

	return p ? __atomic_load_n(&p->sched, __ATOMIC_ACQUIRE) : NULL;
}

/* CPUs that schedule, in whatever pool. sched.c. */
const cpumask_t *sched_cpus(void);
/* CPUs that share their work with @cpu: its pool's. */
const cpumask_t *sched_peers(unsigned cpu);
static inline struct cpupool *sched_unit_pool(const struct sched_unit *u)
{
	return __atomic_load_n(&u->vcpu->domain->sched->pool, __ATOMIC_ACQUIRE);
}

/* CPUs of the pool @u belongs to. */
static inline const cpumask_t *sched_unit_cpus(const struct sched_unit *u)
{
	return &sched_unit_pool(u)->cpus;
}

/* Lock the run queue @v belongs to. */
struct sched_cpu *sched_lock(const struct vcpu *v);
/* A CPU without work that @u may run on: one it likes first, its last one before others. NR_CPUS: none. */
unsigned sched_idle_cpu(const struct sched_unit *u);
/* @cpu belongs to pool @p, NULL: to none. The lock of pools held. */
void sched_cpu_assign(unsigned cpu, struct cpupool *p);
/* The pool of @d, or its CPUs, changed, the lock of pools held: vCPUs leave CPUs they may not use. @anywhere: affinities are forgotten first. */
void sched_domain_settle(struct domain *d, bool anywhere);

/* pool.c */
void pool_init(const struct sched_policy *policy);
void pool_cpu_up(unsigned cpu);
int pool_domain_join(struct domain *d, unsigned id) must_check;
void pool_domain_leave(struct domain *d);

#endif
