/* The core of a domain that ended, written before what its configuration says becomes of it. A daemon that is killed meanwhile begins it anew. */
#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "dom.h"
#include "guest/dump.h"
#include "ops.h"
#include "settings.h"
#include "work.h"

struct coredump {
	struct op op; /* first */
	struct work work;
	uint32_t domid;
	char *path;
	struct problem problem; /* of the thread */
	void (*done)(struct dom *d, void *arg);
	void *arg;
};

static struct coredump *of_work(struct work *w)
{
	return (struct coredump *)((char *)w - offsetof(struct coredump, work));
}

static bool go_on(void *arg, const char *step, uint64_t pages, uint64_t total)
{
	(void)step;
	(void)pages;
	(void)total;
	return !atomic_load(&((struct coredump *)arg)->work.cancelled);
}

static void run(struct work *w, struct hcall *h)
{
	struct coredump *c = of_work(w);
	char *slash = strrchr(c->path, '/');

	if (!h) {
		problem_set(&c->problem, ENOENT, "no-hypervisor", "dump", "see that /dev/xen/privcmd is there",
			    "the hypervisor cannot be reached");
		return;
	}
	*slash = 0;
	(void)mkdir(c->path, 0700); /* if it fails, so does the opening of the file, which says why */
	*slash = '/';
	(void)guest_dump(h, c->domid, c->path, go_on, c, &c->problem);
}

static void written(struct work *w)
{
	struct coredump *c = of_work(w);

	op_found(&c->op, &c->problem);
	if (c->problem.err)
		op_fail(&c->op);
	else
		op_next(&c->op);
}

static void write_core(struct op *op)
{
	struct coredump *c = (struct coredump *)op;

	problem_init(&c->problem);
	c->work.run = run;
	c->work.done = written;
	work_start(&c->work);
}

static void give_up(struct op *op)
{
	atomic_store(&((struct coredump *)op)->work.cancelled, true);
}

static void end(struct op *op)
{
	struct coredump *c = (struct coredump *)op;
	struct dom *d = op->dom;
	struct json_object *o;

	if (op->problem.err) {
		dom_problem(d, &op->problem);
	} else {
		dom_log(d, "its memory is in %s", c->path);
		o = json_object_new_object();
		json_object_object_add(o, "file", json_object_new_string(c->path));
		dom_event(d, "dumped", o);
	}
	/* Somebody may have asked for its end meanwhile. */
	if (d->op == op) {
		d->op = NULL;
		c->done(d, c->arg);
	} else {
		c->done(NULL, c->arg);
	}
	free(c->path);
	free(c);
}

static const struct op_step steps[] = { { "write", write_core } };
static const struct op_type type = {
	.name = "dump",
	.steps = steps,
	.nr_steps = 1,
	.abort = give_up,
	.end = end,
};

void coredump_start(struct dom *d, void (*done)(struct dom *d, void *arg), void *arg)
{
	struct coredump *c = xcalloc(1, sizeof(*c));

	c->path = xasprintf("%s/dump/%s", settings->lib_dir, d->name);
	c->domid = d->id;
	c->done = done;
	c->arg = arg;
	c->op.dom = d;
	d->op = &c->op;
	op_start(&c->op, &type, 0);
}
