/* Any bytes as the memory a boot loader filled. First byte: which protocol; second: where its structure begins. */
#include <stdlib.h>
#include <string.h>

#include "hv/boot/pvh.h"
#include "hv/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *memory;
static size_t memory_size;

static const void *map(paddr_t p, uint64_t len)
{
	return p < memory_size && len <= memory_size - p ? memory + p : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_info bi;
	size_t used = 0;
	int rc;

	if (size < 2)
		return 0;
	memory = data + 2;
	memory_size = size - 2;
	switch (data[0] % 3) {
	case 0:
		rc = multiboot1_parse(&bi, data[1], map);
		break;
	case 1:
		rc = multiboot2_parse(&bi, data[1], map);
		break;
	default:
		rc = pvh_parse(&bi, data[1], map);
		break;
	}
	if (rc)
		return 0;
	if (!bi.nr_e820 || bi.nr_e820 > BOOT_MAX_E820 || bi.nr_modules > BOOT_MAX_MODULES || !bi.loader)
		abort();
	used += strlen(bi.cmdline) + strlen(bi.loader);
	for (unsigned i = 0; i < bi.nr_modules; i++) {
		used += strlen(bi.modules[i].cmdline);
		if (bi.modules[i].start + bi.modules[i].size < bi.modules[i].start)
			abort();
	}
	for (unsigned i = 0; i < bi.nr_e820; i++)
		if (!bi.e820[i].size || bi.e820[i].addr + bi.e820[i].size < bi.e820[i].addr)
			abort();
	return used > 1UL << 30;
}
