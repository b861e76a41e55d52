/* Keyed hashing: tables of names a guest chooses, and answers a commit compares, must not be steerable from outside. */
#ifndef XENSTORED_HASH_H
#define XENSTORED_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of @len bytes, with a key drawn once per process; @seed tells uses apart. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);

#endif
