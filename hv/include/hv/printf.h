/* The formatter behind vsnprintf() and printk(), under a name of its own so the host can test it. hv/lib/printf_core.c. */
#ifndef HV_PRINTF_H
#define HV_PRINTF_H

#include <stdarg.h>

#include "hv/types.h"

/*
 * C's vsnprintf for %d %i %u %x %X %c %s %p %% with flags 0 - #, width, precision, both as *, sizes hh h l ll z.
 * An unknown conversion is shown as written. Returns the length the whole text has.
 */
int hv_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) printf_like(3, 0);
int hv_snprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);

#endif
