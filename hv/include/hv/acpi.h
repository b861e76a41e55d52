/*
 * What firmware's static ACPI tables say (ACPI 6.5, chapter 5). No AML is ever interpreted.
 * hv/drivers/acpi_parse.c: pure parsers of one table each, fuzzed on the host. hv/drivers/acpi.c: finds and maps.
 */
#ifndef HV_ACPI_H
#define HV_ACPI_H

#include "hv/types.h"

#define ACPI_MAX_CPUS 256u
#define ACPI_MAX_IOAPICS 16u
#define ACPI_MAX_OVERRIDES 32u
#define ACPI_MAX_NMIS 32u
#define ACPI_MAX_MCFG 16u
#define ACPI_MAX_SRAT_MEM 64u
#define ACPI_MAX_NODES 64u

#define ACPI_TABLE_HEADER_LEN 36u

struct acpi_cpu {
	uint32_t apic_id, acpi_uid;
	bool enabled; /* false: may be brought online later by firmware (MADT "online capable"), not now */
	uint8_t node; /* NUMA node from the SRAT, 0 without one */
};

struct acpi_ioapic {
	uint8_t id;
	uint32_t address, gsi_base;
};

/* ISA interrupt @source is wired to @gsi. Polarity: 1 high, 3 low; trigger: 1 edge, 3 level; 0: as the bus (high, edge). */
struct acpi_override {
	uint8_t source;
	uint32_t gsi;
	uint8_t polarity, trigger;
};

/* Local NMI input: @lint of the processor @acpi_uid (0xffffffff: all). */
struct acpi_nmi {
	uint32_t acpi_uid;
	uint8_t lint, polarity, trigger;
};

/* A generic address: space 0 memory, 1 I/O ports, 2 PCI configuration; address 0: absent. */
struct acpi_gas {
	uint8_t space, width;
	uint64_t address;
};

struct acpi_mcfg {
	uint64_t base;
	uint16_t segment;
	uint8_t bus_start, bus_end;
};

struct acpi_srat_mem {
	uint64_t start, size;
	uint8_t node;
};

struct acpi_info {
	bool present; /* an RSDP and a root table were found */
	paddr_t rsdp;

	/* MADT */
	bool madt;
	paddr_t lapic_address;
	bool has_8259;
	struct acpi_cpu cpus[ACPI_MAX_CPUS];
	unsigned nr_cpus;
	struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
	unsigned nr_ioapics;
	struct acpi_override overrides[ACPI_MAX_OVERRIDES];
	unsigned nr_overrides;
	struct acpi_nmi nmis[ACPI_MAX_NMIS];
	unsigned nr_nmis;

	/* FADT */
	bool fadt;
	uint16_t sci;
	struct acpi_gas pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm_timer;
	bool pm_timer_32bit;
	bool reset_supported;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	paddr_t dsdt, facs;
	uint32_t smi_cmd;
	uint8_t acpi_enable;
	bool no_vga, no_cmos_rtc; /* IA-PC boot flags */
	bool hw_reduced;

	/* HPET: address 0 = none */
	paddr_t hpet_address;
	uint16_t hpet_min_tick;

	struct acpi_mcfg mcfg[ACPI_MAX_MCFG];
	unsigned nr_mcfg;

	bool srat;
	uint32_t proximity[ACPI_MAX_NODES]; /* of node n: nodes are numbered from 0 as proximity domains turn up */
	unsigned nr_nodes;		    /* 0 without an SRAT */
	struct acpi_srat_mem srat_mem[ACPI_MAX_SRAT_MEM];
	unsigned nr_srat_mem;

	bool slit; /* distance[] tells how far nodes are apart */
	uint8_t distance[ACPI_MAX_NODES][ACPI_MAX_NODES];
};

/* What was found; all zero before acpi_init() and on a machine without ACPI. Read-only for everybody else. */
extern struct acpi_info acpi_info;

/* Boot step: find, check and read the tables. Needs boot_info and acpi_map(). Never fails: what is missing stays zero. */
void acpi_init(void);
/* First table with signature @sig, checked and mapped for good; its length in *@len. NULL: none. */
const void *acpi_find_table(const char sig[4], size_t *len);
/* The @i-th table of the root table: signature and machine address. False past the last. */
bool acpi_table_at(unsigned i, char sig[4], paddr_t *p);
/* Take the power management registers over from firmware, whose port for that no domain reaches. */
void acpi_enable(void);
/* Soft off: enter S5 with the values of \_S5 found in the DSDT, if any. Returns if the machine is still on. */
void acpi_poweroff(void);
/* Write the FADT's reset register. Returns if there is none or it did not help. */
void acpi_reset(void);
/* Of ISA interrupt @irq: its override, or NULL for the identity mapping (edge, active high). */
const struct acpi_override *acpi_isa_override(unsigned irq);

/*
 * Pure parsers. Each gets one table (@len bytes readable at @table), never reads beyond, ignores entries it does not
 * know or that do not fit, and returns -EINVAL if the table as a whole is no such table.
 */
bool acpi_checksum_ok(const void *p, size_t len);
/* Does @len bytes at @p hold a valid RSDP? Its root table's address goes to *@root, *@xsdt says which kind. */
int acpi_parse_rsdp(const void *p, size_t len, paddr_t *root, bool *xsdt) must_check;
/* A table's header: signature wanted or NULL, length within [36, @len], checksum. */
int acpi_check_table(const void *table, size_t len, const char sig[4]) must_check;
/* Entry @i of the root table, 0 when past the end. */
paddr_t acpi_root_entry(const void *table, size_t len, bool xsdt, unsigned i);
int acpi_parse_madt(struct acpi_info *ai, const void *table, size_t len) must_check;
int acpi_parse_fadt(struct acpi_info *ai, const void *table, size_t len) must_check;
int acpi_parse_hpet(struct acpi_info *ai, const void *table, size_t len) must_check;
int acpi_parse_mcfg(struct acpi_info *ai, const void *table, size_t len) must_check;
/* After the MADT: fills in the nodes of its CPUs. */
int acpi_parse_srat(struct acpi_info *ai, const void *table, size_t len) must_check;
/* After the SRAT: how far its nodes are from each other. */
int acpi_parse_slit(struct acpi_info *ai, const void *table, size_t len) must_check;
/* SLP_TYPa/b of \_S5 found by its encoding in the DSDT (no interpretation). -ENOENT if it is not there as constants. */
int acpi_parse_s5(const void *dsdt, size_t len, uint8_t *typ_a, uint8_t *typ_b) must_check;

#endif
