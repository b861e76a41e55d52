/* Watches: who is told what, in which words, when, and who is not. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/store.h"
#include "tools/xenstored/watch.h"

static void test_first_event(void **state)
{
	struct conn *c = client(0), *g = client(1);

	/* Answer first, then one event with the path as given, whatever may be there. */
	assert_int_equal(ask_words(c, 0, XS_WATCH, "/none/at/all tok"), 0);
	assert_int_equal(c->io->nr, 2);
	assert_int_equal(c->io->messages[0].type, XS_WATCH);
	assert_string_equal(events(c), "/none/at/all tok");
	put(c, 0, "/hidden", "");
	assert_int_equal(watch(g, "/hidden", "t"), 0);
	assert_int_equal(watch(g, "device/vif", "t"), 0);
	assert_int_equal(watch(g, "@releaseDomain", "t"), 0);
	assert_int_equal(watch(c, "/", "t"), 0);
}

static void test_errors(void **state)
{
	struct conn *c = client(0), *d = client(0);

	assert_int_equal(ask_words(c, 0, XS_WATCH, "/a"), EINVAL);
	assert_int_equal(ask(c, 0, XS_WATCH, "/a\0t", 4), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_WATCH, "/a/ t"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_WATCH, "/a. t"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_WATCH, "@x. t"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_WATCH, "/a t 1 1"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_WATCH, "/a t x"), EINVAL);
	assert_int_equal(watch(c, "/a", "t"), 0);
	assert_int_equal(watch(c, "/a", "t"), EEXIST);
	assert_int_equal(watch(c, "/a", "u"), 0);
	assert_int_equal(watch(d, "/a", "t"), 0);
	put(c, 0, "/a", "");
	assert_string_equal(events(c), "/a t, /a u");
	assert_int_equal(unwatch(c, "/a", "v"), ENOENT);
	assert_int_equal(unwatch(c, "/b", "t"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_UNWATCH, "/a t x"), EINVAL);
	assert_int_equal(unwatch(c, "/a", "t"), 0);
	assert_int_equal(unwatch(c, "/a", "t"), ENOENT);
	put(c, 0, "/a", "");
	assert_string_equal(events(c), "/a u");
	assert_string_equal(events(d), "/a t, /a t");
	/* A token may be empty, and any bytes but NUL. */
	assert_int_equal(ask(c, 0, XS_WATCH, "/e\0", 4), 0);
	assert_string_equal(events(c), "/e ");
}

static void test_below(void **state)
{
	struct conn *c = client(0), *w = client(0);

	put(c, 0, "/a/b/c", "");
	watch(w, "/a/b", "t");
	put(c, 0, "/a", "v");
	put(c, 0, "/a/bb", "v");
	no_events(w);
	put(c, 0, "/a/b", "v");
	put(c, 0, "/a/b/c/d/e", "v");
	assert_string_equal(events(w), "/a/b t, /a/b/c/d/e t");
	put(c, 0, "/a/b", "v"); /* the same value */
	assert_string_equal(events(w), "/a/b t");
	make_dir(c, 0, "/a/b"); /* nothing done */
	no_events(w);
	set_perms(c, 0, "/a/b/c", "r0");
	assert_string_equal(events(w), "/a/b/c t");
	rm(c, 0, "/a/b/none");
	no_events(w);
	rm(c, 0, "/a/b/c/d");
	assert_string_equal(events(w), "/a/b/c/d t");
}

static void test_implicit_parents(void **state)
{
	struct conn *c = client(0), *w = client(0);

	watch(w, "/a", "a");
	watch(w, "/a/b", "b");
	put(c, 0, "/a/b/c", "");
	assert_string_equal(events(w), "/a/b/c a, /a/b/c b");
}

static void test_removed_subtree(void **state)
{
	struct conn *c = client(0), *w = client(0);

	put(c, 0, "/r/a/b", "");
	put(c, 0, "/r/a/c", "");
	put(c, 0, "/r/z", "");
	watch(w, "/r/a/none", "none");
	watch(w, "/r", "root");
	watch(w, "/r/a", "a");
	watch(w, "/r/a/b", "b");
	watch(w, "/", "all");
	watch(w, "/r/a/b", "again");
	rm(c, 0, "/r");
	assert_string_equal(events(w), "/r/a/b b, /r/a/b again, /r/a a, /r all, /r root");
	/* The watches are still there. */
	put(c, 0, "/r/a/none", "");
	assert_string_equal(events(w), "/r/a/none all, /r/a/none root, /r/a/none a, /r/a/none none");
	assert_int_equal(unwatch(w, "/r/a/b", "b"), 0);
}

static void test_relative(void **state)
{
	struct conn *c = client(0), *g = client(7);

	put(c, 0, "/local/domain/7", "");
	set_perms(c, 0, "/local/domain/7", "n7");
	watch(g, "data", "rel");
	watch(g, "/local/domain/7/data", "abs");
	put(g, 0, "data/x", "");
	assert_string_equal(events(g), "data/x rel, /local/domain/7/data/x abs");
	assert_int_equal(unwatch(g, "/local/domain/7/data", "rel"), ENOENT);
	/* The same token in both spellings is two watches. */
	assert_int_equal(watch(g, "/local/domain/7/data", "rel"), 0);
	assert_int_equal(unwatch(g, "data", "rel"), 0);
	put(g, 0, "data", "");
	assert_string_equal(events(g), "/local/domain/7/data abs, /local/domain/7/data rel");
}

static void test_depth(void **state)
{
	struct conn *c = client(0), *w = client(0), *g = client(1);

	assert_int_equal(ask_words(w, 0, XS_WATCH, "/a d0 0"), 0);
	assert_int_equal(ask_words(w, 0, XS_WATCH, "/a d1 1"), 0);
	assert_int_equal(ask_words(w, 0, XS_WATCH, "/a all"), 0);
	events(w);
	put(c, 0, "/a", "");
	assert_string_equal(events(w), "/a d0, /a d1, /a all");
	put(c, 0, "/a/b", "");
	assert_string_equal(events(w), "/a/b d1, /a/b all");
	put(c, 0, "/a/b/c", "");
	assert_string_equal(events(w), "/a/b/c all");
	/* Who was not told of the feature cannot use it. */
	g->domain->features = 0;
	assert_int_equal(ask_words(g, 0, XS_WATCH, "/a d0 0"), EINVAL);
}

static void test_order_of_own_event(void **state)
{
	struct conn *c = client(0);

	watch(c, "/a", "t");
	put(c, 0, "/a", "");
	assert_int_equal(c->io->messages[c->io->nr - 2].type, XS_WATCH_EVENT);
	assert_int_equal(c->io->messages[c->io->nr - 1].type, XS_WRITE);
}

static void test_permissions(void **state)
{
	struct conn *c = client(0), *g = client(1);

	put(c, 0, "/p/n", "");
	watch(g, "/p", "t");
	put(c, 0, "/p/n", "1");
	no_events(g);
	/* Readable itself. */
	set_perms(c, 0, "/p/n", "n0 r1");
	assert_string_equal(events(g), "/p/n t");
	put(c, 0, "/p/n", "2");
	assert_string_equal(events(g), "/p/n t");
	put(c, 0, "/p/other", "");
	no_events(g);
	/* Losing the right is the last one seen. */
	set_perms(c, 0, "/p/n", "n0");
	assert_string_equal(events(g), "/p/n t");
	put(c, 0, "/p/n", "3");
	no_events(g);
	/* Readable parent. */
	set_perms(c, 0, "/p", "n0 r1");
	events(g);
	put(c, 0, "/p/n", "4");
	assert_string_equal(events(g), "/p/n t");
	put(c, 0, "/p/n/below", "4");
	no_events(g);
	/* Removal of what was readable, and of what its parent let see. */
	set_perms(c, 0, "/p/n/below", "n0 r1");
	set_perms(c, 0, "/p", "n0");
	events(g);
	rm(c, 0, "/p/n/below");
	assert_string_equal(events(g), "/p/n/below t");
	put(c, 0, "/p/n/below", "");
	watch(g, "/p/n/below", "exact");
	set_perms(c, 0, "/p/n", "n0 r1");
	events(g);
	rm(c, 0, "/p");
	assert_string_equal(events(g), "/p/n/below exact");
}

static void test_permissions_of_commit(void **state)
{
	struct conn *c = client(0), *g = client(1);
	uint32_t t;

	put(c, 0, "/p", "");
	set_perms(c, 0, "/p", "n0 r1");
	watch(g, "/p", "t");
	t = start(c);
	put(c, t, "/p", "1");
	set_perms(c, t, "/p", "n0");
	assert_int_equal(end(c, t, true), 0);
	assert_string_equal(events(g), "/p t");
	t = start(c);
	put(c, t, "/p", "2");
	set_perms(c, t, "/p", "n0 r1");
	assert_int_equal(end(c, t, true), 0);
	assert_string_equal(events(g), "/p t");
}

static void test_special(void **state)
{
	struct conn *c = client(0), *g = client(1), *h = client(2);

	watch(c, "@introduceDomain", "in");
	watch(c, "@releaseDomain", "out");
	watch(c, "/", "tree");
	watch(g, "@introduceDomain", "in");
	assert_int_equal(ask_words(c, 0, XS_WATCH, "@releaseDomain deep 1"), 0);
	events(c);
	assert_int_equal(watch(c, "@releaseDomain/9", "nine"), 0);
	assert_int_equal(watch(c, "@releaseDomain/8", "eight"), 0);
	events(c);
	domain_make(9);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "9 1 2"), 0);
	assert_string_equal(events(c), "@introduceDomain in");
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "9 1 2"), 0);
	no_events(c);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "9"), 0);
	assert_string_equal(events(c), "@releaseDomain out, @releaseDomain/9 deep, @releaseDomain/9 nine");
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "9"), ENOENT);
	no_events(c);
	no_events(g);
	/* Only the control domain gets them, unless it lets others. */
	assert_int_equal(get_perms(c, 0, "@introduceDomain"), 0);
	assert_string_equal(reply, "n0");
	assert_int_equal(get_perms(g, 0, "@introduceDomain"), EACCES);
	assert_int_equal(set_perms(g, 0, "@introduceDomain", "b0"), EACCES);
	assert_int_equal(set_perms(c, 0, "@other", "b0"), EINVAL);
	assert_int_equal(get_perms(c, 0, "@other"), EINVAL);
	assert_int_equal(set_perms(c, 0, "@introduceDomain", "n0 r1"), 0);
	assert_int_equal(get_perms(g, 0, "@introduceDomain"), 0);
	assert_string_equal(reply, "n0 r1");
	watch(h, "@introduceDomain", "in");
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "9 1 2"), 0);
	assert_string_equal(events(g), "@introduceDomain in");
	no_events(h);
	/* For one domain. */
	watch(h, "@releaseDomain", "out");
	assert_int_equal(set_perms(c, 0, "@releaseDomain/9", "n0 r2"), 0);
	domain_make(8);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "8 1 2"), 0);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "8"), 0);
	no_events(h);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "9"), 0);
	assert_string_equal(events(h), "@releaseDomain out");
	/* And gone with it. */
	domain_make(9);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "9 1 2"), 0);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "9"), 0);
	no_events(h);
	/* They are in no directory. */
	assert_int_equal(ls(c, 0, "/"), 0);
	assert_string_equal(reply, "tool");
}

static void test_event_after_state(void **state)
{
	struct conn *c = client(0);

	put(c, 0, "/g", "");
	client(5);
	set_perms(c, 0, "/g", "n5");
	watch(c, "/g", "node");
	watch(c, "@releaseDomain", "out");
	domain_kill(5);
	assert_string_equal(events(c), "/g node, @releaseDomain out");
	assert_int_equal(ask_words(c, 0, XS_IS_DOMAIN_INTRODUCED, "5"), 0);
	assert_string_equal(reply, "F");
	assert_int_equal(get(c, 0, "/g"), ENOENT);
}

static void test_reset(void **state)
{
	struct conn *c = client(0), *g = client(1);
	uint32_t t;

	watch(g, "/a", "t");
	watch(g, "/b", "t");
	watch(c, "/a", "t");
	t = start(g);
	get(g, t, "/a");
	/* Inside its own transaction, and again. */
	assert_int_equal(ask(g, t, XS_RESET_WATCHES, "", 1), 0);
	assert_int_equal(ask(g, t, XS_RESET_WATCHES, "", 1), 0);
	assert_int_equal(end(g, t, true), ENOENT);
	assert_int_equal(g->nr_watches, 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_WATCHES], 0);
	set_perms(c, 0, "/tool", "r0");
	put(c, 0, "/a", "");
	no_events(g);
	assert_string_equal(events(c), "/a t");
}

static void test_quota(void **state)
{
	struct conn *g = client(1), *c = client(0);
	char path[32];

	for (int i = 0; i < 128; i++) {
		snprintf(path, sizeof(path), "/w/%d", i);
		assert_int_equal(watch(g, path, "t"), 0);
	}
	assert_int_equal(watch(g, "/w/0", "t"), EEXIST);
	assert_int_equal(watch(g, "/w/more", "t"), E2BIG);
	assert_int_equal(unwatch(g, "/w/5", "t"), 0);
	assert_int_equal(watch(g, "/w/more", "t"), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/w/%d", i);
		assert_int_equal(watch(c, path, "t"), 0);
	}
}

/* A client may vanish while it, or another, is being told something. */
static void test_closed_while_firing(void **state)
{
	struct conn *c = client(0), *a = client(0), *b = client(0);

	put(c, 0, "/x/y", "");
	for (int i = 0; i < 5; i++) {
		char token[16];

		snprintf(token, sizeof(token), "t%d", i);
		watch(a, "/x", token);
		watch(a, "/x/y", token);
		watch(b, "/x", token);
		watch(c, "/x", token);
	}
	a->io->close_after = 3;
	c->io->close_after = 2;
	put(b, 0, "/x/y", "1");
	assert_string_equal(events(b), "/x/y t0, /x/y t1, /x/y t2, /x/y t3, /x/y t4");
	assert_int_equal(a->nr_watches, 0);
	assert_int_equal(c->nr_watches, 0);
	/* Itself. */
	b->io->close_after = 1;
	assert_int_equal(put(b, 0, "/x", "1"), EIO);
	assert_int_equal(b->nr_watches, 0);
	a = client(0);
	watch(a, "/1", "t");
	watch(a, "/2", "t");
	a->io->close_after = 1;
	store_fire_all_watches(a);
	assert_int_equal(a->nr_watches, 0);
}

struct listed {
	char text[256];
};

static void list_one(void *arg, const char *path, const char *token, int depth)
{
	struct listed *l = arg;
	size_t at = strlen(l->text);

	snprintf(l->text + at, sizeof(l->text) - at, "%s %s %d;", path, token, depth);
}

static void test_restore(void **state)
{
	struct conn *c = client(0);
	struct listed l = { "" };

	assert_int_equal(store_restore_watch(c, "/a", "1", -1), 0);
	assert_int_equal(store_restore_watch(c, "data", "2", 1), 0);
	assert_int_equal(store_restore_watch(c, "@releaseDomain", "3", -1), 0);
	assert_int_equal(store_restore_watch(c, "/a", "1", -1), 0);
	assert_int_equal(store_restore_watch(c, "/a/", "1", -1), EINVAL);
	no_events(c);
	store_each_watch(c, list_one, &l);
	assert_string_equal(l.text, "/a 1 -1;data 2 1;@releaseDomain 3 -1;");
	store_fire_all_watches(c);
	assert_int_equal(c->io->nr, 3);
	assert_int_equal(store_restore_unwatch(c, "data", "2"), 0);
	assert_int_equal(store_restore_unwatch(c, "data", "2"), 0);
	l.text[0] = '\0';
	store_each_watch(c, list_one, &l);
	assert_string_equal(l.text, "/a 1 -1;@releaseDomain 3 -1;");
}

/* Neither other watches nor other connections cost anything: components are looked up, not lists walked. */
static void test_many(void **state)
{
	struct conn *c = client(0), *w[100];
	unsigned nr;
	size_t bytes;
	char path[64];

	for (int i = 0; i < 100; i++) {
		w[i] = client(0);
		for (int j = 0; j < 100; j++) {
			snprintf(path, sizeof(path), "/local/domain/%d/device/%d", i, j);
			assert_int_equal(store_restore_watch(w[i], path, "t", -1), 0);
		}
	}
	watch_stats(&nr, &bytes);
	assert_int_equal(nr, 10000);
	put(c, 0, "/local/domain/42/device/17/state", "4");
	for (int i = 0; i < 100; i++)
		assert_string_equal(events(w[i]), i == 42 ? "/local/domain/42/device/17/state t" : "");
	for (int i = 0; i < 100; i++)
		client_close(w[i]);
	watch_stats(&nr, &bytes);
	assert_int_equal(nr, 0);
	assert_int_equal(bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_first_event),
		WORLD_TEST(test_errors),
		WORLD_TEST(test_below),
		WORLD_TEST(test_implicit_parents),
		WORLD_TEST(test_removed_subtree),
		WORLD_TEST(test_relative),
		WORLD_TEST(test_depth),
		WORLD_TEST(test_order_of_own_event),
		WORLD_TEST(test_permissions),
		WORLD_TEST(test_permissions_of_commit),
		WORLD_TEST(test_special),
		WORLD_TEST(test_event_after_state),
		WORLD_TEST(test_reset),
		WORLD_TEST(test_quota),
		WORLD_TEST(test_closed_while_firing),
		WORLD_TEST(test_restore),
		WORLD_TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
