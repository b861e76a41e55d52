/* What the parsers of boot protocols share. */
#ifndef BOOT_LOADER_TEXT_H
#define BOOT_LOADER_TEXT_H

#include "hv/boot.h"
#include "hv/string.h"

#define BOOT_STRING_MAX 4096u

/* The string at @addr, or "" if it is not readable or has no end. */
static inline const char *boot_string(paddr_t addr, boot_map_fn *map)
{
	for (unsigned n = 0; n < BOOT_STRING_MAX; n++) {
		const char *c = map(addr + n, 1);

		if (!c)
			break;
		if (!*c) {
			c = map(addr, n + 1);
			return c ? c : "";
		}
	}
	return "";
}

/* Hospes' options are @s without the name of the program if @skip_name; too long a line is cut. */
static inline void boot_set_cmdline(struct boot_info *bi, const char *s, bool skip_name)
{
	while (*s == ' ')
		s++;
	if (skip_name) {
		while (*s && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
	}
	(void)str_copy(bi->cmdline, s, sizeof(bi->cmdline));
}

/* Ranges of no size, or that wrap, or beyond the array, are left out. */
static inline void boot_add_e820(struct boot_info *bi, uint64_t addr, uint64_t size, uint32_t type)
{
	if (!size || addr + size < addr || bi->nr_e820 == BOOT_MAX_E820)
		return;
	bi->e820[bi->nr_e820++] = (struct e820_entry){ addr, size, type };
}

#endif
