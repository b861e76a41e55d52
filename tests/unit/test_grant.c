/*
 * Grant tables (hypercall 20, version 1): what the granter's entry says while it is used, who may map what, that a
 * page lives as long as it is mapped, whoever dies first, and that nothing leaks.
 */
#include <pthread.h>
#include <sched.h>

#include "abi/grant_table.h"
#include "abi/xen.h"
#include "abi/memory.h"
#include "guest_test.h"
#include "hv/memory.h"

#define TABLE 0x10000UL	 /* gfn 16: where a and b see their first table frame */
#define WINDOW 0x40000UL /* nothing is mapped there: for grants */

static struct domain *ctl, *a, *b;

/* Show @d its table frame @idx at @gpa. */
static void show_table(struct domain *d, unsigned idx, uint64_t gpa)
{
	assert_int_equal(physmap_add(d, XENMAPSPACE_grant_table, idx, gfn(gpa >> PAGE_SHIFT)), 0);
}

/* May @d have frame @idx of its table? */
static int table_frame(struct domain *d, enum grant_frame_kind kind, uint64_t idx)
{
	struct frame *f;
	int rc = grant_table_frame_get(d, kind, idx, &f);

	if (rc == 0)
		frame_put(f);
	return rc;
}

static int setup(void **state)
{
	host_machine(RAM, 2);
	ctl = host_domain(0, 1, 16, ROLE_ALL);
	a = host_domain(1, 1, 16, 0);
	b = host_domain(2, 2, 16, 0);
	show_table(a, 0, TABLE);
	show_table(b, 0, TABLE);
	return 0;
}

static volatile struct grant_entry_v1 *entry(struct domain *d, grant_ref_t ref)
{
	return (struct grant_entry_v1 *)gpa_ptr(d, TABLE) + ref;
}

static void grant(struct domain *d, grant_ref_t ref, domid_t to, uint32_t g, bool readonly)
{
	entry(d, ref)->domid = to;
	entry(d, ref)->frame = g;
	entry(d, ref)->flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
}

static void put_text(struct domain *d, uint64_t gpa, const char *text)
{
	memcpy(gpa_ptr(d, gpa), text, strlen(text) + 1);
}

static long op(struct vcpu *v, unsigned cmd, void *arg, size_t size)
{
	return call_arg(v, HC_grant_table_op, cmd, arg, size);
}

#define OP(d, cmd, arg) op((d)->vcpu[0], GNTTABOP_##cmd, &(arg), sizeof(arg))

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

static struct frame *page_of(struct domain *d, uint64_t g)
{
	return mfn_to_frame(p2m_lookup(d, gfn(g), NULL, NULL));
}

static enum p2m_type type_at(struct domain *d, uint64_t gpa)
{
	enum p2m_type t;

	(void)p2m_lookup(d, gfn(gpa >> PAGE_SHIFT), &t, NULL);
	return t;
}

#define RW GNTMAP_host_map
#define RO (GNTMAP_host_map | GNTMAP_readonly)

static void test_map(void **state)
{
	struct frame *f = page_of(a, 5);
	grant_handle_t h, r, w;
	unsigned refs = f->refs;

	grant(a, 8, 2, 5, false);
	put_text(a, 0x5000, "hospes");
	assert_int_equal(map(b, 1, 8, RO, WINDOW, &r), GNTST_okay);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_reading);
	assert_string_equal(gpa_ptr(b, WINDOW), "hospes");
	assert_int_equal(type_at(b, WINDOW), P2M_GRANT_MAP_RO);
	assert_int_equal(copy_to_gpa(b, WINDOW, "x", 1), -EFAULT);
	assert_int_equal(map(b, 1, 8, RW, WINDOW + PAGE_SIZE, &w), GNTST_okay);
	assert_int_not_equal(r, w);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(copy_to_gpa(b, WINDOW + PAGE_SIZE, "H", 1), 0);
	assert_string_equal(gpa_ptr(a, 0x5000), "Hospes");
	assert_int_equal(f->refs, refs + 2);
	/* Marks go one by one. */
	assert_int_equal(unmap(b, WINDOW + PAGE_SIZE, w), GNTST_okay);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_reading);
	assert_int_equal(type_at(b, WINDOW + PAGE_SIZE), P2M_INVALID);
	assert_int_equal(unmap(b, WINDOW + PAGE_SIZE, w), GNTST_bad_handle);
	assert_int_equal(unmap(b, WINDOW, r), GNTST_okay);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access);
	assert_int_equal(f->refs, refs);
	/* For a device only: a pin, no address. */
	assert_int_equal(map(b, 1, 8, GNTMAP_device_map, 0, &h), GNTST_okay);
	assert_int_equal(f->refs, refs + 1);
	{
		struct gnttab_unmap_grant_ref u = { 0, mfn_to_paddr(frame_to_mfn(f)) + 4096, h, 99 };

		assert_int_equal(OP(b, unmap_grant_ref, u), 0);
		assert_int_equal(u.status, GNTST_general_error);
		u.dev_bus_addr -= 4096;
		assert_int_equal(OP(b, unmap_grant_ref, u), 0);
		assert_int_equal(u.status, GNTST_okay);
	}
	assert_int_equal(f->refs, refs);
}

static void test_map_refused(void **state)
{
	grant_handle_t h, k;

	grant(a, 8, 2, 5, true);
	grant(a, 9, 0, 5, false);
	grant(a, 10, 2, 0xfffff, false);
	entry(a, 11)->flags = GTF_accept_transfer;
	entry(a, 11)->domid = 2;
	assert_int_equal(map(b, 1, 8, RW, WINDOW, &h), GNTST_general_error); /* read-only */
	assert_int_equal(map(b, 1, 9, RO, WINDOW, &h), GNTST_general_error); /* for somebody else */
	assert_int_equal(map(b, 1, 10, RO, WINDOW, &h), GNTST_bad_page);     /* nothing there */
	assert_int_equal(entry(a, 10)->flags, GTF_permit_access);	     /* and no mark is left */
	assert_int_equal(map(b, 1, 11, RO, WINDOW, &h), GNTST_general_error);
	assert_int_equal(map(b, 1, 12, RO, WINDOW, &h), GNTST_general_error); /* empty */
	assert_int_equal(map(b, 1, 512, RO, WINDOW, &h), GNTST_bad_gntref);
	assert_int_equal(map(b, 1, ~0u, RO, WINDOW, &h), GNTST_bad_gntref);
	assert_int_equal(map(b, 77, 8, RO, WINDOW, &h), GNTST_bad_domain);
	assert_int_equal(map(b, DOMID_SELF, 8, RO, WINDOW, &h), GNTST_bad_domain);
	assert_int_equal(map(b, 1, 8, GNTMAP_readonly, WINDOW, &h), GNTST_bad_gntref);
	assert_int_equal(map(b, 1, 8, RO | GNTMAP_contains_pte, WINDOW, &h), GNTST_general_error);
	assert_int_equal(map(b, 1, 8, RO | GNTMAP_device_map, WINDOW, &h), GNTST_general_error);
	assert_int_equal(map(b, 1, 8, RO, ~0UL, &h), GNTST_general_error);
	assert_int_equal(map(b, 1, 8, RO, 1UL << 50, &h), GNTST_general_error);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_readonly);
	/* Not over another grant, and what one was given one does not pass on. */
	assert_int_equal(map(b, 1, 8, RO, WINDOW, &h), GNTST_okay);
	assert_int_equal(map(b, 1, 8, RO, WINDOW, &k), GNTST_general_error);
	grant(b, 8, 0, WINDOW >> PAGE_SHIFT, true);
	assert_int_equal(map(ctl, 2, 8, RO, WINDOW, &k), GNTST_bad_page);
	/* While it is mapped nobody else may, even if the guest changes the entry. */
	grant(a, 8, 0, 5, true);
	assert_int_equal(map(ctl, 1, 8, RO, WINDOW, &k), GNTST_general_error);
	/* The address must be the mapping's. */
	assert_int_equal(unmap(b, WINDOW + PAGE_SIZE, h), GNTST_general_error);
	assert_int_equal(unmap(ctl, WINDOW, h), GNTST_bad_handle);
	assert_int_equal(unmap(b, WINDOW, 0xfffffffe), GNTST_bad_handle);
	assert_int_equal(unmap(b, 0, h), GNTST_okay); /* asks for nothing */
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
	/* Read-only to start with, then written through a page that is read-only itself. */
	grant(a, 8, 2, 5, false);
	assert_int_equal(p2m_set(a, gfn(5), p2m_lookup(a, gfn(5), NULL, NULL), 0, P2M_RAM_RO), 0);
	assert_int_equal(map(b, 1, 8, RO, WINDOW, &h), GNTST_okay);
	assert_int_equal(map(b, 1, 8, RW, WINDOW + PAGE_SIZE, &k), GNTST_bad_page);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_reading);
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
}

static void test_self(void **state)
{
	grant_handle_t h;

	grant(a, 8, 1, 5, false);
	put_text(a, 0x5000, "me");
	assert_int_equal(map(a, 1, 8, RW, WINDOW, &h), GNTST_okay);
	assert_string_equal(gpa_ptr(a, WINDOW), "me");
	assert_int_equal(unmap(a, WINDOW, h), GNTST_okay);
	assert_int_equal(map(a, 1, 8, RW, WINDOW, &h), GNTST_okay);
	kill_domain(a); /* with the mapping in place */
	assert_null(domain_get_by_id(1));
}

/* The guest takes the page away under a mapping: its old contents stay where they are mapped. */
static void test_remapped_under_use(void **state)
{
	struct frame *f = page_of(a, 5);
	grant_handle_t h, k;

	grant(a, 8, 2, 5, false);
	put_text(a, 0x5000, "old");
	assert_int_equal(map(b, 1, 8, RO, WINDOW, &h), GNTST_okay);
	assert_int_equal(p2m_remove(a, gfn(5), frame_to_mfn(f)), 0);
	assert_true(frame_release_allocation(f));
	assert_string_equal(gpa_ptr(b, WINDOW), "old");
	/* A second reader gets the same page, a first writer would need the map and finds it gone. */
	assert_int_equal(map(b, 1, 8, RO, WINDOW + PAGE_SIZE, &k), GNTST_okay);
	assert_ptr_equal(page_of(b, (WINDOW >> PAGE_SHIFT) + 1), f);
	assert_int_equal(unmap(b, WINDOW + PAGE_SIZE, k), GNTST_okay);
	assert_int_equal(map(b, 1, 8, RW, WINDOW + PAGE_SIZE, &k), GNTST_bad_page);
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
	assert_int_equal(f->state, FRAME_FREE);
}

static void test_granter_dies(void **state)
{
	uint64_t heap = heap_bytes_used(), free = mm_free_frames();
	struct domain *d = host_domain(7, 1, 16, 0);
	grant_handle_t h;
	struct frame *f;

	show_table(d, 0, TABLE);
	grant(d, 8, 2, 5, false);
	f = page_of(d, 5);
	put_text(d, 0x5000, "inherited");
	assert_int_equal(map(b, 7, 8, RW, WINDOW, &h), GNTST_okay);
	heap = heap_bytes_used() - heap;
	kill_domain(d);
	assert_string_equal(gpa_ptr(b, WINDOW), "inherited");
	assert_int_equal(f->refs, 1);
	assert_int_equal(unmap(b, WINDOW, h), GNTST_okay);
	assert_int_equal(f->state, FRAME_FREE);
	assert_int_equal(map(b, 7, 8, RW, WINDOW, &h), GNTST_bad_domain);
	assert_null(domain_get_by_id(7));
	/* b keeps its chunk of handles and a page table or two. */
	assert_true(free - mm_free_frames() <= 16);
}

static void test_mapper_dies(void **state)
{
	struct frame *f = page_of(a, 5);
	unsigned refs = f->refs, granter_refs = a->refs;
	grant_handle_t h;

	grant(a, 8, 2, 5, false);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(map(b, 1, 8, i & 1 ? RO : RW, WINDOW + i * PAGE_SIZE, &h), GNTST_okay);
	/* One of them is no longer where it was: the end must cope. */
	assert_int_equal(p2m_set(b, gfn(WINDOW >> PAGE_SHIFT), INVALID_MFN, 0, P2M_INVALID), 0);
	assert_int_equal(unmap(b, WINDOW, 255), GNTST_general_error);
	softirq_raise(0, SOFTIRQ_TASK);
	kill_domain(b);
	assert_int_equal(f->refs, refs);
	assert_int_equal(a->refs, granter_refs);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access);
	host_run_softirqs(0);
}

static void test_no_leaks(void **state)
{
	uint64_t heap, frames;

	for (unsigned i = 0; i < 3; i++) {
		struct domain *d = host_domain(7, 1, 16, 0);
		grant_handle_t h;

		show_table(d, 3, TABLE);
		grant(a, 8, 7, 5, false);
		assert_int_equal(map(d, 1, 8, RW, WINDOW, &h), GNTST_okay);
		kill_domain(d);
		if (i == 0) {
			heap = heap_bytes_used();
			frames = mm_free_frames();
		}
	}
	assert_true(heap_bytes_used() == heap);
	assert_true(mm_free_frames() == frames);
}

static void test_batches(void **state)
{
	struct gnttab_map_grant_ref *m = gpa_ptr(b, ARG);
	struct gnttab_unmap_grant_ref *u = gpa_ptr(b, ARG);
	grant_handle_t handles[100];
	const unsigned n = 100;

	grant(a, 8, 2, 5, false);
	for (unsigned slices = 0; slices < 2; slices++) {
		no_softirqs();
		if (slices) /* a pending softirq cuts every batch after each element */
			softirq_raise(0, SOFTIRQ_TASK);
		for (unsigned i = 0; i < n; i++)
			m[i] = (struct gnttab_map_grant_ref){
				WINDOW + i * PAGE_SIZE, RW, i == 50 ? 13u : 8u, 1, 99, 0, 0
			};
		assert_int_equal(host_hypercall(b->vcpu[0], HC_grant_table_op, GNTTABOP_map_grant_ref, ARG, n, 0, 0),
				 0);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(m[i].status, i == 50 ? GNTST_general_error : GNTST_okay);
			handles[i] = m[i].handle;
		}
		for (unsigned i = 0; i < n; i++)
			u[i] = (struct gnttab_unmap_grant_ref){ WINDOW + i * PAGE_SIZE, 0, i == 50 ? ~0u : handles[i],
								99 };
		u[70].handle = handles[69]; /* twice in one group: the second finds nothing */
		u[70].host_addr = u[69].host_addr;
		assert_int_equal(host_hypercall(b->vcpu[0], HC_grant_table_op, GNTTABOP_unmap_grant_ref, ARG, n, 0, 0),
				 0);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(u[i].status, i == 50 || i == 70 ? GNTST_bad_handle : GNTST_okay);
		assert_int_equal(host_slices(), slices ? n : 1);
		assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_reading | GTF_writing);
		assert_int_equal(unmap(b, WINDOW + 70 * PAGE_SIZE, handles[70]), GNTST_okay);
		assert_int_equal(entry(a, 8)->flags, GTF_permit_access);
	}
	host_run_softirqs(0);
	assert_int_equal(host_hypercall(b->vcpu[0], HC_grant_table_op, GNTTABOP_map_grant_ref, ARG, 1u << 31, 0, 0),
			 -EINVAL);
	assert_int_equal(host_hypercall(b->vcpu[0], HC_grant_table_op, GNTTABOP_map_grant_ref, ~0UL, 0, 0, 0), 0);
	for (unsigned cmd = 0; cmd < 13; cmd++)
		assert_true(host_hypercall(b->vcpu[0], HC_grant_table_op, cmd, 1UL << 60, 1, 0, 0) < 0);
}

static int copy(struct domain *d, struct gnttab_copy c)
{
	c.status = 99;
	assert_int_equal(OP(d, copy, c), 0);
	return c.status;
}

static void test_copy(void **state)
{
	struct gnttab_copy in = {
		.source = { .u.ref = 8, .domid = 1, .offset = 0 },
		.dest = { .u.gmfn = 6, .domid = DOMID_SELF, .offset = 100 },
		.len = 6,
		.flags = GNTCOPY_source_gref,
	}, c;
	struct gnttab_copy both = {
		.source = { .u.ref = 8, .domid = 1, .offset = 0 },
		.dest = { .u.ref = 9, .domid = 0, .offset = 4090 },
		.len = 6,
		.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref,
	};

	show_table(ctl, 0, TABLE);
	grant(a, 8, 2, 5, true);
	grant(ctl, 9, 2, 7, false);
	put_text(a, 0x5000, "hello");
	assert_int_equal(copy(b, in), GNTST_okay);
	assert_string_equal(gpa_ptr(b, 0x6064), "hello");
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_readonly);
	assert_int_equal(copy(b, both), GNTST_okay);
	assert_string_equal(gpa_ptr(ctl, 0x7000 + 4090), "hello");
	assert_int_equal(entry(ctl, 9)->flags, GTF_permit_access);
	both.len = 7;
	assert_int_equal(copy(b, both), GNTST_bad_copy_arg);
	c = in;
	c.source.offset = 4095;
	c.len = 2;
	assert_int_equal(copy(b, c), GNTST_bad_copy_arg);
	c.source.offset = 65535;
	assert_int_equal(copy(b, c), GNTST_bad_copy_arg);
	c = in;
	c.source.u.ref = 700;
	assert_int_equal(copy(b, c), GNTST_bad_gntref);
	c = in;
	c.source.domid = 50;
	assert_int_equal(copy(b, c), GNTST_bad_domain);
	c = in;
	c.dest.domid = 1; /* another's frame by its number */
	assert_int_equal(copy(b, c), GNTST_permission_denied);
	c = in;
	c.dest.u.gmfn = 0x777;
	assert_int_equal(copy(b, c), GNTST_bad_page);
	c.dest.u.gmfn = ~0UL;
	assert_int_equal(copy(b, c), GNTST_bad_page);
	/* Into a read-only grant. */
	c = in;
	c.dest = in.source;
	c.source = in.dest;
	c.flags = GNTCOPY_dest_gref;
	assert_int_equal(copy(b, c), GNTST_general_error);
	assert_int_equal(entry(a, 8)->flags, GTF_permit_access | GTF_readonly);
	/* Within one page, overlapping. */
	memcpy(gpa_ptr(b, 0x6000), "abcdef", 7);
	c = (struct gnttab_copy){ .source = { .u.gmfn = 6, .domid = DOMID_SELF },
				  .dest = { .u.gmfn = 6, .domid = DOMID_SELF, .offset = 1 },
				  .len = 7 };
	assert_int_equal(copy(b, c), GNTST_okay);
	assert_string_equal(gpa_ptr(b, 0x6000), "aabcdef");
}

#define BIT(n) (1UL << (n))

/* What others write by grants is the granter's to log, what they write to their own is theirs; what is only read is not. */
static void test_writes_are_logged(void **state)
{
	struct gnttab_copy in = { .source = { .u.ref = 8, .domid = 1 },
				  .dest = { .u.gmfn = 6, .domid = DOMID_SELF },
				  .len = 6,
				  .flags = GNTCOPY_source_gref };
	struct gnttab_copy out = { .source = { .u.gmfn = 6, .domid = DOMID_SELF },
				   .dest = { .u.ref = 8, .domid = 1 },
				   .len = 6,
				   .flags = GNTCOPY_dest_gref };
	grant_handle_t r, w;

	grant(a, 8, 2, 5, false);
	assert_int_equal(p2m_log_dirty_enable(a), 0);
	assert_int_equal(p2m_log_dirty_enable(b), 0);
	assert_int_equal(copy(b, in), GNTST_okay);
	assert_int_equal(logged(a), 0);
	assert_int_equal(logged(b) & BIT(6), BIT(6));
	assert_int_equal(copy(b, out), GNTST_okay);
	assert_int_equal(logged(a), BIT(5));
	assert_int_equal(logged(b) & BIT(6), 0);
	assert_int_equal(map(b, 1, 8, RO, WINDOW, &r), GNTST_okay);
	assert_int_equal(unmap(b, WINDOW, r), GNTST_okay);
	assert_int_equal(logged(a), 0);
	/* While it is mapped nobody sees the writes: it was written until the mapping's end. */
	assert_int_equal(map(b, 1, 8, RW, WINDOW, &w), GNTST_okay);
	(void)logged(a);
	assert_int_equal(unmap(b, WINDOW, w), GNTST_okay);
	assert_int_equal(logged(a), BIT(5));
	log_end(a);
	log_end(b);
}

/* A copier on a CPU of its own: numbers that grow, once to each of eight pages of b, named by the copier or granted to him; and again when asked. */
#define SINK 8u
#define SINKS 8u
#define ROUNDS 2000u

static struct {
	struct domain *who;
	bool by_ref;
	unsigned asked, done; /* atomic: rounds */
} copier;

static void wait_for(const unsigned *rounds, unsigned n)
{
	while (__atomic_load_n(rounds, __ATOMIC_ACQUIRE) < n)
		sched_yield();
}

static void *copies(void *arg)
{
	struct gnttab_copy c = { .source = { .u.gmfn = 6, .domid = DOMID_SELF }, .len = 8 };
	uint64_t *from = gpa_ptr(copier.who, 0x6000);

	host_set_cpu(1);
	c.flags = copier.by_ref ? GNTCOPY_dest_gref : 0;
	c.dest.domid = copier.by_ref ? 2 : DOMID_SELF;
	for (unsigned round = 1; round <= ROUNDS; round++) {
		wait_for(&copier.asked, round);
		for (unsigned i = 0; i < SINKS; i++) {
			++*from;
			if (copier.by_ref)
				c.dest.u.ref = 20 + i;
			else
				c.dest.u.gmfn = SINK + i;
			assert_int_equal(copy(copier.who, c), GNTST_okay);
		}
		__atomic_store_n(&copier.done, round, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Ask for the log and fetch what it names, beside the copier, whose pages are all fetched when he rests. */
static void race_log(struct domain *who, bool by_ref)
{
	volatile uint64_t *page[SINKS];
	uint64_t fetched[SINKS] = { 0 };
	pthread_t t;

	copier.who = who;
	copier.by_ref = by_ref;
	copier.asked = copier.done = 0;
	for (unsigned i = 0; i < SINKS; i++) {
		grant(b, 20 + i, who->id, SINK + i, false);
		page[i] = gpa_ptr(b, (uint64_t)(SINK + i) << PAGE_SHIFT);
	}
	assert_int_equal(p2m_log_dirty_enable(b), 0);
	pthread_create(&t, NULL, copies, NULL);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		bool rests;

		__atomic_store_n(&copier.asked, round, __ATOMIC_RELEASE);
		do {
			uint64_t bits;

			rests = __atomic_load_n(&copier.done, __ATOMIC_ACQUIRE) == round;
			bits = logged(b);
			for (unsigned i = 0; i < SINKS; i++)
				if (bits & BIT(SINK + i))
					fetched[i] = *page[i];
		} while (!rests);
		for (unsigned i = 0; i < SINKS; i++)
			assert_int_equal(fetched[i], *page[i]);
	}
	pthread_join(t, NULL);
	log_end(b);
}

static void test_log_race(void **state)
{
	race_log(b, false);
	race_log(a, true);
}

static void test_questions(void **state)
{
	struct gnttab_query_size q = { .dom = DOMID_SELF };
	struct gnttab_set_version s = { 1 };
	struct gnttab_get_version g = { .dom = DOMID_SELF };
	struct gnttab_swap_grant_ref w = { 8, 9, 99 };
	grant_handle_t h;

	assert_int_equal(OP(a, query_size, q), 0);
	assert_int_equal(q.status, GNTST_okay);
	assert_int_equal(q.nr_frames, 1);
	assert_int_equal(q.max_nr_frames, 64);
	q.dom = 2;
	assert_int_equal(OP(a, query_size, q), 0);
	assert_int_equal(q.status, GNTST_permission_denied);
	assert_int_equal(OP(ctl, query_size, q), 0);
	assert_int_equal(q.status, GNTST_okay);
	q.dom = 55;
	assert_int_equal(OP(ctl, query_size, q), 0);
	assert_int_equal(q.status, GNTST_bad_domain);
	assert_int_equal(host_hypercall(a->vcpu[0], HC_grant_table_op, GNTTABOP_query_size, ARG, 2, 0, 0), -EINVAL);
	assert_int_equal(OP(a, set_version, s), 0);
	s.version = 3;
	assert_int_equal(OP(a, set_version, s), -EINVAL);
	assert_int_equal(OP(a, get_version, g), 0);
	assert_int_equal(g.version, 1);
	g.dom = 2;
	assert_int_equal(OP(a, get_version, g), -EPERM);
	g.dom = 55;
	assert_int_equal(OP(a, get_version, g), -ESRCH);
	/* Swap. */
	grant(a, 8, 2, 5, false);
	assert_int_equal(OP(a, swap_grant_ref, w), 0);
	assert_int_equal(w.status, GNTST_okay);
	assert_int_equal(entry(a, 9)->frame, 5);
	assert_int_equal(entry(a, 8)->flags, 0);
	assert_int_equal(map(b, 1, 9, RW, WINDOW, &h), GNTST_okay);
	assert_int_equal(OP(a, swap_grant_ref, w), 0);
	assert_int_equal(w.status, GNTST_eagain);
	w.ref_b = 512;
	assert_int_equal(OP(a, swap_grant_ref, w), 0);
	assert_int_equal(w.status, GNTST_bad_gntref);
	/* The table's limit. */
	assert_int_equal(table_frame(a, GRANT_FRAME_SHARED, 63), 0);
	assert_int_equal(table_frame(a, GRANT_FRAME_SHARED, 64), -EINVAL);
	assert_int_equal(table_frame(a, GRANT_FRAME_SHARED, ~0u), -EINVAL);
	assert_int_equal(table_frame(a, GRANT_FRAME_SHARED, 1UL << 32), -EINVAL);
	q.dom = DOMID_SELF;
	assert_int_equal(OP(a, query_size, q), 0);
	assert_int_equal(q.nr_frames, 64);
}

static void test_seed(void **state)
{
	grant_handle_t h;

	assert_int_equal(grant_seed(a, 1, 2, gfn(5), false), 0);
	assert_int_equal(entry(a, 1)->flags, GTF_permit_access);
	assert_int_equal(entry(a, 1)->frame, 5);
	assert_int_equal(map(b, 1, 1, RW, WINDOW, &h), GNTST_okay);
	assert_int_equal(grant_seed(a, 2, 2, gfn(1UL << 32), false), -EINVAL);
	assert_int_equal(grant_seed(a, 64 * 512, 2, gfn(5), false), -EINVAL);
	assert_int_equal(grant_seed(a, 600, 2, gfn(5), true), 0);
	assert_int_equal(map(b, 1, 600, RW, WINDOW + PAGE_SIZE, &h), GNTST_general_error);
	assert_int_equal(map(b, 1, 600, RO, WINDOW + PAGE_SIZE, &h), GNTST_okay);
}

static void test_limits(void **state)
{
	struct domain_config cfg = {
		.domid = 9, .max_vcpus = 1, .max_pages = 600, .grants = { .frames = 1, .maptrack_frames = 1 }
	};
	struct domain *d;
	grant_handle_t h;

	assert_int_equal(domain_create(&cfg, &d), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(p2m_populate(d, gfn(i), 0, 0), 0);
	assert_int_equal(vcpu_create(d, 0), 0);
	grant(a, 8, 9, 5, false);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(map(d, 1, 8, RO, WINDOW + i * PAGE_SIZE, &h), GNTST_okay);
	assert_int_equal(map(d, 1, 8, RO, WINDOW + 256 * PAGE_SIZE, &h), GNTST_no_space);
	assert_int_equal(unmap(d, WINDOW + 10 * PAGE_SIZE, 10), GNTST_okay);
	assert_int_equal(map(d, 1, 8, RO, WINDOW + 256 * PAGE_SIZE, &h), GNTST_okay);
	assert_int_equal(h, 10);
	kill_domain(d);
}

static void test_width32(void **state)
{
	/* map is the same bytes but for its end, copy is 24 bytes: ref or 32-bit frame, domid, offset, twice, then len, flags, status. */
	struct {
		uint32_t ref;
		uint16_t domid, offset;
		uint32_t gmfn;
		uint16_t domid2, offset2;
		uint16_t len, flags;
		int16_t status, pad;
	} c = { 8, 1, 0, 6, DOMID_SELF, 0, 6, GNTCOPY_source_gref, 99, 0 };

	grant(a, 8, 2, 5, true);
	put_text(a, 0x5000, "hello");
	b->vcpu[0]->arch.guest32 = true;
	assert_int_equal(sizeof(c), 24);
	assert_int_equal(OP(b, copy, c), 0);
	assert_int_equal(c.status, GNTST_okay);
	assert_string_equal(gpa_ptr(b, 0x6000), "hello");
}

static struct {
	struct p2m_listener l;
	uint64_t at; /* where it maps a page of a's, 0: nowhere */
	enum p2m_type type;
	bool late; /* the page was let go before it was told */
} device;

static void device_changed(struct p2m_listener *l, gfn_t g, mfn_t m, unsigned order, enum p2m_type type)
{
	if (g.v != WINDOW >> PAGE_SHIFT)
		return;
	device.at = type == P2M_INVALID ? 0 : WINDOW;
	device.type = type;
	if (type == P2M_INVALID && page_of(a, 5)->refs < 2)
		device.late = true;
}

static void device_flush(struct p2m_listener *l, bool narrowed)
{
}

/* What an IOMMU is told of a granted page: where the CPUs see it, before its reference goes. */
static void test_device(void **state)
{
	struct gnttab_map_grant_ref m = { WINDOW, RW | GNTMAP_device_map, 8, 1, 99, 0, 0 };
	struct gnttab_unmap_grant_ref u = { WINDOW, WINDOW, 0, 99 };

	grant(a, 8, 2, 5, false);
	assert_int_equal(OP(b, map_grant_ref, m), 0);
	assert_int_equal(m.status, GNTST_general_error);
	device.l.changed = device_changed;
	device.l.flush = device_flush;
	p2m_listen(b, &device.l);
	device.at = 0;
	assert_int_equal(OP(b, map_grant_ref, m), 0);
	assert_int_equal(m.status, GNTST_okay);
	assert_int_equal(m.dev_bus_addr, WINDOW);
	assert_int_equal(device.at, WINDOW);
	assert_int_equal(device.type, P2M_GRANT_MAP_RW);
	u.handle = m.handle;
	u.dev_bus_addr = WINDOW + PAGE_SIZE;
	assert_int_equal(OP(b, unmap_grant_ref, u), 0);
	assert_int_equal(u.status, GNTST_general_error);
	u.dev_bus_addr = WINDOW;
	assert_int_equal(OP(b, unmap_grant_ref, u), 0);
	assert_int_equal(u.status, GNTST_okay);
	assert_int_equal(device.at, 0);
	m.flags = RO;
	assert_int_equal(OP(b, map_grant_ref, m), 0);
	assert_int_equal(device.type, P2M_GRANT_MAP_RO);
	assert_int_equal(m.dev_bus_addr, mfn_to_paddr(frame_to_mfn(page_of(a, 5))));
	kill_domain(b);
	assert_int_equal(device.at, 0);
	assert_false(device.late);
	assert_int_equal(page_of(a, 5)->refs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup(test_map, setup),
					    cmocka_unit_test_setup(test_map_refused, setup),
					    cmocka_unit_test_setup(test_self, setup),
					    cmocka_unit_test_setup(test_remapped_under_use, setup),
					    cmocka_unit_test_setup(test_granter_dies, setup),
					    cmocka_unit_test_setup(test_mapper_dies, setup),
					    cmocka_unit_test_setup(test_no_leaks, setup),
					    cmocka_unit_test_setup(test_batches, setup),
					    cmocka_unit_test_setup(test_copy, setup),
					    cmocka_unit_test_setup(test_writes_are_logged, setup),
					    cmocka_unit_test_setup(test_log_race, setup),
					    cmocka_unit_test_setup(test_questions, setup),
					    cmocka_unit_test_setup(test_seed, setup),
					    cmocka_unit_test_setup(test_limits, setup),
					    cmocka_unit_test_setup(test_device, setup),
					    cmocka_unit_test_setup(test_width32, setup) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
