/* The local APIC: AMD APM vol. 2 chapter 16, Intel SDM vol. 3 chapter 11. */
#include "asm/apic.h"

#include "asm/cpu.h"
#include "asm/cpuid.h"
#include "asm/io.h"
#include "asm/msr.h"
#include "asm/paging.h"
#include "asm/time.h"
#include "asm/traps.h"
#include "hv/acpi.h"
#include "hv/arch.h"
#include "hv/boot.h"
#include "hv/printk.h"
#include "hv/time.h"

#define REG_ID 0x20u
#define REG_TPR 0x80u
#define REG_EOI 0xb0u
#define REG_LDR 0xd0u
#define REG_DFR 0xe0u
#define REG_SVR 0xf0u
#define REG_ISR 0x100u
#define REG_ESR 0x280u
#define REG_ICR_LOW 0x300u
#define REG_ICR_HIGH 0x310u
#define REG_LVT_TIMER 0x320u
#define REG_LVT_LINT0 0x350u
#define REG_LVT_LINT1 0x360u
#define REG_LVT_ERROR 0x370u
#define REG_TIMER_INITIAL 0x380u
#define REG_TIMER_CURRENT 0x390u
#define REG_TIMER_DIVIDE 0x3e0u

#define SVR_ENABLE 0x100u
#define ICR_BUSY 0x1000u
#define LVT_MASKED 0x10000u
#define LVT_NMI 0x400u
#define TIMER_DEADLINE 0x40000u
#define DIVIDE_BY_1 0xbu
#define APIC_DEFAULT 0xfee00000UL
#define CALIBRATE_NS MILLISECS(5)
#define HOUR (3600 * NSEC_PER_SEC)

static struct {
	bool x2, ready, deadline;
	paddr_t address;
	volatile uint8_t *mmio;
	uint64_t ticks_per_ns; /* of the timer, 32.32 fixed point */
	uint64_t errors;
} apic;

static uint32_t reg_read(unsigned reg)
{
	if (apic.x2)
		return (uint32_t)rdmsr(MSR_X2APIC_BASE + reg / 16);
	return mmio_read32(apic.mmio + reg);
}

static void reg_write(unsigned reg, uint32_t val)
{
	if (apic.x2)
		wrmsr(MSR_X2APIC_BASE + reg / 16, val);
	else
		mmio_write32(apic.mmio + reg, val);
}

/* Every line masked, vectors out of the way of exceptions. */
static void mask_8259(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(0x21, 0x20);
	outb(0xa1, 0x28);
	outb(0x21, 0x04);
	outb(0xa1, 0x02);
	outb(0x21, 0x01);
	outb(0xa1, 0x01);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

static void timer_interrupt(unsigned vector)
{
	softirq_raise(this_cpu(), SOFTIRQ_TIMER);
}

static void kick_interrupt(unsigned vector)
{
	/* It ended a halt or a guest's run: that is all it is for. */
}

static void error_interrupt(unsigned vector)
{
	reg_write(REG_ESR, 0);
	(void)reg_read(REG_ESR);
	apic.errors++;
}

/* See asm/apic.h. Firmware that left x2APIC on is followed; otherwise x2APIC is used where offered. */
void apic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (!acpi_info.madt || acpi_info.has_8259)
		mask_8259();
	apic.x2 = base & APIC_BASE_X2APIC;
	if (!apic.x2 && cpu_features.x2apic && param_bool("x2apic", true))
		apic.x2 = true;
	apic.address = base & APIC_BASE_ADDR ? base & APIC_BASE_ADDR : APIC_DEFAULT;
	if (!apic.x2)
		apic.mmio = arch_iomap(apic.address, PAGE_SIZE);
	irq_set_handler(VECTOR_TIMER, timer_interrupt);
	irq_set_handler(VECTOR_KICK, kick_interrupt);
	irq_set_handler(VECTOR_ERROR, error_interrupt);
	apic_cpu_init();
}

static bool any_in_service(void)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 8; i++)
		bits |= reg_read(REG_ISR + 16 * i);
	return bits;
}

/* See asm/apic.h. Interrupts may be on or off. */
void apic_cpu_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	/* Disabled to x2APIC goes through xAPIC: SDM vol. 3, 11.12.5. */
	wrmsr(MSR_APIC_BASE, base);
	if (apic.x2)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	reg_write(REG_TPR, 0);
	if (!apic.x2) {
		reg_write(REG_DFR, 0xffffffff);
		reg_write(REG_LDR, 0);
	}
	reg_write(REG_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	reg_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	reg_write(REG_LVT_LINT0, LVT_MASKED);
	reg_write(REG_LVT_LINT1, this_cpu() ? LVT_MASKED : LVT_NMI);
	reg_write(REG_LVT_ERROR, VECTOR_ERROR);
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
	reg_write(REG_TIMER_INITIAL, 0);
	if (apic.ready)
		reg_write(REG_LVT_TIMER, VECTOR_TIMER | (apic.deadline ? TIMER_DEADLINE : 0));
	/* What was in service when firmware left would hold back everything below it. */
	for (unsigned i = 0; i < 256 && any_in_service(); i++)
		apic_eoi();
}

/* See asm/apic.h. Measured against system time; the frequency is the same on all CPUs of a board. */
void apic_timer_calibrate(void)
{
	stime_t t0, t1;
	uint32_t c0, c1;

	reg_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	reg_write(REG_TIMER_INITIAL, 0xffffffff);
	t0 = now();
	c0 = reg_read(REG_TIMER_CURRENT);
	while ((t1 = now()) < t0 + CALIBRATE_NS)
		cpu_pause();
	c1 = reg_read(REG_TIMER_CURRENT);
	reg_write(REG_TIMER_INITIAL, 0);
	apic.ticks_per_ns = ((uint64_t)(c0 - c1) << 32) / (uint64_t)(t1 - t0);
	apic.deadline = cpu_features.tsc_deadline && param_bool("tdt", true);
	if (!apic.ticks_per_ns && !apic.deadline)
		panic("the local APIC's timer does not count");
	apic.ready = true;
	reg_write(REG_LVT_TIMER, VECTOR_TIMER | (apic.deadline ? TIMER_DEADLINE : 0));
	/* The mode must be in place before the first deadline is written: SDM vol. 3, 11.5.4.1. */
	asm volatile("mfence" : : : "memory");
	printk(LOG_INFO, "Local APIC: %s, timer %lu kHz%s\n", apic.x2 ? "x2APIC" : "xAPIC",
	       (uint64_t)(c0 - c1) * 1000000 / (uint64_t)(t1 - t0), apic.deadline ? ", TSC deadline" : "");
}

/* See asm/apic.h. */
uint32_t apic_id(void)
{
	return apic.x2 ? reg_read(REG_ID) : reg_read(REG_ID) >> 24;
}

/* See asm/apic.h. */
void apic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

/* See asm/apic.h. Any write of the task priority makes it look; it is 0 for good. */
void apic_look_again(void)
{
	reg_write(REG_TPR, 0);
}

/* See asm/apic.h. In xAPIC mode the two halves must not be torn by an interrupt that sends one itself. */
void apic_send(uint32_t id, uint32_t icr_low)
{
	bool on;

	if (apic.x2) {
		/* The MSR write is not serialising: what the target shall see goes first. SDM vol. 3, 11.12.3. */
		asm volatile("mfence; lfence" : : : "memory");
		wrmsr(MSR_X2APIC_ICR, (uint64_t)id << 32 | icr_low);
		return;
	}
	on = irq_save();
	while (reg_read(REG_ICR_LOW) & ICR_BUSY)
		cpu_pause();
	reg_write(REG_ICR_HIGH, id << 24);
	reg_write(REG_ICR_LOW, icr_low);
	irq_restore(on);
}

/* See asm/apic.h. */
bool apic_is_x2(void)
{
	return apic.x2;
}

/* See asm/apic.h. */
paddr_t apic_paddr(void)
{
	return apic.address;
}

/* See asm/apic.h. */
const char *apic_timer_name(void)
{
	return apic.deadline ? "TSC deadline" : "local APIC";
}

/* See asm/apic.h. Too far a time is reached in several interrupts: the timer softirq arms the rest. */
void apic_set_timer(stime_t deadline)
{
	unsigned __int128 ticks;
	stime_t t = now();

	if (!apic.ready)
		return;
	if (deadline == STIME_MAX) {
		if (apic.deadline)
			wrmsr(MSR_TSC_DEADLINE, 0);
		else
			reg_write(REG_TIMER_INITIAL, 0);
		return;
	}
	if (deadline <= t) {
		softirq_raise(this_cpu(), SOFTIRQ_TIMER);
		return;
	}
	if (apic.deadline) {
		/* An hour at most: the conversion is exact for such spans only. */
		wrmsr(MSR_TSC_DEADLINE, time_to_tsc(deadline < t + HOUR ? deadline : t + HOUR));
		return;
	}
	ticks = ((unsigned __int128)(uint64_t)(deadline - t) * apic.ticks_per_ns >> 32) + 1;
	reg_write(REG_TIMER_INITIAL, ticks > 0xffffffffu ? 0xffffffffu : (uint32_t)ticks);
}

/* See hv/arch.h. */
void arch_set_timer(stime_t deadline)
{
	apic_set_timer(deadline);
}
