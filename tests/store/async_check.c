/*
 * Both client libraries against a daemon: pipelined requests with answers by callback, transactions that conflict on
 * purpose, watches. `async SOCKET`; prints what went wrong.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/async.h"
#include "store/store.h"

#define CHECK(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			exit(1); \
		} \
	} while (0)

static struct {
	struct store_async *a;
	unsigned answers, fired, transactions, conflicts;
	int value;
} t;

static struct wire_piece string(const char *s)
{
	return (struct wire_piece){ s, strlen(s) + 1 };
}

static void got_answer(void *arg, int err, const char *body, size_t len)
{
	CHECK(!err && (uintptr_t)arg == t.answers && strlen(body) + 1 == len);
	t.answers++;
}

static void got_error(void *arg, int err, const char *body, size_t len)
{
	CHECK(err == ENOENT && !body && !len);
	++*(int *)arg;
}

static void fired(void *arg, const char *path, const char *token)
{
	CHECK(!strcmp(token, "tok") && !strncmp(path, "/async", 6));
	t.fired++;
}

static void turn(void)
{
	struct pollfd p = { store_async_fd(t.a), (short)(POLLIN | (store_async_wants_write(t.a) ? POLLOUT : 0)), 0 };
	CHECK(poll(&p, 1, 5000) == 1);
	CHECK(store_async_ready(t.a) == 0);
}

static void got_value(void *arg, int err, const char *body, size_t len)
{
	CHECK(!err);
	t.value = atoi(body);
}

/* Read a counter, write it back one higher; another client interferes the first time. */
static int step(void *arg, uint32_t tx, unsigned round)
{
	struct wire_piece p[2] = { string("/async/counter") };
	struct store *other = arg;
	char text[16];
	if (round == 0)
		CHECK(!store_async_send(t.a, XS_READ, tx, p, 1, got_value, NULL));
	if (round == 1) {
		if (!t.conflicts++)
			CHECK(!store_write(other, 0, "/async/counter", "100", 3));
		p[1].data = text;
		p[1].len = (size_t)snprintf(text, sizeof(text), "%d", t.value + 1);
		CHECK(!store_async_send(t.a, XS_WRITE, tx, p, 2, NULL, NULL));
	}
	return round < 2 ? STORE_MORE : 0;
}

static int step_abort(void *arg, uint32_t tx, unsigned round)
{
	return ECANCELED;
}

static void committed(void *arg, int err, const char *body, size_t len)
{
	/* The argument is the step's: the one that aborts has none. */
	CHECK(err == (arg ? 0 : ECANCELED));
	t.transactions++;
}

static int count_up(struct store *s, uint32_t tx, void *arg)
{
	size_t len;
	char *v = store_read(s, tx, "/sync/n", &len), text[16];
	int rc;
	CHECK(v);
	if (!++*(int *)arg)
		CHECK(0);
	if (*(int *)arg == 1) {
		struct store *other = store_open(STORE_SOCKET_ONLY);
		CHECK(!store_write(other, 0, "/sync/n", "5", 1));
		store_close(other);
	}
	rc = store_write(s, tx, "/sync/n", text, (size_t)snprintf(text, sizeof(text), "%d", atoi(v) + 1));
	free(v);
	return rc;
}

/* More than go out at once; every third is not there. */
static void check_several(struct store *s)
{
	char path[100][32], *values[100];
	const char *paths[100];
	for (unsigned i = 0; i < 100; i++) {
		snprintf(path[i], sizeof(path[i]), "/several/%u", i);
		paths[i] = path[i];
		CHECK(i % 3 == 2 || !store_write(s, 0, path[i], path[i], strlen(path[i])));
	}
	store_read_several(s, paths, 100, values);
	for (unsigned i = 0; i < 100; i++) {
		CHECK(i % 3 == 2 ? !values[i] : values[i] && !strcmp(values[i], path[i]));
		free(values[i]);
	}
	CHECK(!store_rm(s, 0, "/several"));
}

static void check_blocking(void)
{
	struct store *s = store_open(0), *other = store_open(0);
	struct store_perm perms[] = { { 0, 0 }, { 3, WIRE_PERM_READ } }, *p;
	const char *token;
	char *v, **names, path[64];
	unsigned nr;
	int tries = 0;
	CHECK(s && other);
	CHECK(!store_write(s, 0, "/sync/n", "1", 1));
	CHECK(!store_transact(s, count_up, &tries) && tries == 2);
	v = store_read(s, 0, "/sync/n", NULL);
	CHECK(v && !strcmp(v, "6"));
	free(v);
	check_several(s);
	CHECK(!store_set_perms(s, 0, "/sync/n", perms, 2));
	p = store_get_perms(s, 0, "/sync/n", &nr);
	CHECK(p && nr == 2 && p[1].id == 3 && p[1].access == WIRE_PERM_READ);
	free(p);
	CHECK(!store_watch(s, "/sync", "one") && store_watch(s, "/sync", "one") == EEXIST);
	v = store_event(s, 1000, &token);
	CHECK(v && !strcmp(v, "/sync") && !strcmp(token, "one"));
	free(v);
	CHECK(!store_event(s, 10, &token) && errno == EAGAIN);
	CHECK(!store_mkdir(other, 0, "/sync/dir"));
	v = store_event(s, 1000, &token);
	CHECK(v && !strcmp(v, "/sync/dir"));
	free(v);
	for (unsigned i = 0; i < 1500; i++) {
		snprintf(path, sizeof(path), "/sync/dir/child-%u", i);
		CHECK(!store_mkdir(other, 0, path));
	}
	CHECK(!store_unwatch(s, "/sync", "one") && store_unwatch(s, "/sync", "one") == ENOENT);
	CHECK(!store_event(s, 0, &token) && errno == EAGAIN);
	names = store_list(s, 0, "/sync/dir", &nr);
	CHECK(names && nr == 1500 && !names[1500]);
	free(names);
	CHECK(!store_rm(s, 0, "/sync") && !store_read(s, 0, "/sync/n", NULL) && errno == ENOENT);
	v = malloc(5000);
	memset(v, 'x', 5000);
	CHECK(store_write(s, 0, "/sync", v, 5000) == E2BIG);
	free(v);
	v = store_domain_path(s, 5);
	CHECK(v && !strcmp(v, "/local/domain/5"));
	free(v);
	store_close(s);
	store_close(other);
}

/* A request of @a at the other end of its connection, answered by @error: how many strings it had. */
static unsigned refuse_watch(int fd, const char *error)
{
	struct wire_piece p = string(error);
	struct xsd_sockmsg h;
	char body[64];
	unsigned strings;
	size_t n;
	CHECK(!store_async_ready(t.a) && recv(fd, &h, sizeof(h), MSG_WAITALL) == sizeof(h));
	CHECK(h.type == XS_WATCH && h.len < sizeof(body) && recv(fd, body, h.len, MSG_WAITALL) == (ssize_t)h.len);
	CHECK(!strcmp(body, "@introduceDomain"));
	strings = wire_count_strings(body, h.len);
	n = wire_pack(body, sizeof(body), XS_ERROR, h.req_id, 0, &p, 1);
	CHECK(send(fd, body, n, 0) == (ssize_t)n && !store_async_ready(t.a));
	return strings;
}

/* A daemon that knows no depth of watches is asked again without; no other error is. */
static void check_depth(void)
{
	unsigned expected[] = { 3, 2, 3 };
	const char *answers[] = { "EINVAL", "EINVAL", "EACCES" };
	int fds[2];
	uint32_t id = 0;
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	t.a = store_async_open(fds[0], fired, NULL);
	for (unsigned i = 0; i < 3; i++) {
		if (i != 1)
			CHECK(!store_async_watch_domains(t.a, "@introduceDomain", "tok"));
		CHECK(refuse_watch(fds[1], answers[i]) == expected[i]);
	}
	CHECK(!store_async_pending(t.a) && !store_async_wants_write(t.a));
	store_async_close(t.a);
	close(fds[1]);
	CHECK(wire_special_domain("@releaseDomain/7", &id) && id == 7);
	CHECK(!wire_special_domain("@releaseDomain", &id) && !wire_special_domain("@releaseDomain/", &id) &&
	      !wire_special_domain("@releaseDomain/7x", &id) && !wire_special_domain("/local/7", &id) && id == 7);
}

int main(int argc, char **argv)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), errors = 0;
	struct store *other;
	struct wire_piece p[2];
	char path[64];
	CHECK(argc == 2);
	setenv("XENSTORED_PATH", argv[1], 1);
	check_blocking();
	check_depth();
	other = store_open(0);
	strncpy(un.sun_path, argv[1], sizeof(un.sun_path) - 1);
	CHECK(!connect(fd, (struct sockaddr *)&un, sizeof(un)));
	t.a = store_async_open(fd, fired, NULL);
	p[0] = string("/async");
	p[1] = string("tok");
	CHECK(!store_async_send(t.a, XS_WATCH, 0, p, 2, NULL, NULL));
	for (uintptr_t i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/async/%u", (unsigned)i);
		p[0] = string(path);
		p[1] = (struct wire_piece){ path, 5 };
		CHECK(!store_async_send(t.a, XS_WRITE, 0, p, 2, got_answer, (void *)i));
	}
	p[0] = string("/none");
	CHECK(!store_async_send(t.a, XS_READ, 0, p, 1, got_error, &errors));
	while (store_async_pending(t.a))
		turn();
	CHECK(t.answers == 1000 && errors == 1);
	while (t.fired < 1001)
		turn();
	CHECK(!store_write(other, 0, "/async/counter", "7", 1));
	CHECK(!store_async_transact(t.a, step, committed, other));
	CHECK(!store_async_transact(t.a, step_abort, committed, NULL));
	while (store_async_pending(t.a))
		turn();
	CHECK(t.transactions == 2 && t.conflicts == 2 && t.value == 100);
	shutdown(fd, SHUT_RDWR);
	errors = 0;
	store_async_close(t.a);
	store_close(other);
	return 0;
}
