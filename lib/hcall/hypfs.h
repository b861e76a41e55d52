/* The hypervisor's file system: options and facts under paths such as "/params/loglvl". */
#ifndef HCALL_HYPFS_H
#define HCALL_HYPFS_H

#include <stddef.h>

#include "abi/hypfs.h"

struct hcall;

/* True if the hypervisor has one that this can read. */
int hypfs_available(struct hcall *h);
/*
 * What is at @path, and its contents in *@data, to be freed: for a directory struct xen_hypfs_dirlistentry one after the other. -ENOENT, -EINVAL: no path
 * begins like that, -EPERM, -ENOSYS, -ENOMEM.
 */
int hypfs_read(struct hcall *h, const char *path, struct xen_hypfs_direntry *e, void **data);
/* Write a text. -ENOENT, -EACCES: read-only, -ENOSPC: too long, -EINVAL: the option does not take that, -EBUSY, -EPERM, -ENOSYS. */
int hypfs_write_text(struct hcall *h, const char *path, const char *value);
/* Write @size bytes as they are. */
int hypfs_write(struct hcall *h, const char *path, const void *value, size_t size);

#endif
