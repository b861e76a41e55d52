/* Memory for a new domain out of domain 0's, by its balloon driver: autoballoon of xl.conf. */
#ifndef HOSPESD_BALLOON_H
#define HOSPESD_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

/* Lies in a larger structure, which must live until done() was called or balloon_cancel(). */
struct balloon {
	uint64_t need, free;	/* KiB wanted, and free in the hypervisor when last looked at */
	uint64_t first, before; /* free at first; target of domain 0 before */
	uint64_t since;		/* when more became free for the last time */
	bool asked;		/* the store is */
	bool over;
	struct timer timer;
	void (*done)(struct balloon *b); /* there is so much free, or there will not be */
	void (*progress)(struct balloon *b);
};

/*
 * Lower domain 0's target by what is missing to @b->need, and wait until it is free. Not if xl.conf forbids it, nor if domain 0 would be left with less than
 * 128 MiB. If nothing comes for a while, the target is as before: what is missing the builder will say.
 */
void balloon_start(struct balloon *b);
/* Give up soon; done() is called, from here or later. */
void balloon_cancel(struct balloon *b);

#endif
