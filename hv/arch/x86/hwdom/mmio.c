/*
 * Device memory of the machine in the hardware domain: what is neither RAM nor withheld appears at the machine's own address when it is
 * first touched. Above 4 GiB only what firmware's map names; windows of PCI devices there are mapped with their device.
 */
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hvm/hvm.h"
#include "hwdom.h"

#define MAX_WITHHELD 64u
#define FOUR_GIB (1UL << 32)

static struct {
	struct {
		paddr_t start, end;
	} range[MAX_WITHHELD];
	unsigned nr;
} withheld;

/* See hv/hwdom.h. */
void hwdom_withhold(paddr_t start, uint64_t size)
{
	if (withheld.nr == MAX_WITHHELD)
		panic("too many devices of Hospes' own");
	withheld.range[withheld.nr].start = ROUND_DOWN(start, PAGE_SIZE);
	withheld.range[withheld.nr++].end = ROUND_UP(start + size, PAGE_SIZE);
}

/* See hwdom.h. */
bool hwdom_withheld(paddr_t start, paddr_t end)
{
	for (unsigned i = 0; i < withheld.nr; i++)
		if (withheld.range[i].start < end && start < withheld.range[i].end)
			return true;
	return false;
}

/* See hwdom.h. */
bool hwdom_may_map(paddr_t start, paddr_t end)
{
	bool named = end <= FOUR_GIB;

	if (hwdom_withheld(start, end))
		return false;
	for (unsigned i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];

		if (e->addr >= end || e->addr + e->size <= start)
			continue;
		if (e->type == E820_RAM)
			return false;
		if (e->addr <= start && e->addr + e->size >= end)
			named = true;
	}
	return named;
}

/* Does an emulated device of @d answer anywhere in [@start, @end)? */
static bool emulated(struct domain *d, uint64_t start, uint64_t end)
{
	const struct hvm_handler *h = __atomic_load_n(&d->arch.mmio, __ATOMIC_ACQUIRE);

	while (h && (h->end <= start || h->start >= end))
		h = h->next;
	return h;
}

/* Can the naturally aligned block of 2^@order pages around @gpa be mapped as a whole? */
static bool block_free(struct domain *d, uint64_t gpa, unsigned order)
{
	uint64_t size = PAGE_SIZE << order, start = ROUND_DOWN(gpa, size);
	enum p2m_type type;
	unsigned hole;

	p2m_lookup(d, gfn(start >> PAGE_SHIFT), &type, &hole);
	return type == P2M_INVALID && hole >= order && hwdom_may_map(start, start + size) &&
	       !emulated(d, start, start + size);
}

/* See hwdom.h. */
bool hwdom_map_mmio(struct domain *d, uint64_t gpa)
{
	unsigned order = ORDER_2M;
	uint64_t frame;
	int rc;

	if (!d->arch.hwdom)
		return false;
	if (!block_free(d, gpa, order))
		order = ORDER_4K;
	if (order == ORDER_4K && !block_free(d, gpa, order))
		return false;
	frame = ROUND_DOWN(gpa, PAGE_SIZE << order) >> PAGE_SHIFT;
	rc = p2m_set(d, gfn(frame), mfn(frame), order, P2M_MMIO_DIRECT);
	/* Another vCPU may just have placed an emulated device there: it hides what is mapped before it, we look after we mapped. */
	if (!rc && emulated(d, frame << PAGE_SHIFT, (frame << PAGE_SHIFT) + (PAGE_SIZE << order)))
		rc = p2m_set(d, gfn(frame), INVALID_MFN, order, P2M_INVALID) ? -ENOMEM : -EAGAIN;
	if (rc && rc != -EAGAIN)
		printk(LOG_WARN, "d%u: device memory at 0x%lx cannot be mapped: error %d\n", d->id, (unsigned long)gpa,
		       -rc);
	return rc == 0;
}
