/*
 * Which pages of device memory the guest reaches directly: those of every decoding BAR, but for pages with an MSI-X table.
 *
 * BARs are smaller than pages, so a page may belong to several, even of several devices: it goes when the last of them goes. The guest's
 * address is the machine's. Ranges are walked by their boundaries, of which each BAR and table has two, not page by page.
 */
#include "hvm/vpci.h"

#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/p2m.h"
#include "hv/pci_regs.h"
#include "hv/printk.h"

/* Frames [first, end). */
struct range {
	uint64_t first, end;
};

static struct range frames_of(uint64_t addr, uint64_t size)
{
	return (struct range){ addr >> PAGE_SHIFT, (addr + size + PAGE_SIZE - 1) >> PAGE_SHIFT };
}

/* Does @r cover @at? *@end comes down to where that changes. */
static bool covers(struct range r, uint64_t at, uint64_t *end)
{
	if (at < r.first) {
		*end = min_u64(*end, r.first);
		return false;
	}
	if (at >= r.end)
		return false;
	*end = min_u64(*end, r.end);
	return true;
}

static struct vpci *vpci_of(struct list *n)
{
	return container_of(n, struct vpci, list);
}

/* Is frame @at part of a mapped BAR other than @except? */
static bool in_mapped_bar(struct vpci_domain *vd, const struct vpci_bar *except, uint64_t at, uint64_t *end)
{
	bool in = false;
	struct list *n;

	list_for_each(n, &vd->devices) {
		for (unsigned i = 0; i <= VPCI_ROM; i++) {
			const struct vpci_bar *b = &vpci_of(n)->bars[i];

			if (b->mapped && b != except)
				in |= covers(frames_of(b->mapped_at, b->size), at, end);
		}
	}
	return in;
}

/* Does frame @at hold an MSI-X table? */
static bool in_table(struct vpci_domain *vd, uint64_t at, uint64_t *end)
{
	bool in = false;
	struct list *n;

	list_for_each(n, &vd->devices) {
		struct range r;

		if (vpci_msix_pages(vpci_of(n), &r.first, &r.end))
			in |= covers(r, at, end);
	}
	return in;
}

/* Largest order with which [@at, @end) can go on. */
static unsigned order_for(uint64_t at, uint64_t end)
{
	if (!(at & ((1UL << ORDER_1G) - 1)) && end - at >= 1UL << ORDER_1G)
		return ORDER_1G;
	if (!(at & ((1UL << ORDER_2M) - 1)) && end - at >= 1UL << ORDER_2M)
		return ORDER_2M;
	return ORDER_4K;
}

/* Is nothing in [first, end) but holes and device memory at its own address? */
static bool replaceable(struct domain *d, struct range r)
{
	for (uint64_t at = r.first; at < r.end;) {
		enum p2m_type type;
		unsigned order;
		mfn_t m = p2m_lookup(d, gfn(at), &type, &order);

		if (type != P2M_INVALID && (type != P2M_MMIO_DIRECT || m.v != at))
			return false;
		at = (at | ((1UL << order) - 1)) + 1;
	}
	return true;
}

/* Map one to one, or unmap. In a batch. */
static int set_range(struct p2m_batch *b, struct range r, bool map)
{
	int rc = 0;

	for (uint64_t at = r.first; at < r.end && !rc;) {
		unsigned order = order_for(at, r.end);

		rc = map ? p2m_set_locked(b, gfn(at), mfn(at), order, P2M_MMIO_DIRECT) :
			   p2m_set_locked(b, gfn(at), INVALID_MFN, order, P2M_INVALID);
		at += 1UL << order;
	}
	return rc;
}

/* Take @b's pages out, as far as nobody else shows them. Without memory to split a superpage some stay, which do no harm. */
static void bar_unmap(struct vpci_domain *vd, struct vpci_bar *b)
{
	struct range r = frames_of(b->mapped_at, b->size);
	struct p2m_batch batch = p2m_begin(vd->d);

	for (uint64_t at = r.first, end; at < r.end; at = end) {
		end = r.end;
		if (!in_mapped_bar(vd, b, at, &end) && set_range(&batch, (struct range){ at, end }, false))
			printk(LOG_GUEST_WARN, "d%u: no memory to unmap frames %#lx..%#lx of a device\n", vd->d->id, at,
			       end - 1);
	}
	p2m_end(&batch);
	b->mapped = false;
}

/* The pages of @vp's table, if it is in @b, come to vpci_msix_mmio_*() from now on. */
static int trap_table(struct vpci *vp, const struct vpci_bar *b)
{
	struct range r;

	if (!vp->msix || b != &vp->bars[vp->msix->table_bar] || !vpci_msix_pages(vp, &r.first, &r.end))
		return 0;
	return vpci_trap_pages(vp->vd, r.first, r.end);
}

static int bar_map(struct vpci *vp, struct vpci_bar *b)
{
	struct range r = frames_of(b->addr, b->size);
	struct p2m_batch batch;
	int rc;

	if (!replaceable(vp->vd->d, r))
		return err(-EEXIST);
	b->mapped = true; /* so that its own table counts */
	b->mapped_at = b->addr;
	rc = trap_table(vp, b);
	batch = p2m_begin(vp->vd->d);
	for (uint64_t at = r.first, end; at < r.end && !rc; at = end) {
		bool table;

		end = r.end;
		table = in_table(vp->vd, at, &end);
		rc = set_range(&batch, (struct range){ at, end }, !table);
	}
	p2m_end(&batch);
	if (rc)
		bar_unmap(vp->vd, b);
	return rc;
}

static bool wanted(const struct vpci *vp, const struct vpci_bar *b)
{
	if (!vp->decode || b->refused || !b->addr)
		return false;
	return b->kind == VPCI_BAR_MEM || (b->kind == VPCI_BAR_ROM && b->rom_enabled);
}

/* See vpci.h. */
void vpci_update_map(struct vpci *vp)
{
	for (unsigned i = 0; i <= VPCI_ROM; i++) {
		struct vpci_bar *b = &vp->bars[i];

		if (b->mapped && (!wanted(vp, b) || b->mapped_at != b->addr))
			bar_unmap(vp->vd, b);
	}
	for (unsigned i = 0; i <= VPCI_ROM; i++) {
		struct vpci_bar *b = &vp->bars[i];
		int rc;

		if (b->mapped || !wanted(vp, b) || !vpci_range_ok(b->addr, b->size))
			continue;
		rc = bar_map(vp, b);
		if (rc)
			printk(LOG_GUEST_WARN,
			       "d%u: PCI %04x:%02x:%02x.%u: BAR %u at %#lx cannot be mapped: error %d\n", vp->vd->d->id,
			       vp->sbdf.segment, vp->sbdf.bus, vp->sbdf.devfn >> 3, vp->sbdf.devfn & 7, i, b->addr, rc);
	}
}

/* See vpci.h. */
void vpci_unmap(struct vpci *vp)
{
	for (unsigned i = 0; i <= VPCI_ROM; i++)
		if (vp->bars[i].mapped)
			bar_unmap(vp->vd, &vp->bars[i]);
}
