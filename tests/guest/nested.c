/* guest: oracle=no */
/*
 * An event and an interrupt of the local APIC become pending together, and the handler of the first runs long with interrupts off: none
 * comes meanwhile, each comes once. What was interrupted always had interrupts on. QEMU gives an interrupt that VMRUN injected to the
 * guest a second time when it is next stopped itself, so under real Xen this shows QEMU's fault.
 */
#include "lib/ops.h"

#define FLAG_IF 0x200u
#define LONG 600000000u /* cycles: QEMU stops a processor after 100 ms at the latest */
#define CALLBACK 0xf3
#define INTERRUPT 0x52

static uint32_t port;
static volatile unsigned upcalls, interrupts, within;

static void upcall(struct frame *f)
{
	volatile uint8_t *info = vcpu_info(0);
	uint64_t start = rdtsc();

	within += !(f->flags & FLAG_IF);
	upcalls++;
	*info = 0;
	*(volatile unsigned long *)(info + sizeof(long)) = 0;
	event_clear(port);
	while (rdtsc() - start < LONG)
		asm volatile("pause");
}

static void interrupt(struct frame *f)
{
	within += !(f->flags & FLAG_IF);
	interrupts++;
	apic_eoi();
}

void guest_main(void)
{
	struct {
		uint16_t domid, pad;
		uint32_t index;
		uint64_t value;
	} callback = { SELF, 0, 0, 2ull << 56 | CALLBACK };

	apic_enable();
	set_vector(CALLBACK, upcall);
	set_vector(INTERRUPT, interrupt);
	port = (uint32_t)ev_ipi(0);
	shared_info();
	event_unmask(port);
	check_eq("callback by vector", hvm_op(0, &callback), 0);
	for (unsigned i = 1; i <= 3; i++) {
		ev_port_op(EV_send, port);
		apic_ipi(apic_id(), INTERRUPT);
		irq_on();
		while (interrupts < i || upcalls < i)
			asm volatile("pause");
		irq_off();
		check_eq("upcalls", upcalls, i);
		check_eq("interrupts", interrupts, i);
	}
	check_eq("came while interrupts were off", within, 0);
	say("done\n");
}
