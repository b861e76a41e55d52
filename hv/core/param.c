/*
 * The command line. Syntax and names are Xen's (its command line document): blank-separated options, "name",
 * "no-name", "name=value", '-' and '_' alike, " -- " ends what is meant for the hypervisor. The last of several wins.
 */
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/parse.h"
#include "hv/printk.h"
#include "hv/string.h"

#define MAX_OPTIONS 128u
#define NAME_MAX 40u

struct option {
	const char *name;  /* in text[] */
	const char *value; /* never NULL; "" when none was given */
	bool negated;	   /* had the no- prefix */
};

static struct {
	char text[BOOT_CMDLINE_LEN]; /* the command line, cut into strings */
	struct option options[MAX_OPTIONS];
	unsigned nr;
	const char *extra; /* behind " -- " */
} params = { .extra = "" };

/* Options Xen 4.17 takes on x86, as users have them in their boot entries; then ours. What has no meaning here is accepted in silence. */
static const char *const known[] = { "acpi",
				     "acpi_apic_instance",
				     "acpi_pstate_strict",
				     "acpi_skip_timer_override",
				     "acpi_sleep",
				     "allow_unsafe",
				     "altp2m",
				     "apic",
				     "apic_verbosity",
				     "apicv",
				     "arat",
				     "argo",
				     "asid",
				     "async-show-all",
				     "ats",
				     "availmem",
				     "badpage",
				     "bootscrub",
				     "bootscrub_chunk",
				     "cet",
				     "clocksource",
				     "cmci-threshold",
				     "cmos-rtc-probe",
				     "com1",
				     "com2",
				     "conring_size",
				     "console",
				     "console_timestamps",
				     "console_to_ring",
				     "conswitch",
				     "core_parking",
				     "cpu_type",
				     "cpufreq",
				     "cpuid",
				     "cpuid_mask_cpu",
				     "cpuid_mask_ecx",
				     "cpuid_mask_edx",
				     "cpuid_mask_ext_ecx",
				     "cpuid_mask_ext_edx",
				     "cpuid_mask_l7s0_eax",
				     "cpuid_mask_l7s0_ebx",
				     "cpuid_mask_thermal_ecx",
				     "cpuid_mask_xsave_eax",
				     "cpuidle",
				     "cpuinfo",
				     "crash-debug-debugkey",
				     "crash-debug-hwdom",
				     "crash-debug-kexec",
				     "crash-debug-kexeccmd",
				     "crash-debug-panic",
				     "crash-debug-watchdog",
				     "crashinfo_maxaddr",
				     "crashkernel",
				     "credit2_balance_over",
				     "credit2_balance_under",
				     "credit2_cap_period_ms",
				     "credit2_load_precision_shift",
				     "credit2_load_window_shift",
				     "credit2_max_cpus_runqueue",
				     "credit2_runqueue",
				     "dbgp",
				     "debug_stack_lines",
				     "dit",
				     "dma_bits",
				     "dom0",
				     "dom0-cpuid",
				     "dom0-iommu",
				     "dom0_ioports_disable",
				     "dom0_max_vcpus",
				     "dom0_mem",
				     "dom0_nodes",
				     "dom0_vcpus_pin",
				     "e820-mtrr-clip",
				     "e820-verbose",
				     "edd",
				     "edid",
				     "efi",
				     "ehci-dbgp",
				     "ept",
				     "extra_guest_irqs",
				     "flask",
				     "font",
				     "force-ept",
				     "global-pages",
				     "gnttab",
				     "gnttab_max_frames",
				     "gnttab_max_maptrack_frames",
				     "guest_loglvl",
				     "hap",
				     "hap_1gb",
				     "hap_2mb",
				     "hardware_dom",
				     "hest_disable",
				     "highmem-start",
				     "hpet",
				     "hpetbroadcast",
				     "hvm_debug",
				     "hvm_fep",
				     "hvm_port80",
				     "idle_latency_factor",
				     "invpcid",
				     "ioapic_ack",
				     "iommu",
				     "iommu_dev_iotlb_timeout",
				     "iommu_inclusive_mapping",
				     "irq-max-guests",
				     "irq_ratelimit",
				     "irq_vector_map",
				     "ivmd",
				     "ivrs_hpet",
				     "ivrs_ioapic",
				     "kexec",
				     "lapic",
				     "lapic_timer_c2_ok",
				     "ler",
				     "loglvl",
				     "low_crashinfo",
				     "low_mem_virq_limit",
				     "max_cstate",
				     "max_gsi_irqs",
				     "maxcpus",
				     "mce",
				     "mce_fb",
				     "mce_verbosity",
				     "mem",
				     "memop-max-order",
				     "mmcfg",
				     "mmio-relax",
				     "msi",
				     "mtrr.show",
				     "mwait-idle",
				     "nmi",
				     "noapic",
				     "noirqbalance",
				     "nolapic",
				     "noreboot",
				     "nosmp",
				     "nr_irqs",
				     "numa",
				     "pci",
				     "pci-phantom",
				     "pcid",
				     "pdx-compress",
				     "pku",
				     "placeholder", /* no option: GRUB's menu puts it in front */
				     "ple_gap",
				     "ple_window",
				     "preferred-cstates",
				     "psr",
				     "pv",
				     "pv-l1tf",
				     "pv-linear-pt",
				     "pv-shim",
				     "rcu-idle-timer-period-ms",
				     "real-mode",
				     "reboot",
				     "rmrr",
				     "ro-hpet",
				     "sched",
				     "sched-gran",
				     "sched_credit2_max_cpus_runqueue",
				     "sched_credit2_migrate_resist",
				     "sched_credit_tslice_ms",
				     "sched_ratelimit_us",
				     "sched_smt_power_savings",
				     "scrub-domheap",
				     "serial_tx_buffer",
				     "shim_mem",
				     "smap",
				     "smep",
				     "smt",
				     "snb_igd_quirk",
				     "spec-ctrl",
				     "sync_console",
				     "tboot",
				     "tbuf_size",
				     "tdt",
				     "tevt_mask",
				     "tickle_one_idle_cpu",
				     "timer_slop",
				     "tsc",
				     "tsx",
				     "ucode",
				     "unrestricted_guest",
				     "vcpu_migration_delay",
				     "vesa-map",
				     "vesa-ram",
				     "vga",
				     "viridian-spinlock-retry-count",
				     "viridian-version",
				     "vm-notify-window",
				     "vpid",
				     "vpmu",
				     "watchdog",
				     "watchdog_timeout",
				     "x2apic",
				     "x2apic_phys",
				     "xpti",
				     "xsave",
				     "xsm",
				     "boot-timeline",
				     "pod",
				     "overhead_max" };

static char fold(char c)
{
	return c == '_' ? '-' : c;
}

/* Xen compares names with '-' and '_' alike; "ivrs_hpet[3]" is named by what is before the bracket. */
static bool same_name(const char *a, const char *b)
{
	while (*a && fold(*a) == fold(*b))
		a++, b++;
	return (!*a && (!*b || *b == '[')) || (*a == '[' && !*b);
}

static bool is_known(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (same_name(known[i], name))
			return true;
	return false;
}

/* "no-name" without a value negates, unless an option is really called that. */
static void add_option(char *text)
{
	struct option o = { .name = text, .value = "" };
	char *value = strchr(text, '=');

	if (value) {
		*value = '\0';
		o.value = value + 1;
	} else if (!strncmp(text, "no-", 3) && !is_known(text)) {
		o.negated = true;
		o.name = text + 3;
	}
	if (!is_known(o.name)) {
		printk(LOG_WARN, "Unknown command line option \"%s\" ignored\n", text);
		return;
	}
	if (params.nr == MAX_OPTIONS) {
		printk(LOG_WARN, "Command line option \"%s\" ignored: more than %u options\n", text, MAX_OPTIONS);
		return;
	}
	params.options[params.nr++] = o;
}

/* Read @cmdline, forgetting an earlier one. Each unknown option gets one line. Boot CPU. */
void param_parse(const char *cmdline)
{
	char *p = params.text;

	params.nr = 0;
	params.extra = "";
	if (!str_copy(params.text, cmdline, sizeof(params.text)))
		printk(LOG_WARN, "Command line cut to %u characters\n", BOOT_CMDLINE_LEN - 1);
	for (;;) {
		char *start, last;

		while (*p == ' ' || *p == '\t' || *p == '\n')
			p++;
		if (!*p)
			return;
		start = p;
		while (*p && *p != ' ' && *p != '\t' && *p != '\n')
			p++;
		last = *p;
		*p = '\0';
		if (!strcmp(start, "--")) {
			params.extra = last ? p + 1 : "";
			return;
		}
		add_option(start);
		if (!last)
			return;
		p++;
	}
}

/* What follows " -- ": for the initial domain's kernel. Never NULL. */
const char *param_extra(void)
{
	return params.extra;
}

static const struct option *find(const char *name)
{
	for (unsigned i = params.nr; i-- > 0;)
		if (same_name(name, params.options[i].name))
			return &params.options[i];
	return NULL;
}

static void bad_value(const struct option *o)
{
	printk(LOG_WARN, "Command line option %s: value \"%s\" not understood, default kept\n", o->name, o->value);
}

/* Value of a boolean option: bare means on. Anything else than a boolean word keeps @dflt, with a warning. */
bool param_bool(const char *name, bool dflt)
{
	const struct option *o = find(name);
	int val;

	if (!o)
		return dflt;
	if (!*o->value)
		return !o->negated;
	val = parse_bool(o->value, strlen(o->value));
	if (val < 0) {
		bad_value(o);
		return dflt;
	}
	return val;
}

/* Value of a size option. no-name is 0. */
uint64_t param_size(const char *name, uint64_t dflt)
{
	const struct option *o = find(name);
	uint64_t val;

	if (!o)
		return dflt;
	if (o->negated)
		return 0;
	if (parse_size(o->value, &val)) {
		bad_value(o);
		return dflt;
	}
	return val;
}

/* Value of a number option. no-name is 0. */
int64_t param_int(const char *name, int64_t dflt)
{
	const struct option *o = find(name);
	int64_t val;

	if (!o)
		return dflt;
	if (o->negated)
		return 0;
	if (parse_int(o->value, &val)) {
		bad_value(o);
		return dflt;
	}
	return val;
}

/* Text of an option, "" when it came bare, "no" for no-name. Valid until the next param_parse(). */
const char *param_string(const char *name, const char *dflt)
{
	const struct option *o = find(name);

	if (!o)
		return dflt;
	return o->negated ? "no" : o->value;
}

/* Item @item of a list option such as iommu=off,verbose or dom0=pvh: last mention as "item", "no-item", "item=bool"; else @dflt. */
bool param_list_bool(const char *name, const char *item, bool dflt)
{
	const char *list = param_string(name, NULL), *s;
	size_t len, want = strlen(item);
	int val;

	while (parse_item(&list, ',', &s, &len)) {
		if (parse_is(s, len, item))
			dflt = true;
		else if (len > 3 && !strncmp(s, "no-", 3) && parse_is(s + 3, len - 3, item))
			dflt = false;
		else if (len > want && s[want] == '=' && !strncmp(s, item, want)) {
			val = parse_bool(s + want + 1, len - want - 1);
			if (val >= 0)
				dflt = val;
		}
	}
	return dflt;
}

/* Number of item @item of a list option such as gnttab=max-ver:1,transitive; "item:value" or "item=value", the last mention counts. */
int64_t param_list_int(const char *name, const char *item, int64_t dflt)
{
	const char *list = param_string(name, NULL), *s;
	size_t len, want = strlen(item);
	char text[24];
	int64_t val;

	while (parse_item(&list, ',', &s, &len)) {
		size_t n = len - want - 1;

		if (len <= want + 1 || n >= sizeof(text) || strncmp(s, item, want) ||
		    (s[want] != ':' && s[want] != '='))
			continue;
		memcpy(text, s + want + 1, n);
		text[n] = '\0';
		if (parse_int(text, &val) == 0)
			dflt = val;
	}
	return dflt;
}
