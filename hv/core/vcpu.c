/* Creating and freeing vCPUs, and the timers each of them has. */
#include "hv/domain.h"

#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "xen.h"

_Static_assert(XEN_LEGACY_MAX_VCPUS == 32, "vCPUs with a place in the shared info page");

/* One-shot timer: the guest hears by VIRQ_TIMER. */
static void singleshot_fired(void *data)
{
	send_guest_vcpu_virq(data, VIRQ_TIMER);
}

/* Periodic timer: ticks that were missed while the CPU was busy are skipped, not made up for. */
static void periodic_fired(void *data)
{
	struct vcpu *v = data;
	stime_t period = read_once(v->periodic_period), t = now(), next;

	if (!period)
		return;
	next = v->periodic_timer.expires + period;
	if (next <= t)
		next += (t - next) / period * period + period;
	timer_set(&v->periodic_timer, next);
	send_guest_vcpu_virq(v, VIRQ_TIMER);
}

/* A poll's time is over. */
static void poll_timed_out(void *data)
{
	struct vcpu *v = data;

	if (__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & VPF_POLLING)
		vcpu_unblock(v);
}

/* Stop @v's timers for good; their functions run nowhere afterwards. No lock held. */
void vcpu_kill_timers(struct vcpu *v)
{
	timer_kill(&v->singleshot_timer);
	timer_kill(&v->periodic_timer);
	timer_kill(&v->poll_timer);
}

/* Free @v and what it holds. It runs nowhere and its timers were killed. No lock below RANK_FRAMES is taken. */
void vcpu_free(struct vcpu *v)
{
	arch_vcpu_destroy(v);
	sched_vcpu_destroy(v);
	if (v->vcpu_info_frame)
		frame_put(v->vcpu_info_frame);
	overhead_free(&v->domain->overhead, OVERHEAD_STATE, v);
}

/* Make vCPU @id visible; false when another one got there first or the domain dies. */
static bool vcpu_publish(struct domain *d, struct vcpu *v)
{
	bool ok;

	spin_lock(&d->lock);
	ok = !d->vcpu[v->id] && !d->dying;
	if (ok)
		__atomic_store_n(&d->vcpu[v->id], v, __ATOMIC_RELEASE);
	spin_unlock(&d->lock);
	return ok;
}

/* Create vCPU @id of @d, down. -EINVAL beyond max_vcpus, -EEXIST, -ENOMEM. Not while the domain can be destroyed by another CPU. */
int vcpu_create(struct domain *d, unsigned id)
{
	struct vcpu *v;
	int rc;

	if (id >= d->max_vcpus)
		return err(-EINVAL);
	if (d->vcpu[id])
		return err(-EEXIST);
	v = overhead_new(&d->overhead, OVERHEAD_STATE, struct vcpu);
	if (!v)
		return err(-ENOMEM);
	v->id = id;
	v->domain = d;
	v->pause_flags = VPF_DOWN;
	v->runstate = RUNSTATE_OFFLINE;
	v->runstate_entry = now();
	if (id < XEN_LEGACY_MAX_VCPUS)
		v->vcpu_info = (char *)d->shared_info + id * sizeof(struct vcpu_info);
	rc = sched_vcpu_init(v);
	if (rc)
		goto err_free;
	timer_init(&v->singleshot_timer, singleshot_fired, v, v->processor);
	timer_init(&v->periodic_timer, periodic_fired, v, v->processor);
	timer_init(&v->poll_timer, poll_timed_out, v, v->processor);
	rc = arch_vcpu_create(v);
	if (rc)
		goto err_sched;
	if (!vcpu_publish(d, v)) {
		rc = err(-EEXIST);
		goto err_arch;
	}
	return 0;

err_arch:
	arch_vcpu_destroy(v);
err_sched:
	sched_vcpu_destroy(v);
err_free:
	overhead_free(&d->overhead, OVERHEAD_STATE, v);
	return rc;
}
