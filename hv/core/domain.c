/*
 * Domains: creation, references, pausing and shutdown. Who has which id is in domain_table.c, destruction in domain_kill.c, vCPUs in vcpu.c.
 */
#include "hv/domain.h"

#include "hv/arch.h"
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"
#include "hv/time.h"
#include "hv/trace.h"
#include "xen.h"

static struct {
	uint32_t later;		    /* atomic: those that SOFTIRQ_VIRQ shall raise */
	uint32_t handler[NR_VIRQS]; /* atomic: id + 1 of who it goes to, 0: the control domains */
} virqs;			    /* the global ones */

/* SOFTIRQ_VIRQ. */
static void raise_later(void)
{
	uint32_t raise = __atomic_exchange_n(&virqs.later, 0, __ATOMIC_ACQUIRE);

	for (unsigned virq = 0; raise; virq++, raise >>= 1)
		if (raise & 1)
			domain_global_virq(virq, NULL);
}

/* See hv/domain.h. */
void domains_init(void)
{
	domain_table_init();
	memset(&virqs, 0, sizeof(virqs));
	softirq_open(SOFTIRQ_VIRQ, raise_later);
}

/* Take a reference unless the last one is gone. Any context. */
bool domain_get(struct domain *d)
{
	unsigned refs = __atomic_load_n(&d->refs, __ATOMIC_RELAXED);

	while (refs)
		if (__atomic_compare_exchange_n(&d->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* Free the structure, the last that was counted for it. */
static void structure_free(struct domain *d)
{
	overhead_free(&d->overhead, OVERHEAD_STATE, d->vcpu);
	overhead_release(&d->overhead, OVERHEAD_STATE, heap_size_of(d));
	if (d->dead)
		overhead_end(&d->overhead, d->id);
	xfree(d);
}

/* Global virtual interrupts that went to @d go to the control domains again. Before its id is free: whoever gets that has not asked for them. */
static void forget_handler(const struct domain *d)
{
	for (unsigned virq = 0; virq < NR_VIRQS; virq++) {
		uint32_t mine = d->id + 1u;

		__atomic_compare_exchange_n(&virqs.handler[virq], &mine, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

/* The last reference of @d went: nothing is left but memory. */
static void domain_free(struct domain *d)
{
	trace(TRC_DOM0_DOM_REM, d->id);
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i])
			vcpu_free(d->vcpu[i]);
	arch_domain_destroy(d);
	evtchn_free(d);
	grant_free(d); /* not earlier: others' mappings of this domain's pages count here to the end */
	sched_domain_destroy(d);
	forget_handler(d);
	console_io_detach(d); /* whoever delivers what was typed held a reference */
	domain_table_remove(d);
	if (d->dead)
		domain_global_virq_later(
			VIRQ_DOM_EXC); /* the number is free: a toolstack that found a zombie looks again */
	rangeset_clear(&d->control.irqs);
	rangeset_clear(&d->control.iomem);
	rangeset_clear(&d->control.ioports);
	overhead_free(&d->overhead, OVERHEAD_STATE, d->memory_map);
	structure_free(d);
}

/* Drop a reference. Any context but interrupts; takes no lock below RANK_FRAMES. */
void domain_put(struct domain *d)
{
	unsigned before = __atomic_fetch_sub(&d->refs, 1, __ATOMIC_ACQ_REL);

	ASSERT(before != 0);
	if (before == 1)
		domain_free(d);
}

/* See hv/domain.h. */
void domain_latch_width(struct domain *d, bool is32)
{
	write_once(d->guest32, is32);
	wallclock_publish(d);
}

/* The page shared with the guest: owned by @d, but given back by Hospes. */
static int shared_info_alloc(struct domain *d)
{
	struct frame *f;

	if (!overhead_charge(&d->overhead, OVERHEAD_STATE, PAGE_SIZE))
		return err(-ENOMEM);
	f = alloc_frames(d, ORDER_4K, ALLOC_ZERO | ALLOC_NO_CHARGE);
	if (!f) {
		overhead_release(&d->overhead, OVERHEAD_STATE, PAGE_SIZE);
		return err(-ENOMEM);
	}
	__atomic_fetch_or(&f->flags, FRAME_F_XEN, __ATOMIC_RELAXED);
	d->shared_info = mfn_to_virt(frame_to_mfn(f));
	wallclock_publish(d);
	return 0;
}

/* See hv/domain.h. A dying domain gets no other page, so what has references and is its own is still that one. */
struct frame *shared_info_get(struct domain *d)
{
	void *page = read_once(d->shared_info);
	struct frame *f = page ? mfn_to_frame(virt_to_mfn(page)) : NULL;

	return f && frame_get(f, d) ? f : NULL;
}

void shared_info_free(struct domain *d)
{
	struct frame *f = mfn_to_frame(virt_to_mfn(d->shared_info));

	wallclock_detach(d);
	frame_release_allocation(f);
	overhead_release(&d->overhead, OVERHEAD_STATE, PAGE_SIZE);
}

static int config_check(const struct domain_config *cfg)
{
	if (cfg->max_vcpus == 0 || cfg->max_vcpus > DOMAIN_MAX_VCPUS)
		return err(-EINVAL);
	if (cfg->domid >= DOMID_FIRST_RESERVED && cfg->domid != DOMID_INVALID)
		return err(-EINVAL);
	if (cfg->roles & ~ROLE_ALL)
		return err(-EINVAL);
	return 0;
}

static void watchdog_expired(void *data)
{
	struct domain *d = data;

	printk(LOG_GUEST_WARN, "d%u: watchdog expired\n", d->id);
	domain_shutdown(d, SHUTDOWN_WATCHDOG);
}

/* See hv/domain.h. Who controls others can have anything allocated on their behalf: a bound would be in the way, and stop nobody. */
void domain_set_max_pages(struct domain *d, uint64_t pages)
{
	write_once(d->max_pages, pages);
	if (!read_once(d->overhead.chosen))
		write_once(d->overhead.max, domain_has_role(d, ROLE_CONTROL) ? 0 : overhead_default(pages));
}

/* See hv/domain.h. */
void domain_set_overhead_max(struct domain *d, uint64_t bytes)
{
	write_once(d->overhead.chosen, bytes != OVERHEAD_DEFAULT);
	if (bytes == OVERHEAD_DEFAULT)
		domain_set_max_pages(d, read_once(d->max_pages));
	else
		write_once(d->overhead.max, bytes);
}

/* Fields that need no undo. */
static void domain_setup(struct domain *d, const struct domain_config *cfg)
{
	d->refs = cfg->hold ? 2 : 1;
	spin_lock_init(&d->lock, RANK_DOMAIN);
	d->roles = cfg->roles;
	str_copy(d->name, cfg->name, sizeof(d->name));
	memcpy(d->handle, cfg->handle, sizeof(d->handle));
	d->max_vcpus = cfg->max_vcpus;
	domain_set_max_pages(d, cfg->max_pages);
	if (cfg->overhead_max)
		domain_set_overhead_max(d, cfg->overhead_max);
	d->pause_count = 1;
	d->controller_pause_count = 1;
	for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog); i++)
		timer_init(&d->watchdog[i].timer, watchdog_expired, d, this_cpu());
}

/* The subsystems of @d, which is in the table; undone in reverse on failure. -ENOMEM and theirs. */
static int domain_init_parts(struct domain *d, const struct domain_config *cfg)
{
	int rc = sched_domain_init(d, cfg->cpupool);

	if (rc)
		return rc;
	rc = p2m_init(d);
	if (rc)
		goto err_sched;
	rc = evtchn_init(d, cfg->no_ports ? EVTCHN_NO_PORTS : cfg->max_evtchn_port);
	if (rc)
		goto err_p2m;
	rc = grant_init(d, &cfg->grants);
	if (rc)
		goto err_evtchn;
	rc = shared_info_alloc(d);
	if (rc)
		goto err_grant;
	rc = arch_domain_create(d);
	if (rc)
		goto err_shared;
	return 0;

err_shared:
	shared_info_free(d);
err_grant:
	grant_free(d);
err_evtchn:
	while (evtchn_destroy(d) == -ERESTART)
		;
	evtchn_free(d);
err_p2m:
	while (p2m_teardown(d) == -ERESTART)
		;
err_sched:
	sched_domain_destroy(d);
	return rc;
}

/*
 * Build a domain with no vCPUs and no memory, paused once by its controller. -EINVAL bad configuration, -EEXIST id taken, -ENOSPC no id
 * left, -ENOMEM. On success *@out is a borrowed pointer, good until domain_kill() is done, or a reference if the maker wanted one.
 */
int domain_create(const struct domain_config *cfg, struct domain **out)
{
	struct domain *d;
	int rc = config_check(cfg);

	if (rc)
		return rc;
	d = xzalloc(struct domain);
	if (!d)
		return err(-ENOMEM);
	domain_setup(d, cfg);
	if (!overhead_charge(&d->overhead, OVERHEAD_STATE, heap_size_of(d))) {
		xfree(d);
		return err(-ENOMEM);
	}
	d->vcpu = overhead_new_array(&d->overhead, OVERHEAD_STATE, struct vcpu *, d->max_vcpus);
	if (!d->vcpu) {
		rc = err(-ENOMEM);
		goto err_free;
	}
	rc = domain_table_insert(d, cfg->domid);
	if (rc)
		goto err_free;
	rc = domain_init_parts(d, cfg);
	if (rc)
		goto err_table;
	__atomic_store_n(&d->published, true, __ATOMIC_RELEASE);
	trace(TRC_DOM0_DOM_ADD, d->id);
	*out = d;
	return 0;

err_table:
	domain_table_remove(d);
err_free:
	structure_free(d);
	return rc;
}

/* Add a reason not to run. Does not wait: vCPUs on other CPUs leave their guest soon. Any context but interrupts. */
void domain_pause_nosync(struct domain *d)
{
	__atomic_fetch_add(&d->pause_count, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i])
			vcpu_sleep_nosync(d->vcpu[i]);
}

/* Add a reason not to run and wait until no vCPU of @d is on a CPU. Not for paths of @d's own vCPUs; no lock held. */
void domain_pause_sync(struct domain *d)
{
	domain_pause_nosync(d);
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i])
			vcpu_sleep_sync(d->vcpu[i]);
}

/* See hv/domain.h. Two callers that stop each other would wait for ever: whoever shall stop gives up first. */
int domain_pause_for(struct domain *d, const struct vcpu *caller)
{
	domain_pause_nosync(d);
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = __atomic_load_n(&d->vcpu[i], __ATOMIC_ACQUIRE);

		while (v && __atomic_load_n(&v->running, __ATOMIC_ACQUIRE)) {
			if (!vcpu_runnable(caller)) {
				domain_unpause(d);
				return -ERESTART;
			}
			arch_cpu_relax();
		}
	}
	return 0;
}

/* Take a reason away. */
void domain_unpause(struct domain *d)
{
	unsigned before = __atomic_fetch_sub(&d->pause_count, 1, __ATOMIC_SEQ_CST);

	ASSERT(before != 0);
	if (before != 1)
		return;
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i])
			vcpu_wake(d->vcpu[i]);
}

/* See hv/domain.h. No lock held. */
void domain_global_virq(unsigned virq, const struct domain *but)
{
	uint32_t chosen = __atomic_load_n(&virqs.handler[virq], __ATOMIC_RELAXED);
	struct domain *c = chosen ? domain_get_by_id((domid_t)(chosen - 1)) : NULL;

	if (c && !c->dying) {
		if (c != but)
			send_guest_global_virq(c, virq);
		domain_put(c);
		return;
	}
	if (c)
		domain_put(c);
	for (domid_t from = 0; (c = domain_next(from));) {
		from = (domid_t)(c->id + 1);
		if (c != but && !c->dying && domain_has_role(c, ROLE_CONTROL))
			send_guest_global_virq(c, virq);
		domain_put(c);
	}
}

/* See hv/domain.h. */
void domain_global_virq_later(unsigned virq)
{
	__atomic_fetch_or(&virqs.later, 1u << virq, __ATOMIC_RELEASE);
	softirq_raise(0, SOFTIRQ_VIRQ);
}

/* See hv/domain.h. */
int domain_set_virq_handler(struct domain *d, unsigned virq)
{
	if (virq >= NR_VIRQS || !virq_is_global(virq))
		return err(-EINVAL);
	__atomic_store_n(&virqs.handler[virq], d->id + 1u, __ATOMIC_RELAXED);
	return 0;
}

/* Tell those who care that @d's state changed. No lock held. */
void domain_notify_controllers(const struct domain *d)
{
	domain_global_virq(VIRQ_DOM_EXC, d);
}

/* @d is shutting down: if none of its vCPUs is on a CPU any more, it has ended. No lock held. */
void domain_vcpu_stopped(struct domain *d)
{
	bool ended = true;

	spin_lock(&d->lock);
	if (!d->shutting_down || d->is_shut_down)
		ended = false;
	for (unsigned i = 0; i < d->max_vcpus && ended; i++)
		if (d->vcpu[i] && __atomic_load_n(&d->vcpu[i]->running, __ATOMIC_SEQ_CST))
			ended = false;
	if (ended)
		d->is_shut_down = true;
	spin_unlock(&d->lock);
	if (!ended)
		return;
	domain_notify_controllers(d);
	domain_ended(d);
}

/* End @d with @code; the first code counts. Its vCPUs stop soon, and the last to stop reports. From any CPU, also @d's own vCPUs. */
void domain_shutdown(struct domain *d, enum shutdown_code code)
{
	bool first;

	spin_lock(&d->lock);
	first = !d->shutting_down && !d->dying;
	if (first) {
		__atomic_store_n(&d->shutting_down, true, __ATOMIC_SEQ_CST);
		if (!d->shutdown_code_latched)
			d->shutdown_code = code;
	}
	spin_unlock(&d->lock);
	if (!first)
		return;
	domain_pause_nosync(d);
	domain_vcpu_stopped(d);
}

/* The controller lets a shut-down domain run on (a cancelled suspend). -EINVAL if it is not shut down, or dies. */
int domain_resume(struct domain *d)
{
	int rc = 0;

	spin_lock(&d->lock);
	if (!d->is_shut_down || d->dying) {
		rc = err(-EINVAL);
	} else {
		d->is_shut_down = false;
		d->shutdown_code_latched = false;
		__atomic_store_n(&d->shutting_down, false, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&d->lock);
	if (rc == 0)
		domain_unpause(d);
	return rc;
}

/* @d did something no machine could survive: say what, and shut it down as crashed. From any context but interrupts. */
void domain_crash(struct domain *d, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (!read_once(d->shutting_down))
		printk(LOG_GUEST_WARN, "d%u crashed: %s\n", d->id, why);
	domain_shutdown(d, SHUTDOWN_CRASH);
}
