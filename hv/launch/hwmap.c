/* See hwmap.h. */
#include "hwmap.h"

#include "hv/string.h"

#define FOUR_GIB (1UL << 32)

/* Type of the byte at @at: 0 when no entry has it; *@next is the next address where that may change. */
static uint32_t type_at(const struct e820_entry *in, unsigned nr, uint64_t at, uint64_t *next)
{
	uint32_t type = 0;

	*next = ~0UL;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t start = in[i].addr, end = start + in[i].size;

		if (end < start)
			end = ~0UL;
		if (start == end)
			continue;
		if (start > at && start < *next)
			*next = start;
		if (start > at || end <= at)
			continue;
		if (end < *next)
			*next = end;
		if (in[i].type > type)
			type = in[i].type;
	}
	return type;
}

unsigned hwmap_sanitise(struct e820_entry *out, const struct e820_entry *in, unsigned nr)
{
	uint64_t at = 0, next;
	unsigned n = 0;

	do {
		uint32_t type = type_at(in, nr, at, &next);

		if (type && n && out[n - 1].type == type && out[n - 1].addr + out[n - 1].size == at)
			out[n - 1].size += next - at;
		else if (type && n < HWMAP_MAX)
			out[n++] = (struct e820_entry){ at, next - at, type };
		at = next;
	} while (next != ~0UL);
	return n;
}

static void add(struct hwmap *m, uint64_t start, uint64_t end, uint32_t type)
{
	struct e820_entry *last = m->nr ? &m->e[m->nr - 1] : NULL;

	if (start >= end)
		return;
	if (last && last->type == type && last->addr + last->size == start)
		last->size += end - start;
	else if (m->nr < HWMAP_MAX)
		m->e[m->nr++] = (struct e820_entry){ start, end - start, type };
}

/* One RAM entry of the machine: what of it is given, what is not. */
static void add_ram(struct hwmap *m, uint64_t start, uint64_t end, uint64_t want, uint64_t low_end)
{
	uint64_t cut;

	start = ROUND_UP(start, PAGE_SIZE);
	end = ROUND_DOWN(end, PAGE_SIZE);
	if (start >= end)
		return;
	if (start < FOUR_GIB && end > low_end) {
		uint64_t above = max_u64(end, FOUR_GIB) == end ? FOUR_GIB : end;

		if (start < low_end)
			add_ram(m, start, low_end, want, low_end);
		add(m, max_u64(start, low_end), above, E820_UNUSABLE);
		if (end > FOUR_GIB)
			add_ram(m, FOUR_GIB, end, want, low_end);
		return;
	}
	cut = start + min_u64(end - start, want - m->ram);
	add(m, start, cut, E820_RAM);
	m->ram += cut - start;
	add(m, cut, end, E820_UNUSABLE);
}

/* Index of the largest RAM entry below 4 GiB, or nr. */
static unsigned main_entry(const struct hwmap *m)
{
	unsigned best = m->nr;

	for (unsigned i = 0; i < m->nr; i++)
		if (m->e[i].type == E820_RAM && m->e[i].addr < FOUR_GIB &&
		    (best == m->nr || m->e[i].size > m->e[best].size))
			best = i;
	return best;
}

const char *hwmap_make(struct hwmap *m, const struct e820_entry *host, unsigned nr, uint64_t ram, uint64_t acpi,
		       uint64_t low_end)
{
	unsigned i;

	memset(m, 0, sizeof(*m));
	ram = ROUND_DOWN(ram, PAGE_SIZE);
	acpi = ROUND_UP(acpi, PAGE_SIZE);
	for (i = 0; i < nr; i++)
		if (host[i].type == E820_RAM)
			add_ram(m, host[i].addr, host[i].addr + host[i].size, ram, low_end);
		else
			add(m, host[i].addr, host[i].addr + host[i].size, host[i].type);
	i = main_entry(m);
	if (i == m->nr || m->e[i].size <= acpi)
		return "the machine's memory map has no room for it below 4 GiB";
	if (m->nr == HWMAP_MAX)
		return "the machine's memory map is too long";
	memmove(&m->e[i + 2], &m->e[i + 1], (m->nr - i - 1) * sizeof(m->e[0]));
	m->nr++;
	m->e[i].size -= acpi;
	m->start = m->e[i].addr;
	m->end = m->acpi = m->start + m->e[i].size;
	m->e[i + 1] = (struct e820_entry){ m->acpi, acpi, E820_ACPI };
	m->ram -= acpi;
	return NULL;
}
