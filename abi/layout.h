/* Checks of layouts, written beside each structure of the public interface. */
#ifndef ABI_LAYOUT_H
#define ABI_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define ABI_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define ABI_OFFSET(type, member, offset) \
	_Static_assert(offsetof(type, member) == (offset), "offset of " #type "." #member)

#endif
