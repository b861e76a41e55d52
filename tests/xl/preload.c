/*
 * Lets Debian's unmodified xl and its libraries run on hospes-sim: their /dev/xen/privcmd and /dev/xen/hypercall are lib/hcall's sim.
 * Only calls and buffers: no foreign memory, no event channels.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hcall/hcall.h"

#define MAX_FD 1024
#define PRIVCMD_HYPERCALL 0x5000u /* the low half of the request's number */

static struct {
	struct hcall *h;
	bool ours[MAX_FD];
	struct {
		void *p;
		size_t len;
	} buffers[256];
} lab;

static struct hcall *handle(void)
{
	if (!lab.h)
		lab.h = hcall_open();
	return lab.h;
}

/* Its settings and what it keeps of domains are the test's. */
static const char *place(const char *path, char buf[4096])
{
	const char *conf = getenv("XL_CONF"), *kept = getenv("HOSPES_USERDATA");

	if (conf && strcmp(path, "/etc/xen/xl.conf") == 0)
		return conf;
	if (!kept || strncmp(path, "/var/lib/xen/", 13))
		return path;
	snprintf(buf, 4096, "%s/%s", kept, path + 13);
	return buf;
}

static int open_any(const char *path, int flags, int mode)
{
	int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
	char buf[4096];
	int fd;

	if (strncmp(path, "/dev/xen/", 9) && strncmp(path, "/proc/xen/", 10))
		return real(place(path, buf), flags, mode);
	fd = real("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && fd < MAX_FD)
		lab.ours[fd] = true;
	return fd;
}

int open(const char *path, int flags, ...);
int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return open_any(path, flags, mode);
}

int close(int fd);
int close(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");

	if (fd >= 0 && fd < MAX_FD)
		lab.ours[fd] = false;
	return real(fd);
}

int ioctl(int fd, unsigned long request, ...);
int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	va_list ap;
	uint64_t *call;
	long rc;

	va_start(ap, request);
	call = va_arg(ap, uint64_t *);
	va_end(ap);
	if (fd < 0 || fd >= MAX_FD || !lab.ours[fd])
		return real(fd, request, call);
	if ((request & 0xffff) != PRIVCMD_HYPERCALL || !handle()) {
		errno = ENOTTY;
		return -1;
	}
	rc = hcall(lab.h, (unsigned)call[0], call[1], call[2], call[3], call[4], call[5]);
	if (rc < 0) {
		errno = (int)-rc;
		return -1;
	}
	return (int)rc;
}

static void *mmap_any(void *p, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *(*real)(void *, size_t, int, int, int, off_t) =
		(void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap64");

	if (fd < 0 || fd >= MAX_FD || !lab.ours[fd])
		return real(p, len, prot, flags, fd, offset);
	for (unsigned i = 0; handle() && i < sizeof(lab.buffers) / sizeof(lab.buffers[0]); i++) {
		if (lab.buffers[i].p)
			continue;
		lab.buffers[i].p = hcall_alloc(lab.h, len);
		lab.buffers[i].len = len;
		if (lab.buffers[i].p)
			return lab.buffers[i].p;
		break;
	}
	errno = ENOMEM;
	return MAP_FAILED;
}

void *mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mmap_any(p, len, prot, flags, fd, offset);
}

void *mmap64(void *p, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mmap_any(p, len, prot, flags, fd, offset);
}

int munmap(void *p, size_t len)
{
	int (*real)(void *, size_t) = (int (*)(void *, size_t))dlsym(RTLD_NEXT, "munmap");

	for (unsigned i = 0; i < sizeof(lab.buffers) / sizeof(lab.buffers[0]); i++) {
		if (lab.buffers[i].p == p && p) {
			lab.buffers[i].p = NULL; /* first: the library unmaps it itself, through us */
			hcall_free(lab.h, p, lab.buffers[i].len);
			return 0;
		}
	}
	return real(p, len);
}

FILE *fopen(const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *) =
		(FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen64");
	char buf[4096];

	return real(place(path, buf), mode);
}

int stat(const char *path, struct stat *st)
{
	int (*real)(const char *, struct stat *) = (int (*)(const char *, struct stat *))dlsym(RTLD_NEXT, "stat64");
	char buf[4096];

	return real(place(path, buf), st);
}

int stat64(const char *path, struct stat64 *st)
{
	int (*real)(const char *, struct stat64 *) = (int (*)(const char *, struct stat64 *))dlsym(RTLD_NEXT, "stat64");
	char buf[4096];

	return real(place(path, buf), st);
}

int unlink(const char *path)
{
	int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
	char buf[4096];

	return real(place(path, buf));
}

/* libxenstat wants the directory of back ends: an empty one is as good. */
DIR *opendir(const char *path)
{
	DIR *(*real)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");

	return real(strcmp(path, "/sys/bus/xen-backend/devices") ? path : "/proc/self/task");
}
