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
		if (size > 48)
			assert_int_equal((uintptr_t)p % CACHE_LINE, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
		assert_true(heap_bytes_used() >= size);
		xfree(p);
		assert_int_equal(heap_bytes_used(), 0);
	}
	assert_int_equal(mm_free_frames(), before);
	assert_null(heap_alloc_array(1UL << 40, 1UL << 40, "huge"));
	assert_null(xzalloc_bytes(~0UL));
	xfree(NULL);
}

/* Frames free and slabs are a constant sum, whatever lay between the objects that stay. */
static void test_slabs(void **state)
{
	enum { N = 600 };
	void *p[N];
	uint64_t before;

	host_machine_ram(64UL << 20, 1);
	before = mm_free_frames();
	for (unsigned i = 0; i < N; i++) {
		p[i] = xzalloc_bytes(200);
		assert_int_equal(mm_free_frames() + heap_slab_pages(), before);
	}
	/* One of each slab stays. */
	for (unsigned i = 0; i < N; i++)
		if (i % 15) {
			xfree(p[i]);
			p[i] = NULL;
		}
	assert_true(heap_slab_pages() > heap_bytes_used() / PAGE_SIZE + 1);
	assert_int_equal(mm_free_frames() + heap_slab_pages(), before);
	for (unsigned i = 0; i < N; i++)
		xfree(p[i]);
	assert_int_equal(heap_slab_pages(), 0);
	assert_int_equal(mm_free_frames(), before);
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

struct one {
	char c[40];
};

static uint64_t seen_objects, seen_bytes, seen_lines;
static const char *seek;

static void account(const char *what, uint64_t objects, uint64_t bytes)
{
	seen_lines++;
	if (strcmp(what, seek) != 0)
		return;
	assert_int_equal(seen_objects, 0); /* one line for each name */
	seen_objects = objects;
	seen_bytes = bytes;
}

static void account_is(const char *what, uint64_t objects, uint64_t bytes)
{
	seek = what;
	seen_objects = seen_bytes = 0;
	heap_account(account);
	assert_int_equal(seen_objects, objects);
	assert_int_equal(seen_bytes, bytes);
}

/* Leaks have a name: what is in use is counted by what it is. */
static void test_account(void **state)
{
	static char names[600][32];
	struct one *a, *list;
	void *same, *p[600];

	host_machine_ram(64UL << 20, 1);
	a = xzalloc(struct one);
	list = xzalloc_array(struct one, 500);
	account_is("struct one", 1, 48);
	account_is("struct one[]", 1, 32768);
	/* Two literals of one text are one. */
	snprintf(names[0], sizeof(names[0]), "struct one");
	same = heap_alloc(40, names[0]);
	account_is("struct one", 2, 96);
	xfree(a);
	account_is("struct one", 1, 48);
	xfree(list);
	account_is("struct one[]", 0, 0);
	/* More kinds than there are accounts: the last ones share one. */
	for (unsigned i = 1; i < 600; i++) {
		snprintf(names[i], sizeof(names[i]), "kind %u", i);
		p[i] = heap_alloc(i % 2 ? 16 : 5000, names[i]);
		assert_non_null(p[i]);
	}
	account_is("kind 7", 1, 16);
	account_is("kind 8", 1, 8192);
	account_is("kind 599", 0, 0);
	for (unsigned i = 1; i < 600; i++)
		xfree(p[i]);
	xfree(same);
	seen_lines = 0;
	account_is("others", 0, 0);
	assert_int_equal(seen_lines, 0);
	assert_int_equal(heap_bytes_used(), 0);
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
		cmocka_unit_test(test_sizes),	cmocka_unit_test(test_slabs),	  cmocka_unit_test(test_random),
		cmocka_unit_test(test_account), cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
