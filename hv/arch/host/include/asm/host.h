/* Controls of the fake machine, for tests. hv/arch/host/host.c. */
#ifndef ASM_HOST_H
#define ASM_HOST_H

#include "hv/domain.h"

/* Build a machine of @ram bytes and @cpus CPUs with allocator, timers, scheduler, ready for domain_create(). Tears an older one down. */
void host_machine(uint64_t ram, unsigned cpus);
/* Only RAM, CPUs and the allocator: for tests of hv/mm, and the first half of host_machine(). */
void host_machine_ram(uint64_t ram, unsigned cpus);
/* RAM of the next machine is this file, as long as that, for other processes to share; -1: memory of this process again. */
void host_ram_file(int fd);
/* The calling thread runs as this CPU from now on; each thread starts as CPU 0. */
void host_set_cpu(unsigned cpu);
unsigned host_nr_cpus(void);
/* TLB flushes so far. */
uint64_t host_flushes(void);
/* Allocate everything that still can be allocated, except @left frames; host_give_back() returns it. For out-of-memory tests. */
void host_take_memory(uint64_t left);
void host_give_back(void);
/* Simulated clock behind now(); advancing does not run timers. */
void host_set_time(stime_t t);
void host_advance(stime_t dt);
/* Run softirqs on @cpu as its loop would, including timers due. */
void host_run_softirqs(unsigned cpu);
/* A domain with @pages of RAM mapped from gfn 0 and @vcpus vCPUs, marked initialised and up. Guest-virtual = guest-physical. */
struct domain *host_domain(domid_t id, unsigned vcpus, uint64_t pages, uint32_t roles);
/* Call hypercall @nr as @v; follows restarts until the final result. Guest memory arguments are gpas. */
long host_hypercall(struct vcpu *v, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4);
/* In how many slices the last one of this thread was done. */
unsigned host_slices(void);
/* Everything printk() has said since the last call. */
const char *host_log(void);

#endif
