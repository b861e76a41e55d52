/* Hospes' own page tables: see asm/mm.h for the layout. One set for all CPUs; nothing is ever unmapped again. */
#include "asm/paging.h"

#include "asm/cpu.h"
#include "asm/cpuid.h"
#include "asm/sections.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"

#define SIZE_2M (1UL << 21)
#define SIZE_1G (1UL << 30)
#define ENTRIES 512u
#define IOMAP_END PERCPU_START
/* Per CPU: guard, main stack, guard, #DF, guard, NMI, guard, #MC. */
#define PERCPU_STRIDE (16 * PAGE_SIZE)
#define OFFSET_MAIN (1 * PAGE_SIZE)
#define OFFSET_DF (6 * PAGE_SIZE)
#define OFFSET_NMI (9 * PAGE_SIZE)
#define OFFSET_MC (12 * PAGE_SIZE)

typedef uint64_t pte_t;

static pte_t root[ENTRIES] __attribute__((aligned(4096), section(".bss.page_aligned")));
static pte_t trampoline_root[ENTRIES] __attribute__((aligned(4096), section(".bss.page_aligned")));
extern pte_t early_l3[ENTRIES];

static struct {
	spinlock_t lock; /* guards the tables and iomap_next; below the allocator's, which may be called under it */
	uint64_t nx, global;
	bool ready;	/* the final tables are loaded: device mappings work */
	bool have_heap; /* table pages come from the allocator */
	uint64_t iomap_next;
} paging = { .lock = SPINLOCK_INIT(RANK_FRAMES - 1), .iomap_next = IOMAP_START };

/* A zeroed page for a table, or NULL. */
static pte_t *table_alloc(void)
{
	pte_t *t;

	if (paging.have_heap)
		return alloc_page();
	t = paddr_to_virt(mm_boot_alloc(PAGE_SIZE, PAGE_SIZE));
	memset(t, 0, PAGE_SIZE);
	return t;
}

/* The entry of @level (0: 4K, 1: 2M, 2: 1G) for @va, building tables on the way. NULL without memory. */
static pte_t *entry_for(uint64_t va, unsigned level)
{
	pte_t *table = root;

	for (unsigned l = 3; l > level; l--) {
		pte_t *e = &table[va >> (12 + 9 * l) & (ENTRIES - 1)];

		if (!(*e & PTE_P)) {
			pte_t *next = table_alloc();

			if (!next)
				return NULL;
			*e = virt_to_paddr(next) | PTE_P | PTE_W | PTE_A | PTE_D;
		}
		ASSERT(!(*e & PTE_PS));
		table = paddr_to_virt(*e & PTE_ADDR);
	}
	return &table[va >> (12 + 9 * level) & (ENTRIES - 1)];
}

/* Map [va, va + size) to @p with 4K pages. Only adds; false without memory, what was mapped stays. */
static bool map_4k(uint64_t va, paddr_t p, uint64_t size, uint64_t flags)
{
	for (uint64_t off = 0; off < size; off += PAGE_SIZE) {
		pte_t *e = entry_for(va + off, 0);

		if (!e)
			return false;
		write_once(*e, (p + off) | flags | PTE_P);
	}
	return true;
}

/* Direct-map [start, end), both page aligned, with the largest pages that fit. */
static void map_direct(paddr_t start, paddr_t end, uint64_t rights)
{
	uint64_t flags = PTE_P | PTE_A | rights | paging.nx | paging.global;

	while (start < end) {
		unsigned level = 0;
		uint64_t size;

		if (cpu_features.page1g && !(start & (SIZE_1G - 1)) && end - start >= SIZE_1G)
			level = 2;
		else if (!(start & (SIZE_2M - 1)) && end - start >= SIZE_2M)
			level = 1;
		size = 1UL << (12 + 9 * level);
		*entry_for(DIRECTMAP_START + start, level) = start | flags | (level ? PTE_PS : 0);
		start += size;
	}
}

static bool mapped_type(uint32_t type)
{
	return type == E820_RAM || type == E820_ACPI || type == E820_NVS;
}

/* Where the next run of mapped memory at or after @from begins and ends; entries may overlap or touch in any order. */
static bool next_run(const struct boot_info *bi, paddr_t from, paddr_t *start, paddr_t *end)
{
	bool found = false, grown = true;

	for (unsigned i = 0; i < bi->nr_e820; i++) {
		const struct e820_entry *e = &bi->e820[i];
		paddr_t s = max_u64(ROUND_DOWN(e->addr, PAGE_SIZE), from), t = ROUND_UP(e->addr + e->size, PAGE_SIZE);

		if (!mapped_type(e->type) || t <= from || e->addr >= DIRECTMAP_SIZE)
			continue;
		if (!found || s < *start) {
			*start = s;
			*end = t;
			found = true;
		}
	}
	while (found && grown) {
		grown = false;
		for (unsigned i = 0; i < bi->nr_e820; i++) {
			const struct e820_entry *e = &bi->e820[i];
			paddr_t t = ROUND_UP(e->addr + e->size, PAGE_SIZE);

			if (mapped_type(e->type) && ROUND_DOWN(e->addr, PAGE_SIZE) <= *end && t > *end) {
				*end = t;
				grown = true;
			}
		}
	}
	if (found)
		*end = min_u64(*end, DIRECTMAP_SIZE);
	return found;
}

/* One run of memory; code and constants of the image are not writable here either. */
static void map_run(paddr_t start, paddr_t end)
{
	paddr_t ro_start = IMAGE_PHYS, ro_end = image_paddr(__rodata_end);

	map_direct(start, min_u64(end, ro_start), PTE_W | PTE_D);
	map_direct(max_u64(start, ro_start), min_u64(end, ro_end), 0);
	map_direct(max_u64(start, ro_end), end, PTE_W | PTE_D);
}

static void map_memory(const struct boot_info *bi)
{
	paddr_t start, end, from = 1UL << 20;

	/* The first MiB whole: BIOS data, RSDP, and VGA's window, where MTRRs and PAT together stay uncached. */
	map_run(0, from);
	while (next_run(bi, from, &start, &end)) {
		map_run(start, end);
		from = end;
	}
}

static void map_image(void)
{
	uint64_t text = (uint64_t)__rodata_start - IMAGE_START, ro = (uint64_t)__rodata_end - IMAGE_START,
		 all = (uint64_t)__image_end - IMAGE_START;

	map_4k(IMAGE_START, IMAGE_PHYS, text, PTE_A | paging.global);
	map_4k(IMAGE_START + text, IMAGE_PHYS + text, ro - text, PTE_A | paging.global | paging.nx);
	map_4k(IMAGE_START + ro, IMAGE_PHYS + ro, all - ro, PTE_A | PTE_D | PTE_W | paging.global | paging.nx);
}

/* See asm/paging.h. */
void paging_init(const struct boot_info *bi)
{
	paging.nx = cpu_features.nx ? PTE_NX : 0;
	paging.global = cpu_features.pge ? PTE_G : 0;
	map_image();
	map_memory(bi);
	/* Every later table hangs below these, so all CPUs and later address spaces share them by copying slots. */
	(void)entry_for(IOMAP_START, 0);
	(void)entry_for(PERCPU_START, 0);
	memcpy(trampoline_root, root, sizeof(root));
	trampoline_root[0] = image_paddr(early_l3) | PTE_P | PTE_W | PTE_A;
	paging_load();
	paging.ready = true;
}

/* See asm/paging.h. */
void paging_heap_ready(void)
{
	paging.have_heap = true;
}

/* See asm/paging.h. Global entries of older tables go too. */
void paging_load(void)
{
	uint64_t cr4 = read_cr4();

	write_cr4(cr4 & ~CR4_PGE);
	write_cr3(image_paddr(root));
	write_cr4(cr4);
}

/* See asm/paging.h. */
paddr_t paging_trampoline_root(void)
{
	return image_paddr(trampoline_root);
}

/* Physical address of the top table, for code that switches back to it. */
paddr_t paging_root(void)
{
	return image_paddr(root);
}

/* See asm/paging.h. Before paging_init() the early tables answer. */
bool directmap_covers(paddr_t start, uint64_t len)
{
	paddr_t end = start + len, s, e;

	if (end < start)
		return false;
	if (!paging.ready)
		return end <= EARLY_MAP_END;
	if (end <= 1UL << 20)
		return true;
	if (start < 1UL << 20)
		start = 1UL << 20;
	return next_run(&boot_info, start, &s, &e) && s <= start && e >= end;
}

/* NULL without room or memory. */
static void *iomap_try(paddr_t p, size_t size, uint64_t flags)
{
	paddr_t first = ROUND_DOWN(p, PAGE_SIZE), last = ROUND_UP(p + size, PAGE_SIZE);
	uint64_t va;
	bool ok;

	ASSERT(size && p + size > p && paging.ready);
	spin_lock(&paging.lock);
	va = paging.iomap_next;
	ok = last - first < IOMAP_END - va;
	if (ok) { /* the addresses are used up even if memory for a table runs out: a CPU may know some of them */
		paging.iomap_next += last - first + PAGE_SIZE; /* one page unmapped between */
		ok = map_4k(va, first, last - first, flags | PTE_W | PTE_A | PTE_D | paging.nx | paging.global);
	}
	spin_unlock(&paging.lock);
	return ok ? (void *)(va + (p - first)) : NULL;
}

static void *iomap(paddr_t p, size_t size, uint64_t flags)
{
	void *va = iomap_try(p, size, flags);

	if (!va)
		panic("no room or memory to map a device at %lx", p);
	return va;
}

/* See asm/paging.h. */
void *arch_iomap(paddr_t p, size_t size)
{
	return iomap(p, size, PTE_PCD | PTE_PWT);
}

/* See asm/paging.h. */
void *arch_iomap_try(paddr_t p, size_t size)
{
	return iomap_try(p, size, PTE_PCD | PTE_PWT);
}

/* See asm/paging.h. PAT entry 4, set by cpu_setup(): PAT bit of a 4K entry is bit 7. */
void *arch_iomap_wc(paddr_t p, size_t size)
{
	return iomap(p, size, cpu_features.pat ? PTE_PS : PTE_PCD | PTE_PWT);
}

/* See asm/paging.h. */
const void *arch_map_firmware(paddr_t p, size_t size)
{
	if (directmap_covers(p, size))
		return paddr_to_virt(p);
	return arch_iomap(p, size);
}

static uint64_t map_stack(uint64_t va, uint64_t size)
{
	for (uint64_t off = 0; off < size; off += PAGE_SIZE) {
		void *page = alloc_page();
		bool ok;

		if (!page)
			return 0;
		spin_lock(&paging.lock);
		ok = map_4k(va + off, virt_to_paddr(page), PAGE_SIZE,
			    PTE_W | PTE_A | PTE_D | paging.nx | paging.global);
		spin_unlock(&paging.lock);
		if (!ok)
			return 0;
	}
	return va + size;
}

/* See asm/paging.h. With the allocator up. What was mapped before memory ran out stays with the CPU number. */
bool percpu_map_stacks(unsigned cpu, struct cpu_stacks *out)
{
	uint64_t base = PERCPU_START + cpu * PERCPU_STRIDE;

	out->main = map_stack(base + OFFSET_MAIN, CPU_STACK_SIZE);
	out->df = map_stack(base + OFFSET_DF, CPU_IST_SIZE);
	out->nmi = map_stack(base + OFFSET_NMI, CPU_IST_SIZE);
	out->mc = map_stack(base + OFFSET_MC, CPU_IST_SIZE);
	return out->main && out->df && out->nmi && out->mc;
}
