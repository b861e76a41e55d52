/* Keyed hashing: tables of names a guest chooses, and answers a commit compares, must not be steerable from outside. */
#ifndef XENSTORED_HASH_H
#define XENSTORED_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of @len bytes, with a key drawn once per process; @seed tells uses apart. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);

/* The same with a key of its own, which goes to the next daemon with the answers that open transactions got. */
uint64_t hash_answer(uint64_t seed, const void *data, size_t len);
struct hash_key {
	uint64_t k0, k1;
};
struct hash_key hash_answer_key(void);
void hash_set_answer_key(struct hash_key key);

#endif
