/*
 * The simulated hypervisor's client: each handle has a connection, and what it mapped or bound goes with that. The machine's
 * RAM is one shared file; whatever is mapped is mapped from it, at the frames the server names.
 */
#include "hcall/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hcall/sim_wire.h"

struct sim_link {
	int socket, ram;
};

struct sim_map {
	struct sim_map *next;
	void *p;
	size_t nr, nr_ids;
	uint64_t ids[]; /* one for each SIM_MAX_PAGES */
};

/* One request and its answer; what of the payload was asked for. A descriptor that came along goes to @fd. */
static int64_t ask(struct sim_link *l, struct sim_request *q, const void *payload, struct sim_answer *answer, void *out,
		   size_t out_size, int *fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec send[2] = { { q, sizeof(*q) }, { (void *)(uintptr_t)payload, q->len } };
	struct iovec take[2] = { { answer, sizeof(*answer) }, { out, out_size } };
	struct msghdr m = { .msg_iov = send, .msg_iovlen = 2 };
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = sendmsg(l->socket, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	m = (struct msghdr){
		.msg_iov = take, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)
	};
	do {
		n = recvmsg(l->socket, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(*answer))
		return n < 0 ? -errno : -EPIPE;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		int got;

		memcpy(&got, CMSG_DATA(c), sizeof(got));
		if (fd)
			*fd = got;
		else
			close(got);
	}
	return answer->result;
}

static int64_t simple(struct sim_link *l, uint32_t op, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct sim_request q = { .op = op, .a = { a0, a1, a2, a3 } };
	struct sim_answer answer;

	return ask(l, &q, NULL, &answer, NULL, 0, NULL);
}

static int sim_open(struct handle *h)
{
	const char *path = getenv(SIM_ENV);
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct sim_request q = { .op = SIM_HELLO };
	struct sim_answer answer;
	struct sim_link *l;
	int rc;

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return -ENOENT;
	strcpy(to.sun_path, path);
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->ram = -1;
	l->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (l->socket < 0 || connect(l->socket, (struct sockaddr *)&to, sizeof(to)))
		rc = -errno;
	else
		rc = (int)ask(l, &q, NULL, &answer, NULL, 0, &l->ram);
	if (rc == 0) {
		h->link = l;
		return 0;
	}
	if (l->socket >= 0)
		close(l->socket);
	free(l);
	return rc;
}

static int sim_open_calls(struct handle *h)
{
	h->fd = -1;
	return sim_open(h);
}

static void sim_close(struct handle *h)
{
	while (h->maps) {
		struct sim_map *map = h->maps;

		h->maps = map->next;
		munmap(map->p, map->nr * HCALL_PAGE);
		free(map);
	}
	close(h->link->socket);
	close(h->link->ram);
	free(h->link);
	if (h->fd >= 0)
		close(h->fd);
}

static int sim_open_events(struct handle *h)
{
	struct sim_request q = { .op = SIM_EVTCHN_OPEN };
	struct sim_answer answer;
	int rc = sim_open(h);

	h->fd = -1;
	if (rc)
		return rc;
	rc = (int)ask(h->link, &q, NULL, &answer, NULL, 0, &h->fd);
	h->id = answer.v;
	if (rc)
		sim_close(h);
	return rc;
}

static int sim_adopt_events(struct handle *h, int fd)
{
	struct sim_request q = { .op = SIM_EVTCHN_ADOPT };
	struct sim_answer answer;
	struct stat st;
	int rc;

	if (fstat(fd, &st))
		return -errno;
	rc = sim_open(h);
	h->fd = -1;
	if (rc)
		return rc;
	q.a[0] = st.st_dev;
	q.a[1] = st.st_ino;
	rc = (int)ask(h->link, &q, NULL, &answer, NULL, 0, NULL);
	if (rc) {
		sim_close(h);
		return rc;
	}
	h->id = answer.v;
	h->fd = fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static long sim_call(struct handle *h, unsigned nr, const uint64_t a[5])
{
	struct sim_request q = { .op = SIM_CALL, .a = { 0, 0, nr, a[0], a[1], a[2], a[3], a[4] } };
	struct sim_answer answer;

	return ask(h->link, &q, NULL, &answer, NULL, 0, NULL);
}

/* Map frames @mfns at @at, where address space is kept for them; holes stay as they are. */
static int map_frames(struct sim_link *l, uint8_t *at, const uint64_t *mfns, size_t nr, int prot)
{
	for (size_t i = 0, run; i < nr; i += run) {
		run = 1;
		if (mfns[i] & SIM_BAD_PAGE)
			continue;
		while (i + run < nr && mfns[i + run] == mfns[i] + run)
			run++;
		if (mmap(at + i * HCALL_PAGE, run * HCALL_PAGE, prot, MAP_SHARED | MAP_FIXED, l->ram,
			 (off_t)(mfns[i] * HCALL_PAGE)) == MAP_FAILED)
			return -errno;
	}
	return 0;
}

/* Domain 0's addresses are physical ones: its buffers must lie where it says they do. */
static void *sim_alloc(struct handle *h, size_t pages)
{
	struct sim_request q = { .op = SIM_ALLOC, .a = { pages } };
	struct sim_answer answer;
	uint64_t mfns[SIM_MAX_PAGES];
	uint8_t *p;

	if (pages > SIM_MAX_PAGES || ask(h->link, &q, NULL, &answer, mfns, sizeof(mfns), NULL))
		return NULL;
	p = mmap((void *)answer.v, pages * HCALL_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0);
	if (p == MAP_FAILED)
		goto fail;
	if (p != (void *)answer.v || map_frames(h->link, p, mfns, pages, PROT_READ | PROT_WRITE)) {
		munmap(p, pages * HCALL_PAGE);
		goto fail;
	}
	memset(p, 0, pages * HCALL_PAGE);
	return p;
fail:
	simple(h->link, SIM_FREE, answer.v, pages, 0, 0);
	return NULL;
}

static void sim_free(struct handle *h, void *p, size_t pages)
{
	munmap(p, pages * HCALL_PAGE);
	simple(h->link, SIM_FREE, (uintptr_t)p, pages, 0, 0);
}

static void undo_map(struct handle *h, struct sim_map *map)
{
	for (size_t i = 0; i < map->nr_ids; i++)
		simple(h->link, SIM_UNMAP, map->ids[i], 0, 0, 0);
	if (map->p != MAP_FAILED)
		munmap(map->p, map->nr * HCALL_PAGE);
	free(map);
}

/*
 * Map @nr pages in as many requests as that takes. @q is the request without its count (in @count_at), @items what it lists,
 * of @item_size bytes each (NULL: nothing, then *@first counts up). Bad pages go to @errs, or fail it all.
 */
static void *map_pages(struct handle *h, struct sim_request *q, unsigned count_at, const void *items, size_t item_size,
		       uint64_t *first, size_t nr, int prot, int *errs)
{
	size_t max = (nr + SIM_MAX_PAGES - 1) / SIM_MAX_PAGES;
	struct sim_map *map = calloc(1, sizeof(*map) + max * sizeof(map->ids[0]));
	uint64_t mfns[SIM_MAX_PAGES];
	struct sim_answer answer;
	int rc = map ? 0 : -ENOMEM;

	if (rc)
		goto out;
	map->nr = nr;
	map->p = mmap(NULL, nr * HCALL_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map->p == MAP_FAILED)
		rc = -errno;
	for (size_t at = 0; !rc && at < nr; at += SIM_MAX_PAGES) {
		size_t now = nr - at < SIM_MAX_PAGES ? nr - at : SIM_MAX_PAGES;

		q->a[count_at] = now;
		q->len = items ? (uint32_t)(now * item_size) : 0;
		rc = (int)ask(h->link, q, items ? (const uint8_t *)items + at * item_size : NULL, &answer, mfns,
			      sizeof(mfns), NULL);
		if (rc)
			break;
		map->ids[map->nr_ids++] = answer.v;
		if (first)
			*first += now;
		for (size_t i = 0; !rc && i < now; i++) {
			int error = mfns[i] & SIM_BAD_PAGE ? -(int)(mfns[i] & 0xffff) : 0;

			if (errs)
				errs[at + i] = error;
			else
				rc = error;
		}
		if (!rc)
			rc = map_frames(h->link, (uint8_t *)map->p + at * HCALL_PAGE, mfns, now, prot);
	}
	if (!rc) {
		map->next = h->maps;
		h->maps = map;
		return map->p;
	}
	undo_map(h, map);
out:
	errno = -rc;
	return NULL;
}

static void *sim_map_foreign(struct handle *h, uint32_t domid, int prot, const uint64_t *gfns, size_t nr, int *errs)
{
	struct sim_request q = { .op = SIM_MAP_FOREIGN, .a = { domid, 0, !!(prot & PROT_WRITE) } };

	return map_pages(h, &q, 1, gfns, sizeof(*gfns), NULL, nr, prot, errs);
}

static void *sim_map_resource(struct handle *h, uint32_t domid, unsigned type, unsigned id, uint64_t frame, size_t nr,
			      int prot)
{
	struct sim_request q = { .op = SIM_MAP_RESOURCE, .a = { domid, type, id, frame } };

	return map_pages(h, &q, 4, NULL, 0, &q.a[3], nr, prot, NULL);
}

static int sim_unmap(struct handle *h, void *p, size_t nr)
{
	for (struct sim_map **at = &h->maps; *at; at = &(*at)->next) {
		struct sim_map *map = *at;

		if (map->p != p)
			continue;
		if (map->nr != nr)
			return -EINVAL;
		*at = map->next;
		undo_map(h, map);
		return 0;
	}
	return -EINVAL;
}

static int evtchn_op(struct handle *h, enum sim_evtchn_op op, uint64_t a, uint64_t b)
{
	return (int)simple(h->link, SIM_EVTCHN, h->id, op, a, b);
}

static int sim_bind_interdomain(struct handle *h, uint32_t domid, uint32_t port)
{
	return evtchn_op(h, SIM_BIND_INTERDOMAIN, domid, port);
}

static int sim_bind_virq(struct handle *h, uint32_t virq)
{
	return evtchn_op(h, SIM_BIND_VIRQ, virq, 0);
}

static int sim_alloc_unbound(struct handle *h, uint32_t domid)
{
	return evtchn_op(h, SIM_ALLOC_UNBOUND, domid, 0);
}

static int sim_unbind(struct handle *h, uint32_t port)
{
	return evtchn_op(h, SIM_UNBIND, port, 0);
}

static int sim_notify(struct handle *h, uint32_t port)
{
	return evtchn_op(h, SIM_NOTIFY, port, 0);
}

static int sim_unmask(struct handle *h, const uint32_t *ports, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		int rc = evtchn_op(h, SIM_UNMASK, ports[i], 0);

		if (rc)
			return rc;
	}
	return 0;
}

static void *sim_map_grants(struct handle *h, uint32_t domid, const uint32_t *refs, size_t nr, int prot)
{
	struct sim_request q = { .op = SIM_MAP_GRANTS, .a = { domid, 0, !!(prot & PROT_WRITE) } };

	return map_pages(h, &q, 1, refs, sizeof(*refs), NULL, nr, prot, NULL);
}

const struct backend backend_sim = {
	.sim = true,
	.open_calls = sim_open_calls,
	.open_events = sim_open_events,
	.adopt_events = sim_adopt_events,
	.open_grants = sim_open_calls,
	.close = sim_close,
	.call = sim_call,
	.alloc = sim_alloc,
	.free = sim_free,
	.map_foreign = sim_map_foreign,
	.map_resource = sim_map_resource,
	.unmap_foreign = sim_unmap,
	.bind_interdomain = sim_bind_interdomain,
	.bind_virq = sim_bind_virq,
	.alloc_unbound = sim_alloc_unbound,
	.unbind = sim_unbind,
	.notify = sim_notify,
	.unmask = sim_unmask,
	.map_grants = sim_map_grants,
	.unmap_grants = sim_unmap,
};
