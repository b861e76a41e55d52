/* Collecting output, and how values look as text. */
#include "xenstore.h"

#include <ctype.h>
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static char *room(struct text *t, size_t len)
{
	if (t->size - t->len < len) {
		t->size = (t->size + len) * 2 + 256;
		t->data = realloc(t->data, t->size);
		if (!t->data)
			err(1, "out of memory");
	}
	return t->data + t->len;
}

void text_bytes(struct text *t, const void *data, size_t len)
{
	memcpy(room(t, len + 1), data, len);
	t->len += len;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;
	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	va_start(ap, fmt);
	vsnprintf(room(t, (size_t)n + 1), (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

void text_print(struct text *t)
{
	if (t->len && fwrite(t->data, 1, t->len, stdout) != t->len)
		err(1, "output");
	t->len = 0;
	if (fflush(stdout))
		err(1, "output");
}

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}

void text_escaped(struct text *t, const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];
		if (c == '\\')
			text_add(t, "\\\\");
		else if (c >= ' ' && c <= '~')
			text_bytes(t, &c, 1);
		else if (c == '\t')
			text_add(t, "\\t");
		else if (c == '\n')
			text_add(t, "\\n");
		else if (c == '\r')
			text_add(t, "\\r");
		else
			text_add(t, c < 8 ? "\\%03o" : "\\x%02x", c);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

size_t unescape(char *s)
{
	char *in = s, *out = s;
	unsigned value, n;
	while (*in) {
		if (*in != '\\') {
			*out++ = *in++;
			continue;
		}
		in++;
		value = 0;
		if (*in >= '0' && *in <= '7') {
			for (n = 0; n < 3 && *in >= '0' && *in <= '7'; n++)
				value = value * 8 + (unsigned)(*in++ - '0');
			/* Too large a number is the largest byte's, modulo: as C's own conversion does. */
			*out++ = (char)value;
		} else if (*in == 'x' && hex_digit(in[1]) >= 0) {
			in++;
			for (n = 0; n < 2 && hex_digit(*in) >= 0; n++)
				value = value * 16 + (unsigned)hex_digit(*in++);
			*out++ = (char)value;
		} else if (*in) {
			*out++ = *in == 't' ? '\t' : *in == 'n' ? '\n' : *in == 'r' ? '\r' : *in;
			in++;
		} else {
			*out++ = '\0'; /* a lone backslash at the end */
		}
	}
	return (size_t)(out - s);
}

void text_json(struct text *t, const char *value, size_t len)
{
	const unsigned char *s = (const unsigned char *)value;
	size_t n;
	text_bytes(t, "\"", 1);
	for (size_t i = 0; i < len; i += n) {
		n = s[i] < 0x80 ? 1 : utf8_length(s + i, len - i);
		if (s[i] == '"' || s[i] == '\\')
			text_add(t, "\\%c", s[i]);
		else if (n && s[i] >= ' ' && s[i] != 0x7f)
			text_bytes(t, s + i, n);
		else
			text_add(t, "\\u%04x", s[i]);
		n = n ? n : 1;
	}
	text_bytes(t, "\"", 1);
}
