#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"

#define MAX_CLIENTS 128
#define MAX_LINE (1u << 20)   /* of a request: a large configuration is some 20 KiB */
#define MAX_UNREAD (4u << 20) /* of answers a client does not take */
#define MAX_UNDER_WAY 64      /* requests of one client; then its input waits */
#define MAX_DEPTH 32	      /* of a request's JSON */

/* Codes of JSON-RPC 2.0; ours for everything that has a problem is OURS. */
enum { PARSE_ERROR = -32700, INVALID_REQUEST = -32600, NO_METHOD = -32601, BAD_PARAMS = -32602, OURS = -32000 };

struct client {
	struct client *next;
	int fd;
	struct loop_fd *watch;
	bool subscribed, broken;
	unsigned under_way;
	uint64_t last; /* when it last sent something */
	struct caller *callers;
	struct text in, out;
	size_t scanned; /* bytes of @in without newline */
	size_t out_at;
};

struct caller {
	struct caller *next;
	struct client *client; /* NULL: gone */
	struct json_object *id;
	void (*gone)(void *arg);
	void *gone_arg;
};

static struct {
	int fd;
	int spare;  /* given up for a moment where there is no descriptor left: who cannot be served must be told so */
	char *path; /* to be removed at the end; NULL: not ours */
	struct loop_fd *watch;
	const struct server_entry *methods;
	struct client *clients;
	unsigned nr_clients;
} server = { .fd = -1, .spare = -1 };

static void client_ready(void *arg, uint32_t events);

static void set_events(struct client *c)
{
	bool full = c->under_way >= MAX_UNDER_WAY;
	/* Lines that had to wait for an answer are in the buffer: being writable is as good a call as any to go on with them. */
	bool more = c->out_at < c->out.len || (!full && c->scanned < c->in.len);
	loop_change(c->watch, (full ? 0 : EPOLLIN) | (more ? EPOLLOUT : 0));
}

static void client_free(struct client *c)
{
	struct client **at = &server.clients;
	struct caller *r;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	server.nr_clients--;
	while ((r = c->callers)) {
		c->callers = r->next;
		r->client = NULL;
		if (r->gone)
			r->gone(r->gone_arg);
	}
	loop_remove(c->watch);
	close(c->fd);
	text_free(&c->in);
	text_free(&c->out);
	free(c);
}

static void give_output(struct client *c)
{
	ssize_t n;
	while (c->out_at < c->out.len) {
		n = send(c->fd, c->out.s + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->broken |= errno != EAGAIN;
			break;
		}
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out.len)
		c->out.len = c->out_at = 0;
}

/* Queue @o as a line and try to send it. A client that does not read is given up, later: it may be in use by our caller. */
static void send_line(struct client *c, struct json_object *o)
{
	size_t len;
	const char *s =
		json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (!c->broken) {
		if (c->out.len - c->out_at + len > MAX_UNREAD) {
			c->broken = true;
			shutdown(c->fd, SHUT_RDWR);
		} else {
			text_add_json(&c->out, s, len);
			text_add_bytes(&c->out, "\n", 1);
			give_output(c);
			set_events(c);
		}
	}
	json_object_put(o);
}

static struct json_object *message(void)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	return o;
}

/* End of a request: its client gets @o, and room for another one. */
static void answer(struct caller *r, const char *member, struct json_object *value)
{
	struct client *c = r->client;
	struct caller **at;
	struct json_object *o = message();
	json_object_object_add(o, "id", r->id);
	json_object_object_add(o, member, value);
	if (c) {
		for (at = &c->callers; *at != r; at = &(*at)->next)
			;
		*at = r->next;
		c->under_way--;
		send_line(c, o);
	} else {
		json_object_put(o);
	}
	free(r);
}

void caller_result(struct caller *r, struct json_object *result)
{
	if (!r) {
		json_object_put(result);
		return;
	}
	answer(r, "result", result ? result : json_object_new_object());
}

static void answer_error(struct caller *r, int code, const char *text, struct json_object *data)
{
	struct json_object *e = json_object_new_object();
	json_object_object_add(e, "code", json_object_new_int(code));
	json_object_object_add(e, "message", json_object_new_string(text));
	if (data)
		json_object_object_add(e, "data", data);
	answer(r, "error", e);
}

void caller_problem(struct caller *r, const struct problem *p)
{
	if (r)
		answer_error(r, OURS, p->cause, problem_json(p));
}

static void notify(struct client *c, const char *method, struct json_object *params)
{
	struct json_object *o = message();
	json_object_object_add(o, "method", json_object_new_string(method));
	json_object_object_add(o, "params", params);
	send_line(c, o);
}

void caller_progress(struct caller *r, const char *step, uint64_t done, uint64_t total)
{
	struct json_object *o;
	/* What is not read at once is not worth keeping. */
	if (!r || !r->client || r->client->out.len - r->client->out_at > 65536)
		return;
	o = json_object_new_object();
	json_object_object_add(o, "request", json_object_get(r->id));
	json_object_object_add(o, "step", json_object_new_string(step));
	json_object_object_add(o, "done", json_object_new_int64((int64_t)done));
	json_object_object_add(o, "total", json_object_new_int64((int64_t)total));
	notify(r->client, "progress", o);
}

bool caller_on_gone(struct caller *r, void (*gone)(void *arg), void *arg)
{
	if (!r || !r->client)
		return false;
	r->gone = gone;
	r->gone_arg = arg;
	return true;
}

void caller_subscribe(struct caller *r)
{
	if (r->client)
		r->client->subscribed = true;
}

void server_event(struct json_object *params)
{
	for (struct client *c = server.clients; c; c = c->next)
		if (c->subscribed)
			notify(c, "event", json_object_get(params));
	json_object_put(params);
}

/* Call the method a request names. @o is the request. */
static void dispatch(struct client *c, struct json_object *o)
{
	struct json_object *method, *params = NULL, *id = NULL, *none = NULL;
	const struct server_entry *e;
	struct caller *r = xcalloc(1, sizeof(*r));
	r->client = c;
	r->next = c->callers;
	c->callers = r;
	c->under_way++;
	if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "id", &id) &&
	    (json_object_is_type(id, json_type_string) || json_object_is_type(id, json_type_int)))
		r->id = json_object_get(id);
	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, "method", &method) ||
	    !json_object_is_type(method, json_type_string) || !r->id) {
		answer_error(r, INVALID_REQUEST,
			     "a request is an object with method, and with an id that is a number or a string", NULL);
		return;
	}
	if (json_object_object_get_ex(o, "params", &params) && !json_object_is_type(params, json_type_object)) {
		answer_error(r, BAD_PARAMS, "params must be an object", NULL);
		return;
	}
	for (e = server.methods; e->name; e++)
		if (!strcmp(e->name, json_object_get_string(method)))
			break;
	if (!e->name) {
		answer_error(r, NO_METHOD, "there is no such method", NULL);
		return;
	}
	if (!params)
		params = none = json_object_new_object();
	e->method(r, params);
	json_object_put(none);
}

static void take_line(struct client *c, const char *line, size_t len)
{
	struct json_tokener *t = json_tokener_new_ex(MAX_DEPTH);
	struct json_object *o, *e;
	if (!t)
		abort();
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, line, (int)len);
	if (json_tokener_get_error(t) == json_tokener_success && o) {
		dispatch(c, o);
	} else {
		e = message();
		json_object_object_add(e, "id", NULL);
		json_object_object_add(e, "error", json_object_new_object());
		json_object_object_add(json_object_object_get(e, "error"), "code", json_object_new_int(PARSE_ERROR));
		json_object_object_add(json_object_object_get(e, "error"), "message",
				       json_object_new_string(json_tokener_error_desc(json_tokener_get_error(t))));
		send_line(c, e);
	}
	json_object_put(o);
	json_tokener_free(t);
}

/* All whole lines, as far as requests may be under way. */
static void take_lines(struct client *c)
{
	size_t at = 0;
	char *end;
	while (!c->broken && c->under_way < MAX_UNDER_WAY && c->scanned < c->in.len &&
	       (end = memchr(c->in.s + c->scanned, '\n', c->in.len - c->scanned))) {
		*end++ = '\0';
		/* The NUL is part of what the parser sees: it ends numbers. */
		if (end - 1 > c->in.s + at)
			take_line(c, c->in.s + at, (size_t)(end - c->in.s) - at);
		c->scanned = at = (size_t)(end - c->in.s);
	}
	if (c->under_way < MAX_UNDER_WAY)
		c->scanned = c->in.len;
	if (!at)
		return;
	memmove(c->in.s, c->in.s + at, c->in.len - at);
	c->in.len -= at;
	c->scanned -= at;
}

static void client_ready(void *arg, uint32_t events)
{
	struct client *c = arg;
	char buf[65536];
	ssize_t n = -1;
	if (c->under_way < MAX_UNDER_WAY && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			c->broken = true;
		if (n > 0) {
			c->last = loop_now();
			text_add_bytes(&c->in, buf, (size_t)n);
		}
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		c->broken = true;
	}
	if (!c->broken)
		take_lines(c);
	if (!c->broken)
		give_output(c);
	if (c->in.len > MAX_LINE)
		c->broken = true;
	if (c->broken)
		client_free(c);
	else
		set_events(c);
}

/* With all places taken, the client that has been silent longest and waits for nothing makes room. */
static void make_room(void)
{
	struct client *c, *idle = NULL;
	if (server.nr_clients < MAX_CLIENTS)
		return;
	for (c = server.clients; c; c = c->next)
		if (!c->under_way && !c->subscribed && (!idle || c->last < idle->last))
			idle = c;
	if (idle)
		client_free(idle);
}

static int accept_one(void)
{
	return accept4(server.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* There is no descriptor for another client: turn it away. False: there is none. */
static bool turn_away(void)
{
	int fd;
	close(server.spare);
	fd = accept_one();
	if (fd >= 0)
		close(fd);
	server.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static void accept_clients(void *arg, uint32_t events)
{
	struct client *c;
	int fd;
	(void)arg;
	(void)events;
	while ((fd = accept_one()) >= 0 || ((errno == EMFILE || errno == ENFILE) && turn_away())) {
		if (fd < 0)
			continue;
		make_room();
		if (server.nr_clients >= MAX_CLIENTS) {
			close(fd);
			continue;
		}
		c = xcalloc(1, sizeof(*c));
		c->fd = fd;
		c->last = loop_now();
		c->next = server.clients;
		server.clients = c;
		server.nr_clients++;
		c->watch = loop_add(fd, EPOLLIN, client_ready, c);
	}
}

int server_adopt(int fd, const struct server_entry *methods)
{
	server.fd = fd;
	server.methods = methods;
	server.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	server.watch = loop_add(fd, EPOLLIN, accept_clients, NULL);
	return 0;
}

/* True if somebody accepts at @un. */
static bool alive(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && !connect(fd, (const struct sockaddr *)un, sizeof(*un));
	if (fd >= 0)
		close(fd);
	return yes;
}

int server_open(const char *path, const struct server_entry *methods)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, rc;
	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	if (alive(&un))
		return -EADDRINUSE;
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&un, sizeof(un)) || listen(fd, SOMAXCONN) ? -errno : 0;
	umask(mask);
	if (rc) {
		close(fd);
		return rc;
	}
	server.path = xstrdup(path);
	return server_adopt(fd, methods);
}

void server_close(void)
{
	while (server.clients)
		client_free(server.clients);
	loop_remove(server.watch);
	if (server.fd >= 0)
		close(server.fd);
	if (server.spare >= 0)
		close(server.spare);
	if (server.path)
		unlink(server.path);
	free(server.path);
	server.path = NULL;
	server.watch = NULL;
	server.fd = server.spare = -1;
}
