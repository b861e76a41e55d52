/* CPUID, and what the boot CPU offers Hospes itself. AMD APM vol. 3 appendix E, Intel SDM vol. 2 "CPUID". */
#ifndef ASM_CPUID_H
#define ASM_CPUID_H

#include "hv/types.h"

struct cpuid_regs {
	uint32_t a, b, c, d;
};

static inline struct cpuid_regs cpuid_count(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
	return r;
}

static inline struct cpuid_regs cpuid(uint32_t leaf)
{
	return cpuid_count(leaf, 0);
}

/* Facts about the boot CPU used by several parts; filled once by cpu_features_init(). */
struct cpu_features {
	char vendor[13];
	char model[49];
	uint32_t family, model_nr, stepping;
	uint32_t max_leaf, max_ext_leaf;
	unsigned phys_bits, virt_bits;
	bool nx, page1g, smep, smap, umip, fsgsbase, pge, pat, xsave, xsaves, x2apic, tsc_deadline, invariant_tsc,
		rdtscp, svm, vmx, hypervisor, arat, ibpb, restores_fp_pointers;
	uint32_t guards;       /* between guests and Hospes: GUARD_* of errata.h */
	bool stibp, auto_ibrs; /* to be switched on */
	bool tcg;	       /* QEMU's emulation of a processor, which forgets interrupts: see arch_idle() */
};

extern struct cpu_features cpu_features; /* written once at boot */

void cpu_features_init(void);
/* One line in the log on what is done against speculation, if anything is. */
void cpu_show_guards(void);
/* CR0, CR4 and EFER of the calling CPU as Hospes wants them; each CPU once, after its page tables are loaded. */
void cpu_setup(void);

#endif
