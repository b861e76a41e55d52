/* See unpack.h. The decoders are the distribution's libraries; each is given our allocator. */
#define ZSTD_STATIC_LINKING_ONLY
#include "guest/unpack.h"

#include <bzlib.h>
#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define LZ4_LEGACY_MAGIC 0x184C2102u
#define LZ4_LEGACY_BLOCK (8UL << 20) /* what a block unpacks to at most */

/* Memory that only grows: the process that uses it ends soon. */
struct arena {
	uint8_t *base;
	size_t size, used;
	bool failed;
};

static void *arena_get(struct arena *a, size_t size)
{
	uint8_t *p = a->base + a->used;

	if (size > a->size - a->used) {
		a->failed = true;
		return NULL;
	}
	size = (size + 15) & ~15UL;
	a->used += size > a->size - a->used ? a->size - a->used : size;
	return p;
}

static void *get_lzma(void *a, size_t nr, size_t size)
{
	return arena_get(a, nr * size);
}

static void put_lzma(void *a, void *p)
{
	(void)a;
	(void)p;
}

static voidpf get_zlib(voidpf a, uInt nr, uInt size)
{
	return arena_get(a, (size_t)nr * size);
}

static void put_zlib(voidpf a, voidpf p)
{
	(void)a;
	(void)p;
}

static void *get_bzip2(void *a, int nr, int size)
{
	return arena_get(a, (size_t)nr * (size_t)size);
}

static void *get_zstd(void *a, size_t size)
{
	return arena_get(a, size);
}

static unsigned clamp(size_t n)
{
	return n > INT_MAX ? INT_MAX : (unsigned)n;
}

static enum unpack_status unpack_lzma(const uint8_t *src, size_t size, bool alone, const struct unpack_room *r,
				      struct arena *a, size_t *len)
{
	lzma_allocator mem = { get_lzma, put_lzma, a };
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret rc;

	s.allocator = &mem;
	rc = alone ? lzma_alone_decoder(&s, r->arena_size) : lzma_stream_decoder(&s, r->arena_size, 0);
	s.next_in = src;
	s.avail_in = size;
	s.next_out = r->out;
	s.avail_out = r->out_size;
	while (rc == LZMA_OK) {
		size_t before = s.avail_out + s.avail_in;

		rc = lzma_code(&s, LZMA_RUN);
		if (rc == LZMA_OK && before == s.avail_out + s.avail_in)
			break;
	}
	*len = r->out_size - s.avail_out;
	if (rc == LZMA_STREAM_END)
		return UNPACK_OK;
	if (rc == LZMA_MEM_ERROR || rc == LZMA_MEMLIMIT_ERROR)
		return UNPACK_MEMORY;
	return (rc == LZMA_OK || rc == LZMA_BUF_ERROR) && !s.avail_out ? UNPACK_TOO_LARGE : UNPACK_DAMAGED;
}

static enum unpack_status unpack_gzip(const uint8_t *src, size_t size, const struct unpack_room *r, struct arena *a,
				      size_t *len)
{
	z_stream s = { .zalloc = get_zlib, .zfree = put_zlib, .opaque = a };
	size_t in = 0, out = 0;
	int rc = inflateInit2(&s, 15 + 16);

	while (rc == Z_OK) {
		unsigned room = clamp(r->out_size - out), avail = clamp(size - in);

		s.next_in = (Bytef *)src + in;
		s.avail_in = avail;
		s.next_out = r->out + out;
		s.avail_out = room;
		rc = inflate(&s, Z_NO_FLUSH);
		in += avail - s.avail_in;
		out += room - s.avail_out;
		if (avail == s.avail_in && room == s.avail_out)
			break;
	}
	*len = out;
	if (rc == Z_STREAM_END)
		return UNPACK_OK;
	if (rc == Z_MEM_ERROR)
		return UNPACK_MEMORY;
	return (rc == Z_OK || rc == Z_BUF_ERROR) && out == r->out_size ? UNPACK_TOO_LARGE : UNPACK_DAMAGED;
}

static enum unpack_status unpack_bzip2(const uint8_t *src, size_t size, const struct unpack_room *r, struct arena *a,
				       size_t *len)
{
	bz_stream s = { .bzalloc = get_bzip2, .bzfree = put_lzma, .opaque = a };
	size_t in = 0, out = 0;
	int rc = BZ2_bzDecompressInit(&s, 0, 0);

	while (rc == BZ_OK) {
		unsigned room = clamp(r->out_size - out), avail = clamp(size - in);

		s.next_in = (char *)src + in;
		s.avail_in = avail;
		s.next_out = (char *)r->out + out;
		s.avail_out = room;
		rc = BZ2_bzDecompress(&s);
		in += avail - s.avail_in;
		out += room - s.avail_out;
		if (avail == s.avail_in && room == s.avail_out)
			break;
	}
	*len = out;
	if (rc == BZ_STREAM_END)
		return UNPACK_OK;
	if (rc == BZ_MEM_ERROR)
		return UNPACK_MEMORY;
	return rc == BZ_OK && out == r->out_size ? UNPACK_TOO_LARGE : UNPACK_DAMAGED;
}

/* One frame; what follows it (the kernel's build appends the unpacked size) is left alone. */
static enum unpack_status unpack_zstd(const uint8_t *src, size_t size, const struct unpack_room *r, struct arena *a,
				      size_t *len)
{
	ZSTD_customMem mem = { get_zstd, put_lzma, a };
	ZSTD_DCtx *ctx = ZSTD_createDCtx_advanced(mem);
	size_t frame = ZSTD_findFrameCompressedSize(src, size);

	if (!ctx)
		return UNPACK_MEMORY;
	if (ZSTD_isError(frame))
		return UNPACK_DAMAGED;
	*len = ZSTD_decompressDCtx(ctx, r->out, r->out_size, src, frame);
	if (!ZSTD_isError(*len))
		return UNPACK_OK;
	switch (ZSTD_getErrorCode(*len)) {
	case ZSTD_error_dstSize_tooSmall:
		return UNPACK_TOO_LARGE;
	case ZSTD_error_memory_allocation:
		return UNPACK_MEMORY;
	default:
		return UNPACK_DAMAGED;
	}
}

/* Legacy frames, as the kernel's build makes them: blocks, each behind its compressed size. */
static enum unpack_status unpack_lz4(const uint8_t *src, size_t size, const struct unpack_room *r, size_t *len)
{
	size_t at = 4, out = 0;

	while (size - at >= 4) {
		size_t room = r->out_size - out < LZ4_LEGACY_BLOCK ? r->out_size - out : LZ4_LEGACY_BLOCK;
		uint32_t n;
		int got;

		memcpy(&n, src + at, 4);
		if (n == LZ4_LEGACY_MAGIC) { /* a second frame follows */
			at += 4;
			continue;
		}
		/* The kernel's build appends the unpacked size as a last word: no block can follow it. */
		if (at + 4 == size)
			break;
		if (n > size - at - 4 || n > INT_MAX)
			return UNPACK_DAMAGED;
		got = LZ4_decompress_safe((const char *)src + at + 4, (char *)r->out + out, (int)n, (int)room);
		if (got < 0)
			return room < LZ4_LEGACY_BLOCK ? UNPACK_TOO_LARGE : UNPACK_DAMAGED;
		out += (size_t)got;
		at += 4 + n;
	}
	*len = out;
	return out ? UNPACK_OK : UNPACK_DAMAGED;
}

/* See unpack.h. */
const char *unpack_format(const uint8_t *src)
{
	static const struct {
		const char *name;
		unsigned len;
		uint8_t magic[6];
	} formats[] = {
		{ "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
		{ "gzip", 2, { 0x1f, 0x8b } },
		{ "bzip2", 3, { 'B', 'Z', 'h' } },
		{ "lz4", 4, { 0x02, 0x21, 0x4c, 0x18 } },
		{ "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd } },
		{ "lzma", 3, { 0x5d, 0, 0 } },
	};

	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (memcmp(src, formats[i].magic, formats[i].len) == 0)
			return formats[i].name;
	return NULL;
}

/* See unpack.h. */
enum unpack_status unpack(const uint8_t *src, size_t size, const struct unpack_room *room, size_t *len)
{
	struct arena a = { room->arena, room->arena_size, 0, false };
	const char *format = unpack_format(src);
	enum unpack_status rc;

	*len = 0;
	if (!format)
		return UNPACK_UNKNOWN;
	if (format[0] == 'x')
		rc = unpack_lzma(src, size, false, room, &a, len);
	else if (format[0] == 'g')
		rc = unpack_gzip(src, size, room, &a, len);
	else if (format[0] == 'b')
		rc = unpack_bzip2(src, size, room, &a, len);
	else if (format[0] == 'z')
		rc = unpack_zstd(src, size, room, &a, len);
	else if (strcmp(format, "lz4") == 0)
		rc = unpack_lz4(src, size, room, len);
	else
		rc = unpack_lzma(src, size, true, room, &a, len);
	return rc == UNPACK_DAMAGED && a.failed ? UNPACK_MEMORY : rc;
}
