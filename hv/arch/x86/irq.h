/* Between irq.c, ioapic.c and traps.c. */
#ifndef X86_IRQ_H
#define X86_IRQ_H

#include "hv/types.h"

/* Mask or unmask pin @gsi, which exists. Any context, also interrupts. */
void ioapic_mask_gsi(uint32_t gsi);
void ioapic_unmask_gsi(uint32_t gsi);

#endif
