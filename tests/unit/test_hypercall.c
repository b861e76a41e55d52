/* The hypercall table, who may call what, and multicalls that are cut into slices. */
#include "guest_test.h"

#include "xen.h"

#define LIST 0x4000UL	 /* multicall entries */
#define EXTENTS 0x6000UL /* gfns for memory_op */
#define NR_EXTENTS 64u
#define XENMEM_decrease 1u
#define XENMEM_populate 6u

static struct domain *plain, *control;

static int setup(void **state)
{
	host_machine(RAM, 1);
	control = host_domain(0, 1, 16, ROLE_ALL);
	plain = host_domain(1, 1, 256, 0);
	return 0;
}

static long call(struct domain *d, unsigned nr, uint64_t a0, uint64_t a1)
{
	return host_hypercall(d->vcpu[0], nr, a0, a1, 0, 0, 0);
}

/* The toolstack's three calls: version first, then the role. Number 0 is no operation of any. */
static void test_refused(void **state)
{
	static const struct {
		unsigned nr;
		uint32_t version;
	} tools[] = { { HC_domctl, 0x15 }, { HC_sysctl, 0x15 }, { HC_platform_op, 0x03000001 } };

	for (unsigned i = 0; i < ARRAY_SIZE(tools); i++) {
		uint32_t head[2] = { 0, tools[i].version };

		memcpy(gpa_ptr(plain, ARG), head, sizeof(head));
		memcpy(gpa_ptr(control, ARG), head, sizeof(head));
		assert_int_equal(call(plain, tools[i].nr, ARG, 0), -EPERM);
		assert_int_equal(call(control, tools[i].nr, ARG, 0), -ENOSYS);
		head[1]++;
		memcpy(gpa_ptr(plain, ARG), head, sizeof(head));
		memcpy(gpa_ptr(control, ARG), head, sizeof(head));
		assert_int_equal(call(plain, tools[i].nr, ARG, 0), -EACCES);
		assert_int_equal(call(control, tools[i].nr, ARG, 0), -EACCES);
		assert_int_equal(call(control, tools[i].nr, 1UL << 60, 0), -EFAULT);
	}
	for (unsigned nr = NR_HYPERCALLS; nr < NR_HYPERCALLS + 10; nr++)
		assert_int_equal(call(control, nr, 0, 0), -ENOSYS);
	assert_int_equal(call(control, UINT32_MAX, 0, 0), -ENOSYS);
	/* The loader's call exists for nobody else. */
	assert_int_equal(call(control, 63, 1, 0), -ENOSYS);
}

static void test_relations(void **state)
{
	for (enum relation k = RELATION_EVENT; k <= RELATION_CONTROL; k++) {
		assert_int_equal(relation_check(control, plain, k), 0);
		assert_int_equal(relation_check(plain, control, k), k <= RELATION_GRANT ? 0 : -EPERM);
	}
	assert_int_equal(relation_check(plain, plain, RELATION_FOREIGN), 0);
	assert_int_equal(relation_check(plain, plain, RELATION_CONTROL), -EPERM);
}

static void test_find_domain(void **state)
{
	struct vcpu *v = plain->vcpu[0];
	unsigned refs = control->refs;
	struct domain *d = NULL;

	assert_int_equal(domain_from_guest(v, DOMID_SELF, RELATION_CONTROL, &d), 0);
	assert_ptr_equal(d, plain);
	domain_put(d);
	assert_int_equal(domain_from_guest(v, 1, RELATION_CONTROL, &d), 0);
	domain_put(d);
	assert_int_equal(domain_from_guest(v, 0, RELATION_CONTROL, &d), -EPERM);
	assert_int_equal(domain_from_guest(v, 77, RELATION_CONTROL, &d), -ESRCH);
	assert_int_equal(domain_from_guest(v, 0x7ff2, RELATION_CONTROL, &d), -ESRCH);
	assert_int_equal(control->refs, refs);
}

/* Entries of either width; their fields are words of it. */
static void put_entry(unsigned i, uint64_t op, uint64_t a0, uint64_t a1)
{
	uint64_t words[8] = { op, 0x5555, a0, a1 };

	for (unsigned w = 0; w < 8; w++) {
		if (plain->vcpu[0]->arch.guest32)
			((uint32_t *)gpa_ptr(plain, LIST))[i * 8 + w] = (uint32_t)words[w];
		else
			((uint64_t *)gpa_ptr(plain, LIST))[i * 8 + w] = words[w];
	}
}

static int64_t result(unsigned i)
{
	if (plain->vcpu[0]->arch.guest32)
		return ((int32_t *)gpa_ptr(plain, LIST))[i * 8 + 1];
	return ((int64_t *)gpa_ptr(plain, LIST))[i * 8 + 1];
}

static void put_reservation(unsigned width)
{
	static const uint64_t first = 0x1000; /* gfn above the RAM */
	uint8_t *r = gpa_ptr(plain, ARG);

	memset(r, 0, 32);
	if (width == 4) {
		uint32_t words[5] = { EXTENTS, NR_EXTENTS, 0, 0, DOMID_SELF };

		memcpy(r, words, sizeof(words));
	} else {
		uint64_t words[2] = { EXTENTS, NR_EXTENTS };
		uint32_t more[3] = { 0, 0, DOMID_SELF };

		memcpy(r, words, sizeof(words));
		memcpy(r + 16, more, sizeof(more));
	}
	for (unsigned i = 0; i < NR_EXTENTS; i++) {
		uint64_t g = first + i;

		memcpy((uint8_t *)gpa_ptr(plain, EXTENTS) + i * width, &g, width);
	}
}

/* A long entry in the middle is cut into slices and resumed; the batch as well; nothing is done twice. */
static void multicall(bool slices)
{
	unsigned width = plain->vcpu[0]->arch.guest32 ? 4 : 8;
	uint64_t pages = plain->tot_pages;

	put_reservation(width);
	put_entry(0, HC_xen_version, 0, 0);
	put_entry(1, HC_memory_op, XENMEM_populate, ARG);
	put_entry(2, HC_multicall, LIST, 1);
	put_entry(3, 99, 0, 0);
	put_entry(4, HC_xen_version, 7, 0);
	if (slices)
		softirq_raise(0, SOFTIRQ_TASK);
	assert_int_equal(call(plain, HC_multicall, LIST, 5), 0);
	assert_int_equal(result(0), 4 << 16 | 17);
	assert_int_equal(result(1), NR_EXTENTS);
	assert_int_equal(result(2), -EINVAL);
	assert_int_equal(result(3), -ENOSYS);
	assert_int_equal(result(4), PAGE_SIZE);
	assert_int_equal(plain->tot_pages, pages + NR_EXTENTS);
	put_entry(0, HC_memory_op, XENMEM_decrease, ARG);
	assert_int_equal(call(plain, HC_multicall, LIST, 1), 0);
	assert_int_equal(result(0), NR_EXTENTS);
	assert_int_equal(plain->tot_pages, pages);
	host_run_softirqs(0);
}

static void test_multicall(void **state)
{
	plain->max_pages = plain->tot_pages + NR_EXTENTS;
	for (unsigned width = 0; width < 2; width++) {
		plain->vcpu[0]->arch.guest32 = width;
		multicall(false);
		multicall(true);
	}
	plain->vcpu[0]->arch.guest32 = false;
	put_entry(0, 1UL << 32 | HC_xen_version, 0, 0);
	assert_int_equal(call(plain, HC_multicall, LIST, 1), 0);
	assert_int_equal(result(0), -ENOSYS);
	assert_int_equal(call(plain, HC_multicall, LIST, 0), 0);
	assert_int_equal(call(plain, HC_multicall, 1UL << 60, 1), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_relations, setup),
		cmocka_unit_test_setup(test_find_domain, setup),
		cmocka_unit_test_setup(test_multicall, setup),
	};

	return cmocka_run_group_tests_name("hypercall", tests, NULL, NULL);
}
