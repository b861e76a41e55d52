/* CPUs of the fake machine: a test chooses which one it is with host_set_cpu(). */
#ifndef ASM_PCPU_H
#define ASM_PCPU_H

#include "hv/types.h"

struct pcpu;

struct arch_pcpu {
	int64_t timer_deadline; /* last arch_set_timer() */
	unsigned kicks;		/* arch_cpu_kick() count */
	uint32_t apic_id;
};

struct pcpu *arch_this_pcpu(void);

#endif
