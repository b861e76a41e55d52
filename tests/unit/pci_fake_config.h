/* Fake PCI functions for tests: configuration space with BARs and capabilities, and an MSI-X table, in memory of the test. */
#ifndef PCI_FAKE_CONFIG_H
#define PCI_FAKE_CONFIG_H

#include <stdlib.h>
#include <string.h>

#include "hv/pci.h"
#include "hv/pci_regs.h"
#include "hvm/vlapic.h"

#define FAKE_DEVS 8u
#define FAKE_BARS 6u
#define FAKE_MEMORY (64u << 10) /* of each device behind its first memory BAR */
#define FAKE_ROM_MASK 0xffff0001u

struct fake_dev {
	struct pci_sbdf s;
	uint8_t cfg[4096], writable[4096]; /* bits a write changes */
	uint8_t clear[4096];		   /* bits a write of one clears */
	_Alignas(8) uint8_t memory[FAKE_MEMORY];
	unsigned writes;
};

static struct {
	struct fake_dev dev[FAKE_DEVS];
	unsigned nr;
	unsigned opened, closed, injected;
	int open_error;
	unsigned messages_log2;
	unsigned nr_traps;
	uint64_t forbidden, forbidden_end;
	struct apic_msg last;
	uint64_t memory_at; /* where memory of device 0 is seen by vpci_map_page() */
} fake;

static void put(uint8_t *p, unsigned reg, unsigned size, uint32_t val)
{
	memcpy(p + reg, &val, size);
}

static struct fake_dev *fake_find(struct pci_sbdf s)
{
	for (unsigned i = 0; i < fake.nr; i++)
		if (fake.dev[i].s.segment == s.segment && PCI_BDF(fake.dev[i].s) == PCI_BDF(s))
			return &fake.dev[i];
	return NULL;
}

static inline uint32_t fake_get(struct pci_sbdf s, unsigned reg, unsigned size)
{
	struct fake_dev *f = fake_find(s);
	uint32_t val = size == 4 ? ~0u : (1u << size * 8) - 1;

	if (f && reg + size <= sizeof(f->cfg)) {
		val = 0;
		memcpy(&val, f->cfg + reg, size);
	}
	return val;
}

static inline void fake_set(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	struct fake_dev *f = fake_find(s);

	for (unsigned i = 0; f && i < size && reg + i < sizeof(f->cfg); i++) {
		uint8_t b = (uint8_t)(val >> i * 8);

		f->cfg[reg + i] = (f->cfg[reg + i] & ~f->writable[reg + i]) | (b & f->writable[reg + i]);
		f->cfg[reg + i] &= ~(b & f->clear[reg + i]);
	}
	if (f)
		f->writes++;
}

/* Another function, of header type 0. */
static struct fake_dev *fake_add(uint8_t bus, unsigned slot, unsigned fn)
{
	struct fake_dev *f = &fake.dev[fake.nr++];

	memset(f, 0, sizeof(*f));
	f->s = (struct pci_sbdf){ 0, bus, (uint8_t)(slot << 3 | fn) };
	put(f->cfg, PCI_VENDOR_ID, 4, 0x56781234);
	put(f->cfg, PCI_CLASS_REVISION, 4, 0x02000001);
	put(f->writable, PCI_COMMAND, 2, 0x407);
	put(f->clear, PCI_STATUS, 2, 0xf900);
	return f;
}

static inline void fake_bar(struct fake_dev *f, unsigned i, uint64_t addr, uint64_t size, uint32_t flags)
{
	unsigned reg = PCI_BAR0 + i * 4;

	put(f->cfg, reg, 4, (uint32_t)addr | flags);
	put(f->writable, reg, 4, (uint32_t)-size & ~0xfu);
	if (!(flags & PCI_BAR_TYPE_64))
		return;
	put(f->cfg, reg + 4, 4, (uint32_t)(addr >> 32));
	put(f->writable, reg + 4, 4, (uint32_t)(-size >> 32));
}

/* Chain a capability in front. */
static void fake_cap(struct fake_dev *f, unsigned at, uint8_t id)
{
	f->cfg[at] = id;
	f->cfg[at + 1] = f->cfg[PCI_CAP_POINTER];
	f->cfg[PCI_CAP_POINTER] = (uint8_t)at;
	f->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

static inline void fake_msi(struct fake_dev *f, unsigned at, uint16_t control)
{
	fake_cap(f, at, PCI_CAP_ID_MSI);
	put(f->cfg, at + 2, 2, control);
	put(f->writable, at + 2, 2, 0x71);
	memset(f->writable + at + 4, 0xff, control & PCI_MSI_64 ? 10 : 6);
	if (control & PCI_MSI_MASKABLE)
		memset(f->writable + at + (control & PCI_MSI_64 ? 16 : 12), 0xff, 4);
}

static inline void fake_msix(struct fake_dev *f, unsigned at, unsigned nr, uint32_t table, uint32_t pba)
{
	fake_cap(f, at, PCI_CAP_ID_MSIX);
	put(f->cfg, at + 2, 2, nr - 1);
	put(f->writable, at + 2, 2, 0xc000);
	put(f->cfg, at + 4, 4, table);
	put(f->cfg, at + 8, 4, pba);
	for (unsigned i = 0; i < nr && (table & ~7u) + i * 16 + 16 <= FAKE_MEMORY; i++)
		f->memory[(table & ~7u) + i * 16 + 12] = 1;
}

#endif
