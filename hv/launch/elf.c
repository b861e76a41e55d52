/* ELF reader. See elf.h. ELF-64 Object File Format 1.5; the note: PVH boot specification (docs/misc/pvh of Xen's interface). */
#include "elf.h"

#include "elfnote.h"
#include "hv/string.h"

#define EM_386 3
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_NOTE 4
#define MAX_PHDRS 128u
#define NOTE_HEADER 12u

/* A program header of either class. */
struct phdr {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz;
};

static uint64_t get_le(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

bool elf_is_elf(const void *data, uint64_t size)
{
	return size >= 52 && memcmp(data, "\177ELF", 4) == 0;
}

/* Program header @i; elf_parse() has checked that the table lies in the file. */
static struct phdr get_phdr(const struct elf_image *e, unsigned i)
{
	const uint8_t *p = e->data + e->phoff + (uint64_t)i * e->phentsize;

	if (e->is64)
		return (struct phdr){ (uint32_t)get_le(p, 4), get_le(p + 8, 8), get_le(p + 24, 8), get_le(p + 32, 8),
				      get_le(p + 40, 8) };
	return (struct phdr){ (uint32_t)get_le(p, 4), get_le(p + 4, 4), get_le(p + 12, 4), get_le(p + 16, 4),
			      get_le(p + 20, 4) };
}

static bool in_file(const struct elf_image *e, uint64_t offset, uint64_t len)
{
	return offset <= e->size && len <= e->size - offset;
}

static void read_notes(struct elf_image *e, const uint8_t *p, uint64_t len)
{
	while (len >= NOTE_HEADER) {
		uint32_t namesz = (uint32_t)get_le(p, 4), descsz = (uint32_t)get_le(p + 4, 4);
		uint32_t type = (uint32_t)get_le(p + 8, 4);
		uint64_t name_len = ROUND_UP((uint64_t)namesz, 4UL), desc_len = ROUND_UP((uint64_t)descsz, 4UL);

		p += NOTE_HEADER;
		len -= NOTE_HEADER;
		if (name_len > len || descsz > len - name_len)
			return;
		if (namesz == 4 && memcmp(p, "Xen", 4) == 0 && type == XEN_ELFNOTE_PHYS32_ENTRY &&
		    (descsz == 4 || descsz == 8)) {
			uint64_t entry = get_le(p + name_len, descsz);

			e->has_pvh = entry <= UINT32_MAX;
			e->pvh_entry = (uint32_t)entry;
		}
		if (desc_len > len - name_len)
			return; /* the last one, unpadded */
		p += name_len + desc_len;
		len -= name_len + desc_len;
	}
}

static const char *read_header(struct elf_image *e)
{
	const uint8_t *h = e->data;
	unsigned machine;

	if (!elf_is_elf(h, e->size))
		return "not an ELF file";
	e->is64 = h[4] == 2;
	machine = (unsigned)get_le(h + 18, 2);
	if ((h[4] != 1 && h[4] != 2) || h[5] != 1 || machine != (e->is64 ? EM_X86_64 : EM_386))
		return "ELF file is for another machine";
	if (e->is64 && e->size < 64)
		return "ELF header is cut off";
	e->phoff = e->is64 ? get_le(h + 32, 8) : get_le(h + 28, 4);
	e->phentsize = (unsigned)get_le(h + (e->is64 ? 54 : 42), 2);
	e->phnum = (unsigned)get_le(h + (e->is64 ? 56 : 44), 2);
	if (e->phentsize < (e->is64 ? 56u : 32u) || e->phnum > MAX_PHDRS)
		return "ELF program headers have an impossible size or number";
	if (!in_file(e, e->phoff, (uint64_t)e->phnum * e->phentsize))
		return "ELF program headers lie outside the file";
	return NULL;
}

const char *elf_parse(struct elf_image *e, const void *data, uint64_t size)
{
	const char *why;

	memset(e, 0, sizeof(*e));
	e->data = data;
	e->size = size;
	e->low = UINT64_MAX;
	why = read_header(e);
	if (why)
		return why;
	for (unsigned i = 0; i < e->phnum; i++) {
		struct phdr ph = get_phdr(e, i);

		if (ph.type != PT_LOAD && ph.type != PT_NOTE)
			continue;
		if (!in_file(e, ph.offset, ph.filesz))
			return "an ELF segment lies outside the file: truncated?";
		if (ph.type == PT_NOTE) {
			read_notes(e, e->data + ph.offset, ph.filesz);
			continue;
		}
		if (ph.memsz < ph.filesz || ph.memsz > UINT32_MAX || ph.paddr > UINT32_MAX - ph.memsz)
			return "an ELF segment has an impossible size or address";
		if (ph.memsz) {
			e->low = min_u64(e->low, ph.paddr);
			e->high = max_u64(e->high, ph.paddr + ph.memsz);
		}
	}
	return e->high ? NULL : "ELF file has nothing to load";
}

bool elf_next_load(const struct elf_image *e, unsigned *i, struct elf_segment *s)
{
	while (*i < e->phnum) {
		struct phdr ph = get_phdr(e, (*i)++);

		if (ph.type != PT_LOAD || ph.memsz == 0)
			continue;
		*s = (struct elf_segment){ e->data + ph.offset, ph.paddr, ph.filesz, ph.memsz };
		return true;
	}
	return false;
}
