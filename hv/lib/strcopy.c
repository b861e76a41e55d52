#include "hv/string.h"

/* Copy @src into @dst of @size bytes, always terminated (size 0: nothing is written). False if it had to be cut. */
bool str_copy(char *dst, const char *src, size_t size)
{
	size_t n;

	if (!size)
		return false;
	n = strnlen(src, size);
	if (n < size) {
		memcpy(dst, src, n + 1);
		return true;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = '\0';
	return false;
}
