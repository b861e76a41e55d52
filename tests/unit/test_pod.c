/*
 * Memory populated on demand: a domain started with less than its map shows. What is touched is backed, what is given back untouched or touched keeps the
 * promise right, the sum never exceeds the target, and all of it returns in the end.
 */
#include "abi/domctl.h"
#include "abi/memory.h"
#include "guest_test.h"
#include "hv/boot.h"

#include <pthread.h>

#include "hv/p2m.h"

#define SHOWN 4096UL  /* pages the map shows, from gfn 1024 on */
#define TARGET 2048UL /* pages it may have at first */
#define FIRST 1024UL

static struct domain *dom0, *d;
static struct vcpu *v;
static uint64_t free_before;

static long pod_target(uint64_t pages, struct xen_pod_target *out)
{
	*out = (struct xen_pod_target){ .target_pages = pages, .domid = 1 };
	return call_arg(v, HC_memory_op, XENMEM_set_pod_target, out, sizeof(*out));
}

/* One extent of @who at @g; @op of memory_op. */
static long extent(struct vcpu *who, unsigned op, uint16_t domid, uint64_t g, uint32_t order, uint32_t flags)
{
	struct xen_memory_reservation r = { ARG + 64, 1, order, flags, domid };

	memcpy(gpa_ptr(who->domain, ARG + 64), &g, sizeof(g));
	return call_arg(who, HC_memory_op, op, &r, sizeof(r));
}

static enum p2m_type type_at(uint64_t g)
{
	enum p2m_type t;

	(void)p2m_lookup(d, gfn(g), &t, NULL);
	return t;
}

static uint8_t *page(uint64_t nr)
{
	return gpa_ptr(d, (FIRST + nr) << PAGE_SHIFT);
}

static int setup(void **state)
{
	struct xen_pod_target t;

	host_machine(RAM, 2);
	dom0 = host_domain(0, 1, 16, ROLE_ALL);
	frame_put(alloc_frames(dom0, 0, 0));
	v = dom0->vcpu[0];
	free_before = mm_free_frames();
	d = host_domain(1, 2, 0, 0);
	d->max_pages = TARGET + 64;
	assert_int_equal(pod_target(TARGET, &t), 0);
	assert_int_equal(t.tot_pages, TARGET);
	assert_int_equal(t.pod_cache_pages, TARGET);
	for (uint64_t g = 0; g < SHOWN; g += 512)
		assert_int_equal(extent(v, XENMEM_populate_physmap, 1, FIRST + g, 9, XENMEMF_populate_on_demand), 1);
	/* A few that count at once: the domain's own, for its arguments. */
	for (uint64_t g = 0; g < 4; g++) {
		assert_int_equal(extent(v, XENMEM_populate_physmap, 1, g, 0, 0), 1);
		((uint8_t *)gpa_ptr(d, g << PAGE_SHIFT))[PAGE_SIZE - 1] = 1;
	}
	assert_int_equal(d->pod_entries, SHOWN);
	return 0;
}

static int teardown(void **state)
{
	kill_domain(d);
	assert_int_equal(mm_free_frames(), free_before);
	return 0;
}

/* A vCPU touches page @nr, until there is an answer. */
static int touch(uint64_t nr)
{
	int rc;

	do
		rc = p2m_touch_pod(d, gfn(FIRST + nr));
	while (rc == -EAGAIN);
	return rc;
}

static void check_sums(void)
{
	assert_true(d->pod_cache <= d->pod_entries);
	assert_true(d->pod_cache <= d->claim);
	assert_true(d->tot_pages + d->pod_cache <= d->max_pages);
}

static void test_touch(void **state)
{
	uint64_t x = 0;
	unsigned order;

	assert_int_equal(d->tot_pages, 4);
	assert_int_equal(type_at(FIRST + 77), P2M_POD);
	assert_int_equal(copy_from_gpa(d, &x, (FIRST + 77) << PAGE_SHIFT, 8), 0);
	assert_int_equal(x, 0);
	/* In one piece of two megabytes. */
	assert_int_equal(type_at(FIRST), P2M_RAM_RW);
	(void)p2m_lookup(d, gfn(FIRST), NULL, &order);
	assert_int_equal(order, ORDER_2M);
	assert_int_equal(d->tot_pages, 4 + 512);
	assert_int_equal(d->pod_cache, TARGET - 512);
	assert_int_equal(d->pod_entries, SHOWN - 512);
	/* Now it has less than half of what it shows: page by page. */
	assert_int_equal(touch(1024), 0);
	(void)p2m_lookup(d, gfn(FIRST + 1024), NULL, &order);
	assert_int_equal(order, 0);
	assert_int_equal(d->tot_pages, 4 + 513);
	/* A page split off by a hole is backed alone, and so are its neighbours. */
	assert_int_equal(extent(d->vcpu[0], XENMEM_decrease_reservation, DOMID_SELF, FIRST + 600, 0, 0), 1);
	assert_int_equal(type_at(FIRST + 600), P2M_INVALID);
	assert_int_equal(touch(601), 0);
	assert_int_equal(type_at(FIRST + 601), P2M_RAM_RW);
	assert_int_equal(type_at(FIRST + 602), P2M_POD);
	assert_int_equal(d->tot_pages, 4 + 514);
	check_sums();
}

/* Beyond what is promised nothing more can be touched, until something is given back. */
static void test_used_up(void **state)
{
	struct xen_pod_target t;

	for (uint64_t g = 0; g < TARGET; g++) {
		assert_int_equal(touch(g), 0);
		page(g)[0] = 1;
	}
	assert_int_equal(d->pod_cache, 0);
	assert_int_equal(touch(TARGET), -ENOMEM);
	assert_null(p2m_get_frame(d, gfn(FIRST + TARGET), false));
	assert_int_equal(copy_to_gpa(d, (FIRST + TARGET) << PAGE_SHIFT, "x", 1), -EFAULT);
	/* A touched page given back is there for another. */
	assert_int_equal(extent(d->vcpu[0], XENMEM_decrease_reservation, DOMID_SELF, FIRST + 9, 0, 0), 1);
	assert_int_equal(d->pod_cache, 1);
	assert_int_equal(touch(TARGET), 0);
	assert_int_equal(d->pod_cache, 0);
	/* Untouched ones given back: the balloon reaches the target, and no entry is left in the end. */
	for (uint64_t g = TARGET + 1; g < SHOWN; g++)
		assert_int_equal(extent(d->vcpu[0], XENMEM_decrease_reservation, DOMID_SELF, FIRST + g, 0, 0), 1);
	assert_int_equal(d->pod_entries, 0);
	assert_int_equal(d->tot_pages, TARGET + 4);
	/* From now on it is a domain like others. */
	assert_int_equal(pod_target(TARGET + 50, &t), 0);
	assert_int_equal(t.pod_cache_pages, 0);
	assert_int_equal(extent(d->vcpu[0], XENMEM_decrease_reservation, DOMID_SELF, FIRST + 10, 0, 0), 1);
	assert_int_equal(d->pod_cache, 0);
	assert_int_equal(d->tot_pages, TARGET + 3);
}

/* A kernel clears all its memory before its balloon works: pages of zeroes are taken back for others, all others stay as they are. */
static void test_zeroes(void **state)
{
	struct frame *held;
	uint64_t last;

	for (uint64_t g = 0; g < TARGET; g++) {
		assert_int_equal(touch(g), 0);
		if (g % 3 == 0)
			page(g)[g % PAGE_SIZE] = (uint8_t)(g | 1);
	}
	assert_int_equal(d->pod_cache, 0);
	/* Somebody refers to this one. */
	held = p2m_get_frame(d, gfn(FIRST + 1), true);
	assert_non_null(held);
	for (uint64_t g = TARGET; g < TARGET + TARGET / 2; g++) {
		uint8_t *p;

		assert_int_equal(touch(g), 0);
		check_sums();
		p = page(g);
		for (unsigned i = 0; i < PAGE_SIZE; i += 8)
			assert_int_equal(p[i], 0);
		p[0] = 1;
	}
	for (uint64_t g = 0; g < TARGET; g += 3)
		assert_int_equal(page(g)[g % PAGE_SIZE], (uint8_t)(g | 1));
	assert_int_equal(type_at(FIRST + 1), P2M_RAM_RW);
	frame_put(held);
	assert_int_equal(d->tot_pages + d->pod_cache, TARGET + 4);
	/* All are taken back in the end, but for one of each large page; then it is over, until a page is cleared again. */
	for (last = TARGET + TARGET / 2; touch(last) == 0; last++) {
		page(last)[0] = 1;
		assert_true(last < SHOWN - 2);
	}
	assert_true(last >= TARGET + TARGET * 2 / 3 - TARGET / 512 - 2);
	page(2001)[2001] = 0;
	assert_true(type_at(FIRST + SHOWN - 1) == P2M_POD);
	assert_int_equal(touch(SHOWN - 1), 0);
	assert_int_equal(type_at(FIRST + 2001), P2M_POD);
}

/* The search for a page of zeroes is not the time of others: who copies for the domain gives up soon, and its own touch gives way to what waits. */
static void test_search_is_bounded(void **state)
{
	uint64_t last = SHOWN - 64; /* passed: what comes next is still a page that was touched */

	for (uint64_t g = 0; g < TARGET; g++) {
		assert_int_equal(p2m_populate_pod(d, gfn(FIRST + g)), 0);
		page(g)[PAGE_SIZE - 1] = 1;
	}
	/* What is untouched lies above and is passed at once. */
	assert_null(p2m_get_frame(d, gfn(FIRST + SHOWN - 1), false));
	assert_in_range(d->pod_swept, SHOWN - TARGET + 1, SHOWN - TARGET + 1024);
	softirq_raise(0, SOFTIRQ_TASK);
	while (d->pod_swept < last) {
		uint64_t before = d->pod_swept;

		assert_int_equal(p2m_touch_pod(d, gfn(FIRST + SHOWN - 1)), -EAGAIN);
		assert_in_range(d->pod_swept, before + 1, before + 64);
	}
	assert_int_equal(touch(SHOWN - 1), -ENOMEM);
	host_run_softirqs(0);
}

static void test_targets(void **state)
{
	struct xen_pod_target t;

	assert_int_equal(pod_target(100, &t), 0); /* less than it has: the guest's to do */
	assert_int_equal(t.tot_pages, TARGET + 4);
	assert_int_equal(pod_target(TARGET + 64, &t), 0);
	assert_int_equal(t.tot_pages, TARGET + 64);
	d->max_pages = 1UL << 30;
	assert_int_equal(pod_target(1UL << 29, &t), 0); /* never more than can be touched */
	assert_int_equal(t.pod_cache_pages, SHOWN);
	assert_int_equal(extent(v, XENMEM_populate_physmap, 1, FIRST, 9, XENMEMF_populate_on_demand), 0);
	assert_int_equal(extent(v, XENMEM_populate_physmap, 1, FIRST + SHOWN + 1, 9, XENMEMF_populate_on_demand), 0);
	/* A toolstack's claim stands beside the promise. */
	struct xen_memory_reservation r = { 0, d->tot_pages + SHOWN + 10, 0, 0, 1 };
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), 0);
	assert_int_equal(d->claim, SHOWN + 10);
	r.nr_extents = 0;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), 0);
	assert_int_equal(d->claim, SHOWN);
	assert_int_equal(d->pod_cache, SHOWN);
}

/* More is touched than there may be: the end of the domain, or, if asked for, a pause that ends with more memory. */
static void test_exhausted(void **state)
{
	struct xen_pod_target t;
	uint64_t g;

	for (g = 0; touch(g) == 0; g++)
		*page(g) = 1;
	param_parse("pod=pause");
	for (unsigned i = 0; i < 2; i++) {
		p2m_pod_exhausted(d->vcpu[i]);
		assert_int_equal(d->controller_pause_count, 1);
		assert_int_equal(d->pause_count, 1);
	}
	assert_false(d->shutting_down);
	assert_int_equal(pod_target(d->tot_pages + 8, &t), 0);
	d->controller_pause_count = 0; /* unpaused */
	domain_unpause(d);
	assert_int_equal(touch(g), 0);
	param_parse("");
	p2m_pod_exhausted(d->vcpu[0]);
	assert_true(d->shutting_down);
}

static void *unpauses(void *arg)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_unpausedomain,
				 .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
				 .domain = 1 };
	bool *stop = arg;

	host_set_cpu(1);
	memcpy(gpa_ptr(dom0, ARG), &op, sizeof(op));
	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE))
		(void)host_hypercall(v, HC_domctl, ARG, 0, 0, 0, 0);
	return NULL;
}

/* A toolstack that unpauses it at once, again and again: it never runs more often than it was stopped. */
static void test_exhausted_race(void **state)
{
	bool stop = false;
	pthread_t t;

	param_parse("pod=pause");
	assert_int_equal(pthread_create(&t, NULL, unpauses, &stop), 0);
	for (unsigned i = 0; i < 200000; i++)
		p2m_pod_exhausted(d->vcpu[0]);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(d->pause_count, d->controller_pause_count);
	param_parse("");
	host_run_softirqs(0);
}

/* With all other memory gone what was promised is still there. */
static void test_promise_holds(void **state)
{
	host_take_memory(0);
	for (uint64_t g = 0; g < TARGET; g++)
		if (touch(g))
			/* Only the want of a table page, which is no memory of the domain, may refuse a split. */
			assert_int_equal(type_at(FIRST + g), P2M_POD);
	host_give_back();
	for (uint64_t g = 0; g < TARGET; g++)
		assert_int_equal(touch(g), 0);
	assert_int_equal(d->tot_pages, TARGET + 4);
}

static void test_random(void **state)
{
	uint64_t rng = 88172645463325252UL;

	for (unsigned i = 0; i < 30000; i++) {
		uint64_t g;

		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		g = FIRST + rng % SHOWN;
		switch (rng >> 60 & 7) {
		case 0:
		case 1:
			if (p2m_touch_pod(d, gfn(g)) == 0)
				assert_int_not_equal(type_at(g), P2M_POD);
			break;
		case 2:
			(void)extent(d->vcpu[0], XENMEM_decrease_reservation, DOMID_SELF, g, 0, 0);
			break;
		case 3:
			(void)extent(d->vcpu[0], XENMEM_populate_physmap, DOMID_SELF, g, 0, 0);
			break;
		case 4: {
			struct frame *f = p2m_get_frame(d, gfn(g), true);

			if (f)
				frame_put(f);
			break;
		}
		default:
			(void)extent(d->vcpu[0], XENMEM_decrease_reservation, DOMID_SELF, g & ~3UL, 2, 0);
		}
		check_sums();
	}
	for (uint64_t g = FIRST, pods = 0;; g++) {
		if (g == FIRST + SHOWN) {
			assert_int_equal(pods, d->pod_entries);
			break;
		}
		pods += type_at(g) == P2M_POD;
	}
}

static void *toucher(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	host_set_cpu(me);
	for (uint64_t i = 0; i < 60000; i++) {
		uint64_t g = FIRST + (i * 37 + i / SHOWN * me) % SHOWN;
		struct frame *f = p2m_get_frame(d, gfn(g), true);

		if (f)
			frame_put(f);
		if (i % 3 == 0 && p2m_depopulate(d, gfn(g)) == 0)
			p2m_pod_trim(d);
	}
	return NULL;
}

static void test_race(void **state)
{
	pthread_t t[2];

	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, toucher, (void *)i);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	p2m_pod_trim(d);
	check_sums();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_used_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zeroes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_search_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exhausted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exhausted_race, setup, teardown),
		cmocka_unit_test_setup_teardown(test_promise_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
