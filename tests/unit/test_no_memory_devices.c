/*
 * Memory lacks while the hardware domain is given the machine's devices and drives them: ports, tables, interrupt lines, PCI functions found at boot and later, messages,
 * device memory, both kinds of IOMMU and none. And while IOMMUs are switched on. See no_memory.h.
 */
#include "abi/physdev.h"
#include "device_machine.h"
#include "hv/hwdom.h"
#include "hvm/hvm.h"
#include "hwdom/hwdom.h"
#include "no_memory.h"

#define LARGE 4096u /* frame of a large page */

static struct domain *d; /* the hardware domain */

/* Making it --------------------------------------------------------------------------------------- */

static long make(void)
{
	struct domain_config cfg = { .domid = 7, .roles = ROLE_ALL, .max_vcpus = 1, .max_pages = 2048 };

	return domain_create(&cfg, &d);
}

static long populate(void)
{
	int rc = 0;

	for (unsigned i = 0; i < 16 && !rc; i++)
		rc = p2m_populate(d, gfn(i), 0, 0);
	return rc ? rc : p2m_populate(d, gfn(LARGE), ORDER_2M, 0);
}

static long tables(void)
{
	static uint8_t buf[0x4000];
	long rc = hwdom_acpi(d, buf, 64, 0x8000);

	if (rc == -ENOSPC)
		rc = hwdom_acpi(d, buf, sizeof(buf), 0x8000);
	return rc > 0 ? 0 : rc;
}

/* What its kernel does ------------------------------------------------------------------------------ */

static long add(struct pci_sbdf s)
{
	struct physdev_pci_device_add a = { .seg = s.segment, .bus = s.bus, .devfn = s.devfn };

	return call_arg(d->vcpu[0], HC_physdev_op, PHYSDEVOP_pci_device_add, &a, sizeof(a));
}

/* The IOMMU sees no device of that segment, so nobody may have it. */
static long add_far(void)
{
	long rc = add(far);

	return iommu_enabled() && rc == -ENODEV ? 0 : rc;
}

static long take_out(struct pci_sbdf s)
{
	struct physdev_pci_device dev = { s.segment, s.bus, s.devfn };

	return call_arg(d->vcpu[0], HC_physdev_op, PHYSDEVOP_pci_device_remove, &dev, sizeof(dev));
}

static void mmio(uint64_t addr, uint32_t val)
{
	const struct hvm_handler *h = hvm_find_handler(&d->arch.mmio, addr, 4);

	assert_non_null(h);
	h->ops->write(d->vcpu[0], h->ctx, addr, 4, val);
}

static bool mapped(uint64_t addr)
{
	enum p2m_type type;

	p2m_lookup(d, gfn(addr >> PAGE_SHIFT), &type, NULL);
	return type == P2M_MMIO_DIRECT;
}

/* The function decodes its memory, of which @at shows whether that worked. */
static long decode(struct pci_sbdf s, uint64_t at)
{
	vpci_write(d, s, PCI_COMMAND, 2, 0);
	assert_false(mapped(at));
	vpci_write(d, s, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return mapped(at) ? 0 : -ENOMEM;
}

/* The card's, whose table never shows: what goes there comes to Hospes. */
static long decode_nic(void)
{
	long rc = decode(nic, BAR_AT);

	assert_false(mapped(BAR_AT + TABLE_AT));
	if (!rc)
		assert_non_null(hvm_find_handler(&d->arch.mmio, BAR_AT + TABLE_AT, 4));
	return rc;
}

static long messages(void)
{
	vpci_write(d, nic, MSI_AT + 4, 4, 0xfee00000);
	vpci_write(d, nic, MSI_AT + 2, 2, PCI_MSI_ENABLE | 2 << PCI_MSI_ENABLED_SHIFT);
	/* The device and the domain's view of it agree. */
	assert_int_equal(vpci_read(d, nic, MSI_AT + 2, 2) & PCI_MSI_ENABLE,
			 fake_get(nic, MSI_AT + 2, 2) & PCI_MSI_ENABLE);
	return vpci_read(d, nic, MSI_AT + 2, 2) & PCI_MSI_ENABLE ? 0 : -ENOMEM;
}

static void no_messages(void)
{
	vpci_write(d, nic, MSI_AT + 2, 2, 0);
	vpci_write(d, nic, MSIX_AT + 2, 2, PCI_MSIX_ENABLE);
}

/* Entry @i of the card's table sends from now on. */
static long entry(unsigned i)
{
	uint64_t at = BAR_AT + TABLE_AT + i * PCI_MSIX_ENTRY_SIZE;

	mmio(at + PCI_MSIX_ENTRY_CONTROL, PCI_MSIX_ENTRY_MASKED);
	mmio(at, 0xfee00000);
	mmio(at + PCI_MSIX_ENTRY_CONTROL, 0);
	return fake.dev[1].memory[TABLE_AT + i * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_CONTROL] & 1 ? -ENOMEM : 0;
}

static long line(unsigned pin)
{
	for (unsigned masked = 2; masked--;) {
		mmio(IOAPIC_AT, 0x10 + 2 * pin);
		mmio(IOAPIC_AT + 0x10, 0x31 | masked << 16);
	}
	return machine.bound[pin] ? 0 : -ENOMEM;
}

static long touch(uint64_t gpa)
{
	return hwdom_map_mmio(d, gpa) ? 0 : -ENOMEM;
}

/* A frame that comes later is in its devices' reach; without memory for the IOMMU's tables it is not. */
static long grow(void)
{
	return p2m_populate(d, gfn(1UL << 20), 0, 0);
}

/* Again what failed once: nothing is left that would be in its way. */
#define ONCE_MORE(call, how) (how(call) || (assert_int_equal(call, 0), true))

static void drive(void)
{
	if (!ONCE_MORE(add(nic), NEEDS) || !ONCE_MORE(add(disk), NEEDS))
		return;
	if (iommu_enabled())
		assert_int_not_equal(dma(PCI_BDF(nic), 0x1000, true), NOTHING);
	ONCE_MORE(decode_nic(), LIKES);
	ONCE_MORE(decode(disk, BIG_BAR_AT), LIKES);
	ONCE_MORE(messages(), NEEDS);
	no_messages();
	for (unsigned i = 0; i < 4; i++)
		ONCE_MORE(entry(i), NEEDS);
	for (unsigned i = 4; i < 7; i++)
		ONCE_MORE(line(i), NEEDS);
	ONCE_MORE(touch(0xd0000000), LIKES);
	ONCE_MORE(grow(), LIKES);
	ONCE_MORE(p2m_depopulate(d, gfn(LARGE + 5)), LIKES);
	if (iommu_enabled())
		assert_int_equal(dma(PCI_BDF(nic), (LARGE + 5) << PAGE_SHIFT, true), NOTHING);
	plug_all();
	ONCE_MORE(add(late), LIKES); /* of segment 0 most registers are reached by ports */
	ONCE_MORE(add_far(), NEEDS);
	LIKES(take_out(nic));
	ONCE_MORE(add(nic), LIKES); /* decodes already: its memory is mapped at once, or not */
}

static long end(void)
{
	kill_domain(d);
	host_run_softirqs(0);
	hwdom_destroy(d);
	hvm_free_handlers(d);
	domain_put(d);
	return 0;
}

static void work(void)
{
	if (!NEEDS(make()))
		return;
	assert_true(domain_get(d));
	if (NEEDS(vcpu_create(d, 0)) && NEEDS(populate()) && NEEDS(hwdom_init(d)) && NEEDS(tables()) &&
	    LIKES(hwdom_ready(d)))
		drive();
	LIKES(end());
	assert_null(domain_get_by_id(7));
}

/* Registers and memory of all functions, and lines, by FNV-1a. */
static uint64_t devices_state(void)
{
	uint64_t h = 0xcbf29ce484222325;

	for (unsigned i = 0; i < fake.nr; i++) {
		for (unsigned j = 0; j < sizeof(fake.dev[i].cfg); j++)
			h = (h ^ fake.dev[i].cfg[j]) * 0x100000001b3;
		for (unsigned j = 0; j < FAKE_MEMORY; j++)
			h = (h ^ fake.dev[i].memory[j]) * 0x100000001b3;
	}
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		h = (h ^ machine.bound[i]) * 0x100000001b3;
	return h;
}

static void on_amd(void)
{
	machine_on((struct model){ .amd = true });
	pci_init();
}

static void on_vtd(void)
{
	machine_on((struct model){ .amd = false });
	pci_init();
}

static void with_amd(void)
{
	on_amd();
	iommu_init();
	assert_true(iommu_enabled() && iommu_intremap() && iommu_owns_frame(paddr_to_mfn(AMD_BASE)));
}

static void with_vtd(void)
{
	on_vtd();
	iommu_init();
	assert_true(iommu_enabled() && iommu_intremap() && iommu_owns_frame(paddr_to_mfn(VTD_BASE)));
}

static void hardware_domain_lives(void **state)
{
	static const struct no_memory_work works[] = {
		{ "no IOMMU", on_amd, work, devices_state, false },
		{ "AMD-Vi", with_amd, work, devices_state, false },
		{ "VT-d", with_vtd, work, devices_state, false },
	};

	each_place_fails(works, ARRAY_SIZE(works));
}

/* Boot ------------------------------------------------------------------------------------------------ */

static void only_on(void)
{
	machine_on((struct model){ .amd = true });
	plug_all();
}

/* A machine that stops says what was short. */
void __wrap_panic(const char *fmt, ...);
void __wrap_panic(const char *fmt, ...)
{
	print_error("panic: %s\n", fmt);
	if (!trial->booting || !trial->fired || !strstr(fmt, "no memory"))
		abort();
	_exit(0);
}

/* What lacks memory at boot says so. */
static void said(void)
{
	const char *log = host_log();

	if (trial->fired)
		assert_true(strstr(log, "no memory") || strstr(log, "error 12"));
	LIKES(0);
}

static void find_devices(void)
{
	host_log();
	pci_init();
	said();
}

/* There are none then, or no remapping of interrupts, or faults are looked for. */
static void start_iommus(void)
{
	host_log();
	iommu_init();
	if (!trial->fired)
		assert_true(iommu_enabled() && iommu_intremap());
	said();
}

static void boot(void **state)
{
	static const struct no_memory_work works[] = {
		{ "PCI", only_on, find_devices, NULL, true },
		{ "AMD-Vi's start", on_amd, start_iommus, NULL, true },
		{ "VT-d's start", on_vtd, start_iommus, NULL, true },
	};

	each_place_fails(works, ARRAY_SIZE(works));
}

static void all_places(void **state)
{
	all_places_failed(PART_DEVICES, NULL, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hardware_domain_lives),
		cmocka_unit_test(boot),
		cmocka_unit_test(all_places),
	};

	no_memory_init(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
