/* What the files of hv/mm share with each other only. */
#ifndef MM_INTERNAL_H
#define MM_INTERNAL_H

#include "hv/mm.h"

#define FRAME_SECTION_BYTES (128UL << 20)

/* frames.c, for boot.c */
uint64_t frames_table_size(uint64_t nr, uint64_t used);
void frames_open(const uint8_t *present, uint64_t nr, void *memory);
void frames_add(paddr_t start, paddr_t end);
void frames_reset(void);
/* numa.c: the machine has @nodes, and frame @index is of node_of(@index), the same for all frames of 2 MiB. Sorts what is free. Boot CPU. */
void frames_sort(unsigned nodes, unsigned (*node_of)(uint64_t index));

/* heap.c */
void heap_init(void);

#endif
