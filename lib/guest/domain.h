/* A domain being built, between the files of this folder: build.c runs the steps, the others have one step each. */
#ifndef GUEST_DOMAIN_H
#define GUEST_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/memory.h"
#include "base/problem.h"
#include "domain/config.h"
#include "guest/build.h"
#include "hcall/hcall.h"

#define GUEST_PAGE 4096u

/* The guest-physical map: as hv/launch/build.c makes it for domains of its own, with the special pages where libxl has them. */
#define LOW_RAM_END 0xf0000000ULL
#define HIGH_RAM_START (1ULL << 32)
#define ACPI_START 0xfc000000ULL
#define LAPIC_START 0xfee00000ULL
#define SPECIAL_START 0xfeff8000ULL
#define SPECIAL_PAGES 8u
/* gfns of them */
#define PAGING_GFN 0xfeff8ULL
#define MONITOR_GFN 0xfeff9ULL
#define SHARING_GFN 0xfeffaULL
#define STORE_GFN 0xfeffcULL
#define IDENT_PT_GFN 0xfeffeULL
#define CONSOLE_GFN 0xfefffULL

#define MAP_MAX 6u

struct builder {
	struct hcall *h;
	const struct domain_config *c;
	struct guest_build *b;
	bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
	void *progress_arg;
	struct problem *p;
	const char *step; /* now under way */

	/* Found before the domain exists. */
	struct guest_kernel kernel;
	uint32_t entry;			  /* its PVH entry */
	uint64_t kernel_low, kernel_high; /* where its segments go */
	int ramdisk;			  /* -1: none */
	uint64_t ramdisk_size;
	uint64_t low_end, high_end; /* RAM; high_end 0: none above 4 GiB */
	uint64_t ramdisk_gpa, info_gpa;
	uint8_t *acpi; /* the tables, and their pages */
	uint64_t acpi_size, acpi_pages;
	struct xen_e820_entry map[MAP_MAX];
	unsigned nr_map;

	/* Held, to be undone on failure. */
	uint32_t domid;
	bool created, claimed;
};

/* A hypercall that failed with -errno @rc: the problem "hypervisor-refused" with its name, unless there is one already. -errno. */
int builder_refused(struct builder *g, const char *what, long rc);
/* Shall it go on? 0 or -ECANCELED with the problem. */
int builder_progress(struct builder *g, uint64_t done, uint64_t total);

/* Kernel and ramdisk opened, addresses decided, all that can be seen to be wrong without a domain. builder_release() in any case. */
int plan_make(struct builder *g);
void plan_release(struct builder *g);
/* place.c: contents. */
int place_kernel(struct builder *g);
int place_ramdisk(struct builder *g);
int place_tables(struct builder *g);

/* create.c: an empty domain with its limits. */
int create_domain(struct builder *g);
/* policy.c */
int policy_apply(struct builder *g);
/* memory.c */
int memory_make(struct builder *g);
void memory_unclaim(struct builder *g);
/* populate.c: RAM. -ENOMEM: there is not so much, -ECANCELED with the problem, else the hypervisor's error. */
long populate_ram(struct builder *g, bool on_demand);
/* start.c: ports, parameters, grants, vCPUs. */
int start_prepare(struct builder *g);

#endif
