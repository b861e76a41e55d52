#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64
#define TURN_FNS 8

static struct {
	int fd;
	bool stop;
	uint64_t due;
	void (*turn[TURN_FNS])(uint64_t now);
	unsigned nr_turn;
	struct epoll_event events[EVENTS];
	int at, nr; /* of them, being served */
} loop = { .fd = -1 };

void loop_open(void)
{
	loop.fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop.fd < 0) {
		perror("xenconsoled: epoll");
		exit(1);
	}
}

static int control(int op, struct source *s)
{
	struct epoll_event e = { .data.ptr = s };

	e.events = (s->wanted & LOOP_IN ? EPOLLIN : 0) | (s->wanted & LOOP_OUT ? EPOLLOUT : 0);
	return epoll_ctl(loop.fd, op, s->fd, &e);
}

int loop_add(struct source *s, unsigned wanted)
{
	s->wanted = wanted;
	return control(EPOLL_CTL_ADD, s);
}

void loop_want(struct source *s, unsigned wanted)
{
	if (s->wanted == wanted || s->fd < 0)
		return;
	s->wanted = wanted;
	control(EPOLL_CTL_MOD, s);
}

void loop_remove(struct source *s)
{
	int fd = s->fd;

	loop_forget(s);
	if (fd >= 0)
		close(fd);
}

void loop_forget(struct source *s)
{
	if (s->fd < 0)
		return;
	epoll_ctl(loop.fd, EPOLL_CTL_DEL, s->fd, NULL);
	s->fd = -1;
	for (int i = loop.at; i < loop.nr; i++)
		if (loop.events[i].data.ptr == s)
			loop.events[i].data.ptr = NULL;
}

uint64_t loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void loop_on_turn(void (*fn)(uint64_t now))
{
	if (loop.nr_turn == TURN_FNS)
		abort();
	loop.turn[loop.nr_turn++] = fn;
}

void loop_due(uint64_t when)
{
	if (when < loop.due)
		loop.due = when;
}

void loop_stop(void)
{
	loop.stop = true;
}

static int wait_time(uint64_t now)
{
	if (loop.due == UINT64_MAX)
		return -1;
	return loop.due <= now ? 0 : loop.due - now > 60000 ? 60000 : (int)(loop.due - now);
}

void loop_run(void)
{
	while (!loop.stop) {
		uint64_t now = loop_now();

		loop.due = UINT64_MAX;
		for (unsigned i = 0; i < loop.nr_turn; i++)
			loop.turn[i](now);
		if (loop.stop)
			break;
		loop.nr = epoll_wait(loop.fd, loop.events, EVENTS, wait_time(now));
		for (loop.at = 0; loop.at < loop.nr; loop.at++) {
			struct source *s = loop.events[loop.at].data.ptr;
			uint32_t e = loop.events[loop.at].events;

			if (s)
				s->ready(s, (e & EPOLLIN ? LOOP_IN : 0) | (e & EPOLLOUT ? LOOP_OUT : 0) |
						    (e & (EPOLLERR | EPOLLHUP) ? LOOP_GONE : 0));
		}
		loop.nr = 0;
	}
}
