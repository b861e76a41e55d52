/*
 * For Debian's QEMU on the simulated hypervisor: what it asks of Xen's libraries to serve disks, by our own library of hypercalls, which knows the simulated
 * one. Libraries it only opens get a handle that says nothing.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "hcall/evtchn.h"
#include "hcall/gnttab.h"

#define EXPORT __attribute__((visibility("default")))
#define OPEN(name) \
	EXPORT void *name(void *logger, unsigned flags); \
	void *name(void *logger, unsigned flags) \
	{ \
		static int handle; \
		return &handle; \
	}
OPEN(xenforeignmemory_open)
OPEN(xendevicemodel_open)

EXPORT void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags);
EXPORT struct evtchn *xenevtchn_open(void *logger, unsigned flags);
EXPORT int xenevtchn_close(struct evtchn *e);
EXPORT int xenevtchn_fd(struct evtchn *e);
EXPORT int xenevtchn_bind_interdomain(struct evtchn *e, uint32_t domid, uint32_t port);
EXPORT int xenevtchn_unbind(struct evtchn *e, uint32_t port);
EXPORT int xenevtchn_pending(struct evtchn *e);
EXPORT int xenevtchn_unmask(struct evtchn *e, uint32_t port);
EXPORT int xenevtchn_notify(struct evtchn *e, uint32_t port);
EXPORT struct gnttab *xengnttab_open(void *logger, unsigned flags);
EXPORT int xengnttab_close(struct gnttab *g);
EXPORT int xengnttab_set_max_grants(struct gnttab *g, uint32_t nr);
EXPORT void *xengnttab_map_domain_grant_refs(struct gnttab *g, uint32_t nr, uint32_t domid, uint32_t *refs, int prot);
EXPORT int xengnttab_unmap(struct gnttab *g, void *p, uint32_t nr);
EXPORT int xengnttab_grant_copy(struct gnttab *g, uint32_t nr, void *segments);

/* As Xen's libraries tell of a failure. */
static int told(int rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags)
{
	static int handle;

	return &handle;
}

struct evtchn *xenevtchn_open(void *logger, unsigned flags)
{
	return evtchn_open();
}

int xenevtchn_close(struct evtchn *e)
{
	evtchn_close(e);
	return 0;
}

int xenevtchn_fd(struct evtchn *e)
{
	return evtchn_fd(e);
}

int xenevtchn_bind_interdomain(struct evtchn *e, uint32_t domid, uint32_t port)
{
	return told(evtchn_bind_interdomain(e, domid, port));
}

int xenevtchn_unbind(struct evtchn *e, uint32_t port)
{
	return told(evtchn_unbind(e, port));
}

int xenevtchn_pending(struct evtchn *e)
{
	return told(evtchn_pending(e));
}

int xenevtchn_unmask(struct evtchn *e, uint32_t port)
{
	return told(evtchn_unmask(e, port));
}

int xenevtchn_notify(struct evtchn *e, uint32_t port)
{
	return told(evtchn_notify(e, port));
}

struct gnttab *xengnttab_open(void *logger, unsigned flags)
{
	return gnttab_open();
}

int xengnttab_close(struct gnttab *g)
{
	gnttab_close(g);
	return 0;
}

int xengnttab_set_max_grants(struct gnttab *g, uint32_t nr)
{
	return 0;
}

void *xengnttab_map_domain_grant_refs(struct gnttab *g, uint32_t nr, uint32_t domid, uint32_t *refs, int prot)
{
	return gnttab_map(g, domid, refs, nr, prot);
}

int xengnttab_unmap(struct gnttab *g, void *p, uint32_t nr)
{
	return told(gnttab_unmap(g, p, nr));
}

/* QEMU maps instead, and copies by itself. */
int xengnttab_grant_copy(struct gnttab *g, uint32_t nr, void *segments)
{
	return told(-ENOSYS);
}
