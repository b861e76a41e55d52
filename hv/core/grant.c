/* Grant tables: the frames shared with the guest. Who uses their entries is grant_pin.c's, mapping grant_map.c's, the hypercall grant_op.c's. */
#include "abi/memory.h"
#include "grant_table.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/nospec.h"
#include "hv/printk.h"
#include "hv/string.h"

/* See hv/grant.h. */
unsigned grant_max_version_allowed(void)
{
	int64_t n = param_list_int("gnttab", "max-ver", 2);

	return n == 1 ? 1 : 2;
}

/* Set while Hospes runs; 0: not. */
static struct {
	unsigned frames, maptrack_frames;
} limits;

/* A number of the command line, unless it was changed later. */
static unsigned limit(unsigned set, const char *option, unsigned dflt)
{
	int64_t n = set ? (int64_t)set : param_int(option, dflt);

	return n > 0 && n <= INT32_MAX ? (unsigned)n : dflt;
}

unsigned grant_default_frames(void)
{
	return limit(read_once(limits.frames), "gnttab_max_frames", 64);
}

unsigned grant_default_maptrack_frames(void)
{
	return limit(read_once(limits.maptrack_frames), "gnttab_max_maptrack_frames", 1024);
}

void grant_set_default_frames(unsigned n)
{
	write_once(limits.frames, n);
}

void grant_set_default_maptrack_frames(unsigned n)
{
	write_once(limits.maptrack_frames, n);
}

static void table_free(struct domain *d, struct grant_table *gt)
{
	overhead_free(&d->overhead, OVERHEAD_MAPPINGS, gt->maptrack);
	overhead_free(&d->overhead, OVERHEAD_GRANTS, gt->status);
	overhead_free(&d->overhead, OVERHEAD_GRANTS, gt->active);
	overhead_free(&d->overhead, OVERHEAD_GRANTS, gt->frame);
	overhead_free(&d->overhead, OVERHEAD_GRANTS, gt);
}

/* Grant state of @d; no memory is used for tables yet. -EINVAL for a version there is not, -ENOMEM. */
int grant_init(struct domain *d, const struct grant_limits *l)
{
	struct grant_table *gt;

	if (l->max_version > grant_max_version_allowed())
		return err(-EINVAL);
	gt = overhead_new(&d->overhead, OVERHEAD_GRANTS, struct grant_table);
	if (!gt)
		return err(-ENOMEM);
	spin_lock_init(&gt->lock, RANK_GRANT);
	spin_lock_init(&gt->maptrack_lock, RANK_MAPTRACK);
	gt->version = 1;
	gt->max_version = l->max_version ? l->max_version : grant_max_version_allowed();
	gt->max_frames = l->frames ? l->frames : grant_default_frames();
	gt->max_maptrack_frames = l->no_maptrack     ? 0 :
				  l->maptrack_frames ? l->maptrack_frames :
						       grant_default_maptrack_frames();
	gt->free_handle = NO_HANDLE;
	gt->frame = overhead_new_array(&d->overhead, OVERHEAD_GRANTS, struct frame *, gt->max_frames);
	gt->active = overhead_new_array(&d->overhead, OVERHEAD_GRANTS, struct active_entry *, gt->max_frames);
	gt->status =
		overhead_new_array(&d->overhead, OVERHEAD_GRANTS, struct frame *, grant_status_frames(gt->max_frames));
	if (!gt->frame || !gt->active || !gt->status) {
		table_free(d, gt);
		return err(-ENOMEM);
	}
	d->grant = gt;
	return 0;
}

/* A page the guest shares with Hospes: its own, and a reference of ours that keeps it. NULL without memory or when @d is dying. */
struct frame *grant_shared_frame_alloc(struct domain *d)
{
	struct frame *f;

	if (!overhead_charge(&d->overhead, OVERHEAD_GRANTS, PAGE_SIZE))
		return NULL;
	f = alloc_frames(d, ORDER_4K, ALLOC_ZERO | ALLOC_NO_CHARGE);
	if (!f) {
		overhead_release(&d->overhead, OVERHEAD_GRANTS, PAGE_SIZE);
		return NULL;
	}
	__atomic_fetch_or(&f->flags, FRAME_F_XEN, __ATOMIC_RELAXED);
	if (!frame_get(f, d)) {
		frame_release_allocation(f);
		overhead_release(&d->overhead, OVERHEAD_GRANTS, PAGE_SIZE);
		return NULL;
	}
	return f;
}

void grant_shared_frame_free(struct domain *d, struct frame *f)
{
	if (!f)
		return;
	overhead_release(&d->overhead, OVERHEAD_GRANTS, PAGE_SIZE);
	frame_release_allocation(f);
	frame_put(f);
}

/* Give the memory back; nobody maps @d's pages and nobody can look @d up any more. */
void grant_free(struct domain *d)
{
	struct grant_table *gt = d->grant;

	if (!gt)
		return;
	d->grant = NULL;
	for (unsigned i = 0; i < gt->nr_maptrack_frames; i++)
		overhead_free(&d->overhead, OVERHEAD_MAPPINGS, gt->maptrack[i]);
	for (unsigned i = 0; i < gt->max_frames; i++) {
		grant_shared_frame_free(d, gt->frame[i]);
		overhead_free(&d->overhead, OVERHEAD_GRANTS, gt->active[i]);
	}
	for (unsigned i = 0; i < gt->nr_status; i++)
		grant_shared_frame_free(d, gt->status[i]);
	grant_shared_frame_free(d, gt->dummy);
	table_free(d, gt);
}

/* The shared tables go; pins others hold on entries stay countable. The domain dies, so none are made anew. */
void grant_release_tables(struct domain *d)
{
	struct grant_table *gt = d->grant;

	for (;;) {
		struct frame *f = NULL;

		spin_lock(&gt->lock);
		if (gt->nr_frames) {
			f = gt->frame[--gt->nr_frames];
			gt->frame[gt->nr_frames] = NULL;
		} else if (gt->nr_status) {
			f = gt->status[--gt->nr_status];
			gt->status[gt->nr_status] = NULL;
		} else {
			f = gt->dummy; /* all its mappings are gone by now */
			gt->dummy = NULL;
		}
		spin_unlock(&gt->lock);
		if (!f)
			return;
		grant_shared_frame_free(d, f);
	}
}

/* Add one frame of entries. -ENOMEM. */
static int frame_add(struct domain *d)
{
	struct grant_table *gt = d->grant;
	unsigned i = gt->nr_frames;
	struct frame *f;

	if (!gt->active[i]) {
		gt->active[i] =
			overhead_new_array(&d->overhead, OVERHEAD_GRANTS, struct active_entry, ACTIVE_PER_CHUNK);
		if (!gt->active[i])
			return err(-ENOMEM);
	}
	f = grant_shared_frame_alloc(d);
	if (!f)
		return err(-ENOMEM);
	gt->frame[i] = f;
	gt->nr_frames = i + 1;
	return 0;
}

int grant_grow_status(struct domain *d, unsigned table_frames)
{
	struct grant_table *gt = d->grant;

	ASSERT(spin_is_mine(&gt->lock));
	while (gt->nr_status < grant_status_frames(table_frames)) {
		struct frame *f = grant_shared_frame_alloc(d);

		if (!f)
			return err(-ENOMEM);
		gt->status[gt->nr_status++] = f;
	}
	return 0;
}

int grant_grow(struct domain *d, unsigned idx)
{
	struct grant_table *gt = d->grant;
	int rc = 0;

	ASSERT(spin_is_mine(&gt->lock));
	if (idx >= gt->max_frames || read_once(d->dying))
		return err(-EINVAL);
	if (gt->version == 2)
		rc = grant_grow_status(d, idx + 1);
	while (rc == 0 && idx >= gt->nr_frames)
		rc = frame_add(d);
	return rc;
}

/* Frame @idx of the status words, with the table frames whose marks it holds. -EINVAL also in version 1. Lock held. */
static int status_frame(struct domain *d, uint64_t idx, struct frame **out)
{
	struct grant_table *gt = d->grant;
	int rc = 0;

	if (gt->version != 2 || idx >= grant_status_frames(gt->max_frames) || read_once(d->dying))
		return err(-EINVAL);
	if (idx >= grant_status_frames(gt->nr_frames)) {
		if ((idx + 1) * TABLE_FRAMES_PER_STATUS > gt->max_frames)
			return err(-EINVAL);
		rc = grant_grow(d, (unsigned)((idx + 1) * TABLE_FRAMES_PER_STATUS - 1));
	}
	if (rc == 0)
		*out = gt->status[idx];
	return rc;
}

/* Frame @idx of @d's shared table, or of its status words, made if need be, with a reference. -EINVAL beyond the limit or dying, -ENOMEM. */
int grant_table_frame_get(struct domain *d, enum grant_frame_kind kind, uint64_t idx, struct frame **out)
{
	struct grant_table *gt = d->grant;
	int rc;

	if (idx > UINT32_MAX)
		return err(-EINVAL);
	spin_lock(&gt->lock);
	if (kind == GRANT_FRAME_STATUS) {
		rc = status_frame(d, idx, out);
	} else {
		rc = grant_grow(d, (unsigned)idx);
		if (rc == 0)
			*out = gt->frame[idx];
	}
	if (rc == 0 && !frame_get(*out, d))
		rc = err(-EINVAL);
	spin_unlock(&gt->lock);
	return rc;
}

/* See hv/grant.h. */
int grant_map_space_frame(struct domain *d, uint64_t idx, struct frame **out)
{
	bool status = idx & XENMAPIDX_grant_table_status && read_once(d->grant->version) == 2;

	return grant_table_frame_get(d, status ? GRANT_FRAME_STATUS : GRANT_FRAME_SHARED,
				     status ? idx & ~(uint64_t)XENMAPIDX_grant_table_status : idx, out);
}

/* Fixed when the domain is made. */
unsigned grant_max_frames(const struct domain *d, enum grant_frame_kind kind)
{
	if (kind == GRANT_FRAME_SHARED)
		return d->grant->max_frames;
	return d->grant->max_version < 2 ? 0 : grant_status_frames(d->grant->max_frames);
}

struct active_entry *grant_active(struct grant_table *gt, grant_ref_t ref)
{
	return &gt->active[ref / ACTIVE_PER_CHUNK][ref % ACTIVE_PER_CHUNK];
}

bool grant_entry(struct grant_table *gt, grant_ref_t ref, struct shared_entry *e, struct active_entry **act)
{
	unsigned per_frame = grant_entries_per_frame(gt), i = ref / per_frame, slot = ref % per_frame;
	void *page;

	if (i >= gt->nr_frames)
		return false;
	i = (unsigned)index_nospec(i, gt->nr_frames);
	ref = i * per_frame + slot;
	page = mfn_to_virt(frame_to_mfn(gt->frame[i]));
	*e = (struct shared_entry){ 0 };
	if (gt->version == 1) {
		e->v1 = (struct grant_entry_v1 *)page + slot;
		e->head = (uint32_t *)(void *)e->v1;
		e->marks = &e->v1->flags;
	} else {
		e->v2 = (union grant_entry_v2 *)page + slot;
		e->head = (uint32_t *)(void *)e->v2;
		e->marks = (uint16_t *)mfn_to_virt(frame_to_mfn(gt->status[ref / STATUS_PER_FRAME])) +
			   ref % STATUS_PER_FRAME;
	}
	*act = grant_active(gt, ref);
	return true;
}

/* Fill entry @ref of @d: @to may use @g. For the builder, before @d runs. -EINVAL bad numbers, -ENOMEM. */
int grant_seed(struct domain *d, grant_ref_t ref, domid_t to, gfn_t g, bool readonly)
{
	struct grant_table *gt = d->grant;
	struct active_entry *act;
	struct shared_entry e;
	int rc;

	if (g.v > UINT32_MAX)
		return err(-EINVAL);
	spin_lock(&gt->lock);
	rc = gt->version == 1 ? grant_grow(d, ref / V1_PER_FRAME) : err(-EINVAL);
	if (rc == 0 && grant_entry(gt, ref, &e, &act)) {
		write_once(e.v1->domid, to);
		write_once(e.v1->frame, (uint32_t)g.v);
		/* The entry is valid from here on: flags last. */
		__atomic_store_n(&e.v1->flags, (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0)),
				 __ATOMIC_RELEASE);
	}
	spin_unlock(&gt->lock);
	return rc;
}
