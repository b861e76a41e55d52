/* guest: oracle=no compare=no only=64 */
/* What the counting plugin of the benchmark is held to (tests/system/test_bench.py): work of known size between markers. */
#include "../bench/mark.h"
#include "lib/ops.h"

#define EXITS 1000u
#define TURNS 10000u

void guest_main(void)
{
	unsigned turns = TURNS;
	uint64_t begin, end;

	for (unsigned i = 0; i < EXITS; i++) /* warm */
		cpuid(0x40000001, 0);
	MARK(1);
	begin = rdtsc();
	for (volatile unsigned i = 0; i < EXITS; i++)
		cpuid(0x40000001, 0);
	end = rdtsc();
	MARK(2);
	MARK(3);
	asm volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
	MARK(4);
	say("TICKS %lu\n", (unsigned long)(end - begin));
}
