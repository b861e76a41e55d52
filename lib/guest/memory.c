/* Its memory: claimed, populated (populate.c), described. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/sysctl.h"
#include "guest/domain.h"

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

static int populate_special(struct builder *g)
{
	uint64_t acpi = ACPI_START / GUEST_PAGE;
	uint64_t nr = 0;
	uint64_t *list = hcall_alloc(g->h, (g->acpi_pages + SPECIAL_PAGES) * sizeof(*list));
	struct xen_memory_reservation m = { .domid = (domid_t)g->domid, .extent_start = hcall_address(g->h, list) };
	long rc;

	if (!list)
		return builder_refused(g, "memory for its arguments", -ENOMEM);

	for (uint64_t i = 0; i < g->acpi_pages; i++)
		list[nr++] = acpi + i;
	for (uint64_t i = 0; i < SPECIAL_PAGES; i++)
		list[nr++] = SPECIAL_START / GUEST_PAGE + i;
	m.nr_extents = nr;
	rc = hcall_memory(g->h, XENMEM_populate_physmap, &m, sizeof(m));
	hcall_free(g->h, list, (g->acpi_pages + SPECIAL_PAGES) * sizeof(*list));
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
	/* Memory on demand comes before other pages: until there is some, nothing would be kept for it. */
	long rc = populate_ram(g, on_demand(g->c));

	if (rc == -ECANCELED)
		return -ECANCELED;
	if (rc == -ENOMEM)
		return no_memory(g);
	return rc ? builder_refused(g, "to populate its memory", rc) : populate_special(g);
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
