/* What the loader does, in order: find the payload, unpack it into place, hand off. */
#include "loader.h"

#include <string.h>

#define BZ_SETUP_SECTS 0x1f1
#define BZ_HEADER 0x202 /* "HdrS" */
#define BZ_VERSION 0x206
#define BZ_PAYLOAD_OFFSET 0x248 /* since protocol 2.08 */
#define BZ_PAYLOAD_LENGTH 0x24c

static long hospes_op(uint64_t op, uint64_t arg)
{
	long rc;

	/* The opcode follows the processor's vendor: "AMD"-like ones take VMMCALL. */
	uint32_t a = 0, b, c, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	if (b == 0x756e6547) /* "Genu": Intel */
		asm volatile("vmcall" : "=a"(rc) : "a"((uint64_t)HC_hospes_op), "D"(op), "S"(arg) : "memory");
	else
		asm volatile("vmmcall" : "=a"(rc) : "a"((uint64_t)HC_hospes_op), "D"(op), "S"(arg) : "memory");
	return rc;
}

void fail(const char *what)
{
	for (;;) {
		hospes_op(HOSPES_LOADER_FAILED, (uint64_t)what);
		asm volatile("hlt");
	}
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool is_bzimage(const uint8_t *k, uint64_t size)
{
	return size > 0x260 && memcmp(k + BZ_HEADER, "HdrS", 4) == 0;
}

/* The compressed ELF inside a bzImage: Linux's x86 boot protocol, "The Real-Mode Kernel Header". */
static void unpack_bzimage(const uint8_t *k, uint64_t size)
{
	uint64_t sects = k[BZ_SETUP_SECTS] ? k[BZ_SETUP_SECTS] : 4;
	uint64_t start = (sects + 1) * 512 + get32(k + BZ_PAYLOAD_OFFSET);
	uint64_t length = get32(k + BZ_PAYLOAD_LENGTH);

	if (k[BZ_VERSION + 1] < 2 || (k[BZ_VERSION + 1] == 2 && k[BZ_VERSION] < 8))
		fail("kernel: bzImage older than boot protocol 2.08 has no payload to find");
	if (length < 4 || start > size || length > size - start)
		fail("kernel: bzImage payload lies outside the file: truncated?");
	unpack(k + start, length);
}

void loader_main(const struct loader_info *info);

void loader_main(const struct loader_info *info)
{
	const uint8_t *kernel = (const uint8_t *)info->kernel;
	uint32_t entry;

	if (info->magic != LOADER_MAGIC)
		fail("loader: not started by its Hospes");
	heap_init(info->heap, info->heap_end);
	elf_begin(info);
	if (is_bzimage(kernel, info->kernel_size))
		unpack_bzimage(kernel, info->kernel_size);
	else
		unpack(kernel, info->kernel_size);
	entry = elf_finish();
	hospes_op(HOSPES_LOADER_DONE, entry);
	fail("loader: hand-off refused: the kernel's entry point is not in its memory");
}
