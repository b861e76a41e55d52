#include "hcall/hcall.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/dm_op.h"
#include "abi/domctl.h"
#include "abi/hospes.h"
#include "abi/hvm_op.h"
#include "abi/memory.h"
#include "abi/platform.h"
#include "abi/sysctl.h"
#include "abi/xen.h"
#include "hcall/backend.h"
#include "hcall/sim_wire.h"
#include "hcall/handle.h"

#define SCRATCH_PAGES 2u
#define MULTI_MAX (HCALL_PAGE / sizeof(struct multicall_entry))

const struct backend *backend_choose(void)
{
	return getenv(SIM_ENV) ? &backend_sim : &backend_linux;
}

struct hcall *hcall_open(void)
{
	struct hcall *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return NULL;
	h->handle.b = backend_choose();
	rc = h->handle.b->open_calls(&h->handle);
	if (rc) {
		free(h);
		errno = -rc;
		return NULL;
	}
	h->scratch = h->handle.b->alloc(&h->handle, SCRATCH_PAGES);
	if (h->scratch)
		return h;
	h->handle.b->close(&h->handle);
	free(h);
	errno = ENOMEM;
	return NULL;
}

void hcall_close(struct hcall *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < h->nr_cached; i++)
		h->handle.b->free(&h->handle, h->cache[i], 1);
	h->handle.b->free(&h->handle, h->scratch, SCRATCH_PAGES);
	h->handle.b->close(&h->handle);
	free(h);
}

int hcall_is_sim(const struct hcall *h)
{
	return h->handle.b->sim;
}

static size_t pages_of(size_t size)
{
	return size ? (size - 1) / HCALL_PAGE + 1 : 1;
}

void *hcall_alloc(struct hcall *h, size_t size)
{
	if (size <= HCALL_PAGE && h->nr_cached)
		return memset(h->cache[--h->nr_cached], 0, HCALL_PAGE);
	return h->handle.b->alloc(&h->handle, pages_of(size));
}

void hcall_free(struct hcall *h, void *p, size_t size)
{
	if (!p)
		return;
	if (size <= HCALL_PAGE && h->nr_cached < CACHE_PAGES)
		h->cache[h->nr_cached++] = p;
	else
		h->handle.b->free(&h->handle, p, pages_of(size));
}

/* Both back ends give buffers whose address is what the hypervisor knows them by. */
uint64_t hcall_address(const struct hcall *h, const void *p)
{
	return (uintptr_t)p;
}

long hcall(struct hcall *h, unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t a[5] = { a1, a2, a3, a4, a5 };

	h->count++;
	return h->handle.b->call(&h->handle, nr, a);
}

/* Hypercall @nr with the address of a copy of @arg as its argument @at, and what it became copied back. */
static long call_with(struct hcall *h, unsigned nr, unsigned at, uint64_t cmd, void *arg, size_t size, uint64_t third)
{
	uint64_t address;
	void *copy = h->scratch;
	long rc;

	if (size > SCRATCH_PAGES * HCALL_PAGE) {
		copy = hcall_alloc(h, size);
		if (!copy)
			return -ENOMEM;
	}
	if (size)
		memcpy(copy, arg, size);
	address = arg ? hcall_address(h, copy) : 0;
	rc = at ? hcall(h, nr, cmd, address, third, 0, 0) : hcall(h, nr, address, 0, 0, 0, 0);
	if (size)
		memcpy(arg, copy, size);
	if (copy != h->scratch)
		hcall_free(h, copy, size);
	return rc;
}

int hcall_domctl(struct hcall *h, struct xen_domctl *op)
{
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	return (int)call_with(h, __HYPERVISOR_domctl, 0, 0, op, sizeof(*op), 0);
}

int hcall_sysctl(struct hcall *h, struct xen_sysctl *op)
{
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return (int)call_with(h, __HYPERVISOR_sysctl, 0, 0, op, sizeof(*op), 0);
}

int hcall_platform(struct hcall *h, struct xen_platform_op *op)
{
	op->interface_version = XENPF_INTERFACE_VERSION;
	return (int)call_with(h, __HYPERVISOR_platform_op, 0, 0, op, sizeof(*op), 0);
}

long hcall_memory(struct hcall *h, unsigned cmd, void *arg, size_t size)
{
	return call_with(h, __HYPERVISOR_memory_op, 1, cmd, arg, size, 0);
}

int hcall_evtchn(struct hcall *h, unsigned cmd, void *arg, size_t size)
{
	return (int)call_with(h, __HYPERVISOR_event_channel_op, 1, cmd, arg, size, 0);
}

int hcall_gnttab(struct hcall *h, unsigned cmd, void *arg, size_t size, unsigned count)
{
	return (int)call_with(h, __HYPERVISOR_grant_table_op, 1, cmd, arg, size, count);
}

int hcall_hvm(struct hcall *h, unsigned cmd, void *arg, size_t size)
{
	return (int)call_with(h, __HYPERVISOR_hvm_op, 1, cmd, arg, size, 0);
}

long hcall_version(struct hcall *h, unsigned cmd, void *arg, size_t size)
{
	return call_with(h, __HYPERVISOR_xen_version, 1, cmd, arg, size, 0);
}

/* One buffer: the list of areas, then they themselves. Before the first one stands which operation it is, in eight bytes. */
int hcall_dm(struct hcall *h, uint32_t domid, uint32_t op, const struct hcall_area *areas, unsigned nr)
{
	const uint32_t head[2] = { op, 0 };
	struct xen_dm_op_buf *list;
	size_t size = HCALL_AREAS * sizeof(*list) + sizeof(head);
	uint8_t *at;
	int rc;

	if (nr > HCALL_AREAS)
		return -E2BIG;
	for (unsigned i = 0; i < nr; i++)
		size += areas[i].size;
	list = hcall_alloc(h, size);
	if (!list)
		return -ENOMEM;
	at = (uint8_t *)(list + HCALL_AREAS);
	memcpy(at, head, sizeof(head));
	for (unsigned i = 0; i < nr; i++) {
		size_t before = i ? 0 : sizeof(head);

		list[i] = (struct xen_dm_op_buf){ hcall_address(h, at), before + areas[i].size };
		memcpy(at + before, areas[i].p, areas[i].size);
		at += list[i].size;
	}
	rc = (int)hcall(h, __HYPERVISOR_dm_op, domid, nr, hcall_address(h, list), 0, 0);
	while (nr--) {
		at -= areas[nr].size;
		memcpy(areas[nr].p, at, areas[nr].size);
	}
	hcall_free(h, list, size);
	return rc;
}

int hcall_multi(struct hcall *h, struct hcall_call *calls, unsigned nr)
{
	struct multicall_entry *list = h->scratch;

	for (unsigned at = 0; at < nr; at += MULTI_MAX) {
		unsigned now = nr - at < MULTI_MAX ? nr - at : MULTI_MAX;
		long rc;

		for (unsigned i = 0; i < now; i++) {
			list[i] = (struct multicall_entry){ .op = calls[at + i].nr };
			memcpy(list[i].args, calls[at + i].a, sizeof(calls[at + i].a));
		}
		rc = hcall(h, __HYPERVISOR_multicall, hcall_address(h, list), now, 0, 0, 0);
		if (rc)
			return (int)rc;
		for (unsigned i = 0; i < now; i++)
			calls[at + i].result = (long)list[i].result;
	}
	return 0;
}

/* Xen answers that number with -ENOSYS. */
uint32_t hcall_features(struct hcall *h)
{
	if (!h->asked) {
		long rc = hcall(h, __HYPERVISOR_hospes_op, HOSPES_features, 0, 0, 0, 0);

		h->features = rc > 0 ? (uint32_t)rc : 0;
		h->asked = true;
	}
	return h->features;
}

int hcall_hospes(struct hcall *h, unsigned op, void *arg, size_t size)
{
	void *there = hcall_alloc(h, size);
	int rc;

	if (!there)
		return -ENOMEM;
	memcpy(there, arg, size);
	rc = (int)hcall(h, __HYPERVISOR_hospes_op, op, hcall_address(h, there), 0, 0, 0);
	memcpy(arg, there, size);
	hcall_free(h, there, size);
	return rc;
}

uint64_t hcall_count(const struct hcall *h)
{
	return h->count;
}
