/* The DMAR table: which VT-d units there are, the devices in the scope of each, and memory reserved for devices. */
#include "acpi_tables.h"

#include "hv/acpi.h"
#include "hv/errno.h"
#include "hv/string.h"

#define DMAR_STRUCTURES 48u
#define DMAR_DRHD 0u
#define DMAR_RMRR 1u
#define DRHD_SCOPES 16u
#define RMRR_SCOPES 24u
#define SCOPE_PATH 6u

/* The structure at @off: 16-bit type and length. False at the end and at one that does not fit. */
static bool next_structure(const struct bytes *t, size_t off, struct bytes *s)
{
	if (off > t->len || t->len - off < 4)
		return false;
	*s = (struct bytes){ t->p + off, (size_t)field(t, off + 2, 2) };
	return s->len >= 4 && s->len <= t->len - off;
}

/* One device scope. A path that is too deep, or uneven, names nothing we could find. */
static void add_scope(struct dmar *dm, const struct bytes *e)
{
	struct dmar_scope s = { .type = e->p[0], .id = e->p[4], .bus = e->p[5] };
	size_t steps = (e->len - SCOPE_PATH) / 2;

	if (s.type < DMAR_SCOPE_ENDPOINT || s.type > DMAR_SCOPE_ACPI || steps == 0)
		return;
	if (steps > DMAR_MAX_PATH || dm->nr_scopes == DMAR_MAX_SCOPES) {
		dm->left_out++;
		return;
	}
	for (size_t i = 0; i < steps; i++) {
		uint8_t dev = e->p[SCOPE_PATH + 2 * i], fn = e->p[SCOPE_PATH + 2 * i + 1];

		if (dev > 31 || fn > 7)
			return;
		s.path[s.nr_path++] = (uint8_t)(dev << 3 | fn);
	}
	dm->scopes[dm->nr_scopes++] = s;
}

/* The scopes of structure @s from @off on; how many were added. */
static unsigned add_scopes(struct dmar *dm, const struct bytes *s, size_t off)
{
	unsigned before = dm->nr_scopes;

	while (off < s->len && s->len - off >= SCOPE_PATH) {
		struct bytes e = { s->p + off, s->p[off + 1] };

		if (e.len < SCOPE_PATH || e.len > s->len - off)
			break;
		add_scope(dm, &e);
		off += e.len;
	}
	return dm->nr_scopes - before;
}

static void parse_drhd(struct dmar *dm, const struct bytes *s)
{
	struct dmar_unit u = {
		.all = s->p[4] & 1, .segment = (uint16_t)field(s, 6, 2), .base = field(s, 8, 8), .scope = dm->nr_scopes
	};

	if (s->len < DRHD_SCOPES || !u.base || (u.base & (PAGE_SIZE - 1)))
		return;
	if (dm->nr_units == IOMMU_MAX_UNITS) {
		dm->left_out++;
		return;
	}
	u.nr_scopes = add_scopes(dm, s, DRHD_SCOPES);
	dm->units[dm->nr_units++] = u;
}

/* Base and limit are inclusive; firmware that gets them wrong reserves nothing (8.4). */
static void parse_rmrr(struct dmar *dm, const struct bytes *s)
{
	uint64_t base = field(s, 8, 8), limit = field(s, 16, 8);
	struct acpi_reserved r = { .segment = (uint16_t)field(s, 6, 2),
				   .read = true,
				   .write = true,
				   .scope = dm->nr_scopes,
				   .start = ROUND_DOWN(base, PAGE_SIZE) };

	if (s->len < RMRR_SCOPES || limit < base || limit > ~0UL - 2 * PAGE_SIZE)
		return;
	if (dm->nr_reserved == IOMMU_MAX_RESERVED) {
		dm->left_out++;
		return;
	}
	r.end = ROUND_UP(limit + 1, PAGE_SIZE);
	r.nr_scopes = add_scopes(dm, s, RMRR_SCOPES);
	dm->reserved[dm->nr_reserved++] = r;
}

/* See acpi_tables.h. */
int dmar_parse(struct dmar *out, const void *table, size_t len)
{
	struct bytes t = { table, len }, s;

	memset(out, 0, sizeof(*out));
	if (acpi_check_table(table, len, "DMAR"))
		return -EINVAL;
	t.len = (size_t)field(&t, 4, 4);
	out->width = (uint8_t)(field(&t, 36, 1) + 1);
	out->flags = (uint8_t)field(&t, 37, 1);
	for (size_t off = DMAR_STRUCTURES; next_structure(&t, off, &s); off += s.len) {
		unsigned type = (unsigned)field(&s, 0, 2);

		if (type == DMAR_DRHD && s.len >= DRHD_SCOPES)
			parse_drhd(out, &s);
		else if (type == DMAR_RMRR && s.len >= RMRR_SCOPES)
			parse_rmrr(out, &s);
	}
	return out->nr_units ? 0 : -EINVAL;
}
