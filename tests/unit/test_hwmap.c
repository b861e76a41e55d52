/* The hardware domain's memory map: FEATURES SD-04, D0-01. The first machine is QEMU's q35 as Debian's Xen 4.17 showed it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hv/launch/hwmap.h"

#define LOW_END 0xf0000000UL

static const struct e820_entry q35[] = {
	{ 0, 0x9fc00, E820_RAM },
	{ 0x9fc00, 0x400, E820_RESERVED },
	{ 0xf0000, 0x10000, E820_RESERVED },
	{ 0x100000, 0x7fee0000, E820_RAM },
	{ 0x7ffe0000, 0x20000, E820_RESERVED },
	{ 0xb0000000, 0x10000000, E820_RESERVED },
	{ 0x100000000, 0x80000000, E820_RAM },
};

static void expect(const struct hwmap *m, unsigned i, uint64_t start, uint64_t end, uint32_t type)
{
	assert_true(i < m->nr);
	assert_int_equal(m->e[i].addr, start);
	assert_int_equal(m->e[i].addr + m->e[i].size, end);
	assert_int_equal(m->e[i].type, type);
}

static void as_real_xen(void **state)
{
	struct e820_entry host[HWMAP_MAX];
	static struct hwmap m;
	unsigned nr = hwmap_sanitise(host, q35, 7);

	assert_int_equal(nr, 7);
	assert_null(hwmap_make(&m, host, nr, 512UL << 20, 0x4000, LOW_END));
	expect(&m, 0, 0, 0x9f000, E820_RAM);
	expect(&m, 1, 0x9fc00, 0xa0000, E820_RESERVED);
	expect(&m, 2, 0xf0000, 0x100000, E820_RESERVED);
	expect(&m, 3, 0x100000, 0x20061000 - 0x4000, E820_RAM);
	expect(&m, 4, 0x20061000 - 0x4000, 0x20061000, E820_ACPI);
	expect(&m, 5, 0x20061000, 0x7ffe0000, E820_UNUSABLE);
	expect(&m, 6, 0x7ffe0000, 0x80000000, E820_RESERVED);
	expect(&m, 7, 0xb0000000, 0xc0000000, E820_RESERVED);
	expect(&m, 8, 0x100000000, 0x180000000, E820_UNUSABLE);
	assert_int_equal(m.nr, 9);
	assert_int_equal(m.ram, (512UL << 20) - 0x4000);
	assert_int_equal(m.acpi, 0x2005d000);
	assert_int_equal(m.start, 0x100000);
	assert_int_equal(m.end, 0x2005d000);
}

static void more_than_there_is(void **state)
{
	static struct hwmap m;

	assert_null(hwmap_make(&m, q35, 7, 64UL << 30, 0x1000, LOW_END));
	expect(&m, 3, 0x100000, 0x7ffdf000, E820_RAM);
	expect(&m, m.nr - 1, 0x100000000, 0x180000000, E820_RAM);
	assert_non_null(hwmap_make(&m, q35, 7, 0x1000, 0x1000, LOW_END));
	assert_non_null(hwmap_make(&m, q35 + 6, 1, 1UL << 30, 0x1000, LOW_END));
	assert_non_null(hwmap_make(&m, q35, 0, 1UL << 30, 0x1000, LOW_END));
}

/* RAM where the loader's scratch memory and the local APIC go is not given. */
static void across_the_hole(void **state)
{
	static const struct e820_entry flat[] = { { 0, 8UL << 30, E820_RAM } };
	static struct hwmap m;

	assert_null(hwmap_make(&m, flat, 1, 5UL << 30, 0x1000, LOW_END));
	expect(&m, 0, 0, LOW_END - 0x1000, E820_RAM);
	expect(&m, 1, LOW_END - 0x1000, LOW_END, E820_ACPI);
	expect(&m, 2, LOW_END, 1UL << 32, E820_UNUSABLE);
	expect(&m, 3, 1UL << 32, (5UL << 30) + (1UL << 32) - LOW_END, E820_RAM);
	assert_int_equal(m.nr, 5);
}

/* Whatever firmware says, the result is ascending, without overlaps, and gives no byte that something else claims. */
static void random_maps(void **state)
{
	static struct hwmap m;
	struct e820_entry in[16], host[HWMAP_MAX];

	srand(1);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned nr = (unsigned)rand() % 16, n;
		uint64_t ram = 0;

		for (unsigned i = 0; i < nr; i++)
			in[i] = (struct e820_entry){ (uint64_t)(rand() % 5000) << (9 + rand() % 13),
						     (uint64_t)(rand() % 3000) << (9 + rand() % 13),
						     (uint32_t)(rand() % 2 ? 1 : rand() % 7) };
		if (nr && rand() % 8 == 0)
			in[0].size = ~0UL - (uint64_t)(rand() % 3);
		n = hwmap_sanitise(host, in, nr);
		for (unsigned i = 1; i < n; i++)
			assert_true(host[i - 1].addr + host[i - 1].size <= host[i].addr);
		if (hwmap_make(&m, host, n, 1UL << 30, 0x2000, LOW_END))
			continue;
		for (unsigned i = 0; i < m.nr; i++) {
			uint64_t a = m.e[i].addr, b = a + m.e[i].size;

			assert_true(i == 0 || m.e[i - 1].addr + m.e[i - 1].size <= a);
			if (m.e[i].type != E820_RAM)
				continue;
			ram += m.e[i].size;
			assert_int_equal(a % 4096 + b % 4096, 0);
			assert_true(b <= LOW_END || a >= 1UL << 32);
			for (unsigned k = 0; k < nr; k++)
				assert_true(in[k].type <= 1 || in[k].addr >= b || in[k].addr + in[k].size <= a ||
					    in[k].size == 0);
		}
		assert_int_equal(ram, m.ram);
		assert_true(ram <= 1UL << 30);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_real_xen), cmocka_unit_test(more_than_there_is),
					    cmocka_unit_test(across_the_hole), cmocka_unit_test(random_maps) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
