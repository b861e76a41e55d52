/*
 * Random operations from many connections against the daemon and the model: every answer, every event, the whole tree after each
 * death of the daemon. `model DAEMON OPERATIONS [SEED [KILL-EVERY]]`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

struct run t;

static void plain(struct client *c)
{
	static struct op op;
	static struct answer want, got;
	char body[4200];
	struct mtree before;
	uint32_t type;
	size_t len;
	random_op(&op, c->link.domid);
	tree_copy(&before, &t.m.live);
	link_send(&c->link, wire_type(op.type), 0, body, op_body(&op, body));
	if (!link_reply(&c->link, &type, body, &len, 5000))
		die("no answer");
	to_answer(&op, type, body, len, &got);
	model_apply(&t.m, &t.m.live, &op, 0, &want);
	check_answer(&op, &t.m.live, &want, &got);
	t.refusals += want.err != 0;
	t.changes += op.type > OP_GET_PERMS;
	if (!want.err && op.type > OP_GET_PERMS) {
		bool was = tree_get(&before, op.path) != NULL;
		/* Nothing happened: MKDIR of what is there, RM of what is not. */
		if (!(op.type == OP_MKDIR && was) && !(op.type == OP_RM && !was))
			expect_events(&before, &t.m.live, op.path, op.type == OP_RM);
	}
	no_more_events("a plain request");
	tree_free(&before);
}

static void watches(struct client *c)
{
	struct watch *w = &c->watches[pick(MAX_WATCHES)];
	struct op op = { .domid = c->link.domid };
	char body[4200];
	size_t len;
	int err;
	if (w->set) {
		char home[32];
		size_t n = (size_t)sprintf(home, "/local/domain/%u/", c->link.domid);
		len = (size_t)sprintf(body, "%s", w->relative ? w->path + n : *w->path ? w->path : "/") + 1;
		len += (size_t)sprintf(body + len, "%s", w->token) + 1;
		if (chance(50)) {
			err = link_ask(&c->link, XS_WATCH, 0, body, len, body, &len);
			if (err != EEXIST)
				die("the watch %s of client %d is lost: %s", w->path, (int)(c - t.c),
				    wire_error_name(err));
			return;
		}
		err = link_ask(&c->link, XS_UNWATCH, 0, body, len, body, &len);
		if (err)
			die("unwatch %s: %s", w->path, wire_error_name(err));
		w->set = false;
		return;
	}
	random_path(&op);
	strcpy(w->path, op.path);
	w->relative = op.relative;
	sprintf(w->token, "t%u", t.token++);
	len = op_body(&op, body);
	len += (size_t)sprintf(body + len, "%s", w->token) + 1;
	err = link_ask(&c->link, XS_WATCH, 0, body, len, body, &len);
	if (err)
		die("watch: %s", wire_error_name(err));
	w->set = true;
	if (!take_event(c, w, w->path))
		die("no first event of %s", w->path);
	no_more_events("a watch");
}

/* Domains. */

static void drop_client_state(struct client *c)
{
	for (unsigned i = 0; i < MAX_TX; i++)
		tx_clear(&c->tx[i]);
	memset(c->watches, 0, sizeof(c->watches));
}

static void number_request(struct link *l, uint32_t type, const char *words, size_t len)
{
	char body[4200];
	size_t n;
	int err = link_ask(l, type, 0, words, len, body, &n);
	if (err)
		die("%s: %s", wire_type_name(type), wire_error_name(err));
}

static void forget_all_events(void)
{
	char body[4200];
	size_t len;
	for (unsigned i = 0; i < LINKS; i++) {
		if (!t.c[i].open)
			continue;
		/* What was queued before this answer is here with it. */
		if (link_ask(&t.c[i].link, XS_GET_DOMAIN_PATH, 0, "0", 2, body, &len))
			die("GET_DOMAIN_PATH");
		link_forget_events(&t.c[i].link);
	}
}

/* As domain 0 and without looking at events. */
static void do_as_zero(const struct op *op)
{
	static struct answer want;
	char body[4200];
	size_t len, n = op_body(op, body);
	int err = link_ask(&t.c[0].link, wire_type(op->type), 0, body, n, body, &len);
	model_apply(&t.m, &t.m.live, op, 0, &want);
	if (err != want.err)
		die("%s %s: %s, model says %s", wire_type_name(wire_type(op->type)), op->path, wire_error_name(err),
		    wire_error_name(want.err));
}

static void introduce(unsigned domid)
{
	char words[32];
	int len = sprintf(words, "%u", domid) + 1;
	memcpy(words + len,
	       "1\0"
	       "1",
	       4);
	number_request(&t.c[0].link, XS_INTRODUCE, words, (size_t)len + 4);
}

static void guest_start(unsigned domid)
{
	struct client *c = &t.c[SOCKETS + domid - 1];
	struct op op = { .type = OP_MKDIR };
	guest_create(domid);
	link_open_ring(&c->link, domid);
	t.m.life[domid] = t.m.next_life++;
	introduce(domid);
	c->open = true;
	sprintf(op.path, "/local/domain/%u", domid);
	do_as_zero(&op);
	op.type = OP_SET_PERMS;
	op.nr_perms = 1;
	op.perms[0] = (struct mperm){ domid, 0, 0 };
	do_as_zero(&op);
	forget_all_events();
}

static void guest_end(unsigned domid)
{
	struct client *c = &t.c[SOCKETS + domid - 1];
	char words[16], body[4200];
	size_t len = (size_t)sprintf(words, "%u", domid) + 1, n;
	link_close(&c->link);
	c->open = false;
	drop_client_state(c);
	guest_destroy(domid);
	for (unsigned i = 0;; i++) {
		if (link_ask(&t.c[0].link, XS_IS_DOMAIN_INTRODUCED, 0, words, len, body, &n))
			die("IS_DOMAIN_INTRODUCED");
		if (body[0] == 'F')
			break;
		if (i > 3000)
			die("domain %u does not go away", domid);
		usleep(200);
	}
	model_domain_gone(&t.m, domid);
	/* What transactions saw of it may be gone, and they with it. */
	for (unsigned i = 0; i < LINKS; i++)
		for (unsigned k = 0; k < MAX_TX; k++)
			t.c[i].tx[k].old = t.c[i].tx[k].id != 0;
	forget_all_events();
	t.deaths++;
}

/* The whole tree as the daemon has it. */

static void dump(struct mtree *out, const char *path)
{
	struct link *l = &t.c[0].link;
	char value[4200], text[4200], names[4200], below[96];
	struct mperm perms[MAX_PERMS];
	size_t len, perms_len, names_len, n = (size_t)sprintf(below, "%s", *path ? path : "/") + 1;
	unsigned nr = 0;
	if (link_ask(l, XS_READ, 0, below, n, value, &len) ||
	    link_ask(l, XS_GET_PERMS, 0, below, n, text, &perms_len) ||
	    link_ask(l, XS_DIRECTORY, 0, below, n, names, &names_len))
		die("cannot read %s", below);
	for (size_t at = 0; at < perms_len; at += strlen(text + at) + 1) {
		if (nr == MAX_PERMS)
			die("%s has too many permissions", below);
		perms[nr].access = (unsigned)(strchr("nrwb", text[at]) - "nrwb");
		perms[nr++].id = (unsigned)atoi(text + at + 1);
	}
	tree_put(out, path, value, len, perms, nr);
	for (size_t at = 0; at < names_len; at += strlen(names + at) + 1) {
		if (!*path && !strcmp(names + at, "tool"))
			continue; /* the daemon's own */
		snprintf(below, sizeof(below), "%.60s/%.30s", path, names + at);
		dump(out, below);
	}
}

static const char *tree_check(const struct mtree *model)
{
	struct mtree seen = { 0 };
	const char *difference;
	dump(&seen, "");
	difference = tree_difference(&t.m, model, &seen);
	tree_free(&seen);
	return difference;
}

static void set_limits(void)
{
	char body[64], out[4200];
	size_t len, n = (size_t)sprintf(body, "quota%cset%cnodes%c%u", 0, 0, 0, NODE_LIMIT) + 1;
	t.m.node_limit = NODE_LIMIT;
	if (link_ask(&t.c[0].link, XS_CONTROL, 0, body, n, out, &len))
		die("quota set");
}

/* kill -9, perhaps with a request under way whose answer nobody has seen; then all must be there again. */
static void kill_and_restart(void)
{
	static struct op op;
	static struct answer want, got;
	struct client *c = &t.c[pick(LINKS)];
	bool under_way = c->open && chance(70), answered = false;
	char body[4200];
	struct mtree after;
	const char *a, *b;
	uint32_t type;
	size_t len;
	tree_copy(&after, &t.m.live);
	if (under_way) {
		random_op(&op, c->link.domid);
		model_apply(&t.m, &after, &op, 0, &want);
		link_send(&c->link, wire_type(op.type), 0, body, op_body(&op, body));
		if (chance(50))
			usleep(pick(60));
	}
	world_kill();
	if (under_way && !c->link.ring) {
		/* It may have got as far as the answer. */
		answered = link_reply(&c->link, &type, body, &len, 0);
		if (answered)
			to_answer(&op, type, body, len, &got);
	}
	for (unsigned i = 0; i < SOCKETS; i++) {
		link_close(&t.c[i].link);
		drop_client_state(&t.c[i]);
	}
	for (unsigned i = 0; i < LINKS; i++)
		for (unsigned k = 0; k < MAX_TX; k++)
			t.c[i].tx[k].old = t.c[i].tx[k].id != 0;
	world_start();
	for (unsigned i = 0; i < SOCKETS; i++)
		link_open_socket(&t.c[i].link);
	if (under_way && c->link.ring) {
		/* A ring keeps the request or the answer: it comes, and the request was done once. */
		answered = link_reply(&c->link, &type, body, &len, 5000);
		if (!answered)
			die("the ring's answer was lost with the daemon");
		to_answer(&op, type, body, len, &got);
	}
	if (answered)
		check_answer(&op, &after, &want, &got);
	b = under_way ? tree_check(&after) : NULL;
	if (under_way && !b) {
		tree_free(&t.m.live);
		t.m.live = after;
	} else {
		a = tree_check(&t.m.live);
		if (a || answered) {
			if (under_way)
				show("under way", &op, &want);
			die("after a restart: without the last request %s; with it %s (%s)", a ? a : "(equal)",
			    b ? b : "(none)", answered ? "it was answered" : "it was not answered");
		}
		tree_free(&after);
	}
	forget_all_events();
	t.kills++;
}

static void step(unsigned kill_every)
{
	struct client *c = &t.c[pick(LINKS)];
	unsigned what = pick(1000);
	if (kill_every && !pick(kill_every)) {
		kill_and_restart();
		return;
	}
	if (what < 3) {
		unsigned d = 1 + pick(MAX_DOMAINS - 1);
		if (t.m.life[d])
			guest_end(d);
		else
			guest_start(d);
		return;
	}
	if (!c->open)
		return;
	if (what < 8 && !c->link.ring && c != t.c) {
		/* A client goes in the middle of a request, another comes. */
		link_send_part(&c->link, XS_WRITE, 0, "/r0/never\0x", 12, 16 + pick(10));
		link_close(&c->link);
		drop_client_state(c);
		link_open_socket(&c->link);
	} else if (what < 10 && c->link.ring) {
		introduce(c->link.domid); /* a soft reset */
		drop_client_state(c);
		link_forget_events(&c->link);
		memset(c->link.ring, 0, 0);
	} else if (what < 80) {
		watches(c);
	} else if (what < 500) {
		transactions(c);
	} else {
		plain(c);
	}
}

int main(int argc, char **argv)
{
	unsigned long operations = argc > 2 ? strtoul(argv[2], NULL, 0) : 10000;
	unsigned long seed = argc > 3 ? strtoul(argv[3], NULL, 0) : 1;
	unsigned kill_every = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 0) : 1500;
	struct op op = { .type = OP_MKDIR };
	const char *bad;
	if (argc < 2)
		return 2;
	printf("seed %lu, %lu operations, a kill every %u\n", seed, operations, kill_every);
	fflush(stdout);
	t.random = seed * 0x9e3779b97f4a7c15ull + 1;
	world_init(argv[1], argc > 5 ? argv + 5 : NULL);
	model_init(&t.m);
	world_start();
	for (unsigned i = 0; i < SOCKETS; i++) {
		link_open_socket(&t.c[i].link);
		t.c[i].open = true;
	}
	strcpy(op.path, "/local/domain/0");
	do_as_zero(&op);
	for (unsigned i = 0; i < 3; i++) {
		sprintf(op.path, "/r%u", i);
		do_as_zero(&op);
	}
	op.type = OP_SET_PERMS;
	strcpy(op.path, "/r1");
	op.nr_perms = 3;
	op.perms[1] = (struct mperm){ 1, 3, 0 };
	op.perms[2] = (struct mperm){ 2, 1, 0 };
	for (unsigned d = 1; d < MAX_DOMAINS; d++)
		guest_start(d);
	do_as_zero(&op);
	strcpy(op.path, "/pub");
	op.type = OP_MKDIR;
	do_as_zero(&op);
	op.type = OP_SET_PERMS;
	op.nr_perms = 1;
	op.perms[0] = (struct mperm){ 0, 3, 0 };
	do_as_zero(&op);
	set_limits();
	forget_all_events();
	bad = tree_check(&t.m.live);
	if (bad)
		die("at the start: %s", bad);
	for (t.done = 0; t.done < operations; t.done++) {
		step(kill_every);
		if (t.done % 5000 == 4999 && (bad = tree_check(&t.m.live)))
			die("after %lu operations: %s", t.done, bad);
	}
	bad = tree_check(&t.m.live);
	if (bad)
		die("at the end: %s", bad);
	for (unsigned i = 0; i < LINKS; i++)
		if (t.c[i].open)
			link_close(&t.c[i].link);
	world_end();
	if (t.reserved * 50 > t.commits + 100)
		die("%lu commits refused although every answer holds", t.reserved);
	printf("%lu operations, %lu refused, %lu events, %lu commits, %lu conflicts (%lu for a while only, %lu reserved), %lu domains died, %lu kills\n",
	       t.done, t.refusals, t.events, t.commits, t.conflicts, t.spurious, t.reserved, t.deaths, t.kills);
	return 0;
}
