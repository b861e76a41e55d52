/*
 * Moments between two holds of the allocator's lock: a test steps in where another CPU could.
 */
#include "mm_test.h"

#include "hv/domain.h"
#include "hv/lock.h"
#include "hv/p2m.h"

void __real_spin_lock(spinlock_t *l);
void __wrap_spin_lock(spinlock_t *l);

/* Calls @step before the @at-th time from now on that a lock of @rank is taken. */
static struct {
	enum lock_rank rank;
	unsigned at;
	void (*step)(void);
} trap;

void __wrap_spin_lock(spinlock_t *l)
{
	if (l->rank == trap.rank && trap.at && !--trap.at)
		trap.step();
	__real_spin_lock(l);
}

static void trap_at(enum lock_rank rank, unsigned at, void (*step)(void))
{
	trap.rank = rank;
	trap.at = at;
	trap.step = step;
}

static struct domain *d;
static struct frame *block;
static unsigned nr_held;

/* The domain begins to die; on another CPU somebody had read an entry that led to this page when the domain owned it before, and looks it up. */
static void die_while_looked_up(void)
{
	d->dying = true;
	for (unsigned i = 0; i < 3; i++)
		nr_held += frame_get(block + i, d);
}

/* Who has a reference on a page of a block that its dying owner does not get any more keeps that page, and nothing else. */
static void dies_while_allocating(void **state)
{
	uint64_t free_before;

	host_machine(64UL << 20, 1);
	d = bare_domain(7, 64);
	assert_non_null(alloc_frames(d, 0, 0));
	free_before = mm_free_frames();
	block = alloc_frames(d, 2, 0);
	assert_non_null(block);
	for (unsigned i = 0; i < 4; i++)
		assert_true(frame_release_allocation(block + i));
	assert_int_equal(mm_free_frames(), free_before);
	/* Once to take the block, once to put it on the domain's list. */
	trap_at(RANK_FRAMES, 2, die_while_looked_up);
	assert_null(alloc_frames(d, 2, 0));
	assert_int_equal(nr_held, 3);
	assert_int_equal(mm_free_frames(), free_before - 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(block[i].refs, 1);
		assert_int_equal(block[i].state, FRAME_INUSE);
		frame_put(block + i);
	}
	assert_int_equal(mm_free_frames(), free_before);
	assert_int_equal(d->tot_pages, 1);
	drop_pages(d);
	assert_int_equal(mm_free_frames(), free_before + 1);
	assert_int_equal(d->refs, 1);
	free(d);
}

static struct domain *heir;
static struct frame *inherited;

/* The domain dies to the end, and another one is given what was its own. */
static void die_and_leave(void)
{
	uint64_t before = mm_free_frames();

	d->dying = true;
	assert_int_equal(p2m_teardown(d), 0);
	while (domain_release_frames(d, 100))
		;
	assert_true(mm_free_frames() > before);
	inherited = NULL;
	while (inherited != block)
		assert_non_null(inherited = alloc_frames(heir, 0, 0));
}

/* What a call that is under way at another CPU still holds as a pointer is the heir's, and stays it. */
static void the_heir_keeps_it(void)
{
	assert_int_equal(trap.at, 0);
	assert_ptr_equal(inherited, block);
	assert_int_equal(block->refs, 1);
	assert_int_equal(block->owner, heir->id);
	assert_int_equal(block->flags & FRAME_F_ALLOCATED, FRAME_F_ALLOCATED);
	assert_true(frame_release_allocation(block));
}

static void two_domains(void)
{
	host_machine(64UL << 20, 1);
	d = host_domain(1, 1, 16, 0);
	heir = host_domain(2, 1, 16, 0);
	d->max_pages = heir->max_pages = 16384;
}

/* The frame that a domain is given next. */
static void know_the_next(void)
{
	block = alloc_frames(d, 0, 0);
	assert_true(frame_release_allocation(block));
}

static void dies_while_populated(void **state)
{
	two_domains();
	know_the_next();
	/* The allocation is made, and now goes into the map. */
	trap_at(RANK_P2M, 1, die_and_leave);
	assert_int_equal(p2m_populate(d, gfn(100), 0, 0), -EINVAL);
	the_heir_keeps_it();
}

static void dies_while_touched(void **state)
{
	two_domains();
	assert_int_equal(p2m_mark_pod(d, gfn(512), 0), 0);
	assert_int_equal(mm_promise_on_demand(d, 1), 0);
	know_the_next();
	trap_at(RANK_P2M, 1, die_and_leave);
	assert_null(p2m_get_frame(d, gfn(512), true));
	the_heir_keeps_it();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dies_while_allocating),
		cmocka_unit_test(dies_while_populated),
		cmocka_unit_test(dies_while_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
