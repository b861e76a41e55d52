/* Shared by policy.c and policy_serial.c. */
#ifndef X86_POLICY_INTERNAL_H
#define X86_POLICY_INTERNAL_H

#include "policy.h"

#define BIT(n) (1u << (n))
#define XEN_LEAF 0x40000000u
#define MSR_PLATFORM_INFO 0xceu
#define MSR_ARCH_CAPS 0x10au

/* The register of @p that holds feature word @w. */
uint32_t *policy_feat_word(struct cpu_policy *p, enum feat_word w);
/* All vCPUs are cores of one package; nothing happens in a policy of no domain. */
void policy_set_topology(struct cpu_policy *p);

#endif
