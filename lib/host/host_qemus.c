#include "host_qemus.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "host_qemu.h"

#define LOG_MAX (1 << 20) /* bytes that are kept of what a QEMU says */
#define LOG_LOOK 5000	  /* ms between two looks at that, as long as one runs */

struct qemu {
	struct qemu *next;
	uint32_t domid;
	pid_t pid;
	int pidfd;
	struct loop_fd *watch;
	struct timer deadline;
	loop_call *done; /* it is being ended */
	void *arg;
};

static struct {
	const struct host_qemus *how;
	struct qemu *first;
	struct timer logs;
} qemus;

void host_qemus_open(const struct host_qemus *how)
{
	qemus.how = how;
}

static char *lock_file(uint32_t domid)
{
	return xasprintf("%s-%u", qemus.how->locks, domid);
}

static void remove_lock(uint32_t domid)
{
	char *lock = lock_file(domid);
	unlink(lock);
	free(lock);
}

static struct qemu *find(uint32_t domid)
{
	struct qemu *q = qemus.first;
	while (q && q->domid != domid)
		q = q->next;
	return q;
}

static void ended(void *arg, uint32_t events)
{
	struct qemu *q = arg, **at = &qemus.first;
	(void)events;
	waitpid(q->pid, NULL, WNOHANG); /* it may be an earlier daemon's child */
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	timer_cancel(&q->deadline);
	loop_remove(q->watch);
	close(q->pidfd);
	remove_lock(q->domid);
	if (q->done)
		q->done(q->arg);
	else
		qemus.how->ended(q->domid);
	free(q);
}

static void look_at_logs(void *arg)
{
	(void)arg;
	for (struct qemu *q = qemus.first; q; q = q->next)
		host_qemu_bound_log(q->pid, q->pidfd, LOG_MAX);
	if (qemus.first)
		timer_set(&qemus.logs, LOG_LOOK, look_at_logs, NULL);
}

static void add(uint32_t domid, pid_t pid, int pidfd)
{
	struct qemu *q = xcalloc(1, sizeof(*q));
	*q = (struct qemu){ .next = qemus.first, .domid = domid, .pid = pid, .pidfd = pidfd };
	if (!qemus.first)
		timer_set(&qemus.logs, LOG_LOOK, look_at_logs, NULL);
	qemus.first = q;
	q->watch = loop_add(pidfd, EPOLLIN, ended, q);
}

void host_qemus_learn(uint32_t domid)
{
	char *lock;
	pid_t pid;
	int fd;
	if (find(domid))
		return;
	lock = lock_file(domid);
	fd = host_qemu_find(lock, &pid);
	if (fd >= 0)
		add(domid, pid, fd);
	free(lock);
}

bool host_qemus_runs(uint32_t domid)
{
	return find(domid);
}

int host_qemus_have(uint32_t domid, const char *log, pid_t *pid, struct problem *p)
{
	char *lock;
	int fd;
	host_qemus_learn(domid);
	if (find(domid))
		return 0;
	lock = lock_file(domid);
	fd = host_qemu_start(qemus.how->program, domid, lock, log, pid, p);
	free(lock);
	if (fd < 0)
		return fd;
	add(domid, *pid, fd);
	return 1;
}

static void too_late(void *arg)
{
	struct qemu *q = arg;
	host_qemu_signal(q->pidfd, SIGKILL);
}

void host_qemus_end(uint32_t domid, loop_call *done, void *arg)
{
	bool asked;
	struct qemu *q;
	host_qemus_learn(domid);
	q = find(domid);
	if (!q) {
		remove_lock(domid); /* of one that ended while no daemon ran */
		done(arg);
		return;
	}
	asked = q->done;
	q->done = done;
	q->arg = arg;
	if (asked)
		return;
	/* It writes out what it has. */
	host_qemu_signal(q->pidfd, SIGTERM);
	timer_set(&q->deadline, qemus.how->end_ms, too_late, q);
}

void host_qemus_each(void (*fn)(uint32_t domid))
{
	char *pattern = xasprintf("%s-*", qemus.how->locks);
	glob_t found;
	unsigned domid;
	if (!glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (sscanf(strrchr(found.gl_pathv[i], '-'), "-%u", &domid) == 1)
				fn(domid);
		globfree(&found);
	}
	free(pattern);
}
