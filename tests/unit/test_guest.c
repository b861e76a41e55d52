/*
 * hv/guest.h: sizes and places of fields in both widths against tables written by hand from the 32-bit and 64-bit System V ABIs,
 * conversion there and back, and addresses at the end of the address space.
 */
#include "guest_test.h"
#include "hv/layouts.h"

static struct domain *d;
static struct vcpu *v;

static int setup(void **state)
{
	host_machine(RAM, 1);
	d = host_domain(1, 1, 16, 0);
	v = d->vcpu[0];
	return 0;
}

static void width(bool guest32)
{
	v->hc.guest32 = guest32;
}

static void test_sizes(void **state)
{
	static const struct {
		const char *layout;
		size_t size64, size32;
	} t[] = { { "", 0, 0 },
		  { "b", 1, 1 },
		  { "hb", 4, 4 },
		  { "iq", 16, 12 },
		  { "iQ", 16, 16 },
		  { "i4q", 40, 36 },
		  { "LLiih", 32, 20 },
		  { "Lh", 16, 8 },
		  { "hLhL", 32, 16 },
		  { "LiQ", 24, 16 },
		  { "10bL", 24, 16 },
		  { "hiL", 16, 12 },
		  { "qb", 16, 12 },
		  { "Qb", 16, 16 },
		  { "LhhLhhhhh", 40, 24 },
		  { "LhAh", 24, 12 },
		  { "LhhALhhAhhh", 40, 24 } };

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(layout_measure(t[i].layout, false), t[i].size64);
		assert_int_equal(layout_measure(t[i].layout, true), t[i].size32);
	}
}

struct mixed {
	uint8_t b[3];
	uint16_t h;
	uint64_t L;
	uint32_t i;
	int64_t l;
	uint64_t q;
	uint64_t Q;
};
#define MIXED LAYOUT(48, 40, "3bhLilqQ")

struct mixed32 {
	uint8_t b[3];
	uint16_t h;
	uint32_t L;
	uint32_t i;
	int32_t l;
	uint32_t q[2]; /* aligned to 4 */
	uint32_t Q[2] __attribute__((aligned(8)));
};

#define PAIR LAYOUT(16, 8, "LL")
#define LONG LAYOUT(8, 4, "L")

/* The sizes of every layout in use. */
static void test_sizes_in_use(void **state)
{
	static const struct layout used[] = { LAYOUT_multicall_entry,
					      LAYOUT_gnttab_map_grant_ref,
					      LAYOUT_gnttab_unmap_grant_ref,
					      LAYOUT_gnttab_copy,
					      LAYOUT_sched_poll,
					      LAYOUT_vcpu_runstate_info,
					      LAYOUT_vcpu_set_singleshot_timer,
					      LAYOUT_xen_memory_reservation,
					      LAYOUT_xen_add_to_physmap,
					      LAYOUT_xen_add_to_physmap_batch,
					      LAYOUT_xen_remove_from_physmap,
					      LAYOUT_xen_memory_map,
					      LAYOUT_xen_platform_parameters,
					      LAYOUT_xen_dm_op_buf,
					      LAYOUT_xen_pod_target,
					      LAYOUT_xen_mem_acquire_resource,
					      LAYOUT_ulong,
					      LAYOUT_int,
					      MIXED,
					      PAIR,
					      LONG };

	for (unsigned i = 0; i < ARRAY_SIZE(used); i++)
		for (unsigned w = 0; w < 2; w++)
			assert_int_equal(layout_size(used[i], w), layout_measure(used[i].letters, w));
}

static void test_convert(void **state)
{
	struct mixed m = { { 1, 2, 3 }, 0x1234, 0xdeadbeef, 77, -5, 0x1122334455667788, 0x99aabbccddeeff00 }, got;
	struct mixed32 *g32 = gpa_ptr(d, ARG);

	assert_int_equal(layout_size(MIXED, false), sizeof(struct mixed));
	assert_int_equal(layout_size(MIXED, true), sizeof(struct mixed32));
	width(true);
	assert_int_equal(put_struct(v, ARG, &m, MIXED), 0);
	assert_int_equal(g32->b[2], 3);
	assert_int_equal(g32->h, 0x1234);
	assert_int_equal(g32->L, 0xdeadbeef);
	assert_int_equal(g32->i, 77);
	assert_int_equal(g32->l, -5);
	assert_int_equal(g32->q[0], 0x55667788);
	assert_int_equal(g32->q[1], 0x11223344);
	assert_int_equal(g32->Q[1], 0x99aabbcc);
	memset(&got, 0xff, sizeof(got));
	assert_int_equal(get_struct(v, &got, ARG, MIXED), 0);
	assert_int_equal(got.L, 0xdeadbeef);
	assert_true(got.l == -5);
	assert_true(got.q == m.q && got.Q == m.Q && got.i == 77 && got.h == 0x1234 && got.b[0] == 1);
	width(false);
	assert_int_equal(put_struct(v, ARG, &m, MIXED), 0);
	assert_memory_equal(gpa_ptr(d, ARG), &m, sizeof(m));
	assert_int_equal(get_struct(v, &got, ARG, MIXED), 0);
	assert_memory_equal(&got, &m, sizeof(m));
}

static void test_elements(void **state)
{
	uint64_t pair[2], out[2] = { 5, 6 };

	for (unsigned w = 0; w < 2; w++) {
		width(w);
		for (uint64_t i = 0; i < 5; i++) {
			pair[0] = i;
			pair[1] = i * 10;
			assert_int_equal(put_element(v, ARG, i, pair, PAIR), 0);
		}
		assert_int_equal(get_element(v, out, ARG, 4, PAIR), 0);
		assert_true(out[0] == 4 && out[1] == 40);
		assert_int_equal(*(uint32_t *)gpa_ptr(d, ARG + (w ? 8 : 16)), 1);
	}
}

static void test_bad_addresses(void **state)
{
	uint64_t x[2];

	width(false);
	/* No page, last byte beyond the last page, wrapping arithmetic. */
	assert_int_equal(get_struct(v, x, 16 * PAGE_SIZE, LONG), -EFAULT);
	assert_int_equal(get_struct(v, x, 16 * PAGE_SIZE - 4, LONG), -EFAULT);
	assert_int_equal(get_struct(v, x, ~0UL - 3, LONG), -EFAULT);
	assert_int_equal(put_struct(v, ~0UL - 3, x, LONG), -EFAULT);
	assert_int_equal(get_element(v, x, ARG, 1UL << 61, LONG), -EFAULT);
	assert_int_equal(get_element(v, x, ~0UL - 7, 2, LONG), -EFAULT);
	assert_int_equal(put_element(v, ARG, ~0UL, x, PAIR), -EFAULT);
	assert_int_equal(copy_from_guest(v, x, ~0UL, 0), 0);
	assert_int_equal(copy_to_guest(v, ~0UL, x, 0), 0);
	width(true);
	assert_int_equal(get_struct(v, x, 0xfffffffd, LONG), -EFAULT);
	assert_int_equal(get_struct(v, x, 1UL << 32, LAYOUT(1, 1, "b")), -EFAULT);
	assert_int_equal(get_element(v, x, 0xfffff000, 0x1000, LAYOUT(4, 4, "i")), -EFAULT);
}

/* What others read meanwhile ends without the mark, wherever in it the marked word lies; without memory it is not begun, or not ended. */
static void test_marked(void **state)
{
	const uint64_t mark = 1UL << 63, src[] = { 1, 2, 3 };
	uint64_t *area = gpa_ptr(d, ARG);

	width(false);
	for (size_t at = 0; at < sizeof(src); at += sizeof(*src))
		for (unsigned marked = 0; marked < 2; marked++) {
			memset(area, 0xee, sizeof(src) + 16);
			assert_int_equal(copy_to_guest_marked(v, ARG + 8, src, sizeof(src), at, marked ? mark : 0), 0);
			assert_memory_equal(area + 1, src, sizeof(src));
			assert_int_equal(area[0], 0xeeeeeeeeeeeeeeee);
			assert_int_equal(area[4], 0xeeeeeeeeeeeeeeee);
		}
	assert_int_equal(copy_to_guest_marked(v, 16 * PAGE_SIZE, src, sizeof(src), 8, mark), -EFAULT);
	/* Its end is in no page: who reads what there is of it is warned. */
	assert_int_equal(copy_to_guest_marked(v, 16 * PAGE_SIZE - 16, src, sizeof(src), 8, mark), -EFAULT);
	area = gpa_ptr(d, 16 * PAGE_SIZE - 16);
	assert_int_equal(area[0], 1);
	assert_int_equal(area[1], 2 | mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sizes, setup),	   cmocka_unit_test_setup(test_sizes_in_use, setup),
		cmocka_unit_test_setup(test_convert, setup),	   cmocka_unit_test_setup(test_elements, setup),
		cmocka_unit_test_setup(test_bad_addresses, setup), cmocka_unit_test_setup(test_marked, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
