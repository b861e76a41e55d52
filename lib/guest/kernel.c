/*
 * A kernel file made ready. The file is read, never mapped: whoever shortens it meanwhile shall not be able to end this process.
 */
#include "guest/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/problem.h"
#include "guest/bzimage.h"
#include "guest/cache.h"
#include "guest/confine.h"
#include "guest/image.h"
#include "guest/unpack.h"
#include "hv/launch/elf.h"

#define STEP "kernel"
#define UNPACK_SECONDS 60
#define READ_CHUNK 65536u
#define MIN_FILE 64u
#define NEXT_ANOTHER "give a kernel built for x86-64 as ELF or bzImage, as in /boot of the guest's distribution"
#define NEXT_COPY "copy the file again from where it came and compare its checksum"

/* A file under work. */
struct source {
	const char *path;
	int fd;
	struct stat st;
	uint8_t head[BZIMAGE_HEAD];
	size_t head_len;
};

/* Shared with the child. */
struct result {
	enum unpack_status status;
	size_t len;
};

struct job {
	const uint8_t *src;
	size_t size;
	struct unpack_room room;
	volatile struct result *result;
};

static int failed(struct problem *p, const struct source *s, int err, const char *code, const char *next,
		  const char *why)
{
	return problem_set(p, err, code, STEP, next, "%s: %s", s->path, why);
}

static int no_memory(struct problem *p, const struct source *s)
{
	return failed(p, s, ENOMEM, "out-of-memory", "free memory in this domain, or give it more",
		      "not enough memory to hold it while the domain is built");
}

/* The file ------------------------------------------------------------------------------------------------------- */

static int open_source(struct source *s, const char *path, struct problem *p)
{
	ssize_t n;

	*s = (struct source){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) };
	if (s->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return failed(p, s, errno, "no-such-file", "correct the path after kernel=", "does not exist");
	if (s->fd < 0 || fstat(s->fd, &s->st))
		return failed(p, s, errno, "not-readable", "make it readable for this user", strerror(errno));
	if (!S_ISREG(s->st.st_mode))
		return failed(p, s, EINVAL, "not-a-file", "correct the path after kernel=",
			      S_ISDIR(s->st.st_mode) ? "is a directory" : "is not an ordinary file");
	if (s->st.st_size < (off_t)MIN_FILE)
		return failed(p, s, ENOEXEC, "kernel-truncated", NEXT_COPY, "is too short to be a kernel");
	if ((uint64_t)s->st.st_size > IMAGE_MAX)
		return failed(p, s, EFBIG, "kernel-too-large", NEXT_ANOTHER, "is larger than 512 MiB");
	n = pread(s->fd, s->head, sizeof(s->head), 0);
	if (n < (ssize_t)MIN_FILE)
		return failed(p, s, n < 0 ? errno : EIO, "not-readable", NEXT_COPY,
			      n < 0 ? strerror(errno) : "cannot be read");
	s->head_len = (size_t)n;
	return 0;
}

static int read_range(const struct source *s, uint8_t *to, uint64_t len, uint64_t at, struct problem *p)
{
	while (len) {
		ssize_t n = pread(s->fd, to, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(p, s, errno, "not-readable", NEXT_COPY, strerror(errno));
		if (n == 0)
			return failed(p, s, EIO, "kernel-changed", "wait until the file is complete and try again",
				      "became shorter while it was read");
		to += n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int hash_source(const struct source *s, const struct hash_key *key, struct hash_value *v, struct problem *p)
{
	uint8_t buf[READ_CHUNK];
	uint64_t left = (uint64_t)s->st.st_size, at = 0;
	struct hash h;

	hash_begin(&h, key);
	while (left) {
		uint64_t n = left < sizeof(buf) ? left : sizeof(buf);
		int rc = read_range(s, buf, n, at, p);

		if (rc)
			return rc;
		hash_add(&h, buf, n);
		at += n;
		left -= n;
	}
	*v = hash_end(&h);
	return 0;
}

/* Unpacking ------------------------------------------------------------------------------------------------------ */

static void *map_memory(uint64_t size, int shared)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, shared | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, uint64_t size)
{
	if (p)
		munmap(p, size);
}

/* In the child. */
static void work(void *arg)
{
	struct job *j = arg;
	size_t len = 0;

	j->result->status = unpack(j->src, j->size, &j->room, &len);
	j->result->len = len;
}

static int tell_status(const struct source *s, const struct job *j, int rc, struct problem *p)
{
	const char *format = unpack_format(j->src);
	char why[128];

	if (rc == -ETIME || (rc == 0 && j->result->status == UNPACK_NOT_RUN))
		return failed(p, s, ETIME, "kernel-unpack", NEXT_COPY,
			      "unpacking it took more than a minute or more memory than there is");
	if (rc == -EPROTO)
		return failed(
			p, s, EPROTO, "kernel-unpack", NEXT_COPY,
			"the confined process that unpacked it was killed: its compressed data is hostile or damaged");
	if (rc == -ENOSYS)
		return failed(p, s, ENOSYS, "kernel-unpack",
			      "give an ELF file, or run a kernel with CONFIG_SECCOMP_FILTER in this domain",
			      "it is packed, and this domain's kernel cannot confine a process to unpack it");
	if (rc)
		return failed(p, s, -rc, "kernel-unpack", "free memory and processes in this domain and try again",
			      "no process could be started to unpack it");
	switch (j->result->status) {
	case UNPACK_UNKNOWN:
		snprintf(why, sizeof(why), "is compressed in an unknown way (first bytes %02x %02x %02x %02x)",
			 j->src[0], j->src[1], j->src[2], j->src[3]);
		return failed(p, s, ENOEXEC, "kernel-format",
			      "use a kernel compressed by gzip, bzip2, xz, lzma, lz4 or zstd", why);
	case UNPACK_TOO_LARGE:
		snprintf(why, sizeof(why), "its %s data unpacks to more than 512 MiB", format);
		return failed(p, s, EFBIG, "kernel-too-large", NEXT_ANOTHER, why);
	case UNPACK_MEMORY:
		snprintf(why, sizeof(why), "unpacking its %s data takes more than %lu MiB of working memory", format,
			 UNPACK_ARENA >> 20);
		return failed(p, s, EFBIG, "kernel-too-large", "compress the kernel with a smaller dictionary", why);
	default:
		snprintf(why, sizeof(why), "its %s data is damaged or cut off", format ? format : "compressed");
		return failed(p, s, EILSEQ, "kernel-damaged", NEXT_COPY, why);
	}
}

/* Run the child over @j->src; the image is then in @k. */
static int unpack_confined(struct guest_kernel *k, const struct source *s, struct job *j, struct problem *p)
{
	uint64_t keep;
	int rc;

	j->room = (struct unpack_room){ map_memory(IMAGE_MAX, MAP_SHARED), IMAGE_MAX,
					map_memory(UNPACK_ARENA, MAP_PRIVATE), UNPACK_ARENA };
	j->result = map_memory(sizeof(struct result), MAP_SHARED);
	if (!j->room.out || !j->room.arena || !j->result) {
		rc = no_memory(p, s);
	} else {
		rc = confine_run(work, j, UNPACK_SECONDS);
		if (rc || j->result->status != UNPACK_OK || j->result->len > IMAGE_MAX)
			rc = tell_status(s, j, rc, p);
	}
	if (rc == 0) {
		k->size = j->result->len;
		k->elf = k->map = j->room.out;
		keep = (k->size + 4095) & ~4095UL;
		k->map_size = keep ? keep : 4096;
		unmap(j->room.out + k->map_size, IMAGE_MAX - k->map_size);
	} else {
		unmap(j->room.out, IMAGE_MAX);
	}
	unmap(j->room.arena, UNPACK_ARENA);
	unmap((void *)j->result, sizeof(struct result));
	return rc;
}

/* What is packed in the file: a bzImage's payload, or the whole file. @source: hash of the very bytes that are unpacked. */
static int unpack_source(struct guest_kernel *k, const struct source *s, const struct hash_key *key,
			 struct hash_value *source, struct problem *p)
{
	uint64_t start = 0, file = (uint64_t)s->st.st_size, len = file;
	const char *why = bzimage_is(s->head, s->head_len) ? bzimage_payload(s->head, file, &start, &len) : NULL;
	struct job j = { 0 };
	uint8_t *zipped;
	int rc;

	if (why)
		return failed(p, s, ENOEXEC, "kernel-truncated", NEXT_COPY, why);
	zipped = map_memory(file, MAP_PRIVATE);
	if (!zipped)
		return no_memory(p, s);
	rc = read_range(s, zipped, file, 0, p);
	if (rc == 0 && key)
		*source = hash_bytes(key, zipped, file);
	j.src = zipped + start;
	j.size = len;
	if (rc == 0)
		rc = unpack_confined(k, s, &j, p);
	unmap(zipped, file);
	return rc;
}

/* The whole ------------------------------------------------------------------------------------------------------ */

static int check_image(const struct guest_kernel *k, const struct source *s, struct problem *p)
{
	struct elf_image e;
	const char *why = elf_parse(&e, k->elf, k->size);

	return why ? failed(p, s, ENOEXEC, "kernel-format", NEXT_ANOTHER, why) : 0;
}

static int open_elf(struct guest_kernel *k, const struct source *s, struct problem *p)
{
	int rc;

	k->size = (uint64_t)s->st.st_size;
	k->map_size = (k->size + 4095) & ~4095UL;
	k->map = map_memory(k->map_size, MAP_PRIVATE);
	if (!k->map)
		return no_memory(p, s);
	(void)madvise(k->map, k->map_size, MADV_HUGEPAGE);
	k->elf = k->map;
	rc = read_range(s, k->map, k->size, 0, p);
	return rc ? rc : check_image(k, s, p);
}

static int open_packed(struct guest_kernel *k, const struct source *s, struct kernel_cache *c, struct problem *p)
{
	struct hash_value source;
	struct cache_entry e;
	int rc;

	if (c->dir >= 0) {
		rc = hash_source(s, &c->key, &source, p);
		if (rc)
			return rc;
		cache_find(c, s->path, &s->st, &source, &e);
		if (e.map) {
			*k = (struct guest_kernel){
				.elf = e.elf, .size = e.size, .from_cache = true, .map = e.map, .map_size = e.map_size
			};
			return check_image(k, s, p);
		}
	}
	rc = unpack_source(k, s, c->dir >= 0 ? &c->key : NULL, &source, p);
	if (rc == 0)
		rc = check_image(k, s, p);
	if (rc == 0) {
		k->size = image_trim(k->map, k->size);
		rc = check_image(k, s, p);
	}
	if (rc == 0 && c->dir >= 0)
		cache_store(c, s->path, &s->st, &source, k->elf, k->size);
	return rc;
}

/* See build.h. */
int guest_kernel_open(struct guest_kernel *k, const char *path, const char *cache_dir, struct problem *p)
{
	struct kernel_cache c;
	struct source s;
	int rc = open_source(&s, path, p);

	*k = (struct guest_kernel){ 0 };
	if (rc == 0 && elf_is_elf(s.head, s.head_len)) {
		rc = open_elf(k, &s, p);
	} else if (rc == 0 && !bzimage_is(s.head, s.head_len) && !unpack_format(s.head)) {
		rc = failed(
			p, &s, ENOEXEC, "kernel-format", NEXT_ANOTHER,
			"is neither an ELF file nor a bzImage nor compressed by gzip, bzip2, xz, lzma, lz4 or zstd");
	} else if (rc == 0) {
		cache_open(&c, cache_dir);
		rc = open_packed(k, &s, &c, p);
		cache_close(&c);
	}
	if (s.fd >= 0)
		close(s.fd);
	if (rc)
		guest_kernel_close(k);
	return rc;
}

/* See build.h. */
void guest_kernel_close(struct guest_kernel *k)
{
	unmap(k->map, k->map_size);
	*k = (struct guest_kernel){ 0 };
}
