/* Who made whose commit fail, and who waits for it. */
#include "conflict.h"

#include <stdlib.h>

#include "domain.h"
#include "live.h"

#define HISTORY 4096 /* changes remembered; a power of two */
/* Unprivileged culprits: this many conflicts at once, one more each interval. */
#define CREDIT 5
#define CREDIT_INTERVAL_MS 50
/*
 * Privileged ones, from their victim's third failure in a row: a few ms, more each time. An unprivileged victim must not
 * be able to hold a privileged client up by failing on purpose, so for it the wait is short and rare.
 */
#define PATIENCE 3
#define PRIVILEGED_WAIT_MS 2
#define PRIVILEGED_WAIT_MAX_MS 64
#define PRIVILEGED_INTERVAL_MS 20

/* Stands for a connection in the history, and outlives it there. */
struct author {
	struct conn *c; /* NULL: gone */
	unsigned refs;
};

static struct {
	struct author *current;
	struct {
		uint64_t generation;
		struct author *author;
	} history[HISTORY];
} conflict;

static void author_put(struct author *a)
{
	if (a && !--a->refs)
		free(a);
}

void conflict_author(struct conn *c)
{
	conflict.current = NULL;
	if (!c)
		return;
	if (!c->author) {
		c->author = malloc(sizeof(*c->author));
		if (!c->author)
			return; /* no memory: nobody is charged */
		*c->author = (struct author){ .c = c, .refs = 1 };
	}
	conflict.current = c->author;
}

void conflict_note(uint64_t g)
{
	struct author **slot = &conflict.history[g % HISTORY].author;

	conflict.history[g % HISTORY].generation = g;
	if (*slot == conflict.current)
		return;
	author_put(*slot);
	*slot = conflict.current;
	if (*slot)
		(*slot)->refs++;
}

/* One more conflict made by an unprivileged client: without credit it waits until there is some. */
static void charge_unprivileged(struct conn *c, uint64_t now)
{
	uint64_t back = (now - c->credit_at) / CREDIT_INTERVAL_MS;

	c->credit_used = back >= (uint64_t)c->credit_used ? 0 : c->credit_used - (int)back;
	c->credit_at = c->credit_used ? c->credit_at + back * CREDIT_INTERVAL_MS : now;
	c->credit_used++;
	if (c->credit_used > CREDIT)
		c->stalled_until = now + (uint64_t)(c->credit_used - CREDIT) * CREDIT_INTERVAL_MS;
}

static void charge_privileged(struct conn *c, const struct conn *victim, uint64_t now)
{
	unsigned excess = victim->conflicts - PATIENCE;
	uint64_t wait = PRIVILEGED_WAIT_MS;

	if (victim->conflicts < PATIENCE || c->stalled_until > now)
		return;
	if (conn_privileged(victim))
		wait = excess > 4 ? PRIVILEGED_WAIT_MAX_MS : wait << excess;
	else if (c->stalled_until && now - c->stalled_until < PRIVILEGED_INTERVAL_MS)
		return;
	c->stalled_until = now + wait;
}

void conflict_charge(struct conn *victim, uint64_t g)
{
	struct author *a = conflict.history[g % HISTORY].author;
	uint64_t now = store_clock();

	victim->conflicts++;
	/* Two transactions of one client cannot starve but by its own will. */
	if (conflict.history[g % HISTORY].generation != g || !a || !a->c || a->c == victim)
		return;
	if (conn_privileged(a->c))
		charge_privileged(a->c, victim, now);
	else
		charge_unprivileged(a->c, now);
}

void conflict_success(struct conn *victim)
{
	victim->conflicts = 0;
}

void conflict_forget(struct conn *c)
{
	if (!c->author)
		return;
	if (conflict.current == c->author)
		conflict.current = NULL;
	c->author->c = NULL;
	author_put(c->author);
	c->author = NULL;
}

void conflict_exit(void)
{
	for (unsigned i = 0; i < HISTORY; i++) {
		author_put(conflict.history[i].author);
		conflict.history[i].author = NULL;
	}
	conflict.current = NULL;
}

uint64_t conn_stalled(const struct conn *c)
{
	uint64_t now;

	if (!c->stalled_until)
		return 0;
	now = store_clock();
	return c->stalled_until > now ? c->stalled_until - now : 0;
}
