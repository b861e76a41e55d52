/*
 * Trace buffers: what a reader that follows Xen's protocol finds in them, in every order of writing and reading; and what one that scribbles over
 * them can do. The reader here is written from the format alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "control_test.h"

#include "hv/sched.h"
#include "hv/trace.h"

#define PAGES 2u
#define EVENT (TRC_SCHED_VERBOSE + 0x33)

static long tbuf(uint32_t cmd, uint32_t number, struct xen_sysctl_tbuf_op *out)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_tbuf_op, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
	long rc;

	op.u.tbuf_op.cmd = cmd;
	op.u.tbuf_op.size = op.u.tbuf_op.evt_mask = number;
	op.u.tbuf_op.cpu_mask = (struct xenctl_bitmap){ BUF, 64 };
	rc = sysctl(&op);
	if (out)
		*out = op.u.tbuf_op;
	return rc;
}

static struct t_buf *buffer(unsigned cpu)
{
	struct xen_sysctl_tbuf_op i;
	const struct t_info *info;

	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0, &i), 0);
	info = mfn_to_virt(mfn(i.buffer_mfn));
	return mfn_to_virt(mfn(((const uint32_t *)info)[info->mfn_offset[cpu]]));
}

static uint32_t data_size(void)
{
	struct xen_sysctl_tbuf_op i;

	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0, &i), 0);
	return ((const struct t_info *)mfn_to_virt(mfn(i.buffer_mfn)))->tbuf_size * (uint32_t)PAGE_SIZE -
	       (uint32_t)sizeof(struct t_buf);
}

/* Buffers live as long as the machine; each test has a new one, whose memory is the old one's. */
static int setup(void **state)
{
	int rc;

	trace_forget();
	rc = control_setup(state);
	if (rc)
		return rc;
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, TRC_ALL, NULL), 0);
	*(uint64_t *)gpa_ptr(tools, BUF) = ~0UL;
	return (int)tbuf(XEN_SYSCTL_TBUFOP_set_cpu_mask, 0, NULL);
}

static void test_switch(void **state)
{
	struct xen_sysctl_tbuf_op i;

	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0, &i), 0);
	assert_int_equal(i.size, 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, NULL), -EINVAL);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, 0, NULL), -EINVAL);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, 1u << 20, NULL), -EINVAL);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, NULL), 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, NULL), 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES + 1, NULL), -EBUSY);
	assert_int_equal(tbuf(6, 0, NULL), -EINVAL);
	trace(EVENT, 1);
	assert_int_equal(buffer(0)->prod, 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, NULL), 0);
	trace(EVENT, 1);
	assert_int_equal(buffer(0)->prod, 16);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, TRC_MEM, NULL), 0);
	trace(EVENT, 1);
	assert_int_equal(buffer(0)->prod, 16);
	trace_bare(TRC_MEM + 9);
	assert_int_equal(buffer(0)->prod, 28);
	*(uint64_t *)gpa_ptr(tools, BUF) = ~1UL;
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_cpu_mask, 0, NULL), 0);
	trace_bare(TRC_MEM + 9);
	assert_int_equal(buffer(0)->prod, 28);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_disable, 0, NULL), 0);
	assert_int_equal(trace_events, 0);
}

/* Only control domains see a buffer, and only buffers. */
static void test_pages(void **state)
{
	struct xen_sysctl_tbuf_op i;
	struct frame *f;
	uint32_t refs;

	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, NULL), 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0, &i), 0);
	f = trace_get_page(mfn(i.buffer_mfn));
	assert_non_null(f);
	refs = f->refs;
	frame_put(f);
	assert_int_equal(f->refs, refs - 1);
	assert_null(trace_get_page(mfn(0)));
	assert_null(trace_get_page(virt_to_mfn(tools->shared_info)));
	f = trace_get_page(mfn(virt_to_mfn(buffer(3)).v + PAGES - 1));
	assert_non_null(f);
	frame_put(f);
}

/* Reading ----------------------------------------------------------------------------------------- */

static struct {
	uint32_t next; /* number of the record that should come */
	unsigned lost, wraps;
	uint64_t time;
} reader;

/* One record at @cons; how many bytes it has. */
static uint32_t read_record(const uint8_t *data, uint32_t cons, uint32_t size)
{
	const uint32_t *w = (const uint32_t *)(data + cons % size);
	uint32_t event = *w & 0x0fffffff, extra = *w >> 28 & 7, timed = *w >> 31;
	uint32_t bytes = 4 + 8 * timed + 4 * extra;

	assert_true(cons % size + bytes <= size);
	if (timed && event != TRC_TRACE_WRAP_BUFFER) {
		uint64_t t = w[1] | (uint64_t)w[2] << 32;

		assert_true(t >= reader.time);
		reader.time = t;
	}
	if (event == TRC_TRACE_WRAP_BUFFER) {
		reader.wraps++;
		assert_int_equal(cons % size + bytes, size);
	} else if (event == TRC_LOST_RECORDS) {
		reader.lost += w[3];
		reader.next += w[3];
	} else {
		assert_int_equal(event, EVENT);
		for (uint32_t i = 0; i < extra; i++)
			assert_int_equal(w[3 + i], reader.next + i);
		reader.next++;
	}
	return bytes;
}

static void read_some(struct t_buf *b, uint32_t size, unsigned records)
{
	uint32_t cons = b->cons, prod = __atomic_load_n(&b->prod, __ATOMIC_ACQUIRE);

	for (; cons != prod && records; records--)
		cons = (cons + read_record((const uint8_t *)(b + 1), cons, size)) % (2 * size);
	__atomic_store_n(&b->cons, cons, __ATOMIC_RELEASE);
}

/* Records of all lengths; the reader is now quicker, now slower. None is lost without a word. */
static void test_every_order(void **state)
{
	uint32_t words[TRACE_EXTRA_MAX], number = 0, r = 1, size;

	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, NULL), 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, NULL), 0);
	memset(&reader, 0, sizeof(reader));
	size = data_size();
	for (unsigned i = 0; i < 200000; i++) {
		r = r * 1664525u + 1013904223u;
		host_advance(3);
		if ((r >> 8) % 3) {
			for (unsigned k = 0; k < TRACE_EXTRA_MAX; k++)
				words[k] = number + k;
			trace_put(EVENT, words, (r >> 12) % (TRACE_EXTRA_MAX + 1));
			number++;
		} else if ((r >> 16) % 1024 < 700) {
			read_some(buffer(0), size, (r >> 20) % 4 + (i / 20000) % 3);
		}
	}
	read_some(buffer(0), size, UINT32_MAX);
	trace_put(EVENT, (uint32_t[]){ number }, 1); /* tells what was lost last */
	read_some(buffer(0), size, UINT32_MAX);
	assert_int_equal(reader.next, number + 1);
	assert_true(reader.lost > 0 && reader.lost < number);
	assert_true(reader.wraps > 10);
	printf("# %u records, %u lost, %u at the end of the buffer\n", number, reader.lost, reader.wraps);
}

/* Whatever the reader writes to what it shares, nothing outside of the data changes. */
static void test_hostile(void **state)
{
	static const uint32_t bad[] = { 1, 3, 0x80000000u, 0xffffffffu, 2 * 8184, 8184, 8180, 16364, 77777 };
	struct t_buf *b;

	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, NULL), 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, NULL), 0);
	b = buffer(0);
	for (unsigned i = 0; i < 20000; i++) {
		b->cons = bad[i % ARRAY_SIZE(bad)];
		b->prod = bad[(i / 7) % ARRAY_SIZE(bad)];
		trace(EVENT, i, i, i);
	}
	assert_int_equal(buffer(1)->cons | buffer(1)->prod, 0);
}

/* What the scheduler says of a wake-up and a block. */
static void test_scheduler_events(void **state)
{
	unsigned changes = 0, wakes = 0, switches = 0;
	const struct t_buf *b;
	struct domain *d;

	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, NULL), 0);
	assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, NULL), 0);
	b = buffer(0);
	d = host_domain(9, 1, 4, 0);
	schedule();
	vcpu_sleep_nosync(d->vcpu[0]);
	schedule();
	for (uint32_t at = 0; at != b->prod;) {
		const uint32_t *w = (const uint32_t *)((const uint8_t *)(b + 1) + at);

		changes += (*w & 0x0ffff00f) == TRC_SCHED_RUNSTATE_CHANGE;
		wakes += (*w & 0x0fffffff) == TRC_SCHED_WAKE && w[3] == d->id;
		switches += (*w & 0x0fffffff) == TRC_SCHED_SWITCH;
		at += 12 + 4 * (*w >> 28 & 7);
	}
	assert_true(changes > 0 && switches > 0);
	assert_int_equal(wakes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_switch, setup),	      cmocka_unit_test_setup(test_pages, setup),
		cmocka_unit_test_setup(test_every_order, setup),      cmocka_unit_test_setup(test_hostile, setup),
		cmocka_unit_test_setup(test_scheduler_events, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
