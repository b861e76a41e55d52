/* Trees and operations of the model. Slow on purpose. */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool path_parent(const char *path, char *buf)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return false;
	memcpy(buf, path, (size_t)(slash - path));
	buf[slash - path] = '\0';
	return true;
}

bool path_below(const char *path, const char *top)
{
	size_t n = strlen(top);
	return !strncmp(path, top, n) && (!path[n] || path[n] == '/');
}

static struct mnode *node_new(const char *path, const void *value, size_t len, const struct mperm *perms, unsigned nr)
{
	struct mnode *n = malloc(sizeof(*n) + strlen(path) + 1);
	n->refs = 1;
	strcpy(n->path, path);
	n->value = malloc(len + 1);
	memcpy(n->value, value, len);
	n->len = len;
	memcpy(n->perms, perms, nr * sizeof(*perms));
	n->nr_perms = nr;
	return n;
}

static void node_put(struct mnode *n)
{
	if (--n->refs)
		return;
	free(n->value);
	free(n);
}

void tree_copy(struct mtree *to, const struct mtree *from)
{
	to->nr = to->size = from->nr;
	to->n = malloc((from->nr + 1) * sizeof(*to->n));
	for (unsigned i = 0; i < from->nr; i++) {
		to->n[i] = from->n[i];
		to->n[i]->refs++;
	}
}

void tree_free(struct mtree *t)
{
	for (unsigned i = 0; i < t->nr; i++)
		node_put(t->n[i]);
	free(t->n);
	memset(t, 0, sizeof(*t));
}

/* Where @path is or would be. */
static unsigned place(const struct mtree *t, const char *path, bool *found)
{
	unsigned low = 0, high = t->nr;
	while (low < high) {
		unsigned mid = (low + high) / 2;
		int c = strcmp(t->n[mid]->path, path);
		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = false;
	return low;
}

struct mnode *tree_get(const struct mtree *t, const char *path)
{
	bool found;
	unsigned i = place(t, path, &found);
	return found ? t->n[i] : NULL;
}

void tree_put(struct mtree *t, const char *path, const void *value, size_t len, const struct mperm *perms, unsigned nr)
{
	struct mnode *n = node_new(path, value, len, perms, nr);
	bool found;
	unsigned i = place(t, path, &found);
	if (found) {
		node_put(t->n[i]);
		t->n[i] = n;
		return;
	}
	if (t->nr == t->size) {
		t->size = t->size * 2 + 16;
		t->n = realloc(t->n, t->size * sizeof(*t->n));
	}
	memmove(t->n + i + 1, t->n + i, (t->nr - i) * sizeof(*t->n));
	t->n[i] = n;
	t->nr++;
}

static void tree_remove(struct mtree *t, const char *top)
{
	unsigned k = 0;
	for (unsigned i = 0; i < t->nr; i++) {
		if (path_below(t->n[i]->path, top))
			node_put(t->n[i]);
		else
			t->n[k++] = t->n[i];
	}
	t->nr = k;
}

unsigned tree_owned(const struct mtree *t, unsigned domid)
{
	unsigned n = 0;
	for (unsigned i = 0; i < t->nr; i++)
		n += t->n[i]->perms[0].id == domid;
	return n;
}

static bool alive(const struct model *m, const struct mperm *p)
{
	return !p->id || (p->id < MAX_DOMAINS && p->life && p->life == m->life[p->id]);
}

/* Made for a domain that has died since; one made for a domain that never was stays, without meaning. */
static bool dead(const struct model *m, const struct mperm *p)
{
	return p->life && !alive(m, p);
}

unsigned model_access(const struct model *m, const struct mnode *n, unsigned domid)
{
	if (!domid || n->perms[0].id == domid)
		return 3;
	for (unsigned i = 1; i < n->nr_perms; i++)
		if (n->perms[i].id == domid && alive(m, &n->perms[i]))
			return n->perms[i].access;
	return n->perms[0].access;
}

static const struct mnode *nearest(const struct mtree *t, const char *path)
{
	char up[96];
	struct mnode *n;
	strcpy(up, path);
	while (!(n = tree_get(t, up)))
		path_parent(up, up);
	return n;
}

static void set(struct answer *a, const char *text)
{
	a->len = strlen(text) + 1;
	memcpy(a->data, text, a->len);
}

static void read_node(const struct mtree *t, const struct op *op, const struct mnode *n, struct answer *a)
{
	char up[96];
	a->len = 0;
	if (op->type == OP_READ) {
		memcpy(a->data, n->value, n->len);
		a->len = n->len;
		return;
	}
	for (unsigned i = 0; op->type == OP_GET_PERMS && i < n->nr_perms; i++)
		a->len += (size_t)sprintf(a->data + a->len, "%c%u", "nrwb"[n->perms[i].access], n -> perms[i].id) + 1;
	for (unsigned i = 0; op->type == OP_LIST && i < t->nr; i++) {
		const char *path = t->n[i]->path;
		if (path_parent(path, up) && !strcmp(up, n->path))
			a->len += (size_t)sprintf(a->data + a->len, "%s", path + strlen(up) + 1) + 1;
	}
}

static int create(const struct model *m, struct mtree *t, const struct op *op, int elsewhere)
{
	const struct mnode *from = nearest(t, op->path);
	struct mperm perms[MAX_PERMS];
	unsigned nr = 0, made = 0;
	char path[96];
	int will;
	if (!(model_access(m, from, op->domid) & 2))
		return EACCES;
	for (const char *s = op->path + strlen(from->path); *s; s++)
		made += *s == '/';
	/* Over the limit only what adds to the sum of it all is refused. */
	will = (int)tree_owned(t, op->domid) + elsewhere + (int)made;
	if (op->domid && will > (int)m->node_limit && will > (int)tree_owned(&m->live, op->domid))
		return ENOSPC;
	for (unsigned i = 0; i < from->nr_perms; i++)
		if (!i || !dead(m, &from->perms[i]))
			perms[nr++] = from->perms[i];
	if (op->domid) {
		perms[0].id = op->domid;
		perms[0].life = m->life[op->domid];
	}
	strcpy(path, op->path);
	for (char *s = path + strlen(from->path) + 1;; s++) {
		if (*s && *s != '/')
			continue;
		char was = *s;
		*s = '\0';
		tree_put(t, path, op->value, was ? 0 : op->len, perms, nr);
		*s = was;
		if (!was)
			return 0;
	}
}

static int change(const struct model *m, struct mtree *t, const struct op *op, int elsewhere)
{
	struct mnode *n = tree_get(t, op->path);
	struct mperm perms[MAX_PERMS];
	unsigned access = model_access(m, n ? n : nearest(t, op->path), op->domid);
	char up[96];
	if (op->type == OP_WRITE || op->type == OP_MKDIR) {
		if (!n)
			return create(m, t, op, elsewhere);
		if (!(access & 2))
			return EACCES;
		if (op->type == OP_WRITE)
			tree_put(t, op->path, op->value, op->len, memcpy(perms, n->perms, sizeof(perms)), n->nr_perms);
		return 0;
	}
	if (op->type == OP_RM) {
		if (!(access & 2))
			return EACCES;
		if (!n)
			return path_parent(op->path, up) && tree_get(t, up) ? 0 : ENOENT;
		if (!*op->path)
			return EINVAL;
		tree_remove(t, op->path);
		return 0;
	}
	if (!n)
		return nearest(t, op->path)->perms[0].id == op->domid || !op->domid || access & 2 ? ENOENT : EACCES;
	if (op->domid && n->perms[0].id != op->domid)
		return EACCES;
	if (op->domid && op->perms[0].id != op->domid)
		return EPERM;
	for (unsigned i = 0; i < op->nr_perms; i++) {
		perms[i] = op->perms[i];
		perms[i].life = m->life[perms[i].id];
	}
	tree_put(t, op->path, n->value, n->len, perms, op->nr_perms);
	return 0;
}

void model_apply(const struct model *m, struct mtree *t, const struct op *op, int elsewhere, struct answer *a)
{
	const struct mnode *n = tree_get(t, op->path);
	a->len = 0;
	a->err = 0;
	if (op->type == OP_SET_PERMS && op->perms[0].id && !m->life[op->perms[0].id])
		a->err = ENOENT; /* nobody can own for a domain that is not there */
	else if (op->type > OP_GET_PERMS)
		a->err = change(m, t, op, elsewhere);
	else if (!(model_access(m, n ? n : nearest(t, op->path), op->domid) & 1))
		a->err = EACCES;
	else if (!n)
		a->err = ENOENT;
	else
		read_node(t, op, n, a);
	if (!a->err && op->type > OP_GET_PERMS)
		set(a, "OK");
}

/* Entries of dead domains are not shown. */
static bool perms_equal(const struct model *m, const struct mnode *n, const struct answer *a)
{
	const char *s = a->data, *end = a->data + a->len;
	char entry[24];
	for (unsigned i = 0; i < n->nr_perms; i++) {
		snprintf(entry, sizeof(entry), "%c%u", "nrwb"[n->perms[i].access], n -> perms[i].id);
		if (i && dead(m, &n->perms[i]))
			continue;
		if (s >= end || strcmp(s, entry))
			return false;
		s += strlen(s) + 1;
	}
	return s == end;
}

bool answers_equal(const struct model *m, const struct op *op, const struct mtree *t, const struct answer *a,
		   const struct answer *b)
{
	if (a->err || b->err)
		return a->err == b->err;
	if (op->type == OP_GET_PERMS)
		return perms_equal(m, tree_get(t, op->path), b);
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static size_t list_perms(const struct model *m, const struct mnode *n, char *out, size_t size)
{
	size_t at = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < n->nr_perms && at < size - 32; i++)
		at += (size_t)snprintf(out + at, size - at, " %c%u/life %u now %u", "nrwb"[n->perms[i].access],
				       n -> perms[i].id, n->perms[i].life, m->life[n->perms[i].id]);
	return at;
}

const char *tree_difference(const struct model *m, const struct mtree *a, const struct mtree *b)
{
	static char text[640];
	char ours[200], theirs[200];
	for (unsigned i = 0; i < a->nr || i < b->nr; i++) {
		const struct mnode *x = i < a->nr ? a->n[i] : NULL, *y = i < b->nr ? b->n[i] : NULL;
		const char *what = NULL;
		if (!x || !y || strcmp(x->path, y->path))
			what = "nodes";
		else if (x->len != y->len || memcmp(x->value, y->value, x->len))
			what = "values";
		else {
			/* The second tree's lists are what the daemon shows. */
			struct answer shown = { .len = 0 };
			for (unsigned k = 0; k < y->nr_perms; k++)
				shown.len += (size_t)sprintf(shown.data + shown.len, "%c%u", "nrwb"[y->perms[k].access],
							     y -> perms[k].id) +
					     1;
			if (!perms_equal(m, x, &shown))
				what = "permissions";
		}
		if (what) {
			list_perms(m, x ? x : y, ours, sizeof(ours));
			list_perms(m, y ? y : x, theirs, sizeof(theirs));
			snprintf(text, sizeof(text), "%s: %s%s here, %s%s there", what, x ? x->path : "(none)", ours,
				 y ? y->path : "(none)", theirs);
			return text;
		}
	}
	return NULL;
}

void model_domain_gone(struct model *m, unsigned domid)
{
	for (unsigned i = 0; i < m->live.nr;) {
		if (m->live.n[i]->perms[0].id == domid) {
			char path[96];
			strcpy(path, m->live.n[i]->path);
			tree_remove(&m->live, path);
		} else {
			i++;
		}
	}
	m->life[domid] = 0;
}

void model_init(struct model *m)
{
	struct mperm p = { 0, 0, 0 };
	memset(m, 0, sizeof(*m));
	m->life[0] = 1;
	m->next_life = 2;
	tree_put(&m->live, "", "", 0, &p, 1);
}
