/*
 * AMD IOMMU (I/O Virtualization Technology specification, 48882). All units of a segment share one device table,
 * whose 65536 entries say "blocked" until a device is given to somebody. Every change is followed by commands and a
 * wait for their end, so the command buffer is empty between operations and its head needs no reading.
 */
#include "amd.h"

#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "internal.h"
#include "amd_internal.h"

#define NR_DEVICE_IDS 65536u
#define DEVICE_TABLE_ORDER ORDER_2M /* 32 bytes each */
#define DEVICE_TABLE_SIZE 511u	    /* in pages, less one */
#define BATCH 64u
#define EVENT_LOOKS 1000u

#define PCI_STATUS 0x06u
#define PCI_STATUS_TARGET_ABORT 0x800u
#define PCI_CAP_MSI 0x05u
#define MSI_CONTROL 2u
#define MSI_CONTROL_64 0x80u

struct amd_state amd;

/* Commands ------------------------------------------------------------------------------------------ */

static void put_command(struct amd_unit *u, struct amd_command c)
{
	uint64_t *slot = &u->commands[u->tail / sizeof(uint64_t)];

	slot[0] = c.w[0];
	slot[1] = c.w[1];
	u->tail = (u->tail + AMD_ENTRY) % AMD_QUEUE_BYTES;
}

/* Give the unit @n (at most BATCH) commands and wait until they are done. Lock held. -EIO: the unit is lost. */
int amd_submit(struct amd_unit *u, const struct amd_command *c, unsigned n)
{
	struct iommu_wait w = iommu_wait_begin();
	uint64_t ticket = ++u->ticket;

	if (!iommu_unit_ok(&u->u))
		return err(-EIO);
	for (unsigned i = 0; i < n; i++)
		put_command(u, c[i]);
	put_command(u, amd_cmd_wait(virt_to_paddr(u->done), ticket));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	reg32_write(&u->u, AMD_COMMAND_TAIL, u->tail);
	while (__atomic_load_n(u->done, __ATOMIC_ACQUIRE) != ticket) {
		/* It halts at a command it cannot read or understand (2.4). */
		if (!(reg32(&u->u, AMD_STATUS) & STATUS_COMMAND_RUN) || !iommu_wait_more(&w)) {
			iommu_unit_lost(&u->u, "a command does not complete");
			return err(-EIO);
		}
	}
	return 0;
}

static void amd_flush(struct iommu_unit *iu, uint16_t id, uint64_t dfn, unsigned order)
{
	struct amd_unit *u = container_of(iu, struct amd_unit, u);
	struct amd_command c = amd_cmd_pages(id, dfn, order);

	spin_lock(&iu->lock);
	(void)!amd_submit(u, &c, 1);
	spin_unlock(&iu->lock);
}

/* The device table ------------------------------------------------------------------------------------ */

/* The four words of device @id. */
static uint64_t *device_entry(uint16_t segment, uint16_t id)
{
	for (unsigned i = 0; i < amd.nr_segments; i++)
		if (amd.segment[i].number == segment)
			return amd.segment[i].table + 4u * id;
	return NULL;
}

/* One level of tables with nothing in it, and no right in the entry itself. */
static uint64_t blocked_word(void)
{
	return DTE_V | DTE_TV | DTE_MODE(1) | virt_to_paddr(amd.nothing);
}

/* Interrupts of @id: refused without a table. */
static uint64_t interrupt_word(uint16_t segment, uint16_t id, const struct amd_interrupts *t)
{
	uint8_t data = amd_data_of(segment, id);
	uint64_t w = 0;

	if (!amd.intremap)
		return 0;
	w |= data & IVHD_INIT_PASS ? DTE_INIT_PASS : 0;
	w |= data & IVHD_EINT_PASS ? DTE_EINT_PASS : 0;
	w |= data & IVHD_NMI_PASS ? DTE_NMI_PASS : 0;
	w |= data & IVHD_LINT0_PASS ? DTE_LINT0_PASS : 0;
	w |= data & IVHD_LINT1_PASS ? DTE_LINT1_PASS : 0;
	if (t)
		w |= virt_to_paddr(t->entries) | DTE_TABLE_LENGTH(AMD_INT_LOG2) | DTE_INT_REMAP;
	return w | DTE_IV;
}

/* System management requests pass as firmware says, whoever owns the device: they are no DMA. */
static uint64_t management_bits(uint16_t segment, uint16_t id)
{
	return (uint64_t)(amd_data_of(segment, id) & IVHD_SYS_MGT) << DTE_SYS_MGT_SHIFT;
}

static void word_write(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* See amd_internal.h. */
int amd_device_interrupts(struct amd_unit *u, uint16_t id)
{
	uint64_t *e = device_entry(u->u.segment, id);
	struct amd_command c[2] = { amd_cmd_device(id), amd_cmd_interrupts(id) };

	word_write(&e[2], interrupt_word(u->u.segment, id, amd_interrupts_of(u, id)));
	return amd_submit(u, c, 2);
}

/*
 * An entry cannot be replaced as a whole, so it passes through "blocked": each of its states is a safe one, and none
 * has the V bit clear, which would let everything pass (2.2.2.1).
 */
static int amd_set_device(struct iommu_unit *iu, uint16_t id, const struct iommu_context *c, bool quiet)
{
	struct amd_unit *u = container_of(iu, struct amd_unit, u);
	uint64_t *e = device_entry(iu->segment, id);
	struct amd_command cmd = amd_cmd_device(id);
	uint64_t management = management_bits(iu->segment, id);
	int rc;

	spin_lock(&iu->lock);
	word_write(&e[0], blocked_word());
	word_write(&e[1], management | (quiet ? DTE_QUIET : 0));
	rc = amd_submit(u, &cmd, 1);
	if (c && rc == 0) {
		word_write(&e[1], management | c->id);
		word_write(&e[0],
			   DTE_V | DTE_TV | DTE_IR | DTE_IW | DTE_MODE(c->table.levels) | mfn_to_paddr(c->table.root));
		rc = amd_submit(u, &cmd, 1);
		if (rc)
			word_write(&e[0], blocked_word());
	}
	spin_unlock(&iu->lock);
	return rc;
}

/* Which unit, which id ------------------------------------------------------------------------------------ */

/* See amd_internal.h. */
struct amd_unit *amd_unit_number(unsigned ivrs_unit)
{
	for (unsigned i = 0; i < amd.nr; i++)
		if (amd.unit[i]->ivrs == ivrs_unit)
			return amd.unit[i];
	return NULL;
}

/* The narrowest range that holds @id: a device named alone beats one named among all. */
static const struct ivrs_range *range_of(uint16_t segment, uint16_t id)
{
	const struct ivrs_range *best = NULL;

	for (unsigned i = 0; i < amd.ivrs->nr_ranges; i++) {
		const struct ivrs_range *r = &amd.ivrs->ranges[i];

		if (amd.ivrs->units[r->unit].segment != segment || id < r->first || id > r->last)
			continue;
		if (!best || r->last - r->first < best->last - best->first)
			best = r;
	}
	return best;
}

/* See amd_internal.h. */
uint8_t amd_data_of(uint16_t segment, uint16_t id)
{
	const struct ivrs_range *r = range_of(segment, id);
	uint8_t data = r ? r->data : 0;

	for (unsigned i = 0; i < amd.ivrs->nr_specials; i++)
		if (amd.ivrs->specials[i].bdf == id && amd.ivrs->units[amd.ivrs->specials[i].unit].segment == segment)
			data |= amd.ivrs->specials[i].data;
	return data;
}

static struct iommu_unit *amd_find(struct pci_sbdf s, uint16_t *ids, unsigned *nr)
{
	const struct ivrs_range *r = range_of(s.segment, PCI_BDF(s));
	struct amd_unit *u;

	if (!r)
		return NULL;
	if (r->aliased)
		ids[(*nr)++] = r->alias;
	u = amd_unit_number(r->unit);
	return u ? &u->u : NULL;
}

static struct pci_sbdf function_of(const struct ivrs_unit *iv)
{
	return (struct pci_sbdf){ iv->segment, (uint8_t)(iv->bdf >> 8), (uint8_t)iv->bdf };
}

/* Events -------------------------------------------------------------------------------------------------- */

static const char *event_reason(uint64_t w)
{
	switch (EVENT_CODE(w)) {
	case AMD_EVENT_DTE:
		return "its device table entry is invalid";
	case AMD_EVENT_PAGE_FAULT:
		return w & EVENT_PRESENT && w & EVENT_RIGHTS ? "no right to do so" : "nothing is mapped there";
	case AMD_EVENT_DTE_HARDWARE:
		return "error while reading its device table entry";
	case AMD_EVENT_TABLE_HARDWARE:
		return "error while reading its page table";
	case AMD_EVENT_COMMAND:
		return "illegal command";
	case AMD_EVENT_COMMAND_HARDWARE:
		return "error while reading a command";
	case AMD_EVENT_IOTLB_TIMEOUT:
		return "its translation cache does not answer";
	case AMD_EVENT_REQUEST:
		return "invalid request";
	default:
		return "unknown event";
	}
}

static struct iommu_fault event_decode(const struct amd_unit *u, uint64_t w0, uint64_t w1)
{
	unsigned code = EVENT_CODE(w0);
	struct iommu_fault f = { .segment = u->u.segment,
				 .id = (uint16_t)w0,
				 .address = w1,
				 .reason = event_reason(w0),
				 .write = w0 & EVENT_WRITE };

	/* QEMU sets I in every page fault: the address must be one of interrupts too. */
	if (code == AMD_EVENT_PAGE_FAULT && (w0 & EVENT_INTERRUPT) && w1 >> 20 == 0xfee) {
		f.interrupt = true;
		f.reason = "there is no such entry";
	}
	if (code == AMD_EVENT_COMMAND || code == AMD_EVENT_COMMAND_HARDWARE) {
		f.unit = true;
		f.id = 0xffff;
		f.address = u->u.base;
	}
	return f;
}

/* The log overflowed and has stopped: it begins anew, empty (2.5.2). Lock held. */
static void event_log_restart(struct amd_unit *u)
{
	struct iommu_wait w = iommu_wait_begin();

	reg64_write(&u->u, AMD_CONTROL, u->control & ~CONTROL_EVENT_LOG);
	while (reg32(&u->u, AMD_STATUS) & STATUS_EVENT_RUN)
		if (!iommu_wait_more(&w)) {
			iommu_unit_lost(&u->u, "its event log does not stop");
			return;
		}
	memset(u->events, 0, AMD_EVENT_BYTES);
	u->head = 0;
	reg32_write(&u->u, AMD_EVENT_HEAD, 0);
	reg32_write(&u->u, AMD_EVENT_TAIL, 0);
	reg32_write(&u->u, AMD_STATUS, STATUS_OVERFLOW | STATUS_EVENT_INT | STATUS_WAIT_INT);
	reg64_write(&u->u, AMD_CONTROL, u->control);
}

/*
 * Did the unit's function signal a target abort, as it does when it stops a request (PCI 3.0, 6.2.3)? With the log
 * empty that is all there is to know: QEMU before version 9 has a log, and never writes to it.
 */
static bool abort_signalled(const struct amd_unit *u)
{
	struct pci_sbdf s = function_of(&amd.ivrs->units[u->ivrs]);
	uint32_t status = pci_read(s, PCI_STATUS, 2);

	if (status == 0xffff || !(status & PCI_STATUS_TARGET_ABORT))
		return false;
	pci_write(s, PCI_STATUS, 2, PCI_STATUS_TARGET_ABORT);
	return true;
}

/*
 * The first word of the event at @e. The log's end may be seen to move before the event is in memory (erratum 732 of family 15h); one that does not come
 * within *@looks, which is for all that are taken at once, is left out, for its code says nothing: 0.
 */
static uint64_t event_word(const uint64_t *e, unsigned *looks)
{
	uint64_t w = __atomic_load_n(e, __ATOMIC_ACQUIRE);

	for (; !EVENT_CODE(w) && *looks; --*looks) {
		arch_cpu_relax();
		w = __atomic_load_n(e, __ATOMIC_ACQUIRE);
	}
	return EVENT_CODE(w) ? w : 0;
}

static unsigned amd_faults(struct iommu_unit *iu, struct iommu_fault *out, unsigned max)
{
	struct amd_unit *u = container_of(iu, struct amd_unit, u);
	bool overflow;
	uint32_t tail;
	unsigned n = 0, looks = EVENT_LOOKS;

	spin_lock(&iu->lock);
	overflow = reg32(iu, AMD_STATUS) & STATUS_OVERFLOW;
	reg32_write(iu, AMD_STATUS, STATUS_EVENT_INT | STATUS_WAIT_INT);
	tail = reg32(iu, AMD_EVENT_TAIL) & (AMD_EVENT_BYTES - AMD_ENTRY);
	while (n < max && iommu_unit_ok(iu) && u->head != tail) {
		uint64_t *e = &u->events[u->head / 8], w = event_word(e, &looks);

		if (w)
			out[n++] = event_decode(u, w, e[1]);
		e[0] = e[1] = 0;
		u->head = (u->head + AMD_ENTRY) % AMD_EVENT_BYTES;
	}
	reg32_write(iu, AMD_EVENT_HEAD, u->head);
	if (n < max && overflow)
		event_log_restart(u);
	if (abort_signalled(u) && n == 0)
		out[n++] =
			(struct iommu_fault){ .unit = true,
					      .id = 0xffff,
					      .address = iu->base,
					      .reason =
						      "a device's request was stopped, of which its log says nothing" };
	spin_unlock(&iu->lock);
	return n;
}

/* Switching on ------------------------------------------------------------------------------------------------ */

/* The unit's PCI function sends the message; its own interrupts are not remapped. */
static void program_msi(const struct amd_unit *u, uint64_t address, uint32_t data)
{
	struct pci_sbdf s = function_of(&amd.ivrs->units[u->ivrs]);
	unsigned cap = pci_find_cap(s, PCI_CAP_MSI);
	uint32_t control;

	if (!cap)
		return;
	control = pci_read(s, cap + MSI_CONTROL, 2);
	pci_write(s, cap + 4, 4, (uint32_t)address);
	if (control & MSI_CONTROL_64)
		pci_write(s, cap + 8, 4, (uint32_t)(address >> 32));
	pci_write(s, cap + (control & MSI_CONTROL_64 ? 12 : 8), 2, data);
	pci_write(s, cap + MSI_CONTROL, 2, (control & ~0x70u) | 1);
}

/* Firmware or an earlier system may have left it running. */
static bool unit_stop(struct amd_unit *u)
{
	reg64_write(&u->u, AMD_CONTROL, 0);
	return iommu_wait_reg(&u->u, AMD_STATUS, STATUS_COMMAND_RUN | STATUS_EVENT_RUN, 0);
}

/* What the unit may have cached before. Without the command that drops all, by device and domain. Lock held. */
static int forget_all(struct amd_unit *u)
{
	struct amd_command c[BATCH] = { amd_cmd_all() };
	int rc = 0;

	if (u->features & FEATURE_INVALIDATE_ALL)
		return amd_submit(u, c, 1);
	for (unsigned id = 0; id < NR_DEVICE_IDS && rc == 0; id += BATCH / 2) {
		for (unsigned i = 0; i < BATCH / 2; i++) {
			c[i] = amd_cmd_device((uint16_t)(id + i));
			c[BATCH / 2 + i] = amd_cmd_interrupts((uint16_t)(id + i));
		}
		rc = amd_submit(u, c, BATCH);
	}
	for (unsigned id = 0; id < NR_DEVICE_IDS && rc == 0; id += BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			c[i] = amd_cmd_pages((uint16_t)(id + i), 0, 64);
		rc = amd_submit(u, c, BATCH);
	}
	return rc;
}

static uint64_t control_word(const struct amd_unit *u)
{
	uint64_t c = CONTROL_ENABLE | CONTROL_EVENT_LOG | CONTROL_EVENT_INT | CONTROL_COMMANDS | CONTROL_COHERENT;

	c |= u->flags & IVHD_HT_TUN ? CONTROL_HT_TUN : 0;
	c |= u->flags & IVHD_PASS_PW ? CONTROL_PASS_PW : 0;
	c |= u->flags & IVHD_RES_PASS_PW ? CONTROL_RES_PASS_PW : 0;
	c |= u->flags & IVHD_ISOC ? CONTROL_ISOC : 0;
	if (amd.wide)
		c |= CONTROL_GA | CONTROL_XT;
	return c;
}

static void unit_start(struct amd_unit *u)
{
	uint64_t address;
	uint32_t data;

	spin_lock(&u->u.lock);
	u->control = control_word(u);
	reg64_write(&u->u, AMD_DEVICE_TABLE, virt_to_paddr(device_entry(u->u.segment, 0)) | DEVICE_TABLE_SIZE);
	reg64_write(&u->u, AMD_COMMAND_BASE, virt_to_paddr(u->commands) | AMD_QUEUE_LENGTH);
	reg64_write(&u->u, AMD_EVENT_BASE, virt_to_paddr(u->events) | AMD_EVENT_LENGTH);
	reg64_write(&u->u, AMD_EXCLUSION_BASE, 0);
	reg64_write(&u->u, AMD_EXCLUSION_LIMIT, 0);
	reg32_write(&u->u, AMD_COMMAND_HEAD, 0);
	reg32_write(&u->u, AMD_COMMAND_TAIL, 0);
	reg32_write(&u->u, AMD_EVENT_HEAD, 0);
	reg32_write(&u->u, AMD_EVENT_TAIL, 0);
	reg32_write(&u->u, AMD_STATUS, STATUS_OVERFLOW | STATUS_EVENT_INT | STATUS_WAIT_INT);
	reg64_write(&u->u, AMD_CONTROL, u->control);
	if (iommu_wait_reg(&u->u, AMD_STATUS, STATUS_COMMAND_RUN, STATUS_COMMAND_RUN))
		(void)!forget_all(u);
	else
		iommu_unit_lost(&u->u, "its command buffer does not start");
	spin_unlock(&u->u.lock);
	if (iommu_unit_ok(&u->u) && !iommu_unit_irq(&u->u, &address, &data))
		program_msi(u, address, data);
}

static bool unit_memory(struct amd_unit *u)
{
	struct frame *f = alloc_frames(NULL, AMD_EVENT_ORDER, ALLOC_ZERO);

	u->commands = alloc_page();
	u->done = alloc_page();
	if (f)
		u->events = mfn_to_virt(frame_to_mfn(f));
	return u->commands && u->events && u->done;
}

/* The features this driver wants to know; the register exists only if the capability says so. */
static void read_features(struct amd_unit *u, const struct ivrs_unit *iv)
{
	uint32_t cap = pci_read(function_of(iv), iv->cap_offset, 4);

	if (cap == ~0u)
		cap = CAP_NP_CACHE;
	u->u.caches_absent = cap & CAP_NP_CACHE;
	u->features = cap & CAP_FEATURES ? reg64(&u->u, AMD_FEATURES) : iv->efr;
}

static int add_unit(unsigned index)
{
	const struct ivrs_unit *iv = &amd.ivrs->units[index];
	struct amd_unit *u = xzalloc(struct amd_unit);

	if (!u || !unit_memory(u))
		return err(-ENOMEM);
	list_init(&u->interrupts);
	if (pci_find(function_of(iv)))
		pci_hide(pci_find(function_of(iv)));
	u->ivrs = index;
	u->flags = iv->flags;
	u->u.segment = iv->segment;
	u->u.base = iv->base;
	u->u.size = AMD_REGS_SIZE;
	u->u.regs = arch_iomap(iv->base, AMD_REGS_SIZE);
	u->u.levels = 4;
	u->u.max_leaf = 2;
	u->u.nr_ids = 1u << 16;
	u->u.look = true;
	read_features(u, iv);
	if (!iommu_add_unit(&u->u))
		return err(-ENOSPC);
	amd.unit[amd.nr++] = u;
	return 0;
}

/* The table of the devices of @segment, all blocked; made once. -ENOMEM. */
static int add_segment(uint16_t segment)
{
	struct frame *f;
	uint64_t *table;

	for (unsigned i = 0; i < amd.nr_segments; i++)
		if (amd.segment[i].number == segment)
			return 0;
	f = alloc_frames(NULL, DEVICE_TABLE_ORDER, 0);
	if (!f)
		return err(-ENOMEM);
	table = mfn_to_virt(frame_to_mfn(f));
	amd.segment[amd.nr_segments].number = segment;
	amd.segment[amd.nr_segments++].table = table;
	for (unsigned id = 0; id < NR_DEVICE_IDS; id++) {
		table[4 * id] = blocked_word();
		table[4 * id + 1] = management_bits(segment, (uint16_t)id);
		table[4 * id + 2] = interrupt_word(segment, (uint16_t)id, NULL);
		table[4 * id + 3] = 0;
	}
	return 0;
}

/* Entries with 32-bit APIC ids need every unit to have them. */
static void choose_interrupts(bool *intremap)
{
	bool wide = true;

	for (unsigned i = 0; i < amd.nr; i++)
		wide = wide && (amd.unit[i]->features & FEATURE_XT) && (amd.unit[i]->features & FEATURE_GA);
	amd.wide = wide && apic_is_x2();
	amd.intremap = *intremap = *intremap && iommu_all_ioapics(amd_knows_ioapic);
}

static int make_units(bool *intremap)
{
	int rc = 0;

	for (unsigned i = 0; i < amd.ivrs->nr_units && rc == 0; i++)
		rc = add_unit(i);
	choose_interrupts(intremap);
	for (unsigned i = 0; i < amd.nr && rc == 0; i++)
		rc = add_segment(amd.unit[i]->u.segment);
	return rc;
}

static void add_reserved(void)
{
	for (unsigned i = 0; i < amd.ivrs->nr_reserved; i++) {
		const struct acpi_reserved *r = &amd.ivrs->reserved[i];

		for (unsigned id = r->first; id <= r->last; id++) {
			iommu_add_reserved(r, (struct pci_sbdf){ r->segment, (uint8_t)(id >> 8), (uint8_t)id });
			/* A range of devices is said as one entry for each; nobody has many. */
			if (r->all || id - r->first >= 15)
				break;
		}
	}
}

static int amd_init(const void *table, size_t len, bool *intremap)
{
	int rc;

	memset(&amd, 0, sizeof(amd));
	amd.ivrs = xzalloc(struct ivrs);
	amd.nothing = alloc_page();
	if (!amd.ivrs || !amd.nothing)
		return err(-ENOMEM);
	for (unsigned i = 0; i < IO_ENTRIES; i++)
		amd.nothing[i] = AMD_PTE_ABSENT;
	if (ivrs_parse(amd.ivrs, table, len))
		return err(-EINVAL);
	if (amd.ivrs->left_out)
		printk(LOG_WARN, "IOMMU: %u entries of the IVRS table left out: there is no room for so many\n",
		       amd.ivrs->left_out);
	rc = make_units(intremap);
	if (rc)
		return rc;
	add_reserved();
	for (unsigned i = 0; i < amd.nr; i++) {
		if (unit_stop(amd.unit[i]))
			unit_start(amd.unit[i]);
		else
			iommu_unit_lost(&amd.unit[i]->u, "it does not stop");
	}
	return 0;
}

static void amd_describe(const struct iommu_unit *iu)
{
	const struct amd_unit *u = container_of(iu, const struct amd_unit, u);

	printk(LOG_INFO, "IOMMU %u: AMD-Vi at 0x%lx, segment %04x, features %016lx%s\n", iu->index,
	       (unsigned long)iu->base, iu->segment, (unsigned long)u->features,
	       amd.wide ? ", wide interrupt entries" : "");
}

const struct iommu_driver amd_driver = {
	.name = "AMD-Vi",
	.format = &amd_format,
	.table = "IVRS",
	.init = amd_init,
	.find = amd_find,
	.set_device = amd_set_device,
	.flush = amd_flush,
	.faults = amd_faults,
	.remap_table = amd_remap_table,
	.remap_write = amd_remap_write,
	.remap_clear = amd_remap_clear,
	.ioapic = amd_ioapic,
	.describe = amd_describe,
};
