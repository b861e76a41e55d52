/*
 * MSI-X of an emulated function (PCI Local Bus 3.0, 6.8.2).
 *
 * The pages with the vector table are not mapped. What the guest writes there is kept here; the device's own entries hold messages of Hospes,
 * opened when an entry is first unmasked and given back when MSI-X goes off. Other registers in those pages, the pending bits among
 * them, are read and written on the guest's behalf.
 */
#include "hvm/vpci.h"

#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pci_regs.h"
#include "hv/printk.h"

#define ENTRY_SIZE PCI_MSIX_ENTRY_SIZE

static struct vpci_bar *table_bar(const struct vpci *vp)
{
	return (struct vpci_bar *)&vp->bars[vp->msix->table_bar];
}

/* Does [@offset, @offset + @size) lie in a BAR that can hold it? */
static bool in_bar(const struct vpci *vp, unsigned bar, uint64_t offset, uint64_t size)
{
	return bar < vp->nr_bars && vp->bars[bar].kind == VPCI_BAR_MEM && offset + size <= vp->bars[bar].size;
}

/* See vpci.h. No such capability: 0; one that points nowhere is not offered. -ENOMEM. */
int vpci_msix_init(struct vpci *vp)
{
	unsigned cap = pci_find_cap(vp->sbdf, PCI_CAP_ID_MSIX);
	struct vpci_msix *x;
	uint32_t table, pba;

	if (!cap)
		return 0;
	x = overhead_new(&vp->vd->d->overhead, OVERHEAD_DEVICES, struct vpci_msix);
	if (!x)
		return err(-ENOMEM);
	x->cap = cap;
	x->nr = (pci_read(vp->sbdf, cap + PCI_MSIX_CONTROL, 2) & PCI_MSIX_SIZE_MASK) + 1;
	table = pci_read(vp->sbdf, cap + PCI_MSIX_TABLE, 4);
	pba = pci_read(vp->sbdf, cap + PCI_MSIX_PBA, 4);
	x->table_bar = table & PCI_MSIX_BIR_MASK;
	x->pba_bar = pba & PCI_MSIX_BIR_MASK;
	x->table_offset = table & ~PCI_MSIX_BIR_MASK;
	x->pba_offset = pba & ~PCI_MSIX_BIR_MASK;
	if (!in_bar(vp, x->table_bar, x->table_offset, x->nr * ENTRY_SIZE))
		x->nr = 0;
	x->entries = overhead_new_array(&vp->vd->d->overhead, OVERHEAD_DEVICES, struct vpci_msix_entry, x->nr + 1);
	if (!x->entries) {
		overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, x);
		return err(-ENOMEM);
	}
	for (unsigned i = 0; i < x->nr; i++)
		x->entries[i].masked = true;
	/* Firmware may have left it on. */
	pci_write(vp->sbdf, cap + PCI_MSIX_CONTROL, 2, 0);
	vp->msix = x;
	return 0;
}

static void close_entry(struct vpci *vp, struct vpci_msix_entry *e)
{
	if (!e->vector)
		return;
	pci_message_close(&e->vector->host);
	overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, e->vector);
	e->vector = NULL;
}

static void disable(struct vpci *vp)
{
	pci_write(vp->sbdf, vp->msix->cap + PCI_MSIX_CONTROL, 2, 0);
	for (unsigned i = 0; i < vp->msix->nr; i++)
		close_entry(vp, &vp->msix->entries[i]);
}

/* See vpci.h. */
void vpci_msix_fini(struct vpci *vp)
{
	if (!vp->msix)
		return;
	disable(vp);
	overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, vp->msix->entries);
	overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, vp->msix);
	vp->msix = NULL;
}

/* See vpci.h. */
bool vpci_msix_owns(const struct vpci *vp, unsigned reg)
{
	return vp->msix && reg >= vp->msix->cap && reg < vp->msix->cap + 12;
}

/* See vpci.h. */
uint32_t vpci_msix_read(struct vpci *vp, unsigned reg)
{
	const struct vpci_msix *x = vp->msix;
	uint32_t val = pci_read(vp->sbdf, reg, 4);

	if (reg != x->cap)
		return val;
	val = (val & 0xffff) | (x->nr ? x->nr - 1 : 0) << 16;
	if (x->enabled)
		val |= PCI_MSIX_ENABLE << 16;
	if (x->maskall)
		val |= PCI_MSIX_MASKALL << 16;
	return val;
}

/* See vpci.h. */
bool vpci_msix_pages(const struct vpci *vp, uint64_t *first, uint64_t *end)
{
	const struct vpci_bar *b;
	uint64_t start;

	if (!vp->msix || !vp->msix->nr)
		return false;
	b = table_bar(vp);
	start = b->mapped_at + vp->msix->table_offset;
	*first = start >> PAGE_SHIFT;
	*end = (start + vp->msix->nr * ENTRY_SIZE + PAGE_SIZE - 1) >> PAGE_SHIFT;
	return b->mapped;
}

/* Entry @i in the device, NULL: not reachable now. */
static volatile uint32_t *hw_entry(const struct vpci *vp, unsigned i)
{
	const struct vpci_bar *b = table_bar(vp);

	return b->mapped ? vpci_map_page(b->mapped_at + vp->msix->table_offset + i * ENTRY_SIZE) : NULL;
}

/* A vector for entry @i, which is unmasked for the first time. */
static int open_entry(struct vpci *vp, unsigned i)
{
	struct vpci_msix_entry *e = &vp->msix->entries[i];
	struct vpci_vector *vec = overhead_new(&vp->vd->d->overhead, OVERHEAD_DEVICES, struct vpci_vector);
	int rc;

	if (!vec)
		return err(-ENOMEM);
	vec->vd = vp->vd;
	vec->msg = vpci_pack_message(e->address, e->data);
	rc = pci_message_open(&vec->host, vp->dev, i, vpci_vector_deliver, vec);
	if (rc) {
		overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, vec);
		return rc;
	}
	e->vector = vec;
	return 0;
}

/* Put entry @i into the device as the guest wants it; without a vector it is masked, whatever it held before. MSI-X is enabled. */
static void sync_entry(struct vpci *vp, unsigned i)
{
	struct vpci_msix_entry *e = &vp->msix->entries[i];
	volatile uint32_t *hw = hw_entry(vp, i);
	int rc = 0;

	if (!hw)
		return;
	if (!e->masked && !e->vector)
		rc = open_entry(vp, i);
	if (e->vector)
		pci_msix_write(hw, e->vector->host.address, e->vector->host.data, e->masked);
	else
		pci_msix_mask(hw);
	if (rc)
		printk(LOG_GUEST_WARN, "PCI %04x:%02x:%02x.%u: no vector for message %u: error %d\n", vp->sbdf.segment,
		       vp->sbdf.bus, vp->sbdf.devfn >> 3, vp->sbdf.devfn & 7, i, rc);
}

/*
 * See vpci.h. All of it every time: a reset by the guest may have cleared the device's side. While the table is not reachable, or not yet
 * right, the device sends nothing.
 */
void vpci_msix_update(struct vpci *vp)
{
	struct vpci_msix *x = vp->msix;
	bool reachable = x && x->nr && table_bar(vp)->mapped;

	if (!x || !x->enabled)
		return;
	pci_write(vp->sbdf, x->cap + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASKALL);
	for (unsigned i = 0; reachable && i < x->nr; i++)
		sync_entry(vp, i);
	if (reachable && !x->maskall)
		pci_write(vp->sbdf, x->cap + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
}

/* See vpci.h: the whole register @reg becomes @val. */
void vpci_msix_reg_write(struct vpci *vp, unsigned reg, uint32_t val)
{
	struct vpci_msix *x = vp->msix;
	bool on = val >> 16 & PCI_MSIX_ENABLE;

	if (reg != x->cap || !x->nr)
		return;
	x->maskall = val >> 16 & PCI_MSIX_MASKALL;
	if (!on && x->enabled)
		disable(vp);
	x->enabled = on;
	vpci_msix_update(vp);
}

/* Pages with tables -------------------------------------------------------------------------- */

static struct vpci *vpci_of(struct list *n)
{
	return container_of(n, struct vpci, list);
}

/* The device whose visible table [@addr, @addr + @size) touches; *@offset from the table's start, which may be negative. */
static struct vpci *find_table(struct vpci_domain *vd, uint64_t addr, unsigned size, int64_t *offset)
{
	struct list *n;

	list_for_each(n, &vd->devices) {
		struct vpci *vp = vpci_of(n);
		uint64_t first, end, start;

		if (!vpci_msix_pages(vp, &first, &end))
			continue;
		start = table_bar(vp)->mapped_at + vp->msix->table_offset;
		if (addr + size > start && addr < start + vp->msix->nr * ENTRY_SIZE) {
			*offset = (int64_t)(addr - start);
			return vp;
		}
	}
	return NULL;
}

/* Device memory at @addr inside some mapped BAR, as the guest would reach it but for the table beside; NULL: nothing is there. */
static volatile void *beside_table(struct vpci_domain *vd, uint64_t addr, unsigned size)
{
	struct list *n;

	if ((addr & ~PAGE_MASK) + size > PAGE_SIZE)
		return NULL;
	list_for_each(n, &vd->devices) {
		for (unsigned i = 0; i <= VPCI_ROM; i++) {
			const struct vpci_bar *b = &vpci_of(n)->bars[i];

			if (b->mapped && addr >= b->mapped_at && addr + size <= b->mapped_at + b->size)
				return vpci_map_page(addr);
		}
	}
	return NULL;
}

static uint32_t entry_read(const struct vpci_msix_entry *e, unsigned reg)
{
	switch (reg) {
	case PCI_MSIX_ENTRY_ADDRESS:
		return (uint32_t)e->address;
	case PCI_MSIX_ENTRY_ADDRESS_HIGH:
		return (uint32_t)(e->address >> 32);
	case PCI_MSIX_ENTRY_DATA:
		return e->data;
	default:
		return e->masked ? PCI_MSIX_ENTRY_MASKED : 0;
	}
}

static void entry_write(struct vpci *vp, unsigned i, unsigned reg, uint32_t val)
{
	struct vpci_msix_entry *e = &vp->msix->entries[i];
	bool masked = val & PCI_MSIX_ENTRY_MASKED;

	switch (reg) {
	case PCI_MSIX_ENTRY_ADDRESS:
		e->address = (e->address & ~0xffffffffUL) | (val & ~3u);
		break;
	case PCI_MSIX_ENTRY_ADDRESS_HIGH:
		e->address = (e->address & 0xffffffff) | (uint64_t)val << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		e->data = val;
		break;
	default:
		if (masked == e->masked)
			return;
		e->masked = masked;
		if (vp->msix->enabled && (e->vector || !masked))
			sync_entry(vp, i);
		return;
	}
	if (e->vector)
		__atomic_store_n(&e->vector->msg, vpci_pack_message(e->address, e->data), __ATOMIC_RELEASE);
}

/* Table accesses are of 4 or 8 bytes and aligned; what others do is left open: they read ones and change nothing. */
static bool table_access(const struct vpci *vp, int64_t offset, unsigned size)
{
	return (size == 4 || size == 8) && !(offset & (size - 1)) && offset >= 0 &&
	       (uint64_t)offset + size <= vp->msix->nr * ENTRY_SIZE;
}

static uint64_t table_read(const struct vpci *vp, uint64_t offset, unsigned size)
{
	const struct vpci_msix_entry *e = &vp->msix->entries[offset / ENTRY_SIZE];
	unsigned reg = offset % ENTRY_SIZE;
	uint64_t val = entry_read(e, reg);

	return size == 8 ? val | (uint64_t)entry_read(e, reg + 4) << 32 : val;
}

/* See vpci.h. */
uint64_t vpci_msix_mmio_read(struct vpci_domain *vd, uint64_t addr, unsigned size)
{
	int64_t offset;
	struct vpci *vp = find_table(vd, addr, size, &offset);
	volatile void *p;

	if (vp)
		return table_access(vp, offset, size) ? table_read(vp, (uint64_t)offset, size) : ~0UL;
	p = beside_table(vd, addr, size);
	if (!p)
		return ~0UL;
	switch (size) {
	case 1:
		return *(volatile uint8_t *)p;
	case 2:
		return *(volatile uint16_t *)p;
	case 4:
		return *(volatile uint32_t *)p;
	case 8:
		return *(volatile uint64_t *)p;
	default:
		return ~0UL;
	}
}

/* See vpci.h. */
void vpci_msix_mmio_write(struct vpci_domain *vd, uint64_t addr, unsigned size, uint64_t val)
{
	int64_t offset;
	struct vpci *vp = find_table(vd, addr, size, &offset);
	volatile void *p;

	if (vp) {
		if (!table_access(vp, offset, size))
			return;
		entry_write(vp, (unsigned)(offset / ENTRY_SIZE), offset % ENTRY_SIZE, (uint32_t)val);
		if (size == 8)
			entry_write(vp, (unsigned)(offset / ENTRY_SIZE), offset % ENTRY_SIZE + 4,
				    (uint32_t)(val >> 32));
		return;
	}
	p = beside_table(vd, addr, size);
	if (!p)
		return;
	if (size == 1)
		*(volatile uint8_t *)p = (uint8_t)val;
	else if (size == 2)
		*(volatile uint16_t *)p = (uint16_t)val;
	else if (size == 4)
		*(volatile uint32_t *)p = (uint32_t)val;
	else if (size == 8)
		*(volatile uint64_t *)p = val;
}
