/* The world around the store proper. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xenstored/chores.h"
#include "tools/xenstored/commit.h"
#include "tools/xenstored/conflict.h"
#include "tools/xenstored/control.h"
#include "tools/xenstored/domain.h"
#include "tools/xenstored/journal.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/request.h"
#include "tools/xenstored/store.h"
#include "tools/xenstored/trace.h"
#include "tools/xenstored/update.h"
#include "tools/xenstored/watch.h"

#define DOMAINS 64
#define CLIENTS 1024

char reply[8192];
size_t reply_len;
uint32_t reply_type;
uint64_t fake_now;
unsigned notices, journal_groups;
char last_notice[1024];
bool trace_on, journal_off;

struct record {
	char *path;
	char *value;
	size_t len;
	struct perm *perms;
	unsigned nr_perms;
};

static struct {
	struct domain *domains[DOMAINS];
	bool exists[DOMAINS];
	struct domain *known;
	uint64_t next_unique;
	struct conn *clients[CLIENTS];
	unsigned nr_clients;
	struct record *records;
	unsigned nr_records;
	int depth; /* of journal groups */
	int fail_at;
	unsigned allocations;
	char text[65536];
} world = { .fail_at = -1 };

/*
 * Allocations that fail on demand.
 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool fails(void)
{
	world.allocations++;
	return world.fail_at >= 0 && world.fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

unsigned fail_allocation(int n)
{
	unsigned before = world.allocations;

	world.fail_at = n;
	world.allocations = 0;
	return before;
}

/* What the tests themselves need never fails. */
static void *grow(void *p, size_t size)
{
	p = __real_realloc(p, size);
	assert_non_null(p);
	return p;
}

static void *copy_of(const void *data, size_t len)
{
	char *p = grow(NULL, len + 1);

	if (len)
		memcpy(p, data, len);
	p[len] = '\0';
	return p;
}

/*
 * Connections.
 */

static void message(struct conn *c, uint32_t type, uint32_t req, uint32_t tx, const void *data, size_t len)
{
	struct conn_io *io = c->io;

	if (io->closed)
		return;
	if (io->nr == io->room) {
		io->room = io->room ? io->room * 2 : 16;
		io->messages = grow(io->messages, io->room * sizeof(*io->messages));
	}
	io->messages[io->nr++] = (struct message){ type, req, tx, len, copy_of(data, len) };
}

void conn_reply(struct conn *c, uint32_t type, uint32_t req, uint32_t tx, const void *data, size_t len)
{
	if (len > XENSTORE_PAYLOAD_MAX)
		conn_error(c, req, tx, E2BIG);
	else
		message(c, type, req, tx, data, len);
}

void conn_error(struct conn *c, uint32_t req, uint32_t tx, int err)
{
	const char *name = wire_error_name(err);

	message(c, XS_ERROR, req, tx, name, strlen(name) + 1);
}

void conn_event(struct conn *c, const char *path, const char *token)
{
	size_t path_len = strlen(path) + 1, token_len = strlen(token) + 1;
	char *body;

	if (c->io->close_after && !--c->io->close_after) {
		c->io->closed = true;
		request_drop_state(c);
		return;
	}
	if (path_len + token_len > XENSTORE_PAYLOAD_MAX)
		return;
	body = grow(NULL, path_len + token_len);
	memcpy(body, path, path_len);
	memcpy(body + path_len, token, token_len);
	message(c, XS_WATCH_EVENT, 0, 0, body, path_len + token_len);
	free(body);
}

void conn_work(unsigned units)
{
}

bool conn_takes_events(const struct conn *c)
{
	return !c->io->closed;
}

static bool event_of(void *arg, const char *path, const char *token)
{
	conn_event(arg, path, token);
	return true;
}

void conn_owe(struct conn *c, struct change *ch)
{
	struct owed o = { .change = ch, .upto = watch_newest(c) };

	/* Without memory the daemon lets the client go. */
	if (!ch)
		return;
	assert_true(owed_events(c, &o, event_of, c));
}

void conn_close(struct conn *c, uint32_t ring_error)
{
	c->io->closed = true;
}

bool conn_privileged(const struct conn *c)
{
	return domain_privileged(c->domain);
}

struct conn *client(uint32_t domid)
{
	struct conn *c = copy_of("", 0);

	domain_make(domid);
	c = grow(c, sizeof(*c));
	memset(c, 0, sizeof(*c));
	c->io = grow(NULL, sizeof(*c->io));
	memset(c->io, 0, sizeof(*c->io));
	c->domain = domain_get(domid);
	c->kind = domid ? CONN_GUEST : CONN_SOCKET;
	c->id = world.nr_clients + 1;
	if (domid) {
		c->domain->conn = c;
		c->domain->introduced = true;
	}
	assert_true(world.nr_clients < CLIENTS);
	world.clients[world.nr_clients++] = c;
	return c;
}

void client_close(struct conn *c)
{
	request_drop_state(c);
	conflict_forget(c);
	for (unsigned i = 0; i < c->io->nr; i++)
		free(c->io->messages[i].data);
	free(c->io->messages);
	free(c->io);
	for (unsigned i = 0; i < world.nr_clients; i++)
		if (world.clients[i] == c)
			world.clients[i] = NULL;
	if (c->domain->conn == c)
		c->domain->conn = NULL;
	free(c);
}

/*
 * Domains.
 */

bool domain_privileged(const struct domain *d)
{
	return !d->id;
}

struct domain *domain_find(uint32_t id)
{
	return id < DOMAINS ? world.domains[id] : NULL;
}

struct domain *domain_first(void)
{
	return world.known;
}

struct domain *domain_get(uint32_t id)
{
	struct domain *d = domain_find(id);

	if (d || id >= DOMAINS || !world.exists[id])
		return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->id = id;
	d->unique = ++world.next_unique;
	d->target = ~0u;
	d->features = DOMAIN_FEATURES;
	d->next = world.known;
	world.known = d;
	world.domains[id] = d;
	store_domain_new(d);
	return d;
}

void domain_make(uint32_t domid)
{
	world.exists[domid] = true;
}

/* As domain.c does it: first its connection, then its state, then the event. */
static void forget(struct domain *d)
{
	struct domain **at;

	d->dead = true;
	if (d->conn) {
		request_drop_state(d->conn);
		d->conn->io->closed = true;
	}
	store_domain_gone(d);
	for (at = &world.known; *at != d; at = &(*at)->next)
		;
	*at = d->next;
	world.domains[d->id] = NULL;
	for (unsigned i = 0; i < world.nr_clients; i++)
		if (world.clients[i] && world.clients[i]->domain == d)
			client_close(world.clients[i]);
}

void domain_kill(uint32_t domid)
{
	struct domain *d = domain_find(domid);

	world.exists[domid] = false;
	if (!d)
		return;
	forget(d);
	store_fire_special("@releaseDomain", domid);
	chores_finish();
	free(d);
}

int domain_introduce(uint32_t id, uint64_t gfn, uint32_t port)
{
	struct domain *d = domain_get(id);

	if (!d)
		return ENOENT;
	if (d->introduced)
		return 0;
	d->introduced = true;
	store_fire_special("@introduceDomain", id);
	return 0;
}

int domain_release(uint32_t id)
{
	struct domain *d = domain_find(id);

	if (!d || !d->introduced)
		return ENOENT;
	forget(d);
	store_fire_special("@releaseDomain", id);
	free(d);
	return 0;
}

int domain_resume(uint32_t id)
{
	return domain_is_introduced(id) ? 0 : ENOENT;
}

int domain_set_target(uint32_t id, uint32_t target)
{
	if (!domain_is_introduced(id) || !domain_is_introduced(target))
		return ENOENT;
	domain_find(id)->target = target;
	return 0;
}

bool domain_is_introduced(uint32_t id)
{
	return !id || id == WIRE_DOMID_SELF || (domain_find(id) && domain_find(id)->introduced);
}

/*
 * The journal.
 */

/* Only parts that end up whole would be kept, so what is in them is left out until then. */
static struct {
	bool open;
	uint64_t number;
	struct part {
		char *path, *value;
		size_t len;
		struct perm *perms;
		unsigned nr_perms;
	} * parts;
	unsigned nr;
} large;

void journal_begin(struct conn *c)
{
	world.depth++;
	journal_groups++;
}

void journal_commit(void)
{
	assert_true(world.depth > 0);
	world.depth--;
	large.open = false;
}

static void parts_forget(void)
{
	for (unsigned i = 0; i < large.nr; i++) {
		free(large.parts[i].path);
		free(large.parts[i].value);
		free(large.parts[i].perms);
	}
	free(large.parts);
	large.parts = NULL;
	large.nr = 0;
}

static void part_add(struct part p)
{
	large.parts = grow(large.parts, (large.nr + 1) * sizeof(p));
	large.parts[large.nr++] = p;
}

void journal_part(uint64_t number)
{
	assert_true(world.depth > 0);
	if (number != large.number)
		parts_forget();
	large.number = number;
	large.open = true;
}

void journal_parts(uint64_t number)
{
	assert_true(number == large.number && !large.open);
	for (unsigned i = 0; i < large.nr; i++) {
		const struct part *p = &large.parts[i];

		if (p->perms)
			journal_node(p->path, p->value, p->len, p->perms, p->nr_perms);
		else
			journal_rm(p->path);
	}
	parts_forget();
}

uint64_t journal_life(void)
{
	return 1;
}

void journal_abandon(void)
{
	assert_true(world.depth > 0);
}

static struct record *record_find(const char *path)
{
	for (unsigned i = 0; i < world.nr_records; i++)
		if (!strcmp(world.records[i].path, path))
			return &world.records[i];
	return NULL;
}

void journal_node(const char *path, const void *value, size_t len, const struct perm *perms, unsigned nr_perms)
{
	struct record *r;
	char *parent;

	assert_true(world.depth > 0);
	if (*path == '@' || journal_off)
		return; /* permissions of a special name */
	if (large.open) {
		part_add((struct part){ .path = copy_of(path, strlen(path)),
					.value = copy_of(value, len),
					.len = len,
					.perms = copy_of(perms, nr_perms * sizeof(*perms)),
					.nr_perms = nr_perms });
		return;
	}
	parent = copy_of(path, strlen(path));
	*strrchr(parent, '/') = '\0';
	if (*parent && strcmp(parent, "/tool") && !record_find(parent))
		journal_node(parent, NULL, 0, perms, nr_perms); /* made with it */
	free(parent);
	r = record_find(path);
	if (!r) {
		world.records = grow(world.records, (world.nr_records + 1) * sizeof(*r));
		r = &world.records[world.nr_records++];
		memset(r, 0, sizeof(*r));
		r->path = copy_of(path, strlen(path));
	}
	free(r->value);
	r->value = copy_of(value, len);
	r->len = len;
	free(r->perms);
	r->perms = copy_of(perms, nr_perms * sizeof(*perms));
	r->nr_perms = nr_perms;
}

void journal_rm(const char *path)
{
	size_t len = strlen(path);

	assert_true(world.depth > 0);
	if (large.open) {
		part_add((struct part){ .path = copy_of(path, len) });
		return;
	}
	for (unsigned i = 0; i < world.nr_records && !journal_off; i++) {
		struct record *r = &world.records[i];

		if (strncmp(r->path, path, len) || (r->path[len] && r->path[len] != '/'))
			continue;
		free(r->path);
		free(r->value);
		free(r->perms);
		*r = world.records[--world.nr_records];
		i--;
	}
}

void journal_watch(const struct conn *c, const char *path, const char *token, int depth, bool add)
{
	assert_true(world.depth > 0);
}

void journal_transaction(const struct conn *c, uint32_t id, bool open)
{
	assert_true(world.depth > 0);
}

void journal_domain(const struct domain *d)
{
}

void journal_quota(const char *name, uint32_t domid_or_all, uint32_t value, bool soft)
{
	assert_true(world.depth > 0);
}

/* Every node but those of a fresh store was journalled, and nothing else was. */
static void journal_check(void)
{
	struct store_walk *w = store_walk_open();
	struct store_node n;
	unsigned seen = 0;

	assert_non_null(w);
	while (store_walk_next(w, &n)) {
		const struct record *r = record_find(n.path);

		if (!r) {
			if (strcmp(n.path, "/") && strcmp(n.path, "/tool") && strcmp(n.path, "/tool/xenstored"))
				fail_msg("%s is not in the journal", n.path);
			continue;
		}
		seen++;
		assert_int_equal(r->len, n.len);
		assert_memory_equal(r->value, n.value, n.len);
		assert_int_equal(r->nr_perms, n.nr_perms);
		for (unsigned i = 0; i < n.nr_perms; i++) {
			assert_int_equal(r->perms[i].id, n.perms[i].id);
			assert_int_equal(r->perms[i].access, n.perms[i].access);
			assert_int_equal(r->perms[i].unique, n.perms[i].unique);
		}
	}
	store_walk_close(w);
	assert_int_equal(seen, world.nr_records);
}

/*
 * Log, update, clock.
 */

void notice(const char *fmt, ...)
{
	va_list args;

	notices++;
	va_start(args, fmt);
	vsnprintf(last_notice, sizeof(last_notice), fmt, args);
	va_end(args);
}

int trace_set(bool on)
{
	trace_on = on;
	return 0;
}

int trace_open(const char *path)
{
	trace_on = path;
	return path && path[0] != '/' ? EINVAL : 0;
}

void update_control(struct conn *c, uint32_t req, uint32_t tx, const char *args, size_t len)
{
	conn_reply(c, XS_CONTROL, req, tx, "OK", 3);
}

static uint64_t fake_clock(void)
{
	return fake_now;
}

/*
 * Tests.
 */

int world_setup(void **state)
{
	fake_now = 1000000;
	store_clock = fake_clock;
	notices = 0;
	trace_on = false;
	assert_int_equal(store_init(), 0);
	domain_make(0);
	assert_non_null(domain_get(0));
	for (int i = 0; i < QUOTA_TYPES; i++) {
		/* Common limits survive a store; back to what they are at the start. */
		static uint32_t defaults[QUOTA_TYPES], soft[QUOTA_TYPES];
		static bool known;

		if (!known) {
			for (enum quota_type t = 0; t < QUOTA_TYPES; t++) {
				defaults[t] = quota_limit(NULL, t);
				soft[t] = quota_soft_limit(NULL, t);
			}
			known = true;
		}
		quota_set(NULL, (enum quota_type)i, false, defaults[i]);
		quota_set(NULL, (enum quota_type)i, true, soft[i]);
	}
	return 0;
}

/* Nobody may be charged for anything then. */
static void remove_everything(void)
{
	struct conn *c = client(0);
	char names[8192], path[4096];

	assert_int_equal(ask(c, 0, XS_DIRECTORY, "/", 2), 0);
	memcpy(names, reply, reply_len + 1);
	for (size_t at = 0, len = reply_len; at < len; at += strlen(names + at) + 1) {
		snprintf(path, sizeof(path), "/%s", names + at);
		assert_int_equal(rm(c, 0, path), 0);
	}
	set_perms(c, 0, "/", "n0");
	client_close(c);
	world.nr_clients = 0;
}

int world_teardown(void **state)
{
	struct domain *d;

	fail_allocation(-1);
	assert_int_equal(world.depth, 0);
	assert_int_equal(store_check(), 0);
	journal_check();
	for (unsigned i = 0; i < world.nr_clients; i++)
		if (world.clients[i])
			client_close(world.clients[i]);
	world.nr_clients = 0;
	remove_everything();
	for (d = world.known; d; d = d->next)
		for (enum quota_type t = QUOTA_NODES; t <= QUOTA_MEMORY; t++)
			assert_int_equal(d->quota.use[t], 0);
	for (uint32_t i = 1; i < DOMAINS; i++)
		domain_kill(i);
	assert_int_equal(store_check(), 0);
	journal_check();
	free(world.domains[0]);
	world.domains[0] = NULL;
	world.known = NULL;
	store_exit();
	assert_int_equal(tree_bytes(), 0);
	for (unsigned i = 0; i < world.nr_records; i++) {
		free(world.records[i].path);
		free(world.records[i].value);
		free(world.records[i].perms);
	}
	free(world.records);
	world.records = NULL;
	world.nr_records = 0;
	parts_forget();
	return 0;
}

void (*between_steps)(void);

int ask(struct conn *c, uint32_t tx, uint32_t type, const void *body, size_t len)
{
	static uint32_t next_id = 100;
	struct xsd_sockmsg h = { .type = type, .req_id = ++next_id, .tx_id = tx, .len = (uint32_t)len };
	char *exact = grow(NULL, len ? len : 1); /* so that ASan sees every byte read too many */
	const struct message *m = NULL;
	unsigned first = c->io->nr;

	if (len)
		memcpy(exact, body, len);
	do {
		request_handle(c, &h, exact);
		while (c->again && commit_waits()) {
			commit_step();
			if (between_steps)
				between_steps();
		}
		chores_finish();
	} while (c->again);
	free(exact);
	chores_finish();
	assert_int_equal(world.depth, 0);
	for (unsigned i = first; i < c->io->nr; i++)
		if (c->io->messages[i].type != XS_WATCH_EVENT) {
			assert_null(m); /* one answer */
			m = &c->io->messages[i];
		}
	if (c->io->closed && !m)
		return EIO;
	assert_non_null(m);
	assert_int_equal(m->req, h.req_id);
	assert_int_equal(m->tx, tx);
	reply_type = m->type;
	reply_len = m->len;
	memcpy(reply, m->data, m->len);
	reply[m->len] = '\0';
	if (m->type == XS_ERROR)
		return wire_error_number(m->data, m->len);
	assert_int_equal(m->type, type);
	return 0;
}

int put(struct conn *c, uint32_t tx, const char *path, const char *value)
{
	size_t len = (size_t)snprintf(world.text, sizeof(world.text), "%s%c%s", path, 0, value);

	return ask(c, tx, XS_WRITE, world.text, len);
}

int get(struct conn *c, uint32_t tx, const char *path)
{
	return ask(c, tx, XS_READ, path, strlen(path) + 1);
}

int make_dir(struct conn *c, uint32_t tx, const char *path)
{
	return ask(c, tx, XS_MKDIR, path, strlen(path) + 1);
}

int rm(struct conn *c, uint32_t tx, const char *path)
{
	return ask(c, tx, XS_RM, path, strlen(path) + 1);
}

/* "a\0b\0" to "a b". */
static void join(void)
{
	for (size_t i = 0; i + 1 < reply_len; i++)
		if (!reply[i])
			reply[i] = ' ';
}

int ls(struct conn *c, uint32_t tx, const char *path)
{
	int err = ask(c, tx, XS_DIRECTORY, path, strlen(path) + 1);

	if (!err)
		join();
	return err;
}

int get_perms(struct conn *c, uint32_t tx, const char *path)
{
	int err = ask(c, tx, XS_GET_PERMS, path, strlen(path) + 1);

	if (!err)
		join();
	return err;
}

int ask_words(struct conn *c, uint32_t tx, uint32_t type, const char *words)
{
	size_t len = strlen(words) + 1;

	assert_true(len <= sizeof(world.text));
	memcpy(world.text, words, len);
	for (size_t i = 0; i < len; i++)
		if (world.text[i] == ' ')
			world.text[i] = '\0';
	return ask(c, tx, type, world.text, len);
}

int set_perms(struct conn *c, uint32_t tx, const char *path, const char *perms)
{
	char words[4096];

	snprintf(words, sizeof(words), "%s %s", path, perms);
	return ask_words(c, tx, XS_SET_PERMS, words);
}

struct conn *guest_with_home(uint32_t id)
{
	struct conn *c = client(0), *g = client(id);
	char path[64], perms[16];

	snprintf(path, sizeof(path), "/local/domain/%u", id);
	snprintf(perms, sizeof(perms), "n%u", id);
	assert_int_equal(put(c, 0, path, ""), 0);
	assert_int_equal(set_perms(c, 0, path, perms), 0);
	return g;
}

uint32_t start(struct conn *c)
{
	assert_int_equal(ask(c, 0, XS_TRANSACTION_START, "", 1), 0);
	return (uint32_t)strtoul(reply, NULL, 10);
}

int end(struct conn *c, uint32_t tx, bool commit)
{
	return ask(c, tx, XS_TRANSACTION_END, commit ? "T" : "F", 2);
}

int watch(struct conn *c, const char *path, const char *token)
{
	char words[8192], expected[8192];
	int err;

	snprintf(words, sizeof(words), "%s %s", path, token);
	no_events(c);
	err = ask_words(c, 0, XS_WATCH, words);
	if (err)
		return err;
	snprintf(expected, sizeof(expected), "%s %s", path, token);
	assert_string_equal(next_event(c), expected);
	no_events(c);
	return 0;
}

int unwatch(struct conn *c, const char *path, const char *token)
{
	char words[8192];

	snprintf(words, sizeof(words), "%s %s", path, token);
	return ask_words(c, 0, XS_UNWATCH, words);
}

int control(struct conn *c, const char *words)
{
	return ask_words(c, 0, XS_CONTROL, words);
}

const char *next_event(struct conn *c)
{
	while (c->io->read < c->io->nr) {
		const struct message *m = &c->io->messages[c->io->read++];

		if (m->type != XS_WATCH_EVENT)
			continue;
		assert_int_equal(m->req, 0);
		assert_int_equal(m->tx, 0);
		snprintf(world.text, sizeof(world.text), "%s %s", m->data, m->data + strlen(m->data) + 1);
		return world.text;
	}
	return "";
}

const char *events(struct conn *c)
{
	static char all[65536];
	const char *e;
	size_t at = 0;

	all[0] = '\0';
	while (*(e = next_event(c)))
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", at ? ", " : "", e);
	return all;
}

void no_events(struct conn *c)
{
	assert_string_equal(events(c), "");
}
