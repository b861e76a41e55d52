/*
 * Contexts of IOMMUs: what the devices of a domain reach.
 *
 * A context's table mirrors the domain's guest-physical map through a listener, so it changes under that map's lock,
 * in the same batch, and is flushed before the batch ends: a page that left the map is out of devices' reach before
 * it can be freed.
 */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "state.h"

/* The listener -------------------------------------------------------------------------------------------------- */

/*
 * What devices may do with a page of @type. Grant and foreign mappings count, for a back end hands them to its
 * devices. Writes to RAM whose changes are logged are not seen by the log: it cannot be switched on for a domain with
 * devices.
 */
static unsigned type_access(enum p2m_type type)
{
	switch (type) {
	case P2M_RAM_RW:
	case P2M_RAM_LOGDIRTY:
	case P2M_GRANT_MAP_RW:
	case P2M_FOREIGN:
	case P2M_MMIO_DIRECT:
		return IOMMU_READ | IOMMU_WRITE;
	case P2M_RAM_RO:
	case P2M_GRANT_MAP_RO:
		return IOMMU_READ;
	default:
		return 0;
	}
}

static void tell_once(struct iommu_context *c, uint64_t dfn)
{
	if (!c->told)
		printk(LOG_WARN,
		       "IOMMU: no memory for tables of d%u: its devices do not reach frame 0x%lx and perhaps others\n",
		       c->domain->id, (unsigned long)dfn);
	c->told = true;
}

/* Make [dfn, dfn + nr) say this. False: for want of memory part of it, or of what is beside it, is out of devices' reach. */
static bool context_set(struct iommu_context *c, uint64_t dfn, mfn_t m, uint64_t nr, unsigned access)
{
	uint64_t frames = io_table_frames(&c->table);
	bool done = true;

	if (dfn >= frames)
		return true;
	nr = min_u64(nr, frames - dfn);
	/* As many as the map itself may have, twice: it folds tables that stay apart here. */
	c->table.max_tables = read_once(c->domain->max_pages) / 32 + 1024;
	c->first = min_u64(c->first, dfn);
	c->last = max_u64(c->last, dfn + nr - 1);
	if (access && io_table_map(&c->table, dfn, m, nr, access)) {
		tell_once(c, dfn);
		access = 0;
		done = false;
	}
	if (!access && !io_table_unmap(&c->table, dfn, nr)) {
		/* A large entry had to go whole, beyond the range. */
		tell_once(c, dfn);
		c->first = 0;
		c->last = frames - 1;
		done = false;
	}
	return done;
}

/* See state.h. Firmware's ranges win over the map. */
bool iommu_context_pin(struct iommu_context *c, uint64_t dfn, uint64_t nr)
{
	bool done = true;

	for (unsigned i = 0; i < c->nr_pinned; i++) {
		uint64_t from = max_u64(c->pinned[i].start >> PAGE_SHIFT, dfn);
		uint64_t to = min_u64(c->pinned[i].end >> PAGE_SHIFT, dfn + nr);

		if (from < to)
			done &= context_set(c, from, mfn(from), to - from, IOMMU_READ | IOMMU_WRITE);
	}
	return done;
}

static void context_changed(struct p2m_listener *l, gfn_t g, mfn_t m, unsigned order, enum p2m_type type)
{
	struct iommu_context *c = container_of(l, struct iommu_context, listener);
	unsigned access = type_access(type);

	if (type == P2M_MMIO_DIRECT && order == 0 && iommu_owns_frame(m))
		access = 0;
	(void)!context_set(c, g.v, m, 1UL << order, access);
	if (unlikely(c->nr_pinned))
		(void)!iommu_context_pin(c, g.v, 1UL << order);
}

/* The smallest aligned block of 2^order frames that holds both. */
static unsigned block_order(uint64_t first, uint64_t last)
{
	return first == last ? 0 : 64 - (unsigned)__builtin_clzl(first ^ last);
}

/* See state.h. */
void iommu_context_flush(struct p2m_listener *l, bool narrowed)
{
	struct iommu_context *c = container_of(l, struct iommu_context, listener);
	unsigned order;

	if (c->first > c->last)
		return;
	narrowed |= c->table.retired != 0;
	order = block_order(c->first, c->last);
	for (unsigned i = 0; i < iommu.nr_units; i++) {
		struct iommu_unit *u = iommu.unit[i];

		if (!c->devices[i] || !(narrowed || u->caches_absent) || !iommu_unit_ok(u))
			continue;
		iommu.driver->flush(u, c->id, c->first & ~((1UL << order) - 1), order);
		/* What it may still have cached is freed next: its devices stop before that. */
		if (!iommu_unit_ok(u))
			iommu_stop_lost_devices(NULL);
	}
	io_table_reclaim(&c->table);
	l->tables = c->table.nr_tables + c->table.nr_reserve;
	c->first = ~0UL;
	c->last = 0;
}

/* Life ---------------------------------------------------------------------------------------------------------- */

/* 0 is for what belongs to nobody. */
static uint16_t id_alloc(void)
{
	uint16_t id = 0;

	spin_lock(&iommu.lock);
	for (unsigned i = 1; i < MAX_CONTEXTS && i < iommu.nr_ids && !id; i++)
		if (!iommu.id_taken[i])
			id = (uint16_t)i;
	iommu.id_taken[id] = 1;
	spin_unlock(&iommu.lock);
	return id;
}

static void id_free(uint16_t id)
{
	spin_lock(&iommu.lock);
	iommu.id_taken[id] = 0;
	spin_unlock(&iommu.lock);
}

/* See hv/iommu.h. 0 also if there is one already; -ENOSPC: units tell no more domains apart; -ENOMEM: nor if a part of the map lacks tables. */
int iommu_domain_init(struct domain *d)
{
	struct iommu_context *c;
	int rc = err(-ENOMEM);

	if (!iommu.driver)
		return err(-ENODEV);
	if (d->iommu)
		return 0;
	c = overhead_new(&d->overhead, OVERHEAD_DEVICES, struct iommu_context);
	if (!c)
		return rc;
	c->domain = d;
	c->first = ~0UL;
	c->listener.changed = context_changed;
	c->listener.flush = iommu_context_flush;
	c->id = id_alloc();
	if (!c->id) {
		rc = err(-ENOSPC);
		goto err_free;
	}
	rc = io_table_init(&c->table, &d->overhead, iommu.driver->format, iommu.levels, iommu.max_leaf,
			   iommu.incoherent);
	if (rc)
		goto err_id;
	d->iommu = c;
	p2m_listen(d, &c->listener);
	if (c->told) {
		iommu_domain_destroy(d);
		return err(-ENOMEM);
	}
	return 0;
err_id:
	id_free(c->id);
err_free:
	overhead_free(&d->overhead, OVERHEAD_DEVICES, c);
	return rc;
}

/* See hv/iommu.h. No unit knows the id any more: attach() flushed it with the last device. */
void iommu_domain_destroy(struct domain *d)
{
	struct iommu_context *c = d->iommu;

	if (!c)
		return;
	iommu_detach_all(c);
	p2m_unlisten(d, &c->listener);
	d->iommu = NULL;
	io_table_destroy(&c->table);
	id_free(c->id);
	overhead_free(&d->overhead, OVERHEAD_DEVICES, c);
}
