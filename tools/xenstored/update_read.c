/* The state of the daemon before us, out of its stream. It may be another version of this one, or the classic daemon. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn_io.h"
#include "domain.h"
#include "hash.h"
#include "hyper.h"
#include "journal_format.h"
#include "options.h"
#include "perms.h"
#include "store.h"
#include "stream.h"
#include "trace.h"
#include "tree.h"
#include "update.h"
#include "watch.h"

#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

static struct {
	void *map;
	size_t size;
} loaded;

struct reader {
	int evtchn;	   /* kept descriptor; -1: ports must be bound again */
	struct conn *last; /* records follow their connection */
	uint32_t known_tx; /* of that connection: its log was there; nodes that it sees otherwise follow */
	unsigned skipped;
};

static struct conn *conn_by_id(struct reader *r, uint32_t id)
{
	if (r->last && r->last->id == id)
		return r->last;
	for (struct conn_io *io = conn_first(); io; io = io->next)
		if (io->c->id == id && !io->closing)
			return r->last = io->c;
	return NULL;
}

static int read_global(struct reader *r, struct stream_in *b)
{
	int fd = (int)stream_get32(b);

	r->evtchn = b->len >= 4 ? (int)stream_get32(b) : -1;
	/* A descriptor this hypervisor has no use for: the number that follows in each connection is taken for the guest's port. */
	if (hyper->keep_fd() < 0)
		r->evtchn = -1;
	if (b->bad)
		return EINVAL;
	if (fd >= 0 && fcntl(fd, F_GETFD) >= 0 && socket_listen_fd() < 0)
		socket_listen_restore(fd);
	return 0;
}

static int read_hospes_domain(struct stream_in *b)
{
	uint32_t id = stream_get16(b);
	struct journal_domain_record j;
	const void *p;
	struct domain *d;

	stream_get16(b);
	stream_get32(b);
	p = stream_get(b, sizeof(j));
	if (!p || b->swap)
		return p ? 0 : EINVAL;
	memcpy(&j, p, sizeof(j));
	d = domain_restore(id, j.unique);
	if (!d)
		return EINVAL;
	journal_domain_restore(d, &j);
	return 0;
}

/* Whole messages as they were queued, after the rest of one that has begun. */
static int restore_output(struct conn *c, const char *p, size_t len, size_t begun)
{
	struct xsd_sockmsg h;

	if (begun > len || begun > MESSAGE_MAX)
		return EINVAL;
	if (begun) {
		if (queue_restore_rest(c, p, begun, false, ++c->io->reply_number))
			return ENOMEM;
		p += begun;
		len -= begun;
	}
	while (len) {
		int size = wire_peek(p, len, &h);
		bool event = h.type == XS_WATCH_EVENT;

		if (size <= 0)
			return EINVAL;
		if (queue_restore(c, p, (size_t)size, event, event ? 0 : ++c->io->reply_number))
			return ENOMEM;
		p += size;
		len -= (size_t)size;
	}
	return 0;
}

static int restore_input(struct conn *c, const char *p, size_t len)
{
	struct conn_io *io = c->io;
	struct xsd_sockmsg h;
	int size;

	if (!len)
		return 0;
	size = wire_peek(p, len, &h);
	/* A ring's gathered input is at most one message. */
	if (size < 0 || (c->kind != CONN_SOCKET && size && (size_t)size < len))
		return EINVAL;
	io->in_size = c->kind == CONN_SOCKET ? (uint32_t)len : MESSAGE_MAX;
	io->in = malloc(io->in_size);
	if (!io->in || len > io->in_size)
		return ENOMEM;
	memcpy(io->in, p, len);
	io->in_len = (uint32_t)len;
	io->in_skip = c->kind == CONN_SOCKET && size > 0;
	return 0;
}

static struct conn *restore_socket(int fd, uint32_t id)
{
	struct stat st;

	if (fd < 3 || fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		return NULL;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	return socket_new(fd, id);
}

static struct conn *restore_ring(const struct reader *r, uint32_t id, uint32_t domid, uint32_t target, uint32_t port)
{
	struct domain *d = domain_restore(domid, 0);
	int err;

	if (!d || d->conn)
		return NULL;
	if (target < WIRE_DOMID_FIRST_RESERVED)
		d->target = target;
	if (r->evtchn < 0)
		d->port = port;
	err = domain_attach(d, r->evtchn >= 0 ? port : ~0u, id);
	if (err) {
		/* Its end will be noticed like that of any domain. */
		notice("update: the ring of domain %u cannot be reached: %s", domid, strerror(err));
		d->introduced = true;
		return NULL;
	}
	d->conn->io->notify = true;
	return d->conn;
}

static int read_conn(struct reader *r, struct stream_in *b)
{
	uint32_t id = stream_get32(b), type = stream_get16(b), port;
	uint16_t domid, target, in_len, begun;
	uint32_t out_len;
	const char *in, *out;
	struct stream_in spec;
	struct conn *c;
	int err;

	stream_get16(b);
	spec = (struct stream_in){ .p = stream_get(b, 8), .len = 8, .swap = b->swap };
	in_len = stream_get16(b);
	begun = stream_get16(b);
	out_len = stream_get32(b);
	in = stream_get(b, in_len);
	out = stream_get(b, out_len);
	if (b->bad || !id || type > STREAM_CONN_SOCKET || conn_by_id(r, id))
		return EINVAL;
	if (type == STREAM_CONN_SOCKET) {
		c = restore_socket((int)stream_get32(&spec), id);
	} else {
		domid = stream_get16(&spec);
		target = stream_get16(&spec);
		port = stream_get32(&spec);
		c = restore_ring(r, id, domid, target, port);
	}
	if (!c) {
		r->skipped++;
		return 0;
	}
	r->last = c;
	r->known_tx = 0;
	err = restore_output(c, out, out_len, begun);
	if (!err)
		err = restore_input(c, in, in_len);
	if (err)
		return err;
	conn_ready(c->io);
	conn_list_add(c->io, LIST_DIRTY);
	return 0;
}

static int read_watch(struct reader *r, struct stream_in *b, bool extended)
{
	uint32_t id = stream_get32(b);
	uint16_t path_len = stream_get16(b), token_len = stream_get16(b), depth = STREAM_NO_DEPTH;
	const char *path, *token;
	struct conn *c;

	if (extended) {
		depth = stream_get16(b);
		stream_get16(b);
	}
	path = stream_string(b, path_len);
	token = stream_string(b, token_len);
	if (b->bad)
		return EINVAL;
	c = conn_by_id(r, id);
	return c ? store_restore_watch(c, path, token, depth == STREAM_NO_DEPTH ? WATCH_ANY_DEPTH : depth) : 0;
}

static int read_transaction(struct reader *r, struct stream_in *b)
{
	uint32_t id = stream_get32(b), tx = stream_get32(b);
	struct conn *c = conn_by_id(r, id);

	if (b->bad || !tx)
		return EINVAL;
	return c ? store_restore_transaction(c, tx, true) : 0;
}

/* It has been made known as one that cannot go on; its log says how it does. */
static int read_hospes_tx(struct reader *r, struct stream_in *b)
{
	uint32_t id = stream_get32(b), flags;
	struct conn *c = conn_by_id(r, id);
	struct store_tx tx = { .id = stream_get32(b) };
	struct store_tx_request q;
	int err;

	flags = stream_get32(b);
	tx.refreshes = (uint8_t)stream_get32(b);
	tx.age = stream_get64(b);
	tx.took = stream_get64(b);
	tx.nodes = (int64_t)stream_get64(b);
	tx.bytes = (int64_t)stream_get64(b);
	tx.doomed = flags & STREAM_TX_DOOMED;
	tx.failed = flags & STREAM_TX_FAILED;
	tx.snapshot = flags & STREAM_TX_SNAPSHOT;
	if (b->bad || !tx.id)
		return EINVAL;
	err = c ? store_restore_tx(c, &tx) : 0;
	while (c && !err && b->len >= 16) {
		q.type = stream_get32(b);
		q.len = stream_get32(b);
		q.answer = stream_get64(b);
		q.body = stream_get(b, q.len);
		err = b->bad ? EINVAL : store_restore_tx_request(c, tx.id, &q);
	}
	if (c && !err)
		r->known_tx = tx.id;
	return err;
}

static int read_perm(struct stream_in *b, struct perm *p)
{
	static const char letters[] = "nrwb";
	const char *raw = stream_get(b, 2), *letter;
	uint16_t id = stream_get16(b);
	const struct domain *d;

	letter = raw && raw[0] ? strchr(letters, raw[0]) : NULL;
	if (b->bad || !letter)
		return EINVAL;
	*p = (struct perm){ .id = id, .access = (uint8_t)(letter - letters), .ignore = raw[1] & STREAM_STALE };
	if (p->ignore || id == WIRE_DOMID_ANY)
		return 0;
	d = domain_get(id);
	if (!d)
		p->ignore = id != 0;
	else if (!domain_privileged(d))
		p->unique = d->unique;
	return 0;
}

static int keep_node(struct reader *r, uint32_t conn, uint32_t tx, const struct store_node *n)
{
	struct conn *c = conn ? conn_by_id(r, conn) : NULL;

	if (conn)
		return c ? store_restore_tx_node(c, tx, n) : 0;
	if (n->path[0] == '@')
		return watch_set_special_perms(n->path, n->perms, n->nr_perms);
	return store_restore_node(n);
}

static int read_node(struct reader *r, struct stream_in *b)
{
	uint32_t conn = stream_get32(b), tx = stream_get32(b);
	struct perm perms[64], *ps = perms;
	uint16_t path_len, value_len, nr;
	struct store_node n;
	int err = 0;

	path_len = stream_get16(b);
	value_len = stream_get16(b);
	stream_get16(b);
	nr = stream_get16(b);
	/* Without the log a transaction ends with EAGAIN, whatever it saw. */
	if (conn && (r->known_tx != tx || !r->last || r->last->id != conn))
		return 0;
	if (b->bad || (!nr && !conn) || nr > PERMS_MAX)
		return EINVAL;
	if (nr > 64 && !(ps = calloc(nr, sizeof(*ps))))
		return ENOMEM;
	for (unsigned i = 0; i < nr && !err; i++)
		err = read_perm(b, &ps[i]);
	n = (struct store_node){ .perms = ps, .nr_perms = nr, .len = value_len };
	n.path = stream_string(b, path_len);
	n.value = stream_get(b, value_len);
	if (!err && b->bad)
		err = EINVAL;
	if (!err)
		err = keep_node(r, conn, tx, &n);
	if (ps != perms)
		free(ps);
	return err;
}

/* Names we do not know are another's. */
static int read_quotas(struct stream_in *b, uint32_t domid_or_all, unsigned nr)
{
	struct stream_in values = *b;

	stream_get(b, (size_t)nr * 4);
	for (unsigned i = 0; i < nr && !b->bad; i++) {
		const char *end = b->len ? memchr(b->p, '\0', b->len) : NULL;
		const char *name = end ? stream_get(b, (size_t)(end - b->p) + 1) : NULL;

		if (!name)
			return EINVAL;
		(void)store_restore_quota(name, domid_or_all, stream_get32(&values), false);
	}
	return b->bad ? EINVAL : 0;
}

static int read_domain(struct stream_in *b, unsigned version)
{
	uint32_t id = stream_get16(b), nr = stream_get16(b);
	struct domain *d = domain_restore(id, 0);

	if (b->bad || !d)
		return EINVAL;
	if (version >= 2)
		d->features = stream_get32(b);
	return read_quotas(b, id, nr);
}

static int read_record(struct reader *r, uint32_t type, struct stream_in *b, unsigned version)
{
	unsigned nr;

	switch (type) {
	case STREAM_GLOBAL:
		return read_global(r, b);
	case STREAM_CONNECTION:
		return read_conn(r, b);
	case STREAM_WATCH:
	case STREAM_WATCH_EXTENDED:
		return read_watch(r, b, type == STREAM_WATCH_EXTENDED);
	case STREAM_TRANSACTION:
		return read_transaction(r, b);
	case STREAM_NODE:
		return read_node(r, b);
	case STREAM_GLOBAL_QUOTA:
		nr = stream_get16(b);
		nr += stream_get16(b);
		return read_quotas(b, STORE_QUOTA_ALL, nr);
	case STREAM_DOMAIN:
		return read_domain(b, version);
	case STREAM_HOSPES_DOMAIN:
		return read_hospes_domain(b);
	case STREAM_HOSPES_TREE:
		tree_set_generation(stream_get64(b));
		if (!b->bad && b->len >= 16) {
			struct hash_key key = { .k0 = stream_get64(b) };

			key.k1 = stream_get64(b);
			hash_set_answer_key(key);
		}
		return b->bad ? EINVAL : 0;
	case STREAM_HOSPES_TX:
		return read_hospes_tx(r, b);
	default:
		notice("update: a record of unknown type %#x was left out", type);
		return 0;
	}
}

int update_read(const void *stream, size_t size)
{
	struct reader r = { .evtchn = -1 };
	struct stream_in s, body;
	unsigned version;
	uint32_t type;
	int err = stream_open(&s, stream, size, &version);

	if (err) {
		notice("update: this is no stream of version 1 or 2");
		return err;
	}
	while (stream_next(&s, &type, &body)) {
		err = read_record(&r, type, &body, version);
		if (err) {
			notice("update: a record of type %u at byte %zu cannot be used: %s", type,
			       (size_t)(body.p - (const char *)stream), strerror(err));
			return err;
		}
	}
	if (s.bad) {
		notice("update: the stream is cut off");
		return EINVAL;
	}
	if (r.skipped)
		notice("update: %u connections could not be taken over", r.skipped);
	return 0;
}

int update_load(void)
{
	const char *text = getenv(UPDATE_FD_VARIABLE);
	struct stream_in s, body;
	struct stat st;
	char path[300];
	unsigned version;
	uint32_t type;
	int fd;

	if (text) {
		fd = atoi(text);
		unsetenv(UPDATE_FD_VARIABLE);
	} else {
		snprintf(path, sizeof(path), "%s/%s", options.rundir, UPDATE_FILE);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		unlink(path);
	}
	if (fd < 0 || fstat(fd, &st))
		return errno;
	loaded.size = (size_t)st.st_size;
	loaded.map = loaded.size ? mmap(NULL, loaded.size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	close(fd);
	if (loaded.map == MAP_FAILED)
		return EINVAL;
	/* The hypervisor's events must be known before it is opened. */
	if (stream_open(&s, loaded.map, loaded.size, &version))
		return EINVAL;
	while (stream_next(&s, &type, &body)) {
		if (type != STREAM_GLOBAL || body.len < 8)
			continue;
		stream_get32(&body);
		fd = (int)stream_get32(&body);
		if (fd >= 3 && !fstat(fd, &st) && !S_ISSOCK(st.st_mode))
			hyper_use_fd(fd);
		break;
	}
	return 0;
}

int update_take_over(void)
{
	int err = update_read(loaded.map, loaded.size);

	munmap(loaded.map, loaded.size);
	loaded.map = NULL;
	return err;
}
