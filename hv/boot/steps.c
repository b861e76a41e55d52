/* Boot as one array of named steps: to know what happens when, read the array. `boot-timeline` prints how long each took. */
#include "start.h"

#include "asm/apic.h"
#include "asm/cpu.h"
#include "asm/cpuid.h"
#include "asm/smp.h"
#include "asm/time.h"
#include "asm/virt.h"
#include "compile.h"
#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/console.h"
#include "hv/crash.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/iommu.h"
#include "hv/launch.h"
#include "hv/mm.h"
#include "hv/numa.h"
#include "hv/pci.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/uart.h"

static void step_console(void)
{
	param_parse(boot_info.cmdline);
	console_init();
	consoles_init();
	printk(LOG_INFO, "Xen version %u.%u%s (%s@%s) (%s) %s\n", XEN_VERSION, XEN_SUBVERSION, XEN_EXTRAVERSION,
	       XEN_COMPILE_BY, XEN_COMPILE_DOMAIN, XEN_COMPILER, XEN_COMPILE_DATE);
	printk(LOG_INFO, "Hospes %s, by %s (%s): %s\n", XEN_CHANGESET, boot_info.protocol, boot_info.loader,
	       boot_info.cmdline);
}

static void step_processor(void)
{
	cpu_features_init();
	cpu_setup();
	printk(LOG_INFO, "Processor: %s %s, family %u model %u stepping %u\n", cpu_features.vendor, cpu_features.model,
	       cpu_features.family, cpu_features.model_nr, cpu_features.stepping);
}

static void step_ring(void)
{
	console_init_ring();
	printk(LOG_INFO, "Memory: %lu MiB, %lu MiB free\n", (mm_total_frames() >> 8) + (mm_boot_held() >> 20),
	       (mm_free_frames() >> 8) + (mm_boot_held() >> 20));
	crash_show();
}

static void step_nodes(void)
{
	numa_init(&acpi_info);
}

static void step_interrupts(void)
{
	apic_init();
	ioapic_init();
}

static void step_time(void)
{
	time_init();
	apic_timer_calibrate();
}

static void step_boot_cpu(void)
{
	const char *name = param_string("sched", "credit2");
	const struct sched_policy *policy = sched_find(name);

	if (!policy)
		printk(LOG_WARN, "sched=%s is not known here: the fair scheduler runs\n", name);
	domains_init();
	if (sched_init(policy ? policy : &sched_fair))
		panic("the scheduler does not start");
	smp_boot_cpu_join();
	irq_enable();
	time_cpu_start();
}

static void step_virt(void)
{
	const char *why = virt_init();
	int rc = why ? 0 : virt->cpu_up();

	if (rc)
		why = rc == -ENOMEM ? "no memory for its tables" : "the processor refuses to enter that mode";
	if (!why)
		return;
	printk(LOG_ERR, "Hospes cannot run guests on this machine: %s\n", why);
	for (;;)
		cpu_halt();
}

static void step_domains(void)
{
	launch_domains(&boot_info);
	low_memory_watch();
}

static const struct boot_step early_steps[] = {
	{ "console", step_console },
	{ "processor", step_processor },
	{ "record of a crash", crash_find }, /* before memory is handed out */
	{ "memory", boot_memory },
};

static const struct boot_step late_steps[] = {
	{ "console ring", step_ring },
	{ "ACPI tables", acpi_init },
	{ "nodes of memory", step_nodes },
	{ "interrupt controllers", step_interrupts },
	{ "time", step_time },
	{ "boot CPU", step_boot_cpu },
	{ "PCI devices", pci_init },
	{ "IOMMU", iommu_init }, /* before the first interrupt line is routed */
	{ "screen and input", consoles_init_late },
	{ "virtualization", step_virt },
	{ "other CPUs", smp_init },
	{ "domains", step_domains },
};

static struct {
	uint64_t begin, end[ARRAY_SIZE(early_steps) + ARRAY_SIZE(late_steps)]; /* TSC */
	unsigned nr;
} timeline;

static void run(const struct boot_step *steps, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		steps[i].run();
		timeline.end[timeline.nr++] = rdtsc();
	}
}

static void show(const struct boot_step *steps, unsigned n, unsigned *at)
{
	uint64_t khz = max_u64(time_tsc_khz(), 1);

	for (unsigned i = 0; i < n; i++, (*at)++) {
		uint64_t us = (timeline.end[*at] - (*at ? timeline.end[*at - 1] : timeline.begin)) * 1000 / khz;

		printk(LOG_INFO, "%5lu.%03lu ms  %s\n", us / 1000, us % 1000, steps[i].name);
	}
}

/* See start.h. */
void boot_steps_early(void)
{
	timeline.begin = rdtsc();
	run(early_steps, ARRAY_SIZE(early_steps));
}

/* See start.h. Runs on the boot CPU's own stack. */
void boot_steps_late(void)
{
	unsigned at = 0;

	run(late_steps, ARRAY_SIZE(late_steps));
	if (param_bool("boot-timeline", false)) {
		show(early_steps, ARRAY_SIZE(early_steps), &at);
		show(late_steps, ARRAY_SIZE(late_steps), &at);
	}
	cpu_loop();
}
