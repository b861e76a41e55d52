/* Configuration registers of an emulated function: what is decoded here, what goes to the device as it comes. */
#include "hvm/vpci.h"

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pci_regs.h"
#include "hv/pci_scan.h"

#define CF8_ENABLE (1u << 31)
#define CFC 0xcfcu

/* A function whose place must be seen: no driver knows it. */
#define PLACEHOLDER_ID 0xfffe5853u /* vendor XenSource */
#define PLACEHOLDER_CLASS 0xff000000u

/* Extended capabilities (PCI Express 5.0, 7.8.6 and 9.3.3) whose use would change what BARs show behind our back. */
#define EXT_CAP_REBAR 0x15u
#define EXT_CAP_SRIOV 0x10u
#define REBAR_ENTRIES 6u
#define SRIOV_CONTROL 0x08u
#define SRIOV_VFS 0x0cu

static uint32_t size_mask(unsigned size)
{
	return size == 4 ? ~0u : (1u << size * 8) - 1;
}

/* Largest naturally aligned piece at @reg of the @left bytes that remain. */
static unsigned piece(unsigned reg, unsigned left)
{
	if (!(reg & 3) && left >= 4)
		return 4;
	return !(reg & 1) && left >= 2 ? 2 : 1;
}

/* Is dword @reg one of the registers of the resizable BAR capability? */
static bool in_rebar(const struct vpci *vp, unsigned reg)
{
	return vp->rebar && reg >= vp->rebar + 4 && reg < vp->rebar + 4 + REBAR_ENTRIES * 8;
}

/* A BAR can have the size it has and no other: PCIe 5.0, 7.8.6.2, bit n + 4 of the capability is 1 MiB << n. */
static uint32_t rebar_read(struct vpci *vp, unsigned reg)
{
	uint32_t control;

	if ((reg - vp->rebar) % 8 == 0)
		return pci_read(vp->sbdf, reg, 4); /* control registers: they cannot be written */
	control = pci_read(vp->sbdf, reg + 4, 4);
	return (control >> 8 & 0x3f) < 28 ? 0x10u << (control >> 8 & 0x3f) : 0;
}

/* Registers that are shown but do nothing. */
static bool tamed(const struct vpci *vp, unsigned reg)
{
	return in_rebar(vp, reg) || (vp->sriov && (reg == vp->sriov + SRIOV_CONTROL || reg == vp->sriov + SRIOV_VFS));
}

/* Dword @reg, if it is emulated. */
static bool emulated_read(struct vpci *vp, unsigned reg, uint32_t *val)
{
	unsigned half;
	struct vpci_bar *b = vpci_bar_at(vp, reg, &half);

	if (b)
		*val = vpci_bar_read(vp, b, half);
	else if (vpci_msi_owns(vp, reg))
		*val = vpci_msi_read(vp, reg);
	else if (vpci_msix_owns(vp, reg))
		*val = vpci_msix_read(vp, reg);
	else if (in_rebar(vp, reg))
		*val = rebar_read(vp, reg);
	else if (vp->sriov && reg == vp->sriov + SRIOV_VFS)
		*val = 0; /* no virtual functions to be had */
	else
		return false;
	return true;
}

static uint32_t piece_read(struct vpci *vp, unsigned reg, unsigned size)
{
	uint32_t val;

	if (!emulated_read(vp, reg & ~3u, &val))
		return pci_read(vp->sbdf, reg, size) & size_mask(size);
	return val >> (reg & 3) * 8 & size_mask(size);
}

/* See vpci.h. */
uint32_t vpci_dev_read(struct vpci *vp, unsigned reg, unsigned size)
{
	uint32_t val = 0;

	for (unsigned done = 0, n; done < size; done += n) {
		n = piece(reg + done, size - done);
		val |= piece_read(vp, reg + done, n) << done * 8;
	}
	return val;
}

/* @reg is in the dword of command and status. */
static void command_status_write(struct vpci *vp, unsigned reg, unsigned size, uint32_t val)
{
	uint32_t cmd;

	if (reg >= PCI_STATUS) {
		pci_write(vp->sbdf, reg, size, val);
		return;
	}
	cmd = val;
	if (size == 1) {
		unsigned shift = (reg & 1) * 8;

		cmd = (pci_read(vp->sbdf, PCI_COMMAND, 2) & ~(0xffu << shift)) | val << shift;
	}
	vpci_command_write(vp, (uint16_t)cmd);
	if (size == 4)
		pci_write(vp->sbdf, PCI_STATUS, 2, val >> 16);
}

static void piece_write(struct vpci *vp, unsigned reg, unsigned size, uint32_t val)
{
	unsigned dword = reg & ~3u, shift = (reg & 3) * 8, half;
	struct vpci_bar *b = vpci_bar_at(vp, dword, &half);
	uint32_t mask = size_mask(size) << shift, whole;

	val &= size_mask(size);
	if (dword == PCI_COMMAND) {
		command_status_write(vp, reg, size, val);
		return;
	}
	if (tamed(vp, dword))
		return;
	if (!b && !vpci_msi_owns(vp, dword) && !vpci_msix_owns(vp, dword)) {
		pci_write(vp->sbdf, reg, size, val);
		return;
	}
	/* A write to part of a register leaves the rest as it reads. */
	whole = val << shift;
	if (size < 4) {
		uint32_t was = 0;

		(void)emulated_read(vp, dword, &was);
		whole |= was & ~mask;
	}
	if (b)
		vpci_bar_write(vp, b, half, whole);
	else if (vpci_msi_owns(vp, dword))
		vpci_msi_reg_write(vp, dword, whole);
	else
		vpci_msix_reg_write(vp, dword, whole);
}

/* See vpci.h. */
void vpci_dev_write(struct vpci *vp, unsigned reg, unsigned size, uint32_t val)
{
	for (unsigned done = 0, n; done < size; done += n) {
		n = piece(reg + done, size - done);
		piece_write(vp, reg + done, n, val >> done * 8);
	}
}

/* See vpci.h. */
uint32_t vpci_hidden_read(struct pci_sbdf s, unsigned reg, unsigned size)
{
	uint32_t val = 0;

	if ((s.devfn & 7) || !(pci_read(s, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI))
		return size_mask(size);
	if ((reg & ~3u) == PCI_VENDOR_ID)
		val = PLACEHOLDER_ID;
	else if ((reg & ~3u) == PCI_CLASS_REVISION)
		val = PLACEHOLDER_CLASS;
	else if ((reg & ~3u) == (PCI_HEADER_TYPE & ~3u))
		val = PCI_HEADER_MULTI << 16;
	return val >> (reg & 3) * 8 & size_mask(size);
}

/* See vpci.h. PCI Local Bus 3.0, 3.2.2.3.2. */
bool vpci_cf8_decode(uint32_t cf8, unsigned port, unsigned size, struct pci_sbdf *s, unsigned *reg)
{
	if (!(cf8 & CF8_ENABLE) || port < CFC || port + size > CFC + 4)
		return false;
	s->segment = 0;
	s->bus = (uint8_t)(cf8 >> 16);
	s->devfn = (uint8_t)(cf8 >> 8);
	*reg = (cf8 & 0xfc) + (port - CFC);
	return true;
}

/* See vpci.h. */
int vpci_init(struct vpci *vp, struct vpci_domain *vd, struct pci_dev *dev)
{
	int rc;

	vp->vd = vd;
	vp->dev = dev;
	vp->sbdf = dev->sbdf;
	list_init(&vp->list);
	vpci_header_init(vp);
	rc = vpci_msi_init(vp);
	if (rc)
		return rc;
	rc = vpci_msix_init(vp);
	if (rc) {
		vpci_msi_fini(vp);
		return rc;
	}
	vp->rebar = pci_find_ext_cap(vp->sbdf, EXT_CAP_REBAR);
	vp->sriov = pci_find_ext_cap(vp->sbdf, EXT_CAP_SRIOV);
	list_add_tail(&vd->devices, &vp->list);
	vpci_update_map(vp);
	return 0;
}

/* See vpci.h. */
void vpci_fini(struct vpci *vp)
{
	vpci_msix_fini(vp);
	vpci_msi_fini(vp);
	vpci_header_fini(vp);
	list_del(&vp->list);
}
