/* Which memory is free: RAM less the image, the modules, the first MiB, and whatever a contradicting map entry claims. */
#include "start.h"

#include "asm/mm.h"
#include "asm/paging.h"
#include "asm/sections.h"
#include "hv/boot.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define LOW_MEMORY (1UL << 20)
#define FOUR_GIB (1UL << 32)
#define HOLD_NOT (64UL << 20)
#define HOLD_MIN (128UL << 20)
#define HOLD_STEP (1UL << 20)

/* Range number @i to keep out of RAM entry @entry; false past the last. */
static bool reserved(const struct boot_info *bi, unsigned entry, unsigned i, paddr_t *start, paddr_t *end)
{
	if (i == 0) {
		*start = 0;
		*end = LOW_MEMORY;
		return true;
	}
	if (i == 1) {
		*start = IMAGE_PHYS;
		*end = image_paddr(__image_end);
		return true;
	}
	i -= 2;
	if (i < bi->nr_modules) {
		*start = ROUND_DOWN(bi->modules[i].start, PAGE_SIZE);
		*end = ROUND_UP(bi->modules[i].start + bi->modules[i].size, PAGE_SIZE);
		return true;
	}
	i -= bi->nr_modules;
	if (i < bi->nr_e820) {
		const struct e820_entry *e = &bi->e820[i];
		/* Another RAM entry counts once: for the first of the two. */
		bool counts = e->type != E820_RAM || i < entry;

		*start = ROUND_DOWN(e->addr, PAGE_SIZE);
		*end = counts ? ROUND_UP(e->addr + e->size, PAGE_SIZE) : *start;
		return true;
	}
	return false;
}

/* Is @at reserved? Then *@next is where that ends, else where the next reservation begins. */
static bool reserved_at(const struct boot_info *bi, unsigned entry, paddr_t at, paddr_t *next)
{
	paddr_t s, e;

	*next = ~0UL;
	for (unsigned i = 0; reserved(bi, entry, i, &s, &e); i++) {
		if (s <= at && at < e) {
			*next = e;
			return true;
		}
		if (s > at && s < e && s < *next)
			*next = s;
	}
	return false;
}

/* Bytes of RAM between @from and 4 GiB. */
static uint64_t ram_above(const struct boot_info *bi, paddr_t from, uint64_t limit)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < bi->nr_e820; i++) {
		const struct e820_entry *e = &bi->e820[i];
		paddr_t start = max_u64(e->addr, from), end = min_u64(min_u64(e->addr + e->size, limit), FOUR_GIB);

		if (e->type == E820_RAM && start < end)
			sum += end - start;
	}
	return sum;
}

/*
 * The end of low memory that stays untouched until domains are built: a domain that drives devices may need it at the machine's own
 * addresses, and in one piece. All below 4 GiB but its top, where everything Hospes needs until then finds room. 0: too little.
 */
static paddr_t hold_end(const struct boot_info *bi, uint64_t limit)
{
	paddr_t low = FOUR_GIB;

	while (low > HOLD_MIN && ram_above(bi, low, limit) < HOLD_NOT)
		low -= HOLD_STEP;
	return low > HOLD_MIN ? low : 0;
}

static void add_range(paddr_t start, paddr_t end, paddr_t low)
{
	if (start < low)
		mm_boot_hold(start, min_u64(end, low));
	if (end > low)
		mm_boot_add(max_u64(start, low), end);
}

static void add_ram(const struct boot_info *bi, unsigned entry, paddr_t limit, paddr_t low)
{
	paddr_t at = ROUND_UP(bi->e820[entry].addr, PAGE_SIZE), next;
	paddr_t end = ROUND_DOWN(min_u64(bi->e820[entry].addr + bi->e820[entry].size, limit), PAGE_SIZE);

	for (; at < end; at = next) {
		bool skip = reserved_at(bi, entry, at, &next);

		if (!skip)
			add_range(at, min_u64(next, end), low);
	}
}

static void show_map(const struct boot_info *bi)
{
	static const char *const names[] = { "?", "usable", "reserved", "ACPI data", "ACPI NVS", "unusable" };

	for (unsigned i = 0; i < bi->nr_e820; i++) {
		const struct e820_entry *e = &bi->e820[i];

		printk(LOG_DEBUG, " [%016lx, %016lx] %s\n", e->addr, e->addr + e->size - 1,
		       e->type < ARRAY_SIZE(names) ? names[e->type] : "reserved");
	}
	for (unsigned i = 0; i < bi->nr_modules; i++)
		printk(LOG_DEBUG, " module %u: [%lx, %lx] %s\n", i, bi->modules[i].start,
		       bi->modules[i].start + bi->modules[i].size, bi->modules[i].cmdline);
}

/* Boot step. mem= leaves RAM above it out. */
void boot_memory(void)
{
	const struct boot_info *bi = &boot_info;
	uint64_t limit = param_size("mem", 0), top = 0;
	paddr_t low;

	if (!bi->nr_e820)
		panic("The boot loader (%s) gave no usable information", bi->loader);
	show_map(bi);
	if (!limit || limit > DIRECTMAP_SIZE)
		limit = DIRECTMAP_SIZE;
	low = hold_end(bi, limit);
	mm_boot_begin();
	for (unsigned i = 0; i < bi->nr_e820; i++) {
		if (bi->e820[i].type != E820_RAM)
			continue;
		add_ram(bi, i, limit, low);
		top = max_u64(top, min_u64(bi->e820[i].addr + bi->e820[i].size, limit));
	}
	for (unsigned i = 0; i < bi->nr_modules; i++)
		if (bi->modules[i].size)
			mm_boot_ram(bi->modules[i].start, bi->modules[i].start + bi->modules[i].size);
	paging_init(bi);
	mm_boot_finish(mfn(top >> PAGE_SHIFT));
	paging_heap_ready();
}
