/*
 * IOMMUs: domains' contexts, which device sees which, and the options. The two kinds of unit are in amd.c and vtd.c,
 * their page tables in table.c.
 *
 * A context's table mirrors the domain's guest-physical map through a listener, so it changes under that map's lock,
 * in the same batch, and is flushed before the batch ends: a page that left the map is out of devices' reach before
 * it can be freed.
 *
 * Deny is the default: before the first domain runs every device is blocked, and is so again when it belongs to
 * nobody. A unit that does not answer is not asked again; what it had translated before cannot be taken back, so bus
 * mastering of its devices is switched off.
 */
#include "hv/iommu.h"

#include "hv/acpi.h"
#include "hv/arch.h"
#include "hv/boot.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/hwdom.h"
#include "hv/parse.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/task.h"
#include "hv/time.h"
#include "internal.h"

#define MAX_CONTEXTS 1024u
#define MAX_BRIDGES 256u
#define MAX_ROUNDS (1u << 26)
#define FAULT_BATCH 16u
#define FAULT_ROUNDS 16u
#define POLL_INTERVAL (1 * NSEC_PER_SEC)
#define CATCH_UP_INTERVAL MILLISECS(10)

#define PCI_COMMAND 0x04u
#define PCI_COMMAND_MASTER 0x4u
#define PCI_HEADER 0x0eu
#define PCI_SECONDARY 0x19u
#define PCI_CAP_EXP 0x10u
#define EXP_TYPE_TO_PCI 7u /* PCI Express to PCI(-X) bridge: PCIe 5.0, 7.5.3.2 */
#define EXP_TYPE_FROM_PCI 8u

enum bridge_kind { BRIDGE_EXPRESS, BRIDGE_TO_PCI, BRIDGE_PCI };

struct bridge {
	struct pci_sbdf sbdf;
	enum bridge_kind kind;
};

static struct {
	const struct iommu_driver *driver; /* NULL: no IOMMU in use */
	bool intremap, verbose, superpages;
	struct iommu_unit *unit[IOMMU_MAX_UNITS];
	unsigned nr_units;
	unsigned levels, max_leaf, nr_ids; /* of every context */
	bool incoherent;
	struct iommu_reserved reserved[IOMMU_MAX_RESERVED];
	unsigned nr_reserved;
	struct bridge bridge[MAX_BRIDGES];
	unsigned nr_bridges;
	struct task lost_task;
	struct timer poll;

	spinlock_t lock;     /* RANK_IOMMU: guards what follows */
	struct list devices; /* struct iommu_device */
	uint8_t id_taken[MAX_CONTEXTS];
} iommu = { .lock = SPINLOCK_INIT(RANK_IOMMU), .devices = LIST_INIT(iommu.devices) };

/* See hv/iommu.h. */
bool iommu_enabled(void)
{
	return iommu.driver;
}

bool iommu_intremap(void)
{
	return iommu.driver && iommu.intremap;
}

bool iommu_verbose(void)
{
	return iommu.verbose;
}

bool iommu_superpages(void)
{
	return iommu.superpages;
}

unsigned iommu_nr_units(void)
{
	return iommu.nr_units;
}

struct iommu_unit *iommu_unit(unsigned i)
{
	return iommu.unit[i];
}

/* See hv/iommu.h. */
unsigned iommu_reserved_ranges(const struct iommu_reserved **out)
{
	*out = iommu.reserved;
	return iommu.driver ? iommu.nr_reserved : 0;
}

/* See hv/iommu.h. */
bool iommu_owns_frame(mfn_t m)
{
	for (unsigned i = 0; i < iommu.nr_units; i++)
		if (m.v >= iommu.unit[i]->base >> PAGE_SHIFT &&
		    m.v <= (iommu.unit[i]->base + iommu.unit[i]->size - 1) >> PAGE_SHIFT)
			return true;
	return false;
}

/* Waiting ---------------------------------------------------------------------------------------- */

/*
 * See internal.h. The clock is asked now and then, for reading it costs more than a round; and it is not trusted to
 * move.
 */
bool iommu_wait_more(struct iommu_wait *w)
{
	arch_cpu_relax();
	if (w->rounds++ % 64)
		return true;
	if (w->rounds > MAX_ROUNDS)
		return false;
	if (!w->end)
		w->end = now() + IOMMU_ANSWER_TIME;
	return now() < w->end;
}

/* See internal.h. */
bool iommu_wait_reg(const struct iommu_unit *u, unsigned reg, uint32_t mask, uint32_t want)
{
	struct iommu_wait w = iommu_wait_begin();

	while ((reg32(u, reg) & mask) != want)
		if (!iommu_wait_more(&w))
			return false;
	return true;
}

/* Units that are lost ------------------------------------------------------------------------------- */

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

/* Nobody can say any more what devices behind a lost unit reach: they stop. */
static void stop_lost_devices(void *unused)
{
	const struct iommu_unit *unit;
	struct pci_sbdf s;

	for (unsigned i = 0; nth_device(i, &s, &unit); i++)
		if (unit && !iommu_unit_ok(unit))
			stop_master(s);
}

/* See internal.h. */
void iommu_unit_lost(struct iommu_unit *u, const char *doing)
{
	if (__atomic_exchange_n(&u->lost, true, __ATOMIC_SEQ_CST))
		return;
	printk(LOG_ERR, "IOMMU %u at 0x%lx does not answer (%s): given up, its devices are stopped\n", u->index,
	       (unsigned long)u->base, doing);
	task_queue(&iommu.lost_task);
}

/* Faults ---------------------------------------------------------------------------------------------- */

/* No more at once than a bounded number. False: there are more, of which a unit need not tell again, for it interrupts when the first of them comes. */
static bool look_for_faults(struct iommu_unit *u)
{
	struct iommu_fault f[FAULT_BATCH];

	for (unsigned round = 0; round < FAULT_ROUNDS; round++) {
		unsigned n = iommu.driver->faults(u, f, FAULT_BATCH);

		for (unsigned i = 0; i < n; i++)
			fault_report(&f[i]);
		if (n < FAULT_BATCH)
			return true;
	}
	return false;
}

static void unit_interrupt(struct host_irq *irq)
{
	struct iommu_unit *u = irq->ctx;

	if (!iommu.driver || look_for_faults(u))
		return;
	__atomic_store_n(&u->behind, true, __ATOMIC_SEQ_CST);
	timer_set(&iommu.poll, now() + CATCH_UP_INTERVAL);
}

/* For units without an interrupt, or whose interrupt does not tell all, or told of more than was looked at. */
static void poll_faults(void *unused)
{
	bool look = false, behind = false;

	for (unsigned i = 0; i < iommu.nr_units; i++) {
		struct iommu_unit *u = iommu.unit[i];

		look |= u->look;
		if ((__atomic_exchange_n(&u->behind, false, __ATOMIC_SEQ_CST) || u->look) && !look_for_faults(u))
			behind = u->behind = true;
	}
	if (behind)
		timer_set(&iommu.poll, now() + CATCH_UP_INTERVAL);
	else if (look)
		timer_set(&iommu.poll, now() + POLL_INTERVAL);
}

/* See internal.h. */
int iommu_unit_irq(struct iommu_unit *u, uint64_t *address, uint32_t *data)
{
	int rc;

	u->irq.deliver = unit_interrupt;
	u->irq.ctx = u;
	rc = host_irq_alloc(&u->irq, 0);
	if (rc) {
		printk(LOG_WARN, "IOMMU %u: no interrupt, error %d: faults are looked for now and then\n", u->index,
		       -rc);
		u->look = true;
		return rc;
	}
	host_irq_message(&u->irq, address, data);
	return 0;
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

/* Contexts: the listener ----------------------------------------------------------------------------------- */

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

/* Firmware's ranges win over the map. False as context_set(). */
static bool context_pin(struct iommu_context *c, uint64_t dfn, uint64_t nr)
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
		(void)!context_pin(c, g.v, 1UL << order);
}

/* The smallest aligned block of 2^order frames that holds both. */
static unsigned block_order(uint64_t first, uint64_t last)
{
	return first == last ? 0 : 64 - (unsigned)__builtin_clzl(first ^ last);
}

static void context_flush(struct p2m_listener *l, bool narrowed)
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
			stop_lost_devices(NULL);
	}
	io_table_reclaim(&c->table);
	l->tables = c->table.nr_tables + c->table.nr_reserve;
	c->first = ~0UL;
	c->last = 0;
}

/* Contexts: life --------------------------------------------------------------------------------------------- */

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
	c->listener.flush = context_flush;
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

/* Devices ------------------------------------------------------------------------------------------------------ */

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
		stop_lost_devices(NULL);
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
		if (!context_pin(c, r->start >> PAGE_SHIFT, (r->end - r->start) >> PAGE_SHIFT)) {
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
	context_flush(&c->listener, true);
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

/* See hv/iommu.h. No unit knows the id any more: attach() flushed it with the last device. */
void iommu_domain_destroy(struct domain *d)
{
	struct iommu_context *c = d->iommu;
	struct iommu_device *x;

	if (!c)
		return;
	while ((x = device_in(c)))
		detach(x);
	p2m_unlisten(d, &c->listener);
	d->iommu = NULL;
	io_table_destroy(&c->table);
	id_free(c->id);
	overhead_free(&d->overhead, OVERHEAD_DEVICES, c);
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

/*
 * Boot
 * ---------------------------------------------------------------------------------------------------------------
 */

/* See internal.h. */
bool iommu_add_unit(struct iommu_unit *u)
{
	if (iommu.nr_units == IOMMU_MAX_UNITS)
		return false;
	spin_lock_init(&u->lock, RANK_IOMMU_UNIT);
	u->index = iommu.nr_units;
	iommu.unit[iommu.nr_units++] = u;
	return true;
}

/* Does firmware's own map say that [@start, @end) has RAM, which is not firmware's to share with devices? */
static bool has_ram(uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];

		if (e->type == E820_RAM && e->addr < end && e->addr + e->size > start)
			return true;
	}
	return false;
}

/* See internal.h. */
void iommu_add_reserved(const struct acpi_reserved *r, struct pci_sbdf s)
{
	if (has_ram(r->start, r->end)) {
		printk(LOG_WARN, "IOMMU: 0x%lx-0x%lx is RAM and not reserved: devices do not get to it\n",
		       (unsigned long)r->start, (unsigned long)r->end - 1);
		return;
	}
	if (iommu.nr_reserved == IOMMU_MAX_RESERVED) {
		printk(LOG_WARN, "IOMMU: more reserved ranges than there is room for\n");
		return;
	}
	iommu.reserved[iommu.nr_reserved++] =
		(struct iommu_reserved){ .start = r->start, .end = r->end, .sbdf = s, .all = r->all };
	if (iommu.verbose)
		printk(LOG_INFO, "IOMMU: 0x%lx-0x%lx reserved for %s%04x:%02x:%02x.%u\n", (unsigned long)r->start,
		       (unsigned long)r->end - 1, r->all ? "all of " : "", s.segment, s.bus, s.devfn >> 3, s.devfn & 7);
}

static void find_bridges(void)
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

/* What every context must respect, for a device may be behind any unit. */
static void common_denominator(void)
{
	iommu.levels = 3;
	iommu.max_leaf = iommu.superpages ? 2 : 0;
	iommu.nr_ids = 1u << 16;
	iommu.incoherent = false;
	for (unsigned i = 0; i < iommu.nr_units; i++) {
		const struct iommu_unit *u = iommu.unit[i];

		if (u->levels > 3)
			iommu.levels = 4; /* as many as a guest-physical map has */
		iommu.max_leaf = u->max_leaf < iommu.max_leaf ? u->max_leaf : iommu.max_leaf;
		iommu.nr_ids = u->nr_ids < iommu.nr_ids ? u->nr_ids : iommu.nr_ids;
		iommu.incoherent |= u->incoherent;
	}
}

/* See internal.h. */
bool iommu_all_ioapics(bool (*known)(uint8_t id))
{
	for (unsigned i = 0; i < acpi_info.nr_ioapics; i++) {
		if (known(acpi_info.ioapics[i].id))
			continue;
		printk(LOG_WARN, "IOMMU: firmware does not say how I/O APIC %u is seen: interrupts are not remapped\n",
		       acpi_info.ioapics[i].id);
		return false;
	}
	return true;
}

/* Its options; NULL, or why there shall be none. */
static const char *read_options(void)
{
	const char *list = param_string("iommu", ""), *item;
	bool on = true;
	size_t len;

	while (parse_item(&list, ',', &item, &len))
		if (parse_bool(item, len) >= 0)
			on = parse_bool(item, len);
	iommu.verbose = param_list_bool("iommu", "verbose", false) || param_list_bool("iommu", "debug", false);
	iommu.superpages = param_list_bool("iommu", "superpages", true);
	iommu.intremap = param_list_bool("iommu", "intremap", true);
	if (!on)
		return "switched off by iommu=";
	if (param_list_bool("dom0-iommu", "none", false))
		return "switched off by dom0-iommu=none";
	return NULL;
}

static const char *start(void)
{
	static const struct iommu_driver *const drivers[] = { &amd_driver, &vtd_driver };
	const char *why = read_options();
	const void *table = NULL;
	size_t len;
	int rc;

	if (why)
		return why;
	for (unsigned i = 0; i < ARRAY_SIZE(drivers) && !table; i++) {
		table = acpi_find_table(drivers[i]->table, &len);
		if (table)
			iommu.driver = drivers[i];
	}
	if (!table)
		return "none found: there is neither an IVRS nor a DMAR table";
	task_init(&iommu.lost_task, stop_lost_devices, NULL, 0);
	timer_init(&iommu.poll, poll_faults, NULL, 0);
	find_bridges();
	rc = iommu.driver->init(table, len, &iommu.intremap);
	if (rc) {
		iommu.driver = NULL;
		return rc == -ENOMEM ? "no memory for its tables" : "the table that describes it cannot be used";
	}
	common_denominator();
	return NULL;
}

/* See hv/iommu.h. Boot CPU. */
void iommu_init(void)
{
	const char *why;
	bool polled = false;

	memset(&iommu, 0, sizeof(iommu));
	spin_lock_init(&iommu.lock, RANK_IOMMU);
	list_init(&iommu.devices);
	fault_init();
	why = start();
	if (why) {
		if (param_list_bool("iommu", "force", false) || param_list_bool("iommu", "required", false))
			panic("iommu=force, but there is no IOMMU to use: %s", why);
		printk(LOG_INFO, "IOMMU: %s\n", why);
		return;
	}
	for (unsigned i = 0; i < iommu.nr_units; i++) {
		hwdom_withhold(iommu.unit[i]->base, iommu.unit[i]->size);
		polled |= iommu.unit[i]->look;
		if (iommu.verbose)
			iommu.driver->describe(iommu.unit[i]);
	}
	if (polled)
		timer_set(&iommu.poll, now() + POLL_INTERVAL);
	printk(LOG_INFO,
	       "IOMMU: %s, %u unit%s, devices blocked until they are given to a domain, interrupt remapping %s\n",
	       iommu.driver->name, iommu.nr_units, iommu.nr_units == 1 ? "" : "s", iommu.intremap ? "on" : "off");
}
