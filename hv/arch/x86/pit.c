/* The i8254: only to measure the TSC where nothing better exists. Channel 2 counts down once; port 0x61 shows the end. */
#include "asm/cpu.h"
#include "asm/io.h"
#include "asm/time.h"

#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_GATE 0x61
#define GATE_ON 0x01
#define GATE_SPEAKER 0x02
#define GATE_OUT 0x20
#define COMMAND_CHANNEL2_MODE0 0xb0 /* low then high byte, interrupt on terminal count, binary */

#define PIT_HZ 1193182u
#define MEASURE_MS 20u
#define MEASURE_TICKS (PIT_HZ * MEASURE_MS / 1000)
#define NR_MEASURES 4u

/* TSC ticks of one countdown; 0 if it does not end in a bounded number of looks. Late looks make it longer, never shorter. */
static uint64_t measure_once(void)
{
	uint64_t start;

	outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~GATE_SPEAKER) | GATE_ON));
	outb(PIT_COMMAND, COMMAND_CHANNEL2_MODE0);
	outb(PIT_CHANNEL2, MEASURE_TICKS & 0xff);
	outb(PIT_CHANNEL2, MEASURE_TICKS >> 8);
	start = rdtsc_ordered();
	if (inb(PIT_GATE) & GATE_OUT)
		return 0;
	for (unsigned i = 0; i < 1000000; i++)
		if (inb(PIT_GATE) & GATE_OUT)
			return rdtsc_ordered() - start;
	return 0;
}

/* See asm/time.h. */
uint64_t pit_measure_tsc(void)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < NR_MEASURES; i++) {
		uint64_t t = measure_once();

		if (t && (!best || t < best))
			best = t;
	}
	return best / MEASURE_MS;
}
