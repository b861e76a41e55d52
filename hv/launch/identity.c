/*
 * A hardware domain without an IOMMU: its devices reach memory by the machine's addresses, so its RAM must lie at the same ones.
 * Only whole 2 MiB blocks of the machine that are free are given to it; the rest of the machine's RAM is unusable in its map, and so
 * are the holes that Hospes itself leaves. The boot loader's modules, which often lie where kernels want to be, move out of the way
 * first.
 */
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/hwdom.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hwmap.h"
#include "internal.h"

#define BLOCK (PAGE_SIZE << ORDER_2M)
#define ONE_MIB (1UL << 20)

static struct {
	struct boot_module old[BOOT_MAX_MODULES]; /* as the boot loader left them; once, at boot */
} moving;

/* A block for @size bytes as high as possible. */
static struct frame *take_high(uint64_t size)
{
	unsigned order = 0;
	uint64_t at;

	while (PAGE_SIZE << order < size)
		order++;
	if (order > MAX_ORDER)
		return NULL;
	at = ROUND_DOWN(mm_max_mfn().v, 1UL << order);
	for (; at; at -= 1UL << order) {
		struct frame *f = mm_block_free(mfn(at), order) ? alloc_frames_at(NULL, mfn(at), order, 0) : NULL;

		if (f)
			return f;
	}
	return NULL;
}

/* Pages of a module, also those it does not fill. */
static uint64_t first_page(const struct boot_module *m)
{
	return ROUND_DOWN(m->start, PAGE_SIZE);
}

static uint64_t end_page(const struct boot_module *m)
{
	return ROUND_UP(m->start + m->size, PAGE_SIZE);
}

/* Is the page at @at RAM as a whole, and of no other module in @old but the first one in @moved that has it, @i? */
static bool page_is_free(const struct boot_info *bi, const struct boot_module *old, uint64_t moved, unsigned i,
			 uint64_t at)
{
	bool ram = false;

	for (unsigned k = 0; k < bi->nr_modules; k++)
		if (k != i && old[k].size && at >= first_page(&old[k]) && at < end_page(&old[k]) &&
		    (k < i || !(moved >> k & 1)))
			return false;
	for (unsigned k = 0; k < bi->nr_e820; k++) {
		const struct e820_entry *e = &bi->e820[k];

		if (e->type == E820_RAM && e->addr <= at && e->addr + e->size >= at + PAGE_SIZE)
			ram = true;
		else if (e->type != E820_RAM && e->addr < at + PAGE_SIZE && e->addr + e->size > at)
			return false;
	}
	return ram;
}

/* See internal.h. */
void launch_move_modules(struct boot_info *bi)
{
	struct boot_module *old = moving.old;
	uint64_t moved = 0;

	memcpy(old, bi->modules, bi->nr_modules * sizeof(*old));
	for (unsigned i = 0; i < bi->nr_modules; i++) {
		struct frame *f = old[i].size ? take_high(old[i].size) : NULL;

		if (!f)
			continue; /* a hole in the domain's map, if nothing worse */
		bi->modules[i].start = mfn_to_paddr(frame_to_mfn(f));
		memcpy(paddr_to_virt(bi->modules[i].start), paddr_to_virt(old[i].start), old[i].size);
		moved |= 1UL << i;
	}
	/* Neighbours may share a page. */
	for (unsigned i = 0; i < bi->nr_modules; i++) {
		uint64_t start = first_page(&old[i]), end = end_page(&old[i]);

		if (!(moved >> i & 1))
			continue;
		start += page_is_free(bi, old, moved, i, start) ? 0 : PAGE_SIZE;
		if (start < end && !page_is_free(bi, old, moved, i, end - PAGE_SIZE))
			end -= PAGE_SIZE;
		mm_boot_add(start, end);
	}
}

/* RAM of [@start, @end) by whole free blocks, at most *@left of them; the rest is unusable. */
static void split_ram(struct e820_entry *out, unsigned *nr, uint64_t start, uint64_t end, uint64_t *left)
{
	for (uint64_t next; start < end && *nr < HWMAP_MAX; start = next) {
		struct e820_entry *last = *nr ? &out[*nr - 1] : NULL;
		bool whole = start % BLOCK == 0 && end - start >= BLOCK && *left;
		uint32_t type;

		next = min_u64(end, ROUND_DOWN(start, BLOCK) + BLOCK);
		type = whole && mm_block_free(paddr_to_mfn(start), ORDER_2M) ? E820_RAM : E820_UNUSABLE;
		*left -= type == E820_RAM;
		if (last && last->type == type && last->addr + last->size == start)
			last->size += next - start;
		else
			out[(*nr)++] = (struct e820_entry){ start, next - start, type };
	}
}

/* See internal.h. The first MiB is for real mode, not for devices: any memory will do. */
unsigned launch_identity_map(struct e820_entry *out, const struct e820_entry *host, unsigned nr, uint64_t *ram)
{
	uint64_t low = 0, left;
	unsigned n = 0;

	for (unsigned i = 0; i < nr; i++)
		if (host[i].type == E820_RAM && host[i].addr + host[i].size <= ONE_MIB)
			low += ROUND_DOWN(host[i].size, PAGE_SIZE);
	left = *ram > low ? (*ram - low) / BLOCK : 0;
	*ram = low + left * BLOCK;
	for (unsigned i = 0; i < nr && n < HWMAP_MAX; i++)
		if (host[i].type == E820_RAM && host[i].addr + host[i].size > ONE_MIB)
			split_ram(out, &n, host[i].addr, host[i].addr + host[i].size, &left);
		else
			out[n++] = host[i];
	return n;
}

/* The pieces of @m above the first MiB that are RAM, with the ACPI piece behind one of them: whole blocks. */
static bool next_piece(const struct hwmap *m, unsigned *i, uint64_t *start, uint64_t *end)
{
	for (; *i < m->nr; (*i)++) {
		const struct e820_entry *e = &m->e[*i];

		if (e->type != E820_RAM || e->addr < ONE_MIB)
			continue;
		*start = e->addr;
		*end = e->addr + e->size;
		if (*end == m->acpi)
			*end += m->e[*i + 1].size;
		(*i)++;
		return true;
	}
	return false;
}

/* See internal.h. */
void launch_identity_release(const struct hwmap *m)
{
	uint64_t start, end;

	for (unsigned i = 0; next_piece(m, &i, &start, &end);)
		for (; start < end; start += BLOCK)
			free_frames(mfn_to_frame(paddr_to_mfn(start)), ORDER_2M);
}

/* See internal.h. */
int launch_identity_reserve(const struct hwmap *m)
{
	uint64_t start, end, to, s, e;

	for (unsigned i = 0; next_piece(m, &i, &start, &end);)
		for (to = start; to < end; to += BLOCK) {
			if (alloc_frames_at(NULL, paddr_to_mfn(to), ORDER_2M, 0))
				continue;
			/* Back out of what was taken so far. */
			for (unsigned k = 0; next_piece(m, &k, &s, &e);)
				for (; s < e && s < to; s += BLOCK)
					free_frames(mfn_to_frame(paddr_to_mfn(s)), ORDER_2M);
			return err(-ENOMEM);
		}
	return 0;
}

/* Reserved blocks become the domain's; on an error nothing stays reserved. */
static int take_over(struct domain *d, const struct hwmap *m)
{
	uint64_t start, end;
	int rc = 0;

	for (unsigned i = 0; next_piece(m, &i, &start, &end);)
		for (; start < end; start += BLOCK) {
			free_frames(mfn_to_frame(paddr_to_mfn(start)), ORDER_2M);
			if (!rc && !alloc_frames_at(d, paddr_to_mfn(start), ORDER_2M, 0))
				rc = err(-ENOMEM);
		}
	return rc;
}

/* See internal.h. */
int launch_identity_populate(struct domain *d, const struct hwmap *m)
{
	uint64_t start, end;
	int rc = take_over(d, m);

	d->direct_mapped = true;
	for (unsigned i = 0; !rc && next_piece(m, &i, &start, &end);)
		for (; !rc && start < end; start += BLOCK)
			rc = p2m_set(d, gfn(start >> PAGE_SHIFT), paddr_to_mfn(start), ORDER_2M, P2M_RAM_RW);
	if (!rc)
		printk(LOG_WARN,
		       "d%u drives devices without an IOMMU: they reach all memory. Its RAM is at the machine's addresses\n",
		       d->id);
	return rc;
}
