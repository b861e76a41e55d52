/*
 * Lets Debian's unmodified xenstored and oxenstored run on a host without Xen: stands in, by LD_PRELOAD, for the few
 * functions of libxenevtchn, libxengnttab and libxenctrl they call, over the fake hypervisor of tools/xenstored/hyper_fake.h
 * (environment XENSTORED_FAKE). Also gives them the kernel's ring (/proc/xen/xsd_kva, xsd_port) and, for the daemon that has
 * its socket path compiled in, XENSTORED_RUNDIR.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "tools/xenstored/hyper_fake.h"

/* The daemons think of 0 as "no port": the kernel's ring gets this one. */
#define KERNEL_PORT 65534

static struct {
	const char *dir;
	struct fake_hyper *hyper;
	int events;
	int guests[FAKE_DOMAINS]; /* descriptor + 1 of domN.event */
	int dummy;
} lab;

static int lab_file(const char *name, int flags)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", lab.dir, name);
	return openat(AT_FDCWD, path, flags);
}

static bool lab_open(void)
{
	int fd;
	if (lab.hyper)
		return true;
	lab.dir = getenv("XENSTORED_FAKE");
	fd = lab.dir ? lab_file("hyper", O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	lab.hyper = mmap(NULL, sizeof(*lab.hyper), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (lab.hyper == MAP_FAILED)
		abort();
	return true;
}

/* libxenevtchn. The handle is the address of our state. */

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned int flags)
{
	lab_open();
	lab.events = lab_file("evtchn", O_RDWR);
	return lab.events < 0 ? NULL : (xenevtchn_handle *)&lab;
}

xenevtchn_handle *xenevtchn_fdopen(xentoollog_logger *logger, int fd, unsigned int flags)
{
	lab_open();
	lab.events = fd;
	return (xenevtchn_handle *)&lab;
}

int xenevtchn_close(xenevtchn_handle *h)
{
	return close(lab.events);
}

int xenevtchn_fd(xenevtchn_handle *h)
{
	return lab.events;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	unsigned id = port == KERNEL_PORT ? 0 : port;
	char name[32];
	if (id >= FAKE_DOMAINS)
		return -1;
	lab.hyper->domains[id].notified++;
	if (!lab.guests[id]) {
		snprintf(name, sizeof(name), "dom%u.event", id);
		lab.guests[id] = lab_file(name, O_RDWR | O_NONBLOCK | O_CLOEXEC) + 1;
	}
	if (lab.guests[id] && write(lab.guests[id] - 1, "", 1) < 0 && errno != EAGAIN)
		return -1;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid, evtchn_port_t remote)
{
	uint32_t port = domid ? domid : KERNEL_PORT;
	if (domid >= FAKE_DOMAINS || !lab.hyper->domains[domid].exists) {
		errno = ESRCH;
		return -1;
	}
	if (lab.hyper->domains[domid].port && lab.hyper->domains[domid].port != remote) {
		errno = EINVAL;
		return -1;
	}
	lab.hyper->domains[domid].bound = 1;
	/* As Xen does, in case the guest sent one too early. */
	if (write(lab.events, &port, sizeof(port)) < 0)
		return -1;
	return (int)port;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *h, unsigned int virq)
{
	return FAKE_PORT_DOM_EXC;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
	unsigned id = port == KERNEL_PORT ? 0 : port;
	if (id < FAKE_DOMAINS) {
		lab.hyper->domains[id].bound = 0;
		if (lab.guests[id])
			close(lab.guests[id] - 1);
		lab.guests[id] = 0;
	}
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
	uint32_t port;
	if (read(lab.events, &port, sizeof(port)) != sizeof(port))
		return -1;
	return port ? (int)port : KERNEL_PORT;
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
	return 0;
}

/* Ring pages. */

static void *map_ring(uint32_t domid)
{
	char name[32];
	void *page;
	int fd;
	if (domid >= FAKE_DOMAINS || !lab.hyper->domains[domid].exists) {
		errno = ESRCH;
		return NULL;
	}
	snprintf(name, sizeof(name), "dom%u.ring", domid);
	fd = lab_file(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return NULL;
	lab.hyper->domains[domid].mapped = 1;
	return page;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags)
{
	return lab_open() ? (xengnttab_handle *)&lab : NULL;
}

int xengnttab_close(xengnttab_handle *h)
{
	return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *h, uint32_t count)
{
	return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot)
{
	return map_ring(domid);
}

int xengnttab_unmap(xengnttab_handle *h, void *address, uint32_t count)
{
	return munmap(address, 4096ul * count);
}

void *xc_map_foreign_range(xc_interface *xch, uint32_t dom, int size, int prot, unsigned long mfn);
void *xc_map_foreign_range(xc_interface *xch, uint32_t dom, int size, int prot, unsigned long mfn)
{
	return map_ring(dom);
}

/* Domain information. */

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger, unsigned open_flags)
{
	return lab_open() ? (xc_interface *)&lab : NULL;
}

int xc_interface_close(xc_interface *xch)
{
	return 0;
}

const char *xc_error_code_to_desc(int code)
{
	return "fake";
}

const xc_error *xc_get_last_error(xc_interface *xch)
{
	static const xc_error none;
	return &none;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	unsigned n = 0;
	for (uint32_t id = first; id <= lab.hyper->max_id && n < max; id++) {
		const struct fake_domain *d = &lab.hyper->domains[id];
		if (!d->exists)
			continue;
		memset(&info[n], 0, sizeof(info[n]));
		info[n].domid = id;
		info[n].dying = d->dying;
		info[n].shutdown = d->shutdown;
		info[n].shutdown_reason = d->code;
		info[n].crashed = d->shutdown && d->code == SHUTDOWN_crash;
		info[n].running = 1;
		memcpy(info[n].handle, &d->unique, sizeof(d->unique));
		n++;
	}
	if (!n) {
		errno = ESRCH;
		return -1;
	}
	return (int)n;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max, xc_domaininfo_t *info)
{
	unsigned n = 0;
	for (uint32_t id = first; id <= lab.hyper->max_id && n < max; id++) {
		const struct fake_domain *d = &lab.hyper->domains[id];
		if (!d->exists)
			continue;
		memset(&info[n], 0, sizeof(info[n]));
		info[n].domain = id;
		info[n].flags = XEN_DOMINF_running | (d->dying ? XEN_DOMINF_dying : 0) |
				(d->shutdown ? XEN_DOMINF_shutdown : 0) | (uint32_t)d->code << XEN_DOMINF_shutdownshift;
		memcpy(info[n].handle, &d->unique, sizeof(d->unique));
		n++;
	}
	return (int)n;
}

/* The kernel's ring, as files of xenfs. */

static int lab_kernel_file(const char *path)
{
	int ends[2];
	if (!strcmp(path, "/proc/xen/xsd_kva") && lab_open())
		return lab_file("dom0.ring", O_RDWR);
	if (strcmp(path, "/proc/xen/xsd_port") || !lab_open() || pipe(ends))
		return -2;
	dprintf(ends[1], "%u", lab.hyper->domains[0].port ? lab.hyper->domains[0].port : 1);
	close(ends[1]);
	return ends[0];
}

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		int fd = lab_kernel_file(path); \
		va_list ap; \
		mode_t mode; \
		va_start(ap, flags); \
		mode = va_arg(ap, mode_t); \
		va_end(ap); \
		return fd != -2 ? fd : openat(AT_FDCWD, path, flags, mode); \
	}
int open(const char *path, int flags, ...);
int open64(const char *path, int flags, ...);
OPEN(open)
OPEN(open64)

/* oxenstored insists on raising the limit of descriptors, which needs a privilege. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	return 0;
}

/* A socket path below /run/xenstored moves to XENSTORED_RUNDIR. */
int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	int (*next)(int, const struct sockaddr *, socklen_t) =
		(int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)address;
	struct sockaddr_un moved = { .sun_family = AF_UNIX };
	const char *dir = getenv("XENSTORED_RUNDIR");
	const char *base;
	if (dir && address->sa_family == AF_UNIX && strstr(un->sun_path, "/run/xenstored/")) {
		base = strrchr(un->sun_path, '/');
		snprintf(moved.sun_path, sizeof(moved.sun_path), "%.90s%.16s", dir, base);
		return next(fd, (struct sockaddr *)&moved, sizeof(moved));
	}
	return next(fd, address, len);
}
