#include "hcall/foreign.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "hcall/handle.h"

#define WINDOW 256u /* pages mapped at a time to copy */

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

int foreign_write(struct hcall *h, uint32_t domid, uint64_t gpa, const void *src, size_t len)
{
	return copy_mapped(h, domid, gpa, src, NULL, len);
}

int foreign_read(struct hcall *h, uint32_t domid, uint64_t gpa, void *dst, size_t len)
{
	return copy_mapped(h, domid, gpa, NULL, dst, len);
}
