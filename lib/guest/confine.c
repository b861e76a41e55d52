/*
 * The child gets its filter before it sees a byte: exit and exit_group pass, everything else kills it. It maps nothing, opens nothing, allocates
 * nothing: its memory was mapped by the parent. So no lock of the parent's libc is needed either, whichever thread forked.
 */
#include "guest/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNCONFINED 1 /* status of a child that could not give up its rights, and did nothing */

static int limit(int what, rlim_t n)
{
	struct rlimit r = { n, n };

	return setrlimit(what, &r);
}

static int give_up_rights(unsigned seconds)
{
	static const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), (struct sock_filter *)code };

	/* What clients of this process shall see closed is not held open here. */
	(void)syscall(SYS_close_range, 0, ~0u, 0);
	if (limit(RLIMIT_CPU, seconds) || limit(RLIMIT_FSIZE, 0) || limit(RLIMIT_CORE, 0))
		return -1;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/* Wait until the child ended, or kill it at the end of its time. */
static int wait_for(pid_t pid, unsigned seconds)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), status = 0, late = 0;
	pid_t got;

	if (fd >= 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n;

		do {
			n = poll(&p, 1, (int)seconds * 10000);
		} while (n < 0 && errno == EINTR);
		if (n == 0) {
			late = 1;
			kill(pid, SIGKILL);
		}
		close(fd);
	}
	do {
		got = waitpid(pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	if (late)
		return -ETIME;
	/* Somebody else reaped it: what it left in shared memory has to tell. */
	if (got < 0)
		return 0;
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU))
		return -ETIME;
	if (WIFEXITED(status) && WEXITSTATUS(status) == UNCONFINED)
		return -ENOSYS;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

/* See confine.h. */
int confine_run(confined_fn *fn, void *arg, unsigned seconds)
{
	sigset_t all, old;
	pid_t pid;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		if (give_up_rights(seconds))
			_exit(UNCONFINED);
		fn(arg);
		syscall(SYS_exit_group, 0); /* what libc or a sanitizer would do besides is not allowed any more */
	}
	rc = pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? rc : wait_for(pid, seconds);
}
