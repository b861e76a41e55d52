/* Sets of physical CPUs. Plain functions are not atomic; *_atomic ones are. */
#ifndef HV_CPUMASK_H
#define HV_CPUMASK_H

#include "hv/types.h"

#define NR_CPUS 256u

typedef struct {
	uint64_t bits[NR_CPUS / 64];
} cpumask_t;

static inline void cpumask_clear(cpumask_t *m)
{
	for (unsigned i = 0; i < NR_CPUS / 64; i++)
		m->bits[i] = 0;
}

static inline void cpumask_fill(cpumask_t *m)
{
	for (unsigned i = 0; i < NR_CPUS / 64; i++)
		m->bits[i] = ~0UL;
}

static inline bool cpumask_test(const cpumask_t *m, unsigned cpu)
{
	return (__atomic_load_n(&m->bits[cpu / 64], __ATOMIC_RELAXED) >> (cpu % 64)) & 1;
}

static inline void cpumask_set(cpumask_t *m, unsigned cpu)
{
	m->bits[cpu / 64] |= 1UL << (cpu % 64);
}

static inline void cpumask_unset(cpumask_t *m, unsigned cpu)
{
	m->bits[cpu / 64] &= ~(1UL << (cpu % 64));
}

static inline void cpumask_set_atomic(cpumask_t *m, unsigned cpu)
{
	__atomic_fetch_or(&m->bits[cpu / 64], 1UL << (cpu % 64), __ATOMIC_SEQ_CST);
}

static inline void cpumask_unset_atomic(cpumask_t *m, unsigned cpu)
{
	__atomic_fetch_and(&m->bits[cpu / 64], ~(1UL << (cpu % 64)), __ATOMIC_SEQ_CST);
}

static inline bool cpumask_empty(const cpumask_t *m)
{
	for (unsigned i = 0; i < NR_CPUS / 64; i++)
		if (m->bits[i])
			return false;
	return true;
}

static inline cpumask_t cpumask_and(const cpumask_t *a, const cpumask_t *b)
{
	cpumask_t r;
	for (unsigned i = 0; i < NR_CPUS / 64; i++)
		r.bits[i] = a->bits[i] & b->bits[i];
	return r;
}

static inline cpumask_t cpumask_or(const cpumask_t *a, const cpumask_t *b)
{
	cpumask_t r;
	for (unsigned i = 0; i < NR_CPUS / 64; i++)
		r.bits[i] = a->bits[i] | b->bits[i];
	return r;
}

/* First CPU in @m at or after @from, NR_CPUS if none. */
static inline unsigned cpumask_next(const cpumask_t *m, unsigned from)
{
	while (from < NR_CPUS) {
		uint64_t w = m->bits[from / 64] >> (from % 64);
		if (w)
			return from + (unsigned)__builtin_ctzl(w);
		from = (from / 64 + 1) * 64;
	}
	return NR_CPUS;
}

#define for_each_cpu(cpu, mask) \
	for ((cpu) = cpumask_next((mask), 0); (cpu) < NR_CPUS; (cpu) = cpumask_next((mask), (cpu) + 1))

#endif
