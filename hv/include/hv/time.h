/* System time and timers. */
#ifndef HV_TIME_H
#define HV_TIME_H

#include "hv/list.h"
#include "hv/types.h"

#define NSEC_PER_SEC 1000000000L
#define MILLISECS(n) ((stime_t)(n)*1000000L)
#define MICROSECS(n) ((stime_t)(n)*1000L)
#define STIME_MAX INT64_MAX

/* Nanoseconds since boot, monotonic across CPUs. Any context. Implemented by the architecture. */
stime_t now(void);

/* Wall clock: seconds and nanoseconds since 1970 UTC at system time 0. hv/core/time.c. */
struct wallclock {
	uint64_t sec;
	uint32_t nsec;
};
void wallclock_set(struct wallclock at_boot);
struct wallclock wallclock_get(void);
struct domain;
/* Write the wall clock, with @d's offset, to its shared_info in the width now latched. Call when that page or width appears. */
void wallclock_publish(struct domain *d);
/* @d gives its shared_info page up: nobody writes the clock to it any more when this returns. */
void wallclock_detach(struct domain *d);

struct timer {
	stime_t expires;		     /* valid while active */
	struct timer *left, *right, *parent; /* in its CPU's heap */
	unsigned rank;			     /* distance to the nearest missing child; 0 = inactive */
	unsigned cpu;			     /* CPU that runs it; stable under that CPU's timer lock */
	unsigned ran_on;		     /* CPU that last took it out to run it */
	void (*fn)(void *);
	void *data;
	bool dead;
};

/* @fn(@data) runs in the timer softirq of the timer's CPU with no lock held. A timer starts inactive. */
void timer_init(struct timer *t, void (*fn)(void *), void *data, unsigned cpu);
/* (Re)arm for absolute time @expires; a past time fires at once. Callable from any CPU, also from @fn. */
void timer_set(struct timer *t, stime_t expires);
/* The same, from now on on the calling CPU: for timers of a domain, so that its requests take no lock of a CPU that others use. */
void timer_set_here(struct timer *t, stime_t expires);
void timer_stop(struct timer *t);
/* Stop for ever and wait until @fn is not running anywhere (unless called from @fn). */
void timer_kill(struct timer *t);
/* Move to CPU @cpu, active or not. */
void timer_migrate(struct timer *t, unsigned cpu);
bool timer_active(const struct timer *t);
/* Per-CPU set-up and the softirq. */
int timer_cpu_init(unsigned cpu);

#endif
