/* The ACPI tables of PVH guests: without devices, and for the domain that drives the machine's. Pure. */
#ifndef LAUNCH_ACPI_H
#define LAUNCH_ACPI_H

#include "hv/acpi.h"
#include "hv/types.h"

#define GUEST_ACPI_BASE 0xfc000000UL
#define GUEST_ACPI_MAX 0x10000UL
#define ACPI_RSDP_LEN 36u

/*
 * Write RSDP (first), XSDT, FADT, FACS, DSDT and MADT for @vcpus vCPUs into @buf of @size bytes, which the guest will see at
 * @gpa (page aligned). Returns the bytes used, 0 if they do not fit.
 */
size_t acpi_build(uint8_t *buf, size_t size, uint64_t gpa, unsigned vcpus) must_check;

/* What the machine has and the hardware domain shall be told of. */
struct acpi_machine {
	const struct acpi_info *info; /* I/O APICs and overrides */
	uint64_t pass[64];	      /* machine addresses of tables it may read as they are */
	unsigned nr_pass;
};
/*
 * The same for the hardware domain: RSDP, XSDT with the machine's own tables, and a MADT with its vCPUs but the machine's interrupt
 * wiring.
 */
size_t acpi_build_hwdom(uint8_t *buf, size_t size, uint64_t gpa, unsigned vcpus,
			const struct acpi_machine *m) must_check;
/* May the hardware domain see the table @sig? Not what Hospes drives itself or what speaks of the machine's processors. */
bool acpi_may_pass(const char sig[4]);

#endif
