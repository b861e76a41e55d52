/* Transactions: each answer must be of some time since its beginning, and a commit of now. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

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

void tx_clear(struct tx *x)
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

void transactions(struct client *c)
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
