/*
 * A machine whose devices the real code drives, in a process: PCI functions behind ports CF8 and CFC and behind memory windows, an I/O APIC, an IOMMU of either kind.
 * For tests linked with the real objects (tests.mk).
 */
#ifndef DEVICE_MACHINE_H
#define DEVICE_MACHINE_H

#include "guest_test.h"
#include "pci_fake_config.h"

#include "iommu_units.h"

#include "asm/apic.h"
#include "asm/cpuid.h"
#include "asm/io.h"
#include "asm/irq.h"
#include "hv/pci_access.h"

void *arch_iomap_try(paddr_t p, size_t size);
void ioapic_mask_gsi(uint32_t gsi);
void ioapic_unmask_gsi(uint32_t gsi);
int ioapic_bind_gsi(uint32_t gsi, struct host_irq *irq, bool level, bool active_low);
void ioapic_unbind_gsi(uint32_t gsi);
void irq_set_handler(unsigned vector, void (*fn)(unsigned vector));
void vga_hand_over(void);

#define IOAPIC_AT 0xfec00000u
#define IOAPIC_PINS 24u
#define MCFG_0 0xb0000000UL   /* segment 0, all buses */
#define MCFG_1 0x1000000000UL /* segment 1, buses 0..15 */
#define BUS_BYTES (1UL << 20)
#define BAR_AT 0xe0000000u
#define BIG_BAR_AT 0x4000000000UL
#define TABLE_AT 0x1000u
#define MSI_AT 0x50u
#define MSIX_AT 0x70u

struct cpu_features cpu_features;

static struct {
	uint32_t cf8;
	bool bound[IOAPIC_PINS];
	uint8_t window[2][BUS_BYTES]; /* of segment 0: nothing; of segment 1: bus 6 */
	unsigned plugged;	      /* so many of the functions are there */
} machine;

/* Ports: configuration space of segment 0 ------------------------------------------------------ */

static struct pci_sbdf selected(uint16_t port, unsigned *reg)
{
	*reg = (machine.cf8 & 0xfc) | (port & 3);
	return (struct pci_sbdf){ 0, (uint8_t)(machine.cf8 >> 16), (uint8_t)(machine.cf8 >> 8) };
}

static uint32_t port_in(uint16_t port, unsigned size)
{
	unsigned reg;
	struct pci_sbdf s = selected(port, &reg);

	assert_true(port >= 0xcfc && port <= 0xcff && machine.cf8 >> 31);
	return fake_get(s, reg, size);
}

static void port_out(uint16_t port, unsigned size, uint32_t val)
{
	unsigned reg;
	struct pci_sbdf s = selected(port, &reg);

	assert_true(port >= 0xcfc && port <= 0xcff && machine.cf8 >> 31);
	fake_set(s, reg, size, val);
}

uint8_t inb(uint16_t port)
{
	return (uint8_t)port_in(port, 1);
}

uint16_t inw(uint16_t port)
{
	return (uint16_t)port_in(port, 2);
}

uint32_t inl(uint16_t port)
{
	return port_in(port, 4);
}

void outb(uint16_t port, uint8_t v)
{
	port_out(port, 1, v);
}

void outw(uint16_t port, uint16_t v)
{
	port_out(port, 2, v);
}

void outl(uint16_t port, uint32_t v)
{
	if (port == 0xcf8)
		machine.cf8 = v;
	else
		port_out(port, 4, v);
}

/* Memory of devices. Each mapping costs a page, as of a table. ------------------------------------- */

void *arch_iomap_try(paddr_t p, size_t size)
{
	void *table = alloc_page();

	if (!table)
		return NULL;
	if (p >= BAR_AT && p + size <= BAR_AT + FAKE_MEMORY)
		return fake.dev[1].memory + (p - BAR_AT);
	assert_int_equal(size, BUS_BYTES);
	return machine.window[p == MCFG_1 + 6 * BUS_BYTES];
}

/* Interrupts ---------------------------------------------------------------------------------------- */

void irq_set_handler(unsigned vector, void (*fn)(unsigned vector))
{
}

void ioapic_mask_gsi(uint32_t gsi)
{
}

void ioapic_unmask_gsi(uint32_t gsi)
{
}

bool ioapic_gsi_usable(uint32_t gsi)
{
	return gsi != 2;
}

unsigned ioapic_count(void)
{
	return 1;
}

unsigned ioapic_pins(unsigned i, uint32_t *gsi_base)
{
	*gsi_base = 0;
	return IOAPIC_PINS;
}

int ioapic_bind_gsi(uint32_t gsi, struct host_irq *irq, bool level, bool active_low)
{
	uint64_t rte = irq->vector;
	int rc = iommu_intremap() ? iommu_ioapic_entry(0, gsi, &rte) : 0;

	machine.bound[gsi] = !rc;
	return rc;
}

void ioapic_unbind_gsi(uint32_t gsi)
{
	machine.bound[gsi] = false;
}

paddr_t apic_paddr(void)
{
	return 0xfee00000;
}

/* Firmware and the screen ------------------------------------------------------------------------------ */

void acpi_enable(void)
{
}

bool acpi_table_at(unsigned i, char sig[4], paddr_t *p)
{
	memcpy(sig, "SSDT", 4);
	*p = 0x7ffe0000;
	return i == 0;
}

void vga_hand_over(void)
{
}

/* Power on -------------------------------------------------------------------------------------------------- */

static const struct pci_sbdf nic = { 0, 0, 0x18 }, disk = { 0, 0, 0x28 }, late = { 0, 9, 0x08 }, far = { 1, 6, 0x10 };

static void plug_all(void)
{
	static const struct fake_dev *f = &fake.dev[4];

	fake.nr = 5;
	memcpy(machine.window[1] + ((unsigned)far.devfn << 12), f->cfg, sizeof(f->cfg));
}

/*
 * The AMD unit's own function; a network card with all that has messages, some memory, and a range firmware reserves for it; a disk with memory of its own in large
 * pages. On demand, on buses that were empty at boot: one more, and one in a segment that only memory leads to. Hospes has not looked yet.
 */
static void machine_on(struct model as)
{
	struct fake_dev *f;

	host_machine(RAM, 1);
	unit_on(as);
	memset(&fake, 0, sizeof(fake));
	memset(&machine, 0, sizeof(machine));
	memset(machine.window, 0xff, sizeof(machine.window));
	acpi_info.ioapics[0].address = IOAPIC_AT;
	acpi_info.nr_mcfg = 2;
	acpi_info.mcfg[0] = (struct acpi_mcfg){ MCFG_0, 0, 0, 255 };
	acpi_info.mcfg[1] = (struct acpi_mcfg){ MCFG_1, 1, 0, 15 };
	f = fake_add(0, 2, 0);
	put(f->cfg, 0x40, 4, amd_capability());
	f = fake_add(0, 3, 0);
	fake_bar(f, 0, BAR_AT, 0x4000, 0);
	fake_msi(f, MSI_AT, PCI_MSI_64 | 3 << PCI_MSI_CAPABLE_SHIFT);
	fake_msix(f, MSIX_AT, 4, TABLE_AT, 0x2000);
	f = fake_add(0, 5, 0);
	fake_bar(f, 0, BIG_BAR_AT, 1UL << 30, PCI_BAR_TYPE_64);
	fake_add(9, 1, 0);
	fake_add(6, 2, 0)->s.segment = 1;
	fake.nr = 3;
}

#endif
