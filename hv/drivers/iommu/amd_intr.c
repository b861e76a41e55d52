/*
 * Interrupt remapping of the AMD IOMMU: each device id has a table of its own, and what a device sends as data is the
 * index into it (48882, 2.2.5). I/O APICs appear as devices whose ids the IVRS table tells; the index then stands in
 * the vector field of the redirection entry.
 */
#include "amd_internal.h"

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define MESSAGE_ADDRESS 0xfee00000UL
#define RTE_MASKED (1UL << 16)
#define RTE_KEPT (1UL << 13 | 1UL << 15 | RTE_MASKED) /* polarity, trigger, mask */
#define NR_LINES 256u

/* The table of @id, NULL: none. Unit's lock held. */
struct amd_interrupts *amd_interrupts_of(struct amd_unit *u, uint16_t id)
{
	struct list *l;

	list_for_each(l, &u->interrupts) {
		struct amd_interrupts *t = container_of(l, struct amd_interrupts, list);

		if (t->id == id)
			return t;
	}
	return NULL;
}

static bool is_special(const struct amd_unit *u, uint16_t id)
{
	for (unsigned i = 0; i < amd.ivrs->nr_specials; i++)
		if (amd.ivrs->specials[i].unit == u->ivrs && amd.ivrs->specials[i].bdf == id)
			return true;
	return false;
}

/* The table of @id, made if there is none yet. NULL without memory, or when the unit is lost. */
static struct amd_interrupts *table_make(struct amd_unit *u, uint16_t id)
{
	struct amd_interrupts *t = amd_interrupts_of(u, id);
	struct frame *f;

	if (t)
		return t;
	t = xzalloc(struct amd_interrupts);
	f = alloc_frames(NULL, amd.wide ? 1 : 0, ALLOC_ZERO);
	if (!t || !f) {
		if (f)
			free_frames(f, amd.wide ? 1 : 0);
		xfree(t);
		return NULL;
	}
	t->id = id;
	t->entries = mfn_to_virt(frame_to_mfn(f));
	remap_init(&t->table, AMD_INT_ENTRIES);
	/* Lines of I/O APICs are among the first 256: the vector field has 8 bits. */
	for (unsigned b = 0; is_special(u, id) && b < NR_LINES / REMAP_BLOCK; b++)
		t->table.taken[b] = 1;
	list_add_tail(&u->interrupts, &t->list);
	return amd_device_interrupts(u, id) ? NULL : t;
}

/* Entry @i. The unit reads 4 bytes at once, and 16 too: neither is ever seen half written. */
static void entry_write(struct amd_unit *u, struct amd_interrupts *t, unsigned i, const struct remap_target *to)
{
	uint32_t low = 0;
	struct amd_command c = amd_cmd_interrupts(t->id);

	if (to)
		low = AMD_IRTE_ENABLE | (uint32_t)(to->mode & 7) << 2 | (to->logical ? 1u << 6 : 0);
	if (amd.wide) {
		uint64_t *e = (uint64_t *)t->entries + 2 * i;

		arch_write16b(e, to ? low | (uint64_t)(to->dest & 0xffffff) << 8 : 0,
			      to ? to->vector | (uint64_t)(to->dest >> 24) << 56 : 0);
	} else {
		uint32_t *e = (uint32_t *)t->entries + i;

		__atomic_store_n(e, to ? low | (to->dest & 0xff) << 8 | (uint32_t)to->vector << 16 : 0,
				 __ATOMIC_RELEASE);
	}
	(void)!amd_submit(u, &c, 1);
}

/* See internal.h. */
struct remap_table *amd_remap_table(struct iommu_device *d)
{
	struct amd_interrupts *t = table_make(container_of(d->unit, struct amd_unit, u), d->ids[d->nr_ids - 1]);

	return t ? &t->table : NULL;
}

/* See internal.h. */
void amd_remap_write(struct iommu_device *d, unsigned handle, const struct remap_target *to, uint64_t *address,
		     uint32_t *data)
{
	struct amd_unit *u = container_of(d->unit, struct amd_unit, u);

	entry_write(u, amd_interrupts_of(u, d->ids[d->nr_ids - 1]), handle, to);
	*address = MESSAGE_ADDRESS;
	*data = handle;
}

/* See internal.h. */
void amd_remap_clear(struct iommu_device *d, unsigned handle)
{
	struct amd_unit *u = container_of(d->unit, struct amd_unit, u);

	entry_write(u, amd_interrupts_of(u, d->ids[d->nr_ids - 1]), handle, NULL);
}

static const struct ivrs_special *special_of(uint8_t ioapic_id)
{
	for (unsigned i = 0; i < amd.ivrs->nr_specials; i++)
		if (!amd.ivrs->specials[i].hpet && amd.ivrs->specials[i].handle == ioapic_id)
			return &amd.ivrs->specials[i];
	return NULL;
}

/* See amd_internal.h. */
bool amd_knows_ioapic(uint8_t id)
{
	return special_of(id) != NULL;
}

/* The entry that the pin has, or else one for it: that of its vector if nobody has it. -1: all are taken. */
static int line_of(struct amd_interrupts *t, uint8_t ioapic, uint8_t pin, uint8_t vector)
{
	int free = -1;

	for (unsigned i = 0; i < NR_LINES; i++) {
		if (t->line[i].used && t->line[i].ioapic == ioapic && t->line[i].pin == pin)
			return (int)i;
		if (!t->line[i].used)
			free = (int)i;
	}
	if (!t->line[vector].used)
		free = vector;
	if (free >= 0) {
		t->line[free].used = true;
		t->line[free].ioapic = ioapic;
		t->line[free].pin = pin;
	}
	return free;
}

/*
 * See internal.h. The vector in the register is not that which the processor sees: the end of a level interrupt must
 * be told to the I/O APIC.
 */
int amd_ioapic(uint8_t ioapic_id, unsigned pin, uint64_t *rte)
{
	const struct ivrs_special *s = special_of(ioapic_id);
	struct amd_unit *u = s ? amd_unit_number(s->unit) : NULL;
	struct remap_target to = remap_from_rte(*rte);
	struct amd_interrupts *t;
	int i = -1, rc = 0;

	if (!u || !iommu_unit_ok(&u->u))
		return err(-ENODEV);
	if ((*rte & RTE_MASKED) && !to.vector)
		return 0;
	spin_lock(&u->u.lock);
	t = table_make(u, s->bdf);
	if (t)
		i = line_of(t, ioapic_id, (uint8_t)pin, to.vector);
	else
		rc = iommu_unit_ok(&u->u) ? -ENOMEM : -EIO;
	if (i >= 0)
		entry_write(u, t, (unsigned)i, &to);
	spin_unlock(&u->u.lock);
	if (i < 0)
		return err(rc ? rc : -ENOSPC);
	*rte = (*rte & RTE_KEPT) | (unsigned)i;
	return 0;
}
