/* Hospes' own page tables. hv/arch/x86/paging.c. */
#ifndef ASM_PAGING_H
#define ASM_PAGING_H

#include "hv/boot.h"
#include "hv/types.h"

#define PTE_P (1UL << 0)
#define PTE_W (1UL << 1)
#define PTE_U (1UL << 2)
#define PTE_PWT (1UL << 3)
#define PTE_PCD (1UL << 4)
#define PTE_A (1UL << 5)
#define PTE_D (1UL << 6)
#define PTE_PS (1UL << 7)
#define PTE_G (1UL << 8)
#define PTE_NX (1UL << 63)
#define PTE_ADDR 0x000ffffffffff000UL

/* How far the early tables of head.S map the direct map; boot memory must come from below until paging_init(). */
#define EARLY_MAP_END (4UL << 30)

/* Build and load the final tables: W^X image, direct map of all memory in @bi. Boot CPU; uses mm_boot_alloc() below EARLY_MAP_END. */
void paging_init(const struct boot_info *bi);
/* Load the final tables on this CPU. */
void paging_load(void);
/* The page allocator is open: tables come from it from now on. */
void paging_heap_ready(void);
paddr_t paging_root(void);
/* Physical address of tables that also map the first 4 GiB one to one, for a CPU leaving real mode. */
paddr_t paging_trampoline_root(void);
/* Is all of [start, start + len) readable through the direct map? */
bool directmap_covers(paddr_t start, uint64_t len);

/* Map @size bytes at @p uncached, for ever. Any alignment. Panics if room or memory is out. Not in interrupts. */
void *arch_iomap(paddr_t p, size_t size);
/* As arch_iomap(); NULL when room or memory is out. */
void *arch_iomap_try(paddr_t p, size_t size) must_check;
/* As arch_iomap(), write-combining. */
void *arch_iomap_wc(paddr_t p, size_t size);
/* Read firmware memory: the direct map if it covers it, else an uncached mapping. Never NULL. */
const void *arch_map_firmware(paddr_t p, size_t size);

/* Top of CPU @cpu's stacks: map them (guard pages below each) on first use. NULL without memory. */
struct cpu_stacks {
	uint64_t main, df, nmi, mc;
};
bool percpu_map_stacks(unsigned cpu, struct cpu_stacks *out) must_check;
#define CPU_STACK_SIZE (4 * PAGE_SIZE)
#define CPU_IST_SIZE (2 * PAGE_SIZE)

#endif
