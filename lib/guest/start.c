/* The last hypercalls: ports, parameters, the grants of both rings, memory types and the first vCPU's registers. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/domctl.h"
#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/hvm_op.h"
#include "abi/hvm_params.h"
#include "abi/hvm_save.h"
#include "abi/xen.h"
#include "guest/domain.h"
#include "hcall/foreign.h"

#define TIMER_NO_DELAY 1 /* ticks missed are not made up for: libxl's default */

/* PVH start (the boot protocol's entry state): flat 32-bit segments, paging off. */
#define CR0_PE 0x1u
#define CR0_ET 0x10u
#define FLAT_CODE 0xc9bu
#define FLAT_DATA 0xc93u
#define BUSY_TSS 0x8bu
#define TSS_LIMIT 0x67u
#define DR6_INIT 0xffff0ff0u
#define DR7_INIT 0x400u
#define RFLAGS_INIT 0x2u

#define PAT_INIT 0x0007040600070406ULL
#define MTRR_CAP 0x508u			       /* eight ranges, fixed ones, write combining */
#define MTRR_ENABLED_WRITE_BACK (1u << 11 | 6) /* everything */

static int alloc_port(struct builder *g, uint32_t remote, uint32_t *port)
{
	struct evtchn_alloc_unbound a = { .dom = (domid_t)g->domid, .remote_dom = (domid_t)remote };
	int rc = hcall_evtchn(g->h, EVTCHNOP_alloc_unbound, &a, sizeof(a));

	if (rc)
		return builder_refused(g, "an event channel for its rings", rc);
	*port = a.port;
	return 0;
}

/* All parameters by one call. */
static int set_params(struct builder *g)
{
	const struct {
		uint32_t index;
		uint64_t value;
	} params[] = {
		{ HVM_PARAM_TIMER_MODE, TIMER_NO_DELAY },	   { HVM_PARAM_STORE_PFN, STORE_GFN },
		{ HVM_PARAM_STORE_EVTCHN, g->b->store_port },	   { HVM_PARAM_CONSOLE_PFN, CONSOLE_GFN },
		{ HVM_PARAM_CONSOLE_EVTCHN, g->b->console_port },  { HVM_PARAM_PAGING_RING_PFN, PAGING_GFN },
		{ HVM_PARAM_MONITOR_RING_PFN, MONITOR_GFN },	   { HVM_PARAM_SHARING_RING_PFN, SHARING_GFN },
		{ HVM_PARAM_IDENT_PT, IDENT_PT_GFN * GUEST_PAGE },
	};
	enum { NR = sizeof(params) / sizeof(params[0]) };
	struct xen_hvm_param *args = hcall_alloc(g->h, NR * sizeof(*args));
	struct hcall_call calls[NR] = { 0 };
	char what[64];
	int rc;

	if (!args)
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	for (unsigned i = 0; i < NR; i++) {
		args[i] = (struct xen_hvm_param){ .domid = (domid_t)g->domid,
						  .index = params[i].index,
						  .value = params[i].value };
		calls[i] = (struct hcall_call){ .nr = __HYPERVISOR_hvm_op,
						.a = { HVMOP_set_param, hcall_address(g->h, &args[i]) } };
	}
	rc = hcall_multi(g->h, calls, NR);
	if (rc)
		rc = builder_refused(g, "its parameters", rc);
	for (unsigned i = 0; rc == 0 && i < NR; i++) {
		snprintf(what, sizeof(what), "its parameter %u", params[i].index);
		if (calls[i].result)
			rc = builder_refused(g, what, calls[i].result);
	}
	hcall_free(g->h, args, NR * sizeof(*args));
	return rc;
}

/* References 0 and 1 for the daemons, which so need no right over the domain. */
static int seed_grants(struct builder *g)
{
	struct grant_entry_v1 *table =
		foreign_map_resource(g->h, g->domid, XENMEM_resource_grant_table, XENMEM_resource_grant_table_id_shared,
				     0, 1, PROT_READ | PROT_WRITE);

	if (!table)
		return builder_refused(g, "its grant table", -errno);
	table[GNTTAB_RESERVED_CONSOLE].domid = (domid_t)g->b->console_domid;
	table[GNTTAB_RESERVED_CONSOLE].frame = (uint32_t)CONSOLE_GFN;
	table[GNTTAB_RESERVED_XENSTORE].domid = (domid_t)g->b->store_domid;
	table[GNTTAB_RESERVED_XENSTORE].frame = (uint32_t)STORE_GFN;
	__atomic_store_n(&table[GNTTAB_RESERVED_CONSOLE].flags, GTF_permit_access, __ATOMIC_RELEASE);
	__atomic_store_n(&table[GNTTAB_RESERVED_XENSTORE].flags, GTF_permit_access, __ATOMIC_RELEASE);
	foreign_unmap(g->h, table, 1);
	return 0;
}

/* Saved state ------------------------------------------------------------------------------------------------------ */

static uint8_t *put_record(uint8_t *at, uint16_t code, unsigned instance, const void *body, size_t len)
{
	struct hvm_save_descriptor d = { .typecode = code, .instance = (uint16_t)instance, .length = (uint32_t)len };

	memcpy(at, &d, sizeof(d));
	if (len)
		memcpy(at + sizeof(d), body, len);
	return at + sizeof(d) + len;
}

static struct hvm_hw_cpu first_cpu(const struct builder *g)
{
	return (struct hvm_hw_cpu){
		.rbx = g->info_gpa,
		.rip = g->entry,
		.rflags = RFLAGS_INIT,
		.cr0 = CR0_PE | CR0_ET,
		.dr6 = DR6_INIT,
		.dr7 = DR7_INIT,
		.cs_limit = ~0u,
		.ds_limit = ~0u,
		.es_limit = ~0u,
		.fs_limit = ~0u,
		.gs_limit = ~0u,
		.ss_limit = ~0u,
		.tr_limit = TSS_LIMIT,
		.cs_arbytes = FLAT_CODE,
		.ds_arbytes = FLAT_DATA,
		.es_arbytes = FLAT_DATA,
		.fs_arbytes = FLAT_DATA,
		.gs_arbytes = FLAT_DATA,
		.ss_arbytes = FLAT_DATA,
		.tr_arbytes = BUSY_TSS,
	};
}

/* Header, the first vCPU's registers, and for every vCPU memory that is cached as the guest's page tables say. */
static size_t make_state(const struct builder *g, unsigned vcpus, uint8_t *buf)
{
	struct hvm_save_header header = { .magic = HVM_FILE_MAGIC, .version = HVM_FILE_VERSION };
	struct hvm_hw_mtrr mtrr = { .msr_pat_cr = PAT_INIT,
				    .msr_mtrr_cap = MTRR_CAP,
				    .msr_mtrr_def_type = MTRR_ENABLED_WRITE_BACK };
	struct hvm_hw_cpu cpu = first_cpu(g);
	unsigned a, b, c, d;
	uint8_t *at = buf;

	if (__get_cpuid(1, &a, &b, &c, &d))
		header.cpuid = a;
	at = put_record(at, HVM_SAVE_CODE_HEADER, 0, &header, sizeof(header));
	at = put_record(at, HVM_SAVE_CODE_CPU, 0, &cpu, sizeof(cpu));
	for (unsigned i = 0; i < vcpus; i++)
		at = put_record(at, HVM_SAVE_CODE_MTRR, i, &mtrr, sizeof(mtrr));
	at = put_record(at, HVM_SAVE_CODE_END, 0, NULL, 0);
	return (size_t)(at - buf);
}

static int load_state(struct builder *g)
{
	unsigned vcpus = g->c->maxvcpus > g->c->vcpus ? g->c->maxvcpus : g->c->vcpus;
	size_t room = 4096 + (size_t)vcpus * (sizeof(struct hvm_save_descriptor) + sizeof(struct hvm_hw_mtrr));
	struct xen_domctl op = { .cmd = XEN_DOMCTL_sethvmcontext, .domain = (domid_t)g->domid };
	uint8_t *buf = hcall_alloc(g->h, room);
	int rc;

	if (!buf)
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	op.u.hvmcontext.size = (uint32_t)make_state(g, vcpus, buf);
	op.u.hvmcontext.buffer = hcall_address(g->h, buf);
	rc = hcall_domctl(g->h, &op);
	hcall_free(g->h, buf, room);
	return rc ? builder_refused(g, "the state it shall start in", rc) : 0;
}

int start_prepare(struct builder *g)
{
	int rc = alloc_port(g, g->b->store_domid, &g->b->store_port);

	if (rc == 0)
		rc = alloc_port(g, g->b->console_domid, &g->b->console_port);
	if (rc == 0)
		rc = set_params(g);
	if (rc == 0)
		rc = seed_grants(g);
	if (rc == 0)
		rc = load_state(g);
	g->b->store_gfn = STORE_GFN;
	g->b->console_gfn = CONSOLE_GFN;
	return rc;
}
