/* What iommu.c and those who have its other parts share: unit.c, device.c and context.c. Drivers of units see internal.h alone. */
#ifndef IOMMU_STATE_H
#define IOMMU_STATE_H

#include "hv/task.h"
#include "hv/time.h"
#include "internal.h"

#define MAX_CONTEXTS 1024u
#define MAX_BRIDGES 256u
#define POLL_INTERVAL (1 * NSEC_PER_SEC)

enum bridge_kind { BRIDGE_EXPRESS, BRIDGE_TO_PCI, BRIDGE_PCI };

struct bridge {
	struct pci_sbdf sbdf;
	enum bridge_kind kind;
};

extern struct iommu_state {
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
} iommu;

/* unit.c. Of the timer: for units without an interrupt, or whose interrupt does not tell all, or told of more than was looked at. */
void iommu_poll_faults(void *unused);

/* device.c. Which bridges there are. Boot CPU. */
void iommu_find_bridges(void);
/* Nobody can say any more what devices behind a lost unit reach: they stop. Also of a task. */
void iommu_stop_lost_devices(void *unused);
/* All devices leave @c: afterwards nothing of it is cached on their behalf. */
void iommu_detach_all(const struct iommu_context *c);

/* context.c, under the lock of the map. Tell units of what changed; @narrowed: something was taken away. */
void iommu_context_flush(struct p2m_listener *l, bool narrowed);
/* Make [@dfn, @dfn + @nr) say what firmware reserved of it. False: part of it is out of devices' reach. */
bool iommu_context_pin(struct iommu_context *c, uint64_t dfn, uint64_t nr) must_check;

#endif
