/* Asking a guest to shut down: the word in control/shutdown, which it takes away when it has seen it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/problem.h"
#include "base/text.h"
#include "dom.h"
#include "hv.h"
#include "loop.h"
#include "ops.h"
#include "server.h"
#include "settings.h"
#include "xs.h"

enum { ASK, TAKEN, DOWN };

struct shutdown {
	struct op op; /* first */
	const char *command;
	char path[64];
	bool fallback, wait, asked, over;
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

static void wait_down(struct op *op)
{
	struct shutdown *s = (struct shutdown *)op;
	struct xen_domctl_getdomaininfo info;
	if (!s->wait || op->aborted || hv_info(op->dom->id, &info) ||
	    (info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)))
		op_next(op);
	/* Otherwise shutdown_seen() goes on. */
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
	if (op->problem.err) {
		dom_problem(op->dom, &op->problem);
		caller_problem(op->caller, &op->problem);
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

void shutdown_start(struct caller *caller, struct dom *d, const char *command, bool fallback, bool wait)
{
	struct shutdown *s = xcalloc(1, sizeof(*s));
	s->op.dom = d;
	s->op.caller = caller;
	s->command = command;
	s->fallback = fallback;
	s->wait = wait;
	snprintf(s->path, sizeof(s->path), "/local/domain/%u/control/shutdown", d->id);
	dom_log(d, "is asked to %s", command);
	op_start(&s->op, &shutdown_type, ASK);
}

/* Go on with those that waited; one at a time, as each takes itself off the list. */
void shutdown_seen(struct dom *d)
{
	bool again = true;
	while (again) {
		again = false;
		for (struct op *op = op_first(); op && !again; op = op->next)
			if (op->type == &shutdown_type && op->dom == d && op->step == DOWN && op->entered) {
				op_next(op);
				again = true;
			}
	}
}
