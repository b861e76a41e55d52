#include "hyper_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hyper.h"
#include "options.h"
#include "store/wire.h"

#define PAGE 4096
#define PORTS_PER_TURN 32
/* The local port of domain 0's ring, for a daemon may take 0 for no port: the classic one does. */
#define PORT_KERNEL 65534u

static struct {
	struct fake_hyper *shared;
	int evtchn;
	int event[FAKE_DOMAINS]; /* FIFO to guest N, + 1; 0: not bound */
	uint32_t ports[PORTS_PER_TURN];
	unsigned next, nr;
	bool pause, dom_exc, kept;
} fake = { .evtchn = -1 };

static int open_in(const char *name, uint32_t domid, int flags)
{
	char path[300], file[32];

	snprintf(file, sizeof(file), name, domid);
	if (snprintf(path, sizeof(path), "%s/%s", options.fake_dir, file) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, flags | O_CLOEXEC);
}

static void *map_file(int fd, size_t size)
{
	off_t have = lseek(fd, 0, SEEK_END);
	void *p = MAP_FAILED;

	errno = EINVAL;
	if (have >= (off_t)size)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int fake_open(void)
{
	int fd = open_in("hyper", 0, O_RDWR);

	if (fd < 0)
		return errno;
	fake.shared = map_file(fd, sizeof(struct fake_hyper));
	if (!fake.shared)
		return errno;
	if (fake.shared->magic != FAKE_MAGIC)
		return EINVAL;
	fake.evtchn = open_in("evtchn", 0, O_RDWR | O_NONBLOCK);
	return fake.evtchn < 0 ? errno : 0;
}

static int fake_event_fd(void)
{
	return fake.evtchn;
}

static int fake_next_port(void)
{
	uint32_t port;
	ssize_t n;

	if (fake.next == fake.nr) {
		if (fake.pause) {
			fake.pause = false;
			return -1;
		}
		n = read(fake.evtchn, fake.ports, sizeof(fake.ports));
		fake.next = 0;
		fake.nr = n > 0 ? (unsigned)n / 4 : 0;
		if (!fake.nr)
			return -1;
		fake.pause = true;
	}
	port = fake.ports[fake.next++];
	return (int)(port ? port & 0x7fffffff : PORT_KERNEL);
}

static struct fake_domain *entry(uint32_t domid)
{
	return domid < FAKE_DOMAINS ? &fake.shared->domains[domid] : NULL;
}

static uint32_t guest_of(uint32_t port)
{
	return port == PORT_KERNEL ? 0 : port;
}

/* A binding made before an update is still one. */
static bool is_bound(uint32_t port)
{
	int fd;

	if (port >= FAKE_DOMAINS || fake.event[port] || !fake.kept)
		return port < FAKE_DOMAINS && fake.event[port];
	fd = open_in("dom%u.event", port, O_RDWR | O_NONBLOCK);
	fake.event[port] = fd + 1;
	return fd >= 0;
}

static int fake_notify(uint32_t local)
{
	uint32_t port = guest_of(local);
	struct fake_domain *d = entry(port);

	if (!d || !is_bound(port)) {
		fake.shared->bad_calls++;
		return EINVAL;
	}
	__atomic_add_fetch(&d->notified, 1, __ATOMIC_RELAXED);
	/* A full FIFO means that events wait already. */
	(void)!write(fake.event[port] - 1, "", 1);
	return 0;
}

static int fake_bind(uint32_t domid, uint32_t remote_port, uint32_t *local)
{
	struct fake_domain *d = entry(domid);
	int fd;

	if (!d || (!d->exists && domid) || d->dying)
		return ESRCH;
	if (fake.event[domid] || (d->port && d->port != remote_port))
		return EINVAL;
	fd = open_in("dom%u.event", domid, O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return EINVAL;
	fake.event[domid] = fd + 1;
	d->bound = 1;
	*local = domid ? domid : PORT_KERNEL;
	return 0;
}

static void fake_unbind(uint32_t local)
{
	if (local == FAKE_PORT_DOM_EXC && fake.dom_exc) {
		fake.dom_exc = false;
		return;
	}
	local = guest_of(local);
	if (!is_bound(local)) {
		fake.shared->bad_calls++;
		return;
	}
	close(fake.event[local] - 1);
	fake.event[local] = 0;
	fake.shared->domains[local].bound = 0;
}

static int fake_dom_exc(uint32_t *local)
{
	if (fake.dom_exc)
		return EEXIST;
	fake.dom_exc = true;
	*local = FAKE_PORT_DOM_EXC;
	return 0;
}

static struct xenstore_domain_interface *map_ring_file(uint32_t domid)
{
	int fd = open_in("dom%u.ring", domid, O_RDWR);

	return fd < 0 ? NULL : map_file(fd, PAGE);
}

static struct xenstore_domain_interface *fake_map(uint32_t domid, uint64_t gfn)
{
	struct fake_domain *d = entry(domid);
	struct xenstore_domain_interface *ring;

	if (!d || !d->exists || d->dying || d->mapped) {
		errno = EINVAL;
		return NULL;
	}
	ring = map_ring_file(domid);
	if (ring)
		d->mapped = 1;
	return ring;
}

static void fake_unmap(uint32_t domid, struct xenstore_domain_interface *ring)
{
	struct fake_domain *d = entry(domid);

	if (domid && (!d || !d->mapped))
		fake.shared->bad_calls++;
	else if (d)
		d->mapped = 0;
	munmap(ring, PAGE);
}

static int fake_place(uint32_t domid, uint64_t *gfn, uint32_t *remote_port)
{
	struct fake_domain *d = entry(domid);

	if (!d || !d->exists || !d->port)
		return ENOENT;
	*gfn = 0;
	*remote_port = d->port;
	return 0;
}

static struct xenstore_domain_interface *fake_kernel(uint32_t *remote_port)
{
	*remote_port = fake.shared->domains[options.own_domid].port;
	return map_ring_file(options.own_domid);
}

static void describe(const struct fake_domain *d, struct hyper_domain *out)
{
	*out = (struct hyper_domain){
		.exists = d->exists,
		.dying = d->dying,
		.shutdown = d->shutdown,
		.code = d->code,
		.unique = d->unique,
	};
}

static int fake_info(uint32_t domid, struct hyper_domain *out)
{
	struct fake_domain *d = entry(domid);

	*out = (struct hyper_domain){ .exists = domid == 0 };
	if (d && d->exists)
		describe(d, out);
	return 0;
}

static int fake_list(uint32_t first, uint32_t *ids, struct hyper_domain *out, unsigned max)
{
	unsigned n = 0;

	for (uint32_t id = first; id <= fake.shared->max_id && id < FAKE_DOMAINS && n < max; id++) {
		if (!fake.shared->domains[id].exists)
			continue;
		ids[n] = id;
		describe(&fake.shared->domains[id], &out[n++]);
	}
	return (int)n;
}

/* After a daemon that was killed nothing is bound; after one that handed over all is. No page is mapped in either case. */
static int fake_reopen(void)
{
	int kept = fake.evtchn, err = fake_open();

	if (kept >= 0 && !err) {
		close(fake.evtchn);
		fake.evtchn = kept;
	}
	for (uint32_t id = 0; !err && id < FAKE_DOMAINS; id++) {
		struct fake_domain *d = &fake.shared->domains[id];

		if (d->mapped | d->bound) {
			d->mapped = 0;
			d->bound = fake.kept && d->bound;
		}
	}
	return err;
}

static int fake_keep_fd(void)
{
	return fake.evtchn;
}

static void fake_use_fd(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	fake.evtchn = fd;
	fake.kept = true;
}

const struct hyper hyper_fake = {
	.name = "fake",
	.open = fake_reopen,
	.event_fd = fake_event_fd,
	.next_port = fake_next_port,
	.notify = fake_notify,
	.bind = fake_bind,
	.unbind = fake_unbind,
	.bind_dom_exc = fake_dom_exc,
	.map_ring = fake_map,
	.unmap_ring = fake_unmap,
	.store_place = fake_place,
	.kernel_ring = fake_kernel,
	.domain_info = fake_info,
	.list = fake_list,
	.keep_fd = fake_keep_fd,
	.use_fd = fake_use_fd,
};
