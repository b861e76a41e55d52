/* The block a PVH guest finds at EBX: start info, module list, memory map and command lines. Pure. */
#ifndef LAUNCH_START_INFO_H
#define LAUNCH_START_INFO_H

#include "hv/boot.h"
#include "hv/types.h"

#define START_INFO_MAX 0x3000UL /* bytes: a command line of a page, the longest map and everything else */

struct start_info_desc {
	uint64_t gpa;	/* where the block will be */
	uint32_t flags; /* SIF_* */
	const char *cmdline;
	uint64_t initrd, initrd_size; /* size 0: none */
	uint64_t rsdp;
	const struct e820_entry *map;
	unsigned nr_map;
};

/* Write the block into @buf of @size bytes. Returns the bytes used, 0 if they do not fit. */
size_t start_info_build(uint8_t *buf, size_t size, const struct start_info_desc *desc) must_check;

#endif
