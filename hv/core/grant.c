/* Grant tables, version 1: the shared table and who uses its entries. Mapping is grant_map.c's, the hypercall grant_op.c's. */
#include "hv/grant.h"

#include "grant_table.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#define STATUS_TRIES 5u /* times the guest may change an entry under us */
#define PIN_MAX UINT16_MAX

/* Grant state of @d; no memory is used for tables yet. -ENOMEM. */
int grant_init(struct domain *d, unsigned max_frames, unsigned max_maptrack_frames)
{
	struct grant_table *gt = xzalloc(struct grant_table);

	if (!gt)
		return err(-ENOMEM);
	spin_lock_init(&gt->lock, RANK_GRANT);
	spin_lock_init(&gt->maptrack_lock, RANK_MAPTRACK);
	gt->max_frames = max_frames;
	gt->max_maptrack_frames = max_maptrack_frames;
	gt->free_handle = NO_HANDLE;
	gt->frame = xzalloc_array(struct frame *, max_frames);
	gt->active = xzalloc_array(struct active_entry *, max_frames);
	if (!gt->frame || !gt->active) {
		xfree(gt->frame);
		xfree(gt->active);
		xfree(gt);
		return err(-ENOMEM);
	}
	d->grant = gt;
	return 0;
}

/* Give the memory back; nobody maps @d's pages and nobody can look @d up any more. */
void grant_free(struct domain *d)
{
	struct grant_table *gt = d->grant;

	if (!gt)
		return;
	d->grant = NULL;
	for (unsigned i = 0; i < gt->nr_maptrack_frames; i++)
		xfree(gt->maptrack[i]);
	for (unsigned i = 0; i < gt->max_frames; i++) {
		if (gt->frame[i]) {
			frame_release_allocation(gt->frame[i]);
			frame_put(gt->frame[i]);
		}
		xfree(gt->active[i]);
	}
	xfree(gt->maptrack);
	xfree(gt->active);
	xfree(gt->frame);
	xfree(gt);
}

/* Add one frame of entries. -ENOMEM. */
static int frame_add(struct domain *d)
{
	struct grant_table *gt = d->grant;
	unsigned i = gt->nr_frames;
	struct frame *f;

	if (!gt->active[i]) {
		gt->active[i] = xzalloc_array(struct active_entry, ENTRIES_PER_FRAME);
		if (!gt->active[i])
			return err(-ENOMEM);
	}
	f = alloc_frames(d, 0, ALLOC_ZERO | ALLOC_NO_CHARGE);
	if (!f)
		return err(-ENOMEM);
	__atomic_fetch_or(&f->flags, FRAME_F_XEN, __ATOMIC_RELAXED);
	if (!frame_get(f, d)) {
		frame_release_allocation(f);
		return err(-ENOMEM);
	}
	gt->frame[i] = f;
	gt->nr_frames = i + 1;
	return 0;
}

int grant_grow(struct domain *d, unsigned idx)
{
	struct grant_table *gt = d->grant;

	ASSERT(spin_is_mine(&gt->lock));
	if (idx >= gt->max_frames || read_once(d->dying))
		return err(-EINVAL);
	while (idx >= gt->nr_frames) {
		int rc = frame_add(d);

		if (rc)
			return rc;
	}
	return 0;
}

/* Frame @idx of @d's shared table, made if need be. -EINVAL beyond the limit, -ENOMEM. */
int grant_table_frame(struct domain *d, unsigned idx, mfn_t *out)
{
	struct grant_table *gt = d->grant;
	int rc;

	spin_lock(&gt->lock);
	rc = grant_grow(d, idx);
	if (rc == 0)
		*out = frame_to_mfn(gt->frame[idx]);
	spin_unlock(&gt->lock);
	return rc;
}

/* See hv/grant.h. -EINVAL beyond the limit or dying, -ENOMEM. */
int grant_table_frame_get(struct domain *d, unsigned idx, struct frame **out)
{
	struct grant_table *gt = d->grant;
	int rc;

	spin_lock(&gt->lock);
	rc = grant_grow(d, idx);
	if (rc == 0 && !frame_get(gt->frame[idx], d))
		rc = err(-EINVAL);
	if (rc == 0)
		*out = gt->frame[idx];
	spin_unlock(&gt->lock);
	return rc;
}

/* Fixed when the domain is made. */
unsigned grant_max_frames(const struct domain *d)
{
	return d->grant->max_frames;
}

bool grant_entry(struct grant_table *gt, grant_ref_t ref, struct grant_entry_v1 **shared, struct active_entry **act)
{
	unsigned i = ref / ENTRIES_PER_FRAME, slot = ref % ENTRIES_PER_FRAME;

	if (i >= gt->nr_frames)
		return false;
	*shared = (struct grant_entry_v1 *)mfn_to_virt(frame_to_mfn(gt->frame[i])) + slot;
	*act = &gt->active[i][slot];
	return true;
}

/* Fill entry @ref of @d: @to may use @g. For the builder, before @d runs. -EINVAL bad numbers, -ENOMEM. */
int grant_seed(struct domain *d, grant_ref_t ref, domid_t to, gfn_t g, bool readonly)
{
	struct grant_table *gt = d->grant;
	struct grant_entry_v1 *shared;
	struct active_entry *act;
	int rc;

	if (g.v > UINT32_MAX)
		return err(-EINVAL);
	spin_lock(&gt->lock);
	rc = grant_grow(d, ref / ENTRIES_PER_FRAME);
	if (rc == 0 && grant_entry(gt, ref, &shared, &act)) {
		write_once(shared->domid, to);
		write_once(shared->frame, (uint32_t)g.v);
		/* The entry is valid from here on: flags last. */
		__atomic_store_n(&shared->flags, (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0)),
				 __ATOMIC_RELEASE);
	}
	spin_unlock(&gt->lock);
	return rc;
}

/*
 * Mark the guest's entry as in use, reading or writing, in the one step that also checks it: flags and domid are one word
 * to compare and exchange, so the guest cannot change one between check and mark.
 */
static int status_set(struct grant_entry_v1 *shared, const struct active_entry *act, domid_t user, bool readonly)
{
	uint32_t *word = (uint32_t *)(void *)shared; /* flags in 15:0, domid in 31:16 */
	uint32_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < STATUS_TRIES; i++) {
		bool pinned = act->readers || act->writers;

		if (!pinned && ((old & GTF_type_mask) != GTF_permit_access || old >> 16 != user))
			return GNTST_general_error;
		if (!readonly && (old & GTF_readonly))
			return GNTST_general_error;
		if (__atomic_compare_exchange_n(word, &old, old | GTF_reading | (readonly ? 0 : GTF_writing), false,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return GNTST_okay;
	}
	return GNTST_general_error; /* the guest plays with it */
}

/* Take back marks no pin of @act needs any more. */
static void status_clear(struct grant_entry_v1 *shared, const struct active_entry *act)
{
	uint16_t clear = 0;

	if (!act->writers)
		clear |= GTF_writing;
	if (!act->readers && !act->writers)
		clear |= GTF_reading;
	if (clear)
		__atomic_fetch_and(&shared->flags, (uint16_t)~clear, __ATOMIC_SEQ_CST);
}

/* The page behind @gfn of @granter, its own, with a reference; NULL if there is none or it may not be written. */
static struct frame *own_page(struct domain *granter, uint32_t gfn_nr, bool readonly)
{
	struct frame *f = p2m_get_frame(granter, gfn(gfn_nr), !readonly);

	if (f && f->owner != granter->id) {
		frame_put(f); /* somebody else's: only its owner grants it */
		return NULL;
	}
	return f;
}

/* A reference on the page of an entry, which the guest may have remapped since: while pinned it is the pinned page. */
static int page_of(struct domain *granter, struct grant_entry_v1 *shared, struct active_entry *act, bool readonly,
		   struct frame **page)
{
	bool pinned = act->readers || act->writers;
	uint32_t gfn_nr = pinned ? act->gfn : read_once(shared->frame);
	struct frame *f;

	if (pinned && (readonly || act->writers)) {
		if (!frame_get(act->frame, granter))
			return GNTST_bad_page;
		*page = act->frame;
		return GNTST_okay;
	}
	f = own_page(granter, gfn_nr, readonly);
	if (!f)
		return GNTST_bad_page;
	if (pinned && f != act->frame) {
		frame_put(f);
		return GNTST_bad_page;
	}
	act->gfn = gfn_nr;
	act->frame = f;
	*page = f;
	return GNTST_okay;
}

/* grant_pin() with the granter's lock held. */
static int pin_locked(struct domain *granter, grant_ref_t ref, const struct domain *user, bool readonly,
		      struct frame **page)
{
	struct grant_entry_v1 *shared;
	struct active_entry *act;
	int status;

	if (read_once(granter->dying))
		return GNTST_bad_domain;
	if (!grant_entry(granter->grant, ref, &shared, &act))
		return GNTST_bad_gntref;
	if ((act->readers || act->writers) && act->domid != user->id)
		return GNTST_general_error;
	if (act->readers == PIN_MAX || act->writers == PIN_MAX)
		return GNTST_general_error;
	if ((!act->readers && !act->writers) || (!readonly && !act->writers)) {
		status = status_set(shared, act, user->id, readonly);
		if (status != GNTST_okay)
			return status;
	}
	status = page_of(granter, shared, act, readonly, page);
	if (status != GNTST_okay) {
		status_clear(shared, act);
		return status;
	}
	act->domid = user->id;
	if (readonly)
		act->readers++;
	else
		act->writers++;
	return GNTST_okay;
}

int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, bool readonly, struct frame **page)
{
	int status;

	spin_lock(&granter->grant->lock);
	status = pin_locked(granter, ref, user, readonly, page);
	spin_unlock(&granter->grant->lock);
	return status;
}

/* Undo one grant_pin(). The page must be unmapped everywhere already. */
void grant_unpin(struct domain *granter, grant_ref_t ref, bool readonly, struct frame *page)
{
	struct grant_table *gt = granter->grant;
	unsigned i = ref / ENTRIES_PER_FRAME;
	struct grant_entry_v1 *shared;
	struct active_entry *act;

	spin_lock(&gt->lock);
	/* The shared table of a dead domain is gone, the active entries are not. */
	act = &gt->active[i][ref % ENTRIES_PER_FRAME];
	if (readonly) {
		act->readers--;
	} else {
		act->writers--;
		p2m_mark_dirty(granter, gfn(act->gfn));
	}
	if (grant_entry(gt, ref, &shared, &act))
		status_clear(shared, act);
	spin_unlock(&gt->lock);
	frame_put(page);
}
