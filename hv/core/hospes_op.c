/*
 * What Hospes has beyond Xen: hypercall 63 (abi/hospes.h). A toolstack may copy into a domain it builds with one call for a whole range, where
 * mapping costs one for every page and two flushes for every mapping.
 */
#include "abi/hospes.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"
#include "memory_op.h"

/* -EINVAL: nothing a copy could be. */
static int copy_check(const struct hospes_copy *c)
{
	uint64_t end;

	if (c->pad || c->flags & ~(HOSPES_COPY_to_domain | HOSPES_COPY_zero))
		return err(-EINVAL);
	if (c->flags == HOSPES_COPY_zero)
		return err(-EINVAL);
	if (__builtin_add_overflow(c->gpa, c->len, &end) || (end && (end - 1) >> PAGE_SHIFT > MAX_GFN))
		return err(-EINVAL);
	return 0;
}

/* The part of a copy that lies in one page of @d; what the domain has mapped of others is theirs. -EFAULT, -EINVAL. */
static int copy_in_page(struct vcpu *v, struct domain *d, const struct hospes_copy *c, size_t n)
{
	bool write = c->flags & HOSPES_COPY_to_domain;
	gfn_t g = gfn(c->gpa >> PAGE_SHIFT);
	struct frame *f = p2m_get_frame(d, g, write);
	uint8_t *p;
	int rc = 0;

	if (!f)
		return err(-EFAULT);
	p = (uint8_t *)mfn_to_virt(frame_to_mfn(f)) + c->gpa % PAGE_SIZE;
	if (f->owner != d->id)
		rc = err(-EINVAL);
	else if (c->flags & HOSPES_COPY_zero)
		memset(p, 0, n);
	else if (write)
		rc = copy_from_guest(v, p, c->buffer, n);
	else
		rc = copy_to_guest(v, c->buffer, p, n);
	frame_put(f);
	if (write)
		p2m_mark_dirty(d, g);
	return rc;
}

/* Page by page; the caller's structure says how far it came, between slices too, and is checked anew each time. */
static long copy(struct vcpu *v, uint64_t arg)
{
	struct hospes_copy c;
	struct domain *d;
	bool again = false;
	int rc;

	if (copy_from_guest(v, &c, arg, sizeof(c)))
		return err(-EFAULT);
	rc = copy_check(&c);
	if (rc)
		return rc;
	rc = domain_from_guest(v, c.domid, RELATION_FOREIGN, &d);
	if (rc)
		return rc;
	if (d == v->domain)
		rc = err(-EINVAL);
	while (rc == 0 && c.len && !again) {
		size_t n = (size_t)min_u64(c.len, PAGE_SIZE - c.gpa % PAGE_SIZE);

		rc = copy_in_page(v, d, &c, n);
		if (rc)
			break;
		c.gpa += n;
		c.len -= n;
		if (!(c.flags & HOSPES_COPY_zero))
			c.buffer += n;
		again = c.len && hypercall_preempt_check();
	}
	domain_put(d);
	if (copy_to_guest(v, arg, &c, sizeof(c)))
		return err(-EFAULT);
	return again ? hypercall_again(v) : rc;
}

_Static_assert(OVERHEAD_STATE == HOSPES_OVERHEAD_state && OVERHEAD_MAP == HOSPES_OVERHEAD_map &&
		       OVERHEAD_DEVICES == HOSPES_OVERHEAD_devices && OVERHEAD_DIRTY == HOSPES_OVERHEAD_dirty &&
		       OVERHEAD_EVENTS == HOSPES_OVERHEAD_events && OVERHEAD_GRANTS == HOSPES_OVERHEAD_grants &&
		       OVERHEAD_MAPPINGS == HOSPES_OVERHEAD_mappings && NR_OVERHEADS <= HOSPES_OVERHEAD_KINDS,
	       "the kinds outside are those inside");

static long overhead(struct vcpu *v, uint64_t arg)
{
	struct hospes_overhead op;
	struct domain *d;
	int rc;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	if (op.pad || op.flags & ~HOSPES_OVERHEAD_set)
		return err(-EINVAL);
	rc = domain_from_guest(v, op.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	if (op.flags & HOSPES_OVERHEAD_set)
		domain_set_overhead_max(d, op.max);
	op.max = read_once(d->overhead.max);
	op.used = read_once(d->overhead.used);
	op.refused = read_once(d->overhead.refused);
	memset(op.kind, 0, sizeof(op.kind));
	for (unsigned i = 0; i < NR_OVERHEADS; i++)
		op.kind[i] = read_once(d->overhead.kind[i]);
	domain_put(d);
	return copy_to_guest(v, arg, &op, sizeof(op)) ? err(-EFAULT) : 0;
}

_Static_assert(CLASS_NORMAL == HOSPES_LATENCY_normal && CLASS_INTERACTIVE == HOSPES_LATENCY_interactive &&
		       CLASS_BATCH == HOSPES_LATENCY_batch && SCHED_WAITS == HOSPES_LATENCY_WAITS,
	       "the classes outside are those inside");

static long latency(struct vcpu *v, uint64_t arg)
{
	struct hospes_latency op;
	struct domain *d;
	int rc;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	if (op.flags & ~HOSPES_LATENCY_set || (op.flags && op.class >= NR_CLASSES))
		return err(-EINVAL);
	rc = domain_from_guest(v, op.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	if (op.flags)
		sched_set_class(d, (enum sched_class)op.class);
	op.class = sched_class(d);
	sched_waits(d, op.waits);
	domain_put(d);
	return copy_to_guest(v, arg, &op, sizeof(op)) ? err(-EFAULT) : 0;
}

/* Hypercall 63. -ENOSYS for what is not for the caller, who is not in its loader either. */
long do_hospes_op(struct vcpu *v, const uint64_t *args)
{
	bool control = domain_has_role(v->domain, ROLE_CONTROL);

	if (args[0] < HOSPES_features)
		return launch_loader_op(v, args);
	if (args[0] == HOSPES_features)
		return HOSPES_FEATURE_grant_notify |
		       (control ?
				HOSPES_FEATURE_copy | HOSPES_FEATURE_zeroed | HOSPES_FEATURE_grant_holders |
					HOSPES_FEATURE_grant_revoke | HOSPES_FEATURE_overhead | HOSPES_FEATURE_latency :
				0);
	if (args[0] == HOSPES_grant_notify)
		return grant_op_notify(v, args[1]);
	if (!control)
		return err(-ENOSYS);
	switch (args[0]) {
	case HOSPES_copy:
		return copy(v, args[1]);
	case HOSPES_grant_holders:
		return grant_op_holders(v, args[1]);
	case HOSPES_grant_revoke:
		return grant_op_revoke(v, args[1]);
	case HOSPES_overhead:
		return overhead(v, args[1]);
	case HOSPES_latency:
		return latency(v, args[1]);
	default:
		return err(-ENOSYS);
	}
}
