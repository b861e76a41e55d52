/*
 * Guests take turns: whatever others do, and however they do it, each comes to its turn after a bounded number of pieces of work. One turn of
 * the loop does one piece, so turns are what is counted.
 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/loop.h"

#define RIVALS 4
/* So many pieces one turn of a rival may take: its largest request, or as many ordinary ones as are served together. */
#define PIECES 80

/* A guest that always has a request waiting. Its messages come from @next, one after the other; answers are counted. */
struct rival {
	struct guest *g;
	unsigned step, tx, answers;
	size_t (*next)(struct rival *r, char *to);
};

static struct rival rivals[RIVALS];
static struct guest *quiet;
static char answer[4096];

static struct guest *introduced(uint32_t domid)
{
	struct guest *g = guest_new(domid, 0);
	char body[64], path[32];
	int n = snprintf(body, sizeof(body), "%u%c1%c%u", domid, 0, 0, domid);

	CHECK(!ask0(XS_INTRODUCE, body, (size_t)n + 1, NULL, NULL));
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	CHECK(!write0(path, ""));
	n = snprintf(body, sizeof(body), "%s%cn%u", path, 0, domid);
	CHECK(!ask0(XS_SET_PERMS, body, (size_t)n + 1, NULL, NULL));
	world_settle();
	return g;
}

static void everybody(size_t (*next)(struct rival *r, char *to))
{
	world_start();
	CHECK(!write0("/w", "") && !ask0(XS_SET_PERMS, "/w\0b0", 6, NULL, NULL));
	for (unsigned i = 0; i < RIVALS; i++)
		rivals[i] = (struct rival){ .g = introduced(i + 2), .next = next };
	quiet = introduced(1);
}

/* What has been answered is taken, and as much asked as fits. */
static void act(struct rival *r)
{
	struct xsd_sockmsg h;
	char msg[512];

	guest_pull(r->g);
	while (guest_message(r->g, &h, answer))
		r->answers += h.type != XS_WATCH_EVENT;
	while (r->next) {
		struct rival before = *r;
		size_t len = r->next(r, msg);

		if (XENSTORE_RING_SIZE - (r->g->ring->req_prod - r->g->ring->req_cons) < len) {
			*r = before;
			break;
		}
		guest_push(r->g, msg, len);
	}
	guest_kick(r->g);
}

/* Turns until the quiet guest has its answer, the worst of @times. @meanwhile comes before each turn. */
static unsigned longest_wait(unsigned times, void (*meanwhile)(void))
{
	unsigned longest = 0;
	struct xsd_sockmsg h;
	char msg[64];

	for (unsigned i = 0; i < times; i++) {
		unsigned turns = 0;

		guest_push(quiet, msg, message(msg, XS_READ, i, 0, "w", 2));
		guest_kick(quiet);
		for (bool answered = false; !answered; turns++) {
			CHECK(turns < 20000);
			meanwhile();
			loop_turn(0);
			guest_pull(quiet);
			answered = guest_message(quiet, &h, answer);
		}
		longest = turns > longest ? turns : longest;
	}
	return longest;
}

static void rivals_act(void)
{
	for (unsigned i = 0; i < RIVALS; i++)
		act(&rivals[i]);
}

/* All had about the same. */
static void check_shares(void)
{
	unsigned least = rivals[0].answers, most = least;

	for (unsigned i = 1; i < RIVALS; i++) {
		least = rivals[i].answers < least ? rivals[i].answers : least;
		most = rivals[i].answers > most ? rivals[i].answers : most;
	}
	CHECK(least > 0 && most <= 2 * least + 64);
}

/* Ordinary requests as fast as they are taken. */
static size_t next_write(struct rival *r, char *to)
{
	(void)r;
	return message(to, XS_WRITE, 1, 0, "data\0value", 10);
}

static void ordinary(void)
{
	everybody(next_write);
	CHECK(longest_wait(50, rivals_act) <= RIVALS * PIECES);
	check_shares();
}

/* Each change is told to all others, which watch the place: chores without end. */
static size_t next_told(struct rival *r, char *to)
{
	char body[64];

	if (!r->step++)
		return message(to, XS_WATCH, 1, 0, "/w\0token", 9);
	return message(to, XS_WRITE, 1, 0, body, (size_t)snprintf(body, sizeof(body), "/w/%u", r->step % 50) + 1);
}

static void watched(void)
{
	everybody(next_told);
	CHECK(longest_wait(50, rivals_act) <= RIVALS * PIECES);
	check_shares();
}

/* Commits of many changes, one after the other. */
#define WRITES 40
static size_t next_commit(struct rival *r, char *to)
{
	unsigned step = r->step++ % (WRITES + 2);
	char body[64];

	if (!step) {
		r->tx++;
		return message(to, XS_TRANSACTION_START, 1, 0, "", 1);
	}
	if (step > WRITES)
		return message(to, XS_TRANSACTION_END, 1, r->tx, "T", 2);
	return message(to, XS_WRITE, 1, r->tx, body, (size_t)snprintf(body, sizeof(body), "data/%u", step) + 1);
}

static void commits(void)
{
	everybody(next_commit);
	CHECK(longest_wait(50, rivals_act) <= RIVALS * PIECES);
	check_shares();
}

/* Watches by the hundred, forgotten by one request. */
static size_t next_reset(struct rival *r, char *to)
{
	char body[64];
	int n = snprintf(body, sizeof(body), "/w%ct%u", 0, r->step);

	if (r->step++ % 120)
		return message(to, XS_WATCH, 1, 0, body, (size_t)n + 1);
	return message(to, XS_RESET_WATCHES, 1, 0, "", 1);
}

static void resets(void)
{
	everybody(next_reset);
	CHECK(longest_wait(50, rivals_act) <= RIVALS * PIECES);
	check_shares();
}

/* Nodes far down, several with each request. */
static size_t next_deep(struct rival *r, char *to)
{
	char body[64];

	if (++r->step % 50 == 0)
		return message(to, XS_RM, 1, 0, "data", 5);
	return message(to, XS_WRITE, 1, 0, body, (size_t)snprintf(body, sizeof(body), "data/%u/a/b/c/d", r->step) + 1);
}

static void deep(void)
{
	everybody(next_deep);
	CHECK(longest_wait(50, rivals_act) <= RIVALS * PIECES);
	check_shares();
}

/* A request that takes several pieces is changed in the ring after each: from the end of one transaction to that of the other and back. */
static void changed_meanwhile(void)
{
	struct guest *g = rivals[0].g;
	static unsigned at, passes, tx = 1;
	const struct conn *c = domain_find(g->domid)->conn;

	guest_pull(g);
	g->in_len = 0;
	if (g->ring->req_prod == g->ring->req_cons) {
		at = g->ring->req_prod;
		guest_push(g, answer, message(answer, XS_TRANSACTION_END, 1, tx, "T", 2));
	}
	if (c->passes != passes) {
		tx = 3 - tx;
		g->ring->req[(at + offsetof(struct xsd_sockmsg, tx_id)) % XENSTORE_RING_SIZE] = (char)tx;
	}
	passes = c->passes;
	guest_kick(g);
}

static void changing(void)
{
	struct rival *r = &rivals[0];

	everybody(NULL);
	for (r->tx = 0; r->tx < 2;) {
		char out[4096];
		size_t len;

		r->tx++;
		CHECK(guest_ask(r->g, XS_TRANSACTION_START, "", 1, out, &len) == XS_TRANSACTION_START);
		for (unsigned i = 0; i < WRITES; i++) {
			char body[64], msg[128];
			size_t n = (size_t)snprintf(body, sizeof(body), "data/%u/%u", r->tx, i) + 1;

			guest_push(r->g, msg, message(msg, XS_WRITE, 1, r->tx, body, n));
			guest_kick(r->g);
			world_settle();
			guest_pull(r->g);
			r->g->in_len = 0;
		}
	}
	for (int turn = 0; turn < 3; turn++) {
		changed_meanwhile();
		loop_turn(0);
	}
	CHECK(longest_wait(20, changed_meanwhile) <= 4 * PIECES);
}

/* A privileged client changes what all watch, in each turn: guests have theirs all the same, if seldom. */
static void write_watched(void)
{
	static unsigned nr;
	char path[32];

	snprintf(path, sizeof(path), "/w/%u", nr++ % 50);
	CHECK(!write0(path, ""));
	rivals_act();
}

static void privileged_flood(void)
{
	static const char body[] = "/w\0token";

	everybody(NULL);
	for (unsigned i = 0; i < RIVALS; i++)
		CHECK(guest_ask(rivals[i].g, XS_WATCH, body, sizeof(body), answer, &(size_t){ 0 }) == XS_WATCH);
	CHECK(longest_wait(50, write_watched) <= 1000);
}

ISOLATED(ordinary)
ISOLATED(watched)
ISOLATED(commits)
ISOLATED(resets)
ISOLATED(deep)
ISOLATED(changing)
ISOLATED(privileged_flood)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_commits),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_changing),
		cmocka_unit_test(test_privileged_flood),
	};

	return cmocka_run_group_tests_name("store_fair", tests, NULL, NULL);
}
