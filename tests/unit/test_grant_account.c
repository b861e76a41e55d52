/*
 * Who holds whose pages: told to a toolstack with the time, told to who asked when it ends, and taken back from the holders of a dead domain's pages, who
 * go on with pages of zeroes, without a leak whoever ends first.
 */
#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/hospes.h"
#include "abi/memory.h"
#include "control_test.h"
#include "hv/core/grant_table.h"
#include "hv/memory.h"
#include "hv/trace.h"

#define TABLE 0x30000UL
#define WINDOW 0x60000UL
#define RW GNTMAP_host_map
#define RO (GNTMAP_host_map | GNTMAP_readonly)

static struct domain *holder, *granter;

static int setup(void **state)
{
	int rc = control_setup(state);

	holder = host_domain(8, 1, 16, 0);
	granter = host_domain(9, 1, 16, 0);
	assert_int_equal(physmap_add(granter, XENMAPSPACE_grant_table, 0, gfn(TABLE >> PAGE_SHIFT)), 0);
	return rc;
}

static void grant(grant_ref_t ref, domid_t to, uint32_t g, bool readonly)
{
	struct grant_entry_v1 *e = (struct grant_entry_v1 *)gpa_ptr(granter, TABLE) + ref;

	*e = (struct grant_entry_v1){ (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0)), to, g };
}

static grant_handle_t map(struct domain *d, grant_ref_t ref, uint32_t flags, uint64_t at)
{
	struct gnttab_map_grant_ref m = { at, flags, ref, granter->id, 99, 0, 0 };

	assert_int_equal(call_arg(d->vcpu[0], HC_grant_table_op, GNTTABOP_map_grant_ref, &m, sizeof(m)), 0);
	assert_int_equal(m.status, GNTST_okay);
	return m.handle;
}

static void unmap(struct domain *d, grant_handle_t handle, uint64_t at)
{
	struct gnttab_unmap_grant_ref u = { at, 0, handle, 99 };

	assert_int_equal(call_arg(d->vcpu[0], HC_grant_table_op, GNTTABOP_unmap_grant_ref, &u, sizeof(u)), 0);
	assert_int_equal(u.status, GNTST_okay);
}

static long hospes(struct domain *d, uint64_t op, void *arg, size_t size)
{
	return call_arg(d->vcpu[0], __HYPERVISOR_hospes_op, op, arg, size);
}

/* All holders, by calls with room for @room each; how many. */
static unsigned holders(struct hospes_grant_holder *h, uint32_t room, domid_t id)
{
	struct hospes_grant_holders op = { .domid = id };
	unsigned n = 0;

	while (op.ref != ~0u) {
		op.nr = room;
		op.buffer = BUF;
		assert_int_equal(hospes(tools, HOSPES_grant_holders, &op, sizeof(op)), 0);
		assert_true(op.nr <= room);
		memcpy(h + n, gpa_ptr(tools, BUF), op.nr * sizeof(*h));
		n += op.nr;
	}
	return n;
}

static void test_holders(void **state)
{
	struct hospes_grant_holders op = { .domid = 77, .nr = 1, .buffer = BUF };
	struct hospes_grant_holder h[8];
	grant_handle_t a, b;

	assert_int_equal(holders(h, 4, granter->id), 0);
	host_set_time(5000000);
	grant(20, holder->id, 5, false);
	grant(300, tools->id, 6, true);
	a = map(holder, 20, RW, WINDOW);
	host_set_time(9000000);
	(void)map(holder, 20, RO, WINDOW + PAGE_SIZE);
	b = map(tools, 300, RO, WINDOW);
	for (uint32_t room = 1; room < 4; room++) {
		assert_int_equal(holders(h, room, granter->id), 2);
		assert_int_equal(h[0].ref, 20);
		assert_int_equal(h[0].holder, holder->id);
		assert_int_equal(h[0].readers, 1);
		assert_int_equal(h[0].writers, 1);
		assert_int_equal(h[0].gfn, 5);
		assert_int_equal(h[0].since, 5000000);
		assert_int_equal(h[1].ref, 300);
		assert_int_equal(h[1].holder, tools->id);
		assert_int_equal(h[1].since, 9000000);
	}
	unmap(tools, b, WINDOW);
	/* Dead, it still says who keeps it. */
	kill_domain(granter);
	assert_int_equal(holders(h, 4, 9), 1);
	assert_int_equal(h[0].ref, 20);
	unmap(holder, a, WINDOW);
	assert_int_equal(holders(h, 4, 9), 1);
	assert_int_equal(hospes(tools, HOSPES_grant_holders, &op, sizeof(op)), -ESRCH);
	op = (struct hospes_grant_holders){ .domid = 9, .nr = 1, .buffer = 1UL << 50 };
	assert_int_equal(hospes(tools, HOSPES_grant_holders, &op, sizeof(op)), -EFAULT);
	op.pad = 1;
	assert_int_equal(hospes(tools, HOSPES_grant_holders, &op, sizeof(op)), -EINVAL);
}

static uint32_t ipi_port(struct domain *d)
{
	struct evtchn_bind_ipi b = { 0, 0 };

	assert_int_equal(call_arg(d->vcpu[0], HC_event_channel_op, EVTCHNOP_bind_ipi, &b, sizeof(b)), 0);
	return b.port;
}

static void test_notify(void **state)
{
	struct hospes_grant_notify op = { .domid = DOMID_SELF, .ref = 20 }, other;
	grant_handle_t a, b;

	op.port = ipi_port(granter);
	grant(20, holder->id, 5, false);
	assert_int_equal(hospes(granter, HOSPES_grant_notify, &op, sizeof(op)), -ENOENT);
	op.ref = 600;
	assert_int_equal(hospes(granter, HOSPES_grant_notify, &op, sizeof(op)), -ENOENT);
	op.ref = ~0u;
	assert_int_equal(hospes(granter, HOSPES_grant_notify, &op, sizeof(op)), -ENOENT);
	op.ref = 20;
	a = map(holder, 20, RW, WINDOW);
	b = map(holder, 20, RO, WINDOW + PAGE_SIZE);
	other = op;
	other.port = op.port + 1;
	assert_int_equal(hospes(granter, HOSPES_grant_notify, &other, sizeof(other)), -EINVAL);
	other = op;
	other.domid = granter->id;
	assert_int_equal(hospes(holder, HOSPES_grant_notify, &other, sizeof(other)), -EINVAL); /* no port of its own */
	other.port = ipi_port(holder);
	assert_int_equal(hospes(holder, HOSPES_grant_notify, &other, sizeof(other)), -EPERM);
	assert_int_equal(hospes(granter, HOSPES_grant_notify, &op, sizeof(op)), 0);
	unmap(holder, a, WINDOW);
	assert_int_equal(evtchn_port_pending(granter, op.port), 0);
	unmap(holder, b, WINDOW + PAGE_SIZE);
	assert_int_equal(evtchn_port_pending(granter, op.port), 1);
	/* A wish taken back, and one of a toolstack about somebody else. */
	other = (struct hospes_grant_notify){ granter->id, 0, 20, ipi_port(tools) };
	a = map(holder, 20, RW, WINDOW);
	assert_int_equal(hospes(tools, HOSPES_grant_notify, &other, sizeof(other)), 0);
	unmap(holder, a, WINDOW);
	assert_int_equal(evtchn_port_pending(tools, other.port), 1);
	other.port = ipi_port(tools);
	a = map(holder, 20, RW, WINDOW);
	assert_int_equal(hospes(tools, HOSPES_grant_notify, &other, sizeof(other)), 0);
	op = other;
	op.port = 0;
	assert_int_equal(hospes(tools, HOSPES_grant_notify, &op, sizeof(op)), 0);
	unmap(holder, a, WINDOW);
	assert_int_equal(evtchn_port_pending(tools, other.port), 0);
}

static long revoke(struct hospes_grant_revoke *op, domid_t id)
{
	*op = (struct hospes_grant_revoke){ .domid = id };
	return hospes(tools, HOSPES_grant_revoke, op, sizeof(*op));
}

static void test_revoke(void **state)
{
	struct hospes_grant_revoke op;
	struct domain *mapper[2] = { holder, tools };
	grant_handle_t h[2][3];
	enum p2m_type t;
	struct frame *page = mfn_to_frame(p2m_lookup(granter, gfn(5), NULL, NULL));

	memset(gpa_ptr(granter, 0x5000), 0x5a, PAGE_SIZE);
	for (unsigned i = 0; i < 2; i++) {
		grant(20 + i, mapper[i]->id, 5, false);
		h[i][0] = map(mapper[i], 20 + i, RW, WINDOW);
		h[i][1] = map(mapper[i], 20 + i, RO, WINDOW + PAGE_SIZE);
		h[i][2] = map(mapper[i], 20 + i, RW, WINDOW + 2 * PAGE_SIZE);
	}
	assert_int_equal(revoke(&op, granter->id), -EBUSY);
	assert_int_equal(revoke(&op, 77), -ESRCH);
	kill_domain(granter);
	assert_int_equal(page->refs, 6);
	/* One is not where it was: it is only forgotten. */
	assert_int_equal(p2m_set(tools, gfn((WINDOW >> PAGE_SHIFT) + 2), INVALID_MFN, 0, P2M_INVALID), 0);
	assert_int_equal(revoke(&op, 9), 0);
	assert_int_equal(op.revoked, 6);
	assert_int_equal(op.kept, 0);
	assert_int_equal(page->state, FRAME_FREE);
	assert_null(domain_get_by_id(9));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(*(uint8_t *)gpa_ptr(mapper[i], WINDOW), 0);
		(void)p2m_lookup(mapper[i], gfn(WINDOW >> PAGE_SHIFT), &t, NULL);
		assert_int_equal(t, P2M_GRANT_MAP_RW);
		(void)p2m_lookup(mapper[i], gfn((WINDOW >> PAGE_SHIFT) + 1), &t, NULL);
		assert_int_equal(t, P2M_GRANT_MAP_RO);
	}
	/* What one writes there the other does not read. */
	*(uint8_t *)gpa_ptr(holder, WINDOW) = 1;
	assert_int_equal(*(uint8_t *)gpa_ptr(tools, WINDOW), 0);
	unmap(holder, h[0][0], WINDOW);
	unmap(holder, h[0][2], WINDOW + 2 * PAGE_SIZE);
	unmap(tools, h[1][0], WINDOW);
	kill_domain(holder); /* with one still mapped */
}

/* One look of the revocation, which has other things to do: true when it is to come again. */
static bool revoke_slice(struct hospes_grant_revoke *op)
{
	struct vcpu *v = tools->vcpu[0];
	bool again;

	memcpy(gpa_ptr(tools, ARG), op, sizeof(*op));
	v->hc.nr = __HYPERVISOR_hospes_op;
	v->hc.args[0] = HOSPES_grant_revoke;
	v->hc.args[1] = ARG;
	softirq_raise(0, SOFTIRQ_TASK);
	(void)hypercall_dispatch(v, &again);
	memcpy(op, gpa_ptr(tools, ARG), sizeof(*op));
	no_softirqs();
	return again;
}

/* Whoever had pinned a page before its owner began to die, and has not said yet where he maps it, is waited for. */
static void test_revoke_waits(void **state)
{
	struct hospes_grant_revoke op = { .domid = granter->id };
	struct maptrack *m;
	grant_handle_t h;

	grant(20, holder->id, 5, false);
	h = map(holder, 20, RW, WINDOW);
	m = grant_maptrack(holder->grant, h);
	m->state = MAPTRACK_BUSY;
	kill_domain(granter);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(revoke_slice(&op));
		assert_int_equal(op.revoked, 0);
		assert_int_equal(op.holder, holder->id);
		assert_int_equal(op.handle, h);
	}
	m->state = MAPTRACK_MAPPED;
	while (revoke_slice(&op))
		;
	assert_int_equal(op.revoked, 1);
	assert_int_equal(*(uint8_t *)gpa_ptr(holder, WINDOW), 0);
	assert_null(domain_get_by_id(9));
	unmap(holder, h, WINDOW);
}

/* A reader of traces sees the end of a revoked mapping, too: nobody's by then. */
static void test_revoked_traced(void **state)
{
	struct hospes_grant_revoke op;
	grant_handle_t h;

	grant(20, holder->id, 5, false);
	h = map(holder, 20, RW, WINDOW);
	kill_domain(granter);
	assert_int_equal(revoke(&op, 9), 0);
	assert_int_equal(op.revoked, 1);
	assert_int_equal(trace_set_size(1), 0);
	trace_set_events(TRC_MEM);
	assert_int_equal(trace_enable(true), 0);
	unmap(holder, h, WINDOW);
	assert_int_equal(trace_enable(false), 0);
	trace_forget();
}

/* However many there are, they are told a few at a time when something else is to be done. */
static void test_holders_in_slices(void **state)
{
	struct hospes_grant_holders op = { .domid = granter->id, .nr = 8, .buffer = BUF };

	for (unsigned i = 0; i < 8; i++) {
		grant(20 + i, holder->id, 5, false);
		(void)map(holder, 20 + i, RO, WINDOW + i * PAGE_SIZE);
	}
	softirq_raise(0, SOFTIRQ_TASK);
	for (unsigned i = 0; i < 8; i++) {
		op.nr = 8;
		assert_int_equal(hospes(tools, HOSPES_grant_holders, &op, sizeof(op)), 0);
		assert_int_equal(op.nr, 1);
		assert_int_equal(op.ref, 20 + i + 1);
	}
	host_run_softirqs(0);
}

/* Every end in every order gives everything back. */
static void test_no_leaks(void **state)
{
	uint64_t heap = 0, frames = 0;

	kill_domain(granter);
	for (unsigned i = 0; i < 6; i++) {
		struct domain *d = host_domain(10, 1, 16, 0);
		struct hospes_grant_revoke op;
		grant_handle_t h;

		granter = host_domain(9, 1, 16, 0);
		assert_int_equal(physmap_add(granter, XENMAPSPACE_grant_table, 0, gfn(TABLE >> PAGE_SHIFT)), 0);
		grant(20, d->id, 5, false);
		h = map(d, 20, RW, WINDOW);
		if (i & 1) {
			kill_domain(granter);
			softirq_raise(0, SOFTIRQ_TASK);
			assert_int_equal(revoke(&op, 9), 0);
			host_run_softirqs(0);
			if (i & 2)
				unmap(d, h, WINDOW);
			kill_domain(d);
		} else {
			kill_domain(d);
			kill_domain(granter);
		}
		assert_null(domain_get_by_id(9));
		assert_null(domain_get_by_id(10));
		if (i == 1) {
			heap = heap_bytes_used();
			frames = mm_free_frames();
		}
	}
	assert_int_equal(heap_bytes_used(), heap);
	assert_int_equal(mm_free_frames(), frames);
}

/* Without memory for the page of zeroes nothing is taken away. */
static void test_no_memory(void **state)
{
	struct hospes_grant_revoke op;
	grant_handle_t h;

	grant(20, holder->id, 5, false);
	*(uint8_t *)gpa_ptr(granter, 0x5000) = 0x5a;
	h = map(holder, 20, RW, WINDOW);
	kill_domain(granter);
	host_take_memory(0);
	assert_int_equal(revoke(&op, 9), -ENOMEM);
	assert_int_equal(*(uint8_t *)gpa_ptr(holder, WINDOW), 0x5a);
	host_give_back();
	unmap(holder, h, WINDOW);
	assert_null(domain_get_by_id(9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_holders, setup),
		cmocka_unit_test_setup(test_notify, setup),
		cmocka_unit_test_setup(test_revoke, setup),
		cmocka_unit_test_setup(test_revoke_waits, setup),
		cmocka_unit_test_setup(test_no_leaks, setup),
		cmocka_unit_test_setup(test_no_memory, setup),
		cmocka_unit_test_setup(test_revoked_traced, setup),
		cmocka_unit_test_setup(test_holders_in_slices, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
