/* The one event loop of a daemon: descriptors, timers, deferred calls. Everything here is for the thread that runs it. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* @events: EPOLLIN, EPOLLOUT ... as they are. */
typedef void loop_ready(void *arg, uint32_t events);
typedef void loop_call(void *arg);

/* 0 or -errno. */
int loop_open(void);
void loop_close(void);

struct loop_fd;
/* Watch @fd, which stays the caller's. Out of memory or of kernel resources ends the program. */
struct loop_fd *loop_add(int fd, uint32_t events, loop_ready *fn, void *arg);
void loop_change(struct loop_fd *f, uint32_t events);
/* No call comes after this, even if one is due. NULL is allowed. */
void loop_remove(struct loop_fd *f);

/* Zeroed means: not set. May lie in any structure; cancel it before that goes. */
struct timer {
	struct timer *next;
	uint64_t due; /* ns, monotonic */
	loop_call *fn;
	void *arg;
	bool set;
};
/* Call @fn(@arg) in @ms; setting it again moves it. */
void timer_set(struct timer *t, uint64_t ms, loop_call *fn, void *arg);
void timer_cancel(struct timer *t);

/* Call @fn(@arg) later in this turn, from the loop and not from inside whatever runs now. In order. */
void loop_defer(loop_call *fn, void *arg);

/* Monotonic nanoseconds. */
uint64_t loop_now(void);
/* Until loop_stop(); may be called again then. */
void loop_run(void);
void loop_stop(void);

#endif
