/* memory_op as guests call it: what moves, what is given back, what is refused; and two vCPUs that change one map at once. */
#include <pthread.h>

#include "guest_test.h"

#include "hv/memory.h"
#include "hv/p2m.h"

#define PAGES 512UL
#define INCREASE 0
#define DECREASE 1
#define POPULATE 6
#define ADD_TO_PHYSMAP 7
#define REMOVE 15
#define GMFN 2
#define GMFN_RANGE 3
#define SHARED_INFO 0

static struct domain *d;
static struct vcpu *v;

static int setup(void **state)
{
	host_machine(RAM, 2);
	d = host_domain(1, 2, PAGES, 0);
	v = d->vcpu[0];
	return 0;
}

static int teardown(void **state)
{
	kill_domain(d);
	return 0;
}

struct reservation {
	uint64_t extents, nr;
	uint32_t order, flags;
	uint16_t domid;
};

/* One extent at @g; the list is kept behind the argument. */
static long extent(unsigned op, uint64_t g, unsigned order)
{
	struct reservation r = { ARG + 64, 1, order, 0, DOMID_SELF };

	memcpy(gpa_ptr(d, ARG + 64), &g, sizeof(g));
	return call_arg(v, HC_memory_op, op, &r, sizeof(r));
}

static long add(unsigned space, uint64_t idx, uint64_t g, uint16_t size)
{
	struct {
		uint16_t domid, size;
		uint32_t space;
		uint64_t idx, gpfn;
	} a = { DOMID_SELF, size, space, idx, g };

	return call_arg(v, HC_memory_op, ADD_TO_PHYSMAP, &a, sizeof(a));
}

static long remove_page(uint64_t g)
{
	struct {
		uint16_t domid;
		uint64_t gpfn;
	} a = { DOMID_SELF, g };

	return call_arg(v, HC_memory_op, REMOVE, &a, sizeof(a));
}

static mfn_t at(uint64_t g)
{
	return p2m_lookup(d, gfn(g), NULL, NULL);
}

/* Above 16 TiB the number of a page's place takes more than 32 bits: it must still be found to be left. */
static void test_special_far_away(void **state)
{
	uint64_t far = (1UL << 32) + 5;
	mfn_t m;

	assert_int_equal(add(SHARED_INFO, 0, far, 0), 0);
	m = at(far);
	assert_true(mfn_valid_value(m));
	assert_int_equal(add(SHARED_INFO, 0, PAGES + 7, 0), 0);
	assert_true(mfn_eq(at(PAGES + 7), m));
	assert_false(mfn_valid_value(at(far)));
	/* Moved by its gfn it is remembered, too. */
	assert_int_equal(add(GMFN, PAGES + 7, PAGES + 9, 0), 0);
	assert_int_equal(add(SHARED_INFO, 0, PAGES + 11, 0), 0);
	assert_false(mfn_valid_value(at(PAGES + 9)));
	assert_true(mfn_eq(at(PAGES + 11), m));
	/* A guest cannot free it. */
	assert_int_equal(extent(DECREASE, PAGES + 11, 0), 1);
	assert_int_equal(mfn_to_frame(m)->refs, 1);
	assert_true(mfn_to_frame(m)->owner == d->id);
}

static void test_move(void **state)
{
	mfn_t a = at(100), b = at(101);
	uint64_t pages = d->tot_pages;

	assert_int_equal(add(GMFN, 100, 100, 0), 0);
	assert_int_equal(add(GMFN, 100, 101, 0), 0);
	assert_true(mfn_eq(at(101), a));
	assert_false(mfn_valid_value(at(100)));
	assert_int_equal(d->tot_pages, pages - 1);
	assert_int_equal(mfn_to_frame(b)->refs, 0);
	assert_int_equal(add(GMFN, 100, 102, 0), -EINVAL);
	/* A range stops at its first hole, with what came before done. */
	assert_int_equal(add(3, 98, 600, 4), -EINVAL);
	assert_true(mfn_valid_value(at(601)));
	assert_false(mfn_valid_value(at(603)));
}

/* Without memory for tables nothing changes, neither the page that should move nor the one in its way. */
static void test_move_out_of_memory(void **state)
{
	mfn_t m = at(100);
	uint64_t pages = d->tot_pages;

	host_take_memory(0);
	assert_int_equal(add(GMFN, 100, 1UL << 30, 0), -ENOMEM);
	host_give_back();
	assert_true(mfn_eq(at(100), m));
	assert_int_equal(d->tot_pages, pages);
}

/* A large extent over pages that are there already replaces them. */
static void test_populate_over(void **state)
{
	d->max_pages = 4096;
	assert_int_equal(extent(POPULATE, 1024, 0), 1);
	assert_int_equal(extent(POPULATE, 1024, 9), 1);
	for (unsigned i = 0; i < 512; i++)
		assert_true(mfn_valid_value(at(1024 + i)));
	assert_int_equal(extent(DECREASE, 1024, 9), 1);
	assert_false(mfn_valid_value(at(1024 + 77)));
	assert_int_equal(d->tot_pages, PAGES);
	assert_int_equal(extent(DECREASE, 0, 10), 0);
	assert_int_equal(extent(DECREASE, 0, 18), 0);
	assert_true(mfn_valid_value(at(0)));
}

/* The list of increase_reservation is not read: it is for answers to guests that know machine frames. */
/* Whoever waits for the processor waits for one page, whatever its size, not for the list. */
static void test_slices(void **state)
{
	struct reservation r = { ARG + 64, 16, 0, 0, DOMID_SELF };
	uint64_t *list = gpa_ptr(d, ARG + 64);

	softirq_raise(0, SOFTIRQ_TASK);
	for (unsigned i = 0; i < 16; i++)
		list[i] = PAGES - 16 + i;
	assert_int_equal(call_arg(v, HC_memory_op, DECREASE, &r, sizeof(r)), 16);
	assert_int_equal(host_slices(), 16);
	assert_int_equal(call_arg(v, HC_memory_op, POPULATE, &r, sizeof(r)), 16);
	assert_int_equal(host_slices(), 16);
	assert_int_equal(add(GMFN_RANGE, PAGES - 16, 2 * PAGES, 16), 0);
	assert_int_equal(host_slices(), 16);
	host_run_softirqs(0);
}

/* Nothing that is free is clean; how many parts of 256 KiB there are in 2 MiB. */
static void all_dirty(void)
{
	struct frame *f[24];

	for (unsigned i = 0; i < 24; i++) {
		f[i] = alloc_frames(NULL, ORDER_2M, 0);
		assert_non_null(f[i]);
		memset(mfn_to_virt(frame_to_mfn(f[i])), 0xa5, PAGE_SIZE << ORDER_2M);
	}
	for (unsigned i = 0; i < 24; i++)
		free_frames(f[i], ORDER_2M);
}
#define PARTS 8u

static void is_zero_from(uint64_t g)
{
	for (uint64_t i = 0; i < 1UL << ORDER_2M; i++) {
		const uint64_t *p = mfn_to_virt(at(g + i));

		for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
			assert_int_equal(p[k], 0);
	}
}

/* Nor does he wait for a large page: for a part of one to be scrubbed, or one of the small ones in its place, or a batch of pages to go. */
static void test_slices_within(void **state)
{
	d->max_pages = 8192;
	all_dirty();
	softirq_raise(0, SOFTIRQ_TASK);
	assert_int_equal(extent(POPULATE, 1024, 9), 1);
	assert_int_equal(host_slices(), PARTS + 1);
	is_zero_from(1024);
	assert_int_equal(extent(INCREASE, 0, 9), 1);
	assert_int_equal(host_slices(), PARTS + 1);
	assert_int_equal(extent(DECREASE, 1024, 9), 1);
	assert_int_equal(host_slices(), 512 / 64);
	assert_false(mfn_valid_value(at(1024 + 511)));
	/* Something is in the way of the large page, so small ones come one by one. */
	assert_int_equal(extent(POPULATE, 2048 + 300, 0), 1);
	*(uint64_t *)mfn_to_virt(at(2048 + 300)) = 1;
	assert_int_equal(extent(POPULATE, 2048, 9), 1);
	assert_true(host_slices() >= 512 && host_slices() <= 512 + PARTS);
	is_zero_from(2048);
	/* Nothing waits: nobody stops. */
	all_dirty();
	no_softirqs();
	assert_int_equal(extent(POPULATE, 4096, 9), 1);
	assert_int_equal(host_slices(), 1);
	is_zero_from(4096);
}

/* Half of an extent that cannot be whole goes again, wherever it was interrupted. */
static void test_slices_without_memory(void **state)
{
	uint64_t pages = d->tot_pages;

	d->max_pages = pages + 400;
	softirq_raise(0, SOFTIRQ_TASK);
	assert_int_equal(extent(POPULATE, 1024, 9), 0);
	assert_true(host_slices() > 400);
	assert_int_equal(d->tot_pages, pages);
	assert_false(mfn_valid_value(at(1024)));
	host_run_softirqs(0);
}

/* An extent that ends without memory is taken back in one go: with a flush, for which other CPUs leave the guest, for many pages. */
static void test_undo_flushes(void **state)
{
	uint64_t pages = d->tot_pages, flushes = host_flushes();

	d->max_pages = pages + 400;
	assert_int_equal(extent(POPULATE, 1024, 9), 0);
	assert_in_range(host_flushes() - flushes, 1, 400 / 64 + 1);
	assert_int_equal(d->tot_pages, pages);
	for (unsigned i = 0; i < 512; i++)
		assert_false(mfn_valid_value(at(1024 + i)));
	/* What cannot be taken back, and what is gone already, is passed over. */
	assert_int_equal(p2m_set(d, gfn(2048 + 7), at(3), ORDER_4K, P2M_GRANT_MAP_RO), 0);
	assert_int_equal(extent(POPULATE, 2048, 9), 0);
	assert_int_equal(d->tot_pages, pages);
	assert_true(mfn_eq(at(2048 + 7), at(3)));
	assert_int_equal(p2m_set(d, gfn(2048 + 7), INVALID_MFN, ORDER_4K, P2M_INVALID), 0);
}

/* Progress lies in the guest's registers: made up, it harms the guest alone; where those have 32 bits, there is none. */
static void test_progress_made_up(void **state)
{
	struct reservation r = { ARG + 64, 1, 9, 0, DOMID_SELF };
	uint64_t g = 1024, pages = d->tot_pages;

	d->max_pages = 8192;
	memcpy(gpa_ptr(d, ARG + 64), &g, sizeof(g));
	assert_int_equal(call_arg(v, HC_memory_op, POPULATE | (PARTS + 513UL) << 32, &r, sizeof(r)), 0);
	assert_int_equal(call_arg(v, HC_memory_op, POPULATE | ~0UL << 32, &r, sizeof(r)), 0);
	assert_int_equal(d->tot_pages, pages);
	assert_int_equal(call_arg(v, HC_memory_op, POPULATE | (PARTS + 512UL) << 32, &r, sizeof(r)), 1);
	assert_int_equal(d->tot_pages, pages);
	assert_int_equal(call_arg(v, HC_memory_op, POPULATE | (PARTS + 500UL) << 32, &r, sizeof(r)), 1);
	assert_int_equal(d->tot_pages, pages + 12);
	assert_int_equal(call_arg(v, HC_memory_op, DECREASE | 99UL << 32, &r, sizeof(r)), 1);
	assert_int_equal(d->tot_pages, pages + 12);
}

static void test_increase(void **state)
{
	mfn_t m = at(50);
	uint64_t pages = d->tot_pages;

	assert_int_equal(extent(INCREASE, 50, 0), 1);
	assert_true(mfn_eq(at(50), m));
	assert_int_equal(mfn_to_frame(m)->refs, 1);
	assert_int_equal(d->tot_pages, pages + 1);
	assert_int_equal(extent(INCREASE, 50, 9), 0); /* beyond its limit */
}

static void test_remove_granted(void **state)
{
	struct frame *f = alloc_frames(NULL, 0, 0);

	assert_int_equal(p2m_set(d, gfn(700), frame_to_mfn(f), 0, P2M_GRANT_MAP_RW), 0);
	assert_int_equal(remove_page(700), -ENOENT);
	assert_int_equal(add(GMFN, 10, 700, 0), -EINVAL);
	assert_int_equal(extent(POPULATE, 700, 0), 0);
	assert_int_equal(extent(DECREASE, 700, 0), 0);
	assert_true(mfn_eq(at(700), frame_to_mfn(f)));
	assert_int_equal(p2m_remove(d, gfn(700), frame_to_mfn(f)), 0);
	free_frames(f, 0);
	assert_int_equal(remove_page(20), 0);
	assert_int_equal(remove_page(20), -ENOENT);
}

#define ROUNDS 30000u

/* One vCPU moves pages between two places while another frees and fills them. */
static void *mover(void *arg)
{
	host_set_cpu(0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t from = 256 + i % 2, to = 256 + (i + 1) % 2;

		if (physmap_add(d, GMFN, from, gfn(to)))
			continue;
	}
	return NULL;
}

static void *freer(void *arg)
{
	host_set_cpu(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t g = 256 + (i >> 1) % 2;

		if (physmap_release(d, gfn(g)) && p2m_populate(d, gfn(g), 0, 0))
			continue;
	}
	return NULL;
}

/* However they meet, what is mapped afterwards is mapped once and belongs to the domain. */
static void test_race(void **state)
{
	pthread_t t[2];

	for (unsigned round = 0; round < 4; round++) {
		pthread_create(&t[0], NULL, mover, NULL);
		pthread_create(&t[1], NULL, freer, NULL);
		pthread_join(t[0], NULL);
		pthread_join(t[1], NULL);
		for (uint64_t g = 256; g < 258; g++) {
			if (!mfn_valid_value(at(g)))
				continue;
			assert_int_equal(mfn_to_frame(at(g))->owner, d->id);
			assert_int_equal(mfn_to_frame(at(g))->refs, 1);
			assert_true(mfn_to_frame(at(g))->flags & FRAME_F_ALLOCATED);
		}
		assert_false(mfn_valid_value(at(256)) && mfn_eq(at(256), at(257)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_special_far_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move_out_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_populate_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_within, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undo_flushes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_progress_made_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_increase, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_granted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
