/* Ticket spinlocks: who takes a number first is served first. Holder and rank are checked in every build. */
#include "hv/lock.h"

#include "hv/arch.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"

#define NO_CPU 0xffffu

/* By rank; written by its CPU only. */
struct lock_waits {
	uint64_t times[NR_LOCK_RANKS], turns[NR_LOCK_RANKS];
};

/* Prepare @l, free, with its place in the lock order. */
void spin_lock_init(spinlock_t *l, enum lock_rank rank)
{
	*l = (spinlock_t)SPINLOCK_INIT((uint16_t)rank);
}

/* Every lock this CPU holds must rank below @l, or not above it when @nested. */
static void check_order(const struct pcpu *p, const spinlock_t *l, bool nested)
{
	for (unsigned i = 0; i < p->nr_held; i++)
		if (unlikely(p->held[i].rank > l->rank || (p->held[i].rank == l->rank && !nested) ||
			     p->held[i].lock == l))
			panic("lock order: CPU %u takes rank %u while it holds rank %u", p->id, l->rank,
			      p->held[i].rank);
}

static void note_taken(struct pcpu *p, spinlock_t *l)
{
	ASSERT(p->nr_held < ARRAY_SIZE(p->held));
	p->held[p->nr_held].lock = l;
	p->held[p->nr_held].rank = l->rank;
	p->nr_held++;
	__atomic_store_n(&l->cpu, (uint16_t)p->id, __ATOMIC_RELAXED);
}

/* Somebody has @l: wait until @ticket is served. */
static void wait_for(const struct pcpu *p, const spinlock_t *l, uint16_t ticket)
{
	struct lock_waits *w = p->lock_waits;
	uint64_t turns = 0;

	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket) {
		arch_cpu_relax();
		turns++;
	}
	if (w) {
		w->times[l->rank]++;
		w->turns[l->rank] += turns;
	}
}

static void take(spinlock_t *l, bool nested)
{
	struct pcpu *p = this_pcpu();
	uint16_t ticket;

	check_order(p, l, nested);
	ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
	if (unlikely(__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket))
		wait_for(p, l, ticket);
	note_taken(p, l);
}

/* Wait for @l and take it. Panics when the order of ranks is broken or this CPU already holds it. */
void spin_lock(spinlock_t *l)
{
	take(l, false);
}

/* As spin_lock() for the second of two locks of one rank; the caller took the lower address first. */
void spin_lock_nested(spinlock_t *l)
{
	take(l, true);
}

/*
 * Take @l if nobody has it or waits for it. A trial cannot deadlock, so any order is allowed, but not a lock this CPU
 * already holds: that simply fails.
 */
bool spin_trylock(spinlock_t *l)
{
	uint16_t owner = __atomic_load_n(&l->owner, __ATOMIC_RELAXED);
	uint16_t expected = owner;

	if (!__atomic_compare_exchange_n(&l->next, &expected, (uint16_t)(owner + 1), false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	/* The ticket taken is the one being served only if owner had not moved on: next == owner says so. */
	note_taken(this_pcpu(), l);
	return true;
}

/* Give @l to the next in line. Panics if this CPU does not hold it. */
void spin_unlock(spinlock_t *l)
{
	struct pcpu *p = this_pcpu();
	unsigned i = p->nr_held;

	while (i > 0 && p->held[i - 1].lock != l)
		i--;
	if (unlikely(i == 0))
		panic("lock: CPU %u releases rank %u held by %u", p->id, l->rank, l->cpu);
	for (; i < p->nr_held; i++)
		p->held[i - 1] = p->held[i];
	p->nr_held--;
	__atomic_store_n(&l->cpu, NO_CPU, __ATOMIC_RELAXED);
	__atomic_store_n(&l->owner, (uint16_t)(l->owner + 1), __ATOMIC_RELEASE);
}

/* Does the calling CPU hold @l? */
bool spin_is_mine(const spinlock_t *l)
{
	const struct pcpu *p = this_pcpu();

	return __atomic_load_n(&l->cpu, __ATOMIC_RELAXED) == p->id;
}

/* See hv/lock.h. */
void lock_waits_init(void)
{
	this_pcpu()->lock_waits = xzalloc(struct lock_waits);
}

/* See hv/lock.h. */
void lock_waits_get(unsigned rank, uint64_t *times, uint64_t *turns)
{
	unsigned cpu;

	*times = *turns = 0;
	for_each_cpu(cpu, cpu_online()) {
		const struct lock_waits *w = pcpu_get(cpu)->lock_waits;

		if (!w || rank >= NR_LOCK_RANKS)
			continue;
		*times += read_once(w->times[rank]);
		*turns += read_once(w->turns[rank]);
	}
}

/* See hv/lock.h. A count that is just going up may survive. */
void lock_waits_reset(void)
{
	unsigned cpu;

	for_each_cpu(cpu, cpu_online()) {
		struct lock_waits *w = pcpu_get(cpu)->lock_waits;

		for (unsigned rank = 0; w && rank < NR_LOCK_RANKS; rank++) {
			write_once(w->times[rank], 0);
			write_once(w->turns[rank], 0);
		}
	}
}
