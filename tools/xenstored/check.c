/* Does the store agree with itself? */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "domain.h"
#include "live.h"
#include "owned.h"
#include "trace.h"

/* What the walk counts for each domain met. */
struct tally {
	uint32_t id;
	int64_t nodes;
};

struct check {
	struct tally *tallies;
	unsigned nr, room;
	int faults;
};

static void fault(struct check *k, const char *path, const char *what)
{
	if (k->faults++ < 20)
		notice("check: %s: %s", path, what);
}

static bool tally(struct check *k, uint32_t id)
{
	for (unsigned i = 0; i < k->nr; i++)
		if (k->tallies[i].id == id) {
			k->tallies[i].nodes++;
			return true;
		}
	if (k->nr == k->room) {
		unsigned room = k->room ? k->room * 2 : 16;
		struct tally *grown = realloc(k->tallies, room * sizeof(*grown));

		if (!grown)
			return false;
		k->tallies = grown;
		k->room = room;
	}
	k->tallies[k->nr++] = (struct tally){ .id = id, .nodes = 1 };
	return true;
}

static bool check_node(struct check *k, struct node *n, const struct node *parent, const char *path)
{
	const struct domain *owner = perms_owner(n->perms);

	if (!wire_path_valid(path, strlen(path), false))
		fault(k, path, "not a valid path");
	if (n->name_len != strlen(n->data))
		fault(k, path, "length of its name");
	if (tree_find(live_root(), path) != n)
		fault(k, path, "not found where it is");
	if (!node_check(n))
		fault(k, path, "children out of order or miscounted");
	if (!n->perms->nr)
		fault(k, path, "no permissions");
	if (owner && owner->owned && (!parent || perms_owner(parent->perms) != owner) && !owned_has(owner->owned, path))
		fault(k, path, "its owner would not find it");
	return !owner || tally(k, owner->id);
}

int store_check(void)
{
	struct tree_cursor *cur = tree_cursor_open(live_root(), "/");
	struct check k = { .faults = 0 };
	enum tree_step step;
	bool memory = cur;
	struct node *n;

	while (memory && (n = tree_cursor_next(cur, &step)))
		if (step == TREE_ENTER)
			memory = check_node(&k, n, tree_cursor_depth(cur) ? tree_cursor_parent(cur) : NULL,
					    tree_cursor_path(cur));
	if (cur)
		tree_cursor_close(cur);
	for (const struct domain *d = domain_first(); memory && d; d = d->next) {
		int64_t nodes = 0;

		if (domain_privileged(d))
			continue;
		for (unsigned i = 0; i < k.nr; i++)
			if (k.tallies[i].id == d->id)
				nodes = k.tallies[i].nodes;
		if (nodes == d->quota.use[QUOTA_NODES])
			continue;
		k.faults++;
		notice("check: domain %u owns %lld nodes, %lld are counted", d->id, (long long)nodes,
		       (long long)d->quota.use[QUOTA_NODES]);
	}
	free(k.tallies);
	return memory ? k.faults : -1;
}
