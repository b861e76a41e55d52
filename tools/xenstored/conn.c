/* Connections as such: birth, the lists a turn of the loop works off, serving a message, and a death that never hurts its caller. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "conflict.h"
#include "conn_io.h"
#include "domain.h"
#include "journal.h"
#include "journal_io.h"
#include "options.h"
#include "quota.h"
#include "request.h"
#include "trace.h"
#include "update.h"

/* A client that reads nothing gets no more answers than this at once. */
#define OUT_PAUSE (256u << 10)
/* What is done for guests before others are looked at again: a ring is looked at, and one ordinary request served. */
#define PIECE 2

static struct {
	struct conn_io *all;
	struct conn_io *list[NR_CONN_LISTS], **last[NR_CONN_LISTS];
	struct conn_io *dying;
	struct conn *current;
	uint32_t next_id;
	unsigned on_list[NR_CONN_LISTS];
	uint64_t timers_at; /* when the first of LIST_BLOCKED is due */
	unsigned nr;
	int work_left;	/* of this turn */
	bool for_guest; /* what is done is done for a guest */
} conns = { .next_id = 1 };

struct conn *conn_current(void)
{
	return conns.current;
}

struct conn_io *conn_first(void)
{
	return conns.all;
}

unsigned conn_count(void)
{
	return conns.nr;
}

void conn_set_id_floor(uint32_t id)
{
	if (id >= conns.next_id)
		conns.next_id = id + 1 ? id + 1 : 1;
}

struct conn *conn_new(enum conn_kind kind, struct domain *d, uint32_t id)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct conn_io *io = calloc(1, sizeof(*io));

	if (!c || !io) {
		free(c);
		free(io);
		return NULL;
	}
	if (id)
		conn_set_id_floor(id);
	else
		id = conns.next_id++;
	if (!conns.next_id)
		conns.next_id = 1;
	c->id = id;
	c->kind = kind;
	c->domain = d;
	c->io = io;
	io->c = c;
	io->source.fd = -1;
	queue_init(&io->out);
	io->next = conns.all;
	io->prev = &conns.all;
	if (io->next)
		io->next->prev = &io->next;
	conns.all = io;
	conns.nr++;
	return c;
}

void conn_list_add(struct conn_io *io, enum conn_list list)
{
	if (io->on_list[list])
		return;
	io->on_list[list] = true;
	io->list_next[list] = NULL;
	if (!conns.list[list])
		conns.list[list] = io;
	else
		*conns.last[list] = io;
	conns.last[list] = &io->list_next[list];
	conns.on_list[list]++;
}

struct conn_io *conn_list_pop(enum conn_list list)
{
	struct conn_io *io = conns.list[list];

	if (io) {
		conns.list[list] = io->list_next[list];
		io->on_list[list] = false;
		conns.on_list[list]--;
	}
	return io;
}

unsigned conn_list_count(enum conn_list list)
{
	return conns.on_list[list];
}

static void conn_list_remove(struct conn_io *io, enum conn_list list)
{
	struct conn_io **p = &conns.list[list];

	if (!io->on_list[list])
		return;
	while (*p != io)
		p = &(*p)->list_next[list];
	*p = io->list_next[list];
	if (!*p)
		conns.last[list] = p;
	io->on_list[list] = false;
	conns.on_list[list]--;
}

void conn_ready(struct conn_io *io)
{
	conn_list_add(io, conn_privileged(io->c) ? LIST_READY : LIST_GUESTS);
}

void conn_go_on(struct conn_io *io)
{
	conn_list_remove(io, LIST_GUESTS);
	io->on_list[LIST_GUESTS] = true;
	io->list_next[LIST_GUESTS] = conns.list[LIST_GUESTS];
	if (!conns.list[LIST_GUESTS])
		conns.last[LIST_GUESTS] = &io->list_next[LIST_GUESTS];
	conns.list[LIST_GUESTS] = io;
	conns.on_list[LIST_GUESTS]++;
}

void conn_turn_begin(void)
{
	conns.work_left = 0;
}

void conn_turn_of_guests(void)
{
	conns.work_left = PIECE;
}

bool conn_turn_over(void)
{
	return conns.work_left <= 0;
}

void conn_work(unsigned units)
{
	const struct conn *c = conns.current;

	if (conns.for_guest || (c && !conn_privileged(c)))
		conns.work_left -= (int)(units < PIECE ? units : PIECE);
}

void conn_taken(uint32_t domain, uint32_t id)
{
	struct domain *d = domain_find(domain);

	if (!d || !d->conn || d->conn->id != id || !d->conn->outstanding)
		return;
	d->conn->outstanding--;
	if (d->conn->io->held) {
		d->conn->io->held = false;
		conn_ready(d->conn->io);
	}
}

bool conn_may_serve(struct conn *c)
{
	uint64_t wait;
	uint32_t limit;

	if (c->io->closing || c->io->ignored)
		return false;
	if (queue_load(&c->io->out) > OUT_PAUSE)
		return false;
	if (conn_turn_over() && !conn_privileged(c)) {
		c->io->cut_short = true;
		return false;
	}
	if (c->kind == CONN_GUEST && c->outstanding) {
		limit = quota_limit(c->domain, QUOTA_OUTSTANDING);
		if (limit && c->outstanding >= limit) {
			c->io->held = true;
			return false;
		}
	}
	wait = conn_stalled(c);
	if (wait) {
		c->io->retry_at = loop_now() + wait;
		conn_blocked(c->io);
		return false;
	}
	c->io->retry_at = 0;
	return true;
}

void conn_serve(struct conn *c, const struct xsd_sockmsg *h, const char *body)
{
	bool ring = c->kind != CONN_SOCKET;

	if (trace_on)
		trace_io(c, false, h->type, h->req_id, h->tx_id, body, h->len);
	conns.current = c;
	conn_work(1);
	/* A ring outlives us: even a read's answer must not be lost, nor the request be served again. */
	if (ring)
		journal_begin(c);
	request_handle(c, h, body);
	if (ring)
		journal_commit();
	conns.current = NULL;
}

void conn_close(struct conn *c, uint32_t ring_error)
{
	struct conn_io *io = c->io;

	if (io->closing)
		return;
	io->closing = true;
	io->error = ring_error;
	conn_list_add(io, LIST_DIRTY);
}

void conn_destroy(struct conn *c)
{
	struct conn_io *io = c->io;

	if (io->dead)
		return;
	io->dead = true;
	io->closing = true;
	if (c->kind == CONN_SOCKET) {
		socket_close(c);
	} else {
		ring_unbind(c);
		ring_unmap(c);
	}
	request_drop_state(c);
	conflict_forget(c);
	update_forget(c);
	for (int l = 0; l < NR_CONN_LISTS; l++)
		conn_list_remove(io, (enum conn_list)l);
	*io->prev = io->next;
	if (io->next)
		io->next->prev = io->prev;
	conns.nr--;
	/* Freed when nobody up the stack can hold it. */
	io->next = conns.dying;
	conns.dying = io;
}

/* What conn_close() put off. */
static void conn_finish(struct conn *c)
{
	struct conn_io *io = c->io;

	if (c->kind == CONN_SOCKET) {
		conn_destroy(c);
		return;
	}
	/* The domain lives: its connection stays, or nobody would learn of its end (XSA-325). */
	io->closing = false;
	journal_begin(NULL);
	journal_reset(c->domain->id);
	request_drop_state(c);
	journal_commit();
	queue_clear(c);
	io->in_len = 0;
	c->outstanding = 0;
	io->ignored = true;
	notice("domain %u broke the protocol of its ring (error %u): ignored until it reconnects or dies",
	       c->domain->id, io->error);
	ring_fail(c, io->error);
}

/* Looking at a ring costs, too, and what is put into it. */
static void for_guest(struct conn_io *io, void (*fn)(struct conn *c))
{
	conns.for_guest = true;
	conn_work(1);
	fn(io->c);
	conns.for_guest = false;
}

/* It broke the protocol: what it had goes in its turn, too. */
static void guest_finish(struct conn *c)
{
	if (request_drop_in_parts(c))
		conn_go_on(c->io);
	else
		conn_finish(c);
}

void conn_finish_guests(void)
{
	for (struct conn_io *io = conns.all; io; io = io->next)
		if (io->closing && io->c->kind == CONN_GUEST)
			conn_finish(io->c);
}

void conn_guest_turn(struct conn_io *io)
{
	for_guest(io, io->closing ? guest_finish : ring_service);
}

void conn_flush_all(void)
{
	struct conn_io *io;

	/* Closing a connection may queue events for others: until nothing is left. Each round of that has fewer connections. */
	while ((io = conn_list_pop(LIST_DIRTY))) {
		if (io->closing && !conn_privileged(io->c) && (chores_wait() || request_drop_in_parts(io->c)))
			conn_ready(io);
		else if (io->closing)
			conn_finish(io->c);
		else if (io->c->kind == CONN_SOCKET)
			socket_flush(io->c);
		else if (conn_privileged(io->c))
			ring_flush(io->c);
		else if (conn_turn_over())
			conn_ready(io);
		else
			for_guest(io, ring_flush);
	}
	while (conns.dying) {
		io = conns.dying;
		conns.dying = io->next;
		queue_clear(io->c);
		free(io->in);
		free(io->c);
		free(io);
	}
}

/* How often what nobody takes is looked at, and how many messages of it are dropped in one turn. */
#define TIMER_MS 1000u
#define OLD_PER_TURN 8

void conn_blocked(struct conn_io *io)
{
	uint64_t at = io->retry_at ? io->retry_at : loop_now() + TIMER_MS;

	if (!conns.on_list[LIST_BLOCKED] || at < conns.timers_at)
		conns.timers_at = at;
	conn_list_add(io, LIST_BLOCKED);
}

int conn_timeout(void)
{
	uint64_t now = loop_now(), wait = UINT64_MAX;

	if (conn_list_count(LIST_READY) || conn_list_count(LIST_GUESTS) || chores_wait())
		return 0;
	if (conn_list_count(LIST_BLOCKED))
		wait = conns.timers_at > now ? conns.timers_at - now : 0;
	if (update_pending() && wait > 100)
		wait = 100;
	return wait == UINT64_MAX ? -1 : wait > TIMER_MS ? (int)TIMER_MS : (int)wait;
}

/* Events that guests do not take grow old; input that was held back goes on. */
void conn_timers(void)
{
	unsigned most = OLD_PER_TURN;
	struct conn_io *io;

	if (!conn_list_count(LIST_BLOCKED) || conns.timers_at > loop_now())
		return;
	/* Found anew from those that stay: a time that has passed would turn the loop for nothing. */
	conns.timers_at = UINT64_MAX;
	for (unsigned n = conn_list_count(LIST_BLOCKED); n && (io = conn_list_pop(LIST_BLOCKED)); n--) {
		if (io->closing)
			continue;
		if (io->retry_at && io->retry_at > loop_now()) {
			conn_blocked(io);
			continue;
		}
		if (io->retry_at) {
			io->retry_at = 0;
			conn_ready(io);
		}
		if (!queue_waits(&io->out))
			continue;
		if (!conn_privileged(io->c) && options.event_timeout_ms)
			queue_expire(io->c, options.event_timeout_ms, &most);
		if (queue_waits(&io->out))
			conn_blocked(io);
		if (!most) {
			conns.timers_at = loop_now();
			return;
		}
	}
}
