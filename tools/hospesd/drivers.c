#include "drivers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "dom.h"
#include "domctl.h"
#include "hv.h"
#include "ops.h"
#include "store/wire.h"
#include "xs.h"

#define SHARE_TRIES 5

struct driver {
	struct driver *next;
	uint32_t id;
	char *name;
};

static struct {
	struct driver *all;
} drivers;

static struct driver *find(uint32_t id)
{
	struct driver *d = drivers.all;
	while (d && d->id != id)
		d = d->next;
	return d;
}

static void add(uint32_t id, const char *name)
{
	struct driver *d = find(id);
	if (!d) {
		d = xcalloc(1, sizeof(*d));
		d->id = id;
		d->next = drivers.all;
		drivers.all = d;
	}
	free(d->name);
	d->name = xstrdup(name);
}

static void forget(uint32_t id)
{
	for (struct driver **at = &drivers.all, *d; (d = *at); at = &d->next)
		if (d->id == id) {
			*at = d->next;
			free(d->name);
			free(d);
			return;
		}
}

void drivers_learn(const struct xs_node *n)
{
	for (n = n ? n->children : NULL; n; n = n->next) {
		uint64_t id;
		if (n->value && wire_parse_number(n->name, 0x7fef, &id))
			add((uint32_t)id, n->value);
	}
}

void drivers_note(struct xs_batch *b, uint32_t domid)
{
	const struct dom *d = domid ? dom_find(domid) : NULL;
	const struct driver *known = find(domid);
	if (!d || !*d->name || (known && !strcmp(known->name, d->name)))
		return;
	add(domid, d->name);
	xs_batch_write(b, d->name, "/hospes/drivers/%u", domid);
}

uint32_t drivers_number(const char *name)
{
	struct xen_domctl_getdomaininfo info;
	for (const struct driver *d = drivers.all; d; d = d->next)
		if (!strcmp(d->name, name) && hv_info(d->id, &info) == -ESRCH)
			return d->id;
	return 0;
}

/*
 * Its next life.
 */

/* What is read before anything is written. */
struct rejoin {
	struct op *op;
	struct xs_batch *batch;
	unsigned waiting, devices;
	int err;
};

struct front {
	struct rejoin *r;
	uint32_t domid;
	char *path;
	unsigned tries;
};

static void joined(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "the nodes of its back ends"))
		op_next(op);
}

static void one_read(struct rejoin *r, int err)
{
	struct op *op = r->op;
	if (err && err != ENOENT)
		r->err = err;
	if (--r->waiting)
		return;
	err = r->err;
	if (err) {
		xs_batch_free(r->batch);
	} else {
		if (r->devices)
			dom_log(op->dom, "serves %u devices again", r->devices);
		else
			xs_batch_rm(r->batch, "/hospes/drivers/%u", op->dom->id);
		if (!r->devices)
			forget(op->dom->id);
		xs_batch_commit(r->batch, joined, op);
	}
	free(r);
	if (err)
		op_store_ok(op, err, "the devices it served");
}

/*
 * The nodes a front end wrote were made for the eyes of the last life. The directory is the guest's, which may change it at any time: so each front end has a
 * transaction of its own, and one that comes to nothing is the loss of that guest alone.
 */
static void share(const struct front *f, struct xs_batch *b, const struct xs_node *n, const char *path)
{
	char perms[32];
	snprintf(perms, sizeof(perms), "n%u r%u", f->domid, f->r->op->dom->id);
	xs_batch_perms(b, perms, "%s", path);
	for (n = n->children; n; n = n->next) {
		char *child = xasprintf("%s/%s", path, n->name);
		share(f, b, n, child);
		free(child);
	}
}

static void front_over(struct front *f, int err)
{
	if (err && err != EIO && err != ENOENT)
		dom_log(f->r->op->dom, "cannot read what domain %u wrote in %s: %s", f->domid, f->path, strerror(err));
	one_read(f->r, err == EIO ? EIO : 0);
	free(f->path);
	free(f);
}

static void got_front(void *arg, int err, struct xs_node *root);

static void shared(void *arg, int err, const char *body, size_t len)
{
	struct front *f = arg;
	(void)body;
	(void)len;
	/* A node may have gone since it was read. */
	if (err == ENOENT && f->tries++ < SHARE_TRIES)
		xs_read_tree(f->path, got_front, f);
	else
		front_over(f, err);
}

static void got_front(void *arg, int err, struct xs_node *root)
{
	struct front *f = arg;
	struct xs_batch *b;
	if (!root) {
		front_over(f, err);
		return;
	}
	b = xs_batch_new();
	share(f, b, root, f->path);
	xs_node_free(root);
	xs_batch_commit(b, shared, f);
}

/* The back end's directory as it was published first; libxl's record keeps a copy of each node. */
static void publish_again(struct rejoin *r, uint32_t domid, const struct xs_node *record, const char *back,
			  const char *fore)
{
	char perms[32];
	snprintf(perms, sizeof(perms), "n%u r%u", r->op->dom->id, domid);
	xs_batch_write(r->batch, "", "%s", back);
	xs_batch_perms(r->batch, perms, "%s", back);
	xs_batch_write(r->batch, fore, "%s/frontend", back);
	for (const struct xs_node *n = record->children; n; n = n->next)
		if (n->value && strcmp(n->name, "backend") && strcmp(n->name, "frontend"))
			xs_batch_write(r->batch, n->value, "%s/%s", back, n->name);
	r->devices++;
}

static void look_at_device(struct rejoin *r, uint32_t domid, const struct xs_node *record)
{
	const char *back = xs_node_value(record, "backend"), *fore = xs_node_value(record, "frontend");
	const char *online = xs_node_value(record, "online");
	char *prefix = xasprintf("/local/domain/%u/backend/", r->op->dom->id);
	struct front *f;
	if (back && fore && !strncmp(back, prefix, strlen(prefix)) && !(online && !strcmp(online, "0"))) {
		publish_again(r, domid, record, back, fore);
		f = xcalloc(1, sizeof(*f));
		f->r = r;
		f->domid = domid;
		f->path = xstrdup(fore);
		r->waiting++;
		xs_read_tree(fore, got_front, f);
	}
	free(prefix);
}

static void got_records(void *arg, int err, struct xs_node *libxl)
{
	struct rejoin *r = arg;
	for (const struct xs_node *dom = libxl ? libxl->children : NULL; dom; dom = dom->next) {
		const struct xs_node *class = xs_node_find(dom, "device");
		uint64_t id;
		if (!class || !wire_parse_number(dom->name, 0x7fef, &id))
			continue;
		for (class = class->children; class; class = class->next)
			for (const struct xs_node *dev = class->children; dev; dev = dev->next)
				look_at_device(r, (uint32_t)id, dev);
	}
	xs_node_free(libxl);
	one_read(r, err);
}

void drivers_rejoin(struct op *op)
{
	const struct driver *d = find(op->dom->id);
	struct rejoin *r;
	if (!d || strcmp(d->name, op->dom->name)) {
		op_next(op);
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->op = op;
	r->batch = xs_batch_new();
	r->waiting = 1;
	xs_read_tree("/libxl", got_records, r);
}
