#include "hv/timescale.h"

/* See hv/timescale.h. Long division by hand: a 128-bit quotient would need the compiler's library. */
uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	uint64_t rest = (uint64_t)(product >> 64), low = (uint64_t)product, quotient = 0;

	if (!c || rest >= c)
		return UINT64_MAX;
	if (likely(!rest)) /* a few seconds, whatever their unit */
		return low / c;
	for (unsigned i = 0; i < 64; i++) {
		bool carry = rest >> 63;

		rest = rest << 1 | low >> 63;
		low <<= 1;
		quotient <<= 1;
		if (carry || rest >= c) {
			rest -= c;
			quotient |= 1;
		}
	}
	return quotient;
}

/* See hv/timescale.h. */
struct timescale timescale_make(uint64_t ns, uint64_t ticks)
{
	struct timescale s = { 0, 0 };

	if (!ns || !ticks)
		return s;
	/* ns / ticks in [1/2, 1) makes mul a full 32-bit fraction; at most 31 steps either way keep shift sane. */
	while (ns >= ticks && s.shift < 31) {
		if (ticks >> 63)
			ns >>= 1;
		else
			ticks <<= 1;
		s.shift++;
	}
	while (ns < ticks - ns && s.shift > -31) {
		if (ns >> 62)
			ticks >>= 1;
		else
			ns <<= 1;
		s.shift--;
	}
	ns = muldiv64(ns, 1UL << 32, ticks);
	s.mul = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
	return s;
}

/* See hv/timescale.h. */
uint64_t timescale_khz(struct timescale s)
{
	uint64_t khz;

	if (!s.mul)
		return 0;
	khz = (1000000UL << 32) / s.mul;
	return s.shift >= 0 ? khz >> s.shift : khz << -s.shift;
}
