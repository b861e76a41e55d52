/*
 * The registry of physical CPUs, softirqs, and the loop every CPU runs.
 *
 * No wake-up is lost, because each side writes before it looks:
 *  - a producer first publishes its work (a run queue entry, a due timer, a byte in a ring), then sets the softirq bit with a
 *    sequentially consistent or, then interrupts the CPU if it is another one;
 *  - the consumer first clears the bit with a sequentially consistent and, then looks for work. Work published after that
 *    look finds the bit clear and sets it again;
 *  - before sleeping or entering a guest the architecture disables interrupts, looks at the bits once more and only
 *    then halts or enters; an interrupt that arrives in between stays pending and ends the halt or the guest's run at once.
 * Interrupt handlers only set bits of their own CPU, which the third rule covers without a kick.
 */
#include "hv/lock.h"
#include "hv/pcpu.h"

#include "hv/arch.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/sched.h"

static struct {
	struct pcpu *pcpu[NR_CPUS];
	cpumask_t online;
	softirq_fn *softirq[NR_SOFTIRQS];
} cpus;

/* The structure of CPU @cpu, NULL if there is none. No lock, any context. */
struct pcpu *pcpu_get(unsigned cpu)
{
	return cpu < NR_CPUS ? __atomic_load_n(&cpus.pcpu[cpu], __ATOMIC_ACQUIRE) : NULL;
}

/* Make @p known and online under p->id. */
void pcpu_register(struct pcpu *p)
{
	ASSERT(p->id < NR_CPUS);
	__atomic_store_n(&cpus.pcpu[p->id], p, __ATOMIC_RELEASE);
	cpumask_set_atomic(&cpus.online, p->id);
}

/* Forget @p. No vCPU, timer or task may be left on it. */
void pcpu_unregister(struct pcpu *p)
{
	cpumask_unset_atomic(&cpus.online, p->id);
	__atomic_store_n(&cpus.pcpu[p->id], NULL, __ATOMIC_RELEASE);
}

/* The set of registered CPUs. */
const cpumask_t *cpu_online(void)
{
	return &cpus.online;
}

/* How many CPUs are registered. */
unsigned nr_cpus_online(void)
{
	unsigned cpu, n = 0;

	for_each_cpu(cpu, &cpus.online)
		n++;
	return n;
}

/* Set @nr pending on @cpu; see the top of this file. Only the first raise of a pending bit needs a kick. */
void softirq_raise(unsigned cpu, enum softirq nr)
{
	struct pcpu *p = pcpu_get(cpu);
	unsigned long old;

	if (!p)
		return;
	old = __atomic_fetch_or(&p->softirqs, 1UL << nr, __ATOMIC_SEQ_CST);
	if (p != this_pcpu() && !(old & (1UL << nr)))
		arch_cpu_kick(cpu);
}

/* Install the handler of softirq @nr. Boot, or again with the same @fn. */
void softirq_open(enum softirq nr, softirq_fn *fn)
{
	cpus.softirq[nr] = fn;
}

/* Run pending softirqs of this CPU. SOFTIRQ_SCHED stays pending: the loop answers it by schedule(), which clears it. */
void softirq_run(void)
{
	struct pcpu *p = this_pcpu();
	unsigned long todo;

	while ((todo = __atomic_load_n(&p->softirqs, __ATOMIC_ACQUIRE) & ~(1UL << SOFTIRQ_SCHED))) {
		unsigned nr = (unsigned)__builtin_ctzl(todo);

		__atomic_fetch_and(&p->softirqs, ~(1UL << nr), __ATOMIC_SEQ_CST);
		if (cpus.softirq[nr])
			cpus.softirq[nr]();
		/* A task may queue itself for ever: give guests their turn. */
		if (nr == SOFTIRQ_TASK)
			break;
	}
}

/* Run @fn(@arg) on the online CPUs of @mask except this one and wait for all of them. */
void smp_call(const cpumask_t *mask, void (*fn)(void *), void *arg)
{
	cpumask_t others = cpumask_and(mask, &cpus.online);

	cpumask_unset(&others, this_cpu());
	if (!cpumask_empty(&others))
		arch_smp_call(&others, fn, arg);
}

/* Nothing to run: clean some memory, or sleep. Looks at the bits again after each slice. */
static void idle_slice(void)
{
	if (!mm_scrub_slice())
		arch_idle();
}

/* The loop of every CPU. */
_Noreturn void cpu_loop(void)
{
	struct pcpu *p = this_pcpu();

	lock_waits_init();
	for (;;) {
		struct vcpu *v;

		if (unlikely(__atomic_load_n(&p->softirqs, __ATOMIC_ACQUIRE)))
			softirq_run();
		v = p->current;
		if ((__atomic_load_n(&p->softirqs, __ATOMIC_ACQUIRE) & (1UL << SOFTIRQ_SCHED)) ||
		    (v && !vcpu_runnable(v)))
			v = schedule();
		if (v)
			arch_vcpu_run(v);
		else
			idle_slice();
	}
}
