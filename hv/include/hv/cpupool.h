/*
 * CPU pools: each CPU belongs to one pool or to none, each domain to one, and runs on that pool's CPUs only. Pool 0 always exists, with
 * the scheduling policy Hospes was started with; each other pool has its own. CPUs and domains move between pools while they run. hv/sched/pool.c
 */
#ifndef HV_CPUPOOL_H
#define HV_CPUPOOL_H

#include "hv/cpumask.h"
#include "hv/domain.h"
#include "hv/types.h"

#define CPUPOOL_ANY 0xffffffffu /* a free id; a free CPU; some CPU of the pool */

struct cpupool_info {
	unsigned id, nr_domains;
	int sched_id;
	cpumask_t cpus;
};

/* -EEXIST, -ENOENT: no such scheduler, -ENOMEM. */
int cpupool_create(unsigned *id, int sched_id) must_check;
/* -ENOENT, -EBUSY: it has CPUs or domains. */
int cpupool_destroy(unsigned id) must_check;
/* The first pool with an id of @id or more. -ENOENT. */
int cpupool_info(unsigned id, struct cpupool_info *info) must_check;
/* Give it a CPU that no pool has. -ENOENT, -EINVAL no such CPU, -EBUSY it has a pool. */
int cpupool_add_cpu(unsigned id, unsigned cpu) must_check;
/* Take one away; vCPUs on it move, and those that may run nowhere else lose their affinity. -ENOENT, -EINVAL, -EBUSY the last of domains. */
int cpupool_remove_cpu(unsigned id, unsigned cpu) must_check;
/* @d runs there from now on, anywhere. -ENOENT: no such pool, or it has no CPU. */
int cpupool_move_domain(unsigned id, struct domain *d) must_check;
cpumask_t cpupool_free_cpus(void);
/* Shortest time a vCPU runs before another preempts it, as tools set it: kept, and told. -ESRCH. */
int cpupool_ratelimit(unsigned id, bool set, uint32_t *us) must_check;

#endif
