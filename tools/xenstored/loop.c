#include "loop.h"

#include <stddef.h>
#include <time.h>

#include "chores.h"
#include "commit.h"
#include "conn_io.h"
#include "domain.h"
#include "live.h"
#include "os_linux.h"
#include "update.h"

#define EVENTS_PER_TURN 64
#define MAX_JOBS 4
/* Pieces in a row for chores alone: if none waits after them; and until those who make more of them all the time have to help. */
#define CHORES_ONLY 16
#define CHORES_HURRY 128

static struct {
	uint64_t now;
	bool stop;
	bool (*job[MAX_JOBS])(void);
	unsigned nr_jobs;
	unsigned chores_only; /* pieces in a row that were not for requests of guests */
} loop;

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int loop_open(void)
{
	loop.now = clock_ms();
	return os_poll_open();
}

int loop_add(struct source *s, unsigned what)
{
	s->what = what;
	return os_poll_add(s->fd, what, s);
}

void loop_change(struct source *s, unsigned what)
{
	s->what = what;
	os_poll_change(s->fd, what, s);
}

void loop_remove(struct source *s)
{
	os_poll_remove(s->fd);
}

uint64_t loop_now(void)
{
	return loop.now;
}

void loop_job(bool (*fn)(void))
{
	for (unsigned i = 0; i < loop.nr_jobs; i++)
		if (loop.job[i] == fn)
			return;
	if (loop.nr_jobs < MAX_JOBS)
		loop.job[loop.nr_jobs++] = fn;
}

static void run_jobs(void)
{
	for (unsigned i = 0; i < loop.nr_jobs;)
		if (loop.job[i]())
			i++;
		else
			loop.job[i] = loop.job[--loop.nr_jobs];
}

/* Connections with input, or with input that had to wait: each once per turn. */
static void run_ready(enum conn_list list)
{
	struct conn_io *io;

	for (unsigned n = conn_list_count(list); n && (list != LIST_GUESTS || !conn_turn_over()); n--) {
		io = conn_list_pop(list);
		if (!io)
			return;
		if (list == LIST_GUESTS)
			conn_guest_turn(io);
		else if (io->closing)
			continue;
		else if (io->c->kind == CONN_SOCKET)
			socket_serve_rest(io->c);
		else
			ring_service(io->c);
	}
}

/* A piece of work for guests. Chores come before their requests, but may not keep them waiting for ever. */
static void guests_turn(void)
{
	bool chores = chores_wait();

	conn_turn_of_guests();
	chores_step();
	loop.chores_only += chores;
	if (chores_wait() || (chores && loop.chores_only < CHORES_ONLY)) {
		if (loop.chores_only >= CHORES_HURRY)
			chores_hurry();
		conn_turn_begin();
		return;
	}
	loop.chores_only = 0;
	if (commit_waits()) {
		commit_step();
		conn_turn_begin();
		return;
	}
	run_ready(LIST_GUESTS);
}

void loop_turn(int timeout_ms)
{
	struct os_event events[EVENTS_PER_TURN];
	int wait = conn_timeout();
	unsigned n;

	if (loop.nr_jobs)
		wait = 0;
	if (timeout_ms >= 0 && (wait < 0 || wait > timeout_ms))
		wait = timeout_ms;
	n = os_poll_wait(events, EVENTS_PER_TURN, wait);
	loop.now = clock_ms();
	conn_turn_begin();
	for (unsigned i = 0; i < n; i++) {
		struct source *s = events[i].who;

		s->ready(s, events[i].what);
	}
	conn_timers();
	/* Whoever is privileged has his answers before guests have their turn. */
	run_ready(LIST_READY);
	conn_flush_all();
	guests_turn();
	conn_flush_all();
	domain_reap();
	run_jobs();
	update_poll();
}

void loop_run(void)
{
	while (!loop.stop)
		loop_turn(-1);
}

void loop_stop(void)
{
	loop.stop = true;
}
