/*
 * Shared by the two parts that build a domain: build.c plans it, makes it and says what comes after what; fill.c gives it memory and contents.
 */
#ifndef LAUNCH_BUILD_H
#define LAUNCH_BUILD_H

#include "elf.h"
#include "hv/hypercall.h"
#include "hwmap.h"
#include "internal.h"

#define SPECIAL_BASE 0xfeff8000UL
#define SPECIAL_END 0xff000000UL
#define XENSTORE_GFN 0xfeffcUL
#define CONSOLE_GFN 0xfefffUL
#define FOUR_GIB (1UL << 32)
#define RSDP_COPY 0xfffc0UL   /* in the BIOS area, where unrestricted searches look (ACPI 6.5, 5.2.5.1) */
#define PLACE_MAX (1UL << 30) /* Linux's PVH entry has only the first GiB mapped when it reads its start info */
#define PLACE_MIN 0x100000UL  /* start info and initrd stay above the first MiB */

/* Everything decided before the domain exists. */
struct plan {
	const struct boot_module *kernel, *initrd; /* initrd NULL: none */
	const char *cmdline;
	char *own_cmdline;		 /* what it points to if it is not as given, to be freed */
	bool direct;			 /* plain ELF kernel: segments are copied by Hospes */
	struct elf_image image;		 /* kernel if direct, else the loader */
	struct hwmap *hw;		 /* of the hardware domain, NULL for others */
	uint64_t reserved;		 /* pages taken for it already, without an IOMMU: identity.c */
	uint64_t ram, low_end, high_end; /* bytes; high_end 0: nothing above 4 GiB */
	uint64_t low_start;		 /* RAM for kernel and initrd is [low_start, low_end) */
	uint64_t initrd_gpa, info_gpa;
	uint64_t kernel_gpa, heap_gpa, loader_info_gpa, scratch_end; /* loader only */
	uint64_t acpi_gpa, acpi_pages;
	uint32_t entry;
};

/*
 * One at a time. At boot it is done at once; a restart gives way to what waits for this CPU, for to clean and fill gigabytes takes seconds. @step is
 * the step under way; a step in slices keeps its place in @item and @at.
 */
struct build {
	struct launch_instance *in; /* NULL: nothing is being built */
	struct plan plan;
	struct domain *d; /* reference held: a toolstack may find and destroy it meanwhile */
	unsigned step, item;
	uint64_t at;
	unsigned limit;	   /* larger pages were not to be had */
	uint64_t scrubbed; /* parts of the next page */
	bool pauses;
};

static inline bool build_pause(const struct build *b)
{
	return b->pauses && hypercall_preempt_check();
}

/* A step in slices is done, or failed. */
static inline int build_ended(struct build *b, int rc)
{
	b->item = 0;
	b->at = 0;
	return rc;
}

static inline const void *module_data(const struct boot_module *m)
{
	return paddr_to_virt(m->start);
}

/* Steps: -ENOMEM, -ERESTART, errors of the map. What is reserved for the domain becomes its own; all its RAM; files; what Hospes itself writes. */
int build_take_reserved(struct build *b) must_check;
int build_populate(struct build *b) must_check;
int build_copy(struct build *b) must_check;
int build_tables(struct build *b) must_check;

#endif
