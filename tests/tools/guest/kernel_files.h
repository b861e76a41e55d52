/* Makes kernel files for tests: a small ELF image with the PVH note, packed in all ways, alone and as the payload of a bzImage. */
#ifndef KERNEL_FILES_H
#define KERNEL_FILES_H

#include <bzlib.h>
#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define KERNEL_BASE 0x1000000u
#define KERNEL_ENTRY (KERNEL_BASE + 0x40)

struct bytes {
	uint8_t *p;
	size_t len;
};

/* A kernel of @text bytes at 16 MiB, of which @zeroes more follow in the file and a page of bss in memory. */
static struct bytes kernel_elf(size_t text, size_t zeroes)
{
	struct bytes b = { calloc(1, 4096 + text + zeroes), 4096 + text + zeroes };
	Elf64_Ehdr *eh = (Elf64_Ehdr *)b.p;
	Elf64_Phdr *ph = (Elf64_Phdr *)(b.p + sizeof(*eh));
	uint32_t *note = (uint32_t *)(b.p + 1024);
	uint32_t seed = 1;

	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_type = ET_EXEC;
	eh->e_machine = EM_X86_64;
	eh->e_phoff = sizeof(*eh);
	eh->e_phentsize = sizeof(*ph);
	eh->e_phnum = 2;
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
			      .p_offset = 4096,
			      .p_paddr = KERNEL_BASE,
			      .p_filesz = text + zeroes,
			      .p_memsz = text + zeroes + 4096 };
	ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 1024, .p_filesz = 20 };
	note[0] = 4;
	note[1] = 4;
	note[2] = 18; /* XEN_ELFNOTE_PHYS32_ENTRY */
	memcpy(&note[3], "Xen", 4);
	note[4] = KERNEL_ENTRY;
	for (size_t i = 0; i < text; i++) {
		seed = seed * 1103515245 + 12345;
		b.p[4096 + i] = i % 16 < 12 ? (uint8_t)i | 1 : (uint8_t)(seed >> 16) | 1;
	}
	return b;
}

static struct bytes pack(const char *format, struct bytes in)
{
	size_t room = in.len + in.len / 2 + (1 << 16);
	struct bytes out = { calloc(1, room), 0 };

	if (strcmp(format, "gzip") == 0) {
		z_stream s = { 0 };

		deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
		s.next_in = in.p;
		s.avail_in = (uInt)in.len;
		s.next_out = out.p;
		s.avail_out = (uInt)room;
		deflate(&s, Z_FINISH);
		out.len = room - s.avail_out;
		deflateEnd(&s);
	} else if (strcmp(format, "bzip2") == 0) {
		unsigned len = (unsigned)room;

		BZ2_bzBuffToBuffCompress((char *)out.p, &len, (char *)in.p, (unsigned)in.len, 1, 0, 0);
		out.len = len;
	} else if (strcmp(format, "xz") == 0) {
		lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, in.p, in.len, out.p, &out.len, room);
	} else if (strcmp(format, "lzma") == 0) {
		lzma_stream s = LZMA_STREAM_INIT;
		lzma_options_lzma o;

		lzma_lzma_preset(&o, 1);
		(void)!lzma_alone_encoder(&s, &o);
		s.next_in = in.p;
		s.avail_in = in.len;
		s.next_out = out.p;
		s.avail_out = room;
		(void)!lzma_code(&s, LZMA_FINISH);
		out.len = room - s.avail_out;
		lzma_end(&s);
	} else if (strcmp(format, "zstd") == 0) {
		out.len = ZSTD_compress(out.p, room, in.p, in.len, 1);
	} else { /* lz4 */
		uint32_t magic = 0x184C2102, n;

		memcpy(out.p, &magic, 4);
		out.len = 4;
		for (size_t at = 0; at < in.len; at += 8 << 20) {
			int part = (int)(in.len - at < 8 << 20 ? in.len - at : 8 << 20);

			n = (uint32_t)LZ4_compress_default((char *)in.p + at, (char *)out.p + out.len + 4, part,
							   (int)(room - out.len - 4));
			memcpy(out.p + out.len, &n, 4);
			out.len += 4 + n;
		}
	}
	return out;
}

/* A bzImage around @payload, behind which the unpacked size follows as the kernel's build appends it. */
static struct bytes bzimage(struct bytes payload, uint32_t unpacked)
{
	const unsigned sects = 3, offset = 64;
	struct bytes b = { NULL, (sects + 1) * 512 + offset + payload.len + 4 + 100 };
	uint32_t len = (uint32_t)payload.len + 4;
	uint16_t version = 0x20f;

	b.p = calloc(1, b.len);
	b.p[0x1f1] = sects;
	memcpy(b.p + 0x202, "HdrS", 4);
	memcpy(b.p + 0x206, &version, 2);
	memcpy(b.p + 0x248, &offset, 4);
	memcpy(b.p + 0x24c, &len, 4);
	memcpy(b.p + (sects + 1) * 512 + offset, payload.p, payload.len);
	memcpy(b.p + (sects + 1) * 512 + offset + payload.len, &unpacked, 4);
	return b;
}

#endif
