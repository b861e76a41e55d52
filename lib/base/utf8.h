/* Which bytes are UTF-8. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* Length of a well-formed sequence of two to four bytes at @s, where @left are; 0: it is none. */
size_t utf8_length(const unsigned char *s, size_t left);

#endif
