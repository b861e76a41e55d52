#include "hv/printf.h"

#include "hv/string.h"

struct out {
	char *buf;
	size_t size, len; /* len counts what did not fit, too */
};

struct spec {
	bool zero, left, alternate;
	int width, precision; /* precision -1: none */
	int size;	      /* -2 hh, -1 h, 0 int, 1 long and wider */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void fill(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text)
{
	size_t len = s->precision < 0 ? strlen(text) : strnlen(text, (size_t)s->precision);

	if (!s->left)
		fill(o, ' ', s->width - (int)len);
	for (size_t i = 0; i < len; i++)
		put(o, text[i]);
	if (s->left)
		fill(o, ' ', s->width - (int)len);
}

static void put_number(struct out *o, const struct spec *s, uint64_t val, unsigned base, const char *prefix, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char tmp[24];
	int n = 0, zeros, total;

	while (val) {
		tmp[n++] = digits[val % base];
		val /= base;
	}
	zeros = (s->precision < 0 ? 1 : s->precision) - n;
	if (zeros < 0)
		zeros = 0;
	total = (int)strlen(prefix) + zeros + n;
	/* C: a precision cancels the 0 flag. */
	if (s->zero && !s->left && s->precision < 0 && s->width > total) {
		zeros += s->width - total;
		total = s->width;
	}
	if (!s->left)
		fill(o, ' ', s->width - total);
	while (*prefix)
		put(o, *prefix++);
	fill(o, '0', zeros);
	while (n)
		put(o, tmp[--n]);
	if (s->left)
		fill(o, ' ', s->width - total);
}

static const char *parse_count(const char *f, int *out)
{
	int n = 0;

	/* Bounded: a longer number than any sane field stays there. */
	for (; *f >= '0' && *f <= '9'; f++)
		if (n < 100000)
			n = n * 10 + (*f - '0');
	*out = n;
	return f;
}

/* va_list may be an array type: callees get it inside a structure. */
struct args {
	va_list ap;
};

static const char *parse_spec(const char *f, struct spec *s, struct args *a)
{
	*s = (struct spec){ .precision = -1 };
	for (; *f == '0' || *f == '-' || *f == '#'; f++) {
		if (*f == '0')
			s->zero = true;
		else if (*f == '-')
			s->left = true;
		else
			s->alternate = true;
	}
	if (*f == '*') {
		s->width = va_arg(a->ap, int);
		if (s->width < 0) {
			s->left = true;
			s->width = s->width == INT32_MIN ? 0 : -s->width;
		}
		f++;
	} else {
		f = parse_count(f, &s->width);
	}
	if (*f == '.') {
		f++;
		if (*f == '*') {
			s->precision = va_arg(a->ap, int);
			if (s->precision < 0)
				s->precision = -1;
			f++;
		} else {
			f = parse_count(f, &s->precision);
		}
	}
	if (*f == 'z') {
		s->size = 1;
		return f + 1;
	}
	for (; *f == 'l' && s->size < 2; f++)
		s->size++;
	for (; *f == 'h' && s->size <= 0 && s->size > -2; f++)
		s->size--;
	return f;
}

static int64_t arg_signed(const struct spec *s, struct args *a)
{
	int i;

	if (s->size > 0)
		return va_arg(a->ap, long);
	i = va_arg(a->ap, int);
	return s->size == -1 ? (int16_t)i : s->size == -2 ? (int8_t)i : i;
}

static uint64_t arg_unsigned(const struct spec *s, struct args *a)
{
	unsigned u;

	if (s->size > 0)
		return va_arg(a->ap, unsigned long);
	u = va_arg(a->ap, unsigned);
	return s->size == -1 ? (uint16_t)u : s->size == -2 ? (uint8_t)u : u;
}

static void convert(struct out *o, const struct spec *s, char conversion, struct args *a)
{
	char one[2] = "";
	const char *text;
	uint64_t u;
	int64_t i;

	switch (conversion) {
	case 'd':
	case 'i':
		i = arg_signed(s, a);
		put_number(o, s, i < 0 ? 0 - (uint64_t)i : (uint64_t)i, 10, i < 0 ? "-" : "", false);
		break;
	case 'u':
		put_number(o, s, arg_unsigned(s, a), 10, "", false);
		break;
	case 'x':
	case 'X':
		u = arg_unsigned(s, a);
		put_number(o, s, u, 16, !s->alternate || !u ? "" : conversion == 'X' ? "0X" : "0x", conversion == 'X');
		break;
	case 'p':
		put_number(o, s, (uintptr_t)va_arg(a->ap, void *), 16, "0x", false);
		break;
	case 'c':
		one[0] = (char)va_arg(a->ap, int);
		fill(o, ' ', s->left ? 0 : s->width - 1);
		put(o, one[0]);
		fill(o, ' ', s->left ? s->width - 1 : 0);
		break;
	case 's':
		text = va_arg(a->ap, const char *);
		put_text(o, s, text ? text : "(null)");
		break;
	default:
		put(o, '%');
		if (conversion != '%')
			put(o, conversion);
	}
}

/* See hv/printf.h. Pure; any context. */
int hv_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { buf, size, 0 };
	struct args a;
	struct spec s;

	va_copy(a.ap, ap);
	while (*fmt) {
		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &s, &a);
		if (!*fmt)
			break;
		convert(&o, &s, *fmt++, &a);
	}
	va_end(a.ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

/* As hv_vsnprintf. */
int hv_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = hv_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
