/*
 * What went wrong in other stores, one test each: the numbers are those of the advisories (XSA) as far as they concern the
 * store proper; what rings, queues and processes add is tested with those. Then reports of users.
 */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xenstored/control.h"
#include "tools/xenstored/domain.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/request.h"
#include "tools/xenstored/store.h"
#include "tools/xenstored/watch.h"

static void test_72_long_reply(void **state)
{
	struct conn *c = client(0);
	char perms[5000] = "n0";
	char path[64];

	/* Many entries fit in a request as text only if they fit in the answer; names of children are bounded apart. */
	for (int i = 0; i < 900; i++)
		sprintf(perms + strlen(perms), " r%d", i % 10);
	put(c, 0, "/p", "");
	assert_int_equal(set_perms(c, 0, "/p", perms), 0);
	assert_int_equal(get_perms(c, 0, "/p"), 0);
	for (int i = 0; i < 5; i++) {
		memset(path, 'x', sizeof(path));
		snprintf(path, sizeof(path), "/d/%d", i);
		path[strlen(path)] = 'x';
		path[63] = '\0';
		put(c, 0, path, "");
	}
	for (int i = 0; i < 3; i++) {
		static char name[2010];

		memset(name, 'y', sizeof(name));
		memcpy(name, "/d/", 3);
		name[3] = (char)('a' + i);
		name[2009] = '\0';
		assert_int_equal(put(c, 0, name, ""), 0);
	}
	assert_int_equal(ls(c, 0, "/d"), E2BIG);
	assert_int_equal(ask_words(c, 0, XS_DIRECTORY_PART, "/d 0"), 0);
}

static void test_115_events_and_permissions(void **state)
{
	struct conn *c = client(0), *g = client(1);

	put(c, 0, "/secret", "");
	watch(g, "/", "t");
	watch(g, "@introduceDomain", "t");
	watch(g, "@releaseDomain", "t");
	put(c, 0, "/secret/key", "");
	rm(c, 0, "/secret/key");
	domain_make(9);
	ask_words(c, 0, XS_INTRODUCE, "9 1 2");
	ask_words(c, 0, XS_RELEASE, "9");
	assert_int_equal(ask_words(g, 0, XS_IS_DOMAIN_INTRODUCED, "9"), EACCES);
	no_events(g);
}

static void test_206_endless_aborts(void **state)
{
	struct conn *c = client(0), *g = guest_with_home(1);
	unsigned tries = 0;
	int err;

	/* A guest that writes what the control domain reads in each of its transactions, as often as it is let. */
	do {
		uint32_t t = start(c);

		get(c, t, "/local/domain/1/data");
		for (int i = 0; i < 5; i++, fake_now++) {
			char text[16];

			snprintf(text, sizeof(text), "%u", tries * 5 + (unsigned)i);
			if (!conn_stalled(g))
				put(g, 0, "data", text);
		}
		put(c, t, "/local/domain/1/seen", "1");
		err = end(c, t, true);
		assert_true(++tries < 20);
	} while (err == EAGAIN);
	assert_int_equal(err, 0);
}

static void test_322_419_old_ids(void **state)
{
	struct conn *c = client(0), *g;
	uint32_t t;

	guest_with_home(1);
	put(c, 0, "/shared", "v");
	set_perms(c, 0, "/shared", "n0 b1");
	/* Open across the death: the list that names it must not come back to life. */
	t = start(c);
	assert_int_equal(get_perms(c, t, "/shared"), 0);
	put(c, t, "/copy/below", "");
	domain_kill(1);
	g = client(1);
	assert_int_equal(get(g, 0, "/shared"), EACCES);
	assert_int_equal(get(c, 0, "/local/domain/1"), ENOENT);
	assert_int_equal(end(c, t, true), EAGAIN);
	assert_int_equal(get(g, 0, "/shared"), EACCES);
	/* Nor from a stream or journal that was written before. */
	{
		struct perm perms[2] = { { .id = 0 }, { .id = 1, .access = WIRE_PERM_READ, .unique = 1 } };
		struct store_node n = { "/old", "v", 1, perms, 2 };

		assert_int_equal(store_restore_node(&n), 0);
		assert_int_equal(get(g, 0, "/old"), EACCES);
		assert_int_equal(store_restore_rm("/old"), 0);
	}
}

static void test_323_path_in_guests_bytes(void **state)
{
	struct conn *g = guest_with_home(63);
	char path[2100];

	memset(path, 'x', sizeof(path));
	path[2048] = '\0';
	assert_int_equal(get(g, 0, path), ENOENT); /* the prefix of its home is not its own */
	path[2048] = 'x';
	path[2049] = '\0';
	assert_int_equal(get(g, 0, path), EINVAL);
}

static void test_324_long_event(void **state)
{
	struct conn *c = client(0);
	static char words[4096], path[3073];

	/* A token that fits the request but not an event of a longer path. */
	memset(words, 't', sizeof(words));
	memcpy(words, "/a", 3);
	words[4000] = '\0';
	assert_int_equal(ask(c, 0, XS_WATCH, words, 4001), 0);
	assert_int_equal(c->io->nr, 2);
	memset(path, 'x', sizeof(path));
	memcpy(path, "/a/", 3);
	path[1000] = '\0';
	assert_int_equal(put(c, 0, path, ""), 0);
	assert_int_equal(c->io->nr, 3); /* only its answer */
}

static void test_330_all_indexes(void **state)
{
	struct conn *c = client(0), *g = client(1);
	unsigned nr;
	size_t bytes;

	for (int i = 0; i < 3; i++) {
		watch(g, "/a/b", "1");
		watch(g, "rel", "1");
		watch(g, "@releaseDomain", "1");
		request_drop_state(g);
		request_drop_state(g);
		watch_stats(&nr, &bytes);
		assert_int_equal(nr, 0);
		assert_int_equal(bytes, 0);
	}
	put(c, 0, "/a/b", "");
	assert_int_equal(domain_find(1)->quota.use[QUOTA_WATCHES], 0);
}

static void test_352_353_giving_away(void **state)
{
	struct conn *g = guest_with_home(1), *c = client(0);

	client(2);
	put(g, 0, "mine", "");
	assert_int_equal(set_perms(g, 0, "mine", "n2"), EPERM);
	assert_int_equal(set_perms(g, 0, "mine", "n0"), EPERM);
	/* The root is a node like others. */
	assert_int_equal(set_perms(g, 0, "/", "n1"), EACCES);
	assert_int_equal(put(g, 0, "/", "x"), EACCES);
	assert_int_equal(get(g, 0, "/"), EACCES);
	assert_int_equal(rm(g, 0, "/"), EACCES);
	assert_int_equal(set_perms(c, 0, "/", "r0"), 0);
	assert_int_equal(get(g, 0, "/"), 0);
	assert_int_equal(put(g, 0, "/x", ""), EACCES);
}

static void test_414_415_421_half_done(void **state)
{
	struct conn *g = guest_with_home(1);
	uint32_t t;

	/* The last of three new nodes is too big: none of them is left. */
	assert_int_equal(ask_words(client(0), 0, XS_SET_QUOTA, "1 node-size 64"), 0);
	assert_int_equal(put(g, 0, "a/b/c", "0123456789012345678901234567890123456789"), ENOSPC);
	assert_int_equal(get(g, 0, "a"), ENOENT);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1);
	/* Out of memory inside a transaction: it cannot be committed. */
	t = start(g);
	assert_int_equal(put(g, t, "x", "1"), 0);
	fail_allocation(0);
	assert_int_equal(put(g, t, "y", "1"), ENOMEM);
	fail_allocation(-1);
	assert_int_equal(get(g, t, "x"), 0);
	assert_int_equal(end(g, t, true), ENOMEM);
	assert_int_equal(get(g, 0, "x"), ENOENT);
	/* Made and removed inside. */
	t = start(g);
	assert_int_equal(put(g, t, "p/q", ""), 0);
	assert_int_equal(rm(g, t, "p"), 0);
	assert_int_equal(put(g, t, "p", ""), 0);
	assert_int_equal(rm(g, t, "p"), 0);
	assert_int_equal(end(g, t, true), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1);
	assert_int_equal(store_check(), 0);
}

static void test_440_negative_count(void **state)
{
	struct conn *g = guest_with_home(1);
	uint32_t t;

	/* More is removed inside than is there when it ends. */
	for (int i = 0; i < 5; i++) {
		char path[16];

		snprintf(path, sizeof(path), "d/%d", i);
		put(g, 0, path, "");
	}
	t = start(g);
	assert_int_equal(rm(g, t, "d"), 0);
	assert_int_equal(rm(g, 0, "d"), 0);
	assert_int_equal(rm(g, t, "d/1"), ENOENT);
	assert_int_equal(put(g, t, "e", ""), 0);
	assert_int_equal(end(g, t, true), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 2);
	t = start(g);
	assert_int_equal(rm(g, t, "e"), 0);
	domain_find(1)->quota.use[QUOTA_NODES] -= 5; /* even a wrong count is no reason to die */
	assert_int_equal(end(g, t, true), 0);
	domain_find(1)->quota.use[QUOTA_NODES] += 5;
}

static void test_481_prefix_alone(void **state)
{
	static const char *const paths[] = { "/local/domain/",	   "/local/domain//",
					     "/local/domain/x",	   "/local/domain/1/",
					     "/local/domain/-1/x", "/local/domain/99999999999999999999/x" };
	struct conn *c = client(0), *g = guest_with_home(1);

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (uint32_t type = 0; type < WIRE_TYPES; type++) {
			if (type == XS_TRANSACTION_START || type == XS_RESET_WATCHES)
				continue;
			assert_int_not_equal(ask(g, 0, type, paths[i], strlen(paths[i]) + 1), 0);
			if (type != XS_MKDIR && type != XS_RM)
				ask(c, 0, type, paths[i], strlen(paths[i]) + 1);
		}
}

static void test_484_reset_inside(void **state)
{
	struct conn *g = client(1);
	uint32_t t = start(g);

	watch(g, "/a", "t");
	assert_int_equal(ask(g, t, XS_RESET_WATCHES, "", 1), 0);
	assert_int_equal(g->nr_transactions, 0);
	assert_int_equal(ask(g, t, XS_RESET_WATCHES, "", 0), 0);
	assert_int_equal(end(g, t, true), ENOENT);
	request_drop_state(g);
}

static void test_233_target_dies(void **state)
{
	struct conn *c = client(0);

	client(1);
	client(2);
	assert_int_equal(ask_words(c, 0, XS_SET_TARGET, "1 2"), 0);
	assert_int_equal(ask_words(c, 0, XS_SET_TARGET, "2 1"), 0);
	domain_kill(1);
	domain_kill(2);
	client(1);
	client(2);
	assert_int_equal(domain_find(1)->target, ~0u);
}

static void test_425_release_of_caller(void **state)
{
	struct conn *c = client(0);

	/* One request takes away nodes, watches and transactions of a client that has all of them. */
	struct conn *g = guest_with_home(1);
	uint32_t t = start(g);

	put(g, t, "x", "");
	watch(g, "/local", "t");
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "1"), 0);
	assert_int_equal(get(c, 0, "/local/domain/1"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "1"), ENOENT);
}

/* Any bytes as any request: an answer, nothing else. */
static void test_arbitrary_bodies(void **state)
{
	struct conn *c = client(0), *g = guest_with_home(1);
	static const char alphabet[] = "/\0\0/ab01-@T\xffrnwb9.";
	unsigned seed = 99;
	char body[64];

	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(body);
		uint32_t type = (uint32_t)rand_r(&seed) % 30, tx = (uint32_t)rand_r(&seed) % 3;

		for (size_t k = 0; k < len; k++)
			body[k] = alphabet[(size_t)rand_r(&seed) % sizeof(alphabet)];
		ask(rand_r(&seed) % 2 ? c : g, tx, type, body, len);
	}
	ask(g, 0, XS_RESET_WATCHES, "", 1);
	ask(c, 0, XS_RESET_WATCHES, "", 1);
}

static void test_user_removed_node_keeps_watch(void **state)
{
	struct conn *c = client(0), *g = client(1);

	put(c, 0, "/d/n", "");
	set_perms(c, 0, "/d/n", "n0 r1");
	watch(g, "/d/n", "t");
	rm(c, 0, "/d");
	assert_string_equal(events(g), "/d/n t");
	assert_int_equal(unwatch(g, "/d/n", "t"), 0);
}

static void test_user_parallel_transactions(void **state)
{
	struct conn *g = guest_with_home(1), *c = client(0);

	/* Twenty-five set-ups at once in one guest: refused in words an administrator can act on. */
	for (int i = 0; i < 10; i++)
		start(g);
	assert_int_equal(ask(g, 0, XS_TRANSACTION_START, "", 1), ENOSPC);
	assert_non_null(strstr(last_notice, "domain 1: quota transactions"));
	assert_int_equal(control(c, "quota 1 set transactions 25"), 0);
	for (int i = 0; i < 15; i++)
		start(g);
}

static void test_user_empty_directories(void **state)
{
	struct conn *g = guest_with_home(1);
	char path[64];

	/* A driver domain that leaves empty directories behind can see and remove them, quota or not. */
	for (int i = 0; i < 998; i++) {
		snprintf(path, sizeof(path), "backend/%c%d", 'a' + i % 3, i);
		if (put(g, 0, path, ""))
			break;
	}
	for (int i = 998; i < 2000; i++) {
		snprintf(path, sizeof(path), "x%d", i);
		if (put(g, 0, path, ""))
			break;
	}
	assert_int_equal(put(g, 0, "state", "4"), ENOSPC);
	assert_int_equal(rm(g, 0, "backend"), 0);
	assert_int_equal(put(g, 0, "state", "4"), 0);
}

static void test_user_first_event_once(void **state)
{
	struct conn *c = client(0);
	unsigned before;

	put(c, 0, "/a", "");
	before = c->io->nr;
	assert_int_equal(ask_words(c, 0, XS_WATCH, "/a t"), 0);
	assert_int_equal(c->io->nr, before + 2);
	assert_int_equal(c->io->messages[before].type, XS_WATCH);
	assert_int_equal(c->io->messages[before + 1].type, XS_WATCH_EVENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_72_long_reply),
		WORLD_TEST(test_115_events_and_permissions),
		WORLD_TEST(test_206_endless_aborts),
		WORLD_TEST(test_233_target_dies),
		WORLD_TEST(test_322_419_old_ids),
		WORLD_TEST(test_323_path_in_guests_bytes),
		WORLD_TEST(test_324_long_event),
		WORLD_TEST(test_330_all_indexes),
		WORLD_TEST(test_352_353_giving_away),
		WORLD_TEST(test_414_415_421_half_done),
		WORLD_TEST(test_425_release_of_caller),
		WORLD_TEST(test_440_negative_count),
		WORLD_TEST(test_481_prefix_alone),
		WORLD_TEST(test_484_reset_inside),
		WORLD_TEST(test_arbitrary_bodies),
		WORLD_TEST(test_user_removed_node_keeps_watch),
		WORLD_TEST(test_user_parallel_transactions),
		WORLD_TEST(test_user_empty_directories),
		WORLD_TEST(test_user_first_event_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
