/* All that hospesd has around it, for a fuzzer: a store, a hypervisor and a clock that take no time. The daemon's own code is the real one, but for its threads and scripts. */
#ifndef HOSPESD_WORLD_H
#define HOSPESD_WORLD_H

#include <stdint.h>

/* Once: settings and folders of its own. */
void world_prepare(void);
/* A fresh world with a fresh daemon; the @fail'th request to the store from now on is refused with @error ("EACCES"); 0: none is. */
void world_open(unsigned fail, const char *error);
/* A connection to the daemon. */
int world_connect(void);
/* Until nothing is under way but what waits for others. Time goes on by itself then, by at most an hour. */
void world_run(void);
/* Its end; what it still had to do is lost. */
void world_close(void);

#endif
