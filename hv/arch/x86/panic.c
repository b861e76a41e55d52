/* The end: what is said when Hospes cannot go on. Takes no lock and trusts nothing it can do without. */
#include "hv/printk.h"

#include "asm/cpu.h"
#include "asm/sections.h"
#include "asm/smp.h"
#include "asm/traps.h"
#include "hv/arch.h"
#include "hv/boot.h"
#include "hv/console.h"
#include "hv/crash.h"
#include "hv/pcpu.h"
#include "hv/string.h"

#define MAX_FRAMES 24u
#define MAX_WAIT 20000000000UL /* TSC ticks */

static struct {
	unsigned depth; /* atomic: panics begun */
} state;

/* May eight bytes at @va be read as part of a stack of Hospes? */
static bool stack_address(uint64_t va)
{
	if (va & 7)
		return false;
	return (va >= PERCPU_START && va < IMAGE_START) ||
	       (va >= (uint64_t)__bss_start && va < (uint64_t)__bss_end - 16);
}

static void show_address(uint64_t va)
{
	uint64_t offset = 0;
	const char *name = symbol_lookup(va, &offset);

	printk(LOG_ERR, "   [<%016lx>] %s+0x%lx\n", va, name ? name : "?", offset);
}

/* Follow the chain of frame pointers from @rbp, upwards only. */
static void show_chain(uint64_t rbp)
{
	for (unsigned i = 0; i < MAX_FRAMES && stack_address(rbp); i++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		if (!is_text(frame[1]))
			break;
		show_address(frame[1]);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

/* Who was running here: the domain, vCPU and hypercall most likely involved. */
static void show_context(void)
{
	const struct pcpu *p = this_pcpu();
	const struct vcpu *v = p->current;

	if (!v)
		printk(LOG_ERR, "CPU %u was running no guest\n", p->id);
	else if (v->hc.nr)
		printk(LOG_ERR, "CPU %u was running d%uv%u, last hypercall %u\n", p->id, v->domain->id, v->id,
		       v->hc.nr);
	else
		printk(LOG_ERR, "CPU %u was running d%uv%u\n", p->id, v->domain->id, v->id);
	for (unsigned i = 0; i < p->nr_held && i < ARRAY_SIZE(p->held); i++)
		printk(LOG_ERR, "   holding lock %p of rank %u\n", p->held[i].lock, p->held[i].rank);
}

/* See traps.h. */
void show_frame(const struct trap_frame *f)
{
	const uint64_t *g = f->gpr;

	printk(LOG_ERR, "vector %lu error %lx rip %04lx:%016lx rflags %08lx cr2 %016lx cr3 %lx\n", f->vector, f->error,
	       f->cs, f->rip, f->rflags, read_cr2(), read_cr3());
	printk(LOG_ERR, "rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", g[0], g[3], g[1], g[2]);
	printk(LOG_ERR, "rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", g[6], g[7], g[5], f->rsp);
	printk(LOG_ERR, "r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", g[8], g[9], g[10], g[11]);
	printk(LOG_ERR, "r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", g[12], g[13], g[14], g[15]);
	printk(LOG_ERR, "Backtrace:\n");
	show_address(f->rip);
	show_chain(g[5]);
}

/* Only the first panic speaks; a second one on the way, or another CPU's, stops at once. */
static void begin(void)
{
	irq_disable();
	if (__atomic_fetch_add(&state.depth, 1, __ATOMIC_SEQ_CST))
		for (;;)
			cpu_halt();
	smp_stop_others();
	console_break_lock();
}

static _Noreturn void finish(void)
{
	uint64_t from;

	crash_save(true);
	if (param_bool("noreboot", false)) {
		printk(LOG_ERR, "Halted: noreboot was asked for\n");
		for (;;)
			cpu_halt();
	}
	printk(LOG_ERR, "Reboot in five seconds...\n");
	/* Time may not run yet or no longer: the TSC bounds the wait. */
	from = rdtsc();
	for (stime_t end = now() + 5 * NSEC_PER_SEC; now() < end && rdtsc() - from < MAX_WAIT;)
		cpu_pause();
	arch_machine_stop(true);
}

/* An exception of Hospes nobody expected: @what. Any context. */
void panic_frame(const struct trap_frame *f, const char *what)
{
	begin();
	printk(LOG_ERR, "\n****************************************\n");
	printk(LOG_ERR, "Panic on CPU %u: %s\n", this_cpu(), what);
	show_context();
	show_frame(f);
	printk(LOG_ERR, "****************************************\n");
	finish();
}

/* See printk.h. */
void panic(const char *fmt, ...)
{
	static char text[512];
	va_list ap;

	begin();
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printk(LOG_ERR, "\n****************************************\n");
	printk(LOG_ERR, "Panic on CPU %u: %s\n", this_cpu(), text);
	show_context();
	printk(LOG_ERR, "Backtrace:\n");
	show_chain((uint64_t)__builtin_frame_address(0));
	printk(LOG_ERR, "****************************************\n");
	finish();
}
