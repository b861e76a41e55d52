/*
 * The I/O APICs: Intel 82093AA datasheet, ACPI 6.5 5.2.12. Everything masked but what Hospes uses itself and what a
 * domain's own kernel drives (asm/irq.h).
 *
 * A register is reached through an index and a window, so two accesses belong together. They are guarded by a bare
 * flag, with interrupts off: the handler of a level interrupt masks its pin, and may have interrupted the holder of
 * any lock.
 */
#include "asm/apic.h"

#include "asm/cpu.h"
#include "asm/io.h"
#include "asm/irq.h"
#include "asm/paging.h"
#include "asm/pcpu.h"
#include "hv/acpi.h"
#include "hv/errno.h"
#include "hv/iommu.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"

#include "irq.h"

#define REG_VERSION 0x01u
#define REG_ENTRY(pin) (0x10u + 2 * (pin))
#define REG_EOI 0x40u /* beside index and window, from version 20h on */
#define ENTRY_MASKED (1u << 16)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_LOW (1u << 13)
#define MAX_PINS 256u

struct pin {
	bool own;	      /* Hospes uses it */
	uint32_t entry;	      /* low half as written, without the mask */
	struct host_irq *irq; /* of a domain; NULL: none */
};

struct ioapic {
	volatile uint8_t *mmio;
	uint8_t id;
	bool has_eoi; /* the end of an interrupt can be told to it directly */
	uint32_t gsi_base, pins;
	struct pin *pin; /* [pins], guarded by ioapic.lock */
};

static struct {
	unsigned nr;
	spinlock_t lock; /* RANK_IRQ: guards who uses which pin */
	bool busy;	 /* atomic: index and window of some unit are in use; interrupts are off meanwhile */
	struct ioapic unit[ACPI_MAX_IOAPICS];
} ioapic = { .lock = SPINLOCK_INIT(RANK_IRQ) };

static bool regs_begin(void)
{
	bool on = irq_save();

	while (__atomic_exchange_n(&ioapic.busy, true, __ATOMIC_ACQUIRE))
		cpu_pause();
	return on;
}

static void regs_end(bool on)
{
	__atomic_store_n(&ioapic.busy, false, __ATOMIC_RELEASE);
	irq_restore(on);
}

static uint32_t reg_read(const struct ioapic *io, unsigned reg)
{
	bool on = regs_begin();
	uint32_t val;

	mmio_write32(io->mmio, reg);
	val = mmio_read32(io->mmio + 0x10);
	regs_end(on);
	return val;
}

static void reg_write(const struct ioapic *io, unsigned reg, uint32_t val)
{
	bool on = regs_begin();

	mmio_write32(io->mmio, reg);
	mmio_write32(io->mmio + 0x10, val);
	regs_end(on);
}

/* See asm/apic.h. Boot CPU. */
void ioapic_init(void)
{
	for (unsigned i = 0; i < acpi_info.nr_ioapics; i++) {
		struct ioapic *io = &ioapic.unit[ioapic.nr];

		io->mmio = arch_iomap(acpi_info.ioapics[i].address, REG_EOI + 4);
		io->id = acpi_info.ioapics[i].id;
		io->gsi_base = acpi_info.ioapics[i].gsi_base;
		io->pins = (reg_read(io, REG_VERSION) >> 16 & 0xff) + 1;
		io->has_eoi = (reg_read(io, REG_VERSION) & 0xff) >= 0x20;
		io->pin = xzalloc_array(struct pin, io->pins);
		if (!io->pin)
			panic("no memory for an I/O APIC");
		for (unsigned pin = 0; pin < io->pins; pin++)
			reg_write(io, REG_ENTRY(pin), ENTRY_MASKED);
		ioapic.nr++;
		printk(LOG_DEBUG, "I/O APIC %u at %08x: interrupts %u-%u\n", acpi_info.ioapics[i].id,
		       acpi_info.ioapics[i].address, io->gsi_base, io->gsi_base + io->pins - 1);
	}
}

/* The unit and pin of @gsi, NULL if there is none. */
static struct ioapic *find_gsi(uint32_t gsi, unsigned *pin)
{
	for (unsigned i = 0; i < ioapic.nr; i++) {
		struct ioapic *io = &ioapic.unit[i];

		if (gsi >= io->gsi_base && gsi - io->gsi_base < io->pins) {
			*pin = gsi - io->gsi_base;
			return io;
		}
	}
	return NULL;
}

/* The unit and pin of ISA interrupt @irq, NULL if it has none; *@flags its trigger and polarity. */
static struct ioapic *find_isa(unsigned irq, unsigned *pin, uint32_t *flags)
{
	const struct acpi_override *o = acpi_isa_override(irq);

	*flags = (o && o->polarity == 3 ? ENTRY_LOW : 0) | (o && o->trigger == 3 ? ENTRY_LEVEL : 0);
	return find_gsi(o ? o->gsi : irq, pin);
}

/*
 * Write the whole entry of @pin, through the interrupt remapper if there is one; @low carries the mask. RANK_IRQ may
 * be held.
 */
static int entry_write(const struct ioapic *io, unsigned pin, uint32_t low, uint32_t target)
{
	uint64_t rte = low | (uint64_t)target << 56;
	int rc = iommu_intremap() ? iommu_ioapic_entry(io->id, pin, &rte) : 0;

	if (rc)
		return rc;
	/* Masked while the halves do not match. */
	reg_write(io, REG_ENTRY(pin), ENTRY_MASKED);
	reg_write(io, REG_ENTRY(pin) + 1, (uint32_t)(rte >> 32));
	io->pin[pin].entry = (uint32_t)rte & ~ENTRY_MASKED;
	reg_write(io, REG_ENTRY(pin), (uint32_t)rte);
	return 0;
}

/* See asm/apic.h. Boot only. */
int ioapic_route_isa(unsigned irq, unsigned vector)
{
	uint32_t flags, target = pcpu_get(0)->arch.apic_id;
	unsigned pin;
	struct ioapic *io = find_isa(irq, &pin, &flags);

	if (!io || target > 0xff)
		return err(-ENODEV);
	io->pin[pin].own = true;
	return entry_write(io, pin, flags | vector, target);
}

/* See asm/apic.h. */
void ioapic_mask_isa(unsigned irq)
{
	uint32_t flags;
	unsigned pin;
	struct ioapic *io = find_isa(irq, &pin, &flags);

	if (io)
		reg_write(io, REG_ENTRY(pin), ENTRY_MASKED);
}

/* See irq.h. */
void ioapic_mask_gsi(uint32_t gsi)
{
	unsigned pin;
	struct ioapic *io = find_gsi(gsi, &pin);

	if (io)
		reg_write(io, REG_ENTRY(pin), io->pin[pin].entry | ENTRY_MASKED);
}

/*
 * A level interrupt that an IOMMU has remapped is over. The local APIC has said so by the vector it saw, which need
 * not be the one in the entry (AMD IOMMU: that is an index), so the pin may wait for its end still. Old ones forget
 * that they wait when they become edge triggered. The pin is masked.
 */
static void end_of_interrupt(const struct ioapic *io, unsigned pin)
{
	uint32_t entry = io->pin[pin].entry;

	if (io->has_eoi) {
		mmio_write32(io->mmio + REG_EOI, entry & 0xff);
		return;
	}
	reg_write(io, REG_ENTRY(pin), (entry & ~ENTRY_LEVEL) | ENTRY_MASKED);
	reg_write(io, REG_ENTRY(pin), entry | ENTRY_MASKED);
}

/* See irq.h. */
void ioapic_unmask_gsi(uint32_t gsi)
{
	unsigned pin;
	struct ioapic *io = find_gsi(gsi, &pin);

	if (!io || !read_once(io->pin[pin].irq))
		return;
	if ((io->pin[pin].entry & ENTRY_LEVEL) && iommu_intremap())
		end_of_interrupt(io, pin);
	reg_write(io, REG_ENTRY(pin), io->pin[pin].entry);
}

/* See asm/apic.h. */
bool ioapic_gsi_usable(uint32_t gsi)
{
	unsigned pin;
	struct ioapic *io = find_gsi(gsi, &pin);

	return io && !io->pin[pin].own;
}

/* See asm/apic.h. */
unsigned ioapic_count(void)
{
	return ioapic.nr;
}

/* See asm/apic.h. */
unsigned ioapic_pins(unsigned i, uint32_t *gsi_base)
{
	*gsi_base = ioapic.unit[i].gsi_base;
	return ioapic.unit[i].pins;
}

/* See asm/irq.h. Again for the same @irq: trigger and polarity change. */
int ioapic_bind_gsi(uint32_t gsi, struct host_irq *irq, bool level, bool active_low)
{
	uint32_t flags = (level ? ENTRY_LEVEL : 0) | (active_low ? ENTRY_LOW : 0);
	unsigned pin;
	struct ioapic *io = find_gsi(gsi, &pin);
	struct pin *p;
	int rc;

	if (!io)
		return err(-ENODEV);
	p = &io->pin[pin];
	spin_lock(&ioapic.lock);
	if (p->own || (p->irq && p->irq != irq)) {
		spin_unlock(&ioapic.lock);
		return err(-EBUSY);
	}
	reg_write(io, REG_ENTRY(pin), ENTRY_MASKED);
	write_once(irq->level, level);
	irq->gsi = gsi;
	write_once(p->irq, irq);
	rc = entry_write(io, pin, flags | irq->vector, pcpu_get(irq->cpu)->arch.apic_id);
	if (rc)
		write_once(p->irq, NULL);
	spin_unlock(&ioapic.lock);
	return rc;
}

/* See asm/irq.h. */
void ioapic_unbind_gsi(uint32_t gsi)
{
	unsigned pin;
	struct ioapic *io = find_gsi(gsi, &pin);

	if (!io)
		return;
	spin_lock(&ioapic.lock);
	if (io->pin[pin].irq) {
		write_once(io->pin[pin].irq, NULL);
		reg_write(io, REG_ENTRY(pin), ENTRY_MASKED);
	}
	spin_unlock(&ioapic.lock);
}
