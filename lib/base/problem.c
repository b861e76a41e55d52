#include "base/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

static void put(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

void problem_init(struct problem *p)
{
	*p = (struct problem){ .domid = PROBLEM_NO_DOMID };
}

int problem_set(struct problem *p, int err, const char *code, const char *step, const char *next, const char *cause_fmt,
		...)
{
	va_list ap;

	if (err <= 0)
		err = err < 0 ? -err : EIO;
	if (!p)
		return -err;
	if (p->err)
		return -p->err;
	p->err = err;
	put(p->code, sizeof(p->code), code);
	put(p->step, sizeof(p->step), step);
	put(p->next, sizeof(p->next), next);
	va_start(ap, cause_fmt);
	vsnprintf(p->cause, sizeof(p->cause), cause_fmt, ap);
	va_end(ap);
	return -err;
}

void problem_domain(struct problem *p, const char *name, uint32_t domid)
{
	if (!p)
		return;
	if (!p->domain[0] && name)
		put(p->domain, sizeof(p->domain), name);
	if (p->domid == PROBLEM_NO_DOMID)
		p->domid = domid;
}

int problem_format(const struct problem *p, char *buf, unsigned size)
{
	char who[96] = "";

	if (p->domain[0] && p->domid != PROBLEM_NO_DOMID)
		snprintf(who, sizeof(who), "domain '%s' (%u): ", p->domain, p->domid);
	else if (p->domain[0])
		snprintf(who, sizeof(who), "domain '%s': ", p->domain);
	else if (p->domid != PROBLEM_NO_DOMID)
		snprintf(who, sizeof(who), "domain %u: ", p->domid);
	return snprintf(buf, size, "%s%s%s%s%s%s%s%s%s", who, p->step, p->step[0] ? ": " : "", p->cause,
			p->code[0] ? " (" : "", p->code, p->code[0] ? ")" : "", p->next[0] ? "\n    next: " : "",
			p->next);
}

static void add_string(struct json_object *to, const char *name, const char *s)
{
	json_object_object_add(to, name, json_object_new_string(s));
}

struct json_object *problem_json(const struct problem *p)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "code", p->code);
	add_string(o, "domain", p->domain);
	json_object_object_add(o, "domid",
			       p->domid == PROBLEM_NO_DOMID ? NULL : json_object_new_int64((int64_t)p->domid));
	add_string(o, "step", p->step);
	add_string(o, "cause", p->cause);
	add_string(o, "next", p->next);
	json_object_object_add(o, "errno", json_object_new_int(p->err));
	return o;
}

static void get_string(struct json_object *from, const char *name, char *to, size_t size)
{
	struct json_object *o;

	if (json_object_object_get_ex(from, name, &o) && json_object_is_type(o, json_type_string))
		put(to, size, json_object_get_string(o));
}

void problem_from_json(struct problem *p, struct json_object *json)
{
	struct json_object *o;

	problem_init(p);
	get_string(json, "code", p->code, sizeof(p->code));
	get_string(json, "domain", p->domain, sizeof(p->domain));
	get_string(json, "step", p->step, sizeof(p->step));
	get_string(json, "cause", p->cause, sizeof(p->cause));
	get_string(json, "next", p->next, sizeof(p->next));
	if (json_object_object_get_ex(json, "domid", &o) && json_object_is_type(o, json_type_int))
		p->domid = (uint32_t)json_object_get_int64(o);
	if (json_object_object_get_ex(json, "errno", &o) && json_object_is_type(o, json_type_int))
		p->err = json_object_get_int(o);
	if (p->err <= 0)
		p->err = EIO;
}
