/*
 * Domains and vCPUs: limits, the table, references, pausing, every way to end, destruction in slices; nothing is left behind by
 * destruction, nor by a creation that fails at any of its allocations.
 */
#include <stdio.h>

#include "guest_test.h"

#include "abi/xen.h"
#include "hv/console.h"
#include "hv/sched.h"
#include "hv/task.h"

#define HOARD 20000u

static struct {
	void *page[HOARD];
	unsigned nr_pages;
	void *object[1u << 16];
	unsigned nr_objects;
} hoard;

static int setup(void **state)
{
	host_machine(RAM, 2);
	host_set_time(MILLISECS(1));
	host_log();
	return 0;
}

static struct domain *create(domid_t id, unsigned vcpus)
{
	struct domain_config cfg = { .domid = id, .max_vcpus = vcpus, .max_pages = 64 };
	struct domain *d;

	assert_int_equal(domain_create(&cfg, &d), 0);
	return d;
}

/* Let CPU @cpu do what its loop would. */
static void cpu_react(unsigned cpu)
{
	host_set_cpu(cpu);
	host_run_softirqs(cpu);
	if (this_pcpu()->softirqs & (1u << SOFTIRQ_SCHED))
		schedule();
	host_set_cpu(0);
}

static void test_limits(void **state)
{
	struct domain_config cfg = { .domid = 1, .max_vcpus = 1 };
	struct domain *d, *e;

	cfg.max_vcpus = 0;
	assert_int_equal(domain_create(&cfg, &d), -EINVAL);
	cfg.max_vcpus = DOMAIN_MAX_VCPUS + 1;
	assert_int_equal(domain_create(&cfg, &d), -EINVAL);
	cfg.max_vcpus = 1;
	cfg.domid = DOMID_SELF;
	assert_int_equal(domain_create(&cfg, &d), -EINVAL);
	cfg.domid = 1;
	cfg.roles = ROLE_ALL + 1;
	assert_int_equal(domain_create(&cfg, &d), -EINVAL);
	cfg.roles = 0;
	assert_int_equal(domain_create(&cfg, &d), 0);
	assert_int_equal(domain_create(&cfg, &e), -EEXIST);
	cfg.domid = DOMID_INVALID;
	assert_int_equal(domain_create(&cfg, &e), 0);
	assert_int_equal(e->id, 2);
	assert_int_equal(vcpu_create(d, 1), -EINVAL);
	assert_int_equal(vcpu_create(d, 0), 0);
	assert_int_equal(vcpu_create(d, 0), -EEXIST);
	kill_domain(d);
	kill_domain(e);
}

static void test_new_domain(void **state)
{
	struct domain *d = create(3, 40);

	assert_int_equal(d->pause_count, 1);
	assert_int_equal(d->controller_pause_count, 1);
	assert_non_null(d->shared_info);
	assert_int_equal(d->tot_pages, 0);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(vcpu_create(d, i), 0);
		assert_int_equal(d->vcpu[i]->pause_flags, VPF_DOWN);
		assert_false(vcpu_runnable(d->vcpu[i]));
		if (i < XEN_LEGACY_MAX_VCPUS)
			assert_ptr_equal(d->vcpu[i]->vcpu_info, (uint8_t *)d->shared_info + 64 * i);
		else
			assert_null(d->vcpu[i]->vcpu_info);
	}
	kill_domain(d);
}

static void test_table(void **state)
{
	static const domid_t ids[] = { 0, 1, 2, 511, 512, 513, 5000, 0x7fef };
	struct domain *d;
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		create(ids[ARRAY_SIZE(ids) - 1 - i], 1);
	for (domid_t from = 0; (d = domain_next(from)); n++) {
		assert_int_equal(d->id, ids[n]);
		from = (domid_t)(d->id + 1);
		domain_put(d);
	}
	assert_int_equal(n, ARRAY_SIZE(ids));
	assert_null(domain_get_by_id(3));
	assert_null(domain_get_by_id(6000));
	assert_null(domain_get_by_id(DOMID_SELF));
	assert_null(domain_get_by_id(0xffff));
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		d = domain_get_by_id(ids[i]);
		assert_int_equal(d->id, ids[i]);
		kill_domain(d);
		assert_true(d->dead);
		domain_put(d);
		assert_null(domain_get_by_id(ids[i]));
	}
}

static void test_nothing_is_left(void **state)
{
	uint64_t bytes = heap_bytes_used(), frames = mm_free_frames();

	for (unsigned round = 0; round < 20; round++) {
		struct domain *d = host_domain(1, 1 + round, 100, 0);

		timer_set(&d->vcpu[0]->singleshot_timer, now() + 1000);
		host_advance(100);
		kill_domain(d);
		assert_null(domain_get_by_id(1));
		assert_int_equal(heap_bytes_used(), bytes);
		assert_int_equal(mm_free_frames(), frames);
	}
}

/* However many came and went, what knows them is no larger: ids go up meanwhile, past those that are taken. */
static void test_many_come_and_go(void **state)
{
	uint64_t bytes, frames;

	create(700, 1);
	kill_domain(host_domain(1, 1, 4, 0));
	bytes = heap_bytes_used();
	frames = mm_free_frames();
	for (unsigned i = 0; i < 1500; i++) {
		struct domain *d = create(DOMID_INVALID, 1);

		assert_int_equal(d->id, i + 1 < 700 ? i + 1 : i + 2);
		frame_put(alloc_frames(d, 0, 0));
		kill_domain(d);
	}
	assert_int_equal(heap_bytes_used(), bytes);
	assert_int_equal(mm_free_frames(), frames);
}

/* Take all pages, and every object that fits into the slabs there are. */
static void take_everything(void)
{
	static const size_t sizes[] = { 16, 32, 48, 64, 96, 128, 192, 256, 336, 448, 576, 800, 1344, 2016 };
	void *p;

	while (hoard.nr_pages < HOARD && (p = alloc_page()))
		hoard.page[hoard.nr_pages++] = p;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		while ((p = xzalloc_bytes(sizes[i])))
			hoard.object[hoard.nr_objects++] = p;
}

static void give_pages(unsigned nr)
{
	while (nr-- && hoard.nr_pages)
		free_page(hoard.page[--hoard.nr_pages]);
}

static void give_everything(void)
{
	while (hoard.nr_objects)
		xfree(hoard.object[--hoard.nr_objects]);
	give_pages(HOARD);
}

/* With one page more each time, creation gets one allocation further before it fails, until it succeeds. */
static void test_create_without_memory(void **state)
{
	struct domain_config cfg = { .domid = 1, .max_vcpus = 8, .max_pages = 64 };
	unsigned left, failed = 0;
	struct domain *d;
	int rc = -ENOMEM;

	for (left = 0; rc && left < 200; left++) {
		uint64_t bytes, frames;

		take_everything();
		give_pages(left);
		bytes = heap_bytes_used();
		frames = mm_free_frames();
		rc = domain_create(&cfg, &d);
		if (rc) {
			failed++;
			assert_int_equal(rc, -ENOMEM);
			assert_null(domain_get_by_id(1));
			assert_int_equal(heap_bytes_used(), bytes);
			assert_int_equal(mm_free_frames(), frames);
		} else {
			kill_domain(d);
			assert_int_equal(heap_bytes_used(), bytes);
			assert_int_equal(mm_free_frames(), frames);
		}
		give_everything();
	}
	assert_int_equal(rc, 0);
	assert_true(failed >= 6);
}

/* All objects of @size that there is room for without a new page, chained. */
static void *take_objects(size_t size)
{
	void *chain = NULL, **p;

	while ((p = heap_alloc(size, "hoard"))) {
		*p = chain;
		chain = p;
	}
	return chain;
}

static void give_objects(void *chain)
{
	while (chain) {
		void *next = *(void **)chain;

		xfree(chain);
		chain = next;
	}
}

static void test_vcpu_without_memory(void **state)
{
	struct domain *d = create(1, 1);
	unsigned failed = 0;
	int rc = -ENOMEM;

	for (unsigned left = 0; rc && left < 50; left++) {
		void *vcpus, *units;
		uint64_t bytes, frames;

		/* Each object needs a page of its own, whatever else is of its size. */
		take_everything();
		vcpus = take_objects(sizeof(struct vcpu));
		units = take_objects(sizeof(struct sched_unit));
		give_pages(left);
		bytes = heap_bytes_used();
		frames = mm_free_frames();
		rc = vcpu_create(d, 0);
		if (rc) {
			failed++;
			assert_int_equal(rc, -ENOMEM);
			assert_null(d->vcpu[0]);
			assert_int_equal(heap_bytes_used(), bytes);
			assert_int_equal(mm_free_frames(), frames);
		}
		give_objects(vcpus);
		give_objects(units);
		give_everything();
	}
	assert_int_equal(rc, 0);
	assert_true(failed >= 2);
	kill_domain(d);
}

/* A page that somebody else still uses keeps its dead domain in the table, and nothing else of it. */
static void test_zombie(void **state)
{
	uint64_t frames = mm_free_frames(), bytes = heap_bytes_used();
	struct domain *d = host_domain(1, 2, 50, 0), *z;
	struct frame *f = p2m_get_frame(d, gfn(7), true);

	assert_non_null(f);
	kill_domain(d);
	z = domain_get_by_id(1);
	assert_ptr_equal(z, d);
	assert_true(z->dying && z->dead);
	assert_int_equal(z->nr_frames, 1);
	assert_int_equal(domain_kill(z), 0); /* again: nothing happens */
	assert_int_equal(vcpu_create(z, 1), -EEXIST);
	assert_null(alloc_frames(z, 0, 0));
	domain_put(z);
	frame_put(f);
	assert_null(domain_get_by_id(1));
	assert_int_equal(mm_free_frames(), frames);
	assert_int_equal(heap_bytes_used(), bytes);
}

/* A running vCPU is stopped first; destruction comes back until its state is off the CPU. */
static void test_kill_running(void **state)
{
	struct domain *d = host_domain(1, 1, 4, 0);
	struct vcpu *v = d->vcpu[0];

	for (unsigned cpu = 0; cpu < 2; cpu++)
		cpu_react(cpu);
	assert_true(v->running);
	assert_int_equal(domain_kill(d), -ERESTART);
	assert_int_equal(domain_kill(d), -ERESTART);
	assert_true(d->dying);
	cpu_react(v->processor);
	kill_domain(d);
	assert_null(domain_get_by_id(1));
}

/* Work that waits for the CPU interrupts the giving back of pages, which then goes on where it was. */
static void test_kill_in_slices(void **state)
{
	struct domain *d = host_domain(1, 1, 1000, 0);
	unsigned slices = 0;
	int rc;

	softirq_raise(0, SOFTIRQ_TASK);
	while ((rc = domain_kill(d)) == -ERESTART)
		slices++;
	assert_int_equal(rc, 0);
	assert_true(slices >= 2);
	host_run_softirqs(0);
	assert_null(domain_get_by_id(1));
}

static void test_kill_later(void **state)
{
	struct domain *d = host_domain(1, 1, 300, 0);

	host_set_cpu(1);
	domain_kill_later(d);
	domain_kill_later(d);
	assert_non_null(domain_get_by_id(1));
	domain_put(d);
	for (unsigned i = 0; i < 100; i++)
		for (unsigned cpu = 0; cpu < 2; cpu++)
			cpu_react(cpu);
	assert_null(domain_get_by_id(1));
}

static unsigned rounds;
static struct task endless;

static void go_on(void *data)
{
	rounds++;
	task_queue(data);
}

static bool task_pending(void)
{
	return this_pcpu()->softirqs & 1u << SOFTIRQ_TASK;
}

/* No guest is entered while a softirq is pending: work in slices leaves time without one, if there is a guest. */
static void test_tasks_take_turns(void **state)
{
	struct domain *d = host_domain(1, 1, 16, 0);

	no_softirqs();
	rounds = 0;
	task_init(&endless, go_on, &endless, 0);
	task_queue(&endless);
	host_run_softirqs(0);
	assert_int_equal(rounds, 1);
	assert_true(task_pending()); /* nobody to be entered */
	this_pcpu()->current = d->vcpu[0];
	for (unsigned i = 2; i < 10; i++) {
		host_run_softirqs(0);
		assert_int_equal(rounds, i);
		assert_false(task_pending());
		host_run_softirqs(0);
		assert_int_equal(rounds, i);
		host_advance(MILLISECS(1));
	}
	this_pcpu()->current = NULL;
	host_run_softirqs(0);
	assert_true(task_pending());
	kill_domain(d);
}

static unsigned turns;

static void until_its_turn_is_over(void *data)
{
	for (turns = 0; turns < 100 && !hypercall_preempt_check(); turns++) {
		host_advance(MICROSECS(100));
		if (arch_this_pcpu()->arch.timer_deadline <= now())
			softirq_raise(0, SOFTIRQ_TIMER);
	}
	task_queue(data);
}

/* And a slice ends although nothing else happens. */
static void test_turns_end(void **state)
{
	struct domain *d = host_domain(1, 1, 16, 0);

	no_softirqs();
	this_pcpu()->current = d->vcpu[0];
	task_init(&endless, until_its_turn_is_over, &endless, 0);
	task_queue(&endless);
	host_run_softirqs(0);
	assert_int_equal(turns, 10);
	this_pcpu()->current = NULL;
	kill_domain(d);
}

static uint64_t queues;

static void count_queue(const char *what, uint64_t objects, uint64_t bytes)
{
	if (!strcmp(what, "struct console_queue"))
		queues += objects;
}

static uint64_t console_queues(void)
{
	queues = 0;
	heap_account(count_queue);
	return queues;
}

/* Who has looked a domain up to give it what was typed finds its queue, even if another CPU destroys the domain just then. */
static void test_typed_into_the_dead(void **state)
{
	struct domain *d = host_domain(1, 1, 16, ROLE_CONSOLE);

	assert_int_equal(console_io_attach(d), 0);
	assert_int_equal(console_queues(), 1);
	assert_true(domain_get(d));
	kill_domain(d);
	assert_int_equal(console_queues(), 1);
	domain_put(d);
	assert_int_equal(console_queues(), 0);
}

static void test_pause_nests(void **state)
{
	struct domain *d = host_domain(1, 2, 4, 0);

	domain_pause_sync(d);
	domain_pause_nosync(d);
	assert_false(vcpu_runnable(d->vcpu[1]));
	domain_unpause(d);
	assert_false(vcpu_runnable(d->vcpu[1]));
	domain_unpause(d);
	assert_true(vcpu_runnable(d->vcpu[1]));
	kill_domain(d);
}

/* The first reason counts; the domain has ended when its last vCPU is off its CPU, and may be resumed. */
static void test_shutdown(void **state)
{
	struct domain *d = host_domain(1, 2, 4, 0);

	for (unsigned i = 0; i < 4; i++)
		cpu_react(i % 2);
	assert_true(d->vcpu[0]->running && d->vcpu[1]->running);
	host_set_cpu(d->vcpu[0]->processor);
	domain_shutdown(d, SHUTDOWN_SUSPEND); /* from its own vCPU */
	domain_shutdown(d, SHUTDOWN_CRASH);
	assert_true(d->shutting_down);
	assert_false(d->is_shut_down);
	cpu_react(0);
	assert_false(d->is_shut_down);
	cpu_react(1);
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, SHUTDOWN_SUSPEND);
	assert_int_equal(domain_resume(d), 0);
	assert_int_equal(domain_resume(d), -EINVAL);
	for (unsigned i = 0; i < 4; i++)
		cpu_react(i % 2);
	assert_true(d->vcpu[0]->running && d->vcpu[1]->running);
	domain_shutdown(d, SHUTDOWN_POWEROFF);
	for (unsigned i = 0; i < 2; i++)
		cpu_react(i);
	assert_int_equal(d->shutdown_code, SHUTDOWN_POWEROFF);
	kill_domain(d);
}

/* A controller hears of the end of other domains. */
static void test_controller_hears(void **state)
{
	struct domain *c = host_domain(0, 1, 4, ROLE_CONTROL);
	struct domain *d = host_domain(1, 1, 4, 0);
	struct {
		uint32_t virq, vcpu, port;
	} bind = { VIRQ_DOM_EXC, 0, 0 };

	assert_int_equal(call_arg(c->vcpu[0], HC_event_channel_op, 1, &bind, sizeof(bind)), 0);
	assert_int_equal(evtchn_port_pending(c, bind.port), 0);
	domain_shutdown(d, SHUTDOWN_REBOOT);
	assert_true(d->is_shut_down);
	assert_int_equal(evtchn_port_pending(c, bind.port), 1);
	kill_domain(d);
	kill_domain(c);
}

static void test_crash_says_why(void **state)
{
	struct domain *d = host_domain(1, 1, 4, 0);
	const char *text;

	domain_crash(d, "bad %s at %#x", "thing", 0x123);
	domain_crash(d, "again");
	text = host_log();
	assert_non_null(strstr(text, "d1 crashed: bad thing at 0x123"));
	assert_null(strstr(text, "again"));
	assert_int_equal(d->shutdown_code, SHUTDOWN_CRASH);
	kill_domain(d);
}

/* Gone is gone: a reference cannot be taken once the last one was dropped, and many may be taken before. */
static void test_references(void **state)
{
	struct domain *d = create(1, 1);

	for (unsigned i = 0; i < 100; i++)
		assert_true(domain_get(d));
	kill_domain(d);
	for (unsigned i = 0; i < 99; i++)
		domain_put(d);
	assert_int_equal(d->refs, 1);
	domain_put(d);
	assert_null(domain_get_by_id(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_limits, setup),
		cmocka_unit_test_setup(test_new_domain, setup),
		cmocka_unit_test_setup(test_table, setup),
		cmocka_unit_test_setup(test_nothing_is_left, setup),
		cmocka_unit_test_setup(test_many_come_and_go, setup),
		cmocka_unit_test_setup(test_create_without_memory, setup),
		cmocka_unit_test_setup(test_vcpu_without_memory, setup),
		cmocka_unit_test_setup(test_zombie, setup),
		cmocka_unit_test_setup(test_kill_running, setup),
		cmocka_unit_test_setup(test_kill_in_slices, setup),
		cmocka_unit_test_setup(test_kill_later, setup),
		cmocka_unit_test_setup(test_tasks_take_turns, setup),
		cmocka_unit_test_setup(test_turns_end, setup),
		cmocka_unit_test_setup(test_typed_into_the_dead, setup),
		cmocka_unit_test_setup(test_pause_nests, setup),
		cmocka_unit_test_setup(test_shutdown, setup),
		cmocka_unit_test_setup(test_controller_hears, setup),
		cmocka_unit_test_setup(test_crash_says_why, setup),
		cmocka_unit_test_setup(test_references, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
