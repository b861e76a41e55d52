#include "hcall/evtchn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "hcall/backend.h"

struct evtchn {
	struct handle handle;
};

static struct evtchn *open_with(int fd)
{
	struct evtchn *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return NULL;
	e->handle.b = backend_choose();
	rc = fd < 0 ? e->handle.b->open_events(&e->handle) : e->handle.b->adopt_events(&e->handle, fd);
	if (!rc)
		return e;
	free(e);
	errno = -rc;
	return NULL;
}

struct evtchn *evtchn_open(void)
{
	return open_with(-1);
}

struct evtchn *evtchn_adopt(int fd)
{
	return open_with(fd);
}

void evtchn_close(struct evtchn *e)
{
	if (!e)
		return;
	e->handle.b->close(&e->handle);
	free(e);
}

int evtchn_fd(const struct evtchn *e)
{
	return e->handle.fd;
}

int evtchn_bind_interdomain(struct evtchn *e, uint32_t domid, uint32_t remote_port)
{
	return e->handle.b->bind_interdomain(&e->handle, domid, remote_port);
}

int evtchn_bind_virq(struct evtchn *e, uint32_t virq)
{
	return e->handle.b->bind_virq(&e->handle, virq);
}

int evtchn_alloc_unbound(struct evtchn *e, uint32_t domid)
{
	return e->handle.b->alloc_unbound(&e->handle, domid);
}

int evtchn_unbind(struct evtchn *e, uint32_t port)
{
	return e->handle.b->unbind(&e->handle, port);
}

int evtchn_notify(struct evtchn *e, uint32_t port)
{
	return e->handle.b->notify(&e->handle, port);
}

int evtchn_pending_many(struct evtchn *e, uint32_t *ports, unsigned max)
{
	ssize_t n = read(e->handle.fd, ports, max * sizeof(*ports));

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENODEV; /* the simulated hypervisor ended */
	return n < (ssize_t)sizeof(*ports) ? -EAGAIN : (int)((size_t)n / sizeof(*ports));
}

int evtchn_pending(struct evtchn *e)
{
	uint32_t port;
	int rc = evtchn_pending_many(e, &port, 1);

	return rc < 0 ? rc : (int)port;
}

int evtchn_unmask(struct evtchn *e, uint32_t port)
{
	return e->handle.b->unmask(&e->handle, &port, 1);
}

int evtchn_unmask_many(struct evtchn *e, const uint32_t *ports, unsigned nr)
{
	return nr ? e->handle.b->unmask(&e->handle, ports, nr) : 0;
}
