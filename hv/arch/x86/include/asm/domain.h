/* x86 part of domains and vCPUs (HVM container: PVH now, HVM with the same core later). */
#ifndef ASM_DOMAIN_H
#define ASM_DOMAIN_H

#include "asm/regs.h"
#include "hv/types.h"
#include "policy.h" /* struct msr_state */

struct cpu_policy; /* policy.h: CPUID leaves and MSRs the domain sees */
struct vlapic;	   /* hvm/vlapic.h */
struct svm_vcpu;   /* svm/svm.h */

struct hvm_handler;
struct hwdom;
struct vpci_domain; /* hvm/vpci.h */

struct arch_domain {
	struct cpu_policy *policy;
	struct hvm_handler *ports, *mmio;   /* atomic: chains of devices emulated for it, hvm/handler.c */
	struct hwdom *hwdom;		    /* the machine's own devices, if it drives them: hwdom/ */
	struct vpci_domain *vpci;	    /* PCI devices it owns, NULL: none: hvm/vpci.c */
	void *iopm;			    /* port permission map of its own, NULL: every port exits. hvm/hvm.h */
	uint32_t tsc_mode, tsc_incarnation; /* as a toolstack set them */
	int64_t tsc_offset;		    /* guest TSC = boot CPU's TSC + this, on every CPU */
	uint64_t hypercall_gfn_msr;
	struct vlapic **lapics; /* by vCPU id, [max_vcpus] */
};

/* A guest page found through the p2m while its epoch was @epoch; see hvm/section.h. */
struct gpa_cache {
	uint64_t gfn, epoch;
	char *page; /* NULL: empty */
};
#define GPA_CACHE_BITS 4u

/*
 * What a walk of the guest's tables has found for one of its pages. It may be told again under the same epoch as long as every entry on the way
 * still reads the same; see hvm/guest_walk.c.
 */
#define WALK_LEVELS 5u
struct guest_walk {
	uint64_t key;		     /* which page; 0: of no use for another walk */
	uint64_t cr3, epoch;	     /* where it began, and what it found the p2m at */
	const void *at[WALK_LEVELS]; /* the entries, as the processor sees them: 0 = of the 4K level */
	uint64_t entry[WALK_LEVELS], entry_gpa[WALK_LEVELS];
	unsigned leaf;	/* level of the leaf: 0 4K, 1 2M/4M, 2 1G */
	unsigned shift; /* of its page size */
	uint64_t all;	/* AND of RW, US and A over the entries */
	uint64_t nx;	/* OR of NX */
	uint64_t base;	/* gpa of the leaf's page */
	char *page;	/* what is at the page of @key, NULL: not looked up, or no RAM */
	bool writable;	/* that may be written without a fault */
};
#define DATA_WALKS 8u
#define CODE_WALKS 4u

/* Where a hypercall found a page of its arguments; see hvm/guest_walk.c. */
struct argument_page {
	uint64_t call; /* which hypercall of the vCPU */
	uint64_t va, gpa;
	bool write; /* for writing, too */
};
#define ARGUMENT_PAGES 4u

struct arch_vcpu {
	struct guest_regs regs;
	struct vlapic *vlapic;
	struct svm_vcpu *svm;
	struct gpa_cache gpa_cache[1u << GPA_CACHE_BITS];
	bool gpa_writable[1u << GPA_CACHE_BITS]; /* of each: the guest can write it without a fault */
	struct guest_walk data_walks[DATA_WALKS], code_walks[CODE_WALKS];
	struct argument_page argument_page[ARGUMENT_PAGES];
	uint64_t call, nr_calls; /* the hypercall that runs, 0: none; how many there were */
	void *fpu;		 /* XSAVE/FXSAVE area of this vCPU */
	uint64_t xcr0;		 /* while not loaded */
	uint64_t dr[4];		 /* breakpoint addresses while not loaded; DR6 and DR7 live in the control block */
	struct msr_state msrs;	 /* MTRRs and others served from memory */
	uint64_t tsc_aux;
	bool nmi_pending;
	bool wait_sipi;	   /* atomic: INIT came, no STARTUP yet */
	bool init_pending; /* atomic: reset to wait-for-SIPI before the next entry */
	int sipi_vector;   /* atomic: start there before the next entry, -1 none */
	uint32_t time_version;
};

#endif
