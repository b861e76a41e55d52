/* No hypervisor: sockets only (-D, and any host for tests of the store itself). */
#include <errno.h>
#include <stddef.h>

#include "hyper.h"

const struct hyper *hyper = &hyper_none;

void hyper_use_fd(int fd)
{
	hyper_xen.use_fd(fd);
	hyper_fake.use_fd(fd);
}

static int none_open(void)
{
	return 0;
}

static int none_fd(void)
{
	return -1;
}

static void none_use_fd(int fd)
{
}

static int none_notify(uint32_t port)
{
	return 0;
}

static int none_bind(uint32_t domid, uint32_t remote_port, uint32_t *local)
{
	return EINVAL;
}

static void none_unbind(uint32_t local)
{
}

static int none_dom_exc(uint32_t *local)
{
	return ENOSYS;
}

static struct xenstore_domain_interface *none_map(uint32_t domid, uint64_t gfn)
{
	errno = EINVAL;
	return NULL;
}

static void none_unmap(uint32_t domid, struct xenstore_domain_interface *ring)
{
}

static int none_place(uint32_t domid, uint64_t *gfn, uint32_t *remote_port)
{
	return ENOENT;
}

static struct xenstore_domain_interface *none_kernel(uint32_t *remote_port)
{
	return NULL;
}

static int none_info(uint32_t domid, struct hyper_domain *out)
{
	*out = (struct hyper_domain){ .exists = domid == 0 };
	return 0;
}

static int none_list(uint32_t first, uint32_t *ids, struct hyper_domain *out, unsigned max)
{
	return 0;
}

const struct hyper hyper_none = {
	.name = "none",
	.open = none_open,
	.event_fd = none_fd,
	.next_port = none_fd,
	.notify = none_notify,
	.bind = none_bind,
	.unbind = none_unbind,
	.bind_dom_exc = none_dom_exc,
	.map_ring = none_map,
	.unmap_ring = none_unmap,
	.store_place = none_place,
	.kernel_ring = none_kernel,
	.domain_info = none_info,
	.list = none_list,
	.keep_fd = none_fd,
	.use_fd = none_use_fd,
};
