#include "devd-qemu.h"

#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "host/host_qemu.h"

#define END_MS 20000 /* until one that does not end by itself is killed */

static struct {
	const char *program, *run_dir, *log_dir;
} at = { QEMU_XEN, "/run", "/var/log/xen" };

void devd_qemu_fake(const char *folder)
{
	static char *program;

	program = xasprintf("%s/qemu", folder);
	at.program = program;
	at.run_dir = at.log_dir = folder;
}

static char *lock_file(unsigned domid)
{
	return xasprintf("%s/xldevd.qemu-%u", at.run_dir, domid);
}

int devd_qemu_have(unsigned domid, struct problem *p)
{
	char *lock = lock_file(domid), *log = xasprintf("%s/qdisk-%u.log", at.log_dir, domid);
	pid_t pid;
	int fd = host_qemu_find(lock, &pid);

	if (fd < 0)
		fd = host_qemu_start(at.program, domid, lock, log, &pid, p);
	free(lock);
	free(log);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

void devd_qemu_end(unsigned domid)
{
	char *lock = lock_file(domid);
	pid_t pid;
	struct pollfd ended = { .fd = host_qemu_find(lock, &pid), .events = POLLIN };

	if (ended.fd >= 0) {
		host_qemu_signal(ended.fd, SIGTERM);
		if (poll(&ended, 1, END_MS) < 1) {
			host_qemu_signal(ended.fd, SIGKILL);
			poll(&ended, 1, END_MS);
		}
		waitpid(pid, NULL, WNOHANG); /* it may be an earlier one's child */
		close(ended.fd);
	}
	unlink(lock);
	free(lock);
}

void devd_qemu_sweep(bool (*needed)(unsigned domid))
{
	char *pattern = xasprintf("%s/xldevd.qemu-*", at.run_dir);
	glob_t found;
	unsigned domid;

	if (!glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (sscanf(strrchr(found.gl_pathv[i], '-'), "-%u", &domid) == 1 && !needed(domid))
				devd_qemu_end(domid);
		globfree(&found);
	}
	free(pattern);
}
