/*
 * What a toolstack asks about x86 (domctl_x86.c, sysctl_x86.c) from the parts that know: the machine itself, or on the host a made-up
 * one.
 */
#ifndef X86_CONTROL_H
#define X86_CONTROL_H

#include "hv/domain.h"
#include "policy.h"

enum machine_policy {
	MACHINE_RAW,	     /* as the processor says */
	MACHINE_HOST,	     /* what Hospes uses */
	MACHINE_HVM_MAX,     /* what a guest may have */
	MACHINE_HVM_DEFAULT, /* what it gets when nobody chooses */
};
const struct cpu_policy *machine_policy(enum machine_policy which);

/* The time-stamp counter as @d reads it now; the second sets it. */
uint64_t domain_tsc(const struct domain *d);
void domain_set_tsc(struct domain *d, uint64_t tsc);
/* Rate of the machine's counters, in kHz. */
uint32_t machine_tsc_khz(void);

#endif
