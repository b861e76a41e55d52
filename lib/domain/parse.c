/* xl.cfg -> domain_config. Values that make no sense are problems that name file and line; keys without effect are remarks. */
#include "domain/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"
#include "domain/keys.h"
#include "domain/names.h"
#include "domain/parse.h"
#include "domain/xlcfg.h"

static void where(const struct parser *ps, int line, char *buf, size_t size)
{
	if (line)
		snprintf(buf, size, "line %d of %s", line, ps->c->file);
	else
		snprintf(buf, size, "the command line");
}

int parser_bad(struct parser *ps, int line, const char *code, const char *fmt, ...)
{
	char place[300], next[400], cause[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	where(ps, line, place, sizeof(place));
	snprintf(next, sizeof(next), "correct %s", place);
	problem_domain(ps->p, ps->c->name, PROBLEM_NO_DOMID);
	if (line)
		return problem_set(ps->p, EINVAL, code, "configuration", next, "%s:%d: %s", ps->c->file, line, cause);
	return problem_set(ps->p, EINVAL, code, "configuration", next, "command line: %s", cause);
}

void parser_remark(struct parser *ps, int line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!ps->remark)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ps->remark(ps->arg, line, text);
}

/* Typed look-ups: 1 found, 0 not there, -errno with the problem ------------------------------------------- */

int parser_string(struct parser *ps, const char *key, const char **out)
{
	const struct xlcfg_value *v = xlcfg_get(&ps->cfg, key);

	*out = NULL;
	if (!v)
		return 0;
	if (v->kind == XLCFG_LIST)
		return parser_bad(ps, v->line, "bad-value", "%s is a list but should be a single value", key);
	*out = v->string;
	return 1;
}

/* As parser_string(), but a copy for the structure. */
static int take_string(struct parser *ps, const char *key, char **to)
{
	const char *s;
	int rc = parser_string(ps, key, &s);

	if (rc > 0) {
		free(*to);
		*to = xstrdup(s);
	}
	return rc;
}

int parser_number(struct parser *ps, const char *key, long long min, long long max, long long *out)
{
	const struct xlcfg_value *v = xlcfg_get(&ps->cfg, key);
	char *end;

	if (!v)
		return 0;
	if (v->kind == XLCFG_LIST)
		return parser_bad(ps, v->line, "bad-value", "%s is a list but should be a number", key);
	errno = 0;
	*out = strtoll(v->string, &end, 0);
	if (!*v->string || *end || errno)
		return parser_bad(ps, v->line, "bad-value", "%s = \"%.40s\" is not a number", key, v->string);
	if (*out < min || *out > max)
		return parser_bad(ps, v->line, "bad-value", "%s = %lld is not between %lld and %lld", key, *out, min,
				  max);
	return 1;
}

static int take_bool(struct parser *ps, const char *key, bool *to, const char *path)
{
	long long n;
	int rc = parser_number(ps, key, INT32_MIN, INT32_MAX, &n);

	if (rc > 0) {
		*to = n != 0;
		if (!n && path)
			domain_config_set_other(ps->c, path, json_object_new_string("False"));
	}
	return rc;
}

static int take_u32(struct parser *ps, const char *key, uint32_t *to)
{
	long long n;
	int rc = parser_number(ps, key, 0, UINT32_MAX - 1, &n);

	if (rc > 0)
		*to = (uint32_t)n;
	return rc;
}

static int take_int(struct parser *ps, const char *key, int *to)
{
	long long n;
	int rc = parser_number(ps, key, 0, INT32_MAX, &n);

	if (rc > 0)
		*to = (int)n;
	return rc;
}

int parser_for_strings(struct parser *ps, const char *key,
		       int (*fn)(struct parser *ps, const char *key, const char *s, int line))
{
	const struct xlcfg_value *v = xlcfg_get(&ps->cfg, key);
	int rc = 0;

	if (!v)
		return 0;
	if (v->kind != XLCFG_LIST)
		return fn(ps, key, v->string, v->line);
	for (size_t i = 0; i < v->nr_items && rc == 0; i++)
		rc = v->items[i].kind == XLCFG_LIST ? parser_bad(ps, v->items[i].line, "bad-value",
								 "%s: a list in a list makes no sense here", key) :
						      fn(ps, key, v->items[i].string, v->items[i].line);
	return rc;
}

/* Groups of keys, in the order of their reading ------------------------------------------------------------- */

static int line_of(const struct parser *ps, const char *key)
{
	const struct xlcfg_value *v = xlcfg_get(&ps->cfg, key);

	return v ? v->line : 0;
}

static int parse_uuid(struct parser *ps)
{
	const char *s;
	unsigned n = 0;
	int rc = parser_string(ps, "uuid", &s);

	if (rc <= 0)
		return rc;
	for (const char *p = s; *p; p++) {
		if (*p == '-')
			continue;
		if (!isxdigit((unsigned char)*p) || n == 32) {
			n = 99;
			break;
		}
		ps->c->uuid[n / 2] =
			(uint8_t)(ps->c->uuid[n / 2] << 4 |
				  (isdigit((unsigned char)*p) ? *p - '0' : tolower((unsigned char)*p) - 'a' + 10));
		n++;
	}
	return n == 32 ? 0 : parser_bad(ps, line_of(ps, "uuid"), "bad-value", "uuid \"%.60s\" is not a UUID", s);
}

static int parse_type(struct parser *ps)
{
	struct domain_config *c = ps->c;
	const char *type, *builder;
	int v;

	if (parser_string(ps, "type", &type) < 0 || parser_string(ps, "builder", &builder) < 0)
		return -EINVAL;
	if (type) {
		v = value_of(domain_type_names, type);
		if (v < 0)
			return parser_bad(ps, line_of(ps, "type"), "bad-value",
					  "type \"%.40s\" is none of pv, pvh, hvm", type);
		c->type = (enum domain_type)v;
		c->type_given = true;
	}
	if (!builder)
		return 0;
	v = strcmp(builder, "hvm") == 0					     ? DOMAIN_HVM :
	    strcmp(builder, "generic") == 0 || strcmp(builder, "linux") == 0 ? DOMAIN_PV :
									       -1;
	if (v < 0)
		return parser_bad(ps, line_of(ps, "builder"), "bad-value",
				  "builder \"%.40s\" is neither generic nor hvm", builder);
	if (type && v == DOMAIN_HVM && c->type != DOMAIN_HVM)
		return parser_bad(ps, line_of(ps, "builder"), "bad-value", "builder=\"%s\" contradicts type=\"%s\"",
				  builder, type);
	if (!type) {
		parser_remark(ps, line_of(ps, "builder"), "builder is deprecated, please use type=\"%s\"",
			      v == DOMAIN_HVM ? "hvm" : "pv");
		c->type = (enum domain_type)v;
		c->type_given = v == DOMAIN_HVM;
	}
	return 0;
}

static int parse_identity(struct parser *ps)
{
	struct domain_config *c = ps->c;
	const char *s;
	int rc = take_string(ps, "name", &c->name);

	if (rc < 0)
		return rc;
	if (!rc || !*c->name)
		return problem_set(ps->p, EINVAL, "missing-key", "configuration", "add a line: name = \"...\"",
				   "%s: the domain has no name", c->file);
	for (const char *p = c->name; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127 || *p == '/')
			return parser_bad(
				ps, line_of(ps, "name"), "bad-name",
				"name \"%.60s\": blanks, control characters and '/' are not possible in a name",
				c->name);
	if (strlen(c->name) > 60)
		return parser_bad(ps, line_of(ps, "name"), "bad-name", "name: longer than 60 characters");
	problem_domain(ps->p, c->name, PROBLEM_NO_DOMID);
	if (parse_uuid(ps) < 0 || parse_type(ps) < 0 || take_string(ps, "pool", &c->pool) < 0 ||
	    take_string(ps, "seclabel", &c->seclabel) < 0 || take_string(ps, "init_seclabel", &c->init_seclabel) < 0 ||
	    take_bool(ps, "nomigrate", &c->nomigrate, "b_info/disable_migrate") < 0 ||
	    take_bool(ps, "driver_domain", &c->driver_domain, "c_info/driver_domain") < 0)
		return -EINVAL;
	rc = parser_string(ps, "passthrough", &s);
	if (rc < 0)
		return rc;
	if (rc) {
		static const char *const words[] = { "disabled", "enabled", "sync_pt", "share_pt",
						     "default",	 "unknown", NULL };
		const char *const *w = words;

		while (*w && strcmp(*w, s))
			w++;
		if (!*w)
			return parser_bad(ps, line_of(ps, "passthrough"), "bad-value",
					  "passthrough \"%.40s\" is none of disabled, enabled, sync_pt, share_pt", s);
		c->passthrough = xstrdup(s);
	}
	return 0;
}

static int parse_vcpus(struct parser *ps)
{
	struct domain_config *c = ps->c;
	long long n;
	int rc = parser_number(ps, "vcpus", 0, 4096, &n);

	if (rc < 0)
		return rc;
	c->vcpus_given = rc > 0 && n;
	c->vcpus = c->maxvcpus = c->vcpus_given ? (unsigned)n : 1;
	rc = parser_number(ps, "maxvcpus", 1, 4096, &n);
	if (rc < 0)
		return rc;
	c->maxvcpus_given = rc > 0;
	if (rc)
		c->maxvcpus = (unsigned)n;
	if (c->maxvcpus < c->vcpus)
		return parser_bad(ps, line_of(ps, "maxvcpus"), "bad-value", "maxvcpus = %u is less than vcpus = %u",
				  c->maxvcpus, c->vcpus);
	return 0;
}

/* A list that names CPUs, none of which this machine has. */
static bool is_empty(const struct cpu_list *l)
{
	for (unsigned i = 0; i < l->nr_bits; i++)
		if (l->bits[i / 8] >> i % 8 & 1)
			return false;
	return true;
}

static int parse_affinity(struct parser *ps, const char *key, bool soft)
{
	const struct xlcfg_value *v = xlcfg_get(&ps->cfg, key);
	struct domain_config *c = ps->c;

	if (!v)
		return 0;
	if (v->kind != XLCFG_LIST) {
		struct cpu_list *l = soft ? &c->affinity.soft : &c->affinity.hard;

		if (cpu_list_parse(l, v->string, c->nr_cpus))
			return parser_bad(ps, v->line, "bad-value", "%s: \"%.60s\" is no list of CPUs", key, v->string);
		if (*v->string && is_empty(l))
			return parser_bad(ps, v->line, "bad-value", "%s: no CPU of this machine is in \"%.60s\"", key,
					  v->string);
		return 0;
	}
	if (v->nr_items > c->nr_vcpu_affinity) {
		c->vcpu_affinity = xrealloc(c->vcpu_affinity, v->nr_items * sizeof(*c->vcpu_affinity));
		memset(c->vcpu_affinity + c->nr_vcpu_affinity, 0,
		       (v->nr_items - c->nr_vcpu_affinity) * sizeof(*c->vcpu_affinity));
		c->nr_vcpu_affinity = (unsigned)v->nr_items;
	}
	for (size_t i = 0; i < v->nr_items; i++) {
		struct cpu_list *l = soft ? &c->vcpu_affinity[i].soft : &c->vcpu_affinity[i].hard;

		if (v->items[i].kind == XLCFG_LIST || cpu_list_parse(l, v->items[i].string, c->nr_cpus))
			return parser_bad(ps, v->items[i].line, "bad-value", "%s: item %zu is no list of CPUs", key,
					  i + 1);
	}
	domain_config_set_other(c, "b_info/numa_placement", json_object_new_string("False"));
	return 0;
}

/* One of the names in @table: 1 found, 0 not there, -errno with the problem. */
static int parse_name(struct parser *ps, const char *key, const struct name *table, int *out)
{
	const char *s;
	int value, rc = parser_string(ps, key, &s);

	if (rc <= 0)
		return rc;
	value = value_of(table, s);
	if (value < 0)
		return parser_bad(ps, line_of(ps, key), "bad-value", "invalid value \"%.40s\" for \"%s\"", s, key);
	*out = value;
	return 1;
}

static int parse_cpus(struct parser *ps)
{
	struct domain_config *c = ps->c;

	if (parse_vcpus(ps) < 0 || parse_affinity(ps, "cpus", false) < 0 || parse_affinity(ps, "cpus_soft", true) < 0)
		return -EINVAL;
	if (c->affinity.soft.bits) /* libxl's parser does this for the soft one alone */
		domain_config_set_other(c, "b_info/numa_placement", json_object_new_string("False"));
	if (take_int(ps, "cpu_weight", &c->weight) < 0 || take_int(ps, "cap", &c->cap) < 0 ||
	    take_int(ps, "period", &c->period) < 0 || take_int(ps, "slice", &c->slice) < 0 ||
	    take_int(ps, "latency", &c->latency) < 0 ||
	    parse_name(ps, "latency_class", latency_class_names, &c->latency_class) < 0 ||
	    take_bool(ps, "nestedhvm", &c->nestedhvm, "b_info/nested_hvm") < 0 ||
	    take_bool(ps, "vpmu", &c->vpmu, "b_info/vpmu") < 0)
		return -EINVAL;
	return 0;
}

static int add_cpuid(struct parser *ps, const char *key, const char *s, int line)
{
	char *old = ps->c->cpuid;

	(void)key;
	(void)line;
	ps->c->cpuid = old ? xasprintf("%s;%s", old, s) : xstrdup(s);
	free(old);
	return 0;
}

/* A word of @table, or by the old way its number. */
static int parse_mode(struct parser *ps, const char *key, const struct name *table, int *out)
{
	const char *s;
	char *end;
	long n;
	int rc = parser_string(ps, key, &s);

	if (rc <= 0)
		return rc;
	n = strtol(s, &end, 0);
	if (*s && !*end) {
		if (!name_of(table, (int)n))
			return parser_bad(ps, line_of(ps, key), "bad-value", "invalid value %ld for \"%s\"", n, key);
		parser_remark(
			ps, line_of(ps, key),
			"specifying \"%s\" as an integer is deprecated. Please use the named parameter variant. e.g. %s=\"%s\"",
			key, key, name_of(table, (int)n));
		*out = (int)n;
		return 1;
	}
	return parse_name(ps, key, table, out);
}

static int parse_time(struct parser *ps)
{
	static const struct name timer_modes[] = { { "delay_for_missed_ticks", 0 },
						   { "no_delay_for_missed_ticks", 1 },
						   { "no_missed_ticks_pending", 2 },
						   { "one_missed_tick_pending", 3 },
						   { NULL, 0 } };
	int v, rc = parse_mode(ps, "tsc_mode", tsc_mode_names, &v);

	if (rc > 0)
		ps->c->tsc_mode = (enum tsc_mode)v;
	if (rc < 0)
		return rc;
	rc = parse_mode(ps, "timer_mode", timer_modes, &v);
	if (rc > 0 && ps->c->type != DOMAIN_PV)
		domain_config_set_other(ps->c, "b_info/timer_mode", json_object_new_string(name_of(timer_modes, v)));
	return rc < 0 ? rc : parser_for_strings(ps, "cpuid", add_cpuid);
}

static int parse_memory(struct parser *ps)
{
	struct domain_config *c = ps->c;
	long long n, max = 1ll << 34; /* MiB */
	int given = parser_number(ps, "memory", 1, max, &n), rc;

	if (given < 0)
		return given;
	if (given)
		c->memory = c->maxmem = (uint64_t)n << 10;
	rc = parser_number(ps, "maxmem", 1, max, &n);
	if (rc < 0)
		return rc;
	if (rc)
		c->maxmem = (uint64_t)n << 10;
	if (!given) {
		c->memory = rc ? c->maxmem : 32 << 10;
		c->maxmem = c->memory;
		parser_remark(ps, 0, "no memory is given: %llu MiB", (unsigned long long)c->memory >> 10);
	}
	if (c->maxmem < c->memory)
		return parser_bad(ps, line_of(ps, "maxmem"), "bad-value",
				  "maxmem = %llu MiB is less than memory = %llu MiB",
				  (unsigned long long)c->maxmem >> 10, (unsigned long long)c->memory >> 10);
	return 0;
}

static int parse_actions(struct parser *ps)
{
	struct domain_config *c = ps->c;
	const struct {
		const char *key;
		enum domain_action *to;
	} keys[] = { { "on_poweroff", &c->on_poweroff },
		     { "on_reboot", &c->on_reboot },
		     { "on_watchdog", &c->on_watchdog },
		     { "on_crash", &c->on_crash },
		     { "on_soft_reset", &c->on_soft_reset } };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *s;
		int v, rc = parser_string(ps, keys[i].key, &s);

		if (rc < 0)
			return rc;
		if (!rc)
			continue;
		v = value_of(action_keywords, s);
		if (v < 0)
			return parser_bad(ps, line_of(ps, keys[i].key), "bad-value",
					  "Unknown %s action \"%.40s\" specified", keys[i].key, s);
		*keys[i].to = (enum domain_action)v;
	}
	return 0;
}

static int add_bootloader_arg(struct parser *ps, const char *key, const char *s, int line)
{
	unsigned n = 0;

	(void)key;
	(void)line;
	while (ps->c->bootloader_args && ps->c->bootloader_args[n])
		n++;
	ps->c->bootloader_args = xrealloc(ps->c->bootloader_args, (n + 2) * sizeof(char *));
	ps->c->bootloader_args[n] = xstrdup(s);
	ps->c->bootloader_args[n + 1] = NULL;
	return 0;
}

/* The old way: words with blanks between. */
static void split_bootloader_args(struct parser *ps, const struct xlcfg_value *args)
{
	char *words = xstrdup(args->string), *rest;

	parser_remark(ps, args->line,
		      "Specifying \"bootloader_args\" as a string is deprecated. Please use a list of arguments.");
	for (char *w = strtok_r(words, " \t\n", &rest); w; w = strtok_r(NULL, " \t\n", &rest))
		(void)add_bootloader_arg(ps, "bootloader_args", w, args->line);
	free(words);
}

static int parse_boot(struct parser *ps)
{
	struct domain_config *c = ps->c;
	const struct xlcfg_value *args = xlcfg_get(&ps->cfg, "bootloader_args");
	const char *cmdline, *root, *extra;

	if (take_string(ps, "kernel", &c->kernel) < 0 || take_string(ps, "ramdisk", &c->ramdisk) < 0 ||
	    take_string(ps, "bootloader", &c->bootloader) < 0 || take_string(ps, "firmware", &c->firmware) < 0 ||
	    parser_string(ps, "cmdline", &cmdline) < 0 || parser_string(ps, "root", &root) < 0 ||
	    parser_string(ps, "extra", &extra) < 0)
		return -EINVAL;
	if (cmdline && (root || extra))
		parser_remark(ps, line_of(ps, root ? "root" : "extra"),
			      "ignoring root= and extra= in favour of cmdline=");
	if (cmdline)
		c->cmdline = xstrdup(cmdline);
	else if (root)
		c->cmdline = extra ? xasprintf("root=%s %s", root, extra) : xasprintf("root=%s", root);
	else if (extra)
		c->cmdline = xstrdup(extra);
	if (args && args->kind != XLCFG_LIST)
		split_bootloader_args(ps, args);
	else if (parser_for_strings(ps, "bootloader_args", add_bootloader_arg) < 0)
		return -EINVAL;
	if (c->type == DOMAIN_HVM)
		return 0;
	if (c->kernel && c->firmware)
		return parser_bad(ps, line_of(ps, "firmware"), "bad-value", "both kernel and firmware are specified");
	if (!c->kernel && !c->bootloader && !c->firmware)
		return problem_set(ps->p, EINVAL, "missing-key", "configuration",
				   "add a line: kernel = \"/path/of/the/kernel\"",
				   "%s: neither kernel nor bootloader is specified", c->file);
	return 0;
}

static int parse_limits(struct parser *ps)
{
	struct domain_config *c = ps->c;

	if (take_u32(ps, "max_grant_frames", &c->max_grant_frames) < 0 ||
	    take_u32(ps, "max_maptrack_frames", &c->max_maptrack_frames) < 0 ||
	    take_int(ps, "max_grant_version", &c->max_grant_version) < 0 ||
	    take_u32(ps, "max_event_channels", &c->max_event_channels) < 0 ||
	    take_u32(ps, "overhead_max", &c->overhead_max) < 0)
		return -EINVAL;
	return 0;
}

/* Devices ----------------------------------------------------------------------------------------------------- */

/* Add file and line to what a specification's parser found. */
static int place(struct parser *ps, int line)
{
	char cause[sizeof(ps->p->cause)], next[sizeof(ps->p->next)];

	if (!ps->p)
		return -EINVAL;
	if (line)
		snprintf(cause, sizeof(cause), "%.200s:%d: %.290s", ps->c->file, line, ps->p->cause);
	else
		snprintf(cause, sizeof(cause), "command line: %.480s", ps->p->cause);
	memcpy(ps->p->cause, cause, sizeof(cause));
	if (line)
		snprintf(next, sizeof(next), "%.250s (line %d of %.200s)", ps->p->next, line, ps->c->file);
	else
		snprintf(next, sizeof(next), "%.500s", ps->p->next);
	memcpy(ps->p->next, next, sizeof(next));
	return -EINVAL;
}

static int add_disk(struct parser *ps, const char *key, const char *s, int line)
{
	struct domain_config *c = ps->c;
	struct disk_config d;

	(void)key;
	if (disk_config_parse(&d, s, ps->p) < 0)
		return place(ps, line);
	d.line = line;
	for (unsigned i = 0; i < c->nr_disks; i++) {
		if (disk_vdev_number(c->disks[i].vdev) == disk_vdev_number(d.vdev)) {
			int rc = parser_bad(ps, line, "bad-disk", "two disks are named %s", d.vdev);

			disk_config_free(&d);
			return rc;
		}
	}
	c->disks = xrealloc(c->disks, (c->nr_disks + 1) * sizeof(d));
	c->disks[c->nr_disks++] = d;
	return 0;
}

static int add_nic(struct parser *ps, const char *key, const char *s, int line)
{
	struct domain_config *c = ps->c;
	struct nic_config n;

	(void)key;
	if (nic_config_parse(&n, s, ps->p) < 0)
		return place(ps, line);
	n.line = line;
	if (n.devid < 0)
		n.devid = (int)c->nr_nics;
	if (n.accel)
		parser_remark(ps, line, "the accel parameter for vifs is currently not supported");
	for (unsigned i = 0; i < c->nr_nics; i++) {
		if (c->nics[i].devid == n.devid) {
			int rc = parser_bad(ps, line, "bad-vif", "two network interfaces have devid %d", n.devid);

			nic_config_free(&n);
			return rc;
		}
	}
	c->nics = xrealloc(c->nics, (c->nr_nics + 1) * sizeof(n));
	c->nics[c->nr_nics++] = n;
	return 0;
}

static int add_channel(struct parser *ps, const char *key, const char *s, int line)
{
	struct domain_config *c = ps->c;
	const char *how = strstr(s, "connection=");

	(void)key;
	if (!how)
		return parser_bad(ps, line, "bad-value", "channel: \"%.60s\" has no connection=", s);
	how += 11;
	if (strncmp(how, "pty", 3) && strncmp(how, "socket", 6))
		return parser_bad(ps, line, "bad-value", "channel: unknown connection '%.20s'", how);
	if (strncmp(how, "socket", 6) == 0 && !strstr(s, "path="))
		return parser_bad(ps, line, "bad-value", "channel: connection=socket requires path=");
	c->channels = xrealloc(c->channels, (c->nr_channels + 1) * sizeof(char *));
	c->channels[c->nr_channels++] = xstrdup(s);
	return 0;
}

static int add_pci(struct parser *ps, const char *key, const char *s, int line)
{
	struct domain_config *c = ps->c;
	unsigned a, b, d, e;

	(void)key;
	if (sscanf(s, "%4x:%2x:%2x.%1x", &a, &b, &d, &e) != 4 && sscanf(s, "%2x:%2x.%1x", &b, &d, &e) != 3)
		return parser_bad(ps, line, "bad-value", "unable to parse PCI_SPEC_STRING `%.60s' for passthrough", s);
	c->pci = xrealloc(c->pci, (c->nr_pci + 1) * sizeof(char *));
	c->pci[c->nr_pci++] = xstrdup(s);
	return 0;
}

static int parse_devices(struct parser *ps)
{
	const struct xlcfg_value *v = xlcfg_get(&ps->cfg, "disk");

	if (v && v->kind != XLCFG_LIST)
		return parser_bad(ps, v->line, "bad-value", "disk must be a list: disk = [ \"...\" ]");
	v = xlcfg_get(&ps->cfg, "vif");
	if (v && v->kind != XLCFG_LIST)
		return parser_bad(ps, v->line, "bad-value", "vif must be a list: vif = [ \"...\" ]");
	if (parser_for_strings(ps, "disk", add_disk) < 0 || parser_for_strings(ps, "vif", add_nic) < 0 ||
	    parser_for_strings(ps, "channel", add_channel) < 0 || parser_for_strings(ps, "pci", add_pci) < 0)
		return -EINVAL;
	return 0;
}

/* All keys: what is unknown, what is for others, and what only the JSON keeps. */
static int parse_others(struct parser *ps)
{
	static const char *const type_names[] = { [DOMAIN_PV] = "PV", [DOMAIN_PVH] = "PVH", [DOMAIN_HVM] = "HVM" };
	unsigned mask = 1u << ps->c->type;

	for (size_t i = 0; i < ps->cfg.nr_settings; i++) {
		const struct xlcfg_setting *s = &ps->cfg.settings[i];
		const struct key_info *k = key_find(s->key);
		int rc;

		if (xlcfg_get(&ps->cfg, s->key) != &s->value)
			continue; /* a later one counts */
		if (!k) {
			parser_remark(ps, s->value.line, "unknown key %s is ignored", s->key);
			continue;
		}
		if (k->feature)
			parser_remark(ps, s->value.line, "key %s is for %s, ignored", k->key, k->feature);
		else if (!(k->types & mask))
			parser_remark(ps, s->value.line, "key %s is for %s domains, ignored in a %s one", k->key,
				      k->types == FOR_HVM ? "HVM" :
				      k->types == FOR_PV  ? "PV" :
				      k->types == FOR_PVH ? "PVH" :
							    "PVH and HVM",
				      type_names[ps->c->type]);
		if (!(k->types & mask))
			continue;
		rc = parse_other(ps, k, &s->value);
		if (rc)
			return rc;
	}
	return 0;
}

int domain_config_parse(struct domain_config *c, const char *file, const char *text, char *const *overrides,
			config_remark *remark, void *arg, struct problem *p)
{
	static int (*const groups[])(struct parser *) = {
		parse_identity, parse_cpus,    parse_time, parse_memory,   parse_actions, parse_boot,
		parse_limits,	parse_devices, parse_hvm,  parse_hardware, parse_others,
	};
	struct parser ps = { .c = c, .remark = remark, .arg = arg, .p = p };
	struct problem own;
	int rc;

	if (!p) {
		problem_init(&own);
		ps.p = &own;
	}
	free(c->file);
	c->file = xstrdup(file);
	rc = xlcfg_parse(&ps.cfg, file, text);
	for (; rc == 0 && overrides && *overrides; overrides++)
		rc = xlcfg_override(&ps.cfg, *overrides);
	if (rc)
		rc = problem_set(ps.p, EINVAL, "syntax", "configuration",
				 "correct that place; values are numbers, strings in quotes and lists in brackets",
				 "%s", ps.cfg.error);
	for (size_t i = 0; rc == 0 && i < sizeof(groups) / sizeof(groups[0]); i++)
		rc = groups[i](&ps);
	xlcfg_free(&ps.cfg);
	return rc < 0 ? rc : 0;
}
