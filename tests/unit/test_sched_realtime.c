/*
 * Reservations and pools on the simulated clock. A thousand machines made up at random, whose promises can all be kept: nobody who always wants
 * to run is behind by more than the longest gap his promise allows, nobody without `extra` gets more than it, and who sleeps and asks for no
 * more than his budget has had it before his period ends. Then machines of three pools with a policy each, between which CPUs and domains move.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sched_sim.h"

#include "hv/cpupool.h"

#define TRACES 1000u
#define LOOKS 24u /* per trace */
#define MOVES 40u
#define LATE MICROSECS(20) /* timers and slices have this grain */

static unsigned traces(void)
{
	const char *s = getenv("TRACES");

	return s ? (unsigned)strtoul(s, NULL, 0) : TRACES;
}

static void start(unsigned cpus)
{
	sim_start(cpus);
	assert_int_equal(sched_init(&sched_realtime), 0);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		assert_int_equal(sched_cpu_init(cpu), 0);
}

static struct sim *add(stime_t period, stime_t budget, bool extra, stime_t burst, stime_t rest)
{
	struct sched_reservation p = { period, budget, extra };
	struct domain *d = host_domain((domid_t)(sim.nr + 1), 1, 4, 0);

	assert_int_equal(sched_reservation(d->vcpu[0], true, &p), 0);
	return sim_add(d, 0, burst, rest);
}

/* Promises -------------------------------------------------------------------------------------- */

static struct sched_reservation want[MAX_V];

/* Units until the promises are all that @cpus can keep, the greatest bandwidth being 0.5: half of them hogs. */
static void make_up(unsigned cpus)
{
	static const unsigned periods[] = { 2, 5, 10, 10, 20, 50, 100 };
	double room = cpus - (cpus - 1) * 0.5;

	while (sim.nr < MAX_V) {
		stime_t period = MILLISECS(periods[rng(7)]), budget = period / 100 * (stime_t)(5 + rng(46)), rest;
		bool hog = rng(2);

		room -= (double)budget / (double)period;
		if (room < 0)
			return;
		rest = period + MICROSECS(rng(20000));
		want[sim.nr] = (struct sched_reservation){ period, budget, rng(3) == 0 };
		add(period, budget, want[sim.nr].extra, hog ? 0 : budget * 9 / 10, rest);
	}
}

static void check_hog(unsigned number, unsigned i, uint64_t begin, stime_t length)
{
	const struct sched_reservation *p = &want[i];
	double rate = (double)p->budget / (double)p->period, got = (double)(ran(sim.s[i].v) - begin);
	double behind = rate * (double)length - got;

	if (behind > rate * 2 * (double)(p->period - p->budget) + LATE)
		fail_msg("trace %u, vCPU %u, %ld of %ld us: %.3f ms behind after %ld", number, i, p->budget / 1000,
			 p->period / 1000, behind / 1e6, length / 1000000);
	if (!p->extra && -behind > (double)p->budget * 2 * (1 - rate) + LATE)
		fail_msg("trace %u, vCPU %u, %ld of %ld us: %.3f ms too many after %ld", number, i, p->budget / 1000,
			 p->period / 1000, -behind / 1e6, length / 1000000);
}

static void trace(unsigned number)
{
	uint64_t begin[MAX_V];
	unsigned cpus;
	stime_t from;

	rng_state = (number + 1) * 0x9e3779b97f4a7c15u | 1;
	cpus = 1 + (unsigned)rng(4);
	start(cpus);
	make_up(cpus);
	sim_run(MILLISECS(200));
	from = now();
	for (unsigned i = 0; i < sim.nr; i++) {
		begin[i] = ran(sim.s[i].v);
		sim.s[i].worst_response = 0;
	}
	for (unsigned look = 0; look < LOOKS; look++) {
		sim_run(MILLISECS(20) + MICROSECS(rng(20000)));
		for (unsigned i = 0; i < sim.nr; i++)
			if (!sim.s[i].burst)
				check_hog(number, i, begin[i], now() - from);
	}
	for (unsigned i = 0; i < sim.nr; i++)
		if (sim.s[i].worst_response > want[i].period + LATE)
			fail_msg("trace %u, %u CPUs, vCPU %u: %ld us for %ld of %ld", number, cpus, i,
				 sim.s[i].worst_response / 1000, want[i].budget / 1000, want[i].period / 1000);
	sim_end();
}

static void test_promises_are_kept(void **state)
{
	for (unsigned i = 0; i < traces(); i++)
		trace(i);
}

/* The rest of the CPU goes to those with extra, in equal parts; the others wait. */
static void test_extra(void **state)
{
	start(1);
	add(MILLISECS(10), MILLISECS(2), false, 0, 0);
	add(MILLISECS(10), MILLISECS(1), true, 0, 0);
	add(MILLISECS(20), MILLISECS(2), true, 0, 0);
	sim_run(MILLISECS(2000));
	assert_within(ran(sim.s[0].v), 400000000u, 2, "without extra");
	assert_within(ran(sim.s[1].v), 800000000u, 3, "with extra");
	assert_within(ran(sim.s[2].v), 800000000u, 3, "with extra");
	sim_end();
}

/* Promised twice what there is: everybody gets something all the time. */
static void test_too_much_promised(void **state)
{
	uint64_t before[8];

	start(1);
	for (unsigned i = 0; i < 8; i++)
		add(MILLISECS(5 + 3 * i), MILLISECS(5 + 3 * i) / 4, i & 1, 0, 0);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 8; i++)
			before[i] = ran(sim.s[i].v);
		sim_run(MILLISECS(200));
		for (unsigned i = 0; i < 8; i++)
			assert_true(ran(sim.s[i].v) > before[i] + (uint64_t)MILLISECS(5));
	}
	sim_end();
}

/* Who sleeps until shortly before his period ends does not get a budget, and then another one at once. */
static void test_no_double_budget(void **state)
{
	struct sim *hog, *late;

	start(1);
	hog = add(MILLISECS(10), MILLISECS(5), false, 0, 0);
	late = add(MILLISECS(10), MILLISECS(4), false, MILLISECS(8), MILLISECS(13));
	sim_run(MILLISECS(3000));
	assert_within(ran(hog->v), 1500000000u, 1, "hog");
	assert_true(ran(late->v) <= 1200000000u);
	sim_end();
}

/* One that gives way lets the others run first, and gets its budget all the same. */
static void test_yield(void **state)
{
	start(1);
	add(MILLISECS(10), MILLISECS(4), false, 0, 0);
	add(MILLISECS(40), MILLISECS(16), false, 0, 0);
	sim_run(MILLISECS(1));
	assert_ptr_equal(pcpu_get(0)->current, sim.s[0].v);
	vcpu_yield(sim.s[0].v);
	sim_react();
	assert_ptr_equal(pcpu_get(0)->current, sim.s[1].v);
	sim_run(MILLISECS(400));
	assert_within(ran(sim.s[0].v), 160000000u, 4, "who gave way");
	sim_end();
}

static void test_what_can_be_promised(void **state)
{
	static const struct sched_reservation bad[] = { { MILLISECS(1), MILLISECS(2), true },
							{ MILLISECS(1), 0, true },
							{ MILLISECS(1), MICROSECS(9), true },
							{ STIME_MAX, MILLISECS(1), false } };
	struct sched_reservation r;

	start(1);
	add(MILLISECS(1), MILLISECS(1), false, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		r = bad[i];
		assert_int_equal(sched_reservation(sim.s[0].v, true, &r), -EINVAL);
	}
	assert_int_equal(sched_reservation(sim.s[0].v, false, &r), 0);
	assert_int_equal(r.period, MILLISECS(1));
	sim_end();
	sim_start(1);
	sim_add(sim_domain(1, 1, 256, 0), 0, 0, 0);
	assert_int_equal(sched_reservation(sim.s[0].v, false, &r), -EINVAL);
	sim_end();
}

/* Pools ----------------------------------------------------------------------------------------- */

#define POOLS 3u
#define POOL_CPUS 4u

static void make_pools(void)
{
	unsigned id = 1;

	sim_start(POOL_CPUS);
	assert_int_equal(cpupool_create(&id, XEN_SCHEDULER_RTDS), 0);
	id = 2;
	assert_int_equal(cpupool_create(&id, XEN_SCHEDULER_NULL), 0);
	for (unsigned cpu = 2; cpu < POOL_CPUS; cpu++) {
		assert_int_equal(cpupool_remove_cpu(0, cpu), 0);
		assert_int_equal(cpupool_add_cpu(cpu - 1, cpu), 0);
	}
}

/* A domain or a CPU goes elsewhere, if it can. */
static void move_something(void)
{
	unsigned from = (unsigned)rng(POOLS), to = (unsigned)rng(POOLS);
	int rc;

	host_set_cpu((unsigned)rng(POOL_CPUS));
	if (rng(2)) {
		rc = cpupool_move_domain(to, sim.s[rng(sim.nr)].v->domain);
		assert_true(rc == 0 || rc == -ENOENT);
		return;
	}
	rc = cpupool_remove_cpu(from, CPUPOOL_ANY);
	assert_true(rc == 0 || rc == -EBUSY || rc == -EINVAL);
	if (rc == 0) {
		rc = cpupool_add_cpu(to, CPUPOOL_ANY);
		assert_int_equal(rc, 0);
	}
}

/* Every CPU of a pool in which there is always somebody to run, for each CPU, has run somebody all the time; nobody was forgotten. */
static void check_pools(unsigned number, const uint64_t *before, const uint64_t *idle, stime_t length)
{
	unsigned hogs[POOLS] = { 0 };

	for (unsigned i = 0; i < sim.nr; i++) {
		hogs[domain_cpupool(sim.s[i].v->domain)] += !sim.s[i].burst;
		assert_int_equal(sim.s[i].forbidden, 0);
		if (ran(sim.s[i].v) <= before[i])
			fail_msg("trace %u: vCPU %u of pool %u got nothing", number, i,
				 domain_cpupool(sim.s[i].v->domain));
	}
	for (unsigned pool = 0; pool < 2; pool++) {
		struct cpupool_info info;
		unsigned cpu, nr = 0;

		assert_int_equal(cpupool_info(pool, &info), 0);
		for_each_cpu(cpu, &info.cpus)
			nr++;
		for_each_cpu(cpu, &info.cpus)
			if (hogs[pool] >= nr && sched_idle_time(cpu) - idle[cpu] > (uint64_t)length / 100)
				fail_msg("trace %u: CPU %u of pool %u was idle for %ld us", number, cpu, pool,
					 (long)(sched_idle_time(cpu) - idle[cpu]) / 1000);
	}
}

static void pool_trace(unsigned number)
{
	uint64_t before[MAX_V], idle[POOL_CPUS];

	rng_state = (number + 7) * 0x9e3779b97f4a7c15u | 1;
	make_pools();
	for (unsigned i = 0, nr = 3 + (unsigned)rng(8); i < nr; i++) {
		bool hog = rng(3) != 0;

		sim_add(sim_domain((domid_t)(i + 1), 1, 256, 0), 0, hog ? 0 : MICROSECS(20 + rng(2000)),
			MICROSECS(200 + rng(9000)));
	}
	for (unsigned i = 0; i < MOVES; i++) {
		sim_run(MICROSECS(rng(6000)));
		move_something();
	}
	sim_run(MILLISECS(100));
	for (unsigned i = 0; i < sim.nr; i++)
		before[i] = ran(sim.s[i].v);
	for (unsigned cpu = 0; cpu < POOL_CPUS; cpu++)
		idle[cpu] = sched_idle_time(cpu);
	sim_run(MILLISECS(300));
	check_pools(number, before, idle, MILLISECS(300));
	sim_end();
}

static void test_pools_change_live(void **state)
{
	for (unsigned i = 0; i < traces(); i++)
		pool_trace(i);
}

/* Weights hold in a fair pool whatever its CPUs and domains did before. */
static void test_shares_after_moves(void **state)
{
	static const uint16_t weight[] = { 256, 512, 256 };
	uint64_t before[3];

	for (unsigned round = 0; round < 20; round++) {
		make_pools();
		for (domid_t i = 0; i < 3; i++)
			sim_add(sim_domain((domid_t)(i + 1), 1, weight[i], 0), 0, 0, 0);
		for (unsigned i = 0; i < MOVES; i++) {
			sim_run(MICROSECS(rng(9000)));
			move_something();
		}
		while (cpupool_remove_cpu(0, CPUPOOL_ANY) == 0)
			;
		for (unsigned pool = 1; pool < POOLS; pool++)
			while (cpupool_remove_cpu(pool, CPUPOOL_ANY) == 0)
				;
		if (cpupool_add_cpu(0, CPUPOOL_ANY))
			assert_int_equal(domain_cpupool(sim.s[0].v->domain), 0);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(cpupool_move_domain(0, sim.s[i].v->domain), 0);
		for (unsigned pool = 1; pool < POOLS; pool++)
			while (cpupool_remove_cpu(pool, CPUPOOL_ANY) == 0)
				;
		while (cpupool_add_cpu(0, CPUPOOL_ANY) == 0)
			;
		for (unsigned cpu = 2; cpu < POOL_CPUS; cpu++)
			assert_int_equal(cpupool_remove_cpu(0, cpu), 0);
		sim_run(MILLISECS(200));
		for (unsigned i = 0; i < 3; i++)
			before[i] = ran(sim.s[i].v);
		sim_run(MILLISECS(2000));
		for (unsigned i = 0; i < 3; i++)
			assert_within(ran(sim.s[i].v) - before[i], (uint64_t)weight[i] * 4000000000u / 1024, 5,
				      "share");
		sim_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promises_are_kept),
		cmocka_unit_test(test_extra),
		cmocka_unit_test(test_too_much_promised),
		cmocka_unit_test(test_no_double_budget),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_what_can_be_promised),
		cmocka_unit_test(test_pools_change_live),
		cmocka_unit_test(test_shares_after_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
