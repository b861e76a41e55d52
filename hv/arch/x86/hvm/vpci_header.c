/*
 * Command register and BARs of an emulated function.
 *
 * The registers of the device are the truth: a reset by the guest clears them, and what it then reads must say so, or it would not
 * restore them. Only two things a guest writes never reach the device: the ones that ask for a size, and a place it may not have.
 */
#include "hvm/vpci.h"

#include "hv/pci_regs.h"
#include "hv/pci_scan.h"
#include "hv/printk.h"

/* Address bits of half @half of @b that can be written. */
static uint32_t half_mask(const struct vpci_bar *b, unsigned half)
{
	return (uint32_t)(~(b->size - 1) >> (half ? 32 : 0));
}

static uint32_t bar_flags(const struct vpci_bar *b)
{
	return (b->is64 ? PCI_BAR_TYPE_64 : 0) | (b->prefetch ? PCI_BAR_PREFETCH : 0);
}

static bool bar_moved(const struct vpci_bar *b)
{
	return b->sizing[0] || b->sizing[1] || b->refused;
}

static unsigned bar_index(const struct vpci *vp, const struct vpci_bar *b)
{
	return (unsigned)(b - vp->bars);
}

static void bar_init(struct vpci_bar *b, const struct pci_bar_info *info, enum vpci_bar_kind kind, unsigned reg)
{
	b->kind = kind;
	b->is64 = info->is64;
	b->prefetch = info->prefetch;
	b->reg = reg;
	b->size = info->size;
	b->addr = info->address;
	b->guest[0] = (uint32_t)info->address;
	b->guest[1] = (uint32_t)(info->address >> 32);
}

static void probe(struct vpci *vp, unsigned rom_reg)
{
	struct pci_bar_info info;

	for (unsigned i = 0; i < vp->nr_bars;) {
		unsigned reg = PCI_BAR0 + i * 4, n = pci_probe_bar(vp->sbdf, reg, i + 1 == vp->nr_bars, &info);

		if (!info.io && info.size) {
			bar_init(&vp->bars[i], &info, VPCI_BAR_MEM, reg);
			if (n == 2)
				vp->bars[i + 1].kind = VPCI_BAR_HIGH;
		}
		i += n;
	}
	pci_probe_rom(vp->sbdf, rom_reg, &info);
	if (!info.size)
		return;
	bar_init(&vp->bars[VPCI_ROM], &info, VPCI_BAR_ROM, rom_reg);
	vp->bars[VPCI_ROM].rom_enabled = pci_read(vp->sbdf, rom_reg, 4) & PCI_ROM_ENABLE;
}

/*
 * Find the BARs. Decoding is off meanwhile, but for host bridges: on some of them the bit turns memory itself off. The device is
 * not in use by anybody.
 */
void vpci_header_init(struct vpci *vp)
{
	uint16_t cmd = (uint16_t)pci_read(vp->sbdf, PCI_COMMAND, 2);
	bool host_bridge = pci_read(vp->sbdf, PCI_CLASS_REVISION + 2, 2) == PCI_CLASS_HOST_BRIDGE;
	unsigned rom;

	switch (pci_read(vp->sbdf, PCI_HEADER_TYPE, 1) & (PCI_HEADER_MULTI - 1)) {
	case PCI_HEADER_NORMAL:
		vp->nr_bars = VPCI_BARS;
		rom = PCI_ROM;
		break;
	case PCI_HEADER_BRIDGE:
		vp->nr_bars = 2;
		rom = PCI_ROM_BRIDGE;
		break;
	default:
		return;
	}
	if (!host_bridge)
		pci_write(vp->sbdf, PCI_COMMAND, 2, cmd & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	probe(vp, rom);
	if (!host_bridge)
		pci_write(vp->sbdf, PCI_COMMAND, 2, cmd);
	vp->decode = cmd & PCI_COMMAND_MEMORY;
}

/* Unmap everything and let the device answer nowhere. */
void vpci_header_fini(struct vpci *vp)
{
	vpci_unmap(vp);
	if (vp->nr_bars)
		vp->decode = false;
}

/* See vpci.h. */
struct vpci_bar *vpci_bar_at(struct vpci *vp, unsigned reg, unsigned *half)
{
	struct vpci_bar *rom = &vp->bars[VPCI_ROM], *b;

	*half = 0;
	if (rom->kind == VPCI_BAR_ROM && reg == rom->reg)
		return rom;
	if (reg < PCI_BAR0 || reg >= PCI_BAR0 + vp->nr_bars * 4)
		return NULL;
	b = &vp->bars[(reg - PCI_BAR0) / 4];
	if (b->kind == VPCI_BAR_HIGH) {
		*half = 1;
		b--;
	}
	return b->kind == VPCI_BAR_MEM ? b : NULL;
}

/* See vpci.h. */
uint32_t vpci_bar_read(struct vpci *vp, struct vpci_bar *b, unsigned half)
{
	if (!bar_moved(b) || (!b->sizing[half] && !b->refused))
		return pci_read(vp->sbdf, b->reg + half * 4, 4);
	if (half)
		return b->guest[1];
	if (b->kind == VPCI_BAR_ROM)
		return b->guest[0] | (b->rom_enabled ? PCI_ROM_ENABLE : 0);
	return b->guest[0] | bar_flags(b);
}

/* Put @addr into the device's register(s), not decoding meanwhile: half an address might be anybody's. */
static void bar_program(struct vpci *vp, struct vpci_bar *b, uint64_t addr)
{
	bool pause = vp->decode && b->is64 && addr != b->addr;
	uint32_t cmd = 0;

	if (pause) {
		cmd = pci_read(vp->sbdf, PCI_COMMAND, 2);
		pci_write(vp->sbdf, PCI_COMMAND, 2, cmd & ~PCI_COMMAND_MEMORY);
	}
	pci_write(vp->sbdf, b->reg, 4,
		  (uint32_t)addr | (b->kind == VPCI_BAR_ROM && b->rom_enabled ? PCI_ROM_ENABLE : 0));
	if (b->is64)
		pci_write(vp->sbdf, b->reg + 4, 4, (uint32_t)(addr >> 32));
	if (pause)
		pci_write(vp->sbdf, PCI_COMMAND, 2, cmd);
	b->addr = addr;
}

/*
 * Writing ones asks for the size. A range of ones is no place either: for 32 bits it ends where the reset vector is, for the
 * upper half it lies beyond what any processor addresses.
 */
static bool asks_size(const struct vpci_bar *b, unsigned half, uint32_t val)
{
	uint32_t unused = b->kind == VPCI_BAR_ROM ? ~PCI_ROM_MASK : half ? 0 : ~PCI_BAR_MEM_MASK;

	return (val | unused) == ~0u && half_mask(b, half);
}

/* See vpci.h. */
void vpci_bar_write(struct vpci *vp, struct vpci_bar *b, unsigned half, uint32_t val)
{
	uint64_t addr;

	if (b->kind == VPCI_BAR_ROM && !asks_size(b, 0, val))
		b->rom_enabled = val & PCI_ROM_ENABLE;
	b->guest[half] = val & half_mask(b, half);
	b->sizing[half] = asks_size(b, half, val);
	if (b->sizing[0] || b->sizing[1])
		return;
	addr = (uint64_t)b->guest[1] << 32 | b->guest[0];
	/* Address 0 is how a BAR without a place reads: it may say that, but shows nothing there. */
	if (addr && !vpci_range_ok(addr, b->size)) {
		if (!b->refused)
			printk(LOG_GUEST_WARN, "PCI %04x:%02x:%02x.%u: BAR %u may not be at %#lx\n", vp->sbdf.segment,
			       vp->sbdf.bus, vp->sbdf.devfn >> 3, vp->sbdf.devfn & 7, bar_index(vp, b), addr);
		b->refused = true;
		vpci_update_map(vp);
		return;
	}
	b->refused = false;
	bar_program(vp, b, addr);
	vpci_update_map(vp);
	vpci_msix_update(vp);
}

static bool any_refused(const struct vpci *vp)
{
	for (unsigned i = 0; i <= VPCI_ROM; i++)
		if (vp->bars[i].refused)
			return true;
	return false;
}

/*
 * See vpci.h. Before the device answers nowhere any more its pages go; after it answers they come. While a BAR is in a
 * forbidden place memory decoding cannot be switched on.
 */
void vpci_command_write(struct vpci *vp, uint16_t val)
{
	bool on;

	if (vp->nr_bars && any_refused(vp))
		val &= (uint16_t)~PCI_COMMAND_MEMORY;
	on = val & PCI_COMMAND_MEMORY;
	if (!on && vp->decode) {
		vp->decode = false;
		vpci_update_map(vp);
	}
	pci_write(vp->sbdf, PCI_COMMAND, 2, val);
	if (on == vp->decode)
		return;
	vp->decode = on;
	vpci_update_map(vp);
	vpci_msix_update(vp);
}
