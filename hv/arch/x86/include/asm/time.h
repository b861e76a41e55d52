/*
 * Time on x86. There is one line "TSC of the boot CPU -> nanoseconds", slewed each second against the platform timer.
 * Each CPU knows how far its own TSC is from the boot CPU's (arch.tsc_delta), so all CPUs, and all guests through
 * pvclock, read the same line.
 */
#ifndef ASM_TIME_H
#define ASM_TIME_H

#include "hv/time.h"
#include "hv/timescale.h"

/* A counter the whole machine shares: ns = count * num / den. */
struct platform_timer {
	const char *name; /* as clocksource= calls it */
	uint64_t (*read)(void);
	uint64_t mask;
	uint64_t num, den;
};

/* Where the line goes: system time is @ns at boot CPU's TSC @tsc, then scaled. */
struct time_line {
	uint64_t tsc;
	int64_t ns;
	struct timescale scale;
};

/* Boot step, boot CPU: choose the platform timer, measure the TSC; now() runs from here. After acpi_init(), paging. */
void time_init(void);
/* Boot CPU, while CPU @cpu comes up: answer its questions until it is content or a while (2 s at most) has passed. */
void time_sync_boot(unsigned cpu);
/* Other CPUs, on their way up: find tsc_delta, with time_sync_boot() on the other side or, failing that, by the platform timer. */
void time_cpu_init(void);
/* Each CPU, timers up: start the check each second. */
void time_cpu_start(void);

/* The line now in force. Any context. */
struct time_line time_line(void);
/* This CPU's TSC when system time will be @t. */
uint64_t time_to_tsc(stime_t t);
/* TSC frequency as last measured; 0 before time_init(). */
uint32_t time_tsc_khz(void);
/* Name of the platform timer in use, "none" without one. */
const char *time_source(void);
/* No CPU's TSC can be caught running behind another's, once corrected. */
bool time_tsc_reliable(void);
/* Busy-wait; works before time_init() too, then as exactly as the PIT's port delay. */
void time_udelay(uint64_t us);

/* Platform timers: true and *t filled if there is one that counts. */
bool hpet_init(struct platform_timer *t) must_check;
bool pmtimer_init(struct platform_timer *t) must_check;
/* TSC ticks in 1 ms by the PIT, 0 if there is none. */
uint64_t pit_measure_tsc(void);
/* Wall clock from the CMOS RTC: seconds since 1970, 0 if it makes no sense. */
uint64_t rtc_read(void);

#endif
