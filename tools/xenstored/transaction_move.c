/*
 * Transactions that go on in another daemon: the log as it is, and the snapshot as what differs from the live tree. Trees
 * share what is equal, so the differences are found without a look at the rest.
 */
#include <errno.h>
#include <string.h>

#include "live.h"
#include "store.h"
#include "transaction_log.h"

void transaction_each(const struct conn *c, void (*fn)(void *arg, const struct store_tx *tx), void *arg)
{
	for (const struct transaction *t = c->transactions; t; t = t->next)
		fn(arg, &(struct store_tx){ .id = t->id,
					    .doomed = t->doomed,
					    .failed = t->failed,
					    .snapshot = t->has_view,
					    .refreshes = t->refreshes,
					    .age = t->has_view ? live_version() - t->base : 0,
					    .took = store_clock() - t->began,
					    .nodes = t->has_view ? t->view.nodes : 0,
					    .bytes = t->has_view ? t->view.bytes : 0 });
}

void transaction_each_request(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_tx_request *r),
			      void *arg)
{
	const struct transaction *t = transaction_find(c, id);

	for (const struct record *rec = t ? t->first : NULL; rec; rec = rec->next)
		fn(arg, &(struct store_tx_request){
				.type = rec->type, .body = rec->body, .len = rec->len, .answer = rec->answer });
}

static void tell(const struct node *n, const char *path, void (*fn)(void *arg, const struct store_node *n), void *arg)
{
	fn(arg, &(struct store_node){ .path = path,
				      .value = node_value(n),
				      .len = n->value_len,
				      .perms = n->perms->p,
				      .nr_perms = n->perms->nr });
}

static bool same_node(const struct node *a, const struct node *b)
{
	return a->perms == b->perms && a->value_len == b->value_len &&
	       !memcmp(node_value(a), node_value(b), a->value_len);
}

/* What @a has and @b has not, or has otherwise; with @gone only the topmost that @b has not, as absent ones. */
static int differences(struct node *a, struct node *b, bool gone, void (*fn)(void *arg, const struct store_node *n),
		       void *arg)
{
	struct tree_cursor *cur = tree_cursor_open(a, "/");
	enum tree_step step;
	struct node *n, *other;

	if (!cur)
		return ENOMEM;
	while ((n = tree_cursor_next(cur, &step))) {
		const char *path = tree_cursor_path(cur);

		if (step != TREE_ENTER)
			continue;
		other = tree_find(b, path);
		if (other == n) {
			tree_cursor_skip(cur);
		} else if (gone && !other) {
			fn(arg, &(struct store_node){ .path = path });
			tree_cursor_skip(cur);
		} else if (!gone && (!other || !same_node(n, other))) {
			tell(n, path, fn, arg);
		}
	}
	tree_cursor_close(cur);
	return 0;
}

int transaction_each_node(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_node *n), void *arg)
{
	const struct transaction *t = transaction_find(c, id);
	int err;

	if (!t || !t->has_view)
		return 0;
	err = differences(live_root(), t->view.root, true, fn, arg);
	return err ? err : differences(t->view.root, live_root(), false, fn, arg);
}

/* Sums with it stay numbers. */
static bool within(int64_t n)
{
	return n > -((int64_t)1 << 48) && n < (int64_t)1 << 48;
}

int transaction_restore_state(struct conn *c, const struct store_tx *tx)
{
	struct transaction *t;
	int err = transaction_restore(c, tx->id, false);

	if (err)
		return err;
	t = transaction_find(c, tx->id);
	if (t->first || t->has_view || !within(tx->nodes) || !within(tx->bytes))
		return EINVAL;
	t->doomed = tx->doomed;
	t->failed = tx->failed;
	t->refreshes = tx->refreshes;
	t->began = store_clock() - tx->took;
	if (!tx->snapshot)
		return 0;
	transaction_view_begin(t, tree_get(live_root()), tx->age);
	t->view.nodes = tx->nodes;
	t->view.bytes = tx->bytes;
	return 0;
}

int transaction_restore_request(struct conn *c, uint32_t id, const struct store_tx_request *r)
{
	struct transaction *t = transaction_find(c, id);

	return t ? transaction_record(t, r->type, r->body, r->len, r->answer) : EINVAL;
}

int transaction_restore_node(struct conn *c, uint32_t id, const struct store_node *n, struct perms *ps)
{
	struct transaction *t = transaction_find(c, id);
	size_t before = tree_bytes(), known;
	int err;

	if (!t || !t->has_view)
		return EINVAL;
	tree_find_nearest(t->view.root, n->path, &known);
	if (!ps) {
		err = n->path[known] || !n->path[1] ? EINVAL : tree_remove(&t->view.root, n->path);
	} else if (n->path[known] && strchr(n->path + known + 1, '/')) {
		err = ENOENT;
	} else {
		err = tree_write(&t->view.root, n->path, known, n->value, n->len, ps);
		if (!err)
			err = tree_set_perms(&t->view.root, n->path, ps);
	}
	transaction_charge_pages(t, (int64_t)(tree_bytes() - before));
	return err;
}
