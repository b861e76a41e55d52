/*
 * Rings in memory shared with a guest: 1024 bytes each way, free-running indices. Everything in the page may change at any
 * time and to anything: each index is read once per pass, checked, and what is served is our copy.
 *
 * The other side sends an event only when we may be waiting for one: it has put bytes into a ring that was empty, or taken some from
 * one that was full, by our index as it reads it after moving its own. Linux does so, header and body of a message apart. So whatever is
 * seen is taken, even if it is not yet a whole message, and whoever stops looks once more after all indices have moved.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn_io.h"
#include "domain.h"
#include "hyper.h"
#include "journal.h"
#include "journal_io.h"
#include "request.h"
#include "trace.h"

#define RING XENSTORE_RING_SIZE
#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define PORTS_MAX (1u << 20)
/* Of a guest's requests that have come together so many are served before another guest has its turn, and answered together. */
#define BATCH 32
/* Bytes put into a guest's ring at once: one piece of work, if they are events to be made. */
#define OUT_PIECE (RING / 4)

static struct {
	struct conn **by_port;
	uint32_t nr_ports;
} rings;

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

int ring_bind(struct conn *c, uint32_t local_port)
{
	if (local_port >= PORTS_MAX)
		return EINVAL;
	if (local_port >= rings.nr_ports) {
		uint32_t nr = rings.nr_ports ? rings.nr_ports : 64;
		struct conn **p;

		while (nr <= local_port)
			nr *= 2;
		p = realloc(rings.by_port, nr * sizeof(*p));
		if (!p)
			return ENOMEM;
		memset(p + rings.nr_ports, 0, (nr - rings.nr_ports) * sizeof(*p));
		rings.by_port = p;
		rings.nr_ports = nr;
	}
	rings.by_port[local_port] = c;
	c->io->port = local_port;
	c->io->bound = true;
	return 0;
}

void ring_unbind(struct conn *c)
{
	if (!c->io->bound)
		return;
	rings.by_port[c->io->port] = NULL;
	hyper->unbind(c->io->port);
	c->io->bound = false;
}

void ring_unmap(struct conn *c)
{
	if (c->io->ring)
		hyper->unmap_ring(c->domain->id, c->io->ring);
	c->io->ring = NULL;
}

void ring_event(uint32_t port)
{
	struct conn *c = port < rings.nr_ports ? rings.by_port[port] : NULL;

	/* Most often it is one that waits already. */
	if (c && !c->io->on_list[LIST_GUESTS])
		conn_ready(c->io);
}

void ring_fail(struct conn *c, uint32_t error)
{
	if (!c->io->ring)
		return;
	store(&c->io->ring->error, error);
	if (c->io->bound)
		hyper->notify(c->io->port);
}

void ring_start(struct conn *c)
{
	struct xenstore_domain_interface *r = c->io->ring;

	store(&r->server_features, c->domain->features);
	store(&r->error, XENSTORE_ERROR_NONE);
	if (load(&r->connection) != XENSTORE_CONNECTED)
		ring_reset(c);
	else
		hyper->notify(c->io->port);
	/* It may have spoken before we listened. */
	conn_ready(c->io);
}

void ring_reset(struct conn *c)
{
	struct conn_io *io = c->io;
	struct xenstore_domain_interface *r = io->ring;

	journal_begin(NULL);
	journal_reset(c->domain->id);
	request_drop_state(c);
	journal_commit();
	queue_clear(c);
	io->in_len = 0;
	io->ignored = io->closing = false;
	io->was_reset = true;
	io->cons = io->cons_page = io->seen = 0;
	c->outstanding = 0;
	store(&r->req_cons, 0);
	store(&r->req_prod, 0);
	store(&r->rsp_cons, 0);
	store(&r->rsp_prod, 0);
	store(&r->server_features, c->domain->features);
	store(&r->error, XENSTORE_ERROR_NONE);
	store(&r->connection, XENSTORE_CONNECTED);
	if (io->bound)
		hyper->notify(io->port);
}

/* @n bytes at free-running index @at of a ring half. */
static void ring_copy_out(const char *half, uint32_t at, char *to, uint32_t n)
{
	uint32_t from = at & (RING - 1), first = n < RING - from ? n : RING - from;

	memcpy(to, half + from, first);
	memcpy(to + first, half, n - first);
}

static void ring_copy_in(char *half, uint32_t at, const char *from, uint32_t n)
{
	uint32_t to = at & (RING - 1), first = n < RING - to ? n : RING - to;

	memcpy(half + to, from, first);
	memcpy(half, from + first, n - first);
}

/* Add @n bytes to a message that is not whole. False: no memory. */
static bool gather(struct conn_io *io, const char *p, uint32_t n)
{
	if (!io->in) {
		io->in = malloc(MESSAGE_MAX);
		if (!io->in)
			return false;
		io->in_size = MESSAGE_MAX;
	}
	memcpy(io->in + io->in_len, p, n);
	io->in_len += n;
	return true;
}

/*
 * The copy @p of @len bytes of input after what was gathered: serve whole messages, gather the beginning of another. io->cons counts what
 * was taken: all, unless the connection must wait.
 */
static void serve_input(struct conn *c, const char *p, uint32_t len)
{
	struct conn_io *io = c->io;
	struct xsd_sockmsg h;

	while (io->in_len) {
		uint32_t missing, n;
		int size = sizeof(h);

		/* An update can leave less than a header. */
		if (io->in_len >= sizeof(h)) {
			memcpy(&h, io->in, sizeof(h));
			if (h.len > XENSTORE_PAYLOAD_MAX) {
				conn_close(c, XENSTORE_ERROR_PROTO);
				return;
			}
			size += (int)h.len;
		}
		missing = (uint32_t)size - io->in_len;
		n = missing < len ? missing : len;
		if (n == missing && io->in_len >= sizeof(h) && !conn_may_serve(c))
			return;
		if (n && !gather(io, p, n)) {
			conn_close(c, XENSTORE_ERROR_COMM);
			return;
		}
		p += n;
		len -= n;
		io->cons += n;
		if (n < missing)
			return;
		/* The header is whole now, and tells how much is to come. */
		if (io->in_len == sizeof(h) && n)
			continue;
		io->in_len = 0;
		conn_serve(c, &h, io->in + sizeof(h));
		if (c->again) {
			io->in_len = (uint32_t)sizeof(h) + h.len;
			return;
		}
		if (io->closing || io->was_reset)
			return;
	}
	for (;;) {
		int size = wire_peek(p, len, &h);

		if (size < 0) {
			conn_close(c, XENSTORE_ERROR_PROTO);
			return;
		}
		if (!size) {
			if (len && !gather(io, p, len))
				conn_close(c, XENSTORE_ERROR_COMM);
			io->cons += len;
			return;
		}
		if (!conn_may_serve(c))
			return;
		io->cons += (uint32_t)size;
		conn_serve(c, &h, p + sizeof(h));
		if (c->again) {
			/* It comes again from here: in the ring it may have become another by then. */
			if (!gather(io, p, (uint32_t)size))
				conn_close(c, XENSTORE_ERROR_COMM);
			return;
		}
		if (io->closing || io->was_reset)
			return;
		p += size;
		len -= (uint32_t)size;
	}
}

/*
 * The first @n queued bytes go out at @prod. What is left of a message that is cut there must outlive us, or the guest would
 * wait for the rest.
 */
static void journal_ring_output(const struct conn *c, uint32_t prod, uint32_t n)
{
	const struct queue *q = &c->io->out;
	struct journal_output o = { .from = prod, .to = prod + n, .done = c->io->reply_done };

	for (uint32_t i = q->first; i < q->nr && q->items[i].pos < q->pos + n; i++) {
		const struct queue_item *item = &q->items[i];
		size_t end = (size_t)(item->pos + item->len - q->pos);

		if (!item->event)
			o.done = item->hash;
		if (end > n) {
			o.rest = q->bytes + q->head + n;
			o.rest_len = (uint32_t)(end - n);
			o.rest_event = item->event;
		}
	}
	journal_output(c, &o);
}

/* As many queued bytes as fit go into the ring. True: the guest has something new. */
static bool ring_write(struct conn *c)
{
	struct conn_io *io = c->io;
	struct xenstore_domain_interface *r = io->ring;
	struct queue *q = &io->out;
	uint32_t prod, used, n;

	if (!queue_waits(q))
		return false;
	prod = load(&r->rsp_prod);
	used = prod - load(&r->rsp_cons);
	if (used > RING) {
		conn_close(c, XENSTORE_ERROR_RINGIDX);
		return false;
	}
	n = RING - used;
	if (n > OUT_PIECE && q->owed_bytes && !conn_privileged(c))
		n = OUT_PIECE;
	n = (uint32_t)queue_ready(c, n);
	if (!n)
		return false;
	ring_copy_in(r->rsp, prod, q->bytes + q->head, n);
	journal_ring_output(c, prod, n);
	queue_taken(c, n);
	store(&r->rsp_prod, prod + n);
	return true;
}

/*
 * Called when our indices have moved and the event was sent: is there more than was seen? Linux has no barrier between moving its index and
 * reading ours; what it did before the event is visible here all the same, for sending one is longer than any write is held back.
 */
static bool ring_has_more(const struct conn *c)
{
	const struct conn_io *io = c->io;
	const struct xenstore_domain_interface *r = io->ring;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (load(&r->req_prod) != io->seen)
		return true;
	return queue_waits(&io->out) && load(&r->rsp_prod) - load(&r->rsp_cons) < RING;
}

/* Tell the guest what is new, once more of it is in the ring if @more, and see to what is left. */
static void finish(struct conn *c, bool more)
{
	struct conn_io *io = c->io;
	bool news;

	if (!io->ring || io->ignored || io->closing)
		return;
	news = more && ring_write(c);
	if ((news || io->notify) && io->bound)
		hyper->notify(io->port);
	io->notify = false;
	if (queue_waits(&io->out))
		conn_blocked(io);
	/* In its turn, so that a guest that is as quick as we are holds up nobody else. */
	if (ring_has_more(c))
		conn_ready(io);
}

void ring_flush(struct conn *c)
{
	finish(c, true);
}

void ring_look(struct conn *c)
{
	if (c->io->ring && !c->io->ignored && !c->io->closing && ring_has_more(c))
		conn_ready(c->io);
}

void ring_service(struct conn *c)
{
	bool wrote = false;
	char copy[RING];
	struct conn_io *io = c->io;
	struct xenstore_domain_interface *r = io->ring;
	uint32_t cons, avail;

	if (!r || io->closing)
		return;
	if ((c->domain->features & XENSTORE_SERVER_FEATURE_RECONNECTION) &&
	    load(&r->connection) == XENSTORE_RECONNECT) {
		if (request_drop_in_parts(c))
			conn_go_on(io);
		else
			ring_reset(c);
		return;
	}
	if (io->ignored)
		return;
	/* Room first: what waits for it may be what keeps us from serving more. */
	if (!io->pieces)
		wrote = ring_write(c);
	io->notify |= wrote;
	cons = load(&r->req_cons);
	avail = load(&r->req_prod) - cons;
	if (avail > RING) {
		conn_close(c, XENSTORE_ERROR_RINGIDX);
		return;
	}
	io->seen = cons + avail;
	io->cut_short = c->again = false;
	if (avail || io->in_len) {
		ring_copy_out(r->req, cons, copy, avail);
		io->cons_page = io->cons = cons;
		io->was_reset = false;
		serve_input(c, copy, avail);
		if (io->closing || !io->ring)
			return;
		/* A record of its own, for those of requests say nothing of what came after them. */
		if (io->cons != cons && io->in_len)
			journal_input(c);
		if (io->cons != cons && !io->was_reset) {
			store(&r->req_cons, io->cons);
			io->notify = true;
		}
	}
	/* A request of many pieces is a batch of its own. */
	if (c->again)
		io->pieces = BATCH;
	if (c->again || (io->cut_short && ++io->pieces < BATCH)) {
		conn_go_on(io);
		return;
	}
	if (io->cut_short)
		conn_ready(io);
	io->pieces = 0;
	/* To a guest not twice in one piece of work. */
	finish(c, !wrote || conn_privileged(c));
}
