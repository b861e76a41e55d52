#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/problem.h"
#include "settings.h"

#define LOOK_MS 50 /* nothing tells that it is free but a call that blocks */

/* The locks of a process go with the first descriptor of the file that it closes: there is one, and users of it. */
static struct {
	int fd;
	unsigned users;
} lock;

/* The directories above the file: some are made at boot only where a distribution's tools need them. */
static void make_directories(const char *file)
{
	char dir[256];
	if ((size_t)snprintf(dir, sizeof(dir), "%s", file) >= sizeof(dir))
		return;
	for (char *slash = strchr(dir + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		(void)mkdir(dir, 0755); /* the opening of the file says what is wrong */
		*slash = '/';
	}
}

static int open_file(struct problem *p)
{
	make_directories(settings->lock_file);
	/* Everybody may write where it lies: what is made there must not be somebody else's choice. */
	lock.fd = open(settings->lock_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock.fd >= 0)
		return 0;
	return problem_set(p, errno, "cannot-lock", "lock", "make its directory, or set lockfile in /etc/xen/xl.conf",
			   "%s cannot be opened: %s", settings->lock_file, strerror(errno));
}

static void look(void *arg)
{
	struct lock_wait *w = arg;
	struct flock l = { .l_type = F_RDLCK };
	if (!fcntl(lock.fd, F_SETLK, &l)) {
		w->done(w);
		return;
	}
	timer_set(&w->timer, LOOK_MS, look, w);
	if (w->waits)
		w->waits(w);
}

int lock_take(struct lock_wait *w, struct problem *p)
{
	int rc = lock.users ? 0 : open_file(p);
	if (rc)
		return rc;
	lock.users++;
	look(w);
	return 0;
}

void lock_give_up(struct lock_wait *w)
{
	timer_cancel(&w->timer);
	lock_drop();
}

void lock_drop(void)
{
	if (--lock.users)
		return;
	close(lock.fd);
	lock.fd = -1;
}
