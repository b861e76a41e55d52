/* Control: a domain's life and what there is to know of it. */
#include "control.h"
#include "hv/arch.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/hypercall.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"

#define PAUSE_MAX 255u /* pauses a toolstack may pile up */

/* Flags this build can honour. No PV guests, nested virtualisation, performance counters or trusted boot. */
#define FLAGS_KNOWN 0xffu
#define FLAGS_MEANINGFUL (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off | XEN_DOMCTL_CDF_xs_domain)

/* -EINVAL or -EOPNOTSUPP as Xen tells what it does not understand from what it cannot do. */
static int create_check(const struct xen_domctl_createdomain *cd)
{
	uint32_t emu = cd->arch.emulation_flags, version = cd->grant_opts & XEN_DOMCTL_GRANT_version_mask;

	if (cd->flags & ~FLAGS_KNOWN || cd->iommu_opts || cd->vmtrace_size)
		return err(-EINVAL);
	if (!(cd->flags & XEN_DOMCTL_CDF_hvm))
		return err(-EINVAL);
	if (cd->max_vcpus == 0 || cd->max_vcpus > DOMAIN_MAX_VCPUS)
		return err(-EINVAL);
	if (!(cd->flags & XEN_DOMCTL_CDF_hap))
		return err(-EOPNOTSUPP);
	if (cd->flags & ~FLAGS_MEANINGFUL)
		return err(-EINVAL);
	if (cd->grant_opts & ~XEN_DOMCTL_GRANT_version_mask || version < 1 || version > grant_max_version_allowed())
		return err(-EINVAL);
	if (cd->max_grant_frames == 0 || cd->max_grant_frames > (int64_t)grant_default_frames() ||
	    cd->max_maptrack_frames > (int64_t)grant_default_maptrack_frames())
		return err(-EINVAL);
	if (emu & ~XEN_X86_EMU_ALL || cd->arch.misc_flags & ~XEN_X86_MSR_RELAXED)
		return err(-EINVAL);
	return emu == XEN_X86_EMU_LAPIC ? 0 : err(-EOPNOTSUPP);
}

/* A domain without vCPUs and memory, paused by its maker. */
long domctl_create(struct domctl *c)
{
	const struct xen_domctl_createdomain *cd = &c->op.u.createdomain;
	struct domain_config cfg = { .domid = c->op.domain, .max_vcpus = cd->max_vcpus };
	struct domain *d;
	int rc = create_check(cd);

	if (rc)
		return rc;
	if (cfg.domid == 0 || cfg.domid >= DOMID_FIRST_RESERVED)
		cfg.domid = DOMID_INVALID;
	if (cd->flags & XEN_DOMCTL_CDF_xs_domain)
		cfg.roles |= ROLE_XENSTORE;
	memcpy(cfg.handle, cd->handle, sizeof(cfg.handle));
	cfg.max_evtchn_port = (unsigned)min_u64(cd->max_evtchn_port, INT32_MAX);
	cfg.no_ports = cd->max_evtchn_port == 0;
	cfg.grants = (struct grant_limits){
		.frames = cd->max_grant_frames < 0 ? 0 : (unsigned)cd->max_grant_frames,
		.maptrack_frames = cd->max_maptrack_frames < 0 ? 0 : (unsigned)cd->max_maptrack_frames,
		.max_version = cd->grant_opts & XEN_DOMCTL_GRANT_version_mask,
		.no_maptrack = cd->max_maptrack_frames == 0,
	};
	cfg.cpupool = cd->cpupool_id;
	cfg.hold = true;
	rc = domain_create(&cfg, &d);
	if (rc)
		return rc;
	d->control.flags = cd->flags;
	d->control.emulation_flags = cd->arch.emulation_flags;
	d->control.misc_flags = cd->arch.misc_flags;
	d->control.ssidref = cd->ssidref;
	c->op.domain = d->id;
	c->copyback = true;
	domain_put(d);
	return 0;
}

/* Runs until all is given back, in slices. What others still hold of the domain keeps its id. */
long domctl_destroy(struct domctl *c)
{
	return domain_kill(c->d) == -ERESTART ? hypercall_again(c->v) : 0;
}

/* The vCPUs are off their CPUs when this returns. -EOVERFLOW after too many. */
long domctl_pause(struct domctl *c)
{
	struct domain *d = c->d;
	int rc = domain_pause_for(d, c->v);

	if (rc)
		return hypercall_again(c->v);
	spin_lock(&d->lock);
	if (d->controller_pause_count >= PAUSE_MAX)
		rc = err(-EOVERFLOW);
	else
		d->controller_pause_count++;
	spin_unlock(&d->lock);
	if (rc)
		domain_unpause(d);
	return rc;
}

/* -EINVAL when no toolstack holds it paused. The first time, creation is over. */
long domctl_unpause(struct domctl *c)
{
	struct domain *d = c->d;
	int rc = 0;

	spin_lock(&d->lock);
	if (d->controller_pause_count == 0)
		rc = err(-EINVAL);
	else if (--d->controller_pause_count == 0)
		d->creation_finished = true;
	spin_unlock(&d->lock);
	if (rc == 0)
		domain_unpause(d);
	return rc;
}

/* State and times of the vCPUs of @d. */
static void fill_vcpus(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
	uint32_t flags = XEN_DOMINF_blocked;

	info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = __atomic_load_n(&d->vcpu[i], __ATOMIC_ACQUIRE);
		enum runstate state;
		uint64_t times[4];
		stime_t entry;
		unsigned why;

		if (!v)
			continue;
		vcpu_runstate_get(v, &state, &entry, times);
		info->cpu_time += times[RUNSTATE_RUNNING];
		info->max_vcpu_id = i;
		why = __atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE);
		if (why & VPF_DOWN)
			continue;
		info->nr_online_vcpus++;
		if (!(why & VPF_BLOCKED))
			flags &= ~XEN_DOMINF_blocked;
		if (state == RUNSTATE_RUNNING)
			flags |= XEN_DOMINF_running;
	}
	if (info->nr_online_vcpus)
		info->flags |= flags;
}

/* See control.h. A translated guest's shared page has a frame number only where the guest put it, which nobody asks for. */
void domctl_fill_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
	uint64_t pod;
	uint32_t code;

	memset(info, 0, sizeof(*info));
	info->domain = d->id;
	fill_vcpus(d, info);
	spin_lock(&d->lock);
	code = d->shutting_down ? (uint32_t)d->shutdown_code : ~0u;
	info->flags |= (d->dead ? XEN_DOMINF_dying : 0) | (d->is_shut_down ? XEN_DOMINF_shutdown : 0) |
		       (d->controller_pause_count ? XEN_DOMINF_paused : 0) | XEN_DOMINF_hvm_guest | XEN_DOMINF_hap |
		       (domain_has_role(d, ROLE_XENSTORE) && d->control.flags & XEN_DOMCTL_CDF_xs_domain ?
				XEN_DOMINF_xs_domain :
				0) |
		       code << XEN_DOMINF_shutdownshift;
	memcpy(info->handle, d->handle, sizeof(info->handle));
	spin_unlock(&d->lock);
	pod = read_once(d->pod_cache); /* counts as had, as the domain may take it at any time */
	info->tot_pages = read_once(d->tot_pages) + pod;
	info->max_pages = read_once(d->max_pages);
	info->outstanding_pages = max_u64(read_once(d->claim), pod) - pod;
	info->shared_info_frame = ~0UL;
	info->ssidref = d->control.ssidref;
	info->cpupool = domain_cpupool(d);
	info->gpaddr_bits = arch_guest_paddr_bits(d);
	info->arch_config.emulation_flags = d->control.emulation_flags;
	info->arch_config.misc_flags = d->control.misc_flags;
}

/* The first domain from the id asked for on, which is told. */
long domctl_info(struct domctl *c)
{
	c->op.domain = c->d->id;
	domctl_fill_info(c->d, &c->op.u.getdomaininfo);
	c->copyback = true;
	return 0;
}

/* Make the vCPUs the domain was created for: the number is only confirmed. -EINVAL, -ENOMEM. */
long domctl_max_vcpus(struct domctl *c)
{
	struct domain *d = c->d;
	int rc = 0;

	if (c->op.u.max_vcpus.max != d->max_vcpus)
		return err(-EINVAL);
	for (unsigned i = 0; i < d->max_vcpus && rc == 0; i++) {
		if (d->vcpu[i])
			continue;
		rc = vcpu_create(d, i);
		if (i + 1 < d->max_vcpus && rc == 0 && hypercall_preempt_check())
			return hypercall_again(c->v);
	}
	return rc;
}

/* A shut-down domain runs on; of one that is not shut down nothing is asked. */
long domctl_resume(struct domctl *c)
{
	int rc = domain_resume(c->d);

	return rc == -EINVAL ? 0 : rc;
}

/* The UUID a toolstack knows it by. */
long domctl_set_handle(struct domctl *c)
{
	spin_lock(&c->d->lock);
	memcpy(c->d->handle, c->op.u.setdomainhandle.handle, sizeof(c->d->handle));
	spin_unlock(&c->d->lock);
	return 0;
}

/* Seconds its wall clock is ahead of the machine's, or behind. */
long domctl_time_offset(struct domctl *c)
{
	c->d->wallclock_offset.sec = (uint64_t)c->op.u.settimeoffset.time_offset_seconds;
	wallclock_publish(c->d);
	return 0;
}

/* A global virtual interrupt goes to this domain instead of the control domains. -EINVAL. */
long domctl_set_virq_handler(struct domctl *c)
{
	return domain_set_virq_handler(c->d, c->op.u.set_virq_handler.virq);
}
