/* Parsers of what boot loaders hand over: as the specifications lay it out, then cut, damaged and with impossible sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/boot.h"

#define MEM_SIZE 8192u

static uint8_t mem[MEM_SIZE];
static struct boot_info info;

static const void *map(paddr_t p, uint64_t len)
{
	return p < MEM_SIZE && len <= MEM_SIZE - p ? mem + p : NULL;
}

static void put(size_t off, uint64_t val, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		mem[off + i] = (uint8_t)(val >> (8 * i));
}

static void text(size_t off, const char *s)
{
	memcpy(mem + off, s, strlen(s) + 1);
}

/* Multiboot 1: structure at 0x100, map at 0x200, modules at 0x300, strings from 0x400. */
static int begin_mb1(void **state)
{
	(void)state;
	memset(mem, 0, sizeof(mem));
	put(0x100, 1u << 2 | 1u << 3 | 1u << 6 | 1u << 9, 4);
	put(0x110, 0x400, 4);
	text(0x400, "/boot/hospes  loglvl=all noreboot");
	put(0x114, 2, 4);
	put(0x118, 0x300, 4);
	put(0x300, 0x100000, 4);
	put(0x304, 0x180000, 4);
	put(0x308, 0x480, 4);
	text(0x480, "vmlinuz console=hvc0");
	put(0x310, 0x200000, 4);
	put(0x314, 0x200000, 4);
	put(0x12c, 48, 4);
	put(0x130, 0x200, 4);
	put(0x200, 20, 4);
	put(0x208 - 4, 0, 8);
	put(0x20c, 0x9f000, 8);
	put(0x214, 1, 4);
	put(0x218, 20, 4);
	put(0x21c, 0x100000, 8);
	put(0x224, 0x7f00000, 8);
	put(0x22c, 2, 4);
	put(0x140, 0x500, 4);
	text(0x500, "qemu");
	return 0;
}

static void test_mb1(void **state)
{
	assert_int_equal(multiboot1_parse(&info, 0x100, map), 0);
	assert_string_equal(info.protocol, "multiboot");
	assert_string_equal(info.loader, "qemu");
	assert_string_equal(info.cmdline, "loglvl=all noreboot");
	assert_int_equal(info.nr_modules, 2);
	assert_int_equal(info.modules[0].start, 0x100000);
	assert_int_equal(info.modules[0].size, 0x80000);
	assert_string_equal(info.modules[0].cmdline, "vmlinuz console=hvc0");
	assert_string_equal(info.modules[1].cmdline, "");
	assert_int_equal(info.nr_e820, 2);
	assert_int_equal(info.e820[0].size, 0x9f000);
	assert_int_equal(info.e820[1].addr, 0x100000);
	assert_int_equal(info.e820[1].type, E820_RESERVED);
}

/* GRUB 2 leaves the file's name out, GRUB Legacy does not. */
static void test_mb1_names(void **state)
{
	text(0x500, "GRUB 2.06-13");
	assert_int_equal(multiboot1_parse(&info, 0x100, map), 0);
	assert_string_equal(info.cmdline, "/boot/hospes  loglvl=all noreboot");
	text(0x500, "GRUB 0.97");
	assert_int_equal(multiboot1_parse(&info, 0x100, map), 0);
	assert_string_equal(info.cmdline, "loglvl=all noreboot");
}

static void test_mb1_bad(void **state)
{
	assert_int_equal(multiboot1_parse(&info, MEM_SIZE - 4, map), -22);
	put(0x304, 0xfffff, 4); /* ends before it starts */
	assert_int_equal(multiboot1_parse(&info, 0x100, map), -22);
	begin_mb1(state);
	put(0x318 - 0x300 + 0x100, 0xfffffff0, 4); /* modules out of reach */
	assert_int_equal(multiboot1_parse(&info, 0x100, map), -22);
	begin_mb1(state);
	put(0x12c, 0xffffffff, 4);
	assert_int_equal(multiboot1_parse(&info, 0x100, map), -22);
	begin_mb1(state);
	put(0x218, 0xfffffffc, 4); /* entry longer than the map */
	assert_int_equal(multiboot1_parse(&info, 0x100, map), -22);
	begin_mb1(state);
	put(0x12c, 0, 4); /* no memory at all */
	assert_int_equal(multiboot1_parse(&info, 0x100, map), -22);
	/* More modules than Hospes keeps: the first ones stay. */
	begin_mb1(state);
	memset(mem + 0x800, 0, 0x1000);
	put(0x114, 100, 4);
	put(0x118, 0x800, 4);
	assert_int_equal(multiboot1_parse(&info, 0x100, map), 0);
	assert_int_equal(info.nr_modules, BOOT_MAX_MODULES);
	/* A string without an end is no string. */
	begin_mb1(state);
	memset(mem + 0x1000, 'x', MEM_SIZE - 0x1000);
	put(0x110, 0x1000, 4);
	put(0x308, MEM_SIZE - 1, 4);
	assert_int_equal(multiboot1_parse(&info, 0x100, map), 0);
	assert_string_equal(info.cmdline, "");
	assert_string_equal(info.modules[0].cmdline, "");
}

static size_t tag(size_t at, uint32_t type, uint32_t size)
{
	put(at, type, 4);
	put(at + 4, size, 4);
	return at + ROUND_UP(size, 8u);
}

static size_t mb2_end;

/* Tags from 0x100: command line, loader, module, old and new RSDP, memory map, end. */
static int begin_mb2(void **state)
{
	size_t at = 0x108;

	(void)state;
	memset(mem, 0, sizeof(mem));
	text(at + 8, "console=com1");
	at = tag(at, 1, 8 + 13);
	text(at + 8, "GRUB 2.06");
	at = tag(at, 2, 8 + 10);
	put(at + 8, 0x300000, 4);
	put(at + 12, 0x300010, 4);
	text(at + 16, "a b");
	at = tag(at, 3, 16 + 4);
	at = tag(at, 14, 8 + 20);
	at = tag(at, 15, 8 + 36);
	put(at + 8, 24, 4);
	put(at + 16 + 8, 0x9f000, 8);
	put(at + 16 + 16, 1, 4);
	put(at + 40, ~0xfffUL, 8); /* wraps: left out */
	put(at + 48, 0x2000, 8);
	put(at + 56, 1, 4);
	at = tag(at, 6, 16 + 48);
	mb2_end = tag(at, 0, 8);
	put(0x100, mb2_end - 0x100, 4);
	return 0;
}

static void test_mb2(void **state)
{
	assert_int_equal(multiboot2_parse(&info, 0x100, map), 0);
	assert_string_equal(info.protocol, "multiboot2");
	assert_string_equal(info.cmdline, "console=com1");
	assert_string_equal(info.loader, "GRUB 2.06");
	assert_int_equal(info.nr_modules, 1);
	assert_int_equal(info.modules[0].size, 0x10);
	assert_string_equal(info.modules[0].cmdline, "a b");
	assert_int_equal(info.nr_e820, 1);
	assert_int_equal(info.e820[0].size, 0x9f000);
	/* The newer RSDP wins. */
	assert_int_equal(mem[info.rsdp - 8], 15);
}

static void test_mb2_bad(void **state)
{
	put(0x100, MEM_SIZE, 4); /* beyond what can be read */
	assert_int_equal(multiboot2_parse(&info, 0x100, map), -22);
	put(0x100, 4, 4);
	assert_int_equal(multiboot2_parse(&info, 0x100, map), -22);
	begin_mb2(state);
	put(0x10c, 7, 4); /* shorter than its header */
	assert_int_equal(multiboot2_parse(&info, 0x100, map), -22);
	put(0x10c, 0xfffffff9, 4); /* longer than the whole */
	assert_int_equal(multiboot2_parse(&info, 0x100, map), -22);
	/* Cut anywhere: never a crash, and never success without the memory map. */
	begin_mb2(state);
	for (size_t n = 8; n < mb2_end - 0x100; n++) {
		put(0x100, n, 4);
		if (multiboot2_parse(&info, 0x100, map) == 0)
			assert_int_equal(info.nr_e820, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mb1, begin_mb1),	 cmocka_unit_test_setup(test_mb1_names, begin_mb1),
		cmocka_unit_test_setup(test_mb1_bad, begin_mb1), cmocka_unit_test_setup(test_mb2, begin_mb2),
		cmocka_unit_test_setup(test_mb2_bad, begin_mb2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
