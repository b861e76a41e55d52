/*
 * Unpacking by magic number: gzip, bzip2, xz, lzma, lz4 (the kernel's legacy frames), zstd. Runs where nothing may be trusted: no system call, no
 * memory but what it is given.
 */
#ifndef GUEST_UNPACK_H
#define GUEST_UNPACK_H

#include <stddef.h>
#include <stdint.h>

enum unpack_status {
	UNPACK_NOT_RUN,
	UNPACK_OK,
	UNPACK_UNKNOWN,	  /* no format we know */
	UNPACK_DAMAGED,	  /* the data is not what its format demands, or ends too early */
	UNPACK_TOO_LARGE, /* more than the room given comes out */
	UNPACK_MEMORY,	  /* the decoder wants more than its arena */
};

/* Working memory of decoders: xz dictionaries of 64 MiB and what surrounds them. Only touched pages cost. */
#define UNPACK_ARENA (192UL << 20)

struct unpack_room {
	uint8_t *out;
	size_t out_size;
	uint8_t *arena;
	size_t arena_size;
};

/* Name of the format @src begins with, NULL if it is none. At least 8 bytes. */
const char *unpack_format(const uint8_t *src);
/* Unpack @size (8 or more) bytes at @src. *@len is how many came out with UNPACK_OK. */
enum unpack_status unpack(const uint8_t *src, size_t size, const struct unpack_room *room, size_t *len);

#endif
