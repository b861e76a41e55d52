/* The event loop: one thread, bounded work per turn and per connection. */
#ifndef XENSTORED_LOOP_H
#define XENSTORED_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Something with a descriptor. */
struct source {
	void (*ready)(struct source *s, unsigned what); /* OS_IN, OS_OUT, OS_GONE */
	int fd;
	unsigned what; /* what is waited for now */
};

/* 0 or an errno value. */
int loop_open(void);
int loop_add(struct source *s, unsigned what);
void loop_change(struct source *s, unsigned what);
void loop_remove(struct source *s);

/* Milliseconds of a monotonic clock, read once per turn. */
uint64_t loop_now(void);
/* Be called at the end of each turn until it returns false: slices of long work. One job at a time per @fn. */
void loop_job(bool (*fn)(void));
/* Serve until loop_stop(). */
void loop_run(void);
void loop_stop(void);
/* One turn that waits at most @timeout_ms (tests). */
void loop_turn(int timeout_ms);

#endif
