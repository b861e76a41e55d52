/* Calendar arithmetic (proleptic Gregorian, UTC). hv/lib/date.c; pure. */
#ifndef HV_DATE_H
#define HV_DATE_H

#include "hv/types.h"

struct date {
	unsigned year, month, day; /* month and day from 1 */
	unsigned hour, minute, second;
};

/* Seconds since 1970 of a valid date not before it. */
uint64_t date_to_seconds(const struct date *d);
struct date date_from_seconds(uint64_t sec);
/* Fields within their ranges and the year 1970..9999? */
bool date_valid(const struct date *d);

#endif
