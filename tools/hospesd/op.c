#include "op.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "dom.h"
#include "server.h"
#include "settings.h"
#include "xs.h"

static struct {
	struct op *all;
} ops;

struct op *op_first(void)
{
	return ops.all;
}

const char *op_step_name(const struct op *op)
{
	return op->step < op->type->nr_steps ? op->type->steps[op->step].name : "end";
}

static bool named(const char *variable, const char *type, const char *step)
{
	const char *where = getenv(variable);
	size_t len = strlen(type);
	return where && !strncmp(where, type, len) && where[len] == '.' && !strcmp(where + len + 1, step);
}

void op_die_here(const char *type, const char *step)
{
	if (named("HOSPESD_DIE_AT", type, step))
		kill(getpid(), SIGKILL);
	if (named("HOSPESD_STOP_AT", type, step)) {
		unsetenv("HOSPESD_STOP_AT");
		kill(getpid(), SIGSTOP);
	}
}

static void enter(void *arg)
{
	struct op *op = arg;
	op_die_here(op->type->name, op_step_name(op));
	if (op->aborted && op->problem.err) {
		op_fail(op);
		return;
	}
	op->entered = true;
	op->type->steps[op->step].enter(op);
}

/* Say which step begins, in the store and to whoever waits; then begin. */
static void begin(struct op *op)
{
	char *path;
	timer_cancel(&op->patience);
	op->parked = op->entered = false;
	op->began = loop_now();
	op->began_requests = xs_requests();
	if (!op->type->quiet) {
		if (op->dom && op->dom->ours) {
			char value[64];
			snprintf(value, sizeof(value), "%s %s", op->type->name, op_step_name(op));
			path = dom_record(op->dom, "operation");
			xs_write(path, value, NULL, NULL);
			free(path);
		}
		caller_progress(op->caller, op_step_name(op), 0, 0);
	}
	loop_defer(enter, op);
}

void op_start(struct op *op, const struct op_type *type, unsigned step)
{
	op->type = type;
	op->step = step;
	op->next = ops.all;
	ops.all = op;
	if (!op->problem.err)
		problem_init(&op->problem);
	problem_init(&op->child_problem);
	begin(op);
}

/* True if nothing else is under way on @op's domain. */
static bool is_alone(const struct op *op)
{
	for (const struct op *x = ops.all; x; x = x->next)
		if (x != op && x->dom == op->dom && !x->parent)
			return false;
	return true;
}

static void look_alone(void *arg)
{
	(void)arg;
	for (struct op *op = ops.all; op; op = op->next)
		if (op->alone && is_alone(op)) {
			op->alone = false;
			op_next(op);
			loop_defer(look_alone, NULL);
			return;
		}
}

void op_wait_alone(struct op *op)
{
	struct op *x = ops.all;
	op->alone = true;
	while (x) {
		if (x == op || x->dom != op->dom || x->aborted || !x->type->abort) {
			x = x->next;
			continue;
		}
		x->aborted = true;
		x->type->abort(x);
		x = ops.all; /* that may have ended some */
	}
	loop_defer(look_alone, NULL);
}

static void end(struct op *op)
{
	timer_cancel(&op->patience);
	struct op **at = &ops.all;
	while (*at != op)
		at = &(*at)->next;
	*at = op->next;
	op->type->end(op);
	loop_defer(look_alone, NULL);
}

/* Account for the step that ends. */
static void count(struct op *op)
{
	struct op_timing *t = &op->timings[op->nr_timings];
	if (op->nr_timings == OP_MAX_TIMINGS || op->step >= op->type->nr_steps)
		return;
	t->step = op_step_name(op);
	t->ns = loop_now() - op->began;
	t->store_requests = xs_requests() - op->began_requests;
	op->nr_timings++;
}

void op_goto(struct op *op, unsigned step)
{
	count(op);
	op->step = step;
	if (step >= op->type->nr_steps)
		end(op);
	else
		begin(op);
}

void op_next(struct op *op)
{
	op_goto(op, op->step + 1);
}

void op_fail(struct op *op)
{
	if (!op->problem.err)
		op->problem = op->child_problem;
	if (!op->problem.err)
		problem_set(&op->problem, EIO, "internal", op_step_name(op), "report this with the daemon's log",
			    "the operation %s ended without a reason", op->type->name);
	if (op->dom)
		problem_domain(&op->problem, op->dom->name, op->dom->id);
	end(op);
}

void op_found(struct op *op, const struct problem *p)
{
	if (!op->problem.err)
		op->problem = *p;
}

/* An operation was parked for EIO: if the store is there all the same, that was its answer. */
static void check_parked(void *arg)
{
	struct op *op = arg;
	if (!op->parked || !xs_up())
		return;
	op->parked = false;
	problem_set(&op->problem, EIO, "store-refused", op_step_name(op),
		    "look at the log of xenstored and at the disk it keeps its state on",
		    "the store has an input/output error");
	op_fail(op);
}

/* Who asked need not wait as long as the store is away; what was asked for does. */
static void impatient(void *arg)
{
	struct op *op = arg;
	struct problem p;
	problem_init(&p);
	if (op->dom)
		problem_domain(&p, op->dom->name, op->dom->id);
	problem_set(&p, EIO, "no-store", op_step_name(op),
		    "start it: systemctl start xenstored; then see xl list for what became of this",
		    "xenstored does not answer; what was asked for goes on when it is back");
	if (op->type->store_away)
		op->type->store_away(op, &p);
	caller_problem(op->caller, &p);
	op->caller = NULL;
}

bool op_store_ok(struct op *op, int err, const char *what)
{
	if (!err)
		return true;
	if (err == EIO) {
		op->parked = true;
		caller_progress(op->caller, "waiting for xenstored", 0, 0);
		timer_set(&op->patience, settings->store_ms, impatient, op);
		loop_defer(check_parked, op);
		return false;
	}
	problem_set(&op->problem, err, "store-refused", op_step_name(op),
		    "look at the log of xenstored, and at its quotas", "the store refused %s: %s", what, strerror(err));
	op_fail(op);
	return false;
}

void op_store_up(void)
{
	for (struct op *op = ops.all; op; op = op->next)
		if (op->parked)
			begin(op);
}

void op_adopt(struct op *parent, struct op *child)
{
	child->parent = parent;
	parent->children++;
}

void op_ended(struct op *child)
{
	struct op *parent = child->parent;
	if (!parent)
		return;
	if (child->problem.err && !parent->child_problem.err)
		parent->child_problem = child->problem;
	if (--parent->children)
		return;
	if (parent->child_problem.err)
		op_fail(parent);
	else
		op_next(parent);
}
