/*
 * Which memory and which CPUs lie together: nodes, as firmware's SRAT names them, and how far they are from each other. A machine of which
 * firmware says nothing has one node, and nothing on the way of its pages asks which.
 */
#ifndef HV_NUMA_H
#define HV_NUMA_H

#include "hv/cpumask.h"
#include "hv/types.h"

struct acpi_info;
struct domain;

#define NUMA_MAX_NODES 64u
#define NUMA_NO_NODE 0xffu
/* Distances (ACPI 6.5, 5.2.17): to itself, and to another node of which nothing is said. */
#define NUMA_LOCAL 10u
#define NUMA_REMOTE 20u

typedef uint64_t nodemask_t;

/* Boot step, after the ACPI tables: nodes from the SRAT, distances from the SLIT, and free memory sorted by them. Contradictions make it one node, with a line. */
void numa_init(const struct acpi_info *ai);
/* Back to one node: a new machine boots. */
void numa_reset(void);

/* How many; those are numbered from 0. */
unsigned numa_nodes(void);
nodemask_t numa_all(void);
unsigned numa_distance(unsigned from, unsigned to);
/* Nodes from the nearest to the farthest, @node itself first: numa_nodes() of them. */
const uint8_t *numa_near(unsigned node);
/* Of a CPU that runs. */
unsigned numa_node_of_cpu(unsigned cpu);
nodemask_t numa_nodes_of(const cpumask_t *cpus);
/* Addresses the node's memory spreads over, holes included; 0: it has none. */
uint64_t numa_span(unsigned node);

/* Where a domain's memory shall come from: @nodes, or with 0 again from where its vCPUs may run, as numa_follow_cpus() finds. -EINVAL: a node there is not. */
int numa_set_affinity(struct domain *d, nodemask_t nodes) must_check;
nodemask_t numa_affinity(const struct domain *d);
/* The affinities of @d's vCPUs changed, or its pool. No lock held. */
void numa_follow_cpus(struct domain *d);
/* Debug key. */
void numa_show(void);

#endif
