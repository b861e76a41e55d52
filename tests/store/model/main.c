/*
 * Random operations from many connections against the daemon and the model: every answer, every event, the whole tree after each
 * death of the daemon. `model DAEMON OPERATIONS [SEED [KILL-EVERY]]`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "world.h"

#define SOCKETS 8
#define LINKS (SOCKETS + MAX_DOMAINS - 1)
#define MAX_TX 4
#define MAX_LOG 12
#define MAX_WATCHES 24
#define NODE_LIMIT 40

struct logged {
	struct op op;
	struct answer answer;
};

struct tx {
	uint32_t id;	    /* 0: free */
	bool old;	    /* lived through a death of the daemon or of a domain: may fail for no other reason */
	bool doubt;	    /* an answer did not hold for a while */
	unsigned long born; /* t.changes when it began */
	unsigned nr;
	/* What it may see: as the tree was at its beginning, or at one of its requests, each with what it did since. */
	unsigned nr_views;
	struct view {
		struct mtree tree;
		int owned; /* nodes of its domain in the live tree then */
	} views[MAX_LOG + 1];
	struct logged log[MAX_LOG];
};

struct watch {
	bool set, relative;
	char path[96]; /* absolute */
	char token[32];
};

struct client {
	struct link link;
	bool open;
	struct tx tx[MAX_TX];
	struct watch watches[MAX_WATCHES];
};

static struct {
	struct model m;
	struct client c[LINKS];
	uint64_t random;
	unsigned long done, kills, commits, conflicts, spurious, reserved, events, deaths, refusals;
	unsigned long changes;
	unsigned token;
} t;

static unsigned pick(unsigned n)
{
	t.random ^= t.random << 13;
	t.random ^= t.random >> 7;
	t.random ^= t.random << 17;
	return (unsigned)((t.random >> 11) % n);
}

static bool chance(unsigned percent)
{
	return pick(100) < percent;
}

/* Requests. */

static void random_path(struct op *op)
{
	unsigned depth = pick(4), at = 0;
	unsigned home = op->domid && chance(70) ? op->domid : pick(MAX_DOMAINS);
	op->relative = false;
	switch (pick(4)) {
	case 0:
		at = (unsigned)sprintf(op->path, "/r%u", pick(3));
		break;
	case 1:
		at = (unsigned)sprintf(op->path, "/pub");
		break;
	default:
		at = (unsigned)sprintf(op->path, "/local/domain/%u", home);
		op->relative = home == op->domid && depth && chance(50);
	}
	for (unsigned i = 0; i < depth; i++)
		at += (unsigned)sprintf(op->path + at, "/%c", 'a' + (int)pick(4));
	if (chance(1)) {
		op->path[0] = '\0';
		op->relative = false;
	}
}

static void random_op(struct op *op, unsigned domid)
{
	static const enum op_type types[] = { OP_READ,	OP_READ,  OP_LIST,  OP_GET_PERMS, OP_WRITE,	OP_WRITE,
					      OP_WRITE, OP_WRITE, OP_MKDIR, OP_RM,	  OP_SET_PERMS, OP_SET_PERMS };
	op->type = types[pick(sizeof(types) / sizeof(*types))];
	op->domid = domid;
	op->len = 0;
	random_path(op);
	if (op->type == OP_RM && strchr(op->path + 1, '/') == NULL && chance(90))
		op->type = OP_READ; /* whole roots go seldom */
	if (op->type == OP_RM && !strncmp(op->path, "/local", 6) && strlen(op->path) < 17 && chance(90))
		op->type = OP_LIST;
	if (op->type == OP_WRITE) {
		op->len = chance(95) ? pick(24) : pick(1500);
		for (size_t i = 0; i < op->len; i++)
			op->value[i] = (char)pick(256);
	}
	op->nr_perms = 1 + pick(3);
	for (unsigned i = 0; i < op->nr_perms; i++) {
		op->perms[i].id = i || !domid ? pick(MAX_DOMAINS) : domid;
		op->perms[i].access = pick(4);
	}
	if (!*op->path)
		op->perms[0].id = 0; /* the root stays with us: it cannot go with a dead domain */
}

static uint32_t wire_type(enum op_type type)
{
	static const uint32_t types[] = {
		XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_WRITE, XS_MKDIR, XS_RM, XS_SET_PERMS
	};
	return types[type];
}

static size_t op_body(const struct op *op, char *out)
{
	const char *path = op->path;
	char home[32];
	size_t n = (size_t)sprintf(home, "/local/domain/%u/", op->domid);
	if (op->relative)
		path += n;
	n = (size_t)sprintf(out, "%s", *op->path ? path : "/") + 1;
	if (op->type == OP_WRITE) {
		memcpy(out + n, op->value, op->len);
		n += op->len;
	}
	for (unsigned i = 0; op->type == OP_SET_PERMS && i < op->nr_perms; i++)
		n += (size_t)sprintf(out + n, "%c%u", "nrwb"[op->perms[i].access], op -> perms[i].id) + 1;
	return n;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A daemon's answer as the model gives it: names sorted. */
static void to_answer(const struct op *op, uint32_t type, const char *body, size_t len, struct answer *a)
{
	char *names[512];
	unsigned n = 0;
	a->err = type == XS_ERROR ? wire_error_number(body, len) : 0;
	a->len = a->err ? 0 : len;
	if (a->err)
		return;
	memcpy(a->data, body, len);
	if (op->type != OP_LIST)
		return;
	for (size_t at = 0; at < len; at += strlen(body + at) + 1)
		if (*op->path || strcmp(body + at, "tool")) /* the daemon's own */
			names[n++] = (char *)body + at;
	qsort(names, n, sizeof(*names), compare_names);
	a->len = 0;
	for (unsigned i = 0; i < n; i++)
		a->len += (size_t)sprintf(a->data + a->len, "%s", names[i]) + 1;
}

static void show(const char *what, const struct op *op, const struct answer *a)
{
	fprintf(stderr, "  %s: domain %u %s %s%s value of %zu:", what, op->domid, wire_type_name(wire_type(op->type)),
		*op->path ? op->path : "/", op->relative ? " (relative)" : "", op->len);
	for (unsigned i = 0; op->type == OP_SET_PERMS && i < op->nr_perms; i++)
		fprintf(stderr, " %c%u", "nrwb"[op->perms[i].access], op -> perms[i].id);
	fprintf(stderr, " -> %s", a->err ? wire_error_name(a->err) : "");
	for (size_t i = 0; i < a->len && i < 80; i++)
		fprintf(stderr, a->data[i] >= ' ' && a->data[i] <= '~' ? "%c" : "\\%02x", a->data[i] & 0xff);
	fputc('\n', stderr);
}

/* Events. */

static bool readable(const struct mtree *tree, const char *path, unsigned domid)
{
	const struct mnode *n = tree_get(tree, path);
	return n && model_access(&t.m, n, domid) & 1;
}

static bool visible(const struct mtree *before, const struct mtree *after, const char *path, unsigned domid)
{
	char up[96];
	if (readable(before, path, domid) || readable(after, path, domid))
		return true;
	return path_parent(path, up) && (readable(before, up, domid) || readable(after, up, domid));
}

/* Take the event (@path absolute, @w) from the client's list; waits for it. */
static bool take_event(struct client *c, const struct watch *w, const char *path)
{
	const char *text = *path ? path : "/";
	char home[32];
	size_t n = (size_t)sprintf(home, "/local/domain/%u/", c->link.domid);
	if (w->relative)
		text += n;
	for (;;) {
		for (struct event **at = &c->link.events, *e; (e = *at); at = &e->next) {
			if (strcmp(e->path, text) || strcmp(e->token, w->token))
				continue;
			*at = e->next;
			if (!e->next)
				c->link.events_end = at;
			free(e);
			t.events++;
			return true;
		}
		if (!link_wait_event(&c->link, 3000))
			return false;
	}
}

static void no_more_events(const char *when)
{
	for (unsigned i = 0; i < LINKS; i++) {
		struct event *e = t.c[i].link.events;
		if (t.c[i].open && e)
			die("%s: client %u (domain %u) got an event that nothing explains: %s %s", when, i,
			    t.c[i].link.domid, e->path, e->token);
	}
}

/* @path changed between the two trees (@removed: with its subtree): each watch that must fire, has. */
static void expect_events(const struct mtree *before, const struct mtree *after, const char *path, bool removed)
{
	for (unsigned i = 0; i < LINKS; i++) {
		struct client *c = &t.c[i];
		for (unsigned k = 0; c->open && k < MAX_WATCHES; k++) {
			const struct watch *w = &c->watches[k];
			const char *fired;
			if (!w->set)
				continue;
			if (path_below(path, w->path))
				fired = path;
			else if (removed && path_below(w->path, path) && tree_get(before, w->path))
				fired = w->path;
			else
				continue;
			if (!visible(before, after, fired, c->link.domid))
				continue;
			if (!take_event(c, w, fired)) {
				die("client %u (domain %u) missed the event %s %s", i, c->link.domid, fired, w->token);
			}
		}
	}
}

static void __attribute__((noreturn))
missed_event(const struct tx *x, const struct mtree *before, const struct mtree *after, unsigned client,
	     const char *path, const char *token)
{
	struct mnode *a = tree_get(before, path), *b = tree_get(after, path);
	for (unsigned i = 0; i < x->nr; i++)
		show("of it", &x->log[i].op, &x->log[i].answer);
	die("client %u missed the event %s %s of a commit (before %d, after %d, after %lu operations)", client, path,
	    token, a != NULL, b != NULL, t.done);
}

/* Did an operation name the node that came, went or changed? (Not just one above or below it.) */
static bool touched(const struct tx *x, const char *path, bool gone, bool made)
{
	bool explicit = false, below = false, there = !made;
	for (unsigned i = 0; i < x->nr; i++) {
		const struct op *op = &x->log[i].op;
		bool same = !strcmp(op->path, path);
		if (op->type <= OP_GET_PERMS || x->log[i].answer.err)
			continue;
		if (op->type == OP_RM && same && !there)
			continue; /* gone before it was named */
		there = op->type == OP_RM ? there && !path_below(path, op->path) : there || path_below(op->path, path);
		if (op->type == OP_RM && path_below(path, op->path)) {
			explicit = same && gone;
			below = false;
		} else if (same && (op->type == OP_WRITE || op->type == OP_SET_PERMS)) {
			explicit = !gone;
		} else if (same && op->type == OP_MKDIR) {
			explicit |= made && !below;
		} else if (path_below(op->path, path)) {
			below = true;
		}
	}
	return explicit;
}

/* After a commit: every node that differs has been told; more events for nodes it touched are fine. */
static void expect_commit_events(const struct mtree *before, const struct mtree *after, const struct tx *x)
{
	for (unsigned i = 0, k = 0; i < before->nr || k < after->nr;) {
		const struct mnode *a = i < before->nr ? before->n[i] : NULL, *b = k < after->nr ? after->n[k] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
		const char *path = order > 0 ? b->path : a->path;
		bool implicit;
		if (order <= 0)
			i++;
		if (order >= 0)
			k++;
		if (order == 0 && a == b)
			continue;
		/* A removed descendant tells only its own watches; an implicit parent is told by what was made below it. */
		implicit = !touched(x, path, order<0, order> 0);
		for (unsigned l = 0; !implicit && l < LINKS; l++) {
			struct client *c = &t.c[l];
			/* Only privileged clients: what guests may see of intermediate states is not worth modelling. */
			for (unsigned w = 0; c->open && !c->link.domid && w < MAX_WATCHES; w++)
				if (c->watches[w].set && path_below(path, c->watches[w].path) &&
				    !take_event(c, &c->watches[w], path))
					missed_event(x, before, after, l, path, c->watches[w].token);
		}
	}
	/* The rest must belong to what the transaction did. */
	for (unsigned i = 0; i < LINKS; i++) {
		struct client *c = &t.c[i];
		char out[4097];
		size_t len;
		if (!c->open)
			continue;
		link_ask(&c->link, XS_GET_DOMAIN_PATH, 0, "0", 2, out, &len);
		for (struct event *e = c->link.events; e; e = e->next) {
			char path[192];
			bool explained = false;
			if (e->path[0] == '/')
				strcpy(path, strcmp(e->path, "/") ? e->path : "");
			else
				snprintf(path, sizeof(path), "/local/domain/%u/%s", c->link.domid, e->path);
			for (unsigned l = 0; l < x->nr; l++)
				explained |= x->log[l].op.type > OP_GET_PERMS && path_below(path, x->log[l].op.path);
			if (!explained)
				die("client %u: a commit fired %s", i, e->path);
			t.events++;
		}
		link_forget_events(&c->link);
	}
}

/* Operations. */

static void check_answer(const struct op *op, const struct mtree *tree, const struct answer *want,
			 const struct answer *got)
{
	if (answers_equal(&t.m, op, tree, want, got))
		return;
	show("model ", op, want);
	show("daemon", op, got);
	die("after %lu operations", t.done);
}

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

/* The log of @x again on a copy of the live tree: do all answers hold? */
static bool replay(const struct tx *x, struct mtree *tree, unsigned domid)
{
	static struct answer a;
	int before = (int)tree_owned(&t.m.live, domid);
	tree_copy(tree, &t.m.live);
	for (unsigned i = 0; i < x->nr; i++) {
		const struct logged *l = &x->log[i];
		model_apply(&t.m, tree, &l->op, (int)tree_owned(&t.m.live, domid) - before, &a);
		if (!answers_equal(&t.m, &l->op, tree, &a, &l->answer))
			return false;
	}
	return true;
}

static void tx_clear(struct tx *x)
{
	for (unsigned i = 0; i < x->nr_views; i++)
		tree_free(&x->views[i].tree);
	memset(x, 0, offsetof(struct tx, log));
}

/* Does the view explain the answer? Then it is brought on by the operation. */
static bool view_explains(struct view *v, const struct logged *l)
{
	static struct answer want;
	unsigned domid = l->op.domid;
	int elsewhere = domid ? (int)tree_owned(&t.m.live, domid) - v->owned : 0;
	struct mtree fresh;
	tree_copy(&fresh, &v->tree);
	model_apply(&t.m, &fresh, &l->op, elsewhere, &want);
	if (!answers_equal(&t.m, &l->op, &fresh, &want, &l->answer)) {
		tree_free(&fresh);
		return false;
	}
	tree_free(&v->tree);
	v->tree = fresh;
	return true;
}

static void tx_op(struct client *c, struct tx *x)
{
	struct logged *l = &x->log[x->nr];
	struct view now = { 0 };
	char body[4200];
	unsigned kept = 0;
	uint32_t type;
	size_t len;
	bool holds;
	random_op(&l->op, c->link.domid);
	link_send(&c->link, wire_type(l->op.type), x->id, body, op_body(&l->op, body));
	if (!link_reply(&c->link, &type, body, &len, 5000))
		die("no answer");
	to_answer(&l->op, type, body, len, &l->answer);
	no_more_events("a request in a transaction");
	/* The daemon gives up snapshots that are very old. */
	x->old |= t.changes - x->born > 3000;
	if (x->old) {
		x->nr++;
		return;
	}
	now.owned = (int)tree_owned(&t.m.live, c->link.domid);
	holds = replay(x, &now.tree, c->link.domid);
	x->doubt |= !holds;
	if (holds)
		x->views[x->nr_views++] = now;
	else
		tree_free(&now.tree);
	for (unsigned i = 0; i < x->nr_views; i++) {
		if (view_explains(&x->views[i], l))
			x->views[kept++] = x->views[i];
		else
			tree_free(&x->views[i].tree);
	}
	x->nr_views = kept;
	x->nr++;
	if (!kept) {
		for (unsigned i = 0; i < x->nr; i++)
			show("got", &x->log[i].op, &x->log[i].answer);
		fprintf(stderr, "  domain %u owns %u nodes\n", c->link.domid, tree_owned(&t.m.live, c->link.domid));
		die("the last answer in transaction %u is of no time since its beginning, after %lu operations", x->id,
		    t.done);
	}
}

static void tx_end(struct client *c, struct tx *x)
{
	struct mtree after, before;
	char body[4200];
	size_t len;
	bool commit = chance(85), writes = false, holds;
	int err = link_ask(&c->link, XS_TRANSACTION_END, x->id, commit ? "T" : "F", 2, body, &len);
	if (!commit) {
		if (err)
			die("abort: %s", wire_error_name(err));
		no_more_events("an abort");
		tx_clear(x);
		return;
	}
	holds = replay(x, &after, c->link.domid);
	for (unsigned i = 0; i < x->nr; i++)
		writes |= x->log[i].op.type > OP_GET_PERMS;
	if (!writes && !holds) {
		/* All that was read held together once: there is no order in which this is wrong. */
		tree_free(&after);
		tree_copy(&after, &t.m.live);
		holds = true;
	}
	if (err && err != EAGAIN)
		die("commit: %s", wire_error_name(err));
	if (!err && !holds) {
		static struct answer a;
		tree_free(&after);
		tree_copy(&after, &t.m.live);
		for (unsigned i = 0; i < x->nr; i++) {
			model_apply(&t.m, &after, &x->log[i].op, 0, &a);
			show("then", &x->log[i].op, &x->log[i].answer);
			show("now ", &x->log[i].op, &a);
		}
		die("a commit although an answer has changed, after %lu operations", t.done);
	}
	/* Every answer holds: then only a reservation for one that has failed often may refuse it. */
	t.reserved += err == EAGAIN && holds && !x->old && !x->doubt;
	t.spurious += err && holds;
	t.commits += !err;
	t.conflicts += err == EAGAIN;
	if (err) {
		tree_free(&after);
		no_more_events("a failed commit");
	} else {
		t.changes += x->nr;
		before = t.m.live;
		t.m.live = after;
		expect_commit_events(&before, &after, x);
		tree_free(&before);
	}
	tx_clear(x);
}

static void transactions(struct client *c)
{
	struct tx *x = &c->tx[pick(MAX_TX)];
	char body[4200];
	size_t len;
	if (x->id && (x->nr == MAX_LOG || chance(20))) {
		tx_end(c, x);
		return;
	}
	if (x->id) {
		tx_op(c, x);
		return;
	}
	if (link_ask(&c->link, XS_TRANSACTION_START, 0, "", 1, body, &len))
		die("start: %s", body);
	x->id = (uint32_t)atoi(body);
	x->born = t.changes;
	for (unsigned i = 0; i < MAX_TX; i++)
		if (!x->id || (&c->tx[i] != x && c->tx[i].id == x->id))
			die("transaction id %u twice", x->id);
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
