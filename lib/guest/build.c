/*
 * The creation of a domain as an array of steps. What a step made is the domain's and goes with it, so there is one undo: destroy the domain, and
 * with it its claim. The hypercalls are those of Xen 4.17's control interface, and their number depends on the domain's own size alone.
 */
#include "guest/build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "abi/domctl.h"
#include "guest/domain.h"

struct step {
	const char *name;
	int (*run)(struct builder *g);
};

static const struct step steps[] = {
	{ "kernel", plan_make }, /* also decides what all others need */
	{ "create", create_domain },  { "memory", memory_make }, { "kernel", place_kernel },
	{ "ramdisk", place_ramdisk }, { "start", place_tables }, { "start", start_prepare },
};

int builder_refused(struct builder *g, const char *what, long rc)
{
	int err = rc < 0 ? (int)-rc : EPROTO;

	return problem_set(g->p, err, "hypervisor-refused", g->step, "see what the hypervisor says: xl dmesg",
			   "the hypervisor refused %s: %s", what, strerror(err));
}

int builder_progress(struct builder *g, uint64_t done, uint64_t total)
{
	if (!g->progress || g->progress(g->progress_arg, g->step, done, total))
		return 0;
	return problem_set(g->p, ECANCELED, "cancelled", g->step, "create it again",
			   "the creation was given up on request");
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Add to the timing of @step, which may have run before. */
static void add_timing(struct guest_build *b, const char *step, uint64_t ns, uint64_t hypercalls)
{
	unsigned i = 0;

	while (i < b->nr_timings && strcmp(b->timing[i].step, step))
		i++;
	if (i == sizeof(b->timing) / sizeof(b->timing[0]))
		return;
	if (i == b->nr_timings) {
		b->timing[i].step = step;
		b->timing[i].ns = b->timing[i].hypercalls = 0;
		b->nr_timings++;
	}
	b->timing[i].ns += ns;
	b->timing[i].hypercalls += hypercalls;
}

static int run_step(struct builder *g, const struct step *s)
{
	uint64_t ns = clock_ns(), calls = hcall_count(g->h);
	int rc;

	g->step = s->name;
	rc = builder_progress(g, 0, 0);
	if (rc == 0)
		rc = s->run(g);
	add_timing(g->b, s->name, clock_ns() - ns, hcall_count(g->h) - calls);
	return rc;
}

/* Until it is gone from the list; the hypervisor works in slices, and what others still hold of it is theirs to let go. */
static void destroy(struct builder *g)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_destroydomain, .domain = (domid_t)g->domid };
	int rc;

	memory_unclaim(g);
	if (!g->created)
		return;
	for (unsigned tries = 0; tries < 1000; tries++) {
		rc = hcall_domctl(g->h, &op);
		if (rc != -EAGAIN && rc != -EINTR && rc != -ERESTART)
			break;
	}
	g->created = false;
}

static int check_kind(struct builder *g)
{
	const struct domain_config *c = g->c;

	g->step = "create";
	if (c->type != DOMAIN_PVH)
		return problem_set(g->p, ENOTSUP, "type-not-supported", g->step,
				   "use type = \"pvh\" with a kernel that has a PVH entry",
				   "domains of type %s cannot be built", c->type == DOMAIN_HVM ? "hvm" : "pv");
	if (!c->kernel)
		return problem_set(g->p, EINVAL, "no-kernel", "kernel", "set kernel = to the guest's kernel file",
				   c->bootloader ? "the boot loader %s has not chosen a kernel" : "no kernel is given",
				   c->bootloader);
	if (c->maxvcpus == 0 && c->vcpus == 0)
		return problem_set(g->p, EINVAL, "bad-value", g->step, "set vcpus = to 1 or more",
				   "it would have no vCPU");
	return 0;
}

/* See build.h. */
int guest_build(struct hcall *h, const struct domain_config *c, struct guest_build *b,
		bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total), void *arg,
		struct problem *p)
{
	struct problem own;
	struct builder g = {
		.h = h, .c = c, .b = b, .progress = progress, .progress_arg = arg, .p = p ? p : &own, .ramdisk = -1
	};
	int rc;

	problem_init(&own);
	b->nr_timings = 0;
	b->built_domid = 0;
	rc = check_kind(&g);
	for (unsigned i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = run_step(&g, &steps[i]);
	if (rc) {
		if (g.created)
			problem_domain(g.p, c->name, g.domid);
		else
			problem_domain(g.p, c->name, PROBLEM_NO_DOMID);
		destroy(&g);
	} else {
		b->built_domid = g.domid;
	}
	plan_release(&g);
	return rc;
}
