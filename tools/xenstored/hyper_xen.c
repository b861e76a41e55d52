/*
 * Xen (and Hospes) under Linux through lib/hcall, which also knows the simulated hypervisor of tests. Hypercall structures are
 * those of version 4.17.
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
#include "daemon.h"
#include "domain.h"
#include "hcall/evtchn.h"
#include "hcall/foreign.h"
#include "hcall/gnttab.h"
#include "hcall/hcall.h"
#include "hyper.h"
#include "options.h"

#define PAGE 4096
#define PORTS_PER_TURN 32
#define GRANT_STORE 1 /* the grant reference a toolstack reserves for the store's ring */
#define LIST_MAX 256
#define XENBUS_BACKEND_EVTCHN _IOC(_IOC_NONE, 'B', 0, 0)

static struct {
	struct hcall *calls;
	struct evtchn *events;
	struct gnttab *grants;
	int kept_fd;			       /* of the daemon before us */
	struct xen_domctl_getdomaininfo *info; /* LIST_MAX of them, where the hypervisor writes */
	uint32_t ports[PORTS_PER_TURN];
	unsigned next, nr;
	bool pause;
} xen = { .kept_fd = -1 };

static int xen_open(void)
{
	xen.events = xen.kept_fd >= 0 ? evtchn_adopt(xen.kept_fd) : evtchn_open();
	if (!xen.events)
		return errno;
	xen.grants = gnttab_open();
	if (!xen.grants)
		return errno;
	xen.calls = hcall_open();
	if (!xen.calls)
		return errno;
	xen.info = hcall_alloc(xen.calls, LIST_MAX * sizeof(*xen.info));
	return xen.info ? 0 : ENOMEM;
}

static int xen_event_fd(void)
{
	return evtchn_fd(xen.events);
}

static int xen_next_port(void)
{
	int n;

	if (xen.next == xen.nr) {
		if (xen.pause) {
			xen.pause = false;
			return -1;
		}
		n = evtchn_pending_many(xen.events, xen.ports, PORTS_PER_TURN);
		if (n < 0 && n != -EAGAIN && n != -EINTR)
			daemon_die("events of the hypervisor", -n); /* the journal has everything */
		xen.next = 0;
		xen.nr = n > 0 ? (unsigned)n : 0;
		if (!xen.nr)
			return -1;
		/* Unmask all at once: whatever comes from here on makes a new event, and rings are read after this. */
		if (evtchn_unmask_many(xen.events, xen.ports, xen.nr))
			return -1;
		xen.pause = true;
	}
	return (int)xen.ports[xen.next++];
}

static int xen_notify(uint32_t port)
{
	return -evtchn_notify(xen.events, port);
}

static int xen_bind(uint32_t domid, uint32_t remote_port, uint32_t *local)
{
	int port = evtchn_bind_interdomain(xen.events, domid, remote_port);

	if (port < 0)
		return -port;
	*local = (uint32_t)port;
	return 0;
}

static void xen_unbind(uint32_t local)
{
	evtchn_unbind(xen.events, local);
}

static int xen_dom_exc(uint32_t *local)
{
	int port = evtchn_bind_virq(xen.events, VIRQ_DOM_EXC);

	if (port < 0)
		return -port;
	*local = (uint32_t)port;
	return 0;
}

/* By its grant; or the classic way for a control domain, the frame itself: for guests whose toolstack seeded no grant. */
static struct xenstore_domain_interface *xen_map(uint32_t domid, uint64_t gfn)
{
	const uint32_t ref = GRANT_STORE;
	void *p = gnttab_map(xen.grants, domid, &ref, 1, PROT_READ | PROT_WRITE);

	return p ? p : foreign_map(xen.calls, domid, PROT_READ | PROT_WRITE, &gfn, 1, NULL);
}

static void xen_unmap(uint32_t domid, struct xenstore_domain_interface *ring)
{
	if (gnttab_unmap(xen.grants, ring, 1))
		foreign_unmap(xen.calls, ring, 1);
}

static int xen_place(uint32_t domid, uint64_t *gfn, uint32_t *remote_port)
{
	static const uint32_t index[] = { HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN };
	uint64_t value[2];

	for (int i = 0; i < 2; i++) {
		struct xen_hvm_param param = { .domid = (domid_t)domid, .index = index[i] };
		int rc = hcall_hvm(xen.calls, HVMOP_get_param, &param, sizeof(param));

		if (rc < 0)
			return -rc;
		value[i] = param.value;
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
	struct xen_sysctl s = { .cmd = XEN_SYSCTL_getdomaininfolist };
	int rc;

	s.u.getdomaininfolist.first_domain = (domid_t)first;
	s.u.getdomaininfolist.max_domains = max;
	s.u.getdomaininfolist.buffer = hcall_address(xen.calls, xen.info);
	rc = hcall_sysctl(xen.calls, &s);
	if (rc < 0) {
		errno = -rc;
		return -1;
	}
	return s.u.getdomaininfolist.num_domains <= max ? (int)s.u.getdomaininfolist.num_domains : -1;
}

static int xen_info(uint32_t domid, struct hyper_domain *out)
{
	int n = list_from(domid, 1);

	*out = (struct hyper_domain){ .exists = false };
	if (n < 0)
		return errno;
	if (n == 1 && xen.info[0].domain == domid)
		describe(&xen.info[0], out);
	return 0;
}

static int xen_list(uint32_t first, uint32_t *ids, struct hyper_domain *out, unsigned max)
{
	int n = list_from(first, max < LIST_MAX ? max : LIST_MAX);

	for (int i = 0; i < n; i++) {
		ids[i] = xen.info[i].domain;
		describe(&xen.info[i], &out[i]);
	}
	return n;
}

static int xen_keep_fd(void)
{
	return xen.events ? evtchn_fd(xen.events) : -1;
}

static void xen_use_fd(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	xen.kept_fd = fd;
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
