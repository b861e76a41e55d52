/* Domains and vCPUs: who they are, how they live and die. Subsystem state hangs off pointers defined elsewhere. */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include "asm/domain.h" /* struct arch_domain, struct arch_vcpu */
#include "hv/cpumask.h"
#include "hv/list.h"
#include "hv/lock.h"
#include "hv/overhead.h"
#include "hv/p2m.h"
#include "hv/rangeset.h"
#include "hv/task.h"
#include "hv/time.h"
#include "hv/types.h"

#define DOMAIN_MAX_VCPUS 128u
#define DOMAIN_NAME_LEN 64u

/* Roles: what a domain may do beyond itself. Flags, spread freely; dom0 holds all. */
#define ROLE_CONTROL 0x01u
#define ROLE_HARDWARE 0x02u
#define ROLE_XENSTORE 0x04u
#define ROLE_CONSOLE 0x08u
#define ROLE_BOOT 0x10u
#define ROLE_ALL 0x1fu

/* SHUTDOWN_* of sched_op. */
enum shutdown_code {
	SHUTDOWN_POWEROFF = 0,
	SHUTDOWN_REBOOT = 1,
	SHUTDOWN_SUSPEND = 2,
	SHUTDOWN_CRASH = 3,
	SHUTDOWN_WATCHDOG = 4,
	SHUTDOWN_SOFT_RESET = 5,
	SHUTDOWN_MAX = 5,
};

/* What a domain's grants may use; 0: as the command line says. */
struct grant_limits {
	unsigned frames, maptrack_frames, max_version;
	bool no_maptrack; /* it maps nothing of others */
};

struct domain_config {
	domid_t domid; /* DOMID_INVALID: first free */
	uint32_t roles;
	char name[DOMAIN_NAME_LEN];
	uint8_t handle[16]; /* UUID */
	unsigned max_vcpus;
	uint64_t max_pages;
	uint64_t overhead_max; /* bytes, 0: the default; it holds while the domain is made, too */
	struct grant_limits grants;
	unsigned max_evtchn_port; /* 0: the ABI's limit */
	bool no_ports;		  /* not even one */
	unsigned cpupool;
	bool hold; /* the maker gets a reference of its own: others may find the domain, and destroy it, at once */
};

struct console_queue;
struct consring;
struct e820_entry;
struct evtchn_domain;
struct grant_table;
struct iommu_context;
struct launch_instance;
struct sched_unit;
struct vcpu;

struct domain {
	domid_t id;
	struct domain *id_next; /* in domain_table.c's chain of ids */
	unsigned refs;		/* atomic: domain_get/put; storage lives until 0 */
	uint32_t roles;
	char name[DOMAIN_NAME_LEN];
	uint8_t handle[16];
	bool published; /* complete: lookups find it */

	spinlock_t lock; /* RANK_DOMAIN: guards life-cycle fields below */
	bool dying;	 /* destroy has begun: nothing new may attach. Set once */
	bool dead;	 /* all resources given back */
	bool shutting_down, is_shut_down;
	enum shutdown_code shutdown_code;
	bool shutdown_code_latched; /* SCHEDOP_shutdown_code chose the code of the next shutdown */
	struct {
		bool busy;	  /* atomic: one caller at a time does a slice */
		unsigned step;	  /* how far domain_kill() came */
		struct task task; /* domain_kill_later() */
		bool later;	  /* atomic: the task holds a reference */
	} kill;
	unsigned pause_count;		 /* atomic; >0: no vCPU runs */
	unsigned controller_pause_count; /* of those, held by pausedomain */
	bool creation_finished;

	/* What a toolstack chose and asks back (hv/core/domctl*.c). */
	struct {
		bool busy; /* atomic: an operation that wants no other beside it is under way */
		uint32_t flags, emulation_flags, misc_flags, ssidref;
		uint64_t pool_pages;	     /* for tables of translations */
		uint32_t dirty_op;	     /* of shadow_op, cut into slices ... */
		uint64_t dirty_pos;	     /* ... and how far it came */
		struct rangeset irqs, iomem; /* of the machine, that it may be given; under its lock */
		struct rangeset ioports;
	} control;

	unsigned max_vcpus;
	struct vcpu **vcpu; /* [max_vcpus], entries NULL until created */

	/* Memory. tot_pages/page list guarded by the frame allocator's lock. */
	uint32_t page_list; /* first frame index, 0 = empty */
	uint64_t tot_pages; /* charged pages */
	uint64_t
		nr_frames; /* pages owned, charged or not; while there are any, they hold one reference on the domain */
	struct domain *owner_next; /* of those that own pages, in a chain of mm.owners */
	uint64_t max_pages;
	uint64_t claim;	      /* outstanding claim */
	uint64_t pod_cache;   /* of it: kept for pages that are populated when first touched */
	uint64_t pod_entries; /* such pages of the map. Written under its lock */
	uint64_t pod_sweep;   /* pages of zeroes are looked for below this gfn next. Under the map's lock */
	uint64_t pod_swept;   /* gfns passed since one was found: more than there are, there is none. Under it too */
	struct overhead overhead; /* what Hospes uses for it beside these */
	struct {
		uint64_t nodes; /* its memory comes from these, 0: from all. hv/numa.h */
		bool chosen;	/* by a toolstack: they do not follow its vCPUs */
		unsigned last;	/* where its last block came from. The allocator's lock */
	} numa;
	struct p2m p2m;
	bool direct_mapped; /* its RAM has gfn = mfn, for devices without an IOMMU: ballooned-out frames stay its own. Set before it runs */

	struct e820_entry *memory_map; /* what XENMEM_memory_map answers; NULL = none set */
	unsigned nr_memory_map;

	void *shared_info; /* one page owned by the domain, FRAME_F_XEN */
	bool guest32; /* latched width of shared memory (shared_info, vcpu_info, runstate); see domain_latch_width() */
	unsigned long vm_assist;
	uint64_t hvm_params[40]; /* HVM_PARAM_* */
	struct wallclock wallclock_offset;

	struct evtchn_domain *evtchn;
	struct grant_table *grant;
	struct consring *consring; /* Hospes' end of the PV console ring while it serves it (hv/launch/consring.c) */
	struct launch_instance *launch;	     /* set for domains made at boot (hv/launch/build.c) */
	struct console_queue *console_queue; /* console_io input, NULL unless attached (hv/core/console_io.c) */
	struct sched_domain *sched;
	struct iommu_context *iommu; /* what its devices see; NULL: it has none (hv/drivers/iommu) */
	unsigned guest_log_tokens;   /* rate limit of messages this guest causes */
	stime_t guest_log_time;

	struct {
		struct timer timer;
		bool in_use;
		uint32_t timeout_s;
	} watchdog[2];

	struct arch_domain arch;
};

/* Why a vCPU does not run (vcpu->pause_flags, atomic bits). */
#define VPF_DOWN 0x1u	 /* not brought up, or halted for good */
#define VPF_BLOCKED 0x2u /* waits for an event */
#define VPF_POLLING 0x4u /* SCHEDOP_poll waits: set together with BLOCKED */

/* RUNSTATE_* of vcpu.h */
enum runstate {
	RUNSTATE_RUNNING = 0,
	RUNSTATE_RUNNABLE = 1,
	RUNSTATE_BLOCKED = 2,
	RUNSTATE_OFFLINE = 3,
};

struct vcpu_time_snapshot; /* arch */

struct vcpu {
	unsigned id;
	struct domain *domain;
	struct sched_unit *sched; /* owned by hv/sched */
	unsigned processor;	  /* CPU it runs or last ran on; stable under that CPU's run queue lock */
	bool running;		  /* its state is loaded on ->processor */
	unsigned pause_flags;	  /* VPF_*, atomic */
	unsigned pause_count;	  /* atomic */
	bool initialised;	  /* has had register state set */

	enum runstate runstate;
	stime_t runstate_entry;
	uint64_t runstate_time[4]; /* ns per state, excluding the current one */
	uint64_t runstate_gva;	   /* registered area, 0 = none; width as latched at registration */
	bool runstate_guest32;

	void *vcpu_info; /* mapped kernel address: in shared_info or the registered page; NULL for id >= 32 unregistered */
	struct frame *vcpu_info_frame; /* reference held when registered */
	uint64_t time_info_gva;	       /* secondary pvclock copy, 0 = none */

	struct timer singleshot_timer, periodic_timer, poll_timer;
	stime_t periodic_period;
	int poll_evtchn;	/* while VPF_POLLING: that port, or -1: many. Written by the vCPU itself only */
	unsigned virq_port[24]; /* VIRQ -> port, 0 unbound. Guarded by the evtchn lock */
	uint8_t upcall_vector;	/* HVMOP_set_evtchn_upcall_vector, 0 = unset */

	/* Progress of the hypercall being served: set up by the architecture, see hv/hypercall.h */
	struct {
		bool guest32; /* width of this call */
		bool in_multicall;
		bool restarted; /* handler asked to run again */
		bool replaced;	/* handler gave the vCPU new register state: write nothing back */
		uint64_t args[6];
		uint32_t nr;
	} hc;

	struct arch_vcpu arch;
};

/* Build a domain with no vCPUs and no memory, paused once. Roles as given. Errors: -EEXIST domid taken, -EINVAL bad limits, -ENOMEM. */
int domain_create(const struct domain_config *cfg, struct domain **out) must_check;
/* Create vCPU @id, down. -EEXIST, -EINVAL, -ENOMEM. */
int vcpu_create(struct domain *d, unsigned id) must_check;
/* Begin or continue destruction in slices: -ERESTART until everything is given back, then 0. Running vCPUs are stopped. */
int domain_kill(struct domain *d) must_check;

/* As domain_kill() until done, by the boot CPU in the background: for domains that end with nobody to destroy them. Any context but interrupts. */
void domain_kill_later(struct domain *d);
/* Forget all domains, and who global virtual interrupts go to: a new machine boots. */
void domains_init(void);
/* Memory @d may have from now on; the default bound of what Hospes uses for it follows. */
void domain_set_max_pages(struct domain *d, uint64_t pages);
/* The bound of what Hospes uses for @d, 0: none, or OVERHEAD_DEFAULT. */
void domain_set_overhead_max(struct domain *d, uint64_t bytes);
/* The page shared with the guest, with a reference; NULL when it has gone with the dying domain. No lock. */
struct frame *shared_info_get(struct domain *d) must_check;
/* It goes. For domain_kill.c. */
void shared_info_free(struct domain *d);
/* Free @v, stopped and unreachable, with all it holds. For domain.c's last put and failed creation. */
void vcpu_free(struct vcpu *v);
/* Stop @v's timers for good. */
void vcpu_kill_timers(struct vcpu *v);
/* The scheduler took a vCPU of the shutting-down @d off its CPU: perhaps it was the last. No lock held. */
void domain_vcpu_stopped(struct domain *d);
/* Global virtual interrupt @virq to the domain a toolstack chose for it, else to every domain with the control role; never to @but (NULL: no exception). */
void domain_global_virq(unsigned virq, const struct domain *but);
/* The same to whoever it is then, soon, from the boot CPU: for any context and under any lock. Raised twice meanwhile it comes once. */
void domain_global_virq_later(unsigned virq);
/* From now on @virq goes to @d, until that dies. -EINVAL: not one of the global ones. */
int domain_set_virq_handler(struct domain *d, unsigned virq) must_check;
/* VIRQ_DOM_EXC because @d's state changed. */
void domain_notify_controllers(const struct domain *d);
/* Undo a shutdown: the vCPUs run on. -EINVAL if @d is not shut down or dies. */
int domain_resume(struct domain *d) must_check;

/* The table of ids, empty. */
void domain_table_init(void);
/* Give @d the id @id (DOMID_INVALID: the next free). It is found once it is published. -EEXIST, -ENOSPC. RANK_DOMLIST inside. */
int domain_table_insert(struct domain *d, domid_t id) must_check;
/* Take @d out again: its id is free. RANK_DOMREF inside. */
void domain_table_remove(struct domain *d);
/* Reference-counted lookup; NULL if no such domain. RANK_DOMREF inside, so it works under any lock below that. */
struct domain *domain_get_by_id(domid_t id);
bool domain_get(struct domain *d) must_check;
/* The last one frees the structure, which needs no lock below RANK_FRAMES. */
void domain_put(struct domain *d);
/* First domain with id >= @from, with a reference. For iteration: d = domain_next(0); ... domain_put(d); d = domain_next(id+1). */
struct domain *domain_next(domid_t from);

/* Nested pauses. _sync waits until no vCPU of it runs; not to be called by one of its own vCPUs' paths. */
void domain_pause_sync(struct domain *d);
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
/* domain_pause_sync() on behalf of a hypercall of @caller. -ERESTART, nothing paused: @caller shall stop itself, perhaps for the other one's sake. */
int domain_pause_for(struct domain *d, const struct vcpu *caller) must_check;

/* The guest ends itself (or is ended): all vCPUs stop for good, VIRQ_DOM_EXC to the control domain or, without one, the launch policy. */
void domain_shutdown(struct domain *d, enum shutdown_code code);
/* @d's kernel has declared itself (callback or hypercall page): shared memory takes the width it runs in now. */
void domain_latch_width(struct domain *d, bool is32);
/* A guest did something no machine could survive (triple fault, bad state): log why, shut down with CRASH. */
void domain_crash(struct domain *d, const char *fmt, ...) printf_like(2, 3);
/* Called once from domain_shutdown for policy (hv/launch/policy.c): host poweroff when the last domain ends, ... */
void domain_ended(struct domain *d);

/* vCPU run control: implemented in hv/sched/sched.c. Any context but interrupts. */
static inline bool vcpu_runnable(const struct vcpu *v)
{
	return !(__atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE) |
		 __atomic_load_n(&v->pause_count, __ATOMIC_ACQUIRE) |
		 __atomic_load_n(&v->domain->pause_count, __ATOMIC_ACQUIRE));
}
/* Re-evaluate @v after a reason to not run went away. */
void vcpu_wake(struct vcpu *v);
/* Re-evaluate after one appeared; sync waits until it is off its CPU. */
void vcpu_sleep_nosync(struct vcpu *v);
void vcpu_sleep_sync(struct vcpu *v);
void vcpu_pause_sync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
/* Block the calling CPU's current vCPU until vcpu_unblock(), unless an event is already pending (arch_vcpu_event_pending). */
void vcpu_block(struct vcpu *v);
void vcpu_unblock(struct vcpu *v);
/* Make @v notice new pending work: wake if blocked, leave the guest if running elsewhere. */
void vcpu_kick(struct vcpu *v);

static inline bool domain_has_role(const struct domain *d, uint32_t role)
{
	return (d->roles & role) == role;
}

#endif
