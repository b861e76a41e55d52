/*
 * What Hospes uses for a domain is counted and bounded. An enemy asks for all that its hypercalls can make Hospes allocate, until nothing more is to be had: it never
 * has more than the bound, each call says why it failed, its neighbour notices nothing, and when it is gone nothing is left.
 */
#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/hospes.h"
#include "abi/memory.h"
#include "control_test.h"
#include "hv/memory.h"

#define PORTS_MAX 131072u
#define GRANTED 8u
#define HOLE (1UL << 20) /* first of the enemy's gfns that nothing is at */

struct books {
	uint64_t heap, frames;
};

static struct books books_now(void)
{
	return (struct books){ heap_bytes_used(), mm_free_frames() };
}

static uint64_t had; /* what was in use when a bound was set */

/* The sum of the kinds is what is used, and within the bound, unless it was more before there was one. */
static void check(struct domain *d)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NR_OVERHEADS; i++)
		sum += d->overhead.kind[i];
	assert_int_equal(sum, d->overhead.used);
	if (d->overhead.max)
		assert_true(sum <= max_u64(d->overhead.max, had));
}

static long call(struct domain *d, unsigned nr, uint64_t cmd, void *arg, size_t size)
{
	long rc = call_arg(d->vcpu[0], nr, cmd, arg, size);

	check(d);
	return rc;
}

static struct domain *enemy_domain(void)
{
	return host_domain(7, 2, 64, 0);
}

static void set_max(struct domain *d, uint64_t bytes)
{
	struct hospes_overhead op = { .domid = d->id, .flags = HOSPES_OVERHEAD_set, .max = bytes };

	assert_int_equal(call_arg(tools->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_overhead, &op, sizeof(op)), 0);
	assert_int_equal(op.used, d->overhead.used);
	assert_int_equal(op.max, d->overhead.max);
	had = op.used;
}

/* Each of these asks until the answer is no, and returns that answer; 0: it was never no. */

static long all_ports(struct domain *d)
{
	struct evtchn_alloc_unbound u = { DOMID_SELF, 0, 0 };
	struct evtchn_init_control c = { .control_gfn = 6 };
	long rc = call(d, HC_event_channel_op, EVTCHNOP_init_control, &c, sizeof(c));

	for (unsigned i = 0; i < PORTS_MAX && rc == 0; i++)
		rc = call(d, HC_event_channel_op, EVTCHNOP_alloc_unbound, &u, sizeof(u));
	return rc;
}

static long table_frame(struct domain *d, uint64_t idx, uint64_t at)
{
	struct {
		uint16_t domid, size;
		uint32_t space;
		uint64_t idx, gpfn;
	} x = { DOMID_SELF, 0, XENMAPSPACE_grant_table, idx, at };

	return call(d, HC_memory_op, XENMEM_add_to_physmap, &x, sizeof(x));
}

static long all_grants(struct domain *d)
{
	struct gnttab_set_version s = { 2 };
	long rc = call(d, HC_grant_table_op, GNTTABOP_set_version, &s, sizeof(s));

	for (unsigned i = 0; rc == 0 && i < grant_max_frames(d, GRANT_FRAME_SHARED); i++)
		rc = table_frame(d, i, 16);
	return rc;
}

/* A mapping of the neighbour's page, as often as there are handles for it. */
static long all_mappings(struct domain *d)
{
	struct gnttab_map_grant_ref m;

	do {
		m = (struct gnttab_map_grant_ref){ 17 << PAGE_SHIFT, GNTMAP_device_map, 20, plain->id, 99, 0, 0 };
		assert_int_equal(call(d, HC_grant_table_op, GNTTABOP_map_grant_ref, &m, sizeof(m)), 0);
	} while (m.status == GNTST_okay);
	return m.status;
}

/* One page each in ever other gibibytes: tables and nothing else. */
static long all_tables(struct domain *d)
{
	struct {
		uint16_t domid, size;
		uint32_t space;
		uint64_t idx, gpfn;
	} x = { DOMID_SELF, 0, XENMAPSPACE_gmfn, 9, 0 };
	long rc = 0;

	for (uint64_t i = 1; rc == 0 && i < 1 << 14; i++) {
		x.gpfn = i << 18 | (i * 512 & 0x3ffff);
		rc = call(d, HC_memory_op, XENMEM_add_to_physmap, &x, sizeof(x));
		x.idx = x.gpfn;
		/* Something stays behind in each of them. */
		if (rc == 0) {
			struct gnttab_map_grant_ref m = { (x.gpfn + 1) << PAGE_SHIFT, GNTMAP_host_map, 20, plain->id };

			assert_int_equal(call(d, HC_grant_table_op, GNTTABOP_map_grant_ref, &m, sizeof(m)), 0);
		}
	}
	return rc;
}

static struct {
	const char *name;
	long (*use_up)(struct domain *d);
	long answer; /* at the bound */
} wishes[] = {
	{ "ports", all_ports, -ENOMEM },
	{ "grants", all_grants, -ENOMEM },
	{ "mappings", all_mappings, GNTST_no_space },
	{ "tables", all_tables, -ENOMEM },
};

static void test_enemy(void **state)
{
	/* Each kind may be the first to use the bound up, and the others then get nothing. */
	for (unsigned first = 0; first < ARRAY_SIZE(wishes); first++) {
		struct books before = books_now(), peak, neighbour;
		struct domain *d = enemy_domain();
		uint64_t base = d->overhead.used;

		neighbour = (struct books){ plain->overhead.used, plain->tot_pages };
		set_max(d, base + (256 << 10));
		for (unsigned i = 0; i < ARRAY_SIZE(wishes); i++) {
			unsigned n = (first + i) % ARRAY_SIZE(wishes);
			long rc = wishes[n].use_up(d);

			if (rc != wishes[n].answer)
				fail_msg("%s: %ld", wishes[n].name, rc);
		}
		assert_true(d->overhead.refused >= ARRAY_SIZE(wishes));
		/* Not by its own account alone: the machine has given no more. Slabs are a page at most for each class of size. */
		peak = books_now();
		assert_true(((before.frames - peak.frames - d->nr_frames) << PAGE_SHIFT) <=
			    d->overhead.max + (20 << PAGE_SHIFT));
		assert_true(peak.heap - before.heap <= d->overhead.max);
		/* What it has still works, and so does its neighbour, whose account is its own. */
		assert_int_equal(plain->overhead.used, neighbour.heap);
		assert_int_equal(plain->tot_pages, neighbour.frames);
		kill_domain(d);
		host_run_softirqs(0);
		assert_null(strstr(host_log(), "is gone"));
		assert_int_equal(books_now().heap, before.heap);
		assert_int_equal(books_now().frames, before.frames);
	}
}

/* The default lets a guest use each of its limits up, one at a time. */
static void test_default(void **state)
{
	static const struct {
		long (*use_up)(struct domain *d);
		long answer;
	} limits[] = {
		{ all_ports, -ENOSPC }, /* no more numbers, port 0 being nobody's */
		{ all_grants, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		struct domain *d = enemy_domain();

		assert_int_equal(d->overhead.max, overhead_default(d->max_pages));
		assert_int_equal(limits[i].use_up(d), limits[i].answer);
		assert_int_equal(d->overhead.refused, 0);
		kill_domain(d);
	}
	assert_int_equal(tools->overhead.max, 0);
}

static void test_call(void **state)
{
	struct hospes_overhead op = { .domid = plain->id };
	struct domain *d;

	assert_int_equal(call_arg(tools->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_overhead, &op, sizeof(op)), 0);
	assert_int_equal(op.used, plain->overhead.used);
	assert_int_equal(op.max, overhead_default(plain->max_pages));
	assert_int_equal(op.kind[HOSPES_OVERHEAD_map], plain->p2m.nr_tables << PAGE_SHIFT);
	assert_true(op.kind[HOSPES_OVERHEAD_state] && op.kind[HOSPES_OVERHEAD_events] &&
		    op.kind[HOSPES_OVERHEAD_grants]);
	/* A bound that was set stays when the domain's memory changes, the default follows it. */
	set_max(plain, 1 << 20);
	domain_set_max_pages(plain, 1 << 20);
	assert_int_equal(plain->overhead.max, 1 << 20);
	set_max(plain, HOSPES_OVERHEAD_DEFAULT);
	assert_int_equal(plain->overhead.max, overhead_default(1 << 20));
	assert_int_equal(overhead_default(1 << 20) - overhead_default(0), 64 << 20);
	op.flags = 2;
	assert_int_equal(call_arg(tools->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_overhead, &op, sizeof(op)), -EINVAL);
	op = (struct hospes_overhead){ .domid = 99 };
	assert_int_equal(call_arg(tools->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_overhead, &op, sizeof(op)), -ESRCH);
	op = (struct hospes_overhead){ .domid = plain->id };
	assert_int_equal(call_arg(plain->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_overhead, &op, sizeof(op)), -ENOSYS);
	/* A bound below what is in use is no reason to lose anything, only to get nothing more. */
	d = enemy_domain();
	set_max(d, 1);
	assert_int_equal(all_grants(d), -ENOMEM);
	kill_domain(d);
}

static int setup(void **state)
{
	struct grant_entry_v1 *e;

	control_setup(NULL);
	assert_int_equal(physmap_add(plain, XENMAPSPACE_grant_table, 0, gfn(40)), 0);
	e = gpa_ptr(plain, 40 << PAGE_SHIFT);
	e[20] = (struct grant_entry_v1){ GTF_permit_access, 7, 5 };
	return 0;
}

/* A bound holds while the domain is made: whatever it is too small for, nothing of the domain is left. */
static void test_bound_while_made(void **state)
{
	struct domain_config cfg = { .domid = 40, .name = "bounded", .max_vcpus = 2, .max_pages = 64 };
	uint64_t heap = 0, frames = 0;
	unsigned refused = 0;
	struct domain *d;

	cfg.overhead_max = 64;
	while (domain_create(&cfg, &d) == -ENOMEM) {
		assert_null(domain_get_by_id(40));
		if (refused++) {
			assert_int_equal(heap_bytes_used(), heap);
			assert_int_equal(mm_free_frames(), frames);
		}
		heap = heap_bytes_used();
		frames = mm_free_frames();
		cfg.overhead_max += 64;
		assert_true(cfg.overhead_max < 1 << 20);
	}
	assert_true(refused > 100);
	assert_in_range(d->overhead.used, cfg.overhead_max - 63, cfg.overhead_max);
	kill_domain(d);
	assert_int_equal(mm_free_frames(), frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_enemy, setup),
		cmocka_unit_test_setup(test_default, setup),
		cmocka_unit_test_setup(test_call, setup),
		cmocka_unit_test_setup(test_bound_while_made, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
