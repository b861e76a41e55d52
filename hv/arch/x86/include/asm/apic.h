/* Interrupt controllers of the machine. hv/arch/x86/apic.c, ioapic.c. */
#ifndef ASM_APIC_H
#define ASM_APIC_H

#include "hv/cpumask.h"
#include "hv/types.h"

/* Once, boot CPU: choose xAPIC or x2APIC and mask the old controllers. */
void apic_init(void);
/* Each CPU: enable its local APIC. */
void apic_cpu_init(void);
/* Boot CPU, once system time runs: measure the timer. */
void apic_timer_calibrate(void);
uint32_t apic_id(void);
void apic_eoi(void);
/* Let the local APIC look once more whether it holds an interrupt for this CPU. */
void apic_look_again(void);
/* @icr_low: delivery mode and vector. */
void apic_send(uint32_t apic_id, uint32_t icr_low);
bool apic_is_x2(void);
const char *apic_timer_name(void);
/* Physical address of the local APIC's page: no guest may map it. */
paddr_t apic_paddr(void);

/* One-shot at system time @deadline, STIME_MAX stops. */
void apic_set_timer(stime_t deadline);

#define ICR_FIXED 0x000u
#define ICR_NMI 0x400u
#define ICR_INIT 0x500u
#define ICR_STARTUP 0x600u
#define ICR_ASSERT 0x4000u
#define ICR_LEVEL 0x8000u

/* All I/O APICs found in the MADT, every line masked. */
void ioapic_init(void);
/* Route ISA interrupt @irq (with the MADT's overrides) to @vector of the boot CPU and unmask. -ENODEV without such a line. */
int ioapic_route_isa(unsigned irq, unsigned vector) must_check;
void ioapic_mask_isa(unsigned irq);
/* Is there a pin @gsi that Hospes does not use itself? */
bool ioapic_gsi_usable(uint32_t gsi);
/* How many I/O APICs there are, in the order of acpi_info.ioapics; pins of the @i-th, and its first GSI. */
unsigned ioapic_count(void);
unsigned ioapic_pins(unsigned i, uint32_t *gsi_base);

#endif
