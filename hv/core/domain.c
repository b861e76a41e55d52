/*
 * Domains: the table, creation, references, pausing and shutdown. Destruction is in domain_kill.c, vCPUs in vcpu.c.
 *
 * A domain exists in the table from early in its creation, but is found only once it is complete (published). Each id has a lock of its own for
 * lookups, on a cache line of its own, so guests that work with different domains never wait for each other.
 */
#include "hv/domain.h"

#include "hv/arch.h"
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

#define LEAF_SHIFT 9
#define LEAF_SIZE (1u << LEAF_SHIFT)
#define NR_LEAVES (DOMID_FIRST_RESERVED / LEAF_SIZE + 1)

struct cache_aligned slot {
	spinlock_t lock; /* RANK_DOMREF: between finding the domain and counting the reference */
	struct domain *d;
};

static struct {
	spinlock_t lock; /* guards changes of the table's entries */
	struct slot leaf0[LEAF_SIZE];
	struct slot *leaf[NR_LEAVES];	 /* allocated on first use, never freed */
	domid_t last;			 /* id last chosen by itself; guarded by lock */
	uint32_t virqs_later;		 /* atomic: global interrupts that SOFTIRQ_VIRQ shall raise */
	uint32_t virq_handler[NR_VIRQS]; /* atomic: id + 1 of who a global interrupt goes to, 0: the control domains */
} table;

/* SOFTIRQ_VIRQ. */
static void raise_later(void)
{
	uint32_t virqs = __atomic_exchange_n(&table.virqs_later, 0, __ATOMIC_ACQUIRE);

	for (unsigned virq = 0; virqs; virq++, virqs >>= 1)
		if (virqs & 1)
			domain_global_virq(virq, NULL);
}

static void leaf_init(struct slot *leaf)
{
	for (unsigned i = 0; i < LEAF_SIZE; i++)
		spin_lock_init(&leaf[i].lock, RANK_DOMREF);
}

/* Forget all domains. Boot, before the first is created. */
void domain_table_init(void)
{
	memset(&table, 0, sizeof(table));
	spin_lock_init(&table.lock, RANK_DOMLIST);
	leaf_init(table.leaf0);
	table.leaf[0] = table.leaf0;
	softirq_open(SOFTIRQ_VIRQ, raise_later);
}

static struct slot *slot_of(domid_t id)
{
	struct slot *leaf;

	if (id >= DOMID_FIRST_RESERVED)
		return NULL;
	leaf = __atomic_load_n(&table.leaf[id >> LEAF_SHIFT], __ATOMIC_ACQUIRE);
	return leaf ? &leaf[id & (LEAF_SIZE - 1)] : NULL;
}

/* A slot for @id, allocating its leaf. NULL without memory. Table lock held. */
static struct slot *slot_make(domid_t id)
{
	struct slot **leaf = &table.leaf[id >> LEAF_SHIFT];

	if (!*leaf) {
		struct slot *fresh = xzalloc_array(struct slot, LEAF_SIZE);

		if (!fresh)
			return NULL;
		leaf_init(fresh);
		__atomic_store_n(leaf, fresh, __ATOMIC_RELEASE);
	}
	return &(*leaf)[id & (LEAF_SIZE - 1)];
}

/* The next free id, DOMID_INVALID if all are taken. Going round, ids of the dead are not soon taken for the living. Table lock held. */
static domid_t next_free_id(void)
{
	domid_t id = table.last;

	for (unsigned i = 1; i < DOMID_FIRST_RESERVED; i++) {
		struct slot *slot;

		if (++id >= DOMID_FIRST_RESERVED)
			id = 1;
		slot = slot_of(id);
		if (!slot || !slot->d) {
			table.last = id;
			return id;
		}
	}
	return DOMID_INVALID;
}

/* Put @d in the table under @id (DOMID_INVALID: the next free). -EEXIST, -ENOMEM, -ENOSPC. */
static int table_insert(struct domain *d, domid_t id)
{
	struct slot *slot;
	int rc = 0;

	if (!table.leaf[0])
		domain_table_init();
	spin_lock(&table.lock);
	if (id == DOMID_INVALID)
		id = next_free_id();
	slot = id == DOMID_INVALID ? NULL : slot_make(id);
	if (id == DOMID_INVALID) {
		rc = err(-ENOSPC);
	} else if (!slot) {
		rc = err(-ENOMEM);
	} else if (slot->d) {
		rc = err(-EEXIST);
	} else {
		d->id = id;
		__atomic_store_n(&slot->d, d, __ATOMIC_RELEASE);
	}
	spin_unlock(&table.lock);
	return rc;
}

/* Take @d out again. Only the slot's lock is needed: an entry is emptied once, by its owner, and filled under the table lock. */
static void table_remove(struct domain *d)
{
	struct slot *slot = slot_of(d->id);

	spin_lock(&slot->lock);
	__atomic_store_n(&slot->d, NULL, __ATOMIC_RELEASE);
	spin_unlock(&slot->lock);
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

/* The domain called @id with a reference, or NULL. Works under any lock below RANK_DOMREF. */
struct domain *domain_get_by_id(domid_t id)
{
	struct slot *slot = slot_of(id);
	struct domain *d;

	if (!slot)
		return NULL;
	spin_lock(&slot->lock);
	d = __atomic_load_n(&slot->d, __ATOMIC_ACQUIRE);
	if (d && (!__atomic_load_n(&d->published, __ATOMIC_ACQUIRE) || !domain_get(d)))
		d = NULL;
	spin_unlock(&slot->lock);
	return d;
}

/* The first domain with an id of @from or more, with a reference, or NULL. */
struct domain *domain_next(domid_t from)
{
	for (unsigned id = from; id < DOMID_FIRST_RESERVED; id++) {
		struct slot *slot = slot_of((domid_t)id);
		struct domain *d;

		if (!slot) {
			id |= LEAF_SIZE - 1;
			continue;
		}
		if (!read_once(slot->d))
			continue;
		d = domain_get_by_id((domid_t)id);
		if (d)
			return d;
	}
	return NULL;
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
	table_remove(d);
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
	d->refs = 1;
	spin_lock_init(&d->lock, RANK_DOMAIN);
	d->roles = cfg->roles;
	str_copy(d->name, cfg->name, sizeof(d->name));
	memcpy(d->handle, cfg->handle, sizeof(d->handle));
	d->max_vcpus = cfg->max_vcpus;
	domain_set_max_pages(d, cfg->max_pages);
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
	rc = evtchn_init(d, cfg->max_evtchn_port);
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
 * left, -ENOMEM. On success *@out is a borrowed pointer, good until domain_kill() is done.
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
	rc = table_insert(d, cfg->domid);
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
	table_remove(d);
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

/* See hv/domain.h. A handler that is gone is forgotten. No lock held. */
void domain_global_virq(unsigned virq, const struct domain *but)
{
	uint32_t chosen = __atomic_load_n(&table.virq_handler[virq], __ATOMIC_RELAXED);
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
	__atomic_fetch_or(&table.virqs_later, 1u << virq, __ATOMIC_RELEASE);
	softirq_raise(0, SOFTIRQ_VIRQ);
}

/* See hv/domain.h. */
int domain_set_virq_handler(struct domain *d, unsigned virq)
{
	if (virq >= NR_VIRQS || !virq_is_global(virq))
		return err(-EINVAL);
	__atomic_store_n(&table.virq_handler[virq], d->id + 1u, __ATOMIC_RELAXED);
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
