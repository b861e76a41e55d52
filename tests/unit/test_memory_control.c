/* memory_op of a control domain over others: foreign pages, resources, claims, maps; both widths, cut into slices, in a multicall; nobody's death leaks. */
#include "abi/memory.h"
#include "guest_test.h"
#include "hv/memory.h"
#include "hv/p2m.h"

#define PAGES 64UL
#define LISTS 0x8000UL /* three lists of NR entries follow */
#define NR 200u
#define ABOVE 0x1000UL /* first gfn above everybody's RAM */

static struct domain *dom0, *domu, *hw;
static struct vcpu *v;
static uint64_t free_before;

static int setup(void **state)
{
	host_machine(RAM, 1);
	dom0 = host_domain(0, 1, PAGES, ROLE_ALL);
	hw = host_domain(3, 1, PAGES, ROLE_HARDWARE);
	frame_put(alloc_frames(dom0, 0, 0));
	v = dom0->vcpu[0];
	/* The tables up there stay. */
	assert_int_equal(p2m_populate(dom0, gfn(ABOVE), 0, 0), 0);
	assert_int_equal(p2m_depopulate(dom0, gfn(ABOVE)), 0);
	free_before = mm_free_frames();
	domu = host_domain(1, 1, PAGES, 0);
	return 0;
}

static mfn_t at(struct domain *d, uint64_t g, enum p2m_type *t)
{
	return p2m_lookup(d, gfn(g), t, NULL);
}

static uint64_t list_at(unsigned which)
{
	return LISTS + which * 0x1000;
}

static unsigned width(void)
{
	return v->arch.guest32 ? 4 : 8;
}

static void list_put(unsigned which, unsigned i, uint64_t value)
{
	memcpy((uint8_t *)gpa_ptr(dom0, list_at(which)) + i * width(), &value, width());
}

static int list_err(unsigned i)
{
	return ((int *)gpa_ptr(dom0, list_at(2)))[i];
}

/* Map @n pages from gfn 0 of @owner at ABOVE; what the call says. */
static long map_foreign(uint16_t owner, uint16_t n)
{
	uint8_t arg[32] = { 0 };
	uint16_t head[4] = { DOMID_SELF, XENMAPSPACE_gmfn_foreign, n, owner };

	memset(gpa_ptr(dom0, list_at(2)), 0xee, n * 4u);
	memcpy(arg, head, sizeof(head));
	for (unsigned i = 0; i < 3; i++) {
		uint64_t list = list_at(i);

		memcpy(arg + 8 + i * width(), &list, width());
	}
	return call_arg(v, HC_memory_op, XENMEM_add_to_physmap_batch, arg, sizeof(arg));
}

static long unmap(uint64_t g)
{
	uint8_t arg[16] = { 0 };
	uint16_t self = DOMID_SELF;

	memcpy(arg, &self, sizeof(self));
	memcpy(arg + width(), &g, width());
	return call_arg(v, HC_memory_op, XENMEM_remove_from_physmap, arg, sizeof(arg));
}

static void foreign(bool slices)
{
	for (unsigned i = 0; i < NR; i++) {
		list_put(0, i, i);
		list_put(1, i, ABOVE + i);
	}
	if (slices)
		softirq_raise(0, SOFTIRQ_TASK);
	assert_int_equal(map_foreign(1, NR), 0);
	for (unsigned i = 0; i < NR; i++) {
		enum p2m_type t;
		mfn_t m = at(dom0, ABOVE + i, &t);

		assert_int_equal(list_err(i), i < PAGES ? 0 : -EINVAL);
		assert_int_equal(t, i < PAGES ? P2M_FOREIGN : P2M_INVALID);
		if (i < PAGES) {
			assert_true(mfn_eq(m, at(domu, i, NULL)));
			assert_int_equal(mfn_to_frame(m)->refs, 2);
		}
	}
	for (unsigned i = 0; i < NR; i++) {
		uint64_t flushes = host_flushes();

		assert_int_equal(unmap(ABOVE + i), i < PAGES ? 0 : -ENOENT);
		assert_int_equal(host_flushes() - flushes, i < PAGES);
	}
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(mfn_to_frame(at(domu, i, NULL))->refs, 1);
	host_run_softirqs(0);
}

static void test_foreign(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		v->arch.guest32 = i & 1;
		foreign(i & 2);
	}
	v->arch.guest32 = false;
	kill_domain(domu);
	assert_int_equal(mm_free_frames(), free_before);
}

static void test_foreign_refused(void **state)
{
	list_put(0, 0, 3);
	list_put(1, 0, ABOVE);
	/* What is wrong with the owner stands in each item's place. */
	assert_int_equal(map_foreign(DOMID_SELF, 1), 0);
	assert_int_equal(list_err(0), -EINVAL);
	assert_int_equal(map_foreign(0, 1), 0);
	assert_int_equal(list_err(0), -EINVAL);
	assert_int_equal(map_foreign(77, 1), 0);
	assert_int_equal(list_err(0), -ESRCH);
	/* Holes, places out of reach, pages its owner has from others. */
	list_put(0, 0, PAGES + 5);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_int_equal(list_err(0), -EINVAL);
	list_put(0, 0, ~0UL);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_int_equal(list_err(0), -EINVAL);
	list_put(0, 0, 3);
	list_put(1, 0, 1UL << 40);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_int_equal(list_err(0), -EINVAL);
	assert_int_equal(mfn_to_frame(at(domu, 3, NULL))->refs, 1);
	/* Over RAM, which is given back; not over another such page. */
	list_put(1, 0, PAGES - 1);
	uint64_t pages = dom0->tot_pages;
	assert_int_equal(map_foreign(1, 1), 0);
	assert_int_equal(list_err(0), 0);
	assert_int_equal(dom0->tot_pages, pages - 1);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_int_equal(list_err(0), -EINVAL);
	assert_int_equal(unmap(PAGES - 1), 0);
	/* Without the role. */
	v = domu->vcpu[0];
	struct xen_add_to_physmap_batch b = { DOMID_SELF, XENMAPSPACE_gmfn_foreign, 1, { 0 }, 0x5000, 0x5000, 0x6000 };
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_add_to_physmap_batch, &b, sizeof(b)), 0);
	assert_int_equal(*(int *)gpa_ptr(domu, 0x6000), -EPERM);
	v = dom0->vcpu[0];
}

/* The owner dies: its structure and the page stay for the mapper. The mapper dies: all goes. */
static void test_foreign_deaths(void **state)
{
	mfn_t m = at(domu, 3, NULL);

	list_put(0, 0, 3);
	list_put(1, 0, ABOVE);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_true(domain_get(domu));
	kill_domain(domu);
	assert_int_equal(domu->nr_frames, 1);
	assert_true(mfn_eq(at(dom0, ABOVE, NULL), m));
	list_put(1, 0, ABOVE + 1);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_true(list_err(0) != 0);
	assert_int_equal(unmap(ABOVE), 0);
	assert_int_equal(domu->nr_frames, 0);
	domain_put(domu);
	assert_int_equal(mm_free_frames(), free_before);
	domu = host_domain(2, 1, PAGES, 0);
	for (unsigned i = 0; i < NR; i++) {
		list_put(0, i, i % PAGES);
		list_put(1, i, ABOVE + i);
	}
	assert_int_equal(map_foreign(2, NR), 0);
	assert_int_equal(mfn_to_frame(at(domu, 0, NULL))->refs, 5);
	kill_domain(dom0);
	assert_int_equal(mfn_to_frame(at(domu, 0, NULL))->refs, 1);
	kill_domain(domu);
}

/* What others still use keeps a dead domain's number, so a toolstack may name it: what Hospes shared with it is gone. */
static void test_shared_page_of_the_dead(void **state)
{
	struct xen_add_to_physmap x = { 1, 0, XENMAPSPACE_shared_info, 0, ABOVE };
	mfn_t m = virt_to_mfn(domu->shared_info);

	list_put(0, 0, 3);
	list_put(1, 0, ABOVE);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_add_to_physmap, &x, sizeof(x)), 0);
	assert_true(mfn_eq(at(domu, ABOVE, NULL), m));
	assert_int_equal(mfn_to_frame(m)->refs, 1);
	kill_domain(domu);
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_add_to_physmap, &x, sizeof(x)), -EINVAL);
	assert_int_equal(mfn_to_frame(m)->refs, 0);
	assert_int_equal(unmap(ABOVE), 0);
	assert_int_equal(mm_free_frames(), free_before);
}

static long acquire(uint16_t dom, uint16_t type, uint32_t id, uint32_t nr, uint64_t frame, uint64_t list, uint32_t *got)
{
	uint8_t arg[32] = { 0 };
	uint32_t head[4] = { (uint32_t)type << 16 | dom, id, nr, 0 };
	long rc;

	memcpy(arg, head, sizeof(head));
	memcpy(arg + 16, &frame, sizeof(frame));
	memcpy(arg + 24, &list, width());
	rc = call_arg(v, HC_memory_op, XENMEM_acquire_resource, arg, sizeof(arg));
	memcpy(got, arg + 8, sizeof(*got));
	return rc;
}

#define TABLE XENMEM_resource_grant_table

static void test_acquire(void **state)
{
	enum p2m_type t;
	uint32_t nr;
	mfn_t m;

	for (unsigned i = 0; i < NR; i++)
		list_put(0, i, ABOVE + i);
	for (unsigned w = 0; w < 2; w++) {
		v->arch.guest32 = w;
		for (unsigned i = 0; i < NR; i++)
			list_put(0, i, ABOVE + i);
		assert_int_equal(acquire(1, TABLE, 0, 0, 0, 0, &nr), 0);
		assert_int_equal(nr, 64);
		assert_int_equal(acquire(1, TABLE, 1, 0, 0, 0, &nr), 0);
		assert_int_equal(nr, 8);
		assert_int_equal(acquire(1, XENMEM_resource_ioreq_server, 0, 0, 0, 0, &nr), 0);
		assert_int_equal(nr, 2);
		assert_int_equal(acquire(1, TABLE, 0, 1, 0, list_at(0), &nr), 0);
		m = at(dom0, ABOVE, &t);
		assert_int_equal(t, P2M_FOREIGN);
		/* What is written here the domain sees: this is how its first two grants are made. */
		assert_int_equal(copy_to_gpa(dom0, ABOVE << PAGE_SHIFT, "abc", 4), 0);
		assert_int_equal(physmap_add(domu, XENMAPSPACE_grant_table, 0, gfn(100)), 0);
		assert_true(mfn_eq(at(domu, 100, NULL), m));
		assert_string_equal(gpa_ptr(domu, 100 << PAGE_SHIFT), "abc");
		assert_int_equal(unmap(ABOVE), 0);
	}
	v->arch.guest32 = false;
	for (unsigned i = 0; i < NR; i++)
		list_put(0, i, ABOVE + i);
	softirq_raise(0, SOFTIRQ_TASK);
	assert_int_equal(acquire(1, TABLE, 0, 64, 0, list_at(0), &nr), 0);
	host_run_softirqs(0);
	assert_true(mfn_valid_value(at(dom0, ABOVE + 63, NULL)));
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(unmap(ABOVE + i), 0);
	/* Partly beyond the end: the caller is told to clean up. */
	assert_int_equal(acquire(1, TABLE, 0, 2, 63, list_at(0), &nr), -EIO);
	assert_int_equal(unmap(ABOVE), 0);
	assert_int_equal(acquire(1, TABLE, 0, 1, 64, list_at(0), &nr), -EINVAL);
	assert_int_equal(acquire(1, TABLE, 1, 1, 0, list_at(0), &nr), -EINVAL);
	assert_int_equal(acquire(1, TABLE, 2, 0, 0, 0, &nr), -EINVAL);
	assert_int_equal(acquire(1, TABLE, 0, 1, 0, 0, &nr), -EINVAL);
	assert_int_equal(acquire(1, TABLE, 0, 2, UINT32_MAX, list_at(0), &nr), -EINVAL);
	assert_int_equal(acquire(1, XENMEM_resource_ioreq_server, 0, 1, 0, list_at(0), &nr), -ENOENT);
	assert_int_equal(acquire(1, XENMEM_resource_vmtrace_buf, 0, 0, 0, 0, &nr), -EINVAL);
	assert_int_equal(acquire(0, TABLE, 0, 0, 0, 0, &nr), -EPERM);
	assert_int_equal(acquire(77, TABLE, 0, 0, 0, 0, &nr), -ESRCH);
	assert_int_equal(acquire(1, TABLE, 0, 1, 0, 1UL << 60, &nr), -EFAULT);
	list_put(0, 0, 1UL << 40);
	assert_int_equal(acquire(1, TABLE, 0, 1, 0, list_at(0), &nr), -EINVAL);
	/* A table somebody else has mapped outlives its domain. */
	list_put(0, 0, ABOVE);
	assert_int_equal(acquire(1, TABLE, 0, 1, 0, list_at(0), &nr), 0);
	assert_true(domain_get(domu));
	kill_domain(domu);
	assert_int_equal(domu->nr_frames, 1);
	assert_int_equal(acquire(1, TABLE, 0, 1, 0, list_at(0), &nr), -EINVAL);
	assert_int_equal(unmap(ABOVE), 0);
	domain_put(domu);
	assert_int_equal(mm_free_frames(), free_before);
}

static void test_acquire_roles(void **state)
{
	struct xen_mem_acquire_resource x = { .domid = 1, .type = TABLE };

	assert_int_equal(call_arg(domu->vcpu[0], HC_memory_op, XENMEM_acquire_resource, &x, sizeof(x)), -EACCES);
	assert_int_equal(call_arg(hw->vcpu[0], HC_memory_op, XENMEM_acquire_resource, &x, sizeof(x)), -EPERM);
}

static long populate(uint16_t dom, uint64_t g, uint32_t order, uint32_t flags)
{
	struct xen_memory_reservation r = { list_at(0), 1, order, flags, dom };

	list_put(0, 0, g);
	return call_arg(v, HC_memory_op, XENMEM_populate_physmap, &r, sizeof(r));
}

static void test_populate_on_behalf(void **state)
{
	unsigned order;

	domu->max_pages = 1u << 19;
	assert_int_equal(populate(1, 512, 9, 0), 1);
	(void)p2m_lookup(domu, gfn(600), NULL, &order);
	assert_int_equal(order, ORDER_2M);
	assert_int_equal(populate(1, 1024, 10, 0), 1);
	assert_int_equal(populate(1, 1u << 18, 18, 0), 0); /* no such piece: the builder tries smaller ones */
	assert_int_equal(populate(1, 1u << 20, 19, 0), 0);
	assert_int_equal(populate(1, ABOVE, 0, 1 << 8 | XENMEMF_exact_node_request), 1);
	assert_int_equal(populate(1, ABOVE + 1, 0, 2 << 8 | XENMEMF_exact_node_request), 0);
	assert_int_equal(populate(1, ABOVE + 1, 0, 2 << 8), 1);
	assert_int_equal(populate(1, ABOVE + 2, 0, 32), 1);
	assert_int_equal(populate(DOMID_SELF, ABOVE + 2, 0, XENMEMF_populate_on_demand), 0);
	assert_int_equal(populate(77, ABOVE, 0, 0), 0);
	v = hw->vcpu[0];
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_populate_physmap,
				  &(struct xen_memory_reservation){ 0x4000, 1, 0, 0, 1 }, 32),
			 0);
	v = dom0->vcpu[0];
}

static void test_claim(void **state)
{
	struct xen_memory_reservation r = { 0, PAGES + 100, 0, 0, 1 };
	uint64_t left = mm_free_frames();

	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), 0);
	assert_int_equal(mm_free_frames(), left - 100);
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), -EINVAL);
	assert_int_equal(populate(1, ABOVE, 0, 0), 1);
	assert_int_equal(domu->claim, 99);
	r.nr_extents = 0;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), 0);
	assert_int_equal(domu->claim, 0);
	r.nr_extents = PAGES;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), -EINVAL);
	domu->max_pages = 1UL << 40;
	r.nr_extents = 1UL << 30;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), -ENOMEM);
	r.domid = 77;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), -EINVAL);
	assert_int_equal(call_arg(domu->vcpu[0], HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), -EPERM);
	r.extent_order = 1;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_claim_pages, &r, sizeof(r)), -EINVAL);
}

/* The map a toolstack sets is the one the domain reads, whatever the width of either. */
static void test_memory_map(void **state)
{
	struct xen_e820_entry e[2] = { { 0, 0xa0000, 1 }, { 0x100000, 0x7f00000, 1 } }, back[2] = { 0 };

	for (unsigned w = 0; w < 4; w++) {
		uint32_t in32[3] = { 1, 2, 0x5000 }, out32[2] = { 2, 0x5000 };
		uint64_t in64[3] = { 1, 2, 0x5000 }, out64[2] = { 2, 0x5000 };

		v->arch.guest32 = w & 1;
		domu->vcpu[0]->arch.guest32 = w & 2;
		e[1].type = w + 1;
		memcpy(gpa_ptr(dom0, 0x5000), e, sizeof(e));
		assert_int_equal(call_arg(v, HC_memory_op, XENMEM_set_memory_map, w & 1 ? (void *)in32 : in64,
					  w & 1 ? sizeof(in32) : sizeof(in64)),
				 0);
		assert_int_equal(call_arg(domu->vcpu[0], HC_memory_op, XENMEM_memory_map, w & 2 ? (void *)out32 : out64,
					  w & 2 ? sizeof(out32) : sizeof(out64)),
				 0);
		memcpy(back, gpa_ptr(domu, 0x5000), sizeof(back));
		assert_memory_equal(back, e, sizeof(e));
	}
	v->arch.guest32 = domu->vcpu[0]->arch.guest32 = false;
	uint64_t in[3] = { 1, 1025, 0x5000 };
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_set_memory_map, in, sizeof(in)), -EINVAL);
	in[1] = 1;
	in[2] = 1UL << 60;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_set_memory_map, in, sizeof(in)), -EFAULT);
	in[0] = 77;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_set_memory_map, in, sizeof(in)), -ESRCH);
	in[0] = DOMID_SELF;
	in[2] = 0x5000;
	assert_int_equal(call_arg(domu->vcpu[0], HC_memory_op, XENMEM_set_memory_map, in, sizeof(in)), -EPERM);
	assert_int_equal(domu->nr_memory_map, 2);
}

static void test_others(void **state)
{
	struct xen_pod_target pod = { .target_pages = 1234, .pod_entries = 99, .domid = 1 };
	struct xen_vnuma_topology_info numa = { .domid = 1 };
	uint32_t rdm[6] = { XENMEM_RDM_ALL, 4 };
	struct xen_memory_exchange x = { .in.domid = 1, .out.domid = 1 };

	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_set_pod_target, &pod, sizeof(pod)), 0);
	assert_int_equal(pod.tot_pages, domu->tot_pages);
	assert_int_equal(pod.pod_entries, 0);
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_get_pod_target, &pod, sizeof(pod)), 0);
	pod.domid = DOMID_SELF;
	assert_int_equal(call_arg(domu->vcpu[0], HC_memory_op, XENMEM_get_pod_target, &pod, sizeof(pod)), -EPERM);
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_get_vnumainfo, &numa, sizeof(numa)), -EOPNOTSUPP);
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_reserved_device_memory_map, rdm, sizeof(rdm)), 0);
	assert_int_equal(rdm[1], 0);
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_exchange, &x, sizeof(x)), 0);
	x.in.nr_extents = 1;
	assert_int_equal(call_arg(v, HC_memory_op, XENMEM_exchange, &x, sizeof(x)), -EOPNOTSUPP);
	assert_int_equal(host_hypercall(v, HC_memory_op, XENMEM_machphys_mapping, ARG, 0, 0, 0), -ENOSYS);
}

/* A domain mapped one to one keeps the frames it balloons out, and gets those and no others back. */
static void test_direct_mapped(void **state)
{
	uint64_t pages;
	struct frame *f = alloc_frames(dom0, 0, 0);
	uint64_t g = frame_to_mfn(f).v;

	assert_int_equal(p2m_set(dom0, gfn(g), mfn(g), 0, P2M_RAM_RW), 0);
	dom0->direct_mapped = true;
	pages = dom0->tot_pages;
	assert_int_equal(physmap_release(dom0, gfn(g)), 0);
	assert_false(mfn_valid_value(at(dom0, g, NULL)));
	assert_int_equal(dom0->tot_pages, pages);
	assert_int_equal(f->refs, 1);
	assert_int_equal(populate(DOMID_SELF, g, 0, 0), 1);
	assert_int_equal(at(dom0, g, NULL).v, g);
	assert_int_equal(dom0->tot_pages, pages);
	/* Under a foreign page it waits. */
	list_put(0, 0, 3);
	list_put(1, 0, g);
	assert_int_equal(map_foreign(1, 1), 0);
	assert_int_equal(list_err(0), 0);
	assert_int_equal(populate(DOMID_SELF, g, 0, 0), 0);
	assert_int_equal(unmap(g), 0);
	assert_int_equal(populate(DOMID_SELF, g, 0, 0), 1);
	assert_int_equal(at(dom0, g, NULL).v, g);
	assert_int_equal(populate(DOMID_SELF, ABOVE + 9, 0, 0), 0);
	assert_int_equal(physmap_add(dom0, XENMAPSPACE_gmfn, g, gfn(ABOVE)), -EINVAL);
	kill_domain(dom0);
}

/* Domains come and go; what they had comes back, whatever was mapped of them. */
static void test_cycles(void **state)
{
	uint32_t nr;

	kill_domain(domu);
	assert_int_equal(mm_free_frames(), free_before);
	for (unsigned i = 0; i < 20; i++) {
		domu = host_domain(1, 2, PAGES + i, 0);
		for (unsigned k = 0; k < NR; k++) {
			list_put(0, k, k);
			list_put(1, k, ABOVE + k);
		}
		assert_int_equal(map_foreign(1, NR), 0);
		list_put(0, 0, ABOVE + NR);
		assert_int_equal(acquire(1, TABLE, 0, 1, i % 64, list_at(0), &nr), 0);
		if (i % 2)
			kill_domain(domu);
		for (unsigned k = 0; k <= NR; k++)
			assert_int_equal(unmap(ABOVE + k), k < PAGES + i || k == NR ? 0 : -ENOENT);
		if (i % 2 == 0)
			kill_domain(domu);
		assert_int_equal(mm_free_frames(), free_before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_foreign, setup),
		cmocka_unit_test_setup(test_foreign_refused, setup),
		cmocka_unit_test_setup(test_foreign_deaths, setup),
		cmocka_unit_test_setup(test_shared_page_of_the_dead, setup),
		cmocka_unit_test_setup(test_acquire, setup),
		cmocka_unit_test_setup(test_acquire_roles, setup),
		cmocka_unit_test_setup(test_populate_on_behalf, setup),
		cmocka_unit_test_setup(test_claim, setup),
		cmocka_unit_test_setup(test_memory_map, setup),
		cmocka_unit_test_setup(test_others, setup),
		cmocka_unit_test_setup(test_direct_mapped, setup),
		cmocka_unit_test_setup(test_cycles, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
