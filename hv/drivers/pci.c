/*
 * The machine's PCI devices and who owns each. They are found once, at boot, and when the hardware domain names or meets one that came later.
 * They stay listed for ever, so that they are found without a lock.
 */
#include "hv/pci.h"

#include "hv/acpi.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/iommu.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pci_access.h"
#include "hv/pci_regs.h"
#include "hv/pci_scan.h"
#include "hv/printk.h"

#define MAX_SEGMENTS (ACPI_MAX_MCFG + 1u)

struct pci_bus {
	struct pci_dev *dev[256]; /* atomic */
};

struct pci_segment {
	uint16_t nr;
	struct pci_bus *bus[256]; /* atomic */
};

static struct {
	spinlock_t lock; /* RANK_PCI: guards adding devices, and who owns each */
	struct pci_segment segment[MAX_SEGMENTS];
	unsigned nr_segments; /* fixed by pci_init() */
	struct list devices;
	unsigned nr_devices;
} pci = {
	.lock = SPINLOCK_INIT(RANK_PCI),
	.nr_segments = 1,
	.devices = LIST_INIT(pci.devices),
};

/* The list of devices ----------------------------------------------------------------------- */

static struct pci_segment *segment_find(uint16_t nr)
{
	for (unsigned i = 0; i < pci.nr_segments; i++)
		if (pci.segment[i].nr == nr)
			return &pci.segment[i];
	return NULL;
}

static struct pci_bus *bus_find(struct pci_sbdf s)
{
	struct pci_segment *seg = segment_find(s.segment);

	return seg ? __atomic_load_n(&seg->bus[s.bus], __ATOMIC_ACQUIRE) : NULL;
}

/* Make the bus known and reachable, in *@b. -ENODEV: there is no such; -ENOMEM. pci.lock held, or at boot. */
static int bus_open(uint16_t segment, uint8_t bus, struct pci_bus **b)
{
	struct pci_segment *seg = segment_find(segment);
	int rc;

	if (!seg)
		return -ENODEV;
	rc = pci_open_bus(segment, bus);
	if (!seg->bus[bus] && (!rc || !segment))
		__atomic_store_n(&seg->bus[bus], xzalloc(struct pci_bus), __ATOMIC_RELEASE);
	*b = seg->bus[bus];
	if (rc == -ENOMEM || (!rc && !*b))
		printk(LOG_WARN, "PCI: no memory to reach all of bus %04x:%02x\n", segment, bus);
	/* Of segment 0 most is reached even without memory for the rest. */
	if (rc && segment)
		return rc;
	return *b ? 0 : -ENOMEM;
}

/* See hv/pci.h. */
struct pci_dev *pci_find(struct pci_sbdf s)
{
	struct pci_bus *b = bus_find(s);

	return b ? __atomic_load_n(&b->dev[s.devfn], __ATOMIC_ACQUIRE) : NULL;
}

/* See hv/pci.h. The list only grows at its end. */
struct pci_dev *pci_next(struct pci_dev *after)
{
	struct list *n = __atomic_load_n(after ? &after->list.next : &pci.devices.next, __ATOMIC_ACQUIRE);

	return n == &pci.devices ? NULL : container_of(n, struct pci_dev, list);
}

/* Enter the device that answers at @s on the open bus @b. NULL without memory. pci.lock held, or at boot. */
static struct pci_dev *device_add(struct pci_bus *b, struct pci_sbdf s)
{
	struct pci_dev *dev = xzalloc(struct pci_dev);
	uint32_t id;

	if (!dev)
		return NULL;
	dev->sbdf = s;
	dev->owner = DOMID_INVALID;
	dev->list.next = &pci.devices;
	dev->list.prev = pci.devices.prev;
	__atomic_store_n(&pci.devices.prev->next, &dev->list, __ATOMIC_RELEASE);
	pci.devices.prev = &dev->list;
	__atomic_store_n(&b->dev[s.devfn], dev, __ATOMIC_RELEASE);
	pci.nr_devices++;
	id = pci_read(s, PCI_VENDOR_ID, 4);
	printk(LOG_DEBUG, "PCI %04x:%02x:%02x.%u %04x:%04x class %06x\n", s.segment, s.bus, s.devfn >> 3, s.devfn & 7,
	       id & 0xffff, id >> 16, pci_read(s, PCI_CLASS_REVISION, 4) >> 8);
	return dev;
}

static void found(struct pci_sbdf s, void *ctx)
{
	struct pci_bus *b;

	if (!pci_find(s) && (bus_open(s.segment, s.bus, &b) || !device_add(b, s)))
		panic("no memory for the list of PCI devices");
}

static void found_with_bridges(struct pci_sbdf s, void *ctx)
{
	unsigned behind;
	uint8_t *reached = ctx;

	found(s, NULL);
	behind = pci_secondary_bus(s);
	if (behind > s.bus)
		reached[behind / 8] |= (uint8_t)(1u << behind % 8);
}

/*
 * All buses of segment 0: there may be root buses that no bridge leads to, and asking is cheap. Of others, which are reached through
 * memory only, the first of each window and those behind bridges, so that not every bus must be mapped.
 */
static void scan_segment(const struct pci_segment *seg)
{
	uint8_t reached[256 / 8] = { 0 };
	struct pci_bus *b;

	for (unsigned i = 0; i < acpi_info.nr_mcfg; i++)
		if (acpi_info.mcfg[i].segment == seg->nr)
			reached[acpi_info.mcfg[i].bus_start / 8] |= (uint8_t)(1u << acpi_info.mcfg[i].bus_start % 8);
	for (unsigned bus = 0; bus < 256; bus++) {
		if (seg->nr && (!(reached[bus / 8] & 1u << bus % 8) || bus_open(seg->nr, (uint8_t)bus, &b)))
			continue;
		pci_scan_bus(seg->nr, (uint8_t)bus, found_with_bridges, reached);
	}
}

/* See hv/pci.h. Boot CPU, with memory and ACPI's tables. */
void pci_init(void)
{
	bool extended = pci_access_init();

	for (unsigned i = 0; extended && i < acpi_info.nr_mcfg; i++)
		if (!segment_find(acpi_info.mcfg[i].segment))
			pci.segment[pci.nr_segments++].nr = acpi_info.mcfg[i].segment;
	for (unsigned i = 0; i < pci.nr_segments; i++)
		scan_segment(&pci.segment[i]);
	printk(LOG_INFO, "PCI: %u devices, extended configuration space %s\n", pci.nr_devices,
	       extended ? "by MMCFG" : "not available");
}

/* Owners ------------------------------------------------------------------------------------ */

/* See hv/pci.h. */
void pci_hide(struct pci_dev *dev)
{
	spin_lock(&pci.lock);
	dev->hidden = true;
	dev->owner = DOMID_XEN;
	spin_unlock(&pci.lock);
}

/* Stop its DMA and messages: whoever drove it is gone. */
static void silence(struct pci_dev *dev)
{
	uint32_t cmd = pci_read(dev->sbdf, PCI_COMMAND, 2);

	pci_write(dev->sbdf, PCI_COMMAND, 2, (cmd & ~PCI_COMMAND_MASTER) | PCI_COMMAND_INTX_DISABLE);
}

/* pci.lock held. */
static int assign(struct domain *d, struct pci_dev *dev)
{
	int rc;

	if (dev->owner == d->id)
		return 0;
	if (dev->hidden || dev->owner != DOMID_INVALID)
		return err(-EBUSY);
	if (iommu_enabled()) {
		rc = iommu_attach(dev, d);
		if (rc)
			return rc;
	}
	rc = vpci_add_device(d, dev);
	if (rc && iommu_enabled() && iommu_attach(dev, NULL))
		printk(LOG_WARN, "PCI %02x:%02x.%u: cannot be taken back from the IOMMU\n", dev->sbdf.bus,
		       dev->sbdf.devfn >> 3, dev->sbdf.devfn & 7);
	if (!rc)
		dev->owner = d->id;
	return rc;
}

/*
 * The device at @s, entered if it came late: in *@dev. -ENODEV; -ENOMEM, also where memory is needed to see whether there is one.
 * pci.lock held.
 */
static int meet(struct pci_sbdf s, struct pci_dev **dev)
{
	struct pci_bus *b;
	int rc;

	*dev = pci_find(s);
	if (*dev) {
		/* There may be memory now for what it lacked when the device was found. */
		(void)!pci_open_bus(s.segment, s.bus);
		return 0;
	}
	if (!s.segment && !pci_present(s))
		return -ENODEV;
	rc = bus_open(s.segment, s.bus, &b);
	if (rc)
		return rc;
	if (s.segment && !pci_present(s))
		return -ENODEV;
	*dev = device_add(b, s);
	return *dev ? 0 : -ENOMEM;
}

/* See hv/pci.h. */
int pci_assign_device(struct domain *d, struct pci_sbdf s)
{
	struct pci_dev *dev;
	int rc;

	spin_lock(&pci.lock);
	rc = meet(s, &dev);
	if (!rc)
		rc = assign(d, dev);
	spin_unlock(&pci.lock);
	return rc ? err(rc) : 0;
}

/* pci.lock held. */
static void release(struct domain *d, struct pci_dev *dev)
{
	silence(dev);
	vpci_remove_device(d, dev);
	if (iommu_enabled() && iommu_attach(dev, NULL))
		printk(LOG_WARN, "PCI %02x:%02x.%u: cannot be quarantined\n", dev->sbdf.bus, dev->sbdf.devfn >> 3,
		       dev->sbdf.devfn & 7);
	dev->owner = DOMID_INVALID;
}

/* See hv/pci.h. */
int pci_deassign_device(struct domain *d, struct pci_sbdf s)
{
	struct pci_dev *dev;
	int rc = -ENODEV;

	spin_lock(&pci.lock);
	dev = pci_find(s);
	if (dev && dev->owner == d->id) {
		release(d, dev);
		rc = 0;
	}
	spin_unlock(&pci.lock);
	return rc ? err(rc) : 0;
}

/* See hv/pci.h. */
void pci_release_domain(struct domain *d)
{
	spin_lock(&pci.lock);
	for (struct pci_dev *dev = pci_next(NULL); dev; dev = pci_next(dev))
		if (dev->owner == d->id)
			release(d, dev);
	spin_unlock(&pci.lock);
	if (iommu_enabled())
		iommu_domain_destroy(d);
	vpci_domain_destroy(d);
}
