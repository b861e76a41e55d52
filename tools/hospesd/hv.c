#include "hv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "hcall/hcall.h"
#include "hospes.h"
#include "memory.h"
#include "sysctl.h"

#define CHUNK 256 /* domains asked for at a time */

static struct {
	struct hcall *h;
} hv;

int hv_open(void)
{
	hv.h = hcall_open();
	return hv.h ? 0 : -errno;
}

void hv_close(void)
{
	hcall_close(hv.h);
	hv.h = NULL;
}

struct hcall *hv_handle(void)
{
	return hv.h;
}

static int simple(struct hcall *h, uint32_t cmd, uint32_t domid)
{
	struct xen_domctl op = { .cmd = cmd, .domain = (domid_t)domid };
	return hcall_domctl(h, &op);
}

int hv_info(uint32_t domid, struct xen_domctl_getdomaininfo *info)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)domid };
	int rc = hcall_domctl(hv.h, &op);
	if (rc)
		return rc;
	/* Xen answers with the next domain if there is none of that id. */
	if (op.u.getdomaininfo.domain != domid)
		return -ESRCH;
	*info = op.u.getdomaininfo;
	return 0;
}

int hv_list(struct xen_domctl_getdomaininfo **list)
{
	size_t size = CHUNK * sizeof(struct xen_domctl_getdomaininfo);
	struct xen_domctl_getdomaininfo *buf = hcall_alloc(hv.h, size);
	uint32_t first = 0;
	int nr = 0, rc = 0;
	*list = NULL;
	if (!buf)
		return -ENOMEM;
	for (;;) {
		struct xen_sysctl op = { .cmd = XEN_SYSCTL_getdomaininfolist };
		op.u.getdomaininfolist.first_domain = (domid_t)first;
		op.u.getdomaininfolist.max_domains = CHUNK;
		op.u.getdomaininfolist.buffer = hcall_address(hv.h, buf);
		rc = hcall_sysctl(hv.h, &op);
		if (rc || !op.u.getdomaininfolist.num_domains)
			break;
		*list = xrealloc(*list, ((unsigned)nr + op.u.getdomaininfolist.num_domains) * sizeof(**list));
		memcpy(*list + nr, buf, op.u.getdomaininfolist.num_domains * sizeof(*buf));
		nr += (int)op.u.getdomaininfolist.num_domains;
		if (op.u.getdomaininfolist.num_domains < CHUNK)
			break;
		first = (*list)[nr - 1].domain + 1u;
	}
	hcall_free(hv.h, buf, size);
	if (rc) {
		free(*list);
		*list = NULL;
	}
	return rc ? rc : nr;
}

int hv_pause(uint32_t domid)
{
	return simple(hv.h, XEN_DOMCTL_pausedomain, domid);
}

int hv_unpause(uint32_t domid)
{
	return simple(hv.h, XEN_DOMCTL_unpausedomain, domid);
}

int hv_destroy(struct hcall *h, uint32_t domid)
{
	int rc;
	do
		rc = simple(h, XEN_DOMCTL_destroydomain, domid);
	while (rc == -EAGAIN || rc == -EINTR);
	return rc;
}

int hv_max_mem(uint32_t domid, uint64_t kib)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = (domid_t)domid };
	op.u.max_mem.max_memkb = kib;
	return hcall_domctl(hv.h, &op);
}

int hv_pod_target(uint32_t domid, uint64_t pages)
{
	struct xen_pod_target t = { .target_pages = pages, .domid = (domid_t)domid };
	return (int)hcall_memory(hv.h, XENMEM_set_pod_target, &t, sizeof(t));
}

int hv_set_handle(uint32_t domid, const uint8_t uuid[16])
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_setdomainhandle, .domain = (domid_t)domid };
	memcpy(op.u.setdomainhandle.handle, uuid, 16);
	return hcall_domctl(hv.h, &op);
}

int hv_trigger_power(uint32_t domid)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_sendtrigger, .domain = (domid_t)domid };
	op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
	return hcall_domctl(hv.h, &op);
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

int hv_grant_holders(uint32_t domid, void (*each)(void *arg, uint32_t holder, unsigned grants), void *arg)
{
	struct hospes_grant_holder *buf;
	struct hospes_grant_holders *op;
	uint32_t *ids = NULL;
	unsigned nr = 0;
	int rc = 0;
	if (!(hcall_features(hv.h) & HOSPES_FEATURE_grant_holders))
		return -ENOSYS;
	buf = hcall_alloc(hv.h, CHUNK * sizeof(*buf));
	op = hcall_alloc(hv.h, sizeof(*op));
	if (!buf || !op)
		rc = -ENOMEM;
	else
		*op = (struct hospes_grant_holders){ .domid = (domid_t)domid, .buffer = hcall_address(hv.h, buf) };
	while (!rc && op->ref != UINT32_MAX) {
		op->nr = CHUNK;
		rc = (int)hcall(hv.h, __HYPERVISOR_hospes_op, HOSPES_grant_holders, hcall_address(hv.h, op), 0, 0, 0);
		ids = xrealloc(ids, (nr + CHUNK) * sizeof(*ids));
		for (unsigned i = 0; !rc && i < op->nr && i < CHUNK; i++)
			ids[nr++] = buf[i].holder;
	}
	if (nr)
		qsort(ids, nr, sizeof(*ids), compare_ids);
	for (unsigned i = 0, n; i < nr; i += n) {
		for (n = 1; i + n < nr && ids[i + n] == ids[i]; n++)
			;
		each(arg, ids[i], n);
	}
	free(ids);
	if (buf)
		hcall_free(hv.h, buf, CHUNK * sizeof(*buf));
	if (op)
		hcall_free(hv.h, op, sizeof(*op));
	return rc;
}

uint64_t hv_free_kib(void)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
	if (hcall_sysctl(hv.h, &op) || op.u.physinfo.free_pages < op.u.physinfo.outstanding_pages)
		return 0;
	return (op.u.physinfo.free_pages - op.u.physinfo.outstanding_pages) * 4;
}

unsigned hv_nr_cpus(void)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
	return hcall_sysctl(hv.h, &op) ? 0 : op.u.physinfo.nr_cpus;
}

bool hv_share(uint32_t domid, unsigned *weight, unsigned *cap)
{
	struct xen_sysctl id = { .cmd = XEN_SYSCTL_sched_id };
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = (domid_t)domid };
	if (hcall_sysctl(hv.h, &id) ||
	    (id.u.sched_id.sched_id != XEN_SCHEDULER_CREDIT && id.u.sched_id.sched_id != XEN_SCHEDULER_CREDIT2))
		return false;
	op.u.scheduler_op.sched_id = id.u.sched_id.sched_id;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	if (hcall_domctl(hv.h, &op))
		return false;
	*weight = op.u.scheduler_op.u.credit2.weight;
	*cap = op.u.scheduler_op.u.credit2.cap;
	return true;
}
