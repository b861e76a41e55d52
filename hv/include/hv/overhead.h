/*
 * Memory that Hospes uses for a domain beside the domain's own pages: what it is for, how much there is of it, and that it never exceeds a bound. Whatever
 * a guest's hypercalls make Hospes allocate comes through here, so none of them can use up the memory of others.
 *
 * What is not counted: pages of the domain itself, buffers that live as long as one hypercall, and what only the builder of domains at boot and a control
 * domain can add to a domain in small numbers (permissions for devices).
 */
#ifndef HV_OVERHEAD_H
#define HV_OVERHEAD_H

#include "hv/types.h"

enum overhead_kind {
	OVERHEAD_STATE,	   /* the domain, its vCPUs and their emulated devices */
	OVERHEAD_MAP,	   /* tables of the guest-physical map */
	OVERHEAD_DEVICES,  /* tables of its IOMMU context, emulated PCI configuration */
	OVERHEAD_DIRTY,	   /* the log of dirty pages */
	OVERHEAD_EVENTS,   /* ports */
	OVERHEAD_GRANTS,   /* frames of its grant table, and who uses its grants */
	OVERHEAD_MAPPINGS, /* handles of what it has mapped by grants */
	NR_OVERHEADS
};

/* As a bound that is set: what it would be had nobody set it. */
#define OVERHEAD_DEFAULT (~0UL)

struct overhead {
	uint64_t used;		     /* bytes of all kinds; atomic */
	uint64_t kind[NR_OVERHEADS]; /* of each; atomic */
	uint64_t max;		     /* bytes, 0: no bound */
	uint64_t refused;	     /* how often the bound was in the way; atomic */
	bool chosen;		     /* somebody set the bound: it does not follow the default */
};

/* A word for each kind, in the order of the enum. */
const char *overhead_name(enum overhead_kind kind);
/* The bound of a domain that nobody set another for: @max_pages is what memory it may have. The command line's overhead_max if there is one. */
uint64_t overhead_default(uint64_t max_pages);

/* Count @bytes more; false, and nothing is counted, beyond the bound. Any context, no lock. */
bool overhead_charge(struct overhead *o, enum overhead_kind kind, uint64_t bytes) must_check;
void overhead_release(struct overhead *o, enum overhead_kind kind, uint64_t bytes);

/* All of domain @id was given back, so nothing is counted: says what is, which is a leak of ours. */
void overhead_end(const struct overhead *o, domid_t id);

/* heap_alloc() and xfree(), counted. NULL also beyond the bound. */
void *overhead_alloc(struct overhead *o, enum overhead_kind kind, size_t size, const char *what) must_check;
void *overhead_alloc_array(struct overhead *o, enum overhead_kind kind, size_t size, size_t n,
			   const char *what) must_check;
void overhead_free(struct overhead *o, enum overhead_kind kind, void *p);
#define overhead_new(o, kind, type) ((type *)overhead_alloc((o), (kind), sizeof(type), #type))
#define overhead_new_array(o, kind, type, n) ((type *)overhead_alloc_array((o), (kind), sizeof(type), (n), #type "[]"))

/* alloc_page() and free_page(), counted. */
void *overhead_page(struct overhead *o, enum overhead_kind kind) must_check;
void overhead_page_free(struct overhead *o, enum overhead_kind kind, void *va);

#endif
