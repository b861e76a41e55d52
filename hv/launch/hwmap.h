/* The memory map of the hardware domain: the machine's own, with less RAM. Pure. */
#ifndef LAUNCH_HWMAP_H
#define LAUNCH_HWMAP_H

#include "hv/boot.h"
#include "hv/types.h"

/* Entries a sanitised map may need: each edge of the firmware's map begins at most one. */
#define HWMAP_MAX (2 * BOOT_MAX_E820 + 8)

struct hwmap {
	struct e820_entry e[HWMAP_MAX]; /* ascending, not overlapping; RAM and own ACPI entries page aligned */
	unsigned nr;
	uint64_t ram;	     /* bytes of E820_RAM given, without the ACPI piece */
	uint64_t acpi;	     /* where the ACPI piece is */
	uint64_t start, end; /* the RAM below 4 GiB where kernel, initrd and start info go */
};

/*
 * Ascending and without overlaps: where entries of @in contradict each other, the one that is not RAM counts, and the higher type
 * among those. Returns the number of entries in @out (HWMAP_MAX), which is 0 for an empty map.
 */
unsigned hwmap_sanitise(struct e820_entry *out, const struct e820_entry *in, unsigned nr);
/*
 * Give the lowest @ram bytes of the RAM in sanitised @host, of it @acpi bytes for tables; RAM beyond, and between @low_end and 4 GiB,
 * becomes unusable, so that its addresses stay free for what a domain maps. NULL, or what is wrong.
 */
const char *hwmap_make(struct hwmap *m, const struct e820_entry *host, unsigned nr, uint64_t ram, uint64_t acpi,
		       uint64_t low_end) must_check;

#endif
