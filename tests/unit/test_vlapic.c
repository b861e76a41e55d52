/* The virtual local APIC: priorities, IPIs, modes and their faults, timer, save and restore. Against SDM vol. 3 chapter 11. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/errno.h"
#include "hv/string.h"
#include "hvm/vlapic.h"

#define NR 20

static struct {
	struct vlapic lapic[NR];
	struct vlapic *all[NR];
	unsigned kicks[NR], inits[NR], sipis[NR], nmis[NR], eois[NR];
	uint8_t sipi_vector, eoi_vector;
} t;

/* Let @dt pass; returns how often the timer of @l ran. */
static unsigned pass(struct vlapic *l, stime_t dt)
{
	stime_t end = now() + dt;
	unsigned fired = 0;

	while (timer_active(&l->timer) && l->timer.expires <= end) {
		if (l->timer.expires > now())
			host_set_time(l->timer.expires);
		host_run_softirqs(0);
		fired++;
	}
	host_set_time(end);
	return fired;
}

static void op_kick(struct vlapic *l)
{
	t.kicks[l->vcpu_id]++;
}

static void op_init(struct vlapic *l)
{
	t.inits[l->vcpu_id]++;
}

static void op_sipi(struct vlapic *l, uint8_t vector)
{
	t.sipis[l->vcpu_id]++;
	t.sipi_vector = vector;
}

static void op_nmi(struct vlapic *l)
{
	t.nmis[l->vcpu_id]++;
}

static void op_eoi(struct vlapic *l, uint8_t vector)
{
	t.eois[l->vcpu_id]++;
	t.eoi_vector = vector;
}

static stime_t op_deadline(struct vlapic *l, uint64_t tsc)
{
	return (stime_t)(tsc / 2); /* 2 GHz, started with us */
}

static const struct vlapic_ops ops = { op_kick, op_init, op_sipi, op_nmi, op_eoi, NULL };
static const struct vlapic_ops deadline_ops = { op_kick, op_init, op_sipi, op_nmi, op_eoi, op_deadline };

static void write(struct vlapic *l, unsigned offset, uint32_t val)
{
	vlapic_mmio_write(l, offset, 4, val);
}

static uint32_t read(struct vlapic *l, unsigned offset)
{
	return (uint32_t)vlapic_mmio_read(l, offset, 4);
}

static int wrmsr(struct vlapic *l, unsigned offset, uint64_t val)
{
	return vlapic_wrmsr(l, MSR_X2APIC_FIRST + (offset >> 4), val);
}

static uint64_t rdmsr(struct vlapic *l, unsigned offset)
{
	uint64_t val = 0xbad;

	assert_int_equal(vlapic_rdmsr(l, MSR_X2APIC_FIRST + (offset >> 4), &val), 0);
	return val;
}

static void to_x2apic(struct vlapic *l)
{
	uint64_t base;

	assert_int_equal(vlapic_rdmsr(l, MSR_APIC_BASE, &base), 0);
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, base | APIC_BASE_EXTD), 0);
}

static void machine(const struct vlapic_ops *o)
{
	memset(&t, 0, sizeof(t));
	host_machine(64UL << 20, 2);
	host_set_time(1000000);
	for (unsigned i = 0; i < NR; i++) {
		t.all[i] = &t.lapic[i];
		vlapic_setup(&t.lapic[i], i, o, NULL, t.all, NR, 0);
		write(&t.lapic[i], APIC_SVR, 0x1ff);
	}
}

static int setup(void **state)
{
	machine(&ops);
	return 0;
}

static void test_reset(void **state)
{
	struct vlapic *l = &t.lapic[3];
	uint64_t base;

	vlapic_reset(l);
	assert_int_equal(read(l, APIC_ID), 6u << 24);
	assert_int_equal(read(l, APIC_LVR), 0x50014);
	assert_int_equal(read(l, APIC_DFR), 0xffffffff);
	assert_int_equal(read(l, APIC_SVR), 0xff);
	assert_int_equal(read(l, APIC_LVT0), 0x10000);
	assert_int_equal(read(l, APIC_LVTERR), 0x10000);
	assert_int_equal(read(l, APIC_TMICT), 0);
	assert_false(vlapic_enabled(l));
	assert_true(vlapic_hw_enabled(l));
	assert_int_equal(vlapic_rdmsr(l, MSR_APIC_BASE, &base), 0);
	assert_int_equal(base, 0xfee00800);
	assert_int_equal(vlapic_rdmsr(&t.lapic[0], MSR_APIC_BASE, &base), 0);
	assert_int_equal(base, 0xfee00900);
	assert_true(vlapic_mmio_hit(l, 0xfee00020));
	assert_false(vlapic_mmio_hit(l, 0xfee01000));
}

static void test_priority(void **state)
{
	struct vlapic *l = &t.lapic[0];

	assert_int_equal(vlapic_pending(l), -1);
	vlapic_set_irq(l, 0x45, false);
	assert_int_equal(t.kicks[0], 1);
	vlapic_set_irq(l, 0x45, false); /* already latched */
	assert_int_equal(t.kicks[0], 1);
	vlapic_set_irq(l, 0x91, false);
	assert_int_equal(vlapic_pending(l), 0x91);
	assert_true(vlapic_irq_latched(l, 0x91));
	vlapic_ack(l, 0x91);
	assert_false(vlapic_irq_latched(l, 0x91));
	assert_int_equal(read(l, APIC_PPR), 0x90);
	assert_int_equal(read(l, APIC_ISR + 0x40), 1u << 0x11);
	assert_int_equal(vlapic_pending(l), -1);
	assert_int_equal(vlapic_highest_irr(l), 0x45);
	vlapic_set_irq(l, 0x9f, false); /* same class waits */
	assert_int_equal(vlapic_pending(l), -1);
	vlapic_set_irq(l, 0xa0, false); /* higher class nests */
	assert_int_equal(vlapic_pending(l), 0xa0);
	vlapic_ack(l, 0xa0);
	write(l, APIC_EOI, 0);
	assert_int_equal(read(l, APIC_PPR), 0x90);
	write(l, APIC_EOI, 0);
	assert_int_equal(vlapic_pending(l), 0x9f);
	vlapic_ack(l, 0x9f);
	vlapic_eoi(l);
	vlapic_eoi(l); /* nothing in service: harmless */
	vlapic_set_cr8(l, 4);
	assert_int_equal(vlapic_pending(l), -1);
	assert_int_equal(read(l, APIC_TPR), 0x40);
	vlapic_set_cr8(l, 3);
	assert_int_equal(vlapic_pending(l), 0x45);
	write(l, APIC_TPR, 0x3f);
	assert_int_equal(vlapic_get_cr8(l), 3);
	vlapic_set_cr8(l, 3); /* unchanged: the low half stays */
	assert_int_equal(read(l, APIC_TPR), 0x3f);
	assert_int_equal(read(l, APIC_PPR), 0x3f);
	vlapic_clear_irq(l, 0x45);
	assert_int_equal(vlapic_pending(l), -1);
	assert_false(l->irr_maybe);
}

static void test_level(void **state)
{
	struct vlapic *l = &t.lapic[1];

	vlapic_set_irq(l, 0x50, true);
	assert_int_equal(read(l, APIC_TMR + 0x20), 1u << 0x10);
	vlapic_ack(l, 0x50);
	vlapic_eoi(l);
	assert_int_equal(t.eois[1], 1);
	assert_int_equal(t.eoi_vector, 0x50);
	vlapic_set_irq(l, 0x50, false);
	vlapic_ack(l, 0x50);
	vlapic_eoi(l);
	assert_int_equal(t.eois[1], 1);
}

/* What the CPU did not take after all is pending again; nothing happens to another one that is in service. */
static void test_unack(void **state)
{
	struct vlapic *l = &t.lapic[0];

	vlapic_set_irq(l, 0x50, false);
	vlapic_ack(l, 0x50);
	vlapic_set_irq(l, 0x91, false);
	vlapic_ack(l, 0x91);
	vlapic_unack(l, 0x91);
	vlapic_unack(l, 0x91);
	assert_int_equal(vlapic_pending(l), 0x91);
	vlapic_ack(l, 0x91);
	vlapic_eoi(l);
	assert_int_equal(vlapic_pending(l), -1);
	vlapic_eoi(l);
	assert_int_equal(l->isr_highest, -1);
	assert_int_equal(vlapic_pending(l), -1);
}

static void test_software_disable(void **state)
{
	struct vlapic *l = &t.lapic[0];

	write(l, APIC_LVT0, 0x8700);
	assert_int_equal(read(l, APIC_LVT0), 0x8700);
	write(l, APIC_SVR, 0xff);
	assert_int_equal(read(l, APIC_LVT0), 0x18700);
	write(l, APIC_LVT0, 0x700); /* cannot be unmasked now */
	assert_int_equal(read(l, APIC_LVT0), 0x10700);
	vlapic_set_irq(l, 0x60, false); /* an upcall is not lost */
	assert_int_equal(vlapic_pending(l), -1);
	write(l, APIC_SVR, 0x1ff);
	assert_int_equal(vlapic_pending(l), 0x60);
}

static void test_errors(void **state)
{
	struct vlapic *l = &t.lapic[0];

	write(l, APIC_LVTERR, 0xfe);
	vlapic_set_irq(l, 15, false);
	assert_int_equal(read(l, APIC_ESR), 0); /* only after a write */
	write(l, APIC_ESR, 0);
	assert_int_equal(read(l, APIC_ESR), 0x40);
	write(l, APIC_ESR, 0);
	assert_int_equal(read(l, APIC_ESR), 0);
	assert_int_equal(vlapic_pending(l), 0xfe);
	vlapic_ack(l, 0xfe);
	vlapic_eoi(l);
	write(l, APIC_ICR, 0x40003); /* self IPI with vector 3 */
	write(l, APIC_ESR, 0);
	assert_int_equal(read(l, APIC_ESR), 0x20);
	assert_int_equal(vlapic_pending(l), 0xfe);
	vlapic_ack(l, 0xfe);
	vlapic_eoi(l);
	write(l, APIC_LVTERR, 2); /* the error vector is one itself */
	vlapic_set_irq(l, 0, false);
	write(l, APIC_ESR, 0);
	assert_int_equal(read(l, APIC_ESR), 0x40);
	assert_int_equal(vlapic_pending(l), -1);
}

static unsigned who(uint8_t vector)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < NR; i++) {
		if (vlapic_irq_latched(&t.lapic[i], vector))
			mask |= 1u << i;
		vlapic_clear_irq(&t.lapic[i], vector);
	}
	return mask;
}

static void ipi(struct vlapic *l, uint8_t dest, uint32_t low)
{
	write(l, APIC_ICR2, (uint32_t)dest << 24);
	write(l, APIC_ICR, low);
}

static void test_ipi_xapic(void **state)
{
	struct vlapic *l = &t.lapic[2];

	ipi(l, 8, 0x4081);
	assert_int_equal(who(0x81), 1u << 4);
	ipi(l, 9, 0x4081);
	assert_int_equal(who(0x81), 0);
	ipi(l, 0xfe, 0x4081);
	assert_int_equal(who(0x81), 0);
	ipi(l, 0xff, 0x4081);
	assert_int_equal(who(0x81), (1u << NR) - 1);
	write(l, APIC_ICR, 0x40081); /* self */
	assert_int_equal(who(0x81), 1u << 2);
	write(l, APIC_ICR, 0x80081); /* all */
	assert_int_equal(who(0x81), (1u << NR) - 1);
	write(l, APIC_ICR, 0xc0081); /* others */
	assert_int_equal(who(0x81), ((1u << NR) - 1) & ~4u);
	assert_int_equal(read(l, APIC_ICR), 0xc0081);
	/* logical, flat */
	for (unsigned i = 0; i < 8; i++)
		write(&t.lapic[i], APIC_LDR, 1u << (24 + i));
	ipi(l, 0x28, 0x4881);
	assert_int_equal(who(0x81), 0x28);
	ipi(l, 0xff, 0x4881);
	assert_int_equal(who(0x81), 0xff);
	/* cluster */
	for (unsigned i = 0; i < NR; i++) {
		write(&t.lapic[i], APIC_DFR, 0x0fffffff);
		write(&t.lapic[i], APIC_LDR, (i / 4 << 4 | 1u << i % 4) << 24);
	}
	ipi(l, 0x15, 0x4881);
	assert_int_equal(who(0x81), 1u << 4 | 1u << 6);
	ipi(l, 0xf2, 0x4881);
	assert_int_equal(who(0x81), 0x22222);
	/* software-disabled ones take nothing */
	write(&t.lapic[4], APIC_SVR, 0xff);
	ipi(l, 0x15, 0x4881);
	assert_int_equal(who(0x81), 1u << 6);
}

static void test_ipi_special(void **state)
{
	struct vlapic *l = &t.lapic[0];

	ipi(l, 2, 0x4500);
	assert_int_equal(t.inits[1], 1);
	ipi(l, 2, 0x8500); /* de-assert */
	assert_int_equal(t.inits[1], 1);
	ipi(l, 2, 0x4699);
	assert_int_equal(t.sipis[1], 1);
	assert_int_equal(t.sipi_vector, 0x99);
	write(&t.lapic[1], APIC_SVR, 0xff); /* these get through to a disabled one */
	ipi(l, 2, 0x4400);
	assert_int_equal(t.nmis[1], 1);
	write(l, APIC_ICR, 0xc4400);
	assert_int_equal(t.nmis[0], 0);
	assert_int_equal(t.nmis[NR - 1], 1);
	write(l, APIC_ICR, 0xc4500);
	assert_int_equal(t.inits[0], 0);
	assert_int_equal(t.inits[1], 2);
	write(l, APIC_ICR, 0x44500); /* INIT to self, reserved modes: not sent */
	ipi(l, 2, 0x4300);
	ipi(l, 2, 0x4700);
	ipi(l, 2, 0x4200);
	assert_int_equal(t.inits[0], 0);
	assert_int_equal(t.nmis[1], 2);
	/* a switched-off APIC is deaf */
	assert_int_equal(vlapic_wrmsr(&t.lapic[1], MSR_APIC_BASE, VLAPIC_DEFAULT_BASE), 0);
	ipi(l, 2, 0x4500);
	assert_int_equal(t.inits[1], 2);
	write(l, APIC_ICR, 0xc4500);
	assert_int_equal(t.inits[1], 2);
}

static void test_lowest(void **state)
{
	struct apic_msg m = { .dest = 0xff, .mode = APIC_DM_LOWEST, .vector = 0x70 };
	unsigned first;

	for (unsigned i = 0; i < NR; i++)
		write(&t.lapic[i], APIC_TPR, i == 7 ? 0x20 : 0x30);
	assert_int_equal(vlapic_deliver(t.all, NR, &m), 1);
	assert_int_equal(who(0x70), 1u << 7);
	write(&t.lapic[7], APIC_TPR, 0x30);
	assert_int_equal(vlapic_deliver(t.all, NR, &m), 1);
	first = who(0x70);
	assert_int_equal(vlapic_deliver(t.all, NR, &m), 1);
	assert_int_not_equal(who(0x70), first); /* equals take turns */
	m.dest = 0x55;
	assert_int_equal(vlapic_deliver(t.all, NR, &m), 0);
	m.dest = 4;
	m.level = true;
	m.mode = APIC_DM_FIXED;
	assert_int_equal(vlapic_deliver(t.all, NR, &m), 1);
	assert_int_equal(read(&t.lapic[2], APIC_TMR + 0x30), 1u << 0x10);
	t.all[2] = NULL;
	assert_int_equal(vlapic_deliver(t.all, NR, &m), 0);
}

static void test_x2apic_modes(void **state)
{
	struct vlapic *l = &t.lapic[5];
	uint64_t v;

	assert_int_equal(vlapic_rdmsr(l, MSR_X2APIC_FIRST + 2, &v), -EINVAL); /* not in xAPIC mode */
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, VLAPIC_DEFAULT_BASE | APIC_BASE_EXTD), -EINVAL);
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE | 1), -EINVAL);
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE | 1UL << 52), -EINVAL);
	to_x2apic(l);
	assert_true(vlapic_enabled(l)); /* the software enable survives */
	assert_false(vlapic_mmio_hit(l, VLAPIC_DEFAULT_BASE));
	assert_int_equal(rdmsr(l, APIC_ID), 10);
	assert_int_equal(rdmsr(l, APIC_LDR), 1u << 10);
	to_x2apic(&t.lapic[9]);
	assert_int_equal(rdmsr(&t.lapic[9], APIC_LDR), 1u << 16 | 1u << 2);
	/* back to xAPIC only through off; from off not directly */
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE), -EINVAL);
	vlapic_init_reset(l); /* INIT keeps the mode */
	assert_true(vlapic_x2apic(l));
	assert_int_equal(rdmsr(l, APIC_ID), 10);
	assert_int_equal(rdmsr(l, APIC_SVR), 0xff);
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, VLAPIC_DEFAULT_BASE), 0);
	assert_false(vlapic_hw_enabled(l));
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE | APIC_BASE_EXTD),
			 -EINVAL);
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE), 0);
	assert_int_equal(read(l, APIC_ID), 10u << 24);
	/* the BSP bit is ours */
	assert_int_equal(vlapic_wrmsr(l, MSR_APIC_BASE, 0x12345000 | APIC_BASE_ENABLE | APIC_BASE_BSP), 0);
	assert_int_equal(vlapic_rdmsr(l, MSR_APIC_BASE, &v), 0);
	assert_int_equal(v, 0x12345000 | APIC_BASE_ENABLE);
	assert_true(vlapic_mmio_hit(l, 0x12345ff0));
}

/* Which x2APIC MSRs exist, and which bits each takes: SDM vol. 3 table 11-6 and 11.12.1.3. */
static void test_x2apic_faults(void **state)
{
	static const struct {
		uint16_t reg;
		bool read;
		uint32_t bits; /* writable ones */
		bool write;
	} want[] = { { APIC_ID, true },
		     { APIC_LVR, true },
		     { APIC_TPR, true, 0xff, true },
		     { APIC_APR },
		     { APIC_PPR, true },
		     { APIC_EOI, false, 0, true },
		     { APIC_RRR },
		     { APIC_LDR, true },
		     { APIC_DFR },
		     { APIC_SVR, true, 0x3ff, true },
		     { APIC_ISR, true },
		     { APIC_ISR + 0x70, true },
		     { APIC_TMR, true },
		     { APIC_IRR + 0x70, true },
		     { APIC_ESR, true, 0, true },
		     { APIC_CMCI },
		     { APIC_ICR2 },
		     { APIC_LVTT, true, 0x310ff, true },
		     { APIC_LVTTHMR, true, 0x117ff, true },
		     { APIC_LVTPC, true, 0x117ff, true },
		     { APIC_LVT0, true, 0x1f7ff, true },
		     { APIC_LVT1, true, 0x1f7ff, true },
		     { APIC_LVTERR, true, 0x110ff, true },
		     { APIC_TMICT, true, 0xffffffff, true },
		     { APIC_TMCCT, true },
		     { APIC_TDCR, true, 0xb, true },
		     { APIC_SELF_IPI, false, 0xff, true },
		     { 0x00 },
		     { 0x400 },
		     { 0xff0 },
		     { 0x2a0 } };
	struct vlapic *l = &t.lapic[1];

	to_x2apic(l);
	for (unsigned k = 0; k < ARRAY_SIZE(want); k++) {
		uint32_t msr = MSR_X2APIC_FIRST + (want[k].reg >> 4);
		uint64_t v;

		assert_int_equal(vlapic_rdmsr(l, msr, &v), want[k].read ? 0 : -EINVAL);
		assert_int_equal(vlapic_wrmsr(l, msr, 0), want[k].write ? 0 : -EINVAL);
		for (unsigned b = 0; b < 64; b++) {
			bool ok = want[k].write && (uint64_t)want[k].bits >> b & 1;

			if (vlapic_wrmsr(l, msr, 1UL << b) != (ok ? 0 : -EINVAL))
				fail_msg("register %#x bit %u", want[k].reg, b);
		}
	}
	for (unsigned b = 0; b < 32; b++)
		assert_int_equal(wrmsr(l, APIC_ICR, 1UL << b | 0x300), 0xccfff >> b & 1 && b != 12 ? 0 : -EINVAL);
	assert_false(vlapic_owns_msr(0x900));
	assert_true(vlapic_owns_msr(0x8ff));
}

static void test_ipi_x2apic(void **state)
{
	struct vlapic *l = &t.lapic[0];

	for (unsigned i = 0; i < NR; i++)
		to_x2apic(&t.lapic[i]);
	assert_int_equal(wrmsr(l, APIC_ICR, 38UL << 32 | 0x4082), 0);
	assert_int_equal(who(0x82), 1u << 19);
	assert_int_equal(rdmsr(l, APIC_ICR), 38UL << 32 | 0x4082);
	assert_int_equal(wrmsr(l, APIC_ICR, 0xffUL << 32 | 0x4082), 0); /* not a broadcast here */
	assert_int_equal(who(0x82), 0);
	assert_int_equal(wrmsr(l, APIC_ICR, 0xffffffffUL << 32 | 0x4082), 0);
	assert_int_equal(who(0x82), (1u << NR) - 1);
	assert_int_equal(wrmsr(l, APIC_ICR, 0x00010005UL << 32 | 0x4882), 0); /* cluster 1: ids 16 and 18 */
	assert_int_equal(who(0x82), 1u << 8 | 1u << 9);
	assert_int_equal(wrmsr(l, APIC_ICR, 0xffffffffUL << 32 | 0x4882), 0);
	assert_int_equal(who(0x82), (1u << NR) - 1);
	assert_int_equal(wrmsr(l, APIC_SELF_IPI, 0x83), 0);
	assert_int_equal(who(0x83), 1);
	/* an IOAPIC's eight bits reach cluster 0 */
	assert_int_equal(vlapic_deliver(t.all, NR, &(struct apic_msg){ .dest = 0x14, .logical = true, .vector = 0x84 }),
			 2);
	assert_int_equal(who(0x84), 1u << 1 | 1u << 2);
	assert_int_equal(wrmsr(l, APIC_EOI, 1), -EINVAL);
}

static void test_mmio_sizes(void **state)
{
	struct vlapic *l = &t.lapic[1];

	assert_int_equal(vlapic_mmio_read(l, APIC_LVR, 1), 0x14);
	assert_int_equal(vlapic_mmio_read(l, APIC_LVR + 2, 1), 5);
	assert_int_equal(vlapic_mmio_read(l, APIC_LVR, 2), 0x14);
	assert_int_equal(vlapic_mmio_read(l, APIC_LVR, 8), 0x50014);
	assert_int_equal(vlapic_mmio_read(l, APIC_LVR + 4, 4), 0);
	vlapic_mmio_write(l, APIC_LVT0 + 1, 1, 0x87);
	assert_int_equal(read(l, APIC_LVT0), 0x18700);
	vlapic_mmio_write(l, APIC_TPR + 3, 2, 0xffff);
	vlapic_mmio_write(l, APIC_TPR + 4, 4, 0xffff);
	assert_int_equal(read(l, APIC_TPR), 0);
	for (unsigned o = 0; o < 0x1100; o++)
		for (unsigned size = 1; size <= 8; size *= 2) {
			vlapic_mmio_write(l, o, size, 0xfffffffffffff0fcUL); /* no crash, nobody disturbed */
			(void)vlapic_mmio_read(l, o, size);
		}
}

static void test_lvt(void **state)
{
	struct vlapic *l = &t.lapic[0];

	assert_false(vlapic_trigger_lvt(l, APIC_LVT1)); /* masked */
	write(l, APIC_LVT1, 0x400);
	assert_true(vlapic_trigger_lvt(l, APIC_LVT1));
	assert_int_equal(t.nmis[0], 1);
	write(l, APIC_LVT0, 0x700); /* ExtINT: the caller delivers */
	assert_true(vlapic_trigger_lvt(l, APIC_LVT0));
	assert_int_equal(vlapic_pending(l), -1);
	write(l, APIC_LVTPC, 0x66);
	assert_true(vlapic_trigger_lvt(l, APIC_LVTPC));
	assert_int_equal(vlapic_pending(l), 0x66);
	write(l, APIC_LVTT, 0xffffffff);
	assert_int_equal(read(l, APIC_LVTT), 0x300ff);
}

static void test_timer_oneshot(void **state)
{
	struct vlapic *l = &t.lapic[0];

	write(l, APIC_LVTT, 0xec);
	write(l, APIC_TDCR, 0xb);   /* 1 */
	write(l, APIC_TMICT, 1000); /* 10 us */
	assert_int_equal(read(l, APIC_TMCCT), 1000);
	assert_int_equal(pass(l, 4000), 0);
	assert_int_equal(read(l, APIC_TMCCT), 600);
	write(l, APIC_TDCR, 3); /* 16: the rest takes sixteen times longer */
	assert_int_equal(read(l, APIC_TMCCT), 600);
	assert_int_equal(pass(l, 95999), 0);
	assert_int_equal(pass(l, 1), 1);
	assert_int_equal(vlapic_pending(l), 0xec);
	assert_int_equal(read(l, APIC_TMCCT), 0);
	assert_int_equal(pass(l, 1000000000), 0);
	write(l, APIC_TMICT, 5);
	write(l, APIC_TMICT, 0);
	assert_int_equal(pass(l, 1000000000), 0);
	for (unsigned k = 0; k < 8; k++) { /* every divisor */
		static const unsigned div[] = { 2, 4, 8, 16, 32, 64, 128, 1 };

		write(l, APIC_TDCR, (k & 3) | (k & 4) << 1);
		assert_int_equal(l->hw.timer_divisor, div[k]);
	}
	/* masked: counts, says nothing */
	vlapic_ack(l, 0xec);
	vlapic_eoi(l);
	write(l, APIC_LVTT, 0x100ec);
	write(l, APIC_TMICT, 100);
	assert_int_equal(pass(l, 1000000000), 1);
	assert_int_equal(vlapic_pending(l), -1);
}

static void test_timer_periodic(void **state)
{
	struct vlapic *l = &t.lapic[0];

	write(l, APIC_LVTT, 0x200ec);
	write(l, APIC_TDCR, 0xb);
	write(l, APIC_TMICT, 100000); /* 1 ms */
	assert_int_equal(pass(l, 10000000), 10);
	assert_int_equal(pass(l, 250000), 0);
	assert_int_equal(read(l, APIC_TMCCT), 75000);
	host_advance(5000000); /* five periods missed: one interrupt, then on the old grid */
	assert_int_equal(pass(l, 0), 1);
	assert_int_equal(l->timer.expires, now() + 750000);
	write(l, APIC_TMICT, 1); /* 10 ns: must not drown us */
	assert_true(pass(l, 10000000) <= 101);
	assert_int_equal(read(l, APIC_TMCCT), 1);
	write(l, APIC_TMICT, 0);
	assert_int_equal(pass(l, 1000000000), 0);
	write(l, APIC_TMICT, 0xffffffff);
	write(l, APIC_TDCR, 0xa); /* 128: no overflow */
	assert_true(l->timer.expires > now());
	assert_int_equal(pass(l, 0xffffffffL * 1280 + 1), 1);
}

static void test_timer_deadline(void **state)
{
	struct vlapic *l = &t.lapic[0];
	uint64_t v;

	assert_int_equal(vlapic_rdmsr(l, MSR_TSC_DEADLINE, &v), -EINVAL); /* not offered */
	assert_int_equal(vlapic_wrmsr(l, MSR_TSC_DEADLINE, 0), -EINVAL);
	machine(&deadline_ops);
	assert_int_equal(vlapic_wrmsr(l, MSR_TSC_DEADLINE, 5000000), 0); /* wrong mode: ignored */
	assert_int_equal(vlapic_rdmsr(l, MSR_TSC_DEADLINE, &v), 0);
	assert_int_equal(v, 0);
	write(l, APIC_LVTT, 0x400ec);
	write(l, APIC_TMICT, 1000);
	assert_int_equal(read(l, APIC_TMICT), 0); /* ignored in this mode */
	assert_int_equal(vlapic_wrmsr(l, MSR_TSC_DEADLINE, 4000000), 0);
	assert_int_equal(vlapic_rdmsr(l, MSR_TSC_DEADLINE, &v), 0);
	assert_int_equal(v, 4000000);
	assert_int_equal(read(l, APIC_TMCCT), 0);
	assert_int_equal(pass(l, 999999), 0);
	assert_int_equal(pass(l, 1), 1);
	assert_int_equal(vlapic_pending(l), 0xec);
	assert_int_equal(vlapic_rdmsr(l, MSR_TSC_DEADLINE, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(vlapic_wrmsr(l, MSR_TSC_DEADLINE, 1), 0); /* past: at once */
	assert_int_equal(pass(l, 0), 1);
	assert_int_equal(vlapic_wrmsr(l, MSR_TSC_DEADLINE, 1UL << 40), 0);
	write(l, APIC_LVTT, 0xec); /* leaving the mode disarms */
	assert_false(timer_active(&l->timer));
	write(l, APIC_LVTT, 0x600ec); /* reserved mode */
	assert_int_equal(read(l, APIC_LVTT), 0x200ec);
	to_x2apic(l);
	assert_int_equal(wrmsr(l, APIC_LVTT, 0x600ec), -EINVAL);
	assert_int_equal(wrmsr(l, APIC_LVTT, 0x400ec), 0);
}

static void test_save(void **state)
{
	struct vlapic *l = &t.lapic[4], *n = &t.lapic[4];
	struct vlapic_hw hw, hw2;
	struct vlapic_regs regs, regs2;

	to_x2apic(l);
	assert_int_equal(wrmsr(l, APIC_LVTT, 0x200ec), 0);
	assert_int_equal(wrmsr(l, APIC_TDCR, 0xb), 0);
	assert_int_equal(wrmsr(l, APIC_TMICT, 100000), 0);
	assert_int_equal(wrmsr(l, APIC_TPR, 0x20), 0);
	pass(l, 300000);
	vlapic_set_irq(l, 0x71, true);
	vlapic_set_irq(l, 0x93, false);
	vlapic_ack(l, 0x93);
	vlapic_save(l, &hw, &regs);
	timer_stop(&l->timer);
	vlapic_setup(n, 4, &ops, NULL, t.all, NR, 0);
	assert_int_equal(vlapic_load(n, &hw, &regs), 0);
	vlapic_save(n, &hw2, &regs2);
	assert_memory_equal(&hw, &hw2, sizeof(hw));
	assert_memory_equal(&regs, &regs2, sizeof(regs));
	assert_int_equal(rdmsr(n, APIC_TMCCT), 70000);
	assert_int_equal(rdmsr(n, APIC_PPR), 0x90);
	assert_int_equal(vlapic_pending(n), -1);
	vlapic_eoi(n);
	assert_int_equal(vlapic_pending(n), 0x71);
	assert_int_equal(pass(n, 700000), 1);
	vlapic_migrate(n, 1);
	assert_int_equal(n->timer.cpu, 1);
	vlapic_teardown(n);
	assert_true(n->timer.dead);
}

/* Records from outside: nothing an APIC cannot be. */
static void test_load_hostile(void **state)
{
	struct vlapic *l = &t.lapic[4];
	struct vlapic_hw hw = { .apic_base_msr = VLAPIC_DEFAULT_BASE | APIC_BASE_EXTD };
	struct vlapic_regs regs;

	memset(&regs, 0xff, sizeof(regs));
	assert_int_equal(vlapic_load(l, &hw, &regs), -EINVAL);
	hw.apic_base_msr = VLAPIC_DEFAULT_BASE | 1;
	assert_int_equal(vlapic_load(l, &hw, &regs), -EINVAL);
	hw.apic_base_msr = VLAPIC_DEFAULT_BASE | APIC_BASE_ENABLE;
	hw.disabled = 4;
	assert_int_equal(vlapic_load(l, &hw, &regs), -EINVAL);
	hw.disabled = 3;
	hw.timer_divisor = 0;
	assert_int_equal(vlapic_load(l, &hw, &regs), 0);
	assert_int_equal(read(l, APIC_ID), 8u << 24); /* not anyone else's */
	assert_int_equal(read(l, APIC_LVR), 0x50014);
	assert_int_equal(read(l, APIC_IRR), 0xffff0000);
	assert_int_equal(read(l, APIC_LVTT) & ~0x310ffu, 0);
	assert_true(vlapic_enabled(l)); /* follows SVR */
	assert_int_equal(l->hw.timer_divisor, 1);
	(void)read(l, APIC_TMCCT);
	for (unsigned k = 0; k < 300; k++)
		vlapic_eoi(l);
	assert_int_equal(vlapic_pending(l), -1); /* TPR 0xff */
	write(l, APIC_TPR, 0);
	assert_int_equal(vlapic_pending(l), 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup(test_reset, setup),
					    cmocka_unit_test_setup(test_priority, setup),
					    cmocka_unit_test_setup(test_level, setup),
					    cmocka_unit_test_setup(test_unack, setup),
					    cmocka_unit_test_setup(test_software_disable, setup),
					    cmocka_unit_test_setup(test_errors, setup),
					    cmocka_unit_test_setup(test_ipi_xapic, setup),
					    cmocka_unit_test_setup(test_ipi_special, setup),
					    cmocka_unit_test_setup(test_lowest, setup),
					    cmocka_unit_test_setup(test_x2apic_modes, setup),
					    cmocka_unit_test_setup(test_x2apic_faults, setup),
					    cmocka_unit_test_setup(test_ipi_x2apic, setup),
					    cmocka_unit_test_setup(test_mmio_sizes, setup),
					    cmocka_unit_test_setup(test_lvt, setup),
					    cmocka_unit_test_setup(test_timer_oneshot, setup),
					    cmocka_unit_test_setup(test_timer_periodic, setup),
					    cmocka_unit_test_setup(test_timer_deadline, setup),
					    cmocka_unit_test_setup(test_save, setup),
					    cmocka_unit_test_setup(test_load_hostile, setup) };

	return cmocka_run_group_tests_name("vlapic", tests, NULL, NULL);
}
