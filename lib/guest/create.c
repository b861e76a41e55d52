/* An empty domain: its limits, vCPUs, where they run, what they see of the processor. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/domctl.h"
#include "abi/hospes.h"
#include "abi/sysctl.h"
#include "guest/domain.h"

#define DEFAULT_PORTS 1023u /* as libxl */
#define MAXMEM_SLACK 1024u  /* KiB above its memory for special pages and tables, as libxl */
#define CPUPOOL_OP_INFO 3

#define HVM_VCPUS_MAX 128u /* of a domain with hardware's help, on Xen and here */

static unsigned max_vcpus(const struct domain_config *c)
{
	return c->maxvcpus > c->vcpus ? c->maxvcpus : c->vcpus;
}

static uint64_t max_memory(const struct domain_config *c)
{
	return c->maxmem > c->memory ? c->maxmem : c->memory;
}

/* With the newest version of grant tables, as libxl asks for, or the one before; unless the configuration says which. */
static int create_with_grants(struct builder *g, struct xen_domctl *op)
{
	int32_t version = g->c->max_grant_version;
	int rc;

	op->u.createdomain.grant_opts = (version >= 0 ? (uint32_t)version : 2) & XEN_DOMCTL_GRANT_version_mask;
	rc = hcall_domctl(g->h, op);
	if (rc != -EINVAL || version >= 0)
		return rc;
	op->u.createdomain.grant_opts = 1;
	return hcall_domctl(g->h, op);
}

/* The hypervisor does not say what it minds: look at what it checks when a domain is made. */
static int explain_refusal(struct builder *g, int rc)
{
	const struct domain_config *c = g->c;

	if (rc == -EINVAL && max_vcpus(c) > HVM_VCPUS_MAX)
		return problem_set(g->p, EINVAL, "bad-value", g->step, "set vcpus = and maxvcpus = to 128 or less",
				   "%u virtual CPUs are more than a PVH domain can have, which is %u", max_vcpus(c),
				   HVM_VCPUS_MAX);
	if (rc == -EINVAL && c->max_grant_version > 2)
		return problem_set(g->p, EINVAL, "bad-value", g->step, "set max_grant_version = to 1 or 2",
				   "there is no version %d of grant tables", c->max_grant_version);
	if ((rc == -EINVAL || rc == -EOPNOTSUPP) && c->nestedhvm)
		return problem_set(g->p, ENOTSUP, "not-supported", g->step, "take nestedhvm = out of the configuration",
				   "this hypervisor does not let a domain run domains of its own");
	return builder_refused(g, "to make a domain (vCPUs, limits and CPU pool are checked then)", rc);
}

static int create(struct builder *g)
{
	const struct domain_config *c = g->c;
	struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain, .domain = (domid_t)g->b->domid };
	struct xen_domctl_createdomain *cd = &op.u.createdomain;
	int rc;

	memcpy(cd->handle, c->uuid, sizeof(cd->handle));
	cd->flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
	if (c->nestedhvm)
		cd->flags |= XEN_DOMCTL_CDF_nested_virt;
	if (c->vpmu)
		cd->flags |= XEN_DOMCTL_CDF_vpmu;
	cd->max_vcpus = max_vcpus(c);
	/* 0, which libxl takes for the default, would leave none even for the store. */
	cd->max_evtchn_port =
		c->max_event_channels == UINT32_MAX || !c->max_event_channels ? DEFAULT_PORTS : c->max_event_channels;
	cd->max_grant_frames = c->max_grant_frames == UINT32_MAX ? -1 : (int32_t)c->max_grant_frames;
	cd->max_maptrack_frames = c->max_maptrack_frames == UINT32_MAX ? -1 : (int32_t)c->max_maptrack_frames;
	cd->cpupool_id = g->b->cpupool;
	cd->arch.emulation_flags = XEN_X86_EMU_LAPIC;
	rc = create_with_grants(g, &op);
	if (rc == -EEXIST)
		return problem_set(g->p, EEXIST, "domid-taken", g->step, "choose another domain id",
				   "the domain id %u is taken", g->b->domid);
	if (rc == -ENOMEM)
		return problem_set(g->p, ENOMEM, "out-of-memory", g->step,
				   "end a domain that is not needed: xl destroy",
				   "the hypervisor has no memory left to manage one more domain");
	if (rc)
		return explain_refusal(g, rc);
	g->domid = op.domain;
	g->created = true;
	return 0;
}

static int domctl_max_vcpus(struct builder *g)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_max_vcpus, .domain = (domid_t)g->domid };
	int rc;

	op.u.max_vcpus.max = max_vcpus(g->c);
	rc = hcall_domctl(g->h, &op);
	return rc ? builder_refused(g, "its vCPUs", rc) : 0;
}

static int limit_memory(struct builder *g)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = (domid_t)g->domid };
	int rc;

	op.u.max_mem.max_memkb = max_memory(g->c) + MAXMEM_SLACK;
	rc = hcall_domctl(g->h, &op);
	return rc ? builder_refused(g, "its memory limit", rc) : 0;
}

/* What the hypervisor may use for it. One that cannot be told has no such bound. */
static int bound_overhead(struct builder *g)
{
	struct hospes_overhead op = { .domid = (domid_t)g->domid,
				      .flags = HOSPES_OVERHEAD_set,
				      .max = (uint64_t)g->c->overhead_max << 20 };
	int rc;

	if (g->c->overhead_max == UINT32_MAX || !(hcall_features(g->h) & HOSPES_FEATURE_overhead))
		return 0;
	rc = hcall_hospes(g->h, HOSPES_overhead, &op, sizeof(op));
	return rc ? builder_refused(g, "a bound of what the hypervisor uses for it", rc) : 0;
}

/* Memory for its page tables, by libxl's rule: a MiB a vCPU and 8 KiB for each MiB. A hypervisor without such pools does not mind. */
static int size_pool(struct builder *g)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_set_paging_mempool_size, .domain = (domid_t)g->domid };
	uint64_t kib = 4 * (256 * (uint64_t)max_vcpus(g->c) + 2 * (max_memory(g->c) >> 10));
	int rc;

	op.u.paging_mempool.size = kib << 10;
	rc = hcall_domctl(g->h, &op);
	if (rc == 0 || rc == -ENOSYS || rc == -EOPNOTSUPP)
		return 0;
	if (rc == -ENOMEM)
		return problem_set(g->p, ENOMEM, "not-enough-memory", g->step,
				   "give the domain less memory, or free some: xl mem-set, xl destroy",
				   "%llu KiB for its page tables are not free", (unsigned long long)kib);
	return builder_refused(g, "memory for its page tables", rc);
}

/* Where its vCPUs run ---------------------------------------------------------------------------------------------- */

static uint32_t put_mask(uint8_t *to, unsigned room, const struct cpu_list *l, uint32_t flag)
{
	if (l->all) {
		memset(to, 0xff, room);
		return flag;
	}
	if (!l->bits)
		return 0;
	for (unsigned i = 0; i < room * 8 && i < l->nr_bits; i++)
		if (l->bits[i / 8] >> i % 8 & 1)
			to[i / 8] |= (uint8_t)(1u << i % 8);
	return flag;
}

static int pin_vcpu(struct builder *g, unsigned vcpu, const struct vcpu_affinity *a, uint8_t *page)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpuaffinity, .domain = (domid_t)g->domid };
	struct xen_domctl_vcpuaffinity *va = &op.u.vcpuaffinity;
	const unsigned room = GUEST_PAGE / 2;
	int rc;

	memset(page, 0, GUEST_PAGE);
	va->vcpu = vcpu;
	va->flags = put_mask(page, room, &a->hard, XEN_VCPUAFFINITY_HARD);
	va->flags |= put_mask(page + room, room, &a->soft, XEN_VCPUAFFINITY_SOFT);
	va->cpumap_hard = (struct xenctl_bitmap){ hcall_address(g->h, page), room * 8 };
	va->cpumap_soft = (struct xenctl_bitmap){ hcall_address(g->h, page + room), room * 8 };
	if (!va->flags)
		return 0;
	rc = hcall_domctl(g->h, &op);
	if (rc == -EINVAL)
		return problem_set(g->p, EINVAL, "bad-cpus", g->step,
				   "name CPUs that are online and in its pool: xl info, xl cpupool-list -c",
				   "vCPU %u cannot run on the CPUs given for it: none of them is online in its pool",
				   vcpu);
	return rc ? builder_refused(g, "where its vCPUs may run", rc) : 0;
}

static int pin(struct builder *g)
{
	const struct domain_config *c = g->c;
	uint8_t *page;
	int rc = 0;

	if (!c->nr_vcpu_affinity && !c->affinity.hard.bits && !c->affinity.soft.bits && !c->affinity.hard.all &&
	    !c->affinity.soft.all)
		return 0;
	page = hcall_alloc(g->h, GUEST_PAGE);
	if (!page)
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	for (unsigned i = 0; rc == 0 && i < max_vcpus(c); i++)
		rc = pin_vcpu(g, i, i < c->nr_vcpu_affinity ? &c->vcpu_affinity[i] : &c->affinity, page);
	hcall_free(g->h, page, GUEST_PAGE);
	return rc;
}

/* What the scheduler of its pool is called by number. */
static int scheduler_of_pool(struct builder *g, uint32_t *id)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpupool_op };
	int rc;

	op.u.cpupool_op.op = CPUPOOL_OP_INFO;
	op.u.cpupool_op.cpupool_id = g->b->cpupool;
	rc = hcall_sysctl(g->h, &op);
	if (rc)
		return builder_refused(g, "to tell of its CPU pool", rc);
	*id = op.u.cpupool_op.sched_id;
	return 0;
}

static int bad_share(struct builder *g)
{
	return problem_set(g->p, EINVAL, "bad-value", g->step, "weights are 1 to 65535, a cap is per cent of one CPU",
			   "cpu_weight %d or cap %d is not accepted", g->c->weight, g->c->cap);
}

/* Weight and cap, where the scheduler has such; what is not given stays as it is. */
static int schedule(struct builder *g)
{
	const struct domain_config *c = g->c;
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = (domid_t)g->domid };
	struct xen_domctl_scheduler_op *so = &op.u.scheduler_op;
	uint32_t id = 0;
	int rc;

	if (c->weight < 0 && c->cap < 0)
		return 0;
	if (c->weight > UINT16_MAX || c->cap > UINT16_MAX)
		return bad_share(g);
	rc = scheduler_of_pool(g, &id);
	if (rc)
		return rc;
	if (id != XEN_SCHEDULER_CREDIT && id != XEN_SCHEDULER_CREDIT2)
		return problem_set(g->p, EINVAL, "bad-value", g->step,
				   "leave cpu_weight and cap away, or choose another pool",
				   "the scheduler of its CPU pool knows neither weight nor cap");
	so->sched_id = id;
	so->cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	rc = hcall_domctl(g->h, &op);
	if (rc)
		return builder_refused(g, "to tell its weight", rc);
	/* Both schedulers have the same two numbers. */
	if (c->weight >= 0)
		so->u.credit2.weight = (uint16_t)c->weight;
	if (c->cap >= 0)
		so->u.credit2.cap = (uint16_t)c->cap;
	so->sched_id = id;
	so->cmd = XEN_DOMCTL_SCHEDOP_putinfo;
	rc = hcall_domctl(g->h, &op);
	if (rc == -EINVAL)
		return bad_share(g);
	return rc ? builder_refused(g, "its weight and cap", rc) : 0;
}

/* How soon it runs. It is a promise, so a hypervisor that cannot keep it is no place for a domain that asks for more than what all have. */
static int set_class(struct builder *g)
{
	struct hospes_latency op = { .domid = (domid_t)g->domid,
				     .flags = HOSPES_LATENCY_set,
				     .class = (uint32_t)g->c->latency_class };
	int rc;

	if (g->c->latency_class == HOSPES_LATENCY_normal)
		return 0;
	rc = hcall_hospes(g->h, HOSPES_latency, &op, sizeof(op));
	if (rc == -ENOSYS)
		return problem_set(g->p, ENOSYS, "not-supported", g->step, "leave latency_class away, or boot Hospes",
				   "this hypervisor has no classes of latency");
	return rc ? builder_refused(g, "its class of latency", rc) : 0;
}

static int set_tsc(struct builder *g)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_settscinfo, .domain = (domid_t)g->domid };
	int rc;

	if (g->c->tsc_mode == TSC_DEFAULT)
		return 0;
	op.u.tsc_info.tsc_mode = (uint32_t)g->c->tsc_mode;
	rc = hcall_domctl(g->h, &op);
	if (rc == -EINVAL)
		return problem_set(g->p, EINVAL, "bad-value", g->step, "use tsc_mode = \"default\" or \"native\"",
				   "the hypervisor does not have the TSC mode asked for");
	return rc ? builder_refused(g, "its TSC mode", rc) : 0;
}

int create_domain(struct builder *g)
{
	static int (*const parts[])(struct builder *
				    g) = { create, domctl_max_vcpus, limit_memory, bound_overhead, size_pool,
					   pin,	   schedule,	     set_class,	   set_tsc,	   policy_apply };
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
		rc = parts[i](g);
	return rc;
}
