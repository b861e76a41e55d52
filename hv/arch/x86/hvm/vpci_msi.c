/*
 * The MSI capability of an emulated function (PCI Local Bus 3.0, 6.8.1).
 *
 * The device is programmed with a message of Hospes; the guest's address and data say where in the guest an interrupt then goes, so the
 * guest may change them at any time without touching the device. Mask bits are the device's.
 */
#include "hvm/vpci.h"

#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pci_regs.h"
#include "hv/printk.h"

/* Intel SDM vol. 3, 11.11; bits 11:5 of the address extend the destination where the domain was told so. */
#define MESSAGE_BASE 0xfeeu
#define ADDRESS_LOGICAL 0x4u
#define ADDRESS_LOWEST 0x8u
#define DATA_LEVEL 0x8000u
#define PACKED_VALID (1UL << 63)

/* See vpci.h. */
uint64_t vpci_pack_message(uint64_t address, uint32_t data)
{
	if (address >> 20 != MESSAGE_BASE)
		return 0;
	return PACKED_VALID | (address & 0xfffff) << 16 | (data & 0xffff);
}

/* See vpci.h. False: there is nothing to send. */
bool vpci_unpack_message(uint64_t msg, struct apic_msg *m)
{
	uint32_t address = msg >> 16 & 0xfffff, data = msg & 0xffff;

	if (!(msg & PACKED_VALID))
		return false;
	*m = (struct apic_msg){
		.dest = (address >> 12 & 0xff) | (address >> 5 & 0x7f) << 8,
		.logical = address & ADDRESS_LOGICAL,
		.mode = data >> 8 & 7,
		.vector = (uint8_t)data,
		.level = data & DATA_LEVEL,
	};
	/* A wide destination cannot mean "all" as 255 does. */
	m->x2apic = m->dest > 0xff;
	if (m->mode == APIC_DM_FIXED && m->logical && (address & ADDRESS_LOWEST))
		m->mode = APIC_DM_LOWEST;
	return m->mode <= APIC_DM_LOWEST || m->mode == APIC_DM_NMI;
}

/* See vpci.h. Softirq context, no lock: the message is read at once. */
void vpci_vector_deliver(struct host_irq *irq)
{
	struct vpci_vector *vec = irq->ctx;
	struct apic_msg m;

	if (vpci_unpack_message(__atomic_load_n(&vec->msg, __ATOMIC_ACQUIRE), &m))
		vpci_inject(vec->vd, &m);
}

/* The function may change so many low bits of the data. */
static void update_messages(struct vpci_msi *msi)
{
	uint64_t address = (uint64_t)msi->address_high << 32 | msi->address;
	unsigned nr = 1u << msi->log2;

	for (unsigned i = 0; i < nr; i++)
		__atomic_store_n(&msi->vectors[i].msg, vpci_pack_message(address, (msi->data & ~(nr - 1)) | i),
				 __ATOMIC_RELEASE);
}

/* See vpci.h. No such capability: 0. -ENOMEM. */
int vpci_msi_init(struct vpci *vp)
{
	unsigned cap = pci_find_cap(vp->sbdf, PCI_CAP_ID_MSI);
	struct vpci_msi *msi;

	if (!cap)
		return 0;
	msi = overhead_new(&vp->vd->d->overhead, OVERHEAD_DEVICES, struct vpci_msi);
	if (!msi)
		return err(-ENOMEM);
	pci_msi_layout(cap, (uint16_t)pci_read(vp->sbdf, cap + PCI_MSI_CONTROL, 2), &msi->l);
	msi->log2_max = (unsigned)min_u64(msi->l.log2_capable, pci_messages_log2());
	msi->vectors =
		overhead_new_array(&vp->vd->d->overhead, OVERHEAD_DEVICES, struct vpci_vector, 1u << msi->log2_max);
	if (!msi->vectors) {
		overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, msi);
		return err(-ENOMEM);
	}
	for (unsigned i = 0; i < 1u << msi->log2_max; i++)
		msi->vectors[i].vd = vp->vd;
	/* Firmware may have left it on. */
	pci_msi_enable(vp->sbdf, &msi->l, false, 0);
	vp->msi = msi;
	return 0;
}

static void close_vectors(struct vpci_msi *msi)
{
	for (unsigned i = 0; i < 1u << msi->log2_max; i++)
		pci_message_close(&msi->vectors[i].host);
}

static void disable(struct vpci *vp)
{
	pci_msi_enable(vp->sbdf, &vp->msi->l, false, 0);
	close_vectors(vp->msi);
	vp->msi->enabled = false;
}

/* See vpci.h. */
void vpci_msi_fini(struct vpci *vp)
{
	if (!vp->msi)
		return;
	disable(vp);
	overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, vp->msi->vectors);
	overhead_free(&vp->vd->d->overhead, OVERHEAD_DEVICES, vp->msi);
	vp->msi = NULL;
}

/* See vpci.h. */
bool vpci_msi_owns(const struct vpci *vp, unsigned reg)
{
	return vp->msi && reg >= vp->msi->l.cap && reg < vp->msi->l.end;
}

static uint32_t control_read(struct vpci *vp)
{
	const struct vpci_msi *msi = vp->msi;
	uint32_t head = pci_read(vp->sbdf, msi->l.cap, 2), control = 0;

	if (msi->enabled)
		control |= PCI_MSI_ENABLE;
	control |= msi->log2_max << PCI_MSI_CAPABLE_SHIFT | msi->log2 << PCI_MSI_ENABLED_SHIFT;
	if (msi->l.is64)
		control |= PCI_MSI_64;
	if (msi->l.maskable)
		control |= PCI_MSI_MASKABLE;
	return control << 16 | head;
}

/* See vpci.h. */
uint32_t vpci_msi_read(struct vpci *vp, unsigned reg)
{
	const struct vpci_msi *msi = vp->msi;

	if (reg == msi->l.cap)
		return control_read(vp);
	if (reg == msi->l.cap + PCI_MSI_ADDRESS)
		return msi->address;
	if (reg == msi->l.data)
		return msi->data;
	if (msi->l.is64 && reg == msi->l.cap + PCI_MSI_ADDRESS_HIGH)
		return msi->address_high;
	if (msi->l.maskable && reg == msi->l.mask)
		return msi->mask;
	return pci_read(vp->sbdf, reg, 4);
}

/* Everything into the device again, even if it was on: a reset may have cleared it behind our back. */
static int enable(struct vpci *vp)
{
	struct vpci_msi *msi = vp->msi;
	int rc = 0;

	for (unsigned i = 0; i < 1u << msi->log2 && !rc; i++)
		if (!msi->vectors[i].host.open)
			rc = pci_message_open(&msi->vectors[i].host, vp->dev, i, vpci_vector_deliver, &msi->vectors[i]);
	if (rc)
		return rc;
	update_messages(msi);
	pci_msi_write(vp->sbdf, &msi->l, msi->vectors[0].host.address, msi->vectors[0].host.data);
	if (msi->l.maskable)
		pci_write(vp->sbdf, msi->l.mask, 4, msi->mask);
	pci_msi_enable(vp->sbdf, &msi->l, true, msi->log2);
	msi->enabled = true;
	return 0;
}

static void control_write(struct vpci *vp, uint32_t control)
{
	struct vpci_msi *msi = vp->msi;
	unsigned log2 = control >> PCI_MSI_ENABLED_SHIFT & 7;
	int rc;

	if (log2 > msi->log2_max)
		log2 = msi->log2_max;
	if (msi->enabled && (!(control & PCI_MSI_ENABLE) || log2 != msi->log2))
		disable(vp);
	msi->log2 = log2;
	if (!(control & PCI_MSI_ENABLE)) {
		pci_msi_enable(vp->sbdf, &msi->l, false, 0);
		return;
	}
	rc = enable(vp);
	if (!rc)
		return;
	disable(vp);
	printk(LOG_GUEST_WARN, "PCI %04x:%02x:%02x.%u: no vector for its message: error %d\n", vp->sbdf.segment,
	       vp->sbdf.bus, vp->sbdf.devfn >> 3, vp->sbdf.devfn & 7, rc);
}

/* See vpci.h: the whole register @reg becomes @val. */
void vpci_msi_reg_write(struct vpci *vp, unsigned reg, uint32_t val)
{
	struct vpci_msi *msi = vp->msi;

	if (reg == msi->l.cap) {
		control_write(vp, val >> 16);
	} else if (reg == msi->l.cap + PCI_MSI_ADDRESS) {
		msi->address = val & ~3u;
		update_messages(msi);
	} else if (reg == msi->l.data) {
		msi->data = (uint16_t)val;
		update_messages(msi);
	} else if (msi->l.is64 && reg == msi->l.cap + PCI_MSI_ADDRESS_HIGH) {
		msi->address_high = val;
		update_messages(msi);
	} else if (msi->l.maskable && reg == msi->l.mask) {
		msi->mask = val;
		if (msi->enabled)
			pci_write(vp->sbdf, reg, 4, val);
	}
}
