/* What a view's effects do to the world: at once, or those of a large commit in pieces. */
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "domain.h"
#include "effect.h"
#include "journal.h"
#include "live.h"
#include "removal.h"
#include "watch.h"

/* Of a large commit, so many effects are dealt with in one step. */
#define PER_STEP 4

/*
 * Does the domain own @path as it is now? Others may have changed it since what is emitted was done; if not, @now is what is there.
 */
static bool owns_live(const struct domain *d, const char *path, const struct node *now)
{
	const struct node *n = chores_at_work() ? tree_find(live_root(), path) : now;

	return n && perms_owner(n->perms) == d;
}

/* With another owner above them, they must be found by themselves. Without memory for that, their owners' end costs a walk of the tree. */
static void own_children(const char *path, const struct node *n)
{
	char child[XENSTORE_ABS_PATH_MAX + 1];
	size_t len = path[1] ? strlen(path) : 0;
	const struct node *c;

	memcpy(child, path, len);
	child[len++] = '/';
	for (unsigned i = 0, k = 0; (c = node_next_child(n, &i, &k));) {
		struct domain *d = c->perms != n->perms ? perms_owner(c->perms) : NULL;
		struct owned_entry *e;

		if (!d || !d->owned || d == perms_owner(n->perms) || len + c->name_len >= sizeof(child))
			continue;
		memcpy(child + len, c->data, c->name_len + 1u);
		e = owned_entry_new(child);
		if (e) {
			owned_insert(d->owned, e);
		} else {
			owned_free(d->owned);
			d->owned = NULL;
		}
	}
}

/* The set of owned paths and the counts of the owners before and after. */
static void emit_owner(struct effect *e, const struct node *now)
{
	struct domain *before = e->before ? perms_owner(e->before) : NULL,
		      *after = now ? perms_owner(now->perms) : NULL;

	if (now && before != after && now->dir)
		own_children(e->path, now);
	if (before) {
		quota_charge(before, QUOTA_MEMORY, -(int64_t)e->bytes_before);
		if (before != after) {
			quota_charge(before, QUOTA_NODES, -1);
			if (before->owned && !owns_live(before, e->path, now))
				owned_remove(before->owned, e->path);
		}
	}
	if (after) {
		quota_charge(after, QUOTA_MEMORY, e->made ? e->made_bytes : view_charge(now, strlen(e->path)));
		if (before != after) {
			quota_charge(after, QUOTA_NODES, e->made ? e->made : 1);
			/* The set was made when the domain came; without memory for one its nodes outlive it as nobody's. */
			if (after->owned && e->own && owns_live(after, e->path, now)) {
				owned_insert(after->owned, e->own);
				e->own = NULL;
			}
		}
	}
}

static void emit_event(struct view *v, struct effect *e)
{
	struct watch_perms ps = { { e->before, e->now ? e->now->perms : NULL }, { e->parent, NULL } };
	/* Where this is the only change, the parent is what it was. */
	struct node *parent = e->exact || v->nr == 1 ? NULL : e->above ? e->above : view_parent(v, e->path);

	if (parent)
		ps.parent[1] = parent->perms;
	if (v->removal)
		watch_fire_removed(e->path, &ps);
	else
		watch_fire(e->path, e->exact, &ps);
}

/* Where a chain of nodes was made, each is found in the one before it. */
static void find_now(const struct view *v, struct effect *e, const struct effect *before)
{
	size_t len = before && before->now ? strlen(before->path) : 0;

	if (len > 1 && !strncmp(e->path, before->path, len) && e->path[len] == '/' && !strchr(e->path + len + 1, '/')) {
		e->above = before->now;
		e->now = node_child(e->above, e->path + len + 1);
	} else {
		e->now = tree_find(v->root, e->path);
	}
}

/* Look each path up once; nothing changes the tree from here on. */
static void settle(struct view *v)
{
	const struct effect *before = NULL;

	for (struct effect *e = v->first; e; before = e, e = e->next) {
		if (!e->now)
			find_now(v, e, before);
		emit_owner(e, e->now);
	}
}

void view_settle(struct view *v)
{
	settle(v);
	if (v->removal)
		removal_settle(v->removal);
	v->removal = NULL;
	view_clear(v);
}

void view_emit(struct view *v)
{
	struct effect *e;

	if (!v->first)
		return;
	settle(v);
	/* What vanished with an ancestor is covered by that one's record. */
	for (e = v->first; e; e = e->next)
		if (e->removed && !e->exact)
			journal_rm(e->path);
	for (e = v->first; e; e = e->next)
		if (e->now)
			journal_node(e->path, node_value(e->now), e->now->value_len, e->now->perms->p,
				     e->now->perms->nr);
	if (v->removal)
		removal_begin(v->removal);
	for (e = v->first; e; e = e->next)
		if (e->event)
			emit_event(v, e);
	v->removal = NULL;
	view_clear(v);
}

/*
 * In pieces.
 */

void view_each_changed(const struct view *v, void (*fn)(const char *path))
{
	char top[XENSTORE_ABS_PATH_MAX + 1];

	/* What went or came with an ancestor is covered by that one. */
	for (const struct effect *e = v->first; e; e = e->next) {
		if (e->removed && e->exact)
			continue;
		memcpy(top, e->path, e->top_len);
		top[e->top_len] = '\0';
		fn(e->top_len ? top : e->path);
	}
}

bool view_journal(struct view *v, struct view_walk *w)
{
	for (unsigned n = 0; n < PER_STEP;) {
		struct effect *e = w->at ? w->at->next : v->first;
		struct node *now;

		if (!e && w->pass++)
			return true;
		w->at = e;
		if (!e)
			continue;
		if (!w->pass) {
			if (e->removed && !e->exact) {
				journal_rm(e->path);
				n++;
			}
			continue;
		}
		now = tree_find(v->root, e->path);
		if (now)
			journal_node(e->path, node_value(now), now->value_len, now->perms->p, now->perms->nr);
		n++;
	}
	return false;
}

struct emission {
	struct chore chore;
	struct view v;
	struct effect *at; /* the last one dealt with, NULL: none */
	bool settled;
};

/* Owners first, then events. Effects that are done stay, for the view's indices know them. */
static bool emission_step(struct chore *c)
{
	struct emission *m = (struct emission *)c;

	for (unsigned n = 0; n < PER_STEP && !chores_made(); n++) {
		struct effect *e = m->at ? m->at->next : m->v.first;

		if (!e && m->settled) {
			watch_in_order(false);
			view_drop(&m->v);
			free(m);
			return true;
		}
		if (e && !m->settled) {
			find_now(&m->v, e, m->at);
			emit_owner(e, e->now);
		} else if (e && e->event) {
			emit_event(&m->v, e);
		}
		m->settled |= !e;
		m->at = e;
	}
	return false;
}

struct emission *emission_new(void)
{
	struct emission *m = calloc(1, sizeof(*m));

	if (m)
		m->chore.step = emission_step;
	return m;
}

void emission_free(struct emission *m)
{
	free(m);
}

void emission_begin(struct emission *m, struct view *v)
{
	m->v = *v;
	if (!m->v.first)
		m->v.last = &m->v.first;
	view_init(v, NULL, NULL, false);
	watch_in_order(true);
	chores_add(&m->chore);
}
