/* What only the hardware domain may do and see: hypercalls 7 and 33, its ACPI tables. FEATURES HC-7.*, HC-33.*, D0-04. */
#include "guest_test.h"

#include "abi/physdev.h"
#include "abi/platform.h"
#include "hv/launch/acpi.h"
#include "hv/time.h"

#define VERSION XENPF_INTERFACE_VERSION

static struct domain *dom0, *domu;

struct platform {
	uint32_t cmd, version;
	union {
		struct xenpf_settime32 t32;
		struct xenpf_settime64 t64;
		struct xenpf_pcpuinfo cpu;
		struct xenpf_pcpu_version ver;
		uint32_t word[32];
	} u;
};

static int setup(void **state)
{
	host_machine(RAM, 3);
	dom0 = host_domain(0, 1, 16, ROLE_ALL);
	domu = host_domain(1, 1, 16, 0);
	return 0;
}

static int teardown(void **state)
{
	kill_domain(domu);
	kill_domain(dom0);
	return 0;
}

static long platform(struct domain *d, struct platform *p)
{
	long rc;

	memcpy(gpa_ptr(d, ARG), p, sizeof(*p));
	rc = host_hypercall(d->vcpu[0], HC_platform_op, ARG, 0, 0, 0, 0);
	memcpy(p, gpa_ptr(d, ARG), sizeof(*p));
	return rc;
}

static void clock_is_set(void **state)
{
	struct platform p = { XENPF_settime64, VERSION, { .t64 = { 1000000000000, 5, 0, 7 * NSEC_PER_SEC + 6 } } };

	assert_int_equal(platform(dom0, &p), 0);
	assert_int_equal(wallclock_get().sec, 999999999992);
	assert_int_equal(wallclock_get().nsec, 999999999);
	p.u.t64 = (struct xenpf_settime64){ 10, 0xffffffff, 0, 0 };
	assert_int_equal(platform(dom0, &p), 0);
	assert_int_equal(wallclock_get().sec, 14);
	assert_int_equal(wallclock_get().nsec, 294967295);
	p.u.t64.mbz = 1;
	assert_int_equal(platform(dom0, &p), -EINVAL);
	p = (struct platform){ XENPF_settime32, VERSION, { .t32 = { 100, 0, 99 * NSEC_PER_SEC } } };
	assert_int_equal(platform(dom0, &p), 0);
	assert_int_equal(wallclock_get().sec, 1);
}

static void who_may(void **state)
{
	struct platform p = { XENPF_settime32, VERSION, { .t32 = { 100, 0, 0 } } };

	assert_int_equal(platform(domu, &p), -EPERM);
	p.version = VERSION + 1;
	assert_int_equal(platform(domu, &p), -EACCES);
	assert_int_equal(platform(dom0, &p), -EACCES);
	assert_int_equal(host_hypercall(dom0->vcpu[0], HC_platform_op, 0x10000000, 0, 0, 0, 0), -EFAULT);
	for (uint32_t cmd = 0; cmd < 70; cmd++) {
		p = (struct platform){ .cmd = cmd, .version = VERSION };
		long rc = platform(dom0, &p);

		assert_true(rc <= 0 && rc > -4096);
	}
}

static void processors(void **state)
{
	struct platform p = { XENPF_get_cpuinfo, VERSION, { .cpu = { .xen_cpuid = 2 } } };

	assert_int_equal(platform(dom0, &p), 0);
	assert_int_equal(p.u.cpu.max_present, 2);
	assert_int_equal(p.u.cpu.flags, XEN_PCPU_FLAGS_ONLINE);
	assert_int_equal(p.u.cpu.apic_id, 4);
	p.u.cpu.xen_cpuid = 3;
	assert_int_equal(platform(dom0, &p), 0);
	assert_int_equal(p.u.cpu.flags, XEN_PCPU_FLAGS_INVALID);
	p.u.cpu.xen_cpuid = ~0u;
	assert_int_equal(platform(dom0, &p), 0);
	assert_int_equal(p.u.cpu.flags, XEN_PCPU_FLAGS_INVALID);
	p = (struct platform){ XENPF_get_cpu_version, VERSION, { .ver = { .xen_cpuid = 0 } } };
	assert_int_equal(platform(dom0, &p), 0);
	assert_memory_equal(p.u.ver.vendor_id, "HospesOnHost", 12);
	p.u.ver.xen_cpuid = 77;
	assert_int_equal(platform(dom0, &p), 0);
	assert_int_equal(p.u.ver.vendor_id[0] + (int)p.u.ver.family, 0);
}

static void firmware(void **state)
{
	static const struct {
		uint32_t type, index;
		int rc;
	} cases[] = { { XEN_FW_DISK_INFO, 0, -ENOENT },
		      { XEN_FW_DISK_MBR_SIGNATURE, 0, -ENOENT },
		      { XEN_FW_VBEDDC_INFO, 0, -ESRCH },
		      { XEN_FW_EFI_INFO, 0, -EOPNOTSUPP },
		      { XEN_FW_KBD_SHIFT_FLAGS, 0, 0 },
		      { XEN_FW_KBD_SHIFT_FLAGS, 1, -ESRCH },
		      { 0, 0, -EINVAL },
		      { 9, 0, -EINVAL } };

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct platform p = { XENPF_firmware_info,
				      VERSION,
				      { .word = { cases[i].type, cases[i].index, 0xff } } };

		assert_int_equal(platform(dom0, &p), cases[i].rc);
		assert_int_equal(p.u.word[2], cases[i].rc ? 0xff : 0);
	}
}

static void devices(void **state)
{
	struct physdev_pci_mmcfg_reserved m = { 0xb0000000, 0, 1, 0, 1 };
	struct physdev_dbgp_op dbgp = { .bus = PHYSDEVOP_DBGP_BUS_PCI };

	for (uint32_t cmd = 0; cmd < 40; cmd++)
		assert_int_equal(call_arg(domu->vcpu[0], HC_physdev_op, cmd, &m, sizeof(m)), -ENOSYS);
	assert_int_equal(call_arg(dom0->vcpu[0], HC_physdev_op, PHYSDEVOP_pci_mmcfg_reserved, &m, sizeof(m)), -EINVAL);
	assert_int_equal(call_arg(dom0->vcpu[0], HC_physdev_op, PHYSDEVOP_dbgp_op, &dbgp, sizeof(dbgp)), 0);
	dbgp.bus = 2;
	assert_int_equal(call_arg(dom0->vcpu[0], HC_physdev_op, PHYSDEVOP_dbgp_op, &dbgp, sizeof(dbgp)), -EINVAL);
	assert_int_equal(host_hypercall(dom0->vcpu[0], HC_physdev_op, PHYSDEVOP_pci_device_add, 0x10000000, 0, 0, 0),
			 -EFAULT);
	assert_int_equal(host_hypercall(dom0->vcpu[0], HC_physdev_op, PHYSDEVOP_pci_device_remove, 0x10000000, 0, 0, 0),
			 -EFAULT);
	/* Interrupts by event channel do not exist for a guest that has its own interrupt controllers. */
	assert_int_equal(call_arg(dom0->vcpu[0], HC_physdev_op, PHYSDEVOP_map_pirq, &m, sizeof(m)), -ENOSYS);
	assert_int_equal(call_arg(dom0->vcpu[0], HC_physdev_op, PHYSDEVOP_setup_gsi, &m, sizeof(m)), -ENOSYS);
}

static uint64_t get(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void tables(void **state)
{
	static struct acpi_info info = {
		.nr_ioapics = 2,
		.ioapics = { { 7, 0xfec00000, 0 }, { 8, 0xfec10000, 24 } },
		.nr_overrides = 2,
		.overrides = { { 0, 2, 0, 0 }, { 9, 20, 3, 3 } },
	};
	static struct acpi_machine m = { .info = &info, .pass = { 0x7ffe0000, 0x7ffe1000 }, .nr_pass = 2 };
	static uint8_t buf[0x4000];
	size_t len = acpi_build_hwdom(buf, sizeof(buf), 0x20000000, 3, &m);
	const uint8_t *xsdt, *madt, *e;
	paddr_t root;
	bool is_xsdt;
	static struct acpi_info back;

	assert_true(len > 0);
	assert_int_equal(acpi_parse_rsdp(buf, len, &root, &is_xsdt), 0);
	assert_true(is_xsdt);
	xsdt = buf + (root - 0x20000000);
	assert_int_equal(acpi_check_table(xsdt, len - (size_t)(xsdt - buf), "XSDT"), 0);
	assert_int_equal(get(xsdt + 4, 4), 36 + 3 * 8);
	assert_int_equal(get(xsdt + 36, 8), 0x7ffe0000);
	assert_int_equal(get(xsdt + 44, 8), 0x7ffe1000);
	madt = buf + (get(xsdt + 52, 8) - 0x20000000);
	assert_int_equal(acpi_parse_madt(&back, madt, len - (size_t)(madt - buf)), 0);
	assert_int_equal(back.nr_cpus, 3);
	assert_int_equal(back.cpus[2].apic_id, 4);
	assert_false(back.has_8259);
	assert_memory_equal(back.ioapics, info.ioapics, sizeof(info.ioapics));
	assert_memory_equal(back.overrides, info.overrides, sizeof(info.overrides));
	e = madt + 44 + 3 * 8;
	assert_int_equal(e[0], 1);
	for (size_t size = 0; size < len; size++)
		assert_int_equal(acpi_build_hwdom(buf, size, 0x20000000, 3, &m), 0);
	assert_true(acpi_may_pass("FACP") && acpi_may_pass("SSDT") && acpi_may_pass("MCFG"));
	assert_false(acpi_may_pass("APIC") || acpi_may_pass("DMAR") || acpi_may_pass("IVRS") || acpi_may_pass("SRAT") ||
		     acpi_may_pass("HPET") || acpi_may_pass("WAET") || acpi_may_pass("BERT") || acpi_may_pass("HEST") ||
		     acpi_may_pass("SLIT") || acpi_may_pass("SPCR"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(clock_is_set), cmocka_unit_test(who_may),
					    cmocka_unit_test(processors),   cmocka_unit_test(firmware),
					    cmocka_unit_test(devices),	    cmocka_unit_test(tables) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
