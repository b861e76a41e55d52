#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/problem.h"
#include "base/text.h"
#include "dom.h"
#include "domain/config.h"
#include "drivers.h"
#include "settings.h"
#include "store/wire.h"
#include "xs.h"

const char *device_back_class(const struct device *dev)
{
	return dev->format ? "qdisk" : dev->class;
}

const char *device_back(const struct device *dev, char *buf)
{
	snprintf(buf, DEVICE_PATH, "/local/domain/%u/backend/%s/%u/%d", dev->backend_domid, device_back_class(dev),
		 dev->domid, dev->devid);
	return buf;
}

const char *device_front(const struct device *dev, char *buf)
{
	/* The first console's front end has no place among the devices. */
	if (!strcmp(dev->class, "console") && !dev->devid)
		snprintf(buf, DEVICE_PATH, "/local/domain/%u/console", dev->domid);
	else
		snprintf(buf, DEVICE_PATH, "/local/domain/%u/device/%s/%d", dev->domid, dev->class, dev->devid);
	return buf;
}

const char *device_record(const struct device *dev, char *buf)
{
	snprintf(buf, DEVICE_PATH, "/libxl/%u/device/%s/%d", dev->domid, dev->class, dev->devid);
	return buf;
}

void device_netdev(const struct device *dev, char *buf, unsigned size)
{
	if (dev->vifname)
		snprintf(buf, size, "%s", dev->vifname);
	else
		snprintf(buf, size, "vif%u.%d", dev->domid, dev->devid);
}

void device_free(struct device *dev)
{
	if (!dev)
		return;
	free(dev->script);
	free(dev->target);
	free(dev->vdev);
	free(dev->node);
	free(dev->bridge);
	free(dev->ip);
	free(dev->vifname);
	free(dev->gatewaydev);
	free(dev->model);
	free(dev);
}

void device_free_all(struct device *dev)
{
	struct device *next;
	for (; dev; dev = next) {
		next = dev->next;
		device_free(dev);
	}
}

static char *dup_or_null(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

/* Where a script of that name is. */
static char *script_path(const char *name)
{
	return *name == '/' ? xstrdup(name) : xasprintf("%s/%s", settings->script_dir, name);
}

/* The script to run, or NULL if it is the one whose work we do ourselves. */
static char *own_script(const char *name, const char *built_in)
{
	const char *base;
	if (!name || !*name)
		return NULL;
	base = strrchr(name, '/');
	if (!strcmp(base ? base + 1 : name, built_in))
		return NULL;
	return script_path(name);
}

/* The id of the domain that has the back end, named by it or by its name. */
static int backend_domid(const char *name, uint32_t *domid, struct problem *p)
{
	const struct dom *d = name && *name ? dom_find_name(name) : NULL;
	uint64_t n = d ? d->id : 0;
	if (!d && name && *name && strcmp(name, "Domain-0") && !wire_parse_number(name, 0x7fef, &n))
		return problem_set(p, EINVAL, "no-such-domain", "devices", "name it by its id, or start it first",
				   "there is no domain '%s' to have the back end in", name);
	*domid = (uint32_t)n;
	return 0;
}

static const char *disk_why_not(const struct disk_config *c)
{
	if (c->format == DISK_EMPTY || !c->target || !*c->target)
		return "an empty drive is for HVM domains";
	if (c->cdrom)
		return "a CD-ROM drive is for HVM domains";
	return NULL;
}

/* What libxl calls the format where it tells QEMU; NULL: the kernel's back end can do it. */
static const char *image_format(const struct disk_config *c)
{
	static const char *const names[] = {
		[DISK_RAW] = "aio", [DISK_QCOW2] = "qcow2", [DISK_VHD] = "vhd", [DISK_QED] = "qed"
	};
	if (c->format == DISK_RAW && c->backend != DISK_BACKEND_QDISK)
		return NULL;
	return (size_t)c->format < sizeof(names) / sizeof(names[0]) ? names[c->format] : NULL;
}

struct device *device_from_disk(const struct disk_config *c, struct problem *p)
{
	struct device *dev;
	int devid = c->vdev ? disk_vdev_number(c->vdev) : -1;
	const char *why = disk_why_not(c);
	if (devid < 0) {
		problem_set(p, EINVAL, "bad-vdev", "disks", "use xvda, xvdb, ... as vdev",
			    "disk %s: '%s' is not a virtual device", c->target ? c->target : "(empty)",
			    c->vdev ? c->vdev : "");
		return NULL;
	}
	if (why) {
		problem_set(p, ENOTSUP, "needs-qemu", "disks",
			    "make it a disk: take cdrom out of its line and name an image", "disk %s: %s", c->vdev,
			    why);
		return NULL;
	}
	dev = xcalloc(1, sizeof(*dev));
	strcpy(dev->class, "vbd");
	dev->devid = devid;
	if (backend_domid(c->backend_domain, &dev->backend_domid, p)) {
		device_free(dev);
		return NULL;
	}
	dev->format = image_format(c);
	/* QEMU opens the file read-only but not the format over it, and refuses what it has made. */
	if (dev->format && c->readonly) {
		problem_set(p, ENOTSUP, "read-only-image", "disks",
			    "let the guest write it (w), or convert it to raw: qemu-img convert -O raw",
			    "disk %s: QEMU serves no image that is only to be read", c->vdev);
		device_free(dev);
		return NULL;
	}
	dev->script = dev->format ? NULL : own_script(c->script, "block");
	dev->target = !dev->script && *c->target != '/' ? xasprintf("/dev/%s", c->target) : xstrdup(c->target);
	dev->vdev = xstrdup(c->vdev);
	dev->write = !c->readonly;
	dev->removable = c->removable;
	dev->discard = !c->discard_off && !c->readonly;
	dev->direct_io_safe = c->direct_io_safe;
	dev->untrusted = c->untrusted;
	return dev;
}

struct device *device_from_nic(const struct nic_config *c, int devid, struct problem *p)
{
	const char *backend = c->backend_domain ? c->backend_domain : settings->vif_backend;
	const char *script = c->script ? c->script : settings->vif_script;
	const char *bridge = c->bridge ? c->bridge : settings->vif_bridge;
	struct device *dev = xcalloc(1, sizeof(*dev));
	strcpy(dev->class, "vif");
	dev->devid = devid;
	if (backend_domid(backend, &dev->backend_domid, p)) {
		device_free(dev);
		return NULL;
	}
	dev->script = own_script(script, "vif-bridge");
	memcpy(dev->mac, c->mac, 6);
	dev->bridge = xstrdup(bridge ? bridge : "xenbr0");
	dev->ip = dup_or_null(c->ip);
	dev->vifname = dup_or_null(c->vifname);
	dev->gatewaydev = dup_or_null(c->gatewaydev ? c->gatewaydev : settings->vif_gatewaydev);
	dev->model = dup_or_null(c->model);
	dev->vlan = c->vlan > 0 ? (unsigned)c->vlan : 0;
	if (dev->vlan && !dev->script) {
		problem_set(
			p, ENOTSUP, "bad-vif", "network",
			"name the script of your switch (script=), or take vlan= away and name a bridge of that VLAN",
			"interface %d: a bridge knows nothing of vlan=%u", devid, dev->vlan);
		device_free(dev);
		return NULL;
	}
	dev->mtu = c->mtu;
	dev->rate_bytes = c->rate_bytes;
	dev->rate_us = c->rate_us;
	dev->untrusted = c->untrusted;
	return dev;
}

int device_check(struct device *dev, struct problem *p)
{
	char bridges[256];
	if (dev->backend_domid || dev->script)
		return 0;
	if (!strcmp(dev->class, "vbd"))
		return host_block_look(dev->target, dev->write, &dev->block, p);
	if (host_bridge(dev->bridge, NULL))
		return 0;
	host_bridges(bridges, sizeof(bridges));
	return problem_set(
		p, ENODEV, "no-such-bridge", "network",
		"make it (ip link add NAME type bridge), or set bridge= in vif or vif.default.bridge in xl.conf",
		"there is no bridge %s here%s%s", dev->bridge, *bridges ? "; there are: " : "", bridges);
}

int device_prepare(struct device *dev, const char *uuid, struct problem *p)
{
	char tag[64];
	int rc;
	if (strcmp(dev->class, "vbd") || dev->backend_domid || dev->script || dev->format || !dev->block.file)
		return 0;
	snprintf(tag, sizeof(tag), "%s %s", uuid, dev->vdev);
	rc = host_loop_attach(dev->target, dev->write, tag, &dev->block, p);
	if (!rc)
		dev->node = xstrdup(dev->block.path);
	return rc;
}

void device_unprepare(struct device *dev)
{
	if (!dev->node)
		return;
	if (host_loop_detach(dev->node, NULL))
		fprintf(stderr, "hospesd: %s stays behind\n", dev->node);
	free(dev->node);
	dev->node = NULL;
}

/*
 * The nodes.
 */

/* Nodes that both the back end's directory and libxl's record have. */
static void both(const struct device *dev, struct xs_batch *b, const char *name, const char *value)
{
	char back[DEVICE_PATH], record[DEVICE_PATH];
	xs_batch_write(b, value, "%s/%s", device_back(dev, back), name);
	xs_batch_write(b, value, "%s/%s", device_record(dev, record), name);
}

static void both_number(const struct device *dev, struct xs_batch *b, const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	both(dev, b, name, text);
}

static void front(const struct device *dev, struct xs_batch *b, const char *name, const char *value)
{
	char path[DEVICE_PATH];
	xs_batch_write(b, value, "%s/%s", device_front(dev, path), name);
}

static void format_mac(char out[18], const uint8_t m[6])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void publish_disk(const struct device *dev, struct xs_batch *b)
{
	char back[DEVICE_PATH], number[16], *script;
	device_back(dev, back);
	if (dev->format) {
		char *image = xasprintf("%s:%s", dev->format, dev->target);
		both(dev, b, "params", image);
		free(image);
	} else {
		both(dev, b, "params", dev->target);
		script = dev->script ? xstrdup(dev->script) : script_path("block");
		both(dev, b, "script", script);
		free(script);
	}
	both_number(dev, b, "frontend-id", dev->domid);
	both(dev, b, "online", "1");
	both(dev, b, "removable", dev->removable ? "1" : "0");
	both(dev, b, "bootable", "1");
	both(dev, b, "state", "1");
	both(dev, b, "dev", dev->vdev);
	both(dev, b, "type", dev->format ? "qdisk" : "phy");
	both(dev, b, "mode", dev->write ? "w" : "r");
	both(dev, b, "device-type", "disk");
	if (dev->direct_io_safe)
		both(dev, b, "direct-io-safe", "1");
	both(dev, b, "discard-enable", dev->discard ? "1" : "0");
	both(dev, b, "specification", "xen");
	/* What the script would have found out. */
	if (dev->node)
		xs_batch_write(b, dev->node, "%s/node", back);
	if (dev->block.major && !dev->format) {
		snprintf(number, sizeof(number), "%x:%x", dev->block.major, dev->block.minor);
		xs_batch_write(b, number, "%s/physical-device", back);
		xs_batch_write(b, dev->block.path, "%s/physical-device-path", back);
		xs_batch_write(b, "connected", "%s/hotplug-status", back);
	}
	snprintf(number, sizeof(number), "%u", dev->backend_domid);
	front(dev, b, "backend-id", number);
	front(dev, b, "state", "1");
	snprintf(number, sizeof(number), "%d", dev->devid);
	front(dev, b, "virtual-device", number);
	front(dev, b, "device-type", "disk");
	front(dev, b, "trusted", dev->untrusted ? "0" : "1");
}

static void publish_nic(const struct device *dev, struct xs_batch *b)
{
	char mac[18], number[24], path[DEVICE_PATH], *script;
	format_mac(mac, dev->mac);
	both_number(dev, b, "frontend-id", dev->domid);
	both(dev, b, "online", "1");
	both(dev, b, "state", "1");
	script = dev->script ? xstrdup(dev->script) : script_path("vif-bridge");
	both(dev, b, "script", script);
	free(script);
	if (dev->vifname)
		both(dev, b, "vifname", dev->vifname);
	both(dev, b, "mac", mac);
	if (dev->ip)
		both(dev, b, "ip", dev->ip);
	if (dev->gatewaydev)
		both(dev, b, "gatewaydev", dev->gatewaydev);
	if (dev->rate_us) {
		char rate[48];
		snprintf(rate, sizeof(rate), "%llu,%u", (unsigned long long)dev->rate_bytes, dev->rate_us);
		both(dev, b, "rate", rate);
	}
	both(dev, b, "bridge", dev->bridge);
	both_number(dev, b, "handle", (uint64_t)dev->devid);
	both(dev, b, "type", "vif");
	xs_batch_write(b, "", "%s/hotplug-status", device_back(dev, path));
	xs_batch_write(b, "", "%s/hotplug-status", device_record(dev, path));
	if (dev->mtu)
		both_number(dev, b, "mtu", dev->mtu);
	if (dev->vlan)
		both_number(dev, b, "vlan", dev->vlan);
	snprintf(number, sizeof(number), "%u", dev->backend_domid);
	front(dev, b, "backend-id", number);
	front(dev, b, "state", "1");
	snprintf(number, sizeof(number), "%d", dev->devid);
	front(dev, b, "handle", number);
	front(dev, b, "mac", mac);
	front(dev, b, "trusted", dev->untrusted ? "0" : "1");
}

void device_publish(const struct device *dev, struct xs_batch *b)
{
	char back[DEVICE_PATH], fore[DEVICE_PATH], record[DEVICE_PATH], perms[32];
	device_back(dev, back);
	device_front(dev, fore);
	device_record(dev, record);
	drivers_note(b, dev->backend_domid);
	xs_batch_write(b, "", "%s", record);
	xs_batch_write(b, fore, "%s/frontend", record);
	xs_batch_write(b, back, "%s/backend", record);
	/* What is below a directory gets its permissions. */
	xs_batch_write(b, "", "%s", fore);
	snprintf(perms, sizeof(perms), "n%u r%u", dev->domid, dev->backend_domid);
	xs_batch_perms(b, perms, "%s", fore);
	xs_batch_write(b, back, "%s/backend", fore);
	xs_batch_write(b, "", "%s", back);
	snprintf(perms, sizeof(perms), "n%u r%u", dev->backend_domid, dev->domid);
	xs_batch_perms(b, perms, "%s", back);
	xs_batch_write(b, fore, "%s/frontend", back);
	if (!strcmp(dev->class, "vbd"))
		publish_disk(dev, b);
	else
		publish_nic(dev, b);
}

void device_close(const struct device *dev, bool force, struct xs_batch *b)
{
	char path[DEVICE_PATH];
	/* There is no driver behind the first console, nor behind what has no back end any more. */
	if (!strcmp(dev->class, "console") || !dev->has_back)
		return;
	xs_batch_write(b, "0", "%s/online", device_back(dev, path));
	if (strcmp(dev->back_state, "6"))
		xs_batch_write(b, "5", "%s/state", path);
	if (force)
		xs_batch_rm(b, "%s", device_front(dev, path));
}

void device_erase(const struct device *dev, struct xs_batch *b)
{
	char path[DEVICE_PATH];
	xs_batch_rm(b, "%s", device_front(dev, path));
	xs_batch_rm(b, "%s", device_back(dev, path));
	xs_batch_rm(b, "%s", device_record(dev, path));
}

/*
 * Back from the store.
 */

/* "/local/domain/<back end's>/backend/<class>/<domid>/<devid>": its first number. */
static bool parse_back(const char *path, uint32_t *domid)
{
	static const char prefix[] = "/local/domain/";
	char *end;
	unsigned long n;
	if (!path || strncmp(path, prefix, sizeof(prefix) - 1))
		return false;
	n = strtoul(path + sizeof(prefix) - 1, &end, 10);
	if (end == path + sizeof(prefix) - 1 || strncmp(end, "/backend/", 9) || n > 0x7fef)
		return false;
	*domid = (uint32_t)n;
	return true;
}

struct device *device_from_record(uint32_t domid, const char *class, const struct xs_node *record)
{
	struct device *dev;
	uint32_t back;
	uint64_t devid;
	if (!parse_back(xs_node_value(record, "backend"), &back) || !wire_parse_number(record->name, INT32_MAX, &devid))
		return NULL;
	dev = xcalloc(1, sizeof(*dev));
	if ((size_t)snprintf(dev->class, sizeof(dev->class), "%s", class) >= sizeof(dev->class)) {
		free(dev);
		return NULL;
	}
	dev->domid = domid;
	dev->backend_domid = back;
	if (strstr(xs_node_value(record, "backend"), "/backend/qdisk/"))
		dev->format = "aio"; /* which one, nobody asks any more */
	dev->devid = (int)devid;
	return dev;
}

static char *dup_value(const struct xs_node *n, const char *name)
{
	return dup_or_null(xs_node_value(n, name));
}

void device_from_back(struct device *dev, const struct xs_node *back)
{
	const char *script = xs_node_value(back, "script"), *state = xs_node_value(back, "state");
	const char *mode = xs_node_value(back, "mode"), *mac = xs_node_value(back, "mac"),
		   *mtu = xs_node_value(back, "mtu");
	const char *physical = xs_node_value(back, "physical-device");
	dev->has_back = true;
	snprintf(dev->back_state, sizeof(dev->back_state), "%s", state ? state : "");
	free(dev->script);
	dev->script = own_script(script, strcmp(dev->class, "vbd") ? "vif-bridge" : "block");
	dev->target = dup_value(back, "params");
	if (dev->format && dev->target && strchr(dev->target, ':'))
		memmove(dev->target, strchr(dev->target, ':') + 1, strlen(strchr(dev->target, ':')));
	dev->vdev = dup_value(back, "dev");
	dev->write = mode && strchr(mode, 'w');
	dev->node = dup_value(back, "node");
	dev->bridge = dup_value(back, "bridge");
	dev->vifname = dup_value(back, "vifname");
	dev->ip = dup_value(back, "ip");
	dev->gatewaydev = dup_value(back, "gatewaydev");
	dev->mtu = mtu ? (unsigned)strtoul(mtu, NULL, 10) : 0;
	if (mac)
		sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &dev->mac[0], &dev->mac[1], &dev->mac[2], &dev->mac[3],
		       &dev->mac[4], &dev->mac[5]);
	if (physical)
		sscanf(physical, "%x:%x", &dev->block.major, &dev->block.minor);
	dev->plugged =
		xs_node_value(back, "hotplug-status") && !strcmp(xs_node_value(back, "hotplug-status"), "connected");
}
