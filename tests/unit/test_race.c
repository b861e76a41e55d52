/*
 * Four CPUs run the vCPUs of two hostile domains at once: they grant, map, copy, move, free and fill the same few pages, send on,
 * bind and close the same few ports. Nothing may fault, every page that is mapped must be alive and its own, and when both are dead all
 * memory must be back.
 */
#include <pthread.h>

#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/memory.h"
#include "guest_test.h"
#include "hv/memory.h"
#include "hv/p2m.h"

#define STEPS 20000u
#define PAGES 64u
#define FIRST 32u /* gfns FIRST to FIRST + 15 are fought about */
#define TABLE_GFN 20u
#define NR_REFS 8u

static struct domain *d[2];
static struct frame *table[2];

static uint32_t random_number(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static uint64_t some_gfn(uint32_t *r)
{
	return FIRST + random_number(r) % 16;
}

struct reservation {
	uint64_t extents, nr;
	uint32_t order, flags;
	uint16_t domid;
};

struct add {
	uint16_t domid, size;
	uint32_t space;
	uint64_t idx, gpfn;
};

static long memory_step(struct vcpu *v, uint8_t *arg, uint64_t gpa, uint32_t *r)
{
	struct reservation res = { gpa + 128, 1, 0, 0, DOMID_SELF };
	struct add a = { DOMID_SELF, 4, 0, some_gfn(r), some_gfn(r) };
	uint64_t g = some_gfn(r);

	memcpy(arg + 128, &g, sizeof(g));
	switch (random_number(r) % 5) {
	case 0:
	case 1:
		memcpy(arg, &res, sizeof(res));
		return host_hypercall(v, HC_memory_op, random_number(r) % 2 ? 1 : 6, gpa, 0, 0, 0);
	case 2:
		a.space = 2 + random_number(r) % 2; /* one gfn, or a range */
		break;
	case 3:
		a.space = random_number(r) % 2;
		a.idx = 0;
		if (a.space == 1) /* the table frame stays where it is: the other one moves */
			a.idx = 1;
		break;
	default:
		/* Remove, whose pages come back only when the domain dies: rarely. */
		if (random_number(r) % 64)
			return 0;
		memcpy(arg + 8, &g, sizeof(g));
		*(uint16_t *)(void *)arg = DOMID_SELF;
		return host_hypercall(v, HC_memory_op, 15, gpa, 0, 0, 0);
	}
	memcpy(arg, &a, sizeof(a));
	return host_hypercall(v, HC_memory_op, 7, gpa, 0, 0, 0);
}

static long grant_step(struct vcpu *v, uint8_t *arg, uint64_t gpa, uint32_t *r)
{
	unsigned me = v->domain->id - 1u;
	domid_t other = (domid_t)(2 - me);
	uint64_t address = some_gfn(r) << PAGE_SHIFT;
	struct grant_entry_v1 *e;

	switch (random_number(r) % 4) {
	case 0: {
		e = (struct grant_entry_v1 *)mfn_to_virt(frame_to_mfn(table[me])) + 8 + random_number(r) % NR_REFS;
		write_once(e->domid, other);
		write_once(e->frame, (uint32_t)some_gfn(r));
		__atomic_fetch_or(&e->flags, GTF_permit_access, __ATOMIC_SEQ_CST);
		return 0;
	}
	case 1: {
		struct gnttab_map_grant_ref m = { address,
						  random_number(r) % 2 ? GNTMAP_host_map :
									 GNTMAP_host_map | GNTMAP_readonly,
						  8 + random_number(r) % NR_REFS,
						  other,
						  0,
						  0,
						  0 };
		memcpy(arg, &m, sizeof(m));
		return host_hypercall(v, HC_grant_table_op, GNTTABOP_map_grant_ref, gpa, 1, 0, 0);
	}
	case 2: {
		struct gnttab_unmap_grant_ref u[16];

		for (unsigned i = 0; i < 16; i++) /* nobody remembers where: try one page of each handle */
			u[i] = (struct gnttab_unmap_grant_ref){ (FIRST + (i + random_number(r)) % 16) << PAGE_SHIFT, 0,
								random_number(r) % 32, 0 };
		memcpy(arg, u, sizeof(u));
		return host_hypercall(v, HC_grant_table_op, GNTTABOP_unmap_grant_ref, gpa, 16, 0, 0);
	}
	default: {
		struct gnttab_copy c = { .len = 64, .flags = GNTCOPY_source_gref };

		c.source.u.ref = 8 + random_number(r) % NR_REFS;
		c.source.domid = other;
		c.dest.u.gmfn = some_gfn(r);
		c.dest.domid = DOMID_SELF;
		memcpy(arg, &c, sizeof(c));
		return host_hypercall(v, HC_grant_table_op, GNTTABOP_copy, gpa, 1, 0, 0);
	}
	}
}

static long event_step(struct vcpu *v, uint8_t *arg, uint64_t gpa, uint32_t *r)
{
	domid_t other = (domid_t)(3 - v->domain->id);
	uint32_t w[6] = { random_number(r) % 12, random_number(r) % 12 };
	static const unsigned ops[] = { EVTCHNOP_send,	 EVTCHNOP_close, EVTCHNOP_bind_vcpu,
					EVTCHNOP_unmask, EVTCHNOP_reset, EVTCHNOP_send };
	unsigned op = ops[random_number(r) % ARRAY_SIZE(ops)];

	if (op == EVTCHNOP_reset) {
		if (random_number(r) % 32)
			return 0;
		w[0] = DOMID_SELF;
	}
	if (random_number(r) % 3 == 0) {
		struct evtchn_alloc_unbound u = { DOMID_SELF, other, 0 };
		struct evtchn_bind_interdomain b = { other, random_number(r) % 12, 0 };

		if (random_number(r) % 2) {
			memcpy(arg, &u, sizeof(u));
			op = EVTCHNOP_alloc_unbound;
		} else {
			memcpy(arg, &b, sizeof(b));
			op = EVTCHNOP_bind_interdomain;
		}
	} else {
		w[1] %= 2;
		memcpy(arg, w, sizeof(w));
	}
	return host_hypercall(v, HC_event_channel_op, op, gpa, 0, 0, 0);
}

static void *run(void *data)
{
	unsigned cpu = (unsigned)(uintptr_t)data;
	struct vcpu *v = d[cpu / 2]->vcpu[cpu % 2];
	uint64_t gpa = (4 + cpu) * PAGE_SIZE;
	uint8_t *arg;
	uint32_t r = cpu * 7919 + 1;

	host_set_cpu(cpu);
	arg = mfn_to_virt(p2m_lookup(v->domain, gfn(4 + cpu), NULL, NULL));
	for (unsigned i = 0; i < STEPS; i++) {
		switch (random_number(&r) % 3) {
		case 0:
			memory_step(v, arg, gpa, &r);
			break;
		case 1:
			grant_step(v, arg, gpa, &r);
			break;
		default:
			event_step(v, arg, gpa, &r);
		}
	}
	return NULL;
}

/* What @x sees is alive, and its own where it says so. */
static void check_map(struct domain *x)
{
	for (uint64_t g = 0; g < PAGES + FIRST; g++) {
		enum p2m_type t;
		mfn_t m = p2m_lookup(x, gfn(g), &t, NULL);
		const struct frame *f;

		if (!mfn_valid_value(m))
			continue;
		f = mfn_to_frame(m);
		assert_int_not_equal(f->refs, 0);
		if (p2m_type_own_ram(t)) {
			assert_int_equal(f->owner, x->id);
			assert_true(f->flags & FRAME_F_ALLOCATED);
		} else {
			assert_true(t == P2M_GRANT_MAP_RW || t == P2M_GRANT_MAP_RO);
			assert_int_equal(f->owner, 3 - x->id);
		}
	}
}

static void war(void)
{
	pthread_t t[4];

	for (unsigned i = 0; i < 2; i++) {
		d[i] = host_domain((domid_t)(i + 1), 2, PAGES, 0);
		d[i]->max_pages = PAGES + 4;
		assert_int_equal(physmap_add(d[i], XENMAPSPACE_grant_table, 0, gfn(TABLE_GFN)), 0);
		table[i] = mfn_to_frame(p2m_lookup(d[i], gfn(TABLE_GFN), NULL, NULL));
	}
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, run, (void *)i);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	check_map(d[0]);
	check_map(d[1]);
	kill_domain(d[0]);
	kill_domain(d[1]);
}

static void test_war(void **state)
{
	uint64_t frames, bytes;

	host_machine(RAM, 4);
	war(); /* what is allocated once and kept */
	frames = mm_free_frames();
	bytes = heap_bytes_used();
	for (unsigned i = 0; i < 2; i++) {
		war();
		assert_int_equal(mm_free_frames(), frames);
		assert_int_equal(heap_bytes_used(), bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_war) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
