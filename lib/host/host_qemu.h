/* The process of a QEMU that serves images in formats the kernel does not know, to one domain. It outlives who started it. */
#ifndef HOST_HOST_QEMU_H
#define HOST_HOST_QEMU_H

#include <stdint.h>
#include <sys/types.h>

struct problem;

/* The one that holds the lock on file @lock: a descriptor that can be read when it has ended, and its number; -ENOENT: none runs. */
int host_qemu_find(const char *lock, pid_t *pid);
/*
 * Start @program for domain @domid, the lock on file @lock in its hands and what it says at the end of file @log. A descriptor as above of a child, which
 * the caller may wait for; or -errno and the problem.
 */
int host_qemu_start(const char *program, uint32_t domid, const char *lock, const char *log, pid_t *pid,
		    struct problem *p);
/*
 * Empty the file its output goes to, if that has become longer than @max: a guest can have it complain of each request. @pidfd is that of process @pid; nothing is
 * done where it has ended.
 */
void host_qemu_bound_log(pid_t pid, int pidfd, off_t max);
/* 0 or -errno. */
int host_qemu_signal(int pidfd, int signal);

#endif
