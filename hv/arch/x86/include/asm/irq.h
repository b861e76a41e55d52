/*
 * Interrupts of devices that a domain's kernel drives: vectors on physical CPUs, delivered outside of interrupt context.
 *
 * The handler takes no lock: it marks the host_irq and raises SOFTIRQ_IRQ on its own CPU; the softirq calls ->deliver() once for each burst.
 * hv/arch/x86/irq.c; the pins of I/O APICs are in hv/arch/x86/ioapic.c, messages in hv/drivers/pci_msi.c.
 */
#ifndef ASM_IRQ_H
#define ASM_IRQ_H

#include "hv/types.h"

struct host_irq;
typedef void host_irq_fn(struct host_irq *irq);

struct host_irq {
	uint8_t vector; /* on ->cpu; 0: none */
	bool level;	/* an I/O APIC pin, level triggered: masked by the handler until host_irq_ack() */
	bool pending;	/* atomic: fired since deliver() was last called */
	uint16_t cpu;
	uint32_t gsi;	      /* of a pin, ~0u for messages */
	host_irq_fn *deliver; /* softirq context, no lock held, interrupts on */
	void *ctx;
	struct host_irq *next; /* chain of pending ones of a CPU */
};

/* Give @irq a vector on @cpu (or a less loaded one); deliver and ctx are set by the caller. -ENOSPC, -ENOMEM. RANK_IRQ. */
int host_irq_alloc(struct host_irq *irq, unsigned cpu) must_check;
/* Take it back: when this returns no deliver() runs or will run. Its source is silent already. */
void host_irq_free(struct host_irq *irq);

/* Message (address, data) that raises @irq without an IOMMU in between. */
void host_irq_message(const struct host_irq *irq, uint64_t *address, uint32_t *data);

/* Route pin @gsi to @irq (allocated) with this trigger and polarity, unmasked. -ENODEV no such pin, -EBUSY Hospes uses it itself. */
int ioapic_bind_gsi(uint32_t gsi, struct host_irq *irq, bool level, bool active_low) must_check;
void ioapic_unbind_gsi(uint32_t gsi);
/* Pin @gsi, whose level interrupt the guest has now ended, may fire again. */
void host_irq_ack(struct host_irq *irq);

#endif
