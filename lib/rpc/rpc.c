/* JSON-RPC 2.0 over hospesd's socket, one object a line. */
#include "rpc/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"

#define DEFAULT_PATH "/run/hospes/hospesd.socket"
#define MAX_LINE (64u << 20)
#define START_MS 20000

struct rpc {
	int fd;
	int64_t next_id;
	struct text in; /* bytes of lines that are not whole yet */
	size_t taken;	/* of them, read already */
	bool dead;
};

static const char *socket_path(void)
{
	const char *path = getenv("HOSPESD_SOCKET");

	return path && *path ? path : DEFAULT_PATH;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A descriptor, or -errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Everything of ours but @keep: a caller's pipe or lock would never be let go of. */
static void close_others(int keep)
{
	if (keep > STDERR_FILENO + 1)
		(void)close_range(STDERR_FILENO + 1, (unsigned)keep - 1, 0);
	(void)close_range((unsigned)keep + 1, ~0u, 0);
}

/*
 * The daemon's process: a session of its own, nothing of ours open but @end, in no directory that somebody may want to unmount. It says READY=1 to the
 * socket in NOTIFY_SOCKET.
 */
static _Noreturn void run_daemon(const char *notify, int end)
{
	const char *program = getenv("HOSPESD");
	int null;

	close_others(end);
	null = open("/dev/null", O_RDWR);
	setsid();
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	if (chdir("/"))
		_exit(127);
	setenv("NOTIFY_SOCKET", notify, 1);
	if (program && *program)
		execl(program, program, (char *)NULL);
	execlp("hospesd", "hospesd", (char *)NULL);
	execl("/usr/sbin/hospesd", "hospesd", (char *)NULL);
	_exit(127);
}

/* Wait for READY=1 on @fd, or for the middle process's end (its status tells whether the daemon could be run). */
static int wait_ready(int fd, int end_fd)
{
	int64_t until = now_ms() + START_MS;
	char text[256];

	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = end_fd, .events = POLLIN } };
		int64_t left = until - now_ms();
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(p, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (p[0].revents & POLLIN) {
			n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
			if (n > 0) {
				text[n] = 0;
				if (strstr(text, "READY=1"))
					return 0;
			}
		} else if (p[1].revents) {
			return -ECHILD; /* the daemon's end of the pipe is closed: it is gone */
		}
	}
}

/* Start hospesd as nobody's child. */
static int start_daemon(struct problem *p)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), end[2], rc = 0, status;
	char notify[64];
	pid_t child;

	/* The kernel picks an abstract name. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) ||
	    (len = sizeof(address), getsockname(fd, (struct sockaddr *)&address, &len)) || pipe2(end, O_CLOEXEC)) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return problem_set(p, -rc, "no-daemon", "hospesd", "start it: systemctl start hospesd",
				   "cannot start it: %s", strerror(-rc));
	}
	snprintf(notify, sizeof(notify), "@%.*s", (int)(len - sizeof(sa_family_t) - 1), address.sun_path + 1);
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			fcntl(end[1], F_SETFD, 0);
			run_daemon(notify, end[1]);
		}
		_exit(0);
	}
	close(end[1]);
	if (child > 0)
		waitpid(child, &status, 0);
	rc = child < 0 ? -EAGAIN : wait_ready(fd, end[0]);
	close(end[0]);
	close(fd);
	if (rc == -ECHILD)
		return problem_set(p, ECONNREFUSED, "no-daemon", "hospesd",
				   "see what it says: hospesd --no-fork, or journalctl -u hospesd",
				   "it ended while it started");
	if (rc)
		return problem_set(p, -rc, "no-daemon", "hospesd", "start it: systemctl start hospesd",
				   "it is not ready after %d seconds", START_MS / 1000);
	return 0;
}

/* Is there a hospesd that may not listen yet? It holds the lock beside its socket from its first moment. */
static bool is_locked(const char *path)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *name = xasprintf("%s.lock", path);
	int fd = open(name, O_RDWR | O_CLOEXEC);
	bool yes = fd >= 0 && !fcntl(fd, F_GETLK, &l) && l.l_type != F_UNLCK;

	if (fd >= 0)
		close(fd);
	free(name);
	return yes;
}

/* A descriptor, or -1 with the problem. */
static int start_and_connect(const char *path, struct problem *p)
{
	int64_t until = now_ms() + START_MS;
	struct problem own;
	int fd, rc;

	problem_init(&own);
	rc = start_daemon(&own);
	fd = try_connect(path);
	/* Ours ended, as somebody else has started one at the same time: that one will listen. */
	while (fd < 0 && rc && is_locked(path) && now_ms() < until) {
		poll(NULL, 0, 20);
		fd = try_connect(path);
	}
	if (fd < 0 && rc)
		*p = own;
	return fd;
}

struct rpc *rpc_connect(bool start, struct problem *p)
{
	const char *path = socket_path();
	int fd = try_connect(path);
	struct rpc *r;

	if ((fd == -ENOENT || fd == -ECONNREFUSED) && start) {
		fd = start_and_connect(path, p);
		if (fd < 0 && p->err)
			return NULL;
	}
	if (fd == -EACCES || fd == -EPERM) {
		problem_set(p, -fd, "not-permitted", "hospesd", "run it as root", "%s may not be opened", path);
		return NULL;
	}
	if (fd < 0) {
		problem_set(p, -fd, "no-daemon", "hospesd", "start it: systemctl start hospesd",
			    "nobody listens on %s (%s)", path, strerror(-fd));
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->fd = fd;
	return r;
}

void rpc_close(struct rpc *r)
{
	if (!r)
		return;
	close(r->fd);
	text_free(&r->in);
	free(r);
}

int rpc_fd(const struct rpc *r)
{
	return r->fd;
}

static int send_all(struct rpc *r, const char *s, size_t len)
{
	while (len) {
		ssize_t n = send(r->fd, s, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EPIPE;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The next line, without its end, in @r until the next call; @until: of now_ms(), < 0: no end. 0 or -errno. */
static int read_line(struct rpc *r, int64_t until, char **line)
{
	size_t seen = 0;

	if (r->taken) {
		memmove(r->in.s, r->in.s + r->taken, r->in.len - r->taken + 1);
		r->in.len -= r->taken;
		r->taken = 0;
	}
	for (;;) {
		char *end = r->in.len > seen ? memchr(r->in.s + seen, '\n', r->in.len - seen) : NULL, bytes[16384];
		struct pollfd pfd = { .fd = r->fd, .events = POLLIN };
		int64_t left = until < 0 ? -1 : until - now_ms();
		ssize_t n;

		if (end) {
			*end = 0;
			*line = r->in.s;
			r->taken = (size_t)(end - r->in.s) + 1;
			return 0;
		}
		seen = r->in.len;
		if (r->in.len > MAX_LINE)
			return -EMSGSIZE;
		if (until >= 0 && left <= 0)
			left = 0;
		n = poll(&pfd, 1, (int)left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return -ETIMEDOUT;
		n = recv(r->fd, bytes, sizeof(bytes), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EPIPE;
		text_add_bytes(&r->in, bytes, (size_t)n);
	}
}

/* The next message, to be put by the caller. */
static int read_message(struct rpc *r, int64_t until, struct json_object **out)
{
	char *line;
	int rc = read_line(r, until, &line);

	if (rc) {
		r->dead |= rc != -ETIMEDOUT;
		return rc;
	}
	*out = json_tokener_parse(line);
	if (json_object_is_type(*out, json_type_object))
		return 0;
	json_object_put(*out);
	r->dead = true;
	return -EPROTO;
}

static void notify(struct json_object *message, rpc_notified *notified, void *arg)
{
	struct json_object *method, *params = NULL;

	if (!notified || !json_object_object_get_ex(message, "method", &method))
		return;
	json_object_object_get_ex(message, "params", &params);
	notified(arg, json_object_get_string(method), params);
}

static void take_error(struct json_object *error, struct problem *p)
{
	struct json_object *data, *message;
	struct problem sent;

	if (json_object_object_get_ex(error, "data", &data) && json_object_is_type(data, json_type_object)) {
		problem_from_json(&sent, data);
		if (sent.code[0] && p && !p->err)
			*p = sent;
		if (sent.code[0])
			return;
	}
	json_object_object_get_ex(error, "message", &message);
	problem_set(p, EPROTO, "daemon-protocol", "hospesd", "use the xl and the hospesd of one release",
		    "it refused the request: %s", message ? json_object_get_string(message) : "no reason given");
}

static struct json_object *lost(int rc, const char *method, struct problem *p)
{
	if (rc == -ETIMEDOUT)
		problem_set(p, ETIMEDOUT, "daemon-slow", method, "ask again, or see xl explain",
			    "hospesd did not answer in time");
	else
		problem_set(p, -rc, "daemon-lost", method,
			    "repeat the command: hospesd goes on with what was under way",
			    "hospesd went away before it answered (%s)", strerror(-rc));
	return NULL;
}

/* JSON has no other bytes than those of UTF-8, and the daemon takes no other. */
static int check_text(const char *text, const char *method, struct problem *p)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;
	size_t at, from;
	int rc = 0;

	if (!t)
		abort();
	json_tokener_set_flags(t, JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, text, (int)strlen(text) + 1);
	if (json_tokener_get_error(t) == json_tokener_error_parse_utf8_string) {
		at = json_tokener_get_parse_end(t);
		from = at > 40 ? at - 40 : 0;
		while (from < at && (text[from] & 0xc0) == 0x80) /* not in the middle of a character */
			from++;
		rc = problem_set(p, EILSEQ, "not-utf-8", method, "rename it, or write it in UTF-8",
				 "a byte that is no UTF-8 comes after: %.*s", (int)(at - from), text + from);
	}
	json_object_put(o);
	json_tokener_free(t);
	return rc;
}

/* Is it the answer to that request, or one to a line that was not understood? There is but one under way. */
static bool is_answer(struct json_object *message, int64_t own)
{
	struct json_object *id;

	if (!json_object_object_get_ex(message, "id", &id))
		return false;
	return id ? json_object_get_int64(id) == own : json_object_object_get_ex(message, "error", NULL);
}

struct json_object *rpc_call(struct rpc *r, const char *method, struct json_object *params, int timeout_ms,
			     rpc_notified *notified, void *arg, struct problem *p)
{
	struct json_object *request = json_object_new_object(), *message, *v;
	int64_t until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms, own = ++r->next_id;
	const char *text;
	int rc;

	json_object_object_add(request, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(request, "id", json_object_new_int64(own));
	json_object_object_add(request, "method", json_object_new_string(method));
	if (params)
		json_object_object_add(request, "params", params);
	text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	if (check_text(text, method, p)) {
		json_object_put(request);
		return NULL;
	}
	rc = r->dead ? -EPIPE : send_all(r, text, strlen(text));
	if (rc == 0)
		rc = send_all(r, "\n", 1);
	json_object_put(request);
	while (rc == 0) {
		rc = read_message(r, until, &message);
		if (rc)
			break;
		if (is_answer(message, own)) {
			if (json_object_object_get_ex(message, "error", &v) && v) {
				take_error(v, p);
				v = NULL;
			} else {
				json_object_object_get_ex(message, "result", &v);
				v = v ? json_object_get(v) : json_object_new_object();
			}
			json_object_put(message);
			return v;
		}
		notify(message, notified, arg);
		json_object_put(message);
	}
	r->dead |= rc != -ETIMEDOUT;
	return lost(rc, method, p);
}

int rpc_wait(struct rpc *r, int timeout_ms, rpc_notified *notified, void *arg)
{
	int64_t until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	struct json_object *message;
	int rc;

	if (r->dead)
		return -EPIPE;
	do {
		rc = read_message(r, until, &message);
		if (rc)
			return rc;
		rc = json_object_object_get_ex(message, "method", NULL);
		notify(message, notified, arg);
		json_object_put(message);
	} while (!rc);
	return 0;
}
