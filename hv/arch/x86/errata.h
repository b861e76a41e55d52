/*
 * Faults of AMD's processors and what is done about them: registers that firmware may have left as they were, and what stands between a guest and
 * Hospes at each entry and exit. Pure: the processor is described, so models nobody here has are tested on any host.
 */
#ifndef X86_ERRATA_H
#define X86_ERRATA_H

/* Done at each exit: a guest's return addresses are forgotten; its indirect branches, too. */
#define GUARD_RETURNS 0x1
#define GUARD_BRANCHES 0x2
/* Done before each entry: what the divider, or buffers of loads and stores, still hold is overwritten. */
#define GUARD_DIVIDER 0x4
#define GUARD_BUFFERS 0x8

#ifndef __ASSEMBLY__
#include "hv/types.h"

/* CPUID as in 80000008 EBX, 80000021 EAX and ECX. */
struct cpu_identity {
	uint32_t family, model, microcode;
	uint32_t ext8_b, ext21_a, ext21_c;
};

struct msr_fix {
	uint32_t msr;
	uint64_t set, clear;
};
#define MAX_MSR_FIXES 8u

/* What to change in registers of each CPU; how many. */
unsigned errata_fixes(const struct cpu_identity *c, struct msr_fix fix[MAX_MSR_FIXES]);

/* What this model needs by itself; the command line may choose otherwise among errata_possible(). */
uint32_t errata_guards(const struct cpu_identity *c);
uint32_t errata_possible(const struct cpu_identity *c);
/* Do CPUs that share a core share predictions of branches, unless told not to? */
bool errata_shared_predictor(const struct cpu_identity *c);
/* Does the processor itself keep guests from steering Hospes' branches, once EFER says so? */
bool errata_automatic_ibrs(const struct cpu_identity *c);
#endif

#endif
