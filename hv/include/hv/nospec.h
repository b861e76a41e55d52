/* Indices a guest chooses. A processor may guess that one passed its check and read beyond the array before it knows better, and what it then reads by what it found can be told from outside. */
#ifndef HV_NOSPEC_H
#define HV_NOSPEC_H

#include "hv/types.h"

/* @i, which has been found to be below @n, and 0 where that was a wrong guess. @n is at most 2^63. No branch: a sign is the mask. */
static inline uint64_t index_nospec(uint64_t i, uint64_t n)
{
	asm("" : "+r"(i)); /* the compiler must not know what it does about @i */
	return i & (uint64_t)((int64_t) ~(i | (n - 1 - i)) >> 63);
}

#endif
