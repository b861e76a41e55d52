/*
 * Pins: who uses an entry of a grant table. The first pin of an entry reads what it grants, once, and checks and marks it so that the guest cannot change one
 * between check and mark; later ones get what the first one found, whatever the guest has written there since.
 */
#include "grant_table.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/hypercall.h"
#include "hv/time.h"
#include "hv/printk.h"

#define STATUS_TRIES 5u /* times the guest may change an entry under us */
#define PIN_MAX UINT16_MAX

/* What an entry is wanted for. */
struct use {
	domid_t user;
	bool readonly;
	bool copy; /* else to be mapped: then it must grant a whole page of the granter's own */
};

/* May @u begin with an entry whose first word is @head? The first pin looks at all of it, later ones only at the right to write. */
static bool acceptable(const struct shared_entry *e, const struct active_entry *act, const struct use *u, uint32_t head)
{
	uint32_t type = head & GTF_type_mask;

	if (!u->readonly && (head & GTF_readonly))
		return false;
	if (active_in_use(act))
		return true;
	if (head >> 16 != u->user)
		return false;
	if (type == GTF_transitive)
		return e->v2 && u->copy;
	return type == GTF_permit_access && (u->copy || !(head & GTF_sub_page));
}

/* Take back marks no pin of @act needs any more. */
static void marks_clear(const struct shared_entry *e, const struct active_entry *act)
{
	uint16_t clear = 0;

	if (!act->writers)
		clear |= GTF_writing;
	if (!active_in_use(act))
		clear |= GTF_reading;
	if (clear)
		__atomic_fetch_and(e->marks, (uint16_t)~clear, __ATOMIC_SEQ_CST);
}

/* Version 1: flags, marks and domid are one word to compare and exchange. */
static bool mark_v1(const struct shared_entry *e, const struct active_entry *act, const struct use *u, uint32_t *head)
{
	uint32_t marks = GTF_reading | (u->readonly ? 0 : GTF_writing);

	*head = __atomic_load_n(e->head, __ATOMIC_ACQUIRE);
	for (unsigned i = 0; i < STATUS_TRIES; i++) {
		if (!acceptable(e, act, u, *head))
			return false;
		if (__atomic_compare_exchange_n(e->head, head, *head | marks, false, __ATOMIC_SEQ_CST,
						__ATOMIC_ACQUIRE))
			return true;
	}
	return false; /* the guest plays with it */
}

/* Version 2: mark, then look whether it is still granted. A guest that takes it back clears the entry, then looks at the mark. */
static bool mark_v2(const struct shared_entry *e, const struct active_entry *act, const struct use *u, uint32_t *head)
{
	if (!acceptable(e, act, u, __atomic_load_n(e->head, __ATOMIC_ACQUIRE)))
		return false;
	__atomic_fetch_or(e->marks, (uint16_t)(GTF_reading | (u->readonly ? 0 : GTF_writing)), __ATOMIC_SEQ_CST);
	*head = __atomic_load_n(e->head, __ATOMIC_SEQ_CST);
	if (acceptable(e, act, u, *head))
		return true;
	marks_clear(e, act);
	return false;
}

/* The page behind @gfn of @granter, its own, with a reference; NULL if there is none or it may not be written. */
static struct frame *own_page(struct domain *granter, uint64_t gfn_nr, bool readonly)
{
	struct frame *f = p2m_get_frame(granter, gfn(gfn_nr), !readonly);

	if (f && f->owner != granter->id) {
		frame_put(f); /* somebody else's: only its owner grants it */
		return NULL;
	}
	return f;
}

/* What the entry grants, each field read once: @head is what was checked. The guest may spoil the rest under us, but only what it grants itself. */
static void read_entry(const struct shared_entry *e, uint32_t head, struct active_entry *got)
{
	got->kind = ACTIVE_WHOLE;
	got->of.page.start = 0;
	got->of.page.length = PAGE_SIZE;
	if (e->v1) {
		got->of.page.gfn = read_once(e->v1->frame);
	} else if ((head & GTF_type_mask) == GTF_transitive) {
		got->kind = ACTIVE_TRANSITIVE;
		got->of.other.domid = read_once(e->v2->transitive.trans_domid);
		got->of.other.ref = read_once(e->v2->transitive.gref);
	} else if (head & GTF_sub_page) {
		got->kind = ACTIVE_PART;
		got->of.page.start = read_once(e->v2->sub_page.page_off);
		got->of.page.length = read_once(e->v2->sub_page.length);
		got->of.page.gfn = read_once(e->v2->sub_page.frame);
	} else {
		got->of.page.gfn = read_once(e->v2->full_page.frame);
	}
}

/* A reference on the page of @act, which the guest may have remapped since: while pinned it is the pinned page. */
static int hold_page(struct domain *granter, struct active_entry *act, bool readonly)
{
	bool pinned = active_in_use(act);
	struct frame *f;

	if (pinned && (readonly || act->writers))
		return frame_get(act->of.page.frame, granter) ? GNTST_okay : GNTST_bad_page;
	f = own_page(granter, act->of.page.gfn, readonly);
	if (!f)
		return GNTST_bad_page;
	if (pinned && f != act->of.page.frame) {
		frame_put(f);
		return GNTST_bad_page;
	}
	act->of.page.frame = f;
	return GNTST_okay;
}

static void count_pin(struct grant_table *gt, grant_ref_t ref, struct active_entry *act, bool readonly)
{
	if (!active_in_use(act) && ref >= GNTTAB_NR_RESERVED_ENTRIES)
		gt->nr_pinned++;
	if (readonly)
		act->readers++;
	else
		act->writers++;
}

/* Pin entry @ref; *@out is what it means. The granter's lock is held. */
static int pin_locked(struct domain *granter, grant_ref_t ref, const struct use *u, struct active_entry *out)
{
	struct grant_table *gt = granter->grant;
	struct active_entry *act, got;
	struct shared_entry e;
	uint32_t head = 0;
	bool pinned;
	int status;

	if (read_once(granter->dying))
		return GNTST_bad_domain;
	if (!grant_entry(gt, ref, &e, &act))
		return GNTST_bad_gntref;
	pinned = active_in_use(act);
	if (pinned && (act->domid != u->user || (!u->copy && act->kind != ACTIVE_WHOLE)))
		return GNTST_general_error;
	if (act->readers == PIN_MAX || act->writers == PIN_MAX)
		return GNTST_general_error;
	got = *act;
	if (!pinned || (!u->readonly && !act->writers)) {
		if (!(e.v1 ? mark_v1(&e, act, u, &head) : mark_v2(&e, act, u, &head)))
			return GNTST_general_error;
		if (!pinned) {
			read_entry(&e, head, &got);
			got.since = now();
		}
	}
	got.domid = u->user;
	status = got.kind == ACTIVE_TRANSITIVE ? GNTST_okay : hold_page(granter, &got, u->readonly);
	if (status != GNTST_okay) {
		marks_clear(&e, act);
		return status;
	}
	*act = got;
	count_pin(gt, ref, act, u->readonly);
	*out = got;
	return GNTST_okay;
}

static int pin(struct domain *granter, grant_ref_t ref, const struct use *u, struct active_entry *out)
{
	int status;

	spin_lock(&granter->grant->lock);
	status = pin_locked(granter, ref, u, out);
	spin_unlock(&granter->grant->lock);
	return status;
}

int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, bool readonly, struct frame **page)
{
	const struct use u = { user->id, readonly, false };
	struct active_entry got;
	int status = pin(granter, ref, &u, &got);

	if (status == GNTST_okay)
		*page = got.of.page.frame;
	return status;
}

/* Undo one pin(). A page must be unmapped everywhere already; NULL for a transitive grant. */
void grant_unpin(struct domain *granter, grant_ref_t ref, bool readonly, struct frame *page)
{
	struct grant_table *gt = granter->grant;
	struct active_entry *act;
	struct shared_entry e;
	evtchn_port_t port = 0;
	domid_t who = 0;

	spin_lock(&gt->lock);
	/* The shared table of a dead domain is gone, the active entries are not. */
	act = grant_active(gt, ref);
	if (readonly)
		act->readers--;
	else
		act->writers--;
	if (!readonly && page)
		p2m_mark_dirty(granter, gfn(act->of.page.gfn));
	if (!active_in_use(act)) {
		gt->nr_pinned -= ref >= GNTTAB_NR_RESERVED_ENTRIES;
		port = act->notify_port;
		who = act->notify_domid;
		act->notify_port = 0;
	}
	if (grant_entry(gt, ref, &e, &act))
		marks_clear(&e, act);
	spin_unlock(&gt->lock);
	if (page)
		frame_put(page);
	if (port)
		grant_tell(who, port);
}

/*
 * What a transitive grant of @granter stands for: a grant of a third domain to @granter. Both are asked about each other here, since the granter lets @user use
 * what it was given. The pin on @granter's own entry is held, so what it says stays.
 */
static int pin_through(struct domain *granter, const struct active_entry *outer, struct domain *user, bool readonly,
		       struct grant_window *w)
{
	const struct use u = { granter->id, readonly, true };
	struct domain *third;
	struct active_entry got;
	int status;

	if (!param_list_bool("gnttab", "transitive", true) || outer->of.other.domid == granter->id)
		return GNTST_general_error;
	third = domain_get_by_id(outer->of.other.domid);
	if (!third)
		return GNTST_general_error;
	if (relation_check(granter, third, RELATION_GRANT) || relation_check(user, third, RELATION_GRANT))
		status = GNTST_permission_denied;
	else
		status = pin(third, outer->of.other.ref, &u, &got);
	/* One step only. */
	if (status == GNTST_okay && got.kind == ACTIVE_TRANSITIVE) {
		grant_unpin(third, outer->of.other.ref, readonly, NULL);
		status = GNTST_general_error;
	}
	if (status != GNTST_okay) {
		domain_put(third);
		return status;
	}
	*w = (struct grant_window){ got.of.page.frame,	 got.of.page.start,
				    got.of.page.length,	 third,
				    outer->of.other.ref, true };
	return GNTST_okay;
}

int grant_pin_copy(struct domain *granter, grant_ref_t ref, struct domain *user, bool readonly, struct grant_window *w)
{
	const struct use u = { user->id, readonly, true };
	struct active_entry got;
	int status = pin(granter, ref, &u, &got);

	if (status != GNTST_okay)
		return status;
	if (got.kind == ACTIVE_TRANSITIVE) {
		status = pin_through(granter, &got, user, readonly, w);
		if (status != GNTST_okay)
			grant_unpin(granter, ref, readonly, NULL);
		return status;
	}
	*w = (struct grant_window){ got.of.page.frame, got.of.page.start, got.of.page.length, granter, ref, false };
	return GNTST_okay;
}

void grant_unpin_copy(struct domain *granter, grant_ref_t ref, bool readonly, struct grant_window *w)
{
	grant_unpin(w->granter, w->ref, readonly, w->page);
	if (!w->transitive)
		return;
	domain_put(w->granter);
	grant_unpin(granter, ref, readonly, NULL);
}
