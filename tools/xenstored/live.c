/* The live tree: its version, its start and restoring, and the death of domains. */
#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chores.h"
#include "commit.h"
#include "conflict.h"
#include "domain.h"
#include "journal.h"
#include "owned.h"
#include "store.h"
#include "transaction.h"
#include "view.h"
#include "watch.h"

static struct {
	struct view view; /* on the live root; plain requests work here */
	uint64_t version;
} live;

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}
uint64_t (*store_clock)(void) = monotonic_ms;

struct node *live_root(void)
{
	return live.view.root;
}

struct view *live_view(const struct conn *c)
{
	live.view.c = c;
	return &live.view;
}

void live_install(struct node *root)
{
	struct node *old = live.view.root;

	live.view.root = root;
	tree_put(old);
	live_touch();
}

uint64_t live_version(void)
{
	return live.version;
}

void live_touch(void)
{
	live.version++;
	commit_touched();
	transactions_trim();
}

/*
 * A client that lists a directory in parts compares generations, maybe across our death: no life repeats those of another
 * unless it made more than 16 million changes in each second.
 */
static void start_generations(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ts.tv_sec > 0)
		tree_set_generation((uint64_t)ts.tv_sec << 24);
}

int store_init(void)
{
	struct node *root;
	int err;

	start_generations();
	root = tree_new();
	if (!root)
		return ENOMEM;
	view_init(&live.view, root, NULL, true);
	live.view.live = true;
	err = tree_write(&live.view.root, "/tool/xenstored", 1, NULL, 0, root->perms);
	live_touch();
	return err;
}

void store_exit(void)
{
	chores_finish();
	view_drop(&live.view);
	view_forget_making();
	chores_finish();
	watch_exit();
	conflict_exit();
}

void store_domain_new(struct domain *d)
{
	/* Without memory for the set, the domain's end costs a walk of the tree. */
	if (!domain_privileged(d))
		d->owned = owned_new();
	live_touch();
}

void store_fire_special(const char *name, uint32_t domid)
{
	watch_fire_special(name, domid);
	store_domain_forgotten(domid);
}

void store_domain_forgotten(uint32_t domid)
{
	const struct domain *d = domain_find(domid);

	if (!d || d->dead)
		watch_forget_special(domid);
}

static bool owned_by(const struct node *n, const struct domain *d)
{
	return n->perms->p[0].id == d->id && n->perms->p[0].unique == d->unique;
}

/* One node of a dead domain. Without memory it stays, owned by nobody who could come back. */
static void remove_owned(const char *path, const struct domain *d)
{
	struct node *n = tree_find(live.view.root, path);

	if (!n || !owned_by(n, d))
		return;
	if (view_remove(live_view(NULL), path))
		view_clear(&live.view);
	else
		view_emit(&live.view);
}

/* The set of owned paths could not be made or kept: look for them. */
static void remove_owned_slowly(const struct domain *d)
{
	struct owned *found = owned_new();
	struct owned_entry *e, *next;
	struct tree_cursor *cur = tree_cursor_open(live.view.root, "/");
	enum tree_step step;
	struct node *n;

	while (found && cur && (n = tree_cursor_next(cur, &step)))
		if (step == TREE_ENTER && owned_by(n, d)) {
			e = owned_entry_new(tree_cursor_path(cur));
			if (e)
				owned_insert(found, e);
			tree_cursor_skip(cur);
		}
	if (cur)
		tree_cursor_close(cur);
	for (e = found ? owned_take_all(found) : NULL; e; e = next) {
		next = e->next;
		remove_owned(e->path, d);
		free(e);
	}
	owned_free(found);
}

/* Nobody may act for the next domain of this id. */
static void forget_target(uint32_t id)
{
	for (struct domain *d = domain_first(); d; d = d->next)
		if (d->target == id) {
			d->target = ~0u;
			journal_domain(d);
		}
}

void store_domain_gone(struct domain *d)
{
	struct owned_entry *e, *next;

	d->dead = true;
	if (domain_privileged(d))
		return;
	conflict_author(NULL);
	journal_begin(NULL);
	if (!d->owned)
		remove_owned_slowly(d);
	for (e = d->owned ? owned_take_all(d->owned) : NULL; e; e = next) {
		next = e->next;
		remove_owned(e->path, d);
		free(e);
	}
	owned_free(d->owned);
	d->owned = NULL;
	forget_target(d->id);
	d->quota.use[QUOTA_NODES] = 0;
	d->quota.use[QUOTA_MEMORY] = 0;
	live_touch();
	journal_commit();
}

/*
 * State out.
 */

struct store_walk {
	struct node *root; /* a reference keeps the picture */
	struct tree_cursor *cur;
};

struct store_walk *store_walk_open(void)
{
	struct store_walk *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	w->cur = tree_cursor_open(live.view.root, "/");
	if (!w->cur) {
		free(w);
		return NULL;
	}
	w->root = tree_get(live.view.root);
	return w;
}

bool store_walk_next(struct store_walk *w, struct store_node *out)
{
	enum tree_step step;
	struct node *n;

	do {
		n = tree_cursor_next(w->cur, &step);
	} while (n && step != TREE_ENTER);
	if (!n)
		return false;
	*out = (struct store_node){
		.path = tree_cursor_path(w->cur),
		.value = node_value(n),
		.len = n->value_len,
		.perms = n->perms->p,
		.nr_perms = n->perms->nr,
	};
	return true;
}

void store_walk_close(struct store_walk *w)
{
	if (!w)
		return;
	tree_cursor_close(w->cur);
	tree_put(w->root);
	free(w);
}

void store_each_quota(void (*fn)(void *arg, const char *name, uint32_t domid_or_all, uint32_t value, bool soft),
		      void *arg)
{
	for (int soft = 0; soft < 2; soft++)
		for (enum quota_type i = 0; i < QUOTA_TYPES; i++) {
			struct domain *d = NULL;

			do {
				if (quota_is_own(d, i, soft))
					fn(arg, quota_name(i), d ? d->id : STORE_QUOTA_ALL,
					   soft ? quota_soft_limit(d, i) : quota_limit(d, i), soft);
				d = d ? d->next : domain_first();
			} while (d);
		}
}

/*
 * State in.
 */

/* Entries of a stream carry no life: they are meant for the domain that has the id now. */
static struct perms *restore_perms(const struct perm *p, unsigned nr)
{
	struct perm copy[PERMS_MAX];

	if (!nr || nr > PERMS_MAX)
		return NULL;
	for (unsigned i = 0; i < nr; i++) {
		const struct domain *d = domain_find(p[i].id);

		memset(&copy[i], 0, sizeof(copy[i]));
		copy[i].id = p[i].id;
		copy[i].access = p[i].access & (WIRE_PERM_READ | WIRE_PERM_WRITE);
		copy[i].ignore = p[i].ignore;
		copy[i].unique = p[i].unique;
		if (!p[i].unique && !p[i].ignore && d && !domain_privileged(d))
			copy[i].unique = d->unique;
	}
	return perms_intern(copy, nr);
}

int store_restore_node(const struct store_node *n)
{
	struct perms *ps;
	size_t known;
	int err;

	if (!n->nr_perms || n->nr_perms > PERMS_MAX || n->len > UINT16_MAX || n->path[0] != '/' ||
	    !wire_path_valid(n->path, strlen(n->path), false))
		return EINVAL;
	tree_find_nearest(live.view.root, n->path, &known);
	if (n->path[known] && strchr(n->path + known + 1, '/'))
		return ENOENT;
	ps = restore_perms(n->perms, n->nr_perms);
	if (!ps)
		return ENOMEM;
	err = view_restore(live_view(NULL), n->path, n->value, n->len, ps);
	perms_put(ps);
	live_touch();
	return err;
}

int store_restore_chain(const struct store_node *n)
{
	size_t known = strlen(n->path);
	int err = 0;

	if (n->path[0] == '/' && wire_path_valid(n->path, known, false))
		tree_find_nearest(live.view.root, n->path, &known);
	for (const char *at = n->path + known; *at && !err && (at = strchr(at + 1, '/'));) {
		struct store_node above = { .perms = n->perms, .nr_perms = n->nr_perms };
		char path[XENSTORE_ABS_PATH_MAX + 1];

		memcpy(path, n->path, (size_t)(at - n->path));
		path[at - n->path] = '\0';
		above.path = path;
		err = store_restore_node(&above);
	}
	return err ? err : store_restore_node(n);
}

int store_restore_rm(const char *path)
{
	int err;

	if (path[0] != '/' || !wire_path_valid(path, strlen(path), false))
		return EINVAL;
	err = view_remove(live_view(NULL), path);
	if (err)
		view_clear(&live.view);
	else
		view_settle(&live.view);
	live_touch();
	return err == ENOENT && path[1] ? 0 : err;
}

int store_restore_watch(struct conn *c, const char *path, const char *token, int depth)
{
	int err;

	if (!wire_path_valid(path, strlen(path), true))
		return EINVAL;
	err = watch_add(c, path, token, depth);
	return err == EEXIST ? 0 : err;
}

int store_restore_unwatch(struct conn *c, const char *path, const char *token)
{
	int err = watch_remove(c, path, token);

	return err == ENOENT ? 0 : err;
}

void store_fire_all_watches(struct conn *c)
{
	watch_fire_all(c);
}

int store_restore_quota(const char *name, uint32_t domid_or_all, uint32_t value, bool soft)
{
	struct domain *d = NULL;
	bool named_soft;
	int type = quota_find(name, &named_soft);

	if (type < 0)
		return EINVAL;
	if (domid_or_all != STORE_QUOTA_ALL) {
		d = domain_find(domid_or_all);
		if (!d)
			return ENOENT;
	}
	quota_set(d, (enum quota_type)type, soft || named_soft, value);
	return 0;
}

void store_each_transaction(const struct conn *c, void (*fn)(void *arg, const struct store_tx *tx), void *arg)
{
	transaction_each(c, fn, arg);
}

void store_each_tx_request(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_tx_request *r),
			   void *arg)
{
	transaction_each_request(c, id, fn, arg);
}

int store_each_tx_node(struct conn *c, uint32_t id, void (*fn)(void *arg, const struct store_node *n), void *arg)
{
	return transaction_each_node(c, id, fn, arg);
}

int store_restore_transaction(struct conn *c, uint32_t id, bool doomed)
{
	return transaction_restore(c, id, doomed);
}

int store_restore_tx(struct conn *c, const struct store_tx *tx)
{
	return transaction_restore_state(c, tx);
}

int store_restore_tx_request(struct conn *c, uint32_t id, const struct store_tx_request *r)
{
	return r->len <= XENSTORE_PAYLOAD_MAX ? transaction_restore_request(c, id, r) : EINVAL;
}

int store_restore_tx_node(struct conn *c, uint32_t id, const struct store_node *n)
{
	struct perms *ps;
	int err;

	if (n->len > UINT16_MAX || n->path[0] != '/' || !wire_path_valid(n->path, strlen(n->path), false))
		return EINVAL;
	if (!n->nr_perms)
		return transaction_restore_node(c, id, n, NULL);
	ps = restore_perms(n->perms, n->nr_perms);
	if (!ps)
		return n->nr_perms > PERMS_MAX ? EINVAL : ENOMEM;
	err = transaction_restore_node(c, id, n, ps);
	perms_put(ps);
	return err;
}

int store_restore_tx_end(struct conn *c, uint32_t id)
{
	transaction_end(c, id, false);
	return 0;
}

void store_each_watch(const struct conn *c, void (*fn)(void *arg, const char *path, const char *token, int depth),
		      void *arg)
{
	watch_each(c, fn, arg);
}
