/*
 * hv/launch on the fake machine: ELF reading, ACPI tables, start info, and whole boots from modules: memory, seeds, console
 * ring, hand-over from the loader, ends and restarts. ABI facts: PVH start info, E820, HVM parameters 1 2 17 18, grants 0 and 1,
 * XENSTORE_RECONNECT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libfdt.h>

#include "asm/host.h"
#include "grant_table.h"
#include "hv/arch.h"
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/hypercall.h"
#include "hv/launch.h"
#include "hv/loader_abi.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/string.h"
#include "hvm_params.h"
#include "hvm_start_info.h"
#include "io_console.h"
#include "hv/launch/acpi.h"
#include "hv/launch/elf.h"
#include "xs_wire.h"

#define RAM (512UL << 20)

static struct boot_info bi;

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* The smallest PVH kernel: one segment of @text bytes and 64 KiB of BSS at 2 MiB, one note. Returns its size. */
static size_t make_elf(uint8_t *e, size_t text, uint32_t entry)
{
	memset(e, 0, 0x1000 + text);
	memcpy(e, "\177ELF\2\1\1", 7);
	put(e + 16, 2, 2);
	put(e + 18, 62, 2);
	put(e + 32, 64, 8);
	put(e + 54, 56, 2);
	put(e + 56, 2, 2);
	put(e + 64, 1, 4);
	put(e + 72, 0x1000, 8);
	put(e + 88, 0x200000, 8);
	put(e + 96, text, 8);
	put(e + 104, text + 0x10000, 8);
	put(e + 120, 4, 4);
	put(e + 128, 0x200, 8);
	put(e + 152, 20, 8);
	put(e + 160, 20, 8);
	put(e + 0x200, 4, 4);
	put(e + 0x204, 4, 4);
	put(e + 0x208, 18, 4);
	memcpy(e + 0x20c, "Xen", 4);
	put(e + 0x210, entry, 4);
	memset(e + 0x1000, 0x5a, text);
	return 0x1000 + text;
}

static void elf_files(void **state)
{
	static uint8_t e[0x3000];
	size_t n = make_elf(e, 0x1000, 0x200010);
	struct elf_image img;
	struct elf_segment s;
	unsigned i = 0;

	assert_null(elf_parse(&img, e, n));
	assert_true(img.has_pvh && img.pvh_entry == 0x200010 && img.is64);
	assert_int_equal(img.low, 0x200000);
	assert_int_equal(img.high, 0x211000);
	assert_true(elf_next_load(&img, &i, &s));
	assert_int_equal(s.filesz, 0x1000);
	assert_false(elf_next_load(&img, &i, &s));
	assert_non_null(elf_parse(&img, e, n - 1));
	for (unsigned at = 0; at < 0x220; at++)
		for (unsigned v = 0; v < 256; v += 51) {
			uint8_t *copy = malloc(n);

			memcpy(copy, e, n);
			copy[at] = (uint8_t)v;
			i = 0;
			if (!elf_parse(&img, copy, n))
				while (elf_next_load(&img, &i, &s))
					if (s.filesz) /* touch both ends: the sanitiser judges */
						assert_true(s.data[0] + s.data[s.filesz - 1] >= 0);
			free(copy);
		}
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

/* Follow every pointer from the RSDP, with @cpus processors in MADT and DSDT. */
static void walk_acpi(const uint8_t *t, size_t n, uint64_t gpa, unsigned cpus)
{
	const uint8_t *xsdt, *fadt, *madt, *dsdt, *p;
	unsigned seen = 0, devices = 0;

	assert_memory_equal(t, "RSD PTR ", 8);
	assert_int_equal(sum(t, 20), 0);
	assert_int_equal(sum(t, 36), 0);
	xsdt = t + (get(t + 24, 8) - gpa);
	assert_memory_equal(xsdt, "XSDT", 4);
	assert_int_equal(sum(xsdt, get(xsdt + 4, 4)), 0);
	assert_int_equal(get(xsdt + 4, 4), 36 + 2 * 8);
	fadt = t + (get(xsdt + 36, 8) - gpa);
	assert_memory_equal(fadt, "FACP", 4);
	assert_int_equal(sum(fadt, get(fadt + 4, 4)), 0);
	assert_int_equal(get(fadt + 109, 2) & 0x24, 0x24); /* no VGA, no CMOS RTC */
	assert_int_equal(get(fadt + 109, 2) & 0x3, 0);	   /* no legacy devices, no 8042 */
	assert_memory_equal(t + (get(fadt + 36, 4) - gpa), "FACS", 4);
	assert_int_equal(get(fadt + 36, 4) % 64, 0);
	dsdt = t + (get(fadt + 140, 8) - gpa);
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(sum(dsdt, get(dsdt + 4, 4)), 0);
	for (p = dsdt; p + 8 <= dsdt + get(dsdt + 4, 4); p++)
		devices += memcmp(p, "ACPI0007", 8) == 0;
	assert_int_equal(devices, cpus);
	madt = t + (get(xsdt + 44, 8) - gpa);
	assert_memory_equal(madt, "APIC", 4);
	assert_int_equal(sum(madt, get(madt + 4, 4)), 0);
	for (p = madt + 44; p < madt + get(madt + 4, 4); p += p[1], seen++) {
		assert_int_equal(p[0] == 0 ? p[3] : get(p + 4, 4), 2 * seen);
		assert_int_equal(p[0] == 0 ? p[2] : get(p + 12, 4), seen);
	}
	assert_int_equal(seen, cpus);
	assert_true((size_t)(p - t) <= n);
}

static void acpi_tables(void **state)
{
	static uint8_t buf[GUEST_ACPI_MAX];

	for (unsigned cpus = 1; cpus <= 200; cpus += 7) {
		size_t n = acpi_build(buf, sizeof(buf), GUEST_ACPI_BASE, cpus);

		assert_true(n > 0);
		walk_acpi(buf, n, GUEST_ACPI_BASE, cpus);
		assert_int_equal(acpi_build(buf, n - 1, GUEST_ACPI_BASE, cpus), 0);
	}
}

/* Boots ----------------------------------------------------------------------------------------------------- */

static uint64_t next_module;

static unsigned add_module(const void *data, size_t size, const char *cmdline)
{
	unsigned i = bi.nr_modules++;

	bi.modules[i] = (struct boot_module){ next_module, size, cmdline };
	memcpy(paddr_to_virt(next_module), data, size);
	next_module += ROUND_UP(size, PAGE_SIZE);
	return i;
}

/* A machine whose 64 MiB of memory belong to the boot loader. */
static void machine(void)
{

	host_machine(RAM, 1);
	console_init();
	memset(&bi, 0, sizeof(bi));
	bi.protocol = "multiboot";
	bi.loader = "qemu";
	bi.e820[0] = (struct e820_entry){ 0, RAM, E820_RAM };
	bi.nr_e820 = 1;
	/* One block nobody else gets is as good as boot memory. */
	struct frame *f = alloc_frames(NULL, 14, 0); /* 64 MiB */
	assert_non_null(f);
	next_module = mfn_to_paddr(frame_to_mfn(f));
	(void)host_log();
}

/* Let tasks and timers finish: destruction goes in slices. */
static void settle(void)
{
	for (unsigned i = 0; i < 2000; i++)
		host_run_softirqs(0);
}

static void ok(int rc)
{
	assert_true(rc >= 0);
}

static void tree_domain(char *blob, unsigned id, uint32_t kib, unsigned cpus, unsigned kernel, int ramdisk)
{
	char name[16];

	snprintf(name, sizeof(name), "d%u", id);
	ok(fdt_begin_node(blob, name));
	ok(fdt_property_string(blob, "compatible", "xen,domain"));
	ok(fdt_property_cell(blob, "domid", id));
	ok(fdt_property_cell(blob, "cpus", cpus));
	ok(fdt_property_u64(blob, "memory", kib));
	ok(fdt_property_string(blob, "bootargs", "hello world"));
	ok(fdt_begin_node(blob, "module@k"));
	ok(fdt_property(blob, "compatible", "module,kernel\0multiboot,module", 31));
	ok(fdt_property_cell(blob, "mb-index", kernel));
	ok(fdt_end_node(blob));
	if (ramdisk >= 0) {
		ok(fdt_begin_node(blob, "module@r"));
		ok(fdt_property(blob, "compatible", "module,ramdisk\0multiboot,module", 32));
		ok(fdt_property_cell(blob, "mb-index", (unsigned)ramdisk));
		ok(fdt_end_node(blob));
	}
	ok(fdt_end_node(blob));
}

static void tree_begin(char *blob, size_t size)
{
	ok(fdt_create(blob, (int)size));
	ok(fdt_finish_reservemap(blob));
	ok(fdt_begin_node(blob, ""));
	ok(fdt_begin_node(blob, "hypervisor"));
	ok(fdt_property_string(blob, "compatible", "hypervisor,xen"));
}

static void tree_end(char *blob)
{
	ok(fdt_end_node(blob));
	ok(fdt_end_node(blob));
	ok(fdt_finish(blob));
}

static uint8_t kernel[0x3000], packed_kernel[5000], initrd[10000];

/* d1: plain ELF with initrd; d2: something the loader must unpack; d3: more memory than there is. */
static void boot_three(void)
{
	static char blob[8192];
	size_t n = make_elf(kernel, 0x1800, 0x200010);

	machine();
	memset(packed_kernel, 0x11, sizeof(packed_kernel));
	memset(initrd, 0x22, sizeof(initrd));
	tree_begin(blob, sizeof(blob));
	tree_domain(blob, 1, 32 << 10, 2, 1, 3);
	tree_domain(blob, 2, 32 << 10, 1, 2, -1);
	tree_domain(blob, 3, 2048 << 10, 1, 1, -1);
	tree_end(blob);
	add_module(blob, fdt_totalsize(blob), "launch.dtb");
	add_module(kernel, n, "kernel");
	add_module(packed_kernel, sizeof(packed_kernel), "vmlinuz");
	add_module(initrd, sizeof(initrd), "initrd");
	launch_domains(&bi);
}

static void read_guest(struct domain *d, void *out, uint64_t gpa, size_t n)
{
	assert_int_equal(copy_from_gpa(d, out, gpa, n), 0);
}

static void plain_elf(void **state)
{
	struct hvm_memmap_table_entry map[3];
	struct hvm_modlist_entry mod;
	struct hvm_start_info si;
	struct domain *d;
	uint8_t byte[0x1801], rsdp[36];
	char text[16];

	boot_three();
	d = domain_get_by_id(1);
	assert_non_null(d);
	assert_int_equal(d->vcpu[0]->arch.entry_eip, 0x200010);
	assert_int_equal(d->vcpu[0]->pause_flags & VPF_DOWN, 0);
	assert_int_equal(d->vcpu[1]->pause_flags & VPF_DOWN, VPF_DOWN);
	assert_int_equal(d->pause_count, 0);
	assert_int_equal(d->claim, 0);
	read_guest(d, byte, 0x200000, sizeof(byte));
	assert_int_equal(byte[0x17ff], 0x5a);
	assert_int_equal(byte[0x1800], 0);
	read_guest(d, &si, d->vcpu[0]->arch.entry_ebx, sizeof(si));
	assert_int_equal(si.magic, XEN_HVM_START_MAGIC_VALUE);
	assert_int_equal(si.version, 1);
	assert_int_equal(si.flags, 0);
	assert_int_equal(si.nr_modules, 1);
	assert_int_equal(si.memmap_entries, 3);
	read_guest(d, &mod, si.modlist_paddr, sizeof(mod));
	assert_int_equal(mod.size, sizeof(initrd));
	read_guest(d, byte, mod.paddr + sizeof(initrd) - 1, 1);
	assert_int_equal(byte[0], 0x22);
	read_guest(d, text, si.cmdline_paddr, 12);
	assert_string_equal(text, "hello world");
	read_guest(d, map, si.memmap_paddr, sizeof(map));
	assert_int_equal(map[0].size, 32 << 20);
	assert_int_equal(map[1].addr, 0xfc000000);
	assert_int_equal(map[1].type, XEN_HVM_MEMMAP_TYPE_ACPI);
	assert_int_equal(map[2].addr, 0xfeff8000);
	assert_int_equal(map[2].type, XEN_HVM_MEMMAP_TYPE_RESERVED);
	assert_int_equal(si.rsdp_paddr, 0xfc000000);
	read_guest(d, rsdp, 0xfffc0, sizeof(rsdp));
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	domain_put(d);
}

static void seeds(void **state)
{
	struct xenstore_domain_interface *xs = malloc(sizeof(*xs));
	struct grant_entry_v1 e[2];
	struct domain *d;
	struct frame *f;

	boot_three();
	d = domain_get_by_id(1);
	assert_non_null(d);
	assert_int_equal(d->hvm_params[HVM_PARAM_STORE_PFN], 0xfeffc);
	assert_int_equal(d->hvm_params[HVM_PARAM_STORE_EVTCHN], 1);
	assert_int_equal(d->hvm_params[HVM_PARAM_CONSOLE_PFN], 0xfefff);
	assert_int_equal(d->hvm_params[HVM_PARAM_CONSOLE_EVTCHN], 2);
	read_guest(d, xs, 0xfeffc000, sizeof(*xs));
	assert_int_equal(xs->connection, XENSTORE_RECONNECT);
	assert_int_equal(grant_table_frame_get(d, GRANT_FRAME_SHARED, 0, &f), 0);
	memcpy(e, mfn_to_virt(frame_to_mfn(f)), sizeof(e));
	frame_put(f);
	assert_int_equal(e[0].flags & GTF_type_mask, GTF_permit_access);
	assert_int_equal(e[0].frame, 0xfefff);
	assert_int_equal(e[1].frame, 0xfeffc);
	free(xs);
	domain_put(d);
}

static void too_large_is_one_line(void **state)
{
	const char *log;

	boot_three();
	log = host_log();
	assert_non_null(strstr(log, "Domain-3 (d3): needs 2049 MiB"));
	assert_null(strstr(strstr(log, "Domain-3") + 8, "Domain-3"));
	settle();
	assert_null(domain_get_by_id(3));
}

/* The ring's indices are the guest's: only distances within the ring move bytes. */
static void ring_of_console(void **state)
{
	struct xencons_interface *r;
	struct domain *d;
	struct vcpu *v;
	uint32_t port;

	boot_three();
	d = domain_get_by_id(1);
	v = d->vcpu[0];
	r = mfn_to_virt(p2m_lookup(d, gfn(0xfefff), NULL, NULL));
	(void)host_log();
	port = 2;
	assert_int_equal(copy_to_gpa(d, 0x300000, &port, 4), 0);
	memcpy(r->out, "ring text\n", 10);
	r->out_prod = 10;
	assert_int_equal(host_hypercall(v, HC_event_channel_op, 4 /* EVTCHNOP_send */, 0x300000, 0, 0, 0), 0);
	assert_int_equal(r->out_cons, 10);
	assert_non_null(strstr(host_log(), "ring text"));
	r->out_prod = 10 + 2049;
	assert_int_equal(host_hypercall(v, HC_event_channel_op, 4, 0x300000, 0, 0, 0), 0);
	assert_int_equal(r->out_cons, 10);
	r->out_prod = 10 + 2048;
	this_pcpu()->softirqs = 0; /* with something waiting, part of it would come later: test_consring */
	assert_int_equal(host_hypercall(v, HC_event_channel_op, 4, 0x300000, 0, 0, 0), 0);
	assert_int_equal(r->out_cons, 10 + 2048);

	console_set_focus(1);
	console_input("typed", 5);
	host_run_softirqs(0);
	assert_int_equal(r->in_prod, 5);
	assert_memory_equal(r->in, "typed", 5);
	r->in_cons = 7; /* ahead of prod: nonsense, nothing may move */
	console_input("x", 1);
	host_run_softirqs(0);
	assert_int_equal(r->in_prod, 5);
	r->in_cons = 5;
	assert_int_equal(host_hypercall(v, HC_event_channel_op, 4, 0x300000, 0, 0, 0), 0);
	assert_int_equal(r->in_prod, 6);
	domain_put(d);
}

static void loader_hand_off(void **state)
{
	struct loader_info info;
	struct hvm_start_info si;
	struct domain *d;
	uint64_t before, kernel_at;
	uint8_t byte;

	boot_three();
	d = domain_get_by_id(2);
	assert_non_null(d);
	assert_int_equal(d->vcpu[0]->arch.entry_eip, LOADER_BASE);
	read_guest(d, &info, d->vcpu[0]->arch.entry_ebx, sizeof(info));
	assert_int_equal(info.magic, LOADER_MAGIC);
	assert_int_equal(info.kernel_size, sizeof(packed_kernel));
	assert_int_equal(info.heap_end - info.heap, LOADER_HEAP);
	assert_int_equal(info.ram_end, 32 << 20);
	kernel_at = info.kernel;
	read_guest(d, &byte, kernel_at, 1);
	assert_int_equal(byte, 0x11);
	before = d->tot_pages;
	/* Not with nonsense, not by a domain outside its loader. */
	assert_int_equal(host_hypercall(d->vcpu[0], HC_hospes_op, HOSPES_LOADER_DONE, 32 << 20, 0, 0, 0), -EINVAL);
	assert_int_equal(host_hypercall(d->vcpu[0], HC_hospes_op, 77, 0, 0, 0, 0), -ENOSYS);
	assert_int_equal(host_hypercall(d->vcpu[0], HC_hospes_op, HOSPES_LOADER_DONE, 0x100010, 0, 0, 0), 0);
	assert_int_equal(d->vcpu[0]->arch.entry_eip, 0x100010);
	assert_true(d->vcpu[0]->hc.replaced);
	read_guest(d, &si, d->vcpu[0]->arch.entry_ebx, sizeof(si));
	assert_int_equal(si.magic, XEN_HVM_START_MAGIC_VALUE);
	assert_int_equal(copy_from_gpa(d, &byte, kernel_at, 1), -EFAULT);
	assert_int_equal(copy_from_gpa(d, &byte, LOADER_BASE, 1), -EFAULT);
	assert_int_equal(before - d->tot_pages, (info.heap_end - LOADER_BASE) >> PAGE_SHIFT);
	assert_int_equal(d->max_pages, (32 << 8) + 18 + 256);
	assert_int_equal(host_hypercall(d->vcpu[0], HC_hospes_op, HOSPES_LOADER_DONE, 0x100010, 0, 0, 0), -ENOSYS);
	domain_put(d);
}

static void loader_fails(void **state)
{
	struct domain *d;

	boot_three();
	d = domain_get_by_id(2);
	assert_int_equal(copy_to_gpa(d, 0x1000, "kernel: no\033good", 16), 0);
	(void)host_log();
	assert_int_equal(host_hypercall(d->vcpu[0], HC_hospes_op, HOSPES_LOADER_FAILED, 0x1000, 0, 0, 0), 0);
	assert_non_null(strstr(host_log(), "Domain-2 (d2): kernel: no?good"));
	domain_put(d);
	settle();
	assert_null(domain_get_by_id(2)); /* destroyed, not restarted */
}

static void reboot_restarts(void **state)
{
	struct domain *d, *again;
	uint64_t frames, heap;

	boot_three();
	settle(); /* d3's remains */
	frames = mm_free_frames();
	heap = heap_bytes_used();
	for (unsigned round = 0; round < 3; round++) {
		d = domain_get_by_id(1);
		assert_int_equal(copy_to_gpa(d, 0x200000, "dirty", 5), 0);
		domain_shutdown(d, SHUTDOWN_REBOOT);
		/* While somebody still knows the old one its id is taken; launch waits. */
		settle();
		assert_true(d->dead);
		domain_put(d);
		host_advance(MILLISECS(150));
		settle();
		again = domain_get_by_id(1);
		assert_non_null(again);
		uint8_t byte;
		read_guest(again, &byte, 0x200000, 1);
		assert_int_equal(byte, 0x5a);
		assert_int_equal(again->hvm_params[HVM_PARAM_CONSOLE_EVTCHN], 2);
		domain_put(again);
		assert_int_equal(mm_free_frames(), frames);
		assert_int_equal(heap_bytes_used(), heap);
	}
}

/* A domain that ends, is resumed and ends again before anybody could destroy it goes all the same. */
static void ends_twice(void **state)
{
	struct domain *d;

	boot_three();
	settle();
	d = domain_get_by_id(1);
	domain_shutdown(d, SHUTDOWN_POWEROFF);
	assert_int_equal(domain_resume(d), 0);
	domain_shutdown(d, SHUTDOWN_POWEROFF);
	domain_put(d);
	settle();
	assert_null(domain_get_by_id(1));
}

/* A restart is work for seconds: whatever else waits for the processor does not wait for its end. */
static void restarts_in_slices(void **state)
{
	struct domain *d = NULL;
	uint64_t frames, heap;
	unsigned slices = 0;
	bool half = false;
	uint8_t byte;

	boot_three();
	settle();
	frames = mm_free_frames();
	heap = heap_bytes_used();
	d = domain_get_by_id(1);
	assert_int_equal(copy_to_gpa(d, 0x200000, "dirty", 5), 0);
	host_advance(MILLISECS(20000)); /* long enough a life to come back at once */
	domain_shutdown(d, SHUTDOWN_REBOOT);
	domain_put(d);
	for (uint64_t before = 0; slices < 1000; slices++) {
		softirq_raise(0, SOFTIRQ_SCHED);
		host_run_softirqs(0);
		d = domain_get_by_id(1);
		if (!d || d->dying) {
			if (d)
				domain_put(d);
			continue;
		}
		assert_true(d->tot_pages - before <= 512); /* a large page at a time */
		before = d->tot_pages;
		half |= !d->launch;
		domain_put(d);
		if (d->launch)
			break;
	}
	assert_true(half);
	assert_in_range(slices, 30, 999);
	d = domain_get_by_id(1);
	read_guest(d, &byte, 0x200000, 1);
	assert_int_equal(byte, 0x5a);
	assert_int_equal(mm_free_frames(), frames);
	assert_int_equal(heap_bytes_used(), heap);
	/* Destroyed by somebody while it is half there, it is given up, and leaves nothing. */
	host_advance(MILLISECS(20000)); /* long enough a life to come back at once */
	domain_shutdown(d, SHUTDOWN_REBOOT);
	domain_put(d);
	for (slices = 0; slices < 1000; slices++) {
		softirq_raise(0, SOFTIRQ_SCHED);
		host_run_softirqs(0);
		d = domain_get_by_id(1);
		if (d && !d->dying && d->tot_pages)
			break;
		if (d)
			domain_put(d);
	}
	assert_in_range(slices, 1, 999);
	assert_null(d->launch);
	while (domain_kill(d) == -ERESTART)
		;
	domain_put(d);
	settle();
	assert_non_null(strstr(host_log(), "left out"));
	assert_null(domain_get_by_id(1));
}

static void classic_boot(void **state)
{
	struct hvm_start_info si;
	struct domain *d;
	char text[32];
	size_t n = make_elf(kernel, 0x1800, 0x200010);

	machine();
	add_module(kernel, n, "/boot/vmlinuz root=/dev/sda");
	param_parse("dom0_mem=64M,max:96M dom0_max_vcpus=3");
	launch_domains(&bi);
	d = domain_get_by_id(0);
	assert_non_null(d);
	assert_int_equal(d->roles, ROLE_ALL);
	assert_int_equal(d->max_vcpus, 3);
	read_guest(d, &si, d->vcpu[0]->arch.entry_ebx, sizeof(si));
	assert_int_equal(si.flags, 3);
	read_guest(d, text, si.cmdline_paddr, 14);
	assert_string_equal(text, "root=/dev/sda");
	assert_int_equal(d->hvm_params[HVM_PARAM_STORE_EVTCHN], 0);
	domain_put(d);
}

static void classic_vcpus(void **state)
{
	static const struct {
		const char *option;
		unsigned vcpus;
	} cases[] = { { "dom0=pv", 1 },
		      { "dom0_max_vcpus=2-4", 2 },
		      { "dom0_max_vcpus=-4", 1 },
		      { "dom0_max_vcpus=3- dom0_vcpus_pin", 3 },
		      { "dom0_max_vcpus=x", 1 },
		      { "dom0_max_vcpus=0", 1 },
		      { "dom0_max_vcpus=999999", DOMAIN_MAX_VCPUS } };
	size_t n = make_elf(kernel, 0x1800, 0x200010);

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[80];
		struct domain *d;

		machine();
		add_module(kernel, n, "/boot/vmlinuz");
		snprintf(text, sizeof(text), "dom0_mem=64M %s", cases[i].option);
		param_parse(text);
		launch_domains(&bi);
		d = domain_get_by_id(0);
		assert_non_null(d);
		assert_int_equal(d->max_vcpus, cases[i].vcpus);
		domain_put(d);
		if (i == 0)
			assert_non_null(strstr(host_log(), "dom0=pv is not built here"));
	}
}

static void nothing_to_launch(void **state)
{
	machine();
	launch_domains(&bi);
	assert_non_null(strstr(host_log(), "nothing to launch"));
	machine();
	add_module("\xd0\x0d\xfe\xed garbage garbage garbage garbage garbage garbage", 50, "");
	launch_domains(&bi);
	assert_non_null(strstr(host_log(), "damaged or not a device tree"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(elf_files),
					    cmocka_unit_test(acpi_tables),
					    cmocka_unit_test(plain_elf),
					    cmocka_unit_test(seeds),
					    cmocka_unit_test(too_large_is_one_line),
					    cmocka_unit_test(ring_of_console),
					    cmocka_unit_test(loader_hand_off),
					    cmocka_unit_test(loader_fails),
					    cmocka_unit_test(reboot_restarts),
					    cmocka_unit_test(restarts_in_slices),
					    cmocka_unit_test(ends_twice),
					    cmocka_unit_test(nothing_to_launch),
					    cmocka_unit_test(classic_boot),
					    cmocka_unit_test(classic_vcpus) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
