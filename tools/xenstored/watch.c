/* Watches by path component, and the events they send. */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "hash.h"
#include "live.h"
#include "watch_place.h"

static struct {
	unsigned nr;
	size_t bytes;
	uint64_t births;     /* watches ever set */
	uint64_t changes;    /* changes ever fired */
	struct change *kept; /* the one being fired, once somebody is owed it */
	unsigned firing;     /* events are being sent: watches removed meanwhile stay where they are */
	struct watch *dead;  /* by next_in_conn */
	struct perms *default_special;
} watches;

/*
 * Setting and removing.
 */

/* "/local/domain/7/" before a relative path. */
static size_t home(const struct conn *c, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "/local/domain/%u/", c->domain->id);
}

static bool absolute(const struct conn *c, const char *path, char *buf, size_t size)
{
	size_t at = path[0] == '/' || path[0] == '@' ? 0 : home(c, buf, size), len = strlen(path);

	if (at + len >= size)
		return false;
	memcpy(buf + at, path, len + 1);
	return true;
}

static size_t watch_bytes(const struct watch *w)
{
	return sizeof(*w) + strlen(w->path) + strlen(w->token) + 2;
}

size_t watch_cost(const struct conn *c, const char *path, const char *token)
{
	size_t components = path[0] == '/' || path[0] == '@' ? 1 : 5;

	for (const char *at = path; (at = strchr(at, '/')); at++)
		components++;
	return sizeof(struct watch) + sizeof(struct watch_group) + strlen(path) + strlen(token) + 2 +
	       components * (sizeof(struct watch_node) + sizeof(void *));
}

static struct watch *watch_find(const struct conn *c, const struct watch_node *n, const char *path, const char *token)
{
	struct watch_group *g = group_find(n, c);

	for (struct watch *w = g ? g->watches : NULL; w; w = w->next_in_group)
		if (w->c && !strcmp(w->token, token) && !strcmp(w->path, path))
			return w;
	return NULL;
}

bool watch_exists(const struct conn *c, const char *path, const char *token)
{
	char full[XENSTORE_ABS_PATH_MAX + 32];

	return absolute(c, path, full, sizeof(full)) && watch_find(c, place_find(full), path, token);
}

/* How deep its watches reach. */
static void group_depth(struct watch_group *g)
{
	g->max_depth = -1;
	for (const struct watch *w = g->watches; w; w = w->next_in_group)
		if (w->c && w->depth > g->max_depth)
			g->max_depth = w->depth;
}

static void group_add(struct watch_group *g, struct watch *w)
{
	w->next_in_group = NULL;
	w->prev_in_group = g->last;
	*g->last = w;
	g->last = &w->next_in_group;
	g->nr++;
	g->nr_plain += w->depth < 0;
	if (w->depth > g->max_depth)
		g->max_depth = w->depth;
}

int watch_add(struct conn *c, const char *path, const char *token, int depth)
{
	size_t path_len = strlen(path) + 1, token_len = strlen(token) + 1;
	char full[XENSTORE_ABS_PATH_MAX + 32];
	struct watch_node *n;
	struct watch *w;

	if (!absolute(c, path, full, sizeof(full)))
		return EINVAL;
	if (watch_find(c, place_find(full), path, token))
		return EEXIST;
	w = malloc(sizeof(*w) + path_len + token_len);
	if (!w)
		return ENOMEM;
	n = place_make(full);
	w->group = n ? group_make(n, c) : NULL;
	if (!w->group) {
		component_drop(n);
		free(w);
		return ENOMEM;
	}
	w->c = c;
	w->birth = ++watches.births;
	w->depth = depth;
	w->relative = path[0] != '/' && path[0] != '@';
	w->path = memcpy(w->data, path, path_len);
	w->token = memcpy(w->data + path_len, token, token_len);
	w->next_in_conn = c->watches;
	w->prev_in_conn = &c->watches;
	if (c->watches)
		c->watches->prev_in_conn = &w->next_in_conn;
	c->watches = w;
	group_add(w->group, w);
	c->nr_watches++;
	watches.nr++;
	watches.bytes += watch_bytes(w);
	quota_charge(c->domain, QUOTA_WATCHES, 1);
	quota_charge(c->domain, QUOTA_MEMORY, (int64_t)watch_cost(c, path, token));
	return 0;
}

static void watch_free(struct watch *w)
{
	struct watch_group *g = w->group;
	struct watch_node *n = g->node;

	*w->prev_in_group = w->next_in_group;
	if (w->next_in_group)
		w->next_in_group->prev_in_group = w->prev_in_group;
	else
		g->last = w->prev_in_group;
	free(w);
	if (g->watches)
		return;
	group_drop(g);
	component_drop(n);
}

static void watch_unlink(struct watch *w)
{
	struct conn *c = w->c;

	*w->prev_in_conn = w->next_in_conn;
	if (w->next_in_conn)
		w->next_in_conn->prev_in_conn = w->prev_in_conn;
	c->nr_watches--;
	watches.nr--;
	watches.bytes -= watch_bytes(w);
	quota_charge(c->domain, QUOTA_WATCHES, -1);
	quota_charge(c->domain, QUOTA_MEMORY, -(int64_t)watch_cost(c, w->path, w->token));
	w->c = NULL;
	w->group->nr--;
	w->group->nr_plain -= w->depth < 0;
	if (w->depth >= 0)
		group_depth(w->group);
	if (!watches.firing) {
		watch_free(w);
		return;
	}
	w->next_in_conn = watches.dead;
	watches.dead = w;
}

int watch_remove(struct conn *c, const char *path, const char *token)
{
	char full[XENSTORE_ABS_PATH_MAX + 32];
	struct watch *w;

	if (!absolute(c, path, full, sizeof(full)))
		return EINVAL;
	w = watch_find(c, place_find(full), path, token);
	if (!w)
		return ENOENT;
	watch_unlink(w);
	return 0;
}

void watch_remove_all(struct conn *c)
{
	while (c->watches)
		watch_unlink(c->watches);
}

/*
 * Firing. What is called may close connections, so lists stay put until the outermost call is over.
 */

static void fire_begin(void)
{
	watches.firing++;
}

static void fire_end(void)
{
	if (--watches.firing)
		return;
	while (watches.dead) {
		struct watch *w = watches.dead;

		watches.dead = w->next_in_conn;
		watch_free(w);
	}
}

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
	return w->relative ? ch->path + home(w->c, buf, size) : ch->path;
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

uint64_t watch_newest(const struct conn *c)
{
	return c->watches ? c->watches->birth : 0;
}

void change_put(struct change *ch)
{
	if (!--ch->refs)
		free(ch);
}

/* Whoever a change is for: found once per connection, at its first watch. */
struct concerned {
	struct conn *first, **last;
};

static void concern(struct concerned *who, struct watch_group *g, const struct descent *d, const struct watch_perms *ps)
{
	struct conn *c = g->c;

	if (c->fire.change != watches.changes) {
		c->fire.change = watches.changes;
		c->fire.one = NULL;
		c->fire.several = false;
		c->fire.blind = !conn_takes_events(c) || !may_see(c, ps);
		if (!c->fire.blind) {
			c->fire.next = NULL;
			*who->last = c;
			who->last = &c->fire.next;
		}
	}
	if (c->fire.blind)
		return;
	if (!d->ch->special && !g->nr_plain && d->ch->depth - d->level > g->max_depth)
		return;
	if (g->nr > 1 || c->fire.one)
		c->fire.several = true;
	c->fire.one = g->watches;
	c->fire.level = d->level;
}

/* Those who do much for others are told at once: nobody waits for what they do not read. */
static void fire_privileged(struct watch_group *g, const struct descent *d)
{
	for (struct watch *w = g->watches; w; w = w->next_in_group) {
		char buf[64];
		const char *path = told(w, d->ch, d->level, buf, sizeof(buf));

		if (path)
			conn_event(w->c, path, w->token);
	}
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

static void fire_one(struct conn *c, const struct change *ch)
{
	char buf[64];
	const char *path;

	if (!c->fire.several) {
		path = c->fire.one ? told(c->fire.one, ch, c->fire.level, buf, sizeof(buf)) : NULL;
		if (path)
			conn_event(c, path, c->fire.one->token);
		return;
	}
	if (!watches.kept)
		watches.kept = keep(ch);
	conn_owe(c, watches.kept);
}

static void fire(const char *path, bool exact, bool special, const struct watch_perms *ps)
{
	static union {
		struct change ch;
		char room[sizeof(struct change) + XENSTORE_ABS_PATH_MAX + 32];
	} now;
	struct concerned who = { .last = &who.first };
	struct descent d = { .ch = &now.ch };

	now.ch = (struct change){ .exact = exact, .special = special };
	strcpy(now.ch.path, path);
	for (const char *at = path[1] ? path : ""; (at = strchr(at, '/')); at++)
		now.ch.depth++;
	watches.changes++;
	fire_begin();
	while (descend(&d)) {
		if (!counts_here(&d))
			continue;
		for (struct watch_group *g = d.n->groups; g; g = g->next_at_node) {
			if (!g->nr)
				continue;
			if (conn_privileged(g->c))
				fire_privileged(g, &d);
			else
				concern(&who, g, &d, ps);
		}
	}
	for (struct conn *c = who.first; c; c = c->fire.next)
		fire_one(c, &now.ch);
	if (watches.kept)
		change_put(watches.kept);
	watches.kept = NULL;
	fire_end();
}

void watch_fire(const char *path, bool exact, const struct watch_perms *ps)
{
	if (watches.nr)
		fire(path, exact, false, ps);
}

void watch_fire_all(struct conn *c)
{
	struct watch *w;

	fire_begin();
	/* Closing @c empties the list: a removed watch leads on to other removed ones, which have no connection. */
	for (w = c->watches; w && w->c == c; w = w->next_in_conn)
		conn_event(c, w->path, w->token);
	fire_end();
}

void watch_each(const struct conn *c, void (*fn)(void *arg, const char *path, const char *token, int depth), void *arg)
{
	const struct watch *w = c->watches;

	/* The list has the newest first. */
	while (w && w->next_in_conn)
		w = w->next_in_conn;
	while (w) {
		fn(arg, w->path, w->token, w->depth);
		if (w->prev_in_conn == &c->watches)
			break;
		w = (const struct watch *)((const char *)w->prev_in_conn - offsetof(struct watch, next_in_conn));
	}
}

static struct perms *special_default(void)
{
	static const struct perm n0 = { 0 };

	if (!watches.default_special)
		watches.default_special = perms_intern(&n0, 1);
	return watches.default_special;
}

#define NR_SPECIAL 2
static const char *const special_names[NR_SPECIAL] = { "@introduceDomain", "@releaseDomain" };

static bool special_name(const char *name, bool *one_domain)
{
	for (int i = 0; i < NR_SPECIAL; i++) {
		size_t len = strlen(special_names[i]);
		uint64_t id;

		if (strncmp(name, special_names[i], len))
			continue;
		*one_domain = name[len] == '/';
		if (!name[len] || (*one_domain && wire_parse_number(name + len + 1, 65535, &id)))
			return true;
	}
	return false;
}

void watch_fire_special(const char *name, uint32_t id)
{
	char with_id[64];
	struct watch_node *all = component_find(NULL, name, strlen(name)), *one;
	struct watch_perms ps = { .node = { special_default(), NULL } };

	snprintf(with_id, sizeof(with_id), "%s/%u", name, id);
	one = place_find(with_id);
	if (all && all->perms)
		ps.node[0] = all->perms;
	if (one && one->perms)
		ps.node[1] = one->perms;
	fire(with_id, false, true, &ps);
}

const struct perms *watch_special_perms(const char *name)
{
	const struct watch_node *n = place_find(name);
	bool one_domain;

	if (!special_name(name, &one_domain))
		return NULL;
	if (n && n->perms)
		return n->perms;
	if (one_domain) {
		n = component_find(NULL, name, strcspn(name, "/"));
		if (n && n->perms)
			return n->perms;
	}
	return special_default();
}

int watch_set_special_perms(const char *name, const struct perm *p, unsigned nr)
{
	struct watch_node *n;
	struct perms *ps;
	bool one_domain;

	if (!special_name(name, &one_domain))
		return EINVAL;
	ps = perms_intern(p, nr);
	if (!ps)
		return ENOMEM;
	n = place_make(name);
	if (!n) {
		perms_put(ps);
		return ENOMEM;
	}
	perms_put(n->perms);
	n->perms = ps;
	live_touch();
	return 0;
}

void watch_each_special(void (*fn)(void *arg, const char *name, const struct perms *ps), void *arg)
{
	char name[64];

	for (int i = 0; i < NR_SPECIAL; i++)
		fn(arg, special_names[i], watch_special_perms(special_names[i]));
	for (struct watch_node *n = NULL; (n = place_with_perms(n));) {
		if (!n->parent)
			continue;
		snprintf(name, sizeof(name), "%.*s/%.*s", (int)n->parent->name_len, n->parent->name, (int)n->name_len,
			 n->name);
		fn(arg, name, n->perms);
	}
}

void watch_forget_special(uint32_t id)
{
	for (int i = 0; i < NR_SPECIAL; i++) {
		char name[64];
		struct watch_node *n;

		snprintf(name, sizeof(name), "%s/%u", special_names[i], id);
		n = place_find(name);
		if (!n || !n->perms)
			continue;
		perms_put(n->perms);
		n->perms = NULL;
		component_drop(n);
	}
}

/*
 * For walks.
 */

struct watch_node *watch_cursor(const char *path)
{
	return place_find(path);
}

struct watch_node *watch_child(struct watch_node *at, const char *name, size_t len)
{
	return at && at->children ? component_find(at, name, len) : NULL;
}

bool watch_here(const struct watch_node *at)
{
	return at && at->groups;
}

void watch_stats(unsigned *nr, size_t *bytes)
{
	*nr = watches.nr;
	*bytes = watches.bytes + place_bytes();
}

void watch_exit(void)
{
	struct watch_node *n;

	while ((n = place_with_perms(NULL))) {
		perms_put(n->perms);
		n->perms = NULL;
		component_drop(n);
	}
	perms_put(watches.default_special);
	watches.default_special = NULL;
}
