/* The hardware domain: ports, tables, devices. See hv/hwdom.h. */
#include "hwdom.h"

#include "asm/apic.h"
#include "asm/cpuid.h"
#include "hv/errno.h"
#include "hv/iommu.h"
#include "hv/launch/acpi.h"
#include "hv/mm.h"
#include "hv/pci.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/uart.h"

#define PORTS 0x10000u
#define IOPM_ORDER 2u /* 12 KiB: APM vol. 2, 15.10.1; a bit set makes the port exit */
#define PM_TIMER_PORTS 4u
#define HPET_SIZE 0x400u
#define MAX_PORT_RANGES 16u
#define MESSAGE_BASE 0xfee00000UL /* writes there are interrupts */
#define MESSAGE_SIZE 0x100000UL
#define HT_BASE 0xfd00000000UL
#define HT_SIZE 0x0300000000UL
#define MMCFG_BUS_SHIFT 20

struct domain *hardware_domain;

static struct {
	struct {
		uint16_t first, last;
	} range[MAX_PORT_RANGES];
	unsigned nr;
	bool usual; /* what every machine has is withheld */
} own;

/* See hv/hwdom.h. */
void hwdom_withhold_ports(uint16_t first, uint16_t last)
{
	if (own.nr == MAX_PORT_RANGES)
		panic("too many ports of Hospes' own");
	own.range[own.nr].first = first;
	own.range[own.nr++].last = last;
}

static void close_ports(uint8_t *map, unsigned first, unsigned last)
{
	for (unsigned port = first; port <= last; port++)
		map[port / 8] |= (uint8_t)(1u << port % 8);
}

/* Everything passes but what Hospes emulates, hides or uses. */
static int ports_init(struct domain *d)
{
	/* PICs, PIT, its gate, APM, the debug port, PCI configuration. */
	static const uint16_t hidden[][2] = { { 0x20, 0x21 }, { 0xa0, 0xa1 }, { 0x40, 0x43 },  { 0x61, 0x61 },
					      { 0xb2, 0xb2 }, { 0xe9, 0xe9 }, { 0xcf8, 0xcff } };
	struct frame *f = alloc_frames(NULL, IOPM_ORDER, ALLOC_ZERO);
	uint8_t *map;

	if (!f)
		return err(-ENOMEM);
	map = mfn_to_virt(frame_to_mfn(f));
	/* Behind the last port: an access that runs over the end. */
	memset(map + PORTS / 8, 0xff, (PAGE_SIZE << IOPM_ORDER) - PORTS / 8);
	for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++)
		close_ports(map, hidden[i][0], hidden[i][1]);
	for (unsigned i = 0; i < own.nr; i++)
		close_ports(map, own.range[i].first, own.range[i].last);
	if (acpi_info.pm_timer.space == 1 && acpi_info.pm_timer.address &&
	    acpi_info.pm_timer.address < PORTS - PM_TIMER_PORTS)
		close_ports(map, (unsigned)acpi_info.pm_timer.address,
			    (unsigned)acpi_info.pm_timer.address + PM_TIMER_PORTS - 1);
	d->arch.iopm = map;
	return 0;
}

/* What every machine has that Hospes keeps. The drivers of IOMMUs name theirs themselves. */
static void withhold_usual(void)
{
	if (own.usual)
		return;
	own.usual = true;
	hwdom_withhold(apic_paddr(), PAGE_SIZE);
	hwdom_withhold(MESSAGE_BASE, MESSAGE_SIZE);
	/* HyperTransport's own addresses: no memory, no device. AMD64 BKDG, "Address Space". */
	if (!strcmp(cpu_features.vendor, "AuthenticAMD") || !strcmp(cpu_features.vendor, "HygonGenuine"))
		hwdom_withhold(HT_BASE, HT_SIZE);
	for (unsigned i = 0; i < acpi_info.nr_ioapics; i++)
		hwdom_withhold(acpi_info.ioapics[i].address, PAGE_SIZE);
	if (acpi_info.hpet_address)
		hwdom_withhold(acpi_info.hpet_address, HPET_SIZE);
	for (unsigned i = 0; i < acpi_info.nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi_info.mcfg[i];

		hwdom_withhold(m->base + ((uint64_t)m->bus_start << MMCFG_BUS_SHIFT), (m->bus_end - m->bus_start + 1UL)
											      << MMCFG_BUS_SHIFT);
	}
}

/* See hv/hwdom.h. */
bool hwdom_identity(void)
{
	return !iommu_enabled();
}

/* See hv/hwdom.h. */
int hwdom_init(struct domain *d)
{
	struct hwdom *h = xzalloc(struct hwdom);
	int rc;

	if (!h)
		return err(-ENOMEM);
	withhold_usual();
	acpi_enable();
	spin_lock_init(&h->lock, RANK_HVM);
	h->d = d;
	d->arch.hwdom = h;
	rc = ports_init(d);
	return rc ? rc : hwdom_gsi_init(h);
}

/* See hv/hwdom.h. Tables in memory the domain gets as its RAM could not be read there: firmware has them elsewhere. */
long hwdom_acpi(const struct domain *d, uint8_t *buf, size_t size, uint64_t gpa)
{
	struct acpi_machine *m = xzalloc(struct acpi_machine);
	size_t len;
	char sig[4];
	paddr_t at;

	if (!m)
		return err(-ENOMEM);
	m->info = &acpi_info;
	for (unsigned i = 0; acpi_table_at(i, sig, &at) && m->nr_pass < ARRAY_SIZE(m->pass); i++)
		if (acpi_may_pass(sig) &&
		    hwdom_may_map(ROUND_DOWN(at, PAGE_SIZE), ROUND_DOWN(at, PAGE_SIZE) + PAGE_SIZE))
			m->pass[m->nr_pass++] = at;
	len = acpi_build_hwdom(buf, size, gpa, d->max_vcpus, m);
	xfree(m);
	return len ? (long)len : err(-ENOSPC);
}

/* Memory that firmware and its devices share, which must be there before any of them is touched. */
static int map_reserved(struct domain *d)
{
	const struct iommu_reserved *r;
	unsigned nr = iommu_reserved_ranges(&r);

	for (unsigned i = 0; i < nr; i++)
		for (paddr_t p = ROUND_DOWN(r[i].start, PAGE_SIZE); p < r[i].end; p += PAGE_SIZE)
			if (hwdom_may_map(p, p + PAGE_SIZE)) {
				int rc = p2m_set(d, gfn(p >> PAGE_SHIFT), paddr_to_mfn(p), ORDER_4K, P2M_MMIO_DIRECT);

				if (rc)
					return rc;
			}
	return 0;
}

static void assign_devices(struct domain *d)
{
	unsigned nr = 0;

	for (struct pci_dev *dev = pci_next(NULL); dev; dev = pci_next(dev)) {
		int rc = dev->hidden ? 0 : pci_assign_device(d, dev->sbdf);

		nr += !dev->hidden && !rc;
		if (rc)
			printk(LOG_WARN, "d%u: PCI device %04x:%02x:%02x.%u is not given to it: error %d\n", d->id,
			       dev->sbdf.segment, dev->sbdf.bus, dev->sbdf.devfn >> 3, dev->sbdf.devfn & 7u, -rc);
	}
	if (nr)
		printk(LOG_INFO, "d%u: drives %u PCI devices\n", d->id, nr);
}

/* See hv/hwdom.h. */
int hwdom_ready(struct domain *d)
{
	int rc = map_reserved(d);

	if (!rc && iommu_enabled())
		rc = iommu_domain_init(d);
	if (rc)
		return rc;
	rc = vpci_domain_init(d);
	if (rc == -ENODEV)
		return 0; /* no PCI in this machine */
	if (rc)
		return rc;
	assign_devices(d);
	vga_hand_over();
	return 0;
}

/* See hv/hwdom.h. */
void hwdom_destroy(struct domain *d)
{
	if (!d->arch.hwdom)
		return;
	hwdom_gsi_destroy(d->arch.hwdom);
	if (d->arch.iopm)
		free_frames(mfn_to_frame(virt_to_mfn(d->arch.iopm)), IOPM_ORDER);
	xfree(d->arch.hwdom);
	d->arch.hwdom = NULL;
	d->arch.iopm = NULL;
}
