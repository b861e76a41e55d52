/* Asking a guest to shut down: the word in control/shutdown, which it takes away when it has seen it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "dom.h"
#include "hv.h"
#include "ops.h"
#include "server.h"
#include "settings.h"
#include "xs.h"

enum { ASK, TAKEN, DOWN };

struct shutdown {
	struct op op; /* first */
	const char *command;
	char path[64];
	bool fallback, asked, over;
	unsigned wait;
	struct xs_watch *watch;
	struct timer deadline;
};

static void stored(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "control/shutdown"))
		op_next(op);
}

static void ask(struct op *op)
{
	struct shutdown *s = (struct shutdown *)op;
	xs_write(s->path, s->command, stored, op);
}

static void taken_over(struct shutdown *s)
{
	xs_unwatch(s->watch);
	s->watch = NULL;
	s->over = true;
	timer_cancel(&s->deadline);
	if (s->asked)
		return;
	if (s->op.problem.err)
		op_fail(&s->op);
	else
		op_next(&s->op);
}

static void got_word(void *arg, int err, const char *body, size_t len)
{
	struct shutdown *s = arg;
	(void)len;
	s->asked = false;
	if (s->over || (!err && !*body) || err == ENOENT)
		taken_over(s);
}

static void word_changed(void *arg, const char *path)
{
	struct shutdown *s = arg;
	if (s->asked)
		return;
	s->asked = true;
	xs_read(path, got_word, s);
}

static void not_taken(void *arg)
{
	struct shutdown *s = arg;
	if (s->op.aborted || (s->fallback && !hv_trigger_power(s->op.dom->id))) {
		taken_over(s);
		return;
	}
	problem_set(
		&s->op.problem, ETIMEDOUT, "no-answer", s->command,
		"look at its console; xl destroy ends it the hard way, -F sends an ACPI event to guests without Xen drivers",
		"the guest took no notice of the request to %s", s->command);
	xs_write(s->path, "", NULL, NULL); /* so that it does not obey tomorrow */
	taken_over(s);
}

static void wait_taken(struct op *op)
{
	struct shutdown *s = (struct shutdown *)op;
	if (op->aborted) { /* while the word was being written: nobody will take it */
		op_next(op);
		return;
	}
	s->over = false;
	s->watch = xs_watch(s->path, word_changed, s);
	timer_set(&s->deadline, settings->shutdown_ms, not_taken, s);
}

/* Is what is waited for so already, or what it ends in under way? See shutdown_end(). */
static bool is_over(const struct shutdown *s)
{
	const struct dom *d = s->op.dom;
	struct xen_domctl_getdomaininfo info;
	if (!s->wait || s->op.aborted || d->gone || destroy_under_way(d))
		return true;
	if (d->op || hv_info(d->id, &info))
		return false; /* something is done about it, or will be as soon as its end is noticed */
	return s->wait == 1 && (info.flags & XEN_DOMINF_shutdown) && (d->ended || !d->ours);
}

static void nobody_waits(void *arg)
{
	op_next(arg);
}

static void wait_down(struct op *op)
{
	if (is_over((struct shutdown *)op) || !caller_on_gone(op->caller, nobody_waits, op))
		op_next(op);
	/* Otherwise shutdown_seen() goes on, or what takes it down meanwhile. */
}

static const struct op_step steps[] = {
	[ASK] = { "ask", ask }, [TAKEN] = { "taken", wait_taken }, [DOWN] = { "down", wait_down }
};

static void shutdown_abort(struct op *op)
{
	struct shutdown *s = (struct shutdown *)op;
	if (op->step == DOWN && op->entered)
		op_next(op);
	else if (s->watch)
		timer_set(&s->deadline, 0, not_taken, s);
}

static void shutdown_end(struct op *op)
{
	struct shutdown *s = (struct shutdown *)op;
	xs_unwatch(s->watch);
	timer_cancel(&s->deadline);
	caller_on_gone(op->caller, NULL, NULL);
	if (op->problem.err) {
		dom_problem(op->dom, &op->problem);
		caller_problem(op->caller, &op->problem);
	} else if (s->wait && destroy_under_way(op->dom)) {
		destroy_join(op->dom, op->caller);
	} else {
		caller_result(op->caller, NULL);
	}
	free(s);
}

static const struct op_type shutdown_type = {
	.name = "shutdown",
	.steps = steps,
	.nr_steps = sizeof(steps) / sizeof(*steps),
	.quiet = true,
	.abort = shutdown_abort,
	.end = shutdown_end,
};

static void start(struct shutdown *s, struct caller *caller, struct dom *d, unsigned wait, unsigned step)
{
	s->op.dom = d;
	s->op.caller = caller;
	s->wait = wait;
	op_start(&s->op, &shutdown_type, step);
}

void shutdown_start(struct caller *caller, struct dom *d, const char *command, bool fallback, unsigned wait)
{
	struct shutdown *s = xcalloc(1, sizeof(*s));
	s->command = command;
	s->fallback = fallback;
	snprintf(s->path, sizeof(s->path), "/local/domain/%u/control/shutdown", d->id);
	dom_log(d, "is asked to %s", command);
	start(s, caller, d, wait, ASK);
}

void shutdown_wait(struct caller *caller, struct dom *d, unsigned wait)
{
	start(xcalloc(1, sizeof(struct shutdown)), caller, d, wait, DOWN);
}

/* Go on with those that waited; one at a time, as each takes itself off the list. */
void shutdown_seen(struct dom *d, bool gone)
{
	bool again = true;
	while (again) {
		again = false;
		for (struct op *op = op_first(); op && !again; op = op->next)
			if (op->type == &shutdown_type && op->dom == d && op->step == DOWN && op->entered &&
			    (gone || ((struct shutdown *)op)->wait == 1)) {
				op_next(op);
				again = true;
			}
	}
}
