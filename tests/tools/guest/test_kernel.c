/*
 * Kernel files made ready: every format, alone and in a bzImage; what is cut off, damaged, hostile or too large is told precisely; the cache serves what it
 * proved and nothing else. LB-09, XC-05.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/problem.h"
#include "guest/build.h"
#include "guest/cache.h"
#include "guest/confine.h"
#include "guest/image.h"
#include "hv/launch/elf.h"
#include "kernel_files.h"

static char folder[64], file[96], cache[96];
static struct problem problem;

static void write_file(struct bytes b)
{
	FILE *f;

	unlink(file);
	f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b.p, 1, b.len, f), b.len);
	fclose(f);
}

static int open_kernel(struct guest_kernel *k, const char *cache_dir)
{
	problem_init(&problem);
	return guest_kernel_open(k, file, cache_dir, &problem);
}

/* Opening fails with this code, and the problem says something in each of its parts. */
static void refused(const char *code, const char *word)
{
	struct guest_kernel k;

	assert_true(open_kernel(&k, NULL) < 0);
	assert_string_equal(problem.code, code);
	assert_string_equal(problem.step, "kernel");
	assert_true(problem.err > 0 && problem.next[0]);
	if (!strstr(problem.cause, word))
		fail_msg("'%s' does not say '%s'", problem.cause, word);
	assert_null(k.elf);
}

static void same_kernel(const struct guest_kernel *k, struct bytes elf)
{
	struct elf_image e;
	struct elf_segment s;
	unsigned i = 0;

	assert_null(elf_parse(&e, k->elf, k->size));
	assert_true(e.has_pvh);
	assert_int_equal(e.pvh_entry, KERNEL_ENTRY);
	assert_true(elf_next_load(&e, &i, &s));
	assert_int_equal(s.paddr, KERNEL_BASE);
	assert_true(s.filesz <= elf.len - 4096 && s.memsz >= s.filesz);
	assert_memory_equal(s.data, elf.p + 4096, s.filesz);
	for (size_t at = 4096 + s.filesz; at < elf.len; at++)
		assert_int_equal(elf.p[at], 0);
}

static void every_format(void **state)
{
	static const char *const formats[] = { "gzip", "bzip2", "xz", "lzma", "lz4", "zstd" };
	struct bytes elf = kernel_elf(300000, 50000);
	struct guest_kernel k;

	(void)state;
	write_file(elf);
	assert_int_equal(open_kernel(&k, NULL), 0);
	same_kernel(&k, elf);
	assert_int_equal(k.size, elf.len);
	guest_kernel_close(&k);
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct bytes zipped = pack(formats[i], elf), bz = bzimage(zipped, (uint32_t)elf.len);

		write_file(zipped);
		assert_int_equal(open_kernel(&k, NULL), 0);
		same_kernel(&k, elf);
		assert_true(k.size < elf.len - 49000); /* zeroes at the end are gone */
		guest_kernel_close(&k);
		write_file(bz);
		assert_int_equal(open_kernel(&k, NULL), 0);
		same_kernel(&k, elf);
		guest_kernel_close(&k);
		/* Half of it. */
		bz.len = zipped.len / 2;
		write_file(bz);
		refused("kernel-truncated", "truncated");
		zipped.len /= 2;
		write_file(zipped);
		refused("kernel-damaged", formats[i]);
		free(zipped.p);
		free(bz.p);
	}
	free(elf.p);
}

/* Bytes turned over in the middle of the compressed data: an error or another image, never a death of ours. */
static void damaged_data(void **state)
{
	static const char *const formats[] = { "gzip", "bzip2", "xz", "lzma", "lz4", "zstd" };
	struct bytes elf = kernel_elf(100000, 0);

	(void)state;
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct bytes zipped = pack(formats[i], elf);
		struct guest_kernel k;

		for (size_t at = 20; at < zipped.len; at += zipped.len / 5) {
			zipped.p[at] ^= 0x55;
			write_file(zipped);
			if (open_kernel(&k, NULL) == 0)
				guest_kernel_close(&k);
			else
				assert_true(problem.cause[0]);
			zipped.p[at] ^= 0x55;
		}
		free(zipped.p);
	}
	free(elf.p);
}

static void not_kernels(void **state)
{
	struct bytes elf = kernel_elf(5000, 0), bz, text = { (uint8_t *)calloc(1, 5000), 5000 };

	(void)state;
	unlink(file);
	refused("no-such-file", "does not exist");
	mkdir(file, 0700);
	refused("not-a-file", "directory");
	rmdir(file);
	mkfifo(file, 0600);
	refused("not-a-file", "ordinary");
	write_file((struct bytes){ elf.p, 10 });
	refused("kernel-truncated", "too short");
	write_file(text);
	refused("kernel-format", "neither");
	write_file((struct bytes){ elf.p, elf.len - 2000 });
	refused("kernel-format", "truncated");
	elf.p[18] = 40; /* for another machine */
	write_file(elf);
	refused("kernel-format", "another machine");
	bz = bzimage(text, 0);
	write_file(bz);
	refused("kernel-format", "unknown way");
	bz.p[0x206] = 7;
	bz.p[0x207] = 2;
	write_file(bz);
	refused("kernel-truncated", "2.08");
	free(bz.p);
	for (size_t i = 0; i < text.len; i++)
		text.p[i] = (uint8_t)(i * i >> 3);
	bz = pack("gzip", text);
	write_file(bz);
	refused("kernel-format", "not an ELF");
	assert_int_equal(truncate(file, (off_t)IMAGE_MAX + 1), 0);
	refused("kernel-too-large", "512 MiB");
	free(bz.p);
	free(text.p);
	free(elf.p);
}

/* 600 MiB of zeroes in a few bytes; a dictionary larger than there is memory for it. */
static void bombs(void **state)
{
	struct bytes zeroes = { (uint8_t *)calloc(1, 600 << 20), 600 << 20 };
	struct bytes zipped = { (uint8_t *)calloc(1, 4 << 20), 0 };

	(void)state;
	zipped.len = ZSTD_compress(zipped.p, 4 << 20, zeroes.p, zeroes.len, 1);
	write_file(zipped);
	refused("kernel-too-large", "zstd");
	free(zipped.p);
	memset(zeroes.p, 7, 1 << 20);
	for (size_t i = 0; i < 5000; i++)
		zeroes.p[i] = (uint8_t)(i * i >> 3);
	zipped = pack("lzma", (struct bytes){ zeroes.p, 5000 });
	zipped.p[1] = zipped.p[2] = zipped.p[3] = 0;
	zipped.p[4] = 0x40; /* 1 GiB */
	write_file(zipped);
	refused("kernel-too-large", "working memory");
	free(zipped.p);
	free(zeroes.p);
}

/* Segments of a hostile file may lie over its headers. */
static void trim_is_safe(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct bytes elf = kernel_elf(300, 64);
		struct elf_image e;
		uint64_t size;

		for (int i = 0; i < 1 + round % 5; i++) {
			seed = seed * 1103515245 + 12345;
			elf.p[4 + (seed >> 8) % 180] = (uint8_t)(seed >> 24);
		}
		if (elf_parse(&e, elf.p, elf.len) == NULL) {
			size = image_trim(elf.p, elf.len);
			assert_true(size <= elf.len);
			if (elf_parse(&e, elf.p, size) == NULL)
				assert_true(e.high >= e.low);
		}
		free(elf.p);
	}
}

/* The cache --------------------------------------------------------------------------------------------------- */

static void warm(bool cached)
{
	struct guest_kernel k;

	assert_int_equal(open_kernel(&k, cache), 0);
	assert_int_equal(k.from_cache, cached);
	guest_kernel_close(&k);
}

/* The names of entries; the last one's path in @path. */
static unsigned entries(char *path)
{
	DIR *d = opendir(cache);
	struct dirent *de;
	unsigned nr = 0;

	if (!d)
		return 0;
	while ((de = readdir(d)))
		if (strstr(de->d_name, ".kernel")) {
			if (path)
				snprintf(path, 256, "%.90s/%.120s", cache, de->d_name);
			nr++;
		} else if (de->d_name[0] != '.') {
			assert_string_equal(de->d_name, "key");
		}
	closedir(d);
	return nr;
}

static void poke(const char *path, long at, int whence)
{
	FILE *f = fopen(path, "r+");
	int c;

	assert_non_null(f);
	fseek(f, at, whence);
	c = getc(f);
	fseek(f, at, whence);
	putc(c ^ 1, f);
	fclose(f);
}

static void cached(void **state)
{
	struct bytes elf = kernel_elf(300000, 50000), zipped = pack("gzip", elf);
	struct guest_kernel k;
	char path[256];

	(void)state;
	write_file(zipped);
	warm(false);
	assert_int_equal(entries(path), 1);
	warm(true);
	assert_int_equal(open_kernel(&k, cache), 0);
	same_kernel(&k, elf);
	guest_kernel_close(&k);
	/* Damage anywhere is seen, and mended. */
	poke(path, 5000, SEEK_SET);
	warm(false);
	warm(true);
	poke(path, 20, SEEK_SET);
	warm(false);
	poke(path, -1, SEEK_END);
	warm(false);
	assert_int_equal(truncate(path, 10000), 0);
	warm(false);
	assert_int_equal(truncate(path, 10), 0);
	warm(false);
	/* Others may write it: refused. */
	assert_int_equal(chmod(path, 0666), 0);
	warm(false);
	warm(true);
	/* A link to what looks right. */
	assert_int_equal(rename(path, "other-entry.tmp"), 0);
	assert_int_equal(symlink("other-entry.tmp", path), 0);
	warm(false);
	unlink("other-entry.tmp");
	/* Same name, size and time, other bytes. */
	warm(true);
	zipped.p[zipped.len - 20] ^= 1;
	write_file(zipped);
	assert_true(open_kernel(&k, cache) < 0);
	assert_string_equal(problem.code, "kernel-damaged");
	/* Another key knows nothing of old entries. */
	zipped.p[zipped.len - 20] ^= 1;
	write_file(zipped);
	warm(false);
	snprintf(path, sizeof(path), "%s/key", cache);
	assert_int_equal(unlink(path), 0);
	warm(false);
	warm(true);
	/* A folder others may write is none. */
	assert_int_equal(chmod(cache, 0777), 0);
	warm(false);
	assert_int_equal(chmod(cache, 0700), 0);
	warm(true);
	free(zipped.p);
	free(elf.p);
}

static void foreign_owner(void **state)
{
	struct bytes elf = kernel_elf(3000, 0), zipped = pack("gzip", elf);
	char path[256];

	(void)state;
	if (geteuid() != 0) {
		free(zipped.p);
		free(elf.p);
		skip();
	}
	write_file(zipped);
	warm(false);
	entries(path);
	assert_int_equal(chown(path, 1, 1), 0);
	warm(false);
	warm(true);
	free(zipped.p);
	free(elf.p);
}

/* Bounded, and the one not used for longest goes. */
static void evicted(void **state)
{
	struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
	uint8_t elf[10000] = { 1 };
	struct hash_value v = { { 1, 2 } };
	struct kernel_cache c;
	struct cache_entry e;
	struct stat st = { .st_size = 5 };
	char path[256];

	(void)state;
	cache_open(&c, cache);
	assert_true(c.dir >= 0);
	c.max = 3 * (sizeof(elf) + 4096) + 100;
	for (st.st_ino = 1; st.st_ino <= 3; st.st_ino++)
		cache_store(&c, "/k", &st, &v, elf, sizeof(elf));
	assert_int_equal(entries(path), 3);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	cache_store(&c, "/k", &st, &v, elf, sizeof(elf));
	assert_int_equal(entries(NULL), 3);
	assert_int_equal(access(path, F_OK), -1);
	cache_find(&c, "/k", &st, &v, &e);
	assert_non_null(e.map);
	assert_memory_equal(e.elf, elf, sizeof(elf));
	munmap(e.map, e.map_size);
	c.max = 1000; /* larger than all of it: not kept */
	st.st_ino = 9;
	cache_store(&c, "/k", &st, &v, elf, sizeof(elf));
	cache_find(&c, "/k", &st, &v, &e);
	assert_null(e.map);
	cache_close(&c);
}

/* The child -------------------------------------------------------------------------------------------------- */

static void opens_a_file(void *arg)
{
	(void)arg;
	(void)!open("/dev/null", O_RDONLY);
}

static void writes(void *arg)
{
	(void)!write(*(int *)arg, "x", 1);
}

static void spins(void *arg)
{
	volatile int *p = arg;

	while (1)
		++*p;
}

static void nothing(void *arg)
{
	++*(int *)arg;
}

static void child_has_no_rights(void **state)
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_int_equal(confine_run(nothing, shared, 10), 0);
	assert_int_equal(*shared, 1);
	assert_int_equal(confine_run(opens_a_file, NULL, 10), -EPROTO);
	assert_int_equal(confine_run(writes, shared, 10), -EPROTO);
	assert_int_equal(confine_run(spins, shared, 1), -ETIME);
	munmap(shared, 4096);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "%s/kernelXXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(folder) || chdir(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/kernel", folder);
	snprintf(cache, sizeof(cache), "%s/a/b/cache", folder);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir("/") || system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_format, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_data, setup, teardown),
		cmocka_unit_test_setup_teardown(not_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(bombs, setup, teardown),
		cmocka_unit_test(trim_is_safe),
		cmocka_unit_test_setup_teardown(cached, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(evicted, setup, teardown),
		cmocka_unit_test(child_has_no_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
