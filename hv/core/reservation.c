/*
 * memory_op: what a domain has of memory. Extents are given back, allocated, or allocated and put into the map.
 *
 * A command reports how many extents it finished; its progress between slices is kept in the command's bits 6 and up, as Xen's ABI has it. Large extents take several slices:
 * how far the one at hand is, is kept above bit 31, where callers with registers of 64 bits have nothing.
 */
#include "abi/memory.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/memory.h"
#include "hv/mm.h"
#include "hv/numa.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "memory_op.h"

/* Largest extent order by role, as Xen's memop-max-order has it by default. What is larger than 2 MiB is given back in smaller pieces. */
static unsigned max_order(const struct domain *d, uint32_t op)
{
	if (op == XENMEM_decrease_reservation)
		return ORDER_2M;
	if (domain_has_role(d, ROLE_CONTROL))
		return MAX_ORDER;
	return domain_has_role(d, ROLE_HARDWARE) ? 12 : ORDER_2M;
}

static bool gfn_range_ok(uint64_t g, unsigned order)
{
	return g <= MAX_GFN && g + (1UL << order) - 1 <= MAX_GFN;
}

/* See memory_op.h. */
int occupant(struct domain *d, gfn_t g, mfn_t *m, struct frame **gone)
{
	enum p2m_type t;
	struct frame *f;

	*gone = NULL;
	*m = p2m_lookup(d, g, &t, NULL);
	if (t == P2M_POD)
		return 0;
	if (!mfn_valid_value(*m))
		return err(-ENOENT);
	if (!p2m_type_own_ram(t) || !mfn_is_ram(*m))
		return err(-EINVAL);
	f = mfn_to_frame(*m);
	if (read_once(f->flags) & FRAME_F_XEN)
		return 0;
	if (!frame_get(f, d))
		return err(-EINVAL);
	*gone = f;
	return 0;
}

/* See memory_op.h. */
void give_back(struct frame *gone, bool keep)
{
	if (!gone)
		return;
	if (!keep)
		(void)frame_release_allocation(gone);
	frame_put(gone);
}

/* See memory_op.h. */
bool stays_reserved(const struct domain *d, const struct frame *f, gfn_t g)
{
	return d->direct_mapped && f && frame_to_mfn(f).v == g.v;
}

/* Put the reserved frame of @g back. -ENOMEM: there is none. */
static int populate_reserved(struct domain *d, gfn_t g)
{
	struct p2m_batch b;
	struct frame *f;
	int rc = -ENOMEM;

	if (!mfn_is_ram(mfn(g.v)))
		return err(-ENOMEM);
	f = mfn_to_frame(mfn(g.v));
	if (!frame_get(f, d))
		return err(-ENOMEM);
	b = p2m_begin(d);
	if (!(read_once(f->flags) & FRAME_F_XEN) && !mfn_valid_value(p2m_lookup(d, g, NULL, NULL)))
		rc = p2m_set_locked(&b, g, mfn(g.v), ORDER_4K, P2M_RAM_RW);
	p2m_end(&b);
	frame_put(f);
	return rc;
}

/* Pages that share one hold of the map's lock and one flush. */
#define RELEASE_BATCH 64u

/*
 * Make holes of @nr <= RELEASE_BATCH gfns from @g; stops at the first that cannot be, with the errors of occupant() or -ENOMEM. @all: those are passed
 * over instead, and only the last one's error is told.
 */
static int release_some(struct domain *d, gfn_t g, unsigned nr, bool all)
{
	struct p2m_batch b = p2m_begin(d);
	struct frame *gone[RELEASE_BATCH];
	bool keep[RELEASE_BATCH];
	unsigned done = 0;
	int rc = 0;

	for (; done < nr && (all || !rc); done++) {
		gfn_t at = gfn_add(g, done);
		mfn_t m;

		rc = occupant(d, at, &m, &gone[done]);
		if (!rc)
			rc = p2m_set_locked(&b, at, INVALID_MFN, ORDER_4K, P2M_INVALID);
		keep[done] = rc || stays_reserved(d, gone[done], at);
	}
	p2m_end(&b);
	for (unsigned i = 0; i < done; i++)
		give_back(gone[i], keep[i]);
	p2m_pod_trim(d);
	return rc;
}

int physmap_release(struct domain *d, gfn_t g)
{
	return release_some(d, g, 1, false);
}

/* Undo a half-made extent, up to 512 pages of it. What its guest took away or replaced meanwhile is not there any more. */
static void depopulate_range(struct domain *d, uint64_t from, uint64_t to)
{
	for (; from < to; from += RELEASE_BATCH)
		if (release_some(d, gfn(from), (unsigned)min_u64(to - from, RELEASE_BATCH), true))
			printk(LOG_GUEST_DEBUG, "d%u: pages from gfn %lx vanished while being populated\n", d->id,
			       from);
}

/* One small page at @g. A page already there is given back first, as a guest expects who balloons in over it. */
static int populate_page(struct domain *d, gfn_t g, unsigned flags)
{
	int rc = physmap_release(d, g);

	if (rc && rc != -ENOENT)
		return rc;
	return d->direct_mapped ? populate_reserved(d, g) : p2m_populate(d, g, ORDER_4K, flags);
}

/*
 * An extent under way. @part is how far it is: 0 at its beginning, and what a populated one comes by are the parts to be scrubbed of a block of its size, the attempt to
 * have such a block, and then its pages one by one; one that is released comes by its batches. From a guest's register, so it may be anything up to last_part().
 */
struct extent {
	struct domain *d;
	uint64_t g, part;
	unsigned order, flags; /* ALLOC_* */
	bool pauses;	       /* the caller can come back within it */
};

static uint64_t last_part(unsigned order)
{
	return mm_scrub_parts(order) + (1UL << order);
}

/* Something waits for the processor: come back with the part @next. */
static bool pause_at(struct extent *e, uint64_t next)
{
	if (!e->pauses || !hypercall_preempt_check())
		return false;
	e->part = next;
	return true;
}

/*
 * Scrub what alloc_frames() would otherwise scrub in one go, up to 1 GiB. No more often than there are parts, though others may take what is clean: what is then left to do is rarely
 * more than nothing. -ERESTART.
 */
static int scrub_ahead(struct extent *e)
{
	uint64_t parts = mm_scrub_parts(e->order);

	while (e->part < parts && mm_scrub_ahead(e->d, e->order, e->flags))
		if (pause_at(e, ++e->part))
			return -ERESTART;
	return 0;
}

/* Back the extent with fresh RAM: in one piece, or up to 2 MiB in small pages if there is no such piece or something is there already. */
static int populate_extent(struct extent *e)
{
	uint64_t pages = 1UL << e->order, parts = mm_scrub_parts(e->order),
		 done = e->part > parts ? e->part - parts : 0;

	if (!gfn_range_ok(e->g, e->order))
		return err(-EINVAL);
	if (e->order >= ORDER_2M && !e->d->direct_mapped && !done) {
		if (scrub_ahead(e))
			return -ERESTART;
		if (p2m_populate(e->d, gfn(e->g), e->order, e->flags) == 0)
			return 0;
	}
	if (e->order > ORDER_2M)
		return err(-ENOMEM);
	while (done < pages) {
		int rc = populate_page(e->d, gfn(e->g + done), e->flags);

		if (rc) {
			depopulate_range(e->d, e->g, e->g + done);
			return rc;
		}
		if (++done < pages && pause_at(e, parts + done))
			return -ERESTART;
	}
	return 0;
}

/* Where memory is to come from. false: from where there is none, which is below 4 GiB or a node that is not there. */
static bool alloc_flags(uint32_t mem_flags, unsigned *flags)
{
	unsigned node = XENMEMF_get_node(mem_flags) & 0xff, bits = XENMEMF_get_address_bits(mem_flags);
	bool exact = mem_flags & XENMEMF_exact_node_request;

	*flags =
		bits && bits < 64 && mm_max_mfn().v >> (bits > PAGE_SHIFT ? bits - PAGE_SHIFT : 0) ? ALLOC_BELOW_4G : 0;
	if (*flags && bits < 32)
		return false;
	if (node >= numa_nodes())
		return !exact || node == NUMA_NO_NODE;
	*flags |= ALLOC_NODE(node) | (exact ? ALLOC_EXACT_NODE : 0);
	return true;
}

static int release_extent(struct extent *e)
{
	uint64_t pages = 1UL << e->order;

	if (!gfn_range_ok(e->g, e->order))
		return err(-EINVAL);
	for (uint64_t i = e->part * RELEASE_BATCH; i < pages; i += RELEASE_BATCH) {
		if (release_some(e->d, gfn(e->g + i), (unsigned)min_u64(pages - i, RELEASE_BATCH), false))
			return err(-EINVAL);
		if (i + RELEASE_BATCH < pages && pause_at(e, i / RELEASE_BATCH + 1))
			return -ERESTART;
	}
	return 0;
}

/* As in Xen: the pages are the domain's, but have no place in its map. The list is for guests that know machine frames. */
static int allocate_extent(struct extent *e)
{
	if (scrub_ahead(e))
		return -ERESTART;
	return alloc_frames(e->d, e->order, e->flags) ? 0 : err(-ENOMEM);
}

static int one_extent(struct vcpu *v, struct extent *e, uint32_t op, const struct xen_memory_reservation *r, uint64_t i)
{
	if (op != XENMEM_decrease_reservation && !alloc_flags(r->mem_flags, &e->flags))
		return err(-ENOMEM);
	/* Nobody does that to itself: its pages would vanish under it. */
	if (op == XENMEM_populate_physmap && (r->mem_flags & XENMEMF_populate_on_demand) && e->d == v->domain)
		return err(-EINVAL);
	if (op == XENMEM_increase_reservation)
		return allocate_extent(e);
	if (get_element(v, &e->g, r->extent_start, i, LAYOUT_ulong))
		return err(-EFAULT);
	if (op == XENMEM_decrease_reservation)
		return release_extent(e);
	if (r->mem_flags & XENMEMF_populate_on_demand)
		return p2m_mark_pod(e->d, gfn(e->g), r->extent_order);
	return populate_extent(e);
}

/* As memory_op_again(), within extent @i. */
static long again_within(struct vcpu *v, uint32_t op, uint64_t i, uint64_t part)
{
	long rc = memory_op_again(v, op, i);

	v->hc.args[0] |= part << 32;
	return rc;
}

/* See memory_op.h. */
long memory_reservation(struct vcpu *v, uint32_t op, const uint64_t *args)
{
	struct extent e = { .part = args[0] >> 32, .pauses = !v->hc.guest32 };
	uint64_t i, start = memory_op_start(args);
	struct xen_memory_reservation r;
	int rc = 0;

	if (get_struct(v, &r, args[1], LAYOUT_xen_memory_reservation))
		return (long)start;
	/* A count that would not survive the command's progress bits, or a start the guest made up. */
	if (r.nr_extents > UINT32_MAX >> MEMOP_EXTENT_SHIFT || start > r.nr_extents)
		return (long)start;
	if (r.extent_order > max_order(v->domain, op) || e.part > last_part(r.extent_order))
		return (long)start;
	e.order = r.extent_order;
	if (domain_from_guest(v, r.domid, RELATION_CONTROL, &e.d))
		return (long)start;
	for (i = start; i < r.nr_extents; i++, e.part = 0) {
		if (i != start && hypercall_preempt_check())
			break;
		rc = one_extent(v, &e, op, &r, i);
		if (rc)
			break;
	}
	domain_put(e.d);
	if (rc == -ERESTART)
		return again_within(v, op, i, e.part);
	return !rc && i < r.nr_extents && i != start ? memory_op_again(v, op, i) : (long)i;
}
