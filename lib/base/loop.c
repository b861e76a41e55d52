#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

struct loop_fd {
	struct loop_fd *next; /* among the removed */
	int fd;
	loop_ready *fn; /* NULL: removed */
	void *arg;
};

struct deferred {
	struct deferred *next;
	loop_call *fn;
	void *arg;
};

static struct {
	int epoll;
	bool stop;
	struct timer *timers; /* by due time */
	struct deferred *first, **last;
	struct loop_fd *removed; /* freed at the end of the turn: epoll may have named them already */
} loop = { .epoll = -1 };

int loop_open(void)
{
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.last = &loop.first;
	loop.stop = false;
	return loop.epoll < 0 ? -errno : 0;
}

static void free_removed(void)
{
	struct loop_fd *f;
	while ((f = loop.removed)) {
		loop.removed = f->next;
		free(f);
	}
}

void loop_close(void)
{
	struct deferred *d;
	while ((d = loop.first)) {
		loop.first = d->next;
		free(d);
	}
	loop.last = &loop.first;
	free_removed();
	close(loop.epoll);
	loop.epoll = -1;
}

static void control(int op, struct loop_fd *f, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = f };
	if (epoll_ctl(loop.epoll, op, f->fd, &e)) {
		perror("epoll_ctl");
		abort();
	}
}

struct loop_fd *loop_add(int fd, uint32_t events, loop_ready *fn, void *arg)
{
	struct loop_fd *f = xcalloc(1, sizeof(*f));
	f->fd = fd;
	f->fn = fn;
	f->arg = arg;
	control(EPOLL_CTL_ADD, f, events);
	return f;
}

void loop_change(struct loop_fd *f, uint32_t events)
{
	control(EPOLL_CTL_MOD, f, events);
}

void loop_remove(struct loop_fd *f)
{
	if (!f)
		return;
	control(EPOLL_CTL_DEL, f, 0);
	f->fn = NULL;
	f->next = loop.removed;
	loop.removed = f;
}

uint64_t loop_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void timer_cancel(struct timer *t)
{
	struct timer **at = &loop.timers;
	if (!t->set)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->set = false;
}

void timer_set(struct timer *t, uint64_t ms, loop_call *fn, void *arg)
{
	struct timer **at = &loop.timers;
	timer_cancel(t);
	t->due = loop_now() + ms * 1000000;
	t->fn = fn;
	t->arg = arg;
	t->set = true;
	while (*at && (*at)->due <= t->due)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

void loop_defer(loop_call *fn, void *arg)
{
	struct deferred *d = xcalloc(1, sizeof(*d));
	d->fn = fn;
	d->arg = arg;
	*loop.last = d;
	loop.last = &d->next;
}

static void run_deferred(void)
{
	struct deferred *d;
	while ((d = loop.first)) {
		loop.first = d->next;
		if (!loop.first)
			loop.last = &loop.first;
		d->fn(d->arg);
		free(d);
	}
}

static void run_timers(void)
{
	uint64_t now = loop_now();
	struct timer *t;
	while ((t = loop.timers) && t->due <= now) {
		loop.timers = t->next;
		t->set = false;
		t->fn(t->arg);
		run_deferred();
	}
}

/* Milliseconds until the next timer, rounded up; -1: there is none. */
static int until_timer(void)
{
	uint64_t now = loop_now();
	if (!loop.timers)
		return -1;
	if (loop.timers->due <= now)
		return 0;
	if (loop.timers->due - now > 3600ull * 1000000000)
		return 3600 * 1000;
	return (int)((loop.timers->due - now + 999999) / 1000000);
}

void loop_run(void)
{
	struct epoll_event events[64];
	run_deferred();
	while (!loop.stop) {
		int n = epoll_wait(loop.epoll, events, 64, until_timer());
		for (int i = 0; i < n; i++) {
			struct loop_fd *f = events[i].data.ptr;
			if (f->fn)
				f->fn(f->arg, events[i].events);
			run_deferred();
		}
		run_timers();
		free_removed();
	}
	loop.stop = false;
}

void loop_stop(void)
{
	loop.stop = true;
}
