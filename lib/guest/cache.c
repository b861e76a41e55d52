#include "guest/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "guest/image.h"

#define HEADER_SIZE 4096u
#define NAME_SUFFIX ".kernel"
#define TEMP_PREFIX ".new-"
#define TEMP_AGE 3600 /* seconds after which a temporary file belongs to nobody any more */
#define KEY_NAME "key"
#define ENTRY_MAGIC 0x316c6e72656b7048ULL /* "Hpkernl1" */

struct header {
	uint64_t magic;
	uint64_t size; /* of the ELF image behind this header's page */
	struct hash_value identity, source, elf;
	struct hash_value self; /* of all above */
};

/* What the file system says of a file. */
struct identity {
	uint64_t dev, ino, size, mtime, mtime_ns, ctime, ctime_ns, path;
};

/* Ours, and nobody else may write it. */
static bool trusted(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static bool read_all(int fd, void *to, size_t len, off_t at)
{
	return pread(fd, to, len, at) == (ssize_t)len;
}

static bool write_all(int fd, const void *from, size_t len)
{
	const uint8_t *p = from;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool equal(const struct hash_value *a, const struct hash_value *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

/* The directory's secret, made by whoever comes first. */
static bool get_key(struct kernel_cache *c)
{
	char temp[64];
	bool ok;
	int fd;

	for (int i = 0; i < 2; i++) {
		fd = openat(c->dir, KEY_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0) {
			ok = trusted(fd, S_IFREG) && read_all(fd, &c->key, sizeof(c->key), 0);
			close(fd);
			if (ok)
				return true;
			unlinkat(c->dir, KEY_NAME, 0);
		}
		if (getrandom(&c->key, sizeof(c->key), 0) != sizeof(c->key))
			return false;
		snprintf(temp, sizeof(temp), TEMP_PREFIX "%016llx", (unsigned long long)c->key.word[7]);
		fd = openat(c->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return false;
		/* A link, not a rename: of two who make one at a time the first one's stays. */
		if (write_all(fd, &c->key, sizeof(c->key)))
			(void)!linkat(c->dir, temp, c->dir, KEY_NAME, 0);
		close(fd);
		unlinkat(c->dir, temp, 0);
	}
	return false;
}

/* With the folders it is in, if they are missing too: a first root made of an archive has no /var/cache. */
static void make_folder(const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		(void)mkdir(copy, 0755);
		*slash = '/';
	}
	(void)mkdir(copy, 0700);
	free(copy);
}

void cache_open(struct kernel_cache *c, const char *path)
{
	*c = (struct kernel_cache){ .dir = -1, .max = CACHE_MAX };
	if (!path)
		return;
	make_folder(path);
	c->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir >= 0 && trusted(c->dir, S_IFDIR) && get_key(c))
		return;
	cache_close(c);
}

void cache_close(struct kernel_cache *c)
{
	if (c->dir >= 0)
		close(c->dir);
	c->dir = -1;
}

static struct hash_value identify(const struct kernel_cache *c, const char *path, const struct stat *st)
{
	struct identity id = {
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.mtime_ns = (uint64_t)st->st_mtim.tv_nsec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.ctime_ns = (uint64_t)st->st_ctim.tv_nsec,
		.path = hash_bytes(&c->key, path, strlen(path)).word[0],
	};

	return hash_bytes(&c->key, &id, sizeof(id));
}

static void entry_name(const struct hash_value *identity, char name[64])
{
	snprintf(name, 64, "%016llx%016llx" NAME_SUFFIX, (unsigned long long)identity->word[0],
		 (unsigned long long)identity->word[1]);
}

static bool header_ok(const struct kernel_cache *c, const struct header *h, const struct hash_value *identity,
		      const struct hash_value *source, const struct stat *st)
{
	struct hash_value self = hash_bytes(&c->key, h, offsetof(struct header, self));

	return h->magic == ENTRY_MAGIC && equal(&self, &h->self) && equal(&h->identity, identity) &&
	       equal(&h->source, source) && h->size && h->size <= IMAGE_MAX &&
	       (uint64_t)st->st_size == HEADER_SIZE + h->size;
}

/* Map the entry behind @fd if it is what it should be. */
static bool map_entry(struct kernel_cache *c, int fd, const struct hash_value *identity,
		      const struct hash_value *source, struct cache_entry *e)
{
	struct hash_value elf;
	struct header h;
	struct stat st;
	uint8_t *p;

	if (!trusted(fd, S_IFREG) || fstat(fd, &st) || !read_all(fd, &h, sizeof(h), 0) ||
	    !header_ok(c, &h, identity, source, &st))
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	elf = hash_bytes(&c->key, p + HEADER_SIZE, h.size);
	if (!equal(&elf, &h.elf)) {
		munmap(p, (size_t)st.st_size);
		return false;
	}
	*e = (struct cache_entry){ p, (uint64_t)st.st_size, p + HEADER_SIZE, h.size };
	return true;
}

void cache_find(struct kernel_cache *c, const char *path, const struct stat *st, const struct hash_value *source,
		struct cache_entry *e)
{
	struct hash_value identity;
	char name[64];
	int fd;

	*e = (struct cache_entry){ 0 };
	if (c->dir < 0)
		return;
	identity = identify(c, path, st);
	entry_name(&identity, name);
	fd = openat(c->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (map_entry(c, fd, &identity, source, e))
		(void)futimens(fd, NULL); /* the oldest go first */
	else
		unlinkat(c->dir, name, 0);
	close(fd);
}

/* Making room ------------------------------------------------------------------------------------------------ */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n > s && strcmp(name + n - s, suffix) == 0;
}

/* Bytes of all entries, and the oldest of them in @oldest. Temporary files of the dead go at once. */
static uint64_t survey(struct kernel_cache *c, char oldest[256])
{
	struct timespec first = { 0 };
	uint64_t total = 0;
	struct dirent *de;
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	oldest[0] = 0;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((de = readdir(dir))) {
		struct stat st;

		if (fstatat(c->dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if (strncmp(de->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0 && st.st_mtime + TEMP_AGE < time(NULL))
			unlinkat(c->dir, de->d_name, 0);
		if (!has_suffix(de->d_name, NAME_SUFFIX))
			continue;
		total += (uint64_t)st.st_size;
		if (!oldest[0] || st.st_mtim.tv_sec < first.tv_sec ||
		    (st.st_mtim.tv_sec == first.tv_sec && st.st_mtim.tv_nsec < first.tv_nsec)) {
			first = st.st_mtim;
			snprintf(oldest, 256, "%s", de->d_name);
		}
	}
	closedir(dir);
	return total;
}

/* Make room for @need bytes. false: it could not be. */
static bool make_room(struct kernel_cache *c, uint64_t need)
{
	char oldest[256];

	if (need > c->max)
		return false;
	while (survey(c, oldest) > c->max - need)
		if (!oldest[0] || unlinkat(c->dir, oldest, 0))
			return false;
	return true;
}

void cache_store(struct kernel_cache *c, const char *path, const struct stat *st, const struct hash_value *source,
		 const uint8_t *elf, uint64_t size)
{
	uint8_t page[HEADER_SIZE] = { 0 };
	struct header h = { .magic = ENTRY_MAGIC, .size = size, .source = *source };
	char name[64], temp[64];
	uint64_t random;
	int fd;

	if (c->dir < 0 || !make_room(c, HEADER_SIZE + size) || getrandom(&random, sizeof(random), 0) != sizeof(random))
		return;
	h.identity = identify(c, path, st);
	h.elf = hash_bytes(&c->key, elf, size);
	h.self = hash_bytes(&c->key, &h, offsetof(struct header, self));
	memcpy(page, &h, sizeof(h));
	entry_name(&h.identity, name);
	snprintf(temp, sizeof(temp), TEMP_PREFIX "%016llx", (unsigned long long)random);
	fd = openat(c->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (!write_all(fd, page, sizeof(page)) || !write_all(fd, elf, size) || renameat(c->dir, temp, c->dir, name))
		unlinkat(c->dir, temp, 0);
	close(fd);
}
