/* The machine as the hypervisor tells: CPUs, nodes, pools, scheduler. All end the program with a problem when it refuses. */
#ifndef XL_MACHINE_H
#define XL_MACHINE_H

#include "domains.h"
#include <stdbool.h>
#include <stdint.h>

#include <abi/sysctl.h>

#include "domain/config.h"

struct json_object;

struct xen_sysctl_physinfo machine_physinfo(void);
struct hospes_overhead;
/* What the hypervisor uses for a domain. false: it is gone, or the hypervisor does not tell. */
bool domain_overhead(uint32_t domid, struct hospes_overhead *to);
struct hospes_latency;
/* Its class of latency and how it fared. false: it is gone, or the hypervisor has no classes. */
bool domain_latency(uint32_t domid, struct hospes_latency *to);
/* CPUs there may be: the highest id and one. */
unsigned machine_nr_cpus(void);
/* Node of each CPU id; ~0: none. To be freed. */
struct xen_sysctl_cputopo *machine_cpus(unsigned *nr);
struct xen_sysctl_meminfo *machine_nodes(unsigned *nr, uint32_t **distances);
/* The scheduler of the machine: XEN_SCHEDULER_*. */
unsigned machine_scheduler(void);
const char *scheduler_name(unsigned id);
/* -1: no such one. */
int scheduler_id(const char *name);
/* CPUs that belong to no pool. */
struct cpu_list machine_free_cpus(void);

struct pool {
	uint32_t id, sched, nr_domains;
	struct cpu_list cpus;
};
/* All pools, in order of their ids. */
struct pool *pools_list(unsigned *nr);
void pools_free(struct pool *p, unsigned nr);
/* From the store; NULL: it has none. To be freed. */
char *pool_name(uint32_t id);
/* By name or id; -1: there is none. */
int64_t pool_find(const char *who);
/* A plain pool operation (XEN_SYSCTL_CPUPOOL_OP_*). 0 or -errno. */
int pool_op(unsigned op, uint32_t *id, uint32_t sched, uint32_t domid, uint32_t cpu);

/* A CPU list of a hypercall that answers with one. */
void list_from_bitmap(struct cpu_list *l, const void *bytes, unsigned nr_bits);
/* Nodes a domain keeps to, as xl prints them. To be freed. */
char *domain_nodes(uint32_t domid);
/* Weight and cap by the credit schedulers; false: another scheduler, or no such domain. */
bool domain_share(uint32_t domid, unsigned sched, unsigned *weight, unsigned *cap);
/* libxl's JSON as kept by whoever made the domain; NULL: nobody did. */
struct json_object *domain_stored_config(uint32_t domid, const uint8_t uuid[16]);

/* The scheduler that runs @d: that of its pool. */
unsigned domain_scheduler(const struct domain *d);
/* Say that the verb is about scheduler @wanted, the domain run by @have. The status to end with. */
int xl_wrong_scheduler(unsigned have, unsigned wanted);

#endif
