#include "guest/image.h"

#include <elf.h>
#include <string.h>

static uint64_t last_byte(const uint8_t *p, uint64_t len)
{
	while (len >= 64) {
		uint64_t any = 0, w;

		for (unsigned i = 8; i <= 64; i += 8) {
			memcpy(&w, p + len - i, sizeof(w));
			any |= w;
		}
		if (any)
			break;
		len -= 64;
	}
	while (len && !p[len - 1])
		len--;
	return len;
}

/*
 * Offsets are checked again, and the header is read once: in a hostile file headers may lie over each other, so that what is written here changes what is
 * read next. Whoever uses the image reads it anew with all checks.
 */
static uint64_t trim64(uint8_t *elf, uint64_t size)
{
	Elf64_Ehdr eh;
	uint64_t end;

	memcpy(&eh, elf, sizeof(eh));
	end = eh.e_phoff + (uint64_t)eh.e_phnum * eh.e_phentsize;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		uint8_t *at = elf + eh.e_phoff + (uint64_t)i * eh.e_phentsize;
		Elf64_Phdr ph;

		memcpy(&ph, at, sizeof(ph));
		if (ph.p_type != PT_LOAD && ph.p_type != PT_NOTE)
			continue;
		if (ph.p_offset > size || ph.p_filesz > size - ph.p_offset)
			return size;
		if (ph.p_type == PT_LOAD)
			ph.p_filesz = last_byte(elf + ph.p_offset, ph.p_filesz);
		if (ph.p_filesz == 0)
			ph.p_offset = 0;
		if (end < ph.p_offset + ph.p_filesz)
			end = ph.p_offset + ph.p_filesz;
		memcpy(at, &ph, sizeof(ph));
	}
	eh.e_shoff = 0;
	eh.e_shnum = eh.e_shstrndx = 0;
	memcpy(elf, &eh, sizeof(eh));
	return end > sizeof(eh) && end < size ? end : size;
}

/* See image.h. 32-bit kernels are rare and small: they stay as they are. */
uint64_t image_trim(uint8_t *elf, uint64_t size)
{
	return elf[EI_CLASS] == ELFCLASS64 ? trim64(elf, size) : size;
}
