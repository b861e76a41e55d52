/* C's names for the formatter; on the host libc has its own. */
#include "hv/printf.h"
#include "hv/string.h"

/* As in C, within what hv/printf.h lists. */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	return hv_vsnprintf(buf, size, fmt, ap);
}

/* As vsnprintf. */
int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = hv_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
