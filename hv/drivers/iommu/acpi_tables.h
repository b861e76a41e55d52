/*
 * What firmware says of the IOMMUs: the IVRS table (AMD I/O Virtualization Technology specification, 48882, chapter
 * 5) and the DMAR table (Intel VT-d specification, chapter 8). Pure parsers, fuzzed on the host: each reads one table
 * within its length and trusts nothing in it; what does not fit is left out.
 */
#ifndef IOMMU_ACPI_TABLES_H
#define IOMMU_ACPI_TABLES_H

#include "hv/types.h"

/* A stretch of a table. */
struct bytes {
	const uint8_t *p;
	size_t len;
};

/* Little-endian value of @n bytes at @off; 0 when it does not lie within. */
static inline uint64_t field(const struct bytes *t, size_t off, unsigned n)
{
	uint64_t v = 0;

	if (off > t->len || t->len - off < n)
		return 0;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)t->p[off + i] << (8 * i);
	return v;
}

#define IOMMU_MAX_UNITS 64u
#define IOMMU_MAX_RESERVED 64u

/* Flags of an IVHD block, bits as the specification has them. */
#define IVHD_HT_TUN 0x01u
#define IVHD_PASS_PW 0x02u
#define IVHD_RES_PASS_PW 0x04u
#define IVHD_ISOC 0x08u
#define IVHD_COHERENT 0x20u

/* Data setting byte of a device entry: interrupts that pass although remapping is on. */
#define IVHD_INIT_PASS 0x01u
#define IVHD_EINT_PASS 0x02u
#define IVHD_NMI_PASS 0x04u
#define IVHD_SYS_MGT 0x30u /* which system management messages pass */
#define IVHD_LINT0_PASS 0x40u
#define IVHD_LINT1_PASS 0x80u

struct ivrs_unit {
	uint8_t type; /* of the block taken: 0x10, 0x11 or 0x40 */
	uint8_t flags;
	uint16_t segment, bdf, cap_offset;
	uint64_t base;
	uint64_t efr; /* image of the extended feature register, 0 in blocks of type 0x10 */
};

/* Requests of devices @first..@last go through @unit; if @aliased they carry the id @alias. */
struct ivrs_range {
	uint8_t unit, data;
	bool aliased;
	uint16_t first, last, alias;
};

/* An I/O APIC or HPET: its interrupts carry the id @bdf. */
struct ivrs_special {
	uint8_t unit, handle, data;
	bool hpet;
	uint16_t bdf;
};

/*
 * Memory that firmware and devices share, to be mapped 1:1 (RMRR; IVMD). All devices of the segment, or
 * @first..@last.
 */
struct acpi_reserved {
	uint16_t segment;
	bool all, read, write;
	uint16_t first, last;	   /* IVRS: device ids */
	unsigned scope, nr_scopes; /* DMAR: devices, in scopes[] */
	uint64_t start, end;	   /* whole pages, end exclusive */
};

#define IVRS_MAX_RANGES 512u
#define IVRS_MAX_SPECIALS 64u

struct ivrs {
	struct ivrs_unit units[IOMMU_MAX_UNITS];
	unsigned nr_units;
	struct ivrs_range ranges[IVRS_MAX_RANGES];
	unsigned nr_ranges;
	struct ivrs_special specials[IVRS_MAX_SPECIALS];
	unsigned nr_specials;
	struct acpi_reserved reserved[IOMMU_MAX_RESERVED];
	unsigned nr_reserved;
	unsigned left_out; /* entries for which there was no room: the machine is larger than this driver */
};

/* Device scope types (VT-d 8.3.1). */
enum dmar_scope_type {
	DMAR_SCOPE_ENDPOINT = 1,
	DMAR_SCOPE_BRIDGE = 2,
	DMAR_SCOPE_IOAPIC = 3,
	DMAR_SCOPE_HPET = 4,
	DMAR_SCOPE_ACPI = 5,
};

#define DMAR_MAX_PATH 8u

/* A device by the way to it: (device, function) on @bus, then on the bus behind each bridge. */
struct dmar_scope {
	uint8_t type, id; /* of an I/O APIC: its APIC id */
	uint8_t bus;
	uint8_t nr_path;
	uint8_t path[DMAR_MAX_PATH]; /* devfn */
};

struct dmar_unit {
	bool all; /* every device of the segment that no other unit names */
	uint16_t segment;
	uint64_t base;
	unsigned scope, nr_scopes;
};

#define DMAR_MAX_SCOPES 512u
#define DMAR_INTR_REMAP 0x1u
#define DMAR_X2APIC_OPT_OUT 0x2u

struct dmar {
	uint8_t width; /* of host addresses, in bits */
	uint8_t flags; /* DMAR_* */
	struct dmar_unit units[IOMMU_MAX_UNITS];
	unsigned nr_units;
	struct acpi_reserved reserved[IOMMU_MAX_RESERVED];
	unsigned nr_reserved;
	struct dmar_scope scopes[DMAR_MAX_SCOPES];
	unsigned nr_scopes;
	unsigned left_out;
};

/* -EINVAL: no such table, or it names no unit. */
int ivrs_parse(struct ivrs *out, const void *table, size_t len) must_check;
int dmar_parse(struct dmar *out, const void *table, size_t len) must_check;

#endif
