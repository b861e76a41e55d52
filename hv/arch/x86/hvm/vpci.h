/*
 * What a domain sees of the devices it owns. The machine's part is vpci.c: traps, the domain's list, delivery. Everything else is state
 * machines over pci_read()/pci_write() and the few functions below that vpci.c implements, so it runs in host tests.
 *
 * A domain's lock guards all its devices' emulation: configuration accesses are rare, and what one BAR shows depends on others.
 */
#ifndef HVM_VPCI_H
#define HVM_VPCI_H

#include "hv/list.h"
#include "hv/lock.h"
#include "hv/pci.h"
#include "hv/pci_msi.h"
#include "hv/types.h"
#include "hvm/vlapic.h"

struct domain;

#define VPCI_BARS 6u
#define VPCI_ROM 6u /* its place in bars[] */

enum vpci_bar_kind {
	VPCI_BAR_NONE, /* and I/O ports: passed through */
	VPCI_BAR_MEM,
	VPCI_BAR_HIGH, /* upper half of the one before */
	VPCI_BAR_ROM,
};

struct vpci_bar {
	enum vpci_bar_kind kind;
	bool is64, prefetch;
	bool rom_enabled;
	bool refused; /* the guest asked for a place it may not have: guest[] is what it wrote, the device keeps addr */
	bool sizing[2];	   /* all ones were written to this half: guest[] answers, the device keeps addr */
	uint32_t guest[2]; /* address as the guest wrote it, without flags */
	unsigned reg;
	uint64_t size, addr; /* addr: where the device has it */
	bool mapped;
	uint64_t mapped_at; /* while mapped */
};

/* One message on its way into a guest. */
struct vpci_vector {
	uint64_t msg; /* atomic: vpci_pack_message(); 0: goes nowhere */
	struct vpci_domain *vd;
	struct pci_message host;
};

struct vpci_msi {
	struct pci_msi_layout l;
	bool enabled;
	unsigned log2_max, log2; /* messages the guest may use, uses */
	uint32_t address, address_high, mask;
	uint16_t data;
	struct vpci_vector *vectors; /* [1 << log2_max], open while enabled */
};

struct vpci_msix_entry {
	uint64_t address;
	uint32_t data;
	bool masked;
	struct vpci_vector *vector; /* open once it was unmasked, until MSI-X is disabled */
};

struct vpci_msix {
	unsigned cap, nr;
	bool enabled, maskall;
	uint8_t table_bar, pba_bar;
	uint32_t table_offset, pba_offset;
	struct vpci_msix_entry *entries;
};

struct vpci {
	struct list list; /* in vd->devices */
	struct vpci_domain *vd;
	struct pci_dev *dev;
	struct pci_sbdf sbdf;
	unsigned nr_bars; /* registers: 6, 2 of a bridge, 0 of others */
	struct vpci_bar bars[VPCI_BARS + 1];
	bool decode; /* memory decoding is on */
	struct vpci_msi *msi;
	struct vpci_msix *msix;
	unsigned rebar, sriov; /* extended capabilities that are shown tamed, 0: none */
};

struct vpci_domain {
	struct domain *d;
	spinlock_t lock;     /* RANK_HVM: guards all below and the devices' emulation */
	struct list devices; /* struct vpci */
	uint32_t cf8;	     /* atomic */
	unsigned nr_traps;   /* places of tables so far */
};

/* vpci_config.c: registers --------------------------------------------------------------------- */
/* Build @vp's state from the device's registers; memory decoding as firmware left it. -ENOMEM. Undone by vpci_fini(). */
int vpci_init(struct vpci *vp, struct vpci_domain *vd, struct pci_dev *dev) must_check;
/* Silence its messages, unmap its BARs, free what vpci_init() made. */
void vpci_fini(struct vpci *vp);
/* Access of any size 1..4 and alignment; vd->lock held. */
uint32_t vpci_dev_read(struct vpci *vp, unsigned reg, unsigned size);
void vpci_dev_write(struct vpci *vp, unsigned reg, unsigned size, uint32_t val);
/* A function no domain may see. The first of several functions leaves a placeholder, so that the others are found. */
uint32_t vpci_hidden_read(struct pci_sbdf s, unsigned reg, unsigned size);
/* Does an access of @size at @port (CFC..CFF) with @cf8 selected reach a register? */
bool vpci_cf8_decode(uint32_t cf8, unsigned port, unsigned size, struct pci_sbdf *s, unsigned *reg);

/* vpci_header.c --------------------------------------------------------------------------------- */
void vpci_header_init(struct vpci *vp);
void vpci_header_fini(struct vpci *vp);
/* The BAR whose register is dword @reg, NULL: none that is emulated. @half: 1 for the upper one. */
struct vpci_bar *vpci_bar_at(struct vpci *vp, unsigned reg, unsigned *half);
uint32_t vpci_bar_read(struct vpci *vp, struct vpci_bar *b, unsigned half);
void vpci_bar_write(struct vpci *vp, struct vpci_bar *b, unsigned half, uint32_t val);
void vpci_command_write(struct vpci *vp, uint16_t val);

/* vpci_map.c: pages ----------------------------------------------------------------------------- */
/* Bring what is mapped of @vp in line with decode and BARs. */
void vpci_update_map(struct vpci *vp);
/* Unmap all. */
void vpci_unmap(struct vpci *vp);

/* vpci_msi.c ------------------------------------------------------------------------------------ */
int vpci_msi_init(struct vpci *vp) must_check;
void vpci_msi_fini(struct vpci *vp);
bool vpci_msi_owns(const struct vpci *vp, unsigned reg); /* dword @reg */
uint32_t vpci_msi_read(struct vpci *vp, unsigned reg);
void vpci_msi_reg_write(struct vpci *vp, unsigned reg, uint32_t val);
/* Address and data of a message in one word, 0 if it names no interrupt controller; and back. */
uint64_t vpci_pack_message(uint64_t address, uint32_t data);
bool vpci_unpack_message(uint64_t msg, struct apic_msg *m);
/* host_irq_fn of all vectors: ctx is the struct vpci_vector. */
void vpci_vector_deliver(struct host_irq *irq);

/* vpci_msix.c ----------------------------------------------------------------------------------- */
int vpci_msix_init(struct vpci *vp) must_check;
void vpci_msix_fini(struct vpci *vp);
bool vpci_msix_owns(const struct vpci *vp, unsigned reg);
uint32_t vpci_msix_read(struct vpci *vp, unsigned reg);
void vpci_msix_reg_write(struct vpci *vp, unsigned reg, uint32_t val);
/* Decoding or the place of the table changed. */
void vpci_msix_update(struct vpci *vp);
/* Frames [*@first, *@end) of the table while it is visible; false: it is not. */
bool vpci_msix_pages(const struct vpci *vp, uint64_t *first, uint64_t *end);
/* Access to a page some device's table lies in. vd->lock held. */
uint64_t vpci_msix_mmio_read(struct vpci_domain *vd, uint64_t addr, unsigned size);
void vpci_msix_mmio_write(struct vpci_domain *vd, uint64_t addr, unsigned size, uint64_t val);

/* vpci.c: the machine --------------------------------------------------------------------------- */
/* May device memory lie here? Not over RAM, firmware's tables, interrupt controllers, IOMMUs, configuration windows. */
bool vpci_range_ok(uint64_t start, uint64_t size);
/* Accesses of @vd's guest to frames [@first, @end), which stay unmapped, come to vpci_msix_mmio_*(); vpci_map_page() has them. -ENOMEM, -ENOSPC too many places. */
int vpci_trap_pages(struct vpci_domain *vd, uint64_t first, uint64_t end) must_check;
/* Device memory at @addr for Hospes; the page is kept. NULL: no room. */
void *vpci_map_page(uint64_t addr);
/* Latch the message in the domain's local APICs. */
void vpci_inject(struct vpci_domain *vd, const struct apic_msg *m);

#endif
