/* Scaling of counters to nanoseconds in the form pvclock has: ns = ((ticks << shift) * mul) >> 32. hv/lib/timescale.c; pure. */
#ifndef HV_TIMESCALE_H
#define HV_TIMESCALE_H

#include "hv/types.h"

struct timescale {
	uint32_t mul;
	int8_t shift;
};

/* a * b / c with a 128-bit product; UINT64_MAX if the result is larger, or for c = 0. */
uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c);
/* The scale by which @ticks become @ns: both positive. mul has its top bit set, as exact as 32 bits can be. */
struct timescale timescale_make(uint64_t ns, uint64_t ticks);
/* Frequency in kHz that @s stands for. 0 for an unset scale. */
uint64_t timescale_khz(struct timescale s);

/* Nanoseconds of @ticks. */
static inline uint64_t timescale_ns(struct timescale s, uint64_t ticks)
{
	if (s.shift >= 0)
		ticks <<= s.shift;
	else
		ticks >>= -s.shift;
	return (uint64_t)(((unsigned __int128)ticks * s.mul) >> 32);
}

/* The 64-bit count a counter of @mask's width stands for that shows @value when about @expected was due. */
static inline uint64_t counter_extend(uint64_t value, uint64_t mask, uint64_t expected)
{
	uint64_t diff = (value - expected) & mask;

	return diff > mask / 2 ? expected - (((expected - value) & mask)) : expected + diff;
}

#endif
