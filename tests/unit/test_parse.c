/* Numbers, words, dates, UART descriptions and counter scaling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hv/date.h"
#include "hv/parse.h"
#include "hv/string.h"
#include "hv/timescale.h"
#include "hv/uart.h"

static void numbers(void **state)
{
	const char *end, *s = "0x1fg";
	int64_t i;
	uint64_t v;

	assert_int_equal(parse_u64(s, &end, &v), 0);
	assert_int_equal(v, 0x1f);
	assert_ptr_equal(end, s + 4);
	assert_int_equal(parse_u64("010", &end, &v), 0);
	assert_int_equal(v, 8);
	assert_int_equal(parse_u64("18446744073709551615", &end, &v), 0);
	assert_int_equal(v, UINT64_MAX);
	assert_true(parse_u64("18446744073709551616", &end, &v) < 0);
	assert_true(parse_u64("", &end, &v) < 0);
	assert_true(parse_u64("x", &end, &v) < 0);
	assert_int_equal(parse_u64("0x", &end, &v), 0); /* a zero, then an x */
	assert_int_equal(*end, 'x');
	assert_int_equal(parse_int("-12", &i), 0);
	assert_int_equal(i, -12);
	assert_true(parse_int("12x", &i) < 0);
	assert_true(parse_int("--1", &i) < 0);
}

static void sizes(void **state)
{
	uint64_t v;

	assert_int_equal(parse_size("512", &v), 0);
	assert_int_equal(v, 512 * 1024);
	assert_int_equal(parse_size("512B", &v), 0);
	assert_int_equal(v, 512);
	assert_int_equal(parse_size("3m", &v), 0);
	assert_int_equal(v, 3UL << 20);
	assert_int_equal(parse_size("2G", &v), 0);
	assert_int_equal(v, 2UL << 30);
	assert_int_equal(parse_size("1T", &v), 0);
	assert_int_equal(v, 1UL << 40);
	assert_true(parse_size("1P", &v) < 0);
	assert_true(parse_size("1Mb", &v) < 0);
	assert_true(parse_size("99999999999999T", &v) < 0);
}

static void words(void **state)
{
	const char *list = "a,,bc", *item;
	size_t len;
	char buf[4];

	assert_int_equal(parse_bool("yes", 3), 1);
	assert_int_equal(parse_bool("disable", 7), 0);
	assert_true(parse_bool("maybe", 5) < 0);
	assert_true(parse_bool("", 0) < 0);
	assert_true(parse_item(&list, ',', &item, &len) && len == 1 && *item == 'a');
	assert_true(parse_item(&list, ',', &item, &len) && len == 0);
	assert_true(parse_item(&list, ',', &item, &len) && len == 2);
	assert_false(parse_item(&list, ',', &item, &len));
	assert_true(str_copy(buf, "abc", sizeof(buf)));
	assert_false(str_copy(buf, "abcd", sizeof(buf)));
	assert_string_equal(buf, "abc");
}

static void dates(void **state)
{
	/* Every 11 hours and a bit for 150 years, against libc. */
	for (uint64_t t = 0; t < 4733510400UL; t += 40009) {
		struct date d = date_from_seconds(t);
		time_t tt = (time_t)t;
		struct tm tm;

		gmtime_r(&tt, &tm);
		assert_int_equal(d.year, tm.tm_year + 1900);
		assert_int_equal(d.month, tm.tm_mon + 1);
		assert_int_equal(d.day, tm.tm_mday);
		assert_int_equal(d.hour, tm.tm_hour);
		assert_int_equal(d.minute, tm.tm_min);
		assert_int_equal(d.second, tm.tm_sec);
		assert_true(date_valid(&d));
		assert_int_equal(date_to_seconds(&d), t);
	}
	assert_false(date_valid(&(struct date){ 2023, 2, 29, 0, 0, 0 }));
	assert_true(date_valid(&(struct date){ 2024, 2, 29, 0, 0, 0 }));
	assert_false(date_valid(&(struct date){ 2024, 13, 1, 0, 0, 0 }));
	assert_false(date_valid(&(struct date){ 2024, 0, 1, 0, 0, 0 }));
	assert_false(date_valid(&(struct date){ 2024, 1, 1, 24, 0, 0 }));
}

static void uarts(void **state)
{
	struct uart_config c = { 0, 115200, 8, 1, 'n', 0x3f8, 4 };

	assert_int_equal(uart_config_parse(&c, "38400,7e2,0x2f8,3"), 0);
	assert_int_equal(c.baud, 38400);
	assert_int_equal(c.data_bits, 7);
	assert_int_equal(c.parity, 'e');
	assert_int_equal(c.stop_bits, 2);
	assert_int_equal(c.port, 0x2f8);
	assert_int_equal(c.irq, 3);
	assert_int_equal(uart_config_parse(&c, "auto,,,0"), 0);
	assert_int_equal(c.baud, 0);
	assert_int_equal(c.data_bits, 7);
	assert_int_equal(c.irq, 0);
	assert_int_equal(uart_config_parse(&c, "115200/1843200,8n1"), 0);
	assert_int_equal(c.base_baud, 1843200);
	assert_int_equal(uart_config_parse(&c, ""), 0);
	assert_true(uart_config_parse(&c, "0") < 0);
	assert_true(uart_config_parse(&c, "115200,9n1") < 0);
	assert_true(uart_config_parse(&c, "115200,8x1") < 0);
	assert_true(uart_config_parse(&c, "115200,8n1,0x10000") < 0);
	assert_true(uart_config_parse(&c, "115200,8n1,0x3f8,16") < 0);
	assert_true(uart_config_parse(&c, "115200,8n1,0x3f8,4,pci") < 0);
	assert_true(uart_config_parse(&c, "fast") < 0);
}

static uint64_t random64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

static void muldiv(void **state)
{
	srandom(1);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t a = random64() >> (random() % 64), b = random64() >> (random() % 64),
			 c = random64() >> (random() % 64);
		unsigned __int128 q;

		if (!c) {
			assert_int_equal(muldiv64(a, b, c), UINT64_MAX);
			continue;
		}
		q = (unsigned __int128)a * b / c;
		assert_int_equal(muldiv64(a, b, c), q > UINT64_MAX ? UINT64_MAX : (uint64_t)q);
	}
}

/* A scale must be exact to 2^-31, from kHz to tens of GHz, over hours. */
static void scales(void **state)
{
	for (uint64_t khz = 1; khz < 40000000; khz += khz / 7 + 1) {
		struct timescale s = timescale_make(1000000, khz);

		assert_true(s.mul >> 31);
		assert_true(timescale_khz(s) >= khz - khz / 1000000 - 1 && timescale_khz(s) <= khz + khz / 1000000 + 1);
		for (uint64_t ms = 1; ms < 100000000; ms *= 7) {
			uint64_t ns = timescale_ns(s, khz * ms), want = ms * 1000000;
			uint64_t diff = ns > want ? ns - want : want - ns;

			assert_true(diff <= (want >> 30) + 2);
		}
	}
	/* Long baselines, as the recalibration uses them. */
	assert_int_equal(timescale_khz(timescale_make(64000000000UL, 64000000000UL * 5)), 5000000);
	assert_int_equal(timescale_make(0, 5).mul, 0);
	assert_int_equal(timescale_make(5, 0).mul, 0);
	assert_true(timescale_make(UINT64_MAX, UINT64_MAX - 1).mul >> 31);
	assert_true(timescale_make(1UL << 63, 1UL << 63).mul >> 31);
}

static void extension(void **state)
{
	const uint64_t mask = 0xffffff;

	for (unsigned i = 0; i < 100000; i++) {
		uint64_t truth = (random64() >> 8) + mask, error = (uint64_t)random() % (mask / 2);

		assert_int_equal(counter_extend(truth & mask, mask, truth + error), truth);
		assert_int_equal(counter_extend(truth & mask, mask, truth - error), truth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(sizes),	cmocka_unit_test(words),
		cmocka_unit_test(dates),   cmocka_unit_test(uarts),	cmocka_unit_test(muldiv),
		cmocka_unit_test(scales),  cmocka_unit_test(extension),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
