/*
 * A domain's view of PCI: its accesses to ports CF8..CFF and to the memory windows of configuration space, and what its devices' emulation
 * needs of the machine. The registers themselves are in vpci_*.c.
 */
#include "hvm/vpci.h"

#include "asm/paging.h"
#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pci_regs.h"
#include "hv/printk.h"
#include "hvm/hvm.h"
#include "hwdom/hwdom.h"

#define CF8 0xcf8u
#define CFF 0xcffu
#define BUS_SHIFT 20
/* Places tables have been at, in one domain and in all: none is ever given up, and a guest may move them as it likes. */
#define MAX_TRAPS 1024u
#define MAX_MAPPED 8192u

/* A page of device memory Hospes has mapped. */
struct mapped_page {
	struct mapped_page *next;
	uint64_t frame;
	char *va;
};

static struct {
	struct mapped_page *page[64]; /* by the frame's low bits; under any domain's vd->lock */
	unsigned nr;
	spinlock_t lock; /* RANK_PCI_PORT: guards both */
} mapped = { .lock = SPINLOCK_INIT(RANK_PCI_PORT) };

/* The machine, for the state machines ------------------------------------------------------- */

/* See vpci.h. */
bool vpci_range_ok(uint64_t start, uint64_t size)
{
	uint64_t end = start + size;

	if (!start || end < start || hwdom_withheld(start, end))
		return false;
	for (unsigned i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];

		if (e->type != E820_RESERVED && e->addr < end && start < e->addr + e->size)
			return false;
	}
	return true;
}

/* See vpci.h. A lock of its own: domains share the pages. */
void *vpci_map_page(uint64_t addr)
{
	uint64_t frame = addr >> PAGE_SHIFT;
	struct mapped_page **head = &mapped.page[frame % ARRAY_SIZE(mapped.page)], *p;

	spin_lock(&mapped.lock);
	for (p = *head; p && p->frame != frame; p = p->next)
		;
	if (!p && mapped.nr < MAX_MAPPED) {
		p = xzalloc(struct mapped_page);
		if (p)
			p->va = arch_iomap_try(frame << PAGE_SHIFT, PAGE_SIZE);
		if (p && !p->va) {
			xfree(p);
			p = NULL;
		}
		if (p) {
			p->frame = frame;
			p->next = *head;
			*head = p;
			mapped.nr++;
		}
	}
	spin_unlock(&mapped.lock);
	return p ? p->va + (addr & ~PAGE_MASK) : NULL;
}

/* See vpci.h. Softirq context, no lock. */
void vpci_inject(struct vpci_domain *vd, const struct apic_msg *m)
{
	vlapic_deliver(vd->d->arch.lapics, vd->d->max_vcpus, m);
}

static uint64_t table_read(struct vcpu *v, void *ctx, uint64_t addr, unsigned size)
{
	struct vpci_domain *vd = ctx;
	uint64_t val;

	spin_lock(&vd->lock);
	val = vpci_msix_mmio_read(vd, addr, size);
	spin_unlock(&vd->lock);
	return val;
}

static void table_write(struct vcpu *v, void *ctx, uint64_t addr, unsigned size, uint64_t val)
{
	struct vpci_domain *vd = ctx;

	spin_lock(&vd->lock);
	vpci_msix_mmio_write(vd, addr, size, val);
	spin_unlock(&vd->lock);
}

static const struct hvm_io_ops table_ops = { table_read, table_write };

/* See vpci.h. Mapped for Hospes too, so that nothing lacks when the table is written. A place known already need not be told again. */
int vpci_trap_pages(struct vpci_domain *vd, uint64_t first, uint64_t end)
{
	uint64_t start = first << PAGE_SHIFT, size = (end - first) << PAGE_SHIFT;
	const struct hvm_handler *h = hvm_find_handler(&vd->d->arch.mmio, start, (unsigned)size);
	int rc;

	if (h && h->ops == &table_ops)
		return 0;
	if (vd->nr_traps == MAX_TRAPS)
		return err(-ENOSPC);
	for (uint64_t frame = first; frame < end; frame++)
		if (!vpci_map_page(frame << PAGE_SHIFT))
			return err(-ENOMEM);
	rc = hvm_mmio_handler(vd->d, start, size, &table_ops, vd);
	vd->nr_traps += !rc;
	return rc;
}

/* Accesses ---------------------------------------------------------------------------------- */

static uint32_t ones(unsigned size)
{
	return size >= 4 ? ~0u : (1u << size * 8) - 1;
}

/* The device at @s as @d sees it; the hardware domain takes what turns up. NULL: nothing is there. */
static struct pci_dev *device_of(struct domain *d, struct pci_sbdf s)
{
	struct pci_dev *dev = pci_find(s);

	if (dev || !domain_has_role(d, ROLE_HARDWARE) || pci_read(s, PCI_VENDOR_ID, 2) == 0xffff)
		return dev;
	return pci_assign_device(d, s) ? NULL : pci_find(s);
}

/* See hv/pci.h. Any size up to 4 and alignment inside the function's space. */
uint32_t vpci_read(struct domain *d, struct pci_sbdf s, unsigned reg, unsigned size)
{
	struct vpci_domain *vd = d->arch.vpci;
	struct pci_dev *dev;
	uint32_t val = ones(size);

	if (!vd || !size || size > 4 || reg + size > PCI_CONFIG_EXT_SIZE)
		return val;
	dev = device_of(d, s);
	if (!dev)
		return val;
	spin_lock(&vd->lock);
	if (dev->owner == d->id && dev->vpci)
		val = vpci_dev_read(dev->vpci, reg, size);
	else if (domain_has_role(d, ROLE_HARDWARE))
		val = vpci_hidden_read(s, reg, size);
	spin_unlock(&vd->lock);
	return val;
}

/* See hv/pci.h. */
void vpci_write(struct domain *d, struct pci_sbdf s, unsigned reg, unsigned size, uint32_t val)
{
	struct vpci_domain *vd = d->arch.vpci;
	struct pci_dev *dev;

	if (!vd || !size || size > 4 || reg + size > PCI_CONFIG_EXT_SIZE)
		return;
	dev = device_of(d, s);
	if (!dev)
		return;
	spin_lock(&vd->lock);
	if (dev->owner == d->id && dev->vpci)
		vpci_dev_write(dev->vpci, reg, size, val);
	spin_unlock(&vd->lock);
}

/* Ports CF8..CFF. The address register is written only as a whole; smaller accesses there are other devices' (CF9: reset), not offered. */
static uint64_t port_read(struct vcpu *v, void *ctx, uint64_t port, unsigned size)
{
	struct vpci_domain *vd = ctx;
	uint32_t cf8 = __atomic_load_n(&vd->cf8, __ATOMIC_RELAXED);
	struct pci_sbdf s;
	unsigned reg;

	if (port == CF8 && size == 4)
		return cf8;
	if (!vpci_cf8_decode(cf8, (unsigned)port, size, &s, &reg))
		return ones(size);
	return vpci_read(v->domain, s, reg, size);
}

static void port_write(struct vcpu *v, void *ctx, uint64_t port, unsigned size, uint64_t val)
{
	struct vpci_domain *vd = ctx;
	struct pci_sbdf s;
	unsigned reg;

	if (port == CF8 && size == 4)
		__atomic_store_n(&vd->cf8, (uint32_t)val, __ATOMIC_RELAXED);
	else if (vpci_cf8_decode(__atomic_load_n(&vd->cf8, __ATOMIC_RELAXED), (unsigned)port, size, &s, &reg))
		vpci_write(v->domain, s, reg, size, (uint32_t)val);
}

static const struct hvm_io_ops port_ops = { port_read, port_write };

/* Memory windows: ctx is the entry of acpi_info.mcfg. */
static struct pci_sbdf mmcfg_decode(const struct acpi_mcfg *m, uint64_t addr, unsigned *reg)
{
	uint64_t offset = addr - m->base;

	*reg = offset & (PCI_CONFIG_EXT_SIZE - 1);
	return (struct pci_sbdf){ m->segment, (uint8_t)(offset >> BUS_SHIFT), (uint8_t)(offset >> 12) };
}

static uint64_t mmcfg_read(struct vcpu *v, void *ctx, uint64_t addr, unsigned size)
{
	unsigned reg;
	struct pci_sbdf s = mmcfg_decode(ctx, addr, &reg);

	if (size <= 4)
		return vpci_read(v->domain, s, reg, size);
	return vpci_read(v->domain, s, reg, 4) | (uint64_t)vpci_read(v->domain, s, reg + 4, 4) << 32;
}

static void mmcfg_write(struct vcpu *v, void *ctx, uint64_t addr, unsigned size, uint64_t val)
{
	unsigned reg;
	struct pci_sbdf s = mmcfg_decode(ctx, addr, &reg);

	vpci_write(v->domain, s, reg, size > 4 ? 4 : size, (uint32_t)val);
	if (size > 4)
		vpci_write(v->domain, s, reg + 4, 4, (uint32_t)(val >> 32));
}

static const struct hvm_io_ops mmcfg_ops = { mmcfg_read, mmcfg_write };

/* Domains and devices ------------------------------------------------------------------------ */

static int trap_mmcfg(struct vpci_domain *vd, const struct acpi_mcfg *m)
{
	return hvm_mmio_handler(vd->d, m->base + ((uint64_t)m->bus_start << BUS_SHIFT),
				(m->bus_end - m->bus_start + 1UL) << BUS_SHIFT, &mmcfg_ops, (void *)m);
}

/* See hv/pci.h. Every window firmware's table names is trapped, whether or not the domain reports it. -ENOMEM. */
int vpci_domain_init(struct domain *d)
{
	struct vpci_domain *vd = overhead_new(&d->overhead, OVERHEAD_DEVICES, struct vpci_domain);
	int rc;

	if (!vd)
		return err(-ENOMEM);
	vd->d = d;
	spin_lock_init(&vd->lock, RANK_HVM);
	list_init(&vd->devices);
	d->arch.vpci = vd;
	rc = hvm_port_handler(d, CF8, CFF, &port_ops, vd);
	for (unsigned i = 0; i < acpi_info.nr_mcfg && !rc; i++)
		rc = trap_mmcfg(vd, &acpi_info.mcfg[i]);
	return rc;
}

/* See hv/pci.h. No vCPU is left; handlers that name @vd are freed unused. */
void vpci_domain_destroy(struct domain *d)
{
	overhead_free(&d->overhead, OVERHEAD_DEVICES, d->arch.vpci);
	d->arch.vpci = NULL;
}

/* See hv/pci.h. What ACPI names is trapped already; -ENODEV: it is no such window. -EINVAL. */
int vpci_add_mmcfg(struct domain *d, uint64_t base, uint16_t segment, uint8_t bus_start, uint8_t bus_end)
{
	if (bus_start > bus_end || !d->arch.vpci)
		return err(-EINVAL);
	for (unsigned i = 0; i < acpi_info.nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi_info.mcfg[i];

		if (m->base == base && m->segment == segment && bus_start >= m->bus_start && bus_end <= m->bus_end)
			return 0;
	}
	return err(-ENODEV);
}

/* See hv/pci.h. */
int vpci_add_device(struct domain *d, struct pci_dev *dev)
{
	struct vpci_domain *vd = d->arch.vpci;
	struct vpci *vp;
	int rc;

	if (!vd)
		return err(-EINVAL);
	vp = overhead_new(&d->overhead, OVERHEAD_DEVICES, struct vpci);
	if (!vp)
		return err(-ENOMEM);
	spin_lock(&vd->lock);
	rc = vpci_init(vp, vd, dev);
	if (!rc)
		dev->vpci = vp;
	spin_unlock(&vd->lock);
	if (rc)
		overhead_free(&d->overhead, OVERHEAD_DEVICES, vp);
	return rc;
}

/* See hv/pci.h. */
void vpci_remove_device(struct domain *d, struct pci_dev *dev)
{
	struct vpci_domain *vd = d->arch.vpci;
	struct vpci *vp = dev->vpci;

	if (!vp || vp->vd != vd)
		return;
	spin_lock(&vd->lock);
	dev->vpci = NULL;
	vpci_fini(vp);
	spin_unlock(&vd->lock);
	overhead_free(&d->overhead, OVERHEAD_DEVICES, vp);
}
