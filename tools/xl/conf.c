#include "conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <json-c/json.h>

#include "base/text.h"
#include "domain/xlcfg.h"
#include "machine.h"
#include "xl.h"

static struct {
	bool read, bad;
	const char *file;
	struct xlcfg cfg;
	/* CPUs guests of each type may use; no bits: all. */
	struct cpu_list any, hvm, pv;
} conf;

static void __attribute__((format(printf, 2, 3))) remark(const struct xlcfg_value *v, const char *fmt, ...)
{
	va_list ap;

	if (xl_json())
		return;
	fprintf(stderr, "%s:%d: warning: ", conf.file, v->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void bad(const struct xlcfg_value *v, const char *key, const char *what)
{
	conf.bad = true;
	xl_fail(EINVAL, "bad-value", "xl.conf", "correct that line of the file", "%s:%d: %s %s", conf.file, v->line,
		key, what);
}

static const char *get_string(const char *key)
{
	const struct xlcfg_value *v = xlcfg_get(&conf.cfg, key);

	if (v && v->kind == XLCFG_LIST) {
		bad(v, key, "is a list but should be a single value");
		return NULL;
	}
	return v ? v->string : NULL;
}

/* False: not given. */
static bool get_number(const char *key, unsigned long max, unsigned long *n)
{
	const char *s = get_string(key);
	char *end;

	if (!s)
		return false;
	errno = 0;
	*n = strtoul(s, &end, 0);
	if (!*s || *s == '-' || *end || errno || *n > max) {
		bad(xlcfg_get(&conf.cfg, key), key, "is no number that makes sense there");
		return false;
	}
	return true;
}

static void read_mask(struct cpu_list *l, const char *key)
{
	const char *s = get_string(key);

	if (s && cpu_list_parse(l, s, (machine_nr_cpus() + 7) & ~7u))
		bad(xlcfg_get(&conf.cfg, key), key, "is no list of CPUs");
}

/* Settings with words, and those that have no effect here. */
static void look(void)
{
	static const struct {
		const char *key, *remark;
	} others[] = {
		{ "vifscript", "vifscript is deprecated, please use vif.default.script" },
		{ "defaultbridge", "defaultbridge is deprecated, please use vif.default.bridge" },
		{ "remus.default.netbufscript", "Remus comes with a later release: ignored" },
		{ "colo.default.proxyscript", "COLO comes with a later release: ignored" },
	};
	static const char *const known[] = {
		"autoballoon",
		"run_hotplug_scripts",
		"lockfile",
		"max_grant_frames",
		"max_maptrack_frames",
		"max_grant_version",
		"vif.default.script",
		"vif.default.bridge",
		"vif.default.backend",
		"blkdev_start",
		"vif.default.gatewaydev",
		"output_format",
		"claim_mode",
		"vm.cpumask",
		"vm.hvm.cpumask",
		"vm.pv.cpumask",
		"domid_policy",
	};
	const char *s = get_string("output_format");

	if (s && strcmp(s, "sxp") == 0)
		remark(xlcfg_get(&conf.cfg, "output_format"),
		       "xm's output is not made any more (Debian's cannot show PVH domains in it): JSON is printed");
	else if (s && strcmp(s, "json"))
		remark(xlcfg_get(&conf.cfg, "output_format"), "output_format \"%.40s\" is not json", s);
	for (size_t i = 0; i < conf.cfg.nr_settings; i++) {
		const struct xlcfg_setting *set = &conf.cfg.settings[i];
		size_t k = 0, o = 0;

		while (k < sizeof(known) / sizeof(known[0]) && strcmp(known[k], set->key))
			k++;
		while (o < sizeof(others) / sizeof(others[0]) && strcmp(others[o].key, set->key))
			o++;
		if (o < sizeof(others) / sizeof(others[0]))
			remark(&set->value, "%s", others[o].remark);
		else if (k == sizeof(known) / sizeof(known[0]))
			remark(&set->value, "unknown setting %s is ignored", set->key);
	}
}

/* Once. XL_FAILED: something in it is wrong, and was said. */
static int read_conf(void)
{
	struct text t = { 0 };
	int rc;

	if (conf.read)
		return conf.bad ? XL_FAILED : XL_OK;
	conf.read = true;
	conf.file = getenv("XL_CONF");
	if (!conf.file)
		conf.file = "/etc/xen/xl.conf";
	rc = text_read_file(&t, conf.file);
	if (rc && rc != -ENOENT)
		fprintf(stderr, "xl: %s: %s: its settings do not count\n", conf.file, strerror(-rc));
	if (rc == 0 && xlcfg_parse(&conf.cfg, conf.file, t.s)) {
		conf.bad = true;
		xl_fail(EINVAL, "syntax", "xl.conf",
			"correct that place; values are numbers, strings in quotes and lists in brackets", "%s",
			conf.cfg.error);
	} else if (rc == 0) {
		look();
		read_mask(&conf.any, "vm.cpumask");
		read_mask(&conf.hvm, "vm.hvm.cpumask");
		read_mask(&conf.pv, "vm.pv.cpumask");
	}
	text_free(&t);
	return conf.bad ? XL_FAILED : XL_OK;
}

/* Unless there is something: @key, or by its old name @old (which may be NULL). */
static void take(char **to, const char *key, const char *old)
{
	const char *s = get_string(key);

	if (!s && old)
		s = get_string(old);
	if (!*to && s)
		*to = xstrdup(s);
}

int conf_apply_nic(struct nic_config *n)
{
	if (read_conf())
		return XL_FAILED;
	if (!n->gatewaydev)
		take(&n->bridge, "vif.default.bridge", "defaultbridge");
	take(&n->script, "vif.default.script", "vifscript");
	take(&n->gatewaydev, "vif.default.gatewaydev", NULL);
	take(&n->backend_domain, "vif.default.backend", NULL);
	return conf.bad ? XL_FAILED : XL_OK;
}

static void take_limit(uint32_t *to, const char *key)
{
	unsigned long n;

	if (*to == UINT32_MAX && get_number(key, UINT32_MAX - 1, &n))
		*to = (uint32_t)n;
}

static void put_bool(struct domain_config *c, const char *path, const char *key)
{
	unsigned long n = 1;

	(void)get_number(key, INT32_MAX, &n);
	domain_config_set_other(c, path, json_object_new_string(n ? "True" : "False"));
}

int conf_mask(enum domain_type type, struct cpu_list *hard, bool *empty)
{
	const struct cpu_list *masks[] = { &conf.any, type == DOMAIN_PV ? &conf.pv : &conf.hvm };

	*empty = false;
	if (read_conf())
		return XL_FAILED;
	for (unsigned i = 0; i < 2; i++)
		if (masks[i]->bits)
			*empty |= !cpu_list_and(hard, masks[i]);
	return XL_OK;
}

/* Of every virtual CPU, or, where the file said nothing of them, of all. */
static int mask_domain(struct domain_config *c)
{
	bool any = c->affinity.hard.bits != NULL, empty = false;

	for (unsigned i = 0; i < c->nr_vcpu_affinity; i++) {
		struct cpu_list *l = &c->vcpu_affinity[i].hard;

		if (!l->bits)
			continue;
		any = true;
		if (conf_mask(c->type, l, &empty))
			return XL_FAILED;
		if (empty)
			break;
	}
	if (!any && (conf.any.bits || (c->type == DOMAIN_PV ? conf.pv.bits : conf.hvm.bits)))
		(void)cpu_list_parse(&c->affinity.hard, "all", c->nr_cpus);
	if (!empty && c->affinity.hard.bits && conf_mask(c->type, &c->affinity.hard, &empty))
		return XL_FAILED;
	if (empty)
		return xl_fail(EINVAL, "bad-cpus", "CPUs",
			       "use other CPUs in cpus=, or --ignore-global-affinity-masks with xl create",
			       "%s: vm.cpumask and its like leave the domain none of the CPUs its configuration names",
			       conf.file);
	return XL_OK;
}

int conf_apply(struct domain_config *c, bool all_cpus)
{
	static const uint8_t none[16];
	unsigned long n;

	if (read_conf())
		return XL_FAILED;
	put_bool(c, "c_info/run_hotplug_scripts", "run_hotplug_scripts");
	put_bool(c, "b_info/claim_mode", "claim_mode");
	take_limit(&c->max_grant_frames, "max_grant_frames");
	take_limit(&c->max_maptrack_frames, "max_maptrack_frames");
	if (c->max_grant_version < 0 && get_number("max_grant_version", 2, &n))
		c->max_grant_version = (int)n;
	if (get_string("blkdev_start"))
		domain_config_set_other(c, "b_info/blkdev_start", json_object_new_string(get_string("blkdev_start")));
	for (unsigned i = 0; i < c->nr_nics; i++)
		(void)conf_apply_nic(&c->nics[i]);
	if (!all_cpus && !conf.bad && mask_domain(c))
		return XL_FAILED;
	if (memcmp(c->uuid, none, 16) == 0 && getrandom(c->uuid, 16, 0) == 16) {
		c->uuid[6] = (uint8_t)((c->uuid[6] & 0x0f) | 0x40);
		c->uuid[8] = (uint8_t)((c->uuid[8] & 0x3f) | 0x80);
	}
	return conf.bad ? XL_FAILED : XL_OK;
}
