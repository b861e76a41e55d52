/* The ACPI power management timer, 3.579545 MHz (ACPI 6.5, 4.8.3.3), as the machine's reference clock. */
#include "asm/io.h"
#include "asm/time.h"
#include "hv/acpi.h"

#define PMTIMER_HZ 3579545u

static uint64_t read_counter(void)
{
	return inl((uint16_t)acpi_info.pm_timer.address);
}

/* See asm/time.h. */
bool pmtimer_init(struct platform_timer *t)
{
	uint64_t start, mask = acpi_info.pm_timer_32bit ? 0xffffffff : 0xffffff;
	bool counts = false;

	if (acpi_info.pm_timer.space != 1 || !acpi_info.pm_timer.address || acpi_info.pm_timer.address > 0xfffc)
		return false;
	start = read_counter() & mask;
	for (unsigned i = 0; i < 10000 && !counts; i++)
		counts = (read_counter() & mask) != start;
	if (!counts)
		return false;
	*t = (struct platform_timer){
		.name = "acpi", .read = read_counter, .mask = mask, .num = NSEC_PER_SEC, .den = PMTIMER_HZ
	};
	return true;
}
