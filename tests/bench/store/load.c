/*
 * Load generator for store daemons: `load SOCKET PID SECONDS WORKLOAD [FAKE-DIR]` prints one JSON object. PID 0: no CPU figures.
 * With "echo" as the socket's name ending the floor is measured, which answers everything alike.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct bench bench;

void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

uint64_t daemon_cpu(void)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *f;
	snprintf(path, sizeof(path), "/proc/%d/schedstat", bench.pid);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%llu", &ns) != 1)
			ns = 0;
		fclose(f);
	}
	return ns;
}

long daemon_rss(void)
{
	char path[64], line[128];
	long kb = 0;
	FILE *f;
	snprintf(path, sizeof(path), "/proc/%d/status", bench.pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "RssAnon:", 8))
			kb = atol(line + 8);
	if (f)
		fclose(f);
	return kb;
}

void result(const char *name, double value)
{
	static bool more;
	printf("%s\"%s\": %.4f", more ? ", " : "{", name, value);
	more = true;
}

struct client *client_open(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct client *c = calloc(1, sizeof(*c));
	strncpy(un.sun_path, bench.socket, sizeof(un.sun_path) - 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	for (int i = 0; connect(c->fd, (struct sockaddr *)&un, sizeof(un)); i++) {
		if (i > 2000)
			die("connect %s: %s", bench.socket, strerror(errno));
		usleep(1000);
	}
	return c;
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c);
}

void put(struct client *c, uint32_t type, uint32_t tx, const char *a, const char *b, const void *value, size_t len)
{
	struct wire_piece p[3] = { { a, strlen(a) + 1 }, { b, b ? strlen(b) + 1 : 0 }, { value, len } };
	size_t n;
	if (sizeof(c->out) - c->out_len < 4200)
		flush(c);
	n = wire_pack(c->out + c->out_len, sizeof(c->out) - c->out_len, type, ++c->req, tx, p, 3);
	if (!n)
		die("request too long");
	c->out_len += n;
}

void flush(struct client *c)
{
	for (size_t at = 0; at < c->out_len;) {
		ssize_t n = send(c->fd, c->out + at, c->out_len - at, MSG_NOSIGNAL);
		if (n < 0)
			die("send: %s", strerror(errno));
		at += (size_t)n;
	}
	c->out_len = 0;
}

bool try_reply(struct client *c, bool wait, uint32_t *type, const char **body, size_t *len)
{
	static char copy[4097];
	struct xsd_sockmsg h;
	for (;;) {
		int n = wire_peek(c->in, c->have, &h);
		if (n < 0)
			die("daemon sent rubbish");
		if (n > 0) {
			memcpy(copy, c->in + sizeof(h), h.len);
			copy[h.len] = '\0';
			c->have -= (size_t)n;
			memmove(c->in, c->in + n, c->have);
			if (h.type == XS_WATCH_EVENT) {
				c->events++;
				continue;
			}
			*type = h.type;
			*body = copy;
			*len = h.len;
			return true;
		}
		if (!wait)
			return false;
		ssize_t got = recv(c->fd, c->in + c->have, sizeof(c->in) - c->have, 0);
		if (got <= 0)
			die("daemon closed the connection");
		c->have += (size_t)got;
	}
}

uint32_t reply(struct client *c, const char **body, size_t *len)
{
	uint32_t type;
	try_reply(c, true, &type, body, len);
	return type;
}

bool ask(struct client *c, uint32_t type, uint32_t tx, const char *a, const char *b, const void *value, size_t len,
	 const char *allow)
{
	const char *body;
	size_t n;
	put(c, type, tx, a, b, value, len);
	flush(c);
	if (reply(c, &body, &n) != XS_ERROR)
		return true;
	if (allow && !strcmp(body, allow))
		return false;
	die("%s %s: %s", wire_type_name(type), a, body);
}

uint32_t start(struct client *c)
{
	const char *body;
	size_t n;
	put(c, XS_TRANSACTION_START, 0, "", NULL, NULL, 0);
	flush(c);
	if (reply(c, &body, &n) == XS_ERROR)
		die("start: %s", body);
	return (uint32_t)atoi(body);
}

/* The nodes a toolstack writes for a PVH domain with one disk and one network card. */
void vm_request(struct client *c, uint32_t tx, unsigned vm, unsigned step)
{
	static const char *const home[] = { "vm",
					    "name",
					    "domid",
					    "cpu/0/availability",
					    "cpu/1/availability",
					    "memory/static-max",
					    "memory/target",
					    "memory/videoram",
					    "control/platform-feature-xs_reset_watches",
					    "control/platform-feature-multiprocessor-suspend",
					    "control/shutdown",
					    "control/sysrq",
					    "control/feature-poweroff",
					    "control/feature-reboot",
					    "control/feature-suspend",
					    "device/suspend/event-channel",
					    "data",
					    "drivers",
					    "feature",
					    "attr",
					    "error",
					    "store/port",
					    "store/ring-ref",
					    "console/port",
					    "console/ring-ref",
					    "console/limit",
					    "console/type",
					    "console/output",
					    "console/tty",
					    "image/device-model-pid",
					    "platform/acpi",
					    "platform/apic",
					    "platform/nx",
					    "platform/pae" };
	static const char *const device[] = { "frontend", "frontend-id", "online", "state", "script",
					      "params",	  "type",	 "mode",   "handle" };
	enum { HOME = sizeof(home) / sizeof(*home), DEVICE = sizeof(device) / sizeof(*device) };
	char path[128], value[64];
	unsigned n = step;
	size_t len = (size_t)snprintf(value, sizeof(value), "value-%u-%u", vm, step);
	if (n < 3) {
		snprintf(path, sizeof(path), n == 0 ? "/local/domain/%u" : n == 1 ? "/vm/0000-%u" : "/libxl/%u", vm);
		put(c, XS_MKDIR, tx, path, NULL, NULL, 0);
		return;
	}
	n -= 3;
	if (n < HOME) {
		snprintf(path, sizeof(path), "/local/domain/%u/%s", vm, home[n]);
		put(c, XS_WRITE, tx, path, NULL, value, len);
		return;
	}
	n -= HOME;
	if (n < 4 * DEVICE) {
		const char *kind = n / DEVICE / 2 ? "vif" : "vbd";
		if (n / DEVICE % 2)
			snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u/0/%s", kind, vm,
				 device[n % DEVICE]);
		else
			snprintf(path, sizeof(path), "/local/domain/%u/device/%s/0/%s", vm, kind, device[n % DEVICE]);
		put(c, XS_WRITE, tx, path, NULL, value, len);
		return;
	}
	n -= 4 * DEVICE;
	snprintf(path, sizeof(path), "/local/domain/%u/%s", vm, home[n]);
	if (n % 3 == 2)
		put(c, XS_READ, tx, path, NULL, NULL, 0);
	else
		put(c, XS_SET_PERMS, tx, path, "n0", NULL, 0);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void setup_read(struct client *c)
{
	if (!bench.echo)
		ask(c, XS_WRITE, 0, "/bench/read", NULL, "a value of some length", 22, NULL);
}

/* One request at a time; @idle other connections do nothing. */
static void work_read(unsigned idle)
{
	static double took[4000000];
	struct client *c = client_open();
	double end, t, begin;
	uint64_t cpu;
	size_t n = 0;
	for (unsigned i = 0; i < idle; i++)
		client_open();
	setup_read(c);
	for (unsigned i = 0; i < 200; i++)
		ask(c, XS_READ, 0, "/bench/read", NULL, NULL, 0, NULL);
	cpu = daemon_cpu();
	begin = t = now();
	end = t + bench.seconds;
	while (t < end && n < sizeof(took) / sizeof(*took)) {
		double t0 = t;
		ask(c, XS_READ, 0, "/bench/read", NULL, NULL, 0, NULL);
		t = now();
		took[n++] = t - t0;
	}
	cpu = daemon_cpu() - cpu;
	result("rate", (double)n / (t - begin));
	qsort(took, n, sizeof(*took), by_value);
	result("p50_us", took[n / 2] * 1e6);
	result("p99_us", took[n * 99 / 100] * 1e6);
	result("cpu_us", (double)cpu / 1e3 / (double)n);
}

static void work_pipelined(unsigned depth)
{
	struct client *c = client_open();
	const char *body;
	double begin, end;
	uint32_t type;
	size_t len, n = 0;
	setup_read(c);
	for (unsigned i = 0; i < depth; i++)
		put(c, XS_READ, 0, "/bench/read", NULL, NULL, 0);
	flush(c);
	begin = now();
	end = begin + bench.seconds;
	while (now() < end) {
		bool wait = true;
		while (try_reply(c, wait, &type, &body, &len)) {
			wait = false;
			n++;
			put(c, XS_READ, 0, "/bench/read", NULL, NULL, 0);
		}
		flush(c);
	}
	result("rate", (double)n / (now() - begin));
}

/* Clients that each run transactions of their own: what one does next is decided when its reply comes. */
struct script {
	uint32_t tx;
	unsigned step, vm;
	int value;
	double since, worst; /* the last commit, and the longest time between two */
};

static void script_send(struct client *c, bool counter)
{
	struct script *s = c->state;
	char number[16];
	if (s->step == 0)
		put(c, XS_TRANSACTION_START, 0, "", NULL, NULL, 0);
	else if (counter && s->step == 1)
		put(c, XS_READ, s->tx, "/bench/counter", NULL, NULL, 0);
	else if (counter && s->step == 2)
		put(c, XS_WRITE, s->tx, "/bench/counter", NULL, number,
		    (size_t)snprintf(number, sizeof(number), "%d", s->value + 1));
	else if (!counter && s->step <= VM_REQUESTS)
		vm_request(c, s->tx, s->vm, s->step - 1);
	else
		put(c, XS_TRANSACTION_END, s->tx, "T", NULL, NULL, 0);
	flush(c);
}

/* Take the reply; true if a transaction committed. */
static bool script_reply(struct client *c, bool counter, uint32_t type, const char *body, uint64_t *eagain,
			 unsigned *next_vm)
{
	struct script *s = c->state;
	bool last = s->step == (counter ? 3 : VM_REQUESTS + 1);
	if (type == XS_ERROR && !(last && !strcmp(body, "EAGAIN")))
		die("step %u: %s", s->step, body);
	if (s->step == 0)
		s->tx = (uint32_t)atoi(body);
	if (counter && s->step == 1)
		s->value = atoi(body);
	s->step = last ? 0 : s->step + 1;
	if (!last)
		return false;
	if (type == XS_ERROR) {
		++*eagain;
		return false;
	}
	s->vm = (*next_vm)++;
	return true;
}

static void gap(struct script *s)
{
	double t = now();
	if (t - s->since > s->worst)
		s->worst = t - s->since;
	s->since = t;
}

static void work_transactions(unsigned clients, bool counter)
{
	struct client *c[64];
	struct script scripts[64] = { 0 };
	struct epoll_event ready[64];
	int ep = epoll_create1(0);
	unsigned next_vm = 1, commits = 0;
	uint64_t eagain = 0, cpu;
	double begin, end, worst = 0;
	for (unsigned i = 0; i < clients; i++) {
		c[i] = client_open();
		c[i]->state = &scripts[i];
		scripts[i].vm = next_vm++;
		epoll_ctl(ep, EPOLL_CTL_ADD, c[i]->fd, &(struct epoll_event){ .events = EPOLLIN, .data.u32 = i });
	}
	if (!bench.echo) {
		ask(c[0], XS_WRITE, 0, "/bench/counter", NULL, "0", 1, NULL);
		ask(c[0], XS_MKDIR, 0, "/local/domain/0/backend", NULL, NULL, 0, NULL);
	}
	cpu = daemon_cpu();
	begin = now();
	end = begin + bench.seconds;
	for (unsigned i = 0; i < clients; i++) {
		scripts[i].since = begin;
		script_send(c[i], counter);
	}
	while (now() < end) {
		int n = epoll_wait(ep, ready, 64, 1000);
		for (int i = 0; i < n; i++) {
			struct client *x = c[ready[i].data.u32];
			const char *body;
			uint32_t type;
			size_t len;
			bool wait = true;
			while (try_reply(x, wait, &type, &body, &len)) {
				wait = false;
				if (script_reply(x, counter, type, body, &eagain, &next_vm)) {
					commits++;
					gap(x->state);
				}
				script_send(x, counter);
			}
		}
	}
	result("rate", commits / (now() - begin));
	result("eagain", (double)eagain);
	for (unsigned i = 0; i < clients; i++) {
		gap(&scripts[i]);
		worst = scripts[i].worst > worst ? scripts[i].worst : worst;
	}
	/* The longest that any of them had to wait for a commit. */
	result("worst_ms", worst * 1e3);
	result("cpu_us", (double)(daemon_cpu() - cpu) / 1e3 / (commits ? commits : 1));
}

/* @clients with @each watches on nodes of their own; one more writes to them in turn. */
static void work_watches(unsigned clients, unsigned each)
{
	struct client **c = calloc(clients, sizeof(*c)), *w = client_open();
	char path[64], token[32];
	size_t n = 0;
	double begin, end;
	for (unsigned i = 0; i < clients; i++) {
		c[i] = client_open();
		for (unsigned k = 0; k < each && !bench.echo; k++) {
			snprintf(path, sizeof(path), "/watched/%u/%u", i, k);
			snprintf(token, sizeof(token), "t%u", k);
			ask(c[i], XS_WATCH, 0, path, token, NULL, 0, NULL);
		}
	}
	begin = now();
	end = begin + bench.seconds;
	while (now() < end) {
		struct client *x = c[n * 7 % clients];
		uint64_t before;
		snprintf(path, sizeof(path), "/watched/%u/%u", (unsigned)(n * 7 % clients), (unsigned)(n % each));
		ask(x, XS_GET_DOMAIN_PATH, 0, "0", NULL, NULL, 0, NULL);
		before = x->events;
		ask(w, XS_WRITE, 0, path, NULL, "x", 1, NULL);
		/* Its own request brings the event with it. */
		ask(x, XS_GET_DOMAIN_PATH, 0, "0", NULL, NULL, 0, NULL);
		if (!bench.echo && x->events != before + 1)
			die("%lu events", (unsigned long)(x->events - before));
		n++;
		/* Only the write counts: the two others are the price of checking. */
	}
	result("rate", (double)n / (now() - begin));
}

/* The same, not checking each: writes as fast as they are answered. */
static void work_watched_writes(unsigned clients, unsigned each)
{
	struct client **c = calloc(clients, sizeof(*c)), *w = client_open();
	char path[64], token[32], drain[65536];
	size_t n = 0;
	double begin, end;
	for (unsigned i = 0; i < clients; i++) {
		c[i] = client_open();
		for (unsigned k = 0; k < each && !bench.echo; k++) {
			snprintf(path, sizeof(path), "/watched/%u/%u", i, k);
			snprintf(token, sizeof(token), "t%u", k);
			ask(c[i], XS_WATCH, 0, path, token, NULL, 0, NULL);
		}
	}
	begin = now();
	end = begin + bench.seconds;
	while (now() < end) {
		snprintf(path, sizeof(path), "/watched/%u/%u", (unsigned)(n % clients), (unsigned)(n / clients % each));
		ask(w, XS_WRITE, 0, path, NULL, "x", 1, NULL);
		if (n++ % (4 * clients) == 0)
			for (unsigned i = 0; i < clients; i++)
				while (recv(c[i]->fd, drain, sizeof(drain), MSG_DONTWAIT) > 0)
					;
	}
	result("rate", (double)n / (now() - begin));
}

/* One node watched @each times by each of @clients: events per second until all have arrived. */
static void work_fan_out(unsigned clients, unsigned each)
{
	struct client **c = calloc(clients, sizeof(*c)), *w = client_open();
	char token[32];
	uint64_t events = 0, expect = (uint64_t)clients * each;
	double begin, end;
	for (unsigned i = 0; i < clients; i++) {
		c[i] = client_open();
		for (unsigned k = 0; k < each; k++) {
			snprintf(token, sizeof(token), "t%u", k);
			ask(c[i], XS_WATCH, 0, "/fan", token, NULL, 0, NULL);
		}
		ask(c[i], XS_GET_DOMAIN_PATH, 0, "0", NULL, NULL, 0, NULL);
		c[i]->events = 0;
	}
	begin = now();
	end = begin + bench.seconds;
	while (now() < end) {
		ask(w, XS_WRITE, 0, "/fan", NULL, "x", 1, NULL);
		events += expect;
		for (unsigned i = 0; i < clients; i++) {
			while (c[i]->events < events / clients) {
				struct xsd_sockmsg h;
				size_t at = 0;
				int m;
				ssize_t got = recv(c[i]->fd, c[i]->in + c[i]->have, sizeof(c[i]->in) - c[i]->have, 0);
				if (got <= 0)
					die("daemon closed the connection");
				c[i]->have += (size_t)got;
				while ((m = wire_peek(c[i]->in + at, c[i]->have - at, &h)) > 0) {
					at += (size_t)m;
					c[i]->events++;
				}
				c[i]->have -= at;
				memmove(c[i]->in, c[i]->in + at, c[i]->have);
			}
		}
	}
	result("rate", (double)events / (now() - begin));
}

static void work_directory(unsigned children)
{
	struct client *c = client_open();
	char path[64];
	size_t n = 0;
	double begin, end;
	for (unsigned i = 0; i < children && !bench.echo; i++) {
		snprintf(path, sizeof(path), "/dir/child-%u", i);
		ask(c, XS_WRITE, 0, path, NULL, "", 0, NULL);
	}
	begin = now();
	end = begin + bench.seconds;
	while (now() < end) {
		snprintf(path, sizeof(path), "/dir/more-%u", (unsigned)(n / 2));
		ask(c, n % 2 ? XS_RM : XS_WRITE, 0, path, NULL, "", 0, NULL);
		n++;
	}
	result("rate", (double)n / (now() - begin));
}

static void work_memory(unsigned leaves)
{
	struct client *c = client_open();
	const char *body;
	char path[64], value[16];
	size_t len;
	long before, after;
	ask(c, XS_WRITE, 0, "/warm/up", NULL, "x", 1, NULL);
	before = daemon_rss();
	for (unsigned i = 0; i < leaves; i++) {
		snprintf(path, sizeof(path), "/mem/%u/leaf-%u", i / 100, i % 100);
		put(c, XS_WRITE, 0, path, NULL, value, (size_t)snprintf(value, sizeof(value), "value-%u", i));
		if (i % 16 == 15) {
			flush(c);
			for (unsigned k = 0; k < 16; k++)
				if (reply(c, &body, &len) == XS_ERROR)
					die("write: %s", body);
		}
	}
	usleep(300000);
	after = daemon_rss();
	result("bytes", (double)(after - before) * 1024 / leaves);
}

static void run_read(unsigned idle, unsigned b)
{
	work_read(idle);
}
static void run_pipelined(unsigned depth, unsigned b)
{
	work_pipelined(depth);
}
static void run_transactions(unsigned clients, unsigned counter)
{
	work_transactions(clients, counter);
}
static void run_directory(unsigned n, unsigned b)
{
	work_directory(n);
}
static void run_memory(unsigned n, unsigned b)
{
	work_memory(n);
}
static void run_ring(unsigned a, unsigned b)
{
	work_ring_read();
}
static void run_domains(unsigned n, unsigned b)
{
	work_domains(n);
}
static void run_destroy(unsigned n, unsigned b)
{
	work_destroy(n);
}

static const struct {
	const char *name;
	void (*run)(unsigned, unsigned);
	unsigned a, b;
} workloads[] = {
	{ "read", run_read, 0, 0 },
	{ "read-16", run_pipelined, 16, 0 },
	{ "read-idle", run_read, 1000, 0 },
	{ "vm-1", run_transactions, 1, 0 },
	{ "vm-32", run_transactions, 32, 0 },
	{ "counter-8", run_transactions, 8, 1 },
	{ "watch-check", work_watches, 100, 10 },
	{ "watch-1000", work_watched_writes, 100, 10 },
	{ "watch-100k", work_watched_writes, 100, 1000 },
	{ "fan-out-100", work_fan_out, 100, 10 },
	{ "fan-out-1", work_fan_out, 1, 1000 },
	{ "directory", run_directory, 10000, 0 },
	{ "memory", run_memory, 100000, 0 },
	{ "ring-read", run_ring, 0, 0 },
	{ "domains-250", run_domains, 250, 0 },
	{ "domains-1000", run_domains, 1000, 0 },
	{ "destroy-250", run_destroy, 250, 0 },
	{ "destroy-1000", run_destroy, 1000, 0 },
};

int main(int argc, char **argv)
{
	struct rlimit limit;
	size_t n;
	if (argc < 5)
		die("usage: load SOCKET PID SECONDS WORKLOAD [FAKE-DIR]");
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	bench.socket = argv[1];
	bench.pid = atoi(argv[2]);
	bench.seconds = atof(argv[3]);
	bench.fake = argc > 5 ? argv[5] : NULL;
	n = strlen(argv[1]);
	bench.echo = n >= 4 && !strcmp(argv[1] + n - 4, "echo");
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		if (strcmp(workloads[i].name, argv[4]))
			continue;
		workloads[i].run(workloads[i].a, workloads[i].b);
		printf("}\n");
		return 0;
	}
	die("no workload %s", argv[4]);
}
