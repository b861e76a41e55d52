/*
 * The machine's configuration space: registers below 256 of segment 0 through ports CF8 and CFC, everything else through the memory windows
 * of ACPI's MCFG table, of which a bus is mapped when it is opened.
 */
#include "hv/pci_access.h"

#include "asm/io.h"
#include "asm/paging.h"
#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pci.h"
#include "hv/pci_regs.h"
#include "hv/printk.h"

#define PORT_ADDRESS 0xcf8u
#define PORT_DATA 0xcfcu
#define ADDRESS_ENABLE (1u << 31)
#define BUS_BYTES (1u << 20) /* of a window */

static struct {
	spinlock_t port;	   /* RANK_PCI_PORT: guards the CF8/CFC pair */
	void **bus[ACPI_MAX_MCFG]; /* atomic; by window, then by bus: where 1 MiB is mapped */
	bool off;		   /* mmcfg=no */
} access = { .port = SPINLOCK_INIT(RANK_PCI_PORT) };

/* The window of @bus, ACPI_MAX_MCFG: none. */
static unsigned window_of(uint16_t segment, uint8_t bus)
{
	for (unsigned i = 0; !access.off && i < acpi_info.nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi_info.mcfg[i];

		if (m->segment == segment && m->base && bus >= m->bus_start && bus <= m->bus_end)
			return i;
	}
	return ACPI_MAX_MCFG;
}

/* Where the register is in mapped memory, or NULL. */
static void *mmcfg_register(struct pci_sbdf s, unsigned reg)
{
	unsigned w = window_of(s.segment, s.bus);
	void **buses = w < ACPI_MAX_MCFG ? __atomic_load_n(&access.bus[w], __ATOMIC_ACQUIRE) : NULL;
	char *base = buses ? __atomic_load_n(&buses[s.bus], __ATOMIC_ACQUIRE) : NULL;

	return base ? base + ((unsigned)s.devfn << 12 | reg) : NULL;
}

/* See hv/pci_access.h. The base is where bus 0 would be, whichever bus comes first (PCI Firmware 3.0, 4.1.2). */
int pci_open_bus(uint16_t segment, uint8_t bus)
{
	unsigned w = window_of(segment, bus);

	if (w == ACPI_MAX_MCFG)
		return segment ? err(-ENODEV) : 0;
	if (!access.bus[w])
		__atomic_store_n(&access.bus[w], xzalloc_array(void *, 256), __ATOMIC_RELEASE);
	if (!access.bus[w])
		return err(-ENOMEM);
	if (!access.bus[w][bus])
		__atomic_store_n(&access.bus[w][bus],
				 arch_iomap_try(acpi_info.mcfg[w].base + (paddr_t)bus * BUS_BYTES, BUS_BYTES),
				 __ATOMIC_RELEASE);
	return access.bus[w][bus] ? 0 : err(-ENOMEM);
}

/* See hv/pci_access.h. */
bool pci_access_init(void)
{
	access.off = !param_bool("mmcfg", true);
	return !access.off && acpi_info.nr_mcfg;
}

/* Accesses in the form AMD's processors demand: between memory and the accumulator (BKDG of family 10h, 2.11.1). */
static uint32_t mmcfg_read(const volatile void *p, unsigned size)
{
	uint32_t val;

	if (size == 1) {
		asm volatile("movb (%1), %b0" : "=a"(val) : "r"(p) : "memory");
		return val & 0xff;
	}
	if (size == 2) {
		asm volatile("movw (%1), %w0" : "=a"(val) : "r"(p) : "memory");
		return val & 0xffff;
	}
	asm volatile("movl (%1), %0" : "=a"(val) : "r"(p) : "memory");
	return val;
}

static void mmcfg_write(volatile void *p, unsigned size, uint32_t val)
{
	if (size == 1)
		asm volatile("movb %b0, (%1)" : : "a"(val), "r"(p) : "memory");
	else if (size == 2)
		asm volatile("movw %w0, (%1)" : : "a"(val), "r"(p) : "memory");
	else
		asm volatile("movl %0, (%1)" : : "a"(val), "r"(p) : "memory");
}

static void port_select(struct pci_sbdf s, unsigned reg)
{
	outl(PORT_ADDRESS, ADDRESS_ENABLE | (uint32_t)PCI_BDF(s) << 8 | (reg & 0xfc));
}

static uint32_t port_read(struct pci_sbdf s, unsigned reg, unsigned size)
{
	uint16_t data = (uint16_t)(PORT_DATA + (reg & 3));
	uint32_t val;

	spin_lock(&access.port);
	port_select(s, reg);
	val = size == 1 ? inb(data) : size == 2 ? inw(data) : inl(data);
	spin_unlock(&access.port);
	return val;
}

static void port_write(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	uint16_t data = (uint16_t)(PORT_DATA + (reg & 3));

	spin_lock(&access.port);
	port_select(s, reg);
	if (size == 1)
		outb(data, (uint8_t)val);
	else if (size == 2)
		outw(data, (uint16_t)val);
	else
		outl(data, val);
	spin_unlock(&access.port);
}

static bool access_ok(unsigned reg, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && !(reg & (size - 1)) && reg < PCI_CONFIG_EXT_SIZE;
}

/* See hv/pci.h. A register that cannot be reached reads ones. */
uint32_t pci_read(struct pci_sbdf s, unsigned reg, unsigned size)
{
	const void *p;

	if (!access_ok(reg, size))
		return ~0u;
	if (!s.segment && reg < PCI_CONFIG_SIZE)
		return port_read(s, reg, size);
	p = mmcfg_register(s, reg);
	return p ? mmcfg_read(p, size) : size == 4 ? ~0u : (1u << size * 8) - 1;
}

/* See hv/pci.h. */
void pci_write(struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	void *p;

	if (!access_ok(reg, size))
		return;
	if (!s.segment && reg < PCI_CONFIG_SIZE) {
		port_write(s, reg, size, val);
		return;
	}
	p = mmcfg_register(s, reg);
	if (p)
		mmcfg_write(p, size, val);
}
