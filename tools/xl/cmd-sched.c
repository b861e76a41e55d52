/* xl sched-credit, sched-credit2. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "abi/hospes.h"
#include "cmd.h"
#include "domain/names.h"
#include "domains.h"
#include "hcall/hcall.h"
#include "machine.h"
#include "xl.h"

struct request {
	unsigned sched; /* the one the verb is about */
	const char *domain, *pool;
	bool params;					   /* -s: of the scheduler, not of domains */
	long weight, cap, class, tslice, ratelimit, delay; /* -1: not given */
};

static void header(void)
{
	if (xl_json())
		return;
	printf("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap");
}

/* What the domain has, with the scheduler of its pool. 0 or -errno. */
static int get_params(uint32_t domid, unsigned sched, struct xen_domctl_scheduler_op *out)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = (domid_t)domid };
	int rc;

	op.u.scheduler_op.sched_id = sched;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	rc = hcall_domctl(xl_hcall(), &op);
	*out = op.u.scheduler_op;
	return rc < 0 ? rc : 0;
}

static int show_domain(const struct domain *d, unsigned sched, struct json_object *a)
{
	struct xen_domctl_scheduler_op p;
	int rc = get_params(d->info.domain, sched, &p);

	if (rc)
		return xl_hcall_failed(rc, d->info.domain, "scheduler", "the domain's parameters");
	if (xl_json()) {
		struct json_object *o = json_object_new_object();
		struct hospes_latency l;

		json_object_object_add(o, "domid", json_object_new_int(d->info.domain));
		json_object_object_add(o, "name", d->name ? json_object_new_string(d->name) : NULL);
		json_object_object_add(o, "weight", json_object_new_int(p.u.credit2.weight));
		json_object_object_add(o, "cap", json_object_new_int(p.u.credit2.cap));
		if (domain_latency(d->info.domain, &l)) /* Debian's table has no room for it, and Xen has none */
			json_object_object_add(o, "class",
					       json_object_new_string(name_of(latency_class_names, (int)l.class)));
		json_object_array_add(a, o);
	} else {
		printf("%-33s %4d %6u %4u\n", domain_label(d), d->info.domain, p.u.credit2.weight, p.u.credit2.cap);
	}
	return XL_OK;
}

static int pool_scheduler(uint32_t pool, unsigned sched, bool set, struct xen_sysctl_scheduler_op *p)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_scheduler_op };
	int rc;

	op.u.scheduler_op = *p;
	op.u.scheduler_op.cpupool_id = pool;
	op.u.scheduler_op.sched_id = sched;
	op.u.scheduler_op.cmd = set ? XEN_SYSCTL_SCHEDOP_putinfo : XEN_SYSCTL_SCHEDOP_getinfo;
	rc = hcall_sysctl(xl_hcall(), &op);
	*p = op.u.scheduler_op;
	return rc < 0 ? rc : 0;
}

static void show_pool(const struct pool *pool, unsigned sched)
{
	struct xen_sysctl_scheduler_op p = { 0 };
	char *name = pool_name(pool->id);

	if (xl_json())
		;
	else if (pool_scheduler(pool->id, sched, false, &p))
		printf("Cpupool %s: [sched params unavailable]\n", name ? name : "(null)");
	else if (sched == XEN_SCHEDULER_CREDIT2)
		printf("Cpupool %s: ratelimit=%uus\n", name ? name : "(null)", p.u.sched_credit2.ratelimit_us);
	else
		printf("Cpupool %s: tslice=%ums ratelimit=%uus migration-delay=%uus\n", name ? name : "(null)",
		       p.u.sched_credit.tslice_ms, p.u.sched_credit.ratelimit_us, p.u.sched_credit.vcpu_migr_delay_us);
	free(name);
}

/* All pools of that scheduler, or one, and the domains in them unless only the pools were asked for. */
static int show_all(const struct request *r, uint32_t only, bool domains)
{
	struct json_object *a = json_object_new_array();
	unsigned nr;
	struct pool *pools = pools_list(&nr);
	struct domains l = domains_list();
	int rc = XL_OK;

	for (unsigned i = 0; i < nr; i++) {
		if (pools[i].sched != r->sched || (only != UINT32_MAX && pools[i].id != only))
			continue;
		show_pool(&pools[i], r->sched);
		if (!domains)
			continue;
		header();
		for (unsigned j = 0; j < l.nr; j++)
			if (l.d[j].info.cpupool == pools[i].id)
				rc |= show_domain(&l.d[j], r->sched, a);
	}
	domains_free(&l);
	pools_free(pools, nr);
	if (xl_json())
		return xl_print_json(a);
	json_object_put(a);
	return rc;
}

/* See machine.h. */
unsigned domain_scheduler(const struct domain *d)
{
	unsigned nr, sched = machine_scheduler();
	struct pool *pools = pools_list(&nr);

	for (unsigned i = 0; i < nr; i++)
		if (pools[i].id == d->info.cpupool)
			sched = pools[i].sched;
	pools_free(pools, nr);
	return sched;
}

/* See machine.h. */
int xl_wrong_scheduler(unsigned have, unsigned wanted)
{
	if (xl_json())
		return xl_fail(EINVAL, "wrong-scheduler", "scheduler", "use the verb of that scheduler",
			       "the domain is run by %s, not %s", scheduler_name(have), scheduler_name(wanted));
	fprintf(stderr, "libxl_domain_sched_params_get returned %s not %s.\n", scheduler_name(have),
		scheduler_name(wanted));
	return XL_FAILED;
}

static int set_class(uint32_t domid, long class)
{
	struct hospes_latency op = { .domid = (domid_t)domid, .flags = HOSPES_LATENCY_set, .class = (uint32_t) class };
	int rc = hcall_hospes(xl_hcall(), HOSPES_latency, &op, sizeof(op));

	if (rc == -ENOSYS)
		return xl_fail(ENOSYS, "not-supported", "scheduler", "change weight and cap, or boot Hospes",
			       "this hypervisor has no classes of latency");
	return rc ? xl_hcall_failed(rc, domid, "scheduler", "the class") : XL_OK;
}

/* Weight and cap, then the class. */
static int set_domain(const struct request *r, const struct domain *d)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = d->info.domain };
	int rc = get_params(d->info.domain, r->sched, &op.u.scheduler_op);

	if (rc == 0) {
		if (r->weight != -1 && (r->weight < 1 || r->weight > 65535))
			return xl_fail(EINVAL, "bad-value", "scheduler", "give a weight from 1 to 65535",
				       "Cpu weight out of range, valid values are within range from 1 to 65535");
		if (r->cap != -1 && (r->cap < 0 || r->cap > 65535))
			return xl_fail(EINVAL, "bad-value", "scheduler",
				       "give a cap from 0 (none) to 65535 percent of a CPU", "Cpu cap out of range");
		if (r->weight != -1)
			op.u.scheduler_op.u.credit2.weight = (uint16_t)r->weight;
		if (r->cap != -1)
			op.u.scheduler_op.u.credit2.cap = (uint16_t)r->cap;
		op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
		op.u.scheduler_op.sched_id = r->sched;
		rc = hcall_domctl(xl_hcall(), &op);
	}
	if (rc < 0)
		return xl_hcall_failed(rc, d->info.domain, "scheduler", "these parameters");
	return r->class < 0 ? XL_OK : set_class(d->info.domain, r->class);
}

static int one_domain(const struct request *r)
{
	struct json_object *a = json_object_new_array();
	struct domain d;
	unsigned have;
	int rc;

	if (!domain_get(domain_find(r->domain), &d))
		return xl_fail(ESRCH, "no-such-domain", "scheduler", "see xl list for the domains there are",
			       "domain %s does not exist", r->domain);
	have = domain_scheduler(&d);
	if (r->weight == -1 && r->cap == -1 && r->class == -1) {
		header();
		fflush(stdout);
		rc = have == r->sched ? show_domain(&d, r->sched, a) : xl_wrong_scheduler(have, r->sched);
		if (rc == XL_OK && xl_json())
			xl_print_json(json_object_get(a));
	} else {
		rc = have == r->sched ? set_domain(r, &d) : xl_wrong_scheduler(have, r->sched);
	}
	json_object_put(a);
	domain_put(&d);
	return rc;
}

static int one_scheduler(const struct request *r, uint32_t pool)
{
	struct xen_sysctl_scheduler_op p = { 0 };
	int rc;

	if (r->tslice == -1 && r->ratelimit == -1 && r->delay == -1)
		return show_all(r, pool, false);
	if (pool == UINT32_MAX)
		pool = 0;
	rc = pool_scheduler(pool, r->sched, false, &p);
	if (rc == 0) {
		if (r->sched == XEN_SCHEDULER_CREDIT2) {
			p.u.sched_credit2.ratelimit_us = (uint32_t)r->ratelimit;
		} else {
			if (r->tslice != -1)
				p.u.sched_credit.tslice_ms = (uint32_t)r->tslice;
			if (r->ratelimit != -1)
				p.u.sched_credit.ratelimit_us = (uint32_t)r->ratelimit;
			if (r->delay != -1)
				p.u.sched_credit.vcpu_migr_delay_us = (uint32_t)r->delay;
		}
		rc = pool_scheduler(pool, r->sched, true, &p);
	}
	return rc < 0 ? xl_hcall_failed(rc, PROBLEM_NO_DOMID, "scheduler", "these parameters") : XL_OK;
}

static long number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (!isdigit((unsigned char)*s) || *end || n > INT32_MAX)
		exit(xl_fail(EINVAL, "bad-value", "scheduler", "write a number", "\"%s\" is not a number", s));
	return n;
}

static long class_of(const char *s)
{
	int class = value_of(latency_class_names, s);

	if (class < 0)
		exit(xl_fail(EINVAL, "bad-value", "scheduler", "write interactive, normal or batch",
			     "\"%s\" is no class of latency", s));
	return class;
}

#define OPTION_CLASS 256 /* without a letter: Debian's xl may want them all */

static int run(int argc, char **argv, unsigned sched)
{
	static const struct option longs[] = { { "domain", 1, NULL, 'd' },
					       { "weight", 1, NULL, 'w' },
					       { "cap", 1, NULL, 'c' },
					       { "class", 1, NULL, OPTION_CLASS },
					       { "schedparam", 0, NULL, 's' },
					       { "tslice_ms", 1, NULL, 't' },
					       { "ratelimit_us", 1, NULL, 'r' },
					       { "migration_delay_us", 1, NULL, 'm' },
					       { "cpupool", 1, NULL, 'p' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	struct request r = { sched, NULL, NULL, false, -1, -1, -1, -1, -1, -1 };
	int64_t pool = -1;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "d:w:c:p:t:r:m:s", longs, 0)) >= 0) {
		long *to = opt == 'w' ? &r.weight :
			   opt == 't' ? &r.tslice :
			   opt == 'r' ? &r.ratelimit :
			   opt == 'm' ? &r.delay :
			   opt == 'c' ? &r.cap :
					NULL;

		if (to)
			*to = number(optarg);
		else if (opt == OPTION_CLASS)
			r.class = class_of(optarg);
		else if (opt == 'd')
			r.domain = optarg;
		else if (opt == 's')
			r.params = true;
		else if (opt == 'p')
			r.pool = optarg;
	}
	if ((r.pool || r.params) && r.domain) {
		return xl_refuse(EINVAL, "bad-request", "scheduler", "ask for a domain or for a pool", "%s",
				 sched == XEN_SCHEDULER_CREDIT ?
					 "Specifying a cpupool or schedparam is not allowed with domain options." :
					 "Specifying a cpupool is not allowed with other options.");
	}
	if (!r.domain && (r.weight != -1 || r.cap != -1 || r.class != -1))
		return xl_refuse(EINVAL, "bad-request", "scheduler", "add -d <domain>", "Must specify a domain.");
	if (!r.params && (r.tslice != -1 || r.ratelimit != -1 || r.delay != -1))
		return xl_refuse(EINVAL, "bad-request", "scheduler", "add -s",
				 "Must specify schedparam to set schedule parameter values.");
	if (r.domain)
		return one_domain(&r);
	if (r.pool) {
		pool = pool_find(r.pool);
		if (pool < 0)
			return xl_refuse(ESRCH, "no-such-pool", "scheduler",
					 "see xl cpupool-list for the pools there are", "unknown cpupool '%s'", r.pool);
	}
	if (r.params)
		return one_scheduler(&r, pool < 0 ? UINT32_MAX : (uint32_t)pool);
	return show_all(&r, pool < 0 ? UINT32_MAX : (uint32_t)pool, true);
}

int cmd_sched_credit(int argc, char **argv)
{
	return run(argc, argv, XEN_SCHEDULER_CREDIT);
}

int cmd_sched_credit2(int argc, char **argv)
{
	return run(argc, argv, XEN_SCHEDULER_CREDIT2);
}
