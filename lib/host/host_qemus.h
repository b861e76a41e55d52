/*
 * The QEMUs of a daemon with the event loop of base/loop.h: one for each domain that has images in formats the kernel does not know. They live on when the
 * daemon does not; nobody waits for one but by a callback.
 */
#ifndef HOST_HOST_QEMUS_H
#define HOST_HOST_QEMUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"

struct problem;

struct host_qemus {
	const char *program;
	const char *locks; /* the lock of domain 7's QEMU is the file of this name with "-7" behind */
	unsigned end_ms;   /* until one that does not end when it is asked to is killed */
	/* One ended that nobody had asked to. */
	void (*ended)(uint32_t domid);
};

/* Once, before all else; @how stays the caller's, and must stay. */
void host_qemus_open(const struct host_qemus *how);
/*
 * Have one for @domid. 1: it was started, its number is in @pid, and what it says goes to the end of file @log, of which no more than a MiB is kept; 0: one runs, which is being ended perhaps:
 * who must have one then asks again when it has ended; or -errno and the problem.
 */
int host_qemus_have(uint32_t domid, const char *log, pid_t *pid, struct problem *p);
/* Take note of one that an earlier daemon has started, if there is one. */
void host_qemus_learn(uint32_t domid);
/* Does one that is known run for that domain? */
bool host_qemus_runs(uint32_t domid);
/*
 * End it; @done(@arg) is called when it has, right away if there is none. Asked again meanwhile, it has no more time than it had, and only the last @done is
 * called.
 */
void host_qemus_end(uint32_t domid, loop_call *done, void *arg);
/* Call @fn for each domain that has a lock file: one runs for it, or none that ended by itself while no daemon ran. */
void host_qemus_each(void (*fn)(uint32_t domid));

#endif
