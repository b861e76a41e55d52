/* The hypervisor's file system: hypercall 42. */
#ifndef ABI_HYPFS_H
#define ABI_HYPFS_H

#include "layout.h"

#define XEN_HYPFS_VERSION 1
#define XEN_HYPFS_MAX_PATHLEN 1024

#define XEN_HYPFS_OP_get_version 0
#define XEN_HYPFS_OP_read 1 /* path, its length with the NUL, buffer, its size: a direntry, then the contents */
#define XEN_HYPFS_OP_write_contents 2 /* path, its length with the NUL, contents, their size */

#define XEN_HYPFS_TYPE_DIR 0
#define XEN_HYPFS_TYPE_BLOB 1
#define XEN_HYPFS_TYPE_STRING 2
#define XEN_HYPFS_TYPE_UINT 3
#define XEN_HYPFS_TYPE_INT 4
#define XEN_HYPFS_TYPE_BOOL 5

#define XEN_HYPFS_ENC_PLAIN 0
#define XEN_HYPFS_ENC_GZIP 1

struct xen_hypfs_direntry {
	uint8_t type;
	uint8_t encoding;
	uint16_t pad;
	uint32_t content_len;
	uint32_t max_write_len; /* 0: read-only */
};
ABI_SIZE(struct xen_hypfs_direntry, 12);

/* What a directory's contents are made of. */
struct xen_hypfs_dirlistentry {
	struct xen_hypfs_direntry e;
	uint16_t off_next; /* bytes from this one to the next, 0: the last */
	char name[];	   /* with a NUL, and padding */
};
ABI_OFFSET(struct xen_hypfs_dirlistentry, off_next, 12);
ABI_OFFSET(struct xen_hypfs_dirlistentry, name, 14);

#endif
