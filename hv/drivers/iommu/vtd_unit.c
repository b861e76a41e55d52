/*
 * One VT-d unit: registers, the invalidation queue (or, on the oldest, the registers that stand in for it), and its
 * fault log.
 */
#include "vtd_internal.h"

#include "hv/errno.h"
#include "hv/printk.h"

/* Tell the unit @bit, keeping what is on, and wait until the status says so. False: it is lost. */
static bool command(struct vtd_unit *u, uint32_t bit, bool on, const char *doing)
{
	uint32_t kept = reg32(&u->u, VTD_GSTS) & GSTS_KEPT;

	reg32_write(&u->u, VTD_GCMD, on ? kept | bit : kept & ~bit);
	if (iommu_wait_reg(&u->u, VTD_GSTS, bit, on ? bit : 0))
		return true;
	iommu_unit_lost(&u->u, doing);
	return false;
}

/* See vtd_internal.h. */
void vtd_written(const struct vtd_unit *u, const void *p, size_t len)
{
	if (u->u.incoherent)
		arch_cache_flush(p, len);
}

/* The chipset may hold writes to memory back (6.8). */
static void flush_write_buffer(struct vtd_unit *u)
{
	uint32_t kept = reg32(&u->u, VTD_GSTS) & GSTS_KEPT;

	if (!(u->cap & CAP_RWBF))
		return;
	reg32_write(&u->u, VTD_GCMD, kept | GCMD_WRITE_BUFFER);
	if (!iommu_wait_reg(&u->u, VTD_GSTS, GCMD_WRITE_BUFFER, 0))
		iommu_unit_lost(&u->u, "its write buffer does not drain");
}

static void put_descriptor(struct vtd_unit *u, struct vtd_descriptor c)
{
	uint64_t *slot = &u->queue[u->tail / sizeof(uint64_t)];

	slot[0] = c.w[0];
	slot[1] = c.w[1];
	vtd_written(u, slot, VTD_DESCRIPTOR);
	u->tail = (u->tail + VTD_DESCRIPTOR) % VTD_QUEUE_BYTES;
}

/* See vtd_internal.h. An error in the queue stops it (6.5.2.10), and nothing we send is wrong: the unit is. */
int vtd_submit(struct vtd_unit *u, const struct vtd_descriptor *c, unsigned n)
{
	struct iommu_wait w = iommu_wait_begin();
	uint32_t ticket = ++u->ticket;

	if (!iommu_unit_ok(&u->u))
		return err(-EIO);
	flush_write_buffer(u);
	for (unsigned i = 0; i < n; i++)
		put_descriptor(u, c[i]);
	put_descriptor(u, vtd_wait(virt_to_paddr(u->done), ticket));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	reg32_write(&u->u, VTD_IQT, u->tail);
	while (__atomic_load_n(u->done, __ATOMIC_ACQUIRE) != ticket) {
		if (reg32(&u->u, VTD_FSTS) & FSTS_QUEUE_ERRORS) {
			iommu_unit_lost(&u->u, "it finds fault with its invalidation queue");
			return err(-EIO);
		}
		if (!iommu_wait_more(&w)) {
			iommu_unit_lost(&u->u, "an invalidation does not complete");
			return err(-EIO);
		}
	}
	return 0;
}

static bool wait_reg64(struct vtd_unit *u, unsigned reg, uint64_t busy)
{
	struct iommu_wait w = iommu_wait_begin();

	while (reg64(&u->u, reg) & busy)
		if (!iommu_wait_more(&w)) {
			iommu_unit_lost(&u->u, "an invalidation does not complete");
			return false;
		}
	return true;
}

/* By registers, for units without a queue (6.5.1). */
static int iotlb_by_register(struct vtd_unit *u, uint64_t what)
{
	unsigned reg = ECAP_IOTLB_OFFSET(u->ecap) + 8;

	if (!iommu_unit_ok(&u->u))
		return err(-EIO);
	flush_write_buffer(u);
	reg64_write(&u->u, reg, IOTLB_GO | IOTLB_DRAIN | what);
	return wait_reg64(u, reg, IOTLB_GO) ? 0 : err(-EIO);
}

/* See vtd_internal.h. */
int vtd_forget_all(struct vtd_unit *u)
{
	const struct vtd_descriptor all[] = { vtd_inv_contexts(), vtd_inv_all() };

	if (u->queue)
		return vtd_submit(u, all, ARRAY_SIZE(all));
	if (!iommu_unit_ok(&u->u))
		return err(-EIO);
	flush_write_buffer(u);
	reg64_write(&u->u, VTD_CCMD, CCMD_GO | CCMD_GLOBAL);
	if (!wait_reg64(u, VTD_CCMD, CCMD_GO))
		return err(-EIO);
	return iotlb_by_register(u, IOTLB_GLOBAL);
}

/* See internal.h: the narrowest invalidation the unit offers. */
void vtd_flush(struct iommu_unit *iu, uint16_t id, uint64_t dfn, unsigned order)
{
	struct vtd_unit *u = container_of(iu, struct vtd_unit, u);
	struct vtd_descriptor c = vtd_inv_domain(id);

	if ((u->cap & CAP_PAGE_SELECTIVE) && order <= CAP_MAX_ORDER(u->cap))
		c = vtd_inv_pages(id, dfn, order);
	spin_lock(&iu->lock);
	if (u->queue)
		(void)!vtd_submit(u, &c, 1);
	else
		(void)!iotlb_by_register(u, IOTLB_DOMAIN | (uint64_t)id << 32);
	spin_unlock(&iu->lock);
}

/* Faults ------------------------------------------------------------------------------------------------ */

/* 7.1.3 and appendix of reasons, in words */
static const char *fault_reason(unsigned reason)
{
	switch (reason) {
	case 1:
	case 2:
		return "it belongs to nobody";
	case 3:
		return "its context entry is invalid";
	case 4:
		return "the address is beyond what is translated";
	case 5:
	case 6:
		return "nothing is mapped there, or no right to do so";
	case 7:
		return "error while reading its page table";
	case 8:
	case 9:
		return "error while reading its context entry";
	case 0xa:
	case 0xb:
	case 0xc:
		return "a reserved bit is set in its tables";
	case 0xd:
		return "a request already translated, which is not allowed";
	case 0x20:
		return "a reserved bit is set in the message";
	case 0x21:
		return "no such entry";
	case 0x22:
		return "the entry is not in use";
	case 0x23:
		return "error while reading the entry";
	case 0x24:
		return "a reserved bit is set in the entry";
	case 0x25:
		return "a message without remapping, which is not allowed";
	case 0x26:
		return "the entry is another device's";
	default:
		return "unknown reason";
	}
}

static struct iommu_fault fault_decode(const struct vtd_unit *u, uint64_t low, uint64_t high)
{
	unsigned reason = FAULT_REASON(high);
	struct iommu_fault f = { .segment = u->u.segment,
				 .id = (uint16_t)high,
				 .address = low & ~0xfffUL,
				 .write = !(high & FAULT_READ),
				 .interrupt = reason >= 0x20 && reason <= 0x26,
				 .reason = fault_reason(reason) };

	if (f.interrupt)
		f.address = low >> 48; /* 7.1.4: the index */
	return f;
}

/* Every record with its bit set, wherever the ring stands; how many. */
static unsigned take_records(struct vtd_unit *u, struct iommu_fault *out, unsigned max)
{
	unsigned n = 0, nr = CAP_FAULTS(u->cap), offset = CAP_FAULT_OFFSET(u->cap);

	for (unsigned i = 0; i < nr && n < max; i++) {
		uint64_t high = reg64(&u->u, offset + 16 * i + 8);

		if (!(high & FAULT_VALID))
			continue;
		out[n++] = fault_decode(u, reg64(&u->u, offset + 16 * i), high);
		reg32_write(&u->u, offset + 16 * i + 12, (uint32_t)(FAULT_VALID >> 32));
	}
	return n;
}

/*
 * See internal.h. Until none is found: a fault recorded behind our back, while others were still pending, raises no interrupt, and no later one would (7.3).
 */
unsigned vtd_faults(struct iommu_unit *iu, struct iommu_fault *out, unsigned max)
{
	struct vtd_unit *u = container_of(iu, struct vtd_unit, u);
	unsigned n = 0, found;

	spin_lock(&iu->lock);
	do {
		found = take_records(u, out + n, max - n);
		n += found;
	} while (found && n < max);
	reg32_write(iu, VTD_FSTS, FSTS_OVERFLOW);
	spin_unlock(&iu->lock);
	return n;
}

/* Switching on and off --------------------------------------------------------------------------------------- */

/* See vtd_internal.h. Firmware may have it on, to protect itself. */
bool vtd_unit_stop(struct vtd_unit *u)
{
	uint32_t status = reg32(&u->u, VTD_GSTS);

	reg32_write(&u->u, VTD_FECTL, FECTL_MASKED);
	return (!(status & GCMD_TRANSLATE) || command(u, GCMD_TRANSLATE, false, "translation does not go off")) &&
	       (!(status & GCMD_REMAP) || command(u, GCMD_REMAP, false, "interrupt remapping does not go off")) &&
	       (!(status & GCMD_QUEUE) || command(u, GCMD_QUEUE, false, "its queue does not go off"));
}

static bool start_queue(struct vtd_unit *u)
{
	if (!u->queue)
		return true;
	u->tail = 0;
	reg32_write(&u->u, VTD_IQT, 0);
	reg64_write(&u->u, VTD_IQA, virt_to_paddr(u->queue));
	reg32_write(&u->u, VTD_FSTS, FSTS_QUEUE_ERRORS);
	return command(u, GCMD_QUEUE, true, "its queue does not go on");
}

static bool start_interrupts(struct vtd_unit *u)
{
	const struct vtd_descriptor all = vtd_inv_interrupts_all();
	unsigned log2 = (unsigned)__builtin_ctz(REMAP_MAX_HANDLES);
	int rc;

	if (!u->interrupts)
		return true;
	reg64_write(&u->u, VTD_IRTA, virt_to_paddr(u->interrupts) | (vtd.wide ? 1UL << 11 : 0) | (log2 - 1));
	if (!command(u, GCMD_REMAP_TABLE, true, "it does not take an interrupt table"))
		return false;
	spin_lock(&u->u.lock);
	rc = vtd_submit(u, &all, 1);
	spin_unlock(&u->u.lock);
	/* GCMD_COMPAT stays clear: plain messages are refused. */
	return !rc && command(u, GCMD_REMAP, true, "interrupt remapping does not go on");
}

/* Firmware's guard over memory ends, now that translation guards it (10.5). */
static void drop_protected_regions(struct vtd_unit *u)
{
	if (!(u->cap & (CAP_PLMR | CAP_PHMR)))
		return;
	reg32_write(&u->u, VTD_PMEN, reg32(&u->u, VTD_PMEN) & ~PMEN_ENABLE);
	if (!iommu_wait_reg(&u->u, VTD_PMEN, PMEN_STATUS, 0))
		printk(LOG_WARN, "IOMMU %u: firmware's protected memory regions do not go off\n", u->u.index);
}

static void start_fault_interrupt(struct vtd_unit *u)
{
	uint64_t address;
	uint32_t data;

	if (iommu_unit_irq(&u->u, &address, &data))
		return;
	reg32_write(&u->u, VTD_FEDATA, data);
	reg32_write(&u->u, VTD_FEADDR, (uint32_t)address);
	reg32_write(&u->u, VTD_FEUADDR, (uint32_t)(address >> 32));
	reg32_write(&u->u, VTD_FECTL, 0);
}

/* See vtd_internal.h. The order is that of 6.7 and 11.4.4: root table, invalidation of all, then on. */
void vtd_unit_start(struct vtd_unit *u)
{
	int rc;

	vtd_written(u, u->root, PAGE_SIZE);
	if (!start_queue(u))
		return;
	reg64_write(&u->u, VTD_RTADDR, virt_to_paddr(u->root));
	if (!command(u, GCMD_ROOT, true, "it does not take a root table"))
		return;
	spin_lock(&u->u.lock);
	rc = vtd_forget_all(u);
	spin_unlock(&u->u.lock);
	if (rc || !start_interrupts(u) || !command(u, GCMD_TRANSLATE, true, "translation does not go on"))
		return;
	drop_protected_regions(u);
	start_fault_interrupt(u);
}
