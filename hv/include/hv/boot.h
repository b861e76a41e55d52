/* What firmware and boot loader told us, in one structure, whatever protocol they spoke. */
#ifndef HV_BOOT_H
#define HV_BOOT_H

#include "hv/types.h"

#define BOOT_MAX_MODULES 64u
#define BOOT_MAX_E820 128u
#define BOOT_CMDLINE_LEN 2048u

struct boot_module {
	paddr_t start;
	uint64_t size;
	const char *cmdline; /* never NULL; the loader's string for this module */
};

/* E820 types, ACPI 6.5 table 15.4 */
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4, E820_UNUSABLE = 5 };

struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
};

struct boot_info {
	const char *protocol;		/* "multiboot", "multiboot2", "pvh" */
	const char *loader;		/* never NULL */
	char cmdline[BOOT_CMDLINE_LEN]; /* Hospes' own options, program name removed */
	struct e820_entry e820[BOOT_MAX_E820];
	unsigned nr_e820;
	struct boot_module modules[BOOT_MAX_MODULES];
	unsigned nr_modules;
	paddr_t rsdp; /* 0: search for it */
};

/* Filled by hv/boot before anything else runs; read-only afterwards. */
extern struct boot_info boot_info;

/* Pure parsers, fuzzed on the host: read the loader's structure at @base through @map (NULL = not readable). 0 or -EINVAL. */
typedef const void *boot_map_fn(paddr_t addr, uint64_t len);
int multiboot1_parse(struct boot_info *bi, paddr_t mbi, boot_map_fn *map) must_check;
int multiboot2_parse(struct boot_info *bi, paddr_t mbi, boot_map_fn *map) must_check;

/* One boot step: name shown by `boot-timeline`, and what it does. hv/boot/steps.c holds the array. */
struct boot_step {
	const char *name;
	void (*run)(void);
};

/* Command line options: hv/core/param.c holds the table of Xen's names. */
void param_parse(const char *cmdline);
bool param_bool(const char *name, bool dflt);	      /* name, no-name, name=on/off/yes/no/true/false/1/0 */
uint64_t param_size(const char *name, uint64_t dflt); /* BKMGT suffixes; without one kilobytes are meant, as in Xen */
int64_t param_int(const char *name, int64_t dflt);
const char *param_string(const char *name, const char *dflt); /* "" when bare, "no" for no-name */
/* Item of a comma list: item, no-item, item=bool; the last mention counts. */
bool param_list_bool(const char *name, const char *item, bool dflt);
int64_t param_list_int(const char *name, const char *item, int64_t dflt);
/* What follows " -- " on the command line. Never NULL. */
const char *param_extra(void);

#endif
