/*
 * Four real threads are the CPUs: they run their loops, block and wake vCPUs, pause, pin and unpin them, arm and move timers, make and
 * destroy domains, and move CPUs and domains between pools of different policies, all at once. No vCPU may be loaded on two CPUs, a paused one must be off its CPU, none may be forgotten, and all memory
 * must be back at the end.
 */
#include <pthread.h>
#include <stdio.h>

#include "guest_test.h"

#include "hv/cpupool.h"
#include "hv/sched.h"
#include "hv/task.h"

#define CPUS 4u
#define DOMAINS 6u
#define VCPUS 3u
#define STEPS 12000u

static struct {
	struct domain *d[DOMAINS];
	unsigned on[DOMAINS][VCPUS]; /* atomic: CPUs that run it now */
	unsigned done;		     /* atomic: threads that made all their steps */
	bool pools;		     /* there are two more */
	pthread_barrier_t start;
} race;

static uint32_t random_number(uint32_t *r)
{
	*r = *r * 1664525u + 1013904223u;
	return *r >> 8;
}

/* One round of the CPU's loop; the guest "runs" for a moment and may block. */
static void loop_once(uint32_t *r)
{
	struct pcpu *p = this_pcpu();
	struct vcpu *v;

	host_run_softirqs(p->id);
	v = p->current;
	if ((__atomic_load_n(&p->softirqs, __ATOMIC_ACQUIRE) & (1u << SOFTIRQ_SCHED)) || (v && !vcpu_runnable(v)))
		v = schedule();
	if (v && v->domain->id >= 1 && v->domain->id <= DOMAINS) {
		unsigned *on = &race.on[v->domain->id - 1][v->id];

		assert_int_equal(__atomic_fetch_add(on, 1, __ATOMIC_SEQ_CST), 0);
		assert_true(v->running);
		assert_int_equal(v->processor, p->id);
		for (unsigned i = random_number(r) % 50; i; i--)
			__asm__ volatile("pause");
		assert_int_equal(__atomic_fetch_sub(on, 1, __ATOMIC_SEQ_CST), 1);
		if (random_number(r) % 4 == 0)
			vcpu_block(v);
	}
	if (p->id == 0)
		host_advance(20000);
}

/* A guest's life in a moment. Its vCPUs may have got onto other CPUs, which must give them up first. */
static void short_life(uint32_t *r, domid_t id)
{
	struct domain *d = host_domain(id, 2, 8, 0);

	timer_set(&d->vcpu[1]->singleshot_timer, now() + 30000);
	for (unsigned i = random_number(r) % 20; i; i--)
		loop_once(r);
	if (random_number(r) % 2) {
		domain_kill_later(d);
		return;
	}
	while (domain_kill(d) == -ERESTART)
		loop_once(r);
}

static void pause_and_look(struct vcpu *v)
{
	/* Two CPUs that wait for each other's current vCPU would wait for ever: only ask, and look when it has happened. */
	__atomic_fetch_add(&v->pause_count, 1, __ATOMIC_SEQ_CST);
	vcpu_sleep_nosync(v);
	if (!__atomic_load_n(&v->running, __ATOMIC_ACQUIRE))
		assert_false(v->sched->queued);
	vcpu_unpause(v);
}

/* What cannot be, such as taking the last CPU of domains away, is refused. */
static void move_something(uint32_t *r, struct domain *d)
{
	unsigned pool = random_number(r) % 3, cpu = random_number(r) % CPUS;
	int rc;

	if (random_number(r) % 2) {
		rc = cpupool_move_domain(pool, d);
		assert_true(rc == 0 || rc == -ENOENT);
	}
	if (pool == 0 && cpu == 0)
		return; /* others make domains in this pool, which needs a CPU for them */
	rc = cpupool_remove_cpu(pool, cpu);
	assert_true(rc == 0 || rc == -EINVAL || rc == -EBUSY);
	if (rc == 0) {
		rc = cpupool_add_cpu(random_number(r) % 3, cpu);
		assert_int_equal(rc, 0);
	}
}

static void step(uint32_t *r)
{
	struct domain *d = race.d[random_number(r) % DOMAINS];
	struct vcpu *v = d->vcpu[random_number(r) % VCPUS];
	cpumask_t mask = { { 1 + random_number(r) % 15 } };
	int rc;

	switch (random_number(r) % 16) {
	case 0:
		pause_and_look(v);
		break;
	case 1:
		domain_pause_nosync(d);
		domain_unpause(d);
		break;
	case 2:
		rc = sched_set_affinity(v, &mask, NULL);
		assert_true(rc == 0 || (race.pools && rc == -EINVAL));
		break;
	case 3:
		rc = sched_pin_override(v, (int)(random_number(r) % 5) - 1);
		assert_true(rc == 0 || rc == -EBUSY || rc == -EINVAL);
		break;
	case 4:
		timer_set(&v->singleshot_timer, now() + random_number(r) % 100000);
		break;
	case 5:
		timer_migrate(&v->poll_timer, random_number(r) % CPUS);
		timer_set(&v->poll_timer, now() + random_number(r) % 100000);
		break;
	case 6:
		timer_stop(&v->poll_timer);
		break;
	case 7:
		if (random_number(r) % 64 == 0)
			short_life(r, (domid_t)(100 + random_number(r) % 30000));
		break;
	case 8: {
		struct domain *x = domain_next((domid_t)(random_number(r) % 30000));

		if (x)
			domain_put(x);
		break;
	}
	case 9:
		if (race.pools)
			move_something(r, d);
		break;
	default:
		vcpu_kick(v);
	}
}

static void *cpu_thread(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;
	uint32_t r = cpu * 7919 + 17;

	host_set_cpu(cpu);
	pthread_barrier_wait(&race.start);
	for (unsigned i = 0; i < STEPS; i++) {
		step(&r);
		loop_once(&r);
	}
	__atomic_fetch_add(&race.done, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&race.done, __ATOMIC_SEQ_CST) < CPUS)
		loop_once(&r);
	return NULL;
}

static void say_where(const struct vcpu *v)
{
	const struct sched_unit *u = v->sched;

	fail_msg("d%uv%u on CPU %u got no time: flags %x, pauses %u+%u, running %u, queued %u, moving %u, hard %lx",
		 v->domain->id, v->id, v->processor, v->pause_flags, v->pause_count, v->domain->pause_count, v->running,
		 u->queued, u->moving, u->hard.bits[0]);
}

/* All CPUs and domains are in pool 0 again. */
static void end_pools(void)
{
	for (unsigned i = 0; i < DOMAINS; i++) {
		int rc = cpupool_move_domain(0, race.d[i]);

		if (rc) { /* it has no CPU */
			assert_int_equal(cpupool_remove_cpu(domain_cpupool(race.d[i]), CPUPOOL_ANY), -EBUSY);
			for (unsigned pool = 1; pool < 3; pool++)
				while (cpupool_remove_cpu(pool, CPUPOOL_ANY) == 0)
					;
			assert_int_equal(cpupool_add_cpu(0, CPUPOOL_ANY), 0);
			i--;
		}
	}
	for (unsigned pool = 1; pool < 3; pool++) {
		while (cpupool_remove_cpu(pool, CPUPOOL_ANY) == 0)
			;
		assert_int_equal(cpupool_destroy(pool), 0);
	}
	while (cpupool_add_cpu(0, CPUPOOL_ANY) == 0)
		;
}

/* Nobody blocks any more: everybody must get the CPU again. */
static void check_nobody_forgotten(void)
{
	uint64_t before[DOMAINS][VCPUS], t[4];
	enum runstate rs;
	stime_t entry;
	uint32_t r = 1;

	for (unsigned i = 0; i < DOMAINS; i++)
		for (unsigned k = 0; k < VCPUS; k++) {
			cpumask_t all;

			cpumask_fill(&all);
			if (sched_pin_override(race.d[i]->vcpu[k], -1))
				continue;
			assert_int_equal(sched_set_affinity(race.d[i]->vcpu[k], &all, NULL), 0);
		}
	for (unsigned i = 0; i < DOMAINS; i++)
		for (unsigned k = 0; k < VCPUS; k++) {
			vcpu_runstate_get(race.d[i]->vcpu[k], &rs, &entry, t);
			before[i][k] = t[RUNSTATE_RUNNING];
		}
	for (unsigned round = 0; round < 40000; round++) {
		host_set_cpu(round % CPUS);
		loop_once(&r);
		for (unsigned i = 0; i < DOMAINS; i++)
			vcpu_unblock(race.d[i]->vcpu[round % VCPUS]);
	}
	for (unsigned i = 0; i < DOMAINS; i++)
		for (unsigned k = 0; k < VCPUS; k++) {
			vcpu_runstate_get(race.d[i]->vcpu[k], &rs, &entry, t);
			if (t[RUNSTATE_RUNNING] <= before[i][k])
				say_where(race.d[i]->vcpu[k]);
			assert_true(vcpu_runnable(race.d[i]->vcpu[k]) || rs != RUNSTATE_OFFLINE);
		}
}

static void make_pools(void)
{
	unsigned id = 1;

	assert_int_equal(cpupool_create(&id, XEN_SCHEDULER_RTDS), 0);
	id = 2;
	assert_int_equal(cpupool_create(&id, XEN_SCHEDULER_NULL), 0);
	for (unsigned cpu = 2; cpu < CPUS; cpu++) {
		assert_int_equal(cpupool_remove_cpu(0, cpu), 0);
		assert_int_equal(cpupool_add_cpu(cpu - 1, cpu), 0);
	}
}

static void run_race(const struct sched_policy *policy, bool with_pools)
{
	pthread_t thread[CPUS];
	uint64_t bytes, frames;
	struct domain *d;
	uint32_t r = 3;

	memset(&race, 0, sizeof(race));
	host_machine(256UL << 20, CPUS);
	assert_int_equal(sched_init(policy), 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		assert_int_equal(sched_cpu_init(cpu), 0);
	host_set_cpu(0);
	race.pools = with_pools;
	if (with_pools)
		make_pools();
	bytes = heap_bytes_used();
	frames = mm_free_frames();
	for (unsigned i = 0; i < DOMAINS; i++)
		race.d[i] = host_domain((domid_t)(i + 1), VCPUS, 4, 0);
	pthread_barrier_init(&race.start, NULL, CPUS);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		pthread_create(&thread[cpu], NULL, cpu_thread, (void *)(uintptr_t)cpu);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		pthread_join(thread[cpu], NULL);
	if (with_pools)
		end_pools();
	check_nobody_forgotten();
	while ((d = domain_next(0))) {
		int rc = domain_kill(d);

		domain_put(d);
		if (rc == -ERESTART)
			for (unsigned cpu = 0; cpu < CPUS; cpu++) {
				host_set_cpu(cpu);
				loop_once(&r);
			}
	}
	for (unsigned i = 0; i < 10 * CPUS; i++) {
		host_set_cpu(i % CPUS);
		loop_once(&r);
	}
	host_set_cpu(0);
	assert_int_equal(heap_bytes_used(), bytes);
	assert_int_equal(mm_free_frames(), frames);
}

static void test_race_fair(void **state)
{
	run_race(&sched_fair, false);
}

static void test_race_null(void **state)
{
	run_race(&sched_null, false);
}

static void test_race_realtime(void **state)
{
	run_race(&sched_realtime, false);
}

static void test_race_pools(void **state)
{
	run_race(&sched_fair, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_race_fair),
		cmocka_unit_test(test_race_null),
		cmocka_unit_test(test_race_realtime),
		cmocka_unit_test(test_race_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
