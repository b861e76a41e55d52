/*
 * CPUID and MSR policy on synthetic machines: what is hidden, what depends on what, topology that agrees with itself, what a
 * toolstack may set. Against the CPUID chapters of the SDM and the APM and the public cpuid.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "compile.h"
#include "hv/errno.h"
#include "hv/string.h"
#include "policy.h"

struct raw {
	uint32_t leaf, sub;
	struct cpuid_leaf l;
};

/* QEMU's qemu64 under TCG: AMD, no XSAVE. */
static const struct raw qemu64[] = {
	{ 0x0, 0, { 0xd, 0x68747541, 0x444d4163, 0x69746e65 } },
	{ 0x1, 0, { 0x00060fb1, 0x03080800, 0x80a02201, 0x178bfbff } },
	{ 0x7, 0, { 0, 0, 0, 0 } },
	{ 0x80000000, 0, { 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65 } },
	{ 0x80000001, 0, { 0x00060fb1, 0, 0x00000007, 0x2191abfd } },
	{ 0x80000002, 0, { 0x554d4551, 0x72695620, 0x6c617574, 0x55504320 } },
	{ 0x80000008, 0, { 0x00003028, 0, 0x3003, 0 } },
	{ 0x8000000a, 0, { 1, 0x10, 0, 1 } },
};

/* QEMU's max under TCG. */
static const struct raw qemu_max[] = {
	{ 0x0, 0, { 0xd, 0x68747541, 0x444d4163, 0x69746e65 } },
	{ 0x1, 0, { 0x00060fb1, 0x00080800, 0xfef8320b, 0x178bfbff } },
	{ 0x7, 0, { 1, 0x219c07ab, 0x1040471c, 0x10 } },
	{ 0xd, 0, { 0x207, 0x240, 0xa88, 0 } },
	{ 0xd, 1, { 0x4, 0x240, 0, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0xd, 9, { 8, 0xa80, 0, 0 } },
	{ 0x80000000, 0, { 0x80000021, 0x68747541, 0x444d4163, 0x69746e65 } },
	{ 0x80000001, 0, { 0x00060fb1, 0, 0x000001f7, 0xeed3fbff } },
	{ 0x80000008, 0, { 0x00003928, 0x200, 0x3003, 0 } },
};

/* A server of family 19h. */
static const struct raw epyc[] = {
	{ 0x0, 0, { 0x10, 0x68747541, 0x444d4163, 0x69746e65 } },
	{ 0x1, 0, { 0x00a00f11, 0x10800800, 0x7efa320b, 0x178bfbff } },
	{ 0x5, 0, { 0x40, 0x40, 3, 0x11 } },
	{ 0x6, 0, { 4, 0, 1, 0 } },
	{ 0x7, 0, { 0, 0x219c97a9, 0x0040069c, 0x10 } },
	{ 0xb, 0, { 1, 2, 0x100, 0x10 } },
	{ 0xd, 0, { 0x207, 0x340, 0x988, 0 } },
	{ 0xd, 1, { 0xf, 0x340, 0x1800, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0xd, 9, { 8, 0x980, 0, 0 } },
	{ 0x80000000, 0, { 0x80000023, 0x68747541, 0x444d4163, 0x69746e65 } },
	{ 0x80000001, 0, { 0x00a00f11, 0x40000000, 0x75c237ff, 0x2fd3fbff } },
	{ 0x80000007, 0, { 0, 0x3b, 0, 0x6799 } },
	{ 0x80000008, 0, { 0x00003030, 0x191ef657, 0x0000707f, 0x00010000 } },
	{ 0x8000000a, 0, { 1, 0x8000, 0, 0x1bbcff } },
	{ 0x80000019, 0, { 0xf040f040, 0xf0400000, 0, 0 } },
	{ 0x8000001a, 0, { 0x6, 0, 0, 0 } },
	{ 0x8000001b, 0, { 0x3ff, 0, 0, 0 } },
	{ 0x8000001d, 0, { 0x00004121, 0x01c0003f, 0x3f, 0 } },
	{ 0x8000001d, 1, { 0x00004122, 0x01c0003f, 0x3f, 0 } },
	{ 0x8000001d, 2, { 0x00004143, 0x01c0003f, 0x3ff, 2 } },
	{ 0x8000001d, 3, { 0x0003c163, 0x03c0003f, 0x7fff, 1 } },
	{ 0x8000001e, 0, { 0x10, 0x108, 0, 0 } },
	{ 0x8000001f, 0, { 0x1780f, 0x173, 0x1fd, 1 } },
	{ 0x80000021, 0, { 0x2d, 0, 0, 0 } },
};

/* An Intel server with AVX-512. */
static const struct raw intel[] = {
	{ 0x0, 0, { 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 } },
	{ 0x1, 0, { 0x000606a6, 0x00400800, 0x7ffefbff, 0xbfebfbff } },
	{ 0x2, 0, { 0x00feff01, 0xf0, 0, 0 } },
	{ 0x4, 0, { 0x7c004121, 0x02c0003f, 0x3f, 0 } },
	{ 0x4, 1, { 0x7c004122, 0x01c0003f, 0x3f, 0 } },
	{ 0x4, 2, { 0x7c004143, 0x04c0003f, 0x3ff, 0 } },
	{ 0x4, 3, { 0x7c0fc163, 0x02c0003f, 0xbfff, 4 } },
	{ 0x5, 0, { 0x40, 0x40, 3, 0x2020 } },
	{ 0xa, 0, { 0x07300805, 0, 7, 0x8603 } },
	{ 0x7, 0, { 1, 0xf3bfffbf, 0x40417f5e, 0xbc040412 } },
	{ 0x7, 1, { 0x30, 0, 0, 0 } },
	{ 0xb, 0, { 1, 2, 0x100, 0 } },
	{ 0xd, 0, { 0x2e7, 0xa88, 0xa88, 0 } },
	{ 0xd, 1, { 0xf, 0xa08, 0x100, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0xd, 5, { 0x40, 0x440, 0, 0 } },
	{ 0xd, 6, { 0x200, 0x480, 0, 0 } },
	{ 0xd, 7, { 0x400, 0x680, 0, 0 } },
	{ 0xd, 9, { 8, 0xa80, 0, 0 } },
	{ 0x80000000, 0, { 0x80000008, 0, 0, 0 } },
	{ 0x80000001, 0, { 0, 0, 0x121, 0x2c100800 } },
	{ 0x80000007, 0, { 0, 0, 0, 0x100 } },
	{ 0x80000008, 0, { 0x0000392e, 0x200, 0, 0 } },
};

static const struct machine {
	const char *name;
	const struct raw *raw;
	unsigned nr;
} machines[] = {
	{ "qemu64", qemu64, ARRAY_SIZE(qemu64) },
	{ "max", qemu_max, ARRAY_SIZE(qemu_max) },
	{ "epyc", epyc, ARRAY_SIZE(epyc) },
	{ "intel", intel, ARRAY_SIZE(intel) },
};
enum { QEMU64, QEMU_MAX, EPYC, INTEL_SERVER };

static const struct machine *current;

static void cpuid(uint32_t leaf, uint32_t sub, struct cpuid_leaf *out)
{
	*out = (struct cpuid_leaf){ 0 };
	for (unsigned i = 0; i < current->nr; i++)
		if (current->raw[i].leaf == leaf && current->raw[i].sub == sub)
			*out = current->raw[i].l;
}

static const struct policy_caps all_caps = {
	.xsave = true,
	.tsc_deadline = true,
	.invariant_tsc = true,
	.rdtscp = true,
	.xcr0_mask = ~0UL,
};

static struct cpu_policy max_of(unsigned m, const struct policy_caps *caps)
{
	struct cpu_policy host, max;

	current = &machines[m];
	policy_from_host(&host, cpuid);
	policy_hvm_max(&max, &host, caps);
	return max;
}

static struct cpuid_leaf query(const struct cpu_policy *p, uint32_t leaf, uint32_t sub)
{
	struct cpuid_ctx ctx = { .apic_enabled = true, .xcr0 = 1 };
	struct cpuid_leaf l;

	policy_cpuid(p, &ctx, leaf, sub, &l);
	return l;
}

static void test_host(void **state)
{
	struct cpu_policy host;

	current = &machines[EPYC];
	policy_from_host(&host, cpuid);
	assert_int_equal(host.vendor, VENDOR_AMD);
	assert_true(policy_has(&host, FEAT_SVM));
	assert_true(policy_has(&host, FEAT_MONITOR));
	assert_int_equal(host.xcr0_max, 0x207);
	assert_int_equal(host.acache[3].a, 0x3c163);
	current = &machines[INTEL_SERVER];
	policy_from_host(&host, cpuid);
	assert_int_equal(host.vendor, VENDOR_INTEL);
	assert_int_equal(host.cache[3].a, 0x7c0fc163);
	assert_true(policy_has(&host, FEAT_AVX512_BF16));
}

/* Things no guest may see, things every guest sees, whatever the machine. */
static void test_max(void **state)
{
	static const uint16_t never[] = {
		FEAT_MONITOR,	 FEAT_SVM,	  FEAT_VMX,	    FEAT_PCID,	      FEAT_INVPCID,    FEAT_OSXSAVE,
		FEAT_MPX,	 FEAT_XSAVES,	  FEAT_OSPKE,	    FEAT_TSC_ADJUST,  FEAT_IBPB,       FEAT_IBRSB,
		FEAT_ARCH_CAPS,	 FEAT(FW_E1C, 9), FEAT(FW_E1C, 10), FEAT(FW_E1C, 15), FEAT(FW_7B0, 4), FEAT(FW_7B0, 11),
		FEAT(FW_1D, 21), FEAT(FW_1D, 22), FEAT(FW_1C, 15),  FEAT(FW_7C0, 16), FEAT_DBEXT,
	};
	static const uint16_t always[] = { FEAT_HYPERVISOR, FEAT_APIC, FEAT_X2APIC,  FEAT_LM,  FEAT_NX,
					   FEAT_SSE2,	    FEAT_FXSR, FEAT_SYSCALL, FEAT_PAE, FEAT_CX8,
					   FEAT_MTRR,	    FEAT_PAT,  FEAT_MCA };

	for (unsigned m = 0; m < ARRAY_SIZE(machines); m++) {
		struct cpu_policy p = max_of(m, &all_caps);
		struct cpuid_leaf l;

		for (unsigned i = 0; i < ARRAY_SIZE(never); i++)
			if (policy_has(&p, never[i]))
				fail_msg("%s shows %u.%u", machines[m].name, never[i] / 32, never[i] % 32);
		for (unsigned i = 0; i < ARRAY_SIZE(always); i++)
			if (!policy_has(&p, always[i]))
				fail_msg("%s hides %u.%u", machines[m].name, always[i] / 32, always[i] % 32);
		assert_int_equal(policy_settle(&p), 0);
		/* monitor, power, performance, SVM, IBS, SEV */
		for (unsigned i = 0; i < 9; i++) {
			static const uint32_t hidden[] = { 3,	       5,	   6,	       9,	  0xa,
							   0x8000000a, 0x8000001b, 0x8000001c, 0x8000001f };

			l = query(&p, hidden[i], 0);
			assert_int_equal(l.a | l.b | l.c | l.d, 0);
		}
		assert_int_equal(query(&p, 0, 0).a, 0xd);
		l = query(&p, 0, 0);
		assert_memory_equal(&l.b, &machines[m].raw[0].l.b, 12);
	}
}

static void test_caps(void **state)
{
	static const struct policy_caps none = { .max_phys_bits = 40 };
	struct cpu_policy p = max_of(EPYC, &none);

	assert_false(policy_has(&p, FEAT_XSAVE));
	assert_false(policy_has(&p, FEAT_AVX));
	assert_false(policy_has(&p, FEAT_AVX2));
	assert_false(policy_has(&p, FEAT_FMA));
	assert_false(policy_has(&p, FEAT_PKU));
	assert_true(policy_has(&p, FEAT_SSE4_2));
	assert_true(policy_has(&p, FEAT_BMI2));
	assert_false(policy_has(&p, FEAT_INVARIANT_TSC));
	assert_false(policy_has(&p, FEAT_TSC_DEADLINE));
	assert_false(policy_has(&p, FEAT_RDTSCP));
	assert_false(policy_has(&p, FEAT_RDPID));
	assert_int_equal(query(&p, 0xd, 0).a, 0);
	assert_int_equal(query(&p, 0x80000008, 0).a & 0xff, 40);
	p = max_of(INTEL_SERVER, &all_caps);
	assert_true(policy_has(&p, FEAT_AVX512F));
	assert_true(policy_has(&p, FEAT_INVARIANT_TSC));
	assert_true(policy_has(&p, FEAT_TSC_DEADLINE));
	assert_int_equal(p.xcr0_max, 0x2e7);
	p = max_of(INTEL_SERVER, &(struct policy_caps){ .xsave = true, .xcr0_mask = 7 });
	assert_false(policy_has(&p, FEAT_AVX512F));
	assert_false(policy_has(&p, FEAT_AVX512_BF16));
	assert_false(policy_has(&p, FEAT_PKU));
	assert_true(policy_has(&p, FEAT_AVX2));
	assert_int_equal(p.xcr0_max, 7);
	p = max_of(QEMU64, &all_caps); /* nothing the host does not have */
	assert_false(policy_has(&p, FEAT_XSAVE));
	assert_false(policy_has(&p, FEAT_INVARIANT_TSC));
}

static void test_dependencies(void **state)
{
	struct cpu_policy p = max_of(INTEL_SERVER, &all_caps);

	policy_clear(&p, FEAT_XSAVE);
	assert_false(policy_has(&p, FEAT_AVX));
	assert_false(policy_has(&p, FEAT_AVX512VBMI));
	assert_false(policy_has(&p, FEAT_F16C));
	assert_false(policy_has(&p, FEAT_XSAVEOPT));
	assert_false(policy_has(&p, FEAT_PKU));
	assert_true(policy_has(&p, FEAT_AES));
	assert_int_equal(p.xcr0_max, 0);
	p = max_of(INTEL_SERVER, &all_caps);
	policy_clear(&p, FEAT_SSE);
	assert_false(policy_has(&p, FEAT_LM));
	assert_false(policy_has(&p, FEAT_SSE4_2));
	assert_false(policy_has(&p, FEAT_AVX));
	assert_false(policy_has(&p, FEAT_CX16));
	assert_true(policy_has(&p, FEAT_XSAVE));
	assert_int_equal(p.xcr0_max, 3 | 0x200);
	/* Whatever is cleared, the result is settled and a subset. */
	for (unsigned m = 0; m < ARRAY_SIZE(machines); m++)
		for (unsigned f = 0; f < NR_FEAT_WORDS * 32; f++) {
			struct cpu_policy max = max_of(m, &all_caps), less = max;

			policy_clear(&less, f);
			assert_false(policy_has(&less, f));
			assert_int_equal(policy_settle(&less), 0);
			for (unsigned g = 0; g < NR_FEAT_WORDS * 32; g++)
				assert_false(policy_has(&less, g) && !policy_has(&max, g));
		}
	policy_clear(&p, 100000);
	assert_false(policy_has(&p, 100000));
}

/* Every source of the APIC id says 2 * vcpu, and the widths hold all ids. */
static void test_topology(void **state)
{
	for (unsigned m = 0; m < ARRAY_SIZE(machines); m++)
		for (unsigned nr = 1; nr <= 128; nr = nr < 9 ? nr + 1 : nr * 2 - 1) {
			struct cpu_policy max = max_of(m, &all_caps), p;

			policy_domain(&p, &max, nr);
			assert_int_equal(policy_has(&p, FEAT_HTT), nr > 1);
			for (unsigned v = 0; v < nr; v++) {
				struct cpuid_ctx ctx = { .vcpu_id = v, .apic_enabled = true };
				struct cpuid_leaf l;

				policy_cpuid(&p, &ctx, 1, 0, &l);
				assert_int_equal(l.b >> 24, 2 * v);
				policy_cpuid(&p, &ctx, 0xb, 0, &l);
				assert_int_equal(l.a, 1);
				assert_int_equal(l.b, 1);
				assert_int_equal(l.c, 0x100);
				assert_int_equal(l.d, 2 * v);
				policy_cpuid(&p, &ctx, 0xb, 1, &l);
				assert_true(2 * v >> l.a == 0);
				assert_int_equal(l.b, nr);
				assert_int_equal(l.c, 0x201);
				policy_cpuid(&p, &ctx, 0xb, 2, &l);
				assert_int_equal(l.a | l.b, 0);
				assert_int_equal(l.c, 2);
				assert_int_equal(l.d, 2 * v);
				policy_cpuid(&p, &ctx, 0x80000008, 0, &l);
				if (p.vendor == VENDOR_AMD) {
					assert_int_equal(l.c & 0xff, nr - 1);
					assert_true(2 * v >> (l.c >> 12 & 0xf) == 0);
				}
				policy_cpuid(&p, &ctx, 0x8000001e, 0, &l);
				if (m == EPYC) {
					assert_int_equal(l.a, 2 * v);
					assert_int_equal(l.b, v);
				}
			}
			if (m == EPYC) /* L1 is one core's, L3 the package's */
				assert_true((query(&p, 0x8000001d, 0).a >> 14 & 0xfff) == 1 &&
					    (query(&p, 0x8000001d, 3).a >> 14 & 0xfff) + 1 >= 2 * nr);
			if (m == INTEL_SERVER)
				assert_true((query(&p, 4, 0).a >> 14 & 0xfff) == 1 &&
					    (query(&p, 4, 3).a >> 14 & 0xfff) + 1 >= 2 * nr);
		}
}

static void test_xen_leaves(void **state)
{
	struct cpu_policy p = max_of(QEMU64, &all_caps);
	struct cpuid_ctx ctx = {
		.vcpu_id = 5,
		.domid = 7,
		.hypercall_msr = 0x40000000,
		.tsc = { 3, 0, 2000000, 4, 0x123456789abcdef0, 0x80000000, -1, 1999999 },
	};
	static const struct raw want[] = {
		{ 0x40000000, 0, { 0x40000005, 0x566e6558, 0x65584d4d, 0x4d4d566e } },
		{ 0x40000001, 0, { XEN_VERSION << 16 | XEN_SUBVERSION, 0, 0, 0 } },
		{ 0x40000002, 0, { 1, 0x40000000, 0, 0 } },
		{ 0x40000003, 0, { 3, 0, 2000000, 4 } },
		{ 0x40000003, 1, { 0x9abcdef0, 0x12345678, 0x80000000, 0xffffffff } },
		{ 0x40000003, 2, { 1999999, 0, 0, 0 } },
		{ 0x40000003, 3, { 0, 0, 0, 0 } },
		{ 0x40000004, 0, { 0x5c, 5, 7, 0 } },
		{ 0x40000004, 1, { 0, 0, 0, 0 } },
		{ 0x40000005, 0, { 0, 0, 0, 0 } },
		{ 0x40000006, 0, { 0, 0, 0, 0 } },
		{ 0x40000100, 0, { 0, 0, 0, 0 } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		struct cpuid_leaf l;

		policy_cpuid(&p, &ctx, want[i].leaf, want[i].sub, &l);
		assert_memory_equal(&l, &want[i].l, sizeof(l));
	}
}

static void test_dynamic(void **state)
{
	struct cpu_policy p = max_of(INTEL_SERVER, &all_caps);
	struct cpuid_ctx ctx = { .xcr0 = 1, .apic_enabled = true };
	struct cpuid_leaf l;

	policy_cpuid(&p, &ctx, 1, 0, &l);
	assert_int_equal(l.c >> 27 & 1, 0);
	assert_int_equal(l.d >> 9 & 1, 1);
	ctx.cr4 = 1UL << 18 | 1UL << 22;
	ctx.apic_enabled = false;
	policy_cpuid(&p, &ctx, 1, 0, &l);
	assert_int_equal(l.c >> 27 & 1, 1);
	assert_int_equal(l.d >> 9 & 1, 0);
	policy_cpuid(&p, &ctx, 7, 0, &l);
	assert_int_equal(l.c >> 4 & 1, 1);
	assert_int_equal(l.a, 1);
	policy_cpuid(&p, &ctx, 0xd, 0, &l);
	assert_int_equal(l.a, 0x2e7);
	assert_int_equal(l.b, 576);
	assert_int_equal(l.c, 0xa88);
	ctx.xcr0 = 7;
	policy_cpuid(&p, &ctx, 0xd, 0, &l);
	assert_int_equal(l.b, 0x340);
	ctx.xcr0 = 0x203;
	policy_cpuid(&p, &ctx, 0xd, 0, &l);
	assert_int_equal(l.b, 0xa88);
	policy_cpuid(&p, &ctx, 0xd, 1, &l);
	assert_int_equal(l.b, 576 + 8); /* compacted */
	policy_cpuid(&p, &ctx, 0xd, 2, &l);
	assert_int_equal(l.a, 0x100);
	policy_cpuid(&p, &ctx, 0xd, 3, &l);
	assert_int_equal(l.a | l.b | l.c, 0);
	p = max_of(EPYC, &all_caps);
	policy_cpuid(&p, &ctx, 0x80000001, 0, &l);
	assert_int_equal(l.d >> 9 & 1, 0);
	ctx.apic_enabled = true;
	policy_cpuid(&p, &ctx, 0x80000001, 0, &l);
	assert_int_equal(l.d >> 9 & 1, 1);
}

static void test_out_of_range(void **state)
{
	static const uint32_t leaves[] = { 0xe,	       0x1f,	   0x20,       0x21,	   0x80000022, 0x80000100,
					   0x7fffffff, 0xffffffff, 0x3fffffff, 0xc0000000, 0x40000200 };
	uint64_t seed = 1;

	for (unsigned m = 0; m < ARRAY_SIZE(machines); m++) {
		struct cpu_policy p = max_of(m, &all_caps);
		struct cpuid_leaf l;

		for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
			l = query(&p, leaves[i], 0);
			assert_int_equal(l.a | l.b | l.c | l.d, 0);
		}
		for (uint32_t leaf = 0; leaf < 0x40; leaf++)
			for (unsigned k = 0; k < 50; k++) {
				seed = seed * 6364136223846793005UL + 1;
				(void)query(&p, leaf, k < 40 ? k * 2 : (uint32_t)(seed >> 32));
				(void)query(&p, 0x80000000 | leaf, k < 40 ? k : (uint32_t)(seed >> 32));
			}
	}
}

static void test_serialise(void **state)
{
	for (unsigned m = 0; m < ARRAY_SIZE(machines); m++) {
		struct cpu_policy max = max_of(m, &all_caps), p, q;
		struct policy_leaf leaves[POLICY_MAX_LEAVES];
		struct policy_msr msrs[POLICY_MAX_MSRS];
		struct policy_error bad;
		unsigned nr = ARRAY_SIZE(leaves), nr_msrs = ARRAY_SIZE(msrs), few = 3;

		policy_domain(&p, &max, 4);
		policy_clear(&p, FEAT_AES);
		assert_int_equal(policy_to_leaves(&p, leaves, &nr), 0);
		assert_int_equal(policy_to_msrs(&p, msrs, &nr_msrs), 0);
		assert_true(nr > 10 && nr <= ARRAY_SIZE(leaves));
		policy_domain(&q, &max, 4);
		assert_int_equal(policy_update(&q, &max, leaves, nr, msrs, nr_msrs, &bad), 0);
		assert_memory_equal(&p, &q, sizeof(p));
		assert_int_equal(policy_to_leaves(&p, leaves, &few), -ENOBUFS);
		assert_int_equal(few, nr);
		few = 1;
		assert_int_equal(policy_to_msrs(&p, msrs, &few), -ENOBUFS);
		assert_int_equal(few, 2);
	}
}

static void refuse(const struct cpu_policy *max, struct policy_leaf in, int rc, uint32_t leaf, uint32_t sub)
{
	struct cpu_policy p, before;
	struct policy_error bad;

	policy_domain(&p, max, 2);
	before = p;
	assert_int_equal(policy_update(&p, max, &in, 1, NULL, 0, &bad), rc);
	assert_int_equal(bad.leaf, leaf);
	assert_int_equal(bad.sub, sub);
	assert_int_equal(bad.msr, 0xffffffff);
	assert_memory_equal(&p, &before, sizeof(p));
}

static void test_update(void **state)
{
	struct cpu_policy max = max_of(EPYC, &all_caps), p;
	struct cpuid_leaf l0 = max.basic[0], l1 = max.basic[1], e1 = max.ext[1];
	struct policy_error bad;
	struct policy_msr msr = { .idx = 0xce, .val = 1UL << 31 };
	const uint32_t none = POLICY_NO_SUBLEAF;

	refuse(&max, (struct policy_leaf){ 0x20, none }, -ERANGE, 0x20, none);
	refuse(&max, (struct policy_leaf){ 0xe, none }, -ERANGE, 0xe, none);
	refuse(&max, (struct policy_leaf){ 0x1, 0, l1.a, l1.b, l1.c, l1.d }, -ERANGE, 1, 0); /* has no subleaves */
	refuse(&max, (struct policy_leaf){ 0x7, none }, -ERANGE, 7, none);
	refuse(&max, (struct policy_leaf){ 0x7, 2 }, -ERANGE, 7, 2);
	refuse(&max, (struct policy_leaf){ 0xb, 2 }, -ERANGE, 0xb, 2);
	refuse(&max, (struct policy_leaf){ 0xd, 63 }, -ERANGE, 0xd, 63);
	refuse(&max, (struct policy_leaf){ 0x8000001d, 0 }, -ERANGE, 0x8000001d, 0);
	refuse(&max, (struct policy_leaf){ 0x80000022, none }, -ERANGE, 0x80000022, none);
	refuse(&max, (struct policy_leaf){ 0x12345678, none }, -ERANGE, 0x12345678, none);
	refuse(&max, (struct policy_leaf){ 0, none, 0x10, l0.b, l0.c, l0.d }, -EINVAL, 0, none);
	refuse(&max, (struct policy_leaf){ 7, 0, 1, 0, 0, 0 }, -EINVAL, 7, 0);
	refuse(&max, (struct policy_leaf){ 0x80000000, none, 0x80000023, 0, 0, 0 }, -EINVAL, 0x80000000, none);

	/* Another vendor and features nobody here can have are not an error: they are not taken. */
	policy_domain(&p, &max, 2);
	assert_int_equal(policy_update(&p, &max,
				       (struct policy_leaf[]){
					       { 0, none, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 },
					       { 1, none, l1.a, l1.b, l1.c | 8, l1.d },		 /* MONITOR */
					       { 7, 0, 0, max.feat[0].b | 1u << 16, 0, 0 },	 /* AVX512F */
					       { 0x80000001, none, e1.a, e1.b, e1.c | 4, e1.d }, /* SVM */
					       { 0x80000008, none, 0x3034, 0, 0, 0 },		 /* 52 bits */
					       { 0xd, 0, 0xe7, 0, 0, 0 },
				       },
				       6, NULL, 0, &bad),
			 0);
	assert_int_equal(p.basic[0].b, max.basic[0].b);
	assert_false(policy_has(&p, FEAT_MONITOR));
	assert_false(policy_has(&p, FEAT_AVX512F));
	assert_false(policy_has(&p, FEAT_SVM));
	assert_int_equal(p.ext[8].a, max.ext[8].a);
	assert_int_equal(p.xcr0_max & ~max.xcr0_max, 0);

	policy_domain(&p, &max, 2);
	assert_int_equal(policy_update(&p, &max, NULL, 0, &msr, 1, &bad), -EINVAL);
	assert_int_equal(bad.msr, 0xce);
	assert_int_equal(bad.leaf, none);
	msr.idx = 0x10;
	assert_int_equal(policy_update(&p, &max, NULL, 0, &msr, 1, &bad), -ERANGE);
	/* Taking XSAVE away takes AVX along; leaves that are computed are let pass. */
	assert_int_equal(policy_update(&p, &max,
				       (struct policy_leaf[]){
					       { 1, none, l1.a, 0xff000000, l1.c & ~(1u << 26), l1.d },
					       { 0xb, 0, 5, 5, 5, 5 },
					       { 0x40000000, none, 0x40000002, 0, 0, 0 },
				       },
				       3, NULL, 0, &bad),
			 0);
	assert_false(policy_has(&p, FEAT_XSAVE));
	assert_false(policy_has(&p, FEAT_AVX2));
	assert_int_equal(query(&p, 1, 0).b >> 24, 0);
	assert_int_equal(query(&p, 0xb, 1).b, 2);
}

static void test_msrs(void **state)
{
	/* Read by Linux in early boot without a net, on AMD. */
	static const uint32_t early[] = { 0x8b,	 0xfe,	0x200,	    0x20f,	0x250,	    0x258,
					  0x26f, 0x2ff, 0xc0010010, 0xc0010015, 0xc0011029, 0xc0010055,
					  0x179, 0x17a, 0x400,	    0x407,	0x1d9 };
	static const struct {
		uint32_t msr;
		uint64_t val;
		bool ok;
	} writes[] = { { 0x200, 0xf0000006, true },
		       { 0x200, 0xf0000002, false },
		       { 0x200, 0x100, false },
		       { 0x200, 1UL << 48, false },
		       { 0x201, 0xfff000000800, true },
		       { 0x201, 0x400, false },
		       { 0x20f, 0x800, true },
		       { 0x210, 0, false },
		       { 0x250, 0x0606060606060606, true },
		       { 0x26f, 0x0606060602060606, false },
		       { 0x25a, 0, false },
		       { 0x2ff, 0xc06, true },
		       { 0x2ff, 0x1c06, false },
		       { 0x2ff, 0x802, false },
		       { 0xfe, 0, false },
		       { 0x400, ~0UL, true },
		       { 0x401, 0, true },
		       { 0x404, ~0UL, true },
		       { 0x405, 0, true },
		       { 0x408, 0, false },
		       { 0x17a, 0, true },
		       { 0x17a, 8, false },
		       { 0x179, 0, false },
		       { 0x8b, 0, true },
		       { 0xc0010015, 0x1000011, true },
		       { 0xc0010007, 1, true },
		       { 0xce, 0, false },
		       { 0x10a, 0, false },
		       { 0x140, 0, true },
		       { 0x140, 1, false },
		       { 0x1a0, 0, false },
		       { 0x3b, 0, false },
		       { 0x48, 1, false },
		       { 0x12345, 0, false },
		       { 0xc0000100, 0, false } };
	struct cpu_policy p = max_of(EPYC, &all_caps);
	struct msr_state s;
	uint64_t v;

	msr_state_reset(&s);
	for (unsigned i = 0; i < ARRAY_SIZE(early); i++)
		if (policy_rdmsr(&p, &s, early[i], &v))
			fail_msg("MSR %#x", early[i]);
	assert_int_equal(policy_rdmsr(&p, &s, 0xfe, &v), 0);
	assert_int_equal(v, 0x508);
	assert_int_equal(policy_rdmsr(&p, &s, 0x12345, &v), -EINVAL);
	assert_int_equal(policy_rdmsr(&p, &s, 0x10a, &v), -EINVAL);
	assert_int_equal(policy_rdmsr(&p, &s, 0x1a0, &v), -EINVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		if (policy_wrmsr(&p, &s, writes[i].msr, writes[i].val) != (writes[i].ok ? 0 : -EINVAL))
			fail_msg("write %#lx to MSR %#x", writes[i].val, writes[i].msr);
	assert_int_equal(policy_rdmsr(&p, &s, 0x200, &v), 0);
	assert_int_equal(v, 0xf0000006);
	assert_int_equal(s.mtrr_phys[0], v);
	assert_int_equal(policy_rdmsr(&p, &s, 0x2ff, &v), 0);
	assert_int_equal(v, 0xc06);
	assert_int_equal(policy_rdmsr(&p, &s, 0x400, &v), 0);
	assert_int_equal(v, 0);
	for (uint32_t m = 0; m < 0x10000; m++) {
		int w = policy_wrmsr(&p, &s, m, ~0UL), r = policy_rdmsr(&p, &s, 0xc0010000 + m, &v);

		assert_true((w == 0 || w == -EINVAL) && (r == 0 || r == -EINVAL));
	}
	p = max_of(INTEL_SERVER, &all_caps);
	assert_int_equal(policy_rdmsr(&p, &s, 0xc0010010, &v), -EINVAL);
	assert_int_equal(policy_wrmsr(&p, &s, 0xc0010010, 0), -EINVAL);
	assert_int_equal(policy_wrmsr(&p, &s, 0x1a0, ~0UL), 0);
	assert_int_equal(policy_rdmsr(&p, &s, 0x1a0, &v), 0);
	assert_int_equal(v, 0x1801);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),	  cmocka_unit_test(test_max),
		cmocka_unit_test(test_caps),	  cmocka_unit_test(test_dependencies),
		cmocka_unit_test(test_topology),  cmocka_unit_test(test_xen_leaves),
		cmocka_unit_test(test_dynamic),	  cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_serialise), cmocka_unit_test(test_update),
		cmocka_unit_test(test_msrs),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
