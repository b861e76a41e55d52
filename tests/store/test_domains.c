/* Domains, quotas, features and the administrator's commands. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/owned.h"
#include "tools/xenstored/quota.h"
#include "tools/xenstored/store.h"
#include "tools/xenstored/trace.h"

static void test_privileged_only(void **state)
{
	static const uint32_t types[] = { XS_CONTROL,	  XS_INTRODUCE,	  XS_RELEASE,
					  XS_RESUME,	  XS_SET_TARGET,  XS_IS_DOMAIN_INTRODUCED,
					  XS_GET_FEATURE, XS_SET_FEATURE, XS_GET_QUOTA,
					  XS_SET_QUOTA };
	struct conn *g = client(1);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(ask(g, 0, types[i], "1", 2), EACCES);
		assert_int_equal(ask(g, 0, types[i], "", 0), EACCES);
	}
	assert_int_equal(ask_words(g, 0, XS_CONTROL, "live-update -a"), EACCES);
}

static void test_introduce_release(void **state)
{
	struct conn *c = client(0);

	domain_make(5);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "5 1"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "5 1 0"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "5 1 x"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "5 1 2 3"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "32752 1 2"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "6 1 2"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_IS_DOMAIN_INTRODUCED, "5"), 0);
	assert_string_equal(reply, "F");
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "5 18446744073709551615 2"), 0);
	assert_int_equal(ask_words(c, 0, XS_IS_DOMAIN_INTRODUCED, "5"), 0);
	assert_string_equal(reply, "T");
	assert_int_equal(ask_words(c, 0, XS_IS_DOMAIN_INTRODUCED, "0"), 0);
	assert_string_equal(reply, "T");
	assert_int_equal(ask_words(c, 0, XS_IS_DOMAIN_INTRODUCED, "32752"), 0);
	assert_string_equal(reply, "T");
	assert_int_equal(ask_words(c, 0, XS_IS_DOMAIN_INTRODUCED, "x"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_RESUME, "5"), 0);
	assert_int_equal(ask_words(c, 0, XS_RESUME, "0"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_RESUME, "6"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_SET_TARGET, "5 6"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_SET_TARGET, "5"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "5"), 0);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "5"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "0"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_RELEASE, "1 2"), EINVAL);
}

static void test_domain_path(void **state)
{
	struct conn *g = client(1);

	assert_int_equal(ask_words(g, 0, XS_GET_DOMAIN_PATH, "7"), 0);
	assert_string_equal(reply, "/local/domain/7");
	assert_int_equal(reply_len, 16);
	assert_int_equal(ask_words(g, 0, XS_GET_DOMAIN_PATH, "007"), 0);
	assert_string_equal(reply, "/local/domain/7");
	assert_int_equal(ask_words(g, 0, XS_GET_DOMAIN_PATH, "abc"), EINVAL);
	assert_int_equal(ask_words(g, 0, XS_GET_DOMAIN_PATH, "70000"), EINVAL);
	assert_int_equal(ask(g, 0, XS_GET_DOMAIN_PATH, "7", 1), EINVAL);
}

static void test_features(void **state)
{
	struct conn *c = client(0);
	char all[16];

	snprintf(all, sizeof(all), "%u", (unsigned)DOMAIN_FEATURES);
	domain_make(5);
	assert_int_equal(ask(c, 0, XS_GET_FEATURE, "", 1), 0);
	assert_string_equal(reply, all);
	assert_int_equal(ask_words(c, 0, XS_GET_FEATURE, "5"), 0);
	assert_string_equal(reply, all);
	assert_int_equal(ask_words(c, 0, XS_GET_FEATURE, "6"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_SET_FEATURE, "5 1024"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_SET_FEATURE, "5"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_SET_FEATURE, "6 2"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_SET_FEATURE, "5 2"), 0);
	assert_int_equal(ask_words(c, 0, XS_GET_FEATURE, "5"), 0);
	assert_string_equal(reply, "2");
	assert_int_equal(ask_words(c, 0, XS_INTRODUCE, "5 1 2"), 0);
	assert_int_equal(ask_words(c, 0, XS_SET_FEATURE, "5 2"), EBUSY);
}

static void test_quota_requests(void **state)
{
	struct conn *c = client(0);

	client(3);
	assert_int_equal(ask(c, 0, XS_GET_QUOTA, "", 0), 0);
	assert_string_equal(reply, "nodes watches transactions outstanding memory node-size node-permissions path-max "
				   "transaction-nodes soft-memory");
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "nodes"), 0);
	assert_string_equal(reply, "1000");
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "soft-memory"), 0);
	assert_string_equal(reply, "2097152");
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "none"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "9 nodes"), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "nodes"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "nodes x"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "3 nodes 5"), 0);
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "3 nodes"), 0);
	assert_string_equal(reply, "5");
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "nodes"), 0);
	assert_string_equal(reply, "1000");
	/* A common limit does not touch what was set for one. */
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "nodes 7"), 0);
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "3 nodes"), 0);
	assert_string_equal(reply, "5");
}

static void test_node_quota(void **state)
{
	struct conn *g = guest_with_home(1), *c = client(0);
	char path[64];

	for (int i = 0; i < 997; i++) {
		snprintf(path, sizeof(path), "%c/%d", 'a' + i % 4, i / 4);
		assert_int_equal(put(g, 0, path, ""), i < 995 ? 0 : ENOSPC);
	}
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1000);
	assert_int_equal(put(g, 0, "more", ""), ENOSPC);
	assert_int_equal(make_dir(g, 0, "more"), ENOSPC);
	assert_int_equal(put(g, 0, "a", "value"), 0);
	assert_int_equal(rm(g, 0, "a/0"), 0);
	assert_int_equal(put(g, 0, "b/x/y", ""), ENOSPC); /* implicit parents count */
	assert_int_equal(put(g, 0, "b/x", ""), 0);
	/* The control domain may give it more. */
	assert_int_equal(put(c, 0, "/local/domain/1/given", ""), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1001);
	/* Counts move with the owner. */
	client(2);
	assert_int_equal(set_perms(c, 0, "/local/domain/1/given", "n2"), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1000);
	assert_int_equal(domain_find(2)->quota.use[QUOTA_NODES], 1);
	assert_int_equal(set_perms(c, 0, "/local/domain/1/given", "n0"), 0);
	assert_int_equal(domain_find(2)->quota.use[QUOTA_NODES], 0);
	assert_int_equal(domain_find(2)->owned->nr, 0);
}

static void test_memory_quota(void **state)
{
	struct conn *g = guest_with_home(1), *c = client(0);
	char value[1600], path[32];
	int64_t use;
	int n;

	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "1 memory 100000"), 0);
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "1 soft-memory 50000"), 0);
	for (n = 0; n < 100; n++) {
		snprintf(path, sizeof(path), "m/%d", n);
		if (put(g, 0, path, value))
			break;
	}
	assert_in_range(n, 45, 65);
	assert_true(notices >= 1);
	use = domain_find(1)->quota.use[QUOTA_MEMORY];
	assert_true(use <= 100000);
	assert_int_equal(put(g, 0, "m/0", "short"), 0);
	assert_true(domain_find(1)->quota.use[QUOTA_MEMORY] < use - 1500);
	assert_int_equal(put(g, 0, path, "short"), 0);
	assert_int_equal(put(g, 0, "m/0", value) | put(g, 0, path, value), ENOSPC);
	/* A transaction's log and pages count as well. */
	{
		uint32_t t = start(g);
		int err = 0;

		for (n = 0; n < 1000 && !err; n++)
			err = put(g, t, "m/0", "other");
		assert_int_equal(err, ENOSPC);
		assert_int_equal(end(g, t, true), ENOMEM);
	}
	assert_int_equal(rm(g, 0, "m"), 0);
	assert_int_equal(rm(c, 0, "/local"), 0);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_MEMORY], 0);
}

static void test_refusals_are_logged(void **state)
{
	struct conn *g = guest_with_home(7), *c = client(0);

	ask_words(c, 0, XS_SET_QUOTA, "7 transactions 2");
	start(g);
	start(g);
	notices = 0;
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(g, 0, XS_TRANSACTION_START, "", 1), ENOSPC);
	assert_int_equal(notices, 1);
	assert_non_null(strstr(last_notice, "domain 7"));
	assert_non_null(strstr(last_notice, "transactions"));
	fake_now += 1500;
	assert_int_equal(ask(g, 0, XS_TRANSACTION_START, "", 1), ENOSPC);
	assert_int_equal(notices, 2);
	assert_non_null(strstr(last_notice, "101"));
	assert_int_equal(control(c, "quota 7"), 0);
	assert_non_null(strstr(reply, "101 refused"));
	/* More, at run time. */
	assert_int_equal(control(c, "quota 7 set transactions 20"), 0);
	for (int i = 0; i < 18; i++)
		start(g);
	assert_int_equal(ask(g, 0, XS_TRANSACTION_START, "", 1), ENOSPC);
	/* 0 is no limit. */
	assert_int_equal(control(c, "quota 7 set transactions 0"), 0);
	for (int i = 0; i < 100; i++)
		start(g);
}

/* However many domains run into limits, the log stays readable. */
static void test_log_of_many(void **state)
{
	notices = 0;
	for (uint32_t i = 1; i < 60; i++) {
		struct conn *g = client(i);

		for (int k = 0; k < 12; k++)
			ask(g, 0, XS_TRANSACTION_START, "", 1);
	}
	assert_int_equal(notices, 20);
}

/* A watch deep down costs all the components of its path. */
static void test_deep_watches(void **state)
{
	struct conn *g = client(1);
	char path[2048];
	int n, err = 0;

	quota_set(g->domain, QUOTA_MEMORY, false, 256 * 1024);
	/* As deep as a guest may go. */
	memset(path, 'x', sizeof(path));
	for (int i = 0; i < 32; i++)
		path[i * 64] = '/';
	for (n = 0; n < 128 && !err; n++) {
		path[1] = (char)('a' + n % 26);
		path[3] = (char)('a' + n / 26);
		path[2046] = '\0';
		err = watch(g, path, "t");
	}
	assert_int_equal(err, ENOSPC);
	assert_in_range(n, 20, 60);
}

static void test_next_owner_of_id(void **state)
{
	struct conn *g = guest_with_home(1);
	char path[64];

	for (int i = 0; i < 999; i++) {
		snprintf(path, sizeof(path), "%c/%d", 'a' + i % 4, i / 4);
		put(g, 0, path, "");
	}
	domain_kill(1);
	g = guest_with_home(1);
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 1);
	assert_int_equal(put(g, 0, "x", ""), 0);
}

static void test_death_costs_what_it_owned(void **state)
{
	struct conn *c = client(0), *g;
	char path[64];

	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "/big/%d/%d", i % 50, i);
		put(c, 0, path, "");
	}
	g = guest_with_home(1);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "d/%d", i);
		put(g, 0, path, "");
	}
	fail_allocation(-1);
	domain_kill(1);
	/* No allocation for each node of the tree, only some for each path it owned. */
	assert_true(fail_allocation(-1) < 22 * 8);
	assert_int_equal(ls(c, 0, "/local/domain"), 0);
	assert_string_equal(reply, "");
}

static void test_without_owned_set(void **state)
{
	struct conn *c = client(0), *g;

	/* The set could not be made: the end costs a walk, and works. */
	domain_make(4);
	fail_allocation(1);
	assert_non_null(domain_get(4));
	fail_allocation(-1);
	assert_null(domain_find(4)->owned);
	g = guest_with_home(4);
	put(g, 0, "a/b", "");
	put(c, 0, "/other", "");
	set_perms(c, 0, "/other", "n4");
	domain_kill(4);
	assert_int_equal(get(c, 0, "/other"), ENOENT);
	assert_int_equal(get(c, 0, "/local/domain/4"), ENOENT);
	assert_int_equal(get(c, 0, "/local/domain"), 0);
}

static void test_control(void **state)
{
	struct conn *c = client(0);

	guest_with_home(3);
	assert_int_equal(control(c, "check"), 0);
	assert_string_equal(reply, "OK");
	assert_int_equal(reply_len, 3);
	assert_int_equal(control(c, "check now"), EINVAL);
	assert_int_equal(control(c, "none"), EINVAL);
	assert_int_equal(ask(c, 0, XS_CONTROL, "", 0), EINVAL);
	assert_int_equal(ask(c, 0, XS_CONTROL, "check", 5), EINVAL);
	assert_int_equal(control(c, "log on"), 0);
	assert_true(trace_on);
	assert_int_equal(control(c, "log"), 0);
	assert_int_equal(control(c, "log off"), 0);
	assert_false(trace_on);
	assert_int_equal(control(c, "log +io"), 0);
	assert_true(trace_on);
	assert_int_equal(control(c, "log -io"), 0);
	assert_int_equal(control(c, "log maybe"), EINVAL);
	assert_int_equal(control(c, "logfile /var/log/x"), 0);
	assert_int_equal(control(c, "logfile x"), EINVAL);
	assert_int_equal(control(c, "logfile"), EINVAL);
	assert_int_equal(control(c, "print hello"), 0);
	assert_string_equal(last_notice, "control: hello");
	assert_int_equal(control(c, "memreport"), 0);
	assert_non_null(strstr(reply, "domain 3: "));
	assert_int_equal(control(c, "quota"), 0);
	assert_non_null(strstr(reply, "nodes            :     1000 nodes owned\n"));
	assert_int_equal(control(c, "quota 3"), 0);
	assert_int_equal(control(c, "quota 9"), ENOENT);
	assert_int_equal(control(c, "quota x"), EINVAL);
	assert_int_equal(control(c, "quota set nodes 5"), 0);
	assert_int_equal(control(c, "quota set none 5"), EINVAL);
	assert_int_equal(control(c, "quota set nodes"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "nodes"), 0);
	assert_string_equal(reply, "5");
	assert_int_equal(control(c, "quota max"), 0);
	assert_non_null(strstr(reply, "nodes"));
	assert_int_equal(control(c, "quota max -r"), 0);
	assert_int_equal(control(c, "quota max -x"), EINVAL);
	assert_int_equal(control(c, "quota-soft"), 0);
	assert_int_equal(control(c, "quota-soft set memory 4711"), 0);
	assert_int_equal(ask_words(c, 0, XS_GET_QUOTA, "soft-memory"), 0);
	assert_string_equal(reply, "4711");
	assert_int_equal(control(c, "help"), 0);
	assert_non_null(strstr(reply, "live-update"));
	assert_int_equal(control(c, "live-update -s"), 0);
	assert_string_equal(reply, "OK");
}

struct quotas {
	char text[256];
};

static void list_quota(void *arg, const char *name, uint32_t domid, uint32_t value, bool soft)
{
	struct quotas *q = arg;
	size_t at = strlen(q->text);

	/* Common ones were all set before the test. */
	if (domid != STORE_QUOTA_ALL)
		snprintf(q->text + at, sizeof(q->text) - at, "%s %u %u %d;", name, domid, value, soft);
}

static void test_restore(void **state)
{
	struct perm perms[2] = { { .id = 3 }, { .id = 4, .access = WIRE_PERM_READ } };
	struct store_node n = { "/a", "v", 1, perms, 2 };
	struct conn *c = client(0), *g3 = client(3), *g4 = client(4);
	struct quotas q = { "" };
	struct store_walk *w;
	struct store_node out;
	unsigned nr = 0;

	watch(c, "/", "t");
	assert_int_equal(store_restore_node(&n), 0);
	n.path = "/a/b/c";
	assert_int_equal(store_restore_node(&n), ENOENT);
	n.path = "/a/b";
	assert_int_equal(store_restore_node(&n), 0);
	n.path = "/a//b";
	assert_int_equal(store_restore_node(&n), EINVAL);
	n.path = "a";
	assert_int_equal(store_restore_node(&n), EINVAL);
	n.path = "/a";
	n.nr_perms = 0;
	assert_int_equal(store_restore_node(&n), EINVAL);
	n.nr_perms = PERMS_MAX + 1;
	assert_int_equal(store_restore_node(&n), EINVAL);
	no_events(c);
	assert_int_equal(domain_find(3)->quota.use[QUOTA_NODES], 2);
	assert_get(g3, 0, "/a", "v");
	assert_get(g4, 0, "/a/b", "v");
	assert_int_equal(put(g4, 0, "/a", ""), EACCES);
	/* A picture of the tree does not change under the hand that draws it. */
	w = store_walk_open();
	rm(c, 0, "/a");
	put(c, 0, "/z", "");
	while (store_walk_next(w, &out)) {
		nr++;
		assert_string_not_equal(out.path, "/z");
	}
	store_walk_close(w);
	assert_int_equal(nr, 5); /* "/", /a, /a/b, /tool, /tool/xenstored */
	rm(c, 0, "/z");
	n.path = "/a";
	n.nr_perms = 1;
	assert_int_equal(store_restore_node(&n), 0);
	assert_int_equal(store_restore_rm("/a"), 0);
	assert_int_equal(store_restore_rm("/a"), 0);
	assert_int_equal(store_restore_rm("/a/"), EINVAL);
	assert_int_equal(store_restore_rm("/"), ENOENT);
	assert_int_equal(domain_find(3)->quota.use[QUOTA_NODES], 0);
	assert_int_equal(store_restore_quota("nodes", 3, 77, false), 0);
	assert_int_equal(store_restore_quota("memory", 3, 78, true), 0);
	assert_int_equal(store_restore_quota("none", 3, 78, true), EINVAL);
	assert_int_equal(store_restore_quota("nodes", 60, 78, true), ENOENT);
	store_each_quota(list_quota, &q);
	assert_string_equal(q.text, "nodes 3 77 0;memory 3 78 1;");
	/* An open transaction of a predecessor ends with EAGAIN, whatever it does. */
	assert_int_equal(store_restore_transaction(g3, 5, true), 0);
	assert_int_equal(store_restore_transaction(g3, 0, true), EINVAL);
	assert_int_equal(get(g3, 5, "/tool"), EACCES);
	assert_int_equal(end(g3, 5, true), EAGAIN);
	assert_int_equal(start(g3), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_privileged_only),   WORLD_TEST(test_introduce_release),
		WORLD_TEST(test_domain_path),	    WORLD_TEST(test_features),
		WORLD_TEST(test_quota_requests),    WORLD_TEST(test_node_quota),
		WORLD_TEST(test_memory_quota),	    WORLD_TEST(test_refusals_are_logged),
		WORLD_TEST(test_log_of_many),	    WORLD_TEST(test_deep_watches),
		WORLD_TEST(test_next_owner_of_id),  WORLD_TEST(test_death_costs_what_it_owned),
		WORLD_TEST(test_without_owned_set), WORLD_TEST(test_control),
		WORLD_TEST(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
