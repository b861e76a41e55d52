/*
 * A guest does anything to the registers and the table page of its PCI functions, while resets change the devices behind its back. The emulation must not
 * fault, loop or lose a vector, and never map a page of a forbidden range or of a table, nor leave one mapped when it ends.
 *
 * Input: 16 bytes choose the functions, then steps of 8 bytes, see step().
 */
#include "asm/host.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "../unit/pci_fake.h"

#define BAR_AT 0xe0000000u
#define MSI_AT 0x50u
#define MSIX_AT 0x70u
#define NR 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct domain *d;
	struct vpci_domain vd;
	struct vpci vp[NR];
	struct pci_dev dev[NR];
	bool up;
} world;

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void device(unsigned i, const uint8_t *how)
{
	struct fake_dev *f = fake_add(0, i, 0);
	uint64_t size = 16UL << how[0] % 18;

	f->cfg[PCI_HEADER_TYPE] = how[1] % 8 ? 0 : how[1] >> 3 & 3;
	fake_bar(f, 0, (BAR_AT + i * 0x1000u) & ~(size - 1), size, how[2] & 1 ? PCI_BAR_TYPE_64 : 0);
	if (how[2] & 2)
		fake_bar(f, 2, BAR_AT + i * 0x400u, 0x400, 0);
	if (how[2] & 4)
		put(f->writable, PCI_ROM, 4, FAKE_ROM_MASK);
	if (how[2] & 8)
		fake_msi(f, MSI_AT, how[3] << 1 & 0x18e);
	if (how[2] & 16)
		fake_msix(f, MSIX_AT, how[3] % 64 + 1, how[4] % 4 * 0x800u | how[4] >> 7 << 1, how[4] >> 2 << 8);
	put(f->cfg, PCI_COMMAND, 2, how[2] >> 5);
}

static void check(void)
{
	for (uint64_t a = fake.forbidden; a < fake.forbidden_end; a += PAGE_SIZE) {
		enum p2m_type type;

		p2m_lookup(world.d, gfn(a >> PAGE_SHIFT), &type, NULL);
		require(type == P2M_INVALID);
	}
	for (unsigned i = 0; i < NR; i++) {
		uint64_t first, end;

		if (!vpci_msix_pages(&world.vp[i], &first, &end))
			continue;
		for (; first < end; first++) {
			enum p2m_type type;

			p2m_lookup(world.d, gfn(first), &type, NULL);
			require(type != P2M_MMIO_DIRECT);
		}
	}
}

/* Byte 0: what, 1: which function, 2-3: register or offset, 4-7: value. */
static void step(const uint8_t *s)
{
	unsigned i = s[1] % NR, size = 1u << (s[1] >> 4 & 3), reg = (s[2] | s[3] << 8) & 0xfff;
	struct vpci *vp = &world.vp[i];
	uint32_t val;

	memcpy(&val, s + 4, 4);
	if (s[1] & 0x80) /* places that make a difference */
		reg = (const uint8_t[]){ 4, 0x10, 0x14, 0x18, 0x30, MSI_AT, MSI_AT + 4, MSIX_AT }[s[2] % 8] + s[3] % 4;
	if (reg + size > 4096)
		reg = 4096 - size;
	switch (s[0] % 7) {
	case 0:
	case 1:
		vpci_dev_write(vp, reg, size > 4 ? 3 : size, s[1] & 0x40 ? ~0u : val);
		break;
	case 2:
		(void)vpci_dev_read(vp, reg, size > 4 ? 3 : size);
		break;
	case 3:
		vpci_msix_mmio_write(&world.vd, BAR_AT + (s[2] | s[3] << 8), size, val | (uint64_t)val << 32);
		break;
	case 4:
		(void)vpci_msix_mmio_read(&world.vd, BAR_AT + (s[2] | s[3] << 8), size);
		break;
	case 5: /* a reset behind the back, or vectors run out */
		fake.open_error = val & 1 ? -ENOSPC : 0;
		if (val & 2)
			memset(fake.dev[i].cfg + PCI_BAR0, 0, 24);
		break;
	default:
		vpci_dev_write(vp, PCI_COMMAND, 2, val & 7);
		break;
	}
	for (unsigned k = 0; k < NR; k++)
		for (unsigned n = 0; world.vp[k].msix && n < world.vp[k].msix->nr; n++)
			if (world.vp[k].msix->entries[n].vector)
				vpci_vector_deliver(&world.vp[k].msix->entries[n].vector->host.irq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t heap;

	if (size < 16)
		return 0;
	if (!world.up) {
		host_machine(64 << 20, 1);
		world.d = host_domain(1, 1, 16, 0);
		world.up = true;
	}
	memset(&fake, 0, sizeof(fake));
	memset(world.vp, 0, sizeof(world.vp));
	memset(&world.vd, 0, sizeof(world.vd));
	world.vd.d = world.d;
	spin_lock_init(&world.vd.lock, RANK_HVM);
	list_init(&world.vd.devices);
	fake.memory_at = BAR_AT;
	fake.messages_log2 = data[15] % 6;
	fake.forbidden = 0xfee00000;
	fake.forbidden_end = 0xfee04000;
	heap = heap_bytes_used();
	for (unsigned i = 0; i < NR; i++) {
		device(i, data + i * 5);
		world.dev[i].sbdf = fake.dev[i].s;
		require(!vpci_init(&world.vp[i], &world.vd, &world.dev[i]));
	}
	data += 16;
	size -= 16;
	for (unsigned n = 0; size >= 8 && n < 400; data += 8, size -= 8, n++)
		step(data);
	check();
	for (unsigned i = 0; i < NR; i++)
		vpci_fini(&world.vp[i]);
	require(fake.opened == fake.closed && heap_bytes_used() == heap);
	for (unsigned i = 0; i < NR; i++) {
		enum p2m_type type;

		p2m_lookup(world.d, gfn((BAR_AT + i * 0x1000u) >> PAGE_SHIFT), &type, NULL);
		require(type == P2M_INVALID);
	}
	return 0;
}
