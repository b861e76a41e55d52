/*
 * Records of a journal back into state. The tree, watches and quotas take each record at once. What was on its way
 * through a ring is collected per domain: only with the last record is it known, and only from the ring's own indices which of the last
 * two states it was in when the daemon died.
 */
#include "recover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn_io.h"
#include "domain.h"
#include "hyper.h"
#include "journal_format.h"
#include "journal_io.h"
#include "options.h"
#include "perms.h"
#include "store.h"
#include "trace.h"
#include "watch.h"

#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

struct saved_reply {
	struct saved_reply *next;
	uint32_t number, len;
	char data[];
};

struct saved_output {
	struct journal_output_record r;
	char *rest;
	uint32_t rest_len;
};

/* One ring's traffic. */
struct saved_ring {
	struct journal_input_record in;
	bool has_in;
	char *partial;
	uint32_t partial_len;
	struct saved_output out, before; /* the last, and the one before it: which holds depends on rsp_prod */
	bool has_out;
	struct saved_reply *replies, **last;
};

/* A record's payload, taken from the front. */
struct cut {
	const char *p;
	size_t len;
};

struct saved_part {
	struct saved_part *next;
	struct cut rest; /* in the journal's mapping */
};

static struct {
	struct saved_ring *ring[WIRE_DOMID_FIRST_RESERVED];
	struct saved_part *parts, **last_part;
	uint64_t parts_number;
} saved = { .last_part = &saved.parts };

static void parts_forget(void)
{
	struct saved_part *p;

	while ((p = saved.parts)) {
		saved.parts = p->next;
		free(p);
	}
	saved.last_part = &saved.parts;
}

static const void *take(struct cut *r, size_t len)
{
	const char *p = r->p;

	if (len > r->len)
		return NULL;
	r->p += len;
	r->len -= len;
	return p;
}

/* A NUL-terminated string that ends within the record. */
static const char *take_string(struct cut *r)
{
	const char *end = memchr(r->p, '\0', r->len);

	return end ? take(r, (size_t)(end - r->p) + 1) : NULL;
}

static bool copy_bytes(char **to, uint32_t *len, const struct cut *r)
{
	char *p = NULL;

	if (r->len > MESSAGE_MAX)
		return false;
	if (r->len) {
		p = malloc(r->len);
		if (!p)
			return false;
		memcpy(p, r->p, r->len);
	}
	free(*to);
	*to = p;
	*len = (uint32_t)r->len;
	return true;
}

static void ring_clear(struct saved_ring *s)
{
	struct saved_reply *next;

	for (struct saved_reply *r = s->replies; r; r = next) {
		next = r->next;
		free(r);
	}
	free(s->partial);
	free(s->out.rest);
	free(s->before.rest);
	*s = (struct saved_ring){ .last = &s->replies };
}

static struct saved_ring *ring_of(uint32_t domid)
{
	struct saved_ring *s;

	if (domid >= WIRE_DOMID_FIRST_RESERVED)
		return NULL;
	s = saved.ring[domid];
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->last = &s->replies;
		saved.ring[domid] = s;
	}
	return s;
}

static void ring_forget(uint32_t domid)
{
	if (domid >= WIRE_DOMID_FIRST_RESERVED || !saved.ring[domid])
		return;
	ring_clear(saved.ring[domid]);
	free(saved.ring[domid]);
	saved.ring[domid] = NULL;
}

static int recover_node(struct cut *r)
{
	const struct journal_node_record *n = take(r, sizeof(*n));
	const struct journal_perm_record *p;
	struct perm few[16], *perms = few;
	const char *path;
	int err;

	if (!n)
		return EINVAL;
	p = take(r, n->nr_perms * sizeof(*p));
	path = take_string(r);
	if (!p || !path || strlen(path) + 1 != n->path_len || r->len != n->value_len || !n->nr_perms)
		return EINVAL;
	if (n->nr_perms > 16) {
		perms = calloc(n->nr_perms, sizeof(*perms));
		if (!perms)
			return ENOMEM;
	}
	for (unsigned i = 0; i < n->nr_perms; i++)
		perms[i] = (struct perm){
			.id = p[i].id, .access = p[i].access, .ignore = p[i].ignore, .unique = p[i].unique
		};
	for (unsigned i = 0; i < n->nr_perms; i++)
		domain_unique_used(p[i].unique);
	if (path[0] == '@')
		err = watch_set_special_perms(path, perms, n->nr_perms);
	else
		err = store_restore_chain(&(struct store_node){
			.path = path, .value = r->p, .len = r->len, .perms = perms, .nr_perms = n->nr_perms });
	if (perms != few)
		free(perms);
	return err;
}

static int recover_watch(struct cut *r, struct domain *d, bool add)
{
	const struct journal_watch_record *w = take(r, sizeof(*w));
	const char *path, *token;

	if (!w || !(path = take_string(r)) || !(token = take_string(r)))
		return EINVAL;
	if (!d || !d->conn)
		return 0; /* already gone: an older record came again */
	return add ? store_restore_watch(d->conn, path, token, w->depth) : store_restore_unwatch(d->conn, path, token);
}

static int recover_tx(struct cut *r, struct domain *d, bool open)
{
	const struct journal_tx_record *t = take(r, sizeof(*t));

	if (!t)
		return EINVAL;
	if (!d || !d->conn)
		return 0;
	return open ? store_restore_transaction(d->conn, t->id, true) : store_restore_tx_end(d->conn, t->id);
}

static int recover_domain(struct cut *r, uint32_t domid)
{
	const struct journal_domain_record *j = take(r, sizeof(*j));
	struct domain *d;

	if (!j)
		return EINVAL;
	d = domain_restore(domid, j->unique);
	if (!d)
		return EINVAL;
	journal_domain_restore(d, j);
	d->introduced = j->introduced;
	if (d->introduced && !d->conn)
		d->conn = conn_new(domid == options.own_domid ? CONN_KERNEL : CONN_GUEST, d, 0);
	return d->introduced && !d->conn ? ENOMEM : 0;
}

static int recover_quota(struct cut *r)
{
	const struct journal_quota_record *q = take(r, sizeof(*q));
	const char *name;

	if (!q || !(name = take_string(r)))
		return EINVAL;
	return store_restore_quota(name, q->domid_or_all, q->value, q->soft);
}

static int recover_input(struct cut *r, struct saved_ring *s)
{
	const struct journal_input_record *i = take(r, sizeof(*i));

	if (!i || !s || !copy_bytes(&s->partial, &s->partial_len, r))
		return EINVAL;
	s->in = *i;
	s->has_in = true;
	/* Whoever read on had written before. */
	s->out.r.from = s->out.r.to;
	return 0;
}

static int recover_reply(struct cut *r, struct saved_ring *s)
{
	const struct journal_reply_record *n = take(r, sizeof(*n));
	struct saved_reply *reply;

	if (!n || !s || r->len < sizeof(struct xsd_sockmsg) || r->len > MESSAGE_MAX)
		return EINVAL;
	for (reply = s->replies; reply; reply = reply->next)
		if (reply->number == n->number)
			return 0;
	reply = malloc(sizeof(*reply) + r->len);
	if (!reply)
		return ENOMEM;
	reply->next = NULL;
	reply->number = n->number;
	reply->len = (uint32_t)r->len;
	memcpy(reply->data, r->p, r->len);
	*s->last = reply;
	s->last = &reply->next;
	return 0;
}

static int recover_output(struct cut *r, struct saved_ring *s)
{
	const struct journal_output_record *o = take(r, sizeof(*o));
	struct saved_reply *reply;

	if (!o || !s || r->len > MESSAGE_MAX)
		return EINVAL;
	free(s->before.rest);
	s->before = s->out;
	s->out = (struct saved_output){ .r = *o };
	if (!copy_bytes(&s->out.rest, &s->out.rest_len, r))
		return ENOMEM;
	s->has_out = true;
	s->in.cons_page = s->in.cons; /* input is acknowledged before answers go out */
	/* Replies both states agree on as sent. */
	while ((reply = s->replies) && (int32_t)(reply->number - s->before.r.done) <= 0) {
		s->replies = reply->next;
		free(reply);
		if (!s->replies)
			s->last = &s->replies;
	}
	return 0;
}

static int recover_record(const struct journal_record *head, struct cut r)
{
	struct domain *d = domain_find(head->domid);

	switch (head->type) {
	case JOURNAL_NODE:
		return recover_node(&r);
	case JOURNAL_RM:
		return memchr(r.p, '\0', r.len) ? store_restore_rm(r.p) : EINVAL;
	case JOURNAL_WATCH:
	case JOURNAL_UNWATCH:
		return recover_watch(&r, d, head->type == JOURNAL_WATCH);
	case JOURNAL_TX_OPEN:
	case JOURNAL_TX_CLOSE:
		return recover_tx(&r, d, head->type == JOURNAL_TX_OPEN);
	case JOURNAL_DOMAIN:
		return recover_domain(&r, head->domid);
	case JOURNAL_DOMAIN_GONE:
		ring_forget(head->domid);
		domain_unrestore(head->domid);
		watch_forget_special(head->domid);
		return 0;
	case JOURNAL_QUOTA:
		return recover_quota(&r);
	case JOURNAL_RESET:
		ring_forget(head->domid);
		if (d && d->conn)
			domain_restore_reset(d);
		return 0;
	case JOURNAL_INPUT:
		return recover_input(&r, ring_of(head->domid));
	case JOURNAL_REPLY:
		return recover_reply(&r, ring_of(head->domid));
	case JOURNAL_OUTPUT:
		return recover_output(&r, ring_of(head->domid));
	default:
		return EINVAL;
	}
}

/* Groups that are parts of a larger one stay where they are in the file until that is whole, or begun again. */
static int part_keep(uint64_t number, struct cut rest)
{
	struct saved_part *p = malloc(sizeof(*p));

	if (number != saved.parts_number)
		parts_forget();
	saved.parts_number = number;
	if (!p)
		return ENOMEM;
	*p = (struct saved_part){ .rest = rest };
	*saved.last_part = p;
	saved.last_part = &p->next;
	return 0;
}

static int parts_apply(uint64_t number)
{
	struct saved_part *p, *next, *first = saved.parts;
	int bad = number == saved.parts_number ? 0 : EINVAL, err;

	/* A part has none itself. */
	saved.parts = NULL;
	saved.last_part = &saved.parts;
	saved.parts_number = 0;
	for (p = first; p; p = next) {
		next = p->next;
		err = bad == EINVAL ? 0 : recover_group(p->rest.p, p->rest.len);
		if (err)
			bad = err;
		free(p);
	}
	return bad;
}

/* Of a record of that type. */
static bool part_number(const struct journal_record *head, const char *p, enum journal_type type, uint64_t *number)
{
	if (head->type != type || head->len != sizeof(struct journal_part_record))
		return false;
	memcpy(number, p, sizeof(*number));
	return true;
}

int recover_group(const void *body, size_t len)
{
	struct cut all = { body, len };
	uint64_t number;
	int bad = 0;

	while (all.len) {
		const struct journal_record *head = take(&all, sizeof(*head));
		const char *p = head ? take(&all, journal_pad(head->len)) : NULL;
		int err;

		if (!p)
			return EINVAL;
		if (part_number(head, p, JOURNAL_PART, &number))
			return part_keep(number, all);
		if (part_number(head, p, JOURNAL_PARTS, &number))
			err = parts_apply(number);
		else
			err = recover_record(head, (struct cut){ p, head->len });
		if (err)
			bad = err;
	}
	return bad;
}

static void resume_input(struct conn *c, struct saved_ring *s)
{
	struct conn_io *io = c->io;
	struct xenstore_domain_interface *r = io->ring;
	uint32_t page = __atomic_load_n(&r->req_cons, __ATOMIC_ACQUIRE);
	uint32_t prod = __atomic_load_n(&r->req_prod, __ATOMIC_ACQUIRE);

	/* Killed after the group was written and before the guest was told that its bytes were taken. */
	if (page == s->in.cons_page && prod - s->in.cons <= XENSTORE_RING_SIZE)
		__atomic_store_n(&r->req_cons, page = s->in.cons, __ATOMIC_RELEASE);
	io->cons = io->cons_page = page;
	if (!s->partial_len)
		return;
	io->in = malloc(MESSAGE_MAX);
	if (!io->in)
		return;
	io->in_size = MESSAGE_MAX;
	memcpy(io->in, s->partial, s->partial_len);
	io->in_len = s->partial_len;
}

static void resume_output(struct conn *c, struct saved_ring *s)
{
	uint32_t page = __atomic_load_n(&c->io->ring->rsp_prod, __ATOMIC_ACQUIRE);
	struct saved_output *o = &s->out;

	/* Killed after the record and before the guest could see the bytes: as if they had not been sent. */
	if (o->r.from != o->r.to && page == o->r.from)
		o = &s->before;
	c->io->reply_number = c->io->reply_done = o->r.done;
	if (o->rest_len)
		queue_restore_rest(c, o->rest, o->rest_len, o->r.rest_event, o->r.done);
	for (struct saved_reply *r = s->replies; r; r = r->next) {
		if ((int32_t)(r->number - o->r.done) <= 0)
			continue;
		queue_restore(c, r->data, r->len, false, r->number);
		c->io->reply_number = r->number;
	}
}

/* A gathered message must still be one: its header, once it is whole, decides how much more is read. */
static bool partial_valid(const struct saved_ring *s)
{
	struct xsd_sockmsg h;

	if (s->partial_len < sizeof(h))
		return true;
	memcpy(&h, s->partial, sizeof(h));
	return h.len <= XENSTORE_PAYLOAD_MAX && s->partial_len < sizeof(h) + h.len;
}

static void resume(struct domain *d)
{
	struct saved_ring *s = saved.ring[d->id];
	int err = domain_attach(d, ~0u, 0);

	if (err) {
		notice("the ring of domain %u cannot be reached after the restart: %s", d->id, strerror(err));
		/* A guest stays introduced without one: its end will be told. */
		conn_destroy(d->conn);
		d->conn = NULL;
		d->introduced = d->id != options.own_domid;
		return;
	}
	if (s && partial_valid(s)) {
		if (s->has_in)
			resume_input(d->conn, s);
		resume_output(d->conn, s);
	}
	store_fire_all_watches(d->conn);
	conn_ready(d->conn->io);
	d->conn->io->notify = true;
	conn_list_add(d->conn->io, LIST_DIRTY);
}

void recover_finish(void)
{
	struct domain *next;

	parts_forget();
	for (struct domain *d = domain_first(); d; d = next) {
		struct hyper_domain info = { .exists = false };

		next = d->next;
		if (d->introduced && d->conn && !hyper->domain_info(d->id, &info) && info.exists && !info.dying &&
		    (!d->hyper_unique || !info.unique || d->hyper_unique == info.unique))
			resume(d);
	}
	for (uint32_t id = 0; id < WIRE_DOMID_FIRST_RESERVED; id++)
		ring_forget(id);
}
