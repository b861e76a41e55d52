/* Parsers of ACPI tables: tables as ACPI 6.5 lays them out, then the same cut, damaged and with impossible lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/acpi.h"

static uint8_t table[1024];
static struct acpi_info info;

static void put(size_t off, uint64_t val, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		table[off + i] = (uint8_t)(val >> (8 * i));
}

static void sum(size_t len, size_t at)
{
	uint8_t s = 0;

	table[at] = 0;
	for (size_t i = 0; i < len; i++)
		s = (uint8_t)(s + table[i]);
	table[at] = (uint8_t)-s;
}

static void begin(const char *sig)
{
	memset(table, 0, sizeof(table));
	memset(&info, 0, sizeof(info));
	memcpy(table, sig, 4);
}

static void finish(size_t len)
{
	put(4, len, 4);
	sum(len, 9);
}

/* The parser gets a heap copy of exactly @len bytes, so the sanitizer sees every step beyond. */
static int run(int (*fn)(struct acpi_info *, const void *, size_t), size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, table, len);
	rc = fn(&info, copy, len);
	free(copy);
	return rc;
}

static size_t make_madt(void)
{
	begin("APIC");
	put(36, 0xfee00000, 4);
	put(40, 1, 4);
	/* two CPUs, one empty slot, one hot-pluggable */
	for (unsigned i = 0; i < 4; i++) {
		size_t off = 44 + 8 * i;

		put(off, 0, 1);
		put(off + 1, 8, 1);
		put(off + 2, i, 1);
		put(off + 3, i * 2, 1);
		put(off + 4, i < 2 ? 1 : i == 3 ? 2 : 0, 4);
	}
	put(76, 1, 1); /* I/O APIC */
	put(77, 12, 1);
	put(78, 9, 1);
	put(80, 0xfec00000, 4);
	put(84, 0, 4);
	put(88, 2, 1); /* IRQ 9 -> GSI 9, level, low */
	put(89, 10, 1);
	put(91, 9, 1);
	put(92, 9, 4);
	put(96, 0xf, 2);
	put(98, 4, 1); /* NMI on LINT1 of all */
	put(99, 6, 1);
	put(100, 0xff, 1);
	put(103, 1, 1);
	put(104, 9, 1); /* x2APIC */
	put(105, 16, 1);
	put(108, 0x1234, 4);
	put(112, 1, 4);
	put(116, 77, 4);
	put(120, 5, 1); /* address override */
	put(121, 12, 1);
	put(124, 0x1fee00000, 8);
	finish(132);
	return 132;
}

static void madt(void **state)
{
	size_t len = make_madt();

	assert_int_equal(run(acpi_parse_madt, len), 0);
	assert_true(info.madt && info.has_8259);
	assert_int_equal(info.nr_cpus, 4);
	assert_true(info.cpus[1].enabled);
	assert_int_equal(info.cpus[1].apic_id, 2);
	assert_false(info.cpus[2].enabled);
	assert_int_equal(info.cpus[2].apic_id, 6);
	assert_int_equal(info.cpus[3].apic_id, 0x1234);
	assert_int_equal(info.nr_ioapics, 1);
	assert_int_equal(info.ioapics[0].address, 0xfec00000);
	assert_int_equal(info.nr_overrides, 1);
	assert_int_equal(info.overrides[0].polarity, 3);
	assert_int_equal(info.overrides[0].trigger, 3);
	assert_int_equal(info.nr_nmis, 1);
	assert_int_equal(info.nmis[0].acpi_uid, 0xffffffff);
	assert_int_equal(info.lapic_address, 0x1fee00000);
}

/* More entries than there is room for, entries of length 0 and 1, and one that reaches beyond the end. */
static void madt_bad(void **state)
{
	size_t len = make_madt();

	put(45, 0, 1);
	finish(len);
	assert_int_equal(run(acpi_parse_madt, len), 0);
	assert_int_equal(info.nr_cpus, 0);
	make_madt();
	put(45, 255, 1);
	finish(len);
	memset(&info, 0, sizeof(info));
	assert_int_equal(run(acpi_parse_madt, len), 0);
	assert_int_equal(info.nr_cpus, 0);
	begin("APIC");
	for (size_t off = 44; off + 6 <= 1000; off += 6) {
		put(off, 4, 1);
		put(off + 1, 6, 1);
	}
	finish(1000);
	assert_int_equal(run(acpi_parse_madt, 1000), 0);
	assert_int_equal(info.nr_nmis, ACPI_MAX_NMIS);
}

static void damaged(void **state)
{
	size_t len = make_madt();

	table[60] ^= 1;
	assert_true(run(acpi_parse_madt, len) < 0);
	make_madt();
	assert_true(run(acpi_parse_fadt, len) < 0);
	assert_true(run(acpi_parse_madt, len - 1) < 0);
	put(4, 0, 4);
	assert_true(run(acpi_parse_madt, len) < 0);
	put(4, 0xffffffff, 4);
	assert_true(run(acpi_parse_madt, len) < 0);
	for (size_t n = 0; n < len; n++)
		assert_true(run(acpi_parse_madt, n) < 0);
	begin("APIC");
	finish(40);
	assert_true(run(acpi_parse_madt, 40) < 0);
}

static void fadt(void **state)
{
	begin("FACP");
	put(40, 0x1000, 4);
	put(46, 9, 2);
	put(56, 0x600, 4);
	put(64, 0x604, 4);
	put(76, 0x608, 4);
	put(91, 4, 1);
	put(109, 0x20, 2);
	put(112, 1 << 8 | 1 << 10, 4);
	finish(116); /* ACPI 1.0: nothing behind, so no reset register */
	assert_int_equal(run(acpi_parse_fadt, 116), 0);
	assert_int_equal(info.dsdt, 0x1000);
	assert_int_equal(info.pm_timer.address, 0x608);
	assert_int_equal(info.pm_timer.space, 1);
	assert_true(info.pm_timer_32bit && info.no_cmos_rtc && !info.no_vga && !info.reset_supported);
	assert_int_equal(info.pm1a_cnt.address, 0x604);
	assert_int_equal(info.pm1b_cnt.address, 0);
	put(116, 1, 1);
	put(120, 0xcf9, 8);
	put(128, 0xf, 1);
	put(140, 0x123456789000, 8);
	put(172, 1, 1);
	put(176, 0xb004, 8);
	finish(276);
	memset(&info, 0, sizeof(info));
	assert_int_equal(run(acpi_parse_fadt, 276), 0);
	assert_true(info.reset_supported);
	assert_int_equal(info.reset_reg.address, 0xcf9);
	assert_int_equal(info.reset_value, 0xf);
	assert_int_equal(info.dsdt, 0x123456789000);
	assert_int_equal(info.pm1a_cnt.address, 0xb004);
	put(91, 0, 1);
	finish(276);
	memset(&info, 0, sizeof(info));
	assert_int_equal(run(acpi_parse_fadt, 276), 0);
	assert_int_equal(info.pm_timer.address, 0);
}

static void others(void **state)
{
	begin("HPET");
	put(44, 0xfed00000, 8);
	put(53, 100, 2);
	finish(56);
	assert_int_equal(run(acpi_parse_hpet, 56), 0);
	assert_int_equal(info.hpet_address, 0xfed00000);
	assert_int_equal(info.hpet_min_tick, 100);

	begin("MCFG");
	put(44, 0xb0000000, 8);
	put(55, 255, 1);
	put(60, 0xc0000000, 8);
	put(70, 9, 1);
	put(71, 3, 1); /* ends before it starts */
	finish(80);    /* and a third, cut one */
	assert_int_equal(run(acpi_parse_mcfg, 80), 0);
	assert_int_equal(info.nr_mcfg, 1);
	assert_int_equal(info.mcfg[0].base, 0xb0000000);
	begin("MCFG");
	finish(36);
	assert_int_equal(run(acpi_parse_mcfg, 36), 0);
	assert_int_equal(info.nr_mcfg, 0);
}

static void srat(void **state)
{
	begin("SRAT");
	put(8, 2, 1); /* revision */
	info.cpus[0].apic_id = 0;
	info.cpus[1].apic_id = 1;
	info.nr_cpus = 2;
	put(48, 0, 1);
	put(49, 16, 1);
	put(50, 5, 1); /* domain 0x105 */
	put(51, 1, 1);
	put(52, 1, 4);
	put(57, 1, 3);
	put(64, 1, 1);
	put(65, 40, 1);
	put(66, 7, 4);
	put(72, 0x100000000, 8);
	put(80, 0x40000000, 8);
	put(92, 1, 4);
	put(104, 1, 1); /* wraps around the end of the address space */
	put(105, 40, 1);
	put(112, UINT64_MAX, 8);
	put(120, 0x1000, 8);
	put(132, 1, 4);
	finish(144);
	assert_int_equal(run(acpi_parse_srat, 144), 0);
	assert_int_equal(info.nr_nodes, 2);
	assert_int_equal(info.proximity[0], 0x105);
	assert_int_equal(info.cpus[1].node, 0);
	assert_int_equal(info.nr_srat_mem, 1);
	assert_int_equal(info.srat_mem[0].node, 1);
	assert_int_equal(info.srat_mem[0].start, 0x100000000);
	/* Of old, a domain had 8 bits and whatever beside them: CPU and memory are in one. */
	memset(&info, 0, sizeof(info));
	put(8, 1, 1);
	put(66, 0xffff05, 4);
	finish(144);
	assert_int_equal(run(acpi_parse_srat, 144), 0);
	assert_int_equal(info.nr_nodes, 1);
	assert_int_equal(info.proximity[0], 5);
}

static void slit(void **state)
{
	memset(&info, 0, sizeof(info));
	begin("SLIT");
	info.nr_nodes = 2; /* their domains: 2 and 0 */
	info.proximity[0] = 2;
	put(36, 3, 8);
	for (unsigned i = 0; i < 9; i++)
		put(44 + i, 10 + i, 1);
	finish(53);
	assert_int_equal(run(acpi_parse_slit, 53), 0);
	assert_true(info.slit);
	assert_int_equal(info.distance[0][0], 18);
	assert_int_equal(info.distance[0][1], 16);
	assert_int_equal(info.distance[1][0], 12);
	assert_int_equal(info.distance[1][1], 10);
	info.slit = false;
	finish(52); /* a row too short */
	assert_true(run(acpi_parse_slit, 52) < 0);
	finish(53);
	info.proximity[1] = 3; /* a node that is not in it */
	assert_true(run(acpi_parse_slit, 53) < 0);
	info.proximity[1] = 0;
	put(36, UINT64_MAX, 8);
	finish(53);
	assert_true(run(acpi_parse_slit, 53) < 0);
	assert_false(info.slit);
}

static void rsdp(void **state)
{
	paddr_t root;
	bool xsdt;

	memset(table, 0, sizeof(table));
	memcpy(table, "RSD PTR ", 8);
	put(16, 0x7fe0000, 4);
	sum(20, 8);
	assert_int_equal(acpi_parse_rsdp(table, 20, &root, &xsdt), 0);
	assert_true(!xsdt && root == 0x7fe0000);
	put(15, 2, 1);
	put(20, 36, 4);
	put(24, 0x17fe0000, 8);
	sum(20, 8);
	sum(36, 32);
	assert_int_equal(acpi_parse_rsdp(table, 36, &root, &xsdt), 0);
	assert_true(xsdt && root == 0x17fe0000);
	table[33] = 1; /* extended checksum wrong: the old half still counts */
	assert_int_equal(acpi_parse_rsdp(table, 36, &root, &xsdt), 0);
	assert_false(xsdt);
	table[3] = 'x';
	assert_true(acpi_parse_rsdp(table, 36, &root, &xsdt) < 0);
}

static void s5(void **state)
{
	uint8_t a = 9, b = 9;

	begin("DSDT");
	memcpy(table + 40, "\x08_S5_\x12\x08\x04\x0a\x05\x0a\x06\x00\x00", 14);
	finish(60);
	assert_int_equal(acpi_parse_s5(table, 60, &a, &b), 0);
	assert_int_equal(a, 5);
	assert_int_equal(b, 6);
	memcpy(table + 40, "\x08_S5_\x12\x06\x04\x00\x01\x00\x00", 12);
	finish(60);
	assert_int_equal(acpi_parse_s5(table, 60, &a, &b), 0);
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	for (size_t n = 41; n < 49; n++) { /* cut anywhere */
		finish(n);
		assert_true(acpi_parse_s5(table, n, &a, &b) < 0);
	}
	begin("DSDT");
	memcpy(table + 40, "X_S5_\x12\x06\x04\x00\x01", 10);
	finish(60);
	assert_true(acpi_parse_s5(table, 60, &a, &b) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(madt), cmocka_unit_test(madt_bad), cmocka_unit_test(damaged),
		cmocka_unit_test(fadt), cmocka_unit_test(others),   cmocka_unit_test(srat),
		cmocka_unit_test(slit), cmocka_unit_test(rsdp),	    cmocka_unit_test(s5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
