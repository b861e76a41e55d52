/* An index that is in bounds stays what it is; any other, which only a wrong guess brings there, is the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/nospec.h"

static void only_what_is_inside(void **state)
{
	static const uint64_t sizes[] = { 1, 2, 63, 64, 65, 4096, 1UL << 32, 1UL << 62 };

	(void)state;
	for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
		uint64_t n = sizes[k];

		assert_int_equal(index_nospec(0, n), 0);
		assert_int_equal(index_nospec(n / 2, n), n / 2);
		assert_int_equal(index_nospec(n - 1, n), n - 1);
		assert_int_equal(index_nospec(n, n), 0);
		assert_int_equal(index_nospec(n + 1, n), 0);
		assert_int_equal(index_nospec(0xffffffff + n, n), 0);
		assert_int_equal(index_nospec(~0UL, n), 0);
		assert_int_equal(index_nospec(1UL << 63, n), 0);
	}
	assert_int_equal(index_nospec(5, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_what_is_inside) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
