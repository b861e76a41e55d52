/* Large commits of guests, done in pieces, while domain 0 goes on. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>

static struct conn *zero;
static unsigned steps;

static void world(struct conn **g)
{
	zero = client(0);
	*g = guest_with_home(1);
	put(*g, 0, "data/old", "1");
	put(zero, 0, "/other", "");
	steps = 0;
	between_steps = NULL;
}

/* A transaction of ten requests. */
static uint32_t large(struct conn *g)
{
	uint32_t t = start(g);
	char path[32];

	assert_get(g, t, "data/old", "1");
	assert_int_equal(ls(g, t, "data"), 0);
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "new/%d", i);
		assert_int_equal(put(g, t, path, "v"), 0);
	}
	return t;
}

static void changes_others(void)
{
	char path[32];

	snprintf(path, sizeof(path), "/other/%u", steps++ % 3);
	if (steps % 4)
		put(zero, 0, path, "w");
	else
		rm(zero, 0, "/other/1");
}

static void test_others_are_taken_over(void **state)
{
	struct conn *g;
	uint32_t t;

	world(&g);
	t = large(g);
	watch(zero, "/local/domain/1/new", "t");
	between_steps = changes_others;
	assert_int_equal(end(g, t, true), 0);
	between_steps = NULL;
	assert_true(steps > 5);
	assert_get(zero, 0, "/other/0", "w");
	assert_get(zero, 0, "/local/domain/1/new/7", "v");
	assert_string_equal(next_event(zero), "/local/domain/1/new/0 t");
}

static void changes_what_was_read(void)
{
	if (steps++ == 3)
		put(zero, 0, "/local/domain/1/data/old", "2");
}

static void writes_what_was_read(void)
{
	if (steps++ == 3)
		put(zero, 0, "/local/domain/1/data/old", "1");
}

static void adds_to_what_was_listed(void)
{
	if (steps++ == 3)
		put(zero, 0, "/local/domain/1/data/more", "");
}

static void test_answers_count(void **state)
{
	static void (*const ways[])(void) = { changes_what_was_read, adds_to_what_was_listed };
	struct conn *g;
	uint32_t t;

	world(&g);
	for (unsigned i = 0; i < 2; i++) {
		steps = 0;
		put(zero, 0, "/local/domain/1/data/old", "1");
		t = large(g);
		between_steps = ways[i];
		assert_int_equal(end(g, t, true), EAGAIN);
		between_steps = NULL;
		assert_int_equal(get(g, 0, "new"), ENOENT);
	}
	/* The same again is no change of an answer. */
	steps = 0;
	put(zero, 0, "/local/domain/1/data/old", "1");
	t = large(g);
	between_steps = writes_what_was_read;
	assert_int_equal(end(g, t, true), 0);
	between_steps = NULL;
}

static void removes_what_is_written(void)
{
	if (steps++ == 4)
		rm(zero, 0, "/local/domain/1/new");
}

static void test_blind_writes_begin_again(void **state)
{
	struct conn *g;
	uint32_t t;

	world(&g);
	put(g, 0, "new/there", "before");
	t = large(g);
	between_steps = removes_what_is_written;
	assert_int_equal(end(g, t, true), 0);
	between_steps = NULL;
	assert_int_equal(get(g, 0, "new/there"), ENOENT);
	assert_get(g, 0, "new/0", "v");
}

static void always_in_the_way(void)
{
	put(zero, 0, "/local/domain/1/new/0", "0");
}

static void test_ends_if_always_in_the_way(void **state)
{
	struct conn *g;
	uint32_t t;

	world(&g);
	t = large(g);
	between_steps = always_in_the_way;
	assert_int_equal(end(g, t, true), EAGAIN);
	between_steps = NULL;
}

/* One that removes much, and makes some of it again. */
static void test_removes_in_a_transaction(void **state)
{
	struct conn *g;
	char path[32];
	uint32_t t;

	world(&g);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "tree/%d/x", i);
		put(g, 0, path, "");
	}
	t = start(g);
	put(g, t, "tree/7", "kept");
	rm(g, t, "tree");
	put(g, t, "tree/8", "new");
	put(g, t, "tree/9/y", "new");
	between_steps = changes_others;
	assert_int_equal(end(g, t, true), 0);
	between_steps = NULL;
	assert_int_equal(ls(g, 0, "tree"), 0);
	assert_string_equal(reply, "8 9");
	assert_int_equal(rm(g, 0, "tree"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_others_are_taken_over),	   WORLD_TEST(test_answers_count),
		WORLD_TEST(test_blind_writes_begin_again), WORLD_TEST(test_ends_if_always_in_the_way),
		WORLD_TEST(test_removes_in_a_transaction),
	};

	return cmocka_run_group_tests_name("store_commit", tests, NULL, NULL);
}
