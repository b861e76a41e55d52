/*
 * What the machine's kernel does for devices: loop devices over files, bridge ports. By ioctl and netlink, nothing is forked. Errors are -errno with
 * the problem filled in. For tests it is played by files (host_fake()): DIR/loop/N holds a path, DIR/net/BRIDGE/ has a file for each port.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct problem;

/* From now on the host is played by the files in @folder, which must stay. */
void host_fake(const char *folder);

struct host_block {
	bool file;	       /* a regular file: it needs a loop device */
	uint64_t dev, ino;     /* identity: of the file, or 0 and the device's number */
	unsigned major, minor; /* of a block device */
	char path[256];	       /* of a block device: as it is after links were followed */
};

/*
 * What @path is: a block device, or a file that can be one. @write: it is to be written; a device that dom0 itself uses is then refused
 * (device-in-use). May take long (network file systems): call it from a thread.
 */
int host_block_look(const char *path, bool write, struct host_block *b, struct problem *p);
/* Put a loop device over @path; @tag (at most 63 bytes) marks it as ours. Fills @b with the loop device. */
int host_loop_attach(const char *path, bool write, const char *tag, struct host_block *b, struct problem *p);
/* Take it off again, now or when its last user closes it. One without our mark and not over @file (may be NULL) is left alone (-EPERM). */
int host_loop_detach(const char *device, const char *file);
/* Call @fn for every loop device that bears our mark. */
void host_loops(void (*fn)(void *arg, const char *device, const char *tag), void *arg);

/* True if there is a bridge of that name; *@mtu (may be NULL) gets its MTU. */
bool host_bridge(const char *bridge, unsigned *mtu);
/* All bridges' names with blanks between, for a person. */
void host_bridges(char *buf, unsigned size);
/*
 * Make @dev (named @rename first, if not NULL) a port of @bridge as Xen's scripts do: down, address fe:ff:ff:ff:ff:ff, @mtu (0: leave it), port, up.
 */
int host_port_add(const char *dev, const char *rename, const char *bridge, unsigned mtu, struct problem *p);
/* Take it from its bridge and down; one that is gone already is right. */
void host_port_remove(const char *dev);

#endif
