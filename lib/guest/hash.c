#include "guest/hash.h"

#include <string.h>

/* Both halves of a product folded into one: each bit of it depends on all bits of both factors. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void add_blocks(struct hash *h, const uint8_t *p, size_t nr)
{
	const uint64_t *k = h->key->word;
	uint64_t a = h->lane[0], b = h->lane[1], c = h->lane[2], d = h->lane[3];

	for (; nr; nr--, p += HASH_BLOCK) {
		a = fold(load(p) ^ a, load(p + 8) ^ k[0]);
		b = fold(load(p + 16) ^ b, load(p + 24) ^ k[1]);
		c = fold(load(p + 32) ^ c, load(p + 40) ^ k[2]);
		d = fold(load(p + 48) ^ d, load(p + 56) ^ k[3]);
	}
	h->lane[0] = a;
	h->lane[1] = b;
	h->lane[2] = c;
	h->lane[3] = d;
}

void hash_begin(struct hash *h, const struct hash_key *key)
{
	*h = (struct hash){ .key = key };
	memcpy(h->lane, &key->word[4], sizeof(h->lane));
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	const uint8_t *p = data;

	h->total += len;
	if (h->fill) {
		size_t n = HASH_BLOCK - h->fill < len ? HASH_BLOCK - h->fill : len;

		memcpy(h->rest + h->fill, p, n);
		h->fill += (unsigned)n;
		p += n;
		len -= n;
		if (h->fill < HASH_BLOCK)
			return;
		add_blocks(h, h->rest, 1);
		h->fill = 0;
	}
	add_blocks(h, p, len / HASH_BLOCK);
	h->fill = (unsigned)(len % HASH_BLOCK);
	memcpy(h->rest, p + len - h->fill, h->fill);
}

struct hash_value hash_end(struct hash *h)
{
	const uint64_t *k = h->key->word;
	struct hash_value v;

	memset(h->rest + h->fill, 0, HASH_BLOCK - h->fill);
	add_blocks(h, h->rest, 1);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t x = h->total ^ k[4 + i];

		for (unsigned l = 0; l < 4; l++)
			x = fold(x ^ h->lane[l], k[(l + 2 * i + 1) % 8] ^ ((uint64_t)x << 32 | x >> 32));
		v.word[i] = x;
	}
	return v;
}

struct hash_value hash_bytes(const struct hash_key *key, const void *data, size_t len)
{
	struct hash h;

	hash_begin(&h, key);
	hash_add(&h, data, len);
	return hash_end(&h);
}
