/*
 * Devices of a domain: what is known of one, and its nodes in the store, as libxl 4.17 lays them out.
 */
#ifndef HOSPESD_DEVICE_H
#define HOSPESD_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/host.h"

struct disk_config;
struct nic_config;
struct problem;
struct xs_batch;
struct xs_node;

struct device {
	struct device *next;
	char class[24]; /* "vbd", "vif"; any that others made, for taking it down */
	uint32_t domid, backend_domid;
	int devid;
	/* A script of the configuration's that does the work instead of us; NULL: built in. */
	char *script;
	/* As it was found in the store. */
	bool has_back, plugged;
	char back_state[4];
	/* Disks. */
	char *target, *vdev;
	const char *format; /* libxl's word for what QEMU takes the image for; NULL: the kernel serves it */
	bool write, removable, discard, direct_io_safe, untrusted;
	struct host_block block; /* block.major != 0: ready */
	char *node;		 /* its loop device, NULL: none */
	/* Interfaces. */
	uint8_t mac[6];
	char *bridge, *ip, *vifname, *gatewaydev, *model;
	unsigned mtu;  /* 0: the bridge's */
	unsigned vlan; /* for scripts; 0: none */
	uint64_t rate_bytes;
	uint32_t rate_us;
};

#define DEVICE_PATH 128
/* "/local/domain/0/backend/vbd/7/51712" and so on; @buf has DEVICE_PATH bytes. Returns @buf. */
const char *device_back(const struct device *dev, char *buf);
/* "vbd", "vif"; "qdisk": a disk that QEMU serves has a directory of another name. */
const char *device_back_class(const struct device *dev);
const char *device_front(const struct device *dev, char *buf);
const char *device_record(const struct device *dev, char *buf);
/* "vif7.0" or the name it was given. */
void device_netdev(const struct device *dev, char *buf, unsigned size);

/* From a configuration; the number of the domain is set later. NULL and the problem. */
struct device *device_from_disk(const struct disk_config *c, struct problem *p);
struct device *device_from_nic(const struct nic_config *c, int devid, struct problem *p);
void device_free(struct device *dev);
void device_free_all(struct device *dev);

/* Is the disk there, is the bridge? Nothing is changed. From a thread. */
int device_check(struct device *dev, struct problem *p);
/* Put a loop device below a disk that needs one. From a thread; @uuid is the domain's. */
int device_prepare(struct device *dev, const char *uuid, struct problem *p);
/* Undo that. */
void device_unprepare(struct device *dev);

/* All nodes of a new device. */
void device_publish(const struct device *dev, struct xs_batch *b);
/* Tell both ends that it goes; @force: without the front end, which is taken away. */
void device_close(const struct device *dev, bool force, struct xs_batch *b);
/* No node is left, nor an empty directory of its class. */
void device_erase(const struct device *dev, struct xs_batch *b);

/* One that is in the store: @record is its directory below /libxl/<domid>/device. NULL: there is nothing usable. */
struct device *device_from_record(uint32_t domid, const char *class, const struct xs_node *record);
/* What its back end's directory adds to that. */
void device_from_back(struct device *dev, const struct xs_node *back);

#endif
