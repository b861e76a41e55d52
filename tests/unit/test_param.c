/* The command line as Xen reads it: its documented rules for booleans, sizes, names; one warning for each unknown option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/boot.h"
#include "hv/printk.h"

static unsigned lines(const char *log)
{
	unsigned n = 0;

	for (; *log; log++)
		n += *log == '\n';
	return n;
}

static void booleans(void **state)
{
	param_parse(
		"smt smep=no smap=off no-hap pku=enable xpti=0 tsx=1 iommu=true apicv=false pcid=disable watchdog=yes sync_console=on");
	assert_true(param_bool("smt", false));
	assert_false(param_bool("smep", true));
	assert_false(param_bool("smap", true));
	assert_false(param_bool("hap", true));
	assert_true(param_bool("pku", false));
	assert_false(param_bool("xpti", true));
	assert_true(param_bool("tsx", false));
	assert_true(param_bool("iommu", false));
	assert_false(param_bool("apicv", true));
	assert_false(param_bool("pcid", true));
	assert_true(param_bool("watchdog", false));
	assert_true(param_bool("sync_console", false));
	assert_true(param_bool("x2apic", true));
	assert_false(param_bool("x2apic", false));
	assert_string_equal(host_log(), "");
}

static void values(void **state)
{
	param_parse("  mem=4G conring_size=64 maxcpus=4\tcredit2_balance_over=-12 dom0_mem=1G,max:2G conswitch=bx");
	assert_int_equal(param_size("mem", 0), 4UL << 30);
	assert_int_equal(param_size("conring_size", 0), 64UL << 10);
	assert_int_equal(param_int("maxcpus", 0), 4);
	assert_int_equal(param_int("credit2_balance_over", 0), -12);
	assert_string_equal(param_string("dom0_mem", NULL), "1G,max:2G");
	assert_string_equal(param_string("conswitch", "a"), "bx");
	assert_null(param_string("com1", NULL));
	assert_int_equal(param_size("availmem", 7), 7);
	assert_string_equal(host_log(), "");
}

static void names(void **state)
{
	param_parse("console-timestamps=boot dom0-max-vcpus=2 spec_ctrl=no ivrs_hpet[0]=00:14.0 dom0=pv dom0=pvh");
	assert_string_equal(param_string("console_timestamps", ""), "boot");
	assert_int_equal(param_int("dom0_max_vcpus", 0), 2);
	assert_string_equal(param_string("spec-ctrl", ""), "no");
	assert_string_equal(param_string("dom0", ""), "pvh"); /* the last one counts */
	assert_string_equal(host_log(), "");
	param_parse("noreboot nosmp"); /* names of their own, no negations */
	assert_true(param_bool("noreboot", false));
	assert_true(param_bool("nosmp", false));
	assert_string_equal(host_log(), "");
}

static void unknown(void **state)
{
	const char *log;

	param_parse("frobnicate=1 smt=off no-frob also");
	log = host_log();
	assert_int_equal(lines(log), 3);
	assert_non_null(strstr(log, "\"frobnicate\""));
	assert_non_null(strstr(log, "\"no-frob\""));
	assert_non_null(strstr(log, "\"also\""));
	assert_false(param_bool("smt", true));
	param_parse("maxcpus=many smt=perhaps mem=1X");
	assert_string_equal(host_log(), "");
	assert_int_equal(param_int("maxcpus", 3), 3);
	assert_int_equal(lines(host_log()), 1);
	assert_true(param_bool("smt", true));
	assert_int_equal(lines(host_log()), 1);
	assert_int_equal(param_size("mem", 9), 9);
	assert_int_equal(lines(host_log()), 1);
}

static void extra(void **state)
{
	param_parse("smt=off -- root=/dev/xvda quiet");
	assert_string_equal(param_extra(), "root=/dev/xvda quiet");
	assert_false(param_bool("smt", true));
	param_parse("smt=off --");
	assert_string_equal(param_extra(), "");
	param_parse("");
	assert_string_equal(param_extra(), "");
	assert_true(param_bool("smt", true));
	assert_string_equal(host_log(), "");
}

static void lists(void **state)
{
	param_parse("iommu=off,verbose,no-intremap,strict=yes,debug=0");
	assert_true(param_list_bool("iommu", "verbose", false));
	assert_false(param_list_bool("iommu", "intremap", true));
	assert_true(param_list_bool("iommu", "strict", false));
	assert_false(param_list_bool("iommu", "debug", true));
	assert_true(param_list_bool("iommu", "quarantine", true));
	assert_false(param_list_bool("dom0", "pvh", false));
}

/* No length or number of options does harm. */
static void limits(void **state)
{
	static char line[8192];

	for (unsigned i = 0; i + 6 < sizeof(line); i += 6)
		memcpy(line + i, "smt=1 ", 6);
	param_parse(line);
	assert_true(param_bool("smt", false));
	assert_true(lines(host_log()) >= 1);
	memset(line, 'a', sizeof(line) - 1);
	param_parse(line);
	assert_int_equal(lines(host_log()), 2); /* cut, and unknown */
}

static int setup(void **state)
{
	host_machine(64UL << 20, 1);
	host_log();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(booleans), cmocka_unit_test(values), cmocka_unit_test(names),
		cmocka_unit_test(unknown),  cmocka_unit_test(extra),  cmocka_unit_test(lists),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
