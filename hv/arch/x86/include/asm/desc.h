/* Segment and interrupt descriptors. AMD APM vol. 2, 4.6-4.8 and 12.2. */
#ifndef ASM_DESC_H
#define ASM_DESC_H

/* Selectors of Hospes' own GDT. */
#define SEL_CODE64 0x08
#define SEL_DATA 0x10
#define SEL_CODE32 0x18
#define SEL_TSS 0x20 /* two slots */
#define GDT_ENTRIES 6

/* Interrupt stack table slots, 1-based as the gate holds them. */
#define IST_DF 1
#define IST_NMI 2
#define IST_MC 3

#ifndef __ASSEMBLY__
#include "hv/types.h"

struct tss64 {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7]; /* ist[0] is slot 1 */
	uint64_t reserved2;
	uint16_t reserved3, iopb;
} packed;
_Static_assert(sizeof(struct tss64) == 104, "APM vol. 2, figure 12-8");

struct idt_gate {
	uint16_t offset0;
	uint16_t selector;
	uint8_t ist;
	uint8_t type; /* present, DPL, type */
	uint16_t offset1;
	uint32_t offset2;
	uint32_t reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "APM vol. 2, figure 4-24");

struct desc_ptr {
	uint16_t limit;
	uint64_t base;
} packed;
#endif

#endif
