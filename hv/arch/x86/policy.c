#include "policy.h"

#include "compile.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "policy_internal.h"

#define CR4_OSXSAVE (1UL << 18)
#define CR4_PKE (1UL << 22)

#define XSTATE_FP_SSE 0x3UL
#define XSTATE_AVX 0x4UL
#define XSTATE_AVX512 0xe0UL
#define XSTATE_PKRU 0x200UL
#define XSTATE_LEGACY_SIZE 576u /* FXSAVE area and header */

#define XEN_MAX_LEAF 0x40000005u
#define XEN_HVM_IOMMU_MAPPINGS 0x04u
#define XEN_HVM_VCPU_ID 0x08u
#define XEN_HVM_DOMID 0x10u
#define XEN_HVM_UPCALL_VECTOR 0x40u

#define BITS(lo, hi) ((~0u >> (31 - (hi))) & (~0u << (lo)))

/* Bits of leaf 1 EDX that AMD repeats in leaf 0x80000001 EDX (APM vol. 3, E.4.2). */
#define COMMON_1D (BITS(0, 9) | BITS(12, 17) | BIT(23) | BIT(24))

/*
 * Features a guest may have when the host has them. Missing on purpose: MONITOR, SVM, VMX, PCID and INVPCID, performance
 * counters, IBS, LWP, MPX, TSX, XSAVES, address masks of breakpoints, thermal and speculation controls: nothing here would switch or emulate
 * them.
 */
static const uint32_t hvm_allowed[NR_FEAT_WORDS] = {
	[FW_1D] = BITS(0, 9) | BITS(11, 17) | BIT(19) | BITS(23, 26) | BIT(28),
	[FW_1C] = BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BITS(19, 26) | BITS(28, 31),
	[FW_E1D] = COMMON_1D | BIT(11) | BIT(20) | BIT(22) | BITS(25, 27) | BITS(29, 31),
	[FW_E1C] = BIT(0) | BIT(1) | BITS(4, 8) | BIT(11) | BIT(16) | BIT(21) | BIT(22),
	[FW_DA1] = BITS(0, 2),
	[FW_7B0] = BIT(0) | BIT(3) | BITS(5, 9) | BIT(13) | BITS(16, 21) | BIT(23) | BIT(24) | BITS(26, 31),
	[FW_7C0] = BITS(1, 3) | BIT(6) | BITS(8, 12) | BIT(14) | BIT(22) | BIT(25) | BIT(27) | BIT(28),
	[FW_E7D] = BIT(8),
	[FW_E8B] = BIT(0) | BIT(2) | BIT(9),
	[FW_7D0] = BITS(2, 4) | BIT(8) | BIT(14),
	[FW_7A1] = BIT(4) | BIT(5) | BITS(10, 12),
	[FW_E21A] = BIT(0) | BIT(2) | BIT(6),
};

/* @feat makes no sense without @needs. Settled to a fixed point, so chains need only their links. */
static const struct {
	uint16_t feat, needs;
} dependencies[] = { { FEAT_FXSR, FEAT_FPU },
		     { FEAT_MMX, FEAT_FPU },
		     { FEAT_MMXEXT, FEAT_MMX },
		     { FEAT_3DNOW, FEAT_MMX },
		     { FEAT_3DNOWEXT, FEAT_3DNOW },
		     { FEAT_FFXSR, FEAT_FXSR },
		     { FEAT_SSE, FEAT_FXSR },
		     { FEAT_SSE2, FEAT_SSE },
		     { FEAT_SSE3, FEAT_SSE2 },
		     { FEAT_SSSE3, FEAT_SSE3 },
		     { FEAT_SSE4_1, FEAT_SSSE3 },
		     { FEAT_SSE4_2, FEAT_SSE4_1 },
		     { FEAT_SSE4A, FEAT_SSE3 },
		     { FEAT_MISALIGNSSE, FEAT_SSE },
		     { FEAT_AES, FEAT_SSE2 },
		     { FEAT_PCLMULQDQ, FEAT_SSE2 },
		     { FEAT_SHA, FEAT_SSE2 },
		     { FEAT_GFNI, FEAT_SSE2 },
		     { FEAT_LM, FEAT_SSE2 },
		     { FEAT_LM, FEAT_PAE },
		     { FEAT_NX, FEAT_PAE },
		     { FEAT_PAGE1GB, FEAT_LM },
		     { FEAT_LAHF_LM, FEAT_LM },
		     { FEAT_CX16, FEAT_LM },
		     { FEAT_FSGSBASE, FEAT_LM },
		     { FEAT_PCID, FEAT_LM },
		     { FEAT_INVPCID, FEAT_PCID },
		     { FEAT_PKU, FEAT_PAE },
		     { FEAT_SMEP, FEAT_PAE },
		     { FEAT_SMAP, FEAT_PAE },
		     { FEAT_PSE36, FEAT_PSE },
		     { FEAT_X2APIC, FEAT_APIC },
		     { FEAT_TSC_DEADLINE, FEAT_APIC },
		     { FEAT_CR8_LEGACY, FEAT_APIC },
		     { FEAT_TSC_DEADLINE, FEAT_TSC },
		     { FEAT_RDTSCP, FEAT_TSC },
		     { FEAT_RDPID, FEAT_RDTSCP },
		     { FEAT_INVARIANT_TSC, FEAT_TSC },
		     { FEAT_MCE, FEAT_MSR },
		     { FEAT_MCA, FEAT_MCE },
		     { FEAT_XSAVE, FEAT_FXSR },
		     { FEAT_XSAVEOPT, FEAT_XSAVE },
		     { FEAT_XSAVEC, FEAT_XSAVE },
		     { FEAT_XGETBV1, FEAT_XSAVE },
		     { FEAT_XSAVES, FEAT_XSAVEC },
		     { FEAT_MPX, FEAT_XSAVE },
		     { FEAT_PKU, FEAT_XSAVE },
		     { FEAT_AVX, FEAT_XSAVE },
		     { FEAT_AVX, FEAT_SSE4_2 },
		     { FEAT_AVX2, FEAT_AVX },
		     { FEAT_FMA, FEAT_AVX },
		     { FEAT_F16C, FEAT_AVX },
		     { FEAT_FMA4, FEAT_AVX },
		     { FEAT_XOP, FEAT_AVX },
		     { FEAT_VAES, FEAT_AVX },
		     { FEAT_VAES, FEAT_AES },
		     { FEAT_VPCLMULQDQ, FEAT_AVX },
		     { FEAT_VPCLMULQDQ, FEAT_PCLMULQDQ },
		     { FEAT_AVX_VNNI, FEAT_AVX2 },
		     { FEAT_AVX512F, FEAT_AVX2 },
		     { FEAT_AVX512DQ, FEAT_AVX512F },
		     { FEAT_AVX512IFMA, FEAT_AVX512F },
		     { FEAT_AVX512PF, FEAT_AVX512F },
		     { FEAT_AVX512ER, FEAT_AVX512F },
		     { FEAT_AVX512CD, FEAT_AVX512F },
		     { FEAT_AVX512BW, FEAT_AVX512F },
		     { FEAT_AVX512VL, FEAT_AVX512F },
		     { FEAT_AVX512VNNI, FEAT_AVX512F },
		     { FEAT_AVX512VPOPCNT, FEAT_AVX512F },
		     { FEAT_AVX512_4VNNIW, FEAT_AVX512F },
		     { FEAT_AVX512_4FMAPS, FEAT_AVX512F },
		     { FEAT_AVX512_VP2I, FEAT_AVX512F },
		     { FEAT_AVX512VBMI, FEAT_AVX512BW },
		     { FEAT_AVX512VBMI2, FEAT_AVX512BW },
		     { FEAT_AVX512BITALG, FEAT_AVX512BW },
		     { FEAT_AVX512_BF16, FEAT_AVX512BW } };

/* See policy_internal.h. */
uint32_t *policy_feat_word(struct cpu_policy *p, enum feat_word w)
{
	switch (w) {
	case FW_1D:
		return &p->basic[1].d;
	case FW_1C:
		return &p->basic[1].c;
	case FW_E1D:
		return &p->ext[1].d;
	case FW_E1C:
		return &p->ext[1].c;
	case FW_DA1:
		return &p->xstate[1].a;
	case FW_7B0:
		return &p->feat[0].b;
	case FW_7C0:
		return &p->feat[0].c;
	case FW_E7D:
		return &p->ext[7].d;
	case FW_E8B:
		return &p->ext[8].b;
	case FW_7D0:
		return &p->feat[0].d;
	case FW_7A1:
		return &p->feat[1].a;
	default:
		return &p->ext[0x21].a;
	}
}

/* Does the guest's policy include feature number @feat? */
bool policy_has(const struct cpu_policy *p, unsigned feat)
{
	return feat / 32 < NR_FEAT_WORDS && *policy_feat_word((struct cpu_policy *)p, feat / 32) >> (feat % 32) & 1;
}

static void feat_set(struct cpu_policy *p, unsigned feat)
{
	*policy_feat_word(p, feat / 32) |= BIT(feat % 32);
}

static void feat_unset(struct cpu_policy *p, unsigned feat)
{
	*policy_feat_word(p, feat / 32) &= ~BIT(feat % 32);
}

static bool amd_like(const struct cpu_policy *p)
{
	return p->vendor == VENDOR_AMD || p->vendor == VENDOR_HYGON;
}

static enum cpu_vendor find_vendor(const struct cpuid_leaf *l)
{
	static const struct {
		char id[13];
		enum cpu_vendor vendor;
	} names[] = {
		{ "AuthenticAMD", VENDOR_AMD },
		{ "GenuineIntel", VENDOR_INTEL },
		{ "HygonGenuine", VENDOR_HYGON },
	};
	uint32_t id[3] = { l->b, l->d, l->c };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (!memcmp(id, names[i].id, sizeof(id)))
			return names[i].vendor;
	return VENDOR_UNKNOWN;
}

static unsigned phys_bits(const struct cpu_policy *p)
{
	unsigned bits = p->ext[8].a & 0xff;

	return bits >= 32 && bits <= 52 ? bits : 36;
}

void policy_from_host(struct cpu_policy *p, cpuid_fn *cpuid)
{
	uint32_t max;

	*p = (struct cpu_policy){ 0 };
	cpuid(0, 0, &p->basic[0]);
	p->vendor = find_vendor(&p->basic[0]);
	max = p->basic[0].a;
	for (uint32_t i = 1; i <= max && i < POLICY_NR_BASIC; i++)
		if (i != 4 && i != 7 && i != 0xb && i != 0xd)
			cpuid(i, 0, &p->basic[i]);
	for (uint32_t i = 0; max >= 4 && i < POLICY_NR_CACHE; i++) {
		cpuid(4, i, &p->cache[i]);
		if (!(p->cache[i].a & 0x1f))
			break;
	}
	if (max >= 7) {
		cpuid(7, 0, &p->feat[0]);
		for (uint32_t i = 1; i <= p->feat[0].a && i < POLICY_NR_FEAT; i++)
			cpuid(7, i, &p->feat[i]);
	}
	if (max >= 0xd && policy_has(p, FEAT_XSAVE)) {
		cpuid(0xd, 0, &p->xstate[0]);
		p->xcr0_max = (uint64_t)p->xstate[0].d << 32 | p->xstate[0].a;
		cpuid(0xd, 1, &p->xstate[1]);
		for (uint32_t i = 2; i < POLICY_NR_XSTATE; i++)
			if (p->xcr0_max >> i & 1)
				cpuid(0xd, i, &p->xstate[i]);
	}
	cpuid(0x80000000, 0, &p->ext[0]);
	if (p->ext[0].a >> 16 != 0x8000)
		p->ext[0].a = 0x80000000;
	max = p->ext[0].a & 0xffff;
	for (uint32_t i = 1; i <= max && i < POLICY_NR_EXT; i++)
		if (i != 0x1d)
			cpuid(0x80000000 | i, 0, &p->ext[i]);
	for (uint32_t i = 0; max >= 0x1d && policy_has(p, FEAT_TOPOEXT) && i < POLICY_NR_ACACHE; i++)
		cpuid(0x8000001d, i, &p->acache[i]);
}

/* Bytes of an XSAVE area holding @states; @compact: XSAVEC's format. */
static uint32_t xstate_size(const struct cpu_policy *p, uint64_t states, bool compact)
{
	uint32_t size = XSTATE_LEGACY_SIZE;

	for (unsigned i = 2; i < POLICY_NR_XSTATE; i++) {
		const struct cpuid_leaf *s = &p->xstate[i];

		if (!(states >> i & 1))
			continue;
		if (!compact)
			size = (uint32_t)max_u64(size, s->a + s->b);
		else
			size = (s->c & 2 ? ROUND_UP(size, 64u) : size) + s->a;
	}
	return size;
}

/* Bring leaf 0xd and xcr0_max in line with the features. */
static void settle_xstate(struct cpu_policy *p)
{
	uint64_t xcr0 = XSTATE_FP_SSE;

	if (!policy_has(p, FEAT_XSAVE)) {
		memset(p->xstate, 0, sizeof(p->xstate));
		p->xcr0_max = 0;
		return;
	}
	if (policy_has(p, FEAT_AVX))
		xcr0 |= XSTATE_AVX;
	if (policy_has(p, FEAT_AVX512F))
		xcr0 |= XSTATE_AVX512;
	if (policy_has(p, FEAT_PKU))
		xcr0 |= XSTATE_PKRU;
	p->xcr0_max &= xcr0;
	p->xcr0_max |= XSTATE_FP_SSE;
	for (unsigned i = 2; i < POLICY_NR_XSTATE; i++)
		if (!(p->xcr0_max >> i & 1))
			p->xstate[i] = (struct cpuid_leaf){ 0 };
	p->xstate[0] = (struct cpuid_leaf){
		.a = (uint32_t)p->xcr0_max,
		.b = XSTATE_LEGACY_SIZE,
		.c = xstate_size(p, p->xcr0_max, false),
		.d = (uint32_t)(p->xcr0_max >> 32),
	};
	p->xstate[1].b = p->xstate[1].c = p->xstate[1].d = 0;
}

unsigned policy_settle(struct cpu_policy *p)
{
	unsigned cleared = 0;
	bool again;

	do {
		again = false;
		for (unsigned i = 0; i < ARRAY_SIZE(dependencies); i++) {
			if (!policy_has(p, dependencies[i].feat) || policy_has(p, dependencies[i].needs))
				continue;
			feat_unset(p, dependencies[i].feat);
			cleared++;
			again = true;
		}
	} while (again);
	if (amd_like(p))
		p->ext[1].d = (p->ext[1].d & ~COMMON_1D) | (p->basic[1].d & COMMON_1D);
	settle_xstate(p);
	return cleared;
}

void policy_clear(struct cpu_policy *p, unsigned feat)
{
	if (feat / 32 >= NR_FEAT_WORDS)
		return;
	/* AMD's copies follow the originals. */
	if (amd_like(p) && feat / 32 == FW_E1D && COMMON_1D & BIT(feat % 32))
		feat = FEAT(FW_1D, feat % 32);
	feat_unset(p, feat);
	policy_settle(p);
}

/* Keep of the basic leaves what means something inside a guest. */
static void mask_basic(struct cpu_policy *p)
{
	static const uint8_t hidden[] = { 3, 5, 6, 8, 9, 0xa, 0xb, 0xc };

	if (p->basic[0].a > 0xd || p->basic[0].a < 0xb)
		p->basic[0].a = 0xd; /* leaf 0xb is always made up, 0xd may be zero */
	for (unsigned i = 0; i < sizeof(hidden); i++)
		p->basic[hidden[i]] = (struct cpuid_leaf){ 0 };
	for (unsigned i = 0xe; i < POLICY_NR_BASIC; i++)
		p->basic[i] = (struct cpuid_leaf){ 0 };
	if (p->vendor != VENDOR_INTEL) {
		p->basic[2] = (struct cpuid_leaf){ 0 };
		memset(p->cache, 0, sizeof(p->cache));
	}
	p->basic[1].b &= 0xff00; /* CLFLUSH size; the rest is topology */
	if (p->feat[0].a >= POLICY_NR_FEAT)
		p->feat[0].a = POLICY_NR_FEAT - 1;
	p->feat[1].b = p->feat[1].c = p->feat[1].d = 0;
}

/* The same for the extended ones. */
static void mask_ext(struct cpu_policy *p, const struct policy_caps *caps)
{
	uint32_t limit = amd_like(p) ? 0x80000021 : 0x80000008;
	unsigned bits = phys_bits(p);

	if (p->ext[0].a > limit)
		p->ext[0].a = limit;
	if (p->ext[0].a < 0x80000008)
		p->ext[0].a = 0x80000008;
	if (caps->max_phys_bits && bits > caps->max_phys_bits)
		bits = caps->max_phys_bits;
	p->ext[7].a = p->ext[7].b = p->ext[7].c = 0;
	p->ext[8].a = (p->ext[8].a & 0xff00) | bits;
	if (!(p->ext[8].a & 0xff00))
		p->ext[8].a |= 48 << 8;
	p->ext[8].c = p->ext[8].d = 0;
	for (unsigned i = 9; i < POLICY_NR_EXT; i++)
		if (!amd_like(p) || (i != 0x19 && i != 0x1a && i != 0x21))
			p->ext[i] = (struct cpuid_leaf){ 0 };
	if (!amd_like(p)) {
		p->ext[1].a = p->ext[1].b = 0;
		p->ext[5] = (struct cpuid_leaf){ 0 };
	}
	p->ext[0x1a] = (struct cpuid_leaf){ .a = p->ext[0x1a].a & 7 };
	p->ext[0x21] = (struct cpuid_leaf){ .a = p->ext[0x21].a };
}

static void mask_features(struct cpu_policy *p, const struct policy_caps *caps)
{
	for (unsigned w = 0; w < NR_FEAT_WORDS; w++)
		*policy_feat_word(p, w) &= hvm_allowed[w];
	feat_set(p, FEAT_HYPERVISOR);
	feat_set(p, FEAT_APIC);
	feat_set(p, FEAT_X2APIC);
	feat_set(p, FEAT_MTRR);
	feat_set(p, FEAT_MCE);
	feat_set(p, FEAT_MCA);
	if (caps->tsc_deadline)
		feat_set(p, FEAT_TSC_DEADLINE);
	else
		feat_unset(p, FEAT_TSC_DEADLINE);
	if (!caps->invariant_tsc)
		feat_unset(p, FEAT_INVARIANT_TSC);
	if (!caps->rdtscp)
		feat_unset(p, FEAT_RDTSCP);
	p->xcr0_max &= caps->xcr0_mask;
	if (!caps->xsave || (p->xcr0_max & XSTATE_FP_SSE) != XSTATE_FP_SSE)
		feat_unset(p, FEAT_XSAVE);
	if (!(p->xcr0_max & XSTATE_AVX))
		feat_unset(p, FEAT_AVX);
	if ((p->xcr0_max & XSTATE_AVX512) != XSTATE_AVX512)
		feat_unset(p, FEAT_AVX512F);
	if (!(p->xcr0_max & XSTATE_PKRU))
		feat_unset(p, FEAT_PKU);
}

void policy_hvm_max(struct cpu_policy *p, const struct cpu_policy *host, const struct policy_caps *caps)
{
	*p = *host;
	p->nr_vcpus = 0;
	p->platform_info = 0;
	p->arch_caps = 0;
	mask_basic(p);
	mask_ext(p, caps);
	mask_features(p, caps);
	feat_set(p, FEAT_HTT);
	if (amd_like(p))
		feat_set(p, FEAT_CMP_LEGACY);
	policy_settle(p);
	if (!policy_has(p, FEAT_TOPOEXT))
		memset(p->acache, 0, sizeof(p->acache));
}

static unsigned order_up(unsigned n)
{
	unsigned order = 0;

	while ((1u << order) < n)
		order++;
	return order;
}

/*
 * All vCPUs are cores of one package. Each owns two APIC ids, the even one is used: id = 2 * vcpu_id, as hvmloader and
 * the toolstack's MADT have it.
 */
void policy_set_topology(struct cpu_policy *p)
{
	unsigned nr = p->nr_vcpus, ids = 1u << order_up(2 * nr);

	if (nr == 0)
		return;
	p->basic[1].b &= 0xff00;
	feat_unset(p, FEAT_HTT);
	feat_unset(p, FEAT_CMP_LEGACY);
	if (nr > 1) {
		feat_set(p, FEAT_HTT);
		p->basic[1].b |= (uint32_t)min_u64(amd_like(p) ? nr : ids, 255) << 16;
		if (amd_like(p))
			feat_set(p, FEAT_CMP_LEGACY);
	}
	for (unsigned i = 0; i < POLICY_NR_CACHE; i++) {
		struct cpuid_leaf *c = &p->cache[i];
		unsigned shared = (c->a >> 5 & 7) >= 3 ? ids : 2;

		if (c->a & 0x1f)
			c->a = (c->a & 0x3fff) | (shared - 1) << 14 |
			       (uint32_t)min_u64((1u << order_up(nr)) - 1, 63) << 26;
	}
	for (unsigned i = 0; i < POLICY_NR_ACACHE; i++) {
		struct cpuid_leaf *c = &p->acache[i];
		unsigned shared = (c->a >> 5 & 7) >= 3 ? ids : 2;

		if (c->a & 0x1f)
			c->a = (c->a & 0x3fff) | (shared - 1) << 14;
	}
	p->ext[8].c = amd_like(p) ? order_up(2 * nr) << 12 | ((nr - 1) & 0xff) : 0;
}

void policy_domain(struct cpu_policy *p, const struct cpu_policy *max, unsigned nr_vcpus)
{
	*p = *max;
	p->nr_vcpus = nr_vcpus;
	policy_set_topology(p);
}

static uint32_t apic_id(const struct cpuid_ctx *ctx)
{
	return 2 * ctx->vcpu_id;
}

/* Leaf 0xb: level 0 threads (one of two ids used), level 1 cores (SDM vol. 2, CPUID). */
static void topology_leaf(const struct cpu_policy *p, const struct cpuid_ctx *ctx, uint32_t sub, struct cpuid_leaf *out)
{
	unsigned nr = p->nr_vcpus;

	*out = (struct cpuid_leaf){ .c = sub & 0xff, .d = apic_id(ctx) };
	if (sub == 0) {
		out->a = 1;
		out->b = 1;
		out->c |= 1 << 8;
	} else if (sub == 1) {
		out->a = order_up(2 * nr);
		out->b = nr;
		out->c |= 2 << 8;
	}
}

static void xstate_leaf(const struct cpu_policy *p, const struct cpuid_ctx *ctx, uint32_t sub, struct cpuid_leaf *out)
{
	if (sub >= POLICY_NR_XSTATE)
		return;
	*out = p->xstate[sub];
	if (!policy_has(p, FEAT_XSAVE))
		return;
	if (sub == 0)
		out->b = xstate_size(p, ctx->xcr0, false);
	else if (sub == 1 && policy_has(p, FEAT_XSAVEC))
		out->b = xstate_size(p, ctx->xcr0 | ctx->xss, true);
}

static void xen_leaf(const struct cpuid_ctx *ctx, uint32_t leaf, uint32_t sub, struct cpuid_leaf *out)
{
	switch (leaf - XEN_LEAF) {
	case 0: /* "XenVMMXenVMM" */
		*out = (struct cpuid_leaf){ XEN_MAX_LEAF, 0x566e6558, 0x65584d4d, 0x4d4d566e };
		break;
	case 1:
		out->a = XEN_VERSION << 16 | XEN_SUBVERSION;
		break;
	case 2:
		out->a = 1;
		out->b = ctx->hypercall_msr;
		break;
	case 3:
		if (sub == 0)
			*out = (struct cpuid_leaf){ ctx->tsc.flags, ctx->tsc.mode, ctx->tsc.khz, ctx->tsc.incarnation };
		else if (sub == 1)
			*out = (struct cpuid_leaf){ (uint32_t)ctx->tsc.offset, (uint32_t)(ctx->tsc.offset >> 32),
						    ctx->tsc.mul, (uint32_t)ctx->tsc.shift };
		else if (sub == 2)
			out->a = ctx->tsc.host_khz;
		break;
	case 4:
		if (sub == 0)
			*out = (struct cpuid_leaf){ (ctx->direct_mapped ? 0 : XEN_HVM_IOMMU_MAPPINGS) |
							    XEN_HVM_VCPU_ID | XEN_HVM_DOMID | XEN_HVM_UPCALL_VECTOR,
						    ctx->vcpu_id, ctx->domid, 0 };
		break;
	default: /* 5: PV only */
		break;
	}
}

static void basic_leaf(const struct cpu_policy *p, const struct cpuid_ctx *ctx, uint32_t leaf, uint32_t sub,
		       struct cpuid_leaf *out)
{
	switch (leaf) {
	case 1:
		*out = p->basic[1];
		out->b |= apic_id(ctx) << 24;
		if (ctx->cr4 & CR4_OSXSAVE && policy_has(p, FEAT_XSAVE))
			out->c |= BIT(27);
		if (!ctx->apic_enabled)
			out->d &= ~BIT(9);
		break;
	case 4:
		if (sub < POLICY_NR_CACHE)
			*out = p->cache[sub];
		break;
	case 7:
		if (sub <= p->feat[0].a && sub < POLICY_NR_FEAT)
			*out = p->feat[sub];
		if (sub == 0 && ctx->cr4 & CR4_PKE && policy_has(p, FEAT_PKU))
			out->c |= BIT(4);
		break;
	case 0xb:
		topology_leaf(p, ctx, sub, out);
		break;
	case 0xd:
		xstate_leaf(p, ctx, sub, out);
		break;
	default:
		*out = p->basic[leaf];
		break;
	}
}

static void ext_leaf(const struct cpu_policy *p, const struct cpuid_ctx *ctx, uint32_t nr, uint32_t sub,
		     struct cpuid_leaf *out)
{
	*out = p->ext[nr];
	switch (nr) {
	case 1:
		if (!ctx->apic_enabled)
			out->d &= ~BIT(9);
		break;
	case 0x1d:
		*out = sub < POLICY_NR_ACACHE ? p->acache[sub] : (struct cpuid_leaf){ 0 };
		break;
	case 0x1e:
		if (policy_has(p, FEAT_TOPOEXT))
			*out = (struct cpuid_leaf){ .a = apic_id(ctx), .b = ctx->vcpu_id & 0xff };
		break;
	default:
		break;
	}
}

void policy_cpuid(const struct cpu_policy *p, const struct cpuid_ctx *ctx, uint32_t leaf, uint32_t sub,
		  struct cpuid_leaf *out)
{
	*out = (struct cpuid_leaf){ 0 };
	if (leaf <= p->basic[0].a && leaf < POLICY_NR_BASIC)
		basic_leaf(p, ctx, leaf, sub, out);
	else if (leaf >= 0x80000000 && leaf <= p->ext[0].a && leaf - 0x80000000 < POLICY_NR_EXT)
		ext_leaf(p, ctx, leaf - 0x80000000, sub, out);
	else if (leaf >= XEN_LEAF && leaf <= XEN_MAX_LEAF)
		xen_leaf(ctx, leaf, sub, out);
}

/* MSRs ------------------------------------------------------------------------------------- */

/* Who has the MSR, what it reads as, what a write does. */
enum msr_who { ANY, AMD, INTEL };
enum msr_write { WR_FAULT, WR_IGNORE, WR_ZERO /* other values fault */ };

/*
 * MSRs with a constant value. Linux reads several of them in early boot without being ready for a fault. AMD: BKDG / PPR of
 * families 10h to 19h; Intel: SDM vol. 4. Sorted by number.
 */
static const struct {
	uint32_t first, last;
	uint8_t who, write;
	uint64_t val;
} constant_msrs[] = {
	{ 0x00000000, 0x00000001, ANY, WR_ZERO, 0 },	/* P5_MC_ADDR, P5_MC_TYPE */
	{ 0x00000017, 0x00000017, INTEL, WR_FAULT, 0 }, /* PLATFORM_ID */
	{ 0x0000002a, 0x0000002a, INTEL, WR_FAULT, 0 }, /* EBL_CR_POWERON */
	{ 0x0000003a, 0x0000003a, INTEL, WR_FAULT, 1 }, /* FEATURE_CONTROL: locked, nothing enabled */
	{ 0x0000008b, 0x0000008b, ANY, WR_IGNORE, 0 },	/* microcode revision */
	{ 0x000000fe, 0x000000fe, ANY, WR_FAULT, MTRR_VCNT | 1 << 8 | 1 << 10 }, /* MTRRcap: fixed ranges, WC */
	{ 0x00000140, 0x00000140, ANY, WR_ZERO, 0 },				 /* MISC_FEATURES_ENABLES */
	{ 0x00000179, 0x00000179, ANY, WR_FAULT, 2 },				 /* MCG_CAP: two banks, no MCG_CTL */
	{ 0x000001d9, 0x000001d9, ANY, WR_IGNORE, 0 },				 /* DEBUGCTL: no branch records */
	{ 0x000001db, 0x000001de, ANY, WR_FAULT, 0 },	     /* last branch and exception addresses */
	{ 0x00000400, 0x00000407, ANY, WR_IGNORE, 0 },	     /* MC0, MC1: never an error */
	{ 0xc0010000, 0xc0010007, AMD, WR_IGNORE, 0 },	     /* performance counters: dead */
	{ 0xc0010010, 0xc0010010, AMD, WR_IGNORE, 0 },	     /* SYSCFG */
	{ 0xc0010015, 0xc0010015, AMD, WR_IGNORE, 1 << 24 }, /* HWCR: TSC counts at P0 frequency */
	{ 0xc001001a, 0xc001001a, AMD, WR_FAULT, 0 },	     /* TOP_MEM */
	{ 0xc001001d, 0xc001001d, AMD, WR_FAULT, 0 },	     /* TOP_MEM2 */
	{ 0xc001001f, 0xc001001f, AMD, WR_IGNORE, 0 },	     /* NB_CFG */
	{ 0xc0010055, 0xc0010055, AMD, WR_IGNORE, 0 },	     /* INT_PENDING: no C1E */
	{ 0xc0010058, 0xc0010058, AMD, WR_FAULT, 0 },	     /* MMIO configuration base: none */
	{ 0xc0010111, 0xc0010113, AMD, WR_FAULT, 0 },	     /* SMM base, TSEG */
	{ 0xc0011020, 0xc0011028, AMD, WR_IGNORE, 0 },	     /* LS_CFG, IC_CFG, DC_CFG... */
	{ 0xc0011029, 0xc0011029, AMD, WR_IGNORE, 2 },	     /* DE_CFG: LFENCE serialises */
	{ 0xc001102a, 0xc001102d, AMD, WR_IGNORE, 0 },	     /* BU_CFG2... */
};

static int find_constant(const struct cpu_policy *p, uint32_t msr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(constant_msrs) && constant_msrs[i].first <= msr; i++) {
		if (msr > constant_msrs[i].last)
			continue;
		if (constant_msrs[i].who == AMD && !amd_like(p))
			return -1;
		if (constant_msrs[i].who == INTEL && p->vendor != VENDOR_INTEL)
			return -1;
		return (int)i;
	}
	return -1;
}

#define MTRR_DEF_DEFAULT 0x806u	  /* enabled, write-back: what firmware would leave */
#define MISC_ENABLE_FIXED 0x1800u /* no BTS, no PEBS */
#define MISC_ENABLE_FAST_STRINGS 0x1u

void msr_state_reset(struct msr_state *s)
{
	*s = (struct msr_state){ .mtrr_def = MTRR_DEF_DEFAULT,
				 .misc_enable = MISC_ENABLE_FIXED | MISC_ENABLE_FAST_STRINGS };
}

/* Memory an MTRR number stands for, NULL if @msr is none. */
static uint64_t *mtrr_slot(struct msr_state *s, uint32_t msr)
{
	if (msr >= 0x200 && msr < 0x200 + 2 * MTRR_VCNT)
		return &s->mtrr_phys[msr - 0x200];
	if (msr == 0x250)
		return &s->mtrr_fixed[0];
	if (msr == 0x258 || msr == 0x259)
		return &s->mtrr_fixed[1 + msr - 0x258];
	if (msr >= 0x268 && msr <= 0x26f)
		return &s->mtrr_fixed[3 + msr - 0x268];
	return msr == 0x2ff ? &s->mtrr_def : NULL;
}

static bool mtrr_type_valid(uint8_t type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

/* SDM vol. 3, 12.11.2: reserved bits and types fault. */
static bool mtrr_valid(const struct cpu_policy *p, uint32_t msr, uint64_t val)
{
	uint64_t high = ~0UL << phys_bits(p);

	if (msr == 0x2ff)
		return !(val & ~0xcffUL) && mtrr_type_valid((uint8_t)val);
	if (msr >= 0x250) {
		for (unsigned i = 0; i < 8; i++)
			if (!mtrr_type_valid((uint8_t)(val >> (8 * i))))
				return false;
		return true;
	}
	if (msr & 1)
		return !(val & (high | 0x7ff));
	return !(val & (high | 0xf00)) && mtrr_type_valid((uint8_t)val);
}

int policy_rdmsr(const struct cpu_policy *p, const struct msr_state *s, uint32_t msr, uint64_t *val)
{
	int i = find_constant(p, msr);
	const uint64_t *slot = mtrr_slot((struct msr_state *)s, msr);

	if (i >= 0 || slot) {
		*val = slot ? *slot : constant_msrs[i].val;
		return 0;
	}
	switch (msr) {
	case MSR_PLATFORM_INFO:
		*val = p->platform_info;
		return 0;
	case MSR_ARCH_CAPS:
		*val = p->arch_caps;
		return policy_has(p, FEAT_ARCH_CAPS) ? 0 : -EINVAL;
	case 0x17a: /* MCG_STATUS */
		*val = s->mcg_status;
		return 0;
	case 0x1a0:
		*val = s->misc_enable;
		return p->vendor == VENDOR_INTEL ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

int policy_wrmsr(const struct cpu_policy *p, struct msr_state *s, uint32_t msr, uint64_t val)
{
	int i = find_constant(p, msr);
	uint64_t *slot = mtrr_slot(s, msr);

	if (i >= 0) {
		if (constant_msrs[i].write == WR_FAULT || (constant_msrs[i].write == WR_ZERO && val))
			return -EINVAL;
		return 0;
	}
	if (slot) {
		if (!mtrr_valid(p, msr, val))
			return -EINVAL;
		*slot = val;
		return 0;
	}
	switch (msr) {
	case 0x17a: /* MCG_STATUS: RIPV, EIPV, MCIP */
		if (val & ~7UL)
			return -EINVAL;
		s->mcg_status = val;
		return 0;
	case 0x1a0:
		if (p->vendor != VENDOR_INTEL)
			return -EINVAL;
		s->misc_enable = (val & MISC_ENABLE_FAST_STRINGS) | MISC_ENABLE_FIXED;
		return 0;
	default:
		return -EINVAL;
	}
}
