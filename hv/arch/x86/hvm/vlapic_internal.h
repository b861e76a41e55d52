/* What the files of the local APIC share: its registers as they lie in the page, the running of its timer. */
#ifndef HVM_VLAPIC_INTERNAL_H
#define HVM_VLAPIC_INTERNAL_H

#include "hv/time.h"
#include "hvm/vlapic.h"

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

typedef uint32_t __attribute__((may_alias)) reg_t;

static inline reg_t *reg(const struct vlapic *l, unsigned offset)
{
	return (reg_t *)(l->regs.data + offset);
}

static inline uint32_t get(const struct vlapic *l, unsigned offset)
{
	return __atomic_load_n(reg(l, offset), __ATOMIC_RELAXED);
}

static inline void set(struct vlapic *l, unsigned offset, uint32_t val)
{
	__atomic_store_n(reg(l, offset), val, __ATOMIC_RELAXED);
}

/* 256-bit registers: 32 bits in each 16-byte stride. ------------------------------------------ */

static inline bool vec_set(struct vlapic *l, unsigned base, uint8_t vector)
{
	uint32_t mask = 1u << (vector % 32);

	return __atomic_fetch_or(reg(l, base + vector / 32 * 16), mask, __ATOMIC_SEQ_CST) & mask;
}

static inline bool vec_clear(struct vlapic *l, unsigned base, uint8_t vector)
{
	uint32_t mask = 1u << (vector % 32);

	return __atomic_fetch_and(reg(l, base + vector / 32 * 16), ~mask, __ATOMIC_SEQ_CST) & mask;
}

static inline bool vec_test(const struct vlapic *l, unsigned base, uint8_t vector)
{
	return get(l, base + vector / 32 * 16) >> (vector % 32) & 1;
}

static inline int vec_highest(const struct vlapic *l, unsigned base)
{
	for (int word = 7; word >= 0; word--) {
		uint32_t w = __atomic_load_n(reg(l, base + (unsigned)word * 16), __ATOMIC_SEQ_CST);

		if (w)
			return word * 32 + 31 - __builtin_clz(w);
	}
	return -1;
}

/* Interrupts: vlapic.c ------------------------------------------------------------------------- */

/* Processor priority: SDM vol. 3, 11.8.3.1. */
static inline uint8_t get_ppr(const struct vlapic *l)
{
	uint8_t tpr = (uint8_t)get(l, APIC_TPR);
	int isr = read_once(l->isr_highest);
	uint8_t service = isr < 0 ? 0 : (uint8_t)(isr & 0xf0);

	return (tpr & 0xf0) >= service ? tpr : service;
}

/* Send what a write of @low to the ICR says, with destination @dest. TO_SELF << 18 in @low is a write of SELF IPI. */
void vlapic_send_ipi(struct vlapic *l, uint32_t low, uint32_t dest);

/* The timer: vlapic_regs.c --------------------------------------------------------------------- */

static inline uint32_t timer_mode(const struct vlapic *l)
{
	return get(l, APIC_LVTT) & LVT_TIMER_MODE;
}

static inline stime_t tick(const struct vlapic *l)
{
	return (stime_t)l->hw.timer_divisor * VLAPIC_BUS_CYCLE_NS;
}

/* Divide configuration: bits 0, 1, 3 count 2, 4 .. 128, 1. */
static inline uint32_t divisor(uint32_t tdcr)
{
	return 1u << (((tdcr & 3) + (tdcr >> 1 & 4) + 1) & 7);
}

static inline void timer_disarm(struct vlapic *l)
{
	l->timer_expires = 0;
	timer_stop(&l->timer);
}

static inline void timer_arm(struct vlapic *l, stime_t at)
{
	l->timer_expires = at;
	timer_set(&l->timer, at);
}

static inline void arm_deadline(struct vlapic *l)
{
	if (l->hw.tdt_msr)
		timer_arm(l, l->ops->tsc_deadline(l, l->hw.tdt_msr));
	else
		timer_disarm(l);
}

/* The count that runs, as TMCCT reads. */
uint32_t vlapic_current_count(const struct vlapic *l);
/* Of struct timer. Softirq of the CPU the vCPU last ran on. */
void vlapic_timer_fired(void *data);
/* Bits of an LVT that exist, 0 if @offset is none. */
uint32_t vlapic_lvt_bits(const struct vlapic *l, unsigned offset);

/* Its state as a whole: vlapic_state.c --------------------------------------------------------- */

/* Identity registers as the mode has them: SDM vol. 3, 11.12.10.2 for the logical id. */
void vlapic_set_ids(struct vlapic *l);

#endif
