/* A queue of work that is done in steps. */
#include "chores.h"

#include <stddef.h>

/* So many may wait. */
#define CHORES_MAX 32
#define UNITS_PER_STEP 26

static struct {
	struct chore *first, **last;
	struct chore *made, **made_last; /* by the one at work: they come before its rest */
	unsigned nr;
	unsigned left; /* units of the step at work */
	bool at_work;
	bool behind; /* there were too many: until none is left, each that comes makes two go */
} chores = { .last = &chores.first, .made_last = &chores.made };

bool chores_wait(void)
{
	return chores.first;
}

static void put_first(struct chore *first, struct chore **last)
{
	*last = chores.first;
	if (!chores.first)
		chores.last = last;
	chores.first = first;
}

bool chores_at_work(void)
{
	return chores.at_work;
}

bool chores_made(void)
{
	return chores.made;
}

void chores_hurry(void)
{
	chores.behind = true;
}

void chores_spend(unsigned units)
{
	chores.left -= units < chores.left ? units : chores.left;
}

unsigned chores_left(void)
{
	return chores.left;
}

void chores_step(void)
{
	struct chore *c = chores.first;

	if (!c || chores.at_work)
		return;
	chores.at_work = true;
	chores.left = UNITS_PER_STEP;
	chores.first = c->next;
	if (!chores.first)
		chores.last = &chores.first;
	if (c->step(c))
		chores.nr--;
	else
		put_first(c, &c->next);
	if (chores.made)
		put_first(chores.made, chores.made_last);
	chores.made = NULL;
	chores.made_last = &chores.made;
	chores.at_work = false;
}

void chores_finish(void)
{
	while (chores.first && !chores.at_work)
		chores_step();
}

/* The oldest, with what it makes. */
static void finish_one(void)
{
	unsigned nr = chores.nr;

	while (chores.nr >= nr)
		chores_step();
}

void chores_add(struct chore *c)
{
	c->next = NULL;
	chores.nr++;
	if (chores.at_work) {
		*chores.made_last = c;
		chores.made_last = &c->next;
		return;
	}
	*chores.last = c;
	chores.last = &c->next;
	chores.behind |= chores.nr > CHORES_MAX;
	for (int i = 0; i < 2 && chores.behind; i++) {
		finish_one();
		chores.behind = chores.nr;
	}
}
