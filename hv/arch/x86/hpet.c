/* High precision event timer as the machine's reference clock (IA-PC HPET specification 1.0a). Its comparators are not used. */
#include "asm/io.h"
#include "asm/paging.h"
#include "asm/time.h"
#include "hv/acpi.h"

#define HPET_CAPS 0x00
#define HPET_CONFIG 0x10
#define HPET_COUNTER 0xf0
#define HPET_SIZE 0x400

#define CONFIG_ENABLE 1u
#define CONFIG_LEGACY 2u
#define MAX_PERIOD_FS 100000000u /* 2.3.4: 100 ns at most */

static struct {
	volatile uint8_t *base;
} hpet;

static uint64_t read_counter(void)
{
	return mmio_read32(hpet.base + HPET_COUNTER);
}

/* Does it move within a bounded number of looks? */
static bool counts(void)
{
	uint64_t start = read_counter();

	for (unsigned i = 0; i < 10000; i++)
		if (read_counter() != start)
			return true;
	return false;
}

/*
 * See asm/time.h. 32-bit reads always: a 64-bit one is not atomic on every chipset, and the caller extends the
 * counter long before 2^32 ticks have passed.
 */
bool hpet_init(struct platform_timer *t)
{
	uint32_t period, config;

	if (!acpi_info.hpet_address)
		return false;
	hpet.base = arch_iomap(acpi_info.hpet_address, HPET_SIZE);
	period = mmio_read32(hpet.base + HPET_CAPS + 4);
	if (mmio_read32(hpet.base + HPET_CAPS) == 0xffffffff || !period || period > MAX_PERIOD_FS)
		return false;
	config = mmio_read32(hpet.base + HPET_CONFIG);
	mmio_write32(hpet.base + HPET_CONFIG, (config & ~CONFIG_LEGACY) | CONFIG_ENABLE);
	if (!counts())
		return false;
	*t = (struct platform_timer){
		.name = "hpet", .read = read_counter, .mask = 0xffffffff, .num = period, .den = 1000000
	};
	return true;
}
