/*
 * Building one PVH domain from its description: memory, tables, start info, seeds, entry.
 *
 * Guest-physical map:
 *   0 .. low_ram_end            RAM; at the top of its first GiB the initrd, below it the start info block; RSDP copy below 1 MiB
 *   LOADER_BASE (f0000000) ..   scratch frames while the loader works
 *   fc000000 ..                 ACPI tables
 *   feff8000 .. feffffff        special pages: xenstore ring at feffc000, console ring at fefff000
 *   4 GiB ..                    the rest of RAM
 *
 * The hardware domain's map is the machine's own instead (hwmap.c): kernel, initrd and start info go into its largest RAM below 4 GiB, at
 * whose top its ACPI tables are; the loader's scratch frames are withdrawn before anything of the machine appears in their place.
 */
#include "acpi.h"
#include "build.h"
#include "hv/arch.h"
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/hwdom.h"
#include "hv/loader_abi.h"
#include "hv/mm.h"
#include "hv/numa.h"
#include "hv/p2m.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"
#include "start_info.h"

#include "grant_table.h"
#include "hvm_params.h"
#include "xen.h"
#include "xs_wire.h"

#define SLACK_PAGES 256u /* as xl grants: room for pages a guest adds to its map */

static struct {
	struct build one; /* under way */
} building;

/* The plan ------------------------------------------------------------------------------------------------ */

static const char *plan_loader(struct plan *p)
{
	const char *why = elf_parse(&p->image, loader_blob, (uint64_t)(loader_blob_end - loader_blob));

	if (why || !p->image.has_pvh || p->image.low < LOADER_BASE)
		return "the loader inside Hospes is damaged";
	p->entry = p->image.pvh_entry;
	p->loader_info_gpa = ROUND_UP(p->image.high, PAGE_SIZE);
	p->kernel_gpa = p->loader_info_gpa + PAGE_SIZE;
	if (p->kernel->size > LOADER_END - p->kernel_gpa)
		return "its kernel file is too large for the loader";
	p->heap_gpa = ROUND_UP(p->kernel_gpa + p->kernel->size, PAGE_SIZE);
	p->scratch_end = p->heap_gpa + LOADER_HEAP;
	return p->scratch_end > LOADER_END ? "its kernel file is too large for the loader" : NULL;
}

static const char *plan_direct(struct plan *p)
{
	const char *why = elf_parse(&p->image, module_data(p->kernel), p->kernel->size);

	if (why)
		return why;
	if (!p->image.has_pvh)
		return "its kernel has no XEN_ELFNOTE_PHYS32_ENTRY note: not a PVH kernel";
	if (p->image.pvh_entry < p->image.low || p->image.pvh_entry >= p->image.high)
		return "its kernel's PVH entry lies outside the kernel";
	if (p->image.low < p->low_start)
		return p->hw ? "its kernel is linked below its memory, which without an IOMMU is where the machine has room" :
			       "its kernel is linked below its memory";
	if (p->image.high > p->info_gpa)
		return "its kernel and initrd do not fit into its memory";
	p->entry = p->image.pvh_entry;
	return NULL;
}

/* An ordinary domain's RAM. */
static void plan_map(struct plan *p)
{
	p->low_end = min_u64(p->ram, LOADER_BASE);
	p->high_end = p->ram > p->low_end ? FOUR_GIB + (p->ram - p->low_end) : 0;
	p->acpi_gpa = GUEST_ACPI_BASE;
}

/* The hardware domain's; fewer bytes than asked for if the machine has not as many. */
static const char *plan_hw_map(struct plan *p)
{
	struct e820_entry *host = xzalloc_array(struct e820_entry, HWMAP_MAX);
	struct e820_entry *usable = xzalloc_array(struct e820_entry, HWMAP_MAX);
	const char *why = "out of memory while it was planned";
	unsigned nr;

	p->hw = xzalloc(struct hwmap);
	if (host && usable && p->hw) {
		nr = hwmap_sanitise(host, launch.bi->e820, launch.bi->nr_e820);
		if (hwdom_identity())
			nr = launch_identity_map(usable, host, nr, &p->ram);
		why = hwmap_make(p->hw, hwdom_identity() ? usable : host, nr, p->ram, GUEST_ACPI_MAX, LOADER_BASE);
	}
	xfree(usable);
	xfree(host);
	if (why)
		return why;
	if (hwdom_identity()) {
		if (launch_identity_reserve(p->hw))
			return "memory at the machine's own addresses is taken";
		p->reserved = (p->hw->ram + GUEST_ACPI_MAX) >> PAGE_SHIFT;
	}
	for (unsigned i = 0; i < p->hw->nr; i++)
		printk(LOG_DEBUG, "launch: map: [%016lx, %016lx] %u\n", p->hw->e[i].addr,
		       p->hw->e[i].addr + p->hw->e[i].size - 1, p->hw->e[i].type);
	p->low_start = p->hw->start;
	p->low_end = p->hw->end;
	p->ram = p->hw->ram;
	p->acpi_gpa = p->hw->acpi;
	return NULL;
}

/* Without an IOMMU others' pages must not meet a device: see bounce.c. */
static const char *plan_bounce(struct plan *p)
{
	switch (launch_bounce(p->cmdline)) {
	case LAUNCH_BOUNCE_MISSING:
		p->own_cmdline = launch_bounce_args(p->cmdline);
		if (!p->own_cmdline)
			return "out of memory while it was planned";
		p->cmdline = p->own_cmdline;
		printk(LOG_WARN, "launch: no IOMMU: swiotlb=force added to the hardware domain's command line\n");
		break;
	case LAUNCH_BOUNCE_NEVER:
		printk(LOG_WARN,
		       "launch: no IOMMU: with swiotlb=noforce devices corrupt what other domains read and write by way of them\n");
		break;
	case LAUNCH_BOUNCE_ASKED:
		break;
	}
	return NULL;
}

/* NULL, or why the domain of @in cannot be built. plan_free() in both cases. */
static const char *plan_make(struct plan *p, const struct launch_instance *in)
{
	const struct launch_domain *desc = in->desc;
	const struct boot_info *bi = launch.bi;
	uint64_t initrd_size, place_min, place_end;
	const char *why;

	memset(p, 0, sizeof(*p));
	p->kernel = &bi->modules[desc->kernel];
	p->initrd = desc->ramdisk >= 0 ? &bi->modules[desc->ramdisk] : NULL;
	p->cmdline = desc->bootargs[0] ? desc->bootargs : launch_module_args(bi, (unsigned)desc->kernel);
	p->ram = ROUND_DOWN(desc->memory_kib << 10, PAGE_SIZE);
	p->acpi_pages = GUEST_ACPI_MAX >> PAGE_SHIFT;
	if (desc->roles & ROLE_HARDWARE) {
		if (hardware_domain)
			return "another domain drives the machine's devices already";
		why = plan_hw_map(p);
		if (!why && hwdom_identity())
			why = plan_bounce(p);
		if (why)
			return why;
	} else {
		plan_map(p);
	}
	if (p->kernel->size == 0)
		return "its kernel module is empty";
	if (strlen(p->cmdline) >= PAGE_SIZE)
		return "its command line is longer than 4095 bytes";
	initrd_size = p->initrd ? p->initrd->size : 0;
	place_min = max_u64(PLACE_MIN, p->low_start);
	place_end = min_u64(p->low_end, PLACE_MAX);
	if (place_end < place_min + START_INFO_MAX + PAGE_SIZE ||
	    initrd_size > place_end - place_min - START_INFO_MAX - PAGE_SIZE)
		return "its initrd does not fit into its memory";
	p->initrd_gpa = ROUND_DOWN(place_end - initrd_size, PAGE_SIZE);
	p->info_gpa = p->initrd_gpa - START_INFO_MAX;
	p->direct = elf_is_elf(module_data(p->kernel), p->kernel->size);
	return p->direct ? plan_direct(p) : plan_loader(p);
}

static void plan_free(struct plan *p)
{
	if (p->reserved)
		launch_identity_release(p->hw);
	p->reserved = 0;
	xfree(p->own_cmdline);
	p->own_cmdline = NULL;
	xfree(p->hw);
	p->hw = NULL;
}

static uint64_t plan_scratch_pages(const struct plan *p)
{
	return p->direct ? 0 : (p->scratch_end - LOADER_BASE) >> PAGE_SHIFT;
}

static uint64_t plan_own_pages(const struct plan *p)
{
	return (p->ram >> PAGE_SHIFT) + p->acpi_pages + 2;
}

/* Seeds ---------------------------------------------------------------------------------------------------- */

/* The domain of the tree that holds @role, else the customary dom0. */
static domid_t holder_of(uint32_t role)
{
	for (unsigned i = 0; i < launch.cfg.nr_domains; i++)
		if (launch.cfg.domains[i].roles & role)
			return launch.cfg.domains[i].domid;
	return 0;
}

/*
 * The store's ring in the state "reconnecting": Linux then waits for the store's first event instead of talking into the
 * void (xs_wire.h; also what an ordinary guest of a launched store sees when that restarts).
 */
static int seed_store(struct domain *d)
{
	static const uint32_t reconnect = XENSTORE_RECONNECT;
	domid_t store = holder_of(ROLE_XENSTORE);
	evtchn_port_t port;
	int rc = copy_to_gpa(d, (XENSTORE_GFN << PAGE_SHIFT) + offsetof(struct xenstore_domain_interface, connection),
			     &reconnect, sizeof(reconnect));

	if (!rc)
		rc = evtchn_alloc_unbound(d, store, &port);
	if (!rc)
		rc = grant_seed(d, GNTTAB_RESERVED_XENSTORE, store, gfn(XENSTORE_GFN), false);
	if (rc)
		return rc;
	d->hvm_params[HVM_PARAM_STORE_PFN] = XENSTORE_GFN;
	d->hvm_params[HVM_PARAM_STORE_EVTCHN] = port;
	return 0;
}

static int seed_console(struct domain *d, struct consring *ring)
{
	domid_t console = holder_of(ROLE_CONSOLE);
	evtchn_port_t port;
	int rc = evtchn_alloc_unbound(d, console, &port);

	if (!rc)
		rc = grant_seed(d, GNTTAB_RESERVED_CONSOLE, console, gfn(CONSOLE_GFN), false);
	if (!rc)
		rc = consring_open(d, ring, gfn(CONSOLE_GFN), port);
	if (rc)
		return rc;
	d->hvm_params[HVM_PARAM_CONSOLE_PFN] = CONSOLE_GFN;
	d->hvm_params[HVM_PARAM_CONSOLE_EVTCHN] = port;
	return 0;
}

/*
 * The hardware domain is Linux's initial domain: it talks through console_io, and reads STORE_EVTCHN as 0, which means
 * "the store runs here". Everybody else gets both rings.
 */
static int seed(struct build *b)
{
	struct domain *d = b->d;
	int rc;

	d->hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_CRASH;
	if (domain_has_role(d, ROLE_HARDWARE))
		return console_io_attach(d);
	rc = seed_store(d);
	return rc ? rc : seed_console(d, &b->in->consring);
}

/* See internal.h. */
void launch_seed_grants(struct launch_instance *in)
{
	unsigned self = (unsigned)(in - launch.inst);

	for (unsigned i = 0; i < launch.cfg.nr_grants; i++) {
		const struct launch_grant *g = &launch.cfg.grants[i];
		int rc;

		if (g->dom != self)
			continue;
		rc = grant_seed(in->d, g->ref, launch.cfg.domains[g->peer].domid, gfn(g->gfn), g->readonly);
		if (rc)
			printk(LOG_WARN, "launch: %s: static grant %u of gfn 0x%lx not made: error %d\n",
			       in->desc->name, g->ref, (unsigned long)g->gfn, -rc);
	}
}

/* The domain ----------------------------------------------------------------------------------------------- */

static void pin_each(struct domain *d)
{
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		cpumask_t one;

		cpumask_clear(&one);
		cpumask_set(&one, i % nr_cpus_online());
		if (sched_set_affinity(d->vcpu[i], &one, NULL))
			printk(LOG_WARN, "launch: vCPU %u of d%u cannot be pinned\n", i, d->id);
	}
}

static int begin(struct build *b)
{
	return b->plan.hw ? hwdom_init(b->d) : 0;
}

static int make_vcpus(struct build *b)
{
	while (b->item < b->in->desc->cpus) {
		int rc = vcpu_create(b->d, b->item);

		if (rc)
			return build_ended(b, rc);
		b->item++;
		if (build_pause(b))
			return -ERESTART;
	}
	return build_ended(b, 0);
}

/* Where they run, and how much. */
static int place_vcpus(struct build *b)
{
	const struct launch_domain *desc = b->in->desc;
	uint16_t weight = desc->weight ? desc->weight : SCHED_DEFAULT_WEIGHT, cap = desc->cap;
	struct domain *d = b->d;

	if ((desc->weight || desc->cap) && sched_adjust(d, true, &weight, &cap))
		printk(LOG_WARN, "launch: %s: weight %u and cap %u not accepted: defaults used\n", desc->name, weight,
		       cap);
	sched_set_class(d, (enum sched_class)desc->class);
	for (unsigned i = 0; i < desc->cpus && desc->pinned; i++)
		if (sched_set_affinity(d->vcpu[i], &desc->affinity, NULL)) {
			printk(LOG_WARN, "launch: %s: none of its CPUs is online: runs anywhere\n", desc->name);
			break;
		}
	if (desc->pin_each)
		pin_each(d);
	numa_follow_cpus(d); /* its memory comes after this */
	return 0;
}

static int create(struct launch_instance *in, const struct plan *p, struct domain **out)
{
	const struct launch_domain *desc = in->desc;
	uint64_t extra = plan_own_pages(p) - (p->ram >> PAGE_SHIFT) + SLACK_PAGES;
	uint64_t ram = max_u64(desc->max_memory_kib << 10, p->ram) >> PAGE_SHIFT;
	struct domain_config cfg = {
		.domid = desc->domid,
		.roles = desc->roles,
		.max_vcpus = desc->cpus,
		.max_pages = ram + extra + plan_scratch_pages(p),
		.overhead_max = desc->overhead_max_kib << 10,
		.hold = true,
	};

	(void)str_copy(cfg.name, desc->name, sizeof(cfg.name));
	memcpy(cfg.handle, desc->uuid, sizeof(cfg.handle));
	in->max_pages = ram + extra;
	return domain_create(&cfg, out);
}

/* All that can be short of something. */
static int (*const steps[])(struct build *b) = {
	begin, make_vcpus, place_vcpus, build_take_reserved, build_populate, build_copy, build_tables, seed,
};

/* -ERESTART: it is time for others. */
static int fill(struct build *b)
{
	while (b->step < ARRAY_SIZE(steps)) {
		int rc = steps[b->step](b);

		if (rc)
			return rc;
		b->step++;
		if (build_pause(b) && b->step < ARRAY_SIZE(steps))
			return -ERESTART;
	}
	return 0;
}

static void set_entry(struct launch_instance *in, struct domain *d, const struct plan *p)
{
	in->in_loader = !p->direct;
	in->start_info = (uint32_t)p->info_gpa;
	in->low_ram_end = p->low_end;
	in->loader_pages = p->direct ? 0 : (ROUND_UP(p->image.high, PAGE_SIZE) - LOADER_BASE) >> PAGE_SHIFT;
	in->scratch_pages = plan_scratch_pages(p);
	arch_vcpu_set_entry(d->vcpu[0], p->entry, (uint32_t)(p->direct ? p->info_gpa : p->loader_info_gpa));
}

/* The domain of @b, with a promise of its memory. Says why not. */
static int create_claimed(struct build *b)
{
	const struct plan *plan = &b->plan;
	struct launch_instance *in = b->in;
	uint64_t need = plan_own_pages(plan) + plan_scratch_pages(plan) - plan->reserved;
	struct domain *d;
	int rc = create(in, plan, &d);

	if (rc == -EEXIST)
		return rc; /* the caller may try again */
	if (rc) {
		printk(LOG_WARN, "launch: %s (d%u): cannot be created: error %d: left out\n", in->desc->name,
		       in->desc->domid, -rc);
		return rc;
	}
	rc = mm_claim(d, need);
	if (rc) {
		printk(LOG_WARN, "launch: %s (d%u): needs %lu MiB, %lu MiB are free: left out\n", in->desc->name,
		       in->desc->domid, (unsigned long)((need + 255) >> 8), (unsigned long)(mm_free_frames() >> 8));
		domain_kill_later(d);
		domain_put(d);
		return rc;
	}
	b->d = d;
	return 0;
}

/* All is there: it is @in's domain now. -ESRCH: somebody has begun to destroy it. */
static int finish(struct build *b)
{
	struct launch_instance *in = b->in;
	struct domain *d = b->d;
	int rc = mm_claim(d, 0); /* what is left of the promise; giving back cannot fail */

	ASSERT(rc == 0);
	set_entry(in, d, &b->plan);
	spin_lock(&d->lock);
	if (d->dying) {
		rc = err(-ESRCH);
	} else {
		d->launch = in;
		in->d = d;
	}
	spin_unlock(&d->lock);
	if (!rc && b->plan.hw && domain_get(d))
		hardware_domain = d;
	return rc;
}

/* Go on with @b, or with an error undo everything. -ERESTART. */
static int build(struct build *b)
{
	struct launch_instance *in = b->in;
	int rc = fill(b);

	if (rc == -ERESTART)
		return rc;
	if (!rc)
		rc = finish(b);
	if (rc) {
		printk(LOG_WARN, "launch: %s (d%u): %s (error %d): left out\n", in->desc->name, in->desc->domid,
		       rc == -ENOMEM ? "out of memory while it was built" : "building failed", -rc);
		while (consring_close(b->d))
			; /* nobody has run there: nothing is in it */
		domain_kill_later(b->d);
	}
	domain_put(b->d);
	return rc;
}

/* Plan the domain of @in, and make it without anything in it. */
static int build_begin(struct build *b, struct launch_instance *in)
{
	const char *why;

	*b = (struct build){ .in = in, .limit = ORDER_1G, .pauses = !launch.starting };
	why = plan_make(&b->plan, in);
	if (!why)
		return create_claimed(b);
	printk(LOG_WARN, "launch: %s (d%u): %s: left out\n", in->desc->name, in->desc->domid, why);
	return err(-EINVAL);
}

/* See internal.h. */
int launch_build(struct launch_instance *in)
{
	struct build *b = &building.one;
	int rc = 0;

	if (b->in && b->in != in)
		return -ERESTART;
	if (!b->in)
		rc = build_begin(b, in);
	if (!rc)
		rc = build(b);
	if (rc == -ERESTART)
		return rc;
	plan_free(&b->plan);
	b->in = NULL;
	return rc;
}

/* See internal.h. */
int launch_hwdom_ready(struct domain *d)
{
	int rc = hwdom_ready(d);

	if (!rc)
		return 0;
	printk(LOG_WARN, "launch: %s (d%u): the machine's devices cannot be handed over: error %d\n", d->name, d->id,
	       -rc);
	domain_shutdown(d, SHUTDOWN_CRASH);
	return rc;
}

/* See internal.h. */
void launch_start(struct launch_instance *in)
{
	struct domain *d = in->d;

	if (d == hardware_domain && !in->in_loader && launch_hwdom_ready(d))
		return;
	d->creation_finished = true;
	d->controller_pause_count = 0;
	__atomic_fetch_and(&d->vcpu[0]->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST);
	domain_unpause(d);
}
