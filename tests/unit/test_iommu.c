/*
 * IOMMUs against models of both kinds: deny by default, a domain's devices see its memory with its rights and lose a
 * page before it can be freed, faults are told and storms contained, units that fall silent are given up, interrupts
 * go where entries say. AMD 48882; Intel VT-d specification.
 */
#include "iommu_model.h"

static const struct model kinds[] = {
	{ .amd = true },
	{ .amd = true, .absent = true },
	{ .amd = false },
	{ .amd = false, .incoherent = true, .absent = true },
	{ .amd = false, .incoherent = true, .no_queue = true, .sagaw = 2 },
};

#define EACH_KIND(i) for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)

static const uint16_t rid = 0x18;

static bool has(const char *log, const char *text)
{
	if (strstr(log, text))
		return true;
	print_message("no \"%s\" in:\n%s\n", text, log);
	return false;
}

/* Boot with options, and a domain of 64 pages with a context. */
static struct domain *boot(struct model kind, const char *options)
{
	struct domain *d;

	power_on(kind);
	param_parse(options);
	iommu_init();
	d = host_domain(1, 1, 64, 0);
	if (iommu_enabled())
		assert_int_equal(iommu_domain_init(d), 0);
	return d;
}

static uint64_t machine_of(struct domain *d, uint64_t gfn_nr)
{
	return mfn_to_paddr(p2m_lookup(d, gfn(gfn_nr), NULL, NULL));
}

static void denies_by_default(void **state)
{
	EACH_KIND(i)
	{
		boot(kinds[i], "");
		assert_true(iommu_enabled());
		assert_true(has(host_log(), kinds[i].amd ? "IOMMU: AMD-Vi, 1 unit" : "IOMMU: VT-d, 1 unit"));
		for (unsigned id = 0; id < 65536; id += 0xf7)
			assert_int_equal(dma((uint16_t)id, 0x1000, false), NOTHING);
		assert_int_equal(dma(rid, 0x5000, true), NOTHING);
		assert_true(iommu_owns_frame(mfn((kinds[i].amd ? AMD_BASE : VTD_BASE) >> 12)));
		assert_false(iommu_owns_frame(mfn(0x1000)));
	}
}

static void options(void **state)
{
	static const char *const off[] = { "iommu=off", "iommu=verbose,no", "no-iommu", "dom0-iommu=none" };

	for (unsigned i = 0; i < ARRAY_SIZE(off); i++) {
		struct domain *d = boot(kinds[0], off[i]);

		assert_false(iommu_enabled());
		assert_true(has(host_log(), "switched off"));
		assert_int_equal(iommu_domain_init(d), -ENODEV);
		assert_int_equal(iommu_attach(&devices[1], d), -ENODEV);
	}
	boot(kinds[0], "iommu=no-intremap");
	assert_true(iommu_enabled() && !iommu_intremap());
	boot(kinds[2], "iommu=verbose,intremap=off");
	assert_true(iommu_enabled() && !iommu_intremap());
	assert_true(has(host_log(), "IOMMU 0: VT-d at 0xfed90000"));
	/* An I/O APIC nobody names could not be remapped: then nothing is. */
	for (unsigned i = 0; i < 3; i += 2) {
		power_on(kinds[i]);
		acpi_info.ioapics[acpi_info.nr_ioapics++].id = 7;
		param_parse("");
		iommu_init();
		assert_true(iommu_enabled() && !iommu_intremap());
		assert_true(has(host_log(), "does not say how I/O APIC 7 is seen"));
	}
	power_on(kinds[0]);
	acpi_len = 0;
	param_parse("");
	iommu_init();
	assert_false(iommu_enabled());
	assert_true(has(host_log(), "neither an IVRS nor a DMAR"));
	power_on(kinds[0]);
	acpi_table[50] = 0; /* the block is not one */
	finish_table();
	iommu_init();
	assert_false(iommu_enabled());
}

static void device_sees_its_domain(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "");
		struct frame *f;

		assert_int_equal(iommu_attach(&devices[1], d), 0);
		assert_int_equal(iommu_attach(&devices[1], d), 0);
		for (unsigned g = 0; g < 64; g++) {
			assert_int_equal(dma(rid, g * 4096 + 7, false), machine_of(d, g) + 7);
			assert_int_equal(dma(rid, g * 4096 + 7, true), machine_of(d, g) + 7);
		}
		assert_int_equal(dma(rid, 64 * 4096, false), NOTHING);
		assert_int_equal(dma(rid, 1UL << 47, false), NOTHING);
		assert_int_equal(dma(0x28, 0, false), NOTHING);
		/* A page leaves: out of reach when the call returns, though the unit had cached it. */
		assert_int_equal(p2m_depopulate(d, gfn(5)), 0);
		assert_int_equal(dma(rid, 5 * 4096, false), NOTHING);
		assert_int_equal(dma(rid, 5 * 4096, true), NOTHING);
		/* A page comes where the unit may remember that there was none. */
		assert_int_equal(p2m_populate(d, gfn(5), 0, 0), 0);
		assert_int_equal(dma(rid, 5 * 4096, true), machine_of(d, 5));
		/* Rights by type. */
		f = alloc_frames(d, 0, ALLOC_NO_CHARGE);
		assert_int_equal(p2m_set(d, gfn(100), frame_to_mfn(f), 0, P2M_GRANT_MAP_RO), 0);
		assert_int_equal(dma(rid, 100 * 4096, false), mfn_to_paddr(frame_to_mfn(f)));
		assert_int_equal(dma(rid, 100 * 4096, true), NOTHING);
		assert_int_equal(p2m_set(d, gfn(100), frame_to_mfn(f), 0, P2M_GRANT_MAP_RW), 0);
		assert_int_equal(dma(rid, 100 * 4096, true), mfn_to_paddr(frame_to_mfn(f)));
		assert_int_equal(p2m_set(d, gfn(100), frame_to_mfn(f), 0, P2M_RAM_RO), 0);
		assert_int_equal(dma(rid, 100 * 4096, true), NOTHING);
		assert_int_equal(p2m_set(d, gfn(100), frame_to_mfn(f), 0, P2M_MMIO_DM), 0);
		assert_int_equal(dma(rid, 100 * 4096, false), NOTHING);
		assert_int_equal(p2m_set(d, gfn(100), mfn(0x345), 0, P2M_MMIO_DIRECT), 0);
		assert_int_equal(dma(rid, 100 * 4096, true), 0x345000);
		assert_int_equal(p2m_remove(d, gfn(100), mfn(0x345)), 0);
		frame_release_allocation(f);
		/* Nobody's again. */
		assert_int_equal(iommu_attach(&devices[1], NULL), 0);
		assert_int_equal(dma(rid, 0, false), NOTHING);
		iommu_domain_destroy(d);
	}
}

/* Contexts and devices come and go without leaving memory behind, and ids are used again. */
static void leaves_nothing(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "");
		uint64_t heap, frames;

		iommu_domain_destroy(d);
		for (unsigned round = 0; round < 3; round++) {
			assert_int_equal(iommu_domain_init(d), 0);
			assert_int_equal(iommu_attach(&devices[1], d), 0);
			assert_int_equal(dma(rid, 0x3000, true), machine_of(d, 3));
			iommu_domain_destroy(d); /* detaches what is attached */
			assert_int_equal(dma(rid, 0x3000, true), NOTHING);
			if (round) {
				assert_int_equal(heap_bytes_used(), heap);
				assert_int_equal(mm_free_frames(), frames);
			}
			heap = heap_bytes_used();
			frames = mm_free_frames();
		}
	}
}

/* A large mapping loses one page, is given away whole, and comes back as one. */
static void large_pages(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "");
		unsigned before;

		iommu_domain_destroy(d);
		d->max_pages = 4096;
		assert_int_equal(p2m_populate(d, gfn(1024), ORDER_2M, 0), 0);
		assert_int_equal(iommu_domain_init(d), 0);
		assert_int_equal(iommu_attach(&devices[1], d), 0);
		assert_int_equal(dma(rid, 1024UL << 12, true), machine_of(d, 1024));
		assert_int_equal(dma(rid, 1535UL << 12, true), machine_of(d, 1535));
		assert_int_equal(p2m_depopulate(d, gfn(1100)), 0);
		assert_int_equal(dma(rid, 1100UL << 12, true), NOTHING);
		assert_int_equal(dma(rid, 1024UL << 12, true), machine_of(d, 1024));
		assert_int_equal(dma(rid, 1535UL << 12, true), machine_of(d, 1535));
		before = hw.page_invalidations;
		assert_int_equal(p2m_depopulate(d, gfn(1101)), 0);
		if (!kinds[i].no_queue) /* not the whole cache for one page */
			assert_int_equal(hw.page_invalidations, before + 1);
		assert_int_equal(p2m_set(d, gfn(1024), mfn(0x2000), ORDER_2M, P2M_MMIO_DIRECT), 0);
		assert_int_equal(dma(rid, 1100UL << 12, true), (0x2000UL + 76) << 12);
		iommu_domain_destroy(d);
	}
}

static void faults_are_told(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "");

		assert_int_equal(iommu_attach(&devices[1], d), 0);
		host_log();
		for (unsigned n = 0; n < 40; n++) {
			assert_int_equal(dma(rid, 0x123456000, true), NOTHING);
			fault_irq->deliver(fault_irq);
		}
		assert_true(has(
			host_log(),
			"IOMMU: write of device 0000:00:03.0, of d1, at 0x123456000 stopped: nothing is mapped there"));
		assert_null(strstr(host_log(), "0x123456000")); /* enough */
		host_advance(2 * NSEC_PER_SEC);
		dma(0x100, 0x9000, false);
		dma(rid, 0x7000000, false);
		fault_irq->deliver(fault_irq);
		{
			const char *log = host_log();

			assert_true(has(log, "read of device 0000:01:00.0, which is nobody's, at 0x9000 stopped"));
			assert_true(has(log, "read of device 0000:00:03.0, of d1, at 0x7000000 stopped"));
		}
		/* Other devices of the domain work on. */
		assert_int_equal(dma(rid, 0x1000, false), machine_of(d, 1));
		iommu_domain_destroy(d);
	}
}

static void storms_are_contained(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "");
		unsigned before;

		assert_int_equal(iommu_attach(&devices[1], d), 0);
		assert_int_equal(iommu_attach(&devices[3], d), 0);
		assert_true(is_master(&devices[1]));
		for (unsigned n = 0; n < 300; n++) {
			dma(rid, 0x55555000, true);
			fault_irq->deliver(fault_irq);
		}
		assert_true(has(host_log(), "device 0000:00:03.0 faults without end: cut off"));
		assert_false(is_master(&devices[1]));
		before = hw.interrupts;
		assert_int_equal(dma(rid, 0x1000, false), NOTHING);
		assert_int_equal(hw.interrupts, before); /* and no more is heard of it */
		assert_int_equal(dma(0x28, 0x1000, false), machine_of(d, 1));
		/* Given away and back, it works again. */
		assert_int_equal(iommu_attach(&devices[1], NULL), 0);
		assert_int_equal(iommu_attach(&devices[1], d), 0);
		assert_int_equal(dma(rid, 0x1000, false), machine_of(d, 1));
		iommu_domain_destroy(d);
	}
}

static unsigned lines_with(const char *log, const char *text)
{
	unsigned n = 0;

	while ((log = strstr(log, text))) {
		log += strlen(text);
		n++;
	}
	return n;
}

/* Devices that take turns are told of, and contained, as if each were alone; also when there are more than are counted apart. */
static void storms_of_many(void **state)
{
	struct domain *d = boot(kinds[0], "");
	const char *log;

	/* 00:0b.1 shares all that a hash of few bits could make of the two ids. */
	assert_int_equal(iommu_attach(&devices[1], d), 0);
	host_log();
	for (unsigned n = 0; n < 300; n++) {
		dma(rid, 0x55555000, true);
		dma(0x59, 0x55555000, true);
		fault_irq->deliver(fault_irq);
	}
	log = host_log();
	assert_true(has(log, "device 0000:00:03.0 faults without end: cut off"));
	assert_true(has(log, "device 0000:00:0b.1 faults without end: cut off"));
	assert_int_equal(lines_with(log, " stopped: "), 10);
	host_advance(2 * NSEC_PER_SEC);
	for (unsigned n = 0; n < 30; n++)
		for (uint16_t id = 0x100; id < 0x180; id++) {
			dma(id, 0x55555000, true);
			fault_irq->deliver(fault_irq);
		}
	log = host_log();
	assert_int_equal(lines_with(log, " stopped: "), 64 * 5 + 5);
	assert_in_range(lines_with(log, " faults without end"), 1, 64 * 30 / 200);
	iommu_domain_destroy(d);
}

/* More events at once than the log holds: it goes on afterwards. */
static void log_overflows(void **state)
{
	struct domain *d = boot(kinds[0], "");

	assert_int_equal(iommu_attach(&devices[1], d), 0);
	for (unsigned n = 0; n < 5000; n++)
		dma((uint16_t)(0x100 + n), 0x55555000, true);
	assert_int_equal(hw.regs[0x2020 / 8] & 1, 1);
	for (unsigned n = 0; n < 40; n++)
		fault_irq->deliver(fault_irq);
	assert_int_equal(hw.regs[0x2020 / 8] & 1, 0);
	host_log();
	host_advance(2 * NSEC_PER_SEC);
	dma(rid, 0x66666000, true);
	fault_irq->deliver(fault_irq);
	assert_true(has(host_log(), "0x66666000"));
	iommu_domain_destroy(d);
}

/* One interrupt tells of a thousand events: what was not looked at then is soon, though nothing tells of it again. */
static void catches_up(void **state)
{
	struct domain *d = boot(kinds[0], "");

	assert_int_equal(iommu_attach(&devices[1], d), 0);
	for (unsigned n = 0; n < 1000; n++)
		dma((uint16_t)(0x100 + n), 0x55555000, true);
	fault_irq->deliver(fault_irq);
	assert_int_not_equal(hw.regs[0x2010 / 8], hw.regs[0x2018 / 8]);
	for (unsigned n = 0; n < 5; n++) {
		host_advance(MILLISECS(20));
		host_run_softirqs(0);
	}
	assert_int_equal(hw.regs[0x2010 / 8], hw.regs[0x2018 / 8]);
	host_log();
	iommu_domain_destroy(d);
}

/* VT-d tells of faults when the first comes. One that comes while they are taken off is taken, too: nothing would tell of it, nor of any after it. */
static void fault_meanwhile(void **state)
{
	struct domain *d = boot(kinds[2], "");
	unsigned before = hw.interrupts;

	dma(0x100, 0x9000, false);
	dma(0x101, 0x9000, false);
	hw.again = 0x102;
	assert_int_equal(hw.interrupts, before + 1);
	fault_irq->deliver(fault_irq);
	assert_true(has(host_log(), "read of device 0000:01:00.2"));
	dma(0x103, 0x9000, false);
	assert_int_equal(hw.interrupts, before + 2);
	fault_irq->deliver(fault_irq);
	assert_true(has(host_log(), "read of device 0000:01:00.3"));
	iommu_domain_destroy(d);
}

/* AMD: an event that is not there yet, though the log says so, is waited for; one that does not come is nobody's. */
static void event_comes_late(void **state)
{
	struct model kind = kinds[0];
	struct domain *d;

	kind.late = true;
	d = boot(kind, "");
	host_log();
	dma(0x100, 0x9000, false);
	fault_irq->deliver(fault_irq);
	assert_null(strstr(host_log(), " of device "));
	hw.late = false;
	dma(0x101, 0x9000, false);
	fault_irq->deliver(fault_irq);
	assert_true(has(host_log(), "read of device 0000:01:00.1"));
	iommu_domain_destroy(d);
}

/* A log that stays empty: the unit's PCI function tells that something was stopped, and is asked every second. */
static void log_says_nothing(void **state)
{
	struct domain *d = boot((struct model){ .amd = true, .no_log = true }, "");

	assert_int_equal(iommu_attach(&devices[1], d), 0);
	dma(rid, 0x1000, true);
	host_advance(2 * NSEC_PER_SEC);
	host_run_softirqs(0);
	assert_null(strstr(host_log(), "stopped"));
	dma(rid, 0x66666000, true);
	host_advance(2 * NSEC_PER_SEC);
	host_run_softirqs(0);
	assert_true(has(host_log(), "IOMMU: unit at 0xfed80000: a device's request was stopped"));
	host_advance(2 * NSEC_PER_SEC);
	host_run_softirqs(0);
	assert_null(strstr(host_log(), "stopped"));
	iommu_domain_destroy(d);
}

static void reserved_ranges(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "iommu=verbose");
		const struct iommu_reserved *r;

		assert_int_equal(iommu_reserved_ranges(&r), 1);
		assert_int_equal(r->start, 0x200000);
		assert_int_equal(r->end, 0x201000);
		assert_int_equal(PCI_BDF(r->sbdf), 0x18);
		assert_int_equal(iommu_attach(&devices[3], d), 0);
		assert_int_equal(dma(0x28, 0x200010, true), NOTHING);
		assert_int_equal(iommu_attach(&devices[1], d), 0);
		assert_int_equal(dma(rid, 0x200010, true), 0x200010);
		/* The map says otherwise later: firmware's word holds. */
		assert_int_equal(p2m_set(d, gfn(0x200), mfn(0x777), 0, P2M_RAM_RO), 0);
		assert_int_equal(dma(rid, 0x200010, true), 0x200010);
		assert_int_equal(p2m_set(d, gfn(0), INVALID_MFN, ORDER_2M, P2M_INVALID), 0);
		assert_int_equal(p2m_set(d, gfn(0x200), INVALID_MFN, 0, P2M_INVALID), 0);
		assert_int_equal(dma(rid, 0x200010, true), 0x200010);
		assert_int_equal(dma(rid, 0x1000, true), NOTHING);
		iommu_domain_destroy(d);
	}
}

/* Firmware names as reserved what its own map calls RAM: somebody else's, perhaps. */
static void reserved_in_ram(void **state)
{
	EACH_KIND(i)
	{
		const struct iommu_reserved *r;
		struct domain *d;

		power_on(kinds[i]);
		boot_info.e820[0] = (struct e820_entry){ 0x100000, 0x101000, E820_RAM };
		boot_info.nr_e820 = 1;
		param_parse("");
		iommu_init();
		boot_info.nr_e820 = 0;
		assert_true(has(host_log(), "IOMMU: 0x200000-0x200fff is RAM and not reserved"));
		assert_int_equal(iommu_reserved_ranges(&r), 0);
		d = host_domain(1, 1, 64, 0);
		assert_int_equal(iommu_domain_init(d), 0);
		assert_int_equal(iommu_attach(&devices[1], d), 0);
		assert_int_equal(dma(rid, 0x200010, true), NOTHING);
		assert_int_equal(dma(rid, 0x1000, true), machine_of(d, 1));
		iommu_domain_destroy(d);
	}
}

static void devices_with_one_voice(void **state)
{
	struct domain *d = boot(kinds[0], ""), *e = host_domain(2, 1, 16, 0);

	assert_int_equal(iommu_domain_init(e), 0);
	/* 00:04.0 speaks as 00:05.0. */
	assert_int_equal(iommu_attach(&devices[2], d), 0);
	assert_int_equal(dma(0x28, 0x2000, true), machine_of(d, 2));
	assert_int_equal(iommu_attach(&devices[3], e), -EBUSY);
	assert_int_equal(dma(0x28, 0x2000, true), machine_of(d, 2)); /* who was at work does not notice */
	assert_int_equal(iommu_attach(&devices[3], NULL), 0);
	assert_int_equal(dma(0x28, 0x2000, true), machine_of(d, 2));
	assert_int_equal(iommu_attach(&devices[3], d), 0);
	/* One leaves: the other keeps the name. */
	assert_int_equal(iommu_attach(&devices[2], NULL), 0);
	assert_int_equal(dma(0x28, 0x2000, true), machine_of(d, 2));
	assert_int_equal(iommu_attach(&devices[3], NULL), 0);
	assert_int_equal(dma(0x28, 0x2000, true), NOTHING);
	assert_int_equal(iommu_attach(&devices[3], e), 0);
	assert_int_equal(dma(0x28, 0x2000, true), machine_of(e, 2));
	iommu_domain_destroy(d);
	iommu_domain_destroy(e);
}

/* A device behind a bridge to conventional PCI. */
static void bridges_speak(void **state)
{
	struct domain *d;

	power_on(kinds[2]);
	add_device(0, 0x40);
	hw.config[4][0xc / 4] = 0x10000; /* type 1 */
	hw.config[4][0x18 / 4] = 0x070700;
	add_device(7, 0x08);
	param_parse("");
	iommu_init();
	d = host_domain(1, 1, 64, 0);
	assert_int_equal(iommu_domain_init(d), 0);
	assert_int_equal(iommu_attach(&devices[5], d), 0);
	assert_int_equal(dma(0x708, 0x1000, true), machine_of(d, 1));
	assert_int_equal(dma(0x40, 0x1000, true), machine_of(d, 1));
	assert_int_equal(dma(0x700, 0x1000, true), NOTHING);
	iommu_domain_destroy(d);
}

/* VT-d: one more unit in the table, whose registers read ones, with a scope of @type that 00:@devfn is at the end of. */
static struct domain *boot_with_dead_unit(unsigned type, uint8_t devfn)
{
	const uint64_t base = VTD_BASE + 0x2000;
	uint8_t drhd[24] = { [2] = 24, [16] = (uint8_t)type, [17] = 8, [22] = devfn >> 3, [23] = devfn & 7 };
	struct domain *d;

	power_on(kinds[2]);
	memcpy(drhd + 8, &base, 8);
	memcpy(acpi_table + acpi_len, drhd, sizeof(drhd));
	acpi_len += sizeof(drhd);
	finish_table();
	hw.regs[0x2008 / 8] = hw.regs[0x2010 / 8] = ~0UL;
	add_device(0, 0x40);
	hw.config[4][0xc / 4] = 0x10000; /* a bridge that nobody gave a bus */
	param_parse("");
	iommu_init();
	assert_true(iommu_enabled());
	assert_true(has(host_log(), "VT-d unit at 0xfed92000 ignored"));
	d = host_domain(1, 1, 64, 0);
	assert_int_equal(iommu_domain_init(d), 0);
	return d;
}

/* What such a unit should have translated is nobody's: that the unit for the rest would take an entry for it means nothing. */
static void unit_not_there(void **state)
{
	struct domain *d = boot_with_dead_unit(1, 0x20);

	assert_int_equal(iommu_attach(&devices[1], d), 0);
	assert_int_equal(dma(rid, 0x1000, true), machine_of(d, 1));
	assert_int_equal(iommu_attach(&devices[2], d), -ENODEV);
	iommu_domain_destroy(d);
}

/* Behind a bridge without a bus there is nothing, least of all bus 0. */
static void bridge_without_bus(void **state)
{
	struct domain *d = boot_with_dead_unit(2, 0x40);

	assert_int_equal(iommu_attach(&devices[4], d), -ENODEV);
	assert_int_equal(iommu_attach(&devices[1], d), 0);
	assert_int_equal(dma(rid, 0x1000, true), machine_of(d, 1));
	iommu_domain_destroy(d);
}

static void silent_unit(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "");

		assert_int_equal(iommu_attach(&devices[1], d), 0);
		assert_int_equal(dma(rid, 0x5000, true), machine_of(d, 5));
		hw.dead = true;
		assert_int_equal(p2m_depopulate(d, gfn(5)), 0);
		/* The page is free now, and the device did not wait for anything to be stopped. */
		assert_false(is_master(&devices[1]));
		assert_true(has(host_log(), "does not answer"));
		host_run_softirqs(0);
		assert_false(is_master(&devices[1]));
		/* It is not asked again, and nothing more is entrusted to it. */
		assert_int_equal(p2m_depopulate(d, gfn(6)), 0);
		assert_int_equal(iommu_attach(&devices[3], d), -EIO);
		assert_null(strstr(host_log(), "does not answer"));
		assert_int_equal(iommu_attach(&devices[1], NULL), 0);
		iommu_domain_destroy(d);
	}
}

static void silent_from_the_start(void **state)
{
	EACH_KIND(i)
	{
		struct model kind = kinds[i];
		struct domain *d;

		kind.dead = true;
		d = boot(kind, "");
		assert_true(has(host_log(), "does not answer"));
		assert_true(iommu_enabled());
		assert_int_equal(iommu_attach(&devices[1], d), -EIO);
		iommu_domain_destroy(d);
	}
}

/* No memory for tables: what cannot be mapped is out of reach, what must go is gone. */
static void without_memory(void **state)
{
	EACH_KIND(i)
	{
		struct domain *d = boot(kinds[i], "");

		d->max_pages = 4096;
		assert_int_equal(p2m_populate(d, gfn(1024), ORDER_2M, 0), 0);
		assert_int_equal(p2m_set(d, gfn(4096), mfn(0x2000), 0, P2M_MMIO_DIRECT), 0);
		assert_int_equal(iommu_attach(&devices[1], d), 0);
		host_log();
		assert_int_equal(dma(rid, 1025UL << 12, true), machine_of(d, 1025));
		/* One page for the map's own table, none for ours. */
		host_take_memory(1);
		assert_int_equal(p2m_set(d, gfn(1UL << 20), mfn(0x2001), 0, P2M_MMIO_DIRECT), -ENOMEM);
		host_give_back();
		host_take_memory(1);
		assert_int_equal(p2m_depopulate(d, gfn(1100)), 0);
		assert_int_equal(dma(rid, 1100UL << 12, true), NOTHING);
		assert_int_equal(dma(rid, 1025UL << 12, true), machine_of(d, 1025)); /* the reserve was enough */
		host_give_back();
		host_take_memory(2);
		assert_int_equal(p2m_set(d, gfn(1UL << 18), mfn(0x2002), 0, P2M_MMIO_DIRECT), 0);
		assert_int_equal(dma(rid, 1UL << 30, true), NOTHING);
		assert_true(has(host_log(), "no memory for tables of d1"));
		host_give_back();
		iommu_domain_destroy(d);
	}
}

static void amd_messages(void **state)
{
	struct host_irq irq = { .vector = 0x45, .cpu = 3 };
	uint64_t address, rte = 0x0300000000000000UL | 0x8000 | 0x2000 | 0x51;
	uint64_t *dte;
	uint32_t data, *irt;

	boot(kinds[0], "");
	dte = (uint64_t *)(host_ram + (hw.regs[0] & 0xffffffffff000UL));
	assert_int_equal(dte[4 * rid + 2], 1);			   /* interrupts: refused */
	assert_int_equal(dte[4 * 0xa0 + 2], 0xc700000000000001UL); /* but those firmware needs */
	assert_int_equal(dte[4 * 0xa0 + 1], 1UL << 40);
	assert_int_equal(iommu_msi_message(&devices[1], 0, &irq, &address, &data), 0);
	assert_int_equal(address, 0xfee00000);
	assert_int_equal(data, 480);
	assert_int_equal(dte[4 * rid + 2] & 0x3f, 1 | 9 << 1);
	assert_int_equal(dte[4 * rid + 2] >> 60, 2);
	irt = (uint32_t *)(host_ram + (dte[4 * rid + 2] & 0xfffffffffffc0UL));
	assert_int_equal(irt[480], 1 | 3 << 8 | 0x45 << 16);
	/* Several messages lie in a row. */
	assert_int_equal(iommu_msi_message(&devices[1], 5, &irq, &address, &data), 0);
	assert_int_equal(data, 485);
	assert_int_equal(iommu_msi_message(&devices[1], 40, &irq, &address, &data), 0);
	assert_int_equal(data, 456);
	irq.vector = 0x99;
	assert_int_equal(iommu_msi_message(&devices[1], 5, &irq, &address, &data), 0);
	assert_int_equal(irt[485], 1 | 3 << 8 | 0x99 << 16);
	iommu_msi_release(&devices[1], 5);
	iommu_msi_release(&devices[1], 5);
	iommu_msi_release(&devices[1], 2000);
	assert_int_equal(irt[485], 0);
	assert_int_equal(irt[480], 1 | 3 << 8 | 0x45 << 16);
	/* 512 at most. */
	assert_int_equal(iommu_msi_message(&devices[1], 2048, &irq, &address, &data), -EINVAL);
	for (unsigned i = 0; i < 16 * 32; i += 32)
		assert_int_equal(iommu_msi_message(&devices[1], i, &irq, &address, &data), 0);
	assert_int_equal(iommu_msi_message(&devices[1], 16 * 32, &irq, &address, &data), -ENOSPC);
	/* The I/O APIC: the index takes the vector's place, and is the vector if that is free. */
	assert_int_equal(iommu_ioapic_entry(0, 4, &rte), 0);
	assert_int_equal(rte, 0x8000 | 0x2000 | 0x51);
	irt = (uint32_t *)(host_ram + (dte[4 * 0xa0 + 2] & 0xfffffffffffc0UL));
	assert_int_equal(irt[0x51], 1 | 3 << 8 | 0x51 << 16);
	rte = 0x51;
	assert_int_equal(iommu_ioapic_entry(0, 5, &rte), 0);
	assert_int_not_equal(rte, 0x51);
	assert_int_equal(irt[rte], 1 | 0x51 << 16);
	rte = 0x77 | 1 << 16;
	assert_int_equal(iommu_ioapic_entry(0, 4, &rte), 0);
	assert_int_equal(rte, 0x51 | 1 << 16); /* the pin keeps its entry */
	assert_int_equal(irt[0x51], 1 | 0x77 << 16);
	assert_int_equal(iommu_ioapic_entry(9, 4, &rte), -ENODEV);
}

static void vtd_messages(void **state)
{
	struct host_irq irq = { .vector = 0x45, .cpu = 3 };
	uint64_t address, *irt, rte = 0x0300000000000000UL | 0x8000 | 0x2000 | 0x51;
	uint32_t data;
	unsigned handle;

	boot(kinds[2], "");
	assert_true(iommu_intremap());
	assert_int_equal(hw.regs[0xb8 / 8] & 0xfff, 13); /* 2^14 entries, 8-bit ids */
	irt = (uint64_t *)(host_ram + (hw.regs[0xb8 / 8] & ~0xfffUL));
	assert_int_equal(iommu_msi_message(&devices[1], 3, &irq, &address, &data), 0);
	assert_int_equal(data, 3);
	assert_int_equal(address & ~0xfffe4UL, 0xfee00018);
	handle = (unsigned)(address >> 5 & 0x7fff) + data;
	assert_int_equal(irt[2 * handle], 1 | 0x45UL << 16 | 3UL << 40);
	assert_int_equal(irt[2 * handle + 1], 0x18 | 1 << 18);
	irq.cpu = 1;
	assert_int_equal(iommu_msi_message(&devices[1], 3, &irq, &address, &data), 0);
	assert_int_equal(irt[2 * handle], 1 | 0x45UL << 16 | 1UL << 40);
	iommu_msi_release(&devices[1], 3);
	assert_int_equal(irt[2 * handle], 0);
	assert_int_equal(irt[2 * handle + 1], 0);
	assert_int_equal(iommu_ioapic_entry(0, 4, &rte), 0);
	assert_int_equal(rte & 0xffff, 0x8000 | 0x2000 | 0x51);
	assert_int_equal(rte >> 48 & 1, 1);
	handle = (unsigned)(rte >> 49);
	assert_int_equal(irt[2 * handle], 1 | 1 << 4 | 0x51UL << 16 | 3UL << 40);
	assert_int_equal(irt[2 * handle + 1], 0xa0 | 1 << 18);
	assert_int_equal(iommu_ioapic_entry(3, 4, &rte), -ENODEV);
	/* Without remapping, or a queue to control it by: the plain message. */
	boot(kinds[4], "");
	assert_false(iommu_intremap());
	assert_int_equal(iommu_msi_message(&devices[1], 3, &irq, &address, &data), 0);
	assert_int_equal(address, 0xfee01000);
	assert_int_equal(data, 0x45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(denies_by_default),
		cmocka_unit_test(options),
		cmocka_unit_test(device_sees_its_domain),
		cmocka_unit_test(leaves_nothing),
		cmocka_unit_test(large_pages),
		cmocka_unit_test(faults_are_told),
		cmocka_unit_test(storms_are_contained),
		cmocka_unit_test(storms_of_many),
		cmocka_unit_test(log_overflows),
		cmocka_unit_test(catches_up),
		cmocka_unit_test(fault_meanwhile),
		cmocka_unit_test(event_comes_late),
		cmocka_unit_test(log_says_nothing),
		cmocka_unit_test(reserved_ranges),
		cmocka_unit_test(reserved_in_ram),
		cmocka_unit_test(devices_with_one_voice),
		cmocka_unit_test(bridges_speak),
		cmocka_unit_test(unit_not_there),
		cmocka_unit_test(bridge_without_bus),
		cmocka_unit_test(silent_unit),
		cmocka_unit_test(silent_from_the_start),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(amd_messages),
		cmocka_unit_test(vtd_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
