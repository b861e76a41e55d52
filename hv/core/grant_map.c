/* Mapping granted pages into a domain's guest-physical space, and the handles that name the mappings. */
#include "grant_table.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/nospec.h"
#include "hv/printk.h"
#include "hv/trace.h"

#define UNMAP_GROUP 16u /* unmappings that share a flush */

/* Handles ----------------------------------------------------------------------------------------- */

struct maptrack *grant_maptrack(struct grant_table *gt, grant_handle_t handle)
{
	unsigned i = handle / MAPTRACK_PER_FRAME;

	if (i >= gt->nr_maptrack_frames)
		return NULL;
	return &gt->maptrack[index_nospec(i, gt->nr_maptrack_frames)][handle % MAPTRACK_PER_FRAME];
}

/* More handles. false at the limit or without memory. Lock held. */
static bool maptrack_grow(struct domain *d)
{
	struct grant_table *gt = d->grant;
	unsigned n = gt->nr_maptrack_frames;
	struct maptrack *chunk;

	if (n >= gt->max_maptrack_frames)
		return false;
	if (!gt->maptrack) {
		gt->maptrack =
			overhead_new_array(&d->overhead, OVERHEAD_MAPPINGS, struct maptrack *, gt->max_maptrack_frames);
		if (!gt->maptrack)
			return false;
	}
	chunk = overhead_new_array(&d->overhead, OVERHEAD_MAPPINGS, struct maptrack, MAPTRACK_PER_FRAME);
	if (!chunk)
		return false;
	for (unsigned i = 0; i < MAPTRACK_PER_FRAME; i++)
		chunk[i].next = i + 1 < MAPTRACK_PER_FRAME ? n * MAPTRACK_PER_FRAME + i + 1 : gt->free_handle;
	gt->maptrack[n] = chunk;
	gt->nr_maptrack_frames = n + 1;
	gt->free_handle = n * MAPTRACK_PER_FRAME;
	return true;
}

/* See hv/grant.h. */
unsigned grant_mappings(struct domain *d)
{
	struct grant_table *gt = d->grant;
	unsigned n = 0;

	spin_lock(&gt->maptrack_lock);
	for (unsigned i = 0; i < gt->nr_maptrack_frames * MAPTRACK_PER_FRAME; i++)
		n += grant_maptrack(gt, i)->state != MAPTRACK_FREE;
	spin_unlock(&gt->maptrack_lock);
	return n;
}

/* A handle that is ours until handle_publish() or handle_free(); NO_HANDLE if there is none. */
static grant_handle_t handle_alloc(struct domain *d, struct maptrack **out)
{
	struct grant_table *gt = d->grant;
	grant_handle_t handle = NO_HANDLE;

	spin_lock(&gt->maptrack_lock);
	if (gt->free_handle != NO_HANDLE || maptrack_grow(d)) {
		handle = gt->free_handle;
		*out = grant_maptrack(gt, handle);
		gt->free_handle = (*out)->next;
		(*out)->state = MAPTRACK_BUSY;
	}
	spin_unlock(&gt->maptrack_lock);
	return handle;
}

static void handle_publish(struct grant_table *gt, struct maptrack *m)
{
	spin_lock(&gt->maptrack_lock);
	m->state = MAPTRACK_MAPPED;
	spin_unlock(&gt->maptrack_lock);
}

static void handle_free(struct grant_table *gt, grant_handle_t handle, struct maptrack *m)
{
	spin_lock(&gt->maptrack_lock);
	m->state = MAPTRACK_FREE;
	m->next = gt->free_handle;
	gt->free_handle = handle;
	spin_unlock(&gt->maptrack_lock);
}

/* Claim a mapping to end it: nobody else finds it then. NULL if there is none or somebody is at it. */
static struct maptrack *handle_claim(struct grant_table *gt, grant_handle_t handle)
{
	struct maptrack *m;

	spin_lock(&gt->maptrack_lock);
	m = grant_maptrack(gt, handle);
	/* A revocation leaves a mapping that is to be ended all the same: it takes one change of the map, and nobody who waits holds anything it needs. */
	while (m && read_once(m->state) == MAPTRACK_REVOKING) {
		spin_unlock(&gt->maptrack_lock);
		arch_cpu_relax();
		spin_lock(&gt->maptrack_lock);
	}
	if (m && m->state == MAPTRACK_MAPPED)
		m->state = MAPTRACK_BUSY;
	else
		m = NULL;
	spin_unlock(&gt->maptrack_lock);
	return m;
}

/* Mapping ------------------------------------------------------------------------------------------- */

/* Put @page at @g of @d, in place of nothing or of RAM: an entry of another kind has an owner who counts on it. */
static int insert(struct domain *d, gfn_t g, struct frame *page, bool readonly)
{
	struct p2m_batch b = p2m_begin(d);
	enum p2m_type old;
	int rc = -EINVAL;

	(void)p2m_lookup(d, g, &old, NULL);
	if (old == P2M_INVALID || p2m_type_own_ram(old))
		rc = p2m_set_locked(&b, g, frame_to_mfn(page), 0, readonly ? P2M_GRANT_MAP_RO : P2M_GRANT_MAP_RW);
	p2m_end(&b);
	return rc ? GNTST_general_error : GNTST_okay;
}

/*
 * What can be said about the request alone. An HVM container maps for its CPUs, or pins for a device, and nothing fancier. With an IOMMU behind it the
 * mapping for its CPUs is one for its devices too, at the same address, so it may say that it wants both.
 */
static int map_check(const struct domain *d, const struct gnttab_map_grant_ref *op)
{
	uint32_t more = op->flags & ~(uint32_t)(GNTMAP_readonly | GNTMAP_host_map);

	if (!(op->flags & (GNTMAP_host_map | GNTMAP_device_map)))
		return GNTST_bad_gntref;
	if ((op->flags & GNTMAP_host_map) && more && (more != GNTMAP_device_map || !p2m_is_followed(d)))
		return GNTST_general_error;
	return GNTST_okay;
}

/* Where a device finds the page of @m: an IOMMU shows it where the CPUs see it. */
static uint64_t device_address(const struct maptrack *m, bool mapped)
{
	return mapped ? m->gfn.v << PAGE_SHIFT : mfn_to_paddr(frame_to_mfn(m->frame));
}

/* Map for @d from @granter, which is referenced by the caller; the mapping takes a reference of its own. */
static int map_from(struct domain *d, struct domain *granter, struct gnttab_map_grant_ref *op)
{
	bool readonly = op->flags & GNTMAP_readonly, host = op->flags & GNTMAP_host_map;
	struct grant_table *gt = d->grant;
	struct frame *page;
	struct maptrack *m;
	grant_handle_t handle;
	int status;

	if (relation_check(d, granter, RELATION_GRANT))
		return GNTST_permission_denied;
	handle = handle_alloc(d, &m);
	if (handle == NO_HANDLE)
		return GNTST_no_space;
	status = grant_pin(granter, op->ref, d, readonly, &page);
	if (status != GNTST_okay)
		goto free_handle;
	/* Written before the page can be reached, so that an end at any time finds what to undo. */
	m->granter = granter;
	m->frame = page;
	m->gfn = host ? gfn(op->host_addr >> PAGE_SHIFT) : INVALID_GFN;
	m->ref = op->ref;
	m->readonly = readonly;
	if (!domain_get(granter)) {
		status = GNTST_bad_domain;
		goto unpin;
	}
	status = host ? insert(d, m->gfn, page, readonly) : GNTST_okay;
	if (status != GNTST_okay) {
		domain_put(granter);
		goto unpin;
	}
	op->handle = handle;
	op->dev_bus_addr = device_address(m, op->flags & GNTMAP_device_map && host);
	handle_publish(gt, m);
	trace(TRC_MEM_PAGE_GRANT_MAP, granter->id);
	return GNTST_okay;
unpin:
	grant_unpin(granter, op->ref, readonly, page);
free_handle:
	handle_free(gt, handle, m);
	return status;
}

static void map_one(struct domain *d, struct gnttab_map_grant_ref *op)
{
	struct domain *granter;

	op->status = (int16_t)map_check(d, op);
	if (op->status != GNTST_okay)
		return;
	granter = domain_get_by_id(op->dom);
	if (!granter) {
		op->status = GNTST_bad_domain;
		return;
	}
	op->status = (int16_t)map_from(d, granter, op);
	domain_put(granter);
}

/* Map element by element. Statuses are per element; -EFAULT if the array cannot be read or written. */
int grant_map_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done)
{
	for (*done = 0; *done < count; (*done)++) {
		struct gnttab_map_grant_ref op;
		int rc;

		if (*done && hypercall_preempt_check())
			return 0;
		rc = get_element(v, &op, uop, *done, LAYOUT_gnttab_map_grant_ref);
		if (rc)
			return rc;
		map_one(v->domain, &op);
		rc = put_element(v, uop, *done, &op, LAYOUT_gnttab_map_grant_ref);
		if (rc)
			return rc;
	}
	return 0;
}

/* Unmapping ------------------------------------------------------------------------------------------- */

struct unmap {
	struct gnttab_unmap_grant_ref op;
	uint32_t at;	    /* its place in the guest's array */
	struct maptrack *m; /* claimed, NULL when there is nothing to do */
};

/* Claim what @u names and check that it is what the guest says. Sets the status. */
static void unmap_prepare(struct domain *d, struct unmap *u)
{
	bool host;

	u->m = NULL;
	u->op.status = GNTST_okay;
	if (!u->op.host_addr && !u->op.dev_bus_addr)
		return; /* asks for nothing */
	u->m = handle_claim(d->grant, u->op.handle);
	if (!u->m) {
		u->op.status = GNTST_bad_handle;
		return;
	}
	host = u->m->gfn.v != INVALID_GFN.v;
	if (host && u->op.host_addr >> PAGE_SHIFT != u->m->gfn.v)
		u->op.status = GNTST_general_error;
	else if (u->op.dev_bus_addr && u->op.dev_bus_addr != device_address(u->m, false) &&
		 !(host && u->op.dev_bus_addr == device_address(u->m, true)))
		u->op.status = GNTST_general_error;
	if (u->op.status != GNTST_okay) {
		handle_publish(d->grant, u->m);
		u->m = NULL;
	}
}

/* Take the translation away. A guest that put something else there gets an error and keeps the mapping. */
static void unmap_remove(struct p2m_batch *b, struct unmap *u)
{
	/* A grant that was revoked is nobody's. */
	trace(TRC_MEM_PAGE_GRANT_UNMAP, u->m->granter ? u->m->granter->id : DOMID_INVALID);
	if (u->m->gfn.v == INVALID_GFN.v)
		return;
	if (p2m_remove_locked(b, u->m->gfn, frame_to_mfn(u->m->frame)) == 0)
		return;
	u->op.status = GNTST_general_error;
}

/* The translation is gone from every CPU: drop pin and references. */
static void unmap_finish(struct domain *d, grant_handle_t handle, struct maptrack *m)
{
	struct domain *granter = m->granter;

	if (granter)
		grant_unpin(granter, m->ref, m->readonly, m->frame);
	else
		frame_put(m->frame);
	handle_free(d->grant, handle, m);
	if (granter)
		domain_put(granter);
}

/* Unmap @n requests, which have claimed what they name, with one flush. */
static void unmap_apply(struct domain *d, struct unmap *u, uint32_t n)
{
	struct p2m_batch b = p2m_begin(d);

	for (uint32_t i = 0; i < n; i++)
		unmap_remove(&b, &u[i]);
	p2m_end(&b);
	for (uint32_t i = 0; i < n; i++) {
		if (u[i].op.status == GNTST_okay)
			unmap_finish(d, u[i].op.handle, u[i].m);
		else
			handle_publish(d->grant, u[i].m);
	}
}

/*
 * Elements from *@done on whose mappings share a flush, until others want the CPU: at least one. What names no mapping is answered at once, so that an array of
 * nonsense does not keep a group from its end. -EFAULT.
 */
static int unmap_group(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done)
{
	struct unmap u[UNMAP_GROUP];
	uint32_t n = 0;
	int rc;

	do {
		struct unmap *next = &u[n];

		rc = get_element(v, &next->op, uop, *done, LAYOUT_gnttab_unmap_grant_ref);
		if (rc)
			break;
		next->at = (*done)++;
		unmap_prepare(v->domain, next);
		if (next->m)
			n++;
		else
			rc = put_element(v, uop, next->at, &next->op, LAYOUT_gnttab_unmap_grant_ref);
	} while (rc == 0 && n < UNMAP_GROUP && *done < count && !hypercall_preempt_check());
	if (n)
		unmap_apply(v->domain, u, n);
	for (uint32_t i = 0; i < n; i++)
		if (put_element(v, uop, u[i].at, &u[i].op, LAYOUT_gnttab_unmap_grant_ref))
			rc = err(-EFAULT);
	return rc;
}

/* Unmap in groups that share a flush. Statuses are per element; -EFAULT if the array cannot be read or written. */
int grant_unmap_batch(struct vcpu *v, uint64_t uop, uint32_t count, uint32_t *done)
{
	int rc = 0;

	for (*done = 0; *done < count && rc == 0;) {
		if (*done && hypercall_preempt_check())
			return 0;
		rc = unmap_group(v, uop, count, done);
	}
	return rc;
}

/* End of a domain --------------------------------------------------------------------------------------- */

/* Undo the mappings dying @d made, then give up its shared table. -ERESTART until done. */
int grant_release_mappings(struct domain *d)
{
	struct grant_table *gt = d->grant;
	unsigned looked = 0;

	if (!gt)
		return 0;
	for (; gt->next_release < gt->nr_maptrack_frames * MAPTRACK_PER_FRAME; gt->next_release++) {
		struct maptrack *m;

		if (++looked % 64 == 0 && hypercall_preempt_check())
			return -ERESTART;
		m = handle_claim(gt, gt->next_release);
		if (!m)
			continue;
		/* If the guest put something else at the address there is nothing to remove. */
		if (m->gfn.v != INVALID_GFN.v && p2m_remove(d, m->gfn, frame_to_mfn(m->frame)))
			printk(LOG_GUEST_DEBUG, "d%u: grant handle %u is not mapped at gfn %#lx any more\n", d->id,
			       gt->next_release, m->gfn.v);
		unmap_finish(d, gt->next_release, m);
	}
	grant_release_tables(d);
	return 0;
}
