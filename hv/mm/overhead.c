/* Hospes' memory for each domain, counted and bounded. */
#include "hv/overhead.h"

#include "hv/boot.h"
#include "hv/mm.h"
#include "hv/printk.h"

/*
 * The default: a sixty-fourth of the domain's memory, eight times what the tables of a map in the smallest pages take, and so much that a guest with default limits
 * of ports, grants and mappings meets those first, unless it uses up several of them at once.
 */
#define DEFAULT_BASE (16UL << 20)
#define DEFAULT_SHARE 64u

const char *overhead_name(enum overhead_kind kind)
{
	static const char *const names[NR_OVERHEADS] = { "state",  "map",    "devices", "dirty log",
							 "events", "grants", "mappings" };

	return names[kind];
}

uint64_t overhead_default(uint64_t max_pages)
{
	uint64_t chosen = param_size("overhead_max", 0);

	return chosen ? chosen : DEFAULT_BASE + (max_pages << PAGE_SHIFT) / DEFAULT_SHARE;
}

/* Counted first, so that however many race none gets beyond the bound; who does takes its part back. */
bool overhead_charge(struct overhead *o, enum overhead_kind kind, uint64_t bytes)
{
	uint64_t max = read_once(o->max), used = __atomic_add_fetch(&o->used, bytes, __ATOMIC_RELAXED);

	if (unlikely(max && used > max)) {
		__atomic_fetch_sub(&o->used, bytes, __ATOMIC_RELAXED);
		__atomic_fetch_add(&o->refused, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_fetch_add(&o->kind[kind], bytes, __ATOMIC_RELAXED);
	return true;
}

void overhead_release(struct overhead *o, enum overhead_kind kind, uint64_t bytes)
{
	uint64_t before = __atomic_fetch_sub(&o->kind[kind], bytes, __ATOMIC_RELAXED);

	ASSERT(before >= bytes);
	__atomic_fetch_sub(&o->used, bytes, __ATOMIC_RELAXED);
}

void overhead_end(const struct overhead *o, domid_t id)
{
	for (unsigned i = 0; i < NR_OVERHEADS; i++)
		if (o->kind[i])
			printk(LOG_ERR, "d%u is gone, but for %lu bytes of %s\n", id, (unsigned long)o->kind[i],
			       overhead_name(i));
}

void *overhead_alloc(struct overhead *o, enum overhead_kind kind, size_t size, const char *what)
{
	size_t bytes = heap_rounded(size);
	void *p;

	if (!overhead_charge(o, kind, bytes))
		return NULL;
	p = heap_alloc(size, what);
	if (!p)
		overhead_release(o, kind, bytes);
	return p;
}

void *overhead_alloc_array(struct overhead *o, enum overhead_kind kind, size_t size, size_t n, const char *what)
{
	size_t bytes;

	return __builtin_mul_overflow(size, n, &bytes) ? NULL : overhead_alloc(o, kind, bytes, what);
}

void overhead_free(struct overhead *o, enum overhead_kind kind, void *p)
{
	size_t bytes = p ? heap_size_of(p) : 0;

	xfree(p);
	overhead_release(o, kind, bytes);
}

void *overhead_page(struct overhead *o, enum overhead_kind kind)
{
	void *va;

	if (!overhead_charge(o, kind, PAGE_SIZE))
		return NULL;
	va = alloc_page();
	if (!va)
		overhead_release(o, kind, PAGE_SIZE);
	return va;
}

void overhead_page_free(struct overhead *o, enum overhead_kind kind, void *va)
{
	if (!va)
		return;
	free_page(va);
	overhead_release(o, kind, PAGE_SIZE);
}
