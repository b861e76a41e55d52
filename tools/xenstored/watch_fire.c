/*
 * Events of a change. Privileged clients and whoever made it are told at once. If many guests watch, telling them is a chore: what it costs
 * does not hold up the client that made the change.
 */
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "conflict.h"
#include "domain.h"
#include "hash.h"
#include "tree.h"
#include "watch_place.h"

/* Other guests that are told at once: the two ends of a device know of each other without delay. */
#define TOLD_AT_ONCE 1
/* To look at one takes a unit of a chore, to tell him more. */
#define LOOK_COST 1
#define TELL_COST 4

static uint64_t changes;   /* ever fired */
static unsigned emissions; /* see watch_in_order() */

static bool may_see(const struct conn *c, const struct watch_perms *ps)
{
	if (conn_privileged(c))
		return true;
	for (int i = 0; i < 2; i++)
		if ((ps->node[i] && perms_access(ps->node[i], c) & WIRE_PERM_READ) ||
		    (ps->parent[i] && perms_access(ps->parent[i], c) & WIRE_PERM_READ))
			return true;
	return false;
}

/*
 * What a watch set at component @level of the change's path is told; NULL: nothing. A plain watch of a special name does not tell which
 * domain it is about. A relative one is set below the home, so its events' paths begin with that.
 */
static const char *told(const struct watch *w, const struct change *ch, int level, char *buf, size_t size)
{
	if (!w->c)
		return NULL;
	if (ch->special) {
		if (level || w->depth > 0)
			return ch->path;
		snprintf(buf, size, "%.*s", (int)strcspn(ch->path, "/"), ch->path);
		return buf;
	}
	if (w->depth >= 0 && ch->depth - level > w->depth)
		return NULL;
	return w->relative ? ch->path + watch_home(w->c, buf, size) : ch->path;
}

/* The components of a change's path: the node at each, as far as there are any. */
struct descent {
	const struct change *ch;
	const char *at;
	struct watch_node *n;
	int level;
};

static bool descend(struct descent *d)
{
	const char *name;
	size_t len;

	if (!d->at) {
		d->at = d->ch->path;
		name = component_next(&d->at, &len);
	} else if (*d->at) {
		name = component_next(&d->at, &len);
		d->level++;
	} else {
		return false;
	}
	d->n = component_find(d->n, name, len);
	return d->n;
}

static bool counts_here(const struct descent *d)
{
	return !d->ch->exact || !*d->at;
}

bool owed_events(const struct conn *c, struct owed *o, bool (*fn)(void *arg, const char *path, const char *token),
		 void *arg)
{
	struct descent d = { .ch = o->change };
	char buf[64];

	while (descend(&d)) {
		struct watch_group *g = (unsigned)d.level >= o->level && counts_here(&d) ? group_find(d.n, c) : NULL;

		for (struct watch *w = g ? g->watches : NULL; w && w->birth <= o->upto; w = w->next_in_group) {
			const char *path = w->birth > o->last ? told(w, o->change, d.level, buf, sizeof(buf)) : NULL;

			if (path && !fn(arg, path, w->token))
				return false;
			if (w->birth > o->last)
				o->last = w->birth;
		}
		if ((unsigned)d.level >= o->level) {
			o->level = (unsigned)d.level + 1;
			o->last = 0;
		}
	}
	return true;
}

void change_put(struct change *ch)
{
	if (!--ch->refs)
		free(ch);
}

static struct change *keep(const struct change *ch)
{
	size_t len = strlen(ch->path) + 1;
	struct change *kept = malloc(sizeof(*kept) + len);

	if (kept) {
		*kept = *ch;
		kept->refs = 1;
		kept->hash = (uint32_t)hash_bytes(ch->exact, ch->path, len);
		memcpy(kept->path, ch->path, len);
	}
	return kept;
}

/* One change on its way to those concerned. */
struct firing {
	const struct change *ch;
	struct change *kept; /* the same, once somebody is owed it */
	struct watch_perms ps;
	uint64_t number;
};

static bool matches(const struct watch_group *g, const struct descent *d)
{
	return g->nr && (d->ch->special || g->nr_plain || d->ch->depth - d->level <= g->max_depth);
}

/* The next group of @c further down that has a watch which fires; NULL: there is none. */
static struct watch_group *next_match(const struct conn *c, struct descent *d)
{
	while (descend(d)) {
		struct watch_group *g = counts_here(d) ? group_find(d->n, c) : NULL;

		if (g && matches(g, d))
			return g;
	}
	return NULL;
}

/* Tell a guest of which @g, at component @at of the path, is the first group there is. One that has several watches is owed their events. */
static bool tell(struct firing *f, struct watch_group *g, const struct descent *at)
{
	struct descent first = *at, rest;
	struct conn *c = g->c;
	char buf[64];
	const char *path;

	if (c->fired == f->number)
		return false;
	c->fired = f->number;
	if (!conn_takes_events(c) || !may_see(c, &f->ps))
		return false;
	if (!matches(g, at))
		g = next_match(c, &first);
	if (!g)
		return true;
	rest = first;
	if (g->nr == 1 && !next_match(c, &rest)) {
		path = told(g->watches, f->ch, first.level, buf, sizeof(buf));
		if (path)
			conn_event(c, path, g->watches->token);
		return true;
	}
	if (!f->kept)
		f->kept = keep(f->ch);
	conn_owe(c, f->kept);
	return true;
}

/* Those who do much for others are told at once: nobody waits for what they do not read. */
static void tell_privileged(struct watch_group *g, const struct descent *d)
{
	for (struct watch *w = g->watches; w; w = w->next_in_group) {
		char buf[64];
		const char *path = told(w, d->ch, d->level, buf, sizeof(buf));

		if (path)
			conn_event(w->c, path, w->token);
	}
}

/* Telling guests: @all, or as many as a step of a chore may. True: that was all. */
struct round {
	struct descent d;
	struct watch_group *next; /* at d.n; NULL: go down */
};

static bool go_round(struct firing *f, struct round *r, bool all)
{
	for (;;) {
		while (!r->next) {
			if (!descend(&r->d))
				return true;
			r->next = counts_here(&r->d) ? r->d.n->guests : NULL;
		}
		if (!all && chores_left() < TELL_COST)
			return false;
		chores_spend(tell(f, r->next, &r->d) ? TELL_COST : LOOK_COST);
		r->next = r->next->next_at_node;
	}
}

static void fire_privileged(const struct change *ch)
{
	for (struct descent d = { .ch = ch }; descend(&d);)
		if (counts_here(&d))
			for (struct watch_group *g = d.n->groups; g && g != d.n->guests; g = g->next_at_node)
				tell_privileged(g, &d);
}

/*
 * The chore.
 */

struct fan_out {
	struct chore chore;
	struct firing f;
	struct round r;
	bool all; /* privileged clients were not told yet */
};

static void hold(struct perms *ps[2])
{
	for (int i = 0; i < 2; i++)
		if (ps[i])
			perms_get(ps[i]);
}

static void let_go(struct perms *ps[2])
{
	for (int i = 0; i < 2; i++)
		perms_put(ps[i]);
}

/* Groups of guests do not go while this waits: they are removed after all chores are done. */
static bool fan_out_step(struct chore *chore)
{
	struct fan_out *o = (struct fan_out *)chore;
	bool done;

	watch_fire_begin();
	if (o->all)
		fire_privileged(o->f.ch);
	o->all = false;
	done = go_round(&o->f, &o->r, false);
	watch_fire_end();
	if (!done)
		return false;
	let_go(o->f.ps.node);
	let_go(o->f.ps.parent);
	change_put(o->f.kept);
	free(o);
	return true;
}

/* False: no memory, tell them now. */
static bool put_off(const struct firing *f, bool all)
{
	struct fan_out *o = malloc(sizeof(*o));
	struct change *kept = o ? keep(f->ch) : NULL;

	if (!kept) {
		free(o);
		return false;
	}
	*o = (struct fan_out){ .chore.step = fan_out_step, .f = *f, .all = all };
	o->f.ch = o->f.kept = kept;
	o->r.d.ch = kept;
	hold(o->f.ps.node);
	hold(o->f.ps.parent);
	chores_add(&o->chore);
	return true;
}

/* Groups of guests on the way, but of @maker's; no more than TOLD_AT_ONCE + 1 are counted. */
static unsigned count_guests(const struct change *ch, const struct conn *maker)
{
	struct descent d = { .ch = ch };
	unsigned nr = 0;

	while (nr <= TOLD_AT_ONCE && descend(&d))
		if (counts_here(&d))
			for (struct watch_group *g = d.n->guests; g && nr <= TOLD_AT_ONCE; g = g->next_at_node)
				nr += g->c != maker;
	return nr;
}

static const struct change *change_now(const char *path, bool exact, bool special)
{
	static union {
		struct change ch;
		char room[sizeof(struct change) + XENSTORE_ABS_PATH_MAX + 32];
	} now;

	now.ch = (struct change){ .exact = exact, .special = special };
	strcpy(now.ch.path, path);
	for (const char *at = path[1] ? path : ""; (at = strchr(at, '/')); at++)
		now.ch.depth++;
	return &now.ch;
}

static void fire_guests(struct firing *f, const struct conn *maker)
{
	struct round all = { .d.ch = f->ch };
	unsigned others = count_guests(f->ch, maker);

	if (!others || ((others > TOLD_AT_ONCE || chores_wait()) && put_off(f, false)))
		return;
	go_round(f, &all, true);
}

/* @now: whoever made it is told now even if he is a guest. */
static void fire(const struct change *ch, const struct watch_perms *ps, bool now)
{
	struct firing f = { .ch = ch, .ps = *ps, .number = ++changes };
	struct conn *maker = now ? conflict_maker() : NULL;

	if (emissions && !chores_at_work()) {
		if (put_off(&f, true))
			return;
		chores_finish();
	}

	watch_fire_begin();
	fire_privileged(ch);
	if (maker && !conn_privileged(maker)) {
		struct descent d = { .ch = ch };
		struct watch_group *own = next_match(maker, &d);

		if (own)
			tell(&f, own, &d);
	}
	fire_guests(&f, maker);
	if (f.kept)
		change_put(f.kept);
	watch_fire_end();
}

void watch_in_order(bool begin)
{
	emissions += begin ? 1 : -1u;
}

void watch_fire(const char *path, bool exact, const struct watch_perms *ps)
{
	if (watch_any())
		fire(change_now(path, exact, false), ps, true);
}

void watch_fire_removed(const char *path, const struct watch_perms *ps)
{
	if (watch_any())
		fire(change_now(path, false, false), ps, false);
}

void watch_fire_special_change(const char *path, const struct watch_perms *ps)
{
	fire(change_now(path, false, true), ps, true);
}

/*
 * What is watched inside a subtree that was removed.
 */

void watch_fire_inside_guests(const char *path, const struct watch_perms *ps)
{
	struct firing f = { .ch = change_now(path, true, false), .ps = *ps, .number = ++changes };

	watch_fire_begin();
	fire_guests(&f, NULL);
	if (f.kept)
		change_put(f.kept);
	watch_fire_end();
}

bool watch_inside(const char *path)
{
	const struct watch_node *n = place_find(path);

	return n && n->children;
}

/* The path of place @n, which is not one of a special name. False: it is too long. */
static bool place_path(const struct watch_node *n, char *buf, size_t size)
{
	char *at = buf + size - 1;

	*at = '\0';
	for (; n->parent; n = n->parent) {
		if ((size_t)(at - buf) < n->name_len + 1u)
			return false;
		at -= n->name_len;
		memcpy(at, n->name, n->name_len);
		*--at = '/';
	}
	memmove(buf, at, strlen(at) + 1);
	return true;
}

/* As far down as there are watches of privileged clients, taking the first way at each place. */
static struct watch_node *go_down(struct watch_node *n)
{
	for (struct watch_node *c = n->child; c;)
		if (c->privileged) {
			n = c;
			c = n->child;
		} else {
			c = c->sibling;
		}
	return n;
}

void watch_fire_inside_privileged(const char *path, struct node *removed)
{
	struct watch_node *top = place_find(path), *n;
	size_t above = strlen(path), known;
	char buf[XENSTORE_ABS_PATH_MAX + 1];

	if (!top || !top->privileged)
		return;
	if (emissions && !chores_at_work())
		chores_finish();
	watch_fire_begin();
	for (n = go_down(top); n != top;) {
		struct descent d = { .n = n };
		struct watch_node *next = n->sibling;

		if (n->groups != n->guests && place_path(n, buf, sizeof(buf))) {
			(void)tree_find_nearest(removed, buf + above, &known);
			if (!buf[above + known]) {
				d.ch = change_now(buf, true, false);
				d.level = d.ch->depth;
				for (struct watch_group *g = n->groups; g && g != n->guests; g = g->next_at_node)
					tell_privileged(g, &d);
			}
		}
		while (next && !next->privileged)
			next = next->sibling;
		n = next ? go_down(next) : n->parent;
	}
	watch_fire_end();
}
