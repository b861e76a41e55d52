/*
 * PCI: configuration space of the machine, the devices that are known, and who owns each.
 * hv/drivers/pci.c (access, list), hv/drivers/pci_msi.c (messages), hv/arch/x86/hvm/vpci*.c (what a domain sees).
 */
#ifndef HV_PCI_H
#define HV_PCI_H

#include "hv/list.h"
#include "hv/types.h"

struct domain;

/* Segment, bus, device, function. */
struct pci_sbdf {
	uint16_t segment;
	uint8_t bus, devfn;
};
#define PCI_BDF(s) ((uint16_t)((s).bus << 8 | (s).devfn))

struct pci_dev {
	struct list list; /* of all; guarded by RANK_PCI */
	struct pci_sbdf sbdf;
	domid_t owner;	   /* domain whose DMA it does; DOMID_INVALID: nobody (quarantined), DOMID_XEN: Hospes itself */
	bool hidden;	   /* Hospes' own (IOMMU, serial card): no domain sees it */
	struct vpci *vpci; /* emulation for its owner, NULL: none */
	void *iommu;	   /* owned by the IOMMU driver: remapping entries of its messages */
};

/* Configuration space by size 1, 2, 4 at @reg < 256 (CF8) or < 4096 (MMCFG once known). Any CPU; all ones without a device. */
uint32_t pci_read(struct pci_sbdf s, unsigned reg, unsigned size);
void pci_write(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val);
/* Boot step: find MMCFG windows (acpi_info) and all devices; list them in the log at LOG_DEBUG. */
void pci_init(void);
/* The known device, or NULL. Stays for ever unless pci_remove_device() is called. */
struct pci_dev *pci_find(struct pci_sbdf s);
/* Iterate: NULL begins. */
struct pci_dev *pci_next(struct pci_dev *after);
/* Offset of capability @id (or extended capability), 0 if the device has none. */
unsigned pci_find_cap(struct pci_sbdf s, uint8_t id);
unsigned pci_find_ext_cap(struct pci_sbdf s, uint16_t id);

/*
 * The hardware domain reports a device (PHYSDEVOP_pci_device_add): it becomes the domain's, with an IOMMU context and vPCI.
 * Also called for every device found at boot when a hardware domain is built. 0, -ENODEV, -EBUSY another's, -ENOMEM, or the IOMMU's error.
 */
int pci_assign_device(struct domain *d, struct pci_sbdf s) must_check;
/* @d gives it back (PHYSDEVOP_pci_device_remove): it is silenced and quarantined, and stays known. -ENODEV it is not @d's. */
int pci_deassign_device(struct domain *d, struct pci_sbdf s) must_check;
/* Hospes drives @dev itself from now on: no domain sees it. Before it has an owner. */
void pci_hide(struct pci_dev *dev);
/* All devices of the dying @d are quarantined. */
void pci_release_domain(struct domain *d);

/* vPCI of @d: accesses by CF8/CFC and by MMCFG windows. hv/arch/x86/hvm/vpci.c. */
int vpci_domain_init(struct domain *d) must_check; /* installs the port and MMCFG handlers */
void vpci_domain_destroy(struct domain *d);	   /* after pci_release_domain() gave its devices back */
/* Emulate the header and messages of @dev for @d, and map what its BARs show. pci.lock held. -ENOMEM; nothing changed then. */
int vpci_add_device(struct domain *d, struct pci_dev *dev) must_check;
void vpci_remove_device(struct domain *d, struct pci_dev *dev);
uint32_t vpci_read(struct domain *d, struct pci_sbdf s, unsigned reg, unsigned size);
void vpci_write(struct domain *d, struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val);
/* PHYSDEVOP_pci_mmcfg_reserved: trap this window too. -EINVAL, -ENODEV. */
int vpci_add_mmcfg(struct domain *d, uint64_t base, uint16_t segment, uint8_t bus_start, uint8_t bus_end) must_check;

#endif
