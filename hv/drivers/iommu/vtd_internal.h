/* Between vtd.c, vtd_unit.c and vtd_intr.c. */
#ifndef IOMMU_VTD_INTERNAL_H
#define IOMMU_VTD_INTERNAL_H

#include "acpi_tables.h"
#include "internal.h"
#include "vtd.h"

struct vtd_unit {
	struct iommu_unit u;
	unsigned dmar; /* index in the table */
	uint64_t cap, ecap;
	uint64_t *root;		/* 256 pairs */
	uint64_t *context[256]; /* by bus; made when needed, never freed */
	uint64_t *queue;
	uint32_t tail;	/* in bytes */
	uint32_t *done; /* where the unit stores the ticket of the last wait done */
	uint32_t ticket;
	uint64_t *interrupts; /* REMAP_MAX_HANDLES pairs, NULL without remapping */
	struct remap_table handles;
	struct {
		uint8_t ioapic, pin;
	} line[256]; /* the entries that I/O APIC pins have, by handle */
	unsigned nr_lines;
};

struct vtd_state {
	struct dmar *dmar;
	struct vtd_unit *unit[IOMMU_MAX_UNITS];
	unsigned nr;
	bool intremap, wide; /* wide: APIC ids of 32 bits */
};
extern struct vtd_state vtd; /* written at boot */

/* vtd_unit.c: one unit's registers and queue. */
/* Bring the unit to rest; a line and the unit is lost if it does not obey. */
bool vtd_unit_stop(struct vtd_unit *u);
/* Load the tables and switch on; everything is blocked. */
void vtd_unit_start(struct vtd_unit *u);
/* Give the unit @n descriptors, at most 8, and wait until they are done. Lock held. -EIO: lost. */
int vtd_submit(struct vtd_unit *u, const struct vtd_descriptor *c, unsigned n) must_check;
/* Drop all cached context entries and translations. Lock held. */
int vtd_forget_all(struct vtd_unit *u) must_check;
void vtd_flush(struct iommu_unit *u, uint16_t id, uint64_t dfn, unsigned order);
unsigned vtd_faults(struct iommu_unit *u, struct iommu_fault *out, unsigned max);
/* What the unit reads at @p changed. */
void vtd_written(const struct vtd_unit *u, const void *p, size_t len);

/* vtd_intr.c */
/* Room for the unit's interrupt entries. */
bool vtd_interrupts_alloc(struct vtd_unit *u) must_check;
/* Is I/O APIC @id in the scope of some unit? */
bool vtd_knows_ioapic(uint8_t id);
struct remap_table *vtd_remap_table(struct iommu_device *d);
void vtd_remap_write(struct iommu_device *d, unsigned handle, const struct remap_target *t, uint64_t *address,
		     uint32_t *data);
void vtd_remap_clear(struct iommu_device *d, unsigned handle);
int vtd_ioapic(uint8_t ioapic_id, unsigned pin, uint64_t *rte);
/* Where a scope's path leads; false: to nothing. */
bool vtd_scope_device(uint16_t segment, const struct dmar_scope *s, struct pci_sbdf *out);

#endif
