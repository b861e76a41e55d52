/* From the first C code to the loop. */
#ifndef BOOT_START_H
#define BOOT_START_H

#include "hv/types.h"

_Noreturn void start_hv(uint32_t magic, uint32_t info);
/* Steps on the early stack: up to the page allocator. */
void boot_steps_early(void);
/* The others, then the loop. */
_Noreturn void boot_steps_late(void);
/* Hand memory to the allocator and build the final page tables. memory.c */
void boot_memory(void);

#endif
