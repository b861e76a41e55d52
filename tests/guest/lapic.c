/* guest: vcpus=2 */
/* The local APIC in x2APIC mode: registers, self IPI, timer, starting the second vCPU, IPIs both ways. */
#include "lib/ops.h"

static volatile unsigned hits[2], order[4], n_order;

static void count(struct frame *f)
{
	hits[apic_id() / 2]++;
	if (n_order < 4)
		order[n_order++] = (unsigned)f->vector;
	apic_eoi();
}

static void window(unsigned loops)
{
	irq_on();
	for (unsigned i = 0; i < loops; i++)
		asm volatile("pause");
	irq_off();
}

static bool wait_hits(unsigned cpu, unsigned want)
{
	irq_on();
	for (unsigned i = 0; i < 1000000 && hits[cpu] < want; i++)
		asm volatile("pause");
	irq_off();
	return hits[cpu] >= want;
}

static void second(void)
{
	say("vCPU 1 runs, APIC id %u\n", apic_id());
	check_eq("its logical id", (long)rdmsr(0x80d), 1 << 2 | 0);
	check_eq("leaf 1 APIC id", cpuid(1, 0).b >> 24, 2);
	say("leaf 4 vCPU %u\n", cpuid(0x40000004, 0).b);
	check_eq("BSP bit", (long)(rdmsr(0x1b) >> 8 & 1), 0);
	while (hits[1] < 2) {
		halt();
		if (hits[1] == 1 && !hits[0])
			apic_ipi(0, 0x61);
	}
	asm volatile("cli; hlt");
}

static void timer(void)
{
	uint64_t begin;

	n_order = 0;
	hits[0] = 0;
	wrmsr(0x832, 0x62);   /* one-shot */
	wrmsr(0x83e, 0xb);    /* divide by 1 */
	wrmsr(0x838, 200000); /* 2 ms at 100 MHz */
	check_eq("counts down", rdmsr(0x839) <= 200000, 1);
	check_eq("one-shot came", wait_hits(0, 1), 1);
	check_eq("count ran out", (long)rdmsr(0x839), 0);
	window(100000);
	check_eq("once", hits[0], 1);
	hits[0] = 0;
	begin = now(0);
	wrmsr(0x832, 0x20062);
	wrmsr(0x838, 200000);
	check_eq("periodic came", wait_hits(0, 4), 1);
	check_eq("at 2 ms", now(0) - begin >= 5000000, 1);
	wrmsr(0x838, 0);
	hits[0] = 0;
	window(1000000);
	check_eq("stopped by zero", hits[0] <= 1, 1);
	wrmsr(0x832, 0x10062);
	hits[0] = 0;
	wrmsr(0x838, 1000);
	window(1000000);
	check_eq("masked", hits[0], 0);
}

void guest_main(void)
{
	apic_enable();
	for (unsigned v = 0x60; v < 0x90; v++)
		set_vector(v, count);
	say("id %u version %x\n", apic_id(), (unsigned)rdmsr(0x803));
	say("ldr %x tpr %x ppr %x svr %x\n", (unsigned)rdmsr(0x80d), (unsigned)rdmsr(0x808), (unsigned)rdmsr(0x80a),
	    (unsigned)rdmsr(0x80f));
	say("lvt timer %x thermal %x perf %x lint0 %x lint1 %x error %x\n", (unsigned)rdmsr(0x832),
	    (unsigned)rdmsr(0x833), (unsigned)rdmsr(0x834), (unsigned)rdmsr(0x835), (unsigned)rdmsr(0x836),
	    (unsigned)rdmsr(0x837));
	/* IPI to self, by the register for it and by the ICR's shorthand. */
	wrmsr(0x83f, 0x60);
	check_eq("requested", (long)(rdmsr(0x823) & 1), 1);
	check_eq("self IPI", wait_hits(0, 1), 1);
	apic_ipi(0, 0x40061);
	check_eq("shorthand self", wait_hits(0, 2), 1);
	apic_ipi(0, 0x62);
	check_eq("to its own id", wait_hits(0, 3), 1);
	apic_ipi(6, 0x62);
	window(1000);
	check_eq("to nobody", hits[0], 3);
	/* Priority: the higher vector first; the task priority holds back. */
	n_order = 0;
	wrmsr(0x83f, 0x61);
	wrmsr(0x83f, 0x75);
	wrmsr(0x83f, 0x82);
	wait_hits(0, 6);
	say("order %x %x %x\n", order[0], order[1], order[2]);
	/* An illegal vector is noted in the ESR. */
	wrmsr(0x828, 0);
	apic_ipi(0, 0x05);
	wrmsr(0x828, 0);
	say("esr %x\n", (unsigned)rdmsr(0x828));
	timer();

	hits[0] = 0;
	smp_start(1, second);
	while (hits[1] < 1)
		apic_ipi(2, 0x60);
	check_eq("the answer", wait_hits(0, 1), 1);
	while (hits[1] < 2)
		apic_ipi(0, 0xc0060);
	while (vcpu_op(3, 1, 0))
		asm volatile("pause");
	check_eq("vCPU 1 took two", hits[1] >= 2, 1);
	show("vCPU 1 after HLT with interrupts off", vcpu_op(3, 1, 0));
	n_order = 0;
	say("done\n");
}
