/*
 * Parsers of ACPI's static tables (ACPI 6.5, chapter 5.2). Pure: each reads one table within its length and trusts
 * nothing in it. Fields are read byte by byte, for tables lie at any address.
 */
#include "hv/acpi.h"
#include "hv/errno.h"
#include "hv/string.h"

#define MADT_ENTRIES 44u
#define SRAT_ENTRIES 48u
#define SLIT_ENTRIES 44u
#define MCFG_ENTRIES 44u
#define MCFG_ENTRY_LEN 16u

/* FADT offsets (5.2.9) and flags */
#define FADT_MIN_LEN 116u /* ACPI 1.0's */
#define FADT_TIMER_32BIT (1u << 8)
#define FADT_RESET_SUPPORTED (1u << 10)
#define FADT_HW_REDUCED (1u << 20)
#define BOOT_NO_VGA (1u << 2)
#define BOOT_NO_CMOS_RTC (1u << 5)

struct table {
	const uint8_t *p;
	size_t len;
};

/* Little-endian value of @n bytes at @off; 0 when it does not lie within the table. */
static uint64_t field(const struct table *t, size_t off, unsigned n)
{
	uint64_t v = 0;

	if (off > t->len || t->len - off < n)
		return 0;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)t->p[off + i] << (8 * i);
	return v;
}

/* Do all @len bytes add up to 0? */
bool acpi_checksum_ok(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + b[i]);
	return sum == 0;
}

/* See hv/acpi.h. 5.2.5.3: 20 bytes in revision 0, then a length of its own. */
int acpi_parse_rsdp(const void *p, size_t len, paddr_t *root, bool *xsdt)
{
	struct table t = { p, len };
	size_t full;

	if (len < 20 || memcmp(p, "RSD PTR ", 8) || !acpi_checksum_ok(p, 20))
		return -EINVAL;
	*xsdt = false;
	*root = field(&t, 16, 4);
	full = (size_t)field(&t, 20, 4);
	if (t.p[15] >= 2 && full >= 36 && full <= len && acpi_checksum_ok(p, full) && field(&t, 24, 8)) {
		*xsdt = true;
		*root = field(&t, 24, 8);
	}
	return *root ? 0 : -EINVAL;
}

/* See hv/acpi.h. @len is what may be read; the table's own length may be smaller. */
int acpi_check_table(const void *table, size_t len, const char sig[4])
{
	struct table t = { table, len };
	size_t own;

	if (len < ACPI_TABLE_HEADER_LEN || (sig && memcmp(table, sig, 4)))
		return -EINVAL;
	own = (size_t)field(&t, 4, 4);
	if (own < ACPI_TABLE_HEADER_LEN || own > len || !acpi_checksum_ok(table, own))
		return -EINVAL;
	return 0;
}

/* See hv/acpi.h. */
paddr_t acpi_root_entry(const void *table, size_t len, bool xsdt, unsigned i)
{
	struct table t = { table, len };
	unsigned size = xsdt ? 8 : 4;

	return field(&t, ACPI_TABLE_HEADER_LEN + (size_t)i * size, size);
}

/* Open @table as one with signature @sig, limited to its own length. */
static int open_table(struct table *t, const void *table, size_t len, const char *sig)
{
	if (acpi_check_table(table, len, sig))
		return -EINVAL;
	*t = (struct table){ table, len };
	t->len = (size_t)field(t, 4, 4);
	return 0;
}

/* The entry at @off of a list of (type, length, ...) entries; false at the end or at one that does not fit. */
static bool next_entry(const struct table *t, size_t off, struct table *entry)
{
	if (off > t->len || t->len - off < 2)
		return false;
	*entry = (struct table){ t->p + off, t->p[off + 1] };
	return entry->len >= 2 && entry->len <= t->len - off;
}

/* Twice the same CPU (as xAPIC and x2APIC entry) counts once. */
static void add_cpu(struct acpi_info *ai, uint32_t id, uint32_t uid, uint32_t flags)
{
	for (unsigned i = 0; i < ai->nr_cpus; i++)
		if (ai->cpus[i].apic_id == id)
			return;
	/* Neither enabled nor online capable: this slot is empty for good. */
	if (!(flags & 3) || ai->nr_cpus == ACPI_MAX_CPUS)
		return;
	ai->cpus[ai->nr_cpus++] = (struct acpi_cpu){ .apic_id = id, .acpi_uid = uid, .enabled = flags & 1 };
}

static void add_nmi(struct acpi_info *ai, uint32_t uid, uint16_t flags, uint8_t lint)
{
	if (ai->nr_nmis == ACPI_MAX_NMIS || lint > 1)
		return;
	ai->nmis[ai->nr_nmis++] = (struct acpi_nmi){ uid, lint, flags & 3, (flags >> 2) & 3 };
}

static void add_override(struct acpi_info *ai, const struct table *e)
{
	uint16_t flags = (uint16_t)field(e, 8, 2);

	/* Bus 0 is ISA, the only one defined. */
	if (field(e, 2, 1) != 0 || field(e, 3, 1) > 15 || ai->nr_overrides == ACPI_MAX_OVERRIDES)
		return;
	ai->overrides[ai->nr_overrides++] = (struct acpi_override){ .source = (uint8_t)field(e, 3, 1),
								    .gsi = (uint32_t)field(e, 4, 4),
								    .polarity = flags & 3,
								    .trigger = (flags >> 2) & 3 };
}

static void madt_entry(struct acpi_info *ai, const struct table *e)
{
	uint64_t uid;

	switch (e->p[0]) {
	case 0: /* local APIC */
		if (e->len >= 8 && field(e, 3, 1) != 0xff)
			add_cpu(ai, (uint32_t)field(e, 3, 1), (uint32_t)field(e, 2, 1), (uint32_t)field(e, 4, 4));
		break;
	case 1: /* I/O APIC */
		if (e->len >= 12 && ai->nr_ioapics < ACPI_MAX_IOAPICS && field(e, 4, 4))
			ai->ioapics[ai->nr_ioapics++] =
				(struct acpi_ioapic){ (uint8_t)field(e, 2, 1), (uint32_t)field(e, 4, 4),
						      (uint32_t)field(e, 8, 4) };
		break;
	case 2: /* interrupt source override */
		if (e->len >= 10)
			add_override(ai, e);
		break;
	case 4: /* local APIC NMI */
		uid = field(e, 2, 1);
		if (e->len >= 6)
			add_nmi(ai, uid == 0xff ? ~0u : (uint32_t)uid, (uint16_t)field(e, 3, 2),
				(uint8_t)field(e, 5, 1));
		break;
	case 5: /* local APIC address override */
		if (e->len >= 12)
			ai->lapic_address = field(e, 4, 8);
		break;
	case 9: /* local x2APIC */
		if (e->len >= 16 && field(e, 4, 4) != 0xffffffff)
			add_cpu(ai, (uint32_t)field(e, 4, 4), (uint32_t)field(e, 12, 4), (uint32_t)field(e, 8, 4));
		break;
	case 10: /* local x2APIC NMI */
		if (e->len >= 12)
			add_nmi(ai, (uint32_t)field(e, 4, 4), (uint16_t)field(e, 2, 2), (uint8_t)field(e, 8, 1));
		break;
	default:
		break;
	}
}

/* CPUs, interrupt controllers and their wiring (5.2.12). */
int acpi_parse_madt(struct acpi_info *ai, const void *table, size_t len)
{
	struct table t, e;

	if (open_table(&t, table, len, "APIC") || t.len < MADT_ENTRIES)
		return -EINVAL;
	ai->madt = true;
	ai->lapic_address = field(&t, 36, 4);
	ai->has_8259 = field(&t, 40, 4) & 1;
	for (size_t off = MADT_ENTRIES; next_entry(&t, off, &e); off += e.len)
		madt_entry(ai, &e);
	return 0;
}

static struct acpi_gas gas_at(const struct table *t, size_t off)
{
	return (struct acpi_gas){ .space = (uint8_t)field(t, off, 1),
				  .width = (uint8_t)field(t, off + 1, 1),
				  .address = field(t, off + 4, 8) };
}

/* A register block: the generic address if there is one, else the old port number. */
static struct acpi_gas block_at(const struct table *t, size_t wide, size_t old, uint8_t bits)
{
	struct acpi_gas g = gas_at(t, wide);

	if (!g.address)
		g = (struct acpi_gas){ .space = 1, .width = bits, .address = field(t, old, 4) };
	/* Firmware gets widths wrong more often than addresses: the block's nature decides. */
	g.width = bits;
	return g;
}

/* Power management registers, reset, and what an old PC lacks (5.2.9). */
int acpi_parse_fadt(struct acpi_info *ai, const void *table, size_t len)
{
	uint32_t flags, boot;
	struct table t;

	if (open_table(&t, table, len, "FACP") || t.len < FADT_MIN_LEN)
		return -EINVAL;
	ai->fadt = true;
	flags = (uint32_t)field(&t, 112, 4);
	boot = (uint32_t)field(&t, 109, 2);
	ai->sci = (uint16_t)field(&t, 46, 2);
	ai->smi_cmd = (uint32_t)field(&t, 48, 4);
	ai->acpi_enable = (uint8_t)field(&t, 52, 1);
	ai->facs = field(&t, 132, 8) ? field(&t, 132, 8) : field(&t, 36, 4);
	ai->dsdt = field(&t, 140, 8) ? field(&t, 140, 8) : field(&t, 40, 4);
	ai->no_vga = boot & BOOT_NO_VGA;
	ai->no_cmos_rtc = boot & BOOT_NO_CMOS_RTC;
	ai->hw_reduced = flags & FADT_HW_REDUCED;
	ai->reset_supported = (flags & FADT_RESET_SUPPORTED) && t.len >= 129;
	ai->reset_reg = gas_at(&t, 116);
	ai->reset_value = (uint8_t)field(&t, 128, 1);
	if (ai->hw_reduced)
		return 0;
	ai->pm1a_evt = block_at(&t, 148, 56, 32);
	ai->pm1b_evt = block_at(&t, 160, 60, 32);
	ai->pm1a_cnt = block_at(&t, 172, 64, 16);
	ai->pm1b_cnt = block_at(&t, 184, 68, 16);
	ai->pm_timer = block_at(&t, 208, 76, 32);
	/* A length of 4 says the block exists (5.2.9, PM_TMR_LEN). */
	if (field(&t, 91, 1) != 4)
		ai->pm_timer = (struct acpi_gas){ 0 };
	ai->pm_timer_32bit = flags & FADT_TIMER_32BIT;
	return 0;
}

/* HPET description table (IA-PC HPET specification 1.0a, 3.2.4). */
int acpi_parse_hpet(struct acpi_info *ai, const void *table, size_t len)
{
	struct table t;

	if (open_table(&t, table, len, "HPET") || t.len < 55 || field(&t, 40, 1) != 0)
		return -EINVAL;
	ai->hpet_address = field(&t, 44, 8);
	ai->hpet_min_tick = (uint16_t)field(&t, 53, 2);
	return 0;
}

/* PCI Express configuration space (PCI firmware specification 3.3, 4.1.2). */
int acpi_parse_mcfg(struct acpi_info *ai, const void *table, size_t len)
{
	struct table t;

	if (open_table(&t, table, len, "MCFG"))
		return -EINVAL;
	for (size_t off = MCFG_ENTRIES; t.len >= MCFG_ENTRY_LEN && off <= t.len - MCFG_ENTRY_LEN;
	     off += MCFG_ENTRY_LEN) {
		struct acpi_mcfg m = { field(&t, off, 8), (uint16_t)field(&t, off + 8, 2),
				       (uint8_t)field(&t, off + 10, 1), (uint8_t)field(&t, off + 11, 1) };

		if (ai->nr_mcfg < ACPI_MAX_MCFG && m.base && m.bus_end >= m.bus_start)
			ai->mcfg[ai->nr_mcfg++] = m;
	}
	return 0;
}

/* The node of a proximity domain, new ones in order of appearance; a domain too many joins node 0. */
static uint8_t node_of(struct acpi_info *ai, uint32_t proximity)
{
	for (unsigned i = 0; i < ai->nr_nodes; i++)
		if (ai->proximity[i] == proximity)
			return (uint8_t)i;
	if (ai->nr_nodes == ACPI_MAX_NODES)
		return 0;
	ai->proximity[ai->nr_nodes] = proximity;
	return (uint8_t)ai->nr_nodes++;
}

static void set_cpu_node(struct acpi_info *ai, uint32_t apic_id, uint32_t proximity)
{
	uint8_t node = node_of(ai, proximity);

	for (unsigned i = 0; i < ai->nr_cpus; i++)
		if (ai->cpus[i].apic_id == apic_id)
			ai->cpus[i].node = node;
}

/* Before revision 2 of the table a domain has 8 bits, and what now are its others was reserved. */
static void srat_entry(struct acpi_info *ai, const struct table *e, uint32_t domains)
{
	struct acpi_srat_mem m;

	switch (e->p[0]) {
	case 0: /* processor by APIC id: the domain's upper bytes lie apart */
		if (e->len >= 16 && (field(e, 4, 4) & 1))
			set_cpu_node(ai, (uint32_t)field(e, 3, 1),
				     (uint32_t)(field(e, 2, 1) | field(e, 9, 3) << 8) & domains);
		break;
	case 1: /* memory */
		m = (struct acpi_srat_mem){ .start = field(e, 8, 8), .size = field(e, 16, 8) };
		if (e->len < 40 || !(field(e, 28, 4) & 1) || !m.size || m.start + m.size < m.start ||
		    ai->nr_srat_mem == ACPI_MAX_SRAT_MEM)
			break;
		m.node = node_of(ai, (uint32_t)field(e, 2, 4) & domains);
		ai->srat_mem[ai->nr_srat_mem++] = m;
		break;
	case 2: /* processor by x2APIC id */
		if (e->len >= 24 && (field(e, 12, 4) & 1))
			set_cpu_node(ai, (uint32_t)field(e, 8, 4), (uint32_t)field(e, 4, 4) & domains);
		break;
	default:
		break;
	}
}

/* Which node CPUs and memory belong to (5.2.16). */
int acpi_parse_srat(struct acpi_info *ai, const void *table, size_t len)
{
	struct table t, e;

	if (open_table(&t, table, len, "SRAT") || t.len < SRAT_ENTRIES)
		return -EINVAL;
	ai->srat = true;
	for (size_t off = SRAT_ENTRIES; next_entry(&t, off, &e); off += e.len)
		srat_entry(ai, &e, t.p[8] < 2 ? 0xff : ~0u);
	return 0;
}

/* Distances between nodes: a square of bytes by proximity domain (5.2.17). -EINVAL also when a node is not in it. */
int acpi_parse_slit(struct acpi_info *ai, const void *table, size_t len)
{
	struct table t;
	uint64_t n;

	if (open_table(&t, table, len, "SLIT") || t.len < SLIT_ENTRIES)
		return -EINVAL;
	n = field(&t, 36, 8);
	if (n > UINT16_MAX || t.len - SLIT_ENTRIES < n * n)
		return -EINVAL;
	for (unsigned i = 0; i < ai->nr_nodes; i++)
		if (ai->proximity[i] >= n)
			return -EINVAL;
	for (unsigned i = 0; i < ai->nr_nodes; i++)
		for (unsigned k = 0; k < ai->nr_nodes; k++)
			ai->distance[i][k] = t.p[SLIT_ENTRIES + ai->proximity[i] * n + ai->proximity[k]];
	ai->slit = true;
	return 0;
}

/* A constant byte in AML (20.2.3): ZeroOp, OneOp or BytePrefix. Moves *@off on. */
static bool aml_byte(const struct table *t, size_t *off, uint8_t *out)
{
	uint8_t op;

	if (*off >= t->len)
		return false;
	op = t->p[(*off)++];
	if (op <= 1) {
		*out = op;
		return true;
	}
	if (op != 0x0a || *off >= t->len)
		return false;
	*out = t->p[(*off)++];
	return true;
}

/* See hv/acpi.h. Name(_S5_, Package(n){a, b, ...}) is 08 "_S5_" 12 PkgLength n a b: 20.2.5.1 and 20.2.5.4. */
int acpi_parse_s5(const void *dsdt, size_t len, uint8_t *typ_a, uint8_t *typ_b)
{
	struct table t;

	if (open_table(&t, dsdt, len, "DSDT"))
		return -EINVAL;
	for (size_t i = ACPI_TABLE_HEADER_LEN; i + 8 < t.len; i++) {
		size_t off = i + 5;

		if (memcmp(t.p + i, "_S5_\x12", 5))
			continue;
		/* NameOp, maybe with the root prefix between. */
		if (t.p[i - 1] != 0x08 && !(t.p[i - 1] == '\\' && t.p[i - 2] == 0x08))
			continue;
		off += 1 + (t.p[off] >> 6); /* PkgLength: the first byte says how many follow */
		if (off >= t.len || t.p[off++] < 2)
			continue;
		if (aml_byte(&t, &off, typ_a) && aml_byte(&t, &off, typ_b))
			return 0;
	}
	return -ENOENT;
}
