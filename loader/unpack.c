/* Unpack by magic number, streaming into elf_write(). The decoders are the distribution's static libraries. */
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "loader.h"

#define CHUNK (1UL << 20)
#define LZ4_LEGACY_MAGIC 0x184C2102u
#define LZ4_LEGACY_BLOCK (8UL << 20)

static void *need(size_t size)
{
	void *p = malloc(size);

	if (!p)
		fail("loader: out of scratch memory while unpacking");
	return p;
}

static void unpack_lzma(const uint8_t *src, size_t size, bool alone)
{
	lzma_stream s = LZMA_STREAM_INIT;
	uint8_t *out = need(CHUNK);
	lzma_ret rc = alone ? lzma_alone_decoder(&s, UINT64_MAX) : lzma_stream_decoder(&s, UINT64_MAX, 0);

	s.next_in = src;
	s.avail_in = size;
	while (rc == LZMA_OK) {
		s.next_out = out;
		s.avail_out = CHUNK;
		rc = lzma_code(&s, LZMA_RUN);
		elf_write(out, CHUNK - s.avail_out);
		if (rc == LZMA_OK && !s.avail_in && s.avail_out == CHUNK)
			rc = LZMA_BUF_ERROR;
	}
	if (rc == LZMA_MEM_ERROR)
		fail("kernel: xz: its dictionary needs more scratch memory than there is");
	if (rc != LZMA_STREAM_END)
		fail("kernel: xz: compressed data is damaged");
}

static void unpack_gzip(const uint8_t *src, size_t size)
{
	z_stream s = { 0 };
	uint8_t *out = need(CHUNK);
	int rc = inflateInit2(&s, 15 + 16);

	s.next_in = (Bytef *)src;
	s.avail_in = (uInt)size;
	while (rc == Z_OK) {
		s.next_out = out;
		s.avail_out = CHUNK;
		rc = inflate(&s, Z_NO_FLUSH);
		elf_write(out, CHUNK - s.avail_out);
	}
	if (rc != Z_STREAM_END)
		fail("kernel: gzip: compressed data is damaged");
}

static void unpack_zstd(const uint8_t *src, size_t size)
{
	ZSTD_DStream *s = ZSTD_createDStream();
	ZSTD_inBuffer in = { src, size, 0 };
	uint8_t *out = need(CHUNK);
	size_t rc;

	if (!s)
		fail("loader: out of scratch memory while unpacking");
	do {
		ZSTD_outBuffer o = { out, CHUNK, 0 };
		size_t before = in.pos;

		rc = ZSTD_decompressStream(s, &o, &in);
		if (ZSTD_isError(rc) || (rc && in.pos == before && !o.pos))
			fail("kernel: zstd: compressed data is damaged or its window is too large");
		elf_write(out, o.pos);
	} while (rc);
}

/* LZ4 legacy frames, as the kernel's build makes them: blocks of 8 MiB, each behind its compressed size. */
static void unpack_lz4(const uint8_t *src, size_t size)
{
	uint8_t *out = need(LZ4_LEGACY_BLOCK);
	size_t at = 4;

	while (size - at >= 4) {
		uint32_t n;
		int got;

		memcpy(&n, src + at, 4);
		if (n == LZ4_LEGACY_MAGIC) { /* a second frame follows */
			at += 4;
			continue;
		}
		/* The kernel's build appends the unpacked size as a last word: no block can follow it. */
		if (at + 4 == size)
			return;
		if (n > size - at - 4)
			fail("kernel: lz4: block lies outside the payload: truncated?");
		got = LZ4_decompress_safe((const char *)src + at + 4, (char *)out, (int)n, LZ4_LEGACY_BLOCK);
		if (got < 0)
			fail("kernel: lz4: compressed data is damaged");
		elf_write(out, (size_t)got);
		at += 4 + n;
	}
}

void unpack(const uint8_t *src, size_t size)
{
	uint32_t magic;

	if (size < 8)
		fail("kernel: file is too short");
	memcpy(&magic, src, 4);
	if (memcmp(src,
		   "\xfd"
		   "7zXZ",
		   6) == 0)
		unpack_lzma(src, size, false);
	else if (src[0] == 0x1f && src[1] == 0x8b)
		unpack_gzip(src, size);
	else if (magic == LZ4_LEGACY_MAGIC)
		unpack_lz4(src, size);
	else if (magic == ZSTD_MAGICNUMBER)
		unpack_zstd(src, size);
	else if (memcmp(src, "\x5d\0\0", 3) == 0)
		unpack_lzma(src, size, true);
	else if (memcmp(src,
			"\x7f"
			"ELF",
			4) == 0)
		elf_write(src, size);
	else
		fail("kernel: neither ELF nor packed by xz, lzma, gzip, lz4 or zstd");
}
