/* What a physical CPU is called, for the domain that shows it under /sys. */
#include "asm/cpuid.h"
#include "hv/acpi.h"
#include "hv/arch.h"
#include "hv/pcpu.h"
#include "hv/string.h"

/* See hv/arch.h. All CPUs of a machine are alike. AMD APM vol. 3, CPUID Fn0000_0000 and Fn0000_0001. */
void arch_cpu_version(char vendor[12], uint32_t *family, uint32_t *model, uint32_t *stepping)
{
	struct cpuid_regs r = cpuid(0);

	memcpy(vendor, &r.b, 4);
	memcpy(vendor + 4, &r.d, 4);
	memcpy(vendor + 8, &r.c, 4);
	r = cpuid(1);
	*family = r.a >> 8 & 0xf;
	*model = r.a >> 4 & 0xf;
	*stepping = r.a & 0xf;
	if (*family >= 6)
		*model |= (r.a >> 16 & 0xf) << 4;
	if (*family == 0xf)
		*family += r.a >> 20 & 0xff;
}

/* See hv/arch.h. */
void arch_cpu_ids(unsigned cpu, uint32_t *apic_id, uint32_t *acpi_id)
{
	*apic_id = pcpu_get(cpu)->arch.apic_id;
	*acpi_id = ~0u;
	for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
		if (acpi_info.cpus[i].apic_id == *apic_id)
			*acpi_id = acpi_info.cpus[i].acpi_uid;
}
