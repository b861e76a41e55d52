/* Requests on nodes: bodies, paths, values, directories, permissions (sections 1 to 4 of the classic daemon's behaviour). */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/store.h"

static void test_unknown_types(void **state)
{
	struct conn *c = client(0), *g = client(1);

	assert_int_equal(ask(c, 0, XS_WATCH_EVENT, "/", 2), ENOSYS);
	assert_int_equal(ask(c, 0, XS_ERROR, "EINVAL", 7), ENOSYS);
	assert_int_equal(ask(c, 0, WIRE_RESTRICT_REMOVED, "1", 2), ENOSYS);
	assert_int_equal(ask(c, 0, 27, "1", 2), ENOSYS);
	assert_int_equal(ask(c, 0, XS_INVALID, "", 0), ENOSYS);
	assert_int_equal(ask(c, 0, UINT32_MAX, "", 0), ENOSYS);
	assert_int_equal(ask(g, 0, 128, "", 0), ENOSYS);
}

static void test_bodies(void **state)
{
	static const uint32_t one[] = { XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_MKDIR, XS_RM };
	struct conn *c = client(0);

	put(c, 0, "/p", "v");
	for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
		assert_int_equal(ask(c, 0, one[i], "/p", 2), EINVAL);
		assert_int_equal(ask(c, 0, one[i], "/p\0/p", 6), EINVAL);
		assert_int_equal(ask(c, 0, one[i], "", 0), EINVAL);
		assert_int_equal(ask(c, 0, one[i], "", 1), EINVAL);
	}
	/* WRITE needs the NUL of its path; what follows is the value, with no NUL added. */
	assert_int_equal(ask(c, 0, XS_WRITE, "/p", 2), EINVAL);
	assert_int_equal(ask(c, 0, XS_WRITE, "", 0), EINVAL);
	assert_int_equal(ask(c, 0, XS_WRITE, "/p\0a\0b\0", 7), 0);
	assert_memory_equal(reply, "OK", 3);
	assert_int_equal(reply_len, 3);
	assert_int_equal(get(c, 0, "/p"), 0);
	assert_int_equal(reply_len, 4);
	assert_memory_equal(reply, "a\0b\0", 4);
	assert_int_equal(ask(c, 0, XS_WRITE, "/p", 3), 0);
	assert_get(c, 0, "/p", "");
	assert_int_equal(ask_words(c, 0, XS_SET_PERMS, "/p"), EINVAL);
	assert_int_equal(ask(c, 0, XS_SET_PERMS, "/p\0n1", 5), EINVAL);
	assert_int_equal(ask(c, 0, XS_DIRECTORY_PART, "/p", 3), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_DIRECTORY_PART, "/p 0 0"), EINVAL);
	assert_int_equal(ask_words(c, 0, XS_DIRECTORY_PART, "/p x"), EINVAL);
}

static void test_largest_value(void **state)
{
	struct conn *c = client(0);
	char body[4096] = "/p";

	memset(body + 3, 'x', sizeof(body) - 3);
	assert_int_equal(ask(c, 0, XS_WRITE, body, sizeof(body)), 0);
	assert_int_equal(get(c, 0, "/p"), 0);
	assert_int_equal(reply_len, 4093);
}

static void test_paths(void **state)
{
	struct conn *c = client(0), *g = client(3);
	char path[3100];

	assert_int_equal(put(c, 0, "/a.b", ""), EINVAL);
	assert_int_equal(put(c, 0, "/a//b", ""), EINVAL);
	assert_int_equal(put(c, 0, "/a/", ""), EINVAL);
	assert_int_equal(put(c, 0, "/p/@x", "odd"), 0);
	assert_get(c, 0, "/p/@x", "odd");
	/* Special names are no nodes. */
	assert_int_equal(get(c, 0, "@releaseDomain"), EINVAL);
	assert_int_equal(put(c, 0, "@releaseDomain", ""), EINVAL);
	assert_int_equal(make_dir(c, 0, "@introduceDomain"), EINVAL);
	assert_int_equal(rm(c, 0, "@introduceDomain"), EINVAL);
	assert_int_equal(ls(c, 0, "@introduceDomain"), EINVAL);
	assert_int_equal(ls(c, 0, "/"), 0);
	assert_string_equal(reply, "p tool");
	/* Relative ones begin at home; a socket is domain 0. */
	assert_int_equal(put(c, 0, "data", "mine"), 0);
	assert_get(c, 0, "/local/domain/0/data", "mine");
	assert_int_equal(put(c, 0, "/local/domain/3", ""), 0);
	assert_int_equal(set_perms(c, 0, "/local/domain/3", "n3"), 0);
	assert_int_equal(put(g, 0, "data/x", "guest"), 0);
	assert_get(c, 0, "/local/domain/3/data/x", "guest");
	/* 3072 bytes absolute, 2048 relative; a guest's quota counts without the prefix of a home. */
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[3072] = '\0';
	assert_int_equal(get(c, 0, path), ENOENT);
	path[3072] = 'x';
	path[3073] = '\0';
	assert_int_equal(get(c, 0, path), EINVAL);
	path[2049] = '\0';
	assert_int_equal(get(g, 0, path), EINVAL);
	path[2048] = '\0';
	assert_int_equal(get(g, 0, path), EACCES);
	memset(path, 'x', sizeof(path));
	path[2048] = '\0';
	assert_int_equal(get(g, 0, path), ENOENT);
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "3 path-max 100"), 0);
	path[101] = '\0';
	assert_int_equal(get(g, 0, path), EINVAL);
	path[100] = '\0';
	assert_int_equal(get(g, 0, path), ENOENT);
	assert_int_equal(get(g, 0, "/local/domain/3/data/x"), 0);
}

static void test_create_and_remove(void **state)
{
	struct conn *c = client(0);

	assert_int_equal(get(c, 0, "/a"), ENOENT);
	assert_int_equal(put(c, 0, "/a/b/c", "v"), 0);
	assert_get(c, 0, "/a/b/c", "v");
	assert_get(c, 0, "/a/b", "");
	assert_int_equal(make_dir(c, 0, "/a/b/c"), 0);
	assert_get(c, 0, "/a/b/c", "v");
	assert_int_equal(make_dir(c, 0, "/m/n"), 0);
	assert_get(c, 0, "/m/n", "");
	assert_int_equal(ls(c, 0, "/a/b/c"), 0);
	assert_int_equal(reply_len, 0);
	put(c, 0, "/a/zz", "");
	put(c, 0, "/a/aa", "");
	assert_int_equal(ls(c, 0, "/a"), 0);
	assert_string_equal(reply, "aa b zz");
	/* A missing node whose parent exists is as good as removed. */
	assert_int_equal(rm(c, 0, "/a/none"), 0);
	assert_int_equal(rm(c, 0, "/none"), 0);
	assert_int_equal(rm(c, 0, "/a/none/none"), ENOENT);
	assert_int_equal(rm(c, 0, "/"), EINVAL);
	assert_int_equal(rm(c, 0, "/a"), 0);
	assert_int_equal(get(c, 0, "/a/b/c"), ENOENT);
	assert_int_equal(get(c, 0, "/a"), ENOENT);
	assert_int_equal(put(c, 0, "/", "root"), 0);
	assert_get(c, 0, "/", "root");
}

static void test_directory_too_big(void **state)
{
	struct conn *c = client(0);
	char path[64];

	for (int i = 0; i < 700; i++) {
		snprintf(path, sizeof(path), "/d/child%03d", i);
		assert_int_equal(put(c, 0, path, ""), 0);
	}
	assert_int_equal(ls(c, 0, "/d"), E2BIG);
	/* Just fitting: 4096 = 512 x 8. */
	for (int i = 0; i < 512; i++) {
		snprintf(path, sizeof(path), "/e/chil%03d", i);
		assert_int_equal(put(c, 0, path, ""), 0);
	}
	assert_int_equal(ls(c, 0, "/e"), 0);
	assert_int_equal(reply_len, 4096);
}

static int part(struct conn *c, uint32_t tx, const char *path, unsigned offset)
{
	char words[256];

	snprintf(words, sizeof(words), "%s %u", path, offset);
	return ask_words(c, tx, XS_DIRECTORY_PART, words);
}

static void test_directory_part(void **state)
{
	struct conn *c = client(0);
	char path[64], generation[32];
	unsigned offset = 0, names = 0;
	bool end = false;

	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "/d/child-%04d", i);
		assert_int_equal(put(c, 0, path, ""), 0);
	}
	while (!end) {
		size_t head, at;

		assert_int_equal(part(c, 0, "/d", offset), 0);
		assert_true(reply_len <= 4096);
		head = strlen(reply) + 1;
		if (!offset)
			strcpy(generation, reply);
		assert_string_equal(reply, generation);
		for (at = head; at < reply_len; at += strlen(reply + at) + 1) {
			if (!reply[at]) {
				assert_int_equal(at + 1, reply_len);
				end = true;
				break;
			}
			snprintf(path, sizeof(path), "child-%04u", names++);
			assert_string_equal(reply + at, path);
		}
		offset += (unsigned)(at - head);
	}
	assert_int_equal(names, 2000);
	/* Past the end there is only the empty name. */
	assert_int_equal(part(c, 0, "/d", offset + 1000), 0);
	assert_int_equal(reply_len, strlen(generation) + 2);
	assert_int_equal(part(c, 0, "/d/child-0000", 0), 0);
	assert_int_equal(reply_len, strlen(reply) + 2);
	assert_int_equal(part(c, 0, "/none", 0), ENOENT);
}

static uint64_t generation(struct conn *c, const char *path)
{
	assert_int_equal(part(c, 0, path, 0), 0);
	return strtoull(reply, NULL, 10);
}

static void test_generation(void **state)
{
	struct conn *c = client(0);
	uint64_t last, other;

	put(c, 0, "/d/a", "");
	put(c, 0, "/d/b/c", "");
	last = generation(c, "/d");
	other = generation(c, "/d/b");
#define CHANGES(what) \
	do { \
		assert_int_equal((what), 0); \
		assert_int_not_equal(generation(c, "/d"), last); \
		last = generation(c, "/d"); \
	} while (0)
	CHANGES(put(c, 0, "/d/x", ""));
	CHANGES(rm(c, 0, "/d/x"));
	CHANGES(put(c, 0, "/d", "v"));
	CHANGES(put(c, 0, "/d", "v"));
	CHANGES(set_perms(c, 0, "/d", "r0"));
	/* Of that node only. */
	assert_int_equal(put(c, 0, "/d/a", "v"), 0);
	assert_int_equal(put(c, 0, "/d/b/c", "v"), 0);
	assert_int_equal(put(c, 0, "/d/b/d", "v"), 0);
	assert_int_equal(generation(c, "/d"), last);
	assert_int_not_equal(generation(c, "/d/b"), other);
	assert_int_equal(make_dir(c, 0, "/d/a"), 0);
	assert_int_equal(generation(c, "/d"), last);
}

static void test_node_size(void **state)
{
	struct conn *c = client(0), *g = client(1);
	char value[4000];
	int n;

	put(c, 0, "/g", "");
	set_perms(c, 0, "/g", "n1");
	memset(value, 'x', sizeof(value));
	value[2028] = '\0';
	assert_int_equal(put(g, 0, "/g/v", value), ENOSPC);
	value[2015] = '\0';
	assert_int_equal(put(g, 0, "/g/v", value), 0);
	value[2015] = 'x';
	value[2016] = '\0';
	assert_int_equal(put(g, 0, "/g/v", value), ENOSPC);
	assert_int_equal(put(g, 0, "/g/v", "short"), 0);
	assert_int_equal(put(c, 0, "/g/v", value), 0);
	/* A guest's directory is full when its list of names reaches the same limit. */
	for (n = 0; n < 1000; n++) {
		char path[32];

		snprintf(path, sizeof(path), "/g/d/%d", n);
		if (put(g, 0, path, ""))
			break;
	}
	assert_in_range(n, 500, 620);
	/* What is over the limit can be made smaller. */
	assert_int_equal(ask_words(c, 0, XS_SET_QUOTA, "node-size 100"), 0);
	assert_int_equal(put(g, 0, "/g/d/new", ""), ENOSPC);
	assert_int_equal(rm(g, 0, "/g/d/0"), 0);
	assert_int_equal(put(g, 0, "/g/v", "0123456789"), 0);
}

static void test_inherited_permissions(void **state)
{
	struct conn *c = client(0), *g1 = client(1);

	client(2);
	put(c, 0, "/d", "");
	assert_int_equal(set_perms(c, 0, "/d", "n0 b1 r2"), 0);
	assert_int_equal(put(c, 0, "/d/dom0/x", ""), 0);
	assert_int_equal(get_perms(c, 0, "/d/dom0/x"), 0);
	assert_string_equal(reply, "n0 b1 r2");
	/* An unprivileged creator becomes the owner. */
	assert_int_equal(put(g1, 0, "/d/guest/x", ""), 0);
	assert_int_equal(get_perms(c, 0, "/d/guest"), 0);
	assert_string_equal(reply, "n1 b1 r2");
	assert_int_equal(get_perms(g1, 0, "/d/guest/x"), 0);
	assert_string_equal(reply, "n1 b1 r2");
	assert_int_equal(domain_find(1)->quota.use[QUOTA_NODES], 2);
}

static void test_matching(void **state)
{
	struct conn *c = client(0), *g1 = client(1), *g2 = client(2), *g3 = client(3);

	put(c, 0, "/p", "v");
	/* The first entry that matches decides, later ones do not add to it; the first of all is for others. */
	assert_int_equal(set_perms(c, 0, "/p", "r1 n2 b2"), 0);
	assert_int_equal(get(g1, 0, "/p"), 0);
	assert_int_equal(put(g1, 0, "/p", "w"), 0);
	assert_int_equal(get(g2, 0, "/p"), EACCES);
	assert_int_equal(get(g3, 0, "/p"), 0);
	assert_int_equal(put(g3, 0, "/p", "x"), EACCES);
	/* Write-only. */
	set_perms(c, 0, "/p", "n0 w3");
	assert_int_equal(get(g3, 0, "/p"), EACCES);
	assert_int_equal(get_perms(g3, 0, "/p"), EACCES);
	assert_int_equal(ls(g3, 0, "/p"), EACCES);
	assert_int_equal(put(g3, 0, "/p", "x"), 0);
	assert_int_equal(make_dir(g3, 0, "/p"), 0);
	assert_int_equal(rm(g3, 0, "/p"), 0);
	/* Readable below what is not; removable without a right to parent or children. */
	put(c, 0, "/q/r/s", "deep");
	set_perms(c, 0, "/q/r", "n0 b3");
	assert_int_equal(get(g3, 0, "/q"), EACCES);
	assert_int_equal(get(g3, 0, "/q/r"), 0);
	assert_int_equal(get(g3, 0, "/q/r/s"), EACCES);
	assert_int_equal(rm(g3, 0, "/q/r"), 0);
	assert_int_equal(get(c, 0, "/q/r/s"), ENOENT);
	/* Any domain. */
	put(c, 0, "/any", "v");
	assert_int_equal(set_perms(c, 0, "/any", "n0 n2 r32757"), 0);
	assert_int_equal(get(g1, 0, "/any"), 0);
	assert_int_equal(get(g2, 0, "/any"), EACCES);
}

static void test_hidden_existence(void **state)
{
	struct conn *c = client(0), *g = client(1);

	put(c, 0, "/secret/there", "v");
	put(c, 0, "/open", "");
	set_perms(c, 0, "/open", "r0");
	put(c, 0, "/drop", "");
	set_perms(c, 0, "/drop", "w0");
	assert_int_equal(get(g, 0, "/secret/there"), EACCES);
	assert_int_equal(get(g, 0, "/secret/missing"), EACCES);
	assert_int_equal(rm(g, 0, "/secret/missing"), EACCES);
	assert_int_equal(set_perms(g, 0, "/secret/missing", "n1"), EACCES);
	assert_int_equal(make_dir(g, 0, "/secret/missing"), EACCES);
	assert_int_equal(get(g, 0, "/open/missing/deep"), ENOENT);
	assert_int_equal(put(g, 0, "/open/missing", ""), EACCES);
	assert_int_equal(rm(g, 0, "/open/missing"), EACCES);
	assert_int_equal(get(g, 0, "/drop/missing"), EACCES);
	assert_int_equal(rm(g, 0, "/drop/missing"), 0);
	assert_int_equal(rm(g, 0, "/drop/missing/deep"), ENOENT);
	assert_int_equal(rm(g, 0, "/"), EACCES);
	assert_int_equal(put(g, 0, "/", ""), EACCES);
	assert_int_equal(put(g, 0, "/new", ""), EACCES);
}

static void test_set_perms(void **state)
{
	struct conn *c = client(0), *g = client(1);

	client(2);
	put(c, 0, "/g", "");
	assert_int_equal(set_perms(c, 0, "/g", "x1"), EINVAL);
	assert_int_equal(set_perms(c, 0, "/g", "r"), EINVAL);
	assert_int_equal(set_perms(c, 0, "/g", "r1 r"), EINVAL);
	assert_int_equal(set_perms(c, 0, "/g", "r70000"), EINVAL);
	assert_int_equal(set_perms(c, 0, "/g", "n7"), ENOENT);
	assert_int_equal(set_perms(c, 0, "/g", "n32757"), ENOENT);
	assert_int_equal(set_perms(c, 0, "/none", "n1"), ENOENT);
	assert_int_equal(set_perms(c, 0, "/g", "n0 b1"), 0);
	/* May do everything, but is not the owner. */
	assert_int_equal(set_perms(g, 0, "/g", "b1"), EACCES);
	assert_int_equal(set_perms(c, 0, "/g", "n1"), 0);
	assert_int_equal(set_perms(g, 0, "/g", "n2"), EPERM);
	assert_int_equal(set_perms(g, 0, "/g", "r1 b2"), 0);
	assert_int_equal(get_perms(g, 0, "/g"), 0);
	assert_string_equal(reply, "r1 b2");
	/* At most five entries for a guest. */
	assert_int_equal(set_perms(g, 0, "/g", "r1 b2 b3 b4 b5"), 0);
	assert_int_equal(set_perms(g, 0, "/g", "r1 b2 b3 b4 b5 b6"), ENOSPC);
	assert_int_equal(set_perms(c, 0, "/g", "r1 b2 b3 b4 b5 b6"), 0);
	/* Ids that do not exist may be listed. */
	assert_int_equal(get_perms(c, 0, "/g"), 0);
	assert_string_equal(reply, "r1 b2 b3 b4 b5 b6");
}

static void test_reborn_id(void **state)
{
	struct conn *c = client(0), *g;

	put(c, 0, "/p", "v");
	put(c, 0, "/early", "v");
	assert_int_equal(set_perms(c, 0, "/early", "n0 b5"), 0); /* before there is a domain 5 */
	g = client(5);
	assert_int_equal(get(g, 0, "/early"), EACCES);
	assert_int_equal(set_perms(c, 0, "/p", "n0 b5"), 0);
	assert_int_equal(get(g, 0, "/p"), 0);
	domain_kill(5);
	g = client(5);
	assert_int_equal(get(g, 0, "/p"), EACCES);
	assert_int_equal(get_perms(c, 0, "/p"), 0);
	assert_string_equal(reply, "n0");
	/* Nor by a later write, nor by inheritance. */
	put(c, 0, "/p", "w");
	put(c, 0, "/p/child", "w");
	put(c, 0, "/early/child", "w");
	assert_int_equal(get(g, 0, "/p"), EACCES);
	assert_int_equal(get(g, 0, "/p/child"), EACCES);
	assert_int_equal(get(g, 0, "/early/child"), EACCES);
	set_perms(c, 0, "/p", "n0 r5");
	assert_int_equal(get(g, 0, "/p"), 0);
}

static void test_domain_death(void **state)
{
	struct conn *c = client(0), *g = client(1), *h = client(2);

	put(c, 0, "/h", "");
	set_perms(c, 0, "/h", "n1 b2");
	put(g, 0, "/h/mine/deep", "1");
	put(h, 0, "/h/mine/deep/other", "2");
	set_perms(g, 0, "/h/mine/deep", "n1");
	assert_int_equal(put(h, 0, "/h/mine/deep/no", "2"), EACCES);
	put(c, 0, "/elsewhere/x/y", "");
	set_perms(c, 0, "/elsewhere/x/y", "n1");
	put(c, 0, "/kept", "");
	set_perms(c, 0, "/kept", "n0 r1");
	assert_int_equal(domain_find(2)->quota.use[QUOTA_NODES], 1);
	watch(c, "/", "t");
	domain_kill(1);
	assert_int_equal(get(c, 0, "/h"), ENOENT);
	assert_int_equal(get(c, 0, "/elsewhere/x/y"), ENOENT);
	assert_int_equal(get(c, 0, "/elsewhere/x"), 0);
	assert_int_equal(domain_find(2)->quota.use[QUOTA_NODES], 0);
	assert_string_equal(events(c), "/elsewhere/x/y t, /h t");
	assert_int_equal(get_perms(c, 0, "/kept"), 0);
	assert_string_equal(reply, "n0");
}

static void test_target(void **state)
{
	struct conn *c = client(0), *stub = client(1);

	client(2);
	put(c, 0, "/t", "v");
	set_perms(c, 0, "/t", "n2");
	assert_int_equal(get(stub, 0, "/t"), EACCES);
	assert_int_equal(ask_words(stub, 0, XS_SET_TARGET, "1 2"), EACCES);
	assert_int_equal(ask_words(c, 0, XS_SET_TARGET, "1 2"), 0);
	assert_int_equal(get(stub, 0, "/t"), 0);
	assert_int_equal(put(stub, 0, "/t", "w"), 0);
	assert_int_equal(set_perms(stub, 0, "/t", "r2"), 0);
	/* The target's next life is somebody else. */
	put(c, 0, "/u", "v");
	domain_kill(2);
	client(2);
	set_perms(c, 0, "/u", "n0 r2");
	assert_int_equal(get(stub, 0, "/u"), EACCES);
	assert_int_equal(ask_words(c, 0, XS_SET_TARGET, "1 2"), 0);
	assert_int_equal(get(stub, 0, "/u"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_unknown_types),	    WORLD_TEST(test_bodies),
		WORLD_TEST(test_largest_value),	    WORLD_TEST(test_paths),
		WORLD_TEST(test_create_and_remove), WORLD_TEST(test_directory_too_big),
		WORLD_TEST(test_directory_part),    WORLD_TEST(test_generation),
		WORLD_TEST(test_node_size),	    WORLD_TEST(test_inherited_permissions),
		WORLD_TEST(test_matching),	    WORLD_TEST(test_hidden_existence),
		WORLD_TEST(test_set_perms),	    WORLD_TEST(test_reborn_id),
		WORLD_TEST(test_domain_death),	    WORLD_TEST(test_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
