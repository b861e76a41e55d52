#include "methods.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "base/problem.h"
#include "base/text.h"
#include "devices.h"
#include "dom.h"
#include "domain/config.h"
#include "explain.h"
#include "hv.h"
#include "limits.h"
#include "ops.h"
#include "records.h"
#include "userdata.h"
#include "xs.h"

/* The domain of a request, or its answer is given. */
static struct dom *domain_of(struct caller *caller, struct json_object *params)
{
	struct problem p;
	struct dom *d;
	problem_init(&p);
	d = dom_named(params, false, &p);
	if (!d)
		caller_problem(caller, &p);
	return d;
}

static void refuse(struct caller *caller, const struct dom *d, struct problem *p)
{
	if (d)
		problem_domain(p, d->name, d->id);
	caller_problem(caller, p);
}

/* Domain 0 is not to be taken down by a slip of the finger. */
static bool may_end(struct caller *caller, const struct dom *d)
{
	struct problem p;
	if (d->id)
		return true;
	problem_init(&p);
	problem_set(&p, EPERM, "control-domain", "request", "shut the machine down instead",
		    "domain 0 runs the machine");
	refuse(caller, d, &p);
	return false;
}

/*
 * The same for a request that changes the domain: what is written of one on its way out nobody would take away. Of others' the hypervisor knows that, and
 * of one that has pages somebody holds.
 */
static struct dom *living(struct caller *caller, struct json_object *params)
{
	struct dom *d = domain_of(caller, params);
	struct xen_domctl_getdomaininfo info;
	struct problem p;
	if (!d || (!destroy_under_way(d) && (hv_info(d->id, &info) || !(info.flags & XEN_DOMINF_dying))))
		return d;
	problem_init(&p);
	problem_set(&p, ESRCH, "domain-destroyed", "request",
		    "wait until it is gone; xl explain says what it waits for", "the domain is being destroyed");
	refuse(caller, d, &p);
	return NULL;
}

static unsigned wait_of(struct json_object *params)
{
	return arg_bool(params, "gone") ? 2 : 1;
}

static void domain_create(struct caller *caller, struct json_object *params)
{
	struct domain_config config;
	struct json_object *json;
	struct problem p;
	const char *file = arg_string(params, "file");
	problem_init(&p);
	json = arg_object(params, "config", &p);
	if (!json) {
		caller_problem(caller, &p);
		return;
	}
	domain_config_init(&config);
	if (domain_config_from_json(&config, json, &p)) {
		caller_problem(caller, &p);
	} else {
		if (file && !config.file)
			config.file = xstrdup(file);
		create_start(caller, &config, arg_bool(params, "paused"), false, 0);
	}
	domain_config_free(&config);
}

static void domain_destroy(struct caller *caller, struct json_object *params)
{
	const char *name = arg_string(params, "domain");
	struct dom *d;
	if (name && !dom_find_name(name) && create_cancel(name, caller))
		return;
	d = domain_of(caller, params);
	if (!d || !may_end(caller, d))
		return;
	destroy_start(caller, d, DESTROY_ONLY, NULL);
}

static void ask_down(struct caller *caller, struct json_object *params, const char *command)
{
	struct dom *d = living(caller, params);
	if (d && may_end(caller, d))
		shutdown_start(caller, d, command, arg_bool(params, "fallback"),
			       arg_bool(params, "wait") ? wait_of(params) : 0);
}

static void domain_shutdown(struct caller *caller, struct json_object *params)
{
	ask_down(caller, params, "poweroff");
}

static void domain_reboot(struct caller *caller, struct json_object *params)
{
	ask_down(caller, params, "reboot");
}

static void domain_wait(struct caller *caller, struct json_object *params)
{
	struct dom *d = domain_of(caller, params);
	if (d && may_end(caller, d))
		shutdown_wait(caller, d, wait_of(params));
}

static void answer_hypercall(struct caller *caller, const struct dom *d, int rc, const char *what)
{
	struct problem p;
	if (!rc) {
		caller_result(caller, NULL);
		return;
	}
	problem_init(&p);
	problem_set(&p, -rc, "hypervisor-refused", what, "look at xl list and xl dmesg",
		    "the hypervisor refused to %s it: %s", what, strerror(-rc));
	refuse(caller, d, &p);
}

static void domain_pause(struct caller *caller, struct json_object *params)
{
	struct dom *d = domain_of(caller, params);
	if (d && may_end(caller, d))
		answer_hypercall(caller, d, hv_pause(d->id), "pause");
}

static void domain_unpause(struct caller *caller, struct json_object *params)
{
	struct dom *d = domain_of(caller, params);
	int rc;
	if (!d)
		return;
	rc = hv_unpause(d->id);
	if (!rc) {
		char *path = dom_record(d, "paused");
		if (d->ours)
			xs_rm(path, NULL, NULL);
		free(path);
		dom_event(d, "unpaused", NULL);
	}
	answer_hypercall(caller, d, rc, "unpause");
}

struct renaming {
	struct caller *caller;
	uint32_t domid;
	char *old; /* name, should it come to nothing */
};

static void renamed(void *arg, int err, const char *body, size_t len)
{
	struct renaming *r = arg;
	struct dom *d = dom_find(r->domid);
	struct problem p;
	(void)body;
	(void)len;
	op_die_here("change", "done");
	if (!err) {
		caller_result(r->caller, NULL);
	} else {
		if (d)
			dom_set_name(d, r->old); /* if the store knows better, its watch tells */
		problem_init(&p);
		problem_set(&p, err, err == EIO ? "no-store" : "store-refused", "store", "see that xenstored runs",
			    "the store did not take the change: %s", strerror(err));
		refuse(r->caller, d, &p);
	}
	free(r->old);
	free(r);
}

static void domain_rename(struct caller *caller, struct json_object *params)
{
	static const uint8_t none[16];
	struct dom *d = living(caller, params), *other;
	const char *name = arg_string(params, "name");
	struct problem p;
	struct xs_batch *b;
	struct renaming *r;
	if (!d)
		return;
	problem_init(&p);
	if (!name || create_check_name(name, &p)) {
		problem_set(&p, EINVAL, "bad-name", "name", "give the new name", "the parameter 'name' is missing");
		refuse(caller, d, &p);
		return;
	}
	other = dom_find_name(name);
	if (other && other != d) {
		problem_set(&p, EEXIST, "name-taken", "name", "choose another name",
			    "domain %u has the name '%s' already", other->id, name);
		refuse(caller, d, &p);
		return;
	}
	if (create_under_way(name, none)) {
		problem_set(&p, EEXIST, "name-taken", "name", "choose another name",
			    "a domain with the name '%s' is being created", name);
		refuse(caller, d, &p);
		return;
	}
	b = xs_batch_new();
	records_rename(b, d->id, d->uuid, name);
	if (d->ours)
		xs_batch_write(b, name, "/hospes/%u/name", d->id);
	dom_log(d, "is renamed to %s", name);
	r = xmalloc(sizeof(*r));
	*r = (struct renaming){ caller, d->id, xstrdup(d->name) };
	dom_set_name(d, name);
	op_die_here("change", "begin");
	xs_batch_commit(b, renamed, r);
}

/* What is kept of @d, with its name and UUID of now. */
static struct json_object *config_now(const struct dom *d)
{
	struct json_object *json = userdata_read(d->id, d->uuid), *c_info;
	char uuid[UUID_TEXT];
	uuid_format(uuid, d->uuid);
	if (!json)
		json = json_object_new_object();
	if (!json_object_object_get_ex(json, "c_info", &c_info)) {
		c_info = json_object_new_object();
		json_object_object_add(json, "c_info", c_info);
		json_object_object_add(c_info, "type", json_object_new_string("pvh"));
	}
	json_object_object_add(c_info, "name", json_object_new_string(d->name));
	json_object_object_add(c_info, "uuid", json_object_new_string(uuid));
	return json;
}

static void domain_config_get(struct caller *caller, struct json_object *params)
{
	struct dom *d = domain_of(caller, params);
	if (d)
		caller_result(caller, config_now(d));
}

static void domain_config_update(struct caller *caller, struct json_object *params)
{
	struct dom *d = living(caller, params);
	struct domain_config config;
	struct json_object *json;
	struct problem p;
	int rc;
	if (!d)
		return;
	problem_init(&p);
	json = arg_object(params, "config", &p);
	domain_config_init(&config);
	rc = json ? domain_config_from_json(&config, json, &p) : -EINVAL;
	if (!rc) {
		/* It stays the same domain. */
		free(config.name);
		config.name = xstrdup(d->name);
		memcpy(config.uuid, d->uuid, 16);
		userdata_complete(&config);
		json = domain_config_json(&config);
		rc = userdata_write(d->id, d->uuid, json);
		json_object_put(json);
		if (rc)
			problem_set(&p, -rc, "cannot-write", "configuration", "make room or give access there",
				    "the configuration cannot be kept: %s", strerror(-rc));
	}
	domain_config_free(&config);
	if (rc)
		refuse(caller, d, &p);
	else
		caller_result(caller, NULL);
}

static void domain_memory_set(struct caller *caller, struct json_object *params)
{
	struct dom *d = living(caller, params);
	if (d)
		limits_memory_set(caller, d, params);
}

static void domain_memory_max(struct caller *caller, struct json_object *params)
{
	struct dom *d = living(caller, params);
	if (d)
		limits_memory_max(caller, d, params);
}

static void domain_vcpus_set(struct caller *caller, struct json_object *params)
{
	struct dom *d = living(caller, params);
	if (d)
		limits_vcpus_set(caller, d, params);
}

static void domain_explain(struct caller *caller, struct json_object *params)
{
	struct problem p;
	struct dom *d;
	problem_init(&p);
	d = dom_named(params, true, &p);
	if (d)
		caller_result(caller, explain(d));
	else
		caller_problem(caller, &p);
}

static void device_attach(struct caller *caller, struct json_object *params)
{
	struct dom *d = living(caller, params);
	if (d)
		devices_attach(caller, d, params);
}

static void device_detach(struct caller *caller, struct json_object *params)
{
	struct dom *d = living(caller, params);
	if (d)
		devices_detach(caller, d, params);
}

static void device_list(struct caller *caller, struct json_object *params)
{
	struct dom *d = domain_of(caller, params);
	if (d)
		devices_list(caller, d, params);
}

static void daemon_status(struct caller *caller, struct json_object *params)
{
	struct json_object *o = json_object_new_object(), *pending = json_object_new_array(), *x;
	int nr = 0;
	(void)params;
	for (struct dom *d = dom_first(); d; d = d->next)
		nr += !d->gone;
	for (struct op *op = op_first(); op; op = op->next) {
		if (op->parent)
			continue;
		x = json_object_new_object();
		json_object_object_add(x, "domid", op->dom ? json_object_new_int64(op->dom->id) : NULL);
		json_object_object_add(x, "operation", json_object_new_string(op->type->name));
		json_object_object_add(x, "step", json_object_new_string(op_step_name(op)));
		if (op->parked)
			json_object_object_add(x, "waits_for", json_object_new_string("store"));
		json_object_array_add(pending, x);
	}
	json_object_object_add(o, "version", json_object_new_int(1));
	json_object_object_add(o, "pid", json_object_new_int(getpid()));
	json_object_object_add(o, "domains", json_object_new_int(nr));
	json_object_object_add(o, "store", json_object_new_boolean(xs_up()));
	json_object_object_add(o, "store_requests", json_object_new_int64((int64_t)xs_requests()));
	json_object_object_add(o, "pending", pending);
	caller_result(caller, o);
}

static void events_subscribe(struct caller *caller, struct json_object *params)
{
	(void)params;
	caller_subscribe(caller);
	caller_result(caller, NULL);
}

const struct server_entry methods[] = {
	{ "domain.create", domain_create },
	{ "domain.destroy", domain_destroy },
	{ "domain.shutdown", domain_shutdown },
	{ "domain.reboot", domain_reboot },
	{ "domain.wait", domain_wait },
	{ "domain.pause", domain_pause },
	{ "domain.unpause", domain_unpause },
	{ "domain.rename", domain_rename },
	{ "domain.config", domain_config_get },
	{ "domain.config_update", domain_config_update },
	{ "domain.memory_set", domain_memory_set },
	{ "domain.memory_max", domain_memory_max },
	{ "domain.vcpus_set", domain_vcpus_set },
	{ "domain.explain", domain_explain },
	{ "device.attach", device_attach },
	{ "device.detach", device_detach },
	{ "device.list", device_list },
	{ "daemon.status", daemon_status },
	{ "events.subscribe", events_subscribe },
	{ NULL, NULL },
};
