/* The configuration as libxl 4.17 writes it: the same members, in the same order, and only those that are not the default. */
#include "domain/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "abi/hospes.h"
#include "base/text.h"
#include "domain/names.h"

static void put(struct json_object *o, const char *name, struct json_object *v)
{
	json_object_object_add(o, name, v);
}

static void put_string(struct json_object *o, const char *name, const char *s)
{
	if (s)
		put(o, name, json_object_new_string(s));
}

static void put_number(struct json_object *o, const char *name, int64_t n)
{
	put(o, name, json_object_new_int64(n));
}

/* A bitmap is the array of the numbers of its bits. */
static struct json_object *bitmap(const struct cpu_list *l)
{
	struct json_object *a = json_object_new_array();

	for (unsigned i = 0; i < l->nr_bits; i++)
		if (l->bits[i / 8] >> i % 8 & 1)
			json_object_array_add(a, json_object_new_int((int)i));
	return a;
}

static void put_uuid(struct json_object *o, const uint8_t u[16])
{
	static const uint8_t none[16];
	char s[40];
	size_t n = 0;

	if (memcmp(u, none, 16) == 0)
		return;
	for (unsigned i = 0; i < 16; i++)
		n += (size_t)snprintf(s + n, sizeof(s) - n, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
				      u[i]);
	put_string(o, "uuid", s);
}

/* Members of @from that @to does not have, deep. */
static void merge(struct json_object *to, struct json_object *from)
{
	json_object_object_foreach(from, key, value)
	{
		struct json_object *mine;

		if (!json_object_object_get_ex(to, key, &mine))
			put(to, key, json_object_get(value));
		else if (json_object_is_type(mine, json_type_object) && json_object_is_type(value, json_type_object))
			merge(mine, value);
	}
}

/* The same members in the order of @names, others behind. */
static struct json_object *ordered(struct json_object *o, const char *const *names)
{
	struct json_object *out = json_object_new_object(), *v;

	for (; *names; names++)
		if (json_object_object_get_ex(o, *names, &v))
			put(out, *names, json_object_get(v));
	json_object_object_foreach(o, key, value)
	{
		if (!json_object_object_get_ex(out, key, NULL))
			put(out, key, json_object_get(value));
	}
	json_object_put(o);
	return out;
}

/* Put member @name of @o in order. */
static void order_member(struct json_object *o, const char *name, const char *const *names)
{
	struct json_object *v;

	if (json_object_object_get_ex(o, name, &v) && json_object_is_type(v, json_type_object))
		put(o, name, ordered(json_object_get(v), names));
}

static struct json_object *c_info(const struct domain_config *c)
{
	struct json_object *o = json_object_new_object();

	put_string(o, "type", name_of(domain_type_names, c->type));
	put_string(o, "ssid_label", c->init_seclabel ? c->init_seclabel : c->seclabel);
	put_string(o, "name", c->name);
	put_uuid(o, c->uuid);
	put_string(o, "pool_name", c->pool);
	if (c->driver_domain)
		put_string(o, "driver_domain", "True");
	put_string(o, "passthrough", c->passthrough);
	return o;
}

static void put_affinity(struct json_object *b, const struct domain_config *c, bool soft)
{
	const struct cpu_list *all = soft ? &c->affinity.soft : &c->affinity.hard;
	struct json_object *a = json_object_new_array();
	unsigned last = 0;

	for (unsigned i = 0; i < c->maxvcpus; i++) {
		const struct cpu_list *l = all;

		if (i < c->nr_vcpu_affinity) {
			const struct vcpu_affinity *v = &c->vcpu_affinity[i];

			l = soft ? &v->soft : &v->hard;
			l = l->bits ? l : all;
		}
		if (l->bits && !l->all)
			last = i + 1;
		json_object_array_add(a, l->bits ? bitmap(l) : json_object_new_array());
	}
	if (last && (c->vcpus_given || c->maxvcpus_given)) {
		while (c->maxvcpus > last && json_object_array_length(a) > last &&
		       json_object_array_length(json_object_array_get_idx(a, json_object_array_length(a) - 1)) == 0)
			json_object_array_del_idx(a, json_object_array_length(a) - 1, 1);
		put(b, soft ? "vcpu_soft_affinity" : "vcpu_hard_affinity", a);
	} else {
		json_object_put(a);
	}
}

static struct json_object *sched_params(const struct domain_config *c)
{
	struct json_object *o = json_object_new_object();

	if (c->weight >= 0)
		put_number(o, "weight", c->weight);
	if (c->cap >= 0)
		put_number(o, "cap", c->cap);
	if (c->period >= 0)
		put_number(o, "period", c->period);
	if (c->slice >= 0)
		put_number(o, "slice", c->slice);
	if (c->latency >= 0)
		put_number(o, "latency", c->latency);
	return o;
}

static void put_limit(struct json_object *b, const char *name, uint32_t v)
{
	if (v != UINT32_MAX)
		put_number(b, name, v);
}

static void put_boot(struct json_object *b, const struct domain_config *c)
{
	put_string(b, "kernel", c->kernel);
	put_string(b, "cmdline", c->cmdline);
	put_string(b, "ramdisk", c->ramdisk);
	put_string(b, "bootloader", c->bootloader);
	if (c->bootloader_args) {
		struct json_object *a = json_object_new_array();

		for (char **s = c->bootloader_args; *s; s++)
			json_object_array_add(a, json_object_new_string(*s));
		put(b, "bootloader_args", a);
	}
}

static struct json_object *b_info(const struct domain_config *c)
{
	static const char *const types[] = {
		[DOMAIN_PV] = "type.pv", [DOMAIN_PVH] = "type.pvh", [DOMAIN_HVM] = "type.hvm"
	};
	struct json_object *b = json_object_new_object(), *a;

	if (c->vcpus_given || c->maxvcpus_given)
		put_number(b, "max_vcpus", c->maxvcpus);
	if (c->vcpus_given) {
		a = json_object_new_array();
		for (unsigned i = 0; i < c->vcpus; i++)
			json_object_array_add(a, json_object_new_int((int)i));
		put(b, "avail_vcpus", a);
	}
	put_affinity(b, c, false);
	put_affinity(b, c, true);
	if (c->tsc_mode != TSC_DEFAULT)
		put_string(b, "tsc_mode", name_of(tsc_mode_names, c->tsc_mode));
	if (c->maxmem)
		put_number(b, "max_memkb", (int64_t)c->maxmem);
	if (c->memory)
		put_number(b, "target_memkb", (int64_t)c->memory);
	put_string(b, "exec_ssid_label", c->init_seclabel ? c->seclabel : NULL);
	if (c->nomigrate)
		put_string(b, "disable_migrate", "True");
	put_limit(b, "max_grant_frames", c->max_grant_frames);
	put_limit(b, "max_maptrack_frames", c->max_maptrack_frames);
	if (c->max_grant_version >= 0)
		put_number(b, "max_grant_version", c->max_grant_version);
	put(b, "sched_params", sched_params(c));
	put_limit(b, "event_channels", c->max_event_channels);
	put_limit(b, "overhead_max", c->overhead_max);
	if (c->latency_class != HOSPES_LATENCY_normal)
		put_string(b, "latency_class", name_of(latency_class_names, c->latency_class));
	put_boot(b, c);
	if (c->nestedhvm)
		put_string(b, "nested_hvm", "True");
	put(b, types[c->type], json_object_new_object());
	put(b, "arch_arm", json_object_new_object());
	put(b, "arch_x86", json_object_new_object());
	if (c->vpmu)
		put_string(b, "vpmu", "True");
	if (c->type == DOMAIN_HVM) {
		json_object_object_get_ex(b, "type.hvm", &a);
		put_string(a, "bios", c->firmware);
		put(a, "rdm", json_object_new_object());
	}
	return b;
}

struct json_object *disk_config_json(const struct disk_config *d)
{
	static const char *const order[] = {
		"backend_domid",  "backend_domname", "pdev_path",     "vdev",	   "backend",
		"format",	  "script",	     "removable",     "readwrite", "is_cdrom",
		"direct_io_safe", "discard_enable",  "specification", "transport", "irq",
		"base",		  "trusted",	     "colo_enable",   NULL
	};
	struct json_object *o = json_object_new_object();

	put_string(o, "backend_domname", d->backend_domain);
	put_string(o, "pdev_path", d->target);
	put_string(o, "vdev", d->vdev);
	if (d->backend != DISK_BACKEND_ANY)
		put_string(o, "backend", name_of(disk_backend_names, d->backend));
	put_string(o, "format", name_of(disk_format_names, d->format));
	put_string(o, "script", d->script);
	if (d->removable)
		put_number(o, "removable", 1);
	if (!d->readonly)
		put_number(o, "readwrite", 1);
	if (d->cdrom)
		put_number(o, "is_cdrom", 1);
	if (d->direct_io_safe)
		put(o, "direct_io_safe", json_object_new_boolean(true));
	if (d->discard_off)
		put_string(o, "discard_enable", "False");
	if (d->untrusted)
		put_string(o, "trusted", "False");
	if (d->others)
		merge(o, d->others);
	return ordered(o, order);
}

struct json_object *nic_config_json(const struct nic_config *n)
{
	static const char *const order[] = {
		"backend_domid",
		"backend_domname",
		"devid",
		"mtu",
		"model",
		"mac",
		"ip",
		"bridge",
		"ifname",
		"script",
		"nictype",
		"rate_bytes_per_interval",
		"rate_interval_usecs",
		"gatewaydev",
		"trusted",
		NULL,
	};
	static const uint8_t none[6];
	struct json_object *o = json_object_new_object();
	char mac[20];

	put_string(o, "backend_domname", n->backend_domain);
	if (n->devid >= 0)
		put_number(o, "devid", n->devid);
	if (n->mtu)
		put_number(o, "mtu", n->mtu);
	put_string(o, "model", n->model);
	if (memcmp(n->mac, none, 6)) {
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2], n->mac[3],
			 n->mac[4], n->mac[5]);
		put_string(o, "mac", mac);
	}
	put_string(o, "ip", n->ip);
	put_string(o, "bridge", n->bridge);
	put_string(o, "ifname", n->vifname);
	put_string(o, "script", n->script);
	if (n->type)
		put_string(o, "nictype", strcmp(n->type, "ioemu") == 0 ? "vif_ioemu" : n->type);
	if (n->rate_bytes)
		put_number(o, "rate_bytes_per_interval", (int64_t)n->rate_bytes);
	if (n->rate_us)
		put_number(o, "rate_interval_usecs", n->rate_us);
	put_string(o, "gatewaydev", n->gatewaydev);
	if (n->untrusted || n->trusted)
		put_string(o, "trusted", n->untrusted ? "False" : "True");
	if (n->vlan >= 0)
		put_number(o, "vlan", n->vlan);
	return ordered(o, order);
}

/* "connection=socket,name=x,path=/y" */
static struct json_object *channel_json(const char *spec, unsigned devid)
{
	struct json_object *o = json_object_new_object(), *how = json_object_new_object();
	char *copy = xstrdup(spec), *save, *s, connection[32] = "unknown";

	put_number(o, "devid", devid);
	for (s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		s += strspn(s, " ");
		if (strncmp(s, "connection=", 11) == 0)
			snprintf(connection, sizeof(connection), "%s", s + 11);
		else if (strncmp(s, "name=", 5) == 0)
			put_string(o, "name", s + 5);
		else if (strncmp(s, "path=", 5) == 0)
			put_string(how, "path", s + 5);
	}
	free(copy);
	s = xasprintf("connection.%s", connection);
	put(o, s, how);
	free(s);
	return o;
}

/* "0000:00:1a.0@5,permissive=1,msitranslate=1" as a device; NULL: not one. */
static struct json_object *pci_json(const char *spec)
{
	unsigned domain = 0, bus, dev, func, slot = 0;
	int used = 0;
	struct json_object *o;

	if (sscanf(spec, "%x:%x:%x.%x%n", &domain, &bus, &dev, &func, &used) < 4 || !used) {
		domain = 0;
		if (sscanf(spec, "%x:%x.%x%n", &bus, &dev, &func, &used) < 3 || !used)
			return NULL;
	}
	if (spec[used] == '@')
		sscanf(spec + used + 1, "%x", &slot);
	o = json_object_new_object();
	if (func)
		put_number(o, "func", func);
	if (dev)
		put_number(o, "dev", dev);
	if (bus)
		put_number(o, "bus", bus);
	if (domain)
		put_number(o, "domain", domain);
	if (slot)
		put_number(o, "vdevfn", slot << 3);
	put_number(o, "vfunc_mask", 1ll << func % 8);
	for (const char *const *k = (const char *const[]){ "msitranslate", "power_mgmt", "permissive", "seize", NULL };
	     *k; k++) {
		char key[32];

		snprintf(key, sizeof(key), ",%s=1", *k);
		if (strstr(spec, key))
			put(o, *k, json_object_new_boolean(true));
	}
	if (!strstr(spec, "rdm_policy=relaxed"))
		put_string(o, "rdm_policy", "strict");
	return o;
}

static void put_action(struct json_object *o, const char *name, enum domain_action a)
{
	if (a != ACTION_DESTROY)
		put_string(o, name, name_of(action_names, a));
}

static void put_devices(struct json_object *o, const struct domain_config *c)
{
	struct json_object *a;

	if (c->nr_disks) {
		put(o, "disks", a = json_object_new_array());
		for (unsigned i = 0; i < c->nr_disks; i++)
			json_object_array_add(a, disk_config_json(&c->disks[i]));
	}
	if (c->nr_nics) {
		put(o, "nics", a = json_object_new_array());
		for (unsigned i = 0; i < c->nr_nics; i++)
			json_object_array_add(a, nic_config_json(&c->nics[i]));
	}
	if (c->nr_pci) {
		put(o, "pcidevs", a = json_object_new_array());
		for (unsigned i = 0; i < c->nr_pci; i++) {
			struct json_object *pci = pci_json(c->pci[i]);

			if (pci)
				json_object_array_add(a, pci);
		}
	}
	if (c->nr_channels) {
		put(o, "channels", a = json_object_new_array());
		for (unsigned i = 0; i < c->nr_channels; i++)
			json_object_array_add(a, channel_json(c->channels[i], i));
	}
}

struct json_object *domain_config_json(const struct domain_config *c)
{
	struct json_object *o = json_object_new_object(), *b, *hvm;

	put(o, "c_info", c_info(c));
	put(o, "b_info", b_info(c));
	put_devices(o, c);
	put_action(o, "on_poweroff", c->on_poweroff);
	put_action(o, "on_reboot", c->on_reboot);
	put_action(o, "on_watchdog", c->on_watchdog);
	put_action(o, "on_crash", c->on_crash);
	put_action(o, "on_soft_reset", c->on_soft_reset);
	if (c->cpuid) {
		put(o, "hospes", b = json_object_new_object());
		put_string(b, "cpuid", c->cpuid);
	}
	if (c->others) {
		struct json_object *copy = NULL;

		if (json_object_deep_copy(c->others, &copy, NULL) == 0)
			merge(o, copy);
		json_object_put(copy);
	}
	json_object_object_get_ex(o, "b_info", &b);
	order_member(b, "sched_params", order_sched_params);
	if (json_object_object_get_ex(b, "type.hvm", &hvm)) {
		order_member(hvm, "vnc", order_vnc);
		order_member(hvm, "sdl", order_sdl);
		order_member(hvm, "spice", order_spice);
		order_member(b, "type.hvm", order_type_hvm);
	}
	order_member(o, "c_info", order_c_info);
	order_member(o, "b_info", order_b_info);
	return ordered(o, order_top);
}
