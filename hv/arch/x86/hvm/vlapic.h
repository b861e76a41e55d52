/*
 * Virtual local APIC: xAPIC page and x2APIC MSRs (Intel SDM vol. 3 chapter 11, AMD APM vol. 2 chapter 16).
 *
 * Everything but vlapic_set_irq() and the delivery functions is called by the CPU on which the vCPU is loaded, or with the
 * vCPU paused. Interrupts arrive from any CPU: IRR and TMR bits are set with atomics, then ops->kick() is called.
 * No lock; nothing here knows struct vcpu, so it runs in host tests.
 */
#ifndef HVM_VLAPIC_H
#define HVM_VLAPIC_H

#include "hv/time.h"
#include "hv/types.h"

#define VLAPIC_DEFAULT_BASE 0xfee00000UL
#define VLAPIC_BUS_CYCLE_NS 10 /* 100 MHz bus clock, as guests of Xen know it */

#define MSR_APIC_BASE 0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x8ffu

#define APIC_BASE_BSP (1UL << 8)
#define APIC_BASE_EXTD (1UL << 10)
#define APIC_BASE_ENABLE (1UL << 11)

/* Register offsets in the page. */
enum apic_reg {
	APIC_ID = 0x20,
	APIC_LVR = 0x30,
	APIC_TPR = 0x80,
	APIC_APR = 0x90,
	APIC_PPR = 0xa0,
	APIC_EOI = 0xb0,
	APIC_RRR = 0xc0,
	APIC_LDR = 0xd0,
	APIC_DFR = 0xe0,
	APIC_SVR = 0xf0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_CMCI = 0x2f0,
	APIC_ICR = 0x300,
	APIC_ICR2 = 0x310,
	APIC_LVTT = 0x320,
	APIC_LVTTHMR = 0x330,
	APIC_LVTPC = 0x340,
	APIC_LVT0 = 0x350,
	APIC_LVT1 = 0x360,
	APIC_LVTERR = 0x370,
	APIC_TMICT = 0x380,
	APIC_TMCCT = 0x390,
	APIC_TDCR = 0x3e0,
	APIC_SELF_IPI = 0x3f0,
};

/* Delivery modes of ICR, LVTs, IOAPIC entries and MSIs. */
enum apic_delivery {
	APIC_DM_FIXED = 0,
	APIC_DM_LOWEST = 1,
	APIC_DM_SMI = 2,
	APIC_DM_NMI = 4,
	APIC_DM_INIT = 5,
	APIC_DM_STARTUP = 6,
	APIC_DM_EXTINT = 7,
};

/* HVM context records LAPIC (5) and LAPIC_REGS (6): public ABI. Registers lie at their page offsets. */
struct vlapic_hw {
	uint64_t apic_base_msr;
	uint32_t disabled;	/* VLAPIC_* */
	uint32_t timer_divisor; /* 1..128 */
	uint64_t tdt_msr;
};
struct vlapic_regs {
	uint8_t data[1024];
};
_Static_assert(sizeof(struct vlapic_hw) == 24, "ABI");

#define VLAPIC_HW_DISABLED 0x1u /* APIC_BASE enable bit is 0 */
#define VLAPIC_SW_DISABLED 0x2u /* SVR enable bit is 0 */

struct vlapic;

struct vlapic_ops {
	void (*kick)(struct vlapic *l); /* something became deliverable. Any CPU */
	void (*init)(struct vlapic *l); /* INIT arrived. Any CPU; the receiver then calls vlapic_init_reset */
	void (*sipi)(struct vlapic *l, uint8_t vector); /* STARTUP arrived. Any CPU */
	void (*nmi)(struct vlapic *l);			/* NMI arrived. Any CPU */
	void (*eoi)(struct vlapic *l, uint8_t vector);	/* end of a level-triggered interrupt; may be NULL */
	/* System time at which the guest's TSC is @guest_tsc. NULL: no TSC-deadline mode */
	stime_t (*tsc_deadline)(struct vlapic *l, uint64_t guest_tsc);
};

struct vlapic {
	struct vlapic_hw hw;
	struct vlapic_regs regs __attribute__((aligned(8)));
	bool irr_maybe;	      /* atomic: IRR may hold a bit; cleared only by a scan that finds none */
	int16_t isr_highest;  /* cache of the highest ISR bit, -1 none */
	uint32_t esr_pending; /* atomic: errors since the last ESR write */
	uint32_t id;	      /* x2APIC id = 2 * vcpu_id */
	unsigned vcpu_id;
	stime_t timer_expires; /* of the running count; 0 = not running */
	struct timer timer;
	const struct vlapic_ops *ops;
	void *owner;		  /* struct vcpu, for the callbacks */
	struct vlapic **siblings; /* the domain's vLAPICs by vCPU id, entries may be NULL */
	unsigned nr_siblings;
	unsigned lowest_prio_next; /* rotates among equals */
};

/* A message from an IOAPIC, an MSI or an IPI. */
struct apic_msg {
	uint32_t dest;
	bool logical; /* destination mode */
	bool x2apic;  /* dest has 32 bits; else 8 */
	uint8_t mode; /* enum apic_delivery */
	uint8_t vector;
	bool level;
};

/* Set up @l of vCPU @vcpu_id in power-up state; @siblings is the domain's array, @cpu runs the timer. No errors. */
void vlapic_setup(struct vlapic *l, unsigned vcpu_id, const struct vlapic_ops *ops, void *owner,
		  struct vlapic **siblings, unsigned nr_siblings, unsigned cpu);
/* Stop the timer for ever. */
void vlapic_teardown(struct vlapic *l);
/* Power-up state: xAPIC mode, enabled, BSP bit for vCPU 0. */
void vlapic_reset(struct vlapic *l);
/* State after INIT: as power-up, but APIC_BASE (and with it the mode) and the id stay (SDM 11.4.7.3). */
void vlapic_init_reset(struct vlapic *l);
/* The vCPU now runs on @cpu. */
void vlapic_migrate(struct vlapic *l, unsigned cpu);

static inline bool vlapic_hw_enabled(const struct vlapic *l)
{
	return !(l->hw.disabled & VLAPIC_HW_DISABLED);
}

static inline bool vlapic_enabled(const struct vlapic *l)
{
	return !l->hw.disabled;
}

static inline bool vlapic_x2apic(const struct vlapic *l)
{
	return l->hw.apic_base_msr & APIC_BASE_EXTD;
}

/* Does @gpa lie in the register page, i.e. should vlapic_mmio_* get it? False in x2APIC mode or while disabled. */
bool vlapic_mmio_hit(const struct vlapic *l, uint64_t gpa);
/* Access of @size bytes (1, 2, 4, 8) at @offset of the page. Never fails: bad accesses read 0 / are ignored. */
uint64_t vlapic_mmio_read(struct vlapic *l, unsigned offset, unsigned size);
void vlapic_mmio_write(struct vlapic *l, unsigned offset, unsigned size, uint64_t val);

/* Is @msr one of APIC_BASE, TSC_DEADLINE, 0x800..0x8ff? */
bool vlapic_owns_msr(uint32_t msr);
/* RDMSR / WRMSR of them. 0; -EINVAL: inject #GP(0). */
int vlapic_rdmsr(struct vlapic *l, uint32_t msr, uint64_t *val) must_check;
int vlapic_wrmsr(struct vlapic *l, uint32_t msr, uint64_t val) must_check;

/* CR8 and the hardware's V_TPR: bits 7:4 of TPR. */
uint8_t vlapic_get_cr8(const struct vlapic *l);
void vlapic_set_cr8(struct vlapic *l, uint8_t cr8);

/*
 * Latch interrupt @vector (fixed). Any CPU. Vectors below 16 set ESR instead. Kicks. Latches while the APIC is disabled by software
 * too, so that an event upcall is not lost; it is then delivered once the guest enables the APIC.
 */
void vlapic_set_irq(struct vlapic *l, uint8_t vector, bool level);
/* Is @vector latched in IRR and not yet accepted? */
bool vlapic_irq_latched(const struct vlapic *l, uint8_t vector);
/* Take back a latched @vector that was not accepted yet (event upcall no longer wanted). */
void vlapic_clear_irq(struct vlapic *l, uint8_t vector);
/* Highest vector the processor priority lets through, -1 none. Cheap when nothing is latched. */
int vlapic_pending(struct vlapic *l);
/* Highest latched vector whatever the priority, -1 none: with TPR it tells whether a CR8 intercept is needed. */
int vlapic_highest_irr(struct vlapic *l);
/* The CPU takes @vector, which vlapic_pending() returned: IRR to ISR. */
void vlapic_ack(struct vlapic *l, uint8_t vector);
/* It did not take @vector after all: ISR to IRR. Nothing if that is not the one in service with the highest priority. */
void vlapic_unack(struct vlapic *l, uint8_t vector);
/* End of interrupt: as a write to the EOI register. */
void vlapic_eoi(struct vlapic *l);

/* Trigger a local vector table entry (APIC_LVT0 for the PIC's line, APIC_LVT1, APIC_LVTPC...). True if it was not masked. */
bool vlapic_trigger_lvt(struct vlapic *l, enum apic_reg lvt);
/* Does @l answer to destination of @m (no shorthands)? */
bool vlapic_match(const struct vlapic *l, const struct apic_msg *m);
/* Deliver @m to everyone it names. Any CPU. Returns how many accepted it. */
unsigned vlapic_deliver(struct vlapic *const *lapics, unsigned nr, const struct apic_msg *m);

/* Can an APIC's mode be what @hw says? Addresses of 52 bits. */
static inline bool vlapic_hw_valid(const struct vlapic_hw *hw)
{
	const uint64_t mode = APIC_BASE_ENABLE | APIC_BASE_EXTD;

	return !(hw->apic_base_msr & ~(0x000ffffffffff000UL | mode | APIC_BASE_BSP)) &&
	       (hw->apic_base_msr & mode) != APIC_BASE_EXTD &&
	       !(hw->disabled & ~(VLAPIC_HW_DISABLED | VLAPIC_SW_DISABLED));
}

/* HVM context. The vCPU is paused. load: -EINVAL if no APIC can be in that state. */
void vlapic_save(struct vlapic *l, struct vlapic_hw *hw, struct vlapic_regs *regs);
int vlapic_load(struct vlapic *l, const struct vlapic_hw *hw, const struct vlapic_regs *regs) must_check;

#endif
