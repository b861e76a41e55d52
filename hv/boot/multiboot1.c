/* Multiboot specification 0.6.96, section 3.3: the information structure. Pure: sees memory only through @map. */
#include "hv/boot.h"

#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "loader_text.h"

#define MBI_MEM (1u << 0)
#define MBI_CMDLINE (1u << 2)
#define MBI_MODS (1u << 3)
#define MBI_MMAP (1u << 6)
#define MBI_LOADER (1u << 9)
#define MMAP_MAX_BYTES 65536u

struct mbi {
	uint32_t flags;
	uint32_t mem_lower, mem_upper; /* KiB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr;
	uint32_t config_table;
	uint32_t loader_name;
};

struct mb_module {
	uint32_t start, end, string, reserved;
};

struct mb_mmap {
	uint32_t size; /* of what follows */
	uint64_t addr, len;
	uint32_t type;
} packed;

static int parse_modules(struct boot_info *bi, const struct mbi *mbi, boot_map_fn *map)
{
	uint32_t n = mbi->mods_count;

	if (n > BOOT_MAX_MODULES)
		n = BOOT_MAX_MODULES;
	for (uint32_t i = 0; i < n; i++) {
		const void *p = map((paddr_t)mbi->mods_addr + i * sizeof(struct mb_module), sizeof(struct mb_module));
		struct mb_module m;

		if (!p)
			return err(-EINVAL);
		memcpy(&m, p, sizeof(m));
		if (m.end < m.start)
			return err(-EINVAL);
		bi->modules[i] =
			(struct boot_module){ m.start, m.end - m.start, m.string ? boot_string(m.string, map) : "" };
		bi->nr_modules = i + 1;
	}
	return 0;
}

static int parse_mmap(struct boot_info *bi, const struct mbi *mbi, boot_map_fn *map)
{
	uint32_t at = 0, length = mbi->mmap_length;

	if (length > MMAP_MAX_BYTES)
		return err(-EINVAL);
	while (at < length && length - at >= sizeof(struct mb_mmap)) {
		const void *p = map((paddr_t)mbi->mmap_addr + at, sizeof(struct mb_mmap));
		struct mb_mmap e;

		if (!p)
			return err(-EINVAL);
		memcpy(&e, p, sizeof(e));
		if (e.size < sizeof(e) - sizeof(e.size) || e.size > length - at - sizeof(e.size))
			return err(-EINVAL);
		boot_add_e820(bi, e.addr, e.len, e.type);
		at += e.size + (uint32_t)sizeof(e.size);
	}
	return 0;
}

/* GRUB 2 passes arguments alone, others (GRUB Legacy "GRUB 0.97", QEMU) the file's name before them. */
static bool names_file(const char *loader)
{
	return strncmp(loader, "GRUB ", 5) || loader[5] == '0';
}

/* Fill @bi from the structure at @base. -EINVAL if a part of it that is announced cannot be read or makes no sense. */
int multiboot1_parse(struct boot_info *bi, paddr_t base, boot_map_fn *map)
{
	const void *p = map(base, sizeof(struct mbi));
	struct mbi mbi;
	int rc;

	if (!p)
		return err(-EINVAL);
	memcpy(&mbi, p, sizeof(mbi));
	memset(bi, 0, sizeof(*bi));
	bi->protocol = "multiboot";
	bi->loader = mbi.flags & MBI_LOADER ? boot_string(mbi.loader_name, map) : "unknown loader";
	if (mbi.flags & MBI_CMDLINE)
		boot_set_cmdline(bi, boot_string(mbi.cmdline, map), names_file(bi->loader));
	if (mbi.flags & MBI_MODS) {
		rc = parse_modules(bi, &mbi, map);
		if (rc)
			return rc;
	}
	if (mbi.flags & MBI_MMAP) {
		rc = parse_mmap(bi, &mbi, map);
		if (rc)
			return rc;
	} else if (mbi.flags & MBI_MEM) {
		boot_add_e820(bi, 0, (uint64_t)mbi.mem_lower << 10, E820_RAM);
		boot_add_e820(bi, 1UL << 20, (uint64_t)mbi.mem_upper << 10, E820_RAM);
	}
	return bi->nr_e820 ? 0 : err(-EINVAL);
}
