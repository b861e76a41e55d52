/* Processes, sockets and rings. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/xenstored/hyper_fake.h"

static struct {
	char dir[64];
	char socket[96];
	const char *daemon;
	char **args;
	struct fake_hyper *hyper;
	int events;
	pid_t pid;
	uint64_t unique;
} w;

void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n(what is left: %s)\n", w.dir);
	if (w.pid > 0)
		kill(w.pid, SIGKILL);
	exit(1);
}

static int open_file(int flags, const char *fmt, unsigned n)
{
	char path[128];
	int at = snprintf(path, sizeof(path), "%s/", w.dir), fd;
	snprintf(path + at, sizeof(path) - (size_t)at, fmt, n);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void fifo(const char *fmt, unsigned n)
{
	char path[128];
	int at = snprintf(path, sizeof(path), "%s/", w.dir);
	snprintf(path + at, sizeof(path) - (size_t)at, fmt, n);
	if (mkfifo(path, 0600) && errno != EEXIST)
		die("%s: %s", path, strerror(errno));
}

void world_init(const char *daemon, char **args)
{
	int fd;
	strcpy(w.dir, "/tmp/store-model.XXXXXX");
	if (!mkdtemp(w.dir))
		die("mkdtemp: %s", strerror(errno));
	snprintf(w.socket, sizeof(w.socket), "%s/socket", w.dir);
	w.daemon = daemon;
	w.args = args;
	fd = open_file(O_RDWR | O_CREAT, "hyper", 0);
	if (ftruncate(fd, sizeof(*w.hyper)))
		die("ftruncate");
	w.hyper = mmap(NULL, sizeof(*w.hyper), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	w.hyper->magic = FAKE_MAGIC;
	w.unique = 100;
	fifo("evtchn", 0);
	w.events = open_file(O_RDWR, "evtchn", 0);
	guest_create(0);
}

void guest_create(unsigned domid)
{
	struct fake_domain *d = &w.hyper->domains[domid];
	int fd = open_file(O_RDWR | O_CREAT | O_TRUNC, "dom%u.ring", domid);
	if (ftruncate(fd, 4096))
		die("ftruncate");
	close(fd);
	fifo("dom%u.event", domid);
	memset(d, 0, sizeof(*d));
	d->unique = w.unique++;
	if (w.hyper->max_id < domid)
		w.hyper->max_id = domid;
	__atomic_store_n(&d->exists, 1, __ATOMIC_SEQ_CST);
}

static void kick(uint32_t port)
{
	if (write(w.events, &port, sizeof(port)) != sizeof(port))
		die("kick: %s", strerror(errno));
}

void guest_destroy(unsigned domid)
{
	__atomic_store_n(&w.hyper->domains[domid].exists, 0, __ATOMIC_SEQ_CST);
	kick(FAKE_PORT_DOM_EXC);
}

void world_start(void)
{
	char *argv[40], fake[64];
	int n = 0;
	struct link probe;
	argv[n++] = (char *)w.daemon;
	argv[n++] = "-N";
	argv[n++] = "--fake-hypervisor";
	argv[n++] = w.dir;
	argv[n++] = "--state-dir";
	argv[n++] = w.dir;
	for (char **a = w.args; a && *a; a++)
		argv[n++] = *a;
	argv[n] = NULL;
	w.pid = fork();
	if (!w.pid) {
		int log = open_file(O_WRONLY | O_CREAT | O_APPEND, "log", 0);
		dup2(log, 2);
		dup2(log, 1);
		snprintf(fake, sizeof(fake), "%s", w.dir);
		setenv("XENSTORED_FAKE", fake, 1);
		setenv("XENSTORED_RUNDIR", w.dir, 1);
		setenv("XENSTORED_PATH", w.socket, 1);
		execv(w.daemon, argv);
		_exit(127);
	}
	link_open_socket(&probe);
	link_close(&probe);
}

void world_kill(void)
{
	kill(w.pid, SIGKILL);
	waitpid(w.pid, NULL, 0);
	w.pid = 0;
}

void world_end(void)
{
	char command[128];
	int status;
	if (w.hyper->bad_calls)
		die("%u wrong calls of the hypervisor", w.hyper->bad_calls);
	kill(w.pid, SIGTERM);
	waitpid(w.pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("the daemon ended with status %x", (unsigned)status);
	snprintf(command, sizeof(command), "rm -rf %s", w.dir);
	if (system(command))
		die("rm");
}

const char *world_socket(void)
{
	return w.socket;
}

static void link_init(struct link *l, unsigned domid)
{
	memset(l, 0, sizeof(*l));
	l->domid = domid;
	l->events_end = &l->events;
}

void link_open_socket(struct link *l)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int status;
	link_init(l, 0);
	strcpy(un.sun_path, w.socket);
	for (int i = 0;; i++) {
		l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!connect(l->fd, (struct sockaddr *)&un, sizeof(un)))
			return;
		close(l->fd);
		if (i > 5000 || waitpid(w.pid, &status, WNOHANG) == w.pid)
			die("the daemon does not start");
		usleep(1000);
	}
}

void link_open_ring(struct link *l, unsigned domid)
{
	int fd = open_file(O_RDWR, "dom%u.ring", domid);
	link_init(l, domid);
	l->ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	l->fd = open_file(O_RDWR | O_NONBLOCK, "dom%u.event", domid);
}

void link_forget_events(struct link *l)
{
	struct event *e, *next;
	for (e = l->events; e; e = next) {
		next = e->next;
		free(e);
	}
	l->events = NULL;
	l->events_end = &l->events;
}

void link_close(struct link *l)
{
	link_forget_events(l);
	if (l->ring)
		munmap(l->ring, 4096);
	close(l->fd);
	l->fd = -1;
	l->ring = NULL;
}

static bool daemon_dead(void)
{
	siginfo_t info = { 0 };
	return !w.pid || (!waitid(P_PID, (id_t)w.pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid);
}

static void send_bytes(struct link *l, const char *data, size_t len)
{
	char drain[256];
	if (!l->ring) {
		while (len) {
			ssize_t n = send(l->fd, data, len, MSG_NOSIGNAL);
			if (n < 0)
				return; /* the reply will be missing */
			data += n;
			len -= (size_t)n;
		}
		return;
	}
	while (len) {
		uint32_t prod = l->ring->req_prod,
			 room = 1024 - (prod - __atomic_load_n(&l->ring->req_cons, __ATOMIC_SEQ_CST));
		struct pollfd p = { l->fd, POLLIN, 0 };
		size_t n = len < room ? len : room;
		for (size_t i = 0; i < n; i++)
			l->ring->req[MASK_XENSTORE_IDX(prod + (uint32_t)i)] = data[i];
		__atomic_store_n(&l->ring->req_prod, prod + (uint32_t)n, __ATOMIC_SEQ_CST);
		kick(l->domid);
		data += n;
		len -= n;
		if (!len)
			return;
		if (daemon_dead())
			die("the daemon died");
		poll(&p, 1, 100);
		while (read(l->fd, drain, sizeof(drain)) > 0)
			;
	}
}

void link_send_part(struct link *l, uint32_t type, uint32_t tx, const void *body, size_t len, size_t part)
{
	char out[sizeof(struct xsd_sockmsg) + 4096];
	struct xsd_sockmsg h = { type, ++l->req, tx, (uint32_t)len };
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), body, len);
	send_bytes(l, out, part);
}

void link_send(struct link *l, uint32_t type, uint32_t tx, const void *body, size_t len)
{
	link_send_part(l, type, tx, body, len, sizeof(struct xsd_sockmsg) + len);
}

/* More input, waiting at most @ms. False: none, or the end. */
static bool fill(struct link *l, int ms)
{
	struct pollfd p = { l->fd, POLLIN, 0 };
	char drain[256];
	ssize_t got;
	if (l->ring) {
		uint32_t cons = l->ring->rsp_cons, n = __atomic_load_n(&l->ring->rsp_prod, __ATOMIC_SEQ_CST) - cons;
		if (!n) {
			if (poll(&p, 1, ms) != 1)
				return false;
			while (read(l->fd, drain, sizeof(drain)) > 0)
				;
			n = __atomic_load_n(&l->ring->rsp_prod, __ATOMIC_SEQ_CST) - cons;
		}
		if (n > 1024)
			die("ring of domain %u: %u bytes", l->domid, n);
		for (uint32_t i = 0; i < n; i++)
			l->in[l->have++] = l->ring->rsp[MASK_XENSTORE_IDX(cons + i)];
		__atomic_store_n(&l->ring->rsp_cons, cons + n, __ATOMIC_SEQ_CST);
		if (n)
			kick(l->domid);
		return true;
	}
	if (poll(&p, 1, ms) != 1)
		return false;
	got = recv(l->fd, l->in + l->have, sizeof(l->in) - l->have, 0);
	if (got <= 0)
		return false;
	l->have += (size_t)got;
	return true;
}

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Take one message that is there. Events go to their list: returns 0 for those, 1 for a reply, -1 for nothing whole. */
static int take(struct link *l, uint32_t *type, uint32_t *req, char *body, size_t *len)
{
	struct xsd_sockmsg h;
	int n = wire_peek(l->in, l->have, &h);
	if (n < 0)
		die("a message of %u bytes", h.len);
	if (!n)
		return -1;
	memcpy(body, l->in + sizeof(h), h.len);
	body[h.len] = '\0';
	l->have -= (size_t)n;
	memmove(l->in, l->in + n, l->have);
	if (h.type == XS_WATCH_EVENT) {
		struct event *e = calloc(1, sizeof(*e));
		if (h.req_id || h.tx_id)
			die("an event with ids");
		snprintf(e->path, sizeof(e->path), "%s", body);
		snprintf(e->token, sizeof(e->token), "%s", body + strlen(body) + 1);
		*l->events_end = e;
		l->events_end = &e->next;
		return 0;
	}
	*type = h.type;
	*req = h.req_id;
	*len = h.len;
	return 1;
}

bool link_reply(struct link *l, uint32_t *type, char *body, size_t *len, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	uint32_t req;
	for (;;) {
		int rc = take(l, type, &req, body, len);
		if (rc == 1) {
			if (req != l->req)
				die("reply to %u, not %u (domain %u)", req, l->req, l->domid);
			return true;
		}
		if (rc < 0 && !fill(l, 50) && (!l->ring || daemon_dead() || now_ms() > end))
			if (now_ms() > end || daemon_dead())
				return false;
	}
}

bool link_wait_event(struct link *l, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	struct event **before = l->events_end;
	char body[4097];
	uint32_t type, req;
	size_t len;
	while (l->events_end == before) {
		int rc = take(l, &type, &req, body, &len);
		if (rc == 1)
			die("a reply that nobody asked for");
		if (rc < 0 && !fill(l, timeout_ms) && now_ms() >= end)
			return false;
	}
	return true;
}

int link_ask(struct link *l, uint32_t type, uint32_t tx, const void *body, size_t len, char *out, size_t *out_len)
{
	uint32_t got;
	link_send(l, type, tx, body, len);
	if (!link_reply(l, &got, out, out_len, 5000))
		die("no answer to %s (domain %u%s)", wire_type_name(type), l->domid,
		    daemon_dead() ? ", the daemon died" : "");
	if (got == XS_ERROR)
		return wire_error_number(out, *out_len);
	if (got != type)
		die("answer of type %u to %u", got, type);
	return 0;
}
