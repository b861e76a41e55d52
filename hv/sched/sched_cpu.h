/* Scheduling state of one CPU, shared between sched.c and the policies. */
#ifndef SCHED_CPU_H
#define SCHED_CPU_H

#include "hv/domain.h"
#include "hv/list.h"
#include "hv/lock.h"
#include "hv/pcpu.h"
#include "hv/sched.h"
#include "hv/time.h"

/* On cache lines of its own: other CPUs' work writes nothing beside it. */
struct cache_aligned sched_cpu {
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

/*
 * What a run queue offers to other CPUs, which look at it whenever they choose whom to run: all they see without its lock. It lies on a line of
 * its own, which is written under the lock and only where it changes: a queue whose units may go nowhere else disturbs nobody.
 */
struct cache_aligned sched_offer {
	cpumask_t takers; /* other CPUs that some waiting unit may go to; empty: nobody waits who could */
	int64_t least;	  /* while there are takers: of those units the most urgent, in the measure of the policy */
};

/* @u, which waits on @cpu, is one of those that @o offers. What is more urgent is less, also across wrap-around. */
static inline void sched_offer_add(struct sched_offer *o, const struct sched_unit *u, unsigned cpu, int64_t urgency)
{
	bool first = cpumask_empty(&o->takers);
	cpumask_t may = u->hard;

	cpumask_unset(&may, cpu);
	if (cpumask_empty(&may))
		return;
	o->takers = cpumask_or(&o->takers, &may);
	if (first || urgency - o->least < 0)
		o->least = urgency;
}

/* Let others see @o at @shown. The lock of the queue held. True: there is somebody to whom nothing was offered before. */
static inline bool sched_offer_show(struct sched_offer *shown, const struct sched_offer *o)
{
	bool news = false;

	if (!cpumask_empty(&o->takers) && shown->least != o->least)
		write_once(shown->least, o->least);
	for (unsigned i = 0; i < ARRAY_SIZE(o->takers.bits); i++) {
		uint64_t was = shown->takers.bits[i], is = o->takers.bits[i];

		news |= is & ~was;
		if (is != was)
			__atomic_store_n(&shown->takers.bits[i], is, __ATOMIC_RELAXED);
	}
	return news;
}

/* Does @shown offer @cpu somebody? A hint, and so is what is set in @least then. */
static inline bool sched_offered(const struct sched_offer *shown, unsigned cpu, int64_t *least)
{
	if (!cpumask_test(&shown->takers, cpu))
		return false;
	*least = read_once(shown->least);
	return true;
}

/* Guarded by the lock of pools; others read the mask. pool.c. */
struct cpupool {
	struct list link;
	unsigned id;
	unsigned nr_domains;	      /* atomic */
	cpumask_t cpus cache_aligned; /* atomic bits; read on every decision, as is the next */
	const struct sched_policy *policy;
	uint32_t ratelimit; /* us */
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
/* Make @v leave its CPU @c if it may not stay there, after its affinity or its pool changed. Lock of @c held; true: call sched_send_on() after unlock. */
bool sched_evict(struct sched_cpu *c, struct vcpu *v) must_check;
/* @v was taken off the CPU it had to leave: give it another one. No lock held. */
void sched_send_on(struct vcpu *v);
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
