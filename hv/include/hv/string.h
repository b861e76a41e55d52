/* The parts of <string.h> and <stdio.h> the hypervisor uses; hv/lib implements them, on the host libc does. */
#ifndef HV_STRING_H
#define HV_STRING_H

#include <stdarg.h>

#include "hv/types.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *hay, const char *needle);

int snprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) printf_like(3, 0);

/* Copy @src into @dst of @size bytes, always terminated; false if it had to be cut. In hv/lib/strcopy.c. */
bool str_copy(char *dst, const char *src, size_t size);

#endif
