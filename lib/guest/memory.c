/*
 * Its memory: claimed, populated in the largest pieces there are, described. Pieces of a size that cannot be had are taken in the next smaller one from then
 * on; each call asks for many.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/sysctl.h"
#include "guest/domain.h"

#define LIST_ENTRIES 4096u
#define ORDER_1G 18u
#define ORDER_2M 9u
/* Pages asked for in one call: progress is told between calls. */
#define CALL_PAGES (1u << 18)

static bool on_demand(const struct domain_config *c)
{
	return c->maxmem > c->memory;
}

static uint64_t ram_pages(const struct builder *g)
{
	return (g->low_end + (g->high_end ? g->high_end - HIGH_RAM_START : 0)) / GUEST_PAGE;
}

/* How much the machine has, for people. */
static int no_memory(struct builder *g)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
	uint64_t free = 0;

	if (hcall_sysctl(g->h, &op) == 0 && op.u.physinfo.free_pages > op.u.physinfo.outstanding_pages)
		free = op.u.physinfo.free_pages - op.u.physinfo.outstanding_pages;
	return problem_set(g->p, ENOMEM, "not-enough-memory", g->step,
			   "give the domain less memory, or free some: xl mem-set Domain-0, xl destroy",
			   "it needs %llu MiB and %llu MiB of the machine's memory are free",
			   (unsigned long long)(g->c->memory >> 10), (unsigned long long)(free * GUEST_PAGE >> 20));
}

/* Promise or, with 0, release. */
static long claim(struct builder *g, uint64_t pages)
{
	struct xen_memory_reservation r = { .nr_extents = pages, .domid = (domid_t)g->domid };

	return hcall_memory(g->h, XENMEM_claim_pages, &r, sizeof(r));
}

void memory_unclaim(struct builder *g)
{
	if (g->claimed)
		(void)claim(g, 0);
	g->claimed = false;
}

/* Populate extents of one size from @at on, as far as they go. How many pages came, or -errno. */
static long populate_run(struct builder *g, uint64_t *list, uint64_t at, uint64_t end, unsigned order)
{
	struct xen_memory_reservation r = {
		.extent_order = order,
		.domid = (domid_t)g->domid,
		.mem_flags = on_demand(g->c) && at < SPECIAL_START / GUEST_PAGE ? XENMEMF_populate_on_demand : 0,
		.extent_start = hcall_address(g->h, list),
	};
	uint64_t nr = (end - at) >> order, most = CALL_PAGES >> order;
	long rc;

	if (nr > most)
		nr = most ? most : 1;
	if (nr > LIST_ENTRIES)
		nr = LIST_ENTRIES;
	for (uint64_t i = 0; i < nr; i++)
		list[i] = at + (i << order);
	r.nr_extents = nr;
	rc = hcall_memory(g->h, XENMEM_populate_physmap, &r, sizeof(r));
	if (rc < 0)
		return rc;
	return (long)((rc > (long)nr ? nr : (uint64_t)rc) << order);
}

/* The largest order, up to @limit, with which an extent may begin at @at; *@end is where its run ends. */
static unsigned order_at(uint64_t at, uint64_t to, unsigned limit, uint64_t *end)
{
	static const unsigned orders[] = { ORDER_1G, ORDER_2M, 0 };

	*end = to;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t size = 1ULL << orders[i];

		if (orders[i] > limit)
			continue;
		if (!(at & (size - 1)) && to - at >= size) {
			if ((to & ~(size - 1)) < *end)
				*end = to & ~(size - 1);
			return orders[i];
		}
		/* Small ones only up to where a larger one can begin. */
		if (at & (size - 1) && ((at + size) & ~(size - 1)) < *end)
			*end = (at + size) & ~(size - 1);
	}
	return 0;
}

struct run {
	uint64_t *list;
	unsigned limit; /* larger extents are not to be had */
	uint64_t done, total;
};

/* RAM for gfns [@from, @to). */
static int populate(struct builder *g, struct run *r, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t end;
		unsigned order = order_at(from, to, r->limit, &end);
		long got = populate_run(g, r->list, from, end, order);
		int rc;

		if (got < 0)
			return builder_refused(g, "to populate its memory", got);
		from += (uint64_t)got;
		r->done += (uint64_t)got;
		if (got == 0 && order == 0)
			return no_memory(g);
		/* None, or not all of those asked for: the next one of this size would fail. */
		if (got == 0)
			r->limit = order == ORDER_1G ? ORDER_2M : 0;
		rc = builder_progress(g, r->done, r->total);
		if (rc)
			return rc;
	}
	return 0;
}

static int populate_special(struct builder *g, struct run *r)
{
	uint64_t acpi = ACPI_START / GUEST_PAGE;
	uint64_t nr = 0;
	struct xen_memory_reservation m = { .domid = (domid_t)g->domid, .extent_start = hcall_address(g->h, r->list) };
	long rc;

	for (uint64_t i = 0; i < g->acpi_pages; i++)
		r->list[nr++] = acpi + i;
	for (uint64_t i = 0; i < SPECIAL_PAGES; i++)
		r->list[nr++] = SPECIAL_START / GUEST_PAGE + i;
	m.nr_extents = nr;
	rc = hcall_memory(g->h, XENMEM_populate_physmap, &m, sizeof(m));
	if (rc < 0)
		return builder_refused(g, "to populate its memory", rc);
	return rc == (long)nr ? 0 : no_memory(g);
}

/* A guest that starts with less than it may have one day: the hypervisor keeps so much for what it touches. */
static int set_target(struct builder *g)
{
	struct xen_pod_target t = { .target_pages = g->c->memory / 4, .domid = (domid_t)g->domid };
	long rc = hcall_memory(g->h, XENMEM_set_pod_target, &t, sizeof(t));

	if (rc == -ENOMEM)
		return no_memory(g);
	return rc ? builder_refused(g, "memory on demand", rc) : 0;
}

static int populate_all(struct builder *g)
{
	struct run r = { .limit = on_demand(g->c) ? ORDER_2M : ORDER_1G, .total = ram_pages(g) };
	int rc;

	r.list = hcall_alloc(g->h, LIST_ENTRIES * sizeof(*r.list));
	if (!r.list)
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	/* Memory on demand comes before other pages: until there is some, nothing would be kept for it. */
	rc = populate(g, &r, 0, g->low_end / GUEST_PAGE);
	if (rc == 0 && g->high_end)
		rc = populate(g, &r, HIGH_RAM_START / GUEST_PAGE, g->high_end / GUEST_PAGE);
	if (rc == 0)
		rc = populate_special(g, &r);
	hcall_free(g->h, r.list, LIST_ENTRIES * sizeof(*r.list));
	return rc;
}

/* What XENMEM_memory_map tells the guest. */
static int set_map(struct builder *g)
{
	struct xen_foreign_memory_map m = { .domid = (domid_t)g->domid };
	struct xen_e820_entry *list = hcall_alloc(g->h, sizeof(g->map));
	long rc;

	if (!list)
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	memcpy(list, g->map, g->nr_map * sizeof(*list));
	m.map.nr_entries = g->nr_map;
	m.map.buffer = hcall_address(g->h, list);
	rc = hcall_memory(g->h, XENMEM_set_memory_map, &m, sizeof(m));
	hcall_free(g->h, list, sizeof(g->map));
	return rc ? builder_refused(g, "its memory map", rc) : 0;
}

int memory_make(struct builder *g)
{
	long rc = 0;

	if (on_demand(g->c)) {
		rc = set_target(g);
		if (rc)
			return (int)rc;
	} else {
		rc = claim(g, ram_pages(g) + g->acpi_pages + SPECIAL_PAGES);
		g->claimed = rc == 0;
		if (rc == -ENOMEM)
			return no_memory(g);
		if (rc && rc != -ENOSYS && rc != -EOPNOTSUPP)
			return builder_refused(g, "to promise its memory", rc);
	}
	rc = populate_all(g);
	memory_unclaim(g);
	return rc ? (int)rc : set_map(g);
}
