/* What a session of dom0 tells of itself: markers, what a command took, the daemons there are. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mark.h"
#include "work.h"

/* --- markers --- */

typedef void code_fn(void);

/* The instruction of mark.h and a return, made for @n: nothing else of ours shall run between a marker and what it is for. */
static code_fn *marker(unsigned n)
{
	uint8_t code[] = { 0x0f, 0x1f, 0x80, (uint8_t)n, (uint8_t)(n >> 8), MARK_HIGH & 0xff, MARK_HIGH >> 8, 0xc3 };
	void *p = mmap(NULL, sizeof(code), PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("memory for a marker");
	memcpy(p, code, sizeof(code));
	return (code_fn *)(uintptr_t)p;
}

void mark(unsigned n)
{
	marker(n)();
}

/* --- commands --- */

/* Processes and threads that ever began: "processes" of proc(5), /proc/stat. */
static unsigned long begun(void)
{
	char line[256];
	unsigned long n = 0;
	FILE *f = fopen("/proc/stat", "r");

	if (!f)
		die("/proc/stat");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "processes %lu", &n) == 1)
			break;
	fclose(f);
	return n;
}

/* Threads of the kernel that live: their parent is kthreadd, process 2. Those of back ends come and go with domains. */
static unsigned long kernel_threads(void)
{
	DIR *dir = opendir("/proc");
	unsigned long n = 0;
	struct dirent *e;

	if (!dir)
		die("/proc");
	while ((e = readdir(dir))) {
		char path[64], line[256];
		int parent = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%.16s/stat", e->d_name);
		f = isdigit((unsigned char)e->d_name[0]) ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		/* Names of kernel threads have no parenthesis. */
		if (fgets(line, sizeof(line), f) && sscanf(line, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent == 2)
			n++;
		fclose(f);
	}
	closedir(dir);
	return n;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int run(unsigned n, char *const *argv)
{
	code_fn *first = marker(n), *last = marker(n + 1);
	unsigned long threads = kernel_threads(), before = begun();
	uint64_t start = now_us(), took;
	int status;
	pid_t pid;

	first();
	pid = vfork();
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	ok(pid, "vfork");
	ok(waitpid(pid, &status, 0), "waitpid");
	last();
	took = now_us() - start;
	printf("RUN %u forks %ld us %llu\n", n, (long)(begun() - before - 1) - (long)(kernel_threads() - threads),
	       (unsigned long long)took);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* --- randomness --- */

#define SEED_WORDS 64

/* struct rand_pool_info of random(4): bits of it, bytes that follow, and they. */
void seed(void)
{
	uint32_t pool[2 + SEED_WORDS] = { SEED_WORDS * 32, SEED_WORDS * 4 };
	int fd = (int)ok(open("/dev/random", O_WRONLY), "/dev/random");

	for (unsigned i = 0; i < SEED_WORDS; i++)
		pool[2 + i] = i;
	ok(ioctl(fd, RNDADDENTROPY, pool), "RNDADDENTROPY");
	close(fd);
}

/* --- daemons --- */

/* A process's share of the memory it uses, in KiB: "Pss" of proc(5). 0 for threads of the kernel and for who is gone. */
static unsigned long share_of(const char *pid)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/smaps_rollup", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %lu", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

void daemons(void)
{
	unsigned long total = 0, nr = 0, kib;
	DIR *dir = opendir("/proc");
	struct dirent *e;

	if (!dir)
		die("/proc");
	while ((e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]) || atoi(e->d_name) == 1 || atoi(e->d_name) == getpid())
			continue;
		kib = share_of(e->d_name);
		nr += kib != 0;
		total += kib;
	}
	closedir(dir);
	printf("DAEMONS %lu %lu\n", nr, total);
}
