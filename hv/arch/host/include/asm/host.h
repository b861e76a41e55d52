/* Controls of the fake machine, for tests. hv/arch/host/host.c. */
#ifndef ASM_HOST_H
#define ASM_HOST_H

#include "hv/domain.h"

/* Build a machine of @ram bytes and @cpus CPUs with allocator, timers, scheduler, ready for domain_create(). Tears an older one down. */
void host_machine(uint64_t ram, unsigned cpus);
void host_set_cpu(unsigned cpu);
/* Simulated clock behind now(); advancing does not run timers. */
void host_set_time(stime_t t);
void host_advance(stime_t dt);
/* Run softirqs on @cpu as its loop would, including timers due. */
void host_run_softirqs(unsigned cpu);
/* A domain with @pages of RAM mapped from gfn 0 and @vcpus vCPUs, marked initialised and up. Guest-virtual = guest-physical. */
struct domain *host_domain(domid_t id, unsigned vcpus, uint64_t pages, uint32_t roles);
/* Call hypercall @nr as @v; follows restarts until the final result. Guest memory arguments are gpas. */
long host_hypercall(struct vcpu *v, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4);
/* Everything printk() has said since the last call. */
const char *host_log(void);

#endif
