/*
 * Grant tables of version 2: status words and the order of mark and check, parts of pages, grants through a third domain, changes of version with
 * entries in use, and frames of both kinds mapped by others.
 */
#include "abi/grant_table.h"
#include "abi/memory.h"
#include "abi/xen.h"
#include "guest_test.h"
#include "hv/boot.h"
#include "hv/memory.h"

#define TABLE 0x10000UL
#define STATUS 0x20000UL
#define WINDOW 0x40000UL

static struct domain *ctl, *a, *b, *c;

static void place(struct domain *d, uint64_t idx, uint64_t gpa)
{
	assert_int_equal(physmap_add(d, XENMAPSPACE_grant_table, idx, gfn(gpa >> PAGE_SHIFT)), 0);
}

static long op(struct vcpu *v, unsigned cmd, void *arg, size_t size)
{
	return call_arg(v, HC_grant_table_op, cmd, arg, size);
}

#define OP(d, cmd, arg) op((d)->vcpu[0], GNTTABOP_##cmd, &(arg), sizeof(arg))

static long set_version(struct domain *d, uint32_t version)
{
	struct gnttab_set_version s = { version };
	long rc = OP(d, set_version, s);

	assert_int_equal(s.version, d->grant ? (rc ? 3 - version : version) : 0);
	return rc;
}

/* Let @d have a table of version 2, where it can see it. */
static void second_version(struct domain *d)
{
	place(d, 0, TABLE);
	assert_int_equal(set_version(d, 2), 0);
	place(d, XENMAPIDX_grant_table_status, STATUS);
}

static int setup(void **state)
{
	param_parse("");
	host_machine(RAM, 1);
	ctl = host_domain(0, 1, 16, ROLE_ALL);
	a = host_domain(1, 1, 16, 0);
	b = host_domain(2, 1, 16, 0);
	c = host_domain(3, 1, 16, 0);
	second_version(a);
	return 0;
}

static volatile union grant_entry_v2 *entry(struct domain *d, grant_ref_t ref)
{
	return (union grant_entry_v2 *)gpa_ptr(d, TABLE) + ref;
}

static volatile uint16_t *marks(struct domain *d, grant_ref_t ref)
{
	return (uint16_t *)gpa_ptr(d, STATUS) + ref;
}

static void grant(struct domain *d, grant_ref_t ref, domid_t to, uint64_t g, uint16_t flags)
{
	entry(d, ref)->full_page.frame = g;
	entry(d, ref)->hdr.domid = to;
	entry(d, ref)->hdr.flags = (uint16_t)(GTF_permit_access | flags);
}

static void grant_part(struct domain *d, grant_ref_t ref, domid_t to, uint64_t g, uint16_t start, uint16_t length)
{
	entry(d, ref)->sub_page.page_off = start;
	entry(d, ref)->sub_page.length = length;
	grant(d, ref, to, g, GTF_sub_page);
}

static void grant_through(struct domain *d, grant_ref_t ref, domid_t to, domid_t third, grant_ref_t its)
{
	entry(d, ref)->transitive.trans_domid = third;
	entry(d, ref)->transitive.gref = its;
	entry(d, ref)->hdr.domid = to;
	entry(d, ref)->hdr.flags = GTF_transitive;
}

static int map(struct domain *d, domid_t from, grant_ref_t ref, uint32_t flags, uint64_t addr, grant_handle_t *handle)
{
	struct gnttab_map_grant_ref m = { addr, flags, ref, from, 99, 0, 0 };

	assert_int_equal(OP(d, map_grant_ref, m), 0);
	*handle = m.handle;
	return m.status;
}

static int unmap(struct domain *d, uint64_t addr, grant_handle_t handle)
{
	struct gnttab_unmap_grant_ref u = { addr, 0, handle, 99 };

	assert_int_equal(OP(d, unmap_grant_ref, u), 0);
	return u.status;
}

/* Copy @len bytes of @from's entry @ref to gfn 6 of @d. */
static int copy_in(struct domain *d, domid_t from, grant_ref_t ref, uint16_t offset, uint16_t len)
{
	struct gnttab_copy k = { .source = { .u.ref = ref, .domid = from, .offset = offset },
				 .dest = { .u.gmfn = 6, .domid = DOMID_SELF },
				 .len = len,
				 .flags = GNTCOPY_source_gref,
				 .status = 99 };

	memset(gpa_ptr(d, 0x6000), 0, PAGE_SIZE);
	assert_int_equal(OP(d, copy, k), 0);
	return k.status;
}

static int copy_out(struct domain *d, domid_t to, grant_ref_t ref, uint16_t offset, uint16_t len)
{
	struct gnttab_copy k = { .source = { .u.gmfn = 6, .domid = DOMID_SELF },
				 .dest = { .u.ref = ref, .domid = to, .offset = offset },
				 .len = len,
				 .flags = GNTCOPY_dest_gref,
				 .status = 99 };

	assert_int_equal(OP(d, copy, k), 0);
	return k.status;
}

static void put_text(struct domain *d, uint64_t gpa, const char *text)
{
	memcpy(gpa_ptr(d, gpa), text, strlen(text) + 1);
}

#define RW GNTMAP_host_map
#define RO (GNTMAP_host_map | GNTMAP_readonly)

static void test_map(void **state)
{
	struct frame *f = mfn_to_frame(p2m_lookup(a, gfn(5), NULL, NULL));
	unsigned refs = f->refs;
	grant_handle_t r, w;

	grant(a, 20, 2, 5, 0);
	put_text(a, 0x5000, "hospes");
	assert_int_equal(map(b, 1, 20, RO, WINDOW, &r), GNTST_okay);
	assert_int_equal(*marks(a, 20), GTF_reading);
	assert_int_equal(entry(a, 20)->hdr.flags, GTF_permit_access); /* marks are apart */
	assert_string_equal(gpa_ptr(b, WINDOW), "hospes");
	assert_int_equal(map(b, 1, 20, RW, WINDOW + PAGE_SIZE, &w), GNTST_okay);
	assert_int_equal(*marks(a, 20), GTF_reading | GTF_writing);
	assert_int_equal(unmap(b, WINDOW + PAGE_SIZE, w), GNTST_okay);
	assert_int_equal(*marks(a, 20), GTF_reading);
	/* Taken back for writing while it is read. */
	entry(a, 20)->hdr.flags |= GTF_readonly;
	assert_int_equal(map(b, 1, 20, RW, WINDOW + PAGE_SIZE, &w), GNTST_general_error);
	assert_int_equal(*marks(a, 20), GTF_reading);
	/* The guest's rubbish in the mark of an entry in use goes with the last use. */
	*marks(a, 20) = 0;
	assert_int_equal(unmap(b, WINDOW, r), GNTST_okay);
	assert_int_equal(*marks(a, 20), 0);
	assert_int_equal(f->refs, refs);
	/* All 64 bits of a frame's number count. */
	grant(a, 20, 2, 5 | 1UL << 32, 0);
	assert_int_equal(map(b, 1, 20, RO, WINDOW, &r), GNTST_bad_page);
	grant(a, 20, 2, ~0UL, 0);
	assert_int_equal(map(b, 1, 20, RO, WINDOW, &r), GNTST_bad_page);
	assert_int_equal(*marks(a, 20), 0);
	assert_int_equal(map(b, 1, 256, RO, WINDOW, &r), GNTST_bad_gntref);
	grant(a, 21, 3, 5, 0);
	assert_int_equal(map(b, 1, 21, RO, WINDOW, &r), GNTST_general_error);
	assert_int_equal(*marks(a, 21), 0);
}

static void test_part(void **state)
{
	grant_handle_t h;

	grant_part(a, 20, 2, 5, 100, 10);
	put_text(a, 0x5000 + 100, "0123456789");
	assert_int_equal(copy_in(b, 1, 20, 100, 10), GNTST_okay);
	assert_string_equal(gpa_ptr(b, 0x6000), "0123456789");
	assert_int_equal(copy_in(b, 1, 20, 99, 2), GNTST_general_error);
	assert_int_equal(copy_in(b, 1, 20, 109, 2), GNTST_general_error);
	assert_int_equal(copy_in(b, 1, 20, 99, 0), GNTST_general_error);
	put_text(b, 0x6000, "x");
	assert_int_equal(copy_out(b, 1, 20, 109, 1), GNTST_okay);
	assert_int_equal(((char *)gpa_ptr(a, 0x5000))[109], 'x');
	assert_int_equal(copy_out(b, 1, 20, 110, 1), GNTST_general_error);
	assert_int_equal(map(b, 1, 20, RO, WINDOW, &h), GNTST_general_error);
	assert_int_equal(*marks(a, 20), 0);
	/* A page that is mapped whole stays whole for who has it, whatever the entry says now. */
	grant(a, 21, 2, 5, 0);
	assert_int_equal(map(b, 1, 21, RO, WINDOW, &h), GNTST_okay);
	grant_part(a, 21, 2, 5, 0, 1);
	assert_int_equal(copy_in(b, 1, 21, 100, 9), GNTST_okay);
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
	assert_int_equal(copy_in(b, 1, 21, 100, 9), GNTST_general_error);
	/* In version 1 the flag forbids mapping too, but a copy does not know parts. */
	place(b, 0, TABLE);
	*(volatile struct grant_entry_v1 *)gpa_ptr(b, TABLE + 20 * 8) =
		(struct grant_entry_v1){ GTF_permit_access | GTF_sub_page, 3, 5 };
	assert_int_equal(map(c, 2, 20, RO, WINDOW, &h), GNTST_general_error);
	assert_int_equal(copy_in(c, 2, 20, 4000, 96), GNTST_okay);
}

static void test_transitive(void **state)
{
	unsigned refs = c->refs;
	grant_handle_t h;

	second_version(c);
	grant(c, 30, 1, 7, GTF_readonly); /* c grants to a ... */
	grant_through(a, 20, 2, 3, 30);	  /* ... who lets b use it */
	put_text(c, 0x7000, "from c");
	assert_int_equal(copy_in(b, 1, 20, 0, 7), GNTST_okay);
	assert_string_equal(gpa_ptr(b, 0x6000), "from c");
	assert_int_equal(copy_out(b, 1, 20, 0, 1), GNTST_general_error); /* read-only at its source */
	assert_int_equal(map(b, 1, 20, RO, WINDOW, &h), GNTST_general_error);
	assert_int_equal(copy_in(c, 1, 20, 0, 1), GNTST_general_error); /* not for c */
	assert_int_equal(copy_in(b, 3, 30, 0, 1), GNTST_general_error); /* nor is c's own for b */
	/* Back to where it came from. */
	grant_through(a, 21, 3, 3, 30);
	assert_int_equal(copy_in(c, 1, 21, 0, 7), GNTST_okay);
	assert_string_equal(gpa_ptr(c, 0x6000), "from c");
	/* A part stays a part. */
	grant_part(c, 31, 1, 7, 5, 1);
	grant_through(a, 22, 2, 3, 31);
	assert_int_equal(copy_in(b, 1, 22, 5, 1), GNTST_okay);
	assert_int_equal(copy_in(b, 1, 22, 4, 1), GNTST_general_error);
	/* To oneself, to nobody, to what is not granted, and twice around. */
	grant_through(a, 23, 2, 1, 20);
	assert_int_equal(copy_in(b, 1, 23, 0, 1), GNTST_general_error);
	grant_through(a, 23, 2, 77, 20);
	assert_int_equal(copy_in(b, 1, 23, 0, 1), GNTST_general_error);
	grant_through(a, 23, 2, 3, 1000);
	assert_int_equal(copy_in(b, 1, 23, 0, 1), GNTST_bad_gntref);
	grant_through(c, 32, 1, 2, 8);
	grant_through(a, 23, 2, 3, 32);
	assert_int_equal(copy_in(b, 1, 23, 0, 1), GNTST_general_error);
	for (grant_ref_t i = 20; i < 33; i++)
		assert_int_equal(*marks(a, i) | *marks(c, i), 0);
	assert_int_equal(c->refs, refs);
	param_parse("gnttab=no-transitive");
	assert_int_equal(copy_in(b, 1, 20, 0, 7), GNTST_general_error);
	assert_int_equal(*marks(a, 20), 0);
	param_parse("");
	assert_int_equal(copy_in(b, 1, 20, 0, 7), GNTST_okay);
	kill_domain(c);
	assert_int_equal(copy_in(b, 1, 20, 0, 7), GNTST_general_error);
}

static void test_versions(void **state)
{
	grant_handle_t h, k;
	struct frame *status;

	/* In use: no change; but for the reserved ones, whose marks move along. */
	grant(a, 20, 2, 5, 0);
	assert_int_equal(map(b, 1, 20, RW, WINDOW, &h), GNTST_okay);
	assert_int_equal(set_version(a, 1), -EBUSY);
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
	grant(a, 1, 2, 5, 0);
	assert_int_equal(map(b, 1, 1, RW, WINDOW, &h), GNTST_okay);
	assert_int_equal(grant_table_frame_get(a, GRANT_FRAME_STATUS, 0, &status), 0);
	assert_int_equal(set_version(a, 1), 0);
	assert_int_equal(((struct grant_entry_v1 *)gpa_ptr(a, TABLE))[1].flags,
			 GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(((struct grant_entry_v1 *)gpa_ptr(a, TABLE))[1].frame, 5);
	assert_int_equal(((struct grant_entry_v1 *)gpa_ptr(a, TABLE))[20].flags, 0);
	assert_false(mfn_valid_value(p2m_lookup(a, gfn(STATUS >> PAGE_SHIFT), NULL, NULL)));
	assert_int_equal(physmap_add(a, XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, gfn(0x77)), -EINVAL);
	/* The page that somebody still looks at is nobody else's. */
	assert_int_equal(status->owner, a->id);
	frame_put(status);
	assert_int_equal(map(b, 1, 1, RO, WINDOW + PAGE_SIZE, &k), GNTST_okay);
	assert_int_equal(set_version(a, 2), 0);
	place(a, XENMAPIDX_grant_table_status, STATUS);
	assert_int_equal(*marks(a, 1), GTF_reading | GTF_writing);
	assert_int_equal(entry(a, 1)->hdr.flags, GTF_permit_access);
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
	assert_int_equal(*marks(a, 1), GTF_reading);
	assert_int_equal(unmap(b, WINDOW + PAGE_SIZE, k), GNTST_okay);
	assert_int_equal(*marks(a, 1), 0);
	grant_through(a, 2, 2, 3, 30);
	assert_int_equal(set_version(a, 1), -ERANGE);
	grant(a, 2, 2, 1UL << 32, 0);
	assert_int_equal(set_version(a, 1), -ERANGE);
	entry(a, 2)->hdr.flags = 0;
	assert_int_equal(set_version(a, 1), 0);
	assert_int_equal(((struct grant_entry_v1 *)gpa_ptr(a, TABLE))[2].flags, 0);
}

static int version_of(struct domain *d)
{
	struct gnttab_get_version g = { .dom = d->id };

	assert_int_equal(OP(ctl, get_version, g), 0);
	return (int)g.version;
}

static void test_limits(void **state)
{
	struct domain_config cfg = { .domid = 9, .max_vcpus = 1, .max_pages = 64, .grants = { .max_version = 1 } };
	struct gnttab_set_version s = { 2 };
	struct domain *d;

	assert_int_equal(version_of(a), 2);
	assert_int_equal(version_of(b), 1);
	assert_int_equal(grant_max_frames(a, GRANT_FRAME_STATUS), 8);
	/* A domain of its own limit. */
	assert_int_equal(domain_create(&cfg, &d), 0);
	assert_int_equal(grant_max_frames(d, GRANT_FRAME_STATUS), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(p2m_populate(d, gfn(i), 0, 0), 0);
	assert_int_equal(vcpu_create(d, 0), 0);
	assert_int_equal(OP(d, set_version, s), -ENOSYS);
	assert_int_equal(s.version, 1);
	kill_domain(d);
	/* The machine's. */
	param_parse("gnttab=max-ver:1,transitive gnttab_max_frames=3");
	cfg.grants.max_version = 2;
	assert_int_equal(domain_create(&cfg, &d), -EINVAL);
	cfg.grants.max_version = 0;
	assert_int_equal(domain_create(&cfg, &d), 0);
	assert_int_equal(grant_max_frames(d, GRANT_FRAME_SHARED), 3);
	kill_domain(d);
	param_parse("gnttab=max-ver=7");
	assert_int_equal(grant_max_version_allowed(), 2);
	param_parse("gnttab=max-ver:1x gnttab_max_maptrack_frames=0");
	assert_int_equal(grant_max_version_allowed(), 2);
	assert_int_equal(grant_default_maptrack_frames(), 1024);
}

static void test_growth(void **state)
{
	struct gnttab_query_size q = { .dom = DOMID_SELF };
	struct frame *f;

	assert_int_equal(grant_table_frame_get(a, GRANT_FRAME_STATUS, 3, &f), 0);
	frame_put(f);
	assert_int_equal(OP(a, query_size, q), 0);
	assert_int_equal(q.nr_frames, 32);
	assert_int_equal(grant_table_frame_get(a, GRANT_FRAME_STATUS, 8, &f), -EINVAL);
	assert_int_equal(grant_table_frame_get(a, GRANT_FRAME_STATUS, ~0UL, &f), -EINVAL);
	assert_int_equal(grant_table_frame_get(b, GRANT_FRAME_STATUS, 0, &f), -EINVAL);
	/* The last entry there can be. */
	place(a, 63, WINDOW);
	place(a, XENMAPIDX_grant_table_status | 7, WINDOW + PAGE_SIZE);
	((union grant_entry_v2 *)gpa_ptr(a, WINDOW))[255] =
		(union grant_entry_v2){ .full_page = { { GTF_permit_access, 2 }, 0, 5 } };
	put_text(a, 0x5000, "last");
	assert_int_equal(copy_in(b, 1, 64 * 256 - 1, 0, 5), GNTST_okay);
	assert_string_equal(gpa_ptr(b, 0x6000), "last");
	assert_int_equal(copy_in(b, 1, 64 * 256, 0, 5), GNTST_bad_gntref);
}

/* A table that lacks memory for status words stays as it was. */
static void test_no_memory(void **state)
{
	place(b, 0, TABLE);
	*(volatile struct grant_entry_v1 *)gpa_ptr(b, TABLE + 8) = (struct grant_entry_v1){ GTF_permit_access, 3, 5 };
	host_take_memory(0);
	assert_int_equal(set_version(b, 2), -ENOMEM);
	assert_int_equal(version_of(b), 1);
	assert_int_equal(((struct grant_entry_v1 *)gpa_ptr(b, TABLE))[1].flags, GTF_permit_access);
	host_give_back();
	assert_int_equal(set_version(b, 2), 0);
	assert_int_equal(entry(b, 1)->full_page.frame, 5);
}

static void test_setup_table(void **state)
{
	struct {
		uint16_t dom;
		uint32_t nr;
		int16_t status;
		uint64_t list;
	} s = { DOMID_SELF, 3, 99, ARG + 256 };
	uint64_t *list = gpa_ptr(a, ARG + 256);

	place(a, 1, TABLE + PAGE_SIZE);
	assert_int_equal(OP(a, setup_table, s), 0);
	assert_int_equal(s.status, GNTST_okay);
	assert_int_equal(list[0], TABLE >> PAGE_SHIFT);
	assert_int_equal(list[1], (TABLE >> PAGE_SHIFT) + 1);
	assert_int_equal(list[2], ~0UL);
	s.nr = 65;
	assert_int_equal(OP(a, setup_table, s), 0);
	assert_int_equal(s.status, GNTST_general_error);
	s.nr = 1;
	s.list = 1UL << 40;
	assert_int_equal(OP(a, setup_table, s), 0);
	assert_int_equal(s.status, GNTST_bad_virt_addr);
	s.dom = 2;
	assert_int_equal(OP(a, setup_table, s), 0);
	assert_int_equal(s.status, GNTST_permission_denied);
	s.dom = 77;
	assert_int_equal(OP(a, setup_table, s), 0);
	assert_int_equal(s.status, GNTST_bad_domain);
}

static void test_swap(void **state)
{
	struct gnttab_swap_grant_ref w = { 20, 21, 99 };
	grant_handle_t h;

	grant_part(a, 20, 2, 5, 1, 2);
	assert_int_equal(OP(a, swap_grant_ref, w), 0);
	assert_int_equal(w.status, GNTST_okay);
	assert_int_equal(entry(a, 20)->hdr.flags, 0);
	assert_int_equal(entry(a, 21)->sub_page.length, 2);
	grant(a, 20, 2, 5, 0);
	assert_int_equal(map(b, 1, 20, RO, WINDOW, &h), GNTST_okay);
	assert_int_equal(OP(a, swap_grant_ref, w), 0);
	assert_int_equal(w.status, GNTST_eagain);
	w.ref_b = 20;
	assert_int_equal(OP(a, swap_grant_ref, w), 0);
	assert_int_equal(w.status, GNTST_okay);
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
}

/* A toolstack maps the status words, and keeps them through the end of version 2 and of the domain. */
static void test_acquire(void **state)
{
	struct {
		uint16_t domid, type;
		uint32_t id, nr_frames, pad;
		uint64_t frame, list;
	} x = { 1, XENMEM_resource_grant_table, XENMEM_resource_grant_table_id_status, 0, 0, 0, 0 };
	uint64_t *list = gpa_ptr(ctl, ARG + 256), at = 0x300;
	uint64_t frames;

	assert_int_equal(call_arg(ctl->vcpu[0], HC_memory_op, XENMEM_acquire_resource, &x, sizeof(x)), 0);
	assert_int_equal(x.nr_frames, 8);
	x.nr_frames = 1;
	x.list = ARG + 256;
	*list = at;
	assert_int_equal(call_arg(ctl->vcpu[0], HC_memory_op, XENMEM_acquire_resource, &x, sizeof(x)), 0);
	*marks(a, 20) = 0x5a;
	assert_int_equal(((uint16_t *)gpa_ptr(ctl, at << PAGE_SHIFT))[20], 0x5a);
	assert_int_equal(set_version(a, 1), 0);
	assert_int_equal(call_arg(ctl->vcpu[0], HC_memory_op, XENMEM_acquire_resource, &x, sizeof(x)), -EINVAL);
	kill_domain(a);
	assert_int_equal(((uint16_t *)gpa_ptr(ctl, at << PAGE_SHIFT))[20], 0);
	frames = mm_free_frames();
	kill_domain(ctl);
	assert_true(mm_free_frames() > frames);
	assert_null(domain_get_by_id(1));
}

/* Granter dead, its tables gone: what is mapped ends as always, and nothing stays. */
static void test_death(void **state)
{
	uint64_t heap = 0, frames = 0;
	grant_handle_t h;

	for (unsigned i = 0; i < 3; i++) {
		struct domain *d = host_domain(7, 1, 16, 0);

		second_version(d);
		place(d, XENMAPIDX_grant_table_status | 7, WINDOW);
		grant(d, 40, 2, 5, 0);
		grant(d, 3, 2, 5, 0);
		assert_int_equal(map(b, 7, 40, RW, WINDOW, &h), GNTST_okay);
		assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
		assert_int_equal(map(b, 7, 3, RW, WINDOW, &h), GNTST_okay);
		assert_int_equal(set_version(d, 1), 0);
		assert_int_equal(set_version(d, 2), 0);
		kill_domain(d);
		assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
		assert_null(domain_get_by_id(7));
		if (i == 0) {
			heap = heap_bytes_used();
			frames = mm_free_frames();
		}
	}
	assert_int_equal(heap_bytes_used(), heap);
	assert_int_equal(mm_free_frames(), frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_map, setup),	cmocka_unit_test_setup(test_part, setup),
		cmocka_unit_test_setup(test_transitive, setup), cmocka_unit_test_setup(test_versions, setup),
		cmocka_unit_test_setup(test_limits, setup),	cmocka_unit_test_setup(test_growth, setup),
		cmocka_unit_test_setup(test_no_memory, setup),	cmocka_unit_test_setup(test_setup_table, setup),
		cmocka_unit_test_setup(test_swap, setup),	cmocka_unit_test_setup(test_death, setup),
		cmocka_unit_test_setup(test_acquire, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
