/* The record of a crash: the same place on both boots, the end of the log in it, and nothing but a whole one taken for one. */
#include "mm_test.h"

#include "hv/crash.h"
#include "hv/string.h"

#define MIB (1UL << 20)

static struct crash_record rec;
static char ring_text[16384];

static struct conring ring_of(unsigned lines)
{
	struct conring r = { .buf = ring_text, .size = sizeof(ring_text) };
	char line[32];

	for (unsigned i = 0; i < lines; i++) {
		snprintf(line, sizeof(line), "line %u\n", i);
		for (const char *s = line; *s; s++)
			conring_put(&r, *s);
	}
	return r;
}

static void test_place(void **state)
{
	static struct boot_info bi = {
		.e820 = { { 0, 0x9f000, E820_RAM },
			  { 0x9f000, 0x61000, E820_RESERVED },
			  { MIB, 1023 * MIB, E820_RAM },
			  { 1024 * MIB, 1024 * MIB, E820_RESERVED },
			  { 4096 * MIB, 65536 * MIB, E820_RAM } },
		.nr_e820 = 5,
	};

	/* Between 1 and 1024 MiB, though there is more above 4 GiB. */
	assert_int_equal(crash_place(&bi, 0), ROUND_DOWN(MIB + 1023 * MIB / 2, 64 << 10));
	assert_int_equal(crash_place(&bi, 257 * MIB), 129 * MIB);
	/* Nothing worth it. */
	assert_int_equal(crash_place(&bi, MIB), ROUND_DOWN(0x9f000 / 2, 64 << 10));
	bi.nr_e820 = 0;
	assert_int_equal(crash_place(&bi, 0), 0);
}

static void test_fill(void **state)
{
	struct conring r = ring_of(3);

	crash_fill(&rec, &r);
	assert_int_equal(crash_check(&rec), 21);
	assert_memory_equal(rec.text, "line 0\nline 1\nline 2\n", 21);
	/* Of a long log the end. */
	r = ring_of(5000);
	crash_fill(&rec, &r);
	assert_int_equal(crash_check(&rec), CRASH_TEXT);
	assert_memory_equal(rec.text + CRASH_TEXT - 10, "line 4999\n", 10);
}

static void test_not_whole(void **state)
{
	struct conring r = ring_of(3);

	crash_fill(&rec, &r);
	rec.text[4] ^= 1;
	assert_int_equal(crash_check(&rec), 0);
	rec.text[4] ^= 1;
	assert_int_equal(crash_check(&rec), 21);
	rec.length++;
	assert_int_equal(crash_check(&rec), 0);
	rec.length = 0xffffffff;
	assert_int_equal(crash_check(&rec), 0);
	memset(&rec, 0, sizeof(rec));
	assert_int_equal(crash_check(&rec), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_not_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
