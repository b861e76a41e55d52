/*
 * The machine's configuration space and its devices.
 *
 * Registers below 256 of segment 0 go through ports CF8 and CFC, everything else through the memory window of ACPI's MCFG table, of which
 * a bus is mapped when the first device is found on it. Devices are found once, at boot, and when the hardware domain names or meets
 * one that came later. They stay listed for ever, so that they are found without a lock.
 */
#include "hv/pci.h"

#include "asm/io.h"
#include "asm/paging.h"
#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/iommu.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pci_regs.h"
#include "hv/pci_scan.h"
#include "hv/printk.h"

#define PORT_ADDRESS 0xcf8u
#define PORT_DATA 0xcfcu
#define ADDRESS_ENABLE (1u << 31)
#define BUS_BYTES (1u << 20) /* of an MMCFG window */
#define MAX_SEGMENTS (ACPI_MAX_MCFG + 1u)

struct pci_bus {
	void *mmcfg;		  /* atomic; 1 MiB, NULL: not mapped */
	struct pci_dev *dev[256]; /* atomic */
};

struct pci_segment {
	uint16_t nr;
	struct pci_bus *bus[256]; /* atomic */
};

static struct {
	spinlock_t lock; /* RANK_PCI: guards adding devices, and who owns each */
	spinlock_t port; /* RANK_PCI_PORT: guards the CF8/CFC pair */
	struct pci_segment segment[MAX_SEGMENTS];
	unsigned nr_segments; /* fixed by pci_init() */
	bool mmcfg;
	struct list devices;
	unsigned nr_devices;
} pci = {
	.lock = SPINLOCK_INIT(RANK_PCI),
	.port = SPINLOCK_INIT(RANK_PCI_PORT),
	.nr_segments = 1,
	.devices = LIST_INIT(pci.devices),
};

/* Access ------------------------------------------------------------------------------------- */

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

/* Where the register is in mapped memory, or NULL. */
static void *mmcfg_register(struct pci_sbdf s, unsigned reg)
{
	struct pci_bus *b = bus_find(s);
	char *base = b ? __atomic_load_n(&b->mmcfg, __ATOMIC_ACQUIRE) : NULL;

	return base && reg < PCI_CONFIG_EXT_SIZE ? base + ((unsigned)s.devfn << 12 | reg) : NULL;
}

/* Accesses in the form AMD's processors demand: between memory and the accumulator (BKDG of family 10h, 2.11.1). */
static uint32_t mmcfg_read(const volatile void *p, unsigned size)
{
	uint32_t val;

	if (size == 1) {
		asm volatile("movb (%1), %b0" : "=a"(val) : "r"(p) : "memory");
		return val & 0xff;
	}
	if (size == 2) {
		asm volatile("movw (%1), %w0" : "=a"(val) : "r"(p) : "memory");
		return val & 0xffff;
	}
	asm volatile("movl (%1), %0" : "=a"(val) : "r"(p) : "memory");
	return val;
}

static void mmcfg_write(volatile void *p, unsigned size, uint32_t val)
{
	if (size == 1)
		asm volatile("movb %b0, (%1)" : : "a"(val), "r"(p) : "memory");
	else if (size == 2)
		asm volatile("movw %w0, (%1)" : : "a"(val), "r"(p) : "memory");
	else
		asm volatile("movl %0, (%1)" : : "a"(val), "r"(p) : "memory");
}

static void port_select(struct pci_sbdf s, unsigned reg)
{
	outl(PORT_ADDRESS, ADDRESS_ENABLE | (uint32_t)PCI_BDF(s) << 8 | (reg & 0xfc));
}

static uint32_t port_read(struct pci_sbdf s, unsigned reg, unsigned size)
{
	uint16_t data = (uint16_t)(PORT_DATA + (reg & 3));
	uint32_t val;

	spin_lock(&pci.port);
	port_select(s, reg);
	val = size == 1 ? inb(data) : size == 2 ? inw(data) : inl(data);
	spin_unlock(&pci.port);
	return val;
}

static void port_write(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	uint16_t data = (uint16_t)(PORT_DATA + (reg & 3));

	spin_lock(&pci.port);
	port_select(s, reg);
	if (size == 1)
		outb(data, (uint8_t)val);
	else if (size == 2)
		outw(data, (uint16_t)val);
	else
		outl(data, val);
	spin_unlock(&pci.port);
}

static bool access_ok(unsigned reg, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && !(reg & (size - 1)) && reg < PCI_CONFIG_EXT_SIZE;
}

/* See hv/pci.h. A register that cannot be reached reads ones. */
uint32_t pci_read(struct pci_sbdf s, unsigned reg, unsigned size)
{
	const void *p;

	if (!access_ok(reg, size))
		return ~0u;
	if (!s.segment && reg < PCI_CONFIG_SIZE)
		return port_read(s, reg, size);
	p = mmcfg_register(s, reg);
	return p ? mmcfg_read(p, size) : size == 4 ? ~0u : (1u << size * 8) - 1;
}

/* See hv/pci.h. */
void pci_write(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	void *p;

	if (!access_ok(reg, size))
		return;
	if (!s.segment && reg < PCI_CONFIG_SIZE) {
		port_write(s, reg, size, val);
		return;
	}
	p = mmcfg_register(s, reg);
	if (p)
		mmcfg_write(p, size, val);
}

/* The list of devices ----------------------------------------------------------------------- */

/* Physical address of @bus in a window of MCFG, 0: none. */
static paddr_t mmcfg_address(uint16_t segment, uint8_t bus)
{
	for (unsigned i = 0; pci.mmcfg && i < acpi_info.nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi_info.mcfg[i];

		/* The base is where bus 0 would be, whichever bus comes first (PCI Firmware 3.0, 4.1.2). */
		if (m->segment == segment && m->base && bus >= m->bus_start && bus <= m->bus_end)
			return m->base + (paddr_t)bus * BUS_BYTES;
	}
	return 0;
}

/* The bus, made known and its window mapped. NULL without memory or segment. pci.lock held, or at boot. */
static struct pci_bus *bus_open(uint16_t segment, uint8_t bus)
{
	struct pci_segment *seg = segment_find(segment);
	paddr_t window = mmcfg_address(segment, bus);
	struct pci_bus *b;

	if (!seg)
		return NULL;
	b = seg->bus[bus];
	if (!b) {
		b = xzalloc(struct pci_bus);
		if (!b)
			return NULL;
		__atomic_store_n(&seg->bus[bus], b, __ATOMIC_RELEASE);
	}
	if (window && !b->mmcfg)
		__atomic_store_n(&b->mmcfg, arch_iomap_try(window, BUS_BYTES), __ATOMIC_RELEASE);
	return b;
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

/* Enter the device that answers at @s. NULL without memory. pci.lock held, or at boot. */
static struct pci_dev *device_add(struct pci_sbdf s)
{
	struct pci_bus *b = bus_open(s.segment, s.bus);
	struct pci_dev *dev = b ? xzalloc(struct pci_dev) : NULL;
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
	if (!pci_find(s) && !device_add(s))
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

	for (unsigned i = 0; i < acpi_info.nr_mcfg; i++)
		if (acpi_info.mcfg[i].segment == seg->nr)
			reached[acpi_info.mcfg[i].bus_start / 8] |= (uint8_t)(1u << acpi_info.mcfg[i].bus_start % 8);
	for (unsigned bus = 0; bus < 256; bus++) {
		if (seg->nr && (!(reached[bus / 8] & 1u << bus % 8) || !bus_open(seg->nr, (uint8_t)bus)))
			continue;
		pci_scan_bus(seg->nr, (uint8_t)bus, found_with_bridges, reached);
	}
}

/* See hv/pci.h. Boot CPU, with memory and ACPI's tables. */
void pci_init(void)
{
	pci.mmcfg = param_bool("mmcfg", true);
	for (unsigned i = 0; pci.mmcfg && i < acpi_info.nr_mcfg; i++)
		if (!segment_find(acpi_info.mcfg[i].segment))
			pci.segment[pci.nr_segments++].nr = acpi_info.mcfg[i].segment;
	for (unsigned i = 0; i < pci.nr_segments; i++)
		scan_segment(&pci.segment[i]);
	printk(LOG_INFO, "PCI: %u devices, extended configuration space %s\n", pci.nr_devices,
	       pci.mmcfg && acpi_info.nr_mcfg ? "by MMCFG" : "not available");
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

/* See hv/pci.h. Also -ENOMEM. */
int pci_assign_device(struct domain *d, struct pci_sbdf s)
{
	struct pci_dev *dev;
	int rc = -ENODEV;

	spin_lock(&pci.lock);
	dev = pci_find(s);
	if (!dev && segment_find(s.segment) && (!s.segment || bus_open(s.segment, s.bus)) && pci_present(s))
		dev = device_add(s);
	if (dev)
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
