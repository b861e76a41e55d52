/* ACPI: finding the tables in firmware's memory, and the two things done with them later: power off and reset. */
#include "hv/acpi.h"

#include "asm/io.h"
#include "asm/paging.h"
#include "hv/boot.h"
#include "hv/printk.h"
#include "hv/string.h"

#define MAX_TABLES 64u
#define MAX_TABLE_LEN (16u << 20) /* larger ones exist only in broken firmware */
#define EBDA_POINTER 0x40eu
#define RSDP_AREA 0xe0000u
#define RSDP_AREA_END 0x100000u

#define PM1_SCI_EN (1u << 0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK (7u << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN (1u << 13)

#define GAS_MEMORY 0
#define GAS_PORT 1
#define GAS_PCI 2

struct acpi_info acpi_info;

static struct {
	struct {
		const void *p;
		size_t len;
		paddr_t at;
	} table[MAX_TABLES];
	unsigned nr;
	uint8_t s5_a, s5_b;
	bool s5;
	void *reset_mmio; /* mapped early: reset may run in a panic */
} acpi;

static uint32_t own_length(const void *table)
{
	uint32_t len;

	memcpy(&len, (const uint8_t *)table + 4, sizeof(len));
	return len;
}

/* The whole of the table at @p, checked, or NULL. */
static const void *map_table(paddr_t p, const char *sig, size_t *len)
{
	const void *t;

	if (!p)
		return NULL;
	t = arch_map_firmware(p, ACPI_TABLE_HEADER_LEN);
	*len = own_length(t);
	if (*len < ACPI_TABLE_HEADER_LEN || *len > MAX_TABLE_LEN)
		return NULL;
	t = arch_map_firmware(p, *len);
	return acpi_check_table(t, *len, sig) ? NULL : t;
}

/* The RSDP lies on a 16-byte boundary (5.2.5.1). */
static paddr_t search_rsdp(paddr_t start, paddr_t end)
{
	const uint8_t *area = arch_map_firmware(start, end - start);
	paddr_t root;
	bool xsdt;

	for (size_t off = 0; off + 20 <= end - start; off += 16)
		if (!acpi_parse_rsdp(area + off, end - start - off, &root, &xsdt))
			return start + off;
	return 0;
}

static paddr_t find_rsdp(void)
{
	uint16_t segment;
	paddr_t p = boot_info.rsdp;

	if (p)
		return p;
	memcpy(&segment, arch_map_firmware(EBDA_POINTER, 2), sizeof(segment));
	if (segment >= 0x8000 && segment < 0xa000)
		p = search_rsdp((paddr_t)segment << 4, ((paddr_t)segment << 4) + 1024);
	return p ? p : search_rsdp(RSDP_AREA, RSDP_AREA_END);
}

static void walk_root(void)
{
	size_t len, table_len;
	const void *root, *t;
	paddr_t root_p, p;
	bool xsdt;

	acpi_info.rsdp = find_rsdp();
	if (!acpi_info.rsdp || acpi_parse_rsdp(arch_map_firmware(acpi_info.rsdp, 36), 36, &root_p, &xsdt))
		return;
	root = map_table(root_p, xsdt ? "XSDT" : "RSDT", &len);
	if (!root)
		return;
	acpi_info.present = true;
	for (unsigned i = 0; ACPI_TABLE_HEADER_LEN + (i + 1) * (xsdt ? 8u : 4u) <= len && acpi.nr < MAX_TABLES; i++) {
		p = acpi_root_entry(root, len, xsdt, i);
		t = map_table(p, NULL, &table_len);
		if (!t) {
			printk(LOG_WARN, "ACPI: table at 0x%lx ignored: length or checksum is wrong\n",
			       (unsigned long)p);
			continue;
		}
		acpi.table[acpi.nr].p = t;
		acpi.table[acpi.nr].at = p;
		acpi.table[acpi.nr++].len = table_len;
	}
}

/* See hv/acpi.h. No lock: written once at boot. */
const void *acpi_find_table(const char sig[4], size_t *len)
{
	for (unsigned i = 0; i < acpi.nr; i++) {
		if (memcmp(acpi.table[i].p, sig, 4))
			continue;
		*len = acpi.table[i].len;
		return acpi.table[i].p;
	}
	return NULL;
}

/* See hv/acpi.h. No lock: written once at boot. */
bool acpi_table_at(unsigned i, char sig[4], paddr_t *p)
{
	if (i >= acpi.nr)
		return false;
	memcpy(sig, acpi.table[i].p, 4);
	*p = acpi.table[i].at;
	return true;
}

static void parse(const char *sig, int (*fn)(struct acpi_info *, const void *, size_t))
{
	size_t len;
	const void *t = acpi_find_table(sig, &len);

	if (t && fn(&acpi_info, t, len))
		printk(LOG_WARN, "ACPI: table %.4s is malformed\n", sig);
}

/* See hv/acpi.h. */
void acpi_init(void)
{
	size_t len;
	const void *dsdt;

	if (!param_bool("acpi", true))
		return;
	walk_root();
	if (!acpi_info.present) {
		printk(LOG_WARN, "ACPI: no tables found\n");
		return;
	}
	parse("APIC", acpi_parse_madt);
	parse("FACP", acpi_parse_fadt);
	parse("HPET", acpi_parse_hpet);
	parse("MCFG", acpi_parse_mcfg);
	parse("SRAT", acpi_parse_srat);
	parse("SLIT", acpi_parse_slit);
	dsdt = map_table(acpi_info.dsdt, "DSDT", &len);
	acpi.s5 = dsdt && !acpi_parse_s5(dsdt, len, &acpi.s5_a, &acpi.s5_b);
	if (acpi_info.reset_supported && acpi_info.reset_reg.space == GAS_MEMORY)
		acpi.reset_mmio = arch_iomap(acpi_info.reset_reg.address, 1);
	printk(LOG_INFO, "ACPI: %u tables, %u CPUs, %u I/O APICs, %u PCI segments, %u nodes%s%s%s\n", acpi.nr,
	       acpi_info.nr_cpus, acpi_info.nr_ioapics, acpi_info.nr_mcfg, acpi_info.nr_nodes,
	       acpi_info.hpet_address ? ", HPET" : "", acpi_info.pm_timer.address ? ", PM timer" : "",
	       acpi.s5 ? ", soft off" : "");
}

/* See hv/acpi.h. No lock; callable in a panic. */
const struct acpi_override *acpi_isa_override(unsigned irq)
{
	for (unsigned i = 0; i < acpi_info.nr_overrides; i++)
		if (acpi_info.overrides[i].source == irq)
			return &acpi_info.overrides[i];
	return NULL;
}

static bool port_block(const struct acpi_gas *g)
{
	return g->space == GAS_PORT && g->address && g->address <= 0xffff;
}

/* Firmware may still own the registers (4.8.2.3): ask for them, wait a while. */
static void enter_acpi_mode(uint16_t cnt)
{
	if ((inw(cnt) & PM1_SCI_EN) || !acpi_info.smi_cmd || acpi_info.smi_cmd > 0xffff || !acpi_info.acpi_enable)
		return;
	outb((uint16_t)acpi_info.smi_cmd, acpi_info.acpi_enable);
	for (unsigned i = 0; i < 1000000 && !(inw(cnt) & PM1_SCI_EN); i++)
		;
}

/* See hv/acpi.h. */
void acpi_enable(void)
{
	if (port_block(&acpi_info.pm1a_cnt))
		enter_acpi_mode((uint16_t)acpi_info.pm1a_cnt.address);
}

static void sleep_write(const struct acpi_gas *g, uint8_t typ)
{
	uint16_t port = (uint16_t)g->address;
	uint32_t val;

	if (!port_block(g))
		return;
	val = (inw(port) & ~(PM1_SLP_TYP_MASK | PM1_SLP_EN)) | ((uint32_t)(typ & 7) << PM1_SLP_TYP_SHIFT);
	outw(port, (uint16_t)val);
	outw(port, (uint16_t)(val | PM1_SLP_EN));
}

/* See hv/acpi.h. Any context. */
void acpi_poweroff(void)
{
	if (!acpi.s5 || !port_block(&acpi_info.pm1a_cnt))
		return;
	enter_acpi_mode((uint16_t)acpi_info.pm1a_cnt.address);
	sleep_write(&acpi_info.pm1a_cnt, acpi.s5_a);
	sleep_write(&acpi_info.pm1b_cnt, acpi.s5_b);
	/* Platforms take a moment to cut the power. */
	for (unsigned i = 0; i < 1000000; i++)
		inb(0x80);
}

/* See hv/acpi.h. Any context. PCI: device in bits 47:32, function 31:16, register 15:0, on bus 0 (4.8.3.6). */
void acpi_reset(void)
{
	const struct acpi_gas *g = &acpi_info.reset_reg;

	if (!acpi_info.reset_supported)
		return;
	if (g->space == GAS_PORT && g->address <= 0xffff) {
		outb((uint16_t)g->address, acpi_info.reset_value);
	} else if (acpi.reset_mmio) {
		mmio_write8(acpi.reset_mmio, acpi_info.reset_value);
	} else if (g->space == GAS_PCI) {
		uint32_t reg = (uint32_t)g->address & 0xff;

		outl(0xcf8, 0x80000000u | ((uint32_t)(g->address >> 32) & 0x1f) << 11 |
				    ((uint32_t)(g->address >> 16) & 7) << 8 | (reg & 0xfc));
		outb((uint16_t)(0xcfc + (reg & 3)), acpi_info.reset_value);
	}
	for (unsigned i = 0; i < 1000000; i++)
		inb(0x80);
}
