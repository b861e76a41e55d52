/* Messages of devices (PCI Local Bus 3.0, 6.8): a vector for each, remapped by the IOMMU where there is one. */
#include "hv/pci_msi.h"

#include "hv/cpumask.h"
#include "hv/errno.h"
#include "hv/iommu.h"
#include "hv/pci_regs.h"

/* See hv/pci_msi.h. */
int pci_message_open(struct pci_message *m, struct pci_dev *dev, unsigned index, host_irq_fn *deliver, void *ctx)
{
	int rc;

	m->irq = (struct host_irq){ .deliver = deliver, .ctx = ctx };
	m->dev = dev;
	m->index = index;
	rc = host_irq_alloc(&m->irq, NR_CPUS);
	if (rc)
		return rc;
	if (iommu_enabled())
		rc = iommu_msi_message(dev, index, &m->irq, &m->address, &m->data);
	else
		host_irq_message(&m->irq, &m->address, &m->data);
	if (rc)
		host_irq_free(&m->irq);
	m->open = !rc;
	return rc;
}

/* See hv/pci_msi.h. */
void pci_message_close(struct pci_message *m)
{
	if (!m->open)
		return;
	if (iommu_enabled())
		iommu_msi_release(m->dev, m->index);
	host_irq_free(&m->irq);
	m->open = false;
}

/* See hv/pci_msi.h. */
unsigned pci_messages_log2(void)
{
	return iommu_intremap() ? PCI_MSI_MAX_LOG2 : 0;
}
