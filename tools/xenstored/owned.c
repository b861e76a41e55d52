/* Sets of paths by owner: a chained hash table whose entries are made beforehand, so that inserting cannot fail. */
#include "owned.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

struct owned_entry *owned_entry_new(const char *path)
{
	size_t len = strlen(path);
	struct owned_entry *e = malloc(sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	e->next = NULL;
	e->len = (uint32_t)len;
	e->hash = (uint32_t)hash_bytes(0, path, len);
	memcpy(e->path, path, len + 1);
	return e;
}

struct owned *owned_new(void)
{
	struct owned *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->nr_buckets = 16;
	o->buckets = calloc(o->nr_buckets, sizeof(*o->buckets));
	if (!o->buckets) {
		free(o);
		return NULL;
	}
	return o;
}

void owned_free(struct owned *o)
{
	struct owned_entry *e, *next;

	if (!o)
		return;
	for (unsigned i = 0; i < o->nr_buckets; i++)
		for (e = o->buckets[i]; e; e = next) {
			next = e->next;
			free(e);
		}
	free(o->buckets);
	free(o);
}

static struct owned_entry **owned_place(struct owned *o, uint32_t hash, const char *path, size_t len)
{
	struct owned_entry **at = &o->buckets[hash & (o->nr_buckets - 1)];

	while (*at && ((*at)->hash != hash || (*at)->len != len || memcmp((*at)->path, path, len)))
		at = &(*at)->next;
	return at;
}

/* Without memory the chains only get longer. */
static void owned_grow(struct owned *o)
{
	unsigned n = o->nr_buckets * 2;
	struct owned_entry **buckets = calloc(n, sizeof(*buckets)), *e, *next;

	if (!buckets)
		return;
	for (unsigned i = 0; i < o->nr_buckets; i++)
		for (e = o->buckets[i]; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (n - 1)];
			buckets[e->hash & (n - 1)] = e;
		}
	free(o->buckets);
	o->buckets = buckets;
	o->nr_buckets = n;
}

void owned_insert(struct owned *o, struct owned_entry *e)
{
	struct owned_entry **at;

	if (o->nr >= o->nr_buckets)
		owned_grow(o);
	at = owned_place(o, e->hash, e->path, e->len);
	if (*at) {
		free(e);
		return;
	}
	e->next = NULL;
	*at = e;
	o->nr++;
}

void owned_remove(struct owned *o, const char *path)
{
	size_t len = strlen(path);
	struct owned_entry **at = owned_place(o, (uint32_t)hash_bytes(0, path, len), path, len), *e = *at;

	if (!e)
		return;
	*at = e->next;
	free(e);
	o->nr--;
}

bool owned_has(const struct owned *o, const char *path)
{
	size_t len = strlen(path);
	uint32_t hash = (uint32_t)hash_bytes(0, path, len);
	const struct owned_entry *e = o->buckets[hash & (o->nr_buckets - 1)];

	while (e && (e->hash != hash || e->len != len || memcmp(e->path, path, len)))
		e = e->next;
	return e;
}

/* '/' sorts before all else, so that a node comes right before its descendants. */
static int path_order(const struct owned_entry *a, const struct owned_entry *b)
{
	return strcmp(a->path, b->path);
}

/* Merge two sorted lists. */
static struct owned_entry *merge(struct owned_entry *a, struct owned_entry *b)
{
	struct owned_entry *first = NULL, **last = &first;

	while (a && b) {
		struct owned_entry **from = path_order(a, b) <= 0 ? &a : &b;

		*last = *from;
		last = &(*from)->next;
		*from = (*from)->next;
	}
	*last = a ? a : b;
	return first;
}

struct owned_entry *owned_take_all(struct owned *o)
{
	/* runs[i] is a sorted list of 2^i entries or empty: a merge sort without memory of its own. */
	struct owned_entry *runs[32] = { NULL }, *e, *next, *all = NULL;
	unsigned i;

	for (unsigned b = 0; b < o->nr_buckets; b++) {
		for (e = o->buckets[b]; e; e = next) {
			struct owned_entry *run = e;

			next = e->next;
			run->next = NULL;
			for (i = 0; runs[i] && i < 31; i++) {
				run = merge(runs[i], run);
				runs[i] = NULL;
			}
			runs[i] = runs[i] ? merge(runs[i], run) : run;
		}
		o->buckets[b] = NULL;
	}
	o->nr = 0;
	for (i = 0; i < 32; i++)
		all = merge(runs[i], all);
	return all;
}
