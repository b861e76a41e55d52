/* Replaying a long log in pieces, while the live tree goes on. */
#include "commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conflict.h"
#include "domain.h"
#include "journal.h"
#include "live.h"
#include "transaction_log.h"

/* A log of so many requests is replayed in one go, and so many in one step. */
#define SMALL 2
/* Changes of others that are taken over in one step; with more waiting than the other it is simpler to begin again. */
#define NOTED_PER_STEP 3
#define NOTED_MAX 64
/* So often, then it is EAGAIN. */
#define RESTARTS 4
#define BITS 17

/* How a path matters to what was replayed: it is there or above something that is; its list of children is known; all below it is gone. */
enum matter { ABOVE, LISTED, REMOVED };

struct noted {
	struct noted *next;
	char path[];
};

static struct {
	struct transaction *t; /* NULL: nothing is replayed */
	enum commit_kind kind;
	struct view v;
	struct record *next;
	bool recording; /* the log is replayed, its effects go to the journal */
	bool ready;
	int err;
	unsigned restarts;
	struct view_walk walk;
	uint64_t part, life;
	struct emission *emission;
	/* Changes of others since the view began. */
	struct noted *noted, **last_noted;
	unsigned nr_noted;
	bool unknown; /* and some that nobody told of */
	bool told;    /* the change that is being made was noted */
	uint64_t touched[(1u << BITS) / 64];
} job;

/*
 * What the log touches: a set of hashes. A false member costs another beginning.
 */

static uint32_t hash_on(uint32_t h, char c)
{
	return (h ^ (uint8_t)c) * 0x01000193u;
}

static uint32_t bit_of(uint32_t h, enum matter m)
{
	return ((h ^ (uint32_t)m * 0x85ebca6bu) * 0x9e3779b1u) >> (32 - BITS);
}

static void touch(uint32_t h, enum matter m)
{
	job.touched[bit_of(h, m) / 64] |= 1ull << bit_of(h, m) % 64;
}

static bool touches(uint32_t h, enum matter m)
{
	return job.touched[bit_of(h, m) / 64] >> bit_of(h, m) % 64 & 1;
}

/* "/" is the empty path, and above all. */
static void touch_path(const char *path, uint32_t type)
{
	uint32_t h = 0;

	for (const char *at = path[1] ? path : ""; *at; at++) {
		if (*at == '/')
			touch(h, ABOVE);
		h = hash_on(h, *at);
	}
	touch(h, ABOVE);
	if (type == XS_DIRECTORY || type == XS_DIRECTORY_PART)
		touch(h, LISTED);
	if (type == XS_RM)
		touch(h, REMOVED);
}

/* May a change of @path alter an answer, or be undone by what was replayed? */
static bool concerns(const char *path)
{
	uint32_t h = 0, parent = 0;

	for (const char *at = path[1] ? path : ""; *at; at++) {
		if (*at == '/') {
			parent = h;
			if (touches(h, REMOVED))
				return true;
		}
		h = hash_on(h, *at);
	}
	return touches(h, ABOVE) || touches(h, REMOVED) || touches(parent, LISTED);
}

/*
 * Changes of others.
 */

static void noted_drop(void)
{
	struct noted *n;

	while ((n = job.noted)) {
		job.noted = n->next;
		free(n);
	}
	job.last_noted = &job.noted;
	job.nr_noted = 0;
}

static void note(const char *path)
{
	size_t len = strlen(path) + 1;
	struct noted *n = job.nr_noted < NOTED_MAX ? malloc(sizeof(*n) + len) : NULL;

	if (!n) {
		job.unknown = true;
		return;
	}
	n->next = NULL;
	memcpy(n->path, path, len);
	*job.last_noted = n;
	job.last_noted = &n->next;
	job.nr_noted++;
}

void commit_note(const struct view *v)
{
	if (!job.t || job.unknown)
		return;
	job.told = true;
	view_each_changed(v, note);
}

void commit_touched(void)
{
	if (job.t && !job.told)
		job.unknown = true;
	job.told = false;
}

/*
 * The course of it.
 */

static void drop(void)
{
	if (!job.t)
		return;
	job.t = NULL;
	noted_drop();
	view_drop(&job.v);
	emission_free(job.emission);
	job.emission = NULL;
}

void commit_forget(const struct transaction *t)
{
	if (job.t == t)
		drop();
}

static void finish(int err)
{
	job.err = err;
	job.ready = true;
}

static void begin_view(void)
{
	noted_drop();
	memset(job.touched, 0, sizeof(job.touched));
	view_init(&job.v, tree_get(live_root()), job.t->c, job.kind == COMMIT);
	job.next = job.t->first;
	job.recording = job.ready = job.unknown = job.told = false;
	job.err = 0;
}

static void begin(struct transaction *t, enum commit_kind kind)
{
	drop();
	job.emission = kind == COMMIT ? emission_new() : NULL;
	/* Its snapshot goes first: what only that shares with the live tree need not be copied. */
	transaction_view_end(t);
	job.t = t;
	job.kind = kind;
	job.restarts = 0;
	begin_view();
	if (kind == COMMIT && !job.emission)
		finish(ENOMEM);
}

static void begin_again(void)
{
	if (++job.restarts > RESTARTS) {
		finish(EAGAIN);
		return;
	}
	view_drop(&job.v);
	begin_view();
}

/* The scratch view as if the change had been made before it began. */
static bool take_over(const char *path)
{
	struct node *now = tree_find(live_root(), path);
	int err;

	if (now)
		err = path[1] ? tree_graft(&job.v.root, path, now) : ENOENT;
	else
		err = tree_remove(&job.v.root, path);
	return !err || (!now && err == ENOENT);
}

/* False: it has to begin again. */
static bool catch_up(void)
{
	for (unsigned i = 0; i < NOTED_PER_STEP && job.noted; i++) {
		struct noted *n = job.noted;
		bool fits = !concerns(n->path) && take_over(n->path);

		job.noted = n->next;
		if (!job.noted)
			job.last_noted = &job.noted;
		job.nr_noted--;
		free(n);
		if (!fits)
			return false;
	}
	return true;
}

static void replay_some(void)
{
	for (unsigned i = 0; i < SMALL && job.next && !job.ready; i++, job.next = job.next->next) {
		const char *path = NULL;
		int err;

		conflict_author(job.t->c);
		err = transaction_replay(job.t, job.next, &job.v, &path);
		conflict_author(NULL);
		if (path)
			touch_path(path, job.next->type);
		if (err)
			finish(err);
	}
}

static void record_some(void)
{
	static uint64_t parts;

	if (!job.recording || job.life != journal_life()) {
		job.recording = true;
		job.life = journal_life();
		job.part = ++parts;
		job.walk = (struct view_walk){ .at = NULL };
	}
	journal_begin(NULL);
	journal_part(job.part);
	job.ready = view_journal(&job.v, &job.walk);
	journal_commit();
}

bool commit_waits(void)
{
	return job.t && !job.ready;
}

void commit_step(void)
{
	if (!commit_waits())
		return;
	if (job.unknown || (job.noted && !catch_up()))
		begin_again();
	else if (job.noted)
		return;
	else if (job.next)
		replay_some();
	else if (job.kind == COMMIT)
		record_some();
	else
		finish(0);
}

/* All that others have done until now is in it. */
static bool is_current(void)
{
	if (job.unknown || job.nr_noted > NOTED_PER_STEP)
		return false;
	if (!catch_up()) {
		job.unknown = true;
		return false;
	}
	return job.kind != COMMIT || job.life == journal_life();
}

bool commit_ready(struct transaction *t, enum commit_kind kind)
{
	if (conn_privileged(t->c) || t->nr <= SMALL || t->doomed || t->failed)
		return true;
	if (job.t != t || job.kind != kind)
		begin(t, kind);
	else if (job.ready && !job.err)
		job.ready = is_current();
	return job.ready;
}

bool commit_take(struct transaction *t, enum commit_kind kind, int *err, struct view *v, struct emission **m,
		 uint64_t *part)
{
	if (job.t != t || job.kind != kind || !job.ready)
		return false;
	*err = job.err;
	*part = job.part;
	*v = job.v;
	if (!v->first)
		v->last = &v->first;
	*m = job.emission;
	job.emission = NULL;
	view_init(&job.v, NULL, NULL, false);
	drop();
	return true;
}
