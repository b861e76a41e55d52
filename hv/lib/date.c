#include "hv/date.h"

#define DAY 86400u
#define DAYS_400_YEARS 146097u

/*
 * Days from 0000-03-01: with March as the first month the leap day is the last of its year, so the days before
 * month m are a linear formula.
 */
static uint64_t days_from_march(uint64_t year, unsigned month, unsigned day)
{
	if (month <= 2) {
		year--;
		month += 12;
	}
	return year * 365 + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1;
}

/* See hv/date.h. */
uint64_t date_to_seconds(const struct date *d)
{
	uint64_t days = days_from_march(d->year, d->month, d->day) - days_from_march(1970, 1, 1);

	return days * DAY + d->hour * 3600u + d->minute * 60u + d->second;
}

/* See hv/date.h. */
struct date date_from_seconds(uint64_t sec)
{
	uint64_t days = sec / DAY + days_from_march(1970, 1, 1);
	unsigned rest = (unsigned)(sec % DAY), month;
	uint64_t era = days / DAYS_400_YEARS, in_era = days % DAYS_400_YEARS;
	uint64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = (unsigned)(in_era - (365 * year + year / 4 - year / 100));
	struct date d;

	month = (5 * in_year + 2) / 153;
	d.day = in_year - (153 * month + 2) / 5 + 1;
	d.month = month < 10 ? month + 3 : month - 9;
	d.year = (unsigned)(year + era * 400 + (d.month <= 2));
	d.hour = rest / 3600;
	d.minute = rest / 60 % 60;
	d.second = rest % 60;
	return d;
}

/* See hv/date.h. */
bool date_valid(const struct date *d)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;

	if (d->year < 1970 || d->year > 9999 || d->month < 1 || d->month > 12)
		return false;
	return d->day >= 1 && d->day <= days[d->month - 1] + (leap && d->month == 2 ? 1u : 0u) && d->hour < 24 &&
	       d->minute < 60 && d->second < 60;
}
