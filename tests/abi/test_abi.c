/*
 * The public interface against Xen's own headers: every constant, size and offset of abi/, and every string of
 * hv/layouts.h: its sizes in both widths, and each member carried between its 64-bit and its 32-bit place. The
 * tables come from the compiler by way of facts.py.
 */
#include "hv/layouts.h"
#include "../unit/guest_test.h"

static const struct {
	const char *name;
	struct layout layout;
	size_t size64, size32;
	unsigned nr;
	struct {
		size_t at64, at32;
	} member[16];
} table[] = {
#include "abi_layouts.inc"
};

enum fact { CONSTANT, LAYOUT64, SHARED32, RAW32, NR_FACTS };

static const struct {
	enum fact kind;
	const char *name;
	uint64_t ours, xen;
} facts[] = {
#include "abi_facts.inc"
};

static void check_facts(enum fact kind)
{
	unsigned bad = 0, nr = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++) {
		if (facts[i].kind != kind)
			continue;
		nr++;
		if (facts[i].ours != facts[i].xen) {
			print_error("%s is %#lx, Xen has %#lx\n", facts[i].name, facts[i].ours, facts[i].xen);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
	assert_int_not_equal(nr, 0);
}

static void test_constants(void **state)
{
	check_facts(CONSTANT);
}

static void test_64bit(void **state)
{
	check_facts(LAYOUT64);
}

static void test_32bit_shared_memory(void **state)
{
	check_facts(SHARED32);
}

/* Structures handlers read and write as they are for guests of both widths. */
static void test_same_in_both(void **state)
{
	check_facts(RAW32);
}

static void test_layouts(void **state)
{
	uint8_t s[256], *guest;
	struct domain *d;
	struct vcpu *v;

	host_machine(RAM, 1);
	d = host_domain(1, 1, 16, 0);
	v = d->vcpu[0];
	v->hc.guest32 = true;
	guest = gpa_ptr(d, ARG);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(layout_size(table[i].layout, false), table[i].size64);
		assert_int_equal(layout_size(table[i].layout, true), table[i].size32);
		for (unsigned m = 0; m < table[i].nr; m++) {
			memset(s, 0, sizeof(s));
			s[table[i].member[m].at64] = 0x5a;
			assert_int_equal(put_struct(v, ARG, s, table[i].layout), 0);
			for (size_t k = 0; k < table[i].size32; k++)
				assert_int_equal(guest[k], k == table[i].member[m].at32 ? 0x5a : 0);
			memset(s, 0xff, sizeof(s));
			assert_int_equal(get_struct(v, s, ARG, table[i].layout), 0);
			for (size_t k = 0; k < table[i].size64; k++)
				assert_int_equal(s[k], k == table[i].member[m].at64 ? 0x5a : 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_64bit),
		cmocka_unit_test(test_32bit_shared_memory),
		cmocka_unit_test(test_same_in_both),
		cmocka_unit_test(test_layouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
