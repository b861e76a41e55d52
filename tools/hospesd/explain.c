#include "explain.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/problem.h"
#include "dom.h"
#include "hv.h"
#include "life.h"
#include "op.h"

static void line(struct json_object *lines, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(struct json_object *lines, const char *fmt, ...)
{
	char text[1200];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_object_array_add(lines, json_object_new_string(text));
}

static void tell_holder(void *arg, uint32_t holder, unsigned grants)
{
	const struct dom *d = dom_find(holder);
	line(arg, "domain %u%s%s%s uses %u of its grants%s", holder, d && *d->name ? " (" : "", d ? d->name : "",
	     d && *d->name ? ")" : "", grants, holder ? "" : ": a back end, or a program that maps them");
}

/* Why a domain that was destroyed is still there. */
static void explain_dying(struct json_object *lines, const struct xen_domctl_getdomaininfo *info)
{
	line(lines, "it is dying: the hypervisor has taken back all of its memory that it could");
	if (info->tot_pages)
		line(lines,
		     "%llu pages (%llu KiB) are held by others: mapped through grants (a back end in domain 0 or in a driver domain) or "
		     "as foreign memory (xenconsoled, xenstored, a debugger)",
		     (unsigned long long)info->tot_pages, (unsigned long long)info->tot_pages * 4);
	(void)hv_grant_holders(info->domain, tell_holder, lines);
	if (info->shr_pages)
		line(lines, "%llu pages are shared with other domains", (unsigned long long)info->shr_pages);
	if (info->outstanding_pages)
		line(lines, "%llu pages were claimed for it and never used",
		     (unsigned long long)info->outstanding_pages);
	line(lines,
	     "it goes when the last of them lets go; processes of domain 0 that map it are found by 'grep -l /dev/xen /proc/*/maps'");
}

static const char *state_of(const struct dom *d, const struct xen_domctl_getdomaininfo *info)
{
	if (d->id == PROBLEM_NO_DOMID)
		return "not made";
	if (!info)
		return "gone";
	if (info->flags & XEN_DOMINF_dying)
		return "dying";
	if (d->op)
		return d->op->type->name;
	if (info->flags & XEN_DOMINF_shutdown)
		return life_reason_name(hv_reason(info));
	return info->flags & XEN_DOMINF_paused ? "paused" : "running";
}

struct json_object *explain(const struct dom *d)
{
	struct json_object *o = json_object_new_object(), *lines = json_object_new_array();
	struct xen_domctl_getdomaininfo info;
	bool there = !d->gone && !hv_info(d->id, &info) && !memcmp(info.handle, d->uuid, 16);
	unsigned first = d->nr_history > DOM_HISTORY ? d->nr_history - DOM_HISTORY : 0;
	char text[1200];
	json_object_object_add(o, "domain", json_object_new_string(d->name));
	json_object_object_add(o, "domid", d->id == PROBLEM_NO_DOMID ? NULL : json_object_new_int64(d->id));
	json_object_object_add(o, "state", json_object_new_string(state_of(d, there ? &info : NULL)));
	json_object_object_add(o, "lines", lines);
	if (d->problem.err) {
		problem_format(&d->problem, text, sizeof(text));
		line(lines, "%s", text);
		json_object_object_add(o, "problem", problem_json(&d->problem));
	}
	if (there && (info.flags & XEN_DOMINF_dying))
		explain_dying(lines, &info);
	for (const struct op *op = op_first(); op; op = op->next)
		if (op->dom == d)
			line(lines, "under way: %s, step %s%s", op->type->name, op_step_name(op),
			     op->parked ? ", waiting for the store" : "");
	if (!d->ours && !d->gone && d->id)
		line(lines, "it was made by another toolstack: what happens when it ends is not decided here");
	for (unsigned i = first; i < d->nr_history; i++)
		line(lines, "%s", d->history[i % DOM_HISTORY]);
	return o;
}
