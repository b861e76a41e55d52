/*
 * The host's part of a device: once the back end has noticed it, give it what it works with (a script's or our own work); once the back end
 * has let go, take that away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "device.h"
#include "dom.h"
#include "host/host.h"
#include "host/host_qemus.h"
#include "ops.h"
#include "qemu.h"
#include "script.h"
#include "settings.h"
#include "sharing.h"
#include "xs.h"

enum { WAIT, HOTPLUG };

struct plug {
	struct op op;	   /* first */
	struct plug *next; /* those that wait for their back end */
	struct device *dev;
	char back[DEVICE_PATH];
	bool out; /* it goes */
	bool force;
	bool waiting, asked, ask_again;
	void (*late)(struct op *parent);
	struct xs_watch *watch; /* of a back end in another domain */
	struct timer deadline, again;
	unsigned tries;
};

static struct {
	struct plug *waiting;
} plugs;

static void ask_state(struct plug *x);

static void stop_waiting(struct plug *x)
{
	struct plug **at = &plugs.waiting;
	if (!x->waiting)
		return;
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	x->waiting = false;
	xs_unwatch(x->watch);
	x->watch = NULL;
	timer_cancel(&x->deadline);
}

/* Is that the state it waits for? Fills in the problem for one that leads nowhere. */
static bool state_reached(struct plug *x, const char *state)
{
	int n = state ? atoi(state) : 0;
	if (x->out)
		return n == 0 || n == 6;
	if (n == 5 || n == 6)
		problem_set(&x->op.problem, EIO, "backend-closed", x->dev->class,
			    "look at dmesg for the back end's complaint", "the back end of %s %d closed it",
			    x->dev->class, x->dev->devid);
	return n >= 2;
}

static void got_state(void *arg, int err, const char *body, size_t len)
{
	struct plug *x = arg;
	bool again = x->ask_again;
	(void)len;
	x->asked = x->ask_again = false;
	if (!x->waiting) { /* the deadline was sooner */
		if (x->op.problem.err)
			op_fail(&x->op);
		else
			op_next(&x->op);
		return;
	}
	if (err && err != ENOENT) {
		stop_waiting(x);
		op_store_ok(&x->op, err, "the state of a device");
		return;
	}
	if (state_reached(x, err ? NULL : body)) {
		stop_waiting(x);
		if (x->op.problem.err)
			op_fail(&x->op);
		else
			op_next(&x->op);
		return;
	}
	if (again)
		ask_state(x);
}

static void ask_state(struct plug *x)
{
	char path[DEVICE_PATH + 8];
	if (x->asked) {
		x->ask_again = true;
		return;
	}
	x->asked = true;
	snprintf(path, sizeof(path), "%s/state", x->back);
	xs_read(path, got_state, x);
}

void plug_backend_changed(const char *path)
{
	for (struct plug *x = plugs.waiting; x; x = x->next) {
		size_t len = strlen(x->back);
		/* The directory itself, one above it that went, or its state. */
		if (!strncmp(path, x->back, strlen(path)) ||
		    (!strncmp(path, x->back, len) && !strcmp(path + len, "/state")))
			ask_state(x);
	}
}

static void far_state_changed(void *arg, const char *path)
{
	(void)path;
	ask_state(arg);
}

/* Where the QEMU of an image says what is wrong. */
static const char *qemu_advice(const struct plug *x, char advice[320])
{
	if (x->dev->backend_domid)
		snprintf(advice, 320, "look at the end of /var/log/xen/qdisk-%u.log in that domain", x->dev->domid);
	else
		snprintf(advice, 320, "look at the end of %s/qemu-dm-%s.log", settings->log_dir, x->op.dom->name);
	return advice;
}

static void too_late(void *arg)
{
	struct plug *x = arg;
	char advice[320];
	if (x->out && x->force) {
		dom_log(x->op.dom, "the back end of %s %d does not let go: it is removed", x->dev->class,
			x->dev->devid);
		stop_waiting(x);
		if (!x->asked)
			op_next(&x->op);
		return;
	}
	if (x->out) {
		if (x->late)
			x->late(x->op.parent);
		return;
	}
	problem_set(&x->op.problem, ETIMEDOUT, "no-backend", x->dev->class,
		    x->dev->format		 ? qemu_advice(x, advice) :
		    strcmp(x->dev->class, "vbd") ? "load the back end (modprobe xen-netback), and look at dmesg" :
						   "load the back end (modprobe xen-blkback), and look at dmesg",
		    "no back end in domain %u takes notice of %s %d", x->dev->backend_domid, x->dev->class,
		    x->dev->devid);
	stop_waiting(x);
	if (!x->asked)
		op_fail(&x->op);
}

void plug_qemu_ended(uint32_t domid)
{
	char advice[320];
	for (struct plug *x = plugs.waiting, *next; x; x = next) {
		next = x->next;
		if (!x->dev->format || x->dev->backend_domid || x->dev->domid != domid)
			continue;
		stop_waiting(x);
		if (x->out) {
			if (!x->asked)
				op_next(&x->op);
			continue;
		}
		problem_set(&x->op.problem, EIO, "qemu-ended", x->dev->class, qemu_advice(x, advice),
			    "the QEMU that was to serve %s has ended", x->dev->target);
		if (!x->asked)
			op_fail(&x->op);
	}
}

/* A disk of ours whose QEMU has ended; another toolstack has its own. */
static bool qemu_is_gone(const struct plug *x)
{
	return x->dev->format && !x->dev->backend_domid && x->op.dom->ours && !host_qemus_runs(x->dev->domid);
}

static void wait_backend(struct op *op)
{
	struct plug *x = (struct plug *)op;
	bool images = x->dev->format && !x->out;
	device_back(x->dev, x->back);
	/* Nobody is there to let go, or ever was. */
	if (!strcmp(x->dev->class, "console") || (x->out && (!x->dev->has_back || qemu_is_gone(x)))) {
		op_next(op);
		return;
	}
	/* A driver domain's devd sees to it there. */
	if (images && !x->dev->backend_domid && qemu_have(op->dom, &op->problem)) {
		op_fail(op);
		return;
	}
	x->next = plugs.waiting;
	plugs.waiting = x;
	x->waiting = true;
	timer_set(&x->deadline, images ? settings->qemu_ms : settings->backend_ms, too_late, x);
	if (x->dev->backend_domid) {
		char path[DEVICE_PATH + 8];
		snprintf(path, sizeof(path), "%s/state", x->back);
		x->watch = xs_watch(path, far_state_changed, x);
	}
	ask_state(x);
}

/*
 * The host.
 */

static void told(void *arg, int err, const char *body, size_t len)
{
	struct op *op = arg;
	(void)body;
	(void)len;
	/* A back end that vanished meanwhile takes no notice; its domain's end will be seen. */
	if (err == ENOENT || op_store_ok(op, err, "the state of the host's part"))
		op_next(op);
}

/* Say in the store that the interface is there, as vif-bridge does. */
static void tell_nic(struct plug *x, unsigned mtu)
{
	struct xs_batch *b = xs_batch_new();
	char path[DEVICE_PATH], perms[24];
	if (mtu) {
		snprintf(path, sizeof(path), "/local/domain/%u/device/vif/%d/mtu", x->dev->domid, x->dev->devid);
		xs_batch_printf(b, path, "%u", mtu);
		snprintf(perms, sizeof(perms), "n0 r%u", x->dev->domid);
		xs_batch_perms(b, perms, "%s", path);
	}
	xs_batch_write(b, "connected", "%s/hotplug-status", x->back);
	xs_batch_commit(b, told, x);
}

static void plug_nic(void *arg)
{
	struct plug *x = arg;
	char dev[32];
	unsigned mtu = x->dev->mtu;
	struct problem p;
	problem_init(&p);
	snprintf(dev, sizeof(dev), "vif%u.%d", x->dev->domid, x->dev->devid);
	if (!mtu)
		host_bridge(x->dev->bridge, &mtu);
	if (!host_port_add(dev, x->dev->vifname, x->dev->bridge, mtu, &p)) {
		tell_nic(x, mtu);
		return;
	}
	/* netback makes the interface right after it tells of its state. */
	if (!strcmp(p.code, "no-interface") && x->tries++ < settings->backend_ms / 10) {
		timer_set(&x->again, 10, plug_nic, x);
		return;
	}
	x->op.problem = p;
	op_fail(&x->op);
}

/* Xen's scripts print into a log of their own, and leave in this node why they failed: those are the words people need. */
static void got_complaint(void *arg, int err, const char *body, size_t len)
{
	struct plug *x = arg;
	struct problem *p = &x->op.problem;
	if (!err && len && !strcmp(p->code, "script-failed")) {
		snprintf(p->cause, sizeof(p->cause), "%s: %s", x->dev->script, body);
		for (char *c = p->cause; *c; c++)
			if (*c == '\n')
				*c = ' ';
	}
	op_fail(&x->op);
}

static void script_ended(void *arg, const struct problem *p, const char *output)
{
	struct plug *x = arg;
	char path[DEVICE_PATH + 16];
	if (*output)
		dom_log(x->op.dom, "%s says: %s", x->dev->script, output);
	if (!p || x->out) {
		if (p)
			dom_log(x->op.dom, "%s", p->cause);
		op_next(&x->op);
		return;
	}
	x->op.problem = *p;
	snprintf(x->op.problem.step, sizeof(x->op.problem.step), "%s %d", x->dev->class, x->dev->devid);
	snprintf(path, sizeof(path), "%s/hotplug-error", x->back);
	xs_read(path, got_complaint, x);
}

static void run_script(struct plug *x)
{
	bool disk = !strcmp(x->dev->class, "vbd");
	char name[64];
	char *args[] = { (char *)(disk	 ? x->out ? "remove" : "add" :
				  x->out ? "offline" :
					   "online"),
			 (char *)(disk ? NULL : "type_if=vif"), NULL };
	char *env[8] = { NULL };
	unsigned nr = 0;
	env[nr++] = xasprintf("script=%s", x->dev->script);
	env[nr++] = xasprintf("XENBUS_TYPE=%s", x->dev->class);
	env[nr++] = xasprintf("XENBUS_PATH=backend/%s/%u/%d", x->dev->class, x->dev->domid, x->dev->devid);
	env[nr++] = xasprintf("XENBUS_BASE_PATH=backend");
	if (!disk) {
		snprintf(name, sizeof(name), "vif%u.%d", x->dev->domid, x->dev->devid);
		env[nr++] = xasprintf("vif=%s", name);
		env[nr++] = xasprintf("netdev=%s", x->dev->gatewaydev ? x->dev->gatewaydev : "");
	}
	if (!script_start(x->dev->script, args, env, settings->script_ms, script_ended, x, &x->op.problem)) {
		if (x->out) {
			problem_init(&x->op.problem);
			op_next(&x->op);
		} else {
			op_fail(&x->op);
		}
	}
	while (nr)
		free(env[--nr]);
}

/* Nothing of the host's is used any more: loop device, bridge port. */
static void unplug_host(struct plug *x)
{
	char name[64];
	int rc;
	if (!strcmp(x->dev->class, "vbd") && x->dev->node) {
		rc = host_loop_detach(x->dev->node, x->dev->target);
		if (rc && rc != -ENXIO && rc != -ENOENT)
			dom_log(x->op.dom, "%s stays behind: %s", x->dev->node, strerror(-rc));
	}
	if (!strcmp(x->dev->class, "vif")) {
		device_netdev(x->dev, name, sizeof(name));
		host_port_remove(name);
	}
	op_next(&x->op);
}

static void hotplug(struct op *op)
{
	struct plug *x = (struct plug *)op;
	bool known = !strcmp(x->dev->class, "vbd") || !strcmp(x->dev->class, "vif");
	x->tries = 0;
	if (x->out && !strcmp(x->dev->class, "vbd"))
		sharing_forget(x->dev->domid, x->dev->devid);
	/* A driver domain does it by itself. */
	if (!known || x->dev->backend_domid || !settings->run_hotplug_scripts)
		op_next(op);
	else if (x->dev->script)
		run_script(x);
	else if (x->out)
		unplug_host(x);
	else if (!strcmp(x->dev->class, "vif"))
		plug_nic(x);
	else
		op_next(op); /* a disk's part was in its nodes from the beginning */
}

static const struct op_step steps[] = { [WAIT] = { "wait", wait_backend }, [HOTPLUG] = { "hotplug", hotplug } };

static void plug_abort(struct op *op)
{
	struct plug *x = (struct plug *)op;
	timer_cancel(&x->deadline);
	if (x->out)
		x->force = true;
	else
		problem_set(&op->problem, ECANCELED, "domain-destroyed", x->dev->class,
			    "nothing: somebody asked for it", "the domain is being destroyed");
	if (x->waiting)
		timer_set(&x->deadline, 0, too_late, x);
}

static void plug_end(struct op *op)
{
	struct plug *x = (struct plug *)op;
	stop_waiting(x);
	timer_cancel(&x->again);
	op_ended(op);
	free(x);
}

static const struct op_type plug_type = { "plug", steps, 2, true, plug_abort, NULL, plug_end };
static const struct op_type unplug_type = { "unplug", steps, 2, true, plug_abort, NULL, plug_end };

void plug_start(struct op *parent, struct dom *d, struct device *device)
{
	struct plug *x = xcalloc(1, sizeof(*x));
	x->op.dom = d;
	x->dev = device;
	op_adopt(parent, &x->op);
	op_start(&x->op, &plug_type, WAIT);
}

void unplug_start(struct op *parent, struct dom *d, struct device *device, bool force, void (*late)(struct op *parent))
{
	struct plug *x = xcalloc(1, sizeof(*x));
	x->op.dom = d;
	x->dev = device;
	x->out = true;
	x->force = force;
	x->late = late;
	op_adopt(parent, &x->op);
	op_start(&x->op, &unplug_type, WAIT);
}
