/* Hypercall 20: questions, small changes, and the dispatch with its slices. */
#include "grant_table.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/memory.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"

/* Swap -------------------------------------------------------------------------------------------------- */

static void swap_bytes(void *a, void *b, size_t n)
{
	uint8_t tmp[sizeof(union grant_entry_v2)];

	memcpy(tmp, a, n);
	memcpy(a, b, n);
	memcpy(b, tmp, n);
}

static int swap_one(struct domain *d, const struct gnttab_swap_grant_ref *op)
{
	struct grant_table *gt = d->grant;
	struct active_entry *act_a, *act_b;
	struct shared_entry a, b;
	int status = GNTST_okay;

	spin_lock(&gt->lock);
	if (!grant_entry(gt, op->ref_a, &a, &act_a) || !grant_entry(gt, op->ref_b, &b, &act_b)) {
		status = GNTST_bad_gntref;
	} else if (op->ref_a == op->ref_b) {
		status = GNTST_okay;
	} else if (active_in_use(act_a) || active_in_use(act_b)) {
		status = GNTST_eagain;
	} else if (gt->version == 1) {
		swap_bytes(a.v1, b.v1, sizeof(*a.v1));
	} else {
		swap_bytes(a.v2, b.v2, sizeof(*a.v2));
		swap_bytes(a.marks, b.marks, sizeof(*a.marks));
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

/* setup_table with the caller's right looked at. GNTST_*; -ENOMEM and the like are told as GNTST_general_error. */
static int setup_table(struct vcpu *v, struct domain *d, const struct gnttab_setup_table *op)
{
	int status = GNTST_okay;

	if (op->nr_frames > grant_max_frames(d, GRANT_FRAME_SHARED))
		return GNTST_general_error;
	for (uint32_t i = op->nr_frames;
	     i-- > 0;) { /* the last first: so the table has its size, or nothing is written */
		struct frame *f;
		uint64_t place;

		if (grant_table_frame_get(d, GRANT_FRAME_SHARED, i, &f))
			return GNTST_general_error;
		place = memory_place_of(d, f).v;
		frame_put(f);
		if (put_element(v, op->frame_list, i, &place, LAYOUT_ulong))
			status = GNTST_bad_virt_addr;
	}
	return status;
}

/* A translated guest is told where it has put the frames itself: the size is what it asks for. -EINVAL for a count that is not 1, -EFAULT; else a status. */
static long op_setup_table(struct vcpu *v, uint64_t uop, uint32_t count)
{
	struct gnttab_setup_table op;
	struct domain *d;
	int rc;

	if (count != 1)
		return v->hc.guest32 && count == 0 ?
			       0 :
			       err(-EINVAL); /* the loop of Xen's 32-bit entry has nothing to do */
	rc = get_struct(v, &op, uop, LAYOUT_gnttab_setup_table);
	if (rc)
		return rc;
	rc = domain_from_guest(v, op.dom, RELATION_CONTROL, &d);
	if (rc == 0) {
		op.status = (int16_t)setup_table(v, d, &op);
		domain_put(d);
	} else {
		op.status = rc == -EPERM ? GNTST_permission_denied : GNTST_bad_domain;
	}
	return put_struct(v, uop, &op, LAYOUT_gnttab_setup_table);
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
 * Hypercall 20: 0, or an error about the call as a whole; each element carries its status. As Xen's, an HVM container's has no transfer, dump_table,
 * unmap_and_replace, cache_flush, nor a list of status frames (it places them with XENMEM_add_to_physmap): -ENOSYS.
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
	case GNTTABOP_setup_table:
		return op_setup_table(v, uop, count);
	case GNTTABOP_set_version:
		return grant_op_set_version(v, uop);
	case GNTTABOP_get_version:
		return grant_op_get_version(v, uop);
	default:
		return err(-ENOSYS);
	}
}
