/* x86 part of struct pcpu. */
#ifndef ASM_PCPU_H
#define ASM_PCPU_H

#include "hv/types.h"

struct pcpu;
struct svm_cpu;
struct vcpu;

struct arch_pcpu {
	uint32_t apic_id;
	void *stack_top;
	void *gdt, *tss;      /* owned by traps.c */
	struct svm_cpu *virt; /* owned by the virtualisation back end */
	struct vcpu *loaded;  /* whose registers are in this CPU, even while it idles; see arch_vcpu_load() */
	int64_t tsc_delta;    /* this CPU's TSC minus the boot CPU's, as last measured */
	int64_t time_ns;      /* last value now() gave here */
	uint32_t time_mul;    /* TSC rate in pvclock form: ns = ((tsc << shift) * mul) >> 32 */
	int8_t time_shift;
	struct smp_call_slot *call; /* owned by smp.c */
};

static inline struct pcpu *arch_this_pcpu(void)
{
	struct pcpu *p;

	asm volatile("mov %%gs:0, %0" : "=r"(p));
	return p;
}

#endif
