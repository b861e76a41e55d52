/*
 * The IVRS table: which AMD IOMMUs there are, whose requests pass through them, and how interrupts of I/O APICs are
 * named.
 */
#include "acpi_tables.h"

#include "hv/acpi.h"
#include "hv/errno.h"
#include "hv/string.h"

#define IVRS_BLOCKS 48u
#define IVHD_ENTRIES_10 24u
#define IVHD_ENTRIES_11 40u

/* Device entries of an IVHD block (5.2.2, tables 97 and on) */
#define DEV_ALL 1u
#define DEV_SELECT 2u
#define DEV_RANGE_START 3u
#define DEV_RANGE_END 4u
#define DEV_ALIAS_SELECT 66u
#define DEV_ALIAS_START 67u
#define DEV_EXT_SELECT 70u
#define DEV_EXT_START 71u
#define DEV_SPECIAL 72u
#define DEV_ACPI_HID 240u

#define SPECIAL_IOAPIC 1u
#define SPECIAL_HPET 2u

/* The block at @off: type, flags, 16-bit length. False at the end and at one that does not fit. */
static bool next_block(const struct bytes *t, size_t off, struct bytes *b)
{
	if (off > t->len || t->len - off < 4)
		return false;
	*b = (struct bytes){ t->p + off, (size_t)field(t, off + 2, 2) };
	return b->len >= 4 && b->len <= t->len - off;
}

static bool is_ivhd(const struct bytes *b)
{
	return (b->p[0] == 0x10 && b->len >= IVHD_ENTRIES_10) ||
	       ((b->p[0] == 0x11 || b->p[0] == 0x40) && b->len >= IVHD_ENTRIES_11);
}

static struct ivrs_unit ivhd_header(const struct bytes *b)
{
	return (struct ivrs_unit){ .type = b->p[0],
				   .flags = b->p[1],
				   .bdf = (uint16_t)field(b, 4, 2),
				   .cap_offset = (uint16_t)field(b, 6, 2),
				   .base = field(b, 8, 8),
				   .segment = (uint16_t)field(b, 16, 2),
				   .efr = b->p[0] == 0x10 ? 0 : field(b, 24, 8) };
}

/* Firmware describes one unit several times for software of different age: the highest type is meant (5.2.2). */
static bool is_best(const struct bytes *t, const struct ivrs_unit *u)
{
	struct bytes b;

	for (size_t off = IVRS_BLOCKS; next_block(t, off, &b); off += b.len) {
		struct ivrs_unit other = ivhd_header(&b);

		if (is_ivhd(&b) && other.bdf == u->bdf && other.segment == u->segment && other.type > u->type)
			return false;
	}
	return true;
}

static bool unit_known(const struct ivrs *iv, const struct ivrs_unit *u)
{
	for (unsigned i = 0; i < iv->nr_units; i++)
		if (iv->units[i].bdf == u->bdf && iv->units[i].segment == u->segment)
			return true;
	return false;
}

static void add_range(struct ivrs *iv, struct ivrs_range r)
{
	if (r.first > r.last)
		return;
	if (iv->nr_ranges == IVRS_MAX_RANGES) {
		iv->left_out++;
		return;
	}
	iv->ranges[iv->nr_ranges++] = r;
}

static void add_special(struct ivrs *iv, unsigned unit, const struct bytes *e)
{
	unsigned variety = (unsigned)field(e, 7, 1);

	if (variety != SPECIAL_IOAPIC && variety != SPECIAL_HPET)
		return;
	if (iv->nr_specials == IVRS_MAX_SPECIALS) {
		iv->left_out++;
		return;
	}
	iv->specials[iv->nr_specials++] = (struct ivrs_special){ .unit = (uint8_t)unit,
								 .handle = (uint8_t)field(e, 4, 1),
								 .data = (uint8_t)field(e, 3, 1),
								 .hpet = variety == SPECIAL_HPET,
								 .bdf = (uint16_t)field(e, 5, 2) };
}

/* The length of the entry at @off, which its type tells; 0 if it does not fit. */
static size_t entry_length(const struct bytes *b, size_t off)
{
	size_t len;
	uint8_t type;

	if (off >= b->len)
		return 0;
	type = b->p[off];
	if (type == DEV_ACPI_HID)
		len = 22 + (size_t)field(b, off + 21, 1);
	else
		len = (size_t)4 << (type >> 6);
	return len <= b->len - off ? len : 0;
}

/* What an entry that opens a range has said, until the one that closes it. */
struct open_range {
	bool open;
	struct ivrs_range r;
};

static void device_entry(struct ivrs *iv, unsigned unit, const struct bytes *e, struct open_range *o)
{
	struct ivrs_range r = { .unit = (uint8_t)unit,
				.data = (uint8_t)field(e, 3, 1),
				.first = (uint16_t)field(e, 1, 2),
				.last = (uint16_t)field(e, 1, 2),
				.alias = (uint16_t)field(e, 5, 2) };

	switch (e->p[0]) {
	case DEV_ALL:
		r.first = 0;
		r.last = 0xffff;
		add_range(iv, r);
		break;
	case DEV_ALIAS_SELECT:
		r.aliased = true;
		add_range(iv, r);
		break;
	case DEV_SELECT:
	case DEV_EXT_SELECT:
		add_range(iv, r);
		break;
	case DEV_RANGE_START:
	case DEV_EXT_START:
	case DEV_ALIAS_START:
		r.aliased = e->p[0] == DEV_ALIAS_START;
		*o = (struct open_range){ true, r };
		break;
	case DEV_RANGE_END:
		o->r.last = r.first;
		if (o->open)
			add_range(iv, o->r);
		o->open = false;
		break;
	case DEV_SPECIAL:
		add_special(iv, unit, e);
		break;
	default:
		break;
	}
}

static void parse_ivhd(struct ivrs *iv, const struct bytes *t, const struct bytes *b)
{
	struct ivrs_unit u = ivhd_header(b);
	struct open_range o = { false };
	size_t len;

	if (!u.base || (u.base & (PAGE_SIZE - 1)) || !is_best(t, &u) || unit_known(iv, &u))
		return;
	if (iv->nr_units == IOMMU_MAX_UNITS) {
		iv->left_out++;
		return;
	}
	iv->units[iv->nr_units++] = u;
	for (size_t off = u.type == 0x10 ? IVHD_ENTRIES_10 : IVHD_ENTRIES_11; (len = entry_length(b, off));
	     off += len) {
		struct bytes e = { b->p + off, len };

		device_entry(iv, iv->nr_units - 1, &e, &o);
	}
}

/*
 * An IVMD block (5.2.3): flags bit 0 unity, bits 1 and 2 rights, bit 3 an exclusion range, which is mapped 1:1 here
 * too.
 */
static void parse_ivmd(struct ivrs *iv, const struct bytes *b)
{
	uint64_t start = field(b, 16, 8), size = field(b, 24, 8);
	bool exclusion = b->p[1] & 8;
	struct acpi_reserved r = { .all = b->p[0] == 0x20,
				   .read = exclusion || (b->p[1] & 2),
				   .write = exclusion || (b->p[1] & 4),
				   .first = (uint16_t)field(b, 4, 2),
				   .last = (uint16_t)field(b, b->p[0] == 0x22 ? 6 : 4, 2),
				   .segment = (uint16_t)field(b, 8, 2) };

	if (b->len < 32 || !(b->p[1] & 9) || !size || start + size < start || start + size > ~0UL - PAGE_SIZE)
		return;
	r.start = ROUND_DOWN(start, PAGE_SIZE);
	r.end = ROUND_UP(start + size, PAGE_SIZE);
	if (iv->nr_reserved == IOMMU_MAX_RESERVED)
		iv->left_out++;
	else
		iv->reserved[iv->nr_reserved++] = r;
}

/* See acpi_tables.h. */
int ivrs_parse(struct ivrs *out, const void *table, size_t len)
{
	struct bytes t = { table, len }, b;

	memset(out, 0, sizeof(*out));
	if (acpi_check_table(table, len, "IVRS"))
		return -EINVAL;
	t.len = (size_t)field(&t, 4, 4);
	for (size_t off = IVRS_BLOCKS; next_block(&t, off, &b); off += b.len) {
		if (is_ivhd(&b))
			parse_ivhd(out, &t, &b);
		else if (b.p[0] >= 0x20 && b.p[0] <= 0x22)
			parse_ivmd(out, &b);
	}
	return out->nr_units ? 0 : -EINVAL;
}
