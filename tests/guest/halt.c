/* HLT with interrupts off on the last vCPU powers the domain off. */
#include "lib/ops.h"

void guest_main(void)
{
	say("halting\n");
	asm volatile("cli; hlt");
	say("WRONG still here\n");
}
