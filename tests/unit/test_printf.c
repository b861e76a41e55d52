/* The formatter of printk, against libc's for everything both know. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hv/printf.h"

static int printf_like(3, 0) both(char *mine, char *theirs, const char *fmt, va_list ap)
{
	va_list copy;
	int a, b;

	va_copy(copy, ap);
	a = hv_vsnprintf(mine, 256, fmt, ap);
	b = vsnprintf(theirs, 256, fmt, copy);
	va_end(copy);
	assert_int_equal(a, b);
	return a;
}

static void printf_like(1, 2) same(const char *fmt, ...)
{
	char mine[256], theirs[256];
	va_list ap;

	va_start(ap, fmt);
	both(mine, theirs, fmt, ap);
	va_end(ap);
	assert_string_equal(mine, theirs);
}

static void numbers(void **state)
{
	static const long values[] = {
		0, 1, -1, 9, 10, 127, 128, 255, 256, -129, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN
	};

	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		long v = values[i];

		same("%d|%i|%u|%x|%X", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
		same("%ld|%lu|%lx|%lld|%llX|%zu|%zx", v, (unsigned long)v, (unsigned long)v, (long long)v,
		     (unsigned long long)v, (size_t)v, (size_t)v);
		same("%hd|%hu|%hhd|%hhx", (short)v, (unsigned short)v, (signed char)v, (unsigned char)v);
		same("%8d|%-8d|%08d|%1d|%.5d|%8.5d|%-8.5d|", (int)v, (int)v, (int)v, (int)v, (int)v, (int)v, (int)v);
		same("%016lx|%-20lx|%20lx|", (unsigned long)v, (unsigned long)v, (unsigned long)v);
		same("%*d|%-*d|%*d|%.*d|", 7, (int)v, 7, (int)v, -7, (int)v, 4, (int)v);
		same("%.0d|%5.0x|", (int)v, (unsigned)v);
	}
}

static void texts(void **state)
{
	same("%s|%10s|%-10s|%.2s|%10.2s|%.*s|%.*s|", "abc", "abc", "abc", "abc", "abc", 2, "xyz", -1, "xyz");
	same("%c|%3c|%-3c|%%|100%%", 'a', 'b', 'c');
	same("%p", (void *)0x1234abcd);
	same("%.4s", (const char[]){ 'a', 'b', 'c', 'd' }); /* not terminated: precision bounds the reading */
}

static void bounds(void **state)
{
	char buf[8];

	memset(buf, 'x', sizeof(buf));
	assert_int_equal(hv_snprintf(buf, 4, "%s", "abcdef"), 6);
	assert_memory_equal(buf, "abc\0xxxx", 8);
	assert_int_equal(hv_snprintf(buf, 0, "%d", 12345), 5);
	assert_int_equal(buf[0], 'a');
	assert_int_equal(hv_snprintf(NULL, 0, "%s", "abc"), 3);
	assert_int_equal(hv_snprintf(buf, 1, "%s", "abc"), 3);
	assert_int_equal(buf[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(texts),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
