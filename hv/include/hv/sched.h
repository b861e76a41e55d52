/*
 * Scheduling. hv/sched/sched.c owns run states, pausing and migration; the policy of a CPU pool (fair, null, realtime) decides.
 * The policy schedules units of one or more vCPUs; today a unit is one vCPU. Everything here also runs on a simulated clock.
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include "hv/cpumask.h"
#include "hv/domain.h"
#include "hv/list.h"
#include "hv/lock.h"

#define SCHED_DEFAULT_WEIGHT 256u
#define XEN_SCHEDULER_CREDIT2 6 /* what the fair class calls itself to tools */
#define XEN_SCHEDULER_RTDS 8
#define XEN_SCHEDULER_NULL 9

#define SCHED_PRIV_WORDS 12u /* what the largest policy keeps about a unit */

/*
 * How soon vCPUs run after they wake up: docs/scheduling.md has what each class promises. A domain's class says nothing about how much it gets. Values as in
 * abi/hospes.h.
 */
enum sched_class { CLASS_NORMAL, CLASS_INTERACTIVE, CLASS_BATCH, NR_CLASSES };

/* How often somebody who woke up waited for a CPU for up to 2^i us; in the last, longer. */
#define SCHED_WAITS 16u

struct sched_unit {
	struct vcpu *vcpu;
	const struct sched_policy *policy; /* changes, with priv, only while the unit is on no queue and not running */
	cpumask_t hard, soft;		   /* affinity; hard never empty within online */
	bool queued; /* on the run queue of vcpu->processor; guarded by its lock, as is all below */
	bool moving; /* must leave its CPU: whoever takes it off there sends it on */
	bool pinned; /* SCHEDOP_pin_override holds; saved_hard is to come back */
	cpumask_t saved_hard;
	stime_t woken;			 /* when, if it has not run since; 0: it has */
	uint64_t waits[SCHED_WAITS];	 /* counts go up only; read without the lock */
	uint64_t priv[SCHED_PRIV_WORDS]; /* the policy's */
};

/* A domain's share, for all policies. */
struct sched_domain {
	spinlock_t lock;      /* RANK_SCHED_DOMAIN: guards the budget */
	struct cpupool *pool; /* atomic */
	uint16_t weight, cap;
	uint8_t class;	/* enum sched_class, atomic */
	int64_t budget; /* ns left in this period when capped */
	stime_t period_end;
};

struct sched_decision {
	struct sched_unit *unit; /* NULL: idle */
	stime_t until;		 /* end of the slice, STIME_MAX = no limit */
	bool spread;		 /* somebody waits for whom other CPUs should look */
};

enum sched_index { SCHED_FAIR, SCHED_NULL, SCHED_REALTIME, NR_SCHEDS };

struct sched_policy {
	const char *name;
	int id; /* XEN_SCHEDULER_* */
	enum sched_index index;
	void *(*queue_alloc)(void); /* the run queue of a CPU; NULL without memory */
	/* May be NULL: @cpu joined a pool with others, its queue is empty. Lock of @cpu held. */
	void (*cpu_join)(unsigned cpu);
	void (*unit_init)(struct sched_unit *u);  /* u->priv is zero */
	void (*unit_leave)(struct sched_unit *u); /* may be NULL: undo unit_init() */
	unsigned (*pick_cpu)(
		struct sched_unit *u); /* best CPU in affinity; the unit is new, or the lock of its CPU held */
	/* All below with the run queue lock of @cpu held, unless they say otherwise. */
	void (*enqueue)(struct sched_unit *u, unsigned cpu, stime_t t, bool waking);
	void (*dequeue)(struct sched_unit *u, unsigned cpu, stime_t t);
	/* Account @prev (may be NULL) which ran until @t and is still queued iff runnable; choose. */
	struct sched_decision (*pick_next)(unsigned cpu, struct sched_unit *prev, stime_t t);
	/* Should @u, just enqueued on @cpu, preempt @curr? */
	bool (*preempts)(unsigned cpu, struct sched_unit *u, struct sched_unit *curr, stime_t t);
	void (*yield)(unsigned cpu, struct sched_unit *u, stime_t t);
	/* No lock: somebody waits on @from who may go to @cpu, another one. Hint. NULL, and the next three: units never move by themselves. */
	bool (*offers)(unsigned from, unsigned cpu);
	/* No lock: a CPU whose queue holds something @cpu should rather run, NR_CPUS if none. Hint. */
	unsigned (*overloaded)(unsigned cpu, struct sched_unit *curr, stime_t t);
	/* Lock of @victim held: choose a waiting unit of it that @cpu may run, and dequeue it; NULL if none. */
	struct sched_unit *(*steal)(unsigned victim, unsigned cpu, stime_t t);
	/* May be NULL. No lock: somebody waits in the pool whom @cpu should rather run than whom it runs. Hint. */
	bool (*outranked)(unsigned cpu);
};

/* What a vCPU is promised under the realtime policy: @budget of each @period, ns; what nobody is promised only with @extra. */
struct sched_reservation {
	stime_t period, budget;
	bool extra;
};

/* Choose the policy of pool 0. Boot, before sched_cpu_init(). */
int sched_init(const struct sched_policy *policy);
/* The policy that `sched=`@name means; Xen's names for sharing fairly are all one. NULL for an unknown one. */
const struct sched_policy *sched_find(const char *name);
/* The policy that tools know by XEN_SCHEDULER_* @id. NULL: none. */
const struct sched_policy *sched_find_id(int id);
/* The policy of pool 0, and of the pool of @d. */
const struct sched_policy *sched_policy(void);
const struct sched_policy *sched_domain_policy(const struct domain *d);
int sched_cpu_init(unsigned cpu);
int sched_vcpu_init(struct vcpu *v) must_check;
void sched_vcpu_destroy(struct vcpu *v);
/* Default share in CPU pool @pool. -ENOMEM, -ESRCH: no such pool, -ENODEV: it has no CPU. */
int sched_domain_init(struct domain *d, unsigned pool) must_check;
void sched_domain_destroy(struct domain *d);
/* Hard affinity of @v; moves it if it must. -EINVAL if no CPU of its domain's pool is in it. */
int sched_set_affinity(struct vcpu *v, const cpumask_t *hard, const cpumask_t *soft) must_check;
/* As they were set, whatever is online; while @v is pinned, the hard set that is to come back. */
void sched_get_affinity(struct vcpu *v, cpumask_t *hard, cpumask_t *soft);
/* CPUs of @d's pool, and the pool's number. */
cpumask_t sched_domain_cpus(const struct domain *d);
unsigned domain_cpupool(const struct domain *d);
/* Nanoseconds CPU @cpu ran nobody. 0 for a CPU that is none. */
uint64_t sched_idle_time(unsigned cpu);
/* Pin @v to CPU @cpu whatever its affinity, or undo that with @cpu < 0. -EINVAL: no such CPU, or not pinned; -EBUSY: pinned already. */
int sched_pin_override(struct vcpu *v, int cpu) must_check;
/* Read or set the share of @d: weight, and cap in percent of a CPU, 0 = none. -EINVAL: a weight of 0. */
int sched_adjust(struct domain *d, bool set, uint16_t *weight, uint16_t *cap) must_check;
/* The class of @d. It matters where CPUs are shared fairly. */
enum sched_class sched_class(const struct domain *d);
void sched_set_class(struct domain *d, enum sched_class class);
/* How long @d's vCPUs waited, since they were made, from each time they woke up until they ran. */
void sched_waits(const struct domain *d, uint64_t waits[SCHED_WAITS]);
/* Read or set what @v is promised. -EINVAL: not under the realtime policy, or a promise out of range. */
int sched_reservation(struct vcpu *v, bool set, struct sched_reservation *r) must_check;
/* What a new vCPU is promised. */
struct sched_reservation sched_reservation_default(void);

/* Choose and switch on this CPU; returns the vCPU now loaded or NULL for idle. Called by cpu_loop on SOFTIRQ_SCHED. */
struct vcpu *schedule(void);
/* Current vCPU gives way. */
void vcpu_yield(struct vcpu *v);
/* @v, current here, registered a runstate area: fill it now. */
void vcpu_runstate_publish(struct vcpu *v);
/* Run state bookkeeping with times; @v may be running: includes the current state up to now. out[4] ns. */
void vcpu_runstate_get(struct vcpu *v, enum runstate *state, stime_t *entry, uint64_t out[4]);

extern const struct sched_policy sched_fair;
extern const struct sched_policy sched_null;
extern const struct sched_policy sched_realtime;

#endif
