/* libxl's JSON -> domain_config. What the structure has no place for stays as it was, in `others`. */
#include "domain/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"
#include "domain/names.h"

/* Members are taken out of @left, a copy; what remains there is nobody's. */
struct reader {
	struct json_object *left;
	struct problem *p;
	int rc;
};

static void bad(struct reader *r, const char *name, const char *what)
{
	if (r->rc == 0)
		r->rc = problem_set(r->p, EINVAL, "bad-json", "configuration",
				    "give the JSON of `xl list -l` or of `xl create --dryrun`", "member %s is not %s",
				    name, what);
}

/* The member, which the caller takes out with drop() when it is done; NULL: not there, or null. */
static struct json_object *get(struct reader *r, const char *name, json_type type, const char *what)
{
	struct json_object *v;

	if (!json_object_object_get_ex(r->left, name, &v) || !v)
		return NULL;
	if (json_object_is_type(v, type))
		return v;
	bad(r, name, what);
	return NULL;
}

static void drop(struct reader *r, const char *name)
{
	json_object_object_del(r->left, name);
}

static void take_string(struct reader *r, const char *name, char **to)
{
	struct json_object *v = get(r, name, json_type_string, "a string");

	if (!v)
		return;
	free(*to);
	*to = xstrdup(json_object_get_string(v));
	drop(r, name);
}

/* True if there was one in [@min, @max]. */
static bool take_number(struct reader *r, const char *name, int64_t min, int64_t max, int64_t *to)
{
	struct json_object *v = get(r, name, json_type_int, "a number");
	int64_t n = v ? json_object_get_int64(v) : 0;

	if (!v)
		return false;
	if (n < min || n > max) {
		bad(r, name, "in its range");
		return false;
	}
	*to = n;
	drop(r, name);
	return true;
}

static void take_int(struct reader *r, const char *name, int *to)
{
	int64_t n;

	if (take_number(r, name, INT32_MIN, INT32_MAX, &n))
		*to = (int)n;
}

static void take_limit(struct reader *r, const char *name, uint32_t *to)
{
	int64_t n;

	if (take_number(r, name, 0, UINT32_MAX, &n))
		*to = (uint32_t)n;
}

/* "True" or true or 1; "False" stays where it is, for "not given" is the same to us but not to who prints it. */
static void take_true(struct reader *r, const char *name, bool *to)
{
	struct json_object *v;

	if (!json_object_object_get_ex(r->left, name, &v) || !v)
		return;
	*to = json_object_is_type(v, json_type_string) ? strcmp(json_object_get_string(v), "True") == 0 :
							 json_object_get_boolean(v);
	if (*to)
		drop(r, name);
}

static bool take_name(struct reader *r, const char *name, const struct name *table, int *to)
{
	struct json_object *v = get(r, name, json_type_string, "a word");

	if (!v)
		return false;
	*to = value_of(table, json_object_get_string(v));
	if (*to < 0) {
		bad(r, name, "a word that is known");
		return false;
	}
	drop(r, name);
	return true;
}

static int parse_uuid(const char *s, uint8_t uuid[16])
{
	unsigned n = 0;

	for (; *s; s++) {
		if (*s == '-')
			continue;
		if (!isxdigit((unsigned char)*s) || n == 32)
			return -EINVAL;
		uuid[n / 2] =
			(uint8_t)(uuid[n / 2] << 4 |
				  (isdigit((unsigned char)*s) ? *s - '0' : tolower((unsigned char)*s) - 'a' + 10));
		n++;
	}
	return n == 32 ? 0 : -EINVAL;
}

static void read_c_info(struct reader *r, struct domain_config *c)
{
	struct json_object *v;
	int type;

	if (take_name(r, "type", domain_type_names, &type)) {
		c->type = (enum domain_type)type;
		c->type_given = true;
	}
	take_string(r, "name", &c->name);
	take_string(r, "pool_name", &c->pool);
	take_string(r, "ssid_label", &c->seclabel);
	take_string(r, "passthrough", &c->passthrough);
	take_true(r, "driver_domain", &c->driver_domain);
	v = get(r, "uuid", json_type_string, "a UUID");
	if (v && parse_uuid(json_object_get_string(v), c->uuid))
		bad(r, "uuid", "a UUID");
	else if (v)
		drop(r, "uuid");
}

/* An array of numbers as a bitmap of at least @nr bits; false: not that. */
static bool read_bitmap(struct json_object *a, unsigned nr, struct cpu_list *l)
{
	if (!json_object_is_type(a, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(a); i++) {
		struct json_object *n = json_object_array_get_idx(a, i);
		int64_t v = json_object_get_int64(n);

		if (!json_object_is_type(n, json_type_int) || v < 0 || v > 65535)
			return false;
		nr = v >= nr ? (unsigned)v + 1 : nr;
	}
	*l = (struct cpu_list){ .nr_bits = nr, .bits = xcalloc(nr / 8 + 1, 1) };
	for (size_t i = 0; i < json_object_array_length(a); i++) {
		int64_t v = json_object_get_int64(json_object_array_get_idx(a, i));

		l->bits[v / 8] |= (uint8_t)(1u << v % 8);
	}
	return true;
}

static void read_affinity(struct reader *r, struct domain_config *c, const char *name, bool soft)
{
	struct json_object *a = get(r, name, json_type_array, "an array of bitmaps");
	size_t nr = a ? json_object_array_length(a) : 0;

	if (!a)
		return;
	if (nr > 4096) {
		bad(r, name, "in its range");
		return;
	}
	if (nr > c->nr_vcpu_affinity) {
		c->vcpu_affinity = xrealloc(c->vcpu_affinity, nr * sizeof(*c->vcpu_affinity));
		memset(c->vcpu_affinity + c->nr_vcpu_affinity, 0,
		       (nr - c->nr_vcpu_affinity) * sizeof(*c->vcpu_affinity));
		c->nr_vcpu_affinity = (unsigned)nr;
	}
	for (size_t i = 0; i < nr; i++) {
		struct cpu_list *l = soft ? &c->vcpu_affinity[i].soft : &c->vcpu_affinity[i].hard;
		struct json_object *item = json_object_array_get_idx(a, i);

		if (json_object_is_type(item, json_type_array) && json_object_array_length(item) == 0)
			continue;
		if (!read_bitmap(item, c->nr_cpus, l)) {
			bad(r, name, "an array of bitmaps");
			return;
		}
	}
	drop(r, name);
}

static void read_vcpus(struct reader *r, struct domain_config *c)
{
	struct json_object *a = get(r, "avail_vcpus", json_type_array, "an array of numbers");
	struct cpu_list l = { 0 };
	int64_t n;

	if (a && read_bitmap(a, 0, &l)) {
		c->vcpus = 0;
		for (unsigned i = 0; i < l.nr_bits; i++)
			c->vcpus += l.bits[i / 8] >> i % 8 & 1;
		/* Another set than the first ones is kept as it is. */
		if (c->vcpus == l.nr_bits) {
			c->vcpus_given = c->vcpus > 0;
			drop(r, "avail_vcpus");
		}
		if (!c->vcpus)
			c->vcpus = 1;
		c->maxvcpus = c->vcpus;
	} else if (a) {
		bad(r, "avail_vcpus", "an array of numbers");
	}
	cpu_list_free(&l);
	if (take_number(r, "max_vcpus", 0, 4096, &n) && n) {
		c->maxvcpus = (unsigned)n;
		c->maxvcpus_given = true;
	}
	if (c->maxvcpus < c->vcpus)
		bad(r, "max_vcpus", "at least the number of available ones");
	read_affinity(r, c, "vcpu_hard_affinity", false);
	read_affinity(r, c, "vcpu_soft_affinity", true);
}

static void read_sched(struct reader *r, struct domain_config *c)
{
	struct reader s = { get(r, "sched_params", json_type_object, "an object"), r->p, 0 };

	if (!s.left)
		return;
	take_int(&s, "weight", &c->weight);
	take_int(&s, "cap", &c->cap);
	take_int(&s, "period", &c->period);
	take_int(&s, "slice", &c->slice);
	take_int(&s, "latency", &c->latency);
	if (s.rc)
		r->rc = s.rc;
}

static void read_strings(struct reader *r, const char *name, char ***to)
{
	struct json_object *a = get(r, name, json_type_array, "an array of strings");
	size_t nr = a ? json_object_array_length(a) : 0;
	char **list;

	if (!a)
		return;
	list = xcalloc(nr + 1, sizeof(*list));
	for (size_t i = 0; i < nr; i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(a, i));

		list[i] = xstrdup(s ? s : "");
	}
	*to = list;
	drop(r, name);
}

static void read_b_info(struct reader *r, struct domain_config *c)
{
	struct reader hvm = { NULL, r->p, 0 };
	char *exec_label = NULL;
	int mode;
	int64_t n;

	read_vcpus(r, c);
	if (take_name(r, "tsc_mode", tsc_mode_names, &mode))
		c->tsc_mode = (enum tsc_mode)mode;
	if (take_number(r, "target_memkb", 0, INT64_MAX, &n))
		c->memory = c->maxmem = (uint64_t)n;
	if (take_number(r, "max_memkb", 0, INT64_MAX, &n))
		c->maxmem = (uint64_t)n;
	if (!c->memory)
		c->memory = c->maxmem;
	take_string(r, "exec_ssid_label", &exec_label);
	if (exec_label) {
		c->init_seclabel = c->seclabel;
		c->seclabel = exec_label;
	}
	take_true(r, "disable_migrate", &c->nomigrate);
	take_limit(r, "max_grant_frames", &c->max_grant_frames);
	take_limit(r, "max_maptrack_frames", &c->max_maptrack_frames);
	take_int(r, "max_grant_version", &c->max_grant_version);
	take_limit(r, "event_channels", &c->max_event_channels);
	take_limit(r, "overhead_max", &c->overhead_max);
	if (take_name(r, "latency_class", latency_class_names, &mode))
		c->latency_class = mode;
	read_sched(r, c);
	take_string(r, "kernel", &c->kernel);
	take_string(r, "cmdline", &c->cmdline);
	take_string(r, "ramdisk", &c->ramdisk);
	take_string(r, "bootloader", &c->bootloader);
	read_strings(r, "bootloader_args", &c->bootloader_args);
	take_true(r, "nested_hvm", &c->nestedhvm);
	take_true(r, "vpmu", &c->vpmu);
	hvm.left = get(r, "type.hvm", json_type_object, "an object");
	if (hvm.left && c->type == DOMAIN_HVM)
		take_string(&hvm, "bios", &c->firmware);
	if (hvm.rc)
		r->rc = hvm.rc;
}

/* Of an own copy of @json; what is left over goes to @others. */
static int begin(struct reader *r, struct json_object *json, struct problem *p)
{
	*r = (struct reader){ NULL, p, 0 };
	if (!json_object_is_type(json, json_type_object) || json_object_deep_copy(json, &r->left, NULL))
		return problem_set(p, EINVAL, "bad-json", "configuration", "give an object with c_info and b_info",
				   "the configuration is no JSON object");
	return 0;
}

static struct json_object *rest(struct reader *r)
{
	if (json_object_object_length(r->left))
		return r->left;
	json_object_put(r->left);
	return NULL;
}

int disk_config_from_json(struct disk_config *d, struct json_object *json, struct problem *p)
{
	struct reader r;
	int v, n = 0;

	*d = (struct disk_config){ .readonly = true };
	if (begin(&r, json, p))
		return -EINVAL;
	take_string(&r, "pdev_path", &d->target);
	take_string(&r, "vdev", &d->vdev);
	take_string(&r, "script", &d->script);
	take_string(&r, "backend_domname", &d->backend_domain);
	if (take_name(&r, "format", disk_format_names, &v))
		d->format = (enum disk_format)v;
	if (take_name(&r, "backend", disk_backend_names, &v))
		d->backend = (enum disk_backend)v;
	take_int(&r, "readwrite", &n);
	d->readonly = !n;
	n = 0;
	take_int(&r, "removable", &n);
	d->removable = n;
	n = 0;
	take_int(&r, "is_cdrom", &n);
	d->cdrom = n;
	take_true(&r, "direct_io_safe", &d->direct_io_safe);
	if (json_object_object_get_ex(r.left, "discard_enable", &json) && json &&
	    strcmp(json_object_get_string(json), "False") == 0) {
		d->discard_off = true;
		drop(&r, "discard_enable");
	}
	if (json_object_object_get_ex(r.left, "trusted", &json) && json &&
	    strcmp(json_object_get_string(json), "False") == 0) {
		d->untrusted = true;
		drop(&r, "trusted");
	}
	if (!d->vdev)
		bad(&r, "vdev", "there");
	else if (disk_vdev_number(d->vdev) < 0)
		bad(&r, "vdev", "the name of a virtual block device");
	d->others = rest(&r);
	if (r.rc)
		disk_config_free(d);
	return r.rc;
}

int nic_config_from_json(struct nic_config *n, struct json_object *json, struct problem *p)
{
	struct reader r;
	unsigned m[6];
	int64_t v;
	char *mac = NULL;

	*n = (struct nic_config){ .devid = -1, .vlan = -1 };
	if (begin(&r, json, p))
		return -EINVAL;
	take_string(&r, "backend_domname", &n->backend_domain);
	take_int(&r, "devid", &n->devid);
	if (take_number(&r, "mtu", 0, INT32_MAX, &v))
		n->mtu = (unsigned)v;
	take_string(&r, "model", &n->model);
	take_string(&r, "mac", &mac);
	if (mac && sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == 6)
		for (unsigned i = 0; i < 6; i++)
			n->mac[i] = (uint8_t)m[i];
	else if (mac)
		bad(&r, "mac", "a MAC address");
	free(mac);
	take_string(&r, "ip", &n->ip);
	take_string(&r, "bridge", &n->bridge);
	take_string(&r, "ifname", &n->vifname);
	take_string(&r, "script", &n->script);
	take_string(&r, "nictype", &n->type);
	if (n->type && strcmp(n->type, "vif_ioemu") == 0)
		n->type[0] = 'i', memcpy(n->type, "ioemu", 6);
	if (take_number(&r, "rate_bytes_per_interval", 0, INT64_MAX, &v))
		n->rate_bytes = (uint64_t)v;
	if (take_number(&r, "rate_interval_usecs", 0, UINT32_MAX, &v))
		n->rate_us = (uint32_t)v;
	take_string(&r, "gatewaydev", &n->gatewaydev);
	take_int(&r, "vlan", &n->vlan);
	if (json_object_object_get_ex(r.left, "trusted", &json) && json) {
		n->untrusted = strcmp(json_object_get_string(json), "False") == 0;
		n->trusted = !n->untrusted;
	}
	json_object_put(r.left);
	if (r.rc)
		nic_config_free(n);
	return r.rc;
}

static void read_devices(struct reader *r, struct domain_config *c)
{
	struct json_object *a = get(r, "disks", json_type_array, "an array");
	size_t nr = a ? json_object_array_length(a) : 0;

	if (nr > 4096) {
		bad(r, "disks", "in its range");
		return;
	}
	if (nr)
		c->disks = xcalloc(nr, sizeof(*c->disks));
	for (size_t i = 0; i < nr && r->rc == 0; i++) {
		r->rc = disk_config_from_json(&c->disks[i], json_object_array_get_idx(a, i), r->p);
		c->nr_disks += r->rc == 0;
	}
	if (a)
		drop(r, "disks");
	a = get(r, "nics", json_type_array, "an array");
	nr = a ? json_object_array_length(a) : 0;
	if (nr > 4096) {
		bad(r, "nics", "in its range");
		return;
	}
	if (nr)
		c->nics = xcalloc(nr, sizeof(*c->nics));
	for (size_t i = 0; i < nr && r->rc == 0; i++) {
		r->rc = nic_config_from_json(&c->nics[i], json_object_array_get_idx(a, i), r->p);
		c->nr_nics += r->rc == 0;
	}
	if (a)
		drop(r, "nics");
}

static void read_action(struct reader *r, const char *name, enum domain_action *to)
{
	int v;

	if (take_name(r, name, action_names, &v))
		*to = (enum domain_action)v;
}

/* Channels are kept in the words of xl.cfg. */
static void read_channels(struct reader *r, struct domain_config *c)
{
	struct json_object *a = get(r, "channels", json_type_array, "an array");
	size_t nr = a ? json_object_array_length(a) : 0;

	if (!nr || nr > 4096)
		return;
	c->channels = xcalloc(nr, sizeof(char *));
	for (size_t i = 0; i < nr; i++) {
		struct json_object *o = json_object_array_get_idx(a, i), *v;
		struct text t = { 0 };

		if (!json_object_is_type(o, json_type_object)) {
			bad(r, "channels", "an array of objects");
			return;
		}
		json_object_object_foreach(o, key, how)
		{
			if (strncmp(key, "connection.", 11))
				continue;
			text_printf(&t, "%sconnection=%s", t.len ? "," : "", key + 11);
			if (json_object_object_get_ex(how, "path", &v) && v)
				text_printf(&t, ",path=%s", json_object_get_string(v));
		}
		if (json_object_object_get_ex(o, "name", &v) && v)
			text_printf(&t, "%sname=%s", t.len ? "," : "", json_object_get_string(v));
		c->channels[c->nr_channels++] = t.s ? t.s : xstrdup("");
	}
	drop(r, "channels");
}

/* Take out objects that have become empty; libxl prints these three even so, and we do anyway. */
static void prune(struct json_object *o)
{
	const char *empty[64];
	unsigned nr = 0;

	json_object_object_foreach(o, key, value)
	{
		if (!json_object_is_type(value, json_type_object))
			continue;
		prune(value);
		if (json_object_object_length(value) == 0 && nr < 64 &&
		    (strncmp(key, "arch_", 5) == 0 || strcmp(key, "sched_params") == 0 ||
		     strncmp(key, "type.", 5) == 0 || strcmp(key, "c_info") == 0 || strcmp(key, "b_info") == 0 ||
		     strcmp(key, "hospes") == 0))
			empty[nr++] = key;
	}
	while (nr)
		json_object_object_del(o, empty[--nr]);
}

int domain_config_from_json(struct domain_config *c, struct json_object *json, struct problem *p)
{
	struct reader r, sub;

	if (begin(&r, json, p))
		return -EINVAL;
	sub = (struct reader){ get(&r, "c_info", json_type_object, "an object"), p, 0 };
	if (sub.left)
		read_c_info(&sub, c);
	if (r.rc == 0)
		r.rc = sub.rc;
	sub = (struct reader){ get(&r, "b_info", json_type_object, "an object"), p, 0 };
	if (sub.left)
		read_b_info(&sub, c);
	if (r.rc == 0)
		r.rc = sub.rc;
	sub = (struct reader){ get(&r, "hospes", json_type_object, "an object"), p, 0 };
	if (sub.left)
		take_string(&sub, "cpuid", &c->cpuid);
	if (r.rc == 0)
		read_devices(&r, c);
	read_channels(&r, c);
	/* What libxl does not print is "destroy". */
	c->on_poweroff = c->on_reboot = c->on_watchdog = c->on_crash = c->on_soft_reset = ACTION_DESTROY;
	read_action(&r, "on_poweroff", &c->on_poweroff);
	read_action(&r, "on_reboot", &c->on_reboot);
	read_action(&r, "on_watchdog", &c->on_watchdog);
	read_action(&r, "on_crash", &c->on_crash);
	read_action(&r, "on_soft_reset", &c->on_soft_reset);
	prune(r.left);
	json_object_put(c->others);
	c->others = rest(&r);
	if (r.rc == 0 && !c->name)
		r.rc = problem_set(p, EINVAL, "bad-json", "configuration", "add c_info.name", "the domain has no name");
	return r.rc;
}
