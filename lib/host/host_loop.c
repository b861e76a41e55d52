/* Block devices, and loop devices over files. */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "host.h"
#include "host_fake.h"

#define MARK "hospes:" /* begins lo_file_name, which is free text: what file it is the kernel tells in sysfs */
#define MAX_TRIES 64

/* A block device in use here (mounted, part of a volume group ...) cannot be opened exclusively. */
static int check_unused(const char *path, struct problem *p)
{
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != EBUSY)
		return 0; /* no medium, no permission: the back end will say */
	return problem_set(p, EBUSY, "device-in-use", "disk", "unmount it here, or give it to the guest read-only",
			   "%s is in use in this domain (mounted, or part of a volume)", path);
}

int host_block_look(const char *path, bool write, struct host_block *b, struct problem *p)
{
	struct stat st;
	char real[PATH_MAX];
	memset(b, 0, sizeof(*b));
	if (stat(path, &st))
		return problem_set(p, errno, errno == ENOENT ? "no-such-file" : "cannot-open", "disk",
				   "create it, or correct the disk's target in the configuration", "%s: %s", path,
				   strerror(errno));
	if (S_ISREG(st.st_mode)) {
		b->file = true;
		b->dev = st.st_dev;
		b->ino = st.st_ino;
		if (write && access(path, W_OK))
			return problem_set(p, errno, "read-only-file", "disk",
					   "make it writable, or give it to the guest with access 'r'",
					   "%s cannot be written", path);
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return problem_set(p, ENOTBLK, "not-a-disk", "disk", "name an image file or a block device",
				   "%s is neither a file nor a block device", path);
	b->major = major(st.st_rdev);
	b->minor = minor(st.st_rdev);
	b->dev = st.st_rdev;
	if (!realpath(path, real) || (size_t)snprintf(b->path, sizeof(b->path), "%s", real) >= sizeof(b->path))
		snprintf(b->path, sizeof(b->path), "/dev/block/%u:%u", b->major, b->minor);
	return write ? check_unused(path, p) : 0;
}

/* Any free loop device over @file. Its number, or -errno. */
static int configure(int control, int file, bool write, const char *tag)
{
	struct loop_config c = { .fd = (uint32_t)file };
	char name[32];
	int fd, nr, rc;
	snprintf((char *)c.info.lo_file_name, sizeof(c.info.lo_file_name), MARK "%s", tag);
	c.info.lo_flags = write ? 0 : LO_FLAGS_READ_ONLY;
	for (unsigned tries = 0; tries < MAX_TRIES; tries++) {
		nr = ioctl(control, LOOP_CTL_GET_FREE);
		if (nr < 0)
			return -errno;
		snprintf(name, sizeof(name), "/dev/loop%d", nr);
		fd = open(name, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		rc = ioctl(fd, LOOP_CONFIGURE, &c) ? -errno : 0;
		close(fd);
		if (!rc)
			return nr;
		if (rc != -EBUSY) /* somebody else was quicker */
			return rc;
	}
	return -EBUSY;
}

int host_loop_attach(const char *path, bool write, const char *tag, struct host_block *b, struct problem *p)
{
	struct stat st;
	int control, file, nr;
	if (fake_folder())
		return fake_loop_attach(path, tag, b, p);
	file = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (file < 0)
		return problem_set(p, errno, "cannot-open", "disk", "look at the file's permissions", "%s: %s", path,
				   strerror(errno));
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	nr = control < 0 ? -errno : configure(control, file, write, tag);
	if (control >= 0)
		close(control);
	close(file);
	if (nr < 0)
		return problem_set(p, -nr, "no-loop-device", "disk",
				   "load the module loop (modprobe loop), or use a block device",
				   "no loop device can be put over %s: %s", path, strerror(-nr));
	snprintf(b->path, sizeof(b->path), "/dev/loop%d", nr);
	if (stat(b->path, &st))
		return problem_set(p, errno, "no-loop-device", "disk", "see that udev or devtmpfs makes device nodes",
				   "%s: %s", b->path, strerror(errno));
	b->major = major(st.st_rdev);
	b->minor = minor(st.st_rdev);
	return 0;
}

/* Our mark on the loop device, without its beginning. False: it is not ours, or no loop device. */
static bool read_tag(int fd, char tag[LO_NAME_SIZE])
{
	struct loop_info64 info;
	if (ioctl(fd, LOOP_GET_STATUS64, &info))
		return false;
	info.lo_file_name[LO_NAME_SIZE - 1] = '\0';
	if (strncmp((char *)info.lo_file_name, MARK, strlen(MARK)))
		return false;
	strcpy(tag, (char *)info.lo_file_name + strlen(MARK));
	return true;
}

/* Is @file what lies below @device? */
static bool lies_over(const char *device, const char *file)
{
	struct text t = { NULL, 0, 0 };
	char *path = xasprintf("/sys/block/%s/loop/backing_file", device + strlen("/dev/"));
	char real[PATH_MAX];
	bool same = false;
	if (file && !strncmp(device, "/dev/", 5) && realpath(file, real) && !text_read_file(&t, path) && t.s) {
		t.s[strcspn(t.s, "\n")] = '\0';
		same = !strcmp(t.s, real);
	}
	text_free(&t);
	free(path);
	return same;
}

int host_loop_detach(const char *device, const char *file)
{
	char tag[LO_NAME_SIZE];
	int fd, rc;
	if (fake_folder())
		return fake_loop_detach(device);
	fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = !read_tag(fd, tag) && !lies_over(device, file) ? -EPERM : ioctl(fd, LOOP_CLR_FD) ? -errno : 0;
	close(fd);
	return rc;
}

void host_loops(void (*fn)(void *arg, const char *device, const char *tag), void *arg)
{
	char tag[LO_NAME_SIZE], name[300];
	struct dirent *e;
	DIR *dir;
	if (fake_folder()) {
		fake_loops(fn, arg);
		return;
	}
	dir = opendir("/sys/block");
	while (dir && (e = readdir(dir))) {
		int fd;
		bool ours;
		if (strncmp(e->d_name, "loop", 4))
			continue;
		snprintf(name, sizeof(name), "/sys/block/%s/loop", e->d_name);
		if (access(name, F_OK)) /* nothing is on it */
			continue;
		snprintf(name, sizeof(name), "/dev/%s", e->d_name);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		ours = read_tag(fd, tag);
		close(fd);
		if (ours)
			fn(arg, name, tag);
	}
	if (dir)
		closedir(dir);
}
