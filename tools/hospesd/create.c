/*
 * Creating a domain: the hypervisor's part and the disks in a thread, then its nodes in one transaction, then whoever serves it.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "balloon.h"
#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "device.h"
#include "dom.h"
#include "domain/config.h"
#include "drivers.h"
#include "guest/build.h"
#include "hcall/hcall.h"
#include "hv.h"
#include "hvm_op.h"
#include "hvm_params.h"
#include "lock.h"
#include "ops.h"
#include "records.h"
#include "server.h"
#include "settings.h"
#include "sharing.h"
#include "userdata.h"
#include "work.h"
#include "xs.h"

enum { POOL, CHECK, LOCK, BALLOON, NOTE, BUILD, PUBLISH, INTRODUCE, CONSOLE, DEVICES, UNPAUSE, DONE };

struct create {
	struct op op; /* first */
	struct work work;
	struct domain_config config;
	bool resumed; /* config is empty, build has only what is known from the hypervisor */
	struct device *devices;
	struct guest_build build;
	uint32_t pool;
	bool paused, restart, published;
	unsigned restarts;
	/* Written by the thread, read by the loop: how far the build is. */
	_Atomic(const char *) progress_step;
	atomic_uint_least64_t progress_done, progress_total;
	struct problem work_problem; /* of the thread: op.problem is the loop's */
	struct xs_watch *tty_watch;
	struct timer tty_deadline;
	struct lock_wait lock;
	bool locking, locked;
	struct balloon balloon;
	bool tty_asked, tty_late;
	struct caller **cancellers; /* wait for the end of what they gave up */
	unsigned nr_cancellers;
	bool noted;
	char tty[64];
};

static struct create *of_work(struct work *w)
{
	return (struct create *)((char *)w - offsetof(struct create, work));
}

static void stored(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "the nodes of the domain"))
		op_next(op);
}

void pending_note(const uint8_t uuid[16], const char *what, unsigned restarts, xs_done *done, void *arg)
{
	char text[UUID_TEXT], path[80], value[48];
	uuid_format(text, uuid);
	snprintf(path, sizeof(path), CREATE_PENDING "/%s", text);
	snprintf(value, sizeof(value), "%s %u", what, restarts);
	xs_write(path, value, done, arg);
}

/* The number of the pool it is to be in, which only the store knows. */
static void got_pools(void *arg, int err, struct xs_node *pools)
{
	struct create *c = arg;
	const struct xs_node *n = pools ? pools->children : NULL;
	const char *name;
	while (n && (!(name = xs_node_value(n, "name")) || strcmp(name, c->config.pool)))
		n = n->next;
	if (n)
		c->pool = (uint32_t)strtoul(n->name, NULL, 10);
	xs_node_free(pools);
	if (n) {
		op_next(&c->op);
		return;
	}
	if (err && err != ENOENT) {
		op_store_ok(&c->op, err, "the names of the CPU pools");
		return;
	}
	problem_set(&c->op.problem, ENOENT, "no-such-pool", "pool", "look at xl cpupool-list",
		    "there is no CPU pool '%s'", c->config.pool);
	op_fail(&c->op);
}

static void find_pool(struct op *op)
{
	struct create *c = (struct create *)op;
	if (c->config.pool && *c->config.pool && strcmp(c->config.pool, "Pool-0"))
		xs_read_tree("/local/pool", got_pools, c);
	else
		op_next(op);
}

static struct create *of_lock(struct lock_wait *w)
{
	return (struct create *)((char *)w - offsetof(struct create, lock));
}

static void has_lock(struct lock_wait *w)
{
	struct create *c = of_lock(w);
	c->locking = false;
	c->locked = true;
	op_next(&c->op);
}

static void tell_lock(struct lock_wait *w)
{
	caller_progress(of_lock(w)->op.caller, "waiting for another xl that makes a domain", 0, 0);
}

/* Nobody else may look for free memory until the domain has its own. */
static void take_lock(struct op *op)
{
	struct create *c = (struct create *)op;
	c->lock.done = has_lock;
	c->lock.waits = tell_lock;
	c->locking = true;
	if (lock_take(&c->lock, &op->problem)) {
		c->locking = false;
		op_fail(op);
	}
}

static void drop_lock(struct create *c)
{
	if (c->locking)
		lock_give_up(&c->lock);
	if (c->locked)
		lock_drop();
	c->locking = c->locked = false;
}

static struct create *of_balloon(struct balloon *b)
{
	return (struct create *)((char *)b - offsetof(struct create, balloon));
}

static void has_room(struct balloon *b)
{
	op_next(&of_balloon(b)->op);
}

static void tell_room(struct balloon *b)
{
	caller_progress(of_balloon(b)->op.caller, "memory of domain 0", (b->free - b->first) >> 10,
			(b->need - b->first) >> 10);
}

/* Its memory, and about what its tables take. */
static void make_room(struct op *op)
{
	struct create *c = (struct create *)op;
	c->balloon.need = c->config.memory + (c->config.maxmem >> 7) + (4u << 10);
	c->balloon.done = has_room;
	c->balloon.progress = tell_room;
	balloon_start(&c->balloon);
}

/* What is about to be built, for a later daemon that finds it half-done. */
static void note(struct op *op)
{
	struct create *c = (struct create *)op;
	c->noted = true;
	pending_note(c->config.uuid, c->restart ? "restart" : "create", c->restarts, stored, op);
}

/*
 * The thread's part.
 */

static bool progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
	struct create *c = arg;
	atomic_store(&c->progress_step, step);
	atomic_store(&c->progress_done, done);
	atomic_store(&c->progress_total, total);
	work_poke(&c->work);
	return !atomic_load(&c->work.cancelled);
}

static void build_poked(struct work *w)
{
	struct create *c = of_work(w);
	const char *step = atomic_load(&c->progress_step);
	if (step)
		caller_progress(c->op.caller, step, atomic_load(&c->progress_done), atomic_load(&c->progress_total));
}

static void check_run(struct work *w, struct hcall *h)
{
	struct create *c = of_work(w);
	int rc = 0;
	(void)h;
	for (struct device *dev = c->devices; dev && !rc; dev = dev->next)
		rc = device_check(dev, &c->work_problem);
}

static void check_done(struct work *w)
{
	struct create *c = of_work(w);
	op_found(&c->op, &c->work_problem);
	for (struct device *dev = c->devices; dev && !c->op.problem.err; dev = dev->next)
		sharing_claim(dev, 0, &c->op.problem);
	if (c->op.problem.err)
		op_fail(&c->op);
	else
		op_next(&c->op);
}

/* Are the disks there and free, are the bridges? Files may lie on a slow server: in a thread. */
static void check(struct op *op)
{
	struct create *c = (struct create *)op;
	if (!c->devices) {
		op_next(op);
		return;
	}
	for (struct device *dev = c->devices; dev; dev = dev->next)
		sharing_drop(dev);
	problem_init(&c->work_problem);
	c->work.run = check_run;
	c->work.done = check_done;
	c->work.poked = NULL;
	work_start(&c->work);
}

/* The domain is built, loop devices are made: all of it or nothing. */
static int build_all(struct create *c, struct hcall *h)
{
	struct problem *p = &c->work_problem;
	char uuid[UUID_TEXT];
	int rc = 0;
	if (!h)
		return problem_set(p, ENOENT, "no-hypervisor", "build", "start hospesd in the control domain, as root",
				   "there is no hypervisor to be reached");
	rc = guest_build(h, &c->config, &c->build, progress, c, p);
	if (rc)
		return rc;
	op_die_here("create", "built");
	uuid_format(uuid, c->config.uuid);
	for (struct device *dev = c->devices; dev && !rc; dev = dev->next)
		rc = device_prepare(dev, uuid, p);
	if (!rc && atomic_load(&c->work.cancelled))
		rc = problem_set(p, ECANCELED, "cancelled", "build", "nothing: somebody asked for it",
				 "it was given up");
	if (!rc)
		return 0;
	for (struct device *dev = c->devices; dev; dev = dev->next)
		device_unprepare(dev);
	hv_destroy(h, c->build.built_domid);
	return rc;
}

static void build_run(struct work *w, struct hcall *h)
{
	struct create *c = of_work(w);
	int rc = build_all(c, h);
	if (rc && !c->work_problem.err)
		problem_set(&c->work_problem, -rc, "build-failed", "build", "look at xl dmesg",
			    "it cannot be built: %s", strerror(-rc));
}

static void build_done(struct work *w)
{
	struct create *c = of_work(w);
	uint32_t id = c->build.built_domid;
	drop_lock(c);
	if (c->work_problem.err) {
		op_found(&c->op, &c->work_problem);
		op_fail(&c->op);
		return;
	}
	c->op.dom = dom_add(id, c->config.uuid, c->config.name, false);
	c->op.dom->op = &c->op;
	c->op.dom->restarts = c->restarts;
	for (struct device *dev = c->devices; dev; dev = dev->next)
		dev->domid = id;
	for (struct device *dev = c->devices; dev; dev = dev->next)
		sharing_settle(dev);
	op_next(&c->op);
}

/* A number no domain has or had as far as is known; 0: let the hypervisor count. */
static uint32_t choose_domid(void)
{
	uint16_t id;
	for (unsigned tries = 0; settings->random_domid && tries < 64; tries++)
		if (getrandom(&id, sizeof(id), 0) == sizeof(id) && id && id < DOMID_FIRST_RESERVED && !dom_find(id))
			return id;
	return 0;
}

static void build(struct op *op)
{
	struct create *c = (struct create *)op;
	memset(&c->build, 0, sizeof(c->build));
	c->build.kernel_cache = settings->cache_dir;
	c->build.cpupool = c->pool;
	c->build.domid = drivers_number(c->config.name);
	if (!c->build.domid)
		c->build.domid = choose_domid();
	problem_init(&c->work_problem);
	c->work.run = build_run;
	c->work.done = build_done;
	c->work.poked = build_poked;
	work_start(&c->work);
}

/*
 * Making it known.
 */

static void published(void *arg, int err, const char *body, size_t len)
{
	struct create *c = arg;
	(void)body;
	(void)len;
	if (!op_store_ok(&c->op, err, "the nodes of the domain"))
		return;
	c->published = true;
	c->op.dom->ours = true;
	if (c->restart)
		pending_remove(c->config.uuid);
	dom_log(c->op.dom, "created with %u vCPUs and %llu KiB", c->config.vcpus, (unsigned long long)c->config.memory);
	dom_event(c->op.dom, "created", NULL);
	op_next(&c->op);
}

static void publish(struct op *op)
{
	struct create *c = (struct create *)op;
	struct xs_batch *b = xs_batch_new();
	struct json_object *json = domain_config_json(&c->config);
	uint32_t id = op->dom->id;
	char uuid[UUID_TEXT];
	int rc = userdata_write(id, c->config.uuid, json);
	json_object_put(json);
	if (rc) {
		xs_batch_free(b);
		problem_set(&op->problem, -rc, "cannot-write", "configuration", "make room or give access there",
			    "the configuration cannot be kept in %s: %s", settings->lib_dir, strerror(-rc));
		op_fail(op);
		return;
	}
	uuid_format(uuid, c->config.uuid);
	records_domain(b, &c->config, &c->build);
	for (struct device *dev = c->devices; dev; dev = dev->next)
		device_publish(dev, b);
	xs_batch_write(b, uuid, "/hospes/%u/uuid", id);
	xs_batch_write(b, c->config.name, "/hospes/%u/name", id);
	xs_batch_write(b, "create publish", "/hospes/%u/operation", id);
	if (c->paused)
		xs_batch_write(b, "", "/hospes/%u/paused", id);
	if (c->restarts) {
		char path[40];
		snprintf(path, sizeof(path), "/hospes/%u/restarts", id);
		xs_batch_printf(b, path, "%u", c->restarts);
	}
	xs_batch_rm(b, CREATE_PENDING "/%s", uuid);
	xs_batch_commit(b, published, c);
}

/* Only now does the store know whose permissions those of a driver domain's back ends are. */
static void introduced(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (op_store_ok(op, err, "the introduction of the domain"))
		drivers_rejoin(op);
}

static void introduce(struct op *op)
{
	struct create *c = (struct create *)op;
	xs_introduce(op->dom->id, c->build.store_gfn, c->build.store_port, introduced, op);
}

/*
 * The console: xenconsoled says which terminal it is.
 */

static void tty_changed(void *arg, const char *path);

static void tty_over(struct create *c)
{
	xs_unwatch(c->tty_watch);
	c->tty_watch = NULL;
	timer_cancel(&c->tty_deadline);
	op_next(&c->op);
}

static void got_tty(void *arg, int err, const char *body, size_t len)
{
	struct create *c = arg;
	(void)len;
	c->tty_asked = false;
	if (!err && *body)
		snprintf(c->tty, sizeof(c->tty), "%s", body);
	if (*c->tty || c->tty_late)
		tty_over(c);
}

static void tty_changed(void *arg, const char *path)
{
	struct create *c = arg;
	if (c->tty_asked)
		return;
	c->tty_asked = true;
	xs_read(path, got_tty, c);
}

static void tty_late(void *arg)
{
	struct create *c = arg;
	struct problem p;
	problem_init(&p);
	problem_set(&p, ETIMEDOUT, "no-console", "console", "start xenconsoled, or look why it does not answer",
		    "xenconsoled did not take its console within %u ms; it runs without", settings->console_ms);
	dom_problem(c->op.dom, &p);
	c->tty_late = true;
	if (!c->tty_asked)
		tty_over(c);
}

static void console(struct op *op)
{
	struct create *c = (struct create *)op;
	char path[48];
	snprintf(path, sizeof(path), "/local/domain/%u/console/tty", op->dom->id);
	if (!settings->console_ms) {
		op_next(op);
		return;
	}
	c->tty_watch = xs_watch(path, tty_changed, c);
	timer_set(&c->tty_deadline, settings->console_ms, tty_late, c);
}

static void devices(struct op *op)
{
	struct create *c = (struct create *)op;
	op->children = 1;
	for (struct device *dev = c->devices; dev; dev = dev->next)
		plug_start(op, op->dom, dev);
	if (!--op->children)
		op_next(op);
}

static void unpause(struct op *op)
{
	struct create *c = (struct create *)op;
	int rc = c->paused ? 0 : hv_unpause(op->dom->id);
	/* A daemon that was killed right here finds it running. */
	if (rc && !c->resumed) {
		problem_set(&op->problem, -rc, "hypervisor-refused", "unpause", "look at xl dmesg",
			    "the hypervisor refused to let it run: %s", strerror(-rc));
		op_fail(op);
		return;
	}
	op_die_here("create", "unpaused");
	if (!c->paused)
		dom_event(op->dom, "unpaused", NULL);
	op_next(op);
}

/* Nothing is under way any more. */
static void done(struct op *op)
{
	char *path = dom_record(op->dom, "operation");
	xs_rm(path, stored, op);
	free(path);
}

static const struct op_step steps[] = {
	[POOL] = { "pool", find_pool },	    [CHECK] = { "check", check },
	[LOCK] = { "lock", take_lock },	    [BALLOON] = { "balloon", make_room },
	[NOTE] = { "note", note },	    [BUILD] = { "build", build },
	[PUBLISH] = { "publish", publish }, [INTRODUCE] = { "introduce", introduce },
	[CONSOLE] = { "console", console }, [DEVICES] = { "devices", devices },
	[UNPAUSE] = { "unpause", unpause }, [DONE] = { "done", done },
};

static void create_abort(struct op *op)
{
	struct create *c = (struct create *)op;
	problem_set(&op->problem, ECANCELED, "domain-destroyed", op_step_name(op), "nothing: somebody asked for it",
		    "it was destroyed while it was being created");
	atomic_store(&c->work.cancelled, true);
	if (op->step == BALLOON && op->entered)
		balloon_cancel(&c->balloon);
	if (c->locking) {
		drop_lock(c);
		op_next(op);
	}
	if (c->tty_watch && !c->tty_late) {
		c->tty_late = true;
		if (!c->tty_asked)
			tty_over(c);
	}
}

static void add_timing(struct json_object *list, const char *step, uint64_t ns, uint64_t hypercalls, uint64_t requests)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "step", json_object_new_string(step));
	json_object_object_add(o, "ns", json_object_new_int64((int64_t)ns));
	json_object_object_add(o, "hypercalls", json_object_new_int64((int64_t)hypercalls));
	json_object_object_add(o, "store_requests", json_object_new_int64((int64_t)requests));
	json_object_array_add(list, o);
}

/* Steps of the daemon, with those of the builder in place of its one. */
static struct json_object *timings(const struct create *c)
{
	struct json_object *list = json_object_new_array();
	for (unsigned i = 0; i < c->op.nr_timings; i++) {
		const struct op_timing *t = &c->op.timings[i];
		if (strcmp(t->step, "build") || !c->build.nr_timings) {
			add_timing(list, t->step, t->ns, t->hypercalls, t->store_requests);
			continue;
		}
		for (unsigned j = 0; j < c->build.nr_timings; j++)
			add_timing(list, c->build.timing[j].step, c->build.timing[j].ns, c->build.timing[j].hypercalls,
				   0);
	}
	return list;
}

static void answer(struct create *c)
{
	struct json_object *o = json_object_new_object();
	char uuid[UUID_TEXT];
	uuid_format(uuid, c->op.dom->uuid);
	json_object_object_add(o, "domid", json_object_new_int64(c->op.dom->id));
	json_object_object_add(o, "name", json_object_new_string(c->op.dom->name));
	json_object_object_add(o, "uuid", json_object_new_string(uuid));
	json_object_object_add(o, "timings", timings(c));
	json_object_object_add(o, "console", *c->tty ? json_object_new_string(c->tty) : NULL);
	caller_result(c->op.caller, o);
}

static void create_free(struct create *c)
{
	free(c->cancellers);
	domain_config_free(&c->config);
	device_free_all(c->devices);
	free(c);
}

/* Nothing of a failed creation is left: now its caller may know, and who gave it up. */
static void undone(void *arg)
{
	struct create *c = arg;
	caller_problem(c->op.caller, &c->op.problem);
	while (c->nr_cancellers)
		caller_result(c->cancellers[--c->nr_cancellers], NULL);
	create_free(c);
}

/* Why it failed is known by now, if it did. */
static void store_away(struct op *op, const struct problem *p)
{
	struct create *c = (struct create *)op;
	if (op->problem.err) {
		caller_problem(op->caller, &op->problem);
		op->caller = NULL;
	}
	while (c->nr_cancellers)
		caller_problem(c->cancellers[--c->nr_cancellers], p);
}

static void forgotten(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	if (err == ENOENT || op_store_ok(op, err, "the end of its note"))
		op_next(op);
}

static void forget(struct op *op)
{
	struct create *c = (struct create *)op;
	char uuid[UUID_TEXT], *path;
	uuid_format(uuid, c->config.uuid);
	path = xasprintf(CREATE_PENDING "/%s", uuid);
	xs_rm(path, forgotten, op);
	free(path);
}

static void forget_end(struct op *op)
{
	undone(op);
}

/* The end of a creation that came to no domain but had been noted. With a domain the note goes after that: if we die before, who comes next must find it. */
static const struct op_step forget_steps[] = { { "forget", forget } };
static const struct op_type forget_type = {
	.name = "create",
	.steps = forget_steps,
	.nr_steps = 1,
	.quiet = true,
	.store_away = store_away,
	.end = forget_end,
};

static void create_end(struct op *op)
{
	struct create *c = (struct create *)op;
	struct dom *d = op->dom;
	xs_unwatch(c->tty_watch);
	timer_cancel(&c->tty_deadline);
	drop_lock(c);
	if (d && d->op == op)
		d->op = NULL;
	if (!op->problem.err) {
		answer(c);
		create_free(c);
		if (d)
			dom_look_again(d);
		return;
	}
	if (d)
		dom_problem(d, &op->problem);
	for (struct device *dev = c->devices; dev; dev = dev->next)
		sharing_drop(dev);
	if (!c->published && !c->resumed) {
		for (struct device *dev = c->devices; dev; dev = dev->next)
			device_unprepare(dev);
		pending_remove(c->config.uuid);
	}
	if (d) {
		destroy_undo(d, undone, c);
		return;
	}
	dom_never(c->config.name, &op->problem);
	if (!c->noted) {
		undone(c);
		return;
	}
	op->aborted = false;
	op_start(op, &forget_type, 0);
}

static const struct op_type create_type = {
	.name = "create",
	.steps = steps,
	.nr_steps = sizeof(steps) / sizeof(*steps),
	.abort = create_abort,
	.store_away = store_away,
	.end = create_end,
};

/* A creation that has not come to a domain yet. */
static struct create *unborn(const struct op *op)
{
	return (op->type == &create_type || op->type == &forget_type) && !op->dom ? (struct create *)op : NULL;
}

/*
 * Before anything is done.
 */

bool create_cancel(const char *name, struct caller *caller)
{
	for (struct op *op = op_first(); op; op = op->next) {
		struct create *c = unborn(op);
		if (!c || strcmp(c->config.name, name))
			continue;
		c->cancellers = xrealloc(c->cancellers, (c->nr_cancellers + 1) * sizeof(struct caller *));
		c->cancellers[c->nr_cancellers++] = caller;
		if (op->type == &create_type && !op->aborted) {
			op->aborted = true;
			create_abort(op);
		}
		return true;
	}
	return false;
}

bool create_under_way(const char *name, const uint8_t uuid[16])
{
	for (struct op *op = op_first(); op; op = op->next) {
		const struct create *c = unborn(op);
		if (c && (!strcmp(c->config.name, name) || !memcmp(c->config.uuid, uuid, 16)))
			return true;
	}
	return false;
}

int create_check_name(const char *name, struct problem *p)
{
	if (!name || !*name || strlen(name) > 63)
		return problem_set(p, EINVAL, "bad-name", "name", "give it a name of 1 to 63 characters",
				   "a domain's name has 1 to 63 characters");
	/* xl list is read by columns; logs are named after domains; numbers are ids. */
	if (strpbrk(name, " \t\r\n/") || name[0] == '.' || name[0] == '-' || name[strspn(name, "0123456789")] == '\0')
		return problem_set(p, EINVAL, "bad-name", "name", "use letters, digits, '.', '-' and '_'",
				   "'%s' has a blank or a '/', begins with '.' or '-', or is a number", name);
	return 0;
}

static int check_taken(const struct domain_config *config, bool restart, struct problem *p)
{
	for (struct dom *d = dom_first(); d; d = d->next) {
		bool same_uuid = !memcmp(d->uuid, config->uuid, 16);
		if (d->gone || (restart && same_uuid))
			continue;
		if (!strcmp(d->name, config->name))
			return problem_set(p, EEXIST, "name-taken", "name",
					   "choose another name, or destroy that one first",
					   "domain %u has the name '%s' already", d->id, config->name);
		if (same_uuid)
			return problem_set(p, EEXIST, "uuid-taken", "uuid", "take uuid= out of the configuration",
					   "domain %u ('%s') has the same UUID", d->id, d->name);
	}
	if (create_under_way(config->name, config->uuid))
		return problem_set(p, EEXIST, "name-taken", "name", "wait for that one",
				   "a domain with the name '%s' or its UUID is being created", config->name);
	return 0;
}

/* What was left to chance. */
static void complete(struct domain_config *config)
{
	static const uint8_t none[16];
	if (!memcmp(config->uuid, none, 16)) {
		if (getrandom(config->uuid, 16, 0) != 16)
			abort();
		config->uuid[6] = (config->uuid[6] & 0x0f) | 0x40; /* RFC 9562: version 4 */
		config->uuid[8] = (config->uuid[8] & 0x3f) | 0x80;
	}
	for (unsigned i = 0; i < config->nr_nics; i++) {
		struct nic_config *n = &config->nics[i];
		if (n->devid < 0)
			n->devid = (int)i;
		if (memcmp(n->mac, none, 6))
			continue;
		if (getrandom(n->mac + 3, 3, 0) != 3)
			abort();
		memcpy(n->mac, "\x00\x16\x3e", 3);
		n->mac[3] &= 0x7f;
	}
}

static int make_devices(struct create *c, struct problem *p)
{
	struct device **end = &c->devices;
	for (unsigned i = 0; i < c->config.nr_disks; i++) {
		*end = device_from_disk(&c->config.disks[i], p);
		if (!*end)
			return -p->err;
		for (struct device *dev = c->devices; dev != *end; dev = dev->next)
			if (dev->devid == (*end)->devid)
				return problem_set(p, EEXIST, "vdev-taken", "disks", "give each disk a vdev of its own",
						   "two disks are %s", dev->vdev);
		end = &(*end)->next;
	}
	for (unsigned i = 0; i < c->config.nr_nics; i++) {
		*end = device_from_nic(&c->config.nics[i], c->config.nics[i].devid, p);
		if (!*end)
			return -p->err;
		end = &(*end)->next;
	}
	return 0;
}

void create_start(struct caller *caller, struct domain_config *config, bool paused, bool restart, unsigned restarts)
{
	struct create *c = xcalloc(1, sizeof(*c));
	struct problem p;
	int rc;
	problem_init(&p);
	c->config = *config;
	memset(config, 0, sizeof(*config));
	c->op.caller = caller;
	c->paused = paused;
	c->restart = restart;
	c->restarts = restarts;
	rc = create_check_name(c->config.name, &p);
	if (!rc) {
		complete(&c->config);
		userdata_complete(&c->config);
		rc = check_taken(&c->config, restart, &p);
	}
	if (!rc)
		rc = make_devices(c, &p);
	if (rc) {
		problem_domain(&p, c->config.name ? c->config.name : "", PROBLEM_NO_DOMID);
		caller_problem(caller, &p);
		if (restart)
			fprintf(stderr, "hospesd: %s is not restarted: %s\n", c->config.name ? c->config.name : "?",
				p.cause);
		create_free(c);
		return;
	}
	op_start(&c->op, &create_type, POOL);
}

void create_resume(struct dom *d, struct device *all, bool paused)
{
	struct create *c = xcalloc(1, sizeof(*c));
	struct xen_hvm_param gfn = { .domid = (domid_t)d->id, .index = HVM_PARAM_STORE_PFN };
	struct xen_hvm_param port = { .domid = (domid_t)d->id, .index = HVM_PARAM_STORE_EVTCHN };
	domain_config_init(&c->config);
	c->resumed = c->published = true;
	c->devices = all;
	c->paused = paused;
	c->op.dom = d;
	d->op = &c->op;
	c->build.built_domid = d->id;
	if (hcall_hvm(hv_handle(), HVMOP_get_param, &gfn, sizeof(gfn)) ||
	    hcall_hvm(hv_handle(), HVMOP_get_param, &port, sizeof(port)))
		problem_set(&c->op.problem, EIO, "hypervisor-refused", "introduce", "look at xl dmesg",
			    "the hypervisor does not tell where its store page is");
	c->build.store_gfn = gfn.value;
	c->build.store_port = (uint32_t)port.value;
	op_start(&c->op, &create_type, INTRODUCE);
}
