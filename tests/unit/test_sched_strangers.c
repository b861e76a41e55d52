/*
 * What a CPU has to do with others. On the simulated clock, four CPUs whose vCPUs have no reason to move: no lock of a run queue, of timers or of a
 * budget is ever touched by two CPUs, and no CPU tells another one to look. The boot test of the same (system/test_tree.py) can only see
 * what collides; here each access is noted.
 */
#include <stdio.h>

#include "sched_sim.h"

#include "hv/lock.h"

#define CPUS 4u
#define NOBODY ~0u

static struct {
	bool on;
	struct {
		const spinlock_t *lock;
		unsigned cpu;
	} seen[256];
	unsigned nr;
	unsigned long taken, shared, disturbed;
} note;

void __real_spin_lock(spinlock_t *l);
void __wrap_spin_lock(spinlock_t *l);
bool __real_spin_trylock(spinlock_t *l);
bool __wrap_spin_trylock(spinlock_t *l);
void __real_softirq_raise(unsigned cpu, enum softirq nr);
void __wrap_softirq_raise(unsigned cpu, enum softirq nr);

static void touch(const spinlock_t *l)
{
	unsigned i;

	if (!note.on || (l->rank != RANK_SCHED && l->rank != RANK_SCHED_DOMAIN && l->rank != RANK_TIMER))
		return;
	note.taken++;
	for (i = 0; i < note.nr && note.seen[i].lock != l; i++)
		;
	assert_true(i < ARRAY_SIZE(note.seen));
	if (i == note.nr) {
		note.seen[note.nr].lock = l;
		note.seen[note.nr++].cpu = this_cpu();
	}
	note.shared += note.seen[i].cpu != this_cpu();
}

void __wrap_spin_lock(spinlock_t *l)
{
	touch(l);
	__real_spin_lock(l);
}

bool __wrap_spin_trylock(spinlock_t *l)
{
	touch(l);
	return __real_spin_trylock(l);
}

void __wrap_softirq_raise(unsigned cpu, enum softirq nr)
{
	note.disturbed += note.on && cpu != this_cpu();
	__real_softirq_raise(cpu, nr);
}

static void start(const struct sched_policy *policy)
{
	sim_start(CPUS);
	assert_int_equal(sched_init(policy), 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		assert_int_equal(sched_cpu_init(cpu), 0);
	sim.local = true;
}

/* A new domain of one vCPU, on @cpu only unless that is NOBODY. */
static void add(unsigned cpu, uint16_t cap, stime_t burst, stime_t rest)
{
	struct domain *d = sim_domain((domid_t)(sim.nr + 1), 1, SCHED_DEFAULT_WEIGHT, cap);
	cpumask_t m;

	cpumask_clear(&m);
	if (cpu != NOBODY) {
		cpumask_set(&m, cpu);
		assert_int_equal(sched_set_affinity(d->vcpu[0], &m, NULL), 0);
	}
	sim_add(d, 0, burst, rest);
}

/* Let all settle, then note what half a second needs. */
static void watch(const char *what)
{
	sim_run(MILLISECS(100));
	memset(&note, 0, sizeof(note));
	note.on = true;
	sim_run(MILLISECS(500));
	note.on = false;
	printf("# %s: %lu locks taken, %lu of them by two CPUs, %lu times told another CPU\n", what, note.taken,
	       note.shared, note.disturbed);
	assert_true(note.taken > 1000);
	assert_int_equal(note.shared, 0);
	assert_int_equal(note.disturbed, 0);
	for (unsigned i = 0; i < sim.nr; i++)
		assert_true(ran(sim.s[i].v) > 0);
	sim_end();
}

/* Pinned ones, too many for their CPU: they wait, run short, long or for ever, or until a cap. */
static void pinned(const struct sched_policy *policy, unsigned spinners)
{
	start(policy);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		add(cpu, 0, MICROSECS(100), MICROSECS(60 + 7 * cpu));
		add(cpu, 0, MILLISECS(1), MILLISECS(3));
		add(cpu, 20, MICROSECS(700), MILLISECS(1));
		for (unsigned i = 0; i < spinners; i++)
			add(cpu, 25, 0, 0);
	}
	watch(policy->name);
}

static void test_pinned(void **state)
{
	pinned(&sched_fair, 0);
	pinned(&sched_fair, 2);
	pinned(&sched_realtime, 1);
	pinned(&sched_null, 0);
}

/* Free to go anywhere, and a CPU for each: they come back to where they were. */
static void test_enough_cpus(void **state)
{
	static const struct sched_policy *const policies[] = { &sched_fair, &sched_realtime, &sched_null };

	for (unsigned p = 0; p < ARRAY_SIZE(policies); p++) {
		start(policies[p]);
		for (unsigned i = 0; i < CPUS; i++)
			add(NOBODY, 0, MICROSECS(100 + 10 * i), MICROSECS(200));
		watch(policies[p]->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pinned), cmocka_unit_test(test_enough_cpus) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
