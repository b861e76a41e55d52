/*
 * Operations: what the daemon does to a domain or a device, as enumerated steps. A step starts something and returns; when that is done the
 * operation goes on. The name of the step is in the store before the step begins, so a daemon that was killed finds out what to finish.
 * Every step may be entered again from its beginning, after the store or the daemon itself had died.
 */
#ifndef HOSPESD_OP_H
#define HOSPESD_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/problem.h"

struct caller;
struct dom;
struct op;

struct op_step {
	const char *name;
	/* Must lead to one op_next(), op_goto() or op_fail(), now or later. */
	void (*enter)(struct op *op);
};

struct op_type {
	const char *name;
	const struct op_step *steps;
	unsigned nr_steps;
	bool quiet; /* part of another operation: leaves no record of its own */
	/*
	 * Its domain is about to be destroyed: end soon. If it leaves a problem, that is what the operation ends with: no other step is entered. NULL:
	 * it does not wait for anything long.
	 */
	void (*abort)(struct op *op);
	/* Tell those who wait, other than op->caller, that the store is away; they are not to be answered again. May be NULL. */
	void (*store_away)(struct op *op, const struct problem *p);
	/* The last step was done, or op_fail() was called (op->problem.err is set then). The operation is this function's to free. */
	void (*end)(struct op *op);
};

struct op_timing {
	const char *step;
	uint64_t ns, hypercalls, store_requests;
};
#define OP_MAX_TIMINGS 24

/* Lies at the front of each kind's own structure. */
struct op {
	const struct op_type *type;
	struct op *next; /* all operations */
	struct dom *dom; /* NULL: not known yet */
	struct caller *caller;
	unsigned step;
	bool parked; /* waits for the store, then enters its step again */
	bool alone;  /* waits until nothing else is under way on its domain */
	bool aborted;
	bool entered; /* the step's function was called: before that nothing may end the step */

	struct timer patience; /* of who asked, while the store is away */
	struct problem problem;
	struct op *parent; /* waits for the end of all its children */
	unsigned children;
	struct problem child_problem; /* the first of theirs */
	struct op_timing timings[OP_MAX_TIMINGS];
	unsigned nr_timings;
	uint64_t began, began_requests;
};

/* Begin with step @step. */
void op_start(struct op *op, const struct op_type *type, unsigned step);
/* The step is done. */
void op_next(struct op *op);
/* The step is done; @step follows. */
void op_goto(struct op *op, unsigned step);
/* What was found is in op->problem; op->child_problem counts if that is empty. */
void op_fail(struct op *op);
/* What a thread found, which writes to a problem of its own: the operation's, unless that has a reason to end by now. */
void op_found(struct op *op, const struct problem *p);
/*
 * A request to the store, made by a step, ended with @err. True: go on. Otherwise the operation was parked until the store is back, or failed with
 * a problem naming @what was being done; the caller returns.
 */
bool op_store_ok(struct op *op, int err, const char *what);
/* Enter all steps that wait for the store. */
void op_store_up(void);

/* Tell all else that is under way on the domain to end, and go on when it has. */
void op_wait_alone(struct op *op);

/* @child is part of @parent's step, which goes on (or fails) when the last child has ended. */
void op_adopt(struct op *parent, struct op *child);
/* Called by each end(): tell the parent. */
void op_ended(struct op *child);

const char *op_step_name(const struct op *op);
struct op *op_first(void);
/* For tests: the daemon kills itself here if HOSPESD_DIE_AT names the place ("create.devices"), or stops once if HOSPESD_STOP_AT does. */
void op_die_here(const char *type, const char *step);

#endif
