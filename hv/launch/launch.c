/* The boot step: find out what to launch, build it all, join it, start it. */
#include "hv/launch.h"
#include "hv/console.h"

#include "fdt.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "internal.h"

struct launch_state launch;

/* See internal.h: GRUB 2 and PVH loaders pass only the arguments, Multiboot 1 loaders like QEMU put the file's name first. */
const char *launch_module_args(const struct boot_info *bi, unsigned i)
{
	const char *s = bi->modules[i].cmdline;

	if (strncmp(bi->loader, "GRUB ", 5) != 0 && strcmp(bi->protocol, "pvh") != 0)
		while (*s && *s != ' ')
			s++;
	while (*s == ' ')
		s++;
	return s;
}

/* Index of the first module that is a device tree, or -1. */
static int find_tree(const struct boot_info *bi)
{
	for (unsigned i = 0; i < bi->nr_modules; i++)
		if (fdt_is_tree(paddr_to_virt(bi->modules[i].start), bi->modules[i].size))
			return (int)i;
	return -1;
}

static void read_tree(struct launch_config *cfg, const struct boot_info *bi, unsigned tree)
{
	uint64_t sizes[BOOT_MAX_MODULES];

	for (unsigned i = 0; i < bi->nr_modules; i++)
		sizes[i] = bi->modules[i].size;
	if (launch_parse(cfg, paddr_to_virt(bi->modules[tree].start), bi->modules[tree].size, bi->nr_modules, sizes))
		printk(LOG_WARN, "launch: module %u: the launch tree cannot be used\n", tree);
	for (unsigned i = 0; i < cfg->nr_faults && i < LAUNCH_MAX_FAULTS; i++)
		printk(cfg->faults[i].note ? LOG_INFO : LOG_WARN, "launch: %s\n", cfg->faults[i].text);
	if (cfg->nr_faults > LAUNCH_MAX_FAULTS)
		printk(LOG_WARN, "launch: %u more faults\n", cfg->nr_faults - LAUNCH_MAX_FAULTS);
}

static void build_one(struct launch_instance *in)
{
	bool timeline = param_bool("boot-timeline", false);
	stime_t begin = now();

	launch_policy_init(in);
	if (launch_build(in))
		return;
	printk(LOG_INFO, "launch: d%u: %s, %lu MiB, %u vCPUs\n", in->d->id, in->desc->name,
	       (unsigned long)(in->desc->memory_kib >> 10), in->desc->cpus);
	if (timeline)
		printk(LOG_INFO, "boot-timeline: launch %s: %ld ms\n", in->desc->name,
		       (long)((now() - begin) / MILLISECS(1)));
}

static void join_links(void)
{
	for (unsigned i = 0; i < launch.cfg.nr_links; i++) {
		const struct launch_link *l = &launch.cfg.links[i];
		struct domain *a = launch.inst[l->dom].d, *b = launch.inst[l->peer].d;
		evtchn_port_t pa = l->port, pb = l->peer_port;
		int rc = a && b ? evtchn_link(a, &pa, b, &pb) : -ESRCH;

		if (rc)
			printk(LOG_WARN, "launch: static link of %s port %u with %s port %u not made: error %d\n",
			       launch.cfg.domains[l->dom].name, l->port, launch.cfg.domains[l->peer].name, l->peer_port,
			       -rc);
	}
}

/* What is typed goes to the domain with the console function; without one to the first that runs. */
static void give_focus(void)
{
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < launch.cfg.nr_domains; i++) {
			struct domain *d = launch.inst[i].d;

			if (d && (pass || domain_has_role(d, ROLE_CONSOLE))) {
				console_set_focus(d->id);
				return;
			}
		}
}

static bool wants_hardware(const struct launch_config *cfg)
{
	for (unsigned i = 0; i < cfg->nr_domains; i++)
		if (cfg->domains[i].roles & ROLE_HARDWARE)
			return true;
	return false;
}

/* See hv/launch.h. Never fails as a whole: each domain that cannot be launched has its line in the log. */
void launch_domains(const struct boot_info *bi)
{
	struct launch_config *cfg = &launch.cfg;
	int tree = find_tree(bi);

	launch.bi = bi;
	launch.starting = true;
	if (tree >= 0)
		read_tree(cfg, bi, (unsigned)tree);
	else if (launch_classic(cfg, bi))
		printk(LOG_WARN, "launch: the boot loader gave no kernel and no launch tree: nothing to launch\n");
	mm_scrub_stop();
	mm_boot_release();
	if (hwdom_identity() && wants_hardware(cfg))
		launch_move_modules(&boot_info);
	for (unsigned i = 0; i < cfg->nr_domains; i++) {
		launch.inst[i].desc = &cfg->domains[i];
		build_one(&launch.inst[i]);
	}
	mm_scrub_go();
	join_links();
	for (unsigned i = 0; i < cfg->nr_domains; i++)
		if (launch.inst[i].d)
			launch_seed_grants(&launch.inst[i]);
	launch.starting = false;
	if (launch_alive() == 0) {
		printk(LOG_WARN, "launch: no domain runs; this console stays\n");
		return;
	}
	give_focus();
	/* The boot domain first: it prepares for the others. */
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < cfg->nr_domains; i++)
			if (launch.inst[i].d && domain_has_role(launch.inst[i].d, ROLE_BOOT) == (pass == 0)) {
				launch.inst[i].started = now();
				launch_start(&launch.inst[i]);
			}
}
