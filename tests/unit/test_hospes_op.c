/* Hypercall 63: who sees it, and copies between a control domain and others: by page, in slices, with every refusal, and logged. */
#include "control_test.h"

#include "abi/hospes.h"
#include "hv/sched.h"

#define TARGET 0x10000UL /* where copies go in the plain domain */

static long hospes(struct domain *d, uint64_t op, struct hospes_copy *c)
{
	long rc;

	memcpy(gpa_ptr(d, ARG), c, sizeof(*c));
	rc = host_hypercall(d->vcpu[0], __HYPERVISOR_hospes_op, op, ARG, 0, 0, 0);
	memcpy(c, gpa_ptr(d, ARG), sizeof(*c));
	return rc;
}

static struct hospes_copy copy_op(uint16_t flags, uint64_t gpa, uint64_t len)
{
	return (struct hospes_copy){ .domid = plain->id, .flags = flags, .gpa = gpa, .buffer = BUF, .len = len };
}

static long copy(uint16_t flags, uint64_t gpa, uint64_t len)
{
	struct hospes_copy c = copy_op(flags, gpa, len);

	return hospes(tools, HOSPES_copy, &c);
}

/* Fill or compare memory that spans pages. */
static void fill(struct domain *d, uint64_t gpa, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		*(uint8_t *)gpa_ptr(d, gpa + i) = (uint8_t)(seed + i * 7);
}

static void holds(struct domain *d, uint64_t gpa, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(*(uint8_t *)gpa_ptr(d, gpa + i), (uint8_t)(seed + i * 7));
}

static void holds_zero(struct domain *d, uint64_t gpa, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(*(uint8_t *)gpa_ptr(d, gpa + i), 0);
}

static void only_for_control(void **state)
{
	struct hospes_copy c = copy_op(HOSPES_COPY_to_domain, TARGET, 16);

	assert_int_equal(hospes(tools, HOSPES_features, &c),
			 HOSPES_FEATURE_copy | HOSPES_FEATURE_zeroed | HOSPES_FEATURE_grant_notify |
				 HOSPES_FEATURE_grant_holders | HOSPES_FEATURE_grant_revoke | HOSPES_FEATURE_overhead |
				 HOSPES_FEATURE_latency);
	assert_int_equal(hospes(plain, HOSPES_features, &c), HOSPES_FEATURE_grant_notify);
	assert_int_equal(hospes(plain, HOSPES_grant_holders, &c), -ENOSYS);
	assert_int_equal(hospes(plain, HOSPES_grant_revoke, &c), -ENOSYS);
	assert_int_equal(hospes(plain, HOSPES_overhead, &c), -ENOSYS);
	assert_int_equal(hospes(plain, HOSPES_latency, &c), -ENOSYS);
	c.domid = tools->id;
	assert_int_equal(hospes(plain, HOSPES_copy, &c), -ENOSYS);
	assert_int_equal(hospes(tools, 99, &c), -ENOSYS);
	assert_int_equal(hospes(tools, 1, &c), -ENOSYS);
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -EINVAL);
	c.domid = DOMID_SELF;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -EINVAL);
	c.domid = 77;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -ESRCH);
}

static void to_and_from(void **state)
{
	struct hospes_copy c;

	fill(tools, BUF, 3 * PAGE_SIZE, 5);
	fill(plain, TARGET - 16, 4 * PAGE_SIZE, 99);
	/* Both ends inside pages, three borders in between. */
	c = copy_op(HOSPES_COPY_to_domain, TARGET + 0x123, 2 * PAGE_SIZE + 0x321);
	c.buffer += 0x77;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), 0);
	assert_int_equal(c.len, 0);
	assert_int_equal(c.gpa, TARGET + 0x123 + 2 * PAGE_SIZE + 0x321);
	assert_int_equal(c.buffer, BUF + 0x77 + 2 * PAGE_SIZE + 0x321);
	holds(plain, TARGET + 0x123, 2 * PAGE_SIZE + 0x321, 5 + 0x77 * 7);
	holds(plain, TARGET - 16, 0x123 + 16, 99);
	holds(plain, TARGET + 0x123 + 2 * PAGE_SIZE + 0x321, 16, 99 + (16 + 0x123 + 2 * PAGE_SIZE + 0x321) * 7);
	/* Back to another place. */
	c = copy_op(0, TARGET + 0x123, PAGE_SIZE);
	c.buffer = BUF2 + 0x10;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), 0);
	holds(tools, BUF2 + 0x10, PAGE_SIZE, 5 + 0x77 * 7);
	/* Zeroes need no buffer. */
	c = copy_op(HOSPES_COPY_to_domain | HOSPES_COPY_zero, TARGET + 8, PAGE_SIZE);
	c.buffer = ~0UL;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), 0);
	holds_zero(plain, TARGET + 8, PAGE_SIZE);
	assert_int_equal(c.buffer, ~0UL);
	assert_int_equal(copy(HOSPES_COPY_to_domain, TARGET, 0), 0);
	assert_int_equal(copy(0, 0xfffff000, 0), 0);
}

static void refused(void **state)
{
	struct hospes_copy c = copy_op(HOSPES_COPY_to_domain, TARGET, 16);

	assert_int_equal(copy(4, TARGET, 16), -EINVAL);
	assert_int_equal(copy(HOSPES_COPY_zero, TARGET, 16), -EINVAL);
	c.pad = 1;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -EINVAL);
	assert_int_equal(copy(HOSPES_COPY_to_domain, ~0UL - 4, 16), -EINVAL);
	assert_int_equal(copy(HOSPES_COPY_to_domain, 1UL << 60, 16), -EINVAL);
	assert_int_equal(copy(HOSPES_COPY_to_domain, 0, ~0UL), -EINVAL);
	assert_int_equal(host_hypercall(tools->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_copy, ~0UL - 8, 0, 0, 0),
			 -EFAULT);
	/* A hole in the domain, then in the caller: what was done is told. */
	c = copy_op(HOSPES_COPY_to_domain, 31 * PAGE_SIZE + 8, 2 * PAGE_SIZE);
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -EFAULT);
	assert_int_equal(c.gpa, 32 * PAGE_SIZE);
	assert_int_equal(c.len, PAGE_SIZE + 8);
	assert_int_equal(c.buffer, BUF + PAGE_SIZE - 8);
	c = copy_op(HOSPES_COPY_to_domain, TARGET, 2 * PAGE_SIZE);
	c.buffer = 63 * PAGE_SIZE;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -EFAULT);
	assert_int_equal(c.len, PAGE_SIZE);
	c = copy_op(0, TARGET, 16);
	c.buffer = 64 * PAGE_SIZE;
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -EFAULT);
	/* What the domain may only read, Hospes does not write for others. */
	assert_int_equal(p2m_set(plain, gfn(20), p2m_lookup(plain, gfn(20), NULL, NULL), ORDER_4K, P2M_RAM_RO), 0);
	assert_int_equal(copy(HOSPES_COPY_to_domain, 20 * PAGE_SIZE, 16), -EFAULT);
	assert_int_equal(copy(0, 20 * PAGE_SIZE, 16), 0);
}

/* A page the domain has mapped of another is not its own to be written through it. */
static void pages_of_others(void **state)
{
	struct domain *third = host_domain(2, 1, 16, 0);
	struct frame *f = p2m_get_frame(third, gfn(3), true);

	assert_non_null(f);
	assert_int_equal(p2m_set(plain, gfn(100), frame_to_mfn(f), ORDER_4K, P2M_FOREIGN), 0);
	assert_int_equal(copy(HOSPES_COPY_to_domain, 100 * PAGE_SIZE, 16), -EINVAL);
	assert_int_equal(copy(0, 100 * PAGE_SIZE, 16), -EINVAL);
	assert_int_equal(p2m_remove(plain, gfn(100), frame_to_mfn(f)), 0);
	frame_put(f);
}

/* Whatever waits for the CPU gets its turn after each page; the end is the same. */
static void in_slices(void **state)
{
	struct hospes_copy c = copy_op(HOSPES_COPY_to_domain, TARGET, 4 * PAGE_SIZE);
	struct vcpu *v = tools->vcpu[0];
	bool again = true;

	fill(tools, BUF, 4 * PAGE_SIZE, 1);
	memcpy(gpa_ptr(tools, ARG), &c, sizeof(c));
	v->hc.nr = __HYPERVISOR_hospes_op;
	v->hc.args[0] = HOSPES_copy;
	v->hc.args[1] = ARG;
	for (unsigned i = 1; i <= 4; i++) {
		long rc;

		this_pcpu()->softirqs |= 1;
		rc = hypercall_dispatch(v, &again);
		memcpy(&c, gpa_ptr(tools, ARG), sizeof(c));
		assert_int_equal(c.len, (4 - i) * PAGE_SIZE);
		assert_int_equal(again, i < 4);
		assert_true(again || rc == 0);
	}
	this_pcpu()->softirqs &= ~1UL;
	holds(plain, TARGET, 4 * PAGE_SIZE, 1);
}

static void writes_are_logged(void **state)
{
	assert_int_equal(p2m_log_dirty_enable(plain), 0);
	assert_int_equal(copy(HOSPES_COPY_to_domain, 5 * PAGE_SIZE - 1, 2), 0);
	assert_int_equal(copy(0, 9 * PAGE_SIZE, 2), 0);
	assert_int_equal(logged(plain), 0x30);
	log_end(plain);
}

/* What has not been touched yet is populated by the copy; what the domain gave away stays a hole. A dead one has nothing. */
static void odd_memory(void **state)
{
	struct domain *d = create(1);
	struct xen_domctl op = domctl_of(XEN_DOMCTL_max_mem, d->id);
	struct hospes_copy c = {
		.domid = d->id, .flags = HOSPES_COPY_to_domain, .gpa = 512 * PAGE_SIZE, .buffer = BUF, .len = 64
	};

	op.u.max_mem.max_memkb = 8 << 10;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(hospes(tools, HOSPES_copy, &c), -EFAULT);
	assert_int_equal(p2m_pod_target(d, 16), 0);
	assert_int_equal(p2m_mark_pod(d, gfn(512), ORDER_2M), 0);
	fill(tools, BUF, 64, 3);
	assert_int_equal(hospes(tools, HOSPES_copy, &c), 0);
	holds(d, 512 * PAGE_SIZE, 64, 3);
	kill_domain(d);
	c.len = 64;
	assert_true(hospes(tools, HOSPES_copy, &c) < 0);
}

static long latency(struct domain *d, struct hospes_latency *op)
{
	return call_arg(d->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_latency, op, sizeof(*op));
}

/* Told, and set by whoever controls the domain; what is refused changes nothing. */
static void latency_class(void **state)
{
	struct hospes_latency op = { .domid = plain->id, .class = 77 };
	uint64_t waits = 0;

	assert_int_equal(latency(tools, &op), 0);
	assert_int_equal(op.class, HOSPES_LATENCY_normal);
	op.flags = HOSPES_LATENCY_set;
	op.class = HOSPES_LATENCY_interactive;
	assert_int_equal(latency(tools, &op), 0);
	assert_int_equal(sched_class(plain), CLASS_INTERACTIVE);
	assert_int_equal(sched_class(tools), CLASS_NORMAL);
	op.class = HOSPES_LATENCY_batch + 1;
	assert_int_equal(latency(tools, &op), -EINVAL);
	op.class = HOSPES_LATENCY_batch;
	op.flags = HOSPES_LATENCY_set | 2;
	assert_int_equal(latency(tools, &op), -EINVAL);
	op.flags = HOSPES_LATENCY_set;
	assert_int_equal(latency(plain, &op), -ENOSYS);
	op.domid = 99;
	assert_int_equal(latency(tools, &op), -ESRCH);
	assert_int_equal(sched_class(plain), CLASS_INTERACTIVE);
	assert_int_equal(host_hypercall(tools->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_latency, ~0UL - 8, 0, 0, 0),
			 -EFAULT);
	op = (struct hospes_latency){ .domid = plain->id };
	assert_int_equal(latency(tools, &op), 0);
	assert_int_equal(op.class, HOSPES_LATENCY_interactive);
	for (unsigned i = 0; i < HOSPES_LATENCY_WAITS; i++)
		waits += op.waits[i];
	assert_int_equal(waits, 0);
	/* What the scheduler has counted. */
	plain->vcpu[0]->sched->waits[3]++;
	assert_int_equal(latency(tools, &op), 0);
	assert_int_equal(op.waits[3], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_for_control, control_setup),
		cmocka_unit_test_setup(to_and_from, control_setup),
		cmocka_unit_test_setup(refused, control_setup),
		cmocka_unit_test_setup(pages_of_others, control_setup),
		cmocka_unit_test_setup(in_slices, control_setup),
		cmocka_unit_test_setup(writes_are_logged, control_setup),
		cmocka_unit_test_setup(odd_memory, control_setup),
		cmocka_unit_test_setup(latency_class, control_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
