/* Reading a part of the store's tree: all nodes of a level are asked for at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/text.h"
#include "store/wire.h"
#include "xs.h"

#define MAX_NODES 65536

struct reading {
	xs_got_tree *got;
	void *arg;
	struct xs_node *root;
	unsigned waiting, nodes;
	int err;
};

/* One request about one node. */
struct asked {
	struct reading *r;
	struct xs_node *n;
	char path[];
};

void xs_node_free(struct xs_node *n)
{
	struct xs_node *next;
	for (; n; n = next) {
		next = n->next;
		xs_node_free(n->children);
		free(n->value);
		free(n);
	}
}

const struct xs_node *xs_node_find(const struct xs_node *n, const char *path)
{
	while (n && *path) {
		size_t len = strcspn(path, "/");
		const struct xs_node *c = n->children;
		while (c && (strncmp(c->name, path, len) || c->name[len]))
			c = c->next;
		n = c;
		path += len + (path[len] == '/');
	}
	return n;
}

const char *xs_node_value(const struct xs_node *n, const char *path)
{
	n = xs_node_find(n, path);
	return n ? n->value : NULL;
}

static void finish(struct reading *r)
{
	if (--r->waiting)
		return;
	if (!r->err && !r->root->value && !r->root->children)
		r->err = ENOENT;
	if (r->err) {
		xs_node_free(r->root);
		r->root = NULL;
	}
	r->got(r->arg, r->err, r->root);
	free(r);
}

static void ask(struct reading *r, struct xs_node *n, const char *path);

static void got_value(void *arg, int err, const char *body, size_t len)
{
	struct asked *a = arg;
	if (!err) {
		a->n->value = xmalloc(len + 1);
		memcpy(a->n->value, body, len + 1);
	} else if (err == EIO) {
		a->r->err = EIO;
	}
	finish(a->r);
	free(a);
}

static void got_names(void *arg, int err, const char *body, size_t len)
{
	struct asked *a = arg;
	struct reading *r = a->r;
	struct xs_node **end = &a->n->children;
	if (err && err != ENOENT && err != EACCES)
		r->err = err;
	for (size_t at = 0; !err && !r->err && at < len; at += strlen(body + at) + 1) {
		const char *name = body + at;
		struct xs_node *n = xcalloc(1, sizeof(*n) + strlen(name) + 1);
		char *path = xasprintf("%s/%s", a->path, name);
		strcpy(n->name, name);
		*end = n;
		end = &n->next;
		if (++r->nodes > MAX_NODES)
			r->err = E2BIG;
		ask(r, n, path);
		free(path);
	}
	finish(r);
	free(a);
}

static struct asked *asked(struct reading *r, struct xs_node *n, const char *path)
{
	struct asked *a = xmalloc(sizeof(*a) + strlen(path) + 1);
	a->r = r;
	a->n = n;
	strcpy(a->path, path);
	r->waiting++;
	return a;
}

static void ask(struct reading *r, struct xs_node *n, const char *path)
{
	xs_read(path, got_value, asked(r, n, path));
	xs_list(path, got_names, asked(r, n, path));
}

void xs_read_tree(const char *path, xs_got_tree *got, void *arg)
{
	struct reading *r = xcalloc(1, sizeof(*r));
	r->got = got;
	r->arg = arg;
	r->root = xcalloc(1, sizeof(*r->root) + 1);
	r->nodes = 1;
	ask(r, r->root, path);
}
