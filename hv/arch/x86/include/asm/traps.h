/* Exceptions and interrupts of Hospes itself. hv/arch/x86/traps.c, entry.S. */
#ifndef ASM_TRAPS_H
#define ASM_TRAPS_H

#include "hv/types.h"

enum {
	TRAP_DE,
	TRAP_DB,
	TRAP_NMI,
	TRAP_BP,
	TRAP_OF,
	TRAP_BR,
	TRAP_UD,
	TRAP_NM,
	TRAP_DF,
	TRAP_CSO,
	TRAP_TS,
	TRAP_NP,
	TRAP_SS,
	TRAP_GP,
	TRAP_PF,
	TRAP_MF = 16,
	TRAP_AC,
	TRAP_MC,
	TRAP_XM,
	TRAP_VE,
	TRAP_CP,
};

/*
 * Higher means more urgent (APM vol. 2, 16.6.2). Guest vectors differ from CPU to CPU and carry interrupts of devices that domains drive
 * (asm/irq.h); device vectors are Hospes' own, from irq_alloc_vector().
 */
#define VECTOR_GUEST_FIRST 0x30
#define VECTOR_GUEST_LAST 0xcf
#define VECTOR_DEVICE_FIRST 0xd0
#define VECTOR_DEVICE_LAST 0xef
#define VECTOR_TIMER 0xf0
#define VECTOR_CALL 0xf8
#define VECTOR_KICK 0xfa
#define VECTOR_ERROR 0xfe
#define VECTOR_SPURIOUS 0xff

/* What entry.S leaves on the stack. gpr[] is in hardware order. */
struct trap_frame {
	uint64_t gpr[16];
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* @fn runs in interrupt context with interrupts off, takes no lock; EOI is given after it. */
typedef void irq_handler_fn(unsigned vector);
void irq_set_handler(unsigned vector, irq_handler_fn *fn);
/* A free device vector, or -ENOSPC. */
int irq_alloc_vector(void) must_check;
/* How often @vector fired, for diagnosis. */
uint64_t irq_count(unsigned vector);

struct pcpu;
/* Build and load GDT, TSS and IDT of the calling CPU, whose structure is @p. Its IST stacks may be added later by traps_set_ist(). */
void traps_cpu_init(struct pcpu *p);
void traps_set_ist(struct pcpu *p, unsigned slot, uint64_t top);

/* The boot CPU's IST stacks are set: gates use theirs from now on. */
void traps_use_ist(void);
/* Tables for another CPU. -ENOMEM. */
int traps_cpu_alloc(struct pcpu *p) must_check;

/* Where @va lies: name and offset of the function, or NULL. hv/arch/x86/symbols.c. */
const char *symbol_lookup(uint64_t va, uint64_t *offset);
/* Is @va inside the hypervisor's code? */
bool is_text(uint64_t va);
/* Register dump and backtrace of an interrupted context. hv/arch/x86/panic.c. */
void show_frame(const struct trap_frame *f);
_Noreturn void panic_frame(const struct trap_frame *f, const char *what);

#endif
