/* Watches by path component, and the events they send. */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "domain.h"
#include "hash.h"
#include "live.h"
#include "watch_place.h"

static struct {
	unsigned nr;
	size_t bytes;
	uint64_t births;    /* watches ever set */
	unsigned firing;    /* events are being sent: watches removed meanwhile stay where they are */
	struct watch *dead; /* by next_in_conn */
	struct perms *default_special;
} watches;

/*
 * Setting and removing.
 */

size_t watch_home(const struct conn *c, char *buf, size_t size)
{
	static const char before[] = "/local/domain/";
	char digits[10], *at = buf + sizeof(before) - 1;
	unsigned id = c->domain->id, nr = 0;

	if (size < sizeof(before) + sizeof(digits) + 1)
		return 0;
	/* For each relative path there is: many times quicker than snprintf(). */
	memcpy(buf, before, sizeof(before) - 1);
	do
		digits[nr++] = (char)('0' + id % 10);
	while (id /= 10);
	while (nr)
		*at++ = digits[--nr];
	*at++ = '/';
	*at = '\0';
	return (size_t)(at - buf);
}

static bool absolute(const struct conn *c, const char *path, char *buf, size_t size)
{
	size_t at = path[0] == '/' || path[0] == '@' ? 0 : watch_home(c, buf, size), len = strlen(path);

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
	n = place_make(full);
	if (watch_find(c, n, path, token))
		return EEXIST;
	w = n ? malloc(sizeof(*w) + path_len + token_len) : NULL;
	if (w)
		w->group = group_make(n, c);
	if (!w || !w->group) {
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

	/* Some may be on their way to it. */
	if (!conn_privileged(c))
		chores_finish();
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

void watch_fire_begin(void)
{
	watches.firing++;
}

void watch_fire_end(void)
{
	if (--watches.firing)
		return;
	while (watches.dead) {
		struct watch *w = watches.dead;

		watches.dead = w->next_in_conn;
		watch_free(w);
	}
}

bool watch_any(void)
{
	return watches.nr;
}

uint64_t watch_newest(const struct conn *c)
{
	return c->watches ? c->watches->birth : 0;
}

void watch_fire_all(struct conn *c)
{
	struct watch *w;

	watch_fire_begin();
	/* Closing @c empties the list: a removed watch leads on to other removed ones, which have no connection. */
	for (w = c->watches; w && w->c == c; w = w->next_in_conn)
		conn_event(c, w->path, w->token);
	watch_fire_end();
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
	watch_fire_special_change(with_id, &ps);
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
