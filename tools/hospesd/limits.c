#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "base/problem.h"
#include "base/text.h"
#include "dom.h"
#include "hv.h"
#include "server.h"
#include "userdata.h"
#include "xs.h"

#define MAXMEM_EXTRA 1024 /* KiB above the target a domain may have, as libxl leaves it */

struct limit {
	struct caller *caller;
	uint32_t domid;
	uint64_t value;
	unsigned vcpus; /* to be online; 0: it is not about those */
	struct problem problem;
};

/* Put it into the domain's configuration, where the next life looks for it, as with libxl: the guest may reboot without knowing what it was given since. */
static void keep(struct dom *d, const char *key, struct json_object *value)
{
	struct json_object *config = userdata_read(d->id, d->uuid), *b_info;
	int rc = 0;
	if (config && json_object_object_get_ex(config, "b_info", &b_info) &&
	    json_object_is_type(b_info, json_type_object)) {
		json_object_object_add(b_info, key, value);
		rc = userdata_write(d->id, d->uuid, config);
	} else {
		json_object_put(value); /* of launch, or of a toolstack that keeps none */
	}
	json_object_put(config);
	if (rc)
		dom_log(d, "its configuration cannot be kept: %s", strerror(-rc));
}

static void limit_end(struct limit *l)
{
	struct dom *d = dom_find(l->domid);
	struct json_object *o;
	if (l->problem.err) {
		if (d)
			problem_domain(&l->problem, d->name, d->id);
		caller_problem(l->caller, &l->problem);
	} else {
		o = json_object_new_object();
		if (l->value)
			json_object_object_add(o, "target", json_object_new_int64((int64_t)l->value));
		caller_result(l->caller, o);
	}
	free(l);
}

static struct json_object *first_vcpus(unsigned nr)
{
	struct json_object *list = json_object_new_array();
	for (unsigned i = 0; i < nr; i++)
		json_object_array_add(list, json_object_new_int((int)i));
	return list;
}

static void stored(void *arg, int err, const char *body, size_t len)
{
	struct limit *l = arg;
	struct dom *d = dom_find(l->domid);
	(void)body;
	(void)len;
	if (err)
		problem_set(&l->problem, err, err == EIO ? "no-store" : "store-refused", "limits",
			    "see that xenstored runs", "the store did not take it: %s", strerror(err));
	else if (d && l->vcpus)
		keep(d, "avail_vcpus", first_vcpus(l->vcpus));
	else if (d)
		keep(d, "target_memkb", json_object_new_int64((int64_t)l->value));
	limit_end(l);
}

static struct limit *limit_new(struct caller *caller, struct dom *d)
{
	struct limit *l = xcalloc(1, sizeof(*l));
	l->caller = caller;
	l->domid = d->id;
	problem_init(&l->problem);
	return l;
}

/* The maximum is known: let the hypervisor and the balloon driver know the target. */
static void got_maximum(void *arg, int err, const char *body, size_t len)
{
	struct limit *l = arg;
	struct dom *d = dom_find(l->domid);
	uint64_t max = err ? 0 : strtoull(body, NULL, 10);
	char path[64], uuid[UUID_TEXT];
	struct xs_batch *b;
	int rc;
	(void)len;
	if (!d || (err && err != ENOENT)) {
		problem_set(&l->problem, err ? err : ENOENT, err == EIO ? "no-store" : "store-refused", "memory",
			    "see that xenstored runs", "its nodes cannot be read");
		limit_end(l);
		return;
	}
	if (max && l->value > max) {
		problem_set(&l->problem, EINVAL, "above-maximum", "memory",
			    "give it a larger maxmem in its configuration",
			    "%" PRIu64 " KiB are more than its maximum of %" PRIu64 " KiB", l->value, max);
		limit_end(l);
		return;
	}
	rc = hv_max_mem(d->id, l->value + MAXMEM_EXTRA);
	if (rc) {
		problem_set(&l->problem, -rc, "hypervisor-refused", "memory", "look at xl dmesg",
			    "the hypervisor refused the limit: %s", strerror(-rc));
		limit_end(l);
		return;
	}
	/* Only domains with memory populated on demand have a target there. */
	if (d->id)
		(void)!hv_pod_target(d->id, l->value / 4);
	b = xs_batch_new();
	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", d->id);
	xs_batch_printf(b, path, "%" PRIu64, l->value);
	uuid_format(uuid, d->uuid);
	if (d->id) {
		snprintf(path, sizeof(path), "/vm/%s/memory", uuid);
		xs_batch_printf(b, path, "%" PRIu64, l->value / 1024);
	}
	dom_log(d, "gets a memory target of %" PRIu64 " KiB", l->value);
	xs_batch_commit(b, stored, l);
}

void limits_memory_set(struct caller *caller, struct dom *d, struct json_object *params)
{
	struct limit *l = limit_new(caller, d);
	char path[64];
	if (!arg_number(params, "kib", UINT64_C(1) << 42, &l->value, &l->problem)) {
		limit_end(l);
		return;
	}
	if (!d->id && l->value < DOM0_LEAST) {
		problem_set(&l->problem, EINVAL, "below-minimum", "memory", "leave it more",
			    "%" PRIu64 " KiB are less than the %u KiB domain 0 needs to go on", l->value, DOM0_LEAST);
		limit_end(l);
		return;
	}
	snprintf(path, sizeof(path), "/local/domain/%u/memory/static-max", d->id);
	xs_read(path, got_maximum, l);
}

static void got_target(void *arg, int err, const char *body, size_t len)
{
	struct limit *l = arg;
	uint64_t target = err ? 0 : strtoull(body, NULL, 10);
	int rc;
	(void)len;
	if (target > l->value) {
		problem_set(&l->problem, EINVAL, "below-target", "memory", "lower its target first (xl mem-set)",
			    "%" PRIu64 " KiB are less than its target of %" PRIu64 " KiB", l->value, target);
	} else {
		rc = hv_max_mem(l->domid, l->value + MAXMEM_EXTRA);
		if (rc)
			problem_set(&l->problem, -rc, "hypervisor-refused", "memory", "look at xl dmesg",
				    "the hypervisor refused the limit: %s", strerror(-rc));
	}
	l->value = 0;
	limit_end(l);
}

void limits_memory_max(struct caller *caller, struct dom *d, struct json_object *params)
{
	struct limit *l = limit_new(caller, d);
	char path[64];
	if (!arg_number(params, "kib", UINT64_C(1) << 42, &l->value, &l->problem)) {
		limit_end(l);
		return;
	}
	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", d->id);
	xs_read(path, got_target, l);
}

void limits_vcpus_set(struct caller *caller, struct dom *d, struct json_object *params)
{
	struct limit *l = limit_new(caller, d);
	struct xen_domctl_getdomaininfo info;
	struct xs_batch *b;
	unsigned cpus = hv_nr_cpus();
	uint64_t nr = 0;
	int rc = hv_info(d->id, &info);
	if (rc)
		problem_set(&l->problem, -rc, "no-such-domain", "vcpus", "look at xl list",
			    "the hypervisor does not know it");
	else if (!arg_number(params, "vcpus", 8192, &nr, &l->problem) || !nr)
		problem_set(&l->problem, EINVAL, "bad-request", "vcpus", "give at least one", "a domain needs a vCPU");
	else if (nr > info.max_vcpu_id + 1u)
		problem_set(&l->problem, EINVAL, "above-maximum", "vcpus",
			    "give it a larger maxvcpus in its configuration", "it has at most %u vCPUs",
			    info.max_vcpu_id + 1u);
	else if (cpus && nr > cpus && !arg_bool(params, "ignore_warnings"))
		problem_set(&l->problem, EINVAL, "more-than-cpus", "vcpus", "use -i to have it nevertheless",
			    "%" PRIu64 " vCPUs are more than the machine's %u CPUs", nr, cpus);
	if (l->problem.err) {
		limit_end(l);
		return;
	}
	b = xs_batch_new();
	for (unsigned i = 0; i <= info.max_vcpu_id; i++)
		xs_batch_write(b, i < nr ? "online" : "offline", "/local/domain/%u/cpu/%u/availability", d->id, i);
	dom_log(d, "gets %" PRIu64 " vCPUs", nr);
	l->vcpus = (unsigned)nr;
	xs_batch_commit(b, stored, l);
}
