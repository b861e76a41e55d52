/* A kernel's ELF image in memory, between the files of this folder. */
#ifndef GUEST_IMAGE_H
#define GUEST_IMAGE_H

#include <stdint.h>

/* The largest kernel file, and the most one may unpack to. */
#define IMAGE_MAX (512UL << 20)

/*
 * Cut zeroes off the end of each segment and all behind the last of them, in place: memory of a new domain is zero already. @elf has passed elf_parse().
 * The bytes that are left.
 */
uint64_t image_trim(uint8_t *elf, uint64_t size);

#endif
