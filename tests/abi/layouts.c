/*
 * Every string of hv/layouts.h against Xen's own structure: the sizes in both widths, and each member carried between
 * its 64-bit and its 32-bit place. The table comes from the compiler by way of facts.py.
 */
#include "hv/layouts.h"
#include "../unit/guest_test.h"

static const struct {
	const char *name, *layout;
	size_t size64, size32;
	unsigned nr;
	struct {
		size_t at64, at32;
	} member[16];
} table[] = {
#include "abi_layouts.inc"
};

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
		print_message("%s\n", table[i].name);
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_layouts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
