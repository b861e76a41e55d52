/*
 * Who holds whose pages: the questions and the wishes of hypercall 63 (abi/hospes.h) about grants. A back end that keeps what it mapped keeps a dead
 * domain's memory: here it is named, and its pages can be taken back.
 */
#include "abi/hospes.h"
#include "grant_table.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/printk.h"

#define REVOKE_SLICE 64u /* handles looked at between two looks at what else is to be done */

void grant_tell(domid_t who, evtchn_port_t port)
{
	struct domain *d = domain_get_by_id(who);

	if (!d)
		return;
	evtchn_raise_ipi(d, port);
	domain_put(d);
}

/* Fill @h if entry @ref of @gt is in use. Lock held. */
static bool describe(struct grant_table *gt, grant_ref_t ref, struct hospes_grant_holder *h)
{
	const struct active_entry *act = grant_active(gt, ref);

	if (!active_in_use(act))
		return false;
	*h = (struct hospes_grant_holder){
		.ref = ref,
		.holder = act->domid,
		.readers = act->readers,
		.writers = act->writers,
		.gfn = act->kind == ACTIVE_TRANSITIVE ? ~0UL : act->of.page.gfn,
		.since = (uint64_t)act->since,
	};
	return true;
}

/* The next entry of @d in use from *@ref on, in one chunk at most. false: none in it; *@ref is where to go on, ~0 at the end. */
static bool next_holder(struct domain *d, grant_ref_t *ref, struct hospes_grant_holder *h)
{
	struct grant_table *gt = d->grant;
	bool found = false;

	spin_lock(&gt->lock);
	if (*ref / ACTIVE_PER_CHUNK >= gt->max_frames || !gt->active[*ref / ACTIVE_PER_CHUNK]) {
		*ref = ~0u;
	} else {
		do {
			found = describe(gt, *ref, h);
			(*ref)++;
		} while (!found && *ref % ACTIVE_PER_CHUNK);
	}
	spin_unlock(&gt->lock);
	return found;
}

/* HOSPES_grant_holders: the call ends early for others' sake too, which its caller cannot tell from a full buffer. */
long grant_op_holders(struct vcpu *v, uint64_t arg)
{
	struct hospes_grant_holders op;
	struct domain *d;
	uint32_t room;
	int rc;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	if (op.pad || op.pad2)
		return err(-EINVAL);
	rc = domain_from_guest(v, op.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	room = op.nr;
	for (op.nr = 0; op.nr < room && op.ref != ~0u && rc == 0;) {
		struct hospes_grant_holder h;

		if (next_holder(d, &op.ref, &h)) {
			rc = copy_to_guest(v, op.buffer + op.nr * sizeof(h), &h, sizeof(h));
			op.nr++;
		}
		if (hypercall_preempt_check())
			break;
	}
	domain_put(d);
	return rc ? rc : copy_to_guest(v, arg, &op, sizeof(op));
}

static int notify(struct domain *d, grant_ref_t ref, domid_t who, evtchn_port_t port)
{
	struct grant_table *gt = d->grant;
	int rc = -ENOENT;

	spin_lock(&gt->lock);
	if (ref / ACTIVE_PER_CHUNK < gt->max_frames && gt->active[ref / ACTIVE_PER_CHUNK] &&
	    active_in_use(grant_active(gt, ref))) {
		grant_active(gt, ref)->notify_domid = who;
		grant_active(gt, ref)->notify_port = port;
		rc = 0;
	}
	spin_unlock(&gt->lock);
	return rc;
}

/* HOSPES_grant_notify. */
long grant_op_notify(struct vcpu *v, uint64_t arg)
{
	struct hospes_grant_notify op;
	struct domain *d;
	int rc;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	if (op.pad || (op.port && !evtchn_is_ipi(v->domain, op.port)))
		return err(-EINVAL);
	rc = domain_from_guest(v, op.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	rc = notify(d, op.ref, v->domain->id, op.port);
	domain_put(d);
	return rc;
}

/* Revoking ------------------------------------------------------------------------------------------------ */

/* The page of zeroes of @d, with a reference for a mapping. NULL without memory, or when @d is dying. */
static struct frame *dummy_get(struct domain *d)
{
	struct grant_table *gt = d->grant;
	struct frame *f;

	spin_lock(&gt->lock);
	if (!gt->dummy)
		gt->dummy = grant_shared_frame_alloc(d);
	f = gt->dummy;
	if (f && !frame_get(f, d))
		f = NULL;
	spin_unlock(&gt->lock);
	return f;
}

/*
 * Claim @handle of @d if it maps a page of @dead where its CPUs see it; *@out is NULL if not. *@kept counts one that only a device has. -EAGAIN: its holder is at it just
 * now, and whether it will map such a page shows when that is done.
 */
static int claim(struct domain *d, grant_handle_t handle, const struct domain *dead, uint32_t *kept,
		 struct maptrack **out)
{
	struct grant_table *gt = d->grant;
	struct maptrack *m;
	int rc = 0;

	spin_lock(&gt->maptrack_lock);
	m = grant_maptrack(gt, handle);
	if (m && (m->state == MAPTRACK_BUSY || m->state == MAPTRACK_REVOKING)) {
		rc = -EAGAIN;
		m = NULL;
	} else if (!m || m->state != MAPTRACK_MAPPED || m->granter != dead) {
		m = NULL;
	} else if (gfn_eq(m->gfn, INVALID_GFN)) {
		++*kept;
		m = NULL;
	} else {
		m->state = MAPTRACK_REVOKING;
	}
	spin_unlock(&gt->maptrack_lock);
	*out = m;
	return rc;
}

/* The page of zeroes takes the place of what @m maps. If the guest has put something else there, only the mapping's record changes. -ENOMEM. */
static int replace(struct domain *d, const struct maptrack *m, struct frame *dummy)
{
	struct p2m_batch b = p2m_begin(d);
	enum p2m_type t;
	int rc = 0;

	if (mfn_eq(p2m_lookup(d, m->gfn, &t, NULL), frame_to_mfn(m->frame)))
		rc = p2m_set_locked(&b, m->gfn, frame_to_mfn(dummy), ORDER_4K, t);
	p2m_end(&b);
	return rc;
}

/* 1: @handle of @d was revoked, 0: it is not one, -EAGAIN as claim(), or -ENOMEM. */
static int revoke_one(struct domain *d, grant_handle_t handle, struct domain *dead, uint32_t *kept)
{
	struct frame *dummy, *page;
	struct maptrack *m;
	int rc = claim(d, handle, dead, kept, &m);

	if (!m)
		return rc;
	rc = -ENOMEM;
	dummy = dummy_get(d);
	if (dummy)
		rc = replace(d, m, dummy);
	page = m->frame;
	spin_lock(&d->grant->maptrack_lock);
	if (rc == 0) {
		m->frame = dummy;
		m->granter = NULL;
	}
	__atomic_store_n(&m->state, MAPTRACK_MAPPED, __ATOMIC_RELEASE);
	spin_unlock(&d->grant->maptrack_lock);
	if (rc) {
		if (dummy)
			frame_put(dummy);
		return err(rc);
	}
	/* Gone from every CPU and device of @d: the page may be freed. The handle names nobody now, so what it was is dropped here. */
	grant_unpin(dead, m->ref, m->readonly, page);
	domain_put(dead);
	return 1;
}

/*
 * All handles of @d from op->handle on. -ERESTART, -ENOMEM. Whoever mapped a page before its owner began to die may not have said so yet: his handle is busy, and
 * is waited for. Nothing is held meanwhile that he needs, and what else is to be done on this CPU is done.
 */
static int revoke_from(struct domain *d, struct domain *dead, struct hospes_grant_revoke *op)
{
	unsigned end = read_once(d->grant->nr_maptrack_frames) * MAPTRACK_PER_FRAME;

	while (op->handle < end) {
		int rc = revoke_one(d, op->handle, dead, &op->kept);

		if (rc == -EAGAIN) {
			if (hypercall_preempt_check())
				return -ERESTART;
			arch_cpu_relax();
			continue;
		}
		if (rc < 0)
			return rc;
		op->revoked += (uint32_t)rc;
		if (++op->handle % REVOKE_SLICE == 0 && hypercall_preempt_check())
			return -ERESTART;
	}
	return 0;
}

/* Everybody from op->holder on. -ERESTART, -ENOMEM. */
static int revoke(struct domain *dead, struct hospes_grant_revoke *op)
{
	struct domain *d;
	int rc = 0;

	while (rc == 0 && (d = domain_next(op->holder))) {
		if (d->id != op->holder)
			op->handle = 0;
		op->holder = d->id;
		if (!read_once(d->dying)) /* else it is letting go of everything anyway */
			rc = revoke_from(d, dead, op);
		domain_put(d);
		if (rc)
			break;
		op->holder++;
		op->handle = 0;
	}
	return rc;
}

/* HOSPES_grant_revoke. Its structure is its progress, checked anew by each slice: a wrong one only leaves something out. */
long grant_op_revoke(struct vcpu *v, uint64_t arg)
{
	struct hospes_grant_revoke op;
	struct domain *d;
	int rc;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	rc = domain_from_guest(v, op.domid, RELATION_CONTROL, &d);
	if (rc == -ESRCH && (op.holder || op.handle))
		return 0; /* gone with the last page it was kept for */
	if (rc)
		return rc;
	/* What is dying is mapped by nobody anew. */
	rc = read_once(d->dying) ? revoke(d, &op) : err(-EBUSY);
	domain_put(d);
	if (copy_to_guest(v, arg, &op, sizeof(op)))
		return err(-EFAULT);
	return rc == -ERESTART ? hypercall_again(v) : rc;
}
