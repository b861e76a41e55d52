/* The tree by itself: against a plain model, shared and unshared, and what it weighs. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xenstored/chores.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/perms.h"
#include "tools/xenstored/tree.h"

static int grow_tree(struct node **root, const char *path, const char *value, size_t len, struct perms *ps)
{
	size_t known;

	tree_find_nearest(*root, path, &known);
	return tree_write(root, path, known, value, len, ps);
}

/* A model: paths with values, in no order. */
struct model {
	unsigned nr;
	struct {
		char path[64];
		char value[16];
	} e[4096];
};

static int model_find(const struct model *m, const char *path)
{
	for (unsigned i = 0; i < m->nr; i++)
		if (!strcmp(m->e[i].path, path))
			return (int)i;
	return -1;
}

static void model_write(struct model *m, const char *path, const char *value)
{
	char parent[64];
	char *slash;
	int i = model_find(m, path);

	if (i < 0) {
		assert_true(m->nr < 4096);
		i = (int)m->nr++;
		snprintf(m->e[i].path, sizeof(m->e[i].path), "%s", path);
	}
	snprintf(m->e[i].value, sizeof(m->e[i].value), "%s", value);
	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	*slash = '\0';
	if (slash > parent && model_find(m, parent) < 0)
		model_write(m, parent, "");
}

static void model_remove(struct model *m, const char *path)
{
	size_t len = strlen(path);

	for (unsigned i = 0; i < m->nr; i++)
		if (!strncmp(m->e[i].path, path, len) && (!m->e[i].path[len] || m->e[i].path[len] == '/'))
			m->e[i--] = m->e[--m->nr];
}

static void compare(struct node *root, const struct model *m)
{
	struct tree_cursor *cur = tree_cursor_open(root, "/");
	unsigned nr = 0, entered = 0, left = 0;
	enum tree_step step;
	struct node *n;

	while ((n = tree_cursor_next(cur, &step))) {
		const char *path = tree_cursor_path(cur);
		int i;

		assert_true(node_check(n));
		if (step == TREE_LEAVE) {
			left++;
			continue;
		}
		entered++;
		if (!path[1])
			continue;
		nr++;
		i = model_find(m, path);
		if (i < 0)
			fail_msg("%s should not be there", path);
		assert_int_equal(n->value_len, strlen(m->e[i].value));
		assert_memory_equal(node_value(n), m->e[i].value, n->value_len);
	}
	tree_cursor_close(cur);
	assert_int_equal(nr, m->nr);
	assert_int_equal(entered, left);
	for (unsigned i = 0; i < m->nr; i++)
		assert_non_null(tree_find(root, m->e[i].path));
}

static void random_path(char *buf, unsigned *seed)
{
	int depth = 1 + rand_r(seed) % 4;

	*buf = '\0';
	for (int i = 0; i < depth; i++)
		sprintf(buf + strlen(buf), "/%c%d", 'a' + rand_r(seed) % 3, rand_r(seed) % (i == 1 ? 90 : 4));
}

/* Changes of one version leave all others as they were, whatever is shared; failed allocations change nothing. */
static void test_random(void **state)
{
	static struct model models[4];
	struct node *roots[4] = { tree_new() };
	struct perm n0 = { 0 };
	struct perms *ps = perms_intern(&n0, 1);
	unsigned seed = 4711, failures = 0;
	char path[64], value[16];

	memset(models, 0, sizeof(models));
	for (int i = 1; i < 4; i++)
		roots[i] = tree_get(roots[0]);
	for (int round = 0; round < 30000; round++) {
		int i = rand_r(&seed) % 4, what = rand_r(&seed) % 100, err;

		random_path(path, &seed);
		snprintf(value, sizeof(value), "%.*d", rand_r(&seed) % 12, round);
		if (what < 3) {
			int from = rand_r(&seed) % 4;

			tree_get(roots[from]);
			tree_put(roots[i]);
			roots[i] = roots[from];
			if (i != from)
				memcpy(&models[i], &models[from], sizeof(models[i]));
			continue;
		}
		if (rand_r(&seed) % 4 == 0)
			fail_allocation(rand_r(&seed) % 8);
		if (what < 70) {
			err = grow_tree(&roots[i], path, value, strlen(value), ps);
			fail_allocation(-1);
			if (!err)
				model_write(&models[i], path, value);
		} else {
			err = tree_remove(&roots[i], path);
			fail_allocation(-1);
			assert_int_equal(err == ENOENT, model_find(&models[i], path) < 0);
			if (!err)
				model_remove(&models[i], path);
		}
		failures += err == ENOMEM;
		if (round % 500 == 0)
			for (int k = 0; k < 4; k++)
				compare(roots[k], &models[k]);
	}
	assert_true(failures > 1000);
	for (int k = 0; k < 4; k++) {
		compare(roots[k], &models[k]);
		tree_put(roots[k]);
	}
	perms_put(ps);
}

static void test_deep(void **state)
{
	struct conn *c = client(0);
	char path[3100];
	size_t at = 0;

	while (at + 2 <= 3072) {
		path[at++] = '/';
		path[at++] = 'x';
	}
	path[at] = '\0';
	assert_int_equal(put(c, 0, path, "bottom"), 0);
	assert_get(c, 0, path, "bottom");
	assert_int_equal(control(c, "check"), 0);
	assert_string_equal(reply, "OK");
	watch(c, path, "t");
	assert_int_equal(rm(c, 0, "/x"), 0);
	assert_int_equal(c->io->nr, 7); /* of which the watch has two, and its event */
	next_event(c);
	assert_int_equal(get(c, 0, "/x"), ENOENT);
}

static void test_weight(void **state)
{
	size_t before = tree_bytes(), perms_bytes;
	struct perm n0 = { 0 };
	struct perms *ps = perms_intern(&n0, 1);
	struct node *root = tree_new(), *snapshot;
	unsigned lists;
	char path[64];

	for (int i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/d%d/node-%05d", i / 1000, i % 1000);
		assert_int_equal(grow_tree(&root, path, "0123456789abcdef", 16, ps), 0);
	}
	/* 16 bytes of value and 11 of name, and malloc() adds at most 16 to each. */
	assert_true(tree_bytes() - before < 100000 * 84);
	perms_stats(&lists, &perms_bytes);
	assert_in_range(lists, 1, 3);
	/* A snapshot costs nothing, a change beside it the path to what changed. */
	before = tree_bytes();
	snapshot = tree_get(root);
	assert_int_equal(tree_bytes(), before);
	assert_int_equal(grow_tree(&root, "/d50/node-00500", "changed", 7, ps), 0);
	assert_true(tree_bytes() - before < 4000);
	assert_memory_equal(node_value(tree_find(snapshot, "/d50/node-00500")), "0123456789abcdef", 16);
	tree_put(snapshot);
	chores_finish();
	assert_true(tree_bytes() < before + 200);
	tree_put(root);
	perms_put(ps);
}

static void test_large_directory(void **state)
{
	struct perm n0 = { 0 };
	struct perms *ps = perms_intern(&n0, 1);
	struct node *root = tree_new(), *snapshot;
	char path[64], *names;
	size_t before, len;
	bool last;

	for (int i = 0; i < 10000; i++) {
		snprintf(path, sizeof(path), "/dir/%d", i * 7919 % 10000);
		assert_int_equal(grow_tree(&root, path, NULL, 0, ps), 0);
	}
	assert_int_equal(node_nr_children(tree_find(root, "/dir")), 10000);
	assert_true(node_check(tree_find(root, "/dir")));
	before = tree_bytes();
	snapshot = tree_get(root);
	assert_int_equal(grow_tree(&root, "/dir/5000x", NULL, 0, ps), 0);
	assert_int_equal(tree_remove(&root, "/dir/77"), 0);
	assert_true(tree_bytes() - before < 6000);
	assert_non_null(tree_find(snapshot, "/dir/77"));
	assert_null(tree_find(snapshot, "/dir/5000x"));
	len = node_names_len(tree_find(snapshot, "/dir"));
	names = malloc(len);
	node_names(tree_find(snapshot, "/dir"), names);
	/* From the middle of a name, and as much as fits. */
	assert_int_equal(node_names_part(tree_find(snapshot, "/dir"), 1, path, 8, &last), 6);
	assert_memory_equal(path, names + 1, 6);
	assert_false(last);
	assert_int_equal(node_names_part(tree_find(snapshot, "/dir"), len - 5, path, 8, &last), 5);
	assert_true(last);
	free(names);
	for (int i = 0; i < 10000; i++) {
		snprintf(path, sizeof(path), "/dir/%d", i * 7919 % 10000);
		assert_int_equal(tree_remove(&root, path), i * 7919 % 10000 == 77 ? ENOENT : 0);
	}
	assert_true(node_check(tree_find(root, "/dir")));
	tree_put(snapshot);
	tree_put(root);
	perms_put(ps);
}

static void test_cursor(void **state)
{
	struct conn *c = client(0);
	struct tree_cursor *cur;
	enum tree_step step;
	char seen[256] = "";
	struct node *n;

	put(c, 0, "/a/b/c", "");
	put(c, 0, "/a/d", "");
	cur = tree_cursor_open(tree_find(live_root(), "/a"), "/a");
	while ((n = tree_cursor_next(cur, &step)))
		sprintf(seen + strlen(seen), "%c%u%s ", step == TREE_ENTER ? '+' : '-', tree_cursor_depth(cur),
			tree_cursor_path(cur));
	assert_null(tree_cursor_next(cur, &step));
	tree_cursor_close(cur);
	assert_string_equal(seen, "+0/a +1/a/b +2/a/b/c -2/a/b/c -1/a/b +1/a/d -1/a/d -0/a ");
	seen[0] = '\0';
	cur = tree_cursor_open(tree_find(live_root(), "/a"), "/a");
	while ((n = tree_cursor_next(cur, &step))) {
		sprintf(seen + strlen(seen), "%s ", tree_cursor_path(cur));
		if (step == TREE_ENTER && tree_cursor_depth(cur) == 1)
			tree_cursor_skip(cur);
	}
	tree_cursor_close(cur);
	assert_string_equal(seen, "/a /a/b /a/b /a/d /a/d /a ");
}

static void test_generations_never_repeat(void **state)
{
	uint64_t next = tree_generation();

	/* Nor over restarts: they begin with the time. */
	assert_true(next >> 24 > 1600000000);
	tree_set_generation(next + 1000);
	assert_int_equal(tree_generation(), next + 1000);
	tree_set_generation(5);
	assert_int_equal(tree_generation(), next + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_random),	  WORLD_TEST(test_deep),   WORLD_TEST(test_weight),
		WORLD_TEST(test_large_directory), WORLD_TEST(test_cursor), WORLD_TEST(test_generations_never_repeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
