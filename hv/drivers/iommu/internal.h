/* Between iommu.c, which knows domains and devices, and the drivers of the two kinds of unit. */
#ifndef IOMMU_INTERNAL_H
#define IOMMU_INTERNAL_H

#include "asm/iommu.h"
#include "acpi_tables.h"
#include "hv/iommu.h"
#include "hv/list.h"
#include "hv/lock.h"
#include "table.h"

/* What may be the longest a unit takes to answer; hardware needs microseconds. */
#define IOMMU_ANSWER_TIME MILLISECS(1000)

/* A device's own id, and what bridges above it use in its place. */
#define IOMMU_MAX_IDS 4u
/* Interrupt messages of one device, in blocks of 32: what MSI can have at most and must have in a row. */
#define REMAP_BLOCK 32u
#define REMAP_MAX_BLOCKS 64u
#define REMAP_MAX_HANDLES 16384u

/* Which entries of an interrupt remapping table are taken. Guarded by the lock of the unit. */
struct remap_table {
	unsigned nr; /* entries, a multiple of REMAP_BLOCK */
	uint8_t taken[REMAP_MAX_HANDLES / REMAP_BLOCK];
};

/* One unit; the drivers put their own state behind it. */
struct iommu_unit {
	unsigned index;
	uint16_t segment;
	paddr_t base;
	uint64_t size;
	volatile uint8_t *regs;
	unsigned levels;     /* of page tables it walks */
	unsigned max_leaf;   /* largest entry it takes: 0 4K, 1 2M, 2 1G */
	unsigned nr_ids;     /* domain ids it tells apart */
	bool incoherent;     /* does not snoop the caches */
	bool caches_absent;  /* remembers that nothing was there: flush after mapping too */
	bool lost;	     /* atomic: it stopped answering */
	bool look;	     /* now and then, even without an interrupt: it may have faults to tell */
	bool behind;	     /* atomic: it has more of them than were looked at */
	spinlock_t lock;     /* RANK_IOMMU_UNIT: registers, queue, device and interrupt tables */
	struct host_irq irq; /* says that faults wait */
};

/* A domain's view of memory, for its devices. */
struct iommu_context {
	struct p2m_listener listener;
	struct domain *domain;
	struct io_table table;				  /* guarded by the domain's p2m lock, as all below */
	uint16_t id;					  /* what the units call it */
	uint16_t devices[IOMMU_MAX_UNITS];		  /* attached, by unit */
	uint64_t first, last;				  /* frames changed since the last flush; first > last: none */
	bool told;					  /* the log has been told that memory was short */
	struct iommu_reserved pinned[IOMMU_MAX_RESERVED]; /* mapped 1:1 whatever the p2m says */
	unsigned nr_pinned;
};

/* A device that was attached once: dev->iommu. Guarded by RANK_IOMMU in iommu.c, the blocks by the unit's lock. */
struct iommu_device {
	struct list list;
	struct pci_dev *dev;
	struct iommu_unit *unit;
	struct iommu_context *context; /* NULL: blocked */
	uint16_t ids[IOMMU_MAX_IDS];   /* its own first; the last is what its messages carry */
	unsigned nr_ids;
	int16_t block[REMAP_MAX_BLOCKS]; /* of handles for messages 32 * i and on, -1: none */
	uint32_t used[REMAP_MAX_BLOCKS]; /* messages in use, a bit each */
};

struct iommu_fault {
	uint16_t segment, id;
	uint64_t address;
	bool interrupt, write, known_address;
	const char *reason;
	bool unit; /* the unit complains of itself, not of a device */
};

/* Destination of an interrupt, taken from the plain message or redirection entry. */
struct remap_target {
	uint32_t dest; /* APIC id */
	uint8_t vector, mode;
	bool logical, level;
};

struct iommu_driver {
	const char *name;
	const struct io_format *format;
	const char *table; /* ACPI's */
	/*
	 * Find the units, block every device, switch them on. Fills iommu_units(). @intremap: interrupts too, cleared
	 * if that cannot be.
	 */
	int (*init)(const void *table, size_t len, bool *intremap);
	/*
	 * The unit that sees requests of @s, NULL: none; ids that firmware says @s uses instead go to @ids, *@nr is
	 * moved on.
	 */
	struct iommu_unit *(*find)(struct pci_sbdf s, uint16_t *ids, unsigned *nr);
	/* Requests of @id reach @c, or nothing (NULL), then with or without a report. -ENOMEM, -EIO. */
	int (*set_device)(struct iommu_unit *u, uint16_t id, const struct iommu_context *c, bool quiet);
	/* No translation of domain @id for 2^@order frames from @dfn is left in the unit; @order 64: none at all. */
	void (*flush)(struct iommu_unit *u, uint16_t id, uint64_t dfn, unsigned order);
	/* Take up to @max faults off the unit's log. */
	unsigned (*faults)(struct iommu_unit *u, struct iommu_fault *out, unsigned max);
	/* Is there a table for the messages of @d's interrupts? Made if needed; the unit's lock is held. */
	struct remap_table *(*remap_table)(struct iommu_device *d);
	/* Write entry @handle, and what the device shall send. Unit's lock held. */
	void (*remap_write)(struct iommu_device *d, unsigned handle, const struct remap_target *t, uint64_t *address,
			    uint32_t *data);
	void (*remap_clear)(struct iommu_device *d, unsigned handle);
	int (*ioapic)(uint8_t ioapic_id, unsigned pin, uint64_t *rte);
	/* What a unit may use memory for beyond its RAM: print with iommu=verbose. */
	void (*describe)(const struct iommu_unit *u);
};

extern const struct iommu_driver amd_driver, vtd_driver;

/* For drivers, at boot: a unit was found. False: too many. */
bool iommu_add_unit(struct iommu_unit *u);
unsigned iommu_nr_units(void);
struct iommu_unit *iommu_unit(unsigned i);
/* Firmware's reserved range for @s, or for all. */
void iommu_add_reserved(const struct acpi_reserved *r, struct pci_sbdf s);
bool iommu_verbose(void);
/* Is each I/O APIC of the machine @known to the unit that sees its interrupts? Else remapping would silence it. */
bool iommu_all_ioapics(bool (*known)(uint8_t id)) must_check;
/* Will large entries be used? */
bool iommu_superpages(void);

/* The unit does not answer. Unit's lock may be held. */
void iommu_unit_lost(struct iommu_unit *u, const char *doing);
static inline bool iommu_unit_ok(const struct iommu_unit *u)
{
	return !__atomic_load_n(&u->lost, __ATOMIC_RELAXED);
}
/* Route the unit's own interrupt to us; the message to program. -ENOSPC and such: faults are found by looking. */
int iommu_unit_irq(struct iommu_unit *u, uint64_t *address, uint32_t *data) must_check;

/* A bounded wait: begins now; false once the time is over. */
struct iommu_wait {
	stime_t end;
	unsigned rounds;
};
static inline struct iommu_wait iommu_wait_begin(void)
{
	return (struct iommu_wait){ 0 };
}
bool iommu_wait_more(struct iommu_wait *w) must_check;
/* Wait until (*@reg & @mask) == @want, a 32-bit register. */
bool iommu_wait_reg(const struct iommu_unit *u, unsigned reg, uint32_t mask, uint32_t want) must_check;

static inline uint32_t reg32(const struct iommu_unit *u, unsigned reg)
{
	return mmio_read32(u->regs + reg);
}

static inline uint64_t reg64(const struct iommu_unit *u, unsigned reg)
{
	return mmio_read64(u->regs + reg);
}

static inline void reg32_write(const struct iommu_unit *u, unsigned reg, uint32_t v)
{
	mmio_write32(u->regs + reg, v);
}

static inline void reg64_write(const struct iommu_unit *u, unsigned reg, uint64_t v)
{
	mmio_write64(u->regs + reg, v);
}

/* remap.c: entry for message @index of @d, taken if it has none. -ENOSPC. Unit's lock held. */
int remap_handle(struct remap_table *t, struct iommu_device *d, unsigned index) must_check;
/* Message @index is not used any more: its handle, or -1 if it had none. */
int remap_release(struct remap_table *t, struct iommu_device *d, unsigned index);
/* Take one entry from @want on; false: somebody has it. */
void remap_init(struct remap_table *t, unsigned nr);
struct remap_target remap_from_message(uint64_t address, uint32_t data);
struct remap_target remap_from_rte(uint64_t rte);

/* fault.c */
/* No device has faulted yet. Boot. */
void fault_init(void);
void fault_report(const struct iommu_fault *f);
/* @s was given to somebody: what it did before is forgotten. */
void fault_forgive(uint16_t segment, uint16_t id);
/* The device that uses @id, if it is known: whose it is, for the log. */
bool iommu_owner_of(uint16_t segment, uint16_t id, domid_t *owner);
/* Stop @id for good, without further reports: it does nothing but fault. No lock held. */
void iommu_contain(uint16_t segment, uint16_t id);

#endif
