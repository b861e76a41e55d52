/*
 * The fake machine has neither PCI nor IOMMUs. Weak, for tests of those drivers link the real ones.
 */
#include "hv/errno.h"
#include "hv/iommu.h"
#include "hv/pci.h"
#include "hv/printk.h"

#define WEAK __attribute__((weak))

/* See hv/iommu.h. */
WEAK bool iommu_enabled(void)
{
	return false;
}

/* See hv/iommu.h. */
WEAK bool iommu_intremap(void)
{
	return false;
}

/* See hv/iommu.h. */
WEAK int iommu_ioapic_entry(uint8_t ioapic_id, unsigned pin, uint64_t *rte)
{
	return err(-ENODEV);
}

/* See hv/iommu.h. */
WEAK int iommu_domain_init(struct domain *d)
{
	return err(-ENODEV);
}

/* See hv/iommu.h. */
WEAK void iommu_init(void)
{
}

/* See hv/iommu.h. */
WEAK void iommu_domain_destroy(struct domain *d)
{
}

/* See hv/iommu.h. */
WEAK int iommu_attach(struct pci_dev *dev, struct domain *d)
{
	return err(-ENODEV);
}

/* See hv/iommu.h. */
WEAK int iommu_msi_message(struct pci_dev *dev, unsigned index, const struct host_irq *irq, uint64_t *address,
			   uint32_t *data)
{
	return err(-ENODEV);
}

/* See hv/iommu.h. */
WEAK void iommu_msi_release(struct pci_dev *dev, unsigned index)
{
}

/* See hv/iommu.h. */
WEAK unsigned iommu_reserved_ranges(const struct iommu_reserved **out)
{
	return 0;
}

/* See hv/pci.h. */
WEAK struct pci_dev *pci_next(struct pci_dev *after)
{
	return NULL;
}

/* See hv/pci.h. */
WEAK int pci_assign_device(struct domain *d, struct pci_sbdf s)
{
	return err(-ENODEV);
}

/* See hv/pci.h. */
WEAK int pci_deassign_device(struct domain *d, struct pci_sbdf s)
{
	return err(-ENODEV);
}

/* See hv/pci.h. */
WEAK void pci_release_domain(struct domain *d)
{
}

/* See hv/pci.h. */
WEAK int vpci_domain_init(struct domain *d)
{
	return err(-ENODEV);
}

/* See hv/pci.h. */
WEAK int vpci_add_mmcfg(struct domain *d, uint64_t base, uint16_t segment, uint8_t bus_start, uint8_t bus_end)
{
	return err(-ENODEV);
}
