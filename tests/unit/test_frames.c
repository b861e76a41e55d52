/* The frame allocator: alignment, zeroing, accounting, claims, references; random against a model. */
#include <pthread.h>

#include "mm_test.h"

#define RAM (64UL << 20)

static void dirty(struct frame *f, unsigned order)
{
	memset(mfn_to_virt(frame_to_mfn(f)), 0xa5, PAGE_SIZE << order);
}

static bool is_zero(struct frame *f, unsigned order)
{
	const uint64_t *p = mfn_to_virt(frame_to_mfn(f));

	for (uint64_t i = 0; i < (PAGE_SIZE << order) / 8; i++)
		if (p[i])
			return false;
	return true;
}

static void test_blocks_are_aligned_and_zeroed(void **state)
{
	struct domain *d = bare_domain(1, 1u << 20);
	uint64_t before;

	host_machine_ram(RAM, 1);
	before = mm_free_frames();
	for (unsigned round = 0; round < 3; round++)
		for (unsigned order = 0; order <= 12; order++) {
			struct frame *f = alloc_frames(d, order, 0);

			assert_non_null(f);
			assert_int_equal(frame_to_mfn(f).v & ((1u << order) - 1), 0);
			assert_true(is_zero(f, order));
			assert_int_equal(d->tot_pages, 1u << order);
			dirty(f, order);
			drop_pages(d);
			assert_int_equal(d->tot_pages, 0);
			assert_int_equal(d->nr_frames, 0);
			assert_int_equal(d->refs, 1);
		}
	assert_int_equal(mm_free_frames(), before);
	free(d);
}

static void test_limits(void **state)
{
	struct domain *d = bare_domain(2, 10);
	struct frame *f;

	host_machine_ram(RAM, 1);
	assert_null(alloc_frames(d, 4, 0));
	assert_non_null(alloc_frames(d, 3, 0));
	assert_null(alloc_frames(d, 2, 0));
	assert_null(alloc_frames(NULL, MAX_ORDER + 1, 0));
	f = alloc_frames(d, 0, ALLOC_NO_CHARGE);
	assert_non_null(f);
	assert_int_equal(d->tot_pages, 8);
	assert_int_equal(d->nr_frames, 9);
	drop_pages(d);
	assert_int_equal(d->nr_frames, 1);
	assert_int_equal(d->refs, 2);
	assert_true(frame_release_allocation(f));
	assert_int_equal(d->refs, 1);
	d->dying = true;
	assert_null(alloc_frames(d, 0, 0));
	assert_int_equal(d->refs, 1);
	free(d);
}

static void test_below_4g(void **state)
{
	struct frame *f;

	host_machine_ram(6UL << 30, 1);
	f = alloc_frames(NULL, 0, 0);
	assert_true(frame_to_mfn(f).v >= 1UL << 20);
	free_frames(f, 0);
	f = alloc_frames(NULL, 9, ALLOC_BELOW_4G);
	assert_true(frame_to_mfn(f).v < 1UL << 20);
	free_frames(f, 9);
	f = alloc_frames(NULL, ORDER_1G, 0);
	assert_non_null(f);
	free_frames(f, ORDER_1G);
}

static void test_boot_cost(void **state)
{
	uint64_t kept;

	/* The map of QEMU's q35 with 4 GiB: 2 GiB below the hole. */
	host_machine_ram(6UL << 30, 1);
	mm_boot_begin();
	mm_boot_add(0, 0x9f000);
	mm_boot_add(1UL << 20, 2UL << 30);
	mm_boot_add(4UL << 30, 6UL << 30);
	mm_boot_finish(mfn(6UL << 18));
	kept = (4UL << 18) - mm_free_frames();
	assert_true(kept * PAGE_SIZE < 26UL << 20);
	assert_false(mfn_is_ram(mfn(3UL << 18)));
	assert_false(mfn_is_ram(mfn(~0UL)));
	assert_false(mfn_is_ram(mfn(0xa0)));
	assert_true(mfn_is_ram(mfn(0x200)));
	/* A module given back later. */
	mm_boot_begin();
	mm_boot_ram(0, 64UL << 20);
	mm_boot_add(32UL << 20, 64UL << 20);
	mm_boot_finish(mfn(6UL << 18));
	kept = mm_free_frames();
	mm_boot_add(16UL << 20, (17UL << 20) + 5);
	assert_int_equal(mm_free_frames(), kept + 256);
	mm_boot_add(4UL << 30, 5UL << 30);
	assert_int_equal(mm_free_frames(), kept + 256);
}

static void test_boot_alloc(void **state)
{
	paddr_t a, b;

	host_machine_ram(6UL << 30, 1);
	mm_boot_begin();
	mm_boot_add(1UL << 20, 2UL << 30);
	mm_boot_add(4UL << 30, 6UL << 30);
	a = mm_boot_alloc(5000, 1UL << 20);
	assert_int_equal(a, (2UL << 30) - (1UL << 20));
	b = mm_boot_alloc(PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(b, (2UL << 30) - PAGE_SIZE);
	a = mm_boot_alloc(3UL << 29, 4096);
	assert_true(a + (3UL << 29) < 2UL << 30);
	a = mm_boot_alloc(3UL << 29, 4096);
	assert_true(a >= 4UL << 30);
}

/* A block at a given place, as a hardware domain without an IOMMU needs it; and memory held back during boot. */
static void test_given_place(void **state)
{
	struct domain *d = bare_domain(5, 2000);
	struct frame *a, *b;
	uint64_t before;
	mfn_t at;

	host_machine_ram(64UL << 20, 1);
	assert_non_null(alloc_frames(d, 0, 0)); /* the first one has the allocator remember its owner */
	drop_pages(d);
	before = mm_free_frames();
	a = alloc_frames(NULL, ORDER_2M, 0);
	at = frame_to_mfn(a);
	assert_false(mm_block_free(at, ORDER_2M));
	assert_null(alloc_frames_at(NULL, at, ORDER_2M, 0));
	assert_null(alloc_frames_at(NULL, mfn(at.v + 7), 0, 0));
	free_frames(a, ORDER_2M);
	assert_true(mm_block_free(at, ORDER_2M));
	b = alloc_frames_at(d, mfn(at.v + 300), 0, 0);
	assert_int_equal(frame_to_mfn(b).v, at.v + 300);
	assert_int_equal(d->tot_pages, 1);
	assert_false(mm_block_free(at, ORDER_2M));
	assert_true(mm_block_free(mfn(at.v + 256), 5));
	assert_null(alloc_frames_at(d, at, ORDER_2M, 0));
	a = alloc_frames_at(NULL, mfn(at.v + 256), 5, 0);
	assert_int_equal(frame_to_mfn(a).v, at.v + 256);
	/* Not aligned, frame 0, no RAM at all. */
	assert_null(alloc_frames_at(NULL, mfn(at.v + 1), 1, 0));
	assert_null(alloc_frames_at(NULL, mfn(0), 0, 0));
	assert_null(alloc_frames_at(NULL, mfn(1UL << 40), 0, 0));
	assert_false(mm_block_free(mfn(1UL << 40), 0));
	free_frames(a, 5);
	drop_pages(d);
	assert_true(mm_block_free(at, ORDER_2M));
	assert_int_equal(mm_free_frames(), before);
	free(d);
}

static void test_claims(void **state)
{
	struct domain *a = bare_domain(1, 1u << 20), *b = bare_domain(2, 1u << 20);
	uint64_t free_frames_now;
	struct frame *f;

	host_machine_ram(RAM, 1);
	f = alloc_frames(b, 0, 0);
	free_frames_now = mm_free_frames();
	assert_int_equal(mm_claim(a, free_frames_now + 1), -ENOMEM);
	assert_int_equal(mm_claim(a, free_frames_now), 0);
	assert_int_equal(mm_free_frames(), 0);
	assert_null(alloc_frames(b, 0, 0));
	assert_null(alloc_page());
	assert_int_equal(mm_claim(b, 1), -ENOMEM);
	assert_non_null(alloc_frames(a, 0, 0));
	assert_int_equal(a->claim, free_frames_now - 1);
	assert_null(alloc_frames(a, 0, ALLOC_NO_CHARGE));
	assert_int_equal(mm_claim(a, 100), 0);
	assert_int_equal(mm_free_frames(), free_frames_now - 101);
	assert_int_equal(mm_claim(a, 0), 0);
	assert_int_equal(mm_free_frames(), free_frames_now - 1);
	a->dying = true;
	assert_int_equal(mm_claim(a, 1), -EINVAL);
	assert_true(frame_release_allocation(f));
	drop_pages(a);
	free(a);
	free(b);
}

static void test_references(void **state)
{
	struct domain *a = bare_domain(1, 100), *b = bare_domain(2, 100);
	struct frame *f, *h;

	host_machine_ram(RAM, 1);
	f = alloc_frames(a, 0, 0);
	assert_false(frame_get(f, b));
	assert_false(frame_get(f, NULL));
	assert_true(frame_get(f, a));
	assert_true(frame_get_any(f));
	frame_put(f);
	assert_true(frame_release_allocation(f));
	assert_null(domain_first_frame(a));
	assert_int_equal(a->tot_pages, 1); /* somebody still has it */
	assert_false(frame_release_allocation(f));
	frame_put(f);
	assert_int_equal(a->tot_pages, 0);
	assert_false(frame_get(f, a));
	assert_false(frame_get_any(f));
	h = alloc_frames(NULL, 0, 0);
	assert_false(frame_get_any(h));
	free_frames(h, 0);
	f = alloc_frames(a, 0, 0);
	f->refs = 0x7fffffff;
	assert_false(frame_get(f, a));
	f->refs = 1;
	frame_put(f);
	free(a);
	free(b);
}

static void test_idle_scrub(void **state)
{
	unsigned slices = 0;
	struct frame *f;

	host_machine_ram(RAM, 1);
	for (unsigned order = 0; order < 10; order++) {
		f = alloc_frames(NULL, order, 0);
		dirty(f, order);
		free_frames(f, order);
	}
	while (mm_scrub_slice())
		assert_true(++slices < 1000000);
	/* All clean now: whatever is allocated, however, is zero without being asked for. */
	for (unsigned i = 0; i < 3000; i++) {
		f = alloc_frames(NULL, 0, 0);
		assert_true(is_zero(f, 0));
	}
	assert_false(mm_scrub_slice());
}

/* Part by part what will be taken gets clean, before it is taken; for nobody who may not have it, and not what is a single part. */
static void test_scrub_ahead(void **state)
{
	struct domain *d = bare_domain(1, 1536);
	unsigned parts = 0;
	struct frame *f;

	host_machine_ram(RAM, 1);
	while (mm_scrub_slice())
		;
	f = alloc_frames(d, 9, 0);
	dirty(f, 9);
	drop_pages(d);
	assert_int_equal(mm_scrub_parts(9), 8);
	assert_int_equal(mm_scrub_parts(6), 0);
	assert_false(mm_scrub_ahead(d, 6, 0));
	while (mm_scrub_ahead(d, 9, 0))
		assert_true(++parts <= 8);
	assert_int_equal(parts, 8);
	assert_true(is_zero(f, 9));
	assert_ptr_equal(alloc_frames(d, 9, 0), f);
	assert_true(is_zero(f, 9));
	drop_pages(d);
	/* What is of more parts than @d may have pages is left as it is. */
	assert_false(mm_scrub_ahead(d, 11, 0));
	assert_true(mm_scrub_ahead(d, 9, 0));
	free(d);
}

/* What one page costs to clean does not depend on how much memory there is: it is found, not looked for. */
static void test_idle_scrub_finds(void **state)
{
	host_machine_ram(RAM, 1);
	for (unsigned slices = 0; mm_scrub_slice(); slices++)
		assert_true(slices < 1000000);
	for (unsigned i = 0; i < 100; i++) {
		struct frame *f = alloc_frames(NULL, i % 7, 0);

		dirty(f, i % 7);
		free_frames(f, i % 7);
		assert_true(mm_scrub_slice());
		/* The rest of its group, the group again, which is clean by now, and the way there. */
		for (unsigned slices = 0; mm_scrub_slice(); slices++)
			assert_true(slices < 3);
		f = alloc_frames(NULL, i % 7, 0);
		assert_true(is_zero(f, i % 7));
		free_frames(f, i % 7);
	}
}

#define SLOTS 300
static void test_random_against_model(void **state)
{
	static uint8_t owned[RAM >> PAGE_SHIFT];
	struct domain *d[3] = { bare_domain(1, 6000), bare_domain(2, 3000), bare_domain(900, 50) };
	struct {
		struct frame *f;
		unsigned order;
	} slot[SLOTS] = { { NULL, 0 } };
	uint64_t before;

	rng_seed("frames");
	host_machine_ram(RAM, 1);
	while (mm_scrub_slice())
		;
	before = mm_free_frames();
	memset(owned, 0, sizeof(owned));
	for (unsigned step = 0; step < 40000; step++) {
		unsigned s = (unsigned)rng(SLOTS), order = (unsigned)rng(9);

		if (rng(20) == 0)
			(void)mm_scrub_slice();
		if (s % 4 == 3) { /* one page of a domain comes or goes */
			struct domain *owner = d[rng(3)];
			struct frame *f = rng(2) ? alloc_frames(owner, 0, 0) : domain_first_frame(owner);

			if (f && owned[frame_to_mfn(f).v]) {
				owned[frame_to_mfn(f).v] = 0;
				assert_true(frame_release_allocation(f));
			} else if (f) {
				assert_true(is_zero(f, 0));
				owned[frame_to_mfn(f).v] = 1;
				dirty(f, 0);
			}
		} else if (slot[s].f) {
			memset(owned + frame_to_mfn(slot[s].f).v, 0, 1u << slot[s].order);
			free_frames(slot[s].f, slot[s].order);
			slot[s].f = NULL;
		} else if ((slot[s].f = alloc_frames(NULL, order, ALLOC_ZERO))) {
			slot[s].order = order;
			assert_true(is_zero(slot[s].f, order));
			for (unsigned i = 0; i < 1u << order; i++)
				assert_int_equal(owned[frame_to_mfn(slot[s].f).v + i]++, 0);
			dirty(slot[s].f, order);
		}
	}
	for (unsigned s = 0; s < SLOTS; s++)
		if (slot[s].f)
			free_frames(slot[s].f, slot[s].order);
	for (unsigned i = 0; i < 3; i++) {
		drop_pages(d[i]);
		assert_int_equal(d[i]->refs, 1);
		free(d[i]);
	}
	assert_int_equal(mm_free_frames(), before);
	/* All merged again: the largest blocks are back. */
	assert_non_null(alloc_frames(NULL, 12, 0));
}

static struct domain *racer;
static struct frame *volatile target;

/* Take and drop references on a page that the other side frees and allocates again and again. */
static void *race(void *cpu)
{
	host_set_cpu((unsigned)(uintptr_t)cpu);
	for (unsigned i = 0; i < 200000; i++) {
		struct frame *f = target;

		if (frame_get(f, racer)) {
			assert_int_equal(f->owner, racer->id);
			frame_put(f);
		}
	}
	return NULL;
}

static void test_race_of_references(void **state)
{
	pthread_t t[2];

	host_machine_ram(RAM, 3);
	racer = bare_domain(7, 100);
	target = alloc_frames(racer, 0, 0);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, race, (void *)(i + 1));
	for (unsigned i = 0; i < 50000; i++) {
		struct frame *h;

		assert_true(frame_release_allocation(target));
		h = alloc_frames(NULL, 0, 0); /* often the same page, now ours: nobody may get it */
		free_frames(h, 0);
		target = alloc_frames(racer, 0, 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	drop_pages(racer);
	assert_int_equal(racer->tot_pages, 0);
	assert_int_equal(racer->refs, 1);
	free(racer);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_blocks_are_aligned_and_zeroed),
					    cmocka_unit_test(test_limits),
					    cmocka_unit_test(test_below_4g),
					    cmocka_unit_test(test_boot_cost),
					    cmocka_unit_test(test_boot_alloc),
					    cmocka_unit_test(test_given_place),
					    cmocka_unit_test(test_claims),
					    cmocka_unit_test(test_references),
					    cmocka_unit_test(test_idle_scrub),
					    cmocka_unit_test(test_scrub_ahead),
					    cmocka_unit_test(test_idle_scrub_finds),
					    cmocka_unit_test(test_random_against_model),
					    cmocka_unit_test(test_race_of_references) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
