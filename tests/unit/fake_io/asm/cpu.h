/* The processor as a process has it: its interrupts cannot be closed, nor need they be. No guard: the included header has one. */
#include "../../../../hv/arch/x86/include/asm/cpu.h"

#define irq_save() false
#define irq_restore(on) ((void)(on))
