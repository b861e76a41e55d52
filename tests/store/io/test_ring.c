/* Rings: guests that are slow, wrap, lie, begin anew; and a daemon that is killed at any moment. */
#include "world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/journal_io.h"
#include "tools/xenstored/loop.h"
#include "tools/xenstored/options.h"
#include "tools/xenstored/quota.h"
#include "tools/xenstored/request.h"

static char answer[4096];
static size_t answer_len;

/* What a guest does on another CPU meanwhile, once. */
static struct {
	struct guest *guest;
	void (*while_served)(struct guest *g);	 /* a request of it is being served: the index it sees has not moved */
	void (*while_written)(struct guest *g);	 /* answers are in the ring, but for the index */
	void (*while_notified)(struct guest *g); /* all is done but for the event */
} meanwhile;

static void let(void (**what)(struct guest *g))
{
	void (*fn)(struct guest * g) = *what;

	*what = NULL;
	if (fn)
		fn(meanwhile.guest);
}

void __real_request_handle(struct conn *c, const struct xsd_sockmsg *h, const char *body);
void __wrap_request_handle(struct conn *c, const struct xsd_sockmsg *h, const char *body);
void __wrap_request_handle(struct conn *c, const struct xsd_sockmsg *h, const char *body)
{
	if (c->kind == CONN_GUEST)
		let(&meanwhile.while_served);
	__real_request_handle(c, h, body);
}

void __real_journal_output(const struct conn *c, const struct journal_output *o);
void __wrap_journal_output(const struct conn *c, const struct journal_output *o);
void __wrap_journal_output(const struct conn *c, const struct journal_output *o)
{
	if (c->kind == CONN_GUEST)
		let(&meanwhile.while_written);
	__real_journal_output(c, o);
}

static int notify_later(uint32_t port)
{
	let(&meanwhile.while_notified);
	return hyper_fake.notify(port);
}

static int introduce0(uint32_t domid)
{
	char body[64];
	int len = snprintf(body, sizeof(body), "%u%c1%c7", domid, 0, 0) + 1;

	return ask0(XS_INTRODUCE, body, (size_t)len, NULL, NULL);
}

/* Domain @domid, introduced, with a home of its own. */
static struct guest *introduced(uint32_t domid, uint32_t start)
{
	struct guest *g = guest_new(domid, start);
	char path[64], body[96];
	int len;

	CHECK(!introduce0(domid));
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	CHECK(!write0(path, ""));
	len = snprintf(body, sizeof(body), "%s%cn%u", path, 0, domid) + 1;
	CHECK(!ask0(XS_SET_PERMS, body, (size_t)len, NULL, NULL));
	world_settle();
	return g;
}

static bool asks(struct guest *g, uint32_t type, const char *body, size_t len)
{
	return guest_ask(g, type, body, len, answer, &answer_len) == type;
}

/* Every message, cut at every place, with indices that wrap. */
static void wraps_and_pieces(void)
{
	char body[4096], msg[4112];
	struct guest *g;
	struct xsd_sockmsg h;

	world_start();
	g = introduced(1, 0xffffff00u);
	memset(body, 'x', sizeof(body));
	for (size_t value = 0; value < 2000; value += 97) {
		memcpy(body, "d", 2);
		CHECK(asks(g, XS_WRITE, body, 2 + value));
		CHECK(asks(g, XS_READ, "d", 2) && answer_len == value);
	}
	for (size_t first = 1; first < 22; first++) {
		size_t len = message(msg, XS_READ, ++g->req, 0, "d", 2), n = first < len ? first : len;

		CHECK(guest_push(g, msg, n) == n);
		guest_kick(g);
		loop_turn(10);
		CHECK(guest_push(g, msg + n, len - n) == len - n);
		guest_kick(g);
		loop_turn(10);
		world_settle();
		guest_pull(g);
		while (!guest_message(g, &h, answer)) {
			guest_kick(g);
			loop_turn(1);
			guest_pull(g);
		}
		CHECK(h.type == XS_READ && h.req_id == g->req);
	}
	/* As long as messages get. */
	memcpy(body, "d", 2);
	CHECK(!asks(g, XS_WRITE, body, 4096)); /* a quota, not the ring */
	CHECK(!write0("/local/domain/1/big", "y"));
	CHECK(machine->bad_calls == 0);
}

static void one_event_per_batch(void)
{
	struct xsd_sockmsg h;
	struct guest *g;
	char msg[64];
	uint32_t before;
	unsigned n = 0;

	world_start();
	g = introduced(1, 0);
	for (int i = 0; i < 20; i++) {
		size_t len = message(msg, XS_GET_DOMAIN_PATH, (uint32_t)i, 0, "1", 2);

		CHECK(guest_push(g, msg, len) == len);
	}
	before = machine->domains[1].notified;
	guest_kick(g);
	world_settle();
	CHECK(machine->domains[1].notified == before + 1);
	guest_pull(g);
	while (guest_message(g, &h, answer))
		CHECK(h.req_id == n++);
	CHECK(n == 20);
}

/* Answers to READs number *@next and on of "d", @len bytes long, until *@next is @end. */
static void hears_until(struct guest *g, unsigned *next, unsigned end, size_t len)
{
	struct xsd_sockmsg h;

	for (int turn = 0; turn < 100 && *next < end; turn++) {
		loop_turn(0);
		guest_hear(g);
		while (guest_message(g, &h, answer)) {
			if (h.type == XS_WATCH_EVENT)
				continue;
			CHECK(h.type == XS_READ && h.req_id == *next && h.len == len);
			++*next;
		}
	}
	CHECK(*next == end);
}

/* Linux puts header and body into the ring one after the other, and tells of the body only if the header was taken by then. */
static void header_before_body(void)
{
	unsigned next = 100;
	struct guest *g;
	char msg[64];

	world_start();
	/* A header may itself be cut where the ring ends. */
	g = introduced(1, 0xfff00000u + 1024 - 7);
	CHECK(!write0("/local/domain/1/d", "value"));
	for (int i = 0; i < 100; i++) {
		size_t len = message(msg, XS_READ, next, 0, "d", 2), first = i ? 1 + (size_t)i % (len - 1) : 7;

		CHECK(guest_say(g, msg, first) == first);
		loop_turn(0);
		CHECK(g->ring->req_cons == g->ring->req_prod);
		CHECK(guest_say(g, msg + first, len - first) == len - first);
		hears_until(g, &next, 101 + (unsigned)i, 5);
	}
	CHECK(machine->bad_calls == 0);
}

static void says_read(struct guest *g)
{
	char msg[64];
	size_t len = message(msg, XS_READ, 201, 0, "d", 2);

	CHECK(guest_say(g, msg, len) == len);
}

/* As a processor may do it that looked at the other index before its own was seen by others: no event. */
static void pushes_read(struct guest *g)
{
	char msg[64];
	size_t len = message(msg, XS_READ, 201, 0, "d", 2);

	CHECK(guest_push(g, msg, len) == len);
}

/* A second request comes while the first is served, for which Linux sends no event. */
static void speaks_meanwhile(void)
{
	static struct hyper slow;
	struct guest *g;
	char msg[64];

	world_start();
	g = meanwhile.guest = introduced(1, 5000);
	CHECK(!write0("/local/domain/1/d", "value"));
	slow = hyper_fake;
	slow.notify = notify_later;
	hyper = &slow;
	for (int way = 0; way < 2; way++) {
		size_t len = message(msg, XS_READ, 200, 0, "d", 2);
		unsigned next = 200;

		if (way)
			meanwhile.while_notified = pushes_read;
		else
			meanwhile.while_served = says_read;
		CHECK(guest_say(g, msg, len) == len);
		hears_until(g, &next, 202, 5);
	}
}

static void hears(struct guest *g)
{
	guest_hear(g);
}

static void pulls(struct guest *g)
{
	guest_pull(g);
}

/*
 * More than the ring holds, and the guest takes some while more is written: it then never finds a full ring and sends no event. It has taken
 * all when it goes to sleep, so the rest must come by itself.
 */
static void hears_meanwhile(void)
{
	static struct hyper slow;
	char value[601], path[400];
	struct xsd_sockmsg h;
	struct guest *g;

	world_start();
	g = meanwhile.guest = introduced(1, 5000);
	CHECK(asks(g, XS_WATCH, "e\0t", 4));
	world_settle();
	guest_pull(g);
	g->in_len = 0;
	memset(value, 'v', 600);
	value[600] = '\0';
	CHECK(!write0("/local/domain/1/d", value));
	slow = hyper_fake;
	slow.notify = notify_later;
	hyper = &slow;
	for (int way = 0; way < 2; way++) {
		unsigned answers = 0, events = 0;

		CHECK(guest_say(g, path, message(path, XS_READ, 300, 0, "d", 2)) == 18);
		loop_turn(0);
		CHECK(g->ring->rsp_prod - g->ring->rsp_cons == 616);
		for (int i = 0; i < 2; i++) {
			/* The second event is cut where the ring is full. */
			if (i == 1 && way)
				meanwhile.while_notified = pulls;
			else if (i == 1)
				meanwhile.while_written = hears;
			snprintf(path, sizeof(path), "/local/domain/1/e/%0*d", 300, i);
			CHECK(!write0(path, ""));
			CHECK(i || g->ring->rsp_prod - g->ring->rsp_cons == 616 + 16 + 302 + 1 + 2);
		}
		for (int turn = 0; turn < 20; turn++) {
			loop_turn(0);
			guest_hear(g);
		}
		while (guest_message(g, &h, answer)) {
			answers += h.type == XS_READ && h.len == 600;
			events += h.type == XS_WATCH_EVENT;
		}
		CHECK(answers == 1 && events == 2 && !g->in_len);
	}
}

static void bad_indices(void)
{
	struct guest *g, *honest;

	world_quiet();
	world_start();
	g = introduced(1, 0);
	honest = introduced(2, 12345);
	srandom(3);
	for (int i = 0; i < 3000; i++) {
		uint32_t *at = &g->ring->req_cons + random() % 4;

		*at = (uint32_t)random() << (random() % 3 * 8);
		if (random() % 4 == 0)
			g->ring->connection = (uint32_t)random() % 3;
		guest_kick(g);
		loop_turn(0);
		if (i % 100 == 0) {
			CHECK(asks(honest, XS_GET_DOMAIN_PATH, "2", 2));
			if (g->ring->error)
				CHECK(g->ring->error <= XENSTORE_ERROR_PROTO);
		}
	}
	/* Still watched for its end, and able to begin anew. */
	CHECK(domain_find(1) && domain_find(1)->introduced);
	g->ring->connection = XENSTORE_RECONNECT;
	guest_kick(g);
	loop_turn(10);
	CHECK(g->ring->connection == XENSTORE_CONNECTED && !g->ring->error);
	g->in_len = 0;
	CHECK(asks(g, XS_GET_DOMAIN_PATH, "1", 2));
}

static void bad_index_is_told(void)
{
	struct guest *g;

	world_quiet();
	world_start();
	g = introduced(1, 0);
	g->ring->req_prod = g->ring->req_cons + XENSTORE_RING_SIZE + 1;
	guest_kick(g);
	loop_turn(10);
	CHECK(g->ring->error == XENSTORE_ERROR_RINGIDX);
}

static void too_long(void)
{
	struct xsd_sockmsg h = { .type = XS_WRITE, .req_id = 1, .len = 4097 };
	struct guest *g;

	world_quiet();
	world_start();
	g = introduced(1, 0);
	guest_push(g, &h, sizeof(h));
	guest_kick(g);
	loop_turn(10);
	CHECK(g->ring->error == XENSTORE_ERROR_PROTO);
	CHECK(domain_is_introduced(1));
}

/* It does not read: what it may have on its way is bounded, and nobody else waits. Then it reads, and gets all. */
static void does_not_read(void)
{
	struct guest *g, *other;
	struct xsd_sockmsg h;
	char body[1002], msg[64];
	unsigned sent = 0, got = 0;

	world_start();
	g = introduced(1, 0);
	other = introduced(2, 0);
	memset(body, 'v', sizeof(body));
	memcpy(body, "v", 2);
	CHECK(asks(g, XS_WRITE, body, sizeof(body)));
	for (int turn = 0; turn < 200; turn++) {
		size_t len = message(msg, XS_READ, sent, 0, "v", 2);

		if (g->ring->req_prod - g->ring->req_cons + len <= XENSTORE_RING_SIZE) {
			CHECK(guest_push(g, msg, len) == len);
			sent++;
		}
		guest_kick(g);
		loop_turn(0);
	}
	CHECK(domain_find(1)->conn->outstanding <= quota_limit(domain_find(1), QUOTA_OUTSTANDING));
	CHECK(queue_bytes(&domain_find(1)->conn->io->out) < 64 * 1024);
	CHECK(asks(other, XS_GET_DOMAIN_PATH, "2", 2));
	for (int turn = 0; turn < 2000 && got < sent; turn++) {
		guest_pull(g);
		guest_kick(g);
		loop_turn(0);
		while (guest_message(g, &h, answer))
			CHECK(h.type == XS_READ && h.req_id == got++ && h.len == 1000);
	}
	CHECK(got == sent && sent > 40);
	CHECK(domain_find(1)->conn->outstanding == 0);
}

/* Events nobody takes are dropped after their time, answers never. */
static void events_grow_old(void)
{
	struct guest *g;
	struct xsd_sockmsg h;
	char msg[64], path[64];
	unsigned answers = 0, events = 0;

	world_start();
	options.event_timeout_ms = 30;
	g = introduced(1, 0);
	CHECK(asks(g, XS_WATCH, "e\0t", 4));
	world_settle();
	guest_pull(g);
	g->in_len = 0;
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/local/domain/1/e/%d", i);
		CHECK(!write0(path, ""));
	}
	guest_push(g, msg, message(msg, XS_GET_DOMAIN_PATH, 7, 0, "1", 2));
	guest_kick(g);
	loop_turn(10);
	for (int turn = 0; turn < 300 && queue_bytes(&domain_find(1)->conn->io->out) >= 100; turn++)
		loop_turn(20);
	CHECK(queue_bytes(&domain_find(1)->conn->io->out) < 100);
	for (int turn = 0; turn < 10; turn++) {
		guest_pull(g);
		guest_kick(g);
		loop_turn(0);
	}
	while (guest_message(g, &h, answer)) {
		answers += h.type == XS_GET_DOMAIN_PATH;
		events += h.type == XS_WATCH_EVENT;
	}
	CHECK(answers == 1 && events > 10 && events < 60 && !g->in_len);
}

static void begins_anew(void)
{
	struct guest *g;

	world_start();
	g = introduced(1, 77);
	CHECK(g->ring->server_features == DOMAIN_FEATURES);
	CHECK(asks(g, XS_WATCH, "w\0t", 4));
	guest_push(g, "half a header", 13);
	g->ring->connection = XENSTORE_RECONNECT;
	guest_kick(g);
	loop_turn(10);
	CHECK(g->ring->connection == XENSTORE_CONNECTED);
	CHECK(!g->ring->req_prod && !g->ring->req_cons && !g->ring->rsp_prod && !g->ring->rsp_cons);
	CHECK(!domain_find(1)->conn->nr_watches);
	g->in_len = 0;
	CHECK(asks(g, XS_WATCH, "w\0t", 4));
	/* So does a second INTRODUCE. */
	CHECK(!introduce0(1));
	CHECK(!domain_find(1)->conn->nr_watches && !g->ring->req_prod);
	CHECK(machine->bad_calls == 0);
}

/* Launched by the hypervisor, long before there was a store. */
static void waits_for_a_store(void)
{
	struct guest *g = guest_new(3, 0), *plain = guest_new(4, 0);

	g->ring->connection = XENSTORE_RECONNECT;
	g->ring->req_prod = 5;
	machine->domains[3].port = 9;
	machine->domains[4].port = 9;
	world_start();
	CHECK(domain_is_introduced(3) && !domain_is_introduced(4));
	CHECK(g->ring->connection == XENSTORE_CONNECTED && !g->ring->req_prod);
	CHECK(asks(g, XS_READ, "domid", 6) && answer_len == 1 && answer[0] == '3');
	CHECK(asks(g, XS_WRITE, "data/x\0y", 8));
	CHECK(!asks(g, XS_WRITE, "name\0y", 6));
	(void)plain;
}

/*
 * The daemon dies again and again while a guest sets and removes watches, which cannot be done twice nor left out unnoticed. Each request
 * has exactly one answer, in order.
 */
static pid_t daemon_fork(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		alarm(60); /* should its guest fail a check */
		world_start();
		loop_run();
		_exit(0);
	}
	return pid;
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static void killed(void)
{
	struct guest *g = guest_new(3, 0xfffffe00u);
	unsigned sent = 0, got = 0, kills = 0, idle = 0;
	struct xsd_sockmsg h;
	char msg[5000], body[4096];
	size_t len = 0, done = 0;
	uint64_t until;
	pid_t pid;

	g->ring->connection = XENSTORE_RECONNECT;
	machine->domains[3].port = 9;
	pid = daemon_fork();
	while (__atomic_load_n(&g->ring->connection, __ATOMIC_ACQUIRE) != XENSTORE_CONNECTED)
		pause_us(1000);
	srandom(4);
	memset(body, 'p', sizeof(body));
	until = 40;
	while (kills < 60 || got < sent) {
		if (done == len && sent - got < 12 && kills < 60) {
			/* Even requests set a watch, odd ones remove it; some tokens are too long for the ring. */
			size_t token = sent / 2 % 5 == 4 ? 1800 : 6;
			int n = snprintf(body, sizeof(body), "w%c%06u", 0, sent / 2);

			body[n] = 'p';
			body[2 + token] = '\0';
			len = message(msg, sent & 1 ? XS_UNWATCH : XS_WATCH, sent, 0, body, 3 + token);
			memset(body, 'p', sizeof(body));
			done = 0;
			sent++;
		}
		/* In pieces, and with no more events than Linux sends. */
		if (done < len) {
			size_t piece = random() % 4 ? len - done : 1 + (size_t)random() % (len - done);

			done += guest_say(g, msg + done, piece);
		}
		idle = guest_hear(g) ? 0 : idle + 1;
		while (guest_message(g, &h, answer)) {
			if (h.type == XS_WATCH_EVENT)
				continue;
			CHECK(h.req_id == got);
			CHECK(h.type == (got & 1 ? XS_UNWATCH : XS_WATCH));
			got++;
		}
		if (got >= until && kills < 60) {
			pause_us(random() % 300);
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			kills++;
			until = got + (uint64_t)random() % 60;
			pid = daemon_fork();
			idle = 0;
		}
		if (idle > 20)
			pause_us(200);
		CHECK(idle < 50000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(got == sent && machine->bad_calls == 0);
}

/* The answer is in the ring and in the journal, but its index is not: as if the daemon had died in between. */
static void not_yet_told(void)
{
	struct guest *g = guest_new(3, 500);
	struct xsd_sockmsg h;
	uint32_t prod;
	pid_t pid;

	g->ring->connection = XENSTORE_RECONNECT;
	machine->domains[3].port = 9;
	pid = fork();
	if (!pid) {
		char msg[64];
		size_t len = message(msg, XS_WATCH, 42, 0, "w\0t", 4);

		world_start();
		CHECK(asks(g, XS_READ, "domid", 6));
		CHECK(guest_push(g, msg, len) == len);
		guest_kick(g);
		loop_turn(10);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	prod = g->ring->rsp_prod;
	CHECK(prod - g->ring->rsp_cons > 16);
	g->ring->rsp_prod = g->ring->rsp_cons;
	memset(g->ring->rsp, 0, sizeof(g->ring->rsp));
	world_start();
	world_settle();
	guest_pull(g);
	CHECK(guest_message(g, &h, answer) && h.type == XS_WATCH && h.req_id == 42);
	CHECK(guest_message(g, &h, answer) && h.type == XS_WATCH_EVENT);
	CHECK(!guest_message(g, &h, answer));
}

static void starts_once(void)
{
	world_start();
	_exit(0);
}

static struct guest *idle_guest;

/* An answer of which the ring has only the beginning; an event. */
static void leaves_cut_answer(void)
{
	char msg[64], value[601];

	world_start();
	memset(value, 'v', 600);
	value[600] = '\0';
	CHECK(!write0("/local/domain/3/data/x", value));
	guest_pull(idle_guest);
	for (unsigned i = 0; i < 3; i++)
		guest_push(idle_guest, msg, message(msg, XS_READ, i, 0, "data/x", 7));
	guest_kick(idle_guest);
	world_settle();
	_exit(0);
}

static void leaves_cut_event(void)
{
	char msg[64], path[600];

	world_start();
	guest_push(idle_guest, msg, message(msg, XS_WATCH, 9, 0, "data\0t", 7));
	guest_kick(idle_guest);
	world_settle();
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/local/domain/3/data/%0*u", 500, i);
		CHECK(!write0(path, ""));
	}
	world_settle();
	_exit(0);
}

/* Its end is owed to the guest, however often daemons die before there is room for it. */
static void cut_and_killed_twice(void)
{
	struct xsd_sockmsg h;
	unsigned next = 0;

	idle_guest = guest_new(3, 500);
	idle_guest->ring->connection = XENSTORE_RECONNECT;
	machine->domains[3].port = 9;
	in_child(leaves_cut_answer);
	CHECK(idle_guest->ring->rsp_prod - idle_guest->ring->rsp_cons == XENSTORE_RING_SIZE);
	in_child(starts_once);
	in_child(starts_once);
	world_start();
	for (int turn = 0; turn < 20; turn++) {
		loop_turn(0);
		guest_hear(idle_guest);
	}
	while (guest_message(idle_guest, &h, answer))
		CHECK(h.type == XS_READ && h.req_id == next++ && h.len == 600);
	CHECK(next == 3 && !idle_guest->in_len);
}

static void cut_event_and_killed_twice(void)
{
	struct xsd_sockmsg h;

	idle_guest = guest_new(3, 500);
	idle_guest->ring->connection = XENSTORE_RECONNECT;
	machine->domains[3].port = 9;
	in_child(leaves_cut_event);
	CHECK(idle_guest->ring->rsp_prod - idle_guest->ring->rsp_cons == XENSTORE_RING_SIZE);
	in_child(starts_once);
	in_child(starts_once);
	world_start();
	for (int turn = 0; turn < 20; turn++) {
		loop_turn(0);
		guest_hear(idle_guest);
	}
	CHECK(guest_message(idle_guest, &h, answer) && h.type == XS_WATCH);
	CHECK(guest_message(idle_guest, &h, answer) && h.type == XS_WATCH_EVENT && h.len == 7);
	for (int i = 0; i < 2; i++)
		CHECK(guest_message(idle_guest, &h, answer) && h.type == XS_WATCH_EVENT && h.len == 508);
	/* Of what was not begun only that there was something, once. */
	CHECK(guest_message(idle_guest, &h, answer) && h.type == XS_WATCH_EVENT && h.len == 7);
	CHECK(!guest_message(idle_guest, &h, answer) && !idle_guest->in_len);
}

ISOLATED(wraps_and_pieces)
ISOLATED(one_event_per_batch)
ISOLATED(header_before_body)
ISOLATED(speaks_meanwhile)
ISOLATED(hears_meanwhile)
ISOLATED(bad_indices)
ISOLATED(bad_index_is_told)
ISOLATED(too_long)
ISOLATED(does_not_read)
ISOLATED(events_grow_old)
ISOLATED(begins_anew)
ISOLATED(waits_for_a_store)
ISOLATED(killed)
ISOLATED(not_yet_told)
ISOLATED(cut_and_killed_twice)
ISOLATED(cut_event_and_killed_twice)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wraps_and_pieces),
		cmocka_unit_test(test_one_event_per_batch),
		cmocka_unit_test(test_header_before_body),
		cmocka_unit_test(test_speaks_meanwhile),
		cmocka_unit_test(test_hears_meanwhile),
		cmocka_unit_test(test_bad_indices),
		cmocka_unit_test(test_bad_index_is_told),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_does_not_read),
		cmocka_unit_test(test_events_grow_old),
		cmocka_unit_test(test_begins_anew),
		cmocka_unit_test(test_waits_for_a_store),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_not_yet_told),
		cmocka_unit_test(test_cut_and_killed_twice),
		cmocka_unit_test(test_cut_event_and_killed_twice),
	};

	return cmocka_run_group_tests_name("store_ring", tests, NULL, NULL);
}
