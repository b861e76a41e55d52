/* Ending the machine: power off, reset, and what to do when neither works. */
#include "hv/arch.h"

#include "asm/cpu.h"
#include "asm/desc.h"
#include "asm/io.h"
#include "asm/smp.h"
#include "asm/time.h"
#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/console.h"
#include "hv/crash.h"
#include "hv/printk.h"
#include "hv/string.h"

#define KBC_COMMAND 0x64
#define KBC_INPUT_FULL 0x02
#define KBC_PULSE_RESET 0xfe
#define RESET_CONTROL 0xcf9

static void reset_keyboard_controller(void)
{
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned n = 0; n < 0x10000 && (inb(KBC_COMMAND) & KBC_INPUT_FULL); n++)
			cpu_pause();
		outb(KBC_COMMAND, KBC_PULSE_RESET);
		time_udelay(50);
	}
}

static void reset_chipset(void)
{
	uint8_t v = inb(RESET_CONTROL) & ~6u;

	outb(RESET_CONTROL, v | 2);
	time_udelay(50);
	outb(RESET_CONTROL, v | 6);
	time_udelay(5000);
}

/* No interrupt table: the next exception shuts the processor down, which every board turns into a reset. */
static void triple_fault(void)
{
	struct desc_ptr none = { 0, 0 };

	asm volatile("lidt %0; int3" : : "m"(none));
}

/* See hv/arch.h. Order as `reboot=` names it, the ACPI register first. Any context. */
void arch_machine_stop(bool reboot)
{
	const char *how = param_string("reboot", "");

	irq_disable();
	smp_stop_others();
	console_break_lock();
	if (!reboot) {
		printk(LOG_INFO, "Power off\n");
		acpi_poweroff();
		printk(LOG_ERR, "This machine does not switch itself off: do it by hand\n");
		for (;;)
			cpu_halt();
	}
	printk(LOG_INFO, "Reset\n");
	crash_save(false);
	if (*how == 't')
		triple_fault();
	if (*how != 'k' && *how != 'p')
		acpi_reset();
	if (*how != 'p')
		reset_keyboard_controller();
	reset_chipset();
	triple_fault();
	for (;;)
		cpu_halt();
}
