/*
 * Initial domains. Pure half (hv/launch/tree.c): device tree -> struct launch_config, also linked by hospes-launch.
 * Impure half (hv/launch/build.c): builds, seeds, starts them.
 */
#ifndef HV_LAUNCH_H
#define HV_LAUNCH_H

#include "hv/boot.h"
#include "hv/domain.h"
#include "hv/types.h"

#define LAUNCH_MAX_DOMAINS 64u
#define LAUNCH_MAX_LINKS 64u
#define LAUNCH_MAX_FAULTS 64u
#define LAUNCH_MAX_TREE (1u << 20) /* bytes of a tree Hospes reads */

/* Bits of the binding's properties. */
#define LAUNCH_PERMIT_CONTROL 0x1u
#define LAUNCH_PERMIT_HARDWARE 0x2u
#define LAUNCH_FUNCTION_BOOT 0x1u
#define LAUNCH_FUNCTION_CRASH 0x2u
#define LAUNCH_FUNCTION_CONSOLE 0x4u
#define LAUNCH_FUNCTION_XENSTORE (1u << 30)
#define LAUNCH_FUNCTION_LEGACY_DOM0 (1u << 31)
#define LAUNCH_MODE_PV 0x1u
#define LAUNCH_MODE_HVM 0x2u
#define LAUNCH_MODE_64BIT 0x4u
/* domid of the binding that asks for the first free one. */
#define LAUNCH_DOMID_ANY 0x80000000u

/* What to do when a domain ends in one of three ways. */
enum launch_action { LAUNCH_DESTROY, LAUNCH_RESTART };

struct launch_domain {
	char node[64]; /* its node's name, for messages */
	char name[DOMAIN_NAME_LEN];
	domid_t domid;
	uint32_t permissions, functions, mode; /* binding's bits */
	uint32_t roles;			       /* ROLE_* derived */
	uint8_t uuid[16];
	uint32_t cpus;
	uint64_t memory_kib, max_memory_kib;
	uint64_t overhead_max_kib;   /* 0: the default */
	int kernel, ramdisk, config; /* module indices, -1 = none */
	char bootargs[1024];
	uint16_t weight, cap; /* 0: default, none */
	uint8_t class;	      /* enum sched_class */
	bool pin_each;	      /* each vCPU to the CPU of its number */
	bool pinned;
	cpumask_t affinity; /* hard, if pinned */
	enum launch_action on_poweroff, on_reboot, on_crash;
};

struct launch_link {	    /* one end of a static event link or a static grant */
	unsigned dom, peer; /* indices into domains[] */
	evtchn_port_t port, peer_port;
};

struct launch_grant {
	unsigned dom, peer;
	grant_ref_t ref; /* 8 or more */
	uint64_t gfn;
	bool readonly;
};

struct launch_fault {
	char text[160]; /* "node: property: what is wrong and what was done" */
	bool note;	/* nothing wrong, but worth knowing */
};

struct launch_config {
	struct launch_domain domains[LAUNCH_MAX_DOMAINS];
	unsigned nr_domains;
	struct launch_link links[LAUNCH_MAX_LINKS];
	unsigned nr_links;
	struct launch_grant grants[LAUNCH_MAX_LINKS];
	unsigned nr_grants;
	struct launch_fault faults[LAUNCH_MAX_FAULTS];
	unsigned nr_faults; /* may exceed LAUNCH_MAX_FAULTS: further ones were only counted */
};

/*
 * Read @fdt of @size bytes into @cfg given @nr_modules boot modules of the sizes @module_size (NULL: not checked). Every fault is
 * recorded and only what it spoils is left out. 0, or -EINVAL if the blob itself is not a tree.
 */
int launch_parse(struct launch_config *cfg, const void *fdt, size_t size, unsigned nr_modules,
		 const uint64_t *module_size) must_check;

/* Boot step: find the tree among the modules (or make the classic dom0 description), build and start everything. */
void launch_domains(const struct boot_info *bi);
/* From domain_kill() when all of @d is given back: whoever destroyed it, launch knows. hv/launch/policy.c */
void launch_domain_gone(struct domain *d);

#endif
