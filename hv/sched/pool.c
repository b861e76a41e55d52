/*
 * Which CPUs serve which domains. The lock guards membership; readers (policies, on every decision) look at the mask of a pool
 * without it. A mask that just changed is then followed by a look at every vCPU of the pool under its run queue's lock: who
 * chose a CPU by the old mask is found there and moved.
 */
#include "hv/cpupool.h"

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"
#include "sched_cpu.h"

#define MAX_POOLS 256u
#define RATELIMIT_DEFAULT 1000u

static struct {
	spinlock_t lock;   /* RANK_CPUPOOL: guards the list, masks of pools, and who is in which */
	struct list list;  /* ascending ids */
	struct list spare; /* destroyed ones, for the next: a CPU may just look at one */
	struct cpupool zero;
	unsigned nr;
} pools;

/* Begin with pool 0 alone, without CPUs. Boot. */
void pool_init(const struct sched_policy *policy)
{
	memset(&pools, 0, sizeof(pools));
	spin_lock_init(&pools.lock, RANK_CPUPOOL);
	list_init(&pools.list);
	list_init(&pools.spare);
	list_add_tail(&pools.list, &pools.zero.link);
	pools.zero.ratelimit = RATELIMIT_DEFAULT;
	pools.zero.policy = policy;
	pools.nr = 1;
}

/* A CPU that just came up serves pool 0. */
void pool_cpu_up(unsigned cpu)
{
	spin_lock(&pools.lock);
	sched_cpu_assign(cpu, &pools.zero);
	cpumask_set_atomic(&pools.zero.cpus, cpu);
	spin_unlock(&pools.lock);
}

/* The pool @id, the lock held. */
static struct cpupool *find(unsigned id)
{
	struct list *pos;

	list_for_each(pos, &pools.list) {
		struct cpupool *p = container_of(pos, struct cpupool, link);

		if (p->id == id)
			return p;
	}
	return NULL;
}

/* @d is a new member of pool @id. -ESRCH: no such pool; -ENODEV: it has no CPU. */
int pool_domain_join(struct domain *d, unsigned id)
{
	struct cpupool *p;
	int rc = 0;

	spin_lock(&pools.lock);
	p = find(id);
	if (!p) {
		rc = err(-ESRCH);
	} else if (cpumask_empty(&p->cpus)) {
		rc = err(-ENODEV);
	} else {
		__atomic_fetch_add(&p->nr_domains, 1, __ATOMIC_RELAXED);
		d->sched->pool = p;
	}
	spin_unlock(&pools.lock);
	return rc;
}

/* The dead @d is a member no more. Takes no lock. */
void pool_domain_leave(struct domain *d)
{
	__atomic_fetch_sub(&d->sched->pool->nr_domains, 1, __ATOMIC_RELAXED);
}

/* See hv/sched.h. */
unsigned domain_cpupool(const struct domain *d)
{
	return read_once(d->sched->pool)->id;
}

/* Where in the list a pool with id *@id (or the first free one) goes. NULL: it exists. The lock held. */
static struct list *place(unsigned *id)
{
	bool any = *id == CPUPOOL_ANY;
	struct list *pos;

	if (any)
		*id = 0;
	list_for_each(pos, &pools.list) {
		const struct cpupool *o = container_of(pos, struct cpupool, link);

		if (o->id > *id)
			break;
		if (o->id == *id && !any)
			return NULL;
		if (o->id == *id)
			++*id;
	}
	return pos;
}

/* An empty pool, the lock held; NULL without memory or beyond the limit. */
static struct cpupool *alloc_pool(void)
{
	struct cpupool *p;

	if (list_empty(&pools.spare)) {
		p = pools.nr < MAX_POOLS ? xzalloc(struct cpupool) : NULL;
		if (p)
			pools.nr++;
		return p;
	}
	p = container_of(pools.spare.next, struct cpupool, link);
	list_del(&p->link);
	return p;
}

/* See hv/cpupool.h. */
int cpupool_create(unsigned *id, int sched_id)
{
	const struct sched_policy *policy = sched_find_id(sched_id);
	unsigned wanted = *id;
	struct cpupool *p;
	struct list *pos;
	int rc = 0;

	spin_lock(&pools.lock);
	pos = place(&wanted);
	if (!pos) {
		rc = err(-EEXIST);
	} else if (!policy) {
		rc = err(-ENOENT);
	} else if (!(p = alloc_pool())) {
		rc = err(-ENOMEM);
	} else {
		p->id = *id = wanted;
		p->policy = policy;
		p->ratelimit = RATELIMIT_DEFAULT;
		list_add_tail(pos, &p->link);
	}
	spin_unlock(&pools.lock);
	return rc;
}

/* See hv/cpupool.h. */
int cpupool_destroy(unsigned id)
{
	struct cpupool *p;
	int rc = 0;

	spin_lock(&pools.lock);
	p = find(id);
	if (!p) {
		rc = err(-ENOENT);
	} else if (p == &pools.zero || !cpumask_empty(&p->cpus) || read_once(p->nr_domains)) {
		rc = err(-EBUSY);
	} else {
		list_del(&p->link);
		list_add(&pools.spare, &p->link);
	}
	spin_unlock(&pools.lock);
	return rc;
}

/* See hv/cpupool.h. */
int cpupool_info(unsigned id, struct cpupool_info *info)
{
	struct list *pos;
	int rc = -ENOENT;

	spin_lock(&pools.lock);
	list_for_each(pos, &pools.list) {
		struct cpupool *p = container_of(pos, struct cpupool, link);

		if (p->id < id)
			continue;
		info->id = p->id;
		info->nr_domains = read_once(p->nr_domains);
		info->sched_id = p->policy->id;
		info->cpus = p->cpus;
		rc = 0;
		break;
	}
	spin_unlock(&pools.lock);
	return rc;
}

/* CPUs without a pool, the lock held. */
static cpumask_t unassigned(void)
{
	const cpumask_t *all = sched_cpus();
	cpumask_t free;
	unsigned cpu;

	cpumask_clear(&free);
	for_each_cpu(cpu, all)
		if (!sched_cpu(cpu)->pool)
			cpumask_set(&free, cpu);
	return free;
}

/* See hv/cpupool.h. */
cpumask_t cpupool_free_cpus(void)
{
	cpumask_t free;

	spin_lock(&pools.lock);
	free = unassigned();
	spin_unlock(&pools.lock);
	return free;
}

/* See hv/cpupool.h. */
int cpupool_add_cpu(unsigned id, unsigned cpu)
{
	struct cpupool *p;
	cpumask_t free;
	int rc = 0;

	spin_lock(&pools.lock);
	p = find(id);
	free = unassigned();
	if (cpu == CPUPOOL_ANY)
		cpu = cpumask_next(&free, 0);
	if (!p) {
		rc = err(-ENOENT);
	} else if (cpu >= NR_CPUS || !cpumask_test(sched_cpus(), cpu)) {
		rc = err(-EINVAL);
	} else if (!cpumask_test(&free, cpu)) {
		rc = err(-EBUSY);
	} else {
		sched_cpu_assign(cpu, p);
		cpumask_set_atomic(&p->cpus, cpu);
	}
	spin_unlock(&pools.lock);
	if (rc == 0)
		softirq_raise(cpu, SOFTIRQ_SCHED);
	return rc;
}

/* Members of @p that may run only on CPUs it lost may run anywhere; who is on one of those CPUs leaves it. The lock held. */
static void settle_domains(struct cpupool *p)
{
	struct domain *d;

	for (domid_t from = 0; (d = domain_next(from));) {
		from = (domid_t)(d->id + 1);
		if (d->sched->pool == p)
			sched_domain_settle(d, false);
		domain_put(d);
	}
}

/* See hv/cpupool.h. */
int cpupool_remove_cpu(unsigned id, unsigned cpu)
{
	struct cpupool *p;
	cpumask_t rest;
	int rc = 0;

	spin_lock(&pools.lock);
	p = find(id);
	if (p && cpu == CPUPOOL_ANY)
		for (unsigned i = 0; i < NR_CPUS; i++)
			if (cpumask_test(&p->cpus, i))
				cpu = i;
	if (!p) {
		rc = err(-ENOENT);
		goto out;
	}
	if (cpu >= NR_CPUS || !cpumask_test(&p->cpus, cpu)) {
		rc = err(-EINVAL);
		goto out;
	}
	rest = p->cpus;
	cpumask_unset(&rest, cpu);
	if (cpumask_empty(&rest) && read_once(p->nr_domains)) {
		rc = err(-EBUSY);
		goto out;
	}
	/* From now on nobody is queued there; who was is found below. */
	cpumask_unset_atomic(&p->cpus, cpu);
	sched_cpu_assign(cpu, NULL);
	settle_domains(p);
out:
	spin_unlock(&pools.lock);
	return rc;
}

/* See hv/cpupool.h. */
int cpupool_move_domain(unsigned id, struct domain *d)
{
	struct cpupool *p;
	int rc = 0;

	spin_lock(&pools.lock);
	p = find(id);
	if (!p || cpumask_empty(&p->cpus)) {
		rc = err(-ENOENT);
	} else if (d->sched->pool != p) {
		__atomic_fetch_sub(&d->sched->pool->nr_domains, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&p->nr_domains, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&d->sched->pool, p, __ATOMIC_RELEASE);
		sched_domain_settle(d, true);
	}
	spin_unlock(&pools.lock);
	return rc;
}

/* See hv/cpupool.h. */
int cpupool_ratelimit(unsigned id, bool set, uint32_t *us)
{
	struct cpupool *p;

	spin_lock(&pools.lock);
	p = find(id);
	if (p && set)
		p->ratelimit = *us;
	else if (p)
		*us = p->ratelimit;
	spin_unlock(&pools.lock);
	return p ? 0 : err(-ESRCH);
}
