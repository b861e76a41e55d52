/* xl info, dmesg, debug-keys, set-parameters. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <json-c/json.h>

#include <abi/memory.h>
#include <abi/version.h>

#include "cmd.h"
#include "hcall/hcall.h"
#include "hcall/hypfs.h"
#include "machine.h"
#include "xl.h"

/* A text of the hypervisor about itself; "" where it does not tell. To be freed. */
static char *version_text(unsigned cmd, size_t size)
{
	char *s = xcalloc(size + 1, 1);

	if (hcall_version(xl_hcall(), cmd, s, size) < 0)
		*s = 0;
	return s;
}

static uint64_t shared(unsigned cmd)
{
	long n = hcall_memory(xl_hcall(), cmd, NULL, 0);

	return n < 0 ? 0 : (uint64_t)n;
}

/* One line, or one member. Names have the width that others cut at. */
static void show(struct json_object *json, const char *key, const char *value)
{
	if (json)
		json_object_object_add(json, key, json_object_new_string(value));
	else
		printf("%-22s : %s\n", key, value);
}

static void show_number(struct json_object *json, const char *key, uint64_t n)
{
	if (json)
		json_object_object_add(json, key, json_object_new_int64((int64_t)n));
	else
		printf("%-22s : %llu\n", key, (unsigned long long)n);
}

static void show_caps(struct json_object *json, const struct xen_sysctl_physinfo *p)
{
	uint32_t c = p->capabilities;
	bool hvm = c & XEN_SYSCTL_PHYSCAP_hvm, pv = c & XEN_SYSCTL_PHYSCAP_pv, io = c & XEN_SYSCTL_PHYSCAP_directio;
	char s[256], hw[96];
	size_t n = 0;

	for (unsigned i = 0; i < 8; i++)
		n += (size_t)snprintf(hw + n, sizeof(hw) - n, "%s%08x", i ? ":" : "", p->hw_cap[i]);
	show(json, "hw_caps", hw);
	snprintf(s, sizeof(s), "%s%s%s%s%s%s%s%s%s%s%s", pv ? " pv" : "", hvm ? " hvm" : "",
		 hvm && io ? " hvm_directio" : "", pv && io ? " pv_directio" : "",
		 c & XEN_SYSCTL_PHYSCAP_hap ? " hap" : "", c & XEN_SYSCTL_PHYSCAP_shadow ? " shadow" : "",
		 c & XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share ? " iommu_hap_pt_share" : "",
		 c & XEN_SYSCTL_PHYSCAP_vmtrace ? " vmtrace" : "", c & XEN_SYSCTL_PHYSCAP_vpmu ? " vpmu" : "",
		 c & XEN_SYSCTL_PHYSCAP_gnttab_v1 ? " gnttab-v1" : "",
		 c & XEN_SYSCTL_PHYSCAP_gnttab_v2 ? " gnttab-v2" : "");
	if (json)
		show(json, "virt_caps", *s ? s + 1 : s);
	else
		printf("%-22s :%s\n", "virt_caps", s);
}

static void show_machine(struct json_object *json)
{
	struct xen_sysctl_physinfo p = machine_physinfo();
	struct cpu_list free_cpus = machine_free_cpus();
	unsigned nr_free = 0;
	char mhz[32];

	for (unsigned i = 0; i < free_cpus.nr_bits; i++)
		nr_free += free_cpus.bits[i / 8] >> i % 8 & 1;
	cpu_list_free(&free_cpus);
	show_number(json, "nr_cpus", p.nr_cpus);
	show_number(json, "max_cpu_id", p.max_cpu_id);
	show_number(json, "nr_nodes", p.nr_nodes);
	show_number(json, "cores_per_socket", p.cores_per_socket);
	show_number(json, "threads_per_core", p.threads_per_core);
	snprintf(mhz, sizeof(mhz), "%u.%03u", p.cpu_khz / 1000, p.cpu_khz % 1000);
	show(json, "cpu_mhz", mhz);
	show_caps(json, &p);
	show_number(json, "total_memory", p.total_pages >> 8);
	show_number(json, "free_memory", (p.free_pages - p.outstanding_pages) >> 8);
	show_number(json, "sharing_freed_memory", shared(XENMEM_get_sharing_freed_pages) >> 8);
	show_number(json, "sharing_used_memory", shared(XENMEM_get_sharing_shared_pages) >> 8);
	show_number(json, "outstanding_claims", p.outstanding_pages >> 8);
	show_number(json, "free_cpus", nr_free);
}

static void show_topology(void)
{
	struct xen_sysctl_cputopo *cpus;
	struct xen_sysctl_meminfo *nodes;
	uint32_t *distances;
	unsigned nr;

	cpus = machine_cpus(&nr);
	printf("cpu_topology           :\ncpu:    core    socket     node\n");
	for (unsigned i = 0; i < nr; i++)
		if (cpus[i].core != XEN_INVALID_CORE_ID)
			printf("%3u:    %4u     %4u     %4u\n", i, cpus[i].core, cpus[i].socket, cpus[i].node);
	free(cpus);
	/* Nodes of devices are known to the control domain's kernel alone. */
	printf("device topology        :\ndevice           node\nNo device topology data available\n");
	nodes = machine_nodes(&nr, &distances);
	printf("numa_info              :\nnode:    memsize    memfree    distances\n");
	for (unsigned i = 0; i < nr; i++) {
		if (nodes[i].memsize == XEN_INVALID_MEM_SZ)
			continue;
		printf("%4u:    %6llu     %6llu      ", i, (unsigned long long)nodes[i].memsize >> 20,
		       (unsigned long long)nodes[i].memfree >> 20);
		for (unsigned j = 0; j < nr; j++)
			printf(j ? ",%u" : "%u", distances[i * nr + j]);
		printf("\n");
	}
	free(nodes);
	free(distances);
}

static struct json_object *topology_json(void)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array(), *one;
	struct xen_sysctl_cputopo *cpus;
	struct xen_sysctl_meminfo *nodes;
	uint32_t *distances;
	unsigned nr;

	cpus = machine_cpus(&nr);
	for (unsigned i = 0; i < nr; i++) {
		one = json_object_new_object();
		json_object_object_add(one, "cpu", json_object_new_int64(i));
		json_object_object_add(one, "core", json_object_new_int64(cpus[i].core));
		json_object_object_add(one, "socket", json_object_new_int64(cpus[i].socket));
		json_object_object_add(one, "node", json_object_new_int64(cpus[i].node));
		json_object_array_add(a, one);
	}
	free(cpus);
	json_object_object_add(o, "cpus", a);
	a = json_object_new_array();
	nodes = machine_nodes(&nr, &distances);
	for (unsigned i = 0; i < nr; i++) {
		one = json_object_new_object();
		json_object_object_add(one, "node", json_object_new_int64(i));
		json_object_object_add(one, "memory_mib", json_object_new_int64((int64_t)(nodes[i].memsize >> 20)));
		json_object_object_add(one, "free_mib", json_object_new_int64((int64_t)(nodes[i].memfree >> 20)));
		json_object_array_add(a, one);
	}
	free(nodes);
	free(distances);
	json_object_object_add(o, "nodes", a);
	return o;
}

static void show_version(struct json_object *json)
{
	long version = hcall_version(xl_hcall(), XENVER_version, NULL, 0);
	char *extra = version_text(XENVER_extraversion, 16), *s, text[128];
	struct xen_compile_info c = { 0 };
	struct xen_platform_parameters platform = { 0 };
	union {
		struct xen_build_id id;
		uint8_t bytes[4 + 64];
	} build = { .id.len = 64 };
	long rc;

	if (version < 0)
		exit(xl_hcall_failed((int)version, PROBLEM_NO_DOMID, "version", "it"));
	show_number(json, "xen_major", (uint64_t)version >> 16);
	show_number(json, "xen_minor", (uint64_t)version & 0xffff);
	show(json, "xen_extra", extra);
	snprintf(text, sizeof(text), "%ld.%ld%s", version >> 16, version & 0xffff, extra);
	show(json, "xen_version", text);
	free(extra);
	s = version_text(XENVER_capabilities, 1024);
	show(json, "xen_caps", s);
	free(s);
	show(json, "xen_scheduler", scheduler_name(machine_scheduler()));
	show_number(json, "xen_pagesize", (uint64_t)hcall_version(xl_hcall(), XENVER_pagesize, NULL, 0));
	(void)hcall_version(xl_hcall(), XENVER_platform_parameters, &platform, sizeof(platform));
	snprintf(text, sizeof(text), "virt_start=0x%llx", (unsigned long long)platform.virt_start);
	show(json, "platform_params", text);
	s = version_text(XENVER_changeset, 64);
	show(json, "xen_changeset", s);
	free(s);
	s = version_text(XENVER_commandline, 1024);
	show(json, "xen_commandline", s);
	free(s);
	(void)hcall_version(xl_hcall(), XENVER_compile_info, &c, sizeof(c));
	c.compiler[63] = c.compile_by[15] = c.compile_domain[31] = c.compile_date[31] = 0;
	show(json, "cc_compiler", c.compiler);
	show(json, "cc_compile_by", c.compile_by);
	show(json, "cc_compile_domain", c.compile_domain);
	show(json, "cc_compile_date", c.compile_date);
	rc = hcall_version(xl_hcall(), XENVER_build_id, &build, sizeof(build));
	*text = 0;
	for (long i = 0; i < rc && i < 64 && i * 2 < (long)sizeof(text) - 3; i++)
		snprintf(text + i * 2, 3, "%02x", build.id.buf[i]);
	show(json, "build_id", text);
	show_number(json, "xend_config_format", 4);
}

int cmd_info(int argc, char **argv)
{
	static const struct option longs[] = { { "numa", 0, NULL, 'n' }, { "help", 0, NULL, 'h' }, { 0 } };
	struct json_object *json = xl_json() ? json_object_new_object() : NULL;
	struct utsname u;
	bool numa = false;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "n", longs, 0)) >= 0)
		numa |= opt == 'n';
	if (uname(&u))
		memset(&u, 0, sizeof(u));
	show(json, "host", u.nodename);
	show(json, "release", u.release);
	show(json, "version", u.version);
	show(json, "machine", u.machine);
	show_machine(json);
	if (numa && json)
		json_object_object_add(json, "topology", topology_json());
	else if (numa)
		show_topology();
	show_version(json);
	return json ? xl_print_json(json) : XL_OK;
}

/* Of the hypervisor's log the last words of the boot before this one: lines behind the mark it puts there (hv/core/crash.c). */
static void previous_boot(const struct text *all, struct text *previous)
{
	static const char mark[] = "(previous) ";
	const char *line = all->s, *end;

	for (; line && *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		if (!strncmp(line, mark, sizeof(mark) - 1))
			text_printf(previous, "%.*s\n", (int)(end - line - (long)sizeof(mark) + 1),
				    line + sizeof(mark) - 1);
	}
}

int cmd_dmesg(int argc, char **argv)
{
	static const struct option longs[] = { { "help", no_argument, NULL, 'h' },
					       { "clear", no_argument, NULL, 'c' },
					       { "previous", no_argument, NULL, 'p' },
					       { 0 } };
	size_t size = 16384;
	struct text t = { 0 };
	bool clear = false, previous = false;
	uint32_t index = 0;
	char *buf;
	int opt, rc;

	while ((opt = xl_option(xl_command(), argc, argv, "c", longs, 0)) >= 0) {
		clear |= opt == 'c';
		previous |= opt == 'p';
	}
	buf = hcall_alloc(xl_hcall(), size);
	if (!buf)
		return xl_fail(ENOMEM, "out-of-memory", "dmesg", "free memory in this domain",
			       "no memory for the text");
	for (;;) {
		struct xen_sysctl op = { .cmd = XEN_SYSCTL_readconsole };

		op.u.readconsole.clear = clear;
		op.u.readconsole.incremental = 1;
		op.u.readconsole.index = index;
		op.u.readconsole.buffer = hcall_address(xl_hcall(), buf);
		op.u.readconsole.count = (uint32_t)size;
		rc = hcall_sysctl(xl_hcall(), &op);
		if (rc < 0)
			return xl_hcall_failed(rc, PROBLEM_NO_DOMID, "dmesg", "its text");
		if (op.u.readconsole.count == 0 || op.u.readconsole.count > size)
			break;
		text_add_bytes(&t, buf, op.u.readconsole.count);
		index = op.u.readconsole.index;
		/* Somebody who prints faster than we read must not keep us here. */
		if (clear || t.len > 64u << 20)
			break;
	}
	if (previous) {
		struct text all = t;

		t = (struct text){ 0 };
		previous_boot(&all, &t);
		text_free(&all);
		if (!t.len) {
			hcall_free(xl_hcall(), buf, size);
			return xl_fail(ENOENT, "no-crash-record", "dmesg",
				       "see what it logs somewhere else: a serial line (com1=), or the firmware's log",
				       "the boot before this one did not end in a crash, or left no record of it");
		}
	}
	if (xl_json()) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "text", json_object_new_string_len(t.s ? t.s : "", (int)t.len));
		xl_print_json(o);
	} else {
		fwrite(t.s ? t.s : "", 1, t.len, stdout);
	}
	text_free(&t);
	hcall_free(xl_hcall(), buf, size);
	return XL_OK;
}

int cmd_debug_keys(int argc, char **argv)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys };
	size_t len;
	char *buf;
	int rc;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	len = strlen(argv[optind]);
	buf = hcall_alloc(xl_hcall(), len + 1);
	if (!buf)
		return xl_fail(ENOMEM, "out-of-memory", "debug-keys", "free memory in this domain",
			       "no memory for the keys");
	memcpy(buf, argv[optind], len);
	op.u.debug_keys.keys = hcall_address(xl_hcall(), buf);
	op.u.debug_keys.nr_keys = (uint32_t)len;
	rc = hcall_sysctl(xl_hcall(), &op);
	hcall_free(xl_hcall(), buf, len + 1);
	return rc < 0 ? xl_hcall_failed(rc, PROBLEM_NO_DOMID, "debug-keys", "the keys") : XL_OK;
}

/* "name=value": one option of the running hypervisor. */
static int set_parameter(const char *word)
{
	const char *value = strchr(word, '=');
	char *path;
	int rc;

	if (!value)
		return -EINVAL;
	path = xasprintf("/params/%.*s", (int)(value - word), word);
	rc = hypfs_write_text(xl_hcall(), path, value + 1);
	free(path);
	return rc;
}

int cmd_set_parameters(int argc, char **argv)
{
	char *words, *word, *rest;
	int rc = 0;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	words = xstrdup(argv[optind]);
	for (word = strtok_r(words, " ", &rest); word && !rc; word = strtok_r(NULL, " ", &rest))
		rc = set_parameter(word);
	free(words);
	if (!rc)
		return 0;
	if (!xl_json())
		fprintf(stderr, "cannot set parameters: %s\n", argv[optind]);
	return xl_fail(-rc, rc == -ENOENT ? "no-such-option" : "bad-value", "set-parameters",
		       rc == -ENOENT ?
			       "see xenhypfs ls /params for those that can change; others go on the command line" :
			       "write name=value; docs/command-line.md has the values",
		       "the hypervisor does not take it: %s", strerror(-rc));
}
