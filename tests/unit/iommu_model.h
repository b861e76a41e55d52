/* The units of iommu_units.h in a machine of a few PCI functions, of which nothing but configuration space matters. */
#ifndef IOMMU_MODEL_H
#define IOMMU_MODEL_H

#include "iommu_units.h"

static struct pci_dev devices[8];
static unsigned nr_devices;
static struct host_irq *fault_irq;

struct pci_dev *pci_find(struct pci_sbdf s)
{
	for (unsigned i = 0; i < nr_devices; i++)
		if (devices[i].sbdf.segment == s.segment && PCI_BDF(devices[i].sbdf) == PCI_BDF(s))
			return &devices[i];
	return NULL;
}

struct pci_dev *pci_next(struct pci_dev *after)
{
	unsigned next = after ? (unsigned)(after - devices) + 1 : 0;

	return next < nr_devices ? &devices[next] : NULL;
}

uint32_t pci_read(struct pci_sbdf s, unsigned reg, unsigned size)
{
	const struct pci_dev *d = pci_find(s);

	if (!d)
		return size == 4 ? ~0u : (1u << 8 * size) - 1;
	return (uint32_t)(hw.config[d - devices][reg / 4] >> 8 * (reg % 4)) & (size == 4 ? ~0u : (1u << 8 * size) - 1);
}

void pci_write(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	const struct pci_dev *d = pci_find(s);
	uint64_t mask = (size == 4 ? 0xffffffffUL : (1UL << 8 * size) - 1) << 8 * (reg % 4);

	if (d && reg == 6) /* status: write 1 to clear */
		hw.config[d - devices][1] &= ~((uint64_t)val << 16);
	else if (d)
		hw.config[d - devices][reg / 4] =
			(hw.config[d - devices][reg / 4] & ~mask) | ((uint64_t)val << 8 * (reg % 4) & mask);
}

unsigned pci_find_cap(struct pci_sbdf s, uint8_t id)
{
	return 0;
}

void pci_hide(struct pci_dev *dev)
{
	dev->hidden = true;
}

int host_irq_alloc(struct host_irq *irq, unsigned cpu)
{
	irq->vector = 0x31;
	fault_irq = irq;
	return 0;
}

void host_irq_message(const struct host_irq *irq, uint64_t *address, uint32_t *data)
{
	*address = 0xfee00000 | (uint64_t)irq->cpu << 12;
	*data = irq->vector;
}

static struct pci_dev *add_device(uint8_t bus, uint8_t devfn)
{
	struct pci_dev *d = &devices[nr_devices++];

	*d = (struct pci_dev){ .sbdf = { 0, bus, devfn }, .owner = DOMID_INVALID };
	hw.config[nr_devices - 1][1] = 4; /* bus master */
	return d;
}

static bool is_master(const struct pci_dev *d)
{
	return hw.config[d - devices][1] & 4;
}

/* Power on with three functions beside the AMD unit's own; see unit_on(). */
static void power_on(struct model as)
{
	host_machine(RAM, 1);
	memset(devices, 0, sizeof(devices));
	nr_devices = 0;
	fault_irq = NULL;
	unit_on(as);
	if (hw.amd)
		hw.config[0][0x40 / 4] = amd_capability();
	add_device(0, 0x10); /* the AMD unit's own function; its configuration is the first */
	hw.config[0][1] = 0;
	add_device(0, 0x18); /* 00:03.0 */
	add_device(0, 0x20); /* 00:04.0 */
	add_device(0, 0x28); /* 00:05.0 */
}

#endif
