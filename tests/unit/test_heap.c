/* The small-object heap: alignment, zeroing, no overlap, no leak; memory running out. */
#include "mm_test.h"

#define SLOTS 400

static void test_sizes(void **state)
{
	uint64_t before;

	host_machine_ram(64UL << 20, 1);
	before = mm_free_frames();
	for (size_t size = 0; size < 20000; size = size * 9 / 8 + 1) {
		uint8_t *p = xzalloc_bytes(size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
		assert_true(heap_bytes_used() >= size);
		xfree(p);
		assert_int_equal(heap_bytes_used(), 0);
	}
	assert_int_equal(mm_free_frames(), before);
	assert_null(xzalloc_bytes_array(1UL << 40, 1UL << 40));
	assert_null(xzalloc_bytes(~0UL));
	xfree(NULL);
}

static void test_random(void **state)
{
	struct {
		uint8_t *p, fill;
		size_t size;
	} slot[SLOTS] = { { NULL, 0, 0 } };
	uint64_t before;

	rng_seed("heap");
	host_machine_ram(64UL << 20, 1);
	before = mm_free_frames();
	for (unsigned step = 0; step < 60000; step++) {
		unsigned s = (unsigned)rng(SLOTS);

		if (slot[s].p) {
			for (size_t i = 0; i < slot[s].size; i++)
				assert_int_equal(slot[s].p[i], slot[s].fill);
			xfree(slot[s].p);
			slot[s].p = NULL;
			continue;
		}
		slot[s].size = rng(4) ? rng(300) : rng(9000);
		slot[s].fill = (uint8_t)rng(256);
		slot[s].p = xzalloc_bytes(slot[s].size);
		assert_non_null(slot[s].p);
		for (size_t i = 0; i < slot[s].size; i++)
			assert_int_equal(slot[s].p[i], 0);
		memset(slot[s].p, slot[s].fill, slot[s].size);
	}
	for (unsigned s = 0; s < SLOTS; s++)
		xfree(slot[s].p);
	assert_int_equal(heap_bytes_used(), 0);
	assert_int_equal(mm_free_frames(), before);
}

static void test_no_memory(void **state)
{
	void *p;

	host_machine_ram(16UL << 20, 1);
	host_take_memory(1);
	p = xzalloc_bytes(100);
	assert_non_null(p);
	assert_null(xzalloc_bytes(500));
	assert_null(xzalloc_bytes(5000));
	xfree(p);
	host_give_back();
	p = xzalloc_bytes(5000);
	assert_non_null(p);
	xfree(p);
	assert_int_equal(heap_bytes_used(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
