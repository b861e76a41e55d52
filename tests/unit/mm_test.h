/* What the tests of hv/mm share: cmocka, a seeded generator, a bare domain without the rest of its subsystems. */
#ifndef MM_TEST_H
#define MM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/string.h"

static uint64_t rng_state;

/* SEED in the environment repeats a run. */
static inline void rng_seed(const char *what)
{
	const char *s = getenv("SEED");

	rng_state = s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	printf("%s: SEED=%lu\n", what, rng_state);
}

static inline uint64_t rng(uint64_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state % below;
}

static inline struct domain *bare_domain(domid_t id, uint64_t max_pages)
{
	struct domain *d = calloc(1, sizeof(*d));

	d->id = id;
	d->refs = 1;
	d->max_pages = max_pages;
	spin_lock_init(&d->lock, RANK_DOMAIN);
	return d;
}

static inline void drop_pages(struct domain *d)
{
	while (domain_release_frames(d, 100))
		assert_true(d->refs > 0);
	assert_null(domain_first_frame(d));
}

#endif
