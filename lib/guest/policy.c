/*
 * What a domain's CPUID says: the hypervisor's default, the topology libxl gives (APIC ids are twice the vCPU's number, so that no two look like siblings), and
 * what cpuid = asks for, in libxl's words ("host,avx=0,family=6") or xend's bits ("1:ecx=xxxx0xxx,eax=..."). Only leaves that changed are sent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/domctl.h"
#include "abi/sysctl.h"
#include "guest/cpuid.h"
#include "guest/domain.h"

#define LEAVES_MAX 340u /* two pages */
#define POLICY_HOST 1u	/* index of XEN_SYSCTL_get_cpu_policy */

#define BIT(n) (1u << (n))
#define LEAF1_D_HTT BIT(28)
#define LEAF1_C_VMX BIT(5)
#define EXT1_C_CMP_LEGACY BIT(1)
#define EXT1_C_SVM BIT(2)
#define EXT7_D_ITSC BIT(8)

struct policy {
	struct cpuid_entry *list; /* the domain's, in memory hypercalls reach */
	struct cpuid_entry *host; /* the machine's, once asked for; NULL */
	unsigned nr, nr_host;
	uint8_t changed[LEAVES_MAX];
};

static struct cpuid_entry *find(struct cpuid_entry *list, unsigned nr, uint32_t leaf, uint32_t sub)
{
	for (unsigned i = 0; i < nr; i++)
		if (list[i].leaf == leaf && (list[i].sub == sub || (sub == 0 && list[i].sub == CPUID_NO_SUB)))
			return &list[i];
	return NULL;
}

static void set(struct policy *p, struct cpuid_entry *e, unsigned reg, uint32_t value)
{
	if (e->reg[reg] == value)
		return;
	e->reg[reg] = value;
	p->changed[e - p->list] = 1;
}

/* Topology -------------------------------------------------------------------------------------------------------- */

static void double_packages(struct policy *p, struct cpuid_entry *leaf1)
{
	uint32_t logical = leaf1->reg[CPUID_B] >> 16 & 0xff;

	if (!logical)
		logical = 2;
	else if (logical < 0x80)
		logical *= 2;
	set(p, leaf1, CPUID_B, (leaf1->reg[CPUID_B] & ~0xff0000u) | logical << 16);
}

/* AMD's 80000008.ecx: cores less one, and bits of an APIC id that tell cores apart. */
static void double_cores_amd(struct policy *p)
{
	struct cpuid_entry *e = find(p->list, p->nr, 0x80000008, 0);
	uint32_t cores, bits;

	if (!e)
		return;
	cores = e->reg[CPUID_C] & 0xff;
	bits = e->reg[CPUID_C] >> 12 & 0xf;
	if (cores >= 0x7f)
		return;
	if (bits && bits < 0xf)
		bits++;
	set(p, e, CPUID_C, (e->reg[CPUID_C] & ~0xf0ffu) | bits << 12 | (cores << 1 | 1));
}

/* Intel's leaf 4: ids reserved for cores, and who shares a cache: nobody. */
static void double_cores_intel(struct policy *p)
{
	struct cpuid_entry *e;

	for (uint32_t sub = 0; (e = find(p->list, p->nr, 4, sub)) && e->reg[CPUID_A] & 0x1f; sub++) {
		uint32_t a = e->reg[CPUID_A], cores = a >> 26;

		set(p, e, CPUID_A, (a & 0x3fff) | ((cores << 1 | 1) & 0x3f) << 26);
	}
}

static void topology(struct policy *p)
{
	struct cpuid_entry *leaf0 = find(p->list, p->nr, 0, 0), *leaf1 = find(p->list, p->nr, 1, 0);
	struct cpuid_entry *ext1 = find(p->list, p->nr, 0x80000001, 0);

	if (!leaf0 || !leaf1)
		return;
	set(p, leaf1, CPUID_D, leaf1->reg[CPUID_D] | LEAF1_D_HTT);
	double_packages(p, leaf1);
	if (ext1)
		set(p, ext1, CPUID_C, ext1->reg[CPUID_C] & ~EXT1_C_CMP_LEGACY);
	if (leaf0->reg[CPUID_C] == 0x6c65746e) /* Genuine"ntel" */
		double_cores_intel(p);
	else
		double_cores_amd(p);
}

/* Nested virtualisation and a TSC that never changes pace only on request. */
static void options(struct policy *p, const struct domain_config *c)
{
	struct cpuid_entry *leaf1 = find(p->list, p->nr, 1, 0), *ext1 = find(p->list, p->nr, 0x80000001, 0);
	struct cpuid_entry *ext7 = find(p->list, p->nr, 0x80000007, 0);

	if (leaf1 && !c->nestedhvm)
		set(p, leaf1, CPUID_C, leaf1->reg[CPUID_C] & ~LEAF1_C_VMX);
	if (ext1 && !c->nestedhvm)
		set(p, ext1, CPUID_C, ext1->reg[CPUID_C] & ~EXT1_C_SVM);
	if (ext7 && !c->nomigrate && c->tsc_mode != TSC_EMULATE)
		set(p, ext7, CPUID_D, ext7->reg[CPUID_D] & ~EXT7_D_ITSC);
}

/* Wishes ---------------------------------------------------------------------------------------------------------- */

static int get_host(struct builder *g, struct policy *p)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_policy };
	int rc;

	if (p->host)
		return 0;
	p->host = hcall_alloc(g->h, LEAVES_MAX * sizeof(*p->host));
	if (!p->host)
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	op.u.cpu_policy.index = POLICY_HOST;
	op.u.cpu_policy.nr_leaves = LEAVES_MAX;
	op.u.cpu_policy.leaves = hcall_address(g->h, p->host);
	rc = hcall_sysctl(g->h, &op);
	if (rc)
		return builder_refused(g, "to tell the machine's CPUID", rc);
	p->nr_host = op.u.cpu_policy.nr_leaves <= LEAVES_MAX ? op.u.cpu_policy.nr_leaves : 0;
	return 0;
}

static int wish(struct builder *g, struct policy *p, const struct cpuid_wish *w)
{
	struct cpuid_entry *e = find(p->list, p->nr, w->leaf, w->sub), *h;
	uint32_t value;
	int rc;

	if (!e)
		return w->ones ?
			       problem_set(g->p, EINVAL, "cpuid-not-there", g->step, "leave it out of cpuid =",
					   "cpuid: leaf 0x%x, which \"%.40s\" changes, does not exist on this machine",
					   w->leaf, w->text) :
			       0;
	value = (e->reg[w->reg] & ~w->zeroes) | w->ones;
	if (w->host) {
		rc = get_host(g, p);
		if (rc)
			return rc;
		h = find(p->host, p->nr_host, w->leaf, w->sub);
		value = (value & ~w->host) | (h ? h->reg[w->reg] & w->host : 0);
	}
	set(p, e, w->reg, value);
	return 0;
}

static int wishes(struct builder *g, struct policy *p)
{
	struct cpuid_wish list[CPUID_WISHES];
	char bad[64];
	int rc = 0, nr;

	if (!g->c->cpuid)
		return 0;
	nr = cpuid_parse(g->c->cpuid, list, CPUID_WISHES, bad, sizeof(bad));
	if (nr < 0)
		return problem_set(
			g->p, EINVAL, "bad-cpuid", g->step,
			"use names as in xl.cfg(5) (cpuid = \"host,avx=0\") or bits (cpuid = [\"1:ecx=xxx...\"])",
			"cpuid: \"%s\" is not understood", bad);
	for (int i = 0; rc == 0 && i < nr; i++)
		rc = wish(g, p, &list[i]);
	return rc;
}

/* To and from the hypervisor ------------------------------------------------------------------------------------------ */

static int get(struct builder *g, struct policy *p)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_get_cpu_policy, .domain = (domid_t)g->domid };
	int rc;

	op.u.cpu_policy.nr_leaves = LEAVES_MAX;
	op.u.cpu_policy.leaves = hcall_address(g->h, p->list);
	rc = hcall_domctl(g->h, &op);
	if (rc)
		return builder_refused(g, "to tell its CPUID", rc);
	p->nr = op.u.cpu_policy.nr_leaves <= LEAVES_MAX ? op.u.cpu_policy.nr_leaves : 0;
	return 0;
}

static int put(struct builder *g, struct policy *p)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_set_cpu_policy, .domain = (domid_t)g->domid };
	unsigned nr = 0;
	int rc;

	for (unsigned i = 0; i < p->nr; i++)
		if (p->changed[i])
			p->list[nr++] = p->list[i];
	if (!nr)
		return 0;
	op.u.cpu_policy.nr_leaves = nr;
	op.u.cpu_policy.leaves = hcall_address(g->h, p->list);
	rc = hcall_domctl(g->h, &op);
	if (rc == -EINVAL || rc == -ERANGE)
		return problem_set(g->p, EINVAL, "cpuid-refused", g->step,
				   "leave out of cpuid = what this machine does not have",
				   "the hypervisor does not give it CPUID leaf 0x%x subleaf 0x%x as asked for",
				   op.u.cpu_policy.err_leaf, op.u.cpu_policy.err_subleaf);
	return rc ? builder_refused(g, "its CPUID", rc) : 0;
}

int policy_apply(struct builder *g)
{
	struct policy *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return builder_refused(g, "memory for its CPUID", -ENOMEM);
	p->list = hcall_alloc(g->h, LEAVES_MAX * sizeof(*p->list));
	rc = p->list ? get(g, p) : builder_refused(g, "memory for its arguments", -ENOMEM);
	if (rc == 0) {
		topology(p);
		options(p, g->c);
		rc = wishes(g, p);
	}
	if (rc == 0)
		rc = put(g, p);
	hcall_free(g->h, p->list, LEAVES_MAX * sizeof(*p->list));
	hcall_free(g->h, p->host, LEAVES_MAX * sizeof(*p->host));
	free(p);
	return rc;
}
