/*
 * IOMMUs: what there is, and the options. Domains' contexts are in context.c, which device sees which in device.c, units in unit.c; the two kinds of unit
 * are in amd.c and vtd.c, their page tables in table.c.
 *
 * Deny is the default: before the first domain runs every device is blocked, and is so again when it belongs to
 * nobody. A unit that does not answer is not asked again; what it had translated before cannot be taken back, so bus
 * mastering of its devices is switched off.
 */
#include "hv/iommu.h"

#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/hwdom.h"
#include "hv/parse.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "state.h"

struct iommu_state iommu = { .lock = SPINLOCK_INIT(RANK_IOMMU), .devices = LIST_INIT(iommu.devices) };

/* See hv/iommu.h. */
bool iommu_enabled(void)
{
	return iommu.driver;
}

bool iommu_intremap(void)
{
	return iommu.driver && iommu.intremap;
}

bool iommu_verbose(void)
{
	return iommu.verbose;
}

bool iommu_superpages(void)
{
	return iommu.superpages;
}

unsigned iommu_nr_units(void)
{
	return iommu.nr_units;
}

struct iommu_unit *iommu_unit(unsigned i)
{
	return iommu.unit[i];
}

/* See hv/iommu.h. */
unsigned iommu_reserved_ranges(const struct iommu_reserved **out)
{
	*out = iommu.reserved;
	return iommu.driver ? iommu.nr_reserved : 0;
}

/* See hv/iommu.h. */
bool iommu_owns_frame(mfn_t m)
{
	for (unsigned i = 0; i < iommu.nr_units; i++)
		if (m.v >= iommu.unit[i]->base >> PAGE_SHIFT &&
		    m.v <= (iommu.unit[i]->base + iommu.unit[i]->size - 1) >> PAGE_SHIFT)
			return true;
	return false;
}

/* See internal.h. */
bool iommu_add_unit(struct iommu_unit *u)
{
	if (iommu.nr_units == IOMMU_MAX_UNITS)
		return false;
	spin_lock_init(&u->lock, RANK_IOMMU_UNIT);
	u->index = iommu.nr_units;
	iommu.unit[iommu.nr_units++] = u;
	return true;
}

/* Does firmware's own map say that [@start, @end) has RAM, which is not firmware's to share with devices? */
static bool has_ram(uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];

		if (e->type == E820_RAM && e->addr < end && e->addr + e->size > start)
			return true;
	}
	return false;
}

/* See internal.h. */
void iommu_add_reserved(const struct acpi_reserved *r, struct pci_sbdf s)
{
	if (has_ram(r->start, r->end)) {
		printk(LOG_WARN, "IOMMU: 0x%lx-0x%lx is RAM and not reserved: devices do not get to it\n",
		       (unsigned long)r->start, (unsigned long)r->end - 1);
		return;
	}
	if (iommu.nr_reserved == IOMMU_MAX_RESERVED) {
		printk(LOG_WARN, "IOMMU: more reserved ranges than there is room for\n");
		return;
	}
	iommu.reserved[iommu.nr_reserved++] =
		(struct iommu_reserved){ .start = r->start, .end = r->end, .sbdf = s, .all = r->all };
	if (iommu.verbose)
		printk(LOG_INFO, "IOMMU: 0x%lx-0x%lx reserved for %s%04x:%02x:%02x.%u\n", (unsigned long)r->start,
		       (unsigned long)r->end - 1, r->all ? "all of " : "", s.segment, s.bus, s.devfn >> 3, s.devfn & 7);
}

/* What every context must respect, for a device may be behind any unit. */
static void common_denominator(void)
{
	iommu.levels = 3;
	iommu.max_leaf = iommu.superpages ? 2 : 0;
	iommu.nr_ids = 1u << 16;
	iommu.incoherent = false;
	for (unsigned i = 0; i < iommu.nr_units; i++) {
		const struct iommu_unit *u = iommu.unit[i];

		if (u->levels > 3)
			iommu.levels = 4; /* as many as a guest-physical map has */
		iommu.max_leaf = u->max_leaf < iommu.max_leaf ? u->max_leaf : iommu.max_leaf;
		iommu.nr_ids = u->nr_ids < iommu.nr_ids ? u->nr_ids : iommu.nr_ids;
		iommu.incoherent |= u->incoherent;
	}
}

/* See internal.h. */
bool iommu_all_ioapics(bool (*known)(uint8_t id))
{
	for (unsigned i = 0; i < acpi_info.nr_ioapics; i++) {
		if (known(acpi_info.ioapics[i].id))
			continue;
		printk(LOG_WARN, "IOMMU: firmware does not say how I/O APIC %u is seen: interrupts are not remapped\n",
		       acpi_info.ioapics[i].id);
		return false;
	}
	return true;
}

/* Its options; NULL, or why there shall be none. */
static const char *read_options(void)
{
	const char *list = param_string("iommu", ""), *item;
	bool on = true;
	size_t len;

	while (parse_item(&list, ',', &item, &len))
		if (parse_bool(item, len) >= 0)
			on = parse_bool(item, len);
	iommu.verbose = param_list_bool("iommu", "verbose", false) || param_list_bool("iommu", "debug", false);
	iommu.superpages = param_list_bool("iommu", "superpages", true);
	iommu.intremap = param_list_bool("iommu", "intremap", true);
	if (!on)
		return "switched off by iommu=";
	if (param_list_bool("dom0-iommu", "none", false))
		return "switched off by dom0-iommu=none";
	return NULL;
}

static const char *start(void)
{
	static const struct iommu_driver *const drivers[] = { &amd_driver, &vtd_driver };
	const char *why = read_options();
	const void *table = NULL;
	size_t len;
	int rc;

	if (why)
		return why;
	for (unsigned i = 0; i < ARRAY_SIZE(drivers) && !table; i++) {
		table = acpi_find_table(drivers[i]->table, &len);
		if (table)
			iommu.driver = drivers[i];
	}
	if (!table)
		return "none found: there is neither an IVRS nor a DMAR table";
	task_init(&iommu.lost_task, iommu_stop_lost_devices, NULL, 0);
	timer_init(&iommu.poll, iommu_poll_faults, NULL, 0);
	iommu_find_bridges();
	rc = iommu.driver->init(table, len, &iommu.intremap);
	if (rc) {
		iommu.driver = NULL;
		return rc == -ENOMEM ? "no memory for its tables" : "the table that describes it cannot be used";
	}
	common_denominator();
	return NULL;
}

/* See hv/iommu.h. Boot CPU. */
void iommu_init(void)
{
	const char *why;
	bool polled = false;

	memset(&iommu, 0, sizeof(iommu));
	spin_lock_init(&iommu.lock, RANK_IOMMU);
	list_init(&iommu.devices);
	fault_init();
	why = start();
	if (why) {
		if (param_list_bool("iommu", "force", false) || param_list_bool("iommu", "required", false))
			panic("iommu=force, but there is no IOMMU to use: %s", why);
		printk(LOG_INFO, "IOMMU: %s\n", why);
		return;
	}
	for (unsigned i = 0; i < iommu.nr_units; i++) {
		hwdom_withhold(iommu.unit[i]->base, iommu.unit[i]->size);
		polled |= iommu.unit[i]->look;
		if (iommu.verbose)
			iommu.driver->describe(iommu.unit[i]);
	}
	if (polled)
		timer_set(&iommu.poll, now() + POLL_INTERVAL);
	printk(LOG_INFO,
	       "IOMMU: %s, %u unit%s, devices blocked until they are given to a domain, interrupt remapping %s\n",
	       iommu.driver->name, iommu.nr_units, iommu.nr_units == 1 ? "" : "s", iommu.intremap ? "on" : "off");
}
