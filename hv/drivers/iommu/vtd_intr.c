/*
 * Interrupt remapping of VT-d: one table for each unit; a message's address carries the handle, and each entry names
 * the one requester that may use it (specification chapter 5).
 */
#include "vtd_internal.h"

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define RTE_MASKED (1UL << 16)
#define TABLE_ORDER 6u /* 16384 entries of 16 bytes */
/* Blocks at the low end, for pins of I/O APICs. */
#define LINE_BLOCKS 8u

/* See vtd_internal.h. */
bool vtd_interrupts_alloc(struct vtd_unit *u)
{
	struct frame *f = alloc_frames(NULL, TABLE_ORDER, ALLOC_ZERO);

	_Static_assert(REMAP_MAX_HANDLES * 16 == PAGE_SIZE << TABLE_ORDER, "the table fits its pages");
	_Static_assert(ARRAY_SIZE(u->line) == LINE_BLOCKS * REMAP_BLOCK, "a handle for each line");
	if (!f)
		return false;
	u->interrupts = mfn_to_virt(frame_to_mfn(f));
	vtd_written(u, u->interrupts, PAGE_SIZE << TABLE_ORDER);
	remap_init(&u->handles, REMAP_MAX_HANDLES);
	for (unsigned b = 0; b < LINE_BLOCKS; b++)
		u->handles.taken[b] = 1;
	return true;
}

/*
 * The upper word, who may use the entry, changes only while the entry is not present; the lower is one store. So a
 * message under way sees the old target or the new one.
 */
static void entry_write(struct vtd_unit *u, unsigned handle, uint16_t id, const struct remap_target *t)
{
	uint64_t *e = &u->interrupts[2 * handle], high = t ? vtd_irte_high(id) : 0;
	const struct vtd_descriptor c = vtd_inv_interrupt(handle);

	if (e[1] != high) {
		__atomic_store_n(&e[0], 0, __ATOMIC_RELEASE);
		vtd_written(u, e, 16);
		(void)!vtd_submit(u, &c, 1);
		__atomic_store_n(&e[1], high, __ATOMIC_RELEASE);
	}
	if (t)
		__atomic_store_n(&e[0], vtd_irte_low(t->dest, t->vector, t->mode, t->logical, t->level, vtd.wide),
				 __ATOMIC_RELEASE);
	vtd_written(u, e, 16);
	(void)!vtd_submit(u, &c, 1);
}

/* See internal.h. */
struct remap_table *vtd_remap_table(struct iommu_device *d)
{
	return &container_of(d->unit, struct vtd_unit, u)->handles;
}

/* See internal.h. Within a block the data tells which: a device with several messages adds their number to it. */
void vtd_remap_write(struct iommu_device *d, unsigned handle, const struct remap_target *t, uint64_t *address,
		     uint32_t *data)
{
	entry_write(container_of(d->unit, struct vtd_unit, u), handle, d->ids[d->nr_ids - 1], t);
	*address = vtd_message_address(handle / REMAP_BLOCK * REMAP_BLOCK);
	*data = handle % REMAP_BLOCK;
}

/* See internal.h. */
void vtd_remap_clear(struct iommu_device *d, unsigned handle)
{
	entry_write(container_of(d->unit, struct vtd_unit, u), handle, 0, NULL);
}

/* The unit that has I/O APIC @id in its scope, and what it calls it. */
static struct vtd_unit *ioapic_unit(uint8_t id, uint16_t *requester)
{
	for (unsigned i = 0; i < vtd.nr; i++) {
		const struct dmar_unit *d = &vtd.dmar->units[vtd.unit[i]->dmar];

		for (unsigned j = 0; j < d->nr_scopes; j++) {
			const struct dmar_scope *s = &vtd.dmar->scopes[d->scope + j];
			struct pci_sbdf at;

			if (s->type != DMAR_SCOPE_IOAPIC || s->id != id || !vtd_scope_device(d->segment, s, &at))
				continue;
			*requester = PCI_BDF(at);
			return vtd.unit[i];
		}
	}
	return NULL;
}

/* See vtd_internal.h. */
bool vtd_knows_ioapic(uint8_t id)
{
	uint16_t requester;

	return ioapic_unit(id, &requester) != NULL;
}

/* The handle of the pin, one for each for ever. -1: there are more pins than handles. Lock held. */
static int line_of(struct vtd_unit *u, uint8_t ioapic, uint8_t pin)
{
	for (unsigned i = 0; i < u->nr_lines; i++)
		if (u->line[i].ioapic == ioapic && u->line[i].pin == pin)
			return (int)i;
	if (u->nr_lines == ARRAY_SIZE(u->line))
		return -1;
	u->line[u->nr_lines].ioapic = ioapic;
	u->line[u->nr_lines].pin = pin;
	return (int)u->nr_lines++;
}

/* See internal.h. */
int vtd_ioapic(uint8_t ioapic_id, unsigned pin, uint64_t *rte)
{
	struct remap_target t = remap_from_rte(*rte);
	uint16_t requester;
	struct vtd_unit *u = ioapic_unit(ioapic_id, &requester);
	int line;

	if (!u || !iommu_unit_ok(&u->u))
		return err(-ENODEV);
	if ((*rte & RTE_MASKED) && !t.vector)
		return 0;
	spin_lock(&u->u.lock);
	line = line_of(u, ioapic_id, (uint8_t)pin);
	if (line >= 0)
		entry_write(u, (unsigned)line, requester, &t);
	spin_unlock(&u->u.lock);
	if (line < 0)
		return err(-ENOSPC);
	*rte = vtd_ioapic_entry(*rte, (unsigned)line);
	return 0;
}
