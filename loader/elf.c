/*
 * Place an ELF file that arrives as a stream: headers are collected first, then each byte of a loadable segment is
 * written straight to its physical address, each byte of a note segment is kept. Nothing is buffered twice, so a kernel
 * of any size fits beside a decompressor's dictionary.
 */
#include <elf.h>
#include <string.h>

#include "loader.h"

#define HEAD_MAX 8192
#define NOTES_MAX 65536
#define MAX_SEGMENTS 32
#define XEN_ELFNOTE_PHYS32_ENTRY 18

struct segment {
	uint64_t offset, file_size, mem_size, address;
	bool note;
};

static struct {
	const struct loader_info *info;
	uint64_t pos; /* bytes of the file seen */
	bool ready;   /* headers parsed */
	uint8_t head[HEAD_MAX];
	struct segment seg[MAX_SEGMENTS];
	unsigned nr_seg;
	uint8_t notes[NOTES_MAX];
	uint64_t nr_notes;
} elf;

void elf_begin(const struct loader_info *info)
{
	elf.info = info;
}

/* A segment must lie in RAM and clear of what the builder put there. */
static void check_place(const struct segment *s)
{
	uint64_t end = s->address + s->mem_size;

	if (s->mem_size < s->file_size || end < s->address || s->offset + s->file_size < s->offset)
		fail("kernel: ELF segment sizes make no sense");
	if (end > elf.info->ram_end)
		fail("kernel: does not fit into the domain's memory: give it more");
	for (unsigned i = 0; i < elf.info->nr_keep && i < LOADER_MAX_KEEP; i++)
		if (s->address < elf.info->keep[i].end && end > elf.info->keep[i].start)
			fail("kernel: collides with its initrd or start information: give the domain more memory");
}

static void add_segment(uint32_t type, uint64_t offset, uint64_t paddr, uint64_t file_size, uint64_t mem_size)
{
	struct segment *s = &elf.seg[elf.nr_seg];

	if (type != PT_LOAD && type != PT_NOTE)
		return;
	if (elf.nr_seg == MAX_SEGMENTS)
		fail("kernel: ELF has too many segments");
	*s = (struct segment){ offset, file_size, mem_size, paddr, type == PT_NOTE };
	if (s->note) {
		if (elf.nr_notes + file_size > NOTES_MAX)
			return; /* too large to be Xen's; others may still come */
		s->address = (uint64_t)elf.notes + elf.nr_notes;
		elf.nr_notes += (file_size + 3) & ~3UL;
	} else if (mem_size) {
		check_place(s);
	}
	elf.nr_seg++;
}

static void parse64(void)
{
	const Elf64_Ehdr *eh = (const void *)elf.head;

	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phoff + eh->e_phnum * sizeof(Elf64_Phdr) > HEAD_MAX)
		fail("kernel: ELF program headers are not at the start of the file");
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		const Elf64_Phdr *ph = (const Elf64_Phdr *)(elf.head + eh->e_phoff) + i;

		add_segment(ph->p_type, ph->p_offset, ph->p_paddr, ph->p_filesz, ph->p_memsz);
	}
}

static void parse32(void)
{
	const Elf32_Ehdr *eh = (const void *)elf.head;

	if (eh->e_phentsize != sizeof(Elf32_Phdr) || eh->e_phoff + eh->e_phnum * sizeof(Elf32_Phdr) > HEAD_MAX)
		fail("kernel: ELF program headers are not at the start of the file");
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		const Elf32_Phdr *ph = (const Elf32_Phdr *)(elf.head + eh->e_phoff) + i;

		add_segment(ph->p_type, ph->p_offset, ph->p_paddr, ph->p_filesz, ph->p_memsz);
	}
}

static void parse_head(void)
{
	if (memcmp(elf.head, ELFMAG, SELFMAG) != 0)
		fail("kernel: not a bzImage, and what unpacks from it is not ELF");
	elf.ready = true;
	if (elf.head[EI_CLASS] == ELFCLASS64)
		parse64();
	else if (elf.head[EI_CLASS] == ELFCLASS32)
		parse32();
	else
		fail("kernel: unknown ELF class");
}

/* Bytes [pos, pos + size) of the file: give each segment its share. */
static void place(uint64_t pos, const uint8_t *data, uint64_t size)
{
	for (unsigned i = 0; i < elf.nr_seg; i++) {
		const struct segment *s = &elf.seg[i];
		uint64_t from = pos > s->offset ? pos : s->offset;
		uint64_t to = pos + size < s->offset + s->file_size ? pos + size : s->offset + s->file_size;

		if (from < to)
			memcpy((void *)(s->address + (from - s->offset)), data + (from - pos), to - from);
	}
}

void elf_write(const void *data, size_t size)
{
	const uint8_t *p = data;

	if (!elf.ready) {
		uint64_t n = HEAD_MAX - elf.pos;

		if (n > size)
			n = size;
		memcpy(elf.head + elf.pos, p, n);
		elf.pos += n;
		p += n;
		size -= n;
		if (elf.pos < HEAD_MAX)
			return;
		parse_head();
		place(0, elf.head, elf.pos);
	}
	place(elf.pos, p, size);
	elf.pos += size;
}

static uint32_t find_entry(void)
{
	uint64_t at = 0;

	while (at + 12 <= elf.nr_notes) {
		uint32_t namesz, descsz, type;

		memcpy(&namesz, elf.notes + at, 4);
		memcpy(&descsz, elf.notes + at + 4, 4);
		memcpy(&type, elf.notes + at + 8, 4);
		at += 12;
		if (namesz > elf.nr_notes - at || descsz > elf.nr_notes - at)
			break;
		uint64_t desc = at + ((namesz + 3) & ~3UL);
		if (type == XEN_ELFNOTE_PHYS32_ENTRY && namesz == 4 && memcmp(elf.notes + at, "Xen", 4) == 0 &&
		    descsz >= 4 && desc + 4 <= elf.nr_notes) {
			uint32_t entry;

			memcpy(&entry, elf.notes + desc, 4);
			return entry;
		}
		at = desc + ((descsz + 3) & ~3UL);
	}
	fail("kernel: no PHYS32_ENTRY note: it was not built to run as a PVH guest");
}

uint32_t elf_finish(void)
{
	if (!elf.ready) {
		uint64_t size = elf.pos;

		if (size < sizeof(Elf64_Ehdr))
			fail("kernel: file is too short");
		parse_head();
		place(0, elf.head, size);
	}
	for (unsigned i = 0; i < elf.nr_seg; i++) {
		const struct segment *s = &elf.seg[i];

		if (s->offset + s->file_size > elf.pos)
			fail("kernel: ELF segment ends behind the end of the file: truncated?");
		if (!s->note)
			memset((void *)(s->address + s->file_size), 0, s->mem_size - s->file_size);
	}
	return find_entry();
}
