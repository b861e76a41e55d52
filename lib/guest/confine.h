/* Work on bytes nobody may trust, in a process that can do nothing but compute and end. */
#ifndef GUEST_CONFINE_H
#define GUEST_CONFINE_H

/* What @fn may use: memory that was mapped before. @fn must not make a system call: that kills it. */
typedef void confined_fn(void *arg);

/*
 * Run fn(arg) in a child that may only end, with at most @seconds of CPU and ten times that by the clock. What it writes into shared mappings is seen here.
 * 0 when it returned, -EPROTO: it died or did what it may not, -ETIME: it took too long, -ENOSYS: there are no seccomp filters here; else why it was
 * not started. Callable from any thread; needs no signal and takes no status of other children.
 */
int confine_run(confined_fn *fn, void *arg, unsigned seconds);

#endif
