/* One physical CPU: what its loop (hv/core/cpu.c) needs. this_pcpu() comes from the architecture. */
#ifndef HV_PCPU_H
#define HV_PCPU_H

#include "asm/pcpu.h" /* struct arch_pcpu; the accessor arch_this_pcpu() */
#include "hv/cpumask.h"
#include "hv/types.h"

struct vcpu;
struct sched_cpu;
struct timer_cpu;

enum softirq {
	SOFTIRQ_TIMER,	 /* run expired timers */
	SOFTIRQ_SCHED,	 /* choose again who runs */
	SOFTIRQ_CONSOLE, /* console input arrived, or output waits */
	SOFTIRQ_IRQ,	 /* device interrupts for guests: asm/irq.h */
	SOFTIRQ_VIRQ,	 /* domain_global_virq_later() */
	SOFTIRQ_CLOCK,	 /* the line that system time follows is another one */
	SOFTIRQ_TASK,	 /* deferred work of this CPU: hv/task.h */
	NR_SOFTIRQS,
};

/* Others write to softirqs only; what this CPU alone uses lies behind it. */
struct cache_aligned pcpu {
	struct pcpu *self;	/* first: the architecture may read it through a segment base */
	unsigned id;		/* dense, 0 = boot CPU */
	struct vcpu *current;	/* vCPU whose state is loaded, NULL = idle. Written by this CPU only */
	unsigned long softirqs; /* pending bits, atomic */
	bool in_guest;		/* between the last softirq check and the exit: a kick must send an IPI */
	uint8_t nr_held;	/* locks held, for rank checks */
	struct {
		const void *lock;
		uint16_t rank;
	} held[8];
	struct lock_waits *lock_waits; /* owned by hv/core/lock.c; NULL: not counted */
	struct sched_cpu *sched;       /* owned by hv/sched */
	struct timer_cpu *timers;      /* owned by hv/core/timer.c */
	void *task;		       /* owned by hv/core/task.c */
	struct arch_pcpu arch;
};

static inline struct pcpu *this_pcpu(void)
{
	return arch_this_pcpu();
}

static inline unsigned this_cpu(void)
{
	return this_pcpu()->id;
}

/* The structure of CPU @cpu, NULL if it never came up. hv/core/cpu.c. */
struct pcpu *pcpu_get(unsigned cpu);
/* Make @p known under p->id. Called by each CPU's bring-up before it enters the loop. */
void pcpu_register(struct pcpu *p);
/* Forget @p: its CPU has left its loop for good. */
void pcpu_unregister(struct pcpu *p);
/* CPUs that run their loop. */
const cpumask_t *cpu_online(void);
unsigned nr_cpus_online(void);

/* Mark softirq @nr pending on CPU @cpu and kick it if it is another CPU. Callable anywhere, also in interrupts. */
void softirq_raise(unsigned cpu, enum softirq nr);
typedef void softirq_fn(void);
void softirq_open(enum softirq nr, softirq_fn *fn);
/* Run pending softirqs of this CPU until none is left; no lock held, interrupts on. */
void softirq_run(void);

/* Run @fn(@arg) on each online CPU of @mask but this one, in interrupt context there, and wait. @fn takes no locks. */
void smp_call(const cpumask_t *mask, void (*fn)(void *), void *arg);

/* The loop of every CPU: softirqs, schedule, run a guest or idle. Never returns. */
_Noreturn void cpu_loop(void);

#endif
