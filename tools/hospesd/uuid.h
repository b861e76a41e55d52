/* UUIDs as text. */
#ifndef HOSPESD_UUID_H
#define HOSPESD_UUID_H

#include <stdbool.h>
#include <stdint.h>

/* "12345678-1234-1234-1234-123456789abc" with its NUL. */
#define UUID_TEXT 37
void uuid_format(char out[UUID_TEXT], const uint8_t uuid[16]);
/* 32 digits of either case, dashes anywhere between them. False: it is none. */
bool uuid_parse(uint8_t uuid[16], const char *text);

#endif
