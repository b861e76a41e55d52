#include "hcall/foreign.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/hospes.h"
#include "hcall/handle.h"
#include "hcall/hcall.h"

#define WINDOW 256u /* pages mapped at a time to copy */
#define BOUNCE 64u  /* pages of memory the hypervisor can always reach, for what it could not */

void *foreign_map(struct hcall *h, uint32_t domid, int prot, const uint64_t *gfns, size_t nr, int *errs)
{
	if (!nr || nr > UINT32_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return h->handle.b->map_foreign(&h->handle, domid, prot, gfns, nr, errs);
}

int foreign_unmap(struct hcall *h, void *p, size_t nr)
{
	return h->handle.b->unmap_foreign(&h->handle, p, nr);
}

void *foreign_map_resource(struct hcall *h, uint32_t domid, unsigned type, unsigned id, uint64_t frame, size_t nr,
			   int prot)
{
	if (!nr || frame > UINT32_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return h->handle.b->map_resource(&h->handle, domid, type, id, frame, nr, prot);
}

/* Copy by mapping a window after the other. @src and @dst NULL: zeroes are written. */
static int copy_mapped(struct hcall *h, uint32_t domid, uint64_t gpa, const uint8_t *src, uint8_t *dst, size_t len)
{
	uint64_t gfns[WINDOW];

	while (len) {
		uint64_t first = gpa / HCALL_PAGE, offset = gpa % HCALL_PAGE;
		size_t now = len < WINDOW * HCALL_PAGE - offset ? len : WINDOW * HCALL_PAGE - offset;
		size_t pages = (offset + now - 1) / HCALL_PAGE + 1;
		uint8_t *p;

		for (size_t i = 0; i < pages; i++)
			gfns[i] = first + i;
		p = foreign_map(h, domid, dst ? PROT_READ : PROT_READ | PROT_WRITE, gfns, pages, NULL);
		if (!p)
			return -errno;
		if (dst)
			memcpy(dst, p + offset, now);
		else if (src)
			memcpy(p + offset, src, now);
		else
			memset(p + offset, 0, now);
		foreign_unmap(h, p, pages);
		src = src ? src + now : NULL;
		dst = dst ? dst + now : NULL;
		gpa += now;
		len -= now;
	}
	return 0;
}

static int call_copy(struct hcall *h, struct hospes_copy *op)
{
	return (int)hcall(h, __HYPERVISOR_hospes_op, HOSPES_copy, hcall_address(h, op), 0, 0, 0);
}

/*
 * Make the buffer's pages present, if the kernel had them elsewhere or never mapped them: all at once, so that the next call gets through. Kernels
 * before Linux 5.14 do not know how; there the next few are touched.
 */
static void make_present(const struct hospes_copy *op)
{
	bool writes = !(op->flags & HOSPES_COPY_to_domain);
	uint64_t start = op->buffer - op->buffer % HCALL_PAGE, len = op->buffer + op->len - start;
	volatile uint8_t *p = (volatile uint8_t *)(uintptr_t)op->buffer;

	if (!madvise((void *)(uintptr_t)start, len, writes ? MADV_POPULATE_WRITE : MADV_POPULATE_READ))
		return;
	len = op->len < BOUNCE * HCALL_PAGE ? op->len : BOUNCE * HCALL_PAGE;
	for (uint64_t at = 0; at < len; at += at ? HCALL_PAGE : HCALL_PAGE - op->buffer % HCALL_PAGE) {
		uint8_t byte = p[at];

		if (writes)
			p[at] = byte;
	}
}

/* A piece by way of memory the hypervisor reaches. */
static int copy_bounced(struct hcall *h, struct hospes_copy *op)
{
	uint64_t now = op->len < BOUNCE * HCALL_PAGE ? op->len : BOUNCE * HCALL_PAGE, left = op->len - now;
	uint8_t *caller = (uint8_t *)(uintptr_t)op->buffer, *bounce = hcall_alloc(h, now);
	int rc;

	if (!bounce)
		return -ENOMEM;
	op->buffer = hcall_address(h, bounce);
	op->len = now;
	if (op->flags & HOSPES_COPY_to_domain)
		memcpy(bounce, caller, now);
	rc = call_copy(h, op);
	if (!(op->flags & HOSPES_COPY_to_domain))
		memcpy(caller, bounce, now - op->len);
	op->buffer = (uintptr_t)caller + now - op->len;
	op->len += left;
	hcall_free(h, bounce, now);
	return rc;
}

/*
 * One call for the whole range. It may meet pages of ours that the kernel has not mapped just now, which looks like a hole in the domain: then
 * they are made present and it goes on, and what still does not work goes through a buffer, whose answer counts.
 */
static int copy_called(struct hcall *h, struct hospes_copy *op)
{
	uint64_t before = op->len + 1;
	int rc = 0;

	while (op->len && !rc) {
		rc = hcall_is_sim(h) && op->flags != (HOSPES_COPY_to_domain | HOSPES_COPY_zero) ? -EFAULT :
												  call_copy(h, op);
		if (rc != -EFAULT || op->flags & HOSPES_COPY_zero)
			break;
		if (op->len < before && !hcall_is_sim(h)) {
			before = op->len;
			make_present(op);
			rc = 0;
		} else {
			rc = copy_bounced(h, op);
			before = op->len + 1;
		}
	}
	return rc;
}

static int copy_range(struct hcall *h, uint32_t domid, uint64_t gpa, void *buffer, size_t len, uint16_t flags)
{
	struct hospes_copy *op = hcall_alloc(h, sizeof(*op));
	int rc;

	if (!op)
		return -ENOMEM;
	*op = (struct hospes_copy){
		.domid = (domid_t)domid, .flags = flags, .gpa = gpa, .buffer = (uintptr_t)buffer, .len = len
	};
	rc = copy_called(h, op);
	hcall_free(h, op, sizeof(*op));
	return rc;
}

int foreign_write(struct hcall *h, uint32_t domid, uint64_t gpa, const void *src, size_t len)
{
	if (hcall_features(h) & HOSPES_FEATURE_copy)
		return copy_range(h, domid, gpa, (void *)(uintptr_t)src, len,
				  src ? HOSPES_COPY_to_domain : HOSPES_COPY_to_domain | HOSPES_COPY_zero);
	return copy_mapped(h, domid, gpa, src, NULL, len);
}

int foreign_read(struct hcall *h, uint32_t domid, uint64_t gpa, void *dst, size_t len)
{
	if (hcall_features(h) & HOSPES_FEATURE_copy)
		return copy_range(h, domid, gpa, dst, len, 0);
	return copy_mapped(h, domid, gpa, NULL, dst, len);
}
