/* The wall clock: one for the machine, published to each domain with its own offset. */
#include "hv/time.h"

#include "abi/xen.h"
#include "hv/domain.h"
#include "hv/lock.h"

static struct {
	spinlock_t lock; /* RANK_HEAP: guards at_boot, and shared_info's clock while it is written */
	struct wallclock at_boot;
} wc = { .lock = SPINLOCK_INIT(RANK_HEAP) };

/* Seqlock of the ABI: odd while it changes. */
static void write_clock(uint32_t *version, uint32_t *sec, uint32_t *nsec, uint32_t *sec_hi, struct wallclock t)
{
	uint32_t v = read_once(*version) | 1;

	__atomic_store_n(version, v, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	write_once(*sec, (uint32_t)t.sec);
	write_once(*sec_hi, (uint32_t)(t.sec >> 32));
	write_once(*nsec, t.nsec);
	__atomic_store_n(version, v + 1, __ATOMIC_RELEASE);
}

/* See hv/time.h. Nothing happens before @d has a shared_info. */
void wallclock_publish(struct domain *d)
{
	struct wallclock t;
	uint64_t nsec;

	spin_lock(&wc.lock);
	if (!d->shared_info) {
		spin_unlock(&wc.lock);
		return;
	}
	nsec = (uint64_t)wc.at_boot.nsec + d->wallclock_offset.nsec;
	t.sec = wc.at_boot.sec + d->wallclock_offset.sec + nsec / NSEC_PER_SEC;
	t.nsec = (uint32_t)(nsec % NSEC_PER_SEC);
	if (d->guest32) {
		struct shared_info_compat32 *s = d->shared_info;

		write_clock(&s->wc_version, &s->wc_sec, &s->wc_nsec, &s->arch.wc_sec_hi, t);
	} else {
		struct shared_info *s = d->shared_info;

		write_clock(&s->wc_version, &s->wc_sec, &s->wc_nsec, &s->wc_sec_hi, t);
	}
	spin_unlock(&wc.lock);
}

/* See hv/time.h. */
void wallclock_detach(struct domain *d)
{
	spin_lock(&wc.lock);
	d->shared_info = NULL;
	spin_unlock(&wc.lock);
}

/* The wall clock showed @at_boot when system time was 0: remember it and tell every domain. No lock held. */
void wallclock_set(struct wallclock at_boot)
{
	struct domain *d;

	spin_lock(&wc.lock);
	wc.at_boot = at_boot;
	spin_unlock(&wc.lock);
	for (d = domain_next(0); d;) {
		domid_t next = (domid_t)(d->id + 1);

		wallclock_publish(d);
		domain_put(d);
		d = domain_next(next);
	}
}

/* Wall clock at system time 0; all zero while unknown. Any context, without the lock: it is set at boot, and rarely later. */
struct wallclock wallclock_get(void)
{
	return wc.at_boot;
}
