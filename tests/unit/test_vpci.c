/*
 * What a domain sees of its PCI functions: headers, BARs and their pages, MSI, MSI-X, on a fake configuration space. Against PCI Local Bus 3.0
 * chapter 6 and what Linux does to registers when it sizes, moves and resets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/p2m.h"
#include "pci_fake.h"

#define BAR_AT 0xe0000000u
#define MSI_AT 0x50u
#define MSIX_AT 0x70u
#define GUEST_MSG 0xfee02000u /* to APIC id 2 */

static struct {
	struct domain *d;
	struct vpci_domain vd;
	struct vpci vp[FAKE_DEVS];
	struct pci_dev dev[FAKE_DEVS];
} t;

static struct fake_dev *begin(void)
{
	host_machine(64 << 20, 1);
	memset(&t, 0, sizeof(t));
	memset(&fake, 0, sizeof(fake));
	t.d = host_domain(1, 1, 16, 0);
	t.vd.d = t.d;
	spin_lock_init(&t.vd.lock, RANK_HVM);
	list_init(&t.vd.devices);
	fake.memory_at = BAR_AT;
	return fake_add(0, 3, 0);
}

static struct vpci *start(unsigned i)
{
	t.dev[i].sbdf = fake.dev[i].s;
	assert_int_equal(vpci_init(&t.vp[i], &t.vd, &t.dev[i]), 0);
	return &t.vp[i];
}

static bool mapped(uint64_t addr)
{
	enum p2m_type type;
	mfn_t m = p2m_lookup(t.d, gfn(addr >> PAGE_SHIFT), &type, NULL);

	return type == P2M_MMIO_DIRECT && m.v == addr >> PAGE_SHIFT;
}

static uint32_t rd(unsigned reg)
{
	return vpci_dev_read(&t.vp[0], reg, 4);
}

static void wr(unsigned reg, uint32_t val)
{
	vpci_dev_write(&t.vp[0], reg, 4, val);
}

static void command(uint16_t val)
{
	vpci_dev_write(&t.vp[0], PCI_COMMAND, 2, val);
}

/* Size as Linux finds it, by writing ones and putting the value back. */
static uint32_t sized(unsigned reg)
{
	uint32_t was = rd(reg), bits;

	wr(reg, ~0u);
	bits = rd(reg);
	wr(reg, was);
	assert_int_equal(rd(reg), was);
	return bits;
}

static void bars_are_sized(void **state)
{
	struct fake_dev *f = begin();

	fake_bar(f, 0, BAR_AT, 0x4000, 0);
	fake_bar(f, 1, 0x400000000, 0x100000000, PCI_BAR_TYPE_64 | PCI_BAR_PREFETCH);
	fake_bar(f, 4, 0, 0, PCI_BAR_IO);
	put(f->cfg, PCI_BAR0 + 16, 4, 0xc001);
	put(f->writable, PCI_BAR0 + 16, 4, 0xffe0);
	put(f->writable, PCI_ROM, 4, FAKE_ROM_MASK);
	start(0);
	assert_int_equal(t.vp[0].bars[0].size, 0x4000);
	assert_int_equal(t.vp[0].bars[1].size, 0x100000000);
	assert_int_equal(t.vp[0].bars[2].kind, VPCI_BAR_HIGH);
	assert_int_equal(t.vp[0].bars[4].kind, VPCI_BAR_NONE);
	assert_int_equal(t.vp[0].bars[VPCI_ROM].size, 0x10000);
	/* What was there is there again. */
	assert_int_equal(rd(PCI_BAR0), BAR_AT);
	assert_int_equal(rd(PCI_BAR0 + 8), 4);
	assert_int_equal(sized(PCI_BAR0), 0xffffc000);
	assert_int_equal(sized(PCI_BAR0 + 4), 0xc);
	assert_int_equal(sized(PCI_BAR0 + 8), 0xffffffff);
	assert_int_equal(sized(PCI_BAR0 + 12), 0);
	assert_int_equal(sized(PCI_BAR0 + 16), 0xffe1);
	wr(PCI_ROM, PCI_ROM_MASK);
	assert_int_equal(rd(PCI_ROM), 0xffff0000);
	wr(PCI_ROM, 0);
	/* The device itself never held the ones. */
	assert_int_equal(fake_get(f->s, PCI_BAR0, 4), BAR_AT);
}

static void decoding_maps(void **state)
{
	struct fake_dev *f = begin();

	fake_bar(f, 0, BAR_AT, 0x4000, 0);
	start(0);
	assert_false(mapped(BAR_AT));
	command(PCI_COMMAND_MEMORY);
	assert_true(mapped(BAR_AT));
	assert_true(mapped(BAR_AT + 0x3000));
	assert_false(mapped(BAR_AT + 0x4000));
	/* Sizing with decoding on, as for host bridges, disturbs nothing. */
	assert_int_equal(sized(PCI_BAR0), 0xffffc000);
	assert_true(mapped(BAR_AT));
	/* Moved while decoding. */
	wr(PCI_BAR0, 0xe1000000);
	assert_false(mapped(BAR_AT));
	assert_true(mapped(0xe1000000));
	assert_int_equal(fake_get(f->s, PCI_BAR0, 4), 0xe1000000);
	/* Byte by byte: the high byte of the command register leaves the low one alone. */
	vpci_dev_write(&t.vp[0], PCI_COMMAND + 1, 1, 4);
	assert_int_equal(rd(PCI_COMMAND) & 0xffff, 0x402);
	assert_true(mapped(0xe1000000));
	vpci_dev_write(&t.vp[0], PCI_COMMAND, 1, 0);
	assert_false(mapped(0xe1000000));
	assert_int_equal(rd(PCI_COMMAND) & 0xffff, 0x400);
}

static void firmware_left_decoding_on(void **state)
{
	struct fake_dev *f = begin();

	fake_bar(f, 0, BAR_AT, 0x4000, 0);
	put(f->cfg, PCI_COMMAND, 2, 7);
	start(0);
	assert_true(mapped(BAR_AT));
	assert_int_equal(fake_get(f->s, PCI_COMMAND, 2), 7);
	vpci_fini(&t.vp[0]);
	assert_false(mapped(BAR_AT));
}

static void status_is_the_devices(void **state)
{
	struct fake_dev *f = begin();

	start(0);
	put(f->cfg, PCI_STATUS, 2, 0xf900);
	/* One write of both halves; a write of half of it must not clear the rest. */
	wr(PCI_COMMAND, 0x10000000 | PCI_COMMAND_MASTER);
	assert_int_equal(fake_get(f->s, PCI_STATUS, 2), 0xe900);
	assert_int_equal(fake_get(f->s, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	vpci_dev_write(&t.vp[0], PCI_STATUS + 1, 1, 0x20);
	assert_int_equal(fake_get(f->s, PCI_STATUS, 2), 0xc900);
}

static void forbidden_places(void **state)
{
	struct fake_dev *f = begin();

	fake.forbidden = 0xfec00000;
	fake.forbidden_end = 0xff000000;
	fake_bar(f, 0, BAR_AT, 0x4000, 0);
	start(0);
	command(PCI_COMMAND_MEMORY);
	wr(PCI_BAR0, 0xfee00000);
	assert_false(mapped(0xfee00000));
	assert_false(mapped(BAR_AT));
	assert_int_equal(rd(PCI_BAR0), 0xfee00000); /* as it was written */
	assert_int_equal(fake_get(f->s, PCI_BAR0, 4), BAR_AT);
	command(0);
	command(PCI_COMMAND_MEMORY);
	assert_int_equal(rd(PCI_COMMAND) & 0xffff, 0);
	/* Over the domain's own RAM: its map refuses. */
	wr(PCI_BAR0, 0x4000);
	command(PCI_COMMAND_MEMORY);
	assert_false(mapped(0x4000));
	wr(PCI_BAR0, BAR_AT);
	command(PCI_COMMAND_MEMORY);
	assert_true(mapped(BAR_AT));
}

static void reset_behind_the_back(void **state)
{
	struct fake_dev *f = begin();

	fake_bar(f, 0, BAR_AT, 0x4000, 0);
	fake_msi(f, MSI_AT, PCI_MSI_64);
	start(0);
	command(PCI_COMMAND_MEMORY);
	wr(MSI_AT + 4, GUEST_MSG);
	vpci_dev_write(&t.vp[0], MSI_AT + 2, 2, 1);
	/* A function level reset: what the guest reads must say so. */
	put(f->cfg, PCI_BAR0, 4, 0);
	put(f->cfg, PCI_COMMAND, 2, 0);
	put(f->cfg, MSI_AT + 2, 2, PCI_MSI_64);
	memset(f->cfg + MSI_AT + 4, 0, 10);
	assert_int_equal(rd(PCI_BAR0), 0);
	wr(PCI_BAR0, BAR_AT);
	command(PCI_COMMAND_MEMORY);
	vpci_dev_write(&t.vp[0], MSI_AT + 2, 2, 1);
	assert_int_equal(fake_get(f->s, PCI_BAR0, 4), BAR_AT);
	assert_int_equal(fake_get(f->s, MSI_AT + 4, 4), 0xfee01000);
	assert_int_equal(fake_get(f->s, MSI_AT + 2, 2), PCI_MSI_64 | 1);
	assert_true(mapped(BAR_AT));
}

static void pages_are_shared(void **state)
{
	struct fake_dev *f = begin(), *g = fake_add(0, 4, 0);

	fake_bar(f, 0, BAR_AT, 0x400, 0);
	fake_bar(g, 0, BAR_AT + 0x800, 0x400, 0);
	start(0);
	start(1);
	command(PCI_COMMAND_MEMORY);
	vpci_dev_write(&t.vp[1], PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(mapped(BAR_AT));
	command(0);
	assert_true(mapped(BAR_AT)); /* the other one's still */
	vpci_dev_write(&t.vp[1], PCI_COMMAND, 2, 0);
	assert_false(mapped(BAR_AT));
}

static void large_bar_in_large_pages(void **state)
{
	struct fake_dev *f = begin();
	unsigned order;

	fake_bar(f, 0, 0x4000000000, 0x100000000, PCI_BAR_TYPE_64);
	start(0);
	command(PCI_COMMAND_MEMORY);
	assert_true(mapped(0x4000000000));
	assert_true(mapped(0x40fffff000));
	p2m_lookup(t.d, gfn(0x4000000), NULL, &order);
	assert_true(order >= ORDER_2M);
	/* In two halves, the first of which names RAM of nobody but also no place. */
	wr(PCI_BAR0 + 4, 0x50);
	assert_true(mapped(0x5000000000));
	assert_false(mapped(0x4000000000));
	assert_int_equal(fake_get(f->s, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
}

static void bridges_and_others(void **state)
{
	struct fake_dev *f = begin();

	f->cfg[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
	fake_bar(f, 0, BAR_AT, 0x1000, 0);
	put(f->writable, 0x18, 4, 0xffffffff);
	start(0);
	assert_int_equal(t.vp[0].nr_bars, 2);
	wr(0x18, 0x00020100);
	assert_int_equal(fake_get(f->s, 0x18, 4), 0x00020100);
	assert_int_equal(vpci_bar_at(&t.vp[0], 0x18, &(unsigned){ 0 }), NULL);
}

static void unaligned_accesses(void **state)
{
	struct fake_dev *f = begin();

	fake_bar(f, 0, BAR_AT, 0x1000, 0);
	start(0);
	assert_int_equal(vpci_dev_read(&t.vp[0], PCI_BAR0 + 1, 4), BAR_AT >> 8);
	assert_int_equal(vpci_dev_read(&t.vp[0], PCI_BAR0 + 3, 2), BAR_AT >> 24);
	assert_int_equal(vpci_dev_read(&t.vp[0], 1, 2), 0x7812);
	vpci_dev_write(&t.vp[0], PCI_BAR0 + 2, 2, 0xe123);
	assert_int_equal(rd(PCI_BAR0), 0xe1230000);
	vpci_dev_write(&t.vp[0], PCI_BAR0 + 1, 4, 0x00e23450);
	assert_int_equal(rd(PCI_BAR0), 0xe2345000);
}

static void msi_is_delivered(void **state)
{
	struct fake_dev *f = begin();
	struct vpci *vp;

	fake_msi(f, MSI_AT, PCI_MSI_64 | PCI_MSI_MASKABLE | 3 << PCI_MSI_CAPABLE_SHIFT);
	vp = start(0);
	/* One message is offered. */
	assert_int_equal(rd(MSI_AT) >> 16, PCI_MSI_64 | PCI_MSI_MASKABLE);
	wr(MSI_AT + 4, GUEST_MSG);
	wr(MSI_AT + 8, 0);
	vpci_dev_write(vp, MSI_AT + 12, 2, 0x4033);
	wr(MSI_AT + 16, 0);
	assert_int_equal(fake.opened, 0);
	vpci_dev_write(vp, MSI_AT + 2, 2, PCI_MSI_ENABLE | 3 << PCI_MSI_ENABLED_SHIFT);
	assert_int_equal(fake.opened, 1);
	assert_int_equal(rd(MSI_AT) >> 16, PCI_MSI_64 | PCI_MSI_MASKABLE | PCI_MSI_ENABLE);
	/* The device has Hospes' message, the guest reads its own. */
	assert_int_equal(fake_get(f->s, MSI_AT + 4, 4), 0xfee01000);
	assert_int_equal(fake_get(f->s, MSI_AT + 12, 2), 0x40);
	assert_int_equal(rd(MSI_AT + 4), GUEST_MSG);
	assert_int_equal(rd(MSI_AT + 12) & 0xffff, 0x4033);
	vpci_vector_deliver(&vp->msi->vectors[0].host.irq);
	assert_int_equal(fake.injected, 1);
	assert_int_equal(fake.last.dest, 2);
	assert_int_equal(fake.last.vector, 0x33);
	assert_false(fake.last.logical);
	/* The guest moves it: no write to the device. */
	f->writes = 0;
	wr(MSI_AT + 4, 0xfee0400c);
	assert_int_equal(f->writes, 0);
	vpci_vector_deliver(&vp->msi->vectors[0].host.irq);
	assert_int_equal(fake.last.dest, 4);
	assert_int_equal(fake.last.mode, APIC_DM_LOWEST);
	wr(MSI_AT + 16, 1);
	assert_int_equal(fake_get(f->s, MSI_AT + 16, 4), 1);
	vpci_dev_write(vp, MSI_AT + 2, 2, 0);
	assert_int_equal(fake.closed, 1);
	assert_int_equal(fake_get(f->s, MSI_AT + 2, 2) & 1, 0);
}

static void msi_to_nowhere(void **state)
{
	struct fake_dev *f = begin();
	struct vpci *vp;

	fake_msi(f, MSI_AT, PCI_MSI_64);
	vp = start(0);
	wr(MSI_AT + 4, 0x1000);
	vpci_dev_write(vp, MSI_AT + 2, 2, 1);
	vpci_vector_deliver(&vp->msi->vectors[0].host.irq);
	wr(MSI_AT + 4, GUEST_MSG);
	wr(MSI_AT + 8, 1);
	vpci_vector_deliver(&vp->msi->vectors[0].host.irq);
	wr(MSI_AT + 8, 0);
	vpci_dev_write(vp, MSI_AT + 12, 2, 2 << 8); /* SMI */
	vpci_vector_deliver(&vp->msi->vectors[0].host.irq);
	assert_int_equal(fake.injected, 0);
	/* Without a vector it stays off and says so. */
	vpci_dev_write(vp, MSI_AT + 2, 2, 0);
	fake.open_error = -ENOSPC;
	vpci_dev_write(vp, MSI_AT + 2, 2, 1);
	assert_int_equal(rd(MSI_AT) >> 16 & 1, 0);
	assert_int_equal(fake_get(f->s, MSI_AT + 2, 2) & 1, 0);
}

static void msi_of_several_messages(void **state)
{
	struct fake_dev *f = begin();
	struct vpci *vp;

	fake.messages_log2 = 5;
	fake_msi(f, MSI_AT, PCI_MSI_64 | 3 << PCI_MSI_CAPABLE_SHIFT);
	vp = start(0);
	assert_int_equal(rd(MSI_AT) >> 16, PCI_MSI_64 | 3 << PCI_MSI_CAPABLE_SHIFT);
	wr(MSI_AT + 4, GUEST_MSG);
	vpci_dev_write(vp, MSI_AT + 12, 2, 0x47); /* its low bits are the device's to set */
	vpci_dev_write(vp, MSI_AT + 2, 2, PCI_MSI_ENABLE | 2 << PCI_MSI_ENABLED_SHIFT);
	assert_int_equal(fake.opened, 4);
	assert_int_equal(fake_get(f->s, MSI_AT + 2, 2) & 0x71, PCI_MSI_ENABLE | 2 << PCI_MSI_ENABLED_SHIFT);
	assert_int_equal(fake_get(f->s, MSI_AT + 12, 2), 0x40);
	for (unsigned i = 0; i < 4; i++) {
		vpci_vector_deliver(&vp->msi->vectors[i].host.irq);
		assert_int_equal(fake.last.vector, 0x44 + i);
	}
	/* Another number: all anew. More than there are: all. */
	vpci_dev_write(vp, MSI_AT + 2, 2, PCI_MSI_ENABLE | 5 << PCI_MSI_ENABLED_SHIFT);
	assert_int_equal(fake.closed, 4);
	assert_int_equal(fake.opened, 12);
	assert_int_equal(rd(MSI_AT) >> 20 & 7, 3);
	vpci_fini(vp);
	assert_int_equal(fake.closed, 12);
}

#define TABLE 0x2000u
#define PBA 0x2800u

static uint64_t mm(uint64_t offset, unsigned size)
{
	return vpci_msix_mmio_read(&t.vd, BAR_AT + offset, size);
}

static void mmw(uint64_t offset, unsigned size, uint64_t val)
{
	vpci_msix_mmio_write(&t.vd, BAR_AT + offset, size, val);
}

static uint32_t hw(unsigned offset)
{
	uint32_t val;

	memcpy(&val, fake.dev[0].memory + offset, 4);
	return val;
}

static struct vpci *msix_begin(void)
{
	struct fake_dev *f = begin();

	fake_bar(f, 0, BAR_AT, 0x4000, 0);
	fake_msix(f, MSIX_AT, 4, TABLE, PBA);
	return start(0);
}

static void msix_table_is_trapped(void **state)
{
	struct vpci *vp = msix_begin();

	command(PCI_COMMAND_MEMORY);
	assert_true(mapped(BAR_AT + 0x1000));
	assert_false(mapped(BAR_AT + TABLE));
	assert_true(mapped(BAR_AT + 0x3000));
	assert_int_equal(fake.nr_traps, 1);
	/* Out of reset: masked, and quiet. */
	assert_int_equal(mm(TABLE + 12, 4), 1);
	mmw(TABLE, 4, GUEST_MSG);
	mmw(TABLE + 8, 8, 0x0000000000000041); /* data, and unmasked, at once */
	assert_int_equal(mm(TABLE, 8), GUEST_MSG);
	assert_int_equal(mm(TABLE + 8, 8), 0x41);
	assert_int_equal(fake.opened, 0);
	assert_int_equal(hw(TABLE + 12), 1);
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	assert_int_equal(fake.opened, 1);
	assert_int_equal(hw(TABLE), 0xfee01000);
	assert_int_equal(hw(TABLE + 8), 0x40);
	assert_int_equal(hw(TABLE + 12), 0);
	assert_int_equal(hw(TABLE + 28), 1);
	assert_int_equal(rd(MSIX_AT) >> 16, PCI_MSIX_ENABLE | 3);
	vpci_vector_deliver(&vp->msix->entries[0].vector->host.irq);
	assert_int_equal(fake.last.vector, 0x41);
	/* Another is unmasked while on, masked, moved and unmasked again: one vector. */
	mmw(TABLE + 16, 4, GUEST_MSG);
	mmw(TABLE + 24, 4, 0x52);
	mmw(TABLE + 28, 4, 0);
	assert_int_equal(fake.opened, 2);
	mmw(TABLE + 28, 4, 1);
	assert_int_equal(hw(TABLE + 28), 1);
	mmw(TABLE + 24, 4, 0x53);
	mmw(TABLE + 28, 4, 0);
	assert_int_equal(fake.opened, 2);
	vpci_vector_deliver(&vp->msix->entries[1].vector->host.irq);
	assert_int_equal(fake.last.vector, 0x53);
	vpci_dev_write(vp, MSIX_AT + 2, 2, 0);
	assert_int_equal(fake.closed, 2);
	vpci_fini(vp);
}

static void msix_function_mask(void **state)
{
	struct vpci *vp = msix_begin();

	command(PCI_COMMAND_MEMORY);
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASKALL);
	assert_int_equal(rd(MSIX_AT) >> 16, PCI_MSIX_ENABLE | PCI_MSIX_MASKALL | 3);
	mmw(TABLE + 12, 4, 0);
	assert_int_equal(fake_get(vp->sbdf, MSIX_AT + 2, 2), PCI_MSIX_ENABLE | PCI_MSIX_MASKALL | 3);
	assert_int_equal(hw(TABLE + 12), 0);
	/* A reset wipes the device's table; the guest restores it with everything masked. */
	put(fake.dev[0].memory, TABLE, 4, 0);
	fake.dev[0].memory[TABLE + 12] = 1;
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	assert_int_equal(hw(TABLE), 0xfee01000);
	assert_int_equal(hw(TABLE + 12), 0);
	assert_int_equal(fake_get(vp->sbdf, MSIX_AT + 2, 2), PCI_MSIX_ENABLE | 3);
	vpci_fini(vp);
	assert_int_equal(fake.opened, fake.closed);
	assert_int_equal(fake_get(vp->sbdf, MSIX_AT + 2, 2), 3);
}

static void msix_before_decoding(void **state)
{
	struct vpci *vp = msix_begin();

	mmw(TABLE + 12, 4, 0); /* nothing is there */
	assert_int_equal(mm(TABLE + 12, 4) & 0xffffffff, 0xffffffff);
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	assert_int_equal(fake_get(vp->sbdf, MSIX_AT + 2, 2), PCI_MSIX_ENABLE | PCI_MSIX_MASKALL | 3);
	command(PCI_COMMAND_MEMORY);
	assert_int_equal(fake_get(vp->sbdf, MSIX_AT + 2, 2), PCI_MSIX_ENABLE | 3);
	vpci_fini(vp);
}

static void registers_beside_the_table(void **state)
{
	struct vpci *vp = msix_begin();

	command(PCI_COMMAND_MEMORY);
	put(fake.dev[0].memory, PBA, 4, 0x5);
	put(fake.dev[0].memory, 0x2ffc, 4, 0x12345678);
	assert_int_equal(mm(PBA, 4), 5);
	assert_int_equal(mm(PBA, 8), 5);
	assert_int_equal(mm(0x2ffc, 2), 0x5678);
	assert_int_equal(mm(0x2fff, 1), 0x12);
	mmw(0x2ffe, 2, 0xabcd);
	mmw(0x2100, 8, 0x1122334455667788);
	assert_int_equal(hw(0x2ffc), 0xabcd5678);
	assert_int_equal(hw(0x2104), 0x11223344);
	/* What the specification does not allow in the table does nothing; an access must not leave the page. */
	mmw(TABLE + 12, 1, 0);
	mmw(TABLE + 10, 4, 0);
	mmw(TABLE - 4, 8, 0);
	assert_int_equal(vp->msix->entries[0].masked, true);
	assert_int_equal(mm(0x2ffe, 4), ~0UL);
	assert_int_equal(vpci_msix_mmio_read(&t.vd, 0xd0000000, 4), ~0UL);
	vpci_fini(vp);
}

/* What is left in the device from before must not fire: its vector may be another's by now. */
static void msix_old_entries_are_masked(void **state)
{
	struct vpci *vp = msix_begin();

	command(PCI_COMMAND_MEMORY);
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	mmw(TABLE + 12, 4, 0);
	mmw(TABLE + 28, 4, 0);
	vpci_dev_write(vp, MSIX_AT + 2, 2, 0);
	assert_int_equal(fake.closed, 2);
	mmw(TABLE + 12, 4, 1);
	mmw(TABLE + 28, 4, 1);
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	assert_int_equal(hw(TABLE + 12), 1);
	/* Nor if no vector can be had for one that stays unmasked. */
	mmw(TABLE + 12, 4, 0);
	vpci_dev_write(vp, MSIX_AT + 2, 2, 0);
	fake.open_error = -ENOSPC;
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	assert_int_equal(hw(TABLE + 12), 1);
	assert_int_equal(hw(TABLE + 28), 1);
	vpci_fini(vp);
}

static void msix_without_vectors(void **state)
{
	struct vpci *vp = msix_begin();

	command(PCI_COMMAND_MEMORY);
	fake.open_error = -ENOSPC;
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	mmw(TABLE + 12, 4, 0);
	assert_int_equal(hw(TABLE + 12), 1);
	fake.open_error = 0;
	mmw(TABLE + 12, 4, 1);
	mmw(TABLE + 12, 4, 0);
	assert_int_equal(hw(TABLE + 12), 0);
	vpci_fini(vp);
}

static void msix_pointing_nowhere(void **state)
{
	struct fake_dev *f = begin();
	struct vpci *vp;

	fake_bar(f, 0, BAR_AT, 0x1000, 0);
	fake_msix(f, MSIX_AT, 256, 0x800, 0); /* 4 KiB do not fit behind the first 2 */
	vp = start(0);
	command(PCI_COMMAND_MEMORY);
	assert_true(mapped(BAR_AT));
	vpci_dev_write(vp, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
	assert_int_equal(fake_get(vp->sbdf, MSIX_AT + 2, 2) & PCI_MSIX_ENABLE, 0);
	vpci_fini(vp);
}

static void table_in_a_shared_page(void **state)
{
	struct fake_dev *f = begin(), *g = fake_add(0, 4, 0);

	fake_bar(f, 0, BAR_AT, 0x800, 0);
	fake_msix(f, MSIX_AT, 2, 0x400, 0x600);
	fake_bar(g, 0, BAR_AT + 0x800, 0x800, 0);
	start(0);
	start(1);
	vpci_dev_write(&t.vp[1], PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(mapped(BAR_AT));
	command(PCI_COMMAND_MEMORY);
	assert_false(mapped(BAR_AT));
	put(fake.dev[0].memory, 0x900, 4, 77);
	assert_int_equal(mm(0x900, 4), 77);
	assert_int_equal(mm(0x40c, 4), 1);
}

static void extended_capabilities(void **state)
{
	struct fake_dev *f = begin();

	put(f->cfg, 0x100, 4, 0x14010015);
	put(f->cfg, 0x104, 4, 0xfff0);
	put(f->cfg, 0x108, 4, 8 << 8 | 1 << 5);
	put(f->writable, 0x108, 4, 0x3f00);
	put(f->cfg, 0x140, 4, 0x00010010);
	put(f->cfg, 0x148, 4, 0);
	put(f->writable, 0x148, 4, 0x1f);
	put(f->cfg, 0x14c, 4, 0x00080008);
	start(0);
	/* The size it has, no other. */
	assert_int_equal(rd(0x104), 0x1000);
	wr(0x108, 9 << 8);
	assert_int_equal(rd(0x108), 8 << 8 | 1 << 5);
	assert_int_equal(rd(0x14c), 0);
	wr(0x148, 1);
	assert_int_equal(fake_get(f->s, 0x148, 4), 0);
}

static void hidden_functions(void **state)
{
	struct fake_dev *f = begin();

	assert_int_equal(vpci_hidden_read(f->s, 0, 4), 0xffffffff);
	f->cfg[PCI_HEADER_TYPE] = PCI_HEADER_MULTI;
	assert_int_equal(vpci_hidden_read(f->s, 0, 2), 0x5853);
	assert_int_equal(vpci_hidden_read(f->s, PCI_HEADER_TYPE, 1), PCI_HEADER_MULTI);
	assert_int_equal(vpci_hidden_read(f->s, PCI_BAR0, 4), 0);
	f->s.devfn |= 1;
	assert_int_equal(vpci_hidden_read(f->s, 0, 2), 0xffff);
}

static void cf8(void **state)
{
	struct pci_sbdf s;
	unsigned reg;

	assert_true(vpci_cf8_decode(0x8001fa40, 0xcfe, 2, &s, &reg));
	assert_int_equal(s.bus, 1);
	assert_int_equal(s.devfn, 0xfa);
	assert_int_equal(reg, 0x42);
	assert_false(vpci_cf8_decode(0x0001fa40, 0xcfc, 4, &s, &reg));
	assert_false(vpci_cf8_decode(0x8001fa40, 0xcfd, 4, &s, &reg));
	assert_false(vpci_cf8_decode(0x8001fa40, 0xcfa, 4, &s, &reg));
}

static void messages_are_packed(void **state)
{
	struct apic_msg m;

	assert_int_equal(vpci_pack_message(0xfed00000, 0x41), 0);
	assert_false(vpci_unpack_message(0, &m));
	assert_true(vpci_unpack_message(vpci_pack_message(0xfeeff004, 0x8141), &m));
	assert_int_equal(m.dest, 0xff);
	assert_true(m.logical);
	assert_false(m.x2apic);
	assert_int_equal(m.mode, APIC_DM_LOWEST);
	assert_true(m.level);
	/* Extended destination: bits 11:5. */
	assert_true(vpci_unpack_message(vpci_pack_message(0xfee02020, 0x41), &m));
	assert_int_equal(m.dest, 0x102);
	assert_true(m.x2apic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bars_are_sized),
		cmocka_unit_test(decoding_maps),
		cmocka_unit_test(firmware_left_decoding_on),
		cmocka_unit_test(status_is_the_devices),
		cmocka_unit_test(forbidden_places),
		cmocka_unit_test(reset_behind_the_back),
		cmocka_unit_test(pages_are_shared),
		cmocka_unit_test(large_bar_in_large_pages),
		cmocka_unit_test(bridges_and_others),
		cmocka_unit_test(unaligned_accesses),
		cmocka_unit_test(msi_is_delivered),
		cmocka_unit_test(msi_of_several_messages),
		cmocka_unit_test(msi_to_nowhere),
		cmocka_unit_test(msix_table_is_trapped),
		cmocka_unit_test(msix_function_mask),
		cmocka_unit_test(msix_before_decoding),
		cmocka_unit_test(registers_beside_the_table),
		cmocka_unit_test(msix_old_entries_are_masked),
		cmocka_unit_test(msix_without_vectors),
		cmocka_unit_test(msix_pointing_nowhere),
		cmocka_unit_test(table_in_a_shared_page),
		cmocka_unit_test(extended_capabilities),
		cmocka_unit_test(hidden_functions),
		cmocka_unit_test(cf8),
		cmocka_unit_test(messages_are_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
