/* Hypercall 20: copies, questions, and the dispatch with its slices. */
#include "grant_table.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"

/* Copy -------------------------------------------------------------------------------------------------- */

/* One side of a copy while it is held. */
struct copy_side {
	struct domain *d;
	struct frame *page;
	bool by_ref;
};

/* Hold the page @p names for @user. GNTST_*; on success side_drop() later. */
static int side_hold(struct domain *user, const struct gnttab_copy_ptr *p, bool by_ref, bool readonly,
		     struct copy_side *side)
{
	int status = GNTST_okay;

	side->by_ref = by_ref;
	if (p->domid == DOMID_SELF && !by_ref)
		side->d = domain_get(user) ? user : NULL;
	else if (!by_ref)
		return GNTST_permission_denied; /* frames by number only of oneself */
	else
		side->d = domain_get_by_id(p->domid == DOMID_SELF ? user->id : p->domid);
	if (!side->d)
		return GNTST_bad_domain;
	if (by_ref) {
		status = relation_check(user, side->d, RELATION_GRANT) ?
				 GNTST_permission_denied :
				 grant_pin(side->d, p->u.ref, user, readonly, &side->page);
	} else {
		side->page = p2m_get_frame(user, gfn(p->u.gmfn), !readonly);
		if (!side->page)
			status = GNTST_bad_page;
	}
	if (status != GNTST_okay)
		domain_put(side->d);
	return status;
}

static void side_drop(const struct gnttab_copy_ptr *p, bool readonly, struct copy_side *side)
{
	if (side->by_ref)
		grant_unpin(side->d, p->u.ref, readonly, side->page);
	else
		frame_put(side->page);
	domain_put(side->d);
}

static int copy_one(struct domain *d, const struct gnttab_copy *op)
{
	struct copy_side src, dst;
	int status;

	if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	status = side_hold(d, &op->source, op->flags & GNTCOPY_source_gref, true, &src);
	if (status != GNTST_okay)
		return status;
	status = side_hold(d, &op->dest, op->flags & GNTCOPY_dest_gref, false, &dst);
	if (status == GNTST_okay) {
		memmove((uint8_t *)mfn_to_virt(frame_to_mfn(dst.page)) + op->dest.offset,
			(uint8_t *)mfn_to_virt(frame_to_mfn(src.page)) + op->source.offset, op->len);
		side_drop(&op->dest, false, &dst);
	}
	side_drop(&op->source, true, &src);
	return status;
}

/* Copy element by element. Statuses are per element; -EFAULT if the array cannot be read or written. */
int grant_copy_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done)
{
	for (*done = 0; *done < count; (*done)++) {
		struct gnttab_copy op;
		int rc;

		if (*done && hypercall_preempt_check())
			return 0;
		rc = get_element(v, &op, uop, *done, LAYOUT_gnttab_copy);
		if (rc)
			return rc;
		op.status = (int16_t)copy_one(v->domain, &op);
		rc = put_element(v, uop, *done, &op, LAYOUT_gnttab_copy);
		if (rc)
			return rc;
	}
	return 0;
}

/* Swap -------------------------------------------------------------------------------------------------- */

static int swap_one(struct domain *d, const struct gnttab_swap_grant_ref *op)
{
	struct grant_table *gt = d->grant;
	struct grant_entry_v1 *a, *b, tmp;
	struct active_entry *act_a, *act_b;
	int status = GNTST_okay;

	spin_lock(&gt->lock);
	if (!grant_entry(gt, op->ref_a, &a, &act_a) || !grant_entry(gt, op->ref_b, &b, &act_b)) {
		status = GNTST_bad_gntref;
	} else if (act_a->readers || act_a->writers || act_b->readers || act_b->writers) {
		status = GNTST_eagain;
	} else {
		tmp = *a;
		*a = *b;
		*b = tmp;
	}
	spin_unlock(&gt->lock);
	return status;
}

static int swap_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done)
{
	for (*done = 0; *done < count; (*done)++) {
		uint64_t at = uop + *done * sizeof(struct gnttab_swap_grant_ref);
		struct gnttab_swap_grant_ref op;
		int rc;

		if (*done && hypercall_preempt_check())
			return 0;
		rc = copy_from_guest(v, &op, at, sizeof(op));
		if (rc)
			return rc;
		op.status = (int16_t)swap_one(v->domain, &op);
		rc = copy_to_guest(v, at, &op, sizeof(op));
		if (rc)
			return rc;
	}
	return 0;
}

/* Questions --------------------------------------------------------------------------------------------- */

/* Answers a status, never an error but -EFAULT, and -EINVAL for a count that is not 1. */
static long op_query_size(struct vcpu *v, uint64_t uop, uint32_t count)
{
	struct gnttab_query_size op;
	struct domain *d;
	int rc;

	if (count != 1)
		return err(-EINVAL);
	rc = copy_from_guest(v, &op, uop, sizeof(op));
	if (rc)
		return rc;
	rc = domain_from_guest(v, op.dom, RELATION_CONTROL, &d);
	if (rc == 0) {
		spin_lock(&d->grant->lock);
		op.nr_frames = d->grant->nr_frames;
		op.max_nr_frames = d->grant->max_frames;
		spin_unlock(&d->grant->lock);
		op.status = GNTST_okay;
		domain_put(d);
	} else {
		op.status = rc == -EPERM ? GNTST_permission_denied : GNTST_bad_domain;
	}
	return copy_to_guest(v, uop, &op, sizeof(op));
}

/* Version 1 is in force from birth; -ENOSYS for 2, as on a Xen limited to version 1, -EINVAL for others. */
static long op_set_version(struct vcpu *v, uint64_t uop)
{
	struct gnttab_set_version op;
	int rc = copy_from_guest(v, &op, uop, sizeof(op)), copied;

	if (rc)
		return rc;
	if (op.version != 1)
		rc = op.version == 2 ? err(-ENOSYS) : err(-EINVAL);
	op.version = 1;
	copied = copy_to_guest(v, uop, &op, sizeof(op));
	return copied ? copied : rc;
}

static long op_get_version(struct vcpu *v, uint64_t uop)
{
	struct gnttab_get_version op;
	struct domain *d;
	int rc = copy_from_guest(v, &op, uop, sizeof(op));

	if (rc)
		return rc;
	rc = domain_from_guest(v, op.dom, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	domain_put(d);
	op.version = 1;
	return copy_to_guest(v, uop, &op, sizeof(op));
}

/* Dispatch ------------------------------------------------------------------------------------------------ */

typedef int batch_fn(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done);

/* Run @fn over @count elements; what is left after a slice is what the restarted call asks for. */
static long run_batch(struct vcpu *v, batch_fn *fn, uint64_t uop, uint32_t count, size_t size)
{
	uint32_t done = 0;
	int rc = fn(v, uop, count, &done);

	if (rc || done == count)
		return rc;
	v->hc.args[1] = uop + done * size;
	v->hc.args[2] = count - done;
	return hypercall_again(v);
}

/*
 * Hypercall 20: 0, or an error about the call as a whole; each element carries its status. An HVM container has no setup_table here
 * (it places frames with XENMEM_add_to_physmap), no transfer, dump_table, unmap_and_replace, status frames, cache_flush: -ENOSYS.
 */
long do_grant_table_op(struct vcpu *v, const uint64_t *args)
{
	uint32_t cmd = (uint32_t)args[0], count = (uint32_t)args[2];
	uint64_t uop = args[1];
	bool g32 = v->hc.guest32;

	if (count > INT32_MAX)
		return err(-EINVAL);
	switch (cmd) {
	case GNTTABOP_map_grant_ref:
		return run_batch(v, grant_map_batch, uop, count, layout_size(LAYOUT_gnttab_map_grant_ref, g32));
	case GNTTABOP_unmap_grant_ref:
		return run_batch(v, grant_unmap_batch, uop, count, layout_size(LAYOUT_gnttab_unmap_grant_ref, g32));
	case GNTTABOP_copy:
		return run_batch(v, grant_copy_batch, uop, count, layout_size(LAYOUT_gnttab_copy, g32));
	case GNTTABOP_swap_grant_ref:
		return run_batch(v, swap_batch, uop, count, sizeof(struct gnttab_swap_grant_ref));
	case GNTTABOP_query_size:
		return op_query_size(v, uop, count);
	case GNTTABOP_set_version:
		return op_set_version(v, uop);
	case GNTTABOP_get_version:
		return op_get_version(v, uop);
	default:
		return err(-ENOSYS);
	}
}
