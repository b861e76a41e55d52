/*
 * Handles of remapped interrupts: which entry of a table belongs to which message of a device. Entries are given in
 * blocks of 32 in a row, for a device with several messages of plain MSI adds their number to the lowest bits of one
 * value (PCI 3.0, 6.8.1.6).
 */
#include "internal.h"

#include "hv/errno.h"
#include "hv/printk.h"

/* An empty table of @nr entries. */
void remap_init(struct remap_table *t, unsigned nr)
{
	*t = (struct remap_table){ .nr = nr };
}

/* From the end: I/O APICs want the low ones. */
static int block_alloc(struct remap_table *t)
{
	for (unsigned b = t->nr / REMAP_BLOCK; b-- > 0;) {
		if (t->taken[b])
			continue;
		t->taken[b] = 1;
		return (int)b;
	}
	return -1;
}

/* See internal.h. */
int remap_handle(struct remap_table *t, struct iommu_device *d, unsigned index)
{
	unsigned b = index / REMAP_BLOCK;

	if (b >= REMAP_MAX_BLOCKS)
		return err(-EINVAL);
	if (d->block[b] < 0)
		d->block[b] = (int16_t)block_alloc(t);
	if (d->block[b] < 0)
		return err(-ENOSPC);
	d->used[b] |= 1u << (index % REMAP_BLOCK);
	return (int)((unsigned)d->block[b] * REMAP_BLOCK + index % REMAP_BLOCK);
}

/* See internal.h. The block goes back with its last message. */
int remap_release(struct remap_table *t, struct iommu_device *d, unsigned index)
{
	unsigned b = index / REMAP_BLOCK, bit = index % REMAP_BLOCK;
	int handle;

	if (b >= REMAP_MAX_BLOCKS || d->block[b] < 0 || !(d->used[b] & 1u << bit))
		return -1;
	handle = (int)((unsigned)d->block[b] * REMAP_BLOCK + bit);
	d->used[b] &= ~(1u << bit);
	if (!d->used[b]) {
		t->taken[d->block[b]] = 0;
		d->block[b] = -1;
	}
	return handle;
}

/* Intel SDM vol. 3, 11.11; the upper half of the address carries the rest of a long APIC id, as VT-d has it (5.1.8). */
struct remap_target remap_from_message(uint64_t address, uint32_t data)
{
	return (struct remap_target){ .dest = (uint32_t)(address >> 12 & 0xff) | (uint32_t)(address >> 32 & 0xffffff00),
				      .vector = (uint8_t)data,
				      .mode = data >> 8 & 7,
				      .logical = address & 4,
				      .level = data & 0x8000 };
}

/* Intel 82093AA, 3.2.4. */
struct remap_target remap_from_rte(uint64_t rte)
{
	return (struct remap_target){ .dest = (uint32_t)(rte >> 56),
				      .vector = (uint8_t)rte,
				      .mode = rte >> 8 & 7,
				      .logical = rte & 0x800,
				      .level = rte & 0x8000 };
}
