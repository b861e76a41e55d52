/* The tree of nodes: persistent, copied on write where shared, changed in place where not. */
#include "tree.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conflict.h"

#define CHUNK_MAX 64

/* Up to 64 children in order of name; never empty. */
struct chunk {
	uint32_t refs;
	uint16_t nr, cap;
	struct node *n[]; /* a reference each */
};

/* The children of a node; never empty. */
struct dir {
	uint32_t refs;
	uint32_t nr;	    /* children */
	uint32_t names_len; /* of their names with NULs */
	uint32_t nr_chunks, cap;
	struct chunk *chunks[]; /* a reference each */
};

static struct {
	uint64_t generation; /* last given */
	size_t bytes;
} tree;

uint64_t tree_generation(void)
{
	return tree.generation + 1;
}

void tree_set_generation(uint64_t next)
{
	if (next > tree.generation)
		tree.generation = next - 1;
}

static uint64_t next_generation(void)
{
	conflict_note(++tree.generation);
	return tree.generation;
}

size_t tree_bytes(void)
{
	return tree.bytes;
}

/*
 * Memory.
 */

/* At least this much of the name's place is there, so that names are compared by words first. */
#define NAME_WORD sizeof(uint64_t)

static inline size_t node_bytes_of(size_t name_len, size_t value_len)
{
	size_t data = name_len + 1 + value_len;

	return sizeof(struct node) + (data < NAME_WORD ? NAME_WORD : data);
}

static size_t node_bytes(const struct node *n)
{
	return node_bytes_of(n->name_len, n->value_len);
}

static size_t chunk_bytes(unsigned cap)
{
	return sizeof(struct chunk) + cap * sizeof(struct node *);
}

static size_t dir_bytes(unsigned cap)
{
	return sizeof(struct dir) + cap * sizeof(struct chunk *);
}

static void *tree_alloc(size_t size)
{
	void *p = malloc(size);

	if (p)
		tree.bytes += size;
	return p;
}

static void tree_free(void *p, size_t size)
{
	tree.bytes -= size;
	free(p);
}

/* The old object stays as it is if there is no memory. */
static void *tree_realloc(void *p, size_t old, size_t size)
{
	void *q = realloc(p, size);

	if (q)
		tree.bytes += size - old;
	return q;
}

static struct node *node_new(const char *name, size_t name_len, const void *value, size_t value_len,
			     struct perms *perms)
{
	struct node *n = tree_alloc(node_bytes_of(name_len, value_len));

	if (!n)
		return NULL;
	n->refs = 1;
	n->name_len = (uint16_t)name_len;
	n->value_len = (uint16_t)value_len;
	n->generation = next_generation();
	n->perms = perms_get(perms);
	n->dir = NULL;
	memset(n->data, 0, NAME_WORD);
	memcpy(n->data, name, name_len);
	n->data[name_len] = '\0';
	if (value_len)
		memcpy(n->data + name_len + 1, value, value_len);
	return n;
}

static struct chunk *chunk_new(unsigned cap)
{
	struct chunk *ch = tree_alloc(chunk_bytes(cap));

	if (!ch)
		return NULL;
	ch->refs = 1;
	ch->nr = 0;
	ch->cap = (uint16_t)cap;
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

/* A directory with one child, whose reference is taken over. */
static struct dir *dir_of_one(struct node *child)
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
	d->chunks[0] = ch;
	d->nr_chunks = 1;
	d->nr = 1;
	d->names_len = child->name_len + 1u;
	return d;
}

struct node *tree_get(struct node *root)
{
	root->refs++;
	return root;
}

/* A node that is going has no use for its generation: the list of the going is threaded through it. */
static void doom(struct node **list, struct node *n)
{
	if (--n->refs)
		return;
	n->generation = (uintptr_t)*list;
	*list = n;
}

static void chunk_put(struct chunk *ch, struct node **list)
{
	if (--ch->refs)
		return;
	for (unsigned i = 0; i < ch->nr; i++)
		doom(list, ch->n[i]);
	tree_free(ch, chunk_bytes(ch->cap));
}

static void dir_put(struct dir *d, struct node **list)
{
	if (--d->refs)
		return;
	for (unsigned i = 0; i < d->nr_chunks; i++)
		chunk_put(d->chunks[i], list);
	tree_free(d, dir_bytes(d->cap));
}

static void bury(struct node *list)
{
	while (list) {
		struct node *n = list;

		list = (struct node *)(uintptr_t)n->generation;
		perms_put(n->perms);
		if (n->dir)
			dir_put(n->dir, &list);
		tree_free(n, node_bytes(n));
	}
}

void tree_put(struct node *root)
{
	struct node *list = NULL;

	if (!root)
		return;
	doom(&list, root);
	bury(list);
}

/*
 * Sole ownership: the object in *slot is made ours alone. What it refers to is shared with the original then.
 */

static struct node *node_own(struct node **slot)
{
	struct node *n = *slot, *copy;

	if (n->refs == 1)
		return n;
	copy = tree_alloc(node_bytes(n));
	if (!copy)
		return NULL;
	memcpy(copy, n, node_bytes(n));
	copy->refs = 1;
	perms_get(copy->perms);
	if (copy->dir)
		copy->dir->refs++;
	n->refs--;
	*slot = copy;
	return copy;
}

static struct dir *dir_own(struct dir **slot)
{
	struct dir *d = *slot, *copy;

	if (d->refs == 1)
		return d;
	copy = dir_new(d->nr_chunks + (d->nr_chunks > 1 ? d->nr_chunks / 16 + 1 : 0));
	if (!copy)
		return NULL;
	copy->nr = d->nr;
	copy->names_len = d->names_len;
	copy->nr_chunks = d->nr_chunks;
	for (unsigned i = 0; i < d->nr_chunks; i++) {
		copy->chunks[i] = d->chunks[i];
		copy->chunks[i]->refs++;
	}
	d->refs--;
	*slot = copy;
	return copy;
}

static struct chunk *chunk_own(struct chunk **slot)
{
	struct chunk *ch = *slot, *copy;

	if (ch->refs == 1)
		return ch;
	copy = chunk_new(ch->cap);
	if (!copy)
		return NULL;
	copy->nr = ch->nr;
	for (unsigned i = 0; i < ch->nr; i++) {
		copy->n[i] = ch->n[i];
		copy->n[i]->refs++;
	}
	ch->refs--;
	*slot = copy;
	return copy;
}

/*
 * Finding.
 */

/* A name that is looked for: its first bytes as a number that orders as they do, zeros after its end. */
struct name {
	uint64_t word;
	const char *s;
	size_t len;
};

static inline uint64_t word_of(const char *s, size_t len)
{
	uint64_t word = 0;

	if (len >= NAME_WORD)
		memcpy(&word, s, NAME_WORD);
	else
		for (size_t i = 0; i < len; i++)
			((char *)&word)[i] = s[i];
	return be64toh(word);
}

static inline uint64_t node_word(const struct node *n)
{
	uint64_t word;

	memcpy(&word, n->data, NAME_WORD);
	word = be64toh(word);
	/* What follows a short name is not part of it. */
	return n->name_len < NAME_WORD ? word & ~(UINT64_MAX >> (8 * n->name_len)) : word;
}

static inline int name_order(const struct node *n, const struct name *name)
{
	uint64_t word = node_word(n);
	size_t shorter = n->name_len < name->len ? n->name_len : name->len;
	int order;

	if (word != name->word)
		return word < name->word ? -1 : 1;
	if (shorter > NAME_WORD) {
		order = memcmp(n->data + NAME_WORD, name->s + NAME_WORD, shorter - NAME_WORD);
		if (order)
			return order;
	}
	return (n->name_len > name->len) - (n->name_len < name->len);
}

/* The place of @name, or where it would have to go; true if it is there. */
static bool dir_find(const struct dir *d, const char *s, size_t len, unsigned *chunk, unsigned *pos)
{
	const struct name name = { word_of(s, len), s, len };
	unsigned low = 0, high = d->nr_chunks;
	const struct chunk *ch;

	/* The last chunk whose first name is not after ours. */
	while (high - low > 1) {
		unsigned mid = (low + high) / 2;

		if (name_order(d->chunks[mid]->n[0], &name) <= 0)
			low = mid;
		else
			high = mid;
	}
	*chunk = low;
	ch = d->chunks[low];
	low = 0;
	high = ch->nr;
	while (low < high) {
		unsigned mid = (low + high) / 2;
		int order = name_order(ch->n[mid], &name);

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

static inline size_t component_len(const char *s)
{
	const char *at = s;

	while (*at && *at != '/')
		at++;
	return (size_t)(at - s);
}

struct node *tree_find_family(struct node *root, const char *path, size_t *len, struct node **parent)
{
	const char *at = path + 1;
	struct node *n = root;

	*len = 1;
	*parent = NULL;
	while (*at && n->dir) {
		size_t l = component_len(at);
		unsigned chunk, pos;

		if (!dir_find(n->dir, at, l, &chunk, &pos))
			break;
		*parent = n;
		n = n->dir->chunks[chunk]->n[pos];
		at += l;
		*len = (size_t)(at - path);
		at += *at == '/';
	}
	return n;
}

struct node *tree_find_nearest(struct node *root, const char *path, size_t *len)
{
	struct node *parent;

	return tree_find_family(root, path, len, &parent);
}

struct node *tree_find(struct node *root, const char *path)
{
	size_t len;
	struct node *n = tree_find_nearest(root, path, &len);

	return path[len] ? NULL : n;
}

/* The slot of the existing node that the first @len bytes of @path name, everything on the way ours alone. */
static struct node **own_path(struct node **root, const char *path, size_t len)
{
	struct node **slot = root;
	size_t at = 1;

	if (!node_own(slot))
		return NULL;
	while (at < len) {
		size_t l = component_len(path + at);
		struct node *n = *slot;
		struct chunk *ch;
		unsigned chunk, pos;

		if (!dir_own(&n->dir) || !dir_find(n->dir, path + at, l, &chunk, &pos))
			return NULL;
		ch = chunk_own(&n->dir->chunks[chunk]);
		if (!ch)
			return NULL;
		slot = &ch->n[pos];
		if (!node_own(slot))
			return NULL;
		at += l + 1;
	}
	return slot;
}

/*
 * Changing a directory that is ours alone.
 */

/* Room for one more in chunk @at; a full one is split, or left full when names come in order. May move *d. */
static int chunk_make_room(struct dir **dp, unsigned at, unsigned pos)
{
	struct dir *d = *dp;
	struct chunk *ch = d->chunks[at], *upper;
	unsigned cap;

	if (ch->nr < ch->cap)
		return 0;
	if (ch->cap < CHUNK_MAX) {
		cap = ch->cap < CHUNK_MAX / 2 ? ch->cap * 2u : CHUNK_MAX;
		ch = tree_realloc(ch, chunk_bytes(ch->cap), chunk_bytes(cap));
		if (!ch)
			return ENOMEM;
		ch->cap = (uint16_t)cap;
		d->chunks[at] = ch;
		return 0;
	}
	if (d->nr_chunks == d->cap) {
		cap = d->cap + d->cap / 4 + 1;
		d = tree_realloc(d, dir_bytes(d->cap), dir_bytes(cap));
		if (!d)
			return ENOMEM;
		d->cap = cap;
		*dp = d;
	}
	upper = chunk_new(CHUNK_MAX);
	if (!upper)
		return ENOMEM;
	if (at + 1 < d->nr_chunks || pos < ch->nr) {
		upper->nr = CHUNK_MAX / 2;
		ch->nr -= CHUNK_MAX / 2;
		memcpy(upper->n, ch->n + ch->nr, upper->nr * sizeof(upper->n[0]));
	}
	memmove(d->chunks + at + 2, d->chunks + at + 1, (d->nr_chunks - at - 1) * sizeof(d->chunks[0]));
	d->chunks[at + 1] = upper;
	d->nr_chunks++;
	return 0;
}

/* @child, whose reference is taken over on success, becomes a child of @n. */
static int dir_insert(struct node *n, struct node *child)
{
	struct chunk *ch;
	unsigned at, pos;
	int err;

	if (!n->dir) {
		n->dir = dir_of_one(child);
		return n->dir ? 0 : ENOMEM;
	}
	if (!dir_own(&n->dir))
		return ENOMEM;
	dir_find(n->dir, child->data, child->name_len, &at, &pos);
	if (!chunk_own(&n->dir->chunks[at]))
		return ENOMEM;
	err = chunk_make_room(&n->dir, at, pos);
	if (err)
		return err;
	ch = n->dir->chunks[at];
	if (pos > ch->nr || (pos == ch->nr && ch->nr == CHUNK_MAX)) {
		pos -= ch->nr;
		ch = n->dir->chunks[at + 1];
	}
	memmove(ch->n + pos + 1, ch->n + pos, (ch->nr - pos) * sizeof(ch->n[0]));
	ch->n[pos] = child;
	ch->nr++;
	n->dir->nr++;
	n->dir->names_len += child->name_len + 1u;
	return 0;
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
	tree_free(next, chunk_bytes(next->cap));
	memmove(d->chunks + at + 1, d->chunks + at + 2, (d->nr_chunks - at - 2) * sizeof(d->chunks[0]));
	d->nr_chunks--;
}

/* Take the child at chunk @at, @pos out of @n, whose directory and chunk are ours. Its reference is the caller's. */
static struct node *dir_take(struct node *n, unsigned at, unsigned pos)
{
	struct dir *d = n->dir;
	struct chunk *ch = d->chunks[at];
	struct node *child = ch->n[pos];

	ch->nr--;
	memmove(ch->n + pos, ch->n + pos + 1, (ch->nr - pos) * sizeof(ch->n[0]));
	d->nr--;
	d->names_len -= child->name_len + 1u;
	if (!ch->nr) {
		tree_free(ch, chunk_bytes(ch->cap));
		d->nr_chunks--;
		memmove(d->chunks + at, d->chunks + at + 1, (d->nr_chunks - at) * sizeof(d->chunks[0]));
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
 * Operations.
 */

struct node *tree_new(void)
{
	struct perm n0 = { 0 };
	struct perms *perms = perms_intern(&n0, 1);
	struct node *root;

	if (!perms)
		return NULL;
	root = node_new("", 0, NULL, 0, perms);
	perms_put(perms);
	return root;
}

/* A new node for each component of @rest, the last with the value. NULL: out of memory. */
static struct node *chain_new(const char *rest, const void *value, size_t len, struct perms *perms)
{
	const char *end = rest + strlen(rest);
	struct node *below = NULL;

	while (end > rest) {
		const char *name = end;
		struct node *n;

		while (name > rest && name[-1] != '/')
			name--;
		n = below ? node_new(name, (size_t)(end - name), NULL, 0, perms) :
			    node_new(name, (size_t)(end - name), value, len, perms);
		if (n && below) {
			n->dir = dir_of_one(below);
			if (!n->dir) {
				tree_put(n);
				n = NULL;
			}
		}
		if (!n) {
			tree_put(below);
			return NULL;
		}
		below = n;
		end = name > rest ? name - 1 : rest;
	}
	return below;
}

static int node_set_value(struct node **slot, const void *value, size_t len)
{
	struct node *n = *slot;

	if (len != n->value_len) {
		n = tree_realloc(n, node_bytes(n), node_bytes_of(n->name_len, len));
		if (!n)
			return ENOMEM;
		n->value_len = (uint16_t)len;
		*slot = n;
	}
	if (len)
		memcpy(n->data + n->name_len + 1, value, len);
	n->generation = next_generation();
	return 0;
}

int tree_write(struct node **root, const char *path, size_t known, const void *value, size_t len, struct perms *perms)
{
	struct node **slot, *chain;
	int err;

	slot = own_path(root, path, known);
	if (!slot)
		return ENOMEM;
	if (!path[known])
		return node_set_value(slot, value, len);
	chain = chain_new(path + known + (path[known] == '/'), value, len, perms);
	if (!chain)
		return ENOMEM;
	err = dir_insert(*slot, chain);
	if (err)
		tree_put(chain);
	else
		(*slot)->generation = next_generation();
	return err;
}

int tree_set_perms(struct node **root, const char *path, struct perms *perms)
{
	struct node **slot, *n;

	if (!tree_find(*root, path))
		return ENOENT;
	slot = own_path(root, path, strlen(path));
	if (!slot)
		return ENOMEM;
	n = *slot;
	perms_get(perms);
	perms_put(n->perms);
	n->perms = perms;
	n->generation = next_generation();
	return 0;
}

int tree_remove(struct node **root, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct node **slot, *n;
	unsigned at, pos;

	if (!path[1] || !tree_find(*root, path))
		return ENOENT;
	slot = own_path(root, path, slash > path ? (size_t)(slash - path) : 1);
	if (!slot)
		return ENOMEM;
	n = *slot;
	if (!dir_own(&n->dir))
		return ENOMEM;
	dir_find(n->dir, slash + 1, strlen(slash + 1), &at, &pos);
	if (!chunk_own(&n->dir->chunks[at]))
		return ENOMEM;
	tree_put(dir_take(n, at, pos));
	n->generation = next_generation();
	return 0;
}

/*
 * Lists of children.
 */

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

size_t node_names_part(const struct node *n, size_t offset, char *buf, size_t room, bool *end)
{
	size_t skipped = 0, filled = 0;

	*end = true;
	if (!n->dir || offset >= n->dir->names_len)
		return 0;
	for (unsigned i = 0; i < n->dir->nr_chunks; i++)
		for (unsigned j = 0; j < n->dir->chunks[i]->nr; j++) {
			const struct node *child = n->dir->chunks[i]->n[j];
			size_t len = child->name_len + 1u, from = 0;

			if (skipped + len <= offset) {
				skipped += len;
				continue;
			}
			if (skipped < offset) {
				from = offset - skipped;
				skipped = offset;
			}
			if (len - from > room - filled) {
				*end = false;
				return filled;
			}
			memcpy(buf + filled, child->data + from, len - from);
			filled += len - from;
		}
	return filled;
}

bool node_check(const struct node *n)
{
	const struct node *last = NULL;
	uint32_t nr = 0, names = 0;

	if (!n->dir)
		return true;
	for (unsigned i = 0; i < n->dir->nr_chunks; i++) {
		const struct chunk *ch = n->dir->chunks[i];

		if (!ch->nr || ch->nr > ch->cap || ch->cap > CHUNK_MAX)
			return false;
		for (unsigned j = 0; j < ch->nr; j++) {
			const struct name name = { node_word(ch->n[j]), ch->n[j]->data, ch->n[j]->name_len };

			if (last && name_order(last, &name) >= 0)
				return false;
			last = ch->n[j];
			nr++;
			names += last->name_len + 1u;
		}
	}
	return nr && nr == n->dir->nr && names == n->dir->names_len && n->dir->nr_chunks <= n->dir->cap;
}

size_t node_size_of(unsigned nr_perms, size_t value_len, size_t names_len)
{
	/* The classic daemon's record: 24 bytes of header, 8 for each permission, then value and names. */
	return 24 + 8 * (size_t)nr_perms + value_len + names_len;
}

size_t node_size(const struct node *n)
{
	return node_size_of(n->perms->nr, n->value_len, node_names_len(n));
}

/*
 * Walks. A path of 3072 bytes has at most 1536 components, so the stack has a fixed size.
 */

#define WALK_DEPTH (XENSTORE_ABS_PATH_MAX / 2 + 2)

struct tree_cursor {
	unsigned depth; /* frames in use; the top one is the node returned last or its parent */
	bool leave;	/* the top frame was left: pop it */
	size_t path_len;
	struct {
		struct node *n;
		uint32_t chunk;
		uint16_t pos;
		uint16_t path_len;
	} stack[WALK_DEPTH];
	char path[XENSTORE_ABS_PATH_MAX + 1];
};

struct tree_cursor *tree_cursor_open(struct node *top, const char *path)
{
	struct tree_cursor *cur = malloc(sizeof(*cur));

	if (!cur)
		return NULL;
	cur->depth = 0;
	cur->leave = false;
	cur->path_len = strlen(path);
	memcpy(cur->path, path, cur->path_len + 1);
	cur->stack[0].n = top;
	return cur;
}

static struct node *cursor_push(struct tree_cursor *cur, struct node *n)
{
	cur->stack[cur->depth].n = n;
	cur->stack[cur->depth].chunk = 0;
	cur->stack[cur->depth].pos = 0;
	cur->stack[cur->depth].path_len = (uint16_t)cur->path_len;
	cur->depth++;
	return n;
}

struct node *tree_cursor_next(struct tree_cursor *cur, enum tree_step *step)
{
	struct node *n, *child;
	const struct chunk *ch;

	*step = TREE_ENTER;
	if (!cur->depth)
		return cur->stack[0].n ? cursor_push(cur, cur->stack[0].n) : NULL;
	if (cur->leave) {
		cur->leave = false;
		if (!--cur->depth) {
			cur->stack[0].n = NULL;
			return NULL;
		}
		cur->path_len = cur->stack[cur->depth - 1].path_len;
		cur->path[cur->path_len] = '\0';
	}
	n = cur->stack[cur->depth - 1].n;
	if (!n->dir || cur->stack[cur->depth - 1].chunk >= n->dir->nr_chunks || cur->depth == WALK_DEPTH) {
		cur->leave = true;
		*step = TREE_LEAVE;
		return n;
	}
	ch = n->dir->chunks[cur->stack[cur->depth - 1].chunk];
	child = ch->n[cur->stack[cur->depth - 1].pos];
	if (++cur->stack[cur->depth - 1].pos == ch->nr) {
		cur->stack[cur->depth - 1].pos = 0;
		cur->stack[cur->depth - 1].chunk++;
	}
	if (cur->path_len > 1)
		cur->path[cur->path_len++] = '/';
	memcpy(cur->path + cur->path_len, child->data, child->name_len + 1u);
	cur->path_len += child->name_len;
	return cursor_push(cur, child);
}

const char *tree_cursor_path(const struct tree_cursor *cur)
{
	return cur->path;
}

unsigned tree_cursor_depth(const struct tree_cursor *cur)
{
	return cur->depth - 1;
}

void tree_cursor_skip(struct tree_cursor *cur)
{
	cur->stack[cur->depth - 1].chunk = UINT32_MAX;
}

void tree_cursor_close(struct tree_cursor *cur)
{
	free(cur);
}
