/* Messages of devices: from a message's number to a host_irq, and the registers that hold it. hv/drivers/pci_msi.c. */
#ifndef HV_PCI_MSI_H
#define HV_PCI_MSI_H

#include "asm/irq.h"
#include "hv/pci.h"
#include "hv/types.h"

/* One message of a device while it may be sent. */
struct pci_message {
	struct host_irq irq;
	struct pci_dev *dev;
	unsigned index;
	bool open;
	uint64_t address; /* what the device is to be programmed with */
	uint32_t data;
};

/*
 * Give message @index of @dev a vector; @deliver(irq) is called in softirq context for each burst, irq->ctx is @ctx.
 * -ENOSPC no vector, or the IOMMU's error. Fills address and data; programs nothing.
 */
int pci_message_open(struct pci_message *m, struct pci_dev *dev, unsigned index, host_irq_fn *deliver,
		     void *ctx) must_check;
/* Undo it. The device no longer sends @m; no deliver() runs when this returns. Nothing to do for one that is not open. */
void pci_message_close(struct pci_message *m);

/*
 * Log2 of how many messages of plain MSI a device can be given: it varies the low bits of the data, so their values must be in a row. The
 * IOMMU gives out such values; vectors of CPUs are not kept in rows for it, and drivers do with one, as on machines without remapping.
 */
unsigned pci_messages_log2(void);

/* Where the parts of the MSI capability at @cap lie. */
struct pci_msi_layout {
	unsigned cap;
	bool is64, maskable;
	unsigned log2_capable;
	unsigned data, mask, pending; /* registers; the last two only if maskable */
	unsigned end;		      /* just behind the capability */
};
void pci_msi_layout(unsigned cap, uint16_t control, struct pci_msi_layout *l);
/* Write address and data into the capability of @s. */
void pci_msi_write(struct pci_sbdf s, const struct pci_msi_layout *l, uint64_t address, uint32_t data);
/* Enable with 2^@log2 messages, or disable; the other control bits keep their values. */
void pci_msi_enable(struct pci_sbdf s, const struct pci_msi_layout *l, bool on, unsigned log2);

/* Write entry @e of a mapped MSI-X table, masked while it changes. */
void pci_msix_write(volatile uint32_t *e, uint64_t address, uint32_t data, bool masked);
/* Mask it. When this returns the device has seen that. */
void pci_msix_mask(volatile uint32_t *e);

#endif
