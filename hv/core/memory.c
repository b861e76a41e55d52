/*
 * memory_op: the shape of a domain's guest-physical map; what it consists of is reservation.c's. HC-12.* of docs/compatibility.md.
 *
 * Progress between slices is kept in the command's bits 6 and up, as Xen's ABI has it. Nothing here holds a lock across guest accesses.
 */
#include "abi/memory.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/memory.h"
#include "hv/mm.h"
#include "hv/numa.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hv/trace.h"
#include "memory_op.h"

long memory_op_again(struct vcpu *v, uint32_t op, uint64_t extent)
{
	v->hc.args[0] = (uint32_t)(extent << MEMOP_EXTENT_SHIFT | op);
	return hypercall_again(v);
}

/* Placing things in the map ----------------------------------------------------------------------- */

/* Where a page Hospes shares with its domain is mapped: its entry has no typed uses, so gfn + 1 is kept in their place. Lock held. */
static gfn_t special_place(const struct frame *f)
{
	return gfn(((uint64_t)f->type << 32 | f->type_count) - 1);
}

static void special_set_place(struct frame *f, gfn_t g)
{
	f->type_count = (uint32_t)(g.v + 1);
	f->type = (uint16_t)((g.v + 1) >> 32);
}

/*
 * Move @m of @d from @from, if that still maps it, to @to, whose own memory is given back. All of it or, with an error, nothing:
 * -EINVAL when something else is mapped at @to, -ENOMEM. Takes and ends the batch, so that a page is freed after the flush only.
 */
static int relocate(struct p2m_batch *b, struct domain *d, mfn_t m, gfn_t from, gfn_t to)
{
	struct frame *gone, *f = mfn_to_frame(m);
	bool moved = false;
	mfn_t old;
	int rc = occupant(d, to, &old, &gone);

	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0 && mfn_eq(p2m_lookup(d, from, NULL, NULL), m)) {
		rc = p2m_remove_locked(b, from, m);
		moved = rc == 0;
	}
	if (rc == 0) {
		rc = p2m_set_locked(b, to, m, ORDER_4K, P2M_RAM_RW);
		/* The tables of the place it came from are still there, so it can go back. */
		if (rc && moved && p2m_set_locked(b, from, m, ORDER_4K, P2M_RAM_RW))
			printk(LOG_GUEST_DEBUG, "d%u: gfn %#lx is lost\n", d->id, from.v);
	}
	if (rc == 0 && (read_once(f->flags) & FRAME_F_XEN))
		special_set_place(f, to);
	p2m_end(b);
	give_back(gone, rc != 0 || stays_reserved(d, gone, to));
	p2m_pod_trim(d);
	return rc;
}

/* Map @f, which Hospes shares with @d, at @g; what was there is given back, where the page was before becomes a hole. Drops the caller's reference. */
static int place_special(struct domain *d, struct frame *f, gfn_t g)
{
	struct p2m_batch b = p2m_begin(d);
	mfn_t m = frame_to_mfn(f);
	int rc = 0;

	if (mfn_eq(p2m_lookup(d, g, NULL, NULL), m))
		p2m_end(&b);
	else
		rc = relocate(&b, d, m, special_place(f), g);
	frame_put(f);
	return rc;
}

/* See hv/memory.h. */
gfn_t memory_place_of(struct domain *d, const struct frame *f)
{
	struct p2m_batch b = p2m_begin(d);
	gfn_t g = special_place(f);

	if (!mfn_eq(p2m_lookup(d, g, NULL, NULL), frame_to_mfn(f)))
		g = INVALID_GFN;
	p2m_end(&b);
	return g;
}

/* See hv/memory.h. */
void memory_unplace(struct domain *d, const struct frame *f)
{
	struct p2m_batch b = p2m_begin(d);

	(void)!p2m_remove_locked(&b, special_place(f), frame_to_mfn(f)); /* not there: nothing to do */
	p2m_end(&b);
}

/* Move a page of @d's own RAM from gfn @from to @to. */
static int move_gmfn(struct domain *d, gfn_t from, gfn_t to)
{
	struct p2m_batch b = p2m_begin(d);
	enum p2m_type t;
	mfn_t m = p2m_lookup(d, from, &t, NULL);
	bool own = mfn_valid_value(m) && t == P2M_RAM_RW && mfn_is_ram(m) && (!d->direct_mapped || gfn_eq(from, to));

	if (!own || gfn_eq(from, to)) {
		p2m_end(&b);
		return own ? 0 : err(-EINVAL);
	}
	return relocate(&b, d, m, from, to);
}

int physmap_insert_foreign(struct domain *d, gfn_t g, struct frame *f)
{
	struct p2m_batch b = p2m_begin(d);
	struct frame *gone;
	mfn_t old;
	int rc = occupant(d, g, &old, &gone);

	if (rc == 0 || rc == -ENOENT)
		rc = p2m_set_locked(&b, g, frame_to_mfn(f), ORDER_4K, P2M_FOREIGN);
	p2m_end(&b);
	give_back(gone, rc != 0 || stays_reserved(d, gone, g));
	p2m_pod_trim(d);
	return rc;
}

int physmap_add_foreign(struct domain *d, struct domain *owner, gfn_t fgfn, gfn_t g)
{
	struct frame *f;
	int rc;

	if (fgfn.v > MAX_GFN || g.v > MAX_GFN)
		return err(-EINVAL);
	f = p2m_get_frame(owner, fgfn, false);
	if (!f)
		return err(-EINVAL);
	/* Only its own: what it has mapped of others is theirs to give. */
	rc = f->owner == owner->id ? physmap_insert_foreign(d, g, f) : err(-EINVAL);
	if (rc)
		frame_put(f);
	return rc;
}

int physmap_add(struct domain *d, unsigned space, uint64_t idx, gfn_t g)
{
	struct frame *f;
	int rc;

	if (g.v > MAX_GFN)
		return err(-EINVAL);
	switch (space) {
	case XENMAPSPACE_shared_info:
		f = idx ? NULL : shared_info_get(d);
		return f ? place_special(d, f, g) : err(-EINVAL);
	case XENMAPSPACE_grant_table:
		rc = grant_map_space_frame(d, idx, &f);
		return rc ? rc : place_special(d, f, g);
	case XENMAPSPACE_gmfn:
		return idx > MAX_GFN ? err(-EINVAL) : move_gmfn(d, gfn(idx), g);
	case XENMAPSPACE_dev_mmio: /* the hardware domain has its devices where they are */
		return domain_has_role(d, ROLE_HARDWARE) ? err(-EINVAL) : err(-EACCES);
	default:
		return err(-EINVAL);
	}
}

/* XENMAPSPACE_gmfn_range from page @start of it. */
static long add_range(struct vcpu *v, struct domain *d, const struct xen_add_to_physmap *x, uint64_t start)
{
	if (start > x->size)
		return err(-EILSEQ);
	for (uint64_t i = start; i < x->size; i++) {
		int rc;

		if (i != start && hypercall_preempt_check())
			return memory_op_again(v, XENMEM_add_to_physmap, i);
		if (x->idx > MAX_GFN || x->gpfn > MAX_GFN)
			return err(-EINVAL);
		rc = physmap_add(d, XENMAPSPACE_gmfn, x->idx + i, gfn(x->gpfn + i));
		if (rc)
			return rc;
	}
	return 0;
}

static long add_to_physmap(struct vcpu *v, uint64_t start, uint64_t arg)
{
	struct xen_add_to_physmap x;
	struct domain *d;
	long rc;

	if (get_struct(v, &x, arg, LAYOUT_xen_add_to_physmap))
		return err(-EFAULT);
	if (x.space == XENMAPSPACE_gmfn_foreign) /* names no owner: only the batch form does */
		return err(-ENOSYS);
	rc = domain_from_guest(v, x.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	rc = x.space == XENMAPSPACE_gmfn_range ? add_range(v, d, &x, start) :
						 physmap_add(d, x.space, x.idx, gfn(x.gpfn));
	domain_put(d);
	return rc;
}

/* A page of Hospes that it shows to control domains: one of a trace buffer. -EINVAL for all others. */
static int physmap_add_own(struct domain *d, uint64_t idx, gfn_t g)
{
	struct frame *f = g.v > MAX_GFN ? NULL : trace_get_page(mfn(idx));
	int rc = f ? physmap_insert_foreign(d, g, f) : err(-EINVAL);

	if (rc && f)
		frame_put(f);
	return rc;
}

/* Whose pages a batch maps into @d: NULL when not another's. -EINVAL, -ESRCH, -EPERM. */
static int batch_owner(struct vcpu *v, struct domain *d, const struct xen_add_to_physmap_batch *b,
		       struct domain **owner)
{
	int rc;

	*owner = NULL;
	if (b->space != XENMAPSPACE_gmfn_foreign)
		return 0;
	if (!(v->domain->roles & (ROLE_CONTROL | ROLE_HARDWARE)))
		return err(-EPERM); /* whoever the owner is */
	if (b->u.foreign_domid == DOMID_SELF)
		return err(-EINVAL);
	if (b->u.foreign_domid == DOMID_XEN)
		return domain_has_role(v->domain, ROLE_CONTROL) ? 0 : err(-EPERM);
	rc = domain_from_guest(v, b->u.foreign_domid, RELATION_FOREIGN, owner);
	if (rc)
		return rc;
	rc = *owner == d ? err(-EINVAL) : relation_check(d, *owner, RELATION_FOREIGN);
	if (rc) {
		domain_put(*owner);
		*owner = NULL;
	}
	return rc;
}

static int batch_one(struct vcpu *v, struct domain *d, struct domain *owner, int bad,
		     const struct xen_add_to_physmap_batch *b, uint64_t i)
{
	uint64_t idx, gpfn;
	int one;

	if (get_element(v, &idx, b->idxs, i, LAYOUT_ulong) || get_element(v, &gpfn, b->gpfns, i, LAYOUT_ulong))
		return err(-EFAULT);
	if (bad)
		one = bad;
	else if (owner)
		one = physmap_add_foreign(d, owner, gfn(idx), gfn(gpfn));
	else if (b->space == XENMAPSPACE_gmfn_foreign)
		one = physmap_add_own(d, idx, gfn(gpfn));
	else
		one = physmap_add(d, b->space, idx, gfn(gpfn));
	return put_element(v, b->errs, i, &one, LAYOUT_int) ? err(-EFAULT) : 0;
}

/* Each item has its own error in the caller's list; what is wrong with the owner is every item's error. */
static long add_to_physmap_batch(struct vcpu *v, uint64_t start, uint64_t arg)
{
	struct xen_add_to_physmap_batch b;
	struct domain *d, *owner;
	long rc;
	int bad;

	if (get_struct(v, &b, arg, LAYOUT_xen_add_to_physmap_batch))
		return err(-EFAULT);
	if (b.space == XENMAPSPACE_gmfn_range)
		return err(-EINVAL);
	if (start > b.size)
		return err(-EILSEQ);
	rc = domain_from_guest(v, b.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	bad = batch_owner(v, d, &b, &owner);
	for (uint64_t i = start; i < b.size; i++) {
		if (i != start && hypercall_preempt_check()) {
			rc = memory_op_again(v, XENMEM_add_to_physmap_batch, i);
			break;
		}
		rc = batch_one(v, d, owner, bad, &b, i);
		if (rc)
			break;
	}
	if (owner)
		domain_put(owner);
	domain_put(d);
	return rc;
}

/* Make @g a hole; an own page stays the domain's, another's is let go. A granted page goes by the way it came: -ENOENT. */
static int physmap_forget(struct domain *d, gfn_t g)
{
	struct p2m_batch b = p2m_begin(d);
	enum p2m_type t;
	mfn_t m = p2m_lookup(d, g, &t, NULL);
	int rc = p2m_type_own_ram(t) || t == P2M_FOREIGN ? p2m_remove_locked(&b, g, m) : err(-ENOENT);

	p2m_end(&b);
	if (rc == 0 && t == P2M_FOREIGN)
		frame_put(mfn_to_frame(m));
	return rc;
}

static long remove_from_physmap(struct vcpu *v, uint64_t arg)
{
	struct {
		uint16_t domid;
		uint64_t gpfn;
	} x;
	struct domain *d;
	int rc;

	if (get_struct(v, &x, arg, LAYOUT_xen_remove_from_physmap))
		return err(-EFAULT);
	rc = domain_from_guest(v, x.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	rc = x.gpfn > MAX_GFN ? err(-ENOENT) : physmap_forget(d, gfn(x.gpfn));
	domain_put(d);
	return rc;
}

/* Questions ---------------------------------------------------------------------------------------- */

static long reservation_query(struct vcpu *v, uint32_t op, uint64_t arg)
{
	struct domain *d;
	uint16_t id;
	long rc;

	if (copy_from_guest(v, &id, arg, sizeof(id)))
		return err(-EFAULT);
	rc = domain_from_guest(v, id, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	rc = (long)(op == XENMEM_current_reservation ? d->tot_pages + read_once(d->pod_cache) :
		    op == XENMEM_maximum_reservation ? d->max_pages :
						       d->p2m.max_gfn.v);
	domain_put(d);
	/* A 32-bit guest would take more for an error. */
	return v->hc.guest32 && rc > INT32_MAX ? INT32_MAX : rc;
}

/* Entry @i of @d's memory map; a toolstack may replace the map meanwhile. How many there are. */
static uint32_t map_entry(struct domain *d, uint32_t i, struct e820_entry *e)
{
	uint32_t nr;

	spin_lock(&d->lock);
	nr = d->memory_map ? d->nr_memory_map : 0;
	if (i < nr)
		*e = d->memory_map[i];
	spin_unlock(&d->lock);
	return nr;
}

static long memory_map(struct vcpu *v, uint64_t arg)
{
	struct xen_memory_map map;
	struct domain *d = v->domain;
	struct e820_entry e;
	uint32_t nr = map_entry(d, 0, &e);

	if (!nr)
		return err(-ENOSYS);
	if (get_struct(v, &map, arg, LAYOUT_xen_memory_map))
		return err(-EFAULT);
	if (map.nr_entries < nr)
		return err(-EINVAL);
	for (uint32_t i = 0; i < nr && map_entry(d, i, &e) > i; i++)
		if (copy_to_guest(v, map.buffer + i * sizeof(struct xen_e820_entry), &e, sizeof(struct xen_e820_entry)))
			return err(-EFAULT);
	map.nr_entries = nr;
	return put_struct(v, arg, &map, LAYOUT_xen_memory_map);
}

/* Hypercall 12. */
long do_memory_op(struct vcpu *v, const uint64_t *args)
{
	uint32_t op = (uint32_t)args[0] & MEMOP_CMD_MASK;
	uint64_t start = memory_op_start(args), arg = args[1];

	switch (op) {
	case XENMEM_increase_reservation:
	case XENMEM_decrease_reservation:
	case XENMEM_populate_physmap:
		return memory_reservation(v, op, args);
	case XENMEM_maximum_ram_page:
		return (long)mm_max_mfn().v;
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn:
		return reservation_query(v, op, arg);
	case XENMEM_add_to_physmap:
		return add_to_physmap(v, start, arg);
	case XENMEM_add_to_physmap_batch:
		return add_to_physmap_batch(v, start, arg);
	case XENMEM_remove_from_physmap:
		return remove_from_physmap(v, arg);
	case XENMEM_memory_map:
		return memory_map(v, arg);
	case XENMEM_get_sharing_freed_pages:
	case XENMEM_get_sharing_shared_pages:
		return 0;
	case XENMEM_exchange:
		return memory_exchange(v, arg);
	case XENMEM_get_vnumainfo:
		return memory_vnuma(v, arg);
	case XENMEM_set_memory_map:
		return memory_set_map(v, arg);
	case XENMEM_set_pod_target:
	case XENMEM_get_pod_target:
		return memory_pod_target(v, op, arg);
	case XENMEM_claim_pages:
		return memory_claim(v, start, arg);
	case XENMEM_reserved_device_memory_map:
		return memory_reserved_map(v, arg);
	case XENMEM_acquire_resource:
		return memory_acquire_resource(v, start, arg);
	case XENMEM_machphys_compat_mfn_list: /* for PV guests of 32 bits: there are none */
		return err(-EOPNOTSUPP);
	/* The machine's own map and its translation mean nothing in a hardware container. */
	case XENMEM_machine_memory_map:
	case XENMEM_machphys_mapping:
	case XENMEM_machphys_mfn_list:
	default:
		return err(-ENOSYS);
	}
}
