#include "watch_place.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

/* One hash table for all components, keyed by parent and name, and one for all groups, keyed by node and connection. */
static struct {
	struct watch_node **buckets;
	unsigned nr_buckets, nr;
	struct watch_group **groups;
	unsigned nr_group_buckets, nr_groups;
	size_t bytes;
} places;

static uint64_t component_hash(const struct watch_node *parent, const char *name, size_t len)
{
	return hash_bytes((uintptr_t)parent, name, len);
}

struct watch_node *component_find(const struct watch_node *parent, const char *name, size_t len)
{
	uint64_t hash;
	struct watch_node *n;

	if (!places.nr_buckets)
		return NULL;
	hash = component_hash(parent, name, len);
	for (n = places.buckets[hash & (places.nr_buckets - 1)]; n; n = n->next)
		if (n->hash == hash && n->parent == parent && n->name_len == len && !memcmp(n->name, name, len))
			return n;
	return NULL;
}

static bool table_grow(void)
{
	unsigned n = places.nr_buckets ? places.nr_buckets * 2 : 64;
	struct watch_node **buckets, *w, *next;

	if (places.nr < places.nr_buckets)
		return true;
	buckets = calloc(n, sizeof(*buckets));
	if (!buckets)
		return places.nr_buckets;
	for (unsigned i = 0; i < places.nr_buckets; i++)
		for (w = places.buckets[i]; w; w = next) {
			next = w->next;
			w->next = buckets[w->hash & (n - 1)];
			buckets[w->hash & (n - 1)] = w;
		}
	free(places.buckets);
	places.buckets = buckets;
	places.nr_buckets = n;
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
	n->last = &n->groups;
	n->name_len = (uint32_t)len;
	n->hash = component_hash(parent, name, len);
	memcpy(n->name, name, len);
	bucket = &places.buckets[n->hash & (places.nr_buckets - 1)];
	n->next = *bucket;
	*bucket = n;
	if (parent) {
		parent->children++;
		n->sibling = parent->child;
		n->prev_sibling = &parent->child;
		if (n->sibling)
			n->sibling->prev_sibling = &n->sibling;
		parent->child = n;
	}
	places.nr++;
	places.bytes += sizeof(*n) + len;
	return n;
}

void component_drop(struct watch_node *n)
{
	while (n && !n->groups && !n->children && !n->perms) {
		struct watch_node *parent = n->parent, **at;

		for (at = &places.buckets[n->hash & (places.nr_buckets - 1)]; *at != n; at = &(*at)->next)
			;
		*at = n->next;
		places.nr--;
		places.bytes -= sizeof(*n) + n->name_len;
		if (parent)
			*n->prev_sibling = n->sibling;
		if (n->sibling)
			n->sibling->prev_sibling = n->prev_sibling;
		free(n);
		if (parent)
			parent->children--;
		n = parent;
	}
	if (!places.nr) {
		free(places.buckets);
		places.buckets = NULL;
		places.nr_buckets = 0;
	}
}

const char *component_next(const char **at, size_t *len)
{
	const char *s = *at;

	*len = strcspn(s, "/");
	*at = s + *len + (s[*len] == '/');
	return s;
}

struct watch_node *place_make(const char *path)
{
	struct watch_node *n = NULL, *child;
	const char *at = path;
	size_t len;

	do {
		const char *name = component_next(&at, &len);

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

struct watch_node *place_find(const char *path)
{
	struct watch_node *n = NULL;
	const char *at = path;
	size_t len;

	do {
		const char *name = component_next(&at, &len);

		if (!len && n)
			break;
		n = component_find(n, name, len);
	} while (n && *at);
	return n;
}

/*
 * Groups.
 */

static uint64_t group_hash(const struct watch_node *n, const struct conn *c)
{
	return hash_bytes((uintptr_t)n, &c, sizeof(c));
}

struct watch_group *group_find(const struct watch_node *n, const struct conn *c)
{
	struct watch_group *g;

	if (!n || !places.nr_group_buckets)
		return NULL;
	for (g = places.groups[group_hash(n, c) & (places.nr_group_buckets - 1)]; g; g = g->next)
		if (g->node == n && g->c == c)
			return g;
	return NULL;
}

static bool groups_grow(void)
{
	unsigned n = places.nr_group_buckets ? places.nr_group_buckets * 2 : 64;
	struct watch_group **groups, *g, *next;

	if (places.nr_groups < places.nr_group_buckets)
		return true;
	groups = calloc(n, sizeof(*groups));
	if (!groups)
		return places.nr_group_buckets;
	for (unsigned i = 0; i < places.nr_group_buckets; i++)
		for (g = places.groups[i]; g; g = next) {
			next = g->next;
			g->next = groups[g->hash & (n - 1)];
			groups[g->hash & (n - 1)] = g;
		}
	free(places.groups);
	places.groups = groups;
	places.nr_group_buckets = n;
	return true;
}

static void count_privileged(struct watch_node *n, int more)
{
	for (; n; n = n->parent)
		n->privileged += (uint32_t)more;
}

static void group_link(struct watch_group *g, struct watch_group **at)
{
	struct watch_node *n = g->node;

	g->next_at_node = *at;
	g->prev_at_node = at;
	if (*at)
		(*at)->prev_at_node = &g->next_at_node;
	else
		n->last = &g->next_at_node;
	*at = g;
}

struct watch_group *group_make(struct watch_node *n, struct conn *c)
{
	struct watch_group *g = group_find(n, c), **bucket;

	if (g)
		return g;
	if (!groups_grow())
		return NULL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->node = n;
	g->c = c;
	g->last = &g->watches;
	g->max_depth = -1;
	g->hash = group_hash(n, c);
	bucket = &places.groups[g->hash & (places.nr_group_buckets - 1)];
	g->next = *bucket;
	*bucket = g;
	if (conn_privileged(c)) {
		group_link(g, &n->groups);
		count_privileged(n, 1);
	} else {
		group_link(g, n->last);
		if (!n->guests)
			n->guests = g;
	}
	places.nr_groups++;
	places.bytes += sizeof(*g);
	return g;
}

void group_drop(struct watch_group *g)
{
	struct watch_node *n = g->node;
	struct watch_group **at;

	if (g->watches)
		return;
	for (at = &places.groups[g->hash & (places.nr_group_buckets - 1)]; *at != g; at = &(*at)->next)
		;
	*at = g->next;
	if (n->guests == g)
		n->guests = g->next_at_node;
	*g->prev_at_node = g->next_at_node;
	if (g->next_at_node)
		g->next_at_node->prev_at_node = g->prev_at_node;
	else
		n->last = g->prev_at_node;
	if (conn_privileged(g->c))
		count_privileged(n, -1);
	free(g);
	places.nr_groups--;
	places.bytes -= sizeof(*g);
	if (!places.nr_groups) {
		free(places.groups);
		places.groups = NULL;
		places.nr_group_buckets = 0;
	}
}

struct watch_node *place_with_perms(const struct watch_node *n)
{
	unsigned i = n ? (unsigned)(n->hash & (places.nr_buckets - 1)) : 0;
	struct watch_node *next = n ? n->next : places.nr_buckets ? places.buckets[0] : NULL;

	for (;;) {
		for (; next; next = next->next)
			if (next->perms)
				return next;
		if (++i >= places.nr_buckets)
			return NULL;
		next = places.buckets[i];
	}
}

size_t place_bytes(void)
{
	return places.bytes + places.nr_buckets * sizeof(*places.buckets) +
	       places.nr_group_buckets * sizeof(*places.groups);
}
