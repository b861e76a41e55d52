/*
 * The process of a QEMU that serves images. It outlives who started it: whether it runs is told by a lock on a file, which the kernel takes away with
 * the process, and which tells its number, so no number of a process that is gone is ever believed.
 */
#include "host_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"

/* Who holds the lock on the file; 0: nobody. */
static pid_t holder(const char *lock)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(lock, O_RDWR | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fcntl(fd, F_GETLK, &l);
	if (fd >= 0)
		close(fd);
	return rc || l.l_type == F_UNLCK ? 0 : l.l_pid;
}

int host_qemu_find(const char *lock, pid_t *pid)
{
	for (;;) {
		int fd;
		*pid = holder(lock);
		if (!*pid)
			return -ENOENT;
		fd = (int)syscall(SYS_pidfd_open, *pid, 0);
		if (fd >= 0 && holder(lock) == *pid)
			return fd;
		if (fd >= 0)
			close(fd); /* it ended, and the number may be another's */
		else if (errno != ESRCH)
			return -errno;
	}
}

/* In the child: between fork() and exec() of a program with threads, so nothing that takes a lock. */
static _Noreturn void become(char *const *argv, const char *lock, const char *log, pid_t parent)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	sigset_t none;
	int fd;
	/* Until the lock is there nobody else could find it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	fd = open(lock, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || fcntl(fd, F_SETLK, &l))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, 0);
	setsid();
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), STDOUT_FILENO);
	dup2(STDOUT_FILENO, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(argv[0], argv);
	_exit(127);
}

int host_qemu_start(const char *program, uint32_t domid, const char *lock, const char *log, pid_t *pid,
		    struct problem *p)
{
	char id[16];
	char *argv[] = { (char *)program,
			 "-xen-domid",
			 id,
			 "-xen-attach",
			 "-no-shutdown",
			 "-nodefaults",
			 "-no-user-config",
			 "-display",
			 "none",
			 "-monitor",
			 "none",
			 "-serial",
			 "none",
			 "-parallel",
			 "none",
			 "-M",
			 "xenpv",
			 NULL };
	pid_t parent = getpid();
	int fd;
	snprintf(id, sizeof(id), "%u", domid);
	if (access(program, X_OK))
		return problem_set(p, errno, "no-qemu", "disks",
				   "install it (Debian: qemu-system-xen), or convert the image to format raw",
				   "no QEMU to serve images: %s: %s", program, strerror(errno));
	*pid = fork();
	if (!*pid)
		become(argv, lock, log, parent);
	/* Not reaped yet, so the number is still that of our child. */
	fd = *pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, *pid, 0);
	if (fd < 0) {
		problem_set(p, errno, "out-of-memory", "disks", "free memory or processes", "no process for %s: %s",
			    program, strerror(errno));
		if (*pid > 0 && !kill(*pid, SIGKILL))
			waitpid(*pid, NULL, 0);
		return -p->err;
	}
	return fd;
}

void host_qemu_bound_log(pid_t pid, int pidfd, off_t max)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	struct stat st;
	char path[40];
	int fd;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, STDERR_FILENO);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	/* It lives still: so this is its file, and not that of another process that has got the number. */
	if (!poll(&end, 1, 0) && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > max && !ftruncate(fd, 0))
		dprintf(fd, "(more than %lld bytes that were here are gone)\n", (long long)max);
	close(fd);
}

int host_qemu_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) ? -errno : 0;
}
