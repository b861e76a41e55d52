/* Copies between granted pages, parts of pages and the caller's own. */
#include "grant_table.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"

/* One side of a copy while it is held. */
struct copy_side {
	struct domain *d; /* reference held */
	bool by_ref, readonly;
	struct grant_window w;
};

/* Whose page @p names. GNTST_*; on success domain_put(side->d) later. */
static int side_find(struct domain *user, const struct gnttab_copy_ptr *p, bool by_ref, bool readonly,
		     struct copy_side *side)
{
	*side = (struct copy_side){ .by_ref = by_ref, .readonly = readonly };
	if (p->domid != DOMID_SELF && !by_ref)
		return GNTST_permission_denied; /* frames by number only of oneself */
	if (p->domid == DOMID_SELF)
		side->d = domain_get(user) ? user : NULL;
	else
		side->d = domain_get_by_id(p->domid);
	return side->d ? GNTST_okay : GNTST_bad_domain;
}

/* Hold what @p names for @user. GNTST_*; on success side_drop() later. */
static int side_hold(struct domain *user, const struct gnttab_copy_ptr *p, struct copy_side *side)
{
	if (side->by_ref)
		return grant_pin_copy(side->d, p->u.ref, user, side->readonly, &side->w);
	side->w.page = p2m_get_frame(user, gfn(p->u.gmfn), !side->readonly);
	side->w.start = 0;
	side->w.length = PAGE_SIZE;
	return side->w.page ? GNTST_okay : GNTST_bad_page;
}

static void side_drop(const struct gnttab_copy_ptr *p, struct copy_side *side)
{
	if (side->by_ref) {
		grant_unpin_copy(side->d, p->u.ref, side->readonly, &side->w);
		return;
	}
	frame_put(side->w.page);
	if (!side->readonly) /* once more, as it is written only now */
		p2m_mark_dirty(side->d, gfn(p->u.gmfn));
}

static bool within(const struct grant_window *w, uint32_t offset, uint32_t len)
{
	return offset >= w->start && offset + len <= w->start + w->length;
}

/* Both pages are held. */
static int copy_bytes(const struct gnttab_copy *op, const struct grant_window *src, const struct grant_window *dst)
{
	if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	if (!within(src, op->source.offset, op->len) || !within(dst, op->dest.offset, op->len))
		return GNTST_general_error;
	memmove((uint8_t *)mfn_to_virt(frame_to_mfn(dst->page)) + op->dest.offset,
		(uint8_t *)mfn_to_virt(frame_to_mfn(src->page)) + op->source.offset, op->len);
	return GNTST_okay;
}

static int copy_between(struct domain *d, const struct gnttab_copy *op, struct copy_side *src, struct copy_side *dst)
{
	int status;

	if (relation_check(d, src->d, RELATION_GRANT) || relation_check(d, dst->d, RELATION_GRANT))
		return GNTST_permission_denied;
	status = side_hold(d, &op->source, src);
	if (status != GNTST_okay)
		return status;
	status = side_hold(d, &op->dest, dst);
	if (status == GNTST_okay) {
		status = copy_bytes(op, &src->w, &dst->w);
		side_drop(&op->dest, dst);
	}
	side_drop(&op->source, src);
	return status;
}

static int copy_one(struct domain *d, const struct gnttab_copy *op)
{
	struct copy_side src, dst;
	int status = side_find(d, &op->source, op->flags & GNTCOPY_source_gref, true, &src);

	if (status != GNTST_okay)
		return status;
	status = side_find(d, &op->dest, op->flags & GNTCOPY_dest_gref, false, &dst);
	if (status == GNTST_okay) {
		status = copy_between(d, op, &src, &dst);
		domain_put(dst.d);
	}
	domain_put(src.d);
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
