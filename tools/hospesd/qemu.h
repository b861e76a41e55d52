/* The QEMU of a domain with images: one process for all of them, from the first one's coming to the domain's end. It lives on when hospesd does not. */
#ifndef HOSPESD_QEMU_H
#define HOSPESD_QEMU_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

struct dom;
struct problem;

/* Have one for @d: it runs, or is started. 0 or -errno and the problem. Its end is told to plug_qemu_ended(). */
int qemu_have(struct dom *d, struct problem *p);
/* Take note of one that an earlier daemon has started, if there is one. */
void qemu_learn(uint32_t domid);
/* Does one of ours run for that domain? */
bool qemu_runs(uint32_t domid);
/* End it; @done(@arg) is called when it has, right away if there is none. */
void qemu_end(uint32_t domid, loop_call *done, void *arg);

#endif
