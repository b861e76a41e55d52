/*
 * hv/launch/tree.c: a good tree gives exactly its domains; each property corrupted in turn gives a fault that names node
 * and property, and spoils nothing else. Trees are built with libfdt, which shares no code with our reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "hv/launch.h"
#include "hv/sched.h"

#define BLOB 65536

static struct launch_config cfg;
static char blob[BLOB];

/* What the builder below leaves out or does differently, by property name. */
static const char *skip;
struct extra {
	const char *name;
	const void *data;
	int len;
};
static struct extra replace;

static void ok(int rc)
{
	if (rc < 0)
		fail_msg("libfdt: %s", fdt_strerror(rc));
}

static void prop(const char *name, const void *data, int len)
{
	if (skip && strcmp(skip, name) == 0)
		return;
	if (replace.name && strcmp(replace.name, name) == 0)
		ok(fdt_property(blob, name, replace.data, replace.len));
	else
		ok(fdt_property(blob, name, data, len));
}

static void prop_cell(const char *name, uint32_t v)
{
	fdt32_t be = cpu_to_fdt32(v);

	prop(name, &be, 4);
}

static void prop_two(const char *name, uint64_t v)
{
	fdt64_t be = cpu_to_fdt64(v);

	prop(name, &be, 8);
}

static void module(const char *node, const char *kind, uint32_t index, const char *args)
{
	char compat[64];
	int n = snprintf(compat, sizeof(compat), "%s%cmultiboot,module", kind, 0);

	ok(fdt_begin_node(blob, node));
	ok(fdt_property(blob, "compatible", compat, n + 1));
	prop_cell("mb-index", index);
	if (args)
		ok(fdt_property_string(blob, "bootargs", args));
	ok(fdt_end_node(blob));
}

static void channel(const char *node, uint32_t phandle, uint32_t port, uint32_t target)
{
	fdt32_t pair[2] = { cpu_to_fdt32(port), cpu_to_fdt32(target) };

	ok(fdt_begin_node(blob, node));
	ok(fdt_property_string(blob, "compatible", "xen,evtchn-v1"));
	ok(fdt_property_cell(blob, "phandle", phandle));
	prop("xen,evtchn", pair, 8);
	ok(fdt_end_node(blob));
}

static void open_tree(bool chosen)
{
	memset(blob, 0, sizeof(blob));
	ok(fdt_create(blob, sizeof(blob)));
	ok(fdt_finish_reservemap(blob));
	ok(fdt_begin_node(blob, ""));
	if (chosen)
		ok(fdt_begin_node(blob, "chosen"));
	ok(fdt_begin_node(blob, "hypervisor"));
	ok(fdt_property_string(blob, "compatible", "hypervisor,xen"));
}

static void close_tree(bool chosen)
{
	ok(fdt_end_node(blob));
	if (chosen)
		ok(fdt_end_node(blob));
	ok(fdt_end_node(blob));
	ok(fdt_finish(blob));
}

/* Two domains, a link between them and a grant from the first to the second. */
static void build(bool chosen)
{
	static const uint8_t uuid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

	open_tree(chosen);
	ok(fdt_begin_node(blob, "config"));
	ok(fdt_property_string(blob, "compatible", "xen,config"));
	ok(fdt_end_node(blob));
	ok(fdt_begin_node(blob, "domain@1"));
	ok(fdt_property_string(blob, "compatible", "xen,domain"));
	prop_cell("domid", 5);
	prop_cell("permissions", 1);
	prop_cell("functions", 1);
	prop_cell("mode", 4);
	prop("domain-uuid", uuid, 16);
	prop_cell("cpus", 2);
	prop_two("memory", 128 << 10);
	prop("domain-name", "alpha", 6);
	prop_cell("hospes,weight", 512);
	prop_cell("hospes,cap", 50);
	prop("hospes,class", "interactive", 12);
	prop_two("hospes,max-memory", 256 << 10);
	prop_two("hospes,overhead-max", 2048);
	prop_two("hospes,affinity", 1); /* <0 1> */
	prop("hospes,on-reboot", "destroy", 8);
	module("module@1", "module,kernel", 1, "console=hvc0");
	module("module@2", "module,ramdisk", 2, NULL);
	channel("link@1", 10, 20, 11);
	ok(fdt_begin_node(blob, "grant@8"));
	ok(fdt_property_string(blob, "compatible", "hospes,grant-v1"));
	prop_cell("ref", 8);
	prop_two("gfn", 0x1000);
	prop_cell("peer", 77);
	ok(fdt_property(blob, "read-only", NULL, 0));
	ok(fdt_end_node(blob));
	ok(fdt_end_node(blob));

	ok(fdt_begin_node(blob, "domain@2"));
	ok(fdt_property_string(blob, "compatible", "xen,domain"));
	ok(fdt_property_cell(blob, "phandle", 77));
	ok(fdt_property_u64(blob, "memory", 64 << 10));
	ok(fdt_begin_node(blob, "module@1"));
	ok(fdt_property(blob, "compatible", "module,kernel\0multiboot,module", 31));
	ok(fdt_property_cell(blob, "mb-index", 1));
	ok(fdt_end_node(blob));
	ok(fdt_begin_node(blob, "link@1"));
	ok(fdt_property_string(blob, "compatible", "xen,evtchn-v1"));
	ok(fdt_property_cell(blob, "phandle", 11));
	fdt32_t pair[2] = { cpu_to_fdt32(30), cpu_to_fdt32(10) };
	ok(fdt_property(blob, "xen,evtchn", pair, 8));
	ok(fdt_end_node(blob));
	ok(fdt_end_node(blob));
	close_tree(chosen);
}

static int parse(void)
{
	static const uint64_t sizes[] = { 1000, 5000, 6000 };

	return launch_parse(&cfg, blob, fdt_totalsize(blob), 3, sizes);
}

static void reset(const char *without, const char *with, const void *data, int len)
{
	skip = without;
	replace = (struct extra){ with, data, len };
	build(true);
	assert_int_equal(parse(), 0);
}

static bool has_fault(const char *node, const char *what)
{
	for (unsigned i = 0; i < cfg.nr_faults && i < LAUNCH_MAX_FAULTS; i++)
		if (strncmp(cfg.faults[i].text, node, strlen(node)) == 0 && strstr(cfg.faults[i].text, what))
			return true;
	for (unsigned i = 0; i < cfg.nr_faults && i < LAUNCH_MAX_FAULTS; i++)
		fprintf(stderr, "fault: %s\n", cfg.faults[i].text);
	return false;
}

static void good_tree(void **state)
{
	for (int chosen = 0; chosen < 2; chosen++) {
		struct launch_domain *d = &cfg.domains[0];

		skip = NULL;
		replace.name = NULL;
		build(chosen);
		assert_int_equal(parse(), 0);
		assert_int_equal(cfg.nr_faults, 0);
		assert_int_equal(cfg.nr_domains, 2);
		assert_int_equal(d->domid, 5);
		assert_int_equal(d->roles, ROLE_CONTROL | ROLE_BOOT);
		assert_int_equal(d->cpus, 2);
		assert_int_equal(d->memory_kib, 128 << 10);
		assert_int_equal(d->max_memory_kib, 256 << 10);
		assert_int_equal(d->overhead_max_kib, 2048);
		assert_int_equal(d->kernel, 1);
		assert_int_equal(d->ramdisk, 2);
		assert_int_equal(d->config, -1);
		assert_int_equal(d->weight, 512);
		assert_int_equal(d->cap, 50);
		assert_int_equal(d->class, CLASS_INTERACTIVE);
		assert_true(d->pinned && cpumask_test(&d->affinity, 1) && !cpumask_test(&d->affinity, 2));
		assert_int_equal(d->on_reboot, LAUNCH_DESTROY);
		assert_string_equal(d->bootargs, "console=hvc0");
		assert_string_equal(d->name, "alpha");
		assert_int_equal(d->uuid[15], 16);
		d++;
		assert_int_equal(d->domid, 1);
		assert_string_equal(d->name, "Domain-1");
		assert_int_equal(d->on_reboot, LAUNCH_RESTART);
		assert_int_equal(cfg.nr_links, 1);
		assert_int_equal(cfg.links[0].port, 20);
		assert_int_equal(cfg.links[0].peer_port, 30);
		assert_int_equal(cfg.links[0].peer, 1);
		assert_int_equal(cfg.nr_grants, 1);
		assert_int_equal(cfg.grants[0].ref, 8);
		assert_int_equal(cfg.grants[0].gfn, 0x1000);
		assert_true(cfg.grants[0].readonly);
	}
}

/* A property with a value of the wrong size: named, and only as much lost as said. */
static void wrong_sizes(void **state)
{
	static const struct {
		const char *prop;
		unsigned domains;
	} t[] = { { "domid", 2 },
		  { "permissions", 2 },
		  { "functions", 2 },
		  { "mode", 2 },
		  { "domain-uuid", 2 },
		  { "cpus", 2 },
		  { "memory", 1 },
		  { "domain-name", 2 },
		  { "hospes,cap", 2 },
		  { "hospes,affinity", 2 },
		  { "hospes,weight", 2 },
		  { "hospes,class", 2 },
		  { "hospes,on-reboot", 2 },
		  { "hospes,max-memory", 2 },
		  { "hospes,overhead-max", 2 } };

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (int len = 0; len < 4; len++) {
			reset(NULL, t[i].prop, "\1\2\3", len);
			assert_true(has_fault("domain@1: ", t[i].prop));
			assert_int_equal(cfg.nr_domains, t[i].domains);
		}
	reset(NULL, "mb-index", "\1\2\3", 3);
	assert_true(has_fault("domain@1/module@1: mb-index", "one cell"));
	assert_int_equal(cfg.nr_domains, 1);
	reset(NULL, "xen,evtchn", "\1\2\3", 3);
	assert_true(has_fault("domain@1/link@1: xen,evtchn", "two cells"));
	assert_int_equal(cfg.nr_domains, 2);
	assert_int_equal(cfg.nr_links, 0);
	reset(NULL, "gfn", "\1\2\3", 3);
	assert_true(has_fault("domain@1/grant@8: gfn", ""));
	assert_int_equal(cfg.nr_grants, 0);
}

static void reset_cell(const char *name, uint32_t v)
{
	fdt32_t be = cpu_to_fdt32(v);

	reset(NULL, name, &be, 4);
}

static void bad_values(void **state)
{
	uint64_t zero = 0, huge = ~0UL;

	reset_cell("domid", 0x7ff0);
	assert_true(has_fault("domain@1: domid", "not a domain id"));
	assert_int_equal(cfg.nr_domains, 1);
	reset_cell("domid", LAUNCH_DOMID_ANY);
	assert_int_equal(cfg.nr_faults, 0);
	assert_int_equal(cfg.domains[0].domid, 1);
	assert_int_equal(cfg.domains[1].domid, 2);
	reset_cell("permissions", 0x13);
	assert_true(has_fault("domain@1: permissions", "0x10"));
	assert_int_equal(cfg.domains[0].roles, ROLE_CONTROL | ROLE_HARDWARE | ROLE_BOOT);
	reset_cell("functions", LAUNCH_FUNCTION_LEGACY_DOM0 | 0x100);
	assert_true(has_fault("domain@1: functions", "0x100"));
	assert_int_equal(cfg.domains[0].roles, ROLE_ALL);
	reset_cell("functions", LAUNCH_FUNCTION_CRASH);
	assert_true(has_fault("domain@1: functions", "crash"));
	reset_cell("mode", 5);
	assert_true(has_fault("domain@1: mode", "PV"));
	assert_int_equal(cfg.nr_domains, 1);
	reset_cell("mode", 6);
	assert_true(has_fault("domain@1: mode", "HVM"));
	reset_cell("mode", 0x40);
	assert_true(has_fault("domain@1: mode", "0x40"));
	reset_cell("cpus", 0);
	assert_true(has_fault("domain@1: cpus", "between"));
	reset_cell("cpus", 129);
	assert_true(has_fault("domain@1: cpus", "between"));
	reset(NULL, "memory", &zero, 8);
	assert_true(has_fault("domain@1: memory", "between"));
	reset(NULL, "memory", &huge, 8);
	assert_true(has_fault("domain@1: memory", "between"));
	assert_int_equal(cfg.nr_domains, 1);
	reset_cell("mb-index", 3);
	assert_true(has_fault("domain@1/module@1: mb-index", "no module 3"));
	reset_cell("ref", 7);
	assert_true(has_fault("domain@1/grant@8: ref", "between"));
	assert_int_equal(cfg.nr_grants, 0);
	reset_cell("peer", 78);
	assert_true(has_fault("domain@1/grant@8: peer", "no domain"));
	reset(NULL, "hospes,on-reboot", "perhaps", 8);
	assert_true(has_fault("domain@1: hospes,on-reboot", "neither"));
	reset(NULL, "domain-name", "a\033[2J", 6);
	assert_int_equal(cfg.nr_domains, 2);
}

static void missing(void **state)
{
	reset("memory", NULL, NULL, 0);
	assert_true(has_fault("domain@1: memory", "missing"));
	assert_int_equal(cfg.nr_domains, 1);
	assert_int_equal(cfg.nr_links, 0); /* its end went with it */
	assert_true(has_fault("domain@2/link@1: xen,evtchn", "peer"));
	reset("mb-index", NULL, NULL, 0);
	assert_true(has_fault("domain@1/module@1: mb-index", "missing"));
	reset("domid", NULL, NULL, 0);
	assert_int_equal(cfg.nr_faults, 0);
	reset("mode", NULL, NULL, 0);
	assert_int_equal(cfg.nr_faults, 0);
}

static void one_more(const char *name, uint32_t domid, const char *extra)
{
	ok(fdt_begin_node(blob, name));
	ok(fdt_property_string(blob, "compatible", "xen,domain"));
	ok(fdt_property_cell(blob, "domid", domid));
	ok(fdt_property_u64(blob, "memory", 4096));
	if (extra)
		ok(fdt_property_cell(blob, extra, 1));
	ok(fdt_begin_node(blob, "module"));
	ok(fdt_property(blob, "compatible", "module,kernel\0multiboot,module", 31));
	ok(fdt_property_cell(blob, "mb-index", 1));
	ok(fdt_end_node(blob));
	ok(fdt_end_node(blob));
}

static void duplicates_and_limits(void **state)
{
	char name[32];

	open_tree(true);
	one_more("a", 3, NULL);
	one_more("b", 3, NULL);
	one_more("c", 4, "colour");
	close_tree(true);
	assert_int_equal(parse(), 0);
	assert_int_equal(cfg.nr_domains, 2);
	assert_true(has_fault("b: domid", "taken by a"));
	assert_true(has_fault("c: colour", "unknown"));

	open_tree(true);
	for (unsigned i = 0; i < LAUNCH_MAX_DOMAINS + 2; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		one_more(name, 100 + i, NULL);
	}
	close_tree(true);
	assert_int_equal(parse(), 0);
	assert_int_equal(cfg.nr_domains, LAUNCH_MAX_DOMAINS);
	assert_int_equal(cfg.nr_faults, 2);
}

static void not_a_tree(void **state)
{
	skip = NULL;
	replace.name = NULL;
	build(true);
	assert_int_not_equal(launch_parse(&cfg, blob, 20, 3, NULL), 0);
	assert_int_not_equal(launch_parse(&cfg, blob, fdt_totalsize(blob) - 1, 3, NULL), 0);
	assert_true(cfg.nr_faults == 1);
	open_tree(false);
	close_tree(false);
	assert_int_equal(parse(), 0);
	assert_true(has_fault("launch tree", "no domain"));
}

/* Every single byte of a good tree, damaged: never a bad access (the sanitisers judge), never a domain out of bounds. */
static void every_byte(void **state)
{
	static char copy[BLOB];
	char *exact;
	unsigned total;

	skip = NULL;
	replace.name = NULL;
	build(true);
	total = fdt_totalsize(blob);
	memcpy(copy, blob, sizeof(copy));
	exact = malloc(total);
	for (unsigned i = 0; i < total; i++)
		for (unsigned v = 0; v < 4; v++) {
			static const uint8_t values[] = { 0, 1, 0x7f, 0xff };

			memcpy(exact, copy, total);
			exact[i] = (char)values[v];
			if (launch_parse(&cfg, exact, total, 3, NULL) == 0)
				assert_true(cfg.nr_domains <= LAUNCH_MAX_DOMAINS);
		}
	free(exact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_tree),  cmocka_unit_test(wrong_sizes),	       cmocka_unit_test(bad_values),
		cmocka_unit_test(missing),    cmocka_unit_test(duplicates_and_limits), cmocka_unit_test(not_a_tree),
		cmocka_unit_test(every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
