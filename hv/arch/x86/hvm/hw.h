/* The privileged instructions the guest side of the house uses, one inline function each. */
#ifndef HVM_HW_H
#define HVM_HW_H

#include "hv/types.h"

#define HW_CR4_OSFXSR (1UL << 9)
#define HW_CR4_OSXMMEXCPT (1UL << 10)
#define HW_CR4_OSXSAVE (1UL << 18)

static inline void hw_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(sub));
}

static inline uint64_t hw_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (uint64_t)hi << 32;
}

static inline void hw_wrmsr(uint32_t msr, uint64_t val)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)val), "d"((uint32_t)(val >> 32)) : "memory");
}

static inline uint64_t hw_rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (uint64_t)hi << 32;
}

static inline uint64_t hw_read_cr4(void)
{
	uint64_t r;

	asm volatile("mov %%cr4, %0" : "=r"(r));
	return r;
}

static inline void hw_write_cr4(uint64_t r)
{
	asm volatile("mov %0, %%cr4" : : "r"(r) : "memory");
}

static inline void hw_xsetbv(uint64_t val)
{
	asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)val), "d"((uint32_t)(val >> 32)) : "memory");
}

/* Interrupts off; returns the flags for hw_irq_restore(). */
static inline uint64_t hw_irq_save(void)
{
	uint64_t flags;

	asm volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void hw_irq_restore(uint64_t flags)
{
	asm volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

/* Global interrupt flag: while it is clear nothing at all interrupts this CPU (AMD APM vol. 2, 15.17). */
static inline void hw_clgi(void)
{
	asm volatile("clgi" : : : "memory");
}

static inline void hw_stgi(void)
{
	asm volatile("stgi" : : : "memory");
}

#endif
