/* PVH boot ABI: struct hvm_start_info (public/arch-x86/hvm/start_info.h). Pure: sees memory only through @map. */
#include "pvh.h"

#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "loader_text.h"

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp;
	uint64_t memmap; /* version 1 */
	uint32_t memmap_entries, reserved;
};

struct start_info_module {
	uint64_t paddr, size, cmdline, reserved;
};

struct start_info_memory {
	uint64_t addr, size;
	uint32_t type, reserved;
};

/* Fill @bi from the start info at @base. -EINVAL if it is none, has no memory map, or cannot be read. */
int pvh_parse(struct boot_info *bi, paddr_t base, boot_map_fn *map)
{
	const void *p = map(base, sizeof(struct start_info));
	struct start_info si;

	if (!p)
		return err(-EINVAL);
	memcpy(&si, p, sizeof(si));
	if (si.magic != PVH_MAGIC || si.version < 1)
		return err(-EINVAL);
	memset(bi, 0, sizeof(*bi));
	bi->protocol = "pvh";
	bi->loader = "PVH";
	bi->rsdp = si.rsdp;
	if (si.cmdline)
		boot_set_cmdline(bi, boot_string(si.cmdline, map), false);
	for (uint32_t i = 0; i < si.nr_modules && i < BOOT_MAX_MODULES; i++) {
		struct start_info_module m;

		p = map(si.modlist + i * sizeof(m), sizeof(m));
		if (!p)
			return err(-EINVAL);
		memcpy(&m, p, sizeof(m));
		if (m.paddr + m.size < m.paddr)
			return err(-EINVAL);
		bi->modules[bi->nr_modules++] =
			(struct boot_module){ m.paddr, m.size, m.cmdline ? boot_string(m.cmdline, map) : "" };
	}
	for (uint32_t i = 0; i < si.memmap_entries && i < BOOT_MAX_E820; i++) {
		struct start_info_memory e;

		p = map(si.memmap + i * sizeof(e), sizeof(e));
		if (!p)
			return err(-EINVAL);
		memcpy(&e, p, sizeof(e));
		boot_add_e820(bi, e.addr, e.size, e.type);
	}
	return bi->nr_e820 ? 0 : err(-EINVAL);
}
