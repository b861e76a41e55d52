/* guest: oracle=no */
/*
 * An interrupt of the very class of the task priority waits, and its guest runs on. QEMU opens the interrupt window for it too early; a
 * hypervisor that believes it never gets back into the guest, as real Xen does not.
 */
#include "lib/ops.h"

static volatile unsigned hits;

static void count(struct frame *f)
{
	(void)f;
	hits++;
	apic_eoi();
}

static void window(void)
{
	irq_on();
	for (unsigned i = 0; i < 1000; i++)
		asm volatile("pause");
	irq_off();
}

void guest_main(void)
{
	apic_enable();
	set_vector(0x92, count);
	for (unsigned i = 0; i < 3; i++) {
		wrmsr(0x808, 0x90);
		wrmsr(0x83f, 0x92);
		window();
		check_eq("its own class is held back", hits, i);
		wrmsr(0x808, 0x80);
		window();
		check_eq("delivered when TPR falls", hits, i + 1);
	}
	say("done\n");
}
