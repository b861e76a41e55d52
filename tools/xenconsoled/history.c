#include "history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "die.h"
#include "options.h"
#include "ring.h"

#define MAGIC 0x31485343534f4800ull
#define HEADER 4096u

/* At the front of the file. Only the numbers below change while it is in use; a death finds each of them old or new. */
struct header {
	uint64_t magic, size;
	struct history_id id;
	char name[64];
	uint64_t died;
	uint64_t end;	   /* bytes ever added */
	uint64_t logged;   /* of them, written to the log */
	uint32_t ring_end; /* the ring's index at @end, as of @ring_at */
	uint64_t ring_at;
};

struct history {
	struct header *h;
	uint8_t *data;
	size_t size;
};

static struct {
	char dir[200];
	size_t size;
} setup = { .size = 64 << 10 };

void history_setup(const char *dir, size_t size)
{
	setup.size = size;
	snprintf(setup.dir, sizeof(setup.dir), "%s", dir);
	for (char *p = setup.dir + 1; setup.dir[0] && *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(setup.dir, 0755);
			*p = '/';
		}
	if (setup.dir[0] && mkdir(setup.dir, 0700) && errno != EEXIST)
		setup.dir[0] = '\0';
}

static bool path_of(char *path, size_t size, uint32_t domid, uint32_t nr)
{
	snprintf(path, size, "%s/%u.%u", setup.dir, domid, nr);
	return setup.dir[0];
}

static struct history *map(int fd, size_t size)
{
	struct history *h = xcalloc(1, sizeof(*h));

	h->h = mmap(NULL, HEADER + size, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd,
		    0);
	if (h->h == MAP_FAILED) {
		free(h);
		return NULL;
	}
	h->data = (uint8_t *)h->h + HEADER;
	h->size = size;
	return h;
}

/* Is this a file a daemon like this one left? Its size then, else 0. */
static size_t file_size(int fd)
{
	struct header head;
	struct stat st;

	if (fstat(fd, &st) || pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != MAGIC ||
	    head.size < RING_OUT_SIZE || head.size > 1u << 30 || st.st_size != (off_t)(HEADER + head.size) ||
	    memchr(head.name, 0, sizeof(head.name)) == NULL || head.logged > head.end)
		return 0;
	return head.size;
}

static struct history *open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	size_t size = fd < 0 ? 0 : file_size(fd);
	struct history *h = size ? map(fd, size) : NULL;

	if (fd >= 0)
		close(fd);
	return h;
}

static struct history *create(const char *path, const struct history_id *id)
{
	int fd = -1;
	struct history *h;

	if (path) {
		unlink(path);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		/* All of it now: where there is no room left, the first write to the mapping would end the daemon. */
		if (fd >= 0 && posix_fallocate(fd, 0, (off_t)(HEADER + setup.size))) {
			notice("no room for %s: what this domain says is kept in memory alone", path);
			close(fd);
			unlink(path);
			fd = -1;
		}
	}
	h = map(fd, setup.size);
	if (!h)
		h = map(-1, setup.size);
	if (fd >= 0)
		close(fd);
	if (!h) {
		fprintf(stderr, "xenconsoled: out of memory\n");
		abort();
	}
	h->h->size = setup.size;
	h->h->id = *id;
	h->h->magic = MAGIC;
	return h;
}

struct history *history_open(const struct history_id *id)
{
	char path[256];
	bool file = path_of(path, sizeof(path), id->domid, id->nr);
	struct history *h = file ? open_file(path) : NULL;

	if (h && h->size == setup.size && !h->h->died && !memcmp(h->h->id.handle, id->handle, sizeof(id->handle)))
		return h;
	history_close(h);
	return create(file ? path : NULL, id);
}

struct history *history_find(uint32_t domid, uint32_t nr)
{
	char path[256];

	return path_of(path, sizeof(path), domid, nr) ? open_file(path) : NULL;
}

void history_each(void (*fn)(void *arg, const struct history_id *id, const char *name, uint64_t died), void *arg)
{
	DIR *d = setup.dir[0] ? opendir(setup.dir) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		unsigned domid, nr;
		struct history *h;
		char tail;

		if (sscanf(e->d_name, "%u.%u%c", &domid, &nr, &tail) != 2)
			continue;
		h = history_find(domid, nr);
		if (h && h->h->id.domid == domid && h->h->id.nr == nr)
			fn(arg, &h->h->id, h->h->name, h->h->died);
		history_close(h);
	}
	if (d)
		closedir(d);
}

void history_close(struct history *h)
{
	if (!h)
		return;
	munmap(h->h, HEADER + h->size);
	free(h);
}

void history_remove(uint32_t domid, uint32_t nr)
{
	char path[256];

	if (path_of(path, sizeof(path), domid, nr))
		unlink(path);
}

size_t history_size(const struct history *h)
{
	return h->size;
}

uint64_t history_end(const struct history *h)
{
	return h->h->end;
}

uint64_t history_begin(const struct history *h)
{
	return h->h->end > h->size ? h->h->end - h->size : 0;
}

size_t history_read(const struct history *h, uint64_t *at, void *to, size_t max)
{
	size_t done = 0;

	if (*at < history_begin(h))
		*at = history_begin(h);
	while (done < max && *at < h->h->end) {
		size_t from = *at % h->size, n = h->size - from;

		if (n > h->h->end - *at)
			n = h->h->end - *at;
		if (n > max - done)
			n = max - done;
		memcpy((uint8_t *)to + done, h->data + from, n);
		done += n;
		*at += n;
	}
	return done;
}

void history_add(struct history *h, const void *bytes, size_t len, uint32_t ring)
{
	const uint8_t *p = bytes;
	uint64_t end = h->h->end;

	for (size_t done = 0, n; done < len; done += n) {
		size_t to = (end + done) % h->size;

		n = h->size - to < len - done ? h->size - to : len - done;
		memcpy(h->data + to, p + done, n);
	}
	die_here("history");
	/* The index belongs to the end it names: in between neither is believed. */
	__atomic_store_n(&h->h->ring_at, UINT64_MAX, __ATOMIC_RELEASE);
	__atomic_store_n(&h->h->ring_end, ring, __ATOMIC_RELEASE);
	die_here("index");
	__atomic_store_n(&h->h->ring_at, end + len, __ATOMIC_RELEASE);
	__atomic_store_n(&h->h->end, end + len, __ATOMIC_RELEASE);
	die_here("end");
}

uint32_t history_resume(struct history *h, uint32_t cons, size_t waiting)
{
	uint32_t taken = h->h->ring_end - cons;

	/* Only if the last step was finished here and not told to the ring. */
	return h->h->end && h->h->ring_at == h->h->end && taken <= waiting ? h->h->ring_end : cons;
}

uint64_t history_logged(const struct history *h)
{
	return h->h->logged;
}

void history_set_logged(struct history *h, uint64_t at)
{
	__atomic_store_n(&h->h->logged, at, __ATOMIC_RELEASE);
}

void history_set_name(struct history *h, const char *name)
{
	strncpy(h->h->name, name, sizeof(h->h->name) - 1);
}

void history_set_died(struct history *h, uint64_t now)
{
	h->h->died = now;
}

uint64_t history_died(const struct history *h)
{
	return h->h->died;
}

const char *history_name(const struct history *h)
{
	return h->h->name;
}
