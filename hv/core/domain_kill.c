/*
 * Destroying a domain, in slices. Each step either finishes or answers -ERESTART with its progress kept in the
 * structures it takes apart, so the caller may go away and come back, on any CPU.
 */
#include "hv/arch.h"
#include "hv/console.h"
#include "hv/consring.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/hypercall.h"
#include "hv/launch.h"
#include "hv/mm.h"
#include "hv/pci.h"
#include "hv/printk.h"
#include "hv/time.h"

/* Frames given back between two looks at pending softirqs. */
#define FRAME_BATCH 64u

/* Nothing new may attach from now on, and no vCPU may run again. */
static int kill_begin(struct domain *d)
{
	spin_lock(&d->lock);
	__atomic_store_n(&d->dying, true, __ATOMIC_SEQ_CST);
	spin_unlock(&d->lock);
	domain_pause_nosync(d);
	return 0;
}

/* Wait, by coming back, until every vCPU is off its CPU. */
static int kill_vcpus(struct domain *d)
{
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpu[i];

		if (!v)
			continue;
		vcpu_sleep_nosync(v);
		if (__atomic_load_n(&v->running, __ATOMIC_ACQUIRE))
			return -ERESTART;
	}
	return 0;
}

static int kill_timers(struct domain *d)
{
	for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog); i++)
		timer_kill(&d->watchdog[i].timer);
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i])
			vcpu_kill_timers(d->vcpu[i]);
	return 0;
}

/* Before its pages are given back: no device writes to them any more. */
static int kill_devices(struct domain *d)
{
	pci_release_domain(d);
	return 0;
}

/* Hospes' ends of its console, which hold a page and a port. What is typed at the time may still go into its queue. */
static int kill_console(struct domain *d)
{
	int rc = consring_close(d);

	if (rc == 0)
		console_unregister(d);
	return rc;
}

/* Hospes' own uses of the domain's pages end: vcpu_info areas, then the shared page. Event channels are closed already. */
static int kill_shared_pages(struct domain *d)
{
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpu[i];
		struct frame *f;

		if (!v)
			continue;
		__atomic_store_n(&v->vcpu_info, NULL, __ATOMIC_RELEASE);
		f = v->vcpu_info_frame;
		v->vcpu_info_frame = NULL;
		if (f)
			frame_put(f);
	}
	shared_info_free(d);
	return 0;
}

/* Promised memory goes back to the pool. */
static int kill_claim(struct domain *d)
{
	int rc = mm_promise_on_demand(d, 0);

	return rc ? rc : mm_claim(d, 0);
}

/* Drop the owner's reference of every page. Those that others still use live on, and keep the structure. */
static int kill_pages(struct domain *d)
{
	while (domain_release_frames(d, FRAME_BATCH))
		if (hypercall_preempt_check())
			return -ERESTART;
	return 0;
}

static int (*const steps[])(struct domain *d) = {
	kill_begin,
	kill_vcpus,
	kill_timers,
	kill_devices,
	kill_console,
	evtchn_destroy,
	grant_release_mappings,
	p2m_teardown,
	kill_shared_pages,
	kill_claim,
	kill_pages,
};

/*
 * Begin or continue to destroy @d. -ERESTART: call again (something waits for this CPU, a vCPU is still stopping, or another
 * CPU is at it). 0: all given back, @d is gone unless the caller holds a reference; also when it was dead before.
 */
int domain_kill(struct domain *d)
{
	int rc = 0;

	if (__atomic_exchange_n(&d->kill.busy, true, __ATOMIC_ACQUIRE))
		return -ERESTART;
	if (d->dead)
		goto out;
	while (d->kill.step < ARRAY_SIZE(steps)) {
		rc = steps[d->kill.step](d);
		if (rc)
			goto out;
		d->kill.step++;
	}
	/* The flag is cleared while the reference that dies below still keeps @d; nobody comes here again, for it is dead. */
	spin_lock(&d->lock);
	d->dead = true;
	spin_unlock(&d->lock);
	__atomic_store_n(&d->kill.busy, false, __ATOMIC_RELEASE);
	domain_notify_controllers(d);
	launch_domain_gone(d);
	domain_put(d);
	return 0;
out:
	__atomic_store_n(&d->kill.busy, false, __ATOMIC_RELEASE);
	return rc;
}

static void kill_task(void *data)
{
	struct domain *d = data;

	if (domain_kill(d) == -ERESTART)
		task_queue(&d->kill.task);
	else
		domain_put(d);
}

/* Destroy @d in the background on the boot CPU. Any context but interrupts. */
void domain_kill_later(struct domain *d)
{
	if (__atomic_exchange_n(&d->kill.later, true, __ATOMIC_ACQ_REL) || !domain_get(d))
		return;
	task_init(&d->kill.task, kill_task, d, 0);
	task_queue(&d->kill.task);
}
