/*
 * Parsers of IVRS (AMD 48882, chapter 5) and DMAR (VT-d specification, chapter 8): tables as specified, then cut,
 * damaged and with impossible lengths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/drivers/iommu/acpi_tables.h"
#include "hv/errno.h"

static uint8_t table[65536];
static size_t length;
static struct ivrs iv;
static struct dmar dm;

static void put(size_t off, uint64_t val, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		table[off + i] = (uint8_t)(val >> (8 * i));
}

static void begin(const char *sig)
{
	memset(table, 0, sizeof(table));
	memcpy(table, sig, 4);
	length = 48;
}

static void finish(void)
{
	uint8_t sum = 0;

	put(4, length, 4);
	table[9] = 0;
	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

/* The parser gets a copy of exactly @len bytes, so the sanitizer sees every step beyond. */
static int run(bool ivrs, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, table, len);
	rc = ivrs ? ivrs_parse(&iv, copy, len) : dmar_parse(&dm, copy, len);
	free(copy);
	return rc;
}

/* An IVHD block of @type for @bdf; its entries are put after it, and ivhd_end() closes it. */
static size_t ivhd(uint8_t type, uint16_t bdf, uint64_t base)
{
	size_t at = length;

	put(at, type, 1);
	put(at + 1, IVHD_COHERENT | IVHD_PASS_PW, 1);
	put(at + 4, bdf, 2);
	put(at + 6, 0x40, 2);
	put(at + 8, base, 8);
	put(at + 16, 1, 2);
	if (type != 0x10)
		put(at + 24, 0x1234, 8);
	length += type == 0x10 ? 24 : 40;
	return at;
}

static void ivhd_end(size_t at)
{
	put(at + 2, length - at, 2);
}

static void entry4(uint8_t type, uint16_t id, uint8_t data)
{
	put(length, type, 1);
	put(length + 1, id, 2);
	put(length + 3, data, 1);
	length += 4;
}

static void entry8(uint8_t type, uint16_t id, uint8_t data, uint32_t more)
{
	entry4(type, id, data);
	put(length, more, 4);
	length += 4;
}

static void make_ivrs(void)
{
	size_t at;

	begin("IVRS");
	at = ivhd(0x10, 2, 0xfeb80000);
	entry4(1, 0, 0);
	ivhd_end(at);
	at = ivhd(0x11, 2, 0xfeb80000);
	entry4(2, 8, IVHD_NMI_PASS);
	entry4(3, 0x10, 0);
	entry4(4, 0x1f, 0);
	entry8(66, 0x20, 0, 0x400 << 8);
	entry8(67, 0x500, 0, 0x501 << 8);
	entry4(4, 0x5ff, 0);
	entry8(70, 0x30, 0, 0);
	entry8(72, 0, 0xd7, 5 | 0xa0 << 8 | 1u << 24);
	entry8(72, 0, 0, 0 | 0xa1 << 8 | 2u << 24);
	entry8(72, 0, 0, 7 | 0xa1 << 8 | 9u << 24);
	put(length, 240, 1); /* an ACPI device with a name of 10 bytes */
	put(length + 21, 10, 1);
	length += 32;
	entry4(2, 0x40, 0);
	ivhd_end(at);
	at = ivhd(0x10, 3, 0xfeb90000);
	entry4(2, 0x50, 0);
	ivhd_end(at);
	put(length, 0x22, 1); /* IVMD for 0x10..0x12 */
	put(length + 1, 3, 1);
	put(length + 2, 32, 2);
	put(length + 4, 0x10, 2);
	put(length + 6, 0x12, 2);
	put(length + 8, 1, 2);
	put(length + 16, 0x7ff00123, 8);
	put(length + 24, 0x1000, 8);
	length += 32;
	put(length, 0x20, 1); /* for all, an exclusion range */
	put(length + 1, 8, 1);
	put(length + 2, 32, 2);
	put(length + 16, 0x1000, 8);
	put(length + 24, 1, 8);
	length += 32;
	finish();
}

static void ivrs_good(void **state)
{
	make_ivrs();
	assert_int_equal(run(true, length), 0);
	assert_int_equal(iv.nr_units, 2);
	assert_int_equal(iv.units[0].type, 0x11); /* not described twice */
	assert_int_equal(iv.units[0].efr, 0x1234);
	assert_int_equal(iv.units[0].segment, 1);
	assert_int_equal(iv.units[0].bdf, 2);
	assert_int_equal(iv.units[0].base, 0xfeb80000);
	assert_int_equal(iv.units[1].base, 0xfeb90000);
	assert_int_equal(iv.nr_ranges, 7);
	assert_int_equal(iv.ranges[0].first, 8);
	assert_int_equal(iv.ranges[0].last, 8);
	assert_int_equal(iv.ranges[0].data, IVHD_NMI_PASS);
	assert_int_equal(iv.ranges[1].first, 0x10);
	assert_int_equal(iv.ranges[1].last, 0x1f);
	assert_true(iv.ranges[2].aliased && iv.ranges[2].alias == 0x400);
	assert_true(iv.ranges[3].aliased && iv.ranges[3].alias == 0x501);
	assert_int_equal(iv.ranges[3].last, 0x5ff);
	assert_int_equal(iv.ranges[4].first, 0x30);
	assert_int_equal(iv.ranges[5].first, 0x40); /* found behind the name */
	assert_int_equal(iv.ranges[6].unit, 1);
	assert_int_equal(iv.nr_specials, 2);
	assert_int_equal(iv.specials[0].handle, 5);
	assert_int_equal(iv.specials[0].bdf, 0xa0);
	assert_int_equal(iv.specials[0].data, 0xd7);
	assert_true(!iv.specials[0].hpet && iv.specials[1].hpet);
	assert_int_equal(iv.nr_reserved, 2);
	assert_int_equal(iv.reserved[0].start, 0x7ff00000);
	assert_int_equal(iv.reserved[0].end, 0x7ff02000);
	assert_int_equal(iv.reserved[0].last, 0x12);
	assert_true(iv.reserved[0].read && !iv.reserved[0].write && !iv.reserved[0].all);
	assert_true(iv.reserved[1].all && iv.reserved[1].write);
}

static void ivrs_bad(void **state)
{
	size_t at, whole;

	make_ivrs();
	whole = length;
	for (size_t n = 0; n < whole; n++)
		assert_int_equal(run(true, n), -EINVAL);
	/* Every shorter table that claims to be one, and every length of a block or entry. */
	for (size_t n = 36; n < whole; n++) {
		make_ivrs();
		length = n;
		finish();
		(void)run(true, n);
	}
	for (size_t i = 48; i < whole; i++)
		for (unsigned v = 0; v < 256; v += 17) {
			make_ivrs();
			table[i] = (uint8_t)v;
			finish();
			(void)run(true, whole);
			assert_true(iv.nr_units <= IOMMU_MAX_UNITS && iv.nr_ranges <= IVRS_MAX_RANGES);
		}
	/* More than there is room for is counted. */
	begin("IVRS");
	at = ivhd(0x10, 2, 0x1000);
	for (unsigned i = 0; i < IVRS_MAX_RANGES + 7; i++)
		entry4(2, (uint16_t)i, 0);
	ivhd_end(at);
	finish();
	assert_int_equal(run(true, length), 0);
	assert_int_equal(iv.nr_ranges, IVRS_MAX_RANGES);
	assert_int_equal(iv.left_out, 7);
	/* A range that nothing opened, one that runs backwards, a base that is no page. */
	begin("IVRS");
	at = ivhd(0x10, 2, 0x1000);
	entry4(4, 9, 0);
	entry4(3, 9, 0);
	entry4(4, 8, 0);
	ivhd_end(at);
	at = ivhd(0x10, 3, 0x1008);
	ivhd_end(at);
	finish();
	assert_int_equal(run(true, length), 0);
	assert_int_equal(iv.nr_units, 1);
	assert_int_equal(iv.nr_ranges, 0);
	begin("IVRS");
	finish();
	assert_int_equal(run(true, length), -EINVAL);
}

static void scope(uint8_t type, uint8_t id, uint8_t bus, unsigned steps, const uint8_t *path)
{
	put(length, type, 1);
	put(length + 1, 6 + 2 * steps, 1);
	put(length + 4, id, 1);
	put(length + 5, bus, 1);
	for (unsigned i = 0; i < 2 * steps; i++)
		table[length + 6 + i] = path[i];
	length += 6 + 2 * steps;
}

static void make_dmar(void)
{
	size_t at;

	begin("DMAR");
	put(36, 45, 1);
	put(37, 3, 1);
	at = length; /* a unit for a graphics device */
	put(at + 8, 0xfed90000, 8);
	length += 16;
	scope(1, 0, 0, 1, (const uint8_t[]){ 2, 0 });
	put(at + 2, length - at, 2);
	at = length; /* one for the rest */
	put(at + 4, 1, 1);
	put(at + 6, 1, 2);
	put(at + 8, 0xfed91000, 8);
	length += 16;
	scope(3, 8, 0xf0, 1, (const uint8_t[]){ 31, 7 });
	scope(2, 0, 0, 2, (const uint8_t[]){ 1, 0, 0, 3 });
	scope(9, 0, 0, 1, (const uint8_t[]){ 1, 0 });
	scope(1, 0, 0, 1, (const uint8_t[]){ 32, 0 });
	put(at + 2, length - at, 2);
	at = length; /* something newer */
	put(at, 5, 2);
	length += 24;
	put(at + 2, 24, 2);
	at = length; /* RMRR */
	put(at, 1, 2);
	put(at + 8, 0x7d000000, 8);
	put(at + 16, 0x7f7fffff, 8);
	length += 24;
	scope(1, 0, 0, 1, (const uint8_t[]){ 2, 0 });
	put(at + 2, length - at, 2);
	finish();
}

static void dmar_good(void **state)
{
	make_dmar();
	assert_int_equal(run(false, length), 0);
	assert_int_equal(dm.width, 46);
	assert_int_equal(dm.flags, DMAR_INTR_REMAP | DMAR_X2APIC_OPT_OUT);
	assert_int_equal(dm.nr_units, 2);
	assert_true(!dm.units[0].all && dm.units[1].all);
	assert_int_equal(dm.units[0].nr_scopes, 1);
	assert_int_equal(dm.units[1].segment, 1);
	assert_int_equal(dm.units[1].scope, 1);
	assert_int_equal(dm.units[1].nr_scopes, 2);
	assert_int_equal(dm.scopes[0].path[0], 2 << 3);
	assert_int_equal(dm.scopes[1].type, DMAR_SCOPE_IOAPIC);
	assert_int_equal(dm.scopes[1].id, 8);
	assert_int_equal(dm.scopes[1].bus, 0xf0);
	assert_int_equal(dm.scopes[1].path[0], 0xff);
	assert_int_equal(dm.scopes[2].nr_path, 2);
	assert_int_equal(dm.scopes[2].path[1], 3);
	assert_int_equal(dm.nr_reserved, 1);
	assert_int_equal(dm.reserved[0].start, 0x7d000000);
	assert_int_equal(dm.reserved[0].end, 0x7f800000);
	assert_int_equal(dm.reserved[0].nr_scopes, 1);
}

static void dmar_bad(void **state)
{
	size_t whole;

	make_dmar();
	whole = length;
	for (size_t n = 0; n < whole; n++)
		assert_int_equal(run(false, n), -EINVAL);
	for (size_t n = 36; n < whole; n++) {
		make_dmar();
		length = n;
		finish();
		(void)run(false, n);
	}
	for (size_t i = 48; i < whole; i++)
		for (unsigned v = 0; v < 256; v += 17) {
			make_dmar();
			table[i] = (uint8_t)v;
			finish();
			(void)run(false, whole);
			for (unsigned u = 0; u < dm.nr_units; u++)
				assert_true(dm.units[u].scope + dm.units[u].nr_scopes <= dm.nr_scopes);
		}
	/* A reserved range that ends before it begins, or at the end of everything. */
	make_dmar();
	put(whole - 16, 0x1000, 8);
	finish();
	assert_int_equal(run(false, whole), 0);
	assert_int_equal(dm.nr_reserved, 0);
	make_dmar();
	put(whole - 16, ~0UL, 8);
	finish();
	assert_int_equal(run(false, whole), 0);
	assert_int_equal(dm.nr_reserved, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ivrs_good),
		cmocka_unit_test(ivrs_bad),
		cmocka_unit_test(dmar_good),
		cmocka_unit_test(dmar_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
