/*
 * Between Hospes and the in-guest loader (loader/): private, both sides are built together.
 *
 * The loader is entered in the PVH entry state (32-bit flat, paging off) with ebx = guest-physical address of struct loader_info. It
 * lives, with the kernel file and all its memory, in scratch frames outside the domain's RAM map and below 4 GiB; they are
 * withdrawn when it hands off. It ends with one hypercall, HC_hospes_op: LOADER_DONE makes Hospes put the vCPU into a fresh
 * PVH entry state at the kernel's entry; LOADER_FAILED ends the domain with the loader's sentence in the log.
 */
#ifndef HV_LOADER_ABI_H
#define HV_LOADER_ABI_H

#include <stdint.h>

#define LOADER_MAGIC 0x726c6f48u /* "Holr" */

/* Hypercall number no Xen uses (abi/hospes.h has its other operations); these are -ENOSYS for any vCPU that is not in its loader. */
#define HC_hospes_op 63
#define HOSPES_LOADER_DONE 1   /* arg: entry, the kernel's XEN_ELFNOTE_PHYS32_ENTRY */
#define HOSPES_LOADER_FAILED 2 /* arg: address of a NUL-terminated sentence of at most LOADER_MESSAGE_LEN bytes */
#define LOADER_MESSAGE_LEN 128

/* Guest-physical addresses the scratch frames take: the loader is linked at the base; RAM below 4 GiB must end below it. */
#define LOADER_BASE 0xf0000000UL
#define LOADER_END 0xfc000000UL
/* Heap the loader asks for: a 32 MiB xz dictionary or two 8 MiB lz4 blocks, and room. */
#define LOADER_HEAP (48UL << 20)

#define LOADER_MAX_KEEP 8

struct loader_range {
	uint64_t start, end; /* [start, end) */
};

struct loader_info {
	uint32_t magic;
	uint32_t nr_keep;
	uint64_t kernel, kernel_size;		   /* the kernel file as the administrator gave it */
	uint64_t heap, heap_end;		   /* scratch memory for the loader's heap, zeroed */
	uint64_t ram_end;			   /* guest RAM below 4 GiB is [0, ram_end) */
	struct loader_range keep[LOADER_MAX_KEEP]; /* parts of RAM the kernel may not be placed over */
};

/* The loader's ELF file inside Hospes' image (hv/launch/blob.S). */
extern const uint8_t loader_blob[], loader_blob_end[];

#endif
