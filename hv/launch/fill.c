/* Giving a domain that is being built its memory, and what shall be there when it starts. */
#include "acpi.h"
#include "build.h"
#include "hv/errno.h"
#include "hv/hwdom.h"
#include "hv/loader_abi.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "start_info.h"
#include "xen.h"

#define COPY_SLICE 0x10000UL /* bytes copied between two looks at what else is to be done */

/* Memory --------------------------------------------------------------------------------------------------- */

/* RAM from gfn @from on, at most up to @to, in the largest page that fits: how much, or an error. -ERESTART: it is being scrubbed. */
static int populate(struct build *b, uint64_t from, uint64_t to)
{
	unsigned order = b->limit;
	int rc;

	while (order && (from & ((1UL << order) - 1) || (1UL << order) > to - from))
		order = order == ORDER_1G ? ORDER_2M : ORDER_4K;
	/* No more often than there are parts, for others may take what is clean. */
	while (b->pauses && b->scrubbed < mm_scrub_parts(order) && mm_scrub_ahead(b->d, order, 0)) {
		b->scrubbed++;
		if (build_pause(b))
			return -ERESTART;
	}
	b->scrubbed = 0;
	rc = p2m_populate(b->d, gfn(from), order, 0);
	if (rc == -ENOMEM && order) {
		b->limit = order == ORDER_1G ? ORDER_2M : ORDER_4K; /* fragmented: smaller pages from here on */
		return 0;
	}
	return rc ? rc : 1 << order;
}

/* Piece @i of the hardware domain's RAM. What is reserved at the machine's own addresses it has already. */
static bool hw_piece(const struct hwmap *m, unsigned i, uint64_t *from, uint64_t *to)
{
	const struct e820_entry *e = &m->e[i];

	if (i >= m->nr)
		return false;
	*from = *to = e->addr;
	if ((e->type == E820_RAM || e->addr == m->acpi) && (!hwdom_identity() || e->addr < PLACE_MIN))
		*to += e->size;
	return true;
}

/* Bytes [*@from, *@to), perhaps none, are piece @i of a domain's memory. false: there are no more. */
static bool piece(const struct plan *p, unsigned i, uint64_t *from, uint64_t *to)
{
	const struct {
		uint64_t from, to;
	} ordinary[] = {
		{ 0, p->low_end },
		{ FOUR_GIB, max_u64(p->high_end, FOUR_GIB) },
		{ GUEST_ACPI_BASE, GUEST_ACPI_BASE + (p->acpi_pages << PAGE_SHIFT) },
		{ XENSTORE_GFN << PAGE_SHIFT, (XENSTORE_GFN + 1) << PAGE_SHIFT },
		{ CONSOLE_GFN << PAGE_SHIFT, (CONSOLE_GFN + 1) << PAGE_SHIFT },
	};
	unsigned nr = p->hw ? p->hw->nr : ARRAY_SIZE(ordinary);

	if (i == nr) {
		*from = LOADER_BASE;
		*to = p->direct ? LOADER_BASE : p->scratch_end;
		return true;
	}
	if (p->hw)
		return hw_piece(p->hw, i, from, to);
	if (i >= nr)
		return false;
	*from = ordinary[i].from;
	*to = ordinary[i].to;
	return true;
}

/* See build.h. */
int build_take_reserved(struct build *b)
{
	struct plan *p = &b->plan;
	int rc = p->reserved ? launch_identity_populate(b->d, p->hw) : 0;

	p->reserved = 0;
	return rc;
}

/* See build.h. */
int build_populate(struct build *b)
{
	uint64_t from, to;

	for (; piece(&b->plan, b->item, &from, &to); b->item++, b->at = 0)
		while (b->at < (to - from) >> PAGE_SHIFT) {
			int rc = populate(b, (from >> PAGE_SHIFT) + b->at, to >> PAGE_SHIFT);

			if (rc < 0)
				return rc == -ERESTART ? rc : build_ended(b, rc);
			b->at += (uint64_t)rc;
			if (build_pause(b))
				return -ERESTART;
		}
	return build_ended(b, 0);
}

/* Contents ------------------------------------------------------------------------------------------------- */

struct content {
	uint64_t gpa, len;
	const void *data;
};

/* Thing @i to be copied into the domain; false: there are no more. What follows a segment's filesz is zero already, for the frames are fresh. */
static bool content(const struct plan *p, unsigned i, struct content *c)
{
	struct elf_segment seg;
	unsigned at = 0, nr = 0;

	for (; elf_next_load(&p->image, &at, &seg); nr++)
		if (nr == i) {
			*c = (struct content){ seg.paddr, seg.filesz, seg.data };
			return true;
		}
	if (i == nr)
		*c = p->initrd ? (struct content){ p->initrd_gpa, p->initrd->size, module_data(p->initrd) } :
				 (struct content){ 0 };
	else
		*c = p->direct ? (struct content){ 0 } :
				 (struct content){ p->kernel_gpa, p->kernel->size, module_data(p->kernel) };
	return i <= nr + 1;
}

/* See build.h. */
int build_copy(struct build *b)
{
	struct content c;

	for (; content(&b->plan, b->item, &c); b->item++, b->at = 0)
		while (b->at < c.len) {
			uint64_t n = min_u64(c.len - b->at, COPY_SLICE);
			int rc = copy_to_gpa(b->d, c.gpa + b->at, (const uint8_t *)c.data + b->at, n);

			if (rc)
				return build_ended(b, rc);
			b->at += n;
			if (build_pause(b))
				return -ERESTART;
		}
	return build_ended(b, 0);
}

static int place_acpi(struct domain *d, const struct plan *p)
{
	uint8_t *buf = xzalloc_bytes(GUEST_ACPI_MAX);
	int rc = buf ? 0 : err(-ENOMEM);
	long len;

	if (rc)
		return rc;
	len = p->hw ? hwdom_acpi(d, buf, GUEST_ACPI_MAX, p->acpi_gpa) :
		      (long)acpi_build(buf, GUEST_ACPI_MAX, p->acpi_gpa, d->max_vcpus);
	if (len <= 0)
		rc = len ? (int)len : err(-ENOSPC);
	if (!rc)
		rc = copy_to_gpa(d, p->acpi_gpa, buf, (size_t)len);
	if (!rc && !p->hw && p->low_end > RSDP_COPY)
		rc = copy_to_gpa(d, RSDP_COPY, buf, ACPI_RSDP_LEN);
	xfree(buf);
	return rc;
}

static int make_memory_map(struct domain *d, const struct plan *p)
{
	struct e820_entry *m =
		overhead_new_array(&d->overhead, OVERHEAD_STATE, struct e820_entry, p->hw ? p->hw->nr : 4);

	if (!m)
		return err(-ENOMEM);
	if (p->hw) {
		memcpy(m, p->hw->e, p->hw->nr * sizeof(*m));
		d->memory_map = m;
		d->nr_memory_map = p->hw->nr;
		return 0;
	}
	m[0] = (struct e820_entry){ 0, p->low_end, E820_RAM };
	m[1] = (struct e820_entry){ GUEST_ACPI_BASE, p->acpi_pages << PAGE_SHIFT, E820_ACPI };
	m[2] = (struct e820_entry){ SPECIAL_BASE, SPECIAL_END - SPECIAL_BASE, E820_RESERVED };
	if (p->high_end)
		m[3] = (struct e820_entry){ FOUR_GIB, p->high_end - FOUR_GIB, E820_RAM };
	d->memory_map = m;
	d->nr_memory_map = p->high_end ? 4 : 3;
	return 0;
}

static int place_start_info(struct domain *d, const struct plan *p)
{
	struct start_info_desc desc = {
		.gpa = p->info_gpa,
		.flags = (domain_has_role(d, ROLE_CONTROL) ? SIF_PRIVILEGED : 0) |
			 (domain_has_role(d, ROLE_HARDWARE) ? SIF_INITDOMAIN : 0),
		.cmdline = p->cmdline,
		.initrd = p->initrd_gpa,
		.initrd_size = p->initrd ? p->initrd->size : 0,
		.rsdp = p->acpi_gpa,
		.map = d->memory_map,
		.nr_map = d->nr_memory_map,
	};
	uint8_t *buf = xzalloc_bytes(START_INFO_MAX);
	size_t len;
	int rc;

	if (!buf)
		return err(-ENOMEM);
	len = start_info_build(buf, START_INFO_MAX, &desc);
	rc = len ? copy_to_gpa(d, p->info_gpa, buf, len) : err(-ENOSPC);
	xfree(buf);
	return rc;
}

static int place_loader(struct domain *d, const struct plan *p)
{
	struct loader_info info = {
		.magic = LOADER_MAGIC,
		.nr_keep = 4,
		.kernel = p->kernel_gpa,
		.kernel_size = p->kernel->size,
		.heap = p->heap_gpa,
		.heap_end = p->scratch_end,
		.ram_end = p->low_end,
		.keep = {
			{ p->info_gpa, p->initrd_gpa },
			{ p->initrd_gpa, min_u64(p->low_end, PLACE_MAX) },
			{ ROUND_DOWN(RSDP_COPY, PAGE_SIZE), RSDP_COPY + ACPI_RSDP_LEN },
			{ 0, p->low_start },
		},
	};
	return copy_to_gpa(d, p->loader_info_gpa, &info, sizeof(info));
}

/* See build.h. */
int build_tables(struct build *b)
{
	const struct plan *p = &b->plan;
	int rc = make_memory_map(b->d, p);

	if (!rc)
		rc = place_acpi(b->d, p);
	if (!rc)
		rc = place_start_info(b->d, p);
	return rc || p->direct ? rc : place_loader(b->d, p);
}
