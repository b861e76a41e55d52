/*
 * A fake PCI machine for tests: the functions of pci_fake_config.h, and what the emulation asks of the machine. Each test program that includes it defines these
 * functions for itself.
 */
#ifndef PCI_FAKE_H
#define PCI_FAKE_H

#include "hv/errno.h"
#include "hv/pci_msi.h"
#include "hvm/vpci.h"
#include "pci_fake_config.h"

uint32_t pci_read(struct pci_sbdf s, unsigned reg, unsigned size)
{
	if (reg & (size - 1))
		abort();
	return fake_get(s, reg, size);
}

void pci_write(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	if (reg & (size - 1))
		abort();
	fake_set(s, reg, size, val);
}

/* What the emulation asks of the machine ------------------------------------------------------- */

int pci_message_open(struct pci_message *m, struct pci_dev *dev, unsigned index, host_irq_fn *deliver, void *ctx)
{
	if (fake.open_error)
		return fake.open_error;
	m->irq = (struct host_irq){ .deliver = deliver, .ctx = ctx, .vector = (uint8_t)(0x40 + index) };
	m->dev = dev;
	m->index = index;
	m->address = 0xfee01000;
	m->data = 0x40 + index;
	m->open = true;
	fake.opened++;
	return 0;
}

void pci_message_close(struct pci_message *m)
{
	fake.closed += m->open;
	m->open = false;
}

unsigned pci_messages_log2(void)
{
	return fake.messages_log2;
}

bool vpci_range_ok(uint64_t start, uint64_t size)
{
	return start && start + size > start && (start >= fake.forbidden_end || start + size <= fake.forbidden);
}

int vpci_trap_pages(struct vpci_domain *vd, uint64_t first, uint64_t end)
{
	fake.nr_traps++;
	return 0;
}

void *vpci_map_page(uint64_t addr)
{
	return addr >= fake.memory_at && addr < fake.memory_at + FAKE_MEMORY ?
		       fake.dev[0].memory + (addr - fake.memory_at) :
		       NULL;
}

void vpci_inject(struct vpci_domain *vd, const struct apic_msg *m)
{
	fake.last = *m;
	fake.injected++;
}

#endif
