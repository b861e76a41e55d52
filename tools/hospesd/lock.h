/*
 * The file whose lock keeps the toolstacks of a host from taking each other's free memory (lockfile in xl.conf): Xen's xl holds it for writing from before it
 * looks for memory until its domain has it. Creations of ours share it, for they know of each other.
 */
#ifndef HOSPESD_LOCK_H
#define HOSPESD_LOCK_H

#include <stdbool.h>

#include "base/loop.h"

struct problem;

/* Lies in a larger structure. */
struct lock_wait {
	/* It is held. */
	void (*done)(struct lock_wait *w);
	/* Somebody else has it; called now and then. May be NULL. */
	void (*waits)(struct lock_wait *w);
	struct timer timer;
};

/* Take it, now or when it is free: done() may be called before this returns. 0, or -errno with a problem if there can be no such file. */
int lock_take(struct lock_wait *w, struct problem *p);
/* Stop waiting; done() is not called any more. */
void lock_give_up(struct lock_wait *w);
/* After done(): the lock goes with its last user. */
void lock_drop(void);

#endif
