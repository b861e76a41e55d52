/*
 * Rewriting the journal with only what is alive, in slices of a fraction of a millisecond. The tree is a frozen picture;
 * everything else is written as it is when its turn comes. Then follow, copied, all groups the journal got since the picture was
 * taken: records set state rather than change it, so what was already in is not harmed by coming again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conn_io.h"
#include "domain.h"
#include "journal_file.h"
#include "journal_io.h"
#include "loop.h"
#include "perms.h"
#include "store.h"
#include "trace.h"
#include "watch.h"

/* One step is what a request may have to wait for: about as much as another request. */
#define NODES_PER_FRAME 12
#define IDS_PER_STEP 512
#define FREE_PER_STEP (128u << 10)
#define COPY_PER_STEP (8u << 10)

enum compact_step { STEP_IDLE, STEP_DOMAINS, STEP_QUOTAS, STEP_NODES, STEP_COPY, STEP_FREE };

static struct {
	enum compact_step step;
	struct journal_file file; /* the one being made; then, the old one being given back */
	char path[256], path_new[264];
	size_t from; /* groups of the old journal from here on are still to be copied */
	size_t tail; /* its end at the last step */
	uint32_t next_domain;
	struct store_walk *walk;
} compact = { .file.fd = -1 };

void compact_abandon(void)
{
	if (compact.step == STEP_IDLE)
		return;
	if (compact.walk)
		store_walk_close(compact.walk);
	compact.walk = NULL;
	journal_file_close(&compact.file);
	if (compact.step != STEP_FREE)
		unlink(compact.path_new);
	compact.step = STEP_IDLE;
}

static void put_watch(void *arg, const char *path, const char *token, int depth)
{
	journal_watch(arg, path, token, depth, true);
}

static void put_transaction(void *arg, const struct store_tx *tx)
{
	journal_transaction(arg, tx->id, true);
}

static void put_quota(void *arg, const char *name, uint32_t domid_or_all, uint32_t value, bool soft)
{
	journal_quota(name, domid_or_all, value, soft);
}

/* Who may see domains come and go. */
static void put_special(void *arg, const char *name, const struct perms *ps)
{
	if (ps)
		journal_node(name, "", 0, ps->p, ps->nr);
}

/* What is on its way out: the rest of a message that has begun, and whole replies. Events come anew after a restart. */
static void put_queue(const struct conn *c)
{
	const struct conn_io *io = c->io;
	const struct queue *q = &io->out;
	struct journal_output o = { .done = io->reply_done };
	size_t partial = queue_partial(q);

	if (io->ring)
		o.from = o.to = __atomic_load_n(&io->ring->rsp_prod, __ATOMIC_RELAXED);
	for (uint32_t i = q->first; i < q->nr; i++) {
		const struct queue_item *item = &q->items[i];

		if (i == q->first && partial) {
			o.rest = q->bytes + q->head;
			o.rest_len = item->len - (uint32_t)partial;
			o.rest_event = item->event;
			if (!item->event)
				o.done = item->hash;
		} else if (!item->event) {
			journal_reply(c, item->hash, q->bytes + q->head + (item->pos - q->pos), item->len);
		}
	}
	journal_output(c, &o);
}

static void put_domain(const struct domain *d)
{
	journal_domain(d);
	if (!d->conn)
		return;
	journal_reset(d->id);
	store_each_watch(d->conn, put_watch, d->conn);
	store_each_transaction(d->conn, put_transaction, d->conn);
	journal_input(d->conn);
	put_queue(d->conn);
}

static void step_domains(void)
{
	const struct domain *d = NULL;

	for (unsigned n = 0; n < IDS_PER_STEP && !d && compact.next_domain < WIRE_DOMID_FIRST_RESERVED; n++)
		d = domain_find(compact.next_domain++);
	if (d)
		put_domain(d);
	if (compact.next_domain == WIRE_DOMID_FIRST_RESERVED)
		compact.step = STEP_QUOTAS;
}

static void step_nodes(void)
{
	struct store_node n;

	for (unsigned i = 0; i < NODES_PER_FRAME; i++) {
		if (!store_walk_next(compact.walk, &n)) {
			store_walk_close(compact.walk);
			compact.walk = NULL;
			compact.step = STEP_COPY;
			return;
		}
		journal_node(n.path, n.value, n.len, n.perms, n.nr_perms);
	}
}

/* Copy groups as they are under new numbers. */
static void step_copy(void)
{
	const struct journal_file *old = journal_current();
	/* Faster than it grows, or there would be no end to it. */
	size_t most = COPY_PER_STEP + 2 * (old->tail - compact.tail);

	compact.tail = old->tail;
	for (size_t n = 0; old->fd >= 0 && compact.from < old->tail && n < most;) {
		const struct journal_frame *frame = (const void *)(old->map + compact.from);
		void *to;

		journal_file_begin(&compact.file);
		to = journal_file_append(&compact.file, frame->len);
		if (!to)
			return;
		memcpy(to, frame + 1, frame->len);
		journal_file_commit(&compact.file);
		compact.from += sizeof(*frame) + frame->len;
		n += frame->len;
	}
	if (old->fd >= 0 && compact.from < old->tail)
		return;
	if (rename(compact.path_new, compact.path)) {
		compact.file.failed = true;
		return;
	}
	journal_replace(&compact.file, compact.path);
	compact.step = compact.file.fd < 0 ? STEP_IDLE : STEP_FREE;
}

/* Pages of a large file go back a few at a time: all at once would be a pause as well. */
static void step_free(void)
{
	struct journal_file *f = &compact.file;
	size_t n = f->size < FREE_PER_STEP ? f->size : FREE_PER_STEP;

	f->size -= n;
	munmap(f->map + f->size, n);
	if (ftruncate(f->fd, (off_t)f->size) || !f->size) {
		if (f->size)
			munmap(f->map, f->size);
		close(f->fd);
		f->fd = -1;
		compact.step = STEP_IDLE;
	}
}

/* One piece of work. */
static void compact_one(void)
{
	if (compact.step == STEP_FREE) {
		step_free();
	} else if (compact.step == STEP_COPY) {
		step_copy();
	} else {
		journal_redirect(&compact.file);
		journal_begin(NULL);
		if (compact.step == STEP_DOMAINS) {
			step_domains();
		} else if (compact.step == STEP_QUOTAS) {
			store_each_quota(put_quota, NULL);
			watch_each_special(put_special, NULL);
			compact.step = STEP_NODES;
		} else {
			step_nodes();
		}
		journal_commit();
		journal_redirect(NULL);
	}
	if (compact.file.failed) {
		notice("the journal could not be rewritten: the old one goes on growing");
		compact_abandon();
	}
}

static bool compact_slice(void)
{
	if (compact.step != STEP_IDLE)
		compact_one();
	return compact.step != STEP_IDLE;
}

static int compact_begin(const char *path)
{
	int err;

	if (path != compact.path)
		snprintf(compact.path, sizeof(compact.path), "%s", path);
	snprintf(compact.path_new, sizeof(compact.path_new), "%s.new", compact.path);
	err = journal_file_create(&compact.file, compact.path_new);
	if (err)
		return err;
	compact.walk = store_walk_open();
	if (!compact.walk) {
		journal_file_close(&compact.file);
		unlink(compact.path_new);
		return ENOMEM;
	}
	compact.from = compact.tail = journal_current()->tail;
	compact.next_domain = 0;
	compact.step = STEP_DOMAINS;
	return 0;
}

void compact_start(const char *path)
{
	if (compact.step == STEP_IDLE && !compact_begin(path))
		loop_job(compact_slice);
}

int compact_now(const char *path)
{
	int err;

	compact_abandon();
	err = compact_begin(path);
	while (!err && compact.step != STEP_IDLE)
		compact_one();
	return err || journal_active() ? err : EIO;
}
