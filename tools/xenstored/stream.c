#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDENT "xenstore"
#define FLAG_BIG_ENDIAN 1u
#define RECORD_MAX (1u << 28) /* what a client may have waiting is less */

static uint32_t from_big32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool host_is_big(void)
{
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
}

void stream_put(struct stream_out *s, const void *p, size_t len)
{
	if (s->failed || !len)
		return;
	if (s->size - s->len < len) {
		size_t size = s->size ? s->size * 2 : 65536;
		char *to;

		while (size - s->len < len)
			size *= 2;
		to = realloc(s->p, size);
		if (!to) {
			s->failed = true;
			return;
		}
		s->p = to;
		s->size = size;
	}
	memcpy(s->p + s->len, p, len);
	s->len += len;
}

void stream_put16(struct stream_out *s, uint16_t v)
{
	stream_put(s, &v, sizeof(v));
}

void stream_put32(struct stream_out *s, uint32_t v)
{
	stream_put(s, &v, sizeof(v));
}

void stream_put64(struct stream_out *s, uint64_t v)
{
	stream_put(s, &v, sizeof(v));
}

void stream_start(struct stream_out *s, unsigned version)
{
	const unsigned char rest[8] = { 0, 0, 0, (unsigned char)version, 0, 0, 0, host_is_big() ? FLAG_BIG_ENDIAN : 0 };

	*s = (struct stream_out){ .p = NULL };
	stream_put(s, IDENT, 8);
	stream_put(s, rest, sizeof(rest));
}

void stream_begin(struct stream_out *s, enum stream_type type)
{
	s->record = s->len;
	stream_put32(s, type);
	stream_put32(s, 0);
}

/* The padding is counted in the length: the classic daemon writes and expects it so, whatever its document says. */
void stream_commit(struct stream_out *s)
{
	static const char zeros[8];
	uint32_t len;

	stream_put(s, zeros, -(s->len - s->record) & 7);
	if (s->failed)
		return;
	len = (uint32_t)(s->len - s->record - 8);
	memcpy(s->p + s->record + 4, &len, sizeof(len));
}

int stream_open(struct stream_in *s, const void *p, size_t len, unsigned *version)
{
	const unsigned char *h = p;
	uint32_t flags;

	*s = (struct stream_in){ .p = p, .len = len };
	if (len < 16 || memcmp(h, IDENT, 8))
		return EINVAL;
	*version = from_big32(h + 8);
	flags = from_big32(h + 12);
	if ((*version != 1 && *version != 2) || (flags & ~FLAG_BIG_ENDIAN))
		return EINVAL;
	s->swap = (flags & FLAG_BIG_ENDIAN) != (host_is_big() ? FLAG_BIG_ENDIAN : 0);
	s->p += 16;
	s->len -= 16;
	return 0;
}

const void *stream_get(struct stream_in *s, size_t len)
{
	const char *p = s->p;

	if (s->bad || len > s->len) {
		s->bad = true;
		return NULL;
	}
	s->p += len;
	s->len -= len;
	return p;
}

/* A number of @len bytes in the byte order of the stream. */
static uint64_t get_number(struct stream_in *s, size_t len)
{
	const unsigned char *p = stream_get(s, len);
	bool big = host_is_big() != s->swap;
	uint64_t v = 0;

	for (size_t i = 0; p && i < len; i++)
		v |= (uint64_t)p[i] << 8 * (big ? len - 1 - i : i);
	return v;
}

uint16_t stream_get16(struct stream_in *s)
{
	return (uint16_t)get_number(s, 2);
}

uint32_t stream_get32(struct stream_in *s)
{
	return (uint32_t)get_number(s, 4);
}

uint64_t stream_get64(struct stream_in *s)
{
	return get_number(s, 8);
}

const char *stream_string(struct stream_in *s, size_t len)
{
	const char *p = stream_get(s, len);

	if (p && len && memchr(p, '\0', len) == p + len - 1)
		return p;
	s->bad = true;
	return NULL;
}

bool stream_next(struct stream_in *s, uint32_t *type, struct stream_in *body)
{
	uint32_t len;
	const char *p;

	*type = stream_get32(s);
	len = stream_get32(s);
	if (s->bad || len > RECORD_MAX) {
		s->bad = true;
		return false;
	}
	p = stream_get(s, ((size_t)len + 7) & ~(size_t)7);
	if (!p)
		return false;
	*body = (struct stream_in){ .p = p, .len = len, .swap = s->swap };
	return *type != STREAM_END;
}
