/*
 * What a change leaves to be done and nobody but guests can notice: telling many of them, taking a large subtree apart. Done in steps, in the
 * order in which it came, between the requests of privileged clients; no guest's request is served before all of it is done, so to guests
 * it is as if each change were whole at once.
 */
#ifndef XENSTORED_CHORES_H
#define XENSTORED_CHORES_H

#include <stdbool.h>

struct chore {
	struct chore *next;
	/* About as much as an ordinary request takes. True: that was all, and it has freed itself. */
	bool (*step)(struct chore *c);
};

/* The latest of all. Whoever makes more of them than are worked off does older ones himself, here, so that guests are served again. */
void chores_add(struct chore *c);
bool chores_wait(void);
bool chores_at_work(void);
/* Did the chore at work make others? They come before what is left of it, so it had better stop here. */
bool chores_made(void);
/* Guests have waited long: until none is left, whoever makes another makes two go. */
void chores_hurry(void);
/*
 * What a step may do is counted in units of about 300 instructions. chores_spend() counts more of them, wherever they are needed; a step
 * that has several things to do ends before none is left.
 */
void chores_spend(unsigned units);
unsigned chores_left(void);
/* One step of the oldest, if there is any. */
void chores_step(void);
/* All there are, now: what comes next must find them done. Nothing while one of them is at work. */
void chores_finish(void);

#endif
