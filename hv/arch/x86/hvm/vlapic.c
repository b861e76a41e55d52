#include "hvm/vlapic.h"

#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#define APIC_VERSION 0x14u
#define APIC_MAX_LVT 5u /* timer, thermal, counters, LINT0, LINT1, error */

#define ESR_SEND_ILLEGAL 0x20u
#define ESR_RECEIVE_ILLEGAL 0x40u

#define SVR_ENABLE 0x100u
#define SVR_BITS 0x3ffu
#define TPR_BITS 0xffu
#define TDCR_BITS 0xbu

#define LVT_VECTOR 0xffu
#define LVT_MODE 0x700u
#define LVT_STATUS (1u << 12) /* read only */
#define LVT_POLARITY (1u << 13)
#define LVT_REMOTE_IRR (1u << 14) /* read only */
#define LVT_LEVEL (1u << 15)
#define LVT_MASKED (1u << 16)
#define LVT_TIMER_MODE (3u << 17)
#define TIMER_ONESHOT (0u << 17)
#define TIMER_PERIODIC (1u << 17)
#define TIMER_DEADLINE (2u << 17)

#define ICR_LOGICAL (1u << 11)
#define ICR_ASSERT (1u << 14)
#define ICR_LEVEL (1u << 15)
#define ICR_BITS 0xccfffu
enum shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

#define APIC_BASE_ADDR 0x000ffffffffff000UL

/* A periodic timer does not interrupt the host more often than this, whatever the guest asks. */
#define MIN_PERIOD MICROSECS(100)

typedef uint32_t __attribute__((may_alias)) reg_t;

static reg_t *reg(const struct vlapic *l, unsigned offset)
{
	return (reg_t *)(l->regs.data + offset);
}

static uint32_t get(const struct vlapic *l, unsigned offset)
{
	return __atomic_load_n(reg(l, offset), __ATOMIC_RELAXED);
}

static void set(struct vlapic *l, unsigned offset, uint32_t val)
{
	__atomic_store_n(reg(l, offset), val, __ATOMIC_RELAXED);
}

/* 256-bit registers: 32 bits in each 16-byte stride. ------------------------------------------ */

static bool vec_set(struct vlapic *l, unsigned base, uint8_t vector)
{
	uint32_t mask = 1u << (vector % 32);

	return __atomic_fetch_or(reg(l, base + vector / 32 * 16), mask, __ATOMIC_SEQ_CST) & mask;
}

static bool vec_clear(struct vlapic *l, unsigned base, uint8_t vector)
{
	uint32_t mask = 1u << (vector % 32);

	return __atomic_fetch_and(reg(l, base + vector / 32 * 16), ~mask, __ATOMIC_SEQ_CST) & mask;
}

static bool vec_test(const struct vlapic *l, unsigned base, uint8_t vector)
{
	return get(l, base + vector / 32 * 16) >> (vector % 32) & 1;
}

static int vec_highest(const struct vlapic *l, unsigned base)
{
	for (int word = 7; word >= 0; word--) {
		uint32_t w = __atomic_load_n(reg(l, base + (unsigned)word * 16), __ATOMIC_SEQ_CST);

		if (w)
			return word * 32 + 31 - __builtin_clz(w);
	}
	return -1;
}

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

/* Processor priority: SDM vol. 3, 11.8.3.1. */
static uint8_t get_ppr(const struct vlapic *l)
{
	uint8_t tpr = (uint8_t)get(l, APIC_TPR);
	int isr = read_once(l->isr_highest);
	uint8_t service = isr < 0 ? 0 : (uint8_t)(isr & 0xf0);

	return (tpr & 0xf0) >= service ? tpr : service;
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

/* Timer ------------------------------------------------------------------------------------------ */

static uint32_t timer_mode(const struct vlapic *l)
{
	return get(l, APIC_LVTT) & LVT_TIMER_MODE;
}

static stime_t tick(const struct vlapic *l)
{
	return (stime_t)l->hw.timer_divisor * VLAPIC_BUS_CYCLE_NS;
}

static stime_t period(const struct vlapic *l)
{
	return (stime_t)get(l, APIC_TMICT) * tick(l);
}

/* Divide configuration: bits 0, 1, 3 count 2, 4 .. 128, 1. */
static uint32_t divisor(uint32_t tdcr)
{
	return 1u << (((tdcr & 3) + (tdcr >> 1 & 4) + 1) & 7);
}

static void timer_disarm(struct vlapic *l)
{
	l->timer_expires = 0;
	timer_stop(&l->timer);
}

static void timer_arm(struct vlapic *l, stime_t at)
{
	l->timer_expires = at;
	timer_set(&l->timer, at);
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

/* Softirq of the CPU the vCPU last ran on. */
static void timer_fired(void *data)
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

static uint32_t current_count(const struct vlapic *l)
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
	uint32_t count = current_count(l);

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

static void arm_deadline(struct vlapic *l)
{
	if (l->hw.tdt_msr)
		timer_arm(l, l->ops->tsc_deadline(l, l->hw.tdt_msr));
	else
		timer_disarm(l);
}

/* State ------------------------------------------------------------------------------------------ */

/* Identity registers as the mode has them: SDM vol. 3, 11.12.10.2 for the logical id. */
static void set_ids(struct vlapic *l)
{
	if (vlapic_x2apic(l)) {
		set(l, APIC_ID, l->id);
		set(l, APIC_LDR, (l->id >> 4) << 16 | 1u << (l->id & 0xf));
	} else {
		set(l, APIC_ID, l->id << 24);
	}
	set(l, APIC_LVR, APIC_VERSION | APIC_MAX_LVT << 16);
}

/* All registers as after power-up (SDM vol. 3, 11.4.7.1). */
static void reset_regs(struct vlapic *l)
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
	set_ids(l);
}

void vlapic_init_reset(struct vlapic *l)
{
	reset_regs(l);
}

void vlapic_reset(struct vlapic *l)
{
	l->hw.apic_base_msr = VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE | (l->vcpu_id == 0 ? APIC_BASE_BSP : 0);
	l->hw.disabled = 0;
	reset_regs(l);
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
	timer_init(&l->timer, timer_fired, l, cpu);
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
		struct vlapic *l = m->dest % 2 == 0 && m->dest / 2 < nr ? lapics[m->dest / 2] : NULL;

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

static void send_ipi(struct vlapic *l, uint32_t low, uint32_t dest)
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

/* Registers --------------------------------------------------------------------------------------- */

/* Bits of an LVT that exist, 0 if @offset is none. */
static uint32_t lvt_bits(const struct vlapic *l, unsigned offset)
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
		return current_count(l);
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
	val &= lvt_bits(l, offset) & ~(LVT_STATUS | LVT_REMOTE_IRR);
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
		send_ipi(l, val, vlapic_x2apic(l) ? get(l, APIC_ICR2) : get(l, APIC_ICR2) >> 24);
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
		reset_regs(l);
	else
		set_ids(l);
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
		*bits = lvt_bits(l, offset);
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
		send_ipi(l, (uint32_t)val | TO_SELF << 18, 0);
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

/* Save and restore --------------------------------------------------------------------------------- */

void vlapic_save(struct vlapic *l, struct vlapic_hw *hw, struct vlapic_regs *regs)
{
	set(l, APIC_TMCCT, current_count(l));
	set(l, APIC_PPR, get_ppr(l));
	*hw = l->hw;
	*regs = l->regs;
}

/* Make registers that came from outside ones this APIC could have. */
static void clean_regs(struct vlapic *l)
{
	set_ids(l);
	if (!vlapic_x2apic(l))
		set(l, APIC_LDR, get(l, APIC_LDR) & 0xff000000);
	set(l, APIC_DFR, get(l, APIC_DFR) | 0x0fffffff);
	set(l, APIC_SVR, get(l, APIC_SVR) & SVR_BITS);
	set(l, APIC_TPR, get(l, APIC_TPR) & TPR_BITS);
	set(l, APIC_TDCR, get(l, APIC_TDCR) & TDCR_BITS);
	for (unsigned o = APIC_LVTT; o <= APIC_LVTERR; o += 0x10)
		set(l, o, get(l, o) & lvt_bits(l, o));
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
