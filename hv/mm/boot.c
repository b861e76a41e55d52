/* Memory before the allocator: a short sorted-by-arrival list of free ranges, cut from the top. */
#include "hv/mm.h"

#include "hv/printk.h"
#include "hv/string.h"

#include "mm_internal.h"

#define MAX_RANGES 256u
#define MAX_HELD 32u
#define BELOW_4G (1UL << 32)
#define MAX_SECTIONS 8192u /* 1 TiB: more RAM than that is left unused */

struct range {
	paddr_t start, end;
};

static struct {
	mfn_t max_mfn; /* end of the frame table */
	struct range range[MAX_RANGES];
	unsigned nr;
	struct range held[MAX_HELD]; /* not given to the allocator before mm_boot_release() */
	unsigned nr_held;
	uint8_t present[MAX_SECTIONS]; /* sections of the frame table that hold RAM */
	bool finished;
} boot;

/* See mm.h. */
void mm_boot_begin(void)
{
	memset(&boot, 0, sizeof(boot));
	frames_reset();
}

/* See mm.h. Boot CPU only. */
void mm_boot_ram(paddr_t start, paddr_t end)
{
	ASSERT(!boot.finished);
	if (end > MAX_SECTIONS * FRAME_SECTION_BYTES)
		end = MAX_SECTIONS * FRAME_SECTION_BYTES;
	for (paddr_t s = ROUND_DOWN(start, FRAME_SECTION_BYTES); s < end; s += FRAME_SECTION_BYTES)
		boot.present[s / FRAME_SECTION_BYTES] = 1;
}

/* See mm.h. Boot CPU only; before the allocator is open a range too many is left unused with a warning. */
void mm_boot_add(paddr_t start, paddr_t end)
{
	start = ROUND_UP(start, PAGE_SIZE);
	end = ROUND_DOWN(end, PAGE_SIZE);
	if (start >= end)
		return;
	if (boot.finished) {
		frames_add(start, end);
		return;
	}
	mm_boot_ram(start, end);
	if (end > MAX_SECTIONS * FRAME_SECTION_BYTES)
		end = MAX_SECTIONS * FRAME_SECTION_BYTES;
	if (start >= end)
		return;
	if (boot.nr == MAX_RANGES) {
		printk(LOG_WARN, "memory map too long: %lx-%lx stays unused\n", start, end);
		return;
	}
	boot.range[boot.nr++] = (struct range){ start, end };
}

/* See mm.h. Boot CPU only. */
void mm_boot_hold(paddr_t start, paddr_t end)
{
	if (boot.nr_held == MAX_HELD) {
		mm_boot_add(start, end);
		return;
	}
	mm_boot_ram(start, end);
	boot.held[boot.nr_held++] = (struct range){ start, end };
}

/* See mm.h. */
uint64_t mm_boot_held(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < boot.nr_held; i++)
		bytes += boot.held[i].end - boot.held[i].start;
	return bytes;
}

/* See mm.h. */
void mm_boot_release(void)
{
	while (boot.nr_held) {
		boot.nr_held--;
		mm_boot_add(boot.held[boot.nr_held].start, boot.held[boot.nr_held].end);
	}
}

/* Cut @bytes from the top of the highest range that ends, cut to @limit, above the others. 0 without memory. */
static paddr_t cut_top(uint64_t bytes, uint64_t align, paddr_t limit)
{
	struct range *best = NULL;
	paddr_t at = 0;

	for (unsigned i = 0; i < boot.nr; i++) {
		struct range *r = &boot.range[i];
		paddr_t end = min_u64(r->end, limit), p;

		if (end < bytes)
			continue;
		p = ROUND_DOWN(end - bytes, align);
		if (p < r->start || p < at || p == 0)
			continue;
		best = r;
		at = p;
	}
	if (!best)
		return 0;
	/* What lies above the cut stays available as a range of its own. */
	if (at + bytes < best->end && boot.nr < MAX_RANGES)
		boot.range[boot.nr++] = (struct range){ at + bytes, best->end };
	best->end = at;
	return at;
}

/* See mm.h. @align is a power of two; the start and size are rounded to whole pages. */
paddr_t mm_boot_alloc(uint64_t bytes, uint64_t align)
{
	paddr_t p;

	ASSERT(!boot.finished);
	bytes = ROUND_UP(bytes, PAGE_SIZE);
	align = max_u64(align, PAGE_SIZE);
	p = cut_top(bytes, align, BELOW_4G);
	if (!p)
		p = cut_top(bytes, align, ~0UL);
	if (!p)
		panic("no memory for %lu KiB during boot", bytes >> 10);
	return p;
}

mfn_t mm_max_mfn(void)
{
	return boot.max_mfn;
}

/* See mm.h. The frame table goes to the top of RAM: memory below 4 GiB is for those who need it. */
void mm_boot_finish(mfn_t max_mfn)
{
	uint64_t per_section = FRAME_SECTION_BYTES >> PAGE_SHIFT;
	uint64_t nr = min_u64((max_mfn.v + per_section - 1) / per_section, MAX_SECTIONS), used = 0;
	paddr_t table;

	ASSERT(!boot.finished);
	for (uint64_t i = 0; i < nr; i++)
		used += boot.present[i];
	table = cut_top(ROUND_UP(frames_table_size(nr, used), PAGE_SIZE), PAGE_SIZE, ~0UL);
	if (!table)
		panic("no memory for a frame table of %lu KiB", frames_table_size(nr, used) >> 10);
	boot.max_mfn = max_mfn;
	frames_open(boot.present, nr, paddr_to_virt(table));
	heap_init();
	boot.finished = true;
	for (unsigned i = 0; i < boot.nr; i++)
		frames_add(boot.range[i].start, boot.range[i].end);
}
