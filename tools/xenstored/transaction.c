/* Transactions: a snapshot, a log of requests with hashes of their answers, and a replay at the end. */
#include "transaction_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "commit.h"
#include "conflict.h"
#include "domain.h"
#include "hash.h"
#include "journal.h"
#include "live.h"

/*
 * An old snapshot keeps alive all that has changed since. Beyond this many changes it is given up; if its owner goes on, the log
 * tells whether the same answers hold now.
 */
#define SNAPSHOT_AGE 4096
/* Times a transaction may be brought up to date because a read would see something newer, and requests it may have then. */
#define REFRESHES 8
#define REFRESH_REQUESTS 256
#define REFRESH_REQUESTS_GUEST 2
/* Records freed at once. */
#define FREED_PER_STEP 64

static struct {
	struct transaction *oldest, **newest;
	struct transaction *busy; /* a request is being served in its view */
	char replay_buf[XENSTORE_PAYLOAD_MAX];
	struct record *old_records;
	struct chore free;
	bool freeing; /* the chore waits */
} all;

static void charge(struct transaction *t, int64_t bytes)
{
	t->charged += bytes;
	quota_charge(t->c->domain, QUOTA_MEMORY, bytes);
}

void transaction_charge_pages(struct transaction *t, int64_t bytes)
{
	t->pages += bytes;
	charge(t, bytes);
}

/*
 * Snapshots and their age.
 */

void transaction_view_begin(struct transaction *t, struct node *root, uint64_t age)
{
	view_init(&t->view, root, t->c, false);
	t->has_view = true;
	t->base = live_version() - age;
	if (!all.oldest)
		all.newest = &all.oldest;
	/* Only one that was taken over is older than others here. */
	for (t->older = age ? &all.oldest : all.newest; *t->older && live_version() - (*t->older)->base >= age;)
		t->older = &(*t->older)->newer;
	t->newer = *t->older;
	*t->older = t;
	if (t->newer)
		t->newer->older = &t->newer;
	else
		all.newest = &t->newer;
}

void transaction_view_end(struct transaction *t)
{
	if (!t->has_view)
		return;
	*t->older = t->newer;
	if (t->newer)
		t->newer->older = t->older;
	else
		all.newest = t->older;
	t->has_view = false;
	view_drop(&t->view);
	transaction_charge_pages(t, -t->pages);
}

void transactions_trim(void)
{
	while (all.oldest && all.oldest != all.busy && live_version() - all.oldest->base > SNAPSHOT_AGE)
		transaction_view_end(all.oldest);
}

/*
 * The log.
 */

static uint64_t answer_hash(const struct request *r, int err)
{
	if (err)
		return hash_answer((uint64_t)err, NULL, 0);
	return hash_answer(0, r->out + r->out_skip, r->out_len - r->out_skip);
}

static bool is_read(uint32_t type)
{
	return type == XS_READ || type == XS_DIRECTORY || type == XS_DIRECTORY_PART || type == XS_GET_PERMS;
}

int transaction_record(struct transaction *t, uint32_t type, const void *body, size_t len, uint64_t answer)
{
	struct record *rec = malloc(sizeof(*rec) + len);

	if (!rec)
		return ENOMEM;
	rec->next = NULL;
	rec->answer = answer;
	rec->type = type;
	rec->len = (uint32_t)len;
	if (len)
		memcpy(rec->body, body, len);
	*t->last = rec;
	t->last = &rec->next;
	t->nr++;
	t->writes |= !is_read(type);
	charge(t, (int64_t)(sizeof(*rec) + len));
	return 0;
}

/*
 * All requests again, in @v. EAGAIN: an answer differs, *path is then what it is about (NULL: nothing). ENOMEM.
 */
static int replay_one(struct transaction *t, const struct record *rec, struct view *v, const char **path)
{
	struct request r = {
		.c = t->c, .type = rec->type, .body = rec->body, .len = rec->len, .v = v, .buf = all.replay_buf
	};
	int err = request_run(&r);

	*path = r.path;
	if (err == ENOMEM)
		return ENOMEM;
	return answer_hash(&r, err) != rec->answer ? EAGAIN : 0;
}

static int replay(struct transaction *t, struct view *v, const char **path)
{
	int err = 0;

	for (struct record *rec = t->first; rec && !err; rec = rec->next) {
		conn_work(1);
		err = replay_one(t, rec, v, path);
	}
	return err;
}

/* A view on the live tree in which the log holds. EAGAIN (with *path as replay() has it), ENOMEM. */
static int rebase(struct transaction *t, const char **path)
{
	size_t before = tree_bytes(), own;
	struct view v;
	int err;

	view_init(&v, tree_get(live_root()), t->c, false);
	err = replay(t, &v, path);
	own = tree_bytes() - before;
	if (err) {
		view_drop(&v);
		return err;
	}
	transaction_view_end(t);
	transaction_view_begin(t, v.root, 0);
	transaction_charge_pages(t, (int64_t)own);
	t->view.nodes = v.nodes;
	t->view.bytes = v.bytes;
	return 0;
}

/* An answer about @path has changed: whose change was it? */
static void charge_culprit(struct transaction *t, const char *path)
{
	size_t len;

	if (path)
		conflict_charge(t->c, tree_find_nearest(live_root(), path, &len)->generation, store_clock() - t->began,
				path);
}

int transaction_replay(struct transaction *t, const struct record *rec, struct view *v, const char **path)
{
	int err = replay_one(t, rec, v, path);

	if (err == EAGAIN)
		charge_culprit(t, *path);
	return err;
}

/* A view that was made up to date in pieces becomes its own. */
static int take_view(struct transaction *t, const char **path)
{
	struct emission *m;
	struct view v;
	uint64_t part;
	int err;

	if (!commit_take(t, REFRESH, &err, &v, &m, &part))
		return rebase(t, path);
	*path = NULL;
	if (err) {
		view_drop(&v);
		return err;
	}
	transaction_view_begin(t, v.root, 0);
	t->view.nodes = v.nodes;
	t->view.bytes = v.bytes;
	return 0;
}

/* Its view, taken at the first request, or again if it was given up. */
static int need_view(struct transaction *t)
{
	const char *path = NULL;
	int err;

	if (t->has_view)
		return 0;
	if (!commit_ready(t, REFRESH))
		return EINPROGRESS;
	err = t->doomed ? EAGAIN : take_view(t, &path);
	if (err != EAGAIN)
		return err;
	if (!t->doomed)
		charge_culprit(t, path);
	/* Nothing it does from here on counts; it is answered all the same. */
	t->doomed = true;
	transaction_view_begin(t, tree_get(live_root()), 0);
	return 0;
}

/* Run @r in the transaction's view; its own pages are the client's to pay. */
static int run(struct transaction *t, struct request *r)
{
	size_t before = tree_bytes();
	int err;

	r->v = &t->view;
	all.busy = t;
	err = request_run(r);
	all.busy = NULL;
	transaction_charge_pages(t, (int64_t)(tree_bytes() - before));
	return err;
}

/*
 * A read in a view that is no longer the newest: if the live tree has another answer, and all earlier ones still hold
 * there, the transaction goes on from there instead of failing at its end.
 */
static int read_fresh(struct transaction *t, struct request *r, int err)
{
	uint64_t stale = answer_hash(r, err);
	const char *path;
	struct view now;

	view_init(&now, live_root(), t->c, false);
	r->v = &now;
	if (answer_hash(r, request_run(r)) != stale) {
		t->refreshes++;
		if (rebase(t, &path) == ENOMEM)
			return ENOMEM;
	}
	return run(t, r);
}

int transaction_serve(struct transaction *t, struct request *r)
{
	struct domain *d = t->c->domain;
	int err;

	if (!t->doomed && !t->failed &&
	    (quota_too_big(d, QUOTA_TRANSACTION_NODES, t->nr + 1u) ||
	     quota_exceeded(d, QUOTA_MEMORY, (int64_t)(sizeof(struct record) + r->len)))) {
		t->failed = true;
		return ENOSPC;
	}
	err = need_view(t);
	if (err == EINPROGRESS)
		return err;
	if (!err)
		err = run(t, r);
	if (is_read(r->type) && err != ENOMEM && !t->doomed && t->base != live_version() && t->refreshes < REFRESHES &&
	    t->nr < (conn_privileged(t->c) ? REFRESH_REQUESTS : REFRESH_REQUESTS_GUEST))
		err = read_fresh(t, r, err);
	if (t->doomed)
		return err;
	if (err == ENOMEM || transaction_record(t, r->type, r->body, r->len, answer_hash(r, err))) {
		t->failed = true;
		return ENOMEM;
	}
	return err;
}

/*
 * Beginning and end.
 */

struct transaction *transaction_find(struct conn *c, uint32_t id)
{
	struct transaction *t;

	for (t = c->transactions; t; t = t->next)
		if (t->id == id)
			return t;
	return NULL;
}

uint32_t transaction_any(const struct conn *c)
{
	return c->transactions ? c->transactions->id : 0;
}

static int transaction_new(struct conn *c, uint32_t id)
{
	struct transaction *t = calloc(1, sizeof(*t));

	if (!t)
		return ENOMEM;
	t->c = c;
	t->id = id;
	t->began = store_clock();
	t->last = &t->first;
	t->next = c->transactions;
	c->transactions = t;
	c->nr_transactions++;
	quota_charge(c->domain, QUOTA_TRANSACTIONS, 1);
	charge(t, sizeof(*t));
	return 0;
}

int transaction_start(struct conn *c, uint32_t *id)
{
	if (quota_exceeded(c->domain, QUOTA_TRANSACTIONS, 1))
		return ENOSPC;
	do
		c->next_tx++;
	while (!c->next_tx || transaction_find(c, c->next_tx));
	*id = c->next_tx;
	return transaction_new(c, *id);
}

/* Out of its connection's list: nothing that happens from here on can find it. */
static void transaction_unlink(struct transaction *t)
{
	struct transaction **at;

	for (at = &t->c->transactions; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	t->c->nr_transactions--;
}

/* Some of the logs that nobody needs any more. True: none is left. */
static bool free_records(struct chore *c)
{
	struct record *rec;

	for (unsigned i = 0; i < FREED_PER_STEP && (rec = all.old_records); i++) {
		all.old_records = rec->next;
		free(rec);
	}
	all.freeing = all.old_records;
	return !all.freeing;
}

static void transaction_free(struct transaction *t)
{
	commit_forget(t);
	quota_charge(t->c->domain, QUOTA_TRANSACTIONS, -1);
	transaction_view_end(t);
	charge(t, -t->charged);
	*t->last = all.old_records;
	all.old_records = t->first;
	if (!all.freeing && (t->nr > FREED_PER_STEP || !free_records(NULL))) {
		all.freeing = true;
		all.free.step = free_records;
		chores_add(&all.free);
	}
	free(t);
}

/* The result of what was replayed in pieces. */
static int commit_result(struct transaction *t, int err, struct view *v, struct emission *m, uint64_t part)
{
	if (!err && conflict_reserved(t->c, v))
		err = EAGAIN;
	if (!err)
		conflict_success(t->c);
	if (!err && v->root != live_root()) {
		journal_parts(part);
		live_install(tree_get(v->root));
		emission_begin(m, v);
	} else {
		view_drop(v);
		emission_free(m);
	}
	return err;
}

bool transaction_ready(struct transaction *t)
{
	return !t->writes || commit_ready(t, COMMIT);
}

static int commit(struct transaction *t)
{
	struct conn *c = t->c;
	struct emission *m;
	const char *path = NULL;
	struct view v;
	uint64_t part;
	int err;

	if (t->failed)
		return ENOMEM;
	if (t->doomed)
		return EAGAIN;
	/* What was only read was all true at one time between beginning and end. */
	if (!t->writes) {
		conflict_success(c);
		return 0;
	}
	if (commit_take(t, COMMIT, &err, &v, &m, &part))
		return commit_result(t, err, &v, m, part);
	/* Its snapshot goes first: what only that shares with the live tree need not be copied. */
	transaction_view_end(t);
	view_init(&v, tree_get(live_root()), c, true);
	err = replay(t, &v, &path);
	if (!err && conflict_reserved(c, &v))
		err = EAGAIN;
	if (err) {
		view_drop(&v);
		if (err == EAGAIN)
			charge_culprit(t, path);
		return err;
	}
	conflict_success(c);
	if (v.root != live_root()) {
		commit_note(&v);
		live_install(tree_get(v.root));
		view_emit(&v);
	}
	view_drop(&v);
	return 0;
}

int transaction_end(struct conn *c, uint32_t id, bool wanted)
{
	struct transaction *t = transaction_find(c, id);
	int err;

	if (!t)
		return ENOENT;
	transaction_unlink(t);
	err = wanted ? commit(t) : 0;
	transaction_free(t);
	return err;
}

void transaction_drop_all(struct conn *c)
{
	struct transaction *t;

	while ((t = c->transactions)) {
		transaction_unlink(t);
		transaction_free(t);
	}
}

int transaction_restore(struct conn *c, uint32_t id, bool doomed)
{
	struct transaction *t = transaction_find(c, id);
	int err;

	if (!id)
		return EINVAL;
	err = t ? 0 : transaction_new(c, id);
	if (err)
		return err;
	t = transaction_find(c, id);
	t->doomed |= doomed;
	if (c->next_tx < id)
		c->next_tx = id;
	return 0;
}
