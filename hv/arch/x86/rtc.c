/* The CMOS real time clock (MC146818): read once at boot. */
#include "asm/cpu.h"
#include "asm/io.h"
#include "asm/time.h"
#include "hv/acpi.h"
#include "hv/date.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71

#define REG_A_UPDATING 0x80
#define REG_B_24H 0x02
#define REG_B_BINARY 0x04
#define HOUR_PM 0x80

struct raw_date {
	uint8_t second, minute, hour, day, month, year;
};

static uint8_t cmos(uint8_t reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}

static struct raw_date read_registers(void)
{
	/* An update takes 2 ms at most; a clock that never says it is done is read anyway. */
	for (unsigned i = 0; i < 100000 && (cmos(0x0a) & REG_A_UPDATING); i++)
		cpu_pause();
	return (struct raw_date){ cmos(0), cmos(2), cmos(4), cmos(7), cmos(8), cmos(9) };
}

static bool same(const struct raw_date *a, const struct raw_date *b)
{
	return a->second == b->second && a->minute == b->minute && a->hour == b->hour && a->day == b->day &&
	       a->month == b->month && a->year == b->year;
}

static unsigned decode(uint8_t raw, bool binary)
{
	return binary ? raw : (raw >> 4) * 10u + (raw & 15);
}

/* See asm/time.h. Two equal readings, so that none was torn by an update. */
uint64_t rtc_read(void)
{
	struct raw_date r, again;
	struct date d;
	uint8_t b;
	bool binary;

	if (acpi_info.no_cmos_rtc)
		return 0;
	r = read_registers();
	for (unsigned i = 0; i < 10; i++) {
		again = read_registers();
		if (same(&r, &again))
			break;
		r = again;
	}
	b = cmos(0x0b);
	binary = b & REG_B_BINARY;
	d.second = decode(r.second, binary);
	d.minute = decode(r.minute, binary);
	d.hour = decode(r.hour & (uint8_t)~HOUR_PM, binary);
	if (!(b & REG_B_24H))
		d.hour = d.hour % 12 + (r.hour & HOUR_PM ? 12 : 0);
	d.day = decode(r.day, binary);
	d.month = decode(r.month, binary);
	d.year = decode(r.year, binary);
	/* Two digits: this software is younger than 1970 + 100 years. */
	d.year += d.year < 70 ? 2000 : 1900;
	return date_valid(&d) ? date_to_seconds(&d) : 0;
}
