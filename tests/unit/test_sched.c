/* The scheduler on a simulated clock: shares, latency, affinity, pausing, migration, caps, run states. */
#include "sched_sim.h"

/* @nr hogs of the given weights on @cpus share in proportion, when no share exceeds a CPU. */
static void check_shares(unsigned cpus, unsigned nr, const uint16_t *weight)
{
	uint64_t before[MAX_V], total = 0;
	stime_t length = MILLISECS(4000);

	sim_start(cpus);
	for (unsigned i = 0; i < nr; i++) {
		sim_add(sim_domain((domid_t)(i + 1), 1, weight[i], 0), 0, 0, 0);
		total += weight[i];
	}
	sim_run(MILLISECS(200));
	for (unsigned i = 0; i < nr; i++)
		before[i] = ran(sim.s[i].v);
	sim_run(length);
	for (unsigned i = 0; i < nr; i++) {
		char what[64];

		snprintf(what, sizeof(what), "%u CPUs, vCPU %u of %u, weight %u", cpus, i, nr, weight[i]);
		assert_within(ran(sim.s[i].v) - before[i], (uint64_t)length * cpus * weight[i] / total, 5, what);
	}
	sim_end();
}

static void test_equal_shares(void **state)
{
	uint16_t weight[20];

	for (unsigned i = 0; i < 20; i++)
		weight[i] = 256;
	for (unsigned cpus = 1; cpus <= 4; cpus++)
		for (unsigned nr = cpus < 2 ? 2 : cpus; nr <= 20; nr += nr < 8 ? 1 : 4)
			check_shares(cpus, nr, weight);
}

static void test_weights(void **state)
{
	const uint16_t a[] = { 256, 512 }, b[] = { 256, 256, 512, 1024 },
		       c[] = { 64, 256, 256, 512, 512, 128, 1024, 700 };

	check_shares(1, 2, a);
	check_shares(1, 4, b);
	check_shares(2, 4, b);
	check_shares(1, 8, c);
	check_shares(2, 8, c);
	check_shares(3, 8, c);
}

/* A vCPU whose weight is worth more than a CPU gets one CPU, and the others share the rest. */
static void test_more_than_a_cpu(void **state)
{
	sim_start(2);
	sim_add(sim_domain(1, 1, 10000, 0), 0, 0, 0);
	for (domid_t i = 2; i < 5; i++)
		sim_add(sim_domain(i, 1, 256, 0), 0, 0, 0);
	sim_run(MILLISECS(3000));
	assert_within(ran(sim.s[0].v), 3000000000u, 5, "heavy");
	for (unsigned i = 1; i < 4; i++)
		assert_within(ran(sim.s[i].v), 1000000000u, 8, "light");
	sim_end();
}

/* Somebody who runs shortly and sleeps is served soon, gets all it asks for, and the rest stays fair. */
static void test_sleepers(void **state)
{
	uint64_t hogs[4];

	sim_start(1);
	for (domid_t i = 1; i < 5; i++)
		sim_add(sim_domain(i, 1, 256, 0), 0, 0, 0);
	sim_add(sim_domain(9, 1, 256, 0), 0, MICROSECS(200), MILLISECS(3));
	sim_run(MILLISECS(500));
	sim.s[4].worst_wait = 0;
	sim.s[4].bursts = 0;
	for (unsigned i = 0; i < 4; i++)
		hogs[i] = ran(sim.s[i].v);
	sim_run(MILLISECS(3000));
	assert_true(sim.s[4].worst_wait <= MILLISECS(5));
	assert_true(sim.s[4].bursts > 500);
	for (unsigned i = 1; i < 4; i++)
		assert_within(ran(sim.s[i].v) - hogs[i], ran(sim.s[0].v) - hogs[0], 5, "hog");
	sim_end();
}

/* Who sleeps most of the time does not wait for another's slice, not even now and then: but for the last of it, when that is nearer than its own. */
static void test_small_share(void **state)
{
	struct sim *often;

	sim_start(1);
	sim_add(sim_domain(1, 1, 256, 0), 0, 0, 0);
	often = sim_add(sim_domain(2, 1, 256, 0), 0, MICROSECS(6), MICROSECS(350));
	sim_run(MILLISECS(20)); /* both were new */
	often->worst_wait = 0;
	sim_run(MILLISECS(2000));
	assert_true(often->bursts > 5000);
	assert_true(often->worst_wait <= MICROSECS(250));
	sim_end();
}

/* With more vCPUs than CPUs nobody waits for longer than a few slices per competitor. */
static void test_no_starvation(void **state)
{
	sim_start(2);
	for (domid_t i = 1; i <= 10; i++)
		sim_add(sim_domain(i, 1, (uint16_t)(64 * i), 0), 0, MICROSECS(100 + 700 * i), MICROSECS(900 * i));
	sim_run(MILLISECS(2000));
	for (unsigned i = 0; i < 10; i++) {
		assert_true(sim.s[i].bursts > 5);
		assert_true(sim.s[i].worst_wait < MILLISECS(100));
	}
	sim_end();
}

/* No CPU idles while somebody it may run waits. */
static void test_work_conserving(void **state)
{
	uint64_t total = 0;

	sim_start(4);
	for (domid_t i = 1; i <= 3; i++) {
		sim_domain(i, 2, 256, 0);
		for (unsigned k = 0; k < 2; k++) {
			struct domain *d = domain_get_by_id(i);

			sim_add(d, k, 0, 0);
			domain_put(d);
		}
	}
	sim_run(MILLISECS(100));
	for (unsigned i = 0; i < sim.nr; i++)
		total += ran(sim.s[i].v);
	assert_within(total, 400000000u, 1, "all four CPUs");
	sim_end();
}

/* A pinned vCPU that pushes another one off its CPU makes an idle CPU take that one. */
static void test_idle_takes_the_preempted(void **state)
{
	cpumask_t zero = { { 1 } };

	sim_start(2);
	sim_add(sim_domain(1, 1, 256, 0), 0, 0, 0);
	sim_add(sim_domain(2, 1, 256, 0), 0, MILLISECS(2), MILLISECS(5));
	assert_int_equal(sched_set_affinity(sim.s[1].v, &zero, NULL), 0);
	sim_run(MILLISECS(500));
	assert_within(ran(sim.s[0].v), 500000000u, 1, "free vCPU");
	sim_end();
}

static void test_affinity(void **state)
{
	cpumask_t m = { { 0 } };

	sim_start(4);
	for (domid_t i = 1; i <= 6; i++)
		sim_add(sim_domain(i, 1, 256, 0), 0, i & 1 ? 0 : MILLISECS(1), MILLISECS(1));
	cpumask_set(&m, 40);
	assert_int_equal(sched_set_affinity(sim.s[0].v, &m, NULL), -EINVAL);
	for (unsigned step = 0; step < 300; step++) {
		struct sim *s = &sim.s[rng(sim.nr)];

		cpumask_clear(&m);
		m.bits[0] = 1 + rng(15);
		assert_int_equal(sched_set_affinity(s->v, &m, NULL), 0);
		sim_run(MICROSECS(500));
		for (unsigned i = 0; i < sim.nr; i++)
			assert_int_equal(sim.s[i].forbidden, 0);
	}
	for (unsigned i = 0; i < sim.nr; i++)
		assert_true(ran(sim.s[i].v) > 0);
	sim_end();
}

/* What affinity made unequal is no reason to stay so: once it allows, all CPUs share what waited on one. */
static void test_balance_after_affinity(void **state)
{
	uint64_t before[12];
	cpumask_t m;

	sim_start(4);
	for (domid_t i = 0; i < 12; i++) {
		sim_add(sim_domain((domid_t)(i + 1), 1, 256, 0), 0, 0, 0);
		cpumask_clear(&m);
		cpumask_set(&m, i < 3 ? i : 3);
		assert_int_equal(sched_set_affinity(sim.s[i].v, &m, NULL), 0);
	}
	sim_run(MILLISECS(1000));
	assert_within(ran(sim.s[0].v), 1000000000u, 1, "alone");
	assert_within(ran(sim.s[5].v), 1000000000u / 9, 5, "one of nine");
	cpumask_fill(&m);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(sched_set_affinity(sim.s[i].v, &m, NULL), 0);
	sim_run(MILLISECS(100));
	for (unsigned i = 0; i < 12; i++)
		before[i] = ran(sim.s[i].v);
	sim_run(MILLISECS(1500));
	for (unsigned i = 0; i < 12; i++)
		assert_within(ran(sim.s[i].v) - before[i], 500000000u, 5, "one of twelve");
	sim_end();
}

static void test_pin_override(void **state)
{
	sim_start(3);
	sim_add(sim_domain(1, 1, 256, 0), 0, 0, 0);
	assert_int_equal(sched_pin_override(sim.s[0].v, 7), -EINVAL);
	assert_int_equal(sched_pin_override(sim.s[0].v, -1), -EINVAL);
	sim_run(MILLISECS(1));
	assert_int_equal(sched_pin_override(sim.s[0].v, 2), 0);
	assert_int_equal(sched_pin_override(sim.s[0].v, 1), -EBUSY);
	sim_run(MILLISECS(1));
	assert_ptr_equal(pcpu_get(2)->current, sim.s[0].v);
	assert_int_equal(sched_pin_override(sim.s[0].v, -1), 0);
	assert_true(cpumask_test(&sim.s[0].v->sched->hard, 0));
	sim_end();
}

/* Random pauses of vCPUs and domains: paused ones never run, and all run on afterwards. */
static void test_pause_storm(void **state)
{
	unsigned paused[8] = { 0 }, dpaused[8] = { 0 };

	sim_start(3);
	for (domid_t i = 1; i <= 8; i++)
		sim_add(sim_domain(i, 1, 256, 0), 0, i % 3 ? 0 : MICROSECS(300), MICROSECS(400));
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = (unsigned)rng(8);
		struct vcpu *v = sim.s[i].v;

		host_set_cpu((unsigned)rng(3));
		switch (rng(4)) {
		case 0:
			domain_pause_nosync(v->domain);
			dpaused[i]++;
			break;
		case 1:
			if (dpaused[i]) {
				dpaused[i]--;
				domain_unpause(v->domain);
			}
			break;
		case 2:
			__atomic_fetch_add(&v->pause_count, 1, __ATOMIC_SEQ_CST);
			vcpu_sleep_nosync(v);
			paused[i]++;
			break;
		default:
			if (paused[i]) {
				paused[i]--;
				vcpu_unpause(v);
			}
		}
		sim_run(MICROSECS(50));
		for (unsigned k = 0; k < 8; k++)
			if (paused[k] || dpaused[k]) {
				assert_false(sim.s[k].v->running);
				assert_false(sim.s[k].v->sched->queued);
			}
	}
	for (unsigned k = 0; k < 8; k++) {
		uint64_t before;

		while (paused[k]--)
			vcpu_unpause(sim.s[k].v);
		while (dpaused[k]--)
			domain_unpause(sim.s[k].v->domain);
		before = ran(sim.s[k].v);
		sim_run(MILLISECS(50));
		assert_true(ran(sim.s[k].v) > before);
	}
	sim_end();
}

/* A paused vCPU's state is in memory when the synchronous pause returns, also when an idle CPU had kept it loaded. */
static void test_lazy_state(void **state)
{
	struct vcpu *v;

	sim_start(2);
	sim_add(sim_domain(1, 1, 256, 0), 0, MICROSECS(50), MICROSECS(50));
	v = sim.s[0].v;
	sim_run(MILLISECS(10));
	assert_true(sim.s[0].bursts > 90);
	assert_int_equal(v->arch.loads, 1);
	assert_int_equal(v->arch.saves, 0);
	host_set_cpu(v->processor);
	while (this_pcpu()->current)
		sim_run(MICROSECS(10));
	host_set_cpu(v->processor);
	assert_true(v->running);
	vcpu_pause_sync(v);
	assert_false(v->running);
	assert_int_equal(v->arch.saves, 1);
	vcpu_unpause(v);
	sim_run(MILLISECS(1));
	assert_int_equal(v->arch.loads, 2);
	sim_end();
}

static void test_caps(void **state)
{
	sim_start(2);
	sim_add(sim_domain(1, 1, 256, 30), 0, 0, 0);
	sim_domain(2, 2, 256, 120);
	for (unsigned k = 0; k < 2; k++) {
		struct domain *d = domain_get_by_id(2);

		sim_add(d, k, 0, 0);
		domain_put(d);
	}
	sim_run(MILLISECS(2000));
	assert_within(ran(sim.s[0].v), 600000000u, 5, "30%");
	assert_within(ran(sim.s[1].v) + ran(sim.s[2].v), 2400000000u, 5, "120%");
	sim_end();
}

static void test_adjust_values(void **state)
{
	uint16_t weight = 0, cap = 0;
	struct domain *d;

	sim_start(1);
	d = host_domain(1, 1, 4, 0);
	assert_int_equal(sched_adjust(d, true, &weight, &cap), -EINVAL);
	assert_int_equal(sched_adjust(d, false, &weight, &cap), 0);
	assert_int_equal(weight, 256);
	assert_int_equal(cap, 0);
	sim_end();
}

/* Half a year alone at the least weight leaves no numbers that spoil what comes then. */
static void test_long_alone(void **state)
{
	uint64_t before[2];

	sim_start(1);
	sim_add(sim_domain(1, 1, 1, 0), 0, 0, 0);
	sim_run(MILLISECS(1000) * 3600 * 24 * 180);
	sim_add(sim_domain(2, 1, 1, 0), 0, 0, 0);
	sim_run(MILLISECS(200));
	for (unsigned i = 0; i < 2; i++)
		before[i] = ran(sim.s[i].v);
	sim_run(MILLISECS(2000));
	for (unsigned i = 0; i < 2; i++)
		assert_within(ran(sim.s[i].v) - before[i], 1000000000u, 5, "half");
	sim_end();
}

/* A machine that stood still (a hypervisor below, or firmware, had its CPUs) does not let who ran just then wait until all others had as much. */
static void test_stood_still(void **state)
{
	for (uint16_t cap = 0; cap <= 50; cap += 50) {
		uint64_t before[2];

		sim_start(1);
		for (domid_t i = 1; i <= 2; i++)
			sim_add(sim_domain(i, 1, 256, cap), 0, 0, 0);
		sim_run(MILLISECS(101));
		host_advance(MILLISECS(1000) * 30);
		for (unsigned i = 0; i < 2; i++)
			before[i] = ran(sim.s[i].v);
		sim_run(MILLISECS(400));
		for (unsigned i = 0; i < 2; i++)
			assert_within(ran(sim.s[i].v) - before[i], 200000000u, 10, "half");
		sim_end();
	}
}

/*
 * Two CPUs whose times ran apart, with pinned vCPUs on each, and others that may go to either and are owed much: those move and are served,
 * but nobody is kept waiting for long.
 */
static void test_times_do_not_flee(void **state)
{
	for (unsigned floaters = 4; floaters <= 6; floaters++) {
		uint64_t had[12] = { 0 };
		stime_t since[12], worst = 0;
		cpumask_t m;

		sim_start(2);
		for (unsigned i = 0; i < 4 + floaters; i++) {
			struct domain *d = sim_domain((domid_t)(i + 1), 1, 256, 0);

			cpumask_clear(&m);
			cpumask_set(&m, i < 2 ? 0 : 1);
			assert_int_equal(sched_set_affinity(d->vcpu[0], &m, NULL), 0);
			sim_add(d, 0, MICROSECS(300), MICROSECS(10));
		}
		sim_run(MILLISECS(1000));
		cpumask_fill(&m);
		for (unsigned i = 0; i < 4 + floaters; i++) {
			if (i >= 4)
				assert_int_equal(sched_set_affinity(sim.s[i].v, &m, NULL), 0);
			since[i] = now();
		}
		for (unsigned ms = 0; ms < 2000; ms++) {
			sim_run(MILLISECS(1));
			for (unsigned i = 0; i < 4 + floaters; i++) {
				if (ran(sim.s[i].v) != had[i])
					since[i] = now();
				had[i] = ran(sim.s[i].v);
				if (now() - since[i] > worst)
					worst = now() - since[i];
			}
		}
		if (worst > MILLISECS(60))
			fail_msg("beside %u that move somebody waited for %ld us", floaters, worst / 1000);
		sim_end();
	}
}

/*
 * Some that run and sleep for microseconds, all in step, so that on each CPU one wakes up whenever another one blocks, and one who always wants to
 * run: he gets his share, which is at least an equal one.
 */
static void test_in_step(void **state)
{
	static const unsigned us[] = { 1, 5, 20, 50 };

	for (unsigned i = 0; i < ARRAY_SIZE(us) * ARRAY_SIZE(us); i++)
		for (unsigned cpus = 1; cpus <= 3; cpus++) {
			stime_t burst = MICROSECS(us[i % ARRAY_SIZE(us)]), rest = MICROSECS(us[i / ARRAY_SIZE(us)]);
			uint64_t begin, got, due;
			struct sim *hog;

			sim_start(cpus);
			for (unsigned n = 0; n < 2 * cpus; n++)
				sim_add(sim_domain((domid_t)(n + 1), 1, 256, 0), 0, burst, rest);
			hog = sim_add(sim_domain(30, 1, 256, 0), 0, 0, 0);
			sim_run(MILLISECS(50));
			begin = ran(hog->v);
			sim_run(MILLISECS(50));
			got = ran(hog->v) - begin;
			due = MILLISECS(50) * cpus / (2 * cpus + 1);
			if (got < due - due / 20)
				fail_msg("%u CPUs, %ld us run, %ld slept: got %lu us of %lu", cpus,
					 (long)(burst / 1000), (long)(rest / 1000), got / 1000, due / 1000);
			sim_end();
		}
}

/* A lone vCPU needs no timer, and an idle machine none at all. */
static void test_nothing_ticks(void **state)
{
	sim_start(2);
	sim_add(sim_domain(1, 1, 256, 0), 0, 0, 0);
	sim_run(MILLISECS(1));
	for (unsigned cpu = 0; cpu < 2; cpu++)
		assert_int_equal(pcpu_get(cpu)->arch.timer_deadline, STIME_MAX);
	sim_end();
}

static void test_yield(void **state)
{
	uint64_t other;

	sim_start(1);
	for (domid_t i = 1; i <= 2; i++)
		sim_add(sim_domain(i, 1, 256, 0), 0, 0, 0);
	sim_run(MILLISECS(10));
	for (unsigned i = 0; i < 10; i++) {
		struct vcpu *curr = pcpu_get(0)->current;

		vcpu_yield(curr);
		sim_react();
		assert_true(pcpu_get(0)->current != curr);
	}
	other = ran(sim.s[1].v);
	assert_true(other > 0);
	sim_end();
}

/* Run state times add up to the time that passed, and the states are right. */
static void test_runstates(void **state)
{
	enum runstate rs;
	stime_t entry, t0;
	uint64_t t[4], sum = 0;
	struct vcpu *v;

	sim_start(1);
	sim_add(sim_domain(1, 1, 256, 0), 0, MILLISECS(1), MILLISECS(3));
	v = sim.s[0].v;
	t0 = MILLISECS(1);
	sim_run(MILLISECS(100));
	vcpu_runstate_get(v, &rs, &entry, t);
	for (unsigned i = 0; i < 4; i++)
		sum += t[i];
	assert_int_equal(sum, now() - t0);
	assert_within(t[RUNSTATE_RUNNING], 25000000u, 2, "running");
	assert_within(t[RUNSTATE_BLOCKED], 75000000u, 2, "blocked");
	domain_pause_nosync(v->domain);
	sim_react();
	vcpu_runstate_get(v, &rs, &entry, t);
	assert_true(rs == RUNSTATE_OFFLINE || rs == RUNSTATE_BLOCKED);
	sim_end();
}

/*
 * The registered area follows each switch, in either width, with the update flag only when asked for. That of a vCPU alone in its domain does when it comes,
 * for nobody reads it before.
 */
static void test_runstate_area(void **state)
{
	struct domain *d;
	struct vcpu *v;
	uint8_t *area;
	int32_t rs;
	uint64_t entry;

	for (unsigned i = 0; i < 4; i++) {
		unsigned guest32 = i & 1, vcpus = 1 + i / 2, at = guest32 ? 4 : 8, size = guest32 ? 44 : 48;

		sim_start(1);
		d = sim_domain(1, vcpus, 256, 0);
		if (vcpus > 1) {
			__atomic_fetch_or(&d->vcpu[1]->pause_flags, VPF_DOWN, __ATOMIC_SEQ_CST);
			vcpu_sleep_nosync(d->vcpu[1]);
		}
		sim_add(d, 0, MILLISECS(1), MILLISECS(3));
		v = d->vcpu[0];
		d->vm_assist = guest32 ? 0 : 1u << 5;
		v->runstate_gva = 0x1008;
		v->runstate_guest32 = guest32;
		area = gpa_ptr(d, 0x1000);
		memset(area, 0xee, 0x100);
		sim_run(MICROSECS(500));
		memcpy(&rs, area + 8, 4);
		memcpy(&entry, area + 8 + at, 8);
		assert_int_equal(rs, RUNSTATE_RUNNING);
		assert_int_equal(entry, v->runstate_entry);
		assert_int_equal(area[7], 0xee);
		assert_int_equal(area[8 + size], 0xee);
		sim_run(MILLISECS(1));
		memcpy(&rs, area + 8, 4);
		assert_int_equal(rs, vcpus > 1 ? RUNSTATE_BLOCKED : RUNSTATE_RUNNING);
		sim_run(MILLISECS(3));
		memcpy(&rs, area + 8, 4);
		memcpy(&entry, area + 8 + at, 8);
		assert_int_equal(rs, RUNSTATE_RUNNING);
		assert_int_equal(entry, v->runstate_entry);
		assert_true(entry > MILLISECS(3));
		sim_end();
	}
}

/* Timers of a vCPU move with it. */
static void test_timers_follow(void **state)
{
	cpumask_t one = { { 2 } };
	struct vcpu *v;

	sim_start(2);
	sim_add(sim_domain(1, 1, 256, 0), 0, 0, 0);
	v = sim.s[0].v;
	sim_run(MILLISECS(1));
	timer_set(&v->singleshot_timer, now() + MILLISECS(5));
	assert_int_equal(sched_set_affinity(v, &one, NULL), 0);
	sim_run(MILLISECS(1));
	assert_ptr_equal(pcpu_get(1)->current, v);
	assert_int_equal(v->singleshot_timer.cpu, 1);
	assert_true(timer_active(&v->singleshot_timer));
	sim_end();
}

/* An event that arrives between the guest's last look and its block is not lost. */
static void test_block_with_event_pending(void **state)
{
	struct vcpu *v;

	sim_start(1);
	sim_add(sim_domain(1, 1, 256, 0), 0, 0, 0);
	v = sim.s[0].v;
	sim_run(MILLISECS(1));
	v->arch.event_pending = true;
	vcpu_block(v);
	assert_true(vcpu_runnable(v));
	v->arch.event_pending = false;
	vcpu_block(v);
	assert_false(vcpu_runnable(v));
	sim_react();
	assert_null(pcpu_get(0)->current);
	vcpu_kick(v);
	sim_react();
	assert_ptr_equal(pcpu_get(0)->current, v);
	sim_end();
}

static void null_start(unsigned cpus)
{
	sim_start(cpus);
	assert_int_equal(sched_init(&sched_null), 0);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		assert_int_equal(sched_cpu_init(cpu), 0);
}

/* Each vCPU gets a CPU of its own and stays there, without a tick. */
static void test_null_one_each(void **state)
{
	struct domain *d;

	null_start(4);
	d = sim_domain(1, 4, 256, 0);
	for (unsigned i = 0; i < 4; i++)
		sim_add(d, i, i & 1 ? MILLISECS(1) : 0, MILLISECS(2));
	sim_run(MILLISECS(100));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(sim.s[i].v->processor, i);
		assert_int_equal(sim.s[i].v->arch.loads, 1);
		assert_int_equal(pcpu_get(i)->arch.timer_deadline, STIME_MAX);
	}
	sim_end();
}

/* Those that share a CPU take turns; affinity is obeyed. */
static void test_null_shares_alike(void **state)
{
	cpumask_t one = { { 2 } };
	struct domain *d;

	null_start(2);
	d = sim_domain(1, 6, 256, 0);
	for (unsigned i = 0; i < 6; i++)
		sim_add(d, i, 0, 0);
	sim_run(MILLISECS(600));
	for (unsigned i = 0; i < 6; i++)
		assert_within(ran(sim.s[i].v), 200000000u, 6, "turns");
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(sched_set_affinity(sim.s[i].v, &one, NULL), 0);
	sim_run(MILLISECS(100));
	assert_null(pcpu_get(0)->current);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(sim.s[i].v->processor, 1);
	sim_end();
}

static void test_policy_names(void **state)
{
	assert_ptr_equal(sched_find("credit2"), &sched_fair);
	assert_int_equal(sched_find("credit2")->id, 6);
	assert_ptr_equal(sched_find("null"), &sched_null);
	assert_ptr_equal(sched_find("rtds"), &sched_realtime);
	assert_null(sched_find("arinc653"));
	assert_ptr_equal(sched_find_id(XEN_SCHEDULER_NULL), &sched_null);
	assert_null(sched_find_id(5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_shares),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_more_than_a_cpu),
		cmocka_unit_test(test_sleepers),
		cmocka_unit_test(test_small_share),
		cmocka_unit_test(test_no_starvation),
		cmocka_unit_test(test_work_conserving),
		cmocka_unit_test(test_idle_takes_the_preempted),
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_balance_after_affinity),
		cmocka_unit_test(test_pin_override),
		cmocka_unit_test(test_pause_storm),
		cmocka_unit_test(test_lazy_state),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_adjust_values),
		cmocka_unit_test(test_long_alone),
		cmocka_unit_test(test_stood_still),
		cmocka_unit_test(test_times_do_not_flee),
		cmocka_unit_test(test_in_step),
		cmocka_unit_test(test_nothing_ticks),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_runstates),
		cmocka_unit_test(test_runstate_area),
		cmocka_unit_test(test_timers_follow),
		cmocka_unit_test(test_block_with_event_pending),
		cmocka_unit_test(test_null_one_each),
		cmocka_unit_test(test_null_shares_alike),
		cmocka_unit_test(test_policy_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
