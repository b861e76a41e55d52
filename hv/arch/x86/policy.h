/*
 * What CPUID and MSRs say to a guest. One object per domain, plus the host's own and the largest one we can offer.
 * Pure: the host is read through a callback, so synthetic machines are tested on any host.
 */
#ifndef X86_POLICY_H
#define X86_POLICY_H

#include "hv/types.h"

struct cpuid_leaf {
	uint32_t a, b, c, d;
};

/* Feature words, in the order of the public ABI's featureset. */
enum feat_word {
	FW_1D,
	FW_1C,
	FW_E1D,
	FW_E1C,
	FW_DA1,
	FW_7B0,
	FW_7C0,
	FW_E7D,
	FW_E8B,
	FW_7D0,
	FW_7A1,
	FW_E21A,
	NR_FEAT_WORDS,
};
#define FEAT(word, bit) ((word)*32u + (bit))

/* Features the code asks about by name. */
enum feat {
	FEAT_FPU = FEAT(FW_1D, 0),
	FEAT_VME = FEAT(FW_1D, 1),
	FEAT_DE = FEAT(FW_1D, 2),
	FEAT_PSE = FEAT(FW_1D, 3),
	FEAT_TSC = FEAT(FW_1D, 4),
	FEAT_MSR = FEAT(FW_1D, 5),
	FEAT_PAE = FEAT(FW_1D, 6),
	FEAT_MCE = FEAT(FW_1D, 7),
	FEAT_CX8 = FEAT(FW_1D, 8),
	FEAT_APIC = FEAT(FW_1D, 9),
	FEAT_SEP = FEAT(FW_1D, 11),
	FEAT_MTRR = FEAT(FW_1D, 12),
	FEAT_PGE = FEAT(FW_1D, 13),
	FEAT_MCA = FEAT(FW_1D, 14),
	FEAT_CMOV = FEAT(FW_1D, 15),
	FEAT_PAT = FEAT(FW_1D, 16),
	FEAT_PSE36 = FEAT(FW_1D, 17),
	FEAT_CLFLUSH = FEAT(FW_1D, 19),
	FEAT_MMX = FEAT(FW_1D, 23),
	FEAT_FXSR = FEAT(FW_1D, 24),
	FEAT_SSE = FEAT(FW_1D, 25),
	FEAT_SSE2 = FEAT(FW_1D, 26),
	FEAT_HTT = FEAT(FW_1D, 28),
	FEAT_SSE3 = FEAT(FW_1C, 0),
	FEAT_PCLMULQDQ = FEAT(FW_1C, 1),
	FEAT_MONITOR = FEAT(FW_1C, 3),
	FEAT_VMX = FEAT(FW_1C, 5),
	FEAT_SSSE3 = FEAT(FW_1C, 9),
	FEAT_FMA = FEAT(FW_1C, 12),
	FEAT_CX16 = FEAT(FW_1C, 13),
	FEAT_PCID = FEAT(FW_1C, 17),
	FEAT_SSE4_1 = FEAT(FW_1C, 19),
	FEAT_SSE4_2 = FEAT(FW_1C, 20),
	FEAT_X2APIC = FEAT(FW_1C, 21),
	FEAT_MOVBE = FEAT(FW_1C, 22),
	FEAT_POPCNT = FEAT(FW_1C, 23),
	FEAT_TSC_DEADLINE = FEAT(FW_1C, 24),
	FEAT_AES = FEAT(FW_1C, 25),
	FEAT_XSAVE = FEAT(FW_1C, 26),
	FEAT_OSXSAVE = FEAT(FW_1C, 27),
	FEAT_AVX = FEAT(FW_1C, 28),
	FEAT_F16C = FEAT(FW_1C, 29),
	FEAT_RDRAND = FEAT(FW_1C, 30),
	FEAT_HYPERVISOR = FEAT(FW_1C, 31),
	FEAT_SYSCALL = FEAT(FW_E1D, 11),
	FEAT_NX = FEAT(FW_E1D, 20),
	FEAT_MMXEXT = FEAT(FW_E1D, 22),
	FEAT_FFXSR = FEAT(FW_E1D, 25),
	FEAT_PAGE1GB = FEAT(FW_E1D, 26),
	FEAT_RDTSCP = FEAT(FW_E1D, 27),
	FEAT_LM = FEAT(FW_E1D, 29),
	FEAT_3DNOWEXT = FEAT(FW_E1D, 30),
	FEAT_3DNOW = FEAT(FW_E1D, 31),
	FEAT_LAHF_LM = FEAT(FW_E1C, 0),
	FEAT_CMP_LEGACY = FEAT(FW_E1C, 1),
	FEAT_SVM = FEAT(FW_E1C, 2),
	FEAT_CR8_LEGACY = FEAT(FW_E1C, 4),
	FEAT_ABM = FEAT(FW_E1C, 5),
	FEAT_SSE4A = FEAT(FW_E1C, 6),
	FEAT_MISALIGNSSE = FEAT(FW_E1C, 7),
	FEAT_3DNOWPREFETCH = FEAT(FW_E1C, 8),
	FEAT_XOP = FEAT(FW_E1C, 11),
	FEAT_FMA4 = FEAT(FW_E1C, 16),
	FEAT_TBM = FEAT(FW_E1C, 21),
	FEAT_TOPOEXT = FEAT(FW_E1C, 22),
	FEAT_DBEXT = FEAT(FW_E1C, 26),
	FEAT_XSAVEOPT = FEAT(FW_DA1, 0),
	FEAT_XSAVEC = FEAT(FW_DA1, 1),
	FEAT_XGETBV1 = FEAT(FW_DA1, 2),
	FEAT_XSAVES = FEAT(FW_DA1, 3),
	FEAT_FSGSBASE = FEAT(FW_7B0, 0),
	FEAT_TSC_ADJUST = FEAT(FW_7B0, 1),
	FEAT_BMI1 = FEAT(FW_7B0, 3),
	FEAT_AVX2 = FEAT(FW_7B0, 5),
	FEAT_SMEP = FEAT(FW_7B0, 7),
	FEAT_BMI2 = FEAT(FW_7B0, 8),
	FEAT_ERMS = FEAT(FW_7B0, 9),
	FEAT_INVPCID = FEAT(FW_7B0, 10),
	FEAT_MPX = FEAT(FW_7B0, 14),
	FEAT_AVX512F = FEAT(FW_7B0, 16),
	FEAT_AVX512DQ = FEAT(FW_7B0, 17),
	FEAT_RDSEED = FEAT(FW_7B0, 18),
	FEAT_ADX = FEAT(FW_7B0, 19),
	FEAT_SMAP = FEAT(FW_7B0, 20),
	FEAT_AVX512IFMA = FEAT(FW_7B0, 21),
	FEAT_CLFLUSHOPT = FEAT(FW_7B0, 23),
	FEAT_CLWB = FEAT(FW_7B0, 24),
	FEAT_AVX512PF = FEAT(FW_7B0, 26),
	FEAT_AVX512ER = FEAT(FW_7B0, 27),
	FEAT_AVX512CD = FEAT(FW_7B0, 28),
	FEAT_SHA = FEAT(FW_7B0, 29),
	FEAT_AVX512BW = FEAT(FW_7B0, 30),
	FEAT_AVX512VL = FEAT(FW_7B0, 31),
	FEAT_AVX512VBMI = FEAT(FW_7C0, 1),
	FEAT_UMIP = FEAT(FW_7C0, 2),
	FEAT_PKU = FEAT(FW_7C0, 3),
	FEAT_OSPKE = FEAT(FW_7C0, 4),
	FEAT_AVX512VBMI2 = FEAT(FW_7C0, 6),
	FEAT_GFNI = FEAT(FW_7C0, 8),
	FEAT_VAES = FEAT(FW_7C0, 9),
	FEAT_VPCLMULQDQ = FEAT(FW_7C0, 10),
	FEAT_AVX512VNNI = FEAT(FW_7C0, 11),
	FEAT_AVX512BITALG = FEAT(FW_7C0, 12),
	FEAT_AVX512VPOPCNT = FEAT(FW_7C0, 14),
	FEAT_RDPID = FEAT(FW_7C0, 22),
	FEAT_INVARIANT_TSC = FEAT(FW_E7D, 8),
	FEAT_CLZERO = FEAT(FW_E8B, 0),
	FEAT_IBPB = FEAT(FW_E8B, 12),
	FEAT_AMD_SSBD = FEAT(FW_E8B, 24),
	FEAT_VIRT_SSBD = FEAT(FW_E8B, 25),
	FEAT_AVX512_4VNNIW = FEAT(FW_7D0, 2),
	FEAT_AVX512_4FMAPS = FEAT(FW_7D0, 3),
	FEAT_FSRM = FEAT(FW_7D0, 4),
	FEAT_AVX512_VP2I = FEAT(FW_7D0, 8),
	FEAT_IBRSB = FEAT(FW_7D0, 26),
	FEAT_STIBP = FEAT(FW_7D0, 27),
	FEAT_ARCH_CAPS = FEAT(FW_7D0, 29),
	FEAT_SSBD = FEAT(FW_7D0, 31),
	FEAT_AVX_VNNI = FEAT(FW_7A1, 4),
	FEAT_AVX512_BF16 = FEAT(FW_7A1, 5),
	FEAT_LFENCE_DISPATCH = FEAT(FW_E21A, 2),
	FEAT_NSCB = FEAT(FW_E21A, 6),
};

enum cpu_vendor { VENDOR_UNKNOWN, VENDOR_AMD, VENDOR_INTEL, VENDOR_HYGON };

#define POLICY_NR_BASIC 0x20u
#define POLICY_NR_CACHE 6u
#define POLICY_NR_FEAT 2u
#define POLICY_NR_XSTATE 63u
#define POLICY_NR_EXT 0x22u
#define POLICY_NR_ACACHE 5u

/*
 * Leaves as the guest gets them, before the parts that depend on the vCPU (APIC ids) or change as it runs (OSXSAVE...).
 * basic[0].a and ext[0].a are the largest leaves. basic[4], [7], [0xb], [0xd] and ext[0x1d] are unused: those leaves
 * have the arrays below, or (0xb) are made up by the query.
 */
struct cpu_policy {
	struct cpuid_leaf basic[POLICY_NR_BASIC];
	struct cpuid_leaf cache[POLICY_NR_CACHE];   /* leaf 4 */
	struct cpuid_leaf feat[POLICY_NR_FEAT];	    /* leaf 7; feat[0].a = largest subleaf */
	struct cpuid_leaf xstate[POLICY_NR_XSTATE]; /* leaf 0xd */
	struct cpuid_leaf ext[POLICY_NR_EXT];	    /* 0x80000000.. */
	struct cpuid_leaf acache[POLICY_NR_ACACHE]; /* 0x8000001d */
	enum cpu_vendor vendor;
	unsigned nr_vcpus;	/* for topology; 0 in host and max policies */
	uint64_t xcr0_max;	/* bits the guest may set */
	uint64_t platform_info; /* MSR 0xce: bit 31 CPUID faulting; other bits 0 */
	uint64_t arch_caps;	/* MSR 0x10a */
};

/* What the virtualisation back end and the rest of Hospes can do for a guest. */
struct policy_caps {
	bool xsave;	       /* we switch extended state */
	bool tsc_deadline;     /* the vLAPIC has TSC-deadline mode */
	bool invariant_tsc;    /* the TSC never changes rate under the guest's feet (no migration to slower clocks) */
	bool rdtscp;	       /* TSC_AUX is switched */
	uint8_t max_phys_bits; /* of guest-physical addresses; 0 = as the host */
	uint64_t xcr0_mask;    /* state components we switch; 0 with !xsave */
};

/* The inputs of a query that are not policy. */
struct cpuid_ctx {
	uint32_t vcpu_id;
	uint32_t domid;
	uint64_t cr4, xcr0, xss;
	bool apic_enabled;	/* APIC_BASE enable bit */
	bool direct_mapped;	/* devices reach its memory without an IOMMU: others' pages they do not reach */
	uint32_t hypercall_msr; /* 0x40000000 */
	struct {
		uint32_t flags; /* leaf 40000003: bit 0 emulated, bit 1 host TSC reliable, bit 2 RDTSCP */
		uint32_t mode, khz, incarnation;
		uint64_t offset; /* subleaf 1: as in the guest's pvclock */
		uint32_t mul;
		int32_t shift;
		uint32_t host_khz;
	} tsc;
};

typedef void cpuid_fn(uint32_t leaf, uint32_t sub, struct cpuid_leaf *out);

/* Read the machine's policy through @cpuid. */
void policy_from_host(struct cpu_policy *p, cpuid_fn *cpuid);
/* The most any HVM-container guest may see: @host masked by what we support and by @caps, dependencies settled. */
void policy_hvm_max(struct cpu_policy *p, const struct cpu_policy *host, const struct policy_caps *caps);
/* A domain's policy from @max, with the topology of @nr_vcpus. */
void policy_domain(struct cpu_policy *p, const struct cpu_policy *max, unsigned nr_vcpus);

bool policy_has(const struct cpu_policy *p, unsigned feat);
/* Take @feat away, with everything that depends on it. */
void policy_clear(struct cpu_policy *p, unsigned feat);
/* Clear each feature whose precondition is missing, and recompute xstate leaves. Returns how many were cleared. */
unsigned policy_settle(struct cpu_policy *p);

/* CPUID as vCPU @ctx sees it. Never fails: leaves out of range give zeros. */
void policy_cpuid(const struct cpu_policy *p, const struct cpuid_ctx *ctx, uint32_t leaf, uint32_t sub,
		  struct cpuid_leaf *out);

/* Serialised forms: layouts of the public ABI's xen_cpuid_leaf_t and xen_msr_entry_t. */
#define POLICY_NO_SUBLEAF 0xffffffffu
struct policy_leaf {
	uint32_t leaf, sub;
	uint32_t a, b, c, d;
};
struct policy_msr {
	uint32_t idx, flags;
	uint64_t val;
};
#define POLICY_MAX_LEAVES (POLICY_NR_BASIC + POLICY_NR_CACHE + POLICY_NR_FEAT + POLICY_NR_XSTATE + POLICY_NR_EXT + 2)
#define POLICY_MAX_MSRS 2u

/* Write at most *@nr entries, set *@nr to how many there are. -ENOBUFS if that was too few. */
int policy_to_leaves(const struct cpu_policy *p, struct policy_leaf *leaves, unsigned *nr) must_check;
int policy_to_msrs(const struct cpu_policy *p, struct policy_msr *msrs, unsigned *nr) must_check;

struct policy_error {
	uint32_t leaf, sub, msr; /* 0xffffffff: not that kind */
};
/*
 * Replace parts of @p by the given leaves and MSRs; @p changes only on success. Features beyond @max are dropped. -ERANGE: a leaf or MSR no policy has;
 * -EINVAL: a value @max cannot give; *@bad then names the first offender. hv/arch/x86/policy_serial.c
 */
int policy_update(struct cpu_policy *p, const struct cpu_policy *max, const struct policy_leaf *leaves,
		  unsigned nr_leaves, const struct policy_msr *msrs, unsigned nr_msrs,
		  struct policy_error *bad) must_check;

/* MSRs served from memory. One per vCPU (arch_vcpu.msrs). MTRR numbers as in the HVM MTRR record. */
#define MTRR_VCNT 8
struct msr_state {
	uint64_t mtrr_phys[2 * MTRR_VCNT]; /* base, mask, base, mask... */
	uint64_t mtrr_fixed[11];	   /* 250, 258, 259, 268..26f */
	uint64_t mtrr_def;		   /* bits 10, 11 enables, low byte type */
	uint64_t misc_enable;
	uint64_t mcg_status;
};
/* Power-up contents. */
void msr_state_reset(struct msr_state *s);
/*
 * RDMSR / WRMSR of every MSR that is neither the back end's (EFER, STAR, SYSENTER, PAT, FS/GS base...), the vLAPIC's, TSC
 * nor the hypercall page's. 0; -EINVAL: inject #GP(0), which is also the answer to unknown ones.
 */
int policy_rdmsr(const struct cpu_policy *p, const struct msr_state *s, uint32_t msr, uint64_t *val) must_check;
int policy_wrmsr(const struct cpu_policy *p, struct msr_state *s, uint32_t msr, uint64_t val) must_check;

#endif
