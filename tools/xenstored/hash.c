/* SipHash-1-3 (Aumasson and Bernstein, 2012), keyed by the kernel's random numbers. */
#include "hash.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static struct {
	bool ready;
	struct hash_key table, answer;
} keys;

static void key_init(struct hash_key *key)
{
	struct timespec ts;

	if (getrandom(&key->k0, sizeof(key->k0), GRND_NONBLOCK) != sizeof(key->k0) ||
	    getrandom(&key->k1, sizeof(key->k1), GRND_NONBLOCK) != sizeof(key->k1)) {
		/* Early in a boot there may be no entropy; the time is better than a constant. */
		clock_gettime(CLOCK_MONOTONIC, &ts);
		key->k0 ^= (uint64_t)ts.tv_nsec * 0x9e3779b97f4a7c15u;
		key->k1 ^= (uint64_t)ts.tv_sec * 0xc2b2ae3d27d4eb4fu + (uintptr_t)&ts;
	}
}

static void keys_init(void)
{
	if (keys.ready)
		return;
	key_init(&keys.table);
	key_init(&keys.answer);
	keys.ready = true;
}

static inline uint64_t rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

struct sip {
	uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *s)
{
	s->a += s->b;
	s->b = rotate(s->b, 13) ^ s->a;
	s->a = rotate(s->a, 32);
	s->c += s->d;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a += s->d;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c += s->b;
	s->b = rotate(s->b, 17) ^ s->c;
	s->c = rotate(s->c, 32);
}

static uint64_t sip_hash(const struct hash_key *key, uint64_t seed, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t word, last = (uint64_t)len << 56;
	struct sip s;

	s = (struct sip){ key->k0 ^ seed ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du,
			  key->k0 ^ seed ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u };
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		s.d ^= word;
		sip_round(&s);
		s.a ^= word;
	}
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)p[i] << (8 * i);
	s.d ^= last;
	sip_round(&s);
	s.a ^= last;
	s.c ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
	if (!keys.ready)
		keys_init();
	return sip_hash(&keys.table, seed, data, len);
}

uint64_t hash_answer(uint64_t seed, const void *data, size_t len)
{
	if (!keys.ready)
		keys_init();
	return sip_hash(&keys.answer, seed, data, len);
}

struct hash_key hash_answer_key(void)
{
	keys_init();
	return keys.answer;
}

void hash_set_answer_key(struct hash_key key)
{
	keys_init();
	keys.answer = key;
}
