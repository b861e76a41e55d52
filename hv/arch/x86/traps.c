/* Exceptions and interrupts of Hospes itself: descriptor tables, dispatch, the exception table. */
#include "asm/traps.h"

#include "asm/apic.h"
#include "asm/cpu.h"
#include "asm/desc.h"
#include "asm/msr.h"
#include "asm/sections.h"
#include "asm/smp.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"

#define NR_VECTORS 256u
#define STUB_SIZE 16u
#define GATE_INTERRUPT 0x8e /* present, DPL 0, interrupt gate */

extern const char trap_stubs[];

/* What a CPU needs before memory is managed; CPUs started later get theirs from the heap. */
struct cpu_tables {
	uint64_t gdt[GDT_ENTRIES];
	struct tss64 tss;
};

static struct {
	struct idt_gate idt[NR_VECTORS] __attribute__((aligned(16)));
	bool idt_ready;
	irq_handler_fn *handler[NR_VECTORS];
	uint64_t count[NR_VECTORS];
	uint64_t stray_nmis;
	unsigned next_vector;
	struct cpu_tables boot;
} traps;

static void build_idt(void)
{
	for (unsigned i = 0; i < NR_VECTORS; i++) {
		uint64_t to = (uint64_t)trap_stubs + i * STUB_SIZE;

		traps.idt[i] = (struct idt_gate){ .offset0 = (uint16_t)to,
						  .selector = SEL_CODE64,
						  .type = GATE_INTERRUPT,
						  .offset1 = (uint16_t)(to >> 16),
						  .offset2 = (uint32_t)(to >> 32) };
	}
	traps.idt_ready = true;
}

static void build_gdt(struct cpu_tables *t)
{
	uint64_t base = (uint64_t)&t->tss, limit = sizeof(t->tss) - 1;

	t->gdt[SEL_CODE64 / 8] = 0x00af9b000000ffffUL;
	t->gdt[SEL_DATA / 8] = 0x00cf93000000ffffUL;
	t->gdt[SEL_CODE32 / 8] = 0x00cf9b000000ffffUL;
	/* Available 64-bit TSS: APM vol. 2, figure 4-22. */
	t->gdt[SEL_TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
	t->gdt[SEL_TSS / 8 + 1] = base >> 32;
	t->tss.iopb = sizeof(t->tss);
}

static void load_tables(struct cpu_tables *t)
{
	struct desc_ptr gdtr = { sizeof(t->gdt) - 1, (uint64_t)t->gdt };
	struct desc_ptr idtr = { sizeof(traps.idt) - 1, (uint64_t)traps.idt };

	asm volatile("lgdt %0\n\t"
		     "pushq %1\n\t"
		     "leaq 1f(%%rip), %%rax\n\t"
		     "pushq %%rax\n\t"
		     "lretq\n"
		     "1:\n\t"
		     "movl %2, %%eax\n\t"
		     "movl %%eax, %%ds\n\t"
		     "movl %%eax, %%es\n\t"
		     "movl %%eax, %%ss\n\t"
		     "xorl %%eax, %%eax\n\t"
		     "movl %%eax, %%fs\n\t"
		     "movl %%eax, %%gs\n\t"
		     "lldt %%ax\n\t"
		     "lidt %3\n\t"
		     "ltr %w4"
		     :
		     : "m"(gdtr), "i"(SEL_CODE64), "i"(SEL_DATA), "m"(idtr), "r"(SEL_TSS)
		     : "rax", "memory");
}

/* Load this CPU's descriptor tables; @p becomes what this_pcpu() answers. APs: needs the heap. */
void traps_cpu_init(struct pcpu *p)
{
	struct cpu_tables *t = p->arch.gdt ? container_of(p->arch.gdt, struct cpu_tables, gdt) : &traps.boot;

	if (!traps.idt_ready)
		build_idt();
	build_gdt(t);
	p->arch.gdt = t->gdt;
	p->arch.tss = &t->tss;
	load_tables(t);
	wrmsr(MSR_GS_BASE, (uint64_t)p); /* loading a null GS may have cleared it */
}

/* See traps.h. The gates use these stacks from the boot CPU's first call on. */
void traps_set_ist(struct pcpu *p, unsigned slot, uint64_t top)
{
	struct tss64 *tss = p->arch.tss;

	tss->ist[slot - 1] = top;
}

/* The boot CPU's IST stacks exist: let the three gates use theirs. CPUs that come later set their stacks first. */
void traps_use_ist(void)
{
	traps.idt[TRAP_DF].ist = IST_DF;
	traps.idt[TRAP_NMI].ist = IST_NMI;
	traps.idt[TRAP_MC].ist = IST_MC;
}

/* Room for another CPU's tables in @p. -ENOMEM. */
int traps_cpu_alloc(struct pcpu *p)
{
	struct cpu_tables *t = xzalloc(struct cpu_tables);

	if (!t)
		return err(-ENOMEM);
	p->arch.gdt = t->gdt;
	p->arch.tss = &t->tss;
	return 0;
}

/* See traps.h. Replaces the previous handler. Boot, or a vector got from irq_alloc_vector(). */
void irq_set_handler(unsigned vector, irq_handler_fn *fn)
{
	ASSERT(vector >= VECTOR_GUEST_FIRST && vector < NR_VECTORS);
	__atomic_store_n(&traps.handler[vector], fn, __ATOMIC_RELEASE);
}

/* See traps.h. The caller installs a handler at once. -ENOSPC. */
int irq_alloc_vector(void)
{
	unsigned v = VECTOR_DEVICE_FIRST + __atomic_fetch_add(&traps.next_vector, 1, __ATOMIC_RELAXED);

	return v <= VECTOR_DEVICE_LAST ? (int)v : err(-ENOSPC);
}

/* See traps.h. */
uint64_t irq_count(unsigned vector)
{
	return vector < NR_VECTORS ? read_once(traps.count[vector]) : 0;
}

static bool fixup(struct trap_frame *f)
{
	for (const struct extable_entry *e = __extable_start; e < __extable_end; e++) {
		if ((uint64_t)&e->insn + (int64_t)e->insn != f->rip)
			continue;
		f->rip = (uint64_t)&e->to + (int64_t)e->to;
		return true;
	}
	return false;
}

static const char *const exception_names[] = { "divide error",
					       "debug",
					       "NMI",
					       "breakpoint",
					       "overflow",
					       "bound range",
					       "invalid opcode",
					       "no FPU",
					       "double fault",
					       "coprocessor overrun",
					       "invalid TSS",
					       "segment not present",
					       "stack fault",
					       "general protection",
					       "page fault",
					       "reserved",
					       "x87 error",
					       "alignment check",
					       "machine check",
					       "SIMD error",
					       "virtualization",
					       "control protection" };

static void exception(struct trap_frame *f)
{
	if (f->vector == TRAP_NMI) {
		if (smp_stopping())
			for (;;) {
				irq_disable();
				cpu_halt();
			}
		/* A stray one. It may have come while this CPU holds the console: count, say nothing. */
		__atomic_fetch_add(&traps.stray_nmis, 1, __ATOMIC_RELAXED);
		return;
	}
	if (f->vector != TRAP_DF && f->vector != TRAP_MC && fixup(f))
		return;
	panic_frame(f, f->vector < ARRAY_SIZE(exception_names) ? exception_names[f->vector] : "exception");
}

/* Every exception and interrupt, interrupts off. From entry.S only. */
void trap_dispatch(struct trap_frame *f);
void trap_dispatch(struct trap_frame *f)
{
	irq_handler_fn *fn;

	__atomic_fetch_add(&traps.count[f->vector & 0xff], 1, __ATOMIC_RELAXED);
	if (f->vector < 32) {
		exception(f);
		return;
	}
	if (f->vector == VECTOR_SPURIOUS) /* no EOI for it: APM vol. 2, 16.4.7 */
		return;
	fn = __atomic_load_n(&traps.handler[f->vector], __ATOMIC_ACQUIRE);
	if (fn)
		fn((unsigned)f->vector);
	apic_eoi();
}
