/*
 * Taking a domain down: its devices are closed with a deadline and then by force, its memory is taken back, its nodes go. Everything is
 * read from the store, so it also serves domains other toolstacks made, and can begin anew at any time.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "device.h"
#include "dom.h"
#include "domain/config.h"
#include "host/host_qemus.h"
#include "hv.h"
#include "life.h"
#include "ops.h"
#include "server.h"
#include "settings.h"
#include "userdata.h"
#include "work.h"
#include "xs.h"

enum { PEND, ALONE, LOOK, PAUSE, CLOSE, DEVICES, IMAGES, KILL, ERASE, GONE };

/* One who waits for the end of the same operation. */
struct also {
	struct also *next;
	struct caller *caller;
	void (*done)(void *arg);
	void *arg;
};

struct destroy {
	struct op op; /* first */
	struct work work;
	int work_rc;
	struct device *devices;
	bool store_is_ours; /* the nodes below /local/domain/<id> belong to this domain and to no later one */
	enum destroy_then then;
	struct domain_config *config;
	struct also *also;
	unsigned polls;
	struct timer timer;
};

/*
 * What there is.
 */

static struct device *read_devices(const struct destroy *d, const struct xs_node *libxl)
{
	struct device *all = NULL, *dev;
	const struct xs_node *classes = xs_node_find(libxl, "device");
	for (const struct xs_node *c = classes ? classes->children : NULL; c; c = c->next)
		for (const struct xs_node *r = c->children; r; r = r->next) {
			dev = device_from_record(d->op.dom->id, c->name, r);
			if (!dev)
				continue;
			dev->next = all;
			all = dev;
		}
	return all;
}

struct look {
	struct destroy *d;
	struct device *dev;
};

static void looked(struct destroy *d)
{
	if (--d->polls)
		return;
	if (d->work_rc == -EIO) {
		d->work_rc = 0;
		op_store_ok(&d->op, EIO, "the devices' nodes");
		return;
	}
	op_next(&d->op);
}

static void got_back(void *arg, int err, struct xs_node *back)
{
	struct look *l = arg;
	if (err == EIO)
		l->d->work_rc = -EIO;
	if (back)
		device_from_back(l->dev, back);
	xs_node_free(back);
	looked(l->d);
	free(l);
}

static void got_libxl(void *arg, int err, struct xs_node *libxl)
{
	struct destroy *d = arg;
	if (err == EIO) {
		d->work_rc = -EIO;
	} else if (libxl) {
		device_free_all(d->devices);
		d->devices = read_devices(d, libxl);
		for (struct device *dev = d->devices; dev; dev = dev->next) {
			char path[DEVICE_PATH];
			struct look *l = xmalloc(sizeof(*l));
			*l = (struct look){ d, dev };
			d->polls++;
			xs_read_tree(device_back(dev, path), got_back, l);
		}
	}
	xs_node_free(libxl);
	looked(d);
}

static void got_vm(void *arg, int err, const char *body, size_t len)
{
	struct destroy *d = arg;
	char uuid[UUID_TEXT];
	(void)len;
	if (err == EIO)
		d->work_rc = -EIO;
	uuid_format(uuid, d->op.dom->uuid);
	d->store_is_ours = !err && !strncmp(body, "/vm/", 4) && !strcmp(body + 4, uuid);
	/* A domain of ours that never came so far has no such node, and no device. */
	if (err == ENOENT)
		d->store_is_ours = true;
	looked(d);
}

static void look(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	char path[64];
	d->work_rc = 0;
	d->polls = 2;
	snprintf(path, sizeof(path), "/local/domain/%u/vm", op->dom->id);
	xs_read(path, got_vm, d);
	snprintf(path, sizeof(path), "/libxl/%u", op->dom->id);
	xs_read_tree(path, got_libxl, d);
}

/*
 * Taking it down.
 */

static void pause_domain(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	struct xen_domctl_getdomaininfo info;
	/* Another domain may have the number by now; it is not to be touched. */
	if (!hv_info(op->dom->id, &info) && !memcmp(info.handle, op->dom->uuid, 16) && hv_pause(op->dom->id))
		dom_log(op->dom, "cannot be paused");
	if (!d->store_is_ours)
		op_goto(op, KILL);
	else
		op_next(op);
}

static void closed(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "the end of the devices"))
		op_next(op);
}

static void close_devices(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	struct xs_batch *b = xs_batch_new();
	size_t nr;
	for (struct device *dev = d->devices; dev; dev = dev->next)
		device_close(dev, true, b);
	xs_batch_changes(b, &nr);
	if (nr) {
		xs_batch_commit(b, closed, op);
		return;
	}
	xs_batch_free(b);
	op_goto(op, IMAGES);
}

static void wait_devices(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	op->children = 1; /* so that the end of the first does not end the step */
	for (struct device *dev = d->devices; dev; dev = dev->next)
		unplug_start(op, op->dom, dev, true, NULL);
	if (!--op->children)
		op_next(op);
}

static void served(void *arg)
{
	op_next(arg);
}

static void end_qemu(struct op *op)
{
	host_qemus_end(op->dom->id, served, op);
}

static void kill_run(struct work *w, struct hcall *h)
{
	struct destroy *d = (struct destroy *)((char *)w - offsetof(struct destroy, work));
	d->work_rc = h ? hv_destroy(h, d->op.dom->id) : -ENOENT;
}

static void kill_done(struct work *w)
{
	struct destroy *d = (struct destroy *)((char *)w - offsetof(struct destroy, work));
	if (!d->work_rc || d->work_rc == -ESRCH) {
		op_next(&d->op);
		return;
	}
	problem_set(&d->op.problem, -d->work_rc, "hypervisor-refused", "destroy", "look at xl dmesg",
		    "the hypervisor refused to destroy it: %s", strerror(-d->work_rc));
	op_fail(&d->op);
}

static void kill_domain(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	struct xen_domctl_getdomaininfo info;
	if (hv_info(op->dom->id, &info) || memcmp(info.handle, op->dom->uuid, 16)) {
		op_next(op);
		return;
	}
	d->work.run = kill_run;
	d->work.done = kill_done;
	d->work.poked = NULL;
	work_start(&d->work);
}

static void erased(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (!op_store_ok(op, err, "the removal of its nodes"))
		return;
	/* Nothing of it is left that a later daemon would have to know. */
	op->dom->ours = false;
	op_next(op);
}

static void erase(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	struct xs_batch *b = xs_batch_new();
	char uuid[UUID_TEXT];
	uuid_format(uuid, op->dom->uuid);
	if (d->store_is_ours) {
		for (struct device *dev = d->devices; dev; dev = dev->next)
			device_erase(dev, b);
		/* Nothing below the domain's number is left where back ends are: an empty directory counts against its owner's quota. */
		for (struct device *dev = d->devices; dev; dev = dev->next)
			xs_batch_rm(b, "/local/domain/%u/backend/%s/%u", dev->backend_domid, device_back_class(dev),
				    op->dom->id);
		xs_batch_rm(b, "/local/domain/0/backend/vbd/%u", op->dom->id);
		xs_batch_rm(b, "/local/domain/0/backend/vif/%u", op->dom->id);
		xs_batch_rm(b, "/local/domain/0/backend/qdisk/%u", op->dom->id);
		xs_batch_rm(b, "/local/domain/%u", op->dom->id);
		xs_batch_rm(b, "/vm/%s", uuid);
		xs_batch_rm(b, "/libxl/%u", op->dom->id);
	}
	if (op->dom->ours)
		xs_batch_rm(b, "/hospes/%u", op->dom->id);
	if (d->then == DESTROY_ONLY)
		xs_batch_rm(b, CREATE_PENDING "/%s", uuid);
	if (d->store_is_ours)
		userdata_remove_all(op->dom->id);
	else
		userdata_remove(op->dom->id, op->dom->uuid);
	xs_batch_commit(b, erased, op);
}

/* Is it off the hypervisor's list? Others may hold pages of it; asked again with growing pauses, as nothing tells of the last page. */
static void look_gone(void *arg)
{
	struct destroy *d = arg;
	struct op *op = &d->op;
	struct xen_domctl_getdomaininfo info;
	unsigned ms = 5u << (d->polls < 7 ? d->polls : 7);
	if (hv_info(op->dom->id, &info) || memcmp(info.handle, op->dom->uuid, 16)) {
		op_next(op);
		return;
	}
	if (loop_now() - op->began > (uint64_t)settings->dying_ms * 1000000) {
		problem_set(&op->problem, EBUSY, "still-dying", "destroy",
			    "see which domain or program still has its memory mapped (xl explain), and end that",
			    "its memory was taken back but for %llu pages, which others have mapped",
			    (unsigned long long)info.tot_pages);
		op_fail(op);
		return;
	}
	d->polls++;
	timer_set(&d->timer, ms, look_gone, d);
}

static void wait_gone(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	d->polls = 0;
	look_gone(d);
}

static void pended(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "the note of its next life"))
		op_next(op);
}

/* Note the next life before this one ends. */
static void pend(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	struct json_object *json;
	int rc;
	if (d->then != DESTROY_RESTART) {
		op_next(op);
		return;
	}
	json = domain_config_json(d->config);
	rc = pending_write(op->dom->uuid, json);
	json_object_put(json);
	if (rc)
		dom_log(op->dom, "its next life cannot be noted in %s: %s", settings->state_dir, strerror(-rc));
	pending_note(op->dom->uuid, "restart", op->dom->restarts + 1, pended, op);
}

static const struct op_step steps[] = {
	[PEND] = { "note", pend },
	[ALONE] = { "settle", op_wait_alone },
	[LOOK] = { "look", look },
	[PAUSE] = { "pause", pause_domain },
	[CLOSE] = { "close", close_devices },
	[DEVICES] = { "devices", wait_devices },
	[IMAGES] = { "images", end_qemu },
	[KILL] = { "kill", kill_domain },
	[ERASE] = { "erase", erase },
	[GONE] = { "gone", wait_gone },
};

static void answer(struct caller *caller, const struct problem *p)
{
	if (p->err)
		caller_problem(caller, p);
	else
		caller_result(caller, NULL);
}

static void destroy_end(struct op *op)
{
	struct destroy *d = (struct destroy *)op;
	struct dom *dom = op->dom;
	struct also *a;
	timer_cancel(&d->timer);
	dom->op = NULL;
	if (op->problem.err) {
		dom_problem(dom, &op->problem);
	} else {
		dom_log(dom, "destroyed");
		dom_event(dom, "destroyed", NULL);
		dom_gone(dom);
	}
	while ((a = d->also)) {
		d->also = a->next;
		if (a->done)
			a->done(a->arg);
		else
			answer(a->caller, &op->problem);
		free(a);
	}
	/* Its next life does not wait for pages others hold of this one. */
	if (d->then == DESTROY_RESTART && d->config && (!op->problem.err || !strcmp(op->problem.code, "still-dying")))
		create_start(NULL, d->config, false, true, dom->restarts + 1);
	if (d->config) {
		domain_config_free(d->config);
		free(d->config);
	}
	device_free_all(d->devices);
	free(d);
}

/* Those who asked by a request. Operations that wait do so as long as it takes. */
static void store_away(struct op *op, const struct problem *p)
{
	struct destroy *d = (struct destroy *)op;
	struct also **at = &d->also, *a;
	while ((a = *at)) {
		if (a->done) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		caller_problem(a->caller, p);
		free(a);
	}
}

static const struct op_type destroy_type = {
	.name = "destroy",
	.steps = steps,
	.nr_steps = sizeof(steps) / sizeof(*steps),
	.store_away = store_away,
	.end = destroy_end,
};
static const struct op_type restart_type = {
	.name = "restart",
	.steps = steps,
	.nr_steps = sizeof(steps) / sizeof(*steps),
	.store_away = store_away,
	.end = destroy_end,
};

bool destroy_under_way(const struct dom *dom)
{
	return dom->op && (dom->op->type == &destroy_type || dom->op->type == &restart_type);
}

static struct also *add_also(struct destroy *d)
{
	struct also *a = xcalloc(1, sizeof(*a));
	a->next = d->also;
	d->also = a;
	return a;
}

void destroy_join(struct dom *dom, struct caller *caller)
{
	if (caller)
		add_also((struct destroy *)dom->op)->caller = caller;
}

/* The operation that takes @dom down, begun if there is none. */
static struct destroy *taking_down(struct dom *dom, enum destroy_then then)
{
	struct destroy *d = (struct destroy *)dom->op;
	if (destroy_under_way(dom)) {
		/* Whoever asks for its end does not want another life of it. */
		if (then == DESTROY_ONLY)
			d->then = then;
		return d;
	}
	d = xcalloc(1, sizeof(*d));
	d->op.dom = dom;
	d->then = then;
	dom->op = &d->op;
	dom_log(dom, then == DESTROY_RESTART ? "is taken down for its next life" : "is taken down");
	op_start(&d->op, then == DESTROY_RESTART ? &restart_type : &destroy_type, PEND);
	return d;
}

void destroy_start(struct caller *caller, struct dom *dom, enum destroy_then then, struct domain_config *config)
{
	struct destroy *d = taking_down(dom, then);
	if (config) {
		d->config = xcalloc(1, sizeof(*config));
		*d->config = *config;
	}
	destroy_join(dom, caller);
}

void destroy_undo(struct dom *dom, void (*done)(void *arg), void *arg)
{
	struct destroy *d = taking_down(dom, DESTROY_ONLY);
	struct also *a = add_also(d);
	a->done = done;
	a->arg = arg;
}
