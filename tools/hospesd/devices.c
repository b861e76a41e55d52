#include "devices.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "args.h"
#include "base/problem.h"
#include "base/text.h"
#include "device.h"
#include "dom.h"
#include "domain/config.h"
#include "ops.h"
#include "server.h"
#include "xs.h"

/* "vbd" or "vif" for the request's kind; NULL with the problem. */
static const char *class_of(struct json_object *params, struct problem *p)
{
	const char *kind = arg_string(params, "kind");
	if (kind && !strcmp(kind, "disk"))
		return "vbd";
	if (kind && !strcmp(kind, "nic"))
		return "vif";
	problem_set(p, EINVAL, "bad-request", "request", "say 'disk' or 'nic'",
		    "the parameter 'kind' is neither 'disk' nor 'nic'");
	return NULL;
}

static void refuse(struct caller *caller, const struct dom *d, struct problem *p)
{
	problem_domain(p, d->name, d->id);
	caller_problem(caller, p);
}

static void attach_disk(struct caller *caller, struct dom *d, struct json_object *json, struct problem *p)
{
	struct disk_config c = { 0 };
	struct device *dev = NULL;
	if (!disk_config_from_json(&c, json, p))
		dev = device_from_disk(&c, p);
	if (dev)
		attach_start(caller, d, dev, "disks", disk_config_json(&c));
	else
		refuse(caller, d, p);
	disk_config_free(&c);
}

static void attach_nic(struct caller *caller, struct dom *d, struct json_object *json, struct problem *p)
{
	static const uint8_t none[6];
	struct nic_config c = { .devid = -1, .vlan = -1 };
	struct device *dev = NULL;
	if (!nic_config_from_json(&c, json, p)) {
		if (!memcmp(c.mac, none, 6)) {
			memcpy(c.mac, "\x00\x16\x3e", 3);
			if (getrandom(c.mac + 3, 3, 0) != 3)
				abort();
			c.mac[3] &= 0x7f;
		}
		dev = device_from_nic(&c, c.devid, p);
	}
	if (dev)
		attach_start(caller, d, dev, "nics", nic_config_json(&c));
	else
		refuse(caller, d, p);
	nic_config_free(&c);
}

void devices_attach(struct caller *caller, struct dom *d, struct json_object *params)
{
	struct problem p;
	const char *class;
	struct json_object *json;
	problem_init(&p);
	class = class_of(params, &p);
	json = class ? arg_object(params, "config", &p) : NULL;
	if (!json)
		refuse(caller, d, &p);
	else if (!strcmp(class, "vbd"))
		attach_disk(caller, d, json, &p);
	else
		attach_nic(caller, d, json, &p);
}

/*
 * Listing: the records, then each device's two ends.
 */

struct listed {
	struct listing *listing;
	struct device *dev;
	struct xs_node *front, *back;
};

struct listing {
	struct caller *caller;
	uint32_t domid;
	char class[8];
	struct listed *all;
	unsigned nr, waiting;
	void (*done)(struct listing *l);
	/* Of detaching. */
	int devid; /* -1: by the next */
	char *vdev, *mac;
	bool force;
};

static void listing_free(struct listing *l)
{
	for (unsigned i = 0; i < l->nr; i++) {
		device_free(l->all[i].dev);
		xs_node_free(l->all[i].front);
		xs_node_free(l->all[i].back);
	}
	free(l->all);
	free(l->vdev);
	free(l->mac);
	free(l);
}

static void listing_part(struct listing *l)
{
	if (!--l->waiting) {
		l->done(l);
		listing_free(l);
	}
}

static void got_back(void *arg, int err, struct xs_node *n)
{
	struct listed *x = arg;
	(void)err;
	x->back = n;
	if (n)
		device_from_back(x->dev, n);
	listing_part(x->listing);
}

static void got_front(void *arg, int err, struct xs_node *n)
{
	struct listed *x = arg;
	(void)err;
	x->front = n;
	listing_part(x->listing);
}

static void got_records(void *arg, int err, struct xs_node *records)
{
	struct listing *l = arg;
	unsigned nr = 0;
	char path[DEVICE_PATH];
	(void)err;
	for (struct xs_node *r = records ? records->children : NULL; r; r = r->next)
		nr++;
	l->all = xcalloc(nr, sizeof(*l->all));
	for (struct xs_node *r = records ? records->children : NULL; r; r = r->next) {
		struct listed *x = &l->all[l->nr];
		x->dev = device_from_record(l->domid, l->class, r);
		if (!x->dev)
			continue;
		x->listing = l;
		l->nr++;
		l->waiting += 2;
		xs_read_tree(device_back(x->dev, path), got_back, x);
		xs_read_tree(device_front(x->dev, path), got_front, x);
	}
	xs_node_free(records);
	listing_part(l);
}

static void listing_start(struct listing *l)
{
	char path[64];
	snprintf(path, sizeof(path), "/libxl/%u/device/%s", l->domid, l->class);
	l->waiting = 1;
	xs_read_tree(path, got_records, l);
}

static void add_text(struct json_object *o, const char *name, const struct xs_node *n, const char *node)
{
	const char *value = xs_node_value(n, node);
	if (value)
		json_object_object_add(o, name, json_object_new_string(value));
}

static void add_number(struct json_object *o, const char *name, const struct xs_node *n, const char *node)
{
	const char *value = xs_node_value(n, node);
	json_object_object_add(o, name, json_object_new_int64(value ? strtoll(value, NULL, 10) : -1));
}

static struct json_object *entry(const struct listed *x)
{
	struct json_object *o = json_object_new_object();
	bool disk = !strcmp(x->dev->class, "vbd");
	char path[DEVICE_PATH];
	json_object_object_add(o, "devid", json_object_new_int(x->dev->devid));
	json_object_object_add(o, "backend_id", json_object_new_int64(x->dev->backend_domid));
	json_object_object_add(o, "backend_path", json_object_new_string(device_back(x->dev, path)));
	json_object_object_add(o, "frontend_path", json_object_new_string(device_front(x->dev, path)));
	json_object_object_add(o, "frontend_id", json_object_new_int64(x->dev->domid));
	add_number(o, "state", x->front, "state");
	add_number(o, "backend_state", x->back, "state");
	if (disk) {
		add_text(o, "vdev", x->back, "dev");
		add_text(o, "target", x->back, "params");
		add_text(o, "mode", x->back, "mode");
		add_text(o, "type", x->back, "type");
		add_number(o, "evtch", x->front, "event-channel");
		add_number(o, "ring_ref", x->front, "ring-ref");
	} else {
		add_text(o, "mac", x->back, "mac");
		add_text(o, "bridge", x->back, "bridge");
		add_text(o, "ip", x->back, "ip");
		add_number(o, "handle", x->back, "handle");
		add_number(o, "evtch", x->front, "event-channel");
		add_number(o, "evtch_tx", x->front, "event-channel-tx");
		add_number(o, "evtch_rx", x->front, "event-channel-rx");
		add_number(o, "tx_ring_ref", x->front, "tx-ring-ref");
		add_number(o, "rx_ring_ref", x->front, "rx-ring-ref");
	}
	return o;
}

static int by_devid(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	return (x->dev->devid > y->dev->devid) - (x->dev->devid < y->dev->devid);
}

static void list_done(struct listing *l)
{
	struct json_object *list = json_object_new_array();
	qsort(l->all, l->nr, sizeof(*l->all), by_devid);
	for (unsigned i = 0; i < l->nr; i++)
		json_object_array_add(list, entry(&l->all[i]));
	caller_result(l->caller, list);
}

static struct listing *listing_new(struct caller *caller, const struct dom *d, struct json_object *params)
{
	struct problem p;
	struct listing *l;
	const char *class;
	problem_init(&p);
	class = class_of(params, &p);
	if (!class) {
		refuse(caller, d, &p);
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	l->caller = caller;
	l->domid = d->id;
	l->devid = -1;
	snprintf(l->class, sizeof(l->class), "%s", class);
	return l;
}

void devices_list(struct caller *caller, struct dom *d, struct json_object *params)
{
	struct listing *l = listing_new(caller, d, params);
	if (!l)
		return;
	l->done = list_done;
	listing_start(l);
}

static bool wanted(const struct listing *l, const struct device *dev)
{
	char mac[18];
	if (l->devid >= 0)
		return dev->devid == l->devid;
	if (l->vdev)
		return dev->devid == disk_vdev_number(l->vdev);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", dev->mac[0], dev->mac[1], dev->mac[2], dev->mac[3],
		 dev->mac[4], dev->mac[5]);
	return l->mac && !strcasecmp(mac, l->mac);
}

static void detach_found(struct listing *l)
{
	struct dom *d = dom_find(l->domid);
	struct problem p;
	for (unsigned i = 0; d && i < l->nr; i++) {
		if (!wanted(l, l->all[i].dev))
			continue;
		detach_start(l->caller, d, l->all[i].dev, l->force);
		l->all[i].dev = NULL;
		return;
	}
	problem_init(&p);
	problem_set(&p, ENOENT, "no-such-device", "device", "look at xl block-list and xl network-list",
		    "it has no such device: %s",
		    l->vdev ? l->vdev :
		    l->mac  ? l->mac :
			      "by that number");
	if (d)
		problem_domain(&p, d->name, d->id);
	caller_problem(l->caller, &p);
}

void devices_detach(struct caller *caller, struct dom *d, struct json_object *params)
{
	struct listing *l = listing_new(caller, d, params);
	struct json_object *o;
	if (!l)
		return;
	if (json_object_object_get_ex(params, "devid", &o))
		l->devid = json_object_get_int(o);
	l->vdev = arg_string(params, "vdev") ? xstrdup(arg_string(params, "vdev")) : NULL;
	l->mac = arg_string(params, "mac") ? xstrdup(arg_string(params, "mac")) : NULL;
	l->force = arg_bool(params, "force");
	l->done = detach_found;
	listing_start(l);
}
