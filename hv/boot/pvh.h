/* The PVH entry, when Hospes itself runs as a guest or is loaded by a PVH-aware loader. */
#ifndef BOOT_PVH_H
#define BOOT_PVH_H

#include "hv/boot.h"

#define PVH_MAGIC 0x336ec578u

int pvh_parse(struct boot_info *bi, paddr_t base, boot_map_fn *map) must_check;

#endif
