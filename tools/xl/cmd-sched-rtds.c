/* xl sched-rtds: what vCPUs are promised, of a domain, a pool or the machine. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cmd.h"
#include "domains.h"
#include "hcall/hcall.h"
#include "machine.h"
#include "xl.h"

#define MAX_GIVEN 128

/* Numbers of one option, in the order they were given. */
struct given {
	uint32_t n[MAX_GIVEN];
	unsigned nr;
};

struct request {
	const char *domain, *pool;
	struct given vcpus, periods, budgets, extras;
	bool all; /* -v all */
};

static void add(struct given *g, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > INT32_MAX || g->nr == MAX_GIVEN)
		exit(xl_fail(EINVAL, "bad-value", "scheduler", "write a number", "\"%s\" is not a number", text));
	g->n[g->nr++] = (uint32_t)n;
}

static void header(bool vcpus)
{
	if (!xl_json())
		printf("%-33s %4s %s%9s %9s %10s\n", "Name", "ID", vcpus ? "VCPU " : "", "Period", "Budget",
		       "Extratime");
}

/* One line; @vcpu < 0: what new vCPUs of the domain get. */
static void show(const struct domain *d, int vcpu, const struct xen_domctl_sched_rtds *p, struct json_object *a)
{
	const char *extra = p->flags & XEN_DOMCTL_SCHEDRT_extra ? "yes" : "no";
	struct json_object *o;

	if (!xl_json() && vcpu < 0)
		printf("%-33s %4d %9u %9u %10s\n", domain_label(d), d->info.domain, p->period, p->budget, extra);
	else if (!xl_json())
		printf("%-33s %4d %4d %9u %9u %10s\n", domain_label(d), d->info.domain, vcpu, p->period, p->budget,
		       extra);
	if (!xl_json())
		return;
	o = json_object_new_object();
	json_object_object_add(o, "domid", json_object_new_int(d->info.domain));
	json_object_object_add(o, "name", d->name ? json_object_new_string(d->name) : NULL);
	if (vcpu >= 0)
		json_object_object_add(o, "vcpu", json_object_new_int(vcpu));
	json_object_object_add(o, "period", json_object_new_int64(p->period));
	json_object_object_add(o, "budget", json_object_new_int64(p->budget));
	json_object_object_add(o, "extratime", json_object_new_boolean(p->flags & XEN_DOMCTL_SCHEDRT_extra));
	json_object_array_add(a, o);
}

/* Get or put what @e's vCPU has. 0 or -errno. */
static int vcpu_params(const struct domain *d, bool put, struct xen_domctl_schedparam_vcpu *e)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = d->info.domain };
	struct xen_domctl_schedparam_vcpu *list = hcall_alloc(xl_hcall(), sizeof(*list));
	int rc;

	if (!list)
		return -ENOMEM;
	*list = *e;
	op.u.scheduler_op.sched_id = XEN_SCHEDULER_RTDS;
	op.u.scheduler_op.cmd = put ? XEN_DOMCTL_SCHEDOP_putvcpuinfo : XEN_DOMCTL_SCHEDOP_getvcpuinfo;
	op.u.scheduler_op.u.v.vcpus = hcall_address(xl_hcall(), list);
	op.u.scheduler_op.u.v.nr_vcpus = 1;
	rc = hcall_domctl(xl_hcall(), &op);
	*e = *list;
	hcall_free(xl_hcall(), list, sizeof(*list));
	return rc < 0 ? rc : 0;
}

static int failed(const char *call, const struct domain *d, int rc)
{
	fprintf(stderr, "libxl_vcpu_sched_params_%s failed.\n", call);
	return xl_hcall_failed(rc, d->info.domain, "scheduler", "these parameters");
}

static int show_default(const struct domain *d, struct json_object *a)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = d->info.domain };
	int rc;

	op.u.scheduler_op.sched_id = XEN_SCHEDULER_RTDS;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	rc = hcall_domctl(xl_hcall(), &op);
	if (rc < 0)
		return xl_hcall_failed(rc, d->info.domain, "scheduler", "the domain's parameters");
	show(d, -1, &op.u.scheduler_op.u.rtds, a);
	return XL_OK;
}

static int show_vcpu(const struct domain *d, uint32_t vcpu, struct json_object *a)
{
	struct xen_domctl_schedparam_vcpu e = { .vcpuid = vcpu };
	int rc = vcpu_params(d, false, &e);

	if (rc)
		return failed("get", d, rc);
	show(d, (int)vcpu, &e.u.rtds, a);
	return XL_OK;
}

/* All vCPUs of @d, or those named, or only what new ones get. */
static int show_domain(const struct request *r, const struct domain *d, struct json_object *a)
{
	unsigned nr = r->all ? d->info.max_vcpu_id + 1 : r->vcpus.nr;
	int rc = XL_OK;

	if (!nr)
		return show_default(d, a);
	for (unsigned i = 0; i < nr && rc == XL_OK; i++)
		rc = show_vcpu(d, r->all ? i : r->vcpus.n[i], a);
	return rc;
}

static int set_vcpu(const struct request *r, const struct domain *d, uint32_t vcpu, unsigned i)
{
	struct xen_domctl_schedparam_vcpu e = { .vcpuid = vcpu };
	int rc;

	e.u.rtds = (struct xen_domctl_sched_rtds){ r->periods.n[i], r->budgets.n[i],
						   r->extras.n[i] ? XEN_DOMCTL_SCHEDRT_extra : 0 };
	rc = vcpu_params(d, true, &e);
	return rc ? failed("set", d, rc) : XL_OK;
}

static int set_domain(const struct request *r, const struct domain *d)
{
	int rc = XL_OK;

	for (unsigned i = 0; r->all && i <= d->info.max_vcpu_id && rc == XL_OK; i++)
		rc = set_vcpu(r, d, i, 0);
	for (unsigned i = 0; !r->all && i < r->vcpus.nr && rc == XL_OK; i++)
		rc = set_vcpu(r, d, r->vcpus.n[i], i);
	return rc;
}

static bool setting(const struct request *r)
{
	return r->periods.nr || r->budgets.nr || r->extras.nr;
}

static int one_domain(const struct request *r)
{
	struct json_object *a = json_object_new_array();
	struct domain d;
	unsigned have;
	int rc = XL_OK;

	if (!domain_get(domain_find(r->domain), &d))
		return xl_fail(ESRCH, "no-such-domain", "scheduler", "see xl list for the domains there are",
			       "domain %s does not exist", r->domain);
	have = domain_scheduler(&d);
	if (!setting(r))
		header(r->all || r->vcpus.nr);
	fflush(stdout);
	if (have != XEN_SCHEDULER_RTDS)
		rc = xl_wrong_scheduler(have, XEN_SCHEDULER_RTDS);
	else
		rc = setting(r) ? set_domain(r, &d) : show_domain(r, &d, a);
	if (rc == XL_OK && xl_json() && !setting(r))
		rc = xl_print_json(json_object_get(a));
	json_object_put(a);
	domain_put(&d);
	return rc;
}

static int all_domains(const struct request *r, int64_t only)
{
	struct json_object *a = json_object_new_array();
	struct domains l = domains_list();
	unsigned nr;
	struct pool *pools = pools_list(&nr);
	int rc = XL_OK;

	for (unsigned i = 0; i < nr; i++) {
		char *name;

		if (pools[i].sched != XEN_SCHEDULER_RTDS || (only >= 0 && pools[i].id != only))
			continue;
		name = pool_name(pools[i].id);
		if (!xl_json())
			printf("Cpupool %s: sched=RTDS\n", name ? name : "(null)");
		free(name);
		header(r->all);
		for (unsigned j = 0; j < l.nr; j++)
			if (l.d[j].info.cpupool == pools[i].id)
				rc |= show_domain(r, &l.d[j], a);
	}
	domains_free(&l);
	pools_free(pools, nr);
	if (xl_json())
		return xl_print_json(a);
	json_object_put(a);
	return rc;
}

static int refuse(const char *why)
{
	fprintf(stderr, "%s\n", why);
	return XL_FAILED;
}

/* In Debian's words. NULL: the options go together. */
static const char *contradiction(const struct request *r)
{
	unsigned wanted = r->all ? 1 : r->vcpus.nr;

	if (!r->domain && (setting(r) || r->vcpus.nr))
		return "Missing parameters.";
	if (setting(r) && !wanted)
		return "Must specify VCPU.";
	if (setting(r) && (r->periods.nr != wanted || r->budgets.nr != wanted || r->extras.nr != wanted))
		return "Incorrect number of period, budget and extratime";
	return NULL;
}

int cmd_sched_rtds(int argc, char **argv)
{
	static const struct option longs[] = { { "domain", 1, NULL, 'd' }, { "period", 1, NULL, 'p' },
					       { "budget", 1, NULL, 'b' }, { "extratime", 1, NULL, 'e' },
					       { "vcpuid", 1, NULL, 'v' }, { "cpupool", 1, NULL, 'c' },
					       { "help", 0, NULL, 'h' },   { 0 } };
	struct request *r = calloc(1, sizeof(*r));
	const char *wrong;
	int64_t pool = -1;
	int opt;

	if (!r)
		return refuse("no memory");
	while ((opt = xl_option(xl_command(), argc, argv, "d:p:b:e:v:c:", longs, 0)) >= 0) {
		if (opt == 'd')
			r->domain = optarg;
		else if (opt == 'c')
			r->pool = optarg;
		else if (opt == 'v' && strcmp(optarg, "all") == 0)
			r->all = true;
		else
			add(opt == 'v' ? &r->vcpus :
			    opt == 'p' ? &r->periods :
			    opt == 'b' ? &r->budgets :
					 &r->extras,
			    optarg);
	}
	if (r->pool && (r->domain || r->all || r->vcpus.nr || setting(r)))
		return refuse("Specifying a cpupool is not allowed with other options.");
	wrong = contradiction(r);
	if (wrong)
		return refuse(wrong);
	if (r->domain)
		return one_domain(r);
	if (r->pool && (pool = pool_find(r->pool)) < 0) {
		fprintf(stderr, "unknown cpupool '%s'\n", r->pool);
		return XL_FAILED;
	}
	return all_domains(r, pool);
}
