/* The compressed kernel inside a bzImage (Linux's x86 boot protocol, "The Real-Mode Kernel Header"). Pure: bounds-checked reading only. */
#ifndef GUEST_BZIMAGE_H
#define GUEST_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes from the start of a file that bzimage_is() and bzimage_payload() look at. */
#define BZIMAGE_HEAD 0x260u

bool bzimage_is(const uint8_t *head, size_t len);
/*
 * Where the payload lies in a file of @size bytes that begins with @head (BZIMAGE_HEAD bytes). NULL, or one sentence saying what is wrong.
 */
const char *bzimage_payload(const uint8_t *head, uint64_t size, uint64_t *start, uint64_t *len);

#endif
