/* What a toolstack asks about processors. SY-25, SY-26, SY-29 of docs/compatibility.md. */
#include "control.h"
#include "control_policy.h"
#include "hv/core/control.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/printk.h"

/* Words of a feature set in 4.17; those beyond ours are about features nobody here offers. */
#define NR_FEATURE_WORDS 19u
_Static_assert(NR_FEATURE_WORDS >= NR_FEAT_WORDS, "all our words have a place");

/* -EINVAL: no such policy; -EOPNOTSUPP: one of PV guests. */
static int find_policy(uint32_t index, const struct cpu_policy **p)
{
	switch (index) {
	case XEN_SYSCTL_cpu_policy_raw:
		*p = machine_policy(MACHINE_RAW);
		return 0;
	case XEN_SYSCTL_cpu_policy_host:
		*p = machine_policy(MACHINE_HOST);
		return 0;
	case XEN_SYSCTL_cpu_policy_hvm_max:
		*p = machine_policy(MACHINE_HVM_MAX);
		return 0;
	case XEN_SYSCTL_cpu_policy_hvm_default:
		*p = machine_policy(MACHINE_HVM_DEFAULT);
		return 0;
	case XEN_SYSCTL_cpu_policy_pv_max:
	case XEN_SYSCTL_cpu_policy_pv_default:
		return err(-EOPNOTSUPP);
	default:
		return err(-EINVAL);
	}
}

static long get_policy(struct sysctl *c)
{
	struct xen_sysctl_cpu_policy *p = &c->op.u.cpu_policy;
	const struct cpu_policy *policy;
	int rc = p->_rsvd ? err(-EINVAL) : find_policy(p->index, &policy);

	if (rc == 0)
		rc = control_put_policy(c->v, policy, p->leaves, &p->nr_leaves, p->msrs, &p->nr_msrs);
	c->copyback = rc == 0;
	return rc;
}

/* The policy whose features set number @index names. */
static int find_featureset(uint32_t index, const struct cpu_policy **p)
{
	static const uint8_t policy_of[] = {
		[XEN_SYSCTL_cpu_featureset_raw] = XEN_SYSCTL_cpu_policy_raw,
		[XEN_SYSCTL_cpu_featureset_host] = XEN_SYSCTL_cpu_policy_host,
		[XEN_SYSCTL_cpu_featureset_pv] = XEN_SYSCTL_cpu_policy_pv_default,
		[XEN_SYSCTL_cpu_featureset_hvm] = XEN_SYSCTL_cpu_policy_hvm_default,
		[XEN_SYSCTL_cpu_featureset_pv_max] = XEN_SYSCTL_cpu_policy_pv_max,
		[XEN_SYSCTL_cpu_featureset_hvm_max] = XEN_SYSCTL_cpu_policy_hvm_max,
	};

	return index < ARRAY_SIZE(policy_of) ? find_policy(policy_of[index], p) : err(-EINVAL);
}

/* A null buffer asks for the number of words. Too few: as many as fit, and -ENOBUFS. */
static long get_featureset(struct sysctl *c)
{
	struct xen_sysctl_cpu_featureset *f = &c->op.u.cpu_featureset;
	uint32_t words[NR_FEATURE_WORDS] = { 0 }, room = f->nr_features;
	const struct cpu_policy *p;
	int rc;

	if (!f->features) {
		f->nr_features = NR_FEATURE_WORDS;
		c->copyback = true;
		return 0;
	}
	rc = find_featureset(f->index, &p);
	if (rc)
		return rc;
	for (unsigned i = 0; i < NR_FEAT_WORDS * 32; i++)
		words[i / 32] |= (uint32_t)policy_has(p, i) << (i % 32);
	f->nr_features = (uint32_t)min_u64(room, NR_FEATURE_WORDS);
	if (copy_to_guest(c->v, f->features, words, f->nr_features * sizeof(words[0])))
		return err(-EFAULT);
	c->copyback = true;
	return room < NR_FEATURE_WORDS ? err(-ENOBUFS) : 0;
}

/* Ways to change what CPUID says to PV guests: there are none of them. */
static long get_levelling(struct sysctl *c)
{
	c->op.u.cpu_levelling_caps.caps = 0;
	c->copyback = true;
	return 0;
}

const struct sysctl_entry arch_sysctls[NR_SYSCTLS] = {
	[XEN_SYSCTL_get_cpu_levelling_caps] = { get_levelling, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_get_cpu_featureset] = { get_featureset, ROLE_CONTROL, 0 },
	[XEN_SYSCTL_get_cpu_policy] = { get_policy, ROLE_CONTROL, 0 },
};
