/* Lists of children: finding, inserting, taking out, sharing. */
#include "dir.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static size_t chunk_bytes(unsigned cap)
{
	return sizeof(struct chunk) + cap * (sizeof(struct node *) + sizeof(uint32_t));
}

static size_t dir_bytes(unsigned cap)
{
	return sizeof(struct dir) + cap * (sizeof(struct chunk *) + sizeof(uint32_t));
}

static inline uint32_t *chunk_keys(const struct chunk *ch)
{
	return (uint32_t *)(ch->n + ch->cap);
}

static inline uint32_t *dir_keys(const struct dir *d)
{
	return (uint32_t *)(d->chunks + d->cap);
}

static struct chunk *chunk_new(unsigned cap)
{
	struct chunk *ch = tree_alloc(chunk_bytes(cap));

	if (!ch)
		return NULL;
	*ch = (struct chunk){ .refs = 1, .cap = (uint16_t)cap };
	return ch;
}

static struct dir *dir_new(unsigned cap)
{
	struct dir *d = tree_alloc(dir_bytes(cap));

	if (!d)
		return NULL;
	*d = (struct dir){ .refs = 1, .cap = cap };
	return d;
}

/*
 * Keys.
 */

/* Four bytes of a name from @skip on, as a number that orders as they do; zeros after its end. */
static inline uint32_t key_of(const char *s, size_t len, size_t skip)
{
	uint32_t key = 0;

	if (len >= skip + sizeof(key))
		memcpy(&key, s + skip, sizeof(key));
	else
		for (size_t i = skip; i < len; i++)
			((char *)&key)[i - skip] = s[i];
	return be32toh(key);
}

static inline uint32_t node_key(const struct node *n, size_t skip)
{
	return key_of(n->data, n->name_len, skip);
}

static inline int name_order(const struct node *n, const char *s, size_t len)
{
	size_t shorter = n->name_len < len ? n->name_len : len;
	int order = memcmp(n->data, s, shorter);

	return order ? order : (n->name_len > len) - (n->name_len < len);
}

static size_t common(const struct node *a, const struct node *b, size_t most)
{
	size_t n = 0;

	while (n < most && n < a->name_len && n < b->name_len && a->data[n] == b->data[n])
		n++;
	return n;
}

/* All begin with what the first and the last have in common. */
static void chunk_rekey(struct chunk *ch)
{
	uint32_t *keys = chunk_keys(ch);

	ch->skip = ch->nr > 1 ? (uint16_t)common(ch->n[0], ch->n[ch->nr - 1], UINT16_MAX) : 0;
	for (unsigned i = 0; i < ch->nr; i++)
		keys[i] = node_key(ch->n[i], ch->skip);
}

static const struct node *dir_last(const struct dir *d)
{
	const struct chunk *ch = d->chunks[d->nr_chunks - 1];

	return ch->n[ch->nr - 1];
}

static void dir_rekey(struct dir *d)
{
	uint32_t *keys = dir_keys(d);

	d->skip = (uint16_t)common(d->chunks[0]->n[0], dir_last(d), UINT16_MAX);
	for (unsigned i = 0; i < d->nr_chunks; i++)
		keys[i] = node_key(d->chunks[i]->n[0], d->skip);
}

/* -1, 1: @s is before, after all that begin with the first @skip bytes of @n's name; 0: it begins so too. */
static inline int prefix_order(const struct node *n, size_t skip, const char *s, size_t len)
{
	int order = skip ? memcmp(s, n->data, len < skip ? len : skip) : 0;

	return order ? order : len < skip ? -1 : 0;
}

/*
 * Sharing.
 */

struct dir *dir_of_one(struct node *child)
{
	struct dir *d = dir_new(1);
	struct chunk *ch = chunk_new(4);

	if (!d || !ch) {
		if (d)
			tree_free(d, dir_bytes(1));
		if (ch)
			tree_free(ch, chunk_bytes(4));
		return NULL;
	}
	ch->n[0] = child;
	ch->nr = 1;
	ch->names_len = child->name_len + 1u;
	chunk_rekey(ch);
	d->chunks[0] = ch;
	d->nr_chunks = 1;
	d->nr = 1;
	d->names_len = ch->names_len;
	dir_rekey(d);
	return d;
}

static void chunk_put(struct chunk *ch, struct node **doomed)
{
	if (--ch->refs)
		return;
	for (unsigned i = 0; i < ch->nr; i++)
		node_doom(doomed, ch->n[i]);
	tree_free(ch, chunk_bytes(ch->cap));
}

bool dir_put_part(struct dir *d, struct node **doomed)
{
	if (d->refs > 1) {
		d->refs--;
		return true;
	}
	chunk_put(d->chunks[--d->nr_chunks], doomed);
	if (d->nr_chunks)
		return false;
	tree_free(d, dir_bytes(d->cap));
	return true;
}

struct dir *dir_own(struct dir **slot)
{
	struct dir *d = *slot, *copy;
	unsigned cap;

	if (d->refs == 1)
		return d;
	copy = dir_new(d->nr_chunks + (d->nr_chunks > 1 ? d->nr_chunks / 16 + 1 : 0));
	if (!copy)
		return NULL;
	cap = copy->cap;
	*copy = *d;
	copy->cap = cap;
	copy->refs = 1;
	for (unsigned i = 0; i < d->nr_chunks; i++) {
		copy->chunks[i] = d->chunks[i];
		copy->chunks[i]->refs++;
	}
	memcpy(dir_keys(copy), dir_keys(d), d->nr_chunks * sizeof(uint32_t));
	d->refs--;
	*slot = copy;
	return copy;
}

struct chunk *chunk_own(struct chunk **slot)
{
	struct chunk *ch = *slot, *copy;

	if (ch->refs == 1)
		return ch;
	copy = tree_alloc(chunk_bytes(ch->cap));
	if (!copy)
		return NULL;
	memcpy(copy, ch, chunk_bytes(ch->cap));
	copy->refs = 1;
	for (unsigned i = 0; i < ch->nr; i++)
		copy->n[i]->refs++;
	ch->refs--;
	*slot = copy;
	return copy;
}

/*
 * Finding.
 */

static bool chunk_find(const struct chunk *ch, const char *s, size_t len, unsigned *pos)
{
	int order = prefix_order(ch->n[0], ch->skip, s, len);
	const uint32_t *keys = chunk_keys(ch);
	unsigned low = 0, high = ch->nr;
	uint32_t key;

	if (order) {
		*pos = order < 0 ? 0 : ch->nr;
		return false;
	}
	key = key_of(s, len, ch->skip);
	while (low < high) {
		unsigned mid = (low + high) / 2;

		order = keys[mid] < key ? -1 : keys[mid] > key ? 1 : name_order(ch->n[mid], s, len);
		if (!order) {
			*pos = mid;
			return true;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*pos = low;
	return false;
}

bool dir_find(const struct dir *d, const char *s, size_t len, unsigned *chunk, unsigned *pos)
{
	unsigned low = 0, high = d->nr_chunks;

	if (high > 1) {
		int order = prefix_order(d->chunks[0]->n[0], d->skip, s, len);
		const uint32_t *keys = dir_keys(d);
		uint32_t key = order ? 0 : key_of(s, len, d->skip);

		if (order > 0)
			low = high - 1;
		else if (order < 0)
			high = 1;
		/* The last chunk whose first name is not after ours. */
		while (high - low > 1) {
			unsigned mid = (low + high) / 2;

			if (keys[mid] < key || (keys[mid] == key && name_order(d->chunks[mid]->n[0], s, len) <= 0))
				low = mid;
			else
				high = mid;
		}
	}
	*chunk = low;
	return chunk_find(d->chunks[low], s, len, pos);
}

/*
 * Changing a directory that is ours alone.
 */

/* Up to 64 children. The pointers' array grows, so the keys behind it move. */
static struct chunk *chunk_grow(struct chunk **slot)
{
	struct chunk *ch = *slot;
	unsigned cap = ch->cap < CHUNK_MAX / 2 ? ch->cap * 2u : CHUNK_MAX;

	ch = tree_realloc(ch, chunk_bytes(ch->cap), chunk_bytes(cap));
	if (!ch)
		return NULL;
	ch->cap = (uint16_t)cap;
	chunk_rekey(ch);
	*slot = ch;
	return ch;
}

/* Room for one more chunk. May move *dp. */
static struct dir *dir_grow(struct dir **dp)
{
	struct dir *d = *dp;
	unsigned cap = d->cap + d->cap / 4 + 1;

	if (d->nr_chunks < d->cap)
		return d;
	d = tree_realloc(d, dir_bytes(d->cap), dir_bytes(cap));
	if (!d)
		return NULL;
	d->cap = cap;
	dir_rekey(d);
	*dp = d;
	return d;
}

/*
 * Chunk @at is full: a second one after it, with its upper half, or empty if @pos is at the very end: names that come in
 * order leave full chunks behind. An empty one must be filled, and its key set, by the caller. ENOMEM.
 */
static int chunk_split(struct dir **dp, unsigned at, unsigned pos)
{
	struct dir *d = dir_grow(dp);
	struct chunk *ch, *upper;
	uint32_t *keys;

	if (!d)
		return ENOMEM;
	upper = chunk_new(CHUNK_MAX);
	if (!upper)
		return ENOMEM;
	ch = d->chunks[at];
	if (at + 1 < d->nr_chunks || pos < ch->nr) {
		upper->nr = CHUNK_MAX / 2;
		ch->nr -= CHUNK_MAX / 2;
		memcpy(upper->n, ch->n + ch->nr, upper->nr * sizeof(upper->n[0]));
		for (unsigned i = 0; i < upper->nr; i++)
			upper->names_len += upper->n[i]->name_len + 1u;
		ch->names_len -= upper->names_len;
		chunk_rekey(upper);
		chunk_rekey(ch);
	}
	memmove(d->chunks + at + 2, d->chunks + at + 1, (d->nr_chunks - at - 1) * sizeof(d->chunks[0]));
	d->chunks[at + 1] = upper;
	keys = dir_keys(d);
	memmove(keys + at + 2, keys + at + 1, (d->nr_chunks - at - 1) * sizeof(keys[0]));
	if (upper->nr)
		keys[at + 1] = node_key(upper->n[0], d->skip);
	d->nr_chunks++;
	return 0;
}

static void chunk_insert(struct chunk *ch, unsigned pos, struct node *child)
{
	bool fits = ch->nr && common(ch->n[0], child, ch->skip) == ch->skip;
	uint32_t *keys = chunk_keys(ch);

	memmove(ch->n + pos + 1, ch->n + pos, (ch->nr - pos) * sizeof(ch->n[0]));
	ch->n[pos] = child;
	if (fits) {
		memmove(keys + pos + 1, keys + pos, (ch->nr - pos) * sizeof(keys[0]));
		keys[pos] = node_key(child, ch->skip);
	}
	ch->nr++;
	ch->names_len += child->name_len + 1u;
	if (!fits)
		chunk_rekey(ch);
}

int dir_insert(struct node *n, struct node *child)
{
	struct dir *d;
	unsigned at, pos;
	bool fits;

	if (!n->dir) {
		n->dir = dir_of_one(child);
		return n->dir ? 0 : ENOMEM;
	}
	d = dir_own(&n->dir);
	if (!d)
		return ENOMEM;
	dir_find(d, child->data, child->name_len, &at, &pos);
	if (!chunk_own(&d->chunks[at]))
		return ENOMEM;
	if (d->chunks[at]->nr == d->chunks[at]->cap) {
		if (d->chunks[at]->cap < CHUNK_MAX) {
			if (!chunk_grow(&d->chunks[at]))
				return ENOMEM;
		} else {
			if (chunk_split(&n->dir, at, pos))
				return ENOMEM;
			d = n->dir;
			if (!d->chunks[at + 1]->nr || pos > d->chunks[at]->nr) {
				pos -= d->chunks[at]->nr;
				at++;
			}
		}
	}
	fits = common(d->chunks[0]->n[0], child, d->skip) == d->skip;
	chunk_insert(d->chunks[at], pos, child);
	d->nr++;
	d->names_len += child->name_len + 1u;
	if (!fits)
		dir_rekey(d);
	else if (d->chunks[at]->nr == 1)
		dir_keys(d)[at] = node_key(child, d->skip);
	return 0;
}

static void chunk_remove(struct dir *d, unsigned at)
{
	uint32_t *keys = dir_keys(d);

	tree_free(d->chunks[at], chunk_bytes(d->chunks[at]->cap));
	d->nr_chunks--;
	memmove(d->chunks + at, d->chunks + at + 1, (d->nr_chunks - at) * sizeof(d->chunks[0]));
	memmove(keys + at, keys + at + 1, (d->nr_chunks - at) * sizeof(keys[0]));
}

/* Two neighbours that are ours alone and would fit one chunk with room to spare become one. */
static void chunk_merge(struct dir *d, unsigned at)
{
	struct chunk *ch = d->chunks[at], *next;

	if (at + 1 >= d->nr_chunks)
		return;
	next = d->chunks[at + 1];
	if (ch->refs > 1 || next->refs > 1 || ch->nr + next->nr > ch->cap || ch->nr + next->nr > CHUNK_MAX / 2)
		return;
	memcpy(ch->n + ch->nr, next->n, next->nr * sizeof(ch->n[0]));
	ch->nr += next->nr;
	ch->names_len += next->names_len;
	chunk_rekey(ch);
	chunk_remove(d, at + 1);
}

struct node *dir_take(struct node *n, unsigned at, unsigned pos)
{
	struct dir *d = n->dir;
	struct chunk *ch = d->chunks[at];
	struct node *child = ch->n[pos];
	uint32_t *keys = chunk_keys(ch);

	ch->nr--;
	memmove(ch->n + pos, ch->n + pos + 1, (ch->nr - pos) * sizeof(ch->n[0]));
	memmove(keys + pos, keys + pos + 1, (ch->nr - pos) * sizeof(keys[0]));
	ch->names_len -= child->name_len + 1u;
	d->nr--;
	d->names_len -= child->name_len + 1u;
	if (!ch->nr) {
		chunk_remove(d, at);
	} else if (ch->nr < CHUNK_MAX / 4) {
		chunk_merge(d, at);
		if (at)
			chunk_merge(d, at - 1);
	}
	if (!d->nr_chunks) {
		tree_free(d, dir_bytes(d->cap));
		n->dir = NULL;
	}
	return child;
}

/*
 * Lists of names.
 */

struct node *node_child(const struct node *n, const char *name)
{
	unsigned chunk, pos;

	return n->dir && dir_find(n->dir, name, strlen(name), &chunk, &pos) ? n->dir->chunks[chunk]->n[pos] : NULL;
}

const struct node *node_next_child(const struct node *n, unsigned *chunk, unsigned *pos)
{
	const struct dir *d = n->dir;

	if (d && *chunk < d->nr_chunks && *pos == d->chunks[*chunk]->nr) {
		*pos = 0;
		++*chunk;
	}
	return d && *chunk < d->nr_chunks ? d->chunks[*chunk]->n[(*pos)++] : NULL;
}

uint32_t node_nr_children(const struct node *n)
{
	return n->dir ? n->dir->nr : 0;
}

size_t node_names_len(const struct node *n)
{
	return n->dir ? n->dir->names_len : 0;
}

void node_names(const struct node *n, char *buf)
{
	bool end;

	node_names_part(n, 0, buf, node_names_len(n), &end);
}

/* The names of one chunk, from byte *offset of its own list on. False: there was no room for one. */
static bool chunk_names(const struct chunk *ch, size_t *offset, char *buf, size_t room, size_t *filled)
{
	for (unsigned i = 0; i < ch->nr; i++) {
		const struct node *child = ch->n[i];
		size_t len = child->name_len + 1u, from = 0;

		if (*offset >= len) {
			*offset -= len;
			continue;
		}
		from = *offset;
		*offset = 0;
		if (len - from > room - *filled)
			return false;
		memcpy(buf + *filled, child->data + from, len - from);
		*filled += len - from;
	}
	return true;
}

size_t node_names_part(const struct node *n, size_t offset, char *buf, size_t room, bool *end)
{
	size_t filled = 0;

	*end = true;
	for (unsigned i = 0; n->dir && i < n->dir->nr_chunks; i++) {
		if (offset >= n->dir->chunks[i]->names_len) {
			offset -= n->dir->chunks[i]->names_len;
		} else if (!chunk_names(n->dir->chunks[i], &offset, buf, room, &filled)) {
			*end = false;
			break;
		}
	}
	return filled;
}

/*
 * Checking.
 */

static bool chunk_check(const struct chunk *ch)
{
	const uint32_t *keys = chunk_keys(ch);
	uint32_t names = 0;

	if (!ch->nr || ch->nr > ch->cap || ch->cap > CHUNK_MAX)
		return false;
	for (unsigned i = 0; i < ch->nr; i++) {
		if (i && name_order(ch->n[i - 1], ch->n[i]->data, ch->n[i]->name_len) >= 0)
			return false;
		if (common(ch->n[0], ch->n[i], ch->skip) != ch->skip || keys[i] != node_key(ch->n[i], ch->skip))
			return false;
		names += ch->n[i]->name_len + 1u;
	}
	return names == ch->names_len;
}

bool node_check(const struct node *n)
{
	const struct dir *d = n->dir;
	uint32_t nr = 0, names = 0;

	if (!d)
		return true;
	if (!d->nr_chunks || d->nr_chunks > d->cap)
		return false;
	for (unsigned i = 0; i < d->nr_chunks; i++) {
		const struct chunk *ch = d->chunks[i], *before = i ? d->chunks[i - 1] : NULL;
		const struct node *last = before ? before->n[before->nr - 1] : NULL;

		if (!chunk_check(ch) || common(d->chunks[0]->n[0], ch->n[0], d->skip) != d->skip)
			return false;
		if (last && (name_order(last, ch->n[0]->data, ch->n[0]->name_len) >= 0 ||
			     dir_keys(d)[i] < node_key(last, d->skip) || dir_keys(d)[i] > node_key(ch->n[0], d->skip)))
			return false;
		nr += ch->nr;
		names += ch->names_len;
	}
	return nr == d->nr && names == d->names_len;
}
