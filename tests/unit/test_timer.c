/* Timers: order, semantics of set/stop/kill/migrate, also from callbacks, and hardware programming; against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/pcpu.h"
#include "hv/time.h"

#define NR_TIMERS 64u
#define CPUS 4u

struct probe {
	struct timer timer;
	unsigned fired, last_cpu;
	stime_t last_time;
	/* model */
	bool active, dead;
	stime_t expires;
	unsigned cpu;
	/* what the callback does: 0 nothing, 1 arm again, 2 kill, 3 migrate and arm */
	unsigned action;
};

static struct probe probes[NR_TIMERS];
static stime_t last_fired[CPUS];

static void fired(void *data)
{
	struct probe *p = data;

	assert_false(timer_active(&p->timer));
	assert_true(p->active);
	assert_true(p->expires <= now());
	assert_int_equal(this_cpu(), p->cpu);
	assert_true(p->expires >= last_fired[p->cpu]); /* earliest first within one pass */
	last_fired[p->cpu] = p->expires;
	p->fired++;
	p->last_cpu = this_cpu();
	p->last_time = now();
	p->active = false;
	switch (p->action) {
	case 1:
		p->active = true;
		p->expires = now() + MICROSECS(10);
		timer_set(&p->timer, p->expires);
		break;
	case 2:
		p->dead = true;
		timer_kill(&p->timer);
		break;
	case 3:
		p->cpu = (p->cpu + 1) % CPUS;
		timer_migrate(&p->timer, p->cpu);
		p->active = true;
		p->expires = now() + MICROSECS(20);
		timer_set(&p->timer, p->expires);
		break;
	}
}

static int setup(void **state)
{
	host_machine(64UL << 20, CPUS);
	host_set_time(MILLISECS(1));
	memset(probes, 0, sizeof(probes));
	for (unsigned i = 0; i < NR_TIMERS; i++) {
		probes[i].cpu = i % CPUS;
		timer_init(&probes[i].timer, fired, &probes[i], probes[i].cpu);
	}
	return 0;
}

static void run_all(void)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		last_fired[cpu] = 0;
		host_run_softirqs(cpu);
	}
}

static void arm(unsigned i, stime_t t)
{
	if (!probes[i].dead) {
		probes[i].active = true;
		probes[i].expires = t;
	}
	timer_set(&probes[i].timer, t);
}

static void test_past_fires_at_once(void **state)
{
	arm(0, 5);
	assert_true(pcpu_get(0)->arch.timer_deadline <= now());
	run_all();
	assert_int_equal(probes[0].fired, 1);
	assert_false(timer_active(&probes[0].timer));
}

/* The hardware is told only when the earliest time changes, and "none" when nothing is due. */
static void test_programming(void **state)
{
	int64_t *hw = &pcpu_get(0)->arch.timer_deadline;

	arm(0, MILLISECS(10));
	assert_int_equal(*hw, MILLISECS(10));
	*hw = -1;
	arm(4, MILLISECS(20)); /* CPU 0 too, later */
	assert_int_equal(*hw, -1);
	arm(4, MILLISECS(5));
	assert_int_equal(*hw, MILLISECS(5));
	timer_stop(&probes[4].timer);
	assert_int_equal(*hw, MILLISECS(10));
	timer_stop(&probes[0].timer);
	assert_int_equal(*hw, STIME_MAX);
}

static void test_remote_set_kicks(void **state)
{
	unsigned kicks = pcpu_get(1)->arch.kicks;

	host_set_cpu(0);
	arm(1, MILLISECS(10));
	assert_int_equal(pcpu_get(1)->arch.kicks, kicks + 1);
	host_run_softirqs(1);
	assert_int_equal(pcpu_get(1)->arch.timer_deadline, MILLISECS(10));
	host_set_time(MILLISECS(10));
	host_run_softirqs(1);
	assert_int_equal(probes[1].fired, 1);
	assert_int_equal(probes[1].last_cpu, 1);
}

static void test_kill_is_final(void **state)
{
	arm(0, MILLISECS(2));
	timer_kill(&probes[0].timer);
	timer_set(&probes[0].timer, MILLISECS(3));
	assert_false(timer_active(&probes[0].timer));
	host_set_time(MILLISECS(4));
	run_all();
	assert_int_equal(probes[0].fired, 0);
}

static void test_callbacks_act_on_themselves(void **state)
{
	probes[0].action = 1;
	probes[1].action = 2;
	probes[2].action = 3;
	for (unsigned i = 0; i < 3; i++)
		arm(i, MILLISECS(2));
	for (unsigned i = 0; i < 100; i++) {
		host_advance(MICROSECS(20));
		run_all();
		if (i == 60)
			assert_true(probes[0].fired > 5);
	}
	assert_int_equal(probes[1].fired, 1);
	assert_true(probes[2].fired > 10);
	assert_true(timer_active(&probes[0].timer));
	timer_set(&probes[1].timer, now());
	assert_false(timer_active(&probes[1].timer));
}

/* A model that is a plain array: after each random step the same timers are active, and after each pass none that is due is left. */
static void test_model(void **state)
{
	srand(7);
	for (unsigned step = 0; step < 60000; step++) {
		unsigned i = (unsigned)rand() % NR_TIMERS;
		struct probe *p = &probes[i];

		host_set_cpu((unsigned)rand() % CPUS);
		p->action = rand() % 20 ? 0 : (unsigned)rand() % 2 * 3;
		switch (rand() % 8) {
		case 0 ... 3:
			arm(i, now() + rand() % 100000 - 2000);
			break;
		case 4:
			timer_stop(&p->timer);
			p->active = false;
			break;
		case 5:
			p->cpu = (unsigned)rand() % CPUS;
			timer_migrate(&p->timer, p->cpu);
			break;
		default:
			host_advance(rand() % 5000);
			run_all();
			for (unsigned k = 0; k < NR_TIMERS; k++)
				assert_false(probes[k].active && probes[k].expires <= now());
		}
		assert_int_equal(timer_active(&p->timer), p->active);
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		stime_t first = STIME_MAX;

		host_run_softirqs(cpu);
		for (unsigned k = 0; k < NR_TIMERS; k++)
			if (probes[k].active && probes[k].cpu == cpu && probes[k].expires < first)
				first = probes[k].expires;
		/* The hardware fires no later than the earliest; earlier only once, to find nothing due. */
		assert_true(pcpu_get(cpu)->arch.timer_deadline <= first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_past_fires_at_once, setup),
		cmocka_unit_test_setup(test_programming, setup),
		cmocka_unit_test_setup(test_remote_set_kicks, setup),
		cmocka_unit_test_setup(test_kill_is_final, setup),
		cmocka_unit_test_setup(test_callbacks_act_on_themselves, setup),
		cmocka_unit_test_setup(test_model, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
