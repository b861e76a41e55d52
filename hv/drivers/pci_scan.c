/*
 * What is found by reading configuration space alone: devices, capabilities, sizes of BARs. Over pci_read() and pci_write(), which
 * a test replaces.
 */
#include "hv/pci_scan.h"

#include "hv/pci_regs.h"

/* Capabilities are 4 bytes aligned: a list has no more of them, a loop has. */
#define MAX_CAPS ((PCI_CONFIG_SIZE - 0x40u) / 4u)
#define MAX_EXT_CAPS ((PCI_CONFIG_EXT_SIZE - PCI_CONFIG_SIZE) / 4u)

/* See hv/pci.h. */
unsigned pci_find_cap(struct pci_sbdf s, uint8_t id)
{
	unsigned at;

	if (!(pci_read(s, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return 0;
	at = pci_read(s, PCI_CAP_POINTER, 1) & ~3u;
	for (unsigned n = 0; n < MAX_CAPS && at >= 0x40; n++) {
		uint32_t head = pci_read(s, at, 2);

		if ((head & 0xff) == 0xff)
			return 0;
		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	return 0;
}

/* See hv/pci.h. */
unsigned pci_find_ext_cap(struct pci_sbdf s, uint16_t id)
{
	unsigned at = PCI_CONFIG_SIZE;

	for (unsigned n = 0; n < MAX_EXT_CAPS && at >= PCI_CONFIG_SIZE; n++) {
		uint32_t head = pci_read(s, at, 4);

		if (head == 0 || head == ~0u)
			return 0;
		if ((head & 0xffff) == id)
			return at;
		at = head >> 20 & 0xffc;
	}
	return 0;
}

/* See hv/pci_scan.h: does a function answer? */
bool pci_present(struct pci_sbdf s)
{
	uint32_t id = pci_read(s, PCI_VENDOR_ID, 4);

	/* A bridge of old may answer 0 or ones in either half for an empty slot. */
	return id != ~0u && id != 0 && id != 0xffffu && id != 0xffff0000u;
}

/* See hv/pci_scan.h. */
void pci_scan_bus(uint16_t segment, uint8_t bus, pci_found_fn *found, void *ctx)
{
	for (unsigned slot = 0; slot < 32; slot++) {
		bool multi = false;

		for (unsigned fn = 0; fn < (multi ? 8u : 1u); fn++) {
			struct pci_sbdf s = { segment, bus, (uint8_t)(slot << 3 | fn) };

			if (!pci_present(s))
				continue;
			if (!fn)
				multi = pci_read(s, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI;
			found(s, ctx);
		}
	}
}

/* See hv/pci_scan.h. */
unsigned pci_secondary_bus(struct pci_sbdf s)
{
	uint8_t type = (uint8_t)pci_read(s, PCI_HEADER_TYPE, 1) & (uint8_t)~PCI_HEADER_MULTI;

	return type == PCI_HEADER_BRIDGE || type == PCI_HEADER_CARDBUS ? pci_read(s, PCI_SECONDARY_BUS, 1) : 0;
}

/* Size of a BAR of which writing ones left @bits: the lowest bit that can be set. */
static uint64_t size_of(uint64_t bits)
{
	return bits & -bits;
}

static uint32_t ones_at(struct pci_sbdf s, unsigned reg, uint32_t ones)
{
	uint32_t was = pci_read(s, reg, 4), bits;

	pci_write(s, reg, 4, ones);
	bits = pci_read(s, reg, 4);
	pci_write(s, reg, 4, was);
	return bits;
}

/* See hv/pci_scan.h. */
unsigned pci_probe_bar(struct pci_sbdf s, unsigned reg, bool last, struct pci_bar_info *b)
{
	uint32_t lo = pci_read(s, reg, 4), bits = ones_at(s, reg, ~0u);
	uint64_t size;

	*b = (struct pci_bar_info){ 0 };
	if (lo & PCI_BAR_IO) {
		b->io = true;
		b->address = lo & PCI_BAR_IO_MASK;
		b->size = size_of(bits & PCI_BAR_IO_MASK & 0xffff);
		return 1;
	}
	b->prefetch = lo & PCI_BAR_PREFETCH;
	b->address = lo & PCI_BAR_MEM_MASK;
	size = bits & PCI_BAR_MEM_MASK;
	if ((lo & PCI_BAR_TYPE_MASK) != PCI_BAR_TYPE_64 || last) {
		b->size = size_of(size);
		return 1;
	}
	b->is64 = true;
	b->address |= (uint64_t)pci_read(s, reg + 4, 4) << 32;
	b->size = size_of(size | (uint64_t)ones_at(s, reg + 4, ~0u) << 32);
	return 2;
}

/* See hv/pci_scan.h. */
void pci_probe_rom(struct pci_sbdf s, unsigned reg, struct pci_bar_info *b)
{
	uint32_t was = pci_read(s, reg, 4);

	*b = (struct pci_bar_info){ .address = was & PCI_ROM_MASK };
	b->size = size_of(ones_at(s, reg, PCI_ROM_MASK) & PCI_ROM_MASK);
}
