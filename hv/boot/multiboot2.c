/* Multiboot2 specification 2.0, section 3.6: a list of tags. Pure: sees memory only through @map. */
#include "hv/boot.h"

#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "loader_text.h"

enum { TAG_END, TAG_CMDLINE, TAG_LOADER, TAG_MODULE, TAG_MMAP = 6, TAG_RSDP_OLD = 14, TAG_RSDP_NEW = 15 };
#define MBI_MAX_BYTES (1u << 20)

struct mb2_tag {
	uint32_t type, size;
};

struct mb2_mmap {
	uint64_t addr, len;
	uint32_t type, reserved;
};

/* The string filling a tag from @offset on; "" if it has no end there. */
static const char *tag_string(const uint8_t *tag, uint32_t size, uint32_t offset)
{
	if (size <= offset || !memchr(tag + offset, 0, size - offset))
		return "";
	return (const char *)tag + offset;
}

static int parse_module(struct boot_info *bi, const uint8_t *tag, uint32_t size)
{
	uint32_t range[2];

	if (size < 16)
		return err(-EINVAL);
	memcpy(range, tag + 8, sizeof(range));
	if (range[1] < range[0])
		return err(-EINVAL);
	if (bi->nr_modules == BOOT_MAX_MODULES)
		return 0;
	bi->modules[bi->nr_modules++] =
		(struct boot_module){ range[0], range[1] - range[0], tag_string(tag, size, 16) };
	return 0;
}

static int parse_mmap(struct boot_info *bi, const uint8_t *tag, uint32_t size)
{
	uint32_t entry_size;

	if (size < 16)
		return err(-EINVAL);
	memcpy(&entry_size, tag + 8, sizeof(entry_size));
	if (entry_size < sizeof(struct mb2_mmap))
		return err(-EINVAL);
	for (uint32_t at = 16; size - at >= entry_size; at += entry_size) {
		struct mb2_mmap e;

		memcpy(&e, tag + at, sizeof(e));
		boot_add_e820(bi, e.addr, e.len, e.type);
	}
	return 0;
}

static int parse_tag(struct boot_info *bi, const uint8_t *tag, struct mb2_tag head, paddr_t where)
{
	switch (head.type) {
	case TAG_CMDLINE:
		/* GRUB leaves the program's name out, as the specification of its multiboot2 command has it. */
		boot_set_cmdline(bi, tag_string(tag, head.size, 8), false);
		return 0;
	case TAG_LOADER:
		bi->loader = tag_string(tag, head.size, 8);
		return 0;
	case TAG_MODULE:
		return parse_module(bi, tag, head.size);
	case TAG_MMAP:
		return parse_mmap(bi, tag, head.size);
	case TAG_RSDP_OLD:
		if (!bi->rsdp && head.size >= 8 + 20)
			bi->rsdp = where + 8;
		return 0;
	case TAG_RSDP_NEW:
		if (head.size >= 8 + 36)
			bi->rsdp = where + 8;
		return 0;
	default:
		return 0;
	}
}

/* Fill @bi from the tags at @base. -EINVAL if the list or a tag Hospes reads is malformed, or it has no memory map. */
int multiboot2_parse(struct boot_info *bi, paddr_t base, boot_map_fn *map)
{
	const uint8_t *p = map(base, 8);
	uint32_t total, at = 8;

	if (!p)
		return err(-EINVAL);
	memcpy(&total, p, sizeof(total));
	if (total < 8 || total > MBI_MAX_BYTES)
		return err(-EINVAL);
	p = map(base, total);
	if (!p)
		return err(-EINVAL);
	memset(bi, 0, sizeof(*bi));
	bi->protocol = "multiboot2";
	bi->loader = "unknown loader";
	while (total - at >= sizeof(struct mb2_tag)) {
		struct mb2_tag head;
		int rc;

		memcpy(&head, p + at, sizeof(head));
		if (head.size < sizeof(head) || head.size > total - at)
			return err(-EINVAL);
		if (head.type == TAG_END)
			break;
		rc = parse_tag(bi, p + at, head, base + at);
		if (rc)
			return rc;
		/* Tags start at multiples of 8; the last one's padding may be missing. */
		if (total - at < ROUND_UP(head.size, 8u))
			break;
		at += ROUND_UP(head.size, 8u);
	}
	return bi->nr_e820 ? 0 : err(-EINVAL);
}
