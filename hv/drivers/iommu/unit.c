/* Units of IOMMUs: waiting for them, giving up those that do not answer, and asking them for faults. */
#include "hv/arch.h"
#include "hv/printk.h"
#include "state.h"

#define MAX_ROUNDS (1u << 26)
#define FAULT_BATCH 16u
#define FAULT_ROUNDS 16u
#define CATCH_UP_INTERVAL MILLISECS(10)

/*
 * See internal.h. The clock is asked now and then, for reading it costs more than a round; and it is not trusted to
 * move.
 */
bool iommu_wait_more(struct iommu_wait *w)
{
	arch_cpu_relax();
	if (w->rounds++ % 64)
		return true;
	if (w->rounds > MAX_ROUNDS)
		return false;
	if (!w->end)
		w->end = now() + IOMMU_ANSWER_TIME;
	return now() < w->end;
}

/* See internal.h. */
bool iommu_wait_reg(const struct iommu_unit *u, unsigned reg, uint32_t mask, uint32_t want)
{
	struct iommu_wait w = iommu_wait_begin();

	while ((reg32(u, reg) & mask) != want)
		if (!iommu_wait_more(&w))
			return false;
	return true;
}

/* See internal.h. */
void iommu_unit_lost(struct iommu_unit *u, const char *doing)
{
	if (__atomic_exchange_n(&u->lost, true, __ATOMIC_SEQ_CST))
		return;
	printk(LOG_ERR, "IOMMU %u at 0x%lx does not answer (%s): given up, its devices are stopped\n", u->index,
	       (unsigned long)u->base, doing);
	task_queue(&iommu.lost_task);
}

/* Faults ---------------------------------------------------------------------------------------------- */

/* No more at once than a bounded number. False: there are more, of which a unit need not tell again, for it interrupts when the first of them comes. */
static bool look_for_faults(struct iommu_unit *u)
{
	struct iommu_fault f[FAULT_BATCH];

	for (unsigned round = 0; round < FAULT_ROUNDS; round++) {
		unsigned n = iommu.driver->faults(u, f, FAULT_BATCH);

		for (unsigned i = 0; i < n; i++)
			fault_report(&f[i]);
		if (n < FAULT_BATCH)
			return true;
	}
	return false;
}

static void unit_interrupt(struct host_irq *irq)
{
	struct iommu_unit *u = irq->ctx;

	if (!iommu.driver || look_for_faults(u))
		return;
	__atomic_store_n(&u->behind, true, __ATOMIC_SEQ_CST);
	timer_set(&iommu.poll, now() + CATCH_UP_INTERVAL);
}

/* See state.h. */
void iommu_poll_faults(void *unused)
{
	bool look = false, behind = false;

	for (unsigned i = 0; i < iommu.nr_units; i++) {
		struct iommu_unit *u = iommu.unit[i];

		look |= u->look;
		if ((__atomic_exchange_n(&u->behind, false, __ATOMIC_SEQ_CST) || u->look) && !look_for_faults(u))
			behind = u->behind = true;
	}
	if (behind)
		timer_set(&iommu.poll, now() + CATCH_UP_INTERVAL);
	else if (look)
		timer_set(&iommu.poll, now() + POLL_INTERVAL);
}

/* See internal.h. */
int iommu_unit_irq(struct iommu_unit *u, uint64_t *address, uint32_t *data)
{
	int rc;

	u->irq.deliver = unit_interrupt;
	u->irq.ctx = u;
	rc = host_irq_alloc(&u->irq, 0);
	if (rc) {
		printk(LOG_WARN, "IOMMU %u: no interrupt, error %d: faults are looked for now and then\n", u->index,
		       -rc);
		u->look = true;
		return rc;
	}
	host_irq_message(&u->irq, address, data);
	return 0;
}
