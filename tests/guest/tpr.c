/*
 * The task priority holds back and lets go. Only classes well apart: QEMU delivers a virtual interrupt whose priority equals the task
 * priority (it should be above it, AMD APM volume 2, 15.21.2), and a hypervisor then spins on the interrupt window.
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
	set_vector(0x75, count);
	set_vector(0x92, count);
	wrmsr(0x808, 0x80);
	wrmsr(0x83f, 0x75);
	window();
	check_eq("a lower class is held back", hits, 0);
	wrmsr(0x83f, 0x92);
	window();
	check_eq("a higher class is not", hits, 1);
	say("ppr %x\n", (unsigned)rdmsr(0x80a));
	wrmsr(0x808, 0x60);
	window();
	check_eq("delivered when TPR falls", hits, 2);
	wrmsr(0x808, 0xf0);
	wrmsr(0x83f, 0x92);
	window();
	check_eq("the highest holds everything", hits, 2);
#ifdef __x86_64__
	{
		unsigned long cr8;

		asm volatile("mov %%cr8, %0" : "=r"(cr8));
		say("cr8 %lx\n", cr8);
	}
#endif
	/* Not by CR8: QEMU 7.2 dies of an assertion when that lets a pending interrupt through. */
	wrmsr(0x808, 0);
	window();
	check_eq("nothing is lost", hits, 3);
	say("done\n");
}
