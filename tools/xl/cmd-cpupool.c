/* xl cpupool-*. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <json-c/json.h>

#include "cmd.h"
#include "domain/xlcfg.h"
#include "domains.h"
#include "machine.h"
#include "store/store.h"
#include "xl.h"

/* The pool, or -1 with the sentence of Debian's xl. */
static int64_t find_pool(const char *who)
{
	int64_t id = pool_find(who);

	if (id < 0)
		xl_refuse(ESRCH, "no-such-pool", "cpupool", "see xl cpupool-list for the pools there are",
			  "unknown cpupool '%s'", who);
	return id;
}

static bool has(const struct cpu_list *l, unsigned cpu)
{
	return cpu < l->nr_bits && l->bits && (l->bits[cpu / 8] >> cpu % 8 & 1);
}

static unsigned count(const struct cpu_list *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->nr_bits; i++)
		n += has(l, i);
	return n;
}

static struct json_object *pool_json(const struct pool *p)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();
	char *name = pool_name(p->id);

	json_object_object_add(o, "id", json_object_new_int64(p->id));
	json_object_object_add(o, "name", name ? json_object_new_string(name) : NULL);
	json_object_object_add(o, "scheduler", json_object_new_string(scheduler_name(p->sched)));
	json_object_object_add(o, "domains", json_object_new_int64(p->nr_domains));
	for (unsigned i = 0; i < p->cpus.nr_bits; i++)
		if (has(&p->cpus, i))
			json_object_array_add(a, json_object_new_int64(i));
	json_object_object_add(o, "cpus", a);
	free(name);
	return o;
}

int cmd_cpupool_list(int argc, char **argv)
{
	static const struct option longs[] = { { "cpus", 0, NULL, 'c' }, { "help", 0, NULL, 'h' }, { 0 } };
	struct json_object *a = json_object_new_array();
	int64_t only = -1;
	bool cpus = false;
	unsigned nr;
	struct pool *pools;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "c", longs, 0)) >= 0)
		cpus |= opt == 'c';
	if (optind < argc) {
		only = pool_find(argv[optind]);
		if (only < 0)
			return xl_refuse(ESRCH, "no-such-pool", "cpupool",
					 "see xl cpupool-list for the pools there are", "Pool '%s' does not exist",
					 argv[optind]);
	}
	pools = pools_list(&nr);
	if (!xl_json())
		printf(cpus ? "%-19s%s\n" : "%-19sCPUs   Sched     Active   Domain count\n", "Name", "CPU list");
	for (unsigned i = 0; i < nr; i++) {
		char *name = pool_name(pools[i].id);
		bool first = true;

		if (only >= 0 && pools[i].id != only) {
			free(name);
			continue;
		}
		if (xl_json()) {
			json_object_array_add(a, pool_json(&pools[i]));
		} else {
			printf("%-19s", name ? name : "(null)");
			for (unsigned c = 0; cpus && c < pools[i].cpus.nr_bits; c++) {
				if (!has(&pools[i].cpus, c))
					continue;
				printf("%s%u", first ? "" : ",", c);
				first = false;
			}
			if (!cpus)
				printf("%3u %9s       y       %4u", count(&pools[i].cpus),
				       scheduler_name(pools[i].sched), pools[i].nr_domains);
			printf("\n");
		}
		free(name);
	}
	pools_free(pools, nr);
	if (xl_json())
		return xl_print_json(a);
	json_object_put(a);
	return XL_OK;
}

static int write_pool(uint32_t id, const char *key, const char *value)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/local/pool/%u/%s", id, key);
	err = store_write(xl_store(), 0, path, value, strlen(value));
	return err ? xl_fail(err, "store-refused", "cpupool",
			     "see that xenstored runs and we are in the control domain", "%s could not be written: %s",
			     path, strerror(err)) :
		     XL_OK;
}

/* Make it, with these CPUs, and name it; what was made goes again when something fails. */
static int create(const char *name, unsigned sched, const struct cpu_list *cpus)
{
	uint32_t id = XEN_SYSCTL_CPUPOOL_PAR_ANY;
	uint8_t uuid[16];
	char text[37];
	int rc = pool_op(XEN_SYSCTL_CPUPOOL_OP_CREATE, &id, sched, 0, 0);

	if (rc)
		return xl_hcall_failed(rc, PROBLEM_NO_DOMID, "cpupool", "a new pool");
	for (unsigned i = 0; rc == 0 && i < cpus->nr_bits; i++)
		if (has(cpus, i))
			rc = pool_op(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, &id, 0, 0, i);
	if (rc) {
		for (unsigned i = 0; i < cpus->nr_bits; i++)
			if (has(cpus, i))
				(void)pool_op(XEN_SYSCTL_CPUPOOL_OP_RMCPU, &id, 0, 0, i);
		(void)pool_op(XEN_SYSCTL_CPUPOOL_OP_DESTROY, &id, 0, 0, 0);
		return xl_hcall_failed(rc, PROBLEM_NO_DOMID, "cpupool", "a CPU for the new pool");
	}
	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		memset(uuid, 0, sizeof(uuid));
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	format_uuid(uuid, text);
	return write_pool(id, "uuid", text) || write_pool(id, "name", name) ? XL_FAILED : XL_OK;
}

struct wanted {
	const char *name;
	unsigned sched;
	struct cpu_list cpus;
	char *own_text;
};

static int bad_value(const struct xlcfg_value *v, const char *key)
{
	return xl_fail(EINVAL, "bad-value", "cpupool", "see xlcpupool.cfg(5) for its form",
		       "line %d: %s makes no sense", v->line, key);
}

/* "cpus": numbers and ranges, in a list or a string; "nodes": all CPUs of them. */
static int take_cpus(const struct xlcfg *cfg, const char *key, struct cpu_list *l)
{
	const struct xlcfg_value *v = xlcfg_get(cfg, key);
	struct text t = { 0 };
	bool nodes = strcmp(key, "nodes") == 0;
	int rc;

	if (!v)
		return XL_OK;
	if (v->kind != XLCFG_LIST)
		text_printf(&t, "%s%s", nodes ? "nodes:" : "", v->string);
	for (size_t i = 0; v->kind == XLCFG_LIST && i < v->nr_items; i++)
		if (v->items[i].kind != XLCFG_LIST)
			text_printf(&t, "%s%s%s", t.len ? "," : "", nodes ? "nodes:" : "", v->items[i].string);
	rc = cpu_list_parse(l, t.s ? t.s : "", machine_nr_cpus());
	text_free(&t);
	return rc ? bad_value(v, key) : XL_OK;
}

static int read_wanted(struct xlcfg *cfg, const char *file, char **overrides, struct wanted *w)
{
	const struct xlcfg_value *v;
	struct text t = { 0 };
	int rc = 0, id;

	if (file) {
		rc = text_read_file(&t, file);
		if (rc) {
			return xl_refuse(-rc, "no-such-file", "configuration",
					 "give the path of the pool's configuration",
					 "Failed to read config file: %s: %s", file, strerror(-rc));
		}
	}
	rc = xlcfg_parse(cfg, file ? file : "command line", t.s ? t.s : "");
	for (; rc == 0 && *overrides; overrides++)
		rc = xlcfg_override(cfg, *overrides);
	text_free(&t);
	if (rc)
		return xl_fail(EINVAL, "syntax", "cpupool", "see xlcpupool.cfg(5) for its form", "%s", cfg->error);
	v = xlcfg_get(cfg, "name");
	if (v && v->kind != XLCFG_LIST)
		w->name = v->string;
	else if (file) {
		const char *slash = strrchr(file, '/');

		w->name = slash ? slash + 1 : file;
	} else {
		return xl_fail(EINVAL, "missing-key", "cpupool", "add name=\"...\"", "Missing cpupool name!");
	}
	if (isdigit((unsigned char)*w->name) || !*w->name)
		return xl_fail(EINVAL, "bad-name", "cpupool", "give it another name",
			       "a pool's name cannot begin with a digit");
	if (pool_find(w->name) >= 0)
		return xl_fail(EEXIST, "name-taken", "cpupool", "give it another name: see xl cpupool-list",
			       "Pool name \"%s\" already exists", w->name);
	w->sched = machine_scheduler();
	v = xlcfg_get(cfg, "sched");
	if (v) {
		id = v->kind == XLCFG_LIST ? -1 : scheduler_id(v->string);
		if (id < 0)
			return bad_value(v, "sched");
		w->sched = (unsigned)id;
	}
	rc = take_cpus(cfg, xlcfg_get(cfg, "nodes") ? "nodes" : "cpus", &w->cpus);
	return rc;
}

int cmd_cpupool_create(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "defconfig", 1, NULL, 'f' }, { "dryrun", 0, NULL, 'n' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	struct xlcfg cfg = { 0 };
	struct wanted w = { 0 };
	const char *file = NULL;
	char **settings;
	bool dry = xl_dry_run();
	int opt, rc;

	while ((opt = xl_option(xl_command(), argc, argv, "nf:", longs, 0)) >= 0) {
		dry |= opt == 'n';
		if (opt == 'f')
			file = optarg;
	}
	if (!xl_config_words(argc, argv, &file, &settings))
		return XL_FAILED;
	rc = read_wanted(&cfg, file, settings, &w);
	if (rc == XL_OK) {
		if (!w.cpus.bits) { /* one that nobody has */
			struct cpu_list l = machine_free_cpus();
			bool taken = false;

			for (unsigned i = 0; i < l.nr_bits; i++) {
				if (has(&l, i) && taken)
					l.bits[i / 8] &= (uint8_t) ~(1u << i % 8);
				taken |= has(&l, i);
			}
			w.cpus = l;
		}
		if (!xl_json())
			printf("Using config file \"%s\"\ncpupool name:   %s\nscheduler:      %s\nnumber of cpus: %u\n",
			       file ? file : "command line", w.name, scheduler_name(w.sched), count(&w.cpus));
		fflush(stdout);
		if (!dry)
			rc = create(w.name, w.sched, &w.cpus);
	}
	cpu_list_free(&w.cpus);
	xlcfg_free(&cfg);
	return rc;
}

int cmd_cpupool_destroy(int argc, char **argv)
{
	unsigned nr;
	struct pool *pools;
	int64_t found;
	uint32_t id;
	char path[48];
	int rc = 0;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	found = find_pool(argv[optind]);
	if (found < 0)
		return XL_FAILED;
	id = (uint32_t)found;
	pools = pools_list(&nr);
	for (unsigned i = 0; i < nr && rc == 0; i++) {
		if (pools[i].id != id)
			continue;
		if (pools[i].nr_domains)
			rc = -EBUSY;
		for (unsigned c = 0; rc == 0 && c < pools[i].cpus.nr_bits; c++)
			if (has(&pools[i].cpus, c))
				rc = pool_op(XEN_SYSCTL_CPUPOOL_OP_RMCPU, &id, 0, 0, c);
	}
	if (rc == 0)
		rc = pool_op(XEN_SYSCTL_CPUPOOL_OP_DESTROY, &id, 0, 0, 0);
	if (rc) {
		if (!xl_json())
			fprintf(stderr, "Can't destroy cpupool '%s'\n", argv[optind]);
		pools_free(pools, nr);
		return xl_fail(-rc, rc == -EBUSY ? "busy" : "hypervisor-refused", "cpupool",
			       "move its domains with xl cpupool-migrate first: see xl list -c", "it is in use: %s",
			       strerror(-rc));
	}
	pools_free(pools, nr);
	snprintf(path, sizeof(path), "/local/pool/%u", id);
	(void)store_rm(xl_store(), 0, path);
	return XL_OK;
}

int cmd_cpupool_rename(int argc, char **argv)
{
	int64_t id;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	id = find_pool(argv[optind]);
	if (id < 0)
		return XL_FAILED;
	if (pool_find(argv[optind + 1]) >= 0)
		return xl_fail(EEXIST, "name-taken", "cpupool", "give it another name: see xl cpupool-list",
			       "Can't rename cpupool '%s': there is one named %s", argv[optind], argv[optind + 1]);
	return write_pool((uint32_t)id, "name", argv[optind + 1]);
}

static int change_cpus(int argc, char **argv, unsigned op, const char *not_done)
{
	struct cpu_list l;
	unsigned nr, failed = 0;
	int64_t found;
	uint32_t id;
	int rc;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	nr = machine_nr_cpus();
	if (cpu_list_parse(&l, argv[optind + 1], nr)) {
		return xl_refuse(EINVAL, "bad-value", "cpupool", "write CPUs as in 0-3,5 or node:0",
				 "Invalid pcpu range: %s.", argv[optind + 1]);
	}
	found = find_pool(argv[optind]);
	id = (uint32_t)found;
	for (unsigned i = 0; found >= 0 && i < l.nr_bits; i++) {
		if (!has(&l, i))
			continue;
		rc = pool_op(op, &id, 0, 0, i);
		if (rc) {
			failed++;
			xl_hcall_failed(rc, PROBLEM_NO_DOMID, "cpupool", "one of the CPUs");
		}
	}
	if (failed && !xl_json())
		fprintf(stderr, not_done, argv[optind]);
	cpu_list_free(&l);
	return found < 0 ? XL_FAILED : XL_OK; /* as Debian's: what could be done was done */
}

int cmd_cpupool_cpu_add(int argc, char **argv)
{
	return change_cpus(argc, argv, XEN_SYSCTL_CPUPOOL_OP_ADDCPU, "some cpus may not have been added to %s\n");
}

int cmd_cpupool_cpu_remove(int argc, char **argv)
{
	return change_cpus(argc, argv, XEN_SYSCTL_CPUPOOL_OP_RMCPU, "some cpus may not have been removed from %s\n");
}

int cmd_cpupool_migrate(int argc, char **argv)
{
	int64_t domid, pool;
	uint32_t id;
	int rc;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	domid = domain_lookup(argv[optind]);
	if (domid < 0)
		return xl_refuse(ESRCH, "no-such-domain", "cpupool", "see xl list for the domains there are",
				 "unknown domain '%s'", argv[optind]);
	pool = find_pool(argv[optind + 1]);
	if (pool < 0)
		return XL_FAILED;
	id = (uint32_t)pool;
	rc = pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, &id, 0, (uint32_t)domid, 0);
	return rc ? xl_hcall_failed(rc, (uint32_t)domid, "cpupool", "the move into that pool") : XL_OK;
}

/* All CPUs in pool 0: one more pool for each further node, which gets its CPUs; the first becomes that of the first node. */
int cmd_cpupool_numa_split(int argc, char **argv)
{
	struct xen_sysctl_cputopo *cpus;
	unsigned nr, nr_pools, nr_nodes;
	struct pool *pools;
	int rc = XL_OK;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 0) >= 0)
		;
	pools = pools_list(&nr_pools);
	pools_free(pools, nr_pools);
	if (nr_pools > 1)
		return xl_fail(EBUSY, "busy", "cpupool", "destroy the other pools first: see xl cpupool-list",
			       "splitting not possible, already cpupools in use");
	nr_nodes = machine_physinfo().nr_nodes;
	cpus = machine_cpus(&nr);
	for (unsigned node = 1; node < nr_nodes && rc == XL_OK; node++) {
		struct cpu_list l = { .nr_bits = nr, .bits = xcalloc(nr / 8 + 1, 1) };
		char *name = xasprintf("Pool-node%u", node);
		uint32_t zero = 0;

		for (unsigned i = 0; i < nr && rc == XL_OK; i++) {
			if (cpus[i].node != node)
				continue;
			l.bits[i / 8] |= (uint8_t)(1u << i % 8);
			if (pool_op(XEN_SYSCTL_CPUPOOL_OP_RMCPU, &zero, 0, 0, i))
				rc = xl_fail(EBUSY, "busy", "cpupool", "unpin what runs on it: see xl vcpu-list",
					     "error on removing cpu %u from Pool 0", i);
		}
		if (rc == XL_OK)
			rc = create(name, machine_scheduler(), &l);
		free(name);
		cpu_list_free(&l);
	}
	free(cpus);
	return rc == XL_OK ? write_pool(0, "name", "Pool-node0") : rc;
}
