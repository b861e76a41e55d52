/* A string that grows. Out of memory ends the program: these are tools, and what they print is small. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

struct text {
	char *s; /* terminated once anything was added; NULL before */
	size_t len, size;
};

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const void *bytes, size_t len);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* JSON as json-c makes it, from strings with whatever bytes: those that are not UTF-8, which no reader need take, become U+FFFD. */
void text_add_json(struct text *t, const char *json, size_t len);
void text_free(struct text *t);
/* Read a whole file (a NUL follows); 0 or -errno. */
int text_read_file(struct text *t, const char *path);

/* malloc family that does not return NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t nr, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
