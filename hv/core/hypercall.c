/*
 * The one table of hypercalls, and how a long one is cut into slices.
 *
 * Who may call what is decided here, before a handler runs: the guest kind (today: HVM container only), and the
 * role the whole call needs. Finer authority (one sub-operation on one object) is relation_check().
 */
#include "hv/hypercall.h"
#include "hv/layouts.h"

#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/loader_abi.h"
#include "hv/pcpu.h"
#include "hv/printk.h"

typedef long hypercall_fn(struct vcpu *v, const uint64_t *args);

struct hypercall_entry {
	hypercall_fn *fn;
	uint8_t nr_args;
	uint8_t role; /* ROLE_* the caller must hold, 0 = anyone */
};

/* An entry without a function answers -ENOSYS, as Xen's table for HVM containers does for calls compiled out of it. */
static const struct hypercall_entry table[NR_HYPERCALLS] = {
	[HC_memory_op] = { do_memory_op, 2, 0 },
	[HC_platform_op] = { do_platform_op, 1, 0 },
	[HC_multicall] = { do_multicall, 2, 0 },
	[HC_set_timer_op] = { do_set_timer_op, 1, 0 },
	[HC_xen_version] = { do_xen_version, 2, 0 },
	[HC_console_io] = { do_console_io, 3, 0 },
	[HC_grant_table_op] = { do_grant_table_op, 3, 0 },
	[HC_vm_assist] = { do_vm_assist, 2, 0 },
	[HC_vcpu_op] = { do_vcpu_op, 3, 0 },
	[HC_sched_op] = { do_sched_op, 2, 0 },
	[HC_event_channel_op] = { do_event_channel_op, 2, 0 },
	[HC_physdev_op] = { do_physdev_op, 2, 0 },
	[HC_hvm_op] = { do_hvm_op, 2, 0 },
	[HC_sysctl] = { do_sysctl, 1, 0 }, /* each operation names its roles */
	[HC_domctl] = { do_domctl, 1, 0 },
	[HC_dm_op] = { do_dm_op, 3, 0 },
	[HC_hypfs_op] = { do_hypfs_op, 5, ROLE_CONTROL },
	[HC_hospes_op] = { do_hospes_op, 2, 0 },
};

/*
 * Calls that exist in Xen for an HVM container but whose subsystem Hospes does not have yet: the answer of a Xen that refuses
 * them to this caller. Numbers beyond it and holes are -ENOSYS.
 */
static long refused(uint32_t nr)
{
	return nr == HC_xenpmu_op ? err(-EOPNOTSUPP) : err(-ENOSYS);
}

/* Run one call with @args; used for direct calls and for the entries of a multicall. */
static long call_one(struct vcpu *v, uint32_t nr, const uint64_t *args)
{
	const struct hypercall_entry *e;

	if (nr >= NR_HYPERCALLS)
		return err(-ENOSYS);
	/* Should the processor guess that this was not so: it shall not call what lies behind the table. The compiler must not know that the mask does nothing. */
	_Static_assert(!(NR_HYPERCALLS & (NR_HYPERCALLS - 1)), "a mask keeps the number inside");
	asm("" : "+r"(nr));
	e = &table[nr & (NR_HYPERCALLS - 1)];
	if (!e->fn)
		return refused(nr);
	if (e->role && !domain_has_role(v->domain, e->role))
		return err(-EPERM);
	return e->fn(v, args);
}

long hypercall_dispatch(struct vcpu *v, bool *again)
{
	long rc;

	v->hc.restarted = false;
	v->hc.replaced = false;
	v->hc.in_multicall = false;
	rc = call_one(v, v->hc.nr, v->hc.args);
	*again = v->hc.restarted;
	return rc;
}

long hypercall_again(struct vcpu *v)
{
	v->hc.restarted = true;
	return -ERESTART;
}

bool hypercall_preempt_check(void)
{
	return __atomic_load_n(&this_pcpu()->softirqs, __ATOMIC_RELAXED) != 0;
}

int relation_check(const struct domain *subject, const struct domain *object, enum relation kind)
{
	if (subject == object && kind != RELATION_CONTROL)
		return 0;
	switch (kind) {
	case RELATION_EVENT:
	case RELATION_GRANT:
		/* The other side names its peer in the port or the grant entry itself: that is its consent. */
		return 0;
	case RELATION_FOREIGN:
	case RELATION_CONTROL:
		return domain_has_role(subject, ROLE_CONTROL) ? 0 : err(-EPERM);
	}
	return err(-EPERM);
}

int domain_from_guest(struct vcpu *v, domid_t id, enum relation kind, struct domain **out)
{
	struct domain *d;
	int rc;

	if (id == DOMID_SELF)
		id = v->domain->id;
	d = domain_get_by_id(id);
	if (!d)
		return err(-ESRCH);
	rc = d == v->domain ? 0 : relation_check(v->domain, d, kind);
	if (rc) {
		domain_put(d);
		return rc;
	}
	*out = d;
	return 0;
}

/*
 * Multicall. The batch pointer and count advance in args[] as entries finish, so a restart resumes at the first
 * unfinished entry; an entry that asks to run again has its progress written back into its own op and arguments, which is the
 * guest's private memory and re-read (and re-checked) by the restart, exactly like registers would be.
 */
struct multicall_entry {
	uint64_t op;
	int64_t result;
	uint64_t args[6];
};

/* Re-issue entry @e after its slice ended: only op and arguments move, the result stays the guest's. */
static int multicall_save(struct vcpu *v, uint64_t list, struct multicall_entry *e)
{
	e->op = v->hc.nr;
	for (unsigned i = 0; i < 6; i++)
		e->args[i] = v->hc.args[i];
	return put_element(v, list, 0, e, LAYOUT_multicall_entry);
}

long do_multicall(struct vcpu *v, const uint64_t *args)
{
	uint64_t list = args[0], nr = (uint32_t)args[1];
	size_t size = layout_size(LAYOUT_multicall_entry, v->hc.guest32);
	long rc = 0;

	if (v->hc.in_multicall)
		return err(-EINVAL);
	while (nr) {
		struct multicall_entry e;

		rc = get_element(v, &e, list, 0, LAYOUT_multicall_entry);
		if (rc)
			break;
		v->hc.in_multicall = true;
		v->hc.restarted = false;
		v->hc.nr = e.op < NR_HYPERCALLS ? (uint32_t)e.op :
						  NR_HYPERCALLS; /* unlike a register's, all 64 bits count */
		for (unsigned i = 0; i < 6; i++)
			v->hc.args[i] = v->hc.guest32 ? (uint32_t)e.args[i] : e.args[i];
		e.result = call_one(v, v->hc.nr, v->hc.args);
		v->hc.in_multicall = false;
		if (v->hc.restarted)
			rc = multicall_save(v, list, &e);
		else
			rc = put_element(v, list, 0, &e, LAYOUT_multicall_entry);
		if (rc) {
			v->hc.restarted = false;
			break;
		}
		if (!v->hc.restarted) {
			list += size;
			nr--;
		}
		if (nr && (v->hc.restarted || hypercall_preempt_check())) {
			v->hc.nr = HC_multicall;
			v->hc.args[0] = list;
			v->hc.args[1] = nr;
			return hypercall_again(v);
		}
	}
	v->hc.restarted = false;
	return rc;
}
