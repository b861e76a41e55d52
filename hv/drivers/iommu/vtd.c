/*
 * Intel VT-d, legacy mode (specification 4.0): root and context tables, which unit is whose. A root or context entry
 * that is not present blocks its device, so tables start empty and deny everything.
 */
#include "vtd_internal.h"

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"

#define PCI_SECONDARY 0x19u
#define PCI_SUBORDINATE 0x1au

struct vtd_state vtd;

/* Devices ------------------------------------------------------------------------------------------- */

static void entry_write(const struct vtd_unit *u, uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
	vtd_written(u, p, sizeof(*p));
}

/* The context entry of @id, two words; NULL: its bus has no table, and @make did not help. Lock held. */
static uint64_t *context_entry(struct vtd_unit *u, uint16_t id, bool make)
{
	uint8_t bus = (uint8_t)(id >> 8);

	if (!u->context[bus]) {
		if (!make)
			return NULL;
		u->context[bus] = alloc_page();
		if (!u->context[bus])
			return NULL;
		vtd_written(u, u->context[bus], PAGE_SIZE);
		entry_write(u, &u->root[2 * bus], virt_to_paddr(u->context[bus]) | ENTRY_PRESENT);
	}
	return &u->context[bus][2 * (id & 0xff)];
}

/*
 * The lower word holds the present bit and is written last, or first to take it away (6.2.2.1 asks for all caches to
 * be told before a changed entry is used).
 */
static int vtd_set_device(struct iommu_unit *iu, uint16_t id, const struct iommu_context *c, bool quiet)
{
	struct vtd_unit *u = container_of(iu, struct vtd_unit, u);
	uint64_t *e;
	int rc = 0;

	spin_lock(&iu->lock);
	e = context_entry(u, id, c || quiet);
	if (!e && c)
		rc = err(-ENOMEM);
	if (!e)
		goto out;
	entry_write(u, &e[0], quiet ? CONTEXT_QUIET : 0);
	rc = vtd_forget_all(u);
	if (!c || rc)
		goto out;
	/* Levels 3, 4, 5 are widths 1, 2, 3 (9.3). */
	entry_write(u, &e[1], (uint64_t)c->id << 8 | (iu->levels - 2));
	entry_write(u, &e[0], mfn_to_paddr(io_table_root(&c->table, iu->levels)) | ENTRY_PRESENT);
	rc = vtd_forget_all(u);
	if (rc)
		entry_write(u, &e[0], 0);
out:
	spin_unlock(&iu->lock);
	return rc;
}

/* Which unit ------------------------------------------------------------------------------------------ */

/* See vtd_internal.h. 8.3.1: each step of the path but the last is a bridge, whose secondary bus the next is on. */
bool vtd_scope_device(uint16_t segment, const struct dmar_scope *s, struct pci_sbdf *out)
{
	*out = (struct pci_sbdf){ segment, s->bus, s->path[0] };
	for (unsigned i = 1; i < s->nr_path; i++) {
		uint32_t bus = pci_read(*out, PCI_SECONDARY, 1);

		if (bus == 0 || bus >= 0xff)
			return false;
		*out = (struct pci_sbdf){ segment, (uint8_t)bus, s->path[i] };
	}
	return true;
}

/* Is @s what the scope names, or behind the bridge it names? Nothing is behind a bridge that has got no bus yet. */
static bool in_scope(const struct dmar_scope *scope, struct pci_sbdf s)
{
	struct pci_sbdf at;
	uint32_t behind;

	if (scope->type != DMAR_SCOPE_ENDPOINT && scope->type != DMAR_SCOPE_BRIDGE)
		return false;
	if (!vtd_scope_device(s.segment, scope, &at))
		return false;
	if (PCI_BDF(at) == PCI_BDF(s))
		return true;
	behind = pci_read(at, PCI_SECONDARY, 1);
	return scope->type == DMAR_SCOPE_BRIDGE && behind > at.bus && s.bus >= behind &&
	       s.bus <= pci_read(at, PCI_SUBORDINATE, 1);
}

/* The unit that structure @dmar of the table describes. NULL: it could not be used. */
static struct iommu_unit *unit_of(unsigned dmar)
{
	for (unsigned i = 0; i < vtd.nr; i++)
		if (vtd.unit[i]->dmar == dmar)
			return &vtd.unit[i]->u;
	return NULL;
}

/* Who is in the scope of a unit that could not be used is not in that of the unit for the rest: nobody translates for him. */
static struct iommu_unit *vtd_find(struct pci_sbdf s, uint16_t *ids, unsigned *nr)
{
	struct iommu_unit *rest = NULL;

	for (unsigned i = 0; i < vtd.dmar->nr_units; i++) {
		const struct dmar_unit *d = &vtd.dmar->units[i];

		if (d->segment != s.segment)
			continue;
		if (d->all)
			rest = unit_of(i);
		for (unsigned j = 0; j < d->nr_scopes; j++)
			if (in_scope(&vtd.dmar->scopes[d->scope + j], s))
				return unit_of(i);
	}
	return rest;
}

/* Boot --------------------------------------------------------------------------------------------------- */

/* Registers may lie in a second page, as the capabilities say. */
static uint64_t regs_size(const struct vtd_unit *u)
{
	uint64_t size = VTD_REGS_SIZE;

	size = max_u64(size, CAP_FAULT_OFFSET(u->cap) + 16 * CAP_FAULTS(u->cap));
	size = max_u64(size, ECAP_IOTLB_OFFSET(u->ecap) + 16);
	return ROUND_UP(size, PAGE_SIZE);
}

/* Four levels if offered, for that is what a guest-physical map has; else three. 0: neither. */
static unsigned levels_of(uint64_t cap)
{
	if (CAP_SAGAW(cap) & 4)
		return 4;
	return CAP_SAGAW(cap) & 2 ? 3 : 0;
}

static void read_capabilities(struct vtd_unit *u)
{
	u->cap = reg64(&u->u, VTD_CAP);
	u->ecap = reg64(&u->u, VTD_ECAP);
	u->u.levels = levels_of(u->cap);
	u->u.max_leaf = !(u->cap & CAP_2M) ? 0 : u->cap & CAP_1G ? 2 : 1;
	u->u.nr_ids = CAP_DOMAINS(u->cap);
	u->u.incoherent = !(u->ecap & ECAP_COHERENT);
	u->u.caches_absent = u->cap & CAP_CACHING;
	u->u.size = regs_size(u);
}

static bool unit_memory(struct vtd_unit *u)
{
	u->root = alloc_page();
	u->done = alloc_page();
	u->queue = u->ecap & ECAP_QUEUE ? alloc_page() : NULL;
	return u->root && u->done && (u->queue || !(u->ecap & ECAP_QUEUE));
}

static int add_unit(unsigned index)
{
	const struct dmar_unit *d = &vtd.dmar->units[index];
	struct vtd_unit *u = xzalloc(struct vtd_unit);

	if (!u)
		return err(-ENOMEM);
	u->dmar = index;
	u->u.segment = d->segment;
	u->u.base = d->base;
	u->u.regs = arch_iomap(d->base, VTD_REGS_SIZE);
	read_capabilities(u);
	if (u->cap == ~0UL || !u->u.levels) {
		printk(LOG_WARN, "IOMMU: VT-d unit at 0x%lx ignored: its capabilities are %016lx\n",
		       (unsigned long)d->base, (unsigned long)u->cap);
		xfree(u);
		return 0;
	}
	if (u->u.size > VTD_REGS_SIZE)
		u->u.regs = arch_iomap(d->base, u->u.size);
	if (!unit_memory(u))
		return err(-ENOMEM);
	if (!iommu_add_unit(&u->u))
		return err(-ENOSPC);
	vtd.unit[vtd.nr++] = u;
	return 0;
}

/* All units must remap; and where APICs have long ids, entries must hold those. */
static bool choose_interrupts(bool wanted)
{
	bool x2 = apic_is_x2();

	if (!wanted || !(vtd.dmar->flags & DMAR_INTR_REMAP))
		return false;
	for (unsigned i = 0; i < vtd.nr; i++) {
		uint64_t ecap = vtd.unit[i]->ecap;

		if (!(ecap & ECAP_INTERRUPTS) || !(ecap & ECAP_QUEUE) || (x2 && !(ecap & ECAP_X2APIC)))
			return false;
	}
	if (!iommu_all_ioapics(vtd_knows_ioapic))
		return false;
	for (unsigned i = 0; i < vtd.nr; i++)
		if (!vtd_interrupts_alloc(vtd.unit[i])) {
			printk(LOG_WARN, "IOMMU %u: no memory for interrupts: they are not remapped\n", i);
			return false;
		}
	vtd.wide = x2;
	return true;
}

static void add_reserved(void)
{
	for (unsigned i = 0; i < vtd.dmar->nr_reserved; i++) {
		const struct acpi_reserved *r = &vtd.dmar->reserved[i];

		for (unsigned j = 0; j < r->nr_scopes; j++) {
			struct pci_sbdf s;

			if (vtd_scope_device(r->segment, &vtd.dmar->scopes[r->scope + j], &s))
				iommu_add_reserved(r, s);
		}
	}
}

static int vtd_init(const void *table, size_t len, bool *intremap)
{
	int rc = 0;

	memset(&vtd, 0, sizeof(vtd));
	vtd.dmar = xzalloc(struct dmar);
	if (!vtd.dmar)
		return err(-ENOMEM);
	if (dmar_parse(vtd.dmar, table, len))
		return err(-EINVAL);
	if (vtd.dmar->left_out)
		printk(LOG_WARN, "IOMMU: %u entries of the DMAR table left out: there is no room for so many\n",
		       vtd.dmar->left_out);
	for (unsigned i = 0; i < vtd.dmar->nr_units && rc == 0; i++)
		rc = add_unit(i);
	if (rc || !vtd.nr)
		return rc ? rc : err(-ENODEV);
	*intremap = vtd.intremap = choose_interrupts(*intremap);
	add_reserved();
	for (unsigned i = 0; i < vtd.nr; i++)
		if (vtd_unit_stop(vtd.unit[i]))
			vtd_unit_start(vtd.unit[i]);
	return 0;
}

static void vtd_describe(const struct iommu_unit *iu)
{
	const struct vtd_unit *u = container_of(iu, const struct vtd_unit, u);

	printk(LOG_INFO, "IOMMU %u: VT-d at 0x%lx, segment %04x, capabilities %016lx %016lx, %u levels%s\n", iu->index,
	       (unsigned long)iu->base, iu->segment, (unsigned long)u->cap, (unsigned long)u->ecap, iu->levels,
	       iu->incoherent ? ", does not snoop" : "");
}

const struct iommu_driver vtd_driver = {
	.name = "VT-d",
	.format = &vtd_format,
	.table = "DMAR",
	.init = vtd_init,
	.find = vtd_find,
	.set_device = vtd_set_device,
	.flush = vtd_flush,
	.faults = vtd_faults,
	.remap_table = vtd_remap_table,
	.remap_write = vtd_remap_write,
	.remap_clear = vtd_remap_clear,
	.ioapic = vtd_ioapic,
	.describe = vtd_describe,
};
