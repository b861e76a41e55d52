/* The fake machine's part of domains and vCPUs. */
#ifndef ASM_DOMAIN_H
#define ASM_DOMAIN_H

#include "hv/types.h"

struct arch_domain {
	unsigned unused;
};

struct arch_vcpu {
	unsigned upcalls;   /* arch_event_upcall() count */
	bool event_pending; /* answer of arch_vcpu_event_pending() besides the upcall flag */
	bool guest32;	    /* answer of arch_guest_is_32() */
	uint32_t entry_eip, entry_ebx;
	unsigned loads, saves, nmis;
};

#endif
