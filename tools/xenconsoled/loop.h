/* The event loop: descriptors, and moments by which something is to be looked at again. */
#ifndef XENCONSOLED_LOOP_H
#define XENCONSOLED_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOP_IN 1u
#define LOOP_OUT 2u
#define LOOP_GONE 4u /* error or hang-up */

struct source {
	void (*ready)(struct source *s, unsigned what);
	int fd;
	unsigned wanted; /* as the loop knows it */
};

void loop_open(void);
/* -1 and errno. */
int loop_add(struct source *s, unsigned wanted);
void loop_want(struct source *s, unsigned wanted);
/* Do not look at it any more. */
void loop_forget(struct source *s);
/* Also closes the descriptor. It is safe for a source to remove itself, or another, while it is served. */
void loop_remove(struct source *s);

/* Milliseconds of a clock that does not jump. */
uint64_t loop_now(void);
/* Called every turn: look at what has become due, and call loop_due() with the moment of what is next. */
void loop_on_turn(void (*fn)(uint64_t now));
void loop_due(uint64_t when);

void loop_run(void);
void loop_stop(void);

#endif
