/* Shared by the parts of hv/launch that build, start and end domains. */
#ifndef LAUNCH_INTERNAL_H
#define LAUNCH_INTERNAL_H

#include "hv/boot.h"
#include "hv/hwdom.h"
#include "hv/consring.h"
#include "hv/domain.h"
#include "hv/launch.h"
#include "hv/task.h"
#include "hv/time.h"

/* One launched domain: lives for ever, its domain may come and go. */
struct launch_instance {
	const struct launch_domain *desc;
	struct domain *d;      /* NULL: there is none. Set when built, cleared when it is gone */
	struct domain *ending; /* being destroyed by the task, reference held */
	struct consring consring;

	/* The loader's time in the guest. Used by the domain's first vCPU, and by the builder before it starts. */
	bool in_loader;
	bool hopeless;		/* the loader failed: a restart would fail the same way */
	uint64_t loader_pages;	/* frames from LOADER_BASE that hold the loader itself, withdrawn last */
	uint64_t scratch_pages; /* frames lent from LOADER_BASE on that are still to be withdrawn */
	uint64_t max_pages;	/* the domain's limit without them */
	uint64_t low_ram_end;
	uint32_t start_info;

	/* End and restart, hv/launch/policy.c. */
	struct task task;
	struct timer retry;
	unsigned retries;
	bool restarting;
	stime_t started;      /* when it last began to run */
	stime_t not_before;   /* when it may begin again */
	unsigned short_lives; /* so often it ended right after its start, less what longer lives made up for */
	bool had_focus;	      /* what is typed went to it: goes to its next self too */
};

/* What launch knows of the machine's boot. */
struct launch_state {
	const struct boot_info *bi;
	struct launch_config cfg;
	struct launch_instance inst[LAUNCH_MAX_DOMAINS]; /* as cfg.domains[] */
	bool starting; /* domains are being built: nobody judges whether the last one ended */
};
extern struct launch_state launch;

/*
 * Build the domain of @in from its modules, paused. Logs why not and undoes everything on failure. 0, -EEXIST (id still in use), or another error. -ERESTART, not
 * at boot: others want this CPU, or another domain is being built; come again. On the boot CPU only.
 */
int launch_build(struct launch_instance *in) must_check;
/* Give the frames of static grants the domain of @in offers. */
void launch_seed_grants(struct launch_instance *in);
/* The kernel of the hardware domain @d comes next: give it the devices. On an error the domain has been shut down. */
int launch_hwdom_ready(struct domain *d) must_check;

/* A hardware domain without an IOMMU: hv/launch/identity.c. */
struct hwmap;
/* Move what the boot loader brought to the top of memory. */
void launch_move_modules(struct boot_info *bi);
/* Sanitised @host with only that RAM which can be given as it is, up to *@ram, which is rounded. Entries in @out (HWMAP_MAX). */
unsigned launch_identity_map(struct e820_entry *out, const struct e820_entry *host, unsigned nr, uint64_t *ram);
/* Nobody else gets the machine's own memory that is RAM in @m above 1 MiB. -ENOMEM: a part is not free. */
int launch_identity_reserve(const struct hwmap *m) must_check;
void launch_identity_release(const struct hwmap *m);
/* Give that reserved memory to @d, mapped. -ENOMEM. It is not reserved any more in any case. */
int launch_identity_populate(struct domain *d, const struct hwmap *m) must_check;

/* What a kernel's arguments say of copying others' pages on the way to devices: hv/launch/bounce.c, pure but for memory. */
enum launch_bounce { LAUNCH_BOUNCE_MISSING, LAUNCH_BOUNCE_ASKED, LAUNCH_BOUNCE_NEVER };
enum launch_bounce launch_bounce(const char *cmdline);
/* @cmdline with the word that asks for it in front, to be freed by xfree(); NULL without memory. */
char *launch_bounce_args(const char *cmdline) must_check;

/* Let it run. */
void launch_start(struct launch_instance *in);
/* Prepare @in for ends and restarts. hv/launch/policy.c */
void launch_policy_init(struct launch_instance *in);
/* Stop the machine when no launched domain is left. hv/launch/policy.c */
void launch_judge(void);
/* How many of the launched domains exist. */
unsigned launch_alive(void);

/* The boot module's own command line without a file name the loader put in front. hv/launch/launch.c */
const char *launch_module_args(const struct boot_info *bi, unsigned i);
/* Description of the one domain of a classic boot. hv/launch/classic.c. -ENOENT: there is no kernel. */
int launch_classic(struct launch_config *cfg, const struct boot_info *bi) must_check;

#endif
