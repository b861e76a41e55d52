/*
 * Xen's devices under Linux: privcmd, hypercall, evtchn and gntdev. Requests' numbers and layouts are those of its
 * include/uapi/xen.
 */
#include "hcall/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, 48)
#define PRIVCMD_MMAPBATCH_V2 _IOC(_IOC_NONE, 'P', 4, 32)
#define PRIVCMD_MMAP_RESOURCE _IOC(_IOC_NONE, 'P', 7, 32)
struct privcmd_call {
	uint64_t op, arg[5];
};
struct privcmd_batch {
	uint32_t num;
	uint16_t dom;
	uint64_t addr;
	const uint64_t *frames;
	int *errors;
};
struct privcmd_resource {
	uint16_t dom;
	uint32_t type, id, idx;
	uint64_t num, addr;
};
#define EVTCHN_BIND_VIRQ _IOC(_IOC_NONE, 'E', 0, 4)
#define EVTCHN_BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, 8)
#define EVTCHN_BIND_UNBOUND _IOC(_IOC_NONE, 'E', 2, 4)
#define EVTCHN_UNBIND _IOC(_IOC_NONE, 'E', 3, 4)
#define EVTCHN_NOTIFY _IOC(_IOC_NONE, 'E', 4, 4)
struct evtchn_interdomain {
	uint32_t domid, port;
};
#define GNTDEV_MAP _IOC(_IOC_NONE, 'G', 0, 24)
#define GNTDEV_UNMAP _IOC(_IOC_NONE, 'G', 1, 16)
#define GNTDEV_OFFSET _IOC(_IOC_NONE, 'G', 2, 24)
#define GNTDEV_SET_MAX _IOC(_IOC_NONE, 'G', 3, 4)
struct gntdev_ref {
	uint32_t domid, ref;
};
struct gntdev_map {
	uint32_t count, pad;
	uint64_t index;
	struct gntdev_ref refs[];
};
struct gntdev_unmap {
	uint64_t index;
	uint32_t count, pad;
};
struct gntdev_offset {
	uint64_t vaddr, offset;
	uint32_t count, pad;
};
#define GRANTS_MAX 65536

_Static_assert(sizeof(struct privcmd_call) == 48 && sizeof(struct privcmd_batch) == 32 &&
		       sizeof(struct privcmd_resource) == 32 && sizeof(struct gntdev_offset) == 24,
	       "the kernel's layouts");

static int open_device(struct handle *h, const char *name, const char *old_name)
{
	h->fd = open(name, O_RDWR | O_CLOEXEC);
	if (h->fd < 0 && errno == ENOENT && old_name)
		h->fd = open(old_name, O_RDWR | O_CLOEXEC);
	if (h->fd >= 0)
		return 0;
	return errno == ENXIO || errno == ENODEV ? -ENOENT : -errno;
}

static int linux_open_calls(struct handle *h)
{
	return open_device(h, "/dev/xen/privcmd", "/proc/xen/privcmd");
}

static int linux_adopt_events(struct handle *h, int fd)
{
	h->fd = fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static int linux_open_events(struct handle *h)
{
	int rc = open_device(h, "/dev/xen/evtchn", NULL);

	return rc ? rc : linux_adopt_events(h, h->fd);
}

static int linux_open_grants(struct handle *h)
{
	uint32_t max = GRANTS_MAX;
	int rc = open_device(h, "/dev/xen/gntdev", NULL);

	if (!rc)
		ioctl(h->fd, GNTDEV_SET_MAX, &max); /* newer kernels have no such limit and no such request */
	return rc;
}

static void linux_close(struct handle *h)
{
	close(h->fd);
}

/* Not ioctl(): its result is an int, and some hypercalls have more to say. */
static long linux_call(struct handle *h, unsigned nr, const uint64_t a[5])
{
	struct privcmd_call call = { .op = nr, .arg = { a[0], a[1], a[2], a[3], a[4] } };
	long rc = syscall(SYS_ioctl, h->fd, PRIVCMD_HYPERCALL, &call);

	return rc == -1 ? -errno : rc;
}

/* Frames that stay: the driver has such; else ordinary memory is locked, which is nearly as good. */
static void *linux_alloc(struct handle *h, size_t pages)
{
	size_t size = pages * HCALL_PAGE;
	int fd = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd >= 0) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p == MAP_FAILED) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (p == MAP_FAILED)
			return NULL;
		/* A child's copy-on-write must not move the parent's page. */
		madvise(p, size, MADV_DONTFORK);
		mlock(p, size);
	}
	memset(p, 0, size);
	return p;
}

static void linux_free(struct handle *h, void *p, size_t pages)
{
	munmap(p, pages * HCALL_PAGE);
}

/* As for mmap(); the batch fills the mapping in. */
static void *linux_map_foreign(struct handle *h, uint32_t domid, int prot, const uint64_t *gfns, size_t nr, int *errs)
{
	void *p = mmap(NULL, nr * HCALL_PAGE, prot, MAP_SHARED, h->fd, 0);
	int *errors = errs ? errs : calloc(nr, sizeof(*errors)), rc = 0;
	struct privcmd_batch batch = { (uint32_t)nr, (uint16_t)domid, (uintptr_t)p, gfns, errors };

	if (p == MAP_FAILED || !errors) {
		rc = p == MAP_FAILED ? errno : ENOMEM;
		goto out;
	}
	memset(errors, 0, nr * sizeof(*errors));
	if (ioctl(h->fd, PRIVCMD_MMAPBATCH_V2, &batch) && errno != ENOENT)
		rc = errno;
	for (size_t i = 0; !rc && !errs && i < nr; i++)
		rc = -errors[i];
out:
	if (!errs)
		free(errors);
	if (!rc)
		return p;
	if (p != MAP_FAILED)
		munmap(p, nr * HCALL_PAGE);
	errno = rc;
	return NULL;
}

static void *linux_map_resource(struct handle *h, uint32_t domid, unsigned type, unsigned id, uint64_t frame, size_t nr,
				int prot)
{
	void *p = mmap(NULL, nr * HCALL_PAGE, prot, MAP_SHARED, h->fd, 0);
	struct privcmd_resource r = { (uint16_t)domid, type, id, (uint32_t)frame, nr, (uintptr_t)p };
	int err;

	if (p == MAP_FAILED)
		return NULL;
	if (!ioctl(h->fd, PRIVCMD_MMAP_RESOURCE, &r))
		return p;
	err = errno;
	munmap(p, nr * HCALL_PAGE);
	errno = err;
	return NULL;
}

static int linux_unmap_foreign(struct handle *h, void *p, size_t nr)
{
	return munmap(p, nr * HCALL_PAGE) ? -errno : 0;
}

static int evtchn_ioctl(struct handle *h, unsigned long request, void *arg)
{
	int rc = ioctl(h->fd, request, arg);

	return rc < 0 ? -errno : rc;
}

static int linux_bind_interdomain(struct handle *h, uint32_t domid, uint32_t port)
{
	struct evtchn_interdomain bind = { .domid = domid, .port = port };

	return evtchn_ioctl(h, EVTCHN_BIND_INTERDOMAIN, &bind);
}

static int linux_bind_virq(struct handle *h, uint32_t virq)
{
	return evtchn_ioctl(h, EVTCHN_BIND_VIRQ, &virq);
}

static int linux_alloc_unbound(struct handle *h, uint32_t domid)
{
	return evtchn_ioctl(h, EVTCHN_BIND_UNBOUND, &domid);
}

static int linux_unbind(struct handle *h, uint32_t port)
{
	return evtchn_ioctl(h, EVTCHN_UNBIND, &port);
}

static int linux_notify(struct handle *h, uint32_t port)
{
	return evtchn_ioctl(h, EVTCHN_NOTIFY, &port);
}

static int linux_unmask(struct handle *h, const uint32_t *ports, unsigned nr)
{
	return write(h->fd, ports, nr * sizeof(*ports)) < 0 ? -errno : 0;
}

static void gntdev_forget(struct handle *h, uint64_t index, size_t nr)
{
	struct gntdev_unmap unmap = { .index = index, .count = (uint32_t)nr };

	ioctl(h->fd, GNTDEV_UNMAP, &unmap);
}

static void *linux_map_grants(struct handle *h, uint32_t domid, const uint32_t *refs, size_t nr, int prot)
{
	struct gntdev_map *map = calloc(1, sizeof(*map) + nr * sizeof(map->refs[0]));
	void *p = MAP_FAILED;
	int err = 0;

	if (!map)
		return NULL;
	map->count = (uint32_t)nr;
	for (size_t i = 0; i < nr; i++)
		map->refs[i] = (struct gntdev_ref){ domid, refs[i] };
	if (!ioctl(h->fd, GNTDEV_MAP, map)) {
		p = mmap(NULL, nr * HCALL_PAGE, prot, MAP_SHARED, h->fd, (off_t)map->index);
		if (p == MAP_FAILED) {
			err = errno;
			gntdev_forget(h, map->index, nr);
		}
	} else {
		err = errno;
	}
	free(map);
	errno = err;
	return p == MAP_FAILED ? NULL : p;
}

static int linux_unmap_grants(struct handle *h, void *p, size_t nr)
{
	struct gntdev_offset where = { .vaddr = (uintptr_t)p };

	if (ioctl(h->fd, GNTDEV_OFFSET, &where) || where.count != nr)
		return -EINVAL;
	if (munmap(p, nr * HCALL_PAGE))
		return -errno;
	gntdev_forget(h, where.offset, nr);
	return 0;
}

const struct backend backend_linux = {
	.open_calls = linux_open_calls,
	.open_events = linux_open_events,
	.adopt_events = linux_adopt_events,
	.open_grants = linux_open_grants,
	.close = linux_close,
	.call = linux_call,
	.alloc = linux_alloc,
	.free = linux_free,
	.map_foreign = linux_map_foreign,
	.map_resource = linux_map_resource,
	.unmap_foreign = linux_unmap_foreign,
	.bind_interdomain = linux_bind_interdomain,
	.bind_virq = linux_bind_virq,
	.alloc_unbound = linux_alloc_unbound,
	.unbind = linux_unbind,
	.notify = linux_notify,
	.unmask = linux_unmask,
	.map_grants = linux_map_grants,
	.unmap_grants = linux_unmap_grants,
};
