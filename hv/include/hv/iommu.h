/*
 * IOMMU: which memory a device reaches, and which interrupts it may raise. Chosen by the ACPI table found (IVRS:
 * AMD-Vi, DMAR: VT-d), not by the processor's vendor. hv/drivers/iommu/.
 *
 * A domain with devices has one context: an I/O page table that follows its p2m through a commit listener (hv/p2m.h).
 */
#ifndef HV_IOMMU_H
#define HV_IOMMU_H

#include "hv/p2m.h"
#include "hv/pci.h"
#include "hv/types.h"

struct domain;
struct host_irq;

#define IOMMU_READ 0x1u
#define IOMMU_WRITE 0x2u

/*
 * Boot step after pci_init(): find and enable the units. Without any, iommu_enabled() is false; a line says which or
 * why none. Options iommu=.
 */
void iommu_init(void);
bool iommu_enabled(void);
bool iommu_intremap(void);

/*
 * Context of @d: its table mirrors the p2m from now on. The domain is paused or not yet started. 0 if it has one;
 * -ENODEV without an IOMMU, -ENOMEM, -ENOSPC.
 */
int iommu_domain_init(struct domain *d) must_check;
/* Gives it up; devices still attached are quarantined. Harmless without a context. */
void iommu_domain_destroy(struct domain *d);
/*
 * @dev does DMA to @d's memory from now on, and to nothing else; @d NULL: to nothing. What it could reach before is
 * out of its reach when this returns. Calls for one device are serialised by the caller, who holds no lock above
 * RANK_PCI. -ENODEV: no context, or no IOMMU sees the device; -EBUSY: another domain owns one that cannot be told
 * apart from it; -EIO: the IOMMU is lost; -ENOMEM. Blocked then.
 */
int iommu_attach(struct pci_dev *dev, struct domain *d) must_check;
/* Do the registers of an IOMMU lie in frame @m? No domain may map it. */
bool iommu_owns_frame(mfn_t m);
/* Reserved memory of firmware (RMRR, IVMD unity ranges) that the owner of its device must see 1:1. */
struct iommu_reserved {
	uint64_t start, end;
	struct pci_sbdf sbdf;
	bool all;
};
unsigned iommu_reserved_ranges(const struct iommu_reserved **out);

/*
 * What to program for message @index of @dev raising @irq; remapped when possible. A device with several messages of
 * plain MSI is given that of message 0, after all of them were asked for; it adds the number to the data. Again when
 * the target of @irq moved. -ENOSPC, -ENOMEM, -EIO.
 */
int iommu_msi_message(struct pci_dev *dev, unsigned index, const struct host_irq *irq, uint64_t *address,
		      uint32_t *data) must_check;
void iommu_msi_release(struct pci_dev *dev, unsigned index);
/* Turn a plain redirection entry into what the pin's register shall hold. */
int iommu_ioapic_entry(uint8_t ioapic_id, unsigned pin, uint64_t *rte) must_check;

#endif
