/* A local APIC's state as a whole: power-up, INIT, and the records of saved state. */
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hvm/vlapic.h"
#include "hvm/vlapic_internal.h"

#define APIC_VERSION 0x14u
#define APIC_MAX_LVT 5u /* timer, thermal, counters, LINT0, LINT1, error */

/* See vlapic_internal.h. */
void vlapic_set_ids(struct vlapic *l)
{
	if (vlapic_x2apic(l)) {
		set(l, APIC_ID, l->id);
		set(l, APIC_LDR, (l->id >> 4) << 16 | 1u << (l->id & 0xf));
	} else {
		set(l, APIC_ID, l->id << 24);
	}
	set(l, APIC_LVR, APIC_VERSION | APIC_MAX_LVT << 16);
}

/* See vlapic.h: SDM vol. 3, 11.4.7.1 has the values. */
void vlapic_init_reset(struct vlapic *l)
{
	static const uint16_t lvts[] = { APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR };

	timer_disarm(l);
	for (unsigned i = 0; i < sizeof(l->regs.data); i += 16)
		set(l, i, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
		set(l, lvts[i], LVT_MASKED);
	set(l, APIC_DFR, 0xffffffff);
	set(l, APIC_SVR, 0xff);
	l->hw.disabled |= VLAPIC_SW_DISABLED;
	l->hw.timer_divisor = divisor(0);
	l->hw.tdt_msr = 0;
	l->isr_highest = -1;
	__atomic_store_n(&l->esr_pending, 0, __ATOMIC_RELAXED);
	vlapic_set_ids(l);
}

void vlapic_reset(struct vlapic *l)
{
	l->hw.apic_base_msr = VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE | (l->vcpu_id == 0 ? APIC_BASE_BSP : 0);
	l->hw.disabled = 0;
	vlapic_init_reset(l);
}

void vlapic_setup(struct vlapic *l, unsigned vcpu_id, const struct vlapic_ops *ops, void *owner,
		  struct vlapic **siblings, unsigned nr_siblings, unsigned cpu)
{
	memset(l, 0, sizeof(*l));
	l->vcpu_id = vcpu_id;
	l->id = 2 * vcpu_id;
	l->ops = ops;
	l->owner = owner;
	l->siblings = siblings;
	l->nr_siblings = nr_siblings;
	timer_init(&l->timer, vlapic_timer_fired, l, cpu);
	vlapic_reset(l);
}

void vlapic_teardown(struct vlapic *l)
{
	timer_kill(&l->timer);
}

void vlapic_migrate(struct vlapic *l, unsigned cpu)
{
	if (l->timer.cpu != cpu)
		timer_migrate(&l->timer, cpu);
}

/* Save and restore --------------------------------------------------------------------------------- */

void vlapic_save(struct vlapic *l, struct vlapic_hw *hw, struct vlapic_regs *regs)
{
	set(l, APIC_TMCCT, vlapic_current_count(l));
	set(l, APIC_PPR, get_ppr(l));
	*hw = l->hw;
	*regs = l->regs;
}

/* Make registers that came from outside ones this APIC could have. */
static void clean_regs(struct vlapic *l)
{
	vlapic_set_ids(l);
	if (!vlapic_x2apic(l))
		set(l, APIC_LDR, get(l, APIC_LDR) & 0xff000000);
	set(l, APIC_DFR, get(l, APIC_DFR) | 0x0fffffff);
	set(l, APIC_SVR, get(l, APIC_SVR) & SVR_BITS);
	set(l, APIC_TPR, get(l, APIC_TPR) & TPR_BITS);
	set(l, APIC_TDCR, get(l, APIC_TDCR) & TDCR_BITS);
	for (unsigned o = APIC_LVTT; o <= APIC_LVTERR; o += 0x10)
		set(l, o, get(l, o) & vlapic_lvt_bits(l, o));
	if (timer_mode(l) == LVT_TIMER_MODE)
		set(l, APIC_LVTT, get(l, APIC_LVTT) & ~TIMER_DEADLINE);
	/* Vectors below 16 cannot be latched. */
	set(l, APIC_IRR, get(l, APIC_IRR) & 0xffff0000);
	set(l, APIC_ISR, get(l, APIC_ISR) & 0xffff0000);
}

static void rearm(struct vlapic *l)
{
	uint32_t left = get(l, APIC_TMCCT);

	if (timer_mode(l) == TIMER_DEADLINE) {
		arm_deadline(l);
		return;
	}
	l->hw.tdt_msr = 0;
	if (left == 0 && timer_mode(l) == TIMER_PERIODIC)
		left = get(l, APIC_TMICT);
	left = (uint32_t)min_u64(left, get(l, APIC_TMICT));
	if (left)
		timer_arm(l, now() + (stime_t)left * tick(l));
}

int vlapic_load(struct vlapic *l, const struct vlapic_hw *hw, const struct vlapic_regs *regs)
{
	if (!vlapic_hw_valid(hw))
		return err(-EINVAL);
	timer_disarm(l);
	l->hw = *hw;
	l->regs = *regs;
	clean_regs(l);
	l->hw.timer_divisor = divisor(get(l, APIC_TDCR));
	l->hw.disabled = (hw->apic_base_msr & APIC_BASE_ENABLE ? 0 : VLAPIC_HW_DISABLED) |
			 (get(l, APIC_SVR) & SVR_ENABLE ? 0 : VLAPIC_SW_DISABLED);
	l->isr_highest = (int16_t)vec_highest(l, APIC_ISR);
	__atomic_store_n(&l->esr_pending, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&l->irr_maybe, true, __ATOMIC_SEQ_CST);
	rearm(l);
	return 0;
}
