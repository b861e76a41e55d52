/*
 * Run states, switching and migration. A policy decides who runs; this file makes it happen.
 *
 * Hand-off between CPUs: v->processor changes only under the run queue lock of the old CPU and only while v->running is
 * false. v->running becomes true under the run queue lock of the CPU that chose it, and false (release) when that CPU has
 * saved its state, so no other CPU can load a vCPU before (acquire) its state is in memory. A vCPU that must leave a
 * CPU it is loaded on gets `moving`, and that CPU sends it on after saving it.
 *
 * Lazy save: a CPU that goes idle keeps the state of the vCPU that blocked. If the same one wakes up next, nothing needs to be
 * saved or loaded. It gives the state up when another vCPU runs, or the vCPU is paused.
 *
 * No wake-up is lost: a waker takes the reason away and then looks at the unit under its run queue lock; schedule() looks at the reasons
 * under the same lock, after clearing its softirq.
 *
 * Each pool has a policy. A CPU has a run queue for every policy there is, of which it serves the one of its pool; a unit changes its policy on
 * its way from one pool to another, when it is on no queue (adopt()). A unit is queued only where it is at home: on a CPU of its pool, by
 * that pool's policy.
 */
#include "hv/sched.h"

#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/trace.h"
#include "sched_cpu.h"
#include "vcpu.h"

#define VMASST_RUNSTATE_UPDATE (1UL << 5)

static const struct sched_policy *const policies[NR_SCHEDS] = {
	[SCHED_FAIR] = &sched_fair,
	[SCHED_NULL] = &sched_null,
	[SCHED_REALTIME] = &sched_realtime,
};

static struct {
	const struct sched_policy *policy; /* of pool 0 */
	cpumask_t cpus;			   /* that schedule */
} sched;

/* Set-up ---------------------------------------------------------------------------------------- */

/* Choose the policy; see sched.h. */
int sched_init(const struct sched_policy *policy)
{
	sched.policy = policy;
	cpumask_clear(&sched.cpus);
	pool_init(policy);
	return 0;
}

/* See sched.h. */
const struct sched_policy *sched_find(const char *name)
{
	for (unsigned i = 0; i < NR_SCHEDS; i++)
		if (strcmp(name, policies[i]->name) == 0)
			return policies[i];
	return strcmp(name, "credit2") == 0 || strcmp(name, "credit") == 0 ? &sched_fair : NULL;
}

/* See hv/sched.h. */
const struct sched_policy *sched_find_id(int id)
{
	for (unsigned i = 0; i < NR_SCHEDS; i++)
		if (policies[i]->id == id)
			return policies[i];
	return NULL;
}

/* The policy of pool 0. */
const struct sched_policy *sched_policy(void)
{
	return sched.policy;
}

/* See hv/sched.h. */
const struct sched_policy *sched_domain_policy(const struct domain *d)
{
	return __atomic_load_n(&d->sched->pool, __ATOMIC_ACQUIRE)->policy;
}

/* CPUs that schedule. */
const cpumask_t *sched_cpus(void)
{
	return &sched.cpus;
}

/* See sched_cpu.h. */
const cpumask_t *sched_peers(unsigned cpu)
{
	static const cpumask_t none;
	const struct cpupool *p = __atomic_load_n(&sched_cpu(cpu)->pool, __ATOMIC_ACQUIRE);

	return p ? &p->cpus : &none;
}

/* See hv/sched.h. */
cpumask_t sched_domain_cpus(const struct domain *d)
{
	return __atomic_load_n(&d->sched->pool, __ATOMIC_ACQUIRE)->cpus;
}

/* The slice is over: choose again. */
static void slice_over(void *data)
{
	softirq_raise(this_cpu(), SOFTIRQ_SCHED);
}

static void free_cpu(struct sched_cpu *c)
{
	for (unsigned i = 0; i < NR_SCHEDS; i++)
		xfree(c->queue[i]);
	xfree(c);
}

/* Let CPU @cpu, registered and with timers, run vCPUs. -ENOMEM. */
int sched_cpu_init(unsigned cpu)
{
	struct sched_cpu *c = xzalloc(struct sched_cpu);

	if (!c)
		return err(-ENOMEM);
	for (unsigned i = 0; i < NR_SCHEDS; i++) {
		c->queue[i] = policies[i]->queue_alloc();
		if (!c->queue[i]) {
			free_cpu(c);
			return err(-ENOMEM);
		}
	}
	spin_lock_init(&c->lock, RANK_SCHED);
	c->until = STIME_MAX;
	c->changed = now();
	c->policy = sched.policy;
	timer_init(&c->slice, slice_over, NULL, cpu);
	__atomic_store_n(&pcpu_get(cpu)->sched, c, __ATOMIC_RELEASE);
	cpumask_set_atomic(&sched.cpus, cpu);
	pool_cpu_up(cpu);
	return 0;
}

/* See sched_cpu.h. */
void sched_cpu_assign(unsigned cpu, struct cpupool *p)
{
	struct sched_cpu *c = sched_cpu(cpu);

	spin_lock(&c->lock);
	__atomic_store_n(&c->pool, p, __ATOMIC_RELEASE);
	if (p) {
		__atomic_store_n(&c->policy, p->policy, __ATOMIC_RELEASE);
		if (p->policy->cpu_join)
			p->policy->cpu_join(cpu);
	}
	spin_unlock(&c->lock);
}

static const struct sched_policy *cpu_policy(unsigned cpu)
{
	return __atomic_load_n(&sched_cpu(cpu)->policy, __ATOMIC_ACQUIRE);
}

/* See hv/sched.h. */
int sched_domain_init(struct domain *d, unsigned pool)
{
	int rc;

	d->sched = xzalloc(struct sched_domain);
	if (!d->sched)
		return err(-ENOMEM);
	rc = pool_domain_join(d, pool);
	if (rc) {
		xfree(d->sched);
		d->sched = NULL;
		return rc;
	}
	spin_lock_init(&d->sched->lock, RANK_SCHED_DOMAIN);
	d->sched->weight = SCHED_DEFAULT_WEIGHT;
	return 0;
}

/* Undo sched_domain_init(). */
void sched_domain_destroy(struct domain *d)
{
	if (d->sched)
		pool_domain_leave(d);
	xfree(d->sched);
	d->sched = NULL;
}

/* Let the policy of @u's pool have it. It is new, or on no queue, not running, and the lock of its CPU held. */
static void adopt(struct sched_unit *u)
{
	const struct sched_policy *policy = sched_unit_pool(u)->policy;

	if (u->policy == policy)
		return;
	if (u->policy && u->policy->unit_leave)
		u->policy->unit_leave(u);
	memset(u->priv, 0, sizeof(u->priv));
	u->policy = policy;
	policy->unit_init(u);
}

/* May @u be queued on CPU @c? The lock of @c held. */
static bool at_home(const struct sched_cpu *c, const struct sched_unit *u)
{
	return c->pool == sched_unit_pool(u) && c->policy == u->policy;
}

static bool is_idle(unsigned cpu)
{
	const struct sched_cpu *c = sched_cpu(cpu);

	return !read_once(c->curr) && !read_once(c->nr_queued);
}

/* The first idle one from @last on, round: who meets another on a CPU goes on until he has one to himself. */
static unsigned idle_in(const cpumask_t *mask, unsigned last)
{
	unsigned cpu;

	for (cpu = cpumask_next(mask, last); cpu < NR_CPUS; cpu = cpumask_next(mask, cpu + 1))
		if (is_idle(cpu))
			return cpu;
	for (cpu = cpumask_next(mask, 0); cpu < last; cpu = cpumask_next(mask, cpu + 1))
		if (is_idle(cpu))
			return cpu;
	return NR_CPUS;
}

/* See sched_cpu.h. */
unsigned sched_idle_cpu(const struct sched_unit *u)
{
	cpumask_t allowed = cpumask_and(&u->hard, sched_unit_cpus(u));
	cpumask_t liked = cpumask_and(&allowed, &u->soft);
	unsigned last = read_once(u->vcpu->processor), cpu = idle_in(&liked, last);

	return cpu != NR_CPUS ? cpu : idle_in(&allowed, last);
}

/* Give @v, not runnable yet, a unit that may run anywhere. -ENOMEM. */
int sched_vcpu_init(struct vcpu *v)
{
	struct sched_unit *u = xzalloc(struct sched_unit);

	if (!u)
		return err(-ENOMEM);
	u->vcpu = v;
	cpumask_fill(&u->hard);
	cpumask_fill(&u->soft);
	adopt(u);
	v->sched = u;
	v->processor = u->policy->pick_cpu(u);
	return 0;
}

/* Free @v's unit; it can never run again. Takes no lock. */
void sched_vcpu_destroy(struct vcpu *v)
{
	struct sched_unit *u = v->sched;

	if (!u)
		return;
	ASSERT(!u->queued && !v->running);
	if (u->policy->unit_leave)
		u->policy->unit_leave(u);
	xfree(u);
	v->sched = NULL;
}

/* Run states ------------------------------------------------------------------------------------ */

/* See sched_cpu.h. */
struct sched_cpu *sched_lock(const struct vcpu *v)
{
	for (;;) {
		unsigned cpu = read_once(v->processor);
		struct sched_cpu *c = sched_cpu(cpu);

		spin_lock(&c->lock);
		if (read_once(v->processor) == cpu)
			return c;
		spin_unlock(&c->lock);
	}
}

/* A vCPU as records name it. */
static uint32_t trace_name(const struct vcpu *v)
{
	return (uint32_t)v->domain->id << 16 | v->id;
}

static void trace_runstate(uint32_t name, enum runstate from, enum runstate to)
{
	trace(TRC_SCHED_RUNSTATE_CHANGE | (uint32_t)from << 8 | (uint32_t)to << 4, name);
}

/* Who had the CPU, and who has it now. Nobody is a vCPU of its own to those who read traces. */
static void trace_switch(unsigned cpu, const struct vcpu *prev, const struct vcpu *next)
{
	if (likely(!read_once(trace_events)) || prev == next)
		return;
	if (!prev)
		trace_runstate(DOMID_IDLE << 16 | cpu, RUNSTATE_RUNNING, RUNSTATE_RUNNABLE);
	if (!next)
		trace_runstate(DOMID_IDLE << 16 | cpu, RUNSTATE_RUNNABLE, RUNSTATE_RUNNING);
	trace(TRC_SCHED_SWITCH, prev ? prev->domain->id : DOMID_IDLE, prev ? prev->id : cpu,
	      next ? next->domain->id : DOMID_IDLE, next ? next->id : cpu);
}

/* @v is in @state from @t on. Run queue lock held. */
static void runstate_set(struct vcpu *v, enum runstate state, stime_t t)
{
	if (v->runstate == state)
		return;
	trace_runstate(trace_name(v), v->runstate, state);
	if (t > v->runstate_entry) {
		v->runstate_time[v->runstate] += (uint64_t)(t - v->runstate_entry);
		v->runstate_entry = t;
	}
	v->runstate = state;
}

/* The state of a vCPU that may not run. */
static enum runstate stopped_state(const struct vcpu *v)
{
	return __atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) & VPF_BLOCKED ? RUNSTATE_BLOCKED : RUNSTATE_OFFLINE;
}

/* Consistent copy of @v's run state with the current state counted up to now. Takes the run queue lock. */
void vcpu_runstate_get(struct vcpu *v, enum runstate *state, stime_t *entry, uint64_t out[4])
{
	struct sched_cpu *c = sched_lock(v);
	stime_t t = now();

	*state = v->runstate;
	*entry = v->runstate_entry;
	memcpy(out, v->runstate_time, sizeof(v->runstate_time));
	if (t > v->runstate_entry)
		out[v->runstate] += (uint64_t)(t - v->runstate_entry);
	spin_unlock(&c->lock);
}

/*
 * Copy @v's run state to the area its guest registered. Its address space is loaded here. A guest that asked for the update flag sees it
 * raised in the entry time before anything else changes, and lowered last. Errors are the guest's: it unmapped its area.
 */
void vcpu_runstate_publish(struct vcpu *v)
{
	/* Of struct vcpu_runstate_info, where the first two are state and padding; a 32-bit guest has none, its area begins at the second. */
	struct {
		uint32_t state, state32;
		uint64_t entry, time[ARRAY_SIZE(v->runstate_time)];
	} info;
	bool guest32 = v->runstate_guest32;
	uint64_t mark = v->domain->vm_assist & VMASST_RUNSTATE_UPDATE ? XEN_RUNSTATE_UPDATE : 0;
	size_t skip = guest32 ? offsetof(typeof(info), state32) : 0;

	_Static_assert(sizeof(info) == sizeof(struct vcpu_runstate_info), "ABI");
	if (!v->runstate_gva)
		return;
	info.state = v->runstate;
	info.state32 = guest32 ? v->runstate : 0;
	info.entry = (uint64_t)v->runstate_entry;
	for (unsigned i = 0; i < ARRAY_SIZE(info.time); i++)
		info.time[i] = v->runstate_time[i];
	if (copy_to_guest_marked(v, v->runstate_gva, (const char *)&info + skip, sizeof(info) - skip,
				 offsetof(typeof(info), entry) - skip, mark))
		return;
}

/* See hv/sched.h. */
uint64_t sched_idle_time(unsigned cpu)
{
	struct sched_cpu *c = cpu < NR_CPUS ? sched_cpu(cpu) : NULL;
	stime_t idle;

	if (!c)
		return 0;
	spin_lock(&c->lock);
	idle = c->idle;
	if (!c->curr)
		idle += now() - c->changed;
	spin_unlock(&c->lock);
	return idle > 0 ? (uint64_t)idle : 0;
}

/* Waking and sleeping ----------------------------------------------------------------------------- */

/*
 * Somebody waits now for CPU @at: those CPUs of its pool that may take him and run without an end of slice must look again, so that all share alike,
 * and one that is idle is told. No lock held.
 */
static void spread_wait(unsigned at)
{
	const struct sched_policy *policy = cpu_policy(at);
	bool told = false;
	unsigned cpu;

	if (!policy->offers)
		return;
	for_each_cpu(cpu, sched_peers(at)) {
		struct sched_cpu *c = sched_cpu(cpu);

		if (!policy->offers(at, cpu))
			continue;
		if (read_once(c->curr)) {
			if (read_once(c->until) == STIME_MAX || (policy->outranked && policy->outranked(cpu)))
				softirq_raise(cpu, SOFTIRQ_SCHED);
		} else if (!told) {
			softirq_raise(cpu, SOFTIRQ_SCHED);
			told = true;
		}
	}
}

/* Put runnable @v on the queue of its CPU @c, locked. True: somebody waits now, perhaps for long. */
static bool enqueue(struct sched_cpu *c, struct vcpu *v, bool waking)
{
	struct sched_unit *u = v->sched;
	stime_t t = now();

	if (waking)
		u->woken = t;
	u->queued = true;
	c->nr_queued++;
	u->policy->enqueue(u, v->processor, t, waking);
	if (v->runstate != RUNSTATE_RUNNING)
		runstate_set(v, RUNSTATE_RUNNABLE, t);
	/* Somebody of another policy, whom the CPU's change of pool found here, is about to leave. */
	if (!c->curr || c->curr->sched->policy != u->policy ||
	    u->policy->preempts(v->processor, u, c->curr->sched, t)) {
		softirq_raise(v->processor, SOFTIRQ_SCHED);
		return c->nr_queued > 1;
	}
	if (c->until == STIME_MAX) /* who runs alone has no end of slice */
		softirq_raise(v->processor, SOFTIRQ_SCHED);
	return true;
}

/* Take @u off the queue of its CPU @c, locked. */
static void unqueue(struct sched_cpu *c, struct sched_unit *u, stime_t t)
{
	u->queued = false;
	c->nr_queued--;
	u->policy->dequeue(u, u->vcpu->processor, t);
}

static void wake(struct vcpu *v, bool place, bool waking)
{
	struct sched_unit *u = v->sched;
	bool waits = false;
	unsigned cpu;

	for (;;) {
		struct sched_cpu *c = sched_lock(v);
		bool home = at_home(c, u), running = __atomic_load_n(&v->running, __ATOMIC_ACQUIRE);

		cpu = v->processor;
		if (u->queued || u->moving || !vcpu_runnable(v)) {
			spin_unlock(&c->lock);
			break;
		}
		if (!home && running) {
			u->moving = true;
			softirq_raise(cpu, SOFTIRQ_SCHED);
			spin_unlock(&c->lock);
			break;
		}
		if (!home)
			adopt(u);
		if (!home || (place && !running))
			cpu = u->policy->pick_cpu(u);
		place = false;
		if (cpu != v->processor || !home) {
			write_once(v->processor, cpu);
			spin_unlock(&c->lock);
			continue;
		}
		trace(TRC_SCHED_WAKE, v->domain->id, v->id);
		waits = enqueue(c, v, waking);
		spin_unlock(&c->lock);
		break;
	}
	if (waits)
		spread_wait(cpu);
}

/* A reason for @v not to run went away: if none is left it waits for a CPU. Any context but interrupts. */
void vcpu_wake(struct vcpu *v)
{
	wake(v, true, true);
}

/* A reason for @v not to run appeared. If it is on a CPU, that CPU will take it off soon. */
void vcpu_sleep_nosync(struct vcpu *v)
{
	struct sched_cpu *c = sched_lock(v);

	if (!vcpu_runnable(v)) {
		if (v->sched->queued && c->curr != v) {
			stime_t t = now();

			unqueue(c, v->sched, t);
			runstate_set(v, stopped_state(v), t);
		}
		if (v->running)
			softirq_raise(v->processor, SOFTIRQ_SCHED);
	}
	spin_unlock(&c->lock);
}

/* Take the loaded vCPU's state off this CPU, and pass it on if it must move. No lock held. */
static void unload(struct sched_cpu *c)
{
	struct vcpu *v = c->loaded;
	struct domain *d = v->domain;
	bool held = domain_get(d); /* once running is false, its domain may be destroyed under us */

	ASSERT(held);
	arch_vcpu_save(v);
	c->loaded = NULL;
	__atomic_store_n(&v->running, false, __ATOMIC_SEQ_CST);
	if (read_once(v->sched->moving))
		sched_send_on(v);
	if (__atomic_load_n(&d->shutting_down, __ATOMIC_SEQ_CST))
		domain_vcpu_stopped(d);
	domain_put(d);
}

/* As vcpu_sleep_nosync(), and wait until @v's state is in memory. @v is not the calling CPU's current; no lock held. */
void vcpu_sleep_sync(struct vcpu *v)
{
	struct pcpu *p = this_pcpu();

	vcpu_sleep_nosync(v);
	if (p->sched && p->sched->loaded == v && p->current != v)
		unload(p->sched);
	while (__atomic_load_n(&v->running, __ATOMIC_ACQUIRE) && !vcpu_runnable(v))
		arch_cpu_relax();
}

/* Add a reason not to run and wait until @v is off its CPU. */
void vcpu_pause_sync(struct vcpu *v)
{
	__atomic_fetch_add(&v->pause_count, 1, __ATOMIC_SEQ_CST);
	vcpu_sleep_sync(v);
}

/* Take a reason away. */
void vcpu_unpause(struct vcpu *v)
{
	unsigned before = __atomic_fetch_sub(&v->pause_count, 1, __ATOMIC_SEQ_CST);

	ASSERT(before != 0);
	if (before == 1)
		vcpu_wake(v);
}

/* Block @v, current here, until an event. The flag is up before the look for events, and wakers do it the other way round. */
void vcpu_block(struct vcpu *v)
{
	__atomic_fetch_or(&v->pause_flags, VPF_BLOCKED, __ATOMIC_SEQ_CST);
	if (arch_vcpu_event_pending(v))
		__atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED, __ATOMIC_SEQ_CST);
	else
		softirq_raise(this_cpu(), SOFTIRQ_SCHED);
	trace(TRC_SCHED_BLOCK, v->domain->id, v->id);
}

/*
 * Take @v's block away. True if this call did it, which means that @v looks for events again before it enters its guest. What @v polls is
 * its own to write: a waker that comes late must not spoil the poll that @v has begun meanwhile.
 */
static bool unblock(struct vcpu *v)
{
	if (!(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & VPF_BLOCKED))
		return false;
	if (!(__atomic_fetch_and(&v->pause_flags, ~(VPF_BLOCKED | VPF_POLLING), __ATOMIC_SEQ_CST) & VPF_BLOCKED))
		return false;
	vcpu_wake(v);
	return true;
}

/* End a block, or a poll, of @v. Any context but interrupts. */
void vcpu_unblock(struct vcpu *v)
{
	unblock(v);
}

/* @v has new work. The sequentially consistent accesses order the caller's store of that work before the look at where @v is. */
void vcpu_kick(struct vcpu *v)
{
	unsigned cpu;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (unblock(v))
		return;
	cpu = read_once(v->processor);
	if (__atomic_load_n(&v->running, __ATOMIC_SEQ_CST) && cpu != this_cpu())
		arch_cpu_kick(cpu);
}

/* Migration ---------------------------------------------------------------------------------------- */

/* See sched_cpu.h. */
void sched_send_on(struct vcpu *v)
{
	struct sched_cpu *c = sched_lock(v);

	if (v->sched->moving && !v->running) {
		v->sched->moving = false;
		adopt(v->sched);
		write_once(v->processor, v->sched->policy->pick_cpu(v->sched));
	}
	spin_unlock(&c->lock);
	wake(v, false, false);
}

/* See sched_cpu.h. */
bool sched_evict(struct sched_cpu *c, struct vcpu *v)
{
	struct sched_unit *u = v->sched;

	if (cpumask_test(&u->hard, v->processor) && cpumask_test(sched_unit_cpus(u), v->processor) && at_home(c, u)) {
		if (u->queued) /* who else may have it must be told anew */
			softirq_raise(v->processor, SOFTIRQ_SCHED);
		return false;
	}
	u->moving = true;
	if (u->queued && c->curr != v) {
		unqueue(c, u, now());
	}
	if (!v->running)
		return true;
	softirq_raise(v->processor, SOFTIRQ_SCHED);
	return false;
}

/*
 * Fetch a waiting unit from a CPU that has too many. False if there is none. It never waits for that CPU, which has better things to do than being
 * looked at: when its queue is just in use this CPU looks again soon. No lock held.
 */
static bool pull(unsigned cpu, struct sched_unit *curr)
{
	const struct sched_policy *policy = cpu_policy(cpu);
	unsigned victim = NR_CPUS;
	stime_t t = now();
	struct sched_unit *u;
	struct sched_cpu *c;

	if (policy->offers)
		victim = policy->overloaded(cpu, curr && curr->policy == policy ? curr : NULL, t);
	if (victim == NR_CPUS)
		return false;
	c = sched_cpu(victim);
	if (!spin_trylock(&c->lock)) {
		softirq_raise(cpu, SOFTIRQ_SCHED);
		return false;
	}
	u = policy->steal(victim, cpu, t);
	if (u) {
		/* On no queue it is invisible to domain_kill(): hold its domain until it is. A queued unit's domain lives. */
		bool held = domain_get(u->vcpu->domain);

		ASSERT(held);
		u->queued = false;
		c->nr_queued--;
		write_once(u->vcpu->processor, cpu);
	}
	spin_unlock(&c->lock);
	if (u) {
		struct domain *d = u->vcpu->domain;

		/* Meanwhile it may have been paused, or woken by another CPU: wake() looks again. */
		wake(u->vcpu, false, false);
		domain_put(d);
	}
	return u;
}

/* Switching ---------------------------------------------------------------------------------------- */

/* Per-vCPU timers fire where the vCPU runs. */
static void timers_follow(struct vcpu *v, unsigned cpu)
{
	timer_migrate(&v->singleshot_timer, cpu);
	timer_migrate(&v->periodic_timer, cpu);
	timer_migrate(&v->poll_timer, cpu);
}

/* May the idle CPU keep @v's state? Only while @v just waits for an event. */
static bool may_stay_loaded(const struct vcpu *v)
{
	return !read_once(v->sched->moving) && !(read_once(v->pause_flags) & VPF_DOWN) &&
	       !__atomic_load_n(&v->pause_count, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&v->domain->pause_count, __ATOMIC_SEQ_CST);
}

/* Make @next the loaded vCPU of this CPU, after it was marked running. No lock held. */
static void switch_to(struct pcpu *p, struct vcpu *prev, struct vcpu *next)
{
	struct sched_cpu *c = p->sched;

	/* Who is alone in its domain reads its area only while it runs, and finds it up to date when it does. */
	if (prev && prev != next && prev->domain->max_vcpus > 1)
		vcpu_runstate_publish(prev);
	if (c->loaded && c->loaded != next && (next || !may_stay_loaded(c->loaded))) {
		p->current = NULL;
		unload(c);
	}
	if (next && c->loaded != next) {
		c->loaded = next;
		timers_follow(next, p->id);
		arch_vcpu_load(next);
	}
	p->current = next;
	if (next && next != prev)
		vcpu_runstate_publish(next);
}

/* @u runs from @t on: if it had woken up, so long did that take. */
static void note_wait(struct sched_unit *u, stime_t t)
{
	unsigned i = 0;

	if (!u->woken)
		return;
	for (stime_t limit = MICROSECS(1); t - u->woken > limit && i < SCHED_WAITS - 1; limit *= 2)
		i++;
	write_once(u->waits[i], u->waits[i] + 1);
	u->woken = 0;
}

/* Ask the policy, with the run queue locked; returns the choice with run states updated. */
static struct vcpu *choose(struct pcpu *p, struct vcpu *prev, stime_t t, bool *spread)
{
	struct sched_cpu *c = p->sched;
	struct sched_decision d;
	struct vcpu *next;

	if (prev && prev->sched->queued && (prev->sched->moving || !vcpu_runnable(prev)))
		unqueue(c, prev->sched, t);
	d = c->policy->pick_next(p->id, prev && prev->sched->policy == c->policy ? prev->sched : NULL, t);
	next = d.unit ? d.unit->vcpu : NULL;
	if (prev && prev != next)
		runstate_set(prev, prev->sched->queued ? RUNSTATE_RUNNABLE : stopped_state(prev), t);
	if (next) {
		ASSERT(!next->running || c->loaded == next);
		__atomic_store_n(&next->running, true, __ATOMIC_SEQ_CST);
		note_wait(next->sched, t);
		runstate_set(next, RUNSTATE_RUNNING, t);
	}
	if (!c->curr && t > c->changed)
		c->idle += t - c->changed;
	c->changed = t;
	trace_switch(p->id, c->curr, next);
	write_once(c->curr, next);
	write_once(c->until, d.until);
	*spread = d.spread;
	return next;
}

/* Choose who runs on this CPU now, and switch. The vCPU now loaded, NULL for idle. From cpu_loop(), no lock held. */
struct vcpu *schedule(void)
{
	struct pcpu *p = this_pcpu();
	struct sched_cpu *c = p->sched;
	struct vcpu *prev = p->current, *next;
	stime_t until;
	bool spread;

	__atomic_fetch_and(&p->softirqs, ~(1UL << SOFTIRQ_SCHED), __ATOMIC_SEQ_CST);
	pull(p->id, prev && prev->sched->queued && vcpu_runnable(prev) ? prev->sched : NULL);
	do {
		spin_lock(&c->lock);
		next = choose(p, prev, now(), &spread);
		until = c->until;
		spin_unlock(&c->lock);
		/* Nobody of ours may run, budgets being spent: look around before idling. Each round takes one unit away from others. */
	} while (!next && pull(p->id, NULL));
	if (until != STIME_MAX)
		timer_set(&c->slice, until);
	else if (timer_active(&c->slice))
		timer_stop(&c->slice);
	switch_to(p, prev, next);
	if (spread)
		spread_wait(p->id);
	return next;
}

/* @v, current here, gives way to others for a moment. */
void vcpu_yield(struct vcpu *v)
{
	struct sched_cpu *c = sched_lock(v);

	trace(TRC_SCHED_YIELD, v->domain->id, v->id);
	if (v->sched->queued)
		v->sched->policy->yield(v->processor, v->sched, now());
	spin_unlock(&c->lock);
	softirq_raise(this_cpu(), SOFTIRQ_SCHED);
}
