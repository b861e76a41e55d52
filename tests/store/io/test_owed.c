/* Guests with several watches are owed events until they take them: order, what is left out, and what must survive. */
#include "world.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/loop.h"
#include "tools/xenstored/options.h"
#include "tools/xenstored/store.h"
#include "tools/xenstored/update.h"

#define TOKENS 60

static char answer[4096];
static size_t answer_len;

/* A guest with many watches on /w, which it may read, and its ring full, so that more is owed and not made. */
static struct guest *flooded(uint32_t domid, const char *path)
{
	struct guest *g = guest_new(domid, 0xffffff00u);
	char body[64];

	snprintf(body, sizeof(body), "%u%c1%c%u", domid, 0, 0, domid);
	CHECK(!ask0(XS_INTRODUCE, body, strlen(body) + 1 + 2 + (domid > 9 ? 3 : 2), NULL, NULL));
	world_settle();
	for (int i = 0; i < TOKENS; i++) {
		size_t len = (size_t)snprintf(body, sizeof(body), "%s%ct%d", path, 0, i) + 1;

		CHECK(guest_ask(g, XS_WATCH, body, len, answer, &answer_len) == XS_WATCH);
		world_settle();
		guest_pull(g);
	}
	world_settle();
	guest_pull(g);
	g->in_len = 0;
	return g;
}

static void make_place(void)
{
	CHECK(!write0("/w", "") && !ask0(XS_SET_PERMS, "/w\0r0", 6, NULL, NULL));
}

static const struct queue *queue_of(const struct guest *g)
{
	return &domain_find(g->domid)->conn->io->out;
}

/* The next message, waiting for it as a guest does; false: none comes. */
static bool next(struct guest *g, struct xsd_sockmsg *h)
{
	for (int turn = 0; turn < 8; turn++) {
		if (guest_message(g, h, answer))
			return true;
		if (guest_pull(g))
			guest_kick(g);
		loop_turn(0);
	}
	return false;
}

/* Events of @path for tokens @from .. @to - 1, in this order and nothing between. */
static void expect(struct guest *g, const char *path, int from, int to)
{
	struct xsd_sockmsg h;
	char token[16];

	for (int i = from; i < to; i++) {
		CHECK(next(g, &h) && h.type == XS_WATCH_EVENT);
		snprintf(token, sizeof(token), "t%d", i);
		CHECK(!strcmp(answer, path) && !strcmp(answer + strlen(path) + 1, token));
	}
}

static void nothing_more(struct guest *g)
{
	struct xsd_sockmsg h;

	CHECK(!next(g, &h) && !queue_waits(queue_of(g)) && !queue_of(g)->owed_bytes);
}

static void in_order(void)
{
	struct xsd_sockmsg h;
	struct guest *g;
	char msg[64];

	world_start();
	make_place();
	g = flooded(3, "/w");
	CHECK(!write0("/w/1", "") && !write0("/w/2", ""));
	world_settle();
	CHECK(queue_of(g)->nr - queue_of(g)->first <= 3); /* one of the first is cut, the rest of both owed */
	guest_push(g, msg, message(msg, XS_READ, 77, 0, "/w", 3));
	guest_kick(g);
	world_settle();
	/* Like one that is waiting; but of one that has begun some are gone. */
	CHECK(!write0("/w/3", "") && !write0("/w/2", "") && !write0("/w/1", ""));
	expect(g, "/w/1", 0, TOKENS);
	expect(g, "/w/2", 0, TOKENS);
	CHECK(next(g, &h) && h.type == XS_READ && h.req_id == 77);
	expect(g, "/w/3", 0, TOKENS);
	expect(g, "/w/1", 0, TOKENS);
	nothing_more(g);
}

/* What is written often and read seldom is told once. */
static void equal_ones(void)
{
	struct guest *g;
	char path[32];
	size_t load;

	world_start();
	make_place();
	g = flooded(3, "/w");
	CHECK(!write0("/w/first", ""));
	world_settle();
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "/w/%d", i);
		CHECK(!write0(path, ""));
	}
	load = queue_load(queue_of(g));
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/w/%d", i % 50);
		CHECK(!write0(path, ""));
	}
	CHECK(queue_load(queue_of(g)) == load);
	expect(g, "/w/first", 0, TOKENS);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "/w/%d", i);
		expect(g, path, 0, TOKENS);
	}
	nothing_more(g);
}

/* Watches that come or go meanwhile: the new are not told of what was before, the removed of nothing. */
static void watches_change(void)
{
	struct xsd_sockmsg h;
	struct guest *g;
	char msg[64];

	world_start();
	make_place();
	g = flooded(3, "/w");
	CHECK(!write0("/w/1", "") && !write0("/w/2", ""));
	world_settle();
	guest_push(g, msg, message(msg, XS_UNWATCH, 1, 0, "/w\0t59", 7));
	guest_push(g, msg, message(msg, XS_WATCH, 2, 0, "/w\0t60", 7));
	guest_push(g, msg, message(msg, XS_UNWATCH, 3, 0, "/w\0t58", 7));
	guest_push(g, msg, message(msg, XS_WATCH, 4, 0, "/w\0t58", 7));
	guest_kick(g);
	world_settle();
	CHECK(!write0("/w/2", ""));
	expect(g, "/w/1", 0, 58);
	expect(g, "/w/2", 0, 58);
	CHECK(next(g, &h) && h.type == XS_UNWATCH);
	CHECK(next(g, &h) && h.type == XS_WATCH);
	expect(g, "/w", 60, 61);
	CHECK(next(g, &h) && h.type == XS_UNWATCH);
	CHECK(next(g, &h) && h.type == XS_WATCH);
	expect(g, "/w", 58, 59);
	/* There are watches that the second change has not been told to. */
	expect(g, "/w/2", 0, 58);
	expect(g, "/w/2", 60, 61);
	expect(g, "/w/2", 58, 59);
	nothing_more(g);
	/* All at once: nothing is left but the answer, however much was owed. */
	for (int i = 0; i < 500; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/w/many/%d", i);
		CHECK(!write0(path, "") && !ask0(XS_SET_PERMS, "/w/many\0r0", 11, NULL, NULL));
	}
	guest_push(g, msg, message(msg, XS_RESET_WATCHES, 5, 0, "", 1));
	guest_kick(g);
	world_settle();
	while (next(g, &h) && h.type == XS_WATCH_EVENT)
		;
	CHECK(h.type == XS_RESET_WATCHES);
	nothing_more(g);
}

/* Who could read it when it changed is told, and not who could later. */
static void permissions_then(void)
{
	struct guest *g;

	world_start();
	make_place();
	g = flooded(3, "/w");
	CHECK(!write0("/w/full", "") && !write0("/w/1", ""));
	CHECK(!ask0(XS_SET_PERMS, "/w\0n0", 6, NULL, NULL));
	CHECK(!write0("/w/2", ""));
	CHECK(!ask0(XS_SET_PERMS, "/w\0r0", 6, NULL, NULL));
	CHECK(!write0("/w/3", ""));
	expect(g, "/w/full", 0, TOKENS);
	expect(g, "/w/1", 0, TOKENS);
	expect(g, "/w", 0, TOKENS);
	expect(g, "/w/3", 0, TOKENS);
	nothing_more(g);
}

/* Nobody takes them for long: dropped, but for what has begun. */
static void grow_old(void)
{
	unsigned all = UINT_MAX;
	struct xsd_sockmsg h;
	struct guest *g;

	world_start();
	make_place();
	g = flooded(3, "/w");
	CHECK(!write0("/w/1", "") && !write0("/w/2", ""));
	world_settle();
	CHECK(queue_expire(domain_find(3)->conn, 0, &all) && !queue_of(g)->owed_bytes);
	for (int n = 0; next(g, &h); n++)
		CHECK(n < TOKENS && h.type == XS_WATCH_EVENT && !strcmp(answer, "/w/1"));
	nothing_more(g);
	CHECK(!write0("/w/2", ""));
	expect(g, "/w/2", 0, TOKENS);
}

/* Whose request made others be owed something waits when that is too much, counted by changes, until they have taken it. */
static void held_for_it(void)
{
	struct guest *g, *author;
	char path[32];
	int answered = 0;

	world_start();
	make_place();
	CHECK(!ask0(XS_SET_PERMS, "/w\0b0", 6, NULL, NULL));
	g = flooded(3, "/w");
	author = flooded(4, "/none");
	for (int i = 0; i < 60; i++) {
		char msg[64];
		size_t len = (size_t)snprintf(path, sizeof(path), "/w/%d", i);

		guest_push(author, msg, message(msg, XS_WRITE, (uint32_t)i, 0, path, len + 1));
		guest_kick(author);
		world_settle();
		guest_pull(author);
	}
	CHECK(domain_find(4)->conn->outstanding == quota_limit(domain_find(4), QUOTA_OUTSTANDING));
	for (int i = 0; i < 60; i++) {
		struct xsd_sockmsg h;

		snprintf(path, sizeof(path), "/w/%d", i);
		expect(g, path, 0, TOKENS);
		while (next(author, &h))
			answered += h.type == XS_WRITE;
	}
	CHECK(answered == 60 && !domain_find(4)->conn->outstanding);
	nothing_more(g);
}

/* A broken ring: what was owed goes. */
static void given_up(void)
{
	struct guest *g;

	world_start();
	make_place();
	g = flooded(3, "/w");
	CHECK(!write0("/w/1", "") && !write0("/w/2", ""));
	g->ring->req_prod = g->ring->req_cons + 5000;
	guest_kick(g);
	world_settle();
	CHECK(g->ring->error && !queue_of(g)->owed_bytes && !domain_find(3)->conn->nr_watches);
	CHECK(!write0("/w/1", ""));
}

/* More guests than a turn can tell of what a busy host does: those that ask are answered all the same, and all are told in the end. */
static void beside_a_busy_host(void)
{
	struct guest *g[50], *asking;
	struct xsd_sockmsg h;
	bool answered = false;
	unsigned told = 0;
	char msg[64], path[16];
	int host[2];

	world_start();
	make_place();
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, host) && socket_new(host[1], 0));
	for (uint32_t i = 0; i < 50; i++) {
		g[i] = guest_new(i + 10, 0);
		snprintf(msg, sizeof(msg), "%u%c1%c%u", i + 10, 0, 0, i + 10);
		CHECK(!ask0(XS_INTRODUCE, msg, 8, NULL, NULL));
		CHECK(guest_ask(g[i], XS_WATCH, "/w\0t", 5, answer, &answer_len) == XS_WATCH);
	}
	asking = flooded(3, "/none");
	guest_push(asking, msg, message(msg, XS_READ, 77, 0, "/w", 3));
	guest_kick(asking);
	for (int turn = 0; turn < 200 && !answered; turn++) {
		size_t len = (size_t)snprintf(path, sizeof(path), "/w/%d", turn) + 1;

		len = message(msg, XS_WRITE, 1, 0, path, len);
		CHECK(write(host[0], msg, len) == (ssize_t)len);
		loop_turn(0);
		for (int i = 0; i < 50; i++)
			if (guest_pull(g[i]))
				guest_kick(g[i]);
		guest_pull(asking);
		answered = guest_message(asking, &h, answer) && h.req_id == 77;
	}
	CHECK(answered);
	/* All that they are owed of that. */
	for (int n = 0; n < 40; n++) {
		for (int i = 0; i < 50; i++) {
			if (guest_pull(g[i]))
				guest_kick(g[i]);
			while (guest_message(g[i], &h, answer))
				;
		}
		world_settle();
	}
	CHECK(!write0("/w/last", ""));
	world_settle();
	for (int i = 0; i < 50; i++)
		while (next(g[i], &h))
			told += !strcmp(answer, "/w/last");
	CHECK(told == 50);
}

static int stream_fd;
static struct guest *moving;

static void first_daemon(void)
{
	char body[] = "3\0001\0003", msg[64];

	world_start();
	make_place();
	CHECK(!ask0(XS_INTRODUCE, body, sizeof(body), NULL, NULL));
	for (int i = 0; i < TOKENS; i++) {
		size_t len = (size_t)snprintf(msg, sizeof(msg), "/w%ct%d", 0, i) + 1;

		CHECK(guest_ask(moving, XS_WATCH, msg, len, answer, &answer_len) == XS_WATCH);
		world_settle();
		guest_pull(moving);
		moving->in_len = 0;
	}
	CHECK(!write0("/w/1", "") && !write0("/w/2", ""));
	world_settle();
	guest_push(moving, msg, message(msg, XS_READ, 77, 0, "/w", 3));
	guest_kick(moving);
	world_settle();
	CHECK(!write0("/w/3", ""));
	CHECK(!update_write(stream_fd, 2));
	_exit(0);
}

/* Over an update they come as messages. */
static void over_an_update(void)
{
	struct xsd_sockmsg h;
	struct stat st;
	void *p;

	moving = guest_new(3, 17);
	stream_fd = memfd_create("stream", 0);
	in_child(first_daemon);
	world_options();
	CHECK(!loop_open());
	hyper = &hyper_fake;
	CHECK(!hyper->open() && !domain_init() && !store_init() && !fstat(stream_fd, &st));
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, stream_fd, 0);
	CHECK(!update_read(p, (size_t)st.st_size) && !domain_start());
	expect(moving, "/w/1", 0, TOKENS);
	expect(moving, "/w/2", 0, TOKENS);
	CHECK(next(moving, &h) && h.type == XS_READ && h.req_id == 77);
	expect(moving, "/w/3", 0, TOKENS);
	nothing_more(moving);
	CHECK(!write0("/w/3", ""));
	expect(moving, "/w/3", 0, TOKENS);
}

ISOLATED(in_order)
ISOLATED(equal_ones)
ISOLATED(watches_change)
ISOLATED(permissions_then)
ISOLATED(grow_old)
ISOLATED(held_for_it)
ISOLATED(given_up)
ISOLATED(beside_a_busy_host)
ISOLATED(over_an_update)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),       cmocka_unit_test(test_equal_ones),
		cmocka_unit_test(test_watches_change), cmocka_unit_test(test_permissions_then),
		cmocka_unit_test(test_grow_old),       cmocka_unit_test(test_held_for_it),
		cmocka_unit_test(test_given_up),       cmocka_unit_test(test_beside_a_busy_host),
		cmocka_unit_test(test_over_an_update),
	};

	return cmocka_run_group_tests_name("store_owed", tests, NULL, NULL);
}
