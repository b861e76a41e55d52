#include "hypfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/xen.h"
#include "hcall.h"

#define FIRST_SIZE 4096u	 /* enough for all there was ever */
#define LARGEST_SIZE (16u << 20) /* more than this nobody means */

int hypfs_available(struct hcall *h)
{
	return hcall(h, __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_get_version, 0, 0, 0, 0) >= XEN_HYPFS_VERSION;
}

/* One call with @path and @buffer of @size bytes, which is hypercall memory. */
static int call(struct hcall *h, unsigned op, const char *path, void *buffer, size_t size)
{
	size_t len = strlen(path) + 1;
	char *p;
	long rc;

	if (len > XEN_HYPFS_MAX_PATHLEN)
		return -EINVAL;
	p = hcall_alloc(h, len);
	if (!p)
		return -ENOMEM;
	memcpy(p, path, len);
	rc = hcall(h, __HYPERVISOR_hypfs_op, op, hcall_address(h, p), len, hcall_address(h, buffer), size);
	hcall_free(h, p, len);
	return (int)rc;
}

int hypfs_read(struct hcall *h, const char *path, struct xen_hypfs_direntry *e, void **data)
{
	size_t size = FIRST_SIZE;
	int rc = -ENOBUFS;

	*data = NULL;
	/* It may grow between two looks. */
	while (rc == -ENOBUFS && size <= LARGEST_SIZE) {
		char *buffer = hcall_alloc(h, size);
		size_t had = size;

		if (!buffer)
			return -ENOMEM;
		rc = call(h, XEN_HYPFS_OP_read, path, buffer, size);
		if (!rc || rc == -ENOBUFS)
			memcpy(e, buffer, sizeof(*e));
		if (!rc && e->content_len > size - sizeof(*e))
			rc = -EPROTO;
		if (!rc) {
			*data = malloc((size_t)e->content_len + 1);
			if (*data)
				memcpy(*data, buffer + sizeof(*e), e->content_len);
			rc = *data ? 0 : -ENOMEM;
		}
		if (rc == -ENOBUFS)
			size = ((size_t)e->content_len + sizeof(*e) + FIRST_SIZE) & ~(size_t)(FIRST_SIZE - 1);
		hcall_free(h, buffer, had);
	}
	return rc;
}

int hypfs_write(struct hcall *h, const char *path, const void *value, size_t size)
{
	char *buffer;
	int rc;

	if (!size || size > LARGEST_SIZE)
		return -ENOSPC;
	buffer = hcall_alloc(h, size);
	if (!buffer)
		return -ENOMEM;
	memcpy(buffer, value, size);
	rc = call(h, XEN_HYPFS_OP_write_contents, path, buffer, size);
	hcall_free(h, buffer, size);
	return rc;
}

int hypfs_write_text(struct hcall *h, const char *path, const char *value)
{
	return hypfs_write(h, path, value, strlen(value) + 1);
}
