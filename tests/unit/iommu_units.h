/*
 * Two IOMMUs for tests, written from the manuals and not from the drivers: registers, command queue, caches that
 * forget only what they are told to, page walks, fault logs, interrupt tables. A test switches faults of the hardware
 * on: no answer, no snooping, caching of absent entries.
 */
#ifndef IOMMU_UNITS_H
#define IOMMU_UNITS_H

#include "mm_test.h"

#include "asm/iommu.h"
#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/iommu.h"
#include "hv/pci.h"

#define RAM (64UL << 20)
#define AMD_BASE 0xfed80000UL
#define VTD_BASE 0xfed90000UL
#define NOTHING (~0UL)

struct cached {
	bool used, write;
	uint16_t id, domain;
	uint64_t dfn, to; /* NOTHING: known to be absent */
};

static struct model {
	bool amd;
	bool dead;	 /* takes commands and never answers */
	bool incoherent; /* sees memory only as arch_cache_flush() left it */
	bool absent;	 /* caches what is not there */
	bool no_log;	 /* AMD: as QEMU 7, events are never written */
	bool no_queue;	 /* VT-d */
	uint16_t again;	 /* VT-d: this device faults, once, as soon as there is room to record it */
	bool late;	 /* AMD: the log's end moves before the event is there */
	uint64_t sagaw;	 /* VT-d: widths offered */
	uint64_t regs[0x4000 / 8];
	uint8_t *shadow;
	struct cached tlb[256];
	unsigned nr_tlb, invalidations, page_invalidations;
	uint64_t context[65536][2]; /* cached device or context entries */
	bool context_known[65536];
	uint32_t event_tail;
	unsigned interrupts;	/* raised by the unit itself */
	uint64_t config[8][64]; /* of devices 0..7 on bus 0, by doubleword */
} hw;

/* What the drivers ask of the machine beside registers ------------------------------------------------- */

static uint8_t acpi_table[512];
static size_t acpi_len;

struct acpi_info acpi_info;

const void *acpi_find_table(const char sig[4], size_t *len)
{
	if (!acpi_len || memcmp(acpi_table, sig, 4))
		return NULL;
	*len = acpi_len;
	return acpi_table;
}

bool apic_is_x2(void)
{
	return false;
}

void arch_cache_flush(const void *p, size_t len)
{
	size_t at = (size_t)((const uint8_t *)p - host_ram) & ~63UL;
	size_t end = (size_t)((const uint8_t *)p - host_ram) + len;

	for (; at < end; at += 64)
		memcpy(hw.shadow + at, host_ram + at, 64);
}

/* What the unit sees ------------------------------------------------------------------------------------- */

static uint64_t unit_read(uint64_t at)
{
	uint64_t v;

	assert_true(at < RAM);
	memcpy(&v, (hw.incoherent ? hw.shadow : host_ram) + at, 8);
	return v;
}

static void unit_store(uint64_t at, uint64_t v, size_t len)
{
	assert_true(at < RAM);
	memcpy(host_ram + at, &v, len);
	memcpy(hw.shadow + at, &v, len);
}

static uint64_t *reg(unsigned at)
{
	return &hw.regs[at / 8];
}

static void tlb_drop(bool all, uint16_t domain, uint64_t dfn, uint64_t nr)
{
	hw.invalidations++;
	hw.page_invalidations += !all && nr < 1UL << 40;
	for (unsigned i = 0; i < hw.nr_tlb; i++) {
		struct cached *c = &hw.tlb[i];

		if (all || (c->domain == domain && c->dfn >= dfn && c->dfn - dfn < nr))
			c->used = false;
	}
}

static void amd_command(uint64_t w0, uint64_t w1)
{
	uint64_t size = 1;

	switch (w0 >> 60) {
	case 1:
		assert_int_equal(w0 & 7, 1);
		unit_store(w0 & 0xffffffffffff8UL, w1, 8);
		break;
	case 2:
		hw.context_known[w0 & 0xffff] = false;
		break;
	case 3:
		assert_int_equal(w1 & 2, 2);
		if (w1 & 1)
			for (size = 2; w1 >> 12 & (size >> 1); size <<= 1)
				;
		tlb_drop(false, (uint16_t)(w0 >> 32), w1 >> 12 & ~(size - 1), size);
		break;
	case 5:
		break;
	case 8:
		tlb_drop(true, 0, 0, 0);
		memset(hw.context_known, 0, sizeof(hw.context_known));
		break;
	default:
		fail_msg("command %016lx", w0);
	}
}

static void amd_run(void)
{
	uint64_t base = *reg(8) & 0xffffffffff000UL;

	while (!hw.dead && (*reg(0x18) & 0x1001) == 0x1001 && *reg(0x2000) != *reg(0x2008)) {
		amd_command(unit_read(base + *reg(0x2000)), unit_read(base + *reg(0x2000) + 8));
		*reg(0x2000) = (*reg(0x2000) + 16) % 4096;
	}
}

static void amd_write(unsigned at, uint64_t v)
{
	if (at == 0x2020) {
		*reg(at) &= ~(v & 7);
		return;
	}
	*reg(at) = v;
	if (at == 0x10)
		hw.event_tail = 0;
	if (at == 0x2018)
		hw.event_tail = (uint32_t)v;
	if (at == 0x18)
		*reg(0x2020) = (*reg(0x2020) & ~0x18UL) | (v & 1 && v & 4 ? 8 : 0) | (v & 1 && v & 0x1000 ? 0x10 : 0);
	if (at == 0x18 || at == 0x2008)
		amd_run();
}

static void vtd_descriptor(uint64_t w0, uint64_t w1)
{
	switch (w0 & 15) {
	case 1:
		assert_int_equal(w0 >> 4 & 3, 1);
		memset(hw.context_known, 0, sizeof(hw.context_known));
		break;
	case 2:
		assert_int_equal(w0 >> 6 & 3, 3); /* drain both */
		if ((w0 >> 4 & 3) == 1)
			tlb_drop(true, 0, 0, 0);
		else if ((w0 >> 4 & 3) == 2)
			tlb_drop(false, (uint16_t)(w0 >> 16), 0, 1UL << 52);
		else
			tlb_drop(false, (uint16_t)(w0 >> 16), w1 >> 12, 1UL << (w1 & 63));
		break;
	case 4:
		break;
	case 5:
		assert_int_equal(w0 & 0x60, 0x20);
		unit_store(w1, w0 >> 32, 4);
		break;
	default:
		fail_msg("descriptor %016lx", w0);
	}
}

static void vtd_fault(uint16_t id, uint64_t address, bool write, unsigned reason)
{
	bool pending = *reg(0x228) >> 63 || *reg(0x238) >> 63;

	for (unsigned i = 0; i < 2; i++) {
		if (*reg(0x220 + 16 * i + 8) >> 63)
			continue;
		*reg(0x220 + 16 * i) = address & ~0xfffUL;
		*reg(0x220 + 16 * i + 8) = 1UL << 63 | (write ? 0 : 1UL << 62) | (uint64_t)reason << 32 | id;
		hw.interrupts += !pending; /* 7.3: who has not cleared all is not told again */
		return;
	}
	*reg(0x30) |= 1UL << 32; /* overflow */
}

static void vtd_write(unsigned at, uint64_t v, unsigned size)
{
	uint32_t *status = (uint32_t *)((uint8_t *)hw.regs + 0x1c);

	if (at == 0x18 && size == 4) {
		/* One-shot bits set their status; the others are the status. */
		if (!hw.dead)
			*status = (*status & 0x41000000) | (uint32_t)(v & 0x97800000 & ~0x01000000u) |
				  (uint32_t)(v & 0x41000000);
		return;
	}
	if (at == 0x34) {
		*(uint32_t *)((uint8_t *)hw.regs + 0x34) &= ~(uint32_t)v;
		return;
	}
	if (at >= 0x220 && at < 0x300) { /* fault records: write 1 to clear F */
		if (v >> 31)
			*reg(at) &= ~(1UL << 63);
		if (hw.again)
			vtd_fault(hw.again, 0x9000, false, 2);
		hw.again = 0;
		return;
	}
	memcpy((uint8_t *)hw.regs + at, &v, size);
	if (at == 0x28 && v >> 63 && !hw.dead) {
		memset(hw.context_known, 0, sizeof(hw.context_known));
		*reg(at) = 0;
	}
	if (at == 0x108 && v >> 63 && !hw.dead) {
		tlb_drop((v >> 60 & 3) == 1, (uint16_t)(v >> 32), 0, 1UL << 52);
		*reg(at) = 0;
	}
	while (at == 0x88 && !hw.dead && *status & 1u << 26 && *reg(0x80) != (*reg(0x88) & 0xffffffff)) {
		uint64_t d = (*reg(0x90) & ~0xfffUL) + *reg(0x80);

		vtd_descriptor(unit_read(d), unit_read(d + 8));
		*reg(0x80) = (*reg(0x80) + 16) % 4096;
	}
}

static unsigned reg_offset(const volatile void *p)
{
	uint64_t base = hw.amd ? AMD_BASE : VTD_BASE;

	assert_in_range((uint64_t)p, base, base + 0x3fff);
	/* A unit that does not answer is waited for: time passes. */
	if (hw.dead)
		host_advance(MILLISECS(10));
	return (unsigned)((uint64_t)p - base);
}

uint32_t mmio_read32(const volatile void *p)
{
	uint32_t v;

	memcpy(&v, (uint8_t *)hw.regs + reg_offset(p), 4);
	return v;
}

uint64_t mmio_read64(const volatile void *p)
{
	return *reg(reg_offset(p));
}

void mmio_write32(volatile void *p, uint32_t v)
{
	unsigned at = reg_offset(p);

	if (hw.amd)
		amd_write(at, v);
	else
		vtd_write(at, v, 4);
}

void mmio_write64(volatile void *p, uint64_t v)
{
	unsigned at = reg_offset(p);

	if (hw.amd)
		amd_write(at, v);
	else
		vtd_write(at, v, 8);
}

/* DMA ------------------------------------------------------------------------------------------------------- */

static void amd_event(uint16_t id, uint16_t domain, uint64_t address, bool write)
{
	uint64_t base = *reg(0x10) & 0xffffffffff000UL, bytes = 16UL << (*reg(0x10) >> 56 & 15);

	hw.config[0][1] |= 0x800UL << 16; /* signalled target abort */
	if (hw.no_log || !(*reg(0x2020) & 8) || *reg(0x2020) & 1)
		return;
	if ((hw.event_tail + 16) % bytes == *reg(0x2010)) {
		*reg(0x2020) |= 1;
		hw.interrupts++;
		return;
	}
	if (!hw.late) {
		unit_store(base + hw.event_tail, 2UL << 60 | (write ? 1UL << 53 : 0) | (uint64_t)domain << 32 | id, 8);
		unit_store(base + hw.event_tail + 8, address, 8);
	}
	hw.event_tail = (uint32_t)((hw.event_tail + 16) % bytes);
	*reg(0x2018) = hw.event_tail;
	*reg(0x2020) |= 2;
	hw.interrupts++;
}

/* 48882, 2.2.3: from the device table entry down. NOTHING: not allowed. */
static uint64_t amd_walk(const uint64_t dte[2], uint64_t address, bool write)
{
	uint64_t e = dte[0];

	assert_true(e & 1); /* with V clear everything would pass */
	assert_true(e & 2);
	for (unsigned level = e >> 9 & 7; level; level = e >> 9 & 7) {
		if (!(e & 1) || !(e >> (write ? 62 : 61) & 1))
			return NOTHING;
		assert_int_not_equal(level, 7);
		if (level < 6 && address >> (12 + 9 * level) && e == dte[0])
			return NOTHING;
		e = unit_read((e & 0xffffffffff000UL) + 8 * (address >> (3 + 9 * level) & 0x1ff));
		if (e & 1 && !(e >> 9 & 7)) {
			uint64_t size = 1UL << (12 + 9 * (level - 1));

			if (!(e >> (write ? 62 : 61) & 1))
				return NOTHING;
			assert_int_equal((e & 0xffffffffff000UL) & (size - 1), 0);
			return (e & 0xffffffffff000UL) + (address & (size - 1));
		}
	}
	return NOTHING;
}

/* 3.6 and 9.8 of the VT-d specification. */
static uint64_t vtd_walk(const uint64_t entry[2], uint64_t address, bool write)
{
	unsigned level = (unsigned)(entry[1] & 7) + 2;
	uint64_t table = entry[0] & ~0xfffUL;

	assert_true(hw.sagaw >> (level - 2) & 1);
	if (address >> (12 + 9 * level))
		return NOTHING;
	for (;; level--) {
		uint64_t e = unit_read(table + 8 * (address >> (3 + 9 * level) & 0x1ff));
		uint64_t size = 1UL << (12 + 9 * (level - 1));

		if (!(e >> write & 1))
			return NOTHING;
		if (level > 1 && !(e & 0x80)) {
			table = e & 0xffffffffff000UL;
			continue;
		}
		assert_true(level <= 3);
		assert_int_equal((e & 0xffffffffff000UL) & (size - 1), 0);
		return (e & 0xffffffffff000UL) + (address & (size - 1));
	}
}

static void load_context(uint16_t id)
{
	uint64_t *c = hw.context[id];

	if (hw.amd) {
		c[0] = unit_read((*reg(0) & 0xffffffffff000UL) + 32UL * id);
		c[1] = unit_read((*reg(0) & 0xffffffffff000UL) + 32UL * id + 8);
	} else {
		uint64_t root = unit_read((*reg(0x20) & ~0xfffUL) + 16UL * (id >> 8));

		c[0] = c[1] = 0;
		if (root & 1) {
			c[0] = unit_read((root & ~0xfffUL) + 16UL * (id & 0xff));
			c[1] = unit_read((root & ~0xfffUL) + 16UL * (id & 0xff) + 8);
		}
		if (!(c[0] & 1) && !hw.absent)
			return;
	}
	hw.context_known[id] = true;
}

/* The device @id touches @address: the machine address it reaches, or NOTHING and a fault. */
static uint64_t dma(uint16_t id, uint64_t address, bool write)
{
	uint64_t to = NOTHING, *c = hw.context[id];
	uint16_t domain;
	bool quiet, valid;

	if (hw.amd ? !(*reg(0x18) & 1) : !(*reg(0x18) >> 63))
		return address;
	if (!hw.context_known[id])
		load_context(id);
	domain = (uint16_t)(hw.amd ? c[1] : c[1] >> 8);
	quiet = hw.amd ? c[1] >> 33 & 1 : c[0] & 2;
	valid = hw.amd || c[0] & 1;
	for (unsigned i = 0; valid && i < hw.nr_tlb; i++)
		if (hw.tlb[i].used && hw.tlb[i].domain == domain && hw.tlb[i].dfn == address >> 12 &&
		    hw.tlb[i].write == write) {
			to = hw.tlb[i].to;
			goto out;
		}
	if (valid)
		to = hw.amd ? amd_walk(c, address, write) : vtd_walk(c, address, write);
	if (to != NOTHING)
		to &= ~0xfffUL;
	if (valid && (to != NOTHING || hw.absent) && hw.nr_tlb < 256)
		hw.tlb[hw.nr_tlb++] = (struct cached){ true, write, id, domain, address >> 12, to };
out:
	if (to != NOTHING)
		return to + (address & 0xfff);
	if (!quiet && hw.amd)
		amd_event(id, domain, address, write);
	else if (!quiet)
		vtd_fault(id, address, write, valid ? write ? 5 : 6 : 2);
	return NOTHING;
}

/* The machine boots ----------------------------------------------------------------------------------------- */

static void acpi_put(size_t off, uint64_t val, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		acpi_table[off + i] = (uint8_t)(val >> (8 * i));
	if (off + n > acpi_len)
		acpi_len = off + n;
}

static void begin_table(const char *sig)
{
	memset(acpi_table, 0, sizeof(acpi_table));
	memcpy(acpi_table, sig, 4);
	acpi_len = 48;
}

static void finish_table(void)
{
	uint8_t sum = 0;

	acpi_put(4, acpi_len, 4);
	acpi_table[9] = 0;
	for (size_t i = 0; i < acpi_len; i++)
		sum = (uint8_t)(sum + acpi_table[i]);
	acpi_table[9] = (uint8_t)-sum;
}

/*
 * One unit for all, an I/O APIC 0 at 00:14.0, one page of reserved memory for 00:03.0, and requests of 00:04.0 as
 * 00:05.0.
 */
static void make_ivrs(void)
{
	begin_table("IVRS");
	acpi_put(48, 0x10, 1); /* IVHD */
	acpi_put(50, 24 + 4 + 8 + 8, 2);
	acpi_put(52, 0x10, 2); /* 00:02.0 */
	acpi_put(54, 0x40, 2);
	acpi_put(56, AMD_BASE, 8);
	acpi_put(72, 1, 1);  /* all devices */
	acpi_put(76, 66, 1); /* alias */
	acpi_put(77, 0x20, 2);
	acpi_put(81, 0x28, 2);
	acpi_put(84, 72, 1); /* I/O APIC */
	acpi_put(87, 0xd7, 1);
	acpi_put(88, 0, 1);
	acpi_put(89, 0xa0, 2);
	acpi_put(91, 1, 1);
	acpi_put(92, 0x21, 1); /* IVMD */
	acpi_put(93, 7, 1);
	acpi_put(94, 32, 2);
	acpi_put(96, 0x18, 2);
	acpi_put(108, 0x200000, 8);
	acpi_put(116, 0x800, 8);
	finish_table();
}

static void make_dmar(void)
{
	begin_table("DMAR");
	acpi_put(36, 47, 1);
	acpi_put(37, 1, 1);
	acpi_put(48, 0, 2); /* DRHD */
	acpi_put(50, 16 + 8, 2);
	acpi_put(52, 1, 1);
	acpi_put(56, VTD_BASE, 8);
	acpi_put(64, 3, 1); /* I/O APIC 0 */
	acpi_put(65, 8, 1);
	acpi_put(68, 0, 1);
	acpi_put(69, 0, 1);
	acpi_put(70, 0x14, 1);
	acpi_put(71, 0, 1);
	acpi_put(72, 1, 2); /* RMRR */
	acpi_put(74, 24 + 8, 2);
	acpi_put(80, 0x200000, 8);
	acpi_put(88, 0x2007ff, 8);
	acpi_put(96, 1, 1);
	acpi_put(97, 8, 1);
	acpi_put(102, 3, 1);
	acpi_put(103, 0, 1);
	finish_table();
}

/* Power on; the unit is set up by what the caller puts in @as (amd, incoherent, absent, ...). Hospes has not looked yet. */
static void unit_on(struct model as)
{
	uint8_t *shadow = hw.shadow ? hw.shadow : malloc(RAM);

	hw = as;
	hw.shadow = shadow;
	memset(shadow, 0xa5, RAM);
	acpi_info.nr_ioapics = 1;
	acpi_info.ioapics[0].id = 0;
	if (!hw.sagaw)
		hw.sagaw = 4;
	if (hw.amd) {
		make_ivrs();
		hw.regs[0x30 / 8] = 1UL << 6;
		return;
	}
	make_dmar();
	hw.regs[1] = 6UL | (hw.absent ? 1UL << 7 : 0) | hw.sagaw << 8 | 0x22UL << 24 | 3UL << 34 | 1UL << 39 |
		     1UL << 40 | 18UL << 48;
	hw.regs[2] = (hw.incoherent ? 0 : 1) | (hw.no_queue ? 0 : 2) | 8 | 0x10UL << 8;
}

/* The capability of the AMD unit's PCI function, at 0x40. */
static inline uint32_t amd_capability(void)
{
	return 1U << 27 | (hw.absent ? 1U << 26 : 0);
}

#endif
