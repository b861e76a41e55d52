/*
 * A fast keyed hash of files: 128 bits that tell whether bytes are the same. Who does not know the key cannot make two files alike; it is not for
 * anything else.
 */
#ifndef GUEST_HASH_H
#define GUEST_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BLOCK 64u

struct hash_key {
	uint64_t word[8];
};

struct hash_value {
	uint64_t word[2];
};

struct hash {
	const struct hash_key *key;
	uint64_t lane[4];
	uint64_t total;
	unsigned fill;
	uint8_t rest[HASH_BLOCK];
};

void hash_begin(struct hash *h, const struct hash_key *key);
void hash_add(struct hash *h, const void *data, size_t len);
struct hash_value hash_end(struct hash *h);
/* All at once. */
struct hash_value hash_bytes(const struct hash_key *key, const void *data, size_t len);

#endif
