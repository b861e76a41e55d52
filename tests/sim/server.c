/*
 * hospes-sim: the hypervisor's own code as a process, whose hypercalls come through a socket (lib/hcall/sim.c, tests/sim/sim.py).
 * One thread: a request is served to its end, then events that became pending are told.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hcall/sim_wire.h"
#include "hv/console.h"
#include "world.h"

#define MAX_CLIENTS 1024u

enum source_kind { SOURCE_LISTENER, SOURCE_CLIENT, SOURCE_EVENTS };

struct source {
	enum source_kind kind;
	int fd;
};

struct client {
	struct source source;
	unsigned number;
};

/* A pipe that tells a domain's events. */
struct events {
	struct source source; /* the end we write to */
	struct events *next;
	uint64_t id, domid;
	dev_t device;
	ino_t inode;
};

static struct {
	int poll, ram;
	uint64_t ram_size;
	struct source listener;
	bool used[MAX_CLIENTS];
	uint64_t nr_clients, next_id;
	struct events *events;
	uint64_t owner[WORLD_PORTS]; /* id of the pipe that has domain 0's port */
	uint8_t payload[SIM_MAX_PAYLOAD];
	uint64_t out[SIM_MAX_PAGES];
} server;

static void die(const char *what)
{
	fprintf(stderr, "hospes-sim: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct source *s, uint32_t what)
{
	struct epoll_event e = { .events = what, .data.ptr = s };

	if (epoll_ctl(server.poll, EPOLL_CTL_ADD, s->fd, &e))
		die("epoll_ctl");
}

static void new_client(void)
{
	struct client *c;
	int fd = accept4(server.listener.fd, NULL, NULL, SOCK_CLOEXEC);
	unsigned n = 0;

	if (fd < 0)
		return;
	while (n < MAX_CLIENTS && server.used[n])
		n++;
	c = n < MAX_CLIENTS ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->source = (struct source){ SOURCE_CLIENT, fd };
	c->number = n;
	server.used[n] = true;
	server.nr_clients++;
	watch(&c->source, EPOLLIN);
}

static void drop_client(struct client *c)
{
	world_unmap_all(c->number);
	world_free_all(c->number);
	server.used[c->number] = false;
	server.nr_clients--;
	close(c->source.fd);
	free(c);
}

static struct events *find_events(uint64_t id)
{
	struct events *e = server.events;

	while (e && e->id != id)
		e = e->next;
	return e;
}

/* The last reader of a pipe is gone: its ports go too. */
static void drop_events(struct events *e)
{
	struct events **at = &server.events;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	for (unsigned port = 0; port < WORLD_PORTS; port++) {
		if (server.owner[port] != e->id)
			continue;
		server.owner[port] = 0;
		world_evtchn(0, SIM_UNBIND, port, 0);
	}
	close(e->source.fd);
	free(e);
}

/* Make a pipe for @domid's events; its reading end to @fd. */
static int64_t open_events(uint64_t domid, uint64_t *id, int *fd)
{
	struct events *e = calloc(1, sizeof(*e));
	struct stat st;
	int ends[2];

	if (!e || pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		free(e);
		return -ENOMEM;
	}
	fcntl(ends[1], F_SETPIPE_SZ, 65536);
	fstat(ends[1], &st);
	e->source = (struct source){ SOURCE_EVENTS, ends[1] };
	e->domid = domid;
	e->device = st.st_dev;
	e->inode = st.st_ino;
	e->id = *id = ++server.next_id;
	e->next = server.events;
	server.events = e;
	watch(&e->source, 0); /* an error is reported always: nobody reads any more */
	*fd = ends[0];
	return 0;
}

static int64_t adopt_events(const uint64_t *a, uint64_t *id)
{
	for (struct events *e = server.events; e; e = e->next)
		if (e->device == a[0] && e->inode == a[1]) {
			*id = e->id;
			return 0;
		}
	return -ENOENT;
}

static int64_t serve_evtchn(const uint64_t *a)
{
	struct events *e = find_events(a[0]);
	bool binds = a[1] == SIM_BIND_INTERDOMAIN || a[1] == SIM_BIND_VIRQ || a[1] == SIM_ALLOC_UNBOUND;
	int64_t rc;

	if (!e)
		return -EBADF;
	/* The device lets nobody use a port he has not bound there. */
	if (!binds && (a[2] >= WORLD_PORTS || server.owner[a[2]] != e->id))
		return -ENOTCONN;
	if (a[1] == SIM_UNBIND)
		server.owner[a[2]] = 0;
	rc = world_evtchn(e->domid, a[1], a[2], a[3]);
	if (binds && rc > 0 && rc < (int64_t)WORLD_PORTS) {
		server.owner[rc] = e->id;
		world_evtchn(e->domid, SIM_UNMASK, (uint64_t)rc, 0); /* whoever had it before may have left it masked */
	}
	return rc;
}

/* Tell what is pending, of domain 0 port by port to whoever bound it. */
static void tell_events(void)
{
	for (struct events *e = server.events; e; e = e->next) {
		int at = 0;

		if (!e->domid)
			continue;
		while ((at = world_take_port(e->domid, (unsigned)at, false)) >= 0) {
			uint32_t port = (uint32_t)at++;

			if (write(e->source.fd, &port, sizeof(port)) != sizeof(port)) {
				world_return_port(e->domid, port);
				break;
			}
		}
	}
	for (int at = 0; (at = world_take_port(0, (unsigned)at, true)) >= 0; at++) {
		struct events *e = find_events(server.owner[at]);
		uint32_t port = (uint32_t)at;

		if (e && write(e->source.fd, &port, sizeof(port)) != sizeof(port))
			world_return_port(0, port);
	}
}

static void state_out(struct sim_answer *answer)
{
	struct sim_state s;

	world_state(&s);
	s.clients = server.nr_clients;
	memcpy(server.out, &s, sizeof(s));
	answer->len = sizeof(s);
}

static void log_out(struct sim_answer *answer)
{
	const char *text = world_log();
	size_t len = strlen(text);

	if (len > sizeof(server.out)) {
		text += len - sizeof(server.out);
		len = sizeof(server.out);
	}
	memcpy(server.out, text, len);
	answer->len = (uint32_t)len;
}

static int64_t put_pages(struct sim_answer *answer, int64_t id, uint64_t pages)
{
	if (id < 0)
		return id;
	answer->v = (uint64_t)id;
	answer->len = (uint32_t)(pages * sizeof(uint64_t));
	return 0;
}

static int64_t put_value(struct sim_answer *answer, int64_t value)
{
	if (value < 0)
		return value;
	answer->v = (uint64_t)value;
	return 0;
}

/* Requests of those who play the world. */
static int64_t serve_world(const struct sim_request *q, struct sim_answer *answer)
{
	const uint64_t *a = q->a;

	switch (q->op) {
	case SIM_GUEST:
		return put_value(answer, world_guest(a[0], a[1], a[2], a[3]));
	case SIM_SHUTDOWN:
		return world_shutdown(a[0], a[1]);
	case SIM_PAGE:
		return put_value(answer, world_page(a[0], a[1]));
	case SIM_STATE:
		state_out(answer);
		return 0;
	case SIM_ADVANCE:
		world_advance(a[0]);
		return 0;
	case SIM_LOG:
		log_out(answer);
		return 0;
	case SIM_FAIL:
		world_fail(a[0], (int)a[1], a[2], a[3]);
		return 0;
	case SIM_TAKE_MEMORY:
		world_take_memory(a[0]);
		return 0;
	case SIM_GRANT:
		return world_grant(a[0], a[1], a[2], a[3], a[4]);
	}
	return -ENOSYS;
}

static int64_t serve(struct client *c, const struct sim_request *q, struct sim_answer *answer, int *fd)
{
	const uint64_t *a = q->a;

	switch (q->op) {
	case SIM_HELLO:
		answer->v = server.ram_size;
		*fd = dup(server.ram);
		return *fd < 0 ? -EMFILE : 0;
	case SIM_ALLOC:
		return put_pages(answer, world_alloc(c->number, a[0], server.out), a[0]);
	case SIM_FREE:
		return world_free(c->number, a[0], a[1]);
	case SIM_CALL:
		return world_call(a[0], a[1], a[2], a + 3);
	case SIM_MAP_FOREIGN:
		if (a[1] * 8 != q->len)
			return -EINVAL;
		return put_pages(answer,
				 world_map_foreign(c->number, a[0], (const uint64_t *)server.payload, a[1], server.out),
				 a[1]);
	case SIM_MAP_RESOURCE:
		return put_pages(answer, world_map_resource(c->number, a[0], a[1], a[2], a[3], a[4], server.out), a[4]);
	case SIM_MAP_GRANTS:
		if (a[1] * 4 != q->len)
			return -EINVAL;
		return put_pages(
			answer,
			world_map_grants(c->number, a[0], (const uint32_t *)server.payload, a[1], a[2], server.out),
			a[1]);
	case SIM_UNMAP:
		return world_unmap(c->number, a[0]);
	case SIM_EVTCHN_OPEN:
		return open_events(a[0], &answer->v, fd);
	case SIM_EVTCHN_ADOPT:
		return adopt_events(a, &answer->v);
	case SIM_EVTCHN:
		return serve_evtchn(a);
	}
	return serve_world(q, answer);
}

static bool answer_client(struct client *c, struct sim_answer *answer, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec parts[2] = { { answer, sizeof(*answer) }, { server.out, answer->len } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };

	if (fd >= 0) {
		struct cmsghdr *h;

		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	return sendmsg(c->source.fd, &m, MSG_NOSIGNAL) >= 0;
}

static void client_ready(struct client *c)
{
	struct sim_request q;
	struct sim_answer answer = { 0 };
	struct iovec parts[2] = { { &q, sizeof(q) }, { server.payload, sizeof(server.payload) } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n = recvmsg(c->source.fd, &m, 0);
	int fd = -1;
	bool told;

	if (n < (ssize_t)sizeof(q) || (size_t)n != sizeof(q) + q.len) {
		drop_client(c);
		return;
	}
	answer.result = serve(c, &q, &answer, &fd);
	world_settle();
	tell_events(); /* before the answer: who asked finds the events it caused */
	told = answer_client(c, &answer, fd);
	if (fd >= 0)
		close(fd);
	if (!told)
		drop_client(c);
}

static void listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(at.sun_path, path);
	unlink(path);
	server.listener.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (server.listener.fd < 0 || bind(server.listener.fd, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(server.listener.fd, 128))
		die(path);
	watch(&server.listener, EPOLLIN);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 0);

	if (*end || end == text) {
		fprintf(stderr, "hospes-sim: %s is not a number\n", text);
		exit(2);
	}
	return v;
}

static int usage(FILE *to)
{
	fprintf(to, "usage: hospes-sim [--ram=MIB] [--cpus=N] [--dom0-pages=N] [--log=TEXT] SOCKET\n"
		    "A hypervisor without a machine, for tests: serves hypercalls of domain 0 to programs with\n"
		    "HOSPES_SIM=SOCKET. Says 'ready' when it listens; ends with its parent.\n");
	return to == stderr ? 2 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "ram", required_argument, NULL, 'r' },
						 { "cpus", required_argument, NULL, 'c' },
						 { "dom0-pages", required_argument, NULL, 'd' },
						 { "log", required_argument, NULL, 'l' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	uint64_t ram = 512, cpus = 4, pages = 8192;
	struct epoll_event ready[16];
	const char *log = NULL;
	int o;

	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (o == 'r')
			ram = number(optarg);
		else if (o == 'c')
			cpus = number(optarg);
		else if (o == 'd')
			pages = (number(optarg) + 511) / 512 * 512;
		else if (o == 'l')
			log = optarg;
		else
			return usage(o == 'h' ? stdout : stderr);
	}
	if (optind + 1 != argc || ram < 64 || !cpus || cpus > 64 || !pages)
		return usage(stderr);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	server.ram_size = ram << 20;
	server.ram = memfd_create("hospes-sim", MFD_CLOEXEC);
	if (server.ram < 0 || ftruncate(server.ram, (off_t)server.ram_size))
		die("RAM");
	server.poll = epoll_create1(EPOLL_CLOEXEC);
	world_init(server.ram, server.ram_size, (unsigned)cpus, pages);
	if (log)
		console_log(log, strlen(log));
	listen_at(argv[optind]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(server.poll, ready, 16, -1);

		/* One at a time: serving it may end a later one. */
		if (n > 0) {
			struct source *s = ready[0].data.ptr;

			if (s->kind == SOURCE_LISTENER)
				new_client();
			else if (s->kind == SOURCE_CLIENT)
				client_ready((struct client *)s);
			else
				drop_events((struct events *)s);
			tell_events();
		}
	}
}
