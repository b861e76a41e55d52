/*
 * Every grant operation races with every other and with the death of the granter: two CPUs run the vCPUs of a domain that maps, unmaps and copies what a line of others grant, which change
 * versions, swap, spoil and take back their entries on two more CPUs, die one after the other, and have their pages revoked by a fifth. In the end no entry is in
 * use, no mark is left, and all memory is back.
 */
#include <pthread.h>

#include "abi/grant_table.h"
#include "abi/hospes.h"
#include "abi/memory.h"
#include "hv/core/grant_table.h"
#include "guest_test.h"
#include "hv/memory.h"

#define USES 1500u	/* of a granter's pages, maps and copies, before it dies */
#define STEPS 10000000u /* of each of its vCPUs at most */
#define LIVES 5u
#define PAGES 48u
#define TABLE_GFN 20u
#define STATUS_GFN 21u
#define WINDOW 64u /* gfns WINDOW to WINDOW + 15 of the mapper */
#define NR_REFS 12u
#define FIRST_REF 4u /* some of them survive a change of version */
#define MAPPER 2u
#define FIRST_GRANTER 10u

static struct domain *ctl, *mapper;
static struct domain *granter; /* atomic: who grants now */
static bool stop;	       /* atomic */
static unsigned used;	       /* atomic: maps and copies that were made */

static uint32_t chance(uint32_t *state, uint32_t n)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % n;
}

static long grant_op(struct vcpu *v, unsigned cmd, uint64_t gpa, unsigned count)
{
	return host_hypercall(v, HC_grant_table_op, cmd, gpa, count, 0, 0);
}

static uint8_t *arg_of(struct vcpu *v, uint64_t gpa)
{
	return mfn_to_virt(p2m_lookup(v->domain, gfn(gpa >> PAGE_SHIFT), NULL, NULL));
}

/* What mapping domains do ------------------------------------------------------------------------------- */

static grant_ref_t some_ref(uint32_t *r)
{
	return FIRST_REF + chance(r, NR_REFS);
}

static void map_some(struct vcpu *v, uint8_t *arg, uint64_t gpa, domid_t from, uint32_t *r)
{
	static const uint32_t flags[] = { GNTMAP_host_map, GNTMAP_host_map | GNTMAP_readonly,
					  GNTMAP_device_map | GNTMAP_readonly };
	struct gnttab_map_grant_ref m[4];

	for (unsigned i = 0; i < 4; i++)
		m[i] = (struct gnttab_map_grant_ref){ (uint64_t)(WINDOW + chance(r, 16)) << PAGE_SHIFT,
						      flags[chance(r, 3)],
						      some_ref(r),
						      from,
						      99,
						      0,
						      0 };
	memcpy(arg, m, sizeof(m));
	assert_int_equal(grant_op(v, GNTTABOP_map_grant_ref, gpa, 4), 0);
	memcpy(m, arg, sizeof(m));
	for (unsigned i = 0; i < 4; i++)
		__atomic_fetch_add(&used, m[i].status == GNTST_okay, __ATOMIC_RELAXED);
}

static void unmap_some(struct vcpu *v, uint8_t *arg, uint64_t gpa, uint32_t *r)
{
	struct gnttab_unmap_grant_ref u[16];

	for (unsigned i = 0; i < 16; i++) /* nobody remembers where: try one page of each handle */
		u[i] = (struct gnttab_unmap_grant_ref){ (uint64_t)(WINDOW + chance(r, 16)) << PAGE_SHIFT, 0,
							chance(r, 40), 0 };
	memcpy(arg, u, sizeof(u));
	assert_int_equal(grant_op(v, GNTTABOP_unmap_grant_ref, gpa, 16), 0);
}

static void copy_some(struct vcpu *v, uint8_t *arg, uint64_t gpa, domid_t from, uint32_t *r)
{
	struct gnttab_copy c[4];

	for (unsigned i = 0; i < 4; i++) {
		c[i] = (struct gnttab_copy){ .len = (uint16_t)chance(r, 200), .flags = GNTCOPY_source_gref };
		c[i].source.u.ref = some_ref(r);
		c[i].source.domid = from;
		c[i].source.offset = (uint16_t)chance(r, 4000);
		c[i].dest.u.gmfn = 8 + chance(r, 4);
		c[i].dest.domid = DOMID_SELF;
		if (chance(r, 2)) {
			struct gnttab_copy_ptr p = c[i].source;

			c[i].source = c[i].dest;
			c[i].dest = p;
			c[i].flags = GNTCOPY_dest_gref;
		}
	}
	memcpy(arg, c, sizeof(c));
	assert_int_equal(grant_op(v, GNTTABOP_copy, gpa, 4), 0);
	memcpy(c, arg, sizeof(c));
	for (unsigned i = 0; i < 4; i++)
		__atomic_fetch_add(&used, c[i].status == GNTST_okay, __ATOMIC_RELAXED);
}

/* The mapper grants too: what a granter's transitive entries stand for. */
static void grant_back(struct domain *d, domid_t to, uint32_t *r)
{
	struct grant_entry_v1 *e = gpa_ptr(d, TABLE_GFN << PAGE_SHIFT);

	e += some_ref(r);
	write_once(e->domid, to);
	write_once(e->frame, 8 + chance(r, 4));
	__atomic_fetch_or(&e->flags, GTF_permit_access, __ATOMIC_SEQ_CST);
}

static void *mapper_runs(void *data)
{
	unsigned cpu = (unsigned)(uintptr_t)data;
	struct vcpu *v = mapper->vcpu[cpu];
	uint64_t gpa = (4 + cpu) * PAGE_SIZE;
	uint8_t *arg = arg_of(v, gpa);
	uint32_t r = cpu * 7919 + 1;

	host_set_cpu(cpu);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		domid_t from = __atomic_load_n(&granter, __ATOMIC_ACQUIRE)->id;

		switch (chance(&r, 4)) {
		case 0:
			map_some(v, arg, gpa, from, &r);
			break;
		case 1:
			unmap_some(v, arg, gpa, &r);
			break;
		case 2:
			copy_some(v, arg, gpa, from, &r);
			break;
		default:
			grant_back(mapper, from, &r);
		}
	}
	return NULL;
}

/* What granters do --------------------------------------------------------------------------------------- */

static void rewrite(struct domain *d, uint32_t *r)
{
	union grant_entry_v2 *e2 = (union grant_entry_v2 *)gpa_ptr(d, TABLE_GFN << PAGE_SHIFT) + some_ref(r);
	struct grant_entry_v1 *e1 = (struct grant_entry_v1 *)gpa_ptr(d, TABLE_GFN << PAGE_SHIFT) + some_ref(r);

	switch (chance(r, 6)) {
	case 0 ... 1:
		write_once(e1->domid, MAPPER);
		write_once(e1->frame, 8 + chance(r, 8));
		__atomic_fetch_or(&e1->flags, GTF_permit_access, __ATOMIC_SEQ_CST);
		break;
	case 2 ... 3:
		write_once(e2->full_page.frame, 8 + chance(r, 8));
		write_once(e2->sub_page.length, (uint16_t)chance(r, 8192));
		write_once(e2->hdr.domid, MAPPER);
		write_once(e2->hdr.flags, (uint16_t)(GTF_permit_access | (chance(r, 3) ? 0 : GTF_sub_page)));
		break;
	case 4:
		write_once(e2->transitive.trans_domid, MAPPER);
		write_once(e2->transitive.gref, some_ref(r));
		write_once(e2->hdr.domid, MAPPER);
		write_once(e2->hdr.flags, GTF_transitive);
		break;
	default:
		write_once(e2->hdr.flags, 0);
	}
}

static void change_some(struct vcpu *v, uint8_t *arg, uint64_t gpa, uint32_t *r)
{
	struct gnttab_swap_grant_ref w = { some_ref(r), some_ref(r), 0 };
	struct gnttab_set_version s = { 1 + chance(r, 2) };
	struct hospes_grant_notify n = { .domid = DOMID_SELF, .ref = some_ref(r), .port = 0 };

	switch (chance(r, 4)) {
	case 0:
		memcpy(arg, &w, sizeof(w));
		assert_int_equal(grant_op(v, GNTTABOP_swap_grant_ref, gpa, 1), 0);
		break;
	case 1:
		memcpy(arg, &s, sizeof(s));
		(void)grant_op(v, GNTTABOP_set_version, gpa, 1);
		break;
	case 2: /* where the status words are is the guest's to choose; no matter if there are none */
		(void)!physmap_add(v->domain, XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, gfn(STATUS_GFN));
		break;
	default:
		memcpy(arg, &n, sizeof(n));
		(void)host_hypercall(v, __HYPERVISOR_hospes_op, HOSPES_grant_notify, gpa, 0, 0, 0);
	}
}

static void *granter_runs(void *data)
{
	unsigned cpu = (unsigned)(uintptr_t)data;
	struct vcpu *v = granter->vcpu[cpu - 2];
	uint64_t gpa = (4 + cpu) * PAGE_SIZE;
	uint8_t *arg = arg_of(v, gpa);
	uint32_t r = cpu * 7919 + v->domain->id;

	host_set_cpu(cpu);
	for (unsigned i = 0; i < STEPS && __atomic_load_n(&used, __ATOMIC_RELAXED) < USES; i++) {
		rewrite(v->domain, &r);
		if (chance(&r, 3) == 0)
			change_some(v, arg, gpa, &r);
	}
	return NULL;
}

/* Lives and deaths ----------------------------------------------------------------------------------------- */

static struct domain *born(domid_t id)
{
	struct domain *d = host_domain(id, 2, PAGES, 0);

	d->max_pages = PAGES + 4;
	assert_int_equal(physmap_add(d, XENMAPSPACE_grant_table, 0, gfn(TABLE_GFN)), 0);
	return d;
}

/* Entries of @d in use, by the control operation. */
static unsigned holders(struct domain *d)
{
	struct hospes_grant_holders op = { .domid = d->id, .buffer = 0x8000 };
	unsigned n = 0;

	while (op.ref != ~0u) {
		op.nr = 64;
		assert_int_equal(call_arg(ctl->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_grant_holders, &op, sizeof(op)),
				 0);
		n += op.nr;
	}
	return n;
}

/* No handle of the mapper shows its CPUs a page of @dead, which is gone: only compared. */
static void shows_nothing_of(const struct domain *dead)
{
	struct grant_table *gt = mapper->grant;

	for (grant_handle_t h = 0; h < gt->nr_maptrack_frames * MAPTRACK_PER_FRAME; h++) {
		const struct maptrack *m = grant_maptrack(gt, h);
		bool busy, shows;

		do {
			spin_lock(&gt->maptrack_lock);
			busy = m->state == MAPTRACK_BUSY;
			shows = m->state == MAPTRACK_MAPPED && m->granter == dead && !gfn_eq(m->gfn, INVALID_GFN);
			spin_unlock(&gt->maptrack_lock);
		} while (busy);
		assert_false(shows);
	}
}

/* Take @id's pages back, who was @dead; what only a device has stays. */
static void revoke(domid_t id, const struct domain *dead)
{
	struct hospes_grant_revoke op = { .domid = id };
	long rc = call_arg(ctl->vcpu[0], __HYPERVISOR_hospes_op, HOSPES_grant_revoke, &op, sizeof(op));

	assert_true(rc == 0 || rc == -ESRCH);
	shows_nothing_of(dead);
}

static void no_marks(struct domain *d)
{
	struct gnttab_set_version s = { 1 };
	const struct grant_entry_v1 *e = gpa_ptr(d, TABLE_GFN << PAGE_SHIFT);

	assert_int_equal(holders(d), 0);
	memset(gpa_ptr(d, TABLE_GFN << PAGE_SHIFT), 0, PAGE_SIZE);
	/* With no entry in use it can change, and no mark comes along. */
	assert_int_equal(call_arg(d->vcpu[0], HC_grant_table_op, GNTTABOP_set_version, &s, sizeof(s)), 0);
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*e); i++)
		assert_int_equal(e[i].flags, 0);
}

static void war(void)
{
	pthread_t map[2], grant[2];

	mapper = born(MAPPER);
	stop = false;
	for (unsigned life = 0; life < LIVES; life++) {
		struct domain *old = granter;

		__atomic_store_n(&used, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&granter, born((domid_t)(FIRST_GRANTER + life)), __ATOMIC_RELEASE);
		for (uintptr_t i = 0; i < 2; i++) {
			if (life == 0)
				pthread_create(&map[i], NULL, mapper_runs, (void *)i);
			pthread_create(&grant[i], NULL, granter_runs, (void *)(i + 2));
		}
		if (old && life) {
			domid_t id = old->id;

			kill_domain(old); /* while its successor works, and the mapper holds its pages */
			revoke(id, old);
		}
		for (unsigned i = 0; i < 2; i++)
			pthread_join(grant[i], NULL);
		assert_true(__atomic_load_n(&used, __ATOMIC_RELAXED) >= USES);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(map[i], NULL);
	kill_domain(mapper);
	no_marks(granter);
	kill_domain(granter);
	for (domid_t id = FIRST_GRANTER; id < FIRST_GRANTER + LIVES; id++)
		assert_null(domain_get_by_id(id));
	granter = NULL;
}

static void test_war(void **state)
{
	uint64_t frames, bytes;

	host_machine(RAM, 5);
	ctl = host_domain(0, 1, 16, ROLE_ALL);
	host_set_cpu(4);
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
