/* Everything at once at random: guests, transactions, watches, deaths, refusals and failing allocations. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xenstored/control.h"
#include "tools/xenstored/domain.h"
#include "tools/xenstored/hash.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/store.h"

#define CLIENTS 6

static struct {
	struct conn *c[CLIENTS];
	uint32_t tx[CLIENTS][3];
	unsigned seed, refused, committed, again;
} storm;

static unsigned dice(unsigned sides)
{
	return (unsigned)rand_r(&storm.seed) % sides;
}

/* All names, values and permissions in one number. */
static uint64_t picture(void)
{
	struct store_walk *w = store_walk_open();
	struct store_node n;
	uint64_t h = 0;

	while (store_walk_next(w, &n)) {
		h = hash_bytes(h, n.path, strlen(n.path));
		h = hash_bytes(h, n.value, n.len);
		for (unsigned i = 0; i < n.nr_perms; i++)
			h = hash_bytes(h, &n.perms[i].id, sizeof(n.perms[i].id)) + n.perms[i].access;
	}
	store_walk_close(w);
	return h;
}

static int64_t uses(void)
{
	int64_t sum = 0;

	for (const struct domain *d = domain_first(); d; d = d->next)
		for (enum quota_type t = QUOTA_NODES; t <= QUOTA_WATCHES; t++)
			sum = sum * 31 + d->quota.use[t];
	return sum;
}

static void random_path(char *buf)
{
	unsigned depth = 1 + dice(4);

	strcpy(buf, "/t");
	for (unsigned i = 0; i < depth; i++)
		sprintf(buf + strlen(buf), "/%c", 'a' + (char)dice(3));
}

static void random_perms(char *buf)
{
	unsigned nr = 1 + dice(4);

	*buf = '\0';
	for (unsigned i = 0; i < nr; i++)
		sprintf(buf + strlen(buf), "%s%c%u", i ? " " : "", "nrwb"[dice(4)], dice(6));
}

static void come(unsigned i)
{
	char path[16], perms[16];

	storm.c[i] = client(i < 2 ? 0 : i);
	memset(storm.tx[i], 0, sizeof(storm.tx[i]));
	if (i < 2)
		return;
	sprintf(path, "/t/%c", 'a' + (char)(i % 3));
	sprintf(perms, "b%u b%u", i, 2 + dice(4));
	put(storm.c[0], 0, path, "home");
	set_perms(storm.c[0], 0, path, perms);
}

static int one(unsigned i, uint32_t tx)
{
	struct conn *c = storm.c[i];
	char path[64], words[128];

	random_path(path);
	switch (dice(12)) {
	case 0:
	case 1:
	case 2:
		sprintf(words, "%.*s", (int)dice(20), "abcdefghijklmnopqrstuvwxyz");
		return put(c, tx, path, words);
	case 3:
		return make_dir(c, tx, path);
	case 4:
		return rm(c, tx, path);
	case 5:
		return ls(c, tx, path);
	case 6:
		return get_perms(c, tx, path);
	case 7:
		random_perms(words);
		return set_perms(c, tx, path, words);
	case 8:
		sprintf(words, "%s %u", path, dice(3));
		return ask_words(c, 0, dice(2) ? XS_WATCH : XS_UNWATCH, words);
	case 9:
		sprintf(words, "%s %u", path, dice(10));
		return ask_words(c, tx, XS_DIRECTORY_PART, words);
	default:
		return get(c, tx, path);
	}
}

static void transactions(unsigned i)
{
	uint32_t *tx = &storm.tx[i][dice(3)];
	int err;

	if (!*tx) {
		*tx = start(storm.c[i]);
	} else {
		if (!dice(3))
			fail_allocation((int)dice(10));
		err = end(storm.c[i], *tx, dice(4));
		fail_allocation(-1);
		assert_true(!err || err == EAGAIN || err == ENOMEM);
		storm.committed += !err;
		storm.again += err == EAGAIN;
		*tx = 0;
	}
}

static void test_storm(void **state)
{
	storm.seed = 20240607;
	for (unsigned i = 0; i < CLIENTS; i++)
		come(i);
	assert_int_equal(ask_words(storm.c[0], 0, XS_SET_QUOTA, "nodes 30"), 0);
	assert_int_equal(ask_words(storm.c[0], 0, XS_SET_QUOTA, "watches 20"), 0);
	for (int round = 0; round < 40000; round++) {
		unsigned i = dice(CLIENTS);
		uint32_t tx = dice(2) ? storm.tx[i][dice(3)] : 0;

		fake_now += dice(3);
		if (!dice(400) && i >= 2) {
			domain_kill(i);
			come(i);
		} else if (!dice(12)) {
			transactions(i);
		} else if (!dice(5) && !tx) {
			uint64_t before = picture();
			int64_t used = uses();

			fail_allocation((int)dice(8));
			if (one(i, 0) == ENOMEM) {
				fail_allocation(-1);
				storm.refused++;
				assert_true(picture() == before);
				assert_true(uses() == used);
			}
			fail_allocation(-1);
		} else {
			one(i, tx);
		}
		if (round % 1000 == 0)
			assert_int_equal(store_check(), 0);
		for (unsigned k = 0; round % 100 == 0 && k < CLIENTS; k++)
			events(storm.c[k]);
	}
	assert_true(storm.refused > 200);
	assert_true(storm.committed > 200);
	assert_true(storm.again > 20);
}

/* One request after another with each of its allocations failing in turn: refused and nothing done, until it is done. */
static void every_failure(struct conn *c, uint32_t tx, uint32_t type, const char *body, size_t len)
{
	for (int n = 0;; n++) {
		uint64_t before = picture();
		int64_t used = uses();
		unsigned events_before = c->io->nr;
		int err;

		assert_true(n < 200);
		fail_allocation(n);
		err = ask(c, tx, type, body, len);
		fail_allocation(-1);
		if (err != ENOMEM) {
			assert_int_equal(err, 0);
			break;
		}
		assert_true(picture() == before);
		assert_true(uses() == used);
		assert_int_equal(c->io->nr, events_before + 1);
		assert_int_equal(store_check(), 0);
	}
}

static void test_each_allocation_fails(void **state)
{
	struct conn *c = client(0), *g = client(1);
	uint32_t t;

	put(c, 0, "/g", "");
	set_perms(c, 0, "/g", "n1");
	watch(c, "/", "t");
	every_failure(g, 0, XS_WRITE, "/g/a/b/c\0value", 14);
	every_failure(g, 0, XS_WRITE, "/g/a/b/c\0another value", 22);
	every_failure(g, 0, XS_MKDIR, "/g/a/d/e/f", 11);
	every_failure(g, 0, XS_SET_PERMS, "/g/a/b\0r1\0w0\0b0", 16);
	every_failure(c, 0, XS_SET_PERMS, "/g/a/b\0n0\0r1\0w1", 16);
	every_failure(g, 0, XS_WATCH, "/g/x/y/z\0token", 15);
	every_failure(c, 0, XS_SET_PERMS, "@releaseDomain\0n0\0r1", 21);
	t = start(g);
	put(g, t, "/g/keep", "1"); /* a snapshot is shared: more must be copied */
	every_failure(g, 0, XS_WRITE, "/g/a/b2/c\0value", 15);
	every_failure(c, 0, XS_RM, "/g/a", 5);
	end(g, t, false);
	every_failure(g, 0, XS_TRANSACTION_START, "", 1);
	assert_int_equal(end(g, (uint32_t)strtoul(reply, NULL, 10), false), 0);
}

static void test_each_allocation_of_commit_fails(void **state)
{
	struct conn *c = client(0), *g = client(1);
	int err, n = 0;

	put(c, 0, "/g/old/1/2", "");
	set_perms(c, 0, "/g", "b1");
	set_perms(c, 0, "/g/old", "b1");
	watch(c, "/g/old/1", "t");
	do {
		uint32_t t = start(g);
		uint64_t before;
		int64_t used;

		for (int i = 0; i < 20; i++) {
			char path[32];

			snprintf(path, sizeof(path), "/g/n%d/x", i);
			assert_int_equal(put(g, t, path, "v"), 0);
		}
		assert_int_equal(rm(g, t, "/g/old"), 0);
		assert_int_equal(put(g, t, "/g/old/1", "v"), 0);
		no_events(c);
		before = picture();
		used = uses();
		fail_allocation(n);
		err = end(g, t, true);
		fail_allocation(-1);
		if (err) {
			assert_int_equal(err, ENOMEM);
			assert_true(picture() == before);
			assert_true(uses() == used);
		}
		assert_true(++n < 1000);
	} while (err);
	assert_true(n > 100);
	assert_string_equal(events(c), "/g/old/1 t");
	assert_int_equal(get(c, 0, "/g/old/1/2"), ENOENT);
}

/*
 * Serial order: what a transaction saw and did is what the same requests see and do one after another at the moment of its
 * commit; and it fails only if they would not.
 */
struct step {
	uint32_t type;
	char body[64];
	size_t len;
	int err;
	uint64_t answer;
};

static void random_step(struct step *st)
{
	static const uint32_t types[] = { XS_READ,  XS_DIRECTORY, XS_GET_PERMS, XS_WRITE,
					  XS_WRITE, XS_MKDIR,	  XS_RM,	XS_SET_PERMS };

	st->type = types[dice(sizeof(types) / sizeof(types[0]))];
	random_path(st->body);
	st->len = strlen(st->body) + 1;
	if (st->type == XS_WRITE)
		st->body[st->len++] = (char)('0' + dice(3));
	if (st->type == XS_SET_PERMS) {
		memcpy(st->body + st->len, dice(2) ? "n0" : "r0", 3);
		st->len += 3;
	}
}

static void do_step(struct conn *c, uint32_t tx, struct step *st)
{
	st->err = ask(c, tx, st->type, st->body, st->len);
	st->answer = hash_bytes(0, reply, reply_len);
}

static void test_serial_order(void **state)
{
	struct conn *c = client(0), *d = client(0);
	unsigned committed = 0, failed = 0;

	storm.seed = 31337;
	for (int round = 0; round < 4000; round++) {
		struct step steps[12], noise, again;
		unsigned nr = 1 + dice(12), differs = 0;
		uint32_t t = start(c);
		struct node *before, *after;
		bool writes = false;
		uint64_t result;
		int err;

		for (unsigned i = 0; i < nr; i++) {
			random_step(&steps[i]);
			do_step(c, t, &steps[i]);
			writes |= steps[i].type >= XS_WRITE;
			if (!dice(3)) {
				random_step(&noise);
				do_step(d, 0, &noise);
			}
		}
		before = tree_get(live_root());
		err = end(c, t, true);
		after = tree_get(live_root());
		result = picture();
		assert_true(!err || err == EAGAIN);
		/* Back to the moment before, and the same by plain requests. */
		if (err)
			t = start(c);
		else
			live_install(tree_get(before));
		journal_off = true;
		for (unsigned i = 0; i < nr; i++) {
			again = steps[i];
			do_step(c, err ? t : 0, &again);
			differs += again.err != steps[i].err || again.answer != steps[i].answer;
		}
		if (err) {
			assert_true(differs > 0);
			assert_int_equal(end(c, t, false), 0);
			failed++;
		} else {
			/* What only read saw an earlier moment, perhaps, but one moment. */
			assert_true(!differs || !writes);
			assert_true(picture() == result);
			committed++;
		}
		journal_off = false;
		live_install(after);
		tree_put(before);
		c->conflicts = 0;
		c->stalled_until = d->stalled_until = 0;
	}
	assert_in_range(failed, 100, 3000);
	assert_int_equal(committed + failed, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_storm),
		WORLD_TEST(test_serial_order),
		WORLD_TEST(test_each_allocation_fails),
		WORLD_TEST(test_each_allocation_of_commit_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
