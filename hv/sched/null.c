/*
 * The null policy: each vCPU has a CPU of its own, so there is nothing to decide and nothing to account. With more vCPUs than CPUs, those
 * that share a CPU take turns. For machines whose vCPUs are counted out, where the only wish is to be left alone.
 */
#include "hv/list.h"
#include "hv/mm.h"
#include "hv/sched.h"
#include "sched_cpu.h"

#define TURN MILLISECS(10)

struct null_unit {
	struct list link;
	struct sched_unit *unit;
	unsigned home; /* CPU it was given, NR_CPUS before */
};

struct null_rq {
	struct list units; /* queued, in the order of their turns */
	unsigned nr;
	unsigned homes; /* atomic: units that were given this CPU */
};

_Static_assert(sizeof(struct null_unit) <= sizeof(((struct sched_unit *)0)->priv), "room in a unit");

static struct null_rq *rq_of(unsigned cpu)
{
	return sched_cpu(cpu)->queue[SCHED_NULL];
}

static struct null_unit *of(struct sched_unit *u)
{
	return (struct null_unit *)u->priv;
}

static void *null_queue_alloc(void)
{
	struct null_rq *rq = xzalloc(struct null_rq);

	if (rq)
		list_init(&rq->units);
	return rq;
}

static void null_unit_init(struct sched_unit *u)
{
	struct null_unit *n = of(u);

	list_init(&n->link);
	n->unit = u;
	n->home = NR_CPUS;
}

static void leave_home(struct null_unit *n)
{
	if (n->home < NR_CPUS)
		__atomic_fetch_sub(&rq_of(n->home)->homes, 1, __ATOMIC_RELAXED);
	n->home = NR_CPUS;
}

static void null_unit_leave(struct sched_unit *u)
{
	leave_home(of(u));
}

/* Its home while affinity allows, else the allowed CPU that is home to the fewest. Callers hold the unit's run queue lock, or it is new. */
static unsigned null_pick_cpu(struct sched_unit *u)
{
	cpumask_t allowed = cpumask_and(&u->hard, sched_unit_cpus(u));
	struct null_unit *n = of(u);
	unsigned cpu, best;

	if (n->home < NR_CPUS && cpumask_test(&allowed, n->home))
		return n->home;
	leave_home(n);
	best = cpumask_next(&allowed, 0);
	if (best == NR_CPUS)
		return cpumask_next(sched_unit_cpus(u), 0) % NR_CPUS;
	for_each_cpu(cpu, &allowed)
		if (read_once(rq_of(cpu)->homes) < read_once(rq_of(best)->homes))
			best = cpu;
	n->home = best;
	__atomic_fetch_add(&rq_of(best)->homes, 1, __ATOMIC_RELAXED);
	return best;
}

static void null_enqueue(struct sched_unit *u, unsigned cpu, stime_t t, bool waking)
{
	struct null_rq *rq = rq_of(cpu);
	struct null_unit *n = of(u);

	list_add_tail(&rq->units, &n->link);
	rq->nr++;
}

static void null_dequeue(struct sched_unit *u, unsigned cpu, stime_t t)
{
	struct null_unit *n = of(u);

	list_del(&n->link);
	rq_of(cpu)->nr--;
}

/* The first in the queue; one that had its turn goes to the end. */
static struct sched_decision null_pick_next(unsigned cpu, struct sched_unit *prev, stime_t t)
{
	struct null_rq *rq = rq_of(cpu);
	struct null_unit *n;

	if (list_empty(&rq->units))
		return (struct sched_decision){ .unit = NULL, .until = STIME_MAX };
	n = container_of(rq->units.next, struct null_unit, link);
	if (rq->nr == 1)
		return (struct sched_decision){ .unit = n->unit, .until = STIME_MAX };
	/* An early look is no new turn. */
	if (n->unit == prev && t < sched_cpu(cpu)->until && sched_cpu(cpu)->until != STIME_MAX)
		return (struct sched_decision){ .unit = prev, .until = sched_cpu(cpu)->until };
	if (n->unit == prev) {
		list_del(&n->link);
		list_add_tail(&rq->units, &n->link);
		n = container_of(rq->units.next, struct null_unit, link);
	}
	return (struct sched_decision){ .unit = n->unit, .until = t + TURN };
}

static bool null_preempts(unsigned cpu, struct sched_unit *u, struct sched_unit *curr, stime_t t)
{
	return false;
}

static void null_yield(unsigned cpu, struct sched_unit *u, stime_t t)
{
	struct null_unit *n = of(u);

	list_del(&n->link);
	list_add_tail(&rq_of(cpu)->units, &n->link);
}

const struct sched_policy sched_null = {
	.name = "null",
	.id = XEN_SCHEDULER_NULL,
	.index = SCHED_NULL,
	.queue_alloc = null_queue_alloc,
	.unit_init = null_unit_init,
	.unit_leave = null_unit_leave,
	.pick_cpu = null_pick_cpu,
	.enqueue = null_enqueue,
	.dequeue = null_dequeue,
	.pick_next = null_pick_next,
	.preempts = null_preempts,
	.yield = null_yield,
};
