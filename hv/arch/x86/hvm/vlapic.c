/*
 * Interrupts of a local APIC: latching them, choosing the most urgent, and the messages that bring them (Intel SDM vol. 3, 11.6 to 11.8). The registers by which a
 * guest sees all that are vlapic_regs.c's.
 */
#include "hvm/vlapic.h"

#include "hv/nospec.h"
#include "hv/printk.h"
#include "hvm/vlapic_internal.h"

#define ESR_SEND_ILLEGAL 0x20u
#define ESR_RECEIVE_ILLEGAL 0x40u

/* Latching and priorities ---------------------------------------------------------------------- */

static void latch(struct vlapic *l, uint8_t vector, bool level)
{
	if (level)
		vec_set(l, APIC_TMR, vector);
	else
		vec_clear(l, APIC_TMR, vector);
	if (vec_set(l, APIC_IRR, vector))
		return;
	/* After the bit: a scan that clears the flag looks again. */
	__atomic_store_n(&l->irr_maybe, true, __ATOMIC_SEQ_CST);
	l->ops->kick(l);
}

/* Note ESR bit @error and raise the error interrupt, once per bit until the guest reads them (SDM vol. 3, 11.5.3). */
static void apic_error(struct vlapic *l, uint32_t error)
{
	uint32_t old = __atomic_fetch_or(&l->esr_pending, error, __ATOMIC_SEQ_CST);
	uint32_t lvt = get(l, APIC_LVTERR);

	if (old & error || lvt & LVT_MASKED)
		return;
	if ((lvt & LVT_VECTOR) < 16)
		__atomic_fetch_or(&l->esr_pending, ESR_RECEIVE_ILLEGAL, __ATOMIC_SEQ_CST);
	else
		latch(l, (uint8_t)lvt, false);
}

void vlapic_set_irq(struct vlapic *l, uint8_t vector, bool level)
{
	if (vector < 16)
		apic_error(l, ESR_RECEIVE_ILLEGAL);
	else
		latch(l, vector, level);
}

bool vlapic_irq_latched(const struct vlapic *l, uint8_t vector)
{
	return vec_test(l, APIC_IRR, vector);
}

void vlapic_clear_irq(struct vlapic *l, uint8_t vector)
{
	vec_clear(l, APIC_IRR, vector);
}

int vlapic_highest_irr(struct vlapic *l)
{
	int vector;

	if (!__atomic_load_n(&l->irr_maybe, __ATOMIC_SEQ_CST))
		return -1;
	vector = vec_highest(l, APIC_IRR);
	if (vector >= 0)
		return vector;
	__atomic_store_n(&l->irr_maybe, false, __ATOMIC_SEQ_CST);
	vector = vec_highest(l, APIC_IRR);
	if (vector >= 0)
		__atomic_store_n(&l->irr_maybe, true, __ATOMIC_SEQ_CST);
	return vector;
}

int vlapic_pending(struct vlapic *l)
{
	int vector;

	if (!read_once(l->irr_maybe) || !vlapic_enabled(l))
		return -1;
	vector = vlapic_highest_irr(l);
	return vector >= 0 && (vector & 0xf0) > (get_ppr(l) & 0xf0) ? vector : -1;
}

void vlapic_ack(struct vlapic *l, uint8_t vector)
{
	vec_clear(l, APIC_IRR, vector);
	vec_set(l, APIC_ISR, vector);
	if (vector > l->isr_highest)
		l->isr_highest = vector;
}

void vlapic_unack(struct vlapic *l, uint8_t vector)
{
	if (l->isr_highest != vector)
		return;
	vec_clear(l, APIC_ISR, vector);
	l->isr_highest = (int16_t)vec_highest(l, APIC_ISR);
	vec_set(l, APIC_IRR, vector);
	__atomic_store_n(&l->irr_maybe, true, __ATOMIC_SEQ_CST);
}

void vlapic_eoi(struct vlapic *l)
{
	int vector = l->isr_highest;

	if (vector < 0)
		return;
	vec_clear(l, APIC_ISR, (uint8_t)vector);
	l->isr_highest = (int16_t)vec_highest(l, APIC_ISR);
	if (vec_test(l, APIC_TMR, (uint8_t)vector) && l->ops->eoi)
		l->ops->eoi(l, (uint8_t)vector);
}

uint8_t vlapic_get_cr8(const struct vlapic *l)
{
	return (uint8_t)get(l, APIC_TPR) >> 4;
}

/* The low half of TPR is kept while CR8 does not change. */
void vlapic_set_cr8(struct vlapic *l, uint8_t cr8)
{
	if (vlapic_get_cr8(l) != (cr8 & 0xf))
		set(l, APIC_TPR, (cr8 & 0xfu) << 4);
}

/* Messages --------------------------------------------------------------------------------------- */

static bool match_logical(const struct vlapic *l, const struct apic_msg *m)
{
	uint32_t ldr = get(l, APIC_LDR);

	if (vlapic_x2apic(l))
		return m->dest >> 16 == ldr >> 16 && (m->dest & ldr & 0xffff);
	if (m->dest > 0xff)
		return false;
	ldr >>= 24;
	if (get(l, APIC_DFR) >> 28 == 0xf)
		return ldr & m->dest;
	return (m->dest >> 4 == ldr >> 4 || m->dest >> 4 == 0xf) && (ldr & m->dest & 0xf);
}

bool vlapic_match(const struct vlapic *l, const struct apic_msg *m)
{
	if (!vlapic_hw_enabled(l))
		return false;
	if (m->dest == (m->x2apic ? 0xffffffffu : 0xffu) && (!m->logical || m->x2apic || vlapic_x2apic(l)))
		return true;
	return m->logical ? match_logical(l, m) : m->dest == l->id;
}

/* @l is addressed by @m. Returns whether it takes it. */
static bool accept(struct vlapic *l, const struct apic_msg *m)
{
	switch (m->mode) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		if (!vlapic_enabled(l))
			return false;
		vlapic_set_irq(l, m->vector, m->level);
		return true;
	case APIC_DM_NMI:
		l->ops->nmi(l);
		return true;
	case APIC_DM_INIT:
		l->ops->init(l);
		return true;
	case APIC_DM_STARTUP:
		l->ops->sipi(l, m->vector);
		return true;
	default: /* SMI, ExtINT: nobody there to take them */
		return false;
	}
}

/* Lowest priority: the enabled match with the least processor priority; equals take turns. */
static unsigned deliver_lowest(struct vlapic *const *lapics, unsigned nr, const struct apic_msg *m)
{
	struct vlapic *best = NULL;
	unsigned start = 0;

	if (nr && lapics[0])
		start = __atomic_fetch_add(&lapics[0]->lowest_prio_next, 1, __ATOMIC_RELAXED) % nr;
	for (unsigned i = 0; i < nr; i++) {
		struct vlapic *l = lapics[(start + i) % nr];

		if (l && vlapic_enabled(l) && vlapic_match(l, m) && (!best || get_ppr(l) < get_ppr(best)))
			best = l;
	}
	return best && accept(best, m);
}

unsigned vlapic_deliver(struct vlapic *const *lapics, unsigned nr, const struct apic_msg *m)
{
	unsigned accepted = 0;

	if (m->mode == APIC_DM_LOWEST)
		return deliver_lowest(lapics, nr, m);
	if (!m->logical && m->dest != (m->x2apic ? 0xffffffffu : 0xffu)) {
		unsigned i = m->dest / 2;
		struct vlapic *l = m->dest % 2 == 0 && i < nr ? lapics[index_nospec(i, nr)] : NULL;

		return l && vlapic_match(l, m) && accept(l, m);
	}
	for (unsigned i = 0; i < nr; i++)
		if (lapics[i] && vlapic_match(lapics[i], m))
			accepted += accept(lapics[i], m);
	return accepted;
}

/* Combinations the ICR does not allow (SDM vol. 3 table 11-3) are not sent. */
static bool icr_valid(uint32_t low, enum shorthand to, uint8_t mode)
{
	if (mode == 3 || mode == APIC_DM_EXTINT || mode == APIC_DM_SMI)
		return false;
	if (mode == APIC_DM_INIT && low & ICR_LEVEL && !(low & ICR_ASSERT))
		return false; /* INIT level de-assert: no effect on processors with an xAPIC */
	return mode == APIC_DM_FIXED || to == TO_DEST || (to == TO_OTHERS && mode != APIC_DM_LOWEST);
}

/* See vlapic_internal.h. */
void vlapic_send_ipi(struct vlapic *l, uint32_t low, uint32_t dest)
{
	enum shorthand to = low >> 18 & 3;
	struct apic_msg m = {
		.dest = dest,
		.logical = low & ICR_LOGICAL,
		.x2apic = vlapic_x2apic(l),
		.mode = low >> 8 & 7,
		.vector = (uint8_t)low,
	};

	if (!icr_valid(low, to, m.mode))
		return;
	if (m.vector < 16 && (m.mode == APIC_DM_FIXED || m.mode == APIC_DM_LOWEST)) {
		apic_error(l, ESR_SEND_ILLEGAL);
		return;
	}
	if (to == TO_DEST) {
		vlapic_deliver(l->siblings, l->nr_siblings, &m);
	} else if (to == TO_SELF) {
		accept(l, &m);
	} else {
		for (unsigned i = 0; i < l->nr_siblings; i++) {
			struct vlapic *t = l->siblings[i];

			if (t && vlapic_hw_enabled(t) && (t != l || to == TO_ALL))
				accept(t, &m);
		}
	}
}

bool vlapic_trigger_lvt(struct vlapic *l, enum apic_reg lvt)
{
	uint32_t val = get(l, lvt);
	uint32_t mode = lvt == APIC_LVTT || lvt == APIC_LVTERR ? APIC_DM_FIXED : (val & LVT_MODE) >> 8;

	if (val & LVT_MASKED || !vlapic_hw_enabled(l))
		return false;
	if (mode == APIC_DM_NMI) {
		l->ops->nmi(l);
	} else if (mode == APIC_DM_FIXED) {
		if (!vlapic_enabled(l))
			return false;
		vlapic_set_irq(l, (uint8_t)val, lvt == APIC_LVT0 && val & LVT_LEVEL);
	} else {
		return mode == APIC_DM_EXTINT; /* the caller's to deliver */
	}
	return true;
}
