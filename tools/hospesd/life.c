/* Ends of domains, and beginnings of this daemon. */
#include "life.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "device.h"
#include "dom.h"
#include "drivers.h"
#include "host/host.h"
#include "host/host_qemus.h"
#include "hv.h"
#include "ops.h"
#include "records.h"
#include "sched.h"
#include "sharing.h"
#include "userdata.h"
#include "xs.h"

/*
 * A domain ended.
 */

struct renaming {
	struct op op; /* first */
	struct domain_config config;
	uint8_t old[16], uuid[16];
	char *name;
};

static void rename_stored(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "the domain's new name"))
		op_next(op);
}

/* Note the next life, as in destroy.c. */
static void rename_note(struct op *op)
{
	struct renaming *r = (struct renaming *)op;
	struct json_object *json = domain_config_json(&r->config);
	if (pending_write(r->old, json))
		dom_log(op->dom, "its next life cannot be noted on disk");
	json_object_put(json);
	pending_note(r->old, "restart", op->dom->restarts + 1, rename_stored, op);
}

static void rename_records(struct op *op)
{
	struct renaming *r = (struct renaming *)op;
	struct dom *d = op->dom;
	struct xs_batch *b = xs_batch_new();
	struct json_object *json = domain_config_json(&r->config);
	char text[UUID_TEXT];
	userdata_write(d->id, r->uuid, json);
	json_object_put(json);
	uuid_format(text, r->uuid);
	xs_batch_write(b, r->name, "/local/domain/%u/name", d->id);
	records_uuid(b, d->id, r->old, r->uuid, r->name);
	xs_batch_write(b, text, "/hospes/%u/uuid", d->id);
	xs_batch_write(b, r->name, "/hospes/%u/name", d->id);
	xs_batch_write(b, "", "/hospes/%u/ended", d->id);
	xs_batch_commit(b, rename_stored, op);
}

static void rename_handle(struct op *op)
{
	struct renaming *r = (struct renaming *)op;
	char *path = dom_record(op->dom, "operation");
	hv_set_handle(op->dom->id, r->uuid);
	memcpy(op->dom->uuid, r->uuid, 16);
	dom_set_name(op->dom, r->name);
	userdata_remove(op->dom->id, r->old);
	xs_rm(path, rename_stored, op);
	free(path);
}

static void rename_end(struct op *op)
{
	struct renaming *r = (struct renaming *)op;
	op->dom->op = NULL;
	shutdown_seen(op->dom, false);
	if (op->problem.err)
		dom_problem(op->dom, &op->problem);
	else
		create_start(NULL, &r->config, false, true, op->dom->restarts + 1);
	domain_config_free(&r->config);
	free(r->name);
	free(r);
}

static const struct op_step rename_steps[] = { { "note", rename_note },
					       { "rename", rename_records },
					       { "handle", rename_handle } };
static const struct op_type rename_type = {
	.name = "rename-restart",
	.steps = rename_steps,
	.nr_steps = 3,
	.end = rename_end,
};

/* The ended domain stays under another name and UUID; its next life gets the old ones. @config is taken over. */
static void rename_restart(struct dom *d, struct domain_config *config)
{
	struct renaming *r = xcalloc(1, sizeof(*r));
	time_t now = time(NULL);
	struct tm tm;
	char suffix[32];
	memcpy(r->old, d->uuid, 16);
	if (getrandom(r->uuid, 16, 0) != 16)
		abort();
	r->uuid[6] = (r->uuid[6] & 0x0f) | 0x40;
	r->uuid[8] = (r->uuid[8] & 0x3f) | 0x80;
	strftime(suffix, sizeof(suffix), "-%Y%m%dT%H%MZ", gmtime_r(&now, &tm));
	r->name = xasprintf("%s%s", d->name, suffix);
	r->config = *config;
	memset(config, 0, sizeof(*config));
	dom_log(d, "is kept as %s", r->name);
	r->op.dom = d;
	d->op = &r->op;
	op_start(&r->op, &rename_type, 0);
}

/* Do what its configuration says. @config (which may be NULL) is taken over. */
static void follow(struct dom *d, enum domain_action action, struct domain_config *config)
{
	switch (action) {
	case ACTION_PRESERVE:
		shutdown_seen(d, false);
		break;
	case ACTION_RESTART:
	case ACTION_COREDUMP_RESTART:
		dom_event(d, "rebooted", NULL);
		destroy_start(NULL, d, DESTROY_RESTART, config);
		memset(config, 0, sizeof(*config));
		break;
	case ACTION_RENAME_RESTART:
		rename_restart(d, config);
		break;
	default:
		destroy_start(NULL, d, DESTROY_ONLY, NULL);
		break;
	}
	if (config)
		domain_config_free(config);
}

/* What follows when the core is written. */
struct after_dump {
	enum domain_action action;
	struct domain_config config;
};

static void dumped(struct dom *d, void *arg)
{
	struct after_dump *a = arg;
	if (d)
		follow(d, a->action, &a->config);
	else
		domain_config_free(&a->config);
	free(a);
}

/* A kernel that the guest has loaded itself (kexec) takes the domain over: its ports, grants and devices would have to become new beneath its memory. */
static void refuse_soft_reset(struct dom *d)
{
	struct problem p;
	problem_init(&p);
	problem_set(&p, ENOTSUP, "not-supported", "soft-reset",
		    "set on_soft_reset = 'restart' to boot it anew, or reboot it instead of kexec",
		    "hospesd does not begin a domain anew with its memory kept: the domain is destroyed");
	dom_problem(d, &p);
}

/* Its next life goes on with what was set while it ran; memory and CPUs are in the configuration already. A domain in another pool keeps what its file says. */
static void take_share(struct domain_config *config, const struct dom *d, const struct xen_domctl_getdomaininfo *info)
{
	unsigned weight, cap;
	if (info->cpupool || (config->pool && *config->pool && strcmp(config->pool, "Pool-0")) ||
	    !hv_share(d->id, &weight, &cap))
		return;
	config->weight = (int)weight;
	config->cap = (int)cap;
}

static void act(struct dom *d, const struct xen_domctl_getdomaininfo *info)
{
	unsigned reason = hv_reason(info);
	struct domain_config config;
	struct problem p;
	enum domain_action action;
	struct json_object *o = json_object_new_object();
	struct after_dump *after;
	int rc;
	problem_init(&p);
	rc = userdata_config(&config, d->id, d->uuid, &p);
	action = life_action(rc ? NULL : &config, reason);
	if (rc)
		dom_problem(d, &p);
	else
		take_share(&config, d, info);
	dom_log(d, "has shut down (%s); action: %s", life_reason_name(reason), life_action_name(action));
	json_object_object_add(o, "reason", json_object_new_string(life_reason_name(reason)));
	dom_event(d, "shutdown", o);
	if (action == ACTION_SOFT_RESET)
		refuse_soft_reset(d);
	if (rc || (action != ACTION_COREDUMP_DESTROY && action != ACTION_COREDUMP_RESTART)) {
		follow(d, action, rc ? NULL : &config);
		return;
	}
	after = xmalloc(sizeof(*after));
	*after = (struct after_dump){ action, config };
	coredump_start(d, dumped, after);
}

void life_seen(struct dom *d, const struct xen_domctl_getdomaininfo *info)
{
	if (!(info->flags & XEN_DOMINF_shutdown)) {
		d->ended = false;
		return;
	}
	if (!d->ours) {
		if (!d->ended)
			shutdown_seen(d, false);
		d->ended = true;
		return;
	}
	if (d->ended || d->op || (info->flags & XEN_DOMINF_dying) || !xs_up())
		return;
	d->ended = true;
	act(d, info);
}

void life_vanished(struct dom *d)
{
	if (d->op)
		return; /* we are about it ourselves */
	if (!d->ours) {
		dom_event(d, "destroyed", NULL);
		dom_gone(d);
		shutdown_seen(d, true);
		return;
	}
	/* Somebody else destroyed it: what it leaves is ours to clear away. */
	dom_log(d, "was destroyed by somebody else");
	destroy_start(NULL, d, DESTROY_ONLY, NULL);
}

/*
 * What an earlier daemon left.
 */

static struct {
	struct xs_node *hospes; /* as it was; kept while domains are looked at */
	struct xs_node *disks;	/* /local/domain/0/backend/vbd */
	unsigned looking;	/* domains being looked at, and one for ourselves */
	void (*done)(void);
} recover;

static bool alive(const uint8_t uuid[16], uint32_t id)
{
	struct xen_domctl_getdomaininfo info;
	return !hv_info(id, &info) && !memcmp(info.handle, uuid, 16);
}

/* A domain in the hypervisor that nobody knows but the note of its creation. */
static void kill_unknown(const uint8_t uuid[16])
{
	struct xen_domctl_getdomaininfo *list;
	int nr = hv_list(&list);
	for (int i = 0; i < nr; i++) {
		char id[16];
		snprintf(id, sizeof(id), "%u", list[i].domain);
		if (memcmp(list[i].handle, uuid, 16) || !list[i].domain)
			continue;
		if (xs_node_find(recover.hospes, id)) /* an earlier life, with a record of its own */
			continue;
		fprintf(stderr, "hospesd: domain %u was left half-built: destroyed\n", list[i].domain);
		hv_destroy(hv_handle(), list[i].domain);
		/* Its configuration is written before it is made known. */
		userdata_remove(list[i].domain, uuid);
	}
	if (nr > 0)
		free(list);
}

/* Is that UUID's earlier life still to be taken down? Then that goes on with the restart. */
static bool has_record(const char *uuid)
{
	for (const struct xs_node *n = recover.hospes->children; n; n = n->next) {
		const char *u = xs_node_value(n, "uuid");
		if (u && !strcmp(u, uuid))
			return true;
	}
	return false;
}

static void recover_pending(const struct xs_node *n)
{
	uint8_t uuid[16];
	char what[16] = "", *path;
	unsigned restarts = 0;
	struct domain_config config;
	struct json_object *json;
	struct problem p;
	if (!uuid_parse(uuid, n->name))
		return;
	sscanf(n->value ? n->value : "", "%15s %u", what, &restarts);
	kill_unknown(uuid);
	if (has_record(n->name))
		return;
	json = strcmp(what, "restart") ? NULL : pending_read(uuid);
	problem_init(&p);
	domain_config_init(&config);
	if (json && !domain_config_from_json(&config, json, &p)) {
		create_start(NULL, &config, false, true, restarts);
	} else {
		path = xasprintf(CREATE_PENDING "/%s", n->name);
		xs_rm(path, NULL, NULL);
		free(path);
		pending_remove(uuid);
	}
	domain_config_free(&config);
	json_object_put(json);
}

/* One domain was looked at; after the last, the daemon is as if it had always been there. */
static void looked(void)
{
	if (--recover.looking)
		return;
	xs_node_free(recover.hospes);
	xs_node_free(recover.disks);
	recover.hospes = recover.disks = NULL;
	dom_refresh();
	recover.done();
}

struct half {
	struct dom *d;
	bool paused;
	struct device *all;
	unsigned waiting;
	char *operation;
	struct xs_node *notes; /* of devices */
};

struct half_device {
	struct half *h;
	struct device *dev;
};

/* Devices that were coming or going go on. */
static void resume_devices(struct half *h)
{
	struct device *dev, *next;
	for (dev = h->all; dev; dev = next) {
		char name[48];
		const char *note;
		struct json_object *json;
		next = dev->next;
		snprintf(name, sizeof(name), "%s-%d", dev->class, dev->devid);
		note = xs_node_value(h->notes, name);
		json = note && !strncmp(note, "attach ", 7) ? json_tokener_parse(note + 7) : NULL;
		dev->next = NULL;
		if (json && dev->has_back)
			attach_resume(h->d, dev, device_list_name(dev), json);
		else if (note)
			/* Without force it waits for the guest, as it did before. */
			detach_start(NULL, h->d, dev, strcmp(note, "detach") != 0);
		else
			device_free(dev);
	}
}

/* The note of a device whose nodes are gone already: what is left is to forget it. */
static void forget_device(struct half *h, const struct xs_node *note)
{
	const char *dash = strrchr(note->name, '-');
	struct device *dev;
	for (dev = h->all; dev; dev = dev->next)
		if (dash && !strncmp(dev->class, note->name, (size_t)(dash - note->name)) &&
		    dev->devid == atoi(dash + 1))
			return;
	if (!dash || (size_t)(dash - note->name) >= sizeof(dev->class))
		return;
	dev = xcalloc(1, sizeof(*dev));
	memcpy(dev->class, note->name, (size_t)(dash - note->name));
	dev->devid = atoi(dash + 1);
	detach_start(NULL, h->d, dev, true);
}

static void half_known(struct half *h)
{
	if (--h->waiting)
		return;
	if (!strncmp(h->operation, "create", 6)) {
		create_resume(h->d, h->all, h->paused);
	} else {
		for (const struct xs_node *n = h->notes ? h->notes->children : NULL; n; n = n->next)
			forget_device(h, n);
		resume_devices(h);
	}
	free(h->operation);
	free(h);
	looked();
}

static void half_got_back(void *arg, int err, struct xs_node *back)
{
	struct half_device *x = arg;
	(void)err;
	if (back)
		device_from_back(x->dev, back);
	xs_node_free(back);
	half_known(x->h);
	free(x);
}

static void half_got_records(void *arg, int err, struct xs_node *classes)
{
	struct half *h = arg;
	struct device **end = &h->all;
	(void)err;
	for (const struct xs_node *c = classes ? classes->children : NULL; c; c = c->next)
		for (const struct xs_node *r = c->children; r; r = r->next) {
			struct half_device *x;
			char path[DEVICE_PATH];
			*end = device_from_record(h->d->id, c->name, r);
			if (!*end)
				continue;
			x = xmalloc(sizeof(*x));
			*x = (struct half_device){ h, *end };
			h->waiting++;
			xs_read_tree(device_back(*end, path), half_got_back, x);
			end = &(*end)->next;
		}
	xs_node_free(classes);
	half_known(h);
}

/* One of ours, with what was under way on it. */
static void recover_one(const struct xs_node *n)
{
	const char *uuid_text = xs_node_value(n, "uuid"), *name = xs_node_value(n, "name");
	const char *operation = xs_node_value(n, "operation"), *restarts = xs_node_value(n, "restarts");
	uint32_t id = (uint32_t)strtoul(n->name, NULL, 10);
	uint8_t uuid[16];
	struct dom *d;
	struct half *h;
	char path[48];
	if (!uuid_text || !uuid_parse(uuid, uuid_text) || !id)
		return;
	/* A name and a UUID were changed, but not yet the one the hypervisor keeps. */
	if (operation && !strncmp(operation, "rename-restart", 14)) {
		hv_set_handle(id, uuid);
		snprintf(path, sizeof(path), "/hospes/%u/operation", id);
		xs_rm(path, NULL, NULL);
		operation = NULL;
		dom_refresh();
	}
	/* Its core was being written: its end is looked at anew, and then what it says follows. */
	if (operation && !strncmp(operation, "dump", 4)) {
		snprintf(path, sizeof(path), "/hospes/%u/operation", id);
		xs_rm(path, NULL, NULL);
		operation = NULL;
	}
	d = dom_find(id);
	if (d && memcmp(d->uuid, uuid, 16)) { /* the number has a new owner */
		snprintf(path, sizeof(path), "/hospes/%u", id);
		xs_rm(path, NULL, NULL);
		return;
	}
	d = dom_add(id, uuid, name ? name : "", true);
	d->restarts = restarts ? (unsigned)strtoul(restarts, NULL, 10) : 0;
	d->ended = xs_node_find(n, "ended") != NULL;
	if (operation && !strncmp(operation, "restart", 7)) {
		struct json_object *json = pending_read(uuid);
		struct domain_config config;
		struct problem p;
		problem_init(&p);
		domain_config_init(&config);
		if (json && !domain_config_from_json(&config, json, &p)) {
			destroy_start(NULL, d, DESTROY_RESTART, &config);
		} else if (!userdata_config(&config, id, uuid, &p)) {
			/* The note had not been written yet. */
			destroy_start(NULL, d, DESTROY_RESTART, &config);
		} else {
			destroy_start(NULL, d, DESTROY_ONLY, NULL);
		}
		json_object_put(json);
		return;
	}
	if (!alive(uuid, id) || (operation && !strncmp(operation, "destroy", 7))) {
		dom_log(d, "its end is completed");
		destroy_start(NULL, d, DESTROY_ONLY, NULL);
		return;
	}
	if (!operation && !xs_node_find(n, "device"))
		return;
	h = xcalloc(1, sizeof(*h));
	h->d = d;
	h->paused = xs_node_find(n, "paused") != NULL;
	recover.looking++;
	h->waiting = 1;
	h->operation = xstrdup(operation ? operation : "");
	h->notes = (struct xs_node *)xs_node_find(n, "device");
	snprintf(path, sizeof(path), "/libxl/%u/device", id);
	xs_read_tree(path, half_got_records, h);
}

/* Who has which disk, as far as the store tells. */
static void learn_disks(void)
{
	for (const struct xs_node *dom = recover.disks ? recover.disks->children : NULL; dom; dom = dom->next)
		for (const struct xs_node *disk = dom->children; disk; disk = disk->next) {
			const char *target = xs_node_value(disk, "params"), *mode = xs_node_value(disk, "mode");
			if (target && *target == '/')
				sharing_learn((uint32_t)strtoul(dom->name, NULL, 10), atoi(disk->name), target,
					      mode && strchr(mode, 'w'));
		}
}

/* A loop device of ours that no back end names. */
static void look_at_loop(void *arg, const char *device, const char *tag)
{
	(void)arg;
	for (const struct xs_node *dom = recover.disks ? recover.disks->children : NULL; dom; dom = dom->next)
		for (const struct xs_node *disk = dom->children; disk; disk = disk->next) {
			const char *node = xs_node_value(disk, "node");
			if (node && !strcmp(node, device))
				return;
		}
	fprintf(stderr, "hospesd: %s (%s) was left over: taken away\n", device, tag);
	host_loop_detach(device, NULL);
}

/* May there be a domain of that number, of ours or of others? */
static bool may_live(void *arg, uint32_t id)
{
	struct xen_domctl_getdomaininfo info;
	char name[16];
	(void)arg;
	snprintf(name, sizeof(name), "%u", id);
	/* One with a record is taken down by an operation, which may need its configuration. */
	return !id || xs_node_find(recover.hospes, name) || hv_info(id, &info) != -ESRCH;
}

static void got_disks(void *arg, int err, struct xs_node *disks)
{
	const struct xs_node *n;
	(void)arg;
	recover.disks = disks;
	if (err && err != ENOENT) {
		xs_node_free(recover.hospes);
		recover.hospes = NULL;
		return; /* the store went away: once more when it is back */
	}
	recover.looking = 1;
	drivers_learn(xs_node_find(recover.hospes, "drivers"));
	learn_disks();
	host_loops(look_at_loop, NULL);
	for (n = recover.hospes ? recover.hospes->children : NULL; n; n = n->next)
		recover_one(n);
	n = xs_node_find(recover.hospes, "pending");
	for (n = n ? n->children : NULL; n; n = n->next)
		recover_pending(n);
	userdata_sweep(may_live, NULL);
	looked();
}

/* What QEMU serves: "qcow2:/srv/web.img" is another name of a file. */
static void got_images(void *arg, int err, struct xs_node *images)
{
	(void)arg;
	for (const struct xs_node *dom = images ? images->children : NULL; dom; dom = dom->next) {
		host_qemus_learn((uint32_t)strtoul(dom->name, NULL, 10));
		for (const struct xs_node *disk = dom->children; disk; disk = disk->next) {
			const char *params = xs_node_value(disk, "params"), *mode = xs_node_value(disk, "mode");
			const char *file = params ? strchr(params, ':') : NULL;
			if (file)
				sharing_learn((uint32_t)strtoul(dom->name, NULL, 10), atoi(disk->name), file + 1,
					      mode && strchr(mode, 'w'));
		}
	}
	xs_node_free(images);
	if (!err || err == ENOENT)
		xs_read_tree("/local/domain/0/backend/vbd", got_disks, NULL);
	else {
		xs_node_free(recover.hospes);
		recover.hospes = NULL; /* the store went away: once more when it is back */
	}
}

static void got_hospes(void *arg, int err, struct xs_node *hospes)
{
	(void)arg;
	if (err && err != ENOENT)
		return;
	recover.hospes = hospes;
	xs_read_tree("/local/domain/0/backend/qdisk", got_images, NULL);
}

void life_recover(void (*done)(void))
{
	recover.done = done;
	xs_read_tree("/hospes", got_hospes, NULL);
}
