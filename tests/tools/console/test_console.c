/* The console daemon's ring and history, without a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi/io_console.h"
#include "tools/xenconsoled/die.h"
#include "tools/xenconsoled/history.h"
#include "tools/xenconsoled/options.h"
#include "tools/xenconsoled/ring.h"

/* The daemon's own would end the test. */
void die_here(const char *step)
{
}

/* And its log is not the test's affair. */
void notice(const char *fmt, ...)
{
}

static void test_output_wraps(void **state)
{
	struct xencons_interface r = { .out_cons = 0xfffffffe, .out_prod = 3 };
	char to[2048];
	uint32_t at;

	memcpy(r.out + 2046, "ab", 2);
	memcpy(r.out, "cde", 3);
	assert_int_equal(ring_output(&r, &at, to, 2), 2);
	assert_int_equal(at, 0xfffffffe);
	assert_memory_equal(to, "ab", 2);
	assert_int_equal(ring_output(&r, &at, to, sizeof(to)), 5);
	assert_memory_equal(to, "abcde", 5);
	ring_output_taken(&r, at + 5);
	assert_int_equal(r.out_cons, 3);
	assert_int_equal(ring_output(&r, &at, to, sizeof(to)), 0);
	assert_int_equal(at, 3);
}

static void test_output_of_a_liar(void **state)
{
	static const uint32_t pairs[][2] = { { 0, 2049 }, { 1, 0 }, { 0x80000000, 0 }, { 0, 0xffffffff } };
	struct xencons_interface r = { 0 };
	char to[2048];
	uint32_t at;

	for (unsigned i = 0; i < 4; i++) {
		r.out_cons = pairs[i][0];
		r.out_prod = pairs[i][1];
		assert_int_equal(ring_output_waiting(&r), 0);
		assert_int_equal(ring_output(&r, &at, to, sizeof(to)), 0);
		assert_int_equal(at, pairs[i][1]);
	}
	r.out_cons = 5;
	r.out_prod = 5 + 2048; /* full is sane */
	assert_int_equal(ring_output(&r, &at, to, sizeof(to)), 2048);
}

static void test_input(void **state)
{
	struct xencons_interface r = { .in_cons = 1000, .in_prod = 1020 };
	char data[2000];

	memset(data, 'x', sizeof(data));
	assert_int_equal(ring_input_room(&r), 1004);
	assert_int_equal(ring_input(&r, data, sizeof(data)), 1004);
	assert_int_equal(r.in_prod, 1000 + 1024);
	assert_int_equal(r.in[1000], 0); /* not read yet */
	assert_int_equal(r.in[1019], 0);
	assert_int_equal(r.in[1020], 'x');
	assert_int_equal(r.in[999], 'x');
	assert_int_equal(ring_input(&r, data, 1), 0);
	r.in_cons = r.in_prod + 1;
	assert_int_equal(ring_input_room(&r), 0);
	assert_int_equal(ring_input(&r, data, 1), 0);
}

static char *temporary(void)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/test_console.XXXXXX");
	assert_non_null(mkdtemp(dir));
	return dir;
}

static void remove_all(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

static void test_history_keeps_the_last(void **state)
{
	struct history_id id = { .domid = 7, .handle = { 99 } };
	char *dir = temporary(), buf[10000];
	struct history *h;
	uint64_t at = 0;

	history_setup(dir, 4096);
	h = history_open(&id);
	for (unsigned i = 0; i < 10000; i++)
		history_add(h, &(char){ (char)i }, 1, i + 1);
	assert_int_equal(history_end(h), 10000);
	assert_int_equal(history_begin(h), 10000 - 4096);
	assert_int_equal(history_read(h, &at, buf, sizeof(buf)), 4096);
	assert_int_equal(at, 10000);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(buf[i], (char)(10000 - 4096 + i));
	at = 9000;
	assert_int_equal(history_read(h, &at, buf, 10), 10);
	assert_int_equal(at, 9010);
	history_close(h);
	remove_all(dir);
}

static void test_history_outlives_and_is_told_apart(void **state)
{
	struct history_id id = { .domid = 7, .handle = { 99 } };
	char *dir = temporary(), buf[10];
	struct history *h;
	uint64_t at = 0;

	history_setup(dir, 4096);
	h = history_open(&id);
	history_set_name(h, "web");
	history_add(h, "hello", 5, 105);
	history_close(h);
	/* A daemon comes back: the ring was told of 100 only, and has 20 bytes more. */
	h = history_open(&id);
	assert_string_equal(history_name(h), "web");
	assert_int_equal(history_read(h, &at, buf, sizeof(buf)), 5);
	assert_int_equal(history_resume(h, 100, 25), 105);
	assert_int_equal(history_resume(h, 105, 20), 105);
	assert_int_equal(history_resume(h, 110, 20), 110);
	assert_int_equal(history_resume(h, 50, 20), 50);
	history_close(h);
	/* Another life of that id begins anew. */
	id.handle[0] = 100;
	h = history_open(&id);
	assert_int_equal(history_end(h), 0);
	history_add(h, "x", 1, 1);
	history_set_died(h, 1);
	history_close(h);
	h = history_find(7, 0);
	assert_non_null(h);
	assert_int_equal(history_died(h), 1);
	history_close(h);
	h = history_open(&id);
	assert_int_equal(history_end(h), 0);
	history_close(h);
	history_remove(7, 0);
	assert_null(history_find(7, 0));
	remove_all(dir);
}

/* What lies there need not be ours: a short, wrong or lying file is not used. */
static void test_strange_files(void **state)
{
	struct history_id id = { .domid = 1 };
	char *dir = temporary(), path[100];
	static const char junk[8192];
	FILE *f;

	history_setup(dir, 4096);
	snprintf(path, sizeof(path), "%s/1.0", dir);
	for (size_t len = 0; len <= sizeof(junk); len += 4096) {
		struct history *h;

		f = fopen(path, "w");
		assert_int_equal(fwrite(junk, 1, len, f), len);
		fclose(f);
		assert_null(history_find(1, 0));
		h = history_open(&id);
		assert_int_equal(history_end(h), 0);
		history_close(h);
	}
	remove_all(dir);
}

/* A directory that cannot be made costs the memory of dead domains, not the consoles. */
static void test_without_directory(void **state)
{
	struct history_id id = { .domid = 1 };
	struct history *h;

	history_setup("/proc/none/at/all", 4096);
	h = history_open(&id);
	history_add(h, "x", 1, 1);
	assert_int_equal(history_end(h), 1);
	assert_null(history_find(1, 0));
	history_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_wraps),
		cmocka_unit_test(test_output_of_a_liar),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_history_keeps_the_last),
		cmocka_unit_test(test_history_outlives_and_is_told_apart),
		cmocka_unit_test(test_strange_files),
		cmocka_unit_test(test_without_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
