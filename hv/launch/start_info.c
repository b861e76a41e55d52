/* Start info of a PVH guest. See start_info.h. */
#include "start_info.h"

#include "hv/string.h"
#include "hvm_start_info.h"

size_t start_info_build(uint8_t *buf, size_t size, const struct start_info_desc *desc)
{
	struct hvm_start_info *si = (struct hvm_start_info *)buf;
	size_t modlist = sizeof(*si), map = modlist + sizeof(struct hvm_modlist_entry);
	size_t text = map + desc->nr_map * sizeof(struct hvm_memmap_table_entry);
	size_t total = text + strlen(desc->cmdline) + 1;
	struct hvm_memmap_table_entry *m = (struct hvm_memmap_table_entry *)(buf + map);

	if (total > size)
		return 0;
	memset(buf, 0, total);
	*si = (struct hvm_start_info){
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = 1,
		.flags = desc->flags,
		.nr_modules = desc->initrd_size ? 1 : 0,
		.modlist_paddr = desc->initrd_size ? desc->gpa + modlist : 0,
		.cmdline_paddr = desc->gpa + text,
		.rsdp_paddr = desc->rsdp,
		.memmap_paddr = desc->gpa + map,
		.memmap_entries = desc->nr_map,
	};
	*(struct hvm_modlist_entry *)(buf + modlist) =
		(struct hvm_modlist_entry){ desc->initrd, desc->initrd_size, 0, 0 };
	for (unsigned i = 0; i < desc->nr_map; i++)
		m[i] = (struct hvm_memmap_table_entry){ desc->map[i].addr, desc->map[i].size, desc->map[i].type, 0 };
	memcpy(buf + text, desc->cmdline, strlen(desc->cmdline) + 1);
	return total;
}
