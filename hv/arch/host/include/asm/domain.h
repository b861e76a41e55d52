/* The fake machine's part of domains and vCPUs. */
#ifndef ASM_DOMAIN_H
#define ASM_DOMAIN_H

#include "abi/hvm_save.h"
#include "hv/types.h"

struct cpu_policy;
struct hvm_handler;
struct hwdom;
struct vlapic;
struct vpci_domain;

struct arch_domain {
	struct cpu_policy *policy;
	uint32_t tsc_mode, tsc_incarnation;
	uint64_t tsc_offset;
	/* Of the real machine's devices, for tests that link what drives them. */
	struct hvm_handler *ports, *mmio;
	struct hwdom *hwdom;
	struct vpci_domain *vpci;
	void *iopm;
	struct vlapic **lapics;
};

struct arch_vcpu {
	unsigned upcalls;   /* arch_event_upcall() count */
	bool event_pending; /* answer of arch_vcpu_event_pending() besides the upcall flag */
	bool guest32;	    /* answer of arch_guest_is_32() */
	uint32_t entry_eip, entry_ebx;
	unsigned loads, saves, nmis;
	struct hvm_hw_cpu cpu; /* as last loaded from a saved state */
	struct hvm_hw_mtrr mtrr;
};

#endif
