/*
 * What happens when a domain launched at boot ends: destroyed or restarted as its description says; the machine stops with
 * the hardware domain, or when nobody is left. The work is done by one task per domain, away from the vCPU that ended.
 */
#include "hv/arch.h"
#include "hv/console.h"
#include "hv/crash.h"
#include "hv/errno.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "internal.h"

/* A restarted domain takes its old id again; others may hold references for a while (mapped grants). */
#define RETRY_DELAY MILLISECS(100)
#define RETRY_MAX 100u

/*
 * A domain that ends again and again right after its start is let back in ever more slowly: building it is work for all.
 * One longer life does not wipe out the others, or a busy machine, where every life is long, would never brake.
 */
#define SHORT_LIFE MILLISECS(10000) /* a life that lasts n times as long makes up for n short ones */
#define SHORT_LIVES 3u		    /* so many are nobody's business */
#define SHORT_LIVES_MAX 12u	    /* the longest delay is reached */
#define DELAY_FIRST MILLISECS(250)
#define DELAY_MAX MILLISECS(60000)

static const char *how_it_ended(enum shutdown_code code)
{
	switch (code) {
	case SHUTDOWN_POWEROFF:
		return "has powered off";
	case SHUTDOWN_REBOOT:
		return "asks for a reboot";
	case SHUTDOWN_SUSPEND:
		return "has suspended itself";
	case SHUTDOWN_WATCHDOG:
		return "was ended by its watchdog";
	case SHUTDOWN_CRASH:
	case SHUTDOWN_SOFT_RESET:
	default:
		return "has crashed";
	}
}

/* Stop the machine, or, with `noreboot`, leave it as it is for somebody to look at. */
static void stop_machine(bool reboot, const char *why)
{
	if (param_bool("noreboot", false)) {
		printk(LOG_WARN, "%s: %s prevented by noreboot\n", why, reboot ? "reboot" : "power-off");
		return;
	}
	printk(LOG_WARN, "%s: %s the machine\n", why, reboot ? "rebooting" : "powering off");
	arch_machine_stop(reboot);
}

/* See internal.h. */
unsigned launch_alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < launch.cfg.nr_domains; i++)
		n += launch.inst[i].d || launch.inst[i].restarting;
	return n;
}

/* See internal.h. */
void launch_judge(void)
{
	struct domain *d;

	if (launch.starting || launch.cfg.nr_domains == 0 || launch_alive())
		return;
	d = domain_next(0);
	if (d) { /* made by somebody else since */
		domain_put(d);
		return;
	}
	stop_machine(false, "The last domain has ended");
}

static bool wants_restart(const struct launch_instance *in, enum shutdown_code code)
{
	switch (code) {
	case SHUTDOWN_POWEROFF:
		return in->desc->on_poweroff == LAUNCH_RESTART;
	case SHUTDOWN_REBOOT:
		return in->desc->on_reboot == LAUNCH_RESTART;
	default:
		return in->desc->on_crash == LAUNCH_RESTART && !in->hopeless;
	}
}

/* When the domain of @in, whose life has just ended, may come back. */
static void limit_restarts(struct launch_instance *in)
{
	stime_t t = now(), life = t - in->started, delay = DELAY_FIRST;

	if (life >= SHORT_LIFE)
		in->short_lives -=
			(uint64_t)life / SHORT_LIFE < in->short_lives ? (unsigned)(life / SHORT_LIFE) : in->short_lives;
	else if (in->short_lives < SHORT_LIVES_MAX)
		in->short_lives++;
	if (life >= SHORT_LIFE || in->short_lives <= SHORT_LIVES) {
		in->not_before = t;
		return;
	}
	if (in->short_lives == SHORT_LIVES + 1 && in->restarting)
		printk(LOG_WARN, "launch: %s (d%u) ends right after its start again and again: restarts are delayed\n",
		       in->desc->name, in->desc->domid);
	for (unsigned i = SHORT_LIVES + 1; i < in->short_lives && delay < DELAY_MAX; i++)
		delay *= 2;
	in->not_before = t + (delay < DELAY_MAX ? delay : DELAY_MAX);
}

static void restart(struct launch_instance *in)
{
	int rc;

	if (in->d)
		return; /* the task ran once more for the domain's end; it is back already */
	if (now() < in->not_before) {
		timer_set(&in->retry, in->not_before);
		return;
	}
	rc = launch_build(in);
	if (rc == -ERESTART) {
		task_queue(&in->task);
		return;
	}
	if (rc == -EEXIST && in->retries++ < RETRY_MAX) {
		timer_set(&in->retry, now() + RETRY_DELAY);
		return;
	}
	in->restarting = false;
	if (rc == -EEXIST)
		printk(LOG_WARN, "launch: %s (d%u): others still hold pages of its former self: not restarted\n",
		       in->desc->name, in->desc->domid);
	if (rc == 0) {
		launch_seed_grants(in);
		if (in->had_focus)
			console_set_focus(in->desc->domid);
		in->started = now();
		launch_start(in); /* the last step: from here on it may end at any time */
	} else {
		launch_judge();
	}
}

/* Destroy what has ended, then restart or judge; comes back until the domain is gone. */
static void instance_task(void *data)
{
	struct launch_instance *in = data;

	struct domain *ending = __atomic_load_n(&in->ending, __ATOMIC_ACQUIRE);

	if (ending) {
		if (domain_kill(ending) == -ERESTART) {
			task_queue(&in->task);
			return;
		}
		domain_put(ending);
		in->ending = NULL;
		in->retries = 0;
	}
	if (in->restarting)
		restart(in);
	else
		launch_judge();
}

/* See hv/launch.h. */
void launch_domain_gone(struct domain *d)
{
	struct launch_instance *in = d->launch;

	if (!in || in->d != d)
		return;
	in->d = NULL;
	task_queue(&in->task);
}

static void retry_timer(void *data)
{
	struct launch_instance *in = data;

	task_queue(&in->task);
}

/* See internal.h. */
void launch_policy_init(struct launch_instance *in)
{
	spin_lock_init(&in->consring.lock, RANK_HVM);
	task_init(&in->task, instance_task, in, 0);
	timer_init(&in->retry, retry_timer, in, 0);
}

/* As on Xen: what the kernel asks for is done; noreboot keeps a crashed one, and what it printed, in sight. */
static void hardware_ended(enum shutdown_code code)
{
	bool asked = code == SHUTDOWN_POWEROFF || code == SHUTDOWN_REBOOT || code == SHUTDOWN_WATCHDOG;

	if (code == SHUTDOWN_CRASH || code == SHUTDOWN_WATCHDOG)
		crash_mark();
	if (!asked) {
		stop_machine(true, "The hardware domain has ended");
		return;
	}
	printk(LOG_WARN, "The hardware domain has ended: %s the machine\n",
	       code == SHUTDOWN_POWEROFF ? "powering off" : "rebooting");
	arch_machine_stop(code != SHUTDOWN_POWEROFF);
}

/* The last vCPU of @d has stopped after domain_shutdown(). No lock held; called once per shutdown. */
void domain_ended(struct domain *d)
{
	struct launch_instance *in = d->launch;
	enum shutdown_code code = d->shutdown_code;

	printk(LOG_INFO, "Domain %u (%s) %s\n", d->id, d->name, how_it_ended(code));
	if (!in || code == SHUTDOWN_SUSPEND)
		return; /* made by a toolstack, or to be resumed by one */
	if (domain_has_role(d, ROLE_HARDWARE)) {
		hardware_ended(code);
		return;
	}
	if (!domain_get(d))
		return;
	in->had_focus = console_focus() == d->id;
	in->restarting = wants_restart(in, code);
	limit_restarts(in);
	/* Last: the task may be running on the boot CPU, for the domain's former self. Resumed and ended again it waits already, with a reference. */
	if (__atomic_exchange_n(&in->ending, d, __ATOMIC_ACQ_REL))
		domain_put(d);
	task_queue(&in->task);
}
