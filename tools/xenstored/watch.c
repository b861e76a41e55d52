/* Watches by path component, and the events they send. */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "hash.h"
#include "live.h"

/* One component of a watched path; exists while a watch, a child or permissions need it. */
struct watch_node {
	struct watch_node *parent;     /* NULL: a first component, or a special name */
	struct watch_node *next;       /* in its bucket */
	struct watch *watches, **last; /* in the order they were set */
	struct perms *perms;	       /* of a special name; NULL: the default */
	uint64_t hash;
	uint32_t children;
	uint32_t name_len;
	char name[];
};

static struct {
	struct watch_node **buckets;
	unsigned nr_buckets, nr_nodes, nr;
	size_t bytes;
	unsigned firing;    /* events are being sent: watches removed meanwhile stay where they are */
	struct watch *dead; /* by next_in_conn */
	struct perms *default_special;
} watches;

/*
 * The tree of components: one hash table for all, keyed by parent and name.
 */

static uint64_t component_hash(const struct watch_node *parent, const char *name, size_t len)
{
	return hash_bytes((uintptr_t)parent, name, len);
}

static struct watch_node *component_find(const struct watch_node *parent, const char *name, size_t len)
{
	uint64_t hash;
	struct watch_node *n;

	if (!watches.nr_buckets)
		return NULL;
	hash = component_hash(parent, name, len);
	for (n = watches.buckets[hash & (watches.nr_buckets - 1)]; n; n = n->next)
		if (n->hash == hash && n->parent == parent && n->name_len == len && !memcmp(n->name, name, len))
			return n;
	return NULL;
}

static bool table_grow(void)
{
	unsigned n = watches.nr_buckets ? watches.nr_buckets * 2 : 64;
	struct watch_node **buckets, *w, *next;

	if (watches.nr_nodes < watches.nr_buckets)
		return true;
	buckets = calloc(n, sizeof(*buckets));
	if (!buckets)
		return watches.nr_buckets;
	for (unsigned i = 0; i < watches.nr_buckets; i++)
		for (w = watches.buckets[i]; w; w = next) {
			next = w->next;
			w->next = buckets[w->hash & (n - 1)];
			buckets[w->hash & (n - 1)] = w;
		}
	free(watches.buckets);
	watches.buckets = buckets;
	watches.nr_buckets = n;
	return true;
}

static struct watch_node *component_make(struct watch_node *parent, const char *name, size_t len)
{
	struct watch_node *n = component_find(parent, name, len), **bucket;

	if (n)
		return n;
	if (!table_grow())
		return NULL;
	n = calloc(1, sizeof(*n) + len);
	if (!n)
		return NULL;
	n->parent = parent;
	n->last = &n->watches;
	n->name_len = (uint32_t)len;
	n->hash = component_hash(parent, name, len);
	memcpy(n->name, name, len);
	bucket = &watches.buckets[n->hash & (watches.nr_buckets - 1)];
	n->next = *bucket;
	*bucket = n;
	if (parent)
		parent->children++;
	watches.nr_nodes++;
	watches.bytes += sizeof(*n) + len;
	return n;
}

/* Drop @n and those above it as far as nothing needs them. */
static void component_drop(struct watch_node *n)
{
	while (n && !n->watches && !n->children && !n->perms) {
		struct watch_node *parent = n->parent, **at;

		for (at = &watches.buckets[n->hash & (watches.nr_buckets - 1)]; *at != n; at = &(*at)->next)
			;
		*at = n->next;
		watches.nr_nodes--;
		watches.bytes -= sizeof(*n) + n->name_len;
		free(n);
		if (parent)
			parent->children--;
		n = parent;
	}
	if (!watches.nr_nodes) {
		free(watches.buckets);
		watches.buckets = NULL;
		watches.nr_buckets = 0;
	}
}

/* The next component of @path from *at on, which is moved past it and its '/'. */
static const char *next_component(const char **at, size_t *len)
{
	const char *s = *at;

	*len = strcspn(s, "/");
	*at = s + *len + (s[*len] == '/');
	return s;
}

/*
 * The node of an absolute path ("/" has the empty component) or of a special name ("@releaseDomain/7" has two), made on
 * demand. Special names cannot be mistaken for a path: those all hang below the empty component.
 */
static struct watch_node *place_make(const char *path)
{
	struct watch_node *n = NULL, *child;
	const char *at = path;
	size_t len;

	do {
		const char *name = next_component(&at, &len);

		if (!len && n) /* "/" itself */
			break;
		child = component_make(n, name, len);
		if (!child) {
			component_drop(n);
			return NULL;
		}
		n = child;
	} while (*at);
	return n;
}

static struct watch_node *place_find(const char *path)
{
	struct watch_node *n = NULL;
	const char *at = path;
	size_t len;

	do {
		const char *name = next_component(&at, &len);

		if (!len && n)
			break;
		n = component_find(n, name, len);
	} while (n && *at);
	return n;
}

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
	return sizeof(struct watch) + strlen(path) + strlen(token) + 2 +
	       components * (sizeof(struct watch_node) + sizeof(void *));
}

static struct watch *watch_find(const struct conn *c, const struct watch_node *n, const char *path, const char *token)
{
	struct watch *w;

	for (w = n ? n->watches : NULL; w; w = w->next_at_node)
		if (w->c == c && !strcmp(w->token, token) && !strcmp(w->path, path))
			return w;
	return NULL;
}

bool watch_exists(const struct conn *c, const char *path, const char *token)
{
	char full[XENSTORE_ABS_PATH_MAX + 32];

	return absolute(c, path, full, sizeof(full)) && watch_find(c, place_find(full), path, token);
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
	if (!n) {
		free(w);
		return ENOMEM;
	}
	w->c = c;
	w->node = n;
	w->depth = depth;
	w->relative = path[0] != '/' && path[0] != '@';
	w->path = memcpy(w->data, path, path_len);
	w->token = memcpy(w->data + path_len, token, token_len);
	w->next_in_conn = c->watches;
	w->prev_in_conn = &c->watches;
	if (c->watches)
		c->watches->prev_in_conn = &w->next_in_conn;
	c->watches = w;
	w->next_at_node = NULL;
	w->prev_at_node = n->last;
	*n->last = w;
	n->last = &w->next_at_node;
	c->nr_watches++;
	watches.nr++;
	watches.bytes += watch_bytes(w);
	quota_charge(c->domain, QUOTA_WATCHES, 1);
	quota_charge(c->domain, QUOTA_MEMORY, (int64_t)watch_cost(c, path, token));
	return 0;
}

static void watch_free(struct watch *w)
{
	*w->prev_at_node = w->next_at_node;
	if (w->next_at_node)
		w->next_at_node->prev_at_node = w->prev_at_node;
	else
		w->node->last = w->prev_at_node;
	component_drop(w->node);
	free(w);
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

/* @depth: of @path below the watches of @n. */
static void fire_node(struct watch_node *n, const char *path, int depth, const struct watch_perms *ps)
{
	struct watch *w;

	for (w = n->watches; w; w = w->next_at_node) {
		char prefix[48];

		if (!w->c || (w->depth >= 0 && depth > w->depth) || !may_see(w->c, ps))
			continue;
		/* A relative watch is set below the home, so its events' paths begin with that. */
		conn_event(w->c, w->relative ? path + home(w->c, prefix, sizeof(prefix)) : path, w->token);
	}
}

void watch_fire(const char *path, bool exact, const struct watch_perms *ps)
{
	struct watch_node *n = component_find(NULL, "", 0);
	const char *at = path + 1, *rest;
	int depth = 0;
	size_t len;

	if (!n)
		return;
	fire_begin();
	for (rest = at; *rest; depth++)
		next_component(&rest, &len);
	for (;;) {
		if (!exact || !*at)
			fire_node(n, path, depth, ps);
		if (!*at)
			break;
		rest = next_component(&at, &len);
		n = component_find(n, rest, len);
		if (!n)
			break;
		depth--;
	}
	fire_end();
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

static bool special_name(const char *name, bool *one_domain)
{
	static const char *const names[] = { "@introduceDomain", "@releaseDomain" };

	for (int i = 0; i < 2; i++) {
		size_t len = strlen(names[i]);
		uint64_t id;

		if (strncmp(name, names[i], len))
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
	struct watch *w;

	snprintf(with_id, sizeof(with_id), "%s/%u", name, id);
	one = place_find(with_id);
	if (all && all->perms)
		ps.node[0] = all->perms;
	if (one && one->perms)
		ps.node[1] = one->perms;
	fire_begin();
	for (w = one ? one->watches : NULL; w; w = w->next_at_node)
		if (w->c && may_see(w->c, &ps))
			conn_event(w->c, with_id, w->token);
	for (w = all ? all->watches : NULL; w; w = w->next_at_node)
		if (w->c && may_see(w->c, &ps))
			conn_event(w->c, w->depth > 0 ? with_id : name, w->token);
	fire_end();
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

void watch_forget_special(uint32_t id)
{
	static const char *const names[] = { "@introduceDomain", "@releaseDomain" };

	for (int i = 0; i < 2; i++) {
		char name[64];
		struct watch_node *n;

		snprintf(name, sizeof(name), "%s/%u", names[i], id);
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
	return at && at->watches;
}

void watch_stats(unsigned *nr, size_t *bytes)
{
	*nr = watches.nr;
	*bytes = watches.bytes + watches.nr_buckets * sizeof(*watches.buckets);
}

void watch_exit(void)
{
	for (unsigned i = 0; i < watches.nr_buckets;) {
		struct watch_node *n = watches.buckets[i];

		while (n && !n->perms)
			n = n->next;
		if (!n) {
			i++;
			continue;
		}
		perms_put(n->perms);
		n->perms = NULL;
		component_drop(n);
		/* That may have emptied buckets of its parents too: look again. */
		i = 0;
	}
	perms_put(watches.default_special);
	watches.default_special = NULL;
}
