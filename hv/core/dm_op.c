/*
 * Hypercall 41: a device model emulates for a domain. No domain has devices that are emulated outside of Hospes, so all there is to know is how
 * many vCPUs it has; tools that only ask whether the call works get the answers of a Xen that has it. DM-00 of docs/compatibility.md.
 */
#include "abi/dm_op.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/printk.h"

#define BUFS_MAX 3u

/* The first buffer holds the operation; the caller controls the other domain. -EPERM for its own. */
static long dm_call(struct vcpu *v, domid_t id, const struct xen_dm_op_buf *buf)
{
	uint32_t op[3] = { 0 };
	struct domain *d;
	long rc = 0;

	if (copy_from_guest(v, op, buf->h, min_u64(buf->size, 8)))
		return err(-EFAULT);
	d = id < DOMID_FIRST_RESERVED ? domain_get_by_id(id) : NULL;
	if (!d)
		return err(-ESRCH);
	if (d == v->domain || relation_check(v->domain, d, RELATION_CONTROL))
		rc = err(-EPERM);
	else if (op[1])
		rc = err(-EINVAL);
	else if (op[0] != XEN_DMOP_nr_vcpus)
		rc = err(-EOPNOTSUPP);
	op[2] = d->max_vcpus;
	domain_put(d);
	if (rc)
		return rc;
	return buf->size < sizeof(op) ? err(-EFAULT) : copy_to_guest(v, buf->h, op, sizeof(op));
}

/* args: domain, number of buffers, array of them. -E2BIG, -EFAULT, -ENODATA without any, then as dm_call() says. */
long do_dm_op(struct vcpu *v, const uint64_t *args)
{
	uint32_t nr = (uint32_t)args[1];
	struct xen_dm_op_buf buf = { 0, 0 };

	if (nr > BUFS_MAX)
		return err(-E2BIG);
	for (uint32_t i = 0; i < nr; i++) {
		struct xen_dm_op_buf b;

		if (get_element(v, &b, args[2], i, LAYOUT_xen_dm_op_buf))
			return err(-EFAULT);
		if (i == 0)
			buf = b;
	}
	if (nr == 0)
		return err(-ENODATA);
	return dm_call(v, (domid_t)args[0], &buf);
}
