#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

static void *no_memory(void)
{
	static const char text[] = "out of memory\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	return p ? p : no_memory();
}

void *xcalloc(size_t nr, size_t size)
{
	void *p = calloc(nr ? nr : 1, size ? size : 1);

	return p ? p : no_memory();
}

void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	return p ? p : no_memory();
}

char *xstrdup(const char *s)
{
	char *p = strdup(s);

	return p ? p : no_memory();
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? no_memory() : s;
}

/* Room for @len more bytes and a NUL. */
static void reserve(struct text *t, size_t len)
{
	size_t size = t->size ? t->size : 64;

	if (len >= SIZE_MAX / 4 - t->len)
		no_memory();
	while (size < t->len + len + 1)
		size *= 2;
	if (size != t->size)
		t->s = xrealloc(t->s, size);
	t->size = size;
}

void text_add_bytes(struct text *t, const void *bytes, size_t len)
{
	reserve(t, len);
	if (len)
		memcpy(t->s + t->len, bytes, len);
	t->len += len;
	t->s[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	reserve(t, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(t->s + t->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

void text_add_json(struct text *t, const char *json, size_t len)
{
	const unsigned char *s = (const unsigned char *)json;
	size_t from = 0, at = 0, n;

	while (at < len) {
		n = s[at] < 0x80 ? 1 : utf8_length(s + at, len - at);
		at += n;
		if (n)
			continue;
		text_add_bytes(t, json + from, at - from);
		text_add(t, "\\ufffd");
		from = ++at;
	}
	text_add_bytes(t, json + from, at - from);
}

void text_free(struct text *t)
{
	free(t->s);
	*t = (struct text){ 0 };
}

int text_read_file(struct text *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	reserve(t, 0);
	t->s[t->len] = '\0';
	do {
		reserve(t, 4096);
		n = read(fd, t->s + t->len, 4096);
		if (n < 0 && errno != EINTR)
			rc = -errno;
		if (n > 0)
			t->len += (size_t)n;
		t->s[t->len] = '\0';
	} while (n > 0 || (n < 0 && !rc));
	close(fd);
	return rc;
}
