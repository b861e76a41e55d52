/*
 * What lies where in a new domain, decided before it exists, and then written there.
 *
 * The ramdisk is at the top of the first GiB of RAM, the start info block below it, the kernel where its segments say; Linux's PVH entry has only that GiB mapped
 * when it reads both.
 */
#include "guest/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/hospes.h"
#include "hcall/foreign.h"
#include "hv/launch/acpi.h"
#include "hv/launch/elf.h"
#include "hv/launch/start_info.h"

#define PLACE_MAX (1ULL << 30)
#define PLACE_MIN 0x100000ULL
#define RSDP_COPY 0xfffc0ULL /* in the BIOS area, where searches without the start info look (ACPI 6.5, 5.2.5.1) */
#define CMDLINE_MAX 4096u
#define CHUNK (8UL << 20) /* written at a time: progress is told between */
#define READ_ROOM (1UL << 20)

static uint64_t round_up(uint64_t n)
{
	return (n + GUEST_PAGE - 1) & ~(uint64_t)(GUEST_PAGE - 1);
}

/* The plan --------------------------------------------------------------------------------------------------------- */

static void add_map(struct builder *g, uint64_t from, uint64_t to, uint32_t type)
{
	g->map[g->nr_map++] = (struct xen_e820_entry){ from, to - from, type };
}

static int plan_ram(struct builder *g)
{
	const struct domain_config *c = g->c;
	uint64_t ram = ((c->maxmem > c->memory ? c->maxmem : c->memory) << 10) & ~(uint64_t)(GUEST_PAGE - 1);

	if (ram < 2 * PLACE_MIN || c->memory < 2048)
		return problem_set(g->p, EINVAL, "bad-value", "memory", "set memory = to 4 or more",
				   "%llu KiB of memory are too little", (unsigned long long)c->memory);
	if (ram >> 46)
		return problem_set(g->p, EINVAL, "bad-value", "memory",
				   "correct memory = and maxmem =", "it would have more than 64 TiB");
	g->low_end = ram < LOW_RAM_END ? ram : LOW_RAM_END;
	g->high_end = ram > LOW_RAM_END ? HIGH_RAM_START + ram - LOW_RAM_END : 0;
	add_map(g, 0, g->low_end, E820_RAM);
	add_map(g, ACPI_START, ACPI_START + g->acpi_pages * GUEST_PAGE, E820_ACPI);
	add_map(g, LAPIC_START, LAPIC_START + GUEST_PAGE, E820_RESERVED);
	add_map(g, SPECIAL_START, SPECIAL_START + SPECIAL_PAGES * GUEST_PAGE, E820_RESERVED);
	if (g->high_end)
		add_map(g, HIGH_RAM_START, g->high_end, E820_RAM);
	return 0;
}

/* The tables a domain with CPUs and nothing else has: those Hospes gives its own. */
static int plan_acpi(struct builder *g)
{
	unsigned vcpus = g->c->maxvcpus > g->c->vcpus ? g->c->maxvcpus : g->c->vcpus;

	g->acpi = calloc(1, GUEST_ACPI_MAX);
	if (!g->acpi)
		return builder_refused(g, "memory for its tables", -ENOMEM);
	g->acpi_size = acpi_build(g->acpi, GUEST_ACPI_MAX, ACPI_START, vcpus);
	if (!g->acpi_size)
		return problem_set(g->p, EINVAL, "bad-value", g->step, "set maxvcpus = to a smaller number",
				   "tables of %u vCPUs do not fit", vcpus);
	g->acpi_pages = round_up(g->acpi_size) / GUEST_PAGE;
	return 0;
}

static int plan_kernel(struct builder *g)
{
	struct elf_image e;
	const char *why;
	int rc = guest_kernel_open(&g->kernel, g->c->kernel, g->b->kernel_cache, g->p);

	if (rc)
		return rc;
	why = elf_parse(&e, g->kernel.elf, g->kernel.size);
	if (!why && !e.has_pvh)
		why = "it has no XEN_ELFNOTE_PHYS32_ENTRY note";
	if (!why && (e.pvh_entry < e.low || e.pvh_entry >= e.high))
		why = "its PVH entry lies outside of it";
	if (why)
		return problem_set(g->p, ENOEXEC, "kernel-not-pvh", g->step,
				   "use a kernel built for PVH: for Linux CONFIG_PVH, as all of Debian's are",
				   "%s: not a kernel for PVH domains: %s", g->c->kernel, why);
	g->entry = e.pvh_entry;
	g->kernel_low = e.low;
	g->kernel_high = e.high;
	return 0;
}

static int plan_ramdisk(struct builder *g)
{
	const char *path = g->c->ramdisk;
	struct stat st;

	if (!path)
		return 0;
	g->ramdisk = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (g->ramdisk < 0 || fstat(g->ramdisk, &st))
		return problem_set(g->p, errno, errno == ENOENT ? "no-such-file" : "not-readable", "ramdisk",
				   "correct the path after ramdisk=", "%s: %s", path,
				   errno == ENOENT ? "does not exist" : strerror(errno));
	if (!S_ISREG(st.st_mode))
		return problem_set(g->p, EINVAL, "not-a-file", "ramdisk",
				   "correct the path after ramdisk=", "%s: is not an ordinary file", path);
	g->ramdisk_size = (uint64_t)st.st_size;
	return 0;
}

static int too_small(struct builder *g, uint64_t need)
{
	return problem_set(g->p, ENOMEM, "kernel-does-not-fit", g->step, "give the domain more memory: memory =",
			   "kernel and ramdisk need %llu MiB from address 0 on and the domain has %llu MiB there",
			   (unsigned long long)((need >> 20) + 1),
			   (unsigned long long)((g->low_end < PLACE_MAX ? g->low_end : PLACE_MAX) >> 20));
}

static int plan_places(struct builder *g)
{
	uint64_t end = g->low_end < PLACE_MAX ? g->low_end : PLACE_MAX, need;

	if (g->c->cmdline && strlen(g->c->cmdline) >= CMDLINE_MAX)
		return problem_set(g->p, E2BIG, "bad-value", g->step, "shorten root=, extra= or cmdline=",
				   "the kernel's command line is longer than %u bytes", CMDLINE_MAX - 1);
	need = (g->kernel_high > PLACE_MIN ? g->kernel_high : PLACE_MIN) + START_INFO_MAX + GUEST_PAGE;
	if (need > end || g->ramdisk_size > end - need)
		return too_small(g, need + g->ramdisk_size);
	g->ramdisk_gpa = (end - g->ramdisk_size) & ~(uint64_t)(GUEST_PAGE - 1);
	g->info_gpa = g->ramdisk_gpa - START_INFO_MAX;
	if (g->kernel_high > g->info_gpa)
		return too_small(g, need + g->ramdisk_size);
	return 0;
}

int plan_make(struct builder *g)
{
	int rc = plan_kernel(g);

	if (rc == 0)
		rc = plan_ramdisk(g);
	if (rc == 0)
		rc = plan_acpi(g);
	if (rc == 0)
		rc = plan_ram(g);
	if (rc == 0)
		rc = plan_places(g);
	return rc;
}

void plan_release(struct builder *g)
{
	guest_kernel_close(&g->kernel);
	free(g->acpi);
	if (g->ramdisk >= 0)
		close(g->ramdisk);
}

/* Contents --------------------------------------------------------------------------------------------------------- */

/* @data NULL: zeroes, which new memory of Hospes' domains holds already. */
static int put(struct builder *g, uint64_t gpa, const void *data, uint64_t len)
{
	int rc;

	if (len == 0 || (!data && hcall_features(g->h) & HOSPES_FEATURE_zeroed))
		return 0;
	rc = foreign_write(g->h, g->domid, gpa, data, len);
	if (rc == -ENOMEM)
		return problem_set(g->p, ENOMEM, "out-of-memory", g->step,
				   "free memory in this domain, or give it more",
				   "not enough memory in this domain to reach the new one's");
	return rc ? builder_refused(g, "to write into its memory", rc) : 0;
}

static int put_segment(struct builder *g, const struct elf_segment *s, uint64_t *done, uint64_t total)
{
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && at < s->filesz; at += CHUNK) {
		uint64_t n = s->filesz - at < CHUNK ? s->filesz - at : CHUNK;

		rc = put(g, s->paddr + at, s->data + at, n);
		*done += n;
		if (rc == 0)
			rc = builder_progress(g, *done, total);
	}
	return rc ? rc : put(g, s->paddr + s->filesz, NULL, s->memsz - s->filesz);
}

int place_kernel(struct builder *g)
{
	struct elf_image e;
	struct elf_segment s;
	uint64_t done = 0;
	unsigned i = 0;
	int rc = 0;

	if (elf_parse(&e, g->kernel.elf, g->kernel.size))
		return builder_refused(g, "its kernel", -ENOEXEC);
	while (rc == 0 && elf_next_load(&e, &i, &s))
		rc = put_segment(g, &s, &done, g->kernel.size);
	return rc;
}

/* Read, not mapped: whoever shortens the file meanwhile shall not be able to end this process. */
int place_ramdisk(struct builder *g)
{
	uint64_t done = 0;
	uint8_t *buf;
	int rc = 0;

	if (g->ramdisk < 0 || !g->ramdisk_size)
		return 0;
	buf = hcall_alloc(g->h, READ_ROOM);
	if (!buf)
		return builder_refused(g, "memory for its arguments", -ENOMEM);
	while (rc == 0 && done < g->ramdisk_size) {
		uint64_t left = g->ramdisk_size - done;
		ssize_t n = pread(g->ramdisk, buf, left < READ_ROOM ? left : READ_ROOM, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			rc = problem_set(g->p, n < 0 ? errno : EIO, "not-readable", g->step,
					 "wait until the file is complete and try again", "%s: %s", g->c->ramdisk,
					 n < 0 ? strerror(errno) : "became shorter while it was read");
		else
			rc = put(g, g->ramdisk_gpa + done, buf, (uint64_t)n);
		done += n > 0 ? (uint64_t)n : 0;
		if (rc == 0)
			rc = builder_progress(g, done, g->ramdisk_size);
	}
	hcall_free(g->h, buf, READ_ROOM);
	return rc;
}

static int put_start_info(struct builder *g)
{
	struct e820_entry map[MAP_MAX];
	struct start_info_desc d = {
		.gpa = g->info_gpa,
		.cmdline = g->c->cmdline ? g->c->cmdline : "",
		.initrd = g->ramdisk_gpa,
		.initrd_size = g->ramdisk_size,
		.rsdp = ACPI_START,
		.map = map,
		.nr_map = g->nr_map,
	};
	uint8_t *buf = calloc(1, START_INFO_MAX);
	size_t len;
	int rc;

	if (!buf)
		return builder_refused(g, "memory for its tables", -ENOMEM);
	for (unsigned i = 0; i < g->nr_map; i++)
		map[i] = (struct e820_entry){ g->map[i].addr, g->map[i].size, g->map[i].type };
	len = start_info_build(buf, START_INFO_MAX, &d);
	rc = len ? put(g, g->info_gpa, buf, len) : builder_refused(g, "its start info", -ENOSPC);
	free(buf);
	return rc;
}

/* Identity page table for processors that cannot run a guest without paging: 4 MiB pages (Intel SDM vol. 3, 4.3). */
static int put_identity(struct builder *g)
{
	uint32_t table[GUEST_PAGE / 4];

	for (uint32_t i = 0; i < GUEST_PAGE / 4; i++)
		table[i] = i << 22 | 0xe7; /* present, writable, user, accessed, dirty, large */
	return put(g, IDENT_PT_GFN * GUEST_PAGE, table, sizeof(table));
}

int place_tables(struct builder *g)
{
	int rc = put(g, ACPI_START, g->acpi, g->acpi_size);

	if (rc == 0)
		rc = put(g, STORE_GFN * GUEST_PAGE, NULL, GUEST_PAGE);
	if (rc == 0)
		rc = put(g, CONSOLE_GFN * GUEST_PAGE, NULL, GUEST_PAGE);
	if (rc == 0 && g->low_end > RSDP_COPY)
		rc = put(g, RSDP_COPY, g->acpi, ACPI_RSDP_LEN);
	if (rc == 0)
		rc = put_identity(g);
	return rc ? rc : put_start_info(g);
}
