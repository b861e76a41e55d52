/*
 * The journal: groups of records appended to a mapped file. Killing the process loses nothing of a mapping, so no system call is
 * needed per request. compact.c rewrites it when most of it is dead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn_io.h"
#include "domain.h"
#include "journal_file.h"
#include "journal_io.h"
#include "loop.h"
#include "os_linux.h"
#include "perms.h"
#include "recover.h"
#include "trace.h"

#define STEP_SMALL (256u << 10)
#define STEP_LARGE (1u << 20)
/* A frame may be 4 GiB by its format; one request is far below this. */
#define FRAME_MAX (64u << 20)
/* Rewritten when it has grown to twice what was alive, and this. */
#define COMPACT_SLACK (1u << 20)

static struct {
	struct journal_file file; /* the journal; fd < 0: none */
	struct journal_file *out; /* where records go: @file, or the one compact.c makes */
	char path[256];
	unsigned depth;
	size_t live; /* size just after it was rewritten */
	uint64_t life;
	bool abandoned; /* the open group */
} journal = { .file.fd = -1, .out = &journal.file };

uint32_t journal_sum(uint64_t sequence, const void *p, size_t len)
{
	uint64_t h = (sequence + 1) * 0x9e3779b97f4a7c15ull, w;

	for (size_t i = 0; i < len; i += 8) {
		memcpy(&w, (const char *)p + i, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	h = (h ^ len) * 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

bool journal_active(void)
{
	return journal.file.fd >= 0;
}

void journal_file_close(struct journal_file *f)
{
	if (f->fd < 0)
		return;
	munmap(f->map, f->size);
	close(f->fd);
	*f = (struct journal_file){ .fd = -1 };
}

/* The file can take no more: go on without one rather than with one that lies. */
static void give_up(int err)
{
	if (journal.out != &journal.file) {
		journal.out->failed = true;
		return;
	}
	notice("the journal cannot be written and was removed, the store will not survive this daemon: %s",
	       strerror(err));
	compact_abandon();
	journal_file_close(&journal.file);
	unlink(journal.path);
}

/* Room for @more bytes after the cursor, and zeros for the end mark behind them. */
static bool file_room(struct journal_file *f, size_t more)
{
	size_t need = f->cursor + more + sizeof(struct journal_frame), size = f->size;
	void *map;
	int err;

	if (need <= size)
		return true;
	while (size < need)
		size += size < 4 * STEP_LARGE ? STEP_SMALL : STEP_LARGE;
	err = os_file_reserve(f->fd, f->size, size - f->size);
	if (err) {
		give_up(err);
		return false;
	}
	map = os_remap(f->map, f->size, size);
	if (!map) {
		give_up(ENOMEM);
		return false;
	}
	f->map = map;
	f->size = size;
	return true;
}

int journal_file_create(struct journal_file *f, const char *path)
{
	struct journal_header h = { .magic = JOURNAL_MAGIC, .version = JOURNAL_VERSION, .header_size = sizeof(h) };
	int err;

	os_boot_id(h.boot);
	unlink(path);
	*f = (struct journal_file){ .fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), .size = STEP_SMALL };
	if (f->fd < 0)
		return errno;
	err = os_file_reserve(f->fd, 0, f->size);
	f->map = err ? MAP_FAILED : mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->map == MAP_FAILED) {
		err = err ? err : errno;
		close(f->fd);
		unlink(path);
		f->fd = -1;
		return err;
	}
	memcpy(f->map, &h, sizeof(h));
	f->tail = sizeof(h);
	return 0;
}

void journal_file_begin(struct journal_file *f)
{
	f->cursor = f->tail + sizeof(struct journal_frame);
}

void journal_file_commit(struct journal_file *f)
{
	struct journal_frame *frame = (void *)(f->map + f->tail);
	size_t len = f->cursor - f->tail - sizeof(*frame);

	if (!len)
		return;
	frame->sequence = ++f->sequence;
	frame->sum = journal_sum(frame->sequence, frame + 1, len);
	/* Stores reach the file in this order, even if we are killed between two of them. */
	__atomic_store_n(&frame->len, (uint32_t)len, __ATOMIC_RELEASE);
	f->tail = f->cursor;
}

void *journal_file_append(struct journal_file *f, size_t len)
{
	void *p;

	if (!file_room(f, len))
		return NULL;
	p = f->map + f->cursor;
	f->cursor += len;
	return p;
}

struct journal_file *journal_redirect(struct journal_file *to)
{
	struct journal_file *old = journal.out;

	journal.out = to ? to : &journal.file;
	return old;
}

const struct journal_file *journal_current(void)
{
	return &journal.file;
}

void journal_replace(struct journal_file *by, const char *path)
{
	struct journal_file old = journal.file;

	journal.file = *by;
	journal.live = by->tail;
	journal.life++;
	journal.out = &journal.file;
	if (path != journal.path)
		snprintf(journal.path, sizeof(journal.path), "%s", path);
	*by = old;
}

static bool ready(void)
{
	return journal.out->fd >= 0 && !journal.out->failed;
}

void journal_begin(struct conn *c)
{
	if (journal.depth++ || !ready())
		return;
	journal_file_begin(journal.out);
	if (c && c->kind != CONN_SOCKET)
		journal_input(c);
}

void journal_commit(void)
{
	bool abandoned = journal.abandoned;

	if (--journal.depth)
		return;
	journal.abandoned = false;
	if (!ready() || abandoned)
		return;
	journal_file_commit(journal.out);
	if (journal.out == &journal.file && journal.file.tail > 2 * journal.live + COMPACT_SLACK)
		compact_start(journal.path);
}

/*
 * A record of a fixed part and up to three pieces; a group of its own if none is open. The frame's limit is far above what
 * requests can make.
 */
struct piece {
	const void *p;
	size_t len;
};
static void put(enum journal_type type, uint32_t domid, const struct piece *pieces, unsigned nr)
{
	struct journal_record head = { .type = (uint16_t)type, .domid = (uint16_t)domid };
	bool alone = !journal.depth;
	size_t len = 0;
	char *to;

	if (!ready())
		return;
	if (alone)
		journal_begin(NULL);
	for (unsigned i = 0; i < nr; i++)
		len += pieces[i].len;
	head.len = (uint32_t)len;
	to = journal_file_append(journal.out, sizeof(head) + journal_pad(len));
	if (to) {
		memcpy(to, &head, sizeof(head));
		to += sizeof(head);
		memset(to + (len & ~(size_t)7), 0, journal_pad(len) - (len & ~(size_t)7));
		for (unsigned i = 0; i < nr; i++) {
			if (pieces[i].len)
				memcpy(to, pieces[i].p, pieces[i].len);
			to += pieces[i].len;
		}
	}
	if (alone)
		journal_commit();
}

void journal_node(const char *path, const void *value, size_t len, const struct perm *perms, unsigned nr_perms)
{
	struct journal_node_record n = { .value_len = (uint32_t)len,
					 .path_len = (uint16_t)(strlen(path) + 1),
					 .nr_perms = (uint16_t)nr_perms };
	struct journal_perm_record p[64], *ps = p;

	if (!ready())
		return;
	if (nr_perms > 64) {
		ps = malloc(nr_perms * sizeof(*ps));
		if (!ps) {
			give_up(ENOMEM);
			return;
		}
	}
	for (unsigned i = 0; i < nr_perms; i++)
		ps[i] = (struct journal_perm_record){ .unique = perms[i].unique,
						      .id = perms[i].id,
						      .access = perms[i].access,
						      .ignore = perms[i].ignore };
	put(JOURNAL_NODE, 0,
	    (struct piece[]){ { &n, sizeof(n) }, { ps, nr_perms * sizeof(*ps) }, { path, n.path_len }, { value, len } },
	    4);
	if (ps != p)
		free(ps);
}

void journal_rm(const char *path)
{
	put(JOURNAL_RM, 0, (struct piece[]){ { path, strlen(path) + 1 } }, 1);
}

static void put_part(enum journal_type type, uint64_t number)
{
	struct journal_part_record r = { .number = number };

	put(type, 0, (struct piece[]){ { &r, sizeof(r) } }, 1);
}

void journal_part(uint64_t number)
{
	put_part(JOURNAL_PART, number);
}

void journal_parts(uint64_t number)
{
	put_part(JOURNAL_PARTS, number);
}

uint64_t journal_life(void)
{
	return journal.life;
}

void journal_abandon(void)
{
	journal.abandoned = journal.depth;
}

void journal_watch(const struct conn *c, const char *path, const char *token, int depth, bool add)
{
	struct journal_watch_record w = { .depth = depth };

	if (c->kind == CONN_SOCKET)
		return;
	put(add ? JOURNAL_WATCH : JOURNAL_UNWATCH, c->domain->id,
	    (struct piece[]){ { &w, sizeof(w) }, { path, strlen(path) + 1 }, { token, strlen(token) + 1 } }, 3);
}

void journal_transaction(const struct conn *c, uint32_t id, bool open)
{
	struct journal_tx_record t = { .id = id };

	if (c->kind != CONN_SOCKET)
		put(open ? JOURNAL_TX_OPEN : JOURNAL_TX_CLOSE, c->domain->id, (struct piece[]){ { &t, sizeof(t) } }, 1);
}

struct journal_domain_record journal_domain_record(const struct domain *d)
{
	struct journal_domain_record r = { .unique = d->unique,
					   .hyper_unique = d->hyper_unique,
					   .gfn = d->gfn,
					   .port = d->port,
					   .target = d->target,
					   .features = d->features,
					   .introduced = d->introduced,
					   .shutdown_seen = d->shutdown_seen };

	memcpy(r.handle, d->handle, sizeof(r.handle));
	return r;
}

void journal_domain_restore(struct domain *d, const struct journal_domain_record *r)
{
	d->hyper_unique = r->hyper_unique;
	memcpy(d->handle, r->handle, sizeof(d->handle));
	d->gfn = r->gfn;
	d->port = r->port;
	d->target = r->target;
	d->features = r->features;
	d->shutdown_seen = r->shutdown_seen;
}

void journal_domain(const struct domain *d)
{
	struct journal_domain_record r = journal_domain_record(d);

	put(JOURNAL_DOMAIN, d->id, (struct piece[]){ { &r, sizeof(r) } }, 1);
}

void journal_domain_gone(uint32_t domid)
{
	put(JOURNAL_DOMAIN_GONE, domid, NULL, 0);
}

void journal_quota(const char *name, uint32_t domid_or_all, uint32_t value, bool soft)
{
	struct journal_quota_record q = { .domid_or_all = domid_or_all, .value = value, .soft = soft };

	put(JOURNAL_QUOTA, 0, (struct piece[]){ { &q, sizeof(q) }, { name, strlen(name) + 1 } }, 2);
}

void journal_reset(uint32_t domid)
{
	put(JOURNAL_RESET, domid, NULL, 0);
}

void journal_input(const struct conn *c)
{
	struct journal_input_record i = { .cons_page = c->io->cons_page, .cons = c->io->cons };

	put(JOURNAL_INPUT, c->domain->id, (struct piece[]){ { &i, sizeof(i) }, { c->io->in, c->io->in_len } }, 2);
}

void journal_reply(const struct conn *c, uint32_t number, const void *data, size_t len)
{
	struct journal_reply_record r = { .number = number };

	put(JOURNAL_REPLY, c->domain->id, (struct piece[]){ { &r, sizeof(r) }, { data, len } }, 2);
}

void journal_output(const struct conn *c, const struct journal_output *o)
{
	struct journal_output_record r = { .from = o->from, .to = o->to, .done = o->done, .rest_event = o->rest_event };

	put(JOURNAL_OUTPUT, c->domain->id, (struct piece[]){ { &r, sizeof(r) }, { o->rest, o->rest_len } }, 2);
}

/* The records of a frame fit it and each other. */
static bool frame_valid(const struct journal_file *f, uint64_t sequence)
{
	const struct journal_frame *frame = (const void *)(f->map + f->tail);
	size_t room = f->size - f->tail - sizeof(*frame);

	return frame->len <= room && frame->len <= FRAME_MAX && !(frame->len & 7) && frame->sequence == sequence &&
	       frame->sum == journal_sum(sequence, frame + 1, frame->len);
}

/* Apply frames until the first that is not whole; f->tail ends there. */
static void replay(struct journal_file *f)
{
	while (f->size - f->tail >= sizeof(struct journal_frame)) {
		const struct journal_frame *frame = (const void *)(f->map + f->tail);

		if (!frame->len)
			return;
		if (!frame_valid(f, f->sequence + 1)) {
			notice("journal: from byte %zu of %zu on it is damaged, group %llu and later ones are lost",
			       f->tail, f->size, (unsigned long long)f->sequence + 1);
			return;
		}
		if (recover_group(frame + 1, frame->len))
			notice("journal: group %llu at byte %zu has records that make no sense; they were left out",
			       (unsigned long long)f->sequence + 1, f->tail);
		f->sequence++;
		f->tail += sizeof(*frame) + frame->len;
	}
}

/* Map what is there, and refuse what is no journal of ours. */
static int file_open(struct journal_file *f, const char *path)
{
	struct journal_header h;
	struct stat st;
	char boot[sizeof(h.boot)];
	int err = EINVAL;

	*f = (struct journal_file){ .fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) };
	if (f->fd < 0)
		return errno;
	if (fstat(f->fd, &st) || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(h))
		goto bad;
	f->size = (size_t)st.st_size & ~(size_t)7;
	f->map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->map == MAP_FAILED)
		goto bad;
	memcpy(&h, f->map, sizeof(h));
	f->tail = sizeof(h);
	os_boot_id(boot);
	if (h.magic == JOURNAL_MAGIC && h.version == JOURNAL_VERSION && h.header_size == sizeof(h)) {
		if (!memcmp(boot, h.boot, sizeof(boot)))
			return 0;
		notice("journal: of an earlier life of this machine, left out");
		err = ENOENT;
	}
	munmap(f->map, f->size);
bad:
	close(f->fd);
	f->fd = -1;
	return err;
}

int journal_recover(const char *path)
{
	struct journal_file f;
	char aside[sizeof(journal.path) + 4];
	int err = file_open(&f, path);

	if (err == EINVAL) {
		snprintf(aside, sizeof(aside), "%s.bad", path);
		rename(path, aside);
	}
	if (err)
		return err;
	replay(&f);
	/* Nothing after the last group may look like one later: a new file. */
	munmap(f.map, f.size);
	close(f.fd);
	recover_finish();
	err = journal_create(path);
	if (err)
		notice("the old journal was read, but no new one could be made: %s", strerror(err));
	return 0;
}

int journal_create(const char *path)
{
	snprintf(journal.path, sizeof(journal.path), "%s", path);
	return compact_now(journal.path);
}

void journal_quiesce(void)
{
	compact_abandon();
}

void journal_close(bool remove)
{
	compact_abandon();
	journal_file_close(&journal.file);
	if (remove)
		unlink(journal.path);
}
