/*
 * IOMMU: which memory a device reaches, and which interrupts it may raise. Chosen by the ACPI table found (IVRS: AMD-Vi,
 * DMAR: VT-d), not by the processor's vendor. hv/drivers/iommu/{iommu,amd,vtd}.c.
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

struct iommu_ops {
	const char *name;
	/* Attach/detach one device to the table of @d (NULL: blocked). */
	int (*attach)(struct pci_dev *dev, struct domain *d);
	/* Set or clear 2^@order frames at @dfn; tables as needed. -ENOMEM: nothing changed. Flushed by ->flush. */
	int (*map)(struct domain *d, uint64_t dfn, mfn_t m, unsigned order, unsigned access);
	int (*unmap)(struct domain *d, uint64_t dfn, unsigned order);
	void (*flush)(struct domain *d); /* returns when no stale translation is left */
	/* Messages of @dev: remapped entry for @irq. Without interrupt remapping the plain message. */
	int (*msi)(struct pci_dev *dev, unsigned index, const struct host_irq *irq, uint64_t *address, uint32_t *data);
	void (*msi_free)(struct pci_dev *dev, unsigned index);
	/* The same for pin @pin of the I/O APIC @ioapic_id: redirection entry to write. */
	int (*ioapic)(uint8_t ioapic_id, unsigned pin, uint64_t *rte);
};

/* Boot step after pci_init(): find and enable the units. Without any, iommu_enabled() is false; a line says which or why none. Options iommu=. */
void iommu_init(void);
bool iommu_enabled(void);
bool iommu_intremap(void);

/* Context of @d: its table mirrors the p2m from now on. -ENODEV without an IOMMU, -ENOMEM. */
int iommu_domain_init(struct domain *d) must_check;
void iommu_domain_destroy(struct domain *d); /* devices are detached before */
int iommu_attach(struct pci_dev *dev, struct domain *d) must_check; /* d NULL: quarantine */
/* Reserved memory of firmware (RMRR, IVMD unity ranges) that the owner of its device must see 1:1. */
struct iommu_reserved {
	uint64_t start, end;
	struct pci_sbdf sbdf;
	bool all;
};
unsigned iommu_reserved_ranges(const struct iommu_reserved **out);

/* What to program for message @index of @dev raising @irq; remapped when possible. */
int iommu_msi_message(struct pci_dev *dev, unsigned index, const struct host_irq *irq, uint64_t *address,
		      uint32_t *data) must_check;
void iommu_msi_release(struct pci_dev *dev, unsigned index);
/* Turn a plain redirection entry into what the pin's register shall hold. */
int iommu_ioapic_entry(uint8_t ioapic_id, unsigned pin, uint64_t *rte) must_check;

#endif
