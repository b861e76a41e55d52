/* Devices that come to a domain or leave it while it lives. */
#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "device.h"
#include "dom.h"
#include "domain/config.h"
#include "hcall/hcall.h"
#include "hv.h"
#include "ops.h"
#include "server.h"
#include "settings.h"
#include "sharing.h"
#include "userdata.h"
#include "work.h"
#include "xs.h"

enum { CHECK, TAKEN, PREPARE, PUBLISH, PLUG, CONNECT, SAVE };
enum { OUT_CLOSE, OUT_WAIT, OUT_ERASE, OUT_SAVE };

/* Either direction. */
struct attach {
	struct op op; /* first */
	struct work work;
	int work_rc;
	struct problem work_problem; /* of the thread */
	struct device *dev;
	const char *list;
	struct json_object *json;
	bool force, checked, published, connected, asked;
	struct timer deadline;
	struct xs_watch *watch;
};

const char *device_list_name(const struct device *dev)
{
	return !strcmp(dev->class, "vbd") ? "disks" : !strcmp(dev->class, "vif") ? "nics" : "others";
}

/* The note of what is under way on the device. */
static char *note_path(const struct attach *a)
{
	return xasprintf("/hospes/%u/device/%s-%d", a->op.dom->id, a->dev->class, a->dev->devid);
}

static void event(const struct attach *a, const char *state)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "kind", json_object_new_string(!strcmp(a->dev->class, "vbd") ? "disk" : "nic"));
	json_object_object_add(o, "devid", json_object_new_int(a->dev->devid));
	json_object_object_add(o, "state", json_object_new_string(state));
	dom_event(a->op.dom, "device", o);
}

static void stored(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "the nodes of the device"))
		op_next(op);
}

/*
 * The configuration on disk.
 */

/* Is that entry of the list our device? */
static bool is_ours(const struct attach *a, struct json_object *entry)
{
	struct json_object *o;
	if (!strcmp(a->list, "disks"))
		return json_object_object_get_ex(entry, "vdev", &o) &&
		       disk_vdev_number(json_object_get_string(o)) == a->dev->devid;
	return json_object_object_get_ex(entry, "devid", &o) && json_object_get_int(o) == a->dev->devid;
}

/* Take the device out of the domain's configuration, and put @json (may be NULL) in. */
static void save_config(struct attach *a, struct json_object *json)
{
	struct dom *d = a->op.dom;
	struct json_object *config = userdata_read(d->id, d->uuid), *old = NULL, *list;
	int rc = -ENOENT;
	if (!config) /* made by launch, or by a toolstack that keeps none */
		return;
	json_object_object_get_ex(config, a->list, &old);
	list = json_object_new_array();
	for (size_t i = 0; i < (old ? json_object_array_length(old) : 0); i++)
		if (!is_ours(a, json_object_array_get_idx(old, i)))
			json_object_array_add(list, json_object_get(json_object_array_get_idx(old, i)));
	if (json)
		json_object_array_add(list, json_object_get(json));
	if (json_object_array_length(list)) {
		json_object_object_add(config, a->list, list);
	} else {
		json_object_object_del(config, a->list);
		json_object_put(list);
	}
	rc = userdata_write(d->id, d->uuid, config);
	json_object_put(config);
	if (rc)
		dom_log(d, "its configuration cannot be kept: %s", strerror(-rc));
}

/*
 * Attach.
 */

static void prepare_run(struct work *w, struct hcall *h)
{
	struct attach *a = (struct attach *)((char *)w - offsetof(struct attach, work));
	char uuid[UUID_TEXT];
	(void)h;
	uuid_format(uuid, a->op.dom->uuid);
	if (a->checked)
		a->work_rc = device_prepare(a->dev, uuid, &a->work_problem);
	else
		a->work_rc = device_check(a->dev, &a->work_problem);
}

static void prepare_done(struct work *w)
{
	struct attach *a = (struct attach *)((char *)w - offsetof(struct attach, work));
	op_found(&a->op, &a->work_problem);
	if (!a->work_rc && !a->checked && !a->op.problem.err)
		a->work_rc = sharing_claim(a->dev, a->op.dom->id, &a->op.problem);
	a->checked = true;
	if (a->op.problem.err)
		op_fail(&a->op);
	else
		op_next(&a->op);
}

static void prepare(struct op *op)
{
	struct attach *a = (struct attach *)op;
	problem_init(&a->work_problem);
	a->work.run = prepare_run;
	a->work.done = prepare_done;
	a->work.poked = NULL;
	work_start(&a->work);
}

static void got_records(void *arg, int err, const char *body, size_t len)
{
	struct attach *a = arg;
	bool used[256] = { false };
	if (err && err != ENOENT) {
		op_store_ok(&a->op, err, "the devices there are");
		return;
	}
	for (size_t at = 0; !err && at < len; at += strlen(body + at) + 1) {
		long id = strtol(body + at, NULL, 10);
		if (id == a->dev->devid) {
			problem_set(&a->op.problem, EEXIST, "device-exists", a->dev->class,
				    "choose another vdev or devid, or detach that one first",
				    "the domain has %s %ld already", a->dev->class, id);
			op_fail(&a->op);
			return;
		}
		if (id >= 0 && id < 256)
			used[id] = true;
	}
	if (a->dev->devid < 0) {
		a->dev->devid = 0;
		while (a->dev->devid < 255 && used[a->dev->devid])
			a->dev->devid++;
		json_object_object_add(a->json, "devid", json_object_new_int(a->dev->devid));
	}
	op_next(&a->op);
}

/* What devices of its kind there are, whoever made them. */
static void look_taken(struct op *op)
{
	struct attach *a = (struct attach *)op;
	char path[64];
	snprintf(path, sizeof(path), "/libxl/%u/device/%s", op->dom->id, a->dev->class);
	xs_list(path, got_records, a);
}

static void published(void *arg, int err, const char *body, size_t len)
{
	struct attach *a = arg;
	if (!err) {
		a->published = true;
		sharing_settle(a->dev);
	}
	stored(arg, err, body, len);
}

static void publish(struct op *op)
{
	struct attach *a = (struct attach *)op;
	struct xs_batch *b = xs_batch_new();
	char *note = note_path(a);
	device_publish(a->dev, b);
	/* With what a later daemon needs to finish it. */
	xs_batch_printf(b, note, "attach %s", json_object_to_json_string_ext(a->json, JSON_C_TO_STRING_PLAIN));
	free(note);
	xs_batch_commit(b, published, a);
}

static void plug(struct op *op)
{
	struct attach *a = (struct attach *)op;
	plug_start(op, op->dom, a->dev);
}

static void connect_over(struct attach *a, bool connected)
{
	a->connected = connected;
	timer_cancel(&a->deadline);
	xs_unwatch(a->watch);
	a->watch = NULL;
	if (!a->asked)
		op_next(&a->op);
}

static void got_state(void *arg, int err, const char *body, size_t len)
{
	struct attach *a = arg;
	(void)len;
	a->asked = false;
	if (!a->watch)
		op_next(&a->op);
	else if (!err && !strcmp(body, "4"))
		connect_over(a, true);
}

static void state_changed(void *arg, const char *path)
{
	struct attach *a = arg;
	if (a->asked)
		return;
	a->asked = true;
	xs_read(path, got_state, a);
}

static void not_connected(void *arg)
{
	connect_over(arg, false);
}

/* A running guest takes the device soon; one that does not (no driver, still booting) may do so later. */
static void wait_connected(struct op *op)
{
	struct attach *a = (struct attach *)op;
	struct xen_domctl_getdomaininfo info;
	char path[DEVICE_PATH];
	char *state;
	if (hv_info(op->dom->id, &info) ||
	    (info.flags & (XEN_DOMINF_paused | XEN_DOMINF_shutdown | XEN_DOMINF_dying)) || !settings->connect_ms) {
		op_next(op);
		return;
	}
	state = xasprintf("%s/state", device_back(a->dev, path));
	a->watch = xs_watch(state, state_changed, a);
	timer_set(&a->deadline, settings->connect_ms, not_connected, a);
	free(state);
}

static void save(struct op *op)
{
	struct attach *a = (struct attach *)op;
	char *note = note_path(a);
	save_config(a, a->json);
	xs_rm(note, stored, op);
	free(note);
}

static const struct op_step attach_steps[] = {
	[CHECK] = { "check", prepare },	  [PREPARE] = { "prepare", prepare },
	[TAKEN] = { "look", look_taken }, [PUBLISH] = { "publish", publish },
	[PLUG] = { "plug", plug },	  [CONNECT] = { "connect", wait_connected },
	[SAVE] = { "save", save },
};

static void attach_abort(struct op *op)
{
	struct attach *a = (struct attach *)op;
	problem_set(&op->problem, ECANCELED, "domain-destroyed", op_step_name(op), "nothing: somebody asked for it",
		    "the domain is being destroyed");
	if (a->watch)
		timer_set(&a->deadline, 0, not_connected, a);
}

static void attach_free(struct attach *a)
{
	timer_cancel(&a->deadline);
	if (a->dev)
		sharing_drop(a->dev);
	xs_unwatch(a->watch);
	json_object_put(a->json);
	device_free(a->dev);
	free(a);
}

static void attach_end(struct op *op)
{
	struct attach *a = (struct attach *)op;
	struct json_object *o;
	char path[DEVICE_PATH];
	if (!op->problem.err) {
		dom_log(op->dom, "%s %d attached%s", a->dev->class, a->dev->devid, a->connected ? " and in use" : "");
		event(a, a->connected ? "connected" : "attached");
		o = json_object_new_object();
		json_object_object_add(o, "devid", json_object_new_int(a->dev->devid));
		json_object_object_add(o, "backend_path", json_object_new_string(device_back(a->dev, path)));
		json_object_object_add(o, "connected", json_object_new_boolean(a->connected));
		caller_result(op->caller, o);
		attach_free(a);
		return;
	}
	dom_problem(op->dom, &op->problem);
	if (!a->published)
		device_unprepare(a->dev);
	caller_problem(op->caller, &op->problem);
	if (a->published && !op->aborted) {
		/* What could not be finished is taken away again. */
		a->dev->has_back = true;
		detach_start(NULL, op->dom, a->dev, true);
		a->dev = NULL;
	}
	attach_free(a);
}

static const struct op_type attach_type = {
	.name = "attach",
	.steps = attach_steps,
	.nr_steps = sizeof(attach_steps) / sizeof(*attach_steps),
	.quiet = true,
	.abort = attach_abort,
	.end = attach_end,
};

static struct attach *attach_new(struct caller *caller, struct dom *d, struct device *dev)
{
	struct attach *a = xcalloc(1, sizeof(*a));
	a->op.dom = d;
	a->op.caller = caller;
	a->dev = dev;
	dev->domid = d->id;
	a->list = device_list_name(dev);
	problem_init(&a->op.problem);
	return a;
}

void attach_start(struct caller *caller, struct dom *d, struct device *dev, const char *list, struct json_object *json)
{
	struct attach *a = attach_new(caller, d, dev);
	a->list = list;
	a->json = json;
	op_start(&a->op, &attach_type, CHECK);
}

void attach_resume(struct dom *d, struct device *dev, const char *list, struct json_object *json)
{
	struct attach *a = attach_new(NULL, d, dev);
	a->list = list;
	a->json = json;
	a->published = true;
	op_start(&a->op, &attach_type, PLUG);
}

/*
 * Detach.
 */

static void out_close(struct op *op)
{
	struct attach *a = (struct attach *)op;
	struct xs_batch *b = xs_batch_new();
	char *note = note_path(a);
	device_close(a->dev, a->force, b);
	if (op->dom->ours)
		xs_batch_printf(b, note, "%s", a->force ? "detach force" : "detach");
	free(note);
	xs_batch_commit(b, stored, op);
}

/* The guest holds on to it: its caller need not wait, we do. */
static void out_late(struct op *op)
{
	struct attach *a = (struct attach *)op;
	struct problem p;
	problem_init(&p);
	problem_set(&p, EBUSY, "still-in-use", a->dev->class, "unmount it in the guest, or detach it by force (-f)",
		    "the guest does not let go of %s %d; it goes when it does", a->dev->class, a->dev->devid);
	problem_domain(&p, op->dom->name, op->dom->id);
	dom_problem(op->dom, &p);
	caller_problem(op->caller, &p);
	op->caller = NULL;
}

static void out_wait(struct op *op)
{
	struct attach *a = (struct attach *)op;
	unplug_start(op, op->dom, a->dev, a->force, out_late);
}

static void out_erase(struct op *op)
{
	struct attach *a = (struct attach *)op;
	struct xs_batch *b = xs_batch_new();
	device_erase(a->dev, b);
	xs_batch_commit(b, stored, op);
}

static void out_save(struct op *op)
{
	struct attach *a = (struct attach *)op;
	char *note = note_path(a);
	save_config(a, NULL);
	if (op->dom->ours)
		xs_rm(note, stored, op);
	else
		op_next(op);
	free(note);
}

static const struct op_step detach_steps[] = { [OUT_CLOSE] = { "close", out_close },
					       [OUT_WAIT] = { "wait", out_wait },
					       [OUT_ERASE] = { "erase", out_erase },
					       [OUT_SAVE] = { "save", out_save } };

static void detach_end(struct op *op)
{
	struct attach *a = (struct attach *)op;
	if (op->problem.err) {
		caller_problem(op->caller, &op->problem);
	} else {
		dom_log(op->dom, "%s %d detached", a->dev->class, a->dev->devid);
		event(a, "detached");
		caller_result(op->caller, NULL);
	}
	attach_free(a);
}

static const struct op_type detach_type = {
	.name = "detach",
	.steps = detach_steps,
	.nr_steps = sizeof(detach_steps) / sizeof(*detach_steps),
	.quiet = true,
	.abort = attach_abort,
	.end = detach_end,
};

void detach_start(struct caller *caller, struct dom *d, struct device *dev, bool force)
{
	struct attach *a = attach_new(caller, d, dev);
	a->force = force;
	op_start(&a->op, &detach_type, OUT_CLOSE);
}
