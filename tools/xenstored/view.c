/* Operations on nodes, and their effects. */
#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "effect.h"
#include "hash.h"
#include "live.h"
#include "owned.h"
#include "removal.h"
#include "watch.h"

#define CREATED 8      /* nodes a guest may make with one request */
#define MADE_AT_ONCE 2 /* of these; others in parts */
#define COUNTED 24     /* nodes of a subtree whose removal in a transaction makes room for others in it */
#define TABLE_FROM 16  /* effects; below that a search in the list is as good */
/* With more bytes copied on the way to a node, what happens there is another piece of work; but a request comes again only so often. */
#define COPIED 512
#define PASSES 8

void view_init(struct view *v, struct node *root, const struct conn *c, bool collect)
{
	*v = (struct view){ .root = root, .c = c, .collect = collect };
	v->last = &v->first;
}

static void effect_free(struct effect *e)
{
	perms_put(e->before);
	perms_put(e->parent);
	free(e->own);
	free(e);
}

void view_clear(struct view *v)
{
	struct effect *e, *next;

	for (e = v->first; e; e = next) {
		next = e->next;
		effect_free(e);
	}
	free(v->table);
	if (v->removal)
		removal_drop(v->removal);
	v->removal = NULL;
	v->table = NULL;
	v->first = NULL;
	v->last = &v->first;
	v->nr = v->nr_buckets = 0;
	v->nodes = v->bytes = 0;
}

void view_drop(struct view *v)
{
	view_clear(v);
	tree_put(v->root);
	v->root = NULL;
}

/*
 * Noting effects.
 */

static struct effect *effect_find(const struct view *v, const char *path, uint32_t hash)
{
	struct effect *e;

	if (v->table) {
		for (e = v->table[hash & (v->nr_buckets - 1)]; e; e = e->same_bucket)
			if (e->hash == hash && !strcmp(e->path, path))
				return e;
		return NULL;
	}
	for (e = v->first; e; e = e->next)
		if (e->hash == hash && !strcmp(e->path, path))
			return e;
	return NULL;
}

static int table_grow(struct view *v)
{
	unsigned n = v->nr_buckets ? v->nr_buckets * 2 : TABLE_FROM * 4;
	struct effect **table, *e;

	if (v->nr < TABLE_FROM || v->nr < v->nr_buckets)
		return 0;
	table = calloc(n, sizeof(*table));
	if (!table)
		return v->table ? 0 : ENOMEM;
	for (e = v->first; e; e = e->next) {
		e->same_bucket = table[e->hash & (n - 1)];
		table[e->hash & (n - 1)] = e;
	}
	free(v->table);
	v->table = table;
	v->nr_buckets = n;
	return 0;
}

static void effect_append(struct view *v, struct effect *e)
{
	e->next = NULL;
	e->prev = v->last;
	*v->last = e;
	v->last = &e->next;
}

static void effect_to_end(struct view *v, struct effect *e)
{
	if (!e->next)
		return;
	*e->prev = e->next;
	e->next->prev = e->prev;
	effect_append(v, e);
}

/*
 * Bytes an owner is charged for a node: the node, its entry in the set of owned paths, its place in its parent and what it
 * takes to have children.
 */
#define NODE_OVERHEAD 96
static uint32_t charge_for(size_t name_len, size_t value_len, size_t path_len)
{
	return (uint32_t)(sizeof(struct node) + name_len + 1 + value_len + NODE_OVERHEAD + sizeof(struct owned_entry) +
			  path_len + 1);
}

uint32_t view_charge(const struct node *n, size_t path_len)
{
	return charge_for(n->name_len, n->value_len, path_len);
}

/* The effect for @path: the one noted before, or a new one that remembers @n as it is now. NULL: out of memory. */
static struct effect *effect_note(struct view *v, const char *path, const struct node *n, const struct node *parent)
{
	size_t len = strlen(path);
	uint32_t hash = (uint32_t)hash_bytes(0, path, len);
	struct effect *e = effect_find(v, path, hash);

	if (e)
		return e;
	if (table_grow(v))
		return NULL;
	e = malloc(sizeof(*e) + len + 1);
	if (!e)
		return NULL;
	*e = (struct effect){ .hash = hash, .exact = true };
	memcpy(e->path, path, len + 1);
	if (n) {
		e->before = perms_get(n->perms);
		e->bytes_before = view_charge(n, len);
	}
	if (parent)
		e->parent = perms_get(parent->perms);
	effect_append(v, e);
	if (v->table) {
		e->same_bucket = v->table[hash & (v->nr_buckets - 1)];
		v->table[hash & (v->nr_buckets - 1)] = e;
	}
	v->nr++;
	return e;
}

/* A future owner's entry, made now so that nothing can fail later. */
static int effect_prepare_owner(struct effect *e, const struct perms *ps)
{
	if (e->own || !perms_owner(ps))
		return 0;
	e->own = owned_entry_new(e->path);
	return e->own ? 0 : ENOMEM;
}

/* Node @path changes: an event, permissions @ps afterwards, and if @owner it may have to be found by its owner (owned.h). */
static int note_change(struct view *v, const char *path, const struct node *n, const struct node *parent,
		       const struct perms *ps, bool event, bool owner)
{
	struct effect *e;

	if (!v->collect)
		return 0;
	e = effect_note(v, path, n, parent);
	if (!e)
		return ENOMEM;
	/* Created: what is made now must come after its parent, which may have been made just now too. */
	if (!n)
		effect_to_end(v, e);
	if (event) {
		e->event = true;
		e->exact = false;
	}
	return owner ? effect_prepare_owner(e, ps) : 0;
}

/* Does the client, an unprivileged one, count this node against its own domain? */
static bool counts(const struct view *v, const struct perms *ps)
{
	return v->c && !conn_privileged(v->c) && perms_owner(ps) == v->c->domain;
}

static void count(struct view *v, const struct perms *ps, int sign, size_t bytes)
{
	if (!counts(v, ps))
		return;
	v->nodes += sign;
	v->bytes += sign * (int64_t)bytes;
}

static bool privileged(const struct view *v)
{
	return !v->c || conn_privileged(v->c);
}

/*
 * Access. For a missing node the nearest existing one above decides whether the client may know that it is missing.
 */

/* ENOENT, or EACCES if the client has none of @access at @nearest. */
static int missing(const struct view *v, const struct node *nearest, unsigned access)
{
	return perms_access(nearest->perms, v->c) & access ? ENOENT : EACCES;
}

int view_read(struct view *v, const char *path, struct node **n)
{
	size_t len;

	*n = tree_find_nearest(v->root, path, &len);
	if (path[len])
		return missing(v, *n, WIRE_PERM_READ);
	return perms_access((*n)->perms, v->c) & WIRE_PERM_READ ? 0 : EACCES;
}

/* The parent of an existing node; NULL for "/". */
struct node *view_parent(const struct view *v, const char *path)
{
	char buf[XENSTORE_ABS_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');
	size_t len = slash > path ? (size_t)(slash - path) : 1;

	if (!path[1])
		return NULL;
	memcpy(buf, path, len);
	buf[len] = '\0';
	return tree_find(v->root, buf);
}

/* Refusals of a guest's node of this size. The classic daemon refuses from the limit on, not beyond it. */
static int check_size(const struct view *v, size_t size)
{
	return quota_too_big(v->c->domain, QUOTA_NODE_SIZE, size + 1) ? ENOSPC : 0;
}

static int check_memory(struct view *v, int64_t more)
{
	return more > 0 && quota_exceeded(v->c->domain, QUOTA_MEMORY, v->bytes + more) ? ENOSPC : 0;
}

/* May its request come again, when another part of it is done? */
static bool in_parts(const struct view *v)
{
	return v->live && !privileged(v) && v->c->passes < PASSES;
}

/*
 * The slot of a node for a change, or NULL and *err. EINPROGRESS: what others have a snapshot of was copied, and that is enough for once.
 */
static struct node **slot_of(struct view *v, const char *path, size_t len, int *err)
{
	size_t before = tree_bytes();
	struct node **slot = tree_own(&v->root, path, len);

	if (!slot)
		*err = ENOMEM;
	else if (in_parts(v) && tree_bytes() - before > COPIED)
		*err = EINPROGRESS;
	return *err ? NULL : slot;
}

/* Nodes for a guest, which nobody has seen yet. */
static struct {
	struct chain chain;
	char rest[XENSTORE_ABS_PATH_MAX + 1];
} making;

void view_forget_making(void)
{
	chain_drop(&making.chain);
}

/* Make some of the nodes of @rest, if there are many. EINPROGRESS: there are more to make; ENOMEM. */
static int make_some(struct view *v, const char *rest, const void *value, size_t len, struct perms *ps)
{
	struct chain *ch = &making.chain;

	if (!ch->top || strcmp(making.rest, rest) || ch->last->perms != ps || ch->last->value_len != len ||
	    (len && memcmp(node_value(ch->last), value, len))) {
		chain_drop(ch);
		chain_begin(ch, strcpy(making.rest, rest));
	}
	if (!chain_add(ch, rest, value, len, ps, in_parts(v) ? MADE_AT_ONCE : CREATED))
		return ENOMEM;
	return ch->left ? EINPROGRESS : 0;
}

/*
 * What slot_of() found is changed; if @made, what is missing there is made already. The live view has no effect but this one, which need not
 * look for the node again.
 */
static int write_at(struct view *v, struct node **slot, const char *rest, const void *value, size_t len,
		    struct perms *ps, bool made)
{
	struct node *n = made ? tree_hang(slot, &making.chain) : tree_write_at(slot, rest, value, len, ps);

	if (n && v->live)
		v->first->now = n;
	return n ? 0 : ENOMEM;
}

/* A new value for an existing node. */
static int set_value(struct view *v, const char *path, size_t path_len, struct node *n, const struct node *parent,
		     const void *value, size_t len)
{
	bool counted = counts(v, n->perms);
	int64_t more = (int64_t)len - n->value_len;
	struct node **slot = NULL;
	int err = 0;

	if (!privileged(v)) {
		if (more > 0)
			err = check_size(v, node_size(n) + (size_t)more);
		if (!err && counted)
			err = check_memory(v, more);
	}
	if (!err)
		err = note_change(v, path, n, parent, n->perms, true, false);
	if (!err)
		slot = slot_of(v, path, path_len, &err);
	if (slot)
		err = write_at(v, slot, "", value, len, n->perms, false);
	if (!err && counted)
		v->bytes += more;
	return err;
}

/* Of the first name of a path, which is short. */
static size_t name_len(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != '/')
		n++;
	return n;
}

/* Quotas for the nodes that @rest, below @nearest, would add. *many: it is better to make them in parts. */
static int check_create(struct view *v, const char *path, const char *rest, const struct node *nearest,
			const struct perms *ps, size_t len, bool *many)
{
	size_t largest = node_size(nearest) + name_len(rest) + 1, size;
	unsigned nr = 0;
	int64_t bytes = 0;
	int err = 0;

	*many = false;
	if (privileged(v))
		return 0;
	for (const char *at = rest, *end; *at; at = end + (*end == '/')) {
		size_t name = name_len(at);

		end = at + name;
		nr++;
		size = *end ? node_size_of(ps->nr, 0, name_len(end + 1) + 1) : node_size_of(ps->nr, len, 0);
		largest = size > largest ? size : largest;
		bytes += charge_for(name, *end ? 0 : len, (size_t)(end - path));
	}
	*many = v->live && nr > MADE_AT_ONCE;
	if (nr > CREATED)
		err = ENOSPC;
	if (!err)
		err = check_size(v, largest);
	if (!err && quota_exceeded(v->c->domain, QUOTA_NODES, v->nodes + nr))
		err = ENOSPC;
	if (!err)
		err = check_memory(v, bytes);
	return err;
}

/* Note the creation of each node of @rest; only the last has an event. Counts go up at the end, when it is done. */
static int note_create(struct view *v, const char *path, const char *rest, const struct node *nearest,
		       const struct perms *ps)
{
	char buf[XENSTORE_ABS_PATH_MAX + 1];
	const struct node *parent = nearest;
	/* The others have a parent with their owner. */
	bool owner = perms_owner(ps) != perms_owner(nearest->perms);
	int err = 0;

	if (!v->collect)
		return 0;
	for (const char *at = rest; *at && !err; parent = NULL) {
		size_t len = (size_t)(at - path) + strcspn(at, "/");

		memcpy(buf, path, len);
		buf[len] = '\0';
		err = note_change(v, buf, NULL, parent, ps, !path[len], owner && parent);
		at = path + len + (path[len] == '/');
	}
	return err;
}

/* The same on the live tree, which has no other effect: one for all, which are of one owner and have one event. */
static int note_chain(struct view *v, const char *path, const char *rest, const struct node *nearest,
		      const struct perms *ps)
{
	size_t top_len = (size_t)(rest - path) + name_len(rest);
	struct effect *e = effect_note(v, path, NULL, path[top_len] ? NULL : nearest);
	char top[XENSTORE_ABS_PATH_MAX + 1];

	if (!e)
		return ENOMEM;
	e->event = true;
	e->exact = false;
	e->top_len = (uint32_t)top_len;
	if (perms_owner(ps) == perms_owner(nearest->perms) || !perms_owner(ps))
		return 0;
	memcpy(top, path, top_len);
	top[top_len] = '\0';
	e->own = owned_entry_new(top);
	return e->own ? 0 : ENOMEM;
}

static void count_created(struct view *v, const char *path, const char *rest, const struct perms *ps, size_t value_len)
{
	uint32_t nr = 0, bytes = 0;

	for (const char *at = rest; *at; nr++) {
		size_t name = name_len(at);
		const char *end = at + name;

		bytes += charge_for(name, *end ? 0 : value_len, (size_t)(end - path));
		at = end + (*end == '/');
	}
	if (v->live) {
		v->first->made = nr;
		v->first->made_bytes = bytes;
	}
	if (counts(v, ps)) {
		v->nodes += nr;
		v->bytes += bytes;
	}
}

/* Create @path below @nearest, which @known bytes of it name. */
static int create(struct view *v, const char *path, size_t known, struct node *nearest, const void *value, size_t len)
{
	const char *rest = path + known + (path[known] == '/');
	struct node **slot = NULL;
	struct perms *ps;
	bool many;
	int err;

	if (!(perms_access(nearest->perms, v->c) & WIRE_PERM_WRITE))
		return EACCES;
	ps = perms_inherit(nearest->perms, v->c);
	if (!ps)
		return ENOMEM;
	err = check_create(v, path, rest, nearest, ps, len, &many);
	if (!err && many)
		err = make_some(v, rest, value, len, ps);
	if (!err)
		err = v->live ? note_chain(v, path, rest, nearest, ps) : note_create(v, path, rest, nearest, ps);
	if (!err)
		slot = slot_of(v, path, known, &err);
	if (slot)
		err = write_at(v, slot, rest, value, len, ps, many);
	if (!err)
		count_created(v, path, rest, ps, len);
	perms_put(ps);
	return err;
}

int view_write(struct view *v, const char *path, const void *value, size_t len)
{
	size_t known;
	struct node *parent, *n = tree_find_family(v->root, path, &known, &parent);

	if (path[known])
		return create(v, path, known, n, value, len);
	if (!(perms_access(n->perms, v->c) & WIRE_PERM_WRITE))
		return EACCES;
	return set_value(v, path, known, n, parent, value, len);
}

int view_mkdir(struct view *v, const char *path)
{
	size_t known;
	struct node *n = tree_find_nearest(v->root, path, &known);

	if (path[known])
		return create(v, path, known, n, NULL, 0);
	return perms_access(n->perms, v->c) & WIRE_PERM_WRITE ? 0 : EACCES;
}

/*
 * Removal. Descendants matter only if somebody watches one, owns one, or this view has changed one; they are noted before
 * the root of the subtree.
 */

static bool descendant_matters(const struct view *v, const struct node *n, const struct watch_node *watched,
			       const char *path)
{
	return watch_here(watched) || perms_owner(n->perms) ||
	       (v->nr && effect_find(v, path, (uint32_t)hash_bytes(0, path, strlen(path))));
}

static int note_descendant(struct view *v, const char *path, const struct node *n, const struct node *parent,
			   const struct watch_node *watched, bool counted)
{
	struct effect *e;

	if (counted)
		count(v, n->perms, -1, view_charge(n, strlen(path)));
	if (!v->collect || !descendant_matters(v, n, watched, path))
		return 0;
	e = effect_note(v, path, n, parent);
	if (!e)
		return ENOMEM;
	e->event = true;
	e->removed = true;
	return 0;
}

/* All below @top, children before parents, and @top's own count. */
static int note_subtree(struct view *v, const char *path, struct node *top)
{
	struct {
		struct node *n;
		struct watch_node *watched;
	} *stack = NULL;
	struct tree_cursor *cur;
	enum tree_step step;
	unsigned room = 0, visited = 0;
	struct node *n;
	/* What a large subtree gives back it gives with the commit. So a transaction's own view, which only counts, needs no walk. */
	bool counted = v->live || !tree_exceeds(top, COUNTED);
	int err = 0;

	if (!top->dir || (!v->collect && (privileged(v) || !counted))) {
		count(v, top->perms, -1, view_charge(top, strlen(path)));
		return 0;
	}
	cur = tree_cursor_open(top, path);
	while (cur && !err && (n = tree_cursor_next(cur, &step))) {
		unsigned depth = tree_cursor_depth(cur);

		visited++;

		if (step == TREE_ENTER) {
			if (depth >= room) {
				unsigned more = room ? room * 2 : 16;
				void *grown = realloc(stack, more * sizeof(*stack));

				if (!grown) {
					err = ENOMEM;
					break;
				}
				stack = grown;
				room = more;
			}
			stack[depth].n = n;
			stack[depth].watched = depth ? watch_child(stack[depth - 1].watched, n->data, n->name_len) :
						       watch_cursor(path);
		} else if (depth) {
			err = note_descendant(v, tree_cursor_path(cur), n, stack[depth - 1].n, stack[depth].watched,
					      counted);
		} else {
			count(v, n->perms, -1, view_charge(n, strlen(path)));
		}
	}
	if (!cur)
		err = ENOMEM;
	else
		tree_cursor_close(cur);
	conn_work(visited / 8);
	free(stack);
	return err;
}

/* A large subtree of the live tree: gone at once, and taken apart later. */
static int remove_large(struct view *v, const char *path, struct node *n, const struct node *parent)
{
	struct effect *e = effect_note(v, path, n, parent);
	struct node *taken;
	int err;

	v->removal = e ? removal_new(path) : NULL;
	if (!v->removal)
		return ENOMEM;
	e->event = true;
	e->exact = false;
	e->removed = true;
	err = tree_detach(&v->root, path, &taken);
	if (!err)
		removal_of(v->removal, taken);
	return err;
}

/* Remove an existing node other than "/", whoever asks. */
static int remove_node(struct view *v, const char *path, struct node *n, const struct node *parent)
{
	int64_t nodes = v->nodes, bytes = v->bytes;
	int err;

	if (v->live && removal_large(n))
		return remove_large(v, path, n, parent);
	err = note_subtree(v, path, n);

	if (!err && v->collect) {
		struct effect *e = effect_note(v, path, n, parent);

		if (e) {
			e->event = true;
			e->exact = false;
			e->removed = true;
		} else {
			err = ENOMEM;
		}
	}
	if (!err)
		err = tree_remove(&v->root, path);
	if (err) {
		v->nodes = nodes;
		v->bytes = bytes;
	}
	return err;
}

int view_rm(struct view *v, const char *path)
{
	size_t known;
	struct node *parent, *n = tree_find_family(v->root, path, &known, &parent);

	if (path[known]) {
		int err = missing(v, n, WIRE_PERM_WRITE);

		/* Nothing to remove is fine where there is a place for it. */
		return err == ENOENT && !strchr(path + known + 1, '/') ? 0 : err;
	}
	if (!(perms_access(n->perms, v->c) & WIRE_PERM_WRITE))
		return EACCES;
	if (!path[1])
		return EINVAL;
	return remove_node(v, path, n, parent);
}

int view_remove(struct view *v, const char *path)
{
	size_t known;
	struct node *parent, *n = tree_find_family(v->root, path, &known, &parent);

	return !path[known] && path[1] ? remove_node(v, path, n, parent) : ENOENT;
}

int view_set_perms(struct view *v, const char *path, const struct perm *p, unsigned nr)
{
	size_t known, len = strlen(path);
	struct node *parent, *n = tree_find_family(v->root, path, &known, &parent);
	struct perms *ps;
	int err = 0;

	if (path[known])
		return perms_owned_by(n->perms, v->c) ? ENOENT : missing(v, n, WIRE_PERM_WRITE);
	if (!perms_owned_by(n->perms, v->c))
		return EACCES;
	if (!privileged(v)) {
		if (p[0].id != n->perms->p[0].id)
			return EPERM;
		if (nr > n->perms->nr)
			err = check_size(v, node_size_of(nr, n->value_len, node_names_len(n)));
		if (err)
			return err;
	}
	ps = perms_intern(p, nr);
	if (!ps)
		return ENOMEM;
	err = note_change(v, path, n, parent, ps, true, true);
	if (!err) {
		count(v, n->perms, -1, view_charge(n, len));
		err = tree_set_perms(&v->root, path, ps);
		n = tree_find(v->root, path);
		count(v, n->perms, 1, view_charge(n, len));
	}
	perms_put(ps);
	return err;
}

bool view_touches(const struct view *v, const char *path)
{
	size_t len = strlen(path);

	for (const struct effect *e = v->first; e; e = e->next) {
		size_t e_len = strlen(e->path), shorter = e_len < len ? e_len : len;

		if (strncmp(e->path, path, shorter))
			continue;
		/* Equal, above, or a child. */
		if (e_len == len || (e_len < len && path[e_len] == '/') || len == 1 ||
		    (e_len > len && e->path[len] == '/' && !strchr(e->path + len + 1, '/')))
			return true;
	}
	return false;
}

int view_restore(struct view *v, const char *path, const void *value, size_t len, struct perms *ps)
{
	size_t known;
	struct node *n = tree_find_nearest(v->root, path, &known);
	int err = note_change(v, path, path[known] ? NULL : n, NULL, ps, false, true);

	if (!err)
		err = tree_write(&v->root, path, known, value, len, ps);
	if (!err)
		err = tree_set_perms(&v->root, path, ps);
	if (err)
		view_clear(v);
	else
		view_settle(v);
	return err;
}
