/* Transactions: what is refused, what commutes, what is seen by whom and when, and that everybody gets through. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/live.h"

static void test_ids_and_errors(void **state)
{
	struct conn *c = client(0), *d = client(0);
	uint32_t t, u;

	assert_int_equal(start(c), 1);
	assert_int_equal(start(d), 1); /* per connection */
	t = start(c);
	assert_int_equal(t, 2);
	assert_int_equal(ask(c, t, XS_TRANSACTION_START, "", 1), EBUSY);
	assert_int_equal(ask(c, 99, XS_TRANSACTION_START, "", 1), ENOENT);
	assert_int_equal(end(c, 0, true), ENOENT);
	assert_int_equal(end(c, 99, true), ENOENT);
	assert_int_equal(get(c, 99, "/tool"), ENOENT);
	assert_int_equal(put(d, 2, "/a", ""), ENOENT);
	assert_int_equal(put(c, t, "/a", "1"), 0);
	assert_int_equal(ask(c, t, XS_TRANSACTION_END, "X", 2), EINVAL);
	assert_int_equal(ask(c, t, XS_TRANSACTION_END, "T", 1), EINVAL);
	assert_int_equal(ask(c, t, XS_TRANSACTION_END, "", 0), EINVAL);
	assert_int_equal(ask(c, t, XS_TRANSACTION_END, "T\0x", 4), EINVAL);
	assert_int_equal(end(c, t, true), 0);
	assert_get(c, 0, "/a", "1");
	assert_int_equal(end(c, t, true), ENOENT);
	/* Ids in use are left out when the counter comes around, and so is 0. */
	c->next_tx = UINT32_MAX - 1;
	u = start(c);
	assert_int_equal(u, UINT32_MAX);
	assert_int_equal(start(c), 2);
	assert_int_equal(end(c, 1, false), 0);
	assert_int_equal(end(c, 2, false), 0);
	assert_int_equal(end(c, u, false), 0);
	assert_int_equal(c->nr_transactions, 0);
	/* The id of other requests is ignored. */
	t = start(c);
	assert_int_equal(ask_words(c, t, XS_WATCH, "/a t"), 0);
	assert_int_equal(ask_words(c, 77, XS_UNWATCH, "/a t"), 0);
}

static void test_isolation(void **state)
{
	struct conn *c = client(0), *d = client(0);
	uint32_t t, u;

	put(c, 0, "/a", "old");
	watch(d, "/", "w");
	t = start(c);
	assert_int_equal(put(c, t, "/a", "new"), 0);
	assert_int_equal(put(c, t, "/b/c", "new"), 0);
	assert_get(c, t, "/a", "new");
	assert_get(c, 0, "/a", "old");
	assert_get(d, 0, "/a", "old");
	assert_int_equal(get(d, 0, "/b"), ENOENT);
	u = start(d);
	assert_get(d, u, "/a", "old");
	no_events(d);
	assert_int_equal(end(c, t, false), 0);
	assert_get(d, 0, "/a", "old");
	no_events(d);
	t = start(c);
	put(c, t, "/a", "new");
	assert_int_equal(rm(c, t, "/a"), 0);
	assert_int_equal(get(c, t, "/a"), ENOENT);
	assert_int_equal(end(c, t, true), 0);
	assert_int_equal(get(d, 0, "/a"), ENOENT);
	assert_string_equal(events(d), "/a w");
	/* The other's snapshot is still what it was. */
	assert_int_equal(end(d, u, true), 0);
}

/*
 * The table of cases: what one transaction does, what another client does in between, what the first does then, and
 * whether it may commit. "R path", "W path=value", "L path", "P path" (get), "S path=perms" (set), "D path" (rm), several by ';'.
 */
struct rivalry {
	const char *name, *before, *other, *after;
	int result;
};

static int step(struct conn *c, uint32_t tx, const char *what)
{
	char path[64];
	const char *value = strchr(what, '=');

	snprintf(path, sizeof(path), "%.*s", value ? (int)(value - what - 2) : (int)strlen(what + 2), what + 2);
	switch (*what) {
	case 'R':
		return get(c, tx, path);
	case 'W':
		return put(c, tx, path, value + 1);
	case 'L':
		return ls(c, tx, path);
	case 'P':
		return get_perms(c, tx, path);
	case 'S':
		return set_perms(c, tx, path, value + 1);
	case 'D':
		return rm(c, tx, path);
	}
	abort();
}

static void steps(struct conn *c, uint32_t tx, const char *list)
{
	char copy[256], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", list);
	for (char *s = strtok_r(copy, ";", &save); s; s = strtok_r(NULL, ";", &save))
		step(c, tx, s);
}

static const struct rivalry rivalries[] = {
	{ "read, changed, write", "R /A", "W /A=2", "W /B=1", EAGAIN },
	{ "read, same value written, write", "R /A", "W /A=1", "W /B=1", 0 },
	{ "blind writes of one node", "W /A=x", "W /A=y", "", 0 },
	{ "only reads", "R /A", "W /A=2", "", 0 },
	{ "only reads, before and after", "R /A", "W /A=2;W /K=2", "R /K", 0 },
	{ "siblings created", "W /d/x=1", "W /d/y=1", "", 0 },
	{ "sibling created beside a written one", "W /d/k=2", "W /d/y=1", "", 0 },
	{ "list, value of a child changed", "L /d", "W /d/k=2", "W /B=1", 0 },
	{ "list, child created", "L /d", "W /d/y=1", "W /B=1", EAGAIN },
	{ "list, child removed", "L /d", "D /d/k", "W /B=1", EAGAIN },
	{ "missing, created", "R /m", "W /m=1", "W /B=1", EAGAIN },
	{ "missing, made unreadable", "R /m", "S /A=n0", "W /B=1", 0 },
	{ "nothing yet, changed, then read", "", "W /A=2", "R /A;W /B=1", 0 },
	{ "other read, changed, then read", "R /K", "W /A=2", "R /A;W /B=1", 0 },
	{ "read twice, changed in between", "R /A", "W /A=2", "R /A;W /B=1", EAGAIN },
	{ "read, own write, changed", "R /A;W /A=9", "W /A=2", "R /A", EAGAIN },
	{ "removed, child created in it", "D /d", "W /d/q=1", "", 0 },
	{ "removed, removed", "D /d/k", "D /d", "", EAGAIN },
	{ "permissions read, set", "P /A", "S /A=r0", "W /B=1", EAGAIN },
	{ "value read, permissions set", "R /A", "S /A=r0", "W /B=1", 0 },
	{ "there and back", "R /A;L /d", "W /d/y=1;W /A=2;W /A=1;D /d/y", "W /B=1", 0 },
	{ "write skew", "R /A;W /K=3", "W /A=5", "", EAGAIN },
};

static void test_rivalries(void **state)
{
	struct conn *c = client(0), *d = client(0);

	for (size_t i = 0; i < sizeof(rivalries) / sizeof(rivalries[0]); i++) {
		const struct rivalry *r = &rivalries[i];
		uint32_t t;
		int err;

		steps(c, 0, "D /A;D /B;D /K;D /d;D /m;W /A=1;W /K=1;W /d/k=1");
		t = start(c);
		steps(c, t, r->before);
		steps(d, 0, r->other);
		steps(c, t, r->after);
		err = end(c, t, true);
		if (err != r->result)
			fail_msg("%s: %d instead of %d", r->name, err, r->result);
		/* The same by a transaction, and the retry alone succeeds. */
		t = start(c);
		steps(c, t, r->before);
		steps(c, t, r->after);
		assert_int_equal(end(c, t, true), 0);
	}
}

static void test_sees_newest(void **state)
{
	struct conn *c = client(0), *d = client(0);
	uint32_t t;

	put(c, 0, "/A", "1");
	put(c, 0, "/K", "1");
	t = start(c);
	put(d, 0, "/A", "2");
	assert_get(c, t, "/A", "2");
	put(d, 0, "/K", "2");
	assert_get(c, t, "/K", "2"); /* all read before still holds */
	put(d, 0, "/A", "3");
	put(d, 0, "/K", "3");
	assert_get(c, t, "/A", "2"); /* now it cannot: as it was */
	assert_get(c, t, "/K", "2");
	put(c, t, "/B", "");
	assert_int_equal(end(c, t, true), EAGAIN);
	assert_int_equal(get(c, 0, "/B"), ENOENT);
}

static void test_two_own(void **state)
{
	struct conn *c = client(0);
	uint32_t t = start(c), u = start(c);

	put(c, t, "/A", "1");
	put(c, u, "/A", "2");
	assert_int_equal(end(c, t, true), 0);
	assert_int_equal(end(c, u, true), 0);
	assert_get(c, 0, "/A", "2");
}

static void test_parallel_creations(void **state)
{
	struct conn *c[32];
	uint32_t t[32];
	char path[64];

	for (int i = 0; i < 32; i++) {
		c[i] = client(0);
		t[i] = start(c[i]);
		for (int j = 0; j < 40; j++) {
			snprintf(path, sizeof(path), "/local/domain/%d/device/vif/%d", i + 10, j);
			assert_int_equal(put(c[i], t[i], path, "x"), 0);
			snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%d/%d", i + 10, j);
			assert_int_equal(put(c[i], t[i], path, "x"), 0);
		}
	}
	for (int i = 0; i < 32; i++)
		assert_int_equal(end(c[i], t[i], true), 0);
	assert_int_equal(ls(c[0], 0, "/local/domain/0/backend/vif"), 0);
}

/* What went with its parent and is named again later has gone with its parent: those who watch above are told of that. */
static void test_events_of_removed_twice(void **state)
{
	struct conn *c = client(0), *w = client(0);
	uint32_t t;

	put(c, 0, "/pub/a/b", "");
	watch(w, "/pub", "p");
	watch(w, "/pub/a", "a");
	watch(w, "/pub/a/b", "b");
	t = start(c);
	assert_int_equal(rm(c, t, "/pub/a"), 0);
	assert_int_equal(put(c, t, "/pub/a/a", ""), 0);
	assert_int_equal(rm(c, t, "/pub/a/b"), 0);
	assert_int_equal(end(c, t, true), 0);
	assert_string_equal(events(w), "/pub/a/b b, /pub/a p, /pub/a a, /pub/a/a p, /pub/a/a a");
}

static void test_events_of_commit(void **state)
{
	struct conn *c = client(0), *d = client(0);
	uint32_t t;

	put(c, 0, "/r/a/b", "");
	put(c, 0, "/r/c", "");
	watch(d, "/", "w");
	watch(d, "/r/a/b", "deep");
	watch(c, "/x", "own");
	t = start(c);
	put(c, t, "/x/y", "1");
	put(c, t, "/x/y", "2");
	put(c, t, "/r/c", "1");
	set_perms(c, t, "/r/c", "r0");
	rm(c, t, "/r/a");
	put(c, t, "/z", "");
	no_events(d);
	assert_int_equal(end(c, t, true), 0);
	/* One for each node, in order of first change; inside a removed one only where it is watched. */
	assert_string_equal(events(d), "/x/y w, /r/c w, /r/a/b deep, /r/a w, /z w");
	/* The client's own comes before the answer. */
	assert_int_equal(c->io->messages[c->io->nr - 1].type, XS_TRANSACTION_END);
	assert_int_equal(c->io->messages[c->io->nr - 2].type, XS_WATCH_EVENT);
	assert_string_equal(events(c), "/x/y own");
	/* Removed and made again: no trace of what was below. */
	put(c, 0, "/r/a/b/c", "");
	events(d);
	t = start(c);
	put(c, t, "/r/a/b", "v");
	rm(c, t, "/r/a");
	put(c, t, "/r/a/b", "w");
	assert_int_equal(ls(c, t, "/r/a/b"), 0);
	assert_string_equal(reply, "");
	assert_int_equal(end(c, t, true), 0);
	assert_int_equal(get(c, 0, "/r/a/b/c"), ENOENT);
	assert_get(c, 0, "/r/a/b", "w");
}

static void test_create_and_delete_inside(void **state)
{
	struct conn *c = client(0), *g = client(1);
	uint32_t t;

	put(c, 0, "/g", "");
	set_perms(c, 0, "/g", "n1");
	t = start(g);
	assert_int_equal(put(g, t, "/g/x/y/z", ""), 0);
	assert_int_equal(rm(g, t, "/g/x"), 0);
	assert_int_equal(end(g, t, true), 0);
	assert_int_equal(get(g, 0, "/g/x"), ENOENT);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1);
	t = start(g);
	assert_int_equal(rm(g, t, "/g"), 0);
	assert_int_equal(put(g, t, "/g", ""), EACCES);
	assert_int_equal(end(g, t, true), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 0);
}

static void test_failed_operation(void **state)
{
	struct conn *g = client(1), *c = client(0);
	uint32_t t;

	put(c, 0, "/g", "");
	set_perms(c, 0, "/g", "n1");
	t = start(g);
	assert_int_equal(put(g, t, "/no", ""), EACCES);
	assert_int_equal(get(g, t, "/g/none"), ENOENT);
	assert_int_equal(put(g, t, "/g/a..", ""), EINVAL);
	assert_int_equal(put(g, t, "/g/a", "1"), 0);
	assert_int_equal(end(g, t, true), 0);
	assert_get(c, 0, "/g/a", "1");
	/* A refusal that would no longer come is a changed answer. */
	t = start(g);
	assert_int_equal(get(g, t, "/tool"), EACCES);
	set_perms(c, 0, "/tool", "r0");
	assert_int_equal(put(g, t, "/g/a", "2"), 0);
	assert_int_equal(end(g, t, true), EAGAIN);
}

static void test_quota_in_transaction(void **state)
{
	struct conn *g = client(1), *c = client(0);
	uint32_t t;
	char path[32];

	put(c, 0, "/g", "");
	set_perms(c, 0, "/g", "n1");
	ask_words(c, 0, XS_SET_QUOTA, "1 nodes 10");
	/* Only what is gained in all counts, and only at the end. */
	t = start(g);
	for (int i = 0; i < 9; i++) {
		snprintf(path, sizeof(path), "/g/%d", i);
		assert_int_equal(put(g, t, path, ""), 0);
	}
	assert_int_equal(put(g, t, "/g/more", ""), ENOSPC);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1);
	assert_int_equal(rm(g, t, "/g/3"), 0);
	assert_int_equal(put(g, t, "/g/more", ""), 0);
	assert_int_equal(end(g, t, true), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 10);
	/* Full: exchange is possible. */
	t = start(g);
	rm(g, t, "/g/more");
	assert_int_equal(put(g, t, "/g/other", ""), 0);
	assert_int_equal(end(g, t, true), 0);
	/* Two that fit alone do not fit together. */
	rm(g, 0, "/g/other");
	t = start(g);
	assert_int_equal(put(g, t, "/g/one", ""), 0);
	assert_int_equal(put(g, 0, "/g/two", ""), 0);
	assert_int_equal(end(g, t, true), EAGAIN);
	/* Too many requests in one: it cannot commit. */
	ask_words(c, 0, XS_SET_QUOTA, "1 transaction-nodes 20");
	t = start(g);
	for (int i = 0; i < 20; i++)
		assert_int_equal(put(g, t, "/g/0", ""), 0);
	assert_int_equal(put(g, t, "/g/0", ""), ENOSPC);
	assert_int_equal(end(g, t, true), ENOMEM);
	/* Nobody else has that limit. */
	t = start(c);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(put(c, t, "/g/0", ""), 0);
	assert_int_equal(end(c, t, true), 0);
}

static void test_number_open(void **state)
{
	struct conn *g = client(1), *c = client(0);

	for (int i = 0; i < 10; i++)
		start(g);
	assert_int_equal(ask(g, 0, XS_TRANSACTION_START, "", 1), ENOSPC);
	assert_int_equal(end(g, 3, false), 0);
	start(g);
	for (int i = 0; i < 100; i++)
		start(c);
	client_close(g);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_TRANSACTIONS], 0);
}

/* A snapshot is not kept for ever: thousands of changes later the log decides. */
static void test_old_snapshot(void **state)
{
	struct conn *c = client(0), *d = client(0);
	uint32_t t, u;
	size_t before;
	char path[32];

	put(c, 0, "/A", "1");
	put(c, 0, "/K", "1");
	t = start(c);
	u = start(c);
	assert_get(c, t, "/A", "1");
	put(c, t, "/own", "x");
	assert_get(c, u, "/K", "1");
	before = tree_bytes();
	for (int round = 0; round < 100; round++)
		for (int i = 0; i < 100; i++) {
			snprintf(path, sizeof(path), "/churn/%d/%d", i % 7, i);
			put(d, 0, path, round % 2 ? "1" : "2");
		}
	assert_true(tree_bytes() < before + 30000);
	put(d, 0, "/K", "2");
	assert_get(c, t, "/own", "x");
	assert_get(c, t, "/churn/0/0", "1");
	assert_int_equal(end(c, t, true), 0);
	assert_get(c, 0, "/own", "x");
	assert_get(c, u, "/K", "2"); /* answered, but it will not commit */
	put(c, u, "/own", "y");
	assert_int_equal(end(c, u, true), EAGAIN);
	assert_get(c, 0, "/own", "x");
}

/* What makes a snapshot too old may happen in the middle of a request on it: here a domain is heard of. */
static void test_old_in_the_middle(void **state)
{
	struct conn *c = client(0), *d = client(0);
	uint64_t base;
	uint32_t t;

	put(c, 0, "/A", "1");
	domain_make(50);
	t = start(c);
	assert_get(c, t, "/A", "1");
	base = live_version();
	while (live_version() - base < 4096)
		put(d, 0, "/B", "1");
	assert_int_equal(set_perms(c, t, "/A", "n50"), 0);
	assert_get(c, t, "/A", "1");
	assert_int_equal(end(c, t, true), 0);
	assert_int_equal(domain_find(50)->quota.use[QUOTA_NODES], 1);
}

static void test_own_domain_dies(void **state)
{
	struct conn *c = client(0);
	uint32_t t;

	client(1);
	t = start(c);
	put(c, t, "/d/frontend", "");
	assert_int_equal(set_perms(c, t, "/d/frontend", "n1"), 0);
	domain_kill(1);
	assert_int_equal(end(c, t, true), EAGAIN);
	client(1);
	t = start(c);
	put(c, t, "/d/frontend", "");
	assert_int_equal(set_perms(c, t, "/d/frontend", "n1"), 0);
	domain_kill(1);
	client(1);
	/* The next one with the id: granted to it at the commit, as if asked now. */
	assert_int_equal(end(c, t, true), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1);
}

static void test_directory_part_inside(void **state)
{
	struct conn *c = client(0);
	uint32_t t;

	put(c, 0, "/d/a", "");
	t = start(c);
	put(c, t, "/d/b", "");
	assert_int_equal(ask_words(c, t, XS_DIRECTORY_PART, "/d 0"), 0);
	assert_int_equal(end(c, t, true), 0);
}

/* Told of its own commit, a client may vanish at that very moment. */
static void test_closed_by_own_commit(void **state)
{
	struct conn *c = client(0), *d = client(0);
	uint32_t t;

	watch(c, "/a", "t");
	start(c);
	t = start(c);
	put(c, t, "/a", "1");
	put(c, t, "/b", "1");
	c->io->close_after = 1;
	assert_int_equal(end(c, t, true), EIO);
	assert_int_equal(c->nr_transactions, 0);
	assert_get(d, 0, "/b", "1");
}

/*
 * Getting through.
 */

/* A client that increments a counter by transactions: one request a call. Ends in success sometime, or EAGAIN and again. */
struct loop {
	struct conn *c;
	const char *path;
	unsigned extra; /* reads between, to be slow */
	unsigned at, value, done, failed;
	uint32_t tx;
};

static void loop_step(struct loop *l)
{
	char text[16];

	if (conn_stalled(l->c))
		return;
	if (!l->at) {
		l->tx = start(l->c);
	} else if (l->at == 1) {
		assert_int_equal(get(l->c, l->tx, l->path), 0);
		l->value = (unsigned)strtoul(reply, NULL, 10);
	} else if (l->at < 2 + l->extra) {
		ls(l->c, l->tx, l->path);
	} else if (l->at == 2 + l->extra) {
		snprintf(text, sizeof(text), "%u", l->value + 1);
		assert_int_equal(put(l->c, l->tx, l->path, text), 0);
	} else {
		int err = end(l->c, l->tx, true);

		assert_true(!err || err == EAGAIN);
		l->done += !err;
		l->failed += err == EAGAIN;
		l->at = 0;
		return;
	}
	l->at++;
}

static void shared_counter(struct conn *c, const char *perms)
{
	put(c, 0, "/n", "0");
	assert_int_equal(set_perms(c, 0, "/n", perms), 0);
}

/* Many with the same interest: always one of them gets on, and in time all. */
static void test_counters(void **state)
{
	struct loop loops[8] = { 0 };
	unsigned done = 0;
	char text[16];

	for (int i = 0; i < 8; i++)
		loops[i] = (struct loop){ .c = client(0), .path = "/n", .extra = (unsigned)i };
	shared_counter(loops[0].c, "n0");
	for (int ms = 0; ms < 20000; ms++, fake_now += ms % 2)
		for (int i = 0; i < 8; i++)
			loop_step(&loops[i]);
	for (int i = 0; i < 8; i++) {
		assert_true(loops[i].done >= 10);
		done += loops[i].done;
	}
	snprintf(text, sizeof(text), "%u", done);
	assert_get(loops[0].c, 0, "/n", text);
}

/* A slow one among many quick ones that all want the same. */
static void test_slow_among_quick(void **state)
{
	struct loop loops[32] = { 0 };

	for (int i = 0; i < 32; i++)
		loops[i] = (struct loop){ .c = client(0), .path = "/n", .extra = i ? 0 : 40 };
	shared_counter(loops[0].c, "n0");
	for (int ms = 0; ms < 60000; ms++, fake_now++)
		for (int i = 0; i < 32; i++)
			loop_step(&loops[i]);
	for (int i = 0; i < 32; i++)
		assert_true(loops[i].done >= 20);
}

/* A change is charged once, however many it makes fail: ten transactions of one guest do not stop its backend. */
static void test_many_victims_of_one_change(void **state)
{
	struct conn *c = client(0), *back = client(1), *front = client(2);
	uint32_t t[10];

	put(c, 0, "/state", "1");
	put(c, 0, "/f", "1");
	set_perms(c, 0, "/state", "n1 r2");
	set_perms(c, 0, "/f", "n2");
	for (int round = 0; round < 100; round++, fake_now += 100) {
		for (int i = 0; i < 10; i++) {
			t[i] = start(front);
			assert_int_equal(get(front, t[i], "/state"), 0);
			put(front, t[i], "/f", "2");
		}
		assert_true(conn_stalled(back) <= 100);
		put(back, 0, "/state", round % 2 ? "1" : "2");
		for (int i = 0; i < 10; i++)
			assert_int_equal(end(front, t[i], true), EAGAIN);
	}
}

/* One against another that writes what it reads, always at the worst time. */
static void against_writer(uint32_t victim, uint32_t writer, unsigned least)
{
	struct conn *c = client(0), *w = client(writer);
	struct loop l = { .c = client(victim), .path = "/n", .extra = 6 };
	unsigned writes = 0;
	char text[16];

	shared_counter(c, victim && writer ? "n0 b1 b2" : "n0 b1");
	for (int ms = 0; ms < 20000; ms++, fake_now++) {
		loop_step(&l);
		if (conn_stalled(w))
			continue;
		snprintf(text, sizeof(text), "%u", ++writes);
		assert_int_equal(put(w, 0, "/n", text), 0);
	}
	assert_true(l.done >= least);
	/* The other is slowed down, not locked out. */
	assert_true(writes > 200);
}

static void test_guest_writer_against_control(void **state)
{
	against_writer(0, 1, 100);
}

static void test_guest_writer_against_guest(void **state)
{
	against_writer(1, 2, 100);
}

static void test_control_writer_against_control(void **state)
{
	against_writer(0, 0, 100);
}

static void test_control_writer_against_guest(void **state)
{
	struct conn *w = client(0);
	struct loop l = { .c = client(1), .path = "/n", .extra = 0 };
	unsigned writes = 0;

	shared_counter(w, "n0 b1");
	for (int ms = 0; ms < 20000; ms++, fake_now += ms % 4 == 3) {
		loop_step(&l);
		if (conn_stalled(w))
			continue;
		writes++;
		put(w, 0, "/n", writes % 2 ? "1" : "2");
	}
	assert_true(l.done >= 20);
	/* A guest cannot hold the control domain up for more than a tenth of its time. */
	assert_true(writes > 20000 * 8 / 10);
}

/* What a guest does to itself harms nobody. */
static void test_own_conflicts(void **state)
{
	struct conn *c = client(0), *g = client(1);

	shared_counter(c, "n0 b1");
	for (int i = 0; i < 100; i++) {
		uint32_t t = start(g);

		get(g, t, "/n");
		put(g, 0, "/n", i % 2 ? "1" : "2");
		put(g, t, "/n", "3");
		assert_int_equal(end(g, t, true), EAGAIN);
	}
	assert_int_equal(conn_stalled(g), 0);
	assert_int_equal(conn_stalled(c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_ids_and_errors),
		WORLD_TEST(test_isolation),
		WORLD_TEST(test_rivalries),
		WORLD_TEST(test_sees_newest),
		WORLD_TEST(test_two_own),
		WORLD_TEST(test_parallel_creations),
		WORLD_TEST(test_events_of_commit),
		WORLD_TEST(test_events_of_removed_twice),
		WORLD_TEST(test_create_and_delete_inside),
		WORLD_TEST(test_failed_operation),
		WORLD_TEST(test_quota_in_transaction),
		WORLD_TEST(test_number_open),
		WORLD_TEST(test_old_snapshot),
		WORLD_TEST(test_old_in_the_middle),
		WORLD_TEST(test_own_domain_dies),
		WORLD_TEST(test_directory_part_inside),
		WORLD_TEST(test_closed_by_own_commit),
		WORLD_TEST(test_counters),
		WORLD_TEST(test_slow_among_quick),
		WORLD_TEST(test_many_victims_of_one_change),
		WORLD_TEST(test_guest_writer_against_control),
		WORLD_TEST(test_guest_writer_against_guest),
		WORLD_TEST(test_control_writer_against_control),
		WORLD_TEST(test_control_writer_against_guest),
		WORLD_TEST(test_own_conflicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
