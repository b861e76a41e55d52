#include "qemu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "dom.h"
#include "host/host_qemu.h"
#include "ops.h"
#include "settings.h"
#include "xs.h"

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
	struct qemu *first;
} qemus;

static char *lock_file(uint32_t domid)
{
	return xasprintf("%s.qemu-%u", settings->socket, domid);
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
	struct dom *d = dom_find(q->domid);
	char *lock = lock_file(q->domid);
	(void)events;
	waitpid(q->pid, NULL, WNOHANG); /* it may be an earlier daemon's child */
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	timer_cancel(&q->deadline);
	loop_remove(q->watch);
	close(q->pidfd);
	unlink(lock);
	free(lock);
	if (q->done) {
		q->done(q->arg);
	} else {
		if (d)
			dom_log(d, "the QEMU that serves its images has ended: look at the end of %s/qemu-dm-%s.log",
				settings->log_dir, d->name);
		plug_qemu_ended(q->domid);
	}
	free(q);
}

static struct qemu *add(uint32_t domid, pid_t pid, int pidfd)
{
	struct qemu *q = xcalloc(1, sizeof(*q));
	*q = (struct qemu){ .next = qemus.first, .domid = domid, .pid = pid, .pidfd = pidfd };
	qemus.first = q;
	q->watch = loop_add(pidfd, EPOLLIN, ended, q);
	return q;
}

void qemu_learn(uint32_t domid)
{
	char *lock = lock_file(domid);
	pid_t pid;
	int fd = find(domid) ? -EEXIST : host_qemu_find(lock, &pid);
	if (fd >= 0)
		add(domid, pid, fd);
	free(lock);
}

bool qemu_runs(uint32_t domid)
{
	return find(domid);
}

int qemu_have(struct dom *d, struct problem *p)
{
	char *lock, *log, path[64], number[16];
	pid_t pid;
	int fd;
	qemu_learn(d->id);
	if (find(d->id))
		return 0;
	lock = lock_file(d->id);
	log = xasprintf("%s/qemu-dm-%s.log", settings->log_dir, d->name);
	fd = host_qemu_start(settings->qemu, d->id, lock, log, &pid, p);
	free(lock);
	free(log);
	if (fd < 0)
		return fd;
	add(d->id, pid, fd);
	/* Where libxl looks for whom to end. */
	snprintf(path, sizeof(path), "/local/domain/%u/image/device-model-pid", d->id);
	snprintf(number, sizeof(number), "%d", pid);
	xs_write(path, number, NULL, NULL);
	return 0;
}

static void too_late(void *arg)
{
	struct qemu *q = arg;
	host_qemu_signal(q->pidfd, SIGKILL);
}

void qemu_end(uint32_t domid, loop_call *done, void *arg)
{
	struct qemu *q;
	qemu_learn(domid);
	q = find(domid);
	if (!q) {
		done(arg);
		return;
	}
	q->done = done;
	q->arg = arg;
	/* It writes out what it has. */
	host_qemu_signal(q->pidfd, SIGTERM);
	timer_set(&q->deadline, settings->qemu_ms, too_late, q);
}
