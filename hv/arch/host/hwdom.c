/* The hardware domain of the fake machine, which has no devices. Weak, for tests of what it would do with some link the real one. */
#include "hv/hwdom.h"

#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/launch/acpi.h"
#include "hv/printk.h"
#include "hv/string.h"

#define WEAK __attribute__((weak))

WEAK struct domain *hardware_domain;

WEAK bool hwdom_identity(void)
{
	return false;
}

WEAK int hwdom_init(struct domain *d)
{
	return 0;
}

WEAK long hwdom_acpi(const struct domain *d, uint8_t *buf, size_t size, uint64_t gpa)
{
	static const struct acpi_info none;
	struct acpi_machine m = { .info = &none };
	size_t len = acpi_build_hwdom(buf, size, gpa, d->max_vcpus, &m);

	return len ? (long)len : err(-ENOSPC);
}

WEAK int hwdom_ready(struct domain *d)
{
	return 0;
}

WEAK void hwdom_destroy(struct domain *d)
{
}

WEAK void hwdom_withhold(paddr_t start, uint64_t size)
{
}

WEAK void hwdom_withhold_ports(uint16_t first, uint16_t last)
{
}

void arch_cpu_version(char vendor[12], uint32_t *family, uint32_t *model, uint32_t *stepping)
{
	memcpy(vendor, "HospesOnHost", 12);
	*family = 6;
	*model = 42;
	*stepping = 1;
}

void arch_cpu_ids(unsigned cpu, uint32_t *apic_id, uint32_t *acpi_id)
{
	*apic_id = 2 * cpu;
	*acpi_id = cpu;
}
