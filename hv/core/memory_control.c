/* memory_op of those who manage other domains: claims, memory maps, resources mapped into themselves. HC-12.* of docs/compatibility.md. */
#include "abi/memory.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "memory_op.h"

/* Entries of a memory map a toolstack may set. */
#define MAX_MEMORY_MAP 1024u

/* Resources: ioreq pages hold a slot of 32 bytes for each vCPU. */
#define IOREQS_PER_FRAME (PAGE_SIZE / 32)
#define ACQUIRE_BATCH 32u

/* XENMEM_set_memory_map: what XENMEM_memory_map tells the domain. -EFAULT, -EINVAL too many, -ESRCH, -EPERM, -ENOMEM. */
long memory_set_map(struct vcpu *v, uint64_t arg)
{
	struct xen_foreign_memory_map x; /* its map has the alignment of a handle */
	struct e820_entry *new, *old;
	struct domain *d;
	long rc;

	if (copy_from_guest(v, &x.domid, arg, sizeof(x.domid)) ||
	    get_struct(v, &x.map, arg + layout_size(LAYOUT_ulong, v->hc.guest32), LAYOUT_xen_memory_map))
		return err(-EFAULT);
	if (x.map.nr_entries > MAX_MEMORY_MAP)
		return err(-EINVAL);
	rc = domain_from_guest(v, x.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	rc = domain_has_role(v->domain, ROLE_CONTROL) ? 0 : err(-EPERM);
	new = rc ? NULL :
		   overhead_new_array(&d->overhead, OVERHEAD_STATE, struct e820_entry, max_u64(x.map.nr_entries, 1));
	if (!rc && !new)
		rc = err(-ENOMEM);
	for (uint32_t i = 0; rc == 0 && i < x.map.nr_entries; i++)
		rc = copy_from_guest(v, &new[i], x.map.buffer + i * sizeof(struct xen_e820_entry),
				     sizeof(struct xen_e820_entry));
	old = new;
	if (rc == 0) {
		spin_lock(&d->lock);
		old = d->memory_map;
		d->memory_map = x.map.nr_entries ? new : NULL;
		d->nr_memory_map = x.map.nr_entries;
		spin_unlock(&d->lock);
		if (!x.map.nr_entries)
			overhead_free(&d->overhead, OVERHEAD_STATE, new);
	}
	overhead_free(&d->overhead, OVERHEAD_STATE, old);
	domain_put(d);
	return rc;
}

/* Turn a claim of @pages in all into one of what the domain lacks. -EINVAL: there is one already, or it is none; -ENOMEM. */
static long claim(struct domain *d, uint64_t pages)
{
	uint64_t have = read_once(d->tot_pages);

	if (pages == 0)
		return mm_claim(d, 0);
	have += read_once(d->pod_cache);
	if (read_once(d->claim) > read_once(d->pod_cache) || pages <= have || pages > read_once(d->max_pages))
		return err(-EINVAL);
	return mm_claim(d, pages - have);
}

/* XENMEM_claim_pages: promise a domain to be built its memory; 0 pages take the promise back. */
long memory_claim(struct vcpu *v, uint64_t start, uint64_t arg)
{
	struct xen_memory_reservation r;
	struct domain *d;
	long rc;

	if (start)
		return err(-EINVAL);
	if (get_struct(v, &r, arg, LAYOUT_xen_memory_reservation))
		return err(-EFAULT);
	if (r.extent_start || r.extent_order || r.mem_flags)
		return err(-EINVAL);
	if (!domain_has_role(v->domain, ROLE_CONTROL))
		return err(-EPERM);
	if (domain_from_guest(v, r.domid, RELATION_CONTROL, &d))
		return err(-EINVAL);
	rc = claim(d, r.nr_extents);
	domain_put(d);
	return rc;
}

/* XENMEM_set/get_pod_target. For a domain none of whose memory is populated on demand any target is met. */
long memory_pod_target(struct vcpu *v, uint32_t op, uint64_t arg)
{
	struct xen_pod_target x;
	struct domain *d;
	long rc;

	if (get_struct(v, &x, arg, LAYOUT_xen_pod_target))
		return err(-EFAULT);
	rc = domain_from_guest(v, x.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	if (!domain_has_role(v->domain, ROLE_CONTROL))
		rc = err(-EPERM);
	else if (op == XENMEM_set_pod_target)
		rc = p2m_pod_target(d, x.target_pages);
	x.pod_cache_pages = read_once(d->pod_cache);
	x.tot_pages = read_once(d->tot_pages) + x.pod_cache_pages;
	x.pod_entries = read_once(d->pod_entries);
	domain_put(d);
	return rc ? rc : put_struct(v, arg, &x, LAYOUT_xen_pod_target);
}

/* XENMEM_exchange: machine frames are nothing a translated guest could want others of. -EOPNOTSUPP once there is something to do. */
long memory_exchange(struct vcpu *v, uint64_t arg)
{
	struct xen_memory_exchange x;

	if (get_element(v, &x.in, arg, 0, LAYOUT_xen_memory_reservation) ||
	    get_element(v, &x.out, arg, 1, LAYOUT_xen_memory_reservation) ||
	    get_struct(v, &x.nr_exchanged, arg + 2 * layout_size(LAYOUT_xen_memory_reservation, v->hc.guest32),
		       LAYOUT_ulong))
		return err(-EFAULT);
	if (x.nr_exchanged > x.in.nr_extents || x.in.domid != x.out.domid)
		return err(-EINVAL);
	return x.nr_exchanged == x.in.nr_extents ? 0 : err(-EOPNOTSUPP);
}

/* XENMEM_get_vnumainfo: no domain has virtual nodes. */
long memory_vnuma(struct vcpu *v, uint64_t arg)
{
	struct {
		uint16_t domid, pad;
	} x;
	struct domain *d;
	long rc;

	if (copy_from_guest(v, &x, arg, sizeof(x)))
		return err(-EFAULT);
	if (x.pad)
		return err(-EINVAL);
	rc = domain_from_guest(v, x.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	domain_put(d);
	return err(-EOPNOTSUPP);
}

/* XENMEM_reserved_device_memory_map: what guests with devices must leave free. Nothing, as long as only the hardware domain has devices. */
long memory_reserved_map(struct vcpu *v, uint64_t arg)
{
	struct {
		uint32_t flags, nr_entries;
	} x; /* how struct xen_reserved_device_memory_map begins */

	if (copy_from_guest(v, &x, arg, sizeof(x)))
		return err(-EFAULT);
	if (x.flags & ~XENMEM_RDM_ALL)
		return err(-EINVAL);
	x.nr_entries = 0;
	return copy_to_guest(v, arg, &x, sizeof(x));
}

/* Resources ------------------------------------------------------------------------------------------- */

/* Frames of a resource of @d, 0 if there is no such thing. */
static uint32_t resource_frames(struct domain *d, const struct xen_mem_acquire_resource *x)
{
	switch (x->type) {
	case XENMEM_resource_ioreq_server:
		return 1 + (uint32_t)((d->max_vcpus + IOREQS_PER_FRAME - 1) / IOREQS_PER_FRAME);
	case XENMEM_resource_grant_table:
		if (x->id == XENMEM_resource_grant_table_id_shared)
			return grant_max_frames(d, GRANT_FRAME_SHARED);
		return x->id == XENMEM_resource_grant_table_id_status ? grant_max_frames(d, GRANT_FRAME_STATUS) : 0;
	default:
		return 0;
	}
}

/* Frame @i of the resource with a reference. -EINVAL, -ENOMEM; -ENOENT: no such ioreq server. */
static int resource_frame(struct domain *d, const struct xen_mem_acquire_resource *x, uint64_t i, struct frame **f)
{
	if (x->type == XENMEM_resource_ioreq_server)
		return err(-ENOENT);
	return grant_table_frame_get(
		d, x->id == XENMEM_resource_grant_table_id_shared ? GRANT_FRAME_SHARED : GRANT_FRAME_STATUS, i, f);
}

/* Put frame @i of the resource where the caller wants it. */
static int acquire_one(struct vcpu *v, struct domain *d, const struct xen_mem_acquire_resource *x, uint64_t i)
{
	struct frame *f;
	uint64_t g;
	int rc;

	if (get_element(v, &g, x->frame_list, i, LAYOUT_ulong))
		return err(-EFAULT);
	if (g > MAX_GFN)
		return err(-EINVAL);
	rc = resource_frame(d, x, x->frame + i, &f);
	if (rc)
		return rc;
	rc = physmap_insert_foreign(v->domain, gfn(g), f);
	if (rc)
		frame_put(f);
	return rc;
}

static long acquire_from(struct vcpu *v, struct domain *d, struct xen_mem_acquire_resource *x, uint64_t start,
			 uint64_t arg)
{
	uint32_t max = resource_frames(d, x);

	if (!max)
		return err(-EINVAL);
	if (!x->frame_list) {
		if (x->nr_frames || start)
			return err(-EINVAL);
		x->nr_frames = max;
		return put_struct(v, arg, x, LAYOUT_xen_mem_acquire_resource);
	}
	if (start > x->nr_frames)
		return err(-EINVAL);
	for (uint64_t i = start; i < x->nr_frames; i++) {
		int rc;

		if (i != start && i % ACQUIRE_BATCH == 0 && hypercall_preempt_check())
			return memory_op_again(v, XENMEM_acquire_resource, i);
		rc = acquire_one(v, d, x, i);
		if (rc)
			return i ? err(-EIO) : rc; /* the caller unmaps what was done */
	}
	return 0;
}

/*
 * XENMEM_acquire_resource: map frames that Hospes shares with a domain into the caller, or ask how many there are. -EACCES unless the caller holds
 * a role that lets it map others' memory, -EPERM for its own, -ESRCH, -EINVAL, -EIO when some are mapped and some are not.
 */
long memory_acquire_resource(struct vcpu *v, uint64_t start, uint64_t arg)
{
	struct xen_mem_acquire_resource x;
	struct domain *d;
	long rc;

	if (!(v->domain->roles & (ROLE_CONTROL | ROLE_HARDWARE)))
		return err(-EACCES);
	if (get_struct(v, &x, arg, LAYOUT_xen_mem_acquire_resource))
		return err(-EFAULT);
	if (x.pad || x.frame >> 32 || (x.frame + x.nr_frames) >> 32)
		return err(-EINVAL);
	rc = domain_from_guest(v, x.domid, RELATION_FOREIGN, &d);
	if (rc)
		return rc;
	rc = d == v->domain ? err(-EPERM) : acquire_from(v, d, &x, start, arg);
	domain_put(d);
	return rc;
}
