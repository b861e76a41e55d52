/* Kernel files: bzImage headers, every decoder, ELF headers and what is cut off an image. No input may do more than be refused. */
#include <stdlib.h>
#include <string.h>

#include "guest/bzimage.h"
#include "guest/image.h"
#include "guest/unpack.h"
#include "hv/launch/elf.h"

#define ROOM (1u << 20)
#define ARENA (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void image(const uint8_t *data, size_t size)
{
	struct elf_image e;
	struct elf_segment s;
	uint8_t *copy;
	uint64_t left;
	unsigned i = 0, sum = 0;

	if (elf_parse(&e, data, size))
		return;
	copy = malloc(size);
	memcpy(copy, data, size);
	left = image_trim(copy, size);
	if (left > size)
		abort();
	if (elf_parse(&e, copy, left) == NULL)
		while (elf_next_load(&e, &i, &s))
			for (uint64_t at = 0; at < s.filesz; at++)
				sum += s.data[at];
	free(copy);
	(void)sum;
}

/* The first byte may choose a format, so that decoders are reached often: what follows then comes behind its magic. */
static size_t with_magic(uint8_t *to, const uint8_t *data, size_t size)
{
	static const struct {
		unsigned len;
		uint8_t magic[16];
	} fronts[] = {
		{ 12, { 0xfd, '7', 'z', 'X', 'Z', 0, 0, 1, 0x69, 0x22, 0xde, 0x36 } },
		{ 10, { 0x1f, 0x8b, 8 } },
		{ 10, { 'B', 'Z', 'h', '1', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59 } },
		{ 4, { 2, 0x21, 0x4c, 0x18 } },
		{ 4, { 0x28, 0xb5, 0x2f, 0xfd } },
		{ 14, { 0x5d, 0, 0, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0 } },
	};

	memcpy(to, fronts[data[0]].magic, fronts[data[0]].len);
	memcpy(to + fronts[data[0]].len, data + 1, size - 1);
	return fronts[data[0]].len + size - 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct unpack_room room;
	static uint8_t copy[8192];
	uint64_t start = 0, len = size;
	size_t out;

	if (!room.out)
		room = (struct unpack_room){ malloc(ROOM), ROOM, malloc(ARENA), ARENA };
	if (size > 8 && size < 4096 && data[0] < 6) {
		len = with_magic(copy, data, size);
		if (unpack(copy, len, &room, &out) == UNPACK_OK)
			image(room.out, out);
		return 0;
	}
	image(data, size);
	if (bzimage_is(data, size)) {
		if (bzimage_payload(data, size, &start, &len))
			return 0;
		if (start + len > size)
			abort();
	}
	if (len >= 8 && unpack(data + start, len, &room, &out) == UNPACK_OK)
		image(room.out, out);
	return 0;
}
