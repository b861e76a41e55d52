/* A policy as a list of leaves and MSRs, the form tools read, change and send back. */
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "policy_internal.h"

/* The last leaves tools of 4.17 have room for. */
#define LAST_BASIC 0xdu
#define LAST_EXT 0x21u
#define NR_TOPOLOGY 2u /* subleaves of 0xb */

/* The stored leaf @leaf.@sub, NULL if there is no room for it in a policy. */
static struct cpuid_leaf *find_leaf(struct cpu_policy *p, uint32_t leaf, uint32_t sub)
{
	switch (leaf) {
	case 4:
		return sub < POLICY_NR_CACHE ? &p->cache[sub] : NULL;
	case 7:
		return sub < POLICY_NR_FEAT ? &p->feat[sub] : NULL;
	case 0xb:
	case 0x8000001d:
		return NULL;
	case 0xd:
		return sub < POLICY_NR_XSTATE ? &p->xstate[sub] : NULL;
	default:
		break;
	}
	if (sub != POLICY_NO_SUBLEAF)
		return NULL;
	if (leaf <= LAST_BASIC)
		return &p->basic[leaf];
	if (leaf >= 0x80000000 && leaf - 0x80000000 <= LAST_EXT)
		return &p->ext[leaf - 0x80000000];
	return NULL;
}

struct leaf_writer {
	struct policy_leaf *out;
	unsigned room, nr;
};

static void put_leaf(struct leaf_writer *w, uint32_t leaf, uint32_t sub, const struct cpuid_leaf *l)
{
	if (w->nr < w->room)
		w->out[w->nr] = (struct policy_leaf){ leaf, sub, l->a, l->b, l->c, l->d };
	w->nr++;
}

static const struct cpuid_leaf none;

static void put_basic(struct leaf_writer *w, const struct cpu_policy *p, uint32_t leaf)
{
	switch (leaf) {
	case 4:
		for (uint32_t i = 0; i < POLICY_NR_CACHE; i++)
			if (i == 0 || p->cache[i - 1].a & 0x1f)
				put_leaf(w, 4, i, &p->cache[i]);
		break;
	case 7:
		for (uint32_t i = 0; i <= p->feat[0].a && i < POLICY_NR_FEAT; i++)
			put_leaf(w, 7, i, &p->feat[i]);
		break;
	case 0xb:
		put_leaf(w, 0xb, 0, &none); /* made up for each vCPU */
		break;
	case 0xd:
		for (uint32_t i = 0; i < POLICY_NR_XSTATE; i++)
			if (i < 2 || p->xcr0_max >> i & 1)
				put_leaf(w, 0xd, i, &p->xstate[i]);
		break;
	default:
		put_leaf(w, leaf, POLICY_NO_SUBLEAF, &p->basic[leaf]);
		break;
	}
}

/*
 * The very entries libxc makes of the same policy, for it writes its changed copy into as many as it got here: also the hypervisor's
 * own leaves, empty, and topology's. Of caches by subleaf (0x8000001d) the form has room for one.
 */
int policy_to_leaves(const struct cpu_policy *p, struct policy_leaf *leaves, unsigned *nr)
{
	struct leaf_writer w = { .out = leaves, .room = *nr };

	for (uint32_t i = 0; i <= p->basic[0].a && i <= LAST_BASIC; i++)
		put_basic(&w, p, i);
	put_leaf(&w, XEN_LEAF, POLICY_NO_SUBLEAF, &none);
	put_leaf(&w, XEN_LEAF + 0x100, POLICY_NO_SUBLEAF, &none);
	for (uint32_t i = 0; i <= (p->ext[0].a & 0xffff) && i <= LAST_EXT; i++)
		put_leaf(&w, 0x80000000 | i, POLICY_NO_SUBLEAF, i == 0x1d ? &p->acache[0] : &p->ext[i]);
	*nr = w.nr;
	return w.nr > w.room ? err(-ENOBUFS) : 0;
}

int policy_to_msrs(const struct cpu_policy *p, struct policy_msr *msrs, unsigned *nr)
{
	unsigned room = *nr;

	*nr = POLICY_MAX_MSRS;
	if (room < POLICY_MAX_MSRS)
		return err(-ENOBUFS);
	msrs[0] = (struct policy_msr){ .idx = MSR_PLATFORM_INFO, .val = p->platform_info };
	msrs[1] = (struct policy_msr){ .idx = MSR_ARCH_CAPS, .val = p->arch_caps };
	return 0;
}

/* -ERANGE: not one a policy has; -EINVAL: more than @max gives. */
static int update_msr(struct cpu_policy *p, const struct cpu_policy *max, const struct policy_msr *m)
{
	if (m->flags)
		return -EINVAL;
	switch (m->idx) {
	case MSR_PLATFORM_INFO:
		p->platform_info = m->val;
		return m->val & ~max->platform_info ? -EINVAL : 0;
	case MSR_ARCH_CAPS:
		p->arch_caps = m->val;
		return m->val & ~max->arch_caps ? -EINVAL : 0;
	default:
		return -ERANGE;
	}
}

/* Are the largest leaves of @p ones @max has? Else fill @bad. */
static bool policy_fits(const struct cpu_policy *p, const struct cpu_policy *max, struct policy_error *bad)
{
	bad->leaf = 0;
	if (p->basic[0].a > max->basic[0].a)
		return false;
	bad->leaf = 7;
	bad->sub = 0;
	if (p->feat[0].a > max->feat[0].a)
		return false;
	bad->leaf = 0x80000000;
	bad->sub = POLICY_NO_SUBLEAF;
	return p->ext[0].a <= max->ext[0].a && p->ext[0].a >= 0x80000000;
}

/* The smaller of two address widths in one byte. */
static uint32_t narrower(uint32_t a, uint32_t b, unsigned shift)
{
	return (uint32_t)min_u64(a >> shift & 0xff, b >> shift & 0xff) << shift;
}

/* What a tool cannot choose: features @max does not have are dropped in silence, as Xen does, and the rest made consistent. */
static void policy_own_parts(struct cpu_policy *p, const struct cpu_policy *max)
{
	/* Topology decides over HTT and CMP_LEGACY, whoever sets them. */
	static const uint32_t own[NR_FEAT_WORDS] = { [FW_1D] = BIT(28), [FW_E1C] = BIT(1) };

	for (unsigned w = 0; w < NR_FEAT_WORDS; w++)
		*policy_feat_word(p, w) &= *policy_feat_word((struct cpu_policy *)max, w) | own[w];
	p->vendor = max->vendor;
	p->basic[0] = (struct cpuid_leaf){ p->basic[0].a, max->basic[0].b, max->basic[0].c, max->basic[0].d };
	p->ext[0] = (struct cpuid_leaf){ p->ext[0].a, max->ext[0].b, max->ext[0].c, max->ext[0].d };
	p->ext[8].a = narrower(p->ext[8].a, max->ext[8].a, 0) | narrower(p->ext[8].a, max->ext[8].a, 8);
	p->basic[1].c &= ~BIT(27);
	p->basic[1].b &= 0xff00;
	p->feat[0].c &= ~BIT(4);
	p->xcr0_max = ((uint64_t)p->xstate[0].d << 32 | p->xstate[0].a) & max->xcr0_max;
	for (unsigned i = 2; i < POLICY_NR_XSTATE; i++)
		p->xstate[i] = max->xstate[i]; /* sizes and offsets are the hardware's */
	policy_settle(p);
	policy_set_topology(p);
}

/* A leaf that Xen's own policies carry but that is computed here: topology, caches and hypervisor leaves. */
static bool leaf_ignored(uint32_t leaf, uint32_t sub)
{
	if (leaf == 0xb)
		return sub < NR_TOPOLOGY;
	return sub == POLICY_NO_SUBLEAF && (leaf == 0x8000001d || (leaf >= XEN_LEAF && leaf < XEN_LEAF + 0x200));
}

int policy_update(struct cpu_policy *p, const struct cpu_policy *max, const struct policy_leaf *leaves,
		  unsigned nr_leaves, const struct policy_msr *msrs, unsigned nr_msrs, struct policy_error *bad)
{
	struct cpu_policy new = *p;

	*bad = (struct policy_error){ POLICY_NO_SUBLEAF, POLICY_NO_SUBLEAF, 0xffffffff };
	for (unsigned i = 0; i < nr_leaves; i++) {
		const struct policy_leaf *in = &leaves[i];
		struct cpuid_leaf *l = find_leaf(&new, in->leaf, in->sub);

		if (l) {
			*l = (struct cpuid_leaf){ in->a, in->b, in->c, in->d };
		} else if (!leaf_ignored(in->leaf, in->sub)) {
			bad->leaf = in->leaf;
			bad->sub = in->sub;
			return err(-ERANGE);
		}
	}
	for (unsigned i = 0; i < nr_msrs; i++) {
		int rc = update_msr(&new, max, &msrs[i]);

		if (rc) {
			bad->msr = msrs[i].idx;
			return rc;
		}
	}
	if (!policy_fits(&new, max, bad))
		return err(-EINVAL);
	*bad = (struct policy_error){ POLICY_NO_SUBLEAF, POLICY_NO_SUBLEAF, 0xffffffff };
	policy_own_parts(&new, max);
	*p = new;
	return 0;
}
