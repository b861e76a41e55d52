/* The limits, pages and logs of domains' memory by domctl, on the fake machine. */
#include "control_test.h"

static void test_memory_limits(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_max_mem, 1);

	op.u.max_mem.max_memkb = 8195;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(info_of(1).max_pages, 2048);
	op.u.max_mem.max_memkb = ~0UL;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(info_of(1).max_pages, UINT32_MAX);
	op.u.max_mem.max_memkb = 0;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(info_of(1).max_pages, 0);
	assert_int_equal(info_of(1).tot_pages, 32);
}

static void test_mempool(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_set_paging_mempool_size, 1);

	op.u.paging_mempool.size = 1 << 20;
	assert_int_equal(domctl(&op), 0);
	op.u.paging_mempool.size = 4097;
	assert_int_equal(domctl(&op), -EINVAL);
	op.u.paging_mempool.size = 1UL << 50;
	assert_int_equal(domctl(&op), -EINVAL);
	op.u.paging_mempool.size = 0;
	assert_int_equal(domctl(&op), -ENOMEM);
	op = domctl_of(XEN_DOMCTL_get_paging_mempool_size, 1);
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(op.u.paging_mempool.size, 1 << 20);
	op = domctl_of(XEN_DOMCTL_shadow_op, 1);
	op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION;
	op.u.shadow_op.mb = 4;
	assert_int_equal(domctl(&op), 0);
	op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION;
	op.u.shadow_op.mb = 0;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(op.u.shadow_op.mb, 4);
}

static void test_page_info(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_getpageframeinfo3, 1);
	uint64_t *pages = gpa_ptr(tools, BUF);

	pages[0] = 0;
	pages[1] = 31;
	pages[2] = 32;
	pages[3] = 1UL << 40;
	pages[4] = ~0UL;
	op.u.getpageframeinfo3.num = 5;
	op.u.getpageframeinfo3.array = BUF;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(pages[0] | pages[1], XEN_DOMCTL_PFINFO_NOTAB);
	for (unsigned i = 2; i < 5; i++)
		assert_int_equal(pages[i], XEN_DOMCTL_PFINFO_XTAB);
	op.u.getpageframeinfo3.num = 1025;
	assert_int_equal(domctl(&op), -E2BIG);
	op.u.getpageframeinfo3.num = 1;
	op.u.getpageframeinfo3.array = 0x100000;
	assert_int_equal(domctl(&op), -EFAULT);
	op.u.getpageframeinfo3.num = ~0UL;
	assert_int_equal(domctl(&op), -E2BIG);
}

static long shadow(struct xen_domctl *op, uint32_t what, uint64_t bitmap, uint64_t pages)
{
	*op = domctl_of(XEN_DOMCTL_shadow_op, 1);
	op->u.shadow_op.op = what;
	op->u.shadow_op.dirty_bitmap = bitmap;
	op->u.shadow_op.pages = pages;
	return domctl(op);
}

static void test_log_dirty(void **state)
{
	uint32_t *bits = gpa_ptr(tools, BUF);
	struct xen_domctl op;
	uint64_t word = 1;

	assert_int_equal(simple(XEN_DOMCTL_shadow_op, 0), -EINVAL);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_OFF, 0, 0), 0);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_CLEAN, 0, 0), 0);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_CLEAN, BUF, 32), -EINVAL);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_ENABLE, 0, 0), -EINVAL);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_ENABLE_TEST, 0, 0), -EINVAL);
	assert_int_equal(shadow(&op, 99, 0, 0), -EINVAL);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, 0), 0);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, 0), -EINVAL);
	assert_int_equal(copy_to_gpa(plain, 5 * PAGE_SIZE, &word, sizeof(word)), 0);
	assert_int_equal(copy_to_gpa(plain, 31 * PAGE_SIZE, &word, sizeof(word)), 0);
	*bits = 0;
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_PEEK, BUF, 32), 0);
	assert_int_equal(*bits, 1u << 5 | 1u << 31);
	*bits = 0;
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_CLEAN, BUF, 32), 0);
	assert_int_equal(*bits, 1u << 5 | 1u << 31);
	assert_int_equal(op.u.shadow_op.stats.dirty_count, 2);
	assert_int_equal(op.u.shadow_op.pages, 32);
	*bits = ~0u;
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_CLEAN, BUF, 32), 0);
	assert_int_equal(*bits, 0);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_CLEAN, 0x100000, 32), -EFAULT);
	assert_int_equal(shadow(&op, XEN_DOMCTL_SHADOW_OP_OFF, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_memory_limits, control_setup),
		cmocka_unit_test_setup(test_mempool, control_setup),
		cmocka_unit_test_setup(test_page_info, control_setup),
		cmocka_unit_test_setup(test_log_dirty, control_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
