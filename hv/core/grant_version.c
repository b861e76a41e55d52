/*
 * The version of a domain's grant table, which it chooses itself: entries of 8 bytes, or of 16 with the marks of use apart. A change empties the table but
 * for the entries the toolstack made, whose peers (the store and the console) may have them mapped at the time.
 */
#include "grant_table.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/memory.h"
#include "hv/printk.h"
#include "hv/string.h"

#define MARKS ((uint16_t)(GTF_reading | GTF_writing))

/* An entry both versions can hold, its marks included in the flags. */
struct kept {
	uint16_t flags;
	domid_t domid;
	uint64_t frame;
};

/* Read what is kept of entry @ref, once. -ERANGE: it has no form in the other version. */
static int keep(struct grant_table *gt, grant_ref_t ref, struct kept *k)
{
	struct active_entry *act;
	struct shared_entry e;
	uint32_t head, type;

	*k = (struct kept){ 0 };
	if (!grant_entry(gt, ref, &e, &act))
		return 0;
	head = __atomic_load_n(e.head, __ATOMIC_ACQUIRE);
	type = head & GTF_type_mask;
	if (e.v2 && type != GTF_permit_access)
		return type == GTF_transitive ? err(-ERANGE) : 0;
	k->flags = (uint16_t)((uint16_t)head | (e.v2 ? read_once(*e.marks) & MARKS : 0));
	k->domid = (domid_t)(head >> 16);
	k->frame = e.v1 ? read_once(e.v1->frame) : read_once(e.v2->full_page.frame);
	return k->frame > UINT32_MAX ? err(-ERANGE) : 0;
}

static void put_back(struct grant_table *gt, grant_ref_t ref, const struct kept *k)
{
	struct active_entry *act;
	struct shared_entry e;

	if (!grant_entry(gt, ref, &e, &act))
		return;
	if (e.v1) {
		*e.v1 = (struct grant_entry_v1){ k->flags, k->domid, (uint32_t)k->frame };
		return;
	}
	*e.marks = k->flags & MARKS;
	e.v2->full_page.frame = k->frame;
	__atomic_store_n(e.head, (uint32_t)k->domid << 16 | (k->flags & (uint16_t)~MARKS), __ATOMIC_RELEASE);
}

static void clear_frames(struct frame **frame, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(mfn_to_virt(frame_to_mfn(frame[i])), 0, PAGE_SIZE);
}

/* The lock is held, and the version is another one. -EBUSY entries are in use, -ERANGE, -ENOMEM: nothing changed. */
static int change(struct domain *d, unsigned version)
{
	struct grant_table *gt = d->grant;
	struct kept kept[GNTTAB_NR_RESERVED_ENTRIES];
	int rc = 0;

	if (gt->nr_pinned)
		return err(-EBUSY);
	if (version == 2)
		rc = grant_grow_status(d, gt->nr_frames);
	for (grant_ref_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES && rc == 0; i++)
		rc = keep(gt, i, &kept[i]);
	if (rc)
		return rc;
	clear_frames(gt->frame, gt->nr_frames);
	clear_frames(gt->status, gt->nr_status);
	write_once(gt->version, version);
	for (grant_ref_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++)
		put_back(gt, i, &kept[i]);
	return 0;
}

/* Version 1 has no status frames: they leave the guest's map. They stay allocated, so who is about to map one does no harm. */
static void unmap_status(struct domain *d)
{
	struct grant_table *gt = d->grant;

	for (unsigned i = 0;; i++) {
		struct frame *f = NULL;

		spin_lock(&gt->lock);
		if (gt->version == 1 && i < gt->nr_status)
			f = gt->status[i];
		spin_unlock(&gt->lock);
		if (!f)
			return;
		memory_unplace(d, f);
	}
}

/* -EINVAL no such version; -ENOSYS 2 is not for this domain; -EBUSY, -ERANGE, -ENOMEM of change(). The version in force is told in any case. */
long grant_op_set_version(struct vcpu *v, uint64_t uop)
{
	struct domain *d = v->domain;
	struct grant_table *gt = d->grant;
	struct gnttab_set_version op;
	bool less = false;
	int rc = copy_from_guest(v, &op, uop, sizeof(op));

	if (rc)
		return rc;
	spin_lock(&gt->lock);
	if (op.version != 1 && op.version != 2)
		rc = err(-EINVAL);
	else if (op.version > gt->max_version)
		rc = err(-ENOSYS);
	else if (op.version != gt->version) {
		rc = change(d, op.version);
		less = rc == 0 && op.version == 1;
	}
	op.version = gt->version;
	spin_unlock(&gt->lock);
	if (less)
		unmap_status(d);
	return copy_to_guest(v, uop, &op, sizeof(op)) ? err(-EFAULT) : rc;
}

/* -ESRCH, -EPERM. */
long grant_op_get_version(struct vcpu *v, uint64_t uop)
{
	struct gnttab_get_version op;
	struct domain *d;
	int rc = copy_from_guest(v, &op, uop, sizeof(op));

	if (rc)
		return rc;
	rc = domain_from_guest(v, op.dom, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	op.version = read_once(d->grant->version);
	domain_put(d);
	return copy_to_guest(v, uop, &op, sizeof(op));
}
