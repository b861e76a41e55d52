/* Large subtrees that were removed: their owners' counts, and the events of who watched inside. */
#include "removal.h"

#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "domain.h"
#include "live.h"
#include "owned.h"
#include "view.h"
#include "watch.h"

/* With no more nodes below it, it is not worth a chore. */
#define SMALL 8
/* Steps of the walk in one of the chore: each node has two. */
#define PER_STEP 28
#define PER_STEP_WATCHED 12 /* if somebody may have to be told */

struct removal {
	struct chore chore;
	struct node *top;
	struct tree_cursor *walk;
	char path[];
};

bool removal_large(const struct node *n)
{
	return tree_exceeds(n, SMALL);
}

struct removal *removal_new(const char *path)
{
	size_t len = strlen(path) + 1;
	struct removal *r = malloc(sizeof(*r) + len);

	if (!r)
		return NULL;
	*r = (struct removal){ .walk = tree_cursor_open(NULL, path) };
	if (!r->walk) {
		free(r);
		return NULL;
	}
	memcpy(r->path, path, len);
	return r;
}

void removal_of(struct removal *r, struct node *taken)
{
	r->top = taken;
	tree_cursor_reopen(r->walk, taken, r->path);
}

void removal_drop(struct removal *r)
{
	tree_put(r->top);
	tree_cursor_close(r->walk);
	free(r);
}

/* The live tree may have a node of that name again. */
static void settle(const struct node *n, const char *path)
{
	struct domain *d = perms_owner(n->perms);
	const struct node *now;

	if (!d)
		return;
	quota_charge(d, QUOTA_NODES, -1);
	quota_charge(d, QUOTA_MEMORY, -(int64_t)view_charge(n, strlen(path)));
	if (!d->owned || !d->owned->nr)
		return;
	now = tree_find(live_root(), path);
	if (!now || perms_owner(now->perms) != d)
		owned_remove(d->owned, path);
}

/* The root is not concerned, that was done when it went. Children come before their parents. True: that was all, and @r is no more. */
static bool walk_on(struct removal *r, bool tell)
{
	unsigned most = tell ? PER_STEP_WATCHED : PER_STEP;
	enum tree_step step;
	struct node *n;

	while (most-- && !chores_made() && (n = tree_cursor_next(r->walk, &step))) {
		const char *path = tree_cursor_path(r->walk);
		struct watch_perms ps = { .node = { n->perms } };

		if (step != TREE_LEAVE || !tree_cursor_depth(r->walk))
			continue;
		settle(n, path);
		ps.parent[0] = tree_cursor_parent(r->walk)->perms;
		if (tell)
			watch_fire_inside_guests(path, &ps);
	}
	if (tree_cursor_more(r->walk))
		return false;
	removal_drop(r);
	return true;
}

static bool removal_step(struct chore *c)
{
	struct removal *r = (struct removal *)c;

	return walk_on(r, watch_inside(r->path));
}

void removal_begin(struct removal *r)
{
	watch_fire_inside_privileged(r->path, r->top);
	r->chore.step = removal_step;
	chores_add(&r->chore);
}

void removal_settle(struct removal *r)
{
	while (!walk_on(r, false))
		;
}
