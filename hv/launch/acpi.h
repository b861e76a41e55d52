/* The ACPI tables of a PVH guest without devices. Pure. */
#ifndef LAUNCH_ACPI_H
#define LAUNCH_ACPI_H

#include "hv/types.h"

#define GUEST_ACPI_BASE 0xfc000000UL
#define GUEST_ACPI_MAX 0x10000UL
#define ACPI_RSDP_LEN 36u

/*
 * Write RSDP (first), XSDT, FADT, FACS, DSDT and MADT for @vcpus vCPUs into @buf of @size bytes, which the guest will see at
 * @gpa (page aligned). Returns the bytes used, 0 if they do not fit.
 */
size_t acpi_build(uint8_t *buf, size_t size, uint64_t gpa, unsigned vcpus) must_check;

#endif
