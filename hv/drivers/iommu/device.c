/* Devices behind IOMMUs: by which ids units know them, in which context each is, and the messages of their interrupts. */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "state.h"

#define PCI_COMMAND 0x04u
#define PCI_COMMAND_MASTER 0x4u
#define PCI_HEADER 0x0eu
#define PCI_SECONDARY 0x19u
#define PCI_CAP_EXP 0x10u
#define EXP_TYPE_TO_PCI 7u /* PCI Express to PCI(-X) bridge: PCIe 5.0, 7.5.3.2 */
#define EXP_TYPE_FROM_PCI 8u

/* Ids ----------------------------------------------------------------------------------------------------------- */

/* See state.h. */
void iommu_find_bridges(void)
{
	struct pci_dev *dev = NULL;

	while ((dev = pci_next(dev)) && iommu.nr_bridges < MAX_BRIDGES) {
		enum bridge_kind kind = BRIDGE_PCI;
		unsigned cap;

		if ((pci_read(dev->sbdf, PCI_HEADER, 1) & 0x7f) != 1)
			continue;
		cap = pci_find_cap(dev->sbdf, PCI_CAP_EXP);
		if (cap) {
			unsigned type = pci_read(dev->sbdf, cap + 2, 2) >> 4 & 15;

			kind = type == EXP_TYPE_TO_PCI	 ? BRIDGE_TO_PCI :
			       type == EXP_TYPE_FROM_PCI ? BRIDGE_PCI :
							   BRIDGE_EXPRESS;
		}
		iommu.bridge[iommu.nr_bridges++] = (struct bridge){ dev->sbdf, kind };
	}
}

static void add_id(struct iommu_device *x, uint16_t id)
{
	for (unsigned i = 0; i < x->nr_ids; i++)
		if (x->ids[i] == id)
			return;
	if (x->nr_ids < IOMMU_MAX_IDS)
		x->ids[x->nr_ids++] = id;
}

static const struct bridge *bridge_to(uint16_t segment, uint8_t bus)
{
	for (unsigned i = 0; i < iommu.nr_bridges; i++)
		if (iommu.bridge[i].sbdf.segment == segment && pci_read(iommu.bridge[i].sbdf, PCI_SECONDARY, 1) == bus)
			return &iommu.bridge[i];
	return NULL;
}

/* Bridges to conventional PCI speak for what is behind them (PCIe-to-PCI bridge specification 1.0, 2.3). */
static void add_bridge_ids(struct iommu_device *x)
{
	struct pci_sbdf s = x->dev->sbdf;

	for (unsigned depth = 0; depth < 16 && s.bus; depth++) {
		const struct bridge *b = bridge_to(s.segment, s.bus);

		if (!b)
			return;
		if (b->kind == BRIDGE_TO_PCI)
			add_id(x, (uint16_t)(s.bus << 8));
		else if (b->kind == BRIDGE_PCI)
			add_id(x, PCI_BDF(b->sbdf));
		s = b->sbdf;
	}
}

/* What we know of @dev, made on first use; NULL without memory. Calls for one device are serialised by its user. */
static struct iommu_device *device_of(struct pci_dev *dev)
{
	struct iommu_device *x = dev->iommu;
	uint16_t ids[IOMMU_MAX_IDS];
	unsigned nr = 0;

	if (x)
		return x;
	x = xzalloc(struct iommu_device);
	if (!x)
		return NULL;
	x->dev = dev;
	for (unsigned i = 0; i < REMAP_MAX_BLOCKS; i++)
		x->block[i] = -1;
	add_id(x, PCI_BDF(dev->sbdf));
	x->unit = iommu.driver->find(dev->sbdf, ids, &nr);
	for (unsigned i = 0; i < nr; i++)
		add_id(x, ids[i]);
	if (!nr)
		add_bridge_ids(x);
	spin_lock(&iommu.lock);
	dev->iommu = x;
	list_add_tail(&iommu.devices, &x->list);
	spin_unlock(&iommu.lock);
	return x;
}

static bool uses_id(const struct iommu_device *x, uint16_t segment, uint16_t id)
{
	if (x->dev->sbdf.segment != segment)
		return false;
	for (unsigned i = 0; i < x->nr_ids; i++)
		if (x->ids[i] == id)
			return true;
	return false;
}

/* The context in which another device uses @id of @x, NULL: none. */
static const struct iommu_context *shared_with(const struct iommu_device *x, uint16_t id)
{
	const struct iommu_context *c = NULL;
	const struct list *l;

	spin_lock(&iommu.lock);
	list_for_each(l, &iommu.devices) {
		const struct iommu_device *y = container_of(l, const struct iommu_device, list);

		if (y != x && y->context && uses_id(y, x->dev->sbdf.segment, id))
			c = y->context;
	}
	spin_unlock(&iommu.lock);
	return c;
}

static void device_join(struct iommu_device *x, struct iommu_context *c)
{
	spin_lock(&iommu.lock);
	x->context = c;
	spin_unlock(&iommu.lock);
}

/*
 * The device leaves its context: afterwards nothing of that context is cached on its behalf. An id that another device uses, too, stays as it is, also
 * when this one was in no context: the other one may be at work.
 */
static void detach(struct iommu_device *x)
{
	struct iommu_context *c = x->context;

	for (unsigned i = 0; i < x->nr_ids; i++)
		if (!shared_with(x, x->ids[i]))
			(void)!iommu.driver->set_device(x->unit, x->ids[i], NULL, false);
	if (!c)
		return;
	if (iommu_unit_ok(x->unit))
		iommu.driver->flush(x->unit, c->id, 0, 64);
	if (!iommu_unit_ok(x->unit))
		iommu_stop_lost_devices(NULL);
	device_join(x, NULL);
	spin_lock(&c->domain->p2m.lock);
	c->devices[x->unit->index]--;
	spin_unlock(&c->domain->p2m.lock);
}

/* Give @c the ranges that firmware wants @x to see. Lock of the map held. -ENOSPC, -ENOMEM. */
static int pin_ranges(struct iommu_context *c, const struct iommu_device *x)
{
	for (unsigned i = 0; i < iommu.nr_reserved; i++) {
		const struct iommu_reserved *r = &iommu.reserved[i];

		if (r->sbdf.segment != x->dev->sbdf.segment ||
		    (!r->all && !uses_id(x, r->sbdf.segment, PCI_BDF(r->sbdf))))
			continue;
		for (unsigned j = 0; j < c->nr_pinned; j++)
			if (c->pinned[j].start == r->start && c->pinned[j].end == r->end)
				goto next;
		if (c->nr_pinned == IOMMU_MAX_RESERVED)
			return err(-ENOSPC);
		c->pinned[c->nr_pinned++] = *r;
		if (!iommu_context_pin(c, r->start >> PAGE_SHIFT, (r->end - r->start) >> PAGE_SHIFT)) {
			c->nr_pinned--;
			return err(-ENOMEM);
		}
	next:;
	}
	return 0;
}

static int attach(struct iommu_device *x, struct iommu_context *c)
{
	struct p2m *p = &c->domain->p2m;
	int rc;

	for (unsigned i = 0; i < x->nr_ids; i++) {
		const struct iommu_context *other = shared_with(x, x->ids[i]);

		if (other && other != c)
			return err(-EBUSY);
	}
	spin_lock(&p->lock);
	rc = pin_ranges(c, x);
	c->devices[x->unit->index]++;
	iommu_context_flush(&c->listener, true);
	spin_unlock(&p->lock);
	device_join(x, c);
	for (unsigned i = 0; i < x->nr_ids && !rc; i++) {
		fault_forgive(x->dev->sbdf.segment, x->ids[i]);
		rc = iommu.driver->set_device(x->unit, x->ids[i], c, false);
	}
	if (rc)
		detach(x);
	return rc;
}

/* See hv/iommu.h. */
int iommu_attach(struct pci_dev *dev, struct domain *d)
{
	struct iommu_device *x;

	if (!iommu.driver || (d && !d->iommu))
		return err(-ENODEV);
	x = device_of(dev);
	if (!x)
		return err(-ENOMEM);
	if (!x->unit)
		return d ? err(-ENODEV) : 0;
	if (d && x->context == d->iommu)
		return 0;
	detach(x);
	if (!d)
		return 0;
	if (!iommu_unit_ok(x->unit))
		return err(-EIO);
	return attach(x, d->iommu);
}

/* Some device that is in @c still, NULL: none. */
static struct iommu_device *device_in(const struct iommu_context *c)
{
	struct iommu_device *found = NULL;
	struct list *l;

	spin_lock(&iommu.lock);
	list_for_each(l, &iommu.devices) {
		struct iommu_device *x = container_of(l, struct iommu_device, list);

		if (x->context == c)
			found = x;
	}
	spin_unlock(&iommu.lock);
	return found;
}

/* See state.h. */
void iommu_detach_all(const struct iommu_context *c)
{
	struct iommu_device *x;

	while ((x = device_in(c)))
		detach(x);
}

/* Who it is, and its end --------------------------------------------------------------------------------------- */

static void stop_master(struct pci_sbdf s)
{
	uint32_t command = pci_read(s, PCI_COMMAND, 2);

	if (command != 0xffff && (command & PCI_COMMAND_MASTER))
		pci_write(s, PCI_COMMAND, 2, command & ~PCI_COMMAND_MASTER);
}

/* The @n-th known device, false if there are fewer. */
static bool nth_device(unsigned n, struct pci_sbdf *s, const struct iommu_unit **unit)
{
	const struct list *l;
	bool found = false;

	spin_lock(&iommu.lock);
	list_for_each(l, &iommu.devices) {
		const struct iommu_device *x = container_of(l, const struct iommu_device, list);

		if (n--)
			continue;
		*s = x->dev->sbdf;
		*unit = x->unit;
		found = true;
		break;
	}
	spin_unlock(&iommu.lock);
	return found;
}

/* See state.h. */
void iommu_stop_lost_devices(void *unused)
{
	const struct iommu_unit *unit;
	struct pci_sbdf s;

	for (unsigned i = 0; nth_device(i, &s, &unit); i++)
		if (unit && !iommu_unit_ok(unit))
			stop_master(s);
}

/* See internal.h. */
bool iommu_owner_of(uint16_t segment, uint16_t id, domid_t *owner)
{
	const struct list *l;
	bool found = false;

	spin_lock(&iommu.lock);
	list_for_each(l, &iommu.devices) {
		const struct iommu_device *x = container_of(l, const struct iommu_device, list);

		if (!x->context || x->dev->sbdf.segment != segment)
			continue;
		for (unsigned i = 0; i < x->nr_ids && !found; i++)
			found = x->ids[i] == id;
		if (found) {
			*owner = x->context->domain->id;
			break;
		}
	}
	spin_unlock(&iommu.lock);
	return found;
}

/* See internal.h. */
void iommu_contain(uint16_t segment, uint16_t id)
{
	struct pci_sbdf s = { segment, (uint8_t)(id >> 8), (uint8_t)id };
	uint16_t ids[IOMMU_MAX_IDS];
	unsigned nr = 0;
	struct iommu_unit *u = iommu.driver->find(s, ids, &nr);

	if (u)
		(void)!iommu.driver->set_device(u, id, NULL, true);
	if (pci_find(s) && !(pci_read(s, PCI_HEADER, 1) & 0x7f))
		stop_master(s);
}

/* Interrupts ------------------------------------------------------------------------------------------------------ */

/* See hv/iommu.h. */
int iommu_msi_message(struct pci_dev *dev, unsigned index, const struct host_irq *irq, uint64_t *address,
		      uint32_t *data)
{
	struct remap_target target;
	struct remap_table *table;
	struct iommu_device *x;
	int handle;

	host_irq_message(irq, address, data);
	if (!iommu_intremap())
		return 0;
	x = device_of(dev);
	if (!x)
		return err(-ENOMEM);
	if (!x->unit)
		return 0;
	if (!iommu_unit_ok(x->unit))
		return err(-EIO);
	target = remap_from_message(*address, *data);
	spin_lock(&x->unit->lock);
	table = iommu.driver->remap_table(x);
	handle = table ? remap_handle(table, x, index) : err(-ENOMEM);
	if (handle >= 0)
		iommu.driver->remap_write(x, (unsigned)handle, &target, address, data);
	spin_unlock(&x->unit->lock);
	return handle < 0 ? handle : 0;
}

/* See hv/iommu.h. */
void iommu_msi_release(struct pci_dev *dev, unsigned index)
{
	struct iommu_device *x = dev->iommu;
	struct remap_table *table;
	int handle;

	if (!iommu_intremap() || !x || !x->unit)
		return;
	spin_lock(&x->unit->lock);
	table = iommu.driver->remap_table(x);
	handle = table ? remap_release(table, x, index) : -1;
	if (handle >= 0)
		iommu.driver->remap_clear(x, (unsigned)handle);
	spin_unlock(&x->unit->lock);
}

/* See hv/iommu.h. */
int iommu_ioapic_entry(uint8_t ioapic_id, unsigned pin, uint64_t *rte)
{
	return iommu_intremap() ? iommu.driver->ioapic(ioapic_id, pin, rte) : 0;
}
