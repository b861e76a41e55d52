/*
 * ACPI tables of a guest that has CPUs and nothing else (ACPI 6.5, chapter 5), and the few that replace the machine's own for the
 * hardware domain. The FADT says hardware-reduced, no VGA, no CMOS RTC and no
 * 8042: Linux decides late in its start from these flags that it really is a PVH guest.
 */
#include "acpi.h"

#include "hv/string.h"

#define HEADER_LEN 36u
#define FADT_LEN 276u /* revision 6 */
#define FACS_LEN 64u
#define MADT_FIXED_LEN 44u
#define LAPIC_ADDRESS 0xfee00000u
#define LAPIC_MAX_ID 254u /* above: x2APIC entries */

/* FADT IA-PC boot flags (5.2.9.3): legacy devices and 8042 are claimed by their bits set, which stay clear. */
#define BOOT_NO_VGA (1u << 2)
#define BOOT_NO_CMOS_RTC (1u << 5)
/* FADT flags (5.2.9) */
#define FADT_WBINVD (1u << 0)
#define FADT_PWR_BUTTON (1u << 4) /* set: there is no fixed power button */
#define FADT_SLP_BUTTON (1u << 5)
#define FADT_HW_REDUCED (1u << 20)

/* AML encodings (20.2) */
#define AML_NAME 0x08
#define AML_DWORD 0x0c
#define AML_STRING 0x0d
#define AML_SCOPE 0x10
#define AML_EXT 0x5b
#define AML_EXT_DEVICE 0x82

/* A writer that counts past its end instead of writing there. */
struct out {
	uint8_t *buf;
	size_t size, len;
};

/* Append @v, little endian, in 1 to 8 @bytes. */
static void put(struct out *o, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++, o->len++)
		if (o->len < o->size)
			o->buf[o->len] = (uint8_t)(v >> (8 * i));
}

static void put_text(struct out *o, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(o, *s ? (uint8_t)*s++ : 0, 1);
}

static void align(struct out *o, size_t a)
{
	while (o->len % a)
		put(o, 0, 1);
}

/* Overwrite @bytes at offset @at. */
static void patch(struct out *o, size_t at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		if (at + i < o->size)
			o->buf[at + i] = (uint8_t)(v >> (8 * i));
}

/* Set the byte at @sum_at so the @len bytes from @start add up to 0 modulo 256. */
static void checksum(struct out *o, size_t start, size_t len, size_t sum_at)
{
	uint8_t sum = 0;

	if (start + len > o->size)
		return;
	o->buf[sum_at] = 0;
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + o->buf[start + i]);
	o->buf[sum_at] = (uint8_t)-sum;
}

/* A table's header (5.2.6); returns where the table starts. */
static size_t table_begin(struct out *o, const char *sig, unsigned revision)
{
	size_t start;

	align(o, 16);
	start = o->len;
	put_text(o, sig, 4);
	put(o, 0, 4); /* length */
	put(o, revision, 1);
	put(o, 0, 1); /* checksum */
	put_text(o, "HOSPES", 6);
	put_text(o, "GUEST", 8);
	put(o, 1, 4);
	put_text(o, "HOSP", 4);
	put(o, 1, 4);
	return start;
}

static void table_end(struct out *o, size_t start)
{
	patch(o, start + 4, o->len - start, 4);
	checksum(o, start, o->len - start, start + 9);
}

/* A PkgLength of two bytes (20.2.4), good to 4095, or three; filled in by pkg_end(). */
static size_t pkg_begin(struct out *o)
{
	size_t at = o->len;

	put(o, 0, 3);
	return at;
}

static void pkg_end(struct out *o, size_t at)
{
	size_t len = o->len - at; /* counts its own three bytes */

	patch(o, at, 2u << 6 | (len & 0xf), 1);
	patch(o, at + 1, len >> 4, 2);
}

/* Device (C000) { Name (_HID, "ACPI0007") Name (_UID, n) } */
static void put_cpu(struct out *o, unsigned cpu)
{
	char name[5];
	size_t pkg;

	snprintf(name, sizeof(name), "C%03X", cpu & 0xfffu);
	put(o, AML_EXT, 1);
	put(o, AML_EXT_DEVICE, 1);
	pkg = pkg_begin(o);
	put_text(o, name, 4);
	put(o, AML_NAME, 1);
	put_text(o, "_HID", 4);
	put(o, AML_STRING, 1);
	put_text(o, "ACPI0007", 9);
	put(o, AML_NAME, 1);
	put_text(o, "_UID", 4);
	put(o, AML_DWORD, 1);
	put(o, cpu, 4);
	pkg_end(o, pkg);
}

static size_t put_dsdt(struct out *o, unsigned vcpus)
{
	size_t start = table_begin(o, "DSDT", 2), pkg;

	put(o, AML_SCOPE, 1);
	pkg = pkg_begin(o);
	put_text(o, "\\_SB_", 5);
	for (unsigned i = 0; i < vcpus; i++)
		put_cpu(o, i);
	pkg_end(o, pkg);
	table_end(o, start);
	return start;
}

/* FACS (5.2.10): no checksum, aligned to 64. */
static size_t put_facs(struct out *o)
{
	size_t start;

	align(o, 64);
	start = o->len;
	put_text(o, "FACS", 4);
	put(o, FACS_LEN, 4);
	while (o->len < start + FACS_LEN)
		put(o, 0, 1);
	patch(o, start + 32, 2, 1); /* version */
	return start;
}

static size_t put_fadt(struct out *o, uint64_t facs, uint64_t dsdt)
{
	size_t start = table_begin(o, "FACP", 6);

	while (o->len < start + FADT_LEN)
		put(o, 0, 1);
	patch(o, start + 36, facs, 4);
	patch(o, start + 40, dsdt, 4);
	patch(o, start + 96, 0xffff, 2); /* worst C2 latency: not supported */
	patch(o, start + 98, 0xffff, 2); /* C3 */
	patch(o, start + 109, BOOT_NO_VGA | BOOT_NO_CMOS_RTC, 2);
	patch(o, start + 112, FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_HW_REDUCED, 4);
	patch(o, start + 131, 5, 1);	/* minor version */
	patch(o, start + 140, dsdt, 8); /* X_FIRMWARE_CTRL stays 0 as FIRMWARE_CTRL is used */
	table_end(o, start);
	return start;
}

/* The interrupt wiring of the machine (5.2.12.3, 5.2.12.5). */
static void put_wiring(struct out *o, const struct acpi_info *info)
{
	for (unsigned i = 0; i < info->nr_ioapics; i++) {
		put(o, 1, 1); /* type: I/O APIC */
		put(o, 12, 1);
		put(o, info->ioapics[i].id, 2);
		put(o, info->ioapics[i].address, 4);
		put(o, info->ioapics[i].gsi_base, 4);
	}
	for (unsigned i = 0; i < info->nr_overrides; i++) {
		put(o, 2, 1); /* type: interrupt source override */
		put(o, 10, 1);
		put(o, 0, 1); /* bus: ISA */
		put(o, info->overrides[i].source, 1);
		put(o, info->overrides[i].gsi, 4);
		put(o, (uint64_t)info->overrides[i].polarity | (uint64_t)info->overrides[i].trigger << 2, 2);
	}
}

/* MADT (5.2.12): APIC id = 2 * vCPU, as CPUID says too. @info NULL: no devices. */
static size_t put_madt(struct out *o, unsigned vcpus, const struct acpi_info *info)
{
	size_t start = table_begin(o, "APIC", 5);

	put(o, LAPIC_ADDRESS, 4);
	put(o, 0, 4); /* flags: no 8259 */
	for (unsigned i = 0; i < vcpus; i++) {
		if (2 * i <= LAPIC_MAX_ID) {
			put(o, 0, 1); /* type: processor local APIC */
			put(o, 8, 1);
			put(o, i, 1);
			put(o, 2 * i, 1);
			put(o, 1, 4); /* enabled */
		} else {
			put(o, 9, 1); /* type: processor local x2APIC */
			put(o, 16, 1);
			put(o, 0, 2);
			put(o, 2 * i, 4);
			put(o, 1, 4);
			put(o, i, 4);
		}
	}
	if (info)
		put_wiring(o, info);
	table_end(o, start);
	return start;
}

/* RSDP (5.2.5.3), revision 2; the XSDT's address comes later, by rsdp_end(). */
static void rsdp_begin(struct out *o)
{
	put_text(o, "RSD PTR ", 8);
	put(o, 0, 1);
	put_text(o, "HOSPES", 6);
	put(o, 2, 1);
	put(o, 0, 4); /* no RSDT */
	put(o, ACPI_RSDP_LEN, 4);
	put(o, 0, 8);
	put(o, 0, 4);
}

static void rsdp_end(struct out *o, uint64_t xsdt)
{
	patch(o, 24, xsdt, 8);
	checksum(o, 0, 20, 8);
	checksum(o, 0, ACPI_RSDP_LEN, 32);
}

size_t acpi_build(uint8_t *buf, size_t size, uint64_t gpa, unsigned vcpus)
{
	struct out o = { buf, size, 0 };
	size_t xsdt, facs, dsdt, fadt, madt;

	rsdp_begin(&o);
	dsdt = put_dsdt(&o, vcpus);
	facs = put_facs(&o);
	fadt = put_fadt(&o, gpa + facs, gpa + dsdt);
	madt = put_madt(&o, vcpus, NULL);
	xsdt = table_begin(&o, "XSDT", 1);
	put(&o, gpa + fadt, 8);
	put(&o, gpa + madt, 8);
	table_end(&o, xsdt);
	if (o.len > size)
		return 0;
	rsdp_end(&o, gpa + xsdt);
	return o.len;
}

size_t acpi_build_hwdom(uint8_t *buf, size_t size, uint64_t gpa, unsigned vcpus, const struct acpi_machine *m)
{
	struct out o = { buf, size, 0 };
	size_t xsdt, madt;

	rsdp_begin(&o);
	madt = put_madt(&o, vcpus, m->info);
	xsdt = table_begin(&o, "XSDT", 1);
	for (unsigned i = 0; i < m->nr_pass; i++)
		put(&o, m->pass[i], 8);
	put(&o, gpa + madt, 8);
	table_end(&o, xsdt);
	if (o.len > size)
		return 0;
	rsdp_end(&o, gpa + xsdt);
	return o.len;
}

bool acpi_may_pass(const char sig[4])
{
	/* DSDT and FACS hang off the FADT. Tables no kernel drives devices by are left out too: what is unknown stays hidden. */
	static const char list[][5] = { "FACP", "SSDT", "PSDT", "MCFG", "SLIC", "MSDM", "TPM2", "TCPA",
					"VFCT", "ECDT", "SBST", "BGRT", "FPDT", "UEFI", "BOOT", "WSMT",
					"LPIT", "ASF!", "DBG2", "NHLT", "PHAT", "SDEV", "WDAT", "WPBT" };

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
		if (memcmp(sig, list[i], 4) == 0)
			return true;
	return false;
}
