/* Workloads that need guests: rings over the fake hypervisor's files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "tools/xenstored/hyper_fake.h"

static struct {
	struct fake_hyper *hyper;
	int events;
	uint64_t unique;
} g;

static int open_file(const char *name, int flags)
{
	char path[256];
	int fd;
	snprintf(path, sizeof(path), "%s/%s", bench.fake, name);
	fd = open(path, flags, 0600);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

void guest_setup(void)
{
	int fd;
	if (!bench.fake)
		die("needs the directory of the fake hypervisor");
	fd = open_file("hyper", O_RDWR);
	g.hyper = mmap(NULL, sizeof(*g.hyper), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (g.hyper == MAP_FAILED)
		die("map: %s", strerror(errno));
	close(fd);
	g.events = open_file("evtchn", O_RDWR);
	g.unique = 1000000;
}

void guest_create(unsigned id)
{
	char name[32], path[256];
	int fd;
	snprintf(name, sizeof(name), "dom%u.ring", id);
	fd = open_file(name, O_RDWR | O_CREAT | O_TRUNC);
	if (ftruncate(fd, 4096))
		die("ftruncate: %s", strerror(errno));
	close(fd);
	snprintf(path, sizeof(path), "%s/dom%u.event", bench.fake, id);
	if (mkfifo(path, 0600) && errno != EEXIST)
		die("mkfifo: %s", strerror(errno));
	g.hyper->domains[id].dying = g.hyper->domains[id].shutdown = 0;
	g.hyper->domains[id].unique = g.unique++;
	if (g.hyper->max_id < id)
		g.hyper->max_id = id;
	__atomic_store_n(&g.hyper->domains[id].exists, 1, __ATOMIC_SEQ_CST);
}

static void kick(uint32_t port)
{
	if (write(g.events, &port, sizeof(port)) != sizeof(port))
		die("kick: %s", strerror(errno));
}

void guest_destroy(unsigned id)
{
	__atomic_store_n(&g.hyper->domains[id].exists, 0, __ATOMIC_SEQ_CST);
	kick(FAKE_PORT_DOM_EXC);
}

static void introduce(struct client *c, unsigned id)
{
	char number[16];
	const char *body;
	size_t len;
	snprintf(number, sizeof(number), "%u", id);
	put(c, XS_INTRODUCE, 0, number, "1", "1", 2);
	flush(c);
	if (reply(c, &body, &len) == XS_ERROR)
		die("introduce: %s", body);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void ring_put(struct xenstore_domain_interface *r, const char *data, uint32_t len)
{
	uint32_t prod = r->req_prod;
	for (uint32_t i = 0; i < len; i++)
		r->req[MASK_XENSTORE_IDX(prod + i)] = data[i];
	__atomic_store_n(&r->req_prod, prod + len, __ATOMIC_SEQ_CST);
}

/* A guest that sleeps until its reply comes. */
void work_ring_read(void)
{
	static double took[2000000];
	struct client *c = client_open();
	struct xenstore_domain_interface *r;
	char message[64], drain[4096];
	double t, end;
	uint64_t cpu;
	uint32_t notified;
	size_t n = 0, len;
	int fd, event;
	struct wire_piece p = { "/bench/read", 12 };
	guest_setup();
	guest_create(1);
	fd = open_file("dom1.ring", O_RDWR);
	r = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	event = open_file("dom1.event", O_RDWR);
	introduce(c, 1);
	ask(c, XS_WRITE, 0, "/bench/read", NULL, "a value of some length", 22, NULL);
	ask(c, XS_SET_PERMS, 0, "/bench/read", "r0", NULL, 0, NULL);
	len = wire_pack(message, sizeof(message), XS_READ, 1, 0, &p, 1);
	usleep(20000);
	notified = g.hyper->domains[1].notified;
	cpu = daemon_cpu();
	t = now();
	end = t + bench.seconds;
	while (t < end && n < sizeof(took) / sizeof(*took)) {
		double t0 = t;
		ring_put(r, message, (uint32_t)len);
		kick(1);
		while (__atomic_load_n(&r->rsp_prod, __ATOMIC_SEQ_CST) - r->rsp_cons < 16 + 22)
			if (read(event, drain, sizeof(drain)) < 0)
				die("event: %s", strerror(errno));
		r->rsp_cons += 16 + 22;
		t = now();
		took[n++] = t - t0;
	}
	cpu = daemon_cpu() - cpu;
	qsort(took, n, sizeof(*took), by_value);
	result("p50_us", took[n / 2] * 1e6);
	result("p99_us", took[n * 99 / 100] * 1e6);
	result("cpu_us", (double)cpu / 1e3 / (double)n);
	result("notifies", (double)(g.hyper->domains[1].notified - notified) / (double)n);
}

static void boot_vm(struct client *c, unsigned id)
{
	uint32_t tx;
	do {
		tx = start(c);
		for (unsigned step = 0; step < VM_REQUESTS; step++) {
			const char *body;
			size_t len;
			vm_request(c, tx, id, step);
			flush(c);
			if (reply(c, &body, &len) == XS_ERROR)
				die("vm %u step %u: %s", id, step, body);
		}
	} while (!ask(c, XS_TRANSACTION_END, tx, "T", NULL, NULL, 0, "EAGAIN"));
	introduce(c, id);
}

/* @n domains come, each with its transaction and INTRODUCE. */
void work_domains(unsigned n)
{
	struct client *c = client_open();
	double begin, half;
	guest_setup();
	for (unsigned i = 1; i <= n; i++)
		guest_create(i);
	begin = half = now();
	for (unsigned i = 1; i <= n; i++) {
		if (i == n - n / 5 + 1)
			half = now();
		boot_vm(c, i);
	}
	/* What counts is the last fifth: how it is with that many. */
	result("rate", (n / 5) / (now() - half));
	result("mean", n / (now() - begin));
}

/* With @n domains there, destroy them one by one, each seen to be gone. */
void work_destroy(unsigned n)
{
	struct client *c = client_open();
	char path[64];
	const char *body;
	double begin, spent = 0;
	size_t len;
	guest_setup();
	for (unsigned i = 1; i <= n; i++)
		guest_create(i);
	for (unsigned i = 1; i <= n; i++) {
		boot_vm(c, i);
		/* Twenty nodes of its own. */
		for (unsigned k = 0; k < 20; k++) {
			snprintf(path, sizeof(path), "/local/domain/%u/own/%u", i, k);
			ask(c, XS_WRITE, 0, path, NULL, "x", 1, NULL);
			char perm[16];
			snprintf(perm, sizeof(perm), "n%u", i);
			ask(c, XS_SET_PERMS, 0, path, perm, NULL, 0, NULL);
		}
	}
	for (unsigned i = 1; i <= n / 5; i++) {
		begin = now();
		guest_destroy(i);
		snprintf(path, sizeof(path), "/local/domain/%u/own/0", i);
		for (;;) {
			put(c, XS_READ, 0, path, NULL, NULL, 0);
			flush(c);
			if (reply(c, &body, &len) == XS_ERROR)
				break;
		}
		spent += now() - begin;
	}
	result("rate", (n / 5) / spent);
}
