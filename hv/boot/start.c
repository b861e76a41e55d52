/* First C code: keep what the loader said in memory of our own, then run the boot steps. */
#include "start.h"

#include "asm/mm.h"
#include "asm/paging.h"
#include "asm/sections.h"
#include "asm/smp.h"
#include "hv/boot.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "pvh.h"

#define MAGIC_MULTIBOOT1 0x2badb002u
#define MAGIC_MULTIBOOT2 0x36d76289u
#define STRINGS_SIZE 32768u
#define RSDP_SIZE 36u

struct boot_info boot_info;

static struct {
	char strings[STRINGS_SIZE]; /* the loader's memory is used for other things soon */
	size_t used;
	uint8_t rsdp[RSDP_SIZE];
} kept;

/* The loader's memory as the early tables show it. */
static const void *early_map(paddr_t p, uint64_t len)
{
	if (p >= EARLY_MAP_END || len > EARLY_MAP_END - p)
		return NULL;
	return paddr_to_virt(p);
}

static const char *keep(const char *s)
{
	size_t room = sizeof(kept.strings) - kept.used;
	char *to = kept.strings + kept.used;

	if (room < 2)
		return "";
	(void)str_copy(to, s, room);
	kept.used += strlen(to) + 1;
	return to;
}

static void keep_all(struct boot_info *bi)
{
	bi->loader = keep(bi->loader);
	for (unsigned i = 0; i < bi->nr_modules; i++)
		bi->modules[i].cmdline = keep(bi->modules[i].cmdline);
	/* Multiboot2 hands over a copy inside its own structure. */
	if (bi->rsdp && !strcmp(bi->protocol, "multiboot2")) {
		memcpy(kept.rsdp, early_map(bi->rsdp, 20), 20);
		if (kept.rsdp[15] >= 2) /* revision: the longer form, ACPI 6.5 table 5.3 */
			memcpy(kept.rsdp, early_map(bi->rsdp, RSDP_SIZE), RSDP_SIZE);
		bi->rsdp = image_paddr(kept.rsdp);
	}
}

/* From head.S on the early stack: @magic tells the protocol, @info is its structure. */
void start_hv(uint32_t magic, uint32_t info)
{
	int rc = -1;

	smp_boot_pcpu();
	switch (magic) {
	case MAGIC_MULTIBOOT1:
		rc = multiboot1_parse(&boot_info, info, early_map);
		break;
	case MAGIC_MULTIBOOT2:
		rc = multiboot2_parse(&boot_info, info, early_map);
		break;
	case PVH_MAGIC:
		rc = pvh_parse(&boot_info, info, early_map);
		break;
	default:
		boot_info.protocol = boot_info.loader = "unknown";
		break;
	}
	if (rc)
		boot_info.nr_e820 = 0; /* step "memory" complains, when it can be heard */
	else
		keep_all(&boot_info);
	boot_steps_early();
	stack_switch(smp_boot_stacks(), boot_steps_late);
}
