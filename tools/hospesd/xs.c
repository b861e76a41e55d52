#include "xs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/text.h"
#include "store/async.h"

#define RETRY_MS 100

struct xs_watch {
	struct xs_watch *next;
	char *path;
	char token[24];
	xs_fired *fn; /* NULL: given up, freed when nothing refers to it */
	void *arg;
};

static struct {
	struct store_async *a;
	struct loop_fd *fd;
	bool wants_write, lost;
	struct timer retry;
	void (*up)(void *arg);
	void *up_arg;
	uint64_t requests, next_token;
	bool plain; /* this store takes one change a request */
	struct xs_watch *watches;
} xs;

static void lost(void *arg);

/* Ask for what is to be waited for after something was sent. */
static void kick(void)
{
	bool wants;
	if (!xs.a || !xs.fd)
		return;
	wants = store_async_wants_write(xs.a);
	if (wants != xs.wants_write)
		loop_change(xs.fd, EPOLLIN | (wants ? EPOLLOUT : 0));
	xs.wants_write = wants;
}

static void ready(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	if (!xs.a || xs.lost)
		return;
	if (store_async_ready(xs.a)) {
		xs.lost = true;
		loop_defer(lost, NULL);
		return;
	}
	kick();
}

static void fired(void *arg, const char *path, const char *token)
{
	(void)arg;
	for (struct xs_watch *w = xs.watches; w; w = w->next)
		if (!strcmp(w->token, token)) {
			w->fn(w->arg, path);
			return;
		}
}

static int connect_store(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");
	int fd, err, n;
	n = path ? snprintf(un.sun_path, sizeof(un.sun_path), "%s", path) :
		   snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", dir ? dir : "/run/xenstored");
	if (n < 0 || (size_t)n >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static int send_request(uint32_t type, uint32_t tx, const struct wire_piece *pieces, unsigned nr, xs_done *done,
			void *arg)
{
	xs.requests++;
	return store_async_send(xs.a, type, tx, pieces, nr, done, arg);
}

static void send_watch(const struct xs_watch *w, uint32_t type)
{
	struct wire_piece p[] = { { w->path, strlen(w->path) + 1 }, { w->token, strlen(w->token) + 1 } };
	if (xs_up() && type == XS_WATCH && w->path[0] == '@' && !xs.plain)
		store_async_watch_domains(xs.a, w->path, w->token);
	else if (xs_up())
		send_request(type, 0, p, 2, NULL, NULL);
	kick();
}

static void try_connect(void *arg)
{
	int fd = connect_store();
	(void)arg;
	xs.a = fd >= 0 ? store_async_open(fd, fired, NULL) : NULL;
	if (!xs.a) {
		if (fd >= 0)
			close(fd);
		timer_set(&xs.retry, RETRY_MS, try_connect, NULL);
		return;
	}
	xs.lost = xs.wants_write = false;
	xs.plain = getenv("HOSPESD_PLAIN_STORE") != NULL; /* for tests: as if it knew no better */
	xs.fd = loop_add(fd, EPOLLIN, ready, NULL);
	for (struct xs_watch *w = xs.watches; w; w = w->next)
		send_watch(w, XS_WATCH);
	if (xs.up)
		xs.up(xs.up_arg);
}

/* The connection is dead. Whoever waits is told, in store_async_close() at the latest. */
static void lost(void *arg)
{
	struct store_async *a = xs.a;
	(void)arg;
	loop_remove(xs.fd);
	xs.fd = NULL;
	store_async_close(a);
	xs.a = NULL;
	timer_set(&xs.retry, RETRY_MS, try_connect, NULL);
}

int xs_open(void)
{
	try_connect(NULL);
	return 0;
}

void xs_stop(void)
{
	timer_cancel(&xs.retry);
	xs.up = NULL;
	loop_remove(xs.fd);
	xs.fd = NULL;
	xs.lost = true;
	if (xs.a)
		store_async_close(xs.a);
	xs.a = NULL;
}

void xs_close(void)
{
	struct xs_watch *w;
	while ((w = xs.watches)) {
		xs.watches = w->next;
		free(w->path);
		free(w);
	}
}

bool xs_up(void)
{
	return xs.a && !xs.lost;
}

void xs_on_up(void (*fn)(void *arg), void *arg)
{
	xs.up = fn;
	xs.up_arg = arg;
}

uint64_t xs_requests(void)
{
	return xs.requests;
}

/* A callback that could not be given to the store. */
struct refusal {
	xs_done *done;
	void *arg;
	int err;
};

static void refuse_now(void *arg)
{
	struct refusal *r = arg;
	r->done(r->arg, r->err, NULL, 0);
	free(r);
}

static void refuse(int err, xs_done *done, void *arg)
{
	struct refusal *r;
	if (!done)
		return;
	r = xmalloc(sizeof(*r));
	*r = (struct refusal){ done, arg, err };
	loop_defer(refuse_now, r);
}

static void request(uint32_t type, const struct wire_piece *pieces, unsigned nr, xs_done *done, void *arg)
{
	int rc = xs_up() ? send_request(type, 0, pieces, nr, done, arg) : EIO;
	if (rc)
		refuse(rc, done, arg);
	kick();
}

void xs_read(const char *path, xs_done *done, void *arg)
{
	struct wire_piece p = { path, strlen(path) + 1 };
	request(XS_READ, &p, 1, done, arg);
}

/* A directory whose names do not fit into one answer: read in parts, from the beginning again when it changed meanwhile. */
struct listing {
	char *path;
	xs_done *done;
	void *arg;
	struct text names;
	char generation[24];
};

static void got_part(void *arg, int err, const char *body, size_t len);

static void listing_end(struct listing *l, int err)
{
	l->done(l->arg, err, err ? NULL : l->names.s, l->names.len);
	text_free(&l->names);
	free(l->path);
	free(l);
}

static void ask_part(struct listing *l)
{
	char offset[24];
	struct wire_piece p[] = { { l->path, strlen(l->path) + 1 }, { offset, 0 } };
	p[1].len = (size_t)snprintf(offset, sizeof(offset), "%zu", l->names.len) + 1;
	request(XS_DIRECTORY_PART, p, 2, got_part, l);
}

static void got_part(void *arg, int err, const char *body, size_t len)
{
	struct listing *l = arg;
	size_t skip = err ? 0 : strnlen(body, len) + 1;
	if (err || skip > len || skip > sizeof(l->generation)) {
		listing_end(l, err ? err : EIO);
		return;
	}
	if (l->names.len && strcmp(l->generation, body)) {
		l->names.len = 0;
		ask_part(l);
		return;
	}
	memcpy(l->generation, body, skip);
	text_add_bytes(&l->names, body + skip, len - skip);
	/* An empty name ends the last part. */
	if (len > skip + 1 && (body[len - 1] || body[len - 2])) {
		ask_part(l);
		return;
	}
	if (l->names.len)
		l->names.len--;
	listing_end(l, 0);
}

static void got_list(void *arg, int err, const char *body, size_t len)
{
	struct listing *l = arg;
	if (err == E2BIG) {
		ask_part(l);
		return;
	}
	if (!err)
		text_add_bytes(&l->names, body, len);
	listing_end(l, err);
}

void xs_list(const char *path, xs_done *done, void *arg)
{
	struct wire_piece p = { path, strlen(path) + 1 };
	struct listing *l = xcalloc(1, sizeof(*l));
	l->path = xstrdup(path);
	l->done = done;
	l->arg = arg;
	request(XS_DIRECTORY, &p, 1, got_list, l);
}

void xs_write(const char *path, const char *value, xs_done *done, void *arg)
{
	struct wire_piece p[] = { { path, strlen(path) + 1 }, { value, strlen(value) } };
	request(XS_WRITE, p, 2, done, arg);
}

void xs_rm(const char *path, xs_done *done, void *arg)
{
	struct wire_piece p = { path, strlen(path) + 1 };
	request(XS_RM, &p, 1, done, arg);
}

void xs_introduce(uint32_t domid, uint64_t gfn, uint32_t port, xs_done *done, void *arg)
{
	char a[12], b[24], c[12];
	struct wire_piece p[] = { { a, (size_t)snprintf(a, sizeof(a), "%u", domid) + 1 },
				  { b, (size_t)snprintf(b, sizeof(b), "%" PRIu64, gfn) + 1 },
				  { c, (size_t)snprintf(c, sizeof(c), "%u", port) + 1 } };
	request(XS_INTRODUCE, p, 3, done, arg);
}

/*
 * Batches.
 */

struct xs_batch {
	struct xs_change *changes;
	size_t nr, size;
	bool packed; /* this try sends many changes in a request */
	int err;     /* of the first request that failed in this try */
	xs_done *done;
	void *arg;
};

struct xs_batch *xs_batch_new(void)
{
	return xcalloc(1, sizeof(struct xs_batch));
}

void xs_batch_free(struct xs_batch *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->nr; i++) {
		free(b->changes[i].path);
		free(b->changes[i].value);
	}
	free(b->changes);
	free(b);
}

static void add_change(struct xs_batch *b, int kind, char *path, char *value)
{
	if (b->nr == b->size) {
		b->size = b->size ? 2 * b->size : 64;
		b->changes = xrealloc(b->changes, b->size * sizeof(*b->changes));
	}
	b->changes[b->nr++] = (struct xs_change){ kind, path, value };
}

static char *formatted(const char *fmt, va_list args)
{
	char *s;
	if (vasprintf(&s, fmt, args) < 0)
		abort();
	return s;
}

void xs_batch_write(struct xs_batch *b, const char *value, const char *path_fmt, ...)
{
	va_list args;
	va_start(args, path_fmt);
	add_change(b, XS_CHANGE_WRITE, formatted(path_fmt, args), xstrdup(value));
	va_end(args);
}

void xs_batch_printf(struct xs_batch *b, const char *path, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	add_change(b, XS_CHANGE_WRITE, xstrdup(path), formatted(fmt, args));
	va_end(args);
}

void xs_batch_perms(struct xs_batch *b, const char *perms, const char *path_fmt, ...)
{
	va_list args;
	va_start(args, path_fmt);
	add_change(b, XS_CHANGE_PERMS, formatted(path_fmt, args), xstrdup(perms));
	va_end(args);
}

void xs_batch_rm(struct xs_batch *b, const char *path_fmt, ...)
{
	va_list args;
	va_start(args, path_fmt);
	add_change(b, XS_CHANGE_RM, formatted(path_fmt, args), NULL);
	va_end(args);
}

const struct xs_change *xs_batch_changes(const struct xs_batch *b, size_t *nr)
{
	*nr = b->nr;
	return b->changes;
}

static void changed(void *arg, int err, const char *body, size_t len)
{
	struct xs_batch *b = arg;
	(void)body;
	(void)len;
	if (err && !b->err)
		b->err = err;
}

static void removed(void *arg, int err, const char *body, size_t len)
{
	if (err != ENOENT)
		changed(arg, err, body, len);
}

static int send_change(struct xs_batch *b, const struct xs_change *c, uint32_t tx)
{
	struct wire_piece p[2] = { { c->path, strlen(c->path) + 1 }, { c->value, c->value ? strlen(c->value) : 0 } };
	char perms[256];
	switch (c->kind) {
	case XS_CHANGE_WRITE:
		return send_request(XS_WRITE, tx, p, 2, changed, b);
	case XS_CHANGE_PERMS:
		p[1].len = (size_t)snprintf(perms, sizeof(perms), "%s", c->value) + 1;
		for (char *s = perms; *s; s++)
			if (*s == ' ')
				*s = '\0';
		p[1].data = perms;
		return send_request(XS_SET_PERMS, tx, p, 2, changed, b);
	case XS_CHANGE_RM:
		return send_request(XS_RM, tx, p, 1, removed, b);
	}
	return EINVAL;
}

/* One request being filled with changes. */
struct packing {
	char body[XENSTORE_PAYLOAD_MAX];
	size_t len;
	char dir[256];
};

static bool pack_string(struct packing *p, const char *s)
{
	size_t len = strlen(s) + 1;
	if (p->len + len > sizeof(p->body))
		return false;
	memcpy(p->body + p->len, s, len);
	p->len += len;
	return true;
}

/* Add a change, its directory only if it is another one. False: it does not fit, and nothing was added. */
static bool pack_change(struct packing *p, const struct xs_change *c)
{
	static const char *const kinds[] = { [XS_CHANGE_WRITE] = "w", [XS_CHANGE_PERMS] = "p", [XS_CHANGE_RM] = "r" };
	const char *slash = strrchr(c->path, '/'), *name = slash + 1;
	size_t before = p->len, dir_len = (size_t)(slash - c->path);
	bool fits = true;
	if (dir_len >= sizeof(p->dir) || !dir_len) {
		name = c->path;
	} else if (strncmp(p->dir, c->path, dir_len) || p->dir[dir_len]) {
		char dir[sizeof(p->dir)];
		memcpy(dir, c->path, dir_len);
		dir[dir_len] = '\0';
		fits = pack_string(p, "d") && pack_string(p, dir);
		if (fits)
			strcpy(p->dir, dir);
	}
	fits = fits && pack_string(p, kinds[c->kind]) && pack_string(p, name) &&
	       (!c->value || pack_string(p, c->value));
	if (!fits) {
		p->len = before;
		p->dir[0] = '\0';
	}
	return fits;
}

static int send_packed(struct xs_batch *b, uint32_t tx)
{
	struct packing *p = xcalloc(1, sizeof(*p));
	struct wire_piece piece;
	int rc = 0;
	for (size_t i = 0; i <= b->nr && !rc; i++) {
		if (i < b->nr && pack_change(p, &b->changes[i]))
			continue;
		piece = (struct wire_piece){ p->body, p->len };
		if (p->len)
			rc = send_request(WIRE_CHANGES, tx, &piece, 1, changed, b);
		p->len = 0;
		p->dir[0] = '\0';
		/* One that does not fit even alone is no request at all. */
		if (i < b->nr && !pack_change(p, &b->changes[i]))
			rc = E2BIG;
	}
	free(p);
	return rc;
}

/* All requests of the batch at once; then their results. */
static int batch_step(void *arg, uint32_t tx, unsigned round)
{
	struct xs_batch *b = arg;
	int rc = 0;
	if (round)
		return b->err;
	b->err = 0;
	b->packed = !xs.plain;
	xs.requests += 2; /* the transaction's start and end */
	if (b->packed)
		rc = send_packed(b, tx);
	for (size_t i = 0; i < b->nr && !rc && !b->packed; i++)
		rc = send_change(b, &b->changes[i], tx);
	return rc ? rc : STORE_MORE;
}

static void batch_done(void *arg, int err, const char *body, size_t len)
{
	struct xs_batch *b = arg;
	(void)body;
	(void)len;
	if (err == ENOSYS && b->packed && xs_up()) {
		xs.plain = true;
		err = store_async_transact(xs.a, batch_step, batch_done, b);
		kick();
		if (!err)
			return;
	}
	if (b->done)
		b->done(b->arg, err, NULL, 0);
	xs_batch_free(b);
}

void xs_batch_commit(struct xs_batch *b, xs_done *done, void *arg)
{
	int rc;
	b->done = done;
	b->arg = arg;
	rc = xs_up() ? store_async_transact(xs.a, batch_step, batch_done, b) : EIO;
	if (rc)
		refuse(rc, batch_done, b);
	kick();
}

/*
 * Watches.
 */

struct xs_watch *xs_watch(const char *path, xs_fired *fn, void *arg)
{
	struct xs_watch *w = xcalloc(1, sizeof(*w));
	w->path = xstrdup(path);
	snprintf(w->token, sizeof(w->token), "h%" PRIu64, xs.next_token++);
	w->fn = fn;
	w->arg = arg;
	w->next = xs.watches;
	xs.watches = w;
	send_watch(w, XS_WATCH);
	return w;
}

void xs_unwatch(struct xs_watch *w)
{
	struct xs_watch **at = &xs.watches;
	if (!w)
		return;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	send_watch(w, XS_UNWATCH);
	free(w->path);
	free(w);
}
