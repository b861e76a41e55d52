/* The x86 half of the hardware domain; see hv/hwdom.h. */
#ifndef HWDOM_HWDOM_H
#define HWDOM_HWDOM_H

#include "asm/irq.h"
#include "hv/acpi.h"
#include "hv/hwdom.h"
#include "hv/lock.h"
#include "hvm/vioapic.h"

/* A pin of the machine and what is known of it. */
struct hwdom_pin {
	struct host_irq irq; /* vector 0: never bound */
	struct hwdom *owner;
	bool refused; /* Hospes uses it: said once */
	bool bound;   /* as level and low say; else tried again when the guest next unmasks it */
	bool level, low;
};

struct hwdom {
	struct domain *d;
	spinlock_t lock; /* RANK_HVM: guards the controllers and the pins */
	unsigned nr_ioapics;
	struct vioapic *io[ACPI_MAX_IOAPICS];
	struct hwdom_pin *pin[ACPI_MAX_IOAPICS]; /* [io->nr_pins] */
};

/* gsi.c: I/O APICs at the machine's addresses. -ENOMEM. */
int hwdom_gsi_init(struct hwdom *h) must_check;
void hwdom_gsi_destroy(struct hwdom *h);
/* The local APIC of a vCPU of @d ended the level interrupt @vector. */
void hwdom_eoi(struct domain *d, uint8_t vector);

/* Records of saved state, for a domain that has one I/O APIC: vioapic.h. -ENODEV: it has not. */
size_t hwdom_ioapic_save(struct domain *d, void *buf);
int hwdom_ioapic_check(struct domain *d, const void *rec, size_t len) must_check;
void hwdom_ioapic_load(struct domain *d, const void *rec);

/* mmio.c: @d touched @gpa, where nothing is mapped. True: now something is, try again. */
bool hwdom_map_mmio(struct domain *d, uint64_t gpa);
/* May [@start, @end) of the machine be mapped to the hardware domain as device memory? Pure but for the list of what is withheld. */
bool hwdom_may_map(paddr_t start, paddr_t end);
/* Does Hospes use any of it itself? */
bool hwdom_withheld(paddr_t start, paddr_t end);

#endif
