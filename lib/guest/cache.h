/*
 * Unpacked kernels kept between creations, in a directory of our own.
 *
 * An entry is found by what the file system says of the packed file (path, device, inode, size, times) and proven by hashes of both: the packed bytes must be
 * those it was made from, and its own bytes those that were written. What proves false, belongs to somebody else or can be written by others is
 * removed or refused, and made anew. Hashes are keyed with a secret of the directory, so no file can be made to pass for another.
 */
#ifndef GUEST_CACHE_H
#define GUEST_CACHE_H

#include <stdint.h>
#include <sys/stat.h>

#include "guest/hash.h"

/* All entries together; the oldest go first. */
#define CACHE_MAX (1UL << 30)

struct kernel_cache {
	int dir; /* -1: there is none */
	struct hash_key key;
	uint64_t max;
};

struct cache_entry {
	void *map; /* NULL: not found */
	uint64_t map_size;
	const uint8_t *elf;
	uint64_t size;
};

/* @path NULL or one that cannot be trusted: a cache that holds nothing. */
void cache_open(struct kernel_cache *c, const char *path);
void cache_close(struct kernel_cache *c);

/* The entry of @path, now open with status @st, and whose bytes hash to @source. @e is all zero if there is none. */
void cache_find(struct kernel_cache *c, const char *path, const struct stat *st, const struct hash_value *source,
		struct cache_entry *e);
/* Keep @elf. Failures cost nothing but the next one's time. */
void cache_store(struct kernel_cache *c, const char *path, const struct stat *st, const struct hash_value *source,
		 const uint8_t *elf, uint64_t size);

#endif
