/* The I/O APICs: Intel 82093AA datasheet, ACPI 6.5 5.2.12. Everything masked but what Hospes uses itself. */
#include "asm/apic.h"

#include "asm/io.h"
#include "asm/paging.h"
#include "asm/pcpu.h"
#include "hv/acpi.h"
#include "hv/errno.h"
#include "hv/pcpu.h"
#include "hv/printk.h"

#define REG_VERSION 0x01u
#define REG_ENTRY(pin) (0x10u + 2 * (pin))
#define ENTRY_MASKED (1u << 16)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_LOW (1u << 13)

static struct {
	unsigned nr;
	struct ioapic {
		volatile uint8_t *mmio;
		uint32_t gsi_base, pins;
	} unit[ACPI_MAX_IOAPICS];
} ioapic;

static uint32_t reg_read(const struct ioapic *io, unsigned reg)
{
	mmio_write32(io->mmio, reg);
	return mmio_read32(io->mmio + 0x10);
}

static void reg_write(const struct ioapic *io, unsigned reg, uint32_t val)
{
	mmio_write32(io->mmio, reg);
	mmio_write32(io->mmio + 0x10, val);
}

/* See asm/apic.h. Boot CPU. */
void ioapic_init(void)
{
	for (unsigned i = 0; i < acpi_info.nr_ioapics; i++) {
		struct ioapic *io = &ioapic.unit[ioapic.nr];

		io->mmio = arch_iomap(acpi_info.ioapics[i].address, 0x20);
		io->gsi_base = acpi_info.ioapics[i].gsi_base;
		io->pins = (reg_read(io, REG_VERSION) >> 16 & 0xff) + 1;
		for (unsigned pin = 0; pin < io->pins; pin++)
			reg_write(io, REG_ENTRY(pin), ENTRY_MASKED);
		ioapic.nr++;
		printk(LOG_DEBUG, "I/O APIC %u at %08x: interrupts %u-%u\n", acpi_info.ioapics[i].id,
		       acpi_info.ioapics[i].address, io->gsi_base, io->gsi_base + io->pins - 1);
	}
}

/* The unit and pin of ISA interrupt @irq, NULL if it has none; *@flags its trigger and polarity. */
static const struct ioapic *find_isa(unsigned irq, unsigned *pin, uint32_t *flags)
{
	const struct acpi_override *o = acpi_isa_override(irq);
	uint32_t gsi = o ? o->gsi : irq;

	*flags = (o && o->polarity == 3 ? ENTRY_LOW : 0) | (o && o->trigger == 3 ? ENTRY_LEVEL : 0);
	for (unsigned i = 0; i < ioapic.nr; i++) {
		const struct ioapic *io = &ioapic.unit[i];

		if (gsi >= io->gsi_base && gsi - io->gsi_base < io->pins) {
			*pin = gsi - io->gsi_base;
			return io;
		}
	}
	return NULL;
}

/* See asm/apic.h. Boot only. */
int ioapic_route_isa(unsigned irq, unsigned vector)
{
	uint32_t flags, target = pcpu_get(0)->arch.apic_id;
	unsigned pin;
	const struct ioapic *io = find_isa(irq, &pin, &flags);

	if (!io || target > 0xff)
		return err(-ENODEV);
	reg_write(io, REG_ENTRY(pin) + 1, target << 24);
	reg_write(io, REG_ENTRY(pin), flags | vector);
	return 0;
}

/* See asm/apic.h. */
void ioapic_mask_isa(unsigned irq)
{
	uint32_t flags;
	unsigned pin;
	const struct ioapic *io = find_isa(irq, &pin, &flags);

	if (io)
		reg_write(io, REG_ENTRY(pin), ENTRY_MASKED);
}
