/* Registers of a local APIC, by its page and by MSRs, and the timer that some of them are. */
#include "hv/errno.h"
#include "hv/printk.h"
#include "hvm/vlapic.h"
#include "hvm/vlapic_internal.h"

#define APIC_BASE_ADDR 0x000ffffffffff000UL

/* A periodic timer does not interrupt the host more often than this, whatever the guest asks. */
#define MIN_PERIOD MICROSECS(100)

/* Timer ------------------------------------------------------------------------------------------ */

static stime_t period(const struct vlapic *l)
{
	return (stime_t)get(l, APIC_TMICT) * tick(l);
}

/* Next end of a period @p after @t, at least MIN_PERIOD away. */
static stime_t next_expiry(const struct vlapic *l, stime_t t, stime_t p)
{
	stime_t next = l->timer_expires + p;

	if (next < t + MIN_PERIOD && p < MIN_PERIOD)
		t += MIN_PERIOD;
	if (next <= t)
		next += ((t - next) / p + 1) * p;
	return next;
}

/* See vlapic_internal.h. */
void vlapic_timer_fired(void *data)
{
	struct vlapic *l = data;
	stime_t t = now(), p;

	switch (timer_mode(l)) {
	case TIMER_DEADLINE:
		/* The guest may just have moved the deadline from another CPU: what is armed then fires again. */
		l->hw.tdt_msr = 0;
		l->timer_expires = 0;
		break;
	case TIMER_PERIODIC:
		/* The guest may be stopping the timer on another CPU: one look, as a period of 0 has no next end. */
		p = period(l);
		if (p && l->timer_expires)
			timer_arm(l, next_expiry(l, t, p));
		break;
	default:
		l->timer_expires = 0;
		break;
	}
	vlapic_trigger_lvt(l, APIC_LVTT);
}

/* See vlapic_internal.h. */
uint32_t vlapic_current_count(const struct vlapic *l)
{
	stime_t left;

	if (!l->timer_expires || timer_mode(l) == TIMER_DEADLINE)
		return 0;
	left = l->timer_expires - now();
	if (timer_mode(l) == TIMER_PERIODIC && period(l)) {
		left %= period(l); /* the timer may be late, or skip periods that are too short */
		if (left <= 0)
			left += period(l);
	}
	return left <= 0 ? 0 :
			   (uint32_t)min_u64((uint64_t)(left + tick(l) - 1) / (uint64_t)tick(l), get(l, APIC_TMICT));
}

static void write_tmict(struct vlapic *l, uint32_t val)
{
	if (timer_mode(l) == TIMER_DEADLINE)
		return;
	set(l, APIC_TMICT, val);
	if (val)
		timer_arm(l, now() + period(l));
	else
		timer_disarm(l);
}

/* A running count goes on from where it is, at the new speed. */
static void write_tdcr(struct vlapic *l, uint32_t val)
{
	uint32_t count = vlapic_current_count(l);

	set(l, APIC_TDCR, val & TDCR_BITS);
	l->hw.timer_divisor = divisor(val);
	if (count)
		timer_arm(l, now() + (stime_t)count * tick(l));
}

static void write_lvtt(struct vlapic *l, uint32_t val)
{
	bool was_deadline = timer_mode(l) == TIMER_DEADLINE;

	set(l, APIC_LVTT, val);
	if (was_deadline != (timer_mode(l) == TIMER_DEADLINE)) {
		/* Changing to or from deadline mode disarms (SDM vol. 3, 11.5.4.1). */
		timer_disarm(l);
		set(l, APIC_TMICT, 0);
		l->hw.tdt_msr = 0;
	}
}

/* Registers --------------------------------------------------------------------------------------- */

/* See vlapic_internal.h. */
uint32_t vlapic_lvt_bits(const struct vlapic *l, unsigned offset)
{
	uint32_t common = LVT_VECTOR | LVT_STATUS | LVT_MASKED;

	switch (offset) {
	case APIC_LVTT:
		return common | (l->ops->tsc_deadline ? LVT_TIMER_MODE : TIMER_PERIODIC);
	case APIC_LVTTHMR:
	case APIC_LVTPC:
		return common | LVT_MODE;
	case APIC_LVT0:
	case APIC_LVT1:
		return common | LVT_MODE | LVT_POLARITY | LVT_REMOTE_IRR | LVT_LEVEL;
	case APIC_LVTERR:
		return common;
	default:
		return 0;
	}
}

static uint32_t read_reg(struct vlapic *l, unsigned offset)
{
	switch (offset) {
	case APIC_PPR:
		return get_ppr(l);
	case APIC_TMCCT:
		return vlapic_current_count(l);
	case APIC_ID:
	case APIC_LVR:
	case APIC_TPR:
	case APIC_LDR:
	case APIC_DFR:
	case APIC_SVR:
	case APIC_ESR:
	case APIC_ICR:
	case APIC_ICR2:
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
	case APIC_TMICT:
	case APIC_TDCR:
	case APIC_ISR ... APIC_IRR + 0x70:
		return get(l, offset);
	default:
		return 0;
	}
}

static void write_svr(struct vlapic *l, uint32_t val)
{
	set(l, APIC_SVR, val & SVR_BITS);
	if (val & SVR_ENABLE) {
		l->hw.disabled &= ~VLAPIC_SW_DISABLED;
		return;
	}
	/* Software disable masks the whole local vector table (SDM vol. 3, 11.4.7.2). */
	l->hw.disabled |= VLAPIC_SW_DISABLED;
	for (unsigned o = APIC_LVTT; o <= APIC_LVTERR; o += 0x10)
		set(l, o, get(l, o) | LVT_MASKED);
}

static void write_lvt(struct vlapic *l, unsigned offset, uint32_t val)
{
	val &= vlapic_lvt_bits(l, offset) & ~(LVT_STATUS | LVT_REMOTE_IRR);
	if (l->hw.disabled & VLAPIC_SW_DISABLED)
		val |= LVT_MASKED;
	if (offset != APIC_LVTT) {
		set(l, offset, val);
		return;
	}
	if ((val & LVT_TIMER_MODE) == LVT_TIMER_MODE)
		val &= ~TIMER_DEADLINE; /* reserved value */
	write_lvtt(l, val);
}

/* Registers that are the same in both modes; the value has been checked or does not need to. */
static void write_reg(struct vlapic *l, unsigned offset, uint32_t val)
{
	switch (offset) {
	case APIC_TPR:
		set(l, APIC_TPR, val & TPR_BITS);
		break;
	case APIC_EOI:
		vlapic_eoi(l);
		break;
	case APIC_LDR:
		set(l, APIC_LDR, val & 0xff000000);
		break;
	case APIC_DFR:
		set(l, APIC_DFR, val | 0x0fffffff);
		break;
	case APIC_SVR:
		write_svr(l, val);
		break;
	case APIC_ESR:
		set(l, APIC_ESR, __atomic_exchange_n(&l->esr_pending, 0, __ATOMIC_SEQ_CST));
		break;
	case APIC_ICR:
		set(l, APIC_ICR, val & ICR_BITS);
		vlapic_send_ipi(l, val, vlapic_x2apic(l) ? get(l, APIC_ICR2) : get(l, APIC_ICR2) >> 24);
		break;
	case APIC_ICR2:
		set(l, APIC_ICR2, val & 0xff000000);
		break;
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
		write_lvt(l, offset, val);
		break;
	case APIC_TMICT:
		write_tmict(l, val);
		break;
	case APIC_TDCR:
		write_tdcr(l, val);
		break;
	default:
		break; /* read only or absent */
	}
}

bool vlapic_mmio_hit(const struct vlapic *l, uint64_t gpa)
{
	return vlapic_hw_enabled(l) && !vlapic_x2apic(l) && (gpa & ~0xfffUL) == (l->hw.apic_base_msr & APIC_BASE_ADDR);
}

/* Only the first four bytes of each 16 mean anything. Guests should use 32-bit accesses, some use others. */
uint64_t vlapic_mmio_read(struct vlapic *l, unsigned offset, unsigned size)
{
	unsigned byte = offset & 0xf;
	uint32_t val;

	if (byte > 3 || offset > 0xfff)
		return 0;
	val = read_reg(l, offset & ~0xfu) >> (8 * byte);
	return size >= 4 ? val : val & ((1u << (8 * size)) - 1);
}

void vlapic_mmio_write(struct vlapic *l, unsigned offset, unsigned size, uint64_t val)
{
	unsigned byte = offset & 0xf, r = offset & ~0xfu;
	uint32_t mask;

	if (offset > 0xfff || byte + (size < 4 ? size : 4) > 4)
		return;
	mask = (size >= 4 ? ~0u : (1u << (8 * size)) - 1) << (8 * byte);
	write_reg(l, r, (read_reg(l, r) & ~mask) | ((uint32_t)val << (8 * byte) & mask));
}

/* MSRs --------------------------------------------------------------------------------------------- */

bool vlapic_owns_msr(uint32_t msr)
{
	return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE || (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

/* Mode changes: SDM vol. 3, 11.12.5 and figure 11-27. */
static int write_base(struct vlapic *l, uint64_t val)
{
	const uint64_t mode = APIC_BASE_ENABLE | APIC_BASE_EXTD;
	uint64_t old = l->hw.apic_base_msr;

	if (val & ~(APIC_BASE_ADDR | mode | APIC_BASE_BSP))
		return -EINVAL;
	if ((val & mode) == APIC_BASE_EXTD)
		return -EINVAL;
	if ((val & mode) == APIC_BASE_ENABLE && (old & mode) == mode)
		return -EINVAL;
	if ((val & mode) == mode && !(old & mode))
		return -EINVAL;
	l->hw.apic_base_msr = (val & ~APIC_BASE_BSP) | (old & APIC_BASE_BSP);
	if (!(val & APIC_BASE_ENABLE))
		l->hw.disabled |= VLAPIC_HW_DISABLED;
	else
		l->hw.disabled &= ~VLAPIC_HW_DISABLED;
	if ((val ^ old) & APIC_BASE_ENABLE)
		vlapic_init_reset(l);
	else
		vlapic_set_ids(l);
	return 0;
}

static int rdmsr_x2apic(struct vlapic *l, uint32_t msr, uint64_t *val)
{
	unsigned offset = (msr - MSR_X2APIC_FIRST) << 4;

	switch (offset) {
	case APIC_ICR:
		*val = (uint64_t)get(l, APIC_ICR2) << 32 | get(l, APIC_ICR);
		return 0;
	case APIC_ID:
	case APIC_LVR:
	case APIC_TPR:
	case APIC_PPR:
	case APIC_LDR:
	case APIC_SVR:
	case APIC_ESR:
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
	case APIC_TMICT:
	case APIC_TMCCT:
	case APIC_TDCR:
	case APIC_ISR ... APIC_IRR + 0x70:
		*val = read_reg(l, offset);
		return 0;
	default:
		return -EINVAL;
	}
}

/* Bits a register takes in x2APIC mode; a set bit outside faults. False: not writable at all. */
static bool x2apic_write_bits(const struct vlapic *l, unsigned offset, uint32_t *bits)
{
	switch (offset) {
	case APIC_EOI:
	case APIC_ESR:
		*bits = 0;
		return true;
	case APIC_TPR:
	case APIC_SELF_IPI:
		*bits = 0xff;
		return true;
	case APIC_SVR:
		*bits = SVR_BITS;
		return true;
	case APIC_TMICT:
		*bits = ~0u;
		return true;
	case APIC_TDCR:
		*bits = TDCR_BITS;
		return true;
	default:
		*bits = vlapic_lvt_bits(l, offset);
		return *bits;
	}
}

static int wrmsr_x2apic(struct vlapic *l, uint32_t msr, uint64_t val)
{
	unsigned offset = (msr - MSR_X2APIC_FIRST) << 4;
	uint32_t bits;

	if (offset == APIC_ICR) {
		if ((uint32_t)val & ~ICR_BITS)
			return -EINVAL;
		set(l, APIC_ICR2, (uint32_t)(val >> 32));
		write_reg(l, APIC_ICR, (uint32_t)val);
		return 0;
	}
	if (!x2apic_write_bits(l, offset, &bits) || val & ~(uint64_t)bits)
		return -EINVAL;
	if (offset == APIC_LVTT && (val & LVT_TIMER_MODE) == LVT_TIMER_MODE)
		return -EINVAL;
	if (offset == APIC_SELF_IPI)
		vlapic_send_ipi(l, (uint32_t)val | TO_SELF << 18, 0);
	else
		write_reg(l, offset, (uint32_t)val);
	return 0;
}

int vlapic_rdmsr(struct vlapic *l, uint32_t msr, uint64_t *val)
{
	if (msr == MSR_APIC_BASE) {
		*val = l->hw.apic_base_msr;
		return 0;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*val = timer_mode(l) == TIMER_DEADLINE ? l->hw.tdt_msr : 0;
		return l->ops->tsc_deadline ? 0 : -EINVAL;
	}
	if (!vlapic_owns_msr(msr) || !vlapic_x2apic(l))
		return -EINVAL;
	return rdmsr_x2apic(l, msr, val);
}

int vlapic_wrmsr(struct vlapic *l, uint32_t msr, uint64_t val)
{
	if (msr == MSR_APIC_BASE)
		return write_base(l, val);
	if (msr == MSR_TSC_DEADLINE) {
		if (!l->ops->tsc_deadline)
			return -EINVAL;
		if (timer_mode(l) == TIMER_DEADLINE && vlapic_hw_enabled(l)) {
			l->hw.tdt_msr = val;
			arm_deadline(l);
		}
		return 0;
	}
	if (!vlapic_owns_msr(msr) || !vlapic_x2apic(l))
		return -EINVAL;
	return wrmsr_x2apic(l, msr, val);
}
