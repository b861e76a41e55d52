/*
 * Telling the control domain that memory runs low: VIRQ_ENOMEM when what is free and not promised falls below a power of two of pages, again at each half of that, and
 * anew at a larger one only when twice as much was free meanwhile. So a toolstack hears of a shortage a few times, however it comes about.
 */
#include "abi/xen.h"
#include "hv/boot.h"
#include "hv/domain.h"
#include "hv/mm.h"

#define DEFAULT_LIMIT (64UL << 20)

static struct {
	bool on;
	unsigned order, first_order; /* told at 2^order pages; the largest there is */
	bool told;		     /* of a larger one: growing above twice the present one goes back */
} low;

/* See mm.h. */
void low_memory_watch(void)
{
	uint64_t free = mm_free_frames(), limit = param_size("low_mem_virq_limit", DEFAULT_LIMIT) >> PAGE_SHIFT;
	uint64_t pages = min_u64(limit, free);

	low.on = limit != 0;
	low.told = false;
	/* Not to complain at once of what the machine has. */
	if (pages == free && !param_string("low_mem_virq_limit", NULL))
		pages /= 2;
	low.first_order = pages > 1 ? 63u - (unsigned)__builtin_clzl(pages) : 0;
	low.order = low.first_order;
}

/* See mm.h. */
void low_memory_look(uint64_t free)
{
	if (likely(!low.on || (free > 1UL << low.order && !low.told)))
		return;
	if (free <= 1UL << low.order) {
		domain_global_virq_later(VIRQ_ENOMEM);
		low.told = true;
		if (low.order)
			low.order--;
	} else if (free >= 1UL << (low.order + 2)) {
		low.order++;
		low.told = low.order != low.first_order;
	}
}
