/*
 * Ticket spinlocks with ranks.
 *
 * Interrupt handlers take no lock (they only set softirq bits and drain device FIFOs into single-producer
 * rings), so no lock ever disables interrupts and a CPU spinning for one still answers IPIs.
 *
 * Ranks: a lock may be taken only while every lock held by this CPU has a lower rank. Every build checks it.
 * Two locks of one rank are taken only through a *_lock_both helper, in ascending address order (mark the second with
 * spin_lock_nested).
 */
#ifndef HV_LOCK_H
#define HV_LOCK_H

#include "hv/types.h"

#define NR_LOCK_RANKS 96u

enum lock_rank {
	RANK_DOMLIST = 10, /* the table of domains */
	RANK_CPUPOOL = 15, /* which CPUs and domains are in which pool */
	RANK_DOMAIN = 20,  /* struct domain: life cycle */
	RANK_PCI = 22,	   /* the list of devices, who owns which, configuration of one device */
	RANK_HVM = 25,	   /* an emulated device of a domain */
	RANK_GRANT = 30,   /* a domain's grant table */
	RANK_MAPTRACK = 32,
	RANK_EVTCHN = 40,	/* a domain's event channels */
	RANK_EVTCHN_PORT = 42,	/* one port; all a send takes */
	RANK_EVTCHN_QUEUE = 44, /* one FIFO event queue of a vCPU */
	RANK_P2M = 50,		/* a domain's guest-physical map */
	RANK_LOG_DIRTY = 52,	/* which pages of a domain were written */
	RANK_IOMMU = 55,	/* which device is in which context of an IOMMU */
	RANK_IRQ = 57,		/* vectors and pins */
	RANK_IOMMU_UNIT = 58,	/* one IOMMU: registers, queue, device and interrupt tables */
	RANK_PCI_PORT = 59,	/* the CF8/CFC pair: a configuration access under any of the above */
	RANK_SCHED = 60,	/* a CPU's run queue */
	RANK_SCHED_DOMAIN = 65, /* a capped domain's budget */
	RANK_TIMER = 70,	/* a CPU's timer heap */
	RANK_TASK = 72,		/* a CPU's deferred work */
	RANK_FRAMES = 80,	/* frame allocator, ledger and a domain's page count */
	RANK_DOMREF = 84,	/* finding a domain by its id: a leaf, so lookups work under the locks above */
	RANK_HEAP = 85,		/* small-object heap */
	RANK_CONSOLE = 90,	/* console ring and drivers: printk works under any lock */
};

typedef struct {
	uint16_t next, owner; /* tickets */
	uint16_t rank;
	uint16_t cpu; /* holder, for lock checks and panic messages; 0xffff = free */
} spinlock_t;

#define SPINLOCK_INIT(r) \
	{ \
		0, 0, (r), 0xffff \
	}

void spin_lock_init(spinlock_t *l, enum lock_rank rank);
void spin_lock(spinlock_t *l);
bool spin_trylock(spinlock_t *l);
void spin_unlock(spinlock_t *l);
/* Second lock of the same rank, address order already ensured by the caller. */
void spin_lock_nested(spinlock_t *l);
/*
 * Counts, from now on, how often this CPU found a lock of each rank taken. Once for each CPU, as soon as there is memory; without it
 * nothing is counted. Who finds a lock free pays nothing for it.
 */
void lock_waits_init(void);
/* Sums over all CPUs: how often locks of @rank were found taken, and for how many turns of the loop somebody then waited. */
void lock_waits_get(unsigned rank, uint64_t *times, uint64_t *turns);
void lock_waits_reset(void);
/* True when the calling CPU holds @l. For ASSERT. */
bool spin_is_mine(const spinlock_t *l);

#endif
