/* Between amd.c and amd_intr.c. */
#ifndef IOMMU_AMD_INTERNAL_H
#define IOMMU_AMD_INTERNAL_H

#include "acpi_tables.h"
#include "amd.h"
#include "internal.h"

struct amd_unit {
	struct iommu_unit u;
	unsigned ivrs; /* index in the table */
	uint8_t flags; /* IVHD_* */
	uint64_t features, control;
	uint64_t *commands;
	uint32_t tail; /* in bytes */
	uint64_t *events;
	uint32_t head;
	uint64_t *done; /* where the unit stores the ticket of the last command done */
	uint64_t ticket;
	struct list interrupts; /* struct amd_interrupts */
};

/* The interrupt table of one device id. Guarded by its unit's lock. */
struct amd_interrupts {
	struct list list;
	uint16_t id;
	void *entries; /* AMD_INT_ENTRIES of 4 or 16 bytes */
	struct remap_table table;
	struct {
		bool used;
		uint8_t ioapic, pin;
	} line[256]; /* the entries that I/O APIC pins have, by index */
};

struct amd_state {
	struct ivrs *ivrs;
	struct amd_unit *unit[IOMMU_MAX_UNITS];
	unsigned nr;
	struct {
		uint16_t number;
		uint64_t *table;
	} segment[IOMMU_MAX_UNITS];
	unsigned nr_segments;
	uint64_t *nothing;   /* a page table that maps nothing */
	bool intremap, wide; /* wide: interrupt entries of 128 bits, for APIC ids of 32 */
};
extern struct amd_state amd; /* written at boot */

int amd_submit(struct amd_unit *u, const struct amd_command *c, unsigned n) must_check;
/* The interrupt table of @id changed: let its device table entry say so. Lock held. */
int amd_device_interrupts(struct amd_unit *u, uint16_t id) must_check;
/* The unit that block @ivrs_unit of the table describes, or NULL. */
struct amd_unit *amd_unit_number(unsigned ivrs_unit);
/* What firmware says shall pass for @id: IVHD_*_PASS. */
uint8_t amd_data_of(uint16_t segment, uint16_t id);

/* amd_intr.c */
struct amd_interrupts *amd_interrupts_of(struct amd_unit *u, uint16_t id);
/* Does the table say by which id I/O APIC @id is seen? */
bool amd_knows_ioapic(uint8_t id);
struct remap_table *amd_remap_table(struct iommu_device *d);
void amd_remap_write(struct iommu_device *d, unsigned handle, const struct remap_target *t, uint64_t *address,
		     uint32_t *data);
void amd_remap_clear(struct iommu_device *d, unsigned handle);
int amd_ioapic(uint8_t ioapic_id, unsigned pin, uint64_t *rte);

#endif
