/* Keys of xl.cfg that nothing here uses, kept so that the JSON says what libxl's would. */
#include "domain/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "domain/keys.h"
#include "domain/names.h"

static struct json_object *strings(const struct xlcfg_value *v)
{
	struct json_object *a = json_object_new_array();

	if (v->kind != XLCFG_LIST)
		json_object_array_add(a, json_object_new_string(v->string));
	for (size_t i = 0; v->kind == XLCFG_LIST && i < v->nr_items; i++)
		if (v->items[i].kind != XLCFG_LIST)
			json_object_array_add(a, json_object_new_string(v->items[i].string));
	return a;
}

int parse_other(struct parser *ps, const struct key_info *k, const struct xlcfg_value *v)
{
	const char *s;
	long long n;
	int rc;

	switch (k->kind) {
	case KEY_BOOL:
	case KEY_NUMBER:
		rc = parser_number(ps, k->key, INT32_MIN, UINT32_MAX, &n);
		if (rc <= 0 || !k->path)
			return rc < 0 ? rc : 0;
		domain_config_set_other(ps->c, k->path,
					k->kind == KEY_BOOL ? json_object_new_string(n ? "True" : "False") :
							      json_object_new_int64(n * k->scale));
		return 0;
	case KEY_STRING:
		rc = parser_string(ps, k->key, &s);
		if (rc <= 0 || !k->path)
			return rc < 0 ? rc : 0;
		domain_config_set_other(ps->c, k->path, json_object_new_string(s));
		return 0;
	case KEY_STRINGS:
		if (k->path)
			domain_config_set_other(ps->c, k->path, strings(v));
		return 0;
	default:
		return 0;
	}
}

static struct json_object *array_at(struct domain_config *c, const char *path)
{
	struct json_object *a = domain_config_other(c, path);

	if (!a) {
		a = json_object_new_array();
		domain_config_set_other(c, path, a);
	}
	return a;
}

/* "2f8-2ff" or "3f8". */
static int add_ioport(struct parser *ps, const char *key, const char *s, int line)
{
	unsigned long first, last;
	char *end;
	struct json_object *o;

	first = last = strtoul(s, &end, 16);
	if (end != s && *end == '-')
		last = strtoul(end + 1, &end, 16);
	if (end == s || *end || first > last || last > 0xffff)
		return parser_bad(ps, line, "bad-value", "%s: \"%.40s\" is no range of ports", key, s);
	o = json_object_new_object();
	json_object_object_add(o, "first", json_object_new_int64((int64_t)first));
	json_object_object_add(o, "number", json_object_new_int64((int64_t)(last - first + 1)));
	json_object_array_add(array_at(ps->c, "b_info/ioports"), o);
	return 0;
}

static int add_irq(struct parser *ps, const char *key, const char *s, int line)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s || *end || n > INT32_MAX)
		return parser_bad(ps, line, "bad-value", "%s: \"%.40s\" is no interrupt's number", key, s);
	json_object_array_add(array_at(ps->c, "b_info/irqs"), json_object_new_int64((int64_t)n));
	return 0;
}

/* "fd000,2" or "e0000,1@ff": frames, in hexadecimal. */
static int add_iomem(struct parser *ps, const char *key, const char *s, int line)
{
	unsigned long start, number, gfn = 0;
	char *end;
	struct json_object *o;
	bool has_gfn = false;

	start = strtoul(s, &end, 16);
	if (end == s || *end != ',')
		return parser_bad(ps, line, "bad-value", "%s: \"%.40s\" is no START,NUMBER[@GFN]", key, s);
	number = strtoul(end + 1, &end, 16);
	if (*end == '@') {
		gfn = strtoul(end + 1, &end, 16);
		has_gfn = true;
	}
	if (*end || !number)
		return parser_bad(ps, line, "bad-value", "%s: \"%.40s\" is no START,NUMBER[@GFN]", key, s);
	o = json_object_new_object();
	json_object_object_add(o, "start", json_object_new_int64((int64_t)start));
	json_object_object_add(o, "number", json_object_new_int64((int64_t)number));
	if (has_gfn)
		json_object_object_add(o, "gfn", json_object_new_int64((int64_t)gfn));
	json_object_array_add(array_at(ps->c, "b_info/iomem"), o);
	return 0;
}

int parse_hardware(struct parser *ps)
{
	int rc = parser_for_strings(ps, "ioports", add_ioport);

	if (rc == 0)
		rc = parser_for_strings(ps, "irqs", add_irq);
	return rc ? rc : parser_for_strings(ps, "iomem", add_iomem);
}

static int word(struct parser *ps, const char *key, const struct name *table, const char *path, const char *s)
{
	int v = value_of(table, s);
	const struct xlcfg_value *at = xlcfg_get(&ps->cfg, key);

	if (v < 0)
		return parser_bad(ps, at->line, "bad-value", "Unknown %s \"%.40s\" specified", key, s);
	domain_config_set_other(ps->c, path, json_object_new_string(name_of(table, v)));
	return 0;
}

int parse_hvm(struct parser *ps)
{
	static const struct name vgas[] = { { "std", 1 },  { "stdvga", 1 }, { "cirrus", 2 },
					    { "none", 3 }, { "qxl", 4 },    { NULL, 0 } };
	static const struct name models[] = { { "qemu_xen", 1 },
					      { "qemu-xen", 1 },
					      { "qemu_xen_traditional", 2 },
					      { "qemu-xen-traditional", 2 },
					      { NULL, 0 } };
	const struct xlcfg_value *v = xlcfg_get(&ps->cfg, "serial");
	const char *s;
	long long n;

	if (ps->c->type != DOMAIN_HVM)
		return 0;
	if (v && v->kind == XLCFG_LIST) {
		struct json_object *a = array_at(ps->c, "b_info/type.hvm/serial_list");

		for (size_t i = 0; i < v->nr_items; i++)
			if (v->items[i].kind != XLCFG_LIST)
				json_object_array_add(a, json_object_new_string(v->items[i].string));
	} else if (v) {
		domain_config_set_other(ps->c, "b_info/type.hvm/serial", json_object_new_string(v->string));
	}
	if (parser_string(ps, "vga", &s) < 0 || (s && word(ps, "vga", vgas, "b_info/type.hvm/vga/kind", s)))
		return -EINVAL;
	if (!s && parser_number(ps, "stdvga", 0, 1, &n) > 0)
		domain_config_set_other(ps->c, "b_info/type.hvm/vga/kind",
					json_object_new_string(n ? "std" : "cirrus"));
	if (parser_string(ps, "device_model_version", &s) < 0 ||
	    (s && word(ps, "device_model_version", models, "b_info/device_model_version", s)))
		return -EINVAL;
	v = xlcfg_get(&ps->cfg, "gfx_passthru");
	if (v && v->kind != XLCFG_LIST && *v->string) {
		bool number = strspn(v->string, "0123456789") == strlen(v->string);

		domain_config_set_other(
			ps->c, "b_info/type.hvm/gfx_passthru",
			json_object_new_string(number && !strtol(v->string, NULL, 10) ? "False" : "True"));
		if (!number)
			domain_config_set_other(ps->c, "b_info/type.hvm/gfx_passthru_kind",
						json_object_new_string(v->string));
	}
	v = xlcfg_get(&ps->cfg, "viridian");
	if (v && v->kind != XLCFG_LIST && parser_number(ps, "viridian", 0, 1, &n) > 0)
		domain_config_set_other(ps->c, "b_info/type.hvm/viridian",
					json_object_new_string(n ? "True" : "False"));
	else if (v && v->kind == XLCFG_LIST)
		parser_remark(ps, v->line, "viridian: groups of enlightenments are not known here; ignored");
	return 0;
}
