/* Bringing up and reaching the other CPUs. hv/arch/x86/smp.c. */
#ifndef ASM_SMP_H
#define ASM_SMP_H

#include "hv/types.h"

struct pcpu;

/* Make the boot CPU's structure reachable: first thing in C. */
void smp_boot_pcpu(void);
/* Start every other CPU the MADT lists, as options allow. */
void smp_init(void);
/* Top of the boot CPU's guarded stack; its exceptions use their own stacks from here on. */
uint64_t smp_boot_stacks(void);
/* The boot CPU enters the registry with timers, tasks and a run queue. */
void smp_boot_cpu_join(void);
unsigned smp_present(void); /* CPUs listed, started or not */
/* Stop every other CPU for good: interrupts them with NMI. Used by panic and machine stop. */
void smp_stop_others(void);
/* An NMI arrived: was it that? */
bool smp_stopping(void);

/* Run @fn on @stack_top, never to return. */
_Noreturn void stack_switch(uint64_t stack_top, void (*fn)(void));

#endif
