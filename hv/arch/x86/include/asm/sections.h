/* Borders the linker script draws. */
#ifndef ASM_SECTIONS_H
#define ASM_SECTIONS_H

#include "asm/mm.h"
#include "hv/types.h"

extern const char __image_start[], __text_start[], __text_end[], __rodata_start[], __rodata_end[], __data_end[],
	__bss_start[], __bss_end[], __image_end[];

struct extable_entry {
	int32_t insn, to; /* relative to the field */
};
extern const struct extable_entry __extable_start[], __extable_end[];

/* Physical address of something inside the image. */
static inline paddr_t image_paddr(const void *va)
{
	return (uint64_t)va - IMAGE_START + IMAGE_PHYS;
}

#endif
