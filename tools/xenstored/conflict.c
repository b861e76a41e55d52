/* Who made whose commit fail, and who waits for it. */
#include "conflict.h"

#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "live.h"
#include "view.h"

#define HISTORY 4096 /* changes remembered; a power of two */
/* Unprivileged culprits: this many conflicts at once, one more each interval. */
#define CREDIT 5
#define CREDIT_INTERVAL_MS 50
/*
 * From the victim's third failure in a row its culprits wait for several times what its tries take, up to a limit. An
 * unprivileged victim may fail on purpose, so others wait less for it, and privileged ones next to nothing, and rarely.
 */
#define PATIENCE 3
#define WAIT_AFTER_MS 20    /* of failing, before privileged culprits wait: less sorts itself out */
#define RESERVE_AFTER_MS 20 /* of failing; less sorts itself out, and a reservation costs the others their tries */
#define WAIT_MAX_MS 1000
#define WAIT_MAX_UNPRIVILEGED_MS 100
#define WAIT_PRIVILEGED_MS 2
#define WAIT_PRIVILEGED_INTERVAL_MS 20

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
	/* What is kept for one client: NULL: nothing. */
	struct conn *holder;
	uint64_t until;
	char path[XENSTORE_ABS_PATH_MAX + 1];
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

struct conn *conflict_maker(void)
{
	return conflict.current ? conflict.current->c : NULL;
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
static void use_credit(struct conn *c, uint64_t now)
{
	uint64_t back = (now - c->credit_at) / CREDIT_INTERVAL_MS;

	c->credit_used = back >= (uint64_t)c->credit_used ? 0 : c->credit_used - (int)back;
	c->credit_at = c->credit_used ? c->credit_at + back * CREDIT_INTERVAL_MS : now;
	c->credit_used++;
	if (c->credit_used > CREDIT)
		c->stalled_until = now + (uint64_t)(c->credit_used - CREDIT) * CREDIT_INTERVAL_MS;
}

/* How long @c has to keep out of the way of a victim that has lost patience. */
static uint64_t wait_for(const struct conn *c, const struct conn *victim, uint64_t ms, uint64_t now)
{
	uint64_t wait = (ms + 1) * (victim->conflicts - PATIENCE + 2);
	uint64_t max = conn_privileged(victim) ? WAIT_MAX_MS : WAIT_MAX_UNPRIVILEGED_MS;

	if (conn_privileged(c) && !conn_privileged(victim)) {
		max = WAIT_PRIVILEGED_MS;
		if (c->stalled_until && now < c->stalled_until + WAIT_PRIVILEGED_INTERVAL_MS)
			return 0;
	}
	return wait < max ? wait : max;
}

/* The longest failing one gets @path, for about two tries. Whoever lets its time pass begins again at the end of the queue. */
static void reserve(struct conn *victim, const char *path, uint64_t ms, uint64_t now)
{
	uint64_t max = conn_privileged(victim) ? WAIT_MAX_MS : WAIT_MAX_UNPRIVILEGED_MS;
	uint64_t time = 2 * ms + 2;

	if (conflict.holder && now >= conflict.until) {
		conflict.holder->failing_since = now;
		conflict.holder = NULL;
	}
	if (conflict.holder && conflict.holder != victim && conflict.holder->failing_since <= victim->failing_since)
		return;
	conflict.holder = victim;
	conflict.until = now + (time < max ? time : max);
	strcpy(conflict.path, path);
}

bool conflict_reserved(const struct conn *c, const struct view *v)
{
	if (!conflict.holder || conflict.holder == c || store_clock() >= conflict.until)
		return false;
	/* A guest gets nothing reserved against the control domain. */
	if (conn_privileged(c) && !conn_privileged(conflict.holder))
		return false;
	return view_touches(v, conflict.path);
}

void conflict_charge(struct conn *victim, uint64_t g, uint64_t ms, const char *path)
{
	struct author *a = conflict.history[g % HISTORY].author;
	uint64_t now = store_clock(), wait;

	if (!victim->conflicts++)
		victim->failing_since = now;
	if (victim->conflicts > PATIENCE && now - victim->failing_since >= RESERVE_AFTER_MS)
		reserve(victim, path, ms, now);
	/* Two transactions of one client cannot starve but by its own will. */
	if (!g || conflict.history[g % HISTORY].generation != g || !a || !a->c || a->c == victim)
		return;
	conflict.history[g % HISTORY].generation = 0;
	if (!conn_privileged(a->c))
		use_credit(a->c, now);
	if (victim->conflicts < PATIENCE)
		return;
	if (conn_privileged(a->c) && now - victim->failing_since < WAIT_AFTER_MS)
		return;
	wait = wait_for(a->c, victim, ms, now);
	if (wait && a->c->stalled_until < now + wait)
		a->c->stalled_until = now + wait;
}

void conflict_success(struct conn *victim)
{
	victim->conflicts = 0;
	if (conflict.holder == victim)
		conflict.holder = NULL;
}

void conflict_forget(struct conn *c)
{
	if (conflict.holder == c)
		conflict.holder = NULL;
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
	conflict.holder = NULL;
}

uint64_t conn_stalled(const struct conn *c)
{
	uint64_t now;

	if (!c->stalled_until)
		return 0;
	now = store_clock();
	return c->stalled_until > now ? c->stalled_until - now : 0;
}
