/*
 * Device interrupts for guests: which source has which vector on which CPU, and their way from the handler to the softirq.
 *
 * Each CPU has its own table of vectors and a chain of sources that have fired. The chain is touched by that CPU alone, with interrupts
 * off: by the handler, which puts a source in, and by the softirq, which takes them out one by one.
 */
#include "asm/irq.h"

#include "asm/apic.h"
#include "asm/cpu.h"
#include "asm/traps.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/trace.h"

#include "irq.h"

#define NR_GUEST_VECTORS (VECTOR_GUEST_LAST - VECTOR_GUEST_FIRST + 1u)
#define MAX_XAPIC_ID 0xfeu
#define MESSAGE_BASE 0xfee00000UL /* Intel SDM vol. 3, 11.11.1 */

struct cpu_irqs {
	struct host_irq *by_vector[NR_GUEST_VECTORS];
	unsigned used;		     /* guarded by the lock below */
	struct host_irq *fired;	     /* own CPU, interrupts off */
	struct host_irq *delivering; /* atomic: whose deliver() runs */
};

static struct {
	spinlock_t lock; /* RANK_IRQ: guards the choice of vectors */
	struct cpu_irqs *cpu[NR_CPUS];
	bool ready;
	uint64_t strays; /* interrupts nobody owned: a source was given up while it fired */
} irqs = { .lock = SPINLOCK_INIT(RANK_IRQ) };

/* Every guest vector on every CPU. Interrupt context. */
static void fired(unsigned vector)
{
	struct cpu_irqs *c = irqs.cpu[this_cpu()];
	struct host_irq *irq = NULL;

	if (c)
		irq = __atomic_load_n(&c->by_vector[vector - VECTOR_GUEST_FIRST], __ATOMIC_ACQUIRE);
	if (!irq) {
		__atomic_fetch_add(&irqs.strays, 1, __ATOMIC_RELAXED);
		return;
	}
	if (irq->level)
		ioapic_mask_gsi(irq->gsi);
	if (irq->pending)
		return;
	irq->pending = true;
	irq->next = c->fired;
	c->fired = irq;
	softirq_raise(this_cpu(), SOFTIRQ_IRQ);
}

static struct host_irq *take_fired(struct cpu_irqs *c)
{
	bool on = irq_save();
	struct host_irq *irq = c->fired;

	if (irq) {
		c->fired = irq->next;
		irq->pending = false;
	}
	__atomic_store_n(&c->delivering, irq, __ATOMIC_SEQ_CST);
	irq_restore(on);
	return irq;
}

static void irq_softirq(void)
{
	struct cpu_irqs *c = irqs.cpu[this_cpu()];
	struct host_irq *irq;

	while (c && (irq = take_fired(c))) {
		uint32_t began = read_once(trace_events) ? (uint32_t)arch_trace_time() : 0;

		irq->deliver(irq);
		trace(TRC_HW_IRQ_HANDLED, irq->vector, began, (uint32_t)arch_trace_time());
	}
}

/* First use: lock held. */
static void open_vectors(void)
{
	if (irqs.ready)
		return;
	softirq_open(SOFTIRQ_IRQ, irq_softirq);
	for (unsigned v = VECTOR_GUEST_FIRST; v <= VECTOR_GUEST_LAST; v++)
		irq_set_handler(v, fired);
	irqs.ready = true;
}

/* Can @cpu, which now has tables, be named in a message, and has it a free vector? -ENOSPC, -ENOMEM. Lock held. */
static int usable(unsigned cpu)
{
	struct pcpu *p = pcpu_get(cpu);

	if (!p || p->arch.apic_id > MAX_XAPIC_ID)
		return -ENOSPC;
	if (!irqs.cpu[cpu])
		__atomic_store_n(&irqs.cpu[cpu], xzalloc(struct cpu_irqs), __ATOMIC_RELEASE);
	if (!irqs.cpu[cpu])
		return -ENOMEM;
	return irqs.cpu[cpu]->used < NR_GUEST_VECTORS ? 0 : -ENOSPC;
}

/* The CPU wanted, or the one with the fewest vectors in use. -ENOSPC; -ENOMEM: there may be one, but for its tables. Lock held. */
static int choose_cpu(unsigned want, unsigned *best)
{
	int rc = want < NR_CPUS ? usable(want) : -ENOSPC;
	const struct cpu_irqs *least = NULL;
	unsigned cpu;

	*best = want;
	if (!rc)
		return 0;
	for_each_cpu(cpu, cpu_online()) {
		int why = cpu == want ? rc : usable(cpu);

		if (why == -ENOMEM)
			rc = why;
		if (why || (least && irqs.cpu[cpu]->used >= least->used))
			continue;
		least = irqs.cpu[cpu];
		*best = cpu;
	}
	return least ? 0 : rc;
}

/* See asm/irq.h. */
int host_irq_alloc(struct host_irq *irq, unsigned cpu)
{
	struct cpu_irqs *c;
	unsigned i = 0;
	int rc;

	spin_lock(&irqs.lock);
	open_vectors();
	rc = choose_cpu(cpu, &cpu);
	if (rc) {
		spin_unlock(&irqs.lock);
		return err(rc);
	}
	c = irqs.cpu[cpu];
	while (c->by_vector[i])
		i++;
	c->used++;
	irq->vector = (uint8_t)(VECTOR_GUEST_FIRST + i);
	irq->cpu = (uint16_t)cpu;
	irq->pending = false;
	irq->level = false;
	irq->gsi = ~0u;
	__atomic_store_n(&c->by_vector[i], irq, __ATOMIC_RELEASE);
	spin_unlock(&irqs.lock);
	return 0;
}

/* On the CPU of the vector, interrupts off: nothing finds @arg any more. */
static void forget(void *arg)
{
	struct host_irq *irq = arg, **at;
	struct cpu_irqs *c = irqs.cpu[irq->cpu];

	__atomic_store_n(&c->by_vector[irq->vector - VECTOR_GUEST_FIRST], NULL, __ATOMIC_RELEASE);
	for (at = &c->fired; *at; at = &(*at)->next)
		if (*at == irq) {
			*at = irq->next;
			break;
		}
	irq->pending = false;
}

/* See asm/irq.h. The caller holds no lock its deliver() takes, and is not that deliver(). */
void host_irq_free(struct host_irq *irq)
{
	struct cpu_irqs *c;
	cpumask_t mask;

	if (!irq->vector)
		return;
	c = irqs.cpu[irq->cpu];
	if (irq->cpu == this_cpu()) {
		bool on = irq_save();

		forget(irq);
		irq_restore(on);
	} else {
		cpumask_clear(&mask);
		cpumask_set(&mask, irq->cpu);
		smp_call(&mask, forget, irq);
		while (__atomic_load_n(&c->delivering, __ATOMIC_SEQ_CST) == irq)
			cpu_pause();
	}
	spin_lock(&irqs.lock);
	c->used--;
	irq->vector = 0;
	spin_unlock(&irqs.lock);
}

/* See asm/irq.h: fixed delivery, physical destination, edge (Intel SDM vol. 3, 11.11). */
void host_irq_message(const struct host_irq *irq, uint64_t *address, uint32_t *data)
{
	*address = MESSAGE_BASE | (uint64_t)pcpu_get(irq->cpu)->arch.apic_id << 12;
	*data = irq->vector;
}

/* See asm/irq.h. */
void host_irq_ack(struct host_irq *irq)
{
	if (irq->level)
		ioapic_unmask_gsi(irq->gsi);
}
