/*
 * Hypercall 36: who may, in which order refusals come, and every operation with good and bad arguments. Error numbers are those real Xen
 * 4.17 gave to the same calls.
 */
#include "control_test.h"

#include "abi/hvm_vcpu.h"
#include "hv/console.h"
#include "hv/evtchn.h"
#include "hv/sched.h"
#include "policy.h"

/* Every number there is, and some there are not. */
static void test_nobody_else(void **state)
{
	for (uint32_t cmd = 0; cmd < 1010; cmd = cmd == 95 ? 998 : cmd + 1) {
		struct xen_domctl op = domctl_of(cmd, 1);

		op.interface_version++;
		assert_int_equal(control_as(plain, HC_domctl, &op, sizeof(op)), -EACCES);
		op.interface_version--;
		assert_int_equal(control_as(plain, HC_domctl, &op, sizeof(op)), -EPERM);
		op.domain = 77;
		assert_int_equal(control_as(plain, HC_domctl, &op, sizeof(op)),
				 cmd == XEN_DOMCTL_createdomain ? -EPERM : -ESRCH);
	}
	assert_int_equal(host_hypercall(plain->vcpu[0], HC_domctl, 0x100000, 0, 0, 0, 0), -EFAULT);
	assert_int_equal(host_hypercall(tools->vcpu[0], HC_domctl, 64 * PAGE_SIZE - 8, 0, 0, 0, 0), -EFAULT);
}

/* A store daemon's domain may look at others, and nothing more. */
static void test_store_role(void **state)
{
	struct domain *store = host_domain(5, 1, 16, ROLE_XENSTORE);
	struct xen_domctl op = domctl_of(XEN_DOMCTL_getdomaininfo, 1);

	assert_int_equal(control_as(store, HC_domctl, &op, sizeof(op)), 0);
	/* The first one from there on: so tools find the next. */
	op = domctl_of(XEN_DOMCTL_getdomaininfo, 3);
	assert_int_equal(control_as(store, HC_domctl, &op, sizeof(op)), 0);
	assert_int_equal(op.domain, 5);
	assert_int_equal(op.u.getdomaininfo.domain, 5);
	op = domctl_of(XEN_DOMCTL_getdomaininfo, 6);
	assert_int_equal(control_as(store, HC_domctl, &op, sizeof(op)), -ESRCH);
	op = domctl_of(XEN_DOMCTL_pausedomain, 1);
	assert_int_equal(control_as(store, HC_domctl, &op, sizeof(op)), -EPERM);
	kill_domain(store);
}

static void test_objects(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_getdomaininfo, DOMID_SELF);

	assert_int_equal(domctl(&op), -EINVAL);
	assert_int_equal(simple(XEN_DOMCTL_getdomaininfo, 77), -ESRCH);
	/* The next one, if there is: xenconsoled lists domains so. */
	kill_domain(plain);
	plain = host_domain(50, 1, 16, 0);
	op = domctl_of(XEN_DOMCTL_getdomaininfo, 1);
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(op.domain, 50);
	assert_int_equal(op.u.getdomaininfo.domain, 50);
	kill_domain(plain);
	plain = host_domain(1, 2, 32, 0);
	assert_int_equal(simple(XEN_DOMCTL_pausedomain, DOMID_SELF), -ESRCH);
	assert_int_equal(simple(XEN_DOMCTL_pausedomain, DOMID_INVALID), -ESRCH);
	assert_int_equal(simple(XEN_DOMCTL_pausedomain, 0), -EINVAL);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, 0), -EINVAL);
	assert_int_equal(simple(XEN_DOMCTL_max_vcpus, 0), -EINVAL);
	assert_int_equal(simple(0, 1), -ENOSYS);
	assert_int_equal(simple(8, 1), -ENOSYS);
	assert_int_equal(simple(49, 1), -ENOSYS);
	assert_int_equal(simple(91, 1), -ENOSYS);
	assert_int_equal(simple(~0u, 1), -ENOSYS);
	assert_int_equal(simple(XEN_DOMCTL_gdbsx_domstatus, 1), -ENOSYS);
	assert_int_equal(simple(XEN_DOMCTL_assign_device, 1), -EOPNOTSUPP);
	assert_int_equal(simple(XEN_DOMCTL_psr_cmt_op, 1), -ENODEV);
	assert_int_equal(simple(XEN_DOMCTL_set_address_size, 1), -EOPNOTSUPP);
	assert_int_equal(simple(XEN_DOMCTL_get_address_size, 1), -EOPNOTSUPP);
}

static void refuse_create(struct xen_domctl op, int rc)
{
	assert_int_equal(domctl(&op), rc);
}

static void test_create_refused(void **state)
{
	struct xen_domctl op;
	static const struct {
		uint32_t flags;
		int rc;
	} flags[] = { { 0, -EINVAL },	     { 1, -EOPNOTSUPP },    { 2, -EINVAL },	   { 3 | 4, -EINVAL },
		      { 3 | 0x20, -EINVAL }, { 3 | 0x40, -EINVAL }, { 3 | 0x80, -EINVAL }, { 3 | 1u << 20, -EINVAL } };
	static const struct {
		uint32_t emulation;
		int rc;
	} emu[] = { { 0, -EOPNOTSUPP },	    { 3, -EOPNOTSUPP },	    { 0x3ff, -EOPNOTSUPP },
		    { 0x7ff, -EOPNOTSUPP }, { 0x401, -EOPNOTSUPP }, { 0x1801, -EINVAL } };

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		op = create_op(1);
		op.u.createdomain.flags = flags[i].flags;
		refuse_create(op, flags[i].rc);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(emu); i++) {
		op = create_op(1);
		op.u.createdomain.arch.emulation_flags = emu[i].emulation;
		refuse_create(op, emu[i].rc);
	}
	refuse_create(create_op(0), -EINVAL);
	refuse_create(create_op(129), -EINVAL);
	for (uint32_t opts = 0; opts < 20; opts++) {
		op = create_op(1);
		op.u.createdomain.grant_opts = opts;
		if (opts != 1 && opts != 2)
			refuse_create(op, -EINVAL);
	}
	op = create_op(1);
	op.u.createdomain.max_grant_frames = 0;
	refuse_create(op, -EINVAL);
	op.u.createdomain.max_grant_frames = 65;
	refuse_create(op, -EINVAL);
	op = create_op(1);
	op.u.createdomain.max_maptrack_frames = 1025;
	refuse_create(op, -EINVAL);
	op = create_op(1);
	op.u.createdomain.cpupool_id = 7;
	refuse_create(op, -ESRCH);
	op = create_op(1);
	op.u.createdomain.vmtrace_size = 4096;
	refuse_create(op, -EINVAL);
	op = create_op(1);
	op.u.createdomain.iommu_opts = 1;
	refuse_create(op, -EINVAL);
	op = create_op(1);
	op.u.createdomain.arch.misc_flags = 2;
	refuse_create(op, -EINVAL);
	op = create_op(1);
	op.domain = 1;
	refuse_create(op, -EEXIST);
}

/* Ids go on from the last one, so that a dead domain's is not soon another's. */
static void test_create(void **state)
{
	struct xen_domctl op = create_op(2);
	struct xen_domctl_getdomaininfo info;
	domid_t first;

	memcpy(op.u.createdomain.handle, "0123456789abcdef", 16);
	op.u.createdomain.ssidref = 99;
	op.u.createdomain.flags |= XEN_DOMCTL_CDF_xs_domain;
	assert_int_equal(domctl(&op), 0);
	first = op.domain;
	info = info_of(first);
	assert_int_equal(info.flags,
			 0xffff0000 | XEN_DOMINF_paused | XEN_DOMINF_hvm_guest | XEN_DOMINF_hap | XEN_DOMINF_xs_domain);
	assert_int_equal(info.domain, first);
	assert_memory_equal(info.handle, "0123456789abcdef", 16);
	assert_int_equal(info.ssidref, 99);
	assert_int_equal(info.max_vcpu_id, XEN_INVALID_MAX_VCPU_ID);
	assert_int_equal(info.nr_online_vcpus, 0);
	assert_int_equal(info.arch_config.emulation_flags, XEN_X86_EMU_LAPIC);
	assert_int_equal(info.gpaddr_bits, 48);
	assert_int_equal(info.tot_pages | info.max_pages | info.outstanding_pages | info.cpupool, 0);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, first), 0);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, first), -ESRCH);
	op = create_op(1);
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(op.domain, first + 1);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, op.domain), 0);
	op = create_op(1);
	op.domain = 300;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(op.domain, 300);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, 300), 0);
}

static bool destroy_new;
static struct domain *in_its_place;

int __real_domain_create(const struct domain_config *cfg, struct domain **out);
int __wrap_domain_create(const struct domain_config *cfg, struct domain **out);

/* Another CPU destroys the new domain at once, and a third one has use for its memory. */
int __wrap_domain_create(const struct domain_config *cfg, struct domain **out)
{
	int rc = __real_domain_create(cfg, out);

	if (rc == 0 && destroy_new) {
		kill_domain(*out);
		in_its_place = xzalloc(struct domain);
	}
	return rc;
}

/* A domain can be found, by its number, before its maker knows that. */
static void test_create_destroyed(void **state)
{
	static const struct domain zero;
	struct xen_domctl op = create_op(1);

	destroy_new = true;
	assert_int_equal(domctl(&op), 0);
	destroy_new = false;
	assert_non_null(in_its_place);
	assert_memory_equal(in_its_place, &zero, sizeof(zero));
	xfree(in_its_place);
	assert_null(domain_get_by_id((domid_t)op.domain));
}

/* As many ports as the toolstack says, be it none. */
static void test_no_ports(void **state)
{
	for (uint32_t max = 0; max < 3; max++) {
		struct xen_domctl op = create_op(1);
		struct evtchn_alloc_unbound a;
		unsigned n = 0;
		long rc;

		op.u.createdomain.max_evtchn_port = max;
		assert_int_equal(domctl(&op), 0);
		do {
			a = (struct evtchn_alloc_unbound){ .dom = (domid_t)op.domain };
			rc = call_arg(tools->vcpu[0], HC_event_channel_op, EVTCHNOP_alloc_unbound, &a, sizeof(a));
		} while (rc == 0 && ++n < 10);
		assert_int_equal(rc, -ENOSPC);
		assert_int_equal(n, max);
	}
}

static void test_max_vcpus(void **state)
{
	struct xen_domctl op = create_op(3);
	struct domain *d;

	assert_int_equal(domctl(&op), 0);
	op = domctl_of(XEN_DOMCTL_max_vcpus, op.domain);
	for (uint32_t n = 0; n < 6; n++) {
		op.u.max_vcpus.max = n;
		assert_int_equal(domctl(&op), n == 3 ? 0 : -EINVAL);
	}
	op.u.max_vcpus.max = 3;
	assert_int_equal(domctl(&op), 0);
	d = domain_get_by_id(op.domain);
	assert_non_null(d->vcpu[2]);
	assert_int_equal(info_of(d->id).max_vcpu_id, 2);
	domain_put(d);
	kill_domain(d);
}

static void test_pause(void **state)
{
	struct domain *d = create(1);

	assert_false(d->creation_finished);
	assert_int_equal(simple(XEN_DOMCTL_pausedomain, d->id), 0);
	assert_int_equal(simple(XEN_DOMCTL_unpausedomain, d->id), 0);
	assert_false(d->creation_finished);
	assert_int_equal(simple(XEN_DOMCTL_unpausedomain, d->id), 0);
	assert_true(d->creation_finished);
	assert_int_equal(d->pause_count, 0);
	assert_int_equal(simple(XEN_DOMCTL_unpausedomain, d->id), -EINVAL);
	for (unsigned i = 0; i < 255; i++)
		assert_int_equal(simple(XEN_DOMCTL_pausedomain, d->id), 0);
	assert_int_equal(simple(XEN_DOMCTL_pausedomain, d->id), -EOVERFLOW);
	assert_int_equal(d->pause_count, 255);
	kill_domain(d);
}

/* Someone else is at it: the call comes back, and is then done. */
static void test_busy(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_setdomainhandle, 1);
	struct vcpu *v = tools->vcpu[0];
	bool again = false;

	memcpy(gpa_ptr(tools, ARG), &op, sizeof(op));
	plain->control.busy = true;
	v->hc.nr = HC_domctl;
	v->hc.args[0] = ARG;
	(void)hypercall_dispatch(v, &again);
	assert_true(again);
	plain->control.busy = false;
	assert_int_equal(hypercall_dispatch(v, &again), 0);
	assert_false(again);
	assert_false(plain->control.busy);
}

static void test_destroy_zombie(void **state)
{
	struct domain *d = create(1);
	domid_t id = d->id;
	struct frame *f;

	assert_int_equal(p2m_populate(d, gfn(0), 0, 0), -ENOMEM); /* max_mem was never set */
	d->max_pages = 8;
	assert_int_equal(p2m_populate(d, gfn(0), 0, 0), 0);
	f = p2m_get_frame(d, gfn(0), true);
	assert_non_null(f);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, id), 0);
	/* Somebody still uses a page: the id stays taken. */
	assert_true(info_of(id).flags & XEN_DOMINF_dying);
	assert_int_equal(info_of(id).tot_pages, 1);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, id), 0);
	frame_put(f);
	assert_int_equal(simple(XEN_DOMCTL_getdomaininfo, id), -ESRCH);
}

/* A toolstack hears of a domain's end twice: when nothing of it runs, and when the last page others used is gone. */
static void test_end_told_twice(void **state)
{
	evtchn_port_t port = bind_virq(tools, VIRQ_DOM_EXC);
	struct domain *d = create(1);
	domid_t id = d->id;
	struct frame *f;

	d->max_pages = 8;
	assert_int_equal(p2m_populate(d, gfn(0), 0, 0), 0);
	f = p2m_get_frame(d, gfn(0), true);
	assert_non_null(f);
	host_run_softirqs(0);
	assert_false(take_event(tools, port));
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, id), 0);
	host_run_softirqs(0);
	assert_true(take_event(tools, port));
	host_run_softirqs(0);
	assert_false(take_event(tools, port));
	frame_put(f);
	host_run_softirqs(0);
	assert_true(take_event(tools, port));
	assert_int_equal(simple(XEN_DOMCTL_getdomaininfo, id), -ESRCH);
}

/* The end of a domain is told to who asked for it, once that one exists. */
static void test_virq_handler(void **state)
{
	static const struct {
		uint32_t virq;
		int rc;
	} cases[] = { { 0, -EINVAL },  { 1, -EINVAL },	 { 7, -EINVAL }, { 13, -EINVAL },
		      { 24, -EINVAL }, { ~0u, -EINVAL }, { 3, 0 } };
	struct domain *d = create(1);
	struct xen_domctl op;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		op = domctl_of(XEN_DOMCTL_set_virq_handler, 1);
		op.u.set_virq_handler.virq = cases[i].virq;
		assert_int_equal(domctl(&op), cases[i].rc);
	}
	kill_domain(d);
	/* Back to the control domain, by its own wish or when the handler dies. */
	op = domctl_of(XEN_DOMCTL_set_virq_handler, 0);
	op.u.set_virq_handler.virq = 3;
	assert_int_equal(domctl(&op), 0);
}

/* Who comes after a dead handler, and has its number, has not asked for anything. */
static void test_virq_handler_dies(void **state)
{
	evtchn_port_t port = bind_virq(tools, VIRQ_DOM_EXC), stranger;
	struct domain *d = create(1), *next;
	struct xen_domctl op = domctl_of(XEN_DOMCTL_set_virq_handler, d->id);
	domid_t id = d->id;

	op.u.set_virq_handler.virq = VIRQ_DOM_EXC;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, id), 0);
	host_run_softirqs(0);
	(void)take_event(tools, port);
	next = host_domain(id, 1, 16, 0);
	stranger = bind_virq(next, VIRQ_DOM_EXC);
	assert_int_equal(simple(XEN_DOMCTL_destroydomain, 1), 0);
	host_run_softirqs(0);
	assert_true(take_event(tools, port));
	assert_false(take_event(next, stranger));
}

static void test_tsc(void **state)
{
	for (uint32_t mode = 0; mode < 6; mode++) {
		struct xen_domctl op = domctl_of(XEN_DOMCTL_settscinfo, 1);

		op.u.tsc_info.tsc_mode = mode;
		op.u.tsc_info.elapsed_nsec = 5000;
		op.u.tsc_info.incarnation = 3;
		assert_int_equal(domctl(&op), mode <= 2 ? 0 : -EINVAL);
		host_advance(1000);
		op = domctl_of(XEN_DOMCTL_gettscinfo, 1);
		assert_int_equal(domctl(&op), 0);
		assert_int_equal(op.u.tsc_info.tsc_mode, mode <= 2 ? mode : 2);
		assert_int_equal(op.u.tsc_info.incarnation, 4);
		assert_int_equal(op.u.tsc_info.elapsed_nsec, mode < 2 ? 6000 : 0);
		assert_int_equal(op.u.tsc_info.gtsc_khz, mode < 2 ? 2000000 : 0);
	}
	assert_int_equal(simple(XEN_DOMCTL_settscinfo, 0), -EINVAL);
	assert_int_equal(simple(XEN_DOMCTL_gettscinfo, 0), -EINVAL);
}

static void test_trigger(void **state)
{
	static const int answers[] = { 0, -ENOSYS, -ENOSYS, 0, 0, -ENOSYS };
	struct xen_domctl op = domctl_of(XEN_DOMCTL_sendtrigger, 1);

	for (uint32_t t = 0; t < ARRAY_SIZE(answers); t++) {
		op.u.sendtrigger.trigger = t;
		op.u.sendtrigger.vcpu = 1;
		assert_int_equal(domctl(&op), answers[t]);
	}
	assert_int_equal(plain->vcpu[1]->arch.nmis, 1);
	op.u.sendtrigger.vcpu = 2;
	assert_int_equal(domctl(&op), -ESRCH);
}

static void test_handle_and_time(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_setdomainhandle, 1);

	memset(op.u.setdomainhandle.handle, 0x5a, 16);
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(info_of(1).handle[15], 0x5a);
	op = domctl_of(XEN_DOMCTL_settimeoffset, 1);
	op.u.settimeoffset.time_offset_seconds = -3600;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal((int64_t)plain->wallclock_offset.sec, -3600);
	assert_int_equal(simple(XEN_DOMCTL_settimeoffset, 0), 0);
}

static void test_resume(void **state)
{
	struct domain *d = create(1);

	assert_int_equal(simple(XEN_DOMCTL_resumedomain, d->id), 0);
	domain_shutdown(d, SHUTDOWN_SUSPEND);
	assert_int_equal(info_of(d->id).flags & ~0xffffu, 2u << 16);
	assert_true(info_of(d->id).flags & XEN_DOMINF_shutdown);
	assert_int_equal(simple(XEN_DOMCTL_resumedomain, d->id), 0);
	assert_false(info_of(d->id).flags & XEN_DOMINF_shutdown);
	assert_int_equal(info_of(d->id).flags >> 16, 0xffff);
	assert_int_equal(simple(XEN_DOMCTL_resumedomain, 0), -EINVAL);
	kill_domain(d);
}

static void test_hypercall_page(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_hypercall_init, 1);

	op.u.hypercall_init.gmfn = 6;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(*(uint8_t *)gpa_ptr(plain, 6 * PAGE_SIZE), 0xcc);
	op.u.hypercall_init.gmfn = 100;
	assert_int_equal(domctl(&op), -EINVAL);
	op.u.hypercall_init.gmfn = ~0UL;
	assert_int_equal(domctl(&op), -EINVAL);
}

static long permission(uint32_t cmd, uint64_t first, uint64_t nr, bool allow)
{
	struct xen_domctl op = domctl_of(cmd, 1);

	if (cmd == XEN_DOMCTL_irq_permission)
		op.u.irq_permission = (struct xen_domctl_irq_permission){ (uint32_t)first, allow, { 0 } };
	else if (cmd == XEN_DOMCTL_iomem_permission)
		op.u.iomem_permission = (struct xen_domctl_iomem_permission){ first, nr, allow };
	else
		op.u.ioport_permission = (struct xen_domctl_ioport_permission){ (uint32_t)first, (uint32_t)nr, allow };
	return domctl(&op);
}

static unsigned unlocked; /* looks at a domain's ranges, or changes, without that domain's lock */

static void look(const struct rangeset *r)
{
	const struct domain *const all[] = { tools, plain };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		if ((const char *)r >= (const char *)all[i] && (const char *)r < (const char *)(all[i] + 1))
			unlocked += !spin_is_mine(&all[i]->lock);
}

bool __real_rangeset_contains(const struct rangeset *r, uint64_t s, uint64_t e);
bool __wrap_rangeset_contains(const struct rangeset *r, uint64_t s, uint64_t e);
int __real_rangeset_add(struct rangeset *r, uint64_t s, uint64_t e);
int __wrap_rangeset_add(struct rangeset *r, uint64_t s, uint64_t e);
int __real_rangeset_remove(struct rangeset *r, uint64_t s, uint64_t e);
int __wrap_rangeset_remove(struct rangeset *r, uint64_t s, uint64_t e);

bool __wrap_rangeset_contains(const struct rangeset *r, uint64_t s, uint64_t e)
{
	look(r);
	return __real_rangeset_contains(r, s, e);
}

int __wrap_rangeset_add(struct rangeset *r, uint64_t s, uint64_t e)
{
	look(r);
	return __real_rangeset_add(r, s, e);
}

int __wrap_rangeset_remove(struct rangeset *r, uint64_t s, uint64_t e)
{
	look(r);
	return __real_rangeset_remove(r, s, e);
}

/* One toolstack takes from another one's domain what that one passes on just then: neither may see a range that is being freed. */
static void test_permissions_race(void **state)
{
	struct domain *second = plain;
	struct xen_domctl op = domctl_of(XEN_DOMCTL_ioport_permission, second->id);

	second->roles = ROLE_CONTROL;
	op.u.ioport_permission.first_port = 0x300;
	op.u.ioport_permission.nr_ports = 8;
	op.u.ioport_permission.allow_access = 1;
	unlocked = 0;
	assert_int_equal(domctl(&op), 0);
	op.domain = tools->id;
	assert_int_equal(control_as(second, HC_domctl, &op, sizeof(op)), 0);
	op.domain = second->id;
	op.u.ioport_permission.allow_access = 0;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(unlocked, 0);
}

static void test_permissions(void **state)
{
	const uint32_t irq = XEN_DOMCTL_irq_permission, mem = XEN_DOMCTL_iomem_permission,
		       port = XEN_DOMCTL_ioport_permission;

	assert_int_equal(permission(irq, 5, 0, true), 0);
	assert_true(rangeset_contains(&plain->control.irqs, 5, 5));
	assert_int_equal(permission(irq, 5, 0, false), 0);
	assert_false(rangeset_contains(&plain->control.irqs, 5, 5));
	assert_int_equal(permission(irq, 100000, 0, true), -EINVAL);
	assert_int_equal(permission(irq, 0, 0, true), -EPERM);
	assert_int_equal(permission(mem, 0xe0000, 16, true), 0);
	assert_true(rangeset_contains(&plain->control.iomem, 0xe0000, 0xe000f));
	assert_int_equal(permission(mem, 0xe0004, 4, false), 0);
	assert_true(rangeset_contains(&plain->control.iomem, 0xe0000, 0xe0003));
	assert_false(rangeset_contains(&plain->control.iomem, 0xe0003, 0xe0004));
	assert_true(rangeset_contains(&plain->control.iomem, 0xe0008, 0xe000f));
	assert_int_equal(permission(mem, 0xfee00, 1, true), -EPERM);
	assert_int_equal(permission(mem, ~0UL, 16, true), -EINVAL);
	assert_int_equal(permission(mem, 5, 0, true), -EINVAL);
	assert_int_equal(permission(port, 0x300, 16, true), 0);
	assert_int_equal(permission(port, 0xfff8, 16, true), -EINVAL);
	assert_int_equal(permission(port, 0x300, 0, true), -EINVAL);
	assert_int_equal(permission(port, 0x1f, 4, true), -EPERM);
	/* What the toolstack's domain does not have itself it cannot pass on. */
	tools->roles &= ~ROLE_HARDWARE;
	assert_int_equal(permission(port, 0x300, 16, true), -EPERM);
	assert_int_equal(rangeset_add(&tools->control.ioports, 0x300, 0x30f), 0);
	assert_int_equal(permission(port, 0x300, 16, true), 0);
	assert_int_equal(permission(port, 0x300, 17, true), -EPERM);
}

/* CPU policy: libxl reads it, changes it and sends it back, before the domain ever runs. */
static void test_policy(void **state)
{
	struct domain *d = create(2);
	struct xen_domctl op = domctl_of(XEN_DOMCTL_get_cpu_policy, d->id);
	struct xen_domctl_cpu_policy *p = &op.u.cpu_policy;
	struct policy_leaf *leaves = gpa_ptr(tools, BUF);
	uint32_t nr, nr_msrs;

	assert_int_equal(domctl(&op), 0);
	assert_int_equal(p->nr_leaves, POLICY_MAX_LEAVES);
	assert_int_equal(p->nr_msrs, POLICY_MAX_MSRS);
	p->leaves = BUF;
	p->msrs = BUF2;
	assert_int_equal(domctl(&op), 0);
	nr = p->nr_leaves;
	nr_msrs = p->nr_msrs;
	assert_true(nr > 40 && nr < POLICY_MAX_LEAVES);
	assert_int_equal(leaves[0].a, 0xd);
	p->nr_leaves = nr - 1;
	assert_int_equal(domctl(&op), -ENOBUFS);
	assert_int_equal(p->nr_leaves, nr - 1);
	p->nr_leaves = nr;
	p->leaves = 0x100000;
	assert_int_equal(domctl(&op), -EFAULT);

	op = domctl_of(XEN_DOMCTL_set_cpu_policy, d->id);
	*p = (struct xen_domctl_cpu_policy){ nr, nr_msrs, BUF, BUF2, 7, 7, 7 };
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(p->err_leaf, 7);
	leaves[1].leaf = 0x12345;
	assert_int_equal(domctl(&op), -ERANGE);
	assert_int_equal(p->err_leaf, 0x12345);
	assert_int_equal(p->err_subleaf, ~0u);
	assert_int_equal(p->err_msr, ~0u);
	leaves[1].leaf = 1;
	leaves[1].c &= ~(1u << 25); /* AES */
	assert_int_equal(domctl(&op), 0);
	assert_false(policy_has(d->arch.policy, FEAT_AES));
	p->nr_leaves = POLICY_MAX_LEAVES + 1;
	assert_int_equal(domctl(&op), -E2BIG);
	p->nr_leaves = nr;
	p->leaves = 0;
	p->nr_msrs = 0;
	p->leaves = 0x100000;
	assert_int_equal(domctl(&op), -EFAULT);
	assert_int_equal(simple(XEN_DOMCTL_unpausedomain, d->id), 0);
	assert_int_equal(domctl(&op), -EEXIST);
	assert_int_equal(simple(XEN_DOMCTL_set_cpu_policy, 0), -EINVAL);
	kill_domain(d);
}

/* The device model's call: enough to say that there is none. */
static void test_dm_op(void **state)
{
	struct {
		uint64_t gva, size;
	} *buf = gpa_ptr(tools, BUF);
	uint32_t *op = gpa_ptr(tools, BUF2);
	struct vcpu *v = tools->vcpu[0];

	assert_int_equal(host_hypercall(v, HC_dm_op, 1, 0, 0, 0, 0), -ENODATA);
	assert_int_equal(host_hypercall(v, HC_dm_op, 1, 4, BUF, 0, 0), -E2BIG);
	assert_int_equal(host_hypercall(v, HC_dm_op, 1, 1, 0x100000, 0, 0), -EFAULT);
	buf->gva = BUF2;
	buf->size = 64;
	op[0] = 99;
	op[1] = 0;
	assert_int_equal(host_hypercall(v, HC_dm_op, 1, 1, BUF, 0, 0), -EOPNOTSUPP);
	op[0] = 20;
	assert_int_equal(host_hypercall(v, HC_dm_op, 1, 1, BUF, 0, 0), 0);
	assert_int_equal(op[2], 2);
	assert_int_equal(host_hypercall(v, HC_dm_op, 0, 1, BUF, 0, 0), -EPERM);
	assert_int_equal(host_hypercall(v, HC_dm_op, DOMID_SELF, 1, BUF, 0, 0), -ESRCH);
	assert_int_equal(host_hypercall(v, HC_dm_op, 77, 1, BUF, 0, 0), -ESRCH);
	op[1] = 1;
	assert_int_equal(host_hypercall(v, HC_dm_op, 1, 1, BUF, 0, 0), -EINVAL);
	op[1] = 0;
	buf->size = 8;
	assert_int_equal(host_hypercall(v, HC_dm_op, 1, 1, BUF, 0, 0), -EFAULT);
	memcpy(gpa_ptr(plain, BUF), buf, sizeof(*buf));
	memcpy(gpa_ptr(plain, BUF2), op, 64);
	assert_int_equal(host_hypercall(plain->vcpu[0], HC_dm_op, 0, 1, BUF, 0, 0), -EPERM);
}

/* Creating fails at each allocation in turn and leaves nothing behind. */
static void test_out_of_memory(void **state)
{
	uint64_t heap = heap_bytes_used();

	for (uint64_t left = 0; left < 40; left++) {
		struct xen_domctl op = create_op(1);
		long rc;

		host_take_memory(left);
		rc = domctl(&op);
		host_give_back();
		if (rc == 0)
			assert_int_equal(simple(XEN_DOMCTL_destroydomain, op.domain), 0);
		else
			assert_int_equal(rc, -ENOMEM);
		assert_int_equal(heap_bytes_used(), heap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nobody_else, control_setup),
		cmocka_unit_test_setup(test_store_role, control_setup),
		cmocka_unit_test_setup(test_objects, control_setup),
		cmocka_unit_test_setup(test_create_refused, control_setup),
		cmocka_unit_test_setup(test_create, control_setup),
		cmocka_unit_test_setup(test_create_destroyed, control_setup),
		cmocka_unit_test_setup(test_no_ports, control_setup),
		cmocka_unit_test_setup(test_max_vcpus, control_setup),
		cmocka_unit_test_setup(test_pause, control_setup),
		cmocka_unit_test_setup(test_busy, control_setup),
		cmocka_unit_test_setup(test_destroy_zombie, control_setup),
		cmocka_unit_test_setup(test_end_told_twice, control_setup),
		cmocka_unit_test_setup(test_virq_handler, control_setup),
		cmocka_unit_test_setup(test_virq_handler_dies, control_setup),
		cmocka_unit_test_setup(test_tsc, control_setup),
		cmocka_unit_test_setup(test_trigger, control_setup),
		cmocka_unit_test_setup(test_handle_and_time, control_setup),
		cmocka_unit_test_setup(test_resume, control_setup),
		cmocka_unit_test_setup(test_hypercall_page, control_setup),
		cmocka_unit_test_setup(test_permissions, control_setup),
		cmocka_unit_test_setup(test_permissions_race, control_setup),
		cmocka_unit_test_setup(test_policy, control_setup),
		cmocka_unit_test_setup(test_dm_op, control_setup),
		cmocka_unit_test_setup(test_out_of_memory, control_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
