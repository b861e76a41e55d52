/* Names of virtual block devices and their numbers: the scheme of xen-vbd-interface(7). */
#include "domain/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define XVD_MAJOR 202u
#define EXTENDED (1u << 28)

/* A decimal number without leading zeros that ends the string or stops at @stop; -1: none. */
static long number(const char **s, char stop)
{
	long n = 0;
	const char *p = *s;

	if (!isdigit((unsigned char)*p) || (*p == '0' && isdigit((unsigned char)p[1])))
		return -1;
	for (; isdigit((unsigned char)*p); p++) {
		n = n * 10 + (*p - '0');
		if (n > (1 << 20))
			return -1;
	}
	if (*p && *p != stop)
		return -1;
	*s = p;
	return n;
}

/* The letters "a", "b", ... "z", "aa", ...: 0, 1, ... 25, 26, ...; -1: none, or too many. */
static long letters(const char **s)
{
	long n = 0;

	if (!islower((unsigned char)**s))
		return -1;
	for (; islower((unsigned char)**s); (*s)++) {
		n = n * 26 + (**s - 'a' + 1);
		if (n > (1 << 20))
			return -1;
	}
	return n - 1;
}

/* An optional partition number at the end of the name; -1: not that. */
static long partition(const char *s)
{
	long n;

	if (!*s)
		return 0;
	n = number(&s, 0);
	return n < 1 ? -1 : n;
}

static int xvd(long disk, long part)
{
	if (disk < 0 || part < 0 || disk >= 1 << 20 || part > 255)
		return -1;
	if (disk < 16 && part < 16)
		return (int)(XVD_MAJOR << 8 | (unsigned)disk << 4 | (unsigned)part);
	return (int)(EXTENDED | (unsigned)disk << 8 | (unsigned)part);
}

int disk_vdev_number(const char *vdev)
{
	const char *s = vdev;
	long disk, part;

	if (!vdev)
		return -1;
	if (*s == 'd' && isdigit((unsigned char)s[1])) {
		s++;
		disk = number(&s, 'p');
		part = *s == 'p' ? (s++, number(&s, 0)) : 0;
		return xvd(disk, part);
	}
	if (isdigit((unsigned char)*s)) {
		char *end;
		unsigned long n = strtoul(s, &end, 0);

		return *end || n >= 1ul << 29 ? -1 : (int)n;
	}
	if (strncmp(s, "xvd", 3) == 0) {
		s += 3;
		disk = letters(&s);
		return xvd(disk, partition(s));
	}
	if (strncmp(s, "hd", 2) == 0 || strncmp(s, "sd", 2) == 0) {
		bool ide = *s == 'h';

		s += 2;
		disk = letters(&s);
		part = partition(s);
		if (disk < 0 || part < 0)
			return -1;
		if (ide)
			return disk > 3 || part > 63 ? -1 : (int)((disk < 2 ? 3 : 22) << 8 | (disk & 1) << 6 | part);
		return disk > 15 || part > 15 ? -1 : (int)(8 << 8 | disk << 4 | part);
	}
	return -1;
}
