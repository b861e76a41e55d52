#include "hospesd_world.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "domain/config.h"
#include "guest/build.h"
#include "guest/dump.h"
#include "hcall/hcall.h"
#include "sched.h"
#include "store/wire.h"
#include "tools/hospesd/dom.h"
#include "tools/hospesd/hv.h"
#include "tools/hospesd/methods.h"
#include "tools/hospesd/ops.h"
#include "tools/hospesd/qemu.h"
#include "tools/hospesd/script.h"
#include "tools/hospesd/server.h"
#include "tools/hospesd/settings.h"
#include "tools/hospesd/work.h"
#include "tools/hospesd/xs.h"

#define MAX_DOMAINS 16
#define MAX_NODES 4096
#define MAX_WATCHES 256
#define HOUR (3600ull * 1000000000)

struct node {
	char *path, *value;
};

static struct {
	int listen[2]; /* where the store and the daemon are reached */
	struct sockaddr_un names[2];
	int store;
	struct text in;	 /* of the store, not taken yet */
	struct text out; /* and what it said, not sent yet: the daemon takes it in the same thread */
	struct node nodes[MAX_NODES];
	unsigned nr_nodes;
	struct node watches[MAX_WATCHES]; /* the value is the token */
	unsigned nr_watches;
	unsigned until_failure;
	const char *error;
	struct xen_domctl_getdomaininfo domains[MAX_DOMAINS];
	unsigned nr_domains;
	uint32_t last_id;
	uint64_t now;
	struct xs_watch *backends;
} world;

/*
 * The store.
 */

static void reply(const struct xsd_sockmsg *h, uint32_t type, const void *body, size_t len)
{
	struct xsd_sockmsg out = { type, h->req_id, h->tx_id, (uint32_t)len };
	text_add_bytes(&world.out, &out, sizeof(out));
	text_add_bytes(&world.out, body, len);
}

/* Send what the connection takes. False: nothing. */
static bool store_flush(void)
{
	ssize_t n = world.out.len ? send(world.store, world.out.s, world.out.len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
	if (n <= 0)
		return false;
	memmove(world.out.s, world.out.s + n, world.out.len - (size_t)n);
	world.out.len -= (size_t)n;
	return true;
}

static void fire(const struct node *watch, const char *path)
{
	static const struct xsd_sockmsg none;
	char body[8192];
	int len = snprintf(body, sizeof(body), "%s%c%s", path, 0, watch->value);
	reply(&none, XS_WATCH_EVENT, body, (size_t)len + 1);
}

static bool below(const char *path, const char *top)
{
	size_t len = strlen(top);
	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

static void changed(const char *path)
{
	for (unsigned i = 0; i < world.nr_watches; i++)
		if (below(path, world.watches[i].path))
			fire(&world.watches[i], path);
}

static struct node *find(const char *path)
{
	for (unsigned i = 0; i < world.nr_nodes; i++)
		if (!strcmp(world.nodes[i].path, path))
			return &world.nodes[i];
	return NULL;
}

static void set(const char *path, const char *value)
{
	struct node *n = find(path);
	if (!n && world.nr_nodes == MAX_NODES)
		abort(); /* the daemon leaves nodes behind */
	if (!n) {
		n = &world.nodes[world.nr_nodes++];
		*n = (struct node){ xstrdup(path), NULL };
	}
	free(n->value);
	n->value = xstrdup(value);
	changed(path);
}

static bool removed(const char *path)
{
	bool any = false;
	for (unsigned i = 0; i < world.nr_nodes; i++) {
		struct node n = world.nodes[i];
		if (!below(n.path, path))
			continue;
		world.nodes[i--] = world.nodes[--world.nr_nodes];
		changed(n.path);
		free(n.path);
		free(n.value);
		any = true;
	}
	return any;
}

static void domains_changed(void)
{
	changed("@releaseDomain");
}

/* Back ends and guests obey at once. */
static void obey(const char *path, const char *value)
{
	unsigned id;
	int end = 0;
	const char *state = strstr(path, "/state");
	if (strstr(path, "/backend/") && state && !state[6])
		set(path, !strcmp(value, "1") ? "2" : !strcmp(value, "5") ? "6" : value);
	if (sscanf(path, "/local/domain/%u/control/shutdown%n", &id, &end) != 1 || !end || path[end] || !*value)
		return;
	set(path, "");
	for (unsigned i = 0; i < world.nr_domains; i++)
		if (world.domains[i].domain == id)
			world.domains[i].flags |=
				XEN_DOMINF_shutdown | (unsigned)(*value == 'r' ? SHUTDOWN_reboot : SHUTDOWN_poweroff)
							      << XEN_DOMINF_shutdownshift;
	domains_changed();
}

static void list(const struct xsd_sockmsg *h, const char *path)
{
	struct text names = { 0 };
	size_t len = strlen(path);
	for (unsigned i = 0; i < world.nr_nodes; i++) {
		const char *p = world.nodes[i].path, *name = p + len + 1;
		size_t n;
		bool seen = false;
		if (!below(p, path) || !p[len])
			continue;
		n = strcspn(name, "/");
		for (size_t at = 0; at < names.len; at += strlen(names.s + at) + 1)
			seen |= strlen(names.s + at) == n && !strncmp(names.s + at, name, n);
		if (seen)
			continue;
		text_add_bytes(&names, name, n);
		text_add_bytes(&names, "", 1);
	}
	if (names.len && names.len <= 4096)
		reply(h, XS_DIRECTORY, names.s, names.len);
	else
		reply(h, XS_ERROR, names.len ? "E2BIG" : "ENOENT", names.len ? 6 : 7);
	text_free(&names);
}

static void add_watch(const char *path, const char *token)
{
	if (world.nr_watches == MAX_WATCHES)
		abort(); /* the daemon leaves watches behind */
	world.watches[world.nr_watches++] = (struct node){ xstrdup(path), xstrdup(token) };
	fire(&world.watches[world.nr_watches - 1], path);
}

static void remove_watch(const char *path, const char *token)
{
	for (unsigned i = 0; i < world.nr_watches; i++) {
		struct node w = world.watches[i];
		if (strcmp(w.path, path) || strcmp(w.value, token))
			continue;
		world.watches[i] = world.watches[--world.nr_watches];
		free(w.path);
		free(w.value);
		return;
	}
}

/* @second: what stands behind the path's NUL. A transaction's changes happen at once. */
static void serve(const struct xsd_sockmsg *h, const char *path, const char *second)
{
	const struct node *n;
	if (world.until_failure && !--world.until_failure) {
		reply(h, XS_ERROR, world.error, strlen(world.error) + 1);
		return;
	}
	switch (h->type) {
	case XS_READ:
		n = find(path);
		reply(h, n ? XS_READ : XS_ERROR, n ? n->value : "ENOENT", n ? strlen(n->value) : 7);
		return;
	case XS_DIRECTORY:
		list(h, path);
		return;
	case XS_WRITE:
		set(path, second);
		obey(path, second);
		break;
	case XS_RM:
		if (!removed(path)) {
			reply(h, XS_ERROR, "ENOENT", 7);
			return;
		}
		break;
	case XS_TRANSACTION_START:
		reply(h, h->type, "1", 2);
		return;
	case XS_WATCH:
		reply(h, h->type, "OK", 3);
		add_watch(path, second);
		return;
	case XS_UNWATCH:
		remove_watch(path, second);
		break;
	case XS_INTRODUCE:
		changed("@introduceDomain");
		break;
	}
	reply(h, h->type, "OK", 3);
}

/* Answer what has come. False: nothing had. */
static bool store_pump(void)
{
	struct xsd_sockmsg h;
	char part[65536];
	ssize_t n = recv(world.store, part, sizeof(part), MSG_DONTWAIT);
	size_t at = 0;
	if (n <= 0)
		return store_flush();
	text_add_bytes(&world.in, part, (size_t)n);
	while (world.in.len - at >= sizeof(h)) {
		char body[4097];
		size_t len;
		memcpy(&h, world.in.s + at, sizeof(h));
		if (h.len > 4096)
			abort(); /* more than the wire allows */
		if (world.in.len - at - sizeof(h) < h.len)
			break;
		memcpy(body, world.in.s + at + sizeof(h), h.len);
		body[h.len] = 0;
		at += sizeof(h) + h.len;
		len = strlen(body);
		serve(&h, body, len < h.len ? body + len + 1 : "");
	}
	memmove(world.in.s, world.in.s + at, world.in.len - at);
	world.in.len -= at;
	store_flush();
	return true;
}

/*
 * The clock: it goes on when nothing else does.
 */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __real_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){ .tv_sec = (time_t)(world.now / 1000000000),
				 .tv_nsec = (long)(world.now % 1000000000) };
	return 0;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
	int n;
	do
		n = __real_epoll_wait(epoll, events, max, 0);
	while (!n && store_pump());
	if (n)
		return n;
	if (timeout < 0 || world.now > 2 * HOUR)
		loop_stop();
	else
		world.now += (uint64_t)timeout * 1000000;
	return 0;
}

/*
 * The hypervisor, as far as hv.c asks it.
 */

static struct xen_domctl_getdomaininfo *domain(uint32_t id)
{
	for (unsigned i = 0; i < world.nr_domains; i++)
		if (world.domains[i].domain == id)
			return &world.domains[i];
	return NULL;
}

struct hcall *hv_handle(void)
{
	return NULL;
}

int hv_info(uint32_t domid, struct xen_domctl_getdomaininfo *info)
{
	const struct xen_domctl_getdomaininfo *d = domain(domid);
	if (!d)
		return -ESRCH;
	*info = *d;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct xen_domctl_getdomaininfo *x = a, *y = b;
	return (x->domain > y->domain) - (x->domain < y->domain);
}

int hv_list(struct xen_domctl_getdomaininfo **all)
{
	qsort(world.domains, world.nr_domains, sizeof(*world.domains), by_id);
	*all = xcalloc(MAX_DOMAINS, sizeof(**all));
	memcpy(*all, world.domains, world.nr_domains * sizeof(**all));
	return (int)world.nr_domains;
}

int hv_pause(uint32_t domid)
{
	struct xen_domctl_getdomaininfo *d = domain(domid);
	if (d)
		d->flags |= XEN_DOMINF_paused;
	return d ? 0 : -ESRCH;
}

int hv_unpause(uint32_t domid)
{
	struct xen_domctl_getdomaininfo *d = domain(domid);
	if (d)
		d->flags &= ~XEN_DOMINF_paused;
	return d ? 0 : -ESRCH;
}

int hv_destroy(struct hcall *h, uint32_t domid)
{
	struct xen_domctl_getdomaininfo *d = domain(domid);
	(void)h;
	if (!d)
		return -ESRCH;
	*d = world.domains[--world.nr_domains];
	domains_changed();
	return 0;
}

int hv_max_mem(uint32_t domid, uint64_t kib)
{
	(void)kib;
	return domain(domid) ? 0 : -ESRCH;
}

int hv_pod_target(uint32_t domid, uint64_t pages)
{
	return hv_max_mem(domid, pages);
}

int hv_set_handle(uint32_t domid, const uint8_t uuid[16])
{
	struct xen_domctl_getdomaininfo *d = domain(domid);
	if (d)
		memcpy(d->handle, uuid, 16);
	return d ? 0 : -ESRCH;
}

int hv_trigger_power(uint32_t domid)
{
	(void)domid;
	return -EOPNOTSUPP;
}

int hv_grant_holders(uint32_t domid, void (*each)(void *arg, uint32_t holder, unsigned grants), void *arg)
{
	if (domain(domid))
		each(arg, 0, 1);
	return 0;
}

uint64_t hv_free_kib(void)
{
	return 1 << 20;
}

unsigned hv_nr_cpus(void)
{
	return 4;
}

bool hv_share(uint32_t domid, unsigned *weight, unsigned *cap)
{
	*weight = 256;
	*cap = 0;
	return domain(domid);
}

uint32_t hcall_features(struct hcall *h)
{
	(void)h;
	return 0;
}

long hcall_version(struct hcall *h, unsigned cmd, void *arg, size_t size)
{
	(void)h;
	(void)cmd;
	(void)arg;
	(void)size;
	return -ENOSYS;
}

int hcall_hvm(struct hcall *h, unsigned cmd, void *arg, size_t size)
{
	return (int)hcall_version(h, cmd, arg, size);
}

int guest_build(struct hcall *h, const struct domain_config *c, struct guest_build *b,
		bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total), void *arg,
		struct problem *p)
{
	struct xen_domctl_getdomaininfo *d = &world.domains[world.nr_domains];
	(void)h;
	if (world.nr_domains == MAX_DOMAINS || c->memory > 1 << 20)
		return problem_set(p, ENOMEM, "no-memory", "memory", "give it less", "there is no memory");
	if (!progress(arg, "memory", 1, 2))
		return problem_set(p, ECANCELED, "cancelled", "memory", "create it again", "it was given up");
	b->built_domid = b->domid && !domain(b->domid) ? b->domid : ++world.last_id;
	*d = (struct xen_domctl_getdomaininfo){ .domain = (domid_t)b->built_domid, .flags = XEN_DOMINF_paused };
	memcpy(d->handle, c->uuid, 16);
	world.nr_domains++;
	return 0;
}

int guest_dump(struct hcall *h, uint32_t domid, const char *path,
	       bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total), void *arg,
	       struct problem *p)
{
	(void)h;
	(void)domid;
	(void)progress;
	(void)arg;
	return problem_set(p, ENOSPC, "cannot-write", "dump", "make room", "%s: no space", path);
}

/*
 * Threads and scripts.
 */

static void work_over(void *arg)
{
	struct work *w = arg;
	if (w->poked && atomic_exchange(&w->poke, false))
		w->poked(w);
	w->done(w);
}

static void work_run(void *arg)
{
	struct work *w = arg;
	w->run(w, (struct hcall *)&world);
	loop_defer(work_over, w);
}

void work_start(struct work *w)
{
	atomic_store(&w->cancelled, false);
	loop_defer(work_run, w);
}

void work_poke(struct work *w)
{
	atomic_store(&w->poke, true);
}

struct script *script_start(const char *path, char *const *args, char *const *env, unsigned ms, script_done *done,
			    void *arg, struct problem *p)
{
	(void)args;
	(void)env;
	(void)ms;
	(void)done;
	(void)arg;
	problem_set(p, ENOENT, "script-failed", "script", "correct the path", "%s: not here", path);
	return NULL;
}

/*
 * The whole.
 */

static char folder[] = "/tmp/fuzz-hospesd.XXXXXX";

static void listen_at(unsigned i, const char *name)
{
	world.names[i].sun_family = AF_UNIX;
	snprintf(world.names[i].sun_path, sizeof(world.names[i].sun_path), "%s/%s", folder, name);
	world.listen[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(world.listen[i], (struct sockaddr *)&world.names[i], sizeof(world.names[i])) ||
	    listen(world.listen[i], 16))
		abort();
}

static int take_away(const char *path, const struct stat *st, int what, struct FTW *where)
{
	(void)st;
	(void)what;
	(void)where;
	return remove(path);
}

static void clean_up(void)
{
	nftw(folder, take_away, 16, FTW_DEPTH | FTW_PHYS);
}

void world_prepare(void)
{
	static const char *const names[] = { "lib-dir", "log-dir",   "state-dir", "cache-dir",
					     "scripts", "fake-host", "lock-file", "config" };
	char *argv[32] = { (char *)"hospesd" };
	int argc = 1;
	if (!mkdtemp(folder) || atexit(clean_up))
		abort();
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		argv[argc++] = xasprintf("--%s=%s/%s", names[i], folder, names[i]);
	for (unsigned i = 0; i < 6; i++)
		(void)mkdir(strchr(argv[1 + i], '=') + 1, 0700);
	argv[argc++] = (char *)"--wait=console=0";
	if (settings_parse(argc, argv))
		abort();
	settings_read_conf();
	setenv("HOSPESD_PLAIN_STORE", "1", 1);
	listen_at(0, "store");
	listen_at(1, "hospesd");
	setenv("XENSTORED_PATH", world.names[0].sun_path, 1);
}

/* As main.c has it. */
static void backend_changed(void *arg, const char *path)
{
	(void)arg;
	plug_backend_changed(path);
}

void world_open(unsigned fail, const char *error)
{
	world.now = HOUR;
	world.last_id = 0;
	world.until_failure = 0;
	world.domains[0] = (struct xen_domctl_getdomaininfo){ .domain = 0 };
	world.nr_domains = 1;
	if (loop_open())
		abort();
	qemu_open();
	dom_open();
	world.backends = xs_watch("/local/domain/0/backend", backend_changed, NULL);
	xs_open();
	world.store = accept4(world.listen[0], NULL, NULL, SOCK_CLOEXEC);
	if (world.store < 0 || server_adopt(dup(world.listen[1]), methods))
		abort();
	world_run();
	world.until_failure = fail;
	world.error = error;
}

int world_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&world.names[1], sizeof(world.names[1])))
		abort();
	return fd;
}

void world_run(void)
{
	loop_run();
}

void world_close(void)
{
	server_close();
	xs_stop();
	dom_close();
	xs_unwatch(world.backends);
	xs_close();
	loop_close();
	close(world.store);
	text_free(&world.in);
	text_free(&world.out);
	while (world.nr_watches) {
		struct node *w = &world.watches[--world.nr_watches];
		free(w->path);
		free(w->value);
	}
	removed("");
}
