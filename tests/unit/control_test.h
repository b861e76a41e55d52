/* For tests of control operations: a toolstack's domain, an ordinary one, and calls by the one or the other. */
#ifndef CONTROL_TEST_H
#define CONTROL_TEST_H

#include "guest_test.h"

#include "abi/event_channel.h"
#include "abi/hvm_save.h"
#include "abi/sysctl.h"
#include "abi/xen.h"

#define BUF 0x4000UL  /* four pages for buffers of operations */
#define BUF2 0x8000UL /* four more */

static struct domain *tools, *plain;

static struct xen_domctl domctl_of(uint32_t cmd, domid_t id)
{
	return (struct xen_domctl){ .cmd = cmd, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = id };
}

static inline struct xen_sysctl sysctl_of(uint32_t cmd)
{
	return (struct xen_sysctl){ .cmd = cmd, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
}

/* Hypercall @nr of @d with @op as its structure, fetched back. */
static long control_as(struct domain *d, unsigned nr, void *op, size_t size)
{
	long rc;

	memcpy(gpa_ptr(d, ARG), op, size);
	rc = host_hypercall(d->vcpu[0], nr, ARG, 0, 0, 0, 0);
	memcpy(op, gpa_ptr(d, ARG), size);
	return rc;
}

static long domctl(struct xen_domctl *op)
{
	return control_as(tools, HC_domctl, op, sizeof(*op));
}

static inline long sysctl(struct xen_sysctl *op)
{
	return control_as(tools, HC_sysctl, op, sizeof(*op));
}

/* An operation that has no argument. */
static inline long simple(uint32_t cmd, domid_t id)
{
	struct xen_domctl op = domctl_of(cmd, id);

	return domctl(&op);
}

static inline struct xen_domctl_getdomaininfo info_of(domid_t id)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_getdomaininfo, id);

	assert_int_equal(domctl(&op), 0);
	return op.u.getdomaininfo;
}

/* A port of @d for a global virtual interrupt, unmasked. */
static inline evtchn_port_t bind_virq(struct domain *d, uint32_t virq)
{
	struct evtchn_bind_virq b = { .virq = virq };

	memcpy(gpa_ptr(d, ARG), &b, sizeof(b));
	assert_int_equal(host_hypercall(d->vcpu[0], HC_event_channel_op, EVTCHNOP_bind_virq, ARG, 0, 0, 0), 0);
	memcpy(&b, gpa_ptr(d, ARG), sizeof(b));
	return b.port;
}

/* Has an event come at @port of @d, which is then taken? */
static inline bool take_event(struct domain *d, evtchn_port_t port)
{
	struct shared_info *shared = d->shared_info;
	uint64_t *pending = shared->evtchn_pending;
	unsigned long bit = 1UL << port % 64;
	bool come = pending[port / 64] & bit;

	pending[port / 64] &= ~bit;
	return come;
}

/* What a toolstack asks for a PVH domain. */
static inline struct xen_domctl create_op(unsigned vcpus)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_createdomain, 0);

	op.u.createdomain.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
	op.u.createdomain.max_vcpus = vcpus;
	op.u.createdomain.max_evtchn_port = 1023;
	op.u.createdomain.max_grant_frames = -1;
	op.u.createdomain.max_maptrack_frames = -1;
	op.u.createdomain.grant_opts = 1;
	op.u.createdomain.arch.emulation_flags = XEN_X86_EMU_LAPIC;
	return op;
}

static inline struct domain *create(unsigned vcpus)
{
	struct xen_domctl op = create_op(vcpus);
	struct domain *d;

	assert_int_equal(domctl(&op), 0);
	assert_int_not_equal(op.domain, 0);
	op = domctl_of(XEN_DOMCTL_max_vcpus, op.domain);
	op.u.max_vcpus.max = vcpus;
	assert_int_equal(domctl(&op), 0);
	d = domain_get_by_id(op.domain);
	assert_non_null(d);
	domain_put(d);
	return d;
}

static int control_setup(void **state)
{
	host_machine(RAM, 4);
	host_set_time(MILLISECS(1));
	tools = host_domain(0, 1, 64, ROLE_ALL);
	plain = host_domain(1, 2, 32, 0);
	host_log();
	return 0;
}

#endif
