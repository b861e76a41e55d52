/* The in-guest loader: freestanding long-mode code that unpacks one kernel inside the domain it is for. */
#ifndef LOADER_H
#define LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/loader_abi.h"

/* End the domain with one sentence; never returns. loader/main.c. */
_Noreturn void fail(const char *what);

/* Where unpacked bytes go, in file order, each exactly once. */
void elf_begin(const struct loader_info *info);
void elf_write(const void *data, size_t size);
/* The whole file has been written: clear BSS, return the PVH entry point. */
uint32_t elf_finish(void);

/* Unpack @src of @size bytes, whatever its format (xz, lzma, gzip, lz4, zstd, none), into elf_write(). loader/unpack.c. */
void unpack(const uint8_t *src, size_t size);

void heap_init(uint64_t start, uint64_t end);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void free(void *p);

#endif
