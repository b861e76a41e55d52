/* The tree of nodes: persistent, copied on write where shared, changed in place where not. */
#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "conflict.h"
#include "dir.h"

/* What takes about as long as an ordinary request, and what does not matter beside one. */
#define BURIED_PER_STEP 28
#define BURIED_AT_ONCE 4

static struct {
	uint64_t generation; /* last given */
	size_t bytes;
	struct node *doomed; /* nobody has them any more */
	struct chore burial;
	bool burying; /* the chore waits */
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

static inline size_t node_bytes_of(size_t name_len, size_t value_len)
{
	return sizeof(struct node) + name_len + 1 + value_len;
}

static size_t node_bytes(const struct node *n)
{
	return node_bytes_of(n->name_len, n->value_len);
}

void *tree_alloc(size_t size)
{
	void *p = malloc(size);

	if (p)
		tree.bytes += size;
	return p;
}

void tree_free(void *p, size_t size)
{
	tree.bytes -= size;
	free(p);
}

void *tree_realloc(void *p, size_t old, size_t size)
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
	memcpy(n->data, name, name_len);
	n->data[name_len] = '\0';
	if (value_len)
		memcpy(n->data + name_len + 1, value, value_len);
	return n;
}

struct node *tree_get(struct node *root)
{
	root->refs++;
	return root;
}

/* A node that is going has no use for its generation: the list of the going is threaded through it. */
void node_doom(struct node **list, struct node *n)
{
	if (--n->refs)
		return;
	n->generation = (uintptr_t)*list;
	*list = n;
}

/* About @most of the doomed. A large directory goes chunk by chunk. True: none is left. */
static bool bury(unsigned most)
{
	while (tree.doomed && most--) {
		struct node *n = tree.doomed;

		tree.doomed = (struct node *)(uintptr_t)n->generation;
		if (n->dir && !dir_put_part(n->dir, &tree.doomed)) {
			n->generation = (uintptr_t)tree.doomed;
			tree.doomed = n;
			continue;
		}
		perms_put(n->perms);
		tree_free(n, node_bytes(n));
	}
	return !tree.doomed;
}

static bool bury_step(struct chore *c)
{
	tree.burying = !bury(BURIED_PER_STEP);
	return !tree.burying;
}

void tree_put(struct node *root)
{
	if (!root)
		return;
	node_doom(&tree.doomed, root);
	if (tree.burying || bury(BURIED_AT_ONCE))
		return;
	tree.burying = true;
	tree.burial.step = bury_step;
	chores_add(&tree.burial);
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

/*
 * Finding.
 */

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

struct node **tree_own(struct node **root, const char *path, size_t len)
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

void chain_begin(struct chain *ch, const char *rest)
{
	*ch = (struct chain){ .left = strlen(rest) };
}

void chain_drop(struct chain *ch)
{
	tree_put(ch->top);
	*ch = (struct chain){ .top = NULL };
}

bool chain_add(struct chain *ch, const char *rest, const void *value, size_t len, struct perms *perms, unsigned most)
{
	while (ch->left && most--) {
		size_t end = ch->left, at = end;
		struct node *n;

		while (at && rest[at - 1] != '/')
			at--;
		n = ch->top ? node_new(rest + at, end - at, NULL, 0, perms) :
			      node_new(rest + at, end - at, value, len, perms);
		if (n && ch->top) {
			n->dir = dir_of_one(ch->top);
			if (!n->dir) {
				tree_put(n);
				n = NULL;
			}
		}
		if (!n) {
			chain_drop(ch);
			return false;
		}
		if (!ch->top)
			ch->last = n;
		ch->top = n;
		ch->left = at ? at - 1 : 0;
	}
	return true;
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

struct node *tree_write_at(struct node **slot, const char *rest, const void *value, size_t len, struct perms *perms)
{
	struct chain ch;

	if (!*rest)
		return node_set_value(slot, value, len) ? NULL : *slot;
	chain_begin(&ch, rest);
	return chain_add(&ch, rest, value, len, perms, UINT_MAX) ? tree_hang(slot, &ch) : NULL;
}

struct node *tree_hang(struct node **slot, struct chain *ch)
{
	struct node *last = ch->last;

	if (dir_insert(*slot, ch->top)) {
		chain_drop(ch);
		return NULL;
	}
	(*slot)->generation = next_generation();
	*ch = (struct chain){ .top = NULL };
	return last;
}

int tree_write(struct node **root, const char *path, size_t known, const void *value, size_t len, struct perms *perms)
{
	struct node **slot = tree_own(root, path, known);
	const char *rest = path + known + (path[known] == '/');

	return slot && tree_write_at(slot, rest, value, len, perms) ? 0 : ENOMEM;
}

int tree_set_perms(struct node **root, const char *path, struct perms *perms)
{
	struct node **slot, *n;

	if (!tree_find(*root, path))
		return ENOENT;
	slot = tree_own(root, path, strlen(path));
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
	struct node *taken;
	int err = tree_detach(root, path, &taken);

	if (!err)
		tree_put(taken);
	return err;
}

int tree_detach(struct node **root, const char *path, struct node **taken)
{
	const char *slash = strrchr(path, '/');
	struct node **slot, *n;
	unsigned at, pos;

	if (!path[1] || !tree_find(*root, path))
		return ENOENT;
	slot = tree_own(root, path, slash > path ? (size_t)(slash - path) : 1);
	if (!slot)
		return ENOMEM;
	n = *slot;
	if (!dir_own(&n->dir))
		return ENOMEM;
	dir_find(n->dir, slash + 1, strlen(slash + 1), &at, &pos);
	if (!chunk_own(&n->dir->chunks[at]))
		return ENOMEM;
	*taken = dir_take(n, at, pos);
	n->generation = next_generation();
	return 0;
}

int tree_graft(struct node **root, const char *path, struct node *n)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash > path ? (size_t)(slash - path) : 1, known;
	struct node **slot, *old;
	unsigned at, pos;
	int err;

	(void)tree_find_nearest(*root, path, &known);
	if (known < len)
		return ENOENT;
	slot = tree_own(root, path, len);
	if (!slot)
		return ENOMEM;
	if (path[known]) {
		err = dir_insert(*slot, tree_get(n));
		if (err) {
			n->refs--;
			return err;
		}
	} else {
		if (!dir_own(&(*slot)->dir))
			return ENOMEM;
		dir_find((*slot)->dir, slash + 1, strlen(slash + 1), &at, &pos);
		if (!chunk_own(&(*slot)->dir->chunks[at]))
			return ENOMEM;
		old = (*slot)->dir->chunks[at]->n[pos];
		(*slot)->dir->chunks[at]->n[pos] = tree_get(n);
		tree_put(old);
	}
	(*slot)->generation = next_generation();
	return 0;
}

/*
 * Sizes.
 */

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
	tree_cursor_reopen(cur, top, path);
	return cur;
}

void tree_cursor_reopen(struct tree_cursor *cur, struct node *top, const char *path)
{
	cur->depth = 0;
	cur->leave = false;
	cur->path_len = strlen(path);
	memcpy(cur->path, path, cur->path_len + 1);
	cur->stack[0].n = top;
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

bool tree_cursor_more(const struct tree_cursor *cur)
{
	return cur->stack[0].n;
}

const struct node *tree_cursor_parent(const struct tree_cursor *cur)
{
	return cur->stack[cur->depth - 2].n;
}

bool tree_exceeds(const struct node *top, unsigned most)
{
	const struct node *seen[TREE_EXCEEDS_MAX];
	unsigned nr = 1;

	seen[0] = top;
	for (unsigned at = 0; at < nr; at++) {
		const struct dir *d = seen[at]->dir;

		for (unsigned i = 0; d && i < d->nr_chunks; i++)
			for (unsigned k = 0; k < d->chunks[i]->nr; k++) {
				if (nr > most)
					return true;
				seen[nr++] = d->chunks[i]->n[k];
			}
	}
	return false;
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
