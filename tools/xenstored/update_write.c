/* The state of this daemon as a stream. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chores.h"
#include "conn_io.h"
#include "domain.h"
#include "hash.h"
#include "hyper.h"
#include "journal_format.h"
#include "perms.h"
#include "quota.h"
#include "store.h"
#include "stream.h"
#include "tree.h"
#include "update.h"
#include "watch.h"

struct writer {
	struct stream_out s;
	unsigned version;
	uint32_t conn_id, tx_id; /* whose records come now; 0: nobody's */
	/* quotas being collected */
	uint32_t domid;
	unsigned nr;
	uint32_t value[2 * QUOTA_TYPES];
	char name[2 * QUOTA_TYPES][32];
};

static void put_global(struct writer *w)
{
	stream_begin(&w->s, STREAM_GLOBAL);
	stream_put32(&w->s, (uint32_t)socket_listen_fd());
	stream_put32(&w->s, (uint32_t)hyper->keep_fd());
	stream_commit(&w->s);
	if (w->version < 2)
		return; /* for another's daemon: nothing it does not know */
	stream_begin(&w->s, STREAM_HOSPES_TREE);
	stream_put64(&w->s, tree_generation());
	stream_put64(&w->s, hash_answer_key().k0);
	stream_put64(&w->s, hash_answer_key().k1);
	stream_commit(&w->s);
}

static void collect_quota(void *arg, const char *name, uint32_t domid_or_all, uint32_t value, bool soft)
{
	struct writer *w = arg;

	if (domid_or_all != w->domid || w->nr == 2 * QUOTA_TYPES)
		return;
	w->value[w->nr] = value;
	strcpy(w->name[w->nr], soft ? "soft-" : "");
	strncat(w->name[w->nr++], name, 25);
}

static void put_quota_values(struct writer *w)
{
	for (unsigned i = 0; i < w->nr; i++)
		stream_put32(&w->s, w->value[i]);
	for (unsigned i = 0; i < w->nr; i++)
		stream_put(&w->s, w->name[i], strlen(w->name[i]) + 1);
}

static void put_quotas(struct writer *w)
{
	w->domid = STORE_QUOTA_ALL;
	w->nr = 0;
	store_each_quota(collect_quota, w);
	stream_begin(&w->s, STREAM_GLOBAL_QUOTA);
	stream_put16(&w->s, (uint16_t)w->nr);
	stream_put16(&w->s, 0);
	put_quota_values(w);
	stream_commit(&w->s);
}

/* What the documented records have no place for: lives, the shutdown that was told, where the ring is. */
static void put_domain(struct writer *w, const struct domain *d)
{
	struct journal_domain_record r = journal_domain_record(d);

	stream_begin(&w->s, STREAM_HOSPES_DOMAIN);
	stream_put16(&w->s, (uint16_t)d->id);
	stream_put16(&w->s, 0);
	stream_put32(&w->s, 0);
	stream_put(&w->s, &r, sizeof(r));
	stream_commit(&w->s);
}

static void put_domain_data(struct writer *w, const struct domain *d)
{
	w->domid = d->id;
	w->nr = 0;
	store_each_quota(collect_quota, w);
	stream_begin(&w->s, STREAM_DOMAIN);
	stream_put16(&w->s, (uint16_t)d->id);
	stream_put16(&w->s, (uint16_t)w->nr);
	stream_put32(&w->s, d->features);
	put_quota_values(w);
	stream_commit(&w->s);
}

static void put_watch(void *arg, const char *path, const char *token, int depth)
{
	struct writer *w = arg;
	size_t path_len = strlen(path) + 1, token_len = strlen(token) + 1;
	bool extended = depth >= 0 && w->version >= 2;

	stream_begin(&w->s, extended ? STREAM_WATCH_EXTENDED : STREAM_WATCH);
	stream_put32(&w->s, w->conn_id);
	stream_put16(&w->s, (uint16_t)path_len);
	stream_put16(&w->s, (uint16_t)token_len);
	if (extended) {
		stream_put16(&w->s, (uint16_t)depth);
		stream_put16(&w->s, 0);
	}
	stream_put(&w->s, path, path_len);
	stream_put(&w->s, token, token_len);
	stream_commit(&w->s);
}

static void put_transaction(void *arg, const struct store_tx *tx)
{
	struct writer *w = arg;

	stream_begin(&w->s, STREAM_TRANSACTION);
	stream_put32(&w->s, w->conn_id);
	stream_put32(&w->s, tx->id);
	stream_commit(&w->s);
}

static void put_conn(struct writer *w, const struct conn *c)
{
	const struct conn_io *io = c->io;
	const struct queue *q = &io->out;
	const struct domain *d = c->domain;
	size_t partial = queue_partial(q), len;
	char *out = queue_export(c, &len);

	if (!out)
		w->s.failed = true;
	w->conn_id = c->id;
	stream_begin(&w->s, STREAM_CONNECTION);
	stream_put32(&w->s, c->id);
	stream_put16(&w->s, c->kind == CONN_SOCKET ? STREAM_CONN_SOCKET : STREAM_CONN_RING);
	stream_put16(&w->s, 0);
	if (c->kind == CONN_SOCKET) {
		stream_put32(&w->s, (uint32_t)io->source.fd);
		stream_put32(&w->s, 0);
	} else {
		stream_put16(&w->s, (uint16_t)d->id);
		stream_put16(&w->s, d->target == ~0u ? STREAM_NO_DOMAIN : (uint16_t)d->target);
		stream_put32(&w->s, hyper->keep_fd() >= 0 ? io->port : d->port);
	}
	stream_put16(&w->s, (uint16_t)io->in_len);
	stream_put16(&w->s, partial ? (uint16_t)(q->items[q->first].len - partial) : 0);
	stream_put32(&w->s, (uint32_t)len);
	stream_put(&w->s, io->in, io->in_len);
	stream_put(&w->s, out, len);
	free(out);
	stream_commit(&w->s);
	store_each_watch(c, put_watch, w);
	store_each_transaction(c, put_transaction, w);
}

static bool goes_on(const struct conn_io *io)
{
	return !io->closing && (io->c->kind == CONN_SOCKET ? io->source.fd >= 0 : io->ring != NULL);
}

static void put_conns(struct writer *w, enum conn_kind kind)
{
	for (const struct conn_io *io = conn_first(); io; io = io->next)
		if (io->c->kind == kind && goes_on(io))
			put_conn(w, io->c);
	w->conn_id = 0;
}

/* Was the entry made for a domain that is no more? */
static bool stale(const struct perm *p)
{
	const struct domain *d;

	if (p->ignore || p->id == WIRE_DOMID_ANY || !p->unique)
		return false;
	d = domain_find(p->id);
	return !d || d->unique != p->unique;
}

/* Of the dead only an owner is shown to anybody. */
static bool left_out(const struct store_node *n, unsigned i)
{
	return i && stale(&n->perms[i]);
}

static void put_node(void *arg, const struct store_node *n)
{
	static const char letters[] = { 'n', 'r', 'w', 'b' };
	size_t path_len = strlen(n->path) + 1;
	struct writer *w = arg;
	unsigned nr = 0;

	for (unsigned i = 0; i < n->nr_perms; i++)
		nr += !left_out(n, i);
	stream_begin(&w->s, STREAM_NODE);
	stream_put32(&w->s, w->conn_id);
	stream_put32(&w->s, w->tx_id);
	stream_put16(&w->s, (uint16_t)path_len);
	stream_put16(&w->s, (uint16_t)n->len);
	stream_put16(&w->s, w->conn_id ? STREAM_NODE_WRITTEN : 0);
	stream_put16(&w->s, (uint16_t)nr);
	for (unsigned i = 0; i < n->nr_perms; i++) {
		const struct perm *p = &n->perms[i];
		const char perm[2] = { letters[p->access & 3], p->ignore || stale(p) ? STREAM_STALE : 0 };

		if (left_out(n, i))
			continue;
		stream_put(&w->s, perm, 2);
		stream_put16(&w->s, (uint16_t)p->id);
	}
	stream_put(&w->s, n->path, path_len);
	stream_put(&w->s, n->value, n->len);
	stream_commit(&w->s);
}

static void put_tx_request(void *arg, const struct store_tx_request *r)
{
	struct writer *w = arg;

	stream_put32(&w->s, r->type);
	stream_put32(&w->s, (uint32_t)r->len);
	stream_put64(&w->s, r->answer);
	stream_put(&w->s, r->body, r->len);
}

struct tx_writer {
	struct writer *w;
	struct conn *c;
};

static void put_tx(void *arg, const struct store_tx *tx)
{
	const struct tx_writer *t = arg;
	struct writer *w = t->w;

	w->tx_id = tx->id;
	stream_begin(&w->s, STREAM_HOSPES_TX);
	stream_put32(&w->s, t->c->id);
	stream_put32(&w->s, tx->id);
	stream_put32(&w->s, (tx->doomed ? STREAM_TX_DOOMED : 0) | (tx->failed ? STREAM_TX_FAILED : 0) |
				    (tx->snapshot ? STREAM_TX_SNAPSHOT : 0));
	stream_put32(&w->s, tx->refreshes);
	stream_put64(&w->s, tx->age);
	stream_put64(&w->s, tx->took);
	stream_put64(&w->s, (uint64_t)tx->nodes);
	stream_put64(&w->s, (uint64_t)tx->bytes);
	store_each_tx_request(t->c, tx->id, put_tx_request, w);
	stream_commit(&w->s);
	if (store_each_tx_node(t->c, tx->id, put_node, w))
		w->s.failed = true;
}

/* After the tree that their snapshots differ from. */
static void put_transactions(struct writer *w)
{
	for (const struct conn_io *io = conn_first(); io; io = io->next) {
		struct tx_writer t = { w, io->c };

		if (!goes_on(io))
			continue;
		w->conn_id = io->c->id;
		store_each_transaction(io->c, put_tx, &t);
	}
	w->conn_id = w->tx_id = 0;
}

static void put_special(void *arg, const char *name, const struct perms *ps)
{
	struct writer *w = arg;

	/* The classic daemon has two nodes of these names and no more. */
	if (ps && (w->version >= 2 || !strchr(name, '/')))
		put_node(w, &(struct store_node){ .path = name, .perms = ps->p, .nr_perms = ps->nr });
}

static int put_nodes(struct writer *w)
{
	struct store_walk *walk = store_walk_open();
	struct store_node n;

	if (!walk)
		return ENOMEM;
	while (store_walk_next(walk, &n))
		put_node(w, &n);
	store_walk_close(walk);
	watch_each_special(put_special, w);
	return 0;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno : EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int update_write(int fd, unsigned version)
{
	struct writer w = { .version = version };
	int err;

	chores_finish();
	conn_finish_guests();
	stream_start(&w.s, version);
	put_global(&w);
	if (version >= 2)
		put_quotas(&w);
	for (const struct domain *d = domain_first(); d && version >= 2; d = d->next)
		put_domain(&w, d);
	/* The classic daemon counts on domain 0's ring to come first. */
	put_conns(&w, CONN_KERNEL);
	put_conns(&w, CONN_GUEST);
	put_conns(&w, CONN_SOCKET);
	for (const struct domain *d = domain_first(); d && version >= 2; d = d->next)
		put_domain_data(&w, d);
	err = put_nodes(&w);
	if (version >= 2)
		put_transactions(&w);
	stream_begin(&w.s, STREAM_END);
	stream_commit(&w.s);
	if (!err)
		err = w.s.failed ? ENOMEM : write_all(fd, w.s.p, w.s.len);
	free(w.s.p);
	return err;
}
