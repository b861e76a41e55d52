/*
 * Xen (and Hospes) under Linux, by the ioctls of its devices: /dev/xen/evtchn, gntdev, privcmd, hypercall and xenbus_backend.
 * Hypercall structures are those of version 4.17.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/domctl.h"
#include "abi/hvm_op.h"
#include "abi/hvm_params.h"
#include "abi/sysctl.h"
#include "abi/xen.h"
#include "domain.h"
#include "hyper.h"
#include "options.h"

#define PAGE 4096
#define PORTS_PER_TURN 64
#define GRANT_STORE 1 /* the grant reference a toolstack reserves for the store's ring */
#define LIST_MAX 256
#define RINGS_MAX 65536

/* The devices' requests: numbers and layouts as Linux has them (include/uapi/xen). */
#define EVTCHN_BIND_VIRQ _IOC(_IOC_NONE, 'E', 0, 4)
#define EVTCHN_BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, 8)
#define EVTCHN_UNBIND _IOC(_IOC_NONE, 'E', 3, 4)
#define EVTCHN_NOTIFY _IOC(_IOC_NONE, 'E', 4, 4)
struct evtchn_interdomain {
	uint32_t domid, port;
};
#define GNTDEV_MAP _IOC(_IOC_NONE, 'G', 0, 24)
#define GNTDEV_UNMAP _IOC(_IOC_NONE, 'G', 1, 16)
#define GNTDEV_OFFSET _IOC(_IOC_NONE, 'G', 2, 24)
#define GNTDEV_SET_MAX _IOC(_IOC_NONE, 'G', 3, 4)
struct gntdev_map {
	uint32_t count, pad;
	uint64_t index;
	uint32_t domid, ref;
};
struct gntdev_unmap {
	uint64_t index;
	uint32_t count, pad;
};
struct gntdev_offset {
	uint64_t vaddr, offset;
	uint32_t count, pad;
};
#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, 48)
#define PRIVCMD_MMAPBATCH_V2 _IOC(_IOC_NONE, 'P', 4, 32)
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
#define XENBUS_BACKEND_EVTCHN _IOC(_IOC_NONE, 'B', 0, 0)

/* What the hypervisor reads and writes: pages that do not move. */
struct call_buffer {
	union {
		struct xen_sysctl sysctl;
		struct xen_hvm_param param;
	};
	struct xen_domctl_getdomaininfo info[LIST_MAX] __attribute__((aligned(64)));
};
#define BUFFER_SIZE ((sizeof(struct call_buffer) + PAGE - 1) / PAGE * PAGE)

static struct {
	int evtchn, gntdev, privcmd;
	bool inherited;
	struct call_buffer *buffer;
	uint32_t ports[PORTS_PER_TURN];
	unsigned next, nr;
	bool pause;
} xen = { .evtchn = -1, .gntdev = -1, .privcmd = -1 };

/* A page or more whose frames stay: the driver has such; else ordinary memory is locked, which is nearly as good. */
static void *call_pages(size_t size)
{
	int fd = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd >= 0) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p == MAP_FAILED) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE,
			 -1, 0);
		if (p == MAP_FAILED)
			p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	}
	return p == MAP_FAILED ? NULL : p;
}

static int open_device(const char *name, const char *old_name)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);

	return fd < 0 && old_name ? open(old_name, O_RDWR | O_CLOEXEC) : fd;
}

static int xen_open(void)
{
	uint32_t max = RINGS_MAX;

	if (xen.evtchn < 0)
		xen.evtchn = open_device("/dev/xen/evtchn", NULL);
	if (xen.evtchn < 0)
		return errno;
	fcntl(xen.evtchn, F_SETFL, O_NONBLOCK);
	xen.gntdev = open_device("/dev/xen/gntdev", NULL);
	if (xen.gntdev < 0)
		return errno;
	ioctl(xen.gntdev, GNTDEV_SET_MAX, &max); /* newer kernels have no such limit and no such request */
	xen.privcmd = open_device("/dev/xen/privcmd", "/proc/xen/privcmd");
	if (xen.privcmd < 0)
		return errno;
	xen.buffer = call_pages(BUFFER_SIZE);
	return xen.buffer ? 0 : ENOMEM;
}

static int xen_event_fd(void)
{
	return xen.evtchn;
}

static int xen_next_port(void)
{
	ssize_t n;

	if (xen.next == xen.nr) {
		if (xen.pause) {
			xen.pause = false;
			return -1;
		}
		n = read(xen.evtchn, xen.ports, sizeof(xen.ports));
		xen.next = 0;
		xen.nr = n > 0 ? (unsigned)n / sizeof(uint32_t) : 0;
		if (!xen.nr)
			return -1;
		/* Unmask all at once: whatever comes from here on makes a new event, and rings are read after this. */
		if (write(xen.evtchn, xen.ports, xen.nr * sizeof(uint32_t)) < 0)
			return -1;
		xen.pause = true;
	}
	return (int)xen.ports[xen.next++];
}

static int xen_notify(uint32_t port)
{
	return ioctl(xen.evtchn, EVTCHN_NOTIFY, &port) ? errno : 0;
}

static int xen_bind(uint32_t domid, uint32_t remote_port, uint32_t *local)
{
	struct evtchn_interdomain bind = { .domid = domid, .port = remote_port };
	int port = ioctl(xen.evtchn, EVTCHN_BIND_INTERDOMAIN, &bind);

	if (port < 0)
		return errno;
	*local = (uint32_t)port;
	return 0;
}

static void xen_unbind(uint32_t local)
{
	ioctl(xen.evtchn, EVTCHN_UNBIND, &local);
}

static int xen_dom_exc(uint32_t *local)
{
	uint32_t virq = VIRQ_DOM_EXC;
	int port = ioctl(xen.evtchn, EVTCHN_BIND_VIRQ, &virq);

	if (port < 0)
		return errno;
	*local = (uint32_t)port;
	return 0;
}

/* The classic way for a control domain: the frame itself. For guests whose toolstack seeded no grant. */
static void *map_frame(uint32_t domid, uint64_t gfn)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, xen.privcmd, 0);
	int error = 0;
	struct privcmd_batch batch = {
		.num = 1, .dom = (uint16_t)domid, .addr = (uintptr_t)p, .frames = &gfn, .errors = &error
	};

	if (p == MAP_FAILED)
		return NULL;
	if (!ioctl(xen.privcmd, PRIVCMD_MMAPBATCH_V2, &batch) && !error)
		return p;
	munmap(p, PAGE);
	errno = EINVAL;
	return NULL;
}

static struct xenstore_domain_interface *xen_map(uint32_t domid, uint64_t gfn)
{
	struct gntdev_map map = { .count = 1, .domid = domid, .ref = GRANT_STORE };
	struct gntdev_unmap unmap = { .count = 1 };
	void *p;

	if (!ioctl(xen.gntdev, GNTDEV_MAP, &map)) {
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, xen.gntdev, (off_t)map.index);
		if (p != MAP_FAILED)
			return p;
		unmap.index = map.index;
		ioctl(xen.gntdev, GNTDEV_UNMAP, &unmap);
	}
	return map_frame(domid, gfn);
}

static void xen_unmap(uint32_t domid, struct xenstore_domain_interface *ring)
{
	struct gntdev_offset where = { .vaddr = (uintptr_t)ring };
	struct gntdev_unmap unmap = { .count = 1 };
	bool grant = !ioctl(xen.gntdev, GNTDEV_OFFSET, &where) && where.count == 1;

	munmap(ring, PAGE);
	if (!grant)
		return;
	unmap.index = where.offset;
	ioctl(xen.gntdev, GNTDEV_UNMAP, &unmap);
}

static int hypercall(uint64_t op, uint64_t a, uint64_t b)
{
	struct privcmd_call call = { .op = op, .arg = { a, b } };
	int rc = ioctl(xen.privcmd, PRIVCMD_HYPERCALL, &call);

	return rc < 0 ? errno : 0;
}

static int xen_place(uint32_t domid, uint64_t *gfn, uint32_t *remote_port)
{
	static const uint32_t index[] = { HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN };
	uint64_t value[2];

	for (int i = 0; i < 2; i++) {
		int err;

		xen.buffer->param = (struct xen_hvm_param){ .domid = (domid_t)domid, .index = index[i] };
		err = hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, (uintptr_t)&xen.buffer->param);
		if (err)
			return err;
		value[i] = xen.buffer->param.value;
	}
	*gfn = value[0];
	*remote_port = (uint32_t)value[1];
	return 0;
}

/* A number in a file of xenfs; -1: there is none. */
static long long xenfs_number(const char *path)
{
	char text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtoll(text, NULL, 10);
}

/* Linux keeps the page of the domain it runs in for whoever becomes the store. */
static struct xenstore_domain_interface *xen_kernel(uint32_t *remote_port)
{
	int fd = open("/dev/xen/xenbus_backend", O_RDWR | O_CLOEXEC), port = -1;
	void *p = MAP_FAILED;

	if (fd >= 0) {
		port = ioctl(fd, XENBUS_BACKEND_EVTCHN, 0);
		p = port < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p == MAP_FAILED) {
		port = (int)xenfs_number("/proc/xen/xsd_port");
		fd = open("/proc/xen/xsd_kva", O_RDWR | O_CLOEXEC);
		if (port >= 0 && fd >= 0)
			p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (fd >= 0)
			close(fd);
	}
	if (p == MAP_FAILED)
		return NULL;
	*remote_port = (uint32_t)port;
	return p;
}

static void describe(const struct xen_domctl_getdomaininfo *info, struct hyper_domain *out)
{
	*out = (struct hyper_domain){
		.exists = true,
		.dying = info->flags & XEN_DOMINF_dying,
		.shutdown = info->flags & XEN_DOMINF_shutdown,
		.code = info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask,
	};
	memcpy(out->handle, &info->handle, sizeof(out->handle));
}

/* Domains with id >= @first to the buffer: how many, or -1 with errno. */
static int list_from(uint32_t first, unsigned max)
{
	struct xen_sysctl *s = &xen.buffer->sysctl;
	int err;

	memset(s, 0, sizeof(*s));
	s->cmd = XEN_SYSCTL_getdomaininfolist;
	s->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	s->u.getdomaininfolist.first_domain = (domid_t)first;
	s->u.getdomaininfolist.max_domains = max;
	s->u.getdomaininfolist.buffer = (uintptr_t)xen.buffer->info;
	err = hypercall(__HYPERVISOR_sysctl, (uintptr_t)s, 0);
	if (err) {
		errno = err;
		return -1;
	}
	return s->u.getdomaininfolist.num_domains <= max ? (int)s->u.getdomaininfolist.num_domains : -1;
}

static int xen_info(uint32_t domid, struct hyper_domain *out)
{
	int n = list_from(domid, 1);

	*out = (struct hyper_domain){ .exists = false };
	if (n < 0)
		return errno;
	if (n == 1 && xen.buffer->info[0].domain == domid)
		describe(&xen.buffer->info[0], out);
	return 0;
}

static int xen_list(uint32_t first, uint32_t *ids, struct hyper_domain *out, unsigned max)
{
	int n = list_from(first, max < LIST_MAX ? max : LIST_MAX);

	for (int i = 0; i < n; i++) {
		ids[i] = xen.buffer->info[i].domain;
		describe(&xen.buffer->info[i], &out[i]);
	}
	return n;
}

static int xen_keep_fd(void)
{
	return xen.evtchn;
}

static void xen_use_fd(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	xen.evtchn = fd;
}

const struct hyper hyper_xen = {
	.name = "xen",
	.open = xen_open,
	.event_fd = xen_event_fd,
	.next_port = xen_next_port,
	.notify = xen_notify,
	.bind = xen_bind,
	.unbind = xen_unbind,
	.bind_dom_exc = xen_dom_exc,
	.map_ring = xen_map,
	.unmap_ring = xen_unmap,
	.store_place = xen_place,
	.kernel_ring = xen_kernel,
	.domain_info = xen_info,
	.list = xen_list,
	.keep_fd = xen_keep_fd,
	.use_fd = xen_use_fd,
};
