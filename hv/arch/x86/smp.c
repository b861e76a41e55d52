/* Bringing up and reaching the other CPUs. One after the other: they share one trampoline. */
#include "asm/smp.h"

#include "asm/apic.h"
#include "asm/cpu.h"
#include "asm/cpuid.h"
#include "asm/desc.h"
#include "asm/msr.h"
#include "asm/paging.h"
#include "asm/time.h"
#include "asm/traps.h"
#include "asm/virt.h"
#include "hv/acpi.h"
#include "hv/arch.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"
#include "hv/task.h"
#include "hv/time.h"

#define TRAMPOLINE_FIELDS 8u
#define START_TIMEOUT (10 * NSEC_PER_SEC) /* an emulated machine may share its processors with others */
#define CALL_WORDS (NR_CPUS / 64)

/* Of each CPU: the call it makes, and who calls it. */
struct smp_call_slot {
	void (*fn)(void *);
	void *arg;
	unsigned waiting;	   /* atomic: CPUs that have not run fn yet */
	uint64_t from[CALL_WORDS]; /* atomic bits: CPUs whose call this CPU shall run */
};

/* Filled in at TRAMPOLINE_FIELDS of the copy; see trampoline.S. */
struct trampoline_fields {
	uint16_t gdt_limit;
	uint32_t gdt_base;
	uint16_t pad0;
	uint32_t far32;
	uint16_t sel32, pad1;
	uint32_t far64;
	uint16_t sel64, pad2;
	uint32_t cr3, efer;
	uint64_t stack, entry, argument;
	uint64_t gdt[4];
} packed;

extern const char trampoline_start[], trampoline_end[], trampoline_32[], trampoline_64[];

enum start_state { START_NONE, START_ENTERED, START_READY, START_JOINED, START_FAILED };

static struct {
	struct pcpu boot;
	struct smp_call_slot boot_call;
	paddr_t trampoline;
	unsigned present;
	unsigned state; /* atomic, enum start_state of the CPU being started */
	bool go;	/* atomic: it may enter its loop */
	bool stopping;
} smp;

/* See asm/smp.h. */
void smp_boot_pcpu(void)
{
	struct pcpu *p = &smp.boot;

	p->self = p;
	p->arch.call = &smp.boot_call;
	wrmsr(MSR_GS_BASE, (uint64_t)p);
	traps_cpu_init(p);
}

/* See asm/smp.h. */
unsigned smp_present(void)
{
	return smp.present;
}

static void run_calls(void)
{
	struct smp_call_slot *mine = this_pcpu()->arch.call;

	for (unsigned w = 0; w < CALL_WORDS; w++) {
		uint64_t bits = __atomic_exchange_n(&mine->from[w], 0, __ATOMIC_ACQ_REL);

		for (; bits; bits &= bits - 1) {
			struct smp_call_slot *s = pcpu_get(w * 64 + (unsigned)__builtin_ctzl(bits))->arch.call;

			s->fn(s->arg);
			__atomic_fetch_sub(&s->waiting, 1, __ATOMIC_RELEASE);
		}
	}
}

static void call_interrupt(unsigned vector)
{
	run_calls();
}

/*
 * See hv/arch.h. Two CPUs may call each other at once: whoever waits answers, by interrupt or, with interrupts off,
 * right here. Not from interrupt handlers.
 */
void arch_smp_call(const cpumask_t *mask, void (*fn)(void *), void *arg)
{
	struct pcpu *p = this_pcpu();
	struct smp_call_slot *s = p->arch.call;
	unsigned cpu, n = 0;

	for_each_cpu(cpu, mask)
		n++;
	s->fn = fn;
	s->arg = arg;
	__atomic_store_n(&s->waiting, n, __ATOMIC_RELEASE);
	for_each_cpu(cpu, mask) {
		struct pcpu *q = pcpu_get(cpu);

		__atomic_fetch_or(&q->arch.call->from[p->id / 64], 1UL << (p->id % 64), __ATOMIC_SEQ_CST);
		apic_send(q->arch.apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_CALL);
	}
	while (__atomic_load_n(&s->waiting, __ATOMIC_ACQUIRE)) {
		if (!irq_enabled())
			run_calls();
		cpu_pause();
	}
}

/* See hv/arch.h. */
void arch_cpu_kick(unsigned cpu)
{
	struct pcpu *p = pcpu_get(cpu);

	if (p)
		apic_send(p->arch.apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_KICK);
}

/*
 * See hv/arch.h. STI takes effect after the next instruction, so nothing comes between the look and HLT.
 *
 * QEMU's emulated processor (7.2) may lose the word of an interrupt: VMRUN and #VMEXIT change what is requested of it without the lock that its other thread holds while it
 * adds a timer's interrupt. The local APIC holds that one then, and the processor would halt beside it until another one comes, which may be never.
 */
void arch_idle(void)
{
	irq_disable();
	if (__atomic_load_n(&this_pcpu()->softirqs, __ATOMIC_SEQ_CST)) {
		irq_enable();
		return;
	}
	if (unlikely(cpu_features.tcg))
		apic_look_again();
	asm volatile("sti; hlt" : : : "memory");
}

/* See asm/smp.h. Any context; the others may be anywhere, even in the console. */
void smp_stop_others(void)
{
	unsigned cpu;

	if (__atomic_exchange_n(&smp.stopping, true, __ATOMIC_SEQ_CST))
		return;
	for_each_cpu(cpu, cpu_online())
		if (cpu != this_cpu())
			apic_send(pcpu_get(cpu)->arch.apic_id, ICR_NMI | ICR_ASSERT);
	if (nr_cpus_online() > 1)
		time_udelay(1000);
}

/* See asm/smp.h. */
bool smp_stopping(void)
{
	return __atomic_load_n(&smp.stopping, __ATOMIC_ACQUIRE);
}

/* What every CPU needs after its tables: each piece for itself. */
static void cpu_join(struct pcpu *p)
{
	pcpu_register(p);
	if (timer_cpu_init(p->id) || task_cpu_init(p->id) || sched_cpu_init(p->id))
		panic("no memory for CPU %u", p->id);
}

/* First C code of a CPU started here, on its own stack. */
static _Noreturn void ap_start(struct pcpu *p)
{
	traps_cpu_init(p);
	paging_load();
	cpu_setup();
	apic_cpu_init();
	__atomic_store_n(&smp.state, START_ENTERED, __ATOMIC_RELEASE);
	time_cpu_init();
	if (virt->cpu_up()) {
		__atomic_store_n(&smp.state, START_FAILED, __ATOMIC_RELEASE);
		for (;;)
			cpu_halt();
	}
	__atomic_store_n(&smp.state, START_READY, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&smp.go, __ATOMIC_ACQUIRE))
		cpu_pause();
	cpu_join(p);
	__atomic_store_n(&smp.state, START_JOINED, __ATOMIC_RELEASE);
	irq_enable();
	time_cpu_start();
	cpu_loop();
}

/* A structure, tables and stacks for CPU @cpu. NULL without memory: what was taken is not given back, nor asked for again. */
static struct pcpu *pcpu_make(unsigned cpu, uint32_t apic_id_)
{
	struct pcpu *p = xzalloc(struct pcpu);
	struct cpu_stacks stacks;

	if (!p)
		return NULL;
	p->self = p;
	p->id = cpu;
	p->arch.apic_id = apic_id_;
	p->arch.call = xzalloc(struct smp_call_slot);
	if (!p->arch.call || traps_cpu_alloc(p) || !percpu_map_stacks(cpu, &stacks))
		return NULL;
	p->arch.stack_top = (void *)stacks.main;
	traps_set_ist(p, IST_DF, stacks.df);
	traps_set_ist(p, IST_NMI, stacks.nmi);
	traps_set_ist(p, IST_MC, stacks.mc);
	return p;
}

/* A page of RAM below 640K that is not page 0 and not where the BIOS keeps its data. 0: none. */
static paddr_t find_trampoline_page(const struct boot_info *bi)
{
	for (paddr_t p = 0x9e000; p >= 0x1000; p -= PAGE_SIZE)
		for (unsigned i = 0; i < bi->nr_e820; i++) {
			const struct e820_entry *e = &bi->e820[i];

			if (e->type == E820_RAM && e->addr <= p && e->addr + e->size >= p + PAGE_SIZE)
				return p;
		}
	return 0;
}

static void fill_trampoline(const struct pcpu *p)
{
	uint8_t *at = paddr_to_virt(smp.trampoline);
	uint32_t base = (uint32_t)smp.trampoline;
	struct trampoline_fields *f = (struct trampoline_fields *)(at + TRAMPOLINE_FIELDS);

	memcpy(at, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	f->gdt_base = base + TRAMPOLINE_FIELDS + (uint32_t)offsetof(struct trampoline_fields, gdt);
	f->far32 = base + (uint32_t)(trampoline_32 - trampoline_start);
	f->far64 = base + (uint32_t)(trampoline_64 - trampoline_start);
	f->cr3 = (uint32_t)paging_trampoline_root();
	f->efer = (uint32_t)(EFER_LME | (cpu_features.nx ? EFER_NXE : 0));
	f->stack = (uint64_t)p->arch.stack_top;
	f->entry = (uint64_t)ap_start;
	f->argument = (uint64_t)p;
}

static bool wait_state(enum start_state at_least, stime_t limit)
{
	stime_t end = now() + limit;

	while (__atomic_load_n(&smp.state, __ATOMIC_ACQUIRE) < at_least) {
		if (now() > end)
			return false;
		cpu_pause();
	}
	return true;
}

/* INIT, STARTUP, STARTUP: MultiProcessor specification B.4, SDM vol. 3 9.4.4. */
static void send_start(uint32_t id)
{
	uint32_t page = (uint32_t)(smp.trampoline >> PAGE_SHIFT);

	apic_send(id, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	time_udelay(200);
	apic_send(id, ICR_INIT | ICR_LEVEL);
	time_udelay(10000);
	for (unsigned i = 0; i < 2; i++) {
		apic_send(id, ICR_STARTUP | ICR_ASSERT | page);
		if (wait_state(START_ENTERED, MILLISECS(1)))
			break;
	}
}

static bool start_cpu(struct pcpu *p)
{
	bool ok;

	__atomic_store_n(&smp.state, START_NONE, __ATOMIC_RELEASE);
	__atomic_store_n(&smp.go, false, __ATOMIC_RELEASE);
	fill_trampoline(p);
	send_start(p->arch.apic_id);
	ok = wait_state(START_ENTERED, START_TIMEOUT);
	if (ok) {
		time_sync_boot(p->id);
		ok = wait_state(START_READY, START_TIMEOUT) &&
		     __atomic_load_n(&smp.state, __ATOMIC_ACQUIRE) == START_READY;
	}
	if (!ok) {
		/* Back to waiting for STARTUP, so it cannot wake up in a trampoline meant for another. */
		apic_send(p->arch.apic_id, ICR_INIT | ICR_ASSERT);
		printk(LOG_WARN, "CPU with APIC id %u does not start: left out\n", p->arch.apic_id);
		return false;
	}
	__atomic_store_n(&smp.go, true, __ATOMIC_RELEASE);
	if (!wait_state(START_JOINED, START_TIMEOUT))
		panic("CPU %u got lost on its way", p->id);
	return true;
}

/* See asm/smp.h. */
void smp_boot_cpu_join(void)
{
	smp.boot.arch.apic_id = apic_id();
	cpu_join(&smp.boot);
}

/* See asm/smp.h. With the allocator up. */
uint64_t smp_boot_stacks(void)
{
	struct cpu_stacks stacks;

	if (!percpu_map_stacks(0, &stacks))
		panic("no memory for the boot CPU's stacks");
	smp.boot.arch.stack_top = (void *)stacks.main;
	traps_set_ist(&smp.boot, IST_DF, stacks.df);
	traps_set_ist(&smp.boot, IST_NMI, stacks.nmi);
	traps_set_ist(&smp.boot, IST_MC, stacks.mc);
	traps_use_ist();
	return stacks.main;
}

/* See asm/smp.h. CPU numbers are given only to CPUs that came up, in MADT order. */
void smp_init(void)
{
	int64_t max = param_int("maxcpus", NR_CPUS);
	unsigned next = 1;

	irq_set_handler(VECTOR_CALL, call_interrupt);
	smp.present = acpi_info.nr_cpus ? acpi_info.nr_cpus : 1;
	smp.trampoline = find_trampoline_page(&boot_info);
	if (max < 1 || param_bool("nosmp", false) || !param_bool("smp", true))
		max = 1;
	if (max > (int64_t)NR_CPUS)
		max = NR_CPUS;
	if (!smp.trampoline && acpi_info.nr_cpus > 1 && max > 1) {
		printk(LOG_WARN, "No memory below 640K to start other CPUs from\n");
		max = 1;
	}
	for (unsigned i = 0; i < acpi_info.nr_cpus && next < (unsigned)max; i++) {
		const struct acpi_cpu *c = &acpi_info.cpus[i];
		struct pcpu *p;

		if (!c->enabled || c->apic_id == smp.boot.arch.apic_id)
			continue;
		if (!apic_is_x2() && c->apic_id >= 0xff) {
			printk(LOG_WARN, "CPU with APIC id %u needs x2APIC: left out\n", c->apic_id);
			continue;
		}
		p = pcpu_make(next, c->apic_id);
		if (!p) {
			printk(LOG_WARN, "No memory for more CPUs\n");
			break;
		}
		if (start_cpu(p))
			next++;
	}
	printk(LOG_INFO, "CPUs: %u of %u\n", nr_cpus_online(), smp.present);
}
