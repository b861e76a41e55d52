/* Memory lacks while domains are launched: the hardware domain at the machine's own addresses, and an ordinary one. See no_memory.h. */
#include <elf.h>

#include "guest_test.h"
#include "hv/boot.h"
#include "hv/console.h"
#include "hv/hwdom.h"
#include "hv/launch/internal.h"
#include "no_memory.h"

#define MIB (1UL << 20)
#define RAMDISK_SIZE 9000u

static struct boot_info bi;

/* There is no IOMMU. */
bool hwdom_identity(void)
{
	return true;
}

/* A PVH kernel of some bytes; and a RAM disk. */
static struct {
	Elf64_Ehdr head;
	Elf64_Phdr segment[2];
	Elf64_Nhdr note;
	char name[4];
	uint32_t entry;
	uint8_t text[64];
} kernel;
static uint8_t ramdisk[RAMDISK_SIZE];

static void link_kernel(uint64_t at)
{
	kernel.head = (Elf64_Ehdr){ .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
				    .e_type = ET_EXEC,
				    .e_machine = EM_X86_64,
				    .e_version = EV_CURRENT,
				    .e_phoff = sizeof(kernel.head),
				    .e_ehsize = sizeof(kernel.head),
				    .e_phentsize = sizeof(kernel.segment[0]),
				    .e_phnum = 2 };
	kernel.segment[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					  .p_offset = offsetof(typeof(kernel), text),
					  .p_paddr = at,
					  .p_filesz = sizeof(kernel.text),
					  .p_memsz = sizeof(kernel.text) };
	kernel.segment[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
					  .p_offset = offsetof(typeof(kernel), note),
					  .p_align = 4,
					  .p_filesz = offsetof(typeof(kernel), text) - offsetof(typeof(kernel), note) };
	kernel.note = (Elf64_Nhdr){ 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */ };
	memcpy(kernel.name, "Xen", 4);
	kernel.entry = (uint32_t)at;
	memset(kernel.text, 0x11, sizeof(kernel.text));
	memset(ramdisk, 0x22, sizeof(ramdisk));
}

static void add_module(uint64_t at, const void *data, uint64_t size)
{
	bi.modules[bi.nr_modules++] = (struct boot_module){ at, size, "" };
	memcpy(paddr_to_virt(at), data, size);
}

static void describe(unsigned i, uint32_t roles, int disk)
{
	struct launch_domain *desc = &launch.cfg.domains[i];

	*desc = (struct launch_domain){ .domid = (domid_t)i,
					.roles = roles,
					.cpus = 2,
					.memory_kib = 8 << 10,
					.kernel = 0,
					.ramdisk = disk,
					.config = -1,
					.bootargs = "ro" };
	snprintf(desc->name, sizeof(desc->name), "domain%u", i);
	launch.inst[i].desc = desc;
	launch_policy_init(&launch.inst[i]);
}

static void begin(void)
{
	struct frame *f;

	host_machine(RAM, 1);
	console_init();
	f = alloc_frames(NULL, 3, 0);
	assert_non_null(f);
	memset(&bi, 0, sizeof(bi));
	bi.e820[bi.nr_e820++] = (struct e820_entry){ 0, 0x9f000, E820_RAM };
	bi.e820[bi.nr_e820++] = (struct e820_entry){ MIB, RAM - MIB, E820_RAM };
	link_kernel(2 * MIB);
	add_module(mfn_to_paddr(frame_to_mfn(f)), &kernel, sizeof(kernel));
	add_module(mfn_to_paddr(frame_to_mfn(f)) + 4 * PAGE_SIZE, ramdisk, sizeof(ramdisk));
	launch.bi = &bi;
	launch.cfg.nr_domains = 2;
	launch.starting = true; /* the machine does not end with its last domain */
	describe(0, ROLE_ALL, -1);
	describe(1, 0, 1);
}

static void settle(void)
{
	for (unsigned i = 0; i < 200; i++)
		host_run_softirqs(0);
}

/* 0, or -ENOMEM if the domain's one line says that memory was short, for which it has several words. */
static long build(struct launch_instance *in)
{
	static const char *const words[] = { "out of memory", "error 12",
					     "memory at the machine's own addresses is taken" };
	const char *log;
	int rc;

	host_log();
	while ((rc = launch_build(in)) == -ERESTART)
		;
	if (!rc)
		return 0;
	log = host_log();
	assert_non_null(strstr(log, "left out"));
	assert_null(in->d);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(log, words[i]))
			return -ENOMEM;
	return rc;
}

static void end(struct launch_instance *in)
{
	struct domain *d = in->d;

	if (!d)
		return;
	assert_true(domain_get(d));
	if (hardware_domain == d) {
		hardware_domain = NULL;
		domain_put(d);
	}
	kill_domain(d);
	domain_put(d);
}

static void work(void)
{
	if (LIKES(build(&launch.inst[0])))
		(void)LIKES(build(&launch.inst[1]));
	for (unsigned i = 0; i < 2; i++) {
		end(&launch.inst[i]);
		settle();
		assert_null(domain_get_by_id((domid_t)i));
	}
}

/* Modules that find no place above stay where they are: a hole in the domain's map, if nothing worse. */
static void move(void)
{
	launch_move_modules(&bi);
	assert_memory_equal(paddr_to_virt(bi.modules[0].start), &kernel, sizeof(kernel));
	assert_memory_equal(paddr_to_virt(bi.modules[1].start), ramdisk, sizeof(ramdisk));
	(void)LIKES(0);
}

static void launches(void **state)
{
	static const struct no_memory_work works[] = {
		{ "launch", begin, work, NULL, false },
		{ "modules", begin, move, NULL, true },
	};

	each_place_fails(works, ARRAY_SIZE(works));
}

static void all_places(void **state)
{
	all_places_failed(PART_LAUNCH, NULL, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(launches), cmocka_unit_test(all_places) };

	no_memory_init(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
