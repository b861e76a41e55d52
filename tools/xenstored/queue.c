/* The queue of messages to one client: an array of bytes, so that one send takes them all, and what is needed to know of each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "conn_io.h"
#include "domain.h"
#include "journal.h"
#include "journal_io.h"
#include "quota.h"
#include "trace.h"
#include "watch.h"

/* A client that does not read is let go beyond this; a guest loses events beyond the smaller one. */
#define QUEUE_MAX (64u << 20)
#define QUEUE_MAX_GUEST (1u << 20)
/* With fewer items each is looked at, with more there is a hash table. */
#define INDEX_FROM 16
/* Memory kept by an empty queue. */
#define KEEP_BYTES 8192
#define KEEP_ITEMS 160
/* Of what is owed, no more changes are looked at for one ring full. */
#define CHANGES_AT_ONCE 64
/* The stream of all bytes begins here: what is owed is put in before what was queued later, so positions also go down a little. */
#define FIRST_POSITION (1u << 20)
/* Of an item in a new index: far from 0, which is a free slot. */
#define FIRST_NUMBER (1u << 31)
/* So many items are put into an index at the cost of one unit of a chore, and so many places of it are cleared. */
#define INDEXED_PER_UNIT 12
#define CLEARED_PER_UNIT 512
/* And so many are moved when there is room for more. */
#define MOVED_PER_UNIT 24

size_t queue_bytes(const struct queue *q)
{
	return q->tail - q->head;
}

void queue_init(struct queue *q)
{
	*q = (struct queue){ .pos = FIRST_POSITION };
}

bool queue_waits(const struct queue *q)
{
	return q->first < q->nr;
}

size_t queue_load(const struct queue *q)
{
	return queue_bytes(q) + q->owed_bytes;
}

size_t queue_partial(const struct queue *q)
{
	return q->first < q->nr ? (size_t)(q->pos - q->items[q->first].pos) : 0;
}

/* Four bytes at a time; only for finding equal events. */
static uint32_t hash_bytes(const char *p, size_t len)
{
	uint32_t h = (uint32_t)len * 0x9e3779b1u, w;

	for (; len >= 4; p += 4, len -= 4) {
		memcpy(&w, p, 4);
		h = (h ^ w) * 0x85ebca6bu;
		h ^= h >> 15;
	}
	for (w = 0; len; len--)
		w = w << 8 | (uint8_t)*p++;
	h = (h ^ w) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

/* Room for one more item of @len bytes; false: no memory. */
static bool queue_room(struct queue *q, size_t len)
{
	if (q->first == q->nr)
		q->first = q->nr = 0;
	if (q->nr == q->nr_max) {
		if (q->first > q->nr / 2) {
			memmove(q->items, q->items + q->first, (q->nr - q->first) * sizeof(*q->items));
			q->nr -= q->first;
			q->number += q->first;
			q->first = 0;
		} else {
			uint32_t max = q->nr_max ? q->nr_max * 2 : 8;
			struct queue_item *items = realloc(q->items, max * sizeof(*items));

			if (!items)
				return false;
			q->items = items;
			q->nr_max = max;
			chores_spend(max / MOVED_PER_UNIT);
		}
	}
	if (q->head == q->tail)
		q->head = q->tail = 0;
	if (q->size - q->tail >= len)
		return true;
	if (q->head > q->tail / 2 && q->size - (q->tail - q->head) >= len) {
		memmove(q->bytes, q->bytes + q->head, q->tail - q->head);
	} else {
		size_t size = q->size ? q->size : 256;
		char *bytes;

		while (size - q->tail < len)
			size *= 2;
		bytes = malloc(size);
		if (!bytes)
			return false;
		if (q->bytes)
			memcpy(bytes, q->bytes + q->head, q->tail - q->head);
		free(q->bytes);
		q->bytes = bytes;
		q->size = size;
	}
	q->tail -= q->head;
	q->head = 0;
	return true;
}

static void index_put(struct queue *q, uint32_t item)
{
	uint32_t mask = q->index_size - 1, slot = q->items[item].hash & mask;

	while (q->index[slot])
		slot = (slot + 1) & mask;
	q->index[slot] = item + q->number;
	q->index_used++;
}

/* The item whose number is in @slot; what is no item's place: it has gone. */
static uint32_t index_item(const struct queue *q, uint32_t slot)
{
	return q->index[slot] - q->number;
}

/* (Re)build the table with room for twice as many; without memory there is none, and equal events are sent twice. */
static void index_build(struct queue *q)
{
	uint32_t waiting = q->nr - q->first, size = 64;

	/* Large, so that it is seldom made again: many are told of the same changes, and their tables grow together. */
	while (size < waiting * 8)
		size *= 2;
	if (size > q->index_size || size < q->index_size / 4) {
		uint32_t *index = realloc(q->index, size * sizeof(*index));

		if (!index) {
			q->index_used = 0;
			return;
		}
		q->index = index;
		q->index_size = size;
	}
	memset(q->index, 0, q->index_size * sizeof(*q->index));
	q->index_used = 0;
	q->number = FIRST_NUMBER;
	chores_spend(waiting / INDEXED_PER_UNIT + q->index_size / CLEARED_PER_UNIT);
	for (uint32_t i = q->first; i < q->nr; i++)
		if (q->items[i].event)
			index_put(q, i);
}

static bool index_ready(struct queue *q)
{
	if (!q->index_used || q->index_used * 2 > q->index_size)
		index_build(q);
	return q->index_used;
}

static bool same_event(const struct queue *q, uint32_t item, uint32_t hash, const char *msg, size_t len)
{
	const struct queue_item *i = &q->items[item];

	/* One that has begun to go out no longer counts as queued. */
	return i->event && i->hash == hash && i->len == len && i->pos >= q->pos &&
	       !memcmp(q->bytes + q->head + (i->pos - q->pos), msg, len);
}

static bool event_is_queued(struct queue *q, uint32_t hash, const char *msg, size_t len)
{
	if (q->nr - q->first <= INDEX_FROM) {
		for (uint32_t i = q->first; i < q->nr; i++)
			if (same_event(q, i, hash, msg, len))
				return true;
		return false;
	}
	if (!index_ready(q))
		return false;
	for (uint32_t slot = hash & (q->index_size - 1); q->index[slot]; slot = (slot + 1) & (q->index_size - 1)) {
		uint32_t item = index_item(q, slot);

		if (item >= q->first && item < q->nr && same_event(q, item, hash, msg, len))
			return true;
	}
	return false;
}

/* The message is at [tail, tail + len) of the bytes already. */
static void queue_commit(struct conn *c, size_t len, uint32_t hash, bool event, struct owed *owed)
{
	struct queue *q = &c->io->out;
	struct queue_item *i = &q->items[q->nr++];
	struct conn *cause = conn_current();

	*i = (struct queue_item){ .pos = q->pos + (q->tail - q->head),
				  .len = (uint32_t)len,
				  .hash = hash,
				  .stamp = (uint32_t)loop_now(),
				  .event = event,
				  .owed = owed };
	q->tail += len;
	if (event && q->index_used)
		index_put(q, q->nr - 1);
	if (cause && cause->kind == CONN_GUEST) {
		i->cause_conn = cause->id;
		i->cause_domain = (uint16_t)cause->domain->id;
		cause->outstanding++;
	}
	conn_list_add(c->io, LIST_DIRTY);
}

static char *queue_begin(struct conn *c, size_t len)
{
	struct queue *q = &c->io->out;

	if (c->io->closing || c->io->ignored)
		return NULL;
	if (queue_bytes(q) + len > QUEUE_MAX) {
		notice("client %u does not read its %zu bytes of answers and events: closed", c->id, queue_bytes(q));
		conn_close(c, XENSTORE_ERROR_COMM);
		return NULL;
	}
	if (!queue_room(q, len)) {
		conn_close(c, XENSTORE_ERROR_COMM);
		return NULL;
	}
	return q->bytes + q->tail;
}

void conn_reply(struct conn *c, uint32_t type, uint32_t req, uint32_t tx, const void *data, size_t len)
{
	struct xsd_sockmsg h = { .type = type, .req_id = req, .tx_id = tx, .len = (uint32_t)len };
	uint32_t number = 0;
	char *p;

	if (len > XENSTORE_PAYLOAD_MAX) {
		conn_error(c, req, tx, E2BIG);
		return;
	}
	p = queue_begin(c, sizeof(h) + len);
	if (!p)
		return;
	memcpy(p, &h, sizeof(h));
	if (len)
		memcpy(p + sizeof(h), data, len);
	if (c->kind != CONN_SOCKET) {
		number = ++c->io->reply_number;
		journal_reply(c, number, p, sizeof(h) + len);
	}
	if (trace_on)
		trace_io(c, true, type, req, tx, data, len);
	queue_commit(c, sizeof(h) + len, number, false, NULL);
}

void conn_error(struct conn *c, uint32_t req, uint32_t tx, int err)
{
	const char *name = wire_error_name(err);

	conn_reply(c, XS_ERROR, req, tx, name, strlen(name) + 1);
}

void conn_event(struct conn *c, const char *path, const char *token)
{
	size_t path_len = strlen(path) + 1, token_len = strlen(token) + 1, len = path_len + token_len;
	struct xsd_sockmsg h = { .type = XS_WATCH_EVENT, .len = (uint32_t)len };
	struct queue *q = &c->io->out;
	uint32_t hash;
	char *p;

	/* A cut event would name another node: clients are better off without (XSA-324). */
	if (len > XENSTORE_PAYLOAD_MAX)
		return;
	if (!conn_privileged(c) && queue_load(q) + sizeof(h) + len > QUEUE_MAX_GUEST)
		return;
	p = queue_begin(c, sizeof(h) + len);
	if (!p)
		return;
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), path, path_len);
	memcpy(p + sizeof(h) + path_len, token, token_len);
	hash = hash_bytes(p + sizeof(h), len);
	if (path[0] != '@' && event_is_queued(q, hash, p, sizeof(h) + len))
		return;
	if (trace_on)
		trace_io(c, true, XS_WATCH_EVENT, 0, 0, p + sizeof(h), len);
	queue_commit(c, sizeof(h) + len, hash, true, NULL);
}

bool conn_takes_events(const struct conn *c)
{
	return !c->io->closing && !c->io->ignored && (queue_load(&c->io->out) < QUEUE_MAX_GUEST || conn_privileged(c));
}

/*
 * What is owed: a change whose events are made when their turn comes.
 */

/* As if the change were not shared with others. */
static size_t owed_cost(const struct change *ch)
{
	return sizeof(struct queue_item) + sizeof(struct owed) + sizeof(*ch) + strlen(ch->path) + 1;
}

/* None of its events has been made yet, and it is for all watches that are there now. */
static bool same_change(const struct conn *c, const struct queue_item *i, const struct change *ch)
{
	const struct owed *o = i->owed;

	return o && i->hash == ch->hash && !o->level && !o->last && o->change->exact == ch->exact &&
	       o->upto >= watch_newest(c) && !strcmp(o->change->path, ch->path);
}

static bool change_is_queued(const struct conn *c, const struct change *ch)
{
	struct queue *q = &c->io->out;

	if (q->nr - q->first <= INDEX_FROM) {
		for (uint32_t i = q->first; i < q->nr; i++)
			if (same_change(c, &q->items[i], ch))
				return true;
		return false;
	}
	if (!index_ready(q))
		return false;
	for (uint32_t slot = ch->hash & (q->index_size - 1); q->index[slot]; slot = (slot + 1) & (q->index_size - 1)) {
		uint32_t item = index_item(q, slot);

		if (item >= q->first && item < q->nr && same_change(c, &q->items[item], ch))
			return true;
	}
	return false;
}

/* Some that are not needed now: they come and go by the dozen, and in no order that malloc() likes. */
#define KEEP_OWED 256
static struct {
	struct owed *free[KEEP_OWED];
	unsigned nr;
} spare;

static struct owed *owed_new(void)
{
	return spare.nr ? spare.free[--spare.nr] : malloc(sizeof(struct owed));
}

static void owed_put(struct owed *o)
{
	if (o && spare.nr < KEEP_OWED)
		spare.free[spare.nr++] = o;
	else
		free(o);
}

void conn_owe(struct conn *c, struct change *ch)
{
	struct queue *q = &c->io->out;
	struct owed *o;

	if (!conn_takes_events(c) || (ch && !ch->special && change_is_queued(c, ch)))
		return;
	o = ch ? owed_new() : NULL;
	if (!o || !queue_begin(c, 0)) {
		owed_put(o);
		conn_close(c, XENSTORE_ERROR_COMM);
		return;
	}
	*o = (struct owed){ .change = ch, .upto = watch_newest(c) };
	ch->refs++;
	q->owed_bytes += owed_cost(ch);
	queue_commit(c, 0, ch->hash, true, o);
}

static void owed_free(struct conn *c, struct owed *o)
{
	c->io->out.owed_bytes -= owed_cost(o->change);
	change_put(o->change);
	owed_put(o);
}

static void item_gone(struct conn *c, const struct queue_item *i)
{
	if (i->owed)
		owed_free(c, i->owed);
	if (i->cause_conn)
		conn_taken(i->cause_domain, i->cause_conn);
	if (!i->event && c->kind != CONN_SOCKET)
		c->io->reply_done = i->hash;
}

static void queue_shrink(struct queue *q)
{
	q->head = q->tail = 0;
	q->first = q->nr = 0;
	q->index_used = 0;
	if (q->size > KEEP_BYTES) {
		free(q->bytes);
		q->bytes = NULL;
		q->size = 0;
	}
	if (q->nr_max > KEEP_ITEMS) {
		free(q->items);
		q->items = NULL;
		q->nr_max = 0;
		free(q->index);
		q->index = NULL;
		q->index_size = 0;
	}
}

void queue_taken(struct conn *c, size_t n)
{
	struct queue *q = &c->io->out;

	q->head += n;
	q->pos += n;
	while (q->first < q->nr && !q->items[q->first].owed &&
	       q->items[q->first].pos + q->items[q->first].len <= q->pos)
		item_gone(c, &q->items[q->first++]);
	if (q->first == q->nr)
		queue_shrink(q);
}

void queue_clear(struct conn *c)
{
	struct queue *q = &c->io->out;

	for (; q->first < q->nr; q->first++)
		item_gone(c, &q->items[q->first]);
	q->pos += q->tail - q->head;
	free(q->bytes);
	free(q->items);
	free(q->index);
	*q = (struct queue){ .pos = q->pos };
}

/*
 * Making the events that are owed.
 */

/* Events of one item, put together before they take its place. */
struct batch {
	struct conn *c;
	size_t len, want;
	unsigned nr;
	struct queue_item items[64];
	char bytes[XENSTORE_RING_SIZE + sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
};

static size_t put_event(char *to, const char *path, const char *token)
{
	size_t path_len = strlen(path) + 1, token_len = strlen(token) + 1;
	struct xsd_sockmsg h = { .type = XS_WATCH_EVENT, .len = (uint32_t)(path_len + token_len) };

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), path, path_len);
	memcpy(to + sizeof(h) + path_len, token, token_len);
	return sizeof(h) + h.len;
}

static bool event_fits(const char *path, const char *token)
{
	return strlen(path) + strlen(token) + 2 <= XENSTORE_PAYLOAD_MAX;
}

static bool batch_add(void *arg, const char *path, const char *token)
{
	struct batch *b = arg;
	char *p = b->bytes + b->len;
	size_t len;

	if (b->len >= b->want || b->nr == sizeof(b->items) / sizeof(b->items[0]))
		return false;
	if (!event_fits(path, token))
		return true;
	len = put_event(p, path, token);
	if (trace_on)
		trace_io(b->c, true, XS_WATCH_EVENT, 0, 0, p + sizeof(struct xsd_sockmsg),
			 len - sizeof(struct xsd_sockmsg));
	b->items[b->nr++] = (struct queue_item){ .len = (uint32_t)len,
						 .hash = hash_bytes(p + sizeof(struct xsd_sockmsg),
								    len - sizeof(struct xsd_sockmsg)),
						 .event = true };
	b->len += len;
	return true;
}

/* Space before the head for so much. It comes back as bytes are taken, so everything is moved but rarely. */
static bool queue_front(struct queue *q, uint32_t nr, size_t len)
{
	if (q->first < nr) {
		/* As there is more to move, this is to come less often. */
		uint32_t waiting = q->nr - q->first, more = nr + 32 + waiting / 4,
			 max = q->nr + more + 64 + waiting / 2;
		struct queue_item *items = realloc(q->items, max * sizeof(*items));

		if (!items)
			return false;
		memmove(items + q->first + more, items + q->first, (q->nr - q->first) * sizeof(*items));
		q->items = items;
		q->first += more;
		q->nr += more;
		q->number -= more;
		q->nr_max = max;
	}
	if (q->head == q->tail && q->size >= len) {
		q->head = q->tail = q->size;
	} else if (q->head < len) {
		size_t more = len + 2048;
		char *bytes = realloc(q->bytes, q->tail + more);

		if (!bytes)
			return false;
		memmove(bytes + q->head + more, bytes + q->head, q->tail - q->head);
		q->bytes = bytes;
		q->head += more;
		q->tail += more;
		q->size = q->tail;
	}
	return true;
}

/*
 * Put events worth at least @want bytes, if there are as many, before item *at, and take that away when it has no more. What is before
 * it moves towards the front. *at is where it is then, or what followed it. False: no memory.
 */
static bool unfold(struct conn *c, uint32_t *at, size_t before, size_t want)
{
	static struct batch b;
	struct queue *q = &c->io->out;
	struct queue_item owed = q->items[*at], *to;
	uint32_t nr_before = *at - q->first;
	bool all;

	b.c = c;
	b.want = want;
	b.len = b.nr = 0;
	all = owed_events(c, owed.owed, batch_add, &b);
	conn_work(b.nr / 8);
	if (!queue_front(q, b.nr, b.len))
		return false;
	/* The place of the item itself is used again if it goes. */
	to = q->items + q->first;
	if (all)
		memmove(to - b.nr + 1, to, nr_before * sizeof(*to));
	else
		memmove(to - b.nr, to, nr_before * sizeof(*to));
	q->first -= b.nr;
	q->first += all;
	if (b.len) {
		memmove(q->bytes + q->head - b.len, q->bytes + q->head, before);
		q->head -= b.len;
		q->pos -= b.len;
		memcpy(q->bytes + q->head + before, b.bytes, b.len);
	}
	for (uint32_t i = q->first; i < q->first + nr_before; i++)
		q->items[i].pos -= b.len;
	to = q->items + q->first + nr_before;
	for (unsigned i = 0; i < b.nr; i++, to++) {
		*to = b.items[i];
		to->pos = q->pos + before;
		to->stamp = owed.stamp;
		before += to->len;
	}
	*at = q->first + nr_before + b.nr;
	if (!all)
		return true;
	/* Whoever caused it waits for the last of them now. */
	if (b.nr) {
		to[-1].cause_conn = owed.cause_conn;
		to[-1].cause_domain = owed.cause_domain;
		owed.cause_conn = 0;
	}
	item_gone(c, &owed);
	return true;
}

size_t queue_ready(struct conn *c, size_t want)
{
	struct queue *q = &c->io->out;
	unsigned changes = 0;
	size_t ready = 0;

	if (!want)
		return 0;
	/* Changes whose watches have gone give nothing: enough of those, too, is enough for a turn. */
	for (uint32_t i = q->first; i < q->nr && ready < want && changes < CHANGES_AT_ONCE;) {
		const struct queue_item *item = &q->items[i];

		if (!item->owed) {
			ready = (size_t)(item->pos + item->len - q->pos);
			i++;
			continue;
		}
		changes++;
		if (!unfold(c, &i, ready, want - ready)) {
			conn_close(c, XENSTORE_ERROR_COMM);
			return 0;
		} else if (i > q->first) {
			item = &q->items[i - 1];
			ready = (size_t)(item->pos + item->len - q->pos);
		}
	}
	conn_work(changes / 4);
	if (q->first == q->nr)
		queue_shrink(q);
	return ready < want ? ready : want;
}

struct exported {
	char *p;
	size_t len, size;
	bool failed;
};

static char *export_room(struct exported *e, size_t len)
{
	if (e->size - e->len < len) {
		size_t size = e->size * 2 + len;
		char *p = realloc(e->p, size);

		e->failed |= !p;
		if (!p)
			return NULL;
		e->p = p;
		e->size = size;
	}
	return e->p + e->len;
}

static bool export_event(void *arg, const char *path, const char *token)
{
	struct exported *e = arg;
	char *p;

	if (!event_fits(path, token) || e->len > QUEUE_MAX_GUEST)
		return true;
	p = export_room(e, sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX);
	if (p)
		e->len += put_event(p, path, token);
	return p;
}

char *queue_export(const struct conn *c, size_t *len)
{
	const struct queue *q = &c->io->out;
	const char *from = q->bytes ? q->bytes + q->head : NULL;
	struct exported e = { .size = queue_bytes(q) + 1 };

	e.p = malloc(e.size);
	if (!e.p)
		return NULL;
	for (uint32_t i = q->first; i < q->nr && !e.failed; i++) {
		const struct queue_item *item = &q->items[i];
		size_t n = (size_t)(item->pos < q->pos ? item->pos + item->len - q->pos : item->len);
		struct owed o;
		char *p;

		if (item->owed) {
			o = *item->owed;
			(void)owed_events(c, &o, export_event, &e);
			continue;
		}
		p = export_room(&e, n);
		if (!p)
			break;
		memcpy(p, from, n);
		from += n;
		e.len += n;
	}
	if (e.failed) {
		free(e.p);
		return NULL;
	}
	*len = e.len;
	return e.p;
}

bool queue_expire(struct conn *c, uint64_t ms, unsigned *most)
{
	struct queue *q = &c->io->out;
	uint32_t now = (uint32_t)loop_now(), end = q->first, to;
	size_t at, dropped = 0;

	/* In order of their age: those that go are among the first, and what stays of these moves up to the rest, which is left alone. */
	while (*most && end < q->nr && (!q->items[end].event || now - q->items[end].stamp >= ms)) {
		*most -= q->items[end].event && q->items[end].pos >= q->pos;
		end++;
	}
	if (end == q->first)
		return false;
	at = end < q->nr ? (size_t)(q->items[end].pos - q->pos) : queue_bytes(q);
	to = end;
	for (uint32_t i = end; i-- > q->first;) {
		struct queue_item item = q->items[i];
		uint64_t begun = item.pos < q->pos ? q->pos - item.pos : 0;

		if (item.event && !begun && now - item.stamp >= ms) {
			item_gone(c, &item);
			dropped++;
			continue;
		}
		at -= item.len - begun;
		if (item.len > begun)
			memmove(q->bytes + q->head + at, q->bytes + q->head + (begun ? 0 : item.pos - q->pos),
				item.len - begun);
		item.pos = q->pos + at - begun;
		q->items[--to] = item;
	}
	q->first = to;
	q->head += at;
	q->pos += at;
	if (q->first == q->nr)
		queue_shrink(q);
	if (dropped && trace_on)
		trace("client %u: %zu events nobody read were dropped", c->id, dropped);
	return dropped;
}

int queue_restore(struct conn *c, const void *data, size_t len, bool event, uint32_t number)
{
	struct queue *q = &c->io->out;

	if (!queue_room(q, len))
		return ENOMEM;
	memcpy(q->bytes + q->tail, data, len);
	queue_commit(c, len, number, event, NULL);
	/* Never equal to a new event: its beginning may be missing. */
	q->items[q->nr - 1].hash = event ? 0 : number;
	return 0;
}

int queue_restore_rest(struct conn *c, const void *data, size_t len, bool event, uint32_t number)
{
	struct queue_item *i;
	int err = queue_restore(c, data, len, event, number);

	if (err)
		return err;
	/* It has begun; how much of it is gone matters to nobody. */
	i = &c->io->out.items[c->io->out.nr - 1];
	i->pos--;
	i->len++;
	return 0;
}

void queue_drop_last(struct conn *c)
{
	struct queue *q = &c->io->out;

	if (q->first == q->nr || q->items[q->nr - 1].pos < q->pos)
		return;
	item_gone(c, &q->items[--q->nr]);
	q->tail -= q->items[q->nr].len;
	q->index_used = 0;
}
