/*
 * A domain's configuration: one structure from parser to builder to printer. Made from an xl.cfg file, from libxl's JSON (which `xl list -l`
 * prints and Debian's libxl keeps in /var/lib/xen/userdata-d.*), and turned back into that JSON.
 *
 * Strings are malloc()ed or NULL (not given). Sizes are KiB unless the name says otherwise. A `line` is the config file's, for messages; 0: none.
 */
#ifndef DOMAIN_CONFIG_H
#define DOMAIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct problem;

enum domain_type { DOMAIN_PV, DOMAIN_PVH, DOMAIN_HVM };
enum domain_action {
	ACTION_DESTROY,
	ACTION_RESTART,
	ACTION_RENAME_RESTART,
	ACTION_PRESERVE,
	ACTION_COREDUMP_DESTROY,
	ACTION_COREDUMP_RESTART,
	ACTION_SOFT_RESET,
};
enum disk_format { DISK_RAW, DISK_QCOW2, DISK_VHD, DISK_QED, DISK_EMPTY };
enum disk_backend { DISK_BACKEND_ANY, DISK_BACKEND_PHY, DISK_BACKEND_QDISK, DISK_BACKEND_STANDALONE };
enum tsc_mode { TSC_DEFAULT, TSC_EMULATE, TSC_NATIVE, TSC_PVRDTSCP };

/* CPUs as a list of bits, or all. */
struct cpu_list {
	bool all;      /* "all" */
	uint8_t *bits; /* NULL: not given */
	unsigned nr_bits;
};

struct disk_config {
	int line;
	char *target; /* "pdev_path": file or device; NULL: empty drive */
	char *vdev;   /* xvda, sda1, hdc, d0p1 ... */
	enum disk_format format;
	enum disk_backend backend;
	bool readonly, cdrom, removable, direct_io_safe, discard_off, untrusted;
	char *script;		    /* NULL: none */
	char *backend_domain;	    /* "backend=": name or id; NULL: domain 0 */
	struct json_object *others; /* members of libxl's JSON that nothing here uses; NULL: none */
};

struct nic_config {
	int line;
	int devid;	/* -1: the next free */
	uint8_t mac[6]; /* all zero: to be generated (00:16:3e) */
	char *bridge, *ip, *script, *vifname, *model, *type, *gatewaydev, *backend_domain;
	unsigned mtu; /* 0: the bridge's */
	uint64_t rate_bytes;
	uint32_t rate_us;
	int vlan;			/* -1: none */
	bool untrusted, trusted, accel; /* neither of the first two: not said */
};

struct vcpu_affinity {
	struct cpu_list hard, soft;
};

struct domain_config {
	char *file; /* where it was read; for messages */
	/* Identity. */
	char *name;
	uint8_t uuid[16]; /* all zero: to be generated */
	enum domain_type type;
	bool type_given;
	char *pool;
	char *seclabel, *init_seclabel;
	bool nomigrate, driver_domain;
	/* CPUs. */
	unsigned vcpus, maxvcpus; /* online at start, and the most */
	bool vcpus_given, maxvcpus_given;
	unsigned nr_cpus;		     /* of the machine: set it before reading; 0: not known */
	struct vcpu_affinity affinity;	     /* for all vCPUs */
	struct vcpu_affinity *vcpu_affinity; /* cpus=[...]: one each; NULL */
	unsigned nr_vcpu_affinity;
	int weight, cap; /* -1: the scheduler's default */
	int period, slice, latency;
	int latency_class; /* HOSPES_LATENCY_* */
	char *cpuid;	   /* as written, NULL: none */
	bool nestedhvm, vpmu;
	enum tsc_mode tsc_mode;
	/* Memory. */
	uint64_t memory, maxmem; /* KiB */
	/* What to do at the end. */
	enum domain_action on_poweroff, on_reboot, on_watchdog, on_crash, on_soft_reset;
	/* Boot. */
	char *kernel, *ramdisk;
	char *cmdline; /* root=, extra= and cmdline= put together as xl does */
	char *bootloader, *firmware;
	char **bootloader_args; /* NULL-terminated */
	/* Limits: UINT32_MAX = the hypervisor's default. */
	uint32_t max_grant_frames, max_maptrack_frames, max_event_channels;
	uint32_t overhead_max; /* MiB the hypervisor may use for it beside its memory */
	int max_grant_version; /* -1: default */
	/* Devices. */
	struct disk_config *disks;
	unsigned nr_disks;
	struct nic_config *nics;
	unsigned nr_nics;
	/* Extra consoles ("channel=") as written. */
	char **channels;
	unsigned nr_channels;
	char *passthrough; /* as written: disabled, share_pt, ... */
	char **pci;	   /* as written */
	unsigned nr_pci;
	/* What libxl's JSON has and nothing here uses: a tree of the same form, put together with ours when it is printed. NULL: none. */
	struct json_object *others;
};

/* Defaults as xl's. */
void domain_config_init(struct domain_config *c);
void domain_config_free(struct domain_config *c);
void domain_config_copy(struct domain_config *to, const struct domain_config *from);

/* One remark on a configuration that is nevertheless used: unknown or ignored key, deprecated spelling. */
typedef void config_remark(void *arg, int line, const char *text);

/*
 * Read xl.cfg @text of @file, then the "key=value" lines of @overrides (NULL-terminated or NULL). The problem names file, line, key and cause.
 */
int domain_config_parse(struct domain_config *c, const char *file, const char *text, char *const *overrides,
			config_remark *remark, void *arg, struct problem *p);
/* Disk and network specifications on their own, as `xl block-attach`/`network-attach` take them (words are joined). */
int disk_config_parse(struct disk_config *d, const char *spec, struct problem *p);
int nic_config_parse(struct nic_config *n, const char *spec, struct problem *p);
void disk_config_free(struct disk_config *d);
void nic_config_free(struct nic_config *n);
/* The number of a virtual block device ("xvda" 51712, "xvdb1", "sda", "hdc", "d1p2", "768"); -1: not one. docs: xen-vbd-interface(7). */
int disk_vdev_number(const char *vdev);
/* "all", "0-3,^2,5", "nodes:0", "node:1": of @nr_cpus CPUs. 0 or -EINVAL. Node forms need a map: node_of(arg, cpu). */
int cpu_list_parse(struct cpu_list *l, const char *text, unsigned nr_cpus);
void cpu_list_free(struct cpu_list *l);
/* Only those that are in @mask too stay in @l; both were given. False: none is left. */
bool cpu_list_and(struct cpu_list *l, const struct cpu_list *mask);
/* "0-3,5" or "all", as xl prints. */
char *cpu_list_format(const struct cpu_list *l, unsigned nr_cpus);

/* Put @value (taken over) into `others` at @path: names with '/' between, "b_info/type.hvm/acpi_s3". */
void domain_config_set_other(struct domain_config *c, const char *path, struct json_object *value);
/* What stands there, or NULL. */
struct json_object *domain_config_other(const struct domain_config *c, const char *path);

/* libxl 4.17's JSON of a domain's configuration: {"c_info": {...}, "b_info": {...}, "disks": [...], "nics": [...], ...}. */
struct json_object *domain_config_json(const struct domain_config *c);
int domain_config_from_json(struct domain_config *c, struct json_object *json, struct problem *p);
/* One disk or network interface, as they stand in "disks" and "nics". */
struct json_object *disk_config_json(const struct disk_config *d);
struct json_object *nic_config_json(const struct nic_config *n);
int disk_config_from_json(struct disk_config *d, struct json_object *json, struct problem *p);
int nic_config_from_json(struct nic_config *n, struct json_object *json, struct problem *p);
struct text;
/* Any JSON as the bytes libxl's printer makes of it: four blanks a level, an empty line in what is empty. */
void json_print(struct text *t, struct json_object *json);

#endif
