/*
 * The child that unpacks kernels, taken over by what it unpacked: it says and writes what it likes, dies as it likes, or never ends. The decoder is
 * replaced at the linker's table (--wrap); all else is the real thing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/problem.h"
#include "guest/build.h"
#include "guest/confine.h"
#include "guest/unpack.h"

/* What the child does instead of unpacking. */
static enum unpack_status (*hostile)(const struct unpack_room *room, size_t *len);
static unsigned seed;

enum unpack_status __wrap_unpack(const uint8_t *src, size_t size, const struct unpack_room *room, size_t *len);
enum unpack_status __wrap_unpack(const uint8_t *src, size_t size, const struct unpack_room *room, size_t *len)
{
	(void)src;
	(void)size;
	return hostile(room, len);
}

int __real_confine_run(confined_fn *fn, void *arg, unsigned seconds);
int __wrap_confine_run(confined_fn *fn, void *arg, unsigned seconds);
int __wrap_confine_run(confined_fn *fn, void *arg, unsigned seconds)
{
	(void)seconds;
	return __real_confine_run(fn, arg, 1);
}

static char folder[64], file[96], cache[96];

static unsigned count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned n = 0;
	char line[512];

	while (fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	return n;
}

static unsigned count_entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* Open the kernel with that child: the problem's code; "" if it was taken. Nothing is left of it in either case. */
static const char *try(enum unpack_status (*fn)(const struct unpack_room *room, size_t *len))
{
	static struct problem p;
	static bool warm;
	unsigned maps = count_maps(), files = count_entries("/proc/self/fd");
	struct guest_kernel k;
	int rc;

	hostile = fn;
	problem_init(&p);
	rc = guest_kernel_open(&k, file, cache, &p);
	assert_int_equal(rc != 0, p.err != 0);
	if (rc) {
		assert_true(p.cause[0] && p.next[0] && strstr(p.cause, file));
		assert_string_equal(p.step, "kernel");
		assert_null(k.map);
		assert_true(count_entries(cache) <= 3); /* ".", ".." and the key of its hashes: nothing was kept */
	}
	guest_kernel_close(&k);
	assert_true(!warm || count_maps() <= maps + 1); /* allocators grow the first time */
	warm = true;
	assert_int_equal(count_entries("/proc/self/fd"), files);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return p.code;
}

static enum unpack_status longer_than_its_room(const struct unpack_room *room, size_t *len)
{
	*len = room->out_size + 1;
	return UNPACK_OK;
}

static enum unpack_status endless(const struct unpack_room *room, size_t *len)
{
	(void)room;
	*len = SIZE_MAX;
	return UNPACK_OK;
}

static enum unpack_status nothing(const struct unpack_room *room, size_t *len)
{
	(void)room;
	*len = 0;
	return UNPACK_OK;
}

static enum unpack_status a_few_bytes(const struct unpack_room *room, size_t *len)
{
	memset(room->out, 0xff, 63);
	*len = 63;
	return UNPACK_OK;
}

static enum unpack_status all_of_it(const struct unpack_room *room, size_t *len)
{
	*len = room->out_size; /* zeroes */
	return UNPACK_OK;
}

static enum unpack_status no_such_status(const struct unpack_room *room, size_t *len)
{
	(void)room;
	*len = 4096;
	return (enum unpack_status)0x7fffffff;
}

static enum unpack_status crashes(const struct unpack_room *room, size_t *len)
{
	(void)len;
	(void)room;
	__builtin_trap();
}

static enum unpack_status leaves(const struct unpack_room *room, size_t *len)
{
	(void)room;
	(void)len;
	syscall(SYS_exit_group, 3);
	return UNPACK_OK;
}

static enum unpack_status leaves_quietly(const struct unpack_room *room, size_t *len)
{
	(void)room;
	(void)len;
	syscall(SYS_exit_group, 0);
	return UNPACK_OK;
}

static enum unpack_status kills_its_parent(const struct unpack_room *room, size_t *len)
{
	(void)room;
	(void)len;
	syscall(SYS_kill, getppid(), SIGTERM);
	return UNPACK_OK;
}

static enum unpack_status has_children(const struct unpack_room *room, size_t *len)
{
	(void)room;
	(void)len;
	syscall(SYS_fork);
	return UNPACK_OK;
}

static enum unpack_status spins(const struct unpack_room *room, size_t *len)
{
	volatile size_t *n = len;

	while (room->out_size)
		++*n;
	return UNPACK_OK;
}

static void it_lies(void **state)
{
	(void)state;
	assert_string_equal(try(longer_than_its_room), "kernel-damaged");
	assert_string_equal(try(endless), "kernel-damaged");
	assert_string_equal(try(no_such_status), "kernel-damaged");
	assert_string_equal(try(nothing), "kernel-format");
	assert_string_equal(try(a_few_bytes), "kernel-format");
	assert_string_equal(try(all_of_it), "kernel-format");
}

static void it_dies(void **state)
{
	(void)state;
	assert_string_equal(try(crashes), "kernel-unpack");
	assert_string_equal(try(leaves), "kernel-unpack");
	assert_string_equal(try(leaves_quietly), "kernel-unpack");
	assert_string_equal(try(kills_its_parent), "kernel-unpack");
	assert_string_equal(try(has_children), "kernel-unpack");
}

static void it_never_ends(void **state)
{
	(void)state;
	assert_string_equal(try(spins), "kernel-unpack");
}

/* An image that begins well: some fields of its headers are random. */
static enum unpack_status bad_image(const struct unpack_room *room, size_t *len)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)room->out;
	Elf64_Phdr *ph = (Elf64_Phdr *)(room->out + sizeof(*e));
	unsigned r = seed;

	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_type = ET_EXEC;
	e->e_machine = EM_X86_64;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*ph);
	e->e_phnum = 3;
	ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = 4096, .p_paddr = 1 << 24, .p_filesz = 4096, .p_memsz = 8192
	};
	ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 1024, .p_filesz = 20 };
	memcpy(room->out + 1024, "\4\0\0\0\4\0\0\0\22\0\0\0Xen\0\0\0\0\1", 20);
	for (unsigned i = 0; i < 1 + seed % 3; i++) {
		static const uint64_t values[] = { 0, 1, ~0ull, 1ull << 63, 4095, 8192, 8193, ~0ull - 4095, 1u << 31 };
		uint64_t v;

		r = r * 1103515245 + 12345;
		v = values[(r >> 16) % (sizeof(values) / sizeof(values[0]))];
		r = r * 1103515245 + 12345;
		/* Anywhere in the header, the program headers or the note. */
		memcpy(room->out +
			       (((r >> 16) % 30 < 28) ? 16 + (r >> 16) % (64 + 3 * 56 - 24) : 1024 + (r >> 16) % 16),
		       &v, (r >> 8) % 8 + 1);
	}
	*len = 8192;
	return UNPACK_OK;
}

/* Whatever is taken has all its segments inside. */
static void its_image_is_hostile(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (seed = 1; seed <= 400; seed++) {
		const char *code = try(bad_image);

		if (*code) {
			assert_string_equal(code, "kernel-format");
			refused++;
		} else {
			char command[128];

			snprintf(command, sizeof(command), "rm -rf %s", cache);
			assert_int_equal(system(command), 0);
		}
	}
	assert_true(refused > 100);
}

static int setup(void **state)
{
	FILE *f;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/childXXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/kernel", folder);
	snprintf(cache, sizeof(cache), "%s/cache", folder);
	f = fopen(file, "w");
	for (unsigned i = 0; f && i < 100; i++)
		fwrite("\x1f\x8b\x08\0", 1, 4, f); /* gzip's first bytes */
	return !f || fclose(f);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_lies),
		cmocka_unit_test(it_dies),
		cmocka_unit_test(it_never_ends),
		cmocka_unit_test(its_image_is_hostile),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
