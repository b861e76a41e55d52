/* ELF files of kernels and of the loader: bounds-checked reading only. Pure. */
#ifndef LAUNCH_ELF_H
#define LAUNCH_ELF_H

#include "hv/types.h"

struct elf_image {
	const uint8_t *data;
	uint64_t size;
	bool is64;
	uint64_t phoff;
	unsigned phnum, phentsize;
	bool has_pvh;	    /* a XEN_ELFNOTE_PHYS32_ENTRY note was found */
	uint32_t pvh_entry; /* its value */
	uint64_t low, high; /* physical span of its PT_LOAD segments, [low, high) */
};

struct elf_segment {
	const uint8_t *data; /* filesz bytes, inside the image */
	uint64_t paddr, filesz, memsz;
};

/* Does the file start like an ELF file? */
bool elf_is_elf(const void *data, uint64_t size);
/* Read and check headers, segments and notes. NULL, or one sentence saying what is wrong; nothing may be used then. */
const char *elf_parse(struct elf_image *e, const void *data, uint64_t size) must_check;
/* Next PT_LOAD segment at or after program header *@i, which moves behind it. False at the end. */
bool elf_next_load(const struct elf_image *e, unsigned *i, struct elf_segment *s);

#endif
