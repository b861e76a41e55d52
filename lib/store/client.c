/* The blocking client. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "store/wire.h"

#define TOGETHER 32u /* requests sent at once: their answers fit what a socket holds */

struct event {
	struct event *next;
	size_t path_len;
	char text[]; /* path, NUL, token, NUL */
};

struct store {
	int fd;
	bool socket;
	bool dead;
	uint32_t req;
	struct event *events, **events_end;
	size_t have; /* bytes in @in */
	char in[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
};

static int open_socket(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, err;
	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || !connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static int open_path(const char *path, unsigned flags, bool *is_socket)
{
	struct stat st;
	if (stat(path, &st))
		return -1;
	*is_socket = S_ISSOCK(st.st_mode);
	if (flags & (*is_socket ? STORE_DEVICE_ONLY : STORE_SOCKET_ONLY)) {
		errno = ENOENT;
		return -1;
	}
	return *is_socket ? open_socket(path) : open(path, O_RDWR | O_CLOEXEC);
}

static int open_daemon(unsigned flags, bool *is_socket)
{
	static const char *const devices[] = { "/dev/xen/xenbus", "/proc/xen/xenbus" };
	const char *path = getenv("XENSTORED_PATH");
	const char *dir = getenv("XENSTORED_RUNDIR");
	char buf[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd, err;
	if (path)
		return open_path(path, flags, is_socket);
	if ((size_t)snprintf(buf, sizeof(buf), "%s/socket", dir ? dir : "/run/xenstored") >= sizeof(buf)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open_path(buf, flags, is_socket);
	err = errno;
	for (unsigned i = 0; fd < 0 && i < sizeof(devices) / sizeof(*devices); i++)
		fd = open_path(devices[i], flags, is_socket);
	if (fd < 0)
		errno = err;
	return fd;
}

struct store *store_open(unsigned flags)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->events_end = &s->events;
	s->fd = open_daemon(flags, &s->socket);
	if (s->fd >= 0)
		return s;
	free(s);
	return NULL;
}

void store_close(struct store *s)
{
	struct event *e, *next;
	if (!s)
		return;
	for (e = s->events; e; e = next) {
		next = e->next;
		free(e);
	}
	close(s->fd);
	free(s);
}

int store_fd(const struct store *s)
{
	return s->fd;
}

/* Nothing on this connection can be trusted any more. */
static int dead(struct store *s)
{
	s->dead = true;
	return EIO;
}

static int send_all(struct store *s, const char *data, size_t len)
{
	ssize_t n;
	while (len) {
		n = s->socket ? send(s->fd, data, len, MSG_NOSIGNAL) : write(s->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return dead(s);
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Keep an event for store_event(); one without path and token is dropped. */
static int keep_event(struct store *s, const char *body, size_t len)
{
	const char *words[2];
	struct event *e;
	if (wire_split(body, len, words, 2) < 2)
		return 0;
	e = malloc(sizeof(*e) + len);
	if (!e)
		return ENOMEM;
	e->next = NULL;
	e->path_len = strlen(body);
	memcpy(e->text, body, len);
	*s->events_end = e;
	s->events_end = &e->next;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * The next message: its length in s->in, header in @h; until @deadline (-1: for ever). 0, EAGAIN or EIO. The caller takes it
 * with drop().
 */
static int next_message(struct store *s, struct xsd_sockmsg *h, int64_t deadline, size_t *len)
{
	for (;;) {
		struct pollfd p = { s->fd, POLLIN, 0 };
		int64_t left = deadline < 0 ? -1 : deadline - now_ms();
		int n = wire_peek(s->in, s->have, h);
		ssize_t got;
		if (n < 0)
			return dead(s);
		if (n > 0) {
			*len = (size_t)n;
			return 0;
		}
		if (deadline >= 0) {
			n = poll(&p, 1, left > 0 ? (int)left : 0);
			if (n == 0)
				return EAGAIN;
			if (n < 0 && errno != EINTR)
				return dead(s);
			if (n < 0)
				continue;
		}
		got = read(s->fd, s->in + s->have, sizeof(s->in) - s->have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return dead(s);
		s->have += (size_t)got;
	}
}

static void drop(struct store *s, size_t len)
{
	s->have -= len;
	memmove(s->in, s->in + len, s->have);
}

/* The answer to the request @req of @type, which must be the next: body and NUL, malloc()ed. NULL and errno. */
static char *answer(struct store *s, uint32_t req, uint32_t type, size_t *len)
{
	struct xsd_sockmsg h;
	size_t n, body;
	char *reply = NULL;
	int rc;
	while (!(rc = next_message(s, &h, -1, &n))) {
		body = n - sizeof(h);
		if (h.type == XS_WATCH_EVENT) {
			rc = keep_event(s, s->in + sizeof(h), body);
			drop(s, n);
			if (rc)
				break;
			continue;
		}
		if (h.req_id != req || (h.type != type && h.type != XS_ERROR)) {
			rc = dead(s);
			break;
		}
		if (h.type == XS_ERROR) {
			rc = wire_error_number(s->in + sizeof(h), body);
		} else {
			reply = malloc(body + 1);
			if (reply) {
				memcpy(reply, s->in + sizeof(h), body);
				reply[body] = '\0';
				*len = body;
			} else {
				rc = ENOMEM;
			}
		}
		drop(s, n);
		break;
	}
	errno = rc;
	return reply;
}

/* Send a request and wait for its answer: body and NUL, malloc()ed. NULL and errno. */
static char *ask(struct store *s, uint32_t type, uint32_t tx, const struct wire_piece *pieces, unsigned nr, size_t *len)
{
	char out[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
	size_t n;
	errno = EIO;
	if (s->dead)
		return NULL;
	n = wire_pack(out, sizeof(out), type, ++s->req, tx, pieces, nr);
	errno = E2BIG;
	if (!n)
		return NULL;
	errno = send_all(s, out, n);
	return errno ? NULL : answer(s, s->req, type, len);
}

/* For requests whose answer has no content. */
static int tell(struct store *s, uint32_t type, uint32_t tx, const struct wire_piece *pieces, unsigned nr)
{
	size_t len;
	char *reply = ask(s, type, tx, pieces, nr, &len);
	int rc = reply ? 0 : errno;
	free(reply);
	return rc;
}

static struct wire_piece string(const char *s)
{
	return (struct wire_piece){ s, strlen(s) + 1 };
}

char *store_read(struct store *s, uint32_t tx, const char *path, size_t *len)
{
	struct wire_piece p = string(path);
	size_t unused;
	return ask(s, XS_READ, tx, &p, 1, len ? len : &unused);
}

/* The kernel's device takes one request a write. */
void store_read_several(struct store *s, const char *const *paths, unsigned nr, char **values)
{
	char out[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
	unsigned most = s->socket ? TOGETHER : 1;
	size_t len;
	memset(values, 0, nr * sizeof(*values));
	for (unsigned at = 0, sent; at < nr && !s->dead; at += sent) {
		uint32_t first = s->req + 1;
		size_t used = 0;
		for (sent = 0; sent < most && at + sent < nr; sent++) {
			struct wire_piece p = string(paths[at + sent]);
			size_t n = wire_pack(out + used, sizeof(out) - used, XS_READ, s->req + 1, 0, &p, 1);
			if (!n)
				break;
			s->req++;
			used += n;
		}
		if (!sent) {
			sent = 1; /* no path is that long */
			continue;
		}
		if (send_all(s, out, used))
			return;
		for (unsigned i = 0; i < sent; i++)
			values[at + i] = answer(s, first + i, XS_READ, &len);
	}
}

int store_write(struct store *s, uint32_t tx, const char *path, const void *value, size_t len)
{
	struct wire_piece p[] = { string(path), { value, len } };
	return tell(s, XS_WRITE, tx, p, 2);
}

int store_mkdir(struct store *s, uint32_t tx, const char *path)
{
	struct wire_piece p = string(path);
	return tell(s, XS_MKDIR, tx, &p, 1);
}

int store_rm(struct store *s, uint32_t tx, const char *path)
{
	struct wire_piece p = string(path);
	return tell(s, XS_RM, tx, &p, 1);
}

/*
 * A large directory in parts: each is <generation> NUL <names>, an empty name ends the last. Begins again if the generation
 * changes meanwhile. The names with their NULs, NULL and errno.
 */
static char *list_in_parts(struct store *s, uint32_t tx, const char *path, size_t *len)
{
	char offset[24], generation[24] = "", *all = NULL, *part, *grown;
	size_t n, skip;
	bool last;
	*len = 0;
	do {
		struct wire_piece p[] = { string(path), { offset, 0 } };
		p[1].len = (size_t)snprintf(offset, sizeof(offset), "%zu", *len) + 1;
		part = ask(s, XS_DIRECTORY_PART, tx, p, 2, &n);
		if (!part)
			goto fail;
		skip = strnlen(part, n) + 1;
		if (skip > n || skip > sizeof(generation)) {
			errno = EIO;
			goto fail;
		}
		if (*len && strcmp(generation, part)) {
			*len = 0;
			last = false;
			free(part);
			continue;
		}
		memcpy(generation, part, skip);
		last = n == skip || (n == skip + 1 && !part[skip]) || (n >= skip + 2 && !part[n - 1] && !part[n - 2]);
		grown = realloc(all, *len + (n - skip) + 1);
		if (!grown)
			goto fail;
		all = grown;
		memcpy(all + *len, part + skip, n - skip);
		*len += n - skip;
		free(part);
	} while (!last);
	if (*len && !all[*len - 1] && (*len == 1 || !all[*len - 2]))
		--*len;
	return all;
fail:
	free(part);
	free(all);
	return NULL;
}

char **store_list(struct store *s, uint32_t tx, const char *path, unsigned *nr)
{
	struct wire_piece p = string(path);
	size_t len, at;
	unsigned i = 0;
	char **out, *text;
	char *names = ask(s, XS_DIRECTORY, tx, &p, 1, &len);
	if (!names && errno == E2BIG)
		names = list_in_parts(s, tx, path, &len);
	if (!names)
		return NULL;
	*nr = wire_count_strings(names, len);
	out = malloc((*nr + 1) * sizeof(*out) + len);
	if (out) {
		text = (char *)(out + *nr + 1);
		memcpy(text, names, len);
		for (at = 0; i < *nr; at += strlen(text + at) + 1)
			out[i++] = text + at;
		out[i] = NULL;
	}
	free(names);
	return out;
}

struct store_perm *store_get_perms(struct store *s, uint32_t tx, const char *path, unsigned *nr)
{
	struct wire_piece p = string(path);
	struct store_perm *out;
	size_t len, at = 0;
	char *text = ask(s, XS_GET_PERMS, tx, &p, 1, &len);
	if (!text)
		return NULL;
	*nr = wire_count_strings(text, len);
	out = calloc(*nr + 1, sizeof(*out));
	for (unsigned i = 0; out && i < *nr; i++) {
		if (!wire_perm_parse(text + at, &out[i].id, &out[i].access)) {
			free(out);
			out = NULL;
			errno = EIO;
		}
		at += strlen(text + at) + 1;
	}
	free(text);
	return out;
}

int store_set_perms(struct store *s, uint32_t tx, const char *path, const struct store_perm *perms, unsigned nr)
{
	char text[XENSTORE_PAYLOAD_MAX];
	struct wire_piece p[] = { string(path), { text, 0 } };
	for (unsigned i = 0; i < nr; i++) {
		if (p[1].len + 16 > sizeof(text))
			return E2BIG;
		p[1].len += (size_t)wire_perm_format(text + p[1].len, sizeof(text) - p[1].len, perms[i].id,
						     perms[i].access) +
			    1;
	}
	return tell(s, XS_SET_PERMS, tx, p, 2);
}

int store_transaction_start(struct store *s, uint32_t *tx)
{
	struct wire_piece p = string("");
	uint64_t id;
	size_t len;
	char *reply = ask(s, XS_TRANSACTION_START, 0, &p, 1, &len);
	int rc = reply ? 0 : errno;
	if (reply && !wire_parse_number(reply, UINT32_MAX, &id))
		rc = dead(s);
	if (!rc)
		*tx = (uint32_t)id;
	free(reply);
	return rc;
}

int store_transaction_end(struct store *s, uint32_t tx, bool commit)
{
	struct wire_piece p = string(commit ? "T" : "F");
	return tell(s, XS_TRANSACTION_END, tx, &p, 1);
}

int store_transact(struct store *s, int (*fn)(struct store *s, uint32_t tx, void *arg), void *arg)
{
	uint32_t tx;
	int rc;
	do {
		rc = store_transaction_start(s, &tx);
		if (rc)
			return rc;
		rc = fn(s, tx, arg);
		if (rc) {
			store_transaction_end(s, tx, false);
			return rc;
		}
		rc = store_transaction_end(s, tx, true);
	} while (rc == EAGAIN);
	return rc;
}

int store_watch(struct store *s, const char *path, const char *token)
{
	struct wire_piece p[] = { string(path), string(token) };
	return tell(s, XS_WATCH, 0, p, 2);
}

int store_watch_depth(struct store *s, const char *path, const char *token, unsigned depth)
{
	char number[16];
	struct wire_piece p[] = { string(path), string(token), { number, 0 } };
	p[2].len = (size_t)snprintf(number, sizeof(number), "%u", depth) + 1;
	return tell(s, XS_WATCH, 0, p, 3);
}

int store_unwatch(struct store *s, const char *path, const char *token)
{
	struct wire_piece p[] = { string(path), string(token) };
	struct event **at = &s->events, *e;
	int rc = tell(s, XS_UNWATCH, 0, p, 2);
	/* The caller has forgotten the token: it should not see it again. */
	while (!rc && (e = *at)) {
		if (strcmp(e->text + e->path_len + 1, token)) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		free(e);
	}
	if (!rc)
		s->events_end = at;
	return rc;
}

char *store_event(struct store *s, int timeout_ms, const char **token)
{
	int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	struct event *e;
	struct xsd_sockmsg h;
	size_t n;
	char *out;
	int rc;
	while (!s->events) {
		rc = s->dead ? EIO : next_message(s, &h, deadline, &n);
		if (!rc && h.type != XS_WATCH_EVENT)
			rc = dead(s);
		if (!rc)
			rc = keep_event(s, s->in + sizeof(h), n - sizeof(h));
		if (rc) {
			errno = rc;
			return NULL;
		}
		drop(s, n);
	}
	e = s->events;
	n = e->path_len + 1;
	n += strlen(e->text + n) + 1;
	out = malloc(n);
	if (!out)
		return NULL;
	memcpy(out, e->text, n);
	*token = out + e->path_len + 1;
	s->events = e->next;
	if (!s->events)
		s->events_end = &s->events;
	free(e);
	return out;
}

/* Requests about domains: one to three numbers. */
static char *ask_numbers(struct store *s, uint32_t type, const uint64_t *numbers, unsigned nr, size_t *len)
{
	char text[3][24];
	struct wire_piece p[3];
	for (unsigned i = 0; i < nr; i++) {
		p[i].data = text[i];
		p[i].len = (size_t)snprintf(text[i], sizeof(text[i]), "%" PRIu64, numbers[i]) + 1;
	}
	return ask(s, type, 0, p, nr, len);
}

static int tell_numbers(struct store *s, uint32_t type, const uint64_t *numbers, unsigned nr)
{
	size_t len;
	char *reply = ask_numbers(s, type, numbers, nr, &len);
	int rc = reply ? 0 : errno;
	free(reply);
	return rc;
}

int store_introduce(struct store *s, uint32_t domid, uint64_t gfn, uint32_t port)
{
	return tell_numbers(s, XS_INTRODUCE, (uint64_t[]){ domid, gfn, port }, 3);
}

int store_release(struct store *s, uint32_t domid)
{
	return tell_numbers(s, XS_RELEASE, (uint64_t[]){ domid }, 1);
}

int store_resume(struct store *s, uint32_t domid)
{
	return tell_numbers(s, XS_RESUME, (uint64_t[]){ domid }, 1);
}

int store_set_target(struct store *s, uint32_t domid, uint32_t target)
{
	return tell_numbers(s, XS_SET_TARGET, (uint64_t[]){ domid, target }, 2);
}

int store_is_introduced(struct store *s, uint32_t domid, bool *introduced)
{
	size_t len;
	char *reply = ask_numbers(s, XS_IS_DOMAIN_INTRODUCED, (uint64_t[]){ domid }, 1, &len);
	int rc = reply ? 0 : errno;
	if (reply)
		*introduced = reply[0] == 'T';
	free(reply);
	return rc;
}

char *store_domain_path(struct store *s, uint32_t domid)
{
	size_t len;
	return ask_numbers(s, XS_GET_DOMAIN_PATH, (uint64_t[]){ domid }, 1, &len);
}

char *store_control(struct store *s, const char *const *words, unsigned nr)
{
	struct wire_piece p[64];
	size_t len;
	if (nr > sizeof(p) / sizeof(*p)) {
		errno = E2BIG;
		return NULL;
	}
	for (unsigned i = 0; i < nr; i++)
		p[i] = string(words[i]);
	return ask(s, XS_CONTROL, 0, p, nr, &len);
}
