/* The registers of MSI and MSI-X, over pci_read() and pci_write(), which a test replaces. */
#include "hv/pci_msi.h"

#include "hv/pci_regs.h"

/* See hv/pci_msi.h. PCI Local Bus 3.0, figure 6-9. */
void pci_msi_layout(unsigned cap, uint16_t control, struct pci_msi_layout *l)
{
	l->cap = cap;
	l->is64 = control & PCI_MSI_64;
	l->maskable = control & PCI_MSI_MASKABLE;
	l->log2_capable = control >> PCI_MSI_CAPABLE_SHIFT & 7;
	if (l->log2_capable > PCI_MSI_MAX_LOG2) /* reserved */
		l->log2_capable = 0;
	l->data = cap + (l->is64 ? 12 : 8);
	l->mask = l->data + 4;
	l->pending = l->data + 8;
	l->end = l->maskable ? l->data + 12 : l->data + 2;
}

/* See hv/pci_msi.h. */
void pci_msi_write(struct pci_sbdf s, const struct pci_msi_layout *l, uint64_t address, uint32_t data)
{
	pci_write(s, l->cap + PCI_MSI_ADDRESS, 4, (uint32_t)address);
	if (l->is64)
		pci_write(s, l->cap + PCI_MSI_ADDRESS_HIGH, 4, (uint32_t)(address >> 32));
	pci_write(s, l->data, 2, data & 0xffff);
}

/* See hv/pci_msi.h. */
void pci_msi_enable(struct pci_sbdf s, const struct pci_msi_layout *l, bool on, unsigned log2)
{
	uint32_t control = pci_read(s, l->cap + PCI_MSI_CONTROL, 2);

	control &= ~(PCI_MSI_ENABLE | 7u << PCI_MSI_ENABLED_SHIFT);
	if (on)
		control |= PCI_MSI_ENABLE | log2 << PCI_MSI_ENABLED_SHIFT;
	pci_write(s, l->cap + PCI_MSI_CONTROL, 2, control);
}

/* See hv/pci_msi.h. The read waits for the write, which is posted. */
void pci_msix_mask(volatile uint32_t *e)
{
	e[PCI_MSIX_ENTRY_CONTROL / 4] = PCI_MSIX_ENTRY_MASKED;
	(void)e[PCI_MSIX_ENTRY_CONTROL / 4];
}

/* See hv/pci_msi.h. The mask first: an entry must not change while it may be sent (PCI Local Bus 3.0, 6.8.2). */
void pci_msix_write(volatile uint32_t *e, uint64_t address, uint32_t data, bool masked)
{
	pci_msix_mask(e);
	e[PCI_MSIX_ENTRY_ADDRESS / 4] = (uint32_t)address;
	e[PCI_MSIX_ENTRY_ADDRESS_HIGH / 4] = (uint32_t)(address >> 32);
	e[PCI_MSIX_ENTRY_DATA / 4] = data;
	if (!masked)
		e[PCI_MSIX_ENTRY_CONTROL / 4] = 0;
}
