/* Work that may take long (building a domain, taking its memory back), in a few threads of its own. */
#ifndef HOSPESD_WORK_H
#define HOSPESD_WORK_H

#include <stdatomic.h>
#include <stdbool.h>

struct hcall;

/* Lies in a larger structure, which must live until done() was called. */
struct work {
	/* In one of the threads, with its own handle; it may look at cancelled and call work_poke(). */
	void (*run)(struct work *w, struct hcall *h);
	/* In the loop, after run(). */
	void (*done)(struct work *w);
	/* In the loop, some time after work_poke(); may be NULL. */
	void (*poked)(struct work *w);
	atomic_bool cancelled;

	struct work *next;
	atomic_bool poke;
};

/* Prepare the threads, which are made as they are needed. 0 or -errno. */
int work_open(void);
/* Cancel what is under way and wait for it; done() is not called any more. */
void work_close(void);
void work_start(struct work *w);
/* From run(): have poked() called. */
void work_poke(struct work *w);

#endif
